"""Who is wanted in which group, in any form that a caller may give it, as codes of the snapshot's customers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from frgroups.api.schema import codec as wire
from frgroups.errors import GroupNotFoundError, InputError, WrongTenantError
from frgroups.internals.typing import Int32Array, IntArray
from frgroups.internals.validation import as_list
from frgroups.plan.uid_table import UidTable, odd_ones
from frgroups.snapshot.membership_matrix import check_uids, to_chunked_array, to_string_array
from frgroups.snapshot.snapshot import Snapshot

Desired = Mapping[str, Iterable[str]] | pd.DataFrame | Snapshot


@dataclass(frozen=True, slots=True)
class DesiredMemberships:
    """Who is wanted in one group: known customers by code, in any order, perhaps repeated, and the uids of others."""

    codes: Int32Array
    unknown: frozenset[str] = frozenset()


NOBODY = DesiredMemberships(np.empty(0, dtype=np.int32))


def desired_memberships(
    snapshot: Snapshot, desired: Desired, new: Mapping[str, str], uids: UidTable
) -> Iterator[tuple[str, DesiredMemberships]]:
    """Each wanted group by uid, customers checked; `new` are the groups to create, `uids` those of the snapshot."""
    wish = _read_desired(snapshot, desired)
    groups: dict[str, str] = {}
    for name in wish.groups:
        uid = _group_uid(snapshot, name, new)
        if uid in groups:
            raise InputError(f"Group {uid!r} is wanted twice, once as {name!r}. Name each group once.")
        groups[uid] = name
    codes = uids.as_membership_matrix(wish.texts)
    new_at = np.flatnonzero(codes < 0)
    new_texts = wish.texts.filter(pa.array(codes < 0)).combine_chunks()  # Once: each look goes through all pieces.
    _check_customers(wish, codes, new_at, new_texts, uids)
    for uid, start, end in zip(groups, wish.indptr[:-1], wish.indptr[1:], strict=True):
        at = np.arange(start, end) if wish.places is None else wish.places[start:end]
        code = codes[start:end] if wish.places is None else codes[at]
        known = code >= 0
        if known.all():
            yield uid, DesiredMemberships(code)
        else:
            unknown = new_texts.take(pa.array(np.searchsorted(new_at, at[~known])))
            yield uid, DesiredMemberships(code[known], frozenset(unknown.to_pylist()))


@dataclass(frozen=True, slots=True)
class _DesiredGroups:
    """
    What a caller wants: of group g the texts at `places[starts[g]:starts[g + 1]]`, without `places` those very texts.

    No text is looked at in Python: there may be millions.
    """

    groups: Sequence[str]
    indptr: IntArray
    texts: pa.ChunkedArray
    places: npt.NDArray[Any] | None = None


def _read_desired(snapshot: Snapshot, desired: Desired) -> _DesiredGroups:
    if isinstance(desired, Snapshot):
        return _of_snapshot(snapshot, desired)
    if isinstance(desired, pd.DataFrame):
        return _of_table(desired)
    if isinstance(desired, Mapping):
        texts = [_customer_uids(customers, f"desired[{group!r}]") for group, customers in desired.items()]
        starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        return _DesiredGroups(list(desired), starts, pa.chunked_array(texts, type=pa.large_string()))
    raise InputError(
        f"desired is a {type(desired).__name__}; give {{group: customer uids}}, a table with "
        "customer_group_uid and customer_uid, or a Snapshot."
    )


def _of_snapshot(snapshot: Snapshot, desired: Snapshot) -> _DesiredGroups:
    if desired.tenant_uid != snapshot.tenant_uid:
        raise WrongTenantError(
            f"The wanted membership is of tenant {desired.tenant_uid}, the snapshot of {snapshot.tenant_uid}."
        )
    codes = desired.matrix
    for uid in codes.group_uids:
        if uid in snapshot and snapshot.group_uid(uid) != uid:
            raise GroupNotFoundError(
                f"The wanted membership has a group of uid {uid!r}; here that is the name of another group, "
                f"{snapshot.group_uid(uid)}. Give {{group: customer uids}} for the groups that are meant.",
                close=[snapshot.group_uid(uid)],
            )
    return _DesiredGroups(list(codes.group_uids), codes.indptr, to_chunked_array(codes.customer_uids), codes.indices)


def _of_table(desired: pd.DataFrame) -> _DesiredGroups:
    groups = (
        to_chunked_array(check_uids(desired, "customer_group_uid", "desired")).dictionary_encode().combine_chunks()
    )
    customers = to_chunked_array(check_uids(desired, "customer_uid", "desired"))
    names = groups.dictionary.to_pylist()  # In the order in which they come.
    group = np.asarray(groups.indices)
    starts = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=len(names)))])
    if (group[:-1] <= group[1:]).all():
        return _DesiredGroups(names, starts, customers)
    # Sixteen bits are sorted by counting.
    places = np.argsort(group.astype(np.uint16) if len(names) < 2**16 else group, kind="stable")
    return _DesiredGroups(names, starts, customers, places)


def _customer_uids(customers: Iterable[Any], what: str) -> pa.Array:
    """The customers of one group as texts."""
    if isinstance(customers, pa.Array | pa.ChunkedArray):
        customers = customers.to_pandas()
    if isinstance(customers, pd.Series | pd.Index | np.ndarray):
        if customers.ndim != 1 or isinstance(customers, pd.MultiIndex):
            raise InputError(f"{what} is not one column; give the customer uids alone.")
        given = customers.astype(object) if isinstance(customers, np.ndarray) else customers
        column = pd.DataFrame({"customer_uid": pd.Series(given, dtype=getattr(given, "dtype", None))})
        return to_string_array(check_uids(column, "customer_uid", what))
    if isinstance(customers, Mapping | pd.DataFrame) or not isinstance(customers, Iterable):
        raise InputError(f"{what} is a {type(customers).__name__}; give the customer uids.")
    listed = as_list(customers, what)
    try:
        texts = pa.array(listed)
    except (pa.ArrowException, TypeError, ValueError):
        texts = None
    if texts is not None and texts.type == pa.string() and not texts.null_count:
        return texts.cast(pa.large_string())
    # Uid by uid: finds the one that is no text, and takes what only Python takes for one.
    return pa.array(wire.check_uids_once(listed, what), type=pa.large_string())


def _check_customers(
    wish: _DesiredGroups, codes: Int32Array, new_at: IntArray, new_texts: pa.Array, uids: UidTable
) -> None:
    """Refuse the first wanted customer whose uid the API does not take."""
    odd = np.zeros(len(codes), dtype=np.bool_) if uids.odd is None else uids.odd[codes] & (codes >= 0)
    odd[new_at] = odd_ones(new_texts)
    if not odd.any():
        return
    places = np.arange(len(codes)) if wish.places is None else wish.places
    for at in places[odd[places]][:1]:
        wire.check_uid(wish.texts[int(at)].as_py(), "customer uid")


def _group_uid(snapshot: Snapshot, group: str, new: Mapping[str, str]) -> str:
    if group in new:
        return group
    named = [uid for uid, name in new.items() if name == group]
    if named and (len(named) > 1 or group in set(snapshot.matrix.group_names)):
        raise GroupNotFoundError(
            f"{group!r} names a group to create ({', '.join(named)}) and another one. Say which by its uid.",
            close=named,
        )
    try:
        return snapshot.group_uid(group)
    except GroupNotFoundError as error:
        if named:
            return named[0]
        raise GroupNotFoundError(
            error.message,
            hint="To create a group, pass create={uid: name}.",
            cli_hint="To create a group, pass its uid to --group and its name to --create.",
            close=error.close,
        ) from None
