"""Kept snapshots: equal to what was saved, whole or not at all, and every damage named."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import CorruptFileError, FrgroupsError, InputError, SnapshotNotFoundError
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.load.tenant_status import tenant_status
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.store.manifest import list_stored_snapshots, write_manifest
from frgroups.store.retention import cache_info, list_snapshots, prune
from frgroups.store.snapshot_store import (
    clean_cache,
    latest_snapshot,
    latest_valid_snapshot,
    open_stored,
    read_snapshot,
    read_stored,
    replace_stored,
    save_snapshot,
)

FRAMES = ["groups", "customers", "consents", "reads", "memberships"]
FILES = ["groups.parquet", "customers.parquet", "consents.parquet", "reads.parquet", "memberships.parquet"]


def snapshot_of(world=None, *, taken_at="2026-11-23T08:10Z", tenant_uid="t-1", base_url=None, **frames):
    """A snapshot of {group: customers}."""
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
    """Two snapshots say the same, frame by frame and fact by fact."""
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))
    facts = ["tenant_uid", "base_url", "taken_at", "read_until", "verdict", "universe"]
    assert [getattr(found, fact) for fact in facts] == [getattr(expected, fact) for fact in facts]
    assert repr(found) == repr(expected)
    for name in ("group_uids", "group_names", "customer_uids"):
        pd.testing.assert_index_equal(getattr(found.matrix, name), getattr(expected.matrix, name), check_names=False)
    assert list(found.matrix.indptr) == list(expected.matrix.indptr)
    assert found.matrix.indices.dtype == expected.matrix.indices.dtype


def left_in(folder):
    """The names of all that is in a folder, drafts too."""
    return sorted(path.name for path in folder.rglob("*"))


# What comes back


@pytest.mark.parametrize("world", [{}, {"vip": []}, {"a": ["c-2", "c-1"], "b": [], "c": ["c-1"]}])
def test_who_was_where_can_be_read_alone(tmp_path, world):
    "The same groups, readings and memberships as in the whole snapshot; of customers the uids, of consents nothing."
    saved = snapshot_of(world, customers=pd.DataFrame({"customer_uid": ["c-0", "c-1"], "city": ["Oslo", "Ås"]}))
    kept = open_stored(save_snapshot(saved, tmp_path))

    found = read_stored(kept, only_memberships=True)

    assert found.customers.columns.to_list() == ["customer_uid"] and found.consents.empty
    assert_equal(replace(found, customers=saved.customers, consents=saved.consents), read_stored(kept))


def test_a_folder_without_a_snapshot_is_said_to_be_none(tmp_path):
    "The error says where folders of snapshots are told."
    with pytest.raises(InputError, match="not the folder of a kept snapshot; list_snapshots"):
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
def test_a_kept_snapshot_is_read_as_it_was(snapshot, tmp_path):
    "Every frame, dtype and fact comes back, empty tables too."
    save_snapshot(snapshot, tmp_path)

    assert_equal(read_snapshot(tmp_path), snapshot)


def test_columns_that_are_not_ours_come_back_too(tmp_path):
    "Contact data and columns of one's own keep their values and dtypes."
    customers = pd.DataFrame(
        {
            "customer_uid": ["c-1", "c-2"],
            "email": ["kari@example.no", None],
            "score": pd.array([7, None], dtype="Int64"),
            "wants": pd.array([True, None], dtype="boolean"),
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
moments = st.none() | st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC))
whole = st.none() | st.integers(-(2**63), 2**63 - 1)
# Columns of the caller's own, among them those that are named like ours in the file.
own_names = st.sampled_from(["tier", "customer_code", "own customer_code", "customer_group_code", "a.b", "ø", " "])
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


@settings(max_examples=40)
@given(world=st.dictionaries(uids, st.sets(uids, max_size=4), max_size=4))
def test_every_snapshot_survives_the_cache(tmp_path_factory, world):
    "Whatever the uids are, what is read is what was saved."
    folder = tmp_path_factory.mktemp("cache")
    snapshot = snapshot_of(world)

    save_snapshot(snapshot, folder)

    assert_equal(read_snapshot(folder), snapshot)


@settings(max_examples=60)
@given(data=st.data(), own=st.dictionaries(own_names, own_columns, max_size=4))
def test_every_value_survives_the_cache(tmp_path_factory, data, own):
    "Odd text, missing values, far moments, large integers, and columns of one's own come back in their dtypes."
    folder = tmp_path_factory.mktemp("cache")
    known = data.draw(st.lists(uids, unique=True, min_size=3, max_size=3))
    three = {
        "external_id": texts,
        "created_at": moments,
        "credit_limit": whole,
        "has_email": st.none() | st.booleans(),
    }
    columns = {name: data.draw(st.lists(values, min_size=3, max_size=3)) for name, values in three.items()}
    columns["credit_limit"] = pd.array(columns["credit_limit"], dtype="Int64")
    consents = {"customer_uid": data.draw(st.lists(texts, max_size=3))}
    groups = pd.DataFrame({"customer_group_uid": ["vip"], "name": data.draw(texts), "customer_group_code": ["mine"]})
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


def test_a_folder_named_like_a_partition_is_no_column(tmp_path):
    "A cache below key=value gains no column of that name."
    save_snapshot(sample_snapshot(), tmp_path / "year=2026")

    assert_equal(read_snapshot(tmp_path / "year=2026"), sample_snapshot())


def test_without_a_folder_the_home_keeps_it(home_folder):
    "cache=None is the folder snapshots of the home."
    path = save_snapshot(sample_snapshot())

    assert path.is_relative_to(home_folder / "snapshots")
    assert_equal(read_snapshot(), sample_snapshot())


# Which one is read


@pytest.fixture
def three(tmp_path):
    """A cache of three days."""
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
def test_at_is_the_newest_at_or_before_a_moment(three, at, day):
    "A date means the end of that day, a moment that moment; no time zone means UTC."
    assert f"day-{day}" in read_snapshot(three, at=at)


def test_nothing_that_answers_is_an_error_that_tells_what_is_there(three, tmp_path):
    "Before the oldest, for another tenant, in an empty or missing folder."
    with pytest.raises(SnapshotNotFoundError, match="The oldest of 3 is of 2026-11-01 08:10 UTC"):
        read_snapshot(three, at="2026-10-31")
    with pytest.raises(SnapshotNotFoundError, match="No snapshot of tenant t-2"):
        read_snapshot(three, tenant_uid="t-2")
    with pytest.raises(SnapshotNotFoundError, match=r"load_snapshot \(frgroups load\)"):
        read_snapshot(tmp_path / "none")


@pytest.mark.parametrize("at", ["soon", "", "NaT", [], object()])
def test_a_moment_that_is_none_is_refused(three, at):
    "at= is a moment or a date."
    with pytest.raises(InputError, match="is not a moment"):
        read_snapshot(three, at=at)


def test_several_tenants_and_hosts_are_kept_apart(tmp_path):
    "Without a name the choice is asked for; with one, only that tenant and host answer."
    for tenant, host in [("t-1", "https://a.example"), ("t-1", "https://b.example"), ("t-2", None), ("..", None)]:
        save_snapshot(snapshot_of({f"{tenant} {host}": []}, tenant_uid=tenant, base_url=host), tmp_path)

    with pytest.raises(InputError, match=r"Pass tenant_uid= and base_url="):
        read_snapshot(tmp_path)
    with pytest.raises(InputError, match=r"t-1 at https://a\.example, t-1 at https://b\.example"):
        read_snapshot(tmp_path, tenant_uid="t-1")
    assert "t-2 None" in read_snapshot(tmp_path, tenant_uid="t-2")
    assert ".. None" in read_snapshot(tmp_path, tenant_uid="..")
    assert "t-1 https://b.example" in read_snapshot(tmp_path, tenant_uid="t-1", base_url="https://b.example")
    assert len({path.parent for path in tmp_path.glob("*/*")}) == 4
    assert list(list_snapshots(tmp_path, tenant_uid="t-1")["base_url"]) == ["https://a.example", "https://b.example"]


def test_two_snapshots_of_one_moment_are_both_kept(tmp_path):
    "The second does not take the place of the first, and is the newer one."
    first = save_snapshot(snapshot_of({"one": []}), tmp_path)
    second = save_snapshot(snapshot_of({"two": []}), tmp_path)

    assert first != second
    assert "two" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 2


def test_the_newest_of_a_host_can_be_looked_at_unread(tmp_path):
    "latest_snapshot reads no table; read_stored does."
    host = "https://a.example"
    save_snapshot(snapshot_of({"vip": ["c-1"]}, base_url=host), tmp_path)

    kept = latest_snapshot(tmp_path, "t-1", host)

    assert kept.taken_at == datetime(2026, 11, 23, 8, 10, tzinfo=UTC)
    assert list(read_stored(kept)["vip"]) == ["c-1"]
    assert latest_snapshot(tmp_path, "t-1", "https://b.example") is None
    assert latest_snapshot(tmp_path / "none", "t-1", host) is None


# Damage


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "grow", "gone"])
def test_damage_of_any_table_is_named(tmp_path, file, damage):
    "A table that was altered, cut, emptied, lengthened or removed is refused by name."
    path = save_snapshot(sample_snapshot(), tmp_path) / file
    whole = path.read_bytes()
    middle = len(whole) // 2
    changed = {
        "flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "cut": whole[:-1],
        "empty": b"",
        "grow": whole + b"\0",
        "gone": None,
    }[damage]
    path.unlink() if changed is None else path.write_bytes(changed)

    message = rf"{file} is damaged: expected {len(whole)} bytes, sha256 [0-9a-f]{{12}}, found .*"
    with pytest.raises(CorruptFileError, match=rf"{message}allow_older=True.*load the tenant again") as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path
    assert path.parent.is_dir()


def test_any_altered_byte_of_a_manifest_is_noticed(tmp_path):
    "Tenant, host, moment, verdict, counts and checksums cannot be altered unseen; blanks may."
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    whole = path.read_bytes()

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"manifest\.json is damaged|schema version"):
            read_snapshot(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"taken_at": 7}', None])
def test_what_is_no_manifest_is_named(tmp_path, content):
    "The error names the file, what is expected and what is there; with allow_older it is set aside."
    save_snapshot(snapshot_of({"old": []}, taken_at="2026-11-01"), tmp_path)
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    path.unlink() if content is None else path.write_bytes(content)

    found = "no such file" if content is None else f"{len(content)} other bytes"
    with pytest.raises(CorruptFileError, match=f"expected a manifest.*, found {found}") as caught:
        read_snapshot(tmp_path)
    assert str(path) in str(caught.value)
    assert "old" in read_snapshot(tmp_path, allow_older=True)
    assert "old" in read_snapshot(tmp_path)


def test_moments_with_and_without_fractions_stand_in_one_table(tmp_path):
    "A snapshot of a whole second among others is listed like them."
    save_snapshot(sample_snapshot("2026-11-03"), tmp_path)
    save_snapshot(sample_snapshot("2026-11-04T10:11:12.345678+00:00"), tmp_path)

    assert [one.microsecond for one in list_snapshots(tmp_path)["taken_at"]] == [0, 345678]


def test_damage_is_set_aside_for_the_newest_good_one(three, caplog):
    "Where the caller allows it: nothing is deleted, the log names file, expected, found and the new place."
    for path in list_snapshots(three)["path"][1:]:
        whole = (Path(path) / "customers.parquet").read_bytes()
        (Path(path) / "customers.parquet").write_bytes(whole[:-1])

    assert "day-01" in read_snapshot(three, allow_older=True)

    aside = sorted(path.name for path in (three / "t-1@tables").glob(".damaged-*"))
    assert aside == [".damaged-20261102T081000.000000Z", ".damaged-20261103T081000.000000Z"]
    assert len(list((three / "t-1@tables" / aside[0]).iterdir())) == 6
    warning = caplog.records[0]
    assert (warning.name, warning.levelname) == ("frgroups.store", "WARNING")
    said = f"customers.parquet is damaged: expected {len(whole)} bytes.*, found {len(whole) - 1} bytes.*{aside[1]}"
    assert re.search(said, warning.getMessage())
    assert "day-01" in read_snapshot(three)
    assert len(list_snapshots(three)) == 1


def test_where_none_is_good_that_is_said(tmp_path):
    "Then there is nothing to read, and the error says why and what to do."
    path = save_snapshot(sample_snapshot(), tmp_path)
    (path / "groups.parquet").write_bytes(b"")

    with pytest.raises(SnapshotNotFoundError, match=r"No whole snapshot .*1 were damaged .*load_snapshot"):
        read_snapshot(tmp_path, allow_older=True)
    with pytest.raises(SnapshotNotFoundError, match="No snapshot is kept"):
        read_snapshot(tmp_path, allow_older=True)


def test_allowing_older_ones_does_not_choose_another_tenant_or_moment(three):
    "at=, tenant_uid= and base_url= hold for the one that is read instead."
    other = save_snapshot(snapshot_of({"other": []}, tenant_uid="t-2", taken_at="2026-11-02"), three)
    (Path(list_snapshots(three, tenant_uid="t-1")["path"][1]) / "reads.parquet").unlink()

    found = read_snapshot(three, tenant_uid="t-1", at="2026-11-02", allow_older=True)

    assert "day-01" in found
    assert other.is_dir()


def test_two_damaged_ones_of_one_moment_are_both_set_aside(tmp_path):
    "The second takes another name."
    for _ in range(2):
        (save_snapshot(sample_snapshot(), tmp_path) / "groups.parquet").unlink()
        with pytest.raises(SnapshotNotFoundError):
            read_snapshot(tmp_path, allow_older=True)

    assert len(list(tmp_path.glob("*/.damaged-*"))) == 2


def test_a_folder_that_cannot_be_written_is_read_all_the_same(three, monkeypatch, caplog):
    "Then damage stays where it is, with a line in the log, and the older one is used."
    path = Path(list_snapshots(three)["path"][2])
    (path / "groups.parquet").unlink()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)  # The tests may run as root, whom no mode keeps out.

    assert "day-02" in read_snapshot(three, allow_older=True)
    assert "day-02" in latest_valid_snapshot(three, "t-1", None)
    assert "stays where it is: Permission denied" in caplog.text
    assert path.is_dir()


def test_a_file_that_may_not_be_read_is_not_called_damaged(three, monkeypatch):
    "It is an error of its own, and nothing is set aside."
    read = Path.read_bytes

    def refuse(path):
        if path.name == "reads.parquet":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"reads\.parquet cannot be read: Permission denied") as caught:
        read_snapshot(three, allow_older=True)
    assert not isinstance(caught.value, CorruptFileError)
    assert len(list_snapshots(three)) == 3


def test_the_newest_good_one_of_a_host_is_found(tmp_path):
    "Damage is passed over and set aside; nothing good is None."
    host = "https://a.example"
    save_snapshot(snapshot_of({"good": []}, base_url=host, taken_at="2026-11-01"), tmp_path)
    for file, day in (("groups.parquet", "02"), ("manifest.json", "03")):
        (save_snapshot(snapshot_of(base_url=host, taken_at=f"2026-11-{day}"), tmp_path) / file).write_bytes(b"half")

    assert "good" in latest_valid_snapshot(tmp_path, "t-1", host)
    assert len(list(tmp_path.glob("*/.damaged-*"))) == 2
    assert latest_valid_snapshot(tmp_path, "t-1", "https://b.example") is None
    assert latest_valid_snapshot(tmp_path / "none", "t-1", host) is None


def with_version(folder, version, **facts):
    """A kept snapshot as another version of frgroups would have written it."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": version} | facts))


