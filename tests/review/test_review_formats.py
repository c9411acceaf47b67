"""Tests for workbooks, plain text reviews, and reviews with customer names."""

import csv
import io
import re
import sys
import zipfile
from dataclasses import replace
from html import unescape

import openpyxl
import pandas as pd
import pytest

from frgroups.errors import InputError
from frgroups.internals.formatting import escape_invisible
from frgroups.review.customer_names import NAME
from frgroups.review.markdown import review_text
from frgroups.review.spreadsheet import review_csv
from frgroups.review.writer import write_review
from tests.review.test_writer import csv_rows, in_html, many, planned, snapshot

ENDINGS = (".html", ".md", ".txt", ".csv", ".xlsx")


def sheets(plan, folder):
    """Write the review of a plan as a workbook, and return the rows of each sheet."""
    book = openpyxl.load_workbook(write_review(plan, folder / "r.xlsx"))
    return {sheet.title: list(sheet.iter_rows()) for sheet in book.worksheets}


def content(path):
    """Return the text of a review file. For a workbook, return the text of all files in the ZIP archive."""
    if path.suffix != ".xlsx":
        return unescape(path.read_text(encoding="utf-8"))
    with zipfile.ZipFile(path) as parts:
        return unescape("".join(parts.read(name).decode() for name in parts.namelist()))


def test_workbook_sheets(tmp_path):
    "The workbook has a sheet with the sections of the review and a sheet with one row per operation."
    plan = many()

    found = sheets(plan, tmp_path)

    rows = [[cell.value for cell in row] for row in found["Changes"]]
    at = [rows[0].index(name) for name in ("Group uid", "Customer uid", "Change")]
    changes = {"joins": "add", "leaves": "remove"}
    found_operations = [
        (group, customer, changes[change])
        for group, customer, change in (tuple(row[place] for place in at) for row in rows[1:])
    ]
    assert found_operations == in_html(plan)
    read = [row[0].value for row in found["Review"] if row[0].value]
    assert read[0] == "Review: 40 additions to Ansatte and Stamkunder Tromsø"
    assert {"Groups", "Findings", "Limits", f"Plan code: {plan.digest}"} <= set(read)


@pytest.mark.parametrize("name", ["=SUM(A1)", "+1", "-1", "@x", "0150", "1e5", "2024-01-02", "=cmd|' /C calc'!A0"])
def test_workbook_cells_are_text(tmp_path, name):
    "Every cell in the workbook has the type string, the number format for text, and a quote prefix."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": name})

    cells = [cell for rows in sheets(plan, tmp_path).values() for row in rows for cell in row if cell.value]

    assert {(cell.data_type, cell.number_format, cell.quotePrefix) for cell in cells} == {("s", "@", True)}
    assert name in {cell.value for cell in cells}


def test_workbook_long_text(tmp_path):
    "Control characters are escaped, and text that is too long for a cell is truncated with a note."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": "a\x07" + "b" * 40_000})

    (name,) = {row[1].value for row in sheets(plan, tmp_path)["Changes"][1:]}

    assert name.startswith("a\\u0007bb")
    assert re.search("truncated: 40,007 .*32,767$", name)
    assert len(name) == 32_767


def test_workbook_too_many_rows(tmp_path, monkeypatch):
    "A plan with more operations than a sheet can contain raises InputError, and no file is written."
    monkeypatch.setattr("frgroups.review.spreadsheet.MAX_ROWS", 3)

    with pytest.raises(InputError, match=r"3 .*4.*\.csv"):
        write_review(planned(), tmp_path / "r.xlsx")

    assert list(tmp_path.iterdir()) == []


def test_missing_openpyxl(tmp_path, monkeypatch):
    "If openpyxl is not installed, the error names the extra `excel` and the suffix .csv."
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(InputError, match=r"excel.*\.csv"):
        write_review(planned(), tmp_path / "r.xlsx")


