"""Python code and commands in the suggested actions of the health report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from frgroups.snapshot.group_references import label_of, reference_of
from frgroups.snapshot.membership_matrix import MembershipMatrix


def check_first(groups: str, next_step: str) -> str:
    """
    Return a suggested action that starts with a check in the back office.

    Examples
    --------
    >>> check_first("VIP", "Retire the group.")
    'Check the back office for campaigns and price lists that use VIP. Retire the group.'
    """
    return f"Check the back office for campaigns and price lists that use {groups}. {next_step}"


def limits_to_empty(n: int) -> dict[str, int]:
    """
    Return the limits that a plan needs to remove all members of a group.

    Limits whose defaults are sufficient are omitted.

    Parameters
    ----------
    n
        The number of members of the group.

    Examples
    --------
    >>> limits_to_empty(2), limits_to_empty(15)
    ({'emptied_groups': 1}, {'emptied_groups': 1, 'removal_share': 1})
    """
    # The class Limits is in a higher layer, so it cannot be imported here.
    # A test compares these numbers with the defaults of Limits.
    limits = {"emptied_groups": 1}
    if n > 2:
        limits["removal_share"] = 1
    if n > 20:
        limits["removal_share_total"] = 1
    if n > 100:
        limits["removals_per_group"] = n
    if n > 500:
        limits["removals_total"] = n
    return limits


def quote_word(text: str) -> str:
    r"""
    Quote a word of a command line if it contains special characters.

    Examples
    --------
    >>> quote_word("vip"), quote_word("country_code == 'NO'"), quote_word("two words")
    ('vip', '"country_code == \'NO\'"', "'two words'")
    """
    if "'" in text and not re.search(r'["$`\\!]', text):
        return f'"{text}"'
    return shlex.quote(text)


@dataclass(frozen=True, slots=True)
class SuggestedPlans:
    """
    Python code and commands that create plans for the groups of a tenant.

    Attributes
    ----------
    matrix
        The groups of the tenant.
    has_register
        Whether the plans use the register, so that the register's limits apply.
    """

    matrix: MembershipMatrix
    has_register: bool = False

    def label(self, uid: str) -> str:
        """Return the label of a group for use in a sentence. See `label_of`."""
        return label_of(self.matrix, uid)

    def refer(self, uid: str) -> str:
        """Return a string that refers to a group. See `reference_of`."""
        return reference_of(self.matrix, uid)

    def quote(self, uid: str) -> str:
        """Return a string that refers to a group in a group expression. See `reference_of`."""
        return reference_of(self.matrix, uid, in_expression=True)

    def call(self, desired: str, mode: str, limits: Mapping[str, int] | None = None) -> str:
        """
        Return Python code that creates a plan.

        Parameters
        ----------
        desired
            Python code of the desired memberships.
        mode
            The mode of the plan.
        limits
            The limits that differ from their defaults. None uses the defaults.

        Examples
        --------
        >>> SuggestedPlans(sample_snapshot().matrix, has_register=True).call("{'vip': []}", "mirror")
        "fg.plan_memberships(snapshot, {'vip': []}, mode='mirror', register=register)"
        """
        arguments = ["snapshot", desired, f"mode={mode!r}"]
        if limits:
            values = ", ".join(f"{name}={value}" for name, value in limits.items())
            arguments.append(f"limits=fg.Limits({values})")
        if self.has_register:
            arguments.append("register=register")
        return f"fg.plan_memberships({', '.join(arguments)})"

    def command(self, uid: str, customers: str, mode: str, limits: Mapping[str, int] | None = None) -> str:
        """
        Return a command that creates a plan for one group.

        Parameters
        ----------
        uid
            The uid of the group.
        customers
            The option that selects the customers, such as ``--list stay.csv``.
        mode, limits
            As in `call`.

        Examples
        --------
        >>> SuggestedPlans(sample_snapshot().matrix).command("vip", "--list stay.csv", "keep_only")
        'frgroups plan --group vip --list stay.csv --mode keep_only'
        """
        register = "--register FILE " if self.has_register else ""
        options = "".join(f" --limit {name}={value}" for name, value in (limits or {}).items())
        return f"frgroups plan {register}--group {quote_word(self.refer(uid))} {customers} --mode {mode}{options}"

    def members_command(self, uid: str, source: str, mode: str, limits: Mapping[str, int] | None = None) -> str:
        """
        Return a command that creates a plan for one group from the members of the group `source`.

        Examples
        --------
        >>> print(SuggestedPlans(sample_snapshot().matrix).members_command("vip", "staff", "remove"))
        frgroups plan --group vip --members '"staff"' --mode remove
        """
        return self.command(uid, f"--members {quote_word(self.quote(source))}", mode, limits)

    def removal_actions(self, groups: str, condition: str, uid: str, n: int) -> tuple[str, str]:
        """
        Return the suggested action to remove all members of a group, once with Python code and once with a command.

        Parameters
        ----------
        groups
            The groups to check in the back office.
        condition
            The condition under which the members should be removed, such as "the group is no longer needed".
        uid
            The uid of the group.
        n
            The number of members of the group.
        """
        step = f"If {condition}, plan the removal of its members:"
        limits = limits_to_empty(n)
        call = self.call(f"{{{self.refer(uid)!r}: []}}", "mirror", limits)
        command = self.members_command(uid, uid, "remove", limits)
        return check_first(groups, f"{step} {call}"), check_first(groups, f"{step} {command}")
