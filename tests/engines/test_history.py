"""Tests that `size_history` counts the frames of query engines like snapshots in memory."""

from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pandas.testing as pdt
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import GroupNotFoundError, InputError
from tests.engines.conftest import LAZY, create_frame

START = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)
COLUMNS = ["customer_group_uid", "customer_uid"]
GROUPS = ["it's", 'a "b"', "Å", "a", "B"]
# The group "a" is deleted in week 2 and created again in week 3. Week 4 contains no memberships.
WEEKS = [
    [("a", "1"), ("a", "2"), ("it's", "1"), ("it's", "1")],
    [("a", "2"), ("a", "3"), ("it's", "1"), ("B", "4")],
    [("it's", "1"), ("it's", "4"), ("B", "4"), ("B", "4")],
    [("a", "2"), ("it's", "5"), ('a "b"', "2")],
    [],
    [("a", "2"), ("it's", "5"), ('a "b"', "2")],
]


def create_history(weeks, **columns):
    """Return a table with the memberships of all weeks."""
    rows = [(START + timedelta(weeks=number), *row) for number, week in enumerate(weeks) for row in week]
    table = pd.DataFrame(rows, columns=["taken_at", *COLUMNS])
    return table.astype({"taken_at": "datetime64[us, UTC]"} | dict.fromkeys(COLUMNS, "str")).assign(**columns)


def expected_history(weeks, **options):
    """Return the size history of snapshots in memory, with the values of a frame."""
    snapshots = [
        fg.snapshot_from_frames(
            pd.DataFrame(week, columns=COLUMNS, dtype="str"),
            tenant_uid="t",
            taken_at=START + timedelta(weeks=number),
        )
        for number, week in enumerate(weeks)
        if week
    ]
    history = fg.size_history(snapshots, **options)
    return history.assign(verdict=pd.Series([None] * len(history), dtype="str"))


def test_history(lazy_engine):
    "The sizes and changes equal those of snapshots in memory, even if groups are deleted and created again."
    history = fg.size_history(lazy_engine(create_history(WEEKS)))

    pdt.assert_frame_equal(history, expected_history(WEEKS))
    assert history.loc[history["customer_group_uid"] == "a", "status"].tolist() == [
        *("first", "kept", "deleted", "new", "kept")
    ]


@pytest.mark.parametrize("weeks", [[], [[("a", "1")]]], ids=["no groups", "one group"])
def test_small_frames(lazy_engine, weeks):
    "The history of a frame without rows is empty, and the history of one row has one row."
    pdt.assert_frame_equal(fg.size_history(lazy_engine(create_history(weeks))), expected_history(weeks))


def test_several_tenants(lazy_engine):
    "Each snapshot is compared with the previous snapshot of the same tenant, and the rows are sorted by tenant."
    table = pd.concat(
        [
            create_history([*WEEKS[1:3], [], WEEKS[0]], tenant_uid="it's 2"),
            create_history(WEEKS, tenant_uid="it's 1"),
        ]
    )

    history = fg.size_history(lazy_engine(table))

    assert history.columns[0] == "tenant_uid"
    for tenant, weeks in (("it's 1", WEEKS), ("it's 2", [*WEEKS[1:3], [], WEEKS[0]])):
        rows = history[history["tenant_uid"] == tenant].drop(columns="tenant_uid").reset_index(drop=True)
        pdt.assert_frame_equal(rows, expected_history(weeks))
    assert history["tenant_uid"].is_monotonic_increasing


def test_selected_groups(lazy_engine):
    "Groups are selected by uid, and an unknown group raises the same error as in memory."
    frame = lazy_engine(create_history(WEEKS))

    pdt.assert_frame_equal(
        fg.size_history(frame, groups=["it's", "B"]), expected_history(WEEKS, groups=["it's", "B"])
    )
    with pytest.raises(GroupNotFoundError, match="its"):
        fg.size_history(frame, groups=["its"])


@settings(max_examples=8)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrst")), max_size=12), min_size=1, max_size=5
    )
)
@pytest.mark.parametrize("kind", LAZY)
def test_random_history(kind, weeks):
    "The engine returns the same history as snapshots in memory for random memberships."
    pdt.assert_frame_equal(fg.size_history(create_frame(create_history(weeks), kind)), expected_history(weeks))


@pytest.mark.parametrize("kind", ["polars", "duckdb"])
def test_stored_snapshots(tmp_path, kind):
    "The history of a scan of stored snapshots is equal to the history of the stored snapshots."
    for number, week in enumerate(WEEKS):
        memberships = pd.DataFrame(week, columns=COLUMNS, dtype="str")
        taken_at = START + timedelta(weeks=number)
        fg.save_snapshot(fg.snapshot_from_frames(memberships, tenant_uid="t", taken_at=taken_at), tmp_path)

    history = fg.size_history(fg.scan_memberships(tmp_path, engine=kind))

    assert set(history["tenant_uid"]) == {"t"}
    pdt.assert_frame_equal(history.drop(columns="tenant_uid"), expected_history(WEEKS))


