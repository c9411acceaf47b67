"""Property-based tests for loads: a snapshot is correct, or its verdict is not `consistent`."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import DriftedReadError
from tests.examples import at_most
from tests.world import World

PEOPLE = [f"c{n:02d}" for n in range(24)]
GROUPS = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def _quick(no_pause, monkeypatch):
    """Remove the delay between two reads of a list, and use small probes because the lists are short."""
    monkeypatch.setattr("frgroups.load.tenant_reader.PROBE_SIZE", 4)
    monkeypatch.setattr("frgroups.load.end_check.MIN_SHARED_MAXIMUM", 1)


def load(world, *, cover=True):
    return fg.load_snapshot(world, False, cover=cover, progress=False)


def subsets(people):
    """Return a hypothesis strategy that generates subsets of the customers."""
    return st.integers(0, 2 ** len(people) - 1).map(
        lambda bits: {uid for n, uid in enumerate(people) if bits >> n & 1}
    )


@st.composite
def tenants(draw):
    """Generate four groups: arbitrary groups, nested groups, or groups of which one contains all customers."""
    groups = {group: draw(subsets(PEOPLE)) for group in GROUPS}
    match draw(st.sampled_from(["any", "nested", "all customers", "all customers"])):
        case "nested":
            groups["b"] &= groups["a"]
            groups["c"] &= groups["b"]
        case "all customers":
            groups[draw(st.sampled_from(GROUPS))] = set(PEOPLE)
    # A list of one row has no order. If it is the longest list, its other end cannot be confirmed.
    assume(max(map(len, groups.values())) != 1)
    return groups


# Customers who join or leave a group before the given request. Numbers beyond the last request have no effect.
edits = st.dictionaries(
    st.integers(0, 40),
    st.lists(
        st.tuples(st.sampled_from(GROUPS), st.sampled_from([*PEOPLE, "a", "c11x", "z"])),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    max_size=8,
)


def wrongly_consistent(snapshot, world):
    """
    Return the groups that have wrong members in the snapshot and the verdict `consistent`.

    A group is wrong if it lacks a permanent member or contains a customer who was never a member.
    """
    verdicts = snapshot.reads.set_index("customer_group_uid")
    wrong = []
    for group in snapshot.groups["customer_group_uid"]:
        read, found = verdicts.loc[group], set(snapshot[group])
        # A second pass is weaker evidence. Inferred groups are reliable only if no customer leaves them.
        weaker = read["evidence"] == "second pass" or (read["how"] == "cover" and group in world.left)
        if read["verdict"] == "consistent" and not weaker and not world.always[group] <= found <= world.ever[group]:
            wrong.append((group, dict(read), found ^ world.groups[group]))
    return wrong


@pytest.mark.parametrize("cover", [False, True])
@given(groups=tenants(), edits=edits, cap=st.integers(1, 8), lists=st.sampled_from(["filled", "absent"]))
def test_edits_between_requests(cover, groups, edits, cap, lists):
    """A `consistent` group contains all permanent members, and no customer who was never a member."""
    world = World(groups, cap=cap, edits=edits, lists=lists)

    snapshot = load(world, cover=cover)

    assert wrongly_consistent(snapshot, world) == []
    assert snapshot.verdict == ("consistent" if set(snapshot.reads["verdict"]) <= {"consistent"} else "drifted")


@given(
    groups=tenants(),
    base=st.sampled_from([0, 1, 7]),
    cap=st.integers(1, 40),
    asked=st.integers(1, 50),
    ignores_size=st.booleans(),
    lists=st.sampled_from(["filled", "filled", "absent", "empty"]),
)
def test_unchanged_tenant(groups, base, cap, asked, ignores_size, lists):
    """A tenant that does not change is read correctly in one attempt, for any page size, with and without `cover`."""
    for cover in (True, False):
        world = World(groups, base=base, cap=cap, asked=asked, ignores_size=ignores_size, lists=lists)

        snapshot = load(world, cover=cover)

        assert snapshot.verdict == "consistent"
        assert {group: set(snapshot[group]) for group in GROUPS} == groups
        assert set(snapshot.reads["rereads"]) == {0}


@at_most(25)
@given(
    groups=tenants(),
    total_cap=st.integers(0, 26),
    cap=st.integers(1, 30),
    ignores_size=st.booleans(),
    lists=st.sampled_from(["filled", "filled", "absent"]),
)
def test_capped_total(groups, total_cap, cap, ignores_size, lists):
    """If the server limits its totals, all members are read. Only groups up to the limit are `consistent`."""
    for cover in (True, False):
        world = World(groups, cap=cap, ignores_size=ignores_size, lists=lists, total_cap=total_cap)

        snapshot = load(world, cover=cover)

        assert {group: set(snapshot[group]) for group in GROUPS} == groups
        verdicts = snapshot.reads.set_index("customer_group_uid")["verdict"]
        assert dict(verdicts) == {
            group: "consistent" if len(uids) <= total_cap else "unverifiable" for group, uids in groups.items()
        }
        is_correct = max(len(GROUPS), *map(len, groups.values())) <= total_cap
        assert snapshot.verdict == ("consistent" if is_correct else "unverifiable")


@at_most(40)
@example(
    groups={"a": set(PEOPLE[:8]), "b": set(PEOPLE[:9]), "c": set(PEOPLE[2:12]), "d": set()},
    caps=(8, 8),
    cap=5,
    ignores_size=False,
    lists="absent",
    sorts="ignores",
)
@example(
    groups={"a": set(PEOPLE[:8]), "b": set(PEOPLE[2:11]), "c": set(PEOPLE[2:14]), "d": set(PEOPLE[10:14])},
    caps=(8, 8),
    cap=5,
    ignores_size=False,
    lists="filled",
    sorts="rejects",
)
@given(
    groups=tenants(),
    caps=st.tuples(st.none() | st.integers(0, 26), st.none() | st.integers(0, 26))
    | st.integers(4, 24).map(lambda n: (n, n)),
    cap=st.integers(1, 30),
    ignores_size=st.booleans(),
    lists=st.sampled_from(["filled", "absent"]),
    sorts=st.sampled_from(["honors", "honors", "ignores", "rejects"]),
)
def test_capped_lists(groups, caps, cap, ignores_size, lists, sorts):
    """
    If a server omits rows after a maximum, the incomplete groups are not `consistent`.

    The only exception is a server that returns its totals and its rows up to the same maximum, does not honor the
    sort direction, and does not return the missing customers in other groups. The only groups with as many rows as
    the incomplete group are then copies of it.
    """
    total_cap, row_cap = caps
    for cover in (True, False):
        world = World(
            groups,
            cap=cap,
            ignores_size=ignores_size,
            lists=lists,
            total_cap=total_cap,
            row_cap=row_cap,
            sorts=sorts,
        )
        try:
            snapshot = load(world, cover=cover)
        except DriftedReadError:  # The list of groups is incomplete.
            assert row_cap < len(GROUPS)
            continue

        verdicts = dict(snapshot.reads.set_index("customer_group_uid")["verdict"])
        known = set(snapshot.customers["customer_uid"])
        for group, verdict in verdicts.items():
            missing = groups[group] - set(snapshot[group])
            if missing and verdict == "consistent":
                assert sorts != "honors" and total_cap == row_cap
                assert lists == "absent" or not missing & known
                equal = [other for other in verdicts if len(snapshot[other]) == len(snapshot[group])]
                assert {verdicts[other] for other in equal} == {"consistent"}
                assert len({tuple(snapshot[other]) for other in equal}) == 1
        if sorts == "honors" and len(verdicts) < len(GROUPS):
            assert snapshot.verdict != "consistent" and snapshot.groups_note


@pytest.mark.parametrize("lists", ["absent", "filled"])
def test_refresh_after_capped_load(lists):
    """A refresh of one group considers the lists that were read before: the group remains `unverifiable`."""
    groups = {"a": PEOPLE[:8], "b": PEOPLE[2:11], "c": PEOPLE[2:14], "d": PEOPLE[10:14]}
    world = World(groups, total_cap=8, row_cap=8, lists=lists, sorts="rejects")

    refreshed = fg.refresh_groups(world, load(world), ["b"], progress=False)

    verdicts = dict(refreshed.reads.set_index("customer_group_uid")["verdict"])
    assert verdicts["b"] == "unverifiable" and verdicts["d"] == "consistent"


def test_equal_lists(monkeypatch):
    """If one list is incomplete, other lists with as many rows are `unverifiable`, and their note names the list."""
    monkeypatch.setattr("frgroups.load.end_check.MIN_SHARED_MAXIMUM", 100)
    groups = {"a": PEOPLE[:8], "b": PEOPLE[2:10], "c": PEOPLE[1:11], "d": PEOPLE[4:8]}
    world = World(groups, total_cap=8, row_cap=8, sorts="rejects")

    reads = load(world).reads.set_index("customer_group_uid")

    assert reads["verdict"].to_dict() == {"a": "unverifiable", "b": "unverifiable", "c": "drifted", "d": "consistent"}
    assert "8" in reads.loc["b", "note"]


def test_rows_omitted_after_total():
    """If the other end of a list contains further members, the group is read again once, and is `unverifiable`."""
    world = World({"a": PEOPLE, "b": PEOPLE[:3]}, cap=10, total_cap=12, row_cap=12, lists="absent")

    reads = load(world).reads.set_index("customer_group_uid")

    assert dict(reads["verdict"]) == {"a": "unverifiable", "b": "consistent"}
    assert dict(reads["rereads"]) == {"a": 1, "b": 0} and reads.loc["a", "note"] != ""


def test_customer_joined_before_check():
    """If a customer joins after a group is read and before its other end is read, the group is read again."""
    quiet = World({"a": PEOPLE[:13], "b": PEOPLE[:3]}, cap=10)
    load(quiet)
    world = World({"a": PEOPLE[:13], "b": PEOPLE[:3]}, cap=10, edits={quiet.n_requests - 1: [("a", "z")]})

    snapshot = load(world)

    assert snapshot.verdict == "consistent" and set(snapshot["a"]) == world.groups["a"]


def test_customer_left_before_check():
    """If the last customer leaves after a group is read and before its other end is read, the group is read again."""
    groups = {"a": PEOPLE[:13], "b": PEOPLE[2:15]}
    quiet = World(groups, cap=10)
    load(quiet)
    world = World(groups, cap=10, edits={quiet.n_requests - 1: [("b", PEOPLE[14])]})

    snapshot = load(world)

    assert snapshot.verdict == "consistent" and set(snapshot["b"]) == world.groups["b"] != set(groups["b"])


@pytest.mark.parametrize(("sorts", "n_checks"), [("honors", 3), ("ignores", 2), ("rejects", 1)])
def test_other_end_of_longest_lists(sorts, n_checks, monkeypatch):
    """Only the longest lists are checked. A server that does not honor the sort direction is asked at most twice."""
    monkeypatch.setattr("frgroups.load.end_check.MIN_SHARED_MAXIMUM", 100)
    groups = {"a": PEOPLE[:20], "b": PEOPLE[4:], "c": PEOPLE[:19], "d": PEOPLE[2:22]}
    world = World(groups, sorts=sorts)

    assert load(world, cover=False).verdict == "consistent"
    assert sum(uid != "" for uid, direction in world.reversed) == n_checks


@pytest.mark.parametrize("sorts", ["honors", "ignores", "rejects"])
def test_common_maximum(sorts, monkeypatch):
    """If the server does not return the other end, a list of exactly 1,000 rows is `unverifiable`."""
    monkeypatch.setattr("frgroups.load.end_check.MIN_COMMON_MAXIMUM", 10)
    read = load(World({"a": PEOPLE[:10]}, sorts=sorts)).reads.iloc[0]
    longer = load(World({"a": PEOPLE[:10], "b": PEOPLE[:11]}, sorts=sorts, lists="absent"))

    assert read["verdict"] == ("consistent" if sorts == "honors" else "unverifiable")
    assert ("10" in read["note"]) == (sorts != "honors")
    assert longer.verdict == "consistent"


@pytest.mark.slow
@pytest.mark.parametrize(("cover", "lists"), [(False, "absent"), (True, "filled")])
def test_swap_at_constant_total(cover, lists):
    """If one customer replaces another in a group during the load, the group is correct or is not `consistent`."""
    all_customers = set(PEOPLE[:11])
    quiet = World({"all": all_customers, "few": set(PEOPLE[:9])}, cap=4, lists=lists)
    load(quiet, cover=cover)
    for at in range(1, quiet.n_requests):
        for position in range(11):
            for joins in ("a", "z"):
                edits = {at: [("all", PEOPLE[position]), ("all", joins)]}
                world = World({"all": all_customers, "few": set(PEOPLE[:9])}, cap=4, edits=edits, lists=lists)

                snapshot = load(world, cover=cover)

                assert wrongly_consistent(snapshot, world) == [], (at, position, joins)


@at_most(20)
@given(groups=tenants(), edits=edits, cap=st.integers(3, 8))
def test_refresh_after_edits(groups, edits, cap):
    """If a tenant no longer changes, groups that are refreshed are consistent and correct."""
    world = World(groups, cap=cap, edits=edits)
    snapshot = load(world)
    world.edits.clear()

    again = fg.refresh_groups(world, snapshot, GROUPS, progress=False)

    assert again.verdict == "consistent"
    assert {group: set(again[group]) for group in GROUPS} == world.groups


def test_swap_in_inferred_group():
    """A swap of two customers in an inferred group is not detected, but refreshing returns the current members."""
    groups = {"all": PEOPLE, "a": PEOPLE[1:14], "b": PEOPLE[:14]}
    quiet = World(groups)
    load(quiet)
    swap = [("a", PEOPLE[11]), ("a", PEOPLE[0])]
    world = World(groups, edits={quiet.n_requests - 2: swap})

    snapshot = load(world)

    read = snapshot.reads.set_index("customer_group_uid").loc["a"]
    assert (read["how"], read["evidence"], read["verdict"]) == ("cover", "counts", "consistent")
    assert set(snapshot["a"]) == set(groups["a"]) != world.groups["a"]
    assert set(fg.refresh_groups(world, snapshot, ["a"], progress=False)["a"]) == world.groups["a"]


def test_customer_left_before_read():
    """If a customer leaves a group before the group is read, the customer's outdated record is read again."""
    groups = {"a": [f"c{n}" for n in range(6)], "b": [f"c{n}" for n in range(4)]}
    quiet = World(groups, cap=10)
    load(quiet, cover=False)
    first_of_b = next(n for n, (uid, _, _) in enumerate(quiet.asked_for) if uid == "b")
    world = World(groups, cap=10, edits={first_of_b: [("b", "c1")]})

    snapshot = load(world, cover=False)

    assert snapshot.verdict == "consistent"
    assert list(snapshot["b"]) == ["c0", "c2", "c3"]


