"""Tests for stored snapshots: round trips, selection, corrupt files, and atomic writes."""

import hashlib
import json
import os
import re
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import CorruptFileError, FrgroupsError, InputError, SnapshotNotFoundError
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.load.tenant_status import tenant_status
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.store.manifest import list_stored_snapshots, quarantine
from frgroups.store.retention import cache_info, list_snapshots, prune
from frgroups.store.snapshot_store import (
    latest_snapshot,
    latest_valid_snapshot,
    open_stored,
    read_snapshot,
    read_stored,
    replace_stored,
    save_snapshot,
)
from tests.store.versions import convert_to_version_2, rewrite_manifest

FRAMES = ["groups", "customers", "consents", "reads", "memberships"]
FILES = ["groups.parquet", "customers.parquet", "consents.parquet", "reads.parquet", "memberships.parquet"]


def snapshot_of(world=None, *, taken_at="2026-11-23T08:10Z", tenant_uid="t-1", base_url=None, **frames):
    """Return a snapshot with the given members of each group."""
    world = {"vip": ["c-1"]} if world is None else world
    rows = [(uid, customer) for uid, members in world.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(world)}, dtype="str"),
        tenant_uid=tenant_uid,
        taken_at=taken_at,
        base_url=base_url,
        **frames,
    )


def assert_equal(found, expected):
    """Check that two snapshots have equal tables and attributes."""
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))
    facts = ["tenant_uid", "base_url", "taken_at", "read_until", "verdict", "universe", "groups_note"]
    assert [getattr(found, fact) for fact in facts] == [getattr(expected, fact) for fact in facts]
    assert repr(found) == repr(expected)
    for name in ("group_uids", "group_names", "customer_uids"):
        pd.testing.assert_index_equal(getattr(found.matrix, name), getattr(expected.matrix, name), check_names=False)
    assert list(found.matrix.indptr) == list(expected.matrix.indptr)
    assert found.matrix.indices.dtype == expected.matrix.indices.dtype


def left_in(folder):
    """Return the names of all files and folders in a cache folder, including drafts."""
    return sorted(path.name for path in folder.rglob("*"))


# Round trips


@pytest.mark.parametrize("world", [{}, {"vip": []}, {"a": ["c-2", "c-1"], "b": [], "c": ["c-1"]}])
def test_only_memberships(tmp_path, world):
    """If `only_memberships` is True, the customers table contains only uids, and the consents table is empty."""
    saved = snapshot_of(world, customers=pd.DataFrame({"customer_uid": ["c-0", "c-1"], "city": ["Oslo", "Ås"]}))
    stored = open_stored(save_snapshot(saved, tmp_path))

    found = read_stored(stored, only_memberships=True)

    assert found.customers.columns.to_list() == ["customer_uid"] and found.consents.empty
    assert_equal(replace(found, customers=saved.customers, consents=saved.consents), read_stored(stored))


def test_open_other_folder(tmp_path):
    """If a folder does not contain a snapshot, opening it raises an error with the path of the folder."""
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        open_stored(tmp_path)


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(sample_snapshot(), id="sample"),
        pytest.param(snapshot_of(), id="small"),
        pytest.param(snapshot_of({}), id="nothing"),
        pytest.param(snapshot_of({"vip": [], "all": []}), id="no members"),
        pytest.param(snapshot_of({"vip": ["c/1", "ø", " ", "0150"]}, base_url="https://api.example:8443"), id="odd"),
        pytest.param(snapshot_of(taken_at="2026-11-23T08:10:00.123456+02:00"), id="microseconds"),
    ],
)
def test_round_trip(snapshot, tmp_path):
    """A stored snapshot is read with the same tables, dtypes, and attributes."""
    save_snapshot(snapshot, tmp_path)

    assert_equal(read_snapshot(tmp_path), snapshot)


def test_additional_columns(tmp_path):
    """Additional columns of the tables are stored and read with the same values and dtypes."""
    customers = pd.DataFrame(
        {
            "customer_uid": ["c-1", "c-2"],
            "email": ["kari@example.no", None],
            "score": pd.array([7, None], dtype="Int64"),
            "opted_in": pd.array([True, None], dtype="boolean"),
            "tier": pd.Categorical(["gold", None]),
            "rate": [0.5, float("nan")],
            "seen": pd.to_datetime(["2026-01-02T03:04:05Z", None]),
        }
    )
    snapshot = snapshot_of({"vip": ["c-1", "c-2"]}, customers=customers)

    save_snapshot(snapshot, tmp_path)

    assert_equal(read_snapshot(tmp_path), snapshot)


