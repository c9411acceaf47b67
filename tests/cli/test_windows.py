"""Tests for freeze periods, apply windows, and overrides on the command line."""

import json

import pytest

import frgroups as fg
from frgroups.apply.sender import Sender
from frgroups.cli.main import main
from tests.approvals import approved
from tests.cli.commands import code_of, output
from tests.windows import write_freeze, write_windows


def planned(path="p.json", group="new"):
    """Create a plan with `frgroups plan`, approve it, and return its path."""
    assert main(["plan", "--group", group, "--create", group, "--members", "All", "--out", path]) == 0
    return approved(path)


def rows(capsys, *words, code=0):
    """Run a command with --json, and return the objects that it prints."""
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_freeze_and_override(tenant, capsys):
    "During a freeze, apply exits with code 3 and sends nothing. With an override, it applies the plan."
    plan = planned()
    end = write_freeze(fg.read_plan(plan))
    tenant.clear_requests()

    stopped = output(capsys, "apply", plan, code=3)

    assert tenant.requests() == []
    assert "Black Week" in stopped and f"{end:%Y-%m-%d %H:%M} UTC" in stopped and "frgroups override" in stopped
    [line] = rows(capsys, "apply", plan, code=3)
    assert (line["outcome"], line["exit_code"], line["counts"]) == ("failed", 3, {})
    [override] = rows(capsys, "override", plan, "--by", "Kari", "--reason", "wrong price", "--valid-for", "2h")
    assert override["next_command"] == f"frgroups apply {plan} --override {override['override_path']}"
    assert "wrong price" in output(capsys, "apply", plan, "--override", override["override_path"])
    [receipt] = rows(capsys, "show", fg.list_plans()["receipt"][0])
    assert [(entry["by"], entry["reason"]) for entry in receipt["overrides"]] == [("Kari", "wrong price")]


def test_override_without_approval(tenant, capsys, tmp_path):
    "An override does not replace the approval (exit code 8)."
    plan = planned()
    write_freeze(fg.read_plan(plan))
    (tmp_path / "p.approval.json").unlink()
    assert "p.override.json" in output(capsys, "override", plan, "--by", "Kari", "--reason", "wrong price")

    assert main(["apply", plan, "--override", "p.override.json"]) == 8


@pytest.mark.parametrize("other", [["--queue"], ["p.json", "--finalize"]])
def test_excluded_options(other):
    "An override is for one plan that is sent, so it cannot be combined with --queue or --finalize."
    assert code_of(["apply", *other, "--override", "o.json"]) == 64


def test_states_of_the_tenant(tenant, capsys):
    "The commands doctor, plan, plans, and approve print the freeze and its end. They still work."
    plan = planned()
    end = f"{write_freeze(fg.read_plan(plan)):%Y-%m-%d %H:%M} UTC"

    for words in (["plans"], ["approve", plan, "--by", "Kari"], ["doctor"]):
        text = output(capsys, *words)
        assert "Black Week" in text and end in text
    assert end in output(capsys, "plan", "--group", "new", "--create", "New", "--members", "All", "--out", "q.json")
    [row] = [row for row in rows(capsys, "doctor")[0]["rows"] if row["name"] == "apply windows"]
    assert row["ok"] and str(fg.apply_windows_path(fg.read_plan(plan))) in row["detail"]
    main(["override", plan, "--by", "Kari", "--reason", "wrong price"])
    assert main(["apply", plan, "--override", "p.override.json"]) == 0
    assert main(["apply", "q.json"]) == 8
    fg.apply_windows_path(fg.read_plan(plan)).unlink()
    assert "Black Week" not in output(capsys, "plans")


def test_invalid_file(tenant, capsys):
    "An invalid file stops apply and is a problem for doctor. The other commands print a warning."
    plan = planned()
    path = str(write_windows("[[freeze]]\n", fg.read_plan(plan)))
    tenant.clear_requests()

    assert path in output(capsys, "apply", plan, code=1)
    assert tenant.requests() == []
    assert path in output(capsys, "doctor", code=1)
    assert path in output(capsys, "plans") and path in output(capsys, "approve", plan, "--by", "Kari")


def test_queue(tenant, capsys):
    "During a freeze, the plans stay in the queue. The exit code is 3 only if an approved plan is waiting."
    for group in ("one", "two"):
        assert main(["plan", "--group", group, "--create", group, "--members", "All", "--pending"]) == 0
    paths = {path: fg.read_plan(path) for path in fg.list_plans()["path"]}
    write_freeze(next(iter(paths.values())))
    assert [row["outcome"] for row in rows(capsys, "apply", "--queue")] == ["pending", "pending"]
    assert main(["approve", next(iter(paths)), "--by", "Kari"]) == 0
    tenant.clear_requests()

    results = rows(capsys, "apply", "--queue", code=3)

    assert sorted(row["outcome"] for row in results) == ["pending", "postponed"] and tenant.requests() == []
    assert sorted(fg.list_plans()["state"]) == ["approved", "pending"]
    fg.apply_windows_path(next(iter(paths.values()))).unlink()
    assert sorted(row["outcome"] for row in rows(capsys, "apply", "--queue")) == ["done", "pending"]


def test_freeze_during_the_queue(tenant, capsys, monkeypatch):
    "Each plan in the queue is judged at its own start. A freeze that starts during a plan postpones the next plan."
    for group in ("one", "two"):
        assert main(["plan", "--group", group, "--create", group, "--members", "All", "--pending"]) == 0
    paths = list(fg.list_plans()["path"])
    for path in paths:
        assert main(["approve", path, "--by", "Kari"]) == 0
    send = Sender._send_chunk

    def freeze_and_send(self, *args):
        write_freeze(self._client)
        return send(self, *args)

    monkeypatch.setattr(Sender, "_send_chunk", freeze_and_send)

    first, second = rows(capsys, "apply", "--queue", code=3)

    assert (first["outcome"], second["outcome"], second["exit_code"]) == ("done", "postponed", 3)
    assert sorted(fg.list_plans()["state"]) == ["applied", "approved"]
