"""
Render HTML with Jinja2, for cards in notebooks and for self-contained pages.

Templates, style sheets, and scripts are in the same folder as the module that renders them. Template names are paths
relative to the package, such as "review/page.html". Jinja2 is imported when the first template is rendered.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frgroups.internals.formatting import agree, escape_invisible, escape_lines, format_utc, pluralize

if TYPE_CHECKING:
    import jinja2

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class CardLine:
    """
    Line of a value on a card, with an optional label before the text.

    If `is_alarm` is True, the label has a different color, in addition to its text.

    Examples
    --------
    >>> str(CardLine("The limit is 2.", "BLOCKED", is_alarm=True))
    'BLOCKED: The limit is 2.'
    """

    text: str
    label: str = ""
    is_alarm: bool = False

    def __str__(self) -> str:
        return f"{self.label}: {self.text}" if self.label else self.text


@dataclass(frozen=True)
class Card:
    """
    Card with a title and labeled values, shown as HTML in a notebook and as text in a terminal.

    Each value in `facts` is a string or a list of lines. The attribute `mark` is a label that is shown next to the
    title.

    Examples
    --------
    >>> print(Card("Plan", {"Adds": "412", "Leaves": "30"}).text())
    Plan
      Adds    412
      Leaves  30
    """

    title: str
    facts: Mapping[str, str | Sequence[CardLine]]
    mark: str = ""

    def html(self) -> str:
        """Return the card as an HTML table with a caption and row headers, without scripts and style sheets."""
        return render("internals/card.html", card=self)

    def text(self) -> str:
        """Return the card as plain text, with the title followed by one line per value."""
        names = [escape_invisible(name) for name in self.facts]
        width = max(map(len, names), default=0)
        title = f"{self.title} {self.mark}".rstrip()
        lines = [title]
        for name, value in zip(names, self.facts.values(), strict=True):
            for line in [value] if isinstance(value, str) else map(str, value):
                lines.append(f"  {name:<{width}}  {line}")
                name = ""
        return escape_lines(lines)


def render(template: str, **values: Any) -> str:
    """
    Render a Jinja2 template of the package with the given values.

    Values are escaped for HTML, and their invisible characters are replaced with escape sequences. Markup that
    another template rendered is inserted unchanged.
    """
    return _environment().get_template(template).render(values)


def render_page(
    template: str,
    *,
    style: str,
    scripts: tuple[str, ...],
    more_style: str = "",
    has_images: bool = False,
    **values: Any,
) -> str:
    """
    Render a page that contains its style sheet and its scripts.

    The page does not load anything from the network. Its Content-Security-Policy allows only the given style sheet
    and scripts, and the images that the page contains.

    Parameters
    ----------
    template
        Name of a template that extends `internals/page_frame.html`.
    style
        Name of the style sheet.
    scripts
        Names of the scripts, which are combined in one script element.
    more_style
        CSS that is appended to the style sheet.
    has_images
        Whether the page contains images as data URIs.
    **values
        Variables of the template.
    """
    from markupsafe import Markup

    style_text = read_asset(style) + more_style
    script_text = "".join(read_asset(script) for script in scripts)
    return render(
        template,
        style=Markup(style_text),  # noqa: S704  # The CSS is trusted: it comes from this package and pandas.
        style_hash=csp_hash(style_text),
        script=Markup(script_text),  # noqa: S704  # The scripts are trusted files of this package.
        script_hash=csp_hash(script_text),
        has_images=has_images,
        **values,
    )


@cache
def read_asset(name: str) -> str:
    """Return the text of a package file with Unix line endings, so that its hash is the same on all systems."""
    return (_PACKAGE / name).read_bytes().decode().replace("\r\n", "\n")


def csp_hash(text: str) -> str:
    """
    Return the hash with which a Content-Security-Policy allows an inline style or script.

    Examples
    --------
    >>> csp_hash("")[:14]
    'sha256-47DEQpj'
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def escaped_forms(text: str) -> tuple[str, str]:
    r"""
    Return the two forms in which a page can contain a string: escaped for HTML, and escaped for JSON in a script.

    Examples
    --------
    >>> escaped_forms("a&b")
    ('a&amp;b', 'a\\u0026b')
    """
    import jinja2.utils
    import markupsafe

    in_json = jinja2.utils.htmlsafe_json_dumps(text, dumps=_dump_json)
    return str(markupsafe.escape(escape_invisible(text))), str(in_json)[1:-1]


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible_value,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["json.dumps_function"] = _dump_json
    environment.policies["json.dumps_kwargs"] = {}
    environment.filters["visible"] = escape_invisible
    environment.filters["timestamp"] = format_utc
    environment.filters["number"] = _with_separators
    environment.filters["pluralize"] = pluralize
    environment.filters["agree"] = agree
    return environment


def _visible_value(value: object) -> object:
    """Return a value with its invisible characters escaped. Return markup that is already rendered unchanged."""
    if hasattr(value, "__html__"):
        return value
    return escape_invisible(value)


def _dump_json(value: object) -> str:
    """
    Encode a value as compact JSON for a script element. Jinja2 escapes the markup characters afterwards.

    Invisible characters are written as JSON escapes, so that the source of the page shows them.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Check each distinct character only once, because a page contains few distinct characters.
    invisible = [character for character in set(text) if escape_invisible(character) != character]
    return text.translate({ord(character): json.dumps(character)[1:-1] for character in invisible})


def _with_separators(n: int) -> str:
    return f"{n:,}"
