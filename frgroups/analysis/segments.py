"""Segments: customers selected by rules over their attributes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import join_attributes
from frgroups.errors import InputError
from frgroups.internals.redaction import mask_explicit_contacts, safe_repr
from frgroups.internals.typing import BoolArray
from frgroups.internals.validation import check_type, wrong_type
from frgroups.snapshot.snapshot import Snapshot

_METHODS = {"isna", "notna", "isin", "between", "fillna", "abs"}

_TEXT_METHODS = {"startswith", "endswith", "contains", "lower", "upper", "strip", "len"}

_DATE_PARTS = {"year", "quarter", "month", "day", "dayofweek", "hour", "days"}

_NODES = (
    *(ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Load, ast.Name),
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Invert, ast.USub),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
    *(ast.BinOp, ast.BitAnd, ast.BitOr, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
    *(ast.Call, ast.keyword, ast.Attribute),
)

# A text in quotes, or a name in backticks.
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")


Rule = str | pd.Series | Callable[[pd.DataFrame], pd.Series]


def segment(
    snapshot: Snapshot, rules: Mapping[str, Rule], *, attributes: pd.DataFrame | None = None
) -> dict[str, list[str]]:
    """
    Return the customers that a rule over their attributes selects for each group, as input of a plan.

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

    Examples
    --------
    >>> chosen = segment(sample_snapshot(), {"vip": "credit_limit > 0 and country_code == 'SE'"})
    >>> chosen["vip"]
    ['c-125', 'c-225', 'c-25']
    >>> visits = pd.DataFrame({"visits": [9, 4]}, index=["c-1", "c-7"])
    >>> segment(sample_snapshot(), {"regulars": "visits > 5"}, attributes=visits)
    {'regulars': ['c-1']}
    """
    check_type(snapshot, Snapshot, "snapshot")
    if not isinstance(rules, Mapping):
        raise wrong_type(rules, "rules", "a mapping of groups to rules")
    customers = join_attributes(snapshot, attributes)
    uids = customers["customer_uid"]
    return {group: sorted(uids[_select_customers(customers, group, rule)]) for group, rule in rules.items()}


def _select_customers(customers: pd.DataFrame, group: str, rule: Rule) -> BoolArray:
    """Return True for each customer that the rule of a group selects."""
    try:
        if isinstance(rule, str):
            result = evaluate_rule(rule, customers)
        elif callable(rule):
            result = rule(customers.copy())
        else:
            result = rule
    except Exception as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}."
        raise InputError(
            f"The rule for group {group!r} cannot be evaluated. {mask_explicit_contacts(reason)} "
            f"The rule is {_describe_rule(rule)}. The columns are {', '.join(map(str, customers.columns))}.",
            group=group,
        ) from error
    if not _is_boolean(result):
        kind = f"a Series of dtype {result.dtype}" if isinstance(result, pd.Series) else type(result).__name__
        raise InputError(
            f"The rule for group {group!r} must return a Series of booleans, got {kind}. "
            f"The rule is {_describe_rule(rule)}.",
            group=group,
        )
    return _align_mask(result.astype("boolean").fillna(False), customers, group)


def _is_boolean(result: object) -> bool:
    """Return True for a Series of booleans or missing values."""
    return isinstance(result, pd.Series) and pd.api.types.infer_dtype(result, skipna=True) in ("boolean", "empty")


def _align_mask(mask: pd.Series, customers: pd.DataFrame, group: str) -> BoolArray:
    """Return a mask, which is indexed like the customers or by their uids, in the order of the customers."""
    if mask.index.equals(customers.index):
        return mask.to_numpy(dtype=np.bool_)
    positions = pd.Index(customers["customer_uid"]).get_indexer(mask.index)
    n_unknown = int((positions < 0).sum())
    if n_unknown or mask.index.has_duplicates:
        problem = "Its index contains a customer uid more than once."
        if n_unknown:
            problem = f"{n_unknown:,} of its {len(mask):,} index labels are not customer uids of the snapshot."
        raise InputError(
            f"The Series for group {group!r} must have the index of `snapshot.customers` or an index of customer "
            f"uids. {problem}",
            group=group,
        )
    aligned = np.zeros(len(customers), dtype=np.bool_)
    aligned[positions] = mask.to_numpy(dtype=np.bool_)
    return aligned


def _describe_rule(rule: Rule) -> str:
    if isinstance(rule, str):
        return repr(mask_explicit_contacts(rule))
    return str(getattr(rule, "__name__", None) or type(rule).__name__)


def evaluate_rule(rule: str, customers: pd.DataFrame) -> Any:
    """
    Return the result of a rule for these customers; InputError if the rule contains anything that is not allowed.

    Examples
    --------
    >>> evaluate_rule("credit_limit > 0 and country_code == 'SE'", sample_snapshot().customers).sum()
    np.int64(3)
    >>> evaluate_rule("country_code.to_csv('x.csv')", sample_snapshot().customers)
    Traceback (most recent call last):
    frgroups.errors.InputError: .to_csv is not for rules; there are abs, between, fillna, isin, isna, ...
    """
    text, aliases = _replace_backticks(rule.strip(), customers)
    tree = _parse(text)
    for node in ast.walk(tree):
        _check_node(node, aliases.keys() | set(customers.columns))
    frame = customers.assign(**{alias: customers[name] for alias, name in aliases.items()})
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            _check_value_types([node.left, *node.comparators], frame, aliases)
        elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitAnd | ast.BitOr):
            _check_value_types([node.left, node.right], frame, aliases)
    try:
        return _remove_time_zones(frame).eval(ast.unparse(tree), engine="python", local_dict={}, global_dict={})
    except TypeError as error:  # The message of pandas contains internal dtypes.
        raise InputError("The rule combines values of incompatible types, such as a number and a string.") from error


def _parse(text: str) -> ast.Expression:
    try:
        return ast.parse(text, mode="eval")
    except SyntaxError as error:
        hint = "Use == to compare for equality." if re.search(r"[^=!<>]=[^=]", text) else ""
        raise InputError(f"The rule is not a valid expression: {error.msg}.", hint=hint) from None


def _replace_backticks(rule: str, customers: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """Return the rule with an alias for each name in backticks, and the name of each alias."""
    aliases: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
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

    return _QUOTED.sub(replace, rule), aliases


def _check_node(node: ast.AST, names: set[Any]) -> None:
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
            _check_allowed(name, _TEXT_METHODS)
        case ast.Call(func=ast.Attribute(attr=name)):
            _check_allowed(name, _METHODS)
        case ast.Attribute(value=ast.Attribute(attr="dt"), attr=name):
            _check_allowed(name, _DATE_PARTS)
        case ast.Attribute(attr=name):
            _check_allowed(name, _METHODS | _TEXT_METHODS | {"str", "dt"})


def _check_value_types(compared: list[ast.expr], frame: pd.DataFrame, aliases: dict[str, str]) -> None:
    """Raise InputError if a column of numbers is compared with a text, or a column of text with a number."""
    for left, right in pairwise(compared):
        for name, value in ((left, right), (right, left)):
            if isinstance(name, ast.Name):
                _check_constant(frame[name.id], aliases.get(name.id, name.id), value)


def _check_constant(column: pd.Series, name: str, value: ast.expr) -> None:
    """Raise InputError if the first constant of an expression does not fit to a column."""
    values = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    constant = next((node.value for node in values if isinstance(node, ast.Constant)), None)
    content = _describe_values(column)
    if content == "text" and isinstance(constant, int | float):
        raise InputError(f"{name} is text, and {constant!r} is none; text stands in quotes: {str(constant)!r}")
    if content not in ("text", "") and isinstance(constant, str):
        raise InputError(f"{name} holds {content}, and {safe_repr(constant)} is text")


def _describe_values(column: pd.Series) -> str:
    """Return the kind of the values of a column; an empty string if its dtype is of another kind."""
    if isinstance(column.dtype, pd.StringDtype):
        return "text"
    if pd.api.types.is_bool_dtype(column):
        return "true or false"
    if pd.api.types.is_numeric_dtype(column):
        return "numbers"
    return ""


def _check_allowed(name: str, allowed: set[str]) -> None:
    if name not in allowed:
        names = ", ".join(sorted(allowed))
        raise InputError(f".{name} is not for rules; there are {names}, and a callable for more")


def _remove_time_zones(customers: pd.DataFrame) -> pd.DataFrame:
    # DataFrame.eval cannot compare a text with a column that has a time zone.
    zoned = customers.select_dtypes("datetimetz")
    return customers.assign(**{str(name): zoned[name].dt.tz_convert(None) for name in zoned})
