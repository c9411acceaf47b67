"""Describe the changes and the new groups of a plan that a reviewer rejected as part of another plan."""

from __future__ import annotations

from frgroups.plan.plan import Plan
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.recorded_changes import count_changes


def rejected_changes(plan: Plan, reader: DecisionReader | None = None) -> list[str]:
    """
    Describe the changes of a plan that are also in a rejected plan, and new groups with a similar name.

    Rejections that block the plan are not described, because the commands report them as errors. A rejection blocks a
    plan that contains all changes of the rejected plan. To check several plans, pass the same `reader`.

    Returns
    -------
    list of str
        One sentence per rejected plan that shares changes, with the reviewer, the number of changes, the time, and
        the reason. They are followed by the sentences about new groups whose names are similar, as in
        `comparison_keys`, to the name of a new group in a rejected plan.
    """
    record = (reader or DecisionReader()).record(plan)
    n_own = count_changes(plan)
    shared = [rejection.shared_sentence(_share_text(n, n_own)) for rejection, n in record.shared_rejections(plan)]
    return [*shared, *(rejection.creation_sentence(*names) for rejection, *names in record.similar_creations(plan))]


def _share_text(n: int, total: int) -> str:
    """
    Return a phrase that names `n` of the `total` changes of a plan.

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
