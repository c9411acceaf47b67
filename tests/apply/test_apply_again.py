"""Test that plans that were started before can be resumed, finalized, and applied again."""

import json
import re
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply import executor as applying
from frgroups.apply import plan_checks
from frgroups.apply import sender as sending
from frgroups.apply.journal import Journal
from frgroups.apply.run_registry import register_revert
from frgroups.cli.main import main
from frgroups.errors import (
    CorruptFileError,
    ForbiddenError,
    InputError,
    LockedError,
    NotApprovedError,
    PlanBlockedError,
)
from frgroups.internals.locks import tenant_lock
from frgroups.internals.paths import tenant_folder
from frgroups.review import approval as approving
from frgroups.sandbox.faults import Fault
from tests.apply.test_executor import OPEN, PEOPLE, Crash, apply, arrange, plan_for, writes
from tests.world import select_sandbox


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch, tmp_path):
    """Return a tenant with a group of all customers, a group of ten customers, and a group without members."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    monkeypatch.setattr("frgroups.api.retry.MIN_RATE", 1e9)  # Status 429 does not slow down the following requests.
    arrange(tenant, {"all": PEOPLE, "vip": PEOPLE[:10], "empty": []})
    return tenant


@pytest.fixture
def client(world):
    with world.client(writable=True, retry=RetryPolicy(max_attempts=1)) as client:
        yield client


def die_at(monkeypatch, n_outcomes):
    """Simulate a crash before the response of the n-th request is recorded in the journal."""
    write, left = Journal.write, [n_outcomes]

    def dying(self, event, **facts):
        if event == "outcome":
            left[0] -= 1
            if not left[0]:
                monkeypatch.setattr(Journal, "write", write)
                raise Crash
        write(self, event, **facts)

    monkeypatch.setattr(Journal, "write", dying)


def crashed(client, plan, monkeypatch, **options):
    """Apply a plan and simulate a crash after the first request: 200 changes are in effect, and 90 were not sent."""
    die_at(monkeypatch, 1)
    with pytest.raises(Crash):
        fg.apply_plan(client, plan, **({"approval": plan.digest} | options))


def test_other_journal_folder(client, world, tmp_path):
    "A plan that was applied with one journal folder is rejected if another journal folder is passed."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    first = apply(client, plan, journal=tmp_path / "one")
    world.remove_members("vip", PEOPLE[10:20])
    world.clear_requests()

    with pytest.raises(InputError, match=re.escape(str(first.path.parent))) as rejected:
        apply(client, plan, journal=tmp_path / "two")

    assert writes(world) == []
    assert repr(str(tmp_path / "one")) in rejected.value.hint
    assert apply(client, plan, journal=tmp_path / "one").repeated


def test_lost_journal_with_other_folder(client, world, tmp_path):
    "If the registered journal was deleted, the plan is rejected even if another journal folder is passed."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    first = apply(client, plan, journal=tmp_path / "one")
    for path in first.path.parent.iterdir():
        path.unlink()

    with pytest.raises(InputError, match=re.escape(first.path.name.split(".")[0])):
        apply(client, plan, journal=tmp_path / "two")


def test_altered_registry(client, world, tmp_path):
    "An altered line in the registry of started plans raises CorruptFileError. An incomplete last line is ignored."
    plan, other = (plan_for(client, {"vip": [*PEOPLE[:10], uid]}) for uid in ("c100", "c101"))
    apply(client, plan)
    [path] = (tmp_path / "home" / "runs").iterdir()
    content = path.read_text()
    path.write_text(content + '{"digest"')

    assert apply(client, other).ok
    path.write_text(content.replace(plan.digest, other.digest))
    with pytest.raises(CorruptFileError, match=r"\bline 1\b"):
        apply(client, plan_for(client, {"vip": ["c102"]}))


def test_expired_approval_allows_resume(client, world, tmp_path, monkeypatch):
    "A run can be resumed although its approval has expired in the meantime. Another expired approval is rejected."
    plan = plan_for(client, {"vip": PEOPLE})
    short = fg.approve_plan(plan, tmp_path / "a.approval.json", by="Kari")
    crashed(client, plan, monkeypatch, approval=short)
    later = datetime.now(UTC) + timedelta(hours=80)
    monkeypatch.setattr(approving, "datetime", moved_clock(later))
    other = tmp_path / "elsewhere" / "b.approval.json"
    expired = json.loads(short.read_text())["content"] | {"by": "Ola"}
    approving.write_checksummed(other, "approval", expired)

    with pytest.raises(NotApprovedError, match=r"\b200 changes\b") as rejected:
        fg.apply_plan(client, plan, approval=other)
    receipt = fg.apply_plan(client, plan, approval=short)

    assert "finalize_plan" in rejected.value.hint
    assert receipt.ok and world.members("vip") == PEOPLE


def moved_clock(now):
    """Return a datetime class whose current time is `now`."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz=None):
            return now

    return Moved


