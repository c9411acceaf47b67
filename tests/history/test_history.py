"""Tests for `size_history` and `customer_history`: sizes, changes, corrupt snapshots, and applied plans."""

import logging
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.journal import Journal
from frgroups.errors import GroupNotFoundError, InputError, SnapshotNotFoundError
from frgroups.history.snapshot_series import iter_snapshots
from frgroups.sandbox.faults import Fault
from frgroups.store.snapshot_store import list_tenant_snapshots
from tests.examples import at_most

FEW = at_most(15)
GROUPS = ["0150", "b", "c", "Ålesund"]
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
HOST = "https://api.example"
OPEN = fg.Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)
weeks_of = st.lists(
    st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrst")), max_size=12), min_size=1, max_size=5
)
SIZES = {
    "taken_at": "datetime64[us, UTC]",
    **dict.fromkeys(["customer_group_uid", "name"], "str"),
    "n_members": "int64",
    **dict.fromkeys(["n_joined", "n_left"], "Int64"),
    **dict.fromkeys(["status", "verdict"], "str"),
}
CUSTOMER = {
    **dict.fromkeys(["customer_group_uid", "name", "change"], "str"),
    **dict.fromkeys(["after", "before"], "datetime64[us, UTC]"),
    "still_seen": "bool",
    **dict.fromkeys(["group_status", "verdict", "plan_digest", "reverts", "purpose"], "str"),
    **dict.fromkeys(["planned_at", "applied_at"], "datetime64[us, UTC]"),
    **dict.fromkeys(["plan_state", "approved_by", "approved_how"], "str"),
    "approved_at": "datetime64[us, UTC]",
    "receipt_path": "str",
}


def week(number, rows=(), names=None, *, tenant_uid="t-1", base_url=HOST):
    """
    Return a snapshot of the given week that contains the given pairs of group uid and customer uid.

    The argument `names` maps group uids to group names and can contain groups without members.
    """
    groups = None
    if names is not None:
        groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}, dtype="str")
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")
    return fg.snapshot_from_frames(
        memberships, groups, tenant_uid=tenant_uid, taken_at=NOON + timedelta(weeks=number), base_url=base_url
    )


def with_verdicts(snapshot, *groups):
    """Return a copy of the snapshot in which the given groups are "drifted" and all other groups are "consistent"."""
    uids = snapshot.reads["customer_group_uid"]
    reads = snapshot.reads.assign(verdict=["drifted" if uid in groups else "consistent" for uid in uids])
    return replace(snapshot, reads=reads, verdict="drifted" if groups else "consistent")


def truncate_memberships(path):
    """Remove the last byte of the membership table of a stored snapshot."""
    file = path / "memberships.parquet"
    file.write_bytes(file.read_bytes()[:-1])


def rows_of(history, *columns):
    """Return the values of the given columns as a list of rows."""
    return history[list(columns)].values.tolist()


# Group sizes


@given(weeks_of)
def test_sizes_match_sets(weeks):
    "The sizes and changes equal those computed with Python sets. Each size is the previous size + n_joined - n_left."
    table = fg.size_history([week(number, rows) for number, rows in enumerate(weeks)])

    assert table.dtypes.astype(str).to_dict() == SIZES
    assert list(table["taken_at"]) == sorted(table["taken_at"])
    assert not table.duplicated(["taken_at", "customer_group_uid"]).any()
    for number, rows in enumerate(weeks):
        now = {group: {uid for row_group, uid in rows if row_group == group} for group, _ in rows}
        previous = weeks[number - 1]
        was = {group: {uid for row_group, uid in previous if row_group == group} for group, _ in previous}
        own = table[table["taken_at"] == NOON + timedelta(weeks=number)].set_index("customer_group_uid")
        assert list(own.index) == sorted({*now, *was} if number else now)
        for group, row in own.iterrows():
            assert row["n_members"] == len(now.get(group, ()))
            if number == 0:
                assert row["status"] == "first" and pd.isna(row["n_joined"]) and pd.isna(row["n_left"])
                continue
            before, after = was.get(group, set()), now.get(group, set())
            assert (row["n_joined"], row["n_left"]) == (len(after - before), len(before - after))
            assert len(before) + row["n_joined"] - row["n_left"] == row["n_members"]
            assert row["status"] == (
                "kept" if group in now and group in was else "new" if group in now else "deleted"
            )