def test_another_schema_version_is_refused(tmp_path):
    "It is not read as if it were ours: the error says who wrote it and what loads it anew."
    with_version(save_snapshot(sample_snapshot(), tmp_path), 3, written_by="9.1.0")

    with pytest.raises(InputError, match=r"version 3, written by frgroups 9\.1\.0; .* reads 2\. .*\(frgroups load\)"):
        read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 1


def test_a_snapshot_of_another_version_is_no_newest_one(tmp_path):
    "A load that looks for a young one passes over it; it is not damaged, so it stays."
    host = "https://a.example"
    save_snapshot(snapshot_of({"ours": []}, base_url=host, taken_at="2026-11-01"), tmp_path)
    with_version(save_snapshot(snapshot_of(base_url=host, taken_at="2026-11-02"), tmp_path), 1)

    assert "ours" in latest_valid_snapshot(tmp_path, "t-1", host)
    assert "ours" in read_stored(latest_snapshot(tmp_path, "t-1", host))
    assert len(list_snapshots(tmp_path)) == 2


def test_the_checksums_are_those_of_the_files(tmp_path):
    "The manifest holds bytes and SHA-256 of every table, and a checksum of itself."
    folder = save_snapshot(sample_snapshot(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())

    for file in FILES:
        body = (folder / file).read_bytes()
        assert manifest["files"][file] == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    checksum = manifest.pop("checksum")
    assert checksum == sha256(canonical_json(manifest))


# Whole or not at all


def test_a_half_written_draft_is_not_there(tmp_path):
    "What a broken run left is not listed, not read and in nobody's way."
    folder = save_snapshot(sample_snapshot(), tmp_path)
    draft = folder.with_name(".draft-0123")
    draft.mkdir()
    for file in folder.iterdir():
        (draft / file.name).write_bytes(file.read_bytes())
    (draft / "groups.parquet").write_bytes(b"half")

    assert len(list_snapshots(tmp_path)) == 1
    assert_equal(read_snapshot(tmp_path), sample_snapshot())


@pytest.mark.parametrize("n", range(5))
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, n):
    "Whichever table meets the end of the disk, InputError is raised and the cache is as it was."
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
    with pytest.raises(
        InputError, match=r"could not be kept in .*: No space left on device\. Nothing was kept of it"
    ):
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
def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch, module, step):
    "Ctrl-C at any step leaves the cache as it was."

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[f"frgroups.{module}"], step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_snapshot(sample_snapshot(), tmp_path)

    assert [name for name in left_in(tmp_path) if name != "t-1@tables"] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    "A read-only folder, and a file where a folder should be, raise InputError with what to do."
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write in .*file.*set FRGROUPS_HOME"):
        save_snapshot(sample_snapshot(), tmp_path / "file")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # The tests may run as root, whom no mode keeps out.
    with pytest.raises(InputError, match="Permission denied"):
        save_snapshot(sample_snapshot(), tmp_path / "ro")