def test_blocked_resume(client, world, monkeypatch):
    "If a limit blocks a plan that is being resumed, the error contains the number of changes that were sent."
    plan = plan_for(client, {"vip": PEOPLE}, limits=replace(OPEN, plan_max_age="1h"))
    crashed(client, plan, monkeypatch)
    monkeypatch.setattr(plan_checks, "datetime", moved_clock(datetime.now(UTC) + timedelta(hours=2)))

    with pytest.raises(PlanBlockedError, match=r"\b200 changes\b") as blocked:
        apply(client, plan)

    assert "finalize_plan" in blocked.value.hint


def test_finalize_and_undo(client, world, monkeypatch):
    "The receipt of a finalized run contains the changes that took effect, and an undo reverts only these changes."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    world.clear_requests()

    with world.client() as reader:
        receipt = fg.finalize_plan(reader, plan)

    assert writes(world) == []
    assert receipt.counts["verified"] == len(world.members("vip")) - 10 == 200
    assert sum(receipt.counts.values()) == 290 and not receipt.ok and not receipt.complete
    assert "finalized" in receipt.stopped and fg.read_receipt(receipt.path).counts == receipt.counts
    last = receipt.summary().splitlines()[-1]
    assert "new plan" in last and "resume" not in receipt.summary()
    assert apply(client, fg.plan_undo(receipt, limits=OPEN)).ok
    assert world.members("vip") == PEOPLE[:10]


def test_finalize_complete_run(client, world, monkeypatch):
    "If a run crashed before it wrote its receipt, finalizing the run creates a complete receipt."
    plan = plan_for(client, {"vip": PEOPLE[:15]})

    def dying(self, stopped, **_):
        raise Crash

    with monkeypatch.context() as death:
        death.setattr("frgroups.apply.run_steps.Run.finish", dying)
        with pytest.raises(Crash):
            apply(client, plan)

    receipt = fg.finalize_plan(client, plan)

    assert receipt.complete and not receipt.stopped and receipt.counts == {"verified": 5}
    assert apply(client, plan).repeated


def test_undone_plan_is_not_finalized_again(client, world, monkeypatch):
    "If a plan was undone, it cannot be applied or finalized again, and its receipt file does not change."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    receipt = fg.finalize_plan(client, plan)
    assert apply(client, fg.plan_undo(receipt, limits=OPEN)).ok
    before = receipt.path.read_bytes()

    for again in (fg.finalize_plan, apply):
        with pytest.raises(PlanBlockedError, match=re.escape(str(receipt.path))) as blocked:
            again(client, plan)
        assert "finalize" not in str(blocked.value)

    assert receipt.path.read_bytes() == before


def test_finalize_without_reads(client, world, monkeypatch):
    "If a group cannot be read while a run is finalized, its changes are unknown and the receipt contains the error."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    world.misbehave(Fault("status", method="GET", path="/vip/", status=500, times=None))

    receipt = fg.finalize_plan(client, plan)

    assert receipt.counts == {"unknown": 200, "not_sent": 90}
    assert "finalized" in receipt.stopped and "500" in receipt.stopped


def test_finalize_while_locked(client, world, monkeypatch):
    "If the tenant is locked by another process, the error does not recommend `finalize_plan`."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)

    with tenant_lock(client.tenant_uid, client.base_url, "another"), pytest.raises(LockedError) as locked:
        fg.finalize_plan(client, plan)

    assert "finalize" not in str(locked.value)


def test_undo_with_earlier_time(client, world, monkeypatch):
    "A plan that was undone cannot be resumed, even if the creation time of the undo plan is earlier."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, plan), limits=OPEN)
    assert apply(client, replace(undo, planned_at=plan.planned_at - timedelta(minutes=5))).ok

    with pytest.raises(PlanBlockedError, match=undo.digest[:12]):
        apply(client, plan)

    assert world.members("vip") == PEOPLE[:10]


