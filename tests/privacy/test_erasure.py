"""Tests for erasing and exporting the data of one customer."""

import gc
import io
import json
import logging
import re
import shutil
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.journal import Journal
from frgroups.apply.receipt import Receipt
from frgroups.cli.main import main
from frgroups.cli.privacy import PLANNED_ACTIONS
from frgroups.errors import InputError, LockedError, NotApprovedError, PlanBlockedError
from frgroups.internals.html import escaped_forms
from frgroups.internals.locks import load_lock, tenant_lock
from frgroups.internals.paths import tenant_folder
from frgroups.plan.customer_origin import CustomerOrigin
from frgroups.privacy import rewriters
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.text_search import Subject, compile_word_pattern, count_in_body
from frgroups.review.decision_record import changes_key, read_record
from frgroups.store.manifest import list_stored_snapshots
from tests.examples import at_most

OPEN = fg.Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)
HOST = "https://api.example"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
COLUMNS = dict.fromkeys(["kind", "path", "tenant_uid", "host", "action"], "str") | {"n": "int64", "note": "str"}
UIDS = [f"c-{n}" for n in range(1, 21)]


# Helpers that read all files of a data folder


def texts_in(folder):
    """Return the name and the content of each file in a folder, in which parquet files and workbooks are decoded."""
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
    """Return the paths of the files in a folder that contain at least one of the given words."""
    pattern = compile_word_pattern(words)
    return [path for path, text in texts_in(folder).items() if pattern.search(text)]


def bytes_in(folder):
    """Return the content of each file in a folder, except for lock files."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".lock" not in str(path)}


def actions_of(table):
    """Return the sorted pairs of file type and action in an erasure result."""
    return sorted(table[["kind", "action"]].itertuples(index=False, name=None))


# Erasure after loading, planning, applying, and undoing in a sandbox


def customer(n):
    """Return a customer in API format with values in all personal fields."""
    return {
        "customerUid": f"c-{n}",
        "externalId": f"E{n:04d}",
        "email": f"person{n}@mail.example",
        "mobile": f"+479000{n:04d}",
        "firstname": f"Firstname{n}x",
        "lastname": f"Lastname{n}x",
        "customerConsents": [],
    }


def personal_data(n):
    """Return all values of a customer's fields that identify the customer."""
    return [value for value in customer(n).values() if isinstance(value, str)]


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a tenant with 20 customers, in which the customers c-2 and c-3 are members of VIP."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05,))
    running.reset()
    running.put_customers([customer(n) for n in range(1, 21)])
    running.put_group("all", "All")
    running.put_group("vip", "VIP")
    running.add_members("all", UIDS)
    running.add_members("vip", ["c-2", "c-3"])
    return running


@pytest.fixture
def filled_home(tenant, home_folder):
    """Create files of each type in the data folder, and return the plan and its receipt."""
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
    "journal": "replaced",
    "list": "rewritten",
    "plan": "removed",
    "receipt": "replaced",
    "review": "removed",
    "snapshot": "rewritten",
}


def test_no_data_of_an_erased_customer(filled_home, home_folder):
    "After an erasure, no file in the data folder contains personal data of the erased customer."
    assert len(files_with(home_folder, *personal_data(1))) == 15

    table = fg.erase_customer("c-1")

    assert files_with(home_folder, *personal_data(1)) == []
    assert dict(zip(table["kind"], table["action"], strict=True)) == ACTIONS
    assert actions_of(table).count(("list", "rewritten")) == 3
    assert files_with(home_folder, "c-10"), "The uid of another customer starts with c-1."
    assert not compile_word_pattern(personal_data(1)).search(table.drop(columns="path").to_csv())


def test_no_digest_of_an_erased_customer(filled_home, home_folder):
    "After an erasure, no file contains the digest of a plan that contained the erased customer."
    plan, receipt = filled_home
    undo = fg.read_plan(home_folder / "plans" / "undo.plan.json")
    assert any(plan.digest[:12] in text for text in texts_in(home_folder).values())

    fg.erase_customer("c-1")

    for digest in (plan.digest, undo.digest):
        assert not any(digest[:12] in text for text in texts_in(home_folder).values())
    assert not receipt.path.exists()


def test_corrupt_registry(filled_home, home_folder):
    "A corrupt registry of another tenant has no effect on an erasure. The tenant's own corrupt registry is reported."
    plan, receipt = filled_home
    [registry] = (home_folder / "runs").iterdir()
    other = registry.with_name("other@api.example.com.jsonl")
    content = registry.read_bytes()
    for path in (registry, other):
        path.write_text("{}\n")

    table = fg.erase_customer("c-1")

    [note] = set(table.loc[table["kind"] == "journal", "note"])
    assert str(registry) in note and "erase the customer again" in note and "sent nothing" not in note
    registry.write_bytes(content)
    assert "failed" not in set(fg.erase_customer("c-1")["action"])
    assert not receipt.path.exists()
    texts = texts_in(home_folder)
    assert not any(plan.digest[:12] in text for text in texts.values())


def test_remaining_files(filled_home, home_folder):
    "After an erasure, snapshots, receipts, and journals can be read, and the receipt counts the erased customer."
    _, receipt = filled_home
    before = [fg.read_snapshot(stored.path) for stored in list_stored_snapshots()]

    fg.erase_customer("c-1")

    after = [fg.read_snapshot(stored.path) for stored in list_stored_snapshots()]
    for old, new in zip(before, after, strict=True):
        assert_same_without(old, new, "c-1")
    [path] = home_folder.rglob("*.receipt.json")
    erased = fg.read_receipt(path)
    assert erased.counts == receipt.counts and erased.ok
    assert list(erased.table()["customer_uid"]) == ["(erased-1)", "c-10", "c-2"]
    assert "1 customer " in erased.summary()
    assert erased.members_after["vip"] == ("(erased-1)", "c-10", "c-3")
    assert [len(group.baseline) for group in erased.plan.groups] == [2]
    [path] = (home_folder / "journals").rglob("*.jsonl")
    assert Journal(path).state.accepted == {
        ("vip", "(erased-1)", "add"),
        ("vip", "c-10", "add"),
        ("vip", "c-2", "remove"),
    }


def test_dry_run(filled_home, home_folder):
    "A dry run returns the planned actions of an erasure and does not change any file."
    before = bytes_in(home_folder)

    planned = fg.erase_customer("c-1", dry_run=True)

    assert bytes_in(home_folder) == before
    assert actions_of(planned) == actions_of(fg.erase_customer("c-1"))


def test_repeated_erasure(filled_home):
    "A second erasure of the same customer returns an empty table with the same columns."
    first = fg.erase_customer("c-1")
    again = fg.erase_customer("c-1")

    assert first.dtypes.astype(str).to_dict() == again.dtypes.astype(str).to_dict() == COLUMNS
    assert again.empty


def test_two_customers(filled_home, home_folder):
    "Two erased customers are replaced by different placeholders, and the counts in the receipt do not change."
    _, receipt = filled_home
    fg.erase_customer("c-1")
    fg.erase_customer("c-2")

    [path] = home_folder.rglob("*.receipt.json")
    erased = fg.read_receipt(path)
    assert list(erased.table()["customer_uid"]) == ["(erased-1)", "c-10", "(erased-2)"]
    assert erased.counts == receipt.counts
    assert "2 customers " in erased.summary()
    assert files_with(home_folder, *personal_data(1), *personal_data(2)) == []


# Undo, apply, and load runs after or during an erasure


def test_undo_without_erased_customer(tenant, filled_home, home_folder):
    "An undo plan that is created after an erasure changes only the other customers and can be applied."
    fg.erase_customer("c-1")
    [path] = home_folder.rglob("*.receipt.json")

    undo = fg.plan_undo(fg.read_receipt(path))

    assert undo.payloads() == [
        {"customerGroupUid": "vip", "addCustomerUids": ["c-2"], "removeCustomerUids": ["c-10"]}
    ]
    assert [(finding.rule, finding.n) for finding in undo.findings if finding.n] == [("erased_customers", 1)]
    with tenant.client(writable=True) as client:
        assert fg.apply_plan(client, undo, approval=undo.digest).ok
    assert tenant.members("vip") == ["c-1", "c-2", "c-3"]


