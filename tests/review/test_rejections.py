"""Tests for rejections, which block the rejected changes until the rejection is withdrawn."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.errors import CorruptFileError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import write_checksummed
from frgroups.review.approval_files import found_rejections
from frgroups.review.decision_record import Rejection, add_rejections, changes_key, read_record, record_path
from frgroups.review.plan_folders import plans_folder, queue_folder
from frgroups.review.rejections import rejections_in_force
from tests.world import UIDS

POLICY = 'by = "Kari"\ngroups = ["new"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\n'


def plan_for(tenant, **arguments):
    """Return a plan that creates a group with two customers, planned from a new snapshot."""
    with tenant.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    return fg.plan_memberships(snapshot, {"new": UIDS[:2]}, create={"new": "New"}, **arguments)


def rejected(tenant, folder, plan=None):
    """Save and reject a plan in a folder, and return the plan."""
    plan = plan or plan_for(tenant)
    path = plan.save(folder / "first.plan.json")
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Ola", reject="wrong week")
    return plan


def other_limits(tenant):
    """Plan the same changes with another limit."""
    return plan_for(tenant, limits=fg.Limits(additions_total=50))


def other_purpose_and_mode(tenant):
    """Plan the same changes with another purpose and mode."""
    return plan_for(tenant, mode="mirror", purpose="another purpose")


def new_member(tenant):
    """Plan the same changes after another customer has joined another group."""
    tenant.put_customers(["c-99"])
    tenant.add_members("all", ["c-99"])
    return plan_for(tenant)


def same_changes(tenant):
    """Plan the same changes again."""
    return plan_for(tenant)


VARIANTS = [same_changes, other_limits, other_purpose_and_mode, new_member]
ROUTES = ["file", "policy", "search", "queue", "approve", "other file", "resume"]


@pytest.mark.parametrize(
    ("variant", "route"),
    [*((variant, "digest") for variant in VARIANTS), *((new_member, route) for route in ROUTES)],
)
def test_routes(tenant, tmp_path, monkeypatch, capsys, variant, route):
    "A rejected change is never sent, even with other limits, from another folder, or with another approval."
    (tmp_path / "a").mkdir()
    if route == "resume":
        plan = variant(tenant)
        approval = fg.approve_plan(plan, tmp_path / "b" / "ok.approval.json", by="Kari")
        interrupted_run(tenant, plan, approval, monkeypatch)
    elif route in ("file", "search"):
        plan = variant(tenant)
        path = plan.save(tmp_path / "b" / "second.plan.json")
        approval = fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")
    # After an interrupted run, the group exists, so a new plan would not create the group.
    rejected(tenant, tmp_path / "a", replace(plan, limits=fg.Limits()) if route == "resume" else None)
    tenant.clear_requests()

    if route in ("resume", "file"):
        assert_not_applied(tenant, plan, approval)
    elif route == "search":
        assert main(["apply", str(path)]) == 8
    else:
        plan = variant(tenant)
        path = plan.save(tmp_path / "b" / "second.plan.json")
        if route == "digest":
            assert_not_applied(tenant, plan, plan.digest)
            assert_not_applied(tenant, fg.read_plan(path), plan.digest)
        elif route == "approve":
            with pytest.raises(NotApprovedError, match=r"Ola .*wrong week"):
                fg.approve_plan(plan, tmp_path / "c" / "ok.json", by="Kari")
            assert main(["approve", str(path), "--by", "Kari"]) == 8
        elif route == "policy":
            policy = tmp_path / "policy.toml"
            policy.write_text(POLICY)
            assert_not_applied(tenant, plan, fg.read_policy(policy))
            assert main(["apply", str(path), "--policy", str(policy)]) == 8
        elif route == "other file":
            assert main(["apply", str(path), "--approval", str(tmp_path / "a" / "first.plan.approval.json")]) == 8
        else:
            queue = queue_folder(plan.tenant_uid, plan.base_url, "approved")
            plan.save(queue / "second.plan.json")
            policy = tmp_path / "policy.toml"
            policy.write_text(POLICY)
            assert main(["apply", "--queue", "--policy", str(policy)]) == 8
    assert "Traceback" not in capsys.readouterr().err
    assert [request for request in tenant.requests() if request["method"] in ("POST", "PUT")] == []


def interrupted_run(tenant, plan, approval, monkeypatch):
    """Apply a plan until its group is created, and stop before the customers are added."""

    def fail(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, tenant.client(writable=True) as client:
        patch.setattr(fg.Client, "update_group_customers", fail)
        with pytest.raises(KeyboardInterrupt):
            fg.apply_plan(client, plan, approval=approval)


def assert_not_applied(tenant, plan, approval):
    """Check that applying a plan raises NotApprovedError with the rejection."""
    with tenant.client(writable=True) as client, pytest.raises(NotApprovedError, match=r"Ola .*wrong week") as raised:
        fg.apply_plan(client, plan, approval=approval)
    assert raised.value.rejected


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: fg.plan_memberships(plan.snapshot, {"new": UIDS[1:3]}, create={"new": "New"}),
        lambda plan: fg.plan_memberships(plan.snapshot, {"new": UIDS[:1]}, create={"new": "New"}),
        lambda plan: fg.plan_memberships(plan.snapshot, {"new": UIDS[:2]}, create={"new": "Newer"}),
        lambda plan: replace(plan, tenant_uid="t-2"),
        lambda plan: replace(plan, base_url="https://api.example/v2"),
    ],
)
def test_other_changes(tenant, tmp_path, change):
    "A rejection does not block a plan without some of its operations, or a plan for another group, tenant, or host."
    plan = rejected(tenant, tmp_path)

    other = change(plan)

    assert changes_key(other) != changes_key(plan) and rejections_in_force(other) == []


@pytest.mark.parametrize(
    ("uid", "name", "n"), [("new", "New", 3), ("other", "New", 2), ("new", "\uff2eEW\u00a0", 2), ("other", "new", 3)]
)
def test_contained_changes(tenant, tmp_path, uid, name, n):
    "A plan with all rejected changes is blocked, even with more changes, or another uid or spelling of a new group."
    first = fg.plan_memberships(plan_for(tenant).snapshot, {"new": UIDS[:2]}, create={"new": "New"})
    fg.approve_plan(first, tmp_path / "no.json", by="Ola", reject="wrong week")
    plan = fg.plan_memberships(first.snapshot, {uid: UIDS[:n]}, create={uid: name})

    with pytest.raises(NotApprovedError, match=f"(?=.*Ola)(?=.*{first.digest[:12]})(?=.*wrong week)"):
        fg.approve_plan(plan, tmp_path / "ok.json", by="Kari")
    assert_not_applied(tenant, plan, plan.digest)
    assert [found.is_part for found in rejections_in_force(plan)] == [n > 2]
    assert len(fg.withdraw_rejection(plan, by="Ola")) == 1
    assert rejections_in_force(plan) == rejections_in_force(first) == []
    assert fg.approve_plan(plan, tmp_path / "ok.json", by="Kari").exists()


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_loopback_hosts(tenant, tmp_path, host):
    "The spellings of a loopback host share rejections, stored snapshots, and plan files. Other ports do not."
    plan = rejected(tenant, tmp_path)
    other = replace(plan, base_url=plan.base_url.replace("127.0.0.1", host))
    fg.save_snapshot(replace(plan.snapshot, base_url=other.base_url))
    path = other.save(plans_folder(other.tenant_uid, other.base_url) / "other.plan.json")

    assert [found.by for found in rejections_in_force(other)] == ["Ola"]
    assert rejections_in_force(replace(other, base_url=f"http://{host}:1/v2")) == []
    assert fg.read_snapshot(tenant_uid=plan.tenant_uid, base_url=plan.base_url).taken_at == plan.snapshot.taken_at
    assert str(path) in set(fg.list_plans(tenant_uid=plan.tenant_uid, base_url=plan.base_url)["path"])
    with tenant.client(writable=True) as client, pytest.raises(NotApprovedError):
        fg.apply_plan(client, other, approval=other.digest)


def test_message(tenant, tmp_path):
    "The error for a plan with rejected changes contains the digests of the rejected plan and of the new plan."
    first, plan = rejected(tenant, tmp_path), other_limits(tenant)

    with pytest.raises(NotApprovedError, match=f"{first.digest[:12]}.*{plan.digest[:12]}"):
        fg.approve_plan(plan, tmp_path / "ok.json", by="Kari")


def test_withdrawal(tenant, tmp_path):
    "After the withdrawal, the plan can be applied. The record contains the name, the time, and the reason."
    first = rejected(tenant, tmp_path)
    plan = other_limits(tenant)

    assert len(fg.withdraw_rejection(plan, by=" Kari ", reason="the week is correct")) == 1

    entry = read_record(plan).entries[-1]
    assert (entry["event"], entry["by"], entry["reason"]) == ("withdrawn", "Kari", "the week is correct")
    assert datetime.now(UTC) - datetime.fromisoformat(entry["at"]) < timedelta(minutes=5)
    # The rejection file still exists, but its rejection was withdrawn.
    saved = fg.read_plan(first.save(tmp_path / "first.plan.json"))
    assert rejections_in_force(saved) == []
    with tenant.client(writable=True) as client:
        assert fg.apply_plan(client, saved, approval=saved.digest).ok
    fg.approve_plan(plan, tmp_path / "no.json", by="Ola", reject="again")
    assert [rejection.reason for rejection in rejections_in_force(saved)] == ["again"]
    with pytest.raises(InputError, match="`by`"):
        fg.withdraw_rejection(plan, by=" ")


@pytest.mark.parametrize("given", ["before the rejection", "while rejected", "with a fast clock", "after"])
def test_approval_before_withdrawal(tenant, tmp_path, capsys, given):
    "Only an approval that was given after the withdrawal is used by `apply`, the search, the list, and the queue."
    plan = plan_for(tenant)
    path = plan.save(queue_folder(plan.tenant_uid, plan.base_url, "approved") / "first.plan.json")
    plan, start = fg.read_plan(path), datetime.now(UTC)
    rejected_at = start + timedelta(minutes=5 if given == "with a fast clock" else 0)
    add_rejections(plan, [Rejection(plan.digest, "Ola", "wrong week", rejected_at.isoformat())])
    fg.withdraw_rejection(plan, by="Ola")
    times = {"before the rejection": -1e-6, "while rejected": 1e-6, "with a fast clock": 240}
    at = start + timedelta(seconds=times[given]) if given in times else datetime.now(UTC)
    approval = path.with_suffix(".approval.json")
    content = {"digest": plan.digest, "changes": changes_key(plan), "planned_at": plan.planned_at.isoformat()}
    content |= {"decision": "approved", "reason": "", "by": "Kari", "at": at.isoformat()}
    write_checksummed(approval, "approval", content | {"until": (at + timedelta(hours=72)).isoformat()})
    [row] = fg.list_plans(tenant_uid=plan.tenant_uid, base_url=plan.base_url).to_dict("records")

    if given == "after":
        assert row["state"] == "approved"
        assert main(["apply", "--queue"]) == 0
    else:
        assert row["state"] == "pending" and "frgroups approve" in row["next_command"]
        with tenant.client(writable=True) as client, pytest.raises(NotApprovedError, match="withdrawn"):
            fg.apply_plan(client, plan, approval=approval)
        capsys.readouterr()
        assert main(["apply", str(path)]) == 8
        assert "withdrawn" in capsys.readouterr().err
        assert main(["apply", "--queue"]) == 8


def test_rejection_from_the_future(tenant, tmp_path):
    "A rejection with a time far in the future does not block approvals after its withdrawal until that time."
    plan = plan_for(tenant)
    key, now = changes_key(plan), datetime.now(UTC)
    add_rejections(plan, [Rejection(plan.digest, "Ola", "", at) for at in ("9999-01-01T00:00:00+00:00", "?")])
    fg.withdraw_rejection(plan, by="Ola")

    assert timedelta(0) < read_record(plan).withdrawn_at(key) - now < timedelta(minutes=15)
    assert read_record(plan).withdrawn_at("other") is None


def test_nothing_to_withdraw(tenant):
    "Withdrawing a rejection of a plan that is not rejected raises InputError."
    with pytest.raises(InputError, match="not rejected"):
        fg.withdraw_rejection(plan_for(tenant), by="Kari")


def test_withdraw_command(tenant, tmp_path, capsys):
    "`frgroups withdraw` moves a plan that the queue stopped back to pending, and prints the rejection as JSON."
    plan = plan_for(tenant)
    path = plan.save(queue_folder(plan.tenant_uid, plan.base_url, "pending") / "one.plan.json")
    assert main(["approve", str(path), "--by", "Ola", "--reject", "not now"]) == 0
    assert main(["apply", "--queue"]) == 8
    assert (path.parent.parent / "stopped" / path.name).exists()
    capsys.readouterr()

    assert main(["withdraw", plan.digest[:8], "--by", "Ola", "--json"]) == 0

    values = json.loads(capsys.readouterr().out)
    assert path.exists() and (values["state"], values["by"], len(values["withdrawn"])) == ("pending", "Ola", 1)
    assert main(["withdraw", str(path), "--by", "Ola"]) == 1
    assert main(["approve", str(path), "--by", "Kari"]) == 0


@pytest.mark.parametrize("name", ["download (1)", "p.approval.json", "p.rejected.approval.json"])
def test_cut_rejection(tenant, tmp_path, monkeypatch, tmp_path_factory, name):
    "An incomplete rejection file of any length blocks the plan until the file is removed, even if it was renamed."
    plan = plan_for(tenant)
    saved = fg.read_plan(plan.save(tmp_path / "p.plan.json"))
    with monkeypatch.context() as patch:
        patch.setenv("FRGROUPS_HOME", str(tmp_path_factory.mktemp("reviewer")))
        path = fg.approve_plan(plan, tmp_path / name, by="Ola", reject="wrong week")
    data = path.read_bytes().rstrip()
    # In a file without ".approval" in its name, shorter content could belong to a file of another program.
    first = 0 if ".approval" in name else data.index(b":")
    ignored = []

    for end in range(first, len(data)):
        path.write_bytes(data[:end])
        try:
            found_rejections(saved, [tmp_path])
        except NotApprovedError:
            continue
        ignored.append(end)

    assert ignored == []
    path.unlink()
    assert rejections_in_force(saved) == []


def cut(path, text):
    """Copy the content of a file before the first occurrence of a text."""
    part = path.read_text().partition(text)[0]
    path.with_name("copy.json").write_text(part)


@pytest.mark.parametrize("text", ['"decision"', '"kind"'])
def test_cut_file_of_another_kind(tenant, tmp_path, text):
    "An incomplete plan file, approval, or rejection of other changes does not block the plan."
    plan = plan_for(tenant)
    saved = fg.read_plan(plan.save(tmp_path / "p.plan.json"))
    cut(saved.path, '"format_version"')
    assert rejections_in_force(saved) == []
    approval = fg.approve_plan(saved, tmp_path / "ok.json", by="Kari")
    cut(approval, '"format_version"')
    assert rejections_in_force(saved) == []

    other = fg.plan_memberships(plan.snapshot, {"new": UIDS[:3]}, create={"new": "New"})
    cut(fg.approve_plan(other, tmp_path / "no.json", by="Ola", reject="no"), text)

    assert rejections_in_force(saved) == []


def test_found_file_is_recorded(tenant, tmp_path, monkeypatch, tmp_path_factory):
    "A rejection file from another machine still blocks the plan after the file was read once and deleted."
    plan = plan_for(tenant)
    path = plan.save(tmp_path / "p.plan.json")
    with monkeypatch.context() as patch:
        patch.setenv("FRGROUPS_HOME", str(tmp_path_factory.mktemp("reviewer")))
        rejection = fg.approve_plan(plan, tmp_path / "downloaded", by="Ola", reject="wrong week")
    assert rejections_in_force(plan) == []

    assert main(["apply", str(path)]) == 8
    rejection.unlink()

    assert [found.by for found in rejections_in_force(plan)] == ["Ola"]


SPOILERS = {
    "truncated": lambda text: text[: len(text) // 2],
    "last characters": lambda text: text[:-10],
    "empty": lambda text: "",
    "edited": lambda text: text.replace("Ola", "Kari"),
    "event": lambda text: text.replace('"rejected"', '"ignored"'),
    "no entries": lambda text: text.replace('"entries"', '"none"'),
    "binary": lambda text: "\x00" * 40,
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_corrupt_record(tenant, tmp_path, spoil):
    "If the record of decisions is damaged, approving or applying a plan of the tenant raises CorruptFileError."
    rejected(tenant, tmp_path / "a")
    plan = other_limits(tenant)
    record = record_path(plan.tenant_uid, plan.base_url)
    record.write_text(spoil(record.read_text()))

    with pytest.raises(CorruptFileError, match=record.name):
        fg.approve_plan(plan, tmp_path / "ok.json", by="Kari")
    with tenant.client(writable=True) as client, pytest.raises(CorruptFileError, match=record.name):
        fg.apply_plan(client, plan, approval=plan.digest)


def test_concurrent_rejections(tenant):
    "Rejections that several threads record at the same time are stored exactly once."
    plan = plan_for(tenant)
    rejections = [Rejection(plan.digest, f"reviewer {n % 8}", "no", "2026-11-30") for n in range(16)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda rejection: add_rejections(plan, [rejection]), rejections))

    assert sorted(found.by for found in rejections_in_force(plan)) == [f"reviewer {n}" for n in range(8)]


def test_record_content(tenant, tmp_path):
    "The record of decisions contains no customer uids, and only its owner can read it."
    plan = rejected(tenant, tmp_path)
    record = record_path(plan.tenant_uid, plan.base_url)

    assert not any(f'"{uid}"' in record.read_text() for uid in UIDS)
    assert len(read_record(plan).entries[0]["operations"][0]["add"]) == 2
    assert record.stat().st_mode & 0o777 == 0o600


def test_plan_warning(tenant, tmp_path, capsys):
    "`frgroups plan` prints a warning if the new plan makes rejected changes, and creates the plan."
    tenant.put_group("new", "New")
    assert main(["load"]) == 0
    command = ["plan", "--group", "new", "--members", "All", "--out"]
    assert main([*command, str(tmp_path / "a.plan.json")]) == 0
    assert main(["approve", str(tmp_path / "a.plan.json"), "--by", "Ola", "--reject", "wrong week"]) == 0
    capsys.readouterr()

    assert main([*command, str(tmp_path / "b" / "b.plan.json"), "--limit", "additions_total=60"]) == 0

    err = capsys.readouterr().err
    assert "Ola" in err and "wrong week" in err and "frgroups withdraw" in err


def test_old_rejection(tenant, tmp_path):
    "A rejection of an old plan still blocks the same changes, even after the time in its field `until`."
    plan = replace(plan_for(tenant), planned_at=plan_for(tenant).planned_at - timedelta(days=90))
    fg.approve_plan(plan, tmp_path / "no.json", by="Ola", reject="no", valid_for=timedelta.resolution)

    assert [found.by for found in rejections_in_force(plan_for(tenant))] == ["Ola"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_folder_that_cannot_be_examined(tenant, tmp_path, monkeypatch, number):
    "If a folder that might contain a rejection cannot be examined, the plan is not applied."
    plan = fg.read_plan(plan_for(tenant).save(tmp_path / "p.plan.json"))
    original = Path.stat

    def stat(path, **arguments):
        if path.name == "guarded":
            raise OSError(number, os.strerror(number))
        return original(path, **arguments)

    monkeypatch.setattr(Path, "stat", stat)

    with pytest.raises(InputError, match=f"guarded.*{os.strerror(number)}"):
        rejections_in_force(plan, [tmp_path / "guarded"])


@pytest.mark.parametrize("folder", ["missing", "p.plan.json", "p.plan.json/below", "x" * 999, "null\0"])
def test_folder_that_does_not_exist(tenant, tmp_path, folder):
    "A folder that does not exist, or that has an invalid name, contains no rejection."
    plan = fg.read_plan(plan_for(tenant).save(tmp_path / "p.plan.json"))

    assert rejections_in_force(plan, [tmp_path / folder]) == []
