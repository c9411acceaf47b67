"""Tests for the Plan class: digest, plan file, requests, selection, and preview."""

import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape, unescape

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, sha256, write_checksummed
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.modes import MODE_TEXTS
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import plan_to_dict, read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.examples import at_most

few = at_most(30)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def sample_plan(**changes):
    """Return a plan that adds customers to two groups, removes customers from one group, and creates one group."""
    groups = (
        GroupChange("new", "Black Week", (), add=("c-5", "x-1"), unknown=frozenset({"x-1"}), create=True),
        GroupChange("staff", "Staff", ("c-251",), add=("c-1", "c-5")),
        GroupChange("vip", "VIP", ("c-1", "c-2", "c-3", "c-4"), add=("c-9",), remove=("c-2", "c-4")),
    )
    values = {
        "tenant_uid": "t-1",
        "base_url": "https://api.example",
        "mode": "mirror",
        "limits": Limits(),
        "groups": groups,
        "planned_at": NOON,
        "snapshot_taken_at": NOON - timedelta(hours=1),
        "notes": (Finding("covered", "The members of Staff were inferred.", False, "staff", 3),),
    }
    return Plan(**values | changes)


def change_group(uid, /, **values):
    """Return the sample plan with different attribute values in the change of one group."""
    return sample_plan(
        groups=tuple(replace(group, **values) if group.uid == uid else group for group in sample_plan().groups)
    )


@pytest.mark.parametrize(("minutes", "is_valid"), [(11, False), (9, True)])
def test_data_from_future(minutes, is_valid):
    "A plan whose data is more than 10 minutes newer than the plan is blocked, even if the age is not limited."
    limits = Limits(snapshot_max_age=None)
    plan = sample_plan(snapshot_taken_at=NOON + timedelta(minutes=minutes), limits=limits)

    assert plan.blocked != is_valid
    assert [finding.rule for finding in plan.findings if finding.blocking] == ["snapshot_max_age"] * plan.blocked


# Digest


def test_digest():
    "A plan digest has 64 hexadecimal digits and is the same for equal plans."
    assert sample_plan().digest == sample_plan().digest
    assert len(sample_plan().digest) == 64
    assert set(sample_plan().digest) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "other",
    [
        sample_plan(tenant_uid="t-2"),
        sample_plan(base_url="https://api.example:8443"),
        sample_plan(base_url=None),
        sample_plan(mode="add"),
        sample_plan(limits=Limits(removals_total=501)),
        sample_plan(limits=Limits(removals_total=None)),
        sample_plan(limits=Limits(plan_max_age="8d")),
        sample_plan(limits=Limits(per_group={"vip": Limits()})),
        sample_plan(groups=sample_plan().groups[:2]),
        change_group("new", name="Black Weak"),
        change_group("new", create=False),
        change_group("staff", uid="stuff"),
        change_group("staff", add=("c-1",)),
        change_group("staff", add=("c-1", "c-6")),
        change_group("staff", add=("c-1",), remove=("c-5",)),
        change_group("vip", add=("c-2",), remove=("c-9", "c-4")),
        change_group("vip", baseline=("c-1", "c-2", "c-3", "c-4", "c-5")),
        change_group("vip", baseline=("c-1", "c-2", "c-3", "c-8")),
        sample_plan(reverts="0" * 64),
        sample_plan(reverts="0" * 64, partial_undo=True),
    ],
)
def test_digest_covers(other):
    "The digest of a plan depends on its tenant, host, limits, operations, baselines, and the plan that it undoes."
    assert other.digest != sample_plan().digest


@pytest.mark.parametrize(
    "same",
    [
        sample_plan(planned_at=NOON + timedelta(days=3)),
        sample_plan(snapshot_taken_at=NOON),
        sample_plan(notes=()),
        sample_plan(limits=Limits(removals_total=500.0)),
        change_group("vip", name="Very important"),
    ],
)
def test_digest_does_not_cover(same):
    "The digest of a plan does not depend on times, notes, and the names of existing groups."
    assert same.digest == sample_plan().digest


