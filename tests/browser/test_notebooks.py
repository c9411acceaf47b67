"""Tests for notebooks in JupyterLab. Each notebook runs once in each theme, and the tests share its page."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import frgroups as fg
from tests import chromium
from tests.browser import jupyterlab
from tests.notebooks import FOLDER, notebook_of, read_notebook
from tests.page_checks import NEEDS_CHROMIUM, approved, save_picture, serious_violations

pytestmark = [pytest.mark.browser, NEEDS_CHROMIUM]

REVIEWER = "Åse Øgård"
APPROVAL_CALL = "fg.approve_plan("
# The code with which the notebook reads the file that the reviewer downloaded.
READ_APPROVAL = 'approval = fg.home() / "decision.json"'
REVIEWED = "06_reviewed_plan"
# The titles of the cards that each notebook displays, among others, and the pages that it saves.
CARDS = {
    "00_first_look": {"Session", "Snapshot", "Plan", "Receipt"},
    "02_overlap_and_redundancy": {"Session", "Snapshot"},
    REVIEWED: {"Session", "Plan", "Receipt"},
}
PAGES = {
    "00_first_look": ["black_week_vip.html", "groups.html"],
    "02_overlap_and_redundancy": [],
    REVIEWED: ["black_week_vip.html"],
}
# The reviewers of the applied plans. The undo of a plan is approved by the notebook, without a name.
REVIEWERS = {"00_first_look": ["Kari (a colleague)"], "02_overlap_and_redundancy": [], REVIEWED: [REVIEWER]}


@dataclass(frozen=True)
class Run:
    """A notebook that has run, its theme, its code cells, its data folder, and the page that shows it."""

    name: str
    theme: str
    cells: list[jupyterlab.Cell]
    home: Path
    page: chromium.Page

    def cells_with(self, text):
        """Return the code cells that contain a text."""
        return [cell for cell in self.cells if text in cell.source]


@pytest.fixture(
    scope="module",
    params=[(name, theme) for name in CARDS for theme in jupyterlab.THEMES],
    ids=lambda value: f"{value[0][:2]}-{value[1]}",
)
def run(request):
    """Run a notebook in JupyterLab. In the notebook about reviews, the plan is approved on the review page."""
    name, theme = request.param
    source = read_notebook(FOLDER / f"{name}.ipynb")
    if name == REVIEWED:
        (cell,) = [cell for cell in source.cells if APPROVAL_CALL in cell.source]
        cell.source = READ_APPROVAL
    with tempfile.TemporaryDirectory() as folder, jupyterlab.opened(source, folder, theme) as notebook:
        home = Path(folder)
        if name == REVIEWED:
            notebook.run_above(READ_APPROVAL)
            approve_in_browser(home, notebook.cells())
            notebook.run_below(READ_APPROVAL)
        else:
            notebook.run_all()
        notebook.show_all()
        save_picture(notebook.page, f"{name}-{theme}")
        yield Run(name, theme, notebook.cells(), home, notebook.page)


def approve_in_browser(home, cells):
    """Approve the plan of a notebook on the review page, and move the downloaded file to the data folder."""
    page = home / "plans" / "black_week_vip.html"
    assert page.exists(), [cell.failures for cell in cells]
    with chromium.opened(page) as review:
        shutil.move(approved(review, REVIEWER), home / "decision.json")


def test_no_errors(run):
    "All cells run in order, without an error, an output on stderr, or a dialog."
    assert [cell.count for cell in run.cells] == list(range(1, len(run.cells) + 1))
    assert [cell.failures for cell in run.cells if cell.failures] == []
    assert run.page.value("document.querySelectorAll('.jp-Dialog').length") == 0


def test_cards(run):
    "The notebook shows the cards of its snapshot and its plan, in a theme in which axe-core finds no problem."
    titles = {card.split()[0] for cell in run.cells for card in cell.cards}

    assert titles >= CARDS[run.name]
    assert serious_violations(run.page, ".frgroups-card") == []


def test_tables(run):
    "Each call of `fg.show` shows a table with rows, and no table is displayed without it."
    shown = run.cells_with("fg.show(")

    assert shown
    assert all(cell.rows and min(cell.rows) > 0 for cell in shown)
    assert [cell.source for cell in run.cells if cell.plain_tables] == []
    assert serious_violations(run.page, ".frgroups-table") == []


def test_pictures(run):
    "Each chart is a picture that is loaded and legible, because it is at most slightly reduced."
    charts = [cell for cell in run.cells_with("plot.") if "import" not in cell.source]

    assert charts
    assert all(len(cell.pictures) == 1 for cell in charts)
    for cell in charts:
        ((file_width, shown_width),) = cell.pictures
        assert shown_width > 300 and shown_width > 0.8 * file_width, cell.source


def test_progress_bars(run):
    "The bar of each load is filled at the end, and takes at least half of the width of the output."
    loads = run.cells_with("fg.load_snapshot(")

    assert loads
    for cell in loads:
        assert cell.bars, cell.source
        for filled, track, output in cell.bars:
            assert filled >= 0.99 * track and track >= 0.5 * output, cell.source


def test_saved_pages(run):
    "axe-core finds no serious problem in the report and in the review page that the notebook saves."
    pages = sorted(run.home.rglob("*.html"))

    assert sorted(path.name for path in pages) == PAGES[run.name]
    for path in pages:
        with chromium.opened(path) as page:
            page.color_scheme(run.theme)
            save_picture(page, f"{run.name}-{path.stem}-{run.theme}")
            assert serious_violations(page) == []


def test_approvals(run):
    "All plans are applied completely, and the receipts name the reviewer, who used the review page in notebook 06."
    receipts = [fg.read_receipt(path) for path in run.home.glob("journals/*/*.receipt.json")]
    reviewers = [receipt.approval["by"] for receipt in receipts if receipt.approval.get("by")]

    assert reviewers == REVIEWERS[run.name]
    assert all(receipt.ok for receipt in receipts)
    histories = run.cells_with("fg.customer_history(")
    assert bool(histories) == (run.name == REVIEWED)
    assert all(reviewer in cell.text for reviewer in reviewers for cell in histories)


def test_failures_are_found(tmp_path):
    "An error, an output on stderr, a cell that did not run, and a DataFrame are found in the page."
    source = notebook_of(
        "import sys; print('late', file=sys.stderr)", "import pandas as pd; pd.DataFrame({'n': [1]})", "1 / 0", "2"
    )

    with jupyterlab.opened(source, tmp_path, "light") as notebook:
        notebook.run_all()
        cells = notebook.cells()

    assert [cell.failures for cell in cells] == [["late\n"], [], ["division by zero"], []]
    assert [cell.count for cell in cells] == [1, 2, 3, None]
    assert [cell.plain_tables for cell in cells] == [0, 1, 0, 0]
