"""Memberships as integer codes, sorted by group and customer: what every analysis and plan works on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.typing import Int32Array, IntArray
from frgroups.internals.validation import as_list, check_text
from frgroups.snapshot.uid_lookup import lookup_positions


@dataclass(frozen=True, eq=False, repr=False)
class MembershipMatrix:
    """
    Memberships in compressed rows: the customers of group g are `customer_code[starts[g]:starts[g + 1]]`.

    `group_uids` and `customer_uids` are unique and in uid order, so that sorted codes are sorted uids;
    within a group the codes rise, and none stands twice.
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
        """Codes of memberships given as two columns of uids, in any order, repetitions counted once."""
        groups = _uid_index(group_uids if all_groups is None else all_groups)
        customers = _uid_index(customer_uids if all_customers is None else all_customers)
        names = groups if group_names is None else _in_order(all_groups, group_names, groups)
        return cls.from_codes(
            _places(group_uids, groups),
            _places(customer_uids, customers),
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
        """Codes of memberships given as codes into these uids, in any order, repetitions counted once."""
        if (group_code < 0).any() or (customer_code < 0).any():
            raise InputError("A membership names a group or customer that is not in the list of all of them.")
        width = max(len(customer_uids), 1)
        keys = np.sort(group_code.astype(np.int64) * width + customer_code)
        keys = keys[np.diff(keys, prepend=-1) > 0]
        sizes = np.bincount(keys // width, minlength=len(group_uids))
        return cls(
            group_uids,
            group_names,
            customer_uids,
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            (keys % width).astype(np.int32),
        )

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def n_groups(self) -> int:
        """How many groups there are, those without a member too."""
        return len(self.group_uids)

    @property
    def n_customers(self) -> int:
        """How many customers there are, those in no group too."""
        return len(self.customer_uids)

    @property
    def sizes(self) -> IntArray:
        """The number of members of each group, in group order."""
        return np.diff(self.indptr)

    @cached_property
    def group_code(self) -> Int32Array:
        """The group of each membership."""
        return np.repeat(np.arange(self.n_groups, dtype=np.int32), self.sizes)

    def frame(self) -> pd.DataFrame:
        """One row per membership, in plain uids."""
        return pd.DataFrame(
            {
                "customer_group_uid": self.group_uids.take(self.group_code).array,
                "customer_uid": self.customer_uids.take(self.indices).array,
            }
        )

    def group_code_of(self, group: str) -> int:
        """The code of the group of this uid, or else of this unique name."""
        if group in self._code_of_uid:
            return self._code_of_uid[group]
        if isinstance(group, str):
            check_text(group, "group")
        same_name = np.flatnonzero(self.group_names == group if isinstance(group, str) else [])
        if len(same_name) == 1:
            return int(same_name[0])
        if len(same_name) > 1:
            uids = [str(uid) for uid in self.group_uids.take(same_name)]
            raise GroupNotFoundError(
                f"{len(same_name)} groups are named {group!r}: {', '.join(uids)}. Say which by its uid.",
                close=uids,
            )
        close = self._close(group)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise GroupNotFoundError(
            f"No group has the uid or name {group!r} among these {self.n_groups}.{hint}", close=close
        )

    def group_uid(self, group: str) -> str:
        """The uid of the group of this uid or unique name."""
        return str(self.group_uids[self.group_code_of(group)])

    def member_codes(self, group: str) -> Int32Array:
        """The customer codes of one group, rising."""
        code = self.group_code_of(group)
        return self.indices[self.indptr[code] : self.indptr[code + 1]]

    def members(self, group: str) -> list[str]:
        """The customer uids of one group, in uid order."""
        return list(self.customer_uids.take(self.member_codes(group)))

    def groups_of(self, customer_uid: str) -> list[str]:
        """The uids of the groups that a customer is in, in uid order; none for a customer who is not known."""
        code = np.flatnonzero(self.customer_uids == customer_uid)
        where = np.flatnonzero(self.indices == code[0]) if len(code) else code
        return list(self.group_uids.take(np.searchsorted(self.indptr, where, side="right") - 1))

    def select(self, groups: Iterable[str] | None) -> MembershipMatrix:
        """The same customers with only these groups, in uid order; None keeps all."""
        if groups is None:
            return self
        chosen = np.unique([self.group_code_of(group) for group in as_list(groups, "groups")]).astype(np.int64)
        parts = [self.indices[self.indptr[code] : self.indptr[code + 1]] for code in chosen]
        return MembershipMatrix(
            self.group_uids.take(chosen),
            self.group_names.take(chosen),
            self.customer_uids,
            np.concatenate([[0], np.cumsum(self.sizes[chosen])]).astype(np.int64),
            np.concatenate([self.indices[:0], *parts]),
        )

    @cached_property
    def _code_of_uid(self) -> dict[str, int]:
        return {uid: code for code, uid in enumerate(self.group_uids)}

    def _close(self, group: str) -> list[str]:
        folded = {str(name).casefold(): str(name) for name in [*self.group_uids, *self.group_names]}
        found = get_close_matches(str(group).casefold(), folded, n=3)
        return [folded[name] for name in found]


def as_membership_matrix(data: Any) -> MembershipMatrix:
    """
    The codes behind a Snapshot, a memberships DataFrame, or any table that speaks Arrow.

    Those are the frames of Polars, DuckDB, pyarrow and Narwhals, and what becomes one when it is asked to: a lazy
    frame by `collect()`, one of Spark by `toArrow()`. A frame needs the columns customer_group_uid and customer_uid;
    the group names are then the uids.
    """
    if isinstance(data, MembershipMatrix):
        return data
    if isinstance(codes := getattr(data, "matrix", None), MembershipMatrix):
        return codes
    if not isinstance(data, pd.DataFrame):
        columns = ["customer_group_uid", "customer_uid"]
        data = _as_arrow(data)
        data = data.select([name for name in columns if name in data.column_names]).to_pandas()
    return MembershipMatrix.from_uids(
        check_uids(data, "customer_group_uid", "memberships"),
        check_uids(data, "customer_uid", "memberships"),
    )


def _as_arrow(data: Any) -> pa.Table:
    for ask in ("toArrow", "collect"):
        if not hasattr(data, "__arrow_c_stream__") and callable(getattr(data, ask, None)):
            data = getattr(data, ask)()
    try:
        return pa.table(data) if hasattr(data, "__arrow_c_stream__") else pa.table(None)
    except (TypeError, pa.ArrowException) as error:  # Nothing of the kind, or a column alone.
        kind = type(data).__name__
        raise InputError(f"Expected a Snapshot or a table of memberships, not {kind}.") from error


def check_uids(frame: pd.DataFrame, column: str, what: str) -> pd.Series:
    """The column of uids as `str`; raises InputError when it is missing, not text, or has gaps."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{what} must be a DataFrame, not {type(frame).__name__}.")
    if column not in frame:
        raise InputError(f"{what} needs a column {column!r}; it has {', '.join(map(repr, frame.columns))}.")
    if isinstance(frame[column], pd.DataFrame):
        raise InputError(f"{what} has {frame[column].shape[1]} columns {column!r}; leave one of them.")
    uids = _without_categories(frame[column])
    if uids.notna().any() and (kind := pd.api.types.infer_dtype(uids, skipna=True)) != "string":
        wrong = next(value for value in uids.dropna() if not isinstance(value, str))
        raise InputError(
            f"{what}[{column!r}] is {kind}, not text, so leading zeros may be lost: {wrong}. "
            "Read that column as text (dtype='str')."
        )
    if (gaps := int(uids.isna().sum())) or (gaps := int((uids == "").sum())):
        raise InputError(f"{what}[{column!r}] has {gaps} rows without a uid.")
    return as_str(uids, f"{what}[{column!r}]")


def _without_categories(uids: pd.Series) -> pd.Series:
    if isinstance(uids.dtype, pd.CategoricalDtype):
        return uids.astype(uids.cat.categories.dtype)
    if isinstance(uids.dtype, pd.ArrowDtype) and pa.types.is_dictionary(uids.dtype.pyarrow_dtype):
        return uids.astype(pd.ArrowDtype(uids.dtype.pyarrow_dtype.value_type))
    return uids


def as_str(texts: pd.Series, what: str) -> pd.Series:
    """The column as `str`; raises InputError for halves of characters, which no file can hold."""
    try:
        return texts.astype("str")
    except UnicodeEncodeError:
        for text in texts.dropna():
            check_text(text, what)
        raise


def to_string_array(uids: pd.Index | pd.Series) -> pa.Array:
    """Uids as one Arrow array, whatever pandas keeps them in."""
    chunks = to_chunked_array(uids)
    return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()


def to_chunked_array(uids: pd.Index | pd.Series) -> pa.ChunkedArray:
    """The same in the pieces that pandas keeps them in: nothing is copied that is text of Arrow already."""
    texts = pa.array(uids, type=pa.large_string(), from_pandas=True)
    return texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])


def _places(uids: pd.Series, among: pd.Index) -> Int32Array:
    return lookup_positions(to_string_array(uids), to_string_array(among))


def _uid_index(uids: Iterable[str]) -> pd.Index:
    index: pd.Index = pd.Index(pd.Series(pd.Series(uids, dtype="str").unique()).sort_values(), dtype="str")
    return index


def _in_order(uids: Any, names: Iterable[str], wanted: pd.Index) -> pd.Index:
    named = pd.Series(list(names), index=pd.Index(uids), dtype="str")
    in_order: pd.Index = pd.Index(named.reindex(wanted), dtype="str")
    return in_order