def test_a_column_that_parquet_cannot_hold_is_an_input_error(tmp_path):
    "A column of mixed objects is refused by name, without its values, and nothing is left behind."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "odd": [1, "kari@example.no"]})
    snapshot = snapshot_of({"vip": ["c-1", "c-2"]}, customers=customers)

    with pytest.raises(InputError, match=r"Column 'odd' holds values of several kinds \(object\)") as caught:
        save_snapshot(snapshot, tmp_path)
    assert "kari" not in str(caught.value)
    assert list(list_snapshots(tmp_path)["path"]) == []


def test_a_snapshot_is_for_its_owner_alone(tmp_path):
    "Folders have mode 0700 and files 0600, whatever the umask lets through."
    before = os.umask(0)
    try:
        folder = save_snapshot(sample_snapshot(), tmp_path / "new" / "cache")
    finally:
        os.umask(before)

    assert {file.name for file in folder.iterdir()} == {*FILES, "manifest.json"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    for made in (folder, folder.parent, tmp_path / "new" / "cache", tmp_path / "new"):
        assert made.stat().st_mode & 0o777 == 0o700


# In the place of another


def test_a_replaced_snapshot_is_gone(three):
    "The other stands where it stood, under another name; the rest is as it was."
    middle = list_stored_snapshots(three)[1]

    path = replace_stored(middle, snapshot_of({"rewritten": []}, taken_at="2026-11-02T08:10Z"))
    again = replace_stored(list_stored_snapshots(three)[1], snapshot_of({"twice": []}, taken_at="2026-11-02T08:10Z"))

    assert [path.name, again.name] == ["20261102T081000.000000Z-r1", "20261102T081000.000000Z-r2"]
    assert [next(iter(read_stored(one).groups["name"])) for one in list_stored_snapshots(three)] == [
        "day-01",
        "twice",
        "day-03",
    ]
    assert [name for name in left_in(three) if "1102" in name] == [again.name]


def test_a_replaced_snapshot_keeps_its_place_among_those_of_its_moment(tmp_path):
    "The newer of two of the same microsecond stays the newer, and a third becomes the newest."
    for group in ("one", "two"):
        save_snapshot(snapshot_of({group: []}), tmp_path)

    replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"one again": []}))
    assert "two" in read_snapshot(tmp_path)
    replace_stored(list_stored_snapshots(tmp_path)[1], snapshot_of({"two again": []}))
    assert "two again" in read_snapshot(tmp_path)
    save_snapshot(snapshot_of({"three": []}), tmp_path)
    assert "three" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 3


