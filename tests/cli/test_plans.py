"""Tests for the list of plans on the command line: plans saved with --out, equal digests, and next commands."""

import json
import shlex
import shutil
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd

import frgroups as fg
from frgroups.cli.main import main
from frgroups.cli.table_printing import print_table
from frgroups.review.saved_plans import add_saved_plan, saved_plan_files
from tests.approvals import approved
from tests.cli.commands import output


def planned(path, group="new"):
    """Create a plan with `frgroups plan --out`, and return it."""
    assert main(["plan", "--group", group, "--create", "New", "--members", "All", "--out", path]) == 0
    return fg.read_plan(path)


def test_plans_saved_with_out(tenant, tmp_path, capsys):
    "Plans that were saved with --out are listed from any folder, until the file is deleted."
    plan = planned("p.json")
    planned("p.json")

    assert list(fg.list_plans()["path"]) == [str(tmp_path / "p.json")]
    assert main(["show", "last"]) == 0
    assert main(["plans", "--fail-if-pending", "1h"]) == 0
    then = plan.planned_at - timedelta(hours=2)
    plan = replace(plan, planned_at=then, snapshot_taken_at=then)
    plan.save("p.json")
    assert main(["plans", "--fail-if-pending", "1h"]) == 9
    assert json.loads(output(capsys, "show", plan.digest[:12], "--json"))["digest"] == plan.digest
    Path("p.json").unlink()
    assert fg.list_plans().empty


def test_damaged_list_of_saved_plans(tenant, tmp_path, capsys):
    "Unreadable lines and missing files in the list of saved plans are skipped, and the next plan is added."
    plan = planned("p.json")
    [file] = fg.home().rglob("saved_elsewhere.txt")
    file.write_bytes(b"\xff\n" if file.read_text() == "" else b'{}\n7\n"a\\u0000b"\nnot json\n"/missing"\n')

    add_saved_plan(plan, tmp_path / "p.json")

    assert saved_plan_files() == [tmp_path / "p.json"] and len(file.read_text().splitlines()) == 1
    assert saved_plan_files("t-other") == []


def test_next_command_of_equal_plans(tenant, tmp_path, capsys):
    "If several files have the same digest, the next commands contain paths, and an error lists states and times."
    plan = planned("a.json")
    shutil.copy("a.json", "copy.json")
    add_saved_plan(plan, tmp_path / "copy.json")
    later = replace(plan, planned_at=plan.planned_at + timedelta(seconds=1))
    add_saved_plan(later, later.save(tmp_path / "b.json"))

    text = output(capsys, "plans")

    commands = [line.split("frgroups ")[1] for line in text.splitlines() if "frgroups " in line]
    assert len(commands) == 2
    for command in commands:
        assert main([word.replace("NAME", "Kari") for word in shlex.split(command)]) == 0
    rows = [line.split() for line in text.splitlines() if line.strip().startswith(plan.digest[:12])]
    assert len({tuple(row) for row in rows}) == 2
    error = output(capsys, "show", plan.digest[:12], code=1)
    assert error.count("approved, planned at") == 3 and f"{later.planned_at:%H:%M:%S} UTC" in error


def test_times_in_list(tenant, tmp_path, capsys):
    "The list contains no fractions of a second, and an age is the clock time minus the time in the list."
    plan = planned("a.json")
    for microsecond in (1, 999_999):
        moved = replace(plan, planned_at=plan.planned_at.replace(microsecond=microsecond) - timedelta(minutes=90))
        add_saved_plan(moved, moved.save(tmp_path / f"{microsecond}.json"))

    rows = [line for line in output(capsys, "plans").splitlines() if " 90 min" in line]

    assert len(rows) == 2
    for row in rows:
        assert f" {moved.planned_at:%H:%M:%S} " in row


def test_undo_is_not_a_next_command(tenant, capsys):
    "The table proposes no undo. The JSON output proposes it for a plan with changes, but not for an undo plan."
    plan = planned("p.json")
    assert main(["apply", approved("p.json")]) == 0

    assert "Next" not in output(capsys, "plans")
    [row] = json.loads(output(capsys, "plans", "--json"))["rows"]
    assert row["next_command"].startswith("frgroups undo ")
    assert main(["undo", row["receipt"], "--out", "u.json"]) == 0
    assert main(["apply", approved("u.json")]) == 0
    rows = json.loads(output(capsys, "plans", "--json"))["rows"]
    assert [(row["state"], row["next_command"]) for row in rows] == [("applied", ""), ("undone", "")]
    assert plan.digest == rows[1]["digest"]
    assert "receipt" in output(capsys, "undo", planned("q.json", "other").path.name, code=1)


def test_texts_are_cut_only_on_a_terminal(tenant, capsys, monkeypatch):
    "Names of reviewers and groups are complete unless stdout is a terminal."
    planned("p.json")
    assert main(["approve", "p.json", "--by", "Kari Nordmann Hansen"]) == 0
    assert "Kari Nordmann Hansen" in output(capsys, "plans")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    text = output(capsys, "plans")
    assert "Kari Nord\u2026" in text and max(map(len, text.splitlines()[:2])) <= 80


def test_broken_headers(capsys, monkeypatch):
    "A header in the compact layout has no more lines than the width of its column requires."
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "34")
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(pd.DataFrame({"customer_group_uid": ["vip"], "exclusive_in_group": [1], "share_of_a": [0.5]}))

    lines = capsys.readouterr().out.splitlines()

    assert [line.split()[0] for line in lines[:2]] == ["customer_", "group_uid"] and len(lines) == 4
