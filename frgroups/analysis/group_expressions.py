"""Evaluate set expressions over groups, such as "VIP & loyalty - staff"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.typing import BoolArray
from frgroups.internals.validation import check_type
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix

_PRECEDENCE = {"-": 4, "&": 3, "^": 2, "|": 1}
_OPERATIONS: dict[str, Callable[[BoolArray, BoolArray], BoolArray]] = {
    "-": lambda a, b: a & ~b,
    "&": np.logical_and,
    "^": np.logical_xor,
    "|": np.logical_or,
}
_QUOTES = "'\"`"


def members(data: Any, expression: str) -> pd.Index:
    """
    Return the customers selected by a set expression over groups.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    expression
        Groups, by uid or unique name, combined by parentheses and the operators of Python sets. The operators are
        listed in order of decreasing precedence. Operators of equal precedence are evaluated from left to right.

        - ``a - b``: customers in a but not in b
        - ``a & b``: customers in both groups
        - ``a ^ b``: customers in exactly one of the groups
        - ``a | b``: customers in at least one of the groups

        A ``-`` is an operator if there are spaces on both sides, or if it is next to a parenthesis or a quoted name.
        Otherwise it is part of a name, as in ``c-1`` or in a UUID. Enclose names that contain an operator or a
        parenthesis in single quotes, double quotes, or backticks.

    Returns
    -------
    Index
        The sorted customer uids (`str`). The name of the Index is customer_uid.

    Raises
    ------
    InputError
        If the expression is not valid. The attribute `position` is the position of the error, counted from 1.
    GroupNotFoundError
        If a group is unknown, or its name is not unique. The attribute `close` contains similar names.

    See Also
    --------
    region_members : Select customers by groups to include and to exclude.

    Examples
    --------
    >>> list(members(sample_snapshot(), "VIP & 'All members' - staff"))
    ['c-1', 'c-2']
    >>> members(sample_snapshot(), "VIP & & staff")
    Traceback (most recent call last):
    frgroups.errors.InputError: Expected a group or '(' at character 7, got '&'. The operators are ...
      VIP & & staff
            ^
    """
    check_type(expression, str, "expression")
    matrix = as_membership_matrix(data)
    return matrix.customer_uids[_evaluate(matrix, expression)].rename("customer_uid")


class _Token(NamedTuple):
    """A token of a set expression: an operator, a parenthesis, a group, or the end of the expression."""

    kind: str  # The kind is an operator, a parenthesis, "group", or "end".
    text: str
    start: int


def _evaluate(matrix: MembershipMatrix, expression: str) -> BoolArray:
    """
    Evaluate a set expression and return a mask that is True for each selected customer.

    The tokens are processed from left to right with a stack of pending operators (shunting-yard algorithm).
    """
    values: list[BoolArray] = []
    operators: list[_Token] = []
    wants_group = True
    for token in _split_tokens(expression):
        if wants_group:
            if token.kind == "(":
                operators.append(token)
            elif token.kind == "group":
                values.append(_member_mask(matrix, token, expression))
                wants_group = False
            else:
                raise _unexpected_token("a group or '('", token, expression)
            continue
        while operators and _PRECEDENCE.get(operators[-1].kind, 0) >= _PRECEDENCE.get(token.kind, 1):
            right, left = values.pop(), values.pop()
            values.append(_OPERATIONS[operators.pop().kind](left, right))
        if token.kind in _PRECEDENCE:
            operators.append(token)
            wants_group = True
        elif token.kind == ")" and operators:
            operators.pop()
        elif token.kind == "end" and operators:
            raise _unclosed("(", operators[-1].start, expression)
        elif token.kind != "end":
            expected = "an operator (- & ^ |)"
            if operators:
                expected += " or ')'"
            raise _unexpected_token(expected, token, expression)
    return values[0]


def _split_tokens(expression: str) -> Iterator[_Token]:
    """Split a set expression into operators, parentheses, and groups, and add an end token."""
    at, after_value = 0, False
    while at < len(expression):
        char = expression[at]
        if char.isspace():
            at += 1
        elif char in "&|^()" or (char == "-" and (after_value or _is_minus_operator(expression, at))):
            yield _Token(char, char, at)
            at, after_value = at + 1, char == ")"
        elif char in _QUOTES:
            end = expression.find(char, at + 1)
            if end < 0:
                raise _unclosed(char, at, expression)
            yield _Token("group", expression[at + 1 : end], at)
            at, after_value = end + 1, True
        else:
            end = at + 1
            while end < len(expression) and not _is_end_of_name(expression, end):
                end += 1
            yield _Token("group", expression[at:end].rstrip(), at)
            at, after_value = end, True
    yield _Token("end", "", len(expression))


def _is_minus_operator(expression: str, at: int) -> bool:
    """Return True if the `-` at a position is an operator, or False if it is part of a group name."""
    following = expression[at + 1 : at + 2]
    if following == "(" or (following and following in _QUOTES):
        return True
    before = expression[at - 1 : at] or " "
    return before.isspace() and (following or " ").isspace()


def _is_end_of_name(expression: str, at: int) -> bool:
    """Return True if the character at a position is an operator or a parenthesis."""
    return expression[at] in "&|^()" or (expression[at] == "-" and _is_minus_operator(expression, at))


_OPERATOR_HINT = (
    "The operators are & (in both groups), | (in at least one), - (in the first but not in the second), and ^ (in "
    "exactly one). Enclose a name that contains an operator or a parenthesis in double quotes."
)


def _member_mask(matrix: MembershipMatrix, token: _Token, expression: str) -> BoolArray:
    """Return a mask that is True for each customer in the group that a token refers to."""
    mask = np.zeros(matrix.n_customers, dtype=np.bool_)
    try:
        mask[matrix.member_codes(token.text)] = True
    except GroupNotFoundError as error:
        hint = ""
        if "-" in token.text:
            hint = "A minus sign is an operator only if there are spaces on both sides."
        if name := _find_longer_name(matrix, token, expression):
            hint = f'To use the group {name!r}, enclose its name in quotes: "{name}".'
        elif re.search(r"[+!(),∩∪]|\b(and|or|not|og|eller|och)\b", token.text):
            hint = f"{hint} {_OPERATOR_HINT}".strip()
        position = token.start + 1
        raise GroupNotFoundError(
            f"{error.message} The group name starts at character {position} of the expression {expression!r}.",
            hint=" ".join(filter(None, [error.hint, hint])),
            close=getattr(error, "close", []),
            position=position,
        ) from error
    return mask


def _find_longer_name(matrix: MembershipMatrix, token: _Token, expression: str) -> str | None:
    """Return the longest group name that starts with a token and is longer than the token, or None."""
    names = [str(name) for name in matrix.group_names if expression.startswith(str(name), token.start)]
    return max((name for name in names if len(name) > len(token.text)), key=len, default=None)


def _unexpected_token(expected: str, token: _Token, expression: str) -> InputError:
    """Return the error for a token that is not allowed at its position."""
    actual = "the end of the expression" if token.kind == "end" else repr(token.text)
    message = f"Expected {expected} at character {token.start + 1}, got {actual}"
    return _syntax_error(message, token.start, expression, hint=_OPERATOR_HINT)


def _unclosed(mark: str, at: int, expression: str) -> InputError:
    """Return the error for a parenthesis or a quote that is not closed."""
    return _syntax_error(f"The {mark} at character {at + 1} is not closed", at, expression)


def _syntax_error(message: str, at: int, expression: str, hint: str = "") -> InputError:
    """Return an error that shows the expression and marks the position of the problem."""
    heading = f"{message}. {hint}" if hint else f"{message}."
    line = re.sub(r"\s", " ", expression)
    return InputError(f"{heading}\n  {line}\n  {' ' * at}^", position=at + 1, expression=expression)
