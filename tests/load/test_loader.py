"""Tests for `load_snapshot` and `refresh_groups`."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.api.schema.records import Page
from frgroups.errors import (
    AuthError,
    DriftedReadError,
    GroupNotFoundError,
    InputError,
    LockedError,
    NotFoundError,
    ServerError,
    UnexpectedResponseError,
    WrongTenantError,
)
from frgroups.sandbox.faults import Fault
from tests.examples import at_most
from tests.world import arrange, assert_same_tables, members_in

PEOPLE = [f"c{n:03d}" for n in range(30)]

pytestmark = pytest.mark.usefixtures("no_pause")


@pytest.fixture
def sandbox(short_pages):
    """Return a sandbox with 30 customers, and four groups with 30, 12, 0, and 3 members."""
    short_pages.reset()
    arrange(short_pages, {"all": PEOPLE, "loyal": PEOPLE[5:17], "none": [], "vip": PEOPLE[:3]})
    return short_pages


@pytest.fixture
def client(sandbox):
    with sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client:
        yield client


def world_of(sandbox):
    return {group: sandbox.members(group) for group in sandbox.groups()}


# Tests for the content of the snapshot.


worlds = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e", "0150", "group_vip"]),
    st.sets(st.integers(0, 19), max_size=20).map(lambda numbers: [f"{n:04d}" for n in sorted(numbers)]),
    max_size=6,
)


@at_most(30)
@given(world=worlds)
def test_snapshot_equals_tenant(short_pages, world):
    """A tenant that does not change is loaded correctly, with the same tables for cover=True and cover=False."""
    short_pages.reset()
    arrange(short_pages, world)
    with short_pages.client() as client:
        covered = fg.load_snapshot(client, False)
        paged = fg.load_snapshot(client, False, cover=False)

    assert members_in(covered) == members_in(paged) == world == world_of(short_pages)
    assert covered.verdict == paged.verdict == "consistent"
    assert set(covered.customers["customer_uid"]) == {uid for uids in world.values() for uid in uids}
    assert_same_tables(covered, paged, ["groups", "customers", "consents", "memberships"])
    assert set(paged.reads["how"]) <= {"pages"}


def test_empty_tenant(short_pages):
    """A tenant without groups results in an empty, consistent snapshot that can be stored."""
    short_pages.reset()
    with short_pages.client() as client:
        snapshot = fg.load_snapshot(client)

    assert (len(snapshot.groups), len(snapshot.memberships), snapshot.verdict) == (0, 0, "consistent")
    assert_same_tables(fg.read_snapshot(), snapshot)


def test_inferred_groups(sandbox, client):
    """If the members of a group were read in larger groups, the group is inferred, which saves requests."""
    covered = fg.load_snapshot(client, False)
    n_covered = client.n_requests

    paged = fg.load_snapshot(client, False, cover=False)

    how = covered.reads.set_index("customer_group_uid")["how"]
    assert dict(how) == {"all": "pages", "loyal": "cover", "none": "pages", "vip": "pages"}
    assert n_covered < client.n_requests - n_covered
    assert_same_tables(covered, paged, ["memberships", "customers"])


def test_groups_with_same_name(sandbox, client):
    """Two groups with the same name are loaded, and access by this name raises an error."""
    sandbox.put_group("vip2", "VIP")
    sandbox.add_members("vip2", PEOPLE[7:9])

    snapshot = fg.load_snapshot(client, False)

    assert list(snapshot["vip2"]) == PEOPLE[7:9]
    assert list(snapshot["vip"]) == PEOPLE[:3]
    with pytest.raises(GroupNotFoundError, match="VIP"):
        snapshot["VIP"]


def test_malformed_records(sandbox, client):
    """Customers with unknown fields, nulls, or invalid values are loaded. Invalid values become missing values."""
    customers = [f"x{n:03d}" for n in range(60)]
    sandbox.put_customers(customers)
    sandbox.add_members("all", customers)
    sandbox.misbehave(odd_records=True)

    plain, personal = fg.load_snapshot(client, False), fg.load_snapshot(client, False, personal=True)

    assert list(plain["all"]) == list(personal["all"]) == sorted(PEOPLE + customers)
    assert plain.customers["created_at"].isna().any()
    assert plain.customers["payment_terms"].isna().any()
    assert "PARTNER" in set(plain.customers["customer_type"])


def test_timestamps_of_load(sandbox, client):
    """A snapshot's `taken_at` is before the first request of the load, and `read_until` is after the last request."""
    before = sandbox.now()

    snapshot = fg.load_snapshot(client, False)

    assert before <= snapshot.taken_at <= snapshot.read_until <= sandbox.now()
    assert (snapshot.tenant_uid, snapshot.base_url) == (sandbox.tenant_uid, sandbox.base_url)


