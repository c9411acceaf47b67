"""
Decode the JSON of the API into typed values, and encode requests.

Only this package and the sandbox use the camelCase names of the API.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import attrgetter
from types import GenericAlias
from typing import Any

import msgspec

from frgroups.api.schema.lenient_decoding import (
    NOT_JSON,
    SchemaMismatchError,
    coerce_field,
    lenient_decode_page,
    lenient_decode_record,
    parse_json,
)
from frgroups.api.schema.records import NESTED, ROW_OF, Count, CustomerReferences, Group, Member, Page, Record, Value
from frgroups.errors import InputError
from frgroups.internals.redaction import mask_contacts, safe_repr
from frgroups.internals.validation import as_list, check_text

# The pattern of the contract has no end anchor. Here it must match the whole string.
UID = re.compile(r"[A-Za-z0-9_-]+")


class _Paging(Value, frozen=True):
    page_number: Count
    page_size: Count
    total_count: Count


def _page_decoder(record: type) -> msgspec.json.Decoder[Any]:
    fields = [("items", GenericAlias(list, record)), ("paging", _Paging)]
    return msgspec.json.Decoder(msgspec.defstruct(f"{record.__name__}Page", fields, bases=(Value,), frozen=True))


_RECORDS: tuple[type, ...] = (Group, CustomerReferences, *ROW_OF, *ROW_OF.values())
_PAGE_DECODERS = {record: _page_decoder(record) for record in _RECORDS}
_KIND_OF_NESTED = {
    (record, field.name): field.type
    for record in ROW_OF
    for field in msgspec.structs.fields(record)
    if field.name in NESTED
}
_NESTED_DECODERS = {key: msgspec.json.Decoder(GenericAlias(list, kind)) for key, kind in _KIND_OF_NESTED.items()}
_NESTED_TEXTS = msgspec.json.Decoder(list[msgspec.Raw])


def decode_page(body: bytes, record: type[Record]) -> Page[Record]:
    """
    Decode a page of groups, members or customers.

    If a value does not match the schema, the records are corrected one by one.

    Raises
    ------
    SchemaMismatchError
        The body is not a page.
    """
    page = None
    with suppress(*NOT_JSON):  # Lenient decoding starts outside, so that its errors do not carry this one as context.
        page = _PAGE_DECODERS[record].decode(body)
    if page is None or not all(map(attrgetter(record.__struct_fields__[0]), page.items)):
        return lenient_decode_page(body, record)
    return Page(page.items, page.paging.page_number, page.paging.page_size, page.paging.total_count)


def decode_nested(texts: Iterable[bytes], record: type[Member], field: str) -> list[Any]:
    """
    Decode a nested field of many customers.

    Parameters
    ----------
    texts
        JSON of one customer each, or of several customers with commas between them.
    record
        The record that has the field.
    field
        Name of the field.

    Returns
    -------
    list
        The value of each customer. An odd value is corrected, or None.
    """
    together = b"[%b]" % b",".join(texts)
    with suppress(*NOT_JSON):
        values: list[Any] = _NESTED_DECODERS[record, field].decode(together)
        return values
    kind = _KIND_OF_NESTED[record, field]
    return [_lenient_decode_nested(bytes(text), kind) for text in _NESTED_TEXTS.decode(together)]


def _lenient_decode_nested(text: bytes, kind: Any) -> Any:
    try:
        value = coerce_field(parse_json(text), kind)
    except SchemaMismatchError:
        return None
    if value is None:
        return None
    return msgspec.convert(value, kind)


def decode_group(body: bytes) -> Group:
    """
    Decode one group.

    Raises
    ------
    SchemaMismatchError
        The body is not a group with a uid.
    """
    group = lenient_decode_record(parse_json(body), Group)
    if group is None:
        raise SchemaMismatchError("a group without a customerGroupUid")
    return group


def encode_group(name: str | None, customer_group_uid: str | None = None) -> bytes:
    """Return the body that creates or renames a group."""
    body = {"name": name, "customerGroupUid": customer_group_uid}
    return msgspec.json.encode({key: value for key, value in body.items() if value is not None})


def encode_membership(add: Sequence[str], remove: Sequence[str]) -> bytes:
    """Return the body that adds members to a group and removes others, without an empty side."""
    body = membership_payload(None, add, remove)
    return msgspec.json.encode({key: value for key, value in body.items() if value})


def membership_payload(group: str | None, add: Sequence[str], remove: Sequence[str]) -> dict[str, Any]:
    """Return the change of one group with the field names of the API."""
    payload: dict[str, Any] = {}
    if group is not None:
        payload["customerGroupUid"] = group
    return payload | {"addCustomerUids": list(add), "removeCustomerUids": list(remove)}


def query(
    page_number: int | None, page_size: int | None, sort_by: str | None, sort_direction: str | None
) -> dict[str, str | int]:
    """Return the paging and sorting parameters of a list, without those that are None."""
    parameters = {
        "pageNumber": page_number,
        "pageSize": page_size,
        "sortBy": sort_by,
        "sortDirection": sort_direction,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def error_message(body: bytes) -> str:
    """
    Return the message of an error body as one line of at most 300 characters, or "".

    Email addresses and phone numbers are masked.
    """
    try:
        message = msgspec.json.decode(body)
    except NOT_JSON:
        return ""
    if isinstance(message, dict):
        texts = (message.get(key) for key in ("message", "error", "title", "detail"))
        message = next(filter(None, texts), "")
    if not isinstance(message, str):
        return ""
    return mask_contacts(" ".join(message.split()))[:300]


def check_uid(uid: str, label: str = "uid") -> str:
    """
    Return a uid that the API accepts.

    Raises
    ------
    InputError
        The value is not text, or contains other characters than letters, digits, hyphen and underscore.

    Examples
    --------
    >>> check_uid("0150")
    '0150'
    """
    if not isinstance(uid, str):
        raise InputError(
            f"A {label} is text, not {type(uid).__name__}: {safe_repr(uid)}. Leading zeros would be lost."
        )
    if not UID.fullmatch(uid):
        raise InputError(
            f"{safe_repr(uid)} is not a {label} that the API takes: letters A-Z a-z, digits, '-' and '_'."
        )
    if type(uid) is not str:
        return str(uid)  # msgspec cannot encode the strings of NumPy.
    return uid


def check_group_name(name: str, label: str = "name") -> str:
    """
    Return the name of a group that the API accepts.

    Raises
    ------
    InputError
        The value is not text, is empty or blank, or cannot be encoded in UTF-8.

    Examples
    --------
    >>> check_group_name("VIP")
    'VIP'
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"A group needs a name of at least one character; {label} is {safe_repr(name)}.")
    check_text(name, label)
    return name


def check_uids_once(uids: Iterable[str], label: str) -> list[str]:
    """
    Return customer uids without repetitions, in their order.

    Raises
    ------
    InputError
        A value is not a uid, or `uids` is one text.
    """
    return list(dict.fromkeys(check_uid(uid, "customer uid") for uid in as_list(uids, label)))
