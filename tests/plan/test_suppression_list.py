"""Tests for the suppression list when plans are created, applied, and undone, and when customers are erased."""

import re
from dataclasses import replace

import pytest

import frgroups as fg
from frgroups.errors import InputError, ListError, PlanBlockedError
from frgroups.plan.suppression_list import current_suppression_list
from tests.plan.suppression import CUSTOMERS, excluded_of, plan_for, write_list

# Reading the file


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("customer_uid\nc-7\n0150\n", {"c-7": "", "0150": ""}),
        ("Customer UID;Reason\n c-7 ;asked us to\n", {"c-7": "asked us to"}),
        ("reason,customerUid,group\nfraud,c-7,vip\n", {"c-7": "fraud"}),
        ("customer_uid\treason\nc-7\t\nc-7\tfraud\nc-7\tmore\n", {"c-7": "fraud"}),
        ("customer_uid,reason\nc-7,called +47 900 00 000 / kari@example.org\n", {"c-7": "called +… / …@…"}),
        ("\ufeffcustomer_uid\r\nc-7\r\n\r\n", {"c-7": ""}),
        ("customer_uid\n", {}),
        ("customer_uid,reason\n", {}),
    ],
)
def test_read(text, known):
    "Suppression lists in common CSV formats are read. The first reason is used, and contact data is masked."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, text)

    entries = current_suppression_list(snapshot).by_group.get("", {})
    assert {uid: entry.reason for uid, entry in entries.items()} == known


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("c-7\nc-8\n", ["'customer_uid'", "0"]),
        ("external_id\n0150\n", ["'customer_uid'", "0"]),
        ("customer_uid,Customer UID\nc-7,c-8\n", ["'customer_uid'", "2"]),
        ("customer_uid,reason\nc-7,fraud\n,fraud\n,more\n", ["rows 3 and 4"]),
        ("customer_uid,reason\nc-7,fraud, or so\n", ["2", "3"]),
        ("customer_uid,reason\n150.0,fraud\n", ["150.0"]),
        ("customer_uid,reason\n#N/A,fraud\n", ["#N/A"]),
        ("<html>", []),
    ],
)
def test_ambiguous_file(text, parts):
    "A suppression list with missing uids or an ambiguous header raises ListError."
    snapshot = fg.sample_snapshot()
    path = write_list(snapshot, text)

    with pytest.raises(ListError) as error:
        fg.plan_memberships(snapshot, {"vip": ["c-9"]})

    assert all(part in str(error.value) for part in (*parts, str(path)))


def test_dangling_link():
    "If the suppression list is a symbolic link to a missing file, ListError is raised."
    snapshot = fg.sample_snapshot()
    path = fg.suppression_list_path(snapshot)
    path.parent.mkdir(parents=True)
    path.symlink_to(path.parent / "away.csv")

    with pytest.raises(ListError, match=re.escape(str(path))):
        fg.plan_memberships(snapshot, {"vip": ["c-9"]})


def test_list_per_tenant_and_host(home_folder):
    "Each combination of tenant and host has a separate suppression list."
    snapshot = fg.sample_snapshot()
    others = [replace(snapshot, base_url="https://other.example"), replace(snapshot, tenant_uid="t-2")]

    write_list(snapshot, "customer_uid\nc-7\n")

    assert fg.suppression_list_path(snapshot).is_relative_to(home_folder / "lists" / "suppression_list")
    assert excluded_of(fg.plan_memberships(snapshot, {"vip": ["c-7"]})) == [("c-7", "add", "suppression list")]
    assert [excluded_of(fg.plan_memberships(other, {"vip": ["c-7"]})) for other in others] == [[], []]


def test_list_and_argument():
    "Customers in the suppression list file and in the argument are excluded, with the reasons from the file."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, "customer_uid,reason\nc-7,asked us to\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-7", "c-8", "c-9"]}, suppression_list=["c-7", "c-8"])

    assert excluded_of(plan) == [("c-7", "add", "suppression list: asked us to"), ("c-8", "add", "suppression list")]
    assert [(finding.rule, finding.n) for finding in plan.findings if finding.n] == [("suppression_list", 2)]


def test_current_member():
    "A member who is on the suppression list remains in the group and can be removed by a plan."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, "customer_uid\nc-1\nc-2\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-2"]}, mode="mirror")

    assert excluded_of(plan) == [] and plan.n_remove == 1


def test_suppressed_move():
    "If the suppression list prevents the addition of a moving customer, the customer still leaves the old group."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, "customer_uid\nc-1\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-2"], "staff": ["c-1", "c-251"]}, mode="mirror")

    assert (plan.n_add, plan.n_remove, len(plan.moves())) == (0, 1, 0)
    assert excluded_of(plan) == [("c-1", "add", "suppression list")]


# Applying


def test_listed_after_planning(client, tenant):
    "If a customer is suppressed after planning, the plan is not applied, but a new plan can be applied."
    wanted = {"vip": CUSTOMERS[:14], "gold": CUSTOMERS[12:15]}
    plan = plan_for(client, wanted)
    path = write_list(client, "customer_uid\nc12\nc13\nc19\n")
    tenant.clear_requests()

    with pytest.raises(PlanBlockedError) as error:
        fg.apply_plan(client, plan, approval=plan.digest)

    assert all(part in str(error.value) for part in ("2 customers", "2 groups", str(path)))
    assert [(finding.rule, finding.n) for finding in error.value.findings] == [("suppression_list", 4)]
    assert tenant.requests() == []
    again = plan_for(client, wanted)
    assert fg.apply_plan(client, again, approval=again.digest).ok
    assert tenant.members("vip") == CUSTOMERS[:12] and tenant.members("gold") == ["c14"]


