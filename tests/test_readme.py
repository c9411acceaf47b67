"""Tests of the code, commands, and names in the README and in the pages of `docs`."""

import re
import shlex
from pathlib import Path

import click
import pytest

import frgroups as fg
from frgroups.cli.main import EXIT_CODES, root_group

PROJECT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
}
TEXT = "\n".join(PAGES.values())
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S), 1)
]
# Code is in indented lines and between backticks.
CODE = re.findall(r"^ {4}(.+)$", TEXT, re.M) + re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.S))
EXAMPLES = sorted({text for text in CODE if text.startswith("frgroups ")})


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks(block, capsys, monkeypatch):
    "Each Python block runs on its own, and its output fits into a terminal with 80 columns."
    if "import duckdb" in block:
        pytest.importorskip("duckdb")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(PROJECT)

    exec(compile(block, "README.md", "exec"), {})

    out = capsys.readouterr().out
    assert out and " ... " not in out


def test_exit_codes():
    "The documented exit codes and their meanings are equal to those in the help of the command."
    page = PAGES.get("docs/command-line.md", PAGES["README.md"])
    documented = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.M))

    assert {int(code): meaning.replace("`", "") for code, meaning in documented.items()} == EXIT_CODES


def test_pictures():
    "Each picture of a page is in the repository."
    missing = [
        (name, target)
        for name, text in PAGES.items()
        for target in re.findall(r"!\[.*?\]\((.*?)\)|<img src=\"(.*?)\"", text)
        if not (PROJECT / name).parent.joinpath(target[0] or target[1]).exists()
    ]

    assert missing == []


def test_links():
    "Each relative link of a page leads to a file or folder of the repository."
    missing = [
        (name, target)
        for name, text in PAGES.items()
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#:]+)[^)]*\)", text)
        if not (PROJECT / name).parent.joinpath(target).exists()
    ]

    assert missing == []


def commands():
    """Return the options of each command by its name, including the options of the main command."""
    root = root_group()
    context = click.Context(root)
    return {
        name: option_names(root) | option_names(root.get_command(context, name))
        for name in root.list_commands(context)
    }


def option_names(command):
    """Return the options of a command."""
    return {"--help", *(name for param in command.params for name in param.opts)}


def options_in(text):
    """Return the options that a text contains."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


@pytest.mark.parametrize("example", EXAMPLES)
def test_commands_exist(example):
    "Each command line contains an existing command and options of this command."
    by_command = commands()
    words = shlex.split(example, comments=True)[1:]
    if words[0] == "--log":
        words = words[2:]

    assert words[0] in by_command or words[0].isupper() or words[0] == "--help"
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert options <= by_command.get(words[0], {"--help"})


def test_options_exist():
    "Each option in the documentation is an option of a command."
    without_other_programs = re.sub(r"`python -m [^`]*`", "", TEXT)
    known = set().union(*commands().values())

    assert options_in(without_other_programs) - known == set()


def test_python_names_exist():
    "Each name after `fg.` is public."
    names = set(re.findall(r"\bfg\.([A-Za-z_]+)", TEXT))

    assert {name for name in names if not hasattr(fg, name)} == set()