uids = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=5)
texts = st.none() | st.text(st.characters(codec="utf-8"), max_size=8)
timestamps = st.none() | st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC))
integers = st.none() | st.integers(-(2**63), 2**63 - 1)
# These additional columns include columns with reserved names.
own_names = st.sampled_from(
    [f"{prefix}{name}" for prefix in ("", "own ") for name in ("customer_code", "snapshot_id")]
    + ["customer_group_code", "tier", "a.b", "ø", " "]
)
own_columns = st.sampled_from(
    [
        pd.array([7, None, -1], dtype="Int64"),
        pd.array([True, None, False], dtype="boolean"),
        pd.array([0.5, float("nan"), float("inf")], dtype="float64"),
        pd.array(["gold", None, ""], dtype="str"),
        pd.Categorical(["gold", None, "gold"]),
        pd.to_datetime(["2026-01-02T03:04:05.123456Z", None, "1999-12-31"], utc=True, format="ISO8601").array,
        pd.array([1, 2, 3], dtype="uint8"),
        pd.array([None, None, None], dtype="str"),
    ]
)


@given(world=st.dictionaries(uids, st.sets(uids, max_size=4), max_size=4))
def test_round_trip_of_uids(tmp_path_factory, world):
    """Snapshots with arbitrary uids are stored and read without changes."""
    folder = tmp_path_factory.mktemp("cache")
    snapshot = snapshot_of(world)

    save_snapshot(snapshot, folder)

    assert_equal(read_snapshot(folder), snapshot)


@given(data=st.data(), own=st.dictionaries(own_names, own_columns, max_size=4))
def test_round_trip_of_values(tmp_path_factory, data, own):
    """Unusual strings, missing values, timestamps, and large integers are stored and read without changes."""
    folder = tmp_path_factory.mktemp("cache")
    known = data.draw(st.lists(uids, unique=True, min_size=3, max_size=3))
    three = {
        "external_id": texts,
        "created_at": timestamps,
        "credit_limit": integers,
        "has_email": st.none() | st.booleans(),
    }
    columns = {name: data.draw(st.lists(values, min_size=3, max_size=3)) for name, values in three.items()}
    columns["credit_limit"] = pd.array(columns["credit_limit"], dtype="Int64")
    consents = {"customer_uid": data.draw(st.lists(texts, max_size=3))}
    groups = pd.DataFrame({"customer_group_uid": ["vip"], "name": data.draw(texts), "customer_group_code": ["mine"]})
    groups["snapshot_id"] = data.draw(texts)
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "vip", "customer_uid": known[:2]}),
        groups,
        pd.DataFrame({"customer_uid": known} | columns | own),
        pd.DataFrame(consents),
        tenant_uid="t-1",
        taken_at="2026-11-23T08:10Z",
    )

    save_snapshot(snapshot, folder)

    assert_equal(read_snapshot(folder), snapshot)


@given(own=st.dictionaries(own_names, own_columns, max_size=4))
def test_version_2(tmp_path_factory, own):
    """A snapshot in format version 2, without a snapshot id, is read without changes, including its own columns."""
    folder = tmp_path_factory.mktemp("cache")
    world = {"vip": ["c-1", "c-2"], "all": ["c-1", "c-2", "c-3"]}
    snapshot = snapshot_of(world, customers=pd.DataFrame({"customer_uid": ["c-1", "c-2", "c-3"]} | own))

    path = convert_to_version_2(save_snapshot(snapshot, folder))

    assert open_stored(path).snapshot_id is None
    assert_equal(read_snapshot(folder), snapshot)
    newer = open_stored(replace_stored(open_stored(path), snapshot))
    assert newer.manifest["schema_version"] == 3
    assert_equal(read_snapshot(folder), snapshot)


def test_checksum_of_version_2(tmp_path):
    """A changed manifest of format version 2 is reported as corrupt."""
    path = convert_to_version_2(save_snapshot(sample_snapshot(), tmp_path)) / "manifest.json"
    path.write_text(path.read_text().replace("unverifiable", "consistent"))

    with pytest.raises(CorruptFileError):
        read_snapshot(tmp_path)


def test_snapshot_id(tmp_path):
    """Each saved folder has another id, and the manifest and the tables with codes contain it."""
    snapshot = sample_snapshot()
    first = save_snapshot(snapshot, tmp_path)
    second = save_snapshot(snapshot, tmp_path)
    replacement = replace_stored(open_stored(first), snapshot)

    ids = [open_stored(folder).snapshot_id for folder in (second, replacement)]

    assert len({*ids, None}) == 3
    for table in ("groups", "customers", "memberships"):
        column = pq.read_table(replacement / f"{table}.parquet", partitioning=None)["snapshot_id"]
        assert column.unique().to_pylist() == [ids[1]]


def test_folder_with_equals_sign(tmp_path):
    """A cache folder with a name such as year=2026 is not interpreted as a Parquet partition."""
    save_snapshot(sample_snapshot(), tmp_path / "year=2026")

    assert_equal(read_snapshot(tmp_path / "year=2026"), sample_snapshot())


def test_default_folder(home_folder):
    """Without a cache argument, snapshots are stored in the data folder."""
    path = save_snapshot(sample_snapshot())

    assert path.is_relative_to(home_folder / "snapshots")
    assert_equal(read_snapshot(), sample_snapshot())


