"""Tests for the commands: the complete workflow, exit codes, help, and output."""

import json
import re
import shlex
from contextlib import nullcontext
from inspect import signature
from pathlib import Path

import click
import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli.command_table import COMMAND_HELP
from frgroups.cli.main import EXIT_CODES, main, root_group
from frgroups.cli.table_registry import TABLES
from frgroups.plan.limits import LIMIT_NAMES
from frgroups.sandbox.faults import Fault
from tests.approvals import approved
from tests.cli.commands import code_of, path_after
from tests.world import select_sandbox

COMMANDS = list(COMMAND_HELP.items())
# First words of the help pages.
VERBS = {
    *("Load", "Check", "Read", "Show", "Create", "List", "Write", "Approve", "Withdraw", "Send", "Erase", "Export"),
    *("Delete", "Run", "Open", "Print"),
}


@pytest.fixture(scope="module")
def tenant():
    """Return a sandbox that all tests of this module share."""
    with fg.Sandbox(customers=600, groups=14) as sandbox:
        yield sandbox


@pytest.fixture
def environment(tenant, monkeypatch):
    """Set the environment variables that select the sandbox."""
    tenant.behave()
    select_sandbox(tenant, monkeypatch)
    return tenant


@pytest.fixture
def loaded(environment):
    """Store a snapshot of the sandbox and return the sandbox."""
    assert main(["load"]) == 0
    return environment


def create_plan(loaded, capsys, *options):
    """Create a plan for a new group and return the exit code, the path of the plan, and the output."""
    code = main(["plan", "--group", "bw", "--create", "Black Week", "--members", "VIP & loyalty - staff", *options])
    out = capsys.readouterr().out
    return code, path_after("Plan", out), out


def test_workflow(loaded, capsys, tmp_path):
    "The commands of the complete workflow, from doctor to undo, succeed one after the other."
    for command in (
        ["doctor"],
        ["table", "group_sizes", "--top", "5"],
        ["table", "overlap_pairs", "--top", "5"],
        ["table", "group_sizes", "--csv", str(tmp_path / "s.csv")],
    ):
        assert main(command) == 0
    code, plan, out = create_plan(loaded, capsys, "--exit-code")
    assert code == 2 and "Black Week" in out
    assert path_after("Review", out).read_text(encoding="utf-8").startswith("<!doctype html>")

    assert main(["show", str(plan)]) == 0
    assert main(["approve", str(plan), "--by", "Kari"]) == 0
    approval = plan.with_suffix(".approval.json")
    assert main(["apply", str(plan), "--approval", str(approval)]) == 0
    out = capsys.readouterr().out
    receipt = path_after("Receipt", out)
    assert f"frgroups undo {receipt}" in out
    assert main(["show", str(receipt)]) == 0
    assert main(["undo", str(receipt), "--limit", "removals_total=1"]) == 3
    blocked = path_after("Plan", capsys.readouterr().out)
    assert main(["apply", str(blocked)]) == 3
    assert main(["undo", str(receipt)]) == 0
    undo = path_after("Plan", capsys.readouterr().out)
    assert main(["apply", approved(undo)]) == 0
    assert loaded.members("bw") == []
    capsys.readouterr()
    assert main(["apply", str(plan), "--approval", str(approval)]) == 3
    captured = capsys.readouterr()
    assert fg.read_plan(undo).digest[:12] in captured.err and "already undone" in captured.err
    assert "Receipt" not in captured.out
    loaded.delete_group("bw")


def test_blocked_plan(loaded, capsys, tmp_path):
    "The output of plan and the errors of approve and apply contain the same sentence and advice."
    plan = ["plan", "--group", "staff", "--members", "VIP - staff", "--limit", "additions_total=1"]
    assert main(plan) == 3
    captured = capsys.readouterr().out
    path = path_after("Plan", captured)
    blocked = fg.read_plan(path)
    outputs = [captured]
    assert main(["approve", str(path), "--by", "Kari"]) == 3
    outputs.append(capsys.readouterr().err)
    assert main(["apply", str(path)]) == 3
    outputs.append(capsys.readouterr().err)

    for output in outputs:
        text = " ".join(output.split())
        assert f"Plan {blocked.digest[:12]} is blocked by 1 limit." in text
        assert f"--limit additions_total={blocked.n_add} " in text


