"""Tests for `frgroups table`, which prints and exports the tables of the analysis functions."""

import json
import re
import sys
from dataclasses import replace
from inspect import isfunction

import openpyxl
import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli.command_table import RENAMED_COMMANDS
from frgroups.cli.main import main
from frgroups.cli.table_registry import TABLES
from tests.cli.commands import table_words

EVIL = '=HYPERLINK("http://x")'
NAMES = [entry.name for entry in TABLES]
# Functions in the list of public names that return no table.
NO_TABLES = {"describe", "read_register"}
# Functions that need tables of customers with arms, outcomes, and attributes, which a snapshot does not contain.
NO_TABLES |= {"measure_lift", "split_balance"}


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Store two snapshots, in which the group `all` has a name that looks like a formula, and write a register."""
    folder = tmp_path_factory.mktemp("data")
    snapshot = fg.sample_snapshot()
    named = snapshot.groups.assign(
        name=snapshot.groups["name"].mask(snapshot.groups["customer_group_uid"] == "all", EVIL)
    )
    newer = replace(snapshot, groups=named)
    older = fg.snapshot_from_frames(
        snapshot.memberships.iloc[1:],
        named,
        tenant_uid="t-1",
        taken_at="2026-01-01T00:00Z",
        base_url=snapshot.base_url,
    )
    for stored_snapshot in (older, newer):
        fg.save_snapshot(stored_snapshot, folder / "snapshots")
    (folder / "register.csv").write_text("customer_group_uid;discount_percent;owner\nall;5;Kari\nvip;20;Ola\n")
    return folder


@pytest.fixture
def stored(data_folder, monkeypatch):
    """Select the stored snapshots, and return the path of the register."""
    monkeypatch.setenv("FRGROUPS_HOME", str(data_folder))
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")
    return data_folder / "register.csv"


def test_list_of_tables(capsys):
    "Without a name, the command lists all tables of the public analysis functions with their questions."
    assert main(["table"]) == 0
    out = capsys.readouterr().out
    assert main(["table", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert [row["name"] for row in rows] == NAMES and all(row["question"].endswith("?") for row in rows)
    assert all(re.search(rf"^  {name} ", out, re.M) for name in NAMES)
    assert {name for name in NAMES if not hasattr(fg, name)} == set()
    functions = {name for name in dir(fg) if isfunction(getattr(fg, name))}
    packages = ("frgroups.analysis", "frgroups.history")
    tables = {name for name in functions if getattr(fg, name).__module__.startswith(packages)}
    assert tables - NO_TABLES == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_formats(name, stored, capsys, tmp_path):
    "JSON, CSV, and Excel contain the same complete table, and no text runs as a formula."
    words = table_words(name, stored)

    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert main([*words, "--csv", str(tmp_path / "t.csv")]) == 0
    assert main([*words, "--xlsx", str(tmp_path / "t.xlsx"), "--top", "1"]) == 0
    printed = capsys.readouterr().out

    assert (values["schema_version"], values["table"], values["tenant_uid"], err) == (1, name, "t-1", "")
    table = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    rows = values["rows"]
    assert rows and len(table) == len(rows) and all(list(table) == list(row) for row in rows)
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert sheet.max_row == len(rows) + 1 and not any(cell.data_type == "f" for cell in cells)
    assert not any(text.startswith("=") for text in table.to_numpy().ravel())
    assert "t.csv" in printed and "t.xlsx" in printed


def test_values(stored, capsys):
    "The rows of the JSON object are equal to the table that the function returns."
    assert main(["table", "overlap_pairs", "--json", "--universe", "1000", "--min-both", "0"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    expected = fg.overlap_pairs(fg.read_snapshot(), universe=1000, min_both=0)
    expected = expected.sort_values(["jaccard", "n_both"], ascending=False, kind="stable", ignore_index=True)
    # JSON has no infinite numbers.
    expected = expected.replace([float("inf"), -float("inf")], float("nan"))
    pd.testing.assert_frame_equal(pd.DataFrame(rows), expected, check_dtype=False)


def test_split(stored, capsys):
    "The options of the split are the arguments of the function, and an expression selects the customers."
    words = ["--arm", "mail=0.6", "--arm", "none=0.4", "--control", "none", "--seed", "s", "--strata", "country_code"]

    assert main(["table", "split_customers", "--members", "all - vip", "--exact", *words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    snapshot = fg.read_snapshot()
    chosen = snapshot.customers[snapshot.customers["customer_uid"].isin(fg.members(snapshot, "all - vip"))]
    shares = {"mail": 0.6, "none": 0.4}
    expected = fg.split_customers(chosen, shares, seed="s", control="none", strata=["country_code"], exact=True)
    assert rows == expected.to_dict("records")


def test_rows_and_columns(stored, capsys):
    "Only the most important columns and the first rows are printed, unless --all-columns is given."
    assert main(["table", "overlap_pairs", "--top", "1", "--min-both", "0"]) == 0
    short = capsys.readouterr().out
    assert main(["table", "overlap_pairs", "--all-columns", "-q"]) == 0
    complete = capsys.readouterr().out

    assert "1 of 3 rows and 8 of 19 columns" in short and "overlap_coefficient" not in short
    assert all(name in complete for name in fg.overlap_pairs(fg.read_snapshot()))
    assert "Shown" not in complete and "Snapshot" not in complete


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["overlap_pair"], ["'overlap_pair'", "overlap_pairs"]),
        (["group-sizes"], ["'group-sizes'", "group_sizes"]),
        (["group_sizes", "--since", "2026-01-01"], ["'--since'"]),
        (["set_cover", "--target", "2"], ["'--target'", "0 to 1"]),
        (["members"], ["'--members'"]),
        (["group_profile"], ["'--group'"]),
        (["compare_groups", "--group", "vip"], ["'--versus'"]),
        (["segment", "--rule", "vip"], ["'--rule'", "'vip'", "NAME=VALUE"]),
        (["split_customers", "--arm", "mail=x", "--seed", "s"], ["'--arm'", "'mail=x'", "NAME=SHARE"]),
        (["split_customers", "--arm", "mail=90", "--seed", "s"], ["'--arm'", "pass 0.9"]),
        (["split_customers", "--arm", "mail=0.9", "--arm", "mail=0.1", "--seed", "s"], ["--arm", "'mail'"]),
        (["split_customers", "--arm", "mail=0.9", "--arm", "control=0.1"], ["'--seed'"]),
        (["segment", "--rule", "a=n_groups > 1", "--rule", "a=n_groups > 2"], ["--rule", "'a'"]),
        (["waterfall"], ["'--audience'"]),
        (["waterfall", "--audience", "A=vip", "--audience", "A=all"], ["--audience", "'A'"]),
        (["waterfall", "--audience", "A=vip", "--cap", "A=x"], ["'--cap'", "'A=x'", "NAME=N"]),
        (["waterfall", "--audience", "A=vip", "--cap", "A=1", "--cap", "A=2"], ["--cap", "'A'"]),
        (["group_sizes", "--csv", "a", "--xlsx", "b"], ["--csv", "--xlsx"]),
        (["group_sizes", "--json", "--csv", "a"], ["--csv", "--json"]),
        (["overlap_matrix", "--measure", "lift"], ["--measure lift", "--universe N"]),
        (["--nonsense"], ["'--nonsense'"]),
    ],
)
def test_usage_errors(words, facts, stored, capsys):
    "An unknown table, an option of another table, or an invalid value is a usage error."
    try:
        code = main(["table", *words])
    except SystemExit as end:
        code = end.code

    err = capsys.readouterr().err
    assert (
        code == 64 and err.startswith("Usage: frgroups table") and [fact for fact in facts if fact not in err] == []
    )


def test_omitted_campaigns(stored, tmp_path, capsys):
    "The command prints the names of the campaigns that are not running."
    register = tmp_path / "register.csv"
    register.write_text("customer_group_uid;discount_percent;valid_to\nall;5;\nvip;20;2020-12-31\n")

    assert main(["table", "campaign_reach", "--register", str(register)]) == 0

    assert "1 campaign is not running and is omitted: VIP." in capsys.readouterr().out
    main(["table", "campaign_reach", "--register", str(stored)])
    assert "not running" not in capsys.readouterr().out


def test_waterfall(stored, capsys):
    "The options of the waterfall tables have the same effect as the arguments of the functions."
    words = [
        "--audience",
        "Gold=VIP",
        "--audience",
        "Rest=all | staff",
        "--cap",
        "Rest=3",
        "--order-by",
        "created_at",
    ]
    expected = fg.waterfall(
        fg.read_snapshot(),
        {"Gold": "VIP", "Rest": "all | staff"},
        caps={"Rest": 3},
        order_by="created_at",
        exclude="staff",
    )

    tables = {}
    for name in ("waterfall", "waterfall_summary"):
        assert main(["table", name, *words, "--exclude", "staff", "--json"]) == 0
        tables[name] = json.loads(capsys.readouterr().out)["rows"]

    assert tables["waterfall"] == expected.to_dict("records") and len(expected) > 3
    counts = pd.DataFrame(tables["waterfall_summary"])
    pd.testing.assert_frame_equal(counts, fg.waterfall_summary(expected), check_dtype=False)


def test_error_in_audience(stored, capsys):
    "The error for an invalid expression contains the audience, and no Python argument."
    assert main(["table", "waterfall", "--audience", "Gold=VIPs"]) == 1

    err = capsys.readouterr().err
    assert "'VIPs'" in err and "'VIP'" in err and "'Gold'" in err and "audiences[" not in err


def test_reachable_customers(stored, capsys):
    "The table reachable_customers contains the customers of an expression."
    assert main(["table", "reachable_customers", "--members", "VIP | staff", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)["rows"]
    expected = fg.reachable_customers(fg.read_snapshot(), "VIP | staff")
    assert [row["customer_uid"] for row in rows] == list(expected)


@pytest.mark.parametrize("name", NAMES)
def test_help(name, capsys):
    "The help of each table contains its question, an example, and the options for the formats."
    with pytest.raises(SystemExit) as caught:
        main(["table", name, "--help"])

    out = " ".join(capsys.readouterr().out.split())
    question = next(entry.question for entry in TABLES if entry.name == name)
    assert caught.value.code == 0 and question in out and f"Example: frgroups table {name}" in out
    assert all(option in out for option in ("--csv FILE", "--xlsx FILE", "--json", "--at DATE", "--quiet"))


def test_missing_openpyxl(stored, capsys, monkeypatch, tmp_path):
    "If openpyxl is not installed, the error for --xlsx names the extra."
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    assert main(["table", "group_sizes", "--xlsx", str(tmp_path / "t.xlsx")]) == 1
    assert "frgroups[excel]" in capsys.readouterr().err


def test_earlier_snapshot(stored, capsys):
    "With --at, a history contains only the snapshots up to this date."
    assert main(["table", "size_history", "--at", "2026-01-01", "--json"]) == 0

    values = json.loads(capsys.readouterr().out)
    assert {row["taken_at"] for row in values["rows"]} == {values["taken_at"]}


def test_renamed_commands():
    "Each removed command refers to a table that exists."
    targets = [target.removeprefix("table ") for target in RENAMED_COMMANDS.values() if target.startswith("table ")]

    assert len(targets) == 3 and set(targets) <= set(NAMES)


def test_order(stored, capsys, tmp_path):
    "The terminal shows the most important rows first, as `fg.show` does. Files have the order of the function."
    words = table_words("group_profile", stored)
    assert main([*words, "--csv", str(tmp_path / "t.csv"), "--top", "3"]) == 0
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if re.search(r"\d$", line)]

    profile = fg.group_profile(fg.read_snapshot(), "vip", min_count=0)
    strongest = profile.assign(size=profile["effect_size"].abs()).sort_values("size", ascending=False, kind="stable")
    assert printed[-3:] == strongest["attribute"].head(3).to_list() != profile["attribute"].head(3).to_list()
    assert pd.read_csv(tmp_path / "t.csv")["attribute"].to_list() == profile["attribute"].to_list()