def test_a_name_is_not_given_twice(tmp_path):
    "A snapshot saved after the first was replaced is not hidden by what replaced it."
    save_snapshot(snapshot_of({"one": []}), tmp_path)
    replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"one again": []}))

    save_snapshot(snapshot_of({"two": []}), tmp_path)

    assert "two" in read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 2


@pytest.mark.parametrize(
    "clean", [clean_cache, prune, lambda cache: save_snapshot(snapshot_of(taken_at="2026-11-30"), cache)]
)
def test_what_was_replaced_is_hidden_and_then_swept(tmp_path, clean):
    "A run that was cut off between the two leaves both on disk; the older is not found, and goes later."
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


def test_what_was_replaced_does_not_come_back_when_the_other_is_damaged(tmp_path):
    "Setting the other aside removes it first: it may hold a customer who is to be forgotten."
    path = save_snapshot(snapshot_of({"old": []}), tmp_path)
    shutil.copytree(path, tmp_path / "copy")
    other = replace_stored(list_stored_snapshots(tmp_path)[0], snapshot_of({"new": []}))
    (tmp_path / "copy").rename(path)
    (other / "groups.parquet").unlink()

    with pytest.raises(SnapshotNotFoundError):
        read_snapshot(tmp_path, allow_older=True)
    assert not path.exists()