def test_external_ids(loaded, capsys, tmp_path):
    "An unknown external id in a list causes an error, unless --skip-unresolved is given."
    snapshot = fg.read_snapshot()
    ids = list(snapshot.customers["external_id"].dropna().drop_duplicates(keep=False).head(3))
    path = tmp_path / "list.csv"
    path.write_text("external_id;name\n" + "".join(f"{value};x\n" for value in [*ids, "E-unknown"]), encoding="utf-8")
    command = ["plan", "--group", "Staff", "--list", str(path), "--ids", "external_id"]

    assert main(command) == 1
    assert "E-unknown" in capsys.readouterr().out
    assert main([*command, "--skip-unresolved"]) == 0


def test_control_character_in_a_list(loaded, capsys, tmp_path):
    "The control characters of an invalid id are escaped in the error."
    path = tmp_path / "list.csv"
    path.write_text("external_id\nE-un\u202eknown\n", encoding="utf-8")

    assert main(["plan", "--group", "Staff", "--list", str(path)]) == 1

    out, err = capsys.readouterr()
    assert "E-un\\u202eknown" in err and "\u202e" not in out + err


def test_also(loaded, capsys, tmp_path):
    "The option --also-members adds the members of another group expression. An invalid expression causes an error."
    out = tmp_path / "p.json"
    words = ["plan", "--group", "x", "--create", "X", "--out", str(out)]

    assert main([*words, "--members", "VIP - VIP", "--also-members", "Staff"]) == 0
    assert set(fg.read_plan(out).groups[0].add) == set(loaded.members("staff"))
    assert main([*words, "--members", "VIP", "--also-members", "nosuch"]) == 1


def test_list_without_known_ids(loaded, capsys, tmp_path):
    "A list without a known id causes an error, also with --ids, unless --allow-similar-ids is passed."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\ntypo-1\ntypo-2\n", encoding="utf-8")
    words = ["plan", "--group", "VIP", "--list", str(path)]

    for options in ([], ["--ids", "customer_uid"]):
        assert main([*words, *options]) == 1
        err = capsys.readouterr().err
        assert "2 ids" in err and str(path) in err and "--allow-similar-ids" in err
    assert main([*words, "--allow-similar-ids"]) == 0


def test_snapshot_of_a_plan(loaded, capsys):
    "The first line of the output of plan and sizes is the snapshot."
    assert main(["table", "group_sizes", "--top", "1"]) == 0
    sizes = capsys.readouterr().out.splitlines()
    assert main(["plan", "--group", "VIP", "--members", "VIP"]) == 0
    plan = capsys.readouterr().out.splitlines()

    assert sizes[0] == plan[0] == repr(fg.read_snapshot())


def test_unknown_group_with_a_list(loaded, capsys, tmp_path):
    "An unknown group is reported before the list is read."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\ntypo-1\n", encoding="utf-8")

    assert main(["plan", "--group", "nosuch", "--list", str(path)]) == 1

    out, err = capsys.readouterr()
    assert "nosuch" in err and str(path) not in out + err


@pytest.mark.parametrize(("mode", "planned"), [("add", True), ("mirror", True), ("keep_only", False)])
def test_unknown_uids_in_a_list(loaded, capsys, tmp_path, mode, planned):
    "Unknown uids are listed. The output states that they are planned only if the mode can add them."
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["customer_uid", *loaded.members("staff"), "typo-1"]), encoding="utf-8")
    words = ["plan", "--group", "staff", "--list", str(path), "--mode", mode, "--out", str(tmp_path / "p.json")]
    words.append("--allow-similar-ids")  # The format of the unknown uid differs from all other uids.

    assert main(words) == 0

    out = capsys.readouterr().out
    assert re.search(r"1 of them .*: row [0-9]+ 'typo-1'\.$", out, re.M)
    assert ("plan adds these customers" in out) is planned
    if planned:
        assert fg.read_plan(tmp_path / "p.json").groups[0].add == ("typo-1",)


def test_load_of_a_recent_snapshot(loaded, capsys):
    "With --max-age, the output states that nothing was loaded if the stored snapshot is recent enough."
    capsys.readouterr()

    assert main(["load", "--max-age", "6h"]) == 0
    reused = capsys.readouterr().out
    assert main(["load"]) == 0
    loaded_again = capsys.readouterr().out

    assert "nothing was loaded" in reused and "Stored in" not in reused
    assert "nothing was loaded" not in loaded_again and "Stored in" in loaded_again


