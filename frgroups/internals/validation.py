"""Validate arguments."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr


def as_list(values: Iterable[Any], name: str) -> list[Any]:
    """
    Return the values as a list. A string is rejected, because its letters would become the values.

    >>> as_list(("a", "b"), "groups")
    ['a', 'b']
    """
    if isinstance(values, str):
        raise InputError(f"{name} takes several, not the text {safe_repr(values)}; write [{safe_repr(values)}].")
    if not isinstance(values, Iterable):
        raise InputError(f"{name} takes several, not a {type(values).__name__}.")
    return list(values)


def check_type(value: object, kind: type, name: str) -> None:
    """
    Raise InputError if a value is not an instance of `kind`.

    >>> check_type("vip", str, "group")
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def check_text(value: object, name: str) -> None:
    """
    Raise InputError if a value is not a string or cannot be encoded in UTF-8.

    >>> check_text("Black Week", "name")
    """
    check_type(value, str, name)
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name}={safe_repr(value)} holds a character that is half of one ({error.object[error.start]!a}), which "
            "no file or request can hold. Type it again."
        ) from error


def check_share(value: object, name: str) -> None:
    """
    Raise InputError if a value is not a number above 0 and at most 1.

    >>> check_share(0.9, "target")
    """
    try:
        check_number(value, name, above=0, at_most=1)
    except InputError as error:
        raise InputError(f"{error.message} For 90 %, pass 0.9.") from None


def check_number(
    value: object,
    name: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> None:
    """
    Raise InputError if a value is not a number within the given bounds.

    Parameters
    ----------
    value
        The value to check, of Python or NumPy. Booleans and NaN are rejected.
    name
        Name of the argument in the message.
    at_least, above, at_most
        Inclusive lower bound, exclusive lower bound and inclusive upper bound; None means unbounded.
    whole
        Whether only integers are valid.

    >>> check_number(4, "workers", above=0, whole=True)
    >>> check_number(0, "workers", above=0, whole=True)
    Traceback (most recent call last):
        ...
    frgroups.errors.InputError: `workers` must be a positive integer, got 0.
    """
    kind = numbers.Integral if whole else numbers.Real
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if (
        is_number
        and (at_least is None or value >= at_least)  # type: ignore[operator]
        and (above is None or value > above)  # type: ignore[operator]
        and (at_most is None or value <= at_most)  # type: ignore[operator]
        and value == value
    ):
        return
    noun = "integer" if whole else "number"
    article = "an" if whole else "a"
    bounds = []
    if above == 0:
        noun, article = f"positive {noun}", "a"
    elif above is not None:
        bounds.append(f"above {above:,}")
    if at_least is not None:
        bounds.append(f"at least {at_least:,}")
    if at_most is not None:
        bounds.append(f"at most {at_most:,}")
    limits = f" of {' and '.join(bounds)}" if bounds else ""
    raise InputError(f"`{name}` must be {article} {noun}{limits}, got {safe_repr(value)}.")
