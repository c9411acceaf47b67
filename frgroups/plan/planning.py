"""From a wanted membership to a Plan: exact uids, and every bad input refused before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from frgroups import wire
from frgroups.advice import Advice, Form
from frgroups.codes import check_uids
from frgroups.errors import DriftedReadError, GroupNotFoundError, InputError, WrongTenantError
from frgroups.inputs import must_be, must_be_text
from frgroups.limits import Finding, Limits
from frgroups.plan import MODES, Mode, Plan
from frgroups.plan.group_change import GroupChange
from frgroups.plan.held_back import HeldBack
from frgroups.plan.holds import hold_back, holds_of
from frgroups.register.registered import register_limits, registered
from frgroups.snapshot import Snapshot

Desired = Mapping[str, Iterable[str]] | pd.DataFrame | Snapshot


def plan_memberships(
    snapshot: Snapshot,
    desired: Desired,
    *,
    mode: Mode = "add_only",
    create: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    protect: Iterable[str] = (),
    protect_groups: Iterable[str] = (),
    never_add: Iterable[str] = (),
    register: pd.DataFrame | None = None,
) -> Plan:
    """
    What it takes to bring groups to the wanted membership, as a Plan that can be reviewed and applied.

    Parameters
    ----------
    desired
        Who shall be in which group: {group: customer uids}, a table with customer_group_uid and customer_uid,
        or a Snapshot. Groups by uid or unique name. A group that is not named here is never touched.
    mode
        "add_only" adds those who are missing; "remove_only" removes those who are members and not wanted;
        "mirror" does both.
    create
        {uid: name} of groups to make first; a name alone is enough for nothing else.
    limits
        What the plan may not do; a broken limit is a blocking finding, not an error.
    protect
        Customer uids that are never removed from any group.
    protect_groups
        Groups, by uid or unique name, that nobody is removed from.
    never_add
        Customer uids that are never added to any group, beside those on the list that `never_add_path` names.
    register
        The table of `read_register`. Of the groups that the plan touches, its protection and its numbers become
        limits, except of those that `limits.per_group` has by uid; what else it says is a finding, if it matters.

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
    must_be(snapshot, Snapshot, "snapshot")
    if mode not in MODES:
        raise InputError(f"mode={mode!r}; choose {', '.join(MODES)}.")
    if limits is not None and not isinstance(limits, Limits):
        raise InputError(
            f"limits is a {type(limits).__name__}; give fg.Limits(...), such as fg.Limits(removals_total=50)."
        )
    new = _checked_create(snapshot, create or {})
    wanted = _by_uid(snapshot, _as_mapping(snapshot, desired), new)
    holds = holds_of(snapshot, protect=protect, protect_groups=protect_groups, never_add=never_add)
    rows = None if register is None else registered(register, _names(snapshot) | new)
    changes, notes = [], []
    held_back: list[HeldBack] = []
    for uid in sorted({*wanted, *new}):
        change, held = hold_back(_change(snapshot, uid, wanted.get(uid, []), mode, new), holds)
        held_back += held
        if change.add or change.remove or change.create:
            _check_sendable(change)
            changes.append(change)
            notes += _group_notes(snapshot, change)
    if not all(change.create for change in changes) and (snapshot.reads["how"] == "given").all():
        text = "The snapshot was made from tables, so nothing proves it. Each group is read before applying."
        notes.append(Finding("unverifiable", text))
    limits = limits or Limits()
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
        held_back=tuple(held_back),
        snapshot=snapshot,
        register=rows,
    )


def _names(snapshot: Snapshot) -> dict[str, str]:
    return dict(zip(snapshot.codes.group_uids, snapshot.codes.group_names, strict=True))


def _as_mapping(snapshot: Snapshot, desired: Desired) -> Mapping[str, Iterable[str]]:
    if isinstance(desired, Snapshot):
        if desired.tenant_uid != snapshot.tenant_uid:
            raise WrongTenantError(
                f"The wanted membership is of tenant {desired.tenant_uid}, the snapshot of {snapshot.tenant_uid}."
            )
        for uid in desired.codes.group_uids:
            if uid in snapshot and snapshot.group_uid(uid) != uid:
                raise GroupNotFoundError(
                    f"The wanted membership has a group of uid {uid!r}; here that is the name of another group, "
                    f"{snapshot.group_uid(uid)}. Give {{group: customer uids}} for the groups that are meant.",
                    close=[snapshot.group_uid(uid)],
                )
        return {uid: desired.codes.members(uid) for uid in desired.codes.group_uids}
    if isinstance(desired, pd.DataFrame):
        groups = check_uids(desired, "customer_group_uid", "desired")
        customers = check_uids(desired, "customer_uid", "desired")
        return {str(uid): list(rows) for uid, rows in customers.groupby(groups, sort=True)}
    if isinstance(desired, Mapping):
        return desired
    raise InputError(
        f"desired is a {type(desired).__name__}; give {{group: customer uids}}, a table with "
        "customer_group_uid and customer_uid, or a Snapshot."
    )


