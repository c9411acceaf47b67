"""Tests for the frame of all stored snapshots in each query engine."""

import shutil
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.engines import memberships as engine_memberships
from frgroups.errors import CorruptFileError, FrgroupsError, InputError, SnapshotNotFoundError
from frgroups.store import folders, manifest
from frgroups.store.manifest import list_stored_snapshots
from frgroups.store.snapshot_store import open_stored, replace_stored
from tests.store.versions import convert_to_version_2, rewrite_manifest

COLUMNS = ["tenant_uid", "taken_at", "customer_group_uid", "customer_uid"]
HOST = "https://a.example"
SPARK = pytest.param("spark", marks=pytest.mark.spark)
ENGINES = ["polars", "duckdb", SPARK]


@pytest.fixture(params=ENGINES)
def scan_engine(request):
    """Return each engine, as an argument of `scan_memberships`."""
    return request.getfixturevalue("spark") if request.param == "spark" else request.param


def snapshot_of(groups, day=1, *, tenant_uid="t-1", base_url=HOST, own=None):
    """Return a snapshot with the given members of each group, and additional columns of the customers and groups."""
    rows = [(group, uid) for group, uids in groups.items() for uid in uids]
    uids = sorted({uid for _, uid in rows})
    own = own or {}
    return fg.snapshot_from_frames(
        pd.DataFrame(rows, columns=COLUMNS[2:], dtype="str"),
        pd.DataFrame({"customer_group_uid": sorted(groups)}, dtype="str").assign(**own),
        pd.DataFrame({"customer_uid": uids}, dtype="str").assign(**own),
        tenant_uid=tenant_uid,
        taken_at=datetime(2026, 11, day, 8, 10, 0, 123456, tzinfo=UTC),
        base_url=base_url,
    )


def rows_of(frame):
    """Return the number of each row of a frame, with the timestamp in UTC."""
    table = nw.from_native(frame).lazy().collect(backend="pyarrow").to_arrow()
    assert table.column_names == COLUMNS
    times = table["taken_at"].cast(pa.timestamp("us", "UTC"))
    return Counter(
        zip(*(column.to_pylist() for column in table.set_column(1, "taken_at", times).columns), strict=True)
    )


def rows_in(*snapshots):
    """Return the number of each row that a scan of the given snapshots must contain."""
    return Counter(
        (snapshot.tenant_uid, snapshot.taken_at, group, customer)
        for snapshot in snapshots
        for group, customer in snapshot.memberships[COLUMNS[2:]].itertuples(index=False)
    )


def save(cache, *snapshots):
    """Save snapshots, and return their folders."""
    return [fg.save_snapshot(snapshot, cache) for snapshot in snapshots]


OWN = {"snapshot_id": "mine", "colour": 7}
VIP = snapshot_of({"vip": ["c-1", "c-2"], "all": ["c-1", "c-2", "Å 'x'"], "empty": []}, 1, own=OWN)
LATER = snapshot_of({"vip": ["c-2"], "all": ["c-2", "c-3"]}, 2)
OTHER = snapshot_of({"vip": ["c-1", "c-9"]}, 2, tenant_uid="t/2 å")


def test_rows(tmp_path, scan_engine):
    "The frame contains the memberships of all snapshots, even if the first snapshot has additional columns."
    save(tmp_path, VIP, LATER, OTHER)

    frame = fg.scan_memberships(tmp_path, engine=scan_engine)

    assert rows_of(frame) == rows_in(VIP, LATER, OTHER)


