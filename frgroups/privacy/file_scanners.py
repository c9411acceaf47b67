"""What one file or snapshot folder holds of one customer; it looks, and changes nothing."""

from __future__ import annotations

import errno
import html
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from frgroups.apply.journal import Journal
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.errors import CorruptFileError, FrgroupsError, InputError, ListError
from frgroups.internals.checksummed_json import read_checksummed
from frgroups.internals.paths import parse_tenant_folder
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
from frgroups.store.manifest import read_manifest

Kind = Literal["snapshot", "set aside", "draft", "plan", "review", "approval", "receipt", "journal", "list", "other"]

DIGEST_LENGTH = 12  # What a review page and a file name show of a digest is enough to tell a plan.
# The name of a journal or receipt that apply_plan keeps: when it was planned, and the digest.
FILES_NAMED_BY_DIGEST = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{16}(\.jsonl|\.receipt\.json)")

_IDS = ("external_id", "email", "mobile", "loyalty_id", "vat_number")
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{12,64}(?![0-9a-f])")
_SEALED = re.compile(rb'"kind": "frgroups (plan|receipt|approval)"')
_REVIEW_CSV = '"customer_group_uid","group_name","customer_uid","change"'
_REVIEW_TEXT = re.compile(r"Review: [^\n]*\n=+\n")
_PURPOSE = re.compile(r"What for: ([^<\n]*)")
_OF_GROUPS = ("groups.parquet", "reads.parquet")


@dataclass(frozen=True)
class FileMatch:
    """
    What one file holds: how often it names the customer, and what else tells of them.

    `digest` is that of a plan that names the customer, `mentions` the digests (12 digits) that stand in it;
    `n_left` counts what no rewriting takes away, and `trouble` says why the file cannot be read or rewritten.
    """

    kind: Kind
    path: Path
    tenant_uid: str = ""
    base_url: str = ""
    n: int = 0
    n_left: int = 0
    digest: str = ""
    mentions: frozenset[str] = frozenset()
    unfinished: bool = False
    damaged: bool = False
    trouble: str = ""


def ids_in_snapshot(folder: Path, who: Subject) -> frozenset[str]:
    """The other ids that a snapshot knows of the customer."""
    try:
        if not who.is_in(tenant_of(folder)[0]):
            return frozenset()
        table = read_parquet(folder / "customers.parquet", filters=[("customer_uid", "=", who.uid)])
    except (OSError, pa.ArrowException):
        return frozenset()
    found = (value for name in _IDS if name in table.column_names for value in table[name].to_pylist())
    return frozenset(str(value) for value in found if value)


def scan_snapshot(folder: Path, who: Subject) -> FileMatch:
    """What a kept snapshot holds: rows of the customer, and others that name the customer as their parent."""
    tenant_uid, base_url = tenant_of(folder)
    if not who.is_in(tenant_uid):
        return FileMatch("snapshot", folder, tenant_uid)
    try:
        customers = read_parquet(
            folder / "customers.parquet", columns=identifying_columns(folder / "customers.parquet")
        )
        code = pc.index(as_text(customers["customer_uid"]), who.uid).as_py()
        n = count_equal(customers, "customer_parent_uid", who.uid) + (code >= 0)
        n += count_equal(read_parquet(folder / "consents.parquet"), "customer_uid", who.uid)
        if code >= 0:
            coded = read_parquet(folder / "memberships.parquet")
            n += pc.sum(pc.equal(coded["customer_code"], code)).as_py() or 0
        left = count_mentions(customers, who, skip=code)
    except (OSError, pa.ArrowException, KeyError) as error:
        damaged, trouble = _damage_of(folder, unread=error)
        return FileMatch("snapshot", folder, tenant_uid, base_url, damaged=damaged, trouble=trouble)
    damaged, trouble = _damage_of(folder) if n or left else (False, "")
    return FileMatch("snapshot", folder, tenant_uid, base_url, n=n, n_left=left, damaged=damaged, trouble=trouble)


def _damage_of(folder: Path, unread: Exception | None = None) -> tuple[bool, str]:
    """
    Whether a snapshot is damaged for good, or else why it cannot be written again.

    What could not be read is damaged only when it is not as it was written: a disk that is away comes back.
    """
    if isinstance(unread, OSError) and unread.errno not in (None, errno.ENOENT):
        return False, f"it cannot be read ({unread.strerror}); it may hold the customer"
    try:
        read_manifest(folder).check()
    except CorruptFileError:
        return True, ""
    except InputError:
        return False, "another version of frgroups wrote it, which alone can rewrite it; or delete it"
    return False, f"it cannot be read ({type(unread).__name__}); it may hold the customer" if unread else ""


