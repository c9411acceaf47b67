"""Tests for tables that are written to CSV files and Excel workbooks."""

import csv
import io
from datetime import datetime

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import InputError
from frgroups.internals import spreadsheet_export
from frgroups.internals.spreadsheet_export import (
    neutralize_formula,
    protect_cell,
    to_safe_csv,
    write_table_workbook,
)

FORMULAS = [
    "=1+1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "'x",
]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("function", [neutralize_formula, protect_cell])
def test_formulas(text, function):
    "A text that a spreadsheet program could run as a formula is prefixed with an apostrophe."
    assert function(text) == f"'{text}"


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(-5, 5)), max_size=4), TEXT)
def test_csv(rows, column):
    "Each text in the CSV file, including the header, equals the neutralized original, and numbers are unchanged."
    table = pd.DataFrame(rows, columns=["name", f"x{column}", "n"])

    lines = list(csv.reader(io.StringIO(to_safe_csv(table))))

    assert lines[0] == ["name", f"x{column}", "n"]
    assert lines[1:] == [[neutralize_formula(a), neutralize_formula(b), str(n)] for a, b, n in rows]
    assert not any(cell[:1] in ("=", "+", "@") for line in lines for cell in line[:2])


def test_csv_separators():
    "Each text is quoted, so that a semicolon in a name does not start another cell. Numeric uids are unchanged."
    assert to_safe_csv(pd.DataFrame({"=a": ["x;=1", "0150"]})) == '"\'=a"\n"x;=1"\n"0150"\n'


def test_workbook(tmp_path):
    "Text, numbers, timestamps, and missing values are stored in cells of the matching type."
    taken_at = pd.to_datetime(["2026-11-29T20:16:00Z", None]).astype("datetime64[us, UTC]")
    table = pd.DataFrame(
        {"name": ["=1+1", "0150"], "share_of_a": [0.5, float("nan")], "n": [3, 4], "ok": [True, False]}
    ).assign(taken_at=taken_at)

    sheet = openpyxl.load_workbook(write_table_workbook(tmp_path / "t.xlsx", table, title="t")).active

    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in sheet[1]] == list(table)
    assert rows == [["=1+1", 0.5, 3, True, datetime(2026, 11, 29, 20, 16)], ["0150", None, 4, False, None]]
    assert sheet["A2"].data_type == sheet["A3"].data_type == "s" and sheet["A2"].quotePrefix
    assert sheet["B2"].number_format == "0.0%" and sheet["E2"].is_date


def test_workbook_with_mixed_column(tmp_path):
    "Timestamps are stored as dates even if a column also contains other values."
    values = [pd.Timestamp("2026-11-29"), pd.Timestamp("2026-11-29T08:10Z"), "unknown", None]
    table = pd.DataFrame({"when": pd.Series(values, dtype=object)})

    sheet = openpyxl.load_workbook(write_table_workbook(tmp_path / "t.xlsx", table, title="t")).active

    cells = [sheet.cell(row, 1) for row in range(2, 6)]
    assert [cell.value for cell in cells[:3]] == [datetime(2026, 11, 29), datetime(2026, 11, 29, 8, 10), "unknown"]
    assert [cell.number_format for cell in cells[:2]] == ["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"]


def test_large_workbook(tmp_path, monkeypatch):
    "A table that does not fit into an Excel sheet raises an error that suggests a CSV file."
    monkeypatch.setattr(spreadsheet_export, "MAX_ROWS", 1)

    with pytest.raises(InputError, match="CSV") as caught:
        write_table_workbook(tmp_path / "t.xlsx", pd.DataFrame({"n": [1, 2]}), title="t")

    assert "--csv" in caught.value.cli_text and not (tmp_path / "t.xlsx").exists()
