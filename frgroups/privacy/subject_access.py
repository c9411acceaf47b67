"""Export the stored data of one customer for a subject access request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.apply.journal import read_journal_lines
from frgroups.apply.receipt import read_receipt
from frgroups.errors import FrgroupsError
from frgroups.internals.json_values import to_jsonable
from frgroups.internals.paths import home
from frgroups.plan.customer_origin import origin_texts
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.privacy.file_scanners import FileMatch, Kind, uids_of_line
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.search import known_ids, search_customer, search_files
from frgroups.privacy.text_search import Subject
from frgroups.review.decision_record import read_entries
from frgroups.review.recorded_changes import count_customer
from frgroups.store.manifest import read_manifest
from frgroups.store.snapshot_store import read_stored


def export_customer(
    customer_uid: str,
    *,
    tenant_uid: str | None = None,
    base_url: str | None = None,
    cache: str | Path | None = None,
    journal: str | Path | None = None,
    also: Iterable[str | Path] = (),
    ids: Iterable[str] = (),
) -> dict[str, Any]:
    """
    Return all stored data of one customer as JSON values.

    Use this function to answer a subject access request. The result contains the data that `erase_customer` removes.
    The result is personal data, so send it only to the customer.

    Parameters
    ----------
    customer_uid : str
        Uid of the customer.
    tenant_uid : str, optional
        Search only the files of this tenant and files without a tenant, such as lists. By default, the files of all
        tenants are searched.
    base_url : str, optional
        Search only the files of this host and files without a host, such as reports. The argument is a base URL,
        "stage", or "production". By default, the files of all hosts are searched.
    cache : str or Path, optional
        Additional folder of stored snapshots.
    journal : str or Path, optional
        Additional folder of journals and receipts.
    also : iterable of str or Path, optional
        Additional files and folders, for example plans, receipts, review pages, and lists.
    ids : iterable of str, optional
        Other ids of the customer that lists can contain. Ids in stored snapshots are added automatically.

    Returns
    -------
    dict
        "snapshots" contains the customer's attributes, consents, and groups at each time. "plans", "receipts", and
        "journals" contain the planned and applied changes. "reviews", "reports", "exports", "approvals", "decisions",
        and "lists" contain an entry for each file with the customer. "other" contains all other files, with the
        reason why they cannot be read.

    Raises
    ------
    InputError
        `customer_uid` is empty, or a path does not exist.

    See Also
    --------
    erase_customer : Erase one customer from all files in the data folder.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> export = export_customer("c-1", tenant_uid="t-1")
    >>> [group["name"] for group in export["snapshots"][-1]["groups"]]
    ['All members', 'VIP']
    >>> export["snapshots"][-1]["attributes"]["external_id"], len(export["snapshots"][-1]["consents"])
    ('0001', 1)
    """
    subject, scope = search_files(
        customer_uid, tenant_uid=tenant_uid, base_url=base_url, cache=cache, journal=journal, also=also, ids=ids
    )
    subject = replace(subject, ids=known_ids(subject, scope))
    export: dict[str, Any] = {
        "customer_uid": customer_uid,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_folder": str(home()),
        **{f"{kind}s": [] for kind in _EXPORTERS},
        "other": [],
    }
    for match in search_customer(subject, scope):
        if match.n or match.n_left or match.problem or match.damaged:
            section, values = _export_file(match, subject)
            tenant = {"tenant_uid": match.tenant_uid, "host": match.host}
            export[section].append({"path": str(match.path)} | tenant | values)
    return export


def _export_file(match: FileMatch, subject: Subject) -> tuple[str, dict[str, Any]]:
    """Return the section of the export to which a file belongs, and the values to export from the file."""
    problem = match.problem
    if match.kind in _EXPORTERS and not problem and not match.damaged:
        try:
            return f"{match.kind}s", _EXPORTERS[match.kind](match.path, subject)
        except FrgroupsError as error:
            problem = error.message
    n = match.n + match.n_left
    if match.damaged and not problem:
        problem = "The snapshot is damaged." if n else "The snapshot is damaged and might contain the customer."
    return "other", {"kind": match.kind, "n": n, "note": problem}


def _export_snapshot(folder: Path, subject: Subject) -> dict[str, Any]:
    snapshot = read_stored(read_manifest(folder))
    customers, memberships = snapshot.customers, snapshot.memberships
    groups = memberships.loc[memberships["customer_uid"] == subject.uid, "customer_group_uid"]
    return {
        "base_url": snapshot.base_url,
        "taken_at": snapshot.taken_at.isoformat(),
        "attributes": next(iter(_records(_rows_of(customers, subject))), {}),
        "consents": _records(_rows_of(snapshot.consents, subject)),
        "groups": [{"customer_group_uid": group, "name": snapshot.matrix.names_by_uid[group]} for group in groups],
        "n_children": int((customers["customer_parent_uid"] == subject.uid).sum()),
    }


def _export_plan(path: Path, subject: Subject) -> dict[str, Any]:
    plan = read_plan(path)
    return {"digest": plan.digest, "planned_at": plan.planned_at.isoformat()} | _plan_values(plan, subject)


def _plan_values(plan: Plan, subject: Subject) -> dict[str, Any]:
    values = {
        "operations": _operations(plan.table(), subject),
        "excluded": _operations(plan.excluded(), subject),
        "member_before": [group.uid for group in plan.groups if subject.uid in group.baseline],
    }
    if subject.count_in(plan.purpose):
        values["purpose"] = plan.purpose
    texts = [text for text in origin_texts(plan.origins) if subject.count_in(text)]
    if texts:
        values["origins"] = texts
    places = [place for place in plan.limit_places.values() if subject.count_in(place)]
    if places:
        values["limit_places"] = places
    return values


def _export_receipt(path: Path, subject: Subject) -> dict[str, Any]:
    receipt = read_receipt(path)
    return {
        "started_at": receipt.started_at.isoformat(),
        "read_at": receipt.read_at.isoformat(),
        **_plan_values(receipt.plan, subject),
        "operations": _operations(receipt.table(), subject),
        "member_after": [group for group, members in receipt.members_after.items() if subject.uid in members],
    }


def _export_journal(path: Path, subject: Subject) -> dict[str, Any]:
    lines = []
    for number, line in enumerate(read_journal_lines(path), 1):
        uids_by_field = uids_of_line(line)
        fields = [name for name, uids in uids_by_field.items() if subject.uid in uids]
        if not fields and not subject.count_in(str(line.get("message", ""))):
            continue
        # Omit the uid lists of the journal line, because the lists also contain uids of other customers.
        exported = {"line": number, **{name: value for name, value in line.items() if name not in uids_by_field}}
        if line["event"] == "observed":
            exported["change"] = fields[0]
        lines.append(exported)
    return {"lines": lines}


def _export_list(path: Path, subject: Subject) -> dict[str, Any]:
    result = remove_list_rows(path.read_bytes(), subject.uid, subject.ids)
    return {"rows": result.rows, "n_other_mentions": result.n_left}


def _export_approval(_path: Path, _subject: Subject) -> dict[str, Any]:
    return {"note": "The reason for the rejection mentions the customer."}


def _export_decisions(path: Path, subject: Subject) -> dict[str, Any]:
    entries = read_entries(path)
    return {
        "reasons": [entry["reason"] for entry in entries if subject.count_in(str(entry.get("reason", "")))],
        "n_rejected_changes": sum(count_customer(entry.get("operations", ()), subject.uid) for entry in entries),
    }


def _export_report(_path: Path, _subject: Subject) -> dict[str, Any]:
    return {"note": "The report lists changes of the customer's groups between two snapshots."}


def _export_export(_path: Path, _subject: Subject) -> dict[str, Any]:
    return {"note": "The file is an earlier export of the customer's data, or an export that mentions the customer."}


def _export_review(_path: Path, _subject: Subject) -> dict[str, Any]:
    return {"note": "The review shows a planned change to the customer's groups."}


_EXPORTERS: dict[Kind, Callable[[Path, Subject], dict[str, Any]]] = {
    "snapshot": _export_snapshot,
    "plan": _export_plan,
    "review": _export_review,
    "report": _export_report,
    "export": _export_export,
    "approval": _export_approval,
    "decision": _export_decisions,
    "receipt": _export_receipt,
    "journal": _export_journal,
    "list": _export_list,
}


def _rows_of(table: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    return table[table["customer_uid"] == subject.uid]


def _operations(table: pd.DataFrame, subject: Subject) -> list[dict[str, Any]]:
    return _records(_rows_of(table, subject).drop(columns="customer_uid"))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Convert the rows of a table to dictionaries of JSON values, in which a missing value is None."""
    return [{str(name): to_jsonable(value) for name, value in row.items()} for row in table.to_dict("records")]