def test_undo_of_erased_customer_only(tenant, home_folder):
    "If the only customer in a plan was erased, the undo plan is empty."
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"vip": ["c-1"]})
        fg.apply_plan(client, plan, approval=plan.digest)
    fg.erase_customer("c-1")
    [path] = home_folder.rglob("*.receipt.json")

    undo = fg.plan_undo(fg.read_receipt(path))

    assert undo.is_empty
    assert "erased_customers" in {finding.rule for finding in undo.findings}


def test_apply_again_after_erasure(tenant, filled_home):
    "If a plan is applied again after an erasure, the existing receipt is returned and no write is sent."
    plan, receipt = filled_home
    fg.erase_customer("c-1")
    tenant.clear_requests()

    with tenant.client(writable=True) as client:
        again = fg.apply_plan(client, plan, approval=plan.digest)

    assert again.repeated and again.counts == receipt.counts
    assert [request for request in tenant.requests() if request["method"] != "GET"] == []


def test_plans_with_the_same_time(tenant, home_folder):
    "If a customer in one part of a plan is erased, the other part with the same planning time can be applied."
    tenant.put_group("bw", "Black Week")
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"vip": ["c-1"], "bw": ["c-5"]})
        first, other = plan.select(["vip"]), plan.select(["bw"])
        fg.apply_plan(client, first, approval=first.digest)
        fg.erase_customer("c-1")

        receipt = fg.apply_plan(client, other, approval=other.digest)

    assert receipt.ok and not receipt.repeated
    assert tenant.members("bw") == ["c-5"]


def test_resume_after_erasure(tenant, home_folder):
    "An interrupted run that contains an erased customer cannot be resumed, and no request is sent."
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"vip": ["c-1", "c-5"]})
        with Journal.for_plan(plan, None) as journal:
            journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval={})
            journal.write("observed", group="vip", n_members=2, add=[], remove=[])
            journal.write("intent", group="vip", change="add", uids=["c-1", "c-5"])
        erased = fg.erase_customer("c-1").set_index("kind")
        assert "resumed" in erased.loc["journal", "note"]
        tenant.clear_requests()

        with pytest.raises(InputError, match=plan.digest[:12]):
            fg.apply_plan(client, plan, approval=plan.digest)

    assert tenant.requests() == []


def test_plan_with_tombstone(tenant, filled_home, home_folder):
    "A plan that contains the placeholder of an erased customer can be neither approved nor applied."
    fg.erase_customer("c-1")
    [path] = home_folder.rglob("*.receipt.json")
    plan = replace(fg.read_receipt(path).plan, planned_at=datetime.now(UTC))
    tenant.clear_requests()

    assert [(finding.rule, finding.n) for finding in plan.findings if finding.blocking] == [("erased_customers", 1)]
    with tenant.client(writable=True) as client:
        with pytest.raises(PlanBlockedError, match="erased"):
            fg.apply_plan(client, plan, approval=plan.digest)
        with pytest.raises(InputError):
            client.update_group_customers("vip", add=["(erased-1)"])
    with pytest.raises(NotApprovedError, match="erased"):
        fg.approve_plan(plan, home_folder / "a.json", by="Kari")
    assert tenant.requests() == []


def test_erasure_during_apply(filled_home, home_folder, tenant):
    "While a plan is being applied, an erasure raises LockedError and does not change any file."
    before = bytes_in(home_folder)

    with tenant_lock(tenant.tenant_uid, tenant.base_url, "plan"):
        for uid in ("c-1", "c-99"):
            with pytest.raises(LockedError, match=rf"{tenant.tenant_uid}.*No customer was erased"):
                fg.erase_customer(uid)
        assert len(fg.erase_customer("c-1", dry_run=True)) > 10
        assert fg.erase_customer("c-99", tenant_uid="another").empty

    assert bytes_in(home_folder) == before


@pytest.fixture
def load_waiting():
    """Return an event that is set when a log record reports that a thread waits for a load."""
    event, log = threading.Event(), logging.getLogger("frgroups.internals")

    class WaitHandler(logging.Handler):
        def emit(self, record):
            if getattr(record, "event", "") == "load_waiting":
                event.set()

    handler = WaitHandler()
    log.addHandler(handler)
    yield event
    log.removeHandler(handler)


def test_erasure_during_load(tenant, home_folder, load_waiting, caplog):
    "An erasure waits until a running load ends, and then erases the customer from the new snapshot."
    started = threading.Event()

    def wait_for_erasure(*_):
        started.set()
        assert load_waiting.wait(30)

    with tenant.client() as client, ThreadPoolExecutor(2) as pool:
        load = pool.submit(fg.load_snapshot, client, progress=wait_for_erasure)
        assert started.wait(30)
        table = pool.submit(fg.erase_customer, "c-1").result(60)

        assert "c-1" in load.result(60)["all"]
    assert actions_of(table) == [("snapshot", "rewritten")]
    assert files_with(home_folder, "c-1") == []
    assert tenant.tenant_uid in caplog.text


def test_load_during_erasure(tenant, home_folder, load_waiting):
    "A load waits until a running erasure ends, and then reads the tenant."
    with tenant.client() as client, ThreadPoolExecutor(1) as pool:
        with load_lock(home_folder / "snapshots", tenant.tenant_uid, tenant.base_url, what="erase-customer"):
            load = pool.submit(fg.load_snapshot, client, progress=False)
            assert load_waiting.wait(30)
            assert not list((home_folder / "snapshots").glob("**/*@*/*"))

        assert load.result(60).verdict == "consistent"


def test_erasure_in_progress_callback(tenant):
    "If the progress callback of a load calls the erasure, LockedError is raised instead of waiting forever."
    with tenant.client() as client, pytest.raises(LockedError, match="No customer was erased"):
        fg.load_snapshot(client, progress=lambda *_: fg.erase_customer("c-1"))


# Data folders that are created without a sandbox


def snapshot_of(members, *, tenant_uid="t-1", base_url=HOST, taken_at=NOON, **tables):
    """Return a snapshot from a dictionary of group uid to customer uids."""
    rows = [(group, uid) for group, uids in members.items() for uid in uids]
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")
    groups = pd.DataFrame({"customer_group_uid": sorted(members), "name": sorted(members)}, dtype="str")
    return fg.snapshot_from_frames(
        memberships, groups, **tables, tenant_uid=tenant_uid, taken_at=taken_at, base_url=base_url
    )


def write_run(plan, folder=None):
    """Write the journal and the receipt of a successful run, and return the path of the receipt."""
    with Journal.for_plan(plan, folder) as journal:
        approval = {"how": "digest", "by": "", "at": ""}
        journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval=approval)
        states = {}
        for group in plan.groups:
            journal.write("observed", group=group.uid, n_members=len(group.baseline), add=[], remove=[])
            for change, uids in (("add", group.add), ("remove", group.remove)):
                if uids:
                    journal.write("intent", group=group.uid, change=change, uids=list(uids))
                    journal.write(
                        "outcome", group=group.uid, change=change, uids=list(uids), result="accepted", message=""
                    )
                states |= {(group.uid, uid, change): "verified" for uid in uids}
        journal.write("end", complete=True, counts={"verified": len(states)})
    after = {group.uid: tuple(sorted({*group.baseline, *group.add} - {*group.remove})) for group in plan.groups}
    return Receipt(plan, states, {}, after, frozenset(after), frozenset(), approval, NOON, NOON, path=None).save(
        journal.path.with_suffix(".receipt.json")
    )