def test_rejected_items_exit_with_5(loaded, capsys, tmp_path):
    "If a plan adds a customer who does not exist, the plan is applied partially, and the output contains the uid."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\n" + "\n".join([*loaded.members("loyalty")[:5], "typo-1"]), encoding="utf-8")
    assert main(["plan", "--group", "staff", "--list", str(path), "--allow-similar-ids"]) == 0
    plan = path_after("Plan", capsys.readouterr().out)

    assert main(["apply", approved(plan)]) == 5
    assert "typo-1" in capsys.readouterr().out


def test_apply_json(loaded, capsys, tmp_path):
    "With --json, apply prints only one JSON line with the outcome, the counts, and the receipt."
    _, plan, _ = create_plan(loaded, capsys)

    assert main(["apply", approved(plan), "--json"]) == 0

    line = json.loads(capsys.readouterr().out)
    assert (line["plan"], line["outcome"], line["exit_code"]) == (plan.name, "done", 0)
    assert line["counts"] == {"verified": len(loaded.members("bw"))}
    assert fg.read_receipt(line["receipt"]).ok
    loaded.delete_group("bw")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_apply_with_a_closed_pipe(loaded, capsys, monkeypatch, options):
    "If the reader of stdout has closed the pipe, the result of apply is printed to stderr and sets the exit code."
    _, plan, _ = create_plan(loaded, capsys)
    approval = fg.approve_plan(fg.read_plan(plan), plan.with_suffix(".approval.json"), by="Kari")

    def fail(*_, **__):
        raise BrokenPipeError

    for name in ("print_text", "print_json_line"):
        monkeypatch.setattr(f"frgroups.cli.apply.{name}", fail)

    assert main(["apply", str(plan), "--approval", str(approval), *options]) == 0
    out, err = capsys.readouterr()
    verified = f"{len(loaded.members('bw'))} verified"
    assert verified not in out and verified in err
    loaded.delete_group("bw")


def test_apply_json_without_approval(loaded, capsys):
    "If a plan is not approved, the JSON line contains the exit code and the same message as stderr."
    _, plan, _ = create_plan(loaded, capsys)

    assert main(["apply", str(plan), "--json"]) == 8

    out, err = capsys.readouterr()
    line = json.loads(out)
    assert (line["outcome"], line["exit_code"], line["counts"]) == ("failed", 8, {})
    assert line["plan"] == plan.name and line["message"] in err


def test_undo_of_a_journal(tmp_path, capsys):
    "If a journal is passed instead of a receipt, the error contains the receipt suffix and the option --finalize."
    assert main(["undo", str(tmp_path / "x.jsonl")]) == 1
    err = capsys.readouterr().err
    assert "x.jsonl" in err and ".receipt.json" in err and "--finalize" in err


def test_review(loaded, capsys, tmp_path):
    "A review is written next to the plan or to --out, and it contains customer names only with --personal."
    _, plan, _ = create_plan(loaded, capsys)
    page = plan.with_suffix(".html")
    page.unlink()

    assert main(["review", str(plan)]) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["review", str(plan), "--out", str(tmp_path / "r.csv")]) == 0
    assert "customer_uid" in (tmp_path / "r.csv").read_text(encoding="utf-8-sig")
    assert main(["review", str(plan), "--out", str(tmp_path / "r.csv"), "--personal"]) == 1
    assert "personal" in capsys.readouterr().err
    assert main(["load", "--personal"]) == 0
    nameless = page.read_bytes()
    assert main(["review", str(plan), "--personal"]) == 0 and page.read_bytes() == nameless
    assert plan.with_suffix(".personal.html").exists()
    assert main(["review", str(plan), "--out", str(tmp_path / "named.csv"), "--personal"]) == 0
    assert "personal" in (tmp_path / "named.csv").read_text(encoding="utf-8-sig")


def test_rejection_replaces_an_approval(loaded, capsys):
    "If a rejection replaces an approval in the same file, the output contains the name of the first reviewer."
    _, plan, _ = create_plan(loaded, capsys)
    assert main(["approve", str(plan), "--by", "Kari"]) == 0
    capsys.readouterr()

    assert main(["approve", str(plan), "--by", "Ola", "--reject", "wrong week"]) == 0

    out = capsys.readouterr().out
    assert "Ola" in out and "Kari" in out
    assert path_after("Rejection written to", out) == plan.with_suffix(".approval.json")


