"""Who moves from group to group in a plan, and that nobody leaves before having arrived."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.plan.planner import plan_memberships
from tests.plan.test_planner import MODES, cases, operations, snapshot_of

few = settings(max_examples=60)
COLUMNS = ["customer_uid", "from_group", "to_group", "from_name", "to_name"]


def moves_of(plan):
    """[(customer, from, to)] of a plan."""
    return list(plan.moves()[["customer_uid", "from_group", "to_group"]].itertuples(index=False, name=None))


@few
@given(case=cases(), mode=st.sampled_from(MODES))
def test_moves_table(case, mode):
    "The table contains each pair of a removal and an addition of the same customer once, in order."
    now, wanted = case
    plan = plan_memberships(snapshot_of(now), wanted, mode=mode)

    expected = [
        (left, out, into)
        for (out, left, one), (into, joined, other) in product(operations(plan), repeat=2)
        if (left, one, other) == (joined, "remove", "add")
    ]

    assert moves_of(plan) == sorted(expected)


def test_moves_in_summary():
    "The summary counts the moves per pair of groups, largest first, after the lines of the groups."
    world = {"gold": [], "silver": [], "vip": ["c-1", "c-2", "c-3"]}
    snapshot = snapshot_of(world, names=["Gold", "Silver", "VIP"])

    plan = plan_memberships(snapshot, {"vip": [], "gold": ["c-1", "c-2"], "silver": ["c-3"]}, mode="mirror")

    assert plan.moves().iloc[0].tolist() == ["c-1", "vip", "gold", "VIP", "Gold"]
    assert plan.summary().splitlines()[3:5] == ["2 move from VIP to Gold.", "1 moves from VIP to Silver."]
    assert plan.select(["vip"]).moves().empty


def test_many_moves_in_summary():
    "The summary lists five pairs and counts the moves of the others."
    world = {f"a{n}": [f"c-{n}"] for n in range(7)} | {"b": []}

    plan = plan_memberships(snapshot_of(world), {**dict.fromkeys(world, ()), "b": world["a0"]}, mode="mirror")
    many = plan_memberships(
        snapshot_of(world), {**dict.fromkeys(world, ()), "b": [f"c-{n}" for n in range(7)]}, mode="mirror"
    )

    assert [line for line in plan.summary().splitlines() if "move" in line and "from" in line] == [
        "1 moves from a0 to b."
    ]
    assert "2 moves more between 2 pairs of other groups." in many.summary().splitlines()


def test_moves_empty():
    "Without moves, the table has the same columns and dtypes; changing it does not change the plan."
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
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


def test_removal_after_addition_is_visible(tenant, monkeypatch):
    "The new group is read between the addition and the removal until the addition is visible."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    people = [f"c{n:02d}" for n in range(20)]
    tenant.put_customers(people)
    for uid, members in {"gold": [], "vip": people}.items():
        tenant.put_group(uid, uid)
        tenant.add_members(uid, members)
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        plan = fg.plan_memberships(snapshot, {"vip": people[2:], "gold": people[:2]}, mode="mirror")
        tenant.misbehave(lag_seconds=0.04)
        tenant.clear_requests()

        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    sent = [(one["method"], one["path"].split("/customer-groups/")[1].split("?")[0]) for one in tenant.requests()]
    add, remove = sent.index(("PUT", "gold/customers")), sent.index(("PUT", "vip/customers"))
    assert receipt.ok and plan.moves()["customer_uid"].tolist() == people[:2]
    assert sent[add + 1 : remove].count(("GET", "gold/customers")) >= 1
