"""Logging filter that removes the content of responses from the debug log of httpcore."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class EventNamesOnly(logging.Filter):
    """
    Logging filter that reduces each debug record of httpcore to its event name.

    The removed part of a record contains headers and exception messages, which can quote personal data from a
    response. The filter is active only in threads that are sending a request for frgroups.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Activate the filter for the log records of the current thread."""
        self._thread.active = True
        try:
            yield
        finally:
            self._thread.active = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the message of a log record, and return True so that the record is logged."""
        if getattr(self._thread, "active", False):
            record.msg, record.args = record.getMessage().partition(" ")[0], ()
        return True
