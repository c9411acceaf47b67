"""Hide secrets in reprs and tracebacks, mask contact data in text, and shorten values for error messages."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Generic, TypeVar

from frgroups.errors import FrgroupsError

# A match must begin at the start of a word, so that the search time for a long word is not quadratic.
_ADDRESS = re.compile(r"(?<![^\s<>;,\"'])[^\s<>;,\"']+(?:@|%40)[^\s<>;,\"']+")

# A country code does not start with a zero. Therefore, "0000 0004", which can be an id with a space, does not match.
_PHONE = re.compile(r"(?:\+\d|\b00[ -]?[1-9])[\d ()./-]{5,}\d")

# A national phone number has at least seven digits, for example 987 65 432 or 070-123 45 67.
_NATIONAL_PHONE = re.compile(r"(?<![\w.,:+-])\(?\d(?:[ ()./-]{0,2}\d){6,14}(?![\w:]|[.,]\d)")

_DAY = re.compile(r"\d{4}-\d\d-\d\d")

_MAX_LENGTH = 60

Value = TypeVar("Value")


class HiddenText(str):
    """
    String with a repr that hides its content.

    The class is used for tokens, because tracebacks that include local variables show the repr of each variable.

    Examples
    --------
    >>> HiddenText("secret"), f"Bearer {HiddenText('secret')}"
    ('…', 'Bearer secret')
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


class HiddenBytes(bytes):
    """
    Bytes with a repr that hides their content, for the headers that contain a token or a password.

    Examples
    --------
    >>> HiddenBytes(b"secret")
    …
    """

    def __repr__(self) -> str:
        return "…"


class Hidden(Generic[Value]):
    """
    Container with a repr that hides its value, for example a function that returns a token.

    Examples
    --------
    >>> Hidden("secret"), Hidden("secret").value
    (…, 'secret')
    """

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "…"


@contextmanager
def without_local_variables() -> Iterator[None]:
    """
    Clear the local variables of each exception that is raised in the `with` block.

    Tools that display a traceback can also display the local variables of its frames, which contain the token, the
    request, and the response. This function keeps the frames of an exception and its chained exceptions, but removes
    their variables. An exception of frgroups loses its chained exceptions, because their messages can quote a
    response or a password. The variables of the function that contains the `with` block are kept, so this function
    must not store secrets. Exceptions that the caller was already handling before the block keep their variables,
    because they belong to the caller.

    Examples
    --------
    >>> with without_local_variables():
    ...     raise FrgroupsError("The request failed.") from ValueError("secret")
    Traceback (most recent call last):
    frgroups.errors.FrgroupsError: The request failed.
    """
    handled = handled_exception_ids()
    try:
        yield
    except BaseException as error:
        if isinstance(error, FrgroupsError):
            error.__cause__ = error.__context__ = None
            error.__suppress_context__ = True
        for chained in exception_chain(error, handled):
            traceback.clear_frames(chained.__traceback__)
        raise


def handled_exception_ids() -> frozenset[int]:
    """
    Return the ids of the exceptions that are being handled, including their chained exceptions.

    Python chains these exceptions to each exception that is raised later, although they are not its cause.

    Examples
    --------
    >>> handled_exception_ids()
    frozenset()
    """
    return frozenset(id(error) for error in exception_chain(sys.exception()))


def exception_chain(error: BaseException | None, excluded: Set[int] = frozenset()) -> Iterator[BaseException]:
    """
    Yield an exception and its chained exceptions, including suppressed ones and the members of exception groups.

    Parameters
    ----------
    error
        The exception, which is yielded first. None yields nothing.
    excluded
        Ids of chained exceptions to skip, together with the exceptions that are chained to them.

    Examples
    --------
    >>> error = ValueError("outer")
    >>> error.__context__ = KeyError("inner")
    >>> list(exception_chain(error))
    [ValueError('outer'), KeyError('inner')]
    """
    waiting = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen or (current is not error and id(current) in excluded):
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def safe_repr(value: object) -> str:
    """
    Return the repr of a value with masked contact data, shortened to 60 characters.

    For a table, a column, or an array, only the type is returned, because the values can be personal data.

    Examples
    --------
    >>> safe_repr("0150"), safe_repr("kari@example.org"), safe_repr(sample_snapshot().customers)
    ("'0150'", "'…@…'", '<DataFrame>')
    """
    if isinstance(value, str):
        value = mask_explicit_contacts(value)
    elif (hasattr(value, "shape") and value.shape != ()) or hasattr(value, "__arrow_c_stream__"):
        return f"<{type(value).__name__}>"
    representation = repr(value)
    if len(representation) > _MAX_LENGTH:
        return f"{representation[:_MAX_LENGTH]}… ({len(representation):,} characters)"
    return representation


def repr_id(value: str) -> str:
    """
    Return the repr of a cell in an id column. Cells with only letters, digits, "_", and "-" are not masked.

    An id such as 00000072-00000073 has the form of an international phone number. The id is not masked, because the
    reader of an error must be able to find the id in the list.

    Examples
    --------
    >>> repr_id("00000072-00000073"), repr_id("+4790000000"), repr_id("kari@example.org")
    ("'00000072-00000073'", "'+…'", "'…@…'")
    """
    if re.fullmatch(r"[\w-]+", value) and len(value) <= _MAX_LENGTH:
        return repr(value)
    return safe_repr(value)


def mask_contacts(text: str) -> str:
    """
    Mask email addresses and phone numbers in text from another system, such as a server message.

    Every sequence of digits that can be a phone number is masked, but dates are not masked.

    Examples
    --------
    >>> mask_contacts("no customer <kari@example.org>, +47 900 00 000 or 987 65 432, since 2026-11-03")
    'no customer <…@…>, +… or …, since 2026-11-03'
    """
    return _NATIONAL_PHONE.sub(_mask_unless_day, mask_explicit_contacts(text))


def mask_explicit_contacts(text: str) -> str:
    """
    Mask email addresses and international phone numbers in a string.

    Other sequences of digits are not masked, because they can be numeric uids.
    """
    return _PHONE.sub("+…", _ADDRESS.sub("…@…", text))


def _mask_unless_day(match: re.Match[str]) -> str:
    if _DAY.match(match[0]):
        return match[0]
    return "…"
