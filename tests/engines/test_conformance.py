"""Tests that all query engines return the same tables as pandas, row by row and to the last digit."""

import random

import narwhals.stable.v2 as nw
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.engines.frames import is_engine_frame
from frgroups.errors import GroupNotFoundError, InputError
from tests.engines.conftest import LAZY, create_frame
from tests.examples import at_most

COLUMNS = ["customer_group_uid", "customer_uid"]
FUNCTIONS = {
    "group_sizes": fg.group_sizes,
    "group_sizes, universe": lambda data: fg.group_sizes(data, universe=1_000),
    "groups_per_customer": fg.groups_per_customer,
    "groups_per_customer, universe": lambda data: fg.groups_per_customer(data, universe=1_000),
    "overlap_matrix": fg.overlap_matrix,
    "overlap_matrix, lift": lambda data: fg.overlap_matrix(data, measure="lift", universe=1_000, labels="name"),
    "overlap_pairs": fg.overlap_pairs,
    "overlap_pairs, universe": lambda data: fg.overlap_pairs(data, universe=1_000),
    "overlap_pairs, min_both=1": lambda data: fg.overlap_pairs(data, min_both=1),
    "overlap_pairs, min_both=2": lambda data: fg.overlap_pairs(data, min_both=2),
    "overlap_pairs, min_both=2, universe": lambda data: fg.overlap_pairs(data, min_both=2, universe=1_000),
    "intersections": fg.intersections,
    "intersections, top": lambda data: fg.intersections(data, top=3),
    "intersections, inclusive": lambda data: fg.intersections(data, mode="inclusive", top=20),
    "group_changes": lambda data: fg.group_changes(data, data),
}
# These functions select groups, including a group whose uid contains quotes.
SELECTIONS = {
    "overlap_matrix": lambda data, groups: fg.overlap_matrix(data, groups),
    "overlap_pairs": lambda data, groups: fg.overlap_pairs(data, groups, universe=1_000),
    "overlap_pairs, min_both=1": lambda data, groups: fg.overlap_pairs(data, groups, min_both=1),
    "intersections": lambda data, groups: fg.intersections(data, groups),
    "intersections, inclusive": lambda data, groups: fg.intersections(data, groups, mode="inclusive"),
}
QUOTED = ["it's", 'a "b"', 'uid:"x"']


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


