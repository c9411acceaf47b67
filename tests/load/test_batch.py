"""Tests for loading several tenants, each in a worker process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.cli import inputs
from frgroups.cli.load_many import _print_summary
from frgroups.cli.main import main
from frgroups.internals.exit_codes import EXIT_CODES, worst
from frgroups.load import batch as processes
from frgroups.load.batch import load_many, load_one
from frgroups.load.load_result import LoadResult
from frgroups.sandbox.faults import Fault

KEYS = {
    *("name", "tenant_uid", "base_url", "ok", "exit_code", "verdict", "n_groups", "n_customers", "n_memberships"),
    *("n_requests", "seconds", "taken_at", "path", "error", "schema_version", "note", "warning"),
}


@pytest.fixture(scope="module")
def running():
    """Start three sandboxes."""
    with (
        fg.Sandbox(customers=120, groups=8, tenant_uid="fine") as fine,
        fg.Sandbox(customers=120, groups=8, tenant_uid="broken") as broken,
        fg.Sandbox(customers=120, groups=8, tenant_uid="locked_out") as locked_out,
    ):
        yield fine, broken, locked_out


@pytest.fixture
def tenants(running, home_folder):
    """
    Write tenants.toml for three sandboxes.

    The tenant `fine` works, `broken` returns status 500, and the token command of `locked_out` fails.
    """
    fine, broken, locked_out = running
    for sandbox in running:
        sandbox.behave()
        sandbox.clear_requests()
    broken.misbehave(Fault("status", status=500, times=None))
    write_config(
        home_folder, {"fine": (fine, fine.token), "broken": (broken, broken.token), "locked_out": (locked_out, None)}
    )
    return running


def write_config(home, tenants):
    """Write tenants.toml for some sandboxes, with a token command that prints the token or fails."""
    text = ""
    for name, (sandbox, token) in tenants.items():
        command = ["echo", token] if token else ["sh", "-c", "echo vault is sealed >&2; exit 7"]
        facts = {"tenant_uid": sandbox.tenant_uid, "host": sandbox.base_url, "token_command": command}
        text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
    path = home / "tenants.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def read_lines(capsys):
    """Return a dictionary with the JSON lines that a command has printed, by tenant name."""
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line.keys() == KEYS for line in results)
    return {line["name"]: line for line in results}


@pytest.mark.slow
def test_failed_tenants(tenants, capsys, home_folder):
    """If two of three tenants fail, the third tenant is loaded and stored, and the exit code is 1."""
    assert main(["load", "--all", "--jobs", "2", "--json"]) == 1
    results = read_lines(capsys)

    fine, broken, locked_out = results["fine"], results["broken"], results["locked_out"]
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
    assert re.search(r"code 7\b", locked_out["error"]["message"])
    assert not any(sandbox.token in json.dumps(results) for sandbox in tenants)


def test_output_without_json(tenants, capsys):
    """Without --json, `frgroups load` prints one line per tenant, a table, and a total."""
    assert main(["load", "--tenant", "fine", "locked_out", "--jobs", "1"]) == 1
    out = capsys.readouterr().out

    assert "fine: consistent, 8 groups" in out and "memberships" in out
    assert "locked_out: FAILED after" in out and "FAILED: TokenCommandError" in out
    assert re.search(r"2 tenants\b.*\b1 consistent\b.*\b1 failed\b", out.splitlines()[-1])


def test_tenant_option(tenants, capsys, home_folder):
    """The option --tenant of several commands selects a tenant in tenants.toml."""
    assert main(["load", "--tenant", "fine"]) == 0
    assert main(["doctor", "--tenant", "fine"]) == 0
    assert main(["table", "group_sizes", "--tenant", "fine"]) == 0
    assert main(["load", "--tenant", "fine", "--max-age", "1h", "--json"]) == 0
    out = capsys.readouterr().out

    assert str(home_folder / "snapshots") in out and "n_members" in out
    assert json.loads(out.splitlines()[-1])["n_requests"] == 0
    assert main(["load", "--tenant", "locked_out"]) == 1
    assert re.search(r"code 7\b", capsys.readouterr().err)


def test_tenant_of_environment(tenants, capsys, monkeypatch):
    """Without the option --tenant, the tenant in the environment variables is loaded."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "fine")
    monkeypatch.setenv("FRGROUPS_TOKEN", tenants[0].token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", tenants[0].base_url)

    assert main(["load", "--json"]) == 0
    assert read_lines(capsys)[None]["tenant_uid"] == "fine"
    monkeypatch.delenv("FRGROUPS_TOKEN")
    assert main(["load", "--json"]) == 1
    assert "FRGROUPS_TOKEN" in read_lines(capsys)[None]["error"]["message"]


def test_same_fields_in_load_and_status(tenants, capsys):
    """`frgroups load` and `frgroups status` print the same JSON keys and values, with null for unknown values."""
    assert main(["load", "--tenant", "fine", "--json"]) == 0
    loaded = json.loads(capsys.readouterr().out)
    assert main(["status", "--tenant", "fine", "--json"]) == 0
    [results] = json.loads(capsys.readouterr().out)["rows"]

    shared = loaded.keys() & results.keys()
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
    assert {name: loaded[name] for name in shared} == {name: results[name] for name in shared}
    assert main(["load", "--tenant", "locked_out", "--json"]) == 1
    failed = json.loads(capsys.readouterr().out)
    assert main(["status", "--tenant", "locked_out", "--json"]) == 9
    [never] = json.loads(capsys.readouterr().out)["rows"]
    assert {name: failed[name] for name in shared} == {name: never[name] for name in shared}
    assert never["taken_at"] is never["verdict"] is never["n_groups"] is never["path"] is never["age"] is None


@pytest.mark.slow
def test_options_of_all_tenants(tenants, capsys):
    """The options --max-age, --no-cover, and --personal apply to every tenant."""
    words = ["load", "--tenant", "fine", "locked_out", "--json"]
    assert main([*words, "--personal", "--no-cover"]) == 1
    assert "firstname" in fg.read_snapshot(tenant_uid="fine").customers
    assert set(fg.read_snapshot(tenant_uid="fine").reads["how"]) == {"pages"}
    capsys.readouterr()

    assert main([*words, "--max-age=1h"]) == 1
    assert read_lines(capsys)["fine"]["n_requests"] == 0


def test_invalid_configuration(tenants, capsys, home_folder):
    """An invalid table in tenants.toml affects only the tenant that the table defines."""
    path = home_folder / "tenants.toml"
    path.write_text(path.read_text() + '[typo]\ntenant_uid = "t"\nhots = "stage"\n')

    assert main(["load", "--tenant", "fine", "typo", "--json"]) == 1
    results = read_lines(capsys)
    assert results["fine"]["ok"] and "'host'" in results["typo"]["error"]["message"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--tenant", "fien"], ["fien", "fine"]),
        (["--tenant", "fine", "unknown"], ["unknown"]),
    ],
)
def test_unknown_tenant(tenants, capsys, words, names):
    """An unknown tenant name is reported before any request is sent."""
    tenants[0].clear_requests()

    assert main(["load", *words]) == 1
    err = capsys.readouterr().err
    assert all(repr(name) in err for name in names)
    assert tenants[0].requests() == []


