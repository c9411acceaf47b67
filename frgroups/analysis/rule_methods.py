"""Methods and attributes that segment rules can use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.rule_dates import looks_like_date, parse_span
from frgroups.analysis.rule_values import PLURALS, Constant, Kind, Values, different_types
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr

DATE_PARTS = ("year", "quarter", "month", "day", "dayofweek", "hour")
_REQUIRED = object()
_SEARCH = {"pat": _REQUIRED, "case": True, "regex": False}
_AFFIX = {"pat": _REQUIRED, "case": True}

# The parameters of each method, with their defaults.
TEXT_METHODS: dict[str, dict[str, Any]] = {
    "contains": _SEARCH,
    "match": _SEARCH,
    "fullmatch": _SEARCH,
    "startswith": _AFFIX,
    "endswith": _AFFIX,
    "replace": {"pat": _REQUIRED, "repl": _REQUIRED, "case": True, "regex": False},
    "lower": {},
    "upper": {},
    "strip": {"to_strip": None},
    "len": {},
}
METHODS: dict[str, dict[str, Any]] = {
    "isna": {},
    "notna": {},
    "isin": {"values": _REQUIRED},
    "between": {"left": _REQUIRED, "right": _REQUIRED, "inclusive": "both"},
    "fillna": {"value": _REQUIRED},
    "abs": {},
}
_TYPES = {"case": bool, "regex": bool, "pat": str, "repl": str, "to_strip": str}


def bind_arguments(
    name: str, parameters: Mapping[str, Any], positional: list[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the value of each parameter of a method. Raise InputError if the arguments are not accepted."""
    given = dict(zip(parameters, positional, strict=False))
    unknown = [key for key in keywords if key not in parameters or key in given]
    if len(positional) > len(parameters) or unknown:
        which = f"`{unknown[0]}`" if unknown else f"{len(positional)} arguments"
        accepted = ", ".join(parameters) or "no arguments"
        hint = ""
        if unknown == ["na"]:
            hint = "A missing value never matches. To also select missing values, add `or` and .isna()."
        raise InputError(f"The method .{name} cannot be called with {which}. It accepts {accepted}.", hint=hint)
    bound = {**parameters, **given, **keywords}
    for key, value in bound.items():
        if value is _REQUIRED:
            raise InputError(f"The method .{name} requires the argument `{key}`.")
    return bound


def call_text_method(
    values: Values, name: str, positional: list[Any], keywords: dict[str, Any], label: str
) -> Values:
    """
    Call a method of the accessor ``.str``.

    Search text is matched literally, unless ``regex=True`` is passed. The result for a missing value is missing.
    """
    if name not in TEXT_METHODS:
        raise not_allowed(f"str.{name}", [f"str.{allowed}" for allowed in TEXT_METHODS])
    if values.kind not in ("text", "missing"):
        raise InputError(f"The {values.label} contains {PLURALS[values.kind]}, but .str.{name} requires text.")
    arguments = bind_arguments(f"str.{name}", TEXT_METHODS[name], positional, keywords)
    arguments = {key: _plain(f"str.{name}", key, value) for key, value in arguments.items()}
    if values.kind == "missing":
        values = Values("text", np.full(len(values.known), "", dtype=object), values.known, values.label)
    convert = _text_function(name, arguments)
    if name in ("lower", "upper", "strip", "replace"):
        data = np.empty(len(values.data), dtype=object)
        data[:] = [convert(text) for text in values.data]
        return Values("text", data, values.known, label)
    if name == "len":
        return Values("number", np.fromiter(map(len, values.data), np.int64, len(values.data)), values.known, label)
    matches = np.fromiter((bool(convert(text)) for text in values.data), np.bool_, len(values.data))
    return Values("boolean", matches, values.known, label)


def _plain(method: str, key: str, value: Any) -> Any:
    """Return the value of a constant argument. Raise InputError if the value does not have the required type."""
    if isinstance(value, Constant):
        value = value.value
    elif key == "pat" and method in ("str.startswith", "str.endswith") and isinstance(value, list):
        if all(isinstance(item.value, str) for item in value):
            return tuple(item.value for item in value)
        value = next(item.value for item in value if not isinstance(item.value, str))
    expected = _TYPES[key]
    if value is None or type(value) is expected:
        return value
    shown = safe_repr(value) if isinstance(value, str | float | int) else type(value).__name__
    required = "True or False" if expected is bool else "text in quotes"
    raise InputError(f"The argument `{key}` of .{method} must be {required}, got {shown}.")


