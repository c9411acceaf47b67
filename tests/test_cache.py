"""Kept snapshots: equal to what was saved, whole or not at all, and every damage named."""

import hashlib
import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.cache import list_snapshots, newest_kept, prune, read_kept, read_snapshot, save_snapshot
from frgroups.errors import FileDamagedError, FrgroupsError, InputError, NotFoundInCacheError
from frgroups.sealed import canonical, sha256
from frgroups.snapshot import sample_snapshot, snapshot_from_frames

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
    facts = ["tenant_uid", "base_url", "taken_at", "read_until", "verdict"]
    assert [getattr(found, fact) for fact in facts] == [getattr(expected, fact) for fact in facts]
    assert repr(found) == repr(expected)
    for name in ("group_uids", "group_names", "customer_uids"):
        pd.testing.assert_index_equal(getattr(found.codes, name), getattr(expected.codes, name), check_names=False)
    assert list(found.codes.starts) == list(expected.codes.starts)
    assert found.codes.customer_code.dtype == expected.codes.customer_code.dtype


def left_in(folder):
    """The names of all that is in a folder, drafts too."""
    return sorted(path.name for path in folder.rglob("*"))


# What comes back


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


@settings(max_examples=25)
@given(world=st.dictionaries(uids, st.sets(uids, max_size=4), max_size=4))
def test_every_snapshot_survives_the_cache(tmp_path_factory, world):
    "Whatever the uids are, what is read is what was saved."
    folder = tmp_path_factory.mktemp("cache")
    snapshot = snapshot_of(world)

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
    with pytest.raises(NotFoundInCacheError, match="The oldest of 3 is of 2026-11-01 08:10 UTC"):
        read_snapshot(three, at="2026-10-31")
    with pytest.raises(NotFoundInCacheError, match="No snapshot of tenant t-2"):
        read_snapshot(three, tenant_uid="t-2")
    with pytest.raises(NotFoundInCacheError, match=r"load_snapshot .* keeps one"):
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

    with pytest.raises(InputError, match=r"Say which with tenant_uid= and base_url="):
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
    "newest_kept reads no table; read_kept does."
    host = "https://a.example"
    save_snapshot(snapshot_of({"vip": ["c-1"]}, base_url=host), tmp_path)

    kept = newest_kept(tmp_path, "t-1", host)

    assert kept.taken_at == datetime(2026, 11, 23, 8, 10, tzinfo=UTC)
    assert list(read_kept(kept)["vip"]) == ["c-1"]
    assert newest_kept(tmp_path, "t-1", "https://b.example") is None
    assert newest_kept(tmp_path / "none", "t-1", host) is None


def test_the_list_shows_what_is_kept(three):
    "One row per snapshot, oldest first, with counts, size and path; nothing kept is an empty table."
    table = list_snapshots(three)

    assert list(table["taken_at"].dt.day) == [1, 2, 3]
    assert list(table["n_memberships"]) == [1, 1, 1]
    assert list(table["n_groups"]) == list(table["n_customers"]) == [1, 1, 1]
    assert (table["size_bytes"] > 0).all()
    assert all(Path(path).is_dir() for path in table["path"])
    empty = list_snapshots(three / "none")
    assert empty.empty
    assert list(empty.dtypes) == list(table.dtypes)


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

    with pytest.raises(FileDamagedError, match=f"{file} is damaged: expected {len(whole)} bytes") as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path


def test_any_altered_byte_of_a_manifest_is_noticed(tmp_path):
    "Tenant, host, moment, verdict, counts and checksums cannot be altered unseen; blanks may."
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    whole = path.read_bytes()

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"manifest\.json is damaged|schema version"):
            read_snapshot(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"taken_at": 7}'])
def test_what_is_no_manifest_is_named(tmp_path, content):
    "The error says which folder to move away; the others are usable then."
    save_snapshot(snapshot_of({"old": []}, taken_at="2026-11-01"), tmp_path)
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    path.write_bytes(content)

    with pytest.raises(FileDamagedError, match="Move its folder away") as caught:
        read_snapshot(tmp_path)
    assert str(path) in str(caught.value)
    path.parent.rename(tmp_path / "away")
    assert "old" in read_snapshot(tmp_path)


def test_another_schema_version_is_refused(tmp_path):
    "A snapshot of a version to come is not read as if it were ours."
    path = save_snapshot(sample_snapshot(), tmp_path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))

    with pytest.raises(InputError, match="schema version 2; this frgroups reads 1"):
        read_snapshot(tmp_path)
    assert len(list_snapshots(tmp_path)) == 1


def test_the_checksums_are_those_of_the_files(tmp_path):
    "The manifest holds bytes and SHA-256 of every table, and a checksum of itself."
    folder = save_snapshot(sample_snapshot(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())

    for file in FILES:
        body = (folder / file).read_bytes()
        assert manifest["files"][file] == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    checksum = manifest.pop("checksum")
    assert checksum == sha256(canonical(manifest))


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


@pytest.mark.parametrize("step", ["flush_to_disk", "_committed", "_checksum", "_write_private"])
def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch, step):
    "Ctrl-C at any step leaves the cache as it was."

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["frgroups.cache"], step, interrupt)
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
    folder = save_snapshot(sample_snapshot(), tmp_path / "cache")

    assert {file.name for file in folder.iterdir()} == {*FILES, "manifest.json"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    for made in (folder, folder.parent, tmp_path / "cache"):
        assert made.stat().st_mode & 0o777 == 0o700


# What goes


def test_prune_keeps_the_young_and_the_newest_of_each_place(tmp_path):
    "Older than `keep` goes; the newest of a tenant and host stays however old it is."
    now = datetime.now(UTC)
    for days, tenant in [(500, "t-1"), (450, "t-1"), (10, "t-1"), (900, "t-2"), (800, "t-2")]:
        save_snapshot(snapshot_of(taken_at=now - timedelta(days=days), tenant_uid=tenant), tmp_path)

    gone = prune(tmp_path)

    assert [(row.tenant_uid, (now - row.taken_at).days) for row in gone.itertuples()] == [
        ("t-2", 900),
        ("t-1", 500),
        ("t-1", 450),
    ]
    left = list_snapshots(tmp_path)
    assert [(row.tenant_uid, (now - row.taken_at).days) for row in left.itertuples()] == [("t-2", 800), ("t-1", 10)]
    assert not any(name.startswith(".draft") for name in left_in(tmp_path))
    assert prune(tmp_path).empty
    assert len(prune(tmp_path, keep=timedelta(0))) == 0


def test_prune_of_one_tenant_leaves_the_others(tmp_path):
    "tenant_uid= prunes that tenant alone; an empty cache has nothing to prune."
    now = datetime.now(UTC)
    for days, tenant in [(2, "t-1"), (1, "t-1"), (2, "t-2"), (1, "t-2")]:
        save_snapshot(snapshot_of(taken_at=now - timedelta(days=days), tenant_uid=tenant), tmp_path)

    gone = prune(tmp_path, keep=timedelta(hours=1), tenant_uid="t-2")

    assert list(gone["tenant_uid"]) == ["t-2"]
    assert len(list_snapshots(tmp_path)) == 3
    assert prune(tmp_path / "none").empty


def test_every_error_of_the_cache_is_an_frgroups_error():
    "One except clause catches them all."
    assert issubclass(NotFoundInCacheError, FrgroupsError)
    assert issubclass(NotFoundInCacheError, LookupError)
    assert issubclass(FileDamagedError, ValueError)
