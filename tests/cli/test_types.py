"""What to do about an error, in the words of who reads it; and wrong values after options, which are wrong usage."""

import ast
import pickle
import re
import socket
import threading
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook

import frgroups as fg
from frgroups.advice import ANY, ATTRIBUTE, FUNCTION, Advice, Form, spoken_by
from frgroups.cli.doctor import FEWEST_CUSTOMERS, FEWEST_GROUPS
from frgroups.cli.main import main
from frgroups.cli.types import speaker_of
from frgroups.errors import FrgroupsError, GroupNotFoundError, InputError
from frgroups.sandbox import fake_tenant as tenant

# An argument or a function of Python; NAME=VALUE after --limit is the terminal's own.
PYTHON = re.compile(r"(?<!--limit )\b[a-z_]+=|\b(load|save|read|refresh|plan|apply)_\w+\b|Limits\(|\bfg\.")


# In Python


def test_an_error_is_its_message_and_its_advice():
    "As text it is both; the message alone is what happened, and the facts are attributes."
    error = InputError("It is damaged.", Advice("Try {allow_older}.", allow_older=True), path="a")

    assert str(error) == "It is damaged. Try allow_older=True."
    assert (error.message, error.path) == ("It is damaged.", "a")


def test_an_error_survives_another_process():
    "Pickled, it says the same."
    error = GroupNotFoundError("No group.", Advice("Name it in {create}.", create=ANY), close=["a"])

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.close) == (GroupNotFoundError, "No group. Name it in create=.", ["a"])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (True, "it=True"),
        (0, "it=0"),
        ("{a}", "it='{a}'"),
        (ANY, "it="),
        (FUNCTION, "it"),
        (ATTRIBUTE, ".it"),
        (Form("{}={uid: name}"), "it={uid: name}"),
        (Form("{}(client)", is_function=True), "it(client)"),
    ],
)
def test_python_is_told_arguments_and_functions(value, told):
    "As they are written, braces and all."
    assert str(Advice("{it}.", it=value)) == f"{told}."


def test_what_cannot_be_said_is_no_advice():
    "A sentence for which the speaker lacks a word is left out, in each thread; afterwards Python is spoken again."
    error = InputError("No.", Advice("Try {a}.", a=1), Advice("Or {b}.", b=2))
    heard = []

    with spoken_by(lambda name, value: None if name == "a" else f"<{name} {value}>"):
        thread = threading.Thread(target=lambda: heard.append(str(error)))
        thread.start()
        thread.join()

    assert heard == ["No. Or <b 2>."]
    assert str(error) == "No. Try a=1. Or b=2."


def test_the_terminal_says_what_its_command_takes():
    "Options by their names, with the value where there is one; functions by the command that does the same."
    word = speaker_of(Namespace(tenant=None, allow_older=False, port=1, create=None))

    told = [word(*one) for one in (("tenant_uid", ANY), ("allow_older", True), ("port", 0), ("create", ANY))]

    assert told == ["--tenant", "--allow-older", "--port 0", "--create"]
    assert word("refresh_groups", Form("{}(client)", is_function=True)) == "frgroups load"
    assert word("empty", True) is word("port", None) is word("save_snapshot", FUNCTION) is None


# In a terminal


@pytest.fixture(scope="module")
def running():
    with fg.Sandbox(customers=120, groups=8) as sandbox:
        yield sandbox


