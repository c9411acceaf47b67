"""The number of customers in all: told to a snapshot once, used by every measure, kept, and never guessed."""

import json
import logging

import numpy as np
import pandas.testing as pdt
import pytest

import frgroups as fg
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.analysis.sizes import group_sizes, groups_per_customer
from frgroups.errors import InputError
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.privacy.rewriters import without_customer
from frgroups.snapshot.from_frames import sample_snapshot
from frgroups.store.manifest import MANIFEST
from tests.world import World

TABLES = [
    overlap_pairs,
    group_sizes,
    groups_per_customer,
    lambda data, **options: overlap_matrix(data, measure="lift", **options),
    lambda data, **options: overlap_matrix(data, measure="phi", **options),
]


@pytest.mark.parametrize("table", TABLES)
def test_what_a_snapshot_was_told_is_used_as_what_is_passed(table):
    "A table of a snapshot with a universe is the table with `universe=`; what is passed goes before what was told."
    snapshot = sample_snapshot()

    told = table(snapshot.with_universe(1_000))

    pdt.assert_frame_equal(told, table(snapshot, universe=1_000))
    pdt.assert_frame_equal(told, table(snapshot.with_universe(2_000), universe=1_000))
    pdt.assert_frame_equal(told, table(snapshot.memberships, universe=1_000).assign(**named(told)))


def named(table):
    """The columns of names, which memberships alone do not have."""
    return {column: table[column] for column in table if str(column).startswith("name")}


def test_the_snapshot_that_is_told_stays_as_it_was():
    "with_universe returns another snapshot of the same tables."
    snapshot = sample_snapshot()

    told = snapshot.with_universe(np.int64(1_000))

    assert (snapshot.universe, told.universe, type(told.universe)) == (None, 1_000, int)
    assert told.matrix is snapshot.matrix and told.taken_at == snapshot.taken_at
    assert overlap_pairs(snapshot)["lift"].isna().all()


@pytest.mark.parametrize(
    ("universe", "words"),
    [(250, "A universe of 250 is smaller than the 251 customers seen"), (1e6, "must be an integer, got 1000000.0")],
)
@pytest.mark.parametrize(
    "tell",
    [
        lambda snapshot, universe: snapshot.with_universe(universe),
        lambda snapshot, universe: overlap_matrix(snapshot, measure="lift", universe=universe),
        lambda snapshot, universe: overlap_pairs(snapshot, ["vip"], universe=universe),
        lambda snapshot, universe: group_sizes(snapshot, universe=universe),
        lambda snapshot, universe: groups_per_customer(snapshot, universe=universe),
    ],
)
def test_a_universe_that_cannot_be_is_refused(tell, universe, words):
    "Fewer customers than were seen, or half a customer: the error tells both numbers."
    with pytest.raises(InputError, match=words):
        tell(sample_snapshot(), universe)


def test_it_stands_wherever_a_snapshot_shows_itself():
    "repr, card and description tell how many of how many customers were seen; without it they tell what was seen."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    told = snapshot.with_universe(1_240_000)

    assert repr(told) == (
        "<Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 of 1,240,000 customers, 253 memberships>"
    )
    assert "251 of 1,240,000" in told._repr_html_()
    assert told.describe() == (
        "made from tables, not read from a tenant. 251 of 1,240,000 customers were seen, the others are in no group."
    )
    assert "1,240,000" not in snapshot.describe() + repr(snapshot) + snapshot._repr_html_()


@pytest.mark.parametrize("universe", [None, 1_240_000])
def test_it_is_kept_with_the_snapshot(universe):
    "What is read again is told the same, and gives the same tables."
    snapshot = sample_snapshot() if universe is None else sample_snapshot().with_universe(universe)

    fg.save_snapshot(snapshot)
    again = fg.read_snapshot()

    assert again.universe == universe and repr(again) == repr(snapshot)
    for table in TABLES:
        pdt.assert_frame_equal(table(again), table(snapshot))


def test_a_snapshot_that_was_kept_without_the_fact_has_none():
    "Manifests of before are read as ever."
    path = fg.save_snapshot(sample_snapshot()) / MANIFEST
    facts = json.loads(path.read_text())
    del facts["universe"], facts["checksum"]
    path.write_text(json.dumps(facts | {"checksum": sha256(canonical_json(facts))}))

    assert fg.read_snapshot().universe is None


def test_forgetting_a_customer_keeps_it():
    "The snapshot without one customer is still told how many there are."
    assert without_customer(sample_snapshot().with_universe(1_000), "c-1").universe == 1_000


def test_reading_groups_again_keeps_it_unless_it_is_refuted(caplog):
    "A refresh that meets more customers than there are said to be drops the number, and the log says so."
    world = World({"all": {"a", "b"}, "vip": {"b"}})
    snapshot = fg.load_snapshot(world, False)
    world.groups["vip"] |= {"c", "d"}

    kept = fg.refresh_groups(world, snapshot.with_universe(4), ["vip"])
    with caplog.at_level(logging.WARNING):
        dropped = fg.refresh_groups(world, snapshot.with_universe(3), ["vip"])

    assert (kept.universe, dropped.universe) == (4, None)
    assert "4 customers were met, more than the 3" in caplog.text
