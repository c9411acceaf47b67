"""Search one file or snapshot folder for a customer."""

from __future__ import annotations

import errno
import html
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from frgroups.apply import window_override
from frgroups.apply.journal import JournalState, read_journal_lines, receipt_path_of
from frgroups.apply.receipt import read_receipt
from frgroups.errors import CorruptFileError, FrgroupsError, InputError, ListError
from frgroups.internals.checksummed_json import kind_of, parse_checksummed
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.html import escaped_forms
from frgroups.internals.paths import host_of, parse_tenant_folder
from frgroups.internals.workbooks import ZIP_SIGNATURE
from frgroups.plan.customer_origin import origin_texts
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.plan.suppression_list import SUPPRESSION_LIST
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.text_search import (
    MAX_BYTES,
    Subject,
    as_text,
    count_equal,
    count_in_body,
    count_in_file,
    count_mentions,
    identifying_columns,
    read_parquet,
)
from frgroups.review import decision_record
from frgroups.review.recorded_changes import count_customer
from frgroups.store.manifest import read_manifest, read_tenant

Kind = Literal[
    "snapshot",
    "quarantined",
    "draft",
    "plan",
    "review",
    "approval",
    "decision",
    "receipt",
    "journal",
    "list",
    "report",
    "export",
    "other",
]

# Review pages and file names contain only the first digits of a plan digest.
# Digests are therefore compared by this number of digits.
DIGEST_LENGTH = 12
# Name of a journal or receipt, which contains the time when the plan was created and the start of the plan's digest.
FILES_NAMED_BY_DIGEST = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{16}(\.jsonl|\.receipt\.json)")

