"""A started plan: resumed under its own journal, or finalized, and never sent a second time."""

import json
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


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch, tmp_path):
    """An all-customers group, a VIP group of ten, an empty group; nothing misbehaves; a home of its own."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    arrange(tenant, {"all": PEOPLE, "vip": PEOPLE[:10], "empty": []})
    return tenant


@pytest.fixture
def client(world):
    with world.client(writable=True, retry=RetryPolicy(max_attempts=1)) as client:
        yield client


def die_at(monkeypatch, n_outcomes):
    """Let the process die instead of writing this outcome of a chunk, whose answer is lost with it."""
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
    """Apply a plan up to the first outcome: its chunk of 200 took effect, and the other 90 are not sent."""
    die_at(monkeypatch, 1)
    with pytest.raises(Crash):
        fg.apply_plan(client, plan, **({"approval": plan.digest} | options))


def test_another_folder_for_the_journal_does_not_send_a_plan_again(client, world, tmp_path):
    "An approval allows one apply, wherever the journal is; the error names the registered journal."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    first = apply(client, plan, journal=tmp_path / "one")
    world.remove_members("vip", PEOPLE[10:20])
    world.clear_requests()

    with pytest.raises(InputError, match="started with the journal") as refused:
        apply(client, plan, journal=tmp_path / "two")

    assert writes(world) == []
    assert str(first.path.parent) in str(refused.value) and "make a new plan" in str(refused.value)
    assert apply(client, plan, journal=tmp_path / "one").repeated


def test_a_journal_that_was_lost_does_not_send_a_plan_again(client, world, tmp_path):
    "Where the journal was deleted, nobody can tell what was sent, so nothing is."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    first = apply(client, plan, journal=tmp_path / "one")
    for path in first.path.parent.iterdir():
        path.unlink()

    with pytest.raises(InputError, match="does not exist any more"):
        apply(client, plan, journal=tmp_path / "two")


def test_altered_registry(client, world, tmp_path):
    "A changed line of the registry is an error before anything is sent; a torn last line is dropped."
    plan, other = (plan_for(client, {"vip": [*PEOPLE[:10], uid]}) for uid in ("c100", "c101"))
    apply(client, plan)
    [path] = (tmp_path / "home" / "runs").iterdir()
    whole = path.read_text()
    path.write_text(whole + '{"digest"')

    assert apply(client, other).ok
    path.write_text(whole.replace(plan.digest, other.digest))
    with pytest.raises(CorruptFileError, match=r"altered in line 1\. Nothing was sent now\."):
        apply(client, plan_for(client, {"vip": ["c102"]}))


def test_expired_approval_allows_resume(client, world, tmp_path, monkeypatch):
    "The approval was valid when the plan was started; another approval of the same plan must be valid now."
    plan = plan_for(client, {"vip": PEOPLE})
    short = fg.approve_plan(plan, tmp_path / "a.approval.json", by="Kari")
    crashed(client, plan, monkeypatch, approval=short)
    later = datetime.now(UTC) + timedelta(hours=80)
    monkeypatch.setattr(approving, "datetime", moved_clock(later))
    other = tmp_path / "elsewhere" / "b.approval.json"
    expired = json.loads(short.read_text())["content"] | {"by": "Ola"}
    approving.write_checksummed(other, "approval", expired)

    with pytest.raises(NotApprovedError, match="An earlier run sent") as refused:
        fg.apply_plan(client, plan, approval=other)
    receipt = fg.apply_plan(client, plan, approval=short)

    assert "finalize_plan" in str(refused.value)
    assert receipt.ok and world.members("vip") == PEOPLE


def moved_clock(now):
    """The class datetime with another moment now."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz=None):
            return now

    return Moved


def test_a_refused_resume_says_what_was_sent(client, world, monkeypatch):
    "A limit that stops a started plan does not state that nothing was sent."
    plan = plan_for(client, {"vip": PEOPLE}, limits=replace(OPEN, plan_max_age="1h"))
    crashed(client, plan, monkeypatch)
    monkeypatch.setattr(plan_checks, "datetime", moved_clock(datetime.now(UTC) + timedelta(hours=2)))

    with pytest.raises(PlanBlockedError, match="An earlier run sent 200 changes") as refused:
        apply(client, plan)

    assert "Nothing was sent." not in str(refused.value)


