"""Order of customers by scores, which decides who stays below a cap."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
import pandas as pd

from frgroups.analysis.rule_values import PLURALS, Values, read_column
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.suggestions import did_you_mean
from frgroups.internals.typing import IntArray
from frgroups.internals.validation import wrong_type
from frgroups.snapshot.customer_masks import are_row_labels
from frgroups.snapshot.schema import make_nullable
from frgroups.snapshot.snapshot import Snapshot

_INDEX = "Use an index of customer uids, or the complete index of `snapshot.customers`."


def score_ranks(snapshot: Snapshot, uids: pd.Index, order_by: str | pd.Series) -> IntArray:
    """
    Return the rank of each customer, where 0 is the customer with the largest score.

    Customers with equal scores are ranked in the order of `uids`. Customers without a score have the last ranks.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers.
    uids
        The sorted uids of the customers to rank, which can include customers who are not in the snapshot.
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
    >>> ranks = score_ranks(snapshot, snapshot.matrix.customer_uids, pd.Series({"c-2": 9, "c-7": 5}))
    >>> list(snapshot.matrix.customer_uids[np.argsort(ranks)][:3])
    ['c-2', 'c-7', 'c-1']
    """
    values = _read_scores(snapshot, uids, order_by)
    known, unknown = np.flatnonzero(values.known), np.flatnonzero(~values.known)
    # The reversed array is sorted, so that equal scores are in the order of uids after the result is reversed.
    descending = len(known) - 1 - np.argsort(values.data[known][::-1], kind="stable")[::-1]
    ranks = np.empty(len(uids), dtype=np.int64)
    ranks[np.concatenate([known[descending], unknown])] = np.arange(len(uids))
    return ranks


def _read_scores(snapshot: Snapshot, uids: pd.Index, order_by: str | pd.Series) -> Values:
    """Return the score of each customer. Raise InputError if the scores cannot be sorted."""
    customers = snapshot.customers
    if isinstance(order_by, str):
        if order_by not in customers:
            close = get_close_matches(order_by, list(customers.columns), n=3)
            raise InputError(
                f"`order_by` must be a column of the customers, got {safe_repr(order_by)}.{did_you_mean(close)} "
                "To use other scores, pass a Series."
            )
        scores = customers[order_by]
    elif isinstance(order_by, pd.Series):
        scores = order_by
    else:
        raise wrong_type(order_by, "order_by", "the name of a customer column or a Series of scores")
    labels = _uid_labels(scores.index, customers)
    if len(labels) and len(uids) and not labels.isin(uids).any():
        raise InputError(
            f"`order_by` has {pluralize(len(labels), 'score')}, but no index label is the uid of a customer. {_INDEX}"
        )
    values = read_column(make_nullable(scores).set_axis(labels).reindex(uids), "`order_by`")
    if values.kind in ("text", "other") or values.has_other_order:
        contained = (
            "categories in another order than their values" if values.has_other_order else PLURALS[values.kind]
        )
        raise InputError(f"`order_by` must contain numbers or dates, but it contains {contained}.")
    return values


def _uid_labels(labels: pd.Index, customers: pd.DataFrame) -> pd.Index:
    """
    Return the customer uid of each index label. Raise InputError if a customer has several scores.

    Row labels of the customers table must be complete. A Series with the default index of another table would
    otherwise assign the scores to the wrong customers.
    """
    if n_repeated := int(labels.duplicated().sum()):
        raise InputError(
            f"`order_by` must have one score per customer, but {n_repeated:,} of {len(labels):,} index labels "
            f"{agree(n_repeated, 'is', 'are')} repeated. Aggregate the scores first, for example with "
            "groupby('customer_uid')."
        )
    if not are_row_labels(labels, customers):
        return labels
    if len(labels) != len(customers):
        raise InputError(
            f"`order_by` has {pluralize(len(labels), 'score')} with row labels as the index, but there are "
            f"{pluralize(len(customers), 'customer')}. {_INDEX}"
        )
    uids = pd.Series(customers["customer_uid"].array, index=customers.index)
    return pd.Index(uids.reindex(labels), dtype="str")
