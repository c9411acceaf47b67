"""Index of the customers that a load has read, with the integer code, attributes, and groups of each customer."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from operator import attrgetter, contains

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.api.schema.codec import decode_nested
from frgroups.api.schema.records import Member, Page, Row
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.load.column_builder import CustomerColumns
from frgroups.load.listing_reader import PageRows
from frgroups.load.verified_listing import page_rows

_UID, _GROUPS = attrgetter("customer_uid"), attrgetter("customer_group_uids")

# Value in `CustomerIndex._lengths` for a customer record without a list of groups.
# An empty list of groups has the length 0.
_UNKNOWN = -1


@dataclass(frozen=True)
class GroupReferences:
    """
    Pairs of a customer and a group that the customer's record lists.

    Attributes
    ----------
    keys
        Value of `group * n_customers + customer` for each pair, sorted and without duplicates.
    n_customers, n_groups
        Number of customer codes (at least 1) and number of group codes.
    is_unknown
        True for each customer whose record has no list of groups.
    """

    keys: IntArray
    n_customers: int
    n_groups: int
    is_unknown: BoolArray

    @property
    def is_empty(self) -> bool:
        """True if no customer record lists a group."""
        return len(self.keys) == 0

    @cached_property
    def counts(self) -> IntArray:
        """Number of customers whose records list each group."""
        return np.bincount(self.keys // self.n_customers, minlength=self.n_groups)

    def customers_of(self, group: int) -> IntArray:
        """Return the sorted integer codes of the customers whose records list a group."""
        start = group * self.n_customers
        first, last = np.searchsorted(self.keys, [start, start + self.n_customers])
        return self.keys[first:last] - start

    @cached_property
    def has_unknown(self) -> bool:
        """True if at least one customer record has no list of groups."""
        return bool(self.is_unknown.any())

    def customers_of_any(self, groups: Iterable[int]) -> IntArray:
        """Return the sorted integer codes of the customers whose records list at least one of the groups."""
        return np.unique(np.concatenate([self.customers_of(group) for group in groups]))

    def contradict(self, group: int, members: IntArray) -> bool:
        """
        Return True if the members of a group differ from the customers whose records list the group.

        Customers whose records have no list of groups are ignored.
        """
        if self.has_unknown:
            members = members[~self.is_unknown[members]]
        return not np.array_equal(np.sort(members), self.customers_of(group))


class CustomerIndex:
    """
    Index that assigns an integer code to each customer in the order in which pages are added.

    Several threads can add pages at the same time. The attributes of a customer are stored when the customer is added
    for the first time. Later pages update only the customer's list of groups, because this list might change during
    the load.
    """

    def __init__(self, record: type[Member], groups: Sequence[str]) -> None:
        self._group_codes = _CodeMap((uid, code) for code, uid in enumerate(groups))
        self._codes = _CodeMap()
        self._unknown_codes = _CodeMap()
        self._record = record
        self._columns = CustomerColumns(record)
        self._lengths = array("i")
        self._referenced_groups = array("i")
        self._fingerprints = array("q")
        self._updates: dict[int, list[int] | None] = {}
        self._n_changes = 0
        self._cached: tuple[tuple[int, int, int], GroupReferences] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._codes)

    def add_page(self, page: Page[Row], group_uid: str) -> PageRows[int]:
        """Add the customers on a page of a group, and return the page with integer codes in place of the records."""
        uids, lists = list(map(_UID, page.items)), list(map(bytes, map(_GROUPS, page.items)))
        fingerprints = list(map(hash, lists))
        n_with_references, missing = self._check_backreferences(group_uid, lists)
        with self._lock:
            n_before = len(self._codes)
            codes = list(map(self._codes.__getitem__, uids))
            n_new = len(self._codes) - n_before
            if n_new:
                self._add(page.items, _first_positions(codes, n_before), lists, fingerprints)
            if list(map(self._fingerprints.__getitem__, codes)) != fingerprints:
                self._update_references(codes, lists, fingerprints)
        return page_rows(
            page,
            codes,
            missing_backreference=[codes[n] for n in missing],
            n_with_references=n_with_references,
            n_new=n_new,
        )

    def find_codes(self, uids: Iterable[str]) -> list[int]:
        """
        Return the integer code of each customer, or a unique negative number for a customer who is not in the index.

        This method does not add customers to the index.
        """
        with self._lock:
            return [self._codes[uid] if uid in self._codes else -1 - self._unknown_codes[uid] for uid in uids]

    def group_codes(self) -> dict[str, int]:
        """Return the integer code of each group that is in the tenant's list of groups or in a customer record."""
        with self._lock:
            return dict(self._group_codes)

    def add_groups(self, uids: Iterable[str]) -> None:
        """Assign an integer code to each group that does not have a code yet."""
        with self._lock:
            for uid in uids:
                self._group_codes[uid]

    def references(self) -> GroupReferences:
        """Return the groups of each customer, according to the record of the customer that was read last."""
        with self._lock:
            n_groups = len(self._group_codes)
            version = (len(self._codes), self._n_changes, n_groups)
            if self._cached is not None and self._cached[0] == version:
                return self._cached[1]
            lengths, groups = np.array(self._lengths), np.array(self._referenced_groups)
            updates = dict(self._updates)
        is_unknown = lengths == _UNKNOWN
        customers = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0))
        if updates:
            is_current = ~np.isin(customers, list(updates))
            updated = [(code, group) for code, new_groups in updates.items() for group in new_groups or ()]
            customers = np.concatenate([customers[is_current], np.array([code for code, _ in updated], np.int64)])
            groups = np.concatenate([groups[is_current], np.array([group for _, group in updated], np.int32)])
            for code, new_groups in updates.items():
                is_unknown[code] = new_groups is None
        n_customers = max(len(lengths), 1)
        keys = np.sort(groups.astype(np.int64) * n_customers + customers)
        keys = keys[np.diff(keys, prepend=-1) > 0]  # Remove duplicates. A record might list a group twice.
        references = GroupReferences(keys, n_customers, n_groups, is_unknown)
        self._cached = (version, references)
        return references

    def customers(self, codes: IntArray) -> tuple[pd.DataFrame, pd.DataFrame, IntArray]:
        """Return the tables of customers and consents, and the customer codes in the order of the customers table."""
        uids = pa.array(self._codes, pa.large_string())
        ordered = codes[pc.sort_indices(uids.take(pa.array(codes))).to_numpy()]
        return self._columns.customers(uids, ordered), self._columns.consents(uids, ordered), ordered

    def _add(
        self, items: Sequence[Row], positions: Sequence[int], lists: Sequence[bytes], fingerprints: Sequence[int]
    ) -> None:
        self._columns.add([items[n] for n in positions])
        self._fingerprints.extend([fingerprints[n] for n in positions])
        for uids in self._decode_references([lists[n] for n in positions]):
            if uids is None:
                self._lengths.append(_UNKNOWN)
            else:
                self._lengths.append(len(uids))
                self._referenced_groups.extend(map(self._group_codes.__getitem__, uids))

    def _update_references(self, codes: Sequence[int], lists: Sequence[bytes], fingerprints: Sequence[int]) -> None:
        """Update the groups of the customers whose lists of groups have changed."""
        for code, text, fingerprint in zip(codes, lists, fingerprints, strict=True):
            if self._fingerprints[code] == fingerprint:
                continue
            self._fingerprints[code] = fingerprint
            self._updates[code] = None
            (uids,) = self._decode_references([text])
            if uids is not None:
                self._updates[code] = [self._group_codes[uid] for uid in uids]
            self._n_changes += 1

    def _check_backreferences(self, group_uid: str, lists: Sequence[bytes]) -> tuple[int, list[int]]:
        """
        Return the number of records that list any group, and the positions of records that do not list `group_uid`.

        A customer record without a list of groups is excluded from both results.
        """
        uid = f'"{group_uid}"'.encode()
        if all(map(contains, lists, repeat(uid))):
            return len(lists), []
        # JSON text can contain the uid with escape sequences, so decode the lists in which the uid was not found.
        positions = [n for n, text in enumerate(lists) if uid not in text]
        decoded = dict(zip(positions, self._decode_references([lists[n] for n in positions]), strict=True))
        n_with_references = len(lists) - sum(1 for uids in decoded.values() if not uids)
        return n_with_references, [n for n, uids in decoded.items() if uids is not None and group_uid not in uids]

    def _decode_references(self, lists: Sequence[bytes]) -> list[tuple[str, ...] | None]:
        return decode_nested(lists, self._record, "customer_group_uids")


class _CodeMap(dict[str, int]):
    """Dictionary that assigns the next integer code to each new string."""

    def __missing__(self, text: str) -> int:
        code = len(self)
        self[text] = code
        return code


def _first_positions(codes: Sequence[int], next_code: int) -> list[int]:
    """Return the position at which each new code first occurs. New codes are numbered from `next_code` upward."""
    positions = []
    for n, code in enumerate(codes):
        if code == next_code:
            positions.append(n)
            next_code += 1
    return positions