def test_same_digest_as_an_undone_plan(client, world, monkeypatch):
    "A new plan with the same digest as an undone plan can be started, resumed, and undone."
    first = plan_for(client, {"vip": PEOPLE})
    crashed(client, first, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, first), limits=OPEN)
    apply(client, undo)
    again = plan_for(client, {"vip": PEOPLE})
    crashed(client, again, monkeypatch)

    receipt = apply(client, again)

    assert receipt.ok and again.digest == first.digest and world.members("vip") == PEOPLE
    assert fg.plan_undo(receipt).findings == ()
    with pytest.raises(PlanBlockedError, match=undo.digest[:12]):
        apply(client, first)


@pytest.mark.parametrize("call", ["apply", "finalize"])
def test_undone_while_waiting_for_the_lock(client, world, monkeypatch, call):
    "A plan is rejected if another process undoes the plan before the tenant lock is acquired."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, plan), limits=OPEN)
    world.clear_requests()

    def lock_after_undo(*arguments):
        register_revert(undo)
        return tenant_lock(*arguments)

    monkeypatch.setattr(applying, "tenant_lock", lock_after_undo)
    with pytest.raises(PlanBlockedError, match=undo.digest[:12]):
        {"apply": apply, "finalize": fg.finalize_plan}[call](client, plan)

    assert writes(world) == []


@pytest.mark.parametrize("cause", ["rejected", "interrupted"])
def test_undo_that_sent_nothing(client, world, monkeypatch, cause):
    "A plan can be resumed until the first change of its undo plan is sent."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, plan), limits=OPEN)
    if cause == "rejected":
        world.misbehave(Fault("status", method="PUT", status=403, times=None))
        with pytest.raises(ForbiddenError):
            apply(client, undo)
        world.behave()
    else:
        with monkeypatch.context() as pressed:
            pressed.setattr(sending.Sender, "send", pressing(sending.Sender.send))
            assert apply(client, undo).counts == {"not_sent": 200}

    world.misbehave(Fault("status", method="PUT", status=401, times=None))
    assert apply(client, plan).counts == {"verified": 200, "not_sent": 90}
    world.behave()
    assert apply(client, undo).ok
    with pytest.raises(PlanBlockedError, match=undo.digest[:12]):
        apply(client, plan)


def pressing(send):
    """Return a `Sender.send` method that simulates Ctrl-C before removals are sent."""

    def pressed(self, group, change, uids):
        if change == "remove":
            signal.raise_signal(signal.SIGINT)
        send(self, group, change, uids)

    return pressed


def test_resumed_undo_is_registered_once(client, world, tmp_path):
    "An undo plan that was resumed has only one entry in the registry of started plans."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    undo = fg.plan_undo(apply(client, plan))
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    assert apply(client, undo).counts == {"verified": 10, "not_sent": 10}
    world.behave()
    assert apply(client, undo).ok

    [path] = (tmp_path / "home" / "runs").iterdir()

    assert path.read_text().count("reverted_by") == 1


def test_resume_after_finalize(client, world, monkeypatch):
    "A run that was finalized can be resumed."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    fg.finalize_plan(client, plan)

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts["verified"] == 290
    assert fg.finalize_plan(client, plan).repeated


def test_finalize_plan_that_was_not_started(client, world):
    "If a plan was not started, finalizing the plan raises InputError and creates no journal."
    plan = plan_for(client, {"vip": PEOPLE})

    with pytest.raises(InputError, match=plan.digest[:12]):
        fg.finalize_plan(client, plan)

    assert not Journal.for_plan(plan, None).path.exists()


def test_finalize_option(client, world, monkeypatch, capsys):
    "`frgroups apply PLAN --finalize` prints the receipt. If changes are missing, the exit code is 5."
    plan = plan_for(client, {"vip": PEOPLE})
    path = plan.save(fg.home() / "plans" / "vip.plan.json")
    crashed(client, plan, monkeypatch)
    select_sandbox(world, monkeypatch)

    code = main(["apply", str(path), "--finalize"])

    assert code == 5 and "frgroups undo" in capsys.readouterr().out


@pytest.mark.parametrize("status", [408, 425])
@pytest.mark.parametrize("kind", ["status", "status_after"])
def test_gateway_timeout(client, world, status, kind):
    "After a response with status 408 or 425, the group is read and changes that are not in effect are sent again."
    plan = plan_for(client, {"vip": PEOPLE[:100]})
    world.misbehave(Fault(kind, method="PUT", status=status))

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts == {"verified": 90}
    assert world.members("vip") == PEOPLE[:100]


