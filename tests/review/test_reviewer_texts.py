"""Tests that reviews contain no command-line options and no Python code."""

import ast
import re
from pathlib import Path

import pytest

import frgroups
from frgroups.plan.limits import LIMIT_NAMES, Limits
from frgroups.review.limit_rows import describe_limits
from frgroups.review.writer import write_review
from tests.review.test_review_formats import ENDINGS, content
from tests.review.test_writer import blocked, planned, snapshot

ROOT = Path(frgroups.__file__).parent
# This pattern matches options, code in backquotes, names and calls of the Python API, and commands.
TECHNICAL = re.compile(
    r"(?<![\w-])--[a-z]|`|\bfg\.|\bfrgroups [a-z]|\b(Limits|Plan|Snapshot)\(|\b\w+_\w+\(|\b[a-z]\w*=(True|None)"
)


def functions_with_findings():
    """Yield the functions of the package that create a finding for the reviewer of a plan."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
    "The messages of findings contain no command-line options and no Python code."
    assert [text for text in strings_of(function) if TECHNICAL.search(text)] == []


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
