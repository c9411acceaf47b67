"""What kept snapshots tell over time: sizes and changes that add up, damage left out, and the plans behind."""

import logging
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.journal import Journal
from frgroups.errors import GroupNotFoundError, InputError, SnapshotNotFoundError
from frgroups.history.snapshot_series import iter_snapshots
from frgroups.sandbox.faults import Fault
from frgroups.store.snapshot_store import list_tenant_snapshots

LAW = settings(deadline=None, max_examples=60)
FEW = settings(deadline=None, max_examples=15)
GROUPS = ["0150", "b", "c", "Ålesund"]
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
HOST = "https://api.example"
OPEN = fg.Limits(removals_per_group=None, removal_share=None, removals_total=None, emptied_groups=None)
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
    """The snapshot of a week, of (group, customer) rows; `names` tells of groups without members too."""
    groups = None
    if names is not None:
        groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}, dtype="str")
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")
    return fg.snapshot_from_frames(
        memberships, groups, tenant_uid=tenant_uid, taken_at=NOON + timedelta(weeks=number), base_url=base_url
    )


def drifted(snapshot, *groups):
    """The snapshot as if all groups had been proved but these, which drifted."""
    uids = snapshot.reads["customer_group_uid"]
    reads = snapshot.reads.assign(verdict=["drifted" if uid in groups else "consistent" for uid in uids])
    return replace(snapshot, reads=reads, verdict="drifted" if groups else "consistent")


def damage(path):
    """Cut the last byte off the memberships of a kept snapshot."""
    file = path / "memberships.parquet"
    file.write_bytes(file.read_bytes()[:-1])


def told(history, *columns):
    """These columns as lists."""
    return history[list(columns)].values.tolist()


# Sizes


@LAW
@given(weeks_of)
def test_sizes_are_those_of_sets_and_every_step_adds_up(weeks):
    "n_members counts who was in; with joined and left it follows from the row before, deleted groups included."
    table = fg.size_history([week(number, rows) for number, rows in enumerate(weeks)])

    assert table.dtypes.astype(str).to_dict() == SIZES
    assert list(table["taken_at"]) == sorted(table["taken_at"])
    assert not table.duplicated(["taken_at", "customer_group_uid"]).any()
    for number, rows in enumerate(weeks):
        now = {group: {uid for held, uid in rows if held == group} for group, _ in rows}
        was = {group: {uid for held, uid in weeks[number - 1] if held == group} for group, _ in weeks[number - 1]}
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


def test_a_growth_chart_is_one_pivot_away():
    "A group that was renamed has the name of the time in each row, and one uid; groups go by uid or last name."
    weeks = [
        week(0, [("vip", "1")], {"vip": "VIP", "all": "All"}),
        week(1, [("vip", "1"), ("vip", "2")], {"vip": "VIP club", "all": "All"}),
    ]

    table = fg.size_history(weeks, groups=["VIP club"])

    assert told(table, "name", "n_members") == [["VIP", 1], ["VIP club", 2]]
    wide = table.pivot(index="taken_at", columns="customer_group_uid", values="n_members")
    assert wide.to_dict("list") == {"vip": [1, 2]}
    with pytest.raises(GroupNotFoundError, match="Did you mean 'VIP club'"):
        fg.size_history(weeks, groups=["VIP clubs"])


def test_kept_paths_and_objects_tell_the_same(tmp_path):
    "What is kept, its folders, rows of list_snapshots and the snapshots themselves give equal tables, in any order."
    weeks = [week(number, [("vip", uid) for uid in "abc"[: number + 1]]) for number in range(3)]
    paths = [fg.save_snapshot(one, tmp_path) for one in weeks]
    listed = fg.list_snapshots(tmp_path)
    expected = fg.size_history(cache=tmp_path)

    for snapshots in (weeks[::-1], paths, map(str, paths), listed, [weeks[0], paths[2], weeks[1]], weeks * 2):
        pdt.assert_frame_equal(fg.size_history(snapshots), expected)
    pdt.assert_frame_equal(fg.size_history(listed.tail(2)), fg.size_history(weeks[1:]))
    assert len(expected) == 3


