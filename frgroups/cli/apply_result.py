"""How an apply ended, as an exit code and as a line for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frgroups.apply.receipt import Receipt
from frgroups.cli.types import readable

NOT_SAVED = "not kept. When there is room for it, apply the same plan again: that keeps one, for undo to take back."


def load_exit_code(receipt: Receipt) -> int:
    """0 where all of it is so and the receipt is kept, 6 where reading back disagrees, else 5."""
    if receipt.ok and receipt.path:
        return 0
    return 6 if receipt.counts["not_effective"] else 5


def result_line(path: Path, receipt: Receipt) -> dict[str, Any]:
    """A receipt as one line for scripts."""
    return {
        "plan": path.name,
        "outcome": "done" if receipt.complete else "to be gone on with",
        "exit_code": load_exit_code(receipt),
        "counts": {state: n for state, n in receipt.counts.items() if n},
        "receipt": str(receipt.path) if receipt.path else None,
        "message": " ".join(readable(receipt.summary()).split()),
    }


def unsent_line(path: Path, outcome: str, code: int, message: str) -> dict[str, Any]:
    """The same of a plan of which nothing was sent now."""
    line = {"plan": path.name, "outcome": outcome, "exit_code": code, "counts": {}, "receipt": None}
    return line | {"message": readable(message)}