def test_only_a_snapshot_of_the_same_moment_takes_the_place(three):
    "Another tenant, host or moment is refused, and nothing changes."
    before = left_in(three)

    for other in (snapshot_of(), snapshot_of(taken_at="2026-11-03T08:10Z", tenant_uid="t-2")):
        with pytest.raises(InputError, match="another tenant, host or moment"):
            replace_stored(list_stored_snapshots(three)[2], other)
    assert left_in(three) == before


def test_a_reader_finds_one_or_the_other_at_every_moment(tmp_path):
    "While one snapshot is replaced over and over, every reading finds exactly one, whole."
    save_snapshot(snapshot_of({"group": ["c-0"]}), tmp_path)
    end = threading.Event()

    def replace_over_and_over():
        for n in range(1, 25):
            replace_stored(list_stored_snapshots(tmp_path)[-1], snapshot_of({"group": [f"c-{n}"]}))
        end.set()

    seen = []
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_over_and_over)
        while not end.is_set() and not writing.done():
            seen.append(read_snapshot(tmp_path)["group"][0])
            assert len(list_snapshots(tmp_path)) == 1
        writing.result()

    order = [int(uid[2:]) for uid in seen]
    assert order == sorted(order)
    assert len(set(order)) > 1


def test_every_error_of_the_cache_is_an_frgroups_error():
    "One except clause catches them all."
    assert issubclass(SnapshotNotFoundError, FrgroupsError)
    assert issubclass(SnapshotNotFoundError, LookupError)
    assert issubclass(CorruptFileError, ValueError)


