"""A whole tenant as a Snapshot: equal to the world, sure of itself or not, kept whole or not at all."""

import asyncio
import os
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
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import RetryPolicy
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
from tests.world import arrange, assert_same_tables, members_in

PEOPLE = [f"c{n:03d}" for n in range(30)]

pytestmark = pytest.mark.usefixtures("no_pause")


@pytest.fixture
def sandbox(short_pages):
    """Thirty customers: all of them in one group, 12 and 3 of them in two more, and a group of nobody."""
    short_pages.reset()
    arrange(short_pages, {"all": PEOPLE, "loyal": PEOPLE[5:17], "none": [], "vip": PEOPLE[:3]})
    return short_pages


@pytest.fixture
def client(sandbox):
    with sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client:
        yield client


def world_of(sandbox):
    return {group: sandbox.members(group) for group in sandbox.groups()}


# Equal to the world.


worlds = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e", "0150", "group_vip"]),
    st.sets(st.integers(0, 19), max_size=20).map(lambda numbers: [f"{n:04d}" for n in sorted(numbers)]),
    max_size=6,
)


@settings(max_examples=30)
@given(world=worlds)
def test_a_snapshot_is_the_tenant(short_pages, world):
    "Any tenant that holds still comes out as it is and consistent, with cover and without, frame by frame the same."
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


def test_an_empty_tenant_is_a_snapshot(short_pages):
    "No groups at all: an empty, consistent snapshot that can be kept and read."
    short_pages.reset()
    with short_pages.client() as client:
        snapshot = fg.load_snapshot(client)

    assert (len(snapshot.groups), len(snapshot.memberships), snapshot.verdict) == (0, 0, "consistent")
    assert_same_tables(fg.read_snapshot(), snapshot)


def test_groups_that_were_seen_whole_are_not_paged(sandbox, client):
    "The lists of groups that customers carry save the pages of smaller groups, and `reads` says where."
    covered = fg.load_snapshot(client, False)
    n_covered = client.n_requests

    paged = fg.load_snapshot(client, False, cover=False)

    how = covered.reads.set_index("customer_group_uid")["how"]
    assert dict(how) == {"all": "pages", "loyal": "cover", "none": "pages", "vip": "pages"}
    assert n_covered < client.n_requests - n_covered
    assert_same_tables(covered, paged, ["memberships", "customers"])


def test_two_groups_of_one_name_are_two(sandbox, client):
    "Names need not be unique: both groups are there by uid, and the name alone is refused."
    sandbox.put_group("vip2", "VIP")
    sandbox.add_members("vip2", PEOPLE[7:9])

    snapshot = fg.load_snapshot(client, False)

    assert list(snapshot["vip2"]) == PEOPLE[7:9]
    assert list(snapshot["vip"]) == PEOPLE[:3]
    with pytest.raises(GroupNotFoundError, match="VIP"):
        snapshot["VIP"]


def test_odd_records_cost_nobody(sandbox, client):
    "Unknown fields, nulls, empty dates and broken numbers: everybody is in, with what could be read."
    everybody = [f"x{n:03d}" for n in range(60)]
    sandbox.put_customers(everybody)
    sandbox.add_members("all", everybody)
    sandbox.misbehave(odd_records=True)

    plain, personal = fg.load_snapshot(client, False), fg.load_snapshot(client, False, personal=True)

    assert list(plain["all"]) == list(personal["all"]) == sorted(PEOPLE + everybody)
    assert plain.customers["created_at"].isna().any()
    assert plain.customers["payment_terms"].isna().any()
    assert "PARTNER" in set(plain.customers["customer_type"])


def test_the_moments_of_a_read_are_its_start_and_end(sandbox, client):
    "taken_at is before the first request, read_until after the last, by the clock of the client."
    before = sandbox.now()

    snapshot = fg.load_snapshot(client, False)

    assert before <= snapshot.taken_at <= snapshot.read_until <= sandbox.now()
    assert (snapshot.tenant_uid, snapshot.base_url) == (sandbox.tenant_uid, sandbox.base_url)


# How sure it is.


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("every", [1, 2, 3, 5])
@pytest.mark.parametrize("how", ["swap", "join", "leave"])
def test_members_that_move_are_noticed(how, every, times, sandbox, client):
    "Whoever stayed is in and nobody is in who never was, or the group is not called consistent."
    # Enough outsiders, and sorted last, so that nobody who left is called back.
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


