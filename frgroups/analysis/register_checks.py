"""Findings where the groups of the tenant and the register of their owners do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pandas as pd

from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.health_checks import CHECK, HealthFinding, plan_call, quoted
from frgroups.analysis.overlap import overlap_pairs
from frgroups.analysis.register import has_ended, has_started
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.formatting import pluralize
from frgroups.snapshot.snapshot import Snapshot


def register_findings(snapshot: Snapshot, register: pd.DataFrame) -> Iterator[HealthFinding]:
    """All of them; `register` is the table of `registered`."""
    matrix = snapshot.matrix
    there = register["customer_group_uid"].notna()
    known = register[there].sort_values("customer_group_uid", ignore_index=True)
    where = matrix.group_uids.get_indexer(pd.Index(known["customer_group_uid"]))
    known = known.assign(name=matrix.group_names.take(where).array, n=matrix.sizes[where])
    return chain(
        _not_in_tenant(register[~there]),
        _not_registered(snapshot, known),
        _no_owner(known),
        _out_of_time(snapshot, known),
        _two_tiers(snapshot, known),
        _wrong_type(snapshot, known),
        _shadowed(snapshot, known),
    )


def _not_in_tenant(lost: pd.DataFrame) -> Iterator[HealthFinding]:
    for word in lost["group"]:
        evidence = f"The register has a row for {word!r}, and the tenant no group of that uid or name."
        action = "Correct the row, or take it out of the register: what it says holds for nothing now."
        yield HealthFinding("medium", "not_in_tenant", word, None, None, None, 0, evidence, action)


def _not_registered(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    matrix, there = snapshot.matrix, set(known["customer_group_uid"])
    for uid, name, n in zip(matrix.group_uids, matrix.group_names, matrix.sizes.tolist(), strict=True):
        if uid not in there:
            evidence = f"{name} has {pluralize(n, 'member')} and no row in the register."
            action = f"Find out who answers for it, and write a row for {uid}."
            yield HealthFinding("low", "not_registered", uid, name, None, None, n, evidence, action)


def _no_owner(known: pd.DataFrame) -> Iterator[HealthFinding]:
    if known["owner"].isna().all():  # A register that does not tell owners.
        return
    for row in iter_rows(known[known["owner"].isna()]):
        evidence = f"The register names nobody who answers for {row.name}, which has {pluralize(row.n, 'member')}."
        action = f"Find out who answers for it, and write it in the row of {row.customer_group_uid}."
        yield HealthFinding("low", "no_owner", row.customer_group_uid, row.name, None, None, row.n, evidence, action)


def _out_of_time(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    """Groups with members before the first day or after the last."""
    some = known["n"] > 0
    for row in iter_rows(known[has_ended(known, snapshot.taken_at) & some]):
        uid = row.customer_group_uid
        evidence = (
            f"{row.name} ended on {row.valid_to:%Y-%m-%d} by the register, and has {pluralize(row.n, 'member')}."
        )
        action = f"{CHECK} {uid}. If it is over: {plan_call(uid, '')}"
        yield HealthFinding("high", "ended", uid, row.name, None, None, row.n, evidence, action)
    for row in iter_rows(known[~has_started(known, snapshot.taken_at) & some]):
        uid = row.customer_group_uid
        evidence = (
            f"{row.name} begins on {row.valid_from:%Y-%m-%d} by the register, and has {pluralize(row.n, 'member')}."
        )
        action = f"{CHECK} {uid}, and see whether they grant anything before that day."
        yield HealthFinding("low", "not_begun", uid, row.name, None, None, row.n, evidence, action)


def _two_tiers(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    for label, tiers in known.groupby("exclusive_set"):
        uids = list(tiers["customer_group_uid"])
        for row in iter_rows(overlap_pairs(snapshot, uids, min_both=1)):
            # The smaller of two tiers is usually the higher one.
            keep, leave = (row.group_a, row.group_b) if row.n_a < row.n_b else (row.group_b, row.group_a)
            n = int(row.n_both)
            who = "1 customer is" if n == 1 else f"{n:,} customers are"
            evidence = f"{who} in both {row.name_a} and {row.name_b}, two tiers of {label!r} in the register."
            action = (
                f"{CHECK} {row.group_a} or {row.group_b}, and decide which tier they keep. If it is {keep}: "
                f"{plan_call(leave, f'{quoted(leave)} - {quoted(keep)}')}"
            )
            yield HealthFinding(
                "high", "two_tiers", row.group_a, row.name_a, row.group_b, row.name_b, n, evidence, action
            )


def _wrong_type(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    """Groups with members of another customer_type than their owner expects, as far as it is known."""
    types = snapshot.customers["customer_type"]
    number, kinds = pd.factorize(types.mask(types == ""))
    for row in iter_rows(known[known["expected_type"].notna()]):
        uid, usual = row.customer_group_uid, row.expected_type.split("|")
        n_of = np.bincount(number[snapshot.matrix.member_codes(uid)] + 1, minlength=len(kinds) + 1)[1:].tolist()
        others = {kind: n for kind, n in sorted(zip(kinds, n_of, strict=True)) if n and kind not in usual}
        if others:
            n_other = sum(others.values())
            told = " and ".join(f"{n:,} {kind}" for kind, n in others.items())
            expected = " or ".join(usual)
            evidence = (
                f"{told} among the {pluralize(row.n, 'member')} of {row.name}; the register expects {expected}."
            )
            rule = f"customer_type not in {list(others)}"
            action = (
                f"{CHECK} {uid}. If they should leave: fg.plan_memberships(snapshot, "
                f"fg.segment(snapshot, {{{uid!r}: {rule!r}}}), mode='keep_only')"
            )
            yield HealthFinding("medium", "wrong_type", uid, row.name, None, None, n_other, evidence, action)


def _shadowed(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    """Groups with a discount that is worth nothing to members who get a better one elsewhere."""
    reach = campaign_reach(snapshot, known)
    of_label = dict(
        zip(reach["campaign_uid"].fillna(reach["customer_group_uid"]), reach["customer_group_uid"], strict=True)
    )
    names = dict(zip(known["customer_group_uid"], known["name"], strict=True))
    best = dict(zip(reach["customer_group_uid"], reach["discount_percent"], strict=True))
    for row in iter_rows(reach[reach["n_shadowed"] > 0]):
        other = of_label[row.shadowed_by]
        whole = row.n_effective == 0
        evidence = (
            f"{row.n_shadowed:,} of {pluralize(row.n_members, 'member')} of {row.name} ({row.discount_percent:g}%) "
            f"get a better discount elsewhere, up to {best[other]:g}% from {names[other]}."
        )
        action = (
            f"Ask its owner whether the campaign is still needed, then: {CHECK.lower()} {row.customer_group_uid}."
            if whole
            else f"Count {row.n_effective:,} customers for this campaign, not {row.n_members:,}."
        )
        yield HealthFinding(
            "medium" if whole else "low",
            "shadowed" if whole else "partly_shadowed",
            row.customer_group_uid,
            row.name,
            other,
            names[other],
            row.n_shadowed,
            evidence,
            action,
        )
