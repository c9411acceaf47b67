"""Names of customers in a review, for a reviewer who knows people and not uids; only where they were asked for."""

from __future__ import annotations

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.snapshot.snapshot import Snapshot

WATERMARK = "Holds names of customers: do not forward it, and delete it when the decision is made."
# The heading says it in a table that has no other place for it.
NAME = "customer_name (personal: do not forward)"


def check_personal(plan: Plan, personal: Snapshot) -> None:
    """Refuse a snapshot without names, or of another tenant."""
    check_type(personal, Snapshot, "personal")
    if personal.tenant_uid != plan.tenant_uid:
        raise InputError(
            f"personal is a snapshot of tenant {personal.tenant_uid}, and the plan is for {plan.tenant_uid}: the "
            "same uid may be another person there. Give a snapshot of the plan's tenant."
        )
    if "firstname" not in personal.customers:
        raise InputError(
            "The snapshot holds no names of customers.",
            hint="Load it with personal=True.",
            cli_hint="Load the tenant with frgroups load --personal.",
        )


def names_of(personal: Snapshot, customer_uids: pd.Series) -> list[str]:
    """First and last name, else the company, else the name that is shown; "" where the snapshot knows none."""
    columns = ["firstname", "lastname", "company_name", "display_name"]
    known = personal.customers.set_index("customer_uid").reindex(customer_uids, columns=columns).fillna("")
    person = (known["firstname"] + " " + known["lastname"]).str.strip()
    name = person.where(person != "", known["company_name"])
    told: list[str] = name.where(name != "", known["display_name"]).tolist()
    return told