def create_rows(seed, n):
    """Return random memberships in 70 groups, with repeated rows, quotes, and uids in several languages."""
    rng = random.Random(seed)
    groups = [*QUOTED, "Å", "a", "B", "😀", "Z z", *(f"g-{number}" for number in range(62))]
    rows = [(rng.choice(groups), f"c-{int(rng.paretovariate(0.5)) % 97}") for _ in range(n)]
    return rows + rng.choices(rows, k=n // 10)


TABLE = create_table(create_rows(1, 600))
LATER = create_table([*create_rows(1, 600)[50:550], *create_rows(2, 40), ("new", "c-1"), ("new", "c-new")])
LATER = LATER[LATER["customer_group_uid"] != "B"]
TABLES = {
    "many groups": TABLE,
    "one group": create_table([("vip", "c-2"), ("vip", "c-1"), ("vip", "c-2")]),
    "no groups": create_table([]),
}


def sorted_rows(frame):
    """Return the rows of a frame of a query engine as a sorted table."""
    return sorted(nw.from_native(frame).lazy().collect(backend="pyarrow").iter_rows())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tables(engine, name):
    "The engine returns the same table as pandas for many groups, one group, and no groups."
    for table in TABLES.values():
        pdt.assert_frame_equal(FUNCTIONS[name](engine(table)), FUNCTIONS[name](table), check_exact=True)


@pytest.mark.parametrize("name", SELECTIONS)
def test_selected_groups(engine, name):
    "The engine counts only the selected groups and their customers."
    for groups in ([*QUOTED, "B", "a", "g-1", "g-2"], []):
        pdt.assert_frame_equal(
            SELECTIONS[name](engine(TABLE), groups), SELECTIONS[name](TABLE, groups), check_exact=True
        )


def test_group_changes(engine):
    "The engine counts the customers who joined and left, including new and deleted groups."
    changes = fg.group_changes(engine(TABLE), engine(LATER))

    pdt.assert_frame_equal(changes, fg.group_changes(TABLE, LATER), check_exact=True)
    assert set(changes["status"]) == {"new", "kept", "deleted"}


def test_membership_changes(engine):
    "The engine returns the same differences as pandas. A lazy frame returns them as a frame of its own type."
    for old, new in ((TABLE, LATER), (TABLE, TABLE), (TABLES["one group"], TABLES["no groups"])):
        frame = engine(old)

        changes = fg.membership_changes(frame, engine(new))

        assert sorted_rows(changes) == sorted_rows(fg.membership_changes(old, new))
        assert type(changes) is (type(frame) if is_engine_frame(frame) else pd.DataFrame)


def test_one_frame_in_memory(lazy_engine):
    "If only one of two tables is a frame of an engine, the frame is collected."
    pdt.assert_frame_equal(fg.membership_changes(lazy_engine(TABLE), LATER), fg.membership_changes(TABLE, LATER))


@pytest.mark.parametrize(
    "table",
    [
        create_table([("a", "1"), ("a", None), ("a", None), (None, "1")]),
        create_table([("a", "1"), ("a", None), ("a", "")]),
        create_table([("", "1"), ("", "2"), ("a", None)]),
        create_table([("a", "1")]).assign(customer_uid=[150]),
        create_table([("a", "1")]).assign(customer_group_uid=[1.5]),
        create_table([("a", "1")])[["customer_uid"]],
        create_table([("a", "1")]).set_axis(["group", "customer"], axis="columns"),
    ],
    ids=["null", "null and empty", "empty", "integers", "numbers", "missing column", "missing columns"],
)
def test_invalid_tables(engine, table):
    "The engine raises the same errors as pandas for null and empty uids, other types, and missing columns."
    valid = TABLES["one group"]
    for function in (fg.group_sizes, fg.intersections, fg.group_changes, fg.membership_changes):
        tables = [valid, table] if "changes" in function.__name__ else [table]
        with pytest.raises(InputError) as expected:
            function(*tables)

        with pytest.raises(InputError) as caught:
            function(*map(engine, tables))

        assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "taken_at",
            ["2026-11-03", "2026-11-10"],
            "several snapshots: the column 'taken_at' contains '2026-11-03' and",
        ),
        ("tenant_uid", ["t-1", "t-2"], "several tenants: the column 'tenant_uid' contains 't-1' and 't-2'"),
    ],
)
def test_several_snapshots(engine, column, values, message):
    "A table or frame with several tenants or times is rejected, and one with a single value is accepted."
    rows = create_table([("vip", "c-1"), ("all", "c-1")])
    several, one = rows.assign(**{column: values}), rows.assign(**{column: values[0]})
    for function in (fg.group_sizes, fg.duplicate_groups, lambda data: fg.membership_changes(one, data)):
        with pytest.raises(InputError, match=message):
            function(engine(several))
    assert fg.group_sizes(engine(one))["n_members"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tenant_uid": ["t-1", "t-2"]}, "the same tenant, got tenants t-1 and t-2"),
        ({"taken_at": ["2026-11-10", "2026-11-03T08:10Z"]}, "taken at 2026-11-10 00:00:00 UTC and the second at"),
    ],
)
def test_incomparable_snapshots(engine, columns, message):
    "Snapshots of different tenants or in the wrong order are rejected, even if only one of them is a frame."
    rows = create_table([("vip", "c-1"), ("all", "c-1")])
    [(column, values)] = columns.items()
    old, new = (rows.assign(**{column: value}) for value in values)
    older, newer = (rows.assign(taken_at=value) for value in ("2026-11-03", "2026-11-10"))
    for function in (fg.membership_changes, fg.group_changes):
        for first, second in ((engine(old), engine(new)), (old, engine(new)), (engine(old), new)):
            with pytest.raises(InputError, match=message):
                function(first, second)
        function(engine(older), engine(newer))
        for day in ("2026-11-10", pd.Timestamp("2026-11-10")):
            function(engine(rows.assign(taken_at="2026-11-10T08:10Z")), engine(rows.assign(taken_at=day)))


def test_no_rows_of_a_time(engine):
    "A table or frame with times but without rows is rejected, because no snapshot has the selected time."
    rows = create_table([]).assign(taken_at=pd.Series(dtype="str"))
    for function in (fg.group_sizes, fg.duplicate_groups, lambda data: fg.group_changes(data, data)):
        with pytest.raises(InputError, match="but no rows"):
            function(engine(rows))


def test_universe_and_unknown_group(engine):
    "The engine checks the universe and the selected groups."
    with pytest.raises(InputError, match="at least 2"):
        fg.overlap_pairs(engine(TABLES["one group"]), universe=1)
    with pytest.raises(GroupNotFoundError, match="vip"):
        fg.overlap_matrix(engine(TABLES["one group"]), ["vap"])


@at_most(5)
@given(st.lists(st.tuples(st.sampled_from("abcÅ'\""), st.sampled_from("0123456789")), max_size=40))
@pytest.mark.parametrize("kind", LAZY)
def test_random_tables(kind, rows):
    "The engine returns the same tables as pandas for random memberships."
    table = create_table(rows)
    frame = create_frame(table, kind)
    for name in ("group_sizes", "overlap_pairs, universe", "intersections"):
        pdt.assert_frame_equal(FUNCTIONS[name](frame), FUNCTIONS[name](table), check_exact=True)