_ID_COLUMNS = ("external_id", "email", "mobile", "loyalty_id", "vat_number")
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{12,64}(?![0-9a-f])")
_CHECKSUMMED_KINDS: dict[str, Kind] = {
    "plan": "plan",
    "receipt": "receipt",
    "approval": "approval",
    # An override is treated as an approval, because it also contains the digest of a plan and a reason.
    window_override.KIND: "approval",
    decision_record.KIND: "decision",
}
_REVIEW_CSV = '"customer_group_uid","group_name","customer_uid","change"'
_REVIEW_TEXT = re.compile(r"Review: [^\n]*\n=+\n")
_REVIEW_TENANT = re.compile(r"<dt>Tenant</dt><dd>([^<]*)</dd>|<dc:subject>Tenant ([^<]*)</dc:subject>")
# If the plan has no host, the review contains "none" instead of a URL, and the pattern does not match.
_REVIEW_SERVER = re.compile(r"<dt>Server</dt><dd>(https?://[^<]*)</dd>")
# Element in the HTML of a report that lists customers.
_REPORT = re.compile(r'<main data-customers-of="([^"]*)">')
# First keys in a JSON file that contains the result of `export_customer`.
_EXPORT = re.compile(r'\s*\{\s*"customer_uid":[^\n]*\s*"exported_at":')
# Signatures of files that cannot be customer lists: SQLite databases, their logs and log indexes, and PNG images.
# A file with such a signature is searched for the customer's ids, and is reported only if it contains an id.
_NO_LIST = (b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\x18\xe2\x2d\0", b"\x89PNG")
_PURPOSE = re.compile(r"(?:Purpose|From): ([^<\n]*)")
_DIGEST_FIELDS = ("digest", "changes", "new_digest")
_TABLES_WITHOUT_CUSTOMERS = ("groups.parquet", "reads.parquet")


@dataclass(frozen=True)
class FileMatch:
    """
    Result of the search for a customer in one file.

    Attributes
    ----------
    kind, path, tenant_uid, base_url
        Type and path of the file, and tenant uid and base URL in the file. If the file contains no tenant uid or no
        base URL, the corresponding attribute is an empty string.
    n, n_left
        Number of mentions that can be erased, and number of mentions that must be removed by hand.
    digest
        Digest of the plan in the file, if the plan contains the customer.
    plan_digests
        First 12 digits of all plan digests and hashes of changes that the file contains.
    undo_digest
        Digest of the undo plan in the file, or "". The digest of an undo plan covers the digest of the original plan.
    changes
        Hash of the plan's changes, and hash of the same changes without the customer. If the file contains neither an
        undo plan nor a plan with the customer, both hashes are empty strings.
    new_changes
        Hashes of changes without the customer, keyed by the hash of the original changes. Records of decisions are
        rewritten with these hashes.
    unfinished
        Whether an earlier erasure of the file was interrupted.
    resumable
        Whether the file is the journal of an interrupted run that the erasure prevents from being resumed.
    damaged
        Whether the file is a damaged snapshot.
    problem
        The reason why the file cannot be read or rewritten.
    """

    kind: Kind
    path: Path
    tenant_uid: str = ""
    base_url: str = ""
    n: int = 0
    n_left: int = 0
    digest: str = ""
    plan_digests: frozenset[str] = frozenset()
    undo_digest: str = ""
    changes: tuple[str, str] = ("", "")
    new_changes: Mapping[str, str] = field(default_factory=dict)
    unfinished: bool = False
    resumable: bool = False
    damaged: bool = False
    problem: str = ""

    @property
    def host(self) -> str:
        """Host of the file's tenant, or "" if the file contains no host."""
        return host_of(self.base_url)


def ids_in_snapshot(folder: Path, subject: Subject) -> frozenset[str]:
    """Return the ids, other than the uid, that a stored snapshot contains for a customer."""
    try:
        if not subject.is_in(*tenant_of(folder)):
            return frozenset()
        table = read_parquet(folder / "customers.parquet", filters=[("customer_uid", "=", subject.uid)])
    except (OSError, pa.ArrowException):
        return frozenset()
    values = (value for name in _ID_COLUMNS if name in table.column_names for value in table[name].to_pylist())
    return frozenset(str(value) for value in values if value)


def scan_snapshot(folder: Path, subject: Subject) -> FileMatch:
    """
    Search a stored snapshot for the customer.

    The count includes the rows of other customers whose parent is the customer.
    """
    tenant_uid, base_url = tenant_of(folder)
    match = FileMatch("snapshot", folder, tenant_uid, base_url)
    if not subject.is_in(tenant_uid, base_url):
        return match
    try:
        n, n_left = _count_in_snapshot(folder, subject)
    except (OSError, pa.ArrowException, KeyError) as error:
        damaged, problem = _damage_of(folder, read_error=error)
        return replace(match, damaged=damaged, problem=problem)
    if not n and not n_left:
        return match
    damaged, problem = _damage_of(folder)
    return replace(match, n=n, n_left=n_left, damaged=damaged, problem=problem)


def _count_in_snapshot(folder: Path, subject: Subject) -> tuple[int, int]:
    path = folder / "customers.parquet"
    customers = read_parquet(path, columns=identifying_columns(path))
    code = pc.index(as_text(customers["customer_uid"]), subject.uid).as_py()
    n = count_equal(customers, "customer_parent_uid", subject.uid)
    n += count_equal(read_parquet(folder / "consents.parquet"), "customer_uid", subject.uid)
    if code >= 0:
        memberships = read_parquet(folder / "memberships.parquet", columns=["customer_code"])
        n += 1 + (pc.sum(pc.equal(memberships["customer_code"], code)).as_py() or 0)
    return n, count_mentions(customers, subject, skip=code)


def _damage_of(folder: Path, read_error: Exception | None = None) -> tuple[bool, str]:
    """
    Return True if a stored snapshot is damaged, and the reason why the snapshot cannot be rewritten.

    A snapshot is damaged if its content differs from the checksums in its manifest. A snapshot on a disk that is
    temporarily unavailable is not damaged.
    """
    if isinstance(read_error, OSError) and read_error.errno not in (None, errno.ENOENT):
        return False, f"Cannot read the snapshot: {read_error.strerror}. It might contain the customer."
    try:
        read_manifest(folder).check()
    except CorruptFileError:
        return True, ""
    except InputError:
        return (
            False,
            "The snapshot was written by another version of frgroups. Use that version, or delete the snapshot.",
        )
    if read_error is None:
        return False, ""
    return False, f"Cannot read the snapshot: {type(read_error).__name__}. It might contain the customer."


def scan_quarantined(folder: Path, subject: Subject) -> FileMatch:
    """Search a snapshot folder that readers ignore because the snapshot is a draft, damaged, or replaced."""
    tenant_uid, base_url = tenant_of(folder)
    match = FileMatch("quarantined", folder, tenant_uid, base_url)
    if not subject.is_in(tenant_uid, base_url):
        return match
    n, problem = 0, ""
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.name not in _TABLES_WITHOUT_CUSTOMERS:
                n += count_in_file(path, subject)
        except (OSError, pa.ArrowException, ValueError):
            problem = "Some files in the folder cannot be read."
    return replace(match, n=n, problem=problem)


def scan_file(path: Path, subject: Subject, *, is_list: bool = False) -> FileMatch:
    """
    Search a file for the customer.

    The type of the file is determined from its content. If `is_list` is True, a file of unknown type is treated as a
    list of customers.
    """
    if path.suffix == ".parquet" or path.stat().st_size > MAX_BYTES:
        return FileMatch("other", path, n=count_in_file(path, subject))
    body = path.read_bytes()
    kind = _CHECKSUMMED_KINDS.get(kind_of(body))
    if kind is not None:
        return _scan_checksummed(path, kind, body, subject)
    if _is_journal(body):
        return _scan_journal(path, body, subject)
    workbook = _review_workbook(body)
    if workbook:
        return _scan_review(path, workbook, subject)
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if _is_review(text):
        return _scan_review(path, text, subject)
    report = _REPORT.search(text)
    if report:
        return _scan_report(path, text, html.unescape(report[1]), subject)
    if _EXPORT.match(text):
        return _scan_export(path, body, subject)
    if not is_list or body.startswith(_NO_LIST):
        return FileMatch("other", path, n=count_in_body(body, subject))
    return _scan_list(path, body, subject)


def _scan_list(path: Path, body: bytes, subject: Subject) -> FileMatch:
    tenant_uid, base_url = _tenant_of_list(path)
    match = FileMatch("list", path, tenant_uid, base_url)
    if not subject.is_in(tenant_uid, base_url):
        return match
    try:
        result = remove_list_rows(body, subject.uid, subject.ids)
    except ListError as error:
        n, problem = count_in_body(body, subject), str(error)
        if not n:
            problem += " The file might contain the customer."
        return replace(match, n=n, problem=problem)
    return replace(match, n=len(result.rows), n_left=result.n_left)


def _is_review(text: str) -> bool:
    """Return True if a file contains the review of a plan in HTML, Markdown, text, or CSV format."""
    if text.startswith(("# Review: ", _REVIEW_CSV)) or _REVIEW_TEXT.match(text):
        return True
    return re.search(r"<title>[^<]*Review of plan [0-9a-f]{12}", text) is not None


def _review_workbook(body: bytes) -> str:
    """
    Return the text of an Excel workbook that contains the review of a plan.

    The workbook is recognized by its title property. For any other file, the result is an empty string.
    """
    if not body.startswith(ZIP_SIGNATURE):
        return ""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as parts:
            if not re.search(rb"<dc:title>Review of plan [0-9a-f]{12}<", parts.read("docProps/core.xml")):
                return ""
            return "".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError):
        return ""


