"""Tests that `group_profile` compares the frames of query engines like a snapshot in memory."""

import random
from datetime import UTC, date, datetime, timedelta

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
from frgroups.errors import GroupNotFoundError, InputError
from tests.engines.conftest import LAZY, create_frame

COLUMNS = ["customer_group_uid", "customer_uid"]
GROUPS = ["it's", 'a "b"', "Å"]
LATEST = datetime(2026, 11, 3, 12, 30, 0, 250_000, tzinfo=UTC)


def create_memberships(seed=3, n=300):
    """Return random memberships with repeated rows."""
    rng = random.Random(seed)
    rows = [(rng.choice(GROUPS), f"c{rng.randrange(120)}") for _ in range(n)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


def create_attributes(seed=4):
    """Return attributes of customers. Some customers have no row, and some rows belong to other customers."""
    rng = random.Random(seed)
    uids = [f"c{number}" for number in range(8, 130)]
    rng.shuffle(uids)

    def draw(values, dtype):
        return pd.Series([rng.choice(values) for _ in uids], dtype=dtype)

    # The first customer has the latest timestamp, which is the time of the snapshot in memory.
    times = [LATEST, *(LATEST - timedelta(seconds=rng.random() * 1e9) for _ in uids[1:])]
    return pd.DataFrame(
        {
            "customer_uid": pd.Series(uids, dtype="str"),
            "country it's": draw(["NO", "NO", "SE", "dk", "", None, "(missing)", 'a "b"'], "str"),
            "store": pd.Series([f"s{int(rng.paretovariate(0.7))}" for _ in uids], dtype="str"),
            "is_member": draw([True, True, False, None], "boolean"),
            "credit_limit": draw([None, *range(9)], "Int64"),
            "balance": draw([np.nan, np.inf, -np.inf, 0.1, -3.25, 1e9], "float64"),
            "payment_terms": draw([None, 14, 30], "Int64"),
            "birthday": draw([None, date(2020, 2, 29), date(2021, 1, 1)], object),
            "all_equal": draw([0.1], "float64"),
            "customer_group_uid": draw(["x", "y"], "str"),
            "created_at": pd.Series(times, dtype="datetime64[us, UTC]").where(draw([True] * 5 + [False], bool)),
        }
    )


MEMBERSHIPS, ATTRIBUTES = create_memberships(), create_attributes()
ATTRIBUTES.loc[ATTRIBUTES["customer_uid"] == MEMBERSHIPS["customer_uid"][0], "created_at"] = LATEST


def expected_profile(memberships, attributes, group, **options):
    """Return the profile in memory."""
    snapshot = fg.snapshot_from_frames(memberships, tenant_uid="t", taken_at=LATEST)
    return fg.group_profile(snapshot, group, attributes=attributes, **options)


def assert_same_profile(profile, expected):
    """Compare two profiles: the rows, counts, and shares exactly, and the means with a small tolerance."""
    exact = ["attribute", "value", "kind", "n_in", "share_in", "n_ref", "share_ref", "suppressed"]
    pdt.assert_frame_equal(profile[exact], expected[exact], check_exact=True)
    means = ["mean_in", "mean_ref", "median_in", "median_ref"]
    pdt.assert_frame_equal(profile[means], expected[means], rtol=1e-12)
    pdt.assert_frame_equal(profile, expected, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"min_count": 0, "top": None},
        {"min_count": 5, "top": 3},
        {"min_count": 5, "top": None, "versus": "all"},
        {"min_count": 2, "top": 1, "versus": 'a "b"'},
    ],
)
def test_profile(lazy_engine, options):
    "The engine returns the same profile as a snapshot in memory, with all types of attributes."
    frames = lazy_engine(MEMBERSHIPS), lazy_engine(ATTRIBUTES)

    profile = fg.group_profile(frames[0], "it's", attributes=frames[1], **options)

    assert_same_profile(profile, expected_profile(MEMBERSHIPS, ATTRIBUTES, "it's", **options))


def test_suppressed_values():
    "The profiles of these tests contain suppressed values, combined values, and visible values."
    values = expected_profile(MEMBERSHIPS, ATTRIBUTES, "it's", min_count=5, top=None)
    combined = expected_profile(MEMBERSHIPS, ATTRIBUTES, "it's", min_count=5, top=3)

    assert set(values["suppressed"]) == {True, False}
    assert "(other)" in set(combined["value"])