def test_a_manifest_that_lacks_a_table_is_damage(tmp_path):
    "As when its folder was emptied under the one that wrote it: named, set aside, and the older one is there."
    older = save_snapshot(sample_snapshot(), tmp_path)
    folder = save_snapshot(sample_snapshot(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").unlink()
    (folder / "reads.parquet").unlink()
    own = ("schema_version", "written_by", "files", "checksum")
    write_manifest(folder, {name: value for name, value in manifest.items() if name not in own})

    with pytest.raises(CorruptFileError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == folder / "manifest.json"
    assert "reads.parquet" in caught.value.expected and caught.value.actual == "none of reads.parquet"
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
    ],
)
def test_a_sealed_manifest_of_another_shape_is_damage(tmp_path, wrong):
    "Its checksum is right and it holds what is never written: named wherever it is read, and set aside."
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


def test_a_snapshot_of_tables_beside_one_with_a_host_is_read_by_its_folder(tmp_path):
    "No base_url says 'none', so the error tells of the folder; reading it needs no more."
    folder = save_snapshot(sample_snapshot("2026-11-23"), tmp_path)
    save_snapshot(replace(sample_snapshot("2026-11-23"), base_url="https://api.example"), tmp_path)

    with pytest.raises(InputError, match=r"t-1 at no host.* by its folder, .* list_snapshots"):
        read_snapshot(tmp_path)

    assert str(folder) in set(list_snapshots(tmp_path)["path"])
    assert read_snapshot(folder).base_url is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files.")
@pytest.mark.parametrize("file", ["groups.parquet", "manifest.json"])
def test_a_pipe_in_the_place_of_a_file_is_damage(tmp_path, file):
    "It is not waited for: the read ends at once and names it."
    folder = save_snapshot(sample_snapshot(), tmp_path)
    (folder / file).unlink()
    os.mkfifo(folder / file)

    with pytest.raises(CorruptFileError, match=r"found no regular file") as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == folder / file


def test_a_manifest_of_odd_shape_stops_no_command_over_all_tenants(tmp_path):
    "One tenant's bad folder is told; the others are listed and pruned."
    bad = save_snapshot(snapshot_of(tenant_uid="t-2"), tmp_path)
    with_version(bad, 1, tenant_uid=None, n_groups=None)
    save_snapshot(snapshot_of(), tmp_path)

    assert list_snapshots(tmp_path)["tenant_uid"].to_list() == ["t-1"]
    assert prune(tmp_path).empty
    assert set(tenant_status(tmp_path)["tenant_uid"]) == {"t-1", "t-2"}
    assert bad.is_dir()


def test_allowing_older_ones_passes_over_another_version(tmp_path, caplog):
    "What another frgroups can read stays where it is, with a warning; without allow_older it is refused."
    save_snapshot(snapshot_of({"ours": []}, taken_at="2026-11-01"), tmp_path)
    newest = save_snapshot(snapshot_of(taken_at="2026-11-02"), tmp_path)
    with_version(newest, 3, written_by="9.1.0")

    with pytest.raises(InputError, match=r"has schema version 3.*allow_older=True"):
        read_snapshot(tmp_path)
    assert "ours" in read_snapshot(tmp_path, allow_older=True)

    assert newest.is_dir() and len(caplog.records) == 1
    assert f"{newest} has schema version 3" in caplog.text and "older one is used" in caplog.text


def test_where_all_are_of_another_version_that_is_said(tmp_path):
    "With allow_older too: the error tells the version, not that nothing is there."
    with_version(save_snapshot(sample_snapshot(), tmp_path), 3)

    with pytest.raises(InputError, match="has schema version 3"):
        read_snapshot(tmp_path, allow_older=True)


def resealed(folder, table=None, change=None, **facts):
    """A kept snapshot whose table or facts were changed, with checksums that are right."""
    manifest = json.loads((folder / "manifest.json").read_bytes()) | facts
    if table is not None:
        pq.write_table(change(pq.read_table(folder / table)), folder / table)
    (folder / "manifest.json").unlink()
    own = ("schema_version", "written_by", "files", "checksum")
    write_manifest(folder, {name: value for name, value in manifest.items() if name not in own})


def with_codes(column, values):
    """A change of memberships: the first codes of a column are these."""

    def change(table):
        codes = table[column].to_pylist()
        array = pa.array([*values, *codes[len(values) :]], pa.int32())
        return table.set_column(table.column_names.index(column), column, array)

    return change


def in_wide_codes(table):
    """The same with codes of another width than is written."""
    return table.cast(pa.schema([(name, pa.int64()) for name in table.column_names]))


@pytest.mark.parametrize("only_memberships", [False, True])
@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("memberships.parquet", with_codes("customer_code", [-1]), "customer_code from 0 to below 251, found -1"),
        ("memberships.parquet", with_codes("customer_code", [251]), "customer_code from 0 to below 251, found"),
        ("memberships.parquet", with_codes("customer_code", [None]), "a code in every row, found 1 without"),
        ("memberships.parquet", with_codes("customer_code", [1, 1]), "rising codes"),
        ("memberships.parquet", with_codes("customer_group_code", [2]), "rising codes"),
        ("memberships.parquet", with_codes("customer_group_code", [-1]), "customer_group_code from 0 to below 3"),
        ("memberships.parquet", lambda table: table.slice(0, 9), "253 rows, as the manifest says, found 9 rows"),
        ("memberships.parquet", lambda table: table.drop_columns("customer_code"), "not one each of customer_code"),
        ("memberships.parquet", in_wide_codes, "codes of type int32"),
        ("groups.parquet", lambda table: table.drop_columns("name"), "not one each of name"),
        ("customers.parquet", lambda table: table.set_column(1, "customer_uid", pa.nulls(251, pa.string())),
         "found 251 rows without customer_uid"),
    ],
)  # fmt: skip
def test_tables_that_do_not_agree_are_damage(tmp_path, file, change, said, only_memberships):
    "Though each file is as its checksum says, the error names the one that is wrong, what was expected and found."
    folder = save_snapshot(sample_snapshot(), tmp_path)
    resealed(folder, file, change)

    with pytest.raises(CorruptFileError, match=said) as caught:
        read_stored(open_stored(folder), only_memberships=only_memberships)
    assert caught.value.path == folder / file


