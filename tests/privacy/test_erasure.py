"""Forgetting a customer: nothing of them stays in any file, all else does, and a cut off run is completed."""

import gc
import io
import json
import logging
import shutil
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.journal import Journal
from frgroups.apply.receipt import Receipt
from frgroups.cli.main import main
from frgroups.errors import InputError, LockedError, NotApprovedError, PlanBlockedError
from frgroups.internals.html import escaped_forms
from frgroups.internals.locks import load_lock, tenant_lock
from frgroups.privacy import rewriters
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.text_search import Subject, compile_word_pattern, count_in_body
from frgroups.store.manifest import list_stored_snapshots

OPEN = fg.Limits(removals_per_group=None, removal_share=None, removals_total=None, emptied_groups=None)
HOST = "https://api.example"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
COLUMNS = {"kind": "str", "path": "str", "tenant_uid": "str", "action": "str", "n": "int64", "note": "str"}
UIDS = [f"c-{n}" for n in range(1, 21)]


# What stands in a home


def texts_in(folder):
    """What every file below a folder holds, by its path: names, bytes, cells of parquet files, parts of workbooks."""
    texts = {}
    for path in sorted(folder.rglob("*")):
        text = path.name
        if path.is_file():
            body = path.read_bytes()
            text += "\n" + body.decode("latin-1")
            if path.suffix == ".parquet":
                table = pq.read_table(path, partitioning=None)
                text += "\n" + json.dumps(table.to_pylist(), default=str) + str(table.schema.metadata)
            if body[:4] == b"PK\x03\x04":
                parts = zipfile.ZipFile(io.BytesIO(body))
                text += "\n".join(parts.read(name).decode("latin-1") for name in parts.namelist())
        texts[str(path.relative_to(folder))] = text
    return texts


def files_with(folder, *words):
    """The files in which one of these words stands, not as the beginning of a longer one."""
    pattern = compile_word_pattern(words)
    return [path for path, text in texts_in(folder).items() if pattern.search(text)]


def bytes_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".lock" not in str(path)}


def done(table):
    """The table without paths and notes."""
    return sorted(table[["kind", "action"]].itertuples(index=False, name=None))


# The whole way, against the sandbox


def person(n):
    """A customer of whom everything is known."""
    return {
        "customerUid": f"c-{n}",
        "externalId": f"E{n:04d}",
        "email": f"person{n}@mail.example",
        "mobile": f"+479000{n:04d}",
        "firstname": f"Firstname{n}x",
        "lastname": f"Lastname{n}x",
        "customerConsents": [],
    }


def about(n):
    """All that tells who a customer is."""
    facts = person(n)
    return [value for value in facts.values() if isinstance(value, str)]


