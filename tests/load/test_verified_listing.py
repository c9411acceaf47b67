"""Tests for the verification of an API list, with a list in memory that changes between requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.pagination import overlapping_windows
from frgroups.errors import NotFoundError, RequestRejectedError, ServerError, UnexpectedResponseError
from frgroups.load.listing_reader import PageRows
from frgroups.load.verified_listing import MAX_REREADS, read_listing
from frgroups.snapshot.verdicts import is_contradiction

pytestmark = pytest.mark.usefixtures("no_pause")


class EditedList:
    """Sorted list that is returned page by page, and that changes before some requests."""

    def __init__(
        self, uids, *, base=1, cap=5, edits=(), ignores_size=False, total_cap=None, echoes=False, far="empty"
    ):
        self.uids, self.base, self.cap, self.ignores_size = sorted(uids), base, cap, ignores_size
        self.total_cap, self.echoes, self.far = total_cap, echoes, far
        self.edits = dict(edits)
        self.requests = self.n_far = 0
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
        asked = size or 500
        size = self.cap if self.ignores_size else min(asked, self.cap)
        start = (number - self.base) * size
        if start and start >= len(self.uids):
            self.n_far += 1
        if start and start >= len(self.uids) and self.far != "empty":
            if isinstance(self.far, Exception):
                raise self.far
            start = {"first page": 0, "last page": (len(self.uids) - 1) // size * size}[self.far]
        total = len(self.uids) if self.total_cap is None else min(len(self.uids), self.total_cap)
        rows = self.uids[start : start + size]
        return PageRows(rows, number, asked if self.echoes else size, total)


def uids(n):
    return [f"c{i:04d}" for i in range(n)]


@given(n=st.integers(0, 120), cap=st.integers(1, 40), base=st.sampled_from([0, 1, 7]), ignores=st.booleans())
def test_unchanged_list(n, cap, base, ignores):
    """An unchanged list is read completely in one attempt, for any first page number, page size, and total."""
    server = EditedList(uids(n), base=base, cap=cap, ignores_size=ignores)

    listing = read_listing(server)

    assert (listing.verdict, listing.rereads) == ("consistent", 0)
    assert listing.uids == uids(n)


# Responses of servers to a page number that is too high.
FAR = {
    "empty": "empty",
    "first page": "first page",
    "last page": "last page",
    "404": NotFoundError("too far", status=404),
    "400": RequestRejectedError("too far", status=400),
    "500": ServerError("too far", status=500),
    "null": UnexpectedResponseError("no items", status=200),
}


@pytest.mark.parametrize("ignores_size", [False, True])
@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 7, 10, 40, 130, 200])
def test_capped_total(page_size, ignores_size):
    """If the server limits the total, all rows are read. The verdict is `unverifiable` if the total is wrong."""
    for cap in (0, 1, 2, 5, 9, 10, 11, 99, 100, 101, 104, 105, 120, 129, 130, 131):
        server = EditedList(uids(130), cap=page_size, ignores_size=ignores_size, total_cap=cap)

        listing = read_listing(server)

        assert listing.uids == uids(130), cap
        assert listing.verdict == ("unverifiable" if cap < 130 else "consistent"), cap
        assert (listing.note != "") == (cap < 130)


@given(
    n=st.integers(0, 80),
    total_cap=st.integers(0, 90),
    cap=st.integers(1, 40),
    base=st.sampled_from([0, 1]),
    ignores=st.booleans(),
    echoes=st.booleans(),
    far=st.sampled_from(list(FAR)),
    edits=st.just({})
    | st.dictionaries(st.integers(1, 20), st.tuples(st.just(["a"]), st.just(["c0003"])), max_size=1),
)
def test_capped_total_never_consistent(n, total_cap, cap, base, ignores, echoes, far, edits):
    """For any limit of the total and any response, a list with missing rows is never `consistent`."""
    server = EditedList(
        uids(n),
        base=base,
        cap=cap,
        ignores_size=ignores,
        total_cap=total_cap,
        echoes=echoes,
        far=FAR[far],
        edits=edits,
    )
    # If the total equals the rows of a page that seems not to be full, the list looks complete.
    looks_complete = echoes and min(total_cap, n) == cap

    listing = read_listing(server)

    if listing.verdict == "consistent" and not looks_complete:
        assert server.always <= set(listing.uids) <= server.ever


@pytest.mark.parametrize("far", list(FAR))
@pytest.mark.parametrize("ignores_size", [False, True])
def test_page_after_last_row(ignores_size, far):
    """A list with a full last page is consistent, unless the server returns an error for the following page."""
    for n in (5, 15, 60):
        server = EditedList(uids(n), cap=5, ignores_size=ignores_size, far=FAR[far])

        listing = read_listing(server)

        is_unknown = far in ("400", "500", "null") and server.n_far > 0
        assert (listing.uids, listing.verdict) == (uids(n), "unverifiable" if is_unknown else "consistent"), n
        assert listing.rereads == 0


@pytest.mark.parametrize("answer", [answer for answer in FAR.values() if isinstance(answer, Exception)])
@pytest.mark.parametrize("last_start", [9, 10, 20, 25, 29])
def test_pages_rejected_after_maximum(last_start, answer):
    """If the server also rejects pages that start after a maximum, the verdict is `unverifiable`."""
    whole = EditedList(uids(60), cap=10, total_cap=last_start)

    def server(number, size):
        page = whole(number, size)
        if (page.page_number - 1) * page.page_size >= max(last_start, 10):
            raise answer
        return page

    listing = read_listing(server)

    assert listing.verdict == "unverifiable"
    assert len(listing.uids) >= last_start


def test_cost_of_full_last_page():
    """A list of several pages costs one additional request if its last page is full."""
    k, size = overlapping_windows(10, 50)[-1]
    end = (k + 1) * size
    short, full = EditedList(uids(end - 1), cap=10), EditedList(uids(end), cap=10)

    assert read_listing(short).uids == uids(end - 1) and read_listing(full).uids == uids(end)
    assert full.requests == short.requests + 1


@pytest.mark.parametrize("ignores_size", [False, True])
@pytest.mark.parametrize("n", [1, 5, 12])
def test_rows_repeated_without_end(n, ignores_size):
    """If the server repeats its rows after the last row, the number of requests is limited."""
    server = EditedList(uids(n) * 400, cap=5, ignores_size=ignores_size, total_cap=n)
    server.uids = uids(n) * 400

    listing = read_listing(server)

    assert listing.uids == uids(n)
    assert server.requests < 100


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
edits = st.dictionaries(st.integers(0, 40), st.tuples(joining, leaving), max_size=12)


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

    assert (listing.verdict, listing.evidence, listing.rereads) == ("drifted", "none", MAX_REREADS)
    assert listing.note and not is_contradiction(listing.note)


def test_total_too_high():
    """If the total is higher than the number of rows in each attempt, the note states a contradiction."""

    def server(number, size):
        page = EditedList(uids(12), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, page.total_count + 3)

    listing = read_listing(server)

    assert listing.verdict == "drifted" and is_contradiction(listing.note)
    assert len(listing.uids) == 12


def test_repeated_page():
    """If the server always returns the first page, an error is raised."""
    first = EditedList(uids(12), cap=5)(None, None)

    with pytest.raises(UnexpectedResponseError, match=r"\b5 of 12\b"):
        read_listing(lambda number, size: first)


def test_total_of_page():
    """If the total of each page is its number of rows, all rows are read, but the verdict is not `consistent`."""

    def server(number, size):
        page = EditedList(uids(23), cap=5)(number, size)
        return PageRows(page.keys, page.page_number, page.page_size, len(page.keys))

    listing = read_listing(server)

    assert listing.verdict == "drifted" and listing.uids == uids(23)


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

    assert listing.verdict == "drifted" and len(requests) == 2 * (1 + MAX_REREADS)


def test_page_size_zero():
    """If the server reports a page size of zero, an error is raised."""
    with pytest.raises(UnexpectedResponseError, match=r"size of 0\b"):
        read_listing(lambda number, size: PageRows([], 1, 0, 7))