# Selection


@pytest.fixture
def three(tmp_path):
    """Store three snapshots from different days, and return the cache folder."""
    for day in ("01", "02", "03"):
        save_snapshot(snapshot_of({f"day-{day}": ["c-1"]}, taken_at=f"2026-11-{day}T08:10Z"), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (None, "03"),
        ("2026-11-02", "02"),
        (date(2026, 11, 2), "02"),
        ("2026-11-02T08:09Z", "01"),
        ("2026-11-02T08:10Z", "02"),
        ("2026-11-02T10:09+02:00", "01"),
        (datetime(2026, 11, 2, 8, 10), "02"),
        (datetime(2026, 11, 2, tzinfo=UTC), "01"),
        (pd.Timestamp("2026-11-02"), "01"),
        ("2030-01-01", "03"),
    ],
)
def test_read_at(three, at, day):
    """`at` selects the newest snapshot that was taken at or before a timestamp, or before the end of a date."""
    assert f"day-{day}" in read_snapshot(three, at=at)


def test_not_found(three, tmp_path):
    """If no snapshot is old enough, the error contains the timestamp of the oldest and the argument `at`."""
    with pytest.raises(SnapshotNotFoundError, match=r"2026-11-01 08:10 UTC.*`at`"):
        read_snapshot(three, at="2026-10-31")
    with pytest.raises(SnapshotNotFoundError, match="t-2"):
        read_snapshot(three, tenant_uid="t-2")
    with pytest.raises(SnapshotNotFoundError, match=re.escape(str(tmp_path / "none"))):
        read_snapshot(tmp_path / "none")


@pytest.mark.parametrize("at", ["soon", "", "NaT", [], object()])
def test_invalid_timestamp(three, at):
    """If `at` is not a valid date or timestamp, an error is raised."""
    with pytest.raises(InputError, match=r"2026-11-23T08:10Z"):
        read_snapshot(three, at=at)


def test_several_tenants_and_hosts(tmp_path):
    """If the cache contains several tenants or hosts, the arguments must select one of them."""
    for tenant, host in [("t-1", "https://a.example"), ("t-1", "https://b.example"), ("t-2", None), ("..", None)]:
        save_snapshot(snapshot_of({f"{tenant} {host}": []}, tenant_uid=tenant, base_url=host), tmp_path)

    with pytest.raises(InputError, match="`tenant_uid` and `base_url`"):
        read_snapshot(tmp_path)
    with pytest.raises(InputError, match=r"t-1 at https://a\.example, t-1 at https://b\.example"):
        read_snapshot(tmp_path, tenant_uid="t-1")
    assert "t-2 None" in read_snapshot(tmp_path, tenant_uid="t-2")
    assert ".. None" in read_snapshot(tmp_path, tenant_uid="..")
    assert "t-1 https://b.example" in read_snapshot(tmp_path, tenant_uid="t-1", base_url="https://b.example")
    assert len({path.parent for path in tmp_path.glob("*/*")}) == 4
    assert list(list_snapshots(tmp_path, tenant_uid="t-1")["base_url"]) == ["https://a.example", "https://b.example"]


def test_same_timestamp(tmp_path):
    """Two snapshots with the same timestamp are both stored, and the second snapshot is the newest."""
    first = save_snapshot(snapshot_of({"one": []}), tmp_path)
    second = save_snapshot(snapshot_of({"two": []}), tmp_path)

    assert first != second
    assert "two" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 2


def test_latest_snapshot(tmp_path):
    """`latest_snapshot` returns the newest snapshot of a tenant and host without reading its tables."""
    host = "https://a.example"
    save_snapshot(snapshot_of({"vip": ["c-1"]}, base_url=host), tmp_path)

    stored = latest_snapshot(tmp_path, "t-1", host)

    assert stored.taken_at == datetime(2026, 11, 23, 8, 10, tzinfo=UTC)
    assert list(read_stored(stored)["vip"]) == ["c-1"]
    assert latest_snapshot(tmp_path, "t-1", "https://b.example") is None
    assert latest_snapshot(tmp_path / "none", "t-1", host) is None


# Corrupt files


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "grow", "gone"])
def test_corrupt_table(tmp_path, file, damage):
    """If the file of a table is altered, truncated, empty, extended, or missing, the error contains its path."""
    path = save_snapshot(sample_snapshot(), tmp_path) / file
    content = path.read_bytes()
    middle = len(content) // 2
    changed = {
        "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "cut": content[:-1],
        "empty": b"",
        "grow": content + b"\0",
        "gone": None,
    }[damage]
    path.unlink() if changed is None else path.write_bytes(changed)

    with pytest.raises(CorruptFileError, match=re.escape(str(path))) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path
    assert re.fullmatch(rf"{len(content)} bytes, sha256 [0-9a-f]{{12}}", caught.value.expected)
    assert "allow_older=True" in caught.value.hint
    assert path.parent.is_dir()