@pytest.fixture
def tenant(running, monkeypatch):
    """Twenty customers; c-2 and c-3 are VIP."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05,))
    running.reset()
    running.put_customers([person(n) for n in range(1, 21)])
    running.put_group("all", "All")
    running.put_group("vip", "VIP")
    running.add_members("all", UIDS)
    running.add_members("vip", ["c-2", "c-3"])
    return running


@pytest.fixture
def lived_in(tenant, home_folder):
    """A home after the whole way: load, plan, review, approve, apply, load, undo, and lists."""
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, personal=True)
        plan = fg.plan_memberships(snapshot, {"vip": ["c-1", "c-3", "c-10"]}, mode="mirror", limits=OPEN)
        path = plan.save(home_folder / "plans" / f"bw-{plan.digest[:12]}.plan.json")
        for ending in (".html", ".md", ".csv", ".txt", ".xlsx"):
            fg.save_review(plan, path.with_suffix(ending), personal=snapshot)
        approval = fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")
        receipt = fg.apply_plan(client, plan, approval=approval)
        fg.load_snapshot(client)
    undo = fg.plan_undo(receipt)
    undo.save(home_folder / "plans" / "undo.plan.json")
    fg.save_review(undo, home_folder / "plans" / "undo.html")
    lists = home_folder / "lists"
    lists.mkdir()
    (lists / "uids.txt").write_text("c-1\nc-10\nc-2\n")
    (lists / "campaign.csv").write_text("Kundenummer;Navn\nE0001;Kari\nE0010;Ola\n")
    (lists / "mail.csv").write_text("email\nPerson1@mail.example\nperson10@mail.example\n")
    return plan, receipt


ACTIONS = {
    "approval": "removed",
    "journal": "tombstoned",
    "list": "rewritten",
    "plan": "removed",
    "receipt": "tombstoned",
    "review": "removed",
    "snapshot": "rewritten",
}


def test_no_data_of_an_erased_customer(lived_in, home_folder):
    "No byte, cell or name of any file in the home holds the uid, external id, e-mail, mobile or name."
    assert len(files_with(home_folder, *about(1))) == 15

    table = fg.erase_customer("c-1")

    assert files_with(home_folder, *about(1)) == []
    assert dict(zip(table["kind"], table["action"], strict=True)) == ACTIONS
    assert done(table).count(("list", "rewritten")) == 3
    assert files_with(home_folder, "c-10"), "c-10 begins like c-1 and is somebody else"
    assert not compile_word_pattern(about(1)).search(table.drop(columns="path").to_csv())


def test_no_digest_of_an_erased_customer(lived_in, home_folder):
    "The digest of a plan, with the rest at hand, would tell who was in it: no file and no name has it any more."
    plan, receipt = lived_in
    undo = fg.read_plan(home_folder / "plans" / "undo.plan.json")
    assert any(plan.digest[:12] in text for text in texts_in(home_folder).values())

    fg.erase_customer("c-1")

    for digest in (plan.digest, undo.digest):
        assert not any(digest[:12] in text for text in texts_in(home_folder).values())
    assert not receipt.path.exists()


def test_what_is_left_reads_and_adds_up(lived_in, home_folder):
    "Snapshots, receipt and journal read as before without the customer; the receipt counts the tombstone."
    _, receipt = lived_in
    before = [fg.read_snapshot(kept.path) for kept in list_stored_snapshots()]

    fg.erase_customer("c-1")

    after = [fg.read_snapshot(kept.path) for kept in list_stored_snapshots()]
    for old, new in zip(before, after, strict=True):
        assert_same_without(old, new, "c-1")
    [path] = home_folder.rglob("*.receipt.json")
    found = fg.read_receipt(path)
    assert found.counts == receipt.counts and found.ok
    assert list(found.table()["customer_uid"]) == ["(erased-1)", "c-10", "c-2"]
    assert "1 customer was erased since" in found.summary()
    assert found.members_after["vip"] == ("(erased-1)", "c-10", "c-3")
    assert [len(one.baseline) for one in found.plan.groups] == [2]
    [path] = (home_folder / "journals").rglob("*.jsonl")
    assert Journal(path).state.accepted == {
        ("vip", "(erased-1)", "add"),
        ("vip", "c-10", "add"),
        ("vip", "c-2", "remove"),
    }


def test_a_dry_run_tells_the_same_and_changes_nothing(lived_in, home_folder):
    "What is told beforehand is what is then done, and no byte is touched."
    before = bytes_in(home_folder)

    told = fg.erase_customer("c-1", dry_run=True)

    assert bytes_in(home_folder) == before
    assert done(told) == done(fg.erase_customer("c-1"))


def test_a_second_run_finds_nothing(lived_in):
    "After an erasure there is nothing to do; the empty table has the same columns."
    first = fg.erase_customer("c-1")
    again = fg.erase_customer("c-1")

    assert first.dtypes.astype(str).to_dict() == again.dtypes.astype(str).to_dict() == COLUMNS
    assert again.empty


def test_erase_a_second_customer(lived_in, home_folder):
    "Each gets a tombstone of its own, and the counts still add up."
    _, receipt = lived_in
    fg.erase_customer("c-1")
    fg.erase_customer("c-2")

    [path] = home_folder.rglob("*.receipt.json")
    found = fg.read_receipt(path)
    assert list(found.table()["customer_uid"]) == ["(erased-1)", "c-10", "(erased-2)"]
    assert found.counts == receipt.counts
    assert "2 customers were erased since" in found.summary()
    assert files_with(home_folder, *about(1), *about(2)) == []


# What may still be done with what is left


def test_undo_without_erased_customer(tenant, lived_in, home_folder):
    "It takes the others back, can be applied, and never names a tombstone."
    fg.erase_customer("c-1")
    [path] = home_folder.rglob("*.receipt.json")

    undo = fg.plan_undo(fg.read_receipt(path))

    assert undo.payloads() == [
        {"customerGroupUid": "vip", "addCustomerUids": ["c-2"], "removeCustomerUids": ["c-10"]}
    ]
    assert "1 change of customers who were erased since is left out." in undo.summary()
    with tenant.client(writable=True) as client:
        assert fg.apply_plan(client, undo, approval=undo.digest).ok
    assert tenant.members("vip") == ["c-1", "c-2", "c-3"]


def test_undo_of_erased_customer_only(tenant, home_folder):
    "The undo is empty, because its only customer was erased."
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"vip": ["c-1"]})
        fg.apply_plan(client, plan, approval=plan.digest)
    fg.erase_customer("c-1")
    [path] = home_folder.rglob("*.receipt.json")

    undo = fg.plan_undo(fg.read_receipt(path))

    assert undo.is_empty
    assert "erased since is left out" in undo.summary()


def test_a_plan_that_was_applied_is_known_though_its_digest_is_not(tenant, lived_in):
    "A copy of the plan, applied again, gets its receipt, and nothing is sent."
    plan, receipt = lived_in
    fg.erase_customer("c-1")
    tenant.clear_requests()

    with tenant.client(writable=True) as client:
        again = fg.apply_plan(client, plan, approval=plan.digest)

    assert again.repeated and again.counts == receipt.counts
    assert [request for request in tenant.requests() if request["method"] != "GET"] == []


def test_another_plan_of_the_same_moment_is_not_taken_for_it(tenant, home_folder):
    "Parts of one plan have the same planning time; an erasure in one part does not block the other."
    tenant.put_group("bw", "Black Week")
    with tenant.client(writable=True) as client:
        whole = fg.plan_memberships(fg.load_snapshot(client), {"vip": ["c-1"], "bw": ["c-5"]})
        one, other = whole.select(["vip"]), whole.select(["bw"])
        fg.apply_plan(client, one, approval=one.digest)
        fg.erase_customer("c-1")

        receipt = fg.apply_plan(client, other, approval=other.digest)

    assert receipt.ok and not receipt.repeated
    assert tenant.members("bw") == ["c-5"]


def test_an_apply_that_was_not_at_its_end_cannot_be_gone_on_with(tenant, home_folder):
    "Nothing is sent, neither a tombstone nor the customer, and the message says what to do."
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"vip": ["c-1", "c-5"]})
        with Journal.for_plan(plan, None) as journal:
            journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval={})
            journal.write("observed", group="vip", n_members=2, add=[], remove=[])
            journal.write("intent", group="vip", change="add", uids=["c-1", "c-5"])
        fg.erase_customer("c-1")
        tenant.clear_requests()

        with pytest.raises(InputError, match=r"a customer of it was erased since .*Load again and make a new plan"):
            fg.apply_plan(client, plan, approval=plan.digest)

    assert tenant.requests() == []


def test_a_plan_with_a_tombstone_is_blocked(tenant, lived_in, home_folder):
    "The plan in a receipt can be neither approved nor applied, and the client would refuse its uid too."
    fg.erase_customer("c-1")
    [path] = home_folder.rglob("*.receipt.json")
    plan = replace(fg.read_receipt(path).plan, planned_at=datetime.now(UTC))
    tenant.clear_requests()

    assert plan.blocked and "1 customer of this plan was erased since. Load and plan again." in plan.summary()
    with tenant.client(writable=True) as client:
        with pytest.raises(PlanBlockedError, match="erased since"):
            fg.apply_plan(client, plan, approval=plan.digest)
        with pytest.raises(InputError):
            client.update_group_customers("vip", add=["(erased-1)"])
    with pytest.raises(NotApprovedError, match="erased since"):
        fg.approve_plan(plan, home_folder / "a.json", by="Kari")
    assert tenant.requests() == []


def test_a_running_apply_is_not_disturbed(lived_in, home_folder, tenant):
    "During an apply nothing is erased, not even a customer that it has not recorded yet."
    before = bytes_in(home_folder)

    with tenant_lock(tenant.tenant_uid, tenant.base_url, "plan"):
        for uid in ("c-1", "c-99"):
            with pytest.raises(LockedError, match=r"is locked: plan by .*No customer was erased"):
                fg.erase_customer(uid)
        assert len(fg.erase_customer("c-1", dry_run=True)) > 10
        assert fg.erase_customer("c-99", tenant_uid="another").empty

    assert bytes_in(home_folder) == before


@pytest.fixture
def told_of_waiting():
    """An event that is set when somebody is told that they wait for a lock."""
    told, log = threading.Event(), logging.getLogger("frgroups.internals")

    class Listener(logging.Handler):
        def emit(self, record):
            if getattr(record, "event", "") == "load_waiting":
                told.set()

    handler = Listener()
    log.addHandler(handler)
    yield told
    log.removeHandler(handler)


def test_a_load_that_is_under_way_is_waited_for(tenant, home_folder, told_of_waiting, caplog):
    "The erasure waits for a running load, logs that it waits, and erases what the load stored."
    begun = threading.Event()

    def slow(*_):
        begun.set()
        assert told_of_waiting.wait(30)

    with tenant.client() as client, ThreadPoolExecutor(2) as pool:
        load = pool.submit(fg.load_snapshot, client, progress=slow)
        assert begun.wait(30)
        table = pool.submit(fg.erase_customer, "c-1").result(60)

        assert "c-1" in load.result(60)["all"]
    assert done(table) == [("snapshot", "rewritten")]
    assert files_with(home_folder, "c-1") == []
    assert f"Waiting for {tenant.tenant_uid}: load by " in caplog.text


def test_load_waits_for_erasure(tenant, home_folder, told_of_waiting):
    "The load reads after the erasure, and logs that it waits."
    with tenant.client() as client, ThreadPoolExecutor(1) as pool:
        with load_lock(home_folder / "snapshots", tenant.tenant_uid, tenant.base_url, what="erase-customer"):
            load = pool.submit(fg.load_snapshot, client, progress=False)
            assert told_of_waiting.wait(30)
            assert not list((home_folder / "snapshots").glob("*@*/*"))

        assert load.result(60).verdict == "consistent"


def test_erasure_within_a_load(tenant):
    "A progress callback would wait for the load that calls it, without end."
    with tenant.client() as client, pytest.raises(LockedError, match=r"in this very thread.*No customer was erased"):
        fg.load_snapshot(client, progress=lambda *_: fg.erase_customer("c-1"))


# A home without a service, made in no time


def snapshot_of(members, *, tenant_uid="t-1", taken_at=NOON, **tables):
    rows = [(group, uid) for group, uids in members.items() for uid in uids]
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")
    groups = pd.DataFrame({"customer_group_uid": sorted(members), "name": sorted(members)}, dtype="str")
    return fg.snapshot_from_frames(
        memberships, groups, **tables, tenant_uid=tenant_uid, taken_at=taken_at, base_url=HOST
    )


def applied(plan, folder=None):
    """A journal and a receipt as an apply leaves them when all went well."""
    with Journal.for_plan(plan, folder) as journal:
        approval = {"how": "digest", "by": "", "at": ""}
        journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
        states = {}
        for one in plan.groups:
            journal.write("observed", group=one.uid, n_members=len(one.baseline), add=[], remove=[])
            for change, uids in (("add", one.add), ("remove", one.remove)):
                if uids:
                    journal.write("intent", group=one.uid, change=change, uids=list(uids))
                    journal.write(
                        "outcome", group=one.uid, change=change, uids=list(uids), result="accepted", message=""
                    )
                states |= {(one.uid, uid, change): "verified" for uid in uids}
        journal.write("end", complete=True, counts={"verified": len(states)})
    after = {one.uid: tuple(sorted({*one.baseline, *one.add} - {*one.remove})) for one in plan.groups}
    return Receipt(plan, states, {}, after, frozenset(after), frozenset(), approval, NOON, NOON, path=None).save(
        journal.path.with_suffix(".receipt.json")
    )


def assert_same_without(old, new, uid):
    """The new snapshot is the old one without a customer."""
    customers = old.customers.assign(
        customer_parent_uid=old.customers["customer_parent_uid"].where(old.customers["customer_parent_uid"] != uid)
    )
    for name, table in (("customers", customers), ("consents", old.consents), ("memberships", old.memberships)):
        expected = table[table["customer_uid"] != uid].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(new, name), expected)
    pd.testing.assert_frame_equal(new.groups, old.groups)
    pd.testing.assert_frame_equal(new.reads, old.reads)
    assert (new.tenant_uid, new.taken_at, new.verdict) == (old.tenant_uid, old.taken_at, old.verdict)


@pytest.fixture
def small(home_folder):
    """Two snapshots, a plan with review and approval that was applied, its undo, and a list."""
    fill(home_folder)
    return home_folder


def fill(home_folder):
    members = {"all": ["c-1", "c-10", "c-2"], "vip": ["c-2"]}
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-10", "c-2"], "external_id": ["E0001", "E0010", "E0002"]})
    snapshot = snapshot_of(members, customers=customers)
    fg.save_snapshot(snapshot)
    fg.save_snapshot(replace(snapshot, taken_at=NOON + timedelta(days=1), read_until=NOON + timedelta(days=1)))
    plan = replace(fg.plan_memberships(snapshot, {"vip": ["c-1", "c-10"]}), planned_at=NOON)
    path = plan.save(home_folder / "plans" / "vip.plan.json")
    fg.save_review(plan, path.with_suffix(".html"))
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")
    undo = fg.plan_undo(fg.read_receipt(applied(plan)))
    undo.save(home_folder / "plans" / "undo.plan.json")
    lists = home_folder / "lists"
    lists.mkdir(exist_ok=True)
    (lists / "vip.csv").write_text("external_id\nE0001\nE0002\n")


def test_the_last_member_leaves_an_empty_group(home_folder):
    "The group stays, with no member; the others' groups are as they were."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1", "c-2"], "vip": ["c-1"]}))

    fg.erase_customer("c-1")

    assert not path.exists()
    snapshot = fg.read_snapshot()
    assert list(snapshot["vip"]) == [] and list(snapshot["all"]) == ["c-2"]


def test_erase_parent(home_folder):
    "Others who had the customer as their parent have none."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2", "c-3"], "customer_parent_uid": [None, "c-1", "c-2"]})
    fg.save_snapshot(snapshot_of({"all": ["c-1", "c-2", "c-3"]}, customers=customers))

    assert fg.erase_customer("c-1")["n"].tolist() == [3]  # the customer, a membership, a child

    assert fg.read_snapshot().customers["customer_parent_uid"].fillna("").tolist() == ["", "c-2"]


def test_one_tenant_or_all(home_folder, tmp_path):
    "The same uid in two tenants is erased in both, unless a tenant is named; the table contains the tenants."
    for tenant_uid in ("t-1", "t-2"):
        snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []}, tenant_uid=tenant_uid)
        fg.save_snapshot(snapshot)
        fg.save_snapshot(snapshot, tmp_path / "cache")
        plan = replace(fg.plan_memberships(snapshot, {"vip": ["c-1"]}), planned_at=NOON)
        applied(plan)
        applied(plan, tmp_path / "journals")
    where = {"cache": tmp_path / "cache", "journal": tmp_path / "journals"}

    first = fg.erase_customer("c-1", tenant_uid="t-2", **where)

    assert set(first["tenant_uid"]) == {"t-2"} and len(first) == 6
    assert "c-1" in fg.read_snapshot(tenant_uid="t-1")["all"]
    assert fg.erase_customer("c-1", tenant_uid="t-2", **where).empty
    rest = fg.erase_customer("c-1", **where)
    assert set(rest["tenant_uid"]) == {"t-1"} and len(rest) == 6
    assert files_with(home_folder, "c-1") == files_with(tmp_path, "c-1") == []


def test_a_plan_that_only_knew_the_customer_as_a_member_goes_too(home_folder):
    "The members that a group had are in the plan file, and their hash is in the digest."
    plan = fg.plan_memberships(snapshot_of({"all": ["c-1", "c-2"], "vip": ["c-1"]}), {"vip": ["c-2"]})
    plan.save(home_folder / "plans" / "p.json")
    fg.save_review(plan, home_folder / "plans" / "p.html")

    assert done(fg.erase_customer("c-1")) == [("plan", "removed"), ("review", "removed")]


@pytest.mark.parametrize("external_id", ["A&B-77777", "O'Neill-77777", "<77777>-x", "Ærø-77777"])
def test_id_in_a_large_page(external_id):
    "A page that is only searched as bytes contains an id as HTML or as JSON in a script, and both are found."
    who = Subject("c-1", ids=frozenset({external_id}))

    in_markup, in_script = escaped_forms(external_id)

    assert count_in_body(f"<td>{in_markup}</td>".encode(), who) == 1
    assert count_in_body(f'["{in_script}"]'.encode(), who) == 1


def test_a_plan_that_took_such_a_plan_back_no_longer_says_which(home_folder):
    "Its own digest stands, and so do its approval and what it does."
    snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []})
    first = fg.plan_memberships(snapshot, {"vip": ["c-1"]})
    first.save(home_folder / "plans" / "first.json")
    other = replace(fg.plan_memberships(snapshot, {"vip": ["c-2"]}), reverts=first.digest)
    other.save(home_folder / "plans" / "other.json")

    table = fg.erase_customer("c-1")

    assert done(table) == [("plan", "removed"), ("plan", "rewritten")]
    found = fg.read_plan(home_folder / "plans" / "other.json")
    assert (found.digest, found.reverts) == (other.digest, "erased")


def test_what_the_service_said_of_the_customer_goes(home_folder):
    "A refusal is about the customer; where the words name the customer in passing, the name alone goes."
    plan = replace(
        fg.plan_memberships(snapshot_of({"all": ["c-1", "c-2"], "vip": []}), {"vip": ["c-1", "c-2"]}), planned_at=NOON
    )
    path = applied(plan)
    receipt = fg.read_receipt(path)
    details = {("vip", "c-1", "add"): "Kari is blocked", ("vip", "c-2", "add"): "c-2 is the spouse of c-1"}
    replace(receipt, states=dict.fromkeys(receipt.states, "rejected"), details=details, stopped="at c-1.").save(path)
    journal = path.with_name(path.name.replace(".receipt.json", ".jsonl"))
    with Journal(journal) as written:
        refused = {"group": "vip", "change": "add", "result": "rejected"}
        written.write("outcome", uids=["c-1"], message="Kari is blocked", **refused)
        written.write("outcome", uids=["c-2"], message="c-2 is the spouse of c-1", **refused)

    fg.erase_customer("c-1")

    [path] = home_folder.rglob("*.receipt.json")
    spouse = "c-2 is the spouse of (erased-1)"
    assert fg.read_receipt(path).table()["detail"].tolist() == ["(erased-1)", spouse]
    assert fg.read_receipt(path).stopped == "at (erased-1)."
    [path] = home_folder.rglob("*.jsonl")
    assert set(Journal(path).state.rejected.values()) == {"(erased-1)", spouse}
    assert files_with(home_folder, "c-1", "Kari") == []


def test_a_rejection_that_names_the_customer_is_reworded(home_folder):
    "The reason of a rejection is free text; the approval file of another plan stays what it was."
    plan = fg.plan_memberships(snapshot_of({"all": ["c-2"], "vip": []}), {"vip": ["c-2"]})
    path = fg.approve_plan(plan, home_folder / "plans" / "a.json", by="Kari", reject="first ask c-1")

    assert done(fg.erase_customer("c-1")) == [("approval", "rewritten")]

    assert json.loads(path.read_text())["content"]["reason"] == "first ask (erased-1)"


def test_a_purpose_that_names_the_customer_is_reworded(home_folder):
    "What a plan of others is for goes on without the name; its digest stands, and its reviews are removed."
    plan = replace(
        fg.plan_memberships(snapshot_of({"all": ["c-2"], "vip": []}), {"vip": ["c-2"]}, purpose="As c-1 asked for"),
        planned_at=NOON,
    )
    saved = plan.save(home_folder / "plans" / "a.json")
    reviews = [
        fg.save_review(plan, home_folder / "plans" / f"a.{ending}") for ending in ("html", "md", "txt", "xlsx")
    ]
    applied(plan)
    assert fg.export_customer("c-1")["plans"][0]["purpose"] == "As c-1 asked for"

    table = fg.erase_customer("c-1")

    assert sorted(done(table)) == [("plan", "rewritten"), ("receipt", "tombstoned"), *[("review", "removed")] * 4]
    found = fg.read_plan(saved)
    assert (found.digest, found.purpose) == (plan.digest, "As … asked for")
    [receipt] = home_folder.rglob("*.receipt.json")
    assert fg.read_receipt(receipt).plan.purpose == "As (erased-1) asked for"
    assert not any(path.exists() for path in reviews) and files_with(home_folder, "c-1") == []
    assert fg.erase_customer("c-1").empty


def test_an_empty_uid_is_refused():
    "Nobody is not a customer."
    for ask in (fg.erase_customer, fg.export_customer):
        for wrong in ("", " ", None, 7):
            with pytest.raises(InputError, match="customer_uid"):
                ask(wrong)
    with pytest.raises(InputError, match="also takes several"):
        fg.erase_customer("c-1", also="list.csv")


def test_the_log_does_not_name_the_customer(small, caplog):
    "A short hash stands for the uid, in words and in facts."
    caplog.set_level(logging.DEBUG, logger="frgroups")

    fg.erase_customer("c-1")

    [record] = [one for one in caplog.records if getattr(one, "event", "") == "customer_erased"]
    assert "4 removed, 3 rewritten, 2 tombstoned" in record.getMessage()
    assert not any("c-1" in repr(vars(one)) for one in caplog.records)
    assert len(record.customer) == 8


# Lists


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c-1\nc-10\n", "c-10\n"),
        ("c-10\r\nc-1", "c-10\r\n"),
        ("customer_uid\nc-1\n", "customer_uid\n"),
        ("customer_uid;rank\nc-1;1\nc-2;2\n", "customer_uid;rank\nc-2;2\n"),
        (
            '\ufeff"Customer UID","name"\r\n"c-1","Ola, ""O"""\r\n"c-2","b"\r\n',
            '\ufeff"Customer UID","name"\r\n"c-2","b"\r\n',
        ),
        ('uid,note\nc-1,"two\nlines"\nc-2,x\n', "uid,note\nc-2,x\n"),
        ("external_id\tname\nE0001\tKari\nE0002\tOla\n", "external_id\tname\nE0002\tOla\n"),
        ('external_id\n="E0001"\nE0002\n', "external_id\nE0002\n"),
        ("id\n'c-1\nc-2\n", "id\nc-2\n"),
        ("id\n\n c-1 \n\nc-2\n", "id\n\n\nc-2\n"),
        ("sep=;\r\nuid;x\r\nc-1;1\r\nc-2;1\r\n", "sep=;\r\nuid;x\r\nc-2;1\r\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_rows_of_a_list_go_and_every_other_byte_stays(before, after, encoding):
    "Whatever the separator, the quotes and the line ends are, only the customer's rows are missing afterwards."
    mark = "\ufeff" if encoding == "utf-16-le" and not before.startswith("\ufeff") else ""

    parted = remove_list_rows((mark + before).encode(encoding), "c-1", ["E0001"])

    assert parted.body.decode(encoding) == mark + after
    assert (len(parted.rows), parted.n_left) == (1, 0)


def test_an_id_in_a_column_of_something_else_is_not_the_customer():
    "A rank of 7 is not the customer 7, nor is another customer's external id."
    body = b"customer_uid;external_id;rank\n3;7;1\n4;5;7\n"

    parted = remove_list_rows(body, "7", ["5"])

    assert parted.body == b"customer_uid;external_id;rank\n3;7;1\n"
    assert parted.rows == [["4", "5", "7"]]


def test_a_list_that_names_the_customer_in_a_longer_text_is_told(home_folder):
    "The rows go; what stands inside a note is for a person to edit."
    path = home_folder / "lists" / "a.csv"
    path.parent.mkdir()
    path.write_text("customer_uid;note\nc-1;\nc-2;friend of c-1\n")

    table = fg.erase_customer("c-1")

    assert done(table) == [("list", "failed")]
    assert "edit by hand" in table["note"][0]
    assert path.read_text() == "customer_uid;note\nc-2;friend of c-1\n"


def workbook(path, rows, change=lambda sheet: None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book.active)
    path.parent.mkdir(exist_ok=True)
    book.save(path)


def test_rows_of_a_workbook_go(small):
    "A workbook of plain cells is written again without the rows."
    path = small / "lists" / "vip.xlsx"
    workbook(path, [["Kundenummer", "Navn"], ["E0001", "Kari"], ["E0002", "Ola"]])

    fg.erase_customer("c-1")

    assert list(fg.read_list(path)) == ["E0002"]
    assert files_with(small, "c-1", "E0001", "Kari") == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda sheet: sheet.cell(3, 2, "=1+1"), "formulas"),
        (lambda sheet: sheet.merge_cells("B2:C3"), "merged cells"),
    ],
)
def test_a_workbook_that_cannot_be_written_again_is_told(home_folder, change, what):
    "What would be lost or moved is named, and the file is left as it is."
    path = home_folder / "lists" / "vip.xlsx"
    workbook(path, [["customer_uid", "n"], ["c-1", 1], ["c-2", 2]], change)
    before = path.read_bytes()

    table = fg.erase_customer("c-1")

    assert done(table) == [("list", "failed")]
    assert what in table["note"][0]
    assert path.read_bytes() == before


