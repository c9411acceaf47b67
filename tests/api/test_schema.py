"""The API's JSON as values: what is read fast, what is repaired, and what is no answer of this API."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.schema.codec import (
    check_uid,
    check_uids_once,
    decode_group,
    decode_nested,
    decode_page,
    encode_group,
    encode_membership,
    error_message,
    membership_payload,
    query,
)
from frgroups.api.schema.lenient_decoding import SchemaMismatchError
from frgroups.api.schema.records import NESTED, ROW_OF, Consent, Credit, Customer, Group, Member
from frgroups.errors import InputError

PAGING = {"pageNumber": 0, "pageSize": 500, "totalCount": 1}


def page(*items, **paging):
    """The body of a page."""
    return json.dumps({"items": items, "paging": PAGING | paging}).encode()


def member(**values):
    """The member that is read from a record with these fields."""
    [one] = decode_page(page({"customerUid": "c-1", **values}), Member).items
    return one


def test_a_page_is_read():
    "Records, and the paging that was granted."
    found = decode_page(page({"customerUid": "c-1"}, {"customerUid": "0150"}, pageNumber=3, totalCount=7), Member)

    assert found.uids == ["c-1", "0150"]
    assert (found.page_number, found.page_size, found.total_count, found.without_uid) == (3, 500, 7, 0)


def test_fields_are_read_under_their_python_names():
    "camelCase there, snake_case here; nested records too."
    one = member(
        customerGroupUids=["vip", "all"],
        externalId="0150",
        lastModifiedAt="2026-01-02T03:04:05Z",
        credit={"limit": 50000, "balance": -1},
        consents=[{"consentUid": "n", "status": True}],
    )

    assert one.customer_group_uids == ("vip", "all")
    assert one.external_id == "0150"
    assert one.last_modified_at == "2026-01-02T03:04:05Z"
    assert one.credit == Credit(limit=50000, balance=-1)
    assert one.consents == (Consent(consent_uid="n", status=True),)


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"brandNew": {"deep": [1]}}, "uid", "c-1"),
        ({"customerType": "ROBOT"}, "customer_type", "ROBOT"),
        ({"city": None}, "city", None),
        ({"createdAt": ""}, "created_at", ""),
        ({"paymentTerms": 14.5}, "payment_terms", None),
        ({"paymentTerms": 14.0}, "payment_terms", 14),
        ({"paymentTerms": "14"}, "payment_terms", 14),
        ({"paymentTerms": 10**30}, "payment_terms", None),
        ({"paymentTerms": True}, "payment_terms", None),
        ({"externalId": 150}, "external_id", "150"),
        ({"externalId": 150.5}, "external_id", None),
        ({"externalId": {"a": 1}}, "external_id", None),
        ({"externalId": ["a"]}, "external_id", None),
        ({"city": False}, "city", None),
        ({"credit": {"limit": 14.5, "balance": 3}}, "credit", Credit(balance=3)),
        ({"credit": {"limit": 10**30}}, "credit", Credit()),
        ({"credit": []}, "credit", None),
        ({"credit": "none"}, "credit", None),
        ({"customerGroupUids": ["vip", None, 7, {}]}, "customer_group_uids", ("vip", "7")),
        ({"customerGroupUids": "vip"}, "customer_group_uids", None),
        ({"consents": None}, "consents", None),
        (
            {"consents": [{"consentUid": "n", "status": "maybe"}, {"consentUid": "m", "status": True}, 7]},
            "consents",
            (Consent(consent_uid="n"), Consent(consent_uid="m", status=True)),
        ),
    ],
)
def test_odd_values_are_made_right_or_left_out(values, field, expected):
    "A likely reading where there is one, else a missing value; the rest of the record stays."
    one = member(**values, postalCode="0150")

    assert getattr(one, field) == expected
    assert one.postal_code == "0150"


def test_one_odd_record_does_not_touch_the_others():
    "The page is repaired record by record."
    found = decode_page(
        page({"customerUid": "c-1", "paymentTerms": 30}, {"customerUid": "c-2", "paymentTerms": "x"}), Member
    )

    assert [(one.uid, one.payment_terms) for one in found.items] == [("c-1", 30), ("c-2", None)]


@pytest.mark.parametrize("uid", [None, "", 1.5, True, [], {}])
def test_a_record_without_a_uid_is_counted_not_lost(uid):
    "It cannot be kept, and the page says how many there were."
    found = decode_page(
        page({"customerUid": uid, "city": "Oslo"}, {"city": "Bergen"}, {"customerUid": "c-1"}), Member
    )

    assert found.uids == ["c-1"]
    assert found.without_uid == 2


def test_a_number_for_a_uid_is_its_digits():
    "150 is read as the text 150."
    assert decode_page(page({"customerUid": 150}), Member).uids == ["150"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><html><body>Sign in</body></html>",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"items": []}',
        b'{"items": [], "paging": null}',
        b'{"items": [], "paging": []}',
        b'{"items": [], "paging": [1]}',
        b'{"items": [], "paging": "all"}',
        b'{"items": [], "paging": {}}',
        b'{"items": null, "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": 0}}',
        b'{"items": {}, "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": 0}}',
        b'{"items": [], "paging": {"pageNumber": 0, "pageSize": 1}}',
        b'{"items": [], "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": null}}',
        b'{"items": [], "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": -1}}',
        b'{"items": [], "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": 1.5}}',
        b'{"items": [], "paging": {"pageNumber": true, "pageSize": 1, "totalCount": 1}}',
        b'{"items": [{"customerUid": "\xff"}], "paging": {}}',
        b'{"items": [], "paging"',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("record", [Group, Member, Customer])
def test_what_is_no_page_of_this_api_is_refused(body, record):
    "Not JSON, HTML, no items, no usable paging: never an empty page."
    with pytest.raises(SchemaMismatchError):
        decode_page(body, record)


def test_paging_in_odd_numbers_is_read():
    "Text and 0.0 are read where they are whole numbers."
    found = decode_page(page({"customerUid": "c-1"}, pageNumber="2", pageSize=500.0, totalCount="11"), Member)

    assert (found.page_number, found.page_size, found.total_count) == (2, 500, 11)


def test_a_customer_keeps_what_a_member_leaves():
    "By default contact data only tells that it is there; a Customer holds all of it, and neither shows it."
    record = {"customerUid": "c-1", "firstname": "Kari", "email": "kari@example.no", "addresses": [{"city": "Oslo"}]}

    [kept] = decode_page(page(record), Customer).items
    [slim] = decode_page(page(record), Member).items

    assert (kept.firstname, kept.addresses) == ("Kari", [{"city": "Oslo"}])
    assert not hasattr(slim, "firstname")
    assert repr(kept) == "<Customer c-1>"
    assert repr(slim) == "<Member c-1>"


def test_a_group_is_read_from_one_record():
    "Odd values are repaired here too; a group without a uid is none."
    assert decode_group(b'{"customerGroupUid": "vip", "name": 7, "new": 1}') == Group(
        customer_group_uid="vip", name="7"
    )
    for body in (b"{}", b"[]", b"<html>", b'{"customerGroupUid": ""}', b'{"name": "VIP"}'):
        with pytest.raises(SchemaMismatchError):
            decode_group(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [field.encode_name for field in msgspec.structs.fields(Customer)]
records = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)


@given(items=st.lists(records | json_values, max_size=4))
def test_no_record_breaks_a_page_or_vanishes(items):
    "Whatever the records hold, each is read or counted as nameless, and what is read keeps its types."
    found = decode_page(page(*items), Customer)

    assert len(found.items) + found.without_uid == len(items)
    assert all(isinstance(uid, str) and uid for uid in found.uids)
    for item in found.items:
        again = msgspec.convert(json.loads(msgspec.json.encode(item)), Customer)
        assert again == item


@given(body=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    "No body raises anything but SchemaMismatchError; and an error body is never more than a line of text."
    for record in (Group, Member, Customer):
        with pytest.raises(SchemaMismatchError):
            decode_page(body, record)
    assert "\n" not in error_message(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message": "no such\\n group"}', "no such group"),
        (b'{"error": "bad", "message": ""}', "bad"),
        (b'{"title": "Conflict"}', "Conflict"),
        (b'{"message": {"a": 1}}', ""),
        (b'"plain"', "plain"),
        (b"<html>oops</html>", ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
        (b"", ""),
        (json.dumps({"message": "x" * 5000}).encode(), "x" * 300),
    ],
)
def test_the_words_of_the_service_are_one_short_line(body, said):
    "What an error body says, cut to a line; nothing where it says nothing."
    assert error_message(body) == said


# What is sent


def test_the_body_of_a_membership_change_leaves_an_empty_side_out():
    "Only what changes is sent."
    assert json.loads(encode_membership(["c-1", "c-2"], [])) == {"addCustomerUids": ["c-1", "c-2"]}
    assert json.loads(encode_membership([], ["c-1"])) == {"removeCustomerUids": ["c-1"]}
    assert json.loads(encode_membership(("a",), ("b",))) == {"addCustomerUids": ["a"], "removeCustomerUids": ["b"]}


def test_the_payload_of_a_group_names_both_sides():
    "The whole change of one group, in the API's words."
    assert membership_payload("vip", ("c-1",), ()) == {
        "customerGroupUid": "vip",
        "addCustomerUids": ["c-1"],
        "removeCustomerUids": [],
    }


def test_the_body_of_a_group_has_a_uid_only_when_one_was_chosen():
    "Renaming and creating without a uid send the name alone; text stays as it is."
    assert json.loads(encode_group("Blåbær «VIP»")) == {"name": "Blåbær «VIP»"}
    assert json.loads(encode_group("VIP", "vip")) == {"name": "VIP", "customerGroupUid": "vip"}


def test_only_given_parameters_are_sent():
    "Page 0 is a parameter, None is not."
    assert query(None, None, None, None) == {}
    assert query(0, 500, "name", "ASC") == {
        "pageNumber": 0,
        "pageSize": 500,
        "sortBy": "name",
        "sortDirection": "ASC",
    }


# Uids


@given(uid=st.text(st.sampled_from("abzAZ059_-"), min_size=1))
def test_uids_of_the_published_pattern_are_taken_as_they_are(uid):
    "Letters, digits, hyphen and underscore, whole."
    assert check_uid(uid) == uid


@pytest.mark.parametrize("uid", ["", "a b", "a\n", "\na", "a/b", "../a", "a.b", "ø", "a%20", "a?b", "a#b", "１"])
def test_uids_are_matched_to_the_end(uid):
    "The published pattern has no end anchor; a line end or path at the end is refused all the same."
    with pytest.raises(InputError, match="not a customer uid"):
        check_uid(uid, "customer uid")


def test_several_uids_are_checked_once_in_their_order():
    "Repetitions go, one text is not several, and numbers are refused."
    assert check_uids_once(["b", "a", "b"], "add") == ["b", "a"]
    with pytest.raises(InputError, match=r"write \['abc'\]"):
        check_uids_once("abc", "add")
    with pytest.raises(InputError, match="is text, not int"):
        check_uids_once([1], "add")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["consentUid", "status", "limit", "name", "storeUid", "enabled"]), inner)
    ),
    max_leaves=6,
)
oddities = st.dictionaries(
    st.sampled_from(
        ["customerGroupUids", "consents", "credit", "defaultStore", "accountManager", "ehf", "addresses"]
    ),
    values,
)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_a_number_without_end_is_no_number(number):
    "JSON has none; where a service writes one all the same, the value is missing and the rest of the record stays."
    body = page({"customerUid": "c-1", "credit": {"limit": 5.5}}).replace(b"5.5", number.encode())

    for record in (Customer, ROW_OF[Customer]):
        [one] = decode_page(body, record).items
        assert one.uid == "c-1"
    assert decode_page(body, Customer).items[0].credit.limit is None


@pytest.mark.parametrize("kind", [Member, Customer])
@given(records=st.lists(oddities, max_size=4))
def test_what_a_row_leaves_as_json_opens_as_the_record_has_it(kind, records):
    "Whatever stands in a nested field, a load's row and the record itself end with the same value, repaired or not."
    body = page(*({"customerUid": f"c-{n}"} | one for n, one in enumerate(records)))

    rows, items = decode_page(body, ROW_OF[kind]).items, decode_page(body, kind).items

    assert [row.uid for row in rows] == [item.uid for item in items]
    for field in NESTED.intersection(kind.__struct_fields__):
        texts = [bytes(getattr(row, field)) for row in rows]
        together = [b",".join(texts)] if texts else []
        assert (
            decode_nested(texts, kind, field)
            == decode_nested(together, kind, field)
            == [getattr(one, field) for one in items]
        )
