"""Disclosure control: suppress small counts of customers, and counts from which they could be computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import check_number


def is_small(n: Any, min_count: int) -> Any:
    """
    Return True for a count of at least 1 and below `min_count`. A count of zero is never suppressed.

    Examples
    --------
    >>> [bool(is_small(n, 5)) for n in (0, 1, 4, 5)]
    [False, True, True, False]
    """
    return (n > 0) & (n < min_count)


def suppressed_rows(n_in: IntArray, n_ref: IntArray, *, min_count: int, top: int | None = None) -> BoolArray:
    """
    Return True for each value of an attribute that must not be shown in a comparison of two sets of customers.

    A value that is small in either set is hidden, and so are all values except the `top` largest. The sizes of the
    sets are known, so the hidden counts add up to a known number. Therefore further values are hidden (the smallest
    that suffices, or else the largest) until no hidden count can be computed. If a whole set is small, all values are
    hidden.

    Even a reader who knows this rule, `min_count`, the values and the sizes cannot restrict a hidden count to fewer
    than `min_count` numbers. The reason: more than `min_count` customers of each set have hidden values, and both
    sets together have at least 2 `min_count` plus one for each hidden value. So each value could be the small one, in
    either set. (Secondary suppression and protection intervals: Hundepool et al. 2012, Statistical Disclosure
    Control, ch. 4.)

    Examples
    --------
    >>> suppressed_rows(np.array([40, 30, 3]), np.array([90, 80, 70]), min_count=5).tolist()
    [False, True, True]
    >>> suppressed_rows(np.array([40, 30, 0]), np.array([90, 80, 70]), min_count=5).tolist()
    [False, False, False]
    """
    small: BoolArray = is_small(n_in, min_count) | is_small(n_ref, min_count)
    total = n_in.sum() + n_ref.sum()
    if 0 < total <= min_count or (small.any() and not _is_protected(n_in.sum(), n_ref.sum(), len(n_in), min_count)):
        return np.ones_like(small)
    hide = small.copy()
    if top is not None and len(hide) > top:
        hide[_rows_by_size(n_in + n_ref, ~hide)[::-1][top:]] = True
    while small.any() and not _is_protected(n_in[hide].sum(), n_ref[hide].sum(), hide.sum(), min_count):
        hide[_next_row(n_in, n_ref, hide, min_count)] = True
    return hide


def check_min_count(min_count: int) -> int:
    """
    Return a minimum count as an int. Raise InputError if it is not an integer of at least 0.

    Examples
    --------
    >>> check_min_count(5)
    5
    """
    check_number(min_count, "min_count", at_least=0, whole=True)
    return int(min_count)


def _is_protected(n_in: Any, n_ref: Any, n_values: Any, min_count: int) -> Any:
    """Return True if no count can be computed when this many customers have this many hidden values."""
    return (np.minimum(n_in, n_ref) > min_count) & (n_in + n_ref >= 2 * min_count + n_values)


def _next_row(n_in: IntArray, n_ref: IntArray, hide: BoolArray, min_count: int) -> int:
    """Return the row to hide next: the smallest one that suffices, or else the largest one."""
    rows = _rows_by_size(n_in + n_ref, ~hide)
    n_in_hidden, n_ref_hidden = n_in[hide].sum() + n_in[rows], n_ref[hide].sum() + n_ref[rows]
    is_enough = _is_protected(n_in_hidden, n_ref_hidden, hide.sum() + 1, min_count)
    if is_enough.any():
        return int(rows[is_enough.argmax()])
    return int(rows[-1])


def _rows_by_size(n: IntArray, mask: BoolArray) -> IntArray:
    """Return the rows of a mask, the smallest first; of equal rows, the last one first."""
    rows = np.flatnonzero(mask)[::-1]
    return rows[np.argsort(n[rows], kind="stable")].astype(np.int64)
