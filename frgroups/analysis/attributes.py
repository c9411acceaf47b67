"""What is known of each customer, attribute by attribute, as a profile may show it and a rule may use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.analysis.consent import GIVEN, NONE, UNKNOWN, WITHDRAWN, latest_consents
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import FloatArray, IndexArray
from frgroups.internals.validation import as_list
from frgroups.snapshot.membership_matrix import check_uids
from frgroups.snapshot.schema import PERSONAL, make_nullable
from frgroups.snapshot.snapshot import Snapshot

Kind = Literal["category", "flag", "number"]
Asked = Iterable[str] | pd.DataFrame | None

MISSING, NUMBER = "(missing)", "(number)"
USUAL = (
    *("customer_type", "country_code", "postal_area", "default_store_name", "origin", "pricelist_uid"),
    *("payment_terms", "account_manager_uid", "has_email", "has_mobile", "has_loyalty_id", "has_vat_number"),
    *("consents", "credit_limit", "credit_balance", "days_since_created_at", "n_other_groups"),
)
# They name a person, or are told apart for each; whether there is an EHF address is harmless.
_NEVER = {"customer_uid", "external_id", "customer_parent_uid", *PERSONAL} - {"ehf_enabled"}
# Numbers that are a choice among a few, not an amount.
_CHOICES = {"payment_terms"}
_SINCE = "days_since_"
_STATUS_LABELS = {GIVEN: "given", UNKNOWN: MISSING, WITHDRAWN: "withdrawn", NONE: "none"}


@dataclass(frozen=True, eq=False)
class Attribute:
    """One attribute of all customers, in uid order: customer i has `labels[code[i]]`, a number `numbers[i]` too."""

    name: str
    kind: Kind
    labels: list[str]
    code: IndexArray
    numbers: FloatArray | None = None


def customer_attributes(snapshot: Snapshot, asked: Asked, *, apart_from: Iterable[str] = ()) -> Iterator[Attribute]:
    """
    The attributes that were asked for, in that order; None asks for the usual ones.

    A name is a column of `snapshot.customers`, or one of postal_area (country and the first two characters of the
    postal code), consents (one attribute for each), n_other_groups (without those in `apart_from`) and
    days_since_X for a column X of moments, counted back from taken_at. A frame asks for all its columns.

    >>> [(one.name, one.labels) for one in customer_attributes(sample_snapshot(), ["country_code", "has_email"])]
    [('country_code', ['DK', 'FI', 'NO', 'SE']), ('has_email', ['no', 'yes'])]
    """
    if isinstance(asked, pd.DataFrame):
        own = own_columns(snapshot, asked)
        for name in _allowed(own.columns):
            yield _attribute(name, own[name], snapshot)
        return
    for name in USUAL if asked is None else _allowed(as_list(asked, "attributes")):
        if name == "consents":
            yield from _consents(snapshot)
        else:
            yield _attribute(name, _column(snapshot, name, set(apart_from)), snapshot)


def own_columns(snapshot: Snapshot, table: pd.DataFrame) -> pd.DataFrame:
    """
    The columns of a table of one's own, a row for each customer of the snapshot; missing where it has none.

    The table has a row per customer, by an index of customer uids or a column customer_uid. Customers that the
    snapshot has not seen are left out.
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"attributes is a {type(table).__name__}; give a table with a row for each customer.")
    if "customer_uid" not in table and isinstance(table.index, pd.RangeIndex) and len(table):
        raise InputError(
            "attributes needs a column customer_uid, or customer uids as its index; "
            f"it has {', '.join(map(repr, table.columns))}."
        )
    index = table.index.to_flat_index().rename("customer_uid")
    keyed = table if "customer_uid" in table else table.set_axis(index, axis=0).reset_index()
    uids = check_uids(keyed, "customer_uid", "attributes")
    if repeated := int(uids.duplicated().sum()):
        raise InputError(
            f"attributes has {len(uids):,} rows, {repeated:,} of them for a customer who stands there already. "
            "Make it one row per customer, as with groupby('customer_uid')."
        )
    customers = snapshot.matrix.customer_uids
    where = pd.Index(uids).get_indexer(customers)
    if len(uids) and len(customers) and (where < 0).all():
        raise InputError(
            f"None of the {len(uids):,} rows of attributes is of a customer of this snapshot. Its uids must be "
            "customer uids; resolve_customers finds them by external id."
        )
    own = keyed.drop(columns="customer_uid").reset_index(drop=True)
    if not own.columns.is_unique:
        raise InputError(f"attributes has two columns named {safe_repr(own.columns[own.columns.duplicated()][0])}.")
    own = pd.DataFrame({name: make_nullable(own[name]) for name in own.columns}, index=own.index)
    return own.reindex(pd.Index(np.where(where < 0, len(own), where))).set_axis(snapshot.customers.index, axis=0)