@pytest.mark.parametrize("at", range(2, 8))
def test_customer_left_only_group(at):
    """If a customer leaves their only group during the load, the snapshot is consistent and omits the customer."""
    world = World({"a": [f"c{n:02d}" for n in range(23)]}, cap=5, edits={at: [("a", "c01")]})

    snapshot = load(world, cover=False)

    assert snapshot.verdict == "consistent"
    assert set(snapshot["a"]) == world.groups["a"] and "c01" not in set(snapshot.customers["customer_uid"])


@pytest.mark.parametrize("cover", [False, True])
@given(groups=tenants(), caps=st.lists(st.integers(0, 4), min_size=1, max_size=3), cap=st.integers(1, 8))
def test_capped_group_list(cover, groups, caps, cap):
    """A load is not consistent if a customer record lists a group that the snapshot does not contain."""
    world = World(groups, cap=cap, group_caps=caps)

    snapshot = load(world, cover=cover)

    loaded = set(snapshot.groups["customer_group_uid"])
    known = set(snapshot.customers["customer_uid"])
    missing = {group for group, uids in groups.items() if group not in loaded and known & uids}
    assert snapshot.verdict == ("unverifiable" if missing else "consistent")
    assert bool(snapshot.groups_note) == bool(missing)
    assert {group: set(snapshot[group]) for group in loaded} == {group: groups[group] for group in loaded}


