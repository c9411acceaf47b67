"""What a client found out about its tenant by reading: where, as what, and how it pages."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.api.environments import environment_label
from frgroups.internals.html import Card


@dataclass(frozen=True, slots=True)
class Check:
    """What a client found out about its tenant by reading; `clock_skew_seconds` is service minus here."""

    base_url: str
    tenant_uid: str
    writable: bool
    n_groups: int
    page_base: int
    asked_page_size: int
    granted_page_size: int
    group_uids_filled: bool | None
    clock_skew_seconds: float | None

    @property
    def facts(self) -> dict[str, str]:
        """The facts as words."""
        filled = {True: "filled", False: "not filled: covers cannot be used", None: "no member to look at"}
        writes = "yes, if the token has the CUSTOMER permission: only a write can tell"
        return {
            "Connected": f"yes, to {self.base_url}",
            "Tenant": self.tenant_uid,
            "Token": "accepted",
            "May write": writes if self.writable else "not this client: it was made to read",
            "Groups": f"{self.n_groups:,}",
            "First page": f"number {self.page_base}",
            "Page size": f"{self.granted_page_size} granted of {self.asked_page_size} asked",
            "customerGroupUids": filled[self.group_uids_filled],
            "Clock": _clock(self.clock_skew_seconds),
        }

    def __repr__(self) -> str:
        return Card("Check", self.facts, mark=environment_label(self.base_url)).text()

    def _repr_html_(self) -> str:
        return Card("Check", self.facts, mark=environment_label(self.base_url)).html()


def _clock(skew: float | None) -> str:
    if skew is None:
        return "not stated by the service"
    # The service states whole seconds.
    return "in step with this machine" if abs(skew) < 2 else f"{skew:+,.0f} s against this machine"
