"""Tests for the choice between reading a group page by page and inferring its members."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.pagination import count_pages
from tests.examples import at_most
from tests.world import World, arrange, assert_same_tables, members_in

PEOPLE = [f"c{n:03d}" for n in range(40)]
pytestmark = pytest.mark.usefixtures("no_pause")


@pytest.fixture
def sandbox(short_pages):
    short_pages.reset()
    return short_pages


@pytest.fixture
def small_probes(monkeypatch):
    """
    Set the page size of probes to two customers, so that tests can distinguish probes from other requests.

    A probe shows the end of a list only if its page is not full, so only groups with an odd size are inferred.
    """
    monkeypatch.setattr("frgroups.load.tenant_reader.PROBE_SIZE", 2)


def load(world, *, cover=True):
    return fg.load_snapshot(world, False, cover=cover, progress=False)


def reads_of(snapshot, column="how"):
    return dict(snapshot.reads.set_index("customer_group_uid")[column])


def probes(world):
    """Return the request number and the group of each probe, which is a request with a page size of two."""
    return [(n, uid) for n, (uid, _, size) in enumerate(world.asked_for) if uid and size == 2]


def groups_with_all(n_groups, size):
    """Return one group of all customers and `n_groups` other groups of `size` customers."""
    groups = {f"g{n:02d}": sorted(PEOPLE[(3 * n + m) % len(PEOPLE)] for m in range(size)) for n in range(n_groups)}
    return groups | {"all": PEOPLE}


# Number of requests.


def test_number_of_requests(sandbox):
    """If one group contains all customers, a load sends one small request for each other group."""
    arrange(sandbox, groups_with_all(20, size=11))

    with sandbox.client() as client:
        snapshot = load(client)

    paths = [request["path"] for request in sandbox.requests()]
    lists_of_groups = [path for path in paths if "/customers" not in path]
    # A probe requests the last of 11 customers, on a page of 5 that is not full.
    small = [path for path in paths if "/g" in path and "pageNumber=3&pageSize=5" in path]
    first_pages_of_others = {path for path in paths if "/g" in path and "pageSize=500" in path}
    assert len(lists_of_groups) == count_pages(5, 21) + 1
    assert sorted(path.split("/")[-2] for path in small) == [f"g{n:02d}" for n in range(20)]
    # The first pages of eight groups are read, including the group "all".
    assert len(first_pages_of_others) == 7
    assert len(paths) == len(lists_of_groups) + 7 + count_pages(5, 40) + 20 + 1
    # The list of groups and the largest group are read from their other end.
    assert [path.split("?")[0].split("/")[-2:] for path in paths if "DESC" in path] == [
        ["sport_nordic", "customer-groups"],
        ["all", "customers"],
    ]
    assert reads_of(snapshot) == {f"g{n:02d}": "cover" for n in range(20)} | {"all": "pages"}


def test_group_of_all_customers_outside_sample(sandbox):
    """A group of all customers is found even if its first page is not among the first pages that are read."""
    groups = groups_with_all(20, size=11)
    groups["g00b"] = groups.pop("all")
    arrange(sandbox, groups)

    with sandbox.client() as client:
        snapshot = load(client)

    asked = [request["path"].split("/")[-2] for request in sandbox.requests() if "/customers" in request["path"]]
    assert "g00b" not in asked[:8]
    assert asked.count("g00b") == count_pages(5, 40) + 1
    assert [uid for uid, how in reads_of(snapshot).items() if how == "pages"] == ["g00b"]


def test_several_candidates(small_probes):
    """If several groups might contain all customers, the largest of these groups is read page by page."""
    world = World({"a": PEOPLE[:11], "all": PEOPLE, "b": PEOPLE[:13]})

    snapshot = load(world)

    assert reads_of(snapshot) == {"a": "cover", "all": "pages", "b": "cover"}


def test_groups_of_one_page(sandbox):
    """For groups of one page, no probe is sent, because a probe would not save a request."""
    arrange(sandbox, groups_with_all(12, size=5))

    with sandbox.client() as client:
        snapshot = load(client)

    assert set(reads_of(snapshot).values()) == {"pages"}
    assert len(sandbox.requests()) == count_pages(5, 13) + 12 * count_pages(5, 5) + count_pages(5, 40) + 2
    assert set(reads_of(snapshot, "evidence").values()) == {"counts", "overlapping windows"}


def test_cover_false(sandbox):
    """With cover=False, all groups are read page by page."""
    arrange(sandbox, groups_with_all(6, size=11))

    with sandbox.client() as client:
        snapshot = load(client, cover=False)

    assert set(reads_of(snapshot).values()) == {"pages"}
    assert set(reads_of(snapshot, "evidence").values()) == {"overlapping windows"}


def test_reads_of_inferred_group(sandbox):
    """For an inferred group, the table `reads` contains one page, equal totals, and the evidence "counts"."""
    arrange(sandbox, groups_with_all(4, size=12))

    with sandbox.client() as client:
        read = load(client).reads.set_index("customer_group_uid").loc["g01"]

    facts = ["how", "evidence", "verdict", "pages", "n_rows", "total_first", "total_last", "rereads", "note"]
    assert [read[name] for name in facts] == ["cover", "counts", "consistent", 1, 12, 12, 12, 0, ""]


# Choice of the inferred groups.


def test_nested_groups(small_probes):
    """If a group contains all members of other groups, only the outer group is read page by page."""
    world = World({"a": PEOPLE[:30], "b": PEOPLE[:21], "c": PEOPLE[:15], "others": PEOPLE[30:]})

    snapshot = load(world)

    assert reads_of(snapshot) == {"a": "pages", "b": "cover", "c": "cover", "others": "pages"}
    assert sorted(uid for _, uid in probes(world)) == ["b", "c"]
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups


def test_inference_in_rounds():
    """A group is inferred if its members are in two larger groups that have both been read page by page."""
    world = World({"a": PEOPLE[:20], "b": PEOPLE[:5] + PEOPLE[20:32], "c": PEOPLE[2:5] + PEOPLE[21:30]})

    snapshot = load(world)

    assert reads_of(snapshot) == {"a": "pages", "b": "pages", "c": "cover"}
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups


def test_failed_probes(small_probes):
    """If three probes fail, the remaining groups are read page by page."""
    others = {f"g{n:02d}": PEOPLE[n : n + 7] + [f"z{n}{m}" for m in range(5)] for n in range(20)}
    world = World(others | {"all": PEOPLE})

    snapshot = load(world)

    assert len(probes(world)) == 3
    assert set(reads_of(snapshot).values()) == {"pages"}
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups


@pytest.mark.parametrize("how", ["wrong", "absent", "empty"])
def test_unreliable_records(how, sandbox):
    """If customer records do not list the group for which they were returned, all groups are read page by page."""
    groups = groups_with_all(8, size=12)
    arrange(sandbox, groups)
    sandbox.misbehave(group_uids=how)

    with sandbox.client() as client:
        snapshot = load(client)

    assert set(reads_of(snapshot).values()) == {"pages"}
    assert members_in(snapshot) == groups
    assert snapshot.verdict == ("drifted" if how == "wrong" else "consistent")


def test_one_group_missing_from_records(small_probes):
    """If one group is missing from all customer records, no group is inferred."""
    world = World(groups_with_all(4, size=13))
    world._group_uids = lambda uid: tuple(
        group for group, uids in world.groups.items() if uid in uids and group != "g02"
    )

    snapshot = load(world)

    assert probes(world)
    assert set(reads_of(snapshot).values()) == {"pages"}
    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == world.groups
    assert reads_of(snapshot, "verdict")["g02"] == "drifted"


# Changes between the pages and the probe.


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([("g01", "c030")], id="customer joins"),
        pytest.param([("g01", "c010")], id="customer leaves"),
        pytest.param([("g01", "c010"), ("g01", "z")], id="new customer replaces a member"),
        pytest.param([("g01", "c010"), ("g01", "c031")], id="known customer replaces a member"),
    ],
)
def test_group_changed_before_probe(edits, small_probes):
    """If a group changed before it is probed, the group is read page by page."""
    groups = groups_with_all(4, size=13)
    assert groups["g01"][-1] < "c030" and "c010" in groups["g01"]
    quiet = World(groups)
    load(quiet)
    at = next(n for n, uid in probes(quiet) if uid == "g01")
    world = World(groups, edits={at: edits})

    snapshot = load(world)

    assert reads_of(snapshot) == {f"g{n:02d}": "pages" if n == 1 else "cover" for n in range(4)} | {"all": "pages"}
    assert set(snapshot["g01"]) == world.groups["g01"]
    assert snapshot.verdict == "consistent"


def test_probe_without_uid():
    """If the response to a probe contains records without a uid, the group is read page by page."""
    groups = groups_with_all(4, size=13)
    world = World(groups)
    read = world.read_customer_page

    def nameless(uid, number, size, **options):
        page = read(uid, number, size, **options)
        return type(page)(page.items, page.page_number, page.page_size, page.total_count, without_uid=uid == "g02")

    world.read_customer_page = nameless

    snapshot = load(world)

    assert reads_of(snapshot)["g02"] == "pages"
    assert reads_of(snapshot, "verdict")["g02"] != "consistent"
    assert reads_of(snapshot)["g03"] == "cover"


# Properties.


def subsets(people):
    """Return a hypothesis strategy that generates subsets of the customers."""
    return st.integers(0, 2 ** len(people) - 1).map(
        lambda bits: [uid for n, uid in enumerate(people) if bits >> n & 1]
    )


customers = PEOPLE[:18]
tenants = st.fixed_dictionaries(
    {group: subsets(customers) for group in "abcd"},
    optional={"all": st.just(customers), "inner": st.just(customers[3:17])},
)


@at_most(20)
@given(groups=tenants)
def test_same_tables_with_and_without_cover(short_pages, groups):
    """A load returns the same tables with and without `cover`, and `cover` costs at most three more requests."""
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


@at_most(25)
@given(groups=tenants, more=st.lists(subsets(customers), max_size=8), cap=st.integers(3, 6))
def test_additional_requests_of_cover(groups, more, cap):
    """With cover=True, a load sends at most three requests more than with cover=False."""
    groups = groups | {f"m{n}": uids for n, uids in enumerate(more)}
    cheap, plain = World(groups, cap=cap), World(groups, cap=cap)

    snapshot = load(cheap)
    load(plain, cover=False)

    assert {group: set(uids) for group, uids in members_in(snapshot).items()} == cheap.groups
    assert snapshot.verdict == "consistent"
    assert cheap.n_requests <= plain.n_requests + 3
