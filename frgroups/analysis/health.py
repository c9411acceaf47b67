"""Report problems in the groups of a tenant, with evidence and suggested actions."""

from __future__ import annotations

import pandas as pd

from frgroups.analysis.conflicting_actions import warn_about_conflicts
from frgroups.analysis.health_checks import (
    HealthFinding,
    Severity,
    find_old_years,
    find_similar_names,
    find_small_groups,
    find_unverified_groups,
)
from frgroups.analysis.redundant_groups import find_redundant_groups
from frgroups.analysis.register import match_register
from frgroups.analysis.register_checks import find_register_problems
from frgroups.analysis.suggested_plans import SuggestedPlans
from frgroups.internals.validation import check_number, check_share, check_type
from frgroups.snapshot.snapshot import Snapshot

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
_COLUMNS = dict.fromkeys(HealthFinding._fields, "str") | {"n": "int64", "owner": "str"}
_CLI_ACTION = "cli_action"


def health_report(
    snapshot: Snapshot, *, register: pd.DataFrame | None = None, min_jaccard: float = 0.9, tiny: int = 5
) -> pd.DataFrame:
    """
    Report problems in the groups of a tenant, most severe problems first.

    The API does not report which groups are used by campaigns. Therefore, each suggested action that changes a group
    starts with a check in the back office. Some suggested actions contain Python code that creates a plan from the
    variables `snapshot` and `register`. The code sends no changes. If a plan removes all members of a group, the code
    contains the limits that the plan needs. Two actions can conflict, for example if together they would empty both
    groups of a pair of duplicates. In this case, each of these actions starts with the sentence "Do only one of the
    actions".

    Parameters
    ----------
    snapshot
        The snapshot to check.
    register
        The register of the groups, as returned by `read_register`. None skips the checks that need a register.
    min_jaccard
        The smallest Jaccard index of two groups that are reported as near duplicates, above 0 and at most 1.
    tiny
        Groups that have members, but fewer than this number, are reported as tiny.

    Returns
    -------
    DataFrame
        One row per finding, sorted by severity, finding, customer_group_uid, and other_group_uid:

        - severity (`str`): "high", "medium", or "low"
        - finding (`str`): the type of the finding, see Notes
        - customer_group_uid, name (`str`): the group
        - other_group_uid, other_name (`str`): a second group that is part of the problem, or missing
        - n (`int64`): the number of customers or groups that the evidence refers to
        - evidence (`str`): a description of the problem
        - suggested_action (`str`): what to check or do next
        - owner (`str`): the owner of the group in the register, or missing

    Raises
    ------
    InputError
        If `snapshot` is not a Snapshot, `min_jaccard` or `tiny` is out of range, or `register` is not a valid
        register.
    GroupNotFoundError
        If the register contains a name that several groups have.

    Notes
    -----
    High severity:

    - drifted: the group changed while it was read.
    - duplicate: the group has the same members as another group. If several groups have the same members, one group
      should be kept, and this group is not reported as a duplicate. It is the first group whose name contains neither
      the word "copy" nor a year. If all names contain a year, it is the group with the latest year.
    - ended (register): the last day of the group has passed, but the group has members.
    - two_tiers (register): customers are in two groups of an exclusive set.

    Medium severity:

    - empty: the group has no members.
    - near_duplicate: the group has nearly the same members as another group. If there are more than 100,000 such
      pairs of groups, only the most similar other group is reported for each group.
    - same_name: another group has the same name.
    - unverifiable: the read of the group could not be verified. Snapshots created from tables are not checked.
    - not_in_tenant (register): the tenant has no such group. customer_group_uid is the value in the register.
    - wrong_type (register): members have a customer_type that is not in expected_type.
    - shadowed (register): all members get a larger discount from another campaign.

    Low severity:

    - tiny: the group has fewer than `tiny` members.
    - subset: all members are also in another group. If several other groups contain all members, the table contains
      the smallest of these groups.
    - similar_name: the name looks like the name of another group. The names differ, for example, only in case, in
      spaces, or in letters of different scripts.
    - old_year: the name contains a past year, but the group has members.
    - not_registered (register): the register does not contain the group.
    - no_owner (register): the register contains no owner for the group.
    - not_begun (register): the group has members before its first day.
    - partly_shadowed (register): some members get a larger discount from another campaign.

    Examples
    --------
    >>> report = health_report(sample_snapshot())
    >>> report[["severity", "finding", "name", "n"]]
      severity finding   name  n
    0      low  subset    VIP  2
    1      low    tiny  Staff  1
    2      low    tiny    VIP  2
    >>> report["evidence"][0]
    'All 2 members of VIP are also members of All members (250 members).'
    """
    return _report(snapshot, register, min_jaccard, tiny).drop(columns=_CLI_ACTION)


def health_report_in_cli(
    snapshot: Snapshot, *, register: pd.DataFrame | None = None, min_jaccard: float = 0.9, tiny: int = 5
) -> pd.DataFrame:
    """
    Return the result of `health_report` with suggested actions that contain commands instead of Python code.

    Examples
    --------
    >>> list(health_report_in_cli(sample_snapshot())) == list(health_report(sample_snapshot()))
    True
    """
    table = _report(snapshot, register, min_jaccard, tiny)
    actions = table[_CLI_ACTION].fillna(table["suggested_action"])
    return table.assign(suggested_action=actions).drop(columns=_CLI_ACTION)


def _report(snapshot: Snapshot, register: pd.DataFrame | None, min_jaccard: float, tiny: int) -> pd.DataFrame:
    """Return the table of findings, with the additional column `cli_action`."""
    check_type(snapshot, Snapshot, "snapshot")
    check_share(min_jaccard, "min_jaccard")
    check_number(tiny, "tiny", at_least=0, whole=True)
    plans = SuggestedPlans(snapshot.matrix, has_register=register is not None)
    findings = [
        *find_unverified_groups(snapshot),
        *find_small_groups(snapshot, tiny),
        *find_similar_names(snapshot),
        *find_redundant_groups(snapshot, min_jaccard, plans),
    ]
    owners: dict[str, str] = {}
    if register is None:
        findings += find_old_years(snapshot, set(), plans)
    else:
        rows = match_register(register, snapshot.matrix.names_by_uid)
        dated = set(rows.loc[rows["valid_to"].notna(), "customer_group_uid"])
        findings += [*find_old_years(snapshot, dated, plans), *find_register_problems(snapshot, rows, plans)]
        owners = _owners(rows)
    return _findings_table(warn_about_conflicts(findings, plans), owners)


def _owners(rows: pd.DataFrame) -> dict[str, str]:
    """
    Return a dictionary that maps the group uids in a register to owners.

    For a group that does not exist in the tenant, the key is the value of the register's column group.
    """
    groups = rows["customer_group_uid"].fillna(rows["group"])
    return dict(zip(groups, rows["owner"], strict=True))


def _findings_table(findings: list[HealthFinding], owners: dict[str, str]) -> pd.DataFrame:
    """Create a table of findings, sorted by severity, with the owner of each group as an additional column."""
    table = pd.DataFrame(findings, columns=HealthFinding._fields)
    table = table.assign(owner=table["customer_group_uid"].map(owners)).astype(_COLUMNS)
    rank = table["severity"].map(SEVERITIES.index).astype("int64")
    order = ["finding", "customer_group_uid", "other_group_uid"]
    return table.assign(rank=rank).sort_values(["rank", *order], ignore_index=True).drop(columns="rank")
