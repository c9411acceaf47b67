"""Tests for membership changes, which are compared with differences of Python sets."""

from dataclasses import replace

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.changes import group_changes, membership_changes
from frgroups.errors import InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.examples import at_most

SLOW_PROPERTY = at_most(25)
GROUPS = ["0150", "b", "c", "Ålesund", "ω"]
membership_rows = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=30)
MEMBERSHIP_COLUMNS = {
    "customer_group_uid": "str",
    "customer_uid": "str",
    "change": "str",
    "still_seen": "bool",
}
GROUP_COLUMNS = {
    "customer_group_uid": "str",
    "name": "str",
    **dict.fromkeys(["n_old", "n_joined", "n_left", "n_new", "net"], "int64"),
    **dict.fromkeys(["growth_rate", "churn_rate"], "float64"),
    "status": "str",
    "renamed_from": "str",
    "verdict": "str",
}


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def with_verdicts(snapshot, verdicts, verdict):
    """Return a copy of the snapshot with the given verdicts of its groups and the given overall verdict."""
    reads = snapshot.reads.assign(
        verdict=[verdicts.get(uid, "consistent") for uid in snapshot.reads["customer_group_uid"]]
    )
    return replace(snapshot, reads=reads, verdict=verdict)


def create_snapshot(rows, names=None, **facts):
    """Return a snapshot of the memberships with group names from a dictionary of group uid to name."""
    groups = None
    if names:
        groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())})
    return snapshot_from_frames(
        create_table(rows), groups, **{"tenant_uid": "t-1", "taken_at": "2026-11-23T08:10Z", **facts}
    )


@given(membership_rows, membership_rows)
def test_membership_changes(old, new):
    "Joined and left members are sorted set differences, and still_seen is True for customers in any new group."
    old_set, new_set = set(old), set(new)
    expected = sorted([(*row, "joined") for row in new_set - old_set] + [(*row, "left") for row in old_set - new_set])

    table = membership_changes(create_table(old), create_table(new))

    columns = ["customer_group_uid", "customer_uid", "change"]
    assert list(table[columns].itertuples(index=False, name=None)) == expected
    assert list(table["still_seen"]) == [c in {customer for _, customer in new_set} for _, c, _ in expected]
    assert table.dtypes.astype(str).to_dict() == MEMBERSHIP_COLUMNS


@given(membership_rows, membership_rows)
def test_group_changes(old, new):
    "The counts in group_changes are consistent with each other and with the rows of membership_changes."
    single = membership_changes(create_table(old), create_table(new))

    table = group_changes(create_table(old), create_table(new))

    assert list(table["customer_group_uid"]) == sorted({g for g, _ in [*old, *new]})
    assert (table["n_old"] + table["n_joined"] - table["n_left"] == table["n_new"]).all()
    assert (table["net"] == table["n_new"] - table["n_old"]).all()
    for row in table.itertuples():
        changes = single[single["customer_group_uid"] == row.customer_group_uid]["change"]
        assert row.n_old == len({c for g, c in old if g == row.customer_group_uid})
        assert (row.n_joined, row.n_left) == ((changes == "joined").sum(), (changes == "left").sum())
        if row.n_old:
            assert (row.growth_rate, row.churn_rate) == (row.net / row.n_old, row.n_left / row.n_old)
        else:
            assert pd.isna(row.growth_rate) and pd.isna(row.churn_rate)
    assert table.dtypes.astype(str).to_dict() == GROUP_COLUMNS


@given(membership_rows, membership_rows)
def test_reversed_comparison(old, new):
    """If two snapshots are compared in the reverse order, "joined" and "left" are swapped."""
    forward = membership_changes(create_table(old), create_table(new))
    backward = membership_changes(create_table(new), create_table(old))

    pdt.assert_series_equal(forward["change"], backward["change"].map({"joined": "left", "left": "joined"}))


@SLOW_PROPERTY
@given(membership_rows, membership_rows, st.randoms())
def test_table_types(old, new, random):
    "Shuffled rows, Arrow tables, and snapshots result in the same membership changes, and the input is not modified."
    mixed = [*old, *old]
    random.shuffle(mixed)
    before, after = create_table(old), create_table(new)
    unchanged = before.copy(deep=True)
    expected = membership_changes(before, after)

    pdt.assert_frame_equal(membership_changes(create_table(mixed), pa.Table.from_pandas(after)), expected)
    pdt.assert_frame_equal(membership_changes(create_snapshot(old), create_snapshot(new)), expected)
    pdt.assert_frame_equal(before, unchanged)


