"""Define click commands and groups with lazy loading, option checks, logging, error messages, and exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click
from click.shell_completion import CompletionItem

from frgroups.cli.command_ending import (
    USAGE_EXIT_CODE,
    end_after_failed_output,
    report_error,
    report_failure,
    report_usage_error,
)
from frgroups.cli.command_table import COMMAND_HELP, CommandEntry
from frgroups.cli.output import LOG, QUIET, OutputError, log_format, write_output
from frgroups.errors import FrgroupsError, UsageError
from frgroups.internals.exit_codes import code_of
from frgroups.internals.suggestions import did_you_mean

HELP_NAMES = {"help_option_names": ["-h", "--help"], "show_default": True}
_VERBOSE = "frgroups.verbose"


class LazyGroup(click.Group):
    """
    Group of commands whose modules are imported only when they are needed.

    Parameters
    ----------
    sections
        Commands in each section of the help page, by section heading.
    renamed
        Current name of each renamed command, by former name.
    epilogs
        Function that yields the heading and the text of each section at the end of the help page.
    """

    def __init__(
        self,
        *args: Any,
        sections: Mapping[str, Sequence[CommandEntry]],
        renamed: Mapping[str, str],
        epilogs: Callable[[], Iterator[tuple[str, str]]],
        **options: Any,
    ) -> None:
        options["no_args_is_help"] = False
        super().__init__(*args, **options)
        self._sections = sections
        self._entries = {entry.name: entry for entries in sections.values() for entry in entries}
        self._renamed = renamed
        self._epilogs = epilogs

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments that precede the command name."""
        with usage_errors_of(ctx):
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click API
        """Return the command names in workflow order."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click API
        """Import and return the command with this name, or return None if no such command exists."""
        entry = self._entries.get(cmd_name)
        return None if entry is None else entry.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """
        Return the command that the arguments select.

        The error for an unknown command suggests the current name of a renamed command, or a similar name.
        """
        name = args[0]
        if not ctx.resilient_parsing and name not in self._entries and not name.startswith("-"):
            ctx.fail(self._unknown_command_message(name))
        return super().resolve_command(ctx, args)

    def _unknown_command_message(self, name: str) -> str:
        if name in self._renamed:
            return f"Command {name!r} was renamed to {self._renamed[name]!r}."
        return f"No such command {name!r}.{did_you_mean(difflib.get_close_matches(name, self._entries, n=1))}"

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands to the help page, with section headings, followed by the options."""
        width = max(map(len, self._entries))
        for heading, entries in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl([(entry.name.ljust(width), entry.help) for entry in entries])
        click.Command.format_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click API
        """Write the workflow, the environment variables, and the exit codes to the help page."""
        for heading, text in self._epilogs():
            write_verbatim(formatter, heading, text)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the completions of a command name without importing the commands."""
        items = [
            CompletionItem(name, help=entry.help)
            for name, entry in self._entries.items()
            if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


class ExclusiveOption(click.Option):
    """
    Option that cannot be combined with the options listed in `excludes`.

    Parameters
    ----------
    excludes
        Long names of the other options, for example ["--csv"].
    """

    def __init__(self, *args: Any, excludes: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._excludes = excludes
        if self.help and not self.hidden:
            self.help = f"{self.help} This option cannot be combined with {' or '.join(excludes)}."

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Raise a usage error if the option is combined with an excluded option."""
        if self.name in opts and not ctx.resilient_parsing:
            for other in ctx.command.params:
                if other.name in opts and other.opts[-1] in self._excludes:
                    raise click.UsageError(f"{self.opts[-1]} cannot be combined with {other.opts[-1]}.", ctx)
        return super().handle_parse_result(ctx, opts, args)


