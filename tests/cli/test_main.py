"""The command: the whole way from a terminal, and exit codes that scripts can trust."""

import json
import re
from contextlib import nullcontext
from inspect import signature
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.cli.command_table import COMMAND_HELP
from frgroups.cli.main import EXIT_CODES, main, root_group
from frgroups.sandbox.faults import Fault

COMMANDS = list(COMMAND_HELP.items())


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(customers=600, groups=14) as sandbox:
        yield sandbox


@pytest.fixture
def environment(tenant, monkeypatch):
    """The three variables that point at the sandbox."""
    tenant.behave()
    monkeypatch.setenv("FRGROUPS_TENANT_UID", tenant.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", tenant.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", tenant.base_url)
    return tenant


@pytest.fixture
def loaded(environment):
    assert main(["load"]) == 0
    return environment


def path_after(word, text):
    """The path that a command printed behind a word."""
    return Path(re.search(rf"^{word}:?\s+(\S+)", text, re.M)[1])


def planned(loaded, capsys, *more):
    code = main(["plan", "--group", "bw", "--create", "Black Week", "--members", "VIP & loyalty - staff", *more])
    out = capsys.readouterr().out
    return code, path_after("Plan", out), out


def test_the_whole_way_from_a_terminal(loaded, capsys, tmp_path):
    "Load, look, plan, show, approve, apply and undo work one after the other."
    for command in (
        ["doctor"],
        ["sizes", "--top", "5"],
        ["overlap", "--top", "5"],
        ["sizes", "--csv", str(tmp_path / "s.csv")],
    ):
        assert main(command) == 0
    code, plan, out = planned(loaded, capsys, "--exit-code")
    assert code == 2 and "customers join Black Week (new group)" in out
    assert path_after("Review", out).read_text(encoding="utf-8").startswith("<!doctype html>")

    assert main(["show", str(plan)]) == 0
    assert main(["approve", str(plan), "--by", "Kari"]) == 0
    approval = plan.with_suffix(".approval.json")
    assert main(["apply", str(plan), "--approve", str(approval)]) == 0
    receipt = path_after("Receipt", capsys.readouterr().out)
    assert main(["show", str(receipt)]) == 0
    assert main(["undo", str(receipt)]) == 3
    blocked = path_after("Plan", capsys.readouterr().out)
    digest = fg.read_plan(blocked).digest
    assert main(["apply", str(blocked), "--approve", digest]) == 3
    limits = ["removals_per_group=none", "removal_share=none", "emptied_groups=1"]
    assert main(["undo", str(receipt), *(word for limit in limits for word in ("--limit", limit))]) == 0
    undo = path_after("Plan", capsys.readouterr().out)
    assert main(["apply", str(undo), "--approve", fg.read_plan(undo).digest[:12]]) == 0
    assert loaded.members("bw") == []
    loaded.delete_group("bw")


def test_a_list_of_external_ids_is_resolved(loaded, capsys, tmp_path):
    "Ids that nobody knows stop the plan until they are to be skipped."
    snapshot = fg.read_snapshot()
    ids = list(snapshot.customers["external_id"].dropna().drop_duplicates(keep=False).head(3))
    path = tmp_path / "list.csv"
    path.write_text("external_id;name\n" + "".join(f"{one};x\n" for one in [*ids, "E-nobody"]), encoding="utf-8")
    command = ["plan", "--group", "Staff", "--list", str(path), "--ids", "external_id"]

    assert main(command) == 1
    assert "E-nobody" in capsys.readouterr().out
    assert main([*command, "--skip-unresolved"]) == 0


def test_what_a_list_holds_does_not_steer_the_terminal(loaded, capsys, tmp_path):
    "An id that is not known is shown as it is written."
    path = tmp_path / "list.csv"
    path.write_text("external_id\nE-no\u202ebody\n", encoding="utf-8")

    assert main(["plan", "--group", "Staff", "--list", str(path)]) == 1

    told = capsys.readouterr().out
    assert "E-no\\u202ebody" in told and "\u202e" not in told


