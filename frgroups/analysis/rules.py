"""
A rule on customers as text: what may stand in it, and its answer for each customer.

A rule may come from a file or a form, and pandas would let it write files and reach into Python. So it is parsed
here, everything that is not on a short list is refused, and what was checked is what pandas is given.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.inputs import shown

_METHODS = {"isna", "notna", "isin", "between", "fillna", "abs"}
_OF_TEXT = {"startswith", "endswith", "contains", "lower", "upper", "strip", "len"}
_OF_MOMENTS = {"year", "quarter", "month", "day", "dayofweek", "hour", "days"}
_NODES = (
    *(ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Load, ast.Name),
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Invert, ast.USub),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
    *(ast.BinOp, ast.BitAnd, ast.BitOr, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
    *(ast.Call, ast.keyword, ast.Attribute),
)
# A text, or a name between backticks.
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")


def answer_of(rule: str, customers: pd.DataFrame) -> Any:
    """
    What the rule gives for these customers; raises InputError when something stands in it that may not.

    >>> answer_of("credit_limit > 0 and country_code == 'SE'", sample_snapshot().customers).sum()
    np.int64(3)
    >>> answer_of("country_code.to_csv('x.csv')", sample_snapshot().customers)
    Traceback (most recent call last):
    frgroups.errors.InputError: .to_csv is not for rules; there are abs, between, fillna, isin, isna, ...
    """
    text, aliases = _without_backticks(rule.strip(), customers)
    tree = _parsed(text)
    for node in ast.walk(tree):
        _check(node, aliases.keys() | set(customers.columns))
    frame = customers.assign(**{alias: customers[name] for alias, name in aliases.items()})
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            _check_kinds([node.left, *node.comparators], frame, aliases)
        elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitAnd | ast.BitOr):
            _check_kinds([node.left, node.right], frame, aliases)
    try:
        return _in_utc(frame).eval(ast.unparse(tree), engine="python", local_dict={}, global_dict={})
    except TypeError as error:  # In the words of numpy or pandas, of their own types.
        raise InputError(
            "it puts values together of kinds that do not go together, as a number and a text"
        ) from error


def _parsed(text: str) -> ast.Expression:
    try:
        return ast.parse(text, mode="eval")
    except SyntaxError as error:
        hint = "; equality is written ==" if re.search(r"[^=!<>]=[^=]", text) else ""
        raise InputError(f"it is no comparison of columns with values ({error.msg}){hint}") from None


def _without_backticks(rule: str, customers: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The rule with a plain name for each name between backticks, and what the plain names stand for."""
    aliases: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        text, name = match.groups()
        if text is not None:
            return str(text)
        if name not in customers:
            raise InputError(f"no column is named `{name}`")
        alias = f"quoted_{len(aliases)}"
        while alias in customers:
            alias += "_"
        aliases[alias] = name
        return alias

    return _QUOTED.sub(plain, rule), aliases


def _check(node: ast.AST, names: set[Any]) -> None:
    if not isinstance(node, _NODES):
        raise InputError(
            f"{type(node).__name__} is not for rules, which compare columns with values: < <= == != >= > in, "
            "not in, and, or, not, & | ~, + - * / // %"
        )
    match node:
        case ast.Name(id=name) if name not in names:
            raise InputError(f"name {name!r} is no column")
        case ast.Call(func=function) if not isinstance(function, ast.Attribute):
            raise InputError("a function is not for rules; give a callable instead of a text for more")
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="str"), attr=name)):
            _allowed(name, _OF_TEXT)
        case ast.Call(func=ast.Attribute(attr=name)):
            _allowed(name, _METHODS)
        case ast.Attribute(value=ast.Attribute(attr="dt"), attr=name):
            _allowed(name, _OF_MOMENTS)
        case ast.Attribute(attr=name):
            _allowed(name, _METHODS | _OF_TEXT | {"str", "dt"})


def _check_kinds(compared: list[ast.expr], frame: pd.DataFrame, aliases: dict[str, str]) -> None:
    """Refuse a column of numbers beside a text, and one of text beside a number: no customer would ever fit."""
    for sides in pairwise(compared):
        for name, value in (sides, sides[::-1]):
            if not isinstance(name, ast.Name):
                continue
            kind = _kind_of(frame[name.id])
            listed = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            given = next((one.value for one in listed if isinstance(one, ast.Constant)), None)
            told = aliases.get(name.id, name.id)
            if kind == "text" and isinstance(given, int | float):
                raise InputError(f"{told} is text, and {given!r} is none; text stands in quotes: {str(given)!r}")
            if kind != "text" and kind and isinstance(given, str):
                raise InputError(f"{told} holds {kind}, and {shown(given)} is text")


def _kind_of(column: pd.Series) -> str:
    """What a column holds, in words; "" where its dtype does not tell."""
    if isinstance(column.dtype, pd.StringDtype):
        return "text"
    if pd.api.types.is_bool_dtype(column):
        return "true or false"
    return "numbers" if pd.api.types.is_numeric_dtype(column) else ""


def _allowed(name: str, there: set[str]) -> None:
    if name not in there:
        listed = ", ".join(sorted(there))
        raise InputError(f".{name} is not for rules; there are {listed}, and a callable for more")


def _in_utc(customers: pd.DataFrame) -> pd.DataFrame:
    # A query cannot compare text with a column that has a time zone.
    zoned = customers.select_dtypes("datetimetz")
    return customers.assign(**{str(name): zoned[name].dt.tz_convert(None) for name in zoned})