# Verdicts.


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("every", [1, 2, 3, 5])
@pytest.mark.parametrize("how", ["swap", "join", "leave"])
def test_members_change_during_load(how, every, times, sandbox, client):
    """If the members of a group change during the load, the group is correct or is not `consistent`."""
    # Provide enough new customers, so that customers who have left do not join again.
    sandbox.put_customers([f"{sign}{n}" for sign in ("--", "zz") for n in range(10)])
    before = world_of(sandbox)
    sandbox.misbehave(moving=how, moving_every=every, moving_times=times)

    snapshot = fg.load_snapshot(client, False)

    after = world_of(sandbox)
    assert before != after
    verdicts = snapshot.reads.set_index("customer_group_uid")["verdict"]
    for group, found in members_in(snapshot).items():
        always, ever = set(before[group]) & set(after[group]), set(before[group]) | set(after[group])
        assert always <= set(found) <= ever or verdicts[group] != "consistent", group
    assert snapshot.verdict == ("consistent" if set(verdicts) == {"consistent"} else "drifted")


def test_first_page_moves():
    """If customers join a group between two requests, a page that repeats the first page is not an error."""
    with fg.Sandbox(empty=True, max_page_size=2, default_page_size=2) as sandbox, sandbox.client() as client:
        arrange(sandbox, {"all": PEOPLE})
        sandbox.misbehave(moving="join", moving_every=2, moving_times=2)

        snapshot = fg.load_snapshot(client, False)

        assert members_in(snapshot) == world_of(sandbox)
    assert snapshot.verdict == "consistent"


def test_group_keeps_changing(sandbox, client):
    """A group that changes before every page has the verdict `drifted` after a limited number of rereads."""
    sandbox.misbehave(moving="join", moving_group="all", moving_times=None)

    snapshot = fg.load_snapshot(client, False)

    read = snapshot.reads.set_index("customer_group_uid").loc["all"]
    assert (snapshot.verdict, read["verdict"], read["evidence"]) == ("drifted", "drifted", "none")
    assert read["rereads"] > 0 and read["note"]
    assert "ALL" in snapshot.describe()


def test_wrong_group_lists(sandbox, client):
    """If the customer records contradict the pages of the groups, the snapshot has the verdict `drifted`."""
    sandbox.misbehave(group_uids="wrong")

    snapshot = fg.load_snapshot(client, False)

    assert snapshot.verdict == "drifted"
    assert set(snapshot.reads["how"]) == {"pages"}
    assert members_in(snapshot) == world_of(sandbox)
    text = snapshot.describe()
    assert "contradict" in text and "this group" in text and "changed" not in text and "limits the number" in text
    uid = snapshot.reads.loc[snapshot.reads["verdict"] == "drifted", "customer_group_uid"].iloc[0]
    customers = list(snapshot.customers["customer_uid"][:1])
    with pytest.raises(DriftedReadError, match="contradict") as caught:
        fg.plan_memberships(snapshot, {uid: customers}, mode="remove")
    assert "refresh_groups" not in str(caught.value)
    health = fg.health_report(snapshot)
    assert health.loc[health["finding"] == "drifted", "evidence"].str.contains("contradict").all()


@pytest.mark.parametrize("how", ["absent", "empty"])
def test_overlapping_windows_without_references(how, sandbox, client):
    """If the customer records list no groups, all groups are read page by page and are consistent."""
    sandbox.misbehave(group_uids=how)

    snapshot = fg.load_snapshot(client, False)

    reads = snapshot.reads.set_index("customer_group_uid")
    assert snapshot.verdict == "consistent"
    assert dict(reads["evidence"]) == {
        "all": "overlapping windows",
        "loyal": "overlapping windows",
        "none": "counts",
        "vip": "counts",
    }
    assert members_in(snapshot) == world_of(sandbox)


