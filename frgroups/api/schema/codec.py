"""The API's JSON <-> typed values. With the sandbox, the only place that knows the API's camelCase."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import attrgetter
from types import GenericAlias
from typing import Any

import msgspec

from frgroups.api.schema.lenient_decoding import NOT_JSON, NotTheApiError, fitting, json_of, repaired, repaired_page
from frgroups.api.schema.records import NESTED, ROW_OF, Count, Group, Member, Named, Page, Record, Value
from frgroups.errors import InputError
from frgroups.internals.redaction import mask_contacts, safe_repr
from frgroups.internals.validation import as_list

# The published pattern has no end anchor; whole strings are matched here.
UID = re.compile(r"[A-Za-z0-9_-]+")


class _Paging(Value, frozen=True):
    page_number: Count
    page_size: Count
    total_count: Count


def _page_decoder(record: type) -> msgspec.json.Decoder[Any]:
    fields = [("items", GenericAlias(list, record)), ("paging", _Paging)]
    return msgspec.json.Decoder(msgspec.defstruct(f"{record.__name__}Page", fields, bases=(Value,), frozen=True))


_RECORDS: tuple[type, ...] = (Group, Named, *ROW_OF, *ROW_OF.values())
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
    """A page of groups, members or customers; odd values are repaired record by record."""
    page = None
    with suppress(*NOT_JSON):  # Left before the repair, whose errors must not carry one that holds the body.
        page = _PAGE_DECODERS[record].decode(body)
    if page is None or not all(map(attrgetter(record.__struct_fields__[0]), page.items)):
        return repaired_page(body, record)
    return Page(page.items, page.paging.page_number, page.paging.page_size, page.paging.total_count)


def opened(texts: Iterable[bytes], record: type[Member], field: str) -> list[Any]:
    """
    What the JSON of a nested field of the record says, customer by customer; odd values are repaired, or None.

    A text is the JSON of one customer, or of several with commas between.
    """
    together = b"[%b]" % b",".join(texts)
    with suppress(*NOT_JSON):
        values: list[Any] = _NESTED_DECODERS[record, field].decode(together)
        return values
    kind = _KIND_OF_NESTED[record, field]
    return [_opened(bytes(text), kind) for text in _NESTED_TEXTS.decode(together)]


def _opened(text: bytes, kind: Any) -> Any:
    with suppress(NotTheApiError):
        value = fitting(json_of(text), kind)
        return None if value is None else msgspec.convert(value, kind)
    return None


def decode_group(body: bytes) -> Group:
    """One group."""
    record = json_of(body)
    group = repaired(record, Group) if isinstance(record, dict) else None
    if group is None:
        raise NotTheApiError("a group without a customerGroupUid")
    return group


def encode_group(name: str | None, customer_group_uid: str | None = None) -> bytes:
    """The body that creates or renames a group."""
    body = {"name": name, "customerGroupUid": customer_group_uid}
    return msgspec.json.encode({key: value for key, value in body.items() if value is not None})


def encode_membership(add: Sequence[str], remove: Sequence[str]) -> bytes:
    """The body that changes who is in a group; an empty side is left out."""
    body = membership_payload(None, add, remove)
    return msgspec.json.encode({key: value for key, value in body.items() if value})


def membership_payload(group: str | None, add: Sequence[str], remove: Sequence[str]) -> dict[str, Any]:
    """The whole change of one group in the API's words."""
    payload: dict[str, Any] = {} if group is None else {"customerGroupUid": group}
    return payload | {"addCustomerUids": list(add), "removeCustomerUids": list(remove)}


def query(
    page_number: int | None, page_size: int | None, sort_by: str | None, sort_direction: str | None
) -> dict[str, str | int]:
    """The paging and sorting parameters of a list; those that are None are not sent."""
    parameters = {
        "pageNumber": page_number,
        "pageSize": page_size,
        "sortBy": sort_by,
        "sortDirection": sort_direction,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def error_message(body: bytes) -> str:
    """The service's own words in an error body, if it has any: a line, without addresses and phone numbers."""
    try:
        said = msgspec.json.decode(body)
    except NOT_JSON:
        return ""
    if isinstance(said, dict):
        said = next((said[key] for key in ("message", "error", "title", "detail") if said.get(key)), "")
    return mask_contacts(" ".join(said.split()))[:300] if isinstance(said, str) else ""


def check_uid(uid: str, what: str = "uid") -> str:
    """
    The uid itself, when the API can take it.

    >>> check_uid("0150")
    '0150'
    """
    if not isinstance(uid, str):
        raise InputError(
            f"A {what} is text, not {type(uid).__name__}: {safe_repr(uid)}. Leading zeros would be lost."
        )
    if not UID.fullmatch(uid):
        raise InputError(
            f"{safe_repr(uid)} is not a {what} that the API takes: letters A-Z a-z, digits, '-' and '_'."
        )
    return uid if type(uid) is str else str(uid)  # numpy's texts cannot be encoded


def check_uids_once(uids: Iterable[str], what: str) -> list[str]:
    """These uids, checked, each once, in the order given."""
    return list(dict.fromkeys(check_uid(uid, "customer uid") for uid in as_list(uids, what)))
