"""Tests for progress bars and progress callbacks."""

import gc
import importlib.util
import io
import logging
import re
import sys
import threading
from types import SimpleNamespace

import pytest

from frgroups.errors import InputError
from frgroups.internals.progress import Progress
from frgroups.internals.structured_logging import log_event, logged_to_stderr


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


@pytest.fixture
def shown(monkeypatch):
    """Simulate a notebook kernel with ipywidgets, and return the list of displayed widgets."""
    pytest.importorskip("ipywidgets")
    import tqdm.notebook

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    widgets = []
    monkeypatch.setattr(tqdm.notebook, "display", widgets.append)
    return widgets


def parts(widget):
    """Return the progress bar of a widget, and its text with normalized blanks."""
    left, bar, right = widget.children
    return bar, f"{left.value}|{right.value}".replace("\u2007", " ")


@pytest.mark.parametrize("totals", [[None, 2000], [None, 500, 2000], [1000, 2000], [2000]])
def test_widget_fills_its_width(totals, shown, capsys):
    "The widget is as wide as the output, and its bar is full at the end, also if the total is set or changed later."
    with Progress("Reading", unit="rows", total=totals[0]) as progress:
        progress.advance(500)
        for total in totals[1:]:
            progress.expect(total)
        progress.note("3 requests")
        (widget,) = shown
        bar, text = parts(widget)
        assert (bar.value, bar.max) == (500, 2000)
        assert "25%" in text and "500/2,000 rows" in text and "/s, 3 requests" in text
        progress.advance(1500)

    bar, text = parts(widget)
    assert (bar.value, bar.max, bar.bar_style) == (2000, 2000, "success")
    assert widget.layout.width == "100%" and "wrap" in widget.layout.flex_flow
    assert bar.layout.flex == "2" and bar.layout.min_width == "60%" and bar.layout.width is None
    assert "100%" in text and "2,000/2,000 rows" in text
    assert capsys.readouterr() == ("", "")


def test_widget_after_an_error(shown):
    "After an error, the bar of a widget is red and shows how far the operation came."
    with pytest.raises(ValueError, match="broken"), Progress("Reading", unit="rows") as progress:
        progress.expect(10)
        progress.advance(4)
        raise ValueError("broken")

    bar, _ = parts(shown[0])
    assert (bar.value, bar.max, bar.bar_style) == (4, 10, "danger")


def test_widget_text_is_not_cut(shown, monkeypatch):
    "The text of a widget is complete, even if the terminal of the kernel is narrow."
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")

    with Progress("Reading", unit="rows", total=10) as progress:
        progress.note("paused for 8 s")

    assert "paused for 8 s" in parts(shown[0])[1]


@pytest.mark.parametrize("seconds", [0.5, 8, 7200])
@pytest.mark.parametrize("n", [1, 30, 250_000])
def test_units(n, seconds, monkeypatch, capsys):
    "The count, the total, and the rate have the same unit, which is never inverted, at every rate."
    import tqdm.std

    now = 0.0
    monkeypatch.setattr(tqdm.std, "time", lambda: now)
    with Progress("Reading", unit="rows", show=True, total=2 * n) as progress:
        now = seconds
        progress.advance(n)

    last = capsys.readouterr().err.split("\r")[-1]
    count, total, rate = re.search(r"([\d,]+)/([\d,]+) rows \[[\d:]+<[\d:]+, ([\d,.]+)/s", last).groups()
    assert (int(count.replace(",", "")), int(total.replace(",", ""))) == (n, 2 * n)
    assert float(rate.replace(",", "")) == pytest.approx(n / seconds, rel=0.05, abs=0.06)


def test_log_lines(monkeypatch):
    "A log line does not share a line of the terminal with the bar."
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with logged_to_stderr("text", "INFO"), Progress("Reading", unit="rows", show=True, total=10) as progress:
        progress.advance(4)
        log_event(logging.getLogger("frgroups.load"), logging.INFO, "read", "Read a page.")

    # A carriage return overwrites the line, and the escape sequence moves the cursor above the bars of other tests.
    lines = [line.split("\r")[-1].replace("\x1b[A", "") for line in stream.getvalue().split("\n")]
    assert "INFO load: Read a page." in lines


def test_log_line_while_tqdm_is_locked(monkeypatch):
    "A log line is written although the lock of tqdm was not released, for example because of an interrupt."
    import tqdm

    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with logged_to_stderr("text", "INFO"), Progress("Reading", unit="rows", show=True, total=10):
        lock = tqdm.tqdm.get_lock()
        thread = threading.Thread(
            target=log_event, args=(logging.getLogger("frgroups.load"), logging.INFO, "read", "Read a page.")
        )
        with lock:
            thread.start()
            thread.join(timeout=60)
            is_written = "Read a page." in stream.getvalue()

    assert is_written


def test_text_length(monkeypatch, capsys):
    "On a terminal with 80 columns, the text of a load is complete, and the bar is visible."
    import tqdm.std

    now = 0.0
    monkeypatch.setattr(tqdm.std, "time", lambda: now)
    with Progress("Loading", unit="memberships", show=True, total=1990) as progress:
        progress.note("15 requests")
        now = 1.0
        progress.advance(1990)

    last = capsys.readouterr().err.rstrip("\n").split("\r")[-1]
    text = last.replace("█", "")
    assert text.endswith("15 requests]") and len(text) <= 75


@pytest.mark.parametrize("broken", ["IProgress", "HBox", "display", "comm"])
def test_broken_ipywidgets(broken, shown, monkeypatch, capsys):
    "If a part of ipywidgets is missing or fails, a text bar replaces the widget, and no other text is printed."
    import tqdm.notebook

    def fail(*args, **options):
        raise RuntimeError("no widget")

    if broken == "comm":
        monkeypatch.setattr("ipywidgets.Widget.open", fail)
    else:
        monkeypatch.setattr(tqdm.notebook, broken, None if broken == "IProgress" else fail)
        monkeypatch.setattr(tqdm.notebook, "TqdmHBox", fail if broken == "HBox" else tqdm.notebook.TqdmHBox)

    work(Progress("Reading", unit="rows"))
    gc.collect()

    out, err = capsys.readouterr()
    assert "10/10 rows" in out and err == ""


@pytest.mark.parametrize("broken", ["import", "__init__", "update", "refresh", "set_postfix_str", "close", "reset"])
def test_broken_widget(broken, monkeypatch, capsys):
    "If the widget of a notebook fails at any time, a text bar with the current count replaces it."

    class Widget:
        disable = False

        def __init__(self, **options):
            pass

        n = start_t = 0
        container = SimpleNamespace(children=[None, SimpleNamespace(layout=SimpleNamespace())])
        update = refresh = set_postfix_str = close = lambda self, *args: None

        def reset(self, total):
            pass

    def fail(self, *args, **options):
        raise ImportError("IProgress not found")

    if broken != "import":
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


def test_working_widget_without_text(shown, capsys):
    "As long as the widget of a notebook works, no text bar is shown."
    work(Progress("Reading", unit="rows"))

    assert len(shown) == 1
    assert capsys.readouterr() == ("", "")
