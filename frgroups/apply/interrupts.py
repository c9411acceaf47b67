"""
Handle Ctrl-C while a plan is applied.

The first Ctrl-C ends the run after the current request. The second Ctrl-C interrupts the process immediately.
"""

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
    Yield an event that is set by the first Ctrl-C, so that the current request can finish.

    The second Ctrl-C raises KeyboardInterrupt. A nested call yields the same event, so that one Ctrl-C stops all
    plans in a queue. Python installs signal handlers only in the main thread. The event is never set in other threads
    or if the current signal handler was not installed by Python.
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
