"""Applying a plan over HTTP: what is refused before anything is sent, and what is never lost afterwards."""

import json
import os
import pickle
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply import executor as applying
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.journal import Journal
from frgroups.errors import (
    CorruptFileError,
    DriftError,
    ForbiddenError,
    LockedError,
    NotApprovedError,
    NotWritableError,
    PlanBlockedError,
    WrongTenantError,
)
from frgroups.internals.checksummed_json import write_checksummed
from frgroups.internals.locks import tenant_lock
from frgroups.internals.paths import tenant_folder
from frgroups.sandbox.faults import Fault

OPEN = fg.Limits(
    removals_per_group=None,
    removal_share=None,
    removals_total=None,
    emptied_groups=None,
    additions_per_group=None,
    additions_total=None,
)
PEOPLE = [f"c{n:03d}" for n in range(300)]


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch):
    """An all-customers group, a VIP group of ten, an empty group; nothing misbehaves."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    arrange(tenant, {"all": PEOPLE, "vip": PEOPLE[:10], "empty": []})
    return tenant


def arrange(tenant, groups):
    tenant.reset()
    tenant.behave()
    tenant.put_customers(PEOPLE)
    for uid, members in groups.items():
        tenant.put_group(uid, uid.upper())
        tenant.add_members(uid, members)


@pytest.fixture
def client(world):
    with world.client(writable=True) as client:
        yield client


def plan_for(client, desired, **options):
    return fg.plan_memberships(fg.load_snapshot(client, False), desired, **({"limits": OPEN} | options))


def writes(world):
    return [request for request in world.requests() if request["method"] != "GET"]


def apply(client, plan, **options):
    return fg.apply_plan(client, plan, approval=plan.digest, **options)


def test_a_plan_is_applied_verified_and_undone(client, world):
    "Creation, additions and removals take effect, and the undo brings back what was, but for the new group."
    plan = plan_for(client, {"vip": PEOPLE[5:20], "new": PEOPLE[:3]}, mode="mirror", create={"new": "New"})

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts == {"verified": 10 + 5 + 3}
    assert world.members("vip") == PEOPLE[5:20] and world.members("new") == PEOPLE[:3]
    assert apply(client, fg.plan_undo(receipt)).ok
    assert world.members("vip") == PEOPLE[:10] and world.members("new") == []
    assert "new" in world.groups()


groups = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.sets(st.sampled_from(PEOPLE[:12]), max_size=12), min_size=1
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=groups, wanted=groups, mode=st.sampled_from(["mirror", "add", "keep_only"]))
def test_load_plan_apply_load_gives_the_wanted_membership(tenant, before, wanted, mode):
    "What was planned is what is there; planning again is empty; undo gives the old; and once more works."
    arrange(tenant, {"a": [], "b": [], "c": []} | before)
    expected = {uid: set(before.get(uid, ())) for uid in "abc"}
    start = {uid: sorted(members) for uid, members in expected.items()}
    for uid, members in wanted.items():
        expected[uid] = {
            "mirror": members,
            "add": expected[uid] | members,
            "keep_only": expected[uid] & members,
        }[mode]

    with tenant.client(writable=True) as client:
        plan = plan_for(client, wanted, mode=mode)
        first = apply(client, plan)
        after = {uid: tenant.members(uid) for uid in "abc"}
        again = plan_for(client, wanted, mode=mode)
        undone = apply(client, fg.plan_undo(first))
        back = {uid: tenant.members(uid) for uid in "abc"}
        twice = apply(client, plan_for(client, wanted, mode=mode))

    assert first.ok and undone.ok and twice.ok
    assert after == {uid: sorted(members) for uid, members in expected.items()}
    assert again.is_empty
    assert back == start


def test_the_same_world_plans_to_the_same_digest(client):
    "Loading and planning again gives the digest that was approved, although time has passed."
    assert plan_for(client, {"vip": ["c200"]}).digest == plan_for(client, {"vip": ["c200"]}).digest


@pytest.mark.parametrize("approve", ["0" * 64, "0" * 12, "abc", "no such file.json"])
def test_without_the_right_approval_nothing_is_sent(client, world, approve):
    "A digest of another plan, a short one, or a file that is not there approves nothing."
    plan = plan_for(client, {"vip": ["c200"]})
    world.clear_requests()

    with pytest.raises(NotApprovedError):
        fg.apply_plan(client, plan, approval=approve)

    assert world.requests() == []


def test_every_refusal_says_once_that_nothing_was_sent(client, world, tmp_path):
    "The approval, a limit, drift, a lock, a journal or facts that cannot be: each tells it, and tells it once."
    plan = plan_for(client, {"vip": ["c200"]})
    blocked = plan_for(client, {"vip": ["c200"]}, limits=fg.Limits(additions_total=0))
    (tmp_path / "file").write_text("")
    said = []

    for refused, approve, options in [
        (plan, "0" * 64, {}),
        (blocked, blocked.digest, {}),
        (plan, plan.digest, {"journal": tmp_path / "file"}),
    ]:
        with pytest.raises(fg.FrgroupsError) as error:
            fg.apply_plan(client, refused, approval=approve, **options)
        said.append(str(error.value))
    with tenant_lock(client.tenant_uid, client.base_url, "another"), pytest.raises(LockedError) as locked:
        apply(client, plan)
    world.add_members("vip", PEOPLE[20:60])
    with pytest.raises(DriftError) as drifted:
        apply(client, plan)

    facts = fg.home() / "probes" / f"{tenant_folder(client.tenant_uid, client.base_url)}.json"
    write_checksummed(facts, "write capabilities", {})
    with pytest.raises(CorruptFileError, match="probe again") as damaged:
        apply(client, plan)
    facts.unlink()

    said += [str(locked.value), str(drifted.value), str(damaged.value)]
    assert [text.count("Nothing was sent.") for text in said] == [1] * 6
    assert pickle.loads(pickle.dumps(drifted.value)).message == drifted.value.message
    assert writes(world) == []


def test_a_prefix_of_twelve_digits_approves(client):
    "The first twelve digits of the digest are enough."
    plan = plan_for(client, {"vip": ["c200"]})

    assert fg.apply_plan(client, plan, approval=plan.digest[:12]).ok


def test_an_approval_file_is_bound_to_its_plan(client, world, tmp_path):
    "A file approves its own plan, no other, and not after a rejection."
    plan, other = plan_for(client, {"vip": ["c200"]}), plan_for(client, {"vip": ["c201"]})
    yes = fg.approve_plan(plan, tmp_path / "yes.json", by="Kari")
    no = fg.approve_plan(plan, tmp_path / "no.json", by="Kari", reject="too many")

    with pytest.raises(NotApprovedError, match="not this one"):
        fg.apply_plan(client, other, approval=yes)
    with pytest.raises(NotApprovedError, match="too many"):
        fg.apply_plan(client, plan, approval=no)
    receipt = fg.apply_plan(client, plan, approval=yes)

    assert receipt.ok and receipt.approval["by"] == "Kari"


def test_a_blocked_plan_is_refused_with_its_numbers(client, world):
    "A broken limit keeps the plan from being sent, and the message says which and by how much."
    plan = plan_for(client, {"vip": PEOPLE[:2]}, mode="mirror", limits=fg.Limits())
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match="lose 8 of 10 customers") as caught:
        apply(client, plan)

    assert caught.value.findings and world.requests() == []


def test_limits_are_checked_against_the_members_of_now(client, world):
    "A plan that would now leave a group without a member is refused, though it did not when it was made."
    plan = plan_for(
        client, {"vip": PEOPLE[5:10]}, mode="mirror", limits=replace(OPEN, emptied_groups=0, drift_share=None)
    )
    world.remove_members("vip", PEOPLE[5:10])
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match="without a member"):
        apply(client, plan)

    assert writes(world) == []


def test_an_old_plan_is_refused(client, world):
    "A plan is too old after plan_max_age."
    plan = replace(plan_for(client, {"vip": ["c200"]}), planned_at=datetime.now(UTC) - timedelta(days=8))
    plan = replace(plan, snapshot_taken_at=plan.planned_at)

    with pytest.raises(PlanBlockedError, match=r"The plan is \d+ \w+ old; the limit is"):
        apply(client, plan)


def test_a_plan_goes_to_its_own_tenant_and_host_only(client, world):
    "Another tenant, another host, tables without a host, and a client that reads are refused before a request."
    plan = plan_for(client, {"vip": ["c200"]})
    world.clear_requests()

    for changed in ({"tenant_uid": "other"}, {"base_url": "https://api.example.test/v2"}, {"base_url": None}):
        with pytest.raises(WrongTenantError):
            apply(client, replace(plan, **changed))
    with world.client() as reader, pytest.raises(NotWritableError):
        apply(reader, plan)

    assert world.requests() == []


def test_one_apply_at_a_time(client, world):
    "While one apply holds the tenant, another is told who holds it, and sends nothing."
    plan = plan_for(client, {"vip": ["c200"]})
    world.clear_requests()

    with (
        tenant_lock(client.tenant_uid, client.base_url, "plan"),
        pytest.raises(LockedError, match=f"process {os.getpid()}"),
    ):
        apply(client, plan)

    assert world.requests() == [] and apply(client, plan).ok


@pytest.mark.parametrize("joined, refused", [(1, False), (2, False), (3, True)])
def test_drift_beyond_the_floor_is_refused(client, world, joined, refused):
    "Two unplanned changes of ten members are let through, three are not; planned customers do not count."
    plan = plan_for(client, {"vip": [*PEOPLE[:10], "c200"]}, limits=fg.Limits())
    world.add_members("vip", [*PEOPLE[100 : 100 + joined], "c200"])
    world.clear_requests()

    if refused:
        with pytest.raises(DriftError, match="3 joined and 0 left"):
            apply(client, plan)
        assert writes(world) == []
    else:
        assert apply(client, plan).counts == {"already": 1}


def test_a_group_that_vanished_or_appeared_is_drift(client, world):
    "A touched group that was deleted, or one to be created that exists by now, is refused."
    touched = plan_for(client, {"vip": ["c200"]})
    created = plan_for(client, {"new": ["c200"]}, create={"new": "New"})
    world.delete_group("vip")
    world.put_group("new", "Somebody else's")
    world.clear_requests()

    with pytest.raises(DriftError, match="does not exist any more"):
        apply(client, touched)
    with pytest.raises(DriftError, match="it exists"):
        apply(client, created)

    assert writes(world) == []


def test_what_others_did_to_others_stays(client, world):
    "A change of someone else between plan and apply is neither undone nor counted as ours."
    plan = plan_for(client, {"vip": ["c200"]})
    world.add_members("vip", ["c100"])

    receipt = apply(client, plan)
    apply(client, fg.plan_undo(receipt))

    assert world.members("vip") == [*PEOPLE[:10], "c100"]


def test_unknown_customers_are_rejected_one_by_one(client, world):
    "The refused uids are found among hundreds; all others are applied, within the requests of a bisection."
    plan = plan_for(client, {"vip": [*PEOPLE, "typo-1", "typo-2"]})
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 290, "rejected": 2} and not receipt.ok and receipt.complete
    assert set(receipt.table().query("state == 'rejected'")["customer_uid"]) == {"typo-1", "typo-2"}
    assert len(writes(world)) <= 2 + (1 + 2 * 2 * 8)
    assert receipt.table()["detail"].str.contains("do not exist").sum() == 2


def test_ignored_customers_are_not_effective(client, world):
    "A uid that the service accepts and passes over is told as not effective, never as verified."
    world.misbehave(unknown_uids="ignore")

    receipt = apply(client, plan_for(client, {"vip": ["c200", "typo-1"]}))

    assert receipt.counts == {"verified": 1, "not_effective": 1}


def test_a_first_chunk_refused_to_the_last_uid_stops_the_run(client, world):
    "When every customer of the first chunk is refused, nothing more is tried."
    plan = plan_for(client, {"empty": [f"typo-{n}" for n in range(4)], "vip": ["c200"]})

    receipt = apply(client, plan)

    assert receipt.counts == {"rejected": 4, "not_sent": 1} and "first chunk" in receipt.stopped


def test_one_bad_customer_ahead_of_small_chunks_does_not_stop_the_run(client, world):
    "Where a request takes one customer, the first one's refusal tells nothing of the others."
    plan = plan_for(client, {"vip": ["a-nobody", *PEOPLE[20:25]]})
    facts = {"unknown_uid_spoils_chunk": None, "largest_chunk": 1, "refused_chunk": 2, "visible_after": 0.0}
    words = dict.fromkeys(("duplicate_create", "unknown_uid", "repeated_add", "both_sides"), "accepted")
    fg.WriteCapabilities(client.tenant_uid, client.base_url, datetime.now(UTC), **words, **facts).save()

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 5, "rejected": 1} and not receipt.stopped


def test_fifty_refusals_stop_the_run(client, world):
    "Fifty single refusals end the run, and what was not tried is not sent."
    plan = plan_for(client, {"empty": PEOPLE[:100], "vip": [f"typo-{n:03d}" for n in range(120)]})

    receipt = apply(client, plan)

    assert receipt.counts["rejected"] == 50 and receipt.counts["not_sent"] == 70


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("cut_after", method="PUT")],
        [Fault("cut_before", method="PUT")],
        [Fault("status_after", method="PUT", status=500)],
        [Fault("status", method="PUT", status=503)],
        [Fault("status", method="PUT", status=429, retry_after="0", times=3)],
        [Fault("cut_after", method="PUT"), Fault("cut_before", method="PUT")],
        [Fault("cut_after", method="POST")],
        [Fault("status_after", method="POST", status=502)],
    ],
    ids=lambda faults: "+".join(f"{fault.kind}-{fault.method}" for fault in faults),
)
def test_unknown_outcomes_are_decided_by_reading(client, world, faults):
    "After a cut, a 5xx or a 429 the receipt tells what is true, and the world is as wanted."
    plan = plan_for(client, {"vip": PEOPLE[5:250], "new": ["c001"]}, mode="mirror", create={"new": "New"})
    world.misbehave(*faults)

    receipt = apply(client, plan)

    assert receipt.ok, receipt
    assert world.members("vip") == PEOPLE[5:250] and world.members("new") == ["c001"]


def test_too_large_chunks_are_halved(client, world):
    "A limit on uids per request is found by halving, and refuses nobody."
    world.misbehave(max_uids_per_put=30)

    receipt = apply(client, plan_for(client, {"vip": PEOPLE}))

    assert receipt.ok and world.members("vip") == PEOPLE


def test_a_write_that_shows_late_is_waited_for(client, world):
    "A change that the service shows only after a moment is verified."
    world.misbehave(lag_seconds=0.1)

    receipt = apply(client, plan_for(client, {"vip": ["c200"]}))

    assert receipt.counts == {"verified": 1}


def test_a_token_without_permission_is_an_error_before_anything_changes(client, world):
    "The first write refused with 403 raises, and the same plan can be applied later."
    plan = plan_for(client, {"vip": ["c200"]})
    powerless = fg.Client(world.tenant_uid, world.read_only_token, base_url=world.base_url, writable=True)

    with powerless, pytest.raises(ForbiddenError, match="CUSTOMER"):
        apply(powerless, plan)

    assert world.members("vip") == PEOPLE[:10] and apply(client, plan).ok


def test_a_permission_lost_in_the_middle_stops_resumably(client, world):
    "What was done stays told, the rest is not sent, and applying again goes on."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))

    receipt = apply(client, plan)
    again = apply(client, plan)

    assert receipt.counts == {"verified": 200, "not_sent": 90} and "401" in receipt.stopped
    assert again.counts == {"verified": 290} and again.ok


def test_applying_again_returns_the_receipt(client, world):
    "A finished plan is not sent twice, even when somebody changed the group since."
    plan = plan_for(client, {"vip": ["c200"]})
    receipt = apply(client, plan)
    world.remove_members("vip", ["c200"])
    world.clear_requests()

    again = apply(client, plan)

    assert again.counts == receipt.counts and world.requests() == []


class Crash(BaseException):
    """The process dies here."""


def test_a_crash_at_any_line_of_the_journal_loses_nothing(client, world, monkeypatch):
    "Whichever write to the journal is the last, applying again ends in the same world and the same counts."
    write = Journal.write
    wanted = {"vip": [*PEOPLE[5:230], "typo-1"], "new": ["c001"]}

    def dies_at(n, after):
        left = [n]

        def dying(self, event, **facts):
            left[0] -= 1
            if after or left[0] >= 0:
                write(self, event, **facts)
            if left[0] < 0:
                raise Crash

        return dying

    counted = 0
    for after in (False, True):
        for n in range(100):
            arrange(world, {"all": PEOPLE, "vip": PEOPLE[:10]})
            plan = plan_for(client, wanted, mode="mirror", create={"new": "New"})
            monkeypatch.setattr(Journal, "write", dies_at(n, after))
            try:
                apply(client, plan)
                finished = True
            except Crash:
                finished = False
            monkeypatch.setattr(Journal, "write", write)

            receipt = apply(client, plan)

            assert receipt.counts == {"verified": 221 + 5, "rejected": 1}, (n, after)
            assert world.members("vip") == PEOPLE[5:230] and world.members("new") == ["c001"]
            if finished:
                break
            counted += 1
            undo = apply(client, fg.plan_undo(receipt))
            assert undo.ok and world.members("vip") == PEOPLE[:10]
    assert counted > 30


def test_a_damaged_journal_is_refused(client, world, tmp_path):
    "A journal that was edited cannot tell what was sent, so nothing more is sent."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))
    apply(client, plan, journal=tmp_path)
    path = next(tmp_path.rglob("*.jsonl"))
    path.write_text(path.read_text().replace("c150", "c151", 1))

    with pytest.raises(CorruptFileError, match="altered"):
        apply(client, plan, journal=tmp_path)


def test_the_journal_holds_no_secret_and_no_contact(client, world, tmp_path):
    "Journal and receipt hold uids and the service's words, never the token."
    receipt = apply(client, plan_for(client, {"vip": [*PEOPLE[:40], "typo-1"]}), journal=tmp_path)

    text = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert world.token not in text and "@example" not in text
    assert fg.read_receipt(receipt.path).counts == receipt.counts
    assert [json.loads(line)["event"] for line in next(tmp_path.rglob("*.jsonl")).read_text().splitlines()][
        -1
    ] == "end"


def test_the_first_ctrl_c_stops_between_two_requests(client, world, monkeypatch):
    "The request in flight is finished, the rest is not sent, and applying again goes on."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    put, pressed = fg.Client.update_group_customers, []

    def press(self, *args, **sides):
        if not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
        put(self, *args, **sides)

    monkeypatch.setattr(fg.Client, "update_group_customers", press)

    receipt = apply(client, plan)

    assert "interrupted" in receipt.stopped and receipt.counts == {"verified": 200, "not_sent": 390}
    assert apply(client, plan).ok


def test_a_customer_who_may_not_join_keeps_the_group_that_the_plan_would_have_taken(client, world):
    "The run goes on with everybody else, ends complete, and says why the removal was left out."
    plan = plan_for(
        client, {"also": ["c001"], "vip": PEOPLE[2:10], "empty": ["c000"]}, mode="mirror", create={"also": "Also"}
    )
    world.misbehave(Fault("status", method="PUT", path="/empty/", status=400, times=None))

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 2, "rejected": 1, "not_sent": 1}
    assert receipt.complete and not receipt.stopped
    row = receipt.table().set_index(["customer_uid", "change"]).loc[("c000", "remove")]
    assert row["state"] == "not_sent" and row["detail"].startswith("kept in this group: the addition to empty")
    assert "c000" in world.members("vip") and "c001" not in world.members("vip")


def test_an_empty_plan_is_applied_by_doing_nothing(client, world):
    "A plan without changes ends well and sends no write."
    plan = plan_for(client, {"vip": PEOPLE[:10]})
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.ok and receipt.table().empty and writes(world) == []


def test_a_full_disk_stops_before_the_next_request(client, world, monkeypatch):
    "When the journal cannot take the next intent nothing more is sent, and applying again goes on."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    sync, left = os.fsync, [8]

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    receipt = apply(client, plan)
    monkeypatch.setattr(os, "fsync", sync)

    assert "No space left" in receipt.stopped and receipt.counts["not_sent"] > 0 and receipt.counts["verified"] > 0
    assert apply(client, plan).ok and world.members("vip") == world.members("empty") == PEOPLE


def test_a_disk_that_is_full_from_the_start_sends_nothing(client, world, monkeypatch):
    "A journal that cannot be created is an error, and no write was sent."
    plan = plan_for(client, {"vip": PEOPLE})
    world.clear_requests()

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(fg.FrgroupsError, match="No space left"):
        patched.setattr(os, "fsync", full)
        apply(client, plan)

    assert writes(world) == [] and apply(client, plan).ok


def test_one_lost_answer_does_not_make_the_rest_slow(client, world):
    "After a chunk whose answer was lost, but which is in effect, the next chunks are as large as before."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    world.misbehave(Fault("cut_after", method="PUT"))
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.ok and len(writes(world)) == 4


def test_429_without_a_wait(client, world, monkeypatch):
    "After Retry-After: 0 the request is repeated with backoff."
    monkeypatch.setattr("frgroups.apply.sender.RATE_LIMIT_POLICY", RetryPolicy(base=0.01))
    plan = plan_for(client, {"vip": ["c200"]})
    world.misbehave(Fault("status", method="PUT", status=429, retry_after="0", times=4))
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.ok and len(writes(world)) == 5


def test_a_service_that_goes_away_in_the_middle_leaves_a_receipt(world):
    "When not even reading works any more, the items are unknown, and applying again reads them."
    impatient = {"retry": RetryPolicy(max_attempts=1), "writable": True}
    with world.client(**impatient) as client:
        plan = plan_for(client, {"vip": PEOPLE})
        world.misbehave(
            Fault("cut_after", method="PUT"), Fault("status", method="GET", skip=1, times=None, status=503)
        )

        receipt = apply(client, plan)
        world.behave()
        again = apply(client, plan)

    assert receipt.stopped and receipt.counts["unknown"] == 200 and not receipt.ok
    assert again.ok and world.members("vip") == PEOPLE


def test_a_creation_whose_answer_was_lost_is_still_ours(world):
    "A group that was made without our hearing of it does not count as somebody else's when we go on."
    with world.client(retry=RetryPolicy(max_attempts=1), writable=True) as client:
        plan = plan_for(client, {"new": ["c001"]}, create={"new": "New"})
        world.misbehave(
            Fault("status_after", method="POST", status=502), Fault("status", method="GET", skip=1, status=503)
        )

        receipt = apply(client, plan)
        world.behave()
        again = apply(client, plan)

    assert receipt.stopped and receipt.counts == {"not_sent": 1}
    assert again.ok and world.members("new") == ["c001"]


def test_a_503_to_the_last_try_is_not_called_ineffective(client, world):
    "What the service never accepted is still to be sent, and is not told as accepted."
    plan = plan_for(client, {"vip": ["c200"]})
    world.misbehave(Fault("status", method="PUT", status=503, times=None))

    receipt = apply(client, plan)
    world.behave()

    assert receipt.counts == {"not_sent": 1} and "still not in effect" in receipt.stopped
    assert apply(client, plan).ok


def test_a_late_move_is_waited_for(client, world):
    "A customer who shows in the new group only after a moment leaves the old one all the same."
    world.misbehave(lag_seconds=0.08)

    receipt = apply(client, plan_for(client, {"vip": PEOPLE[1:10], "empty": ["c000"]}, mode="mirror"))

    assert receipt.counts == {"verified": 2}


def test_going_on_does_not_claim_what_others_did(client, world):
    "A change that somebody else made between two runs is already so, and the undo leaves it."
    plan = plan_for(client, {"vip": ["c200", "c201"]})
    world.misbehave(Fault("status", method="PUT", status=401))
    with pytest.raises(fg.FrgroupsError, match="401"):
        apply(client, plan)
    world.add_members("vip", ["c200"])

    receipt = apply(client, plan)
    apply(client, fg.plan_undo(receipt))

    assert receipt.counts == {"already": 1, "verified": 1}
    assert world.members("vip") == [*PEOPLE[:10], "c200"]


def test_drift_that_was_let_through_is_told(client, world):
    "The receipt says how many others joined and left since the plan was made."
    plan = plan_for(client, {"vip": ["c200"]})
    world.add_members("vip", ["c100"])
    world.remove_members("vip", ["c000"])

    receipt = apply(client, plan)

    assert receipt.drift == {"vip": (1, 1)} and "1 others joined vip and 1 left it" in receipt.summary()


def test_a_finished_plan_gives_its_receipt_whatever_the_approval(client, world, tmp_path):
    "The receipt of a plan that was applied is there for whoever asks, also after its approval ran out."
    plan = plan_for(client, {"vip": ["c200"]})
    path = fg.approve_plan(plan, tmp_path / "ok.json", by="Kari", valid_for=timedelta(seconds=0.3))
    receipt = fg.apply_plan(client, plan, approval=path)
    time.sleep(0.3)

    assert fg.apply_plan(client, plan, approval=path).counts == receipt.counts


def test_an_undo_of_yesterday_is_not_too_old(client, world):
    "An undo stands on the reading back of its own apply; a day later it is not blocked by its age."
    receipt = apply(client, plan_for(client, {"vip": ["c200"]}))

    undo = fg.plan_undo(replace(receipt, read_at=receipt.read_at - timedelta(hours=25)))

    assert not undo.blocked and apply(client, undo).ok


def test_a_group_that_cannot_be_read_back_does_not_hide_the_others(world):
    "One unreadable group is unknown; what the others show still counts, and the undo holds it."
    with world.client(retry=RetryPolicy(max_attempts=1), writable=True) as client:
        plan = plan_for(client, {"empty": ["c001"], "vip": ["c200"]})
        world.misbehave(Fault("status", method="GET", path="/empty/", skip=1, times=None, status=503))

        receipt = apply(client, plan)

    states = dict(zip(receipt.table()["customer_uid"], receipt.table()["state"], strict=True))
    assert states == {"c001": "unknown", "c200": "verified"} and "Reading back failed" in receipt.stopped
    assert fg.plan_undo(receipt).n_remove == 1


def test_a_move_that_shows_very_late_is_finished_by_applying_again(client, world):
    "A removal held because its addition did not show yet is sent when the plan is applied again."
    plan = plan_for(client, {"vip": PEOPLE[1:10], "empty": ["c000"]}, mode="mirror")
    world.misbehave(lag_seconds=0.6)

    receipt = apply(client, plan)
    time.sleep(0.7)
    world.behave()
    again = apply(client, plan)

    assert not receipt.complete and receipt.counts["not_sent"] == 1
    assert again.ok and "c000" not in world.members("vip")


def test_a_customer_who_leaves_two_groups_keeps_both_when_the_move_is_refused(client, world):
    "Every removal of a refused move is left out, not only the last, and nobody else's is."
    world.put_group("silver", "Silver")
    world.add_members("silver", PEOPLE[:10])
    wanted = {"vip": PEOPLE[2:10], "silver": PEOPLE[1:10], "empty": ["c000", "c050"], "also": ["c001"]}
    plan = plan_for(client, wanted, mode="mirror", create={"also": "Also"})
    world.misbehave(Fault("status", method="PUT", path="/empty/", status=400, times=2))

    receipt = apply(client, plan)

    assert (
        receipt.states["empty", "c000", "add"] == "rejected" and receipt.states["empty", "c050", "add"] == "verified"
    )
    assert "c000" in world.members("vip") and "c000" in world.members("silver")
    assert "c001" not in world.members("vip") and receipt.complete


def test_a_small_chunk_without_an_answer_does_not_slow_the_rest(client, world):
    "Only the chunk that failed is sent in smaller parts."
    plan = plan_for(client, {"empty": ["c001"], "vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=503))
    world.clear_requests()

    assert apply(client, plan).ok
    assert len(writes(world)) == 4


def test_an_invalid_response_is_followed_by_a_read(client, world):
    "A redirect after the work was done is no refusal: going on finds it done, and undo takes it back."
    plan = plan_for(client, {"vip": ["c200", "c201"]})
    world.misbehave(Fault("status_after", method="PUT", status=302))

    apply(client, plan)
    world.behave()
    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 2} and fg.plan_undo(receipt).n_remove == 2


def test_a_rejection_is_not_overwritten_by_an_approval(client, tmp_path):
    "Whoever approves what a colleague rejected has to take the rejection away first."
    plan = plan_for(client, {"vip": ["c200"]})
    path = fg.approve_plan(plan, tmp_path / "a.json", by="Kari", reject="wrong list")

    with pytest.raises(NotApprovedError, match=r"Kari rejected .*wrong list"):
        fg.approve_plan(plan, path, by="Ola")


def test_a_group_that_goes_away_in_the_middle_stops_the_run(client, world):
    "A group deleted between the preflight and its request ends the run with a word on that group."
    plan = plan_for(client, {"all": PEOPLE[:5], "empty": ["c001"], "vip": ["c200"]})
    world.misbehave(
        Fault("status", method="PUT", path="/vip/", status=404),
        Fault("status", method="GET", path="/vip", skip=1, status=404),
    )

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 1, "not_sent": 1} and "404" in receipt.stopped


def test_an_undone_plan_is_not_resumed(client, world):
    "After its undo was sent, applying the plan again would do what was undone; a new plan of the same may."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    stopped = apply(client, plan)
    world.behave()
    assert stopped.counts["verified"] and stopped.counts["not_sent"]
    undo = fg.plan_undo(stopped)
    assert apply(client, undo).ok
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match=f"undone by plan {undo.digest[:12]}"):
        apply(client, plan)

    assert writes(world) == [] and world.members("empty") == []
    assert apply(client, plan_for(client, {"empty": PEOPLE[:20]})).ok


def test_an_undo_that_was_refused_takes_nothing_back(client, world):
    "The plan can be gone on with as long as nothing of its undo was sent."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    stopped = apply(client, plan)
    world.behave()
    world.add_members("empty", PEOPLE[100:140])
    with pytest.raises(DriftError):
        apply(client, fg.plan_undo(stopped))

    with pytest.raises(DriftError):
        apply(client, plan)
    world.remove_members("empty", PEOPLE[100:140])
    assert apply(client, plan).ok


def test_an_approval_that_ended_before_anything_was_sent_is_asked_for_again(client, world, tmp_path):
    "A run that failed in its first readings has sent nothing, so it holds no approval open."
    plan = plan_for(client, {"empty": PEOPLE[:5]})
    path = fg.approve_plan(plan, tmp_path / "ok.json", by="Kari", valid_for="1s")
    world.misbehave(Fault("status", method="GET", status=500, times=None))
    with pytest.raises(fg.errors.ServerError, match=r"Nothing was sent\."):
        fg.apply_plan(client, plan, approval=path)
    world.behave()
    time.sleep(1.1)

    with pytest.raises(NotApprovedError, match="was valid until"):
        fg.apply_plan(client, plan, approval=path)

    assert writes(world) == []


def test_what_a_later_reading_cannot_tell_an_earlier_one_does(client, world):
    "A group that was read back once is not unknown because a second look failed."
    plan = plan_for(client, {"vip": [*PEOPLE[:12], "nobody"]})
    world.misbehave(
        Fault("status", method="GET", path="/vip/", status=500, skip=2, times=None), unknown_uids="ignore"
    )

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 2, "not_effective": 1} and "Reading back failed" in receipt.stopped


def test_an_undo_of_nothing_takes_nothing_back(client, world):
    "Where no reading could tell what was done there is nothing to undo, and the plan can be gone on with."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="GET", path="/empty/", status=500, skip=1, times=None))
    undo = fg.plan_undo(apply(client, plan))
    world.behave()

    assert undo.is_empty and apply(client, undo).ok
    assert apply(client, plan).ok


def test_a_group_that_was_not_made_yet_is_not_read_back(client, world):
    "Why the run stopped is all there is to tell; that a group is not there is no failure."
    plan = plan_for(client, {"a": PEOPLE[:5], "b": PEOPLE[:5]}, create={"a": "A", "b": "B"})
    world.misbehave(Fault("status", method="POST", status=401, skip=1, times=None))

    receipt = apply(client, plan)

    assert receipt.counts == {"not_sent": 10} and receipt.created == {"a"}
    assert "401" in receipt.stopped and "Reading back" not in receipt.stopped


def test_an_undo_knows_its_customers_but_not_their_groups(client, world):
    "From the receipt's file, so that who approves the undo sees whom it is about; the plan has changed the groups."
    world.put_customers([{"customerUid": "c200", "externalId": "E-200", "customerType": "EMPLOYEE"}])
    receipt = apply(client, plan_for(client, {"vip": ["c200"]}, purpose="the spring letter"))

    [row] = fg.plan_undo(fg.read_receipt(receipt.path)).customer_facts().reset_index().to_dict("records")

    assert (row["customer_uid"], row["external_id"], row["customer_type"]) == ("c200", "E-200", "EMPLOYEE")
    assert row["groups_now"] == ""
    assert fg.plan_undo(receipt).purpose == "to undo: the spring letter"


def test_a_second_undo_says_that_it_is_one(client, world):
    "Whom others put back in since would be taken out by it, and a finding tells."
    receipt = apply(client, plan_for(client, {"vip": PEOPLE[:12]}))
    undo = fg.plan_undo(receipt)
    assert apply(client, undo).ok and undo.findings == ()

    again = fg.plan_undo(receipt)

    assert [one.rule for one in again.findings] == ["already_undone"]
    assert "An undo of the same plan was sent before" in again.summary() and undo.digest[:12] not in again.summary()


def test_an_undo_says_what_it_cannot_take_back(client, world):
    "Changes that no reading could confirm are counted by group, and an undo of nothing else says so."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="GET", path="/empty/", status=500, skip=1, times=None))
    receipt = apply(client, plan)
    world.behave()

    undo = fg.plan_undo(receipt)

    assert receipt.counts == {"unknown": 20} and undo.is_empty
    assert [one.rule for one in undo.findings] == ["not_finalized"]
    assert undo.summary().startswith("Nothing to take back") and "20 changes of EMPTY were sent" in undo.summary()
    assert fg.plan_undo(fg.finalize_plan(client, plan)).n_remove == 20


def test_what_was_turned_away_and_done_by_somebody_else_is_not_ours(client, world):
    "A request that got a 401 did nothing: who is a member by then stays one when the plan is undone."
    plan = plan_for(client, {"empty": PEOPLE[:2], "vip": PEOPLE[:12]})
    world.misbehave(Fault("status", method="PUT", path="/vip/", status=401, times=None))
    receipt = apply(client, plan)
    world.add_members("vip", ["c010", "c011"])
    world.behave()

    finalized = fg.finalize_plan(client, plan)

    assert receipt.counts == {"verified": 2, "not_sent": 2}
    assert finalized.counts == {"verified": 2, "already": 2}
    assert fg.plan_undo(finalized).n_remove == 2


def test_a_group_that_the_plan_made_and_somebody_deleted_is_drift(client, world):
    "Going on would meet a 404 each time; it is told as what it is."
    plan = plan_for(client, {"new": PEOPLE[:20]}, create={"new": "New"})
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    assert apply(client, plan).counts["verified"] == 10
    world.behave()
    world.delete_group("new")

    with pytest.raises(DriftError, match=r"New \(new\) does not exist any more"):
        apply(client, plan)


def test_fifty_refusals_end_a_plan_however_often_it_is_applied(client, world):
    "Going on after the stop sends no second fifty to be refused."
    bad = [f"x-{n:03d}" for n in range(170)]
    plan = plan_for(client, {"empty": [PEOPLE[0], *bad]})
    first = apply(client, plan)

    second = apply(client, plan)

    assert first.counts["rejected"] == 50 and second.counts["rejected"] <= 51
    assert "Find out why, and make a new plan without them." in second.stopped


def test_a_run_that_is_interrupted_before_it_sends_says_so(client, world, monkeypatch):
    "It was not started, or not resumed, and the input is not wrong."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    read = GroupReader.read

    def press(self, group_uid):
        signal.raise_signal(signal.SIGINT)
        return read(self, group_uid)

    monkeypatch.setattr(GroupReader, "read", press)

    with pytest.raises(fg.errors.ApplyAbortedError, match=r"was not started: interrupted .* Nothing was sent\."):
        apply(client, plan)

    monkeypatch.undo()
    assert apply(client, plan).ok and not isinstance(fg.errors.ApplyAbortedError(""), ValueError)


def test_ctrl_c_does_not_wait_for_every_group_that_customers_move_to(client, world, monkeypatch):
    "The group in hand is read, the next one is not, and nobody is taken out of any."
    world.put_group("silver", "Silver")
    plan = plan_for(client, {"empty": ["c000"], "silver": ["c001"], "vip": PEOPLE[2:10]}, mode="mirror")
    look, looked = GroupReader.members_until, []

    def press(self, group_uid, change, uids):
        looked.append(group_uid)
        signal.raise_signal(signal.SIGINT)
        return look(self, group_uid, change, uids)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(GroupReader, "members_until", press)
        receipt = apply(client, plan)

    assert looked == ["empty"] and "interrupted" in receipt.stopped
    assert receipt.counts == {"verified": 2, "not_sent": 2} and apply(client, plan).ok


def test_the_progress_of_an_apply_comes_to_its_end(client, world):
    "What is true already, or was sent by an earlier run, counts as done: each run is told up to the last change."
    plan = plan_for(client, {"vip": PEOPLE[:30]})
    world.add_members("vip", ["c010"])
    world.misbehave(Fault("status", method="PUT", path="/vip/", status=401, skip=2, times=None), max_uids_per_put=10)
    first, second = [], []

    apply(client, plan, progress=lambda *told: first.append(told))
    world.behave()
    apply(client, plan, progress=lambda *told: second.append(told))

    assert 1 < first[-1][1] < 20 and second[-1] == ("Applying", 20, 20)