def test_a_first_page_that_moved_on_is_no_repetition():
    "Two join before a page of two: the next page holds what the first held, and the group is read again."
    with fg.Sandbox(empty=True, max_page_size=2, default_page_size=2) as sandbox, sandbox.client() as client:
        arrange(sandbox, {"all": PEOPLE})
        sandbox.misbehave(moving="join", moving_every=2, moving_times=2)

        snapshot = fg.load_snapshot(client, False)

        assert members_in(snapshot) == world_of(sandbox)
    assert snapshot.verdict == "consistent"


def test_a_group_that_never_holds_still_is_drifted(sandbox, client):
    "Someone joins at every page: after a bounded number of rereads the group is drifted, and the snapshot says so."
    sandbox.misbehave(moving="join", moving_group="all", moving_times=None)

    snapshot = fg.load_snapshot(client, False)

    read = snapshot.reads.set_index("customer_group_uid").loc["all"]
    assert (snapshot.verdict, read["verdict"], read["evidence"]) == ("drifted", "drifted", "none")
    assert read["rereads"] > 0 and read["note"]
    assert "ALL" in snapshot.describe() and "Read these groups again" in snapshot.describe()


def test_lists_of_groups_that_are_wrong_make_it_drifted(sandbox, client):
    "Customers that do not name the group they are listed in contradict the pages, however often they are read."
    sandbox.misbehave(group_uids="wrong")

    snapshot = fg.load_snapshot(client, False)

    assert snapshot.verdict == "drifted"
    assert set(snapshot.reads["how"]) == {"pages"}
    assert members_in(snapshot) == world_of(sandbox)


@pytest.mark.parametrize("how", ["absent", "empty"])
def test_overlapping_windows_without_references(how, sandbox, client):
    "Customers that name no group at all are no contradiction: every group is paged, and consistent."
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


def test_a_list_of_groups_that_is_never_whole_is_an_error(sandbox, client):
    "A service that counts more groups than it lists is asked a bounded number of times, and not believed."
    sandbox.misbehave(endless=7)

    with pytest.raises(DriftedReadError, match=r"The list of groups .* 4 readings \(4 came of 11 counted\)"):
        fg.load_snapshot(client, False)

    assert len(sandbox.requests()) < 50


def test_a_group_that_is_listed_twice_is_told_as_what_it_is(sandbox, client, monkeypatch):
    "Nothing changed: the list does not add up, however often it is read, and that may be the service's own fault."
    read = client.read_group_page

    def twice(*args, **kw):
        page = read(*args, **kw)
        return replace(page, items=[*page.items, *page.items[:1]], total_count=page.total_count + 1)

    monkeypatch.setattr(client, "read_group_page", twice)

    with pytest.raises(DriftedReadError, match=r"did not add up in any of 4 readings \(1 came twice\)") as caught:
        fg.load_snapshot(client, False)

    assert "changed" not in str(caught.value) and "the service itself lists or counts them wrongly" in str(
        caught.value
    )


def test_a_group_that_is_never_whole_is_drifted(sandbox, client):
    "The same of a group that is read again: it ends, is drifted, and holds those who came."
    snapshot = fg.load_snapshot(client, False)
    sandbox.clear_requests()
    sandbox.misbehave(endless=7)

    again = fg.refresh_groups(client, snapshot, ["loyal"])

    read = again.reads.set_index("customer_group_uid").loc["loyal"]
    assert (again.verdict, read["verdict"], read["note"]) == ("drifted", "drifted", "12 came of 19 counted")
    assert list(again["loyal"]) == PEOPLE[5:17]
    assert len(sandbox.requests()) < 50


def test_pages_that_repeat_are_an_error_with_its_facts(sandbox, client):
    "A service that gives its first page for ever: operation, group, tenant, status, and what to ask."
    sandbox.misbehave(repeat_page=True)

    with pytest.raises(UnexpectedResponseError, match="repeats the first") as caught:
        fg.load_snapshot(client, False)

    error = caught.value
    facts = (error.operation, error.tenant_uid, error.status, error.server_message)
    assert facts == ("get-customer-groups-customers", "sport_nordic", 200, "")
    assert all(word in str(error) for word in ("group all", "sport_nordic", "200", "the API?"))


