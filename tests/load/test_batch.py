"""`frgroups load` for many tenants: one line each, whatever becomes of each, and the worst exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.internals.exit_codes import EXIT_CODES, worst
from frgroups.load import batch as processes
from frgroups.load.batch import LoadResult, load_one
from frgroups.sandbox.faults import Fault

KEYS = {
    *("name", "tenant_uid", "base_url", "ok", "exit_code", "verdict", "n_groups", "n_customers", "n_memberships"),
    *("n_requests", "seconds", "taken_at", "path", "error"),
}


@pytest.fixture(scope="module")
def running():
    """Three tenants on this machine."""
    with (
        fg.Sandbox(customers=120, groups=8, tenant_uid="fine") as fine,
        fg.Sandbox(customers=120, groups=8, tenant_uid="broken") as broken,
        fg.Sandbox(customers=120, groups=8, tenant_uid="locked_out") as locked_out,
    ):
        yield fine, broken, locked_out


@pytest.fixture
def tenants(running, home_folder):
    """One is fine, one answers 500s, and of one the token command fails; all are in tenants.toml."""
    fine, broken, locked_out = running
    for one in running:
        one.behave()
        one.clear_requests()
    broken.misbehave(Fault("status", status=500, times=None))
    write(
        home_folder, {"fine": (fine, fine.token), "broken": (broken, broken.token), "locked_out": (locked_out, None)}
    )
    return running


def write(home, tenants, **more):
    """A tenants.toml of these sandboxes, with a command that tells the token, or fails."""
    text = ""
    for name, (sandbox, token) in tenants.items():
        command = ["echo", token] if token else ["sh", "-c", "echo vault is sealed >&2; exit 7"]
        facts = {"tenant_uid": sandbox.tenant_uid, "host": sandbox.base_url, "token_command": command}
        text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
    path = home / "tenants.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def lines(capsys):
    """The JSON lines that a command printed, by name."""
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line.keys() == KEYS for line in told)
    return {line["name"]: line for line in told}


def test_one_failing_tenant_never_stops_the_rest(tenants, capsys, home_folder):
    "Each of three has its line: one is loaded and kept, two say why not, and the exit code is that of an error."
    assert main(["load", "--all", "--jobs", "2", "--json"]) == 1
    told = lines(capsys)

    fine, broken, locked_out = told["fine"], told["broken"], told["locked_out"]
    assert (fine["ok"], fine["verdict"], fine["error"], fine["n_groups"]) == (True, "consistent", None, 8)
    snapshot = fg.read_snapshot(tenant_uid="fine")
    assert fg.list_snapshots()[["tenant_uid", "path"]].values.tolist() == [["fine", fine["path"]]]
    assert fine["taken_at"] == snapshot.taken_at.isoformat()
    assert (fine["n_customers"], fine["n_memberships"]) == (len(snapshot.customers), len(snapshot.memberships))
    assert fine["n_requests"] == len(tenants[0].requests()) and fine["seconds"] > 0

    assert (broken["ok"], broken["exit_code"], broken["error"]["type"]) == (False, 1, "ServerError")
    assert (broken["tenant_uid"], broken["base_url"], broken["path"]) == ("broken", tenants[1].base_url, None)
    assert broken["n_requests"] > 1
    assert locked_out["error"]["type"] == "TokenCommandError" and locked_out["n_requests"] == 0
    assert "locked_out (sh ...) ended with exit code 7. Run it in a terminal" in locked_out["error"]["message"]
    assert not any(sandbox.token in json.dumps(told) for sandbox in tenants)


def test_for_people_there_is_a_line_each_and_a_table(tenants, capsys):
    "Without --json the same is readable, with a total."
    assert main(["load", "--tenant", "fine", "locked_out", "--jobs", "1"]) == 1
    out = capsys.readouterr().out

    assert "fine: consistent, 8 groups" in out and "memberships" in out
    assert "locked_out: FAILED after" in out and "FAILED: TokenCommandError" in out
    assert out.endswith("1 of 2 tenants loaded.\n")


def test_one_tenant_by_name(tenants, capsys):
    "--tenant NAME loads like the variables would; the other commands know the name too."
    assert main(["load", "--tenant", "fine"]) == 0
    assert main(["doctor", "--tenant", "fine"]) == 0
    assert main(["sizes", "--tenant", "fine"]) == 0
    assert main(["load", "--tenant", "fine", "--max-age", "1h", "--json"]) == 0
    out = capsys.readouterr().out

    assert "Stored in " in out and "Token              accepted" in out and "n_members" in out
    assert json.loads(out.splitlines()[-1])["n_requests"] == 0
    assert main(["load", "--tenant", "locked_out"]) == 1
    assert "exit code 7" in capsys.readouterr().err


def test_the_tenant_of_the_environment_as_a_line(tenants, capsys, monkeypatch):
    "--json alone is the tenant that the variables name."
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "fine")
    monkeypatch.setenv("FRGROUPS_TOKEN", tenants[0].token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", tenants[0].base_url)

    assert main(["load", "--json"]) == 0
    assert lines(capsys)[None]["tenant_uid"] == "fine"
    monkeypatch.delenv("FRGROUPS_TOKEN")
    assert main(["load", "--json"]) == 1
    assert "FRGROUPS_TOKEN is not set" in lines(capsys)[None]["error"]["message"]


def test_load_and_status_call_the_same_by_the_same_name(tenants, capsys):
    "What both tell of a tenant has one name, one form, and null where nothing is known."
    assert main(["load", "--tenant", "fine", "--json"]) == 0
    loaded = json.loads(capsys.readouterr().out)
    assert main(["status", "--tenant", "fine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    shared = loaded.keys() & told.keys()
    assert shared >= {
        "name",
        "tenant_uid",
        "base_url",
        "ok",
        "verdict",
        "taken_at",
        "path",
        "n_groups",
        "n_customers",
    }
    assert {name: loaded[name] for name in shared} == {name: told[name] for name in shared}
    assert main(["load", "--tenant", "locked_out", "--json"]) == 1
    failed = json.loads(capsys.readouterr().out)
    assert main(["status", "--tenant", "locked_out", "--json"]) == 9
    never = json.loads(capsys.readouterr().out)
    assert {name: failed[name] for name in shared} == {name: never[name] for name in shared}
    assert never["taken_at"] is never["verdict"] is never["n_groups"] is never["path"] is never["age"] is None


def test_options_reach_every_tenant(tenants, capsys):
    "--max-age, --no-cover and --personal hold for each; a young snapshot answers without a request."
    words = ["load", "--tenant", "fine", "locked_out", "--json"]
    assert main([*words, "--personal", "--no-cover"]) == 1
    assert "firstname" in fg.read_snapshot(tenant_uid="fine").customers
    assert set(fg.read_snapshot(tenant_uid="fine").reads["how"]) == {"pages"}
    capsys.readouterr()

    assert main([*words, "--max-age=1h"]) == 1
    assert lines(capsys)["fine"]["n_requests"] == 0


def test_a_table_that_is_wrong_is_one_line_too(tenants, capsys, home_folder):
    "What is wrong in one table fails that tenant alone."
    path = home_folder / "tenants.toml"
    path.write_text(path.read_text() + '[typo]\ntenant_uid = "t"\nhots = "stage"\n')

    assert main(["load", "--tenant", "fine", "typo", "--json"]) == 1
    told = lines(capsys)
    assert told["fine"]["ok"] and "Did you mean 'host'?" in told["typo"]["error"]["message"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tenant", "fien"], "Did you mean 'fine'?"),
        (["--tenant", "fine", "nobody"], "no tenant 'nobody'"),
    ],
)
def test_a_name_that_is_not_there_stops_before_anything_is_read(tenants, capsys, words, told):
    "A mistyped name is told at once, and no tenant is asked."
    tenants[0].clear_requests()

    assert main(["load", *words]) == 1
    assert told in capsys.readouterr().err
    assert tenants[0].requests() == []


def test_no_file_says_what_to_write(capsys):
    "--all without a tenants.toml shows one; with --tenant it says that this is a name in it."
    assert main(["load", "--all"]) == main(["doctor", "--tenant", "t-1"]) == 1

    err = capsys.readouterr().err
    assert err.count("token_command = [") == 2
    assert "'t-1' is taken for the name of a tenant in " in err


@pytest.mark.parametrize("words", [["--jobs", "0"], ["--jobs", "two"], ["--requests-per-second", "nan"]])
def test_wrong_numbers_are_wrong_usage(words, capsys):
    "They end with 64, as wrong words do."
    with pytest.raises(SystemExit) as caught:
        main(["load", "--all", *words])

    assert caught.value.code == 64


def test_a_drifted_tenant_is_kept_and_ends_with_4(tenants, capsys, home_folder, monkeypatch):
    "A tenant that would not hold still is loaded, and its line says so."
    fine, broken, _ = tenants
    broken.misbehave(group_uids="absent", moving="swap", moving_times=None)
    write(home_folder, {"fine": (fine, fine.token), "moving": (broken, broken.token)})
    path = home_folder / "tenants.toml"
    path.write_text(path.read_text() + "page_size = 20\n")

    assert main(["load", "--all", "--json"]) == 4
    moving = lines(capsys)["moving"]
    assert (moving["ok"], moving["verdict"], moving["exit_code"], moving["error"]) == (False, "drifted", 4, None)
    assert moving["path"] in set(fg.list_snapshots()["path"])


def test_whatever_happens_is_a_line(tenants, monkeypatch):
    "An error that nobody thought of is told by type and place, not by its message, which may be anything."

    def surprise(*_, **__):
        raise RuntimeError("kari@example.org")

    monkeypatch.setattr("frgroups.load.batch.load_snapshot", surprise)

    done = load_one("fine")
    assert (done.ok, done.exit_code, done.error["type"]) == (False, 1, "RuntimeError")
    assert "batch.py line" in done.error["message"] and "kari" not in json.dumps(asdict(done))


@pytest.mark.parametrize(("code", "told"), [("import os; os.abort()", "signal 6"), ("print('[]')", "exit code 0")])
def test_a_process_that_dies_is_a_line(tenants, capsys, monkeypatch, code, told):
    "One that is killed, or says what nobody asked, fails its own tenant."
    start = processes._Processes.start

    def die(self, command):
        return start(self, [sys.executable, "-c", code] if "--tenant=broken" in command else command)

    monkeypatch.setattr(processes._Processes, "start", die)

    assert main(["load", "--tenant", "fine", "broken", "--json"]) == 1
    lost = lines(capsys)
    assert lost["fine"]["ok"] and told in lost["broken"]["error"]["message"]


def test_no_more_than_so_many_at_a_time(tenants, home_folder, monkeypatch):
    "With --jobs 2 there are never three processes."
    fine = tenants[0]
    write(home_folder, {f"t{n}": (fine, fine.token) for n in range(1)})
    counts, start = [], processes._Processes.start

    def counted(self, command):
        process = start(self, [sys.executable, "-c", "import time; time.sleep(.2)"])
        counts.append(sum(one.poll() is None for one in self._running))
        return process

    monkeypatch.setattr(processes._Processes, "start", counted)
    list(processes.load_many(["t0"] * 6, jobs=2))

    assert len(counts) == 6 and max(counts) == 2


def test_those_of_one_service_share_its_requests(home_folder):
    "Off this machine twenty a second are for all that run at once; a tenant's own number holds, but for a lower one."
    rows = {"a": "stage", "b": "stage", "c": "stage", "d": "production", "e": "http://127.0.0.1:9/v2"}
    text = "".join(
        f'{n} = {{tenant_uid = "{n}", host = "{host}", token_command = "x"}}\n' for n, host in rows.items()
    )
    own = 'f = {tenant_uid = "f", host = "production", token_command = "x", requests_per_second = 3}\n'
    (home_folder / "tenants.toml").write_text(text + own)
    names = list("abcdef")

    def pace(budget, jobs=4):
        shares = processes._rate_options(names, jobs, budget)
        return {name: float(words[0].partition("=")[2]) if words else None for name, words in shares.items()}

    assert pace(None) == {"a": 20 / 3, "b": 20 / 3, "c": 20 / 3, "d": 10, "e": None, "f": None} | {
        name: pytest.approx(20 / 3, abs=1e-4) for name in "abc"
    }
    assert pace(6, jobs=2) == {"a": 3, "b": 3, "c": 3, "d": 3, "e": 6, "f": 3}
    assert pace(2, jobs=1)["f"] == 2


def start(*words):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "frgroups.cli.main", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children_of(process):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_ctrl_c_stops_the_rest_and_keeps_what_is_done(tenants, home_folder, kind, code):
    "The tenant that was done is kept, those running and waiting are stopped, and no process is left behind."
    fine, broken, locked_out = tenants
    for slow in (broken, locked_out):
        slow.misbehave(latency=3600)
    write(home_folder, {"fine": (fine, fine.token), "b": (broken, broken.token), "c": (locked_out, locked_out.token)})

    process = start("load", "--all", "--jobs", "2", "--json")
    first = process.stdout.readline()
    while not (broken.requests() and locked_out.requests()):
        time.sleep(0.05)
    running = children_of(process)
    process.send_signal(kind)
    out, err = process.communicate(timeout=60)

    assert (len(broken.requests()), len(locked_out.requests())) == (1, 1)
    assert json.loads(first)["name"] == "fine" and len(fg.list_snapshots()) == 1
    assert process.returncode == code and "Traceback" not in err
    assert len(running) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in running)
    if kind == signal.SIGINT:
        rest = {line["name"]: line for line in map(json.loads, out.splitlines())}
        assert rest.keys() == {"b", "c"} and all(line["error"]["message"] == "Interrupted." for line in rest.values())
        assert "interrupted; 1 of 3 were loaded and are kept" in err


def test_a_reader_that_goes_away_stops_the_rest(tenants, monkeypatch, capsys):
    "When nobody reads the lines any more, nothing is left running."
    ended = []
    end = processes._Processes.end
    monkeypatch.setattr(processes._Processes, "end", lambda self: (ended.append(self), end(self)))

    def gone(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("frgroups.cli.load_many.print_json_line", gone)

    assert main(["load", "--all", "--json"]) == 1
    assert ended and all(one.poll() is not None for one in ended[0]._running)


def test_each_log_line_says_which_tenant(tenants):
    "With --log json the lines of several processes are whole, and each names its tenant."
    process = start("load", "--tenant", "fine", "locked_out", "--json", "--log", "json")
    _, err = process.communicate(timeout=60)
    told = [json.loads(line) for line in err.splitlines()]

    assert {line["tenant"] for line in told} == {"fine", "locked_out"}
    ends = Counter(line["event"] for line in told if line["event"].startswith("tenant_"))
    assert ends == {"tenant_loaded": 1, "tenant_failed": 1}
    assert not any(sandbox.token in err for sandbox in tenants)


def test_nothing_is_said_twice(tenants):
    "Without --log and -v a failure is in its line alone."
    process = start("load", "--tenant", "fine", "locked_out")
    out, err = process.communicate(timeout=60)

    assert (out.count("exit code 7"), err) == (1, "")


def test_the_worst_code_is_defined_for_every_code():
    "An error is worse than drift, which is worse than nothing to do; and no code is left out."
    codes = list(EXIT_CODES)

    assert {worst([code]) for code in codes} == set(codes)
    assert [worst(pair) for pair in ([0, 4], [4, 1], [1, 0], [5, 4], [2, 0], [0, 139])] == [4, 1, 1, 5, 2, 1]


def test_a_line_is_a_line():
    "The sentence of an error is one line, whatever its message contains."
    done = LoadResult("a", error={"type": "InputError", "message": "two\nlines"}, seconds=1.0)

    assert done.sentence == "a: FAILED after 1.0 s. InputError: two lines"
