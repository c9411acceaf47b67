"""Customers by set expressions over groups, and by rules over their attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.codes import Codes, codes_of
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot import Snapshot

Mask = npt.NDArray[np.bool_]
Rule = str | pd.Series | Callable[[pd.DataFrame], pd.Series]

_BINDS = {"-": 4, "&": 3, "^": 2, "|": 1}
_APPLY: dict[str, Callable[[Mask, Mask], Mask]] = {
    "-": lambda a, b: a & ~b,
    "&": np.logical_and,
    "^": np.logical_xor,
    "|": np.logical_or,
}
_QUOTES = "'\"`"


def members(data: Any, expression: str) -> pd.Index:
    """
    The customers that a set expression over groups describes, in uid order.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    expression
        Groups by uid or unique name, parentheses, and the operators of Python's sets, here with the one that
        binds closest first; equal ones go from left to right:

        - ``a - b``: in a and not in b
        - ``a & b``: in both
        - ``a ^ b``: in one of them, not in both
        - ``a | b``: in at least one

        A ``-`` is an operator when it stands between spaces, or beside a parenthesis or a quoted name;
        otherwise it belongs to the name, as in ``c-1`` or a UUID. A name that holds an operator or a
        parenthesis stands in quotes: ``'…'``, ``"…"`` or backticks.

    Returns
    -------
    Index
        Customer uids (`str`), named customer_uid.

    Raises
    ------
    InputError
        The expression cannot be read; `.position` counts characters from 1.
    GroupNotFoundError
        A group in it is unknown or its name is not unique; `.close` holds close matches.

    >>> list(members(sample_snapshot(), "VIP & 'All members' - staff"))
    ['c-1', 'c-2']
    >>> members(sample_snapshot(), "VIP & & staff")
    Traceback (most recent call last):
    frgroups.errors.InputError: Expected a group or '(' at character 7, found '&':
      VIP & & staff
            ^
    """
    if not isinstance(expression, str):
        raise InputError(f"A set expression is text like 'VIP & staff', not {type(expression).__name__}.")
    codes = codes_of(data)
    return codes.customer_uids[_value(codes, expression)].rename("customer_uid")


def segment(snapshot: Snapshot, rules: Mapping[str, Rule]) -> dict[str, list[str]]:
    """
    The customers that should be in each group by a rule over `snapshot.customers`; feed it to a plan.

    Parameters
    ----------
    snapshot
        Whose `customers` the rules look at: customers in no group of the tenant cannot be chosen.
    rules
        {group: rule}. The groups are passed on as they are. A rule is one of

        - a query as in `pandas.DataFrame.query`: ``"credit_limit > 0 and country_code == 'NO'"``; dates are
          compared in UTC and written without a zone: ``"created_at >= '2026-01-01'"``
        - a boolean Series, on the index of `snapshot.customers` or on customer uids
        - a callable that takes the customers and returns such a Series

        A missing result counts as False. Beware, as in pandas, ``country_code != 'NO'`` is true for a
        customer without a country; add ``and country_code.notna()``.

    Returns
    -------
    dict
        {group: list of customer uids, in uid order}.

    Raises
    ------
    InputError
        A rule that cannot be evaluated or is not boolean; the message names it and the columns there are.

    >>> chosen = segment(sample_snapshot(), {"vip": "credit_limit > 0 and country_code == 'SE'"})
    >>> chosen["vip"]
    ['c-125', 'c-225', 'c-25']
    """
    if not isinstance(snapshot, Snapshot):
        raise InputError(f"segment looks at a Snapshot's customers, not at {type(snapshot).__name__}.")
    if not isinstance(rules, Mapping):
        raise InputError(f"rules is a mapping of group to rule, not {type(rules).__name__}.")
    uids = snapshot.customers["customer_uid"]
    return {group: sorted(uids[_chosen(snapshot, group, rule)]) for group, rule in rules.items()}


class _Token(NamedTuple):
    kind: str  # an operator, a parenthesis, "group" or "end"
    text: str
    start: int


def _value(codes: Codes, expression: str) -> Mask:
    """Evaluates from left to right with a stack of operators that wait for what binds closer."""
    values: list[Mask] = []
    waiting: list[_Token] = []
    wants_group = True
    for token in _tokens(expression):
        if wants_group:
            if token.kind == "(":
                waiting.append(token)
            elif token.kind == "group":
                values.append(_mask(codes, token, expression))
                wants_group = False
            else:
                raise _unexpected("a group or '('", token, expression)
            continue
        while waiting and _BINDS.get(waiting[-1].kind, 0) >= _BINDS.get(token.kind, 1):
            right, left = values.pop(), values.pop()
            values.append(_APPLY[waiting.pop().kind](left, right))
        if token.kind in _BINDS:
            waiting.append(token)
            wants_group = True
        elif token.kind == ")" and waiting:
            waiting.pop()
        elif token.kind == "end" and waiting:
            raise _error("This '(' is never closed", waiting[-1].start, expression)
        elif token.kind != "end":
            expected = "an operator (- & ^ |)" + (" or ')'" if waiting else "")
            raise _unexpected(expected, token, expression)
    return values[0]


def _tokens(expression: str) -> Iterator[_Token]:
    at, after_value = 0, False
    while at < len(expression):
        char = expression[at]
        if char.isspace():
            at += 1
        elif char in "&|^()" or (char == "-" and (after_value or _is_minus(expression, at))):
            yield _Token(char, char, at)
            at, after_value = at + 1, char == ")"
        elif char in _QUOTES:
            end = expression.find(char, at + 1)
            if end < 0:
                raise _error(f"This {char} is never closed", at, expression)
            yield _Token("group", expression[at + 1 : end], at)
            at, after_value = end + 1, True
        else:
            end = at + 1
            while end < len(expression) and not _ends_name(expression, end):
                end += 1
            yield _Token("group", expression[at:end].rstrip(), at)
            at, after_value = end, True
    yield _Token("end", "", len(expression))


def _is_minus(expression: str, at: int) -> bool:
    """Whether the `-` here is an operator rather than part of a name."""
    following = expression[at + 1 : at + 2]
    if following == "(" or (following and following in _QUOTES):
        return True
    before = expression[at - 1 : at] or " "
    return before.isspace() and (following or " ").isspace()


def _ends_name(expression: str, at: int) -> bool:
    return expression[at] in "&|^()" or (expression[at] == "-" and _is_minus(expression, at))


def _mask(codes: Codes, token: _Token, expression: str) -> Mask:
    mask = np.zeros(codes.n_customers, dtype=np.bool_)
    try:
        mask[codes.member_codes(token.text)] = True
    except GroupNotFoundError as error:
        hint = " A minus sign is an operator with a space on both sides." if "-" in token.text else ""
        at = f"(character {token.start + 1} of {expression!r})"
        raise GroupNotFoundError(
            f"{error.message}{hint} {at}", close=getattr(error, "close", []), position=token.start + 1
        ) from error
    return mask


def _unexpected(expected: str, token: _Token, expression: str) -> InputError:
    found = "the end" if token.kind == "end" else repr(token.text)
    return _error(f"Expected {expected} at character {token.start + 1}, found {found}", token.start, expression)


def _error(message: str, at: int, expression: str) -> InputError:
    line = re.sub(r"\s", " ", expression)
    return InputError(f"{message}:\n  {line}\n  {' ' * at}^", position=at + 1, expression=expression)


def _chosen(snapshot: Snapshot, group: str, rule: Rule) -> Mask:
    customers = snapshot.customers
    try:
        if isinstance(rule, str):
            answer = _in_utc(customers).eval(rule, engine="python", local_dict={}, global_dict={})
        else:
            answer = rule(customers.copy()) if callable(rule) else rule
    except Exception as error:
        columns = ", ".join(customers.columns)
        raise InputError(
            f"The rule of {group!r}, {_shown(rule)}, cannot be evaluated: {error}. The columns are {columns}.",
            group=group,
        ) from error
    if not isinstance(answer, pd.Series) or pd.api.types.infer_dtype(answer, skipna=True) not in (
        "boolean",
        "empty",
    ):
        kind = f"a column of {answer.dtype}" if isinstance(answer, pd.Series) else type(answer).__name__
        raise InputError(
            f"The rule of {group!r}, {_shown(rule)}, gives {kind}; it must give true or false for each customer.",
            group=group,
        )
    return _aligned(answer.astype("boolean").fillna(False), snapshot, group)


def _in_utc(customers: pd.DataFrame) -> pd.DataFrame:
    # A query cannot compare text with a column that has a time zone.
    zoned = customers.select_dtypes("datetimetz")
    return customers.assign(**{str(name): zoned[name].dt.tz_convert(None) for name in zoned})


def _aligned(answer: pd.Series, snapshot: Snapshot, group: str) -> Mask:
    """The answer in the order of the customers, whether it stands on their index or on their uids."""
    customers = snapshot.customers
    if answer.index.equals(customers.index):
        return answer.to_numpy(dtype=np.bool_)
    where = pd.Index(customers["customer_uid"]).get_indexer(answer.index)
    if (unknown := int((where < 0).sum())) or answer.index.has_duplicates:
        found = f"{unknown:,} labels that are no customer uid" if unknown else "a uid more than once"
        raise InputError(
            f"The rule of {group!r} has {len(answer):,} rows for {len(customers):,} customers, with {found}; "
            "it must stand on the index of snapshot.customers, or on customer uids.",
            group=group,
        )
    mask = np.zeros(len(customers), dtype=np.bool_)
    mask[where] = answer.to_numpy(dtype=np.bool_)
    return mask


def _shown(rule: Rule) -> str:
    if isinstance(rule, str):
        return repr(rule)
    return str(getattr(rule, "__name__", None) or type(rule).__name__)
