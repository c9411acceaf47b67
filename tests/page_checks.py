"""Functions for pages in Chromium that several test modules share: accessibility, screenshots, and approval."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import chromium

AXE = Path(__file__).parent / "axe" / "axe.min.js"
# The checks in .ci/run set this variable, so that a missing browser is an error there.
NEEDED = os.environ.get("FRGROUPS_NEED_CHROMIUM") == "1"
NEEDS_CHROMIUM = pytest.mark.skipif(chromium.found() is None and not NEEDED, reason="Chromium is not installed")


@dataclass(frozen=True)
class Violation:
    """An accessibility problem that axe-core reports, with the HTML of the elements."""

    impact: str
    rule: str
    elements: tuple[str, ...]


def violations(page, selector=None):
    """Return the accessibility problems of a page, or only of the elements that a CSS selector matches."""
    if page.value("typeof axe === 'undefined'"):
        page.value(AXE.read_text(encoding="utf-8") + ";0")
    context = "document" if selector is None else json.dumps(selector)
    passed, found = page.value(
        f"axe.run({context}).then((result) => [result.passes.map((rule) => rule.id), result.violations.map("
        "(rule) => [rule.impact, rule.id, rule.nodes.map((node) => node.html)])])"
    )
    assert "color-contrast" in passed or any(rule == "color-contrast" for _, rule, _ in found), (
        "axe-core found no text to check."
    )
    return [Violation(impact, rule, tuple(elements)) for impact, rule, elements in found]


def serious_violations(page, selector=None):
    """Return the accessibility problems with the impact "serious" or "critical"."""
    return [item for item in violations(page, selector) if item.impact in ("serious", "critical")]


def save_picture(page, name):
    """Save a screenshot of the whole page in the folder that FRGROUPS_TEST_PICTURES names, if it is set."""
    if folder := os.environ.get("FRGROUPS_TEST_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.picture(Path(folder) / f"{name}.png", is_whole=True)


def approved(page, name):
    """Approve the plan on a review page, and return the path of the downloaded file."""
    page.click("#by")
    page.value("document.querySelector('#by').select()")
    page.type(name)
    page.click("#approve")
    return page.downloaded()