@pytest.fixture
def environment(running, monkeypatch):
    """The three variables, and two kept snapshots of another tenant, of which the newer one is damaged."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", running.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", running.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", running.base_url)
    snapshot = replace(fg.sample_snapshot(), base_url=running.base_url)
    for _ in range(2):
        damaged = fg.save_snapshot(snapshot)
    (damaged / "groups.parquet").write_bytes(b"torn")
    return running


OTHER = ["--tenant", "t-1", "--cache", "{home}/snapshots"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["sizes", *OTHER], 1, "Read the newest good one with --allow-older"),
        (["sizes"], 1, "frgroups load keeps one."),
        (["sizes", "--tenant", "typo"], 1, "'typo' is taken for the uid of a tenant"),
        (["plan", "--group", "Vipp", "--members", "VIP", "--allow-older", *OTHER], 1, "name it in --create."),
        (["plan", "--group", "vip", "--list", "{wide}", "--allow-older", *OTHER], 1, "the ids with --column."),
        (["plan", "--group", "vip", "--list", "{sheets}", "--allow-older", *OTHER], 1, "Say which with --sheet."),
        (["sandbox", "--port", "{taken}", "--customers", "50", "--groups", "8"], 1, "--port 0 finds a free one."),
        (["apply", "{blocked}", "--approve", "{digest}"], 3, "a plan with --limit removals_total=600 and have"),
        (["apply", "{blocked}", "--approve", "0123"], 8, "'0123' is too short"),
        (["apply", "{blocked}", "--approve", "nothing"], 8, "'nothing' is neither a digest"),
        (["overlap", "--universe", "3", "--allow-older", *OTHER], 1, "A universe of 3 is smaller"),
        (["load"], 0, ""),
    ],
)
def test_advice_speaks_of_options(words, code, told, environment, home_folder, capsys, monkeypatch, tmp_path):
    "What a command says to do can be typed; no argument or function of Python is named."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        known = things(home_folder, environment, tmp_path) | {"taken": taken.getsockname()[1]}

        assert main([word.format(**known) for word in words]) == code

    err = capsys.readouterr().err
    assert told in err
    assert not PYTHON.search(err.replace(str(tmp_path), "").replace(str(home_folder), ""))


def things(home_folder, sandbox, tmp_path):
    """What the words above name: files that are no lists, and a plan that is blocked."""
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


def test_a_drifted_tenant_is_told_what_to_do_in_a_terminal(running, environment, capsys, no_pause):
    "Loading again is what the command has; a plan over the group says the same."
    filled = [group for group in running.groups() if running.members(group)]
    small, *_, large = sorted(filled, key=lambda group: len(running.members(group)))
    running.misbehave(group_uids="wrong")
    try:
        assert main(["load", "--no-cover"]) == 4
    finally:
        running.behave()
    assert main(["plan", "--group", small, "--members", f"'{large}'"]) == 4

    out, err = capsys.readouterr()
    assert "changed while read. Fine for analysis; frgroups load before planning." in out
    assert "Read it again with frgroups load, and plan then." in err
    assert not PYTHON.search(out.partition("Kept in")[0] + err)


def test_the_log_and_the_lines_of_json_speak_so_too(environment, capsys):
    "A warning names no argument of Python either."
    assert main(["sizes", "--tenant", "t-1", "--base-url", "stage", "--log", "json"]) == 1
    assert main(["sizes", *OTHER[:2], "--allow-older", "--log", "json"]) == 0

    err = capsys.readouterr().err
    assert "snapshot_set_aside" in err and "No snapshot of tenant t-1 at https://api.stage.flowretail.com" in err
    assert not PYTHON.search("\n".join(line for line in err.splitlines() if not line.startswith("{")))
    assert "allow_older" not in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["load", "--max-age", "soon"], "argument --max-age: 'soon' is not a duration; write it like '6h'"),
        (["status", "--max-age", "-1h"], "argument --max-age"),
        (["load", "--all", "--tenant", "a"], "not allowed with argument"),
        (["load", "--jobs", "0"], "argument --jobs: 0: it must be 1 or more"),
        (["load", "--jobs", "two"], "'two' is no whole number"),
        (["load", "--requests-per-second", "0"], "it must be more than 0"),
        (["load", "--requests-per-second", "nan"], "argument --requests-per-second"),
        (["sizes", "--at", "yesterday"], "argument --at: 'yesterday' is not a moment"),
        (["changes", "--since", "2026-13-01"], "argument --since: '2026-13-01' is not a moment"),
        (["sizes", "--base-url", "nowhere"], "argument --base-url: 'nowhere' is not a base URL"),
        (["sizes", "--top", "0"], "argument --top"),
        (["overlap", "--universe", "-1"], "argument --universe"),
        (["overlap", "--by", "lift"], "--by lift compares with chance, which needs --universe N"),
        (["plan", "--group", "", "--members", "a"], "argument --group: it is empty"),
        (["plan", "--group", "a", "--members", "a", "--limit", "10"], "write NAME=VALUE"),
        (["plan", "--group", "a", "--members", "a", "--limit", "most=10"], "Unknown limits: most"),
        (["plan", "--group", "a", "--members", "a", "--limit", "removal_share=10"], "a share between 0 and 1"),
        (["plan", "--group", "a", "--members", "a", "--limit", "per_group=1"], "only Python can say"),
        (["undo", "r.json", "--limit", "plan_max_age=soon"], "argument --limit: 'soon' is not a duration"),
        (["approve", "p.json", "--by", " "], "argument --by: it is empty"),
        (["forget", ""], "argument UID: it is empty"),
        (["export-customer", " "], "argument UID: it is empty"),
        (["sandbox", "--port", "65536"], "from 0 to 65,535"),
        (["sandbox", "--customers", "49"], "it must be 50 or more"),
        (["demo", "--customers", "49"], "it must be 50 or more"),
        (["sandbox", "--latency", "-1"], "argument --latency"),
    ],
)
def test_a_wrong_value_after_an_option_is_wrong_usage(words, told, capsys):
    "Exit code 64 with the option and what it takes, before anything is read or asked."
    sizes_need = fg.save_snapshot(fg.sample_snapshot())

    assert code_of(words) == 64
    assert told in capsys.readouterr().err
    assert sizes_need.exists()


def code_of(words):
    """The exit code, whether it is returned or leaves through argparse."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


