"""From the API's records to tables: dtypes, order, odd dates, and what may be kept of a customer."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
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
    """{column: dtype} of a frame, as text."""
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def uids_of(members):
    """The uids of these members, as Seen has them."""
    return pa.array([member.customer_uid for member in members], pa.large_string())


def customers_table(members, record, order=None):
    """The customers' table of these members, in uid order unless told otherwise."""
    columns = CustomerColumns(record)
    columns.add(page_rows(members, record))
    return columns.customers(uids_of(members), np.array(in_uid_order(members) if order is None else order, np.int64))


def consents_table(members, order=None):
    """The consents' table of these members."""
    columns = CustomerColumns(Member)
    columns.add(page_rows(members))
    return columns.consents(uids_of(members), np.array(in_uid_order(members) if order is None else order, np.int64))


def in_uid_order(members):
    return sorted(range(len(members)), key=lambda n: members[n].customer_uid)


def test_groups_are_in_uid_order_with_fixed_dtypes():
    "A group without a name is shown by its uid."
    table = groups_table(
        [
            Group(customer_group_uid="vip", name="VIP", created_at="2026-01-02"),
            Group(customer_group_uid="all", name=""),
        ]
    )

    assert dtypes(table) == GROUPS
    assert table[["customer_group_uid", "name"]].values.tolist() == [["all", "all"], ["vip", "VIP"]]
    assert table["created_at"].isna().tolist() == [True, False]


def test_a_member_becomes_a_row_without_contact_data():
    "Of e-mail, mobile, loyalty id and VAT number only whether there is one; names are not in the table."
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
def test_contact_data_stays_out_unless_it_was_asked_for(kind):
    "Whatever kind of record comes in, the default table shows no name, address or number."
    values = FULL if kind is Member else FULL | NAMES

    text = customers_table([kind(**values)], Member).to_csv()

    for secret in ("kari@example.no", "+4790000000", "Nordmann", "Storgata", "Selger", "VIP!"):
        assert secret not in text


def test_everything_is_kept_when_it_was_asked_for():
    "personal=True has the same columns first, then contact data, lists as JSON."
    table = customers_table([Customer(**FULL, **NAMES)], Customer)

    row = table.iloc[0]
    assert dtypes(table) == CUSTOMERS | PERSONAL
    assert (row.firstname, row.email, row.account_manager_name) == ("Kari", "kari@example.no", "Ola Selger")
    assert json.loads(row.addresses) == [{"street": "Storgata 1"}]
    assert json.loads(row.contacts) == []
    assert pd.isna(row.loyalty_id)


def test_an_empty_text_is_a_missing_value():
    "The API writes '' for what it does not know."
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
def test_one_odd_date_does_not_touch_the_others(text, expected):
    "Each date is read by itself, to the microsecond in UTC; nonsense is a missing date."
    good = "2026-05-05T05:05:05.5Z"
    members = [Member(customer_uid=f"c-{n}", created_at=one) for n, one in enumerate([good, text, good])]

    moments = customers_table(members, Member)["created_at"]

    assert str(moments.dtype) == "datetime64[us, UTC]"
    assert moments[0] == moments[2] == pd.Timestamp(good)
    assert pd.isna(moments[1]) if expected is None else moments[1] == pd.Timestamp(expected)


def test_consents_have_a_row_each_in_the_order_of_their_uids():
    "Customers without a consent have no row; an unknown status stays unknown."
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


def test_consents_of_one_uid_stay_in_the_order_of_the_record():
    "Two consents of one uid are both kept, as the record has them; one without a uid comes last."
    consents = tuple(
        Consent(consent_uid=uid, name=name) for uid, name in [("b", "1"), (None, "2"), ("a", "3"), ("b", "0")]
    )

    table = consents_table([Member(customer_uid="c-1", consents=consents)])

    assert list(table["name"]) == ["3", "1", "0", "2"]
    assert table["consent_uid"].isna().tolist() == [False, False, False, True]


