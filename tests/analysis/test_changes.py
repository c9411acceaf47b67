"""Joined and left against plain sets."""

from dataclasses import replace

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.changes import group_changes, membership_changes
from frgroups.errors import InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

LAW = settings(deadline=None, max_examples=60)
FEW = settings(deadline=None, max_examples=25)
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


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def read_as(snapshot, verdicts, verdict):
    """The snapshot as if these groups had been read so, and all of it so."""
    reads = snapshot.reads.assign(
        verdict=[verdicts.get(uid, "consistent") for uid in snapshot.reads["customer_group_uid"]]
    )
    return replace(snapshot, reads=reads, verdict=verdict)


def snapshot(rows, names=None, **facts):
    groups = None
    if names:
        groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())})
    return snapshot_from_frames(
        frame(rows), groups, **{"tenant_uid": "t-1", "taken_at": "2026-11-23T08:10Z", **facts}
    )


@LAW
@given(membership_rows, membership_rows)
def test_changes_are_the_differences_of_sets(old, new):
    "Joined is new without old, left is old without new, in uid order; still_seen is: in any group now."
    was, now = set(old), set(new)
    expected = sorted([(*row, "joined") for row in now - was] + [(*row, "left") for row in was - now])

    table = membership_changes(frame(old), frame(new))

    columns = ["customer_group_uid", "customer_uid", "change"]
    assert list(table[columns].itertuples(index=False, name=None)) == expected
    assert list(table["still_seen"]) == [c in {customer for _, customer in now} for _, c, _ in expected]
    assert table.dtypes.astype(str).to_dict() == MEMBERSHIP_COLUMNS


@LAW
@given(membership_rows, membership_rows)
def test_the_books_of_every_group_balance(old, new):
    "n_old + n_joined - n_left = n_new, and the counts are those of the single changes."
    single = membership_changes(frame(old), frame(new))

    table = group_changes(frame(old), frame(new))

    assert list(table["customer_group_uid"]) == sorted({g for g, _ in [*old, *new]})
    assert (table["n_old"] + table["n_joined"] - table["n_left"] == table["n_new"]).all()
    assert (table["net"] == table["n_new"] - table["n_old"]).all()
    for row in table.itertuples():
        mine = single[single["customer_group_uid"] == row.customer_group_uid]["change"]
        assert row.n_old == len({c for g, c in old if g == row.customer_group_uid})
        assert (row.n_joined, row.n_left) == ((mine == "joined").sum(), (mine == "left").sum())
        if row.n_old:
            assert (row.growth_rate, row.churn_rate) == (row.net / row.n_old, row.n_left / row.n_old)
        else:
            assert pd.isna(row.growth_rate) and pd.isna(row.churn_rate)
    assert table.dtypes.astype(str).to_dict() == GROUP_COLUMNS


@LAW
@given(membership_rows, membership_rows)
def test_looking_back_swaps_joined_and_left(old, new):
    "From new to old, everyone who joined has left and the other way round."
    there = membership_changes(frame(old), frame(new))
    back = membership_changes(frame(new), frame(old))

    pdt.assert_series_equal(there["change"], back["change"].map({"joined": "left", "left": "joined"}))


@FEW
@given(membership_rows, membership_rows, st.randoms())
def test_order_and_container_do_not_matter_and_the_input_stays(old, new, random):
    "Shuffled rows, Arrow tables and snapshots tell the same changes, and the frames stay as they were."
    mixed = [*old, *old]
    random.shuffle(mixed)
    before, after = frame(old), frame(new)
    kept = before.copy(deep=True)
    expected = membership_changes(before, after)

    pdt.assert_frame_equal(membership_changes(frame(mixed), pa.Table.from_pandas(after)), expected)
    pdt.assert_frame_equal(membership_changes(snapshot(old), snapshot(new)), expected)
    pdt.assert_frame_equal(before, kept)


def test_a_group_is_kept_new_or_deleted_and_goes_by_its_newer_name():
    "Status tells whether a group stood in both; a renamed group carries the newer name, a deleted one its last."
    old = snapshot([("a", "1"), ("b", "1")], {"a": "First", "b": "Second", "d": "Empty"})
    new = snapshot([("a", "1"), ("c", "2")], {"a": "Premier", "c": "Third", "d": "Empty"})

    table = group_changes(old, new).set_index("customer_group_uid")

    assert table["status"].to_dict() == {"a": "kept", "b": "deleted", "c": "new", "d": "kept"}
    assert table["name"].to_dict() == {"a": "Premier", "b": "Second", "c": "Third", "d": "Empty"}
    assert table["renamed_from"].to_dict() == {"a": "First", "b": "", "c": "", "d": ""}


