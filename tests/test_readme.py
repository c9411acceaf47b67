"""What the README says runs as written."""

import re
import shlex
from pathlib import Path

import click
import pytest

import frgroups as fg
from frgroups.cli.main import EXIT_CODES, root_group

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
# Indented lines, and code between backticks.
CODE = re.findall(r"^ {4}(.+)$", README, re.M) + re.findall(
    r"`([^`]+)`", re.sub(r"```.*?```", "", README, flags=re.S)
)
EXAMPLES = sorted({text for text in CODE if text.startswith("frgroups ")})


@pytest.mark.parametrize("block", BLOCKS, ids=["no tenant", "sandbox", "questions", "how sure", "kept"])
def test_the_sessions_run_as_written(block, capsys, monkeypatch):
    "Each Python block of the README runs from a fresh start, and a terminal of 80 columns shows what it prints."
    monkeypatch.setenv("COLUMNS", "80")

    exec(compile(block, "README.md", "exec"), {})

    out = capsys.readouterr().out
    assert out and " ... " not in out


def test_the_exit_codes_are_those_of_the_command():
    "README and --help tell the same table."
    told = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", README, re.M))

    assert {int(code): text.replace("`", "") for code, text in told.items()} == EXIT_CODES


def test_the_pictures_are_there():
    "Each picture that the README shows is in the repository."
    missing = [
        name for name in re.findall(r"!\[.*?\]\((.*?)\)", README) if not (Path(__file__).parents[1] / name).exists()
    ]

    assert missing == []


def commands():
    """Return the options of each command by its name; each command accepts the options of the group, too."""
    root = root_group()
    context = click.Context(root)
    return {
        name: option_names(root) | option_names(root.get_command(context, name))
        for name in root.list_commands(context)
    }


def option_names(command):
    return {"--help", *(name for param in command.params for name in param.opts)}


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


@pytest.mark.parametrize("example", EXAMPLES)
def test_commands_exist(example):
    "Each command line of the README names a command and options of this command."
    by_command = commands()
    words = shlex.split(example, comments=True)[1:]
    if words[0] == "--log":
        words = words[2:]

    assert words[0] in by_command
    assert {word for word in words if word.startswith("--")} <= by_command[words[0]]


def test_options_exist():
    "Each option of the README is an option of a command."
    without_other_programs = re.sub(r"`python -m [^`]*`", "", README)
    known = set().union(*commands().values())

    assert options_in(without_other_programs) - known == set()


def test_python_names_exist():
    "Each name after `fg.` is public."
    names = set(re.findall(r"\bfg\.([A-Za-z_]+)", README))

    assert {name for name in names if not hasattr(fg, name)} == set()
