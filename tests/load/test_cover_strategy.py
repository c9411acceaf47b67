"""The fewest requests: what is covered instead of paged, what that costs, and what ends it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.pagination import overlapping_windows
from tests.world import World, arrange, assert_same_tables, members_in

PEOPLE = [f"c{n:03d}" for n in range(40)]
pytestmark = pytest.mark.usefixtures("no_pause")


@pytest.fixture
def sandbox(short_pages):
    short_pages.reset()
    return short_pages


@pytest.fixture
def glance_of_one(monkeypatch):
    """Glances of one customer, which no page is as short as."""
    monkeypatch.setattr("frgroups.load.tenant_reader.PROBE_SIZE", 1)


def load(world, *, cover=True):
    return fg.load_snapshot(world, False, cover=cover, progress=False)


def reads_of(snapshot, column="how"):
    return dict(snapshot.reads.set_index("customer_group_uid")[column])


def glances(world):
    """At which request which group was glanced at, where a glance is of one customer."""
    return [(n, uid) for n, (uid, _, size) in enumerate(world.asked_for) if uid and size == 1]


def with_everybody(n_groups, size):
    """A group of everybody, and so many of this size from all over it."""
    groups = {f"g{n:02d}": sorted(PEOPLE[(3 * n + m) % len(PEOPLE)] for m in range(size)) for n in range(n_groups)}
    return groups | {"all": PEOPLE}


# What it costs.


def test_with_a_group_of_everybody_each_other_group_costs_one_small_request(sandbox):
    "The groups, eight first pages, everybody by pages, and a glance at each other group: that is all."
    arrange(sandbox, with_everybody(20, size=11))

    with sandbox.client() as client:
        snapshot = load(client)

    paths = [request["path"] for request in sandbox.requests()]
    lists_of_groups = [path for path in paths if "/customers" not in path]
    small = [path for path in paths if "pageSize=20" in path]
    first_pages_of_others = {path for path in paths if "/g" in path and "pageSize=500" in path}
    assert len(lists_of_groups) == 1 + len(overlapping_windows(5, 21))
    assert sorted(path.split("/")[-2] for path in small) == [f"g{n:02d}" for n in range(20)]
    # "all" is one of the eight groups whose first pages are looked at.
    assert len(first_pages_of_others) == 7
    assert len(paths) == len(lists_of_groups) + 8 + len(overlapping_windows(5, 40)) + 20
    assert reads_of(snapshot) == {f"g{n:02d}": "cover" for n in range(20)} | {"all": "pages"}


def test_a_group_of_everybody_that_is_not_looked_at_first_is_found_all_the_same(sandbox):
    "Customers tell of a group that none of the first pages was of."
    groups = with_everybody(20, size=11)
    groups["g00b"] = groups.pop("all")
    arrange(sandbox, groups)

    with sandbox.client() as client:
        snapshot = load(client)

    asked = [request["path"].split("/")[-2] for request in sandbox.requests() if "/customers" in request["path"]]
    assert "g00b" not in asked[:8]
    assert asked.count("g00b") == 1 + len(overlapping_windows(5, 40))
    assert [uid for uid, how in reads_of(snapshot).items() if how == "pages"] == ["g00b"]


def test_of_several_that_look_like_everybody_s_the_largest_is_read(glance_of_one):
    "First pages show who sorts first: where they are all in a smaller group too, that one is covered, not read."
    world = World({"a": PEOPLE[:12], "all": PEOPLE, "b": PEOPLE[:13]})

    snapshot = load(world)

    assert reads_of(snapshot) == {"a": "cover", "all": "pages", "b": "cover"}


def test_groups_of_one_page_are_not_glanced_at(sandbox):
    "Where a glance costs what the whole group costs, the group is read."
    arrange(sandbox, with_everybody(12, size=5))

    with sandbox.client() as client:
        snapshot = load(client)

    assert set(reads_of(snapshot).values()) == {"pages"}
    assert not [request for request in sandbox.requests() if "pageSize=20" in request["path"]]
    assert set(reads_of(snapshot, "evidence").values()) == {"counts", "overlapping windows"}


def test_cover_false_reads_every_group_by_pages(sandbox):
    "Nothing is taken from the customers' own lists."
    arrange(sandbox, with_everybody(6, size=11))

    with sandbox.client() as client:
        snapshot = load(client, cover=False)

    assert set(reads_of(snapshot).values()) == {"pages"}
    assert set(reads_of(snapshot, "evidence").values()) == {"overlapping windows"}


def test_what_is_covered_says_so(sandbox):
    "One page, the total at both ends, the weaker evidence; and the describing sentence is the reader's."
    arrange(sandbox, with_everybody(4, size=12))

    with sandbox.client() as client:
        read = load(client).reads.set_index("customer_group_uid").loc["g01"]

    facts = ["how", "evidence", "verdict", "pages", "n_rows", "total_first", "total_last", "rereads", "note"]
    assert [read[name] for name in facts] == ["cover", "counts", "consistent", 1, 12, 12, 12, 0, ""]


# What is covered.


def test_nested_groups_are_covered_by_the_outermost(glance_of_one):
    "Without a group of everybody: the outer group is read, and a glance at each of those in it is enough."
    world = World({"a": PEOPLE[:30], "b": PEOPLE[:20], "c": PEOPLE[:14], "others": PEOPLE[30:]})

    snapshot = load(world)

    assert reads_of(snapshot) == {"a": "pages", "b": "cover", "c": "cover", "others": "pages"}
    assert sorted(uid for _, uid in glances(world)) == ["b", "c"]
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups


def test_groups_are_covered_in_rounds():
    "A group that is partly in the largest, and for the rest in the next, is covered when both are read."
    world = World({"a": PEOPLE[:20], "b": PEOPLE[:5] + PEOPLE[20:32], "c": PEOPLE[2:5] + PEOPLE[21:30]})

    snapshot = load(world)

    assert reads_of(snapshot) == {"a": "pages", "b": "pages", "c": "cover"}
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups


def test_glancing_ends_when_it_does_not_pay(glance_of_one):
    "A group that looked like everybody's and is not: after three glances in vain the others are just read."
    others = {f"g{n:02d}": PEOPLE[n : n + 8] + [f"z{n}{m}" for m in range(4)] for n in range(20)}
    world = World(others | {"all": PEOPLE})

    snapshot = load(world)

    assert len(glances(world)) == 3
    assert set(reads_of(snapshot).values()) == {"pages"}
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups


@pytest.mark.parametrize("how", ["wrong", "absent", "empty"])
def test_lists_that_are_wrong_or_missing_cover_nothing(how, sandbox):
    "Where records do not name the group they came from, every group is read by pages, and is as it is."
    groups = with_everybody(8, size=12)
    arrange(sandbox, groups)
    sandbox.misbehave(group_uids=how)

    with sandbox.client() as client:
        snapshot = load(client)

    assert set(reads_of(snapshot).values()) == {"pages"}
    assert members_in(snapshot) == groups
    assert snapshot.verdict == ("drifted" if how == "wrong" else "consistent")


def test_one_group_that_is_not_named_uncovers_the_others(glance_of_one):
    "Lists that are whole but for one group are not trusted for any: what was covered is read after all."
    world = World(with_everybody(4, size=12))
    world._told = lambda uid: tuple(group for group, uids in world.groups.items() if uid in uids and group != "g02")

    snapshot = load(world)

    assert glances(world)
    assert set(reads_of(snapshot).values()) == {"pages"}
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups
    assert reads_of(snapshot, "verdict")["g02"] == "drifted"


# What moves between the pages and the glance.


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([("g01", "c030")], id="someone joins"),
        pytest.param([("g01", "c010")], id="someone leaves"),
        pytest.param([("g01", "c010"), ("g01", "a")], id="a stranger takes the place of another"),
        pytest.param([("g01", "c010"), ("g01", "c000")], id="a known one takes the place of another"),
    ],
)
def test_a_group_that_moved_before_the_glance_is_read_by_pages(edits, glance_of_one):
    "The total is another, or it is the same and the customer that comes with it is not among those counted."
    groups = with_everybody(4, size=12)
    assert "c000" < groups["g01"][0] and "c010" in groups["g01"] and "c030" not in groups["g01"]  # noqa: SIM300
    quiet = World(groups)
    load(quiet)
    at = next(n for n, uid in glances(quiet) if uid == "g01")
    world = World(groups, edits={at: edits})

    snapshot = load(world)

    assert reads_of(snapshot) == {f"g{n:02d}": "pages" if n == 1 else "cover" for n in range(4)} | {"all": "pages"}
    assert set(snapshot["g01"]) == world.groups["g01"]
    assert snapshot.verdict == "consistent"


def test_a_glance_at_records_without_a_uid_covers_nothing():
    "Who cannot be told apart cannot be counted among those seen."
    groups = with_everybody(4, size=12)
    world = World(groups)
    read = world.read_customer_page

    def nameless(uid, number, size, *, record):
        page = read(uid, number, size, record=record)
        return type(page)(page.items, page.page_number, page.page_size, page.total_count, without_uid=uid == "g02")

    world.read_customer_page = nameless

    snapshot = load(world)

    assert reads_of(snapshot)["g02"] == "pages"
    assert reads_of(snapshot, "verdict")["g02"] != "consistent"
    assert reads_of(snapshot)["g03"] == "cover"


# Laws.


def some_of(people):
    """Any of these."""
    return st.integers(0, 2 ** len(people) - 1).map(
        lambda bits: [uid for n, uid in enumerate(people) if bits >> n & 1]
    )


few = PEOPLE[:18]
tenants = st.fixed_dictionaries(
    {group: some_of(few) for group in "abcd"}, optional={"all": st.just(few), "inner": st.just(few[3:17])}
)


@settings(max_examples=20)
@given(groups=tenants)
def test_cover_finds_what_pages_find(short_pages, groups):
    "Any tenant that holds still is the same with cover and without, frame by frame; with it no request is wasted."
    short_pages.reset()
    arrange(short_pages, groups)
    with short_pages.client() as client:
        covered = load(client)
        n_covered = client.n_requests
        paged = load(client, cover=False)
        n_paged = client.n_requests - n_covered

    assert_same_tables(covered, paged, ["groups", "customers", "consents", "memberships"])
    assert members_in(covered) == groups
    assert covered.verdict == paged.verdict == "consistent"
    assert n_covered <= n_paged + 3


@settings(max_examples=25)
@given(groups=tenants, more=st.lists(some_of(few), max_size=8), cap=st.integers(3, 6))
def test_cover_never_costs_more_than_it_tries(groups, more, cap):
    "Three glances in vain at most, whatever the groups are; the snapshot is the tenant."
    groups = groups | {f"m{n}": uids for n, uids in enumerate(more)}
    cheap, plain = World(groups, cap=cap), World(groups, cap=cap)

    snapshot = load(cheap)
    load(plain, cover=False)

    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == cheap.groups
    assert snapshot.verdict == "consistent"
    assert cheap.n_requests <= plain.n_requests + 3