@pytest.mark.parametrize(
    "attributes",
    [ATTRIBUTES[["customer_uid"]], ATTRIBUTES[["customer_uid", "store"]], ATTRIBUTES[["customer_uid", "balance"]]],
    ids=["no attribute", "only values", "only numbers"],
)
def test_few_attributes(lazy_engine, attributes):
    "A frame can have no attributes, only values, or only numbers."
    profile = fg.group_profile(lazy_engine(MEMBERSHIPS), "Å", attributes=lazy_engine(attributes))

    assert_same_profile(profile, expected_profile(MEMBERSHIPS, attributes, "Å"))


def test_one_group(lazy_engine):
    "If all customers are in the group, the reference is empty."
    memberships = pd.DataFrame([("Å", "c9"), ("Å", "c9"), ("Å", "c10")], columns=COLUMNS, dtype="str")
    attributes = ATTRIBUTES.drop(columns="created_at")

    profile = fg.group_profile(lazy_engine(memberships), "Å", attributes=lazy_engine(attributes), min_count=0)

    assert_same_profile(profile, expected_profile(memberships, attributes, "Å", min_count=0))
    assert (profile["n_ref"] == 0).all()


@settings(max_examples=8)
@given(
    st.lists(st.tuples(st.sampled_from(GROUPS), st.integers(0, 9)), max_size=40),
    st.lists(st.tuples(st.sampled_from(["a", "B", "", None]), st.none() | st.integers(-3, 3)), max_size=12),
    st.integers(0, 4),
    st.none() | st.integers(1, 3),
    st.sampled_from(["rest", "all", *GROUPS[1:]]),
)
@pytest.mark.parametrize("kind", LAZY)
def test_random_profiles(kind, rows, values, min_count, top, versus):
    "The engine returns the same profile or the same error as a snapshot in memory for random customers."
    memberships = pd.DataFrame([(group, f"c{n}") for group, n in rows], columns=COLUMNS, dtype="str")
    attributes = pd.DataFrame(
        {
            "customer_uid": pd.Series([f"c{n}" for n in range(len(values))], dtype="str"),
            "text": pd.Series([text for text, _ in values], dtype="str"),
            "number": pd.array([number for _, number in values], dtype="Int64"),
        }
    )
    options = {"versus": versus, "min_count": min_count, "top": top}
    frames = create_frame(memberships, kind), create_frame(attributes, kind)
    try:
        expected = expected_profile(memberships, attributes, GROUPS[0], **options)
    except InputError as error:
        with pytest.raises(type(error)) as caught:
            fg.group_profile(frames[0], GROUPS[0], attributes=frames[1], **options)
        assert str(caught.value) == str(error)
        return

    assert_same_profile(fg.group_profile(frames[0], GROUPS[0], attributes=frames[1], **options), expected)


@pytest.mark.parametrize("kind", LAZY)
def test_durations_and_local_times(kind):
    "Durations are compared in days, and timestamps without a time zone are in UTC."
    attributes = ATTRIBUTES[["customer_uid", "created_at"]].copy()
    attributes["stay"] = LATEST - attributes["created_at"]
    local = attributes.assign(created_at=attributes["created_at"].dt.tz_localize(None))

    profile = fg.group_profile(
        create_frame(MEMBERSHIPS, kind), "Å", attributes=create_frame(local, kind), min_count=0
    )

    assert_same_profile(profile, expected_profile(MEMBERSHIPS, attributes, "Å", min_count=0))
    days = profile[profile["value"] == "(number)"].set_index("attribute")
    assert days.loc["stay", "mean_in"] == pytest.approx(days.loc["days_since_created_at", "mean_in"])


def test_session_time_zone():
    "The time zone of a connection, with or without daylight saving time, does not change the ages of customers."
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'Europe/Oslo'")
        memberships = connection.from_arrow(pa.Table.from_pandas(MEMBERSHIPS, preserve_index=False))
        attributes = connection.from_arrow(pa.Table.from_pandas(ATTRIBUTES, preserve_index=False))

        profile = fg.group_profile(memberships, "Å", attributes=attributes)

    assert_same_profile(profile, expected_profile(MEMBERSHIPS, ATTRIBUTES, "Å"))


