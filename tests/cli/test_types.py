"""Tests for usage errors and for error hints in Python and on the command line."""

import ast
import pickle
import re
import socket
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd
import pytest
from openpyxl import Workbook

import frgroups as fg
from frgroups.cli.command import ListOption
from frgroups.cli.main import main
from frgroups.cli.table_registry import TABLES
from frgroups.errors import FrgroupsError, GroupNotFoundError, InputError
from frgroups.plan.limits import LIMIT_NAMES
from tests.cli.commands import code_of
from tests.cli.test_json import COMMANDS, leaf_commands
from tests.world import select_sandbox

# Arguments and functions of Python, but not NAME=VALUE after --limit.
PYTHON = re.compile(r"(?<!--limit )\b[a-z_]+=|\b(load|save|read|refresh|plan|apply)_\w+\b|Limits\(|\bfg\.")


# Error objects


def test_message_hint_and_facts():
    "`str(error)` contains the message and `hint`. `cli_text` contains the message and `cli_hint`."
    error = InputError("It is damaged.", hint="Pass a=1.", cli_hint="Pass --a 1.", path="a")

    assert (str(error), error.cli_text) == ("It is damaged. Pass a=1.", "It is damaged. Pass --a 1.")
    assert (error.message, error.path) == ("It is damaged.", "a")


@pytest.mark.parametrize(("cli_hint", "text"), [(None, "No. Load again."), ("", "No."), ("Run b.", "No. Run b.")])
def test_cli_hint(cli_hint, text):
    "`cli_text` contains `cli_hint`, or the hint if `cli_hint` is None. An empty `cli_hint` adds nothing."
    assert InputError("No.", hint="Load again.", cli_hint=cli_hint).cli_text == text


@pytest.mark.parametrize(
    ("first", "second", "text", "cli_text"),
    [
        ({}, {}, "No. Why.", "No. Why."),
        ({"hint": "A."}, {"hint": "B."}, "No. Why. A. B.", "No. Why. A. B."),
        ({"hint": "A.", "cli_hint": "a."}, {"hint": "B."}, "No. Why. A. B.", "No. Why. a. B."),
        ({"hint": "A."}, {"hint": "B.", "cli_hint": ""}, "No. Why. A. B.", "No. Why. A."),
        ({"hint": "A.", "cli_hint": ""}, {"hint": "B.", "cli_hint": "b."}, "No. Why. A. B.", "No. Why. b."),
    ],
)
def test_add_to_an_error(first, second, text, cli_text):
    "`error.add` appends a message and its hints to the error."
    error = InputError("No.", **first)

    error.add("Why.", **second)

    assert (str(error), error.cli_text) == (text, cli_text)


def test_pickled_error():
    "A pickled error keeps its type, message, hints, and facts."
    error = GroupNotFoundError("No group.", hint="Pass create=.", cli_hint="Pass --create.", close=["a"])

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.cli_text, again.close) == (
        GroupNotFoundError,
        "No group. Pass create=.",
        "No group. Pass --create.",
        ["a"],
    )


# Commands


@pytest.fixture(scope="module")
def running():
    """Return a sandbox that all tests of this module share."""
    with fg.Sandbox(customers=120, groups=8) as sandbox:
        yield sandbox


@pytest.fixture
def environment(running, monkeypatch):
    """Select the sandbox, and store two snapshots of another tenant. The newer snapshot is corrupt."""
    select_sandbox(running, monkeypatch)
    snapshot = replace(fg.sample_snapshot(), base_url=running.base_url)
    for _ in range(2):
        newest = fg.save_snapshot(snapshot)
    (newest / "groups.parquet").write_bytes(b"corrupt")
    return running


OTHER = ["--tenant", "t-1", "--cache", "{home}/snapshots"]