def test_one_snapshot(tmp_path, scan_engine):
    "A function counts one snapshot, and rejects a frame with several snapshots. A plan uses the rows of its tenant."
    save(tmp_path, VIP, LATER, OTHER)
    frame = fg.scan_memberships(tmp_path, engine=scan_engine, tenants=["t-1"])
    one = nw.from_native(frame).filter(nw.col("taken_at") == nw.lit(LATER.taken_at)).to_native()

    sizes = fg.group_sizes(one)

    assert dict(zip(sizes["customer_group_uid"], sizes["n_members"], strict=True)) == {"all": 2, "vip": 1}
    times = "the column 'taken_at' contains 2026-11-01 08:10 UTC and 2026-11-02 08:10 UTC"
    with pytest.raises(InputError, match=f"`data` contains several snapshots: {times}"):
        fg.group_sizes(frame)
    with pytest.raises(InputError, match=f"`desired` contains several snapshots: {times}"):
        fg.plan_memberships(VIP, frame, mode="mirror")
    tenants = fg.scan_memberships(tmp_path, engine=scan_engine, since=LATER.taken_at)
    with pytest.raises(InputError, match=r"`data` .* tenants: the column 'tenant_uid' contains 't-1' and 't/2 å'"):
        fg.duplicate_groups(tenants)
    assert fg.plan_memberships(LATER, tenants, mode="mirror").is_empty


def test_types(tmp_path, scan_engine):
    "The uids are strings, and the timestamps have a time zone and microseconds."
    save(tmp_path, VIP)

    schema = nw.from_native(fg.scan_memberships(tmp_path, engine=scan_engine)).collect_schema()

    time = schema.pop("taken_at")
    assert set(schema.values()) == {nw.String}
    assert time.time_unit == "us" and time.time_zone is not None
    assert scan_engine != "polars" or time.time_zone == "UTC"


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_time_zone_of_duckdb(tmp_path, zone):
    "The time zone of a DuckDB connection does not shift the timestamps, in results and in comparisons."
    save(tmp_path, VIP, LATER)
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        frame = fg.scan_memberships(tmp_path, engine=connection)

        assert rows_of(frame) == rows_in(VIP, LATER)
        at = VIP.taken_at
        assert rows_of(nw.from_native(frame).filter(nw.col("taken_at") == nw.lit(at)).to_native()) == rows_in(VIP)


@pytest.mark.spark
def test_time_zone_of_spark(tmp_path, spark):
    "The time zone of a Spark session does not shift the timestamps."
    save(tmp_path, VIP, LATER)
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        assert rows_of(fg.scan_memberships(tmp_path, engine=spark)) == rows_in(VIP, LATER)
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_special_characters_in_path(tmp_path, scan_engine):
    "A data folder with wildcards, spaces, and key=value is not interpreted as a pattern or as partitions."
    cache = tmp_path / "year=2026 [1]*? {a,b}" / "%41 å"
    save(cache, VIP)
    save(tmp_path / "year=2026 1x? a" / "%41 å", OTHER)

    assert rows_of(fg.scan_memberships(cache, engine=scan_engine)) == rows_in(VIP)


def test_engines(tmp_path):
    "The engine can be a connection, a module, or a name. The result is a native frame."
    save(tmp_path, VIP)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE names AS SELECT 'vip' AS customer_group_uid")
        fg.scan_memberships(tmp_path, engine=connection).create_view("scan")
        joined = connection.sql("SELECT count(*) FROM scan JOIN names USING (customer_group_uid)")
        assert joined.fetchall() == [(2,)]
    for engine, kind in (("duckdb", duckdb.DuckDBPyRelation), (duckdb, duckdb.DuckDBPyRelation), (pl, pl.LazyFrame)):
        assert isinstance(fg.scan_memberships(tmp_path, engine=engine), kind)


@pytest.mark.parametrize("engine", ["spark", "pandas", None, pd, 7, "Duckdb"])
def test_unknown_engine(tmp_path, engine):
    "Another engine raises an error that lists the supported engines."
    save(tmp_path, VIP)

    with pytest.raises(InputError, match=r"SparkSession.*'duckdb'.*'polars'"):
        fg.scan_memberships(tmp_path, engine=engine)


def test_engine_is_not_installed(tmp_path, monkeypatch):
    "If an engine is not installed, the error names the extra."
    save(tmp_path, VIP)
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(FrgroupsError, match=r"frgroups\[polars\]"):
        fg.scan_memberships(tmp_path, engine="polars")