def test_renamed_group():
    "If a group was renamed, each row contains the group's name at that time, and `groups` accepts its last name."
    weeks = [
        week(0, [("vip", "1")], {"vip": "VIP", "all": "All"}),
        week(1, [("vip", "1"), ("vip", "2")], {"vip": "VIP club", "all": "All"}),
    ]

    table = fg.size_history(weeks, groups=["VIP club"])

    assert rows_of(table, "name", "n_members") == [["VIP", 1], ["VIP club", 2]]
    wide = table.pivot(index="taken_at", columns="customer_group_uid", values="n_members")
    assert wide.to_dict("list") == {"vip": [1, 2]}
    with pytest.raises(GroupNotFoundError, match="'VIP club'"):
        fg.size_history(weeks, groups=["VIP clubs"])


def test_snapshot_sources(tmp_path):
    "Snapshots can be passed as a cache folder, snapshot folders, rows of `list_snapshots`, or Snapshot objects."
    weeks = [week(number, [("vip", uid) for uid in "abc"[: number + 1]]) for number in range(3)]
    paths = [fg.save_snapshot(snapshot, tmp_path) for snapshot in weeks]
    listed = fg.list_snapshots(tmp_path)
    expected = fg.size_history(cache=tmp_path)

    for snapshots in (weeks[::-1], paths, map(str, paths), listed, [weeks[0], paths[2], weeks[1]], weeks * 2):
        pdt.assert_frame_equal(fg.size_history(snapshots), expected)
    pdt.assert_frame_equal(fg.size_history(listed.tail(2)), fg.size_history(weeks[1:]))
    assert len(expected) == 3


def test_verdicts():
    "Each row contains the group's verdict in the snapshot. A deleted group has the snapshot's verdict."
    weeks = [
        with_verdicts(week(0, [("a", "1"), ("b", "1")])),
        with_verdicts(week(1, [("a", "1"), ("b", "1")]), "b"),
        replace(with_verdicts(week(2, [("a", "1")])), verdict="unverifiable"),
    ]

    table = fg.size_history(weeks)

    assert rows_of(table, "customer_group_uid", "status", "verdict") == [
        ["a", "first", "consistent"],
        ["b", "first", "consistent"],
        ["a", "kept", "consistent"],
        ["b", "kept", "drifted"],
        ["a", "kept", "consistent"],
        ["b", "deleted", "unverifiable"],
    ]


def test_duplicate_timestamps(tmp_path):
    "If two stored snapshots have the same timestamp, only the one that was saved last is used."
    fg.save_snapshot(week(0, [("vip", "1")]), tmp_path)
    fg.save_snapshot(week(0, [("vip", "1"), ("vip", "2")]), tmp_path)

    assert list(fg.size_history(cache=tmp_path)["n_members"]) == [2]
    assert list(fg.customer_history("2", cache=tmp_path)["change"]) == ["was in"]


# Stored snapshots


def test_corrupt_snapshots(tmp_path, caplog):
    "Snapshots with a corrupt table or manifest are skipped, and the log contains their paths."
    paths = [fg.save_snapshot(week(number, [("vip", str(number))]), tmp_path) for number in range(4)]
    truncate_memberships(paths[1])
    manifest = paths[2] / "manifest.json"
    manifest.write_text(manifest.read_text().replace("t-1", "t-2"))

    for snapshots in (None, paths):
        caplog.clear()
        options = {"cache": tmp_path} if snapshots is None else {}
        table = fg.size_history(snapshots, **options)

        assert list(table["taken_at"].dt.day) == [3, 24]
        assert all(str(path) in caplog.text for path in paths[1:3])
    assert rows_of(fg.customer_history("3", cache=tmp_path), "change", "after", "before") == [
        ["joined", NOON, NOON + timedelta(weeks=3)]
    ]


