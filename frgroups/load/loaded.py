"""What became of loading one tenant, whatever became of it: a value, a line of JSON, a sentence."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from frgroups.cache import list_snapshots
from frgroups.client import Client
from frgroups.client.tenants import find_tenant
from frgroups.errors import InputError
from frgroups.exits import code_of
from frgroups.load import load_snapshot
from frgroups.logs import tell, told_error
from frgroups.snapshot import Snapshot

log = logging.getLogger("frgroups.load")


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    What became of loading one tenant: one line of `frgroups load --json`. It holds no token and no customer.

    `path` is the folder of the snapshot, `error` the type and message of what went wrong; `ok` is exit code 0.
    """

    name: str | None
    tenant_uid: str | None = None
    base_url: str | None = None
    ok: bool = False
    exit_code: int = 1
    verdict: str | None = None
    n_groups: int | None = None
    n_customers: int | None = None
    n_memberships: int | None = None
    n_requests: int | None = None
    seconds: float | None = None
    taken_at: str | None = None
    path: str | None = None
    error: Mapping[str, str] | None = None

    def json(self) -> str:
        """The line."""
        return json.dumps(asdict(self))

    @property
    def sentence(self) -> str:
        """The same for people."""
        who = self.name or self.tenant_uid or "the tenant"
        if self.error is not None:
            message = " ".join(self.error["message"].split())
            return f"{who}: FAILED after {self.seconds or 0:.1f} s. {self.error['type']}: {message}"
        return (
            f"{who}: {self.verdict}, {self.n_groups:,} groups, {self.n_customers:,} customers, "
            f"{self.n_memberships:,} memberships, {self.n_requests:,} requests in {self.seconds:.1f} s"
        )


def load_one(name: str | None, *, requests_per_second: float | None = None, **how: Any) -> Loaded:
    """
    Load one tenant, of this name or else that of the environment; whatever goes wrong is in what comes back.

    >>> load_one("nobody").error["type"]
    'InputError'
    """
    started, client = time.monotonic(), None
    pace: dict[str, Any] = {} if requests_per_second is None else {"requests_per_second": requests_per_second}
    try:
        client = Client.from_env(**pace) if name is None else Client.from_config(name, **pace)
        with client:
            snapshot = load_snapshot(client, progress=False, **how)
        facts = _facts(snapshot)
    except (Exception, KeyboardInterrupt) as error:
        facts = {"exit_code": code_of(error), "error": told_error(error)}
    where = _where(name) if client is None else (client.tenant_uid, client.base_url)
    done = Loaded(
        name,
        *where,
        ok=facts["exit_code"] == 0,
        n_requests=0 if client is None else client.n_requests,
        seconds=round(time.monotonic() - started, 3),
        **facts,
    )
    event, level = ("tenant_failed", logging.ERROR) if done.error else ("tenant_loaded", logging.INFO)
    if log.isEnabledFor(logging.INFO):  # Else nobody asked for a log, and the line says the same.
        line = asdict(done)
        tell(log, level, event, done.sentence, tenant=line.pop("name"), **line)
    return done


def not_loaded(name: str, error: BaseException, *, seconds: float = 0.0) -> Loaded:
    """The line of a tenant that another process did not load, or had no time to."""
    return Loaded(name, *_where(name), seconds=round(seconds, 3), error=told_error(error))


def exit_code_of(snapshot: Snapshot) -> int:
    """What loading it ends with."""
    return 4 if snapshot.verdict == "drifted" else 0


def _facts(snapshot: Snapshot) -> dict[str, Any]:
    kept = list_snapshots(tenant_uid=snapshot.tenant_uid)
    own = kept[(kept["base_url"] == snapshot.base_url) & (kept["taken_at"] == snapshot.taken_at)]
    return {
        "exit_code": exit_code_of(snapshot),
        "verdict": snapshot.verdict,
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.codes),
        "taken_at": snapshot.taken_at.isoformat(),
        "path": None if own.empty else str(own["path"].iloc[-1]),
    }


def _where(name: str | None) -> tuple[str | None, str | None]:
    """Uid and host of a tenant that no client was made for, where its table says them."""
    try:
        tenant = None if name is None else find_tenant(name)
    except InputError:
        tenant = None
    return (None, None) if tenant is None else (tenant.tenant_uid, tenant.base_url)