def scan_quarantined(folder: Path, who: Subject) -> FileMatch:
    """What a folder holds that no reader looks at: a draft, what was damaged, what was replaced."""
    tenant_uid, base_url = tenant_of(folder)
    n, trouble = 0, ""
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.name not in _OF_GROUPS:
                n += count_in_file(path, who)
        except (OSError, pa.ArrowException, ValueError):
            trouble = "part of it cannot be read"
    known = n if who.is_in(tenant_uid) else 0
    return FileMatch(
        "set aside", folder, tenant_uid, base_url, n=known, trouble=trouble if who.is_in(tenant_uid) else ""
    )


def scan_file(path: Path, who: Subject, *, is_list: bool = False) -> FileMatch:
    """What a file holds; what it is is told by its content, and by where it is only if it is a list or not."""
    if path.suffix == ".parquet" or path.stat().st_size > MAX_BYTES:
        return FileMatch("other", path, n=count_in_file(path, who))
    body = path.read_bytes()
    if found := _SEALED.search(body):
        return _trace_of_sealed(path, found[1].decode(), body, who)
    if _is_journal(body):
        return _trace_of_journal(path, body, who)
    if text := _review_workbook(body):
        return _trace_of_review(path, text, who)
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if _is_review(text):
        return _trace_of_review(path, text, who)
    if not is_list:
        return FileMatch("other", path, n=count_in_body(body, who))
    return _trace_of_list(path, body, who)


def _trace_of_list(path: Path, body: bytes, who: Subject) -> FileMatch:
    tenant_uid, base_url = _tenant_of_list(path)
    if not who.is_in(tenant_uid):
        return FileMatch("list", path, tenant_uid, base_url)
    try:
        parted = remove_list_rows(body, who.uid, who.ids)
    except ListError as error:
        n = count_in_body(body, who)
        trouble = f"{error}{'' if n else '; it may hold the customer'}"
        return FileMatch("list", path, tenant_uid, base_url, n=n, trouble=trouble)
    return FileMatch("list", path, tenant_uid, base_url, n=len(parted.rows), n_left=parted.n_left)


def _is_review(text: str) -> bool:
    """Whether a text begins like the Markdown, the text or the CSV of a review, or is its page."""
    begins = text.startswith(("# Review: ", _REVIEW_CSV)) or _REVIEW_TEXT.match(text)
    return bool(begins or re.search(r"<title>[^<]*Review of plan [0-9a-f]{12}", text))


def _review_workbook(body: bytes) -> str:
    """All parts of a workbook that `save_review` wrote, by the title that Excel keeps; "" when it is none."""
    if body[:4] != b"PK\x03\x04":
        return ""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as parts:
            if not re.search(rb"<dc:title>Review of plan [0-9a-f]{12}<", parts.read("docProps/core.xml")):
                return ""
            return "".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError):
        return ""


def count_in_plan(plan: Plan, who: Subject) -> int:
    """How often a plan names the customer, among its operations and the members it stands on."""
    return sum(who.n_in((*one.baseline, *one.add, *one.remove)) for one in plan.groups)


def count_beside(plan: Plan, who: Subject) -> int:
    """How often a plan holds the customer back, or names them in what a list says of another or in what it is for."""
    held = sum((one.customer_uid == who.uid) + len(who.words.findall(one.note)) for one in plan.excluded)
    return held + len(who.words.findall(plan.purpose))


def _trace_of_sealed(path: Path, kind: str, body: bytes, who: Subject) -> FileMatch:
    try:
        if kind == "plan":
            return _trace_of_plan(path, read_plan(path), who)
        if kind == "receipt":
            return _trace_of_receipt(path, read_receipt(path), who)
        content = read_checksummed(path, "approval")
        tenant_uid, base_url = tenant_of(path)
        n = len(who.words.findall(str(content.get("reason")))) if who.is_in(tenant_uid) else 0
        return FileMatch("approval", path, tenant_uid, base_url, n=n, mentions=_digests(str(content.get("digest"))))
    except FrgroupsError:
        text = body.decode("utf-8", "replace")
        n = text.count(json.dumps(who.uid, ensure_ascii=False)) if who.is_in(tenant_of(path)[0]) else 0
        known: Kind = "plan" if kind == "plan" else "receipt" if kind == "receipt" else "approval"
        trouble = "it is damaged, or of another version; nothing reads it: delete it when it is needed no more"
        return FileMatch(known, path, *tenant_of(path), n=n, mentions=_digests(text), trouble=trouble)


def _trace_of_plan(path: Path, plan: Plan, who: Subject) -> FileMatch:
    known = who.is_in(plan.tenant_uid)
    planned = count_in_plan(plan, who) if known else 0
    n = planned + count_beside(plan, who) if known else 0
    told = _digests(plan.reverts or "")
    digest = plan.digest if planned else ""  # What is held back is not in it.
    return FileMatch("plan", path, plan.tenant_uid, plan.base_url or "", n=n, digest=digest, mentions=told)