def test_other_schema_version(tmp_path, caplog):
    "A snapshot with an unsupported schema version is skipped, and the log contains its path."
    paths = [fg.save_snapshot(week(number, [("vip", "1")]), tmp_path) for number in range(2)]
    manifest = paths[0] / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 3', '"schema_version": 1'))

    assert len(fg.size_history(cache=tmp_path)) == 1
    assert "version 1" in caplog.text and str(paths[0]) in caplog.text


def test_no_readable_snapshot(tmp_path):
    "If no stored snapshot can be read, SnapshotNotFoundError is raised. An empty list results in an empty table."
    with pytest.raises(SnapshotNotFoundError, match="load_snapshot"):
        fg.size_history(cache=tmp_path)
    path = fg.save_snapshot(week(0, [("vip", "1")]), tmp_path)
    with pytest.raises(SnapshotNotFoundError, match="t-9"):
        fg.customer_history("1", cache=tmp_path, tenant_uid="t-9")
    truncate_memberships(path)

    for call in (
        lambda: fg.size_history(cache=tmp_path),
        lambda: fg.size_history([path]),
        lambda: fg.customer_history("1", cache=tmp_path),
    ):
        with pytest.raises(SnapshotNotFoundError, match="0 of 1 snapshots"):
            call()
    empty = fg.size_history([])
    assert empty.empty and empty.dtypes.astype(str).to_dict() == SIZES


def test_several_tenants_or_hosts(tmp_path):
    "If a folder contains several tenants or hosts, the arguments `tenant_uid` and `base_url` are required."
    here, there = week(0, [("vip", "1")]), week(1, [("vip", "2")], base_url="https://stage.example")
    for snapshot in (here, there, week(2, [("vip", "3")], tenant_uid="t-2")):
        fg.save_snapshot(snapshot, tmp_path)

    with pytest.raises(InputError, match="host"):
        fg.size_history([here, there])
    for call in (fg.size_history, lambda **options: fg.customer_history("1", **options)):
        with pytest.raises(InputError, match=r"(?s)t-1 .*t-2 .*tenant_uid"):
            call(cache=tmp_path)
        with pytest.raises(InputError, match=r"(?s)api\.example.*stage\.example.*tenant_uid"):
            call(cache=tmp_path, tenant_uid="t-1")
        assert len(call(cache=tmp_path, tenant_uid="t-1", base_url=HOST)) == 1


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ("data", "`snapshots`.* 'data'"),
        ([3], "`snapshots`.* int"),
        (["nowhere"], "nowhere"),
        (pd.DataFrame({"taken_at": []}), "`snapshots`.* 'path'.* 'taken_at'"),
    ],
)
def test_wrong_snapshots(snapshots, expected):
    "If an item is not a snapshot, InputError with the argument name or the folder is raised."
    with pytest.raises(InputError, match=expected):
        fg.size_history(snapshots)


def test_snapshots_and_cache(tmp_path):
    "The arguments `snapshots` and `cache` cannot be combined."
    with pytest.raises(InputError, match=r"`snapshots`.*`cache`"):
        fg.size_history([week(0)], cache=tmp_path)


def test_memory(tmp_path):
    "While a series of snapshots is read, at most two snapshots are in memory."
    for number in range(6):
        fg.save_snapshot(week(number, [("vip", "1")]), tmp_path)
    references, previous, most = [], None, 0

    for snapshot in iter_snapshots(list_tenant_snapshots(tmp_path, None, None)):
        references.append(weakref.ref(snapshot))
        most = max(most, sum(reference() is not None for reference in references))
        previous = snapshot

    assert len(references) == 6 and most == 2 and previous is not None


