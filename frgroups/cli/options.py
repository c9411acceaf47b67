"""Options that several commands share, as decorators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from frgroups.cli.command import ExclusiveListOption, ExclusiveOption
from frgroups.cli.types import FILE, FOLDER, HOST, LIMIT, NONEMPTY_TEXT, TIMESTAMP

Function = Callable[..., int]


@dataclass(frozen=True, slots=True)
class SnapshotSelection:
    """
    Values of the options that select a stored snapshot.

    Attributes
    ----------
    cache
        Folder of the snapshots; None for the data folder.
    tenant
        Name of a tenant in tenants.toml, or a tenant uid; None for the tenant of the environment.
    base_url
        Host of the tenant; None for the host of the environment.
    at
        Select the newest snapshot of this day or before; None for the newest snapshot.
    allow_older
        Quarantine a corrupt snapshot and select the newest valid one.
    """

    cache: Path | None
    tenant: str | None
    base_url: str | None
    at: str | None
    allow_older: bool


@dataclass(frozen=True, slots=True)
class CustomerRecords:
    """
    Values of the options that locate the stored records of a customer.

    Attributes
    ----------
    tenant
        Name of a tenant in tenants.toml, or a tenant uid; None for all tenants.
    cache, journal
        Folders of snapshots and of journals, in addition to those of the data folder.
    also
        Other files and folders to search.
    ids
        Other ids of the customer that lists might contain.
    """

    tenant: str | None
    cache: Path | None
    journal: Path | None
    also: tuple[Path, ...]
    ids: tuple[str, ...]


class LimitOption(click.Option):
    """Option `--limit`, whose help page lists the names of the limits."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help text."""
        from frgroups.plan.limits import Limits

        record = super().get_help_record(ctx)
        if record is None:
            return None
        names = ", ".join(field.name for field in fields(Limits) if field.name != "per_group")
        return record[0], f"{record[1]} Names: {names}."


def tenant_option(function: Function) -> Function:
    """Add `--tenant` to a command that connects to one tenant."""
    return click.option(
        "--tenant",
        metavar="NAME",
        help="Connect to the tenant with this name in tenants.toml, no uid. By default, the environment names the "
        "tenant.",
    )(function)


def tenants_options(function: Function) -> Function:
    """Add `--all` and `--tenant` to a command for one tenant, several tenants or all tenants."""
    all_tenants = click.option(
        "--all",
        "all_tenants",
        cls=ExclusiveOption,
        excludes=["--tenant"],
        is_flag=True,
        help="Use every tenant of tenants.toml.",
    )
    tenant = click.option(
        "--tenant",
        cls=ExclusiveListOption,
        excludes=["--all"],
        metavar="NAME...",
        help="Use the tenants with these names in tenants.toml, no uids.",
    )
    return all_tenants(tenant(function))


def cache_option(function: Function) -> Function:
    """Add `--cache`."""
    return click.option(
        "--cache", type=FOLDER, metavar="FOLDER", help="Folder of the snapshots. By default, the data folder."
    )(function)


def journal_option(function: Function) -> Function:
    """Add `--journal`."""
    return click.option(
        "--journal",
        type=FOLDER,
        metavar="FOLDER",
        help="Folder of the journals and receipts. By default, the data folder.",
    )(function)


def csv_option(function: Function) -> Function:
    """Add `--csv`."""
    return click.option("--csv", type=FILE, metavar="FILE", help="Write the whole table to a CSV file.")(function)


def register_option(function: Function) -> Function:
    """Add `--register`."""
    return click.option("--register", type=FILE, metavar="FILE", help="CSV or Excel file that describes the groups.")(
        function
    )


def limit_option(function: Function) -> Function:
    """Add `--limit`."""
    return click.option(
        "--limit",
        "limit_settings",
        cls=LimitOption,
        type=LIMIT,
        multiple=True,
        metavar="NAME=VALUE",
        help="Change a limit, for example removals_total=800; none disables it.",
    )(function)


def snapshot_options(function: Function) -> Function:
    """Add the options that select a stored snapshot; the command receives them as `selection`."""

    @wraps(function)
    def with_selection(
        *,
        cache: Path | None,
        tenant: str | None,
        base_url: str | None,
        at: str | None,
        allow_older: bool,
        **others: Any,
    ) -> int:
        return function(selection=SnapshotSelection(cache, tenant, base_url, at, allow_older), **others)

    options: list[Callable[[Function], Function]] = [
        cache_option,
        click.option(
            "--tenant",
            metavar="NAME|UID",
            help="Tenant, by its name in tenants.toml or else its uid. By default, FRGROUPS_TENANT_UID.",
        ),
        click.option(
            "--base-url",
            type=HOST,
            metavar="URL",
            help="Host: stage, production or a URL. By default, FRGROUPS_BASE_URL.",
        ),
        click.option(
            "--at",
            type=TIMESTAMP,
            metavar="DATE",
            help="Use the newest snapshot of this day or before. By default, the newest snapshot.",
        ),
        click.option(
            "--allow-older",
            is_flag=True,
            help="Quarantine a corrupt snapshot and use the newest valid one.",
        ),
    ]
    return _add_options(with_selection, options)


def customer_options(function: Function) -> Function:
    """Add the customer's uid and the options that locate records; the command receives `uid` and `records`."""

    @wraps(function)
    def with_records(
        *,
        tenant: str | None,
        cache: Path | None,
        journal: Path | None,
        also: tuple[Path, ...],
        ids: tuple[str, ...],
        **others: Any,
    ) -> int:
        return function(records=CustomerRecords(tenant, cache, journal, also, ids), **others)

    options = [
        click.argument("uid", type=NONEMPTY_TEXT),
        click.option(
            "--tenant",
            metavar="NAME|UID",
            help="Only this tenant, by its name in tenants.toml or else its uid. By default, all tenants.",
        ),
        click.option("--cache", type=FOLDER, metavar="FOLDER", help="Search this folder of snapshots too."),
        click.option("--journal", type=FOLDER, metavar="FOLDER", help="Search this folder of journals too."),
        click.option(
            "--also",
            type=FILE,
            multiple=True,
            metavar="PATH",
            help="Search this file or folder too, for example a list of customers.",
        ),
        click.option("--id", "ids", multiple=True, metavar="ID", help="Another id that lists might contain."),
    ]
    return _add_options(with_records, options)


def _add_options(function: Function, options: Sequence[Callable[[Function], Function]]) -> Function:
    """Add options in the order of the list."""
    for option in reversed(options):
        function = option(function)
    return function