def test_missing_config_file(capsys, home_folder):
    """If tenants.toml does not exist, the error contains an example of the file."""
    assert main(["load", "--all"]) == main(["doctor", "--tenant", "t-1"]) == 1

    out, err = capsys.readouterr()
    assert (err.count("token_command = ["), out.count("token_command = [")) == (1, 1)
    assert "'t-1'" in out and str(home_folder / "tenants.toml") in err


@pytest.mark.parametrize("content", [b"", b"\n# no table\n", b"\xef\xbb\xbf"], ids=["empty", "comment", "BOM"])
def test_config_file_without_tenants(content, capsys, home_folder):
    """If tenants.toml contains no table, `load --all` fails, and the error contains an example of a table."""
    (home_folder / "tenants.toml").write_bytes(content)

    assert main(["load", "--all"]) == main(["load", "--all", "--json"]) == main(["status", "--all"]) == 1

    out, err = capsys.readouterr()
    assert out == "" and err.count("tenants.toml contains no tenants") == 3
    assert "token_command = [" in err and "does not exist" not in err


@pytest.mark.parametrize("words", [["--jobs", "0"], ["--jobs", "two"], ["--requests-per-second", "nan"]])
def test_invalid_numbers(words, capsys):
    """If an option of `frgroups load` contains an invalid number, the exit code is 64."""
    with pytest.raises(SystemExit) as caught:
        main(["load", "--all", *words])

    assert caught.value.code == 64