def test_tenants_and_since(tmp_path):
    "Only the snapshots of the given tenants since the given time are read."
    paths = save(tmp_path, VIP, LATER, OTHER)

    def scan(**options):
        return rows_of(fg.scan_memberships(tmp_path, engine="polars", **options))

    assert scan(tenants=["t-1"]) == scan(tenants=("t-1", "t-1")) == rows_in(VIP, LATER)
    assert scan(tenants=["t-1", OTHER.tenant_uid]) == rows_in(VIP, LATER, OTHER)
    assert scan(since="2026-11-01") == scan(since=date(2026, 11, 1)) == scan(since=VIP.taken_at)
    assert scan(since="2026-11-01T08:10:00.123456Z") == rows_in(VIP, LATER, OTHER)
    assert scan(since=VIP.taken_at + timedelta(microseconds=1)) == rows_in(LATER, OTHER)
    local = datetime(2026, 11, 1, 10, 10, 1, tzinfo=timezone(timedelta(hours=2)))
    assert scan(since=local) == scan(since="2026-11-02") == rows_in(LATER, OTHER)
    shutil.rmtree(paths[0])
    assert scan() == rows_in(LATER, OTHER)


def test_not_found(tmp_path):
    "A folder without snapshots, an unknown tenant, and a late date raise errors that state what is stored."
    with pytest.raises(SnapshotNotFoundError) as caught:
        fg.scan_memberships(tmp_path, engine="polars")
    assert caught.value.should_load and "load_snapshot" in caught.value.hint
    save(tmp_path, VIP, OTHER)
    with pytest.raises(SnapshotNotFoundError, match=r"'t-9'.*'t-1' and 't/2 å'"):
        fg.scan_memberships(tmp_path, engine="polars", tenants=["t-1", "t-9"])
    with pytest.raises(SnapshotNotFoundError, match="2026-11-02 08:10 UTC") as caught:
        fg.scan_memberships(tmp_path, engine="polars", since="2026-11-03")
    assert not caught.value.should_load
    for options in ({"tenants": "t-1"}, {"tenants": []}, {"tenants": [1]}, {"since": "soon"}):
        with pytest.raises(InputError):
            fg.scan_memberships(tmp_path, engine="polars", **options)


def test_several_hosts(tmp_path):
    "If snapshots of a tenant are from several hosts, the error names the folder of one host."
    save(tmp_path, VIP, OTHER)
    path = save(tmp_path, replace(LATER, base_url="https://b.example"))[0]

    with pytest.raises(InputError, match=r"t-1 from several hosts: a\.example and b\.example") as caught:
        fg.scan_memberships(tmp_path, engine="polars")

    assert str(path.parents[1] / "t-1@a.example") in caught.value.hint
    assert rows_of(fg.scan_memberships(path.parent, engine="polars", tenants=["t-1"])) == rows_in(LATER)
    assert rows_of(fg.scan_memberships(path, engine="polars")) == rows_in(LATER)
    assert rows_of(fg.scan_memberships(tmp_path, engine="polars", tenants=[OTHER.tenant_uid])) == rows_in(OTHER)
    recent = fg.scan_memberships(tmp_path, engine="polars", since="2026-11-02")
    assert rows_of(recent) == rows_in(LATER, OTHER)


def test_several_hosts_and_no_host(tmp_path):
    "Snapshots without a host count as snapshots of a separate host."
    save(tmp_path, VIP, replace(LATER, base_url=None))

    with pytest.raises(InputError, match=r"t-1 from several hosts: a\.example and no host"):
        fg.scan_memberships(tmp_path, engine="polars")


def test_servers_on_this_machine(tmp_path):
    "For each given tenant, snapshots of local servers are read only if the tenant has no other snapshots."
    first, last, own = (
        replace(VIP, base_url="http://127.0.0.1:8020"),
        replace(LATER, base_url="http://127.0.0.1:8030"),
        replace(VIP, base_url="http://127.0.0.1:8020", tenant_uid="sport"),
    )
    save(tmp_path, first, own, last)
    assert rows_of(fg.scan_memberships(tmp_path, engine="polars")) == rows_in(last)
    save(tmp_path, OTHER)

    assert rows_of(fg.scan_memberships(tmp_path, engine="polars")) == rows_in(OTHER)
    assert rows_of(fg.scan_memberships(tmp_path, engine="polars", tenants=["sport", OTHER.tenant_uid])) == rows_in(
        own, OTHER
    )
    assert rows_of(fg.scan_memberships(tmp_path, engine="polars", tenants=["t-1"])) == rows_in(last)