def test_every_size_is_as_sure_as_its_reading():
    "The verdict of a row is that of the group in this snapshot; of a deleted group, that of the snapshot."
    weeks = [
        drifted(week(0, [("a", "1"), ("b", "1")])),
        drifted(week(1, [("a", "1"), ("b", "1")]), "b"),
        replace(drifted(week(2, [("a", "1")])), verdict="unverifiable"),
    ]

    table = fg.size_history(weeks)

    assert told(table, "customer_group_uid", "status", "verdict") == [
        ["a", "first", "consistent"],
        ["b", "first", "consistent"],
        ["a", "kept", "consistent"],
        ["b", "kept", "drifted"],
        ["a", "kept", "consistent"],
        ["b", "deleted", "unverifiable"],
    ]


def test_of_several_of_one_moment_the_last_counts(tmp_path):
    "A snapshot that was refreshed and kept again stands once in the history, as it was kept last."
    fg.save_snapshot(week(0, [("vip", "1")]), tmp_path)
    fg.save_snapshot(week(0, [("vip", "1"), ("vip", "2")]), tmp_path)

    assert list(fg.size_history(cache=tmp_path)["n_members"]) == [2]
    assert list(fg.customer_history("2", cache=tmp_path)["change"]) == ["was in"]


# What is kept


def test_damaged_snapshots_are_left_out_and_named(tmp_path, caplog):
    "A table or a manifest that was altered costs its own snapshot and no other, and the log names the file."
    paths = [fg.save_snapshot(week(number, [("vip", str(number))]), tmp_path) for number in range(4)]
    damage(paths[1])
    manifest = paths[2] / "manifest.json"
    manifest.write_text(manifest.read_text().replace("t-1", "t-2"))

    for snapshots in (None, paths):
        caplog.clear()
        where = {"cache": tmp_path} if snapshots is None else {}
        table = fg.size_history(snapshots, **where)

        assert list(table["taken_at"].dt.day) == [3, 24]
        assert all(str(path) in caplog.text for path in paths[1:3])
    assert told(fg.customer_history("3", cache=tmp_path), "change", "after", "before") == [
        ["joined", NOON, NOON + timedelta(weeks=3)]
    ]


def test_a_snapshot_of_another_version_is_left_out_and_named(tmp_path, caplog):
    "What this version cannot read does not stop the history of what it can."
    paths = [fg.save_snapshot(week(number, [("vip", "1")]), tmp_path) for number in range(2)]
    manifest = paths[0] / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 2', '"schema_version": 1'))

    assert len(fg.size_history(cache=tmp_path)) == 1
    assert "schema version 1" in caplog.text and str(paths[0]) in caplog.text


def test_where_nothing_can_be_read_history_is_unknown_not_empty(tmp_path):
    "All damaged, nothing kept and nothing of this tenant are errors; no snapshots at all, on request, are a table."
    with pytest.raises(SnapshotNotFoundError, match="load_snapshot"):
        fg.size_history(cache=tmp_path)
    path = fg.save_snapshot(week(0, [("vip", "1")]), tmp_path)
    with pytest.raises(SnapshotNotFoundError, match="tenant t-9"):
        fg.customer_history("1", cache=tmp_path, tenant_uid="t-9")
    damage(path)

    for ask in (
        lambda: fg.size_history(cache=tmp_path),
        lambda: fg.size_history([path]),
        lambda: fg.customer_history("1", cache=tmp_path),
    ):
        with pytest.raises(SnapshotNotFoundError, match="None of 1 snapshots can be read"):
            ask()
    empty = fg.size_history([])
    assert empty.empty and empty.dtypes.astype(str).to_dict() == SIZES


