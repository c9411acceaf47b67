"""Health report checks of reads, sizes, and names, and the suggested actions of all checks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterator
from typing import Literal, NamedTuple

import pandas as pd

from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.formatting import format_list, pluralize
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import is_contradiction

Severity = Literal["high", "medium", "low"]

_MAX_LISTED = 10  # Maximum number of uids in the evidence of a finding.
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


class HealthFinding(NamedTuple):
    """
    A row of the `health_report` table. The fields are the columns of the table, except for the owner.

    On the command line, `cli_action` replaces a suggested action that contains Python code. None means that the
    suggested action contains no Python code.
    """

    severity: Severity
    finding: str
    customer_group_uid: str
    name: str | None
    other_group_uid: str | None
    other_name: str | None
    n: int
    evidence: str
    suggested_action: str
    cli_action: str | None = None


def check_first(groups: str, next_step: str) -> str:
    """
    Return a suggested action that starts with a check in the back office.

    Examples
    --------
    >>> check_first("vip", "Retire the group.")
    'Check the back office for campaigns and price lists that use vip. Retire the group.'
    """
    return f"Check the back office for campaigns and price lists that use {groups}. {next_step}"


def limits_to_empty(n: int) -> dict[str, int]:
    """
    Return the limits that a plan needs to remove all members of a group. Default limits are omitted.

    Parameters
    ----------
    n
        The number of members of the group.

    Examples
    --------
    >>> limits_to_empty(2), limits_to_empty(15)
    ({'emptied_groups': 1}, {'emptied_groups': 1, 'removal_share': 1})
    """
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


def removal_actions(groups: str, condition: str, uid: str, n: int) -> tuple[str, str]:
    """
    Return the suggested action to remove all `n` members of a group, with Python code and with a command.

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
    return (
        check_first(groups, f"{step} {_emptying_call(uid, n)}"),
        check_first(groups, f"{step} {_emptying_command(uid, n)}"),
    )


def _emptying_call(uid: str, n: int) -> str:
    """Return Python code that creates a plan to remove all `n` members of a group, with the necessary limits."""
    values = ", ".join(f"{name}={value}" for name, value in limits_to_empty(n).items())
    return f"{plan_call(uid, '').removesuffix(')')}, limits=fg.Limits({values}))"


def _emptying_command(uid: str, n: int) -> str:
    """Return a command that creates a plan to remove all `n` members of a group, with the necessary limits."""
    limits = "".join(f" --limit {name}={value}" for name, value in limits_to_empty(n).items())
    return f"{plan_command(uid, quote_uid(uid))}{limits}"


def plan_command(uid: str, expression: str, mode: str = "remove") -> str:
    r"""
    Return a command that creates a plan for the customers who are selected by a group expression.

    Examples
    --------
    >>> plan_command("vip", "'vip' - 'staff'", "mirror")
    'frgroups plan --group vip --members "\'vip\' - \'staff\'" --mode mirror'
    """
    return f"frgroups plan --group {quote_word(uid)} --members {quote_word(expression)} --mode {mode}"


def quote_word(text: str) -> str:
    r"""
    Quote a word of a command line if it contains special characters.

    Examples
    --------
    >>> quote_word("vip"), quote_word("'vip' - 'staff'"), quote_word("two words")
    ('vip', '"\'vip\' - \'staff\'"', "'two words'")
    """
    if "'" in text and not re.search(r'["$`\\!]', text):
        return f'"{text}"'
    return shlex.quote(text)