def test_corrupt_files(tmp_path):
    "A missing file and a file of another size raise an error before the engine reads a file."
    path, _ = save(tmp_path, VIP, LATER)
    content = (path / "customers.parquet").read_bytes()
    (path / "customers.parquet").write_bytes(content + b"x")
    with pytest.raises(CorruptFileError, match=r"customers\.parquet.*bytes") as caught:
        fg.scan_memberships(tmp_path, engine="polars")
    assert str(path) in caught.value.hint
    (path / "customers.parquet").unlink()
    with pytest.raises(CorruptFileError, match="no file"):
        fg.scan_memberships(tmp_path, engine="polars")
    (path / "customers.parquet").mkdir()
    with pytest.raises(CorruptFileError, match="regular file"):
        fg.scan_memberships(tmp_path, engine="polars")


def test_unreadable_manifests(tmp_path, caplog):
    "Snapshots with a corrupt manifest and of other versions are omitted with a warning."
    corrupt, other, _ = save(tmp_path, VIP, snapshot_of({"vip": []}, 3), LATER)
    (corrupt / "manifest.json").write_bytes(b"half")
    rewrite_manifest(other, schema_version=4)

    assert rows_of(fg.scan_memberships(tmp_path, engine="polars")) == rows_in(LATER)
    assert str(corrupt) in caplog.text and "version 4" in caplog.text


def test_copied_snapshot(tmp_path):
    "A copy of a snapshot, which has the same snapshot id, does not multiply the rows."
    path = save(tmp_path, VIP)[0]
    copy = tmp_path / "t-2@a.example" / path.name
    shutil.copytree(path, copy)
    rewrite_manifest(copy, tenant_uid="t-2")

    frame = fg.scan_memberships(tmp_path, engine="duckdb")

    assert rows_of(frame) == rows_in(VIP, replace(VIP, tenant_uid="t-2"))


def test_same_timestamp(tmp_path):
    "If several snapshots have the same timestamp, only the last one is read."
    save(tmp_path, VIP, replace(LATER, taken_at=VIP.taken_at))

    assert rows_of(fg.scan_memberships(tmp_path, engine="duckdb")) == rows_in(replace(LATER, taken_at=VIP.taken_at))


uids = st.sampled_from(["c-1", "c-2", "c-3", "Å", "it's"])
worlds = st.dictionaries(st.sampled_from(["vip", "all", "Z 'z'"]), st.sets(uids), max_size=3)
actions = st.sampled_from(["", "", "version 2", "replace", "quarantine", "manifest"])


@settings(max_examples=6)
@given(stored=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), worlds, actions), min_size=1, max_size=6))
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_equals_snapshots(tmp_path_factory, engine, stored):
    "The frame equals the memberships of the snapshots that `read_snapshot` returns for each tenant and timestamp."
    cache = tmp_path_factory.mktemp("cache")
    for tenant_uid, day, world, action in stored:
        snapshot = snapshot_of(world, day, tenant_uid=tenant_uid)
        path = fg.save_snapshot(snapshot, cache)
        if action == "version 2":
            convert_to_version_2(path)
        elif action == "replace":
            replace_stored(open_stored(path), snapshot_of({"new": ["c-1"]}, day, tenant_uid=tenant_uid))
        elif action == "quarantine":
            folders.quarantine_folder(path)
        elif action == "manifest":
            (path / "manifest.json").write_bytes(b"half")
    known = {(s.manifest["tenant_uid"], s.taken_at) for s in list_stored_snapshots(cache, on_damage=lambda *_: None)}
    if not known:
        with pytest.raises(SnapshotNotFoundError):
            fg.scan_memberships(cache, engine=engine)
        return

    frame = fg.scan_memberships(cache, engine=engine)

    # Reading a snapshot quarantines corrupt folders, so the frame is evaluated first.
    rows = rows_of(frame)
    snapshots = [fg.read_snapshot(cache, tenant_uid=uid, at=at, allow_older=True) for uid, at in known]
    assert {(snapshot.tenant_uid, snapshot.taken_at) for snapshot in snapshots} == known
    assert rows == rows_in(*snapshots)


