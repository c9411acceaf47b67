"""Convert Python, NumPy, and pandas values to values that JSON can represent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

JSONValue = None | bool | int | float | str | list[Any] | dict[str, Any]


def to_jsonable(value: Any) -> JSONValue:
    """
    Convert a value to one that `json.dumps` encodes as standard JSON.

    Parameters
    ----------
    value
        None, a bool, a number, a string, a date, a timestamp, a duration, a NumPy or pandas scalar, or a mapping,
        list, tuple, set, array, or Series of such values.

    Returns
    -------
    None, bool, int, float, str, list, or dict
        NaN, NaT, NA, and infinite numbers become None. Timestamps become ISO 8601 strings, in UTC if they have a
        time zone. Durations become seconds. Tuples, sets, and arrays become lists. Keys of mappings and values of
        other types become strings.

    Examples
    --------
    >>> to_jsonable({"n": np.int64(2), "share": float("nan"), "days": (1, 2)})
    {'n': 2, 'share': None, 'days': [1, 2]}
    >>> to_jsonable(pd.Timestamp("2026-11-23 09:10+01:00"))
    '2026-11-23T08:10:00+00:00'
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, Mapping):
        return {str(name): to_jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    if isinstance(value, np.ndarray | pd.api.extensions.ExtensionArray | pd.Series | pd.Index):
        return [to_jsonable(item) for item in value]
    return _scalar_to_jsonable(value)


def _scalar_to_jsonable(value: Any) -> JSONValue:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value).isoformat()
    if isinstance(value, np.timedelta64):
        return pd.Timedelta(value).total_seconds()
    if isinstance(value, np.generic):
        return to_jsonable(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
