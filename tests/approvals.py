"""Approve plan files in tests."""

from pathlib import Path

import frgroups as fg


def approved(path):
    """Approve the plan in a file, and return the path of the plan file for the command line."""
    path = Path(path)
    fg.approve_plan(fg.read_plan(path), path.with_suffix(".approval.json"), by="Kari")
    return str(path)
