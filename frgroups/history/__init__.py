"""What kept snapshots tell over time: how large groups were, and when a customer joined and left them."""

from __future__ import annotations

from frgroups.history.customer import customer_history
from frgroups.history.sizes import size_history

__all__ = ["customer_history", "size_history"]
