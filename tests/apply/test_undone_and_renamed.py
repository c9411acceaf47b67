"""Test plans that were undone, and plans whose groups were renamed after the approval."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.run_registry import reverted_by, unregister_revert
from frgroups.cli.main import main
from frgroups.errors import DriftError, PlanBlockedError
from frgroups.internals.exit_codes import code_of
from frgroups.review.plan_folders import plans_folder
from frgroups.review.plan_queue import plan_file_name, queue_folder
from frgroups.sandbox.faults import Fault
from tests.apply.test_executor import PEOPLE, apply, arrange, plan_for, writes
from tests.world import select_sandbox


@pytest.fixture
def world(running, monkeypatch):
    """Return a tenant with two groups, and select it for the command line."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", ())
    arrange(running, {"vip": PEOPLE[:10], "staff": PEOPLE[20:30]})
    select_sandbox(running, monkeypatch)
    return running


@pytest.fixture
def client(world):
    with world.client(writable=True) as client:
        yield client


# Undone plans


def undone(client, plan):
    """Apply a plan and its undo plan, and return the receipt of the plan."""
    receipt = apply(client, plan)
    assert apply(client, fg.plan_undo(receipt)).ok
    return receipt


def test_undone_plan(client, world):
    "A complete plan that was undone is neither applied nor finalized again, and the exit code of the error is 3."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    receipt = undone(client, plan)
    world.clear_requests()

    for again in (apply, fg.finalize_plan):
        with pytest.raises(PlanBlockedError, match="already undone") as blocked:
            again(client, plan)
        assert code_of(blocked.value) == 3 and str(receipt.path) in str(blocked.value)

    assert world.requests() == [] and world.members("vip") == PEOPLE[:10]


def test_undone_undo(client, world):
    "If the undo of an undo plan was applied, the undo plan is not applied again either."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    undo = fg.plan_undo(apply(client, plan))
    undone(client, undo)

    with pytest.raises(PlanBlockedError, match="already undone"):
        apply(client, undo)

    assert world.members("vip") == PEOPLE[:20]


# Partial undo


def partly_undone(client, receipt):
    """Undo only the changes in the group `vip`."""
    assert apply(client, fg.plan_undo(receipt).select(["vip"])).ok


def test_partial_undo(client, world):
    "After a partial undo, the original plan is not undone, and its remaining changes can be undone."
    plan = plan_for(client, {"vip": PEOPLE[:20], "staff": PEOPLE[:30]})
    receipt = apply(client, plan)

    partly_undone(client, receipt)

    assert world.members("vip") == PEOPLE[:10] and world.members("staff") == PEOPLE[:30]
    assert apply(client, plan).repeated
    assert fg.list_plans(tenant_uid=plan.tenant_uid).set_index("digest")["state"][plan.digest] == "applied"
    undo = fg.plan_undo(receipt)
    assert [finding.rule for finding in undo.findings] == ["already_undone"]
    assert apply(client, undo).counts == {"verified": 20}
    assert world.members("staff") == PEOPLE[20:30]
    with pytest.raises(PlanBlockedError, match="already undone"):
        apply(client, plan)


@pytest.mark.parametrize("command", [apply, fg.finalize_plan])
def test_undo_in_parts(client, world, command):
    "If partial undos together have reversed all changes, the plan counts as undone and is not applied again."
    plan = plan_for(client, {"vip": PEOPLE[:20], "staff": PEOPLE[21:30]}, mode="mirror")
    receipt = apply(client, plan)
    partly_undone(client, receipt)

    again = apply(client, plan)
    assert again.repeated and again.n_undone == 10 and "10 of 11 changes were undone" in again.summary()

    assert apply(client, fg.plan_undo(receipt).select(["staff"])).ok
    assert world.members("vip") == PEOPLE[:10] and world.members("staff") == PEOPLE[20:30]
    with pytest.raises(PlanBlockedError, match="already undone") as blocked:
        command(client, plan)
    assert code_of(blocked.value) == 3
    assert fg.list_plans(tenant_uid=plan.tenant_uid).set_index("digest")["state"][plan.digest] == "undone"
    path = plan.save(fg.home() / "plans" / "vip.plan.json")
    assert main(["approve", str(path), "--by", "Kari"]) == 3


