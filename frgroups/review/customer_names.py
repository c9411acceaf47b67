"""Look up the names of the customers in a plan for a review that shows customer names."""

from __future__ import annotations

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.snapshot.snapshot import Snapshot

WATERMARK = "This review contains customer names. Do not forward it, and delete it after the decision."
# The column name contains the warning, because a CSV file has no other place for it than the header.
NAME = "customer_name (personal: do not forward)"


def check_personal(plan: Plan, personal: Snapshot) -> None:
    """Raise InputError if `personal` contains no customer names or is a snapshot of another tenant."""
    check_type(personal, Snapshot, "personal")
    if personal.tenant_uid != plan.tenant_uid:
        raise InputError(
            f"`personal` must be a snapshot of tenant {plan.tenant_uid}, got a snapshot of {personal.tenant_uid}. "
            "The same customer uid can belong to different people in two tenants."
        )
    check_names(personal)


def check_names(personal: Snapshot) -> None:
    """Raise InputError if a snapshot contains no customer names."""
    if "firstname" not in personal.customers:
        raise InputError(
            "The snapshot does not contain customer names.",
            hint="Load the tenant with personal=True.",
            cli_hint="Run frgroups load --personal.",
        )


def lookup_names(personal: Snapshot, customer_uids: pd.Series) -> list[str]:
    """
    Return the name of each customer, or "" for a customer without a name.

    The name is the first and last name. If a customer has neither, the company name is used. If a customer has no
    company name either, the display name is used.
    """
    columns = ["firstname", "lastname", "company_name", "display_name"]
    customers = personal.customers.set_index("customer_uid").reindex(customer_uids, columns=columns)
    customers = customers.astype("str").fillna("")
    person = (customers["firstname"] + " " + customers["lastname"]).str.strip()
    name = person.where(person != "", customers["company_name"])
    names: list[str] = name.where(name != "", customers["display_name"]).tolist()
    return names