def test_null_lists(sandbox, client):
    """If the server encodes empty lists as null, the tenant is loaded, and a group without members is empty."""
    expected = fg.load_snapshot(client, False)
    sandbox.misbehave(null_lists=True)

    snapshot = fg.load_snapshot(client, False)

    assert (snapshot.verdict, list(snapshot["none"])) == ("consistent", [])
    assert_same_tables(snapshot, expected, ["groups", "memberships"])
    assert list(client.iter_group_customers("none")) == []


def test_null_lists_in_empty_tenant(short_pages):
    """If the server encodes empty lists as null, an empty tenant is loaded."""
    short_pages.reset()
    short_pages.misbehave(null_lists=True)
    with short_pages.client() as client:
        snapshot = fg.load_snapshot(client, False)

    assert (len(snapshot.groups), snapshot.verdict) == (0, "consistent")


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("stderr", ["none", "closed", "no methods"])
def test_unusable_stderr(stderr, progress, client, monkeypatch):
    """If stderr is missing, closed, or broken, a tenant is loaded without a progress bar."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", {"none": None, "closed": closed, "no methods": object()}[stderr])

    assert fg.load_snapshot(client, False, progress=progress).verdict == "consistent"


def test_group_total_too_high(sandbox, client):
    """If the server reports more groups than it lists, an error is raised after a limited number of requests."""
    sandbox.misbehave(endless=7)

    with pytest.raises(DriftedReadError, match=r"sport_nordic .*\b4 attempts.*\b11\b.*\b4\b"):
        fg.load_snapshot(client, False)

    assert len(sandbox.requests()) < 50


def test_group_listed_twice(sandbox, client, monkeypatch):
    """If the list of groups contains a group twice in every attempt, the error contains the number of attempts."""
    read = client.read_group_page

    def twice(*args, **kw):
        page = read(*args, **kw)
        return replace(page, items=[*page.items, *page.items[:1]], total_count=page.total_count + 1)

    monkeypatch.setattr(client, "read_group_page", twice)

    with pytest.raises(DriftedReadError, match=r"sport_nordic .*\b4 attempts"):
        fg.load_snapshot(client, False)


def test_member_total_too_high(sandbox, client):
    """If the reported total of a group is too high, its verdict is `drifted` and it contains the returned members."""
    snapshot = fg.load_snapshot(client, False)
    sandbox.clear_requests()
    sandbox.misbehave(endless=7)

    again = fg.refresh_groups(client, snapshot, ["loyal"])

    read = again.reads.set_index("customer_group_uid").loc["loyal"]
    assert (again.verdict, read["verdict"]) == ("drifted", "drifted")
    assert re.search(r"\b19\b.*\b12\b", read["note"])
    assert list(again["loyal"]) == PEOPLE[5:17]
    assert len(sandbox.requests()) < 50


def test_repeated_pages(sandbox, client):
    """If the server always returns the first page, the error contains the operation, tenant, group, and status."""
    sandbox.misbehave(repeat_page=True)

    with pytest.raises(UnexpectedResponseError) as caught:
        fg.load_snapshot(client, False)

    error = caught.value
    facts = (error.operation, error.tenant_uid, error.status, error.server_message)
    assert facts == ("get-customer-groups-customers", "sport_nordic", 200, "")
    assert all(word in str(error) for word in ("group all", "sport_nordic", "200", sandbox.base_url))


# Tests for deleted and refreshed groups.


def test_group_deleted_before_read(sandbox, client):
    """If a group is deleted before its members are read, the snapshot's tables do not contain the group."""
    sandbox.misbehave(Fault("status", status=404, path="/loyal", times=None))

    snapshot = fg.load_snapshot(client, False)

    assert list(snapshot.groups["customer_group_uid"]) == list(snapshot.reads["customer_group_uid"])
    assert list(snapshot.groups["customer_group_uid"]) == ["all", "none", "vip"]
    assert snapshot.verdict == "consistent"


def test_customers_not_found(sandbox, client):
    """A 404 response to a request for the customers of an existing group raises an error."""
    sandbox.misbehave(Fault("status", status=404, path="/loyal/customers", times=None))

    with pytest.raises(NotFoundError, match="loyal"):
        fg.load_snapshot(client, False)


def test_group_deleted_between_pages(sandbox, client):
    """If a group is deleted while its pages are read, the snapshot omits it, and the other groups are complete."""

    def delete(_text, _done, total):
        if total == 45 and "all" in sandbox.groups():
            sandbox.delete_group("all")

    snapshot = fg.load_snapshot(client, False, progress=delete)

    assert members_in(snapshot) == world_of(sandbox)
    assert list(snapshot.groups["customer_group_uid"]) == ["loyal", "none", "vip"]


