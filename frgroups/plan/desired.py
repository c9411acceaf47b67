"""Convert desired memberships from any supported form to integer customer codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from frgroups.analysis.customer_uids import read_customer_uids
from frgroups.analysis.waterfall import empty_audiences
from frgroups.api.schema import codec
from frgroups.errors import GroupNotFoundError, InputError, WrongTenantError
from frgroups.internals.formatting import format_list
from frgroups.internals.typing import Int32Array, IntArray
from frgroups.internals.validation import wrong_type
from frgroups.plan.uid_table import UidTable, is_invalid_uid
from frgroups.snapshot.group_references import find_quoted_group
from frgroups.snapshot.membership_matrix import check_uids, to_chunked_array
from frgroups.snapshot.similar_ids import check_similar_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.snapshot_columns import check_one_snapshot


class EngineFrame(Protocol):
    """A frame of a query engine. `is_engine_frame` describes the supported classes."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""


Desired = Mapping[str, Iterable[str]] | pd.DataFrame | Snapshot | EngineFrame


@dataclass(frozen=True, slots=True)
class DesiredMemberships:
    """
    Desired members of one group.

    Attributes
    ----------
    codes
        Codes of the desired customers who are in the snapshot, in any order. A code can occur several times.
    unknown
        Uids of the desired customers who are not in the snapshot.
    n_unchanged
        Number of the desired customers who are neither in `codes` nor in `unknown`, because the group's mode does not
        change their memberships. A query engine returns only their number. In the mode "add", these customers are
        already members. In the modes "remove" and "keep_only", they are not members.
    """

    codes: Int32Array
    unknown: frozenset[str] = frozenset()
    n_unchanged: int = 0


NO_CUSTOMERS = DesiredMemberships(np.empty(0, dtype=np.int32))


def desired_memberships(
    snapshot: Snapshot,
    desired: Desired,
    created: Mapping[str, str],
    uids: UidTable,
    *,
    allow_similar_ids: bool = False,
) -> Iterator[tuple[str, DesiredMemberships]]:
    """
    Yield the uid and the desired members of each group.

    The uids of the desired customers are validated.

    Parameters
    ----------
    snapshot
        The current memberships.
    desired
        The desired memberships, in one of the forms that `plan_memberships` accepts, but not in a query engine.
    created
        The groups to create, as {uid: name}.
    uids
        The table of the customer uids of the snapshot.
    allow_similar_ids
        Whether unknown uids may be similar to the ids of known customers.
    """
    lists = _read_desired(snapshot, desired)
    group_uids = find_group_uids(snapshot, lists.groups, created, in_uid_column=lists.in_uid_column)
    codes = uids.lookup_codes(lists.texts)
    unknown_at = np.flatnonzero(codes < 0)
    # Combine the Arrow chunks once. Otherwise, each call of `take` would search all chunks.
    unknown_texts = lists.texts.filter(pa.array(codes < 0)).combine_chunks()
    _check_customers(lists, codes, unknown_at, unknown_texts, uids)
    # Uids in a list can be misspelled. The uids of a Snapshot come from the API and are therefore not checked.
    if not allow_similar_ids and not isinstance(desired, Snapshot):
        unknown = unknown_texts.unique().to_pylist()
        n_known = len(codes) - len(unknown_at)
        check_similar_ids(snapshot.customers, unknown, "customer_uid", source="`desired`", n_known=n_known)
    for uid, start, end in zip(group_uids, lists.indptr[:-1], lists.indptr[1:], strict=True):
        if lists.positions is None:
            positions, group_codes = np.arange(start, end), codes[start:end]
        else:
            positions = lists.positions[start:end]
            group_codes = codes[positions]
        is_known = group_codes >= 0
        if is_known.all():
            yield uid, DesiredMemberships(group_codes)
        else:
            unknown = unknown_texts.take(pa.array(np.searchsorted(unknown_at, positions[~is_known])))
            yield uid, DesiredMemberships(group_codes[is_known], frozenset(unknown.to_pylist()))


@dataclass(frozen=True, slots=True)
class _CustomerLists:
    """
    Customer uids that each group should contain. One Arrow array contains the uids of all groups.

    An Arrow array is used because a Python list of millions of uids would be slow. The customer uids of group i are
    `texts.take(positions[indptr[i]:indptr[i + 1]])`. If `positions` is None, the customer uids of group i are
    `texts[indptr[i]:indptr[i + 1]]`.
    """

    groups: Sequence[str]
    indptr: IntArray
    texts: pa.ChunkedArray
    positions: npt.NDArray[Any] | None = None
    in_uid_column: bool = False  # True if `groups` was read from a column customer_group_uid.


def _read_desired(snapshot: Snapshot, desired: Desired) -> _CustomerLists:
    if isinstance(desired, Snapshot):
        return _lists_from_snapshot(snapshot, desired)
    if isinstance(desired, pd.DataFrame):
        return _lists_from_table(_rows_of_tenant(snapshot, desired))
    if isinstance(desired, Mapping):
        texts = [read_customer_uids(snapshot, uids, f"desired[{group!r}]") for group, uids in desired.items()]
        indptr = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        return _CustomerLists(list(desired), indptr, pa.chunked_array(texts, type=pa.large_string()))
    raise wrong_type(
        desired,
        "desired",
        "a dictionary {group: customer uids}, a DataFrame, a Snapshot, or a lazy frame of a query engine",
    )


