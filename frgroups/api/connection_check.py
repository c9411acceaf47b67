"""Result of a connection check."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.api.environments import environment_label
from frgroups.internals.html import Card


@dataclass(frozen=True, slots=True)
class Check:
    """
    Result of `Client.check`.

    `clock_skew_seconds` is the time of the server minus the time of this machine, or None without a Date header.
    """

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
        """The result as text, by label."""
        filled = {True: "filled", False: "not filled: covers cannot be used", None: "no member to look at"}
        may_write = "not this client: it was made to read"
        if self.writable:
            may_write = "yes, if the token has the CUSTOMER permission: only a write can tell"
        return {
            "Connected": f"yes, to {self.base_url}",
            "Tenant": self.tenant_uid,
            "Token": "accepted",
            "May write": may_write,
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
    if abs(skew) < 2:  # The header has a resolution of one second.
        return "in step with this machine"
    return f"{skew:+,.0f} s against this machine"