def test_text_columns():
    "Plain text contains all sections, and the columns of its tables are aligned."
    plan = planned()

    lines = review_text(plan).splitlines()

    assert lines[1] == "=" * len(lines[0])
    assert f"- Plan code: {plan.digest}" in lines
    start = next(at for at in range(lines.index("4 changes"), len(lines)) if "Customer uid" in lines[at])
    head, *rows = lines[start : start + 5]
    found = [(row.split()[0], row[head.index("Customer uid") :].split()[0]) for row in rows]
    assert found == [(group, customer) for group, customer, _ in in_html(plan)]


def named(**options):
    """Return a personal snapshot with a person, a company, and a customer who has only a display name."""
    customers = pd.DataFrame(
        {
            "customer_uid": ["c-000", "c-001", "c-002"],
            "firstname": ["Kåre", None, None],
            "lastname": ["Ås-Øygard", None, None],
            "company_name": [None, "=Fjord & Sønn AS", None],
            "display_name": ["x", "x", "Not in the plan"],
            "email": "kare@example.no",
        }
    )
    return snapshot(customers=customers, **options)


@pytest.mark.parametrize("ending", ENDINGS)
def test_invisible_characters(tmp_path, ending):
    "Reviews show the invisible characters of a group name as escape sequences."
    name = "A\x1b[31m\u202eB\x00\u2066\u2028\x85\n"
    path = write_review(planned(wanted={"n": ["c-001"]}, create={"n": name}), tmp_path / f"r{ending}")

    text = content(path).removeprefix("\ufeff").replace("\r\n", "\n")

    assert {character for character in text if escape_invisible(character) != character} <= {"\n", "\t"}
    assert "u202e" in text and "u2066" in text


def test_invisible_characters_in_uid():
    "A CSV review does not change the uid of a group, so that it can be looked up."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": "New"})
    plan = replace(plan, groups=(replace(plan.groups[0], uid="n\u200b1"),))

    assert csv_rows(plan)[0]["customer_group_uid"] == "n\u200b1"


@pytest.mark.parametrize("ending", ENDINGS)
def test_personal_review(tmp_path, ending):
    "A review with names contains a warning, the names of the affected customers only, and no email address."
    text = content(write_review(planned(named()), tmp_path / f"r{ending}", personal=named()))

    assert "Kåre Ås-Øygard" in text and "Fjord" in text
    assert "Not in the plan" not in text and "example.no" not in text
    assert re.search("do not forward", text, re.IGNORECASE)


@pytest.mark.parametrize("ending", ENDINGS)
def test_review_without_names(tmp_path, ending):
    "By default, the review of a plan from a personal snapshot contains no customer names."
    text = content(write_review(planned(named()), tmp_path / f"r{ending}"))

    assert not re.search("Kåre|Fjord|example.no|do not forward", text, re.IGNORECASE)


def test_name_column():
    "The name column contains the name of the person or company, and the column title contains a warning."
    rows = list(csv.DictReader(io.StringIO(review_csv(planned(named()), named()))))

    assert [row[NAME] for row in rows] == ["Kåre Ås-Øygard", "'=Fjord & Sønn AS", "", "'=Fjord & Sønn AS"]
    assert "personal" in NAME


def test_undo_details():
    "A personal snapshot adds customer details to the review of an undo."
    undo = replace(planned(), snapshot=None)

    rows = list(csv.DictReader(io.StringIO(review_csv(undo, named()))))

    assert "groups_now" not in csv_rows(undo)[0]
    assert rows[0]["groups_now"] == "Black Week VIP, Stamkunder Tromsø"


def test_snapshot_without_names(tmp_path):
    "Passing a snapshot without customer names as `personal` raises InputError, and no file is written."
    with pytest.raises(InputError, match="personal=True"):
        write_review(planned(), tmp_path / "r.html", personal=snapshot())

    assert list(tmp_path.iterdir()) == []


def test_snapshot_of_other_tenant(tmp_path):
    "Passing a snapshot of another tenant as `personal` raises InputError."
    plan = replace(planned(), tenant_uid="sydvik")

    with pytest.raises(InputError, match=r"`personal`.*sydvik.*nordvik"):
        write_review(plan, tmp_path / "r.html", personal=named())
