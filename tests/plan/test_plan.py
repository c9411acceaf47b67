"""A plan as a value: its digest, its file, what it sends, and what is left after a selection."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, sha256, write_checksummed
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import plan_to_dict, read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

few = settings(max_examples=30)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def sample_plan(**changes):
    """A plan that adds to two groups, removes from one, and creates one."""
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
        "notes": (Finding("covered", "Staff was not paged.", False, "staff", 3),),
    }
    return Plan(**values | changes)


def changed(uid, /, **values):
    """The sample plan with one group changed."""
    return sample_plan(
        groups=tuple(replace(one, **values) if one.uid == uid else one for one in sample_plan().groups)
    )


# The digest


def test_digest():
    "The digest has 64 hex digits and is the same for equal plans."
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
        changed("new", name="Black Weak"),
        changed("new", create=False),
        changed("staff", uid="stuff"),
        changed("staff", add=("c-1",)),
        changed("staff", add=("c-1", "c-6")),
        changed("staff", add=("c-1",), remove=("c-5",)),
        changed("vip", add=("c-2",), remove=("c-9", "c-4")),
        changed("vip", baseline=("c-1", "c-2", "c-3", "c-4", "c-5")),
        changed("vip", baseline=("c-1", "c-2", "c-3", "c-8")),
    ],
)
def test_digest_covers(other):
    "The digest covers tenant, host, mode, limits, creations, operations and baselines."
    assert other.digest != sample_plan().digest


@pytest.mark.parametrize(
    "same",
    [
        sample_plan(planned_at=NOON + timedelta(days=3)),
        sample_plan(snapshot_taken_at=NOON),
        sample_plan(notes=()),
        sample_plan(reverts="0" * 64),
        sample_plan(limits=Limits(removals_total=500.0)),
        changed("vip", name="Very important"),
    ],
)
def test_digest_does_not_cover(same):
    "The digest does not cover times, notes and current group names."
    assert same.digest == sample_plan().digest


def test_digest_of_uids_with_line_ends():
    "Baselines with line ends in uids have different digests."
    one, other = (changed("vip", baseline=uids) for uids in (("a\nb", "c"), ("a", "b\nc")))

    assert one.digest != other.digest


customers = st.sampled_from([f"c-{n}" for n in range(8)])
groups = st.sampled_from(["g1", "g2", "g3"])
worlds = st.dictionaries(groups, st.frozensets(customers), min_size=3, max_size=3)


def snapshot_of(world, *, rows=None, more=()):
    """A snapshot of {group: customers}; `rows` gives the memberships in an order of their own, `more` customers."""
    rows = rows or [(uid, customer) for uid, members in world.items() for customer in members]
    everyone = [*(f"c-{n}" for n in range(8)), *more]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": sorted(world), "name": sorted(world)}),
        pd.DataFrame({"customer_uid": everyone}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
    )


@few
@given(now=worlds, wanted=worlds, data=st.data())
def test_digest_of_equivalent_tables(now, wanted, data):
    "Row order, repetitions, column order, dtype and index do not affect the digest."
    plan = plan_memberships(snapshot_of(now), wanted, mode="mirror")
    rows = [(uid, customer) for uid, members in now.items() for customer in members]
    rows = data.draw(st.permutations(rows + rows[:3])) if rows else None
    asked = [(uid, customer) for uid, members in wanted.items() for customer in members]
    asked = data.draw(st.permutations(asked + asked[:3]))
    dtype = data.draw(st.sampled_from(["object", "str", "string", "category"]))
    table = pd.DataFrame(asked, columns=["customer_group_uid", "customer_uid"]).astype(dtype)
    table = table.assign(note=1.5)[["note", "customer_uid", "customer_group_uid"]]
    table.index = data.draw(st.sampled_from([range(len(table)), [7] * len(table)]))

    lists = {uid: data.draw(st.permutations(sorted(wanted[uid]))) for uid in sorted(wanted, reverse=True)}

    assert plan_memberships(snapshot_of(now, rows=rows), lists, mode="mirror").digest == plan.digest
    if len(set(table["customer_group_uid"])) == 3:
        assert plan_memberships(snapshot_of(now, rows=rows), table, mode="mirror").digest == plan.digest


# The file


def facts(plan):
    """All that a plan says."""
    return plan_to_dict(plan), plan.findings, plan.summary()


def test_save_and_read(tmp_path):
    "A plan file contains operations, baselines, limits, findings, times and digest."
    limits = Limits(removals_per_group=1, removal_floor=1, per_group={"s*": Limits(), "*": Limits(removals_total=7)})
    plan = sample_plan(limits=limits, reverts="ab" * 32)

    path = plan.save(tmp_path / "deep" / "black-week.plan.json")

    assert path.is_absolute()
    assert facts(read_plan(path)) == facts(plan)
    assert read_plan(path).digest == plan.digest
    pd.testing.assert_frame_equal(read_plan(path).table(), plan.table())


@few
@given(now=worlds, wanted=worlds, mode=st.sampled_from(["add", "keep_only", "mirror"]))
def test_file_round_trip(tmp_path_factory, now, wanted, mode):
    "read_plan(save(plan)) returns an equal plan."
    plan = plan_memberships(snapshot_of(now), wanted, mode=mode)

    path = plan.save(tmp_path_factory.mktemp("plans") / "p.json")

    assert facts(read_plan(path)) == facts(plan)


def test_flipped_bit(tmp_path):
    "A flipped bit raises an error."
    path = sample_plan().save(tmp_path / "p.json")
    whole = path.read_bytes()

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError):
            read_plan(path)


@given(data=st.data())
def test_altered_file(tmp_path_factory, data):
    "Changed, removed or inserted bytes raise an error or do not change the plan."
    path = tmp_path_factory.mktemp("plans") / "p.json"
    whole = sample_plan().save(path).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(start + 3, len(whole))))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=3)) + whole[end:])

    try:
        found = read_plan(path)
    except InputError:
        return
    assert facts(found) == facts(sample_plan())


@pytest.mark.parametrize("n", [0, 1, 40, -2])
def test_truncated_file(tmp_path, n):
    "A truncated file raises an error that names the file."
    path = sample_plan().save(tmp_path / "p.json")
    path.write_bytes(path.read_bytes()[:n])

    with pytest.raises(CorruptFileError, match=r"p\.json is not a whole plan.*Take the original file again"):
        read_plan(path)


def test_altered_operations_with_valid_checksum(tmp_path):
    "Operations that do not match the digest raise an error, even if the checksum is valid."
    content = plan_to_dict(sample_plan())
    content["groups"][2]["remove"] = []
    path = write_checksummed(tmp_path / "p.json", "plan", content)

    with pytest.raises(CorruptFileError, match=f"says its digest is {sample_plan().digest[:12]}"):
        read_plan(path)


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
    "Invalid content raises CorruptFileError, even if the checksum is valid."
    path = write_checksummed(tmp_path / "p.json", "plan", plan_to_dict(sample_plan()) | broken)

    with pytest.raises(CorruptFileError, match="does not hold a whole plan"):
        read_plan(path)


@pytest.mark.parametrize("side", ["baseline", "add", "remove"])
@pytest.mark.parametrize("uid", [5, None, "half \ud800"])
def test_invalid_uids_with_valid_checksum(tmp_path, side, uid):
    "Numbers or lone surrogates as uids raise an error when the file is read."
    path = sample_plan().save(tmp_path / "p.json")
    sealed = json.loads(path.read_text())
    sealed["content"]["groups"][0][side] = [uid]
    path.write_text(json.dumps(sealed | {"checksum": sha256(canonical_json(sealed["content"]))}))

    with pytest.raises(CorruptFileError, match="does not hold a whole plan"):
        read_plan(path)


def test_other_version(tmp_path):
    "A file of another version raises an error."
    path = sample_plan().save(tmp_path / "p.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 1}))

    with pytest.raises(InputError, match="has format version 1; this frgroups reads 2"):
        read_plan(path)


def test_other_files(tmp_path):
    "An approval, a folder, a missing file and other JSON raise an error."
    approval = write_checksummed(tmp_path / "a.json", "approval", {})
    other = tmp_path / "other.json"
    other.write_text('{"plan": 1}')

    with pytest.raises(InputError, match="is a 'frgroups approval', not a plan"):
        read_plan(approval)
    with pytest.raises(InputError, match="is not a whole plan"):
        read_plan(other)
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder"):
        sample_plan().save(tmp_path)


def test_file_mode(tmp_path):
    "The file has mode 0600, and no temporary file remains."
    path = sample_plan().save(tmp_path / "p.json")
    sample_plan().save(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["p.json"]


def test_full_disk(tmp_path, monkeypatch):
    "A full disk raises InputError, and the existing file is unchanged."
    path = sample_plan().save(tmp_path / "p.json")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["frgroups.internals.atomic_files"], "fsync_path", full)
    with pytest.raises(InputError, match="No space left"):
        sample_plan(tenant_uid="t-2").save(path)

    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["p.json"]


def test_canonical_json():
    "Key order and spaces do not matter, the order of a list does."
    assert canonical_json({"b": [2, 1], "a": "ø"}) == '{"a":"ø","b":[2,1]}'
    assert sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# What it tells and sends


def test_table():
    "Additions come before removals in each group; unknown customers have a finding."
    assert sample_plan().table().to_dict("split")["data"] == [
        ["new", "c-5", "add", ""],
        ["new", "x-1", "add", "not in the snapshot"],
        ["staff", "c-1", "add", ""],
        ["staff", "c-5", "add", ""],
        ["vip", "c-9", "add", ""],
        ["vip", "c-2", "remove", ""],
        ["vip", "c-4", "remove", ""],
    ]
    assert (sample_plan().n_add, sample_plan().n_remove) == (5, 2)


def test_table_of_empty_plan():
    "The table of an empty plan has the same columns."
    empty = sample_plan(groups=(), notes=())

    assert empty.is_empty
    assert not empty.blocked
    assert list(empty.table().columns) == list(sample_plan().table().columns)
    assert list(empty.table().dtypes) == list(sample_plan().table().dtypes)
    assert empty.payloads() == empty.requests() == []
    assert empty.summary() == "Nothing to do: t-1 already is as wanted."


def test_payloads():
    "There is one payload per group, in uid order, with the field names of the API."
    assert sample_plan().payloads() == [
        {"customerGroupUid": "new", "addCustomerUids": ["c-5", "x-1"], "removeCustomerUids": []},
        {"customerGroupUid": "staff", "addCustomerUids": ["c-1", "c-5"], "removeCustomerUids": []},
        {"customerGroupUid": "vip", "addCustomerUids": ["c-9"], "removeCustomerUids": ["c-2", "c-4"]},
    ]


def test_request_order():
    "Requests create groups, then add, then remove; no body contains both."
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
    "No request is empty or larger than the chunk size, and together they contain each uid once."
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
    "A chunk size below 1 raises InputError."
    with pytest.raises(InputError, match=f"`chunk` must be an integer of at least 1, got {chunk}"):
        sample_plan().requests(chunk=chunk)


def test_purpose(tmp_path):
    "The purpose is in the summary, the file and the card, on one line; the digest does not cover it."
    said = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, purpose=" Black Week,\n ticket 12 ")
    silent = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})

    assert said.summary().startswith("For: Black Week, ticket 12\n") and said.digest == silent.digest
    assert read_plan(said.save(tmp_path / "p.json")).purpose == said.select(["vip"]).purpose == said.purpose
    assert "Black Week, ticket 12" in said._repr_html_()
    with pytest.raises(InputError, match="purpose"):
        plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, purpose=None)


def test_summary():
    "The summary has a line per group, the findings and the requests."
    assert sample_plan().summary().splitlines() == [
        "2 customers join Black Week (new group) (0 -> 2).",
        "2 customers join Staff (1 -> 3).",
        "1 customer joins VIP (4 -> 3). 2 leave.",
        "1 of 2 customers to join Black Week are in no group now (x-1): either they are new to all groups, "
        "or they do not exist and will be rejected.",
        "Staff was not paged.",
        "5 write requests to https://api.example.",
        "11 requests in all, with 3 to read before, 3 to read back: under a minute at 20 a second, if an answer "
        "takes 0.2 s. Up to 2 more to find the customer that is in no group, if rejected.",
    ]


def test_blocked_plan():
    "Summary, representation and card of a blocked plan say so; the finding comes first."
    plan = sample_plan(limits=Limits(removal_floor=1))

    assert plan.blocked
    assert plan.findings[0].rule == "removals_per_group"
    assert "BLOCKED: VIP would lose 2 of 4 customers (50%)" in plan.summary()
    assert "BLOCKED by 1 limit" in repr(plan)
    assert "BLOCKED" in plan._repr_html_()


def test_findings_on_card():
    "Each finding on the card is a sentence, followed by a space."
    plan = sample_plan(limits=Limits(removal_floor=1))

    card = plan._repr_html_()

    assert len(plan.findings) > 1
    assert escape(" ".join(map(str, plan.findings[:5]))) in card


def test_card_is_escaped():
    "Names are escaped on the card, and the card contains no uids of members."
    card = changed("vip", name="<script>alert(1)</script>")._repr_html_()

    assert "<script>" not in card
    assert "c-3" not in card
    assert "c-3" not in repr(sample_plan())


# Smaller plans


def test_select_groups():
    "A selection contains the groups by uid or name, in uid order, with their notes and its own digest."
    plan = sample_plan()

    smaller = plan.select(["VIP", "new"])

    assert [one.uid for one in smaller.groups] == ["new", "vip"]
    assert smaller.notes == ()
    assert smaller.digest != plan.digest
    assert plan.select().digest == plan.digest
    assert plan.select(["staff"]).notes == plan.notes
    assert plan.select([]).is_empty


def test_select_from_file(tmp_path):
    "Without a snapshot, a note with a number states once that it concerns the whole plan."
    note = Finding("out_of_sight", "1 customer will be in no group.", n=1)
    plan = read_plan(sample_plan(notes=(note,)).save(tmp_path / "p.json"))

    [told] = [one for one in plan.select(["staff"]).select(["staff"]).findings if one.rule == "out_of_sight"]

    assert told.message == "1 customer will be in no group. So it was of all groups of that plan."


def test_select_without():
    "without= removes a group by uid or name, or a customer from every group; empty groups are removed."
    plan = sample_plan()

    assert [one.uid for one in plan.select(without=["Staff"]).groups] == ["new", "vip"]
    left = plan.select(without=["c-5", "c-1", "c-2"])
    assert left.table()[["customer_group_uid", "customer_uid", "change"]].values.tolist() == [
        ["new", "x-1", "add"],
        ["vip", "c-9", "add"],
        ["vip", "c-4", "remove"],
    ]
    assert left.groups[1].baseline == plan.groups[2].baseline
    assert plan.select(without=["x-1"]).groups[0].unknown == frozenset()


def test_select_created_group():
    "A group to create remains if all its customers are left out."
    left = sample_plan().select(["new"], without=["c-5", "x-1"])

    assert left.summary().startswith("Black Week is created, empty.\n1 write request")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"groups": ["all"]}, "0 groups of this plan are 'all'"),
        ({"groups": "vip"}, "takes several"),
        ({"without": ["c-77"]}, "neither a group nor a customer"),
        ({"without": "c-5"}, "takes several"),
    ],
)
def test_select_unknown_name(options, told):
    "An unknown group or customer raises InputError."
    with pytest.raises(InputError, match=told):
        sample_plan().select(**options)


def test_limits_of_selection():
    "The limits are compared with the selection."
    plan = sample_plan(limits=Limits(removal_floor=1, additions_total=4))

    assert {finding.rule for finding in plan.findings if finding.blocking} == {
        "removals_per_group",
        "additions_total",
    }
    assert not plan.select(without=["vip"]).blocked


# Afterwards


def test_preview():
    "The preview contains the groups after the plan, and all other groups, customers and consents."
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
    "The preview of a plan file contains only the touched groups."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})

    after = read_plan(plan.save(tmp_path / "p.json")).preview()

    assert list(after.groups["customer_group_uid"]) == ["vip"]
    assert list(after["vip"]) == ["c-1", "c-2", "c-7"]
    assert read_plan(sample_plan(groups=()).save(tmp_path / "e.json")).preview().groups.empty


@few
@given(now=worlds, wanted=worlds)
def test_plan_from_preview(now, wanted):
    "Planning the same memberships from the preview returns an empty plan."
    after = plan_memberships(snapshot_of(now), wanted, mode="mirror").preview()

    assert {uid: set(after[uid]) for uid in wanted} == {uid: set(members) for uid, members in wanted.items()}
    assert plan_memberships(after, wanted, mode="mirror").is_empty


@few
@given(now=worlds, wanted=worlds, create=st.booleans())
def test_preview_equals_new_snapshot(now, wanted, create):
    "The preview equals a snapshot made from the changed memberships, including new customers."
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
    "A plan file contains all attributes of a finding."
    notes = (
        Finding("a", "told", False, "vip", 3, (("removals_total", 4), ("removal_share", None))),
        Finding("b", "blocks", True, None, 0),
    )
    plan = replace(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}), notes=notes, snapshot=None)

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert again.notes == notes and again.blocked


def test_findings_of_empty_plan():
    "The summary of an empty plan contains its findings."
    plan = plan_memberships(sample_snapshot(), {"vip": []})
    told = replace(plan, notes=(Finding("unverifiable", "VIP could not be proved.", False, "vip"),))

    assert told.is_empty
    assert told.summary().splitlines() == ["Nothing to do: t-1 already is as wanted.", "VIP could not be proved."]


@pytest.mark.parametrize("name", ["a\0b.json", "a\ud83d.json"])
def test_invalid_file_name(tmp_path, name):
    "Saving and reading raise an error that names an invalid file name."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})

    for call in (plan.save, read_plan):
        with pytest.raises(InputError, match="no name of a plan file"):
            call(tmp_path / name)


def test_lone_surrogate(tmp_path):
    "A plan with a lone surrogate, for example in a pattern of limits, is not written."
    limits = Limits(per_group={"vip\ud83d": Limits()})
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits)

    with pytest.raises(InputError, match="half of a character"):
        plan.save(tmp_path / "p.json")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"held_back": []}, {"mode": "add_" + "only"}])
def test_unknown_content(tmp_path, change):
    "A plan file with unknown keys or an unknown mode is not read, so that nothing in it is ignored."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan") | change
    write_checksummed(path, "plan", content)

    with pytest.raises(CorruptFileError):
        read_plan(path)


def test_missing_exclusions(tmp_path):
    "A plan file without the list of excluded changes is not read."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan")
    del content["excluded"]
    write_checksummed(path, "plan", content)

    with pytest.raises(CorruptFileError):
        read_plan(path)
