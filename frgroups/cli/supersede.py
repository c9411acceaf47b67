"""Replace a plan in the queue by a newer plan."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from frgroups.apply.plan_list import plan_entry
from frgroups.cli.plan_files import find_plan
from frgroups.errors import InputError
from frgroups.internals.base_urls import is_same_base_url
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.decision_record import add_superseded
from frgroups.review.plan_queue import move_plan

# States of plans that can be superseded. Plans in other states are approved, sent, or already superseded.
_REPLACEABLE = ("pending", "applied before", "rejected", "blocked", "plan expired", "approval expired")


def check_may_be_superseded(argument: Path, new_plan: Plan) -> Path:
    """Return the path of an older plan, or raise InputError if the new plan must not supersede it."""
    path = find_plan(argument)
    older = read_plan(path)
    if older.tenant_uid != new_plan.tenant_uid or not is_same_base_url(older.base_url, new_plan.base_url):
        raise InputError(
            f"{path} is a plan for tenant {older.tenant_uid} at {older.base_url}, so the new plan cannot supersede "
            "it."
        )
    state = plan_entry(older, path=path).state
    if state not in _REPLACEABLE:
        raise InputError(
            f"Plan {older.digest[:12]} is {state}, so it cannot be superseded. Reject an approved plan with frgroups "
            "approve PLAN --by NAME --reject REASON, and undo an applied plan with frgroups undo."
        )
    return path


def supersede_plan(path: Path, new_plan: Plan) -> None:
    """Record that a new plan supersedes an older plan, and move the older plan to the folder `stopped`."""
    add_superseded(read_plan(path), new_plan, at=datetime.now(UTC).isoformat())
    move_plan(path, "stopped")
