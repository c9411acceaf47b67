"""Tests for the width of messages and tables on a terminal."""

import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import frgroups as fg
from frgroups.cli.main import main
from frgroups.cli.output import as_one_line, terminal_width, wrap_line
from frgroups.cli.table_printing import print_table
from frgroups.cli.table_registry import TABLES
from frgroups.internals.column_formats import format_column
from tests.cli.commands import code_of, table_words
from tests.world import select_sandbox

STYLE = re.compile(r"\x1b\[[0-9;]*m")
UUID = "2fd18ac5-1016-4738-9611-650e4086a6bd"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
FRAMES = st.lists(st.tuples(TEXT, TEXT, st.integers(0, 10**6), st.floats(0, 1)), min_size=1, max_size=5).map(
    lambda rows: pd.DataFrame(rows, columns=["name_of_a", "name_of_b", "n_members", "share_of_customers"])
)


class Terminal:
    """Stream that collects the written text and reports that it is a terminal."""

    encoding = "utf-8"

    def __init__(self):
        self.parts = []

    def write(self, text):
        self.parts.append(text)

    def flush(self):
        pass

    def isatty(self):
        return True


def table_lines(table, width, **options):
    """Return the lines that `print_table` prints on a terminal, without styles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", "xterm-256color")
        stream = Terminal()
        patch.setattr(sys, "stdout", stream)
        print_table(table, **options)
    return STYLE.sub("", "".join(stream.parts)).splitlines()


def too_wide(lines, width):
    """Return the lines that are wider than the terminal although they could be wrapped."""
    # A path after a label and a command stay on one line, so that they can be copied.
    return [
        line
        for line in lines
        if cell_len(line) > width
        and not re.match(r"(\s*\S+|.{,32}\s/\S+|\S+\s+\S+)$", line)
        and "frgroups" not in line.split()[:2]
    ]


@pytest.fixture(params=[80, 120])
def width(request, monkeypatch):
    """Run the test with a width of 80 columns, and again with 120 columns."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm-256color")
    return request.param


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command on a terminal and returns the exit code and the output without styles."""

    def run_command(*words):
        capsys.readouterr()
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True)
        code = code_of(words)
        captured = capsys.readouterr()
        # A progress bar begins with a carriage return.
        return code, STYLE.sub("", captured.out) + re.sub(r"\r[^\n]*", "", captured.err)

    return run_command


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Store two snapshots with a long uid and long names, and write a register."""
    folder = tmp_path_factory.mktemp("data")
    snapshot = fg.sample_snapshot()
    groups = snapshot.groups.replace({"customer_group_uid": {"norge": UUID}, "name": {"VIP": "VIP " + "word " * 20}})
    memberships = snapshot.memberships.replace({"customer_group_uid": {"norge": UUID}})
    for rows, taken_at in ((memberships.iloc[5:], "2026-01-01T00:00Z"), (memberships, "2026-02-01T00:00Z")):
        stored = fg.snapshot_from_frames(
            *(rows, groups, snapshot.customers, snapshot.consents),
            tenant_uid="t-1",
            taken_at=taken_at,
            base_url=snapshot.base_url,
        )
        fg.save_snapshot(stored, folder / "snapshots")
    (folder / "register.csv").write_text("customer_group_uid;discount_percent\nall;5\nvip;20\n")
    return folder


@given(FRAMES, st.integers(30, 140))
def test_tables_are_complete(frame, width):
    "A table on a terminal contains all characters of all cells, and its lines fit if the words are short."
    lines = table_lines(frame, width)

    is_table = any("\u2500" in line for line in lines)
    letters = sorted("".join(lines).replace("\u2500", ""))
    columns = {name: list(map(as_one_line, frame[name])) for name in ("name_of_a", "name_of_b")}
    columns["n_members"] = [f"{n:,}" for n in frame["n_members"]]
    columns["share_of_customers"] = format_column(frame["share_of_customers"], "share_of_customers")
    # Columns without text are omitted. If the table does not fit, the column names are repeated for each row.
    names = [name for name, values in columns.items() if any(values)] * (1 if is_table else len(frame))
    cells = [cell for values in columns.values() for cell in values]
    expected = sorted("".join([*cells, *names]).replace("\u2500", ""))
    # rich can drop whitespace at the end of a line, such as a no-break space.
    assert [letter for letter in letters if not letter.isspace()] == [
        letter for letter in expected if not letter.isspace()
    ]
    if is_table:
        assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("columns", [30, 60, 80, 120])
