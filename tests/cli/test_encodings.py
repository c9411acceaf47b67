"""Tests for output streams whose encoding does not contain the characters of a name."""

import io
import json
import os
import sys

import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli import output
from frgroups.cli.main import main
from frgroups.cli.table_printing import print_table

NAMES = ["Łódź", "VIP 😀", "Ærlig", "雪", "x\u202ey"]
ENCODINGS = ["ascii", "cp1252", "cp437", "utf-8"]


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Store two snapshots whose groups have names that most encodings do not contain."""
    folder = tmp_path_factory.mktemp("data")
    uids = [f"g{n}" for n in range(len(NAMES))]
    groups = pd.DataFrame({"customer_group_uid": uids, "name": NAMES})
    members = [(group, f"c-{n}") for group in uids for n in range(6)]
    for day, rows in (("2026-11-01", members[:-2]), ("2026-11-02", members)):
        table = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"])
        snapshot = fg.snapshot_from_frames(
            table, groups, tenant_uid="t-1", taken_at=f"{day}T00:00Z", base_url=fg.STAGE
        )
        fg.save_snapshot(snapshot, folder / "snapshots")
    return folder


@pytest.fixture
def stored(data_folder, monkeypatch):
    """Select the stored snapshots."""
    monkeypatch.setenv("FRGROUPS_HOME", str(data_folder))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")
    monkeypatch.setenv("FRGROUPS_BASE_URL", "stage")


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a command with strict streams in an encoding, and returns the printed bytes."""

    def run_command(encoding, words):
        streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
        with monkeypatch.context() as patch:
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = main(words)
            for stream in streams.values():
                stream.flush()
        return code, *(stream.buffer.getvalue() for stream in streams.values())

    return run_command


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    "words",
    [
        ["health"],
        ["table", "group_sizes"],
        ["table", "overlap_pairs"],
        ["table", "group_changes"],
        ["table", "overlap_matrix"],
        ["table", "set_cover"],
        ["who", "c-1"],
        ["export-customer", "c-1"],
        ["erase-customer", "c-1"],
        ["status"],
        ["plan", "--group", "new", "--create", "Źle 😀", "--members", "g1"],
    ],
)
def test_names(words, encoding, stored, run):
    "A command prints each name in every encoding. Characters that the encoding lacks are escaped."
    expected, _, _ = run("utf-8", words)

    code, out, err = run(encoding, words)

    assert code == expected and b"Traceback" not in err
    text = out.decode(encoding)
    shown = NAMES[0].encode(encoding, "backslashreplace").decode(encoding)
    if words[0] in ("health", "who") or words[:2] == ["table", "group_sizes"]:
        assert shown in text
    if words[0] == "export-customer":
        assert "Łódź" in str(json.loads(text))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json(encoding, stored, run):
    "JSON output contains the original names in every encoding."
    code, out, _ = run(encoding, ["table", "group_sizes", "--json"])

    assert code == 0 and {row["name"] for row in json.loads(out)["rows"]} == set(NAMES)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lone_surrogate(encoding, run, home_folder):
    "A message with a lone surrogate, for example from a file name that is not valid UTF-8, is printed."
    name = os.fsdecode(b"\xff.csv")

    code, _, err = run(encoding, ["table", "members", "--members", "a", "--cache", str(home_folder / name)])

    assert code == 1 and b"udcff" in err


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_terminal_table(encoding, monkeypatch):
    "A table on a terminal is printed in every encoding."
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    output.prepare_streams()

    print_table(pd.DataFrame({"name": NAMES, "n": range(len(NAMES))}))

    stream.flush()
    lines = stream.buffer.getvalue().decode(encoding).splitlines()
    assert len(lines) == len(NAMES) + 2
