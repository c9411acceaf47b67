"""Customers are personal data: what is kept of them, and where their names may never appear."""

import logging
import stat
import sys
import traceback

import pandas as pd
import pyarrow.parquet as pq
import pytest

import frgroups as fg
from frgroups.errors import ApiError
from frgroups.retry import RetryPolicy
from frgroups.sandbox import Fault

# Told of one customer, in every field that holds personal data; none of it may be kept by default.
PLANTED = {
    "firstname": "Planted-Firstname",
    "lastname": "Planted-Lastname",
    "companyName": "Planted-Company",
    "displayName": "Planted-Displayname",
    "email": "planted@mail.example",
    "mobile": "+47 planted-mobile",
    "address": "Planted-Street 7",
    "vatNumber": "Planted-VAT",
    "loyaltyId": "Planted-Loyalty",
    "internalNote": "Planted-Note: pays late",
    "accountManager": {"tenantUserUid": "u-1", "displayName": "Planted-Manager", "userCode": "Planted-Code"},
    "ehf": {"enabled": True, "address": "Planted-Ehf"},
    "addresses": [{"address": "Planted-Second-Street 8"}],
    "contacts": [{"name": "Planted-Contact"}],
    "extensions": [{"key": "shoe", "value": "Planted-Extension"}],
}
# Said of the customer and not about the person: kept.
KEPT = {"postalCode": "0150", "city": "Oslo", "countryCode": "NO"}


@pytest.fixture(scope="module")
def running():
    with fg.Sandbox(empty=True, max_page_size=2, default_page_size=2) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    """A tenant where much is known of one of five customers."""
    running.reset()
    running.put_customers([{"customerUid": "c1", **PLANTED, **KEPT}, "c2", "c3", "c4", "c5"])
    running.put_group("all", "All")
    running.put_group("vip", "VIP")
    running.add_members("all", ["c1", "c2", "c3", "c4", "c5"])
    running.add_members("vip", ["c1", "c2"])
    return running


def planted(text):
    """Whether any of the planted words stands in the text."""
    return "planted" in text.lower()


def everything_in(folder):
    """What the files of a folder hold: as bytes, and as the cells and schemas of the parquet files."""
    texts = []
    for path in folder.rglob("*"):
        if path.is_file():
            texts += [path.name, path.read_bytes().decode("latin-1")]
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts += [str(table.to_pylist()), str(table.schema), str(table.schema.metadata)]
    return "\n".join(texts)


def test_nothing_personal_is_kept_by_default(sandbox, tmp_path):
    "Neither the snapshot's tables nor any byte of its files hold a name, contact, address, note or personal number."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, tmp_path)

    tables = [snapshot.groups, snapshot.customers, snapshot.consents, snapshot.memberships, snapshot.reads]
    disk = everything_in(tmp_path)
    assert not any(planted(table.to_csv()) for table in tables)
    assert not planted(disk)
    assert "Oslo" in disk and "c1" in disk
    assert not {"firstname", "email", "mobile", "internal_note"} & set(snapshot.customers)


def test_whether_there_is_an_address_is_kept(sandbox):
    "Reach can be told without contact data: has_email and its like are columns of every snapshot."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False)

    customers = snapshot.customers.set_index("customer_uid")
    columns = ["has_email", "has_mobile", "has_loyalty_id", "has_vat_number"]
    assert customers.loc["c1", columns].all()
    assert not customers.loc["c2", columns].any()
    assert list(customers.loc["c1", ["postal_code", "city", "country_code"]]) == ["0150", "Oslo", "NO"]


def test_asked_for_everything_is_kept(sandbox, tmp_path):
    "personal=True keeps names, contact data, addresses and notes, in memory and on disk alike."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, tmp_path, personal=True)

    again = fg.read_snapshot(tmp_path)
    pd.testing.assert_frame_equal(again.customers, snapshot.customers)
    kept = again.customers.set_index("customer_uid").loc["c1"]
    assert kept["email"] == PLANTED["email"]
    assert kept["internal_note"] == PLANTED["internalNote"]
    assert kept["account_manager_name"] == "Planted-Manager"
    assert "Planted-Second-Street 8" in kept["addresses"]
    assert "Planted-Contact" in kept["contacts"]


def test_a_load_that_wants_more_than_was_kept_reads_again(sandbox, tmp_path):
    "A young snapshot without personal data does not answer personal=True, the other way round it does."
    with sandbox.client() as client:
        fg.load_snapshot(client, tmp_path)
        personal = fg.load_snapshot(client, tmp_path, max_age="1h", personal=True)
        sandbox.clear_requests()
        plain = fg.load_snapshot(client, tmp_path, max_age="1h")

    assert "email" in personal.customers
    assert plain.taken_at == personal.taken_at
    assert sandbox.requests() == []


def test_nothing_personal_is_shown(sandbox):
    "Reprs and cards of snapshot, client, customer and group show uids and counts, never a person."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, personal=True)
        customers = list(client.iter_group_customers("vip"))

        shown = [
            *(repr(thing) for thing in (snapshot, client, customers, client.check(), client.get_group("vip"))),
            *(thing._repr_html_() for thing in (snapshot, client, client.check())),
            str(customers[0]),
            f"{customers[0]}",
        ]

    assert customers[0].email == PLANTED["email"]
    assert repr(customers[0]) == "<Customer c1>"
    assert not any(planted(text) for text in shown)


@pytest.mark.parametrize("kind", ["cut_during", "garbage", "status", "html"])
@pytest.mark.parametrize("personal", [True, False])
def test_nothing_personal_is_in_errors_and_logs(kind, personal, sandbox, caplog):
    "A load that fails half way tells operation and status in error, causes and DEBUG log, and no customer."
    for name in ("frgroups", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    sandbox.misbehave(Fault(kind, path="/customers", skip=1, times=None))
    with sandbox.client(retry=RetryPolicy(tries=2, base=0.001)) as client, pytest.raises(ApiError) as caught:
        fg.load_snapshot(client, False, personal=personal)

    assert not planted("".join(traceback.format_exception(caught.value)))
    assert not planted(repr(vars(caught.value)))
    assert not planted("\n".join(repr(vars(record)) for record in caplog.records))
    assert len(caplog.records) > 5


def test_progress_tells_no_customer(sandbox):
    "What the progress callable hears is a text of ours and numbers."
    news = []
    with sandbox.client() as client:
        fg.load_snapshot(client, False, personal=True, progress=lambda *told: news.append(told))

    assert {text for text, _, _ in news} == {"Loading"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_what_is_kept_is_for_us_alone(sandbox, home_folder):
    "Files are 0600 and folders 0700, from the home's own down."
    with sandbox.client() as client:
        fg.load_snapshot(client)

    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in home_folder.rglob("*") if path != home_folder
    }
    assert modes == {(True, 0o700), (False, 0o600)}
