"""Write and read the tables of a snapshot as Parquet files. Each uid is stored in only one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from frgroups.errors import InputError
from frgroups.internals.atomic_files import fsync_path
from frgroups.internals.formatting import pluralize
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, READS, coerce_schema, from_arrow, to_arrow
from frgroups.snapshot.snapshot import Snapshot

# Columns that each Parquet file must contain. All other columns are optional.
_REQUIRED_COLUMNS = {
    "groups": ("customer_group_code", "customer_group_uid", "name"),
    "customers": ("customer_code", "customer_uid"),
    "consents": ("customer_uid",),
    "reads": ("customer_group_uid", "verdict"),
    "memberships": ("customer_group_code", "customer_code"),
}

_UID_COLUMNS = {"groups": "customer_group_uid", "customers": "customer_uid"}


GROUP_CODE, CUSTOMER_CODE = "customer_group_code", "customer_code"
# Column with the snapshot id in each row of the groups, customers, and memberships. The files of many snapshots can
# therefore be read as one table and joined by id and code. With dictionary encoding, this column needs 25 kB and
# 0.04 s of writing time for 5 million memberships.
SNAPSHOT_ID = "snapshot_id"
_TABLES = {"customers": CUSTOMERS, "consents": CONSENTS, "groups": GROUPS, "reads": READS}
# Columns with the integer codes of customers and groups. A code is a row number, to which memberships refer.
_CODE_COLUMNS = {"customers": CUSTOMER_CODE, "groups": GROUP_CODE}
_WITHOUT_ID = ("consents", "reads")
# Prefix for the name of an additional column that has the same name as a code column or the snapshot id column.
_RENAMED = "own "
# Encodings of the code columns and of the uid columns.
# Integer codes are sorted, so delta encoding makes them small, and zstd compression would cost time without a
# benefit.
# Uids are distinct, so dictionary encoding would cost time and space.
# Both costs were measured with 5 million memberships and random uids.
_SORTED, _DISTINCT = "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY"
_ENCODINGS = {
    "customers": {CUSTOMER_CODE: _SORTED, "customer_uid": _DISTINCT},
    "groups": {GROUP_CODE: _SORTED, "customer_group_uid": _DISTINCT},
    "memberships": {GROUP_CODE: _SORTED, CUSTOMER_CODE: _SORTED},
}


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables that are stored in the Parquet files of a snapshot."""

    groups: pd.DataFrame
    customers: pd.DataFrame
    consents: pd.DataFrame
    reads: pd.DataFrame
    matrix: MembershipMatrix


def write_tables(snapshot: Snapshot, folder: Path, snapshot_id: int) -> None:
    """
    Write the tables of a snapshot to a folder, and flush them to disk.

    Each membership is stored as a `customer_group_code` and a `customer_code`, which are row numbers in the groups
    table and the customers table. These three tables contain the snapshot id in each row.
    """
    for name, table in _arrow_tables(snapshot, snapshot_id):
        path = folder / f"{name}.parquet"
        path.touch(mode=0o600, exist_ok=False)
        encodings = _ENCODINGS.get(name, {})
        compression = dict.fromkeys(table.column_names, "zstd")
        compression |= {column: "none" for column, encoding in encodings.items() if encoding == _SORTED}
        pq.write_table(
            table,
            path,
            compression=compression,
            column_encoding=encodings,
            use_dictionary=[column for column in table.column_names if column not in encodings] or False,
            write_page_checksum=True,
        )
        fsync_path(path)


def read_tables(content: Callable[[str], bytes], snapshot_id: int | None) -> Tables:
    """
    Read all tables of a snapshot.

    The argument `content` is a function that returns the bytes of the file with a given name. `snapshot_id` is the id
    in the manifest, or None if the tables contain no ids.
    """
    with ThreadPoolExecutor(2) as pool:  # More than two threads would block each other.
        customers = pool.submit(_frame, content, "customers", snapshot_id)
        memberships = pool.submit(_membership_codes, content, snapshot_id)
        others = [pool.submit(_frame, content, name, snapshot_id) for name in ("consents", "groups", "reads")]
        frames = [future.result() for future in (customers, *others)]
        membership_codes = memberships.result()
    tables = dict(zip(_TABLES, frames, strict=True))
    return Tables(**tables, matrix=_membership_matrix(tables["groups"], tables["customers"], membership_codes))


def read_membership_tables(content: Callable[[str], bytes], snapshot_id: int | None) -> Tables:
    """
    Read only the groups, the memberships, and the customer uids of a snapshot.

    The other columns of the customers table are not read, and the returned consents table is empty.
    """
    customers = _frame(content, "customers", snapshot_id, only=["customer_uid"])
    groups, reads = _frame(content, "groups", snapshot_id), _frame(content, "reads", snapshot_id)
    matrix = _membership_matrix(groups, customers, _membership_codes(content, snapshot_id))
    return Tables(groups, customers, coerce_schema(None, CONSENTS), reads, matrix)


