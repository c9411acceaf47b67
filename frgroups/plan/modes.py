"""Modes of a plan. This module does not import pandas, so that the command line can offer the modes quickly."""

from __future__ import annotations

from typing import Literal

Mode = Literal["add", "keep_only", "mirror"]
MODES: tuple[Mode, ...] = ("add", "keep_only", "mirror")
# Earlier names, for the error that names the current one.
RENAMED_MODES = {"add_only": "add", "remove_only": "keep_only"}
