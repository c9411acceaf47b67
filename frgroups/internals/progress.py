"""A progress bar where somebody is looking: notebook, with or without ipywidgets, or terminal."""

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
    Shows how far a long job is.

    `show` is None (a bar in notebooks and terminals, nothing in scripts whose output goes to a file), True,
    False, or a callable that is told (text, done, total).

    >>> with Progress("Reading", unit="rows", show=lambda *news: print(*news)) as progress:
    ...     progress.expect(10)
    ...     progress.advance(4)
    Reading 0 10
    Reading 4 10
    """

    def __init__(self, text: str, *, unit: str, show: ProgressOption = None, total: int | None = None) -> None:
        self._text, self._unit = text, unit
        self._tell = show if callable(show) else None
        self._wanted = _somebody_looks() if show is None else bool(show) and self._tell is None
        self._done, self._total = 0, total
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self._wanted:
            bar, options = _bar_class()
            self._bar = bar(desc=self._text, unit=f" {self._unit}", total=self._total, leave=True, **options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, total: int) -> None:
        """Say how much there is in all."""
        self._total = total
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()
        self._news()

    def note(self, text: str) -> None:
        """What to say beside the bar, for who looks at it."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)

    def advance(self, n: int = 1) -> None:
        """Say that so much more is done."""
        self._done += n
        if self._bar is not None:
            self._bar.update(n)
        self._news()

    def _news(self) -> None:
        if self._tell is None:
            return
        try:
            self._tell(self._text, self._done, self._total)
        except StopIteration as error:
            # The loops that this is called from would take it for their own end, or for a fault of theirs.
            raise InputError(
                "The progress callback raised StopIteration, as next() does at the end of an iterator. To stop the "
                "work, raise another exception."
            ) from error


def _bar_class() -> tuple[Any, dict[str, Any]]:
    if in_notebook() and importlib.util.find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as widget_bar

        return widget_bar, {}
    from tqdm import tqdm as text_bar

    # Without ipywidgets a notebook shows stderr as if something had failed.
    return text_bar, {"file": sys.stdout if in_notebook() else sys.stderr}


def _somebody_looks() -> bool:
    return in_notebook() or sys.stderr.isatty()


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"