def test_an_empty_text_in_a_consent_is_a_missing_value():
    "As in the customers' table."
    consents = (Consent(consent_uid="mail", name="", source="", created_at=""),)

    table = consents_table([Member(customer_uid="c-1", consents=consents)])

    assert table[["name", "source", "created_at"]].isna().all(axis=None)


def test_only_those_who_are_asked_for_come_in_the_order_asked_for():
    "Who was met and turned out to be in no group is in neither table."
    members = [
        Member(customer_uid=f"c-{n}", city=f"city {n}", consents=(Consent(consent_uid="mail"),)) for n in range(5)
    ]

    customers, consents = customers_table(members, Member, order=[3, 1]), consents_table(members, order=[3, 1])

    assert list(customers["customer_uid"]) == list(consents["customer_uid"]) == ["c-3", "c-1"]
    assert list(customers["city"]) == ["city 3", "city 1"]


@pytest.mark.parametrize("record", [Member, Customer])
def test_the_portions_that_customers_come_in_do_not_show(record, monkeypatch):
    "One page or many, portions joined early or late: the tables are the same."
    consents = [(), None, (Consent(consent_uid="sms"), Consent(consent_uid="mail"))]
    members = [
        Customer(**FULL | {"customer_uid": f"c-{n:03d}", "city": f"{n}", "consents": consents[n % 3]})
        for n in range(100)
    ]
    order = np.array(range(99, -1, -3))
    at_once = CustomerColumns(record)
    rows = page_rows(members, record)
    at_once.add(rows)
    monkeypatch.setattr("frgroups.load.column_builder.BATCH_SIZE", 4)
    by_and_by = CustomerColumns(record)
    for n in range(0, 100, 3):
        by_and_by.add(rows[n : n + 3])

    for table in ("customers", "consents"):
        one, other = (getattr(columns, table)(uids_of(members), order) for columns in (at_once, by_and_by))
        pd.testing.assert_frame_equal(one, other)
    assert len(by_and_by.consents(uids_of(members), np.arange(100))) == 66


def test_no_records_are_empty_tables_of_the_same_columns():
    "An empty tenant has tables too."
    assert dtypes(groups_table([])) == GROUPS
    assert dtypes(customers_table([], Member)) == CUSTOMERS
    assert dtypes(customers_table([], Customer)) == CUSTOMERS | PERSONAL
    assert dtypes(consents_table([])) == CONSENTS


texts = st.none() | st.text(max_size=5)
whole = st.none() | st.integers(-(2**63), 2**63 - 1)
members = st.builds(
    Member,
    customer_uid=st.text(min_size=1, max_size=5),
    external_id=texts,
    created_at=texts,
    payment_terms=whole,
    credit=st.none() | st.builds(Credit, limit=whole, balance=whole),
    consents=st.none() | st.lists(st.builds(Consent, consent_uid=texts, created_at=texts)).map(tuple),
)


@settings(max_examples=50)
@given(rows=st.lists(members, max_size=5, unique_by=lambda row: row.customer_uid))
def test_every_record_has_its_row(rows):
    "Nothing that a page can hold is lost or refused on its way into a table."
    table = customers_table(rows, Member)

    in_order = sorted(rows, key=lambda row: row.customer_uid)
    assert dtypes(table) == CUSTOMERS
    assert list(table["customer_uid"]) == [row.customer_uid for row in in_order]
    assert [None if pd.isna(one) else one for one in table["payment_terms"]] == [
        row.payment_terms for row in in_order
    ]
    assert len(consents_table(rows)) == sum(len(row.consents or ()) for row in rows)


def test_an_odd_date_costs_no_other_date():
    "Beyond microseconds, beyond the calendar, or a word: each is read by itself."
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

    assert [str(moment) for moment in groups_table(groups)["created_at"]] == list(odd.values())