def _count_planned(plan: Plan, subject: Subject) -> int:
    """Count how often the customer occurs in the operations and in the previous members of a plan."""
    return sum(subject.count_uid((*group.baseline, *group.add, *group.remove)) for group in plan.groups)


def _count_unplanned(plan: Plan, subject: Subject) -> int:
    """Count how often the customer occurs in a plan's excluded changes, purpose, findings, and other text."""
    n = subject.count_in(plan.purpose) + sum(subject.count_in(note.message) for note in plan.notes)
    n += sum(map(subject.count_in, origin_texts(plan.origins)))
    n += sum(map(subject.count_in, plan.limit_places.values()))
    for excluded in plan.excluded_changes:
        n += (excluded.customer_uid == subject.uid) + subject.count_in(excluded.note)
        n += subject.count_in(excluded.source)
    return n


def _scan_checksummed(path: Path, kind: Kind, body: bytes, subject: Subject) -> FileMatch:
    try:
        if kind == "approval":
            return _scan_approval(path, body, subject)
        return _CHECKSUMMED_SCANNERS[kind](path, subject)
    except FrgroupsError:
        tenant_uid, base_url = tenant_of(path)
        text = body.decode("utf-8", "replace")
        n = 0
        if subject.is_in(tenant_uid, base_url):
            n = text.count(json.dumps(subject.uid, ensure_ascii=False))
        problem = "The file is damaged or has another format version. Delete it if you do not need it."
        return FileMatch(kind, path, tenant_uid, base_url, n=n, plan_digests=_digests_in(text), problem=problem)


def _scan_approval(path: Path, body: bytes, subject: Subject) -> FileMatch:
    content = parse_checksummed(path, kind_of(body), body)
    tenant_uid, base_url = tenant_of(path)
    digests = _digests_in(f"{content.get('digest')} {content.get('changes')}")
    match = FileMatch("approval", path, tenant_uid, base_url, plan_digests=digests)
    if not subject.is_in(tenant_uid, base_url):
        return match
    return replace(match, n=subject.count_in(str(content.get("reason"))))


