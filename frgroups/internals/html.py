"""The cards that Client, Snapshot, Plan and Receipt show in a notebook: static HTML, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from frgroups.internals.formatting import escape_invisible, format_utc

LISTED = 1_000  # So many findings and groups are listed at most.


_STYLE = "border:1px solid #8886;border-radius:6px;padding:.6em 1em;display:inline-block;max-width:60em"


@dataclass(frozen=True)
class Card:
    """
    A title and the facts below it, as HTML for a notebook and as text for a terminal.

    >>> print(Card("Plan", {"Adds": "412", "Leaves": "30"}).text())
    Plan
      Adds    412
      Leaves  30
    """

    title: str
    facts: Mapping[str, str]
    mark: str = ""

    def html(self) -> str:
        """A table with a caption and row headers; no script, no style sheet."""
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left;padding-right:1.5em;vertical-align:top">'
            f'{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
            for name, value in self.facts.items()
        )
        mark = f" <strong>{escape(self.mark)}</strong>" if self.mark else ""
        caption = f'<caption style="text-align:left;font-weight:bold">{escape(self.title)}{mark}</caption>'
        return f'<div style="{_STYLE}"><table>{caption}<tbody>{rows}</tbody></table></div>'

    def text(self) -> str:
        """The same in lines."""
        width = max((len(name) for name in self.facts), default=0)
        head = f"{self.title} {self.mark}".rstrip()
        return "\n".join([head, *(f"  {name:<{width}}  {value}" for name, value in self.facts.items())])


@cache
def asset(name: str) -> str:
    """The text of a file of this package, read as bytes so that no system's line ends change a hash."""
    return Path(__file__).parents[1].joinpath(name).read_bytes().decode().replace("\r\n", "\n")


def render_page(name: str, *, title: str, scripts: tuple[str, ...] = (), **parts: str) -> str:
    """
    A whole page of the parts of `name`.html, with `name`.css and `name`.js in it, or `scripts`; the parts are HTML.

    It asks nothing of the network: its policy allows that style, that script and nothing else.
    """
    style = asset(f"{name}.css")
    script = "".join(map(asset, scripts or (f"{name}.js",)))
    return Template(asset("internals/page_frame.html")).substitute(
        style=style,
        style_hash=csp_hash(style),
        script=script,
        script_hash=csp_hash(script),
        title=title,
        body=Template(asset(f"{name}.html")).substitute(parts),
    )


def csp_hash(text: str) -> str:
    """
    What a Content-Security-Policy calls a style or script that stands in its page.

    >>> csp_hash("")[:14]
    'sha256-47DEQpj'
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


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
    return f'<time datetime="{moment.isoformat()}">{format_utc(moment)}</time>'


def escaped(text: object) -> str:
    """A text as it may stand in a page, with what cannot be seen made visible."""
    return escape(escape_invisible(text))
