"""Exit codes of the command line and the exceptions that cause them."""

from __future__ import annotations

from collections.abc import Iterable

from frgroups.errors import (
    DriftedReadError,
    DriftError,
    FrgroupsError,
    LockedError,
    NotApprovedError,
    PlanBlockedError,
    UsageError,
)

EXIT_CODES = {
    0: "done, or nothing to do",
    1: "error; see the message",
    2: "changes are planned (plan --exit-code only)",
    3: "blocked by a limit, a freeze, or an apply window, or already undone; this run sent nothing",
    4: "a group changed during the load, or since the snapshot or the plan was made; this run sent nothing",
    5: "partly done: the run stopped, some changes were rejected, or the receipt could not be written",
    6: "verification failed: the groups do not match the changes that were sent",
    7: "locked by another apply, erasure, or load; this run sent nothing",
    8: "not approved; this run sent nothing",
    9: "a tenant is stale or not consistent (status), or a plan is pending too long (plans)",
    64: "invalid command line",
}
# The exit codes are in the order of increasing severity: success, nothing sent, some changes failed, result unknown.
_FROM_BEST_TO_WORST = (0, 2, 9, 8, 3, 7, 4, 5, 6, 1, 64)
_CODES: dict[type[FrgroupsError], int] = {
    PlanBlockedError: 3,
    DriftError: 4,
    DriftedReadError: 4,
    LockedError: 7,
    NotApprovedError: 8,
    UsageError: 64,
}


def code_of(error: BaseException) -> int:
    """
    Return the exit code for an exception.

    Examples
    --------
    >>> code_of(LockedError("Another apply is running."))
    7
    """
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)


def worst(codes: Iterable[int]) -> int:
    """
    Return the most severe of several exit codes, or 0 if no code is given. An unknown code is treated as 1.

    Examples
    --------
    >>> worst([0, 4, 1, 0]), worst([0, 4]), worst([])
    (1, 4, 0)
    """
    ranks = {code: rank for rank, code in enumerate(_FROM_BEST_TO_WORST)}
    worst_rank = max((ranks.get(code, ranks[1]) for code in codes), default=0)
    return _FROM_BEST_TO_WORST[worst_rank]
