"""Tests for properties that are common to all public functions that return a table."""

import inspect
import re
from copy import deepcopy
from typing import get_overloads

import duckdb
import numpy as np
import pandas as pd
import pandas.testing as pdt
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError
from tests.examples import at_most

COLUMNS = ["customer_group_uid", "customer_uid"]
CONSENT = {"mobile": "newsletter"}
CAMPAIGNS = pd.DataFrame({"customer_group_uid": ["a", "b"], "discount_percent": [5.0, 20.0]})

AUDIENCES = {"A": "a - c", "B": "b", "C": ["c-05", "c-49"]}

# These functions accept a table of memberships. The arguments are the data and whether it contains rows.
MEMBERSHIP_FUNCTIONS = {
    "group_sizes": lambda data, has_data: fg.group_sizes(data),
    "group_sizes, universe": lambda data, has_data: fg.group_sizes(data, universe=1_000),
    "groups_per_customer": lambda data, has_data: fg.groups_per_customer(data),
    "groups_per_customer, universe": lambda data, has_data: fg.groups_per_customer(data, universe=1_000),
    **{
        f"overlap_matrix, {measure}": lambda data, has_data, measure=measure: fg.overlap_matrix(
            data, measure=measure, universe=1_000
        )
        for measure in ("count", "jaccard", "share", "overlap_coefficient", "lift", "phi", "pmi")
    },
    "overlap_pairs": lambda data, has_data: fg.overlap_pairs(data),
    "overlap_pairs, universe": lambda data, has_data: fg.overlap_pairs(data, universe=1_000),
    "intersections": lambda data, has_data: fg.intersections(data),
    "intersections, cut": lambda data, has_data: fg.intersections(data, mode="inclusive", top=2),
    "duplicate_groups": lambda data, has_data: fg.duplicate_groups(data, min_jaccard=0.1),
    "subset_groups": lambda data, has_data: fg.subset_groups(data, min_share=0.1),
    "group_clusters": lambda data, has_data: fg.group_clusters(data),
    "set_cover": lambda data, has_data: fg.set_cover(data),
    "campaign_reach": lambda data, has_data: fg.campaign_reach(
        data, CAMPAIGNS if has_data else CAMPAIGNS[:0], at="2026-11-23"
    ),
    "members": lambda data, has_data: (
        fg.members(data, "a | b").to_frame(False) if has_data else fg.region_members(data, include=[]).to_frame(False)
    ),
    "region_members": lambda data, has_data: fg.region_members(data, include=["a"] if has_data else []).to_frame(
        False
    ),
}
# These functions compare two tables of memberships.
COMPARISON_FUNCTIONS = {
    "membership_changes": fg.membership_changes,
    "group_changes": fg.group_changes,
    "group_flow": fg.group_flow,
}
# These functions require a Snapshot, because they use attributes, consents, or reads.
SNAPSHOT_FUNCTIONS = {
    "health_report": lambda snapshot, has_data: fg.health_report(snapshot),
    "group_profile": lambda snapshot, has_data: fg.group_profile(snapshot, "a" if has_data else []),
    "compare_groups": lambda snapshot, has_data: fg.compare_groups(
        snapshot, *(("a", "b") if has_data else ([], [])), min_count=0
    ),
    "reachability": lambda snapshot, has_data: fg.reachability(snapshot, None if has_data else [], consent=CONSENT),
    "incremental_reach": lambda snapshot, has_data: fg.incremental_reach(
        snapshot, None if has_data else [], consent=CONSENT
    ),
    "reachable_customers": lambda snapshot, has_data: fg.reachable_customers(
        snapshot, "a | b" if has_data else [], consent=CONSENT
    ).to_frame(False),
    "waterfall": lambda snapshot, has_data: fg.waterfall(snapshot, AUDIENCES if has_data else {}),
    "waterfall, caps": lambda snapshot, has_data: fg.waterfall(
        snapshot,
        AUDIENCES if has_data else {},
        caps={"B": 4} if has_data else {},
        order_by="credit_limit",
        exclude="c" if has_data else None,
    ),
    "waterfall_summary": lambda snapshot, has_data: fg.waterfall_summary(
        fg.waterfall(snapshot, AUDIENCES if has_data else {})
    ),
    "size_history": lambda snapshot, has_data: fg.size_history([snapshot] if has_data else []),
}
# These functions read files or resolve ids. They are tested in the folders of their packages.
FILE_FUNCTIONS = {
    "cache_info",
    "customer_history",
    "erase_customer",
    "list_plans",
    "list_snapshots",
    "prune",
    "read_register",
    "resolve_customers",
    "tenant_status",
}
# These functions need customers with arms and outcomes. Their own tests cover the properties that apply to them.
SPLIT_FUNCTIONS = {"holdout_entries", "measure_lift", "split_balance", "split_customers"}

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


