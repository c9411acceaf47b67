"""Tests for the exit code of commands whose output is not read to its end."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.review.plan_folders import plans_folder


def save_old_plan():
    """Save a plan that has been pending for two hours."""
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]}, limits=fg.Limits(snapshot_max_age=None))
    then = plan.planned_at - timedelta(hours=2)
    plan = replace(plan, planned_at=then, snapshot_taken_at=then)
    plan.save(plans_folder(plan.tenant_uid, plan.base_url) / "old.plan.json")


@pytest.mark.skipif(os.name == "nt", reason="Windows reports closed pipes as other errors")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        pytest.param(["--version"], 0, marks=pytest.mark.slow),
        pytest.param(["plan", "--help"], 0, marks=pytest.mark.slow),
        pytest.param(["plans"], 0, marks=pytest.mark.slow),
        pytest.param(["plans", "--json"], 0, marks=pytest.mark.slow),
        (["plans", "--fail-if-pending", "1h"], 9),
        pytest.param(["table"], 0, marks=pytest.mark.slow),
        (["table", "group_sizes", "--tenant", "t-1"], 0),
        pytest.param(["health", "--json", "--tenant", "t-1"], 0, marks=pytest.mark.slow),
    ],
)
def test_closed_pipe(words, code):
    "If the reader has closed the pipe, a command ends without a message, and with the usual exit code."
    save_old_plan()
    fg.save_snapshot(fg.sample_snapshot())
    reader, writer = os.pipe()
    os.close(reader)

    try:
        ended = subprocess.run(
            [sys.executable, "-m", "frgroups.cli.main", *words], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)

    assert (ended.returncode, ended.stderr) == (code, b"")


@pytest.mark.parametrize(("duration", "code"), [("1h", 9), ("3h", 0)])
def test_pipe_closed_before_the_result(monkeypatch, capsys, duration, code):
    "The exit code of the result does not depend on the number of lines that were printed."
    save_old_plan()

    def fail(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("frgroups.cli.plans.print_json_line", fail)
    assert main(["plans", "--fail-if-pending", duration, "--json"]) == code
    assert capsys.readouterr().err == ""


def test_pipe_closed_before_the_last_tenant(running, monkeypatch, home_folder):
    "If the pipe is closed before all tenants were loaded, the exit code is 1."
    monkeypatch.setenv("FRGROUPS_TEST_TOKEN", running.token)
    lines = [
        f'[{name}]\ntenant_uid = "{running.tenant_uid}"\nbase_url = "{running.base_url}"\n'
        'token_env = "FRGROUPS_TEST_TOKEN"'
        for name in ("first", "second")
    ]
    (home_folder / "tenants.toml").write_text("\n".join(lines))
    (home_folder / "tenants.toml").chmod(0o600)

    def fail(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("frgroups.cli.load_many.print_json_line", fail)
    assert main(["load", "--all", "--json"]) == 1