@pytest.mark.parametrize("kind", LAZY)
def test_not_a_number(kind):
    "NaN is a missing value, and attributes with decimal numbers are compared by their means."
    table = pa.table(
        {
            "customer_uid": ATTRIBUTES["customer_uid"].tolist(),
            "nan": pa.array(ATTRIBUTES["balance"].to_numpy(), from_pandas=False),
            "decimal": pa.array(ATTRIBUTES["credit_limit"], pa.int64()).cast(pa.decimal128(21, 2)),
        }
    )
    frame = pl.from_arrow(table).lazy() if kind != "duckdb" else duckdb.default_connection().from_arrow(table)

    profile = fg.group_profile(create_frame(MEMBERSHIPS, kind), "Å", attributes=frame)

    assert_same_profile(profile, expected_profile(MEMBERSHIPS, table.to_pandas(), "Å"))


def test_collected_rows(collected, lazy_engine):
    "One row per group, `top` rows per attribute, and one row per check and aggregation are collected."
    attributes = ATTRIBUTES.assign(unique=ATTRIBUTES["customer_uid"], other=ATTRIBUTES["customer_uid"] + "x")

    fg.group_profile(lazy_engine(MEMBERSHIPS), "Å", attributes=lazy_engine(attributes), top=4)

    n_values = [4, 4, 3, 3, 3, 3, 4, 4]  # The last two attributes have a different value for each customer.
    assert collected == [1, len(GROUPS), 1, 1, 1, 1, sum(n_values), 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": ["c1"]}, "`group`.*list"),
        ({"versus": pd.Series([True])}, "`versus`.*Series"),
        ({"versus": "it's"}, "`versus`.*`group`"),
        ({"attributes": ["country_code"]}, "`attributes`.*same query engine.*list"),
        ({"attributes": None}, "`attributes`.*NoneType"),
        ({"min_count": -1}, "`min_count`"),
        ({"top": 0}, "`top`"),
    ],
)
def test_invalid_arguments(options, message):
    "Lists of customers, attributes in memory, and invalid numbers raise errors that name the argument."
    arguments = {"group": "it's", "attributes": create_frame(ATTRIBUTES, "duckdb")} | options

    with pytest.raises(InputError, match=f"(?s){message}"):
        fg.group_profile(create_frame(MEMBERSHIPS, "duckdb"), **arguments)


@pytest.mark.parametrize(
    "attributes",
    [
        pd.concat([ATTRIBUTES, ATTRIBUTES[:3]]),
        ATTRIBUTES.assign(customer_uid=ATTRIBUTES["customer_uid"] + "x"),
        ATTRIBUTES.assign(customer_uid=ATTRIBUTES["customer_uid"].where(ATTRIBUTES.index > 2)),
        ATTRIBUTES.assign(customer_uid=range(len(ATTRIBUTES))),
        ATTRIBUTES.assign(email="kari@example.com"),
        ATTRIBUTES.assign(external_id="1"),
    ],
    ids=["repeated", "unknown", "null", "numbers", "email", "external id"],
)
def test_invalid_attributes(lazy_engine, attributes):
    "Invalid attributes raise the same errors as in memory."
    with pytest.raises(InputError) as expected:
        expected_profile(MEMBERSHIPS, attributes, "Å")

    with pytest.raises(InputError) as caught:
        fg.group_profile(lazy_engine(MEMBERSHIPS), "Å", attributes=lazy_engine(attributes))

    assert str(caught.value) == str(expected.value)


def test_missing_uids_and_groups(lazy_engine):
    "A null uid in the memberships, a missing column, and an unknown group raise errors."
    attributes = lazy_engine(ATTRIBUTES)
    null = MEMBERSHIPS.assign(customer_uid=MEMBERSHIPS["customer_uid"].where(MEMBERSHIPS.index > 2))

    with pytest.raises(InputError, match="3 rows without a uid"):
        fg.group_profile(lazy_engine(null), "Å", attributes=attributes)
    with pytest.raises(InputError, match=r"`attributes`.*'customer_uid'"):
        fg.group_profile(lazy_engine(MEMBERSHIPS), "Å", attributes=lazy_engine(ATTRIBUTES[["store"]]))
    with pytest.raises(GroupNotFoundError, match="its"):
        fg.group_profile(lazy_engine(MEMBERSHIPS), "its", attributes=attributes)
    with pytest.raises(GroupNotFoundError, match="its"):
        fg.group_profile(lazy_engine(MEMBERSHIPS[:0]), "its", attributes=attributes)


