"""Result of loading one tenant, as the command `frgroups load` reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from frgroups.api.tenants_config import find_tenant
from frgroups.errors import ConnectionFailedError, FrgroupsError, InputError
from frgroups.internals.structured_logging import error_info
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.retention import list_snapshots


@dataclass(frozen=True, slots=True)
class LoadResult:
    """
    Result of loading one tenant, without the token and customer data.

    The command `frgroups load --json` prints each result as one line of JSON.

    Attributes
    ----------
    ok
        True if the exit code is 0.
    path
        Folder of the stored snapshot.
    n_requests
        Number of requests that were sent, or None if the worker ended without a result.
    seconds
        Duration of the load, or None if the load was not started.
    error
        Type and message of the error, or None. After a ConnectionFailedError, it also contains the `reason`.
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

    @property
    def is_interrupted(self) -> bool:
        """True if Ctrl-C or a signal ended the load."""
        return self.error is not None and self.error["type"] == KeyboardInterrupt.__name__

    @property
    def sentence(self) -> str:
        """Sentence that summarizes the result of the load."""
        tenant = self.name or self.tenant_uid or "the tenant"
        if self.error is not None and self.seconds is None:
            return f"{tenant}: not started. {self.error['message']}"
        if self.error is not None:
            message = " ".join(self.error["message"].split())
            return f"{tenant}: FAILED after {self.seconds or 0:.1f} s. {self.error['type']}: {message}"
        requests = "" if self.n_requests is None else f"{self.n_requests:,} requests in "
        return (
            f"{tenant}: {self.verdict}, {self.n_groups:,} groups, {self.n_customers:,} customers, "
            f"{self.n_memberships:,} memberships, {requests}{self.seconds:.1f} s"
        )


def stored_result(result: LoadResult, started_at: datetime) -> LoadResult | None:
    """Return the result for the snapshot that a failed load has stored, or None if it stored no snapshot."""
    if result.tenant_uid is None:
        return None
    try:
        stored = list_snapshots(tenant_uid=result.tenant_uid)
    except (FrgroupsError, OSError):  # The caller reports the error of the load, which is more important.
        return None
    is_new = (stored["base_url"] == result.base_url) & (stored["taken_at"] >= pd.Timestamp(started_at))
    if not is_new.any():
        return None
    snapshot = stored[is_new].iloc[-1]
    exit_code = exit_code_of_verdict(snapshot["verdict"])
    return replace(
        result,
        ok=exit_code == 0,
        exit_code=exit_code,
        verdict=snapshot["verdict"],
        n_groups=int(snapshot["n_groups"]),
        n_customers=int(snapshot["n_customers"]),
        n_memberships=int(snapshot["n_memberships"]),
        taken_at=snapshot["taken_at"].isoformat(),
        path=snapshot["path"],
        error=None,
    )


def failed_load(name: str, error: BaseException, *, seconds: float) -> LoadResult:
    """Return the result for a tenant after the worker that loaded it failed."""
    return LoadResult(name, *configured_tenant(name), seconds=round(seconds, 3), error=describe_error(error))


def unstarted_load(name: str) -> LoadResult:
    """Return the result for a tenant that was not loaded, because the command was interrupted."""
    error = {"type": KeyboardInterrupt.__name__, "message": "The command was interrupted before the load started."}
    return LoadResult(name, *configured_tenant(name), n_requests=0, error=error)


def describe_error(error: BaseException) -> dict[str, str]:
    """
    Return a dictionary with the type and the message of an error, including the hint for command-line users.

    For a failed connection, the dictionary also contains the reason.
    """
    if isinstance(error, ConnectionFailedError):
        return {"type": type(error).__name__, "message": error.cli_text, "reason": error.reason}
    if isinstance(error, FrgroupsError):
        return {"type": type(error).__name__, "message": error.cli_text}
    return error_info(error)


def exit_code_of_verdict(verdict: str) -> int:
    """Return the exit code for a loaded snapshot: 4 if groups changed during the load, otherwise 0."""
    return 4 if verdict == "drifted" else 0


def snapshot_facts(snapshot: Snapshot) -> dict[str, Any]:
    """Return the values of `LoadResult` for a snapshot that was loaded and stored."""
    stored = list_snapshots(tenant_uid=snapshot.tenant_uid)
    is_same = (stored["base_url"] == snapshot.base_url) & (stored["taken_at"] == snapshot.taken_at)
    paths = stored.loc[is_same, "path"].to_list()
    return {
        "exit_code": exit_code_of_verdict(snapshot.verdict),
        "verdict": snapshot.verdict,
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
        "taken_at": snapshot.taken_at.isoformat(),
        "path": paths[-1] if paths else None,
    }


def configured_tenant(name: str | None) -> tuple[str | None, str | None]:
    """Return the uid and base URL of a tenant, or (None, None) if the tenant is not in `tenants.toml`."""
    if name is None:
        return None, None
    try:
        tenant = find_tenant(name)
    except InputError:
        return None, None
    return tenant.tenant_uid, tenant.base_url
