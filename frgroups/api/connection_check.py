"""Result of a connection check."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.api.environments import environment_label
from frgroups.internals.html import Card


@dataclass(frozen=True, slots=True)
class Check:
    """
    Result of `Client.check`.

    Attributes
    ----------
    base_url, tenant_uid
        Server and tenant of the client.
    writable
        Whether the client may send writes.
    n_groups
        Total number of groups that the server reports. If the first page contains more groups than this total, the
        value is the number of groups on the first page. The value is too low if the server limits its totals. For the
        exact number, use `load_snapshot`.
    page_base
        Number of the first page, usually 0 or 1.
    asked_page_size, granted_page_size
        Page size that the client requested, and page size that the server used.
    group_uids_filled
        Whether members list the uids of their groups, which `load_snapshot(cover=True)` requires. None if none of
        the first 8 groups has a member.
    clock_skew_seconds
        Time of the server minus time of this machine, or None if the server sends no Date header.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     check = client.check()
    >>> check.n_groups, check.page_base, check.group_uids_filled
    (8, 1, True)
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
        """Dictionary from the label of each result to its value as a string."""
        references = {
            True: "customer records list their groups",
            False: "missing in customer records; members cannot be inferred",
            None: "not checked; no members",
        }
        may_write = "not tested; the client is read-only"
        if self.writable:
            may_write = "not tested; requires a token with the CUSTOMER permission"
        return {
            "Connected": f"yes, to {self.base_url}",
            "Tenant": self.tenant_uid,
            "Token": "accepted",
            "Write access": may_write,
            "Groups": f"{self.n_groups:,}",
            "Page numbers": f"start at {self.page_base}",
            "Page size": f"{self.granted_page_size} ({self.asked_page_size} requested)",
            "Group references": references[self.group_uids_filled],
            "Clock": _clock(self.clock_skew_seconds),
        }

    def __repr__(self) -> str:
        return Card("Check", self.facts, mark=environment_label(self.base_url)).text()

    def _repr_html_(self) -> str:
        return Card("Check", self.facts, mark=environment_label(self.base_url)).html()


def _clock(skew: float | None) -> str:
    if skew is None:
        return "not checked, because the server sent no Date header"
    if abs(skew) < 2:  # Ignore small differences, because the Date header has a resolution of one second.
        return "in sync with this machine"
    return f"{skew:+,.0f} s compared with this machine"