def test_two_tenants_or_hosts_are_never_mixed(tmp_path):
    "Kept together, the caller must say which; passed together, they are refused."
    here, there = week(0, [("vip", "1")]), week(1, [("vip", "2")], base_url="https://stage.example")
    for one in (here, there, week(2, [("vip", "3")], tenant_uid="t-2")):
        fg.save_snapshot(one, tmp_path)

    with pytest.raises(InputError, match="two hosts"):
        fg.size_history([here, there])
    for ask in (fg.size_history, lambda **where: fg.customer_history("1", **where)):
        with pytest.raises(InputError, match=r"t-1 at .*t-2 at .*Pass tenant_uid="):
            ask(cache=tmp_path)
        with pytest.raises(InputError, match=r"api\.example, t-1 at https://stage\.example\. Pass tenant_uid="):
            ask(cache=tmp_path, tenant_uid="t-1")
        assert len(ask(cache=tmp_path, tenant_uid="t-1", base_url=HOST)) == 1


@pytest.mark.parametrize(
    ("snapshots", "words"),
    [
        ("data", "takes several"),
        ([3], "not a int"),
        (["nowhere"], "nowhere is not the folder of a kept snapshot"),
        (pd.DataFrame({"taken_at": []}), "no column 'path'"),
    ],
)
def test_what_is_no_snapshot_is_refused_in_words(snapshots, words):
    "The error says what came and what to pass."
    with pytest.raises(InputError, match=words):
        fg.size_history(snapshots)


def test_snapshots_and_a_cache_are_not_both_asked(tmp_path):
    "Two answers to which snapshots are meant are one too many."
    with pytest.raises(InputError, match="snapshots alone say which"):
        fg.size_history([week(0)], cache=tmp_path)


def test_two_snapshots_at_most_are_in_memory(tmp_path):
    "While many are read in turn, what was read before the last one is gone."
    for number in range(6):
        fg.save_snapshot(week(number, [("vip", "1")]), tmp_path)
    known, before, most = [], None, 0

    for now in iter_snapshots(list_tenant_snapshots(tmp_path, None, None)):
        known.append(weakref.ref(now))
        most = max(most, sum(one() is not None for one in known))
        before = now

    assert len(known) == 6 and most == 2 and before is not None


# One customer


@FEW
@given(weeks_of)
def test_replaying_the_changes_gives_every_week_its_groups(weeks):
    "From the groups that a customer was in first, the changes lead to the groups in each kept snapshot."
    with TemporaryDirectory() as folder:
        for number, rows in enumerate(weeks):
            fg.save_snapshot(week(number, rows, dict.fromkeys(GROUPS, "x")), folder)

        for uid in "pq":
            table = fg.customer_history(uid, cache=folder)

            assert table.dtypes.astype(str).to_dict() == CUSTOMER
            groups = set()
            for number, rows in enumerate(weeks):
                moment = NOON + timedelta(weeks=number)
                own = table[table["before"] == moment]
                joined = set(own.loc[own["change"] != "left", "customer_group_uid"])
                left = set(own.loc[own["change"] == "left", "customer_group_uid"])
                assert not joined & groups and left <= groups
                groups = (groups | joined) - left
                assert groups == {group for group, held in rows if held == uid}
                assert set(own["still_seen"]) <= {bool(groups)}
                assert set(own["change"]) <= ({"was in"} if number == 0 else {"joined", "left"})
                assert number == 0 or set(own["after"]) <= {moment - timedelta(weeks=1)}


def test_a_change_is_between_two_snapshots_and_tells_of_its_group(tmp_path):
    "Last seen without, first seen with; whether the group itself was new or deleted then, and by which name."
    for one in (
        week(0, [("a", "1"), ("old", "1")], {"a": "A", "old": "Old"}),
        week(1, [("a", "1"), ("old", "1")], {"a": "A", "old": "Older"}),
        week(2, [("new", "1")], {"a": "A", "new": "New"}),
        week(3, [], {"a": "A", "new": "New"}),
    ):
        fg.save_snapshot(one, tmp_path)

    table = fg.customer_history("1", cache=tmp_path)

    weeks = [NOON + timedelta(weeks=number) for number in range(4)]
    assert told(table, "name", "change", "before", "group_status", "still_seen") == [
        ["A", "was in", weeks[0], "first", True],
        ["Old", "was in", weeks[0], "first", True],
        ["A", "left", weeks[2], "kept", True],
        ["New", "joined", weeks[2], "new", True],
        ["Older", "left", weeks[2], "deleted", True],
        ["New", "left", weeks[3], "kept", False],
    ]
    assert list(table["after"])[2:] == [weeks[1], weeks[1], weeks[1], weeks[2]]
    assert table["after"].isna().sum() == 2


