"""Convert decoded rows to tables with minimal work, as a lower bound for the cost of a load."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa

from frgroups.api.schema.codec import decode_nested
from frgroups.api.schema.records import Member, Row
from tests.bench.child import load_facts

_PLAIN = [
    *("customer_uid", "external_id", "customer_type", "country_code", "postal_code", "city", "origin"),
    *("created_at", "last_modified_at", "pricelist_uid", "payment_terms", "customer_parent_uid"),
]
_ONLY_WHETHER = ["email", "mobile", "loyalty_id", "vat_number"]
_NESTED = ["credit.limit", "credit.balance", "default_store.store_uid", "default_store.name"]
_NESTED += ["account_manager.tenant_user_uid"]
_HOLDERS = ["consents", "credit", "default_store", "account_manager"]
_CONSENT = ["consent_uid", "name", "status", "source", "created_at"]
_VALUE_OF = {name: attrgetter(name) for name in [*_PLAIN, *_ONLY_WHETHER, *_HOLDERS]}


class Columns:
    """Collector that stores pages of groups in any order, without verifying or sorting them."""

    def __init__(self) -> None:
        self.code_of: dict[str, int] = {}
        self.values: dict[str, list[Any]] = {name: [] for name in _VALUE_OF}
        self.groups: list[str] = []
        self.codes: list[list[int]] = []

    def take(self, group_uid: str, rows: Iterable[Row]) -> None:
        """Add a page of a group."""
        codes, new = [], []
        for row in rows:
            code = self.code_of.setdefault(row.customer_uid, len(self.code_of))
            if code == len(self.values["customer_uid"]) + len(new):
                new.append(row)
            codes.append(code)
        for name, value_of in _VALUE_OF.items():
            values = map(value_of, new)
            self.values[name].extend([b",".join(values)] if name in _HOLDERS and new else values)
        self.groups.append(group_uid)
        self.codes.append(codes)

    def tables(self) -> tuple[pa.Table, pa.Table, np.ndarray, np.ndarray]:
        """Return tables of customers and consents, and the page position and customer code of each membership."""
        columns = {name: pa.array(self.values[name]) for name in _PLAIN}
        for name in ("created_at", "last_modified_at"):
            columns[name] = columns[name].cast(pa.timestamp("us", tz="UTC"))
        for name in _ONLY_WHETHER:
            columns[f"has_{name}"] = pa.array(list(map(bool, self.values[name])))
        holders = {name: decode_nested(self.values[name], Member, name) for name in _HOLDERS}
        for name in _NESTED:
            outer, inner = name.split(".")
            columns[name] = pa.array([holder and getattr(holder, inner) for holder in holders[outer]])
        consents = [each or () for each in holders["consents"]]
        whose = np.repeat(np.arange(len(consents), dtype=np.int32), list(map(len, consents)))
        flat = list(chain.from_iterable(consents))
        values_by_field = {name: pa.array(list(map(attrgetter(name), flat))) for name in _CONSENT}
        values_by_field["created_at"] = values_by_field["created_at"].cast(pa.timestamp("us", tz="UTC"))
        pages = np.repeat(np.arange(len(self.codes), dtype=np.int32), [len(codes) for codes in self.codes])
        codes = np.concatenate([np.array(codes, np.int32) for codes in self.codes])
        return pa.table(columns), pa.table({"customer_code": whose} | values_by_field), pages, codes

    def load_facts(self, page_codes: np.ndarray, customer_codes: np.ndarray) -> dict[str, int]:
        """Return the facts that are compared with the results of other loads."""
        groups = np.array(self.groups, object)[page_codes]
        customers = np.array(self.values["customer_uid"], object)[customer_codes]
        return load_facts(groups, customers, len(self.code_of))


def page_numbers(total: int, page_size: int) -> range:
    """Return the page numbers after the first page."""
    return range(2, -(-total // page_size) + 1)