def test_also_adds_to_a_set_of_groups_too(loaded, capsys, tmp_path):
    "Who is named by either is wanted; a set that is not one is an error."
    out = tmp_path / "p.json"
    words = ["plan", "--group", "x", "--create", "X", "--out", str(out)]

    assert main([*words, "--members", "VIP - VIP", "--also", "Staff"]) == 0
    assert set(fg.read_plan(out).groups[0].add) == set(loaded.members("staff"))
    assert main([*words, "--members", "VIP", "--also", "nosuch"]) == 1


def test_a_list_of_nobody_is_no_plan_unless_it_is_meant(loaded, capsys, tmp_path):
    "Leading zeros that were lost would empty a group; new customers are said to be what the list holds."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\n28\n32\n", encoding="utf-8")
    words = ["plan", "--group", "VIP", "--list", str(path)]

    assert main(words) == 1
    assert "None of the 2 ids" in capsys.readouterr().err
    assert main([*words, "--ids", "customer_uid"]) == 0


def test_rejected_items_exit_with_5(loaded, capsys, tmp_path):
    "A list with an id that does not exist is partly done, and the id is told."
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\n" + "\n".join([*loaded.members("loyalty")[:5], "typo-1"]), encoding="utf-8")
    assert main(["plan", "--group", "staff", "--list", str(path)]) == 0
    plan = path_after("Plan", capsys.readouterr().out)

    assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest]) == 5
    assert "typo-1" in capsys.readouterr().out


def test_the_outcome_of_one_plan_is_a_line_of_json(loaded, capsys, tmp_path):
    "As of the plans of the queue, and nothing else is printed."
    _, plan, _ = planned(loaded, capsys)

    assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest, "--json"]) == 0

    line = json.loads(capsys.readouterr().out)
    assert (line["plan"], line["outcome"], line["exit_code"]) == (plan.name, "done", 0)
    assert line["counts"] == {"verified": len(loaded.members("bw"))}
    assert fg.read_receipt(line["receipt"]).ok
    loaded.delete_group("bw")


def test_what_is_refused_is_a_line_of_json_too(loaded, capsys):
    "With the exit code and the reason, which stands on stderr as well."
    _, plan, _ = planned(loaded, capsys)

    assert main(["apply", str(plan), "--approve", "0" * 64, "--json"]) == 8

    out, err = capsys.readouterr()
    line = json.loads(out)
    assert (line["outcome"], line["exit_code"], line["counts"]) == ("failed", 8, {})
    assert "digest of another plan" in line["message"] and "digest of another plan" in err


def test_a_journal_is_no_receipt(tmp_path, capsys):
    "Who gives one to undo is told where the receipt is, or how it is made."
    assert main(["undo", str(tmp_path / "x.jsonl")]) == 1
    assert "is a journal" in capsys.readouterr().err


def test_a_review_is_written_anew_in_any_form(loaded, capsys, tmp_path):
    "Of a plan file, beside it or where it is asked for; with names where a snapshot knows them."
    _, plan, _ = planned(loaded, capsys)
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
    assert "personal: do not forward" in (tmp_path / "named.csv").read_text(encoding="utf-8-sig")


def test_a_rejection_tells_whose_yes_it_takes_back(loaded, capsys):
    "The approval that stood in its file is named."
    _, plan, _ = planned(loaded, capsys)
    assert main(["approve", str(plan), "--by", "Kari"]) == 0

    assert main(["approve", str(plan), "--by", "Ola", "--reject", "wrong week"]) == 0

    assert "takes the place of the approval by Kari" in capsys.readouterr().out


def test_what_the_system_refuses_says_how_to_go_on(loaded, capsys, monkeypatch):
    "An apply that a system error ends goes on from its journal, and says so."
    _, plan, _ = planned(loaded, capsys)

    def refuse(*_):
        raise OSError(22, "Invalid argument")

    with monkeypatch.context() as broken:
        broken.setattr("frgroups.apply.group_reader.time.sleep", refuse)
        assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest]) == 1
    told = capsys.readouterr().err
    assert "Invalid argument. What was sent is in the journal" in told

    assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest]) == 0
    loaded.delete_group("bw")


