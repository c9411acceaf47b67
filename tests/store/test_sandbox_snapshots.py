"""Tests for the snapshots of sandboxes, which are kept apart from the snapshots of other tenants."""

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.errors import InputError, SnapshotNotFoundError
from frgroups.store.folders import tenant_folders
from tests.store.test_snapshot_store import snapshot_of

STAGE = "https://api.stage.flowretail.com/v2"
NOW = datetime.now(UTC)


def save(base_url, *, days=1, tenant_uid="t-1", cache=None, from_sandbox=None):
    """Store a snapshot that was taken a given number of days ago, and return its folder."""
    if from_sandbox is None:
        from_sandbox = base_url is not None and base_url.startswith("http://")
    snapshot = snapshot_of(taken_at=NOW - timedelta(days=days), tenant_uid=tenant_uid, base_url=base_url)
    return fg.save_snapshot(replace(snapshot, from_sandbox=from_sandbox), cache)


def save_in_turn(*base_urls, days):
    """Store one snapshot per host and age, with increasing times of storage, and return the folders."""
    paths = [save(base_url, days=age) for base_url, age in zip(base_urls, days, strict=True)]
    for seconds, path in enumerate(paths):
        os.utime(path / "manifest.json", (seconds, seconds))
    return paths


def run_sandbox(**options):
    """Load a sandbox twice with a change between, stop it, and return its base URL."""
    with fg.Sandbox(customers=60, groups=8, **options) as sandbox, sandbox.client() as client:
        fg.load_snapshot(client, progress=False)
        sandbox.advance(days=1)
        fg.load_snapshot(client, progress=False)
        return sandbox.base_url


