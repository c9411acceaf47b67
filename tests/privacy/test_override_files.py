"""Tests for erasing a customer from overrides of the apply windows."""

import json

import frgroups as fg
from frgroups.apply.journal import Journal
from frgroups.apply.window_override import read_override
from tests.windows import write_freeze

UIDS = ["c-1", "c-2", "c-3"]


def applied(sandbox, home, uid, reason):
    """Apply a plan that adds a customer during a freeze, and return the paths of the override and the receipt."""
    sandbox.reset()
    sandbox.put_customers(UIDS)
    sandbox.put_group("all", "All")
    sandbox.add_members("all", UIDS)
    sandbox.put_group("vip", "VIP")
    with sandbox.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client, False), {"vip": [uid]})
        write_freeze(plan)
        override = fg.override_windows(plan, home / "o.json", by="Kari", reason=reason)
        receipt = fg.apply_plan(client, plan, approval=plan.digest, override=override)
    return plan, override, receipt.path


def test_customer_in_the_reason(running, home_folder):
    "If a reason mentions the customer, a placeholder replaces the uid in the override, the journal, and the receipt."
    plan, override, receipt = applied(running, home_folder, "c-3", "wrong price for c-2")
    journal = receipt.with_name(receipt.name.replace(".receipt.json", ".jsonl"))

    table = fg.erase_customer("c-2")

    assert "failed" not in set(table["action"])
    stored = [read_override(override, plan).reason, fg.read_receipt(receipt).overrides[0]["reason"]]
    stored += [Journal(journal).state.overrides[0]["reason"]]
    assert [text.startswith("wrong price for ") and "c-2" not in text for text in stored] == [True] * 3
    assert "c-2" not in json.dumps(fg.read_receipt(receipt).to_dict())


def test_customer_in_the_plan(running, home_folder):
    "If the plan contains the customer, the override is removed, because it contains the digest of the plan."
    _, override, _ = applied(running, home_folder, "c-3", "wrong price")

    planned = fg.erase_customer("c-3", dry_run=True)
    fg.erase_customer("c-3")

    assert planned.set_index("path").loc[str(override), "action"] == "removed" and not override.exists()
    [receipt] = home_folder.glob("journals/*/*.receipt.json")
    assert [entry["by"] for entry in fg.read_receipt(receipt).overrides] == ["Kari"]
