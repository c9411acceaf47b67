"""Sparse matrix of the members of each group, in compressed sparse row (CSR) format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.typing import BoolArray, Int32Array, IntArray
from frgroups.internals.validation import (
    as_list,
    check_columns,
    check_text,
    check_type,
    check_unique_column,
    wrong_type,
)
from frgroups.snapshot.group_references import find_quoted_group
from frgroups.snapshot.snapshot_columns import SNAPSHOT_COLUMNS, check_one_snapshot
from frgroups.snapshot.uid_lookup import lookup_positions

READ_AS_STRINGS = (
    "Read the column as strings, for example with dtype='str' in pandas, because numbers lose leading zeros."
)


@dataclass(frozen=True, eq=False, repr=False)
class MembershipMatrix:
    """
    Sparse matrix with one row per group and one column per customer, in compressed sparse row (CSR) format.

    Groups and customers are represented by integer codes. The customer codes of the members of the group with code g
    are `indices[indptr[g]:indptr[g + 1]]`. These customer codes are sorted and unique.

    Attributes
    ----------
    group_uids, customer_uids
        Sorted, unique uids. The code of a uid is its position, so sorting by code is the same as sorting by uid.
    group_names
        Name of each group, in the order of `group_uids`.
    indptr
        Start position of each group in `indices`, followed by the length of `indices`.
    indices
        Customer code of each membership.
    """

    group_uids: pd.Index
    group_names: pd.Index
    customer_uids: pd.Index
    indptr: IntArray
    indices: Int32Array

    @classmethod
    def from_uids(
        cls,
        group_uids: pd.Series,
        customer_uids: pd.Series,
        *,
        all_groups: Iterable[str] | None = None,
        group_names: Iterable[str] | None = None,
        all_customers: Iterable[str] | None = None,
    ) -> MembershipMatrix:
        """
        Create a matrix from the uids of memberships.

        The columns `group_uids` and `customer_uids` have one value per membership. Memberships can be in any order,
        and repeated memberships are ignored. The lists `all_groups` and `all_customers` can contain additional uids
        that have no memberships.
        """
        groups = _sorted_unique(all_groups if all_groups is not None else group_uids)
        customers = _sorted_unique(all_customers if all_customers is not None else customer_uids)
        names = groups
        if group_names is not None:
            names = _reindex_names(group_names, all_groups, groups)
        return cls.from_codes(
            _lookup_codes(group_uids, groups),
            _lookup_codes(customer_uids, customers),
            group_uids=groups,
            group_names=names,
            customer_uids=customers,
        )

    @classmethod
    def from_codes(
        cls,
        group_code: npt.NDArray[Any],
        customer_code: npt.NDArray[Any],
        *,
        group_uids: pd.Index,
        group_names: pd.Index,
        customer_uids: pd.Index,
    ) -> MembershipMatrix:
        """
        Create a matrix from the integer codes of memberships.

        The arrays `group_code` and `customer_code` have one value per membership. Memberships can be in any order,
        and repeated memberships are ignored.
        """
        if (group_code < 0).any() or (customer_code < 0).any():
            raise InputError("A membership refers to a group or customer that is missing from the list of all uids.")
        n_customers = max(len(customer_uids), 1)
        keys = np.sort(group_code.astype(np.int64) * n_customers + customer_code)
        keys = keys[np.diff(keys, prepend=-1) > 0]
        sizes = np.bincount(keys // n_customers, minlength=len(group_uids))
        return cls(
            group_uids,
            group_names,
            customer_uids,
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            (keys % n_customers).astype(np.int32),
        )

    @classmethod
    def without_members(cls, group_uids: pd.Index, group_names: pd.Index) -> MembershipMatrix:
        """Create a matrix of groups without members, for example to look up groups. The uids must be sorted."""
        no_codes = np.empty(0, dtype=np.int64)
        return cls.from_codes(
            no_codes, no_codes, group_uids=group_uids, group_names=group_names, customer_uids=group_uids[:0]
        )

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def n_groups(self) -> int:
        """Number of groups, including groups without members."""
        return len(self.group_uids)

    @property
    def n_customers(self) -> int:
        """Number of customers, including customers that do not belong to any group."""
        return len(self.customer_uids)

    @property
    def sizes(self) -> IntArray:
        """Number of members of each group."""
        return np.diff(self.indptr)

    @cached_property
    def group_code(self) -> Int32Array:
        """Group code of each membership."""
        return np.repeat(np.arange(self.n_groups, dtype=np.int32), self.sizes)

    @cached_property
    def names_by_uid(self) -> dict[str, str]:
        """Dictionary from group uid to group name."""
        return dict(zip(self.group_uids, self.group_names, strict=True))

    @cached_property
    def uids_by_name(self) -> dict[str, list[str]]:
        """Dictionary from group name to the sorted uids of the groups with this name."""
        uids: dict[str, list[str]] = {}
        for uid, name in self.names_by_uid.items():
            uids.setdefault(name, []).append(uid)
        return uids

    def frame(self) -> pd.DataFrame:
        """Return a table with the group uid and the customer uid of each membership."""
        return pd.DataFrame(
            {
                "customer_group_uid": self.group_uids.take(self.group_code).array,
                "customer_uid": self.customer_uids.take(self.indices).array,
            }
        )

    def group_uid(self, group: str) -> str:
        """
        Return the uid of the group that a string refers to.

        See `find_quoted_group` for the possible strings and the errors.
        """
        return find_quoted_group(self, group)

    def group_code_of(self, group: str) -> int:
        """Return the integer code of the group that a string refers to. See `group_uid`."""
        return self.code_of_uid(self.group_uid(group))

    def code_of_uid(self, group_uid: str) -> int:
        """Return the integer code of the group with the given uid."""
        if group_uid not in self._group_codes:
            raise GroupNotFoundError(f"No group has the uid {group_uid!r}.")
        return self._group_codes[group_uid]

    def member_codes(self, group_uid: str) -> Int32Array:
        """Return the sorted codes of the customers in the group with the given uid."""
        return self.row(self.code_of_uid(group_uid))

    def row(self, group_code: int) -> Int32Array:
        """Return the sorted codes of the customers in the group with the given code."""
        return self.indices[self.indptr[group_code] : self.indptr[group_code + 1]]

    def member_mask(self, group_uid: str) -> BoolArray:
        """Return a mask that is True for each customer in the group with the given uid."""
        mask = np.zeros(self.n_customers, dtype=np.bool_)
        mask[self.member_codes(group_uid)] = True
        return mask

    def members(self, group_uid: str) -> list[str]:
        """Return the sorted customer uids of the members of the group with the given uid."""
        return list(self.customer_uids.take(self.member_codes(group_uid)))

    def groups_of(self, customer_uid: str) -> list[str]:
        """
        Return the sorted uids of the groups that contain a customer.

        The list is empty if the customer is not in the matrix.
        """
        codes = np.flatnonzero(self.customer_uids == customer_uid)
        if len(codes) == 0:
            return []
        positions = np.flatnonzero(self.indices == codes[0])
        return list(self.group_uids.take(np.searchsorted(self.indptr, positions, side="right") - 1))

    def select(self, groups: Iterable[str] | None) -> MembershipMatrix:
        """
        Return a matrix that contains only the given groups.

        The new matrix still contains all customers, including customers without a selected group. Its groups are
        sorted by uid. If `groups` is None, all groups are selected. See `group_uid` for the strings that refer to a
        group.
        """
        if groups is None:
            return self
        return self.select_uids(self.group_uid(group) for group in as_list(groups, "groups"))

    def select_uids(self, group_uids: Iterable[str]) -> MembershipMatrix:
        """Return a matrix that contains only the groups with the given uids, and all customers. See `select`."""
        group_codes = np.unique([self.code_of_uid(uid) for uid in group_uids]).astype(np.int64)
        return self.take_groups(group_codes)

    def take_groups(self, group_codes: npt.ArrayLike) -> MembershipMatrix:
        """Return a matrix that contains only the groups with the given integer codes, in the given order."""
        group_codes = np.asarray(group_codes, dtype=np.int64)
        rows = [self.row(code) for code in group_codes]
        return MembershipMatrix(
            self.group_uids.take(group_codes),
            self.group_names.take(group_codes),
            self.customer_uids,
            np.concatenate([[0], np.cumsum(self.sizes[group_codes])]).astype(np.int64),
            np.concatenate([self.indices[:0], *rows]),
        )

    def add_groups(self, names: Mapping[str, str]) -> MembershipMatrix:
        """Return a matrix with additional groups without members, given as {uid: name}."""
        if not names:
            return self
        all_names = self.names_by_uid | dict(names)
        uids = sorted(all_names)
        sizes = dict(zip(self.group_uids, self.sizes, strict=True))
        # The new groups have no members, so `indices` can be reused without changes.
        new_sizes = [sizes.get(uid, 0) for uid in uids]
        return MembershipMatrix(
            pd.Index(uids, dtype="str"),
            pd.Index([all_names[uid] for uid in uids], dtype="str"),
            self.customer_uids,
            np.cumsum([0, *new_sizes], dtype=np.int64),
            self.indices,
        )

    @cached_property
    def _group_codes(self) -> dict[str, int]:
        return {uid: code for code, uid in enumerate(self.group_uids)}


def as_membership_matrix(data: Any, name: str = "data") -> MembershipMatrix:
    """
    Return the membership matrix of a Snapshot or of a table of memberships.

    A table must have the columns customer_group_uid and customer_uid. It can be a pandas DataFrame or a table of
    Polars, DuckDB, pyarrow, or Narwhals. Lazy frames are converted with `collect()`, and Spark tables with
    `toArrow()`. Because a table does not contain group names, the uids are used as names. An InputError is raised if
    the table contains several snapshots. See `check_one_snapshot`. `name` is the name of the argument, for error
    messages.
    """
    if isinstance(data, MembershipMatrix):
        return data
    matrix = getattr(data, "matrix", None)
    if isinstance(matrix, MembershipMatrix):
        return matrix
    table = read_table(data, name)
    group_uids = check_uids(table, "customer_group_uid", name)
    customer_uids = check_uids(table, "customer_uid", name)
    check_one_snapshot(table, name)
    return MembershipMatrix.from_uids(group_uids, customer_uids)


def read_table(data: Any, name: str) -> pd.DataFrame:
    """
    Convert a table of memberships to a DataFrame with the columns that frgroups uses.

    See `as_membership_matrix` for the supported tables and for `name`. A DataFrame is returned unchanged.
    """
    if isinstance(data, pd.DataFrame):
        return data
    table = _as_arrow(data, name)
    columns = ["customer_group_uid", "customer_uid"]
    for column in columns:
        check_columns(table.column_names, [column], name)
    columns += [column for column in SNAPSHOT_COLUMNS if column in table.column_names]
    for column in columns:
        check_unique_column(table.column_names, column, name)
    selected: pd.DataFrame = table.select(columns).to_pandas()
    return selected


def _as_arrow(data: Any, name: str) -> pa.Table:
    # Use `toArrow` for a Spark DataFrame, because its Arrow stream would start a Python process on each executor.
    if callable(getattr(data, "toArrow", None)):
        data = data.toArrow()
    if not hasattr(data, "__arrow_c_stream__") and callable(getattr(data, "collect", None)):
        data = data.collect()
    try:
        if not hasattr(data, "__arrow_c_stream__"):
            raise TypeError("The object does not support the Arrow PyCapsule interface.")
        return pa.table(data)
    except (TypeError, pa.ArrowException) as error:  # The object is not a table, or it is a single column.
        raise wrong_type(data, name, "a Snapshot or a table of memberships") from error


def check_uids(frame: pd.DataFrame, column: str, what: str) -> pd.Series:
    """
    Return a column of uids with the dtype `str`.

    An InputError is raised if the column does not exist, contains values that are not strings, or has missing or
    empty values.
    """
    check_type(frame, pd.DataFrame, what)
    check_columns(frame.columns, [column], what)
    check_unique_column(list(frame), column, what)
    uids = _decode_categories(frame[column])
    kind = pd.api.types.infer_dtype(uids, skipna=True)
    if uids.notna().any() and kind != "string":
        wrong = next(value for value in uids.dropna() if not isinstance(value, str))
        raise InputError(
            f"The column {column!r} of `{what}` must contain strings, got {type(wrong).__name__}.",
            hint=READ_AS_STRINGS,
        )
    check_no_missing_uids(int(uids.isna().sum()) or int((uids == "").sum()), column, what)
    return as_str(uids, f"{what}[{column!r}]")


def check_no_missing_uids(n_missing: int, column: str, what: str) -> None:
    """Raise InputError if a column has rows with a missing or empty uid. `n_missing` is the number of these rows."""
    if n_missing:
        raise InputError(
            f"The column {column!r} of `{what}` has {pluralize(n_missing, 'row')} without a uid.",
            hint="Remove the rows in which the uid is missing (dropna() in pandas) or empty.",
            cli_hint="",
        )


def _decode_categories(uids: pd.Series) -> pd.Series:
    if isinstance(uids.dtype, pd.CategoricalDtype):
        return uids.astype(uids.cat.categories.dtype)
    if isinstance(uids.dtype, pd.ArrowDtype) and pa.types.is_dictionary(uids.dtype.pyarrow_dtype):
        return uids.astype(pd.ArrowDtype(uids.dtype.pyarrow_dtype.value_type))
    return uids


def as_str(strings: pd.Series, what: str) -> pd.Series:
    """
    Convert a column to the dtype `str`.

    An InputError is raised if a string cannot be encoded in UTF-8.
    """
    try:
        return strings.astype("str")
    except UnicodeEncodeError:
        for string in strings.dropna():
            check_text(string, what)
        raise


def to_string_array(uids: pd.Index | pd.Series) -> pa.Array:
    """Convert uids to a contiguous Arrow array."""
    chunks = to_chunked_array(uids)
    if chunks.num_chunks == 1:
        return chunks.chunk(0)
    return chunks.combine_chunks()


def to_chunked_array(uids: pd.Index | pd.Series) -> pa.ChunkedArray:
    """
    Convert uids to a chunked Arrow array.

    The strings are not copied if pandas already stores them in Arrow arrays.
    """
    strings = pa.array(uids, type=pa.large_string(), from_pandas=True)
    if isinstance(strings, pa.ChunkedArray):
        return strings
    return pa.chunked_array([strings])


def _lookup_codes(uids: pd.Series, all_uids: pd.Index) -> Int32Array:
    return lookup_positions(to_string_array(uids), to_string_array(all_uids))


def _sorted_unique(uids: Iterable[str]) -> pd.Index:
    index: pd.Index = pd.Index(pd.Series(pd.Series(uids, dtype="str").unique()).sort_values(), dtype="str")
    return index


def _reindex_names(names: Iterable[str], uids: Any, new_uids: pd.Index) -> pd.Index:
    """
    Return the group names in the order of `new_uids`.

    The argument `names` contains one name for each uid in `uids`, in the same order.
    """
    by_uid = pd.Series(list(names), index=pd.Index(uids), dtype="str")
    reindexed: pd.Index = pd.Index(by_uid.reindex(new_uids), dtype="str")
    return reindexed
