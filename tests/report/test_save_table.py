"""Tests for tables that are saved to CSV, Excel, and HTML files."""

import builtins
import csv
from datetime import datetime

import openpyxl
import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import InputError
from frgroups.internals import atomic_files
from frgroups.internals.formatting import escape_invisible

from .conftest import HOSTILE
from .test_show import LIFT, Cells


def rows_of(path):
    """Return the rows of a CSV file as lists of texts."""
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def sheet_of(path):
    """Return the sheet of a workbook."""
    return openpyxl.load_workbook(path).active


def test_csv(snapshot, tmp_path):
    "A CSV file contains all rows and columns in the order of the table, and the names of the groups."
    changes = pd.DataFrame({"customer_group_uid": ["a-small", "c-sale"], "customer_uid": ["c-1", "c-2"]})

    path = fg.save_table(changes, tmp_path / "new" / "t.CSV", snapshot=snapshot)

    assert path == (tmp_path / "new" / "t.CSV").resolve()
    assert rows_of(path) == [
        ["customer_group_uid", "name", "customer_uid"],
        ["a-small", "Small", "c-1"],
        ["c-sale", "Sale", "c-2"],
    ]


def test_workbook(snapshot, tmp_path):
    "In a workbook, shares are numbers with a percentage format, and the header is frozen and wide enough."
    sheet = sheet_of(fg.save_table(fg.group_sizes(snapshot), tmp_path / "t.xlsx"))

    names = [cell.value for cell in sheet[1]]
    share = sheet.cell(3, names.index("share_exclusive") + 1)
    assert share.value == 0.7 and share.number_format == "0.0%" and sheet.freeze_panes == "A2"
    assert sheet.cell(3, names.index("n_members") + 1).number_format == "#,##0"
    widths = {cell.value: sheet.column_dimensions[cell.column_letter].width for cell in sheet[1]}
    assert all(len(name) < width <= 60 for name, width in widths.items())


def test_lift(tmp_path):
    "Differences of rates stay numbers. Excel shows them as percentages, and pages in percentage points."
    cell = sheet_of(fg.save_table(LIFT, tmp_path / "t.xlsx"))["D3"]

    assert cell.value == 0.0264 and cell.number_format == "0.00%"
    assert "0.0264" in rows_of(fg.save_table(LIFT, tmp_path / "t.csv"))[2]
    assert "2.6 pp" in fg.save_table(LIFT, tmp_path / "t.html").read_text(encoding="utf-8")


def test_lift_of_amounts(tmp_path):
    "Means, their differences, and p-values have number formats in a workbook."
    names = {"mean": "#,##0.00", "difference": "#,##0.00##", "p_value": "0.000", "incremental": "#,##0.00"}
    sheet = sheet_of(fg.save_table(pd.DataFrame([[1234.5] * len(names)], columns=list(names)), tmp_path / "t.xlsx"))

    assert {cell.value: sheet.cell(2, cell.column).number_format for cell in sheet[1]} == names


def test_mixed_column(tmp_path):
    "Invisible characters are also escaped in a column with values of several types."
    table = pd.DataFrame({"name": ["a\u202e", 1, None, ("x", "y")]}, dtype="object")

    assert [row[0] for row in rows_of(fg.save_table(table, tmp_path / "t.csv"))] == [
        "name",
        "a\\u202e",
        "1",
        "",
        "x & y",
    ]


def test_matrix(snapshot, tmp_path):
    "An overlap matrix has names in its first column and header, and its shares are percentages."
    matrix = fg.overlap_matrix(snapshot, measure="share")

    sheet = sheet_of(fg.save_table(matrix, tmp_path / "t.xlsx", snapshot=snapshot))

    assert [cell.value for cell in sheet[1]] == ["name", "Small", "Large", "Sale (c-sale)", "Sale (d-sale)"]
    assert sheet["A3"].value == "Large" and sheet["B3"].number_format == "0.0%"


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_lists_of_groups(snapshot, tmp_path, suffix):
    "The groups of a combination are joined to one text."
    path = fg.save_table(fg.intersections(snapshot), tmp_path / f"t.{suffix}", snapshot=snapshot)

    cells = [row[0] for row in rows_of(path)] if suffix == "csv" else [c.value for c in sheet_of(path)["A"]]
    assert cells[0] == "groups" and "Large & Sale (d-sale)" in cells


