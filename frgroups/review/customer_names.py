"""Look up customer names for a review whose reader knows customers by name, if the caller asks for it."""

from __future__ import annotations

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.snapshot.snapshot import Snapshot

WATERMARK = "Contains customer names: do not forward it, and delete it after the decision."
# In a table, only the heading can carry this warning.
NAME = "customer_name (personal: do not forward)"


def check_personal(plan: Plan, personal: Snapshot) -> None:
    """Raise InputError if the snapshot contains no customer names or belongs to another tenant."""
    check_type(personal, Snapshot, "personal")
    if personal.tenant_uid != plan.tenant_uid:
        raise InputError(
            f"`personal` is a snapshot of tenant {personal.tenant_uid}, but the plan is for {plan.tenant_uid}, where "
            "the same uid can belong to another person. Pass a snapshot of the plan's tenant."
        )
    if "firstname" not in personal.customers:
        raise InputError(
            "The snapshot holds no names of customers.",
            hint="Load it with personal=True.",
            cli_hint="Load the tenant with frgroups load --personal.",
        )


def lookup_names(personal: Snapshot, customer_uids: pd.Series) -> list[str]:
    """
    Return one name per customer uid, or "" if the snapshot has none.

    The name is the first and last name. If both are empty, it is the company name, and then the display name.
    """
    columns = ["firstname", "lastname", "company_name", "display_name"]
    customers = personal.customers.set_index("customer_uid").reindex(customer_uids, columns=columns).fillna("")
    person = (customers["firstname"] + " " + customers["lastname"]).str.strip()
    name = person.where(person != "", customers["company_name"])
    names: list[str] = name.where(name != "", customers["display_name"]).tolist()
    return names