def test_refresh(sandbox, client):
    """Refreshing requests only the given groups, and does not change the other groups or `taken_at`."""
    old = fg.load_snapshot(client, False)
    sandbox.put_customers(["new"])
    sandbox.add_members("vip", ["new"])
    sandbox.remove_members("vip", [PEOPLE[0]])
    sandbox.add_members("none", [PEOPLE[0]])
    sandbox.clear_requests()

    new = fg.refresh_groups(client, old, ["VIP"])

    assert all("/vip/customers" in request["path"] for request in sandbox.requests())
    assert list(new["vip"]) == [*PEOPLE[1:3], "new"]
    assert list(new["none"]) == []
    assert new.taken_at == old.taken_at < old.read_until < new.read_until
    assert "new" in set(new.customers["customer_uid"])
    assert list(old["vip"]) == PEOPLE[:3]


def test_refresh_drifted_group(sandbox, client):
    """If a drifted group no longer changes, refreshing it makes the group and the snapshot consistent."""
    sandbox.misbehave(moving="join", moving_group="all", moving_times=None)
    drifted = fg.load_snapshot(client, False)
    sandbox.behave()

    refreshed = fg.refresh_groups(client, drifted, ["all"])

    assert (drifted.verdict, refreshed.verdict) == ("drifted", "consistent")
    assert members_in(refreshed) == world_of(sandbox)
    assert_same_tables(refreshed, fg.load_snapshot(client, False), ["groups", "customers", "consents", "memberships"])


def test_refresh_all_groups(sandbox, client):
    """Refreshing all groups returns the same tables as a new load, including personal data."""
    old = fg.load_snapshot(client, False, personal=True)
    sandbox.remove_members("all", PEOPLE[20:])

    new = fg.refresh_groups(client, old, ["all", "loyal", "none", "vip"])

    loaded = fg.load_snapshot(client, False, personal=True)
    assert_same_tables(new, loaded, ["groups", "customers", "consents", "memberships"])


def test_refresh_deleted_group(sandbox, client):
    """If a group has been deleted, refreshing it removes it from the snapshot."""
    old = fg.load_snapshot(client, False)
    sandbox.delete_group("vip")

    new = fg.refresh_groups(client, old, ["vip", "loyal"])

    assert members_in(new) == world_of(sandbox)
    assert list(new.reads["customer_group_uid"]) == list(new.groups["customer_group_uid"]) == ["all", "loyal", "none"]


def test_refresh_invalid_arguments(sandbox, client):
    """`refresh_groups` rejects an unknown group and a client for another tenant before it sends the first request."""
    snapshot = fg.load_snapshot(client, False)
    sandbox.clear_requests()

    with (
        fg.Client("other", "secret", base_url=sandbox.base_url) as other,
        pytest.raises(WrongTenantError, match="other"),
    ):
        fg.refresh_groups(other, snapshot, ["vip"])
    with pytest.raises(GroupNotFoundError, match="vipp"):
        fg.refresh_groups(client, snapshot, ["vipp"])

    assert sandbox.requests() == []


# Stored snapshots.


@pytest.mark.parametrize("personal", [True, False])
def test_stored_snapshot_equals_loaded(personal, sandbox, client):
    """The snapshot that a load stores is equal to the snapshot that the load returns."""
    fresh = fg.load_snapshot(client, personal=personal)

    stored = fg.read_snapshot()

    assert_same_tables(stored, fresh)
    for fact in ("tenant_uid", "base_url", "taken_at", "read_until", "verdict"):
        assert getattr(stored, fact) == getattr(fresh, fact)
    assert members_in(stored) == members_in(fresh)


def test_snapshots_are_stored_by_default(sandbox, client, home_folder):
    """By default, each load stores a snapshot in the data folder."""
    fg.load_snapshot(client)
    fg.load_snapshot(client)

    stored = fg.list_snapshots()

    assert len(stored) == 2
    assert all(Path(path).is_relative_to(home_folder / "snapshots") for path in stored["path"])


def test_cache_false(sandbox, client, home_folder):
    """With cache=False, a load creates no file or folder."""
    fg.load_snapshot(client, False)

    assert list(home_folder.rglob("*")) == []