def test_system_error_during_apply(loaded, capsys, monkeypatch):
    "If a system error interrupts an apply run, the message refers to the journal, and the same command resumes it."
    _, plan, _ = create_plan(loaded, capsys)

    def fail(*_):
        raise OSError(22, "Invalid argument")

    with monkeypatch.context() as broken:
        broken.setattr("frgroups.apply.group_reader.time.sleep", fail)
        assert main(["apply", approved(plan)]) == 1
    err = capsys.readouterr().err
    assert "Invalid argument" in err and "journal" in err

    assert main(["apply", approved(plan)]) == 0
    loaded.delete_group("bw")


@pytest.mark.slow
def test_a_read_back_that_disagrees_exits_with_6(loaded, capsys, tmp_path):
    "If the server accepts an addition that a read-back does not show, the exit code is 6."
    loaded.misbehave(unknown_uids="ignore")
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\n" + "\n".join([*loaded.members("loyalty")[5:9], "typo-2"]), encoding="utf-8")
    assert main(["plan", "--group", "staff", "--list", str(path), "--allow-similar-ids"]) == 0
    plan = path_after("Plan", capsys.readouterr().out)

    assert main(["apply", approved(plan)]) == 6


def test_no_tenant_selected(home_folder, monkeypatch, capsys):
    "If no tenant is selected, the error contains the names in tenants.toml."
    monkeypatch.delenv("FRGROUPS_TENANT_UID", raising=False)
    home_folder.mkdir(exist_ok=True)
    (home_folder / "tenants.toml").write_text(
        '[sport_no]\ntenant_uid = "t-1"\ntoken_command = ["true"]\nbase_url = "stage"\n'
    )

    assert main(["apply", "--queue"]) == 1
    err = capsys.readouterr().err
    assert "--tenant" in err and "sport_no" in err


def test_no_approval_exits_with_8(loaded, capsys):
    "A plan without an approval is not applied."
    _, plan, _ = create_plan(loaded, capsys)

    assert main(["apply", str(plan)]) == 8


def test_drift_exits_with_4(loaded, capsys):
    "If the group that a plan creates already exists, the apply command stops because of drift."
    _, plan, _ = create_plan(loaded, capsys)
    loaded.put_group("bw", "Existing group")

    assert main(["apply", approved(plan)]) == 4
    loaded.delete_group("bw")


def test_a_locked_tenant_exits_with_7(loaded, capsys):
    "While another process holds the tenant's apply lock, no changes are sent."
    from frgroups.internals.locks import tenant_lock

    _, path, _ = create_plan(loaded, capsys)

    with loaded.client() as client, tenant_lock(client.tenant_uid, client.base_url, "plan"):
        assert main(["apply", approved(path)]) == 7


def test_nothing_to_do_exits_with_0(loaded, capsys):
    "If a plan contains no changes, the exit code is 0 even with --exit-code, and the plan is not saved."
    assert main(["plan", "--group", "VIP", "--members", "VIP", "--exit-code"]) == 0
    assert re.search(r"^Plan\b", capsys.readouterr().out, re.M) is None


@pytest.mark.parametrize("words", [[], ["nonsense"], ["plan"], ["table", "overlap_pairs", "--top", "many"]])
def test_usage_exits_with_64(words):
    "A missing or unknown argument causes exit code 64 instead of 2, which is the default of click."
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert caught.value.code == 64


def test_help(capsys):
    "The main help page lists commands, workflow, variables, and exit codes. Each command has an example."
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    words = " ".join(out.split())
    assert all(f"{code} {text}" in words for code, text in EXIT_CODES.items())
    assert "FRGROUPS_TOKEN" in out and "frgroups apply PLAN" in out
    positions = [re.search(rf"^  {command} +{re.escape(text)}", out, re.M).start() for command, text in COMMANDS]
    assert positions == sorted(positions)

    for command, text in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        out = capsys.readouterr().out
        assert "Example:\n  " in out and f"frgroups {command}" in out and text in " ".join(out.split())


PAGES = [[], *([command] for command, _ in COMMANDS), *(["table", entry.name] for entry in TABLES)]


