"""Boolean masks of customers, aligned on their index."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.typing import BoolArray, IndexArray


def is_mask(value: object) -> TypeGuard[pd.Series]:
    """
    Return True if a value is a Series that contains only booleans and missing values.

    Examples
    --------
    >>> is_mask(pd.Series([True, None], index=["c-1", "c-2"])), is_mask(pd.Series(["c-1"])), is_mask([True])
    (True, False, False)
    """
    if not isinstance(value, pd.Series):
        return False
    if pd.api.types.is_object_dtype(value):
        return pd.api.types.infer_dtype(value, skipna=True) == "boolean"
    return pd.api.types.is_bool_dtype(value)


def align_mask(mask: pd.Series, customers: pd.DataFrame, name: str) -> BoolArray:
    """
    Convert a boolean Series to an array in the order of the customers table.

    The mask must have exactly one value, True or False, for each customer. The index labels of the mask are customer
    uids or the index labels of the customers table, in any order. The values are never matched by position, because
    a mask with the same labels in another order would then select other customers.

    Parameters
    ----------
    mask
        The boolean Series.
    customers
        The customers table of the snapshot.
    name
        The description of the mask for error messages, such as "`group`".

    Returns
    -------
    numpy.ndarray
        One boolean per row of the customers table.

    Raises
    ------
    InputError
        If the index labels are unknown, repeated, or incomplete, or the mask contains missing values.

    Examples
    --------
    >>> customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"]})
    >>> align_mask(pd.Series([True, False], index=["c-2", "c-1"]), customers, "`group`").tolist()
    [False, True]
    """
    if n_missing := int(mask.isna().sum()):
        raise InputError(
            f"{name} must contain only True and False, but {n_missing:,} of {pluralize(len(mask), 'value')} "
            f"{agree(n_missing, 'is', 'are')} missing. Add .fillna(False) to leave out these customers, or "
            ".fillna(True) to select them."
        )
    positions = _positions(mask.index, customers)
    n_unknown, n_repeated = int((positions < 0).sum()), int(mask.index.duplicated().sum())
    n_absent = len(customers) - len(np.unique(positions[positions >= 0]))
    if n_unknown or n_repeated or n_absent:
        problems = {"unknown": n_unknown, "repeated": n_repeated}
        counts = [
            f"{n:,} of {len(mask):,} index labels {agree(n, 'is', 'are')} {problem}"
            for problem, n in problems.items()
            if n
        ]
        if n_absent:
            counts.append(
                f"{n_absent:,} of {pluralize(len(customers), 'customer')} {agree(n_absent, 'has', 'have')} no value"
            )
        raise InputError(
            f"{name} must have one value for each customer, with the index of `snapshot.customers` or an index of "
            f"customer uids, but {' and '.join(counts)}."
        )
    aligned = np.zeros(len(customers), dtype=np.bool_)
    aligned[positions] = mask.to_numpy(dtype=object).astype(np.bool_)
    return aligned


def _positions(labels: pd.Index, customers: pd.DataFrame) -> IndexArray:
    """Return the row number of the customer for each index label, or -1 if the label is unknown."""
    if labels.equals(customers.index):
        return np.arange(len(customers))
    by_label = _find_labels(labels, customers.index)
    by_uid = _find_labels(labels, pd.Index(customers["customer_uid"]))
    return by_label if (by_label >= 0).sum() > (by_uid >= 0).sum() else by_uid


def _find_labels(labels: pd.Index, candidates: pd.Index) -> IndexArray:
    if isinstance(labels, pd.MultiIndex) or labels.dtype == bool:
        return np.full(len(labels), -1)
    return candidates.get_indexer(labels)