def test_digest_of_uids_with_line_ends():
    "Plans whose member lists differ only in the position of a line break have different digests."
    plan, other = (change_group("vip", baseline=uids) for uids in (("a\nb", "c"), ("a", "b\nc")))

    assert plan.digest != other.digest


customers = st.sampled_from([f"c-{n}" for n in range(8)])
groups = st.sampled_from(["g1", "g2", "g3"])
worlds = st.dictionaries(groups, st.frozensets(customers), min_size=3, max_size=3)


def snapshot_of(world, *, rows=None, more=()):
    """Return a snapshot with additional customers from a table of members in the order of `rows`."""
    rows = rows or [(uid, customer) for uid, members in world.items() for customer in members]
    all_customers = [*(f"c-{n}" for n in range(8)), *more]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": sorted(world), "name": sorted(world)}),
        pd.DataFrame({"customer_uid": all_customers}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
    )


@few
@given(now=worlds, wanted=worlds, data=st.data())
def test_digest_of_equivalent_tables(now, wanted, data):
    "The digest of a plan does not depend on the order, repetition, dtype, or index of the rows in its input tables."
    plan = plan_memberships(snapshot_of(now), wanted, mode="mirror")
    rows = [(uid, customer) for uid, members in now.items() for customer in members]
    rows = data.draw(st.permutations(rows + rows[:3])) if rows else None
    desired_rows = [(uid, customer) for uid, members in wanted.items() for customer in members]
    desired_rows = data.draw(st.permutations(desired_rows + desired_rows[:3]))
    dtype = data.draw(st.sampled_from(["object", "str", "string", "category"]))
    table = pd.DataFrame(desired_rows, columns=["customer_group_uid", "customer_uid"]).astype(dtype)
    table = table.assign(note=1.5)[["note", "customer_uid", "customer_group_uid"]]
    table.index = data.draw(st.sampled_from([range(len(table)), [7] * len(table)]))

    lists = {uid: data.draw(st.permutations(sorted(wanted[uid]))) for uid in sorted(wanted, reverse=True)}

    assert plan_memberships(snapshot_of(now, rows=rows), lists, mode="mirror").digest == plan.digest
    if len(set(table["customer_group_uid"])) == 3:
        assert plan_memberships(snapshot_of(now, rows=rows), table, mode="mirror").digest == plan.digest


# Plan file


def content_of(plan):
    """Return the JSON content, the findings, and the summary of a plan."""
    return plan_to_dict(plan), plan.findings, plan.summary()


def test_save_and_read(tmp_path):
    "A plan that is saved and read again has the same content, digest, and table."
    limits = Limits(removals_per_group=1, removal_floor=1, per_group={"s*": Limits(), "*": Limits(drift_floor=7)})
    plan = sample_plan(limits=limits, reverts="ab" * 32)

    path = plan.save(tmp_path / "deep" / "black-week.plan.json")

    assert path.is_absolute()
    assert content_of(read_plan(path)) == content_of(plan)
    assert read_plan(path).digest == plan.digest
    pd.testing.assert_frame_equal(read_plan(path).table(), plan.table())


@few
@given(now=worlds, wanted=worlds, mode=st.sampled_from(["add", "keep_only", "mirror"]))
def test_file_round_trip(tmp_path_factory, now, wanted, mode):
    "Any plan that is saved and read again is equal to the original plan."
    plan = plan_memberships(snapshot_of(now), wanted, mode=mode)

    path = plan.save(tmp_path_factory.mktemp("plans") / "p.json")

    assert content_of(read_plan(path)) == content_of(plan)


def test_flipped_bit(tmp_path):
    "A plan file with one changed bit raises InputError."
    path = sample_plan().save(tmp_path / "p.json")
    body = path.read_bytes()

    for position in range(len(body)):
        path.write_bytes(body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :])
        with pytest.raises(InputError):
            read_plan(path)


@given(data=st.data())
def test_altered_file(tmp_path_factory, data):
    "If bytes in a plan file are changed, reading raises InputError or returns the same plan."
    path = tmp_path_factory.mktemp("plans") / "p.json"
    body = sample_plan().save(path).read_bytes()
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(start + 3, len(body))))
    path.write_bytes(body[:start] + data.draw(st.binary(max_size=3)) + body[end:])

    try:
        plan = read_plan(path)
    except InputError:
        return
    assert content_of(plan) == content_of(sample_plan())