@pytest.mark.parametrize(
    ("words", "code", "facts"),
    [
        (["table", "group_sizes", *OTHER], 1, ["--allow-older"]),
        (["table", "group_sizes"], 1, ["frgroups load"]),
        (["table", "group_sizes", "--tenant", "typo"], 1, ["'typo'", "tenants.toml"]),
        (["plan", "--group", "Vipp", "--members", "VIP", "--allow-older", *OTHER], 1, ["'Vipp'", "--create"]),
        (["plan", "--group", "vip", "--list", "{wide}", "--allow-older", *OTHER], 1, ["--column"]),
        (["plan", "--group", "vip", "--list", "{sheets}", "--allow-older", *OTHER], 1, ["--sheet"]),
        (["sandbox", "--port", "{taken}", "--customers", "50", "--groups", "8"], 1, ["{taken}", "--port 0"]),
        (["apply", "{blocked}"], 3, ["--limit removals_total=600"]),
        (["apply", "{blocked}", "--approval", "nothing"], 8, ["'nothing'"]),
        (["apply", "none.json"], 1, ["none.json"]),
        (["apply", "0123456"], 1, ["'0123456'", "8"]),
        (["apply", "01234567"], 1, ["01234567", "frgroups plans"]),
        (["apply", "last"], 1, ["'last'", "frgroups show"]),
        (["table", "overlap_pairs", "--universe", "3", "--allow-older", *OTHER], 1, ["universe", "3"]),
        (
            ["plan", "--group", "vip", "--create", "X", "--members", "VIP", "--allow-older", *OTHER],
            1,
            ["'vip'", "VIP"],
        ),
        (["plan", "--group", "vip", "--list", "none.csv", "--allow-older", *OTHER], 1, ["none.csv"]),
        (["review", "{blocked}", "--out", "r.pdf"], 1, ["r.pdf", ".html", ".xlsx"]),
        (["load", "--tenant", "typo"], 1, ["'typo'", "tenants.toml", "FRGROUPS_TENANT_UID", "--tenant"]),
        (["load"], 0, []),
    ],
)
def test_cli_hints(words, code, facts, environment, home_folder, capsys, tmp_path):
    "A command's error contains the options and values to use, but no Python arguments or functions."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = example_files(home_folder, environment, tmp_path) | {"taken": taken.getsockname()[1]}

        assert main([word.format(**values) for word in words]) == code

    err = capsys.readouterr().err
    assert [fact for fact in facts if fact.format(**values) not in err] == []
    assert not PYTHON.search(err.replace(str(tmp_path), "").replace(str(home_folder), ""))


@pytest.mark.parametrize(
    "words", [["table", "group_sizes", "--at", "2020-01-01"], ["table", "group_changes", "--since", "2020-01-01"]]
)
def test_date_before_the_oldest_snapshot(words, environment, home_folder, capsys):
    "If all snapshots are newer than --at, the error contains the date of the oldest one and suggests no load."
    assert main([*words, "--allow-older", *(word.format(home=home_folder) for word in OTHER)]) == 1

    err = capsys.readouterr().err
    assert "2020-01-01" in err and f"{fg.sample_snapshot().taken_at:%Y-%m-%d}" in err and "frgroups load" not in err


@pytest.mark.parametrize("words", [["--bogus"], ["table", "group_sizes", "--bogus"]])
def test_unknown_option_without_a_similar_one(words, capsys):
    "If no option has a similar name, the error for an unknown option suggests nothing."
    assert code_of(words) == 64

    err = capsys.readouterr().err
    assert "'--bogus'" in err and "Did you mean" not in err


def test_unknown_limit(capsys):
    "The error for an unknown limit lists the limits that --limit accepts."
    assert code_of(["plan", "--group", "a", "--members", "a", "--limit", "most=10"]) == 64

    err = capsys.readouterr().err
    assert "most" in err and [name for name in LIMIT_NAMES if name not in err] == []
    assert "per_group" not in re.sub(r"\w+_per_group", "", err)


def example_files(home_folder, sandbox, tmp_path):
    """Write ambiguous customer lists and a blocked plan, and return the values that replace the placeholders."""
    (tmp_path / "wide.csv").write_text("a;b\n1;2\n")
    book = Workbook()
    for sheet in (book.active, book.create_sheet("b")):
        sheet.append(["customer_uid"])
        sheet.append(["c-1"])
    book.save(tmp_path / "sheets.xlsx")
    uids = [f"c-{n}" for n in range(600)]
    stay = [f"d-{n}" for n in range(100)]
    members = pd.DataFrame({"customer_group_uid": ["a"] * 700, "customer_uid": [*uids, *stay]})
    snapshot = fg.snapshot_from_frames(
        members, tenant_uid=sandbox.tenant_uid, taken_at=fg.sample_snapshot().taken_at, base_url=sandbox.base_url
    )
    limits = fg.Limits(removals_per_group=None, removal_share=None)
    plan = fg.plan_memberships(snapshot, {"a": stay}, mode="mirror", limits=limits)
    path = plan.save(tmp_path / "blocked.json")
    return {
        "home": home_folder,
        "wide": tmp_path / "wide.csv",
        "sheets": tmp_path / "sheets.xlsx",
        "blocked": path,
        "digest": plan.digest,
    }


