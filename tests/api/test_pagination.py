"""Tests for the predicted number of requests that are needed to read a list."""

from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.pagination import count_pages
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
