"""Customers by rules over their attributes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import joined
from frgroups.errors import InputError
from frgroups.internals.redaction import mask_explicit_contacts, safe_repr
from frgroups.internals.typing import BoolArray
from frgroups.snapshot.snapshot import Snapshot

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


Rule = str | pd.Series | Callable[[pd.DataFrame], pd.Series]


def segment(
    snapshot: Snapshot, rules: Mapping[str, Rule], *, attributes: pd.DataFrame | None = None
) -> dict[str, list[str]]:
    """
    The customers that should be in each group by a rule over what is known of them; feed it to a plan.

    Parameters
    ----------
    snapshot
        Whose `customers` the rules look at: customers in no group of the tenant cannot be chosen.
    rules
        {group: rule}. The groups are passed on as they are. A rule is one of

        - a text that compares columns: ``"credit_limit > 0 and country_code == 'NO'"``. It may hold the operators
          ``< <= == != >= >``, ``in``, ``not in``, ``and``, ``or``, ``not`` and those of arithmetic; the methods isna,
          notna, isin, between, fillna and abs; ``.str.`` startswith, endswith, contains, lower, upper, strip and
          len; ``.dt.`` year, quarter, month, day, dayofweek, hour and days. Nothing else of pandas or Python, so
          that rules may be kept in a file. Dates are compared in UTC and written without a zone:
          ``"created_at >= '2026-01-01'"``. A column whose name is no word stands in backticks.
        - a boolean Series, on the index of `snapshot.customers` or on customer uids
        - a callable that takes the customers and returns such a Series

        A missing result counts as False. Beware, as in pandas, ``country_code != 'NO'`` is true for a
        customer without a country; add ``and country_code.notna()``.
    attributes
        A table of your own with a row per customer, on an index or a column of customer uids, whose columns the
        rules may use as well; missing for whom it has no row. Customers that the snapshot has not seen are left out.

    Returns
    -------
    dict
        {group: list of customer uids, in uid order}.

    Raises
    ------
    InputError
        A rule that cannot be evaluated or is not boolean; the message names it and the columns there are. A table
        that has a customer twice, or a column that the customers have.

    >>> chosen = segment(sample_snapshot(), {"vip": "credit_limit > 0 and country_code == 'SE'"})
    >>> chosen["vip"]
    ['c-125', 'c-225', 'c-25']
    >>> visits = pd.DataFrame({"visits": [9, 4]}, index=["c-1", "c-7"])
    >>> segment(sample_snapshot(), {"regulars": "visits > 5"}, attributes=visits)
    {'regulars': ['c-1']}
    """
    if not isinstance(snapshot, Snapshot):
        raise InputError(f"segment looks at a Snapshot's customers, not at {type(snapshot).__name__}.")
    if not isinstance(rules, Mapping):
        raise InputError(f"rules is a mapping of group to rule, not {type(rules).__name__}.")
    customers = joined(snapshot, attributes)
    uids = customers["customer_uid"]
    return {group: sorted(uids[_chosen(customers, group, rule)]) for group, rule in rules.items()}


def _chosen(customers: pd.DataFrame, group: str, rule: Rule) -> BoolArray:
    try:
        if isinstance(rule, str):
            answer = evaluate_rule(rule, customers)
        else:
            answer = rule(customers.copy()) if callable(rule) else rule
    except Exception as error:
        columns, why = ", ".join(map(str, customers.columns)), mask_explicit_contacts(str(error))
        raise InputError(
            f"The rule of {group!r}, {_shown(rule)}, cannot be evaluated: {why}. The columns are {columns}.",
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
    return _aligned(answer.astype("boolean").fillna(False), customers, group)


def _aligned(answer: pd.Series, customers: pd.DataFrame, group: str) -> BoolArray:
    """The answer in the order of the customers, whether it stands on their index or on their uids."""
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
        return repr(mask_explicit_contacts(rule))
    return str(getattr(rule, "__name__", None) or type(rule).__name__)


def evaluate_rule(rule: str, customers: pd.DataFrame) -> Any:
    """
    What the rule gives for these customers; raises InputError when something stands in it that may not.

    >>> evaluate_rule("credit_limit > 0 and country_code == 'SE'", sample_snapshot().customers).sum()
    np.int64(3)
    >>> evaluate_rule("country_code.to_csv('x.csv')", sample_snapshot().customers)
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
                raise InputError(f"{told} holds {kind}, and {safe_repr(given)} is text")


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
