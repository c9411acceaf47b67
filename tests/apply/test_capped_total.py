"""Test `apply_plan` on a server with a maximum total. A receipt must not contain changes that are not in effect."""

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.errors import DriftError

PEOPLE = [f"c{n:04d}" for n in range(60)]
OPEN = fg.Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)


@pytest.fixture
def world(short_pages, monkeypatch, no_pause):
    """Return a tenant with pages of 5 customers, and with one group of all 60 customers."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", ())
    short_pages.reset()
    arrange(short_pages, PEOPLE)
    return short_pages


def arrange(sandbox, customers):
    sandbox.put_customers(customers)
    sandbox.put_group("vip", "VIP")
    sandbox.add_members("vip", customers)


def apply_mirror(client, desired):
    """Load the tenant, remove all members of the group except the given ones, and return the receipt."""
    plan = fg.plan_memberships(fg.load_snapshot(client, False), {"vip": desired}, mode="mirror", limits=OPEN)
    return fg.apply_plan(client, plan, approval=plan.digest)


def verified_removals(receipt):
    return {uid for (_, uid, change), state in receipt.states.items() if (change, state) == ("remove", "verified")}


@pytest.mark.parametrize("total_cap", [0, 2, 5, 25, 60])
def test_removals(total_cap, world):
    """The members are removed for any maximum total. If the new total is correct, the removals are verified."""
    world.misbehave(total_cap=total_cap)
    with world.client(writable=True) as client:
        receipt = apply_mirror(client, PEOPLE[:2])

        assert world.members("vip") == PEOPLE[:2]
        assert receipt.ok == (total_cap >= 2)
        assert verified_removals(receipt) == (set(PEOPLE[2:]) if total_cap >= 2 else set())

        undo = fg.plan_undo(receipt, limits=OPEN)
        assert undo.n_add == len(verified_removals(receipt))
        if undo.n_add:
            assert fg.apply_plan(client, undo, approval=undo.digest).ok
            assert world.members("vip") == PEOPLE


def test_removals_without_effect(world):
    """If the server accepts removals but the members stay, no removal is verified."""
    world.misbehave(total_cap=20, lag_seconds=3600)
    with world.client(writable=True) as client:
        receipt = apply_mirror(client, PEOPLE[:2])

    assert world.members("vip") == PEOPLE
    assert not receipt.ok and verified_removals(receipt) == set()


@pytest.mark.parametrize("cap", [3, 20])
def test_omitted_members(cap, world):
    """If the server omits members, a plan in mode mirror sends nothing, and a plan in mode remove is applied."""
    world.misbehave(total_cap=cap, row_cap=cap)
    with world.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        with pytest.raises(DriftError) as error:
            apply_mirror(client, PEOPLE[:2])
        assert error.value.groups == ["vip"] and world.members("vip") == PEOPLE

        plan = fg.plan_memberships(snapshot, {"vip": PEOPLE[:1]}, mode="remove", limits=OPEN)
        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    assert snapshot.verdict == "unverifiable" and list(snapshot["vip"]) == PEOPLE[:cap]
    assert world.members("vip") == PEOPLE[1:]
    # The last read is as incomplete as the first, so the missing customer is not certainly absent.
    assert not receipt.ok and verified_removals(receipt) == set()


def test_members_omitted_without_evidence(world):
    """Members who appear after the removals of other members are reported as drift in the receipt."""
    world.misbehave(total_cap=50, row_cap=50, honor_sort_direction=False)
    with world.client(writable=True) as client:
        receipt = apply_mirror(client, PEOPLE[:2])

    assert world.members("vip") == [*PEOPLE[:2], *PEOPLE[50:]]
    assert verified_removals(receipt) == set(PEOPLE[2:50])
    assert receipt.drift == {"vip": (10, 0)} and "10 additions" in receipt.summary()


def test_maximum_of_1000(running, monkeypatch, no_pause):
    """If totals stop at 1,000, all 1,300 members of a group are read, and 1,290 removals are verified."""
    people = [f"c{n:04d}" for n in range(1300)]
    running.reset()
    arrange(running, people)
    running.misbehave(total_cap=1000)
    with running.client(writable=True, page_size=100) as client:
        snapshot = fg.load_snapshot(client, False)

        receipt = apply_mirror(client, people[:10])

    assert (list(snapshot["vip"]), snapshot.verdict) == (people, "unverifiable")
    assert snapshot.reads["note"].str.contains("1,000").all() and snapshot.reads["note"].str.contains("1,300").all()
    assert running.members("vip") == people[:10]
    assert receipt.ok and verified_removals(receipt) == set(people[10:])
