"""The cards that Client, Snapshot, Plan and Receipt show in a notebook: static HTML, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

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
