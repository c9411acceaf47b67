"""Tests for the conversion between the API's JSON and typed records."""

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
from frgroups.api.schema.records import NESTED, ROW_OF, Consent, Credit, Customer, CustomerReferences, Group, Member
from frgroups.errors import InputError

PAGING = {"pageNumber": 0, "pageSize": 500, "totalCount": 1}


def page(*items, **paging):
    """Return the JSON body of a page response with the given items."""
    return json.dumps({"items": items, "paging": PAGING | paging}).encode()


def member(**values):
    """Return the Member object that is decoded from a record with the given fields."""
    [decoded] = decode_page(page({"customerUid": "c-1", **values}), Member).items
    return decoded


def test_decode_page():
    "A decoded page contains the records and the paging values of the response."
    found = decode_page(page({"customerUid": "c-1"}, {"customerUid": "0150"}, pageNumber=3, totalCount=7), Member)

    assert found.uids == ["c-1", "0150"]
    assert (found.page_number, found.page_size, found.total_count, found.without_uid) == (3, 500, 7, 0)


def test_field_names():
    "JSON fields in camelCase become attributes in snake_case, including the fields of nested records."
    decoded = member(
        customerGroupUids=["vip", "all"],
        externalId="0150",
        lastModifiedAt="2026-01-02T03:04:05Z",
        credit={"limit": 50000, "balance": -1},
        consents=[{"consentUid": "n", "status": True}],
    )

    assert decoded.customer_group_uids == ("vip", "all")
    assert decoded.external_id == "0150"
    assert decoded.last_modified_at == "2026-01-02T03:04:05Z"
    assert decoded.credit == Credit(limit=50000, balance=-1)
    assert decoded.consents == (Consent(consent_uid="n", status=True),)


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
def test_invalid_values(values, field, expected):
    "An invalid value is converted if its meaning is clear, and replaced by None if not. Other fields do not change."
    decoded = member(**values, postalCode="0150")

    assert getattr(decoded, field) == expected
    assert decoded.postal_code == "0150"


def test_invalid_value_in_one_record():
    "An invalid value in one record does not affect the other records of the page."
    found = decode_page(
        page({"customerUid": "c-1", "paymentTerms": 30}, {"customerUid": "c-2", "paymentTerms": "x"}), Member
    )

    assert [(item.uid, item.payment_terms) for item in found.items] == [("c-1", 30), ("c-2", None)]


@pytest.mark.parametrize("uid", [None, "", 1.5, True, [], {}])
def test_records_without_uid(uid):
    "Records without a uid are omitted. The attribute `without_uid` contains the number of omitted records."
    found = decode_page(
        page({"customerUid": uid, "city": "Oslo"}, {"city": "Bergen"}, {"customerUid": "c-1"}), Member
    )

    assert found.uids == ["c-1"]
    assert found.without_uid == 2


def test_integer_uid():
    "If a uid in the JSON body is the number 150, it is decoded as the string '150'."
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
        b'{"items": null, "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": 1}}',
        b'{"paging": {"pageNumber": 0, "pageSize": 1, "totalCount": 1}}',
        b'{"items": null, "paging": {"pageNumber": 0, "pageSize": 1, "totalCount": "0x"}}',
        b'{"items": null}',
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
def test_invalid_page(body, record):
    "If a response body is not JSON, has no items, or has no valid paging, SchemaMismatchError is raised."
    with pytest.raises(SchemaMismatchError):
        decode_page(body, record)


def test_paging_as_strings_and_floats():
    "The paging values of a page can be integers that are encoded as strings or floats."
    found = decode_page(page({"customerUid": "c-1"}, pageNumber="2", pageSize=500.0, totalCount="11"), Member)

    assert (found.page_number, found.page_size, found.total_count) == (2, 500, 11)


def test_customer_and_member():
    "Only Customer objects contain a name and addresses. The reprs of Customer and Member contain no personal data."
    record = {"customerUid": "c-1", "firstname": "Kari", "email": "kari@example.no", "addresses": [{"city": "Oslo"}]}

    [customer] = decode_page(page(record), Customer).items
    [member] = decode_page(page(record), Member).items

    assert (customer.firstname, customer.addresses) == ("Kari", [{"city": "Oslo"}])
    assert not hasattr(member, "firstname")
    assert repr(customer) == "<Customer c-1>"
    assert repr(member) == "<Member c-1>"


def test_decode_group():
    "Invalid values of a group are converted if possible. A group without a uid raises SchemaMismatchError."
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
def test_any_records(items):
    "Each record in a page is either decoded with valid types or counted in `without_uid`."
    found = decode_page(page(*items), Customer)

    assert len(found.items) + found.without_uid == len(items)
    assert all(isinstance(uid, str) and uid for uid in found.uids)
    for item in found.items:
        again = msgspec.convert(json.loads(msgspec.json.encode(item)), Customer)
        assert again == item


@given(body=st.binary(max_size=60))
def test_any_body(body):
    "Any invalid response body raises SchemaMismatchError. The message of an error response is a single line."
    for record in (Group, Member, Customer):
        with pytest.raises(SchemaMismatchError):
            decode_page(body, record)
    assert "\n" not in error_message(body)


