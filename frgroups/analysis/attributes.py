"""Customer attributes for profiles and segment rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.analysis.consent import GIVEN, NONE, UNKNOWN, WITHDRAWN, latest_consents
from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import FloatArray, IndexArray
from frgroups.internals.validation import as_list, check_type
from frgroups.snapshot.membership_matrix import check_uids
from frgroups.snapshot.schema import PERSONAL, make_nullable
from frgroups.snapshot.snapshot import Snapshot

Kind = Literal["category", "flag", "number"]
AttributeSelection = Iterable[str] | pd.DataFrame | None

MISSING, NUMBER = "(missing)", "(number)"
_DEFAULT_NAMES = (
    *("customer_type", "country_code", "postal_area", "default_store_name", "origin", "pricelist_uid"),
    *("payment_terms", "account_manager_uid", "has_email", "has_mobile", "has_loyalty_id", "has_vat_number"),
    *("consents", "credit_limit", "credit_balance", "days_since_created_at", "n_other_groups"),
)
# These columns identify a person. The column ehf_enabled is only a flag, so it is removed from the set.
_IDENTIFYING = {"customer_uid", "external_id", "customer_parent_uid", *PERSONAL} - {"ehf_enabled"}
_NUMERIC_CATEGORIES = {"payment_terms"}
_DAYS_SINCE = "days_since_"
_STATUS_LABELS = {GIVEN: "given", UNKNOWN: MISSING, WITHDRAWN: "withdrawn", NONE: "none"}


@dataclass(frozen=True, eq=False)
class Attribute:
    """The values of one attribute, sorted by customer uid. Customer i has the label `labels[code[i]]`."""

    name: str
    kind: Kind
    labels: list[str]
    code: IndexArray
    numbers: FloatArray | None = None


def customer_attributes(
    snapshot: Snapshot, attributes: AttributeSelection, *, excluded_groups: Iterable[str] = ()
) -> Iterator[Attribute]:
    """
    Iterate over the selected customer attributes, in the given order.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers.
    attributes
        Names of attributes, or a DataFrame whose columns are the attributes. None selects the default attributes. A
        name is a column of `snapshot.customers` or one of these derived attributes:

        - postal_area: the country and the first two characters of the postal code
        - consents: one attribute per consent
        - n_other_groups: the number of the customer's groups that are not in `excluded_groups`
        - days_since_X: the days from the timestamp column X to `snapshot.taken_at`
    excluded_groups
        Uids of the groups that n_other_groups does not count.

    Yields
    ------
    Attribute
        The next attribute.

    Examples
    --------
    >>> attributes = customer_attributes(sample_snapshot(), ["country_code", "has_email"])
    >>> [(attribute.name, attribute.labels) for attribute in attributes]
    [('country_code', ['DK', 'FI', 'NO', 'SE']), ('has_email', ['no', 'yes'])]
    """
    if isinstance(attributes, pd.DataFrame):
        own = own_columns(snapshot, attributes)
        for name in _check_names(own.columns):
            yield _build_attribute(name, own[name], snapshot)
        return
    names = _DEFAULT_NAMES if attributes is None else _check_names(as_list(attributes, "attributes"))
    for name in names:
        if name == "consents":
            yield from _consent_attributes(snapshot)
        else:
            yield _build_attribute(name, _select_column(snapshot, name, set(excluded_groups)), snapshot)


def own_columns(snapshot: Snapshot, table: pd.DataFrame) -> pd.DataFrame:
    """
    Align the columns of a user-supplied table with the customers in a snapshot.

    The table must have one row per customer. The column customer_uid or the index of the table identifies the
    customers. A customer without a row gets missing values. Rows for customers who are not in the snapshot are
    ignored.
    """
    check_type(table, pd.DataFrame, "attributes")
    if "customer_uid" not in table and isinstance(table.index, pd.RangeIndex) and len(table):
        raise InputError(
            "`attributes` needs a column 'customer_uid' or an index of customer uids. Its columns are "
            f"{format_list([safe_repr(column) for column in table.columns]) or 'none'}."
        )
    if "customer_uid" not in table:
        index = table.index.to_flat_index().rename("customer_uid")
        table = table.set_axis(index, axis=0).reset_index()
    uids = check_uids(table, "customer_uid", "attributes")
    if n_repeated := int(uids.duplicated().sum()):
        raise InputError(
            f"`attributes` must have one row per customer, but {n_repeated:,} of {len(uids):,} rows repeat a uid. "
            "Aggregate the table first, for example with groupby('customer_uid')."
        )
    customers = snapshot.matrix.customer_uids
    positions = pd.Index(uids).get_indexer(customers)
    if len(uids) and len(customers) and (positions < 0).all():
        raise InputError(
            f"`attributes` has {len(uids):,} rows, but none of them has the uid of a customer in the snapshot. "
            "Use fg.resolve_customers to convert external ids to customer uids."
        )
    own = table.drop(columns="customer_uid").reset_index(drop=True)
    if not own.columns.is_unique:
        raise InputError(
            f"`attributes` has several columns named {safe_repr(own.columns[own.columns.duplicated()][0])}. "
            "Column names must be unique."
        )
    own = pd.DataFrame({name: make_nullable(own[name]) for name in own.columns}, index=own.index)
    rows = pd.Index(np.where(positions < 0, len(own), positions))
    return own.reindex(rows).set_axis(snapshot.customers.index, axis=0)


def join_attributes(snapshot: Snapshot, table: pd.DataFrame | None) -> pd.DataFrame:
    """Join the columns of a user-supplied table to the customers in a snapshot."""
    if table is None:
        return snapshot.customers
    own = own_columns(snapshot, table)
    shared = [str(name) for name in own.columns if name in snapshot.customers]
    if shared:
        raise InputError(
            f"`attributes` has columns that the snapshot also has: {', '.join(shared)}. Rename the columns."
        )
    return pd.concat([snapshot.customers, own], axis=1)


def _check_names(names: Iterable[object]) -> list[str]:
    """Return the attribute names. Raise InputError if a name occurs twice or an attribute identifies persons."""
    checked: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"`attributes` contains {safe_repr(name)}. The name of an attribute must be a string.")
        if name in _IDENTIFYING:
            alternative = ""
            if name in ("email", "mobile", "loyalty_id", "vat_number"):
                alternative = f"Use has_{name} to compare customers who have this value with customers who do not."
            raise InputError(
                f"The attribute {name!r} identifies persons and cannot be used in a profile.", hint=alternative
            )
        checked.append(name)
    repeated = sorted({name for name in checked if checked.count(name) > 1})
    if repeated:
        raise InputError(f"`attributes` contains duplicate names: {', '.join(repeated)}. Pass each name only once.")
    return checked


def _select_column(snapshot: Snapshot, name: str, excluded_groups: set[str]) -> pd.Series:
    """Return the values of an attribute, which are read or derived from columns of the customers table."""
    customers = snapshot.customers
    if name == "postal_area":
        return _postal_area(customers)
    if name == "n_other_groups":
        matrix = snapshot.matrix
        is_other = ~matrix.group_uids.isin(list(excluded_groups))[matrix.group_code]
        return pd.Series(np.bincount(matrix.indices[is_other], minlength=matrix.n_customers))
    column = name.removeprefix(_DAYS_SINCE)
    if name not in customers and column in customers and pd.api.types.is_datetime64_any_dtype(customers[column]):
        return customers[column]
    if name not in customers:
        names = [
            *(c for c in customers.columns if c not in _IDENTIFYING),
            "postal_area",
            "consents",
            "n_other_groups",
        ]
        raise InputError(
            f"Unknown attribute {safe_repr(name)}. The available attributes are {', '.join(map(str, names))}."
        )
    return customers[name]


def _postal_area(customers: pd.DataFrame) -> pd.Series:
    """
    Return each customer's postal area: the country code and the first two characters of the postal code.

    The country code is included because postal codes are unique only within a country.
    """
    start = customers["postal_code"].str.strip().str[:2]
    country = customers["country_code"].fillna("")
    return (country + " " + start.where(start != "")).str.strip()


def _consent_attributes(snapshot: Snapshot) -> Iterator[Attribute]:
    """Iterate over one attribute per consent. The values of the attribute are the consent statuses."""
    consents = latest_consents(snapshot)
    names = [consent.name for consent in consents]
    labels = [_STATUS_LABELS[status] for status in sorted(_STATUS_LABELS)]
    for consent in consents:
        name = consent.name
        if names.count(name) > 1:
            name = f"{name} ({consent.uid})"
        yield Attribute(f"consent: {name}", "category", labels, consent.status.astype(np.intp))


def _build_attribute(name: str, column: pd.Series, snapshot: Snapshot) -> Attribute:
    """Create a number, flag, or category attribute from a column, depending on the dtype of the column."""
    column = make_nullable(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        age = (pd.Timestamp(snapshot.taken_at) - pd.to_datetime(column, utc=True)).dt.total_seconds() / 86_400
        return _number_attribute(_DAYS_SINCE + name.removeprefix(_DAYS_SINCE), age)
    if pd.api.types.is_timedelta64_dtype(column):
        return _number_attribute(name, column.dt.total_seconds() / 86_400)
    if pd.api.types.is_bool_dtype(column):
        return _category_attribute(name, "flag", column.astype("boolean").map({True: "yes", False: "no"}))
    is_decimal = column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "decimal"
    if (pd.api.types.is_numeric_dtype(column) or is_decimal) and name not in _NUMERIC_CATEGORIES:
        return _number_attribute(name, column)
    return _category_attribute(name, "category", column)


def _number_attribute(name: str, column: pd.Series) -> Attribute:
    """Create a numeric attribute from a column of the customers table."""
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return Attribute(name, "number", [NUMBER, MISSING], (~np.isfinite(numbers)).astype(np.intp), numbers)


def _category_attribute(name: str, kind: Kind, column: pd.Series) -> Attribute:
    """Create a category attribute or a flag attribute from a column of the customers table."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        # A conversion with `astype` fails if a category is an integer and a value is missing.
        codes = column.cat.codes.to_numpy()
        categories = make_nullable(pd.Series(column.cat.categories))
        column = categories.reindex(codes).reset_index(drop=True)
    texts = column.astype("str")
    code, labels = pd.factorize(texts.where(texts != "").fillna(MISSING), sort=True)
    return Attribute(name, kind, [str(label) for label in labels], code)