def test_max_age(sandbox, client):
    """With `max_age`, a recent stored snapshot is returned without a request, but an older snapshot is not used."""
    now = sandbox.now()
    client.clock = lambda: now
    first = fg.load_snapshot(client)
    sandbox.clear_requests()

    client.clock = lambda: now + timedelta(hours=1)
    recent = fg.load_snapshot(client, max_age="1h")
    n_recent = len(sandbox.requests())
    client.clock = lambda: now + timedelta(hours=1, seconds=1)
    old = fg.load_snapshot(client, max_age=timedelta(hours=1))

    assert n_recent == 0
    assert recent.taken_at == first.taken_at
    assert_same_tables(recent, first)
    assert old.taken_at == client.clock()
    assert len(sandbox.requests()) > 0


def test_load_without_max_age(sandbox, client):
    """Without `max_age`, the tenant is loaded even if a recent snapshot is stored."""
    fg.load_snapshot(client)
    sandbox.clear_requests()

    fg.load_snapshot(client)

    assert len(sandbox.requests()) > 0


def test_max_age_other_snapshots(sandbox, client):
    """With `max_age`, stored snapshots with a future timestamp or from another host are not used."""
    first = fg.load_snapshot(client)
    client.clock = lambda: first.taken_at - timedelta(seconds=1)
    with fg.Sandbox(empty=True) as elsewhere, elsewhere.client() as other:
        of_other = fg.load_snapshot(other, max_age="1h")

    again = fg.load_snapshot(client, max_age="1h")

    assert len(of_other.groups) == 0
    assert again.taken_at == client.clock()


@pytest.mark.parametrize("max_age", ["soon", "-1h", timedelta(-1), 6])
def test_invalid_max_age(max_age, sandbox, client):
    """An invalid value of `max_age` is rejected before the first request."""
    with pytest.raises(InputError):
        fg.load_snapshot(client, max_age=max_age)

    assert sandbox.requests() == []


# Failures.


@contextmanager
def nobody():
    """Run the test as the user `nobody`, because root can write to any folder."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_read_only_folder(sandbox, client):
    """A cache folder that is not writable is rejected before the first request, and the error contains its path."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    try:
        with nobody(), pytest.raises(InputError) as caught:
            fg.load_snapshot(client, folder)
    finally:
        folder.rmdir()

    assert str(folder) in str(caught.value)
    assert sandbox.requests() == []


def test_cache_is_a_file(sandbox, client, tmp_path):
    """A cache path that is a file, or that has a file as its parent, is rejected before the first request."""
    path = tmp_path / "notes.txt"
    path.write_text("mine")

    for cache in (path, path / "snapshots"):
        with pytest.raises(InputError, match=re.escape(str(path))):
            fg.load_snapshot(client, cache)

    assert path.read_text() == "mine"
    assert sandbox.requests() == []


@contextmanager
def full_disk():
    """Prevent files from growing beyond 1,000 bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
def test_full_disk(sandbox, client, tmp_path):
    """If the disk is full, no incomplete snapshot remains, and stored snapshots are unchanged."""
    before = fg.load_snapshot(client, tmp_path)
    files = sorted(tmp_path.rglob("*"))

    with full_disk(), pytest.raises(InputError, match=re.escape(str(tmp_path))) as caught:
        fg.load_snapshot(client, tmp_path)

    assert caught.value.snapshot.verdict == "consistent"
    assert sorted(tmp_path.rglob("*")) == files
    assert_same_tables(fg.read_snapshot(tmp_path), before)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status", path="/loyal/customers", times=None), ServerError),
        (Fault("html", path="/loyal/customers", times=None), UnexpectedResponseError),
        (Fault("garbage", path="pageNumber", skip=2, times=None), UnexpectedResponseError),
        (Fault("status", path="/customers", status=401, times=None), AuthError),
    ],
)
def test_failed_load(fault, kind, sandbox, client, tmp_path):
    """If a request fails, no snapshot is stored, and all threads end."""
    fg.load_snapshot(client, tmp_path)
    files = sorted(tmp_path.rglob("*"))
    sandbox.misbehave(fault)

    with pytest.raises(kind):
        fg.load_snapshot(client, tmp_path)

    assert sorted(tmp_path.rglob("*")) == files
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("frgroups_")]


def test_failed_load_does_not_wait(sandbox):
    """If the server rejects the token, the load ends although other threads are waiting for a retry."""
    sandbox.misbehave(
        Fault("status", path="/all/customers", status=401, times=None),
        Fault("status", path="/customers", status=503, times=None),
    )
    with sandbox.client(retry=RetryPolicy(base=1000, max_delay=30)) as client, pytest.raises(AuthError):
        fg.load_snapshot(client, False)

    paths = [request["path"] for request in sandbox.requests()]
    assert len(paths) == len(set(paths)) > 1


INTERRUPTED = """
import signal, sys, threading
import frgroups as fg

