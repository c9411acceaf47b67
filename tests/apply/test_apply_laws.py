"""What holds of every apply, whatever its chunks, its groups and how often it was begun."""

import math
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.group_checks import recent_removals
from frgroups.apply.journal import Journal
from frgroups.apply.run_registry import register_run
from frgroups.errors import DriftError, PlanBlockedError
from tests.apply.test_apply_faults import sent
from tests.apply.test_executor import OPEN, PEOPLE, Crash, apply, arrange, plan_for, writes

TYPO = "c012-typo"  # Not in the first chunk, which ends a run when it is refused to its last uid.
slow = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch):
    """Three groups of ten and one of one; nothing misbehaves."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01, 0.02))
    arrange(tenant, {"a": PEOPLE[:10], "b": PEOPLE[:10], "c": PEOPLE[:10], "one": PEOPLE[:1]})
    return tenant


@pytest.fixture
def client(world):
    with world.client(writable=True) as client:
        yield client


def test_drift_of_one_group_keeps_every_group_as_it_is(client, world):
    "Two groups as planned and one that drifted: nothing is sent for any, and the error names the one."
    plan = plan_for(client, {uid: [*PEOPLE[:10], "c200"] for uid in "abc"})
    world.add_members("c", PEOPLE[100:150])
    world.clear_requests()

    with pytest.raises(DriftError) as refused:
        apply(client, plan)

    assert writes(world) == [] and refused.value.groups == ["c"]


def test_limits_of_one_group_keep_every_group_as_it_is(client, world):
    "When the last group would be left empty by now, the first two are not changed either."
    wanted = {"a": PEOPLE[:9], "b": PEOPLE[:9], "c": PEOPLE[:5]}
    plan = plan_for(client, wanted, mode="mirror", limits=replace(OPEN, emptied_groups=0, drift_share=None))
    world.remove_members("c", PEOPLE[:5])
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match="without a member"):
        apply(client, plan)

    assert writes(world) == []


@pytest.mark.parametrize("unknown_uids", ["refuse", "ignore"])
@pytest.mark.parametrize("emptied_groups", [0, 1])
def test_a_group_whose_additions_all_fail_is_not_emptied(client, world, unknown_uids, emptied_groups):
    "Who was to be replaced by customers that do not exist stays: it was reviewed that somebody is left."
    world.misbehave(unknown_uids=unknown_uids)
    limits = replace(OPEN, emptied_groups=emptied_groups)
    plan = plan_for(client, {"a": [*PEOPLE[:10], "c200"], "b": ["typo-1", "typo-2"]}, mode="mirror", limits=limits)

    receipt = apply(client, plan)

    left = receipt.table().query("change == 'remove'")
    assert world.members("b") == PEOPLE[:10] and "c200" in world.members("a")
    assert set(left["state"]) == {"not_sent"} and left["detail"].str.contains("emptied_groups").all()
    assert not receipt.ok and receipt.counts["verified"] == 1
    assert receipt.complete == (unknown_uids == "refuse")


@pytest.mark.parametrize(("came", "emptied_groups"), [("c200", 0), ("typo-1", None)])
def test_a_group_is_replaced_when_somebody_came_or_it_may_be_emptied(client, world, came, emptied_groups):
    "One addition that took effect is enough for all removals; and a plan that may empty groups does so."
    limits = replace(OPEN, emptied_groups=emptied_groups)
    plan = plan_for(client, {"a": [*PEOPLE[:10], "c201"], "b": [came, "typo-2"]}, mode="mirror", limits=limits)

    apply(client, plan)

    assert world.members("b") == [came] * (came == "c200")


@pytest.mark.parametrize(
    "wanted, limits, options",
    [
        ({"one": []}, {"emptied_groups": 0}, {}),
        ({"one": []}, {"removals_per_group": 0, "removal_floor": 0}, {}),
        ({"a": PEOPLE[:8]}, {"removals_total": 1}, {}),
        ({"new": PEOPLE[:3]}, {"additions_per_group": 2}, {"create": {"new": "New"}}),
        ({"new": PEOPLE[:3]}, {"additions_total": 2}, {"create": {"new": "New"}}),
    ],
    ids=["emptied", "none-of-one", "total", "created", "created-total"],
)
def test_no_first_or_small_plan_passes_a_limit(client, world, wanted, limits, options):
    "A group of one and a group to be created are guarded like any other; not even the group is created."
    plan = plan_for(client, wanted, mode="mirror", limits=replace(OPEN, **limits), **options)
    world.clear_requests()

    with pytest.raises(PlanBlockedError):
        apply(client, plan)

    assert world.requests() == []


def test_many_plans_of_a_day_pass_no_limit_that_one_may_not(client, world, tmp_path):
    "A removal cut into plans is added up from their journals, in whatever folder; what is a day old counts no more."
    limits = replace(OPEN, removals_per_day=8)
    members = world.members("a")
    for n in (1, 2):
        part = plan_for(client, {"a": members[3 * n :]}, mode="mirror", limits=limits)
        assert apply(client, part, journal=tmp_path / str(n)).counts["verified"] == 3
    last = plan_for(client, {"a": members[9:]}, mode="mirror", limits=limits)
    other = plan_for(client, {"b": world.members("b")[3:]}, mode="mirror", limits=limits)
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match="lose 3 customers, after 6 in the 24 hours before; the limit is 8"):
        apply(client, last)

    assert writes(world) == [] and apply(client, other).ok
    two = plan_for(client, {"a": members[8:]}, mode="mirror", limits=limits)
    assert apply(client, two).ok and apply(client, two).repeated
    yesterday = time.time() - 25 * 3600
    for path in (tmp_path / "1").rglob("*.jsonl"):
        os.utime(path, (yesterday, yesterday))
    assert apply(client, plan_for(client, {"a": []}, mode="mirror", limits=limits)).ok


def test_a_removal_without_an_answer_counts_though_it_was_turned_away_later(client, world):
    "The first request may have taken effect; what the service did not look at at all counts for nothing."
    plan = plan_for(client, {"a": PEOPLE[2:10]}, mode="mirror")
    other = plan_for(client, {"b": PEOPLE[2:10]}, mode="mirror")
    own = Journal.for_plan(other, None).path
    before = recent_removals(other, own)["a"]

    with Journal.for_plan(plan, None) as journal:
        register_run(plan, journal.path)
        for uid, result in (("c000", "unknown"), ("c000", "not_sent"), ("c001", "not_sent")):
            item = {"group": "a", "change": "remove", "uids": [uid]}
            journal.write("intent", **item)
            journal.write("outcome", **item, result=result, message="")

    assert recent_removals(other, own)["a"] == before + 1


def test_what_a_plan_itself_removed_two_days_ago_counts_no_more(client, world):
    "A plan that is gone on with removes today what is left, and no more than that beside what others removed."
    limits = replace(OPEN, removals_per_day=8)
    members = world.members("a")
    plan = plan_for(client, {"a": members[8:]}, mode="mirror", limits=limits)
    long_ago = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    item = {"group": "a", "change": "remove", "uids": members[:5], "at": long_ago}
    with Journal.for_plan(plan, None) as journal:
        register_run(plan, journal.path)
        journal.write("start", digest=plan.digest, approval={"how": "self", "by": "", "at": ""}, at=long_ago)
        journal.write("intent", **item)
        journal.write("outcome", **item, result="accepted", message="")
    world.remove_members("a", members[:5])
    other = plan_for(client, {"a": members[10:]}, mode="mirror", limits=replace(limits, removals_per_day=None))
    assert apply(client, other.select(without=members[5:8])).counts["verified"] == 2

    receipt = apply(client, plan)

    assert receipt.ok and not set(members[:10]) & set(world.members("a"))


def test_an_undo_and_a_selection_pass_no_limit(client, world):
    "The limits of the plan hold for what is taken back, and for a part of it."
    plan = plan_for(client, {"a": PEOPLE[:20], "b": PEOPLE[:20]}, limits=replace(OPEN, removals_per_group=5))
    receipt = apply(client, plan)
    undo = fg.plan_undo(receipt)
    world.clear_requests()

    for blocked in (undo, undo.select(["A"])):
        with pytest.raises(PlanBlockedError):
            apply(client, blocked)

    assert world.requests() == []


def test_a_plan_that_is_gone_on_with_passes_no_limit(client, world, monkeypatch):
    "Where others left meanwhile, so that the rest would empty a group, the rest is not sent."
    limits = replace(OPEN, emptied_groups=0, drift_share=None)
    plan = plan_for(client, {"a": PEOPLE[:20], "b": PEOPLE[:2]}, mode="mirror", limits=limits)
    write = Journal.write

    def dying(journal, event, **facts):
        if event == "outcome":
            raise Crash
        write(journal, event, **facts)

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Journal, "write", dying)
        apply(client, plan)
    world.remove_members("b", PEOPLE[:2])
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match="without a member"):
        apply(client, plan)

    assert writes(world) == [] and world.members("a") == PEOPLE[:20]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_chunks_change_nothing_but_the_requests(client, world, monkeypatch, chunk):
    "World, states and undo are those of one large chunk, with a bad uid among the good."
    wanted = {"a": [*PEOPLE[5:15], TYPO], "b": PEOPLE[2:4], "new": PEOPLE[:5]}
    plan = plan_for(client, wanted, mode="mirror", create={"new": "New"})
    usual = apply(client, plan)
    there = {uid: world.members(uid) for uid in world.groups()}
    arrange(world, {"a": PEOPLE[:10], "b": PEOPLE[:10], "c": PEOPLE[:10], "one": PEOPLE[:1]})
    monkeypatch.setattr(applying, "CHUNK", chunk)

    receipt = apply(client, plan_for(client, wanted, mode="mirror", create={"new": "New"}))

    assert receipt.states == usual.states and receipt.counts["rejected"] == 1
    assert {uid: world.members(uid) for uid in world.groups()} == there
    assert max(len(uids) for _, _, uids in sent(world.requests())) == chunk
    assert fg.plan_undo(receipt).payloads() == fg.plan_undo(usual).payloads()


@settings(max_examples=12, **slow)
@given(n=st.integers(2, 200), data=st.data())
def test_a_bad_uid_costs_two_requests_for_each_halving(tenant, n, data):
    "k bad among n: the others join, k are rejected, by at most 1 + 2k ceil(log2 n) requests, all of the plan."
    bad = data.draw(st.sets(st.integers(0, n - 1), max_size=min(6, n - 1)))
    uids = [f"{uid}-typo" if number in bad else uid for number, uid in enumerate(PEOPLE[:n])]
    arrange(tenant, {"empty": []})
    with tenant.client(writable=True) as client:
        plan = plan_for(client, {"empty": uids})
        tenant.clear_requests()

        receipt = apply(client, plan)

    chunks = sent(tenant.requests())
    assert {item[1] for item, state in receipt.states.items() if state == "rejected"} == {uids[one] for one in bad}
    assert tenant.members("empty") == [uid for uid in uids if not uid.endswith("-typo")]
    assert len(chunks) <= 1 + 2 * len(bad) * math.ceil(math.log2(n))
    assert {(group, side) for group, side, _ in chunks} == {("empty", "add")}
    assert {uid for _, _, some in chunks for uid in some} == set(uids)
