"""Read the inputs that options name: snapshots, tenants, customers, limits and clients."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.group_expressions import members
from frgroups.analysis.register import read_register
from frgroups.api.client import Client
from frgroups.api.tenants_config import Tenant, config_path, find_tenant, read_tenants
from frgroups.api.transport import checked_base_url
from frgroups.cli.options import SnapshotSelection
from frgroups.cli.output import print_text
from frgroups.errors import InputError, SnapshotNotFoundError
from frgroups.internals.formatting import pluralize
from frgroups.plan.limits import Limits
from frgroups.snapshot.customer_lists import read_list, resolve_customers
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.retention import list_snapshots
from frgroups.store.snapshot_store import read_snapshot

ID_TYPES = ("customer_uid", "external_id")
# At most this many unknown ids are printed.
MAX_LISTED_IDS = 10


def read_selected_snapshot(selection: SnapshotSelection) -> Snapshot:
    """Return the stored snapshot that the options, or else the environment, select."""
    tenant_uid, base_url = _tenant_and_host(selection)
    try:
        return read_snapshot(
            selection.cache,
            tenant_uid=tenant_uid,
            at=selection.at,
            base_url=base_url,
            allow_older=selection.allow_older,
        )
    except SnapshotNotFoundError as error:
        message = f"{error.message}{_unknown_name_note(selection.tenant)}"
        raise SnapshotNotFoundError(message, hint=error.hint, cli_hint=error.cli_hint) from error


def read_previous_snapshot(new: Snapshot, since: str | None, selection: SnapshotSelection) -> Snapshot:
    """Return the older of the two snapshots to compare."""
    if since:
        return _read_snapshot_at(since, new, selection)
    stored = list_snapshots(selection.cache, tenant_uid=new.tenant_uid)
    older = stored[(stored["taken_at"] < new.taken_at) & (stored["base_url"] == new.base_url)]
    if older.empty:
        raise InputError(f"Only one snapshot of {new.tenant_uid} is kept; changes need two. Load again later.")
    return _read_snapshot_at(older["taken_at"].iloc[-1].to_pydatetime(), new, selection)


def _read_snapshot_at(at: date | str, new: Snapshot, selection: SnapshotSelection) -> Snapshot:
    return read_snapshot(
        selection.cache,
        tenant_uid=new.tenant_uid,
        base_url=new.base_url,
        at=at,
        allow_older=selection.allow_older,
    )


def _tenant_and_host(selection: SnapshotSelection) -> tuple[str | None, str | None]:
    """Return the tenant uid and the host of the options or else of the environment; None if they name none."""
    tenant = _configured_tenant(selection.tenant)
    if tenant is None:
        return selection.tenant or environment_tenant_uid(), _checked(selection.base_url or _environment_host())
    return tenant.tenant_uid, _checked(selection.base_url) or tenant.base_url


def _environment_host() -> str | None:
    return os.environ.get("FRGROUPS_BASE_URL")


def _checked(host: str | None) -> str | None:
    return checked_base_url(host) if host else None


def resolve_tenant_uid(name_or_uid: str | None) -> str | None:
    """Return the uid of a tenant that is given by its name in tenants.toml or by its uid."""
    tenant = _configured_tenant(name_or_uid)
    return name_or_uid if tenant is None else tenant.tenant_uid


def _configured_tenant(name: str | None) -> Tenant | None:
    """Return the tenant with this name in tenants.toml, or None."""
    if not name or not config_path().exists():
        return None
    tenant = read_tenants().get(name)
    if isinstance(tenant, InputError):
        raise tenant
    return tenant


def _unknown_name_note(name_or_uid: str | None) -> str:
    if not name_or_uid or _configured_tenant(name_or_uid) is not None:
        return ""
    problem = "has no such name" if config_path().exists() else "is not there"
    return f" {name_or_uid!r} is taken for the uid of a tenant: {config_path()} {problem}."


def selected_tenant_names(all_tenants: bool, tenants: Sequence[str]) -> list[str]:
    """Return the names that `--all` or `--tenant` select, without duplicates; an empty list if neither is given."""
    if all_tenants:
        return list(read_tenants())
    if not tenants:
        return []
    configured = read_tenants()
    names = list(dict.fromkeys(tenants))
    for name in names:
        if name not in configured:
            find_tenant(name)  # Raises an error that names close matches.
    return names


def select_status_rows(table: pd.DataFrame, all_tenants: bool, tenants: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the environment's tenant, or all rows if `--all` or `--tenant` is given."""
    uid = environment_tenant_uid()
    if all_tenants or tenants or not uid:
        return table
    rows = table["tenant_uid"] == uid
    base_url = _checked(_environment_host())
    if base_url is not None:
        rows &= table["base_url"] == base_url
    if not rows.any():
        raise InputError(
            f"Nothing is kept of tenant {uid}, which FRGROUPS_TENANT_UID names. frgroups load, or --all."
        )
    return table[rows].reset_index(drop=True)


def environment_tenant_uid() -> str | None:
    """Return the tenant uid of the environment, or None."""
    return os.environ.get("FRGROUPS_TENANT_UID") or None


