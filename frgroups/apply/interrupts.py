"""
Handle Ctrl-C, SIGTERM, and SIGHUP while a plan is applied.

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

# Signals that are handled in addition to SIGINT, because by default they end the process before a receipt is written.
# A closed terminal or SSH connection sends SIGHUP.
# Windows does not have SIGHUP.
TERMINATION_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """
    Yield an event that is set by the first Ctrl-C, SIGTERM, or SIGHUP, so that the current request can finish.

    A second signal has its original effect, for example it raises KeyboardInterrupt. A nested call yields the same
    event, so that one signal stops all plans in a queue. Python installs signal handlers only in the main thread.
    Therefore, if the function is called in another thread, no signal sets the event. Two kinds of signals do not set
    the event: signals that the process ignores, for example because of nohup, and signals with a handler that was not
    installed by Python.
    """
    outer = _stop_event.get()
    if outer is not None:
        yield outer
        return
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *TERMINATION_SIGNALS)}
    before = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def set_stop(_signum: int, _frame: Any) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, set_stop)
    token = _stop_event.set(stop)
    try:
        yield stop
    finally:
        _stop_event.reset(token)
        restore()
