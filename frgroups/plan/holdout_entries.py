"""Convert one arm of a split to entries of the suppression list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

import pandas as pd

from frgroups.analysis.arm_shares import planned_control
from frgroups.api.schema import codec
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.validation import as_list, check_choice, check_columns, check_text
from frgroups.plan.suppression_entries import HOLDOUT, parse_end
from frgroups.snapshot.membership_matrix import check_uids


def holdout_entries(
    split: pd.DataFrame, groups: Iterable[str], *, until: date | datetime | str, arm: str | None = None
) -> pd.DataFrame:
    """
    Return suppression list entries that exclude the customers in one arm of a split until the holdout ends.

    Store the entries with `add_suppression_entries`. Until the holdout ends, plans do not add the customers to the
    groups. The entries do not remove customers who are already members.

    Parameters
    ----------
    split : pandas.DataFrame
        The result of `split_customers`, or another table with the columns customer_uid and arm.
    groups : iterable of str
        Uids of the groups to which plans must not add the customers of `arm`. Names are not accepted.
    until : date, datetime or str
        End of the holdout. A date, such as "2026-12-31", includes the whole day in UTC. A time without a time zone is
        in UTC.
    arm : str, optional
        Arm whose customers are not added to the groups. None uses the name of the control arm in the attrs of
        `split`, or "control" if the attrs do not contain this name.

    Returns
    -------
    pandas.DataFrame
        One row per customer and group, in the order of `split` and `groups`. The columns are customer_uid,
        customer_group_uid, until, and source, all `str`. The source is "holdout".

    Raises
    ------
    InputError
        `split` lacks a column, contains a customer twice, or has no customer in `arm`. `groups` is empty or contains
        an invalid uid. `until` is not a valid time or has passed.

    See Also
    --------
    add_suppression_entries : Add entries to the suppression list of a tenant.
    suppression_list_path : Path of the suppression list, with a description of its columns.

    Examples
    --------
    >>> split = pd.DataFrame({"customer_uid": ["c-7", "c-8", "c-9"], "arm": ["mail", "control", "mail"]})
    >>> entries = holdout_entries(split, ["vip"], until="2099-12-31")
    >>> entries.to_dict("records")
    [{'customer_uid': 'c-8', 'customer_group_uid': 'vip', 'until': '2099-12-31', 'source': 'holdout'}]
    >>> plan = plan_memberships(sample_snapshot(), {"vip": split["customer_uid"]}, suppression_list=entries)
    >>> plan.excluded()[["customer_uid", "reason"]].to_dict("records")
    [{'customer_uid': 'c-8', 'reason': 'holdout until 2099-12-31'}]
    """
    customers = _customers_of(split, arm)
    group_uids = list(dict.fromkeys(as_list(groups, "groups")))
    if not group_uids:
        raise InputError("`groups` is empty. Pass the uids of the groups that the customers must not join.")
    for uid in group_uids:
        codec.check_uid(uid, "customer group uid")
    entries = pd.MultiIndex.from_product([customers, group_uids], names=["customer_uid", "customer_group_uid"])
    return entries.to_frame(index=False).assign(until=_end_text(until), source=HOLDOUT).astype("str")


def _customers_of(split: pd.DataFrame, arm: str | None) -> pd.Series:
    """Return the customers in one arm of a split. If `arm` is None, the control arm is selected."""
    uids = check_uids(split, "customer_uid", "split")
    check_columns(split.columns, ["arm"], "split")
    repeated = uids[uids.duplicated()]
    if len(repeated):
        raise InputError(f"`split` contains the customer {repeated.iloc[0]!r} twice. Remove the repeated rows.")
    if arm is None:
        arm = planned_control(split)
    check_text(arm, "arm")
    arms = sorted(map(str, split["arm"].dropna().unique()))
    if not arms:
        raise InputError("No customer in `split` has an arm.")
    check_choice(arm, "arm", arms)
    return uids[(split["arm"] == arm).to_numpy(dtype="bool", na_value=False)]


def _end_text(until: date | datetime | str) -> str:
    """Return the end of a holdout as a date or as a time in ISO format."""
    try:
        end = parse_end(str(until).strip())
    except ValueError:
        raise InputError(
            f"`until` must be a date or a time in ISO format, got {safe_repr(until)}. Pass for example '2026-12-31'."
        ) from None
    if end.at <= datetime.now(UTC):
        raise InputError(
            f"`until` has passed ({end}), so the entries would not exclude any customer. Pass a later time."
        )
    return end.at.isoformat() if end.day is None else end.day.isoformat()
