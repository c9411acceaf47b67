"""The API's records as the tables of a Snapshot: what may be kept of a customer is decided here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec
import pandas as pd

from frgroups.tables import CONSENTS, CUSTOMERS, GROUPS, MOMENT, PERSONAL, conform
from frgroups.wire import Customer, Group, Member


def groups_table(groups: Iterable[Group]) -> pd.DataFrame:
    """One row per group, in uid order; a group without a name is shown by its uid."""
    rows = sorted(groups, key=lambda group: group.uid)
    return _frame(
        GROUPS,
        {
            "customer_group_uid": [row.uid for row in rows],
            "name": [row.name or row.uid for row in rows],
            "created_at": [row.created_at for row in rows],
            "last_modified_at": [row.last_modified_at for row in rows],
        },
    )


def customers_table(customers: Iterable[Member], record: type[Member]) -> pd.DataFrame:
    """
    One row per customer, in uid order, with the columns that may be kept.

    Of e-mail, mobile, loyalty id and VAT number only whether there is one, unless `record` is Customer.
    An empty text is a missing value: the API requires most fields, so that what is not known comes as "".
    """
    rows = sorted(customers, key=lambda row: row.customer_uid)
    plain = [name for name, dtype in CUSTOMERS.items() if name in Member.__struct_fields__]
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in plain}
    columns |= {
        "credit_limit": [row.credit and row.credit.limit for row in rows],
        "credit_balance": [row.credit and row.credit.balance for row in rows],
        "default_store_uid": [row.default_store and row.default_store.store_uid for row in rows],
        "default_store_name": [row.default_store and row.default_store.name for row in rows],
        "account_manager_uid": [row.account_manager and row.account_manager.tenant_user_uid for row in rows],
    }
    for name in ("email", "mobile", "loyalty_id", "vat_number"):
        columns[f"has_{name}"] = [bool(getattr(row, name)) for row in rows]
    if record is not Customer:
        return _frame(CUSTOMERS, columns)
    people = [row for row in rows if isinstance(row, Customer)]
    columns |= {name: [getattr(row, name) for row in people] for name in PERSONAL if name in _OF_CUSTOMER}
    columns["account_manager_name"] = [row.account_manager and row.account_manager.display_name for row in people]
    for name in ("addresses", "contacts", "extensions"):
        columns[name] = [msgspec.json.encode(getattr(row, name) or []).decode() for row in people]
    return _frame(CUSTOMERS | PERSONAL, columns)


def consents_table(customers: Iterable[Member]) -> pd.DataFrame:
    """One row per consent, in the order of customer and consent uid."""
    rows = [
        (customer.customer_uid, consent)
        for customer in sorted(customers, key=lambda row: row.customer_uid)
        for consent in sorted(customer.consents or (), key=lambda one: one.consent_uid or "")
    ]
    names = [name for name in CONSENTS if name != "customer_uid"]
    return _frame(
        CONSENTS,
        {"customer_uid": [uid for uid, _ in rows]}
        | {name: [getattr(consent, name) for _, consent in rows] for name in names},
    )


_OF_CUSTOMER = set(Customer.__struct_fields__) - {"addresses", "contacts", "extensions"}


def _frame(dtypes: dict[str, str], columns: dict[str, list[Any]]) -> pd.DataFrame:
    series = {name: _column(columns[name], dtype) for name, dtype in dtypes.items()}
    return conform(pd.DataFrame(series), dtypes)


def _column(values: list[Any], dtype: str) -> pd.Series:
    if dtype == "str":
        return pd.Series([value or None for value in values], dtype="str")
    if dtype == MOMENT:
        # A date that is none ("" or nonsense) is a missing date, not a reason to lose the customer.
        parsed = pd.to_datetime(pd.Series(values, dtype="str"), utc=True, errors="coerce", format="ISO8601")
        moments: pd.Series = parsed.astype(cast(Any, MOMENT))
        return moments
    column: pd.Series = pd.Series(values, dtype=cast(Any, dtype))
    return column