def _membership_matrix(groups: pd.DataFrame, customers: pd.DataFrame, memberships: pa.Table) -> MembershipMatrix:
    check_codes(memberships[GROUP_CODE], memberships[CUSTOMER_CODE], len(groups), len(customers))
    return MembershipMatrix(
        pd.Index(groups["customer_group_uid"], dtype="str"),
        pd.Index(groups["name"], dtype="str"),
        pd.Index(customers["customer_uid"], dtype="str"),
        np.searchsorted(memberships[GROUP_CODE].to_numpy(), np.arange(len(groups) + 1, dtype=np.int32)),
        memberships[CUSTOMER_CODE].to_numpy(),
    )


def _membership_codes(content: Callable[[str], bytes], snapshot_id: int | None) -> pa.Table:
    return _open_file(content, "memberships", snapshot_id).read([GROUP_CODE, CUSTOMER_CODE])


def _arrow_tables(snapshot: Snapshot, snapshot_id: int) -> Iterator[tuple[str, pa.Table]]:
    for name, columns in _TABLES.items():
        frame = getattr(snapshot, name)
        code = _CODE_COLUMNS.get(name)
        if code is None:
            yield name, to_arrow(frame, columns)
            continue
        reserved = (code, SNAPSHOT_ID)
        table = to_arrow(frame.rename(columns=lambda own, names=reserved: _rename_clash(own, names)), columns)
        table = table.add_column(0, code, pa.array(np.arange(len(frame), dtype=np.int32)))
        yield name, _add_snapshot_id(table, snapshot_id)
    matrix = snapshot.matrix
    group_code, customer_code = pa.array(matrix.group_code, pa.int32()), pa.array(matrix.indices, pa.int32())
    table = pa.table({GROUP_CODE: group_code, CUSTOMER_CODE: customer_code})
    yield "memberships", _add_snapshot_id(table, snapshot_id)


def _add_snapshot_id(table: pa.Table, snapshot_id: int) -> pa.Table:
    return table.add_column(0, SNAPSHOT_ID, pa.array(np.full(len(table), snapshot_id, dtype=np.int64)))


def _frame(
    content: Callable[[str], bytes], name: str, snapshot_id: int | None, *, only: list[str] | None = None
) -> pd.DataFrame:
    file = _open_file(content, name, snapshot_id)
    try:
        if only is None:
            reserved = _reserved_columns(name, has_id=snapshot_id is not None)
            return _read_all_columns(file, name, reserved)
        table = file.read(only)
        check_uids_complete(name, table)
        return from_arrow(table, {column: _TABLES[name][column] for column in only})
    except (pa.ArrowException, InputError) as error:
        raise IntegrityError(name, "a readable table", f"a table that raised {type(error).__name__}") from error


def _reserved_columns(name: str, *, has_id: bool) -> tuple[str, ...]:
    """Return the columns of a Parquet file that are not columns of the corresponding table in the snapshot."""
    if name not in _CODE_COLUMNS:
        return ()
    if has_id:
        return (_CODE_COLUMNS[name], SNAPSHOT_ID)
    return (_CODE_COLUMNS[name],)


def _read_all_columns(file: pq.ParquetFile, name: str, reserved: tuple[str, ...]) -> pd.DataFrame:
    schema, with_values = file.schema_arrow, _columns_with_values(file.metadata)
    columns = [column for column in schema.names if column not in reserved]
    # Create columns that contain only missing values instead of reading them, because creating them is faster.
    empty = {column for column in columns if column in _TABLES[name] and column not in with_values}
    table = file.read([column for column in columns if column not in empty])
    for column in empty:
        table = table.append_column(column, pa.nulls(file.metadata.num_rows, schema.field(column).type))
    check_uids_complete(name, table)
    frame = from_arrow(table.select(columns), _TABLES[name])
    return frame.rename(columns=lambda own: _restore_clash(own, reserved))


def _open_file(content: Callable[[str], bytes], name: str, snapshot_id: int | None) -> pq.ParquetFile:
    data = content(f"{name}.parquet")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
    except pa.ArrowException as error:
        raise IntegrityError(name, "a Parquet file", "another format") from error
    check_columns(name, file.schema_arrow)
    if snapshot_id is not None and name not in _WITHOUT_ID:
        check_snapshot_id(name, file, snapshot_id)
    return file


