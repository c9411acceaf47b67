"""The customers that a load has seen: each once, as a code, with what may be kept of it and the groups it names."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from operator import attrgetter, contains

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.api.schema.codec import decode_nested
from frgroups.api.schema.records import Member, Page, Row
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.load.column_builder import CustomerColumns
from frgroups.load.verified_listing import PageRows, page_rows

_UID, _GROUPS = attrgetter("customer_uid"), attrgetter("customer_group_uids")

# The length of the list of someone who tells no groups at all; who tells of none has 0.
_SILENT = -1


@dataclass(frozen=True)
class GroupReferences:
    """Which customer names which group: `keys` are group x `width` + customer, each once and rising."""

    keys: IntArray
    width: int
    n_groups: int
    silent: BoolArray

    @cached_property
    def counts(self) -> IntArray:
        """How many customers name each group."""
        return np.bincount(self.keys // self.width, minlength=self.n_groups)

    def customers(self, group: int) -> IntArray:
        """The customers that name a group, rising."""
        first, last = np.searchsorted(self.keys, [group * self.width, (group + 1) * self.width])
        return self.keys[first:last] - group * self.width

    @cached_property
    def any_silent(self) -> bool:
        """Whether anybody tells no groups at all."""
        return bool(self.silent.any())

    def contradicts(self, group: int, members: IntArray) -> bool:
        """Whether a member does not name the group, or one who names it is no member; who is silent is neither."""
        told = members[~self.silent[members]] if self.any_silent else members
        return not np.array_equal(np.sort(told), self.customers(group))


class CustomerIndex:
    """
    The customers seen so far, coded in the order of their first sight; pages may come from several threads.

    Of a customer seen before only the list of groups is looked at. The last list counts, so that who left a
    group while the tenant was read no longer names it.
    """

    def __init__(self, record: type[Member], groups: Sequence[str]) -> None:
        self._group_codes = _Numbers((uid, code) for code, uid in enumerate(groups))
        self._n_groups = len(groups)
        self._codes = _Numbers()
        self._record = record
        self._columns = CustomerColumns(record)
        self._lengths = array("i")
        self._named = array("i")
        self._fingerprints = array("q")
        self._renamed: dict[int, list[int] | None] = {}
        self._n_changes = 0
        self._naming: tuple[tuple[int, int], GroupReferences] | None = None
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._codes)

    def take(self, page: Page[Row], group_uid: str) -> PageRows[int]:
        """The page as codes. What may be kept is kept of those who are new."""
        uids, lists = list(map(_UID, page.items)), list(map(bytes, map(_GROUPS, page.items)))
        fingerprints = list(map(hash, lists))
        n_naming, misnamed = self._naming_not(group_uid, lists)
        with self._turn:
            n_before = len(self._codes)
            codes = list(map(self._codes.__getitem__, uids))
            n_new = len(self._codes) - n_before
            if n_new:
                self._add(page.items, _first_places(codes, n_before), lists, fingerprints)
            if list(map(self._fingerprints.__getitem__, codes)) != fingerprints:
                self._rename(codes, lists, fingerprints)
        return page_rows(
            page, codes, missing_backreference=[codes[n] for n in misnamed], n_naming=n_naming, n_new=n_new
        )

    def naming(self) -> GroupReferences:
        """Who names which group, as the customers last told it."""
        with self._turn:
            now = (len(self._codes), self._n_changes)
            if self._naming is not None and self._naming[0] == now:
                return self._naming[1]
            lengths, groups = np.array(self._lengths), np.array(self._named)
            renamed = dict(self._renamed)
        silent = lengths == _SILENT
        customers = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0))
        if renamed:
            stays = ~np.isin(customers, list(renamed))
            again = [(code, group) for code, named in renamed.items() for group in named or ()]
            customers = np.concatenate([customers[stays], np.array([code for code, _ in again], np.int64)])
            groups = np.concatenate([groups[stays], np.array([group for _, group in again], np.int32)])
            for code, named in renamed.items():
                silent[code] = named is None
        width = max(len(lengths), 1)
        keys = groups.astype(np.int64) * width + customers
        keys = np.sort(keys[groups < self._n_groups])  # Beyond are groups that the list of groups does not have.
        keys = keys[np.diff(keys, prepend=-1) > 0]  # Who names a group twice is in it once.
        naming = GroupReferences(keys, width, self._n_groups, silent)
        self._naming = (now, naming)
        return naming

    def customers(self, codes: IntArray) -> tuple[pd.DataFrame, pd.DataFrame, IntArray]:
        """The tables of these customers and of their consents, and the codes in the order of the first."""
        uids = pa.array(self._codes, pa.large_string())
        ordered = codes[pc.sort_indices(uids.take(pa.array(codes))).to_numpy()]
        return self._columns.customers(uids, ordered), self._columns.consents(uids, ordered), ordered

    def _add(
        self, items: Sequence[Row], places: Sequence[int], lists: Sequence[bytes], fingerprints: Sequence[int]
    ) -> None:
        self._columns.add([items[n] for n in places])
        self._fingerprints.extend([fingerprints[n] for n in places])
        named = self._named_in([lists[n] for n in places])
        self._lengths.extend([_SILENT if names is None else len(names) for names in named])
        self._named.extend(map(self._group_codes.__getitem__, chain.from_iterable(names or () for names in named)))

    def _rename(self, codes: Sequence[int], lists: Sequence[bytes], fingerprints: Sequence[int]) -> None:
        """Note whose list is no longer what it was."""
        for code, text, fingerprint in zip(codes, lists, fingerprints, strict=True):
            if self._fingerprints[code] != fingerprint:
                self._fingerprints[code] = fingerprint
                (names,) = self._named_in([text])
                self._renamed[code] = None if names is None else [self._group_codes[name] for name in names]
                self._n_changes += 1

    def _naming_not(self, group_uid: str, lists: Sequence[bytes]) -> tuple[int, list[int]]:
        """How many name any group, and the places of those who tell their groups, and not this one."""
        uid = f'"{group_uid}"'.encode()
        if all(map(contains, lists, repeat(uid))):
            return len(lists), []
        # JSON may write the uid in other ways too.
        places = [n for n, text in enumerate(lists) if uid not in text]
        named = dict(zip(places, self._named_in([lists[n] for n in places]), strict=True))
        n_naming = len(lists) - sum(1 for names in named.values() if not names)
        return n_naming, [n for n, names in named.items() if names is not None and group_uid not in names]

    def _named_in(self, lists: Sequence[bytes]) -> list[tuple[str, ...] | None]:
        return decode_nested(lists, self._record, "customer_group_uids")


class _Numbers(dict[str, int]):
    """A number for each text, given in the order in which they are asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = number = len(self)
        return number


def _first_places(codes: Sequence[int], next_code: int) -> list[int]:
    """Where each new code stands first; new ones rise from `next_code`."""
    places = []
    for n, code in enumerate(codes):
        if code == next_code:
            places.append(n)
            next_code += 1
    return places