def test_version_2(tmp_path, scan_engine):
    "Snapshots with and without a snapshot id are read as one frame."
    paths = save(tmp_path, VIP, LATER, OTHER)
    for path in paths[:2]:
        convert_to_version_2(path)

    assert rows_of(fg.scan_memberships(tmp_path, engine=scan_engine)) == rows_in(VIP, LATER, OTHER)


def test_erasure(tmp_path, scan_engine, home_folder):
    "If an erasure replaces a snapshot of a scan, the error names the snapshot and the erasure."
    cache = tmp_path / "key=1 [x] å"
    save(cache, VIP, LATER)
    frame = fg.scan_memberships(cache, engine=scan_engine)
    filtered = nw.from_native(frame).filter(nw.col("customer_uid") != "c-3").to_native()
    fg.erase_customer("c-1", cache=cache)

    for data in (frame, filtered):
        with pytest.raises(SnapshotNotFoundError) as caught:
            fg.group_sizes(data)
        assert "t-1 at 2026-11-01 08:10:00 UTC" in caught.value.message
        assert "erasure at 20" in caught.value.message and "scan_memberships" in caught.value.hint
    with pytest.raises(Exception, match=r"20261101T081000\.123456Z"):
        rows_of(frame)
    assert len(rows_of(fg.scan_memberships(cache, engine=scan_engine))) == 6


def test_history(tmp_path, scan_engine, home_folder):
    "The size history of the frame equals that of the stored snapshots. After an erasure, it raises the same error."
    save(tmp_path, VIP, LATER)
    expected = fg.size_history(cache=tmp_path)
    frame = fg.scan_memberships(tmp_path, engine=scan_engine)

    history = fg.size_history(frame)

    columns = ["taken_at", "customer_group_uid", "n_members", "n_joined", "n_left"]
    # A frame contains no groups without members.
    expected = expected[expected["customer_group_uid"] != "empty"].reset_index(drop=True)
    pd.testing.assert_frame_equal(history[columns], expected[columns])
    fg.erase_customer("c-1", cache=tmp_path)
    with pytest.raises(SnapshotNotFoundError, match="erasure at"):
        fg.size_history(frame)


def test_changes(tmp_path, scan_engine):
    "The changes between two snapshots of the frame equal the changes between the stored snapshots."
    save(tmp_path, VIP, LATER)
    frame = nw.from_native(fg.scan_memberships(tmp_path, engine=scan_engine))
    old, new = (frame.filter(nw.col("taken_at") == nw.lit(s.taken_at)).to_native() for s in (VIP, LATER))

    changes = nw.from_native(fg.membership_changes(old, new)).lazy().collect(backend="pyarrow")

    expected = fg.membership_changes(VIP, LATER)
    assert sorted(changes.iter_rows()) == sorted(expected[changes.columns].itertuples(index=False, name=None))


def test_erasure_during_a_function(tmp_path, scan_engine, home_folder, monkeypatch):
    "If a customer is erased between two queries of a function, the same error is raised."
    save(tmp_path, VIP)
    frame = fg.scan_memberships(tmp_path, engine=scan_engine)
    read = engine_memberships.read_memberships

    def read_and_erase(data):
        result = read(data)
        fg.erase_customer("c-1", cache=tmp_path)
        return result

    monkeypatch.setattr(engine_memberships, "read_memberships", read_and_erase)

    for call in (lambda: fg.overlap_pairs(frame, min_both=1), lambda: fg.groups_per_customer(frame)):
        with pytest.raises(SnapshotNotFoundError, match="erasure at"):
            call()