# Groups that go, and groups that are read again.


def test_a_group_that_is_deleted_before_its_pages_is_left_out(sandbox, client):
    "A group listed and gone when its members are asked for is in no table."
    sandbox.misbehave(Fault("status", status=404, path="/loyal", times=None))

    snapshot = fg.load_snapshot(client, False)

    assert list(snapshot.groups["customer_group_uid"]) == list(snapshot.reads["customer_group_uid"])
    assert list(snapshot.groups["customer_group_uid"]) == ["all", "none", "vip"]
    assert snapshot.verdict == "consistent"


def test_a_group_whose_customers_are_not_found_is_not_taken_for_deleted(sandbox, client):
    "The service knows the group still: that its customers are not found is an error, not an empty tenant."
    sandbox.misbehave(Fault("status", status=404, path="/loyal/customers", times=None))

    with pytest.raises(NotFoundError, match="loyal"):
        fg.load_snapshot(client, False)


def test_a_group_that_is_deleted_between_its_pages_is_left_out(sandbox, client):
    "The largest group is deleted after its first page: it is left out, the others are whole."

    def delete(_text, _done, total):
        if total == 45 and "all" in sandbox.groups():
            sandbox.delete_group("all")

    snapshot = fg.load_snapshot(client, False, progress=delete)

    assert members_in(snapshot) == world_of(sandbox)
    assert list(snapshot.groups["customer_group_uid"]) == ["loyal", "none", "vip"]


def test_refreshing_reads_just_those_groups(sandbox, client):
    "Only the named group is asked for, page by page; the others, and taken_at, stay as they were."
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


def test_refreshing_heals_a_group_that_drifted(sandbox, client):
    "Once it holds still, a drifted group is consistent after a refresh, and so is the snapshot."
    sandbox.misbehave(moving="join", moving_group="all", moving_times=None)
    drifted = fg.load_snapshot(client, False)
    sandbox.behave()

    healed = fg.refresh_groups(client, drifted, ["all"])

    assert (drifted.verdict, healed.verdict) == ("drifted", "consistent")
    assert members_in(healed) == world_of(sandbox)
    assert_same_tables(healed, fg.load_snapshot(client, False), ["groups", "customers", "consents", "memberships"])


def test_refreshing_all_groups_is_loading(sandbox, client):
    "A refresh of every group gives the tables that a load gives, personal ones too."
    old = fg.load_snapshot(client, False, personal=True)
    sandbox.remove_members("all", PEOPLE[20:])

    new = fg.refresh_groups(client, old, ["all", "loyal", "none", "vip"])

    loaded = fg.load_snapshot(client, False, personal=True)
    assert_same_tables(new, loaded, ["groups", "customers", "consents", "memberships"])


def test_refreshing_a_deleted_group_leaves_it_out(sandbox, client):
    "A group that is gone does not live on with its old members."
    old = fg.load_snapshot(client, False)
    sandbox.delete_group("vip")

    new = fg.refresh_groups(client, old, ["vip", "loyal"])

    assert members_in(new) == world_of(sandbox)
    assert list(new.reads["customer_group_uid"]) == list(new.groups["customer_group_uid"]) == ["all", "loyal", "none"]


def test_refreshing_needs_the_tenant_and_a_group_that_it_has(sandbox, client):
    "Another tenant's client, or an unknown group, is refused before a request."
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


# What is kept.


@pytest.mark.parametrize("personal", [True, False])
def test_a_kept_snapshot_is_the_fresh_one(personal, sandbox, client):
    "What comes from disk equals what was read, frame by frame and fact by fact."
    fresh = fg.load_snapshot(client, personal=personal)

    kept = fg.read_snapshot()

    assert_same_tables(kept, fresh)
    for fact in ("tenant_uid", "base_url", "taken_at", "read_until", "verdict"):
        assert getattr(kept, fact) == getattr(fresh, fact)
    assert members_in(kept) == members_in(fresh)