def create_snapshot(memberships=MEMBERSHIPS, groups=GROUPS, customers=CUSTOMERS, consents=CONSENTS):
    """Return a snapshot of the sample tables, in which single tables can be replaced by arguments."""
    return fg.snapshot_from_frames(
        memberships, groups, customers, consents, tenant_uid="t-1", taken_at="2026-11-23T08:10Z"
    )


def create_empty_snapshot():
    """Return a snapshot of a tenant without groups and customers."""
    return create_snapshot(MEMBERSHIPS[:0], GROUPS[:0], CUSTOMERS[:0], CONSENTS[:0])


def iter_cases():
    """Yield the name of each test case, whether it accepts a table of memberships, and its function."""
    yield from ((name, True, function) for name, function in MEMBERSHIP_FUNCTIONS.items())
    yield from ((name, False, function) for name, function in SNAPSHOT_FUNCTIONS.items())
    for name, function in COMPARISON_FUNCTIONS.items():
        yield (
            name,
            True,
            lambda data, has_data, function=function: function(data, LATER if has_data else MEMBERSHIPS[:0]),
        )
        yield (
            f"{name}, newer",
            True,
            lambda data, has_data, f=function: f(LATER if has_data else MEMBERSHIPS[:0], data),
        )


CASES = list(iter_cases())
FRAME_CASES = [pytest.param(function, id=name) for name, frames, function in CASES if frames]
ALL_CASES = [pytest.param(function, frames, id=name) for name, frames, function in CASES]


def columns_and_dtypes(table):
    """Return the name and dtype of each column."""
    return list(zip(table.columns, table.dtypes.astype(str), strict=True))


def test_all_functions_are_covered():
    "Each public function that returns a table has a test case in this module, reads files, or needs a split."
    makes_tables = {
        name
        for name in fg.__all__
        if inspect.isfunction(function := getattr(fg, name))
        # A function that also returns frames of query engines has an overload that returns a DataFrame.
        and {inspect.signature(signature).return_annotation for signature in (function, *get_overloads(function))}
        & {"pd.DataFrame", "pd.Index"}
    }

    others = FILE_FUNCTIONS | SPLIT_FUNCTIONS
    assert makes_tables - others == {name.split(",")[0] for name, _, _ in CASES}
    assert makes_tables >= others


@pytest.mark.parametrize(("function", "accepts_frame"), ALL_CASES)
def test_tables_are_flat(function, accepts_frame):
    "Returned tables have unique, simple column names, a default index, and no columns of the dtype object."
    table = function(create_snapshot(), True)

    assert type(table) is pd.DataFrame and len(table)
    assert not isinstance(table.columns, pd.MultiIndex) and table.columns.is_unique
    if table.index.name != "customer_group_uid":  # The result of overlap_matrix has an index.
        assert isinstance(table.index, pd.RangeIndex) and table.index.start == 0
    objects = [name for name, dtype in columns_and_dtypes(table) if dtype == "object"]
    assert objects == (["groups"] if "groups" in table else [])  # This column contains tuples of uids.


@pytest.mark.parametrize(("function", "accepts_frame"), ALL_CASES)
def test_empty_input(function, accepts_frame):
    "If the input is empty, the result is an empty table with the same columns and dtypes."
    full = function(create_snapshot(), True)
    is_square = full.index.name == "customer_group_uid"

    empty_tables = [function(create_empty_snapshot(), False)]
    if accepts_frame:
        empty_tables += [function(MEMBERSHIPS[:0], False), function(pd.DataFrame(columns=COLUMNS), False)]

    for empty in empty_tables:
        if is_square:
            assert empty.shape == (0, 0) and empty.index.name == full.index.name
            assert empty.index.dtype == full.index.dtype and empty.columns.dtype == full.columns.dtype
        else:
            assert columns_and_dtypes(empty) == columns_and_dtypes(full)
            # With a universe, the first row counts customers without groups.
            assert len(empty) == (1 if "n_groups" in empty and empty["n_customers"].eq(1_000).any() else 0)