# Background processes inherit an ignored SIGINT, so restore the default handler.
signal.signal(signal.SIGINT, signal.default_int_handler)

def say(*words):
    print(*words, flush=True)

def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("frgroups_")]

def load(client):
    return fg.load_snapshot(client, sys.argv[3], progress=lambda *state: say("reading"))

for _ in range(2):
    with fg.Client("sport_nordic", sys.argv[2], base_url=sys.argv[1], timeout=5) as client:
        try:
            load(client)
        except KeyboardInterrupt:
            say("stopped")
        for thread in workers():
            thread.join(3)
        say("alive", len(workers()))
        sys.stdin.readline()
with fg.Client("sport_nordic", sys.argv[2], base_url=sys.argv[1]) as client:
    say("loaded", load(client).verdict)
"""


def _lines_until(child, word):
    lines = []
    while not lines or not lines[-1].startswith(word):
        line = child.stdout.readline()
        assert line, f"the child ended after {lines}"
        lines.append(line.strip())
    return lines[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_ctrl_c(sandbox, tmp_path):
    """Ctrl-C ends a load while its threads are reading or waiting, and no thread or file remains."""
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, sandbox.base_url, sandbox.token, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    alive, n_requests = [], []
    # The watchdog kills a child process that hangs, which makes the test fail.
    watchdog = threading.Timer(45, child.kill)
    watchdog.start()
    with child:
        for behavior in (
            {"faults": [Fault("status", path="pageNumber", status=429, retry_after="50")]},
            {"latency": 1},
        ):
            faults = behavior.pop("faults", [])
            sandbox.misbehave(*faults, **behavior)
            sandbox.clear_requests()
            if alive:
                child.stdin.write("\n")
                child.stdin.flush()
            _lines_until(child, "reading")
            time.sleep(0.3)

            child.send_signal(signal.SIGINT)
            _lines_until(child, "stopped")
            alive.append(_lines_until(child, "alive"))
            n_requests.append(len(sandbox.requests()))
        left = [path for path in tmp_path.rglob("*") if ".locks" not in path.parts]
        sandbox.behave()
        sandbox.clear_requests()
        child.stdin.write("\n")
        child.stdin.flush()
        loaded = _lines_until(child, "loaded")
        n_requests_of_a_load = len(sandbox.requests())
        _, complaints = child.communicate(timeout=20)
    watchdog.cancel()

    assert max(n_requests) < n_requests_of_a_load
    assert alive == ["alive 0"] * 2
    assert left == []
    assert (loaded, complaints, child.returncode) == ("loaded consistent", "", 0)
    assert len(fg.list_snapshots(tmp_path)) == 1


# Tests for threads, locks, and progress.


def test_running_event_loop(sandbox, client):
    """`load_snapshot` works inside a running event loop, as in a notebook cell."""

    async def cell():
        return fg.load_snapshot(client, False)

    assert members_in(asyncio.run(cell())) == world_of(sandbox)


def test_concurrent_loads(sandbox, client, tmp_path):
    """The second of two concurrent loads waits for the first load and returns the same snapshot."""
    fg.load_snapshot(client, False)
    n_requests = client.n_requests
    sandbox.misbehave(latency=0.05)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: fg.load_snapshot(client, tmp_path), range(2))

    assert members_in(first) == members_in(second) == world_of(sandbox)
    assert first.taken_at == second.taken_at
    assert len(fg.list_snapshots(tmp_path)) == 1
    assert client.n_requests == 2 * n_requests


def test_concurrent_load_with_personal_data(sandbox, client, tmp_path):
    """A load with personal data does not use a concurrent snapshot without personal data."""
    sandbox.misbehave(latency=0.05)
    with ThreadPoolExecutor(2) as pool:
        plain = pool.submit(fg.load_snapshot, client, tmp_path)
        time.sleep(0.1)
        personal = pool.submit(fg.load_snapshot, client, tmp_path, personal=True)

    assert "firstname" not in plain.result().customers
    assert "firstname" in personal.result().customers
    assert len(fg.list_snapshots(tmp_path)) == 2


def test_personal_data_is_removed(sandbox, client, tmp_path):
    """If personal data is not requested, it is removed from a stored snapshot before the snapshot is returned."""
    fg.load_snapshot(client, tmp_path, personal=True)
    n_requests = client.n_requests

    recent = fg.load_snapshot(client, tmp_path, max_age="1h")

    assert client.n_requests == n_requests
    assert_same_tables(recent, fg.load_snapshot(client, False), ["groups", "customers", "consents", "memberships"])


def test_concurrent_loads_without_cache(sandbox, client):
    """If two threads use one client to load a tenant at the same time, both snapshots are complete."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: fg.load_snapshot(client, False), range(2))

    assert members_in(first) == members_in(second) == world_of(sandbox)
    assert client.n_requests == len(sandbox.requests())


