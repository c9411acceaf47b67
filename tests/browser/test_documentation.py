"""Tests for the accessibility of the built documentation, in both color schemes."""

from pathlib import Path

import pytest

from tests import chromium
from tests.page_checks import NEEDS_CHROMIUM, save_picture, serious_violations

pytestmark = [pytest.mark.browser, NEEDS_CHROMIUM]

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
# One page of each kind.
PAGES = [
    "index",
    "tutorial",
    "how-to",
    "recipes/customers",
    "reference/group_sizes",
    "reference/Client",
    "commands/apply",
    "gallery/index",
    "gallery/upset",
    "explanations/verified-loads",
    "cheat-sheet",
    "search",
]


@pytest.fixture(scope="module")
def page():
    """Start a browser that all tests share."""
    assert SITE.is_dir(), "The documentation is not built. Run `make docs`."
    with chromium.opened() as shown:
        yield shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_accessibility(page, name, scheme):
    "axe-core finds no serious problem in a page, and the pictures of the page are loaded."
    page.color_scheme(scheme)

    page.open(SITE / f"{name}.html")
    save_picture(page, f"docs-{name.replace('/', '-')}-{scheme}")

    assert page.value("document.documentElement.dataset.theme") == scheme
    assert serious_violations(page) == []
    assert page.value("[...document.images].filter((image) => image.complete && !image.naturalWidth).length") == 0
