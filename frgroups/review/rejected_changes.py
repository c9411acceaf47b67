"""Find the changes of a plan that a reviewer rejected as part of another plan."""

from __future__ import annotations

from contextlib import suppress

from frgroups.errors import FrgroupsError
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.decision_record import changes_key, read_record
from frgroups.review.plan_queue import plan_files
from frgroups.review.saved_plans import saved_plan_files


def rejected_changes(plan: Plan) -> list[str]:
    """
    Describe the changes of a plan that are also in a rejected plan with other changes.

    A rejection blocks only plans that make exactly the same changes. The record of the decisions contains no
    customers, so the changes are compared only with rejected plans whose files still exist.

    Returns
    -------
    list of str
        One sentence per rejected plan, with the reviewer, the number of changes, and the reason.
    """
    record, own_key = read_record(plan), changes_key(plan)
    keys = {entry["changes"] for entry in record.entries if entry["event"] == "rejected"} - {own_key}
    keys = {key for key in keys if record.rejections(key)}
    if not keys:
        return []
    own = _changes(plan)
    sentences = []
    for path in (*plan_files(plan.tenant_uid, plan.base_url), *saved_plan_files(plan.tenant_uid, plan.base_url)):
        with suppress(FrgroupsError):  # The commands that use the other plan report the error.
            other = read_plan(path)
            key = changes_key(other)
            n = len(own & _changes(other)) if key in keys else 0
            if n:
                keys.remove(key)
                rejection = record.rejections(key)[-1]
                reason = f": {rejection.reason}" if rejection.reason else " without a reason"
                sentences.append(
                    f"{rejection.by} rejected {_share_text(n, len(own))} of this plan as part of plan "
                    f"{other.digest[:12]}{reason}."
                )
    return sentences


def _share_text(n: int, total: int) -> str:
    """
    Return a text for `n` of the `total` changes of a plan.

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


def _changes(plan: Plan) -> set[tuple[str, str, str]]:
    return {(group.uid, uid, change) for group in plan.groups for uid, change in group.items()}
