"""Checks of what a caller passes that many files need, and how much of it an error may repeat."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr


def as_list(values: Iterable[Any], name: str) -> list[Any]:
    """
    The values as a list; one text is refused, since its letters would be taken for values.

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
    Refuse a value of another type, with what came.

    >>> check_type("vip", str, "group")
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def check_text(value: object, name: str) -> None:
    """
    Refuse what is no text, or text that no file can hold, as a name typed in another encoding may become.

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
    Refuse what is not a share above 0 and at most 1, with what came.

    >>> check_share(0.9, "target")
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InputError(f"{name}={safe_repr(value)} is not a share above 0 and at most 1; 90 % is 0.9.")
