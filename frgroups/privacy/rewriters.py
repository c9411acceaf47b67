"""Writes one file, or one snapshot, again without a customer; each is the old one or the new one at any moment."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frgroups.apply.journal import Journal, write_journal
from frgroups.apply.receipt import read_receipt
from frgroups.apply.run_registry import replace_digest
from frgroups.errors import FrgroupsError
from frgroups.internals.atomic_files import atomic_write, fsync_path
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.internals.tombstones import TOMBSTONE_PREFIX, next_tombstone
from frgroups.plan.exclusions import ExcludedChange
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.privacy.file_scanners import FILES_NAMED_BY_DIGEST, uids_of_line
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.text_search import Subject
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import read_manifest
from frgroups.store.snapshot_store import read_stored, replace_stored


def without_customer(snapshot: Snapshot, uid: str) -> Snapshot:
    """
    The snapshot as it would be had it never seen a customer; the customer's groups stay, with one member less.

    How the groups were read is told as it was. Nobody has the customer as a parent any more.

    >>> without_customer(sample_snapshot(), "c-1")["VIP"].tolist()
    ['c-2']
    """
    codes, customers = snapshot.matrix, snapshot.customers
    others = (customers["customer_uid"] != uid).to_numpy()
    kept = others[codes.indices]
    group_code, customer_code = codes.group_code[kept], codes.indices[kept]
    parents = customers["customer_parent_uid"]
    return replace(
        snapshot,
        customers=customers.assign(customer_parent_uid=parents.mask(parents == uid))[others].reset_index(drop=True),
        consents=snapshot.consents[snapshot.consents["customer_uid"] != uid].reset_index(drop=True),
        matrix=MembershipMatrix(
            codes.group_uids,
            codes.group_names,
            pd.Index(codes.customer_uids[others], dtype="str"),
            np.searchsorted(group_code, np.arange(codes.n_groups + 1)).astype(np.int64),
            (np.cumsum(others) - 1)[customer_code].astype(np.int32),  # Numbers of the rows that are left.
        ),
    )


def erase_from_snapshot(folder: Path, who: Subject) -> Path:
    """Put the snapshot without the customer in the place of the one in this folder; returns its folder."""
    kept = read_manifest(folder)
    return replace_stored(kept, without_customer(read_stored(kept), who.uid))


def erase_from_list(path: Path, who: Subject) -> Path:
    """Take the customer's rows out of a list."""
    body = remove_list_rows(path.read_bytes(), who.uid, who.ids).body
    with atomic_write(path) as draft:
        draft.write_bytes(body)
    return path


def erase_from_approval(path: Path, who: Subject) -> Path:
    """Take the customer out of the reason of a rejection."""
    content = read_checksummed(path, "approval")
    reason = str(content["reason"])
    return write_checksummed(path, "approval", content | {"reason": who.words.sub(next_tombstone(reason), reason)})


def erase_from_plan(path: Path, who: Subject, *, reverts: bool) -> Path:
    """Take a customer out of what the digest of a plan does not cover: whom it holds back, undoes, and what for."""
    plan = read_plan(path)
    held = [replace(one, note=who.words.sub("…", one.note)) for one in plan.excluded if one.customer_uid != who.uid]
    purpose = who.words.sub("…", plan.purpose)
    undone = TOMBSTONE_PREFIX if reverts else plan.reverts
    return replace(plan, excluded=tuple(held), reverts=undone, purpose=purpose).save(path)


def erase_from_receipt(path: Path, who: Subject, seal: str = "") -> Path:
    """Put a tombstone in the customer's place; a seal says that the plan and its digest are no longer the same."""
    receipt = read_receipt(path)
    stone = next_tombstone(path.read_text(encoding="utf-8"))
    return replace(
        receipt,
        plan=_buried_plan(receipt.plan, who, stone),
        states={_buried_item(item, who, stone): state for item, state in receipt.states.items()},
        details={
            # What the service said to an item of the customer is all about the customer.
            _buried_item(item, who, stone): stone if item[1] == who.uid else who.words.sub(stone, text)
            for item, text in receipt.details.items()
        },
        members_after={uid: _buried(members, who, stone) for uid, members in receipt.members_after.items()},
        stopped=who.words.sub(stone, receipt.stopped),
        erasure_id=receipt.erasure_id or seal,
    ).save(path)