def test_total_wait_after_429(client, world, monkeypatch):
    "If the waits after 429 responses exceed the maximum for a run, the run stops and can be resumed later."
    monkeypatch.setattr(sending, "MAX_RUN_WAIT", 1.5)
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=429, retry_after="1", skip=1, times=4))

    receipt = apply(client, plan)
    world.behave()
    finished = apply(client, plan)

    assert "429" in receipt.stopped and 0 < receipt.counts["not_sent"] < 590
    assert finished.ok and world.members("vip") == PEOPLE


def test_rejection_file_blocks(client, world, tmp_path):
    "A rejection file in the folder of the plan file or of the approval file blocks the plan."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    saved = plan.save(tmp_path / "vip.plan.json")
    approval = fg.approve_plan(plan, tmp_path / "other" / "yes.approval.json", by="Kari")
    rejection = fg.approve_plan(plan, tmp_path / "vip.plan.approval.json", by="Ola", reject="not in November")

    for loaded, approve in ((fg.read_plan(saved), plan.digest), (fg.read_plan(saved), approval)):
        with pytest.raises(NotApprovedError, match=r"Ola .*not in November"):
            fg.apply_plan(client, loaded, approval=approve)
    rejection.rename(approval.parent / "no.approval.json")
    with pytest.raises(NotApprovedError, match=r"Ola .*not in November"):
        fg.apply_plan(client, plan, approval=approval)
    assert writes(world) == []


def test_corrupt_file_next_to_approval(client, world, tmp_path):
    "A corrupt approval file blocks the plan, because it might be a rejection, until the file is deleted."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    approval = fg.approve_plan(plan, tmp_path / "yes.approval.json", by="Kari")
    corrupt = tmp_path / "broken.approval.json"
    corrupt.write_text("{")

    with pytest.raises(NotApprovedError, match=corrupt.name):
        fg.apply_plan(client, plan, approval=approval)
    assert writes(world) == []

    corrupt.unlink()
    assert fg.apply_plan(client, plan, approval=approval).ok


def test_deleted_journal(client, world):
    "If the journal of a started plan was deleted, the plan is rejected, because the sent changes are unknown."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    first = apply(client, plan)
    world.remove_members("vip", PEOPLE[10:20])
    for path in first.path.parent.iterdir():
        path.unlink()
    world.clear_requests()

    with pytest.raises(InputError, match=re.escape(first.path.name.split(".")[0])):
        apply(client, plan)

    assert writes(world) == []


@pytest.mark.parametrize("n_lost", [1, 2, 5, 99])
def test_lost_journal_lines(client, world, n_lost):
    "A journal is corrupt if it has fewer lines than its receipt states. Only the last line of a run can be missing."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))
    receipt = apply(client, plan)
    journal = Journal.for_plan(plan, None).path
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-n_lost]))
    world.clear_requests()

    if n_lost == 1:
        assert apply(client, plan).counts == {"verified": 290}
    else:
        for call in (lambda: apply(client, plan), lambda: fg.finalize_plan(client, plan)):
            with pytest.raises(CorruptFileError, match=rf"\b{len(lines) - 1}\b"):
                call()
        assert writes(world) == [] and fg.plan_undo(receipt).n_remove == 200


def test_corrupt_receipt_of_interrupted_run(client, world):
    "If the receipt of an interrupted run is corrupt, the resumed run replaces the receipt."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))
    path = apply(client, plan).path
    path.write_text(path.read_text().replace("c150", "c151", 1))

    receipt = apply(client, plan)

    assert receipt.ok and fg.read_receipt(path).counts == {"verified": 290}


@pytest.mark.parametrize("n_done", [0, 1])
def test_token_renewal_fails(world, n_done):
    "If the token cannot be renewed, an error is raised. After the first change, a receipt is returned instead."
    tokens = iter([world.token])
    token = lambda: next(tokens, "")  # noqa: E731  # Returns one token and then an empty string.
    with fg.Client(world.tenant_uid, token, base_url=world.base_url, writable=True) as client:
        plan = plan_for(client, {"vip": PEOPLE})
        world.misbehave(Fault("status", method="PUT", status=401, skip=n_done))

        if n_done == 0:
            with pytest.raises(InputError, match="token"):
                apply(client, plan)
        else:
            receipt = apply(client, plan)
            assert receipt.counts == {"verified": 200, "not_sent": 90} and "token" in receipt.stopped
        world.behave()
        assert apply(client, plan).ok


def test_moved_data_folder(client, world, tmp_path, monkeypatch):
    "An interrupted plan can be resumed after the data folder was moved."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    (tmp_path / "home").rename(tmp_path / "moved")
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "moved"))

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts["verified"] == 290


