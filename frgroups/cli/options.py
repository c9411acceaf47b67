"""Decorators that add the options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from frgroups.cli.command import ExclusiveListOption, ExclusiveOption, SectionOption
from frgroups.cli.output import JSON
from frgroups.cli.types import FILE, FOLDER, HOST, LIMIT, NONEMPTY_TEXT, PAIR, TIMESTAMP

Function = Callable[..., int]

# Help text for the argument PLAN.
PLAN_ARGUMENT = "PLAN is the path of a plan, or at least the first 8 characters of its digest."

# Description of each limit in the help of `--limit`.
# A line of the help page has at most 80 characters, so the descriptions must be short.
LIMIT_HELP = {
    "removals_per_group": "maximum number of removals from one group",
    "removal_share": "maximum share of a group's members to remove",
    "removal_floor": "removals from one group that are always allowed",
    "removals_per_day": "maximum number of removals per group in 24 hours",
    "removals_total": "maximum number of removals from all groups together",
    "removal_share_total": "maximum share of the memberships to remove",
    "removal_floor_total": "removals from all groups that are always allowed",
    "emptied_groups": "maximum number of groups that lose all members",
    "additions_per_group": "maximum number of additions to one group",
    "additions_total": "maximum number of additions to all groups together",
    "drift_share": "maximum share of members that others changed",
    "drift_floor": "changes by others that are always allowed",
    "snapshot_max_age": "maximum age of the snapshot when a plan is created",
    "plan_max_age": "maximum age of the plan when it is applied",
}


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
        Date. The newest snapshot taken on or before this date is selected. None selects the newest snapshot.
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
        Other ids of the customer. Lists might contain these ids instead of the uid.
    """

    tenant: str | None
    cache: Path | None
    journal: Path | None
    also: tuple[Path, ...]
    ids: tuple[str, ...]


class LimitOption(SectionOption):
    """Option `--limit`, which adds a list of all limits with their default values to the help page."""

    def help_section(self) -> tuple[str, str]:
        """Return the heading of the list, and the list with one limit per line."""
        from frgroups.plan.limits import Limits

        defaults = Limits()
        settings = {f"{name}={_setting_text(getattr(defaults, name))}": text for name, text in LIMIT_HELP.items()}
        width = max(map(len, settings))
        lines = [f"{setting:<{width}}  {text}" for setting, text in settings.items()]
        return "Limits (with the default values of a new plan)", "\n".join(lines)


def _setting_text(value: object) -> str:
    return "none" if value is None else str(value)


def tenant_option(function: Function) -> Function:
    """Add the option `--tenant` to a command that connects to one tenant."""
    return click.option(
        "--tenant",
        metavar="NAME",
        help="Name of the tenant in tenants.toml (not a uid). The default is the tenant in FRGROUPS_TENANT_UID.",
    )(function)


def tenant_or_uid_option(function: Function) -> Function:
    """Add the option `--tenant` to a command that reads stored files of one tenant or of all tenants."""
    return click.option(
        "--tenant",
        metavar="NAME|UID",
        help="Name of the tenant in tenants.toml, or its uid. By default, the tenant in FRGROUPS_TENANT_UID, or all "
        "tenants.",
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


def exclusive_flag(flag: str, excludes: Sequence[str], help_text: str) -> Callable[[Function], Function]:
    """Return a decorator that adds a flag. The flag cannot be combined with the options in `excludes`."""
    return click.option(flag, cls=ExclusiveOption, excludes=excludes, is_flag=True, help=help_text)


def table_file_options(function: Function) -> Function:
    """Add the options `--csv` and `--xlsx`, which write a table to a file, to a command."""
    csv = _table_file_option("--csv", ["--xlsx", "--json"], "a CSV file")
    xlsx = _table_file_option("--xlsx", ["--csv", "--json"], "an Excel file")
    return csv(xlsx(function))


def _table_file_option(flag: str, excludes: list[str], target: str) -> Callable[[Function], Function]:
    options: dict[str, Any] = {"cls": ExclusiveOption, "excludes": excludes, "type": FILE, "metavar": "FILE"}
    return click.option(flag, **options, help=f"Also write the complete table to {target}.")


def json_option(help_text: str) -> Callable[[Function], Function]:
    """
    Return a decorator that adds the option `--json` to a command.

    The decorated command receives the argument `as_json`. With `--json`, the command prints its result with
    `print_json_line`, and `print_message` prints to stderr.
    """
    return click.option("--json", "as_json", is_flag=True, callback=_store_json, help=help_text)


def _store_json(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    if value:
        ctx.meta[JSON] = True
    return value


def register_option(*, required: bool = False) -> Callable[[Function], Function]:
    """Return a decorator that adds the option `--register` to a command."""
    return click.option(
        "--register",
        required=required,
        type=FILE,
        metavar="FILE",
        help="CSV or Excel file with the owner, validity, and other properties of each group.",
    )


def attribute_file_option(function: Function) -> Function:
    """Add the option `--attribute-file` to a command that evaluates rules."""
    return click.option(
        "--attribute-file",
        type=FILE,
        metavar="FILE",
        help="Parquet, CSV, or Excel file with additional attributes for rules. It must have a column "
        "customer_uid and one row per customer.",
    )(function)


def consent_option(function: Function) -> Function:
    """Add the option `--consent` to a command that uses the customers' consents to communication channels."""
    return click.option(
        "--consent",
        multiple=True,
        type=PAIR,
        metavar="CHANNEL=CONSENT",
        help="Uid or name of the consent for a channel, for example mobile=SMS. By default, the consent whose "
        "name matches the channel is used, if there is only one. This option can be repeated.",
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
        help="Change a limit, for example removals_total=800. The value none disables it. This option can be "
        "repeated. The limits are listed below.",
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


def customer_options(*, also: str) -> Callable[[Function], Function]:
    """
    Return a decorator that adds the argument UID and the options that locate the stored records of a customer.

    The decorated command receives the arguments `uid` and `records`. The latter is a CustomerRecords object that
    contains the option values.

    Parameters
    ----------
    also
        Help of the option `--also`, which depends on whether the command changes the files.
    """
    options = [
        click.argument("uid", type=NONEMPTY_TEXT),
        click.option(
            "--tenant",
            metavar="NAME|UID",
            help="Search only the data of this tenant and files without a tenant. A name in tenants.toml selects the "
            "tenant at its host, and a uid selects the tenant at all hosts. By default, all tenants and hosts are "
            "searched.",
        ),
        click.option("--cache", type=FOLDER, metavar="FOLDER", help="Also search the snapshots in this folder."),
        click.option("--journal", type=FOLDER, metavar="FOLDER", help="Also search the journals in this folder."),
        click.option("--also", type=FILE, multiple=True, metavar="PATH", help=also),
        click.option(
            "--id",
            "ids",
            multiple=True,
            metavar="ID",
            help="Another id of the customer, which customer lists might contain. This option can be repeated.",
        ),
    ]

    def decorate(function: Function) -> Function:
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

        return _add_options(with_records, options)

    return decorate


def _add_options(function: Function, options: Sequence[Callable[[Function], Function]]) -> Function:
    """Add a list of options to a command and keep the order of the options."""
    for option in reversed(options):
        function = option(function)
    return function
