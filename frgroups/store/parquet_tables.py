"""The tables of a snapshot as parquet files that any engine reads, and back: each uid stands in one table alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from frgroups.errors import InputError
from frgroups.internals.atomic_files import fsync_path
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, READS, coerce_schema, from_arrow, to_arrow
from frgroups.snapshot.snapshot import Snapshot

# Without these columns the files say nothing; others may be missing.
_NEEDED = {
    "groups": ("customer_group_code", "customer_group_uid", "name"),
    "customers": ("customer_code", "customer_uid"),
    "consents": ("customer_uid",),
    "reads": ("customer_group_uid", "verdict"),
    "memberships": ("customer_group_code", "customer_code"),
}

_UIDS = {"groups": "customer_group_uid", "customers": "customer_uid"}


GROUP_CODE, CUSTOMER_CODE = "customer_group_code", "customer_code"
_TABLES = {"customers": CUSTOMERS, "consents": CONSENTS, "groups": GROUPS, "reads": READS}
_CODES = {"customers": CUSTOMER_CODE, "groups": GROUP_CODE}  # Row numbers: what memberships point at.
_OWN = "own "
# Measured on 5M memberships with random uids: codes rise, so their differences are small, and zstd would only slow
# them down; uids are all different, so a dictionary would only cost.
_RISING, _ALL_DIFFERENT = "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY"
_ENCODINGS = {
    "customers": {CUSTOMER_CODE: _RISING, "customer_uid": _ALL_DIFFERENT},
    "groups": {GROUP_CODE: _RISING, "customer_group_uid": _ALL_DIFFERENT},
    "memberships": {GROUP_CODE: _RISING, CUSTOMER_CODE: _RISING},
}


@dataclass(frozen=True, slots=True)
class Tables:
    """What the files hold."""

    groups: pd.DataFrame
    customers: pd.DataFrame
    consents: pd.DataFrame
    reads: pd.DataFrame
    matrix: MembershipMatrix


def write_tables(snapshot: Snapshot, folder: Path) -> None:
    """
    Write groups, customers, consents, reads and memberships into a folder, flushed to disk.

    Memberships are pairs of customer_group_code and customer_code, which groups and customers explain.
    """
    for name, table in _arrow_tables(snapshot):
        path = folder / f"{name}.parquet"
        path.touch(mode=0o600, exist_ok=False)
        columns, encodings = table.column_names, _ENCODINGS.get(name, {})
        pq.write_table(
            table,
            path,
            compression={column: "none" if encodings.get(column) == _RISING else "zstd" for column in columns},
            column_encoding=encodings,
            use_dictionary=[column for column in columns if column not in encodings] or False,
            write_page_checksum=True,
        )
        fsync_path(path)


def read_tables(content: Callable[[str], bytes]) -> Tables:
    """The tables, of the bytes of each file as told by its name."""
    with ThreadPoolExecutor(2) as pool:  # More of them would wait for each other.
        customers = pool.submit(_frame, content, "customers")
        memberships = pool.submit(lambda: _opened(content, "memberships").read())
        others = [pool.submit(_frame, content, name) for name in ("consents", "groups", "reads")]
        frames = [future.result() for future in (customers, *others)]
        coded = memberships.result()
    tables = dict(zip(_TABLES, frames, strict=True))
    return Tables(**tables, matrix=_codes(tables["groups"], tables["customers"], coded))


def read_membership_tables(content: Callable[[str], bytes]) -> Tables:
    """The same for who was in which group alone: of customers the uids, and no consents."""
    customers = _frame(content, "customers", only=["customer_uid"])
    groups, reads = _frame(content, "groups"), _frame(content, "reads")
    codes = _codes(groups, customers, _opened(content, "memberships").read())
    return Tables(groups, customers, coerce_schema(None, CONSENTS), reads, codes)


def _codes(groups: pd.DataFrame, customers: pd.DataFrame, coded: pa.Table) -> MembershipMatrix:
    check_codes(coded[GROUP_CODE], coded[CUSTOMER_CODE], len(groups), len(customers))
    return MembershipMatrix(
        pd.Index(groups["customer_group_uid"], dtype="str"),
        pd.Index(groups["name"], dtype="str"),
        pd.Index(customers["customer_uid"], dtype="str"),
        np.searchsorted(coded[GROUP_CODE].to_numpy(), np.arange(len(groups) + 1, dtype=np.int32)),
        coded[CUSTOMER_CODE].to_numpy(),
    )


def _arrow_tables(snapshot: Snapshot) -> Iterator[tuple[str, pa.Table]]:
    for name, columns in _TABLES.items():
        frame = getattr(snapshot, name)
        if code := _CODES.get(name):
            table = to_arrow(frame.rename(columns={own: f"{_OWN}{own}" for own in _clashing(frame, code)}), columns)
            yield name, table.add_column(0, code, pa.array(np.arange(len(frame), dtype=np.int32)))
        else:
            yield name, to_arrow(frame, columns)
    codes = snapshot.matrix
    group_code, customer_code = pa.array(codes.group_code, pa.int32()), pa.array(codes.indices, pa.int32())
    yield "memberships", pa.table({GROUP_CODE: group_code, CUSTOMER_CODE: customer_code})


def _frame(content: Callable[[str], bytes], name: str, *, only: list[str] | None = None) -> pd.DataFrame:
    file = _opened(content, name)
    try:
        if only is None:
            return _whole_frame(file, name)
        uids = file.read(only)
        check_uids_of(name, uids)
        return from_arrow(uids, {column: _TABLES[name][column] for column in only})
    except (pa.ArrowException, InputError) as error:
        raise DisagreementError(name, "a table of this version", f"another: {type(error).__name__}") from error


def _whole_frame(file: pq.ParquetFile, name: str) -> pd.DataFrame:
    code = _CODES.get(name, "")
    schema, filled = file.schema_arrow, _filled(file.metadata)
    columns = [column for column in schema.names if column != code]
    # A million missing values are made sooner than decoded, and many of our columns may hold nothing else.
    empty = {column for column in columns if column in _TABLES[name] and column not in filled}
    table = file.read([column for column in columns if column not in empty])
    for column in empty:
        table = table.append_column(column, pa.nulls(file.metadata.num_rows, schema.field(column).type))
    check_uids_of(name, table)
    frame = from_arrow(table.select(columns), _TABLES[name])
    return frame.rename(columns={own: own.removeprefix(_OWN) for own in _clashing(frame, code)})


def _opened(content: Callable[[str], bytes], name: str) -> pq.ParquetFile:
    whole = content(f"{name}.parquet")
    try:
        file = pq.ParquetFile(pa.BufferReader(whole))
    except pa.ArrowException as error:
        raise DisagreementError(name, "a parquet file", "another") from error
    check_columns(name, file.schema_arrow)
    return file


def _filled(metadata: pq.FileMetaData) -> set[str]:
    """The columns that hold a value somewhere, or may."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    return {
        chunk.path_in_schema
        for chunk in chunks
        if chunk.statistics is None or chunk.statistics.null_count != chunk.num_values
    }


