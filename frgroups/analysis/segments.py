"""Segments of customers, which are selected by rules over customer attributes."""

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

# This pattern matches a string in quotes, or a column name in backticks.
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")


Rule = str | pd.Series | Callable[[pd.DataFrame], pd.Series]


def segment(
    snapshot: Snapshot, rules: Mapping[str, Rule], *, attributes: pd.DataFrame | None = None
) -> dict[str, list[str]]:
    """
    Select the customers for each group by a rule over the attributes of the customers.

    The result can be passed to `plan_memberships` as the desired memberships.

    Parameters
    ----------
    snapshot
        The snapshot whose `customers` are selected. It does not contain customers who are in no group of the tenant.
    rules
        A dictionary that maps each group to a rule. The keys are copied to the result without a check. A rule is one
        of:

        - A string that compares columns, such as ``"credit_limit > 0 and country_code == 'NO'"``. See Notes for the
          syntax.
        - A boolean Series with the index of `snapshot.customers`, or with an index of customer uids.
        - A function that is called with the customers and returns such a Series.

        A missing result is treated as False. As in pandas, ``country_code != 'NO'`` is True for a customer without a
        country. To exclude these customers, add ``and country_code.notna()``.
    attributes
        A DataFrame with one row per customer and further columns for the rules. It identifies the customers by a
        column customer_uid or by its index. Customers without a row have missing values. Rows of customers who are
        not in the snapshot are ignored.

    Returns
    -------
    dict
        A sorted list of customer uids for each group.

    Raises
    ------
    InputError
        If a rule cannot be evaluated or does not return booleans, or if `attributes` contains a customer twice or a
        column of `snapshot.customers`. The attribute `group` contains the group of an invalid rule.

    Notes
    -----
    The syntax of string rules is a subset of Python, so that rules can be stored in files. A rule can contain:

    - the operators ``< <= == != >= > in``, ``not in``, ``and``, ``or``, ``not``, and arithmetic operators
    - the methods isna, notna, isin, between, fillna, and abs
    - the ``.str`` methods startswith, endswith, contains, lower, upper, strip, and len
    - the ``.dt`` attributes year, quarter, month, day, dayofweek, hour, and days

    Enclose a column name that is not a Python identifier in backticks. Timestamps are compared in UTC and written
    without a time zone, for example ``"created_at >= '2026-01-01'"``.

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
    """Return a mask that is True for each customer selected by the rule for a group."""
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
    """Return True if an object is a Series that contains only booleans and missing values."""
    return isinstance(result, pd.Series) and pd.api.types.infer_dtype(result, skipna=True) in ("boolean", "empty")


def _align_mask(mask: pd.Series, customers: pd.DataFrame, group: str) -> BoolArray:
    """
    Convert a boolean Series to an array in the order of the customers table.

    The index of the Series must equal the index of the customers table, or must contain customer uids.
    """
    if mask.index.equals(customers.index):
        return mask.to_numpy(dtype=np.bool_)
    positions = pd.Index(customers["customer_uid"]).get_indexer(mask.index)
    n_unknown = int((positions < 0).sum())
    if n_unknown or mask.index.has_duplicates:
        problem = "The index of the Series contains a customer uid more than once."
        if n_unknown:
            problem = f"{n_unknown:,} of the {len(mask):,} index labels are not customer uids in the snapshot."
        raise InputError(
            f"The Series for group {group!r} must have the index of `snapshot.customers` or an index of customer "
            f"uids. {problem}",
            group=group,
        )
    aligned = np.zeros(len(customers), dtype=np.bool_)
    aligned[positions] = mask.to_numpy(dtype=np.bool_)
    return aligned


def _describe_rule(rule: Rule) -> str:
    """Describe a rule for an error message. Contact data is masked, and a function is shown by its name."""
    if isinstance(rule, str):
        return repr(mask_explicit_contacts(rule))
    return str(getattr(rule, "__name__", None) or type(rule).__name__)


def evaluate_rule(rule: str, customers: pd.DataFrame) -> Any:
    """
    Evaluate a string rule and return the result for each customer.

    An InputError is raised if the rule contains syntax or names that are not allowed.

    Examples
    --------
    >>> evaluate_rule("credit_limit > 0 and country_code == 'SE'", sample_snapshot().customers).sum()
    np.int64(3)
    >>> evaluate_rule("country_code.to_csv('x.csv')", sample_snapshot().customers)
    Traceback (most recent call last):
    frgroups.errors.InputError: A rule cannot use .to_csv. The allowed names are abs, between, fillna, isin, isna, ...
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
    except TypeError as error:  # The error message of pandas contains internal dtypes.
        raise InputError("The rule combines values of incompatible types, such as a number and a string.") from error