def test_a_change_seen_in_a_drifted_reading_says_so(tmp_path):
    "A customer who was missed once shows as left and joined again, and both rows carry the doubt."
    rows = [("a", "1"), ("b", "1")]
    for one in (
        drifted(week(0, rows)),
        drifted(week(1, rows[:1], {"a": "A", "b": "B"}), "b"),
        drifted(week(2, rows)),
        drifted(week(3, rows[:1], {"a": "A", "b": "B"})),
    ):
        fg.save_snapshot(one, tmp_path)

    table = fg.customer_history("1", cache=tmp_path)

    assert told(table, "change", "verdict")[2:] == [
        ["left", "drifted"],
        ["joined", "drifted"],
        ["left", "consistent"],
    ]


def test_a_customer_whom_no_snapshot_knows_has_no_history(tmp_path):
    "An empty table of the same columns and dtypes, for a tombstone too; a uid that is no text is refused."
    fg.save_snapshot(week(0, [("vip", "1")]), tmp_path)

    for uid in ("2", "(erased-1)", ""):
        table = fg.customer_history(uid, cache=tmp_path)
        assert table.empty and table.dtypes.astype(str).to_dict() == CUSTOMER
    with pytest.raises(InputError, match="customer_uid must be a str"):
        fg.customer_history(1, cache=tmp_path)


# The plans behind


@pytest.fixture
def tenant(running, monkeypatch):
    """Six customers in all, of whom c-1 and c-2 are VIP."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05,))
    running.reset()
    uids = [f"c-{n}" for n in range(1, 7)]
    running.put_customers([{"customerUid": uid, "externalId": f"E{uid[2:]}"} for uid in uids])
    for uid, name, members in (("all", "All", uids), ("vip", "VIP", uids[:2]), ("bw", "Black Week", ["c-6"])):
        running.put_group(uid, name)
        running.add_members(uid, members)
    return running


def load(tenant):
    with tenant.client() as client:
        return fg.load_snapshot(client, progress=False)


def applied(tenant, plan, approval=None):
    with tenant.client(writable=True) as client:
        return fg.apply_plan(client, plan, approval=approval or plan.digest, progress=False)


def changes_of(uid):
    """What a customer's history tells after the first snapshot."""
    history = fg.customer_history(uid)
    return history[history["change"] != "was in"].reset_index(drop=True)


def test_a_change_names_its_plan_its_approval_and_its_receipt(tenant, home_folder):
    "Who agreed, when, to what, and where it is written; what others changed in the same days names no plan."
    snapshot = load(tenant)
    plan = fg.plan_memberships(snapshot, {"vip": ["c-2", "c-3"]}, mode="mirror", limits=OPEN)
    approval = fg.approve_plan(plan, home_folder / "a.approval.json", by="Kari")
    receipt = applied(tenant, plan, approval)
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


def test_an_undo_names_the_plan_that_it_takes_back(tenant):
    "Two snapshots later the customer is out again, by a plan that whoever made it approved."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    receipt = applied(tenant, plan)
    load(tenant)
    undo = fg.plan_undo(receipt, limits=OPEN)
    applied(tenant, undo)
    load(tenant)

    table = changes_of("c-3")

    assert told(table, "change", "plan_digest", "approved_by", "approved_how") == [
        ["joined", plan.digest, "", "self"],
        ["left", undo.digest, "", "self"],
    ]
    assert list(table["reverts"].fillna("")) == ["", plan.digest]