def _clashing(frame: pd.DataFrame, code: str) -> list[str]:
    """The caller's own columns that are named like the column of codes, as they are or in the file."""
    return [name for name in frame.columns if re.fullmatch(f"({_OWN})*{code}", name)]


class DisagreementError(Exception):
    """What a file holds beside what the others say; who knows the folder makes a CorruptFileError of it."""

    def __init__(self, table: str, expected: str, found: str) -> None:
        super().__init__(f"{table}: expected {expected}, found {found}")
        self.file, self.expected, self.found = f"{table}.parquet", expected, found


def check_columns(table: str, schema: pa.Schema) -> None:
    """The columns that are needed are there, and codes are whole numbers."""
    needed = _NEEDED[table]
    if missing := [name for name in needed if schema.names.count(name) != 1]:
        raise DisagreementError(table, f"the columns {', '.join(needed)}", f"not one each of {', '.join(missing)}")
    codes = [name for name in needed if name.endswith("_code")]
    if wrong := [name for name in codes if schema.field(name).type != pa.int32()]:
        raise DisagreementError(table, "codes of type int32", f"{wrong[0]} of type {schema.field(wrong[0]).type}")


def check_uids_of(table: str, columns: pa.Table) -> None:
    """No group and no customer is without a uid."""
    if (uid := _UIDS.get(table)) and (gaps := columns[uid].null_count):
        raise DisagreementError(table, "a uid in every row", f"{gaps} rows without {uid}")


def check_rows(table: str, expected: int, found: int) -> None:
    """There are as many rows as the manifest says."""
    if found != expected:
        raise DisagreementError(table, f"{expected} rows, as the manifest says", f"{found} rows")


def check_codes(group_code: pa.ChunkedArray, customer_code: pa.ChunkedArray, n_groups: int, n_customers: int) -> None:
    """Every membership points at a group and a customer that is there, in order, none twice."""
    if gaps := group_code.null_count + customer_code.null_count:
        raise DisagreementError("memberships", "a code in every row", f"{gaps} without")
    groups, customers = group_code.to_numpy(), customer_code.to_numpy()
    for name, codes, n in (("customer_group_code", groups, n_groups), ("customer_code", customers, n_customers)):
        if len(codes) and not 0 <= codes.min() <= codes.max() < n:
            raise DisagreementError("memberships", f"{name} from 0 to below {n}", f"{codes.min()} to {codes.max()}")
    same_group = groups[1:] == groups[:-1]
    if (groups[1:] < groups[:-1]).any() or (same_group & (customers[1:] <= customers[:-1])).any():
        raise DisagreementError("memberships", "rising codes", f"{len(np.unique(groups))} groups in another order")
