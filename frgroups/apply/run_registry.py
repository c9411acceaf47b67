"""
Which plans were begun, with which journal, and which were taken back.

A plan is sent under one journal, whatever folder another is in, and not gone on with once its undo was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.atomic_files import append_durable, write_text
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.paths import data_subdir, home, tenant_folder
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.plan import Plan

_Line = dict[str, str]


def registered_journal(plan: Plan) -> Path | None:
    """The journal under which this plan was begun from this home; None when it was not."""
    for line in _lines(_file(plan)):
        if "journal" in line and (line["planned_at"], line["digest"]) == (plan.planned_at.isoformat(), plan.digest):
            return home() / line["journal"]
    return None


def tenant_journals(plan: Plan) -> list[Path]:
    """The journals that are still there, of every plan begun from this home for the plan's tenant and host."""
    paths = {home() / line["journal"] for line in _lines(_file(plan)) if "journal" in line}
    return sorted(path for path in paths if path.exists())


def register_run(plan: Plan, journal: Path) -> None:
    """Write down, on disk when this returns, that the plan is begun with this journal."""
    if registered_journal(plan) is None:
        line = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "journal": _in_home(journal)}
        append_durable(_file(plan), _sealed(line))


def reverted_by(plan: Plan) -> str:
    """
    The digest of the plan that took this one back, or "".

    An undo names a digest, and several plans may have it: it is of those that were begun before it, whatever their
    clocks said, and of those begun elsewhere that were planned before it.
    """
    begun, undone_by = False, [""]
    for line in _about(plan.digest, plan):
        if line.get("planned_at") == plan.planned_at.isoformat():
            begun, undone_by = True, [""]
        elif "undone_by" in line and (begun or datetime.fromisoformat(line["at"]) > plan.planned_at):
            undone_by.append(line["undone_by"])
        elif line.get("not_undone_by") in undone_by:
            undone_by.remove(line["not_undone_by"])
    return undone_by[-1]


def register_revert(undo: Plan) -> None:
    """Write down once, on disk when this returns, that what an undo takes back is taken back; of others nothing."""
    if undo.reverts is None or undo.is_empty:
        return
    line = {"digest": undo.reverts, "undone_by": undo.digest, "at": undo.planned_at.isoformat()}
    if _about(undo.reverts, undo)[-1:] != [line]:
        append_durable(_file(undo), _sealed(line))


def unregister_revert(undo: Plan) -> None:
    """Write down that nothing of an undo was sent after all: its first request was turned away, or never made."""
    if undo.reverts is not None and not undo.is_empty:
        append_durable(_file(undo), _sealed({"digest": undo.reverts, "not_undone_by": undo.digest}))


def replace_digest(before: Path, after: Path) -> None:
    """A journal was renamed, since its digest would tell of a forgotten customer: here it goes too."""
    for path in data_subdir("begun").glob("*.jsonl"):
        lines = list(_lines(path))
        gone = {line["digest"] for line in lines if "journal" in line and home() / line["journal"] == before}
        renamed = [_without(line, gone, before, after) for line in lines]
        if renamed != lines:
            write_text(path, "".join(map(_sealed, renamed)))


def _without(line: _Line, digests: set[str], before: Path, after: Path) -> _Line:
    told = {name: TOMBSTONE_PREFIX if value in digests else value for name, value in line.items()}
    return told | {"journal": _in_home(after)} if told.get("journal") == _in_home(before) else told


def _about(digest: str, plan: Plan) -> list[_Line]:
    """What is told of this digest, in order, in the tenant and host of the plan."""
    return [line for line in _lines(_file(plan)) if line["digest"] == digest]


def _file(plan: Plan) -> Path:
    return data_subdir("begun") / f"{tenant_folder(plan.tenant_uid, plan.base_url)}.jsonl"


def _in_home(journal: Path) -> str:
    """A journal's path, from the home on where it is in it: homes are moved."""
    return str(journal.relative_to(home()) if journal.is_relative_to(home()) else journal)


def _sealed(line: _Line) -> str:
    return canonical_json(line | {"sum": sha256(canonical_json(line))[:16]}) + "\n"


def _lines(path: Path) -> Iterator[_Line]:
    if not path.exists():
        return
    try:
        whole = path.read_bytes()
    except OSError as error:
        told = f"{path}, which tells what was begun, cannot be read: {error}. Nothing was sent now."
        raise InputError(told) from error
    for number, text in enumerate(whole.splitlines(keepends=True), start=1):  # Of bytes: texts split at U+2028 too.
        if not text.endswith(b"\n"):
            return  # Torn by a crash before anything was sent.
        try:
            line: _Line = json.loads(text)
            stated = line.pop("sum")
        except (ValueError, KeyError, TypeError, AttributeError):
            stated, line = "", {}
        if stated != sha256(canonical_json(line))[:16]:
            raise CorruptFileError(
                f"{path}, which tells what was begun, was altered in line {number}. Nothing was sent now. Whether "
                "this plan was begun before can no longer be told: move that file away, load, and plan again.",
                path=path,
            )
        yield line