def test_altered_manifest(tmp_path):
    """If any byte of a manifest is changed, the change is detected."""
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    content = path.read_bytes()

    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(InputError, match=re.escape(str(path.parent))):
            read_snapshot(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"taken_at": 7}', None])
def test_invalid_manifest(tmp_path, content):
    """If a manifest is invalid, the error contains its path, and `allow_older` quarantines the snapshot."""
    save_snapshot(snapshot_of({"old": []}, taken_at="2026-11-01"), tmp_path)
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(CorruptFileError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path and str(path) in str(caught.value)
    assert caught.value.actual == "no file" if content is None else f"{len(content)} bytes" in caught.value.actual
    assert "old" in read_snapshot(tmp_path, allow_older=True)
    assert "old" in read_snapshot(tmp_path)


def test_fractional_seconds(tmp_path):
    """Snapshots with and without fractional seconds in their timestamps can be listed together."""
    save_snapshot(sample_snapshot("2026-11-03"), tmp_path)
    save_snapshot(sample_snapshot("2026-11-04T10:11:12.345678+00:00"), tmp_path)

    assert [timestamp.microsecond for timestamp in list_snapshots(tmp_path)["taken_at"]] == [0, 345678]


def test_allow_older(three, caplog):
    """With `allow_older`, corrupt snapshots are quarantined with a warning, and the newest valid snapshot is read."""
    for path in list_snapshots(three)["path"][1:]:
        content = (Path(path) / "customers.parquet").read_bytes()
        (Path(path) / "customers.parquet").write_bytes(content[:-1])

    assert "day-01" in read_snapshot(three, allow_older=True)

    quarantined = sorted(path.name for path in (three / "t-1@tables").glob(".damaged-*"))
    assert quarantined == [".damaged-20261102T081000.000000Z", ".damaged-20261103T081000.000000Z"]
    assert len(list((three / "t-1@tables" / quarantined[0]).iterdir())) == 6
    warning = caplog.records[0]
    assert (warning.name, warning.levelname) == ("frgroups.store", "WARNING")
    parts = f"customers.parquet.*{len(content)} bytes.*{len(content) - 1} bytes.*{quarantined[1]}"
    assert re.search(parts, warning.getMessage())
    assert "day-01" in read_snapshot(three)
    assert len(list_snapshots(three)) == 1


def test_allow_older_without_valid_snapshot(tmp_path):
    """If all snapshots are corrupt, the error contains the number of corrupt snapshots."""
    path = save_snapshot(sample_snapshot(), tmp_path)
    (path / "groups.parquet").write_bytes(b"")

    with pytest.raises(SnapshotNotFoundError, match=r"\b1 snapshot\b.*load_snapshot"):
        read_snapshot(tmp_path, allow_older=True)
    with pytest.raises(SnapshotNotFoundError, match=re.escape(str(tmp_path))):
        read_snapshot(tmp_path, allow_older=True)


def test_allow_older_with_other_arguments(three):
    """With `allow_older`, the older snapshot that is read also matches the arguments `at` and `tenant_uid`."""
    other = save_snapshot(snapshot_of({"other": []}, tenant_uid="t-2", taken_at="2026-11-02"), three)
    (Path(list_snapshots(three, tenant_uid="t-1")["path"][1]) / "reads.parquet").unlink()

    found = read_snapshot(three, tenant_uid="t-1", at="2026-11-02", allow_older=True)

    assert "day-01" in found
    assert other.is_dir()


def test_quarantine_with_same_timestamp(tmp_path):
    """Two corrupt snapshots with the same timestamp are quarantined in folders with different names."""
    for _ in range(2):
        (save_snapshot(sample_snapshot(), tmp_path) / "groups.parquet").unlink()
        with pytest.raises(SnapshotNotFoundError):
            read_snapshot(tmp_path, allow_older=True)

    assert len(list(tmp_path.glob("*/.damaged-*"))) == 2


def test_quarantine_in_read_only_folder(three, monkeypatch, caplog):
    """If a corrupt snapshot cannot be renamed, a warning is logged, and an older snapshot is read."""
    path = Path(list_snapshots(three)["path"][2])
    (path / "groups.parquet").unlink()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)  # Root ignores file modes.

    assert "day-02" in read_snapshot(three, allow_older=True)
    assert "day-02" in latest_valid_snapshot(three, "t-1", None, on_damage=quarantine)
    assert "Permission denied" in caplog.text
    assert path.is_dir()


def test_unreadable_file(three, monkeypatch):
    """If a file of a snapshot has no read permission, it is not reported as corrupt."""
    read = Path.read_bytes

    def refuse(path):
        if path.name == "reads.parquet":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"reads\.parquet.*Permission denied") as caught:
        read_snapshot(three, allow_older=True)
    assert not isinstance(caught.value, CorruptFileError)
    assert len(list_snapshots(three)) == 3


