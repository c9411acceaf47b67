"""The proof of a reading, against lists that move under it; a list in memory stands for the service."""

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.pagination import overlapping_windows
from frgroups.errors import UnexpectedResponseError
from frgroups.load.listing_reader import PageRows
from frgroups.load.verified_listing import read_listing


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(reading, "PAUSE", 0)


reading = importlib.import_module("frgroups.load.verified_listing")


class List_:
    """A sorted list that is served in pages, and edited before chosen requests."""

    def __init__(self, uids, *, base=1, cap=5, edits=(), ignores_size=False):
        self.uids, self.base, self.cap, self.ignores_size = sorted(uids), base, cap, ignores_size
        self.edits = dict(edits)
        self.requests = 0
        self.always, self.ever = set(uids), set(uids)

    def edit(self, join, leave):
        self.uids = sorted((set(self.uids) - set(leave)) | set(join))
        self.always &= set(self.uids)
        self.ever |= set(self.uids)

    def __call__(self, number, size):
        if self.requests in self.edits:
            self.edit(*self.edits[self.requests])
        self.requests += 1
        number = self.base if number is None else number
        size = self.cap if size is None or self.ignores_size else min(size, self.cap)
        start = (number - self.base) * size
        return PageRows(self.uids[start : start + size], number, size, len(self.uids))


def uids(n):
    return [f"c{i:04d}" for i in range(n)]


@given(n=st.integers(0, 120), cap=st.integers(1, 40), base=st.sampled_from([0, 1, 7]), ignores=st.booleans())
def test_a_quiet_list_is_consistent(n, cap, base, ignores):
    "A list that nobody edits comes out whole and consistent for every page base, cap and total."
    server = List_(uids(n), base=base, cap=cap, ignores_size=ignores)

    listing = read_listing(server)

    assert (listing.verdict, listing.rereads) == ("consistent", 0)
    assert listing.uids == uids(n)


@given(n=st.integers(6, 90), cap=st.integers(1, 20), at=st.integers(1, 30), place=st.integers(0, 89), data=st.data())
def test_a_swap_at_constant_total_loses_nobody(n, cap, at, place, data):
    "One leaves and one joins between two pages: whoever stayed is in the listing, or it is not consistent."
    leaves = uids(n)[place % n]
    joins = data.draw(st.sampled_from(["a", "c0003x", f"c{n // 2:04d}x", "z"]))
    server = List_(uids(n), cap=cap, edits={at: ([joins], [leaves])})

    listing = read_listing(server)

    assert listing.verdict != "consistent" or server.always <= set(listing.uids) <= server.ever


joining = st.lists(st.sampled_from([f"c{i:04d}y" for i in range(60)]), max_size=3)
leaving = st.lists(st.sampled_from(uids(60)), max_size=3)
edits = st.dictionaries(
    st.integers(0, 40),
    st.tuples(
        st.lists(st.sampled_from([f"c{i:04d}y" for i in range(60)]), max_size=3),
        st.lists(st.sampled_from(uids(60)), max_size=3),
    ),
    max_size=12,
)


@given(n=st.integers(0, 60), cap=st.integers(1, 20), edits=edits, ignores=st.booleans())
def test_any_interleaving_of_edits_and_pages_is_right_or_says_so(n, cap, edits, ignores):
    "While those who stay keep their order, consistent means: all who stayed are in, nobody is in who never was."
    server = List_(uids(n), cap=cap, edits=edits, ignores_size=ignores)

    listing = read_listing(server)

    if listing.verdict == "consistent" and listing.evidence != "second pass":
        assert server.always <= set(listing.uids) <= server.ever


def test_a_swap_is_noticed_at_every_position():
    "Wherever the swap is, whoever stayed is in the listing, and nobody who never was."
    for place in range(40):
        server = List_(uids(40), cap=10, edits={2: (["a"], [uids(40)[place]])})

        listing = read_listing(server)

        assert listing.verdict == "consistent"
        assert server.always <= set(listing.uids) <= server.ever, place


