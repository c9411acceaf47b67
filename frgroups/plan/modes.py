"""
Modes of a plan.

This module does not import pandas, because the command-line help lists the modes and must start quickly.
"""

from __future__ import annotations

from typing import Literal

Mode = Literal["add", "remove", "keep_only", "mirror"]
MODES: tuple[Mode, ...] = ("add", "remove", "keep_only", "mirror")
ADDING_MODES: tuple[Mode, ...] = ("add", "mirror")
# Sentences for the reviewer.
MODE_TEXTS: dict[Mode, str] = {
    "add": "Customers in the list join the group. Members who are not in the list stay (mode add).",
    "remove": "Customers in the list leave the group. All other members stay (mode remove).",
    "keep_only": "Members who are not in the list leave the group. No customers join (mode keep_only).",
    "mirror": "Customers in the list join the group, and members who are not in the list leave (mode mirror).",
}
# The error for the earlier name of a renamed mode contains the current name.
RENAMED_MODES = {"add_only": "add", "remove_only": "keep_only"}