def test_every_load_is_kept(sandbox, client, home_folder):
    "Without a word about it the home keeps each snapshot: there is no other way to tell what changed."
    fg.load_snapshot(client)
    fg.load_snapshot(client)

    kept = fg.list_snapshots()

    assert len(kept) == 2
    assert all(Path(path).is_relative_to(home_folder / "snapshots") for path in kept["path"])


def test_cache_false_keeps_nothing(sandbox, client, home_folder):
    "Neither a snapshot nor an empty folder."
    fg.load_snapshot(client, False)

    assert list(home_folder.rglob("*")) == []


def test_a_young_snapshot_answers_without_a_request(sandbox, client):
    "max_age takes what is young enough, and reads the tenant again when it is not."
    moment = sandbox.now()
    client.clock = lambda: moment
    first = fg.load_snapshot(client)
    sandbox.clear_requests()

    client.clock = lambda: moment + timedelta(hours=1)
    young = fg.load_snapshot(client, max_age="1h")
    n_young = len(sandbox.requests())
    client.clock = lambda: moment + timedelta(hours=1, seconds=1)
    old = fg.load_snapshot(client, max_age=timedelta(hours=1))

    assert n_young == 0
    assert young.taken_at == first.taken_at
    assert_same_tables(young, first)
    assert old.taken_at == client.clock()
    assert len(sandbox.requests()) > 0


def test_without_max_age_the_tenant_is_read(sandbox, client):
    "Whatever is kept."
    fg.load_snapshot(client)
    sandbox.clear_requests()

    fg.load_snapshot(client)

    assert len(sandbox.requests()) > 0


def test_a_snapshot_of_the_future_or_of_another_host_is_not_young(sandbox, client):
    "A clock that was set back, or the same tenant uid elsewhere, does not take what is not its own."
    first = fg.load_snapshot(client)
    client.clock = lambda: first.taken_at - timedelta(seconds=1)
    with fg.Sandbox(empty=True) as elsewhere, elsewhere.client() as other:
        of_other = fg.load_snapshot(other, max_age="1h")

    again = fg.load_snapshot(client, max_age="1h")

    assert len(of_other.groups) == 0
    assert again.taken_at == client.clock()


@pytest.mark.parametrize("max_age", ["soon", "-1h", timedelta(-1), 6])
def test_a_max_age_that_is_none_is_refused_before_a_request(max_age, sandbox, client):
    "A duration that cannot be read is an error, not a fresh read."
    with pytest.raises(InputError, match="duration"):
        fg.load_snapshot(client, max_age=max_age)

    assert sandbox.requests() == []


# When it fails.


@contextmanager
def nobody():
    """Without the rights of root, to whom no folder is closed."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_folder_that_cannot_be_written_fails_before_a_request(sandbox, client):
    "An hour of reading is not lost to a closed folder: that is found out first, and the message names it."
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    try:
        with nobody(), pytest.raises(InputError, match="Cannot write in") as caught:
            fg.load_snapshot(client, folder)
    finally:
        folder.rmdir()

    assert str(folder) in str(caught.value)
    assert sandbox.requests() == []


def test_a_cache_that_is_a_file_fails_before_a_request(sandbox, client, tmp_path):
    "So does a path that can be no folder."
    path = tmp_path / "notes.txt"
    path.write_text("mine")

    for cache in (path, path / "snapshots"):
        with pytest.raises(InputError, match="Cannot write in"):
            fg.load_snapshot(client, cache)

    assert path.read_text() == "mine"
    assert sandbox.requests() == []


@contextmanager
def full_disk():
    """The system refuses to make any file longer, as it does when the disk is full."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of this kind")
def test_a_full_disk_leaves_no_half_snapshot(sandbox, client, tmp_path):
    "What cannot be written whole leaves nothing, and those kept before stay readable."
    before = fg.load_snapshot(client, tmp_path)
    files = sorted(tmp_path.rglob("*"))

    with full_disk(), pytest.raises(InputError, match="Nothing was kept of it; those kept before are untouched"):
        fg.load_snapshot(client, tmp_path)

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
def test_a_load_that_fails_keeps_nothing_and_leaves_no_thread(fault, kind, sandbox, client, tmp_path):
    "One group that cannot be read is an error of the whole load; older snapshots stay."
    fg.load_snapshot(client, tmp_path)
    files = sorted(tmp_path.rglob("*"))
    sandbox.misbehave(fault)

    with pytest.raises(kind):
        fg.load_snapshot(client, tmp_path)

    assert sorted(tmp_path.rglob("*")) == files
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("frgroups_")]


