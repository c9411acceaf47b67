"""Tests for `frgroups prune`."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import frgroups as fg
from frgroups.cli.main import main
from tests.store.test_snapshot_store import snapshot_of

NOW = datetime.now(UTC)


@pytest.fixture
def stored(home_folder):
    """Store three snapshots of each of two tenants, and return the paths, oldest first."""
    for days in (401, 399, 1):
        for tenant_uid in ("t-1", "t-2"):
            fg.save_snapshot(snapshot_of(taken_at=NOW - timedelta(days=days), tenant_uid=tenant_uid))
    return stored_paths()


def stored_paths():
    """Return the paths of the stored snapshots, oldest first."""
    return list(fg.list_snapshots()["path"])


def test_dry_run(stored, capsys):
    "Without --yes, the command deletes nothing. The default age is that of `fg.prune`."
    assert main(["prune", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["dry_run"] and [row["path"] for row in document["rows"]] == stored[:2]
    assert stored_paths() == stored
    assert fg.prune(dry_run=True)["path"].to_list() == stored[:2]


@pytest.mark.parametrize(
    ("words", "deleted"),
    [
        ([], ["t-1", "t-2"]),
        (["--tenant", "t-2"], ["t-2"]),
        (["--keep", "30d"], ["t-1", "t-2", "t-1", "t-2"]),
        (["--keep", "500d"], []),
        (["--cache", "other"], []),
    ],
)
def test_prune(words, deleted, stored, capsys):
    "With --yes, the command deletes the snapshots, and prints one row per tenant."
    before = fg.list_snapshots()

    assert main(["prune", "--yes", *words]) == 0

    assert before.loc[~before["path"].isin(stored_paths()), "tenant_uid"].to_list() == deleted
    rows = [line for line in capsys.readouterr().out.splitlines() if line.split()[0] in {"t-1", "t-2"}]
    assert len(rows) == len(set(deleted))


def test_ended_sandbox(home_folder):
    "The command deletes all snapshots of a sandbox that has ended, but not the newest one of a running sandbox."
    with fg.Sandbox(customers=60, groups=8) as sandbox, sandbox.client() as client:
        fg.load_snapshot(client, progress=False)
        assert main(["prune", "--yes", "--keep", "0d"]) == 0
        assert len(stored_paths()) == 1

    assert main(["prune", "--yes"]) == 0

    assert stored_paths() == []


HOSTS = ("https://stage.example.com/v2", "https://prod.example.com/v2")


@pytest.mark.parametrize(("name", "n_deleted"), [("stage", 1), ("t-1", 2), ("prod", 1)])
def test_hosts(name, n_deleted, home_folder, capsys):
    "The name of a tenant selects only the snapshots of its host. The uid selects the snapshots of all hosts."
    tables = [
        f'[{host[8:].split(".")[0]}]\ntenant_uid = "t-1"\nhost = "{host}"\ntoken_command = ["x"]\n' for host in HOSTS
    ]
    (home_folder / "tenants.toml").write_text("\n".join(tables))
    (home_folder / "tenants.toml").chmod(0o600)
    for host in HOSTS:
        for days in (401, 1):
            fg.save_snapshot(snapshot_of(taken_at=NOW - timedelta(days=days), base_url=host))

    assert main(["prune", "--yes", "--tenant", name]) == 0

    assert len(stored_paths()) == 4 - n_deleted
    urls = list(fg.list_snapshots()["base_url"])
    assert n_deleted == 2 or sum(name in url for url in urls) == 1


def test_unknown_tenant(stored, capsys):
    "If no tenant has the name or the uid, the command reports an error instead of an empty result."
    assert main(["prune", "--tenant", "t-3"]) != 0

    assert "interpreted as a tenant uid" in capsys.readouterr().err