class ListOption(click.Option):
    """Option that accepts one or more values: `--tenant a b` is the same as `--tenant a --tenant b`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options["multiple"] = True
        super().__init__(*args, **options)


class ExclusiveListOption(ExclusiveOption, ListOption):
    """Option that accepts one or more values and cannot be combined with the options listed in `excludes`."""


class SectionOption(click.Option):
    """Option that adds a section to the end of the help page."""

    def help_section(self) -> tuple[str, str]:
        """Return the heading and the text of the section."""
        raise NotImplementedError


class FrgroupsCommand(click.Command):
    """
    Command that returns an exit code and prints its errors to stderr.

    Parameters
    ----------
    example
        Command line that the help page shows as an example.
    renamed
        Current name of each renamed option, by former name.
    require_one_of
        Long names of options, at least one of which is required.
    """

    def __init__(
        self,
        *args: Any,
        example: str,
        renamed: Mapping[str, str],
        require_one_of: Sequence[str],
        **options: Any,
    ) -> None:
        options["context_settings"] = HELP_NAMES
        super().__init__(*args, **options)
        self._example = example
        self._renamed = renamed
        self._require_one_of = require_one_of

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """
        Parse the arguments.

        The error for a renamed option contains the current name of the option.
        """
        try:
            with usage_errors_of(ctx):
                rest = super().parse_args(ctx, self._checked_values(ctx, args))
        except click.NoSuchOption as error:
            replacement = self._renamed.get(error.option_name)
            if replacement is None:
                raise
            ctx.fail(f"Option {error.option_name} was renamed to {replacement}.")
        alternatives = self._alternatives()
        if alternatives and not ctx.resilient_parsing and not any(ctx.params[param.name] for param in alternatives):
            ctx.fail(f"Pass {' or '.join(self._require_one_of)}.")
        return rest

    def _alternatives(self) -> list[click.Option]:
        return [
            param
            for param in self.params
            if isinstance(param, click.Option) and param.opts[-1] in self._require_one_of
        ]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the parts of the usage line: the required options, [OPTIONS], and the arguments."""
        options = [param for param in self.params if isinstance(param, click.Option)]
        pieces = [_option_usage(param, ctx) for param in options if param.required]
        alternatives = self._alternatives()
        if alternatives:
            pieces.append(f"({' | '.join(_option_usage(param, ctx) for param in alternatives)})")
        return [*pieces, *super().collect_usage_pieces(ctx)]

    def _checked_values(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        """
        Return the arguments with the option name repeated before each value of a list option.

        If an option name is given where a value is expected, the function raises a usage error. In `--out --json`,
        click would accept `--json` as the file name.
        """
        options = {name: param for param in self.get_params(ctx) for name in (*param.opts, *param.secondary_opts)}
        result: list[str] = []
        position = 0
        while position < len(args):
            name = args[position]
            position += 1
            result.append(name)
            if name == "--":
                break
            option = options.get(name)
            if not isinstance(option, click.Option) or option.is_flag or option.count or position >= len(args):
                continue
            if args[position].partition("=")[0] in options and not ctx.resilient_parsing:
                raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.", ctx)
            result.append(args[position])
            position += 1
            while isinstance(option, ListOption) and position < len(args) and not args[position].startswith("-"):
                result += [name, args[position]]
                position += 1
        return [*result, *args[position:]]

    def invoke(self, ctx: click.Context) -> int:
        """Run the command and return its exit code."""
        try:
            return self._run(ctx)
        except UsageError as error:
            report_usage_error(error.cli_text, ctx)
            return USAGE_EXIT_CODE

    def _run(self, ctx: click.Context) -> int:
        try:
            with _log_to_stderr(ctx):
                exit_code = int(super().invoke(ctx) or 0)
                write_output("", flush=True)
        except UsageError:
            raise
        except FrgroupsError as error:
            code = code_of(error)
            report_error(error, code, ctx)
            return code
        except (OutputError, BrokenPipeError) as error:
            return end_after_failed_output(error, ctx)
        except (OSError, KeyboardInterrupt) as error:
            report_failure(error, ctx)
            return 1
        return exit_code

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the end of the help page: the option sections, the example, and an additional paragraph."""
        for param in self.params:
            if isinstance(param, SectionOption):
                write_verbatim(formatter, *param.help_section())
        write_verbatim(formatter, "Example", self._example)
        super().format_epilog(ctx, formatter)


def command(
    name: str,
    *,
    example: str,
    more: str | None = None,
    renamed: Mapping[str, str] | None = None,
    require_one_of: Sequence[str] = (),
) -> Callable[[Callable[..., int]], click.Command]:
    """
    Return a decorator that turns a function into a command.

    Parameters
    ----------
    name
        Name of the command in the command table. The table also contains the command's help.
    example
        Command line that the help page shows as an example.
    more
        Additional paragraph at the end of the help page.
    renamed
        Current name of each renamed option, by former name.
    require_one_of
        Long names of options, at least one of which is required.
    """

    def decorate(function: Callable[..., int]) -> click.Command:
        new = click.command(
            name,
            cls=FrgroupsCommand,
            help=f"{COMMAND_HELP[name]}.",
            example=example,
            epilog=more,
            renamed=renamed or {},
            require_one_of=require_one_of,
        )(function)
        new.params += log_options()
        return new

    return decorate


def log_options() -> list[click.Parameter]:
    """
    Return the options `--log`, `-v`, and `--quiet`.

    The options are valid before and after the command name. A value after the command name takes precedence.
    """
    log = click.Option(
        ["--log"],
        type=click.Choice(["text", "json"]),
        expose_value=False,
        callback=_store_log_format,
        help="Log each step to stderr in this format. By default, only warnings are logged, in text format.",
    )
    verbose = click.Option(
        ["-v", "--verbose"],
        count=True,
        expose_value=False,
        show_default=False,
        callback=_store_verbosity,
        help="Log each step (-v), or each step and each request (-vv).",
    )
    quiet = click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_store_quiet,
        help="Print only the result and errors. Do not print warnings or messages, such as the next command.",
    )
    return [log, verbose, quiet]


def verbosity(ctx: click.Context) -> int:
    """Return the number of `-v` options."""
    return int(ctx.meta.get(_VERBOSE, 0))


def _store_log_format(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[LOG] = value


def _store_verbosity(ctx: click.Context, _: click.Parameter, value: int) -> None:
    if value:
        ctx.meta[_VERBOSE] = value


def _store_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[QUIET] = True


def _log_to_stderr(ctx: click.Context) -> AbstractContextManager[None]:
    """
    Return a context manager that logs to stderr.

    By default, only warnings and errors are logged. The options `--log` and `-v` add further messages, and `--quiet`
    omits warnings.
    """
    from frgroups.internals.structured_logging import logged_to_stderr

    count, form = verbosity(ctx), log_format(ctx)
    level = "WARNING"
    if count > 1:
        level = "DEBUG"
    elif count or form:
        level = "INFO"
    elif ctx.meta.get(QUIET):
        level = "ERROR"
    tenant = ctx.params.get("tenant")
    if isinstance(tenant, tuple):
        tenant = tenant[0] if len(tenant) == 1 else None
    facts = {"tenant": tenant} if tenant else {}
    return logged_to_stderr(form or "text", level, **facts)


def write_verbatim(formatter: click.HelpFormatter, heading: str, text: str) -> None:
    """Write a section of a help page without wrapping its lines."""
    with formatter.section(heading):
        for line in text.splitlines():
            indent = " " * formatter.current_indent if line else ""
            formatter.write(f"{indent}{line}\n")


@contextmanager
def usage_errors_of(ctx: click.Context) -> Iterator[None]:
    """Add the click context to usage errors that lack a context."""
    try:
        yield
    except click.NoSuchOption as error:
        message = f"No such option {error.option_name!r}.{did_you_mean(_similar_options(error.option_name, ctx))}"
        raise click.NoSuchOption(error.option_name, message, ctx=error.ctx or ctx) from None
    except click.UsageError as error:
        error.ctx = error.ctx or ctx
        raise


def _similar_options(name: str, ctx: click.Context) -> list[str]:
    """Return a list with the most similar option of the command, or an empty list if no option is similar."""
    # Compare the names without their dashes, because the dashes would make short names similar.
    names = {known.lstrip("-"): known for param in ctx.command.params for known in param.opts}
    return [names[close] for close in difflib.get_close_matches(name.lstrip("-"), names, n=1)]


def _option_usage(option: click.Option, ctx: click.Context) -> str:
    return f"{option.opts[-1]} {option.make_metavar(ctx)}"
