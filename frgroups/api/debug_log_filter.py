"""Keep the content of responses out of the debug log of the HTTP library."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class EventNamesOnly(logging.Filter):
    """
    Reduce the debug records of httpcore to the event name while a thread sends a request for this package.

    The rest of these records contains headers and the text of exceptions, which can quote a response.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Apply the filter to the records of the current thread."""
        self._thread.active = True
        try:
            yield
        finally:
            self._thread.active = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the message of a record, and let the record pass."""
        if getattr(self._thread, "active", False):
            record.msg, record.args = record.getMessage().partition(" ")[0], ()
        return True
