"""Result of loading one tenant, as the command `frgroups load` reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.api.tenants_config import find_tenant
from frgroups.errors import ConnectionFailedError, FrgroupsError, InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.structured_logging import error_info
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import read_manifest
from frgroups.store.retention import is_from_host, list_snapshots

# A warning is shown if a load finds less than this share of the previous snapshot's groups or memberships.
MIN_SHARE_OF_PREVIOUS = 0.5


@dataclass(frozen=True, slots=True)
class LoadResult:
    """
    Result of loading one tenant, without the token and customer data.

    The command `frgroups load --json` prints each result as one line of JSON.

    Attributes
    ----------
    ok
        True if the exit code is 0, which includes snapshots with the verdict "unverifiable".
    note
        Reason why the verdict is not "consistent", or None.
    warning
        Comparison with the previous snapshot if the load found far fewer groups or memberships, or None.
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
    note: str | None = None
    warning: str | None = None
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
        text = (
            f"{tenant}: {self.verdict}, {self.n_groups:,} groups, {self.n_customers:,} customers, "
            f"{self.n_memberships:,} memberships, {requests}{self.seconds:.1f} s"
        )
        if self.note:
            text += f". Reason: {self.note}"
        if self.warning:
            text += f". WARNING: {self.warning}"
        return text


def stored_result(result: LoadResult, started_at: datetime) -> LoadResult | None:
    """Return the result for the snapshot that a failed load has stored, or None if the load stored no snapshot."""
    if result.tenant_uid is None:
        return None
    try:
        stored = list_snapshots(tenant_uid=result.tenant_uid)
    except (FrgroupsError, OSError):  # Ignore this error. The caller reports the error of the load.
        return None
    stored = stored[is_from_host(stored, result.base_url)]
    if stored.empty or stored["taken_at"].iloc[-1] < pd.Timestamp(started_at):
        return None
    snapshot = stored.iloc[-1]
    exit_code = exit_code_of_verdict(snapshot["verdict"])
    return replace(
        result,
        ok=exit_code == 0,
        exit_code=exit_code,
        verdict=snapshot["verdict"],
        note=read_manifest(Path(snapshot["path"])).manifest.get("verdict_note") or None,
        warning=warning_of_newest(stored),
        n_groups=int(snapshot["n_groups"]),
        n_customers=int(snapshot["n_customers"]),
        n_memberships=int(snapshot["n_memberships"]),
        taken_at=snapshot["taken_at"].isoformat(),
        path=snapshot["path"],
        error=None,
    )


def failed_load(name: str, error: BaseException, *, seconds: float) -> LoadResult:
    """Return the result for a tenant whose worker process failed."""
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
    """Return the attributes of a `LoadResult` that describe a loaded and stored snapshot."""
    stored = list_snapshots(tenant_uid=snapshot.tenant_uid)
    until = stored[is_from_host(stored, snapshot.base_url) & (stored["taken_at"] <= snapshot.taken_at)]
    paths = until.loc[until["taken_at"] == snapshot.taken_at, "path"].to_list()
    return {
        "exit_code": exit_code_of_verdict(snapshot.verdict),
        "verdict": snapshot.verdict,
        "note": snapshot.verdict_note or None,
        "warning": warning_of_newest(until),
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
        "taken_at": snapshot.taken_at.isoformat(),
        "path": paths[-1] if paths else None,
    }


def size_warning(previous: Mapping[Any, Any], n_groups: int, n_memberships: int) -> str:
    """
    Return a warning if a load found far fewer groups or memberships than the previous snapshot contains, or "".

    Parameters
    ----------
    previous
        The values `n_groups` and `n_memberships` of the previous snapshot.
    n_groups, n_memberships
        Numbers of groups and memberships that the load found.

    Examples
    --------
    >>> size_warning({"n_groups": 9, "n_memberships": 2000}, 9, 999)
    'the load found 999 memberships, but the previous snapshot contains 2,000 memberships'
    """
    found = {"group": n_groups, "membership": n_memberships}
    smaller = []
    for noun, n in found.items():
        n_before = int(previous[f"n_{noun}s"])
        if n < MIN_SHARE_OF_PREVIOUS * n_before:
            before = f"the previous snapshot contains {pluralize(n_before, noun)}"
            smaller.append(f"the load found {pluralize(n, noun)}, but {before}")
    return "; ".join(smaller)


def warning_of_newest(stored: pd.DataFrame) -> str | None:
    """
    Return the size warning for a tenant's newest snapshot from one server, or None if there is no warning.

    Parameters
    ----------
    stored
        Rows of `list_snapshots` for the tenant and the server, sorted by time.
    """
    if len(stored) < 2:
        return None
    newest = stored.iloc[-1]
    return size_warning(stored.iloc[-2].to_dict(), newest["n_groups"], newest["n_memberships"]) or None


def configured_tenant(name: str | None) -> tuple[str | None, str | None]:
    """Return the uid and base URL of a tenant, or (None, None) if the tenant is not in `tenants.toml`."""
    if name is None:
        return None, None
    try:
        tenant = find_tenant(name)
    except InputError:
        return None, None
    return tenant.tenant_uid, tenant.base_url
