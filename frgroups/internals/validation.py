"""Validate arguments, and raise InputError with the same wording for the same problem."""

from __future__ import annotations

import numbers
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from frgroups.errors import InputError
from frgroups.internals.formatting import escape_invisible, format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.similar_text import clean_text
from frgroups.internals.suggestions import expression_hints

_TYPE_NAMES: dict[type, str] = {str: "a string", int: "an integer", bool: "True or False", dict: "a dictionary"}


def as_list(values: Iterable[Any], name: str) -> list[Any]:
    """
    Convert the values of an argument to a list.

    A string is rejected, because it would be converted to a list of its characters. A dictionary is
    rejected, because its values would be ignored. For example, {uid: False} would select the uid.

    Examples
    --------
    >>> as_list(("a", "b"), "groups")
    ['a', 'b']
    >>> as_list("ab", "groups")
    Traceback (most recent call last):
        ...
    frgroups.errors.InputError: `groups` must be a list, got the string 'ab'. Pass ['ab'].
    """
    if isinstance(values, str):
        hint, cli_hint = expression_hints(values)
        raise InputError(
            f"`{name}` must be a list, got the string {safe_repr(values)}.",
            hint=hint or f"Pass [{safe_repr(values)}].",
            cli_hint=cli_hint or None,
        )
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise wrong_type(values, name, "a list")
    return list(values)


def wrong_type(value: object, name: str, expected: str, *, hint: str = "") -> InputError:
    """
    Return the error for an argument of the wrong type.

    Parameters
    ----------
    value
        The rejected value. The message contains only its type, because the value can be personal data.
    name
        Name of the argument.
    expected
        The accepted types, with an article.
    hint
        Sentence that states which value to pass instead.

    Examples
    --------
    >>> print(wrong_type({}, "limits", "a Limits object", hint="Use fg.Limits(...)."))
    `limits` must be a Limits object, got dict. Use fg.Limits(...).
    """
    kind = type(value)
    # Several packages have a class DataFrame.
    package = kind.__module__.partition(".")[0]
    got = f"{package}.{kind.__name__}" if kind.__name__ == "DataFrame" and package != "pandas" else kind.__name__
    return InputError(f"`{name}` must be {expected}, got {got}.", hint=hint)


def check_type(value: object, kind: type, name: str) -> None:
    """
    Raise InputError if a value is not an instance of `kind`.

    Examples
    --------
    >>> check_type("vip", str, "group")
    >>> check_type(7, str, "group")
    Traceback (most recent call last):
        ...
    frgroups.errors.InputError: `group` must be a string, got int.
    """
    if not isinstance(value, kind):
        expected = _TYPE_NAMES.get(kind, f"a {kind.__name__}")
        raise wrong_type(value, name, expected)


def check_choice(value: object, name: str, choices: Iterable[object]) -> None:
    """
    Raise InputError if a value is not one of the allowed choices.

    Examples
    --------
    >>> check_choice("uid", "labels", ["uid", "name"])
    >>> check_choice("code", "labels", ["uid", "name"])
    Traceback (most recent call last):
        ...
    frgroups.errors.InputError: `labels` must be 'uid' or 'name', got 'code'.
    """
    accepted = list(choices)
    # A NumPy integer or an instance of a subclass of str is accepted if it is equal to one of the choices.
    # A bool does not match a number, although True equals 1.
    is_scalar = value is None or isinstance(value, str | numbers.Number)
    if not is_scalar or not any(
        value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in accepted
    ):
        listed = format_list([repr(choice) for choice in accepted], conjunction="or")
        raise InputError(f"`{name}` must be {listed}, got {safe_repr(value)}.")


def check_unique_column(columns: Sequence[object], column: str, name: str) -> None:
    """Raise InputError if several columns of a table have the same name. `name` is the name of the argument."""
    n = sum(isinstance(other, str) and other == column for other in columns)
    if n > 1:
        raise InputError(f"`{name}` has {n} columns with the name {column!r}. Remove or rename all but one.")


def check_columns(columns: Iterable[object], required: Iterable[str], name: str) -> None:
    """
    Raise InputError if a table lacks a required column.

    Parameters
    ----------
    columns
        Column names of the table.
    required
        Column names that the table must have.
    name
        Name of the argument that contains the table.

    Examples
    --------
    >>> check_columns(["customer_uid"], ["customer_uid"], "attributes")
    >>> check_columns(["uid", "city"], ["customer_uid"], "attributes")
    Traceback (most recent call last):
        ...
    frgroups.errors.InputError: `attributes` needs a column 'customer_uid'. Its columns are 'uid' and 'city'.
    """
    present = list(columns)
    # A column label can be pd.NA, and a comparison of pd.NA with a string is neither True nor False.
    # Therefore, only strings are compared.
    texts = {column for column in present if isinstance(column, str)}
    missing = [column for column in required if column not in texts]
    if missing:
        noun = "a column" if len(missing) == 1 else "the columns"
        needed = format_list([repr(column) for column in missing])
        listed = format_list([safe_repr(column) for column in present]) or "none"
        raise InputError(f"`{name}` needs {noun} {needed}. Its columns are {listed}.")


def check_text(value: object, name: str) -> None:
    """
    Raise InputError if a value is not a string or cannot be encoded in UTF-8.

    Examples
    --------
    >>> check_text("Black Week", "name")
    """
    check_type(value, str, name)
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"`{name}` must be valid UTF-8 text, got {safe_repr(value)}. Remove the character "
            f"{error.object[error.start]!a}."
        ) from error


def name_problem(name: str) -> str:
    r"""
    Return the reason why a string cannot be a person's name, or "" if the name is valid.

    A name must contain a visible letter or digit, so that readers can identify the person. It must not contain line
    breaks, control characters, or invisible format characters, because such characters can change how the surrounding
    text is displayed.

    Examples
    --------
    >>> name_problem("Kari Nordmann"), name_problem("\u200b")
    ('', 'needs at least one letter or digit')
    """
    if not any(unicodedata.category(character)[0] in "LN" for character in clean_text(name)):
        return "needs at least one letter or digit"
    if escape_invisible(name) != name:
        return f"must not contain invisible characters or line breaks, got {escape_invisible(name[:80])}"
    return ""


def check_share(value: object, name: str) -> None:
    """
    Raise InputError if a value is not a share, which is a number above 0 and at most 1.

    Examples
    --------
    >>> check_share(0.9, "target")
    """
    try:
        check_number(value, name, above=0, at_most=1)
    except InputError as error:
        raise InputError(f"{error.message} For 90%, pass 0.9.") from None


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
        Value to check. Numbers of Python and NumPy are accepted, but booleans and NaN are rejected.
    name
        Name of the argument for the error message.
    at_least, above, at_most
        Inclusive lower bound, exclusive lower bound, and inclusive upper bound. None means no bound.
    whole
        Whether the value must be an integer.

    Examples
    --------
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
