"""What the words after a command mean: which snapshot, which customers, which limits."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.group_expressions import members
from frgroups.analysis.register import read_register
from frgroups.api.client import Client
from frgroups.api.tenants_config import Tenant, config_path, find_tenant, read_tenants
from frgroups.api.transport import checked_base_url
from frgroups.cli.types import readable
from frgroups.errors import InputError, SnapshotNotFoundError
from frgroups.internals.formatting import pluralize
from frgroups.plan.limits import Limits
from frgroups.snapshot.customer_lists import read_list, resolve_customers
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.retention import list_snapshots
from frgroups.store.snapshot_store import read_snapshot


def snapshot_of(options: Namespace) -> Snapshot:
    """The kept snapshot that the options, or else the environment, name."""
    tenant_uid, base_url = _tenant_and_host(options)
    try:
        return read_snapshot(
            options.cache, tenant_uid=tenant_uid, at=options.at, base_url=base_url, allow_older=options.allow_older
        )
    except SnapshotNotFoundError as error:
        message = f"{error.message}{_taken_for_uid(options.tenant)}"
        raise SnapshotNotFoundError(message, hint=error.hint, cli_hint=error.cli_hint) from error


def _tenant_and_host(options: Namespace) -> tuple[str | None, str | None]:
    """What --tenant and --base-url say, or else the environment; --tenant may be a name of tenants.toml."""
    named = options.base_url or os.environ.get("FRGROUPS_BASE_URL")
    if (found := _in_config(options.tenant)) is not None:
        return found.tenant_uid, checked_base_url(options.base_url) if options.base_url else found.base_url
    return options.tenant or tenant_in_use(), checked_base_url(named) if named else None


def tenant_uid_of(name_or_uid: str | None) -> str | None:
    """The uid that --tenant means, where it may be a name of tenants.toml or a uid."""
    found = _in_config(name_or_uid)
    return name_or_uid if found is None else found.tenant_uid


def _in_config(name: str | None) -> Tenant | None:
    """The tenant of this name in tenants.toml, if there is such a file and such a name."""
    found = read_tenants().get(name) if name and config_path().exists() else None
    if isinstance(found, InputError):
        raise found
    return found


def _taken_for_uid(name_or_uid: str | None) -> str:
    if not name_or_uid or _in_config(name_or_uid) is not None:
        return ""
    there = "has no such name" if config_path().exists() else "is not there"
    return f" {name_or_uid!r} is taken for the uid of a tenant: {config_path()} {there}."


def named_tenants(options: Namespace) -> list[str]:
    """The names of tenants.toml that --all or --tenant stand for, each once; none when neither was given."""
    if options.all:
        return list(read_tenants())
    known = read_tenants() if options.tenant else {}
    names = list(dict.fromkeys(options.tenant or ()))
    for name in names:
        if name not in known:
            find_tenant(name)  # Which says what is close to it.
    return names


def tenants_asked_for(table: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """The rows of the tenant that the environment names, unless --all or --tenant were given."""
    if options.all or options.tenant or not (uid := tenant_in_use()):
        return table
    named = os.environ.get("FRGROUPS_BASE_URL")
    base_url = checked_base_url(named) if named else None
    own = table[(table["tenant_uid"] == uid) & ((base_url is None) | (table["base_url"] == base_url))]
    if own.empty:
        raise InputError(
            f"Nothing is kept of tenant {uid}, which FRGROUPS_TENANT_UID names. frgroups load, or --all."
        )
    return own.reset_index(drop=True)


def tenant_in_use() -> str | None:
    """The tenant that the environment names, if any."""
    return os.environ.get("FRGROUPS_TENANT_UID") or None


def register_of(options: Namespace) -> pd.DataFrame | None:
    """The register that --register names."""
    return None if options.register is None else read_register(options.register)


def snapshot_before(new: Snapshot, options: Namespace) -> Snapshot:
    """The older of the two snapshots to compare."""
    if options.since:
        return _kept_at(options.since, new, options)
    kept = list_snapshots(options.cache, tenant_uid=new.tenant_uid)
    older = kept[(kept["taken_at"] < new.taken_at) & (kept["base_url"] == new.base_url)]
    if older.empty:
        raise InputError(f"Only one snapshot of {new.tenant_uid} is kept; changes need two. Load again later.")
    return _kept_at(older["taken_at"].iloc[-1].to_pydatetime(), new, options)


def _kept_at(at: date | str, like: Snapshot, options: Namespace) -> Snapshot:
    where = {"tenant_uid": like.tenant_uid, "base_url": like.base_url}
    return read_snapshot(options.cache, **where, at=at, allow_older=options.allow_older)


def wanted_customers(snapshot: Snapshot, options: Namespace) -> list[str]:
    """The customers that a plan is asked for, from a list or a set of groups; tells what is not known."""
    also = list(members(snapshot, options.also)) if options.also else []
    if options.members:
        return [*members(snapshot, options.members), *also]
    ids = read_list(options.list, column=options.column, sheet=options.sheet)
    kind = options.ids or _kind_of_ids(snapshot, ids)
    table = _resolved(snapshot, ids, kind, options.list, options.directory)
    lost = table[table["outcome"] != "resolved"]
    if len(lost) == len(table) and not options.ids:
        raise InputError(
            f"None of the {pluralize(len(table), 'id')} of {options.list} is known as {kind}. Does it hold other "
            f"ids, or were leading zeros lost? If they are customers who are in no group yet, say --ids {kind}."
        )
    if kind == "customer_uid":
        found = list(table["id"])  # A customer in no group cannot be seen, and may exist all the same.
    elif len(lost) and not options.skip_unresolved:
        raise InputError(
            f"{len(lost)} of {len(table)} ids of {options.list} are not found. "
            "--directory EXPORT may know them; --skip-unresolved plans the rest."
        )
    else:
        found = list(table.loc[table["outcome"] == "resolved", "customer_uid"])
    return found + also


def held_customers(snapshot: Snapshot, uids: list[str], path: Path | None, directory: Path | None) -> list[str]:
    """
    The customers that options hold back, by uid and by a list; tells what is not known.

    A customer uid holds back whoever has it, known or not. An external id that is not known would hold nobody back,
    so it is an error.
    """
    if strangers := sorted(set(uids) - set(snapshot.customers["customer_uid"])):
        print(f"Not known, and held back all the same: {', '.join(strangers)}. Is each a customer uid?")
    if path is None:
        return uids
    ids = read_list(path)
    kind = _kind_of_ids(snapshot, ids)
    table = _resolved(snapshot, ids, kind, path, directory)
    lost = table[table["outcome"] != "resolved"]
    if ids.name == "customer_uid" or (kind == "customer_uid" and len(lost) < len(table)):
        return uids + list(table["id"])
    if len(lost):
        raise InputError(
            f"{len(lost)} of {len(table)} ids of {path} are not found, so they would hold nobody back. "
            "--directory EXPORT may know them; a column of customer uids is named customer_uid."
        )
    return uids + list(table["customer_uid"])


def _resolved(snapshot: Snapshot, ids: pd.Series, kind: str, path: Path, directory: Path | None) -> pd.DataFrame:
    """Who these ids of a list are; tells how many, and who is not known."""
    table = resolve_customers(snapshot, ids, by=kind, directory=directory)
    lost = table[table["outcome"] != "resolved"]
    print(f"{pluralize(len(table), 'customer')} from {path}, by {kind}; {len(lost):,} of them not known")
    if len(lost):
        print(readable(f"  not known: {', '.join(lost['id'].head(10))}{' ...' if len(lost) > 10 else ''}"))
    return table


def _kind_of_ids(snapshot: Snapshot, ids: pd.Series) -> str:
    """What a list holds: what its column says, else what more of it is found as."""
    if ids.name in ("customer_uid", "external_id"):
        return str(ids.name)
    known = {kind: int(ids.isin(snapshot.customers[kind]).sum()) for kind in ("customer_uid", "external_id")}
    return max(known, key=lambda kind: known[kind])


def limits_of(changed: list[tuple[str, Any]], limits: Limits) -> Limits:
    """These limits with what --limit changes, of all groups that have none of their own."""
    return Limits.from_dict(limits.to_dict() | dict(changed))


def client_of(tenant: str | None, *, writable: bool = False) -> Client:
    """A client of the tenant that --tenant names, or else the environment."""
    if tenant:
        return Client.from_config(tenant, writable=writable)
    if not tenant_in_use() and config_path().exists():
        raise InputError(
            f"Which tenant? Say --tenant with one of {', '.join(read_tenants())}, of {config_path()}; or set "
            "FRGROUPS_TENANT_UID."
        )
    return Client.from_env(writable=writable)