def read_optional_register(path: Path | None) -> pd.DataFrame | None:
    """Return the register in a file, or None without a file."""
    return None if path is None else read_register(path)


def desired_customers(
    snapshot: Snapshot,
    *,
    path: Path | None,
    expression: str | None,
    also: str | None = None,
    id_type: str | None = None,
    column: str | None = None,
    sheet: str | None = None,
    directory: Path | None = None,
    skip_unresolved: bool = False,
) -> list[str]:
    """
    Return the uids of the customers of a list or of a group expression, and print the unknown ids of the list.

    Parameters
    ----------
    path, expression
        The list or the group expression; one of them is required.
    also
        Another group expression, whose members are added.
    id_type
        What the list contains; None to detect it.
    column, sheet
        Where a file with several columns or sheets contains the ids.
    directory
        Customer export that contains more external ids.
    skip_unresolved
        Leave out unknown external ids; otherwise they are an error.
    """
    others = list(members(snapshot, also)) if also else []
    if expression:
        return [*members(snapshot, expression), *others]
    if path is None:
        raise InputError("Give a list of customers or a group expression.")
    ids = read_list(path, column=column, sheet=sheet)
    kind = id_type or _detect_id_type(snapshot, ids)
    table = _resolve_list(snapshot, ids, kind, path, directory)
    unknown = table[table["outcome"] != "resolved"]
    if len(unknown) == len(table) and not id_type:
        raise InputError(
            f"None of the {pluralize(len(table), 'id')} of {path} is known as {kind}. Does it hold other ids, "
            f"or were leading zeros lost? If they are customers who are in no group yet, say --ids {kind}."
        )
    if kind == "customer_uid":
        # A customer in no group is not in the snapshot, and might exist all the same.
        return [*table["id"], *others]
    if len(unknown) and not skip_unresolved:
        raise InputError(
            f"{len(unknown)} of {len(table)} ids of {path} are not found. "
            "--directory EXPORT may know them; --skip-unresolved plans the rest."
        )
    return [*table.loc[table["outcome"] == "resolved", "customer_uid"], *others]


def excluded_customers(
    snapshot: Snapshot, uids: Sequence[str], path: Path | None, directory: Path | None
) -> list[str]:
    """
    Return the uids of the customers that options exclude, by uid and by a list, and print the unknown ids.

    An unknown customer uid is excluded too. An unknown external id would exclude no customer, so it is an error.
    """
    unknown_uids = sorted(set(uids) - set(snapshot.customers["customer_uid"]))
    if unknown_uids:
        print_text(f"Not known, and held back all the same: {', '.join(unknown_uids)}. Is each a customer uid?")
    if path is None:
        return list(uids)
    ids = read_list(path)
    kind = _detect_id_type(snapshot, ids)
    table = _resolve_list(snapshot, ids, kind, path, directory)
    unknown = table[table["outcome"] != "resolved"]
    if ids.name == "customer_uid" or (kind == "customer_uid" and len(unknown) < len(table)):
        return [*uids, *table["id"]]
    if len(unknown):
        raise InputError(
            f"{len(unknown)} of {len(table)} ids of {path} are not found, so they would hold nobody back. "
            "--directory EXPORT may know them; a column of customer uids is named customer_uid."
        )
    return [*uids, *table["customer_uid"]]


def _resolve_list(snapshot: Snapshot, ids: pd.Series, kind: str, path: Path, directory: Path | None) -> pd.DataFrame:
    """Look up the ids of a list, and print how many are unknown and the first of them."""
    table = resolve_customers(snapshot, ids, by=kind, directory=directory)
    unknown = table.loc[table["outcome"] != "resolved", "id"]
    print_text(f"{pluralize(len(table), 'customer')} from {path}, by {kind}; {len(unknown):,} of them not known")
    if len(unknown):
        listed = ", ".join(unknown.head(MAX_LISTED_IDS))
        if len(unknown) > MAX_LISTED_IDS:
            listed += " ..."
        print_text(f"  not known: {listed}")
    return table


def _detect_id_type(snapshot: Snapshot, ids: pd.Series) -> str:
    """Return the id type that the column name states, or else the type of which more ids are known."""
    if ids.name in ID_TYPES:
        return str(ids.name)
    n_known = {kind: int(ids.isin(snapshot.customers[kind]).sum()) for kind in ID_TYPES}
    return max(n_known, key=lambda kind: n_known[kind])


def override_limits(settings: Sequence[tuple[str, Any]], limits: Limits) -> Limits:
    """Return these limits with the settings of `--limit`, which do not change the limits of single groups."""
    return Limits.from_dict(limits.to_dict() | dict(settings))


def open_client(tenant: str | None, *, writable: bool = False) -> Client:
    """Return a client for the tenant of `--tenant`, or else of the environment."""
    if tenant:
        return Client.from_config(tenant, writable=writable)
    if not environment_tenant_uid() and config_path().exists():
        raise InputError(
            f"Which tenant? Say --tenant with one of {', '.join(read_tenants())}, of {config_path()}; or set "
            "FRGROUPS_TENANT_UID."
        )
    return Client.from_env(writable=writable)
