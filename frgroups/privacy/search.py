"""Finds every file that frgroups keeps and that tells of one customer, by name or by a digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from frgroups.errors import InputError
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

_ASIDE = (DRAFT, DAMAGED, GONE)
_LOCKS = ("locks", ".locks")  # Notes on who is running; no customers.
_DRAFT_FILE = re.compile(r"\..+\.[0-9a-f]{8}\.draft")


@dataclass(frozen=True)
class Places:
    """Where to look: the home always, and what the caller named beside it."""

    cache: str | Path | None = None
    journal: str | Path | None = None
    also: Sequence[str | Path] = ()

    def __post_init__(self) -> None:
        for path in (self.cache, self.journal, *self.also):
            if path is not None and not resolve_folder(path, "this").exists():
                raise InputError(f"{path} does not exist, so nothing was looked at. Name a file or folder that does.")

    def caches(self) -> list[Path]:
        """The folders of kept snapshots."""
        return _once([resolve_folder(None, "snapshots"), resolve_folder(self.cache, "snapshots")])

    def entries(self) -> Iterator[tuple[Path, bool, bool]]:
        """
        Every snapshot folder and file once, whether it is a list, and whether it counts whatever it is.

        In a cache or journal folder outside the home only what frgroups made counts.
        """
        named = [resolve_folder(path, "lists") for path in self.also]
        apart = [*self.caches(), resolve_folder(self.journal, "journals")]
        seen = set()
        for roots, all_kinds in ((named, True), ([home()], True), (apart, False)):
            for path in (path for root in roots for path in _walk(root)):
                if path not in seen:
                    seen.add(path)
                    is_list = roots is named or path.is_relative_to(home() / "lists")
                    yield path, is_list, all_kinds


def search_files(
    customer_uid: str,
    *,
    tenant_uid: str | None,
    cache: str | Path | None,
    journal: str | Path | None,
    also: Iterable[str | Path],
    ids: Iterable[str],
) -> tuple[Subject, Places]:
    """Whom to look for and where, as `forget` and `export_customer` are asked."""
    check_type(customer_uid, str, "customer_uid")
    if not customer_uid.strip():
        raise InputError("customer_uid is empty; name the customer.")
    places = Places(cache, journal, tuple(as_list(also, "also")))
    return Subject(customer_uid, tenant_uid, frozenset(as_list(ids, "ids"))), places


def search_customer(who: Subject, places: Places) -> list[FileMatch]:
    """
    What is held of a customer, in the order in which it must be forgotten.

    What is known by something else (a list by an external id, an approval by a digest) comes before that from
    which it is known, so that a run that is cut off can be run again.
    """
    entries = list(places.entries())
    traces = [trace for path, is_list, whole in entries for trace in _trace(path, who, is_list, whole)]
    digests = {trace.digest[:DIGEST_LENGTH] for trace in traces if trace.digest}
    held = [replace(trace, mentions=trace.mentions & digests) for trace in traces]
    held = [one for one in held if one.n or one.n_left or one.mentions or one.unfinished or _may_hold(one)]
    return sorted(held, key=lambda one: (_ORDER.index(one.kind), bool(one.digest), one.path))


def known_ids(who: Subject, places: Places) -> frozenset[str]:
    """The other ids that any kept snapshot knows of the customer."""
    folders = [path for path, _, _ in places.entries() if path.is_dir()]
    return who.ids.union(*(ids_in_snapshot(folder, who) for folder in folders))


_ORDER = ["list", "other", "approval", "review", "plan", "receipt", "journal", "draft", "set aside", "snapshot"]


def _may_hold(trace: FileMatch) -> bool:
    """Whether a file that cannot be read may hold the customer; of plans, receipts and journals the text tells."""
    return trace.damaged or (bool(trace.trouble) and trace.kind in ("list", "other", "set aside", "snapshot"))


def _trace(path: Path, who: Subject, is_list: bool, whole: bool) -> Iterable[FileMatch]:
    try:
        if path.is_dir():
            names = all_folder_names(path.parent)
            replaced = path.name in names and path.name not in visible_folder_names(names)
            aside = replaced or path.name.startswith(_ASIDE)
            return [scan_quarantined(path, who) if aside else scan_snapshot(path, who)]
        trace = scan_file(path, who, is_list=is_list)
    except FileNotFoundError:  # Gone since it was found.
        return []
    except (OSError, ValueError) as error:
        return [
            FileMatch("other", path, trouble=f"it cannot be read ({type(error).__name__}); it may hold the customer")
        ]
    if _DRAFT_FILE.fullmatch(path.name):
        # The draft of a journal or receipt is named by its digest. While an apply writes one, its tenant is locked.
        by_digest = FILES_NAMED_BY_DIGEST.match(path.name[1:])
        return [FileMatch("draft", path, *tenant_of(path), n=trace.n, unfinished=bool(by_digest))]
    if path.is_symlink() and trace.n:
        return [replace(trace, trouble=f"it is a link to {path.resolve()}")]
    return [trace] if whole or trace.kind != "other" else []


def _walk(root: Path) -> Iterator[Path]:
    """The files and snapshot folders below a folder, or the one file; links to folders are not followed."""
    if root.is_file():
        yield root
    if _is_snapshot(root):
        yield root
        return
    for folder, below, files in os.walk(root):
        here = Path(folder)
        yield from (here / name for name in sorted(files) if (here / name).is_file())
        whole = [name for name in below if _is_snapshot(here / name)]
        yield from (here / name for name in sorted(whole))
        below[:] = [name for name in below if name not in whole and name not in _LOCKS]


def _is_snapshot(folder: Path) -> bool:
    if folder.name.startswith(_ASIDE):
        return folder.is_dir()
    return (folder / "memberships.parquet").is_file() or (folder / "customers.parquet").is_file()


def _once(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in paths))
