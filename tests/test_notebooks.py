"""Tests for the committed notebooks and their outputs."""

import re
from difflib import unified_diff

import nbformat
import pytest

from tests.notebooks import WIDGET, notebooks, run, text_of


def normalized(text):
    """Replace dates, ages, and digests in a text, because they differ between runs, and normalize whitespace."""
    text = re.sub(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?", "DATE", text)
    text = re.sub(r"\d+ (s|min|h|d|w) ago", "AGE ago", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b|\d{8}T\d+Z", "DIGEST", text)
    return re.sub(r"\s+", " ", text)


def word_diff(old, new):
    """Return a word-by-word diff of two strings."""
    return "\n".join(unified_diff(old.split(), new.split(), "committed", "current", n=4, lineterm=""))


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_outputs(path, tmp_path):
    "Each notebook runs without an error and produces the committed outputs, which `make notebooks-run` updates."
    committed = nbformat.read(path, as_version=4)

    current = run(path, tmp_path)

    assert word_diff(normalized(text_of(committed)), normalized(text_of(current))) == ""


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_outputs_contain_no_personal_data(path):
    "The committed notebook outputs contain no local paths, email addresses, tokens, or text from stderr."
    book = nbformat.read(path, as_version=4)
    text = text_of(book)
    streams = [out for cell in book.cells for out in cell.get("outputs", ()) if out.output_type == "stream"]

    assert re.findall(r"/(?:home|Users|root|tmp|work)/", text) == []
    assert re.findall(r"[\w.]+@[a-z][\w.]*\.[a-z]+|Bearer", text) == []
    assert [stream for stream in streams if stream.name == "stderr"] == []
    assert all(cell.execution_count for cell in book.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_progress_bars(path):
    "The notebooks show progress bars, but their committed outputs contain no widgets and no text of a progress bar."
    book = nbformat.read(path, as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]

    assert not any("progress=" in cell.source for cell in book.cells)
    assert not any(WIDGET in output.get("data", {}) for output in outputs)
    assert "memberships/s" not in text_of(book) and "changes/s" not in text_of(book)
    assert "widgets" not in book.metadata
