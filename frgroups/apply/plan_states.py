"""States of the plans in the data folder. This module imports no other module, so that `--help` stays fast."""

from __future__ import annotations

from typing import Literal, get_args

State = Literal[
    "pending",
    "applied before",
    "approved",
    "rejected",
    "superseded",
    "blocked",
    "interrupted",
    "applied",
    "undone",
    "plan expired",
    "approval expired",
    "empty",
]
STATES: tuple[State, ...] = get_args(State)
# A plan in one of these states can still be applied, so it can conflict with another plan.
WAITING: tuple[State, ...] = ("pending", "applied before", "approved", "approval expired")
# Plans in these states have sent no changes. If a blocked plan was started, its run stopped before the first write.
WITHOUT_SENT_CHANGES: tuple[State, ...] = (*WAITING, "blocked")
