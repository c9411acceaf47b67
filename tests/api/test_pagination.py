"""Tests for the iteration over pages, and for the predicted number of requests that are needed to read a list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.pagination import count_pages, iter_pages
from frgroups.api.schema.records import Group, Page
from frgroups.errors import DriftedReadError, NotFoundError
from frgroups.load.verified_listing import read_members
from tests.world import World


@given(cap=st.integers(1, 9), total=st.integers(0, 60))
def test_count_pages(cap, total):
    "A verified read sends the predicted number of requests for any page size and any total."
    world = World({"a": [f"c{n:02d}" for n in range(total)]}, cap=cap)

    listing = read_members(world, "a")

    assert (listing.verdict, listing.pages, world.n_requests) == (
        "consistent",
        count_pages(cap, total),
        count_pages(cap, total),
    )


class Pages:
    """List of groups that is returned in pages of a fixed size, with a limit for the reported total."""

    def __init__(self, n, *, size, total_cap=None, base=1, page_size=None, far="empty"):
        self.groups = [Group(customer_group_uid=f"g{number:03d}") for number in range(n)]
        self.size, self.base, self.far, self.n_requests = size, base, far, 0
        self.page_size = size if page_size is None else page_size
        self.total = n if total_cap is None else min(n, total_cap)

    def __call__(self, number):
        self.n_requests += 1
        number = self.base if number is None else number
        start = (number - self.base) * self.size
        if start and start >= len(self.groups):
            if self.far == "404":
                raise NotFoundError("too far", status=404)
            if self.far == "last page":
                start -= self.size
        return Page(self.groups[start : start + self.size], number, self.page_size, self.total)


@given(
    n=st.integers(0, 40),
    size=st.integers(1, 12),
    total_cap=st.integers(0, 45),
    base=st.sampled_from([0, 1]),
    far=st.sampled_from(["empty", "404", "last page"]),
)
def test_iteration_with_capped_total(n, size, total_cap, base, far):
    """All records are yielded for any limit of the reported total. A wrong total then raises an error."""
    pages, uids = Pages(n, size=size, total_cap=total_cap, base=base, far=far), []

    try:
        for group in iter_pages(pages, "the groups"):
            uids.append(group.uid)
    except DriftedReadError:
        assert total_cap < n
    else:
        assert total_cap >= n
    assert uids == [group.uid for group in pages.groups]


@pytest.mark.parametrize(("n", "n_requests"), [(0, 1), (4, 1), (5, 2), (9, 2), (10, 3), (11, 3)])
def test_requests_of_iteration(n, n_requests):
    """The iteration costs one additional request if the last page is full."""
    pages = Pages(n, size=5)

    assert len(list(iter_pages(pages, "the groups"))) == n
    assert pages.n_requests == n_requests


def test_iteration_with_wrong_page_size():
    """If the server reports a page size that it does not use, all records are still yielded."""
    assert len(list(iter_pages(Pages(12, size=5, page_size=500), "the groups"))) == 12