def _scan_decisions(path: Path, subject: Subject) -> FileMatch:
    entries = decision_record.read_entries(path)
    tenant_uid, base_url = _parse_tenant(path.stem)
    digests = _digests_in(" ".join(str(entry.get(name)) for entry in entries for name in _DIGEST_FIELDS))
    match = FileMatch("decision", path, tenant_uid, base_url, plan_digests=digests)
    if not subject.is_in(tenant_uid, base_url):
        return match
    n = sum(subject.count_in(str(entry.get("reason", ""))) for entry in entries)
    n += sum(count_customer(entry.get("operations", ()), subject.uid) for entry in entries)
    return replace(match, n=n)


def _match_plan(kind: Kind, path: Path, plan: Plan, subject: Subject) -> FileMatch:
    """Search for the customer in the plan that a plan file or receipt contains."""
    match = FileMatch(kind, path, plan.tenant_uid, plan.base_url or "")
    key = decision_record.changes_key(plan)
    if plan.reverts is not None:
        match = replace(match, plan_digests=_digests_in(plan.reverts), undo_digest=plan.digest, changes=(key, key))
    if not subject.is_in(plan.tenant_uid, plan.base_url or ""):
        return match
    n_planned = _count_planned(plan, subject)
    if n_planned:
        # The digest covers the operations and the previous members, so it could identify the customer.
        # It does not cover the excluded changes, which are therefore not counted in `n_planned`.
        new_key = decision_record.changes_key_without(plan, subject.uid)
        match = replace(match, digest=plan.digest, changes=(key, new_key))
    return replace(match, n=n_planned + _count_unplanned(plan, subject))


def _scan_plan(path: Path, subject: Subject) -> FileMatch:
    return _match_plan("plan", path, read_plan(path), subject)


def _scan_receipt(path: Path, subject: Subject) -> FileMatch:
    receipt = read_receipt(path)
    match = _match_plan("receipt", path, receipt.plan, subject)
    match = replace(match, unfinished=_is_unfinished(receipt.erasure_id, path))
    if not subject.is_in(match.tenant_uid, match.base_url):
        return match
    n = match.n + sum(subject.count_uid(members) for members in receipt.members_after.values())
    reasons = [override["reason"] for override in receipt.overrides]
    n += sum(subject.count_in(text) for text in (*receipt.details.values(), receipt.stopped, *reasons))
    return replace(match, n=n)


_CHECKSUMMED_SCANNERS: dict[Kind, Callable[[Path, Subject], FileMatch]] = {
    "plan": _scan_plan,
    "receipt": _scan_receipt,
    "decision": _scan_decisions,
}


def _is_unfinished(erasure_id: str, path: Path) -> bool:
    """Return True if an erasure has rewritten a journal or receipt but has not renamed the file yet."""
    return bool(erasure_id) and FILES_NAMED_BY_DIGEST.fullmatch(path.name) is not None


def _is_journal(body: bytes) -> bool:
    try:
        line = json.loads(body[: body.find(b"\n") + 1] or b"null")
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and line.keys() >= {"event", "at", "sum"}


