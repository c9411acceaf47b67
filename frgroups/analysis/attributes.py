"""Customer attributes for profiles and segment rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.analysis.consent import STATUS_NAMES, UNKNOWN, latest_consents
from frgroups.analysis.customer_tables import match_customers
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import FloatArray, IndexArray
from frgroups.internals.validation import as_list
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
# Names that are rejected as attributes, because their values identify a person.
# ehf_enabled is in PERSONAL, but it is allowed as an attribute, because it is only a flag.
IDENTIFYING = {"customer_uid", "external_id", "customer_parent_uid", *PERSONAL} - {"ehf_enabled"}
NUMERIC_CATEGORIES = {"payment_terms"}
DAYS_SINCE = "days_since_"
_STATUS_LABELS = STATUS_NAMES | {UNKNOWN: MISSING}


@dataclass(frozen=True, eq=False)
class Attribute:
    """Values of one attribute for all customers, sorted by uid. Customer i has the label `labels[code[i]]`."""

    name: str
    kind: Kind
    labels: list[str]
    code: IndexArray
    numbers: FloatArray | None = None


def customer_attributes(
    snapshot: Snapshot, attributes: AttributeSelection, *, excluded_groups: Iterable[str] = ()
) -> Iterator[Attribute]:
    """
    Iterate over the selected customer attributes, in the order in which `attributes` lists them.

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
        for name in check_names(own.columns):
            yield build_attribute(name, own[name], snapshot.taken_at)
        return
    names = _DEFAULT_NAMES if attributes is None else check_names(as_list(attributes, "attributes"))
    for name in names:
        if name == "consents":
            yield from _consent_attributes(snapshot)
        else:
            yield build_attribute(name, _select_column(snapshot, name, set(excluded_groups)), snapshot.taken_at)


def own_columns(snapshot: Snapshot, table: pd.DataFrame) -> pd.DataFrame:
    """
    Return the columns of a user-supplied table, with one row for each customer in a snapshot.

    The table must have one row per customer. The column customer_uid or the index of the table identifies the
    customers. A customer who has no row gets missing values. Rows for customers who are not in the snapshot are
    ignored.
    """
    matched = match_customers(table, snapshot.matrix.customer_uids, "attributes", place="in the snapshot")
    return matched.rows.set_axis(snapshot.customers.index, axis=0)


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


def check_names(names: Iterable[object]) -> list[str]:
    """Return the attribute names. Raise InputError if a name occurs twice or an attribute identifies persons."""
    checked: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"`attributes` contains {safe_repr(name)}. The name of an attribute must be a string.")
        if name in IDENTIFYING:
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
    """Return a column of the customers table, or compute a derived attribute such as postal_area."""
    customers = snapshot.customers
    if name == "postal_area":
        return _postal_area(customers)
    if name == "n_other_groups":
        matrix = snapshot.matrix
        is_other = ~matrix.group_uids.isin(list(excluded_groups))[matrix.group_code]
        return pd.Series(np.bincount(matrix.indices[is_other], minlength=matrix.n_customers))
    column = name.removeprefix(DAYS_SINCE)
    if name not in customers and column in customers and pd.api.types.is_datetime64_any_dtype(customers[column]):
        return customers[column]
    if name not in customers:
        names = [
            *(c for c in customers.columns if c not in IDENTIFYING),
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
    """Yield one attribute per consent. Its labels are the names of the consent statuses."""
    consents = latest_consents(snapshot)
    names = [consent.name for consent in consents]
    labels = [_STATUS_LABELS[status] for status in sorted(_STATUS_LABELS)]
    for consent in consents:
        name = consent.name
        if names.count(name) > 1:
            name = f"{name} ({consent.uid})"
        yield Attribute(f"consent: {name}", "category", labels, consent.status.astype(np.intp))


def build_attribute(name: str, column: pd.Series, at: datetime | None = None) -> Attribute:
    """
    Create a number, flag, or category attribute from a column, depending on the dtype of the column.

    Each timestamp is converted to the number of days from the timestamp to `at`. If `at` is None, the latest
    timestamp in the column is used as `at`.

    Examples
    --------
    >>> attribute = build_attribute("country_code", pd.Series(["NO", "SE", None]))
    >>> attribute.kind, [attribute.labels[code] for code in attribute.code]
    ('category', ['NO', 'SE', '(missing)'])
    """
    column = make_nullable(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        times = pd.to_datetime(column, utc=True)
        age = ((times.max() if at is None else pd.Timestamp(at)) - times).dt.total_seconds() / 86_400
        return _number_attribute(DAYS_SINCE + name.removeprefix(DAYS_SINCE), age)
    if pd.api.types.is_timedelta64_dtype(column):
        return _number_attribute(name, column.dt.total_seconds() / 86_400)
    if pd.api.types.is_bool_dtype(column):
        return _category_attribute(name, "flag", column.astype("boolean").map({True: "yes", False: "no"}))
    is_decimal = column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "decimal"
    if (pd.api.types.is_numeric_dtype(column) or is_decimal) and name not in NUMERIC_CATEGORIES:
        return _number_attribute(name, column)
    return _category_attribute(name, "category", column)


def _number_attribute(name: str, column: pd.Series) -> Attribute:
    """Create a numeric attribute from a column of the customers table."""
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return Attribute(name, "number", [NUMBER, MISSING], (~np.isfinite(numbers)).astype(np.intp), numbers)


def _category_attribute(name: str, kind: Kind, column: pd.Series) -> Attribute:
    """Create a category attribute or a flag attribute from a column of the customers table."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        # The categories are looked up by code. `astype` fails if a category is an integer and a value is missing.
        codes = column.cat.codes.to_numpy()
        categories = make_nullable(pd.Series(column.cat.categories))
        column = categories.reindex(codes).reset_index(drop=True)
    texts = column.astype("str")
    code, labels = pd.factorize(texts.where(texts != "").fillna(MISSING), sort=True)
    return Attribute(name, kind, [str(label) for label in labels], code)
