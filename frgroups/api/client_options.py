"""Check the numeric options of a client, wherever they come from."""

from __future__ import annotations

from frgroups.internals.validation import check_number

MAX_OPTION = 1_000_000
INTEGER_OPTIONS = ("page_size", "workers")
NUMBER_OPTIONS = (*INTEGER_OPTIONS, "requests_per_second", "timeout")


def check_client_option(name: str, value: object) -> None:
    """
    Raise InputError unless an option is a positive number of at most 1,000,000.

    >>> check_client_option("workers", 4)
    """
    check_number(value, name, above=0, at_most=MAX_OPTION, whole=name in INTEGER_OPTIONS)