def test_the_smallest_sandbox_is_that_of_the_sandbox():
    "The command knows it without importing the extra."
    assert (FEWEST_CUSTOMERS, FEWEST_GROUPS) == (tenant.FEWEST_CUSTOMERS, tenant.FEWEST_GROUPS)


@pytest.mark.parametrize("command", ["load", "status", "doctor", "apply"])
def test_help_says_that_tenant_is_a_name(command, capsys):
    "What connects needs a table of tenants.toml."
    assert code_of([command, "--help"]) == 0
    assert re.search(r"--tenant NAME .*in\s+tenants\.toml,\s+no\s+uid", capsys.readouterr().out, re.S)


@pytest.mark.parametrize("command", ["sizes", "overlap", "changes", "plan", "forget", "export-customer"])
def test_help_says_that_tenant_is_a_name_or_a_uid(command, capsys):
    "What looks at what is kept takes both."
    assert code_of([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--tenant NAME|UID" in out and re.search(r"name\s+in\s+tenants\.toml\s+or\s+else\s+its\s+uid", out)


def test_forget_knows_a_tenant_by_its_name_too(home_folder, capsys):
    "A name of tenants.toml means its uid, and a uid itself; nothing held says of which tenant."
    table = '[no]\ntenant_uid = "t-1"\nhost = "stage"\ntoken_command = "x"\n'
    (home_folder / "tenants.toml").write_text(table)
    (home_folder / "tenants.toml").chmod(0o600)
    fg.save_snapshot(fg.sample_snapshot())

    assert main(["forget", "c-1", "--tenant", "no"]) == 0
    assert "1 file would change" in capsys.readouterr().out
    assert main(["forget", "c-1", "--tenant", "t-2"]) == 0
    assert "Nothing is held of this customer of tenant t-2" in capsys.readouterr().out
    assert main(["export-customer", "c-1", "--tenant", "no"]) == 0
    assert '"attributes"' in capsys.readouterr().out


def test_no_message_names_an_argument_by_hand():
    "Every error of the package says arguments through advice, so that a terminal can say them otherwise."
    root = Path(fg.__file__).parent
    kinds = {one.__name__ for one in subclasses(FrgroupsError)}
    wrong = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            raised = isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds and node.args
            if raised and re.search(r"\b(with|say|give|or|choose|without) [a-z_]+=", literals(node.args[0])):
                wrong.append(f"{path.name}:{node.lineno}")

    assert wrong == []


def subclasses(kind):
    return {kind, *(below for one in kind.__subclasses__() for below in subclasses(one))}


def literals(node):
    """The text of a message as it stands in the source, values left out."""
    parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return "".join(part for part in parts if isinstance(part, str))
