"""Tests that reviews contain no command-line options, no Python code, and no words that reviewers do not know."""

import ast
import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest

import frgroups
from frgroups.plan.limits import LIMIT_NAMES, Limits
from frgroups.review.decision_record import Rejection
from frgroups.review.limit_rows import describe_limits
from frgroups.review.plan_status import (
    SentChanges,
    applied_status,
    damaged_status,
    expired_status,
    interrupted_status,
    outdated_status,
    partly_applied_status,
    rejected_status,
    resumed_original_status,
    superseded_status,
    undone_status,
    unknown_status,
    unreadable_result_status,
)
from frgroups.review.run_results import RESULT_TEXTS, RunResults
from frgroups.review.writer import write_review
from tests.review.test_review_formats import ENDINGS, content
from tests.review.test_writer import Page, blocked, planned, snapshot

ROOT = Path(frgroups.__file__).parent
# This pattern matches options, code in backquotes, names and calls of the Python API, and commands.
TECHNICAL = re.compile(
    r"(?<![\w-])--[a-z]|`|\bfg\.|\bfrgroups [a-z]|\b(Limits|Plan|Snapshot)\(|\b\w+_\w+\(|\b[a-z]\w*=(True|None)"
)


# Words that a reviewer does not know. Markdown and other formats are named by their content.
UNKNOWN_WORDS = re.compile(
    r"\b(digests?|snapshots?|APIs?|hosts?|journals?|JSON|TOML|Python|JavaScript|Markdown|DataFrame|baseline|payload|"
    r"drift(ed)?|verdict|uuid|endpoint|token|checksum|SHA-?256|keep_only|mode (add|remove|mirror)|the mode is \w+)\b",
    re.IGNORECASE,
)