@pytest.mark.parametrize("body", [b"\xd0\xcf\x11\xe0 old", b"PK\x03\x04 torn", b"\x00\x01\x02"])
def test_a_list_that_cannot_be_read_is_told(home_folder, body):
    "An old workbook, a torn one, no list at all: it may hold the customer, and somebody must look."
    path = home_folder / "lists" / "vip.xls"
    path.parent.mkdir()
    path.write_bytes(body)

    table = fg.erase_customer("c-1")

    assert done(table) == [("list", "failed")]
    assert "it may contain the customer" in table["note"][0]


def test_files_elsewhere_are_looked_at_when_named(tmp_path):
    "A list, a plan, a folder of them: named in also=, they are treated as those in the home."
    (tmp_path / "a.csv").write_text("id\n0150\nc-2\n")
    (tmp_path / "b.txt").write_text("c-1\nc-2\n")
    plan = fg.plan_memberships(snapshot_of({"vip": ["c-2"]}), {"vip": ["c-1"]})
    plan.save(tmp_path / "plans" / "p.json")

    table = fg.erase_customer("c-1", also=[tmp_path / "a.csv", tmp_path / "b.txt", tmp_path / "plans"], ids=["0150"])

    assert done(table) == [("list", "rewritten"), ("list", "rewritten"), ("plan", "removed")]
    assert files_with(tmp_path, "c-1", "0150") == []