@pytest.mark.parametrize("n_queries", range(1, 8))
def test_erasure_after_some_queries(tmp_path, scan_engine, home_folder, monkeypatch, n_queries):
    "If a customer is erased after any query of a function, the same error is raised."
    snapshot = snapshot_of({"vip": ["c-1"], "all": ["c-1", "c-2"]})
    collect = nw.LazyFrame.collect
    calls = []

    def collect_and_erase(self, *args, **kwargs):
        result = collect(self, *args, **kwargs)
        calls.append(self)
        if len(calls) == n_queries:
            fg.erase_customer("c-1", cache=tmp_path / "snapshots")
        return result

    functions = [lambda frame: fg.group_profile(frame, "vip", attributes=attributes_of(frame))]
    if n_queries < 3:
        functions += [
            lambda frame: fg.plan_memberships(snapshot, frame, mode="mirror"),
            lambda frame: fg.overlap_pairs(frame, ["vip", "all"], min_both=1),
            lambda frame: fg.intersections(frame, ["vip", "all"]),
        ]
    for function in functions:
        shutil.rmtree(tmp_path / "snapshots", ignore_errors=True)
        save(tmp_path / "snapshots", snapshot)
        frame = fg.scan_memberships(tmp_path / "snapshots", engine=scan_engine)
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(nw.LazyFrame, "collect", collect_and_erase)
            with pytest.raises(SnapshotNotFoundError, match="erasure at"):
                function(frame)


def attributes_of(frame):
    """Return a frame of attributes in the engine of a scan."""
    customers = nw.from_native(frame).group_by("customer_uid").agg(nw.col("tenant_uid").min(), n=nw.len())
    return customers.to_native()


@pytest.mark.parametrize(
    "function",
    [
        fg.duplicate_groups,
        fg.subset_groups,
        fg.group_clusters,
        fg.set_cover,
        lambda data: fg.members(data, "vip"),
        lambda data: fg.group_flow(data, data),
        lambda data: fg.membership_changes(data, VIP),
        fg.plot.overlap_heatmap,
        fg.plot.upset,
    ],
)
def test_erasure_before_reading_into_memory(tmp_path, scan_engine, home_folder, function):
    "Functions that read the frame into memory raise the same error."
    save(tmp_path, VIP)
    frame = fg.scan_memberships(tmp_path, engine=scan_engine)
    fg.erase_customer("c-1", cache=tmp_path)

    with pytest.raises(SnapshotNotFoundError, match="erasure at"):
        function(frame)


def test_erased_version_2(tmp_path, scan_engine, home_folder):
    "An erasure replaces a snapshot in format version 2 by one in the current version, and the same error is raised."
    path = convert_to_version_2(save(tmp_path, VIP)[0])
    frame = fg.scan_memberships(tmp_path, engine=scan_engine)
    fg.erase_customer("c-1", cache=tmp_path)

    with pytest.raises(SnapshotNotFoundError, match="erasure at"):
        fg.group_sizes(frame)

    assert open_stored(path.with_name(f"{path.name}-r1")).snapshot_id is not None


def test_erasure_during_the_scan(tmp_path, home_folder, monkeypatch):
    "If a customer is erased between listing the files and checking their sizes, the result is complete."
    save(tmp_path, VIP)
    check = manifest.StoredSnapshot.check_size
    calls = []

    def erase_and_check(self, name):
        calls.append(name)
        if len(calls) == 1:
            fg.erase_customer("c-1", cache=tmp_path)
        check(self, name)

    monkeypatch.setattr(manifest.StoredSnapshot, "check_size", erase_and_check)

    frame = fg.scan_memberships(tmp_path, engine="polars")

    assert {row[3] for row in rows_of(frame)} == {"c-2", "Å 'x'"}