@pytest.mark.parametrize("n", [0, 1, 40, -2])
def test_truncated_file(tmp_path, n):
    "A truncated plan file raises CorruptFileError, which contains the path."
    path = sample_plan().save(tmp_path / "p.json")
    path.write_bytes(path.read_bytes()[:n])

    with pytest.raises(CorruptFileError, match=re.escape(str(path))):
        read_plan(path)


def test_altered_operations_with_valid_checksum(tmp_path):
    "A plan file whose operations do not match the digest raises CorruptFileError, even if the checksum is valid."
    content = plan_to_dict(sample_plan())
    content["groups"][2]["remove"] = []
    path = write_checksummed(tmp_path / "p.json", "plan", content)

    with pytest.raises(CorruptFileError, match=sample_plan().digest[:12]):
        read_plan(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "cd" * 32),
        ("ab" * 32, "cd" * 32),
        ("ab" * 32, None),
        ("ab" * 32, "erased"),
        (None, "erased"),
        (None, 7),
    ],
)
def test_altered_reverts_with_valid_checksum(tmp_path, before, after):
    "A plan file in which only the digest of the undone plan was changed raises CorruptFileError."
    content = plan_to_dict(sample_plan(reverts=before)) | {"reverts": after}
    path = write_checksummed(tmp_path / "p.json", "plan", content)

    with pytest.raises(CorruptFileError, match=re.escape(str(path))):
        read_plan(path)


def test_partial_undo_without_digest(tmp_path):
    "A plan file of a partial undo without the digest of the undone plan raises CorruptFileError."
    with pytest.raises(CorruptFileError, match="partial undo"):
        read_plan(sample_plan(partial_undo=True).save(tmp_path / "p.json"))