def test_unsupported_types():
    "A column of lists raises an error that names it, and attributes in another engine raise an error."
    frame = duckdb.sql("SELECT 'c1' AS customer_uid, [1, 2] AS visits")

    with pytest.raises(InputError, match=r"'visits'.*List"):
        fg.group_profile(create_frame(MEMBERSHIPS, "duckdb"), "Å", attributes=frame)
    with pytest.raises(InputError, match="same query engine"):
        fg.group_profile(create_frame(MEMBERSHIPS, "polars, lazy"), "Å", attributes=frame)


@pytest.mark.spark
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("1 AS `a.b`", "'a.b'.*dot"),
        ("1 AS `a``b`", "'a`b'.*backtick"),
        ("INTERVAL '1' DAY AS stay", "'stay'.*type"),
        ("CAST('2026-11-03' AS TIMESTAMP_NTZ) AS seen", "'seen'.*time zone"),
    ],
    ids=["dot", "backtick", "duration", "no time zone"],
)
def test_unsupported_in_spark(spark, column, message):
    "Names and types that Narwhals does not support in Spark raise errors that name the column."
    attributes = create_frame(ATTRIBUTES[["customer_uid"]], "spark", spark).selectExpr("customer_uid", column)

    with pytest.raises(InputError, match=message):
        fg.group_profile(create_frame(MEMBERSHIPS, "spark", spark), "Å", attributes=attributes)


@pytest.mark.spark
def test_spark_time_zone(spark):
    "The time zone of the Spark session does not change the ages of customers."
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Europe/Oslo")
    try:
        profile = fg.group_profile(
            create_frame(MEMBERSHIPS, "spark", spark), "Å", attributes=create_frame(ATTRIBUTES, "spark", spark)
        )
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)

    assert_same_profile(profile, expected_profile(MEMBERSHIPS, ATTRIBUTES, "Å"))


def test_collation_of_attributes():
    "If the engine treats different values of an attribute as equal, the attributes are rejected."
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE memberships AS SELECT 'vip' AS customer_group_uid, 'c-1' AS customer_uid")
        connection.execute(
            "CREATE TABLE attributes (customer_uid VARCHAR, city VARCHAR COLLATE NOCASE, size INTEGER)"
        )
        connection.execute("INSERT INTO attributes VALUES ('c-1', 'Oslo', 3)")
        memberships, attributes = connection.table("memberships"), connection.table("attributes")

        with pytest.raises(InputError, match="'city' of `attributes` as equal"):
            fg.group_profile(memberships, "vip", versus="all", attributes=attributes)
        fg.group_profile(memberships, "vip", versus="all", attributes=attributes.project("customer_uid, size"))


@pytest.mark.parametrize("name", ["*", "^x$"])
def test_names_that_are_patterns(lazy_engine, name):
    "Attributes with names that an engine interprets as patterns are rejected."
    attributes = ATTRIBUTES[["customer_uid"]].assign(**{name: "a"})
    with pytest.raises(InputError, match="Rename the column"):
        fg.group_profile(lazy_engine(MEMBERSHIPS), "Å", attributes=lazy_engine(attributes))


def test_json_attribute():
    "A JSON attribute of DuckDB is compared as text."
    attributes = create_frame(ATTRIBUTES[["customer_uid"]], "duckdb").project("customer_uid, '{}'::JSON AS j")

    profile = fg.group_profile(create_frame(MEMBERSHIPS, "duckdb"), "Å", attributes=attributes, min_count=0)

    assert "{}" in profile["value"].tolist()


@pytest.mark.parametrize("kind", LAZY)
def test_category_of_numbers(kind):
    "NaN is a missing value of an attribute with numbers that is compared by value."
    attributes = ATTRIBUTES[["customer_uid"]].assign(payment_terms=float("nan"))

    profile = fg.group_profile(
        create_frame(MEMBERSHIPS, kind), "Å", attributes=create_frame(attributes, kind), min_count=0
    )

    assert profile["value"].tolist() == ["(missing)"]


def test_no_values_in_errors():
    "An error about attributes of the wrong type contains no values."
    with pytest.raises(InputError) as caught:
        fg.group_profile(fg.sample_snapshot(), "vip", attributes=pl.DataFrame({"email": ["kari@example.test"]}))

    assert "kari" not in str(caught.value)