def test_a_read_back_that_disagrees_exits_with_6(loaded, capsys, tmp_path):
    "An id that the service swallows is told by its own code."
    loaded.misbehave(unknown_uids="ignore")
    path = tmp_path / "list.csv"
    path.write_text("customer_uid\n" + "\n".join([*loaded.members("loyalty")[5:9], "typo-2"]), encoding="utf-8")
    assert main(["plan", "--group", "staff", "--list", str(path)]) == 0
    plan = path_after("Plan", capsys.readouterr().out)

    assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest]) == 6


def test_without_a_tenant_those_of_the_file_are_named(home_folder, monkeypatch, capsys):
    "Where the environment names none and tenants.toml has some, the words to say are told."
    monkeypatch.delenv("FRGROUPS_TENANT_UID", raising=False)
    home_folder.mkdir(exist_ok=True)
    (home_folder / "tenants.toml").write_text(
        '[sport_no]\ntenant_uid = "t-1"\ntoken_command = ["true"]\nbase_url = "stage"\n'
    )

    assert main(["apply", "--approved"]) == 1
    assert "Say --tenant with one of sport_no" in capsys.readouterr().err


def test_no_approval_exits_with_8(loaded, capsys):
    "Another digest approves nothing."
    _, plan, _ = planned(loaded, capsys)

    assert main(["apply", str(plan), "--approve", "0" * 64]) == 8


def test_drift_exits_with_4(loaded, capsys):
    "A group that appeared meanwhile is drift."
    _, plan, _ = planned(loaded, capsys)
    loaded.put_group("bw", "Somebody else's")

    assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest]) == 4
    loaded.delete_group("bw")


def test_a_locked_tenant_exits_with_7(loaded, capsys):
    "While another apply runs, nothing is sent."
    from frgroups.internals.locks import tenant_lock

    _, path, _ = planned(loaded, capsys)
    plan = fg.read_plan(path)

    with loaded.client() as client, tenant_lock(client.tenant_uid, client.base_url, "plan"):
        assert main(["apply", str(path), "--approve", plan.digest]) == 7


def test_nothing_to_do_exits_with_0(loaded, capsys):
    "Planning what is already so says so, also with --exit-code."
    assert main(["plan", "--group", "VIP", "--members", "VIP", "--exit-code"]) == 0
    assert "Nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["nonsense"], ["plan"], ["overlap", "--top", "many"]])
def test_wrong_usage_exits_with_64(words):
    "A word that the command does not know is wrong usage, never 2."
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert caught.value.code == 64


def test_help(capsys):
    "--help lists the commands, the workflow, the variables and every exit code; each command shows an example."
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


@pytest.mark.parametrize("command", [command for command, _ in COMMANDS])
def test_functions_receive_their_options(command):
    "The parameters of each function are the options of its command."
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
    "-v and --log are valid before and after the command name; the latter take precedence."
    calls = []

    def log(form, level, **facts):
        calls.append((form, level))
        return nullcontext()

    monkeypatch.setattr("frgroups.internals.structured_logging.logged_to_stderr", log)

    main(words)

    form = "json" if words == ["--log", "json", "status"] else "text"
    assert calls == [(form, level)]


def test_errors_are_one_line_without_a_traceback(environment, monkeypatch, capsys, tmp_path):
    "No token, no snapshot, a service that is down, and a damaged plan end with 1 and say what to do."
    plan = tmp_path / "p.plan.json"
    plan.write_text(json.dumps({"kind": "frgroups plan", "format_version": 2, "content": {}, "checksum": "x"}))
    for words in (["sizes"], ["show", str(plan)], ["show", str(tmp_path / "none")], ["changes"]):
        assert main(words) == 1
    environment.misbehave(Fault("status", status=404, times=None))
    assert main(["load"]) == 1
    monkeypatch.delenv("FRGROUPS_TOKEN")
    assert main(["doctor"]) == 1

    err = capsys.readouterr().err
    assert (
        "Traceback" not in err and "FRGROUPS_TOKEN is not set" in err and "Load the tenant with frgroups load." in err
    )


