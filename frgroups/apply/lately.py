"""How many members each group has lost of late by plans that were applied from here, as their journals tell."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from frgroups.begun import journals_of_tenant
from frgroups.journal import Journal
from frgroups.plan import Plan

DAY = timedelta(hours=24)


def removed_lately(plan: Plan, own: Path) -> Counter[str]:
    """
    By group the removals that other plans have sent in the last 24 hours, refused and turned away ones left out.

    `own` is the journal of the plan itself. Raises FileDamagedError for a journal that was altered: what it told of
    would not be counted.
    """
    since = datetime.now(UTC) - DAY
    lately = (path for path in journals_of_tenant(plan) if path != own and _changed(path) >= since)
    return sum((Counter(group for group, _ in _removed(path, since)) for path in lately), Counter())


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _removed(path: Path, since: datetime) -> set[tuple[str, str]]:
    removed: set[tuple[str, str]] = set()
    for line in Journal(path).lines():
        if line.get("change") != "remove" or datetime.fromisoformat(line["at"]) < since:
            continue
        items = {(line["group"], uid) for uid in line["uids"]}
        if line["event"] == "intent":
            removed |= items
        elif line["result"] in ("refused", "not_sent"):
            removed -= items
    return removed
