"""What holds for every public function that makes a table: of plain frames, whatever the input, empty or not."""

import inspect
import re
from copy import deepcopy

import duckdb
import numpy as np
import pandas as pd
import pandas.testing as pdt
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError

COLUMNS = ["customer_group_uid", "customer_uid"]
CONSENT = {"mobile": "newsletter"}
CAMPAIGNS = pd.DataFrame({"customer_group_uid": ["a", "b"], "discount_percent": [5.0, 20.0]})

# Of memberships alone. Each takes the data, and whether there is anything in it.
OF_MEMBERSHIPS = {
    "group_sizes": lambda data, some: fg.group_sizes(data),
    "group_sizes, universe": lambda data, some: fg.group_sizes(data, universe=1_000),
    "groups_per_customer": lambda data, some: fg.groups_per_customer(data),
    "groups_per_customer, universe": lambda data, some: fg.groups_per_customer(data, universe=1_000),
    **{
        f"overlap_matrix, {measure}": lambda data, some, measure=measure: fg.overlap_matrix(
            data, measure=measure, universe=1_000
        )
        for measure in ("count", "jaccard", "share", "overlap_coefficient", "lift", "phi", "pmi")
    },
    "overlap_pairs": lambda data, some: fg.overlap_pairs(data),
    "overlap_pairs, universe": lambda data, some: fg.overlap_pairs(data, universe=1_000),
    "intersections": lambda data, some: fg.intersections(data),
    "intersections, cut": lambda data, some: fg.intersections(data, mode="inclusive", top=2),
    "duplicate_groups": lambda data, some: fg.duplicate_groups(data, min_jaccard=0.1),
    "subset_groups": lambda data, some: fg.subset_groups(data, min_share=0.1),
    "group_clusters": lambda data, some: fg.group_clusters(data),
    "set_cover": lambda data, some: fg.set_cover(data),
    "campaign_reach": lambda data, some: fg.campaign_reach(
        data, CAMPAIGNS if some else CAMPAIGNS[:0], at="2026-11-23"
    ),
    "members": lambda data, some: (
        fg.members(data, "a | b").to_frame(False) if some else fg.region_members(data, include=[]).to_frame(False)
    ),
    "region_members": lambda data, some: fg.region_members(data, include=["a"] if some else []).to_frame(False),
}
# Of what it was before, and what it is.
OF_TWO = {
    "membership_changes": fg.membership_changes,
    "group_changes": fg.group_changes,
    "group_flow": fg.group_flow,
}
# Of what only a Snapshot knows: attributes, consents, how it was read.
OF_SNAPSHOTS = {
    "health_report": lambda snapshot, some: fg.health_report(snapshot),
    "group_profile": lambda snapshot, some: fg.group_profile(snapshot, "a" if some else []),
    "compare_groups": lambda snapshot, some: fg.compare_groups(
        snapshot, *(("a", "b") if some else ([], [])), min_count=0
    ),
    "reachability": lambda snapshot, some: fg.reachability(snapshot, None if some else [], consent=CONSENT),
    "incremental_reach": lambda snapshot, some: fg.incremental_reach(snapshot, None if some else [], consent=CONSENT),
    "size_history": lambda snapshot, some: fg.size_history([snapshot] if some else []),
}
# Of files, and what they hold: tests/test_inventory.py, test_forget.py and so on.
OF_FILES = {
    "cache_info",
    "customer_history",
    "erase_customer",
    "list_snapshots",
    "prune",
    "read_register",
    "resolve_customers",
    "tenant_status",
}

PAIRS = [("a", f"c-{n:02d}") for n in range(30)] + [("b", f"c-{n:02d}") for n in range(20, 50)] + [("c", "c-05")]
MEMBERSHIPS = pd.DataFrame(PAIRS, columns=COLUMNS, dtype="str")
LATER = pd.DataFrame([*PAIRS[3:], ("d", "c-07"), ("d", "c-99")], columns=COLUMNS, dtype="str")
CUSTOMERS = pd.DataFrame(
    {
        "customer_uid": [f"c-{n:02d}" for n in range(50)],
        "country_code": [("NO", "SE")[n % 2] for n in range(50)],
        "credit_limit": range(50),
        "has_email": [n % 3 > 0 for n in range(50)],
        "has_mobile": [n % 5 > 0 for n in range(50)],
    }
)
CONSENTS = pd.DataFrame(
    {"customer_uid": CUSTOMERS["customer_uid"], "consent_uid": "newsletter", "name": "Newsletter", "status": True}
)
GROUPS = pd.DataFrame({"customer_group_uid": ["a", "b", "c"], "name": ["A", "B", "C 2021"]})


