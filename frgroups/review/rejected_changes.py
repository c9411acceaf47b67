"""Describe the changes and the new groups of a plan that a reviewer rejected as part of another plan."""

from __future__ import annotations

from frgroups.plan.plan import Plan
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.recorded_changes import count_changes


def rejected_changes(plan: Plan, reader: DecisionReader | None = None) -> list[str]:
    """
    Describe the changes that a plan shares with rejected plans, and new groups with similar names.

    A rejection blocks a plan that contains all changes of the rejected plan. Such rejections are not described here,
    because the commands report them as errors. If you check several plans, pass the same `reader`, so that each
    record is read only once.

    Returns
    -------
    list of str
        One sentence per rejected plan that shares changes, with the reviewer, the number of shared changes, the time,
        and the reason. The next sentences describe new groups whose names are similar to the name of a new group in a
        rejected plan. Names are similar if they share a key from `comparison_keys`.
    """
    record = (reader or DecisionReader()).record(plan)
    n_own = count_changes(plan)
    shared = [rejection.shared_sentence(_share_text(n, n_own)) for rejection, n in record.shared_rejections(plan)]
    return [*shared, *(rejection.creation_sentence(*names) for rejection, *names in record.similar_creations(plan))]


def _share_text(n: int, total: int) -> str:
    """
    Return a phrase for `n` of the `total` changes of a plan, for example "2 of the 5 changes".

    Examples
    --------
    >>> _share_text(1, 1), _share_text(2, 2), _share_text(1, 2)
    ('the only change', 'all 2 changes', '1 of the 2 changes')
    """
    if total == 1:
        return "the only change"
    if n == total:
        return f"all {total:,} changes"
    return f"{n:,} of the {total:,} changes"
