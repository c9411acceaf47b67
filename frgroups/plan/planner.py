"""From a wanted membership to a Plan: exact uids, and every bad input refused before anything is made."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.register import match_register
from frgroups.api.schema import codec as wire
from frgroups.errors import DriftedReadError, InputError
from frgroups.internals.typing import Int32Array
from frgroups.internals.validation import check_text, check_type
from frgroups.plan.desired import NOBODY, Desired, DesiredMemberships, desired_memberships
from frgroups.plan.exclusions import ExcludedChange, apply_exclusions, resolve_exclusions
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits, register_limits
from frgroups.plan.plan import MODES, RENAMED_MODES, Mode, Plan
from frgroups.plan.uid_table import CodedUids, UidTable
from frgroups.snapshot.snapshot import Snapshot

Reads = Mapping[Hashable, Mapping[Hashable, Any]]


def plan_memberships(
    snapshot: Snapshot,
    desired: Desired,
    *,
    mode: Mode = "add",
    create: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    protect: Iterable[str] = (),
    protect_groups: Iterable[str] = (),
    suppression_list: Iterable[str] = (),
    register: pd.DataFrame | None = None,
    purpose: str = "",
) -> Plan:
    """
    What it takes to bring groups to the wanted membership, as a Plan that can be reviewed and applied.

    Parameters
    ----------
    desired
        Who shall be in which group: {group: customer uids}, a table with customer_group_uid and customer_uid,
        or a Snapshot. Groups by uid or unique name. A group that is not named here is never touched.
    mode
        "add" adds those who are missing; "keep_only" removes those who are members and not wanted;
        "mirror" does both.
    create
        {uid: name} of groups to make first; a name alone is enough for nothing else.
    limits
        What the plan may not do; a broken limit is a blocking finding, not an error.
    protect
        Customer uids that are never removed from any group.
    protect_groups
        Groups, by uid or unique name, that nobody is removed from.
    suppression_list
        Customer uids that are never added to any group, beside those on the list that `suppression_list_path` names.
    register
        The table of `read_register`. Of the groups that the plan touches, its protection and its numbers become
        limits, except of those that `limits.per_group` has by uid; what else it says is a finding, if it matters.
    purpose
        What the change is for, in a line: whoever approves it reads it first, and `frgroups who` tells it later. It
        stands in the plan, page and receipt, so it names no customer; nothing that is sent hangs on it, so the
        digest does not cover it.

    Notes
    -----
    What is protected or may never be added is held back: `held` of the plan lists it, findings count it. A customer
    who was to move and may not join the new group leaves the old one all the same, if that was wanted. The never-add
    list is looked at again when the plan is applied.

    Findings that do not block tell what the snapshot shows of these customers: a price list of their own, a type
    that the group has next to none of, and who will be in no group; from the register tiers that exclude each other
    and groups that have ended.

    Raises
    ------
    InputError
        Bad input: an unknown mode, a uid that is not text or not one of the API's, a group wanted twice, an
        existing group in `create`, a register that names a group twice.
    GroupNotFoundError
        A wanted group that does not exist and is not in `create`; a name in `register` that several groups have.
    DriftedReadError
        A group to be changed moved while it was read; `refresh_groups` reads it again.

    >>> plan = plan_memberships(sample_snapshot(), {"VIP": ["c-1", "c-9"]}, mode="mirror")
    >>> plan
    <Plan b693905e706c for t-1: 1 add, 1 remove in 1 group>
    """
    check_type(snapshot, Snapshot, "snapshot")
    if mode not in MODES:
        renamed = f" {mode!r} is now called {RENAMED_MODES[mode]!r}." if mode in RENAMED_MODES else ""
        raise InputError(f"mode={mode!r} is not valid; choose {', '.join(MODES)}.{renamed}")
    if limits is not None and not isinstance(limits, Limits):
        raise InputError(
            f"limits is a {type(limits).__name__}; give fg.Limits(...), such as fg.Limits(removals_total=50)."
        )
    check_text(purpose, "purpose")
    new = _checked_create(snapshot, create or {})
    uids = UidTable(snapshot.matrix.customer_uids)
    wanted = dict(desired_memberships(snapshot, desired, new, uids))
    holds = resolve_exclusions(
        snapshot, protect=protect, protect_groups=protect_groups, suppression_list=suppression_list
    )
    rows = None if register is None else match_register(register, _names(snapshot) | new)
    difference = _Difference(snapshot, uids, mode)
    reads = snapshot.reads.set_index("customer_group_uid")[["verdict", "how", "note"]].to_dict("index")
    changes, notes = [], []
    held_back: list[ExcludedChange] = []
    for uid in sorted({*wanted, *new}):
        change, held = apply_exclusions(difference.change(uid, wanted.get(uid, NOBODY), new), holds)
        held_back += held
        if change.add or change.remove or change.create:
            _check_sendable(change)
            changes.append(change)
            notes += _group_notes(snapshot, reads, change)
    if not all(change.create for change in changes) and (snapshot.reads["how"] == "given").all():
        text = "The snapshot was made from tables, so nothing proves it. Each group is read before applying."
        notes.append(Finding("unverifiable", text))
    limits = limits or Limits()
    notes += _unused_limits(limits, {*snapshot.matrix.group_uids, *new})
    if rows is not None:
        limits = register_limits(limits, rows[rows["customer_group_uid"].isin([one.uid for one in changes])])
    return Plan(
        tenant_uid=snapshot.tenant_uid,
        base_url=snapshot.base_url,
        mode=mode,
        limits=limits,
        groups=tuple(changes),
        planned_at=datetime.now(UTC),
        snapshot_taken_at=snapshot.taken_at,
        notes=tuple(notes),
        excluded=tuple(held_back),
        snapshot=snapshot,
        register=rows,
        purpose=" ".join(purpose.split()),
    )


def _names(snapshot: Snapshot) -> dict[str, str]:
    return dict(zip(snapshot.matrix.group_uids, snapshot.matrix.group_names, strict=True))


def _checked_create(snapshot: Snapshot, create: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(create, Mapping):
        raise InputError(f"create is a {type(create).__name__}; give {{group uid: name}} of the groups to make.")
    known = set(snapshot.matrix.group_uids)
    for uid, name in create.items():
        wire.check_uid(uid, "customer group uid")
        if uid in known:
            raise InputError(
                f"create names {uid!r}, but that group exists ({snapshot.group_name(uid)}). Leave it out of create."
            )
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"The new group {uid!r} needs a name, not {name!r}.")
        check_text(name, f"create[{uid!r}]")
    return dict(create)


class _Difference:
    """Who joins and who leaves a group, told by marks on the customers: no sorting, and no text but of who moves."""

    def __init__(self, snapshot: Snapshot, uids: UidTable, mode: Mode) -> None:
        self._snapshot, self._uids, self._mode = snapshot, uids, mode
        self._marked = np.zeros(len(uids), dtype=np.bool_)

    def change(self, uid: str, wanted: DesiredMemberships, new: Mapping[str, str]) -> GroupChange:
        """What one group needs."""
        now = np.empty(0, dtype=np.int32) if uid in new else self._snapshot.matrix.member_codes(uid)
        add: tuple[str, ...] = ()
        remove: tuple[str, ...] = ()
        unknown: frozenset[str] = frozenset()
        joining, leaving = self._moving(now, wanted.codes)
        if self._mode != "keep_only":
            unknown = wanted.unknown
            add = tuple(sorted([*self._uids.take(np.unique(joining)), *unknown]))
        if self._mode != "add":
            remove = tuple(self._uids.take(leaving))
        if uid in new:
            return GroupChange(uid, new[uid], (), add=add, unknown=unknown, create=True)
        baseline = CodedUids(self._uids, now) if add or remove else ()
        return GroupChange(uid, self._snapshot.group_name(uid), baseline, add, remove, unknown)

    def _moving(self, now: Int32Array, wanted: Int32Array) -> tuple[Int32Array, Int32Array]:
        """Those who are wanted and not there, and those who are there and not wanted, each in the order given."""
        self._marked[wanted] = True
        leaving = now[~self._marked[now]]
        self._marked[now] = False
        joining = wanted[self._marked[wanted]]
        self._marked[joining] = False
        return joining, leaving


def _check_sendable(change: GroupChange) -> None:
    """Refuse what the API would not take: uids of a snapshot from tables may be anything."""
    for customer in change.remove:
        if not wire.UID.fullmatch(customer):
            raise InputError(
                f"Customer {customer!r} of {change.uid} has a uid that the API does not take and cannot be removed.",
                hint=f"Pass protect=[{customer!r}] to keep this customer in the group.",
                cli_hint="Pass --protect to frgroups plan to keep this customer in the group.",
            )
    wire.check_uid(change.uid, "customer group uid")


def _unused_limits(limits: Limits, uids: Collection[str]) -> list[Finding]:
    """Limits of single groups, not of patterns, that no group has, as where a name stands in place of the uid."""
    named = [key for key in limits.per_group if not set(key) & set("*?[")]
    return [
        Finding("unused_limits", f"The limits of {key!r} hold for no group: no group has that uid.")
        for key in named
        if key not in uids
    ]


def _group_notes(snapshot: Snapshot, reads: Reads, change: GroupChange) -> list[Finding]:
    """What a reviewer must know of a touched group; raises when it drifted while it was read."""
    notes = []
    if change.create:
        if change.name in set(snapshot.matrix.group_names):
            notes.append(Finding("same_name", f"Another group is already named {change.name}.", False, change.uid, 1))
        return notes
    read = reads[change.uid]
    if read["verdict"] == "drifted":
        raise DriftedReadError(
            f"{change.name} ({change.uid}) changed while the snapshot was read: {read['note']}.",
            hint=f"Read the group again with refresh_groups(client, snapshot, [{change.uid!r}]) and plan again.",
            cli_hint="Read the tenant again with frgroups load and plan again.",
        )
    if read["how"] == "cover":
        text = f"{change.name} was read through larger groups that hold it. It is read by itself before applying."
        notes.append(Finding("covered", text, False, change.uid))
    if read["verdict"] == "unverifiable" and read["how"] != "given":
        text = f"Nothing proves that the members of {change.name} were read whole. It is read before applying."
        notes.append(Finding("unverifiable", text, False, change.uid))
    return notes
