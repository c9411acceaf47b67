"""The least that a load must do with decoded members: each customer once, the memberships as codes, the columns."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import numpy as np
import pyarrow as pa

from frgroups.wire import Member
from tests.bench.child import found

_PLAIN = [
    *("customer_uid", "external_id", "customer_type", "country_code", "postal_code", "city", "origin"),
    *("created_at", "last_modified_at", "pricelist_uid", "payment_terms", "customer_parent_uid"),
]
_NESTED = ["credit.limit", "credit.balance", "default_store.store_uid", "default_store.name"]
_NESTED += ["account_manager.tenant_user_uid"]
_ONLY_WHETHER = ["email", "mobile", "loyalty_id", "vat_number"]


class Columns:
    """Takes pages in, in any order of groups; no proof, nothing sorted, no table of consents."""

    def __init__(self) -> None:
        self.code_of: dict[str, int] = {}
        self.customers: list[Member] = []
        self.groups: list[str] = []
        self.codes: list[list[int]] = []

    def take(self, group_uid: str, members: Iterable[Member]) -> None:
        """A page of a group."""
        codes = []
        for member in members:
            code = self.code_of.setdefault(member.customer_uid, len(self.customers))
            if code == len(self.customers):
                self.customers.append(member)
            codes.append(code)
        self.groups.append(group_uid)
        self.codes.append(codes)

    def tables(self) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        """Customers in 21 columns, and the page and the customer of each membership."""
        values = zip(*map(attrgetter(*_PLAIN), self.customers), strict=True)
        columns = {name: pa.array(column) for name, column in zip(_PLAIN, values, strict=True)}
        for name in ("created_at", "last_modified_at"):
            columns[name] = columns[name].cast(pa.timestamp("us", tz="UTC"))
        for name in _ONLY_WHETHER:
            columns[f"has_{name}"] = pa.array([bool(getattr(one, name)) for one in self.customers])
        for name in _NESTED:
            outer, inner = name.split(".")
            holders = map(attrgetter(outer), self.customers)
            columns[name] = pa.array([holder and getattr(holder, inner) for holder in holders])
        pages = np.repeat(np.arange(len(self.codes), dtype=np.int32), [len(codes) for codes in self.codes])
        return pa.table(columns), pages, np.concatenate([np.array(codes, np.int32) for codes in self.codes])

    def found(self, page_codes: np.ndarray, customer_codes: np.ndarray) -> dict[str, int]:
        """What there is to compare with other loads; after the clock."""
        groups = np.array(self.groups, object)[page_codes]
        customers = np.array([one.customer_uid for one in self.customers], object)[customer_codes]
        return found(groups, customers, len(self.customers))


def page_numbers(total: int, page_size: int) -> range:
    """The pages after the first."""
    return range(2, -(-total // page_size) + 1)
