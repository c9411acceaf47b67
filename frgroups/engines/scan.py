"""Read the memberships of all stored snapshots as one frame of a query engine."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from frgroups.engines.frames import CUSTOMER, GROUP, TAKEN_AT, TENANT, as_narwhals, import_narwhals, is_instance_of
from frgroups.engines.removed_snapshots import explain_removed_snapshots, remember_scanned
from frgroups.engines.upload import upload_table
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.redaction import safe_repr
from frgroups.store.manifest import Cache, StoredSnapshot
from frgroups.store.parquet_tables import CUSTOMER_CODE, GROUP_CODE, SNAPSHOT_ID
from frgroups.store.snapshot_selection import select_snapshots

if TYPE_CHECKING:
    from narwhals.stable.v2 import LazyFrame

_TABLES = {
    "memberships": (SNAPSHOT_ID, GROUP_CODE, CUSTOMER_CODE),
    "groups": (SNAPSHOT_ID, GROUP_CODE, GROUP),
    "customers": (SNAPSHOT_ID, CUSTOMER_CODE, CUSTOMER),
}
_POLARS_TYPES = {
    SNAPSHOT_ID: "Int64",
    GROUP_CODE: "Int32",
    CUSTOMER_CODE: "Int32",
    GROUP: "String",
    CUSTOMER: "String",
}
_SPARK_TYPES = {SNAPSHOT_ID: "bigint", GROUP_CODE: "int", CUSTOMER_CODE: "int", GROUP: "string", CUSTOMER: "string"}

# A function that reads Parquet files.
# The function accepts the paths of the files and the names of the columns to read, and returns a native frame.
_Reader = Callable[[Sequence[str], Sequence[str]], Any]


@explain_removed_snapshots()
def scan_memberships(
    cache: Cache = None,
    *,
    engine: Any,
    tenants: Iterable[str] | None = None,
    since: date | str | None = None,
) -> Any:
    """
    Return the memberships of all stored snapshots as one lazy frame of a query engine.

    The engine reads the stored Parquet files when it evaluates the frame, so the memberships are not copied. The
    result contains the snapshots that are stored when the function is called. Call the function again to include new
    snapshots.

    If another process erases a customer or prunes snapshots, some of the files no longer exist. The functions of
    frgroups then raise SnapshotNotFoundError with the snapshot and the reason in the message. If you evaluate the
    frame yourself, the engine raises its own error, which contains the path of the missing file.

    Parameters
    ----------
    cache
        Folder of the snapshots, or the folder of one tenant and host. The column `path` of `cache_info` contains the
        folders of tenants and hosts. None means the folder `snapshots` in the data folder.
    engine
        A DuckDB connection, a SparkSession (also of Spark Connect), "duckdb", or "polars". "duckdb" means the default
        connection of DuckDB. The modules `duckdb` and `polars` are also accepted.
    tenants
        Uids of the tenants. None selects all tenants. Snapshots of servers on this machine, such as sandboxes, are
        selected only if no other snapshots are stored, as in `read_snapshot`. If you pass tenants, this rule applies
        to each tenant separately.
    since
        Earliest time at which the snapshots were taken, as a timestamp or a date. A date means the start of that day,
        and a timestamp without a time zone is in UTC. None selects snapshots of any age.

    Returns
    -------
    DuckDBPyRelation, pyspark.sql.DataFrame, or polars.LazyFrame
        One row per snapshot and membership, in no order, with the columns `tenant_uid` (string), `taken_at`
        (timestamp with time zone UTC, in microseconds), `customer_group_uid`, and `customer_uid` (string). Groups
        without members have no rows. If several snapshots of a tenant have the same timestamp, only the last one is
        included.

    Raises
    ------
    SnapshotNotFoundError
        If no stored snapshot matches the arguments, or one of the tenants has no snapshot.
    InputError
        If an argument is invalid, or the snapshots of a tenant are from several hosts.
    CorruptFileError
        If a file is missing or its size differs from the manifest. The checksums of the files are not verified.

    See Also
    --------
    list_snapshots : Return a table of the stored snapshots.
    read_snapshot : Read one stored snapshot, and verify its checksums.

    Notes
    -----
    Snapshots with a corrupt manifest and snapshots of an unsupported format version are omitted, and a warning is
    logged. Pass `tenants` and `since` instead of filtering the frame, so that the engine reads fewer files.

    `size_history` counts each snapshot separately, and `plan_memberships` uses the rows of one tenant. All other
    functions need the rows of one snapshot and raise InputError otherwise. Filter the frame first, as in the example.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot("2026-11-03"))
    >>> path = save_snapshot(sample_snapshot("2026-11-10"))
    >>> scan = scan_memberships(engine="duckdb", tenants=["t-1"], since="2026-11-10")
    >>> scan.columns
    ['tenant_uid', 'taken_at', 'customer_group_uid', 'customer_uid']
    >>> group_sizes(scan.filter("taken_at = '2026-11-10 00:00:00+00'"))["n_members"].tolist()
    [250, 1, 2]
    """
    import_narwhals()
    read = _reader_of(engine)
    stored = select_snapshots(cache, tenants, since, tables=tuple(_TABLES))
    remember_scanned(snapshot.path for snapshot in stored)
    ids = _snapshot_ids(stored)
    frames = {table: _read_table(table, stored, ids, read) for table in _TABLES}
    scan = (
        frames["memberships"]
        .join(frames["groups"], on=[SNAPSHOT_ID, GROUP_CODE])
        .join(frames["customers"], on=[SNAPSHOT_ID, CUSTOMER_CODE])
        .join(_upload_snapshots(stored, ids, frames["groups"]), on=SNAPSHOT_ID)
    )
    return scan.select(TENANT, TAKEN_AT, GROUP, CUSTOMER).to_native()


def _snapshot_ids(stored: Sequence[StoredSnapshot]) -> list[int]:
    """
    Return an id for each snapshot.

    If the tables of a snapshot contain an id that no other snapshot has, the function returns this id. Otherwise, it
    returns a negative number. Tables in format version 2 contain no id, and copies of a snapshot have the same id.
    """
    n_by_id = Counter(snapshot.snapshot_id for snapshot in stored)
    ids = []
    for number, snapshot in enumerate(stored, start=1):
        stored_id = snapshot.snapshot_id
        ids.append(-number if stored_id is None or n_by_id[stored_id] > 1 else stored_id)
    return ids


def _read_table(table: str, stored: Sequence[StoredSnapshot], ids: Sequence[int], read: _Reader) -> LazyFrame[Any]:
    nw = import_narwhals()
    columns = _TABLES[table]
    paths = [str(snapshot.path / f"{table}.parquet") for snapshot in stored]
    with_ids = [path for path, snapshot_id in zip(paths, ids, strict=True) if snapshot_id >= 0]
    frames = []
    if with_ids:
        frames.append(as_narwhals(read(with_ids, columns)).select(*columns))
    for path, snapshot_id in zip(paths, ids, strict=True):
        if snapshot_id < 0:
            frame = as_narwhals(read([path], columns[1:])).select(*columns[1:])
            frames.append(frame.with_columns(nw.lit(snapshot_id, nw.Int64).alias(SNAPSHOT_ID)).select(*columns))
    if len(frames) == 1:
        return frames[0]
    combined: LazyFrame[Any] = nw.concat(frames)
    return combined


def _upload_snapshots(stored: Sequence[StoredSnapshot], ids: Sequence[int], like: LazyFrame[Any]) -> LazyFrame[Any]:
    table = pa.table(
        {
            SNAPSHOT_ID: pa.array(ids, pa.int64()),
            TENANT: pa.array([snapshot.manifest["tenant_uid"] for snapshot in stored], pa.string()),
            TAKEN_AT: pa.array([snapshot.taken_at for snapshot in stored], pa.timestamp("us", "UTC")),
        }
    )
    return upload_table(table, like)


def _reader_of(engine: Any) -> _Reader:
    """Return the function that reads Parquet files in an engine."""
    if is_instance_of(engine, "DuckDBPyConnection", "duckdb"):
        return lambda paths, _columns: _read_with_duckdb(engine, paths)
    if is_instance_of(engine, "SparkSession", "pyspark.sql"):
        return lambda paths, columns: _read_with_spark(engine, paths, columns)
    name = engine.__name__ if isinstance(engine, ModuleType) else engine
    if not isinstance(name, str):
        name = ""  # For example, a Polars LazyFrame cannot be compared with a string.
    if name == "duckdb":
        connection = _import_engine(name).default_connection()
        return lambda paths, _columns: _read_with_duckdb(connection, paths)
    if name == "polars":
        polars = _import_engine(name)
        return lambda paths, columns: _read_with_polars(polars, paths, columns)
    got = safe_repr(engine) if isinstance(engine, str) else type(engine).__name__
    raise InputError(
        f"`engine` must be a DuckDB connection, a SparkSession, 'duckdb', or 'polars', got {got}.",
        hint="For Spark, pass the session, for example SparkSession.builder.getOrCreate().",
    )


def _import_engine(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FrgroupsError(f'{name} is not installed. Run pip install "frgroups[{name}]".') from error


def _read_with_duckdb(connection: Any, paths: Sequence[str]) -> Any:
    # DuckDB treats each path as a pattern, so special characters are enclosed in brackets.
    # Without Hive partitioning, folder names such as key=value do not become columns.
    patterns = [re.sub(r"([*?\[])", r"[\1]", path) for path in paths]
    return connection.read_parquet(patterns, hive_partitioning=False)


def _read_with_polars(polars: Any, paths: Sequence[str], columns: Sequence[str]) -> Any:
    schema = {name: getattr(polars, _POLARS_TYPES[name]) for name in columns}
    return polars.scan_parquet(
        list(paths), schema=schema, extra_columns="ignore", glob=False, hive_partitioning=False
    )


def _read_with_spark(session: Any, paths: Sequence[str], columns: Sequence[str]) -> Any:
    # Spark treats each path as a pattern, so special characters are escaped.
    # With recursiveFileLookup, folder names such as key=value do not become columns.
    patterns = [re.sub(r"([\\*?\[\]{}])", r"\\\1", path) for path in paths]
    schema = ", ".join(f"{name} {_SPARK_TYPES[name]}" for name in columns)
    # The options `ignore...` override settings of the session that would skip missing or corrupt files.
    reader = session.read.schema(schema).option("recursiveFileLookup", "true")
    return reader.option("ignoreMissingFiles", "false").option("ignoreCorruptFiles", "false").parquet(*patterns)
