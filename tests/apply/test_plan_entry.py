"""Tests for the next command of a plan, and for plan files that have the same digest as another plan file."""

import shlex
import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.apply.plan_entry import MAX_CONFLICTS, PlanEntry, conflict_sentences, conflicts_of
from frgroups.apply.plan_list import plan_entries
from frgroups.cli.main import main
from frgroups.review.plan_folders import plans_folder, queue_folder
from frgroups.review.rejections import rejections_in_force
from frgroups.review.saved_plans import add_saved_plan
from tests.apply.test_plan_list import applied, approved, saved, undone
from tests.world import UIDS


def row_of(plan):
    """Return the row of a plan file in the list of plans."""
    table = fg.list_plans()
    [row] = table[(table["digest"] == plan.digest) & (table["planned_at"] == plan.planned_at)].to_dict("records")
    return row


def withdrawn(tenant, plan):
    fg.approve_plan(plan, fg.home() / "no.json", by="Ola", reject="no")
    fg.withdraw_rejection(plan, by="Ola")


RESUMED = {
    "rejected": lambda _, plan: fg.approve_plan(plan, fg.home() / "no.json", by="Ola", reject="no"),
    "withdrawn": withdrawn,
    "no approval file": lambda _, plan: plan.path.with_suffix(".approval.json").unlink(),
}


@pytest.mark.parametrize(
    ("case", "command"),
    [("rejected", "withdraw"), ("withdrawn", "approve"), ("no approval file", "approve")],
)
def test_interrupted_run(tenant, case, command):
    "The next commands of an interrupted run, one after the other, lead to the state applied."
    plan = applied(tenant, interrupt=True)
    RESUMED[case](tenant, plan)

    first = row_of(plan)["next_command"]
    assert shlex.split(first)[:2] == ["frgroups", command]
    for _ in range(3):
        row = row_of(plan)
        if row["state"] == "interrupted":
            assert main([word.replace("NAME", "Kari") for word in shlex.split(row["next_command"])[1:]]) == 0

    assert row_of(plan)["state"] == "applied"


def test_interrupted_run_of_an_old_plan(tenant):
    "An interrupted run of a plan that is too old can only be finalized."
    plan = applied(tenant, interrupt=True)
    entry = PlanEntry(plan, "interrupted", path=plan.path, n_approvals=1)
    old = replace(entry, plan=replace(plan, planned_at=plan.planned_at - timedelta(days=8)))

    assert entry.next_command.startswith("frgroups apply") and "--finalize" not in entry.next_command
    assert old.next_command.endswith("--finalize")


@pytest.mark.parametrize(("n_approvals", "option"), [(0, "--policy FILE"), (1, ""), (2, "--approval FILE")])
def test_interrupted_run_with_policy(tenant, n_approvals, option):
    "A run that a policy approved is resumed with the policy, unless there is an approval file."
    plan = saved(tenant)
    entry = PlanEntry(plan, "interrupted", path=plan.path, n_approvals=n_approvals, has_policy=True)

    assert entry.next_command == f"frgroups apply {plan.digest[:12]} {option}".strip()


def test_rejected_changes_of_an_applied_plan(tenant, capsys):
    "If the server rejected changes, `show` prints the counts and the next command. `plans` names the plan."
    with tenant.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    plan = fg.plan_memberships(snapshot, {"new": [*UIDS[:2], "unknown"]}, create={"new": "New"})
    plan = fg.read_plan(plan.save(queue_folder(plan.tenant_uid, plan.base_url, "pending") / "p.plan.json"))
    assert main(["approve", plan.digest[:8], "--by", "Kari"]) == 0
    assert main(["apply", "--queue"]) == 5
    row = row_of(plan)

    capsys.readouterr()
    assert row["state"] == "applied"
    assert main(shlex.split(row["next_command"])[1:]) == 0
    assert "unknown" in capsys.readouterr().out
    assert main(["show", row["path"]]) == 0
    captured = capsys.readouterr()
    assert "2 verified, 1 rejected" in captured.out and row["receipt"] in captured.out + captured.err
    assert main(["plans"]) == 0
    assert plan.digest[:12] in capsys.readouterr().err


def test_interrupted_run_in_the_queue(tenant, monkeypatch, capsys):
    "A plan of the queue whose run stopped before its end is interrupted, and the next run completes it."
    with tenant.client() as client:
        folder = queue_folder(client.tenant_uid, client.base_url, "pending")
    plan = saved(tenant, folder=folder)
    assert main(["approve", plan.digest[:8], "--by", "Kari"]) == 0

    def fail(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(fg.Client, "update_group_customers", fail)
        assert main(["apply", "--queue"]) != 0

    row = row_of(plan)
    assert (row["state"], row["next_command"]) == ("interrupted", f"frgroups apply {plan.digest[:12]}")
    assert main(["apply", "--queue"]) == 0
    assert row_of(plan)["state"] == "applied"


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(seconds=-1)])
def test_file_with_the_digest_of_an_undone_plan(tenant, tmp_path, age):
    "The list contains an earlier file of an undone plan as undone, and a later file as pending, as in `apply`."
    plan = undone(tenant)
    later = datetime.now(UTC) - timedelta(microseconds=1)
    planned_at = plan.planned_at - age if age > timedelta(0) else later
    folder = plans_folder(plan.tenant_uid, plan.base_url)
    other = fg.read_plan(replace(plan, planned_at=planned_at).save(folder / "other.plan.json"))
    shutil.copy(plan.path, folder / "copy.plan.json")

    state = row_of(other)["state"]

    assert state == ("undone" if age > timedelta(0) else "pending")
    assert main(["apply", str(other.path)]) == (3 if state == "undone" else 8)
    assert row_of(plan)["state"] == "undone"


