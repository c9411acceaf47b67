"""Convert an argument with customer uids, such as a list, a Series, or a mask, to an Arrow array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from frgroups.api.schema import codec
from frgroups.errors import InputError
from frgroups.internals.validation import as_list, wrong_type
from frgroups.snapshot.customer_masks import align_mask, is_mask
from frgroups.snapshot.membership_matrix import check_uids, to_string_array
from frgroups.snapshot.snapshot import Snapshot


def read_customer_uids(snapshot: Snapshot, customers: Iterable[Any], name: str) -> pa.Array:
    """
    Convert a list of customer uids or a boolean mask of customers to an Arrow array of uids.

    Parameters
    ----------
    snapshot
        The snapshot whose customers a mask selects.
    customers
        A list, an array, a Series, or another iterable of uids, or a boolean mask that `align_mask` accepts.
    name
        The name of the argument, for use in error messages.

    Raises
    ------
    InputError
        If `customers` has an unsupported type, a mask does not match the customers, or a value is not a string.

    Examples
    --------
    >>> read_customer_uids(sample_snapshot(), ["c-1", "c-2"], "desired['VIP']").to_pylist()
    ['c-1', 'c-2']
    """
    if is_mask(customers):
        mask = align_mask(customers, snapshot.customers, f"`{name}`")
        customers = snapshot.customers.loc[mask, "customer_uid"]
    if isinstance(customers, pa.Array | pa.ChunkedArray):
        customers = customers.to_pandas()
    if isinstance(customers, pd.Series | pd.Index | np.ndarray):
        return _uids_from_array(customers, name)
    if isinstance(customers, Mapping | pd.DataFrame) or not isinstance(customers, Iterable):
        raise wrong_type(customers, name, "a list of customer uids")
    listed = as_list(customers, name)
    try:
        texts = pa.array(listed)
    except (pa.ArrowException, TypeError, ValueError):
        texts = None
    if texts is not None and texts.type == pa.string() and not texts.null_count:
        return texts.cast(pa.large_string())
    # Arrow did not convert all values to strings.
    # `check_uids_once` raises an error for the first invalid uid.
    # It accepts subclasses of str, which Arrow rejects.
    return pa.array(codec.check_uids_once(listed, name), type=pa.large_string())


def _uids_from_array(customers: pd.Series | pd.Index | npt.NDArray[Any], name: str) -> pa.Array:
    if customers.ndim != 1 or isinstance(customers, pd.MultiIndex):
        raise InputError(f"`{name}` must be one-dimensional. Pass only the customer uids.")
    if isinstance(customers, np.ndarray):
        customers = customers.astype(object)
    column = pd.DataFrame({"customer_uid": pd.Series(customers, dtype=getattr(customers, "dtype", None))})
    return to_string_array(check_uids(column, "customer_uid", name))
