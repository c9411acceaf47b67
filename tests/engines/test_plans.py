"""Tests that plans from desired memberships in a query engine are equal to plans from the same rows in memory."""

from datetime import UTC, datetime

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.plan.modes import MODES
from frgroups.plan.plan_file import plan_to_dict
from tests.engines.conftest import LAZY, create_frame
from tests.engines.test_conformance import create_table

CUSTOMERS = [f"c-{number}" for number in range(60)]
MEMBERS = {"all": CUSTOMERS, "vip": CUSTOMERS[:20], "gold": CUSTOMERS[10:14], "staff": CUSTOMERS[50:], "empty": []}
NAMES = {uid: f"Name of {uid}" for uid in MEMBERS}
# Repeated rows, unknown customers, a group by its name, all members of a group, and a group without members.
DESIRED = create_table(
    [
        *(("vip", customer) for customer in [*CUSTOMERS[5:25], *CUSTOMERS[5:9], "new-1", "new-1", "new-2"]),
        *(("Name of gold", customer) for customer in [*CUSTOMERS[12:16], "new-1"]),
        *(("staff", customer) for customer in CUSTOMERS[50:]),
        ("empty", "c-3"),
    ]
).sample(frac=1, random_state=1)
GROUP_MODES = {"vip": "mirror", "gold": "remove", "Name of staff": "keep_only", "empty": "add"}
ALL_MODES = [*MODES, GROUP_MODES]


def create_snapshot(members=MEMBERS, tenant_uid="t-1"):
    """Return a snapshot with the given members of each group."""
    return fg.snapshot_from_frames(
        create_table([(uid, customer) for uid, customers in members.items() for customer in customers]),
        pd.DataFrame({"customer_group_uid": list(members), "name": [NAMES[uid] for uid in members]}),
        tenant_uid=tenant_uid,
        taken_at=datetime.now(UTC),
        base_url="https://api.example.test/v2",
    )


SNAPSHOT = create_snapshot()


def assert_same_plan(frame, table, snapshot=SNAPSHOT, **options):
    """Compare the plans from a frame and from a table: the digest, the requests, the findings, and the plan file."""
    expected = fg.plan_memberships(snapshot, table, **options)

    plan = fg.plan_memberships(snapshot, frame, **options)

    assert plan.digest == expected.digest
    assert plan.payloads() == expected.payloads()
    assert plan.findings == expected.findings
    assert plan.listed_groups == expected.listed_groups
    assert plan.excluded_changes == expected.excluded_changes
    assert plan_to_dict(plan) | {"planned_at": ""} == plan_to_dict(expected) | {"planned_at": ""}
    return plan


def assert_same_error(frame, table, error=InputError, **options):
    """Compare the errors for a frame and for a table."""
    with pytest.raises(error) as expected:
        fg.plan_memberships(SNAPSHOT, table, **options)
    with pytest.raises(error) as caught:
        fg.plan_memberships(SNAPSHOT, frame, **options)
    assert str(caught.value) == str(expected.value)


def test_modes(lazy_engine):
    "For each mode and several modes, the plan, its counts, and its exclusions equal those of a plan from a table."
    frame = lazy_engine(DESIRED)
    for mode in ALL_MODES:
        plan = assert_same_plan(frame, DESIRED, mode=mode, protect=["c-0", "c-1"], suppression_list=["c-24"])

        assert not plan.is_empty


def test_created_group(lazy_engine):
    "The frame can contain the uid or the name of a group that the plan creates."
    table = create_table([("spring", "c-1"), ("spring", "new-1"), ("Name of vip", "c-30")])

    plan = assert_same_plan(lazy_engine(table), table, create={"spring": "Spring", "summer": "Summer"})

    assert [group.uid for group in plan.groups] == ["spring", "summer", "vip"]
    by_name = create_table([("Spring", "c-1")])
    assert_same_plan(lazy_engine(by_name), by_name, create={"spring": "Spring"}, mode="mirror")


