"""The progress of a long job: told to a callable, shown in a terminal or notebook, silent in a script."""

import importlib.util
import io
import sys
from types import SimpleNamespace

import pytest

from frgroups.errors import InputError
from frgroups.internals.progress import Progress


def work(progress):
    """Ten rows in two steps."""
    with progress:
        progress.expect(10)
        progress.advance(4)
        progress.advance(6)


def test_a_callable_is_told_text_done_and_total():
    "It hears the total as soon as that is known, and then each step."
    news = []

    work(Progress("Reading", unit="rows", show=lambda *told: news.append(told)))

    assert news == [("Reading", 0, 10), ("Reading", 4, 10), ("Reading", 10, 10)]


def test_a_total_that_is_known_beforehand_is_told():
    "Without expect() the total is the one given, or None when nobody knows it."
    news = []

    for total in (3, None):
        with Progress("Reading", unit="rows", total=total, show=lambda *told: news.append(told)) as progress:
            progress.advance()

    assert news == [("Reading", 1, 3), ("Reading", 1, None)]


def test_what_a_callable_raises_ends_the_work():
    "An error in the callable is not swallowed: it may be somebody's way to stop."

    def stop(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        work(Progress("Reading", unit="rows", show=stop))


def test_an_iterator_that_ends_in_a_callable_is_no_end_of_the_work():
    "Python takes StopIteration for the end of a loop; it is told as the mistake that it is, with its cause."
    news = iter([None])

    with pytest.raises(InputError, match=r"callback raised StopIteration.* raise another exception") as caught:
        work(Progress("Reading", unit="rows", show=lambda *_: next(news)))

    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("show", [None, False])
def test_a_script_stays_silent(show, capsys):
    "Where output goes to a file nothing is written, unless asked for; False is silent everywhere."
    work(Progress("Reading", unit="rows", show=show))

    assert capsys.readouterr() == ("", "")


def test_asked_for_it_shows_a_bar_on_stderr(capsys):
    "True shows text, unit and total, and leaves the output alone."
    work(Progress("Reading", unit="rows", show=True))

    out, err = capsys.readouterr()
    assert out == ""
    assert "Reading: 100%" in err and "10/10" in err and "rows" in err


def test_a_terminal_gets_a_bar_without_asking(monkeypatch):
    "Where stderr is a terminal somebody looks."

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    work(Progress("Reading", unit="rows"))

    assert "Reading: 100%" in terminal.getvalue()


def test_a_terminal_stays_clean_when_told_so(monkeypatch):
    "False wins over the terminal, and so does a callable."

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
    """A process that looks like the kernel of a notebook, without ipywidgets."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "ipywidgets" else found(name, *a)
    )


def test_a_notebook_without_widgets_gets_its_bar_as_output(kernel, capsys):
    "On stdout, since a notebook shows stderr in red."
    work(Progress("Reading", unit="rows"))

    out, err = capsys.readouterr()
    assert "Reading: 100%" in out
    assert err == ""


def test_a_bar_is_closed_when_the_work_fails(capsys):
    "After an error the next output stands on a line of its own."
    with pytest.raises(ValueError, match="broken"), Progress("Reading", unit="rows", show=True) as progress:
        progress.advance()
        raise ValueError("broken")

    assert capsys.readouterr().err.endswith("\n")
