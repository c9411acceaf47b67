"""Test plans that were undone, and plans whose groups were renamed after the approval."""

import json

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.run_registry import unregister_revert
from frgroups.cli.main import main
from frgroups.errors import DriftError, PlanBlockedError
from frgroups.internals.exit_codes import code_of
from frgroups.review.plan_queue import plan_file_name, queue_folder
from tests.apply.test_executor import PEOPLE, apply, arrange, plan_for, writes


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch):
    """Return a tenant with two groups, and select it for the command line."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", ())
    arrange(tenant, {"vip": PEOPLE[:10], "staff": PEOPLE[20:30]})
    for name, value in (("TENANT_UID", tenant.tenant_uid), ("TOKEN", tenant.token), ("BASE_URL", tenant.base_url)):
        monkeypatch.setenv(f"FRGROUPS_{name}", value)
    return tenant


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


def test_canceled_undo(client, world):
    "If an undo plan sent no change, the original plan still has its receipt."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    undo = fg.plan_undo(apply(client, plan))
    applying.register_revert(undo)
    unregister_revert(undo)

    assert apply(client, plan).repeated


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
    "The undo of 150 additions to a new group needs no limits and one approval, and prints the removals."
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


@pytest.mark.parametrize("name", ["VIP", "VIP ", "VIP\u00a0", "V\u200bIP"])
@pytest.mark.parametrize("mode", ["add", "remove", "mirror"])
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


def test_other_group_with_same_name(client, world):
    "If the group still has the approved name, another group with the same name does not matter."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    world.put_group("vip2", "VIP")

    assert apply(client, plan).ok


def test_new_name_is_taken(client, world):
    "If another group has got the name of a group that the plan creates, nothing is sent."
    plan = plan_for(client, {"new": PEOPLE[:3]}, create={"new": "New"})
    world.put_group("other", "New")

    with pytest.raises(DriftError, match="other"):
        apply(client, plan)

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
    "An undo plan is applied although another group has got the name of a renamed group, because the uid is decisive."
    receipt = apply(client, plan_for(client, {"vip": PEOPLE[:12]}))
    world.put_group("vip", "Old VIP")
    world.put_group("vip2", "VIP")

    undo_receipt = apply(client, fg.plan_undo(receipt))

    assert undo_receipt.ok and undo_receipt.renamed == {"vip": "Old VIP"}
    assert world.members("vip") == PEOPLE[:10] and world.members("vip2") == []