def test_a_table_of_memberships_knows_no_names_and_renames_nothing():
    "The names of the snapshot count on both sides, whichever of the two is the table."
    named = snapshot([("a", "1")], {"a": "First"})

    for table in (group_changes(frame([("a", "1")]), named), group_changes(named, frame([("a", "1")]))):
        assert list(table["name"]) == ["First"] and list(table["renamed_from"]) == [""]


def test_each_row_is_as_sure_as_the_less_sure_of_its_two_readings():
    "A group that drifted in one snapshot may show changes that are none; its row says so, and no other row does."
    rows = [("a", "1"), ("b", "1"), ("c", "1")]
    old = read_as(snapshot(rows), {"b": "drifted"}, "drifted")
    new = read_as(snapshot(rows), {"b": "unverifiable", "c": "unverifiable"}, "unverifiable")

    assert list(group_changes(old, new)["verdict"]) == ["consistent", "drifted", "unverifiable"]
    assert list(group_changes(frame(rows), new)["verdict"]) == ["unverifiable"] * 3


def test_a_group_that_a_doubtful_list_of_groups_lacks_is_not_surely_deleted():
    "Where the list of groups could not be proved, a group that it lacks is told as deleted, and unverifiable."
    old = read_as(snapshot([("a", "1"), ("b", "1")]), {}, "consistent")
    proved = read_as(snapshot([("a", "1")]), {}, "consistent")
    doubtful = read_as(snapshot([("a", "1")]), {}, "unverifiable")

    told = [group_changes(old, new)[["status", "verdict"]].values.tolist() for new in (proved, doubtful)]

    assert told == [
        [["kept", "consistent"], ["deleted", "consistent"]],
        [["kept", "consistent"], ["deleted", "unverifiable"]],
    ]


def test_a_customer_in_no_group_now_is_not_still_seen():
    "A customer whom `new` knows but in no group counts as not seen, like one who was deleted or merged."
    customers = pd.DataFrame({"customer_uid": ["1", "2"]})
    old = snapshot([("a", "1"), ("a", "2")])
    new = snapshot_from_frames(frame([("a", "1")]), None, customers, tenant_uid="t-1", taken_at="2026-11-24T08:10Z")

    assert list(membership_changes(old, new)["still_seen"]) == [False]


@pytest.mark.parametrize("tell", [membership_changes, group_changes])
def test_two_tenants_or_hosts_are_never_compared(tell):
    "Another tenant, or the same tenant on another host, is refused by name; tables without a host may be."
    stage = snapshot([("a", "1")], base_url="https://stage.example")

    with pytest.raises(InputError, match="t-1 and t-2"):
        tell(stage, snapshot([("a", "1")], tenant_uid="t-2"))
    with pytest.raises(InputError, match="two hosts"):
        tell(stage, snapshot([("a", "1")], base_url="https://production.example"))

    assert tell(stage, snapshot([("a", "1")])) is not None


@pytest.mark.parametrize("tell", [membership_changes, group_changes])
def test_the_newer_snapshot_does_not_come_first(tell):
    "Swapped snapshots would swap joined and left: refused with both moments. The same moment may be compared."
    early, late = snapshot([("a", "1")]), snapshot([("a", "2")], taken_at="2026-11-24T09:00+01:00")

    with pytest.raises(InputError, match=r"2026-11-24 08:00:00 UTC, after the second, of 2026-11-23 08:10:00 UTC"):
        tell(late, early)

    assert not tell(early, late).empty
    assert len(tell(early, early)) < 2


def test_a_plan_can_be_compared_with_its_preview_whatever_the_clock():
    "A snapshot from a clock that goes ahead is still older than what a plan makes of it."
    ahead = sample_snapshot(pd.Timestamp.now("UTC") + pd.Timedelta(days=30))
    plan = plan_memberships(ahead, {"vip": ["c-7"]})

    assert list(membership_changes(ahead, plan.preview())["customer_uid"]) == ["c-7"]


def test_nothing_changes_between_a_snapshot_and_itself():
    "The same snapshot twice has no changes; every group is kept with net 0."
    assert membership_changes(sample_snapshot(), sample_snapshot()).empty

    table = group_changes(sample_snapshot(), sample_snapshot())

    assert (table["net"] == 0).all() and (table["status"] == "kept").all()
