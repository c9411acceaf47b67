"""Which plans were begun, and with which journal: a plan is sent under one, whatever folder another is in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from frgroups.errors import FileDamagedError, InputError
from frgroups.home import append_line, folder_in_home, tenant_folder, write_text
from frgroups.plan import Plan
from frgroups.sealed import canonical, sha256
from frgroups.tombstones import FORGOTTEN

_Line = dict[str, str]


def journal_begun(plan: Plan) -> Path | None:
    """The journal under which this plan was begun from this home; None when it was not."""
    for line in _lines(_file(plan.tenant_uid, plan.base_url)):
        if (line["planned_at"], line["digest"]) == (plan.planned_at.isoformat(), plan.digest):
            return Path(line["journal"])
    return None


def note_begun(plan: Plan, journal: Path) -> None:
    """Write down, on disk when this returns, that the plan is begun with this journal."""
    line = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "journal": str(journal)}
    append_line(_file(plan.tenant_uid, plan.base_url), _sealed(line))


def forget_digest(before: Path, after: Path) -> None:
    """A journal was renamed, since its digest would tell of a forgotten customer: here it goes too."""
    for path in folder_in_home("begun").glob("*.jsonl"):
        lines = list(_lines(path))
        renamed = [
            line | {"digest": FORGOTTEN, "journal": str(after)} if line["journal"] == str(before) else line
            for line in lines
        ]
        if renamed != lines:
            write_text(path, "".join(map(_sealed, renamed)))


def _file(tenant_uid: str, base_url: str | None) -> Path:
    return folder_in_home("begun") / f"{tenant_folder(tenant_uid, base_url)}.jsonl"


def _sealed(line: _Line) -> str:
    return canonical(line | {"sum": sha256(canonical(line))[:16]}) + "\n"


def _lines(path: Path) -> Iterator[_Line]:
    if not path.exists():
        return
    try:
        whole = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, which tells what was begun, cannot be read: {error}. Nothing was sent.") from error
    for number, text in enumerate(whole.splitlines(keepends=True), start=1):
        if not text.endswith("\n"):
            return  # Torn by a crash before anything was sent.
        try:
            line: _Line = json.loads(text)
            stated = line.pop("sum")
        except (ValueError, KeyError, TypeError, AttributeError):
            stated, line = "", {}
        if stated != sha256(canonical(line))[:16]:
            raise FileDamagedError(
                f"{path}, which tells what was begun, was altered in line {number}. Nothing was sent. Whether this "
                "plan was begun before can no longer be told: move that file away, load, and plan again.",
                path=path,
            )
        yield line