def test_a_load_that_fails_does_not_wait_for_its_other_threads(sandbox):
    "A rejected token ends the load while other threads wait for their next attempt; no request is repeated."
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

# Tests that run in the background inherit that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def say(*words):
    print(*words, flush=True)

def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("frgroups_")]

def load(client):
    return fg.load_snapshot(client, sys.argv[3], progress=lambda *told: say("reading"))

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


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_a_load_at_once(sandbox, tmp_path):
    "While threads wait to try again, and while they read: the prompt is back, no thread stays, nothing is kept."
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, sandbox.base_url, sandbox.token, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    alive, n_requests = [], []
    # The watchdog ends a child that hangs, which makes the test fail.
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


# Where it runs.


def test_it_works_where_an_event_loop_runs(sandbox, client):
    "As in the cell of a notebook."

    async def cell():
        return fg.load_snapshot(client, False)

    assert members_in(asyncio.run(cell())) == world_of(sandbox)


def test_two_loads_of_one_tenant_do_not_both_read_it(sandbox, client, tmp_path):
    "The second waits for the first, and takes the snapshot that it kept."
    fg.load_snapshot(client, False)
    n_requests = client.n_requests
    sandbox.misbehave(latency=0.05)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: fg.load_snapshot(client, tmp_path), range(2))

    assert members_in(one) == members_in(other) == world_of(sandbox)
    assert one.taken_at == other.taken_at
    assert len(fg.list_snapshots(tmp_path)) == 1
    assert client.n_requests == 2 * n_requests


def test_a_load_that_needs_more_than_the_other_one_kept_reads_itself(sandbox, client, tmp_path):
    "Names were asked for, and the load under way keeps none."
    sandbox.misbehave(latency=0.05)
    with ThreadPoolExecutor(2) as pool:
        plain = pool.submit(fg.load_snapshot, client, tmp_path)
        time.sleep(0.1)
        personal = pool.submit(fg.load_snapshot, client, tmp_path, personal=True)

    assert "firstname" not in plain.result().customers
    assert "firstname" in personal.result().customers
    assert len(fg.list_snapshots(tmp_path)) == 2


def test_names_that_another_load_kept_are_not_given_to_who_did_not_ask(sandbox, client, tmp_path):
    "A young snapshot with names answers a load without, as that load would have read it."
    fg.load_snapshot(client, tmp_path, personal=True)
    n_requests = client.n_requests

    young = fg.load_snapshot(client, tmp_path, max_age="1h")

    assert client.n_requests == n_requests
    assert_same_tables(young, fg.load_snapshot(client, False), ["groups", "customers", "consents", "memberships"])


def test_two_threads_may_load_at_once_without_a_cache(sandbox, client):
    "With one client: both read, and both are whole."
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: fg.load_snapshot(client, False), range(2))

    assert members_in(one) == members_in(other) == world_of(sandbox)
    assert client.n_requests == len(sandbox.requests())


@pytest.mark.parametrize("cover", [True, False])
def test_progress_is_told_done_and_total(cover, sandbox, client):
    "The total of all memberships as soon as it is known, steps that never go back, and at the end all is done."
    news = []

    fg.load_snapshot(client, False, cover=cover, progress=lambda *told: news.append(told))

    done = [step for _, step, _ in news]
    assert {total for _, _, total in news} <= {None, 45}
    assert [total for _, _, total in news].index(45) < len(news) - 1
    assert news[-1] == ("Loading", 45, 45)
    assert done == sorted(done)


def test_progress_of_a_refresh_counts_its_own_groups(sandbox, client):
    "A refresh tells how much of the groups that it reads again is read."
    snapshot = fg.load_snapshot(client, False)
    news = []

    fg.refresh_groups(client, snapshot, ["vip", "loyal"], progress=lambda *told: news.append(told))

    assert news[-1] == ("Reading again", 15, 15)