def test_undone_partial_undo(client, world):
    "A partial undo that was itself undone does not count."
    receipt = apply(client, plan_for(client, {"vip": PEOPLE[:20], "staff": PEOPLE[:30]}))
    parts = [fg.plan_undo(receipt).select([group]) for group in ("vip", "staff")]
    undone(client, parts[0])
    assert apply(client, parts[1]).ok

    again = apply(client, receipt.plan)

    assert again.repeated and again.n_undone == 20 and world.members("vip") == PEOPLE[:20]


def interrupted(client, world):
    """Apply a plan whose second half fails, and return the plan and its receipt."""
    plan = plan_for(client, {"vip": PEOPLE[:30]})
    world.misbehave(Fault("status", method="PUT", status=401, skip=2, times=None), max_uids_per_put=10)
    receipt = apply(client, plan)
    world.behave()
    assert receipt.counts == {"verified": 10, "not_sent": 10}
    return plan, receipt


def test_partial_undo_of_interrupted_plan(client, world):
    "An interrupted run that was partly undone cannot be resumed, but its remaining changes can be undone."
    plan, receipt = interrupted(client, world)
    plan = fg.read_plan(plan.save(plans_folder(plan.tenant_uid, plan.base_url) / "p.plan.json"))
    undo = fg.plan_undo(receipt)
    assert apply(client, undo.select(without=PEOPLE[10:13])).counts == {"verified": 7}
    world.clear_requests()

    with pytest.raises(PlanBlockedError, match="partly undone") as blocked:
        apply(client, plan)

    assert code_of(blocked.value) == 3 and "finalize_plan" in blocked.value.hint and writes(world) == []
    command = fg.list_plans().set_index("digest")["next_command"][plan.digest]
    assert command == f"frgroups apply {plan.digest[:12]} --finalize"
    finalized = fg.finalize_plan(client, plan)
    assert finalized.counts == {"verified": 3, "not_effective": 7, "not_sent": 10}
    assert apply(client, fg.plan_undo(finalized)).counts == {"verified": 3}
    assert world.members("vip") == PEOPLE[:10]


def test_canceled_partial_undo(client, world):
    "If a partial undo sent no change, the interrupted original plan can be resumed."
    plan, receipt = interrupted(client, world)
    part = fg.plan_undo(receipt).select(without=PEOPLE[10:13])
    applying.register_revert(part)
    unregister_revert(part)

    assert apply(client, plan).ok


def test_canceled_undo(client, world):
    "If an undo plan sent no change, the original plan still has its receipt."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    undo = fg.plan_undo(apply(client, plan))
    applying.register_revert(undo)
    unregister_revert(undo)

    assert apply(client, plan).repeated


def test_undo_registered_again(client, world):
    "If an undo plan is registered again after another undo plan and then canceled, it is no longer in effect."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    receipt = apply(client, plan)
    first, second = fg.plan_undo(receipt), fg.plan_undo(receipt, limits=fg.Limits())
    for undo in (first, second, first):
        applying.register_revert(undo)
    [path] = (fg.home() / "runs").iterdir()

    assert path.read_text().count('"reverted_by"') == 2
    unregister_revert(second)
    assert reverted_by(plan) == first.digest
    unregister_revert(first)
    assert reverted_by(plan) == ""
    applying.register_revert(first)
    assert reverted_by(plan) == first.digest


@pytest.mark.parametrize("option", ["--approval", "--finalize"])
def test_exit_code_of_undone_plan(client, world, capsys, option):
    "`frgroups apply` exits with code 3 for a plan that was undone, and states that it was already undone."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    path = plan.save(fg.home() / "plans" / "vip.plan.json")
    approval = fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")
    undone(client, plan)

    code = main(["apply", str(path), option, *([str(approval)] if option == "--approval" else [])])

    captured = capsys.readouterr()
    assert code == 3 and "already undone" in captured.err and "done" not in captured.out


@pytest.mark.parametrize("with_approval", [True, False])
def test_undone_plan_in_queue(client, world, capsys, with_approval):
    "A plan in the queue that was undone is stopped with exit code 3, with or without an approval."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    folder = queue_folder(plan.tenant_uid, plan.base_url, "approved")
    path = plan.save(folder / plan_file_name(plan))
    if with_approval:
        fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")
    undone(client, plan)
    world.clear_requests()

    code = main(["apply", "--queue", "--json"])

    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (code, line["exit_code"], line["outcome"]) == (3, 3, "stopped")
    assert writes(world) == [] and not path.exists()