@pytest.mark.parametrize("reverts", ["../../etc", "", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
def test_invalid_reverts(tmp_path, reverts):
    "A plan file with an invalid value of `reverts` raises CorruptFileError, even if its digest is correct."
    with pytest.raises(CorruptFileError):
        read_plan(sample_plan(reverts=reverts).save(tmp_path / "p.json"))


@pytest.mark.parametrize(
    "broken",
    [
        {"groups": None},
        {"limits": 7},
        {"limits": []},
        {"planned_at": "today"},
        {"planned_at": "2026-11-26T02:00:00"},
        {"tenant_uid": 5},
        {"base_url": 5},
        {"digest": None},
    ],
)
def test_invalid_content_with_valid_checksum(tmp_path, broken):
    "A plan file with invalid values raises CorruptFileError, even if the checksum is valid."
    path = write_checksummed(tmp_path / "p.json", "plan", plan_to_dict(sample_plan()) | broken)

    with pytest.raises(CorruptFileError, match=re.escape(str(path))):
        read_plan(path)


@pytest.mark.parametrize("side", ["baseline", "add", "remove"])
@pytest.mark.parametrize("uid", [5, None, "surrogate \ud800"])
def test_invalid_uids_with_valid_checksum(tmp_path, side, uid):
    "A plan file in which a uid is not a valid string raises CorruptFileError, even if the checksum is valid."
    path = sample_plan().save(tmp_path / "p.json")
    document = json.loads(path.read_text())
    document["content"]["groups"][0][side] = [uid]
    path.write_text(json.dumps(document | {"checksum": sha256(canonical_json(document["content"]))}))

    with pytest.raises(CorruptFileError, match=re.escape(str(path))):
        read_plan(path)


def test_other_version(tmp_path):
    "A plan file with another format version raises InputError."
    path = sample_plan().save(tmp_path / "p.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 1}))

    with pytest.raises(InputError, match=r"version 1\b.*\b2\b"):
        read_plan(path)


def test_kind_of_other_files(tmp_path):
    "If a file has another kind, the error contains this kind and does not state that the file is corrupt."
    approval = write_checksummed(tmp_path / "a.json", "approval", {})
    notes = tmp_path / "notes.txt"
    notes.write_text("No JSON")

    with pytest.raises(InputError, match=r"a\.json is an approval, but a plan is required"):
        read_plan(approval)
    with pytest.raises(InputError, match=r"notes\.txt is not a frgroups plan\.$"):
        read_plan(notes)


def test_other_files(tmp_path):
    "Files that are not plans raise InputError, which contains the path."
    approval = write_checksummed(tmp_path / "a.json", "approval", {})
    other = tmp_path / "other.json"
    other.write_text('{"plan": 1}')

    for path in (approval, other, tmp_path, tmp_path / "missing.json"):
        with pytest.raises(InputError, match=re.escape(str(path))):
            read_plan(path)
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        sample_plan().save(tmp_path)


def test_file_mode(tmp_path):
    "A saved plan file has the permissions 0600, and no temporary file remains."
    path = sample_plan().save(tmp_path / "p.json")
    sample_plan().save(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["p.json"]


def test_full_disk(tmp_path, monkeypatch):
    "If the disk is full while a plan is saved, InputError is raised and the existing file does not change."
    path = sample_plan().save(tmp_path / "p.json")
    before = path.read_bytes()

    def raise_disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["frgroups.internals.atomic_files"], "fsync_path", raise_disk_full)
    with pytest.raises(InputError, match="No space left"):
        sample_plan(tenant_uid="t-2").save(path)

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["p.json"]


def test_canonical_json():
    "Canonical JSON has sorted keys and no spaces, and it preserves the order of lists."
    assert canonical_json({"b": [2, 1], "a": "ø"}) == '{"a":"ø","b":[2,1]}'
    assert sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# Tables, summary and requests


def test_table():
    "In the table of a plan, additions come before removals, and customers who are not in the snapshot are marked."
    assert sample_plan().table().to_dict("split")["data"] == [
        ["new", "c-5", "add", ""],
        ["new", "x-1", "add", "unknown_customers"],
        ["staff", "c-1", "add", ""],
        ["staff", "c-5", "add", ""],
        ["vip", "c-9", "add", ""],
        ["vip", "c-2", "remove", ""],
        ["vip", "c-4", "remove", ""],
    ]
    assert (sample_plan().n_add, sample_plan().n_remove) == (5, 2)


def test_table_of_empty_plan():
    "The table of an empty plan has the same columns and dtypes as the table of any other plan."
    empty = sample_plan(groups=(), notes=())

    assert empty.is_empty
    assert not empty.blocked
    assert list(empty.table().columns) == list(sample_plan().table().columns)
    assert list(empty.table().dtypes) == list(sample_plan().table().dtypes)
    assert empty.payloads() == empty.requests() == []
    assert empty.summary().count("\n") == 1 and "t-1" in empty.summary()


def test_payloads():
    "The payloads of a plan contain the complete change of each group with the API's field names."
    assert sample_plan().payloads() == [
        {"customerGroupUid": "new", "addCustomerUids": ["c-5", "x-1"], "removeCustomerUids": []},
        {"customerGroupUid": "staff", "addCustomerUids": ["c-1", "c-5"], "removeCustomerUids": []},
        {"customerGroupUid": "vip", "addCustomerUids": ["c-9"], "removeCustomerUids": ["c-2", "c-4"]},
    ]


def test_request_order():
    "Groups are created first, and all additions are sent before the removals."
    base = "/tenants/t-1/customer-groups"

    assert sample_plan().requests() == [
        {"method": "POST", "path": base, "body": {"customerGroupUid": "new", "name": "Black Week"}},
        {"method": "PUT", "path": f"{base}/new/customers", "body": {"addCustomerUids": ["c-5", "x-1"]}},
        {"method": "PUT", "path": f"{base}/staff/customers", "body": {"addCustomerUids": ["c-1", "c-5"]}},
        {"method": "PUT", "path": f"{base}/vip/customers", "body": {"addCustomerUids": ["c-9"]}},
        {"method": "PUT", "path": f"{base}/vip/customers", "body": {"removeCustomerUids": ["c-2", "c-4"]}},
    ]


@given(n_add=st.integers(0, 40), n_remove=st.integers(0, 40), chunk=st.integers(1, 12))
def test_chunks(n_add, n_remove, chunk):
    "Each write request contains at least one uid and at most `chunk` uids, and each uid is sent once."
    add = tuple(f"a-{n:02d}" for n in range(n_add))
    remove = tuple(f"r-{n:02d}" for n in range(n_remove))
    plan = sample_plan(groups=(GroupChange("g", "G", remove, add=add, remove=remove),))

    bodies = [request["body"] for request in plan.requests(chunk=chunk)]

    assert all(1 <= len(uids) <= chunk for body in bodies for uids in body.values())
    assert tuple(uid for body in bodies for uid in body.get("addCustomerUids", ())) == add
    assert tuple(uid for body in bodies for uid in body.get("removeCustomerUids", ())) == remove
    assert len(bodies) == -(-n_add // chunk) + -(-n_remove // chunk)


@pytest.mark.parametrize("chunk", [0, -1])
def test_invalid_chunk(chunk):
    "If `chunk` is less than 1, InputError is raised."
    with pytest.raises(InputError, match=f"`chunk`.*got {chunk}"):
        sample_plan().requests(chunk=chunk)


def test_purpose(tmp_path):
    "The purpose is part of the summary, the plan file, and the card. It does not affect the digest."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, purpose=" Black Week,\n ticket 12 ")
    without_purpose = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})

    assert plan.purpose == "Black Week, ticket 12" and plan.digest == without_purpose.digest
    assert plan.purpose in plan.summary().splitlines()[0]
    assert read_plan(plan.save(tmp_path / "p.json")).purpose == plan.select(["vip"]).purpose == plan.purpose
    assert plan.purpose in plan._repr_html_()
    with pytest.raises(InputError, match="purpose"):
        plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, purpose=None)


