"""Read approval policies, which allow small plans without an individual approval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec

from frgroups.errors import InputError
from frgroups.internals.checksummed_json import sha256
from frgroups.internals.formatting import pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.toml_files import NonblankText, describe_invalid, read_toml
from frgroups.internals.validation import name_problem
from frgroups.plan.finding import NOTICE_RULES
from frgroups.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Rules for plans that can be applied without an individual approval.

    Use `read_policy` to create a policy from a file, and pass it to `apply_plan(approval=...)`.

    Attributes
    ----------
    name
        The file name and the first 12 hex digits of the SHA-256 of the file. Journals and receipts contain this name.
    by
        Name of the person responsible for the policy.
    groups
        Uids of the groups that a plan can change, or patterns such as "newsletter_*".
    max_adds, max_removes
        Maximum number of additions and of removals in one plan, over all groups.
    create
        Whether a plan can create groups.
    findings
        Rules of the findings that a plan can have, such as "unknown_customers". A plan with any other finding
        requires an individual approval.
    valid_until
        Last day on which the policy is valid (UTC). None means that the policy does not expire.

    Examples
    --------
    >>> policy = Policy("small.toml (0123456789ab)", "Kari", ("newsletter_*",), max_adds=50, max_removes=5)
    >>> policy.max_adds, policy.create
    (50, False)
    """

    name: str
    by: str
    groups: tuple[str, ...]
    max_adds: int
    max_removes: int
    create: bool = False
    findings: tuple[str, ...] = ()
    valid_until: date | None = None

    def refusals(self, plan: Plan) -> list[str]:
        """
        Return the reasons why the policy does not allow a plan.

        Parameters
        ----------
        plan
            The plan to check.

        Returns
        -------
        list of str
            One sentence per reason. The list is empty if the policy allows the plan.

        Examples
        --------
        >>> policy = Policy("newsletter.toml", by="Kari", groups=("newsletter_*",), max_adds=50, max_removes=5)
        >>> policy.refusals(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}))[0]
        'The policy does not cover the group VIP (vip).'
        """
        reasons = [
            f"The policy does not cover the group {group.name} ({group.uid})."
            for group in plan.groups
            if not self._covers(group.uid)
        ]
        if plan.n_add > self.max_adds:
            reasons.append(f"The plan has {pluralize(plan.n_add, 'addition')}. The policy allows {self.max_adds:,}.")
        if plan.n_remove > self.max_removes:
            reasons.append(
                f"The plan has {pluralize(plan.n_remove, 'removal')}. The policy allows {self.max_removes:,}."
            )
        created = [group.uid for group in plan.groups if group.create]
        if created and not self.create:
            reasons.append(f"The plan creates {', '.join(created)}. The policy does not allow new groups.")
        reasons += [
            f"{finding.message} (rule: {finding.rule})"
            for finding in plan.findings
            if finding.blocking or finding.rule not in self.findings
        ]
        if self.valid_until and datetime.now(UTC).date() > self.valid_until:
            reasons.append(f"The policy was valid until {self.valid_until}.")
        return reasons

    def _covers(self, group_uid: str) -> bool:
        return any(fnmatchcase(group_uid, pattern) for pattern in self.groups)


_Maximum = Annotated[int, msgspec.Meta(ge=0)]


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Keys and value types of a policy file."""

    by: NonblankText
    groups: tuple[NonblankText, ...]
    max_adds: _Maximum
    max_removes: _Maximum
    create: bool = False
    findings: tuple[NonblankText, ...] = ()
    valid_until: date | None = None

    def __post_init__(self) -> None:
        problem = name_problem(self.by)
        if problem:
            raise ValueError(f"The name `by` {problem}")


def read_policy(path: str | Path) -> Policy:
    r"""
    Read an approval policy from a TOML file.

    Pass the policy to `apply_plan(approval=...)`, or the file to `frgroups apply --policy`. A policy file has
    these keys, of which the first four are required::

        by = "Kari Nordmann"             # person responsible for the policy
        groups = ["newsletter_*"]        # group uids or patterns
        max_adds = 50                    # additions in one plan, over all groups
        max_removes = 5                  # removals in one plan, over all groups
        create = false                   # whether a plan can create groups
        findings = []                    # rules of findings that a plan can have
        valid_until = 2027-06-30         # last valid day (UTC)

    Parameters
    ----------
    path
        Path of the policy file.

    Returns
    -------
    Policy
        The policy.

    Raises
    ------
    InputError
        The file cannot be read, is not valid TOML, lacks a required key, or contains an unknown key, an unknown rule
        or an invalid value.

    Examples
    --------
    >>> path = home() / "policy.toml"
    >>> lines = ['by = "Kari"', 'groups = ["vip"]', "max_adds = 5", "max_removes = 0", 'findings = ["unverifiable"]']
    >>> _ = path.write_text("\n".join(lines))
    >>> read_policy(path).refusals(plan_memberships(sample_snapshot(), {"vip": ["c-7"], "staff": ["c-8"]}))
    ['The policy does not cover the group Staff (staff).']
    """
    source = Path(path).expanduser()
    document, body = read_toml(source, "policy")
    try:
        content = msgspec.convert(document, _Content)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{source} is not a valid policy: {describe_invalid(error)}. The required keys are by, groups, max_adds, "
            "and max_removes. The optional keys are create, findings, and valid_until."
        ) from error
    unknown = sorted(set(content.findings) - set(NOTICE_RULES))
    if unknown:
        raise InputError(
            f"{source} is not a valid policy: `findings` must not contain {', '.join(map(safe_repr, unknown))}. "
            f"The accepted rules are {', '.join(NOTICE_RULES)}."
        )
    return Policy(name=f"{source.name} {sha256(body.decode())[:12]}", **msgspec.structs.asdict(content))