@pytest.mark.parametrize("words", PAGES)
def test_help_page(words, capsys):
    "A help page starts with an instruction, describes every option, and has lines of at most 80 characters."
    assert code_of([*words, "--help"]) == 0

    out = capsys.readouterr().out
    description = out.split("\n\n")[1].strip()
    first_word = description.split()[0].rstrip(",")
    assert first_word in VERBS and description.endswith(".")
    assert [line for line in out.splitlines() if len(line) > 80] == []
    options = [param for param in command_of(words).params if isinstance(param, click.Option)]
    assert [param.name for param in options if not (param.help or "").endswith(".")] == []


def command_of(words):
    """Return the click command that the words select."""
    command = root_group()
    for word in words:
        command = command.get_command(None, word)
    return command


@pytest.mark.parametrize("command", ["plan", "undo"])
def test_limits_in_help(command, capsys):
    "The help contains one line of at most 80 characters for each limit, with its default value."
    with pytest.raises(SystemExit):
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()

    for name in LIMIT_NAMES:
        default = getattr(fg.Limits(), name)
        setting = f"  {name}={'none' if default is None else default} "
        [line] = [line for line in lines if line.startswith(setting)]
        assert len(line) <= 80 and line.removeprefix(setting).strip()


@pytest.mark.parametrize("command", [command for command, _ in COMMANDS if command != "table"])
def test_functions_receive_their_options(command):
    "The parameters of each command function match the options of the command."
    loaded = root_group().get_command(None, command)
    exposed = {param.name for param in loaded.params if param.expose_value}
    parameters = signature(loaded.callback, follow_wrapped=False).parameters
    explicit = {name for name, parameter in parameters.items() if parameter.kind != parameter.VAR_KEYWORD}
    function = set(signature(loaded.callback).parameters) - {"selection", "records"}

    assert explicit | function == exposed


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (["status"], "WARNING"),
        (["-v", "status"], "INFO"),
        (["status", "-vv"], "DEBUG"),
        (["-vv", "status", "-v"], "INFO"),
        (["--log", "json", "status"], "INFO"),
        (["--log=json", "status", "--log", "text"], "INFO"),
    ],
)
def test_log_options(words, level, monkeypatch):
    "The options -v and --log are valid before and after the command name. Values after the name take precedence."
    calls = []

    def record(form, level, **facts):
        calls.append((form, level))
        return nullcontext()

    monkeypatch.setattr("frgroups.internals.structured_logging.logged_to_stderr", record)

    main(words)

    form = "json" if words == ["--log", "json", "status"] else "text"
    assert calls == [(form, level)]


def test_errors_are_one_line_without_a_traceback(environment, monkeypatch, capsys, tmp_path):
    "A missing token, a missing snapshot, a failing server, or a corrupt plan causes exit code 1 without a traceback."
    plan = tmp_path / "p.plan.json"
    plan.write_text(json.dumps({"kind": "frgroups plan", "format_version": 2, "content": {}, "checksum": "x"}))
    for words in (
        ["table", "group_sizes"],
        ["show", str(plan)],
        ["show", str(tmp_path / "none")],
        ["table", "group_changes"],
    ):
        assert main(words) == 1
    environment.misbehave(Fault("status", status=404, times=None))
    assert main(["load"]) == 1
    monkeypatch.delenv("FRGROUPS_TOKEN")
    assert main(["load"]) == 1

    err = capsys.readouterr().err
    assert "Traceback" not in err and err.count("\n") == 6
    assert "FRGROUPS_TOKEN" in err and "frgroups load" in err and str(plan) in err


