"""Checks of `frgroups doctor`: installation, data folder, configuration, connection, and files of the tenant."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from frgroups.api.client import Client
from frgroups.api.connection_check import Check
from frgroups.api.environments import environment_label
from frgroups.api.tenants_config import config_path, missing_tenant_error, missing_token_error, read_tenants
from frgroups.apply.windows_file import apply_windows_path, read_windows
from frgroups.apply.write_capabilities import WriteCapabilities, stored_capabilities
from frgroups.apply.write_probe import probe_writes as run_probe
from frgroups.cli.inputs import environment_tenant_uid, open_client
from frgroups.errors import ApiError, AuthError, ForbiddenError, FrgroupsError, InputError, TokenCommandError
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.paths import data_subdir, home
from frgroups.internals.versions import installed_versions, missing_packages
from frgroups.plan.suppression_list import current_suppression_list, suppression_list_path
from frgroups.store.manifest import list_stored_snapshots

# If the clocks of this machine and of the server differ by more than this number of seconds, the clock check fails.
# `tenant_status` uses the same limit.
_MAX_SKEW = 300
_ENVIRONMENT = ("FRGROUPS_TENANT_UID", "FRGROUPS_TOKEN", "FRGROUPS_BASE_URL")


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """
    Result of one check.

    Attributes
    ----------
    name
        Name of the check.
    ok
        True if the check passed. None if the check could not be made.
    detail
        If the check passed, the values that were checked. Otherwise, the problem and the action that solves it.
    """

    name: str
    ok: bool | None
    detail: str


def run_checks(tenant: str | None, *, probe_writes: bool) -> list[DoctorCheck]:
    """
    Run all checks and return their results.

    A failed check does not prevent the other checks. Without a connection, the checks of the server are skipped.

    Parameters
    ----------
    tenant
        Name of a tenant in tenants.toml. None selects the tenant in FRGROUPS_TENANT_UID.
    probe_writes
        Whether to test how the server handles writes.
    """
    checks = [
        _run("packages", _check_packages),
        _run("data folder", _check_data_folder),
        _run("tenants.toml", _check_tenants_file),
        _run("variables", lambda: _check_environment(tenant)),
        _run("stored snapshots", _check_snapshots),
    ]
    try:
        client = open_client(tenant, writable=probe_writes)
    except FrgroupsError as error:
        checks.append(DoctorCheck("connection", False, error.cli_text))
        checks[-1:] = [*_skipped("proxy", "certificates"), checks[-1]]
        return [*checks, *_skipped("token", "paging", "clock", "write access", "suppression list", "apply windows")]
    with client:
        checks += _describe_connection(client)
        checks += [*_check_server(client), *_check_writes(client, probe_writes)]
        checks.append(_suppression_check(client))
        checks.append(_run("apply windows", lambda: _describe_windows(client)))
        return checks


def _describe_connection(client: Client) -> list[DoctorCheck]:
    """
    Return two checks that show the proxy and the CA certificates of a client.

    The proxy and the certificates were checked when the client was created. They also apply to tenants in
    tenants.toml.
    """
    proxy, certificates = client.proxy, client.certificates
    without_proxy = f"not used, because {client.proxy_exclusion}" if client.proxy_exclusion else "not used"
    return [
        DoctorCheck("proxy", None if proxy is None else True, proxy or without_proxy),
        DoctorCheck(
            "certificates",
            None if certificates is None else True,
            certificates or "not used, because the host uses http",
        ),
    ]


def _run(name: str, check: Callable[[], str | None]) -> DoctorCheck:
    """Run a check function, and return the result. The function returns None if the check does not apply."""
    try:
        detail = check()
    except FrgroupsError as error:
        return DoctorCheck(name, False, error.cli_text)
    except OSError as error:
        return DoctorCheck(name, False, f"{error.filename or home()}: {error.strerror or error}.")
    return DoctorCheck(name, None if detail is None else True, detail or "not used")


def _skipped(*names: str, reason: str = "not checked without a connection") -> list[DoctorCheck]:
    return [DoctorCheck(name, None, reason) for name in names]


def _check_packages() -> str:
    missing = missing_packages()
    if missing:
        raise InputError(f"Required packages are missing: {format_list(missing)}. Install frgroups again with pip.")
    versions = installed_versions()
    return f"frgroups {versions['frgroups']} and its dependencies are installed, Python {versions['python']}"


def _check_data_folder() -> str:
    """Create and delete a temporary file in the data folder, or in the nearest parent folder that exists."""
    folder = home()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".frgroups-doctor-"):
            pass
    except OSError as error:
        raise InputError(
            f"{existing} is not writable: {error.strerror}. Change its permissions, or set FRGROUPS_HOME to another "
            "folder."
        ) from error
    return f"{folder} is writable" if folder.exists() else f"{folder} does not exist yet and will be created"


def _check_tenants_file() -> str | None:
    if not config_path().exists():
        return None
    tenants = read_tenants()
    problems = [str(tenant.cli_text) for tenant in tenants.values() if isinstance(tenant, InputError)]
    if problems:
        raise InputError("\n".join(problems))
    return f"{pluralize(len(tenants), 'tenant')} in {config_path()}"


def _check_environment(tenant: str | None) -> str | None:
    """
    Return the names of the frgroups environment variables that are set.

    The values are omitted, because one of them can be the token.
    """
    if tenant:
        return None
    given = [name for name in _ENVIRONMENT if os.environ.get(name, "").strip()]
    if not environment_tenant_uid():
        raise missing_tenant_error()
    if "FRGROUPS_TOKEN" not in given:
        raise missing_token_error()
    return f"{format_list(given)} set"


def _check_snapshots() -> str:
    damaged: list[str] = []
    stored = list_stored_snapshots(None, on_damage=lambda folder, _: damaged.append(str(folder)))
    if damaged:
        raise InputError(f"The manifest of {format_list(damaged, 3)} is corrupt. Delete the folder and load again.")
    return f"{pluralize(len(stored), 'snapshot')} in {data_subdir('snapshots')}"


def _check_server(client: Client) -> list[DoctorCheck]:
    """Send the requests of `Client.check`, and return the checks of connection, token, paging, and clock."""
    try:
        check = client.check()
    except (AuthError, ForbiddenError, TokenCommandError) as error:
        reached = None if isinstance(error, TokenCommandError) else True
        connection = DoctorCheck(
            "connection", reached, f"connected to {client.base_url}" if reached else "not checked"
        )
        return [connection, DoctorCheck("token", False, error.cli_text), *_skipped("paging", "clock")]
    except (ApiError, FrgroupsError) as error:
        return [DoctorCheck("connection", False, error.cli_text), *_skipped("token", "paging", "clock")]
    facts = check.facts
    server = f"{check.base_url} {environment_label(check.base_url)}".rstrip()
    n_groups = pluralize(check.n_groups, "group")
    connected = f"connected to {server}, tenant {check.tenant_uid}, {n_groups} (total of the server)"
    if check.n_groups == 0:
        # Suggest checking the tenant uid, because a server can return an empty list if this uid is wrong.
        connected += f"\nIf the tenant should have groups, check {client.tenant_setting}."
    paging = f"page numbers {facts['Page numbers']}, page size {facts['Page size']}\n{facts['Group references']}"
    return [
        DoctorCheck("connection", True, connected),
        DoctorCheck("token", True, facts["Token"]),
        DoctorCheck("paging", True, paging),
        _clock_check(check),
    ]


def _clock_check(check: Check) -> DoctorCheck:
    skew = check.clock_skew_seconds
    if skew is None:
        return DoctorCheck("clock", None, check.facts["Clock"])
    if abs(skew) > _MAX_SKEW:
        text = (
            f"The clock of this machine differs from the server's clock by {abs(skew):,.0f} s. Set the clock. The "
            "validity of snapshots, plans, and approvals depends on it."
        )
        return DoctorCheck("clock", False, text)
    return DoctorCheck("clock", True, check.facts["Clock"])


def _check_writes(client: Client, probe_writes: bool) -> list[DoctorCheck]:
    """Test how the server handles writes, or return the stored result of an earlier test."""
    if not probe_writes:
        try:
            stored = stored_capabilities(client.tenant_uid, client.base_url)
        except FrgroupsError as error:
            return [DoctorCheck("write access", False, error.cli_text)]
        if stored is None:
            return [DoctorCheck("write access", None, "not tested; pass --probe-writes on stage to test it")]
        return [DoctorCheck("write access", True, _facts_text(stored))]
    return [_run("write access", lambda: _facts_text(run_probe(client)))]


def _facts_text(capabilities: WriteCapabilities) -> str:
    """Return the results of a write probe, one per line."""
    return "\n".join(f"{label}: {value}" for label, value in capabilities.facts.items())


def _suppression_check(client: Client) -> DoctorCheck:
    def check() -> str:
        path = suppression_list_path(client)
        listed = current_suppression_list(client)
        if not path.exists():
            return f"none; expected at {path}"
        text = pluralize(len(listed.customer_uids), "customer")
        if listed.n_expired:
            text += f" and {listed.n_expired:,} expired {agree(listed.n_expired, 'entry', 'entries')}"
        return f"{text}, from {path}"

    return _run("suppression list", check)


def _describe_windows(client: Client) -> str:
    """Return a string with the current state of the apply windows, the next opening or freeze, and the file path."""
    path = apply_windows_path(client)
    windows = read_windows(client)
    if not path.exists():
        return f"none, so plans can always be applied; expected at {path}"
    counts = f"{pluralize(len(windows.freezes), 'freeze')} and {pluralize(len(windows.windows), 'window')} in {path}"
    return f"{windows.state(datetime.now(UTC)).sentences()}\n{counts}"
