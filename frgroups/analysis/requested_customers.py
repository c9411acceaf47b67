"""The requested customers of each audience of a waterfall, as a mask over a sorted list of uids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from frgroups.analysis.customer_uids import read_customer_uids
from frgroups.analysis.group_expressions import expression_mask
from frgroups.api.schema import codec
from frgroups.errors import InputError
from frgroups.internals.typing import BoolArray
from frgroups.snapshot.group_references import quote_reference
from frgroups.snapshot.membership_matrix import to_string_array
from frgroups.snapshot.similar_ids import check_similar_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import lookup_positions

# Customers in the form of a group expression, a list of customer uids, or a boolean mask.
Customers = str | Iterable[Any]


@dataclass(frozen=True, eq=False)
class RequestedCustomers:
    """
    The customers that each audience requests.

    Attributes
    ----------
    uids
        The sorted uids of the customers in the snapshot, and of the listed customers who are not in the snapshot.
    audiences
        For each audience, a mask that is True for each requested customer, in the order of `uids`.
    excluded
        A mask that is True for each excluded customer.
    """

    uids: pd.Index
    audiences: dict[str, BoolArray]
    excluded: BoolArray


def read_requested_customers(
    snapshot: Snapshot, audiences: Mapping[str, Customers], exclude: Customers | None, *, allow_similar_ids: bool
) -> RequestedCustomers:
    """
    Return the customers that each audience requests, and the excluded customers.

    The parameters and errors are the same as in `waterfall`.

    Examples
    --------
    >>> audiences = {"Gold": "VIP", "New": ["c-2510"]}
    >>> requested = read_requested_customers(sample_snapshot(), audiences, "staff", allow_similar_ids=False)
    >>> {name: list(requested.uids[mask]) for name, mask in requested.audiences.items()}
    {'Gold': ['c-1', 'c-2'], 'New': ['c-2510']}
    """
    reader = _Reader(snapshot, allow_similar_ids=allow_similar_ids)
    selections = {name: _read_audience(reader, name, customers) for name, customers in audiences.items()}
    excluded = reader.read([] if exclude is None else exclude, "exclude", "the customers to exclude")
    others = sorted({uid for selection in [*selections.values(), excluded] for uid in selection.others})
    if not others:
        masks = {name: selection.mask for name, selection in selections.items()}
        return RequestedCustomers(snapshot.matrix.customer_uids, masks, excluded.mask)
    uids = snapshot.matrix.customer_uids.append(pd.Index(others, dtype="str"))
    order = uids.argsort()

    def complete(selection: _Selection) -> BoolArray:
        return np.concatenate([selection.mask, [uid in selection.others for uid in others]])[order]

    masks = {name: complete(selection) for name, selection in selections.items()}
    return RequestedCustomers(uids[order], masks, complete(excluded))


def _read_audience(reader: _Reader, name: str, customers: Customers) -> _Selection:
    """Return the customers of an audience. If an error is raised, its attribute `audience` contains the name."""
    try:
        return reader.read(customers, f"audiences[{name!r}]", f"the customers of the audience {name!r}")
    except InputError as error:
        error.add(audience=name)
        raise


@dataclass(frozen=True, eq=False)
class _Selection:
    """A mask of the selected customers in the snapshot, and the uids of selected customers outside it."""

    mask: BoolArray
    others: frozenset[str] = frozenset()


class _Reader:
    """Reads expressions, masks, and lists of customer uids, and rejects lists that probably contain mistakes."""

    def __init__(self, snapshot: Snapshot, *, allow_similar_ids: bool) -> None:
        self._snapshot = snapshot
        self._allow_similar_ids = allow_similar_ids
        self._known = to_string_array(snapshot.matrix.customer_uids)

    def read(self, customers: Customers, name: str, purpose: str) -> _Selection:
        """Return the customers that an argument selects. Errors contain the name or the purpose of the argument."""
        if isinstance(customers, str):
            try:
                return _Selection(expression_mask(self._snapshot.matrix, customers))
            except InputError as error:
                error.add(f"The expression selects {purpose}.")
                raise
        texts = read_customer_uids(self._snapshot, customers, name)
        codes = lookup_positions(texts, self._known)
        mask = np.zeros(len(self._known), dtype=np.bool_)
        mask[codes[codes >= 0]] = True
        others = texts.filter(pa.array(codes < 0)).unique().to_pylist()
        self._check_others(others, name)
        return _Selection(mask, frozenset(others))

    def _check_others(self, uids: list[str], name: str) -> None:
        """Raise InputError if an unknown uid is a group uid, is invalid, or is similar to a known id."""
        matrix = self._snapshot.matrix
        for uid in uids:
            if uid in matrix.names_by_uid or uid in matrix.uids_by_name:
                raise InputError(
                    f"`{name}` must be a list of customer uids, but it contains the group {uid!r}.",
                    hint=f"To select the members of groups, pass an expression, such as {quote_reference(uid)!r}.",
                )
            codec.check_uid(uid, "customer uid")
        if not self._allow_similar_ids:
            check_similar_ids(self._snapshot.customers, uids, "customer_uid", source=f"`{name}`")