def test_finalize_and_undo(client, world, monkeypatch):
    "A receipt of what took effect is made by reading alone, and its undo takes back just that."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    world.clear_requests()

    with world.client() as reader:
        receipt = fg.finalize_plan(reader, plan)

    assert writes(world) == []
    assert receipt.counts["verified"] == len(world.members("vip")) - 10 == 200
    assert sum(receipt.counts.values()) == 290 and not receipt.ok and not receipt.complete
    assert "finalized" in receipt.stopped and fg.read_receipt(receipt.path).counts == receipt.counts
    assert apply(client, fg.plan_undo(receipt, limits=OPEN)).ok
    assert world.members("vip") == PEOPLE[:10]


def test_finalize_complete_run(client, world, monkeypatch):
    "A run that died before its receipt has one then, and nothing is left to go on with."
    plan = plan_for(client, {"vip": PEOPLE[:15]})

    def dying(self, stopped, **_):
        raise Crash

    with monkeypatch.context() as death:
        death.setattr("frgroups.apply.run_steps.Run.finalize", dying)
        with pytest.raises(Crash):
            apply(client, plan)

    receipt = fg.finalize_plan(client, plan)

    assert receipt.complete and not receipt.stopped and receipt.counts == {"verified": 5}
    assert apply(client, plan).repeated


def test_undone_plan_is_not_finalized_again(client, world, monkeypatch):
    "The receipt that its undo stands on is not written over by what the groups are now."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    receipt = fg.finalize_plan(client, plan)
    assert apply(client, fg.plan_undo(receipt, limits=OPEN)).ok
    before = receipt.path.read_bytes()

    for again in (fg.finalize_plan, apply):
        with pytest.raises(PlanBlockedError, match=r"undone by plan .* The receipt ") as refused:
            again(client, plan)
        assert "finalize" not in str(refused.value)

    assert receipt.path.read_bytes() == before


def test_finalize_without_reads(client, world, monkeypatch):
    "What is unknown is so because the group could not be read, and that is told beside what settling is."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    world.misbehave(Fault("status", method="GET", path="/vip/", status=500, times=None))

    receipt = fg.finalize_plan(client, plan)

    assert receipt.counts == {"unknown": 200, "not_sent": 90}
    assert "was finalized before all of it was done" in receipt.stopped and "Reading back failed" in receipt.stopped


def test_finalize_while_locked(client, world, monkeypatch):
    "The error asks to wait, and does not suggest to finalize."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)

    with tenant_lock(client.tenant_uid, client.base_url, "another"), pytest.raises(LockedError) as locked:
        fg.finalize_plan(client, plan)

    assert str(locked.value).endswith("Try again later.")


def test_an_undo_from_a_machine_whose_clock_is_behind_is_one(client, world, monkeypatch):
    "A plan that was started before its undo is not resumed, even if the undo was planned earlier."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, plan), limits=OPEN)
    assert apply(client, replace(undo, planned_at=plan.planned_at - timedelta(minutes=5))).ok

    with pytest.raises(PlanBlockedError, match="undone by plan"):
        apply(client, plan)

    assert world.members("vip") == PEOPLE[:10]


def test_same_digest_as_an_undone_plan(client, world, monkeypatch):
    "A new plan with the digest of an undone plan can be started, resumed and undone."
    first = plan_for(client, {"vip": PEOPLE})
    crashed(client, first, monkeypatch)
    apply(client, fg.plan_undo(fg.finalize_plan(client, first), limits=OPEN))
    again = plan_for(client, {"vip": PEOPLE})
    crashed(client, again, monkeypatch)

    receipt = apply(client, again)

    assert receipt.ok and again.digest == first.digest and world.members("vip") == PEOPLE
    assert fg.plan_undo(receipt).findings == ()
    with pytest.raises(PlanBlockedError, match="undone by plan"):
        apply(client, first)


