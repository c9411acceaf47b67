"""Customers by rules over their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.errors import InputError
from frgroups.inputs import without_contacts
from frgroups.profile.attributes import joined
from frgroups.segments.rules import answer_of
from frgroups.snapshot import Snapshot

Mask = npt.NDArray[np.bool_]
Rule = str | pd.Series | Callable[[pd.DataFrame], pd.Series]


def segment(
    snapshot: Snapshot, rules: Mapping[str, Rule], *, attributes: pd.DataFrame | None = None
) -> dict[str, list[str]]:
    """
    The customers that should be in each group by a rule over what is known of them; feed it to a plan.

    Parameters
    ----------
    snapshot
        Whose `customers` the rules look at: customers in no group of the tenant cannot be chosen.
    rules
        {group: rule}. The groups are passed on as they are. A rule is one of

        - a text that compares columns: ``"credit_limit > 0 and country_code == 'NO'"``. It may hold the operators
          ``< <= == != >= >``, ``in``, ``not in``, ``and``, ``or``, ``not`` and those of arithmetic; the methods isna,
          notna, isin, between, fillna and abs; ``.str.`` startswith, endswith, contains, lower, upper, strip and
          len; ``.dt.`` year, quarter, month, day, dayofweek, hour and days. Nothing else of pandas or Python, so
          that rules may be kept in a file. Dates are compared in UTC and written without a zone:
          ``"created_at >= '2026-01-01'"``. A column whose name is no word stands in backticks.
        - a boolean Series, on the index of `snapshot.customers` or on customer uids
        - a callable that takes the customers and returns such a Series

        A missing result counts as False. Beware, as in pandas, ``country_code != 'NO'`` is true for a
        customer without a country; add ``and country_code.notna()``.
    attributes
        A table of your own with a row per customer, on an index or a column of customer uids, whose columns the
        rules may use as well; missing for whom it has no row. Customers that the snapshot has not seen are left out.

    Returns
    -------
    dict
        {group: list of customer uids, in uid order}.

    Raises
    ------
    InputError
        A rule that cannot be evaluated or is not boolean; the message names it and the columns there are. A table
        that has a customer twice, or a column that the customers have.

    >>> chosen = segment(sample_snapshot(), {"vip": "credit_limit > 0 and country_code == 'SE'"})
    >>> chosen["vip"]
    ['c-125', 'c-225', 'c-25']
    >>> visits = pd.DataFrame({"visits": [9, 4]}, index=["c-1", "c-7"])
    >>> segment(sample_snapshot(), {"regulars": "visits > 5"}, attributes=visits)
    {'regulars': ['c-1']}
    """
    if not isinstance(snapshot, Snapshot):
        raise InputError(f"segment looks at a Snapshot's customers, not at {type(snapshot).__name__}.")
    if not isinstance(rules, Mapping):
        raise InputError(f"rules is a mapping of group to rule, not {type(rules).__name__}.")
    customers = joined(snapshot, attributes)
    uids = customers["customer_uid"]
    return {group: sorted(uids[_chosen(customers, group, rule)]) for group, rule in rules.items()}


def _chosen(customers: pd.DataFrame, group: str, rule: Rule) -> Mask:
    try:
        if isinstance(rule, str):
            answer = answer_of(rule, customers)
        else:
            answer = rule(customers.copy()) if callable(rule) else rule
    except Exception as error:
        columns, why = ", ".join(map(str, customers.columns)), without_contacts(str(error))
        raise InputError(
            f"The rule of {group!r}, {_shown(rule)}, cannot be evaluated: {why}. The columns are {columns}.",
            group=group,
        ) from error
    if not isinstance(answer, pd.Series) or pd.api.types.infer_dtype(answer, skipna=True) not in (
        "boolean",
        "empty",
    ):
        kind = f"a column of {answer.dtype}" if isinstance(answer, pd.Series) else type(answer).__name__
        raise InputError(
            f"The rule of {group!r}, {_shown(rule)}, gives {kind}; it must give true or false for each customer.",
            group=group,
        )
    return _aligned(answer.astype("boolean").fillna(False), customers, group)


def _aligned(answer: pd.Series, customers: pd.DataFrame, group: str) -> Mask:
    """The answer in the order of the customers, whether it stands on their index or on their uids."""
    if answer.index.equals(customers.index):
        return answer.to_numpy(dtype=np.bool_)
    where = pd.Index(customers["customer_uid"]).get_indexer(answer.index)
    if (unknown := int((where < 0).sum())) or answer.index.has_duplicates:
        found = f"{unknown:,} labels that are no customer uid" if unknown else "a uid more than once"
        raise InputError(
            f"The rule of {group!r} has {len(answer):,} rows for {len(customers):,} customers, with {found}; "
            "it must stand on the index of snapshot.customers, or on customer uids.",
            group=group,
        )
    mask = np.zeros(len(customers), dtype=np.bool_)
    mask[where] = answer.to_numpy(dtype=np.bool_)
    return mask


def _shown(rule: Rule) -> str:
    if isinstance(rule, str):
        return repr(without_contacts(rule))
    return str(getattr(rule, "__name__", None) or type(rule).__name__)