# History of a customer


@FEW
@given(weeks_of)
def test_replayed_changes(weeks):
    "The customer's groups in the first snapshot plus the listed changes result in the groups in each later snapshot."
    with TemporaryDirectory() as folder:
        for number, rows in enumerate(weeks):
            fg.save_snapshot(week(number, rows, dict.fromkeys(GROUPS, "x")), folder)

        for uid in "pq":
            table = fg.customer_history(uid, cache=folder)

            assert table.dtypes.astype(str).to_dict() == CUSTOMER
            groups = set()
            for number, rows in enumerate(weeks):
                taken_at = NOON + timedelta(weeks=number)
                own = table[table["before"] == taken_at]
                joined = set(own.loc[own["change"] != "left", "customer_group_uid"])
                left = set(own.loc[own["change"] == "left", "customer_group_uid"])
                assert not joined & groups and left <= groups
                groups = (groups | joined) - left
                assert groups == {group for group, member in rows if member == uid}
                assert set(own["still_seen"]) <= {bool(groups)}
                assert set(own["change"]) <= ({"was in"} if number == 0 else {"joined", "left"})
                assert number == 0 or set(own["after"]) <= {taken_at - timedelta(weeks=1)}


def test_columns_of_changes(tmp_path):
    "Each change contains the timestamps of the snapshots before and after it, the group name, and the group status."
    for snapshot in (
        week(0, [("a", "1"), ("old", "1")], {"a": "A", "old": "Old"}),
        week(1, [("a", "1"), ("old", "1")], {"a": "A", "old": "Older"}),
        week(2, [("new", "1")], {"a": "A", "new": "New"}),
        week(3, [], {"a": "A", "new": "New"}),
    ):
        fg.save_snapshot(snapshot, tmp_path)

    table = fg.customer_history("1", cache=tmp_path)

    weeks = [NOON + timedelta(weeks=number) for number in range(4)]
    assert rows_of(table, "name", "change", "before", "group_status", "still_seen") == [
        ["A", "was in", weeks[0], "first", True],
        ["Old", "was in", weeks[0], "first", True],
        ["A", "left", weeks[2], "kept", True],
        ["New", "joined", weeks[2], "new", True],
        ["Older", "left", weeks[2], "deleted", True],
        ["New", "left", weeks[3], "kept", False],
    ]
    assert list(table["after"])[2:] == [weeks[1], weeks[1], weeks[1], weeks[2]]
    assert table["after"].isna().sum() == 2


def test_drifted_change(tmp_path):
    "If a customer is missing from a drifted group in one snapshot, both changes have the verdict `drifted`."
    rows = [("a", "1"), ("b", "1")]
    for snapshot in (
        with_verdicts(week(0, rows)),
        with_verdicts(week(1, rows[:1], {"a": "A", "b": "B"}), "b"),
        with_verdicts(week(2, rows)),
        with_verdicts(week(3, rows[:1], {"a": "A", "b": "B"})),
    ):
        fg.save_snapshot(snapshot, tmp_path)

    table = fg.customer_history("1", cache=tmp_path)

    assert rows_of(table, "change", "verdict")[2:] == [
        ["left", "drifted"],
        ["joined", "drifted"],
        ["left", "consistent"],
    ]


def test_unknown_customer(tmp_path):
    "If no snapshot contains the customer, the table is empty. A uid that is not a string raises InputError."
    fg.save_snapshot(week(0, [("vip", "1")]), tmp_path)

    for uid in ("2", "(erased-1)", ""):
        table = fg.customer_history(uid, cache=tmp_path)
        assert table.empty and table.dtypes.astype(str).to_dict() == CUSTOMER
    with pytest.raises(InputError, match=r"`customer_uid`.* int"):
        fg.customer_history(1, cache=tmp_path)


