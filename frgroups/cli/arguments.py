"""What several commands take: which tenant, which snapshot, which customer, how much is logged."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Protocol

from frgroups.cli.types import filled, host, moment
from frgroups.plan.limits import Limits

LIMIT_HELP = "another limit, such as removals_total=800; none = off. Names: " + ", ".join(
    one.name for one in fields(Limits) if one.name != "per_group"
)


class Add(Protocol):
    """Adds a command that runs this function and has its name; returns the parser of what it takes."""

    def __call__(
        self, run: Callable[[Namespace], int], text: str, example: str, more: str = ""
    ) -> argparse.ArgumentParser:
        """`text` is one line for the list of commands, `more` a paragraph for its own help."""
        ...


def of_tenant(parser: argparse.ArgumentParser) -> None:
    """Which tenant is reached."""
    parser.add_argument(
        "--tenant", metavar="NAME", help="a tenant by its name in tenants.toml, no uid (default: the environment's)"
    )


def of_fleet(parser: argparse.ArgumentParser) -> None:
    """Which tenants are reached: one, several or all."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every tenant of tenants.toml")
    which.add_argument(
        "--tenant",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="these tenants by their names in tenants.toml, no uids",
    )


def of_snapshot(parser: argparse.ArgumentParser, *, csv: bool = True) -> None:
    """Which kept snapshot is looked at; with `csv` where its table goes."""
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where snapshots are kept (the home)")
    parser.add_argument(
        "--tenant",
        metavar="NAME|UID",
        help="which tenant, by its name in tenants.toml or else its uid (FRGROUPS_TENANT_UID)",
    )
    parser.add_argument(
        "--base-url", type=host, metavar="URL", help="which host: stage, production or URL (FRGROUPS_BASE_URL)"
    )
    parser.add_argument(
        "--at", type=moment, metavar="DATE", help="the newest snapshot of that day or before (default: the newest)"
    )
    parser.add_argument(
        "--allow-older", action="store_true", help="set a damaged snapshot aside and take the newest good one"
    )
    if csv:
        parser.add_argument("--csv", type=Path, metavar="FILE", help="write the whole table to a CSV file")


def of_register(parser: argparse.ArgumentParser) -> None:
    """Which register of groups."""
    parser.add_argument(
        "--register", type=Path, metavar="FILE", help="CSV or Excel file with what is known of each group"
    )


def of_customer(parser: argparse.ArgumentParser) -> None:
    """Which customer, and where what is kept of them lies."""
    parser.add_argument("uid", type=filled, metavar="UID", help="uid of the customer")
    parser.add_argument(
        "--tenant",
        metavar="NAME|UID",
        help="only in this tenant, by its name in tenants.toml or else its uid (default: in all)",
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="a folder of snapshots beside the home's")
    parser.add_argument("--journal", type=Path, metavar="FOLDER", help="a folder of journals beside the home's")
    parser.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder elsewhere, such as a list",
    )
    parser.add_argument(
        "--id", dest="ids", action="append", default=[], metavar="ID", help="another id that lists may hold"
    )


def of_log(parser: argparse.ArgumentParser, **defaults: object) -> None:
    """The same before and after the name of the command; what is not given there changes nothing."""
    how = argparse.SUPPRESS
    parser.add_argument(
        "--log", choices=("text", "json"), default=defaults.get("log", how), help="log to stderr, as lines of these"
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=defaults.get("verbose", how),
        help="log more: -v work, -vv requests",
    )
