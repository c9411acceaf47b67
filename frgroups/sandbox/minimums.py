"""Minimum size of a synthetic tenant. This module works without the packages of the extra `sandbox`."""

from __future__ import annotations

MIN_CUSTOMERS = 50
MIN_GROUPS = 8
