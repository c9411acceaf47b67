"""The laws of a load: whatever is edited between two requests, a snapshot is right, or does not say that it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from tests.world import World

PEOPLE = [f"c{n:02d}" for n in range(24)]
GROUPS = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def _quick(no_pause, monkeypatch):
    """Where lists are short, glances are shorter than lists."""
    monkeypatch.setattr("frgroups.load.tenant_reader.PROBE_SIZE", 2)


def load(world, *, cover=True):
    return fg.load_snapshot(world, False, cover=cover, progress=False)


def some_of(people):
    """Any of these, in which no number of members is rare."""
    return st.integers(0, 2 ** len(people) - 1).map(
        lambda bits: {uid for n, uid in enumerate(people) if bits >> n & 1}
    )


@st.composite
def tenants(draw):
    """Four groups: any, nested ones, or one of everybody and others."""
    groups = {group: draw(some_of(PEOPLE)) for group in GROUPS}
    match draw(st.sampled_from(["any", "nested", "everybody", "everybody"])):
        case "nested":
            groups["b"] &= groups["a"]
            groups["c"] &= groups["b"]
        case "everybody":
            groups[draw(st.sampled_from(GROUPS))] = set(PEOPLE)
    return groups


# Before which request, who joins or leaves which group; beyond the last request there is nothing to disturb.
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


def wrongly_sure(snapshot, world):
    """The groups that are called consistent, and lack somebody who was always in, or have one who never was."""
    verdicts = snapshot.reads.set_index("customer_group_uid")
    wrong = []
    for group in snapshot.groups["customer_group_uid"]:
        read, found = verdicts.loc[group], set(snapshot[group])
        # A second pass proves less, and says so; what is covered is sure as long as nobody leaves it.
        weaker = read["evidence"] == "second pass" or (read["how"] == "cover" and group in world.left)
        if read["verdict"] == "consistent" and not weaker and not world.always[group] <= found <= world.ever[group]:
            wrong.append((group, dict(read), found ^ world.groups[group]))
    return wrong


@pytest.mark.parametrize("cover", [False, True])
@settings(max_examples=50)
@given(groups=tenants(), edits=edits, cap=st.integers(1, 8), lists=st.sampled_from(["filled", "absent"]))
def test_any_interleaving_of_edits_and_pages_is_right_or_says_so(cover, groups, edits, cap, lists):
    "Consistent means: everyone who was a member throughout is in, and nobody is in who never was."
    world = World(groups, cap=cap, edits=edits, lists=lists)

    snapshot = load(world, cover=cover)

    assert wrongly_sure(snapshot, world) == []
    assert snapshot.verdict == ("consistent" if set(snapshot.reads["verdict"]) <= {"consistent"} else "drifted")


@settings(max_examples=50)
@given(
    groups=tenants(),
    base=st.sampled_from([0, 1, 7]),
    cap=st.integers(1, 40),
    asked=st.integers(1, 50),
    ignores_size=st.booleans(),
    lists=st.sampled_from(["filled", "filled", "absent", "empty"]),
)
def test_a_quiet_tenant_is_consistent(groups, base, cap, asked, ignores_size, lists):
    "For every page base, cap and size, with cover and without, whether customers tell their groups or not."
    for cover in (True, False):
        world = World(groups, base=base, cap=cap, asked=asked, ignores_size=ignores_size, lists=lists)

        snapshot = load(world, cover=cover)

        assert snapshot.verdict == "consistent"
        assert {group: set(snapshot[group]) for group in GROUPS} == groups
        assert set(snapshot.reads["rereads"]) == {0}


@pytest.mark.parametrize(("cover", "lists"), [(False, "absent"), (True, "filled")])
def test_a_swap_at_constant_total_is_right_or_noticed_at_every_position(cover, lists):
    "A swap between two requests is read correctly or noticed, also if overlapping windows are the only evidence."
    everybody = set(PEOPLE[:11])
    quiet = World({"all": everybody, "few": set(PEOPLE[:9])}, cap=4, lists=lists)
    load(quiet, cover=cover)
    for at in range(1, quiet.n_requests):
        for place in range(11):
            for joins in ("a", "z"):
                edits = {at: [("all", PEOPLE[place]), ("all", joins)]}
                world = World({"all": everybody, "few": set(PEOPLE[:9])}, cap=4, edits=edits, lists=lists)

                snapshot = load(world, cover=cover)

                assert wrongly_sure(snapshot, world) == [], (at, place, joins)


@settings(max_examples=20)
@given(groups=tenants(), edits=edits, cap=st.integers(3, 8))
def test_a_refresh_after_the_edits_is_the_tenant(groups, edits, cap):
    "Once nobody edits any more, the groups that drifted come out right when they are read again."
    world = World(groups, cap=cap, edits=edits)
    snapshot = load(world)
    world.edits.clear()

    again = fg.refresh_groups(world, snapshot, GROUPS, progress=False)

    assert again.verdict == "consistent"
    assert {group: set(again[group]) for group in GROUPS} == world.groups


def test_a_swap_in_a_covered_group_is_what_counts_cannot_see():
    "The limit that `evidence` tells of: the total holds, and the glance shows neither; by pages it is right."
    groups = {"all": PEOPLE, "a": PEOPLE[:12], "b": PEOPLE[:13]}
    quiet = World(groups)
    load(quiet)
    swap = [("a", PEOPLE[11]), ("a", PEOPLE[20])]
    world = World(groups, edits={quiet.n_requests - 2: swap})

    snapshot = load(world)

    read = snapshot.reads.set_index("customer_group_uid").loc["a"]
    assert (read["how"], read["evidence"], read["verdict"]) == ("cover", "counts", "consistent")
    assert set(snapshot["a"]) == set(groups["a"]) != world.groups["a"]
    assert set(fg.refresh_groups(world, snapshot, ["a"], progress=False)["a"]) == world.groups["a"]


def test_who_left_a_group_between_its_reading_and_an_earlier_look_is_asked_again():
    "A record that still names the group is older than its pages: read again where it came from, it agrees."
    groups = {"a": [f"c{n}" for n in range(6)], "b": [f"c{n}" for n in range(4)]}
    quiet = World(groups, cap=10)
    load(quiet, cover=False)
    first_of_b = next(n for n, (uid, _, _) in enumerate(quiet.asked_for) if uid == "b")
    world = World(groups, cap=10, edits={first_of_b: [("b", "c1")]})

    snapshot = load(world, cover=False)

    assert snapshot.verdict == "consistent"
    assert list(snapshot["b"]) == ["c0", "c2", "c3"]


@pytest.mark.parametrize("at", range(2, 8))
def test_one_who_left_in_the_middle_of_a_load_does_not_leave_it_in_doubt(at):
    "Nobody names the group any more but an old record of who left it: read again, the group is proved."
    world = World({"a": [f"c{n:02d}" for n in range(23)]}, cap=5, edits={at: [("a", "c01")]})

    snapshot = load(world, cover=False)

    assert snapshot.verdict == "consistent"
    assert set(snapshot["a"]) == world.groups["a"] and "c01" not in set(snapshot.customers["customer_uid"])
