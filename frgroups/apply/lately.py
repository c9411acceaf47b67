"""How many members each group has lost of late by plans that were applied from here, as their journals tell."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from frgroups.begun import journals_of_tenant
from frgroups.journal import Journal
from frgroups.journal.past import Past
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


def removed_by(journal: Path) -> set[tuple[str, str]]:
    """The removals, by group and customer, that this one journal tells of in the last 24 hours."""
    return _removed(journal, datetime.now(UTC) - DAY) if journal.exists() else set()


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _removed(path: Path, since: datetime) -> set[tuple[str, str]]:
    past = Past()
    for line in Journal(path).lines():
        if line["event"] in ("intent", "outcome") and datetime.fromisoformat(line["at"]) >= since:
            past.take(line)
    sent = past.intended - past.unsent - past.refused.keys()
    return {(group, uid) for group, uid, change in sent if change == "remove"}