def joined(snapshot: Snapshot, table: pd.DataFrame | None) -> pd.DataFrame:
    """The customers with the columns of a table of one's own beside theirs."""
    if table is None:
        return snapshot.customers
    own = own_columns(snapshot, table)
    if both := [str(name) for name in own.columns if name in snapshot.customers]:
        raise InputError(f"attributes has columns that the customers have too: {', '.join(both)}. Rename them.")
    return pd.concat([snapshot.customers, own], axis=1)


def _allowed(names: Iterable[object]) -> list[str]:
    asked = []
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"attributes holds {safe_repr(name)}; an attribute is the name of a column.")
        if name in _NEVER:
            other = (
                f"; has_{name} tells who has one" if name in ("email", "mobile", "loyalty_id", "vat_number") else ""
            )
            raise InputError(f"A profile never shows {name!r}, which tells of single persons{other}.")
        asked.append(name)
    if repeated := sorted({name for name in asked if asked.count(name) > 1}):
        raise InputError(f"attributes names {', '.join(repeated)} more than once.")
    return asked


def _column(snapshot: Snapshot, name: str, apart_from: set[str]) -> pd.Series:
    customers = snapshot.customers
    if name == "postal_area":
        return _postal_area(customers)
    if name == "n_other_groups":
        matrix = snapshot.matrix
        others = ~matrix.group_uids.isin(list(apart_from))[matrix.group_code]
        return pd.Series(np.bincount(matrix.indices[others], minlength=matrix.n_customers))
    column = name.removeprefix(_SINCE)
    if name not in customers and column in customers and pd.api.types.is_datetime64_any_dtype(customers[column]):
        return customers[column]
    if name not in customers:
        there = [*(c for c in customers.columns if c not in _NEVER), "postal_area", "consents", "n_other_groups"]
        raise InputError(f"No attribute is named {safe_repr(name)}. There are {', '.join(map(str, there))}.")
    return customers[name]


def _postal_area(customers: pd.DataFrame) -> pd.Series:
    """Country and the first two characters of the postal code: postal codes of two countries look alike."""
    start = customers["postal_code"].str.strip().str[:2]
    country = customers["country_code"].fillna("")
    return (country + " " + start.where(start != "")).str.strip()


def _consents(snapshot: Snapshot) -> Iterator[Attribute]:
    consents = latest_consents(snapshot)
    names = [consent.name for consent in consents]
    labels = [_STATUS_LABELS[status] for status in sorted(_STATUS_LABELS)]
    for consent in consents:
        name = consent.name
        if names.count(name) > 1:
            name = f"{name} ({consent.uid})"
        yield Attribute(f"consent: {name}", "category", labels, consent.status.astype(np.intp))


def _attribute(name: str, column: pd.Series, snapshot: Snapshot) -> Attribute:
    column = make_nullable(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        ago = (pd.Timestamp(snapshot.taken_at) - pd.to_datetime(column, utc=True)).dt.total_seconds() / 86_400
        return _number(name if name.startswith(_SINCE) else _SINCE + name, ago)
    if pd.api.types.is_timedelta64_dtype(column):
        return _number(name, column.dt.total_seconds() / 86_400)
    if pd.api.types.is_bool_dtype(column):
        return _category(name, "flag", column.astype("boolean").map({True: "yes", False: "no"}))
    decimal = column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "decimal"
    if (pd.api.types.is_numeric_dtype(column) or decimal) and name not in _CHOICES:
        return _number(name, column)
    return _category(name, "category", column)


def _number(name: str, column: pd.Series) -> Attribute:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return Attribute(name, "number", [NUMBER, MISSING], (~np.isfinite(numbers)).astype(np.intp), numbers)


def _category(name: str, kind: Kind, column: pd.Series) -> Attribute:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    texts = column.astype("str")
    code, labels = pd.factorize(texts.where(texts != "").fillna(MISSING), sort=True)
    return Attribute(name, kind, [str(label) for label in labels], code)
