"""Tests for `list_snapshots`, `cache_info`, and `prune`."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from frgroups.store.retention import cache_info, list_snapshots, prune
from frgroups.store.snapshot_store import read_snapshot, save_snapshot
from tests.store.test_snapshot_store import left_in, snapshot_of

NOW = datetime.now(UTC)


def save(cache, *, days, tenant_uid="t-1", **facts):
    """Store a snapshot that was taken a given number of days ago, and return its folder."""
    return save_snapshot(snapshot_of(taken_at=NOW - timedelta(days=days), tenant_uid=tenant_uid, **facts), cache)


def snapshot_ages(cache):
    """Return the tenant uid and the age in days of each stored snapshot, oldest first."""
    return [(row.tenant_uid, (NOW - row.taken_at).days) for row in list_snapshots(cache).itertuples()]


def truncate_file(folder, file="customers.parquet"):
    """Remove the last byte of a file in the folder of a stored snapshot."""
    (folder / file).write_bytes((folder / file).read_bytes()[:-1])


def set_age(folder, *, days):
    """Set the modification time of a folder to a given number of days ago."""
    seconds = (NOW - timedelta(days=days)).timestamp()
    os.utime(folder, (seconds, seconds))


# List of snapshots


def test_list_snapshots(tmp_path):
    """`list_snapshots` returns one row per stored snapshot, oldest first. An empty cache returns an empty table."""
    for days in (1, 3, 2):
        save(tmp_path, days=days)

    table = list_snapshots(tmp_path)

    assert snapshot_ages(tmp_path) == [("t-1", 3), ("t-1", 2), ("t-1", 1)]
    assert list(table["n_memberships"]) == [1, 1, 1]
    assert list(table["n_groups"]) == list(table["n_customers"]) == [1, 1, 1]
    for row in table.itertuples():
        assert row.size_bytes == sum(file.stat().st_size for file in Path(row.path).iterdir())
    empty = list_snapshots(tmp_path / "none")
    assert empty.empty
    assert list(empty.dtypes) == list(table.dtypes)


def test_list_with_corrupt_manifest(tmp_path, caplog):
    """`list_snapshots` omits a snapshot with a corrupt manifest, and logs the path of the manifest."""
    save(tmp_path, days=2)
    folder = save(tmp_path, days=1)
    truncate_file(folder, "manifest.json")

    assert snapshot_ages(tmp_path) == [("t-1", 2)]
    assert str(folder / "manifest.json") in caplog.text
    assert folder.is_dir()


# Tenants in the cache


def test_cache_info(tmp_path):
    """`cache_info` returns one row per tenant and host, with the number, age, verdict, and size of the snapshots."""
    save(tmp_path, days=3)
    save(tmp_path, days=1)
    save(tmp_path, days=2, tenant_uid="t-2", base_url="https://a.example")

    table = cache_info(tmp_path).set_index("tenant_uid")

    assert table["n_snapshots"].to_dict() == {"t-1": 2, "t-2": 1}
    assert table["base_url"].fillna("").to_dict() == {"t-1": "", "t-2": "https://a.example"}
    assert [(NOW - table.loc["t-1", end]).days for end in ("oldest", "newest")] == [3, 1]
    assert table["verdict"].to_dict() == {"t-1": "unverifiable", "t-2": "unverifiable"}
    assert table[["n_damaged", "n_drafts"]].to_numpy().sum() == 0
    for row in table.itertuples():
        assert row.size_bytes == sum(path.stat().st_size for path in Path(row.path).rglob("*.*") if path.is_file())
    assert cache_info(tmp_path / "none").dtypes.equals(cache_info(tmp_path).dtypes)


def test_corrupt_snapshots_and_drafts(tmp_path):
    """`cache_info` counts quarantined snapshots, corrupt manifests, and drafts, and includes empty tenant folders."""
    save(tmp_path, days=3)
    truncate_file(save(tmp_path, days=2), "manifest.json")
    truncate_file(save(tmp_path, days=1))
    read_snapshot(tmp_path, allow_older=True)
    truncate_file(save(tmp_path, days=1), "manifest.json")
    for name in (".draft-1", ".draft-2", ".gone-1"):
        (tmp_path / "t-1@tables" / name).mkdir()
    (tmp_path / "t%2F3@a.example").mkdir()

    table = cache_info(tmp_path).set_index("tenant_uid")

    assert table["n_snapshots"].to_dict() == {"t-1": 1, "t/3": 0}
    assert table["n_damaged"].to_dict() == {"t-1": 3, "t/3": 0}
    assert table["n_drafts"].to_dict() == {"t-1": 3, "t/3": 0}
    assert pd.isna(table.loc["t/3", "newest"])


# Pruning


def test_prune(tmp_path):
    """`prune` removes old snapshots, except the newest snapshot of each tenant and host."""
    for days, tenant in [(500, "t-1"), (450, "t-1"), (10, "t-1"), (900, "t-2"), (800, "t-2")]:
        save(tmp_path, days=days, tenant_uid=tenant)

    removed = prune(tmp_path)

    assert [(row.tenant_uid, (NOW - row.taken_at).days) for row in removed.itertuples()] == [
        ("t-2", 900),
        ("t-1", 500),
        ("t-1", 450),
    ]
    assert not any(Path(path).exists() for path in removed["path"])
    assert snapshot_ages(tmp_path) == [("t-2", 800), ("t-1", 10)]
    assert not any(name.startswith(".") for name in left_in(tmp_path))
    assert prune(tmp_path).empty
    assert len(prune(tmp_path, keep=timedelta(0))) == 0


def test_dry_run(tmp_path):
    """With `dry_run`, `prune` returns the same table, and does not remove anything."""
    folder = save(tmp_path, days=900).parent
    save(tmp_path, days=1)
    (folder / ".damaged-a").mkdir()
    set_age(folder / ".damaged-a", days=900)
    before = left_in(tmp_path)

    planned = prune(tmp_path, dry_run=True)

    assert left_in(tmp_path) == before
    pd.testing.assert_frame_equal(planned, prune(tmp_path))
    assert len(planned) == 1


def test_prune_one_tenant(tmp_path):
    """If `tenant_uid` is passed, `prune` removes only snapshots of this tenant."""
    for days, tenant in [(2, "t-1"), (1, "t-1"), (2, "t-2"), (1, "t-2")]:
        save(tmp_path, days=days, tenant_uid=tenant)

    removed = prune(tmp_path, keep=timedelta(hours=1), tenant_uid="t-2")

    assert list(removed["tenant_uid"]) == ["t-2"]
    assert sorted(snapshot_ages(tmp_path)) == [("t-1", 1), ("t-1", 2), ("t-2", 1)]
    assert prune(tmp_path / "none").empty


@pytest.mark.parametrize("base_url", ["https://a.example", "http://127.0.0.1:1/v2"])
def test_prune_manifest_reads(tmp_path, n_reads, base_url):
    """`prune` reads each manifest once, also if the server is on this machine."""
    manifest = save(tmp_path, days=1, base_url=base_url) / "manifest.json"
    n_reads.clear()

    prune(tmp_path)

    assert n_reads[manifest] == 1


@pytest.mark.parametrize("file", ["customers.parquet", "manifest.json"])
def test_prune_newest_valid_snapshot(tmp_path, file):
    """If newer snapshots are corrupt, `prune` does not remove the newest valid snapshot."""
    for days in (900, 800, 700):
        folder = save(tmp_path, days=days)
    truncate_file(folder, file)

    removed = prune(tmp_path)

    assert [(NOW - timestamp).days for timestamp in removed["taken_at"]] == [900]
    assert read_snapshot(tmp_path, allow_older=True).taken_at == NOW - timedelta(days=800)


def test_prune_without_valid_snapshot(tmp_path):
    """If all snapshots are corrupt, `prune` removes none of them, because they might contain the only data."""
    for days in (900, 800):
        truncate_file(save(tmp_path, days=days))

    assert prune(tmp_path).empty
    assert len(list_snapshots(tmp_path)) == 2


def test_prune_temporary_folders(tmp_path):
    """`prune` removes old quarantined snapshots, drafts that are older than one day, and partly deleted snapshots."""
    root = save(tmp_path, days=0).parent
    for name, days in [(".damaged-a", 500), (".damaged-b", 300), (".draft-a", 2), (".draft-b", 0), (".gone-a", 0)]:
        (root / name).mkdir()
        set_age(root / name, days=days)

    prune(tmp_path)

    assert sorted(path.name for path in root.glob(".*")) == [".damaged-b", ".draft-b"]
