"""Decorators that add the options shared by several commands."""

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
        Folder that contains the snapshots. None selects the data folder.
    tenant
        Name of a tenant in tenants.toml, or a tenant uid. None selects the tenant in FRGROUPS_TENANT_UID.
    base_url
        Host of the tenant. None selects the host in FRGROUPS_BASE_URL.
    at
        Select the newest snapshot taken on or before this date. None selects the newest snapshot.
    allow_older
        Whether to quarantine a corrupt snapshot and select the newest valid one.
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
        Name of a tenant in tenants.toml, or a tenant uid. None selects all tenants.
    cache, journal
        Folders of snapshots and of journals to search in addition to the data folder.
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
    """Option `--limit`, whose help lists all limits with their default values."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the name and the help text of `--limit`, which lists the names and default values of the limits."""
        from frgroups.plan.limits import Limits

        record = super().get_help_record(ctx)
        if record is None:
            return None
        defaults = Limits()
        names = [field.name for field in fields(Limits) if field.name != "per_group"]
        settings = ", ".join(f"{name}={_setting_text(getattr(defaults, name))}" for name in names)
        return record[0], f"{record[1]} The default limits of a new plan are {settings}."


def _setting_text(value: object) -> str:
    return "none" if value is None else str(value)


def tenant_option(function: Function) -> Function:
    """Add the option `--tenant` to a command that connects to one tenant."""
    return click.option(
        "--tenant",
        metavar="NAME",
        help="Name of the tenant in tenants.toml (not a uid). The default is the tenant in FRGROUPS_TENANT_UID.",
    )(function)


def tenants_options(function: Function) -> Function:
    """Add the options `--all` and `--tenant` to a command that accepts several tenants."""
    all_tenants = click.option(
        "--all",
        "all_tenants",
        cls=ExclusiveOption,
        excludes=["--tenant"],
        is_flag=True,
        help="Select all tenants in tenants.toml.",
    )
    tenant = click.option(
        "--tenant",
        cls=ExclusiveListOption,
        excludes=["--all"],
        metavar="NAME...",
        help="Select the tenants with these names in tenants.toml (not uids). The default is the tenant in "
        "FRGROUPS_TENANT_UID.",
    )
    return all_tenants(tenant(function))


def cache_option(function: Function) -> Function:
    """Add the option `--cache` to a command."""
    return click.option(
        "--cache", type=FOLDER, metavar="FOLDER", help="Read snapshots from this folder instead of the data folder."
    )(function)


def journal_option(function: Function) -> Function:
    """Add the option `--journal` to a command."""
    return click.option(
        "--journal",
        type=FOLDER,
        metavar="FOLDER",
        help="Use this folder for journals and receipts instead of the data folder.",
    )(function)


def csv_option(function: Function) -> Function:
    """Add the option `--csv` to a command."""
    return click.option("--csv", type=FILE, metavar="FILE", help="Write the complete table to a CSV file.")(function)


def register_option(function: Function) -> Function:
    """Add the option `--register` to a command."""
    return click.option(
        "--register",
        type=FILE,
        metavar="FILE",
        help="CSV or Excel file with the owner, validity, limits, and other properties of each group.",
    )(function)


def limit_option(function: Function) -> Function:
    """Add the option `--limit` to a command."""
    return click.option(
        "--limit",
        "limit_settings",
        cls=LimitOption,
        type=LIMIT,
        multiple=True,
        metavar="NAME=VALUE",
        help="Change a limit, for example removals_total=800. The value none disables the limit. This option "
        "can be repeated.",
    )(function)


def snapshot_options(function: Function) -> Function:
    """
    Add the options that select a stored snapshot.

    The decorated command receives the option values as the argument `selection`, which is a SnapshotSelection object.
    """

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
            help="Name of the tenant in tenants.toml, or its uid. The default is the tenant in FRGROUPS_TENANT_UID.",
        ),
        click.option(
            "--base-url",
            type=HOST,
            metavar="URL",
            help="Host of the tenant: stage, production, or a URL. The default is the host in FRGROUPS_BASE_URL.",
        ),
        click.option(
            "--at",
            type=TIMESTAMP,
            metavar="DATE",
            help="Use the newest snapshot taken on or before this date. The default is the newest snapshot.",
        ),
        click.option(
            "--allow-older",
            is_flag=True,
            help="If a snapshot is corrupt, quarantine it and use the newest valid snapshot.",
        ),
    ]
    return _add_options(with_selection, options)


def customer_options(function: Function) -> Function:
    """
    Add the argument UID and the options that locate the stored records of a customer.

    The decorated command receives the arguments `uid` and `records`. The latter is a CustomerRecords object that
    contains the option values.
    """

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
            help="Search only the data of this tenant, given by its name in tenants.toml or by its uid. By "
            "default, all tenants are searched.",
        ),
        click.option("--cache", type=FOLDER, metavar="FOLDER", help="Also search this folder of snapshots."),
        click.option("--journal", type=FOLDER, metavar="FOLDER", help="Also search this folder of journals."),
        click.option(
            "--also",
            type=FILE,
            multiple=True,
            metavar="PATH",
            help="Also search this file or folder, for example a list of customers. This option can be repeated.",
        ),
        click.option(
            "--id",
            "ids",
            multiple=True,
            metavar="ID",
            help="Another id of the customer, which customer lists might contain. This option can be repeated.",
        ),
    ]
    return _add_options(with_records, options)


def _add_options(function: Function, options: Sequence[Callable[[Function], Function]]) -> Function:
    """Add a list of options to a command and keep the order of the options."""
    for option in reversed(options):
        function = option(function)
    return function
