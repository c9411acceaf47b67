"""Records of the API as frozen values, and pages of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec

# The range of an int64 column.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Value(msgspec.Struct, rename="camel", kw_only=True, gc=False, frozen=True):
    """A record of the API. Unknown fields are skipped, and missing fields are None."""


class Group(Value, frozen=True):
    """A customer group. Dates are text in the format of the API."""

    customer_group_uid: str
    name: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    last_modified_by: str | None = None
    last_modified_at: str | None = None

    @property
    def uid(self) -> str:
        """The uid of the record."""
        return self.customer_group_uid

    def __repr__(self) -> str:
        return f"<Group {self.customer_group_uid}: {self.name}>"


class Credit(Value, frozen=True):
    """Credit of a customer, in integers. The API does not document the unit, which is probably the minor unit."""

    limit: Int64 | None = None
    balance: Int64 | None = None


class Store(Value, frozen=True):
    """Default store of a customer."""

    store_uid: str | None = None
    name: str | None = None


class Manager(Value, frozen=True):
    """Uid of the account manager of a customer."""

    tenant_user_uid: str | None = None


class AccountManager(Manager, frozen=True):
    """Account manager of a customer."""

    display_name: str | None = None
    user_code: str | None = None


class Consent(Value, frozen=True):
    """One consent of a customer. It is given if `status` is true, and withdrawn if it is false."""

    consent_uid: str | None = None
    name: str | None = None
    status: bool | None = None
    source: str | None = None
    created_at: str | None = None


class Ehf(Value, frozen=True):
    """Settings for electronic invoices (EHF) of a customer."""

    enabled: bool | None = None
    address: str | None = None


class CustomerRecord(Value, frozen=True):
    """A record with a customer uid. Its repr shows only the uid."""

    customer_uid: str

    @property
    def uid(self) -> str:
        """The uid of the record."""
        return self.customer_uid

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.customer_uid}>"


class CustomerReferences(CustomerRecord, frozen=True):
    """Uid of a customer, and the uids of its groups."""

    customer_group_uids: tuple[str, ...] | None = None


class Member(CustomerReferences, frozen=True):
    """
    Fields of a customer that are read by default, without names, addresses and notes.

    A load records only the presence of email, mobile, loyalty id and VAT number.
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
    """A customer with all documented fields. Its repr shows only the uid."""

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


# Lists and nested records, which the rows of a load keep as JSON.
NESTED = {"customer_group_uids", "consents", "credit", "default_store", "account_manager"}
NESTED |= {"ehf", "addresses", "contacts", "extensions"}
_NULL = msgspec.Raw(b"null")


class Row(CustomerRecord, frozen=True):
    """
    A customer on a page of a load, whose lists and nested records are still JSON.

    Most customers of a page were on an earlier page, and only their groups are needed. `decode_nested` decodes the
    JSON.
    """

    customer_group_uids: msgspec.Raw = _NULL


def _row_of(record: type[Member]) -> type[Row]:
    """Return a subclass of Row with the fields of a record."""
    own = [field for field in msgspec.structs.fields(record) if field.name not in Row.__struct_fields__]
    fields: list[tuple[str, Any, Any]] = []
    for field in own:
        if field.name in NESTED:
            fields.append((field.name, msgspec.Raw, _NULL))
        else:
            fields.append((field.name, field.type, None))
    row = msgspec.defstruct(f"{record.__name__}Row", fields, bases=(Row,), kw_only=True, frozen=True)
    return cast(type[Row], row)


# Row types of a load, for the fields of a Member or of a Customer.
ROW_OF = {record: _row_of(record) for record in (Member, Customer)}

Record = TypeVar("Record", bound=Group | CustomerRecord)
Person = TypeVar("Person", bound=CustomerRecord)


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """
    One page of a list, with the page number, page size and total of the response.

    `without_uid` is the number of records without a uid, which are not in `items`.
    """

    items: Sequence[Record]
    page_number: int
    page_size: int
    total_count: int
    without_uid: int = 0

    @property
    def uids(self) -> list[str]:
        """The uids on the page, in the order of the response."""
        return [item.uid for item in self.items]
