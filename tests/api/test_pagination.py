"""How many requests a list takes, foretold and as it is."""

from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.pagination import count_pages
from frgroups.load.verified_listing import read_members
from tests.world import World


@given(cap=st.integers(1, 9), total=st.integers(0, 60))
def test_a_list_is_read_in_as_many_pages_as_foretold(cap, total):
    "Whatever the page size, also where no windows share rows and the list is read twice."
    world = World({"a": [f"c{n:02d}" for n in range(total)]}, cap=cap)

    listing = read_members(world, "a")

    assert (listing.verdict, listing.pages, world.n_requests) == (
        "consistent",
        count_pages(cap, total),
        count_pages(cap, total),
    )
