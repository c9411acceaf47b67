"""Health report checks that compare the groups in a snapshot with a register."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.health_checks import HealthFinding, Severity
from frgroups.analysis.overlap import overlap_pairs
from frgroups.analysis.register import has_ended, has_started
from frgroups.analysis.suggested_plans import SuggestedPlans, check_first, quote_word
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.formatting import format_list, pluralize
from frgroups.snapshot.group_references import label_of
from frgroups.snapshot.snapshot import Snapshot


def find_register_problems(
    snapshot: Snapshot, register: pd.DataFrame, plans: SuggestedPlans
) -> Iterator[HealthFinding]:
    """Find contradictions between a snapshot and a register, which must be the result of `match_register`."""
    matrix = snapshot.matrix
    is_known = register["customer_group_uid"].notna()
    known = register[is_known].sort_values("customer_group_uid", ignore_index=True)
    codes = matrix.group_uids.get_indexer(pd.Index(known["customer_group_uid"]))
    known = known.assign(name=matrix.group_names.take(codes).array, n=matrix.sizes[codes])
    yield from _find_missing_groups(register[~is_known])
    yield from _find_unregistered_groups(snapshot, known)
    yield from _find_groups_without_owner(known)
    yield from _find_groups_out_of_period(snapshot, known, plans)
    yield from _find_shared_tiers(snapshot, known, plans)
    yield from _find_wrong_types(snapshot, known, plans)
    yield from _find_shadowed_campaigns(snapshot, known)


def _find_missing_groups(unmatched: pd.DataFrame) -> Iterator[HealthFinding]:
    """Find register rows whose group does not exist in the tenant."""
    for uid_or_name in unmatched["group"]:
        evidence = f"The register contains {uid_or_name!r}, but the tenant has no group with that uid or name."
        action = "Correct the row or remove it from the register. The row has no effect at present."
        yield HealthFinding("medium", "not_in_tenant", uid_or_name, None, None, None, 0, evidence, action)


def _find_unregistered_groups(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    """Find groups that the register does not contain."""
    matrix, registered = snapshot.matrix, set(known["customer_group_uid"])
    for uid, name, n in zip(matrix.group_uids, matrix.group_names, matrix.sizes.tolist(), strict=True):
        if uid not in registered:
            evidence = f"{name} has {pluralize(n, 'member')}, but the register does not contain the group."
            action = f"Identify the owner of the group, and add a row for {label_of(matrix, uid)} to the register."
            yield HealthFinding("low", "not_registered", uid, name, None, None, n, evidence, action)


def _find_groups_without_owner(known: pd.DataFrame) -> Iterator[HealthFinding]:
    """Find register rows without an owner, unless the register contains no owners at all."""
    if known["owner"].isna().all():
        return
    for row in iter_rows(known[known["owner"].isna()]):
        evidence = f"The register contains no owner for {row.name}, which has {pluralize(row.n, 'member')}."
        action = f"Identify the owner of the group, and enter the owner in the row for {row.customer_group_uid}."
        yield HealthFinding("low", "no_owner", row.customer_group_uid, row.name, None, None, row.n, evidence, action)


def _find_groups_out_of_period(
    snapshot: Snapshot, known: pd.DataFrame, plans: SuggestedPlans
) -> Iterator[HealthFinding]:
    """Find groups that have members before the first day or after the last day in the register."""
    has_members = known["n"] > 0
    for row in iter_rows(known[has_ended(known, snapshot.taken_at) & has_members]):
        uid = row.customer_group_uid
        evidence = (
            f"According to the register, {row.name} ended on {row.valid_to:%Y-%m-%d}, "
            f"but the group has {pluralize(row.n, 'member')}."
        )
        action, cli_action = plans.removal_actions(plans.label(uid), "the group is no longer needed", uid, row.n)
        yield HealthFinding("high", "ended", uid, row.name, None, None, row.n, evidence, action, cli_action)
    for row in iter_rows(known[~has_started(known, snapshot.taken_at) & has_members]):
        uid = row.customer_group_uid
        evidence = (
            f"According to the register, {row.name} starts on {row.valid_from:%Y-%m-%d}, "
            f"but the group already has {pluralize(row.n, 'member')}."
        )
        action = check_first(
            plans.label(uid), "Ask the owner whether customers should be members before the first day."
        )
        yield HealthFinding("low", "not_begun", uid, row.name, None, None, row.n, evidence, action)


def _find_shared_tiers(snapshot: Snapshot, known: pd.DataFrame, plans: SuggestedPlans) -> Iterator[HealthFinding]:
    """Find pairs of groups that have common customers although they are in the same exclusive set."""
    for label, tiers in known.groupby("exclusive_set"):
        matrix = snapshot.matrix.select_uids(tiers["customer_group_uid"])
        for row in iter_rows(overlap_pairs(matrix, min_both=1)):
            # The smaller of two tiers is usually the higher tier, so the suggested plan keeps the common customers in
            # the smaller group.
            keep, leave = row.group_b, row.group_a
            if row.n_a < row.n_b:
                keep, leave = row.group_a, row.group_b
            n = int(row.n_both)
            evidence = (
                f"{row.name_a} and {row.name_b} belong to the exclusive set {label!r}, but the groups have "
                f"{pluralize(n, 'customer')} in common."
            )
            others = f"{plans.quote(leave)} - {plans.quote(keep)}"
            call = plans.call(f"{{{plans.refer(leave)!r}: fg.members(snapshot, {others!r})}}", "mirror")
            command = plans.members_command(leave, keep, "remove")
            step = f"To create a plan that keeps these customers only in {plans.label(keep)}:"
            labels = f"{plans.label(row.group_a)} or {plans.label(row.group_b)}"
            action, cli_action = check_first(labels, f"{step} {call}"), check_first(labels, f"{step} {command}")
            names = (row.group_a, row.name_a, row.group_b, row.name_b)
            yield HealthFinding("high", "two_tiers", *names, n, evidence, action, cli_action)


def _find_wrong_types(snapshot: Snapshot, known: pd.DataFrame, plans: SuggestedPlans) -> Iterator[HealthFinding]:
    """Find groups with members who have a customer_type that the register does not expect."""
    types = snapshot.customers["customer_type"]
    type_code, type_names = pd.factorize(types.mask(types == ""))
    for row in iter_rows(known[known["expected_type"].notna()]):
        uid, expected = row.customer_group_uid, row.expected_type.split("|")
        # A missing type has the code -1, which `np.bincount` does not accept.
        # Therefore, 1 is added to the codes, and the count of missing types is removed.
        codes = type_code[snapshot.matrix.member_codes(uid)] + 1
        counts = np.bincount(codes, minlength=len(type_names) + 1)[1:].tolist()
        others = {name: n for name, n in sorted(zip(type_names, counts, strict=True)) if n and name not in expected}
        if others:
            n_other = sum(others.values())
            unexpected = format_list([f"{n:,} {name}" for name, n in others.items()])
            evidence = (
                f"The register expects the customer_type {format_list(expected, conjunction='or')} for {row.name}, "
                f"but {n_other:,} of {pluralize(row.n, 'member')} have another type ({unexpected})."
            )
            rule = f"customer_type.isna() or customer_type not in {list(others)}"
            call = plans.call(f"fg.segment(snapshot, {{{plans.refer(uid)!r}: {rule!r}}})", "keep_only")
            action = check_first(plans.label(uid), f"To create a plan that removes these members: {call}")
            option = quote_word(f"{uid}={rule}")
            cli_action = check_first(
                plans.label(uid),
                "To create a plan that removes these members, write the other customers to a file and plan with the "
                "file: "
                f"frgroups table segment --rule {option} --csv stay.csv && "
                f"{plans.command(uid, '--list stay.csv', 'keep_only')}",
            )
            yield HealthFinding(
                "medium", "wrong_type", uid, row.name, None, None, n_other, evidence, action, cli_action
            )


def _find_shadowed_campaigns(snapshot: Snapshot, known: pd.DataFrame) -> Iterator[HealthFinding]:
    """Find campaigns whose members can get a larger discount from the campaign of another group."""
    reach = campaign_reach(snapshot, known)
    reach_uids = reach["campaign_uid"].fillna(reach["customer_group_uid"])
    group_of_campaign = dict(zip(reach_uids, reach["customer_group_uid"], strict=True))
    names = dict(zip(known["customer_group_uid"], known["name"], strict=True))
    discounts = dict(zip(reach["customer_group_uid"], reach["discount_percent"], strict=True))
    for row in iter_rows(reach[reach["n_shadowed"] > 0]):
        uid, other = row.customer_group_uid, group_of_campaign[row.shadowed_by]
        evidence = (
            f"The campaign of {row.name} has a discount of {row.discount_percent:g}%, but {row.n_shadowed:,} of "
            f"{pluralize(row.n_members, 'member')} can get a larger discount. The largest discount is "
            f"{discounts[other]:g}% from {names[other]}."
        )
        severity: Severity = "low"
        finding = "partly_shadowed"
        action = f"Plan this campaign for {row.n_effective:,} customers instead of {row.n_members:,} customers."
        if row.n_effective == 0:
            severity, finding = "medium", "shadowed"
            action = check_first(
                label_of(snapshot.matrix, uid), "Ask the owner whether the campaign is still needed."
            )
        yield HealthFinding(severity, finding, uid, row.name, other, names[other], row.n_shadowed, evidence, action)
