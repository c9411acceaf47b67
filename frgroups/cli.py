"""`frgroups ...`: the functions of the package from a terminal, with exit codes that scripts can trust."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from textwrap import fill
from typing import NoReturn

from frgroups import commands
from frgroups.advice import spoken_by
from frgroups.commands import applying, customer, fleet, whereabouts
from frgroups.commands.words import (
    at_least,
    duration,
    filled,
    host,
    limit,
    moment,
    more_than_none,
    readable,
    speaker_of,
)
from frgroups.errors import FrgroupsError
from frgroups.exits import EXIT_CODES, code_of
from frgroups.limits import Limits
from frgroups.logs import logged_to_stderr
from frgroups.plan import MODES

_ENVIRONMENT = """\
where to connect:
  FRGROUPS_TENANT_UID   uid of the tenant
  FRGROUPS_TOKEN        access, auth or integration token
  FRGROUPS_BASE_URL     stage (default) | production | URL
  FRGROUPS_HOME         folder for snapshots, plans and journals
or --tenant NAME, a table of tenants.toml in that folder, which may have one for each of many tenants;
commands that only look at what is kept take the uid of a tenant too"""

# Those of the sandbox, which is an extra and not imported for its limits.
FEWEST_CUSTOMERS, FEWEST_GROUPS = 50, 8

_LIMIT_HELP = "another limit, such as removals_total=800; none = off. Names: " + ", ".join(
    one.name for one in fields(Limits) if one.name != "per_group"
)

_WALK = """\
the usual way:
  frgroups doctor                                       am I connected, and where?
  frgroups load                                         read the tenant, keep a snapshot
  frgroups sizes; frgroups overlap; frgroups health     look at it
  frgroups plan --group vip --list vip.csv              what it would take; sends nothing
  frgroups show PLAN                                    read it; mail the review page
  frgroups approve PLAN --by NAME                       a colleague agrees
  frgroups apply PLAN --approve APPROVAL                send exactly that
  frgroups undo RECEIPT                                 a plan that takes it back
  frgroups who UID                                      the groups of a customer, and why

many tenants:
  frgroups load --all --jobs 4 --json                   every one of tenants.toml
  frgroups status --all --html status.html              how old, how sure, how large

try all of it on made-up data:  frgroups demo"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n{self.prog} --help tells more.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    with spoken_by(speaker_of(options)):
        return _done(options)


