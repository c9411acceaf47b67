"""Tests for progress bars and progress callbacks."""

import importlib.util
import io
import sys
from types import SimpleNamespace

import pytest

from frgroups.errors import InputError
from frgroups.internals.progress import Progress


class Terminal(io.StringIO):
    """Terminal in which the method with the given name raises an exception."""

    def __init__(self, broken=None, error=None):
        super().__init__()
        if broken is not None:

            def fail(*args, **options):
                raise error or OSError("broken pipe")

            setattr(self, broken, fail)

    def isatty(self):
        return True


def work(progress):
    """Report ten rows in two steps."""
    with progress:
        progress.expect(10)
        progress.advance(4)
        progress.advance(6)


def test_callback():
    "The progress callback receives the text, the count, and the total after each change."
    calls = []

    work(Progress("Reading", unit="rows", show=lambda *state: calls.append(state)))

    assert calls == [("Reading", 0, 10), ("Reading", 4, 10), ("Reading", 10, 10)]


def test_total_argument():
    "If expect() is not called, the callback receives the argument `total`, which can be None."
    calls = []

    for total in (3, None):
        with Progress("Reading", unit="rows", total=total, show=lambda *state: calls.append(state)) as progress:
            progress.advance()

    assert calls == [("Reading", 1, 3), ("Reading", 1, None)]


def test_error_in_the_callback():
    "If the progress callback raises an exception, the operation ends with this exception."

    def stop(*_):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        work(Progress("Reading", unit="rows", show=stop))


def test_stop_iteration_in_the_callback():
    "A StopIteration from the callback is converted to InputError, because it could silently end a loop."
    items = iter([None])

    with pytest.raises(InputError, match="StopIteration") as caught:
        work(Progress("Reading", unit="rows", show=lambda *_: next(items)))

    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("show", [None, False])
def test_no_bar_if_output_is_redirected(show, capsys):
    "If the output is redirected, no progress bar is shown by default or with show=False."
    work(Progress("Reading", unit="rows", show=show))

    assert capsys.readouterr() == ("", "")


def test_bar_on_stderr(capsys):
    "With show=True, a progress bar with text, unit, and total is written to stderr."
    work(Progress("Reading", unit="rows", show=True))

    out, err = capsys.readouterr()
    assert out == ""
    assert "Reading: 100%" in err and "10/10" in err and "rows" in err


def test_bar_in_a_terminal(monkeypatch):
    "By default, a progress bar is shown if stderr is a terminal."
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    work(Progress("Reading", unit="rows"))

    assert "Reading: 100%" in terminal.getvalue()


def test_no_bar_in_a_terminal(monkeypatch):
    "With show=False or a callback, no progress bar is shown in a terminal."
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    work(Progress("Reading", unit="rows", show=False))
    work(Progress("Reading", unit="rows", show=lambda *_: None))

    assert terminal.getvalue() == ""


@pytest.fixture
def kernel(monkeypatch):
    """Simulate a notebook kernel without ipywidgets."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "ipywidgets" else found(name, *a)
    )


def test_bar_in_a_notebook(kernel, capsys):
    "In a notebook without ipywidgets, the bar is written to stdout, because notebooks show stderr as an error."
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


def closed_stream():
    stream = Terminal()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed_stream,
    "no isatty": lambda: SimpleNamespace(write=lambda text: None, flush=lambda: None),
    "no methods": object,
    "isatty fails": lambda: Terminal("isatty"),
    "write fails": lambda: Terminal("write"),
    "flush fails": lambda: Terminal("flush"),
    "write fails with another error": lambda: Terminal("write", RuntimeError("no console")),
    "encoding": lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict"),
}


@pytest.mark.parametrize("show", [None, True])
@pytest.mark.parametrize("stream", list(STREAMS))
def test_unusable_stderr(stream, show, monkeypatch):
    "If stderr is missing, closed, or broken, the operation succeeds without a progress bar."
    monkeypatch.setattr(sys, "stderr", STREAMS[stream]())
    progress = Progress("Reading", unit="rows", show=show)

    work(progress)

    assert progress._done == 10


def test_stderr_closed_during_the_operation(monkeypatch):
    "If stderr is closed during the operation, the operation continues without a progress bar."
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("Reading", unit="rows") as progress:
        progress.advance(1)
        sys.stderr.close()
        progress.expect(10)
        progress.note("slow")
        progress.advance(9)

    assert progress._done == 10


@pytest.mark.parametrize("broken", ["import", "__init__", "update", "refresh", "set_postfix_str", "close", "total"])
def test_broken_widget(broken, monkeypatch, capsys):
    "If the widget of a notebook fails at any time, a text bar with the current count replaces it."

    class Widget:
        disable = False

        def __init__(self, **options):
            pass

        update = refresh = set_postfix_str = close = lambda self, *args: None

        def __setattr__(self, name, value):
            if name == broken:
                raise RuntimeError("no widget")

    def fail(self, *args, **options):
        raise ImportError("IProgress not found")

    if broken not in ("import", "total"):
        setattr(Widget, broken, fail)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: name)
    monkeypatch.setitem(sys.modules, "tqdm.notebook", None if broken == "import" else SimpleNamespace(tqdm=Widget))

    with Progress("Reading", unit="rows") as progress:
        progress.expect(10)
        progress.note("slow")
        progress.advance(10)

    out, err = capsys.readouterr()
    assert "10/10" in out and err == ""