def _scan_journal(path: Path, body: bytes, subject: Subject) -> FileMatch:
    tenant_uid, base_url = tenant_of(path)
    match = FileMatch("journal", path, tenant_uid, base_url)
    if not subject.is_in(tenant_uid, base_url):
        return match
    try:
        lines = read_journal_lines(path)
    except FrgroupsError:
        text = body.decode("utf-8", "replace")
        problem = "The file is damaged or has another format version. Delete it if you do not need it."
        return replace(match, n=subject.count_in(text), plan_digests=_digests_in(text), problem=problem)
    state = JournalState()
    for line in lines:
        state.apply_event(line)
    n_uids = sum(subject.count_uid(uids) for line in lines for uids in uids_of_line(line).values())
    n_in_messages = sum(subject.count_in(str(line.get("message", ""))) for line in lines)
    n_in_messages += sum(subject.count_in(override["reason"]) for override in state.overrides)
    n_in_torn_line = subject.count_in(body[body.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
    digest = next((str(line["digest"]) for line in lines if "digest" in line), "")
    if n_uids:
        match = replace(match, digest=digest)
    return replace(
        match,
        n=n_uids + n_in_messages + n_in_torn_line,
        plan_digests=_digests_in(digest),
        unfinished=_is_unfinished(state.erasure_id, path),
        resumable=not (state.ended and receipt_path_of(path).exists()),
    )


def uids_of_line(line: dict[str, Any]) -> dict[str, list[str]]:
    """Return the lists of customer uids in a journal line, keyed by their JSON keys."""
    return {name: line[name] for name in ("uids", "add", "remove") if isinstance(line.get(name), list)}


def _scan_review(path: Path, text: str, subject: Subject) -> FileMatch:
    tenant_uid, base_url = tenant_of(path)
    named_tenant = _REVIEW_TENANT.search(text)
    if named_tenant:
        folder_tenant, tenant_uid = tenant_uid, html.unescape(named_tenant[1] or named_tenant[2])
        server = _REVIEW_SERVER.search(text)
        if server:
            base_url = html.unescape(server[1])
        elif tenant_uid != folder_tenant:
            base_url = ""
    match = FileMatch("review", path, tenant_uid, base_url, plan_digests=_digests_in(f"{path.name} {text}"))
    if not subject.is_in(tenant_uid, base_url):
        return match
    return replace(match, n=_count_in_review(text, subject))


def _scan_report(path: Path, text: str, tenant_uid: str, subject: Subject) -> FileMatch:
    n = 0
    if subject.is_in(tenant_uid, ""):  # Pass no host, because reports do not contain one.
        n = text.count(f">{escaped_forms(subject.uid)[0]}</td>")
    return FileMatch("report", path, tenant_uid, n=n)


def _scan_export(path: Path, body: bytes, subject: Subject) -> FileMatch:
    """
    Search a file that contains a result of `export_customer`.

    The file can contain the exported data of another customer and also mention the customer to search for.
    """
    try:
        document = json.loads(body)
        customer_uid, tenants = document["customer_uid"], _tenants_of_export(document)
    except (ValueError, TypeError, KeyError):
        return FileMatch("other", path, n=count_in_body(body, subject))
    if tenants and not any(subject.is_in(tenant_uid, base_url) for tenant_uid, base_url in tenants):
        return FileMatch("export", path)
    if customer_uid == subject.uid:
        return FileMatch("export", path, n=1)
    return FileMatch("export", path, n_left=count_in_body(body, subject))


def _tenants_of_export(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the tenant uid and the base URL (without its path) of each file that an export describes."""
    entries = [entry for section in document.values() if isinstance(section, list) for entry in section]
    hosts = [(entry["tenant_uid"], entry.get("host")) for entry in entries if entry.get("tenant_uid")]
    return {(tenant_uid, f"https://{host}" if host else "") for tenant_uid, host in hosts}


def _count_in_review(text: str, subject: Subject) -> int:
    if _REVIEW_TEXT.match(text):
        n = subject.count_in(text)
    else:
        in_markdown = re.sub(r"([\\`*_|~<&])", r"\\\1", subject.uid)
        in_markup, in_script = escaped_forms(subject.uid)
        cells = {
            # The uid in double quotes, in reviews in HTML and CSV format.
            json.dumps(subject.uid, ensure_ascii=False),
            f">{html.escape(subject.uid)}</td>",
            f"| {in_markdown} |",
            # The uid after an apostrophe.
            # CSV reviews contain the apostrophe to prevent spreadsheets from interpreting the uid as a formula.
            f'"\'{subject.uid}"',
            # The XML element of a cell in an Excel workbook.
            f">{html.escape(subject.uid, quote=False)}</t>",
            # The uid with escape sequences instead of invisible characters, in HTML reviews and workbooks.
            f">{in_markup}</td>",
            f'"{in_script}"',
            f">{html.escape(escape_invisible(subject.uid), quote=False)}</t>",
        }
        n = sum(text.count(cell) for cell in cells)
    return n or sum(subject.count_in(html.unescape(purpose)) for purpose in _PURPOSE.findall(text))


def _digests_in(text: str) -> frozenset[str]:
    return frozenset(digest[:DIGEST_LENGTH] for digest in _DIGEST.findall(text))


def _tenant_of_list(path: Path) -> tuple[str, str]:
    """Return the tenant and the host of a suppression list, or empty strings for any other list."""
    if path.parent.name != SUPPRESSION_LIST:
        return "", ""
    return _parse_tenant(path.stem)


def tenant_of(path: Path) -> tuple[str, str]:
    """Return the tenant and the host of a file, which are read from its manifest or its folder name."""
    tenant = read_tenant(path)
    if tenant is not None:
        return tenant
    return _parse_tenant(path.parent.name)


def _parse_tenant(folder: str) -> tuple[str, str]:
    tenant_uid, host = parse_tenant_folder(folder)
    if not tenant_uid:
        return "", ""
    return tenant_uid, f"https://{host}"
