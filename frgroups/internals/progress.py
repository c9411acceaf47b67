"""Progress bars for terminals and notebooks. The package ipywidgets is optional."""

from __future__ import annotations

import importlib.util
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from frgroups.errors import InputError

ProgressOption = bool | Callable[[str, int, int | None], object] | None

# The unit is shown once, because the count, the total, and the rate have the same unit.
# If the total is unknown, the line contains no bar.
_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {count}/{expected} {unit} [{elapsed}<{remaining}, {speed}{postfix}]"
_FORMAT_WITHOUT_TOTAL = "{desc}: {count} {unit} [{elapsed}, {speed}{postfix}]"
_MAX_RATE_WITH_DECIMAL = 10
_WIDGET_MIN_WIDTH = "60%"

# References to the text bars that still exist. `bars_hidden` removes these bars while a line is written.
_text_bars: list[weakref.ref[Any]] = []


class Progress:
    """
    Context manager that reports the progress of a long operation.

    An error of the progress bar never ends the operation. If the widget of a notebook fails, a text bar replaces the
    widget. If a text bar fails, for example because stderr is closed, no bar is shown. Errors of a callback are
    raised.

    Parameters
    ----------
    text
        Name of the operation.
    unit
        Unit of the counts, for example "rows".
    show
        True shows a progress bar, and False shows nothing. None, the default, shows a progress bar in notebooks and
        terminals, but not if stderr is redirected. A callable is called with (text, done, total) instead.
    total
        Expected count, or None if it is unknown.

    Examples
    --------
    >>> with Progress("Reading", unit="rows", show=lambda *state: print(*state)) as progress:
    ...     progress.expect(10)
    ...     progress.advance(4)
    Reading 0 10
    Reading 4 10
    """

    def __init__(self, text: str, *, unit: str, show: ProgressOption = None, total: int | None = None) -> None:
        self._text, self._unit = text, unit
        self._callback: Callable[[str, int, int | None], object] | None = None
        if callable(show):
            self._callback, self._shows_bar = show, False
        elif show is None:
            self._shows_bar = _is_interactive()
        else:
            self._shows_bar = bool(show)
        self._done, self._total = 0, total
        self._note = ""
        self._bars: Iterator[Callable[..., Any]] = iter(())
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self._shows_bar:
            self._bars = _bar_types()
            self._open_next_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._update_bar(lambda bar: bar.close())
        self._bar = None

    def expect(self, total: int) -> None:
        """Set the expected total count."""
        self._total = total
        self._update_bar(lambda bar: _set_total(bar, total))
        self._call_back()

    def note(self, text: str) -> None:
        """Show a note next to the progress bar."""
        self._note = text
        self._update_bar(lambda bar: bar.set_postfix_str(text))

    def advance(self, n: int = 1) -> None:
        """Increase the count by `n`."""
        self._done += n
        self._update_bar(lambda bar: bar.update(n))
        self._call_back()

    def _update_bar(self, update: Callable[[Any], object]) -> None:
        """Update the progress bar. If the update fails, replace the bar with the next type of bar."""
        if self._bar is None:
            return
        try:
            update(self._bar)
        except Exception:  # An error of the bar must never end the operation.
            _discard(self._bar)
            self._open_next_bar()

    def _open_next_bar(self) -> None:
        """Show the first type of progress bar that works, with the current count. If none works, show no bar."""
        self._bar = None
        for create_bar in self._bars:
            with suppress(Exception):
                bar = create_bar(
                    desc=self._text,
                    unit=self._unit,
                    initial=self._done,
                    total=self._total,
                    leave=True,
                    dynamic_ncols=True,
                )
                if self._note:
                    bar.set_postfix_str(self._note)
                self._bar = bar
                return

    def _call_back(self) -> None:
        if self._callback is None:
            return
        try:
            self._callback(self._text, self._done, self._total)
        except StopIteration as error:
            # Without this conversion, a StopIteration would silently end the loop that reports the progress.
            raise InputError(
                "The progress callback raised StopIteration, for example by calling next() on an exhausted iterator. "
                "To stop the operation, raise another exception."
            ) from error


def _bar_types() -> Iterator[Callable[..., Any]]:
    """Yield functions that create progress bars, first a notebook widget if it is available, and then a text bar."""
    is_notebook = in_notebook()
    if is_notebook and _has_ipywidgets():
        yield _create_widget_bar
    stream = sys.stderr
    if is_notebook:
        stream = sys.stdout  # Do not use stderr, because notebooks highlight text on stderr as an error.
    if stream is not None and not getattr(stream, "closed", False):
        yield lambda **options: _create_text_bar(stream, **options)


