"""Minimum sizes of a made-up tenant. The command line reads them without the packages of the extra `sandbox`."""

from __future__ import annotations

MIN_CUSTOMERS = 50
MIN_GROUPS = 8
