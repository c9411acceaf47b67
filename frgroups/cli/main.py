"""Entry point of the command line: parse the arguments, run a command, and return its exit code."""

from __future__ import annotations

import errno
import itertools
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from frgroups.cli.command import HELP_NAMES, LazyGroup, log_options
from frgroups.cli.command_ending import (
    USAGE_EXIT_CODE,
    discard_output,
    report_usage_error,
    termination_as_interrupt,
)
from frgroups.cli.command_table import RENAMED_COMMANDS, SECTIONS
from frgroups.cli.completion import COMPLETE_VARIABLE, complete
from frgroups.cli.output import prepare_streams, print_error, print_text
from frgroups.internals.exit_codes import EXIT_CODES

_WORKFLOW = """\
frgroups doctor                           check the connection
frgroups load                             store a snapshot of the tenant
frgroups table overlap_pairs              analyze the snapshot
frgroups health                           find problems in the groups
frgroups report                           write a report as one HTML file
frgroups plan --group VIP --list vip.csv  create a plan and its review page
frgroups plans                            list the plans and their states
frgroups show PLAN                        show the plan
frgroups approve PLAN --by NAME           record the reviewer's approval
frgroups apply PLAN                       send the approved plan
frgroups undo RECEIPT                     create a plan that undoes changes
frgroups who UID                          show why a customer is in a group

Many tenants:
frgroups load --all --jobs 4 --json       load every tenant in tenants.toml
frgroups status --all --html status.html  show the status of all tenants

Sample data:
frgroups demo                             run the workflow in a sandbox"""

_ENVIRONMENT = """\
FRGROUPS_TENANT_UID   uid of the tenant
FRGROUPS_TOKEN        access, auth, or integration token
FRGROUPS_BASE_URL     stage (default), production, or a URL
FRGROUPS_HOME         data folder for snapshots, plans, and journals

As an alternative to the first three variables, --tenant NAME selects a tenant
from tenants.toml in the data folder. Commands that only read stored files
also accept the uid of the tenant."""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command and return its exit code.

    Parameters
    ----------
    arguments
        Command-line arguments after `frgroups`. None uses `sys.argv`.

    Raises
    ------
    SystemExit
        If the arguments are invalid (exit code 64), or after --help or --version (exit code 0).
    """
    prepare_streams()
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        # Set the signal handler before the command is parsed, because the import of a command can take a second.
        with termination_as_interrupt():
            return _run(words)
    except KeyboardInterrupt:
        print_error("frgroups: interrupted.")
        return 1


def _run(words: Sequence[str]) -> int:
    root = root_group()
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        return complete(root, instruction)
    try:
        # Do not call root.main(), because it would convert KeyboardInterrupt to click.Abort and exit the process.
        # Pass a copy of `words`, because click removes the parsed words from its argument.
        with root.make_context("frgroups", list(words)) as context:
            return int(root.invoke(context))
    except click.exceptions.Exit as end:
        raise SystemExit(end.exit_code) from None
    except click.UsageError as error:
        report_usage_error(error.format_message(), error.ctx, as_json=_requests_json_log(words))
        raise SystemExit(USAGE_EXIT_CODE) from None
    except OSError as error:  # The help or the version could not be written to stdout.
        is_closed_pipe = isinstance(error, BrokenPipeError) or error.errno == errno.EPIPE
        if not is_closed_pipe:
            print_error(f"frgroups: stdout: {error.strerror}.")
        discard_output()
        return 0 if is_closed_pipe else 1


def _requests_json_log(words: Sequence[str]) -> bool:
    """Return True if arguments that could not be parsed contain `--log json`."""
    return "--log=json" in words or ("--log", "json") in itertools.pairwise(words)


def root_group() -> LazyGroup:
    """Return the click group that contains all commands."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Show the version and exit.",
    )
    return LazyGroup(
        "frgroups",
        help="Load, analyze, and safely change the customer groups of a Flow Retail tenant.",
        sections=SECTIONS,
        renamed=RENAMED_COMMANDS,
        epilogs=_epilogs,
        params=[version, *log_options()],
        context_settings=HELP_NAMES,
    )


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from frgroups.internals.versions import __version__

    print_text(f"frgroups {__version__}")
    ctx.exit()


def _epilogs() -> Iterator[tuple[str, str]]:
    yield "Workflow", _WORKFLOW
    yield "Environment variables", _ENVIRONMENT
    lines = [textwrap.fill(f"{code:<3} {text}", 76, subsequent_indent=" " * 4) for code, text in EXIT_CODES.items()]
    yield "Exit codes", "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
