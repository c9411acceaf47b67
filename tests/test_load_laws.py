"""The laws of a load: whatever is edited between two requests, a snapshot is right, or does not say that it is."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from tests.world import World

PEOPLE = [f"c{n:02d}" for n in range(24)]
GROUPS = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Read again at once what disagreed; where lists are short, glances are shorter than lists."""
    monkeypatch.setattr(importlib.import_module("frgroups.members"), "PAUSE", 0)
    monkeypatch.setattr("frgroups.reading.GLANCE", 2)


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
@settings(max_examples=80)
@given(groups=tenants(), edits=edits, cap=st.integers(1, 8))
def test_any_interleaving_of_edits_and_pages_is_right_or_says_so(cover, groups, edits, cap):
    "Consistent means: everyone who was a member throughout is in, and nobody is in who never was."
    world = World(groups, cap=cap, edits=edits)

    snapshot = load(world, cover=cover)

    assert wrongly_sure(snapshot, world) == []
    assert snapshot.verdict == ("consistent" if set(snapshot.reads["verdict"]) <= {"consistent"} else "drifted")


@settings(max_examples=80)
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


@pytest.mark.parametrize("cover", [False, True])
def test_a_swap_at_constant_total_is_right_or_noticed_at_every_position(cover):
    "Whoever leaves, before whichever request, while another joins at the start or at the end."
    everybody = set(PEOPLE[:12])
    quiet = World({"all": everybody, "few": set(PEOPLE[:11])}, cap=4)
    load(quiet, cover=cover)
    for at in range(1, quiet.n_requests):
        for place in range(12):
            for joins in ("a", "z"):
                edits = {at: [("all", PEOPLE[place]), ("all", joins)]}
                world = World({"all": everybody, "few": set(PEOPLE[:11])}, cap=4, edits=edits)

                snapshot = load(world, cover=cover)

                assert wrongly_sure(snapshot, world) == [], (at, place, joins)


@settings(max_examples=30)
@given(groups=tenants(), edits=edits, cap=st.integers(3, 8))
def test_a_refresh_after_the_edits_is_the_tenant(groups, edits, cap):
    "Once nobody edits any more, the groups that drifted come out right when they are read again."
    world = World(groups, cap=cap, edits=edits)
    snapshot = load(world)
    world.edits.clear()

    again = fg.refresh_groups(world, snapshot, GROUPS, progress=False)

    assert again.verdict == "consistent"
    assert {group: set(again[group]) for group in GROUPS} == world.groups
