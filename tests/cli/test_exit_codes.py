"""Tests for the exit codes after errors, after Ctrl-C, and after a failed write."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import frgroups as fg
from frgroups import errors
from frgroups.cli.command_ending import keep_result, termination_as_interrupt
from frgroups.cli.main import EXIT_CODES, main
from frgroups.cli.output import print_text
from frgroups.internals.exit_codes import code_of, worst
from tests.approvals import approved

COMMAND = [sys.executable, "-m", "frgroups"]


@pytest.fixture
def fail(monkeypatch):
    """Return a function that makes `frgroups who` and `frgroups apply` raise an error."""

    def raise_in_commands(error):
        def open_client(*_, **__):
            raise error

        monkeypatch.setattr("frgroups.cli.inputs.open_client", open_client)
        monkeypatch.setattr("frgroups.cli.inputs.read_selected_snapshot", open_client)

    return raise_in_commands


@pytest.fixture
def plan_file(tmp_path):
    """Return the path of a stored plan."""
    return fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-3"]}).save(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("x"), 1),
        (errors.AuthError("x"), 1),
        (errors.PlanBlockedError("x"), 3),
        (errors.DriftError("x"), 4),
        (errors.DriftedReadError("x"), 4),
        (errors.LockedError("x"), 7),
        (errors.NotApprovedError("x"), 8),
        (errors.UsageError("x"), 64),
        (OSError(28, "No space left on device", "a.json"), 1),
        (BrokenPipeError(32, "Broken pipe"), 0),
        (KeyboardInterrupt(), 1),
    ],
)
def test_error(fail, capsys, error, code):
    "An error determines the exit code of the command and is printed without a traceback."
    fail(error)

    assert main(["who", "c-1"]) == code

    err = capsys.readouterr().err
    assert "Traceback" not in err
    if code == 64:
        assert err.startswith("Usage: frgroups who ") and "frgroups who --help" in err
    elif not isinstance(error, BrokenPipeError):
        assert err.startswith("frgroups who: ") and err.count("\n") == 1


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_resume_note(fail, capsys, plan_file, error):
    "If an apply run is interrupted, the message refers to the journal, and the same command resumes the run."
    fail(error)

    assert main(["apply", approved(plan_file)]) == 1
    assert "journal" in capsys.readouterr().err


def test_click_errors(capsys):
    "Errors that click raises for invalid arguments cause exit code 64."
    for words in (["--nonsense"], ["--log"], ["--log", "xml", "doctor"], ["doctor", "extra"], ["doctor", "--tenant"]):
        with pytest.raises(SystemExit) as caught:
            main(words)

        assert caught.value.code == 64
        err = capsys.readouterr().err
        assert err.startswith("Usage: frgroups") and err.endswith("--help' for more information.\n")


def test_no_prompts():
    "No command prompts for input, so click never raises Abort."
    from frgroups.cli.command_table import SECTIONS

    commands = [entry.load() for entries in SECTIONS.values() for entry in entries]

    assert [command.name for command in commands if not isinstance(command, click.Command)] == []
    assert [param.name for command in commands for param in command.params if getattr(param, "prompt", None)] == []


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["plan", "--help"], ["plan", "-h"]])
def test_help_and_version(words, capsys):
    "The options --help and --version return exit code 0 and print only to stdout."
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert out and not err


def test_documented_codes():
    "Every error class has a documented exit code, and 64 is the most severe code."
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert {code_of(kind("x")) for kind in kinds} <= set(EXIT_CODES)
    assert worst(EXIT_CODES) == 64


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ["table", "group_sizes"],
        pytest.param(["health", "--json"], marks=pytest.mark.slow),
        ["--help"],
        pytest.param(["--version"], marks=pytest.mark.slow),
    ],
)
def test_full_output(words):
    "If stdout is on a full disk, the exit code is 1, and the error names stdout in one line."
    fg.save_snapshot(fg.sample_snapshot())
    with FULL.open("w") as full:
        process = subprocess.run(
            [*COMMAND, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=os.environ | {"FRGROUPS_TENANT_UID": "t-1"},
        )

    assert process.returncode == 1
    assert len(process.stderr.splitlines()) == 1 and "stdout" in process.stderr


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_result_on_full_disk(monkeypatch, capsys):
    "If stdout is on a full disk after the result was recorded, stderr contains the result and its exit code counts."
    with FULL.open("w") as full:

        def write_and_fail(*_, **__):
            keep_result(5, "1 change was rejected.")
            monkeypatch.setattr("sys.stdout", full)
            print_text("1 change was rejected.", flush=True)

        monkeypatch.setattr("frgroups.cli.inputs.read_selected_snapshot", write_and_fail)
        assert main(["who", "c-1"]) == 5

    err = capsys.readouterr().err
    assert "1 change was rejected." in err and "stdout" in err


@pytest.mark.parametrize("stderr_is_closed", [False, True])
def test_result_after_closed_pipe(monkeypatch, capsys, stderr_is_closed):
    "If stdout was closed after the result was recorded, the result is printed to stderr and sets the exit code."

    def write_and_fail(*_, **__):
        keep_result(5, "1 change was rejected.")
        raise BrokenPipeError

    def fail(*_):
        raise BrokenPipeError

    monkeypatch.setattr("frgroups.cli.inputs.read_selected_snapshot", write_and_fail)
    if stderr_is_closed:
        monkeypatch.setattr("frgroups.cli.command_ending.print_error", fail)

    assert main(["who", "c-1"]) == 5
    assert ("1 change was rejected." in capsys.readouterr().err) is not stderr_is_closed


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_termination(fail, capsys, monkeypatch, name):
    "SIGTERM and SIGHUP end a command like Ctrl-C. An ignored signal stays ignored, and the handlers are restored."
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)
    monkeypatch.setattr("frgroups.cli.inputs.read_selected_snapshot", lambda *_: signal.raise_signal(number))
    try:
        assert main(["who", "c-1"]) == 1
        assert capsys.readouterr().err == "frgroups who: interrupted.\n"
        assert signal.getsignal(number) == signal.SIG_DFL

        # The import of a command can take a second, so a signal can arrive before the command is known.
        monkeypatch.setattr("frgroups.cli.main.root_group", lambda: signal.raise_signal(number))
        assert main(["who", "c-1"]) == 1
        assert capsys.readouterr().err == "frgroups: interrupted.\n"
        assert signal.getsignal(number) == signal.SIG_DFL

        signal.signal(number, signal.SIG_IGN)
        with termination_as_interrupt():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c(tmp_path):
    "Ctrl-C stops a command with exit code 1 and prints one line to stderr."
    pipe = tmp_path / "list.csv"
    os.mkfifo(pipe)
    fg.save_snapshot(fg.sample_snapshot())
    words = ["plan", "--group", "vip", "--list", str(pipe)]
    process = subprocess.Popen(
        [*COMMAND, *words], stderr=subprocess.PIPE, text=True, env=os.environ | {"FRGROUPS_TENANT_UID": "t-1"}
    )
    # Opening the pipe for writing blocks until the command opens it for reading.
    writer = os.open(pipe, os.O_WRONLY)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    os.close(writer)

    assert process.returncode == 1
    assert err.startswith("frgroups plan: ") and err.count("\n") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed, tmp_path):
    "If stdout or stderr is closed, a command still returns its usual exit code."
    fg.save_snapshot(fg.sample_snapshot(), tmp_path / "snapshots")
    command = f"{sys.executable} -m frgroups table group_sizes --tenant t-1 --cache {tmp_path / 'snapshots'} {closed}"

    done = subprocess.run(["bash", "-c", command], timeout=60)

    assert done.returncode == 0