@pytest.mark.parametrize("facts", [{}, {"n_customers": 10}])
def test_customers_that_were_cut_are_damage(tmp_path, facts):
    "Whether the manifest still tells of them or the memberships alone do."
    save_snapshot(snapshot_of({"old": []}, taken_at="2026-01-01"), tmp_path)
    folder = save_snapshot(sample_snapshot(), tmp_path)
    resealed(folder, "customers.parquet", lambda table: table.slice(0, 10), **facts)

    with pytest.raises(CorruptFileError, match=r"251|below 10"):
        read_snapshot(tmp_path)
    assert "old" in read_snapshot(tmp_path, allow_older=True)


@pytest.mark.parametrize("facts", [{"n_memberships": 7}, {"universe": 3}])
def test_facts_that_do_not_agree_with_the_tables_are_damage(tmp_path, facts):
    "A count and a universe that the tables belie."
    resealed(save_snapshot(sample_snapshot(), tmp_path), **facts)

    with pytest.raises(CorruptFileError):
        read_snapshot(tmp_path)


def test_a_snapshot_in_the_folder_of_another_tenant_is_damage(tmp_path):
    "Read through the cache it is refused, and no command takes it for either tenant's."
    folder = save_snapshot(sample_snapshot(), tmp_path)
    resealed(folder, tenant_uid="t-2")

    with pytest.raises(CorruptFileError, match=r"expected a snapshot of t-1@tables, found one of t-2@tables"):
        read_snapshot(tmp_path)
    assert list_snapshots(tmp_path).empty
