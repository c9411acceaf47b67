"""`frgroups who`: the groups of one customer, and the plan and approval behind each change."""

import json

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.cli.main import main

OPEN = fg.Limits(removals_per_group=None, removal_share=None, removals_total=None, emptied_groups=None)


@pytest.fixture
def tenant(running, monkeypatch):
    """Four customers of whom c-1 is VIP; two of them share an external id."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05,))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", running.tenant_uid)
    monkeypatch.setenv("FRGROUPS_BASE_URL", running.base_url)
    running.reset()
    for uid, external_id in (("c-1", "0150"), ("c-2", "E2"), ("c-3", "E3"), ("c-4", "E3")):
        running.put_customers([{"customerUid": uid, "externalId": external_id, "lastname": "Nordmann"}])
    running.put_group("all", "All")
    running.put_group("vip", "VIP")
    running.add_members("all", ["c-1", "c-2", "c-3", "c-4"])
    running.add_members("vip", ["c-1"])
    return running


def load(tenant):
    with tenant.client() as client:
        return fg.load_snapshot(client, progress=False)


def applied(tenant, plan, approve):
    with tenant.client(writable=True) as client:
        return fg.apply_plan(client, plan, approval=approve, progress=False)


@pytest.fixture
def lived(tenant, home_folder):
    """c-2 was made VIP by a plan that Kari approved, and taken out by its undo; then the group was deleted."""
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2"]}, purpose="the spring letter")
    receipt = applied(tenant, plan, fg.approve_plan(plan, home_folder / "a.approval.json", by="Kari"))
    load(tenant)
    undo = fg.plan_undo(receipt, limits=OPEN)
    applied(tenant, undo, undo.digest)
    load(tenant)
    tenant.delete_group("vip")
    tenant.remove_members("all", ["c-3"])
    load(tenant)
    return plan, receipt, undo


def asked(capsys, *words):
    """The exit code of `frgroups who` with these words, and what it printed."""
    code = main(["who", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_what_a_plan_changed_since_the_snapshot_is_told(tenant, home_folder, capsys):
    "Right after an apply the kept snapshot shows nothing of it, and says where it will be seen."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2"]}, purpose="the spring letter")
    applied(tenant, plan, plan.digest)

    code, out, _ = asked(capsys, "c-2")
    told = json.loads(asked(capsys, "c-2", "--json")[1])

    assert "Approved by the process that created it." in out
    assert code == 0 and "Since that snapshot (frgroups load reads what is so now):" in out
    assert f"joined VIP (vip) by plan {plan.digest[:12]} applied at " in out and "For: the spring letter" in out
    assert [(one["customer_group_uid"], one["state"]) for one in told["since"]] == [("vip", "verified")]
    load(tenant)
    assert "Since that snapshot" not in asked(capsys, "c-2")[1]


def test_what_was_over_before_a_snapshot_could_show_it_is_told(tenant, home_folder, capsys):
    "A plan and its undo between two loads leave no trace in snapshots, and were applied all the same."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2"]}, purpose="the spring letter")
    receipt = applied(tenant, plan, plan.digest)
    undo = fg.plan_undo(receipt, limits=OPEN)
    applied(tenant, undo, undo.digest)
    load(tenant)

    code, out, _ = asked(capsys, "c-2")
    told = json.loads(asked(capsys, "c-2", "--json")[1])

    assert code == 0 and "Applied from here, and over before a snapshot could show it:" in out
    assert f"joined VIP (vip) by plan {plan.digest[:12]} applied at " in out
    assert [one["change"] for one in told["unseen"]] == ["joined", "left"] and told["since"] == []


def test_who_tells_groups_changes_plans_and_approvals(lived, capsys):
    "Where the customer is now, and of each change the days, the plan, who approved it, and the receipt."
    plan, receipt, undo = lived

    code, out, _ = asked(capsys, "c-2")

    lines = [line.strip() for line in out.splitlines()]
    assert code == 0
    assert lines[0].startswith("Customer c-2 of sport_nordic at http://127.0.0.1:") and "consistent" in lines[0]
    assert lines[1:3] == ["in 1 group:", "All (all)"]
    assert any(line.startswith("was in All (all) on ") for line in lines)
    joined = next(n for n, line in enumerate(lines) if line.startswith("joined VIP (vip) "))
    assert lines[joined + 1].startswith(f"By plan {plan.digest[:12]} of ")
    assert lines[joined + 2] == "For: the spring letter"
    approved = lines[joined + 3]
    assert approved.startswith("Approved by the process that created it, as Kari, ")
    assert approved.endswith(": verified.")
    assert lines[joined + 4] == f"Receipt: {receipt.path}"
    left = next(n for n, line in enumerate(lines) if line.startswith("left VIP (vip) "))
    assert f"{undo.digest[:12]} of " in lines[left + 1]
    assert lines[left + 1].endswith(f", which reverts plan {plan.digest[:12]}.")
    assert lines[left + 2] == "For: to undo: the spring letter"
    assert lines[left + 3].startswith("Approved by the process that created it; applied at ")


def test_what_no_plan_did_is_said_and_what_became_of_the_group(lived, capsys):
    "The VIP group was deleted by somebody, and c-3 is in no group any more: deleted, merged, nobody can tell."
    _, first, _ = asked(capsys, "c-1")
    code, third, _ = asked(capsys, "c-3")

    assert "The group was deleted.\n    By no plan that was applied from here." in first
    assert code == 0 and "in 0 groups (deleted, merged, or in none)." in third
    assert "In no group since: left the last one, was deleted or merged; the API cannot say which." in third


def test_json_is_the_same_for_machines(lived, capsys):
    "One line with the groups now and the rows of customer_history, missing values as null."
    plan, receipt, _ = lived

    code, out, _ = asked(capsys, "c-2", "--json")

    told = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert told["customer_uid"] == "c-2" and told["verdict"] == "consistent"
    assert told["groups"] == [{"customer_group_uid": "all", "name": "All"}]
    assert [row["change"] for row in told["history"]] == ["was in", "joined", "left"]
    assert told["history"][0]["plan_digest"] is None
    assert told["history"][1]["plan_digest"] == plan.digest
    assert told["history"][1]["receipt_path"] == str(receipt.path)
    assert list(told["history"][0]) == list(fg.customer_history("c-2"))


def test_a_customer_goes_by_external_id_too(lived, capsys):
    "Leading zeros count; an id that two customers have, or none, is told and asked for otherwise."
    assert asked(capsys, "0150", "--by", "external_id")[1].startswith("Customer c-1 ")

    for word, why in (("150", "No customer has"), ("E9", "An older one may know it")):
        code, _, err = asked(capsys, word, "--by", "external_id")
        assert code == 1 and why in err
    code, _, err = asked(capsys, "E3", "--by", "external_id", "--at", str(first_day()))
    assert code == 1 and "Several customers have the external_id 'E3'" in err and "customer uid" in err


def first_day():
    """The moment of the first kept snapshot, in which both customers of E3 are seen."""
    return fg.list_snapshots()["taken_at"].iloc[0].isoformat()


def test_at_an_earlier_date_nothing_later_is_told(lived, capsys):
    "What was known then: the groups and the changes up to that snapshot."
    code, out, _ = asked(capsys, "c-2", "--at", first_day(), "--json")

    told = json.loads(out)
    assert code == 0 and [row["change"] for row in told["history"]] == ["was in"]
    assert told["taken_at"] == first_day()


def test_a_customer_who_is_not_known_is_an_error_that_says_what_to_do(lived, capsys):
    "Exit code 1, nothing on stdout, and an address that was typed for a uid is not repeated."
    for word, shown in (("c-99", "'c-99'"), ("kari@example.org", "'…@…'"), ("", "''")):
        code, out, err = asked(capsys, word)

        assert (code, out) == (1, "")
        assert f"knows a customer {shown}. Check the uid" in err


def test_a_forgotten_customer_is_not_known(lived, capsys):
    "Neither by the uid nor by what stands in its place; of others the plan is told without its digest."
    fg.erase_customer("c-2")

    for word in ("c-2", "(erased-1)"):
        assert asked(capsys, word)[0] == 1
    assert asked(capsys, "c-1")[0] == 0


def test_a_plan_without_a_digest_is_told_as_such(tenant, capsys):
    "A customer of the plan was forgotten since; who approved it, and when, stays."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2", "c-3"]})
    applied(tenant, plan, plan.digest)
    load(tenant)
    fg.erase_customer("c-3")

    _, out, _ = asked(capsys, "c-2")

    assert "By plan that held a forgotten customer of " not in out
    assert "By a plan with a customer who was erased since, of " in out
    assert "Approved by the process that created it" in out and plan.digest[:12] not in out


def test_doubt_about_a_reading_is_said(home_folder, capsys, monkeypatch):
    "A snapshot that was made from tables proves nothing, and the sentence says so."
    fg.save_snapshot(fg.sample_snapshot("2026-11-03"))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")

    _, out, _ = asked(capsys, "c-1")

    assert "was in VIP (vip) on 3 November 2026" in out
    assert "Not proved: there was no evidence that the group was read whole." in out


def test_no_name_of_a_customer_is_shown(lived, capsys):
    "Uids and names of groups, and of the customer no more than the uid that was asked for."
    shown = "".join(asked(capsys, "c-2", *more)[1] for more in ([], ["--json"]))

    assert "Nordmann" not in shown and "E2" not in shown