@pytest.mark.slow
def test_drifted_tenant(tenants, capsys, home_folder, monkeypatch):
    """If the groups of a tenant change during the load, the snapshot is stored and the exit code is 4."""
    fine, broken, _ = tenants
    broken.misbehave(group_uids="absent", moving="swap", moving_times=None)
    write_config(home_folder, {"fine": (fine, fine.token), "moving": (broken, broken.token)})
    path = home_folder / "tenants.toml"
    path.write_text(path.read_text() + "page_size = 20\n")

    assert main(["load", "--all", "--json"]) == 4
    moving = read_lines(capsys)["moving"]
    assert (moving["ok"], moving["verdict"], moving["exit_code"], moving["error"]) == (False, "drifted", 4, None)
    assert moving["path"] in set(fg.list_snapshots()["path"])


@pytest.mark.slow
def test_unverifiable_tenant(tenants, capsys, home_folder):
    """The reason for the verdict `unverifiable` is in the JSON line, the sentence, the log, and the status."""
    fine, broken, _ = tenants
    broken.misbehave(total_cap=3)
    write_config(home_folder, {"fine": (fine, fine.token), "capped": (broken, broken.token)})

    assert main(["load", "--all", "--json"]) == 0
    results = read_lines(capsys)
    assert results["fine"]["note"] is None
    capped = results["capped"]
    assert (capped["ok"], capped["verdict"]) == (True, "unverifiable")
    assert "total of 3 rows" in capped["note"]
    assert fg.tenant_status(names=["capped"])["detail"].item() == capped["note"]

    process = start_command("load", "--all", "--log", "json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.search(r"2 tenants\b.*\b1 consistent\b.*\b1 unverifiable\b", out + err)
    assert any(capped["note"] in line for line in out.splitlines() if line.startswith("capped"))
    levels = {line["tenant"]: line["level"] for line in map(json.loads, err.splitlines()) if "tenant" in line}
    assert levels == {"fine": "INFO", "capped": "WARNING"}


def test_smaller_snapshot(home_folder):
    """If a load finds far fewer groups than the previous snapshot contains, the result contains a warning."""
    with fg.Sandbox(customers=50, groups=8, tenant_uid="small") as sandbox:
        write_config(home_folder, {"small": (sandbox, sandbox.token)})
        first = load_one("small")
        for uid in list(sandbox.groups())[:5]:
            sandbox.delete_group(uid)

        second = load_one("small")

    assert first.ok and first.warning is None
    assert second.ok and "8 groups" in second.warning and second.warning in second.sentence


def test_unexpected_error(tenants, monkeypatch):
    """If a load raises an unexpected error, the result contains its type and location, but not its message."""

    def surprise(*_, **__):
        raise RuntimeError("kari@example.org")

    monkeypatch.setattr("frgroups.load.batch.load_snapshot", surprise)

    done = load_one("fine")
    assert (done.ok, done.exit_code, done.error["type"]) == (False, 1, "RuntimeError")
    assert "batch.py line" in done.error["message"] and "kari" not in json.dumps(asdict(done))


# Each value contains the code that a worker runs instead of a load, and a pattern that matches the error.
FAILURES = {
    "exit": ("os._exit(3)", r"exit code 3\b"),
    "segfault": ("import ctypes; ctypes.string_at(0)", r"signal 11\b"),
    "killed": ("os.kill(os.getpid(), 9)", r"signal 9\b.* memory"),
    "memory": ("raise MemoryError", r"exit code 1\b"),
    "invalid_output": ("code = print('[]', file=output) or 0", r"exit code 0\b"),
    "hang": ("import time; time.sleep(600)", r"deadline"),
}


@pytest.fixture
def started(monkeypatch):
    """Return a list of the worker processes that are started."""
    workers, start = [], processes._Workers.start

    def counted(self, command):
        workers.append(start(self, command))
        return workers[-1]

    monkeypatch.setattr(processes._Workers, "start", counted)
    return workers


@pytest.mark.slow
def test_failed_workers(tenants, home_folder, started, monkeypatch):
    """If the load of a tenant crashes, is killed, or hangs, only this tenant fails. A new worker loads the others."""
    fine = tenants[0]
    write_config(home_folder, {"fine": (fine, fine.token)})
    load = "            code = main(json.loads(line))\n"
    failing = "".join(
        f"            {'if' if name == 'exit' else 'elif'} '--tenant={name}' in line:\n                {code}\n"
        for name, (code, _) in FAILURES.items()
    )
    program = processes._WORKER_CODE.replace(load, f"{failing}            else:\n    {load}")
    assert program != processes._WORKER_CODE
    monkeypatch.setattr(processes, "_WORKER_CODE", program)
    names = [*FAILURES, "fine"]
    # Only the timer of the tenant `hang` expires early.
    seconds, timer = iter(2 if name == "hang" else 600 for name in names), processes.threading.Timer
    monkeypatch.setattr(processes.threading, "Timer", lambda _, stop: timer(next(seconds), stop))

    results = {result.name: result for result in load_many(names, jobs=1)}

    assert results["fine"].ok and len(results) == len(names)
    for name, (_, pattern) in FAILURES.items():
        assert not results[name].ok and re.search(pattern, results[name].error["message"]), name
    # The worker that returned invalid output is used again.
    assert len(started) == len(FAILURES) and all(worker.poll() is not None for worker in started)


def test_number_of_workers(tenants, home_folder, started):
    """A batch starts at most `jobs` interpreters, even if it loads more tenants."""
    names = ["a", "b", "c"]
    write_config(home_folder, {name: (tenant, tenant.token) for name, tenant in zip(names, tenants, strict=True)})
    tenants[1].behave()

    results = list(load_many(names, jobs=2))

    assert sorted(result.name for result in results) == names and all(result.ok for result in results)
    assert len(started) == 2 and all(worker.poll() is not None for worker in started)


def test_shared_rate_limit(home_folder):
    """All tenants on one remote server share a rate limit, but a lower limit of a single tenant has precedence."""
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


def start_command(*words):
    """Start the command `frgroups load` in a separate process."""
    command = [sys.executable, "-m", "frgroups.cli.main", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def child_pids(process):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM"])
def test_interrupted_batch(tenants, home_folder, kind):
    """
    On Ctrl-C or SIGTERM, running loads are terminated, and snapshots that have already been stored remain.

    The results of the terminated loads contain their requests and durations. A tenant that waited is not started.
    """
    fine, broken, locked_out = tenants
    for slow in (broken, locked_out):
        slow.misbehave(latency=3600)
    write_config(
        home_folder, {"fine": (fine, fine.token), "b": (broken, broken.token), "c": (locked_out, locked_out.token)}
    )
    waiting = '[d]\ntenant_uid = "d"\nhost = "http://127.0.0.1:9/v2"\ntoken_command = "echo x"\n'
    path = home_folder / "tenants.toml"
    path.write_text(path.read_text() + waiting)

    process = start_command("load", "--all", "--jobs", "2", "--json")
    first = process.stdout.readline()
    while not (broken.requests() and locked_out.requests()):
        time.sleep(0.05)
    running = child_pids(process)
    process.send_signal(getattr(signal, kind))
    out, err = process.communicate(timeout=60)

    assert (len(broken.requests()), len(locked_out.requests())) == (1, 1)
    assert json.loads(first)["name"] == "fine" and len(fg.list_snapshots()) == 1
    assert process.returncode == 1 and "Traceback" not in err
    assert len(running) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in running)
    rest = {line["name"]: line for line in map(json.loads, out.splitlines())}
    assert rest.keys() == {"b", "c", "d"}
    assert {line["error"]["type"] for line in rest.values()} == {"KeyboardInterrupt"}
    assert rest["b"]["n_requests"] == rest["c"]["n_requests"] == 1
    assert rest["b"]["seconds"] > 0 and rest["c"]["seconds"] > 0
    assert (rest["d"]["n_requests"], rest["d"]["seconds"]) == (0, None)
    assert "1 of 4" in err


class FakeWorkers:
    """Workers that return a fixed output and exit code after they have called a function."""

    def __init__(self, output, code, *, has_ended=False, before=lambda: None):
        self.output, self.code, self.has_ended, self.before = output, code, has_ended, before

    def run(self, arguments):
        self.before()
        return self.output, self.code


ENDED = {"type": "KeyboardInterrupt", "message": "Interrupted."}
INTERRUPTED = LoadResult("fine", "fine", "URL", n_requests=2, seconds=0.5, error=ENDED)
ENDINGS = {
    "SIGINT": (b"", -2, "signal to end"),
    "SIGTERM": (b"", -15, "signal to end"),
    "SIGKILL": (b"", -9, "signal 9"),
    "interrupted": (json.dumps(asdict(INTERRUPTED)).encode(), 1, "signal to end"),
    "deadline": (b"", None, "deadline"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_text_of_ended_worker(name, tenants):
    """If a worker ends, the error is a KeyboardInterrupt only if all workers were ended."""
    output, code, part = ENDINGS[name]
    output = output.replace(b"URL", tenants[0].base_url.encode())

    single = processes._load_in_worker("fine", FakeWorkers(output, code), [])
    one_of_all = processes._load_in_worker("fine", FakeWorkers(output, code, has_ended=True), [])

    assert single.error["type"] == "FrgroupsError" and part in single.error["message"]
    assert one_of_all.error["type"] == "KeyboardInterrupt" and "memory" not in one_of_all.sentence
    assert single.n_requests == one_of_all.n_requests == (2 if name == "interrupted" else None)


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("has_ended", [False, True])
def test_ended_after_snapshot_was_stored(name, has_ended, tenants):
    """If a worker ends after it has stored the snapshot, the result describes the stored snapshot."""
    output, code, _ = ENDINGS[name]
    output = output.replace(b"URL", tenants[0].base_url.encode())
    done = []
    workers = FakeWorkers(output, code, has_ended=has_ended, before=lambda: done.append(load_one("fine")))

    result = processes._load_in_worker("fine", workers, [])

    fields = ("ok", "exit_code", "verdict", "n_groups", "n_customers", "n_memberships", "taken_at", "path", "error")
    assert result.ok and "consistent" in result.sentence
    assert [getattr(result, field) for field in fields] == [getattr(done[0], field) for field in fields]
    older = processes._load_in_worker("fine", FakeWorkers(output, code, has_ended=has_ended), [])
    assert older.path is None and not older.ok


def test_interrupted_after_snapshot_was_stored(tenants, monkeypatch):
    """If `frgroups load --json` is interrupted after the snapshot was stored, the load is successful."""
    load = processes.load_snapshot

    def interrupted(*args, **options):
        load(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "load_snapshot", interrupted)

    result = load_one("fine")
    assert (result.ok, result.error, result.path) == (True, None, fg.list_snapshots()["path"].item())


@pytest.mark.parametrize("is_printing", [False, True])
def test_results_after_interrupt(tenants, home_folder, monkeypatch, capsys, is_printing):
    """After Ctrl-C, even while a result is printed, one line per tenant is printed."""

    def results(names, **_):
        try:
            yield LoadResult("fine", verdict="consistent", n_groups=1, n_customers=1, n_memberships=1, seconds=1.0)
            if not is_printing:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            yield LoadResult("broken", seconds=1.5, error=ENDED)
            raise

    printed = []

    def print_once(text, **options):
        printed.append(text)
        if is_printing and len(printed) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("frgroups.cli.load_many.load_many", results)
    monkeypatch.setattr("frgroups.cli.load_many.print_text", print_once)

    assert main(["load", "--all"]) == 1
    assert len(printed) == 3
    assert "consistent" in printed[0] and "FAILED after 1.5 s" in printed[1]
    assert "locked_out: not started" in printed[2] and "FAILED" not in printed[2]


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupted_imports(tenants, kind, monkeypatch, capsys):
    """If a signal arrives while the command is imported, each tenant has a line, and the last event is the error."""
    select = inputs.selected_tenant_names

    def interrupted(*arguments):
        os.kill(os.getpid(), getattr(signal, kind))
        return select(*arguments)

    monkeypatch.setattr(inputs, "selected_tenant_names", interrupted)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    assert main(["load", "--all", "--json", "--log", "json"]) == 1

    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["name"] for line in lines] == ["fine", "broken", "locked_out"]
    assert {(line["error"]["type"], line["seconds"]) for line in lines} == {("KeyboardInterrupt", None)}
    event = json.loads(err.splitlines()[-1])
    assert (event["event"], event["type"], event["exit_code"]) == ("command_failed", "KeyboardInterrupt", 1)
    assert "0 of 3" in event["message"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


def test_reason_of_failed_connection(tenants, home_folder, capsys):
    """For a failed connection, the JSON line and the summary contain the reason."""
    broken = tenants[1]
    write_config(home_folder, {"closed": (broken, broken.token)})
    path = home_folder / "tenants.toml"
    path.write_text(path.read_text().replace(broken.base_url, "http://127.0.0.1:1/v2"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("frgroups.api.retry.time.sleep", lambda seconds: None)
        result = load_one("closed")

    assert result.error["type"] == "ConnectionFailedError" and result.error["reason"] == "refused"
    _print_summary([result])
    assert "ConnectionFailedError (refused)" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupted_workers_end(tenants, home_folder, started, monkeypatch):
    """Interrupted and idle workers end by themselves, so no worker is killed."""
    fine, broken, _ = tenants
    broken.misbehave(latency=3600)
    write_config(home_folder, {"fine": (fine, fine.token), "b": (broken, broken.token)})
    killed, kill = [], processes._kill
    monkeypatch.setattr(processes, "GRACE", 60.0)
    monkeypatch.setattr(processes, "_kill", lambda worker: (killed.append(worker.poll() is None), kill(worker)))

    results = load_many(["fine", "b"], jobs=2)
    assert next(results).ok
    while not broken.requests():
        time.sleep(0.05)
    results.close()

    assert killed == [False, False] and [worker.poll() is not None for worker in started] == [True, True]


@pytest.mark.parametrize("code", ["None", "x", ""])
def test_invalid_end_of_output(code, monkeypatch):
    """If a worker prints an invalid exit code, the command fails and the worker is not used again."""
    program = f"import sys; print('END {code}', flush=True); sys.stdin.read()"
    monkeypatch.setattr(processes, "_WORKER_CODE", program)
    timers, timer = [], processes.threading.Timer
    monkeypatch.setattr(processes.threading, "Timer", lambda *args: timers.append(timer(*args)) or timers[-1])

    with processes._Workers(600) as workers:
        with pytest.raises(ValueError, match="int"):
            workers.run(["load"])

        assert (workers._busy, workers._idle) == ([], []) and timers[0].finished.is_set()
        assert workers._running[0].wait() == -signal.SIGKILL


def test_closed_input(monkeypatch):
    """A worker whose input was closed before it received a command is reported as ended."""
    monkeypatch.setattr(processes, "_WORKER_CODE", "import sys; sys.stdin.read()")

    with processes._Workers(600) as workers:
        take = workers._take_worker

        def take_closed():
            worker = take()
            worker.stdin.close()
            return worker

        monkeypatch.setattr(workers, "_take_worker", take_closed)
        assert workers.run(["load"]) == (b"", 0)


def test_broken_pipe(tenants, monkeypatch, capsys):
    """If the process that reads the command's output exits, all child processes are terminated."""
    ended = []
    end = processes._Workers.end
    monkeypatch.setattr(processes._Workers, "end", lambda self: (ended.append(self), end(self)))

    def gone(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("frgroups.cli.load_many.print_json_line", gone)

    assert main(["load", "--all", "--json"]) == 1
    assert ended and all(child.poll() is not None for child in ended[0]._running)


def test_tenant_in_log_lines(tenants):
    """With the option --log json, each log line of a load process contains the name of the tenant."""
    process = start_command("load", "--tenant", "fine", "locked_out", "--json", "--log", "json")
    _, err = process.communicate(timeout=60)
    results = [json.loads(line) for line in err.splitlines()]

    assert {line["tenant"] for line in results} == {"fine", "locked_out"}
    ends = Counter(line["event"] for line in results if line["event"].startswith("tenant_"))
    assert ends == {"tenant_loaded": 1, "tenant_failed": 1}
    assert not any(sandbox.token in err for sandbox in tenants)


def test_failure_is_printed_once(tenants):
    """Without the options --log and -v, a failed load prints its error only once, in the line of the tenant."""
    process = start_command("load", "--tenant", "fine", "locked_out")
    out, err = process.communicate(timeout=60)

    assert (len(re.findall(r"code 7\b", out)), err) == (1, "")


def test_worst_exit_code():
    """The exit code for an error has precedence over the exit code for drift, and `worst` accepts every exit code."""
    codes = list(EXIT_CODES)

    assert {worst([code]) for code in codes} == set(codes)
    assert [worst(pair) for pair in ([0, 4], [4, 1], [1, 0], [5, 4], [2, 0], [0, 139])] == [4, 1, 1, 5, 2, 1]


def test_error_in_one_line():
    """The summary of a failed load is a single line, even if the error message has several lines."""
    done = LoadResult("a", error={"type": "InputError", "message": "two\nlines"}, seconds=1.0)

    assert done.sentence == "a: FAILED after 1.0 s. InputError: two lines"