@pytest.fixture
def free_port():
    """Return a port on which no server is running."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def busy_port():
    """Run a server that accepts connections but returns no response, and return its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("base_url", "is_apart"),
    [
        ("http://127.0.0.1:8020/v2", True),
        ("http://127.9.8.7/v2", True),
        ("http://localhost:8020/v2", True),
        ("https://[::1]:8020/v2", True),
        (STAGE, False),
        ("https://127.0.0.1.example.com/v2", False),
        ("https://localhost.example.com/v2", False),
        ("https://10.0.0.1/v2", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_folder(base_url, is_apart, given, home_folder, tmp_path):
    "Snapshots of servers on this machine are in the subfolder `sandboxes`, in the data folder and in other folders."
    cache = tmp_path if given else None
    folder = tmp_path if given else home_folder / "snapshots"

    path = save(base_url, cache=cache)

    assert path.parent.parent == (folder / "sandboxes" if is_apart else folder)
    assert tenant_folders(folder, "t-1") == [path.parent]
    assert fg.list_snapshots(cache)["path"].to_list() == [str(path)]
    assert fg.cache_info(cache)["path"].to_list() == [str(path.parent)]
    assert fg.read_snapshot(cache).base_url == base_url


def test_several_runs():
    "After several sandboxes, the readers use the last one without arguments, even if its clock is behind."
    first = run_sandbox()
    last = run_sandbox(days_ago=90)

    assert fg.read_snapshot().base_url == last != first
    assert fg.read_snapshot(tenant_uid="sport_nordic").base_url == last
    assert fg.size_history()["taken_at"].nunique() == 2
    customer = fg.read_snapshot().customers["customer_uid"].iloc[0]
    assert set(fg.customer_history(customer)["before"]) <= set(fg.size_history()["taken_at"])
    assert fg.read_snapshot(base_url=first).base_url == first
    assert len(fg.list_snapshots()) == 4


def test_sandboxes_and_other_tenants():
    "If another tenant is stored, the readers use it without arguments, and a sandbox only with its `base_url`."
    save(STAGE, days=40)
    sandbox = run_sandbox()
    save("http://127.0.0.1:1/v2", tenant_uid="t-2")

    assert fg.read_snapshot().base_url == STAGE
    assert fg.size_history()["taken_at"].nunique() == 1
    assert fg.read_snapshot(tenant_uid="t-1").base_url == STAGE
    assert fg.read_snapshot(tenant_uid="sport_nordic").base_url == sandbox
    assert fg.read_snapshot(base_url=sandbox).base_url == sandbox
    assert fg.size_history(base_url=sandbox)["taken_at"].nunique() == 2
    with pytest.raises(SnapshotNotFoundError):
        fg.read_snapshot(at=NOW - timedelta(days=60))
    save("https://api.flowretail.com/v2")
    with pytest.raises(InputError, match="several"):
        fg.read_snapshot()


def test_last_stored_sandbox():
    "Among sandboxes, the time of storage decides, not the timestamp of the snapshot, also for an earlier date."
    old, new = "http://127.0.0.1:1/v2", "http://127.0.0.1:2/v2"
    save_in_turn(new, old, new, old, days=[1, 300, 2, 200])

    assert fg.read_snapshot().base_url == old
    assert fg.read_snapshot(at=NOW - timedelta(days=250)).base_url == old
    with pytest.raises(SnapshotNotFoundError):
        fg.read_snapshot(at=NOW - timedelta(days=400))


def test_prune_ended_sandboxes(free_port, busy_port):
    "`prune` removes all snapshots of ended sandboxes, even corrupt ones, and none of running sandboxes and tenants."
    ended = [save(f"http://{host}:{free_port}/v2") for host in ("127.0.0.1", "localhost")]
    corrupt = save(f"http://127.0.0.1:{free_port}/v2", days=2)
    (corrupt / "manifest.json").write_text("{}")
    (corrupt.parent / ".damaged-20260101T000000.000000Z").mkdir()
    kept = [save(f"http://127.0.0.1:{busy_port}/v2"), save(STAGE), save(None)]

    removed = fg.prune()

    assert sorted(removed["path"]) == sorted(map(str, ended))
    assert sorted(fg.list_snapshots()["path"]) == sorted(map(str, kept))
    assert not any(path.parent.exists() for path in ended)
    assert fg.prune().empty


def test_prune_after_a_run(home_folder):
    "While a sandbox is running, `prune` keeps its newest snapshot. Afterwards, `prune` removes it."
    with fg.Sandbox(customers=60, groups=8) as sandbox, sandbox.client() as client:
        fg.load_snapshot(client, progress=False)
        assert fg.prune(keep=timedelta(0)).empty
    assert len(fg.prune()) == 1

    assert fg.list_snapshots().empty
    assert list((home_folder / "snapshots" / "sandboxes").glob("*@*")) == []


@pytest.mark.parametrize("others", [[], [True], [False]])
def test_prune_tenant_behind_a_local_proxy(others, free_port):
    "If a snapshot was loaded from another server than a `Sandbox`, `prune` keeps the snapshots of its address."
    base_url = f"http://127.0.0.1:{free_port}/v2"
    for days, from_sandbox in enumerate([False, *others], start=1):
        save(base_url, days=days, from_sandbox=from_sandbox)

    assert fg.prune().empty
    assert len(fg.list_snapshots()) == 1 + len(others)


def test_prune_without_readable_snapshots(free_port):
    "If no manifest can be read, the server is unknown, and `prune` keeps the folder."
    path = save(f"http://127.0.0.1:{free_port}/v2")
    (path / "manifest.json").write_text("{}")

    assert fg.prune().empty
    assert path.is_dir()


def test_prune_one_tenant(free_port):
    "With `tenant_uid`, `prune` does not remove the snapshots of other sandboxes."
    for tenant_uid in ("t-1", "t-2"):
        save(f"http://127.0.0.1:{free_port}/v2", tenant_uid=tenant_uid)

    assert fg.prune(tenant_uid="t-2")["tenant_uid"].to_list() == ["t-2"]
    assert fg.list_snapshots()["tenant_uid"].to_list() == ["t-1"]


@pytest.mark.parametrize("error", [TimeoutError, OSError("no network"), socket.gaierror])
def test_prune_without_a_clear_result(error, monkeypatch):
    "If a connection fails without being refused, the server might be running, and its snapshots are kept."
    path = save("http://127.0.0.1:8020/v2")

    def fail(*args, **options):
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)

    assert fg.prune().empty
    assert path.is_dir()


@pytest.mark.parametrize("port", [80, 443])
def test_prune_without_port(port, monkeypatch):
    "If the URL of a sandbox has no port, the ports of http and https must both refuse connections."
    path = save("http://127.0.0.1/v2")
    monkeypatch.setattr(socket, "create_connection", lambda address, **_: refuse_unless(address[1] == port))

    assert fg.prune().empty
    monkeypatch.setattr(socket, "create_connection", lambda address, **_: refuse_unless(False))
    assert fg.prune()["path"].to_list() == [str(path)]


def refuse_unless(is_running):
    """Return a connected socket, or raise the error of a port without a server."""
    if not is_running:
        raise ConnectionRefusedError
    return socket.socket()


@pytest.mark.parametrize("name", ["t-1@127.0.0.1_99999", "t-1@127.0.0.1_x", "t-1@=5B", "t-1@", "@", "x"])
def test_prune_other_folders(name, home_folder):
    "`prune` leaves folders alone whose names contain no valid host."
    folder = home_folder / "snapshots" / "sandboxes" / name / "own"
    folder.mkdir(parents=True)

    assert fg.prune().empty
    assert folder.is_dir()


def test_prune_keeps_plans(home_folder):
    "After `prune`, an applied plan of an ended sandbox is still listed and can be undone."
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, progress=False)
        added = snapshot.customers["customer_uid"][~snapshot.customers["customer_uid"].isin(snapshot["VIP"])].head(2)
        plan = fg.plan_memberships(snapshot, {"VIP": list(added)})
        receipt = fg.apply_plan(client, plan, approval=plan.digest, progress=False)
    before = sorted(path for path in home_folder.rglob("*") if "snapshots" not in path.parts)

    assert len(fg.prune()) == 1

    assert sorted(path for path in home_folder.rglob("*") if "snapshots" not in path.parts) == before
    assert fg.plan_undo(receipt).table()["change"].to_list() == ["remove", "remove"]


def test_personal_data_of_sandboxes():
    "Subject access export and erasure cover the snapshots of sandboxes."
    customer = "c-1"
    path = save("http://127.0.0.1:8020/v2")
    assert customer in fg.read_snapshot().customers["customer_uid"].to_list()

    exported = fg.export_customer(customer)
    fg.erase_customer(customer)

    assert [entry["base_url"] for entry in exported["snapshots"]] == ["http://127.0.0.1:8020/v2"]
    (rewritten,) = fg.list_snapshots()["path"]
    assert Path(rewritten).parent == path.parent and not path.exists()
    assert customer not in fg.read_snapshot().customers["customer_uid"].to_list()
