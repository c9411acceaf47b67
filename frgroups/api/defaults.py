"""Default values and validation of the client options. This module does not import an HTTP library."""

from __future__ import annotations

from typing import Final

from frgroups.internals.validation import check_number

PAGE_SIZE: Final = 500
"""Number of customers or groups that a client requests per page."""

WORKERS: Final = 4
"""Maximum number of concurrent requests of a client."""

REQUESTS_PER_SECOND: Final = 20.0
"""Default rate limit for a server on another machine, in requests per second."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
"""Default port of each URL scheme."""

MAX_OPTION = 1_000_000
INTEGER_OPTIONS = ("page_size", "workers")
NUMBER_OPTIONS = (*INTEGER_OPTIONS, "requests_per_second", "timeout")


def check_client_option(name: str, value: object) -> None:
    """
    Raise InputError if a client option is not a positive number of at most 1,000,000.

    Examples
    --------
    >>> check_client_option("workers", 4)
    """
    check_number(value, name, above=0, at_most=MAX_OPTION, whole=name in INTEGER_OPTIONS)
