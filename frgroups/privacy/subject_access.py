"""Everything that is held of one customer, as plain values to hand out to whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.apply.journal import Journal
from frgroups.apply.receipt import read_receipt
from frgroups.errors import FrgroupsError
from frgroups.internals.paths import home
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.privacy.file_scanners import FileMatch, Kind, uids_of_line
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.search import known_ids, search_customer, search_files
from frgroups.privacy.text_search import Subject
from frgroups.store.manifest import read_manifest
from frgroups.store.snapshot_store import read_stored


def export_customer(
    customer_uid: str,
    *,
    tenant_uid: str | None = None,
    cache: str | Path | None = None,
    journal: str | Path | None = None,
    also: Iterable[str | Path] = (),
    ids: Iterable[str] = (),
) -> dict[str, Any]:
    """
    All that frgroups keeps of one customer, as values that JSON can hold; what `forget` would remove.

    Under "snapshots" the attributes, consents and groups of the customer at each moment; under "plans", "receipts"
    and "journals" what was planned and done; under "lists" the customer's rows; under "other" every other file that
    names the customer, with what keeps it from being read. It is personal data: hand it to nobody else.

    The options are those of `forget`.

    >>> path = save_snapshot(sample_snapshot())
    >>> held = export_customer("c-1", tenant_uid="t-1")
    >>> [group["name"] for group in held["snapshots"][-1]["groups"]]
    ['All members', 'VIP']
    >>> held["snapshots"][-1]["attributes"]["external_id"], len(held["snapshots"][-1]["consents"])
    ('0001', 1)
    """
    asked, places = search_files(
        customer_uid, tenant_uid=tenant_uid, cache=cache, journal=journal, also=also, ids=ids
    )
    who = replace(asked, ids=known_ids(asked, places))
    told: dict[str, Any] = {
        "customer_uid": customer_uid,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "home": str(home()),
        **{f"{kind}s": [] for kind in _TELL},
        "other": [],
    }
    for trace in search_customer(who, places):
        if trace.n or trace.n_left or trace.trouble or trace.damaged:
            section, facts = _told(trace, who)
            told[section].append({"path": str(trace.path), "tenant_uid": trace.tenant_uid} | facts)
    return told


def _told(trace: FileMatch, who: Subject) -> tuple[str, dict[str, Any]]:
    if trace.kind in _TELL and not trace.trouble and not trace.damaged:
        try:
            return f"{trace.kind}s", _TELL[trace.kind](trace.path, who)
        except FrgroupsError as error:
            trace = replace(trace, trouble=error.message)
    n = trace.n + trace.n_left
    damage = f"it is damaged{'' if n else ' and may hold the customer'}" if trace.damaged else ""
    return "other", {"kind": trace.kind, "n": n, "note": trace.trouble or damage}


def _of_snapshot(folder: Path, who: Subject) -> dict[str, Any]:
    snapshot = read_stored(read_manifest(folder))
    uid, customers, memberships = who.uid, snapshot.customers, snapshot.memberships
    groups = memberships.loc[memberships["customer_uid"] == uid, "customer_group_uid"]
    own = _records(customers[customers["customer_uid"] == uid])
    return {
        "base_url": snapshot.base_url,
        "taken_at": snapshot.taken_at.isoformat(),
        "attributes": own[0] if own else {},
        "consents": _records(snapshot.consents[snapshot.consents["customer_uid"] == uid]),
        "groups": [{"customer_group_uid": group, "name": snapshot.group_name(group)} for group in groups],
        "n_children": int((customers["customer_parent_uid"] == uid).sum()),
    }


def _of_plan(path: Path, who: Subject) -> dict[str, Any]:
    plan = read_plan(path)
    return {"digest": plan.digest, "planned_at": plan.planned_at.isoformat()} | _in_plan(plan, who)


def _in_plan(plan: Plan, who: Subject) -> dict[str, Any]:
    table, held = plan.table(), plan.held()
    return {
        "operations": _records(table[table["customer_uid"] == who.uid].drop(columns="customer_uid")),
        "held_back": _records(held[held["customer_uid"] == who.uid].drop(columns="customer_uid")),
        "member_before": [one.uid for one in plan.groups if who.uid in one.baseline],
        **({"purpose": plan.purpose} if who.words.search(plan.purpose) else {}),
    }


def _of_receipt(path: Path, who: Subject) -> dict[str, Any]:
    receipt = read_receipt(path)
    table = receipt.table()
    own = _records(table[table["customer_uid"] == who.uid].drop(columns="customer_uid"))
    after = [group for group, members in receipt.members_after.items() if who.uid in members]
    moments = {"started_at": receipt.started_at.isoformat(), "read_at": receipt.read_at.isoformat()}
    return moments | _in_plan(receipt.plan, who) | {"operations": own, "member_after": after}


def _of_journal(path: Path, who: Subject) -> dict[str, Any]:
    lines = []
    for number, line in enumerate(Journal(path).lines(), 1):
        named = [name for name, uids in uids_of_line(line).items() if who.uid in uids]
        if named or who.words.search(str(line.get("message", ""))):
            # The others of the line are other people.
            rest = {name: value for name, value in line.items() if name not in uids_of_line(line)}
            lines.append({"line": number, **rest, **({"change": named[0]} if line["event"] == "observed" else {})})
    return {"lines": lines}


def _of_list(path: Path, who: Subject) -> dict[str, Any]:
    parted = remove_list_rows(path.read_bytes(), who.uid, who.ids)
    return {"rows": parted.rows, "n_other_mentions": parted.n_left}


def _of_approval(_path: Path, _who: Subject) -> dict[str, Any]:
    return {"note": "the reason of a rejection names the customer"}


def _of_review(_path: Path, _who: Subject) -> dict[str, Any]:
    return {"note": "the page shows a planned change of the customer"}


_TELL: dict[Kind, Callable[[Path, Subject], dict[str, Any]]] = {
    "snapshot": _of_snapshot,
    "plan": _of_plan,
    "review": _of_review,
    "approval": _of_approval,
    "receipt": _of_receipt,
    "journal": _of_journal,
    "list": _of_list,
}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON can hold them; what is missing is None."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