def assert_same_without(old, new, uid):
    """Check that the new snapshot is equal to the old snapshot without the given customer."""
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
    """Return a data folder with two snapshots, an applied plan, its undo plan, and a list."""
    fill(home_folder)
    return home_folder


def fill(home_folder):
    """Create the files of the fixture `small` in a data folder."""
    members = {"all": ["c-1", "c-10", "c-2"], "vip": ["c-2"]}
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-10", "c-2"], "external_id": ["E0001", "E0010", "E0002"]})
    snapshot = snapshot_of(members, customers=customers)
    fg.save_snapshot(snapshot)
    fg.save_snapshot(replace(snapshot, taken_at=NOON + timedelta(days=1), read_until=NOON + timedelta(days=1)))
    plan = replace(fg.plan_memberships(snapshot, {"vip": ["c-1", "c-10"]}), planned_at=NOON)
    path = plan.save(home_folder / "plans" / "vip.plan.json")
    fg.save_review(plan, path.with_suffix(".html"))
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")
    undo = fg.plan_undo(fg.read_receipt(write_run(plan)))
    undo.save(home_folder / "plans" / "undo.plan.json")
    lists = home_folder / "lists"
    lists.mkdir(exist_ok=True)
    (lists / "vip.csv").write_text("external_id\nE0001\nE0002\n")


def test_last_member(home_folder):
    "If the last member of a group is erased, the group remains without members."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1", "c-2"], "vip": ["c-1"]}))

    fg.erase_customer("c-1")

    assert not path.exists()
    snapshot = fg.read_snapshot()
    assert list(snapshot["vip"]) == [] and list(snapshot["all"]) == ["c-2"]


def test_erase_parent(home_folder):
    "If the parent of a customer is erased, the customer no longer has a parent."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2", "c-3"], "customer_parent_uid": [None, "c-1", "c-2"]})
    fg.save_snapshot(snapshot_of({"all": ["c-1", "c-2", "c-3"]}, customers=customers))

    assert fg.erase_customer("c-1")["n"].tolist() == [3]  # the customer, a membership, a child

    assert fg.read_snapshot().customers["customer_parent_uid"].fillna("").tolist() == ["", "c-2"]


def test_one_tenant_or_all(home_folder, tmp_path):
    "A customer uid is erased in all tenants, or only in one tenant if `tenant_uid` is passed."
    for tenant_uid in ("t-1", "t-2"):
        snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []}, tenant_uid=tenant_uid)
        fg.save_snapshot(snapshot)
        fg.save_snapshot(snapshot, tmp_path / "cache")
        plan = replace(fg.plan_memberships(snapshot, {"vip": ["c-1"]}), planned_at=NOON)
        write_run(plan)
        write_run(plan, tmp_path / "journals")
    folders = {"cache": tmp_path / "cache", "journal": tmp_path / "journals"}

    first = fg.erase_customer("c-1", tenant_uid="t-2", **folders)

    assert set(first["tenant_uid"]) == {"t-2"} and len(first) == 6
    assert "c-1" in fg.read_snapshot(tenant_uid="t-1")["all"]
    assert fg.erase_customer("c-1", tenant_uid="t-2", **folders).empty
    rest = fg.erase_customer("c-1", **folders)
    assert set(rest["tenant_uid"]) == {"t-1"} and len(rest) == 6
    assert files_with(home_folder, "c-1") == files_with(tmp_path, "c-1") == []


def test_plan_that_only_excludes_the_customer(home_folder):
    "The plan is rewritten with the same digest, its approval remains, and only its review is removed."
    snapshot = snapshot_of({"all": ["c-1", "c-2", "c-3"], "vip": []})
    fg.add_suppression_entries(snapshot, pd.DataFrame({"customer_uid": ["c-1"]}))
    plan = fg.plan_memberships(snapshot, {"vip": ["c-1", "c-2"]}, limits=fg.Limits(snapshot_max_age=None))
    path = plan.save(home_folder / "plans" / "p.plan.json")
    approval = path.with_suffix(".approval.json")
    fg.approve_plan(plan, approval, by="Kari")
    fg.save_review(plan, path.with_suffix(".html"))
    before = approval.read_bytes()

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("list", "rewritten"), ("plan", "rewritten"), ("review", "removed")]
    assert fg.read_plan(path).digest == plan.digest and fg.read_plan(path).excluded().empty
    assert approval.read_bytes() == before
    assert files_with(home_folder, "c-1") == []


HOSTS = ["https://stage.example/v2", "https://prod.example/v2"]


def save_at_hosts(folder):
    """Store data of the customer c-1 in a tenant at two hosts and without a host, and return the number of files."""
    for base_url in (*HOSTS, None):
        snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []}, base_url=base_url)
        fg.save_snapshot(snapshot)
        plan = replace(fg.plan_memberships(snapshot, {"vip": ["c-1"]}), planned_at=NOON)
        name = "none" if base_url is None else base_url.partition(".")[0][8:]
        fg.save_review(plan, folder / "reviews" / f"{name}.html")
        fg.save_review(plan, folder / "reviews" / f"{name}.xlsx")
        write_run(plan)
        before = snapshot_of({"all": ["c-2"], "vip": []}, base_url=base_url, taken_at=NOON - timedelta(days=1))
        fg.save_report(snapshot, folder / "reports" / f"{name}.html", before=before, uids=True)
    return fg.erase_customer("c-1", dry_run=True)


@pytest.mark.parametrize("wanted", HOSTS)
def test_one_host(home_folder, wanted):
    "If a host is passed, the files of other hosts do not change, but files without a host are also searched."
    everything = save_at_hosts(home_folder)
    hosts = {url: url[8:].partition("/")[0] for url in HOSTS}
    assert set(everything["host"]) == {"", *hosts.values()}
    [other] = set(HOSTS) - {wanted}

    table = fg.erase_customer("c-1", tenant_uid="t-1", base_url=wanted)

    expected = everything[everything["host"] != hosts[other]]
    assert sorted(table["kind"]) == sorted(expected["kind"]) and set(table["host"]) == {"", hosts[wanted]}
    assert "c-1" in fg.read_snapshot(tenant_uid="t-1", base_url=other)["all"]
    assert fg.erase_customer("c-1", tenant_uid="t-1", base_url=wanted).empty
    rest = fg.erase_customer("c-1")
    assert set(rest["host"]) == {hosts[other]}
    assert files_with(home_folder, "c-1") == []


def test_export_of_one_host(home_folder):
    "An export of one host contains the files of this host and files without a host."
    save_at_hosts(home_folder)

    export = fg.export_customer("c-1", tenant_uid="t-1", base_url=HOSTS[0])

    hosts = [entry["host"] for section in export.values() if isinstance(section, list) for entry in section]
    assert set(hosts) == {"stage.example", ""}
    assert [len(fg.export_customer("c-1")["snapshots"]), len(export["snapshots"])] == [3, 2]


def test_review_in_the_folder_of_another_host(home_folder):
    "The host in a review takes precedence over the host in the name of its folder."
    snapshot = snapshot_of({"all": ["c-1"], "vip": []}, base_url=HOSTS[0])
    folder = home_folder / "plans" / tenant_folder("t-1", HOSTS[1])
    fg.save_review(fg.plan_memberships(snapshot, {"vip": ["c-1"]}), folder / "r.html")

    assert fg.erase_customer("c-1", base_url=HOSTS[1], dry_run=True).empty
    assert fg.erase_customer("c-1", base_url=HOSTS[0])["action"].tolist() == ["removed"]


@pytest.mark.parametrize("url", ["stage", "https://api.stage.flowretail.com/v1/", "HTTPS://API.STAGE.FLOWRETAIL.COM"])
def test_spellings_of_a_host(home_folder, url):
    "A host is found for each spelling of its base URL."
    fg.save_snapshot(snapshot_of({"all": ["c-1"]}, base_url=fg.STAGE))

    assert len(fg.erase_customer("c-1", base_url=url, dry_run=True)) == 1


