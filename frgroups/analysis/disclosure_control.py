"""Disclosure control: suppress small counts, and other counts from which a small count could be computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from frgroups.internals.counts import is_small
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import check_number


class OmittedValues(NamedTuple):
    """
    Attribute values that a query engine did not return, so that only the sums of their counts are known.

    `n_values` is the number of these values. `n_in` and `n_ref` are the sums of their counts in the group and in the
    reference. `has_small` is True if any value of the attribute has a small count in the group or in the reference.
    This includes the values that the engine returned.
    """

    n_values: int = 0
    n_in: int = 0
    n_ref: int = 0
    has_small: bool = False


NO_OMITTED_VALUES = OmittedValues()


def suppressed_rows(
    n_in: IntArray,
    n_ref: IntArray,
    *,
    min_count: int,
    top: int | None = None,
    omitted: OmittedValues = NO_OMITTED_VALUES,
) -> BoolArray:
    """
    Select the values of an attribute that must be suppressed when two sets of customers are compared.

    A value is suppressed if its count is small in either set, or if it is not among the `top` values with the most
    customers. A reader knows the sizes of the two sets, and can therefore compute the sum of the suppressed counts.
    For this reason, further values are suppressed until no suppressed count can be computed. Each step suppresses the
    value with the smallest count that is sufficient to protect all suppressed counts. If no single value is
    sufficient, the step suppresses the value with the largest count. If one of the sets is too small for this
    protection, all values are suppressed.

    Parameters
    ----------
    n_in, n_ref
        The number of customers with each value in the group and in the reference.
    min_count
        Counts from 1 to `min_count` - 1 are small.
    top
        The number of values to show. None shows all values.
    omitted
        Values that `n_in` and `n_ref` do not contain. They are always suppressed. Among the values without a small
        count, the `top` values with the most customers must not be omitted.

    Returns
    -------
    ndarray
        A bool for each value, True if the value must be suppressed.

    Notes
    -----
    A reader who knows this rule, `min_count`, the values, and the sizes of the sets still finds at least
    `min_count` possible numbers for each suppressed count. In each set, more than `min_count` customers have
    suppressed values. Both sets together have at least 2 * `min_count` such customers, plus one for each suppressed
    value. Therefore, any suppressed value could have the small count, in either set. The method is secondary
    suppression with protection intervals [1]_.

    References
    ----------
    .. [1] Hundepool, A., et al. (2012). Statistical Disclosure Control, chapter 4. Wiley.

    Examples
    --------
    >>> suppressed_rows(np.array([40, 30, 3]), np.array([90, 80, 70]), min_count=5).tolist()
    [False, True, True]
    >>> suppressed_rows(np.array([40, 30, 0]), np.array([90, 80, 70]), min_count=5).tolist()
    [False, False, False]
    """
    small: BoolArray = is_small(n_in, min_count) | is_small(n_ref, min_count)
    has_small = small.any() or omitted.has_small
    n_values = len(n_in) + omitted.n_values
    total_in, total_ref = n_in.sum() + omitted.n_in, n_ref.sum() + omitted.n_ref
    if 0 < total_in + total_ref <= min_count or (
        has_small and not _is_protected(total_in, total_ref, n_values, min_count)
    ):
        return np.ones_like(small)
    hide = small.copy()
    if top is not None and n_values > top:
        hide[_rows_by_size(n_in + n_ref, ~hide)[::-1][top:]] = True
    while has_small:
        hidden = n_in[hide].sum() + omitted.n_in, n_ref[hide].sum() + omitted.n_ref, hide.sum() + omitted.n_values
        if _is_protected(*hidden, min_count):
            break
        hide[_next_row(n_in, n_ref, ~hide, hidden, min_count)] = True
    return hide


def suppress_counts(
    table: pd.DataFrame,
    min_count: int,
    *,
    totals: Sequence[str],
    parts: Sequence[str] = (),
    differences: Sequence[tuple[str, str]] = (),
    derived: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """
    Replace the small counts in each row of a table, and the numbers from which they could be computed, with NA.

    Parameters
    ----------
    table
        The table, which is not modified.
    min_count
        Counts from 1 to `min_count` - 1 are small.
    totals
        The columns that contain sizes of groups. A total is suppressed only if the total itself is small.
    parts
        The columns that count only some members of a group. If any count in a row is small, all parts in the row are
        suppressed, because a part could be computed from the total and the other parts.
    differences
        The pairs of columns whose difference is also a count, for example the size of a group and the members of the
        group who are in no other group. A small difference suppresses the parts in the row.
    derived
        A mapping of each computed column to the names of the columns from which it is computed. A value is suppressed
        if one of the values from which it is computed is suppressed.

    Returns
    -------
    DataFrame
        A copy of the table. The dtype of columns with integers is `Int64`. The column suppressed (`bool`) is True for
        rows with suppressed numbers. If `table` already has this column, its True values remain.

    Examples
    --------
    >>> sizes = pd.DataFrame({"name": ["A", "B", "C"], "n_members": [3, 50, 50], "n_exclusive": [3, 48, 20]})
    >>> suppress_counts(
    ...     sizes, 5, totals=["n_members"], parts=["n_exclusive"], differences=[("n_members", "n_exclusive")]
    ... )
      name  n_members  n_exclusive  suppressed
    0    A       <NA>         <NA>        True
    1    B         50         <NA>        True
    2    C         50           20       False
    """
    counts = {name: table[name].astype("Int64") for name in (*totals, *parts)}
    numbers = {name: values.fillna(0).to_numpy(dtype=np.int64) for name, values in counts.items()}
    small = {name: is_small(values, min_count) for name, values in numbers.items()}
    is_part_hidden = np.zeros(len(table), dtype=np.bool_)
    for is_small_count in small.values():
        is_part_hidden |= is_small_count
    for minuend, subtrahend in differences:
        is_part_hidden |= is_small(np.abs(numbers[minuend] - numbers[subtrahend]), min_count)
    hidden = {name: small[name] for name in totals} | dict.fromkeys(parts, is_part_hidden)
    columns = {name: values.mask(hidden[name]) for name, values in counts.items()}
    is_suppressed = np.asarray(table.get("suppressed", np.zeros(len(table))), dtype=np.bool_)
    for name in columns:
        is_suppressed = is_suppressed | (hidden[name] & counts[name].notna().to_numpy())
    for name, sources in (derived or {}).items():
        is_hidden = np.any([hidden[source] for source in sources], axis=0)
        values = table[name]
        if pd.api.types.is_integer_dtype(values):
            values = values.astype("Int64")
        columns[name] = values.mask(is_hidden)
    return table.assign(**columns, suppressed=is_suppressed)


def check_min_count(min_count: int) -> int:
    """
    Return `min_count` as an int. Raise InputError if `min_count` is not an integer of at least 0.

    Examples
    --------
    >>> check_min_count(5)
    5
    """
    check_number(min_count, "min_count", at_least=0, whole=True)
    return int(min_count)


def _is_protected(n_in: Any, n_ref: Any, n_values: Any, min_count: int) -> Any:
    """
    Return True if no suppressed count can be computed from the known totals.

    `n_in` and `n_ref` are the numbers of customers with suppressed values in the group and in the reference.
    `n_values` is the number of suppressed values.
    """
    return (np.minimum(n_in, n_ref) > min_count) & (n_in + n_ref >= 2 * min_count + n_values)


def _next_row(
    n_in: IntArray, n_ref: IntArray, visible: BoolArray, hidden: tuple[int, int, int], min_count: int
) -> int:
    """
    Return the position of the next row to suppress.

    This is the visible row with the smallest count that is sufficient to protect all suppressed counts. If no single
    row is sufficient, it is the visible row with the largest count.

    `hidden` contains the sums of the suppressed counts in both sets, and the number of suppressed values.
    """
    rows = _rows_by_size(n_in + n_ref, visible)
    is_enough = _is_protected(hidden[0] + n_in[rows], hidden[1] + n_ref[rows], hidden[2] + 1, min_count)
    if is_enough.any():
        return int(rows[is_enough.argmax()])
    return int(rows[-1])


def _rows_by_size(n: IntArray, mask: BoolArray) -> IntArray:
    """Return the positions of the selected rows, by increasing count. Rows with equal counts are in reverse order."""
    rows = np.flatnonzero(mask)[::-1]
    return rows[np.argsort(n[rows], kind="stable")].astype(np.int64)