def snapshot_of(memberships=MEMBERSHIPS, groups=GROUPS, customers=CUSTOMERS, consents=CONSENTS):
    return fg.snapshot_from_frames(
        memberships, groups, customers, consents, tenant_uid="t-1", taken_at="2026-11-23T08:10Z"
    )


def nothing():
    """A snapshot of a tenant without groups, whose customers would have consents."""
    return snapshot_of(MEMBERSHIPS[:0], GROUPS[:0], CUSTOMERS[:0], CONSENTS[:0])


def cases():
    """(name, whether a frame will do, function of data and whether there is something)."""
    yield from ((name, True, function) for name, function in OF_MEMBERSHIPS.items())
    yield from ((name, False, function) for name, function in OF_SNAPSHOTS.items())
    for name, function in OF_TWO.items():
        yield name, True, lambda data, some, function=function: function(data, LATER if some else MEMBERSHIPS[:0])
        yield f"{name}, newer", True, lambda data, some, f=function: f(LATER if some else MEMBERSHIPS[:0], data)


ALL = list(cases())
TAKES_FRAMES = [pytest.param(function, id=name) for name, frames, function in ALL if frames]
TAKES_ANY = [pytest.param(function, frames, id=name) for name, frames, function in ALL]


def shape(table):
    return list(zip(table.columns, table.dtypes.astype(str), strict=True))


def test_every_public_function_that_makes_a_table_is_looked_at():
    "A new one must be put under the laws of this file, or among those that read files."
    makes_tables = {
        name
        for name in fg.__all__
        if inspect.isfunction(function := getattr(fg, name))
        and inspect.signature(function).return_annotation in ("pd.DataFrame", "pd.Index")
    }

    assert makes_tables - OF_FILES == {name.split(",")[0] for name, _, _ in ALL}
    assert makes_tables >= OF_FILES


@pytest.mark.parametrize(("function", "takes_frames"), TAKES_ANY)
def test_tables_are_plain_and_flat(function, takes_frames):
    "Uids and names are columns, each of one dtype and named by a word; rows are numbered from 0; nothing is object."
    table = function(snapshot_of(), True)

    assert type(table) is pd.DataFrame and len(table)
    assert not isinstance(table.columns, pd.MultiIndex) and table.columns.is_unique
    if table.index.name != "customer_group_uid":  # The square of overlap_matrix.
        assert isinstance(table.index, pd.RangeIndex) and table.index.start == 0
    objects = [name for name, dtype in shape(table) if dtype == "object"]
    assert objects == (["groups"] if "groups" in table else [])  # Tuples of uids.


@pytest.mark.parametrize(("function", "takes_frames"), TAKES_ANY)
def test_empty_input_gives_an_empty_table_of_the_same_columns_and_dtypes(function, takes_frames):
    "A tenant without groups, and a table without rows, are answered like any other."
    full = function(snapshot_of(), True)
    is_square = full.index.name == "customer_group_uid"

    found = [function(nothing(), False)]
    if takes_frames:
        found += [function(MEMBERSHIPS[:0], False), function(pd.DataFrame(columns=COLUMNS), False)]

    for empty in found:
        if is_square:
            assert empty.shape == (0, 0) and empty.index.name == full.index.name
            assert empty.index.dtype == full.index.dtype and empty.columns.dtype == full.columns.dtype
        else:
            assert shape(empty) == shape(full)
            # With a universe the first row tells of those in no group.
            assert len(empty) == (1 if "n_groups" in empty and empty["n_customers"].eq(1_000).any() else 0)


@pytest.mark.parametrize(("function", "takes_frames"), TAKES_ANY)
def test_what_is_passed_is_left_alone(function, takes_frames):
    "Neither the tables and codes of a Snapshot nor a frame are changed."
    snapshot, frame = snapshot_of(), MEMBERSHIPS.copy(deep=True)
    tables = [
        deepcopy(getattr(snapshot, name)) for name in ("groups", "customers", "memberships", "consents", "reads")
    ]
    codes = [snapshot.matrix.indptr.copy(), snapshot.matrix.indices.copy()]

    function(snapshot, True)
    if takes_frames:
        function(frame, True)

    for name, before in zip(("groups", "customers", "memberships", "consents", "reads"), tables, strict=True):
        pdt.assert_frame_equal(getattr(snapshot, name), before)
    np.testing.assert_array_equal(snapshot.matrix.indptr, codes[0])
    np.testing.assert_array_equal(snapshot.matrix.indices, codes[1])
    pdt.assert_frame_equal(frame, MEMBERSHIPS)