@pytest.mark.parametrize(("number", "is_empty"), [(0, False), (1, False), (2, False), (3, True), (4, True)])
def test_null_after_last_row(number, is_empty):
    "If the total is not 0, null is accepted as an empty list only on a page after the last row."
    body = b'{"items":null,"paging":{"pageNumber":%d,"pageSize":10,"totalCount":20}}' % number

    if is_empty:
        assert decode_page(body, Group).items == []
    else:
        with pytest.raises(SchemaMismatchError, match=r"\b20\b"):
            decode_page(body, Group)


@pytest.mark.parametrize("record", [Group, CustomerReferences, Member, Customer, *ROW_OF.values()])
@pytest.mark.parametrize("items", [b'"items":null,', b"", b'"items":[],'], ids=["null", "missing", "empty"])
@pytest.mark.parametrize("total", [b"0", b'"0"', b"0.0"])
def test_empty_list(items, total, record):
    "If the total is 0, a missing list of items is decoded as an empty list, for every type of record."
    body = b'{%b"paging":{"pageNumber":1,"pageSize":500,"totalCount":%b}}' % (items, total)

    decoded = decode_page(body, record)

    assert (list(decoded.items), decoded.total_count, decoded.without_uid) == ([], 0, 0)


@pytest.mark.parametrize(
    ("body", "expected"),
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
def test_error_message(body, expected):
    "The message of an error response is one line of at most 300 characters, or empty if the body has no message."
    assert error_message(body) == expected


# Request bodies


def test_encode_membership():
    "Empty lists are omitted from the request body of a membership change."
    assert json.loads(encode_membership(["c-1", "c-2"], [])) == {"addCustomerUids": ["c-1", "c-2"]}
    assert json.loads(encode_membership([], ["c-1"])) == {"removeCustomerUids": ["c-1"]}
    assert json.loads(encode_membership(("a",), ("b",))) == {"addCustomerUids": ["a"], "removeCustomerUids": ["b"]}


def test_membership_payload():
    "The payload of a membership change contains the group uid and both lists, even if one list is empty."
    assert membership_payload("vip", ("c-1",), ()) == {
        "customerGroupUid": "vip",
        "addCustomerUids": ["c-1"],
        "removeCustomerUids": [],
    }


def test_encode_group():
    "The request body of a group contains a uid only if a uid was passed. Non-ASCII characters are not escaped."
    assert json.loads(encode_group("Blåbær «VIP»")) == {"name": "Blåbær «VIP»"}
    assert json.loads(encode_group("VIP", "vip")) == {"name": "VIP", "customerGroupUid": "vip"}


def test_query():
    "Query parameters that are None are omitted, but page number 0 is included."
    assert query(None, None, None, None) == {}
    assert query(0, 500, "name", "ASC") == {
        "pageNumber": 0,
        "pageSize": 500,
        "sortBy": "name",
        "sortDirection": "ASC",
    }


# Uids


@given(uid=st.text(st.sampled_from("abzAZ059_-"), min_size=1))
def test_valid_uid(uid):
    "A uid of letters, digits, hyphens, and underscores is returned unchanged."
    assert check_uid(uid) == uid


@pytest.mark.parametrize("uid", ["", "a b", "a\n", "\na", "a/b", "../a", "a.b", "ø", "a%20", "a?b", "a#b", "１"])
def test_invalid_uid(uid):
    "A uid with any other character is rejected, even if the invalid character is at the end of the uid."
    with pytest.raises(InputError, match="customer uid"):
        check_uid(uid, "customer uid")


def test_check_uids_once():
    "Duplicate uids are removed, and the order is preserved. A string instead of a list raises InputError."
    assert check_uids_once(["b", "a", "b"], "add") == ["b", "a"]
    with pytest.raises(InputError, match=r"`add`.*\['abc'\]"):
        check_uids_once("abc", "add")
    with pytest.raises(InputError, match=r"customer uid .*\bint\b"):
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
def test_infinite_number(number):
    "A number that is not finite is decoded as None. The other fields of the record do not change."
    body = page({"customerUid": "c-1", "credit": {"limit": 5.5}}).replace(b"5.5", number.encode())

    for record in (Customer, ROW_OF[Customer]):
        [item] = decode_page(body, record).items
        assert item.uid == "c-1"
    assert decode_page(body, Customer).items[0].credit.limit is None


@pytest.mark.parametrize("kind", [Member, Customer])
@given(records=st.lists(oddities, max_size=4))
def test_decode_nested(kind, records):
    "If only a nested field is decoded, its value equals that of the field in the completely decoded record."
    body = page(*({"customerUid": f"c-{n}"} | record for n, record in enumerate(records)))

    rows, items = decode_page(body, ROW_OF[kind]).items, decode_page(body, kind).items

    assert [row.uid for row in rows] == [item.uid for item in items]
    for field in NESTED.intersection(kind.__struct_fields__):
        texts = [bytes(getattr(row, field)) for row in rows]
        together = [b",".join(texts)] if texts else []
        assert (
            decode_nested(texts, kind, field)
            == decode_nested(together, kind, field)
            == [getattr(item, field) for item in items]
        )
