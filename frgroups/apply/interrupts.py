"""
Handle Ctrl-C and SIGTERM while a plan is applied.

The first signal ends the run after the current request. A second signal interrupts the process immediately.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_stop_event: ContextVar[threading.Event | None] = ContextVar("_stop_event", default=None)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """
    Yield an event that is set by the first Ctrl-C or SIGTERM, so that the current request can finish.

    A second signal has the effect that it had before, for example KeyboardInterrupt. A nested call yields the same
    event, so that one signal stops all plans in a queue. Python installs signal handlers only in the main thread. The
    event is never set in other threads or if the current signal handler was not installed by Python.
    """
    outer = _stop_event.get()
    if outer is not None:
        yield outer
        return
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    if threading.current_thread() is not threading.main_thread() or None in before.values():
        yield stop
        return

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def set_stop(_signum: int, _frame: Any) -> None:
        stop.set()
        restore()

    for number in _SIGNALS:
        signal.signal(number, set_stop)
    token = _stop_event.set(stop)
    try:
        yield stop
    finally:
        _stop_event.reset(token)
        restore()