@given(st.sampled_from(["", "t-1", "t-2"]), st.sampled_from(["", *HOSTS, "https://tables"]))
def test_no_file_of_the_subject_is_skipped(tenant_uid, base_url):
    "A file is skipped only if it contains another tenant or another host."
    subject = Subject("c-1", "t-1", HOSTS[0])

    is_other = tenant_uid == "t-2" or base_url == HOSTS[1]
    assert subject.is_in(tenant_uid, base_url) != is_other
    assert Subject("c-1").is_in(tenant_uid, base_url)


@pytest.mark.parametrize(("name", "n_snapshots"), [("stage", 2), ("prod", 2), ("t-1", 3), (None, 3)])
def test_tenant_name_and_uid(home_folder, capsys, name, n_snapshots, monkeypatch):
    "A tenant name selects one host, and a uid selects all hosts. Environment variables have no effect."
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-9")
    monkeypatch.setenv("FRGROUPS_BASE_URL", HOSTS[0])
    save_at_hosts(home_folder)
    tables = [
        f'[{host[8:].split(".")[0]}]\ntenant_uid = "t-1"\nhost = "{host}"\ntoken_command = ["x"]\n' for host in HOSTS
    ]
    (home_folder / "tenants.toml").write_text("\n".join(tables))
    (home_folder / "tenants.toml").chmod(0o600)
    option = ["--tenant", name] if name else []

    assert main(["erase-customer", "c-1", *option, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sum(row["kind"] == "snapshot" for row in document["rows"]) == n_snapshots
    assert document["tenant_uid"] == (None if name is None else "t-1")
    assert document["base_url"] == next((host for host in HOSTS if name and name in host), None)

    assert main(["erase-customer", "c-1", *option]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line.startswith("Tenant ")]
    assert len(headings) == n_snapshots
    assert sum(host[8:].partition("/")[0] in line for line in headings for host in HOSTS) == n_snapshots - 1


def test_plan_with_customer_as_member(home_folder):
    "If the erased customer was a member of a group that a plan changes, the plan is removed."
    plan = fg.plan_memberships(snapshot_of({"all": ["c-1", "c-2"], "vip": ["c-1"]}), {"vip": ["c-2"]})
    plan.save(home_folder / "plans" / "p.json")
    fg.save_review(plan, home_folder / "plans" / "p.html")

    assert actions_of(fg.erase_customer("c-1")) == [("plan", "removed"), ("review", "removed")]


@pytest.mark.parametrize("external_id", ["A&B-77777", "O'Neill-77777", "<77777>-x", "Ærø-77777"])
def test_id_in_a_large_page(external_id):
    "A customer id with special characters is found in HTML text and in JSON inside a script."
    subject = Subject("c-1", ids=frozenset({external_id}))

    in_markup, in_script = escaped_forms(external_id)

    assert count_in_body(f"<td>{in_markup}</td>".encode(), subject) == 1
    assert count_in_body(f'["{in_script}"]'.encode(), subject) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_id_in_wide_encodings(encoding):
    "A customer id is found in each encoding of lists, with and without a byte order mark."
    assert count_in_body("uid\nc-1\nc-10\n".encode(encoding), Subject("c-1")) == 1


def test_undo_of_removed_plan(home_folder):
    "The undo plan of a removed plan is removed, because its digest covers the digest of the removed plan."
    snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []})
    first = fg.plan_memberships(snapshot, {"vip": ["c-1"]})
    first.save(home_folder / "plans" / "first.json")
    other = replace(fg.plan_memberships(snapshot, {"vip": ["c-2"]}), reverts=first.digest)
    again = replace(
        fg.plan_memberships(snapshot, {"all": ["c-2"]}, mode="keep_only"), groups=(), reverts=other.digest
    )
    unrelated = replace(again, reverts="0" * 64)
    for name, plan in (("other", other), ("again", again), ("unrelated", unrelated)):
        plan.save(home_folder / "plans" / f"{name}.json")
    fg.approve_plan(other, home_folder / "plans" / "no.json", by="Kari", reject="no")

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("approval", "removed"), ("decision", "rewritten"), *[("plan", "removed")] * 3]
    assert fg.read_plan(home_folder / "plans" / "unrelated.json").digest == unrelated.digest
    for digest in (first.digest, other.digest, again.digest):
        assert not any(digest[:12] in text for text in texts_in(home_folder).values())
    with pytest.raises(NotApprovedError):
        fg.approve_plan(other, home_folder / "yes.json", by="Kari")


@pytest.mark.parametrize("reverts_erased", [True, False])
def test_receipt_of_undo(home_folder, reverts_erased):
    "After an erasure, the receipt of an undo plan is valid. If its original plan is removed, its digest changes."
    snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []})
    first = replace(fg.plan_memberships(snapshot, {"vip": ["c-1"]}), planned_at=NOON)
    write_run(first)
    undo = fg.plan_memberships(snapshot, {"vip": ["c-2"]}, purpose="Undo for c-1")
    path = write_run(replace(undo, reverts=first.digest if reverts_erased else "0" * 64))
    digest = fg.read_receipt(path).plan.digest

    fg.erase_customer("c-1")

    receipts = [fg.read_receipt(file) for file in path.parent.glob("*.receipt.json")]
    [receipt] = [receipt for receipt in receipts if receipt.plan.reverts]
    assert receipt.plan.reverts == ("erased" if reverts_erased else "0" * 64)
    assert (receipt.plan.digest == digest, path.exists(), receipt.erasure_id == "") == (not reverts_erased,) * 3
    assert any(digest[:12] in text for text in texts_in(home_folder).values()) == (not reverts_erased)


def test_server_messages(home_folder):
    "A server message about the erased customer is removed, and the uid is replaced in other messages."
    plan = replace(
        fg.plan_memberships(snapshot_of({"all": ["c-1", "c-2"], "vip": []}), {"vip": ["c-1", "c-2"]}), planned_at=NOON
    )
    path = write_run(plan)
    receipt = fg.read_receipt(path)
    details = {("vip", "c-1", "add"): "Kari is blocked", ("vip", "c-2", "add"): "c-2 is the spouse of c-1"}
    replace(receipt, states=dict.fromkeys(receipt.states, "rejected"), details=details, stopped="at c-1.").save(path)
    journal = path.with_name(path.name.replace(".receipt.json", ".jsonl"))
    with Journal(journal) as open_journal:
        rejected = {"group": "vip", "change": "add", "result": "rejected"}
        open_journal.write("outcome", uids=["c-1"], message="Kari is blocked", **rejected)
        open_journal.write("outcome", uids=["c-2"], message="c-2 is the spouse of c-1", **rejected)

    fg.erase_customer("c-1")

    [path] = home_folder.rglob("*.receipt.json")
    spouse = "c-2 is the spouse of (erased-1)"
    assert fg.read_receipt(path).table()["detail"].tolist() == ["(erased-1)", spouse]
    assert fg.read_receipt(path).stopped == "at (erased-1)."
    [path] = home_folder.rglob("*.jsonl")
    assert set(Journal(path).state.rejected.values()) == {"(erased-1)", spouse}
    assert files_with(home_folder, "c-1", "Kari") == []


def test_reason_of_rejection(home_folder):
    "If the reason for a rejection contains the erased customer, a placeholder replaces the uid."
    plan = fg.plan_memberships(snapshot_of({"all": ["c-2"], "vip": []}), {"vip": ["c-2"]})
    path = fg.approve_plan(plan, home_folder / "plans" / "a.json", by="Kari", reject="first ask c-1")

    assert actions_of(fg.erase_customer("c-1")) == [("approval", "rewritten"), ("decision", "rewritten")]

    [record] = (home_folder / "decisions").glob("*.json")
    assert json.loads(path.read_text())["content"]["reason"] == "first ask (erased-1)"
    assert json.loads(record.read_text())["content"]["entries"][0]["reason"] == "first ask (erased-1)"
    assert len(fg.withdraw_rejection(replace(plan, path=path), by="Kari")) == 1