def _done(options: argparse.Namespace) -> int:
    try:
        with _log(options):
            return int(options.run(options) or 0)
    except FrgroupsError as error:
        print(f"frgroups {options.command}: {readable(error)}", file=sys.stderr)
        return code_of(error)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        print(f"frgroups {options.command}: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = " The same command again goes on, or tells what was done." if options.command == "apply" else ""
        print(f"frgroups {options.command}: interrupted.{again}", file=sys.stderr)
        return 1


def _log(options: argparse.Namespace) -> AbstractContextManager[None]:
    """What is logged goes to stderr: warnings, unless --log or -v ask for more."""
    level = "DEBUG" if options.verbose > 1 else "INFO" if options.verbose or options.log else "WARNING"
    tenant = getattr(options, "tenant", None)
    if isinstance(tenant, list):
        tenant = tenant[0] if len(tenant) == 1 else None
    return logged_to_stderr(options.log or "text", level, **({"tenant": tenant} if tenant else {}))


def _parser() -> argparse.ArgumentParser:
    codes = "exit codes:\n" + "\n".join(f"  {code:<3} {told}" for code, told in EXIT_CODES.items())
    parser = _Parser(
        prog="frgroups",
        description="Load, analyse and safely change the customer groups of a Flow Retail tenant.",
        epilog="\n\n".join([_WALK, _ENVIRONMENT, codes]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=commands.version_line())
    _of_log(parser, log=None, verbose=0)
    several = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, example: str, more: str = "") -> argparse.ArgumentParser:
        one = several.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  {example}" + (f"\n\n{fill(more, 100)}" if more else ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        function = name.replace("-", "_")
        several_files = (applying, fleet, customer, whereabouts, commands)
        one.set_defaults(run=next(getattr(file, function) for file in several_files if hasattr(file, function)))
        _of_log(one)
        return one

    demo = add("demo", "the whole way once, on made-up data in a local tenant", "frgroups demo")
    customers, groups = at_least(FEWEST_CUSTOMERS), at_least(FEWEST_GROUPS)
    demo.add_argument("--customers", type=customers, default=20_000, metavar="N", help="customers (20000)")

    doctor = add("doctor", "am I connected, where, as what, may I write, and how does it page", "frgroups doctor")
    _of_tenant(doctor)
    doctor.add_argument(
        "--probe-writes",
        action="store_true",
        help="on stage or a sandbox: try what writes do, on a group made for it and deleted; apply goes by that",
    )

    sandbox = add("sandbox", "a local tenant that speaks the API, until Ctrl-C", "frgroups sandbox --customers 2000")
    sandbox.add_argument("--path", type=Path, metavar="FILE", help="SQLite file that keeps its state (temporary)")
    sandbox.add_argument("--port", type=at_least(0, 65535), default=8020, help="port on 127.0.0.1 (8020)")
    sandbox.add_argument("--customers", type=customers, default=20_000, metavar="N", help="customers (20000)")
    sandbox.add_argument("--groups", type=groups, default=60, metavar="N", help="groups (60)")
    sandbox.add_argument("--seed", type=int, default=1, help="other seeds make other tenants (1)")
    sandbox.add_argument("--days-ago", type=at_least(0.0), default=0, metavar="N", help="start in the past (0)")
    sandbox.add_argument(
        "--latency", type=at_least(0.0), default=0.0, metavar="SECONDS", help="delay of each answer (0)"
    )

    notebooks = add("notebooks", "JupyterLab on the notebooks, with a sandbox running", "frgroups notebooks")
    notebooks.add_argument("--port", type=at_least(1, 65535), default=8888, help="port of JupyterLab (8888)")
    notebooks.add_argument("--no-browser", action="store_true", help="do not open a browser")

    load = add("load", "read every group and member and keep a snapshot", "frgroups load --all --jobs 4 --json")
    _of_fleet(load)
    load.add_argument("--jobs", type=at_least(1), default=4, metavar="N", help="tenants at a time (4)")
    load.add_argument("--json", action="store_true", help="one JSON line for each tenant as it finishes")
    load.add_argument(
        "--requests-per-second",
        type=more_than_none,
        metavar="N",
        help="at most so many to one service, by all tenants together (20 off this machine)",
    )
    load.add_argument(
        "--max-age", type=duration, metavar="AGE", help="take a kept snapshot when it is at most this old (6h, 30min)"
    )
    load.add_argument(
        "--no-cover", action="store_true", help="page every group, also those seen whole in larger ones"
    )
    load.add_argument("--personal", action="store_true", help="keep names and contact data too")

    status = add(
        "status", "how old, how sure and how large the newest snapshot is", "frgroups status --all --html status.html"
    )
    _of_fleet(status)
    status.add_argument(
        "--max-age", type=duration, default="24h", metavar="AGE", help="an older snapshot is old (24h)"
    )
    status.add_argument("--html", type=Path, metavar="FILE", help="write it as a page that needs no network")
    status.add_argument("--json", action="store_true", help="one JSON line for each tenant")
    status.add_argument("--cache", type=Path, metavar="FOLDER", help="where snapshots are kept (the home)")

    sizes = add("sizes", "members of each group, and how many are in no other", "frgroups sizes --csv sizes.csv")
    _of_snapshot(sizes)
    sizes.add_argument("--top", type=at_least(1), metavar="N", help="only the N largest")

    overlap = add("overlap", "the pairs of groups that overlap most, by name", "frgroups overlap --top 20")
    _of_snapshot(overlap)
    overlap.add_argument("--top", type=at_least(1), default=20, metavar="N", help="pairs to show (20)")
    measures = ("jaccard", "n_both", "overlap_coefficient", "lift")
    overlap.add_argument("--by", default="jaccard", choices=measures, help="what to sort by (jaccard)")
    overlap.add_argument("--universe", type=at_least(1), metavar="N", help="customers in all, for lift")

    health = add(
        "health",
        "what is not as it should be with the groups, and what to do about it",
        "frgroups health --register register.csv --csv findings.csv",
        "exit code 0 whatever is found: findings are for people to decide on; 1 when there is no snapshot to look at "
        "or the register cannot be read.",
    )
    _of_snapshot(health, csv=False)
    _of_register(health)
    health.add_argument("--top", type=at_least(1), default=30, metavar="N", help="findings to show (30)")
    all_of_it = health.add_mutually_exclusive_group()
    all_of_it.add_argument("--json", action="store_true", help="every finding as one JSON line")
    all_of_it.add_argument("--csv", type=Path, metavar="FILE", help="write every finding to a CSV file")

    changes = add("changes", "who joined and left between two snapshots", "frgroups changes --since 2026-11-01")
    _of_snapshot(changes)
    changes.add_argument(
        "--since", type=moment, metavar="DATE", help="the older snapshot (default: the last but one)"
    )
    changes.add_argument("--customers", action="store_true", help="a row for each customer instead of each group")

    asked = add(
        "who", "the groups of one customer, what changed them, and who approved that", "frgroups who UID --json"
    )
    asked.add_argument("uid", metavar="UID", help="uid of the customer")
    asked.add_argument(
        "--by", default="customer_uid", choices=("customer_uid", "external_id"), help="what UID is (customer_uid)"
    )
    asked.add_argument("--json", action="store_true", help="all of it as one line of JSON")
    asked.add_argument("--journal", type=Path, metavar="FOLDER", help="where journals and receipts are (the home)")
    _of_snapshot(asked, csv=False)

    plan = add(
        "plan",
        "what it takes to bring one group to a list of customers; sends nothing",
        'frgroups plan --group black_week --create "Black Week VIP" --list vip.csv',
    )
    _of_snapshot(plan, csv=False)
    plan.add_argument("--group", required=True, type=filled, help="uid or unique name of the group")
    wanted = plan.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--list", type=Path, metavar="FILE", help="CSV or Excel file with one customer a row")
    wanted.add_argument("--members", metavar="EXPRESSION", help='set of groups, such as "VIP & loyalty - staff"')
    plan.add_argument("--also", metavar="EXPRESSION", help="add the members of this set of groups to the list")
    plan.add_argument("--column", help="column of the list that holds the ids")
    plan.add_argument("--sheet", help="sheet of the workbook that holds the list (the only filled one)")
    plan.add_argument(
        "--ids",
        choices=("customer_uid", "external_id"),
        help="what the list holds (by its column and content)",
    )
    plan.add_argument("--directory", type=Path, metavar="FILE", help="customer export that knows more external ids")
    plan.add_argument("--skip-unresolved", action="store_true", help="plan the rest when some ids are not found")
    plan.add_argument(
        "--mode",
        default="add_only",
        choices=MODES,
        help="add_only: those wanted who are missing join (default); remove_only: members who are NOT in the list "
        "leave; mirror: both. To take listed customers out: --mode mirror --members 'GROUP - OTHER'",
    )
    plan.add_argument("--create", metavar="NAME", help="make a group first: its name, and --group is its new uid")
    plan.add_argument(
        "--protect",
        action="extend",
        nargs="+",
        type=filled,
        default=[],
        metavar="UID",
        help="customers who are never removed",
    )
    plan.add_argument(
        "--protect-list", type=Path, metavar="FILE", help="a list of customers who are never removed, as for --list"
    )
    plan.add_argument(
        "--protect-group",
        action="extend",
        nargs="+",
        type=filled,
        default=[],
        metavar="GROUP",
        help="groups that nobody is removed from, by uid or unique name",
    )
    plan.add_argument(
        "--never-add-list",
        type=Path,
        metavar="FILE",
        help="a list of customers who are never added, beside the one of the tenant in the home (lists/never_add)",
    )
    _of_register(plan)
    plan.add_argument(
        "--limits", type=Path, metavar="FILE", help="TOML file of limits, with tables such as [per_group.vip]"
    )
    plan.add_argument("--limit", type=limit, action="append", default=[], metavar="NAME=VALUE", help=_LIMIT_HELP)
    where = plan.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FILE", help="plan file (default: in the home)")
    where.add_argument(
        "--pending", action="store_true", help="into the queue: once approved, frgroups apply --approved sends it"
    )
    plan.add_argument("--exit-code", action="store_true", help="exit 2 when changes are planned")

    show = add("show", "a plan or a receipt in words", "frgroups show plan.json")
    show.add_argument("file", type=Path, metavar="FILE")
    part = show.add_mutually_exclusive_group()
    part.add_argument("--table", action="store_true", help="every operation, as CSV")
    part.add_argument("--held", action="store_true", help="who is held back and why, as CSV")
    part.add_argument("--moves", action="store_true", help="who leaves one group and joins another, as CSV")

    approve = add("approve", "say yes or no to exactly this plan", 'frgroups approve plan.json --by "Kari Nordmann"')
    approve.add_argument("file", type=Path, metavar="PLAN")
    approve.add_argument("--by", required=True, type=filled, metavar="NAME", help="who decides")
    approve.add_argument("--reject", metavar="REASON", help="say no, and why")
    approve.add_argument("--out", type=Path, metavar="FILE", help="approval file (default: beside the plan)")

    apply = add(
        "apply", "send an approved plan, read back, write a receipt", "frgroups apply plan.json --approve FILE"
    )
    apply.add_argument("file", type=Path, nargs="?", metavar="PLAN")
    apply.add_argument("--approve", metavar="DIGEST|FILE", help="the digest reviewed, or approval file")
    apply.add_argument(
        "--approve-policy",
        type=Path,
        metavar="FILE",
        help="a policy (TOML) that allows small changes of certain groups: by, groups, max_adds, max_removes, ...",
    )
    by_what = apply.add_mutually_exclusive_group()
    by_what.add_argument(
        "--approved",
        action="store_true",
        help="all plans of the queue that are approved, oldest first; those that end are moved to done",
    )
    by_what.add_argument(
        "--settle",
        action="store_true",
        help="send nothing: a receipt of what a run sent that cannot be gone on with, for undo to take back",
    )
    _of_tenant(apply)
    apply.add_argument("--journal", type=Path, metavar="FOLDER", help="where journal and receipt go (the home)")
    apply.add_argument("--json", action="store_true", help="with --approved: one JSON line for each plan")

    undo = add("undo", "a plan that takes back what a receipt says was done", "frgroups undo receipt.json")
    undo.add_argument("file", type=Path, metavar="RECEIPT")
    undo.add_argument("--limit", type=limit, action="append", default=[], metavar="NAME=VALUE", help=_LIMIT_HELP)
    undo.add_argument("--out", type=Path, metavar="FILE", help="plan file (default: in the home)")

    forget = add(
        "forget", "remove one customer from all that is kept; without --yes only tells", "frgroups forget UID --yes"
    )
    forget.add_argument("--yes", action="store_true", help="do it; without, nothing is changed")
    _of_customer(forget)

    export = add(
        "export-customer", "all that is kept of one customer, as JSON", "frgroups export-customer UID --out FILE"
    )
    export.add_argument("--out", type=Path, metavar="FILE", help="write it to a file for you alone")
    _of_customer(export)
    return parser


def _of_customer(parser: argparse.ArgumentParser) -> None:
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


def _of_register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--register", type=Path, metavar="FILE", help="CSV or Excel file with what is known of each group"
    )


def _of_log(parser: argparse.ArgumentParser, **defaults: object) -> None:
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


def _of_tenant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tenant", metavar="NAME", help="a tenant by its name in tenants.toml, no uid (default: the environment's)"
    )


def _of_fleet(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every tenant of tenants.toml")
    which.add_argument(
        "--tenant",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="these tenants by their names in tenants.toml, no uids",
    )


def _of_snapshot(parser: argparse.ArgumentParser, *, csv: bool = True) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
