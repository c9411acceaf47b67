"""
Modes of a plan.

This module does not import pandas, because the command-line help lists the modes and must start quickly.
"""

from __future__ import annotations

from typing import Literal

Mode = Literal["add", "keep_only", "mirror"]
MODES: tuple[Mode, ...] = ("add", "keep_only", "mirror")
# Some modes were renamed. The error for an earlier name of a mode contains the current name.
RENAMED_MODES = {"add_only": "add", "remove_only": "keep_only"}
