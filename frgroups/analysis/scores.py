"""Scores that determine which customers of an audience remain if its cap is exceeded."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.analysis.rule_values import PLURALS, read_column
from frgroups.errors import InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.suggestions import did_you_mean
from frgroups.internals.typing import BoolArray, IndexArray, IntArray
from frgroups.internals.validation import wrong_type
from frgroups.snapshot.membership_matrix import to_string_array
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import lookup_positions

_INDEX = "Use an index of customer uids, or the complete index of `snapshot.customers`."


@dataclass(frozen=True, eq=False)
class Scores:
    """
    One score per customer, in the order of uids.

    Attributes
    ----------
    data
        Numbers, booleans, dates, or durations. Where `known` is False, the value is arbitrary.
    known
        A mask that is False for each customer without a score.
    """

    data: npt.NDArray[Any]
    known: BoolArray

    def best(self, codes: IntArray, n: int) -> IntArray:
        """
        Return the positions of the customers with the largest scores, in ascending order.

        Customers without a score are selected last. Of customers with equal scores, those with the smallest positions
        are selected first. To save time, the function does not sort all scores. It finds the smallest selected score
        with a partition, and compares the other scores with this score.

        Parameters
        ----------
        codes
            The sorted positions of the customers to select from.
        n
            The number of customers to select, from 1 to the number of codes.

        Examples
        --------
        >>> Scores(np.array([5, 7, 7, 0]), np.array([True, True, True, False])).best(np.arange(4), 2).tolist()
        [1, 2]
        """
        scored = codes[self.known[codes]]
        if len(scored) <= n:
            others = codes[~self.known[codes]]
            return np.sort(np.concatenate([scored, others[: n - len(scored)]]))
        data = self.data[scored]
        smallest = np.partition(data, len(data) - n)[len(data) - n]
        is_selected = data > smallest
        ties = np.flatnonzero(data == smallest)
        is_selected[ties[: n - np.count_nonzero(is_selected)]] = True
        selected: IntArray = scored[is_selected]
        return selected


def read_scores(snapshot: Snapshot, uids: pd.Index, order_by: str | pd.Series) -> Scores:
    """
    Return the score of each customer.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers.
    uids
        The sorted uids of all customers in the snapshot, and of any customers who are not in the snapshot.
    order_by
        The name of a customer column, or a Series of scores, as in `waterfall`.

    Raises
    ------
    InputError
        If the column is unknown, the scores are neither numbers nor dates, or the index of the Series does not
        identify the customers.

    Examples
    --------
    >>> snapshot = sample_snapshot()
    >>> scores = read_scores(snapshot, snapshot.matrix.customer_uids, pd.Series({"c-2": 9, "c-7": 5}))
    >>> scores.data[scores.known].tolist()
    [9, 5]
    """
    column = _select_column(snapshot, order_by)
    values = read_column(column, "`order_by`")
    contained = PLURALS[values.kind]
    if values.has_other_order:
        contained = "categories that are not ordered by their values"
    if values.kind in ("text", "other") or values.has_other_order:
        raise InputError(f"`order_by` must contain numbers or dates, but it contains {contained}.")
    positions = _positions(snapshot, uids, column.index)
    is_customer = positions >= 0
    if len(positions) and len(uids) and not is_customer.any():
        raise InputError(
            f"`order_by` has {pluralize(len(positions), 'score')}, but no index label is the uid of a customer. "
            f"{_INDEX}"
        )
    positions = positions[is_customer]
    n_scores = np.bincount(positions, minlength=len(uids))
    if (n_scores > 1).any():
        n_repeated = int(np.count_nonzero(n_scores > 1))
        raise InputError(
            f"`order_by` must have one score per customer, but it has several scores for "
            f"{pluralize(n_repeated, 'customer')}. Aggregate the scores first, for example with "
            "groupby('customer_uid')."
        )
    data, known = np.zeros(len(uids), dtype=values.data.dtype), np.zeros(len(uids), dtype=np.bool_)
    data[positions], known[positions] = values.data[is_customer], values.known[is_customer]
    if values.kind == "missing":
        return Scores(np.zeros(len(uids)), known)
    return Scores(data, known)


def _select_column(snapshot: Snapshot, order_by: str | pd.Series) -> pd.Series:
    """Return the scores as a Series, indexed by customer uid or by the index of the customers table."""
    if isinstance(order_by, pd.Series):
        return order_by
    if not isinstance(order_by, str):
        raise wrong_type(order_by, "order_by", "the name of a customer column or a Series of scores")
    columns = snapshot.customers.columns
    if order_by not in columns:
        close = get_close_matches(order_by, list(columns), n=3)
        raise InputError(
            f"`order_by` must be a column of the customers, got {safe_repr(order_by)}.{did_you_mean(close)} To use "
            "other scores, pass a Series."
        )
    return snapshot.customers[order_by]


def _positions(snapshot: Snapshot, uids: pd.Index, labels: pd.Index) -> IndexArray:
    """
    Return the position of each index label in `uids`, or -1 if the label is not the uid of a customer.

    Uids are strings, so numeric labels are row labels of the customers table. A Series with row labels must contain
    all row labels of this table. Without this rule, the scores of a Series with the default index of another table
    would be assigned to the wrong customers.
    """
    known = to_string_array(uids)
    if pd.api.types.is_integer_dtype(labels):
        rows = snapshot.customers.index.get_indexer(labels)
        if len(np.unique(rows)) != len(snapshot.customers) or len(rows) != len(snapshot.customers):
            raise InputError(
                f"`order_by` is indexed by row labels and contains {pluralize(len(labels), 'score')}, but the "
                f"snapshot contains {pluralize(len(snapshot.customers), 'customer')}. {_INDEX}"
            )
        if len(uids) == len(rows):
            return rows
        return lookup_positions(to_string_array(snapshot.matrix.customer_uids), known).astype(np.intp)[rows]
    if isinstance(labels, pd.MultiIndex) or pd.api.types.infer_dtype(labels, skipna=False) != "string":
        return np.full(len(labels), -1)
    texts = to_string_array(labels)
    # Scores that are computed for all customers of a snapshot are often in the order of the snapshot.
    # In this case, no lookup is necessary.
    if texts.equals(known):
        return np.arange(len(uids))
    return lookup_positions(texts, known).astype(np.intp)
