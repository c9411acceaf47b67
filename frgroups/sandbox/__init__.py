"""A local tenant that speaks the documented API over HTTP on loopback, for demos, notebooks and tests."""

from __future__ import annotations

from frgroups.sandbox.faults import Behaviour, Fault
from frgroups.sandbox.local import Sandbox

__all__ = ["Behaviour", "Fault", "Sandbox"]
