"""Match the rows of a user-supplied table with customers by uid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.validation import check_type
from frgroups.snapshot.membership_matrix import check_uids
from frgroups.snapshot.schema import make_nullable

CUSTOMER = "customer_uid"


class MatchedTable(NamedTuple):
    """
    A user-supplied table whose rows were matched with customers.

    Attributes
    ----------
    rows
        The columns of the table except customer_uid, with one row per customer, in the order of the customers. A
        customer without a row has missing values.
    n_ignored
        Number of table rows that were ignored, because they do not belong to any of the customers.
    """

    rows: pd.DataFrame
    n_ignored: int


def match_customers(table: pd.DataFrame, customers: pd.Index, name: str, *, place: str) -> MatchedTable:
    """
    Match the rows of a user-supplied table with customers by uid.

    Parameters
    ----------
    table
        A table with one row per customer. Its column customer_uid or its index contains the customer uids.
    customers
        Unique customer uids.
    name
        Name of the argument that contains the table, for use in error messages.
    place
        Phrase that states where the customers come from, for use in error messages. An example is "in the snapshot".

    Returns
    -------
    MatchedTable
        The rows in the order of the customers. Columns have nullable dtypes.

    Raises
    ------
    InputError
        If the table has no uids, repeats a uid or a column, or contains none of the customers.

    Examples
    --------
    >>> visits = pd.DataFrame({"visits": [9, 4]}, index=["c-2", "c-7"])
    >>> matched = match_customers(visits, pd.Index(["c-1", "c-2"]), "attributes", place="in the snapshot")
    >>> matched.rows["visits"].tolist(), matched.n_ignored
    ([<NA>, 9], 1)
    """
    check_type(table, pd.DataFrame, name)
    if CUSTOMER not in table and isinstance(table.index, pd.RangeIndex) and len(table):
        raise InputError(
            f"`{name}` needs a column 'customer_uid' or an index of customer uids. Its columns are "
            f"{format_list([safe_repr(column) for column in table.columns]) or 'none'}."
        )
    if CUSTOMER not in table:
        table = table.set_axis(table.index.to_flat_index().rename(CUSTOMER), axis=0).reset_index()
    uids = check_uids(table, CUSTOMER, name)
    if n_repeated := int(uids.duplicated().sum()):
        raise repeated_customers(name, n_repeated, len(uids))
    positions = pd.Index(uids).get_indexer(customers)
    if len(uids) and len(customers) and (positions < 0).all():
        raise no_known_customer(name, len(uids), place)
    own = table.drop(columns=CUSTOMER).reset_index(drop=True)
    if not own.columns.is_unique:
        raise InputError(
            f"`{name}` has several columns named {safe_repr(own.columns[own.columns.duplicated()][0])}. "
            "Column names must be unique."
        )
    own = pd.DataFrame({column: make_nullable(own[column]) for column in own.columns}, index=own.index)
    rows = own.reindex(pd.Index(np.where(positions < 0, len(own), positions))).reset_index(drop=True)
    return MatchedTable(rows, len(uids) - int(np.count_nonzero(positions >= 0)))


def repeated_customers(name: str, n_repeated: int, n_rows: int) -> InputError:
    """Return the error for a table in which several rows have the same uid. `name` is the argument name."""
    return InputError(
        f"`{name}` must have one row per customer, but {n_repeated:,} of {n_rows:,} rows repeat a uid. "
        "Aggregate the table first, for example with groupby('customer_uid')."
    )


def no_known_customer(name: str, n_rows: int, place: str) -> InputError:
    """Return the error for a table in which no row belongs to a known customer. See `match_customers`."""
    return InputError(
        f"`{name}` has {n_rows:,} rows, but none of them has the uid of a customer {place}. "
        "Use fg.resolve_customers to convert external ids to customer uids."
    )
