"""Tests for the HTML renderer and the cards."""

import json
import subprocess
import sys
from html.parser import HTMLParser

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.internals.formatting import escape_invisible
from frgroups.internals.html import Card, csp_hash, escaped_forms, read_asset, render


class Tags(HTMLParser):
    """Parser that collects the tags and the text of an HTML fragment."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("text", ["<b>x</b>", "\"'&", "</td><script>", "{{ 7 * 7 }}", "æøå 🙂"])
def test_card_escapes(text):
    "Markup and template syntax in titles, labels, values, and marks are escaped."
    fragment = Tags(Card(text, {text: text}, mark=text).html())

    assert fragment.tags == ["div", "table", "caption", "strong", "tbody", "tr", "th", "td"]
    assert [part.strip() for part in "|".join(fragment.texts).split("|")].count(text) == 4


def test_card_invisible_characters():
    "Characters that would reverse or hide other characters in a card are replaced with escape sequences."
    html = Card("VIP\u202epiv", {"a\u200b": "b\x1b[2K"}).html()

    assert not {"\u202e", "\u200b", "\x1b"} & set(html)
    assert "\\u202e" in html and "\\u200b" in html and "\\u001b" in html


def test_jinja_is_imported_lazily():
    "Jinja2 is not imported before the first card is rendered as HTML."
    code = (
        "import sys, frgroups; from frgroups.internals.html import Card; import frgroups.review.page; "
        "card = Card('a', {}); card.text(); assert 'jinja2' not in sys.modules; card.html(); "
        "assert 'jinja2' in sys.modules"
    )

    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert process.returncode == 0, process.stderr


def test_missing_variable():
    "If a template variable is not passed, the renderer raises an error."
    with pytest.raises(jinja2.UndefinedError):
        render("internals/card.html")


@pytest.mark.parametrize(
    "uid", ["a&b", "<c>", "it's", 'q"q', "\u2028x", "\u202ea\u2066", "\x7f\x9f\x00", "\U000e0041"]
)
def test_escaped_forms(uid):
    "The function escaped_forms escapes a string in the same way as a template does in markup and in JSON data."
    from frgroups.internals.html import _environment

    template = _environment().from_string("<td>{{ uid }}</td><script>{{ [uid]|tojson }}</script>")
    in_markup, in_script = escaped_forms(uid)

    assert template.render(uid=uid) == f'<td>{in_markup}</td><script>["{in_script}"]</script>'


@given(text=st.text(st.sampled_from("a\u202e\u2066\u2028\x1b\x00\x7f\x85\u200d\U000e0041<🙂"), max_size=9))
def test_json_in_page(text):
    "The JSON data of a page contains no invisible character, and its value does not change."
    from frgroups.internals.html import _environment

    data = _environment().from_string("{{ [text]|tojson }}").render(text=text)

    assert json.loads(data) == [text] and not any(escape_invisible(character) != character for character in data)


def test_assets_have_unix_line_ends():
    "Style sheets are read with Unix line endings, so that their hashes are the same on all systems."
    style = read_asset("review/page.css")

    assert "\r" not in style and csp_hash(style).startswith("sha256-")
