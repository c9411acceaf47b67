"""
Decode JSON responses of the API into typed records, and encode request bodies.

The camelCase field names of the API appear only in this package and in the sandbox.
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
from frgroups.internals.similar_text import clean_text
from frgroups.internals.suggestions import EMAILS, EMAILS_IN_CLI, REMOVE_MISSING, expression_hints, is_missing
from frgroups.internals.validation import as_list, check_text

# The uid pattern in the API contract has no end anchor. frgroups uses `fullmatch`, so the complete string must match.
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
    Decode a page of groups, members, or customers.

    If a value does not match the schema, each record is decoded separately, and invalid values are corrected or
    omitted.

    Raises
    ------
    SchemaMismatchError
        The body is not JSON, its paging is invalid, or its list of items is missing although the page has rows.
    """
    page = None
    # Lenient decoding starts after the `with` block, so that an error of the lenient decoder is not chained to the
    # error of the strict decoder.
    with suppress(*NOT_JSON):
        page = _PAGE_DECODERS[record].decode(body)
    if page is None or not all(map(attrgetter(record.__struct_fields__[0]), page.items)):
        return lenient_decode_page(body, record)
    return Page(page.items, page.paging.page_number, page.paging.page_size, page.paging.total_count)


def decode_nested(texts: Iterable[bytes], record: type[Member], field: str) -> list[Any]:
    """
    Decode a nested field of many customers, for example their consents.

    Parameters
    ----------
    texts
        JSON values of the field. Each item contains the value of one customer, or comma-separated values of several
        customers.
    record
        Record type that has the field.
    field
        Name of the field.

    Returns
    -------
    list
        Value of the field for each customer. An invalid value is corrected, or replaced by None.
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
    Decode a single group.

    Raises
    ------
    SchemaMismatchError
        The body is not JSON or has no customerGroupUid.
    """
    group = lenient_decode_record(parse_json(body), Group)
    if group is None:
        raise SchemaMismatchError("The group has no customerGroupUid.")
    return group


def encode_group(name: str | None, customer_group_uid: str | None = None) -> bytes:
    """Return the request body that creates or renames a group."""
    body = {"name": name, "customerGroupUid": customer_group_uid}
    return msgspec.json.encode({key: value for key, value in body.items() if value is not None})


def encode_membership(add: Sequence[str], remove: Sequence[str]) -> bytes:
    """Return the request body that adds and removes members of a group. Empty lists are omitted."""
    body = membership_payload(None, add, remove)
    return msgspec.json.encode({key: value for key, value in body.items() if value})


def membership_payload(group: str | None, add: Sequence[str], remove: Sequence[str]) -> dict[str, Any]:
    """Return the membership changes of a group as a dictionary with the field names of the API."""
    payload: dict[str, Any] = {}
    if group is not None:
        payload["customerGroupUid"] = group
    return payload | {"addCustomerUids": list(add), "removeCustomerUids": list(remove)}


def query(
    page_number: int | None, page_size: int | None, sort_by: str | None, sort_direction: str | None
) -> dict[str, str | int]:
    """Return the query parameters for paging and sorting. Parameters that are None are omitted."""
    parameters = {
        "pageNumber": page_number,
        "pageSize": page_size,
        "sortBy": sort_by,
        "sortDirection": sort_direction,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def error_message(body: bytes) -> str:
    """
    Return the message in the body of an error response, or "" if the body contains no message.

    The message is one line of at most 300 characters. Email addresses and phone numbers are masked.
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
    Check that the API accepts a uid, and return the uid unchanged.

    Raises
    ------
    InputError
        The value is not a string of letters, digits, hyphens, and underscores.

    Examples
    --------
    >>> check_uid("0150")
    '0150'
    """
    if not isinstance(uid, str):
        hint = REMOVE_MISSING if is_missing(uid) else "Pass a string, because numbers lose leading zeros."
        raise InputError(f"A {label} must be a string, got {type(uid).__name__} ({safe_repr(uid)}).", hint=hint)
    if not UID.fullmatch(uid):
        hint, cli_hint = (EMAILS, EMAILS_IN_CLI) if "@" in uid else expression_hints(uid)
        raise InputError(
            f"{safe_repr(uid)} is not a valid {label}. Use only the letters A-Z and a-z, digits, '-', and '_'.",
            hint=hint,
            cli_hint=cli_hint,
        )
    if type(uid) is not str:
        return str(uid)  # Convert NumPy strings, because msgspec cannot encode them.
    return uid


def check_group_name(name: str, label: str = "name") -> str:
    """
    Check that the API accepts a group name, and return the name unchanged.

    Raises
    ------
    InputError
        The value is not a string, contains no visible character, or cannot be encoded in UTF-8.

    Examples
    --------
    >>> check_group_name("VIP")
    'VIP'
    """
    if not isinstance(name, str) or not clean_text(name):
        raise InputError(f"`{label}` must be a group name that is not blank, got {safe_repr(name)}.")
    check_text(name, label)
    return name


def check_uids_once(uids: Iterable[str], label: str) -> list[str]:
    """
    Return customer uids as a list without duplicates, in the given order.

    Raises
    ------
    InputError
        A value is not a valid uid, or `uids` is a string instead of a list.
    """
    return list(dict.fromkeys(check_uid(uid, "customer uid") for uid in as_list(uids, label)))