def test_a_plan_explains_no_change_of_other_days(tenant):
    "What others did before a plan, and did again after it, is not put down to the plan."
    load(tenant)
    tenant.add_members("vip", ["c-3"])
    load(tenant)
    tenant.remove_members("vip", ["c-3"])
    load(tenant)
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    applied(tenant, plan)
    load(tenant)
    tenant.remove_members("vip", ["c-3"])
    load(tenant)
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    table = changes_of("c-3")

    assert told(table.fillna({"plan_digest": ""}), "change", "plan_digest") == [
        ["joined", ""],
        ["left", ""],
        ["joined", plan.digest],
        ["left", ""],
        ["joined", ""],
    ]


def test_of_several_plans_in_between_the_last_is_named(tenant):
    "One plan's addition was taken back by others and made again by another plan: that one is why it is so."
    first = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    applied(tenant, first)
    tenant.remove_members("vip", ["c-3"])
    with tenant.client() as client:
        second = fg.plan_memberships(fg.load_snapshot(client, cache=False, progress=False), {"vip": ["c-3", "c-4"]})
    applied(tenant, second)
    load(tenant)

    assert told(changes_of("c-3"), "plan_digest") == [[second.digest]]


def test_what_never_took_effect_is_not_the_plans_doing(tenant):
    "The service failed, a reading showed that nothing had come of it, and others did the same later."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    tenant.misbehave(Fault("status", method="PUT", status=500, times=None))
    receipt = applied(tenant, plan)
    tenant.behave()
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    assert receipt.counts == {"not_sent": 1}
    assert changes_of("c-3")["plan_digest"].isna().all()


def test_what_was_so_already_or_was_refused_is_not_the_plans_doing(tenant):
    "Others were first with c-3, and the service refused c-5; when both are in later, no plan is named."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3", "c-4", "c-5"]})
    tenant.add_members("vip", ["c-3"])
    tenant.delete_customer("c-5")
    receipt = applied(tenant, plan)
    tenant.put_customers(["c-5"])
    tenant.add_members("all", ["c-5"])
    tenant.add_members("vip", ["c-5"])
    load(tenant)

    digests = {uid: changes_of(uid).set_index("customer_group_uid")["plan_digest"]["vip"] for uid in plan_uids(plan)}

    assert receipt.counts == {"already": 1, "verified": 1, "rejected": 1}
    assert pd.isna(digests["c-3"]) and pd.isna(digests["c-5"]) and digests["c-4"] == plan.digest


def plan_uids(plan):
    return list(plan.table()["customer_uid"])


def test_a_run_that_left_no_receipt_is_told_from_its_journal(tenant, caplog):
    "Without the receipt what was sent is the plan's doing as far as one can tell; a damaged one is named."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    receipt = applied(tenant, plan)
    load(tenant)
    receipt.path.write_text(receipt.path.read_text().replace("verified", "rejected"))

    damaged = changes_of("c-3")
    assert str(receipt.path) in caplog.text
    receipt.path.unlink()
    gone = changes_of("c-3")

    for table in (damaged, gone):
        assert told(table, "plan_digest", "plan_state") == [[plan.digest, "unknown"]]
        assert table["receipt_path"].isna().all()


def test_what_an_earlier_receipt_could_not_know_is_told_from_the_journal(tenant):
    "After a run that failed another one sent it and died: the receipt says not sent, the journal knows better."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    tenant.misbehave(Fault("status", method="PUT", status=500, times=None))
    receipt = applied(tenant, plan)
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


def test_each_change_has_the_approval_of_the_run_that_sent_it(tenant):
    "A run that was stopped is gone on with under another approval: what each of the two sent names its own."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3", "c-4"]})
    with Journal.for_plan(plan, None) as journal:
        for by, uid in (("Kari", "c-3"), ("Ola", "c-4")):
            approval = {"how": "person", "by": by, "at": datetime.now(UTC).isoformat()}
            journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
            journal.write("intent", group="vip", change="add", uids=[uid])
    tenant.add_members("vip", ["c-3", "c-4"])
    load(tenant)

    assert told(pd.concat([changes_of("c-3"), changes_of("c-4")]), "approved_by", "plan_digest") == [
        ["Kari", plan.digest],
        ["Ola", plan.digest],
    ]