def _columns_with_values(metadata: pq.FileMetaData) -> set[str]:
    """
    Return the names of the Parquet columns that contain at least one value.

    Parquet columns without statistics are included, because they might contain values.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    return {
        chunk.path_in_schema
        for chunk in chunks
        if chunk.statistics is None or chunk.statistics.null_count != chunk.num_values
    }


def _rename_clash(column: str, reserved: Sequence[str]) -> str:
    """
    Add a prefix to the name of an additional column if a reserved column has the same name.

    A column name that already has the prefix gets a second prefix, so that the original name can be restored.
    """
    if _is_clash(column, reserved):
        return f"{_RENAMED}{column}"
    return column


def _restore_clash(column: str, reserved: Sequence[str]) -> str:
    """Remove the prefix that `_rename_clash` has added to a column name."""
    if _is_clash(column, reserved):
        return column.removeprefix(_RENAMED)
    return column


def _is_clash(column: str, reserved: Sequence[str]) -> bool:
    return bool(reserved) and re.fullmatch(f"({_RENAMED})*({'|'.join(reserved)})", column) is not None


class IntegrityError(Exception):
    """
    Error for a table that is invalid or contradicts other tables.

    The caller, which knows the path of the snapshot folder, converts the IntegrityError to a CorruptFileError.
    """

    def __init__(self, table: str, expected: str, actual: str) -> None:
        super().__init__(f"{table}: expected {expected}, found {actual}")
        self.file, self.expected, self.actual = f"{table}.parquet", expected, actual


def check_columns(table: str, schema: pa.Schema) -> None:
    """Raise IntegrityError if a required column is missing or a code column has the wrong type."""
    needed = _REQUIRED_COLUMNS[table]
    if missing := [name for name in needed if schema.names.count(name) != 1]:
        raise IntegrityError(
            table, f"the columns {', '.join(needed)}", f"missing or repeated columns: {', '.join(missing)}"
        )
    codes = [name for name in needed if name.endswith("_code")]
    if wrong := [name for name in codes if schema.field(name).type != pa.int32()]:
        raise IntegrityError(table, "codes of type int32", f"{wrong[0]} of type {schema.field(wrong[0]).type}")


def check_snapshot_id(table: str, file: pq.ParquetFile, snapshot_id: int) -> None:
    """
    Raise IntegrityError if the snapshot id in a table differs from the id in the manifest.

    The minimum and maximum in the statistics of the Parquet file are checked, so that the column does not have to be
    read.
    """
    names, metadata = file.schema_arrow.names, file.metadata
    if names.count(SNAPSHOT_ID) != 1 or file.schema_arrow.field(SNAPSHOT_ID).type != pa.int64():
        raise IntegrityError(table, f"one column {SNAPSHOT_ID} of type int64", f"the columns {', '.join(names)}")
    position = file.schema.names.index(SNAPSHOT_ID)
    expected = f"the {SNAPSHOT_ID} {snapshot_id} in each row"
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if not group.num_rows:  # Skip empty row groups, which have no minimum.
            continue
        statistics = group.column(position).statistics
        if statistics is None or not statistics.has_min_max or statistics.null_count:
            raise IntegrityError(table, expected, "rows without an id, or no statistics")
        if (statistics.min, statistics.max) != (snapshot_id, snapshot_id):
            raise IntegrityError(table, expected, f"ids from {statistics.min} to {statistics.max}")


def check_uids_complete(table: str, columns: pa.Table) -> None:
    """Raise IntegrityError if a row of the groups or customers table has no uid."""
    column = _UID_COLUMNS.get(table)
    if column is None:
        return
    n_missing = columns[column].null_count
    if n_missing:
        raise IntegrityError(table, "a uid in every row", f"{n_missing} rows without {column}")


def check_row_count(table: str, expected: int, actual: int) -> None:
    """Raise IntegrityError if the number of rows in a table differs from the manifest."""
    if actual != expected:
        raise IntegrityError(table, f"{expected} rows according to the manifest", f"{actual} rows")


def check_codes(group_code: pa.ChunkedArray, customer_code: pa.ChunkedArray, n_groups: int, n_customers: int) -> None:
    """Raise IntegrityError if codes in the memberships table are missing, out of range, unsorted, or repeated."""
    n_missing = group_code.null_count + customer_code.null_count
    if n_missing:
        raise IntegrityError("memberships", "a code in every row", pluralize(n_missing, "missing code"))
    groups, customers = group_code.to_numpy(), customer_code.to_numpy()
    for name, codes, n in (("customer_group_code", groups, n_groups), ("customer_code", customers, n_customers)):
        if len(codes) and not 0 <= codes.min() <= codes.max() < n:
            raise IntegrityError(
                "memberships", f"values of {name} from 0 to below {n}", f"{codes.min()} to {codes.max()}"
            )
    same_group = groups[1:] == groups[:-1]
    if (groups[1:] < groups[:-1]).any() or (same_group & (customers[1:] <= customers[:-1])).any():
        raise IntegrityError("memberships", "sorted codes without duplicates", "unsorted or repeated codes")