# Plans that caused the changes


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a sandbox with six customers in the group "all", two customers in "vip", and one customer in "bw"."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05,))
    running.reset()
    uids = [f"c-{n}" for n in range(1, 7)]
    running.put_customers([{"customerUid": uid, "externalId": f"E{uid[2:]}"} for uid in uids])
    for uid, name, members in (("all", "All", uids), ("vip", "VIP", uids[:2]), ("bw", "Black Week", ["c-6"])):
        running.put_group(uid, name)
        running.add_members(uid, members)
    return running


def load(tenant):
    """Load a snapshot and store it in the data folder."""
    with tenant.client() as client:
        return fg.load_snapshot(client, progress=False)


def apply(tenant, plan, approval=None):
    """Apply a plan and return the receipt. If no approval is passed, the plan's digest is used."""
    with tenant.client(writable=True) as client:
        return fg.apply_plan(client, plan, approval=approval or plan.digest, progress=False)


def changes_of(uid):
    """Return the history of a customer without the rows for the first snapshot."""
    history = fg.customer_history(uid)
    return history[history["change"] != "was in"].reset_index(drop=True)


def test_plan_of_a_change(tenant, home_folder):
    "Each change by a plan has the plan's digest, approval, and receipt. Changes by other clients have no plan."
    snapshot = load(tenant)
    plan = fg.plan_memberships(snapshot, {"vip": ["c-2", "c-3"]}, mode="mirror", limits=OPEN)
    approval = fg.approve_plan(plan, home_folder / "a.approval.json", by="Kari")
    receipt = apply(tenant, plan, approval)
    tenant.add_members("vip", ["c-4"])
    last = load(tenant)

    [joined], [left], [other] = (changes_of(uid).to_dict("records") for uid in ("c-3", "c-1", "c-4"))

    for row, change in ((joined, "joined"), (left, "left")):
        assert (row["change"], row["customer_group_uid"], row["name"]) == (change, "vip", "VIP")
        assert (row["after"], row["before"]) == (snapshot.taken_at, last.taken_at)
        assert (row["plan_digest"], row["planned_at"]) == (plan.digest, plan.planned_at)
        assert snapshot.taken_at < row["approved_at"] < row["applied_at"] < last.taken_at
        assert (row["approved_by"], row["approved_how"], row["plan_state"]) == ("Kari", "self", "verified")
        assert fg.read_receipt(row["receipt_path"]).counts == receipt.counts
        assert pd.isna(row["reverts"]) and row["verdict"] == "consistent"
    assert pd.isna(other["plan_digest"]) and pd.isna(other["applied_at"]) and pd.isna(other["receipt_path"])


def test_undo(tenant):
    "A change by an undo plan has the digest of the undo plan. Its `reverts` value is the digest of the undone plan."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    receipt = apply(tenant, plan)
    load(tenant)
    undo = fg.plan_undo(receipt, limits=OPEN)
    apply(tenant, undo)
    load(tenant)

    table = changes_of("c-3")

    assert rows_of(table, "change", "plan_digest", "approved_by", "approved_how") == [
        ["joined", plan.digest, "", "self"],
        ["left", undo.digest, "", "self"],
    ]
    assert list(table["reverts"].fillna("")) == ["", plan.digest]


def test_changes_before_and_after_a_plan(tenant):
    "If other clients make the same change before or after a plan, the change is not attributed to the plan."
    load(tenant)
    tenant.add_members("vip", ["c-3"])
    load(tenant)
    tenant.remove_members("vip", ["c-3"])
    load(tenant)
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    apply(tenant, plan)
    load(tenant)
    tenant.remove_members("vip", ["c-3"])
    load(tenant)
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    table = changes_of("c-3")

    assert rows_of(table.fillna({"plan_digest": ""}), "change", "plan_digest") == [
        ["joined", ""],
        ["left", ""],
        ["joined", plan.digest],
        ["left", ""],
        ["joined", ""],
    ]