def functions_with_findings():
    """Yield the functions of the package that create a finding for the reviewer of a plan."""
    for path in sorted(ROOT.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "Finding(" not in source:
            continue  # Parsing all modules would take seconds.
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
                if any(getattr(call.func, "id", "") == "Finding" for call in calls):
                    yield pytest.param(node, id=f"{path.stem}-{node.name}")


def strings_of(function):
    """Return the strings of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize("function", list(functions_with_findings()))
def test_findings(function):
    "The messages of findings contain no command-line options, no Python code, and no unknown words."
    texts = strings_of(function)
    assert [text for text in texts if TECHNICAL.search(text)] == []
    assert [text for text in texts if " " in text and UNKNOWN_WORDS.search(text)] == []


def many_findings():
    """Return a plan with blocking and other findings, separate limits, excluded customers, and a new group."""
    limits = Limits(removals_total=1, additions_total=1, per_group={"bw": Limits(removal_floor=7), "zz": Limits()})
    wanted = {"bw": ["c-000"], "st": [], "an": ["c-001", "new-1"], "ny": []}
    return planned(wanted=wanted, create={"ny": "Ansatte"}, limits=limits, protect=["c-003"])


def moved():
    """Return a plan that is not blocked by the default limits."""
    return planned(snapshot(sizes=(("bw", 40), ("st", 300))), purpose="Høstkampanje")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("make", [blocked, many_findings, moved])
def test_reviews(tmp_path, make, ending):
    "A review contains no command-line options, no Python code, and no commands."
    text = content(write_review(make(), tmp_path / f"r{ending}"))

    visible = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert [match.group() for match in TECHNICAL.finditer(visible.replace("\\", ""))] == []
    assert not re.search(r"removals?_(total|per_group|share)", visible)


def empty():
    """Return a plan without changes."""
    return planned(wanted={"bw": ["c-000"]}, mode="add")


def without_host():
    """Return a plan that was created from tables of no tenant."""
    return planned(snapshot(base_url=None))


def on_other_server():
    """Return a plan for a server that is neither production nor stage."""
    return planned(snapshot(base_url="https://other.example/v2"))


def undo():
    """Return an undo plan."""
    return replace(planned(), reverts="3f9c2a71d0e4" + "0" * 52)


def with_own_modes():
    """Return a plan for many groups with different modes, unlimited changes, and unlimited age."""
    groups = [f"g{n}" for n in range(9)]
    taken = snapshot(sizes=[(group, 20) for group in groups], names={group: group for group in groups})
    modes = {group: ("add", "mirror", "remove", "keep_only")[n % 4] for n, group in enumerate(groups)}
    wanted = {group: ["c-000", "new-1"] for group in groups}
    limits = Limits(**dict.fromkeys(LIMIT_NAMES), per_group={"g1": Limits(removal_share=None)})
    return planned(taken, wanted, mode=modes, limits=limits)


def old():
    """Return a plan that is blocked because its data is too old."""
    return planned(limits=Limits(snapshot_max_age="1h"))


NOW = datetime(2026, 11, 24, tzinfo=UTC)
SENT = SentChanges(290, 200, 190, 5, n_verified=180)
APPROVAL = "Kari Moe approved the plan."


def results():
    """Return results of a run with changes in each state."""
    states = itertools.cycle(RESULT_TEXTS)
    items = [(group.uid, *item) for group in planned().groups for item in group.items()]
    return RunResults({item: next(states) for item in items}, {items[0]: "unknown customer"}, {"bw": 3})


STATUSES = [
    rejected_status([Rejection("3f9c2a71d0e4", "Kari Moe", "Too many", "")]),
    damaged_status(),
    unknown_status(),
    superseded_status("3f9c2a71d0e4"),
    expired_status(planned()),
    outdated_status(planned(), ["Plan 3f9c2a71d0e4 has changed VIP."], is_outdated=True),
    outdated_status(planned(), ["The list of excluded customers has changed."], is_outdated=False),
    resumed_original_status(),
    applied_status(NOW, APPROVAL, results()),
    unreadable_result_status(),
    partly_applied_status(
        NOW, {"verified": 98, "rejected": 2}, sizes=[("V", 198)], n_not_created=1, results=results()
    ),
    interrupted_status(SENT, can_resume=True, is_rejected=True, results=results()),
    interrupted_status(None, can_resume=False),
    undone_status("3f9c2a71d0e4", NOW, APPROVAL),
]


def unknown_words(path):
    """Return the words in a review file that a reviewer does not know, except in addresses of servers."""
    text = re.sub(r"https?://\S+", "", visible_text(path))
    return [match.group() for match in UNKNOWN_WORDS.finditer(text)]


def visible_text(path):
    """Return the text that a reviewer sees in a review file."""
    if path.suffix == ".html":
        return Page(path.read_text(encoding="utf-8")).text
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        return "\n".join(str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row)
    return path.read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.parametrize(
    "make",
    [planned, blocked, many_findings, moved, empty, without_host, on_other_server, undo, with_own_modes, old],
)
def test_words_of_plans(tmp_path, make):
    "No review of a plan contains a word that a reviewer does not know."
    plan = make()

    for ending in (".html", ".md", ".txt", ".xlsx"):
        assert unknown_words(write_review(plan, tmp_path / f"r{ending}")) == []


@pytest.mark.parametrize("number", range(len(STATUSES)))
def test_words_of_states(tmp_path, number):
    "The review of a plan in a state without a decision contains no word that a reviewer does not know."
    for ending in (".html", ".txt"):
        assert unknown_words(write_review(planned(), tmp_path / f"r{ending}", status=STATUSES[number])) == []


def test_pattern_matches():
    "The pattern matches options, Python code, and commands, but not plain sentences with hyphens."
    for text in [
        "Pass --limit x.",
        "Use `fg.Limits`.",
        "fg.apply_plan",
        "frgroups apply PLAN",
        "plan_undo()",
        "x=None",
    ]:
        assert TECHNICAL.search(text)
    for text in ["2 -> 3 members", "C-1 -- new", "The 5-day limit.", "a = b"]:
        assert not TECHNICAL.search(text)


def test_limit_words():
    "Each limit has a description in words, so that reviews contain no argument names."
    for name in LIMIT_NAMES:
        assert "_" not in describe_limits([(name, 1)])