def _parse(text: str) -> ast.Expression:
    """Parse a string rule. Raise InputError if the rule is not a valid Python expression."""
    try:
        return ast.parse(text, mode="eval")
    except SyntaxError as error:
        hint = "Use == to compare for equality." if re.search(r"[^=!<>]=[^=]", text) else ""
        raise InputError(f"The rule is not a valid expression: {error.msg}.", hint=hint) from None


def _replace_backticks(rule: str, customers: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """Replace column names in backticks with aliases. Return the rule and the column name of each alias."""
    aliases: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        text, name = match.groups()
        if text is not None:
            return str(text)
        if name not in customers:
            raise InputError(f"The customers table has no column `{name}`.")
        alias = f"quoted_{len(aliases)}"
        while alias in customers:
            alias += "_"
        aliases[alias] = name
        return alias

    return _QUOTED.sub(replace, rule), aliases


def _check_node(node: ast.AST, names: set[Any]) -> None:
    """Raise InputError if a node of the syntax tree is not allowed in a rule."""
    if not isinstance(node, _NODES):
        raise InputError(
            f"A rule cannot contain {type(node).__name__}. The operators are < <= == != >= > in, not in, and, or, "
            "not, & | ~, + - * / // %."
        )
    match node:
        case ast.Name(id=name) if name not in names:
            raise InputError(f"The customers table has no column {name!r}.")
        case ast.Call(func=function) if not isinstance(function, ast.Attribute):
            raise InputError(
                "A rule in a string cannot call functions. To use a function, pass the function itself as the rule."
            )
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="str"), attr=name)):
            _check_allowed(name, _TEXT_METHODS)
        case ast.Call(func=ast.Attribute(attr=name)):
            _check_allowed(name, _METHODS)
        case ast.Attribute(value=ast.Attribute(attr="dt"), attr=name):
            _check_allowed(name, _DATE_PARTS)
        case ast.Attribute(attr=name):
            _check_allowed(name, _METHODS | _TEXT_METHODS | {"str", "dt"})


def _check_value_types(compared: list[ast.expr], frame: pd.DataFrame, aliases: dict[str, str]) -> None:
    """Raise InputError if a column is compared with a constant of another type."""
    for left, right in pairwise(compared):
        for name, value in ((left, right), (right, left)):
            if isinstance(name, ast.Name):
                _check_constant(frame[name.id], aliases.get(name.id, name.id), value)


def _check_constant(column: pd.Series, name: str, value: ast.expr) -> None:
    """Raise InputError if a constant, or the first constant in a list, does not have the type of the column."""
    values = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    constant = next((node.value for node in values if isinstance(node, ast.Constant)), None)
    content = _describe_values(column)
    if content == "text" and isinstance(constant, int | float):
        raise InputError(
            f"The column {name} contains strings, but {constant!r} is not a string. Use {str(constant)!r}."
        )
    if content not in ("text", "") and isinstance(constant, str):
        raise InputError(f"The column {name} contains {content}, but {safe_repr(constant)} is a string.")


def _describe_values(column: pd.Series) -> str:
    """Return the type of the values in a column: "text", "booleans", "numbers", or "" for other dtypes."""
    if isinstance(column.dtype, pd.StringDtype):
        return "text"
    if pd.api.types.is_bool_dtype(column):
        return "booleans"
    if pd.api.types.is_numeric_dtype(column):
        return "numbers"
    return ""


def _check_allowed(name: str, allowed: set[str]) -> None:
    """Raise InputError if a method or attribute is not allowed in a rule."""
    if name not in allowed:
        names = ", ".join(sorted(allowed))
        raise InputError(
            f"A rule cannot use .{name}. The allowed names are {names}. For other operations, pass a function as the "
            "rule."
        )


def _remove_time_zones(customers: pd.DataFrame) -> pd.DataFrame:
    """
    Convert timestamp columns to UTC without a time zone.

    `DataFrame.eval` cannot compare a string with a timestamp column that has a time zone.
    """
    zoned = customers.select_dtypes("datetimetz")
    return customers.assign(**{str(name): zoned[name].dt.tz_convert(None) for name in zoned})
