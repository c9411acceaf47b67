"""Tests for customers who move from one group to another."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.plan.planner import plan_memberships
from tests.plan.test_planner import MODES, cases, operations, snapshot_of

COLUMNS = ["customer_uid", "from_group", "to_group", "from_name", "to_name"]


def moves_of(plan):
    """Return the moves in a plan as tuples of customer, old group, and new group."""
    return list(plan.moves()[["customer_uid", "from_group", "to_group"]].itertuples(index=False, name=None))


@given(case=cases(), mode=st.sampled_from(MODES))
def test_moves_table(case, mode):
    "The table of moves contains each pair of a removal and an addition of the same customer once, in sorted order."
    now, wanted = case
    plan = plan_memberships(snapshot_of(now), wanted, mode=mode)

    expected = [
        (removed, old_group, new_group)
        for (old_group, removed, change), (new_group, added, other_change) in product(operations(plan), repeat=2)
        if (removed, change, other_change) == (added, "remove", "add")
    ]

    assert moves_of(plan) == sorted(expected)


def test_moves_in_summary():
    "In the summary of a plan, the changes of the groups are followed by the numbers of moves between groups."
    world = {"gold": [], "silver": [], "vip": ["c-1", "c-2", "c-3"]}
    snapshot = snapshot_of(world, names=["Gold", "Silver", "VIP"])

    plan = plan_memberships(snapshot, {"vip": [], "gold": ["c-1", "c-2"], "silver": ["c-3"]}, mode="mirror")

    assert plan.moves().iloc[0].tolist() == ["c-1", "vip", "gold", "VIP", "Gold"]
    moves = plan.summary().splitlines()[3:5]
    assert moves == ["2 customers move from VIP to Gold.", "1 customer moves from VIP to Silver."]
    assert plan.select(["vip"]).moves().empty


def test_many_moves_in_summary():
    "The summary lists the moves for at most five pairs of groups, followed by the number of remaining moves."
    world = {f"a{n}": [f"c-{n}"] for n in range(7)} | {"b": []}

    plan = plan_memberships(snapshot_of(world), {**dict.fromkeys(world, ()), "b": world["a0"]}, mode="mirror")
    many = plan_memberships(
        snapshot_of(world), {**dict.fromkeys(world, ()), "b": [f"c-{n}" for n in range(7)]}, mode="mirror"
    )

    assert [line for line in plan.summary().splitlines() if "from a" in line] == ["1 customer moves from a0 to b."]
    lines = many.summary().splitlines()
    assert sum("moves from" in line for line in lines) == 5
    assert sum("2 moves" in line and "2 pairs" in line for line in lines) == 1


def test_moves_empty():
    "If a plan has no moves, the table of moves is empty. Changing this table does not affect the plan."
    snapshot = fg.sample_snapshot()
    none = plan_memberships(snapshot, {"vip": ["c-7"]}).moves()
    plan = plan_memberships(snapshot, {"vip": [], "staff": ["c-1"]}, mode="mirror")

    table = plan.moves()
    table["customer_uid"] = "x"

    assert none.empty and list(none.columns) == COLUMNS
    assert list(none.dtypes) == list(plan.moves().dtypes)
    assert moves_of(plan) == [("c-1", "vip", "staff")]


@pytest.fixture(scope="module")
def tenant():
    """Return a sandbox without customers and groups."""
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


def test_removal_after_addition_is_visible(tenant, monkeypatch):
    "A moving customer is removed from the old group only after a read shows the customer in the new group."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    customers = [f"c{n:02d}" for n in range(20)]
    tenant.put_customers(customers)
    for uid, members in {"gold": [], "vip": customers}.items():
        tenant.put_group(uid, uid)
        tenant.add_members(uid, members)
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        plan = fg.plan_memberships(snapshot, {"vip": customers[2:], "gold": customers[:2]}, mode="mirror")
        tenant.misbehave(lag_seconds=0.04)
        tenant.clear_requests()

        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    sent = [
        (request["method"], request["path"].split("/customer-groups/")[1].split("?")[0])
        for request in tenant.requests()
        if "/customer-groups/" in request["path"]
    ]
    add, remove = sent.index(("PUT", "gold/customers")), sent.index(("PUT", "vip/customers"))
    assert receipt.ok and plan.moves()["customer_uid"].tolist() == customers[:2]
    assert sent[add + 1 : remove].count(("GET", "gold/customers")) >= 1