def test_a_place_that_does_not_exist_is_refused(tmp_path, small):
    "A misspelt folder must not pass for one that holds nothing."
    for where in ({"cache": tmp_path / "x"}, {"journal": tmp_path / "x"}, {"also": [tmp_path / "x"]}):
        with pytest.raises(InputError, match="does not exist"):
            fg.erase_customer("c-1", **where)
    assert files_with(small, "c-1")


# Damage, drafts, and what is not ours


def test_what_was_set_aside_and_left_behind_goes(small):
    "Damaged folders and drafts that hold the customer are removed; those that do not are left alone."
    [kept, _] = list_stored_snapshots()
    root = kept.path.parent
    for name in (".damaged-1", ".draft-1", ".gone-1"):
        shutil.copytree(kept.path, root / name)
    (root / ".damaged-1" / "groups.parquet").write_bytes(b"torn")
    path = fg.save_snapshot(snapshot_of({"all": ["c-2"]}, tenant_uid="t-2"))
    path.rename(path.with_name(".damaged-2"))
    (small / "plans" / ".vip.plan.json.0123abcd.draft").write_text('{"add": ["c-1"')

    table = fg.erase_customer("c-1")

    assert {("draft", "removed"), ("quarantined", "removed")} <= set(done(table))
    assert done(table).count(("quarantined", "removed")) == 3
    assert path.with_name(".damaged-2").exists()
    assert files_with(small, "c-1", "E0001") == []


