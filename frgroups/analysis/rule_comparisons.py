"""Comparisons and calculations in segment rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from frgroups.analysis.rule_dates import looks_like_date, parse_span
from frgroups.analysis.rule_values import PLURALS, Constant, Kind, Values, different_types
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt},
    **{"<=": operator.le, ">": operator.gt, ">=": operator.ge},
}
_INCLUSIVE = {"both": (">=", "<="), "left": (">=", "<"), "right": (">", "<="), "neither": (">", "<")}
# A result above this limit might not fit into a 64-bit integer, so the calculation uses floating-point numbers.
_LARGE = 2.0**62


def compare(left: Values, symbol: str, right: Values | Constant, label: str) -> Values:
    """
    Compare values with a constant or with other values.

    The result is unknown if one of the values is missing. A date in a string means the whole day. Therefore, ``<=``
    includes the day, and ``>`` starts with the next day.
    """
    known = left.known
    if isinstance(right, Values):
        known = known & right.known
    if "missing" in (left.kind, right.kind):
        return Values("boolean", np.zeros(len(known), dtype=np.bool_), np.zeros(len(known), dtype=np.bool_), label)
    if left.kind == "date" and isinstance(right, Constant) and isinstance(right.value, str):
        return Values("boolean", _compare_dates(left, symbol, right.value), known, label)
    if left.kind != right.kind:
        raise different_types(left, right)
    if symbol not in ("==", "!=") and (left.has_other_order or getattr(right, "has_other_order", False)):
        ordered = left if left.has_other_order or isinstance(right, Constant) else right
        raise InputError(
            f"The {ordered.label} contains categories that are not ordered by their values, so a rule cannot compare "
            f"the categories by {symbol}. Use `in` with a list of categories."
        )
    other = right.data if isinstance(right, Values) else right.value
    if left.kind == "text" and symbol not in ("==", "!=") and isinstance(other, str) and looks_like_date(other):
        raise InputError(
            f"The {left.label} contains text, which cannot be compared with the date {safe_repr(other)} by {symbol}. "
            "Convert the column to dates, for example with pd.to_datetime."
        )
    with np.errstate(invalid="ignore", over="ignore"):
        data = np.asarray(_OPERATORS[symbol](left.data, other), dtype=np.bool_)
    return Values("boolean", data, known, label)


def _compare_dates(dates: Values, symbol: str, text: str) -> BoolArray:
    """Compare dates with the day or the time that a string contains."""
    span = parse_span(text, dates.label)
    data = dates.data
    result: BoolArray
    if symbol in ("==", "!="):
        result = (data >= span.start) & (data < span.end)
        return ~result if symbol == "!=" else result
    if symbol in ("<", ">="):
        result = data < span.start
        return ~result if symbol == ">=" else result
    result = data < span.end
    return ~result if symbol == ">" else result


def is_in(values: Values, items: Sequence[Constant], label: str) -> Values:
    """Compare values with a list of constants. The result is True for each value that is equal to a constant."""
    kinds = {item.kind for item in items}
    if len(kinds) > 1:
        listed = ", ".join(safe_repr(item.value) for item in items[:5])
        raise InputError(
            f"The {values.label} is compared with values of different types: {listed}. Use a list of values of one "
            "type."
        )
    data = np.zeros(len(values.known), dtype=np.bool_)
    known = values.known
    if kinds == {values.kind} and values.kind in ("text", "number"):
        # Lists can contain thousands of uids. A set is faster than one comparison per item.
        accepted = {item.value for item in items}
        if values.data.dtype.kind == "f":
            # The constants are converted to the column's dtype, as the operator == does.
            with np.errstate(over="ignore"):
                accepted = {float(values.data.dtype.type(value)) for value in accepted}
        data = np.fromiter((value in accepted for value in values.data.tolist()), np.bool_, len(data))
        return Values("boolean", data, known, label)
    for item in items:
        result = compare(values, "==", item, label)
        data |= result.data
        known = result.known
    return Values("boolean", data, known, label)


def is_between(
    values: Values, lower: Values | Constant, upper: Values | Constant, inclusive: object, label: str
) -> Values:
    """Compare values with two bounds. `inclusive` selects the bounds that are included, as in `Series.between`."""
    if not isinstance(inclusive, str) or inclusive not in _INCLUSIVE:
        raise InputError("The argument `inclusive` of .between must be 'both', 'neither', 'left', or 'right'.")
    above, below = _INCLUSIVE[inclusive]
    return kleene_and(compare(values, above, lower, label), compare(values, below, upper, label), label)


def kleene_and(left: Values, right: Values, label: str) -> Values:
    """Combine two results with ``and``. If one result is unknown, the combination is False or unknown."""
    is_true = left.data & left.known & right.data & right.known
    is_false = (~left.data & left.known) | (~right.data & right.known)
    return Values("boolean", is_true, is_true | is_false, label)


def kleene_or(left: Values, right: Values, label: str) -> Values:
    """Combine two results with ``or``. If one result is unknown, the combination is True or unknown."""
    is_true = (left.data & left.known) | (right.data & right.known)
    is_false = ~left.data & left.known & ~right.data & right.known
    return Values("boolean", is_true, is_true | is_false, label)


def calculate(left: Values | Constant, symbol: str, right: Values | Constant, label: str) -> Values:
    """
    Calculate with numbers, dates, and durations, or join text with ``+``.

    At least one operand must be a column. The result is missing if an operand is missing or the divisor is 0. In a
    subtraction of dates, one operand can be a string that contains a date. The string means the start of the day.
    """
    if symbol == "-":
        left, right = _as_date(left, right), _as_date(right, left)
    known = np.logical_and(getattr(left, "known", True), getattr(right, "known", True))
    match left.kind, symbol, right.kind:
        case ("missing", _, _) | (_, _, "missing"):
            return Values("missing", np.empty(len(known), dtype=object), np.zeros(len(known), dtype=np.bool_), label)
        case "number", _, "number":
            return _calculate_numbers(_data(left), symbol, _data(right), known, label)
        case "text", "+", "text":
            return Values("text", np.asarray(_data(left) + _data(right), dtype=object), known, label)
        case ("date", "-", "date") | ("duration", "+" | "-", "duration"):
            return Values("duration", _UFUNCS[symbol](_data(left), _data(right)), known, label)
        case ("date", "+" | "-", "duration") | ("duration", "+", "date"):
            return Values("date", _UFUNCS[symbol](_data(left), _data(right)), known, label)
    values, other = (left, right) if isinstance(left, Values) else (right, left)
    assert isinstance(values, Values)
    if values.kind != other.kind and symbol in _SAME_KIND_OPERATORS.get(values.kind, ()):
        raise different_types(values, other)
    raise InputError(
        f"The operator {symbol} cannot be used with the {values.label}, which contains {PLURALS[values.kind]}."
    )


def _as_date(operand: Values | Constant, other: Values | Constant) -> Values | Constant:
    """Convert a date in a string to the start of the day if the other operand contains dates."""
    if not isinstance(other, Values) or other.kind != "date" or not isinstance(operand, Constant):
        return operand
    if not isinstance(operand.value, str):
        return operand
    start = np.asarray(parse_span(operand.value, other.label).start)
    return Values("date", start, np.ones((), dtype=np.bool_), operand.value)


def _data(operand: Values | Constant) -> Any:
    return operand.data if isinstance(operand, Values) else operand.value


def _calculate_numbers(left: Any, symbol: str, right: Any, known: BoolArray, label: str) -> Values:
    ufunc = _UFUNCS[symbol]
    with np.errstate(all="ignore"):
        left_float, right_float = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
        data: npt.NDArray[Any] = ufunc(left_float, right_float)
        if symbol in ("/", "//", "%"):
            known = known & (right_float != 0)
        is_integer = all(np.issubdtype(np.asarray(operand).dtype, np.integer) for operand in (left, right))
        if is_integer and symbol != "/" and not (np.abs(data[known]) >= _LARGE).any():
            data = ufunc(np.asarray(left, dtype=np.int64), np.asarray(right, dtype=np.int64))
    return Values("number", data, known & (data == data), label)


_UFUNCS: dict[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.remainder,
}
# For each type, the operators that can combine two operands of this type.
_SAME_KIND_OPERATORS: dict[Kind, Iterable[str]] = {
    "number": _UFUNCS.keys(),
    "text": ("+",),
    "date": ("-",),
    "duration": ("+", "-"),
}
