"""`frgroups ...`: the functions of the package from a terminal, with exit codes that scripts can trust."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from textwrap import fill
from typing import NoReturn

from frgroups.cli import analyze as looking
from frgroups.cli import apply as applying
from frgroups.cli import doctor as tenant
from frgroups.cli import load as fleet
from frgroups.cli import plan as planning
from frgroups.cli import privacy as customer
from frgroups.cli import who as whereabouts
from frgroups.cli.arguments import of_log
from frgroups.cli.types import readable
from frgroups.errors import FrgroupsError
from frgroups.internals.exit_codes import EXIT_CODES, code_of
from frgroups.internals.structured_logging import logged_to_stderr
from frgroups.internals.versions import __version__

_ENVIRONMENT = """\
where to connect:
  FRGROUPS_TENANT_UID   uid of the tenant
  FRGROUPS_TOKEN        access, auth or integration token
  FRGROUPS_BASE_URL     stage (default) | production | URL
  FRGROUPS_HOME         folder for snapshots, plans and journals
or --tenant NAME, a table of tenants.toml in that folder, which may have one for each of many tenants;
commands that only look at what is kept take the uid of a tenant too"""

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
    try:
        with _log(options):
            return int(options.run(options) or 0)
    except FrgroupsError as error:
        print(f"frgroups {options.command}: {readable(error.cli_text)}", file=sys.stderr)
        return code_of(error)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror or error}.{_how_to_go_on(options)}"
        print(f"frgroups {options.command}: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"frgroups {options.command}: interrupted.{_how_to_go_on(options)}", file=sys.stderr)
        return 1


def _how_to_go_on(options: argparse.Namespace) -> str:
    """What to do after an end that was not in order."""
    if options.command != "apply":
        return ""
    return " What was sent is in the journal: give the same command again, and it goes on from there."


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
    parser.add_argument("--version", action="version", version=f"frgroups {__version__}")
    of_log(parser, log=None, verbose=0)
    several = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        run: Callable[[argparse.Namespace], int], text: str, example: str, more: str = ""
    ) -> argparse.ArgumentParser:
        one = several.add_parser(
            run.__name__.replace("_", "-"),
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  {example}" + (f"\n\n{fill(more, 100)}" if more else ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(run=run)
        of_log(one)
        return one

    for several_commands in (tenant, fleet, looking, whereabouts, planning, applying, customer):
        several_commands.add_commands(add)
    return parser


if __name__ == "__main__":
    sys.exit(main())