@pytest.mark.parametrize("recorded", ["in the record", "only in a file"])
def test_rejection_of_erased_customer(home_folder, monkeypatch, tmp_path, recorded):
    "A rejection of a plan with an erased customer still blocks the other changes. The old hashes are removed."
    snapshot = snapshot_of({"all": ["c-1", "c-2", "c-3"], "vip": []})
    limits = fg.Limits(snapshot_max_age=None)
    plan, rest = (fg.plan_memberships(snapshot, {"vip": u}, limits=limits) for u in (["c-1", "c-2"], ["c-2"]))
    path = plan.save(home_folder / "plans" / "a.plan.json")
    with monkeypatch.context() as patch:
        if recorded == "only in a file":
            patch.setenv("FRGROUPS_HOME", str(tmp_path))
        fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari", reject="too early")

    table = fg.erase_customer("c-1")

    assert ("decision", "rewritten") in actions_of(table) and not path.exists()
    [record] = (home_folder / "decisions").glob("*.json")
    assert not {plan.digest, changes_key(plan)} & set(re.findall(r"[0-9a-f]{64}", record.read_text()))
    assert [len(group["add"]) for group in read_record(plan).entries[0]["operations"]] == [1]
    with pytest.raises(NotApprovedError, match=r"Kari .*too early"):
        fg.approve_plan(rest, tmp_path / "ok.json", by="Ola")
    assert len(fg.withdraw_rejection(rest, by="Kari")) == 1
    assert len(fg.erase_customer("c-1")) == 0


def test_approval_file_reads(home_folder, n_reads):
    "Each search for the customer reads an approval file once. The search for rejections reads it once for all plans."
    snapshot = snapshot_of({"all": ["c-1", "c-2", "c-3"], "vip": []})
    plans = [fg.plan_memberships(snapshot, {"vip": uids}) for uids in (["c-1"], ["c-1", "c-2"], ["c-3"])]
    for number, plan in enumerate(plans):
        plan.save(home_folder / "plans" / f"{number}.plan.json")
    approval = fg.approve_plan(plans[2], home_folder / "plans" / "2.approval.json", by="Kari", reject="no")
    note = home_folder / "notes" / "note.txt"
    note.parent.mkdir()
    note.write_text("no customer")
    n_reads.clear()

    fg.erase_customer("c-1")

    assert n_reads[approval] == n_reads[note] + 1


@pytest.mark.parametrize("cause", ["locked record", "corrupt rejection"])
def test_rejection_that_cannot_be_recorded(home_folder, monkeypatch, tmp_path, cause):
    "If a rejection cannot be recorded, the plan and the rejection file are reported as failed and are not removed."
    snapshot = snapshot_of({"all": ["c-1", "c-2"], "vip": []})
    plan = fg.plan_memberships(snapshot, {"vip": ["c-1", "c-2"]}, limits=fg.Limits(snapshot_max_age=None))
    path = plan.save(home_folder / "plans" / "a.plan.json")
    rejection = path.with_suffix(".approval.json")
    with monkeypatch.context() as patch:
        patch.setenv("FRGROUPS_HOME", str(tmp_path))
        fg.approve_plan(plan, rejection, by="Kari", reject="too early")
    if cause == "corrupt rejection":
        (path.parent / "b.approval.json").write_text(rejection.read_text().replace("too early", "too late"))

    def fail(*_):
        raise LockedError("The record is locked.")

    with monkeypatch.context() as patch:
        if cause == "locked record":
            patch.setattr("frgroups.privacy.erasure.add_rejections", fail)
        table = fg.erase_customer("c-1")

    assert {("plan", "failed"), ("approval", "failed")} <= set(actions_of(table))
    assert "removed" not in set(table["action"]) and path.exists() and rejection.exists()
    if cause == "locked record":
        assert ("decision", "rewritten") in actions_of(fg.erase_customer("c-1")) and not rejection.exists()


@pytest.mark.parametrize("field", ["purpose", "origins", "unused_columns", "limit_places"])
def test_description(home_folder, field):
    "If a description in a plan contains the customer, the uid is replaced without changing the digest."
    text = "Requested by c-1 today"
    values = {
        "purpose": ("purpose", text),
        "origins": ("origins", {"vip": (CustomerOrigin("rule", text),)}),
        "unused_columns": ("origins", {"vip": (CustomerOrigin("list", "a.csv", unused_columns=(text,)),)}),
        "limit_places": ("limit_places", {"vip": text}),
    }
    plan = replace(
        fg.plan_memberships(snapshot_of({"all": ["c-2"], "vip": []}), {"vip": ["c-2"]}),
        planned_at=NOON,
        **dict([values[field]]),
    )

    def described(found):
        return {
            "purpose": found.purpose,
            "origins": [origin.text for origins in found.origins.values() for origin in origins][:1],
            "unused_columns": [name for origins in found.origins.values() for name in origins[0].unused_columns],
            "limit_places": [*found.limit_places.values()],
        }[field]

    def expected(text):
        return text if field == "purpose" else [text]

    saved = plan.save(home_folder / "plans" / "a.json")
    reviews = [
        fg.save_review(plan, home_folder / "plans" / f"a.{ending}") for ending in ("html", "md", "txt", "xlsx")
    ]
    write_run(plan)
    assert text in fg.export_customer("c-1")["plans"][0][values[field][0]]

    table = fg.erase_customer("c-1")

    assert sorted(actions_of(table)) == [
        ("plan", "rewritten"),
        ("receipt", "replaced"),
        *[("review", "removed")] * (0 if field == "limit_places" else 4),  # Reviews do not state this place.
    ]
    rewritten = fg.read_plan(saved)
    assert (rewritten.digest, described(rewritten)) == (plan.digest, expected("Requested by … today"))
    [receipt] = home_folder.rglob("*.receipt.json")
    assert described(fg.read_receipt(receipt).plan) == expected("Requested by (erased-1) today")
    assert (
        any(path.exists() for path in reviews) == (field == "limit_places") and files_with(home_folder, "c-1") == []
    )
    assert fg.erase_customer("c-1").empty


def test_invalid_arguments():
    "An invalid customer uid raises InputError, and so does a path that is passed instead of a list of paths."
    for function in (fg.erase_customer, fg.export_customer):
        for uid in ("", " ", None, 7):
            with pytest.raises(InputError, match="`customer_uid`"):
                function(uid)
    with pytest.raises(InputError, match="`also`"):
        fg.erase_customer("c-1", also="list.csv")


def test_other_files(small, tmp_path):
    "Demo lists are rewritten, exports are removed, and binary files fail only if they contain the customer."
    demo = fg.home() / "demo"
    demo.mkdir()
    (demo / "list.csv").write_text("customer_uid;comment\nc-1;x\nc-2;y\n")
    (tmp_path / "export.json").write_text(json.dumps(fg.export_customer("c-1"), indent=1))
    for name, mention in (("a.db-shm", b""), ("a.db-wal", b"c-1")):
        signature = b"\x18\xe2\x2d\0" if name.endswith("shm") else b"\x37\x7f\x06\x82"
        (tmp_path / name).write_bytes(signature + bytes(8) + mention)

    table = fg.erase_customer("c-1", also=[tmp_path / name for name in ("export.json", "a.db-shm", "a.db-wal")])

    actions = {Path(row.path).name: row.action for row in table.itertuples()}
    assert {"list.csv": "rewritten", "export.json": "removed", "a.db-wal": "failed"}.items() <= actions.items()
    assert "a.db-shm" not in actions and "c-1" not in (demo / "list.csv").read_text()