def test_what_was_certainly_not_sent_at_first_is_dated_from_when_it_was(tenant):
    "The first request never left; the second run sent it, and that is when and by whose approval it was applied."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    with Journal.for_plan(plan, None) as journal:
        for by, result in (("Kari", "not_sent"), ("Ola", "accepted")):
            approval = {"how": "person", "by": by, "at": datetime.now(UTC).isoformat()}
            journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
            journal.write("intent", group="vip", change="add", uids=["c-3"])
            journal.write("outcome", group="vip", change="add", uids=["c-3"], result=result, message="")
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    assert told(changes_of("c-3"), "approved_by") == [["Ola"]]


@pytest.mark.parametrize("result", ["not_sent", "rejected"])
def test_a_journal_alone_tells_what_was_not_done(tenant, result):
    "The run died without a receipt, and its journal says that the customer was refused, or never sent."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    with Journal.for_plan(plan, None) as journal:
        journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval={})
        journal.write("intent", group="vip", change="add", uids=["c-3"])
        journal.write("outcome", group="vip", change="add", uids=["c-3"], result=result, message="")
    tenant.add_members("vip", ["c-3"])
    load(tenant)

    assert changes_of("c-3")["plan_digest"].isna().all()


def test_a_damaged_journal_is_named_and_costs_no_other(tenant, caplog):
    "The plans of whole journals are told all the same."
    first = applied(tenant, fg.plan_memberships(load(tenant), {"vip": ["c-3"]}))
    second = fg.plan_memberships(load(tenant), {"bw": ["c-3"]})
    applied(tenant, second)
    load(tenant)
    path = Path(str(first.path).replace(".receipt.json", ".jsonl"))
    path.write_text(path.read_text().replace('"accepted"', '"rejected"'))

    table = changes_of("c-3").set_index("customer_group_uid")["plan_digest"]

    assert pd.isna(table["vip"]) and table["bw"] == second.digest
    assert str(path) in caplog.text
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == [logging.WARNING]


def test_forgetting_one_customer_leaves_the_history_of_the_others_in_order(tenant):
    "The same changes at the same times by the same approval; only the digest, which would tell who, is gone."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3", "c-4"]})
    applied(tenant, plan)
    load(tenant)
    before = fg.customer_history("c-3")

    fg.erase_customer("c-4")
    after = fg.customer_history("c-3")

    unchanged = [name for name in CUSTOMER if name not in ("plan_digest", "receipt_path")]
    pdt.assert_frame_equal(after[unchanged], before[unchanged])
    assert list(before["plan_digest"].dropna()) == [plan.digest] and after["plan_digest"].isna().all()
    assert [Path(path).exists() for path in after["receipt_path"].dropna()] == [True]
    assert fg.customer_history("c-4").empty and fg.customer_history("(erased-1)").empty


def test_another_folder_of_journals_can_be_named(tenant, tmp_path):
    "Journals that are kept elsewhere are found where they are, and not in the home."
    plan = fg.plan_memberships(load(tenant), {"vip": ["c-3"]})
    with tenant.client(writable=True) as client:
        fg.apply_plan(client, plan, approval=plan.digest, journal=tmp_path, progress=False)
    load(tenant)

    found = fg.customer_history("c-3", journal=tmp_path)

    assert plan.digest in set(found["plan_digest"])
    assert changes_of("c-3")["plan_digest"].isna().all()


def test_damage_that_history_went_past_is_told_without_what_a_reader_would_do(tmp_path, caplog):
    "The log names the file and what was found; allow_older is for those who stopped, and history did not."
    for number in range(3):
        path = fg.save_snapshot(week(number, [("b", "p")]), tmp_path)
    damage(path)
    (path.parent / sorted(p.name for p in path.parent.iterdir())[0] / "manifest.json").write_text("{}")

    with caplog.at_level(logging.WARNING, "frgroups"):
        table = fg.size_history(cache=tmp_path)

    assert len(table) == 1
    assert "memberships.parquet is damaged" in caplog.text and "manifest.json is damaged" in caplog.text
    assert "goes on without it" in caplog.text and "allow_older" not in caplog.text
