"""The API's records as the tables of a Snapshot: what may be kept of a customer is decided here."""

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

# So many customers become columns at a time: what waits for it are Python's own values, which take more room.
BATCH_SIZE = 4096

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?")
_BEYOND_MICROSECONDS = re.compile(r"([.,]\d{6})\d+")

_KEYS = ("customer_uid", "customer_group_uids")
_HAS = ("email", "mobile", "loyalty_id", "vat_number")
_LISTS = ("addresses", "contacts", "extensions")
_OF_CONSENT = {name: attrgetter(name) for name in CONSENTS if name != "customer_uid"}
# What a column of text is in pandas, so that nothing is copied on the way there.
_ARROW = ARROW | {"str": pa.large_string()}


def groups_table(groups: Iterable[Group]) -> pd.DataFrame:
    """One row per group, in uid order; a group without a name is shown by its uid."""
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
    What may be kept of customers, as columns, in the order in which they were added.

    Of e-mail, mobile, loyalty id and VAT number only whether there is one, unless `record` is Customer.
    An empty text is a missing value: the API requires most fields, so that what is not known comes as "".
    """

    def __init__(self, record: type[Member]) -> None:
        self._record = record
        self._dtypes = CUSTOMERS | PERSONAL if record is Customer else CUSTOMERS
        fields = [name for name in record.__struct_fields__ if name not in _KEYS]
        self._value_of = {name: attrgetter(name) for name in fields}
        self._waiting: dict[str, list[Any]] = {name: [] for name in fields}
        self._n_done = 0
        self._kept = _ColumnBuffer({name: dtype for name, dtype in self._dtypes.items() if name != "customer_uid"})
        self._consents = _ColumnBuffer({"place": "int64"} | {name: CONSENTS[name] for name in _OF_CONSENT})

    def add(self, customers: Sequence[Row]) -> None:
        """Take the values of these customers; the records, and the pages behind them, are not held on to."""
        for name, value_of in self._value_of.items():
            values = map(value_of, customers)
            self._waiting[name].extend([b",".join(values)] if name in NESTED else values)
        if len(self._waiting["email"]) >= BATCH_SIZE:
            self._to_columns()

    def customers(self, uids: pa.Array, order: IntArray) -> pd.DataFrame:
        """The customers at these places, in this order; `uids` are those of all that were added."""
        self._to_columns()
        places = pa.array(order)
        columns = {name: column.take(places) for name, column in self._kept.whole().items()}
        return frame_from_arrow({"customer_uid": uids.take(places), **columns}, self._dtypes)

    def consents(self, uids: pa.Array, order: IntArray) -> pd.DataFrame:
        """One row per consent of the customers at these places, in the order of customer and consent uid."""
        self._to_columns()
        rank = np.full(len(uids), -1)
        rank[order] = np.arange(len(order))
        table = pa.table(self._consents.whole())
        ranks = rank[table["place"].to_numpy()]
        table = table.append_column("rank", pa.array(ranks)).append_column("n", pa.array(np.arange(len(ranks))))
        table = table.filter(pa.array(ranks >= 0))
        table = table.sort_by([("rank", "ascending"), ("consent_uid", "ascending"), ("n", "ascending")])
        columns = {name: table[name] for name in _OF_CONSENT}
        return frame_from_arrow({"customer_uid": uids.take(table["place"]), **columns}, CONSENTS)

    def _to_columns(self) -> None:
        values, self._waiting = self._waiting, {name: [] for name in self._waiting}
        values |= {name: decode_nested(values[name], self._record, name) for name in NESTED if name in values}
        self._kept.append({name: _kept(name, values) for name in self._kept.dtypes})
        lists = [consents or () for consents in values["consents"]]
        flat = list(chain.from_iterable(lists))
        places = np.arange(self._n_done, self._n_done + len(lists)).repeat([len(one) for one in lists])
        self._consents.append({"place": places} | {name: list(map(of, flat)) for name, of in _OF_CONSENT.items()})
        self._n_done += len(lists)


class _ColumnBuffer:
    """Columns that grow by portions."""

    def __init__(self, dtypes: dict[str, str]) -> None:
        self.dtypes = dtypes
        self._portions = {name: [pa.array([], _ARROW[dtype])] for name, dtype in dtypes.items()}

    def append(self, values: dict[str, Any]) -> None:
        """The values of the next rows, column by column."""
        for name, dtype in self.dtypes.items():
            self._portions[name].append(_column(values[name], dtype))

    def whole(self) -> dict[str, pa.Array]:
        """The columns of all rows."""
        return {name: pa.concat_arrays(portions) for name, portions in self._portions.items()}


def _kept(name: str, values: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    """The values of one column of the customers' table."""
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
            told = zip(values["ehf_enabled"], values["ehf"], strict=True)
            return [ehf and ehf.enabled if enabled is None else enabled for enabled, ehf in told]
        case _ if name in _LISTS:
            return [msgspec.json.encode(value or []).decode() for value in values[name]]
        case _ if name.removeprefix("has_") in _HAS and name.startswith("has_"):
            return [bool(value) for value in values[name.removeprefix("has_")]]
    return values[name]


def _column(values: Sequence[Any], dtype: str) -> pa.Array:
    if dtype in ("str", TIMESTAMP_DTYPE) and "" in values:
        values = [value or None for value in values]
    return _moments(values) if dtype == TIMESTAMP_DTYPE else pa.array(values, _ARROW[dtype])


def _moments(values: Sequence[str | None]) -> pa.Array:
    """Dates from text; one that is none ("" or nonsense) is a missing date, not a reason to lose the customer."""
    try:
        moments = pa.array(values, pa.string()).cast(ARROW[TIMESTAMP_DTYPE])
        first_last = pc.min_max(moments).as_py()  # Fails where no calendar has the year.
        if first_last["min"] is None or first_last["min"].year > 0:
            return moments
    except (pa.ArrowInvalid, OverflowError, ValueError):
        pass
    return pa.array([value and _moment(value) for value in values], ARROW[TIMESTAMP_DTYPE])


def _moment(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(_BEYOND_MICROSECONDS.sub(r"\1", text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
