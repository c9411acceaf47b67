"""Twenty operations drawn at random, for a reviewer who cannot look up every customer."""

from __future__ import annotations

import random

import pandas as pd

from frgroups.plan.plan import Plan

N_CHECKS = 20
_KEY = ["customer_group_uid", "customer_uid", "change"]


def spot_checks(plan: Plan, operations: pd.DataFrame) -> pd.DataFrame:
    """
    Those of the operations to look up, in their order; the digest draws them, so that every copy shows the same.

    None where there are no more than 20 operations: all of them can be read.
    """
    if len(operations) <= N_CHECKS:
        return operations.head(0)
    planned = plan.table()[_KEY]
    # The order in which a plan is sent follows from its meaning, as the digest does.
    drawn = planned.iloc[random.Random(plan.digest).sample(range(len(planned)), N_CHECKS)]  # noqa: S311
    chosen = pd.MultiIndex.from_frame(operations[_KEY]).isin(pd.MultiIndex.from_frame(drawn))
    return operations[chosen].reset_index(drop=True)


def advice(n: int) -> str:
    """What to do with them, and what they tell."""
    return (
        f"Drawn at random from all {n:,} by the digest: every copy of this plan shows the same. Look each of them up "
        "in the till or the back office. If none is wrong, fewer than 14% of all are, with 95% confidence."
    )
