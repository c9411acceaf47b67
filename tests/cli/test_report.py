"""Tests for the command that writes a report."""

import json
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.internals.paths import tenant_folder


@pytest.fixture
def stored(monkeypatch):
    """Store two snapshots of a tenant without a host, and return the newer one."""
    fg.save_snapshot(fg.sample_snapshot("2026-10-23T08:10Z"))
    newer = fg.sample_snapshot("2026-11-23T08:10Z")
    fg.save_snapshot(newer)
    monkeypatch.setenv("FRGROUPS_TENANT_UID", newer.tenant_uid)
    return newer


def test_default_file(stored, capsys):
    "By default, the report is written to the data folder, and the previous snapshot is the older snapshot."
    assert main(["report", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    path = fg.home() / "reports" / f"{tenant_folder(stored.tenant_uid, None)}.html"
    assert document["report"] == str(path.resolve()) and path.stat().st_size > 10_000
    assert (document["taken_at"][:10], document["compared_with"][:10]) == ("2026-11-23", "2026-10-23")


def test_options(stored, tmp_path, capsys):
    "The options select the file, the snapshot, the register, the list of customers, and the smallest count."
    register = tmp_path / "register.csv"
    register.write_text("group,owner\nvip,Marketing\n")
    words = ["--out", tmp_path / "r.html", "--at", "2026-10-30", "--register", register, "--min-count", "0"]

    assert main(["report", *map(str, words)]) == 0

    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert str(tmp_path / "r.html") in capsys.readouterr().out.replace("\n", "")
    assert "Only one snapshot" in page and "owner: Marketing" in page and "Small counts are not" in page


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (["2026-11-22", "2026-10-26", "2026-10-20"], "2026-10-26"),
        pytest.param(["2026-11-22", "2026-11-20"], "2026-11-20", marks=pytest.mark.slow),
        pytest.param(["2026-10-25", "2026-09-01"], "2026-10-25", marks=pytest.mark.slow),
    ],
)
def test_default_comparison(days, expected, monkeypatch, capsys):
    "The default is the newest snapshot that is at least 28 days older, or else the oldest snapshot."
    for day in [*days, "2026-11-23"]:
        fg.save_snapshot(fg.sample_snapshot(f"{day}T08:10Z"))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", fg.sample_snapshot().tenant_uid)

    compared = []
    for words in ([], ["--since", "2026-11-22T09:00Z"]):
        assert main(["report", *words, "--json"]) == 0
        compared.append(json.loads(capsys.readouterr().out)["compared_with"][:10])

    assert compared == [expected, days[0]]


def test_groups(stored, tmp_path, capsys):
    "The option --group selects the groups in the section on reach."
    mobile = stored.consents.assign(consent_uid="sms", name="SMS")
    consents = pd.concat([stored.consents, mobile], ignore_index=True)
    fg.save_snapshot(replace(stored, consents=consents, taken_at=stored.taken_at + timedelta(days=1)))

    assert main(["report", "--out", str(tmp_path / "r.html"), "--group", "VIP", "staff"]) == 0
    assert "fg.reachability(snapshot, [&#39;staff&#39;, &#39;vip&#39;])" in (tmp_path / "r.html").read_text("utf-8")

    assert main(["report", "--group", "missing_group"]) == 1
    assert "missing_group" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--out", "r.txt"], 1), (["--uids", "--at", "2026-10-30"], 1), (["--personal"], 1), (["--min-count", "x"], 64)],
)
def test_errors(stored, words, code, capsys):
    "A wrong suffix, a missing older snapshot, and missing names are errors that name the command-line option."
    try:
        result = main(["report", *words])
    except SystemExit as end:
        result = end.code

    assert result == code and "--" in capsys.readouterr().err
    assert not (fg.home() / "reports").exists()
