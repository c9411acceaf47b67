"""Check the numeric options of a client, wherever they come from."""

from __future__ import annotations

from frgroups.errors import InputError

MAX_OPTION = 1_000_000
INTEGER_OPTIONS = ("page_size", "workers")
NUMBER_OPTIONS = (*INTEGER_OPTIONS, "requests_per_second", "timeout")


def check_client_option(name: str, value: object) -> None:
    """
    Raise InputError unless an option is a positive number of at most 1,000,000.

    >>> check_client_option("workers", 4)
    """
    kinds, noun = (int | float), "number"
    if name in INTEGER_OPTIONS:
        kinds, noun = int, "integer"
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value <= MAX_OPTION:
        raise InputError(f"`{name}` must be a positive {noun} of at most {MAX_OPTION:,}, got {value!r}.")