def test_summary():
    "The summary of a plan contains the changes of the groups, the findings, the tenant, and the number of requests."
    assert sample_plan().summary().splitlines() == [
        "2 customers join the new group Black Week (0 -> 2 members).",
        "2 customers join Staff (1 -> 3 members).",
        "1 customer joins VIP and 2 leave (4 -> 3 members).",
        MODE_TEXTS["mirror"],
        *(finding.message for finding in sample_plan().findings),
        "The plan is for t-1 at https://api.example.",
        str(sample_plan().request_estimate),
    ]


def test_blocked_plan():
    "The summary, the `repr` string, and the card of a blocked plan contain the word BLOCKED."
    plan = sample_plan(limits=Limits(removal_floor=1))

    assert plan.blocked
    assert plan.findings[0].rule == "removals_per_group"
    assert f"BLOCKED: {plan.findings[0].message}" in plan.summary()
    assert "BLOCKED" in repr(plan)
    assert "BLOCKED" in plan._repr_html_()


def test_findings_on_card():
    "The card of a plan lists the findings with a label. Blocking findings come first and have another color."
    plan = sample_plan(limits=Limits(removal_floor=1))

    card = plan._repr_html_()

    blocking = [finding for finding in plan.findings if finding.blocking]
    positions = [card.index(escape(finding.message)) for finding in plan.findings[:5]]
    assert positions == sorted(positions) and len(plan.findings) > len(blocking) > 0
    assert card.count(">BLOCKED</strong>") == len(blocking) + 1  # The title has the same label.
    assert card.count("#e5484d") == len(blocking) and ">Note</strong>" in card


@pytest.mark.parametrize(
    ("limits", "call"),
    [(Limits(), "fg.save_review(plan, "), (Limits(removal_floor=1), "mode='mirror', limits=fg.Limits(")],
)
def test_next_step_on_card(limits, call):
    "The card of a plan shows the number of members who stay, and the next step as a Python call."
    card = unescape(sample_plan(limits=limits)._repr_html_())

    assert "Members who stay" in card and "3 of 5" in card
    assert call in card and MODE_TEXTS["mirror"] in card


def test_next_step_of_stale_plan():
    "If no limit can allow a plan, the next step is a plan from a new snapshot. An empty plan has no next step."
    finding = Finding("erased_customers", "A customer was erased.", blocking=True)
    plan = replace(sample_plan(), notes=(finding,))

    assert "Load a new snapshot" in plan._repr_html_()
    assert "fg." not in plan_memberships(sample_snapshot(), {"vip": ["c-1"]})._repr_html_()