def test_what_was_set_aside_and_cannot_be_read_goes(home_folder):
    "Nobody can tell whether it holds the customer, and no reader looks at it."
    path = fg.save_snapshot(snapshot_of({"all": ["c-2"]}))
    (path / "customers.parquet").write_bytes(b"torn")
    aside = path.rename(path.with_name(".damaged-1"))

    assert done(fg.erase_customer("c-1")) == [("quarantined", "removed")]
    assert not aside.exists()


def test_a_damaged_snapshot_that_holds_the_customer_goes(home_folder):
    "It can be neither read nor rewritten; the good one beside it is rewritten."
    good = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    bad = fg.save_snapshot(snapshot_of({"all": ["c-1"]}, taken_at=NOON + timedelta(days=1)))
    (bad / "reads.parquet").write_bytes(b"torn")

    table = fg.erase_customer("c-1")

    assert done(table) == [("snapshot", "removed"), ("snapshot", "rewritten")]
    assert not bad.exists() and not good.exists()
    assert fg.read_snapshot().customers.empty


def torn(path):
    path.write_bytes(b"torn")


@pytest.mark.parametrize("file", ["customers.parquet", "consents.parquet", "memberships.parquet"])
@pytest.mark.parametrize("damage", [torn, Path.unlink])
def test_a_damaged_snapshot_that_may_hold_the_customer_goes(home_folder, file, damage):
    "Nobody can tell, so it must not stay; it is told as such, by a dry run too, and handed out as such."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    damage(path / file)
    [other] = fg.export_customer("c-1")["other"]
    told = fg.erase_customer("c-1", dry_run=True)

    table = fg.erase_customer("c-1")

    pd.testing.assert_frame_equal(table, told)
    assert done(table) == [("snapshot", "removed")]
    assert table["note"].tolist() == ["it is damaged, and may contain the customer"]
    assert other["note"] == "it is damaged and may contain the customer"
    assert not path.exists()


