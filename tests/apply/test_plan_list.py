"""Tests for the list of plans and the state of each plan."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.apply import run_registry
from frgroups.apply.plan_entry import PlanEntry
from frgroups.apply.plan_list import conflicting_plans, plan_entries, plan_entry, stored_plan_files
from frgroups.apply.plan_states import STATES
from frgroups.cli.main import main
from frgroups.errors import CorruptFileError, DriftError, InputError
from frgroups.internals.paths import tenant_folder
from frgroups.review.decision_record import add_superseded
from frgroups.review.plan_folders import plans_folder, queue_folder
from tests.world import UIDS


def saved(tenant, group="new", n=2, folder=None, age=timedelta(0), **arguments):
    """Save a plan that creates a group in the data folder, and return it as it is read from the file."""
    with tenant.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    plan = fg.plan_memberships(snapshot, {group: UIDS[:n]}, create={group: group.title()}, **arguments)
    plan = replace(plan, planned_at=plan.planned_at - age, snapshot_taken_at=plan.snapshot_taken_at - age)
    folder = folder or plans_folder(plan.tenant_uid, plan.base_url)
    return fg.read_plan(plan.save(folder / f"{group}-{n}.plan.json"))


def approved(tenant, valid_for="72h", **arguments):
    """Save and approve a plan."""
    plan = saved(tenant, **arguments)
    fg.approve_plan(plan, plan.path.with_suffix(".approval.json"), by="Kari", valid_for=valid_for)
    return plan


def rejected(tenant):
    plan = approved(tenant)
    fg.approve_plan(plan, fg.home() / "no.json", by="Ola", reject="no")
    return plan


def superseded(tenant):
    plan, new = saved(tenant), saved(tenant, n=3)
    add_superseded(plan, new, at=datetime.now(UTC).isoformat())
    new.path.unlink()
    return plan


def applied(tenant, *, interrupt=False):
    plan = approved(tenant)
    original = fg.Client.update_group_customers

    def fail(*_, **__):
        raise KeyboardInterrupt

    with tenant.client(writable=True) as client:
        try:
            if interrupt:
                fg.Client.update_group_customers = fail
            fg.apply_plan(client, plan, approval=plan.path.with_suffix(".approval.json"))
        except KeyboardInterrupt:
            assert interrupt
        finally:
            fg.Client.update_group_customers = original
    return plan


def undone(tenant):
    plan = applied(tenant)
    [receipt] = fg.home().rglob("*.receipt.json")
    limits = fg.Limits(removals_per_group=None, removal_share=None, emptied_groups=None)
    undo = fg.plan_undo(fg.read_receipt(receipt), limits=limits)
    with tenant.client(writable=True) as client:
        fg.apply_plan(client, undo, approval=undo.digest)
    return plan


def stopped_in_queue(tenant):
    with tenant.client() as client:
        folder = queue_folder(client.tenant_uid, client.base_url, "stopped")
    return saved(tenant, folder=folder)


def applied_before(tenant):
    """Return a plan with the same digest as an applied plan, which was planned one minute earlier."""
    plan = applied(tenant)
    copy = replace(plan, planned_at=plan.planned_at - timedelta(minutes=1))
    return fg.read_plan(copy.save(plan.path.with_name("copy.plan.json")))


def drifted(tenant):
    """Return an approved plan that was not applied, because another group got the name of its new group."""
    plan = approved(tenant)
    tenant.put_group("taken", "New")
    with tenant.client(writable=True) as client, pytest.raises(DriftError):
        fg.apply_plan(client, plan, approval=plan.digest)
    return plan


STATE_TABLE = {
    "applied before": (applied_before, "", "frgroups load"),
    "drifted": (drifted, "", "frgroups load"),
    "pending": (saved, "", "frgroups approve"),
    "approved": (approved, "Kari", "frgroups apply"),
    "rejected": (rejected, "Ola", "frgroups withdraw"),
    "superseded": (superseded, "", ""),
    "blocked": (lambda tenant: saved(tenant, limits=fg.Limits(additions_total=1)), "", "frgroups show"),
    "stopped": (stopped_in_queue, "", "frgroups show"),
    "interrupted": (lambda tenant: applied(tenant, interrupt=True), "Kari", "frgroups apply"),
    "applied": (applied, "Kari", "frgroups undo"),
    "undone": (undone, "Kari", ""),
    "plan expired": (lambda tenant: approved(tenant, age=timedelta(days=8)), "", ""),
    "approval expired": (lambda tenant: approved(tenant, valid_for=timedelta.resolution), "Kari", "frgroups approve"),
}


@pytest.mark.parametrize("case", STATE_TABLE)
def test_states(tenant, capsys, case):
    "Each plan has the state, reviewer, and next command that follow from its files and its run."
    create, reviewer, command = STATE_TABLE[case]
    plan = create(tenant)
    state = "blocked" if case in ("stopped", "drifted") else case

    table = fg.list_plans()

    is_plan = (table["digest"] == plan.digest) & (table["planned_at"] == plan.planned_at)
    [row] = table[is_plan].to_dict("records")
    assert (row["state"], row["reviewer"]) == (state, reviewer)
    assert (row["next_command"].rpartition(" " + plan.digest[:12])[0] or row["next_command"]).startswith(command)
    assert bool(command) == bool(row["next_command"])
    assert (row["groups"], row["n_add"], row["n_remove"]) == ("New", 2, 0)
    assert len(fg.list_plans(state=state)) >= 1 and set(fg.list_plans(state=state)["state"]) == {state}
    assert main(["plans", "--state", state]) == 0
    out = capsys.readouterr().out
    assert plan.digest[:12] in out and max(map(len, out.splitlines()[:2])) <= 80


@pytest.mark.parametrize("state", ["approved", "interrupted"])
def test_two_approvals(tenant, capsys, state):
    "If a plan has two usable approvals, the next command contains the option that selects one of them."
    plan = approved(tenant) if state == "approved" else applied(tenant, interrupt=True)
    assert "--approval" not in next_command(state)
    fg.approve_plan(plan, plan.path.with_name("second.json"), by="Ola")

    assert next_command(state) == f"frgroups apply {plan.digest[:12]} --approval FILE"
    assert main(["apply", str(plan.path)]) == 8
    assert "--approval FILE" in capsys.readouterr().err
    assert main(["apply", str(plan.path), "--approval", str(plan.path.with_name("second.json"))]) == 0


def next_command(state):
    """Return the next command of the only plan in a state."""
    [command] = fg.list_plans(state=state)["next_command"]
    return command


def test_state_table_is_complete():
    "The state table contains every state."
    assert {*STATE_TABLE, "stopped", "drifted", "empty"} == {*STATES, "stopped", "drifted"}


def test_empty_plan(tmp_path):
    "A plan without changes has no next step."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": []})
    plan.save(fg.home() / "plans" / "t-1" / "empty.plan.json")

    [row] = fg.list_plans().to_dict("records")

    assert (row["state"], row["next_command"]) == ("empty", "")


def test_plan_elsewhere(tenant, tmp_path):
    "A plan outside the data folder is listed with its path after it was started."
    plan = saved(tenant, folder=tmp_path / "elsewhere")
    assert fg.list_plans().empty
    with tenant.client(writable=True) as client:
        fg.apply_plan(client, plan, approval=plan.digest)

    [row] = fg.list_plans().to_dict("records")

    assert (row["state"], row["path"]) == ("applied", str(plan.path)) and row["receipt"]
    plan.path.unlink()
    [row] = fg.list_plans().to_dict("records")
    assert (row["state"], row["path"]) == ("applied", "")


def test_unreadable_plan(tenant, caplog):
    "A plan file that cannot be read is left out, and a warning contains its path."
    plan = saved(tenant)
    plan.path.write_text(plan.path.read_text().replace("c-1", "c-2"))

    assert fg.list_plans().empty and plan.path.name in caplog.text


def test_other_tenant(tenant):
    "The plans of one tenant or host can be selected."
    plan = saved(tenant)
    other = replace(plan, tenant_uid="t-2")
    other.save(plans_folder("t-2", plan.base_url) / "p.plan.json")

    assert list(fg.list_plans()["tenant_uid"].sort_values()) == sorted(["t-2", plan.tenant_uid])
    assert list(fg.list_plans(tenant_uid="t-2")["digest"]) == [other.digest]
    assert fg.list_plans(base_url="https://api.example").empty
    with pytest.raises(InputError, match="`state`"):
        fg.list_plans(state="open")


@pytest.mark.parametrize("damaged", ["runs", "decisions"])
def test_damaged_file_of_another_tenant(tenant, tmp_path, capsys, caplog, damaged):
    "A damaged file of one tenant does not affect the commands for another tenant. The list of all plans reports it."
    plan = saved(tenant)
    other = replace(plan, tenant_uid="t-2")
    other.save(plans_folder("t-2", plan.base_url) / "p.plan.json")
    suffix = ".jsonl" if damaged == "runs" else ".json"
    file = fg.home() / damaged / f"{tenant_folder('t-2', plan.base_url)}{suffix}"
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}\n")
    tenant.put_group("new", "New")
    assert main(["load"]) == 0
    capsys.readouterr()

    assert main(["plan", "--group", "new", "--members", "All", "--out", str(tmp_path / "p.json")]) == 0
    assert main(["approve", str(tmp_path / "p.json"), "--by", "Kari"]) == 0
    assert file.name not in capsys.readouterr().err
    # The search for a digest and for the newest plan covers all tenants.
    assert main(["review", plan.digest[:8]]) == 0
    assert main(["show", "last"]) == 0
    digests = {plan.digest, fg.read_plan(tmp_path / "p.json").digest}
    assert {*fg.list_plans(tenant_uid=plan.tenant_uid)["digest"]} == digests
    caplog.clear()
    assert {*fg.list_plans()["digest"]} == digests and file.name in caplog.text
    with pytest.raises(CorruptFileError, match=file.name):
        fg.list_plans(tenant_uid="t-2")


def test_damaged_registry_of_the_tenant(tenant, tmp_path, capsys):
    "If the registry of the plan's tenant is damaged, `plan` and `approve` write their files and print a warning."
    plan = saved(tenant)
    file = fg.home() / "runs" / f"{tenant_folder(plan.tenant_uid, plan.base_url)}.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}\n")
    tenant.put_group("new", "New")
    assert main(["load"]) == 0
    path = tmp_path / "p.json"

    for words in (
        ["plan", "--group", "new", "--members", "All", "--out", str(path)],
        ["approve", str(path), "--by", "Kari"],
        ["review", str(path)],
    ):
        for options in ([], ["--json"]):
            capsys.readouterr()
            assert main([*words, *options]) == 0
            out, err = capsys.readouterr()
            assert file.name in err and "Warning" in err
            assert not options or json.loads(out).get("state") is None
    assert path.with_suffix(".approval.json").exists()


def test_other_plans_are_not_read(tenant):
    "The conflicts of a plan are searched only in the folders of its tenant and in folders without a tenant."
    plan = saved(tenant)
    conflicting = saved(tenant, n=3, folder=fg.home() / "plans" / "ours")
    other = replace(plan, tenant_uid="t-2").save(plans_folder("t-2", plan.base_url) / "p.plan.json")
    host = replace(plan, base_url="https://api.example/v2")
    host.save(plans_folder(plan.tenant_uid, host.base_url) / "p.plan.json")

    files = stored_plan_files(plan.tenant_uid, plan.base_url)

    assert files == sorted([plan.path, conflicting.path]) and other in stored_plan_files()
    assert len(stored_plan_files(plan.tenant_uid)) == 3
    assert [entry.plan.digest for entry in conflicting_plans(plan)] == [conflicting.digest]


def test_registry_reads(tenant, monkeypatch):
    "The number of times that a registry is read does not depend on the number of plans."
    read_entries, reads, counts = run_registry._read_entries, [], []

    def counted(path):
        reads.append(path)
        return read_entries(path)

    monkeypatch.setattr(run_registry, "_read_entries", counted)
    for group in ("new", "other", "third"):
        plan = saved(tenant, group=group)
        with tenant.client(writable=True) as client:
            fg.apply_plan(client, plan, approval=plan.digest)
        reads.clear()
        assert set(fg.list_plans()["state"]) == {"applied"}
        counts.append(len(reads))

    assert counts[0] == counts[2] > 0


def test_journal_reads(tenant, n_reads):
    "The list of plans reads the journal of an interrupted run once."
    applied(tenant, interrupt=True)
    [journal] = fg.home().glob("journals/*/*.jsonl")
    n_reads.clear()

    assert set(fg.list_plans()["state"]) == {"interrupted"}
    assert n_reads[journal] == 1


@pytest.mark.parametrize("form", ["relative", "symbolic link", "linked data folder"])
def test_stopped_plan_under_another_path(tenant, tmp_path, monkeypatch, form):
    "A plan in the folder `stopped` is blocked, even if its path is relative or contains a symbolic link."
    plan = stopped_in_queue(tenant)
    path = plan.path
    if form == "relative":
        monkeypatch.chdir(path.parent)
        path = Path(path.name)
    elif form == "symbolic link":
        (tmp_path / "link").symlink_to(path.parent)
        path = tmp_path / "link" / path.name
    else:
        fg.home().joinpath("queue").rename(tmp_path / "queue")
        fg.home().joinpath("queue").symlink_to(tmp_path / "queue")

    assert plan_entry(fg.read_plan(path), path=path).state == "blocked"


@pytest.mark.parametrize("is_unique", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_command_without_file(state, is_unique):
    "The next command is empty if the path of the required file is not known."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]})
    receipt = None if state == "applied" else fg.home() / "journals" / "t" / "a.receipt.json"

    entry = PlanEntry(plan, state, receipt=receipt, is_unique=is_unique)

    assert entry.next_command == ""


def test_conflicts(tenant, capsys):
    "Two waiting plans that change the same group are reported by plan, plans, review, and approve."
    first, second, _ = saved(tenant), saved(tenant, n=3), saved(tenant, group="other")

    conflicts = {entry.plan.digest: entry.conflicts for entry in plan_entries()}

    assert conflicts[first.digest] == (second.digest,) and conflicts[second.digest] == (first.digest,)
    assert sum(map(len, conflicts.values())) == 2
    for words in (
        ["plans"],
        ["review", second.digest[:8]],
        ["approve", second.digest[:8], "--by", "Kari"],
        ["plan", "--group", "new", "--members", "All"],
    ):
        if words[0] == "plan":
            # `approve` stops if the group that the plan creates exists.
            tenant.put_group("new", "New")
            assert main(["load"]) == 0
        capsys.readouterr()
        assert main(words) == 0
        err = capsys.readouterr().err
        assert first.digest[:12] in err and "New" in err and "Warning" in err


@pytest.mark.parametrize(("age", "code"), [(timedelta(hours=47), 0), (timedelta(hours=49), 9)])
def test_fail_if_pending(tenant, capsys, age, code):
    "If a plan is pending for longer than the given duration, the exit code is 9."
    saved(tenant, age=age)
    approved(tenant, group="other", age=timedelta(hours=60))

    assert main(["plans", "--fail-if-pending", "48h", "--state", "approved"]) == code


def test_plans_json(tenant, capsys):
    "The rows of `frgroups plans --json` have the columns of `list_plans`."
    plan = saved(tenant)

    assert main(["plans", "--json"]) == 0

    values = json.loads(capsys.readouterr().out)
    [row] = values["rows"]
    assert values["table"] == "plans" and list(row) == list(fg.list_plans().columns)
    assert row["digest"] == plan.digest and datetime.fromisoformat(row["planned_at"]) == plan.planned_at


def test_tenant_in_next_command(tenant, home_folder, monkeypatch, capsys):
    "If --tenant was given, the next command of an approved plan contains it."
    approved(tenant)
    monkeypatch.delenv("FRGROUPS_TENANT_UID")
    (home_folder / "tenants.toml").write_text(
        f'["my shop"]\ntenant_uid = "{tenant.tenant_uid}"\nhost = "{tenant.base_url}"\ntoken_command = "x"\n'
    )
    (home_folder / "tenants.toml").chmod(0o600)

    assert main(["plans", "--tenant", "my shop"]) == 0

    assert "--tenant 'my shop'" in capsys.readouterr().out
