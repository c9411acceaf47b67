"""Exit codes of the command, and the exit code of each error."""

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
    1: "error; the message says what to do",
    2: "changes are planned (plan --exit-code only)",
    3: "blocked by a limit, or taken back before; this run sent nothing",
    4: "a group would not hold still (load), or is no longer what was read (apply); this run sent nothing",
    5: "partly done, items rejected, or no receipt could be kept",
    6: "reading back disagrees with what was sent",
    7: "locked by another apply; this run sent nothing",
    8: "not approved; this run sent nothing",
    9: "not every tenant is fresh and consistent (status only)",
    64: "wrong usage",
}
# From the best to the worst: success; nothing was sent; changes were sent, but not all succeeded; unknown.
_FROM_BEST_TO_WORST = (0, 2, 9, 8, 3, 7, 4, 5, 6, 1, 64)
_CODE_BY_ERROR: dict[type[FrgroupsError], int] = {
    PlanBlockedError: 3,
    DriftError: 4,
    DriftedReadError: 4,
    LockedError: 7,
    NotApprovedError: 8,
    UsageError: 64,
}


def code_of(error: BaseException) -> int:
    """
    Return the exit code of an error.

    >>> code_of(LockedError("Another apply is running."))
    7
    """
    return next((code for kind, code in _CODE_BY_ERROR.items() if isinstance(error, kind)), 1)


def worst(codes: Iterable[int]) -> int:
    """
    Return the worst of several exit codes. An unknown code counts as 1.

    >>> worst([0, 4, 1, 0]), worst([0, 4]), worst([])
    (1, 4, 0)
    """
    ranks = {code: rank for rank, code in enumerate(_FROM_BEST_TO_WORST)}
    worst_rank = max((ranks.get(code, ranks[1]) for code in codes), default=0)
    return _FROM_BEST_TO_WORST[worst_rank]