def test_a_list_that_never_holds_still_is_drifted():
    "A list edited before every request is drifted, after a bounded number of rereads."
    server = List_(uids(40), cap=10, edits={at: ([f"a{at}"], []) for at in range(200)})

    listing = read_listing(server)

    assert (listing.verdict, listing.evidence, listing.rereads) == ("drifted", "none", reading.MAX_REREADS)
    assert listing.note


def test_a_total_that_never_comes_true_is_drifted():
    "A service that counts more than it gives is not believed."

    def server(number, size):
        page = List_(uids(12), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, page.total_count + 3)

    listing = read_listing(server)

    assert listing.verdict == "drifted"
    assert len(listing.uids) == 12


def test_a_page_that_repeats_is_an_error():
    "A service that gives its first page for ever ends in a clear error, not in a loop."
    first = List_(uids(12), cap=5)(None, None)

    with pytest.raises(UnexpectedResponseError, match="repeats the first"):
        read_listing(lambda number, size: first)


def test_a_service_that_counts_its_page_is_not_believed():
    "A full page that says it is all there is: the page behind it is looked at, and tells."

    def server(number, size):
        page = List_(uids(23), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, len(page.keys))

    listing = read_listing(server)

    assert listing.verdict == "drifted" and "holds 5 more" in listing.note


def test_a_list_of_exactly_one_page_is_proved_by_the_empty_one_behind_it():
    "It costs one request more, and is consistent; one row less costs none."
    full, short = List_(uids(5), cap=5), List_(uids(4), cap=5)

    assert [read_listing(one).verdict for one in (full, short)] == ["consistent"] * 2
    assert (full.requests, short.requests) == (2, 1)


@pytest.mark.parametrize("honours_size", [True, False])
def test_a_service_that_heeds_no_page_number_is_recognised(honours_size):
    "Whatever size is asked for, its pages all begin alike: an error that says so, no list of a few."

    def server(number, size):
        size = min(size or 5, 5) if honours_size else 5
        return PageRows(uids(23)[:size], number or 1, size, 23)

    with pytest.raises(UnexpectedResponseError, match="does not page this list"):
        read_listing(server)


def test_records_without_a_uid_make_a_list_unverifiable():
    "What cannot be named cannot be kept, and the listing says that it is not whole."
    listing = read_listing(lambda number, size: PageRows(uids(4), 1, 5, 5, without_uid=1))

    assert (listing.verdict, listing.note) == ("unverifiable", "1 records without a uid")


@given(page_size=st.integers(4, 1000), total=st.integers(0, 50_000))
def test_windows_overlap_and_reach_the_end(page_size, total):
    "Each window starts before the last one ended, fits the page size, and the last one reaches the total."
    windows = overlapping_windows(page_size, total)

    if windows is not None:
        end = page_size
        for k, size in windows:
            assert size <= page_size and 0 < k * size < end < (k + 1) * size
            end = (k + 1) * size
        assert end >= total


def test_windows_cost_little():
    "At usual page sizes the proof costs at most 6 % more requests than plain paging."
    assert (len(overlapping_windows(500, 100_000)) + 1, len(overlapping_windows(1000, 100_000)) + 1) == (211, 104)


def test_a_total_that_is_far_too_high_costs_few_requests():
    "A service that counts millions and has five is found out by the last page."
    requests = []

    def server(number, size):
        requests.append(number)
        page = List_(uids(5), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, 5_000_000)

    listing = read_listing(server)

    assert listing.verdict == "drifted" and len(requests) == 2 * (1 + reading.MAX_REREADS)


def test_a_page_size_of_zero_is_an_error():
    "A service that says its pages have no size does not page."
    with pytest.raises(UnexpectedResponseError, match="size is 0"):
        read_listing(lambda number, size: PageRows([], 1, 0, 7))