@pytest.mark.parametrize(
    "dtype",
    [pl.Datetime("us"), pl.Datetime("ns", "UTC"), pl.Datetime("us", "Europe/Oslo")],
    ids=["no time zone", "nanoseconds", "Oslo"],
)
def test_timestamp_types(dtype):
    "Timestamps of other units and time zones are supported. Timestamps without a time zone are in UTC."
    frame = pl.from_pandas(create_history(WEEKS).assign(tenant_uid="t")).lazy()

    history = fg.size_history(frame.with_columns(pl.col("taken_at").cast(dtype)))

    pdt.assert_frame_equal(history.drop(columns="tenant_uid"), expected_history(WEEKS))


@pytest.mark.parametrize("dtype", ["TIMESTAMP_S", "TIMESTAMP_NS", "TIMESTAMPTZ"])
def test_timestamp_types_in_duckdb(dtype):
    "Timestamps in DuckDB are supported in seconds, in nanoseconds, and with a time zone."
    table = create_history(WEEKS)
    rows = pa.Table.from_pandas(table.astype({"taken_at": "datetime64[ns, UTC]"}), preserve_index=False)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        frame = connection.from_arrow(rows).project(f"* REPLACE (taken_at::TIMESTAMPTZ::{dtype} AS taken_at)")

        history = fg.size_history(frame)

    pdt.assert_frame_equal(history, expected_history(WEEKS))


def test_collected_rows(collected, lazy_engine):
    "One row of checks, and one row per tenant, snapshot, and group are collected."
    table = pd.concat([create_history(WEEKS, tenant_uid=tenant) for tenant in ("t-1", "t-2")])

    fg.size_history(lazy_engine(table))

    assert collected == [1, len(table[["tenant_uid", "taken_at", "customer_group_uid"]].drop_duplicates())]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (create_history(WEEKS)[COLUMNS], "`snapshots` needs a column 'taken_at'"),
        (create_history(WEEKS).drop(columns="customer_uid"), "`snapshots` needs a column 'customer_uid'"),
        (
            create_history(WEEKS).assign(taken_at="2026-11-03"),
            "'taken_at' of `snapshots` must contain timestamps, got String",
        ),
        (
            create_history(WEEKS).assign(taken_at=START.date()),
            "'taken_at' of `snapshots` must contain timestamps, got Date",
        ),
        (create_history(WEEKS).assign(customer_uid=7), "'customer_uid' of `snapshots` must contain strings, got int"),
        (
            create_history([[("a", "1"), ("a", None)], [(None, "1")]]),
            "'customer_group_uid' of `snapshots` has 1 row without a uid",
        ),
        (
            create_history(WEEKS, tenant_uid="").astype({"tenant_uid": "str"}),
            "'tenant_uid' of `snapshots` has 18 rows without a uid",
        ),
        (
            create_history(WEEKS).assign(
                taken_at=lambda table: table["taken_at"].where(table["customer_uid"] != "4")
            ),
            "'taken_at' of `snapshots` has 4 rows without a timestamp",
        ),
    ],
    ids=["no time", "no customer", "text", "date", "number", "null uid", "empty tenant", "null time"],
)
def test_invalid_frames(lazy_engine, table, message):
    "Missing columns, missing values, and other types raise errors that name the column."
    with pytest.raises(InputError, match=message):
        fg.size_history(lazy_engine(table))


def test_cache_and_frame():
    "A frame cannot be combined with the argument `cache`."
    with pytest.raises(InputError, match=r"`snapshots`.*`cache`"):
        fg.size_history(create_frame(create_history(WEEKS), "duckdb"), cache=".")


def test_chart_and_description():
    "Sizes without a verdict have filled markers and are not counted as inconsistent."
    frame = create_frame(create_history(WEEKS, tenant_uid="t"), "duckdb")
    history = fg.size_history(frame)
    times = history["taken_at"].nunique()

    ax = fg.plot.history(frame)

    assert "consistent" not in ax.get_title(loc="left") + fg.describe(history)
    markers = [line for line in ax.lines if line.get_marker() == "o"]
    assert markers and all(line.get_markerfacecolor() == line.get_markeredgecolor() for line in markers)
    assert f"{times} snapshots" in fg.describe(history)


def test_several_tenants_in_chart():
    "The chart and the description of several tenants raise an error that names tenants."
    history = fg.size_history(
        create_frame(pd.concat([create_history(WEEKS, tenant_uid=uid) for uid in ("t-1", "t-2")]), "polars, lazy")
    )

    for function in (fg.plot.history, fg.describe):
        with pytest.raises(InputError, match="'t-1' and 't-2'"):
            function(history)
    assert len(fg.plot.history(history[history["tenant_uid"] == "t-1"], top=2).texts) == 2