def test_undone_plan_without_journal(tenant):
    "A plan that was undone stays undone if its journal is deleted, because the registry contains the undo."
    plan = undone(tenant)
    for journal in fg.home().rglob("*.jsonl"):
        if journal.parent.parent.name == "journals":
            journal.unlink()

    assert row_of(plan)["state"] == "undone" and main(["apply", str(plan.path)]) == 3


@pytest.mark.parametrize("n_plans", [2, 6])
def test_file_reads(tenant, monkeypatch, n_plans):
    "Each approval file and the decision record are read once, whatever the number of plans."
    plans = [approved(tenant, group=f"group-{n}") for n in range(n_plans)]
    fg.approve_plan(plans[0], plans[0].path.with_name("no.approval.json"), by="Ola", reject="no")
    reads = Counter()
    read_bytes, read_text = Path.read_bytes, Path.read_text

    def counted(read):
        def count(path, *args, **arguments):
            reads[path] += 1
            return read(path, *args, **arguments)

        return count

    monkeypatch.setattr(Path, "read_bytes", counted(read_bytes))
    monkeypatch.setattr(Path, "read_text", counted(read_text))

    states = Counter(fg.list_plans()["state"])

    assert states == {"approved": n_plans - 1, "rejected": 1}
    decisions = {path: n for path, n in reads.items() if "approval" in path.name or path.parent.name == "decisions"}
    assert len(decisions) == n_plans + 2 and set(decisions.values()) == {1}


def waiting(n):
    """Return entries of waiting plans that change the same group, each with two files."""
    snapshot = fg.sample_snapshot()
    plans = [fg.plan_memberships(snapshot, {"vip": [f"new-{k}"]}, allow_similar_ids=True) for k in range(n)]
    files = [replace(plan, planned_at=plan.planned_at - timedelta(hours=1)) for plan in plans]
    return [PlanEntry(plan, "pending", path=Path("p.json")) for plan in (*plans, *files)]


@pytest.mark.parametrize("n_others", [0, 1, MAX_CONFLICTS, MAX_CONFLICTS + 1, MAX_CONFLICTS + 3])
def test_number_of_conflicts(n_others):
    "Each other plan with the same group is listed once, at most 5 are listed, and the rest is counted."
    entries = waiting(n_others + 1)
    plan = entries[0].plan
    others = [entry for entry in entries if entry.plan.digest != plan.digest]

    sentences = conflict_sentences((plan, other) for other in conflicts_of(entries[0], entries))

    assert len(sentences) == min(n_others, MAX_CONFLICTS + 1)
    assert all(other.plan.digest[:12] in text for other, text in zip(others, sentences[:MAX_CONFLICTS], strict=False))
    if n_others > MAX_CONFLICTS:
        assert sentences[-1].startswith(f"{n_others - MAX_CONFLICTS} more")


def test_conflicts_with_copies(tenant, capsys):
    "Several files of a plan cause one warning line about each other plan, and none about the plan itself."
    first, second = saved(tenant), saved(tenant, n=3)
    for original in (first, second):
        for n in range(1, 4):
            copy = replace(original, planned_at=original.planned_at - timedelta(minutes=n))
            copy.save(original.path.with_name(f"{original.digest[:8]}-{n}.plan.json"))

    conflicts = {entry.key: entry.conflicts for entry in plan_entries()}
    assert conflicts[first.digest, first.planned_at] == (second.digest,)
    for words, n_lines in ((["review", str(first.path)], 1), (["plans"], 1), (["plans", "-q"], 0)):
        capsys.readouterr()
        assert main(words) == 0
        assert capsys.readouterr().err.count("Warning") == n_lines


def test_rejection_next_to_another_plan(tenant, tmp_path):
    "A rejection that a reviewer saved next to a plan outside the data folder blocks a new plan of the same changes."
    plan = saved(tenant, folder=tmp_path / "shared")
    add_saved_plan(plan, plan.path)
    again = saved(tenant, folder=tmp_path / "other", limits=fg.Limits(additions_total=50))
    written = fg.approve_plan(plan, tmp_path / "no.json", by="Ola", reject="no")
    shutil.rmtree(fg.home() / "decisions")
    assert rejections_in_force(again) == []

    shutil.move(written, plan.path.parent / "no.json")

    assert [rejection.by for rejection in rejections_in_force(again)] == ["Ola"]
    assert main(["approve", str(again.path), "--by", "Kari"]) == 8
    fg.withdraw_rejection(again, by="Ola")
    assert rejections_in_force(again) == rejections_in_force(plan) == []
