"""Checks of the health report that concern reads, group sizes, and group names."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Literal, NamedTuple

import pandas as pd

from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.suggested_plans import SuggestedPlans, check_first
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.formatting import format_list, pluralize
from frgroups.internals.similar_text import comparison_keys, describe_difference, differs_in_case
from frgroups.snapshot.group_references import label_of, reference_of
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import is_contradiction

Severity = Literal["high", "medium", "low"]

_MAX_LISTED = 10  # Maximum number of uids in the evidence of a finding.
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


class HealthFinding(NamedTuple):
    """
    A row of the `health_report` table, without the column owner.

    `cli_action` is not a column of the result. On the command line, `cli_action` replaces a suggested action that
    contains Python code. `cli_action` is None if the suggested action contains no Python code.
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
                problem = f"The server's responses about {name} contradict each other."
        evidence = (
            f"{problem} The read returned {pluralize(row.n_rows, 'member')} after {pluralize(row.rereads, 'reread')}."
        )
        if row.note:
            evidence += f" Reason: {row.note}."
        reference = reference_of(snapshot.matrix, row.customer_group_uid)
        yield HealthFinding(
            severity,
            finding,
            row.customer_group_uid,
            name,
            None,
            None,
            row.n_rows,
            evidence,
            f"Read the group again: snapshot = fg.refresh_groups(client, snapshot, [{reference!r}])",
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
                label_of(snapshot.matrix, uid),
                "If no campaign uses the group, retire it. A campaign for an empty group reaches no customers.",
            )
            yield HealthFinding("medium", "empty", uid, name, None, None, 0, evidence, action)
        elif n < tiny:
            evidence = f"{name} has {pluralize(n, 'member')}. Number of members in no other group: {row.n_exclusive}."
            if not row.n_exclusive:
                evidence = f"{name} has {pluralize(n, 'member')}."
            action = check_first(
                label_of(snapshot.matrix, uid), "Ask the owner whether the group should have so few members."
            )
            yield HealthFinding("low", "tiny", uid, name, None, None, n, evidence, action)


def find_similar_names(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Find groups whose names are the same or look alike. `comparison_keys` defines which names look alike."""
    uids_of_name = snapshot.matrix.uids_by_name
    for name, uids in uids_of_name.items():
        for uid in uids[1:]:
            evidence = f"{len(uids)} groups have the name {name}: {format_list(uids, _MAX_LISTED)}."
            action = f"Rename {uid} or the other group in the back office, so that the two names differ."
            yield HealthFinding("medium", "same_name", uid, name, uids[0], name, len(uids), evidence, action)
    keys_of_name = {name: comparison_keys(name) for name in uids_of_name}
    names_of_key: dict[str, list[str]] = {}
    for name, keys in keys_of_name.items():
        for key in keys:
            names_of_key.setdefault(key, []).append(name)
    for name, keys in keys_of_name.items():
        # The names of each key are sorted by their lowest group uid.
        # Therefore, `first` is the name with the lowest uid among all similar names.
        first = min((names_of_key[key][0] for key in keys), key=lambda other: uids_of_name[other][0])
        if first != name:
            similar = {other for key in keys for other in names_of_key[key]}
            uid, other_uid = uids_of_name[name][0], uids_of_name[first][0]
            difference = "The names differ only in case or spaces."
            if not differs_in_case(name, first):
                difference = f"The difference is {describe_difference(name, first)}."
            evidence = f"The name {name!r} looks like {first!r}, the name of group {other_uid}. {difference}"
            label = label_of(snapshot.matrix, uid)
            action = f"Rename {label} in the back office, or check whether both groups are needed."
            yield HealthFinding("low", "similar_name", uid, name, other_uid, first, len(similar), evidence, action)


def years_in(name: str) -> list[int]:
    """
    Return the years from 2000 to 2099 that the name of a group contains.

    Examples
    --------
    >>> years_in("Black Week 2024"), years_in("Customers 120245")
    ([2024], [])
    """
    return [int(year) for year in _YEAR.findall(name)]


def find_old_years(snapshot: Snapshot, dated: Container[str], plans: SuggestedPlans) -> Iterator[HealthFinding]:
    """
    Find groups that have members although the name of the group contains a past year.

    Groups in `dated` are skipped, because the register contains their last day.
    """
    matrix, this_year = snapshot.matrix, snapshot.taken_at.year
    for uid, name, n in zip(matrix.group_uids, matrix.group_names, matrix.sizes.tolist(), strict=True):
        years = years_in(name)
        if n and years and max(years) < this_year and uid not in dated:
            evidence = (
                f"{name} has {pluralize(n, 'member')} in {this_year}, but the name of the group contains a past year."
            )
            action, cli_action = plans.removal_actions(plans.label(uid), "the group is no longer needed", uid, n)
            yield HealthFinding("low", "old_year", uid, name, None, None, n, evidence, action, cli_action)
