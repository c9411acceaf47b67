"""Tests for the committed notebooks and their outputs."""

import re
from difflib import unified_diff

import pytest

from tests.notebooks import WIDGET, notebooks, read_notebook, run, text_of

# Methods and options that format a table for display.
FORMATS = re.compile(r"\.(style|round|head|tail|to_string|to_html|format)\b|set_option|pd\.options")


def normalized(text):
    """Replace dates, ages, file sizes, and digests, because they differ between runs, and normalize whitespace."""
    text = re.sub(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?", "DATE", text)
    text = re.sub(r"\d+ (s|min|h|d|w) ago", "AGE ago", text)
    text = re.sub(r"\d+ kB", "SIZE kB", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b|\d{8}T\d+Z", "DIGEST", text)
    # The ids of shown tables depend on the dates in the cells.
    text = re.sub(r"\bT_[0-9a-f]{8}", "T_ID", text)
    return re.sub(r"\s+", " ", text)


def word_diff(old, new):
    """Return a word-by-word diff of two strings."""
    return "\n".join(unified_diff(old.split(), new.split(), "committed", "current", n=4, lineterm=""))


def code_of(book):
    """Return the source of each code cell."""
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_tables(path):
    "Notebooks display tables with `fg.show`, without their own formats or selections of rows."
    book = read_notebook(path)
    outputs = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", ())]

    assert [line for code in code_of(book) for line in code.splitlines() if FORMATS.search(line)] == []
    assert [data for data in outputs if 'class="dataframe"' in data.get("text/html", "")] == []
    assert any("frgroups-table" in data.get("text/html", "") for data in outputs)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_first_and_last_cell(path):
    "A notebook starts with what the reader learns, and ends with links to other notebooks that exist."
    book = read_notebook(path)

    assert re.match(r"# .*\byou learn\b", book.cells[0].source, re.DOTALL)
    links = re.findall(r"\]\(([^)]+)\)", book.cells[-1].source)
    assert links and set(links) <= {other.name for other in notebooks()} - {path.name}


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_outputs(path, tmp_path):
    "Each notebook runs without an error and produces the committed outputs, which `make notebooks-run` updates."
    committed = read_notebook(path)

    current = run(path, tmp_path)

    assert word_diff(normalized(text_of(committed)), normalized(text_of(current))) == ""


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_outputs_contain_no_personal_data(path):
    "The committed notebook outputs contain no local paths, email addresses, tokens, or text from stderr."
    book = read_notebook(path)
    text = text_of(book)
    streams = [out for cell in book.cells for out in cell.get("outputs", ()) if out.output_type == "stream"]

    assert re.findall(r"/(?:home|Users|root|tmp|work)/", text) == []
    assert re.findall(r"[\w.]+@[a-z][\w.]*\.[a-z]+|Bearer", text) == []
    assert [stream for stream in streams if stream.name == "stderr"] == []
    assert all(cell.execution_count for cell in book.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_progress_bars(path):
    "The notebooks show progress bars, but their committed outputs contain no widgets and no text of a progress bar."
    book = read_notebook(path)
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]

    assert not any("progress=" in cell.source for cell in book.cells)
    assert not any(WIDGET in output.get("data", {}) for output in outputs)
    assert not re.search(r"\d/s[,\]]", text_of(book))
    assert "widgets" not in book.metadata
