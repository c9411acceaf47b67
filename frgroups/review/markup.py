"""The small parts that a page is made of: cells, moments, notes on what is cut; all that comes in is escaped."""

from __future__ import annotations

from datetime import datetime
from html import escape

from frgroups.review import facts

LISTED = 1_000  # So many findings and groups are listed at most.


def cut_note(n: int, most: int, what: str) -> str:
    """What to say where a list is longer than what is shown of it."""
    if n <= most:
        return ""
    return (
        f'<p class="cut">The first {most:,} of {n:,} {what}; the review as Markdown has the other {n - most:,}.</p>'
    )


def cell(text: str, label: str, kind: str = "") -> str:
    """A cell of a table, with the heading it has where the table is shown as cards."""
    return f'<td data-label="{label}"{f" class={kind}" if kind else ""}>{escaped(text)}</td>'


def paragraph(text: str) -> str:
    """A soft paragraph; nothing where there is nothing to say."""
    return f'<p class="soft">{escaped(text)}</p>' if text else ""


def time_tag(moment: datetime) -> str:
    """A moment, for people and for the script."""
    return f'<time datetime="{moment.isoformat()}">{facts.utc(moment)}</time>'


def escaped(text: object) -> str:
    """A text as it may stand in a page, with what cannot be seen made visible."""
    return escape(facts.visible(text))
