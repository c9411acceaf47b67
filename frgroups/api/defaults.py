"""Default settings of a client, importable without an HTTP library."""

from __future__ import annotations

from typing import Final

PAGE_SIZE: Final = 500
"""Customers or groups that a client requests per page."""

WORKERS: Final = 4
"""Concurrent requests of a client."""

REQUESTS_PER_SECOND: Final = 20.0
"""Rate limit of a client, unless the host is this machine."""