def test_two_plans_between_snapshots(tenant):
    "If two plans made the same change between two snapshots, the change is attributed to the last plan."
    first = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    apply(tenant, first)
    tenant.remove_members("vip", ["c-3"])
    with tenant.client() as client:
        second = fg.plan_memberships(fg.load_snapshot(client, cache=False, progress=False), {"vip": ["c-3", "c-4"]})
    apply(tenant, second)
    load(tenant)

    assert rows_of(changes_of("c-3"), "plan_digest") == [[second.digest]]


def test_failed_request(tenant):
    "If a request failed and another client made the change later, the change is not attributed to the plan."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    tenant.misbehave(Fault("status", method="PUT", status=500, times=None))
    receipt = apply(tenant, plan)
    tenant.behave()
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    assert receipt.counts == {"not_sent": 1}
    assert changes_of("c-3")["plan_digest"].isna().all()


def test_already_and_rejected(tenant):
    "Changes that were already in effect or that the server rejected are not attributed to the plan."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3", "c-4", "c-5"]})
    tenant.add_members("vip", ["c-3"])
    tenant.delete_customer("c-5")
    receipt = apply(tenant, plan)
    tenant.put_customers(["c-5"])
    tenant.add_members("all", ["c-5"])
    tenant.add_members("vip", ["c-5"])
    load(tenant)

    digests = {uid: changes_of(uid).set_index("customer_group_uid")["plan_digest"]["vip"] for uid in plan_uids(plan)}

    assert receipt.counts == {"already": 1, "verified": 1, "rejected": 1}
    assert pd.isna(digests["c-3"]) and pd.isna(digests["c-5"]) and digests["c-4"] == plan.digest


def plan_uids(plan):
    """Return the customer uids in the changes of a plan."""
    return list(plan.table()["customer_uid"])


def test_missing_receipt(tenant, caplog):
    "If the receipt is missing or corrupt, a change is `unknown`. The log contains the path of a corrupt receipt."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    receipt = apply(tenant, plan)
    load(tenant)
    receipt.path.write_text(receipt.path.read_text().replace("verified", "rejected"))

    with_corrupt_receipt = changes_of("c-3")
    assert str(receipt.path) in caplog.text
    receipt.path.unlink()
    without_receipt = changes_of("c-3")

    for table in (with_corrupt_receipt, without_receipt):
        assert rows_of(table, "plan_digest", "plan_state") == [[plan.digest, "unknown"]]
        assert table["receipt_path"].isna().all()


def test_receipt_of_an_earlier_run(tenant):
    "If the run that sent a change wrote no receipt, the history contains the change with the state `unknown`."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    tenant.misbehave(Fault("status", method="PUT", status=500, times=None))
    receipt = apply(tenant, plan)
    tenant.behave()
    with Journal.for_plan(plan, None) as journal:
        approval = {"how": "person", "by": "Ola", "at": ""}
        journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
        journal.write("intent", group="vip", change="add", uids=["c-3"])
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    [row] = changes_of("c-3").to_dict("records")

    assert (row["plan_digest"], row["plan_state"]) == (plan.digest, "unknown")
    assert (row["approved_by"], row["receipt_path"]) == ("Ola", str(receipt.path))


def test_approval_of_a_resumed_run(tenant):
    "If a plan is resumed with another approval, each change has the approval of the run that sent the change."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3", "c-4"]})
    with Journal.for_plan(plan, None) as journal:
        for by, uid in (("Kari", "c-3"), ("Ola", "c-4")):
            approval = {"how": "person", "by": by, "at": datetime.now(UTC).isoformat()}
            journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
            journal.write("intent", group="vip", change="add", uids=[uid])
    tenant.add_members("vip", ["c-3", "c-4"])
    load(tenant)

    assert rows_of(pd.concat([changes_of("c-3"), changes_of("c-4")]), "approved_by", "plan_digest") == [
        ["Kari", plan.digest],
        ["Ola", plan.digest],
    ]


