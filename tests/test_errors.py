"""Tests for errors in IPython, and for errors that state the correct call."""

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

import frgroups as fg
from frgroups.errors import FrgroupsError, GroupNotFoundError, InputError, UnsupportedOperationError

SNAPSHOT = fg.sample_snapshot("2026-11-23T08:10Z")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Return a function that runs a cell in IPython and returns its output."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="nocolor")
    shell.history_manager.enabled = False

    def run_cell(code):
        shell.run_cell(code)
        return capsys.readouterr().out

    run_cell("import frgroups as fg; snapshot = fg.sample_snapshot()")
    yield run_cell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_short_traceback(run):
    "IPython displays the caller's lines and the message. The magic command %tb displays all frames."
    output = run("def top(group):\n    return fg.overlap_pairs(snapshot, groups=[group])\ntop('Vipp')")

    assert "return fg.overlap_pairs(snapshot, groups=[group])" in output and "top('Vipp')" in output
    assert "GroupNotFoundError: No group has" in output and "Did you mean 'VIP'?" in output and "%tb" in output
    assert "membership_matrix.py" not in output
    assert "membership_matrix.py" in run("%tb")


def test_chained_exception(run):
    "The short traceback contains no chained exception. It is displayed by %tb."
    output = run("fg.snapshot_from_frames(fg.sample_snapshot().memberships, tenant_uid='t', taken_at='yesterday')")

    assert "InputError" in output and "direct cause" not in output and "timestamps.py" not in output


def test_own_errors(run):
    "An error that the caller raises, and an error of another library, have the usual traceback."
    assert "raise fg.errors.InputError" in run("raise fg.errors.InputError('mine')")
    assert "%tb" not in run("1 / 0")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: list(SNAPSHOT), "snapshot.groups"),
        (lambda: [*SNAPSHOT], 'snapshot["NAME"]'),
        (lambda: len(SNAPSHOT), "len(snapshot.groups)"),
        (lambda: SNAPSHOT[0], "snapshot.groups"),
        (lambda: SNAPSHOT[["VIP"]], "snapshot.groups"),
        (lambda: SNAPSHOT["VIP & loyalty"], "fg.members(snapshot, 'VIP & loyalty')"),
        (lambda: fg.members(SNAPSHOT, ["VIP & Staff"]), "fg.members(snapshot, 'VIP & Staff')"),
        (lambda: fg.members(SNAPSHOT, ["VIP", "Staff"]), "fg.members(snapshot, 'VIP | Staff')"),
        (lambda: fg.members(SNAPSHOT, None), "fg.members(snapshot, "),
        (lambda: fg.overlap_pairs(SNAPSHOT, groups=["VIP & Staff"]), "fg.members(snapshot, 'VIP & Staff')"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": "VIP & Staff"}), "fg.members(snapshot, 'VIP & Staff')"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": ["VIP & Staff"]}), "fg.members(snapshot, 'VIP & Staff')"),
        (lambda: fg.overlap_pairs(SNAPSHOT, groups=["VIP", None]), "dropna()"),
        (lambda: fg.region_members(SNAPSHOT, include=[np.nan]), "dropna()"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": ["c-1", None]}), "dropna()"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": ["c-1", np.nan]}), "dropna()"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": ["c-1", pd.NA]}), "dropna()"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": pd.Series(["c-1", None], dtype="str")}), "dropna()"),
        (lambda: fg.plan_memberships(SNAPSHOT, {"vip": ["c-7"]}, protect=[None]), "dropna()"),
        (lambda: fg.resolve_customers(SNAPSHOT, ["0001", None]), "dropna()"),
    ],
)
def test_correct_call(call, expected):
    "The error for a frequent mistake states the correct call."
    with pytest.raises(FrgroupsError) as caught:
        call()

    assert expected in str(caught.value)


def test_error_types():
    "Python operations that a Snapshot does not support raise an error that is a TypeError and an InputError."
    with pytest.raises(TypeError) as caught:
        len(SNAPSHOT)
    assert isinstance(caught.value, UnsupportedOperationError | InputError)
    with pytest.raises(GroupNotFoundError):
        SNAPSHOT["VIP - Staff"]

    assert SNAPSHOT and "VIP" in SNAPSHOT


def test_command_line_hints():
    "The hint about a group expression names a command on the command line, and Python code otherwise."
    with pytest.raises(InputError) as caught:
        SNAPSHOT["VIP & Staff"]

    assert "fg." not in caught.value.cli_text and "frgroups table members" in caught.value.cli_text
