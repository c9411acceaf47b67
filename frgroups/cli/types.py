"""Convert and check the values of options, and format texts for the terminal."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any, TypeVar

from frgroups.api.transport import checked_base_url
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.timestamps import parse_duration
from frgroups.plan.limits import Limits
from frgroups.store.snapshot_store import end_of_period

Number = TypeVar("Number", int, float)


def error_text(error: Exception) -> str:
    """
    Return the text of an error as the command line prints it.

    >>> error_text(InputError("The port is in use.", hint="Pass port=0.", cli_hint="Pass --port 0."))
    'The port is in use. Pass --port 0.'
    """
    return error.cli_text if isinstance(error, FrgroupsError) else str(error)


def readable(text: object) -> str:
    r"""
    A text of several lines as a terminal may show it: what would steer the terminal is made visible.

    >>> readable("one\ntwo \x1b[2K")
    'one\ntwo \\u001b[2K'
    """
    return "\n".join(escape_invisible(line) for line in str(text).split("\n"))


def duration(text: str) -> str:
    """A duration, left as it is written."""
    _check(parse_duration, text)
    return text


def moment(text: str) -> str:
    """A date or a moment, left as it is written."""
    _check(end_of_period, text)
    return text


def host(text: str) -> str:
    """stage, production or a URL, left as it is written."""
    _check(checked_base_url, text)
    return text


def filled(text: str) -> str:
    """A text that holds something."""
    if not text.strip():
        raise ArgumentTypeError("it is empty")
    return text


def limit(text: str) -> tuple[str, Any]:
    """
    NAME=VALUE: a limit and what it is to be.

    >>> limit("removal_share=none")
    ('removal_share', None)
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r}: write NAME=VALUE, such as removals_per_group=200")
    if name == "per_group":
        raise ArgumentTypeError("per_group has limits of its own, which only Python can say")
    found = (name, _limit_value(value))
    _check(Limits.from_dict, dict([found]))
    return found


def at_least(least: Number, most: Number | None = None) -> Callable[[str], Number]:
    """
    A number that is no smaller, and no larger where that is limited too.

    >>> at_least(1)("4"), at_least(0.0)("0.5")
    (4, 0.5)
    """
    kind = type(least)

    def number(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is no {'whole ' if kind is int else ''}number") from None
        if not value >= least or (most is not None and value > most):
            bounds = f"from {least:,} to {most:,}" if most is not None else f"{least:,} or more"
            raise ArgumentTypeError(f"{text}: it must be {bounds}")
        return value

    return number


def more_than_none(text: str) -> float:
    """A number above 0."""
    value = at_least(0.0)(text)
    if value == 0:
        raise ArgumentTypeError(f"{text}: it must be more than 0")
    return value


def _check(check: Callable[[Any], object], value: object) -> None:
    try:
        check(value)
    except InputError as error:
        raise ArgumentTypeError(error.cli_text) from error


def _limit_value(text: str) -> Any:
    if text.lower() == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
