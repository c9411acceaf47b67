"""Sessions for notebooks. A session connects to a real tenant or starts a sandbox."""

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
    Client that a notebook uses, and the sandbox if one was started for the notebook.

    Use `start_session` to create a session. A session is a context manager that closes the client and the sandbox.

    Attributes
    ----------
    client
        Client for the tenant. It is read-only unless the tenant is a sandbox.
    sandbox
        The running sandbox, or None if the client is connected to another tenant.

    Examples
    --------
    >>> with start_session(customers=200, groups=12) as session:
    ...     len(list(session.client.iter_groups()))
    12
    """

    client: Client
    sandbox: Sandbox | None = None

    @property
    def place(self) -> str:
        """Location of the tenant, which is "sandbox", "stage", "PRODUCTION", or a host name."""
        if self.sandbox is not None:
            return "sandbox"
        return environment_label(self.client.base_url) or str(urlsplit(self.client.base_url).hostname)

    def close(self) -> None:
        """
        Close the client, and stop the sandbox if there is one. The tenant of the sandbox is discarded.

        Examples
        --------
        >>> session = Session(Client("t-1", "secret", base_url="http://127.0.0.1:8000/v2"))
        >>> session.close()
        """
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
            "Tenant": f"{self.client.tenant_uid}{' (synthetic, served on this machine)' if self.sandbox else ''}",
            "Host": self.client.base_url,
            "Access": self._may(),
        }
        return Card("Session on", facts, mark=self.place).html()

    def _may(self) -> str:
        return "reads and writes" if self.client.writable else "reads only"


def start_session(*, customers: int = 6000, groups: int = 40, days_ago: float = 0) -> Session:
    """
    Connect to the tenant that the environment variables specify, or start a sandbox if they specify no tenant.

    If the environment variable FRGROUPS_TENANT_UID is set, the session connects to that tenant with a read-only
    client, so that running a notebook cannot change the tenant. `Client.from_env` describes the other variables.

    Otherwise, or if FRGROUPS_SANDBOX is set, a sandbox with a synthetic tenant is started, and the client of the
    sandbox can send writes. The command `frgroups notebooks` sets FRGROUPS_SANDBOX. Snapshots of the sandbox are
    stored apart from the snapshots of other tenants, and `prune` removes them after the sandbox has ended.

    Parameters
    ----------
    customers
        Number of customers of the sandbox.
    groups
        Number of groups of the sandbox.
    days_ago
        Age of the sandbox in days. Its clock starts that many days in the past and can be advanced until today.

    Returns
    -------
    Session
        The session. Close it, or use it as a context manager.

    Raises
    ------
    InputError
        FRGROUPS_TENANT_UID is set without FRGROUPS_TOKEN, or FRGROUPS_BASE_URL is invalid.

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