def test_a_damaged_snapshot_that_does_not_hold_the_customer_stays(home_folder):
    "Its customers can be read, and this one is not among them."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    torn(path / "reads.parquet")

    assert fg.erase_customer("c-2").empty
    assert path.exists()


def test_a_snapshot_that_cannot_be_read_for_now_is_told(home_folder):
    "What is as it was written is not damaged: a disk that is away comes back."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    customers, away = path / "customers.parquet", path.parent / "away"
    customers.rename(away)
    customers.symlink_to(customers)  # The system answers "too many links", an error of its own.
    dry, real = main(["erase-customer", "c-1"]), main(["erase-customer", "c-1", "--yes"])
    customers.unlink()
    away.rename(customers)

    assert dry == real == 5
    assert list(fg.read_snapshot()["all"]) == ["c-1"]


def test_dry_run_and_run_agree(lived_in, home_folder):
    "The same rows, actions and exit code, where something is done and where something could not be."
    bad = fg.save_snapshot(snapshot_of({"all": ["c-1"]}, tenant_uid="t-2"))
    torn(bad / "customers.parquet")
    (home_folder / "notes.md").write_text("ask c-1")
    told, code = fg.erase_customer("c-1", dry_run=True), main(["erase-customer", "c-1"])

    table = fg.erase_customer("c-1")

    assert done(table) == done(told)
    assert code == 5 and done(table).count(("other", "failed")) == 1
    assert main(["erase-customer", "c-1"]) == main(["erase-customer", "c-1", "--yes"]) == 5


def test_a_snapshot_of_another_version_is_told(home_folder):
    "What this version cannot write it does not rewrite."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    manifest = json.loads((path / "manifest.json").read_text()) | {"schema_version": 99}
    (path / "manifest.json").write_text(json.dumps(manifest))

    table = fg.erase_customer("c-1")

    assert done(table) == [("snapshot", "failed")]
    assert "another version" in table["note"][0]


def test_other_peoples_text_is_told_and_left(home_folder):
    "A note about somebody else that names the customer is not ours to cut; the customer's own rows go."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "internal_note": ["x", "spouse of c-1"]})
    fg.save_snapshot(snapshot_of({"all": ["c-1", "c-2"]}, customers=customers))

    table = fg.erase_customer("c-1")

    assert done(table) == [("snapshot", "failed")]
    assert "the customer's rows are removed; 1 mention" in table["note"][0]
    assert list(fg.read_snapshot()["all"]) == ["c-2"]


@pytest.mark.parametrize("ending", [".jsonl", ".receipt.json"])
def test_a_damaged_record_of_what_was_sent_is_told(small, ending):
    "It is the only trace of what was sent; its twin is buried all the same, and neither name tells the digest."
    [path] = small.rglob(f"*{ending}")
    path.write_bytes(path.read_bytes().replace(b"vip", b"VIP", 1))

    table = fg.erase_customer("c-1").set_index("kind")

    kinds = ["receipt", "journal"]
    damaged, whole = kinds if ending == ".receipt.json" else reversed(kinds)
    assert table.loc[damaged, "action"] == "failed"
    assert "damaged" in table.loc[damaged, "note"]
    assert table.loc[whole, "action"] == "tombstoned"
    assert len(files_with(small, "c-1")) == 1


def test_a_damaged_plan_that_names_the_customer_goes(small):
    "A plan can be made again."
    path = small / "plans" / "vip.plan.json"
    path.write_bytes(path.read_bytes()[:-20])
    path.write_text(path.read_text() + '"kind": "frgroups plan"')

    fg.erase_customer("c-1")

    assert not path.exists()


