"""What is kept, as tables; and what goes when it is old, never the newest good one."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from frgroups.store.retention import cache_info, list_snapshots, prune
from frgroups.store.snapshot_store import read_snapshot, save_snapshot
from tests.store.test_snapshot_store import left_in, snapshot_of

NOW = datetime.now(UTC)


def keep(cache, *, days, tenant_uid="t-1", **facts):
    """Keep a snapshot of some days ago; its folder."""
    return save_snapshot(snapshot_of(taken_at=NOW - timedelta(days=days), tenant_uid=tenant_uid, **facts), cache)


def days_left(cache):
    """How many days ago each kept snapshot was taken, oldest first, by tenant."""
    return [(row.tenant_uid, (NOW - row.taken_at).days) for row in list_snapshots(cache).itertuples()]


def damage(folder, file="customers.parquet"):
    """Cut a file of a kept snapshot."""
    (folder / file).write_bytes((folder / file).read_bytes()[:-1])


def age(folder, *, days):
    """Let a folder be as if nothing was written to it for days."""
    moment = (NOW - timedelta(days=days)).timestamp()
    os.utime(folder, (moment, moment))


# The list


def test_the_list_shows_what_is_kept(tmp_path):
    "One row per snapshot, oldest first, with counts, size and path; nothing kept is an empty table."
    for days in (1, 3, 2):
        keep(tmp_path, days=days)

    table = list_snapshots(tmp_path)

    assert days_left(tmp_path) == [("t-1", 3), ("t-1", 2), ("t-1", 1)]
    assert list(table["n_memberships"]) == [1, 1, 1]
    assert list(table["n_groups"]) == list(table["n_customers"]) == [1, 1, 1]
    for row in table.itertuples():
        assert row.size_bytes == sum(file.stat().st_size for file in Path(row.path).iterdir())
    empty = list_snapshots(tmp_path / "none")
    assert empty.empty
    assert list(empty.dtypes) == list(table.dtypes)


def test_a_damaged_manifest_is_left_out_of_the_list(tmp_path, caplog):
    "The others are listed; the log names the damaged one, which stays where it is."
    keep(tmp_path, days=2)
    folder = keep(tmp_path, days=1)
    damage(folder, "manifest.json")

    assert days_left(tmp_path) == [("t-1", 2)]
    assert f"{folder / 'manifest.json'} is damaged" in caplog.text
    assert folder.is_dir()


# What each tenant has


def test_each_tenant_and_host_has_a_row(tmp_path):
    "How many, from when to when, how sure the newest is, how large, and where."
    keep(tmp_path, days=3)
    keep(tmp_path, days=1)
    keep(tmp_path, days=2, tenant_uid="t-2", base_url="https://a.example")

    table = cache_info(tmp_path).set_index("tenant_uid")

    assert table["n_snapshots"].to_dict() == {"t-1": 2, "t-2": 1}
    assert table["base_url"].fillna("").to_dict() == {"t-1": "", "t-2": "https://a.example"}
    assert [(NOW - table.loc["t-1", end]).days for end in ("oldest", "newest")] == [3, 1]
    assert table["verdict"].to_dict() == {"t-1": "unverifiable", "t-2": "unverifiable"}
    assert table[["n_damaged", "n_drafts"]].to_numpy().sum() == 0
    for row in table.itertuples():
        assert row.size_bytes == sum(path.stat().st_size for path in Path(row.path).rglob("*.*") if path.is_file())
    assert cache_info(tmp_path / "none").dtypes.equals(cache_info(tmp_path).dtypes)


def test_damage_and_drafts_are_counted(tmp_path):
    "What was set aside, what has no readable manifest, and what a run left half done; an empty folder has a row too."
    keep(tmp_path, days=3)
    damage(keep(tmp_path, days=2), "manifest.json")
    damage(keep(tmp_path, days=1))
    read_snapshot(tmp_path, allow_older=True)
    damage(keep(tmp_path, days=1), "manifest.json")
    for name in (".draft-1", ".draft-2", ".gone-1"):
        (tmp_path / "t-1@tables" / name).mkdir()
    (tmp_path / "t%2F3@a.example").mkdir()

    table = cache_info(tmp_path).set_index("tenant_uid")

    assert table["n_snapshots"].to_dict() == {"t-1": 1, "t/3": 0}
    assert table["n_damaged"].to_dict() == {"t-1": 3, "t/3": 0}
    assert table["n_drafts"].to_dict() == {"t-1": 3, "t/3": 0}
    assert pd.isna(table.loc["t/3", "newest"])


# What goes


def test_prune_keeps_the_young_and_the_newest_of_each_place(tmp_path):
    "Older than `keep` goes; the newest of a tenant and host stays however old it is."
    for days, tenant in [(500, "t-1"), (450, "t-1"), (10, "t-1"), (900, "t-2"), (800, "t-2")]:
        keep(tmp_path, days=days, tenant_uid=tenant)

    gone = prune(tmp_path)

    assert [(row.tenant_uid, (NOW - row.taken_at).days) for row in gone.itertuples()] == [
        ("t-2", 900),
        ("t-1", 500),
        ("t-1", 450),
    ]
    assert not any(Path(path).exists() for path in gone["path"])
    assert days_left(tmp_path) == [("t-2", 800), ("t-1", 10)]
    assert not any(name.startswith(".") for name in left_in(tmp_path))
    assert prune(tmp_path).empty
    assert len(prune(tmp_path, keep=timedelta(0))) == 0


def test_prune_of_one_tenant_leaves_the_others(tmp_path):
    "tenant_uid= prunes that tenant alone; an empty cache has nothing to prune."
    for days, tenant in [(2, "t-1"), (1, "t-1"), (2, "t-2"), (1, "t-2")]:
        keep(tmp_path, days=days, tenant_uid=tenant)

    gone = prune(tmp_path, keep=timedelta(hours=1), tenant_uid="t-2")

    assert list(gone["tenant_uid"]) == ["t-2"]
    assert sorted(days_left(tmp_path)) == [("t-1", 1), ("t-1", 2), ("t-2", 1)]
    assert prune(tmp_path / "none").empty


@pytest.mark.parametrize("file", ["customers.parquet", "manifest.json"])
def test_prune_never_takes_the_newest_good_one(tmp_path, file):
    "A newer one that is damaged does not count."
    for days in (900, 800, 700):
        folder = keep(tmp_path, days=days)
    damage(folder, file)

    gone = prune(tmp_path)

    assert [(NOW - moment).days for moment in gone["taken_at"]] == [900]
    assert read_snapshot(tmp_path, allow_older=True).taken_at == NOW - timedelta(days=800)


def test_where_none_is_good_prune_takes_none(tmp_path):
    "What may be the last trace of a day is not removed when nothing newer can be read."
    for days in (900, 800):
        damage(keep(tmp_path, days=days))

    assert prune(tmp_path).empty
    assert len(list_snapshots(tmp_path)) == 2


def test_prune_takes_what_was_set_aside_and_what_runs_left(tmp_path):
    "Damaged ones go at the age of snapshots, dead drafts after a day, half removed ones at once."
    root = keep(tmp_path, days=0).parent
    for name, days in [(".damaged-a", 500), (".damaged-b", 300), (".draft-a", 2), (".draft-b", 0), (".gone-a", 0)]:
        (root / name).mkdir()
        age(root / name, days=days)

    prune(tmp_path)

    assert sorted(path.name for path in root.glob(".*")) == [".damaged-b", ".draft-b"]
