"""Which counts of a table would tell too much of too few customers; pure, on counts alone."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from frgroups.errors import InputError
from frgroups.internals.typing import BoolArray, IntArray


def is_small(n: Any, min_count: int) -> Any:
    """
    Whether a count is of somebody, and of fewer than `min_count`; nobody is nobody's secret.

    >>> [bool(is_small(n, 5)) for n in (0, 1, 4, 5)]
    [False, True, True, False]
    """
    return (n > 0) & (n < min_count)


def suppressed_rows(n_in: IntArray, n_ref: IntArray, *, min_count: int, top: int | None = None) -> BoolArray:
    """
    Which values of one attribute may not stand in a table that compares two sets of customers.

    A value that is small in either set is hidden, and what is beyond the `top` largest. The sizes of the sets are
    known, so what is hidden adds up to a known number: other values are hidden too (the smallest one that is
    enough, or else the largest) until nothing can be computed. Where a whole set is small that hides everything.

    Whatever is hidden could then be, as far as any reader can tell who knows this rule, `min_count`, the values
    there are and the sizes, any of `min_count` numbers or more. The reason: with more than `min_count` customers of
    each set behind the hidden values, and in both together 2 `min_count` and one for each value, each of them may be
    small in one set or the other on its own account, so that nothing tells which had to be hidden, and why.
    (Secondary suppression and protection intervals: Hundepool et al. 2012, Statistical Disclosure Control, ch. 4.)

    >>> suppressed_rows(np.array([40, 30, 3]), np.array([90, 80, 70]), min_count=5).tolist()
    [False, True, True]
    >>> suppressed_rows(np.array([40, 30, 0]), np.array([90, 80, 70]), min_count=5).tolist()
    [False, False, False]
    """
    small: BoolArray = is_small(n_in, min_count) | is_small(n_ref, min_count)
    total = n_in.sum() + n_ref.sum()
    if 0 < total <= min_count or (small.any() and not _is_safe(n_in.sum(), n_ref.sum(), len(n_in), min_count)):
        return np.ones_like(small)
    hide = small.copy()
    if top is not None and len(hide) > top:
        hide[_smallest_first(n_in + n_ref, ~hide)[::-1][top:]] = True
    while small.any() and not _is_safe(n_in[hide].sum(), n_ref[hide].sum(), hide.sum(), min_count):
        hide[_next(n_in, n_ref, hide, min_count)] = True
    return hide


def check_min_count(min_count: int) -> int:
    """
    The number, or an error that says what it is for.

    >>> check_min_count(5)
    5
    """
    try:
        number = operator.index(min_count)
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"min_count={min_count!r} is no number of customers; 0 shows every count, 5 is usual.")
    return number


def _is_safe(n_in: Any, n_ref: Any, n_values: Any, min_count: int) -> Any:
    """Whether so many customers behind so many hidden values leave nothing to compute; more of both never harm."""
    return (np.minimum(n_in, n_ref) > min_count) & (n_in + n_ref >= 2 * min_count + n_values)


def _next(n_in: IntArray, n_ref: IntArray, hide: BoolArray, min_count: int) -> int:
    rows = _smallest_first(n_in + n_ref, ~hide)
    enough = _is_safe(n_in[hide].sum() + n_in[rows], n_ref[hide].sum() + n_ref[rows], hide.sum() + 1, min_count)
    return int(rows[enough.argmax() if enough.any() else -1])


def _smallest_first(n: IntArray, among: BoolArray) -> IntArray:
    """The rows among these, the smallest first; of equal ones the last, so that it is the first to be left out."""
    rows = np.flatnonzero(among)[::-1]
    return rows[np.argsort(n[rows], kind="stable")].astype(np.int64)
