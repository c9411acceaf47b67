"""Minimum size of a synthetic tenant. Importing this module does not require the extra `sandbox`."""

from __future__ import annotations

MIN_CUSTOMERS = 50
MIN_GROUPS = 8