def test_note_of_capped_group_list():
    """The note about a capped list of groups contains the number of missing groups and of affected customers."""
    world = World({"a": PEOPLE[:10], "b": PEOPLE[4:12], "c": PEOPLE[8:20], "d": PEOPLE[20:]}, group_caps=[1])

    snapshot = load(world)

    assert snapshot.verdict == "unverifiable" and set(snapshot.reads["verdict"]) == {"consistent"}
    assert "6 customers" in snapshot.groups_note and "2 groups" in snapshot.groups_note
    for text in (snapshot.describe(), snapshot._repr_html_()):
        assert snapshot.groups_note in text
    assert sum(uid == "" for uid, _, _ in world.asked_for) == 4  # Both ends of the list are read twice.


def test_group_list_is_complete_later():
    """Groups that only the second list of groups contains are loaded, and the snapshot is consistent."""
    groups = {"a": set(PEOPLE[:10]), "b": set(PEOPLE[4:12]), "c": set(PEOPLE[8:20]), "d": set(PEOPLE[20:])}
    world = World(groups, group_caps=[1, None])

    snapshot = load(world)

    assert snapshot.verdict == "consistent" and snapshot.groups_note == ""
    assert {group: set(snapshot[group]) for group in GROUPS} == groups


def test_refresh_with_capped_group_list():
    """Refreshing a group does not make a snapshot consistent if its list of groups is incomplete."""
    groups = {"a": PEOPLE[:10], "b": PEOPLE[4:12]}
    world = World(groups, group_caps=[1])
    unverifiable = load(world)
    complete = World(groups)
    capped = World({**groups, "c": PEOPLE[:3]}, group_caps=[2])
    created = World({**groups, "c": PEOPLE[:3]})

    assert fg.refresh_groups(world, unverifiable, ["a"], progress=False).groups_note == unverifiable.groups_note
    after = fg.refresh_groups(capped, load(complete), ["a"], progress=False)
    assert after.verdict == "unverifiable" and "3 customers" in after.groups_note
    assert fg.refresh_groups(created, load(complete), ["a"], progress=False).verdict == "consistent"