def test_log(small, caplog):
    "The log of an erasure contains a short hash instead of the customer's uid."
    caplog.set_level(logging.DEBUG, logger="frgroups")

    fg.erase_customer("c-1")

    [record] = [record for record in caplog.records if getattr(record, "event", "") == "customer_erased"]
    assert record.counts == {"removed": 4, "rewritten": 3, "replaced": 2}
    assert not any("c-1" in repr(vars(record)) for record in caplog.records)
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
def test_rows_of_text_list(before, after, encoding):
    "Only the erased customer's rows are removed from a text file, and all other bytes do not change."
    mark = "\ufeff" if encoding == "utf-16-le" and not before.startswith("\ufeff") else ""

    result = remove_list_rows((mark + before).encode(encoding), "c-1", ["E0001"])

    assert result.body.decode(encoding) == mark + after
    assert (len(result.rows), result.n_left) == (1, 0)


def test_id_in_other_column():
    "If a value equals the customer's id but is in a column for other ids, its row is not removed."
    body = b"customer_uid;external_id;rank\n3;7;1\n4;5;7\n"

    result = remove_list_rows(body, "7", ["5"])

    assert result.body == b"customer_uid;external_id;rank\n3;7;1\n"
    assert result.rows == [["4", "5", "7"]]


def test_mention_in_note_of_list(home_folder):
    "If the row of another customer mentions the erased customer, the mention is reported but not removed."
    path = home_folder / "lists" / "a.csv"
    path.parent.mkdir()
    path.write_text("customer_uid;note\nc-1;\nc-2;friend of c-1\n")

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("list", "failed")]
    assert "1 mention " in table["note"][0]
    assert path.read_text() == "customer_uid;note\nc-2;friend of c-1\n"