def test_undo_of_large_plan(client, world, capsys):
    "The undo of 150 additions to a new group requires one approval but no limit options, and prints the removals."
    plan = plan_for(client, {"new": PEOPLE[:150]}, create={"new": "New"})
    receipt = apply(client, plan)
    path = fg.home() / "undo.plan.json"

    assert main(["undo", str(receipt.path), "--out", str(path)]) == 0

    out = capsys.readouterr().out
    assert "150 customers leave New" in out and "--limit" not in out
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert main(["apply", str(path), "--approval", str(path.with_suffix(".approval.json"))]) == 0
    assert world.members("new") == []


def test_undo_with_limit_option(client, world):
    "A limit that is set with --limit applies to the undo plan."
    receipt = apply(client, plan_for(client, {"vip": PEOPLE[:20]}))

    assert main(["undo", str(receipt.path), "--limit", "removals_per_group=5"]) == 3


# Renamed groups


def test_renamed_group(client, world):
    "A group that was only renamed is reported in the receipt, and the undo plan has its current name."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    world.put_group("vip", "Old VIP")

    receipt = apply(client, plan)

    assert receipt.ok and receipt.renamed == {"vip": "Old VIP"}
    assert fg.read_receipt(receipt.path).renamed == receipt.renamed
    assert "renamed" in receipt.summary()
    assert [group.name for group in fg.plan_undo(receipt).groups] == ["Old VIP"]


LOOKALIKES = ["VIP", "VIP ", "VIP\u00a0", "V\u200bIP", "vip", "V\u0399P", "\uff36IP", "V1P", "  Vip"]


@pytest.mark.parametrize(
    ("name", "mode"), [(name, "mirror") for name in LOOKALIKES] + [("VIP", "add"), ("vip", "remove")]
)
def test_swapped_name(client, world, name, mode):
    "If a group was renamed and another group now has the approved name, nothing is sent and the exit code is 4."
    plan = plan_for(client, {"VIP": PEOPLE[5:12], "STAFF": PEOPLE[20:31]}, mode=mode)
    world.put_group("vip", "Old VIP")
    world.put_group("staff2", name)
    world.clear_requests()

    with pytest.raises(DriftError, match="staff2") as drifted:
        apply(client, plan)

    assert code_of(drifted.value) == 4 and drifted.value.groups == ["vip"]
    assert writes(world) == []


def test_swapped_names_of_two_groups(client, world):
    "If two groups in a plan have swapped their names, nothing is sent."
    plan = plan_for(client, {"VIP": PEOPLE[:12], "STAFF": PEOPLE[20:31]})
    world.put_group("vip", "STAFF")
    world.put_group("staff", "VIP")

    with pytest.raises(DriftError) as drifted:
        apply(client, plan)

    assert drifted.value.groups == ["staff", "vip"]


@pytest.fixture
def old_tenant():
    """Return a tenant whose two groups were created two days ago."""
    with fg.Sandbox(empty=True, days_ago=2) as sandbox:
        arrange(sandbox, {"vip": PEOPLE[:10], "staff": PEOPLE[20:30]})
        yield sandbox


@pytest.fixture
def old_client(old_tenant):
    with old_tenant.client(writable=True, clock=lambda: datetime.now(UTC)) as client:
        yield client


@pytest.mark.parametrize("members", [PEOPLE[:10], []])
def test_recreated_group(old_client, old_tenant, members):
    "If a group was deleted and created again under the same uid and name, nothing is sent and the exit code is 4."
    name = old_tenant.groups()["vip"]
    plan = plan_for(old_client, {"vip": PEOPLE[:12], "staff": PEOPLE[20:31]})
    plan = fg.read_plan(plan.save(fg.home() / "plans" / "vip.plan.json"))
    old_tenant.delete_group("vip")
    old_tenant.advance(days=2)
    old_tenant.put_group("vip", name)
    old_tenant.add_members("vip", members)
    old_tenant.clear_requests()

    with pytest.raises(DriftError, match=r"vip.*was created") as drifted:
        apply(old_client, plan)

    assert code_of(drifted.value) == 4 and drifted.value.groups == ["vip"]
    assert writes(old_tenant) == []