def find_unverified_groups(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Find groups that changed while they were read, and groups whose read could not be verified."""
    reads = snapshot.reads
    for row in iter_rows(reads[(reads["verdict"] != "consistent") & (reads["how"] != "given")]):
        severity: Severity = "medium"
        name = snapshot.matrix.names_by_uid[row.customer_group_uid]
        finding, problem = "unverifiable", f"The read of {name} could not be verified as complete."
        if row.verdict == "drifted":
            severity, finding, problem = "high", "drifted", f"{name} changed while it was read."
            if is_contradiction(row.note):
                problem = f"The customer records contradict the pages of {name}."
        evidence = (
            f"{problem} The read returned {pluralize(row.n_rows, 'member')} after {pluralize(row.rereads, 'reread')}."
        )
        if row.note:
            evidence += f" Reason: {row.note}."
        yield HealthFinding(
            severity,
            finding,
            row.customer_group_uid,
            name,
            None,
            None,
            row.n_rows,
            evidence,
            f"Read the group again: snapshot = fg.refresh_groups(client, snapshot, [{row.customer_group_uid!r}])",
            "Load the tenant again: frgroups load",
        )


def find_small_groups(snapshot: Snapshot, tiny: int) -> Iterator[HealthFinding]:
    """Find groups without members, and groups with fewer than `tiny` members."""
    last_modified_at = snapshot.groups.set_index("customer_group_uid")["last_modified_at"]
    for row in iter_rows(group_sizes(snapshot)):
        uid, name, n = row.customer_group_uid, row.name, row.n_members
        if n == 0:
            evidence = f"{name} has no members."
            modified_at = last_modified_at[uid]
            if not pd.isna(modified_at):
                evidence += f" The group was last modified on {modified_at:%Y-%m-%d}."
            action = check_first(
                uid,
                "If no campaign uses the group, retire it. A campaign for an empty group reaches no customers.",
            )
            yield HealthFinding("medium", "empty", uid, name, None, None, 0, evidence, action)
        elif n < tiny:
            evidence = f"{name} has {pluralize(n, 'member')}. Number of members in no other group: {row.n_exclusive}."
            if not row.n_exclusive:
                evidence = f"{name} has {pluralize(n, 'member')}."
            action = check_first(uid, "Ask the owner whether the group should have so few members.")
            yield HealthFinding("low", "tiny", uid, name, None, None, n, evidence, action)


def find_similar_names(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Find groups with the same name, and groups whose names differ only in case or whitespace."""
    uids_of_name: dict[str, list[str]] = {}
    for uid, name in zip(snapshot.matrix.group_uids, snapshot.matrix.group_names, strict=True):
        uids_of_name.setdefault(name, []).append(uid)
    for name, uids in uids_of_name.items():
        for uid in uids[1:]:
            evidence = f"{len(uids)} groups have the name {name}: {format_list(uids, _MAX_LISTED)}."
            action = f"Rename {uid} or the other group in the back office, so that the two names differ."
            yield HealthFinding("medium", "same_name", uid, name, uids[0], name, len(uids), evidence, action)
    similar: dict[str, list[str]] = {}
    for name in uids_of_name:
        similar.setdefault(" ".join(name.split()).casefold(), []).append(name)
    for first, *others in similar.values():
        for name in others:
            uid, other = uids_of_name[name][0], uids_of_name[first][0]
            evidence = f"The names {first!r} and {name!r} differ only in case or whitespace."
            action = f"Rename {uid} in the back office, or check whether both groups are needed."
            yield HealthFinding("low", "similar_name", uid, name, other, first, len(others) + 1, evidence, action)


def find_old_years(snapshot: Snapshot, dated: Container[str]) -> Iterator[HealthFinding]:
    """
    Find groups that have members although the name of the group contains a past year.

    Groups in `dated` are skipped, because their last day is already known from the register.
    """
    matrix, this_year = snapshot.matrix, snapshot.taken_at.year
    for uid, name, n in zip(matrix.group_uids, matrix.group_names, matrix.sizes.tolist(), strict=True):
        years = [int(year) for year in _YEAR.findall(name)]
        if n and years and max(years) < this_year and uid not in dated:
            evidence = (
                f"{name} has {pluralize(n, 'member')} in {this_year}, but the name of the group contains a past year."
            )
            action, cli_action = removal_actions(uid, "the group is no longer needed", uid, n)
            yield HealthFinding("low", "old_year", uid, name, None, None, n, evidence, action, cli_action)


def plan_call(uid: str, expression: str, mode: str = "mirror") -> str:
    """
    Return Python code that creates a plan for the members of a group.

    The group expression `expression` selects the desired members of the group. An empty expression removes all
    members. The code must be at the end of a suggested action, because `with_register_argument` appends an argument
    to the code.

    Examples
    --------
    >>> plan_call("vip", "")
    "fg.plan_memberships(snapshot, {'vip': []}, mode='mirror')"
    """
    customers = "[]"
    if expression:
        customers = f"fg.members(snapshot, {expression!r})"
    return f"fg.plan_memberships(snapshot, {{{uid!r}: {customers}}}, mode={mode!r})"


def with_register_argument(finding: HealthFinding) -> HealthFinding:
    """Add the register to the code and the commands in a suggested action, so that the register's limits apply."""
    action, cli_action = finding.suggested_action, finding.cli_action
    if cli_action is not None:
        finding = finding._replace(cli_action=cli_action.replace("frgroups plan ", "frgroups plan --register FILE "))
    if "fg.plan_memberships(" not in action:
        return finding
    return finding._replace(suggested_action=f"{action.removesuffix(')')}, register=register)")


def quote_uid(uid: str) -> str:
    r"""
    Return a uid in quotes for use in a group expression.

    Single quotes are preferred, because `quote_word` can enclose an expression with single quotes in double quotes.

    Examples
    --------
    >>> quote_uid("vip"), quote_uid("store's")
    ("'vip'", '"store\'s"')
    """
    quote = next((mark for mark in "'\"`" if mark not in uid), "'")
    return f"{quote}{uid.replace(quote, 2 * quote)}{quote}"