def _has_ipywidgets() -> bool:
    try:
        return importlib.util.find_spec("ipywidgets") is not None
    except ValueError:  # find_spec raises ValueError if the module was replaced or only partly imported.
        return False


def _create_widget_bar(**options: Any) -> Any:
    from tqdm.notebook import tqdm as widget_bar

    bar = _with_own_format(widget_bar)(**options)
    # Without a minimum width, long text next to the bar can shrink the bar to one pixel.
    # With a minimum width, the text moves below the bar.
    bar.container.children[1].layout.min_width = _WIDGET_MIN_WIDTH
    return bar


def _create_text_bar(stream: Any, **options: Any) -> Any:
    from tqdm import tqdm as text_bar

    bar = _with_own_format(text_bar)(file=stream, **options)
    _text_bars[:] = [*(reference for reference in _text_bars if reference() is not None), weakref.ref(bar)]
    return bar


@contextmanager
def bars_hidden(stream: Any) -> Iterator[None]:
    """
    Remove the text bars from a stream while a line is written to it, and then display the bars again.

    The function does not acquire the lock of tqdm, because an interrupt can prevent tqdm from releasing this lock. A
    log line would then wait forever. Without the lock, an update by another thread can overwrite a bar.
    """
    bars = [reference() for reference in tuple(_text_bars)]
    shown = [bar for bar in bars if bar is not None and not bar.disable and bar.fp == stream]
    for bar in shown:
        with suppress(Exception):
            bar.clear(nolock=True)
    yield
    for bar in shown:
        with suppress(Exception):
            bar.refresh(nolock=True)


def _with_own_format(bar_type: type[Any]) -> type[Any]:
    """Return a subclass of a tqdm class that shows thousands separators in counts, and rates in units per second."""
    return type("Bar", (_OwnFormat, bar_type), {})


class _OwnFormat:
    """Mixin for tqdm classes that adds the fields of the bar format to `format_dict`."""

    def __del__(self) -> None:
        # If `__init__` has failed, the object is incomplete, and `__del__` of tqdm raises an error.
        # This error is ignored.
        with suppress(Exception):
            super().__del__()  # type: ignore[misc]  # The other base class is a tqdm class.

    @property
    def format_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().format_dict  # type: ignore[misc]  # The other base class is a tqdm class.
        rate, seconds = facts["rate"], facts["elapsed"]
        if rate is None and seconds:
            rate = (facts["n"] - facts["initial"]) / seconds
        facts |= {"bar_format": _FORMAT_WITHOUT_TOTAL, "count": f"{facts['n']:,}"}
        # The rate is displayed without its unit, because the unit is already next to the count.
        # With longer text, a terminal with 80 columns would have no space for the bar.
        facts["speed"] = f"{_format_rate(rate)}/s"
        if facts["total"]:
            facts |= {"bar_format": _FORMAT, "expected": f"{facts['total']:,}"}
        if hasattr(self, "container"):
            # A widget shows text on both sides of its bar.
            # `ncols` is None, so that the text is not cut to the width of the kernel's terminal.
            facts |= {
                "ncols": None,
                "bar_format": facts["bar_format"].replace("{desc}: {count}", "{desc}:{bar} {count}"),
            }
        return facts


def _format_rate(rate: float | None) -> str:
    if rate is None:
        return "?"
    if rate < _MAX_RATE_WITH_DECIMAL:
        return f"{rate:.1f}"
    return f"{rate:,.0f}"


def _set_total(bar: Any, total: int) -> None:
    """
    Set the total of a tqdm bar without changing its count or its start time.

    The widget of a notebook changes its range and its color only in `reset`, which also resets the count and the
    start time. Therefore, both are restored afterwards.
    """
    if not hasattr(bar, "container"):  # Only widgets have the attribute `container`.
        bar.total = total
        bar.refresh()
        return
    done, started = bar.n, bar.start_t
    bar.reset(total=total)
    bar.n = bar.last_print_n = done
    bar.start_t = started
    bar.refresh()


def _discard(bar: Any) -> None:
    """Disable a bar that has failed, so that tqdm writes nothing when the bar is deleted."""
    with suppress(Exception):
        bar.disable = True


def _is_interactive() -> bool:
    """Return True in a notebook, or if stderr is a terminal. A missing or closed stderr is not a terminal."""
    if in_notebook():
        return True
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # sys.stderr is None, closed, or an object without the method isatty.
        return False


def in_notebook() -> bool:
    """Return True if the code runs in a notebook kernel."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    return type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"
