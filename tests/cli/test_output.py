"""Tests for the output in a pipe and on a terminal, including names that contain markup or control characters."""

import ast
import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli import output
from frgroups.cli.main import main
from frgroups.cli.table_printing import print_table
from tests.approvals import approved
from tests.cli.commands import path_after
from tests.world import select_sandbox

CLI = Path(fg.__file__).parent / "cli"
NAMES = ["[/vip]", "[bold]x", ":smile:", "$x$", "esc\x1b[2K\u202ex"]
STYLE = re.compile(r"\x1b\[[0-9;]*m")
BOX = re.compile(r"[\u2500-\u257f]")


@pytest.fixture(params=["pipe", "terminal"])
def stream(request, monkeypatch):
    """Run the test with stdout as a pipe, and again with stdout as a terminal."""
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setenv("TERM", "xterm-256color")
    return request.param


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a sandbox with a group for each name in NAMES, each with ten members."""
    select_sandbox(running, monkeypatch)
    running.reset()
    uids = [f"c-{n}" for n in range(12)]
    running.put_customers(uids)
    running.put_group("all", "All")
    running.add_members("all", uids)
    for position, name in enumerate(NAMES):
        running.put_group(f"g{position}", name)
        running.add_members(f"g{position}", uids[:10])
    return running


@pytest.fixture
def run(capsys, monkeypatch, stream):
    """Return a function that runs a command and returns the exit code, stdout without styles, and the raw output."""

    def run_command(*words):
        capsys.readouterr()
        if stream == "terminal":
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "\x1b[2K" not in captured.out + captured.err
        is_data = stream == "pipe" and "--json" in words
        assert is_data or "\u202e" not in captured.out + captured.err
        return code, STYLE.sub("", captured.out), captured

    return run_command


def visible(name):
    """Return a name with its control characters escaped."""
    return name.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e")


def test_names_in_tables(tenant, run, stream):
    "Tables print group names literally, without interpreting markup, emoji codes, or control characters."
    run("load")
    for position in range(len(NAMES)):
        tenant.add_members(f"g{position}", ["c-10"])
    run("load")

    for command in (
        ["table", "group_sizes"],
        ["table", "overlap_pairs"],
        ["health"],
        ["table", "group_changes"],
        ["who", "c-10"],
    ):
        code, out, captured = run(*command)

        assert code == 0
        assert [name for name in NAMES if visible(name) not in out] == []
        if stream == "pipe":
            assert "\x1b" not in captured.out and not BOX.search(captured.out)
        elif command[0] == "table":
            assert BOX.search(captured.out)


def test_names_in_json_and_csv(tenant, run, stream):
    "JSON output contains the group names and is valid JSON in a pipe and on a terminal."
    run("load")

    _, out, _ = run("health", "--json")
    evidence = " ".join(row["evidence"] for row in json.loads(out)["rows"])
    _, out, _ = run("who", "c-1", "--json")
    names = {group["name"] for group in json.loads(out)["groups"]}

    assert names >= set(NAMES)
    assert [name for name in NAMES if name not in evidence] == []


@pytest.mark.parametrize("position", range(len(NAMES)))
def test_names_from_plan_to_undo(tenant, run, stream, tmp_path, position):
    "The commands from plan to undo print a group name with its control characters escaped."
    name, group = visible(NAMES[position]), f"g{position}"
    plan_file = tmp_path / "p.json"
    run("load")

    error = run("plan", "--group", group, "--members", "'all'", "--limit", "additions_total=0", "--out", plan_file)
    outputs = [run("plan", "--group", group, "--members", "'all'", "--out", plan_file)]
    outputs.append(run("show", plan_file))
    outputs.append(run("approve", plan_file, "--by", "Kari"))
    outputs.append(run("apply", plan_file))
    receipt = path_after("Receipt", outputs[-1][1])
    outputs.append(run("show", receipt))
    outputs.append(run("undo", receipt, "--limit", "removal_share=none"))
    table = run("show", plan_file, "--table")

    assert [code for code, _, _ in outputs] == [0] * len(outputs)
    assert [number for number, (_, out, _) in enumerate(outputs) if name not in out] == [4]
    assert table[0] == 0 and table[1].count(group) == 2
    assert error[0] == 3 and name in error[1]


def test_names_in_errors(tenant, run, stream, tmp_path):
    "The control characters of a group name are escaped in an error message."
    run("load")
    run("plan", "--group", "g4", "--members", "'all'", "--out", tmp_path / "p.json")
    tenant.remove_members("g4", [f"c-{n}" for n in range(8)])

    code, _, captured = run("apply", approved(tmp_path / "p.json"))

    assert code == 4 and visible(NAMES[4]) in captured.err


def test_plain_table_is_complete(capsys):
    "In a pipe, each table row is printed as one line that is not truncated."
    name = "x" * 300
    print_table(pd.DataFrame({"name": [name, "b"], "share": [0.12345, float("nan")], "n": [1, 2]}))

    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 3
    assert lines[1].split() == [name, "0.123", "1"] and lines[2].split() == ["b", "-", "2"]


def test_terminal_table(capsys, monkeypatch):
    "On a terminal, shares are percentages, blank columns are omitted, and a header is not narrower than its texts."
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    uid = "2fd18ac5-1016-4738-9611-650e4086a6bd"
    table = pd.DataFrame({"customer_group_uid": [uid, "b"], "problem": "", "share": [0.5, None], "n_members": 1})

    names = print_table(table, n_required=4)

    lines = capsys.readouterr().out.splitlines()
    assert names == ["customer_group_uid", "share", "n_members"] == lines[0].split()
    assert lines[2].split() == [uid, "50.0%", "1"] and lines[3].split() == ["b", "-", "1"]


def test_wrapped_names(capsys, monkeypatch):
    "A name is not wrapped if the row fits on the terminal with less space between the columns."
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    name = "a name with several words"
    table = pd.DataFrame({"name": [name], "n_members": [1], "n_exclusive": [1]})
    monkeypatch.setenv("COLUMNS", str(len(name) + len("n_members n_exclusive") + 3))

    print_table(table)

    assert capsys.readouterr().out.splitlines()[2].startswith(name)


def test_empty_table(capsys):
    "A table without rows is printed as (none)."
    print_table(pd.DataFrame({"name": []}))

    assert capsys.readouterr().out == "(none)\n"


def test_printing_modules():
    "Only the output module calls print, and only the module for tables prints with rich, so that all is escaped."
    printing, importing_rich = set(), set()
    for path in CLI.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                printing.add(path.name)
            # The module rich.cells only measures the width of a text.
            if any(name.split(".")[0] == "rich" and name != "rich.cells" for name in names):
                importing_rich.add(path.name)

    assert (printing, importing_rich) == ({"output.py"}, {"table_printing.py"})


def test_json_line(capsys):
    "JSON values are printed as one line of ASCII that can be parsed to the same values and a schema version."
    values = {"message": "two\nlines", "name": "Sør \u202e 雪"}

    output.print_json_line(values)

    line = capsys.readouterr().out
    assert line.isascii() and line.count("\n") == 1 and json.loads(line) == {"schema_version": 1, **values}


def test_csv_is_safe(capsys):
    "CSV output neutralizes formulas, and no module of the command line writes CSV in another way."
    output.print_csv(pd.DataFrame({"name": ["=1+1"], "n": [-1]}))

    assert capsys.readouterr().out == '"name","n"\n"\'=1+1",-1\n'
    assert [path.name for path in CLI.glob("*.py") if ".to_csv(" in path.read_text(encoding="utf-8")] == []