def test_status_and_names():
    "The status of a group depends on both snapshots. Renamed groups have the newer name in the result."
    old = create_snapshot([("a", "1"), ("b", "1")], {"a": "First", "b": "Second", "d": "Empty"})
    new = create_snapshot([("a", "1"), ("c", "2")], {"a": "Premier", "c": "Third", "d": "Empty"})

    table = group_changes(old, new).set_index("customer_group_uid")

    assert table["status"].to_dict() == {"a": "kept", "b": "deleted", "c": "new", "d": "kept"}
    assert table["name"].to_dict() == {"a": "Premier", "b": "Second", "c": "Third", "d": "Empty"}
    assert table["renamed_from"].to_dict() == {"a": "First", "b": "", "c": "", "d": ""}


def test_names_with_table():
    "If a snapshot is compared with a table of memberships, its group names are used and no group counts as renamed."
    named = create_snapshot([("a", "1")], {"a": "First"})

    for table in (group_changes(create_table([("a", "1")]), named), group_changes(named, create_table([("a", "1")]))):
        assert list(table["name"]) == ["First"] and list(table["renamed_from"]) == [""]


def test_worse_verdict():
    "The verdict of a compared group is the worse of its verdicts in the two snapshots."
    rows = [("a", "1"), ("b", "1"), ("c", "1")]
    old = with_verdicts(create_snapshot(rows), {"b": "drifted"}, "drifted")
    new = with_verdicts(create_snapshot(rows), {"b": "unverifiable", "c": "unverifiable"}, "unverifiable")

    assert list(group_changes(old, new)["verdict"]) == ["consistent", "drifted", "unverifiable"]
    assert list(group_changes(create_table(rows), new)["verdict"]) == ["unverifiable"] * 3


def test_deleted_group_unverifiable():
    "A deleted group has the verdict unverifiable if the new snapshot's list of groups could not be verified."
    old = with_verdicts(create_snapshot([("a", "1"), ("b", "1")]), {}, "consistent")
    consistent = with_verdicts(create_snapshot([("a", "1")]), {}, "consistent")
    unverifiable = with_verdicts(create_snapshot([("a", "1")]), {}, "unverifiable")

    rows = [group_changes(old, new)[["status", "verdict"]].values.tolist() for new in (consistent, unverifiable)]

    assert rows == [
        [["kept", "consistent"], ["deleted", "consistent"]],
        [["kept", "consistent"], ["deleted", "unverifiable"]],
    ]


def test_still_seen():
    "If a customer does not belong to any group in the new snapshot, still_seen is False."
    customers = pd.DataFrame({"customer_uid": ["1", "2"]})
    old = create_snapshot([("a", "1"), ("a", "2")])
    new = snapshot_from_frames(
        create_table([("a", "1")]), None, customers, tenant_uid="t-1", taken_at="2026-11-24T08:10Z"
    )

    assert list(membership_changes(old, new)["still_seen"]) == [False]


@pytest.mark.parametrize("compare", [membership_changes, group_changes])
def test_different_tenants(compare):
    "Snapshots of different tenants or hosts are rejected, but a snapshot without a host is accepted."
    stage = create_snapshot([("a", "1")], base_url="https://stage.example")

    with pytest.raises(InputError, match=r"t-1.*t-2"):
        compare(stage, create_snapshot([("a", "1")], tenant_uid="t-2"))
    with pytest.raises(InputError, match=r"stage\.example.*production\.example"):
        compare(stage, create_snapshot([("a", "1")], base_url="https://production.example"))

    assert compare(stage, create_snapshot([("a", "1")])) is not None


@pytest.mark.parametrize("compare", [membership_changes, group_changes])
def test_reversed_order_rejected(compare):
    "If the first snapshot is newer than the second, the error contains both times. Equal times are accepted."
    early, late = create_snapshot([("a", "1")]), create_snapshot([("a", "2")], taken_at="2026-11-24T09:00+01:00")

    with pytest.raises(InputError, match=r"2026-11-24 08:00.*2026-11-23 08:10"):
        compare(late, early)

    assert not compare(early, late).empty
    assert len(compare(early, early)) < 2


def test_preview_of_future_snapshot():
    "The preview of a plan can be compared with its snapshot even if that snapshot is in the future."
    ahead = sample_snapshot(pd.Timestamp.now("UTC") + pd.Timedelta(days=30))
    plan = plan_memberships(ahead, {"vip": ["c-7"]})

    assert list(membership_changes(ahead, plan.preview())["customer_uid"]) == ["c-7"]


def test_equal_snapshots():
    "If two snapshots are equal, the table of membership changes is empty."
    assert membership_changes(sample_snapshot(), sample_snapshot()).empty

    table = group_changes(sample_snapshot(), sample_snapshot())

    assert (table["net"] == 0).all() and (table["status"] == "kept").all()