def test_latest_valid_snapshot(tmp_path):
    """`latest_valid_snapshot` can quarantine corrupt snapshots, and returns None if no snapshot is valid."""
    host = "https://a.example"
    save_snapshot(snapshot_of({"good": []}, base_url=host, taken_at="2026-11-01"), tmp_path)
    for file, day in (("groups.parquet", "02"), ("manifest.json", "03")):
        (save_snapshot(snapshot_of(base_url=host, taken_at=f"2026-11-{day}"), tmp_path) / file).write_bytes(b"half")

    assert "good" in latest_valid_snapshot(tmp_path, "t-1", host)
    assert len(list(tmp_path.glob("*/.damaged-*"))) == 0
    assert "good" in latest_valid_snapshot(tmp_path, "t-1", host, on_damage=quarantine)
    assert len(list(tmp_path.glob("*/.damaged-*"))) == 2
    assert latest_valid_snapshot(tmp_path, "t-1", "https://b.example") is None
    assert latest_valid_snapshot(tmp_path / "none", "t-1", host) is None


def set_version(folder, version, **facts):
    """Set the format version in the manifest of a stored snapshot."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": version} | facts))


def test_other_version(tmp_path):
    """If a snapshot has another format version, the error contains both format versions."""
    set_version(save_snapshot(sample_snapshot(), tmp_path), 4, written_by="9.1.0")

    with pytest.raises(InputError, match=r"version 4 .*9\.1\.0.* versions 2 and 3\b.*frgroups load"):
        read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 1


def test_latest_snapshot_of_this_version(tmp_path):
    """`latest_snapshot` skips snapshots with other format versions, but does not remove them."""
    host = "https://a.example"
    save_snapshot(snapshot_of({"ours": []}, base_url=host, taken_at="2026-11-01"), tmp_path)
    set_version(save_snapshot(snapshot_of(base_url=host, taken_at="2026-11-02"), tmp_path), 1)

    assert "ours" in latest_valid_snapshot(tmp_path, "t-1", host)
    assert "ours" in read_stored(latest_snapshot(tmp_path, "t-1", host))
    assert len(list_snapshots(tmp_path)) == 2


def test_checksums(tmp_path):
    """The manifest contains the size and SHA-256 checksum of each table, and a checksum of itself."""
    folder = save_snapshot(sample_snapshot(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())

    for file in FILES:
        body = (folder / file).read_bytes()
        assert manifest["files"][file] == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    checksum = manifest.pop("checksum")
    assert checksum == sha256(canonical_json(manifest))


# Atomic writes


def test_draft_is_ignored(tmp_path):
    """The draft folder of an interrupted process is neither listed nor read."""
    folder = save_snapshot(sample_snapshot(), tmp_path)
    draft = folder.with_name(".draft-0123")
    draft.mkdir()
    for file in folder.iterdir():
        (draft / file.name).write_bytes(file.read_bytes())
    (draft / "groups.parquet").write_bytes(b"half")

    assert len(list_snapshots(tmp_path)) == 1
    assert_equal(read_snapshot(tmp_path), sample_snapshot())


@pytest.mark.parametrize("n", range(5))
def test_full_disk(tmp_path, monkeypatch, n):
    """If the disk is full when any table is written, an error is raised, and the stored snapshots are unchanged."""
    save_snapshot(snapshot_of({"old": []}, taken_at="2026-11-01"), tmp_path)
    before = left_in(tmp_path)
    write, written = pq.write_table, []

    def full(table, path, **options):
        if len(written) == n:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        written.append(path)
        write(table, path, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path))}.*No space left on device"):
        save_snapshot(sample_snapshot(), tmp_path)

    assert left_in(tmp_path) == before
    assert "old" in read_snapshot(tmp_path)


@pytest.mark.parametrize(
    ("module", "step"),
    [
        ("store.parquet_tables", "fsync_path"),
        ("store.snapshot_store", "write_manifest"),
        ("store.manifest", "file_digest"),
        ("store.folders", "fsync_path"),
        ("store.folders", "_rename_to_first_unused"),
    ],
)
def test_interrupted_save(tmp_path, monkeypatch, module, step):
    """If Ctrl-C interrupts any step of saving a snapshot, the stored snapshots are unchanged."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[f"frgroups.{module}"], step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_snapshot(sample_snapshot(), tmp_path)

    assert [name for name in left_in(tmp_path) if name != "t-1@tables"] == []