@pytest.mark.parametrize("call", ["apply", "finalize"])
def test_undone_while_waiting_for_the_lock(client, world, monkeypatch, call):
    "The checks run again under the lock: an undo that another process sent before it blocks the plan."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, plan), limits=OPEN)
    world.clear_requests()

    def lock_after_undo(*arguments):
        register_revert(undo)
        return tenant_lock(*arguments)

    monkeypatch.setattr(applying, "tenant_lock", lock_after_undo)
    with pytest.raises(PlanBlockedError, match="undone by plan"):
        {"apply": apply, "finalize": fg.finalize_plan}[call](client, plan)

    assert writes(world) == []


@pytest.mark.parametrize("how", ["turned away", "interrupted"])
def test_an_undo_that_sent_nothing_takes_nothing_back(client, world, monkeypatch, how):
    "The plan can be gone on with until something of its undo was sent, and not after."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    undo = fg.plan_undo(fg.finalize_plan(client, plan), limits=OPEN)
    if how == "turned away":
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
    with pytest.raises(PlanBlockedError, match="undone by plan"):
        apply(client, plan)


def pressing(send):
    """To send removals, with Ctrl-C pressed before."""

    def pressed(self, group, change, uids):
        if change == "remove":
            signal.raise_signal(signal.SIGINT)
        send(self, group, change, uids)

    return pressed


def test_an_undo_that_is_gone_on_with_is_noted_once(client, world, tmp_path):
    "However often the undo is applied, the registry contains one line about it."
    plan = plan_for(client, {"empty": PEOPLE[:20]})
    undo = fg.plan_undo(apply(client, plan))
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    assert apply(client, undo).counts == {"verified": 10, "not_sent": 10}
    world.behave()
    assert apply(client, undo).ok

    [path] = (tmp_path / "home" / "runs").iterdir()

    assert path.read_text().count("reverted_by") == 1


def test_resume_after_finalize(client, world, monkeypatch):
    "Settling gives nothing up: as long as nothing keeps it, the same plan goes on."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    fg.finalize_plan(client, plan)

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts["verified"] == 290
    assert fg.finalize_plan(client, plan).repeated


def test_finalize_plan_that_was_not_started(client, world):
    "It says so, and leaves no journal behind."
    plan = plan_for(client, {"vip": PEOPLE})

    with pytest.raises(InputError, match="nothing to finalize"):
        fg.finalize_plan(client, plan)

    assert not Journal.for_plan(plan, None).path.exists()


def test_finalize_option(client, world, monkeypatch, capsys):
    "`frgroups apply PLAN --finalize` prints the receipt, and returns 5 if operations are left."
    plan = plan_for(client, {"vip": PEOPLE})
    path = plan.save(fg.home() / "plans" / "vip.plan.json")
    crashed(client, plan, monkeypatch)
    monkeypatch.setenv("FRGROUPS_TENANT_UID", world.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", world.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", world.base_url)

    code = main(["apply", str(path), "--finalize"])

    assert code == 5 and "frgroups undo" in capsys.readouterr().out


@pytest.mark.parametrize("status", [408, 425])
@pytest.mark.parametrize("kind", ["status", "status_after"])
def test_a_gateway_that_gave_up_says_nothing_of_the_customers(client, world, status, kind):
    "408 and 425 are no refusal: the group is read, and what is not in effect is sent again."
    plan = plan_for(client, {"vip": PEOPLE[:100]})
    world.misbehave(Fault(kind, method="PUT", status=status))

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts == {"verified": 90}
    assert world.members("vip") == PEOPLE[:100]


def test_waits_after_429s_are_bounded_for_a_whole_run(client, world, monkeypatch):
    "A service that is always busy for a moment ends a run, resumable, with the seconds that it waited."
    monkeypatch.setattr(sending, "MAX_RUN_WAIT", 1.5)
    plan = plan_for(client, {"vip": PEOPLE, "empty": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=429, retry_after="1", skip=1, times=4))

    receipt = apply(client, plan)
    world.behave()
    finished = apply(client, plan)

    assert "waits no longer" in receipt.stopped and 0 < receipt.counts["not_sent"] < 590
    assert finished.ok and world.members("vip") == PEOPLE


