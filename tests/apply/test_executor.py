"""Test `apply_plan` over HTTP: checks before the first change, faults during a run, and resumed runs."""

import json
import os
import pickle
import re
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply import executor as applying
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.interrupts import TERMINATION_SIGNALS
from frgroups.apply.journal import Journal
from frgroups.cli.command_ending import termination_as_interrupt
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
from tests.examples import at_most

OPEN = fg.Limits(
    removals_per_group=None,
    removal_share=None,
    removals_total=None,
    removal_share_total=None,
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
    """Return a tenant with a group of all customers, a group of ten customers, and a group without members."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    monkeypatch.setattr("frgroups.api.retry.MIN_RATE", 1e9)  # Status 429 does not slow down the following requests.
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


def test_apply_and_undo(client, world):
    "A plan with a new group, additions, and removals is applied and undone. The new group is not deleted."
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


@at_most(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=groups, wanted=groups, mode=st.sampled_from(["mirror", "add", "keep_only"]))
def test_round_trip(tenant, before, wanted, mode):
    "Applying a plan results in the desired groups, so that the next plan is empty. An undo restores the groups."
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


def test_digest_is_reproducible(client):
    "Two plans with the same groups and changes have the same digest."
    assert plan_for(client, {"vip": ["c200"]}).digest == plan_for(client, {"vip": ["c200"]}).digest


@pytest.mark.parametrize("approve", ["0" * 64, "0" * 12, "abc", "no such file.json"])
def test_invalid_approval(client, world, approve):
    "If the approval is a wrong digest, a short digest, or a missing file, NotApprovedError is raised."
    plan = plan_for(client, {"vip": ["c200"]})
    world.clear_requests()

    with pytest.raises(NotApprovedError):
        fg.apply_plan(client, plan, approval=approve)

    assert world.requests() == []


def test_errors_state_that_nothing_was_sent(client, world, tmp_path):
    "Each error before the first change states exactly once that nothing was sent."
    plan = plan_for(client, {"vip": ["c200"]})
    blocked = plan_for(client, {"vip": ["c200"]}, limits=fg.Limits(additions_total=0))
    (tmp_path / "file").write_text("")
    messages = []

    for rejected, approve, options in [
        (plan, "0" * 64, {}),
        (blocked, blocked.digest, {}),
        (plan, plan.digest, {"journal": tmp_path / "file"}),
    ]:
        with pytest.raises(fg.FrgroupsError) as error:
            fg.apply_plan(client, rejected, approval=approve, **options)
        messages.append(str(error.value))
    with tenant_lock(client.tenant_uid, client.base_url, "another"), pytest.raises(LockedError) as locked:
        apply(client, plan)
    world.add_members("vip", PEOPLE[20:60])
    with pytest.raises(DriftError) as drifted:
        apply(client, plan)

    path = fg.home() / "probes" / f"{tenant_folder(client.tenant_uid, client.base_url)}.json"
    write_checksummed(path, "write capabilities", {})
    with pytest.raises(CorruptFileError) as corrupt:
        apply(client, plan)
    path.unlink()

    messages += [str(locked.value), str(drifted.value), str(corrupt.value)]
    assert [text.count("Nothing was sent.") for text in messages] == [1] * 6
    assert corrupt.value.path == path
    assert pickle.loads(pickle.dumps(drifted.value)).message == drifted.value.message
    assert writes(world) == []


def test_digest_prefix(client):
    "The first 12 digits of a plan's digest are a valid approval."
    plan = plan_for(client, {"vip": ["c200"]})

    assert fg.apply_plan(client, plan, approval=plan.digest[:12]).ok


def test_approval_file(client, world, tmp_path):
    "An approval file is valid only for its plan, and a rejection blocks the plan until it is withdrawn."
    plan, other = plan_for(client, {"vip": ["c200"]}), plan_for(client, {"vip": ["c201"]})
    approval = fg.approve_plan(plan, tmp_path / "yes.json", by="Kari")
    rejection = fg.approve_plan(plan, tmp_path / "no.json", by="Kari", reject="too many")

    with pytest.raises(NotApprovedError, match=other.digest[:12]):
        fg.apply_plan(client, other, approval=approval)
    for path in (rejection, approval):
        with pytest.raises(NotApprovedError, match="too many"):
            fg.apply_plan(client, plan, approval=path)
    fg.withdraw_rejection(plan, by="Kari")
    with pytest.raises(NotApprovedError, match="withdrawn"):
        fg.apply_plan(client, plan, approval=approval)
    receipt = fg.apply_plan(client, plan, approval=fg.approve_plan(plan, tmp_path / "new.json", by="Kari"))

    assert receipt.ok and receipt.approval["by"] == "Kari"


def test_rejection_advice(client, world, tmp_path):
    "The error for a rejected plan first states that nothing was sent, and then how to withdraw the rejection."
    plan = plan_for(client, {"vip": ["c200"]})
    approval = fg.approve_plan(plan, tmp_path / "yes.approval.json", by="Kari")
    fg.approve_plan(plan, tmp_path / "no.approval.json", by="Kari", reject="too many")

    with pytest.raises(NotApprovedError, match="too many") as rejected:
        fg.apply_plan(client, plan, approval=approval)

    text = str(rejected.value)
    assert text.count("Nothing was sent.") == 1
    assert text.index("Nothing was sent.") < text.index("withdraw_rejection")


def test_blocked_plan(client, world):
    "A plan that exceeds a limit is rejected before a request is sent, and the error contains both numbers."
    plan = plan_for(client, {"vip": PEOPLE[:2]}, mode="mirror", limits=fg.Limits())
    world.clear_requests()

    with pytest.raises(PlanBlockedError) as caught:
        apply(client, plan)

    [finding] = caught.value.findings
    assert finding.rule == "removals_per_group" and finding.message in str(caught.value)
    assert {"8", "10"} <= set(re.findall(r"\d+", finding.message))
    assert world.requests() == []


def test_limits_of_current_members(client, world):
    "A plan is blocked if it would empty a group because other clients have removed members."
    plan = plan_for(
        client, {"vip": PEOPLE[5:10]}, mode="mirror", limits=replace(OPEN, emptied_groups=0, drift_share=None)
    )
    world.remove_members("vip", PEOPLE[5:10])
    world.clear_requests()

    with pytest.raises(PlanBlockedError) as caught:
        apply(client, plan)

    assert [finding.rule for finding in caught.value.findings] == ["emptied_groups"]
    assert writes(world) == []


def test_plan_max_age(client, world):
    "A plan that is older than `plan_max_age` is blocked."
    plan = replace(plan_for(client, {"vip": ["c200"]}), planned_at=datetime.now(UTC) - timedelta(days=8))
    plan = replace(plan, snapshot_taken_at=plan.planned_at)

    with pytest.raises(PlanBlockedError, match=r"\b8\b") as caught:
        apply(client, plan)

    assert [finding.rule for finding in caught.value.findings] == ["plan_max_age"]


def test_wrong_tenant(client, world):
    "A plan for another tenant or host and a read-only client are rejected before a request is sent."
    plan = plan_for(client, {"vip": ["c200"]})
    world.clear_requests()

    for changed in ({"tenant_uid": "other"}, {"base_url": "https://api.example.test/v2"}, {"base_url": None}):
        with pytest.raises(WrongTenantError) as wrong:
            apply(client, replace(plan, **changed))
        needed = ("FRGROUPS_TENANT_UID", "FRGROUPS_BASE_URL", "--tenant") if None not in changed.values() else ()
        assert [name for name in needed if name not in wrong.value.cli_text] == []
    with world.client() as reader, pytest.raises(NotWritableError):
        apply(reader, plan)

    assert world.requests() == []


def test_configured_tenant_of_the_plan(client, world, home_folder):
    "If tenants.toml contains the tenant and the host of a plan, the error of another client names this tenant."
    path, url = home_folder / "tenants.toml", "https://api.example.test/v2"
    tables = (
        f'["{name}"]\ntenant_uid = "{name[:3]}"\nhost = "{url}"\ntoken_command = "x"\n'
        for name in ("t-1 no", "t-2 se")
    )
    path.write_text("".join(tables))
    path.chmod(0o600)
    plan = replace(plan_for(client, {"vip": ["c200"]}), tenant_uid="t-2", base_url=url)

    with pytest.raises(WrongTenantError) as caught:
        apply(client, plan)

    assert "--tenant 't-2 se'" in caught.value.cli_text and "FRGROUPS_BASE_URL" not in caught.value.cli_text


def test_locked_tenant(client, world):
    "If the tenant is locked, the error contains the process id of the lock holder."
    plan = plan_for(client, {"vip": ["c200"]})
    world.clear_requests()

    with (
        tenant_lock(client.tenant_uid, client.base_url, "plan"),
        pytest.raises(LockedError, match=rf"\b{os.getpid()}\b"),
    ):
        apply(client, plan)

    assert world.requests() == [] and apply(client, plan).ok


@pytest.mark.parametrize("joined, drifted", [(1, False), (2, False), (3, True)])
def test_drift_limit(client, world, joined, drifted):
    "Up to `drift_floor` changes by other clients are allowed. Changes that the plan contains do not count."
    plan = plan_for(client, {"vip": [*PEOPLE[:10], "c200"]}, limits=fg.Limits())
    world.add_members("vip", [*PEOPLE[100 : 100 + joined], "c200"])
    world.clear_requests()

    if drifted:
        with pytest.raises(DriftError, match=r"\b3 members\b.*\b2 changes\b") as caught:
            apply(client, plan)
        assert caught.value.groups == ["vip"]
        assert writes(world) == []
    else:
        assert apply(client, plan).counts == {"already": 1}


def test_deleted_or_existing_group(client, world):
    "DriftError is raised if a group was deleted or if a group that the plan creates already exists."
    changed = plan_for(client, {"vip": ["c200"]})
    created = plan_for(client, {"new": ["c200"]}, create={"new": "New"})
    world.delete_group("vip")
    world.put_group("new", "Created by others")
    world.clear_requests()

    with pytest.raises(DriftError, match="vip"):
        apply(client, changed)
    with pytest.raises(DriftError, match="new"):
        apply(client, created)

    assert writes(world) == []


def test_changes_by_others_remain(client, world):
    "A change that another client made after the plan was created is not reverted by an undo."
    plan = plan_for(client, {"vip": ["c200"]})
    world.add_members("vip", ["c100"])

    receipt = apply(client, plan)
    apply(client, fg.plan_undo(receipt))

    assert world.members("vip") == [*PEOPLE[:10], "c100"]


def test_unknown_customers(client, world):
    "Unknown customers are found by bisection and rejected, and all other customers are added."
    plan = plan_for(client, {"vip": [*PEOPLE, "typo-1", "typo-2"]})
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 290, "rejected": 2} and not receipt.ok and receipt.complete
    assert set(receipt.table().query("state == 'rejected'")["customer_uid"]) == {"typo-1", "typo-2"}
    assert len(writes(world)) <= 2 + (1 + 2 * 2 * 8)
    assert receipt.table()["detail"].str.contains("do not exist").sum() == 2


def test_ignored_customers(client, world):
    "If the server accepts a customer without adding the customer, the change has the state `not_effective`."
    world.misbehave(unknown_uids="ignore")

    receipt = apply(client, plan_for(client, {"vip": ["c200", "typo-1"]}))

    assert receipt.counts == {"verified": 1, "not_effective": 1}


def test_rejected_first_chunk(client, world):
    "If the server rejects all customers that are sent first, the run stops."
    plan = plan_for(client, {"empty": [f"typo-{n}" for n in range(4)], "vip": ["c200"]})

    receipt = apply(client, plan)

    assert receipt.counts == {"rejected": 4, "not_sent": 1} and "do not exist" in receipt.stopped


def test_rejected_first_chunk_of_one(client, world):
    "If each request contains one customer, one rejected customer does not stop the run."
    plan = plan_for(client, {"vip": ["a-typo", *PEOPLE[20:25]]})
    numbers = {"unknown_uid_spoils_chunk": None, "largest_chunk": 1, "refused_chunk": 2, "visible_after": 0.0}
    responses = dict.fromkeys(("duplicate_create", "unknown_uid", "repeated_add", "both_sides"), "accepted")
    fg.WriteCapabilities(client.tenant_uid, client.base_url, datetime.now(UTC), **responses, **numbers).save()

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 5, "rejected": 1} and not receipt.stopped


def test_max_rejected(client, world):
    "A run stops after the server has rejected 50 customers."
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
def test_unknown_results_are_read_back(client, world, faults):
    "After a lost response or a response with status 429 or 5xx, the plan is fully applied."
    plan = plan_for(client, {"vip": PEOPLE[5:250], "new": ["c001"]}, mode="mirror", create={"new": "New"})
    world.misbehave(*faults)

    receipt = apply(client, plan)

    assert receipt.ok, receipt
    assert world.members("vip") == PEOPLE[5:250] and world.members("new") == ["c001"]


def test_chunk_too_large(client, world):
    "If a request contains too many customers, it is divided in half and no customer is rejected."
    world.misbehave(max_uids_per_put=30)

    receipt = apply(client, plan_for(client, {"vip": PEOPLE}))

    assert receipt.ok and world.members("vip") == PEOPLE


def test_late_effect(client, world):
    "A change that takes effect after a delay is verified."
    world.misbehave(lag_seconds=0.1)

    receipt = apply(client, plan_for(client, {"vip": ["c200"]}))

    assert receipt.counts == {"verified": 1}


def test_missing_permission(client, world):
    "If the token has no write permission, ForbiddenError is raised and the plan can be applied later."
    plan = plan_for(client, {"vip": ["c200"]})
    powerless = fg.Client(world.tenant_uid, world.read_only_token, base_url=world.base_url, writable=True)

    with powerless, pytest.raises(ForbiddenError, match="CUSTOMER"):
        apply(powerless, plan)

    assert world.members("vip") == PEOPLE[:10] and apply(client, plan).ok


def test_permission_lost_during_run(client, world):
    "If the token is rejected during a run, the receipt contains the finished changes and the plan can be resumed."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))

    receipt = apply(client, plan)
    again = apply(client, plan)

    assert receipt.counts == {"verified": 200, "not_sent": 90} and "401" in receipt.stopped
    assert again.counts == {"verified": 290} and again.ok


def test_apply_again(client, world):
    "A fully applied plan is not sent again, even if another client has changed the group."
    plan = plan_for(client, {"vip": ["c200"]})
    receipt = apply(client, plan)
    world.remove_members("vip", ["c200"])
    world.clear_requests()

    again = apply(client, plan)

    assert again.counts == receipt.counts and world.requests() == []


class Crash(BaseException):
    """Exception that simulates a crash of the process."""


@pytest.mark.slow
def test_crash_at_journal_lines(client, world, monkeypatch):
    "If a run crashes at any line of its journal, resuming the run leads to the same result."
    write = Journal.write
    wanted = {"vip": [*PEOPLE[5:230], "typo-1"], "new": ["c001"]}

    def crash_at(n, after):
        left = [n]

        def write_and_crash(self, event, **facts):
            left[0] -= 1
            if after or left[0] >= 0:
                write(self, event, **facts)
            if left[0] < 0:
                raise Crash

        return write_and_crash

    counted = 0
    for after in (False, True):
        for n in range(100):
            arrange(world, {"all": PEOPLE, "vip": PEOPLE[:10]})
            plan = plan_for(client, wanted, mode="mirror", create={"new": "New"})
            monkeypatch.setattr(Journal, "write", crash_at(n, after))
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


def test_corrupt_journal(client, world, tmp_path):
    "If a line in a journal was altered, CorruptFileError with the path of the journal is raised."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))
    apply(client, plan, journal=tmp_path)
    path = next(tmp_path.rglob("*.jsonl"))
    path.write_text(path.read_text().replace("c150", "c151", 1))

    with pytest.raises(CorruptFileError, match=r"\bline \d+\b") as caught:
        apply(client, plan, journal=tmp_path)

    assert caught.value.path == path


def test_no_secrets_in_journal(client, world, tmp_path):
    "The journal and the receipt contain neither the token nor contact data."
    receipt = apply(client, plan_for(client, {"vip": [*PEOPLE[:40], "typo-1"]}), journal=tmp_path)

    text = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert world.token not in text and "@example" not in text
    assert fg.read_receipt(receipt.path).counts == receipt.counts
    assert [json.loads(line)["event"] for line in next(tmp_path.rglob("*.jsonl")).read_text().splitlines()][
        -1
    ] == "end"


def send_signal_once(monkeypatch, number):
    """Send a signal to this process before the first membership request."""
    put, sent = fg.Client.update_group_customers, []

    def interrupt(self, *args, **sides):
        if not sent:
            sent.append(True)
            signal.raise_signal(number)
        put(self, *args, **sides)

    monkeypatch.setattr(fg.Client, "update_group_customers", interrupt)


@pytest.mark.parametrize("number", [signal.SIGINT, *TERMINATION_SIGNALS])
def test_interrupt(client, world, monkeypatch, number):
    "The first Ctrl-C, SIGTERM, or SIGHUP stops the run after the current request, and the plan can be resumed."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    send_signal_once(monkeypatch, number)

    with termination_as_interrupt():  # Without the handler of apply, the signal raises KeyboardInterrupt.
        handler = signal.getsignal(number)
        receipt = apply(client, plan)
        assert signal.getsignal(number) == handler == signal.default_int_handler

    assert "interrupted" in receipt.stopped and receipt.counts == {"verified": 200, "not_sent": 390}
    assert receipt.path.exists() and apply(client, plan).ok


@pytest.mark.parametrize("number", [signal.SIGINT, *TERMINATION_SIGNALS])
def test_ignored_signal(client, world, monkeypatch, number):
    "A signal that is ignored, for example because of nohup, does not stop the run."
    plan = plan_for(client, {"vip": PEOPLE[:11]})
    send_signal_once(monkeypatch, number)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert apply(client, plan).ok
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_rejected_move(client, world):
    "If a moved customer cannot be added to the new group, the removal from the old group is not sent."
    plan = plan_for(
        client, {"also": ["c001"], "vip": PEOPLE[2:10], "empty": ["c000"]}, mode="mirror", create={"also": "Also"}
    )
    world.misbehave(Fault("status", method="PUT", path="/empty/", status=400, times=None))

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 2, "rejected": 1, "not_sent": 1}
    assert receipt.complete and not receipt.stopped
    row = receipt.table().set_index(["customer_uid", "change"]).loc[("c000", "remove")]
    assert row["state"] == "not_sent" and "empty" in row["detail"]
    assert "c000" in world.members("vip") and "c001" not in world.members("vip")


def test_empty_plan(client, world):
    "Applying an empty plan returns a receipt and sends no changes."
    plan = plan_for(client, {"vip": PEOPLE[:10]})
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.ok and receipt.table().empty and writes(world) == []


def test_disk_full_during_run(client, world, monkeypatch):
    "If the journal cannot be written during a run, no further change is sent and the plan can be resumed."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    sync, left = os.fsync, [8]

    def fail_when_full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fail_when_full)
    receipt = apply(client, plan)
    monkeypatch.setattr(os, "fsync", sync)

    assert "No space left" in receipt.stopped and receipt.counts["not_sent"] > 0 and receipt.counts["verified"] > 0
    assert apply(client, plan).ok and world.members("vip") == world.members("empty") == PEOPLE


def test_disk_full_at_start(client, world, monkeypatch):
    "If the journal cannot be created, an error is raised and no change is sent."
    plan = plan_for(client, {"vip": PEOPLE})
    world.clear_requests()

    def fail(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(fg.FrgroupsError, match="No space left"):
        patched.setattr(os, "fsync", fail)
        apply(client, plan)

    assert writes(world) == [] and apply(client, plan).ok


def test_chunk_size_after_lost_response(client, world):
    "If a response is lost but the changes are in effect, later requests contain as many customers as before."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    world.misbehave(Fault("cut_after", method="PUT"))
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.ok and len(writes(world)) == 4


def test_429_without_a_wait(client, world, monkeypatch):
    "After a 429 response with a Retry-After delay of 0 s, the request is repeated with backoff."
    monkeypatch.setattr("frgroups.apply.sender.RATE_LIMIT_POLICY", RetryPolicy(base=0.01))
    plan = plan_for(client, {"vip": ["c200"]})
    world.misbehave(Fault("status", method="PUT", status=429, retry_after="0", times=4))
    world.clear_requests()

    receipt = apply(client, plan)

    assert receipt.ok and len(writes(world)) == 5


def test_server_unavailable_during_run(world):
    "If the server becomes unavailable during a run, the sent changes are unknown until the plan is resumed."
    with world.client(retry=RetryPolicy(max_attempts=1), writable=True) as client:
        plan = plan_for(client, {"vip": PEOPLE})
        world.misbehave(
            Fault("cut_after", method="PUT"), Fault("status", method="GET", skip=2, times=None, status=503)
        )

        receipt = apply(client, plan)
        world.behave()
        again = apply(client, plan)

    assert receipt.stopped and receipt.counts["unknown"] == 200 and not receipt.ok
    assert again.ok and world.members("vip") == PEOPLE


def test_creation_without_response(world):
    "If the creation of a group received no valid response, the resumed plan does not report the group as drift."
    with world.client(retry=RetryPolicy(max_attempts=1), writable=True) as client:
        plan = plan_for(client, {"new": ["c001"]}, create={"new": "New"})
        world.misbehave(
            Fault("status_after", method="POST", status=502), Fault("status", method="GET", skip=2, status=503)
        )

        receipt = apply(client, plan)
        world.behave()
        again = apply(client, plan)

    assert receipt.stopped and receipt.counts == {"not_sent": 1}
    assert again.ok and world.members("new") == ["c001"]


def test_unavailable_for_all_attempts(client, world):
    "A change that the server never accepted has the state `not_sent` instead of `not_effective`."
    plan = plan_for(client, {"vip": ["c200"]})
    world.misbehave(Fault("status", method="PUT", status=503, times=None))

    receipt = apply(client, plan)
    world.behave()

    assert receipt.counts == {"not_sent": 1} and re.search(r"503\b.*\b3 times", receipt.stopped)
    assert apply(client, plan).ok


def test_late_move(client, world):
    "If the addition to the new group takes effect with a delay, the removal from the old group is sent afterwards."
    world.misbehave(lag_seconds=0.08)

    receipt = apply(client, plan_for(client, {"vip": PEOPLE[1:10], "empty": ["c000"]}, mode="mirror"))

    assert receipt.counts == {"verified": 2}


def test_resume_after_change_by_others(client, world):
    "A change that another client made before the plan was resumed has the state `already` and is not undone."
    plan = plan_for(client, {"vip": ["c200", "c201"]})
    world.misbehave(Fault("status", method="PUT", status=401))
    with pytest.raises(fg.FrgroupsError, match="401"):
        apply(client, plan)
    world.add_members("vip", ["c200"])

    receipt = apply(client, plan)
    apply(client, fg.plan_undo(receipt))

    assert receipt.counts == {"already": 1, "verified": 1}
    assert world.members("vip") == [*PEOPLE[:10], "c200"]


def test_drift_in_receipt(client, world):
    "The receipt contains the number of changes outside the plan, and does not claim that other users made them."
    plan = plan_for(client, {"vip": ["c200"]})
    world.add_members("vip", ["c100"])
    world.remove_members("vip", ["c000"])

    receipt = apply(client, plan)

    assert receipt.drift == {"vip": (1, 1)} and re.search(
        r"\b1 addition\b.*\b1 removal\b.*\bnot part of this plan\b.*\bVIP\b", receipt.summary()
    )
    assert not re.search(r"other (clients|users)", receipt.summary())


def test_receipt_after_expiry(client, world, tmp_path):
    "The receipt of a fully applied plan is returned after its approval has expired."
    plan = plan_for(client, {"vip": ["c200"]})
    path = fg.approve_plan(plan, tmp_path / "ok.json", by="Kari", valid_for=timedelta(seconds=0.3))
    receipt = fg.apply_plan(client, plan, approval=path)
    time.sleep(0.3)

    assert fg.apply_plan(client, plan, approval=path).counts == receipt.counts


def test_undo_one_day_later(client, world):
    "An undo plan is not blocked because of its age one day after the original plan was applied."
    receipt = apply(client, plan_for(client, {"vip": ["c200"]}))

    undo = fg.plan_undo(replace(receipt, read_at=receipt.read_at - timedelta(hours=25)))

    assert not undo.blocked and apply(client, undo).ok


def test_one_group_not_readable(world):
    "If one group cannot be read after its change, the changes of the other groups are verified and can be undone."
    with world.client(retry=RetryPolicy(max_attempts=1), writable=True) as client:
        plan = plan_for(client, {"empty": ["c001"], "vip": ["c200"]})
        world.misbehave(Fault("status", method="GET", path="/empty/", skip=1, times=None, status=503))

        receipt = apply(client, plan)

    states = dict(zip(receipt.table()["customer_uid"], receipt.table()["state"], strict=True))
    assert states == {"c001": "unknown", "c200": "verified"} and "503" in receipt.stopped
    assert fg.plan_undo(receipt).n_remove == 1


def test_very_late_move(client, world):
    "If an addition takes effect too late, the removal of the moved customer is sent when the plan is applied again."
    plan = plan_for(client, {"vip": PEOPLE[1:10], "empty": ["c000"]}, mode="mirror")
    world.misbehave(lag_seconds=0.6)

    receipt = apply(client, plan)
    time.sleep(0.7)
    world.behave()
    again = apply(client, plan)

    assert not receipt.complete and receipt.counts["not_sent"] == 1
    assert again.ok and "c000" not in world.members("vip")


def test_rejected_move_from_two_groups(client, world):
    "If a customer who is moved out of two groups is rejected, the customer remains in both groups."
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


def test_chunk_size_after_server_error(client, world):
    "After a server error, only the customers of the failed request are sent in smaller requests."
    plan = plan_for(client, {"empty": ["c001"], "vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=503))
    world.clear_requests()

    assert apply(client, plan).ok
    assert len(writes(world)) == 4


def test_invalid_response(client, world):
    "If the response to a change is a redirect, the resumed plan verifies the change, and an undo reverts the change."
    plan = plan_for(client, {"vip": ["c200", "c201"]})
    world.misbehave(Fault("status_after", method="PUT", status=302))

    apply(client, plan)
    world.behave()
    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 2} and fg.plan_undo(receipt).n_remove == 2


def test_rejection_is_not_overwritten(client, tmp_path):
    "`approve_plan` does not replace a rejection file with an approval."
    plan = plan_for(client, {"vip": ["c200"]})
    path = fg.approve_plan(plan, tmp_path / "a.json", by="Kari", reject="wrong list")

    with pytest.raises(NotApprovedError, match=r"Kari .*wrong list"):
        fg.approve_plan(plan, path, by="Ola")


def test_group_deleted_during_run(client, world):
    "If a group is deleted during a run, the run stops and the receipt contains status 404."
    plan = plan_for(client, {"all": PEOPLE[:5], "empty": ["c001"], "vip": ["c200"]})
    world.misbehave(
        Fault("status", method="PUT", path="/vip/", status=404),
        Fault("status", method="GET", path="/vip", skip=1, status=404),
    )

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 1, "not_sent": 1} and "404" in receipt.stopped


def test_an_undone_plan_is_not_resumed(client, world):
    "An undone plan is blocked, but a new plan with the same changes is allowed."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    stopped = apply(client, plan)
    world.behave()
    assert stopped.counts["verified"] and stopped.counts["not_sent"]
    undo = fg.plan_undo(stopped)
    assert apply(client, undo).ok
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match=undo.digest[:12]):
        apply(client, plan)

    assert writes(world) == [] and world.members("empty") == []
    assert apply(client, plan_for(client, {"empty": PEOPLE[:20]})).ok


def test_rejected_undo(client, world):
    "A plan can be resumed if its undo plan was rejected before the first change of the undo was sent."
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


@pytest.mark.slow
def test_expiry_before_first_change(client, world, tmp_path):
    "If a run sent no change and its approval expires, the next run needs a new approval."
    plan = plan_for(client, {"empty": PEOPLE[:5]})
    path = fg.approve_plan(plan, tmp_path / "ok.json", by="Kari", valid_for="1s")
    world.misbehave(Fault("status", method="GET", status=500, times=None))
    with pytest.raises(fg.errors.ServerError, match=r"Nothing was sent\."):
        fg.apply_plan(client, plan, approval=path)
    world.behave()
    time.sleep(1.1)

    with pytest.raises(NotApprovedError, match=r"\b20\d\d-\d\d-\d\d"):
        fg.apply_plan(client, plan, approval=path)

    assert writes(world) == []


@pytest.mark.slow
def test_second_read_back_fails(client, world):
    "If the second read of a group fails, the states of its changes are determined from the first read."
    plan = plan_for(client, {"vip": [*PEOPLE[:12], "typo"]})
    world.misbehave(
        Fault("status", method="GET", path="/vip/", status=500, skip=2, times=None), unknown_uids="ignore"
    )

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 2, "not_effective": 1} and "500" in receipt.stopped


@pytest.mark.slow
def test_empty_undo(client, world):
    "If an undo plan is empty, applying the undo plan does not block the original plan."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="GET", path="/empty/", status=500, skip=1, times=None))
    undo = fg.plan_undo(apply(client, plan))
    world.behave()

    assert undo.is_empty and apply(client, undo).ok
    assert apply(client, plan).ok


def test_missing_group_is_not_read(client, world):
    "If a run stops before a group is created, the group is not read at the end of the run."
    plan = plan_for(client, {"a": PEOPLE[:5], "b": PEOPLE[:5]}, create={"a": "A", "b": "B"})
    world.misbehave(Fault("status", method="POST", status=401, skip=1, times=None))

    receipt = apply(client, plan)

    assert receipt.counts == {"not_sent": 10} and receipt.created == {"a"}
    assert "status 401" in receipt.stopped and "status 404" not in receipt.stopped


def test_customer_facts_of_undo(client, world):
    "An undo plan contains the customer details of the original plan, but not the customers' earlier groups."
    world.put_customers([{"customerUid": "c200", "externalId": "E-200", "customerType": "EMPLOYEE"}])
    receipt = apply(client, plan_for(client, {"vip": ["c200"]}, purpose="the spring letter"))

    [row] = fg.plan_undo(fg.read_receipt(receipt.path)).customer_facts().reset_index().to_dict("records")

    assert (row["customer_uid"], row["external_id"], row["customer_type"]) == ("c200", "E-200", "EMPLOYEE")
    assert row["groups_now"] == ""
    assert fg.plan_undo(receipt).purpose.endswith(": the spring letter")


def test_second_undo(client, world):
    "A second undo plan for the same plan is blocked, whether it was created before or after the first was applied."
    receipt = apply(client, plan_for(client, {"vip": PEOPLE[:12]}))
    undo, second = fg.plan_undo(receipt), fg.plan_undo(receipt)
    assert apply(client, undo).ok and undo.findings == ()
    world.add_members("vip", PEOPLE[10:12])

    again = fg.plan_undo(receipt)

    [finding] = again.findings
    assert finding.rule == "already_undone" and finding.message in again.summary()
    assert undo.digest[:12] not in again.summary()
    for plan in (second, again):
        with pytest.raises(PlanBlockedError, match="already"):
            apply(client, plan)
    assert apply(client, undo).repeated


@pytest.mark.slow
def test_undo_of_unknown_changes(client, world):
    "An undo plan has a finding with the number of unconfirmed changes in each group."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    world.misbehave(Fault("status", method="GET", path="/empty/", status=500, skip=1, times=None))
    receipt = apply(client, plan)
    world.behave()

    undo = fg.plan_undo(receipt)

    assert receipt.counts == {"unknown": 20} and undo.is_empty
    [finding] = undo.findings
    assert (finding.rule, finding.customer_group_uid, finding.n) == ("not_finalized", "empty", 20)
    assert "20 changes" in finding.message and "EMPTY" in finding.message and finding.message in undo.summary()
    assert fg.plan_undo(fg.finalize_plan(client, plan)).n_remove == 20


def test_rejected_change_made_by_others(client, world):
    "If a change was rejected with status 401 and then made by another client, the change is not undone."
    plan = plan_for(client, {"empty": PEOPLE[:2], "vip": PEOPLE[:12]})
    world.misbehave(Fault("status", method="PUT", path="/vip/", status=401, times=None))
    receipt = apply(client, plan)
    world.add_members("vip", ["c010", "c011"])
    world.behave()

    finalized = fg.finalize_plan(client, plan)

    assert receipt.counts == {"verified": 2, "not_sent": 2}
    assert finalized.counts == {"verified": 2, "already": 2}
    assert fg.plan_undo(finalized).n_remove == 2


def test_created_group_was_deleted(client, world):
    "If a group that the plan created was deleted, resuming the plan raises DriftError."
    plan = plan_for(client, {"new": PEOPLE[:20]}, create={"new": "New"})
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    assert apply(client, plan).counts["verified"] == 10
    world.behave()
    world.delete_group("new")

    with pytest.raises(DriftError, match=r"New \(new\)"):
        apply(client, plan)


def test_max_rejected_over_runs(client, world):
    "The maximum of 50 rejected customers applies to the sum of all runs of a plan."
    unknown = [f"x-{n:03d}" for n in range(170)]
    plan = plan_for(client, {"empty": [PEOPLE[0], *unknown]})
    first = apply(client, plan)

    second = apply(client, plan)

    assert first.counts["rejected"] == 50 and second.counts["rejected"] <= 51
    assert re.search(r"\b50\b", second.stopped)


def test_interrupt_before_first_change(client, world, monkeypatch):
    "If a run is interrupted before its first change, ApplyAbortedError is raised, which is not a ValueError."
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    read = GroupReader.read

    def interrupt(self, group_uid):
        signal.raise_signal(signal.SIGINT)
        return read(self, group_uid)

    monkeypatch.setattr(GroupReader, "read", interrupt)

    with pytest.raises(fg.errors.ApplyAbortedError, match=r"interrupted .*Nothing was sent\."):
        apply(client, plan)

    monkeypatch.undo()
    assert apply(client, plan).ok and not isinstance(fg.errors.ApplyAbortedError(""), ValueError)


def test_interrupt_during_moves(client, world, monkeypatch):
    "If Ctrl-C is pressed while moves are checked, the run stops after the current group and removes no customer."
    world.put_group("silver", "Silver")
    plan = plan_for(client, {"empty": ["c000"], "silver": ["c001"], "vip": PEOPLE[2:10]}, mode="mirror")
    members_until, read_groups = GroupReader.members_until, []

    def interrupt(self, group_uid, change, uids):
        read_groups.append(group_uid)
        signal.raise_signal(signal.SIGINT)
        return members_until(self, group_uid, change, uids)

    with monkeypatch.context() as patched:
        patched.setattr(GroupReader, "members_until", interrupt)
        receipt = apply(client, plan)

    assert read_groups == ["empty"] and "interrupted" in receipt.stopped
    assert receipt.counts == {"verified": 2, "not_sent": 2} and apply(client, plan).ok


def test_progress(client, world):
    "The progress of a resumed run includes the changes of earlier runs, so that the progress reaches the total."
    plan = plan_for(client, {"vip": PEOPLE[:30]})
    world.add_members("vip", ["c010"])
    world.misbehave(Fault("status", method="PUT", path="/vip/", status=401, skip=2, times=None), max_uids_per_put=10)
    first, second = [], []

    apply(client, plan, progress=lambda *values: first.append(values))
    world.behave()
    apply(client, plan, progress=lambda *values: second.append(values))

    assert 1 < first[-1][1] < 20 and second[-1] == ("Applying", 20, 20)
