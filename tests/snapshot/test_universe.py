"""Tests for the total number of customers of a tenant (the universe)."""

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
def test_universe_of_snapshot(table):
    "The universe of a snapshot has the same effect as the argument `universe`. The argument takes precedence."
    snapshot = sample_snapshot()

    result = table(snapshot.with_universe(1_000))

    pdt.assert_frame_equal(result, table(snapshot, universe=1_000))
    pdt.assert_frame_equal(result, table(snapshot.with_universe(2_000), universe=1_000))
    pdt.assert_frame_equal(result, table(snapshot.memberships, universe=1_000).assign(**name_columns(result)))


def name_columns(table):
    """Return the columns that contain group names, which a table of memberships does not have."""
    return {column: table[column] for column in table if str(column).startswith("name")}


def test_with_universe_returns_copy():
    "with_universe returns another snapshot with the same tables and does not modify the original."
    snapshot = sample_snapshot()

    with_universe = snapshot.with_universe(np.int64(1_000))

    assert (snapshot.universe, with_universe.universe, type(with_universe.universe)) == (None, 1_000, int)
    assert with_universe.matrix is snapshot.matrix and with_universe.taken_at == snapshot.taken_at
    assert overlap_pairs(snapshot)["lift"].isna().all()


@pytest.mark.parametrize(
    ("universe", "words"),
    [(250, "`universe`.*251.*250"), (1e6, r"`universe`.*1000000\.0")],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda snapshot, universe: snapshot.with_universe(universe),
        lambda snapshot, universe: overlap_matrix(snapshot, measure="lift", universe=universe),
        lambda snapshot, universe: overlap_pairs(snapshot, ["vip"], universe=universe),
        lambda snapshot, universe: group_sizes(snapshot, universe=universe),
        lambda snapshot, universe: groups_per_customer(snapshot, universe=universe),
    ],
)
def test_invalid_universe(call, universe, words):
    "A universe that is not an integer or is too small is rejected, and the error contains the invalid number."
    with pytest.raises(InputError, match=words):
        call(sample_snapshot(), universe)


def test_universe_in_representations():
    "If the universe is known, the repr, the card, and the summary of a snapshot contain it."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    with_universe = snapshot.with_universe(1_240_000)

    assert repr(with_universe) == (
        "<Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 of 1,240,000 customers, 253 memberships>"
    )
    assert "251 of 1,240,000" in with_universe._repr_html_()
    assert "251 of 1,240,000 customers" in with_universe.describe()
    assert "1,240,000" not in snapshot.describe() + repr(snapshot) + snapshot._repr_html_()


@pytest.mark.parametrize("universe", [None, 1_240_000])
def test_universe_is_stored(universe):
    "The universe of a snapshot is the same after the snapshot is stored and read again."
    snapshot = sample_snapshot() if universe is None else sample_snapshot().with_universe(universe)

    fg.save_snapshot(snapshot)
    again = fg.read_snapshot()

    assert again.universe == universe and repr(again) == repr(snapshot)
    for table in TABLES:
        pdt.assert_frame_equal(table(again), table(snapshot))


def test_manifest_without_universe():
    "A stored snapshot whose manifest does not contain a universe can be read."
    path = fg.save_snapshot(sample_snapshot()) / MANIFEST
    facts = json.loads(path.read_text())
    del facts["universe"], facts["checksum"]
    path.write_text(json.dumps(facts | {"checksum": sha256(canonical_json(facts))}))

    assert fg.read_snapshot().universe is None


def test_universe_after_erasure():
    "Erasing a customer from a snapshot does not change its universe."
    assert without_customer(sample_snapshot().with_universe(1_000), "c-1").universe == 1_000


def test_universe_after_refresh(caplog):
    "If a refresh finds more customers than the universe, the universe is removed and a warning is logged."
    world = World({"all": {"a", "b"}, "vip": {"b"}})
    snapshot = fg.load_snapshot(world, False)
    world.groups["vip"] |= {"c", "d"}

    unchanged = fg.refresh_groups(world, snapshot.with_universe(4), ["vip"])
    with caplog.at_level(logging.WARNING):
        dropped = fg.refresh_groups(world, snapshot.with_universe(3), ["vip"])

    assert (unchanged.universe, dropped.universe) == (4, None)
    [record] = [record for record in caplog.records if record.event == "universe_too_small"]
    assert (record.universe, record.n_customers) == (3, 4)
