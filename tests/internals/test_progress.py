"""Tests of progress bars and progress callbacks."""

import importlib.util
import io
import sys
from types import SimpleNamespace

import pytest

from frgroups.errors import InputError
from frgroups.internals.progress import Progress


def work(progress):
    """Report ten rows in two steps."""
    with progress:
        progress.expect(10)
        progress.advance(4)
        progress.advance(6)


def test_callback():
    "The callback receives the text, the count, and the total after each change."
    calls = []

    work(Progress("Reading", unit="rows", show=lambda *state: calls.append(state)))

    assert calls == [("Reading", 0, 10), ("Reading", 4, 10), ("Reading", 10, 10)]


def test_total_argument():
    "Without a call of expect(), the total is the argument, or None if it is unknown."
    calls = []

    for total in (3, None):
        with Progress("Reading", unit="rows", total=total, show=lambda *state: calls.append(state)) as progress:
            progress.advance()

    assert calls == [("Reading", 1, 3), ("Reading", 1, None)]


def test_error_in_the_callback():
    "An exception in the callback ends the operation."

    def stop(*_):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        work(Progress("Reading", unit="rows", show=stop))


def test_stop_iteration_in_the_callback():
    "A StopIteration in the callback is converted to InputError, because it would end a loop of the operation."
    items = iter([None])

    with pytest.raises(InputError, match="StopIteration") as caught:
        work(Progress("Reading", unit="rows", show=lambda *_: next(items)))

    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("show", [None, False])
def test_no_bar_if_output_is_redirected(show, capsys):
    "By default, or with False, no progress bar is shown if the output is redirected."
    work(Progress("Reading", unit="rows", show=show))

    assert capsys.readouterr() == ("", "")


def test_bar_on_stderr(capsys):
    "With True, a progress bar with text, unit, and total is written to stderr."
    work(Progress("Reading", unit="rows", show=True))

    out, err = capsys.readouterr()
    assert out == ""
    assert "Reading: 100%" in err and "10/10" in err and "rows" in err


def test_bar_in_a_terminal(monkeypatch):
    "By default, a progress bar is shown if stderr is a terminal."

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    work(Progress("Reading", unit="rows"))

    assert "Reading: 100%" in terminal.getvalue()


def test_no_bar_in_a_terminal(monkeypatch):
    "With False or a callback, no progress bar is shown in a terminal."

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    work(Progress("Reading", unit="rows", show=False))
    work(Progress("Reading", unit="rows", show=lambda *_: None))

    assert terminal.getvalue() == ""


@pytest.fixture
def kernel(monkeypatch):
    """A simulated notebook kernel without ipywidgets."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "ipywidgets" else found(name, *a)
    )


def test_bar_in_a_notebook(kernel, capsys):
    "In a notebook without ipywidgets, the progress bar is written to stdout, because stderr is shown like an error."
    work(Progress("Reading", unit="rows"))

    out, err = capsys.readouterr()
    assert "Reading: 100%" in out
    assert err == ""


def test_bar_is_closed_after_an_error(capsys):
    "After an error, the progress bar ends with a line break."
    with pytest.raises(ValueError, match="broken"), Progress("Reading", unit="rows", show=True) as progress:
        progress.advance()
        raise ValueError("broken")

    assert capsys.readouterr().err.endswith("\n")
