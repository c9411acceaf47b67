"""Assign each customer to the first audience that selects the customer, with caps and exclusions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.requested_customers import Customers, RequestedCustomers, read_requested_customers
from frgroups.analysis.scores import Scores, read_scores
from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import IntArray
from frgroups.internals.validation import check_columns, check_number, check_text, check_type, wrong_type
from frgroups.snapshot.snapshot import Snapshot

_ATTRIBUTE = "waterfall"
_MAX_LISTED = 8
_COUNTS = ("n_requested", "n_excluded", "n_earlier", "n_over_cap", "n_remaining")


def waterfall(
    snapshot: Snapshot,
    audiences: Mapping[str, Customers],
    *,
    caps: Mapping[str, int] | None = None,
    order_by: str | pd.Series | None = None,
    exclude: Customers | None = None,
    allow_similar_ids: bool = False,
) -> pd.DataFrame:
    """
    Assign each customer to the first audience that selects the customer.

    The result can be passed to `plan_memberships`. `waterfall_summary` counts the customers of each audience.

    Parameters
    ----------
    snapshot
        The snapshot that contains the groups and the customers.
    audiences
        A dictionary that maps the name of each audience to its customers. The audience with the highest priority is
        first. The customers can be a group expression (see `members`), a list of customer uids, or a boolean Series
        with one value per customer. The result of `segment` can be passed unchanged.
    caps
        A dictionary that maps audiences to their maximum numbers of customers. An audience without an entry has no
        maximum. A customer over the cap of an audience can be assigned to a later audience.
    order_by
        The scores that determine which customers remain if a cap is exceeded. Pass the name of a column of
        `snapshot.customers`, or a Series. The index of the Series must be the complete index of `snapshot.customers`,
        or contain customer uids. The customers with the largest numbers or the latest dates remain. Customers without
        a score are last, and equal scores are sorted by uid. Scores of customers who are in no audience are ignored.
        None sorts the customers by uid.
    exclude
        Customers who must not be assigned to any audience, in the same forms as an audience.
    allow_similar_ids
        Whether listed uids that are not in the snapshot may be similar to the ids of known customers, as in
        `plan_memberships`. If False, such uids raise an error.

    Returns
    -------
    DataFrame
        One row per assigned customer. The audiences are in the order of `audiences`, and the customers of an audience
        are sorted by uid.

        - audience (`str`)
        - customer_uid (`str`)

        The attribute `attrs` contains the counts for `waterfall_summary`.

    Raises
    ------
    InputError
        If an argument is invalid, for example a cap for an unknown audience, a score that is neither a number nor a
        date, a list that contains a group instead of customer uids, an invalid uid, or a uid that is similar to the
        id of a known customer. If the customers of an audience are invalid, the attribute `audience` of the error
        contains the name of the audience.
    GroupNotFoundError
        If an expression contains an unknown group, or a group name that is not unique.

    See Also
    --------
    waterfall_summary : Count the requested and the remaining customers of each audience.
    segment : Select the customers of audiences by rules.

    Notes
    -----
    The steps are the same for each audience. From the requested customers, the excluded customers are removed first,
    then the customers of earlier audiences, and then the customers over the cap. The result does not depend on the
    order of rows in the snapshot, in lists, or in scores.

    A list can contain customers who are not in the snapshot because they do not belong to any group. Such customers
    have no value in a customer column, but a Series can contain their scores.

    `plan_memberships` accepts the result as `desired`. The names of the audiences must then be uids or unique names
    of existing groups, or of new groups in `create`. An audience to which no customer is assigned is planned as an
    empty list, so that the mode "mirror" removes all members of the group. This requires the unchanged result: if you
    remove rows, an audience without rows is not planned.

    Examples
    --------
    >>> snapshot = sample_snapshot()
    >>> audiences = {"Gold": "VIP", "Silver": "all - staff", "Rest": ["c-1", "c-251"]}
    >>> customers = waterfall(snapshot, audiences, caps={"Silver": 2}, order_by="credit_limit", exclude=["c-2"])
    >>> customers
      audience customer_uid
    0     Gold          c-1
    1   Silver        c-100
    2   Silver        c-125
    3     Rest        c-251
    >>> waterfall_summary(customers)
      audience   cap  n_requested  n_excluded  n_earlier  n_over_cap  n_remaining
    0     Gold  <NA>            2           1          0           0            1
    1   Silver     2          250           1          1         246            2
    2     Rest  <NA>            2           0          1           0            1
    """
    check_type(snapshot, Snapshot, "snapshot")
    caps = _checked_caps(_checked_audiences(audiences), caps)
    requested = read_requested_customers(snapshot, audiences, exclude, allow_similar_ids=allow_similar_ids)
    scores = None if order_by is None else read_scores(snapshot, requested.uids, order_by)
    steps = list(_assign(requested, caps, scores))
    numbers = np.repeat(np.arange(len(steps)), [step.n_remaining for step in steps])
    codes = np.concatenate([np.empty(0, dtype=np.int64), *(step.codes for step in steps)])
    table = pd.DataFrame(
        {
            "audience": pd.Index(list(audiences), dtype="str").take(numbers).array,
            "customer_uid": requested.uids.take(codes).array,
        }
    )
    table.attrs[_ATTRIBUTE] = [[step.name, step.cap, *(getattr(step, name) for name in _COUNTS)] for step in steps]
    return table


def reject_arguments(*values: object) -> None:
    """Raise InputError if one of the arguments that require a Snapshot is not None."""
    if any(value is not None for value in values):
        raise InputError("Arguments other than `data` are only accepted if `data` is a Snapshot.")


def waterfall_summary(
    data: Snapshot | pd.DataFrame,
    audiences: Mapping[str, Customers] | None = None,
    *,
    caps: Mapping[str, int] | None = None,
    order_by: str | pd.Series | None = None,
    exclude: Customers | None = None,
    allow_similar_ids: bool = False,
) -> pd.DataFrame:
    """
    Count the requested, removed, and remaining customers of each audience of a waterfall.

    Parameters
    ----------
    data
        The unchanged result of `waterfall`, or a Snapshot together with the arguments of `waterfall`.
    audiences, caps, order_by, exclude, allow_similar_ids
        The arguments of `waterfall`. They are accepted only if `data` is a Snapshot.

    Returns
    -------
    DataFrame
        One row per audience, in the order of the audiences. n_requested is the sum of the four columns that follow
        it.

        - audience (`str`)
        - cap (`Int64`): the maximum number of customers. Missing if the audience has no cap.
        - n_requested (`int64`): the number of customers that the audience selects
        - n_excluded (`int64`): the number of requested customers who are excluded from all audiences
        - n_earlier (`int64`): the number of other requested customers who are assigned to an earlier audience
        - n_over_cap (`int64`): the number of other requested customers who exceed the cap
        - n_remaining (`int64`): the number of customers who are assigned to the audience

    Raises
    ------
    InputError
        If `data` is a table that is not the unchanged result of `waterfall`, or an argument is invalid, as in
        `waterfall`.
    GroupNotFoundError
        If an expression contains an unknown group, or a group name that is not unique.

    See Also
    --------
    waterfall : Return the customers of each audience.

    Examples
    --------
    >>> waterfall_summary(sample_snapshot(), {"Gold": "VIP", "Silver": "all"}, caps={"Silver": 100})
      audience   cap  n_requested  n_excluded  n_earlier  n_over_cap  n_remaining
    0     Gold  <NA>            2           0          0           0            2
    1   Silver   100          250           0          2         148          100
    """
    if isinstance(data, Snapshot):
        if audiences is None:
            raise InputError("`audiences` is missing. It is required if `data` is a Snapshot.")
        data = waterfall(
            data, audiences, caps=caps, order_by=order_by, exclude=exclude, allow_similar_ids=allow_similar_ids
        )
    elif not isinstance(data, pd.DataFrame):
        raise wrong_type(data, "data", "a result of waterfall or a Snapshot")
    else:
        reject_arguments(audiences, caps, order_by, exclude, allow_similar_ids or None)
    check_columns(data.columns, ["audience", "customer_uid"], "data")
    rows = stored_counts(data)
    if rows is None:
        raise InputError(
            "`data` must be the unchanged result of waterfall, but its counts are missing or do not match its rows.",
            hint="Pass the Snapshot and the arguments of fg.waterfall.",
        )
    table = pd.DataFrame(rows, columns=["audience", "cap", *_COUNTS])
    return table.astype({"audience": "str", "cap": "Int64", **dict.fromkeys(_COUNTS, "int64")})


def stored_counts(table: pd.DataFrame) -> list[list[Any]] | None:
    """
    Return the counts in the `attrs` of a result of `waterfall`, or None if the counts do not match the rows.

    pandas copies `attrs` to filtered tables, so the counts of a filtered table do not match its rows.
    """
    rows: list[list[Any]] | None = table.attrs.get(_ATTRIBUTE)
    if rows is None:
        return None
    n_customers = table["audience"].value_counts()
    if n_customers.to_dict() != {row[0]: row[-1] for row in rows if row[-1]}:
        return None
    return rows


def empty_audiences(table: pd.DataFrame) -> list[str]:
    """
    Return the audiences of a result of `waterfall` to which no customer is assigned.

    The list is empty if the table was changed after the call of `waterfall`.

    Examples
    --------
    >>> empty_audiences(waterfall(sample_snapshot(), {"Gold": "VIP", "Silver": ["c-1"]}))
    ['Silver']
    """
    return [row[0] for row in stored_counts(table) or [] if not row[-1]]


@dataclass(frozen=True, eq=False)
class _Step:
    """
    The result of one audience.

    Attributes
    ----------
    name, cap
        The name of the audience, and its maximum number of customers, or None if there is no maximum.
    codes
        The sorted positions of the assigned customers in `RequestedCustomers.uids`.
    n_requested, n_excluded, n_earlier, n_over_cap
        The numbers of customers, as in `waterfall_summary`.
    """

    name: str
    cap: int | None
    codes: IntArray
    n_requested: int
    n_excluded: int
    n_earlier: int
    n_over_cap: int

    @property
    def n_remaining(self) -> int:
        """The number of customers who are assigned to the audience."""
        return len(self.codes)


def _assign(requested: RequestedCustomers, caps: Mapping[str, int], scores: Scores | None) -> Iterator[_Step]:
    """Yield the result of each audience. Excluded or assigned customers are not available for later audiences."""
    is_free = ~requested.excluded
    for name, mask in requested.audiences.items():
        n_requested = int(np.count_nonzero(mask))
        n_excluded = int(np.count_nonzero(mask & requested.excluded))
        free = np.flatnonzero(mask & is_free)
        codes = _keep_best(free, caps.get(name), scores)
        is_free[codes] = False
        n_earlier = n_requested - n_excluded - len(free)
        yield _Step(name, caps.get(name), codes, n_requested, n_excluded, n_earlier, len(free) - len(codes))


def _keep_best(codes: IntArray, cap: int | None, scores: Scores | None) -> IntArray:
    """Return the `cap` customers with the largest scores, or the first `cap` customers if there are no scores."""
    if cap is None or len(codes) <= cap:
        return codes
    if scores is None or cap == 0:
        return codes[:cap]
    return scores.best(codes, cap)


def _checked_audiences(audiences: object) -> list[str]:
    """Return the names of the audiences. Raise InputError if the argument is not a mapping of names."""
    if not isinstance(audiences, Mapping):
        raise wrong_type(audiences, "audiences", "a mapping of audiences to customers")
    for name in audiences:
        check_text(name, "name of an audience")
        if not name.strip():
            raise InputError("The name of an audience must not be empty.")
    return list(audiences)


def _checked_caps(names: Iterable[str], caps: object) -> dict[str, int]:
    """Return the cap of each audience. Raise InputError if a cap is invalid or belongs to no audience."""
    if caps is None:
        return {}
    if not isinstance(caps, Mapping):
        raise wrong_type(caps, "caps", "a mapping of audiences to numbers of customers")
    known = list(names)
    for name, cap in caps.items():
        if name not in known:
            listed = format_list([safe_repr(audience) for audience in known], _MAX_LISTED) or "none"
            raise InputError(f"`caps` contains {safe_repr(name)}, which is not an audience. Audiences: {listed}.")
        check_number(cap, f"caps[{name!r}]", at_least=0, whole=True)
    return {name: int(cap) for name, cap in caps.items()}