@pytest.mark.parametrize("cover", [True, False])
def test_progress(cover, sandbox, client):
    """The progress callback receives the total and increasing counts that end at the total."""
    updates = []

    fg.load_snapshot(client, False, cover=cover, progress=lambda *state: updates.append(state))

    done = [step for _, step, _ in updates]
    assert {total for _, _, total in updates} <= {None, 45}
    assert [total for _, _, total in updates].index(45) < len(updates) - 1
    assert updates[-1] == ("Loading", 45, 45)
    assert done == sorted(done)


def test_progress_of_refresh(sandbox, client):
    """The progress of `refresh_groups` includes only the groups that are read again."""
    snapshot = fg.load_snapshot(client, False)
    updates = []

    fg.refresh_groups(client, snapshot, ["vip", "loyal"], progress=lambda *state: updates.append(state))

    assert updates[-1] == ("Refreshing", 15, 15)


def test_nested_load(client, home_folder):
    """A load inside the progress callback of another load is rejected, unless it uses another cache folder."""
    with pytest.raises(LockedError, match="sport_nordic") as caught:
        fg.load_snapshot(client, progress=lambda *_: fg.load_snapshot(client, progress=False))
    assert str(home_folder) in str(caught.value)
    assert fg.list_snapshots().empty

    inner = []
    fg.load_snapshot(client, progress=lambda *_: inner.append(fg.load_snapshot(client, False, progress=False)))
    assert inner and {snapshot.verdict for snapshot in inner} == {"consistent"}


@pytest.mark.parametrize("cache", [False, None])
def test_stop_iteration_in_callback(client, cache):
    """A StopIteration in the progress callback ends the load with an error."""
    with pytest.raises(InputError, match="StopIteration") as caught:
        fg.load_snapshot(client, cache, progress=lambda *_: next(iter([])))

    assert isinstance(caught.value.__cause__, StopIteration)
    assert fg.load_snapshot(client, cache).verdict == "consistent"