def test_uids_are_not_broken(columns):
    "A uid is printed on one line, however wide the terminal and the other columns are."
    table = pd.DataFrame({"name": ["word " * 30], "customer_group_uid": [UUID], "evidence": [f"See {UUID}. " * 9]})

    lines = table_lines(table, columns, n_required=2)

    assert any(UUID in line for line in lines)
    assert too_wide(lines, columns) == []


@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint8"])
def test_thousands_separators(dtype, capsys):
    "Integers have thousands separators on a terminal, but not in a pipe."
    n = 250 if dtype == "uint8" else 1234567
    table = pd.DataFrame({"n": pd.Series([n], dtype=dtype), "id": ["1234567"], "year": ["2026"]})

    assert table_lines(table, 80)[-1].split() == [f"{n:,}", "1234567", "2026"]
    print_table(table)
    assert capsys.readouterr().out.split()[-3:] == [str(n), "1234567", "2026"]


@pytest.mark.parametrize(("columns", "expected"), [("-5", 97), ("0", 97), ("x", 97), ("", 97), ("44", 44)])
def test_terminal_width(monkeypatch, columns, expected):
    "The width in COLUMNS is used if it is at least 1. Otherwise, the width that the terminal reports is used."
    stream = Terminal()
    stream.fileno = lambda: 1
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("os.get_terminal_size", lambda fd: os.terminal_size((97, 24)))
    assert terminal_width(stream) == expected
    monkeypatch.setattr("os.get_terminal_size", lambda fd: os.terminal_size((0, 0)))
    assert terminal_width(stream) == (44 if columns == "44" else 80)


def test_wide_characters():
    "A wrapped line with characters of two columns fits on the terminal."
    lines = wrap_line("会员 " * 10, 20).split("\n")

    assert max(map(cell_len, lines)) <= 20 and " ".join(lines).split() == ["会员"] * 10


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT])
@pytest.mark.parametrize("columns", [10, 80])
def test_missing_values(value, columns):
    "A missing value of any type is printed as a hyphen."
    table = pd.DataFrame({"name": ["a"], "value": pd.Series([value], dtype=object)})

    lines = table_lines(table, columns)

    assert lines[-1].split()[-1] == "-"


@given(st.lists(st.sampled_from(["word", "words", "x" * 30, "y" * 90]), min_size=1), st.integers(20, 120))
def test_wrapped_words(words, width):
    "A wrapped line contains the same words in the same order. Only a single word can be wider than the terminal."
    lines = wrap_line(" ".join(words), width).split("\n")

    assert " ".join(lines).split() == words
    assert [line for line in lines if len(line) > width and len(line.split()) > 1] == []


@pytest.mark.parametrize(
    ("line", "indent", "expected"),
    [
        ("Next    frgroups apply /a/long/path --tenant x", 8, ["Next    frgroups apply /a/long/path --tenant x"]),
        ("Plan    /a/long/path/to/the/plan.json", 8, ["Plan    /a/long/path/to/the/plan.json"]),
        ("To undo: frgroups undo /a/long/path", None, ["To undo:", "  frgroups undo /a/long/path"]),
        (
            "  Empty. Remove: frgroups plan --mode remove",
            None,
            ["  Empty. Remove:", "    frgroups plan --mode remove"],
        ),
        ("Run frgroups load to store it.", None, ["Run frgroups load to", "  store it."]),
    ],
)
def test_commands_are_not_wrapped(line, indent, expected):
    "A command or a path at the end of a line is not wrapped, but a sentence that contains a command is wrapped."
    assert wrap_line(line, 20, indent).split("\n") == expected


