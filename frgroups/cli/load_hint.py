"""Suggest the command that loads a tenant without a stored snapshot."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path

from frgroups.api.tenants_config import SANDBOX_CLI_HINT, Tenant, config_path, read_tenants
from frgroups.errors import InputError
from frgroups.internals.formatting import format_list


def load_hint(name_or_uid: str | None, environment_uid: str | None, cache: Path | None) -> str:
    """
    Return a hint with a command that works in the current configuration.

    `frgroups load` without `--tenant` works only if FRGROUPS_TENANT_UID is set, and `--tenant` accepts only names in
    tenants.toml.

    Parameters
    ----------
    name_or_uid
        Name or uid of the tenant in `--tenant`, or None.
    environment_uid
        Tenant uid in FRGROUPS_TENANT_UID, or None.
    cache
        Folder of the snapshots in `--cache`, or None.
    """
    command = "frgroups load"
    # State where the snapshots are stored, because `frgroups load` has no option `--cache`.
    note = "" if cache is None else f" {command} stores snapshots in the data folder. To read them, omit --cache."
    tenants = _configured_tenants()
    is_in_environment = environment_uid is not None and name_or_uid in (None, environment_uid)
    if name_or_uid in tenants:
        names = [name_or_uid]
    elif is_in_environment:
        names = []
    else:
        names = [name for name in tenants if tenants[name].tenant_uid == name_or_uid] or list(tenants)
    if not names:
        if environment_uid:
            return f"Load the tenant with {command}.{note}"
        missing = "Set FRGROUPS_TENANT_UID and FRGROUPS_TOKEN."
        return f"{missing} Load the tenant with {command}.{note} {SANDBOX_CLI_HINT}"
    example = f"{command} --tenant {shlex.quote(names[0])}"
    if len(names) == 1:
        return f"Load the tenant with {example}.{note}"
    listed = format_list([shlex.quote(name) for name in names], 10)
    return (
        f"Load one of the tenants {listed}, for example with {example}, or load all tenants with {command} "
        f"--all.{note}"
    )


def _configured_tenants() -> dict[str, Tenant]:
    """Return the valid tenants in tenants.toml."""
    with suppress(InputError):  # Ignore an invalid file. The command that loads the tenant reports it.
        if config_path().exists():
            return {name: tenant for name, tenant in read_tenants().items() if isinstance(tenant, Tenant)}
    return {}
