"""The review as workbook and text, and with the names of customers where they were asked for."""

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
from frgroups.review.customer_names import NAME
from frgroups.review.markdown import review_text
from frgroups.review.spreadsheet import review_csv
from frgroups.review.writer import save_review
from tests.review.test_writer import csv_rows, in_html, many, planned, snapshot

ENDINGS = (".html", ".md", ".txt", ".csv", ".xlsx")


def sheets(plan, folder):
    """The sheets of the workbook, each as rows of cells."""
    book = openpyxl.load_workbook(save_review(plan, folder / "r.xlsx"))
    return {sheet.title: list(sheet.iter_rows()) for sheet in book.worksheets}


def content(path):
    """All text of a review, a workbook's unpacked."""
    if path.suffix != ".xlsx":
        return unescape(path.read_text(encoding="utf-8"))
    with zipfile.ZipFile(path) as parts:
        return unescape("".join(parts.read(name).decode() for name in parts.namelist()))


# As workbook and text


def test_the_workbook_has_the_operations_and_what_to_read_first(tmp_path):
    "One sheet tells what the Markdown tells, the other has a row for each operation, in the same order."
    plan = many()

    found = sheets(plan, tmp_path)

    rows = [[cell.value for cell in row] for row in found["Operations"]]
    at = [rows[0].index(name) for name in ("customer_group_uid", "customer_uid", "change")]
    assert [tuple(row[place] for place in at) for row in rows[1:]] == in_html(plan)
    read = [row[0].value for row in found["Review"] if row[0].value]
    assert read[0] == "Review: 40 customers join, in 2 customer groups"
    assert {"Groups", "Findings", "Limits", f"Digest: {plan.digest}", "20 spot checks"} <= set(read)


@pytest.mark.parametrize("name", ["=SUM(A1)", "+1", "-1", "@x", "0150", "1e5", "2024-01-02", "=cmd|' /C calc'!A0"])
def test_a_workbook_runs_and_recounts_nothing(tmp_path, name):
    "Every cell is text three times over: by its type, its format, and the mark of an apostrophe."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": name})

    cells = [cell for rows in sheets(plan, tmp_path).values() for row in rows for cell in row if cell.value]

    assert {(cell.data_type, cell.number_format, cell.quotePrefix) for cell in cells} == {("s", "@", True)}
    assert name in {cell.value for cell in cells}


def test_what_no_workbook_can_hold_is_written_out_or_cut(tmp_path):
    "A control character is written out, and a text that is longer than a cell says that it was cut."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": "a\x07" + "b" * 40_000})

    (name,) = {row[1].value for row in sheets(plan, tmp_path)["Operations"][1:]}

    assert name.startswith("a\\u0007bb")
    assert name.endswith("cut: 40,007 characters, of which a cell holds 32,767")
    assert len(name) == 32_767


def test_a_workbook_that_cannot_hold_the_plan_is_an_error(tmp_path, monkeypatch):
    "No row is left out in silence: the error has both numbers and names the ending that holds all."
    monkeypatch.setattr("frgroups.review.spreadsheet.ROWS", 3)

    with pytest.raises(InputError, match=r"holds 3 rows, and the plan has 4\. Write \.csv"):
        save_review(planned(), tmp_path / "r.xlsx")

    assert list(tmp_path.iterdir()) == []


def test_without_openpyxl_the_workbook_says_what_to_install(tmp_path, monkeypatch):
    "The error names the extra, and another ending that needs none."
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(InputError, match=r"pip install .*excel.*\.csv"):
        save_review(planned(), tmp_path / "r.xlsx")


def test_the_text_has_every_operation_in_columns():
    "Plain text has the sections of the Markdown, and columns that stand under each other."
    plan = planned()

    lines = review_text(plan).splitlines()

    assert lines[1] == "=" * len(lines[0])
    assert f"- Digest: {plan.digest}" in lines
    start = lines.index("All 4 operations, removals first")
    head, *rows = lines[start + 3 : start + 8]
    told = [(row.split()[0], row[head.index("customer_uid") :].split()[0]) for row in rows]
    assert told == [(group, customer) for group, customer, _ in in_html(plan)]


# With names


def named(**options):
    """A snapshot with a person, a company, a name to show and an e-mail address."""
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
def test_names_are_shown_on_request_and_watermarked(tmp_path, ending):
    "Who joins or leaves has a name, nobody else and no e-mail address, and the review says not to forward it."
    told = content(save_review(planned(named()), tmp_path / f"r{ending}", personal=named()))

    assert "Kåre Ås-Øygard" in told and "Fjord" in told
    assert "Not in the plan" not in told and "example.no" not in told
    assert re.search("do not forward", told)
    assert "holds no names" not in told


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_name_is_in_a_review_that_was_not_asked_for_names(tmp_path, ending):
    "A plan from a personal snapshot gives the review that any plan gives."
    told = content(save_review(planned(named()), tmp_path / f"r{ending}"))

    assert not re.search("Kåre|Fjord|example.no|do not forward", told)


def test_names_stand_in_a_column_of_their_own():
    "First and last name, else the company; a formula is none; the heading carries the warning."
    rows = list(csv.DictReader(io.StringIO(review_csv(planned(named()), named()))))

    assert [row[NAME] for row in rows] == ["Kåre Ås-Øygard", "'=Fjord & Sønn AS", "", "'=Fjord & Sønn AS"]
    assert "do not forward" in NAME


def test_an_undo_is_told_by_the_snapshot_with_names():
    "A plan that knows nothing of its customers has their columns when a snapshot tells them."
    undo = replace(planned(), snapshot=None)

    rows = list(csv.DictReader(io.StringIO(review_csv(undo, named()))))

    assert "groups_now" not in csv_rows(undo)[0]
    assert rows[0]["groups_now"] == "Black Week VIP, Stamkunder Tromsø"


def test_a_snapshot_without_names_is_refused(tmp_path):
    "The error says how to load one, and nothing is written."
    with pytest.raises(InputError, match=r"holds no names.*personal=True"):
        save_review(planned(), tmp_path / "r.html", personal=snapshot())

    assert list(tmp_path.iterdir()) == []


def test_names_of_another_tenant_are_refused(tmp_path):
    "The same uid is another person in another tenant."
    plan = replace(planned(), tenant_uid="sydvik")

    with pytest.raises(InputError, match="of tenant nordvik, and the plan is for sydvik"):
        save_review(plan, tmp_path / "r.html", personal=named())