def test_hostile_csv(hostile, tmp_path):
    "In a CSV file, no text starts as a formula, and timestamps have no time zone."
    path = fg.save_table(hostile, tmp_path / "t.csv")

    header, *rows = rows_of(path)
    names = [row[1] for row in rows]
    assert names == [f"'{name}" if name.startswith("=") else escape_invisible(name) for name in HOSTILE]
    assert header[3].startswith("'=") and {row[5] for row in rows} == {"2026-11-23 08:10:30"}
    assert "\u202e" not in path.read_text(encoding="utf-8")


def test_hostile_workbook(hostile, tmp_path):
    "In a workbook, each name is a text cell, and timestamps are dates without a time zone."
    sheet = sheet_of(fg.save_table(hostile, tmp_path / "t.xlsx"))

    cells = [sheet.cell(row, 2) for row in range(2, len(HOSTILE) + 2)]
    assert [cell.value for cell in cells] == [escape_invisible(name) for name in HOSTILE]
    assert {cell.data_type for cell in cells} == {"s"} and sheet.cell(1, 4).data_type == "s"
    assert sheet.cell(2, 6).value == datetime(2026, 11, 23, 8, 10, 30)


def test_hostile_page(hostile, tmp_path):
    "An HTML page contains all rows and no element from a name. Its policy allows only its own style sheet."
    page = fg.save_table(hostile, tmp_path / "<b>t</b>.html").read_text(encoding="utf-8")

    cells = Cells(page)
    assert not {"img", "i", "b"} & set(cells.tags) and "\u202e" not in page
    assert set(cells.texts) >= {escape_invisible(name) for name in HOSTILE}
    assert "default-src 'none'" in page and "style=" not in page and "light dark" in page


def test_replaced_file(snapshot, tmp_path, monkeypatch):
    "An existing file is replaced only when the new file is complete."
    path = tmp_path / "t.csv"
    path.write_text("old")
    monkeypatch.setattr(atomic_files, "fsync_path", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(InputError, match="No space left"):
        fg.save_table(fg.group_sizes(snapshot), path)
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]

    monkeypatch.undo()

    assert "n_members" in fg.save_table(fg.group_sizes(snapshot), path).read_text()


@pytest.mark.parametrize(
    ("name", "table", "match"),
    [
        ("t.txt", pd.DataFrame({"n": [1]}), r"\.csv, \.xlsx, \.html, or \.htm"),
        ("t", pd.DataFrame({"n": [1]}), r"\.xlsx"),
        ("", pd.DataFrame({"n": [1]}), "folder"),
        ("t.csv", {"n": [1]}, "got dict"),
        ("t.html", None, "got NoneType"),
    ],
)
def test_invalid_arguments(tmp_path, name, table, match):
    "An unknown suffix, a folder, and an object that is not a table raise InputError, and no file is written."
    with pytest.raises(InputError, match=match):
        fg.save_table(table, tmp_path / name)

    assert [*tmp_path.iterdir()] == []


def test_missing_openpyxl(tmp_path, monkeypatch):
    "If openpyxl is not installed, the error states how to install it."
    original = builtins.__import__

    def without_openpyxl(name, *arguments, **options):
        if name == "openpyxl":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_openpyxl)

    with pytest.raises(InputError, match=r"pip install"):
        fg.save_table(pd.DataFrame({"n": [1]}), tmp_path / "t.xlsx")


def test_rows_of_show_and_files(snapshot, tmp_path):
    "The input does not change, and a file keeps the order of the rows."
    table = fg.group_sizes(snapshot)
    before = table.copy()

    path = fg.save_table(table, tmp_path / "t.csv", snapshot=snapshot)

    assert list(pd.read_csv(path)["customer_group_uid"]) == list(before["customer_group_uid"]) and table.equals(
        before
    )
