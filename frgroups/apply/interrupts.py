"""Ctrl-C during an apply: the first one ends the run after the current request, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_stop_event: ContextVar[threading.Event | None] = ContextVar("_stop_event", default=None)


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """
    Yield an event that the first Ctrl-C sets, so that the current request can end; the second one interrupts at once.

    A nested call yields the same event, so that Ctrl-C stops all plans of a queue. Signal handlers can only be
    installed in the main thread; in other threads, or if a program that embeds Python handles the signal itself, the
    event is never set.
    """
    outer = _stop_event.get()
    if outer is not None:
        yield outer
        return
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield stop
        return

    def set_stop(_signum: int, _frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, set_stop)
    token = _stop_event.set(stop)
    try:
        yield stop
    finally:
        _stop_event.reset(token)
        signal.signal(signal.SIGINT, before)