def _checked_create(snapshot: Snapshot, create: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(create, Mapping):
        raise InputError(f"create is a {type(create).__name__}; give {{group uid: name}} of the groups to make.")
    known = set(snapshot.codes.group_uids)
    for uid, name in create.items():
        wire.check_uid(uid, "customer group uid")
        if uid in known:
            raise InputError(
                f"create names {uid!r}, but that group exists ({snapshot.group_name(uid)}). Leave it out of create."
            )
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"The new group {uid!r} needs a name, not {name!r}.")
        must_be_text(name, f"create[{uid!r}]")
    return dict(create)


def _by_uid(snapshot: Snapshot, desired: Mapping[str, Iterable[str]], new: Mapping[str, str]) -> dict[str, list[str]]:
    """The wanted customers of each group by uid, checked."""
    wanted: dict[str, list[str]] = {}
    for group, customers in desired.items():
        uid = _group_uid(snapshot, group, new)
        if uid in wanted:
            raise InputError(f"Group {uid!r} is wanted twice, once as {group!r}. Name each group once.")
        wanted[uid] = _customer_uids(customers, f"desired[{group!r}]")
    return wanted


def _group_uid(snapshot: Snapshot, group: str, new: Mapping[str, str]) -> str:
    if group in new:
        return group
    named = [uid for uid, name in new.items() if name == group]
    if named and (len(named) > 1 or group in set(snapshot.codes.group_names)):
        raise GroupNotFoundError(
            f"{group!r} names a group to create ({', '.join(named)}) and another one. Say which by its uid.",
            close=named,
        )
    try:
        return snapshot.group_uid(group)
    except GroupNotFoundError as error:
        if named:
            return named[0]
        raise GroupNotFoundError(
            error.message,
            Advice("To make a new group, name it in {create}.", create=Form("{}={uid: name}")),
            close=error.close,
        ) from None


def _customer_uids(customers: Iterable[Any], what: str) -> list[str]:
    if isinstance(customers, pd.Series | pd.Index | np.ndarray):
        customers = check_uids(pd.DataFrame({"customer_uid": pd.Series(customers)}), "customer_uid", what)
    if isinstance(customers, Mapping | pd.DataFrame) or not isinstance(customers, Iterable):
        raise InputError(f"{what} is a {type(customers).__name__}; give the customer uids.")
    return wire.check_uids_once(customers, what)


def _change(snapshot: Snapshot, uid: str, wanted: list[str], mode: Mode, new: Mapping[str, str]) -> GroupChange:
    """What one group needs."""
    if uid in new:
        joining = tuple(sorted(wanted)) if mode != "remove_only" else ()
        unseen = frozenset(joining).difference(snapshot.codes.customer_uids)
        return GroupChange(uid, new[uid], (), add=joining, unknown=unseen, create=True)
    codes = snapshot.codes
    at = codes.customer_uids.get_indexer(pd.Index(wanted, dtype="str"))
    now = codes.member_codes(uid)
    unknown = frozenset(uid for uid, code in zip(wanted, at, strict=True) if code < 0)
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    if mode != "remove_only":
        missing = np.setdiff1d(at[at >= 0], now)
        add = tuple(sorted([*codes.customer_uids.take(missing), *unknown]))
    if mode != "add_only":
        remove = tuple(codes.customer_uids.take(np.setdiff1d(now, at)))
    baseline = tuple(codes.members(uid)) if add or remove else ()
    return GroupChange(uid, snapshot.group_name(uid), baseline, add, remove, unknown.intersection(add))


def _check_sendable(change: GroupChange) -> None:
    """Refuse what the API would not take: uids of a snapshot from tables may be anything."""
    for customer in change.remove:
        if not wire.UID.fullmatch(customer):
            raise InputError(
                f"Customer {customer!r} of {change.uid} has a uid that the API does not take and cannot be removed.",
                Advice("{protect} leaves it in.", protect=[customer]),
            )
    wire.check_uid(change.uid, "customer group uid")


def _group_notes(snapshot: Snapshot, change: GroupChange) -> list[Finding]:
    """What a reviewer must know of a touched group; raises when it drifted while it was read."""
    notes = []
    if change.create:
        if change.name in set(snapshot.codes.group_names):
            notes.append(Finding("same_name", f"Another group is already named {change.name}.", False, change.uid, 1))
        return notes
    read = snapshot.reads.set_index("customer_group_uid").loc[change.uid]
    if read["verdict"] == "drifted":
        raise DriftedReadError(
            f"{change.name} ({change.uid}) changed while the snapshot was read: {read['note']}.",
            Advice(
                "Read it again with {refresh_groups}, and plan then.",
                refresh_groups=Form(f"{{}}(client, snapshot, [{change.uid!r}])", is_function=True),
            ),
        )
    if read["how"] == "cover":
        text = f"{change.name} was read through larger groups that hold it. It is read by itself before applying."
        notes.append(Finding("covered", text, False, change.uid))
    if read["verdict"] == "unverifiable" and read["how"] != "given":
        text = f"Nothing proves that the members of {change.name} were read whole. It is read before applying."
        notes.append(Finding("unverifiable", text, False, change.uid))
    return notes
