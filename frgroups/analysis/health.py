"""Health report: problems found in the groups of a tenant, with evidence and a suggested action."""

from __future__ import annotations

import pandas as pd

from frgroups.analysis.health_checks import (
    HealthFinding,
    Severity,
    find_old_years,
    find_redundant_groups,
    find_similar_names,
    find_small_groups,
    find_unverified_groups,
    with_register_argument,
)
from frgroups.analysis.register import match_register
from frgroups.analysis.register_checks import find_register_problems
from frgroups.internals.validation import check_number, check_share, check_type
from frgroups.snapshot.snapshot import Snapshot

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
_COLUMNS = dict.fromkeys(HealthFinding._fields, "str") | {"n": "int64", "owner": "str"}


def health_report(
    snapshot: Snapshot, *, register: pd.DataFrame | None = None, min_jaccard: float = 0.9, tiny: int = 5
) -> pd.DataFrame:
    """
    Report problems found in the groups of a tenant: one row per finding, the most severe first.

    A group may carry a price: a campaign names the customers it is for by their group, and the API does not tell
    which. So no action is more than a suggestion, and each that would change a group begins in the back office.
    The calls in `suggested_action` make a plan; nothing is sent by it, and its limits are looked at as always. They
    call this `snapshot` and this `register` by these names.

    Parameters
    ----------
    register
        The table of `read_register`; None leaves its findings out.
    min_jaccard
        From which jaccard on two groups are near duplicates, above 0 and at most 1.
    tiny
        A group with fewer members is tiny.

    Returns
    -------
    DataFrame
        By severity, then finding, customer_group_uid and other_group_uid: severity, finding, customer_group_uid,
        name, other_group_uid, other_name (`str`, missing where there is none); n (`int64`, what was counted, as
        `evidence` says); evidence, suggested_action (`str`, a sentence or two); owner (`str`, who answers for
        customer_group_uid by the register, missing where it does not tell). The findings:

        - high: drifted (changed while it was read), duplicate (the same members; one row for each further group);
          of the register ended (its last day is over, and it has members), two_tiers (customers in two groups of
          an exclusive set)
        - medium: empty, near_duplicate, same_name, unverifiable (nothing proves its reading; not told of a
          snapshot made from tables); of the register not_in_tenant (no such group; the uid is what the register
          calls it), wrong_type (members that are not of its expected_type), shadowed (a better campaign reaches all
          of its members)
        - low: tiny, subset (a part of another group; one row, with the smallest that holds it), similar_name (the
          same but for case and blanks), old_year (its name tells a year that is over, and it has members); of the
          register not_registered, no_owner, not_begun (has members before its first day), partly_shadowed

    Raises
    ------
    InputError
        No snapshot, a `min_jaccard` or `tiny` out of range, or a register that is none.
    GroupNotFoundError
        The register calls a group by a name that several have.

    Examples
    --------
    >>> report = health_report(sample_snapshot())
    >>> report[["severity", "finding", "name", "n"]]
      severity finding   name  n
    0      low  subset    VIP  2
    1      low    tiny  Staff  1
    2      low    tiny    VIP  2
    >>> report["evidence"][0]
    'All 2 members of VIP are also among the 250 of All members.'
    """
    check_type(snapshot, Snapshot, "snapshot")
    check_share(min_jaccard, "min_jaccard")
    check_number(tiny, "tiny", at_least=0, whole=True)
    names = snapshot.matrix.names_by_uid
    findings = [
        *find_unverified_groups(snapshot),
        *find_small_groups(snapshot, tiny),
        *find_similar_names(snapshot),
        *find_redundant_groups(snapshot, min_jaccard),
    ]
    if register is None:
        return _findings_table([*findings, *find_old_years(snapshot, dated=set())], owners={})
    rows = match_register(register, names)
    dated = set(rows.loc[rows["valid_to"].notna(), "customer_group_uid"])
    findings += [*find_old_years(snapshot, dated), *find_register_problems(snapshot, rows)]
    return _findings_table([with_register_argument(finding) for finding in findings], _owners(rows))


def _owners(rows: pd.DataFrame) -> dict[str, str]:
    """Return the owner of each group of a register, also of groups that the tenant does not have."""
    groups = rows["customer_group_uid"].fillna(rows["group"])
    return dict(zip(groups, rows["owner"], strict=True))


def _findings_table(findings: list[HealthFinding], owners: dict[str, str]) -> pd.DataFrame:
    """Return the sorted table of findings, with the owner of each group."""
    table = pd.DataFrame(findings, columns=HealthFinding._fields)
    table = table.assign(owner=table["customer_group_uid"].map(owners)).astype(_COLUMNS)
    rank = table["severity"].map(SEVERITIES.index).astype("int64")
    order = ["finding", "customer_group_uid", "other_group_uid"]
    return table.assign(rank=rank).sort_values(["rank", *order], ignore_index=True).drop(columns="rank")
