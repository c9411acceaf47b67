"""Which combinations of groups customers are in, and who they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd

from frgroups.codes import codes_of
from frgroups.errors import InputError
from frgroups.inputs import several
from frgroups.overlap.region_counts import RegionCounts

Mode = Literal["exclusive", "inclusive"]
OTHER = ("(other)",)


def intersections(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode = "exclusive",
    top: int | None = None,
) -> pd.DataFrame:
    """
    How many customers are in each combination of the chosen groups: the table behind an UpSet plot.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    groups
        The groups to combine, by uid or unique name; None takes all. The others do not exist here.
    mode
        "exclusive": customers in exactly these of the chosen groups. Every customer counts once, so the rows
        add up to the customers in any chosen group.
        "inclusive": customers in all of these groups, whatever else they are in. One customer counts in
        many rows; the rows do not add up.
    top
        Only the rows with the most customers; what is cut goes to one last row.

    Returns
    -------
    DataFrame
        Only combinations that somebody is in, the largest first (then the fewest groups, then uid order).
        groups (tuple of uids, in uid order); degree (`int64`, how many groups); n (`int64`, customers);
        share (`float64`, n of the customers in any chosen group); mode (`str`, the same in all rows). Where
        `top` cut something, a last row ("(other)",) of degree 0 holds the customers who are in none of the
        rows above.

    Raises
    ------
    InputError
        An unknown mode or group, a negative `top`, or more than 100,000 inclusive combinations without `top`.

    >>> intersections(sample_snapshot())
           groups  degree    n     share       mode
    0      (all,)       1  248  0.988048  exclusive
    1  (all, vip)       2    2  0.007968  exclusive
    2    (staff,)       1    1  0.003984  exclusive
    >>> intersections(sample_snapshot(), mode="inclusive", top=2)
           groups  degree    n     share       mode
    0      (all,)       1  250  0.996016  inclusive
    1      (vip,)       1    2  0.007968  inclusive
    2  ((other),)       0    1  0.003984  inclusive
    """
    if mode not in ("exclusive", "inclusive"):
        raise InputError(f"mode={mode!r} is neither 'exclusive' nor 'inclusive'.")
    if top is not None and top < 0:
        raise InputError(f"top={top} is negative; leave it out for all rows.")
    codes = codes_of(data).select(groups)
    regions = RegionCounts.of(codes)
    found = regions.exclusive(top) if mode == "exclusive" else regions.inclusive(top)
    uids = codes.group_uids.tolist()
    named = [tuple([uids[group] for group in groups]) for groups in found.groups]
    n = np.append(found.n, np.full(int(found.cut), regions.n_customers - found.n_customers))
    return pd.DataFrame(
        {
            "groups": pd.Series([*named, *[OTHER] * found.cut], dtype=object),
            "degree": np.array([*map(len, found.groups), *[0] * found.cut], dtype=np.int64),
            "n": n,
            "share": n / max(regions.n_customers, 1),
            "mode": pd.Series(mode, index=range(len(n)), dtype="str"),
        }
    )


def region_members(data: Any, *, include: Iterable[str], exclude: Iterable[str] = ()) -> pd.Index:
    """
    The uids of the customers that are in every group of `include` and none of `exclude`, in uid order.

    Groups go by uid or unique name. Without any group in `include`, all customers of `data` are looked at.

    >>> list(region_members(sample_snapshot(), include=["VIP", "all"]))
    ['c-1', 'c-2']
    >>> len(region_members(sample_snapshot(), include=["all"], exclude=["vip"]))
    248
    """
    include, exclude = several(include, "include"), several(exclude, "exclude")
    codes = codes_of(data)
    inside = np.ones(codes.n_customers, dtype=np.bool_)
    for group in include:
        mask = np.zeros_like(inside)
        mask[codes.member_codes(group)] = True
        inside &= mask
    for group in exclude:
        inside[codes.member_codes(group)] = False
    return codes.customer_uids[inside].rename("customer_uid")
