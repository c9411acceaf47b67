"""Minimum size of a synthetic tenant. This module does not import the packages of the extra `sandbox`."""

from __future__ import annotations

MIN_CUSTOMERS = 50
MIN_GROUPS = 8
