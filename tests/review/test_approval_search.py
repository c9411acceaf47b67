"""Tests for finding the approval of a plan."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.errors import NotApprovedError
from frgroups.internals.checksummed_json import write_checksummed
from frgroups.review.approval_files import decision_files, read_content
from frgroups.review.approval_search import find_approval, usable_approvals
from frgroups.review.plan_folders import plans_folder, queue_folder
from frgroups.review.plan_queue import queued_plans


@pytest.fixture
def plan(tmp_path):
    """Return a plan that was read from a file."""
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]}, limits=fg.Limits(snapshot_max_age=None))
    return fg.read_plan(plan.save(tmp_path / "p.plan.json"))


def approve(plan, path, **arguments):
    """Write an approval by Kari and return its path."""
    return fg.approve_plan(plan, path, by="Kari", **arguments)


@pytest.mark.parametrize(
    "folder",
    [
        lambda plan: plan.path.parent,
        lambda plan: fg.home(),
        lambda plan: plans_folder(plan.tenant_uid, plan.base_url),
        lambda plan: queue_folder(plan.tenant_uid, plan.base_url, "pending"),
        lambda plan: queue_folder(plan.tenant_uid, plan.base_url, "approved"),
    ],
)
@pytest.mark.parametrize("name", ["p.plan.approval.json", "download (1)"])
def test_folders(plan, folder, name):
    "A single approval is found next to the plan or in the data folder, even if the file was renamed."
    path = approve(plan, folder(plan) / name)

    found = find_approval(plan)

    assert (found.path, found.approval.by, found.owner_checked) == (path, "Kari", os.name != "nt")
    assert found.approval.at is not None


def two(plan):
    approve(plan, plan.path.parent / "a.approval.json")
    return [plan.path.parent / "a.approval.json", approve(plan, plan.path.parent / "b.approval.json")]


def expired(plan):
    return [approve(plan, plan.path.parent / "a.approval.json", valid_for=timedelta.resolution)]


def other_plan(plan):
    other = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-8"]}, limits=plan.limits)
    approve(other, plan.path.parent / "other.approval.json")
    return []


def other_file(plan):
    other = replace(plan, planned_at=plan.planned_at - timedelta(minutes=1))
    return [approve(other, plan.path.parent / "other.approval.json")]


def corrupt(plan):
    path = approve(plan, plan.path.parent / "a.approval.json")
    path.write_text(path.read_text().replace("Kari", "Eve"))
    return [path]


def rejected(plan):
    approve(plan, plan.path.parent / "a.approval.json")
    fg.approve_plan(plan, plan.path.parent / "no.json", by="Ola", reject="no")
    return ["Ola"]


def stopped(plan):
    approve(plan, queue_folder(plan.tenant_uid, plan.base_url, "stopped") / "a.approval.json")
    return []


def none(plan):
    return []


@pytest.mark.parametrize("situation", [none, two, expired, other_plan, other_file, corrupt, rejected, stopped])
def test_no_unique_approval(plan, situation):
    "If there is not exactly one valid approval, NotApprovedError lists only the approval files of the plan."
    named = situation(plan)

    with pytest.raises(NotApprovedError) as raised:
        find_approval(plan)

    message = raised.value.cli_text
    # If no approval is usable, a new approval is the next step.
    assert ("frgroups approve" in message) == (situation not in (two, rejected))
    # Each file is named once, and only the lines of the list are indented.
    assert [message.count(str(path)) for path in named] == [1] * len(named)
    assert sum(line.startswith(" ") for line in message.splitlines()) == sum(isinstance(path, Path) for path in named)
    listed = {path for path in fg.home().parent.rglob("*.json") if f"\n  {path}: " in str(raised.value)}
    listed |= {path for path in plan.path.parent.rglob("*.json") if f"\n  {path}: " in str(raised.value)}
    assert listed == {path for path in named if situation is not rejected}


def change_owner(monkeypatch, foreign):
    """Change the reported owner of one file."""
    original = Path.stat

    def stat(path, **arguments):
        result = original(path, **arguments)
        if path.name != foreign.name:
            return result
        return os.stat_result((*result[:4], os.geteuid() + 1, *result[5:]))

    monkeypatch.setattr(Path, "stat", stat)


@pytest.mark.parametrize("n_mine", [0, 1])
def test_owner(plan, n_mine, monkeypatch):
    "An approval file of another user is ignored, and an approval file of the current user is still used."
    mine = [approve(plan, plan.path.parent / f"{n}.approval.json") for n in range(n_mine)]
    foreign = approve(plan, plan.path.parent / "foreign.approval.json")
    change_owner(monkeypatch, foreign)

    if mine:
        assert find_approval(plan).path == mine[0]
        return
    with pytest.raises(NotApprovedError, match=r"foreign.*another user"):
        find_approval(plan)


@pytest.mark.parametrize("place", ["outside", "only the approval in the queue", "queue"])
def test_same_rule_everywhere(plan, place, monkeypatch):
    "`apply`, the queue, and the list of plans accept an approval file of another user only for queued plans."
    queue = queue_folder(plan.tenant_uid, plan.base_url, "pending")
    folder = plans_folder(plan.tenant_uid, plan.base_url)
    plan = fg.read_plan(plan.save((queue if place == "queue" else folder) / "p.plan.json"))
    foreign = approve(plan, (folder if place == "outside" else queue) / "a.approval.json")
    # After this change, the approval file belongs to another user.
    monkeypatch.setattr(os, "geteuid", lambda: foreign.stat().st_uid + 1)

    [state] = fg.list_plans()["state"]
    usable, reasons = usable_approvals(plan, [foreign.parent])

    if place == "queue":
        assert find_approval(plan).path == foreign and not find_approval(plan).owner_checked
        assert [queued.approval.path for queued in queued_plans(plan.tenant_uid, plan.base_url)] == [foreign]
        assert (state, len(usable), reasons) == ("approved", 1, [])
        return
    with pytest.raises(NotApprovedError, match="another user"):
        find_approval(plan)
    assert (state, len(usable), len(reasons)) == ("pending", 0, 1)


@pytest.mark.parametrize("spoil", ["future", "corrupt"])
def test_queue_prefers_a_usable_approval(plan, spoil):
    "The queue uses a usable approval, even if another approval expires later."
    queue = queue_folder(plan.tenant_uid, plan.base_url, "approved")
    plan = fg.read_plan(plan.save(queue / "p.plan.json"))
    usable = approve(plan, queue / "ok.approval.json", valid_for="1h")
    approve(plan, queue / "second.approval.json", valid_for="30min")
    content = read_content(usable) | {"until": "2999-01-01T00:00:00+00:00"}
    if spoil == "future":
        content |= {"at": "2998-01-01T00:00:00+00:00"}
    write_checksummed(queue / "late.approval.json", "approval", content)
    if spoil == "corrupt":
        late = queue / "late.approval.json"
        late.write_text(late.read_text().replace("Kari", "Eve"))

    [queued] = queued_plans(plan.tenant_uid, plan.base_url)

    assert queued.approval.path == usable


def test_queue_reads_each_folder_once(plan, monkeypatch):
    "For each plan in the queue, each folder is read once to find approvals and rejections."
    folders = []

    def scan(folder):
        folders.append(folder)
        return decision_files(folder)

    approve(
        plan, plan.save(queue_folder(plan.tenant_uid, plan.base_url, "pending") / "p.plan.json").parent / "a.json"
    )
    monkeypatch.setattr("frgroups.review.decision_reader.decision_files", scan)

    [queued] = queued_plans(plan.tenant_uid, plan.base_url)

    assert queued.approval is not None and folders
    assert sorted(folders) == sorted(set(folders))


def test_system_without_owners(plan, monkeypatch):
    "On a system without file owners, an approval is used without checking its owner."
    approve(plan, plan.path.parent / "a.approval.json")
    monkeypatch.delattr("os.geteuid")

    assert not find_approval(plan).owner_checked


def test_resumed_run(plan):
    "The approval of an interrupted run is still used after it has expired."
    [path] = expired(plan)
    content = read_content(path)
    with pytest.raises(NotApprovedError):
        find_approval(plan)

    earlier = {"how": "self", "by": content["by"], "at": content["at"]}

    assert find_approval(plan, earlier_approval=earlier).path == path