def test_card_is_escaped():
    "On the card of a plan, group names are escaped for HTML. The card contains no uids of members."
    card = change_group("vip", name="<script>alert(1)</script>")._repr_html_()

    assert "<script>" not in card
    assert "c-3" not in card
    assert "c-3" not in repr(sample_plan())


# Selection


def test_select_groups():
    "A selection from a plan contains the selected groups and their notes, and it has a separate digest."
    plan = sample_plan()

    smaller = plan.select(["VIP", "new"])

    assert [group.uid for group in smaller.groups] == ["new", "vip"]
    assert smaller.notes == ()
    assert smaller.digest != plan.digest
    assert plan.select().digest == plan.digest
    assert plan.select(["staff"]).notes == plan.notes
    assert plan.select([]).is_empty


def test_select_from_undo_plan(tmp_path):
    "A selection from an undo plan is a partial undo, unless it contains all changes of the undo plan."
    undo = sample_plan(reverts="ab" * 32)

    part = undo.select(["vip"])

    assert part.partial_undo and part.reverts == undo.reverts
    assert undo.select(without=["c-9"]).partial_undo and part.select().partial_undo
    assert not undo.select().partial_undo and not sample_plan().select(["vip"]).partial_undo
    assert read_plan(part.save(tmp_path / "p.json")).partial_undo
    assert part.digest != replace(part, partial_undo=False).digest


def test_select_from_file(tmp_path):
    "If a plan has no snapshot, a selection from it adds a sentence about the original plan to notes with a number."
    note = Finding("out_of_sight", "1 customer will be in no group.", n=1)
    plan = read_plan(sample_plan(notes=(note,)).save(tmp_path / "p.json"))

    once, twice = (
        next(finding.message for finding in selection.findings if finding.rule == "out_of_sight")
        for selection in (plan.select(["staff"]), plan.select(["staff"]).select(["staff"]))
    )

    assert once.startswith(f"{note.message} ") and len(once) > len(note.message) + 1
    assert twice == once


def test_select_without():
    "The argument `without` leaves out a group, or leaves out a customer in all groups."
    plan = sample_plan()

    assert [group.uid for group in plan.select(without=["Staff"]).groups] == ["new", "vip"]
    smaller = plan.select(without=["c-5", "c-1", "c-2"])
    assert smaller.table()[["customer_group_uid", "customer_uid", "change"]].values.tolist() == [
        ["new", "x-1", "add"],
        ["vip", "c-9", "add"],
        ["vip", "c-4", "remove"],
    ]
    assert smaller.groups[1].baseline == plan.groups[2].baseline
    assert plan.select(without=["x-1"]).groups[0].unknown == frozenset()


def test_select_created_group():
    "If all customers of a new group are left out, the group is still created."
    smaller = sample_plan().select(["new"], without=["c-5", "x-1"])

    assert [request["method"] for request in smaller.requests()] == ["POST"]
    assert "Black Week" in smaller.summary().splitlines()[0]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"groups": ["all"]}, "'all'"),
        ({"groups": "vip"}, "`groups`"),
        ({"without": ["c-77"]}, r"`without`.*'c-77'"),
        ({"without": "c-5"}, "`without`"),
    ],
)
def test_select_unknown_name(options, part):
    "If a selected group or customer is not in the plan, InputError is raised."
    with pytest.raises(InputError, match=part):
        sample_plan().select(**options)


def test_limits_of_selection():
    "If a part of a plan is selected, only the selected changes are compared with the limits."
    plan = sample_plan(limits=Limits(removal_floor=1, additions_total=4))

    assert {finding.rule for finding in plan.findings if finding.blocking} == {
        "removals_per_group",
        "additions_total",
    }
    assert not plan.select(without=["vip"]).blocked


# Preview and findings


def test_preview():
    "The preview of a plan contains the new memberships and all other groups, customers, and consents."
    snapshot = sample_snapshot()
    plan = plan_memberships(
        snapshot, {"vip": ["c-1", "x-1"], "bw": ["c-3"]}, mode="mirror", create={"bw": "Black Week"}
    )

    after = plan.preview()

    assert list(after["VIP"]) == ["c-1", "x-1"]
    assert list(after["Black Week"]) == ["c-3"]
    assert list(after["all"]) == list(snapshot["all"])
    assert len(after.customers) == 252
    assert len(after.consents) == len(snapshot.consents)


