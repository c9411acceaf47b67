"""Validate the access tokens of a client, and request a token from a callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frgroups.errors import FrgroupsError, InputError, TokenCommandError
from frgroups.internals.redaction import HiddenText


def check_token(token: Any) -> HiddenText:
    """
    Validate a token, and remove surrounding whitespace and the prefix "Bearer".

    Raises
    ------
    InputError
        The value is not a string of printable ASCII characters. The error does not contain the value.
    """
    if isinstance(token, str):
        text = token.strip()
        if text and text.isascii() and text.isprintable():
            return HiddenText(text.removeprefix("Bearer ").lstrip())
    if token is None or not str(token).strip():
        raise InputError("The token is missing. Set FRGROUPS_TOKEN, or pass a token or a callable that returns one.")
    problem = f"got {type(token).__name__}"
    if isinstance(token, str):
        problem = "but the text contains other characters, such as a line break. Copy the token again"
    raise InputError(f"`token` must be a string of printable ASCII characters, {problem}.")


def request_token(source: Callable[[], str]) -> HiddenText:
    """
    Call a function that returns a token, and validate the token.

    If the function raises an exception from another library, the error contains only the exception type, because the
    message of the exception can contain the token or a password.

    Raises
    ------
    TokenCommandError
        The function raised an exception that is not an error of frgroups.
    InputError
        The result is not a valid token.
    """
    kind = ""
    try:
        token: Any = source()
    except FrgroupsError:
        raise
    except Exception as error:
        kind = type(error).__name__
    if not kind:
        if isinstance(token, str) and token.strip():
            return check_token(token)
        returned = "an empty string" if isinstance(token, str) else type(token).__name__.replace("NoneType", "None")
        raise InputError(f"The token callable returned {returned}. It must return the token as a string.")
    raise TokenCommandError(
        f"The callable that returns the token raised {kind}. The message of the exception is not shown, because it "
        "can contain the token. To see the message, call the function directly."
    )
