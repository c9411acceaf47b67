"""Tests for the verification of an API list, with a list in memory that changes between requests."""

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


class EditedList:
    """Sorted list that is returned page by page, and that changes before some requests."""

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
def test_unchanged_list(n, cap, base, ignores):
    """An unchanged list is read completely in one attempt, for any first page number, page size, and total."""
    server = EditedList(uids(n), base=base, cap=cap, ignores_size=ignores)

    listing = read_listing(server)

    assert (listing.verdict, listing.rereads) == ("consistent", 0)
    assert listing.uids == uids(n)


@given(
    n=st.integers(6, 90), cap=st.integers(1, 20), at=st.integers(1, 30), position=st.integers(0, 89), data=st.data()
)
def test_swap_at_constant_total(n, cap, at, position, data):
    """If one customer leaves a list and another joins, the result is correct or is not `consistent`."""
    leaves = uids(n)[position % n]
    joins = data.draw(st.sampled_from(["a", "c0003x", f"c{n // 2:04d}x", "z"]))
    server = EditedList(uids(n), cap=cap, edits={at: ([joins], [leaves])})

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
def test_edits_between_requests(n, cap, edits, ignores):
    """A consistent result contains all permanent customers, and no customer who was never in the list."""
    server = EditedList(uids(n), cap=cap, edits=edits, ignores_size=ignores)

    listing = read_listing(server)

    if listing.verdict == "consistent" and listing.evidence != "second pass":
        assert server.always <= set(listing.uids) <= server.ever


def test_swap_at_every_position():
    """If a customer at any position is replaced during the read, the result is consistent and correct."""
    for position in range(40):
        server = EditedList(uids(40), cap=10, edits={2: (["a"], [uids(40)[position]])})

        listing = read_listing(server)

        assert listing.verdict == "consistent"
        assert server.always <= set(listing.uids) <= server.ever, position


def test_list_keeps_changing():
    """A list that changes before every request has the verdict `drifted` after a limited number of rereads."""
    server = EditedList(uids(40), cap=10, edits={at: ([f"a{at}"], []) for at in range(200)})

    listing = read_listing(server)

    assert (listing.verdict, listing.evidence, listing.rereads) == ("drifted", "none", reading.MAX_REREADS)
    assert listing.note


def test_total_too_high():
    """If the reported total of a list is higher than its number of rows, the verdict is `drifted`."""

    def server(number, size):
        page = EditedList(uids(12), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, page.total_count + 3)

    listing = read_listing(server)

    assert listing.verdict == "drifted"
    assert len(listing.uids) == 12


def test_repeated_page():
    """If the server always returns the first page, an error is raised."""
    first = EditedList(uids(12), cap=5)(None, None)

    with pytest.raises(UnexpectedResponseError, match=r"\b5 of 12\b"):
        read_listing(lambda number, size: first)


def test_total_of_page():
    """If the server reports the number of rows on the page as the total, reading the next page detects the error."""

    def server(number, size):
        page = EditedList(uids(23), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, len(page.keys))

    listing = read_listing(server)

    assert listing.verdict == "drifted" and "5 rows" in listing.note


def test_list_of_one_page():
    """A list of one page costs one additional request if the page is full, and none if the page is shorter."""
    full, short = EditedList(uids(5), cap=5), EditedList(uids(4), cap=5)

    assert [read_listing(server).verdict for server in (full, short)] == ["consistent"] * 2
    assert (full.requests, short.requests) == (2, 1)


@pytest.mark.parametrize("uses_size", [True, False])
def test_page_number_ignored(uses_size):
    """If the server ignores the page number, an error is raised for any page size."""

    def server(number, size):
        size = min(size or 5, 5) if uses_size else 5
        return PageRows(uids(23)[:size], number or 1, size, 23)

    with pytest.raises(UnexpectedResponseError, match=r"\b23 rows\b"):
        read_listing(server)


def test_records_without_uid():
    """If a list contains records without a uid, the verdict is `unverifiable`."""
    listing = read_listing(lambda number, size: PageRows(uids(4), 1, 5, 5, without_uid=1))

    assert listing.verdict == "unverifiable" and "1 record " in listing.note


@given(page_size=st.integers(4, 1000), total=st.integers(0, 50_000))
def test_windows_overlap(page_size, total):
    """Each window of rows overlaps the previous window and fits the page size. The last window reaches the total."""
    windows = overlapping_windows(page_size, total)

    if windows is not None:
        end = page_size
        for k, size in windows:
            assert size <= page_size and 0 < k * size < end < (k + 1) * size
            end = (k + 1) * size
        assert end >= total


def test_number_of_windows():
    """For common page sizes, overlapping windows cost at most 6% more requests than pages without overlap."""
    assert (len(overlapping_windows(500, 100_000)) + 1, len(overlapping_windows(1000, 100_000)) + 1) == (211, 104)


def test_total_far_too_high():
    """If the reported total is far too high, a single request for the empty last page detects the error."""
    requests = []

    def server(number, size):
        requests.append(number)
        page = EditedList(uids(5), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, 5_000_000)

    listing = read_listing(server)

    assert listing.verdict == "drifted" and len(requests) == 2 * (1 + reading.MAX_REREADS)


def test_page_size_zero():
    """If the server reports a page size of zero, an error is raised."""
    with pytest.raises(UnexpectedResponseError, match=r"size of 0\b"):
        read_listing(lambda number, size: PageRows([], 1, 0, 7))