def test_no_rows(lazy_engine):
    "A frame without rows results in an empty plan, or in a plan that only creates groups."
    table = create_table([])
    frame = lazy_engine(table)

    assert assert_same_plan(frame, table, mode="mirror").is_empty
    assert len(assert_same_plan(frame, table, create={"spring": "Spring"}).groups) == 1


def test_differences_are_empty(lazy_engine):
    "If the groups have the desired members, the plan is empty."
    table = SNAPSHOT.memberships

    assert assert_same_plan(lazy_engine(table), table, mode="mirror").is_empty


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([("vip", "c-1"), (None, "c-2")], InputError),
        ([("vip", "c-1"), ("vip", None), ("vip", None)], InputError),
        ([("vip", ""), ("vip", "c-2")], InputError),
        ([("vip", "c-1"), ("vap", "c-1")], GroupNotFoundError),
        ([("Name of vip", "c-1"), ("vip", "c-2")], InputError),
        ([("vip", "c-1"), ("gold", "a@example.test"), ("gold", "c-2")], InputError),
        ([("vip", "c-1"), ("gold", "C-1"), ("gold", "c_02")], InputError),
        ([("gold", "c-1\n")], InputError),
    ],
    ids=[
        "null group",
        "null customer",
        "empty",
        "unknown group",
        "twice",
        "invalid uid",
        "similar ids",
        "line feed",
    ],
)
def test_errors(lazy_engine, rows, error):
    "In each mode, invalid groups and uids raise the same errors as in a table."
    table = create_table(rows)
    frame = lazy_engine(table)
    for mode in MODES:
        assert_same_error(frame, table, error, mode=mode)


def test_mode_errors(lazy_engine):
    "The argument `mode` must contain all groups of the frame."
    frame = lazy_engine(DESIRED)

    assert_same_error(frame, DESIRED, mode={"vip": "mirror", "gold": "add", "staff": "add"})
    assert_same_error(frame, DESIRED, mode="remove", create={"spring": "Spring"})
    assert_same_error(frame, DESIRED, mode="replace")


@pytest.mark.parametrize("mode", ALL_MODES, ids=str)
@pytest.mark.parametrize("kind", LAZY)
def test_collected_rows(collected, kind, mode):
    "One row of checks, one row per touched group, the changes, and the unknown customers are collected."
    n_groups = DESIRED["customer_group_uid"].nunique()
    listed = DESIRED.drop_duplicates()
    unknown = listed[~listed["customer_uid"].isin(CUSTOMERS)]

    plan = fg.plan_memberships(SNAPSHOT, create_frame(DESIRED, kind), mode=mode)

    # Unknown customers in the modes "add" and "mirror" are changes.
    n_additions_of_unknown = sum(len(group.unknown) for group in plan.groups)
    n_changes = len(plan.table()) + len(unknown) - n_additions_of_unknown
    assert collected == [1, n_groups, n_changes]


@pytest.mark.parametrize("kind", LAZY)
def test_unknown_customers_are_not_compared(collected, kind):
    "With `allow_similar_ids`, unknown customers are only counted, and the plan is the same as in memory."
    table = create_table([("vip", "c-1"), ("vip", "C-2"), ("vip", "other")])

    for mode, n_changes in {"add": 2, "remove": 1, "keep_only": 19, "mirror": 21}.items():
        assert_same_plan(create_frame(table, kind), table, mode=mode, allow_similar_ids=True)
        assert collected[-1] == n_changes


@settings(max_examples=10)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["vip", "gold", "empty"]), st.sampled_from([*CUSTOMERS[:20], "new-1"]))),
    modes=st.fixed_dictionaries({uid: st.sampled_from(MODES) for uid in ("vip", "gold", "empty")}),
)
@pytest.mark.parametrize("kind", LAZY)
def test_random_rows(kind, rows, modes):
    "For random rows and modes, the plan equals the plan from a table."
    table = create_table(rows)
    modes = {uid: mode for uid, mode in modes.items() if uid in {group for group, _ in rows}}

    assert_same_plan(create_frame(table, kind), table, mode=modes or "add")