def test_drifted_load(running, environment, capsys, no_pause):
    "A load with the verdict drifted stores the snapshot. The load and a plan for a drifted group return exit code 4."
    filled = [group for group in running.groups() if running.members(group)]
    small, *_, large = sorted(filled, key=lambda group: len(running.members(group)))
    running.misbehave(group_uids="wrong")
    try:
        assert main(["load", "--no-cover"]) == 4
    finally:
        running.behave()
    assert main(["plan", "--group", small, "--members", f"'{large}'"]) == 4

    out, err = capsys.readouterr()
    assert "Stored in" in out and small in err
    assert not PYTHON.search(out.partition("Stored in")[0] + err)


def test_cli_hints_in_the_log(environment, capsys):
    "Log messages of the command line contain no Python arguments."
    assert main(["table", "group_sizes", "--tenant", "t-1", "--base-url", "stage", "--log", "json"]) == 1
    assert main(["table", "group_sizes", *OTHER[:2], "--allow-older", "--log", "json"]) == 0

    err = capsys.readouterr().err
    assert "snapshot_quarantined" in err and "t-1" in err and "https://api.stage.flowretail.com" in err
    assert not PYTHON.search("\n".join(line for line in err.splitlines() if not line.startswith("{")))
    assert "allow_older" not in err


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["load", "--max-age", "soon"], ["'--max-age'", "'soon'", "'6h'"]),
        (["status", "--max-age", "-1h"], ["'--max-age'"]),
        (["load", "--all", "--tenant", "a"], ["--all", "--tenant"]),
        (["load", "--jobs", "0"], ["'--jobs'", "0", "1 or more"]),
        (["load", "--jobs", "two"], ["'--jobs'", "'two'", "integer"]),
        (["load", "--requests-per-second", "0"], ["'--requests-per-second'", "more than 0"]),
        (["load", "--requests-per-second", "nan"], ["'--requests-per-second'", "'nan'"]),
        (["table", "group_sizes", "--at", "yesterday"], ["'--at'", "'yesterday'"]),
        (["table", "group_changes", "--since", "2026-13-01"], ["'--since'", "'2026-13-01'"]),
        (["table", "group_sizes", "--base-url", "nowhere"], ["'--base-url'", "'nowhere'"]),
        (["table", "group_sizes", "--top", "0"], ["'--top'"]),
        (["table", "overlap_pairs", "--universe", "-1"], ["'--universe'"]),
        (["table", "overlap_pairs", "--sort", "lift"], ["--sort lift", "--universe N"]),
        (["plan", "--group", "", "--members", "a"], ["'--group'", "empty"]),
        (["plan", "--group", "a", "--members", "a", "--limit", "10"], ["'--limit'", "NAME=VALUE"]),
        (["plan", "--group", "a", "--members", "a", "--limit", "most=10"], ["'--limit'", "most"]),
        (
            ["plan", "--group", "a", "--members", "a", "--limit", "removal_share=10"],
            ["removal_share", "10", "at most 1"],
        ),
        (["plan", "--group", "a", "--members", "a", "--limit", "per_group=1"], ["per_group", "--limits"]),
        (["plan", "--group", "a"], ["--list", "--members"]),
        (["plan", "--group", "a", "--members", "a", "--list", "b"], ["--list", "--members"]),
        (["plan", "--group", "a", "--members", "a", "--pending", "--out", "b"], ["--pending", "--out"]),
        (["plan", "--group", "a", "--members", "a", "--supersede", "b"], ["--supersede", "--pending"]),
        (["plans", "--fail-if-pending", "soon"], ["'--fail-if-pending'", "'soon'"]),
        (["plans", "--state", "open"], ["'--state'", "pending"]),
        (["health", "--json", "--csv", "a"], ["--json", "--csv"]),
        (["health", "--xlsx", "a", "--csv", "a"], ["--xlsx", "--csv"]),
        (["show", "p.json", "--excluded", "--moves"], ["--excluded", "--moves"]),
        (["show", "p.json", "q.json"], ["q.json"]),
        (["undo", "r.json", "--limit", "plan_max_age=soon"], ["'--limit'", "'soon'"]),
        (["approve", "p.json"], ["'--by'"]),
        (["approve", "p.json", "--by", " "], ["'--by'", "empty"]),
        (["approve", "p.json", "--by", "--reject", "no"], ["'--by'", "requires an argument"]),
        (["approve", "p.json", "--by"], ["'--by'", "requires an argument"]),
        (["erase-customer", ""], ["'UID'", "empty"]),
        (["export-customer", " "], ["'UID'", "empty"]),
        (["sandbox", "--port", "65536"], ["'--port'", "65535"]),
        (["sandbox", "--customers", "49"], ["'--customers'", "50"]),
        (["demo", "--customers", "49"], ["'--customers'", "50"]),
        (["sandbox", "--latency", "-1"], ["'--latency'"]),
        (["table", "group_sizes", "--tpo", "1"], ["'--tpo'", "Did you mean '--top'?"]),
        (["completion", "tcsh"], ["'tcsh'", "bash", "zsh", "fish"]),
    ],
)
def test_usage_error(words, facts, capsys):
    "A usage error causes exit code 64, prints the usage, the option, and the value, and changes no file."
    stored = fg.save_snapshot(fg.sample_snapshot())

    assert code_of(words) == 64

    out, err = capsys.readouterr()
    command = " ".join(words[:2]) if words[0] == "table" else words[0]
    assert out == "" and err.startswith(f"Usage: frgroups {command} ")
    assert err.endswith(f"Try 'frgroups {command} --help' for more information.\n")
    assert [fact for fact in facts if fact not in err] == []
    assert stored.exists()