def test_request_sent_by_the_second_run(tenant):
    "If the first run could not send a change and the second run sent it, the change has the second run's approval."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    with Journal.for_plan(plan, None) as journal:
        for by, result in (("Kari", "not_sent"), ("Ola", "accepted")):
            approval = {"how": "person", "by": by, "at": datetime.now(UTC).isoformat()}
            journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
            journal.write("intent", group="vip", change="add", uids=["c-3"])
            journal.write("outcome", group="vip", change="add", uids=["c-3"], result=result, message="")
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    assert rows_of(changes_of("c-3"), "approved_by") == [["Ola"]]


@pytest.mark.parametrize("result", ["not_sent", "rejected"])
def test_unsuccessful_request_in_a_journal(tenant, result):
    "If there is no receipt, changes that the journal records as rejected or not sent are not attributed to the plan."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    with Journal.for_plan(plan, None) as journal:
        journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval={})
        journal.write("intent", group="vip", change="add", uids=["c-3"])
        journal.write("outcome", group="vip", change="add", uids=["c-3"], result=result, message="")
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    assert changes_of("c-3")["plan_digest"].isna().all()


def test_corrupt_journal(tenant, caplog):
    "A corrupt journal is skipped with a warning that contains the journal path. Other journals are still read."
    first = apply(tenant, fg.plan_memberships(load(tenant), {"vip": ["c-3"]}))
    second = fg.plan_memberships(load(tenant), {"bw": ["c-3"]})
    apply(tenant, second)
    load(tenant)
    path = Path(str(first.path).replace(".receipt.json", ".jsonl"))
    path.write_text(path.read_text().replace('"accepted"', '"rejected"'))

    table = changes_of("c-3").set_index("customer_group_uid")["plan_digest"]

    assert pd.isna(table["vip"]) and table["bw"] == second.digest
    assert str(path) in caplog.text
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == [logging.WARNING]


def test_erased_customer(tenant):
    "Erasing a customer removes only the plan digest and the old receipt path from another customer's history."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3", "c-4"]})
    apply(tenant, plan)
    load(tenant)
    before = fg.customer_history("c-3")

    fg.erase_customer("c-4")
    after = fg.customer_history("c-3")

    unchanged = [name for name in CUSTOMER if name not in ("plan_digest", "receipt_path")]
    pdt.assert_frame_equal(after[unchanged], before[unchanged])
    assert list(before["plan_digest"].dropna()) == [plan.digest] and after["plan_digest"].isna().all()
    assert [Path(path).exists() for path in after["receipt_path"].dropna()] == [True]
    assert fg.customer_history("c-4").empty and fg.customer_history("(erased-1)").empty


def test_journal_folder(tenant, tmp_path):
    "If a journal folder is passed, only the journals in this folder are read."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    with tenant.client(writable=True) as client:
        fg.apply_plan(client, plan, approval=plan.digest, journal=tmp_path, progress=False)
    load(tenant)

    history = fg.customer_history("c-3", journal=tmp_path)

    assert plan.digest in set(history["plan_digest"])
    assert changes_of("c-3")["plan_digest"].isna().all()


def test_warning_has_no_hint(tmp_path, caplog):
    "The warning about a corrupt snapshot contains the file name, but does not mention `allow_older`."
    for number in range(3):
        path = fg.save_snapshot(week(number, [("b", "p")]), tmp_path)
    truncate_memberships(path)
    (path.parent / sorted(p.name for p in path.parent.iterdir())[0] / "manifest.json").write_text("{}")

    with caplog.at_level(logging.WARNING, "frgroups"):
        table = fg.size_history(cache=tmp_path)

    assert len(table) == 1
    assert "memberships.parquet" in caplog.text and "manifest.json" in caplog.text
    assert "allow_older" not in caplog.text
