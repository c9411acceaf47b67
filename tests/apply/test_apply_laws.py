"""Test properties of runs with different groups, limits, and numbers of customers per request."""

import math
import os
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.group_checks import recent_removals
from frgroups.apply.journal import Journal
from frgroups.apply.run_registry import register_run
from frgroups.errors import DriftError, PlanBlockedError
from tests.apply.test_apply_faults import sent
from tests.apply.test_executor import OPEN, PEOPLE, Crash, apply, arrange, plan_for, writes
from tests.examples import at_most

# This unknown customer is not in the first chunk, because a run ends if the complete first chunk is rejected.
TYPO = "c012-typo"
slow = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch):
    """Return a tenant with three groups of ten customers and a group of one customer."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01, 0.02))
    arrange(tenant, {"a": PEOPLE[:10], "b": PEOPLE[:10], "c": PEOPLE[:10], "one": PEOPLE[:1]})
    return tenant


@pytest.fixture
def client(world):
    with world.client(writable=True) as client:
        yield client


def blocking_rules(caught):
    """Return the rules of the findings in a PlanBlockedError."""
    return [finding.rule for finding in caught.value.findings]


def test_drift_of_one_group(client, world):
    "If one of three groups has drifted, no change is sent and the error contains only the drifted group."
    plan = plan_for(client, {uid: [*PEOPLE[:10], "c200"] for uid in "abc"})
    world.add_members("c", PEOPLE[100:150])
    world.clear_requests()

    with pytest.raises(DriftError) as caught:
        apply(client, plan)

    assert writes(world) == [] and caught.value.groups == ["c"]


def test_limit_of_one_group(client, world):
    "If a plan would remove all members from one group, the changes to the other groups are not sent either."
    wanted = {"a": PEOPLE[:9], "b": PEOPLE[:9], "c": PEOPLE[:5]}
    plan = plan_for(client, wanted, mode="mirror", limits=replace(OPEN, emptied_groups=0, drift_share=None))
    world.remove_members("c", PEOPLE[:5])
    world.clear_requests()

    with pytest.raises(PlanBlockedError) as blocked:
        apply(client, plan)

    assert writes(world) == [] and blocking_rules(blocked) == ["emptied_groups"]


@pytest.mark.parametrize("unknown_uids", ["refuse", "ignore"])
@pytest.mark.parametrize("emptied_groups", [0, 1, None])
def test_failed_additions_keep_members(client, world, unknown_uids, emptied_groups):
    "If all additions to a group fail, its members are not removed. The receipt contains the reason."
    world.misbehave(unknown_uids=unknown_uids)
    limits = replace(OPEN, emptied_groups=emptied_groups)
    plan = plan_for(client, {"a": [*PEOPLE[:10], "c200"], "b": ["typo-1", "typo-2"]}, mode="mirror", limits=limits)

    receipt = apply(client, plan)

    removals = receipt.table().query("change == 'remove'")
    assert world.members("b") == PEOPLE[:10] and "c200" in world.members("a")
    assert set(removals["state"]) == {"not_sent"} and removals["detail"].str.contains("0 of 2 additions").all()
    assert receipt.skipped_groups == {"b"} and fg.read_receipt(receipt.path).skipped_groups == {"b"}
    assert not receipt.ok and not receipt.complete and receipt.counts["verified"] == 1


@at_most(10, **slow)
@given(n_known=st.integers(0, 20), n_unknown=st.integers(0, 20), n_removed=st.integers(1, 10), ignores=st.booleans())
@example(n_known=9, n_unknown=1, n_removed=10, ignores=False)
@example(n_known=8, n_unknown=1, n_removed=1, ignores=True)
def test_removals_require_additions(tenant, monkeypatch, n_known, n_unknown, n_removed, ignores):
    "Removals from a group are sent if and only if at least 90% of the planned additions to the group succeeded."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", ())
    arrange(tenant, {"a": PEOPLE[:10]})
    tenant.misbehave(unknown_uids="ignore" if ignores else "refuse")
    # The known customers are first, because a run ends if the complete first chunk is rejected.
    joining = [*PEOPLE[100 : 100 + n_known], *(f"x-typo-{number}" for number in range(n_unknown))]
    with tenant.client(writable=True) as client:
        plan = plan_for(client, {"a": [*PEOPLE[n_removed:10], *joining]}, mode="mirror")

        receipt = apply(client, plan)

    is_enough = n_known >= 0.9 * len(joining)
    assert set(PEOPLE[:n_removed]).isdisjoint(tenant.members("a")) == is_enough
    removals = receipt.table().query("change == 'remove'")
    assert set(removals["state"]) == {"verified" if is_enough else "not_sent"}
    if not is_enough and not receipt.stopped:
        assert (removals["detail"] != "").all() and receipt.skipped_groups == {"a"} and not receipt.complete


def test_resume_skipped_removals(client, world):
    "If the missing customers have become members, applying the same plan again sends the skipped removals."
    world.misbehave(unknown_uids="refuse")
    plan = plan_for(client, {"b": ["c200", "x-1", "x-2"]}, mode="mirror")
    assert apply(client, plan).skipped_groups == {"b"}
    assert apply(client, plan).skipped_groups == {"b"} and world.members("b") == [*PEOPLE[:10], "c200"]
    world.put_customers(["x-1", "x-2"])
    world.add_members("b", ["x-1", "x-2"])

    receipt = apply(client, plan)

    assert world.members("b") == ["c200", "x-1", "x-2"]
    assert not receipt.skipped_groups and receipt.complete


@pytest.mark.parametrize(
    "wanted, limits, options",
    [
        ({"one": []}, {"emptied_groups": 0}, {}),
        ({"one": []}, {"removals_per_group": 0, "removal_floor": 0}, {}),
        ({"a": PEOPLE[:8]}, {"removals_total": 1}, {}),
        ({"a": PEOPLE[:8]}, {"removal_share_total": 0.1, "removal_floor_total": 1}, {}),
        ({"a": PEOPLE[:8], "b": [*PEOPLE, "x-1"]}, {"removal_share_total": 0.1, "removal_floor_total": 1}, {}),
        ({"a": PEOPLE[:9]}, {"removal_share_total": 0}, {}),
        ({"new": PEOPLE[:3]}, {"additions_per_group": 2}, {"create": {"new": "New"}}),
        ({"new": PEOPLE[:3]}, {"additions_total": 2}, {"create": {"new": "New"}}),
    ],
    ids=["emptied", "none-of-one", "total", "share", "share-of-losing", "no-share", "created", "created-total"],
)
def test_limits_of_small_plans(client, world, wanted, limits, options):
    "The limits also apply to a group with one customer and to a new group. If the plan is blocked, nothing is sent."
    plan = plan_for(client, wanted, mode="mirror", limits=replace(OPEN, **limits), **options)
    world.clear_requests()

    with pytest.raises(PlanBlockedError):
        apply(client, plan)

    assert world.requests() == []


def test_daily_limit_over_several_plans(client, world, tmp_path):
    "The limit `removals_per_day` applies to the removals of all plans in the last 24 hours, in any journal folder."
    limits = replace(OPEN, removals_per_day=8)
    members = world.members("a")
    for n in (1, 2):
        part = plan_for(client, {"a": members[3 * n :]}, mode="mirror", limits=limits)
        assert apply(client, part, journal=tmp_path / str(n)).counts["verified"] == 3
    last = plan_for(client, {"a": members[9:]}, mode="mirror", limits=limits)
    other = plan_for(client, {"b": world.members("b")[3:]}, mode="mirror", limits=limits)
    world.clear_requests()

    with pytest.raises(PlanBlockedError) as blocked:
        apply(client, last)

    assert blocking_rules(blocked) == ["removals_per_day"]
    assert {"3", "6", "8"} <= set(re.findall(r"\d+", blocked.value.findings[0].message))
    assert writes(world) == [] and apply(client, other).ok
    two = plan_for(client, {"a": members[8:]}, mode="mirror", limits=limits)
    assert apply(client, two).ok and apply(client, two).repeated
    yesterday = time.time() - 25 * 3600
    for path in (tmp_path / "1").rglob("*.jsonl"):
        os.utime(path, (yesterday, yesterday))
    assert apply(client, plan_for(client, {"a": []}, mode="mirror", limits=limits)).ok


def test_daily_limit_counts_lost_responses(client, world):
    "A removal without a response counts toward the daily limit, even if the repeated request was not processed."
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


def test_daily_limit_of_resumed_plan(client, world):
    "The limit `removals_per_day` does not apply to removals that the same plan made two days ago."
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


def test_limits_of_undo_and_selection(client, world):
    "An undo plan is not blocked by its size, but explicit limits apply to the plan and to selections from it."
    plan = plan_for(client, {"a": PEOPLE[:20], "b": PEOPLE[:20]}, limits=replace(OPEN, removals_per_group=5))
    receipt = apply(client, plan)
    undo = fg.plan_undo(receipt, limits=plan.limits)
    world.clear_requests()

    for blocked in (undo, undo.select(["A"])):
        with pytest.raises(PlanBlockedError):
            apply(client, blocked)

    assert world.requests() == []
    assert apply(client, fg.plan_undo(receipt)).ok and world.members("a") == PEOPLE[:10]


def test_limits_of_resumed_plan(client, world, monkeypatch):
    "A resumed plan is blocked if its remaining removals would empty a group."
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

    with pytest.raises(PlanBlockedError) as blocked:
        apply(client, plan)

    assert blocking_rules(blocked) == ["emptied_groups"]
    assert writes(world) == [] and world.members("a") == PEOPLE[:20]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_chunk_size(client, world, monkeypatch, chunk):
    "The result and the undo plan do not depend on the number of customers per request."
    wanted = {"a": [*PEOPLE[5:15], TYPO], "b": PEOPLE[2:4], "new": PEOPLE[:5]}
    plan = plan_for(client, wanted, mode="mirror", create={"new": "New"})
    one_chunk = apply(client, plan)
    expected = {uid: world.members(uid) for uid in world.groups()}
    arrange(world, {"a": PEOPLE[:10], "b": PEOPLE[:10], "c": PEOPLE[:10], "one": PEOPLE[:1]})
    monkeypatch.setattr(applying, "CHUNK", chunk)

    receipt = apply(client, plan_for(client, wanted, mode="mirror", create={"new": "New"}))

    assert receipt.states == one_chunk.states and receipt.counts["rejected"] == 1
    assert {uid: world.members(uid) for uid in world.groups()} == expected
    assert max(len(uids) for _, _, uids in sent(world.requests())) == chunk
    assert fg.plan_undo(receipt).payloads() == fg.plan_undo(one_chunk).payloads()


@at_most(12, **slow)
@given(n=st.integers(2, 200), data=st.data())
def test_requests_of_bisection(tenant, n, data):
    "To find k unknown customers among n and add all others, at most 1 + 2k ceil(log2 n) requests are sent."
    unknown = data.draw(st.sets(st.integers(0, n - 1), max_size=min(6, n - 1)))
    uids = [f"{uid}-typo" if number in unknown else uid for number, uid in enumerate(PEOPLE[:n])]
    arrange(tenant, {"empty": []})
    with tenant.client(writable=True) as client:
        plan = plan_for(client, {"empty": uids})
        tenant.clear_requests()

        receipt = apply(client, plan)

    chunks = sent(tenant.requests())
    assert {item[1] for item, state in receipt.states.items() if state == "rejected"} == {
        uids[number] for number in unknown
    }
    assert tenant.members("empty") == [uid for uid in uids if not uid.endswith("-typo")]
    assert len(chunks) <= 1 + 2 * len(unknown) * math.ceil(math.log2(n))
    assert {(group, side) for group, side, _ in chunks} == {("empty", "add")}
    assert {uid for _, _, chunk in chunks for uid in chunk} == set(uids)
