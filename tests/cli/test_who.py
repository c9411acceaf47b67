"""Tests for `frgroups who`, which prints a customer's groups and the plans that changed them."""

import json
import re

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.cli.main import main

OPEN = fg.Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a sandbox with four customers. c-1 is a member of VIP, and c-3 and c-4 have the same external id."""
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
    """Load and store a snapshot."""
    with tenant.client() as client:
        return fg.load_snapshot(client, progress=False)


def apply(tenant, plan, approve):
    """Apply a plan and return the receipt."""
    with tenant.client(writable=True) as client:
        return fg.apply_plan(client, plan, approval=approve, progress=False)


@pytest.fixture
def changed_tenant(tenant, home_folder):
    """Add c-2 to VIP with a plan, undo the plan, delete the group, and load a snapshot after each step."""
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2"]}, purpose="the spring letter")
    receipt = apply(tenant, plan, fg.approve_plan(plan, home_folder / "a.approval.json", by="Kari"))
    load(tenant)
    undo = fg.plan_undo(receipt, limits=OPEN)
    apply(tenant, undo, undo.digest)
    load(tenant)
    tenant.delete_group("vip")
    tenant.remove_members("all", ["c-3"])
    load(tenant)
    return plan, receipt, undo


def run_who(capsys, *words):
    """Run `frgroups who` and return the exit code, stdout, and stderr."""
    code = main(["who", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_change_after_the_snapshot(tenant, home_folder, capsys):
    "A change that a plan made after the snapshot is listed separately until a new snapshot contains the change."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2"]}, purpose="the spring letter")
    apply(tenant, plan, plan.digest)

    code, out, _ = run_who(capsys, "c-2")
    values = json.loads(run_who(capsys, "c-2", "--json")[1])

    assert code == 0
    assert re.search(rf"joined VIP \(vip\)\s.*{plan.digest[:12]}.*the spring letter.*verified", out, re.S)
    assert [(cause["customer_group_uid"], cause["state"]) for cause in values["since"]] == [("vip", "verified")]
    load(tenant)
    assert json.loads(run_who(capsys, "c-2", "--json")[1])["since"] == []


def test_change_that_no_snapshot_shows(tenant, home_folder, capsys):
    "If a plan is applied and undone between two snapshots, both changes are listed in `unseen`."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2"]}, purpose="the spring letter")
    receipt = apply(tenant, plan, plan.digest)
    undo = fg.plan_undo(receipt, limits=OPEN)
    apply(tenant, undo, undo.digest)
    load(tenant)

    code, out, _ = run_who(capsys, "c-2")
    values = json.loads(run_who(capsys, "c-2", "--json")[1])

    assert code == 0
    assert re.search(rf"joined VIP .*{plan.digest[:12]}.*left VIP .*{undo.digest[:12]}", out, re.S)
    assert [cause["change"] for cause in values["unseen"]] == ["joined", "left"] and values["since"] == []


def test_groups_changes_and_plans(changed_tenant, capsys):
    "The output contains the customer's groups and the plan, purpose, approval, and receipt of each change."
    plan, receipt, undo = changed_tenant

    code, out, _ = run_who(capsys, "c-2")

    lines = [line.strip() for line in out.splitlines()]
    assert code == 0
    assert lines[0].startswith("Customer c-2 of sport_nordic at http://127.0.0.1:")
    assert "consistent" in lines[1] and "1 group" in lines[2] and lines[3] == "All (all)"
    first = next(n for n, line in enumerate(lines) if "first snapshot (" in line)
    assert lines[first + 1] == "All (all)"
    joined = next(n for n, line in enumerate(lines) if line.startswith("joined VIP (vip) "))
    assert plan.digest[:12] in lines[joined + 1]
    assert "the spring letter" in lines[joined + 2]
    assert lines[joined + 3].startswith("Approved ") and "Kari" in lines[joined + 3]
    assert "verified" in lines[joined + 4]
    assert lines[joined + 5] == f"Receipt: {receipt.path}"
    left = next(n for n, line in enumerate(lines) if line.startswith("left VIP (vip) "))
    assert re.search(rf"{undo.digest[:12]}.*{plan.digest[:12]}", lines[left + 1])
    assert "the spring letter" in lines[left + 2]
    assert lines[left + 3].startswith("Approved ") and "Kari" not in lines[left + 3]


def test_short_digests(changed_tenant, capsys):
    "The printed table of a customer's history contains short digests, and the JSON output contains complete digests."
    plan, _, undo = changed_tenant
    words = ["table", "customer_history", "--customer", "c-2"]

    assert main(words) == 0
    printed = capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert plan.digest[:12] in printed and plan.digest not in printed
    assert {row["plan_digest"] for row in rows} >= {plan.digest, undo.digest}


def test_changes_without_a_plan(changed_tenant, capsys):
    "A change that no plan caused has no receipt. The output reports deleted groups and customers in no group."
    _, first, _ = run_who(capsys, "c-1")
    code, third, _ = run_who(capsys, "c-3")
    values = json.loads(run_who(capsys, "c-3", "--json")[1])

    assert "The group was deleted." in first and "Receipt" not in first
    assert code == 0 and "in no group" in third.splitlines()[2] and values["groups"] == []
    assert [(row["change"], row["still_seen"]) for row in values["history"]][-1] == ("left", False)


def test_json(changed_tenant, capsys):
    "The JSON line contains the customer's groups and the rows of customer_history. Missing values are null."
    plan, receipt, _ = changed_tenant

    code, out, _ = run_who(capsys, "c-2", "--json")

    values = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert values["customer_uid"] == "c-2" and values["verdict"] == "consistent"
    assert values["groups"] == [{"customer_group_uid": "all", "name": "All"}]
    assert [row["change"] for row in values["history"]] == ["was in", "joined", "left"]
    assert values["history"][0]["plan_digest"] is None
    assert values["history"][1]["plan_digest"] == plan.digest
    assert values["history"][1]["receipt_path"] == str(receipt.path)
    assert list(values["history"][0]) == list(fg.customer_history("c-2"))


def test_external_id(changed_tenant, capsys):
    "An external id must match exactly, including leading zeros. Errors contain the unknown or ambiguous id."
    assert run_who(capsys, "0150", "--ids", "external_id")[1].startswith("Customer c-1 ")

    for external_id in ("150", "E9"):
        code, _, err = run_who(capsys, external_id, "--ids", "external_id")
        assert code == 1 and f"external_id '{external_id}'" in err and "--at" in err
        assert ("'0150'" in err) == (external_id == "150") and "--allow-similar-ids" not in err
    code, _, err = run_who(capsys, "E3", "--ids", "external_id", "--at", first_timestamp())
    assert code == 1 and "2 customers have 'E3'" in err and "--at" not in err


def first_timestamp():
    """Return the timestamp of the first stored snapshot, which contains both customers with the id E3."""
    return fg.list_snapshots()["taken_at"].iloc[0].isoformat()


def test_earlier_snapshot(changed_tenant, capsys):
    "With --at, the output contains the customer's groups and changes up to the selected snapshot."
    code, out, _ = run_who(capsys, "c-2", "--at", first_timestamp(), "--json")

    values = json.loads(out)
    assert code == 0 and [row["change"] for row in values["history"]] == ["was in"]
    assert values["taken_at"] == first_timestamp()


def test_unknown_customer(changed_tenant, capsys):
    "An unknown uid causes exit code 1. An email address instead of a uid is redacted in the message."
    for uid, shown in (("c-99", "'c-99'"), ("kari@example.org", "'…@…'"), ("", "''")):
        code, out, err = run_who(capsys, uid)

        assert (code, out) == (1, "")
        assert shown in err and "--ids external_id" in err and "kari" not in err


def test_erased_customer(changed_tenant, capsys):
    "After an erasure, neither the customer's uid nor the placeholder that replaces the uid finds the customer."
    fg.erase_customer("c-2")

    for uid in ("c-2", "(erased-1)"):
        assert run_who(capsys, uid)[0] == 1
    assert run_who(capsys, "c-1")[0] == 0


def test_plan_with_an_erased_customer(tenant, capsys):
    "If another customer in the plan was erased, the output contains the plan's approval but not its digest."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-2", "c-3"]})
    apply(tenant, plan, plan.digest)
    load(tenant)
    fg.erase_customer("c-3")

    _, out, _ = run_who(capsys, "c-2")

    assert "erased" in out and "Approved " in out and plan.digest[:12] not in out


def test_unverifiable_snapshot(home_folder, capsys, monkeypatch):
    "If the snapshot has the verdict unverifiable, the output contains a note."
    fg.save_snapshot(fg.sample_snapshot("2026-11-03"))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")

    _, out, _ = run_who(capsys, "c-1")

    assert re.search(r"2026-11-03.*VIP \(vip\)", out, re.S)
    assert "unverifiable" in out and "uncertain" in out


def test_no_personal_data(changed_tenant, capsys):
    "The output of `frgroups who` contains neither the customer's name nor the external id."
    output = "".join(run_who(capsys, "c-2", *options)[1] for options in ([], ["--json"]))

    assert "Nordmann" not in output and "E2" not in output


def test_unreadable_journal(changed_tenant, capsys):
    "If a journal cannot be read, the output lists it and does not state that no plan caused a change."
    _, receipt, _ = changed_tenant
    journal = receipt.path.with_name(receipt.path.name.replace(".receipt.json", ".jsonl"))
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], lines[1][:-5] + "x" * 5, *lines[2:]]) + "\n")

    code, out, _ = run_who(capsys, "c-2")
    values = json.loads(run_who(capsys, "c-2", "--json")[1])

    assert code == 0 and str(journal) in out and "unknown whether a plan" in out and "No plan" not in out
    assert values["unreadable_journals"] == [str(journal)]
