"""The tenant that a notebook looks at: the one that the environment names, or a sandbox made for the occasion."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from frgroups.api.client import Client
from frgroups.api.environments import environment_label
from frgroups.internals.html import Card

if TYPE_CHECKING:
    from frgroups.sandbox.sandbox import Sandbox


@dataclass(frozen=True, eq=False, repr=False)
class Session:
    """
    A client and, where the tenant is made up, its sandbox; made by `start_session`.

    Attributes
    ----------
    client
        Of a tenant of your own it only reads.
    sandbox
        None where the tenant is your own.
    """

    client: Client
    sandbox: Sandbox | None = None

    @property
    def place(self) -> str:
        """Where the tenant is: "sandbox", "stage", "PRODUCTION", or else the host."""
        if self.sandbox is not None:
            return "sandbox"
        return environment_label(self.client.base_url) or str(urlsplit(self.client.base_url).hostname)

    def close(self) -> None:
        """Close the client, and the sandbox, which is gone then."""
        self.client.close()
        if self.sandbox is not None:
            self.sandbox.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session on {self.place}: {self.client.tenant_uid}, {self._may()}>"

    def _repr_html_(self) -> str:
        facts = {
            "Tenant": f"{self.client.tenant_uid}{', made up and served on this machine' if self.sandbox else ''}",
            "Host": self.client.base_url,
            "May": self._may(),
        }
        return Card("Session on", facts, mark=self.place).html()

    def _may(self) -> str:
        return "reads and writes" if self.client.writable else "reads only"


def start_session(*, customers: int = 6000, groups: int = 40, days_ago: float = 0) -> Session:
    """
    The first line of a notebook: the tenant of the environment, which is only read, or else a sandbox.

    With FRGROUPS_TENANT_UID set it is that tenant, as by `Client.from_env`, on stage unless FRGROUPS_BASE_URL says
    otherwise. Its client cannot write, so running a notebook from top to bottom changes nothing there. Without it, or
    with FRGROUPS_SANDBOX set (as `frgroups notebooks` does), a sandbox is started, whose client may write.

    Parameters
    ----------
    customers, groups, days_ago
        Of the sandbox, as `Sandbox` takes them: how large it is, and how many days may pass in it until today.

    Raises
    ------
    InputError
        FRGROUPS_TENANT_UID is set and no token is, or the base URL is none.

    Examples
    --------
    >>> with start_session(customers=200, groups=12) as session:
    ...     session
    <Session on sandbox: sport_nordic, reads and writes>
    """
    if os.environ.get("FRGROUPS_TENANT_UID", "").strip() and not os.environ.get("FRGROUPS_SANDBOX"):
        return Session(Client.from_env(writable=False))
    from frgroups.sandbox.sandbox import Sandbox

    sandbox = Sandbox(customers=customers, groups=groups, days_ago=days_ago).start()
    return Session(sandbox.client(writable=True), sandbox)
