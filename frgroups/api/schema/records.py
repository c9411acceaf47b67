"""Immutable record types for the objects in API responses, and a type for pages of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec

from frgroups.internals.formatting import escape_invisible

# Integer in the range of an int64 column.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Value(msgspec.Struct, rename="camel", kw_only=True, gc=False, frozen=True):
    """Base class of the API records. Unknown fields are ignored, and missing fields are None."""


class Group(Value, frozen=True):
    """
    Customer group of a tenant.

    Attributes
    ----------
    customer_group_uid
        Uid of the group.
    name
        Name of the group. Several groups can have the same name.
    created_by, last_modified_by
        User or system that created the group, and user or system that last changed the group.
    created_at, last_modified_at
        Timestamps as strings in the format of the API.

    Examples
    --------
    >>> Group(customer_group_uid="vip", name="VIP")
    <Group vip: VIP>
    """

    customer_group_uid: str
    name: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    last_modified_by: str | None = None
    last_modified_at: str | None = None

    @property
    def uid(self) -> str:
        """Uid of the group."""
        return self.customer_group_uid

    def __repr__(self) -> str:
        return escape_invisible(f"<Group {self.customer_group_uid}: {self.name}>")


class Credit(Value, frozen=True):
    """
    Credit limit and credit balance of a customer.

    The API does not document the unit of the amounts. The unit is probably the minor unit of the currency.
    """

    limit: Int64 | None = None
    balance: Int64 | None = None


class Store(Value, frozen=True):
    """Default store of a customer."""

    store_uid: str | None = None
    name: str | None = None


class Manager(Value, frozen=True):
    """Uid of a customer's account manager."""

    tenant_user_uid: str | None = None


class AccountManager(Manager, frozen=True):
    """Uid, name, and code of a customer's account manager."""

    display_name: str | None = None
    user_code: str | None = None


class Consent(Value, frozen=True):
    """Consent of a customer. The `status` is True if the consent was given, and False if it was withdrawn."""

    consent_uid: str | None = None
    name: str | None = None
    status: bool | None = None
    source: str | None = None
    created_at: str | None = None


class Ehf(Value, frozen=True):
    """Electronic invoice (EHF) settings of a customer."""

    enabled: bool | None = None
    address: str | None = None


class CustomerRecord(Value, frozen=True):
    """Base class of customer records. The repr shows only the customer uid."""

    customer_uid: str

    @property
    def uid(self) -> str:
        """Uid of the customer."""
        return self.customer_uid

    def __repr__(self) -> str:
        return escape_invisible(f"<{type(self).__name__} {self.customer_uid}>")


class CustomerReferences(CustomerRecord, frozen=True):
    """Uid of a customer and the uids of the customer's groups."""

    customer_group_uids: tuple[str, ...] | None = None


class Member(CustomerReferences, frozen=True):
    """
    Customer record without names, addresses, and notes.

    `load_snapshot` reads customers as this record type by default. The snapshot then records whether a customer has
    an email address, mobile number, loyalty id, or VAT number. It does not contain the values.
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
    payment_terms: Int64 | None = None
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
    """
    Customer record with all documented fields.

    The repr shows only the uid, because the other fields are personal data.

    Examples
    --------
    >>> customer = Customer(customer_uid="c-1", firstname="Kari", city="Oslo")
    >>> customer
    <Customer c-1>
    >>> customer.city
    'Oslo'
    """

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


# Fields that contain lists or nested records. `Row` stores these fields as JSON.
NESTED = {"customer_group_uids", "consents", "credit", "default_store", "account_manager"}
NESTED |= {"ehf", "addresses", "contacts", "extensions"}
_NULL = msgspec.Raw(b"null")


class Row(CustomerRecord, frozen=True):
    """
    Customer record that `load_snapshot` reads, with lists and nested records stored as JSON.

    Most customers on a page have already been read on an earlier page. For these customers, `load_snapshot` needs
    only the uids of their groups. The function `decode_nested` decodes the other JSON fields when they are needed.
    """

    customer_group_uids: msgspec.Raw = _NULL


def _row_of(record: type[Member]) -> type[Row]:
    """Return a subclass of Row with the fields of a record type."""
    own = [field for field in msgspec.structs.fields(record) if field.name not in Row.__struct_fields__]
    fields: list[tuple[str, Any, Any]] = []
    for field in own:
        if field.name in NESTED:
            fields.append((field.name, msgspec.Raw, _NULL))
        else:
            fields.append((field.name, field.type, None))
    row = msgspec.defstruct(f"{record.__name__}Row", fields, bases=(Row,), kw_only=True, frozen=True)
    return cast(type[Row], row)


# Row type for each of the record types Member and Customer.
ROW_OF = {record: _row_of(record) for record in (Member, Customer)}

Record = TypeVar("Record", bound=Group | CustomerRecord)
Person = TypeVar("Person", bound=CustomerRecord)


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """
    One page of a paged list.

    Attributes
    ----------
    items
        Records of the page.
    page_number, page_size, total_count
        Page number, page size, and total number of records from the response.
    without_uid
        Number of records without a uid. `items` does not contain these records.
    """

    items: Sequence[Record]
    page_number: int
    page_size: int
    total_count: int
    without_uid: int = 0

    @property
    def uids(self) -> list[str]:
        """Uids on the page, in the order of the response."""
        return [item.uid for item in self.items]

    @property
    def n_rows(self) -> int:
        """Number of records in the response, including the records without a uid."""
        return len(self.items) + self.without_uid
