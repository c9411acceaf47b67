"""How many customers each group has, and how many of them are in no other group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.codes import codes_of


def group_sizes(data: Any) -> pd.DataFrame:
    """
    The size of every group, groups with no member too, in uid order.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.

    Returns
    -------
    DataFrame
        One row per group: customer_group_uid, name (`str`); n_members, n_exclusive (`int64`, customers);
        share_exclusive (`float64`, 0 to 1, NaN where the group has no member). An exclusive member is in no
        other group of `data`: n_exclusive is what would be lost from sight if the group were deleted.

    >>> group_sizes(sample_snapshot())
      customer_group_uid         name  n_members  n_exclusive  share_exclusive
    0                all  All members        250          248            0.992
    1              staff        Staff          1            1            1.000
    2                vip          VIP          2            0            0.000
    """
    codes = codes_of(data)
    n_groups_of = np.bincount(codes.customer_code, minlength=codes.n_customers)
    alone = n_groups_of[codes.customer_code] == 1
    n_exclusive = np.bincount(codes.group_code[alone], minlength=codes.n_groups)
    with np.errstate(invalid="ignore"):
        share = n_exclusive / codes.sizes
    return pd.DataFrame(
        {
            "customer_group_uid": codes.group_uids.array,
            "name": codes.group_names.array,
            "n_members": codes.sizes,
            "n_exclusive": n_exclusive.astype(np.int64),
            "share_exclusive": share,
        }
    )