def test_unreadable_list_at_apply(client, tenant):
    "If the suppression list cannot be read, the plan is not applied."
    plan = plan_for(client, {"vip": CUSTOMERS[:12]})
    write_list(client, "c12\n")
    tenant.clear_requests()

    with pytest.raises(ListError, match="suppression list"):
        fg.apply_plan(client, plan, approval=plan.digest)

    assert tenant.requests() == []


def test_removal_of_listed_customer(client, tenant):
    "A plan can remove a customer who is on the suppression list."
    plan = plan_for(client, {"vip": CUSTOMERS[1:10]}, mode="mirror")
    write_list(client, "customer_uid\nc00\n")

    assert fg.apply_plan(client, plan, approval=plan.digest).ok
    assert tenant.members("vip") == CUSTOMERS[1:10]


def test_undo(client, tenant):
    "An undo plan does not add customers on the suppression list, and their additions are excluded changes."
    limits = fg.Limits(removals_per_group=None, removal_share=None)
    plan = plan_for(client, {"vip": CUSTOMERS[2:10]}, mode="mirror", limits=limits)
    receipt = fg.apply_plan(client, plan, approval=plan.digest)
    write_list(client, "customer_uid,reason\nc00,asked us to\n")

    undo = fg.plan_undo(receipt)

    assert excluded_of(undo) == [("c00", "add", "suppression list: asked us to")]
    assert fg.apply_plan(client, undo, approval=undo.digest).ok
    assert tenant.members("vip") == CUSTOMERS[1:10]


# Erasure and export


def test_erase():
    "An erasure removes the customer from the suppression list and excluded changes. The plan digest does not change."
    snapshot = fg.sample_snapshot()
    path = write_list(snapshot, "customer_uid,reason\nc-7,asked us to\nc-8,fraud\n")
    plan = fg.plan_memberships(snapshot, {"vip": ["c-7", "c-8", "c-9"]})
    saved = plan.save(fg.home() / "plans" / "plan.json")

    table = fg.erase_customer("c-7")

    assert sorted(table[["kind", "action"]].itertuples(index=False, name=None)) == [
        ("list", "rewritten"),
        ("plan", "rewritten"),
    ]
    assert path.read_text() == "customer_uid,reason\nc-8,fraud\n"
    again = fg.read_plan(saved)
    assert (again.digest, excluded_of(again)) == (plan.digest, [("c-8", "add", "suppression list: fraud")])
    assert "c-7" not in saved.read_text()
    assert fg.erase_customer("c-7").empty


def test_erase_in_one_tenant():
    "An erasure in one tenant does not change the suppression list of another tenant."
    snapshot = fg.sample_snapshot()
    own, other = (
        write_list(tenant, "customer_uid\nc-7\n") for tenant in (snapshot, replace(snapshot, tenant_uid="t-2"))
    )

    table = fg.erase_customer("c-7", tenant_uid="t-1")

    assert table[["path", "tenant_uid"]].values.tolist() == [[str(own), "t-1"]]
    assert (own.read_text(), other.read_text()) == ("customer_uid\n", "customer_uid\nc-7\n")
    assert fg.plan_memberships(snapshot, {"vip": ["c-7"]}).n_add == 1


def test_erase_from_reason():
    "An erased uid is removed from the reasons of other customers in a plan, but not in the suppression list."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, "customer_uid,reason\nc-8,same person as c-7\n")
    path = fg.plan_memberships(snapshot, {"vip": ["c-8", "c-9"]}).save(fg.home() / "plans" / "plan.json")

    table = fg.erase_customer("c-7")

    assert "c-7" not in path.read_text()
    assert set(table["action"]) == {"rewritten", "failed"}  # The list must be edited by hand.


def test_erase_from_receipt(client):
    "An erased uid in the excluded changes of a receipt is replaced by a placeholder, and undo is still possible."
    write_list(client, "customer_uid\nc11\n")
    plan = plan_for(client, {"gold": ["c10", "c11"]})
    receipt = fg.apply_plan(client, plan, approval=plan.digest)
    assert excluded_of(fg.read_receipt(receipt.path).plan) == [("c11", "add", "suppression list")]

    fg.erase_customer("c11")

    again = fg.read_receipt(receipt.path)
    assert excluded_of(again.plan) == [("(erased-1)", "add", "suppression list")]
    assert (again.plan.digest, again.erasure_id) == (plan.digest, "")
    assert fg.plan_undo(again).n_remove == 1


def test_export():
    "The export of a customer contains the customer's row in the suppression list and the excluded changes."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, "customer_uid,reason\nc-7,asked us to\n")
    fg.plan_memberships(snapshot, {"vip": ["c-7", "c-9"]}).save(fg.home() / "plans" / "plan.json")

    export = fg.export_customer("c-7")

    assert export["lists"][0]["rows"] == [["c-7", "asked us to"]]
    assert export["plans"][0]["excluded"] == [
        {"customer_group_uid": "vip", "change": "add", "reason": "suppression list: asked us to"}
    ]


def test_earlier_folder(home_folder):
    "If a suppression list is in the earlier folder, InputError is raised and contains both paths."
    path = fg.suppression_list_path(fg.sample_snapshot())
    earlier = path.parent.with_name("never_add") / path.name
    earlier.parent.mkdir(parents=True)
    earlier.write_text("customer_uid\nc-7\n", encoding="utf-8")

    with pytest.raises(InputError) as caught:
        fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]})

    assert str(earlier) in str(caught.value) and str(path) in str(caught.value)