@pytest.mark.parametrize(
    ("words", "old", "new"),
    [
        (["forget", "c-1"], "forget", "erase-customer"),
        (["sizes", "--top", "5"], "'sizes'", "table group_sizes"),
        (["overlap"], "'overlap'", "table overlap_pairs"),
        (["changes", "--since", "2026-11-01"], "'changes'", "table group_changes"),
        (["who", "c-1", "--by", "external_id"], "--by", "--ids"),
        (["table", "overlap_pairs", "--by", "lift"], "--by", "--sort"),
        (["apply", "p.json", "--settle"], "--settle", "--finalize"),
        (["apply", "p.json", "--approve", "p.approval.json"], "--approve", "--approval"),
        (["apply", "p.json", "--approve-policy=p.toml"], "--approve-policy", "--policy"),
        (["apply", "--approved"], "--approved", "--queue"),
        (["plan", "--group", "a", "--members", "b", "--also", "c"], "--also", "--also-members"),
        (["plan", "--group", "a", "--members", "b", "--never-add", "c"], "--never-add", "--suppression-list"),
        (["plan", "--group", "a", "--members", "b", "--never-add-list=c"], "--never-add-list", "--suppression-list"),
        (["plan", "--group", "a", "--members", "b", "--mode", "add_only"], "'add_only'", "'add'"),
        (["plan", "--group", "a", "--members", "b", "--mode", "remove_only"], "'remove_only'", "'keep_only'"),
    ],
)
def test_renamed(words, old, new, capsys):
    "The usage error for the former name of an option contains the current name."
    assert code_of(words) == 64
    assert re.search(rf"{old}\W.* renamed to '?{new}", capsys.readouterr().err)