def test_preview_from_file(tmp_path):
    "If a plan was read from a file, its preview contains only the changed groups."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})

    after = read_plan(plan.save(tmp_path / "p.json")).preview()

    assert list(after.groups["customer_group_uid"]) == ["vip"]
    assert list(after["vip"]) == ["c-1", "c-2", "c-7"]
    assert read_plan(sample_plan(groups=()).save(tmp_path / "e.json")).preview().groups.empty


@few
@given(now=worlds, wanted=worlds)
def test_plan_from_preview(now, wanted):
    "If the same memberships are planned again from the preview of a plan, the new plan is empty."
    after = plan_memberships(snapshot_of(now), wanted, mode="mirror").preview()

    assert {uid: set(after[uid]) for uid in wanted} == {uid: set(members) for uid, members in wanted.items()}
    assert plan_memberships(after, wanted, mode="mirror").is_empty


@few
@given(now=worlds, wanted=worlds, create=st.booleans())
def test_preview_equals_new_snapshot(now, wanted, create):
    "The preview of a plan is equal to a snapshot that is created from the changed memberships."
    snapshot = snapshot_of(now)
    joining = {"b-1", "z-9"}
    new = {"g0": "New"} if create else {}

    wanted = {uid: members | joining for uid, members in wanted.items()} | dict.fromkeys(new, joining)

    after = plan_memberships(snapshot, wanted, mode="mirror", create=new).preview()

    world = now | wanted
    again = snapshot_of(world, more=joining)
    pd.testing.assert_frame_equal(after.memberships, again.memberships)
    pd.testing.assert_frame_equal(after.customers, again.customers)
    pd.testing.assert_frame_equal(after.reads, again.reads)
    assert list(after.groups["customer_group_uid"]) == sorted(world)
    assert (after.tenant_uid, after.base_url) == (snapshot.tenant_uid, snapshot.base_url)


def test_finding_in_file(tmp_path):
    "A plan file stores all attributes of a finding."
    notes = (
        Finding("a", "notice", False, "vip", 3, (("removals_total", 4), ("removal_share", None))),
        Finding("b", "blocks", True, None, 0),
    )
    plan = replace(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}), notes=notes, snapshot=None)

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert again.notes == notes and again.blocked


def test_findings_of_empty_plan():
    "The summary of a plan without changes contains its findings."
    plan = plan_memberships(sample_snapshot(), {"vip": []})
    plan_with_note = replace(plan, notes=(Finding("unverifiable", "VIP could not be verified.", False, "vip"),))

    assert plan_with_note.is_empty
    assert plan_with_note.summary().splitlines()[-1] == "VIP could not be verified."


@pytest.mark.parametrize("name", ["a\0b.json", "a\ud83d.json"])
def test_invalid_file_name(tmp_path, name):
    "An invalid file name raises InputError when a plan is saved or read."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})

    for call in (plan.save, read_plan):
        with pytest.raises(InputError, match=r"a\\(x00|ud83d)b?\.json"):
            call(tmp_path / name)


def test_lone_surrogate(tmp_path):
    "A plan that contains a lone surrogate, which cannot be encoded, is not saved."
    limits = Limits(per_group={"vip\ud83d": Limits()})
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits)

    with pytest.raises(InputError, match="plan"):
        plan.save(tmp_path / "p.json")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"held_back": []}, {"mode": "add_" + "only"}])
def test_unknown_content(tmp_path, change):
    "A plan file with an unknown key or mode raises CorruptFileError."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan") | change
    write_checksummed(path, "plan", content)

    with pytest.raises(CorruptFileError):
        read_plan(path)


def test_missing_exclusions(tmp_path):
    "A plan file without the list of excluded changes raises CorruptFileError."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan")
    del content["excluded"]
    write_checksummed(path, "plan", content)

    with pytest.raises(CorruptFileError):
        read_plan(path)