def test_a_torn_last_line_goes_with_the_customer(small):
    "What a crash left behind the last whole line of a journal may name the customer."
    [path] = small.rglob("*.jsonl")
    with path.open("a") as file:
        file.write('{"event": "intent", "uids": ["c-1"')

    fg.erase_customer("c-1")

    assert files_with(small, "c-1") == []
    [path] = small.rglob("*.jsonl")
    assert Journal(path).state.ended


def test_other_files_in_the_home_are_told(small, tmp_path):
    "What frgroups did not write is not touched, whatever it is packed in; a link out of the home is told."
    pd.DataFrame({"who": ["c-1"], "n": [1]}).to_parquet(small / "export.parquet")
    (small / "notes.md").write_text("ask c-1")
    (small / "notes10.md").write_text("ask c-10")
    with zipfile.ZipFile(small / "old.zip", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("a.csv", "c-1\n" * 100)
    (tmp_path / "list.csv").write_text("id\nc-1\n")
    (small / "lists" / "link.csv").symlink_to(tmp_path / "list.csv")

    table = fg.erase_customer("c-1")

    failed = table[table["action"] == "failed"]
    assert sorted(Path(path).name for path in failed["path"]) == ["export.parquet", "link.csv", "notes.md", "old.zip"]
    assert (tmp_path / "list.csv").read_text() == "id\nc-1\n"
    assert fg.erase_customer("c-1")["kind"].tolist() == failed["kind"].tolist()


def test_snapshot_saved_during_erasure(small, monkeypatch):
    "If another process saves a snapshot meanwhile, the note asks to run the erasure again."
    snapshot = fg.read_snapshot()
    late = replace(snapshot, taken_at=NOON + timedelta(days=2), read_until=NOON + timedelta(days=2))

    def save_and_erase(match, subject):
        fg.save_snapshot(late)
        return rewriters.erase_from_list(match, subject)

    monkeypatch.setitem(rewriters.REWRITERS, "list", save_and_erase)

    table = fg.erase_customer("c-1")

    assert table["note"][table["action"] == "failed"].tolist() == [
        "it was created, or left, during the erasure: run it again"
    ]
    assert done(fg.erase_customer("c-1")) == [("snapshot", "rewritten")]


def test_a_file_that_cannot_be_written_does_not_stop_the_others(small, monkeypatch):
    "It is told with the reason; all else is done, and another run does the rest."

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setitem(rewriters.REWRITERS, "list", refuse)
        table = fg.erase_customer("c-1")

    assert table["note"][table["action"] == "failed"].tolist() == ["Permission denied"]
    assert files_with(small, "c-1") == [] and files_with(small, "E0001") == ["lists/vip.csv"]
    assert done(fg.erase_customer("c-1", ids=["E0001"])) == [("list", "rewritten")]


# A run that is cut off


class Killed(BaseException):
    """The process is dead: nothing is written any more."""


HOOK = {"left": None, "folder": ""}
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "open"}


def die(event, arguments):
    """Let so many changes of files happen, and then none."""
    if HOOK["left"] is None or event not in CHANGES or not isinstance(arguments[0], str | Path):
        return
    path = str(arguments[0])  # What rmtree deletes has no folder.
    if ("/" in path and not path.startswith(HOOK["folder"])) or ".lock" in path or "/locks/" in path:
        return
    if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
        return
    HOOK["left"] -= 1
    if HOOK["left"] < 0:
        raise Killed


@contextmanager
def life_of(n, folder):
    if die not in INSTALLED:
        sys.addaudithook(die)
        INSTALLED.append(die)
    HOOK.update(left=n, folder=str(folder))
    try:
        yield
    finally:
        HOOK["left"] = None


INSTALLED = []


def meaning(folder):
    """What a home holds apart from random names and moments."""
    receipts = [fg.read_receipt(path) for path in folder.rglob("*.receipt.json")]
    journals = [Journal(path).state for path in folder.rglob("*.jsonl")]
    snapshots = [fg.read_snapshot(kept.path) for kept in list_stored_snapshots()]
    return {
        "receipts": [replace(one, erasure_id="", path=None).to_dict() for one in receipts],
        "journals": [(past.intended, past.accepted, past.ended, bool(past.erasure_id)) for past in journals],
        "snapshots": [(one.taken_at, one.memberships.to_csv(), one.customers.to_csv()) for one in snapshots],
        "files": {
            path.name: path.read_bytes() for path in [*folder.glob("lists/[!.]*"), *folder.glob("plans/[!.]*")]
        },
    }


def test_a_run_that_is_killed_anywhere_is_completed_by_another(tmp_path, monkeypatch):
    "After any number of changes the process dies; every file is whole then, and a second run completes it."
    template = tmp_path / "template"
    monkeypatch.setenv("FRGROUPS_HOME", str(template))
    fill(template)
    whole = tmp_path / "whole"
    shutil.copytree(template, whole)
    monkeypatch.setenv("FRGROUPS_HOME", str(whole))
    assert (fg.erase_customer("c-1")["action"] != "failed").all()
    expected = meaning(whole)

    deaths = 0
    for n in range(500):
        home = tmp_path / f"home{n}"
        shutil.copytree(template, home)
        monkeypatch.setenv("FRGROUPS_HOME", str(home))
        try:
            with life_of(n, home):
                fg.erase_customer("c-1")
            break
        except Killed:
            deaths += 1
            gc.collect()
        meaning(home)  # Everything that is there reads.
        again = fg.erase_customer("c-1")
        assert (again["action"] != "failed").all()
        assert meaning(home) == expected
        assert files_with(home, "c-1", "E0001") == []
        assert all("-erased-" in path.name for path in home.glob("journals/*/*"))
        shutil.rmtree(home)

    assert deaths > 40


def test_a_record_that_was_buried_and_not_renamed_is_renamed(small):
    "The last step of a run that died: without the journal beside it the receipt still loses its name."
    [path] = small.rglob("*.receipt.json")
    rewriters.pseudonymize_receipt(path, Subject("c-1"), "0123abcd")
    path.with_name(path.name.replace(".receipt.json", ".jsonl")).unlink()

    table = fg.erase_customer("c-1")

    assert ("receipt", "tombstoned") in done(table)
    assert [one.name[22:] for one in small.rglob("*.receipt.json")] == ["-erased-0123abcd.receipt.json"]


# The law