@pytest.mark.parametrize("command", ["load", "status", "doctor", "apply"])
def test_tenant_name_in_help(command, capsys):
    "Commands that connect to a tenant accept only its name in tenants.toml."
    assert code_of([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"--tenant NAME(\.\.\.)? ", out) and "tenants.toml" in out and "NAME|UID" not in out


@pytest.mark.parametrize(
    "command", ["table group_sizes", "table group_changes", "health", "plan", "erase-customer", "export-customer"]
)
def test_tenant_name_or_uid_in_help(command, capsys):
    "Commands that read stored files accept the name or the uid of a tenant."
    assert code_of([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "--tenant NAME|UID" in out and "tenants.toml" in out


def test_erase_by_tenant_name(home_folder, capsys):
    "The option --tenant accepts a name in tenants.toml or a uid. A tenant without stored data is an error."
    table = '[no]\ntenant_uid = "t-1"\nhost = "stage"\ntoken_command = "x"\n'
    (home_folder / "tenants.toml").write_text(table)
    (home_folder / "tenants.toml").chmod(0o600)
    fg.save_snapshot(fg.sample_snapshot())

    assert main(["erase-customer", "c-1", "--tenant", "no"]) == 0
    assert "1 file " in capsys.readouterr().out
    for command in (["erase-customer", "c-1"], ["export-customer", "c-1", "--out", str(home_folder / "c-1.json")]):
        assert main([*command, "--tenant", "t-2"]) == 1
        assert "t-2" in capsys.readouterr().err
    assert main(["export-customer", "c-1", "--tenant", "no"]) == 0
    assert '"attributes"' in capsys.readouterr().out


def test_no_arguments_in_messages():
    "No error message contains `argument=value`, which is allowed only in hints for Python."
    offenders = []
    for path, call in raised_errors():
        if call.args and re.search(r"\b(with|say|give|or|choose|without) [a-z_]+=", literals(call.args[0])):
            offenders.append(f"{path.name}:{call.lineno}")

    assert offenders == []


def test_cli_hints_name_existing_options(capsys):
    "Each command and option in a `cli_hint` exists, and each option belongs to a command in the same hint."
    hints = list(cli_hints())
    commands = {"load", "table", "plan", "review", "approve", "apply", "sandbox", *commands_in(" ".join(hints))}
    options = {command: options_of(command, capsys) for command in commands}

    assert len(hints) >= 15
    for hint in hints:
        mentioned = [command for command in commands_in(hint) if options[command] & options_in(hint)]
        known = set().union(*(options[command] for command in mentioned or commands))
        assert options_in(hint) <= known, hint
        assert not PYTHON.search(hint), hint


def raised_errors():
    """Yield the path and the syntax node of each call that creates a frgroups error."""
    names = {kind.__name__ for kind in subclasses(FrgroupsError)}
    for path in Path(fg.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                yield path, node


def cli_hints():
    """Yield the literal parts of each `cli_hint` in the package."""
    for path in Path(fg.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "cli_hint":
                yield literals(node.value)
            if isinstance(node, ast.Assign) and re.search("_IN_CLI$|^cli_hint$", getattr(node.targets[0], "id", "")):
                yield literals(node.value)


def commands_in(text):
    """Return the names of the commands that a text contains."""
    return re.findall(r"\bfrgroups (load|table|report|plan|review|approve|override|undo|apply|sandbox)\b", text)


def options_in(text):
    """Return the names of the options that a text contains."""
    return set(re.findall(r"--[a-z][a-z-]*", text))


def options_of(command, capsys):
    """Return the names of the options in the help of a command. The command table has one help page per table."""
    names = [["table", entry.name] for entry in TABLES] if command == "table" else [[command]]
    for words in names:
        assert code_of([*words, "--help"]) == 0
    return options_in(capsys.readouterr().out)


def subclasses(kind):
    """Return a class and all its subclasses."""
    return {kind, *(subclass for child in kind.__subclasses__() for subclass in subclasses(child))}


def literals(node):
    """Return the literal parts of a string or an f-string, without the inserted values."""
    parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return "".join(part for part in parts if isinstance(part, str))


def test_help_of_shared_options():
    "The help of an option with several values states how to pass them, and `--register` has one help text."
    options = [
        (option, command)
        for root in COMMANDS
        for _, command in leaf_commands(root)
        for option in command.params
        if isinstance(option, click.Option)
    ]
    repeated = [option for option, _ in options if option.multiple and not isinstance(option, ListOption)]

    assert repeated and all("This option can be repeated." in option.help for option in repeated)
    register_helps = [option.help for option, _ in options if option.name == "register"]
    assert len(register_helps) == 6 and len(set(register_helps)) == 1
