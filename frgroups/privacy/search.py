"""Find all files that contain a customer or the digest of a plan with this customer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from frgroups.errors import InputError
from frgroups.internals.base_urls import checked_base_url
from frgroups.internals.paths import home, resolve_folder
from frgroups.internals.validation import as_list, check_type
from frgroups.privacy.file_scanners import (
    DIGEST_LENGTH,
    FILES_NAMED_BY_DIGEST,
    FileMatch,
    ids_in_snapshot,
    scan_file,
    scan_quarantined,
    scan_snapshot,
    tenant_of,
)
from frgroups.privacy.text_search import Subject
from frgroups.store.folders import DAMAGED, DRAFT, GONE, all_folder_names, visible_folder_names

_QUARANTINE_PREFIXES = (DRAFT, DAMAGED, GONE)
# Folders with lock files are not searched, because lock files contain no customers.
_LOCK_FOLDERS = ("locks", ".locks")
_DRAFT_FILE = re.compile(r"\..+\.[0-9a-f]{8}\.draft")
# Order in which the types of files are erased.
# Some lists are found only with an external id from a snapshot, and some approvals and decisions only with the digest
# of a plan.
# If snapshots and plans were erased before these files, an interrupted erasure could not be completed.
_ERASURE_ORDER = [
    "list",
    "other",
    "approval",
    "decision",
    "review",
    "report",
    "export",
    "plan",
    "receipt",
    "journal",
    "draft",
    "quarantined",
    "snapshot",
]


@dataclass(frozen=True)
class SearchScope:
    """The folders and files to search: the data folder and the paths that the caller passes."""

    cache: str | Path | None = None
    journal: str | Path | None = None
    also: Sequence[str | Path] = ()

    def __post_init__(self) -> None:
        for path in (self.cache, self.journal, *self.also):
            if path is not None and not resolve_folder(path, "snapshots, journals, or lists").exists():
                raise InputError(f"{path} does not exist. No file was searched. Pass an existing file or folder.")

    def caches(self) -> list[Path]:
        """Return the folders that contain stored snapshots."""
        return _unique([resolve_folder(None, "snapshots"), resolve_folder(self.cache, "snapshots")])

    def entries(self) -> Iterator[Entry]:
        """
        Yield each snapshot folder and each file in the search scope once.

        In a cache or journal folder outside the data folder, only files that were written by frgroups are searched.
        """
        named = [resolve_folder(path, "lists") for path in self.also]
        records = [*self.caches(), resolve_folder(self.journal, "journals")]
        seen = set()
        for roots, any_kind in ((named, True), ([home()], True), (records, False)):
            for root in roots:
                for path in _walk(root):
                    if path not in seen:
                        seen.add(path)
                        may_be_list = roots is named or _is_in_list_folder(path)
                        yield Entry(path, may_be_list, any_kind)


def _is_in_list_folder(path: Path) -> bool:
    """Return True if a file is in the folder `lists`, or is a CSV file that `frgroups demo` created."""
    is_of_demo = path.suffix == ".csv" and path.is_relative_to(home() / "demo")
    return is_of_demo or path.is_relative_to(home() / "lists")


class Entry(NamedTuple):
    """A snapshot folder or file that is searched for the customer."""

    path: Path
    may_be_list: bool
    # If False, the file is searched only if frgroups wrote it.
    any_kind: bool


def search_files(
    customer_uid: str,
    *,
    tenant_uid: str | None,
    base_url: str | None,
    cache: str | Path | None,
    journal: str | Path | None,
    also: Iterable[str | Path],
    ids: Iterable[str],
) -> tuple[Subject, SearchScope]:
    """Validate the arguments of an erasure or export, and return the customer and the search scope."""
    check_type(customer_uid, str, "customer_uid")
    if not customer_uid.strip():
        raise InputError("`customer_uid` must not be empty.")
    scope = SearchScope(cache, journal, tuple(as_list(also, "also")))
    if base_url is not None:
        base_url = checked_base_url(base_url)
    return Subject(customer_uid, tenant_uid, base_url, frozenset(as_list(ids, "ids"))), scope


def search_customer(subject: Subject, scope: SearchScope) -> list[FileMatch]:
    """Return the files that contain a customer, in the order in which they must be erased."""
    matches = [match for entry in scope.entries() for match in _scan(entry, subject)]
    digests = {match.digest[:DIGEST_LENGTH] for match in matches if match.digest}
    changes = dict(match.changes for match in matches if match.changes[0])
    digests |= {key[:DIGEST_LENGTH] for key, new_key in changes.items() if key != new_key}
    matches = _with_undo_digests(matches, digests)
    matches = [replace(match, plan_digests=match.plan_digests & digests, new_changes=changes) for match in matches]
    matches = [match for match in matches if _is_relevant(match)]
    return sorted(matches, key=_erasure_order)


def _erasure_order(match: FileMatch) -> tuple[int, bool, bool, Path]:
    # An undo plan is found only with the digest of the plan that it undoes.
    # Erase the undo plan first, so that an interrupted erasure can be completed.
    return _ERASURE_ORDER.index(match.kind), bool(match.digest), not match.undo_digest, match.path


def _with_undo_digests(matches: list[FileMatch], digests: set[str]) -> list[FileMatch]:
    """
    Find the undo plans of plans that contain the customer, mark them, and add their digests to `digests`.

    The digest of an undo plan covers the digest of the original plan, so the undo plan's digest could also identify
    the customer. An undo plan can also be undone, so the search is repeated until no further plan is found.
    """
    while True:
        undo_digests = {match.undo_digest for match in matches if match.undo_digest and match.plan_digests & digests}
        new = {digest[:DIGEST_LENGTH] for digest in undo_digests} - digests
        if not new:
            return matches
        digests |= new
        matches = [
            replace(match, digest=match.undo_digest) if match.undo_digest in undo_digests else match
            for match in matches
        ]


def known_ids(subject: Subject, scope: SearchScope) -> frozenset[str]:
    """Return the ids of the customer, other than the uid, from the caller and from stored snapshots."""
    folders = [entry.path for entry in scope.entries() if entry.path.is_dir()]
    return subject.ids.union(*(ids_in_snapshot(folder, subject) for folder in folders))


def _is_relevant(match: FileMatch) -> bool:
    """Return True if a file contains the customer, or if the file cannot be read and might contain the customer."""
    if match.n or match.n_left or match.plan_digests or match.unfinished or match.damaged:
        return True
    # Ignore the problem of a damaged plan, receipt, or journal.
    # Such a file was searched as plain text, so it does not contain the customer.
    return bool(match.problem) and match.kind in ("list", "other", "quarantined", "snapshot")


def _scan(entry: Entry, subject: Subject) -> Iterable[FileMatch]:
    path = entry.path
    try:
        if path.is_dir():
            if _is_quarantined(path):
                return [scan_quarantined(path, subject)]
            return [scan_snapshot(path, subject)]
        match = scan_file(path, subject, is_list=entry.may_be_list)
    except FileNotFoundError:
        # Another process removed the file after the folder was listed, so there is nothing to erase.
        return []
    except (OSError, ValueError) as error:
        problem = f"Cannot read the file: {type(error).__name__}. It might contain the customer."
        return [FileMatch("other", path, problem=problem)]
    if _DRAFT_FILE.fullmatch(path.name):
        # An interrupted run left the draft, because a running apply holds the lock of the tenant.
        # The name of a journal or receipt draft contains the digest of the plan.
        # Such a draft is therefore marked as unfinished.
        is_of_run = FILES_NAMED_BY_DIGEST.match(path.name[1:]) is not None
        return [FileMatch("draft", path, *tenant_of(path), n=match.n, unfinished=is_of_run)]
    if path.is_symlink() and match.n:
        return [replace(match, problem=f"The file is a link to {path.resolve()}.")]
    if match.kind == "other" and not entry.any_kind:
        return []
    return [match]


def _is_quarantined(folder: Path) -> bool:
    """Return True if readers ignore a snapshot folder because the snapshot is a draft, damaged, or replaced."""
    names = all_folder_names(folder.parent)
    is_replaced = folder.name in names and folder.name not in visible_folder_names(names)
    return is_replaced or folder.name.startswith(_QUARANTINE_PREFIXES)


def _walk(root: Path) -> Iterator[Path]:
    """
    Yield the files and the snapshot folders in a folder.

    If `root` is a file, only this file is yielded. Symbolic links to folders are not followed.
    """
    if root.is_file():
        yield root
    if _is_snapshot(root):
        yield root
        return
    for folder, subfolders, files in os.walk(root):
        parent = Path(folder)
        yield from (parent / name for name in sorted(files) if (parent / name).is_file())
        snapshots = [name for name in subfolders if _is_snapshot(parent / name)]
        yield from (parent / name for name in sorted(snapshots))
        subfolders[:] = [name for name in subfolders if name not in snapshots and name not in _LOCK_FOLDERS]


def _is_snapshot(folder: Path) -> bool:
    if folder.name.startswith(_QUARANTINE_PREFIXES):
        return folder.is_dir()
    return (folder / "memberships.parquet").is_file() or (folder / "customers.parquet").is_file()


def _unique(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in paths))