def erase_from_journal(path: Path, who: Subject, seal: str = "") -> Path:
    """The same in a journal; its checksums are made anew, and a torn last line goes."""
    stone = next_tombstone(path.read_text(encoding="utf-8", errors="replace"))
    return write_journal(path, [_buried_line(line, who, stone, seal) for line in Journal(path).lines()])


def erase_from_apply(path: Path, who: Subject) -> dict[Path, Path]:
    """
    Bury the customer in the journal and the receipt of one apply, then take the digest out of their names.

    Both carry the same seal before the first is renamed, so that a run that was cut off is completed by another.
    One that is damaged gets the name alone. Returns where each is afterwards.
    """
    stem = path.name.removesuffix(".jsonl").removesuffix(".receipt.json")
    pair = [path.with_name(f"{stem}{ending}") for ending in (".receipt.json", ".jsonl")]
    there = [one for one in pair if one.exists()]
    seals = {one: seal for one in there if (seal := _seal_of(one)) is not None}
    seal = next(filter(None, seals.values()), uuid.uuid4().hex[:8])
    for one in seals:
        (erase_from_journal if one.suffix == ".jsonl" else erase_from_receipt)(one, who, seal)
    return {one: _renamed(one, seal) for one in there}


def _seal_of(path: Path) -> str | None:
    """The seal of a journal or receipt, "" when it has none; None when it cannot be read."""
    try:
        return Journal(path).state.erasure_id if path.suffix == ".jsonl" else read_receipt(path).erasure_id
    except FrgroupsError:
        return None


def _renamed(path: Path, seal: str) -> Path:
    named = FILES_NAMED_BY_DIGEST.fullmatch(path.name)
    if not named:
        return path
    there = path.with_name(f"{named[1]}-{TOMBSTONE_PREFIX}-{seal}{named[2]}")
    replace_digest(path, there)
    path.rename(there)
    fsync_path(there.parent)
    return there


def _buried_plan(plan: Plan, who: Subject, stone: str) -> Plan:
    groups = tuple(_buried_change(one, who, stone) for one in plan.groups)
    held = tuple(_buried_hold(one, who, stone) for one in plan.excluded)
    return replace(
        plan,
        groups=groups,
        excluded=held,
        reverts=TOMBSTONE_PREFIX if plan.reverts else None,
        purpose=who.words.sub(stone, plan.purpose),
        known=None if plan.known is None else plan.known.drop(index=who.uid, errors="ignore"),
    )


def _buried_hold(one: ExcludedChange, who: Subject, stone: str) -> ExcludedChange:
    if one.customer_uid == who.uid:
        return replace(one, customer_uid=stone, note="")
    return replace(one, note=who.words.sub(stone, one.note))


def _buried_change(one: GroupChange, who: Subject, stone: str) -> GroupChange:
    return replace(
        one,
        baseline=_buried(one.baseline, who, stone),
        add=_buried(one.add, who, stone),
        remove=_buried(one.remove, who, stone),
        unknown=frozenset(_buried(one.unknown, who, stone)),
    )


def _buried_item(item: tuple[str, str, str], who: Subject, stone: str) -> tuple[str, str, str]:
    group, uid, change = item
    return group, stone if uid == who.uid else uid, change


def _buried_line(line: dict[str, Any], who: Subject, stone: str, seal: str) -> dict[str, Any]:
    lists = {name: list(_buried(uids, who, stone)) for name, uids in uids_of_line(line).items()}
    told = {}
    if isinstance(line.get("message"), str):
        alone = bool(line["message"]) and line.get("uids") == [who.uid]
        told["message"] = stone if alone else who.words.sub(stone, line["message"])
    sealed = (
        {"digest": TOMBSTONE_PREFIX, "erasure_id": line.get("erasure_id") or seal}
        if line["event"] == "start" and seal
        else {}
    )
    return line | lists | told | sealed


def _buried(uids: Iterable[str], who: Subject, stone: str) -> tuple[str, ...]:
    """With the tombstone in the customer's stead, and not in the customer's place: that would tell between whom."""
    return tuple(sorted(stone if uid == who.uid else uid for uid in uids))