def _text_function(name: str, arguments: dict[str, Any]) -> Callable[[str], Any]:
    """Return the function that a text method applies to each value."""
    if name == "lower":
        return str.lower
    if name == "upper":
        return str.upper
    if name == "strip":
        return lambda text: text.strip(arguments["to_strip"])
    if name == "len":
        return len
    affixes = arguments["pat"] if isinstance(arguments["pat"], tuple) else (arguments["pat"],)
    patterns = [affix if arguments.get("regex") else re.escape(affix) for affix in affixes]
    if name == "endswith":
        patterns = [rf"{pattern}\Z" for pattern in patterns]
    alternatives = "|".join(f"(?:{pattern})" for pattern in patterns) if patterns else r"(?!)"
    if name == "replace":
        # The method has only one pattern, which is used unchanged, because `repl` can refer to the pattern's groups.
        alternatives = patterns[0]
    try:
        pattern = re.compile(alternatives, 0 if arguments["case"] else re.IGNORECASE)
        if name == "replace":
            replacement = arguments["repl"] if arguments["regex"] else re.sub(r"\\", r"\\\\", arguments["repl"])
            pattern.sub(replacement, "")
            return lambda text: pattern.sub(replacement, text)
    except (re.error, IndexError) as error:
        raise InputError(f"{safe_repr(arguments['pat'])} is not a valid regular expression: {error}.") from None
    if name in ("match", "startswith"):
        return pattern.match
    return pattern.fullmatch if name == "fullmatch" else pattern.search


def date_part(values: Values, name: str, label: str) -> Values:
    """Return a component of each date in UTC, such as the month, or the number of whole days of each duration."""
    if name not in (*DATE_PARTS, "days"):
        raise not_allowed(f"dt.{name}", [f"dt.{part}" for part in (*DATE_PARTS, "days")])
    required = "duration" if name == "days" else "date"
    if values.kind not in (required, "missing"):
        raise InputError(f"The {values.label} contains {PLURALS[values.kind]}, but .dt.{name} requires {required}s.")
    if values.kind == "missing":
        return Values("number", np.zeros(len(values.known), dtype=np.int64), values.known, label)
    # The attribute `day_of_week` is used, because pandas 3.1 deprecates `dayofweek`.
    attribute = "day_of_week" if name == "dayofweek" else name
    parts = getattr(pd.Series(values.data).dt, attribute)
    return Values("number", parts.fillna(0).to_numpy(dtype=np.int64), values.known, label)


def fill_missing(values: Values, value: Any, label: str) -> Values:
    """
    Replace missing values with a constant of the same type. A date in a string means the start of the day.

    If all values are missing, the column gets the type of the constant. A string that looks like a date is then
    converted to a date.
    """
    if not isinstance(value, Constant):
        raise InputError("The argument of .fillna must be a constant.")
    fill: Any = value.value
    if values.kind == "missing":
        kind: Kind = value.kind
        if isinstance(fill, str) and looks_like_date(fill):
            kind, fill = "date", parse_span(fill, values.label).start
        data = np.full(len(values.known), fill, dtype=object if isinstance(fill, str) else None)
        return Values(kind, data, np.ones(len(data), dtype=np.bool_), label)
    if values.kind == "date" and isinstance(fill, str):
        fill = parse_span(fill, values.label).start
    elif value.kind != values.kind:
        raise different_types(values, value)
    if values.kind == "text":
        data = values.data.copy()
        data[~values.known] = fill
    else:
        data = np.where(values.known, values.data, fill)
    return Values(values.kind, data, np.ones(len(data), dtype=np.bool_), label)


def absolute(values: Values, label: str) -> Values:
    """Return the absolute value of each number or duration."""
    if values.kind not in ("number", "duration", "missing"):
        raise InputError(f"The {values.label} contains {PLURALS[values.kind]}, but .abs() requires numbers.")
    data = values.data if values.kind == "missing" else np.abs(values.data)
    return Values(values.kind, data, values.known, label)


def not_allowed(name: str, allowed: list[str]) -> InputError:
    """Return the error for a method or an attribute that a rule cannot use."""
    return InputError(
        f"A rule cannot use .{name}. The allowed names are {', '.join(allowed)}. For other operations, pass a "
        "function as the rule."
    )
