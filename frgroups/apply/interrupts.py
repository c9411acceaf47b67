"""Ctrl-C while a plan is applied: the first one ends the run in order, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_waiting: ContextVar[threading.Event | None] = ContextVar("_waiting", default=None)


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """
    Sets the event at the first Ctrl-C, so that the request in flight can end; a second one interrupts at once.

    Within another one it is the same event: who applies many plans stops all of them. In other threads than the
    main one nobody presses Ctrl-C, and nothing is set, nor where a program around Python listens to it itself.
    """
    if (outer := _waiting.get()) is not None:
        yield outer
        return
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield stop
        return

    def first(_signum: int, _frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    token = _waiting.set(stop)
    try:
        yield stop
    finally:
        _waiting.reset(token)
        signal.signal(signal.SIGINT, before)
