"""Findings about groups by themselves: how they were read, how few they hold, what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from frgroups.health.finding import CHECK, HealthFinding, each, plan_call
from frgroups.human import counted
from frgroups.sizes import group_sizes
from frgroups.snapshot import Snapshot

_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


def unsure(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Groups that changed while they were read, or whose reading nothing proves."""
    reads = snapshot.reads
    for row in each(reads[(reads["verdict"] != "consistent") & (reads["how"] != "given")]):
        name, note = snapshot.group_name(row.customer_group_uid), f": {row.note}" if row.note else ""
        drifted = row.verdict == "drifted"
        what = "changed while it was read" if drifted else "was read, and nothing proves that it was read whole"
        yield HealthFinding(
            "high" if drifted else "medium",
            "drifted" if drifted else "unverifiable",
            row.customer_group_uid,
            name,
            None,
            None,
            row.n_rows,
            f"{name} {what} ({counted(row.n_rows, 'member')}, {counted(row.rereads, 'time')} read again){note}.",
            f"Read it again: snapshot = fg.refresh_groups(client, snapshot, [{row.customer_group_uid!r}])",
        )


def small(snapshot: Snapshot, tiny: int) -> Iterator[HealthFinding]:
    """Groups without a member, and those with fewer than `tiny`."""
    for row in each(group_sizes(snapshot)):
        uid, name, n = row.customer_group_uid, row.name, row.n_members
        if n == 0:
            evidence = f"{name} has no member{_changed(snapshot, uid)}."
            action = f"{CHECK} {uid}. If none does, it can be retired there; if one does, it reaches nobody."
            yield HealthFinding("medium", "empty", uid, name, None, None, 0, evidence, action)
        elif n < tiny:
            alone = f", {row.n_exclusive} of them in no other group" if row.n_exclusive else ""
            evidence = f"{name} has {counted(n, 'member')}{alone}."
            action = f"{CHECK} {uid}, and ask whether so few are meant."
            yield HealthFinding("low", "tiny", uid, name, None, None, n, evidence, action)


def names_alike(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Groups of the same name, or but for case and blanks, each against the first of them in uid order."""
    of_name: dict[str, list[str]] = {}
    alike: dict[str, list[str]] = {}
    for uid, name in zip(snapshot.codes.group_uids, snapshot.codes.group_names, strict=True):
        if name not in of_name:
            alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
        of_name.setdefault(name, []).append(uid)
    for name, uids in of_name.items():
        for uid in uids[1:]:
            evidence = (
                f"{len(uids)} groups are named {name}: {', '.join(uids)}. The name does not tell which is meant."
            )
            action = f"Rename {uid} in the back office, or the other, so that colleagues can tell them apart."
            yield HealthFinding("medium", "same_name", uid, name, uids[0], name, len(uids), evidence, action)
    for first, *others in alike.values():
        for name in others:
            evidence = f"The names {first!r} and {name!r} differ only in case or blanks."
            action = f"Rename {of_name[name][0]} in the back office, or see whether one of the two is enough."
            uid, other = of_name[name][0], of_name[first][0]
            yield HealthFinding("low", "similar_name", uid, name, other, first, len(others) + 1, evidence, action)


def old_years(snapshot: Snapshot, register: pd.DataFrame | None) -> Iterator[HealthFinding]:
    """Groups with members whose name tells a year that is over; not those whose last day the register knows."""
    dated = set() if register is None else set(register.loc[register["valid_to"].notna(), "customer_group_uid"])
    codes, this_year = snapshot.codes, snapshot.taken_at.year
    for uid, name, n in zip(codes.group_uids, codes.group_names, codes.sizes.tolist(), strict=True):
        years = [int(year) for year in _YEAR.findall(name)]
        if n and years and max(years) < this_year and uid not in dated:
            evidence = f"{name} still has {counted(n, 'member')} in {this_year}."
            action = f"{CHECK} {uid}. If it is over: {plan_call(uid, '')}"
            yield HealthFinding("low", "old_year", uid, name, None, None, n, evidence, action)


def _changed(snapshot: Snapshot, uid: str) -> str:
    """When the service last changed a group's record, where it tells."""
    moment = snapshot.groups.set_index("customer_group_uid")["last_modified_at"][uid]
    return "" if pd.isna(moment) else f"; its record was last changed on {moment:%Y-%m-%d}"
