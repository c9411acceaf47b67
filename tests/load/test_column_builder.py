"""Tests for the tables that are built from API records."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.schema.records import AccountManager, Consent, Credit, Customer, Group, Member, Store
from frgroups.load.column_builder import CustomerColumns, groups_table
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, PERSONAL
from tests.world import page_rows

FULL = {
    "customer_uid": "c-1",
    "customer_group_uids": ("vip",),
    "external_id": "0150",
    "customer_type": "PERSON",
    "country_code": "NO",
    "postal_code": "0150",
    "city": "Oslo",
    "origin": "POS",
    "created_at": "2026-01-02T03:04:05.123456Z",
    "last_modified_at": "2026-01-02T05:04:05+02:00",
    "payment_terms": 14,
    "credit": Credit(limit=50_000, balance=-300),
    "default_store": Store(store_uid="s-1", name="Oslo S"),
    "account_manager": AccountManager(tenant_user_uid="u-1", display_name="Ola Selger"),
    "email": "kari@example.no",
    "mobile": "+4790000000",
    "loyalty_id": "",
    "vat_number": None,
}
NAMES = {
    "firstname": "Kari",
    "lastname": "Nordmann",
    "address": "Storgata 1",
    "internal_note": "VIP!",
    "addresses": [{"street": "Storgata 1"}],
}


def dtypes(frame):
    """Return the dtypes of a table as strings."""
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def uids_of(members):
    """Return the uids of some members as an Arrow array."""
    return pa.array([member.customer_uid for member in members], pa.large_string())


def customers_table(members, record, order=None):
    """Return the customers table of some members, sorted by uid by default."""
    columns = CustomerColumns(record)
    columns.add(page_rows(members, record))
    return columns.customers(
        uids_of(members), np.array(positions_in_uid_order(members) if order is None else order, np.int64)
    )


def consents_table(members, order=None):
    """Return the consents table of some members, sorted by customer uid by default."""
    columns = CustomerColumns(Member)
    columns.add(page_rows(members))
    return columns.consents(
        uids_of(members), np.array(positions_in_uid_order(members) if order is None else order, np.int64)
    )


def positions_in_uid_order(members):
    return sorted(range(len(members)), key=lambda n: members[n].customer_uid)


def test_groups_table():
    """Groups are sorted by uid, and a group without a name is named after its uid."""
    table = groups_table(
        [
            Group(customer_group_uid="vip", name="VIP", created_at="2026-01-02"),
            Group(customer_group_uid="all", name=""),
        ]
    )

    assert dtypes(table) == GROUPS
    assert table[["customer_group_uid", "name"]].values.tolist() == [["all", "all"], ["vip", "VIP"]]
    assert table["created_at"].isna().tolist() == [True, False]


def test_customers_table():
    """By default, the customers table contains flags for existing contact data, but not the contact data."""
    table = customers_table([Member(**FULL)], Member)

    row = table.iloc[0]
    assert dtypes(table) == CUSTOMERS
    assert (row.external_id, row.postal_code, row.payment_terms) == ("0150", "0150", 14)
    assert (row.credit_limit, row.credit_balance) == (50_000, -300)
    assert (row.default_store_uid, row.default_store_name, row.account_manager_uid) == ("s-1", "Oslo S", "u-1")
    assert (row.has_email, row.has_mobile, row.has_loyalty_id, row.has_vat_number) == (True, True, False, False)
    assert row.created_at == pd.Timestamp("2026-01-02T03:04:05.123456Z")
    assert row.last_modified_at == pd.Timestamp("2026-01-02T03:04:05Z")


@pytest.mark.parametrize("kind", [Member, Customer])
def test_no_personal_data_by_default(kind):
    """By default, no name, address, or contact data is stored for any record type."""
    values = FULL if kind is Member else FULL | NAMES

    text = customers_table([kind(**values)], Member).to_csv()

    for secret in ("kari@example.no", "+4790000000", "Nordmann", "Storgata", "Selger", "VIP!"):
        assert secret not in text


def test_personal_columns():
    """With personal data, the customers table has additional columns, in which lists are stored as JSON."""
    table = customers_table([Customer(**FULL, **NAMES)], Customer)

    row = table.iloc[0]
    assert dtypes(table) == CUSTOMERS | PERSONAL
    assert (row.firstname, row.email, row.account_manager_name) == ("Kari", "kari@example.no", "Ola Selger")
    assert json.loads(row.addresses) == [{"street": "Storgata 1"}]
    assert json.loads(row.contacts) == []
    assert pd.isna(row.loyalty_id)


def test_empty_strings():
    """Empty strings in customer records become missing values."""
    table = customers_table([Member(customer_uid="c-1", city="", external_id="", created_at="")], Member)

    assert table[["city", "external_id", "created_at"]].isna().all(axis=None)
    assert (table["has_email"] == False).all()  # noqa: E712


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("yesterday", None),
        ("2026-13-45", None),
        ("2026-01-02", "2026-01-02T00:00Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_timestamp_formats(text, expected):
    """Timestamps are converted to UTC with microseconds, and invalid timestamps become missing values."""
    good = "2026-05-05T05:05:05.5Z"
    members = [Member(customer_uid=f"c-{n}", created_at=value) for n, value in enumerate([good, text, good])]

    timestamps = customers_table(members, Member)["created_at"]

    assert str(timestamps.dtype) == "datetime64[us, UTC]"
    assert timestamps[0] == timestamps[2] == pd.Timestamp(good)
    assert pd.isna(timestamps[1]) if expected is None else timestamps[1] == pd.Timestamp(expected)


def test_consents_table():
    """The consents table contains the consents sorted by customer and consent uid. An unknown status is missing."""
    members = [
        Member(customer_uid="c-2", consents=(Consent(consent_uid="sms", status=None), Consent(consent_uid="mail"))),
        Member(customer_uid="c-3"),
        Member(customer_uid="c-1", consents=(Consent(consent_uid="mail", status=True, created_at="2026-01-02"),)),
    ]

    table = consents_table(members)

    assert dtypes(table) == CONSENTS
    assert table[["customer_uid", "consent_uid"]].values.tolist() == [
        ["c-1", "mail"],
        ["c-2", "mail"],
        ["c-2", "sms"],
    ]
    assert table["status"].isna().tolist() == [False, True, True]


def test_consents_with_same_uid():
    """Consents with the same uid have the order of the customer record, and consents without a uid come last."""
    consents = tuple(
        Consent(consent_uid=uid, name=name) for uid, name in [("b", "1"), (None, "2"), ("a", "3"), ("b", "0")]
    )

    table = consents_table([Member(customer_uid="c-1", consents=consents)])

    assert list(table["name"]) == ["3", "1", "0", "2"]
    assert table["consent_uid"].isna().tolist() == [False, False, False, True]


def test_empty_strings_in_consents():
    """Empty strings in consents become missing values."""
    consents = (Consent(consent_uid="mail", name="", source="", created_at=""),)

    table = consents_table([Member(customer_uid="c-1", consents=consents)])

    assert table[["name", "source", "created_at"]].isna().all(axis=None)


def test_requested_customers():
    """The customers table contains only the requested customers, in the requested order."""
    members = [
        Member(customer_uid=f"c-{n}", city=f"city {n}", consents=(Consent(consent_uid="mail"),)) for n in range(5)
    ]

    customers, consents = customers_table(members, Member, order=[3, 1]), consents_table(members, order=[3, 1])

    assert list(customers["customer_uid"]) == list(consents["customer_uid"]) == ["c-3", "c-1"]
    assert list(customers["city"]) == ["city 3", "city 1"]


@pytest.mark.parametrize("record", [Member, Customer])
def test_batches(record, monkeypatch):
    """The customers and consents tables do not depend on the batches in which the customers are added."""
    consents = [(), None, (Consent(consent_uid="sms"), Consent(consent_uid="mail"))]
    members = [
        Customer(**FULL | {"customer_uid": f"c-{n:03d}", "city": f"{n}", "consents": consents[n % 3]})
        for n in range(100)
    ]
    order = np.array(range(99, -1, -3))
    one_batch = CustomerColumns(record)
    rows = page_rows(members, record)
    one_batch.add(rows)
    monkeypatch.setattr("frgroups.load.column_builder.BATCH_SIZE", 4)
    many_batches = CustomerColumns(record)
    for n in range(0, 100, 3):
        many_batches.add(rows[n : n + 3])

    for table in ("customers", "consents"):
        left, right = (getattr(columns, table)(uids_of(members), order) for columns in (one_batch, many_batches))
        pd.testing.assert_frame_equal(left, right)
    assert len(many_batches.consents(uids_of(members), np.arange(100))) == 66


def test_empty_tables():
    """If there are no customer records, the tables are empty but have all columns."""
    assert dtypes(groups_table([])) == GROUPS
    assert dtypes(customers_table([], Member)) == CUSTOMERS
    assert dtypes(customers_table([], Customer)) == CUSTOMERS | PERSONAL
    assert dtypes(consents_table([])) == CONSENTS


texts = st.none() | st.text(max_size=5)
integers = st.none() | st.integers(-(2**63), 2**63 - 1)
members = st.builds(
    Member,
    customer_uid=st.text(min_size=1, max_size=5),
    external_id=texts,
    created_at=texts,
    payment_terms=integers,
    credit=st.none() | st.builds(Credit, limit=integers, balance=integers),
    consents=st.none() | st.lists(st.builds(Consent, consent_uid=texts, created_at=texts)).map(tuple),
)


@given(rows=st.lists(members, max_size=5, unique_by=lambda row: row.customer_uid))
def test_one_row_per_record(rows):
    """Every customer record becomes one row of the customers table, for any values that the record contains."""
    table = customers_table(rows, Member)

    in_order = sorted(rows, key=lambda row: row.customer_uid)
    assert dtypes(table) == CUSTOMERS
    assert list(table["customer_uid"]) == [row.customer_uid for row in in_order]
    assert [None if pd.isna(value) else value for value in table["payment_terms"]] == [
        row.payment_terms for row in in_order
    ]
    assert len(consents_table(rows)) == sum(len(row.consents or ()) for row in rows)


def test_invalid_timestamps():
    """An invalid timestamp does not affect the conversion of other timestamps."""
    odd = {
        "2026-01-01T00:00:00.1234567Z": "2026-01-01 00:00:00.123456+00:00",
        "0001-01-01T00:00:00Z": "0001-01-01 00:00:00+00:00",
        "9999-12-31T00:00:00Z": "9999-12-31 00:00:00+00:00",
        "9999-12-31T23:59:59-01:00": "NaT",
        "0001-01-01T00:00:00+01:00": "NaT",
        "now": "NaT",
        "2026-02-30": "NaT",
        "2026-01-02": "2026-01-02 00:00:00+00:00",
    }
    groups = [Group(customer_group_uid=f"g{n}", created_at=text) for n, text in enumerate(odd)]

    assert [str(timestamp) for timestamp in groups_table(groups)["created_at"]] == list(odd.values())