def _lists_from_snapshot(snapshot: Snapshot, desired: Snapshot) -> _CustomerLists:
    if desired.tenant_uid != snapshot.tenant_uid:
        raise WrongTenantError(
            f"`desired` is a snapshot of tenant {desired.tenant_uid}, but `snapshot` is a snapshot of tenant "
            f"{snapshot.tenant_uid}. Pass two snapshots of the same tenant."
        )
    matrix = desired.matrix
    for uid in matrix.group_uids:
        same_name = snapshot.matrix.uids_by_name.get(uid, [])
        if same_name and uid not in snapshot.matrix.names_by_uid:
            raise GroupNotFoundError(
                f"`desired` contains a group with the uid {uid!r}, but in `snapshot` this is the name of group "
                f"{format_list(same_name)}. Pass a dictionary {{group: customer uids}} instead of a Snapshot.",
                close=same_name,
            )
    return _CustomerLists(
        list(matrix.group_uids),
        matrix.indptr,
        to_chunked_array(matrix.customer_uids),
        matrix.indices,
        in_uid_column=True,
    )


def _rows_of_tenant(snapshot: Snapshot, desired: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the snapshot's tenant if the table has a column tenant_uid, otherwise all rows."""
    if "tenant_uid" not in desired:
        return desired
    rows = desired[check_uids(desired, "tenant_uid", "desired") == snapshot.tenant_uid]
    if rows.empty:
        raise no_rows_of_tenant(snapshot.tenant_uid)
    return rows


def no_rows_of_tenant(tenant_uid: str) -> InputError:
    """Return the error for a table with a column tenant_uid that has no rows of the snapshot's tenant."""
    return InputError(
        f"`desired` has a column 'tenant_uid', but 0 of its rows belong to tenant {tenant_uid!r} of `snapshot`. Pass "
        "the snapshot of a tenant in this column."
    )


def _lists_from_table(desired: pd.DataFrame) -> _CustomerLists:
    is_waterfall = "audience" in desired and "customer_group_uid" not in desired
    key = "audience" if is_waterfall else "customer_group_uid"
    # Combine the chunks before the uids are encoded, because pyarrow 24 cannot combine a dictionary array without
    # chunks.
    groups = to_chunked_array(check_uids(desired, key, "desired")).combine_chunks().dictionary_encode()
    customers = to_chunked_array(check_uids(desired, "customer_uid", "desired"))
    if not is_waterfall:
        check_one_snapshot(desired, "desired")
    # The dictionary of the encoded column contains each group once, in the order of its first row in the table.
    names = groups.dictionary.to_pylist()
    codes: npt.NDArray[Any] = np.asarray(groups.indices)
    n_rows = np.bincount(codes, minlength=len(names))
    if is_waterfall:
        # An audience without customers has no rows in the table. Add it as a group without desired members.
        empty = empty_audiences(desired)
        names, n_rows = [*names, *empty], np.append(n_rows, np.zeros(len(empty), dtype=np.int64))
    indptr = np.concatenate([[0], np.cumsum(n_rows)])
    if (codes[:-1] <= codes[1:]).all():
        return _CustomerLists(names, indptr, customers, in_uid_column=not is_waterfall)
    if len(names) < 2**16:
        # NumPy sorts 16-bit integers with a radix sort, which is faster than the comparison sort for larger integers.
        codes = codes.astype(np.uint16)
    positions = np.argsort(codes, kind="stable")
    return _CustomerLists(names, indptr, customers, positions, in_uid_column=not is_waterfall)


def _check_customers(
    lists: _CustomerLists, codes: Int32Array, unknown_at: IntArray, unknown_texts: pa.Array, uids: UidTable
) -> None:
    """Raise InputError if the uid of a desired customer is not a valid API uid."""
    is_invalid = np.zeros(len(codes), dtype=np.bool_)
    if uids.invalid is not None:
        is_invalid = uids.invalid[codes] & (codes >= 0)
    is_invalid[unknown_at] = is_invalid_uid(unknown_texts)
    if not is_invalid.any():
        return
    positions = lists.positions
    if positions is None:
        positions = np.arange(len(codes))
    invalid_positions = positions[is_invalid[positions]]
    if len(invalid_positions):
        codec.check_uid(lists.texts[int(invalid_positions[0])].as_py(), "customer uid")


def find_group_uids(
    snapshot: Snapshot, groups: Iterable[str], created: Mapping[str, str], *, in_uid_column: bool
) -> list[str]:
    """
    Return the uids of the desired groups. See `find_group_uid` for the parameters.

    Raise InputError if a group occurs twice, for example by uid and by name.
    """
    names: dict[str, str] = {}
    for name in groups:
        uid = find_group_uid(snapshot, name, created, in_uid_column=in_uid_column)
        if uid in names:
            raise InputError(f"`desired` contains group {uid!r} twice, once as {name!r}. Pass each group once.")
        names[uid] = name
    return list(names)


def find_group_uid(snapshot: Snapshot, group: str, created: Mapping[str, str], *, in_uid_column: bool = False) -> str:
    """
    Return the uid of an existing group or of a group that the plan creates, by its uid or name.

    See `find_quoted_group` for the errors and for `in_uid_column`.
    """
    try:
        return find_quoted_group(snapshot.matrix, group, created=created, in_uid_column=in_uid_column)
    except GroupNotFoundError as error:
        if error.n_matches == 0:
            error.add(
                hint="To create a group, pass create={uid: name}.",
                cli_hint="To create a group, pass its uid to --group and its name to --create.",
            )
        raise