def _trace_of_receipt(path: Path, receipt: Receipt, who: Subject) -> FileMatch:
    plan = receipt.plan
    planned = count_in_plan(plan, who)
    n = planned + count_beside(plan, who) + sum(who.n_in(members) for members in receipt.members_after.values())
    n += sum(len(who.words.findall(text)) for text in (*receipt.details.values(), receipt.stopped))
    known = who.is_in(plan.tenant_uid)
    return FileMatch(
        "receipt",
        path,
        plan.tenant_uid,
        plan.base_url or "",
        n=n if known else 0,
        digest=plan.digest if planned and known else "",
        mentions=_digests(plan.reverts or ""),
        unfinished=bool(receipt.erasure_id and FILES_NAMED_BY_DIGEST.fullmatch(path.name)),
    )


def _is_journal(body: bytes) -> bool:
    try:
        line = json.loads(body[: body.find(b"\n") + 1] or b"null")
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and line.keys() >= {"event", "at", "sum"}


def _trace_of_journal(path: Path, body: bytes, who: Subject) -> FileMatch:
    tenant_uid, base_url = tenant_of(path)
    if not who.is_in(tenant_uid):
        return FileMatch("journal", path, tenant_uid, base_url)
    try:
        journal = Journal(path)
        lines = journal.lines()
    except FrgroupsError:
        text = body.decode("utf-8", "replace")
        n, trouble = len(who.words.findall(text)), "it is damaged; delete it when it is needed no more"
        return FileMatch("journal", path, tenant_uid, base_url, n=n, mentions=_digests(text), trouble=trouble)
    named = sum(who.n_in(uids) for line in lines for uids in uids_of_line(line).values())
    said = sum(len(who.words.findall(str(line.get("message", "")))) for line in lines)
    torn = len(who.words.findall(body[body.rfind(b"\n") + 1 :].decode("utf-8", "replace")))
    digest = next((str(line["digest"]) for line in lines if "digest" in line), "")
    return FileMatch(
        "journal",
        path,
        tenant_uid,
        base_url,
        n=named + said + torn,
        digest=digest if named else "",
        mentions=_digests(digest),
        unfinished=bool(journal.state.erasure_id and FILES_NAMED_BY_DIGEST.fullmatch(path.name)),
    )


def uids_of_line(line: dict[str, Any]) -> dict[str, list[str]]:
    """The lists of customer uids in a line of a journal, by their field."""
    return {name: line[name] for name in ("uids", "add", "remove") if isinstance(line.get(name), list)}


def _trace_of_review(path: Path, text: str, who: Subject) -> FileMatch:
    tenant_uid, base_url = tenant_of(path)
    told = re.search(r"<dt>Tenant</dt><dd>([^<]*)</dd>|<dc:subject>Tenant ([^<]*)</dc:subject>", text)
    tenant_uid = html.unescape(told[1] or told[2]) if told else tenant_uid
    known = who.is_in(tenant_uid)
    in_markdown = re.sub(r"([\\`*_|~<&])", r"\\\1", who.uid)
    cells = (
        json.dumps(who.uid, ensure_ascii=False),  # in the page's data, and in CSV
        f">{html.escape(who.uid)}</td>",
        f"| {in_markdown} |",
        f'"\'{who.uid}"',  # kept as text from a spreadsheet
        f">{html.escape(who.uid, quote=False)}</t>",  # in a workbook
    )
    n = len(who.words.findall(text)) if _REVIEW_TEXT.match(text) else sum(text.count(cell) for cell in cells)
    n = n or sum(len(who.words.findall(html.unescape(purpose))) for purpose in _PURPOSE.findall(text))
    return FileMatch(
        "review", path, tenant_uid, base_url, n=n if known else 0, mentions=_digests(f"{path.name} {text}")
    )


def _digests(text: str) -> frozenset[str]:
    return frozenset(found[:DIGEST_LENGTH] for found in _DIGEST.findall(text))


def _tenant_of_list(path: Path) -> tuple[str, str]:
    """The tenant whose never-add list this is; other lists do not tell theirs."""
    tenant, host = parse_tenant_folder(path.stem) if path.parent.name == SUPPRESSION_LIST else ("", "")
    return (tenant, f"https://{host}") if tenant else ("", "")


def tenant_of(path: Path) -> tuple[str, str]:
    """Tenant and host by the manifest, or by the folder that frgroups keeps for them."""
    if (path / "manifest.json").is_file():
        try:
            manifest = json.loads((path / "manifest.json").read_bytes())
            return str(manifest["tenant_uid"]), str(manifest["base_url"] or "")
        except (OSError, ValueError, KeyError, TypeError):
            pass
    tenant, host = parse_tenant_folder(path.parent.name)
    return (tenant, f"https://{host}") if tenant else ("", "")
