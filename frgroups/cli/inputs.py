"""Read the snapshots, tenants, customers, and limits that options select."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.attribute_file import read_attributes
from frgroups.analysis.group_expressions import members
from frgroups.analysis.register import read_register
from frgroups.api.client import Client
from frgroups.api.tenants_config import Tenant, config_path, find_tenant, no_tenants_error, read_tenants
from frgroups.cli.load_hint import load_hint
from frgroups.cli.options import SnapshotSelection
from frgroups.cli.output import print_message
from frgroups.errors import InputError, SnapshotNotFoundError, UsageError
from frgroups.internals.base_urls import checked_base_url
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.id_parts import hide_words
from frgroups.internals.redaction import repr_id
from frgroups.internals.spreadsheets import Table, normalize_column_name, read_table
from frgroups.load.tenant_status import never_loaded_status
from frgroups.plan.customer_origin import CustomerOrigin, list_origin
from frgroups.plan.limits import Limits
from frgroups.plan.list_resolution import list_id_type, resolve_listed_ids
from frgroups.plan.suppression_list import entry_table
from frgroups.snapshot.customer_lists import listed_ids, read_listed_ids
from frgroups.snapshot.id_formats import ListedIds
from frgroups.snapshot.id_resolution import Directory, describe_ambiguous_ids
from frgroups.snapshot.similar_ids import find_similar_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import is_known
from frgroups.store.retention import is_from_host, list_snapshots
from frgroups.store.snapshot_store import read_snapshot

# Maximum number of ids to print in a message, for example about ambiguous ids.
MAX_LISTED_IDS = 10


def read_selected_snapshot(selection: SnapshotSelection) -> Snapshot:
    """Return the stored snapshot that the options or, if no options are given, the environment variables select."""
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
        cli_hint = error.cli_hint
        if error.should_load:
            cli_hint = load_hint(selection.tenant, environment_tenant_uid(), selection.cache)
        raise SnapshotNotFoundError(message, hint=error.hint, cli_hint=cli_hint) from error


def read_previous_snapshot(new: Snapshot, since: str | None, selection: SnapshotSelection) -> Snapshot:
    """
    Return the older stored snapshot with which a command compares a newer snapshot.

    The parameters are those of `find_previous_snapshot`. Raise InputError if no older snapshot is stored.
    """
    older = find_previous_snapshot(new, since, selection)
    if older is None:
        raise InputError(
            f"No older snapshot of {new.tenant_uid} is stored. A comparison needs two snapshots. Load the tenant "
            "again later."
        )
    return older


def find_previous_snapshot(
    new: Snapshot, since: str | None, selection: SnapshotSelection, *, min_age: timedelta = timedelta(0)
) -> Snapshot | None:
    """
    Return the older stored snapshot with which a command compares a newer snapshot, or None if there is none.

    Parameters
    ----------
    new
        The newer snapshot.
    since
        Date. The newest snapshot taken on or before this date is returned. If None, `min_age` selects the snapshot.
    selection
        Options that select the folder of the snapshots.
    min_age
        Minimum age difference between the two snapshots. The newest snapshot that is at least this much older than
        `new` is returned. If no snapshot is old enough, the oldest snapshot is returned.
    """
    if since:
        return _read_snapshot_at(since, new, selection)
    stored = list_snapshots(selection.cache, tenant_uid=new.tenant_uid)
    older = stored[(stored["taken_at"] < new.taken_at) & is_from_host(stored, new.base_url)]
    if older.empty:
        return None
    times = older["taken_at"]
    old_enough = times[times <= new.taken_at - min_age]
    time = times.iloc[0] if old_enough.empty else old_enough.iloc[-1]
    return _read_snapshot_at(time.to_pydatetime(), new, selection)


def _read_snapshot_at(at: date | str, new: Snapshot, selection: SnapshotSelection) -> Snapshot:
    return read_snapshot(
        selection.cache,
        tenant_uid=new.tenant_uid,
        base_url=new.base_url,
        at=at,
        allow_older=selection.allow_older,
    )


def _tenant_and_host(selection: SnapshotSelection) -> tuple[str | None, str | None]:
    """
    Return the tenant uid and the host from the options or, if no options are given, from the environment variables.

    The tenant uid or the host is None if it is not set.
    """
    tenant = _configured_tenant(selection.tenant)
    if tenant is None:
        return selection.tenant or environment_tenant_uid(), _checked(selection.base_url or _environment_host())
    return tenant.tenant_uid, _checked(selection.base_url) or tenant.base_url


def _environment_host() -> str | None:
    return os.environ.get("FRGROUPS_BASE_URL")


def _checked(host: str | None) -> str | None:
    return checked_base_url(host) if host else None


def check_tenant_exists(name_or_uid: str, cache: Path | None) -> None:
    """
    Raise SnapshotNotFoundError if the argument is neither a tenant name nor the uid of a tenant with snapshots.

    `cache` is the folder of the snapshots. None selects the data folder.
    """
    note = _unknown_name_note(name_or_uid)
    if note and list_snapshots(cache, tenant_uid=name_or_uid).empty:
        raise SnapshotNotFoundError(
            f"No snapshot of tenant {name_or_uid} is stored.{note}",
            cli_hint="Pass the name of a tenant in tenants.toml, or a tenant uid.",
        )


def _configured_tenant(name: str | None) -> Tenant | None:
    """Return the tenant with this name in tenants.toml, or None if the file does not define it."""
    if not name or not config_path().exists():
        return None
    tenant = read_tenants().get(name)
    if isinstance(tenant, InputError):
        raise tenant
    return tenant


def _unknown_name_note(name_or_uid: str | None) -> str:
    if not name_or_uid or _configured_tenant(name_or_uid) is not None:
        return ""
    path = config_path()
    if path.exists():
        return (
            f" {name_or_uid!r} was interpreted as a tenant uid, because {path} does not define a tenant of this name."
        )
    return f" {name_or_uid!r} was interpreted as a tenant uid, because {path} does not exist."


def tenant_and_host(name_or_uid: str | None) -> tuple[str | None, str | None]:
    """
    Return the uid and the host of a tenant that is given by its name in tenants.toml or by its uid.

    If the argument is None, the tenant in FRGROUPS_TENANT_UID is used. The uid or the host is None if it is not set.
    """
    tenant = _configured_tenant(name_or_uid)
    if tenant is not None:
        return tenant.tenant_uid, tenant.base_url
    if name_or_uid:
        return name_or_uid, None
    uid = environment_tenant_uid()
    return uid, _checked(_environment_host()) if uid else None


def selected_tenant_names(all_tenants: bool, tenants: Sequence[str]) -> list[str]:
    """Return the tenant names that `--all` or `--tenant` selects, or [] if neither option is used."""
    if all_tenants:
        names = list(read_tenants())
        if not names:
            raise no_tenants_error()
        return names
    if not tenants:
        return []
    if not config_path().exists():
        find_tenant(tenants[0])  # This call raises an error that explains how to create tenants.toml.
    configured = read_tenants()
    names = list(dict.fromkeys(tenants))
    for name in names:
        if name not in configured:
            find_tenant(name)  # This call raises an error that suggests similar names.
    return names


def select_status_rows(table: pd.DataFrame, all_tenants: bool, tenants: Sequence[str]) -> pd.DataFrame:
    """
    Return the status rows of the tenant in FRGROUPS_TENANT_UID.

    The function returns all rows if `--all` or `--tenant` is given, or if the variable is not set. If no snapshot of
    the tenant is stored, the problem in the returned row is "never loaded".
    """
    uid = environment_tenant_uid()
    if all_tenants or tenants or not uid:
        return table
    rows = table["tenant_uid"] == uid
    base_url = _checked(_environment_host())
    if base_url is not None:
        rows &= is_from_host(table, base_url)
    if not rows.any():
        return never_loaded_status(uid, base_url)
    return table[rows].reset_index(drop=True)


def environment_tenant_uid() -> str | None:
    """Return the tenant uid in FRGROUPS_TENANT_UID, or None if the variable is not set or blank."""
    return os.environ.get("FRGROUPS_TENANT_UID", "").strip() or None


def read_optional_register(path: Path | None) -> pd.DataFrame | None:
    """Return the group register in a file, or None if no file is given."""
    return None if path is None else read_register(path)


def read_optional_attributes(path: Path | None) -> pd.DataFrame | None:
    """Return the additional attributes of customers in a file, or None if no file is given."""
    return None if path is None else read_attributes(path)


def unique_pairs(pairs: Iterable[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Return the (name, value) pairs of an option as a dictionary. Raise UsageError if a name occurs twice."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise UsageError(f"{option} contains {name!r} twice. Pass each name once.")
        values[name] = value
    return values


@dataclass(frozen=True, eq=False)
class DesiredCustomers:
    """Customers that options select, by uid, and the lists and group expressions that contain these customers."""

    uids: list[str]
    origins: tuple[CustomerOrigin, ...]


def desired_customers(
    snapshot: Snapshot,
    *,
    path: Path | None,
    expression: str | None,
    also: str | None = None,
    id_type: str | None = None,
    column: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    groups: Collection[str] | None = None,
    directory: Directory | None = None,
    skip_unresolved: bool = False,
    allow_similar_ids: bool = False,
    adds: bool = True,
) -> DesiredCustomers:
    """
    Return the customers in a list or a group expression, and print the ids in the list that are unknown.

    Parameters
    ----------
    path, expression
        The list or the group expression. One of them is required.
    also
        Another group expression, whose members are added to the result.
    id_type
        "customer_uid" or "external_id". None detects the type from the list.
    column, sheet, header_row
        Column and sheet that contain the ids, and the number of the header row.
    groups
        The uid and the name of the group that the list must belong to. None accepts a list for any group.
    directory
        Customer export that maps further external ids to customer uids.
    skip_unresolved
        Whether to omit unknown external ids. By default, unknown external ids raise InputError.
    allow_similar_ids
        Whether unknown ids may be similar to ids of known customers. By default, such similar ids raise InputError.
    adds
        Whether the plan can add the customers to a group.
    """
    others = _selected_members(snapshot, also)
    if expression:
        return _joined(_selected_members(snapshot, expression), others)
    if path is None:
        raise InputError("Pass a list of customers or a group expression.")
    uids, listed = _resolve_desired_list(
        snapshot,
        path,
        id_type=id_type,
        column=column,
        sheet=sheet,
        header_row=header_row,
        directory=directory,
        skip_unresolved=skip_unresolved,
        allow_similar_ids=allow_similar_ids,
        adds=adds,
        groups=groups,
    )
    origin = list_origin(path, n_customers=len(set(uids)), n_rows=listed.n_rows, unused_columns=listed.unused_columns)
    return _joined(DesiredCustomers(uids, (origin,)), others)


def _joined(first: DesiredCustomers, others: DesiredCustomers) -> DesiredCustomers:
    return DesiredCustomers([*first.uids, *others.uids], (*first.origins, *others.origins))


def _selected_members(snapshot: Snapshot, expression: str | None) -> DesiredCustomers:
    if not expression:
        return DesiredCustomers([], ())
    uids = list(members(snapshot, expression))
    return DesiredCustomers(uids, (CustomerOrigin("expression", expression, len(uids)),))


def _resolve_desired_list(
    snapshot: Snapshot,
    path: Path,
    *,
    id_type: str | None,
    column: str | None,
    sheet: str | None,
    header_row: int | None,
    directory: Directory | None,
    skip_unresolved: bool,
    allow_similar_ids: bool,
    adds: bool,
    groups: Collection[str] | None,
) -> tuple[list[str], ListedIds]:
    """Print the unknown ids in a list, and return the customer uids and the ids as the list contains them."""
    listed = read_listed_ids(path, column, sheet=sheet, header_row=header_row, snapshot=snapshot, groups=groups)
    kind = id_type or list_id_type(snapshot, listed)
    table = _resolve_list(
        snapshot, listed, kind, directory, allow_similar_ids=allow_similar_ids, allow_unknown=allow_similar_ids
    )
    unresolved = table[table["outcome"] != "resolved"]
    similar = find_similar_ids(snapshot.customers, list(unresolved["id"]), kind) if allow_similar_ids else {}
    if kind == "customer_uid":
        # Keep unknown customer uids.
        # They can belong to customers who are in no group and are therefore not in the snapshot.
        if len(unresolved) and adds:
            print_message(
                "  The plan adds these customers, but they might not exist. Check the ids. A snapshot does not "
                "contain customers who are in no group."
            )
        if similar and adds:
            print_message(
                f"  {len(similar):,} of them {agree(len(similar), 'is', 'are')} similar to ids of known customers. "
                "Because of --allow-similar-ids, the plan treats them as different customers."
            )
        return list(table["id"]), listed
    # Reject a list in which no id was resolved even with `skip_unresolved`, because a plan that mirrors the list
    # would remove all members of the group.
    if len(unresolved) and (not skip_unresolved or len(unresolved) == len(table)):
        actions = _actions_for_unresolved(listed, table)
        skip = " To skip these ids, pass --skip-unresolved." if len(unresolved) < len(table) else ""
        raise InputError(f"{len(unresolved)} of {len(table)} ids in {path} were not resolved. {actions}{skip}")
    return list(table.loc[table["outcome"] == "resolved", "customer_uid"]), listed


def excluded_customers(
    snapshot: Snapshot,
    uids: Sequence[str],
    path: Path | None,
    directory: Directory | None,
    *,
    allow_similar_ids: bool = False,
) -> list[str]:
    """
    Return the uids of the customers who are excluded by uid or by a list, and print the unknown ids.

    Unknown customer uids are excluded too. An unknown external id raises InputError, because it would not exclude
    any customer.
    """
    distinct = pd.Series(sorted(set(uids)), dtype="str")
    unknown_uids = distinct[~is_known(distinct, snapshot.customers["customer_uid"])]
    if len(unknown_uids):
        shown = format_list([repr_id(hide_words(uid)) for uid in unknown_uids], MAX_LISTED_IDS)
        print_message(
            f"These customer uids are not in the snapshot: {shown}. "
            "These customers are protected anyway. Check the spelling of the uids."
        )
    if path is None:
        return list(uids)
    rows = read_table(path, None)
    return [*uids, *_listed_customers(snapshot, rows, directory, allow_similar_ids=allow_similar_ids)]


def _listed_customers(
    snapshot: Snapshot, rows: Table, directory: Directory | None, *, allow_similar_ids: bool
) -> list[str]:
    """Return the uids of the customers in a list. Unknown ids are handled as in `excluded_customers`."""
    # Allow several groups, because a suppression list can contain entries for several groups. Other lists cannot.
    listed = listed_ids(rows, snapshot=snapshot, allows_several_groups=True)
    kind = list_id_type(snapshot, listed)
    # Accept a list in which no id is known, because customers who are in no group are not in the snapshot.
    table = _resolve_list(snapshot, listed, kind, directory, allow_similar_ids=allow_similar_ids, allow_unknown=True)
    unresolved = table[table["outcome"] != "resolved"]
    has_uid_name = normalize_column_name(str(listed.ids.name)) == normalize_column_name("customer_uid")
    if has_uid_name or (kind == "customer_uid" and len(unresolved) < len(table)):
        return list(table["id"])
    if len(unresolved):
        raise InputError(
            f"{len(unresolved)} of {len(table)} ids in {rows.source} were not resolved, so these customers would not "
            f"be excluded. {_actions_for_unresolved(listed, table)} If the list contains customer uids, name the "
            "column customer_uid."
        )
    return list(table["customer_uid"])


def given_suppressions(
    snapshot: Snapshot, path: Path | None, directory: Directory | None, *, allow_similar_ids: bool = False
) -> list[str] | pd.DataFrame:
    """
    Return the customers or the entries in the `--suppression-list` file.

    Entries are returned if the file contains groups, end dates, or holdouts. Otherwise, customer uids are returned.

    The ids in the file are checked and reported as in `excluded_customers`.
    """
    if path is None:
        return []
    rows = read_table(path, None)
    uids = _listed_customers(snapshot, rows, directory, allow_similar_ids=allow_similar_ids)
    entries = entry_table(rows)
    return uids if entries is None else entries


def _actions_for_unresolved(listed: ListedIds, table: pd.DataFrame) -> str:
    """Return sentences that state how to resolve the unknown and ambiguous ids in the result of `_resolve_list`."""
    sentences = []
    if (table["outcome"] == "unknown").any():
        sentences.append("To find unknown ids, pass a customer export with --directory.")
    ambiguous = list(table.loc[table["outcome"] == "ambiguous", "id"])
    if ambiguous:
        belong = agree(len(ambiguous), "does", "do")
        sentences.append(
            f"{listed.source}, {listed.describe_rows(ambiguous)} {belong} not belong to exactly one customer. Pass "
            "a --directory that contains each of these ids for only one customer, or replace the external ids in the "
            "list with the customer uids."
        )
    return " ".join(sentences)


def _resolve_list(
    snapshot: Snapshot,
    listed: ListedIds,
    kind: str,
    directory: Directory | None,
    *,
    allow_similar_ids: bool,
    allow_unknown: bool,
) -> pd.DataFrame:
    """
    Look up the customer ids in a list, and print the number of unknown and ambiguous ids with a few examples.

    If `allow_unknown` is False, a list without known ids raises ListError.
    """
    table = resolve_listed_ids(
        snapshot, listed, kind, directory, allow_similar_ids=allow_similar_ids, allow_unknown=allow_unknown
    )
    unknown_ids = table.loc[table["outcome"] == "unknown", "id"]
    ambiguous = list(table.loc[table["outcome"] == "ambiguous", "id"].head(MAX_LISTED_IDS))
    noun = kind.replace("_", " ") + agree(len(table), "", "s")
    print_message(f"{len(table):,} {noun} read from {listed.place}.")
    if listed.n_rows > len(table):
        n_repeated = listed.n_rows - len(table)
        repeated = agree(n_repeated, "repeats an id", "repeat ids")
        print_message(f"  {n_repeated:,} of {pluralize(listed.n_rows, 'row')} {repeated} of other rows.")
    if listed.unused_columns:
        print_message(f"  Columns not used: {format_list(listed.unused_columns, MAX_LISTED_IDS)}.")
    if len(unknown_ids):
        verb = agree(len(unknown_ids), "is", "are")
        state = f"{verb} not in the snapshot" if kind == "customer_uid" else f"{verb} unknown"
        print_message(f"  {len(unknown_ids):,} of them {state}: {listed.describe_rows(unknown_ids)}.")
    sentences = describe_ambiguous_ids(snapshot, ambiguous, by=kind, directory=directory)
    for ambiguous_id, sentence in zip(ambiguous, sentences, strict=True):
        print_message(f"  Row {listed.rows[ambiguous_id]}: {sentence}")
    return table


def override_limits(settings: Sequence[tuple[str, Any]], limits: Limits) -> Limits:
    """Return the limits with the changes from `--limit`. Limits for individual groups do not change."""
    return Limits.from_dict(limits.to_dict() | dict(settings))


def open_client(tenant: str | None, *, writable: bool = False) -> Client:
    """Return a client for the tenant that `--tenant` or the environment variable FRGROUPS_TENANT_UID selects."""
    if tenant:
        return Client.from_config(tenant, writable=writable)
    return Client.from_env(writable=writable)