def test_a_load_within_a_load_is_refused(client, home_folder):
    "In a progress callback it would wait for the load that calls it; without a cache, or into another, it may."
    with pytest.raises(LockedError, match=rf"A load of sport_nordic into {home_folder}/snapshots is under way"):
        fg.load_snapshot(client, progress=lambda *_: fg.load_snapshot(client, progress=False))
    assert fg.list_snapshots().empty

    inner = []
    fg.load_snapshot(client, progress=lambda *_: inner.append(fg.load_snapshot(client, False, progress=False)))
    assert inner and {one.verdict for one in inner} == {"consistent"}


@pytest.mark.parametrize("cache", [False, None])
def test_a_callback_that_raises_stop_iteration_ends_the_load(client, cache):
    "Python would take it for the end of a loop of the load's own; it is an error that says where it came from."
    with pytest.raises(InputError, match="progress callback raised StopIteration") as caught:
        fg.load_snapshot(client, cache, progress=lambda *_: next(iter([])))

    assert isinstance(caught.value.__cause__, StopIteration)
    assert fg.load_snapshot(client, cache).verdict == "consistent"


def test_a_load_goes_on_where_the_one_before_it_was_killed(sandbox, client, tmp_path):
    "Killed while it reads, a process leaves its lock and its note behind, and holds nobody up."
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


def test_the_log_tells_when_a_load_begins_and_what_it_read(sandbox, client, home_folder, caplog):
    "Begun, so many groups, read in so many seconds, kept where; taken from the cache when that is young."
    caplog.set_level("INFO", "frgroups.load")

    fg.load_snapshot(client)
    fg.load_snapshot(client, max_age="1h")

    told = {record.event: record for record in caplog.records}
    assert list(told) == ["load_started", "groups_listed", "load_finished", "snapshot_saved", "snapshot_reused"]
    done = told["load_finished"]
    assert (done.n_groups, done.n_customers, done.n_memberships, done.verdict) == (4, 30, 45, "consistent")
    assert done.n_requests == client.n_requests and 0 < done.seconds < 60
    assert "4 groups, 30 customers, 45 memberships" in done.getMessage()
    assert told["groups_listed"].n_groups == 4
    assert [str(told["snapshot_saved"].path)] == fg.list_snapshots()["path"].tolist()


def test_a_damaged_newest_snapshot_is_not_taken_for_young(client, home_folder):
    "With max_age a damaged snapshot is passed over and the tenant is read."
    kept = fg.load_snapshot(client)
    next(home_folder.rglob("manifest.json")).write_text("{}", encoding="utf-8")

    again = fg.load_snapshot(client, max_age="1h")

    assert again.taken_at > kept.taken_at


def test_damage_of_what_is_kept_does_not_stop_a_load(client, home_folder):
    "Without max_age nothing kept is read, whatever became of it."
    fg.load_snapshot(client)
    next(home_folder.rglob("manifest.json")).write_text("{}", encoding="utf-8")

    assert fg.load_snapshot(client).verdict == "consistent"


@pytest.mark.parametrize("options", [{"cache": True}, {"cache": False, "max_age": "1h"}])
def test_a_cache_that_cannot_be_meant_is_refused(client, options):
    "cache=True is no folder, and without a cache there is no kept snapshot to take."
    with pytest.raises(InputError, match=r"cache="):
        fg.load_snapshot(client, **options)


def test_a_list_of_groups_that_lost_one_is_not_called_whole(sandbox, client, monkeypatch, caplog):
    "A group without a uid cannot be kept: the snapshot is unverifiable, and the log says why."
    read = client.read_group_page
    monkeypatch.setattr(
        client, "read_group_page", lambda *args, **kw: replace(read(*args, **kw), without_uid=1, total_count=5)
    )

    snapshot = fg.load_snapshot(client, False)

    assert snapshot.verdict == "unverifiable" and len(snapshot.groups) == 4
    assert "records without a uid" in caplog.text


def test_a_load_that_is_not_the_newest_says_so(sandbox, client, tmp_path, caplog):
    "With a clock that is behind, or after one that was ahead, analyses would take the other one."
    ahead = replace(fg.load_snapshot(client, False), taken_at=datetime(2099, 1, 1, tzinfo=UTC))
    fg.save_snapshot(replace(ahead, read_until=ahead.taken_at), tmp_path)

    fg.load_snapshot(client, tmp_path)

    [told] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "2099-01-01" in told.getMessage() and "Is a clock wrong?" in told.getMessage()