def write_workbook(path, rows, change=lambda sheet: None):
    """Write an Excel workbook with the given rows."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book.active)
    path.parent.mkdir(exist_ok=True)
    book.save(path)


def test_rows_of_workbook(small):
    "The erased customer's rows are removed from an Excel workbook with plain cells."
    path = small / "lists" / "vip.xlsx"
    write_workbook(path, [["Kundenummer", "Navn"], ["E0001", "Kari"], ["E0002", "Ola"]])

    fg.erase_customer("c-1")

    assert list(fg.read_list(path)) == ["E0002"]
    assert files_with(small, "c-1", "E0001", "Kari") == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda sheet: sheet.cell(3, 2, "=1+1"), "formulas"),
        (lambda sheet: sheet.merge_cells("B2:C3"), "merged cells"),
    ],
)
def test_workbook_with_formulas(home_folder, change, part):
    "If rewriting a workbook would lose content, the workbook does not change, and the note describes the content."
    path = home_folder / "lists" / "vip.xlsx"
    write_workbook(path, [["customer_uid", "n"], ["c-1", 1], ["c-2", 2]], change)
    before = path.read_bytes()

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("list", "failed")]
    assert part in table["note"][0]
    assert path.read_bytes() == before


@pytest.mark.parametrize("body", [b"\xd0\xcf\x11\xe0 old", b"PK\x03\x04 damaged", b"\x00\x01\x02"])
def test_unreadable_list(home_folder, body):
    "If a list cannot be read, its action is `failed`."
    path = home_folder / "lists" / "vip.xls"
    path.parent.mkdir()
    path.write_bytes(body)

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("list", "failed")]
    assert "might contain the customer" in table["note"][0]


def test_also(tmp_path):
    "The files and folders in the argument `also` are processed like files in the data folder."
    (tmp_path / "a.csv").write_text("id\n0150\nc-2\n")
    (tmp_path / "b.txt").write_text("c-1\nc-2\n")
    plan = fg.plan_memberships(snapshot_of({"vip": ["c-2"]}), {"vip": ["c-1"]})
    plan.save(tmp_path / "plans" / "p.json")

    table = fg.erase_customer("c-1", also=[tmp_path / "a.csv", tmp_path / "b.txt", tmp_path / "plans"], ids=["0150"])

    assert actions_of(table) == [("list", "rewritten"), ("list", "rewritten"), ("plan", "removed")]
    assert files_with(tmp_path, "c-1", "0150") == []


def test_missing_path(tmp_path, small):
    "If a path that is passed to the erasure does not exist, InputError is raised and no file is changed."
    for paths in ({"cache": tmp_path / "x"}, {"journal": tmp_path / "x"}, {"also": [tmp_path / "x"]}):
        with pytest.raises(InputError, match=re.escape(str(tmp_path / "x"))):
            fg.erase_customer("c-1", **paths)
    assert files_with(small, "c-1")


# Damaged files, drafts, and files of other programs


def test_quarantined_folders(small):
    "Quarantined snapshots and drafts that contain the erased customer are removed."
    [stored, _] = list_stored_snapshots()
    root = stored.path.parent
    for name in (".damaged-1", ".draft-1", ".gone-1"):
        shutil.copytree(stored.path, root / name)
    (root / ".damaged-1" / "groups.parquet").write_bytes(b"damaged")
    path = fg.save_snapshot(snapshot_of({"all": ["c-2"]}, tenant_uid="t-2"))
    path.rename(path.with_name(".damaged-2"))
    (small / "plans" / ".vip.plan.json.0123abcd.draft").write_text('{"add": ["c-1"')

    table = fg.erase_customer("c-1")

    assert ("draft", "removed") in actions_of(table)
    assert actions_of(table).count(("quarantined", "removed")) == 3
    assert path.with_name(".damaged-2").exists()
    assert files_with(small, "c-1", "E0001") == []


def test_unreadable_quarantined_folder(home_folder):
    "A quarantined snapshot that cannot be read is removed."
    path = fg.save_snapshot(snapshot_of({"all": ["c-2"]}))
    (path / "customers.parquet").write_bytes(b"damaged")
    quarantined = path.rename(path.with_name(".damaged-1"))

    assert actions_of(fg.erase_customer("c-1")) == [("quarantined", "removed")]
    assert not quarantined.exists()


def test_damaged_snapshot_with_customer(home_folder):
    "A damaged snapshot that contains the erased customer is removed, and an intact snapshot is rewritten."
    intact = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    damaged = fg.save_snapshot(snapshot_of({"all": ["c-1"]}, taken_at=NOON + timedelta(days=1)))
    (damaged / "reads.parquet").write_bytes(b"damaged")

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("snapshot", "removed"), ("snapshot", "rewritten")]
    assert not damaged.exists() and not intact.exists()
    assert fg.read_snapshot().customers.empty


def overwrite(path):
    """Replace the content of a file with invalid bytes."""
    path.write_bytes(b"damaged")


@pytest.mark.parametrize("file", ["customers.parquet", "consents.parquet", "memberships.parquet"])
@pytest.mark.parametrize("damage", [overwrite, Path.unlink])
def test_damaged_snapshot_that_might_contain_customer(home_folder, file, damage):
    "If it is unknown whether a damaged snapshot contains the erased customer, the snapshot is removed."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    damage(path / file)
    [other] = fg.export_customer("c-1")["other"]
    planned = fg.erase_customer("c-1", dry_run=True)

    table = fg.erase_customer("c-1")

    pd.testing.assert_frame_equal(table, planned)
    assert actions_of(table) == [("snapshot", "removed")]
    assert table["note"].tolist() == [other["note"]]
    assert "might contain the customer" in other["note"]
    assert not path.exists()


def test_damaged_snapshot_without_customer(home_folder):
    "A damaged snapshot is not removed if its customers can be read and the erased customer is not among them."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    overwrite(path / "reads.parquet")

    assert fg.erase_customer("c-2").empty
    assert path.exists()


def test_temporarily_unreadable_snapshot(home_folder):
    "If a snapshot is temporarily unreadable, it is not removed, and the exit code is 5."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    customers, away = path / "customers.parquet", path.parent / "away"
    customers.rename(away)
    customers.symlink_to(customers)  # A link to itself raises an OSError that is not "file not found".
    dry, real = main(["erase-customer", "c-1"]), main(["erase-customer", "c-1", "--yes"])
    customers.unlink()
    away.rename(customers)

    assert dry == real == 5
    assert list(fg.read_snapshot()["all"]) == ["c-1"]


def test_dry_run_with_failures(filled_home, home_folder):
    "If some files cannot be rewritten, a dry run and an erasure still return the same actions and exit code."
    damaged = fg.save_snapshot(snapshot_of({"all": ["c-1"]}, tenant_uid="t-2"))
    overwrite(damaged / "customers.parquet")
    (home_folder / "notes.md").write_text("ask c-1")
    planned, code = fg.erase_customer("c-1", dry_run=True), main(["erase-customer", "c-1"])

    table = fg.erase_customer("c-1")

    assert actions_of(table) == actions_of(planned)
    assert code == 5 and actions_of(table).count(("other", "failed")) == 1
    assert main(["erase-customer", "c-1"]) == main(["erase-customer", "c-1", "--yes"]) == 5


def test_snapshot_of_other_version(home_folder):
    "An erasure does not rewrite a snapshot that was written by another version of frgroups."
    path = fg.save_snapshot(snapshot_of({"all": ["c-1"]}))
    manifest = json.loads((path / "manifest.json").read_text()) | {"schema_version": 99}
    (path / "manifest.json").write_text(json.dumps(manifest))

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("snapshot", "failed")]
    assert "another version" in table["note"][0]


def test_mention_in_note_of_snapshot(home_folder):
    "If the note of another customer in a snapshot mentions the erased customer, the mention is reported."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "internal_note": ["x", "spouse of c-1"]})
    fg.save_snapshot(snapshot_of({"all": ["c-1", "c-2"]}, customers=customers))

    table = fg.erase_customer("c-1")

    assert actions_of(table) == [("snapshot", "failed")]
    assert "removed" in table["note"][0] and "1 mention " in table["note"][0]
    assert list(fg.read_snapshot()["all"]) == ["c-2"]


@pytest.mark.parametrize("ending", [".jsonl", ".receipt.json"])
def test_damaged_journal_or_receipt(small, ending):
    "If the journal or receipt of a run is damaged, only the intact file is rewritten."
    [path] = small.rglob(f"*{ending}")
    path.write_bytes(path.read_bytes().replace(b"vip", b"VIP", 1))

    table = fg.erase_customer("c-1").set_index("kind")

    kinds = ["receipt", "journal"]
    damaged, intact = kinds if ending == ".receipt.json" else reversed(kinds)
    assert table.loc[damaged, "action"] == "failed"
    assert "damaged" in table.loc[damaged, "note"]
    assert table.loc[intact, "action"] == "replaced"
    assert len(files_with(small, "c-1")) == 1


def test_damaged_plan(small):
    "A damaged plan file that contains the erased customer is removed."
    path = small / "plans" / "vip.plan.json"
    path.write_bytes(path.read_bytes()[:-20])
    path.write_text(path.read_text() + '"kind": "frgroups plan"')

    fg.erase_customer("c-1")

    assert not path.exists()


def test_incomplete_line_of_journal(small):
    "If the incomplete last line of a journal contains the erased customer, the line is removed."
    [path] = small.rglob("*.jsonl")
    with path.open("a") as file:
        file.write('{"event": "intent", "uids": ["c-1"')

    fg.erase_customer("c-1")

    assert files_with(small, "c-1") == []
    [path] = small.rglob("*.jsonl")
    assert Journal(path).state.ended


def test_files_of_other_programs(small, tmp_path):
    "Symbolic links and files of other programs that contain the customer are reported and not changed."
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
    "If a snapshot with the customer is saved during the erasure, its action is `failed`."
    snapshot = fg.read_snapshot()
    later = replace(snapshot, taken_at=NOON + timedelta(days=2), read_until=NOON + timedelta(days=2))

    def save_and_erase(match, subject):
        fg.save_snapshot(later)
        return rewriters.erase_from_list(match, subject)

    monkeypatch.setitem(rewriters.REWRITERS, "list", save_and_erase)

    table = fg.erase_customer("c-1")

    assert table["kind"][table["action"] == "failed"].tolist() == ["snapshot"]
    assert actions_of(fg.erase_customer("c-1")) == [("snapshot", "rewritten")]


def test_file_that_cannot_be_written(small, monkeypatch):
    "If a file cannot be written, all other files are still rewritten, and a second erasure completes the erasure."

    def raise_permission_error(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setitem(rewriters.REWRITERS, "list", raise_permission_error)
        table = fg.erase_customer("c-1")

    assert table["note"][table["action"] == "failed"].tolist() == ["Permission denied"]
    assert files_with(small, "c-1") == [] and files_with(small, "E0001") == ["lists/vip.csv"]
    assert actions_of(fg.erase_customer("c-1", ids=["E0001"])) == [("list", "rewritten")]


# Interrupted erasures


class KilledError(BaseException):
    """Exception that simulates the sudden end of the process."""


HOOK = {"left": None, "folder": ""}
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "open"}


def raise_at_limit(event, arguments):
    """Raise KilledError if the maximum number of file changes is exceeded."""
    if HOOK["left"] is None or event not in CHANGES or not isinstance(arguments[0], str | Path):
        return
    path = str(arguments[0])  # The function rmtree passes names without a folder.
    if ("/" in path and not path.startswith(HOOK["folder"])) or ".lock" in path or "/locks/" in path:
        return
    if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
        return
    HOOK["left"] -= 1
    if HOOK["left"] < 0:
        raise KilledError


@contextmanager
def limited_changes(n, folder):
    """Allow at most n changes to the files in a folder and raise KilledError afterwards."""
    if raise_at_limit not in INSTALLED:
        sys.addaudithook(raise_at_limit)
        INSTALLED.append(raise_at_limit)
    HOOK.update(left=n, folder=str(folder))
    try:
        yield
    finally:
        HOOK["left"] = None


INSTALLED = []


def content_of(folder):
    """Return the content of a data folder without random file names and times."""
    receipts = [fg.read_receipt(path) for path in folder.rglob("*.receipt.json")]
    journals = [Journal(path).state for path in folder.rglob("*.jsonl")]
    snapshots = [fg.read_snapshot(stored.path) for stored in list_stored_snapshots()]
    return {
        "receipts": [replace(receipt, erasure_id="", path=None).to_dict() for receipt in receipts],
        "journals": [(state.intended, state.accepted, state.ended, bool(state.erasure_id)) for state in journals],
        "snapshots": [
            (snapshot.taken_at, snapshot.memberships.to_csv(), snapshot.customers.to_csv()) for snapshot in snapshots
        ],
        "files": {
            path.name: path.read_bytes() for path in [*folder.glob("lists/[!.]*"), *folder.glob("plans/[!.]*")]
        },
    }


@pytest.mark.slow
def test_interrupted_erasure(tmp_path, monkeypatch):
    "If an erasure is interrupted after any file change, all files are valid, and a second erasure completes it."
    template = tmp_path / "template"
    monkeypatch.setenv("FRGROUPS_HOME", str(template))
    fill(template)
    uninterrupted = tmp_path / "uninterrupted"
    shutil.copytree(template, uninterrupted)
    monkeypatch.setenv("FRGROUPS_HOME", str(uninterrupted))
    assert (fg.erase_customer("c-1")["action"] != "failed").all()
    expected = content_of(uninterrupted)

    n_interrupted = 0
    for n in range(500):
        home = tmp_path / f"home{n}"
        shutil.copytree(template, home)
        monkeypatch.setenv("FRGROUPS_HOME", str(home))
        try:
            with limited_changes(n, home):
                fg.erase_customer("c-1")
            break
        except KilledError:
            n_interrupted += 1
            gc.collect()
        content_of(home)  # All files can be read.
        again = fg.erase_customer("c-1")
        assert (again["action"] != "failed").all()
        assert content_of(home) == expected
        assert files_with(home, "c-1", "E0001") == []
        assert all("-erased-" in path.name for path in home.glob("journals/*/*"))
        shutil.rmtree(home)

    assert n_interrupted > 40


def test_receipt_that_was_not_renamed(small):
    "A receipt that an interrupted erasure did not rename is renamed later, even if its journal does not exist."
    [path] = small.rglob("*.receipt.json")
    rewriters.pseudonymize_receipt(path, Subject("c-1"), "0123abcd")
    path.with_name(path.name.replace(".receipt.json", ".jsonl")).unlink()

    table = fg.erase_customer("c-1")

    assert ("receipt", "replaced") in actions_of(table)
    assert [file.name[22:] for file in small.rglob("*.receipt.json")] == ["-erased-0123abcd.receipt.json"]


# Property-based test

uids = st.sampled_from([f"c-{n}" for n in range(1, 13)])
customers = st.frozensets(uids, max_size=8)


@pytest.mark.slow
@at_most(25)
@given(
    worlds=st.lists(
        st.tuples(st.dictionaries(st.sampled_from(["all", "vip", "bw"]), customers, min_size=1), customers),
        min_size=1,
        max_size=3,
    ),
    wanted=customers,
    listed=st.lists(uids, unique=True),
    erased=uids,
)
def test_any_customer(tmp_path_factory, worlds, wanted, listed, erased):
    "After the erasure of any customer, the files are equal to the previous files without this customer."
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRGROUPS_HOME", str(folder))
        snapshots, receipts, plans = [], [], []
        for day, (members, no_group) in enumerate(worlds):
            all_uids = sorted(no_group.union(*members.values()))
            table = pd.DataFrame({"customer_uid": all_uids}, dtype="str")
            table["customer_parent_uid"] = pd.Series(all_uids[:1] * len(all_uids), dtype="str")
            snapshot = snapshot_of(members, customers=table, taken_at=NOON + timedelta(days=day))
            fg.save_snapshot(snapshot)
            snapshots.append(snapshot)
            plan = fg.plan_memberships(snapshot, {min(members): wanted}, mode="mirror", limits=OPEN)
            plan = replace(plan, planned_at=NOON + timedelta(days=day))
            if not plan.is_empty:
                plans.append(fg.read_plan(plan.save(folder / "plans" / f"{day}.json")))
                receipts.append(fg.read_receipt(write_run(plan)))
        (folder / "lists").mkdir()
        (folder / "lists" / "a.csv").write_text("".join(f"{uid};x\n" for uid in ["uid", *listed]))
        paths = files_with(folder, erased)

        table = fg.erase_customer(erased)

        assert (table["action"] != "failed").all()
        assert len(table) >= len({path.split("/")[-2] if "parquet" in path else path for path in paths})
        assert files_with(folder, erased) == []
        for old, stored in zip(snapshots, list_stored_snapshots(), strict=True):
            assert_same_without(old, fg.read_snapshot(stored.path), erased)
        named = [
            any(erased in (*group.baseline, *group.add, *group.remove) for group in plan.groups) for plan in plans
        ]
        digests = [fg.read_plan(path).digest for path in sorted((folder / "plans").glob("*.json"))]
        assert digests == [plan.digest for plan, is_named in zip(plans, named, strict=True) if not is_named]
        after = [fg.read_receipt(path) for path in sorted(folder.rglob("*.receipt.json"))]
        for old, new, is_named in zip(receipts, after, named, strict=True):
            assert_same_with_tombstone(old, new, erased)
            assert bool(new.erasure_id) == is_named
            assert Journal(new.path.with_name(new.path.name.replace(".receipt.json", ".jsonl"))).state.ended
        assert (folder / "lists" / "a.csv").read_text() == "".join(
            f"{uid};x\n" for uid in ["uid", *listed] if uid != erased
        )


def assert_same_with_tombstone(old, new, erased):
    """Check that the new receipt is equal to the old receipt with a placeholder for the erased customer."""
    assert new.counts == old.counts
    rows = old.table().replace({"customer_uid": {erased: "(erased-1)"}})
    # The erasure removes the findings about the customer, except that the customer was unknown.
    is_erased = rows["customer_uid"] == "(erased-1)"
    is_unknown = rows["finding"].str.contains("unknown_customers")
    rows.loc[is_erased, "finding"] = np.where(is_unknown, "unknown_customers", "")[is_erased]
    columns = ["customer_group_uid", "change", "customer_uid"]
    pd.testing.assert_frame_equal(
        new.table().sort_values(columns, ignore_index=True), rows.sort_values(columns, ignore_index=True)
    )
    for group, members in old.members_after.items():
        assert sorted(new.members_after[group]) == sorted("(erased-1)" if uid == erased else uid for uid in members)

    def others(undo):
        table = undo.table()
        return table[table["customer_uid"] != erased].to_numpy().tolist()

    assert others(fg.plan_undo(new)) == others(fg.plan_undo(old)) == fg.plan_undo(new).table().to_numpy().tolist()


# Export


def test_export(filled_home, home_folder):
    "An export contains the customer's data from all files and no data of other customers."
    export = fg.export_customer("c-1")

    assert json.loads(json.dumps(export, allow_nan=False)) == export
    first, second = export["snapshots"]
    assert first["attributes"]["email"] == "person1@mail.example" and "email" not in second["attributes"]
    assert [[group["customer_group_uid"] for group in snapshot["groups"]] for snapshot in (first, second)] == [
        ["all"],
        ["all", "vip"],
    ]
    [receipt] = export["receipts"]
    assert receipt["operations"] == [
        {"customer_group_uid": "vip", "change": "add", "finding": "", "state": "verified", "detail": ""}
    ]
    assert receipt["member_after"] == ["vip"] and receipt["member_before"] == []
    [journal] = export["journals"]
    assert [line["event"] for line in journal["lines"]] == ["intent", "outcome"]
    assert sorted(row for file in export["lists"] for row in file["rows"]) == [
        ["E0001", "Kari"],
        ["Person1@mail.example"],
        ["c-1"],
    ]
    assert len(export["plans"]) == 2 and len(export["reviews"]) == 6
    assert not compile_word_pattern(personal_data(10)).search(json.dumps(export))
    fg.erase_customer("c-1")
    empty = fg.export_customer("c-1")
    assert not any(value for value in empty.values() if isinstance(value, list))


def test_commands(small, capsys, tmp_path):
    "The command for export writes a private file, and the command for erasure requires the option --yes."
    assert main(["export-customer", "c-1"]) == 0
    assert json.loads(capsys.readouterr().out)["customer_uid"] == "c-1"
    assert main(["export-customer", "c-1", "--out", str(tmp_path / "c.json")]) == 0
    assert (tmp_path / "c.json").stat().st_mode & 0o777 == 0o600
    before = bytes_in(small)
    capsys.readouterr()

    assert main(["erase-customer", "c-1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    actions = {line.strip().partition(":")[0] for line in lines if line.startswith("  would ")}
    assert actions == set(PLANNED_ACTIONS.values()) - {"cannot change"}
    assert any(line.startswith(f"    {small}") for line in lines)
    assert bytes_in(small) == before

    (small / "note.txt").write_text("c-1")
    assert main(["erase-customer", "c-1", "--yes"]) == 5
    assert "note.txt" in capsys.readouterr().out
    (small / "note.txt").unlink()
    assert main(["erase-customer", "c-1", "--yes"]) == 0
    out = capsys.readouterr().out
    assert str(small) in out and "would" not in out
    assert files_with(small, "c-1") == []
    assert main(["export-customer", "c-1", "--out", str(tmp_path / "none.json")]) == 0
    assert "No stored data" in capsys.readouterr().out and (tmp_path / "none.json").exists()
