"""Tests for the findings of undo plans about their customers."""

import pandas as pd
import pytest

import frgroups as fg
from tests.world import UIDS, put_group_of_all

REGISTER = pd.DataFrame({"group": ["vip"], "purpose": ["email"], "protected": [True]})
CONSENT = {"consentUid": "email", "name": "Email", "status": False, "createdAt": "2026-01-01T00:00:00Z"}


@pytest.fixture
def receipt(running):
    """Remove two customers with a price list and a withdrawn consent from the group VIP, and return the receipt."""
    put_group_of_all(running)
    running.put_customers([{"customerUid": uid, "pricelistUid": "7", "consents": [CONSENT]} for uid in UIDS[:2]])
    running.put_group("vip", "VIP")
    running.add_members("vip", UIDS[:4])
    with running.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, cache=False)
        limits = fg.Limits(removal_share=None)
        plan = fg.plan_memberships(snapshot, {"vip": UIDS[:2]}, mode="remove", limits=limits)
        return fg.apply_plan(client, plan, approval=plan.digest)


def findings_of(plan):
    """Return the findings without exceeded limits, because an undo plan has its own limits."""
    return {(found.rule, found.customer_group_uid, found.n) for found in plan.findings if not found.blocking}


@pytest.mark.parametrize("stored", ["before", "after"])
def test_same_findings_as_a_plan(running, receipt, stored):
    "An undo plan has the findings of a plan with the same additions, with a snapshot from before or after the run."
    with running.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    expected = fg.plan_memberships(snapshot, {"vip": UIDS[:2]}, register=REGISTER)
    if stored == "before":
        snapshot = receipt.plan.snapshot
    fg.save_snapshot(snapshot)

    undo = fg.plan_undo(receipt, register=REGISTER)

    assert {"own_pricelist", "withdrawn_consent", "protected_group"} <= {finding.rule for finding in undo.findings}
    assert findings_of(undo) == findings_of(expected)
    assert undo.table()["finding"].tolist() == expected.table()["finding"].tolist()
    assert fg.read_plan(undo.save(fg.home() / "undo.plan.json")).table().equals(undo.table())


def test_no_snapshot(receipt):
    "Without a stored snapshot, a finding states that the attributes of joining customers were not checked."
    assert [finding.rule for finding in fg.plan_undo(receipt).findings] == ["no_snapshot"]
    assert {"own_pricelist"} <= {
        finding.rule for finding in fg.plan_undo(receipt, snapshot=receipt.plan.snapshot).findings
    }


def test_snapshot_of_another_tenant(receipt):
    "A snapshot of another tenant is not accepted."
    with pytest.raises(fg.errors.InputError, match="t-1"):
        fg.plan_undo(receipt, snapshot=fg.sample_snapshot())