def test_read_only_folder(tmp_path, monkeypatch):
    """If a snapshot cannot be written to a folder, the error contains the path of the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'file'))}.*FRGROUPS_HOME"):
        save_snapshot(sample_snapshot(), tmp_path / "file")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # Root ignores file modes.
    with pytest.raises(InputError, match="Permission denied"):
        save_snapshot(sample_snapshot(), tmp_path / "ro")


def test_column_of_mixed_types(tmp_path):
    """If a column contains values of different types, the error contains the column name, but not the values."""
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "odd": [1, "kari@example.no"]})
    snapshot = snapshot_of({"vip": ["c-1", "c-2"]}, customers=customers)

    with pytest.raises(InputError, match="'odd'") as caught:
        save_snapshot(snapshot, tmp_path)
    assert "kari" not in str(caught.value)
    assert list(list_snapshots(tmp_path)["path"]) == []


def test_file_modes(tmp_path):
    """Stored folders have the mode 0700 and stored files have the mode 0600, for any umask."""
    before = os.umask(0)
    try:
        folder = save_snapshot(sample_snapshot(), tmp_path / "new" / "cache")
    finally:
        os.umask(before)

    assert {file.name for file in folder.iterdir()} == {*FILES, "manifest.json"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    for path in (folder, folder.parent, tmp_path / "new" / "cache", tmp_path / "new"):
        assert path.stat().st_mode & 0o777 == 0o700


# Replacements


def test_replace_stored(three):
    """`replace_stored` stores the new snapshot under another folder name, and does not change other snapshots."""
    middle = list_stored_snapshots(three)[1]

    path = replace_stored(middle, snapshot_of({"rewritten": []}, taken_at="2026-11-02T08:10Z"))
    again = replace_stored(list_stored_snapshots(three)[1], snapshot_of({"twice": []}, taken_at="2026-11-02T08:10Z"))

    assert [path.name, again.name] == ["20261102T081000.000000Z-r1", "20261102T081000.000000Z-r2"]
    assert [next(iter(read_stored(stored).groups["name"])) for stored in list_stored_snapshots(three)] == [
        "day-01",
        "twice",
        "day-03",
    ]
    assert [name for name in left_in(three) if "1102" in name] == [again.name]


def test_order_after_replacement(tmp_path):
    """The replacement of a snapshot has the same position among snapshots with the same timestamp."""
    for group in ("one", "two"):
        save_snapshot(snapshot_of({group: []}), tmp_path)

    replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"one again": []}))
    assert "two" in read_snapshot(tmp_path)
    replace_stored(list_stored_snapshots(tmp_path)[1], snapshot_of({"two again": []}))
    assert "two again" in read_snapshot(tmp_path)
    save_snapshot(snapshot_of({"three": []}), tmp_path)
    assert "three" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 3


def test_save_after_replacement(tmp_path):
    """If a snapshot is saved after another snapshot was replaced, both snapshots are visible."""
    save_snapshot(snapshot_of({"one": []}), tmp_path)
    replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"one again": []}))

    save_snapshot(snapshot_of({"two": []}), tmp_path)

    assert "two" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 2


@pytest.mark.parametrize("clean", [prune, lambda cache: save_snapshot(snapshot_of(taken_at="2026-11-30"), cache)])
def test_interrupted_replacement(tmp_path, clean):
    """If replacing a snapshot is interrupted, readers ignore the old snapshot, and it is removed later."""
    path = save_snapshot(snapshot_of({"old": []}), tmp_path)
    shutil.copytree(path, tmp_path / "copy")
    replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"new": []}))
    (tmp_path / "copy").rename(path)
    (path.parent / ".gone-0123").mkdir()

    assert "new" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 1
    clean(tmp_path)
    assert not path.exists()
    assert not list(path.parent.glob(".gone-*"))


def test_replaced_snapshot_does_not_reappear(tmp_path):
    """If a replacement is quarantined, the replaced snapshot, which could contain erased customers, is removed."""
    path = save_snapshot(snapshot_of({"old": []}), tmp_path)
    shutil.copytree(path, tmp_path / "copy")
    other = replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"new": []}))
    (tmp_path / "copy").rename(path)
    (other / "groups.parquet").unlink()

    with pytest.raises(SnapshotNotFoundError):
        read_snapshot(tmp_path, allow_older=True)
    assert not path.exists()


def test_replace_with_other_snapshot(three):
    """A snapshot cannot be replaced with a snapshot that has another tenant or timestamp."""
    before = left_in(three)

    for other in (snapshot_of(), snapshot_of(taken_at="2026-11-03T08:10Z", tenant_uid="t-2")):
        with pytest.raises(InputError, match="20261103T081000"):
            replace_stored(list_stored_snapshots(three)[2], other)
    assert left_in(three) == before


@pytest.mark.slow
def test_read_during_replacements(tmp_path):
    """While a snapshot is being replaced repeatedly, readers always find exactly one complete snapshot."""
    save_snapshot(snapshot_of({"group": ["c-0"]}), tmp_path)
    end = threading.Event()

    def replace_repeatedly():
        for n in range(1, 25):
            replace_stored(list_stored_snapshots(tmp_path)[-1], snapshot_of({"group": [f"c-{n}"]}))
        end.set()

    seen = []
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_repeatedly)
        while not end.is_set() and not writing.done():
            seen.append(read_snapshot(tmp_path)["group"][0])
            assert len(list_snapshots(tmp_path)) == 1
        writing.result()

    order = [int(uid[2:]) for uid in seen]
    assert order == sorted(order)
    assert len(set(order)) > 1


def test_error_classes():
    """The error classes for stored snapshots are subclasses of FrgroupsError and of built-in exceptions."""
    assert issubclass(SnapshotNotFoundError, FrgroupsError)
    assert issubclass(SnapshotNotFoundError, LookupError)
    assert issubclass(CorruptFileError, ValueError)


def test_manifest_without_table(tmp_path):
    """If a manifest does not list all tables, it is reported as corrupt, and an older snapshot can be read."""
    older = save_snapshot(sample_snapshot(), tmp_path)
    folder = save_snapshot(sample_snapshot(), tmp_path)
    (folder / "reads.parquet").unlink()
    rewrite_manifest(folder)

    with pytest.raises(CorruptFileError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == folder / "manifest.json"
    assert "reads.parquet" in caught.value.expected
    assert "reads.parquet" in caught.value.actual and "groups.parquet" not in caught.value.actual
    read_snapshot(tmp_path, allow_older=True)

    assert older.exists() and not folder.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": {}},
        {"files": {"groups.parquet": {"bytes": 1}}},
        {"files": {"groups.parquet": None}},
        {"files": {file: {"bytes": 1, "sha256": "0", "mode": 6} for file in FILES}},
        {"universe": "many"},
        {"tenant_uid": None, "schema_version": 1},
        {"n_groups": None, "schema_version": 1},
        {"schema_version": "2"},
        {"schema_version": True},
        {"schema_version": []},
        {"read_until": "soon"},
        {"read_until": "2026-11-23T08:10:00"},
        {"verdict": "fine"},
        {"tenant_uid": 5},
        {"n_groups": None},
        {"snapshot_id": None},
        {"snapshot_id": -1},
        {"snapshot_id": 2**53},
        {"snapshot_id": "7"},
    ],
)
def test_manifest_with_invalid_fields(tmp_path, wrong):
    """If a manifest has a valid checksum but invalid fields, its snapshot is quarantined as corrupt."""
    folder = save_snapshot(sample_snapshot(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_bytes()) | wrong
    del manifest["checksum"]
    manifest["checksum"] = sha256(canonical_json(manifest))
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(CorruptFileError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == folder / "manifest.json" and caught.value.expected and caught.value.actual
    assert list_snapshots(tmp_path).empty and cache_info(tmp_path)["n_damaged"].tolist() == [1]
    with pytest.raises(SnapshotNotFoundError):
        read_snapshot(tmp_path, allow_older=True)
    assert not folder.exists()


def test_snapshot_without_host(tmp_path):
    """A snapshot without a host can be read by passing its folder."""
    folder = save_snapshot(sample_snapshot("2026-11-23"), tmp_path)
    save_snapshot(replace(sample_snapshot("2026-11-23"), base_url="https://api.example"), tmp_path)

    with pytest.raises(InputError, match=r"t-1 at no host.* list_snapshots"):
        read_snapshot(tmp_path)

    assert str(folder) in set(list_snapshots(tmp_path)["path"])
    assert read_snapshot(folder).base_url is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes.")
@pytest.mark.parametrize("file", ["groups.parquet", "manifest.json"])
def test_pipe_instead_of_file(tmp_path, file):
    """If a file of a snapshot is replaced by a pipe, reading raises an error and does not block."""
    folder = save_snapshot(sample_snapshot(), tmp_path)
    (folder / file).unlink()
    os.mkfifo(folder / file)

    with pytest.raises(CorruptFileError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == folder / file


def test_invalid_manifest_of_one_tenant(tmp_path):
    """An invalid manifest of one tenant does not affect listing, pruning, and the status of other tenants."""
    bad = save_snapshot(snapshot_of(tenant_uid="t-2"), tmp_path)
    set_version(bad, 1, tenant_uid=None, n_groups=None)
    save_snapshot(snapshot_of(), tmp_path)

    assert list_snapshots(tmp_path)["tenant_uid"].to_list() == ["t-1"]
    assert prune(tmp_path).empty
    assert set(tenant_status(tmp_path)["tenant_uid"]) == {"t-1", "t-2"}
    assert bad.is_dir()


def test_allow_older_with_other_version(tmp_path, caplog):
    """With `allow_older`, a snapshot with another format version is skipped with a warning."""
    save_snapshot(snapshot_of({"ours": []}, taken_at="2026-11-01"), tmp_path)
    newest = save_snapshot(snapshot_of(taken_at="2026-11-02"), tmp_path)
    set_version(newest, 4, written_by="9.1.0")

    with pytest.raises(InputError, match=r"version 4\b.*allow_older=True"):
        read_snapshot(tmp_path)
    assert "ours" in read_snapshot(tmp_path, allow_older=True)

    assert newest.is_dir() and len(caplog.records) == 1
    assert re.search(rf"{re.escape(str(newest))}.* version 4\b", caplog.text)


def test_allow_older_with_other_versions_only(tmp_path):
    """If all snapshots have another format version, the error contains this version."""
    set_version(save_snapshot(sample_snapshot(), tmp_path), 4)

    with pytest.raises(InputError, match=r"version 4\b"):
        read_snapshot(tmp_path, allow_older=True)


def rewrite_snapshot(folder, table=None, change=None, **facts):
    """Change a table or manifest values of a stored snapshot, and update the checksums."""
    if table is not None:
        pq.write_table(change(pq.read_table(folder / table)), folder / table)
    rewrite_manifest(folder, **facts)


def replace_codes(column, values):
    """Return a function that replaces the first codes in a column of a table."""

    def change(table):
        codes = table[column].to_pylist()
        array = pa.array([*values, *codes[len(values) :]], pa.int32())
        return table.set_column(table.column_names.index(column), column, array)

    return change


def replace_ids(table, ids):
    """Replace the column with the snapshot id."""
    return table.set_column(0, "snapshot_id", ids)


def widen_codes(table):
    """Convert all integer codes in a table to 64 bits."""
    return table.cast(pa.schema([(name, pa.int64()) for name in table.column_names]))


@pytest.mark.parametrize("only_memberships", [False, True])
@pytest.mark.parametrize(
    ("file", "change", "pattern"),
    [
        ("memberships.parquet", replace_codes("customer_code", [-1]), "customer_code .*251, found -1"),
        ("memberships.parquet", replace_codes("customer_code", [251]), "customer_code .*251, found .*251"),
        ("memberships.parquet", replace_codes("customer_code", [None]), "found 1 missing code"),
        ("memberships.parquet", replace_codes("customer_code", [1, 1]), "sorted codes"),
        ("memberships.parquet", replace_codes("customer_group_code", [2]), "sorted codes"),
        ("memberships.parquet", replace_codes("customer_group_code", [-1]), "customer_group_code .*3, found -1"),
        ("memberships.parquet", lambda table: table.slice(0, 9), "253 rows .*found 9 rows"),
        ("memberships.parquet", lambda table: table.drop_columns("customer_code"), "found .*customer_code"),
        ("memberships.parquet", widen_codes, "codes of type int32"),
        ("groups.parquet", lambda table: table.drop_columns("name"), "found .*: name"),
        ("customers.parquet", lambda table: table.set_column(2, "customer_uid", pa.nulls(251, pa.string())),
         "found 251 rows without customer_uid"),
        ("memberships.parquet", lambda table: table.drop_columns("snapshot_id"), "one column snapshot_id"),
        ("groups.parquet", lambda table: replace_ids(table, pa.array([1, 2, 3])), "found ids from 1 to 3"),
        ("customers.parquet", lambda table: replace_ids(table, pa.array([7] * 251)), "found ids from 7 to 7"),
        ("memberships.parquet", lambda table: replace_ids(table, pa.nulls(253, pa.int64())), "rows without an id"),
        ("memberships.parquet", lambda table: replace_ids(table, pa.nulls(253, pa.string())), "type int64"),
    ],
)  # fmt: skip
def test_inconsistent_tables(tmp_path, file, change, pattern, only_memberships):
    """If tables with valid checksums contradict each other, the error contains the path of the invalid file."""
    folder = save_snapshot(sample_snapshot(), tmp_path)
    rewrite_snapshot(folder, file, change)

    with pytest.raises(CorruptFileError, match=pattern) as caught:
        read_stored(open_stored(folder), only_memberships=only_memberships)
    assert caught.value.path == folder / file


@pytest.mark.parametrize("facts", [{}, {"n_customers": 10}])
def test_missing_customers(tmp_path, facts):
    """Missing rows in the customers table are detected, even if the manifest contains the reduced number of rows."""
    save_snapshot(snapshot_of({"old": []}, taken_at="2026-01-01"), tmp_path)
    folder = save_snapshot(sample_snapshot(), tmp_path)
    rewrite_snapshot(folder, "customers.parquet", lambda table: table.slice(0, 10), **facts)

    with pytest.raises(CorruptFileError, match=r"251|\b10\b"):
        read_snapshot(tmp_path)
    assert "old" in read_snapshot(tmp_path, allow_older=True)


@pytest.mark.parametrize("facts", [{"n_memberships": 7}, {"universe": 3}])
def test_inconsistent_manifest(tmp_path, facts):
    """If the number of memberships or the universe in the manifest does not match the tables, an error is raised."""
    rewrite_snapshot(save_snapshot(sample_snapshot(), tmp_path), **facts)

    with pytest.raises(CorruptFileError):
        read_snapshot(tmp_path)


def test_snapshot_in_wrong_folder(tmp_path):
    """A snapshot in the folder of another tenant is reported as corrupt."""
    folder = save_snapshot(sample_snapshot(), tmp_path)
    rewrite_snapshot(folder, tenant_uid="t-2")

    with pytest.raises(CorruptFileError) as caught:
        read_snapshot(tmp_path)
    assert "t-1@tables" in caught.value.expected and "t-2@tables" in caught.value.actual
    assert list_snapshots(tmp_path).empty
