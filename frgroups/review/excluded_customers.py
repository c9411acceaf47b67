"""List the requested changes that a plan leaves out, for example because of the suppression list."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pandas as pd

from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import mask_contacts
from frgroups.plan.plan import Plan

EXCLUDED_NOTE = "These changes were requested, but this plan does not make them."
_MAX_REASONS = 5  # Maximum number of reasons in the heading.
_CHANGE_TEXTS = {"add": "does not join", "remove": "does not leave"}
# Values of excluded changes in the column "change" of the CSV review.
# Planned changes have the values "add" and "remove".
_CSV_CHANGES = {"add": "not added", "remove": "not removed"}


def excluded_customers(plan: Plan) -> pd.DataFrame:
    """
    Return a display table of the changes that a plan leaves out, in the order of `Plan.excluded`.

    Email addresses and other contact data in the reasons are masked, because a review contains no contact data.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, mode="mirror", protect=["c-1"])
    >>> excluded_customers(plan).to_dict("records")
    [{'Change': 'does not leave', 'Group': 'VIP', 'Group uid': 'vip', 'Customer uid': 'c-1', \
'Reason': 'protected customer'}]
    """
    excluded = plan.excluded()
    columns = {
        "Change": excluded["change"].map(_CHANGE_TEXTS),
        "Group": _group_names(plan),
        "Group uid": excluded["customer_group_uid"],
        "Customer uid": excluded["customer_uid"],
        "Reason": excluded["reason"].map(mask_contacts),
    }
    return pd.DataFrame(columns).astype("str")


def excluded_title(plan: Plan) -> str:
    """
    Return a heading with the number of excluded changes and the reasons.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, mode="mirror", protect=["c-1"])
    >>> excluded_title(plan)
    'Excluded customers (1): protected customer 1'
    """
    reasons = Counter(mask_contacts(replace(change, note="").reason) for change in plan.excluded_changes)
    listed = format_list([f"{reason} {n:,}" for reason, n in reasons.most_common()], _MAX_REASONS)
    return f"Excluded customers ({len(plan.excluded_changes):,}): {listed}"


def excluded_operations(plan: Plan, columns: pd.Index) -> pd.DataFrame:
    """Return the excluded changes as rows for the CSV review, with the reason in the column `finding`."""
    excluded = plan.excluded()
    rows = pd.DataFrame("", index=excluded.index, columns=columns, dtype="str")
    rows["customer_group_uid"] = excluded["customer_group_uid"]
    rows["group_name"] = _group_names(plan)
    rows["customer_uid"] = excluded["customer_uid"]
    rows["change"] = excluded["change"].map(_CSV_CHANGES)
    rows["finding"] = "excluded: " + excluded["reason"].map(mask_contacts)
    return rows


def _group_names(plan: Plan) -> pd.Series:
    """Return the group name of each excluded change, including groups that the plan does not change."""
    return pd.Series([change.group_name for change in plan.excluded_changes], dtype="str")