@pytest.mark.slow
def test_load_after_killed_process(sandbox, client, tmp_path):
    """The load lock of a killed process does not block the next load."""
    code = (
        "import sys, frgroups as fg\n"
        "with fg.Client('sport_nordic', sys.argv[2], base_url=sys.argv[1]) as client:\n"
        "    fg.load_snapshot(client, sys.argv[3], progress=lambda *_: print('reading', flush=True))\n"
    )
    sandbox.misbehave(latency=5)
    command = [sys.executable, "-c", code, sandbox.base_url, sandbox.token, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        _lines_until(child, "reading")
        child.kill()
    sandbox.behave()

    snapshot = fg.load_snapshot(client, tmp_path)

    assert snapshot.verdict == "consistent" and len(fg.list_snapshots(tmp_path)) == 1


def test_log_events(sandbox, client, home_folder, caplog):
    """The log contains the steps of a load, with the counts and the path of the stored snapshot."""
    caplog.set_level("INFO", "frgroups.load")

    fg.load_snapshot(client)
    fg.load_snapshot(client, max_age="1h")

    events = {record.event: record for record in caplog.records}
    assert list(events) == ["load_started", "groups_listed", "load_finished", "snapshot_saved", "snapshot_reused"]
    done = events["load_finished"]
    assert (done.n_groups, done.n_customers, done.n_memberships, done.verdict) == (4, 30, 45, "consistent")
    assert done.n_requests == client.n_requests and 0 < done.seconds < 60
    assert "4 groups, 30 customers, 45 memberships" in done.getMessage()
    assert events["groups_listed"].n_groups == 4
    assert [str(events["snapshot_saved"].path)] == fg.list_snapshots()["path"].tolist()


def test_max_age_with_corrupt_snapshot(client, home_folder):
    """With `max_age`, a corrupt snapshot is skipped and the tenant is loaded."""
    stored = fg.load_snapshot(client)
    next(home_folder.rglob("manifest.json")).write_text("{}", encoding="utf-8")

    again = fg.load_snapshot(client, max_age="1h")

    assert again.taken_at > stored.taken_at


def test_load_with_corrupt_snapshot(client, home_folder):
    """A corrupt stored snapshot does not affect a load without `max_age`."""
    fg.load_snapshot(client)
    next(home_folder.rglob("manifest.json")).write_text("{}", encoding="utf-8")

    assert fg.load_snapshot(client).verdict == "consistent"


@pytest.mark.parametrize("options", [{"cache": True}, {"cache": False, "max_age": "1h"}])
def test_invalid_cache(client, options):
    """`load_snapshot` rejects cache=True, and it rejects cache=False in combination with `max_age`."""
    with pytest.raises(InputError, match=r"`cache`"):
        fg.load_snapshot(client, **options)


def test_group_without_uid(sandbox, client, monkeypatch, caplog):
    """If a group has no uid, the snapshot is unverifiable, and the log contains the reason."""
    read = client.read_group_page

    def nameless(number=None, size=None):
        return replace(read(number, size), without_uid=int(number in (None, 1)), total_count=5)

    monkeypatch.setattr(client, "read_group_page", nameless)

    snapshot = fg.load_snapshot(client, False)

    assert snapshot.verdict == "unverifiable" and len(snapshot.groups) == 4
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.event == "load_finished" and "1 record" in warning.getMessage()


def test_group_list_cut(sandbox, client, monkeypatch, tmp_path, caplog):
    """If the server omits groups that customer records list, the note is logged and stored with the snapshot."""
    read = client.read_group_page

    def cut(number=None, size=None, **options):
        page = read(number, size, **options)
        items = [group for group in page.items if group.uid == "all"]
        return replace(page, items=items, total_count=len(items))

    monkeypatch.setattr(client, "read_group_page", cut)

    snapshot = fg.load_snapshot(client, tmp_path)

    assert snapshot.verdict == "unverifiable" and list(snapshot.groups["customer_group_uid"]) == ["all"]
    assert "15 customers" in snapshot.groups_note and "2 groups" in snapshot.groups_note
    stored = fg.read_snapshot(cache=tmp_path)
    assert (stored.verdict, stored.groups_note) == ("unverifiable", snapshot.groups_note)
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.event == "load_finished" and snapshot.groups_note in warning.getMessage()


@pytest.mark.parametrize(
    ("group", "customers", "parts"),
    [("all", PEOPLE[:23], ["22 memberships", "45 memberships"]), ("all", PEOPLE[:22], []), (None, [], ["4 groups"])],
)
def test_smaller_snapshot(group, customers, parts, sandbox, client, monkeypatch, tmp_path, caplog):
    """If a load finds fewer than half of the previous groups or memberships, a warning is logged."""
    fg.load_snapshot(client, tmp_path)
    if group:
        sandbox.remove_members(group, customers)
    else:
        monkeypatch.setattr(client, "read_group_page", lambda *_: Page([], 1, 500, 0))

    fg.load_snapshot(client, tmp_path)

    warnings = [record.getMessage() for record in caplog.records if record.event == "snapshot_smaller"]
    assert len(warnings) == bool(parts)
    assert all(part in text for part in parts for text in warnings)


def test_stored_snapshot_from_future(sandbox, client, tmp_path, caplog):
    """If a stored snapshot has a later timestamp than the new snapshot, a warning is logged."""
    ahead = replace(fg.load_snapshot(client, False), taken_at=datetime(2099, 1, 1, tzinfo=UTC))
    fg.save_snapshot(replace(ahead, read_until=ahead.taken_at), tmp_path)

    fg.load_snapshot(client, tmp_path)

    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.event == "snapshot_not_newest" and "2099-01-01" in warning.getMessage()
