"""Convert the result of applying a plan to an exit code and to a JSON line for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frgroups.apply.receipt import Receipt
from frgroups.cli.output import make_visible


def receipt_exit_code(receipt: Receipt) -> int:
    """
    Return the exit code for the result of applying a plan.

    The exit code is 0 if all changes are verified and the receipt is stored. It is 1 if the run stopped before its
    first request, 6 if a change had no effect, and 5 for all other incomplete results.
    """
    if receipt.ok and receipt.path:
        return 0
    if receipt.nothing_sent:
        return 1
    return 6 if receipt.counts["not_effective"] else 5


def result_line(path: Path, receipt: Receipt) -> dict[str, Any]:
    """
    Return the result of an applied plan as a dictionary for a JSON line.

    The outcome is "done" exactly if the exit code is 0. The outcome is "partly done" if some changes were rejected or
    the receipt was not written, but the plan does not need to be applied again. In all other cases, the outcome is
    "incomplete".
    """
    code = receipt_exit_code(receipt)
    outcome = "incomplete"
    if code == 0:
        outcome = "done"
    elif receipt.complete:
        outcome = "partly done"
    return {
        "plan": path.name,
        "path": str(path),
        "digest": receipt.plan.digest,
        "outcome": outcome,
        "exit_code": code,
        "counts": {state: n for state, n in receipt.counts.items() if n},
        "receipt": str(receipt.path) if receipt.path else None,
        "message": " ".join(make_visible(receipt.summary()).split()),
    }


def unsent_line(path: Path, outcome: str, code: int, message: str, digest: str = "") -> dict[str, Any]:
    """
    Return the result for a plan whose changes were not sent, as a dictionary for a JSON line.

    The digest is "" if the plan file could not be read.
    """
    return {
        "plan": path.name,
        "path": str(path),
        "digest": digest,
        "outcome": outcome,
        "exit_code": code,
        "counts": {},
        "receipt": None,
        "message": make_visible(message),
    }
