"""Tests for the option `--json` and for errors with `--log json`."""

import json
import signal
import sys
from pathlib import Path

import click
import pytest

import frgroups as fg
from frgroups.cli.command_table import SECTIONS
from frgroups.cli.main import main
from frgroups.cli.output import SCHEMA_VERSION, print_text
from tests.cli.commands import code_of
from tests.world import select_sandbox

COMMANDS = [entry.load() for entries in SECTIONS.values() for entry in entries]


@pytest.fixture
def stored(sandbox, home_folder, monkeypatch):
    """Select the sandbox and store a snapshot of it."""
    select_sandbox(sandbox, monkeypatch)
    with sandbox.client() as client:
        return fg.load_snapshot(client, progress=False)


def leaf_commands(command, path=()):
    """Yield each command that has no subcommands, with its path."""
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from leaf_commands(child, (*path, command.name))
    else:
        yield (*path, command.name), command


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*leaf, id=" ".join(leaf[0])) for root in COMMANDS for leaf in leaf_commands(root)],
)
def test_every_command_has_json(path, command):
    "Every command has the options --json and --quiet."
    options = {name for param in command.params for name in param.opts}

    assert {"--json", "--quiet", "--log"} <= options


@pytest.mark.parametrize(
    ("words", "keys", "columns"),
    [
        (["doctor"], {"verdict", "ok", "rows", "versions"}, {"name", "ok", "detail"}),
        (["load"], {"name", "tenant_uid", "verdict", "error"}, None),
        (["status"], {"table", "rows"}, set(fg.tenant_status())),
        (["health"], {"table", "counts", "rows"}, set(fg.health_report(fg.sample_snapshot()))),
        (["table"], {"rows"}, {"name", "question"}),
        (["table", "group_sizes"], {"table", "rows"}, set(fg.group_sizes(fg.sample_snapshot()))),
        (["who", "{uid}"], {"customer_uid", "groups", "history", "unreadable_journals"}, None),
        (["erase-customer", "{uid}"], {"dry_run", "tenant_uid", "base_url", "rows"}, {"kind", "path", "host", "n"}),
        (["export-customer", "{uid}"], {"customer_uid"}, None),
        (["export-customer", "{uid}", "--out", "{folder}/c.json"], {"path", "found"}, None),
        (["completion", "zsh"], {"shell", "script"}, None),
    ],
)
def test_json(words, keys, columns, stored, capsys, tmp_path):
    "With --json, a command prints one JSON object with a schema version on stdout. The keys are the table columns."
    values = {"uid": stored.customers["customer_uid"].iloc[0], "folder": tmp_path}

    assert main([*(word.format(**values) for word in words), "--json"]) in (0, 9)

    out = capsys.readouterr().out
    document = json.loads(out)
    assert out.isascii() and out.count("\n") == 1
    assert document["schema_version"] == SCHEMA_VERSION and keys <= set(document)
    if columns is not None:
        assert document["rows"] and all(set(row) >= columns for row in document["rows"])


def test_demo(capsys, monkeypatch):
    "With --json, the demo prints its steps to stderr and the created files to stdout."

    def run_demo(customers):
        print_text(f"Start with {customers} customers")
        return [Path("a.png")]

    monkeypatch.setattr("frgroups.cli.demo_steps.run_demo", run_demo)

    assert main(["demo", "--customers", "50", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["files"] == ["a.png"] and err == "Start with 50 customers\n"


def test_sandbox(capsys, monkeypatch):
    "With --json, the sandbox prints its variables. It stops on SIGTERM with exit code 0."
    monkeypatch.setattr("frgroups.cli.sandbox.wait_for_interrupt", lambda: signal.raise_signal(signal.SIGTERM))

    assert main(["sandbox", "--customers", "50", "--groups", "8", "--port", "0", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["environment"].keys() >= {"FRGROUPS_TENANT_UID", "FRGROUPS_TOKEN"} and "running" in err


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (["who", "nobody"], "SnapshotNotFoundError", 1),
        (["table", "overlap_pairs", "--sort", "lift"], "UsageError", 64),
        (["table", "nosuch"], "UsageError", 64),
        (["nosuch"], "UsageError", 64),
        (["--nosuch"], "UsageError", 64),
        (["load", "--jobs", "0"], "UsageError", 64),
        (["health", "--register", "{folder}/none.csv"], "ListError", 1),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_json_errors(words, kind, code, place, stored, capsys, tmp_path):
    "With --log json, an error is one JSON object on stderr with its type, message, hint, and exit code."
    words = [word.format(folder=tmp_path) for word in words]

    assert code_of(["--log=json", *words] if place == "before" else [*words, "--log", "json"]) == code

    out, err = capsys.readouterr()
    [line] = [json.loads(line) for line in err.splitlines()]
    assert out == "" and (line["event"], line["type"], line["exit_code"]) == ("command_failed", kind, code)
    assert line["message"] and line["level"] == "ERROR" and "hint" in line and line["command"].startswith("frgroups")


def test_messages_with_json_log(stored, capsys):
    "With --json and --log json, each line on stdout and on stderr is a JSON object."
    assert main(["load", "--json", "--log", "json"]) == 0

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 and err
    assert all(isinstance(json.loads(line), dict) for line in [*out.splitlines(), *err.splitlines()])


@pytest.mark.parametrize("words", [["table", "group_sizes"], ["health"], ["load"], ["status"]])
def test_quiet(words, stored, capsys):
    "With --quiet, a command prints only the result."
    assert main(words) == 0
    usual = capsys.readouterr().out
    assert main([*words, "-q"]) == 0
    quiet, err = capsys.readouterr()

    assert quiet and err == "" and len(quiet) <= len(usual) and "Stored in" not in quiet and "Shown:" not in quiet


@pytest.mark.parametrize(
    ("variables", "styled"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "0"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_no_color(variables, styled, stored, capsys, monkeypatch):
    "A terminal gets styles, unless NO_COLOR has a value or TERM is dumb. A pipe gets no styles."
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["table", "group_sizes"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert main(["table", "group_sizes"]) == 0
    assert ("\x1b" in capsys.readouterr().out) is styled