@pytest.mark.parametrize("created_at", ["", "2020-01-01T00:00:00+00:00"])
def test_unknown_creation_time(old_client, old_tenant, created_at):
    "A creation time that is missing or rounded in the plan does not block the plan."
    plan = plan_for(old_client, {"vip": PEOPLE[:12]})
    [group] = plan.groups
    assert group.created_at > "2026"

    receipt = apply(old_client, replace(plan, groups=(replace(group, created_at=created_at),)))

    assert receipt.ok
    assert [group.created_at for group in fg.plan_undo(receipt).groups] == [created_at]


@pytest.mark.parametrize("name", ["Board", "board\u00a0"])
def test_name_of_renamed_group(client, world, name):
    "If a group was renamed, the receipt reports other groups with its new name or a similar one."
    plan = plan_for(client, {"vip": PEOPLE[:12], "staff": PEOPLE[20:31]})
    world.put_group("vip", name)
    world.put_group("board", "Board")

    receipt = apply(client, plan)

    assert receipt.ok and receipt.renamed == {"vip": name}
    assert receipt.similar_groups == {"vip": ("board",)}
    assert repr(name) in receipt.summary()


@pytest.mark.parametrize("name", ["VIP", "vip\u00a0"])
def test_other_group_with_same_name(client, world, name):
    "If a group still has the approved name, the receipt reports other groups with the same or a similar name."
    plan = plan_for(client, {"vip": PEOPLE[:12], "staff": PEOPLE[20:31]})
    world.put_group("vip2", name)

    receipt = apply(client, plan)

    assert receipt.ok and receipt.similar_groups == {"vip": ("vip2",)}
    assert fg.read_receipt(receipt.path).similar_groups == receipt.similar_groups
    assert "vip2" in receipt.summary()


@pytest.mark.parametrize("first", [None, "New", "N\u0435w"])
@pytest.mark.parametrize("name", ["New", "new\u00a0", "NEW", "N\u0435w", "N\u200bew"])
def test_new_name_is_taken(client, world, first, name):
    "If another group has got the name of a group that the plan creates, or a similar name, nothing is sent."
    if first:
        world.put_group("first", first)
    plan = plan_for(client, {"new": PEOPLE[:3]}, create={"new": "New"})
    world.put_group("other", name)

    with pytest.raises(DriftError) as drifted:
        apply(client, plan)
    assert code_of(drifted.value) == 4 and drifted.value.groups == ["new"] and writes(world) == []


def test_reviewed_name(client, world):
    "A plan that creates a group with an existing name is applied if the plan has a finding about this name."
    world.put_group("other", "New")

    reviewed = plan_for(client, {"new": PEOPLE[:3]}, create={"new": "New"})
    assert [finding.rule for finding in reviewed.findings if finding.customer_group_uid == "new"] == ["same_name"]
    assert apply(client, reviewed).ok


@pytest.mark.parametrize("similar", ["NEW", "New\u00a0", "N\u0435w", "New \u200b"], ids=ascii)
def test_new_name_is_taken_after_similar_name(client, world, similar):
    "A finding about a similar name does not hide a group that has got exactly the new name since the review."
    world.put_group("older", similar)
    plan = plan_for(client, {"new": PEOPLE[:3]}, create={"new": "New"})
    assert [finding.rule for finding in plan.findings if finding.customer_group_uid == "new"] == ["similar_name"]
    world.put_group("other", "New")

    with pytest.raises(DriftError, match="other"):
        apply(client, plan)

    assert "new" not in world.groups()
    world.put_group("other", "Other")
    assert apply(client, plan).ok


def test_undo_of_renamed_group(client, world):
    "An undo plan is applied even if a group was renamed and another group now has its former name."
    receipt = apply(client, plan_for(client, {"vip": PEOPLE[:12]}))
    world.put_group("vip", "Old VIP")
    world.put_group("vip2", "VIP")

    undo_receipt = apply(client, fg.plan_undo(receipt))

    assert undo_receipt.ok and undo_receipt.renamed == {"vip": "Old VIP"}
    assert world.members("vip") == PEOPLE[:10] and world.members("vip2") == []
