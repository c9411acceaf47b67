"""The notebooks run as committed, show no machine path, no contact data and no error, and are not stale."""

import re
from difflib import unified_diff

import nbformat
import pytest

from tests.notebooks import notebooks, run, text_of


def settled(text):
    """The text without what differs from day to day: dates, digests, and how the numbers are padded."""
    text = re.sub(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?", "DATE", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b|\d{8}T\d+Z", "DIGEST", text)
    return re.sub(r"\s+", " ", text)


def changed(old, new):
    """The words that differ, a few around them."""
    return "\n".join(unified_diff(old.split(), new.split(), "committed", "fresh", n=4, lineterm=""))


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_outputs_are_not_stale(path, tmp_path):
    "Run from top to bottom, a notebook shows what is committed; `make notebooks-run` renews it."
    committed = nbformat.read(path, as_version=4)

    fresh = run(path, tmp_path)

    assert changed(settled(text_of(committed)), settled(text_of(fresh))) == ""


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_shows_nothing_private(path):
    "No path of a machine, no e-mail address, no token, and nothing on stderr is in the committed outputs."
    book = nbformat.read(path, as_version=4)
    text = text_of(book)
    streams = [out for cell in book.cells for out in cell.get("outputs", ()) if out.output_type == "stream"]

    assert re.findall(r"/(?:home|Users|root|tmp|work)/", text) == []
    assert re.findall(r"[\w.]+@[a-z][\w.]*\.[a-z]+|Bearer", text) == []
    assert [stream for stream in streams if stream.name == "stderr"] == []
    assert all(cell.execution_count for cell in book.cells if cell.cell_type == "code")