def test_removed_snapshots(tmp_path, scan_engine):
    "If a snapshot of a scan was pruned or quarantined, the error says so."
    first, _ = save(tmp_path, VIP, LATER)
    frame = fg.scan_memberships(tmp_path, engine=scan_engine)
    first.rename(first.with_name(f".damaged-{first.name}"))
    with pytest.raises(SnapshotNotFoundError, match="2026-11-01 08:10:00 UTC, which was quarantined"):
        fg.group_sizes(frame)
    shutil.rmtree(first.with_name(f".damaged-{first.name}"))
    with pytest.raises(SnapshotNotFoundError, match="2026-11-01 08:10:00 UTC, which was removed"):
        fg.group_sizes(frame)
    shutil.rmtree(first.parent)
    with pytest.raises(SnapshotNotFoundError, match="which was removed"):
        fg.group_sizes(frame)


@pytest.mark.parametrize("host", ["a.test", f"{'a' * 60}.test"])
def test_erasure_of_long_paths(tmp_path, scan_engine, home_folder, host):
    "The error names the erasure even if the engine shortens the name of the tenant's folder."
    tenant_uid = "5f0c7a52-3f0e-4c0b-9d3e-2f1f6a7b8c9d"
    table = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", "c-2"]})
    snapshot = fg.snapshot_from_frames(
        table, tenant_uid=tenant_uid, taken_at=VIP.taken_at, base_url=f"https://{host}/v2"
    )
    save(tmp_path, snapshot)
    frame = fg.scan_memberships(tmp_path, engine=scan_engine)
    fg.erase_customer("c-1", cache=tmp_path)

    with pytest.raises(SnapshotNotFoundError, match="erasure at") as caught:
        fg.group_sizes(frame)

    assert f"{tenant_uid} at 2026-11-01" in caught.value.message


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
@pytest.mark.parametrize("name", ["second", "[x] *"])
def test_same_snapshot_in_two_folders(tmp_path, engine, home_folder, name):
    "The error names the removed snapshot, not a snapshot of the same tenant and time in another data folder."
    first, second = tmp_path / "first" / name, tmp_path / name
    save(first, VIP)
    removed = save(second, VIP)[0]
    frames = [fg.scan_memberships(cache, engine=engine) for cache in (first, second)]
    fg.erase_customer("c-1", cache=first)
    shutil.rmtree(removed)

    for frame, reason in zip(frames, ("replaced by an erasure", "was removed"), strict=True):
        with pytest.raises(SnapshotNotFoundError, match=reason):
            fg.group_sizes(frame)


def test_removed_replacement(tmp_path, home_folder):
    "If another process also removes the snapshot that replaced a snapshot of the scan, the error is the same."
    removed = save(tmp_path, VIP)[0]
    frame = fg.scan_memberships(tmp_path, engine="polars")
    fg.erase_customer("c-1", cache=tmp_path)
    (replacement,) = removed.parent.glob(f"{removed.name}-*")
    (replacement / "manifest.json").unlink()

    with pytest.raises(SnapshotNotFoundError, match="t-1 at 2026-11-01 08:10:00 UTC, which was removed"):
        fg.group_sizes(frame)


def test_other_errors(tmp_path):
    "Errors of the engine about other files are left unchanged."
    path = save(tmp_path, VIP)[0]
    frame = fg.scan_memberships(tmp_path, engine="polars")
    (path / "customers.parquet").write_bytes(b"no parquet file")

    with pytest.raises(nw.exceptions.ComputeError):
        fg.group_sizes(frame)
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        fg.group_sizes(
            pl.scan_parquet(tmp_path / "none.parquet", schema={"a": pl.Int64}).select(
                pl.lit("a").alias("customer_group_uid"), pl.col("a").cast(pl.String).alias("customer_uid")
            )
        )


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_read_columns(tmp_path, engine):
    "The engine's query plan scans each table once and reads only the required columns."
    save(tmp_path, VIP, LATER, OTHER)
    frame = fg.scan_memberships(tmp_path, engine=engine)

    plan = frame.explain()

    assert "colour" not in plan and "has_email" not in plan and "credit_limit" not in plan
    marker = "Parquet SCAN" if engine == "polars" else "PARQUET_SCAN"
    assert plan.count(marker) == 3