def create_chain():
    """Return the desired memberships of two tenants."""
    other = create_table([("spring", "d-1"), ("vip", "c-59"), (None, "d-2")])
    return pd.concat([DESIRED.assign(tenant_uid="t-1"), other.assign(tenant_uid="t-2")], ignore_index=True)


def test_tenants(lazy_engine):
    "Only the rows of the snapshot's tenant are used. Rows of other tenants are not checked."
    chain = create_chain()

    plan = assert_same_plan(lazy_engine(chain), chain, mode="mirror")

    assert plan.digest == fg.plan_memberships(SNAPSHOT, DESIRED, mode="mirror").digest
    unknown = create_table([("vip", "c-58")])
    for invalid in (
        chain[chain["tenant_uid"] == "t-2"],
        pd.concat([chain, unknown.assign(tenant_uid=None)], ignore_index=True),
        pd.concat([chain, unknown.assign(tenant_uid="")], ignore_index=True),
    ):
        assert_same_error(lazy_engine(invalid), invalid)


def test_other_connection():
    "Frames of other DuckDB connections, Narwhals frames, and categorical columns are supported."
    with duckdb.connect() as connection:
        connection.register("desired", DESIRED)
        relation = connection.sql("SELECT * FROM desired")
        assert_same_plan(relation, DESIRED, mode=GROUP_MODES)
        assert_same_plan(nw.from_native(relation), DESIRED, mode="mirror")
    assert_same_plan(pl.from_pandas(DESIRED).lazy().cast(pl.Categorical), DESIRED, mode="mirror")


@pytest.mark.parametrize("column", ["tenant_uid", "customer_group_uid", "customer_uid"])
def test_case_is_ignored(column):
    "If the engine treats different uids as equal, the frame is rejected. This includes the uids of tenants."
    others = ", ".join({"tenant_uid", "customer_group_uid", "customer_uid"} - {column})
    with duckdb.connect() as connection:
        connection.register("rows", DESIRED.assign(tenant_uid="t-1"))
        connection.execute(f"CREATE TABLE desired AS SELECT {column} COLLATE NOCASE AS {column}, {others} FROM rows")
        with pytest.raises(InputError, match=f"'{column}' of `desired` as equal"):
            fg.plan_memberships(SNAPSHOT, connection.table("desired"))


FEW, MANY = ["c-1"], ["c-2", "c-3", *CUSTOMERS[30:]]


@pytest.mark.parametrize(
    ("mode", "counted", "compared"),
    [*((mode, FEW, MANY) for mode in MODES), ("add", MANY, FEW), ("mirror", MANY, FEW)],
)
def test_changing_rows(mode, counted, compared):
    "A frame whose last query returns other numbers of customers than the previous queries is rejected."
    queries = iter([counted, counted])

    def read(rows):
        customers = next(queries, compared)
        return pl.DataFrame({"customer_group_uid": ["vip"] * len(customers), "customer_uid": customers})

    frame = pl.from_pandas(create_table([("vip", "c-1")])).lazy().map_batches(read)
    with pytest.raises(InputError, match="different rows"):
        fg.plan_memberships(SNAPSHOT, frame, mode=mode)


@pytest.mark.parametrize("allow_similar_ids", [True, False])
def test_changed_uids(allow_similar_ids):
    "Invalid uids are rejected even if only the last query returns them."
    queries = iter(["new-1", "new-1"])

    def read(rows):
        return pl.DataFrame({"customer_group_uid": ["vip"], "customer_uid": [next(queries, "a@example.test")]})

    frame = pl.from_pandas(create_table([("vip", "c-1")])).lazy().map_batches(read)
    with pytest.raises(InputError, match="customer uid"):
        fg.plan_memberships(SNAPSHOT, frame, mode="add", allow_similar_ids=allow_similar_ids)
