"""The API's JSON <-> typed values. With the sandbox, the only place that knows the API's camelCase."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from operator import attrgetter
from types import GenericAlias, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, cast, get_args, get_origin

import msgspec

from frgroups.errors import InputError
from frgroups.inputs import masked, several, shown

# The published pattern has no end anchor; whole strings are matched here.
UID = re.compile(r"[A-Za-z0-9_-]+")

# What a column of integers can hold; anything beyond is no amount and no number of days.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Value(msgspec.Struct, rename="camel", kw_only=True, gc=False, frozen=True):
    """A record of the API; fields it does not name are skipped, missing ones are None."""


class Group(Value, frozen=True):
    """A customer group; dates are text as the API wrote them."""

    customer_group_uid: str
    name: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    last_modified_by: str | None = None
    last_modified_at: str | None = None

    @property
    def uid(self) -> str:
        """The uid, whichever kind of record this is."""
        return self.customer_group_uid

    def __repr__(self) -> str:
        return f"<Group {self.customer_group_uid}: {self.name}>"


class Credit(Value, frozen=True):
    """Money as the API gives it: integers, probably of minor units."""

    limit: Whole | None = None
    balance: Whole | None = None


class Store(Value, frozen=True):
    """The store that a customer belongs to."""

    store_uid: str | None = None
    name: str | None = None


class Manager(Value, frozen=True):
    """The employee who looks after a customer, without a name."""

    tenant_user_uid: str | None = None


class AccountManager(Manager, frozen=True):
    """The employee who looks after a customer."""

    display_name: str | None = None
    user_code: str | None = None


class Consent(Value, frozen=True):
    """One consent of a customer: given (`status` true) or withdrawn."""

    consent_uid: str | None = None
    name: str | None = None
    status: bool | None = None
    source: str | None = None
    created_at: str | None = None


class Ehf(Value, frozen=True):
    """Whether a customer takes electronic invoices, and where."""

    enabled: bool | None = None
    address: str | None = None


class Known(Value, frozen=True):
    """Who a customer is; its repr shows the uid alone."""

    customer_uid: str

    @property
    def uid(self) -> str:
        """The uid, whichever kind of record this is."""
        return self.customer_uid

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.customer_uid}>"


class Named(Known, frozen=True):
    """The least that is read of a customer: who it is, and the groups that it says it is in."""

    customer_group_uids: tuple[str, ...] | None = None


class Member(Named, frozen=True):
    """
    What is read of a customer by default: no names, addresses or notes.

    E-mail, mobile, loyalty id and VAT number are here only to tell whether there is one.
    """

    external_id: str | None = None
    customer_type: str | None = None
    country_code: str | None = None
    postal_code: str | None = None
    city: str | None = None
    origin: str | None = None
    created_at: str | None = None
    last_modified_at: str | None = None
    pricelist_uid: str | None = None
    payment_terms: Whole | None = None
    credit: Credit | None = None
    customer_parent_uid: str | None = None
    default_store: Store | None = None
    account_manager: Manager | None = None
    consents: tuple[Consent, ...] | None = None
    email: str | None = None
    mobile: str | None = None
    loyalty_id: str | None = None
    vat_number: str | None = None


class Customer(Member, frozen=True):
    """A customer with everything the API tells; its repr shows the uid alone."""

    account_manager: AccountManager | None = None
    firstname: str | None = None
    lastname: str | None = None
    company_name: str | None = None
    display_name: str | None = None
    address: str | None = None
    internal_note: str | None = None
    ehf: Ehf | None = None
    ehf_enabled: bool | None = None
    ledger_number: str | None = None
    relevance: float | None = None
    addresses: list[Any] | None = None
    contacts: list[Any] | None = None
    extensions: list[Any] | None = None


# What the rows of a load leave as JSON: lists and records within a record.
NESTED = {"customer_group_uids", "consents", "credit", "default_store", "account_manager"}
NESTED |= {"ehf", "addresses", "contacts", "extensions"}
_NULL = msgspec.Raw(b"null")


class Row(Known, frozen=True):
    """
    A customer on a page of a load: its plain fields are values, its lists and nested records still JSON.

    Most customers of a page were seen before, and of those only the groups are looked at. `opened` reads the JSON.
    """

    customer_group_uids: msgspec.Raw = _NULL


def _row_of(record: type[Member]) -> type[Row]:
    """The kind of row that has the fields of `record`."""
    own = [field for field in msgspec.structs.fields(record) if field.name not in Row.__struct_fields__]
    fields = [(one.name, *((msgspec.Raw, _NULL) if one.name in NESTED else (one.type, None))) for one in own]
    made = msgspec.defstruct(f"{record.__name__}Row", fields, bases=(Row,), kw_only=True, frozen=True)
    return cast(type[Row], made)


# The rows of pages from which a load keeps what is in a Member, or in a Customer.
ROW_OF = {record: _row_of(record) for record in (Member, Customer)}

Record = TypeVar("Record", bound=Group | Known)
Person = TypeVar("Person", bound=Known)


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """One page of a list, as granted; `nameless` counts records without a uid, which cannot be kept."""

    items: Sequence[Record]
    page_number: int
    page_size: int
    total_count: int
    nameless: int = 0

    @property
    def uids(self) -> list[str]:
        """The uids on the page, in the order that the service gave them."""
        return [item.uid for item in self.items]


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

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NotTheApiError(ValueError):
    """A body that no repair can make into what the API documents; the client adds where it came from."""


def decode_page(body: bytes, record: type[Record]) -> Page[Record]:
    """A page of groups, members or customers; odd values are repaired record by record."""
    page = None
    with suppress(*_NOT_JSON):  # Left before the repair, whose errors must not carry one that holds the body.
        page = _PAGE_DECODERS[record].decode(body)
    if page is None or not all(map(attrgetter(record.__struct_fields__[0]), page.items)):
        return _repaired_page(body, record)
    return Page(page.items, page.paging.page_number, page.paging.page_size, page.paging.total_count)


def opened(texts: Iterable[bytes], record: type[Member], field: str) -> list[Any]:
    """
    What the JSON of a nested field of the record says, customer by customer; odd values are repaired, or None.

    A text is the JSON of one customer, or of several with commas between.
    """
    together = b"[%b]" % b",".join(texts)
    with suppress(*_NOT_JSON):
        values: list[Any] = _NESTED_DECODERS[record, field].decode(together)
        return values
    kind = _KIND_OF_NESTED[record, field]
    return [_opened(bytes(text), kind) for text in _NESTED_TEXTS.decode(together)]


def _opened(text: bytes, kind: Any) -> Any:
    with suppress(NotTheApiError):
        value = _fitting(_json(text), kind)
        return None if value is None else msgspec.convert(value, kind)
    return None


def decode_group(body: bytes) -> Group:
    """One group."""
    record = _json(body)
    group = _repaired(record, Group) if isinstance(record, dict) else None
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
    except _NOT_JSON:
        return ""
    if isinstance(said, dict):
        said = next((said[key] for key in ("message", "error", "title", "detail") if said.get(key)), "")
    return masked(" ".join(said.split()))[:300] if isinstance(said, str) else ""


def check_uid(uid: str, what: str = "uid") -> str:
    """
    The uid itself, when the API can take it.

    >>> check_uid("0150")
    '0150'
    """
    if not isinstance(uid, str):
        raise InputError(f"A {what} is text, not {type(uid).__name__}: {shown(uid)}. Leading zeros would be lost.")
    if not UID.fullmatch(uid):
        raise InputError(
            f"{shown(uid)} is not a {what} that the API takes: letters A-Z a-z, digits, '-' and '_', at least one."
        )
    return uid if type(uid) is str else str(uid)  # numpy's texts cannot be encoded


def check_uids_once(uids: Iterable[str], what: str) -> list[str]:
    """These uids, checked, each once, in the order given."""
    return list(dict.fromkeys(check_uid(uid, "customer uid") for uid in several(uids, what)))


def _json(body: bytes) -> Any:
    with suppress(*_NOT_JSON):
        return msgspec.json.decode(body)
    with suppress(ValueError, RecursionError):
        # No JSON to msgspec: half a character, as where an emoji was cut off, which becomes a question mark, and
        # numbers without end, which become nothing.
        return json.loads(body, object_hook=_whole_characters, parse_constant=_finite, parse_float=_finite)
    # Without a cause: json's own error holds the whole body, which may be a page of customers.
    raise NotTheApiError("the body is not JSON")


def _whole_characters(record: dict[str, Any]) -> dict[str, Any]:
    return {_whole_text(name): _whole_text(value) for name, value in record.items()}


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def _whole_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole_text(one) for one in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _repaired_page(body: bytes, record: type[Record]) -> Page[Record]:
    page = _json(body)
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise NotTheApiError("there is no list of items")
    paging = page.get("paging")
    told = paging if isinstance(paging, dict) else {}
    numbers = {name: _whole(told.get(name)) for name in ("pageNumber", "pageSize", "totalCount")}
    usable = [number for number in numbers.values() if number is not None and number >= 0]
    if len(usable) < len(numbers):
        missing = [name for name, number in numbers.items() if number is None or number < 0]
        raise NotTheApiError(f"paging tells no usable {', '.join(missing)}")
    items = [_repaired(item, record) for item in page["items"]]
    kept = [item for item in items if item is not None]
    page_number, page_size, total_count = usable
    return Page(kept, page_number, page_size, total_count, nameless=len(items) - len(kept))


def _repaired(item: Any, record: type[Record]) -> Record | None:
    """The record with each odd value made right or left out; None when it has no usable uid."""
    if not isinstance(item, dict):
        return None
    kept = _fitting_fields(item, record)
    if not kept.get(msgspec.structs.fields(record)[0].encode_name):
        return None
    return msgspec.convert(kept, record)


def _fitting_fields(item: dict[str, Any], record: type) -> dict[str, Any]:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(record)}
    kept = {name: _fitting(item.get(name), kind) for name, kind in fields.items()}
    return {name: value for name, value in kept.items() if value is not None}


def _fitting(value: Any, kind: Any) -> Any:
    """The value when it fits the field's type, a likely reading of it, what fits inside it, or None."""
    if kind is msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(value))
    for candidate in (value, _likely(value)):
        if candidate is not None and _fits(candidate, kind):
            return candidate
    for one in get_args(kind) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,):
        if isinstance(value, dict) and isinstance(one, type) and issubclass(one, Value):
            return _fitting_fields(value, one)
        if isinstance(value, list) and get_origin(one) in (tuple, list):
            inside = [_fitting(item, get_args(one)[0]) for item in value]
            return [item for item in inside if item is not None]
    return None


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
        return True
    except msgspec.ValidationError:
        return False


def _likely(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _whole(value)
    return None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 40:
        return int(value)
    return None
