"""Build the tables of a snapshot from API records. This module determines which customer data is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.api.schema.codec import decode_nested
from frgroups.api.schema.records import NESTED, Customer, Group, Member, Row
from frgroups.internals.typing import IntArray
from frgroups.snapshot.schema import ARROW, CONSENTS, CUSTOMERS, GROUPS, PERSONAL, TIMESTAMP_DTYPE, frame_from_arrow

# Number of customers that are converted to columns at a time.
# Python objects need more memory than columns, so only one batch of customers is stored as Python objects.
BATCH_SIZE = 4096

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?")
_BEYOND_MICROSECONDS = re.compile(r"([.,]\d{6})\d+")

_KEYS = ("customer_uid", "customer_group_uids")
_HAS = ("email", "mobile", "loyalty_id", "vat_number")
_LISTS = ("addresses", "contacts", "extensions")
_CONSENT_GETTERS = {name: attrgetter(name) for name in CONSENTS if name != "customer_uid"}
# pandas stores strings as large_string, so using the same type for Arrow arrays avoids a copy.
_ARROW = ARROW | {"str": pa.large_string()}


def groups_table(groups: Iterable[Group]) -> pd.DataFrame:
    """
    Return a table with one row per group, sorted by uid.

    If a group has no name, its uid is used as the name.
    """
    rows = sorted(groups, key=lambda group: group.uid)
    columns: dict[str, list[Any]] = {
        "customer_group_uid": [row.uid for row in rows],
        "name": [row.name or row.uid for row in rows],
        "created_at": [row.created_at for row in rows],
        "last_modified_at": [row.last_modified_at for row in rows],
    }
    return frame_from_arrow({name: _column(columns[name], dtype) for name, dtype in GROUPS.items()}, GROUPS)


class CustomerColumns:
    """
    Columns that contain the stored customer attributes, in the order in which the customers are added.

    Unless the record type is Customer, which includes personal data, the email address, mobile number, loyalty id,
    and VAT number are reduced to flags such as `has_email`. Empty strings are stored as missing values, because the
    API returns empty strings for unknown values.
    """

    def __init__(self, record: type[Member]) -> None:
        self._record = record
        self._dtypes = dict(CUSTOMERS)
        if record is Customer:
            self._dtypes |= PERSONAL
        fields = [name for name in record.__struct_fields__ if name not in _KEYS]
        self._getters = {name: attrgetter(name) for name in fields}
        self._pending: dict[str, list[Any]] = {name: [] for name in fields}
        self._n_done = 0
        self._attributes = _ColumnBuffer(
            {name: dtype for name, dtype in self._dtypes.items() if name != "customer_uid"}
        )
        self._consents = _ColumnBuffer({"position": "int64"} | {name: CONSENTS[name] for name in _CONSENT_GETTERS})

    def add(self, customers: Sequence[Row]) -> None:
        """
        Append the attributes of customers to the columns.

        The columns store no references to the customer records or pages, so that Python can release their memory.
        """
        for name, get_value in self._getters.items():
            values = map(get_value, customers)
            if name in NESTED:
                self._pending[name].append(b",".join(values))
            else:
                self._pending[name].extend(values)
        if len(self._pending["email"]) >= BATCH_SIZE:
            self._convert_pending()

    def customers(self, uids: pa.Array, order: IntArray) -> pd.DataFrame:
        """
        Return a table of the customers at the given positions.

        Parameters
        ----------
        uids
            Uids of all added customers.
        order
            Positions of the customers to return.
        """
        self._convert_pending()
        positions = pa.array(order)
        columns = {name: column.take(positions) for name, column in self._attributes.columns().items()}
        return frame_from_arrow({"customer_uid": uids.take(positions), **columns}, self._dtypes)

    def consents(self, uids: pa.Array, order: IntArray) -> pd.DataFrame:
        """
        Return a table of the consents of the customers at the given positions.

        The customers have the order of the given positions. The consents of one customer are sorted by consent uid.

        Parameters
        ----------
        uids
            Uids of all added customers.
        order
            Positions of the customers to include.
        """
        self._convert_pending()
        rank = np.full(len(uids), -1)
        rank[order] = np.arange(len(order))
        table = pa.table(self._consents.columns())
        ranks = rank[table["position"].to_numpy()]
        table = table.append_column("rank", pa.array(ranks)).append_column("n", pa.array(np.arange(len(ranks))))
        table = table.filter(pa.array(ranks >= 0))
        table = table.sort_by([("rank", "ascending"), ("consent_uid", "ascending"), ("n", "ascending")])
        columns = {name: table[name] for name in _CONSENT_GETTERS}
        return frame_from_arrow({"customer_uid": uids.take(table["position"]), **columns}, CONSENTS)

    def _convert_pending(self) -> None:
        values, self._pending = self._pending, {name: [] for name in self._pending}
        values |= {name: decode_nested(values[name], self._record, name) for name in NESTED if name in values}
        self._attributes.append({name: _column_values(name, values) for name in self._attributes.dtypes})
        lists = [consents or () for consents in values["consents"]]
        flat = list(chain.from_iterable(lists))
        positions = np.arange(self._n_done, self._n_done + len(lists)).repeat([len(consents) for consents in lists])
        self._consents.append(
            {"position": positions}
            | {name: list(map(get_value, flat)) for name, get_value in _CONSENT_GETTERS.items()}
        )
        self._n_done += len(lists)


class _ColumnBuffer:
    """Table to which batches of rows can be appended."""

    def __init__(self, dtypes: dict[str, str]) -> None:
        self.dtypes = dtypes
        self._batches = {name: [pa.array([], _ARROW[dtype])] for name, dtype in dtypes.items()}

    def append(self, values: dict[str, Any]) -> None:
        """Append a batch of rows. The dictionary `values` contains the new values of each column."""
        for name, dtype in self.dtypes.items():
            self._batches[name].append(_column(values[name], dtype))

    def columns(self) -> dict[str, pa.Array]:
        """Return each column as one array that contains all rows."""
        return {name: pa.concat_arrays(batches) for name, batches in self._batches.items()}


def _column_values(name: str, values: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    """Return the values of one column of the customers table."""
    match name:
        case "credit_limit":
            return [credit and credit.limit for credit in values["credit"]]
        case "credit_balance":
            return [credit and credit.balance for credit in values["credit"]]
        case "default_store_uid":
            return [store and store.store_uid for store in values["default_store"]]
        case "default_store_name":
            return [store and store.name for store in values["default_store"]]
        case "account_manager_uid":
            return [manager and manager.tenant_user_uid for manager in values["account_manager"]]
        case "account_manager_name":
            return [manager and manager.display_name for manager in values["account_manager"]]
        case "account_manager_code":
            return [manager and manager.user_code for manager in values["account_manager"]]
        case "ehf_address":
            return [ehf and ehf.address for ehf in values["ehf"]]
        case "ehf_enabled":
            return list(map(_ehf_enabled, values["ehf_enabled"], values["ehf"]))
        case _ if name in _LISTS:
            return [msgspec.json.encode(value or []).decode() for value in values[name]]
        case _ if name.removeprefix("has_") in _HAS and name.startswith("has_"):
            return [bool(value) for value in values[name.removeprefix("has_")]]
    return values[name]


def _ehf_enabled(enabled: bool | None, ehf: Any) -> bool | None:
    """Return `enabled`. If `enabled` is None, return the field `enabled` of the nested `ehf` object."""
    if enabled is None and ehf is not None:
        return ehf.enabled  # type: ignore[no-any-return]
    return enabled


def _column(values: Sequence[Any], dtype: str) -> pa.Array:
    if dtype in ("str", TIMESTAMP_DTYPE) and "" in values:
        values = [value or None for value in values]
    if dtype == TIMESTAMP_DTYPE:
        return _parse_timestamps(values)
    return pa.array(values, _ARROW[dtype])


def _parse_timestamps(values: Sequence[str | None]) -> pa.Array:
    """Convert strings to timestamps. Invalid strings become missing values."""
    try:
        timestamps = pa.array(values, pa.string()).cast(ARROW[TIMESTAMP_DTYPE])
        first_last = pc.min_max(timestamps).as_py()  # as_py raises an exception if a year is out of range.
        if first_last["min"] is None or first_last["min"].year > 0:
            return timestamps
    except (pa.ArrowInvalid, OverflowError, ValueError):
        pass
    return pa.array([value and _parse_timestamp(value) for value in values], ARROW[TIMESTAMP_DTYPE])


def _parse_timestamp(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        timestamp = datetime.fromisoformat(_BEYOND_MICROSECONDS.sub(r"\1", text))
        if timestamp.tzinfo is None:
            return timestamp.replace(tzinfo=UTC)
        return timestamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