@pytest.mark.parametrize(("function", "takes_frames"), TAKES_ANY)
def test_the_order_of_rows_and_repetitions_do_not_matter(function, takes_frames):
    "Rows in any order, and memberships twice, give the same table."
    shuffled = [table.sample(frac=1, random_state=7) for table in (GROUPS, CUSTOMERS, CONSENTS)]
    twice = pd.concat([MEMBERSHIPS.sample(frac=1, random_state=7), MEMBERSHIPS[::3]])

    pdt.assert_frame_equal(function(snapshot_of(twice, *shuffled), True), function(snapshot_of(), True))
    if takes_frames:
        pdt.assert_frame_equal(function(twice, True), function(MEMBERSHIPS, True))


FRAMES = {
    "object": lambda frame: frame.astype(object),
    "categories in another order": lambda frame: frame.apply(
        lambda uids: uids.astype(pd.CategoricalDtype(sorted(set(uids), reverse=True)))
    ),
    "string": lambda frame: frame.astype("string"),
    "another index, and more columns": lambda frame: frame.assign(note=1.5).set_axis(frame.index[::-1]),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame),
    "pyarrow dictionaries": lambda frame: pa.table(
        {name: pa.array(frame[name]).dictionary_encode() for name in frame.columns}
    ),
    "a stream that is read once": lambda frame: pa.Table.from_pandas(frame).to_reader(),
    "polars": lambda frame: pl.from_pandas(frame),
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "duckdb": lambda frame: duckdb.connect().from_arrow(pa.Table.from_pandas(frame)),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("function", TAKES_FRAMES)
def test_any_frame_will_do(function, kind):
    "The same memberships in another dtype or library give the same table, to the dtype of each column."
    pdt.assert_frame_equal(function(FRAMES[kind](MEMBERSHIPS), True), function(MEMBERSHIPS, True))


@settings(max_examples=25)
@given(st.sets(st.tuples(st.sampled_from("abx"), st.integers(0, 9).map(str)), min_size=1), st.randoms())
@pytest.mark.parametrize("name", ["intersections", "overlap_pairs, universe", "group_clusters", "set_cover"])
def test_any_order_of_any_memberships_gives_the_same(name, pairs, random):
    "The law of order and repetition, for memberships of all kinds where ties are likely."
    rows = sorted(pairs)
    mixed = random.sample(rows, len(rows)) + random.choices(rows, k=3)

    function = OF_MEMBERSHIPS[name]

    pdt.assert_frame_equal(
        function(pd.DataFrame(mixed, columns=COLUMNS), True), function(pd.DataFrame(rows, columns=COLUMNS), True)
    )


@pytest.mark.parametrize(
    "thing", [None, 3, "a", ["a"], {"a": ["c-1"]}, np.zeros((2, 2)), pl.Series(["a"]), pa.chunked_array([["a"]])]
)
@pytest.mark.parametrize("function", TAKES_FRAMES)
def test_what_is_no_table_is_refused_in_words(function, thing):
    "The error says what came, whatever function it came to."
    with pytest.raises(InputError, match="a table of memberships, not"):
        function(thing, True)


@pytest.mark.parametrize("name", sorted(OF_SNAPSHOTS.keys() - {"size_history"}))
def test_what_needs_a_snapshot_says_so(name):
    "Attributes, consents and readings are not in memberships alone."
    with pytest.raises(InputError, match="must be a Snapshot"):
        OF_SNAPSHOTS[name](MEMBERSHIPS, True)


@pytest.mark.parametrize(
    "name", sorted({name.split(",")[0] for name, _, _ in ALL} - {"members", "region_members", "compare_groups"})
)
def test_every_column_stands_in_the_docstring(name):
    "What a column holds is told where the function is."
    table = next(function for full, _, function in ALL if full.split(",")[0] == name)(snapshot_of(), True)

    documented = inspect.getdoc(getattr(fg, name))

    columns = ["attrs"] if name == "overlap_matrix" else table.columns  # Its columns are the groups.
    returned = documented[documented.index("Returns\n") : documented.index(">>>")]
    assert [column for column in columns if not re.search(rf"\b{column}\b", returned)] == []