@pytest.mark.parametrize("options", [[], ["--all-columns", "--top", "5"]])
@pytest.mark.parametrize("name", [entry.name for entry in TABLES])
def test_tables_fit(name, options, width, data_folder, monkeypatch, run):
    "Each table fits on a terminal, also with all columns, and contains no name of a missing value."
    monkeypatch.setenv("FRGROUPS_HOME", str(data_folder))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")

    code, output = run(*table_words(name, data_folder / "register.csv"), *options)

    lines = output.splitlines()
    assert code == 0 and too_wide(lines, width) == []
    assert options or "\u2500" in output
    assert [line for line in lines if re.search(r"\b(NaN|NaT|None)\b|<NA>", line)] == []


def test_messages_fit(running, width, monkeypatch, run, tmp_path):
    "The messages of each command in the workflow fit on a terminal and contain no two consecutive blank lines."
    select_sandbox(running, monkeypatch)
    running.reset()
    uids = [f"c-{n}" for n in range(60)]
    running.put_customers(uids)
    running.put_group("all", "All customers")
    running.put_group(UUID, "A group with a very long name that does not fit on one line of a terminal")
    running.add_members("all", uids)
    running.add_members(UUID, uids[:50])
    plan, blocked = tmp_path / "plan.json", tmp_path / "blocked.json"
    (tmp_path / "list.csv").write_text("customer_uid\n" + "\n".join([*uids, "C-1"]))
    change = ["plan", "--group", UUID, "--purpose", "a reason that is longer than one line of a terminal " * 3]
    commands = [
        (["doctor"], 0),
        (["doctor", "--tenant", "no"], 1),
        (["prune", "--keep", "0d"], 0),
        (["load"], 0),
        (["status"], 0),
        (["health"], 0),
        (["who", "c-1"], 0),
        (["who", "c-99"], 1),
        ([*change, "--list", tmp_path / "list.csv"], 1),
        ([*change, "--list", tmp_path / "list.csv", "--allow-similar-ids", "--pending"], 0),
        ([*change, "--members", "'all'", "--mode", "remove", "--out", blocked], 3),
        ([*change, "--members", "'all'", "--out", plan], 0),
        (["plans"], 0),
        (["show", blocked], 0),
        (["apply", plan], 8),
        (["approve", plan, "--by", "Kari", "--reject", "The list is wrong"], 0),
        (["withdraw", plan, "--by", "Kari"], 0),
        (["show", plan], 0),
        (["approve", plan, "--by", "Kari"], 0),
        (["apply", plan], 0),
        (["apply", plan], 0),
        (["show", plan], 0),
        (["apply", "--queue"], 0),
        (["erase-customer", "c-1"], 0),
        (["plans", "--state", "nonsense"], 64),
    ]
    outputs = {}
    for words, expected in commands:
        code, outputs[" ".join(map(str, words))] = run(*words)
        assert (code, words) == (expected, words)
    code, outputs["undo"] = run("undo", fg.read_plan(plan).digest)

    assert code == 0
    wide = {words: too_wide(text.splitlines(), width) for words, text in outputs.items()}
    assert {words: lines for words, lines in wide.items() if lines} == {}
    assert [words for words, text in outputs.items() if "\n\n\n" in text] == []


@pytest.mark.parametrize(
    ("state", "plan_state", "next_command"), [("new", "pending", "approve"), ("approved", "approved", "apply")]
)
def test_next_command_of_a_plan(state, plan_state, next_command, capsys, tmp_path):
    "`frgroups show` prints the state of a plan and the command for the next step."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-3"]}, limits=fg.Limits(snapshot_max_age=None))
    path = Path(plan.save(tmp_path / "p.json"))
    if state == "approved":
        fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari")

    assert main(["show", str(path)]) == 0

    out = capsys.readouterr().out
    assert re.search(rf"^State +{plan_state}$", out, re.M)
    assert re.search(rf"^Next +frgroups {next_command} {path}", out, re.M)