uids = st.sampled_from([f"c-{n}" for n in range(1, 13)])
people = st.frozensets(uids, max_size=8)


@settings(max_examples=25)
@given(
    worlds=st.lists(
        st.tuples(st.dictionaries(st.sampled_from(["all", "vip", "bw"]), people, min_size=1), people),
        min_size=1,
        max_size=3,
    ),
    wanted=people,
    listed=st.lists(uids, unique=True),
    gone=uids,
)
def test_what_remains_is_what_was_there_without_the_customer(tmp_path_factory, worlds, wanted, listed, gone):
    "Whoever is forgotten: all that remains reads, equals what was there without them, and names them nowhere."
    folder = tmp_path_factory.mktemp("law")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRGROUPS_HOME", str(folder))
        snapshots, receipts, plans = [], [], []
        for day, (members, no_group) in enumerate(worlds):
            everybody = sorted(no_group.union(*members.values()))
            customers = pd.DataFrame({"customer_uid": everybody}, dtype="str")
            customers["customer_parent_uid"] = pd.Series(everybody[:1] * len(everybody), dtype="str")
            snapshot = snapshot_of(members, customers=customers, taken_at=NOON + timedelta(days=day))
            fg.save_snapshot(snapshot)
            snapshots.append(snapshot)
            plan = fg.plan_memberships(snapshot, {min(members): wanted}, mode="mirror", limits=OPEN)
            plan = replace(plan, planned_at=NOON + timedelta(days=day))
            if not plan.is_empty:
                plans.append(fg.read_plan(plan.save(folder / "plans" / f"{day}.json")))
                receipts.append(fg.read_receipt(applied(plan)))
        (folder / "lists").mkdir()
        (folder / "lists" / "a.csv").write_text("".join(f"{uid};x\n" for uid in ["uid", *listed]))
        held = files_with(folder, gone)

        table = fg.erase_customer(gone)

        assert (table["action"] != "failed").all()
        assert len(table) >= len({path.split("/")[-2] if "parquet" in path else path for path in held})
        assert files_with(folder, gone) == []
        for old, kept in zip(snapshots, list_stored_snapshots(), strict=True):
            assert_same_without(old, fg.read_snapshot(kept.path), gone)
        named = [any(gone in (*one.baseline, *one.add, *one.remove) for one in plan.groups) for plan in plans]
        left = [fg.read_plan(path).digest for path in sorted((folder / "plans").glob("*.json"))]
        assert left == [plan.digest for plan, is_named in zip(plans, named, strict=True) if not is_named]
        after = [fg.read_receipt(path) for path in sorted(folder.rglob("*.receipt.json"))]
        for old, new, is_named in zip(receipts, after, named, strict=True):
            assert_same_but_buried(old, new, gone)
            assert bool(new.erasure_id) == is_named
            assert Journal(new.path.with_name(new.path.name.replace(".receipt.json", ".jsonl"))).state.ended
        assert (folder / "lists" / "a.csv").read_text() == "".join(
            f"{uid};x\n" for uid in ["uid", *listed] if uid != gone
        )


def assert_same_but_buried(old, new, gone):
    """The new receipt is the old one with a tombstone for one customer, who is left out of its undo."""
    assert new.counts == old.counts
    rows = old.table().replace({"customer_uid": {gone: "(erased-1)"}})
    columns = ["customer_group_uid", "change", "customer_uid"]
    pd.testing.assert_frame_equal(
        new.table().sort_values(columns, ignore_index=True), rows.sort_values(columns, ignore_index=True)
    )
    for uid, members in old.members_after.items():
        assert sorted(new.members_after[uid]) == sorted("(erased-1)" if one == gone else one for one in members)

    def others(undo):
        table = undo.table()
        return table[table["customer_uid"] != gone].to_numpy().tolist()

    assert others(fg.plan_undo(new)) == others(fg.plan_undo(old)) == fg.plan_undo(new).table().to_numpy().tolist()


# What is held


def test_all_that_is_held_of_a_customer_can_be_handed_out(lived_in, home_folder):
    "What each snapshot knows, each line of plan, receipt and journal, the rows of lists; and of nobody else."
    held = fg.export_customer("c-1")

    assert json.loads(json.dumps(held, allow_nan=False)) == held
    first, second = held["snapshots"]
    assert first["attributes"]["email"] == "person1@mail.example" and "email" not in second["attributes"]
    assert [[one["customer_group_uid"] for one in snapshot["groups"]] for snapshot in (first, second)] == [
        ["all"],
        ["all", "vip"],
    ]
    [receipt] = held["receipts"]
    assert receipt["operations"] == [
        {"customer_group_uid": "vip", "change": "add", "finding": "", "state": "verified", "detail": ""}
    ]
    assert receipt["member_after"] == ["vip"] and receipt["member_before"] == []
    [journal] = held["journals"]
    assert [line["event"] for line in journal["lines"]] == ["intent", "outcome"]
    assert sorted(row for one in held["lists"] for row in one["rows"]) == [
        ["E0001", "Kari"],
        ["Person1@mail.example"],
        ["c-1"],
    ]
    assert len(held["plans"]) == 2 and len(held["reviews"]) == 6
    assert not compile_word_pattern(about(10)).search(json.dumps(held))
    fg.erase_customer("c-1")
    empty = fg.export_customer("c-1")
    assert not any(value for value in empty.values() if isinstance(value, list))


def test_a_customer_is_exported_and_forgotten_from_a_terminal(small, capsys, tmp_path):
    "export-customer prints or writes JSON for you alone; forget tells first and does it with --yes."
    assert main(["export-customer", "c-1"]) == 0
    assert json.loads(capsys.readouterr().out)["customer_uid"] == "c-1"
    assert main(["export-customer", "c-1", "--out", str(tmp_path / "c.json")]) == 0
    assert (tmp_path / "c.json").stat().st_mode & 0o777 == 0o600
    before = bytes_in(small)
    capsys.readouterr()

    assert main(["erase-customer", "c-1"]) == 0
    out = capsys.readouterr().out
    assert "nothing was changed" in out and "tombstoned" in out
    assert bytes_in(small) == before

    (small / "note.txt").write_text("c-1")
    assert main(["erase-customer", "c-1", "--yes"]) == 5
    assert "1 could not be done" in capsys.readouterr().out
    (small / "note.txt").unlink()
    assert main(["erase-customer", "c-1", "--yes"]) == 0
    assert "Nothing is held of this customer" in capsys.readouterr().out
    assert files_with(small, "c-1") == []