@pytest.mark.parametrize(("function", "accepts_frame"), ALL_CASES)
def test_input_is_not_modified(function, accepts_frame):
    "Analysis functions modify neither a snapshot nor a table of memberships."
    snapshot, frame = create_snapshot(), MEMBERSHIPS.copy(deep=True)
    tables = [
        deepcopy(getattr(snapshot, name)) for name in ("groups", "customers", "memberships", "consents", "reads")
    ]
    arrays = [snapshot.matrix.indptr.copy(), snapshot.matrix.indices.copy()]

    function(snapshot, True)
    if accepts_frame:
        function(frame, True)

    for name, before in zip(("groups", "customers", "memberships", "consents", "reads"), tables, strict=True):
        pdt.assert_frame_equal(getattr(snapshot, name), before)
    np.testing.assert_array_equal(snapshot.matrix.indptr, arrays[0])
    np.testing.assert_array_equal(snapshot.matrix.indices, arrays[1])
    pdt.assert_frame_equal(frame, MEMBERSHIPS)


@pytest.mark.parametrize(("function", "accepts_frame"), ALL_CASES)
def test_row_order(function, accepts_frame):
    "The result of an analysis function does not depend on row order and repeated rows."
    shuffled = [table.sample(frac=1, random_state=7) for table in (GROUPS, CUSTOMERS, CONSENTS)]
    repeated = pd.concat([MEMBERSHIPS.sample(frac=1, random_state=7), MEMBERSHIPS[::3]])

    pdt.assert_frame_equal(function(create_snapshot(repeated, *shuffled), True), function(create_snapshot(), True))
    if accepts_frame:
        pdt.assert_frame_equal(function(repeated, True), function(MEMBERSHIPS, True))


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
@pytest.mark.parametrize("function", FRAME_CASES)
def test_table_types(function, kind):
    "Tables with other dtypes or from other libraries lead to the same result."
    pdt.assert_frame_equal(function(FRAMES[kind](MEMBERSHIPS), True), function(MEMBERSHIPS, True))


@at_most(25)
@given(st.sets(st.tuples(st.sampled_from("abx"), st.integers(0, 9).map(str)), min_size=1), st.randoms())
@pytest.mark.parametrize("name", ["intersections", "overlap_pairs, universe", "group_clusters", "set_cover"])
def test_row_order_with_ties(name, pairs, random):
    "If many groups have the same size, the result does not depend on the row order."
    rows = sorted(pairs)
    mixed = random.sample(rows, len(rows)) + random.choices(rows, k=3)

    function = MEMBERSHIP_FUNCTIONS[name]

    pdt.assert_frame_equal(
        function(pd.DataFrame(mixed, columns=COLUMNS), True), function(pd.DataFrame(rows, columns=COLUMNS), True)
    )


@pytest.mark.parametrize(
    "data", [None, 3, "a", ["a"], {"a": ["c-1"]}, np.zeros((2, 2)), pl.Series(["a"]), pa.chunked_array([["a"]])]
)
@pytest.mark.parametrize("function", FRAME_CASES)
def test_invalid_data(function, data):
    "If an argument is neither a snapshot nor a table, it is rejected, and the error contains its type."
    with pytest.raises(InputError, match=type(data).__name__):
        function(data, True)


@pytest.mark.parametrize("name", sorted(SNAPSHOT_FUNCTIONS.keys() - {"size_history"}))
def test_snapshot_required(name):
    "If a function requires a Snapshot, it rejects a table of memberships."
    with pytest.raises(InputError, match=r"snapshot.*DataFrame"):
        SNAPSHOT_FUNCTIONS[name](MEMBERSHIPS, True)


@pytest.mark.parametrize(
    "name", sorted({name.split(",")[0] for name, _, _ in CASES} - {"members", "region_members", "compare_groups"})
)
def test_columns_are_documented(name):
    "The Returns section of each docstring contains all columns of the table."
    table = next(function for full, _, function in CASES if full.split(",")[0] == name)(create_snapshot(), True)

    documented = inspect.getdoc(getattr(fg, name))

    columns = ["attrs"] if name == "overlap_matrix" else table.columns  # Its columns are the groups.
    returned = documented[documented.index("Returns\n") : documented.index(">>>")]
    assert [column for column in columns if not re.search(rf"\b{column}\b", returned)] == []
