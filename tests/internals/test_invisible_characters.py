"""Tests that invisible characters from a server are escaped in every text that frgroups displays."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.connection_check import Check
from frgroups.api.schema.records import Customer, Group
from frgroups.errors import FrgroupsError, escape_invisible
from frgroups.internals.formatting import escape_lines
from frgroups.internals.html import Card
from frgroups.plan.finding import Finding
from tests.examples import characters_in

CATEGORIES = ("Cc", "Cf", "Zl", "Zp")
INVISIBLE = characters_in(*CATEGORIES)
INVISIBLE_SET = {*INVISIBLE} - {"\n"}
# Some of these texts contain zero-width joiners that change the visible text.
VISIBLE = ["Łódź", "a\u00a0b", "👨‍👩‍👧", "❤️‍🔥", "می‌خواهم", "क्‍ष", r"already \u202e escaped"]


def is_clean(text):
    """Return True if a text contains no invisible character except line breaks."""
    return not INVISIBLE_SET & set(text)


@pytest.fixture(scope="module")
def snapshot():
    """A snapshot with one group for each invisible character, which is part of the group's name."""
    names = {f"g-{number}": f"VIP{character}piv" for number, character in enumerate(INVISIBLE)}
    groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())})
    members = pd.DataFrame({"customer_group_uid": list(names), "customer_uid": "c-1"})
    return fg.snapshot_from_frames(members, groups=groups, tenant_uid="t-1", taken_at="2026-11-29T08:00Z")


@pytest.mark.parametrize("category", CATEGORIES)
def test_escape_invisible(category):
    "Each invisible character is replaced with its code point. A second call does not change the result."
    for character in characters_in(category):
        text = escape_invisible(f"VIP{character}piv")
        assert is_clean(text) and "\n" not in text
        assert text.encode().decode("unicode_escape") == f"VIP{character}piv"
        assert escape_invisible(text) == text


@pytest.mark.parametrize("text", VISIBLE)
def test_visible_text(text):
    "Visible text does not change, including emoji and words that contain zero-width joiners."
    assert escape_invisible(text) == text


@given(st.text())
def test_any_text(text):
    "An escaped text contains no invisible characters except joiners, and escaped lines contain no line breaks."
    escaped = escape_invisible(text)

    assert is_clean(escaped.replace("\u200c", "").replace("\u200d", ""))
    assert escape_lines([text, text]).count("\n") == 1


def test_page_script():
    "The script of the review page returns the same escaped text as `escape_invisible`."
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    source = (Path(fg.__file__).parent / "review" / "page.js").read_text(encoding="utf-8")
    function = source[source.index("const EMOJI") : source.index("const island")]
    texts = [f"VIP{character}piv" for character in INVISIBLE] + VISIBLE
    code = f"{function}; console.log(JSON.stringify(JSON.parse(process.argv[1]).map(visible)))"
    result = subprocess.run([node, "-e", code, json.dumps(texts)], capture_output=True, check=True)

    assert json.loads(result.stdout) == list(map(escape_invisible, texts))


def test_group_names(snapshot):
    "Group names are escaped in summaries, reprs, cards, descriptions, and findings, but not in tables."
    plan = fg.plan_memberships(snapshot, {uid: ["c-2"] for uid in snapshot.groups["customer_group_uid"]})
    texts = [plan.summary(), repr(plan), plan._repr_html_(), repr(snapshot), snapshot.describe()]
    texts += [fg.describe(fg.group_sizes(snapshot), top=1000), *(finding.message for finding in plan.findings)]
    texts += [repr(Group(uid, name)) for uid, name in snapshot.groups[["customer_group_uid", "name"]].to_numpy()]

    assert all(map(is_clean, texts))
    assert "VIP\\u202epiv" in plan.summary() and "VIP\\U000e0001piv" in plan.summary()
    assert not any(line.startswith("piv") for line in plan.summary().splitlines())
    assert set(fg.group_sizes(snapshot)["name"]) == {f"VIP{character}piv" for character in INVISIBLE}


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\x1b", "\n", "\r", "\u2028", "\x85", "\ufeff"])
def test_objects(character):
    "Errors, cards, findings, customers, and connection checks show escape sequences for invisible characters."
    text = f"VIP{character}piv"
    error = FrgroupsError(text, hint=text, cli_hint=text)
    error.add(text, text, text)
    check = Check(text, text, False, 1, 1, 1, 1, True, None)
    texts = [str(error), error.message, error.cli_text, repr(error), *error.args]
    texts += [repr(check), check._repr_html_(), Card(text, {text: text}, mark=text).text()]
    texts += [str(Finding("same_name", text)), repr(Customer(customer_uid=text))]

    assert all(map(is_clean, texts))
    assert not any("\npiv" in text for text in texts)


@pytest.mark.parametrize("message", ["Example:\n\n    [a]\n    b\n", "Expected a name.\n  VIP &\n       ^"])
def test_lines_of_an_error(message):
    "An error message can contain indented lines, such as an example."
    assert str(FrgroupsError(message)) == message