def test_changes_between_two_loads(loaded, capsys):
    "After a month, the groups that changed are told by name."
    loaded.advance(days=30)
    assert main(["load"]) == 0
    capsys.readouterr()

    assert main(["changes"]) == 0
    assert "groups changed" in capsys.readouterr().out
    assert main(["changes", "--customers"]) == 0


def test_health_tells_findings_and_what_to_do(loaded, capsys, tmp_path):
    "In words, as JSON lines and as CSV; whatever is found, the exit code is 0."
    register, table = tmp_path / "register.csv", tmp_path / "health.csv"
    register.write_text("group;exclusive_set\nVIP;tier\nvip_gold;tier\ngone;\n")

    assert main(["health", "--register", str(register), "--top", "2", "--csv", str(table)]) == 0
    words = capsys.readouterr().out
    assert main(["health", "--register", str(register), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert "HIGH two_tiers: " in words and "rows shown" in words
    assert "Check the back office" in words
    assert len(lines) == len(table.read_text(encoding="utf-8").splitlines()) - 1
    assert {"two_tiers", "not_in_tenant", "near_duplicate"} <= {line["finding"] for line in lines}


def test_a_register_that_cannot_be_read_exits_with_1(loaded, capsys, tmp_path):
    "The message names the file, the row and the column."
    register = tmp_path / "register.csv"
    register.write_text("group;valid_to\nVIP;soon\n")

    assert main(["health", "--register", str(register)]) == 1
    assert "row 2, column valid_to: 'soon'" in capsys.readouterr().err


def test_a_group_that_the_register_protects_blocks_a_plan(loaded, capsys, tmp_path):
    "Exit code 3, and no --limit is suggested, since none would help."
    register = tmp_path / "register.csv"
    register.write_text("group;protected\nstaff;yes\n")

    code = main(["plan", "--group", "staff", "--members", "staff | VIP", "--register", str(register)])

    out = capsys.readouterr().out
    assert code == 3 and "is protected in the register" in out
    assert "Blocked by limits of the register" in out and "--limit" not in out


def test_a_limit_of_a_group_of_its_own_is_not_advised_as_an_option(loaded, capsys, tmp_path):
    "What apply finds broken there is changed where it stands: --limit does not reach it."
    limits = tmp_path / "limits.toml"
    limits.write_text("[per_group.staff]\nremovals_per_day = 1\n")
    leaving = loaded.members("staff")[:2]
    for uid, expected in zip(leaving, (0, 3), strict=True):
        assert main(["load"]) == 0
        staff = tmp_path / "staff.csv"
        staff.write_text("\n".join(["customer_uid", *(one for one in loaded.members("staff") if one != uid)]))
        capsys.readouterr()
        plan = ["plan", "--group", "staff", "--list", str(staff), "--mode", "mirror", "--limits", str(limits)]
        assert main(plan) == 0
        path = path_after("Plan", capsys.readouterr().out)

        code = main(["apply", str(path), "--approve", fg.read_plan(path).digest])

        assert code == expected
    assert "with removals_per_day=2 among the limits of group staff " in capsys.readouterr().err
    loaded.add_members("staff", leaving)


def test_the_sample_list_is_of_the_default_tenant():
    "The committed list holds customers of the sandbox as it is made by default, and four mistyped ones."
    ids = fg.read_list(Path(__file__).parents[2] / "data" / "sample" / "black_week.csv")

    with fg.Sandbox() as sandbox:
        known = {record["customer_uid"] for record in sandbox.customer_export()}

    assert [uid for uid in ids if uid not in known] == [f"typo-{n}" for n in range(4)]


def test_the_kind_of_ids_is_found_out(loaded, capsys, tmp_path):
    "A list of external ids is resolved as such, by its column or by what is found."
    external = list(fg.read_snapshot().customers["external_id"].dropna().drop_duplicates(keep=False).head(3))
    for header in ("external_id", "id"):
        path = tmp_path / f"{header}.csv"
        path.write_text("\n".join([header, *external]), encoding="utf-8")

        assert main(["plan", "--group", "Staff", "--list", str(path)]) == 0
        assert "by external_id; 0 of them not known" in capsys.readouterr().out


def test_a_rejection_beside_the_plan_counts(loaded, capsys):
    "Whoever applies by digest what a colleague rejected is stopped."
    _, plan, _ = planned(loaded, capsys)
    assert main(["approve", str(plan), "--by", "Ola", "--reject", "too many"]) == 0

    assert main(["apply", str(plan), "--approve", fg.read_plan(plan).digest]) == 8
    assert "Ola rejected" in capsys.readouterr().err


def test_applying_twice_says_that_nothing_was_sent(loaded, capsys):
    "The second time the receipt says so, whatever happened since."
    _, plan, _ = planned(loaded, capsys)
    words = ["apply", str(plan), "--approve", fg.read_plan(plan).digest]
    assert main(words) == 0
    loaded.remove_members("bw", loaded.members("bw"))
    capsys.readouterr()

    assert main(words) == 0
    assert "nothing was sent" in capsys.readouterr().out
    loaded.delete_group("bw")


def test_two_hosts_in_one_home_are_told_apart_by_the_environment(loaded, monkeypatch, capsys):
    "Snapshots of another host do not get in the way: the variables, or --base-url, say which."
    fg.save_snapshot(
        fg.snapshot_from_frames(
            fg.read_snapshot().memberships.head(1),
            tenant_uid=loaded.tenant_uid,
            taken_at="2026-01-01T00:00Z",
            base_url="https://api.stage.flowretail.com/v2",
        )
    )

    assert main(["sizes"]) == 0
    assert main(["sizes", "--base-url", "stage"]) == 0
    assert "1 groups" in capsys.readouterr().out
    monkeypatch.delenv("FRGROUPS_BASE_URL")
    assert main(["sizes"]) == 1
    assert "--base-url" in capsys.readouterr().err


def test_a_name_does_not_steer_the_terminal(environment, capsys, tmp_path):
    "Whoever approves in a terminal sees what a name would hide, and an error shows it so too."
    environment.put_group("odd", "Odd\x1b[2K\u202egroup")
    assert main(["load"]) == 0
    plan = ["plan", "--group", "odd", "--members", "Staff", "--out", str(tmp_path / "odd.json")]

    assert main([*plan, "--limit", "additions_total=0"]) == 3
    assert main(plan) == 0
    assert main(["show", str(tmp_path / "odd.json")]) == 0
    assert main(["approve", str(tmp_path / "odd.json"), "--by", "Kari"]) == 0
    environment.put_customers(others := [f"other-{n}" for n in range(10)])
    environment.add_members("odd", others)
    assert main(["apply", str(tmp_path / "odd.json"), "--approve", str(tmp_path / "odd.approval.json")]) == 4
    environment.delete_group("odd")

    told = capsys.readouterr()
    assert told.out.count("join Odd\\u001b[2K\\u202egroup") == 4 and "Odd\\u001b[2K" in told.err
    assert not {"\x1b", "\u202e"} & {*told.out, *told.err}


def test_a_name_in_an_approval_does_not_steer_the_terminal(loaded, capsys, tmp_path):
    "Who is told to have agreed is shown as it is written, wherever that is printed."
    assert main(["plan", "--group", "Staff", "--members", "loyalty", "--out", str(tmp_path / "p.json")]) == 0
    plan = fg.read_plan(tmp_path / "p.json")
    approval = fg.approve_plan(plan, tmp_path / "p.approval.json", by="Kari\x1b[2K\u202e")
    capsys.readouterr()
    assert main(["apply", str(tmp_path / "p.json"), "--approve", str(approval)]) == 0
    receipt = path_after("Receipt", capsys.readouterr().out)

    assert main(["show", str(receipt)]) == 0
    assert main(["load"]) == 0
    assert main(["who", plan.groups[0].add[0]]) == 0
    assert main(["approve", str(tmp_path / "p.json"), "--by", "Ola", "--reject", "no"]) == 0

    told = capsys.readouterr().out
    assert told.count("Kari\\u001b[2K\\u202e") == 3 and not {"\x1b", "\u202e"} & set(told)
