"""Progress bars for terminals and notebooks. The package ipywidgets is optional."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from frgroups.errors import InputError

ProgressOption = bool | Callable[[str, int, int | None], object] | None


class Progress:
    """
    Context manager that reports the progress of a long operation.

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
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self._shows_bar:
            bar, options = _bar_class()
            self._bar = bar(desc=self._text, unit=f" {self._unit}", total=self._total, leave=True, **options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, total: int) -> None:
        """Set the expected total count."""
        self._total = total
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()
        self._call_back()

    def note(self, text: str) -> None:
        """Show a note next to the progress bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)

    def advance(self, n: int = 1) -> None:
        """Increase the count by `n`."""
        self._done += n
        if self._bar is not None:
            self._bar.update(n)
        self._call_back()

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


def _bar_class() -> tuple[Any, dict[str, Any]]:
    if in_notebook() and importlib.util.find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as widget_bar

        return widget_bar, {}
    from tqdm import tqdm as text_bar

    if in_notebook():
        return text_bar, {"file": sys.stdout}  # Notebooks highlight text on stderr as an error.
    return text_bar, {"file": sys.stderr}


def _is_interactive() -> bool:
    return in_notebook() or sys.stderr.isatty()


def in_notebook() -> bool:
    """Return True if the code runs in a notebook kernel."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    return type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"