def test_changes(loaded, capsys):
    "The tables of changes contain the groups and the customers that changed between two snapshots."
    loaded.advance(days=30)
    assert main(["load"]) == 0
    capsys.readouterr()

    assert main(["table", "group_changes"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"[1-9]\d* of \d+ groups", out) and "n_joined" in out
    assert main(["table", "membership_changes"]) == 0
    assert "customer_uid" in capsys.readouterr().out


def test_health(loaded, capsys, tmp_path):
    "Health findings are printed as text or JSON, or written to CSV or Excel. The exit code is 0 for all findings."
    register, table, workbook = tmp_path / "register.csv", tmp_path / "health.csv", tmp_path / "health.xlsx"
    register.write_text("group;exclusive_set\nVIP;tier\nvip_gold;tier\ngone;\n")

    assert main(["health", "--register", str(register), "--top", "2", "--csv", str(table)]) == 0
    text = capsys.readouterr().out
    assert main(["health", "--register", str(register), "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)["rows"]

    assert "HIGH two_tiers: " in text and f"2 of {len(lines)} " in text
    assert lines[0]["suggested_action"] in text
    assert len(lines) == len(table.read_text(encoding="utf-8").splitlines()) - 1
    assert {"two_tiers", "not_in_tenant", "near_duplicate"} <= {line["finding"] for line in lines}
    assert main(["health", "--register", str(register), "--xlsx", str(workbook)]) == 0
    assert pd.read_excel(workbook)["finding"].to_list() == [line["finding"] for line in lines]


def test_health_prints_action_once(loaded, capsys):
    "The suggested action is printed for the first finding of each kind only."
    assert main(["health", "--top", "100"]) == 0
    text = capsys.readouterr().out
    assert main(["health", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    printed = [row["finding"] for row in rows if f"{row['evidence']}\n  {row['suggested_action']}" in text]
    assert printed == list(dict.fromkeys(row["finding"] for row in rows)) and len(printed) < len(rows)


def test_health_actions(loaded, capsys, tmp_path):
    "Each suggested action on the command line contains valid commands instead of Python code."
    register = tmp_path / "my register.csv"
    register.write_text("group;exclusive_set;valid_to;expected_type\nVIP;tier;2020-01-01;B2B\nvip_gold;tier;;\n")

    assert main(["health", "--register", str(register), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    expected = fg.health_report(fg.read_snapshot(), register=fg.read_register(register))

    assert [row["evidence"] for row in rows] == list(expected["evidence"])
    assert {row["finding"] for row in rows} >= {"two_tiers", "ended", "wrong_type", "near_duplicate"}
    assert any("fg." in action for action in expected["suggested_action"])
    commands = [part.split("frgroups ")[1:] for part in (row["suggested_action"] for row in rows)]
    assert sum(map(bool, commands)) >= 5
    for row in rows:
        assert not re.search(r"fg\.|snapshot\b.*=|register=", row["suggested_action"])
    for part in (part for parts in commands for part in parts):
        words = shlex.split(part.partition(" && ")[0])
        options = {name for param in leaf_command(words).params for name in param.opts}
        assert {word for word in words if word.startswith("--")} <= options
        assert words[0] != "plan" or str(register) in words or part.endswith("&& ")


def leaf_command(words):
    """Return the command that the words select."""
    found = root_group().get_command(None, words[0])
    return found.commands[words[1]] if words[0] == "table" else found


def test_invalid_register(loaded, capsys, tmp_path):
    "The error for an invalid register contains the file, the row, the column, and the value."
    register = tmp_path / "register.csv"
    register.write_text("group;valid_to\nVIP;soon\n")

    assert main(["health", "--register", str(register)]) == 1
    err = capsys.readouterr().err
    assert [part for part in (str(register), "row 2", "valid_to", "'soon'") if part not in err] == []


def test_protected_group(loaded, capsys, tmp_path):
    "A plan that changes a protected group is blocked with exit code 3, and the output does not suggest --limit."
    register = tmp_path / "register.csv"
    register.write_text("group;protected\nstaff;yes\n")

    code = main(["plan", "--group", "staff", "--members", "staff | VIP", "--register", str(register)])

    out = capsys.readouterr().out
    assert code == 3 and "the register" in out and "--limit " not in out


def test_group_limit(loaded, capsys, tmp_path):
    "If an apply run exceeds a single group's limit, the error contains the group and the limit instead of --limit."
    limits = tmp_path / "limits.toml"
    limits.write_text("[per_group.staff]\nremovals_per_day = 1\n")
    leaving = loaded.members("staff")[:2]
    for uid, expected in zip(leaving, (0, 3), strict=True):
        assert main(["load"]) == 0
        staff = tmp_path / "staff.csv"
        staff.write_text(
            "\n".join(["customer_uid", *(member for member in loaded.members("staff") if member != uid)])
        )
        capsys.readouterr()
        plan = ["plan", "--group", "staff", "--list", str(staff), "--mode", "mirror", "--limits", str(limits)]
        assert main(plan) == 0
        path = path_after("Plan", capsys.readouterr().out)

        code = main(["apply", approved(path)])

        assert code == expected
    err = capsys.readouterr().err
    assert "removals_per_day=2" in err and "staff" in err and "--limit " not in err
    loaded.add_members("staff", leaving)


@pytest.mark.slow
def test_sample_list():
    "The sample list contains customers of the default sandbox and four unknown uids."
    ids = fg.read_list(Path(__file__).parents[2] / "data" / "sample" / "black_week.csv")

    with fg.Sandbox() as sandbox:
        known = {record["customer_uid"] for record in sandbox.customer_export()}

    assert [uid for uid in ids if uid not in known] == [f"typo-{n}" for n in range(4)]


def test_detected_id_type(loaded, capsys, tmp_path):
    "The type of the ids in a list is detected from the column name, or from the known ids."
    external = list(fg.read_snapshot().customers["external_id"].dropna().drop_duplicates(keep=False).head(3))
    for header in ("external_id", "id"):
        path = tmp_path / f"{header}.csv"
        path.write_text("\n".join([header, *external]), encoding="utf-8")

        assert main(["plan", "--group", "Staff", "--list", str(path)]) == 0
        line = capsys.readouterr().out.splitlines()[1]
        assert line.startswith("3 external ids ") and path.name in line


def test_rejection_next_to_the_plan(loaded, capsys):
    "A rejection file in the plan's folder blocks applying the plan with its digest."
    _, plan, _ = create_plan(loaded, capsys)
    assert main(["approve", str(plan), "--by", "Ola", "--reject", "too many"]) == 0

    assert main(["apply", str(plan)]) == 8
    err = capsys.readouterr().err
    assert "Ola" in err and "too many" in err


def test_second_apply(loaded, capsys):
    "Applying the same plan again sends no changes and prints the receipt of the first run."
    _, plan, _ = create_plan(loaded, capsys)
    words = ["apply", approved(plan)]
    assert main(words) == 0
    receipt = path_after("Receipt", capsys.readouterr().out)
    loaded.remove_members("bw", loaded.members("bw"))

    assert main(words) == 0
    assert path_after("Receipt", capsys.readouterr().out) == receipt
    assert loaded.members("bw") == []
    loaded.delete_group("bw")


def test_two_hosts(loaded, monkeypatch, capsys):
    "If the data folder contains snapshots from several hosts, FRGROUPS_BASE_URL or --base-url selects one."
    memberships = fg.read_snapshot().memberships.head(1)
    for host in ("api.stage.flowretail.com", "api.flowretail.com"):
        facts = {"tenant_uid": loaded.tenant_uid, "taken_at": "2026-01-01T00:00Z", "base_url": f"https://{host}/v2"}
        fg.save_snapshot(fg.snapshot_from_frames(memberships, **facts))

    assert main(["table", "group_sizes"]) == 0
    assert main(["table", "group_sizes", "--base-url", "stage"]) == 0
    assert "1 groups" in capsys.readouterr().out
    monkeypatch.delenv("FRGROUPS_BASE_URL")
    assert main(["table", "group_sizes"]) == 1
    assert "--base-url" in capsys.readouterr().err


def test_control_characters_in_a_group_name(environment, capsys, tmp_path):
    "The control characters of a group name are escaped in the output and in errors."
    environment.put_group("odd", "Odd\x1b[2K\u202egroup")
    assert main(["load"]) == 0
    plan = ["plan", "--group", "odd", "--members", "Staff", "--out", str(tmp_path / "odd.json")]

    assert main([*plan, "--limit", "additions_total=0"]) == 3
    assert main(plan) == 0
    assert main(["show", str(tmp_path / "odd.json")]) == 0
    assert main(["approve", str(tmp_path / "odd.json"), "--by", "Kari"]) == 0
    environment.put_customers(others := [f"other-{n}" for n in range(10)])
    environment.add_members("odd", others)
    assert main(["apply", str(tmp_path / "odd.json")]) == 4
    environment.delete_group("odd")

    out, err = capsys.readouterr()
    assert out.count("Odd\\u001b[2K\\u202egroup") >= 4 and "Odd\\u001b[2K" in err
    assert not {"\x1b", "\u202e"} & {*out, *err}


def test_control_characters_in_a_reviewer_name(loaded, capsys, tmp_path):
    "A reviewer's name with control characters is rejected, and the error shows them as escapes."
    assert main(["plan", "--group", "Staff", "--members", "loyalty", "--out", str(tmp_path / "p.json")]) == 0
    capsys.readouterr()

    assert main(["approve", str(tmp_path / "p.json"), "--by", "Kari\x1b[2K\u202e"]) == 1

    err = capsys.readouterr().err
    assert "Kari\\u001b[2K\\u202e" in err and not {"\x1b", "\u202e"} & set(err)
    assert not (tmp_path / "p.approval.json").exists()
