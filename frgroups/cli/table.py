"""Command that prints and exports the tables of the analysis functions."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from frgroups.cli.command import HELP_NAMES, FrgroupsCommand, log_options, usage_errors_of, write_verbatim
from frgroups.cli.command_table import COMMAND_HELP
from frgroups.cli.options import SnapshotSelection, json_option, snapshot_options
from frgroups.cli.output import JSON, print_json_line, print_text
from frgroups.cli.table_options import output_options, sort_option
from frgroups.cli.table_registry import TABLES, TableEntry
from frgroups.internals.suggestions import did_you_mean


class TableGroup(click.Group):
    """Group of the commands `frgroups table NAME`. Without a name, it prints the list of tables."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments that precede the name of the table."""
        with usage_errors_of(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of a table. The error for an unknown name suggests similar names."""
        name = args[0]
        if not ctx.resilient_parsing and name not in self.commands and not name.startswith("-"):
            close = difflib.get_close_matches(name.replace("-", "_"), self.commands, n=3)
            ctx.fail(f"No such table {name!r}.{did_you_mean(close)} For the list of tables, run frgroups table.")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click API
        """Return the names of the tables, grouped by topic."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of tables to the help page, followed by the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click API
        """Write the tables and the questions that they answer to the help page."""
        with formatter.section("Tables"):
            formatter.write_dl([(entry.name, entry.question) for entry in TABLES])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click API
        """Write the examples to the help page."""
        examples = ["frgroups table overlap_pairs --top 20", "frgroups table group_sizes --xlsx sizes.xlsx"]
        write_verbatim(formatter, "Example", "\n".join(examples))


def _table_command(entry: TableEntry) -> click.Command:
    """Return the command that prints a table."""

    def print_table(
        *,
        selection: SnapshotSelection,
        csv: Path | None,
        xlsx: Path | None,
        as_json: bool,
        top: int | None,
        all_columns: bool,
        sort_column: str | None = None,
        **arguments: Any,
    ) -> int:
        from frgroups.cli.table_output import compute_table, output_table

        as_json = as_json or JSON in click.get_current_context().meta
        result = compute_table(entry, selection, arguments, sort_column)
        output_table(
            entry,
            result,
            csv=csv,
            xlsx=xlsx,
            as_json=as_json,
            top=top,
            all_columns=all_columns,
            is_sorted=sort_column is not None,
        )
        return 0

    decorators: list[Callable[[Callable[..., int]], Callable[..., int]]] = [*entry.options]
    if entry.sort:
        decorators.append(sort_option(entry.sort))
    decorators += [*output_options(entry.top), snapshot_options]
    function = functools.reduce(lambda inner, decorate: decorate(inner), reversed(decorators), print_table)
    command = click.command(
        entry.name,
        cls=FrgroupsCommand,
        help=f"Show or export the table {entry.name}.\n\n{entry.question}",
        short_help=entry.question,
        example=f"frgroups table {entry.name} {entry.example}".rstrip(),
        epilog=entry.note,
        renamed={"--by": "--sort"},
        require_one_of=(),
    )(function)
    command.params += log_options()
    return command


@click.pass_context
def _list_tables(ctx: click.Context, as_json: bool) -> int:
    """Print the list of tables if no table is selected."""
    if ctx.invoked_subcommand is not None:
        return 0
    if as_json:
        print_json_line({"table": "tables", "rows": [{"name": row.name, "question": row.question} for row in TABLES]})
    else:
        print_text(ctx.get_help())
    return 0


table = TableGroup(
    "table",
    help=f"{COMMAND_HELP['table']}.",
    commands={entry.name: _table_command(entry) for entry in TABLES},
    callback=json_option("Print the list of tables, or the selected table, as one JSON object.")(_list_tables),
    context_settings=HELP_NAMES,
    invoke_without_command=True,
    options_metavar=None,
    subcommand_metavar="[NAME] [OPTIONS]",
)
table.params += [*getattr(_list_tables, "__click_params__", []), *log_options()]
