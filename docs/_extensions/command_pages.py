"""Generate one page for each command from the definitions that `frgroups COMMAND --help` uses."""

from __future__ import annotations

import re
from pathlib import Path

import click
from sphinx.application import Sphinx

from frgroups.cli.command_table import SECTIONS
from frgroups.cli.main import root_group
from frgroups.internals.exit_codes import EXIT_CODES
from page_files import escape, heading, write_pages

# The help pages of the commands do not depend on the width of the terminal.
WIDTH = 80
INTRODUCTION = """
Each command has a page with its options and an example. The pages contain the same text as ``frgroups COMMAND
--help``. For tables, JSON output, and messages, see :doc:`/command-line`.
"""
COMMON_OPTIONS = ("--log", "--verbose", "--quiet", "--help")


def command_pages() -> dict[str, str]:
    """Return the text of each page, by page name without the suffix."""
    root = root_group()
    context = click.Context(
        root, **root.context_settings, info_name="frgroups", max_content_width=WIDTH, terminal_width=WIDTH
    )
    pages = {}
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if command is None:
            raise ValueError(f"The command {name} does not exist.")
        pages[name] = _page(command, name, context)
    return pages | {"index": _index(root, context)}


def _page(command: click.Command, name: str, parent: click.Context) -> str:
    context = _context(command, name, parent)
    lines = [heading(f"frgroups {name}"), *_body(command, context)]
    if isinstance(command, click.Group):
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            if subcommand is not None:
                lines += [heading(f"frgroups {name} {subname}", "-")]
                lines += _body(subcommand, _context(subcommand, subname, context), documented=COMMON_OPTIONS)
    return "\n".join(lines)


def _context(command: click.Command, name: str, parent: click.Context) -> click.Context:
    return click.Context(
        command,
        **command.context_settings,
        info_name=name,
        parent=parent,
        max_content_width=WIDTH,
        terminal_width=WIDTH,
    )


def _body(command: click.Command, context: click.Context, documented: tuple[str, ...] = ()) -> list[str]:
    """Return the lines of a page: the usage, the options, and the sections at the end of the help page."""
    usage = command.get_usage(context).removeprefix("Usage: ")
    usage = "\n".join(line.removeprefix(" " * len("Usage: ")) for line in usage.splitlines())
    lines = [_code_in_text(command.help or ""), "", *_literal(usage, "text")]
    lines += [f".. program:: {context.command_path}", ""]
    for parameter in command.get_params(context):
        if documented and set(parameter.opts) & set(documented):
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            names, text = record
            lines += [f".. option:: {_option_names(names)}", "", f"   {_code_in_text(_with_default(text))}", ""]
    sections, paragraph = _help_text(command, context), _last_paragraph(command, context)
    lines += _sections(sections.removesuffix(paragraph))
    return [*lines, _code_in_text(" ".join(paragraph.split())), ""]


def _help_text(command: click.Command, context: click.Context) -> str:
    """Return the sections at the end of the help page, for example the example, and the last paragraph."""
    formatter = context.make_formatter()
    command.format_epilog(context, formatter)
    return formatter.getvalue()


def _last_paragraph(command: click.Command, context: click.Context) -> str:
    formatter = context.make_formatter()
    click.Command.format_epilog(command, context, formatter)
    return formatter.getvalue()


def _option_names(names: str) -> str:
    # The option directive separates names by commas, and click also uses slashes and semicolons.
    return re.sub(r"\s*[;/]\s*(?=-)", ", ", names)


def _with_default(text: str) -> str:
    """Return the help text of an option with the annotations of click, such as the default, as sentences."""
    text, _, annotations = text.partition("  [")
    sentences = [text]
    for annotation in filter(None, annotations.removesuffix("]").split("; ")):
        if annotation == "required":
            sentences.append("Required.")
        elif annotation.startswith("default: "):
            sentences.append(f"Default: `{annotation.removeprefix('default: ')}`.")
        elif annotation.startswith("env var: "):
            sentences.append(f"Environment variable: `{annotation.removeprefix('env var: ')}`.")
        else:
            allowed = re.sub(r"^x>=(.*)$", r"\1 or more", annotation)
            sentences.append(f"Allowed values: {allowed}.")
    return " ".join(sentences)


def _sections(text: str) -> list[str]:
    """Return the sections of a help page. The lines of a section are not wrapped."""
    lines: list[str] = []
    for section in re.split(r"\n(?=\S)", text.strip("\n")):
        title, _, rest = section.partition("\n")
        content = "\n".join(line.removeprefix("  ") for line in rest.rstrip("\n").splitlines())
        if content:
            commands = [line for line in content.splitlines() if line]
            language = "bash" if all(line.startswith("frgroups ") for line in commands) else "text"
            lines += [f".. rubric:: {escape(title.removesuffix(':'))}", "", *_literal(content, language)]
    return lines


def _literal(text: str, language: str) -> list[str]:
    return [f".. code-block:: {language}", "", *(f"   {line}".rstrip() for line in text.splitlines()), ""]


def _code_in_text(text: str) -> str:
    """Escape a help text, and show options and commands as code."""
    marked = re.sub(r"(?<![\w`-])(--?[a-z][a-z-]*(?:=\w+)?|frgroups [a-z-]+(?: --[a-z-]+)?)(?![\w`])", r"`\1`", text)
    return escape(marked if marked.count("`") % 2 == 0 else text)


def _index(root: click.Group, context: click.Context) -> str:
    lines = [heading("Command line"), INTRODUCTION]
    for title, entries in SECTIONS.items():
        lines += [heading(title, "-"), ".. list-table::", "   :widths: 30 70", "   :class: reference-table", ""]
        for entry in entries:
            lines += [f"   * - :doc:`{entry.name} </commands/{entry.name}>`", f"     - {_code_in_text(entry.help)}."]
        lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {entry.name}" for entry in entries), ""]
    lines += [heading("Exit codes", "-"), ".. list-table::", "   :widths: 15 85", "   :header-rows: 1", ""]
    lines += ["   * - exit code", "     - meaning"]
    for code, meaning in EXIT_CODES.items():
        lines += [f"   * - {code}", f"     - {_code_in_text(meaning)}"]
    for section in re.split(r"\n(?=\S)", _help_text(root, context).strip("\n")):
        title, _, rest = section.partition("\n")
        if not title.startswith("Exit codes"):
            content = "\n".join(line.removeprefix("  ") for line in rest.splitlines())
            lines += ["", heading(title.removesuffix(":"), "-"), *_literal(content.strip("\n"), "text")]
    lines += [".. toctree::", "   :hidden:", "", "   Tables, JSON, and messages </command-line>", ""]
    return "\n".join(lines)


def write(app: Sphinx) -> None:
    """Write the command pages to the source folder of the documentation."""
    write_pages(Path(app.srcdir, "commands"), command_pages())


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the generator to Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