def test_folder_names_in_the_registry(client, world, tmp_path):
    "If the name of a journal folder contains a Unicode line separator, the message contains its escape sequence."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    apply(client, plan, journal=tmp_path / "a\u2028b")
    world.remove_members("vip", PEOPLE[10:20])
    world.clear_requests()

    with pytest.raises(InputError, match=re.escape(str(tmp_path / r"a\u2028b"))):
        apply(client, plan, journal=tmp_path / "two")

    assert writes(world) == []


def test_finalize_counts_unconfirmed_creation(client, world, monkeypatch):
    "If a crash follows the creation of a group, the finalized receipt lists the group as created."
    plan = plan_for(client, {"new": ["c001"]}, create={"new": "New"})
    crashed(client, plan, monkeypatch)

    receipt = fg.finalize_plan(client, plan)

    assert receipt.created == {"new"} and receipt.counts == {"not_sent": 1}
    assert [finding.rule for finding in fg.plan_undo(receipt).findings] == ["created_group_stays"]


def test_rejected_chunk_in_effect(client, world, monkeypatch):
    "Changes that took effect despite a response with status 400 are verified and can be undone."
    plan = plan_for(client, {"vip": PEOPLE[:100]})
    world.misbehave(Fault("status_after", method="PUT", status=400))
    die_at(monkeypatch, 2)
    with pytest.raises(Crash):
        apply(client, plan)

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 90}
    assert apply(client, fg.plan_undo(receipt)).ok and world.members("vip") == PEOPLE[:10]


def test_clock_set_back(client, world, tmp_path, monkeypatch):
    "A plan or approval with a time in the future is rejected, and the error mentions the clock."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    approval = fg.approve_plan(plan, tmp_path / "yes.approval.json", by="Kari")
    yesterday = moved_clock(datetime.now(UTC) - timedelta(days=1))
    monkeypatch.setattr(approving, "datetime", yesterday)

    with pytest.raises(NotApprovedError, match="clock"):
        fg.apply_plan(client, plan, approval=approval)
    monkeypatch.setattr(plan_checks, "datetime", yesterday)
    with pytest.raises(PlanBlockedError, match="clock"):
        fg.apply_plan(client, plan, approval=plan.digest)

    assert writes(world) == []


@pytest.mark.parametrize(("minutes", "is_valid"), [(11, False), (9, True)])
def test_snapshot_in_future(client, world, minutes, is_valid):
    "A plan whose snapshot was taken more than 10 minutes in the future is rejected."
    plan = replace(plan_for(client, {"vip": PEOPLE[:12]}), snapshot=None)
    plan = replace(plan, snapshot_taken_at=datetime.now(UTC) + timedelta(minutes=minutes))

    if is_valid:
        assert apply(client, plan).ok
        return
    with pytest.raises(PlanBlockedError, match="clock") as caught:
        apply(client, plan)
    assert [finding.rule for finding in caught.value.findings] == ["snapshot_max_age"] and writes(world) == []


@pytest.mark.parametrize("ending", [".jsonl", ".receipt.json"])
def test_file_of_another_plan(client, world, ending):
    "If the journal or receipt belongs to another plan, CorruptFileError is raised and no request is sent."
    plans = [plan_for(client, {"vip": PEOPLE[:20]}), plan_for(client, {"empty": PEOPLE[:5]})]
    first, second = (apply(client, plan).path.with_suffix("").with_suffix("") for plan in plans)
    second.with_suffix(ending).write_bytes(first.with_suffix(ending).read_bytes())
    world.clear_requests()

    with pytest.raises(CorruptFileError, match=plans[0].digest[:12]) as caught:
        apply(client, plans[1])

    assert caught.value.path == second.with_suffix(ending) and world.requests() == []


def test_missing_receipt(client, world):
    "If the receipt is missing, applying the plan again creates the same receipt from the journal."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    receipt = apply(client, plan)
    receipt.path.unlink()

    again = apply(client, plan)

    assert (again.counts, again.path) == (receipt.counts, receipt.path)


def test_earlier_registry(client, world):
    "A registry file from an earlier development version raises InputError with the path of the file."
    plan = plan_for(client, {"vip": PEOPLE[:11]})
    earlier = fg.home() / "begun" / f"{tenant_folder(plan.tenant_uid, plan.base_url)}.jsonl"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}\n", encoding="utf-8")

    with pytest.raises(InputError) as caught:
        fg.apply_plan(client, plan, approval=plan.digest)

    assert str(earlier) in str(caught.value) and writes(world) == []
