"""End-to-end test with a customer uid that has a leading zero."""

import json

import frgroups as fg

UID = "0150"


def test_leading_zero(tmp_path):
    "The uid 0150 keeps its leading zero from the load to the undo."
    with fg.Sandbox(empty=True) as sandbox, sandbox.client(writable=True) as client:
        # Customer 0150 is a member of Loyalty but not of VIP.
        sandbox.put_customers([{"customerUid": UID, "externalId": "E0150"}, "c-1", "c-2"])
        for group, members in {"loyalty": [UID, "c-1", "c-2"], "vip": ["c-1"], "campaign": ["c-2"]}.items():
            sandbox.put_group(group, group.title())
            sandbox.add_members(group, members)

        # Load and store a snapshot
        assert UID in [customer.customer_uid for customer in client.iter_group_customers("loyalty")]
        before = fg.load_snapshot(client)
        assert fg.read_snapshot().memberships.equals(before.memberships)
        assert UID in before["Loyalty"] and UID not in before["Vip"]

        # Analyze
        sizes = fg.group_sizes(before).set_index("customer_group_uid")
        assert sizes.loc["loyalty", "n_members"] == 3 and sizes.loc["loyalty", "n_exclusive"] == 1
        assert list(fg.members(before, "loyalty - vip - campaign")) == [UID]

        # Read a list with an external id
        path = tmp_path / "list.csv"
        path.write_text("external_id;note\nE0150;\n", encoding="utf-8")
        resolved = fg.resolve_customers(before, fg.read_list(path))
        assert resolved.to_dict("records") == [{"id": "E0150", "customer_uid": UID, "outcome": "resolved"}]

        # Plan, review, and approve
        plan = fg.plan_memberships(before, {"Vip": ["c-1", *resolved["customer_uid"]]}, mode="mirror")
        assert plan.payloads() == [{"customerGroupUid": "vip", "addCustomerUids": [UID], "removeCustomerUids": []}]
        assert UID in plan.preview()["vip"]
        plan = fg.read_plan(plan.save(tmp_path / "vip.plan.json"))
        assert UID in fg.save_review(plan, tmp_path / "vip.html").read_text(encoding="utf-8")
        approval = fg.approve_plan(plan, tmp_path / "vip.approval.json", by="Kari")

        # Apply
        sandbox.clear_requests()
        receipt = fg.apply_plan(client, plan, approval=approval)
        sent = [json.loads(request["sent"]) for request in sandbox.requests() if request["method"] == "PUT"]
        assert sent == [{"addCustomerUids": [UID]}]
        row = {"customer_group_uid": "vip", "customer_uid": UID, "change": "add", "finding": "", "state": "verified"}
        assert receipt.table().drop(columns="detail").to_dict("records") == [row]
        assert sandbox.members("vip") == [UID, "c-1"]

        # Load again and undo
        after = fg.load_snapshot(client)
        change = {"customer_group_uid": "vip", "customer_uid": UID, "change": "joined", "still_seen": True}
        assert fg.membership_changes(before, after).to_dict("records") == [change]
        undo = fg.plan_undo(fg.read_receipt(receipt.path))
        assert fg.apply_plan(client, undo, approval=undo.digest).counts == {"verified": 1}
        assert sandbox.members("vip") == ["c-1"]
        assert len(fg.list_snapshots()) == 2