def test_a_rejection_beside_the_plan_or_the_approval_counts_in_python_too(client, world, tmp_path):
    "Who said no is named, whatever else is passed; nothing is sent."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    saved = plan.save(tmp_path / "vip.plan.json")
    approval = fg.approve_plan(plan, tmp_path / "other" / "yes.approval.json", by="Kari")
    no = fg.approve_plan(plan, tmp_path / "vip.plan.approval.json", by="Ola", reject="not in November")

    for made, approve in ((fg.read_plan(saved), plan.digest), (fg.read_plan(saved), approval)):
        with pytest.raises(NotApprovedError, match=r"Ola rejected plan .* not in November"):
            fg.apply_plan(client, made, approval=approve)
    no.rename(approval.parent / "no.approval.json")
    with pytest.raises(NotApprovedError, match="Ola rejected"):
        fg.apply_plan(client, plan, approval=approval)
    assert writes(world) == []


def test_a_damaged_file_beside_an_approval_is_no_rejection(client, world, tmp_path):
    "Only what can be read, and is of this plan, says no."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    (tmp_path / "broken.approval.json").write_text("{")
    approval = fg.approve_plan(plan, tmp_path / "yes.approval.json", by="Kari")

    assert fg.apply_plan(client, plan, approval=approval).ok


def test_deleted_journal_of_a_started_plan(client, world):
    "Also in its own folder: an empty journal would suggest that nothing was sent."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    first = apply(client, plan)
    world.remove_members("vip", PEOPLE[10:20])
    for path in first.path.parent.iterdir():
        path.unlink()
    world.clear_requests()

    with pytest.raises(InputError, match="does not exist any more"):
        apply(client, plan)

    assert writes(world) == []


@pytest.mark.parametrize("n_lost", [1, 2, 5, 99])
def test_lines_lost_from_the_end_of_a_journal_are_missed_by_its_receipt(client, world, n_lost):
    "Where a receipt was made, fewer lines than it was made from are an error; the line after it may be missing."
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
            with pytest.raises(CorruptFileError, match=f"had {len(lines) - 1} when its receipt was created"):
                call()
        assert writes(world) == [] and fg.plan_undo(receipt).n_remove == 200


def test_a_damaged_receipt_does_not_strand_a_plan(client, world):
    "The receipt of a run that stopped is made anew by the run that goes on."
    plan = plan_for(client, {"vip": PEOPLE})
    world.misbehave(Fault("status", method="PUT", status=401, skip=1))
    path = apply(client, plan).path
    path.write_text(path.read_text().replace("c150", "c151", 1))

    receipt = apply(client, plan)

    assert receipt.ok and fg.read_receipt(path).counts == {"verified": 290}


@pytest.mark.parametrize("n_done, journal_says", [(0, "raises"), (1, "stops")])
def test_a_token_that_cannot_be_renewed_ends_a_run_in_order(world, n_done, journal_says):
    "Before anything was changed that is an error; after that a receipt, and the same plan goes on."
    tokens = iter([world.token])
    token = lambda: next(tokens, "")  # noqa: E731  # It has one token, and then none.
    with fg.Client(world.tenant_uid, token, base_url=world.base_url, writable=True) as client:
        plan = plan_for(client, {"vip": PEOPLE})
        world.misbehave(Fault("status", method="PUT", status=401, skip=n_done))

        if journal_says == "raises":
            with pytest.raises(InputError, match="no token"):
                apply(client, plan)
        else:
            receipt = apply(client, plan)
            assert receipt.counts == {"verified": 200, "not_sent": 90} and "no token" in receipt.stopped
        world.behave()
        assert apply(client, plan).ok


def test_a_home_that_was_moved_goes_on_with_its_plans(client, world, tmp_path, monkeypatch):
    "The registry stores a path relative to the data folder, or an absolute path for a journal elsewhere."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    (tmp_path / "home").rename(tmp_path / "moved")
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "moved"))

    receipt = apply(client, plan)

    assert receipt.ok and receipt.counts["verified"] == 290


