"""The records of the API as frozen values, and pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec

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
    without_uid: int = 0

    @property
    def uids(self) -> list[str]:
        """The uids on the page, in the order that the service gave them."""
        return [item.uid for item in self.items]