def test_folder_names_in_the_registry(client, world, tmp_path):
    "A line separator in the name of a journal's folder ends no line."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    apply(client, plan, journal=tmp_path / "a\u2028b")
    world.remove_members("vip", PEOPLE[10:20])
    world.clear_requests()

    with pytest.raises(InputError, match="started with the journal"):
        apply(client, plan, journal=tmp_path / "two")

    assert writes(world) == []


def test_finalize_counts_unconfirmed_creation(client, world, monkeypatch):
    "It was made, and the process died before it knew: the undo says that the group stays."
    plan = plan_for(client, {"new": ["c001"]}, create={"new": "New"})
    crashed(client, plan, monkeypatch)

    receipt = fg.finalize_plan(client, plan)

    assert receipt.created == {"new"} and receipt.counts == {"not_sent": 1}
    assert [one.rule for one in fg.plan_undo(receipt).findings] == ["created_group_stays"]


def test_a_refused_chunk_that_took_effect_all_the_same_is_ours(client, world, monkeypatch):
    "Nothing says that a refusal is of the whole chunk: what is true when the plan goes on can be undone."
    plan = plan_for(client, {"vip": PEOPLE[:100]})
    world.misbehave(Fault("status_after", method="PUT", status=400))
    die_at(monkeypatch, 2)
    with pytest.raises(Crash):
        apply(client, plan)

    receipt = apply(client, plan)

    assert receipt.counts == {"verified": 90}
    assert apply(client, fg.plan_undo(receipt)).ok and world.members("vip") == PEOPLE[:10]


def test_a_clock_that_was_set_back_stops_an_apply(client, world, tmp_path, monkeypatch):
    "An approval and a plan of the future would stay open for too long: nothing is sent, and the clock is named."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    approval = fg.approve_plan(plan, tmp_path / "yes.approval.json", by="Kari")
    yesterday = moved_clock(datetime.now(UTC) - timedelta(days=1))
    monkeypatch.setattr(approving, "datetime", yesterday)

    with pytest.raises(NotApprovedError, match="Is a clock wrong"):
        fg.apply_plan(client, plan, approval=approval)
    monkeypatch.setattr(plan_checks, "datetime", yesterday)
    with pytest.raises(PlanBlockedError, match="Is a clock wrong"):
        fg.apply_plan(client, plan, approval=plan.digest)

    assert writes(world) == []


@pytest.mark.parametrize("ending", [".jsonl", ".receipt.json"])
def test_what_is_kept_of_another_plan_is_not_taken_for_this_ones(client, world, ending):
    "A journal or receipt of another plan in the place of this one's is named, and nothing is sent."
    plans = [plan_for(client, {"vip": PEOPLE[:20]}), plan_for(client, {"empty": PEOPLE[:5]})]
    one, other = (apply(client, plan).path.with_suffix("").with_suffix("") for plan in plans)
    other.with_suffix(ending).write_bytes(one.with_suffix(ending).read_bytes())
    world.clear_requests()

    with pytest.raises(CorruptFileError, match=f"of plan {plans[0].digest[:12]}") as refused:
        apply(client, plans[1])

    assert refused.value.path == other.with_suffix(ending) and world.requests() == []


def test_a_receipt_that_was_moved_away_is_made_anew(client, world):
    "After a wrong receipt was moved away the right one comes from the journal, as the error says."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    receipt = apply(client, plan)
    receipt.path.unlink()

    again = apply(client, plan)

    assert (again.counts, again.path) == (receipt.counts, receipt.path)


def test_earlier_registry(client, world):
    "A registry of an earlier development version raises InputError, because its plans could be sent again."
    plan = plan_for(client, {"vip": PEOPLE[:11]})
    earlier = fg.home() / "begun" / f"{tenant_folder(plan.tenant_uid, plan.base_url)}.jsonl"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}\n", encoding="utf-8")

    with pytest.raises(InputError) as caught:
        fg.apply_plan(client, plan, approval=plan.digest)

    assert str(earlier) in str(caught.value) and writes(world) == []
