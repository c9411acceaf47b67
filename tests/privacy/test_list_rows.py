"""Tests for removing the rows of an erased customer from lists and workbooks."""

import io
import zipfile

import openpyxl
import pytest

from frgroups.errors import ListError
from frgroups.internals import workbooks
from frgroups.privacy.list_rows import remove_list_rows


def workbook(rows, edit=lambda book: None):
    """Return the content of a workbook with the given rows in its first sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    edit(book)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def rows_of(body):
    """Return a dictionary from the title of each sheet to its filled rows."""
    sheets = openpyxl.load_workbook(io.BytesIO(body)).worksheets
    return {sheet.title: [row for row in sheet.iter_rows(values_only=True) if any(row)] for sheet in sheets}


@pytest.mark.parametrize("text", ["c-1_x000D_", " c-1\u202c", "'c-1", "_x0009_c-1"])
def test_forms_of_an_id(text):
    "A row is removed if its id is the customer's id with invisible characters, escapes, or an apostrophe around it."
    result = remove_list_rows(workbook([["uid"], [text], ["c-10"]]), "c-1", [])

    assert rows_of(result.body) == {"Sheet": [("uid",), ("c-10",)]}
    assert (len(result.rows), result.n_left) == (1, 0)


def test_distant_cell():
    "A workbook with a distant cell is read without the blank cells around it, and the cell is moved with its row."

    def edit(book):
        book.active["BH60000"] = "note"

    body = workbook([["uid", "navn"], ["c-1", "Kari"], ["c-2", "Ola"]], edit)

    assert remove_list_rows(body, "c-9", []).body == body
    result = remove_list_rows(body, "c-1", [])

    sheet = workbooks.read_workbook(result.body, "x")[0].sheet
    assert [row for row in sheet.rows if row[0] != 1] == [(2, {1: "c-2", 2: "Ola"}), (59_999, {60: "note"})]


def test_hidden_parts():
    "Rows are also removed from hidden rows, columns, and sheets."

    def edit(book):
        book.active.row_dimensions[2].hidden = True
        book.active.row_dimensions[3].height = 30
        hidden = book.create_sheet("Skjult")
        hidden.append(["uid"])
        hidden.append(["c-1"])
        hidden.sheet_state = "hidden"
        hidden.column_dimensions["A"].hidden = True

    result = remove_list_rows(workbook([["uid"], ["c-1"], ["c-2"]], edit), "c-1", [])

    assert rows_of(result.body) == {"Sheet": [("uid",), ("c-2",)], "Skjult": [("uid",)]}
    assert len(result.rows) == 2
    shapes = openpyxl.load_workbook(io.BytesIO(result.body)).active.row_dimensions
    assert (shapes[2].height, shapes[2].hidden) == (30, False)


def test_escaped_text():
    "A workbook with text that looks like an escape is not rewritten, because openpyxl would change the text."
    body = workbook([["uid", "note"], ["c-1", ""], ["c-2", "a_x005F_x000D_b"]])

    with pytest.raises(ListError, match="_xHHHH_"):
        remove_list_rows(body, "c-1", [])
    assert remove_list_rows(body, "c-9", []).body == body


def test_unpacked_size(monkeypatch):
    "A workbook with unpacked parts above the size limit is not read."
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 1000)

    with pytest.raises(ListError, match="too large"):
        remove_list_rows(workbook([["uid"], ["c-1"]]), "c-1", [])


@pytest.mark.parametrize("body", [b"PK\x03\x04 damaged", workbook([["uid"]])[:600]])
def test_damaged_workbook(body):
    "A damaged workbook raises ListError."
    with pytest.raises(ListError, match="damaged"):
        remove_list_rows(body, "c-1", [])


def test_damaged_sheet():
    "A workbook with a damaged sheet raises ListError."
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook([["uid"], ["c-1"]]))) as parts, zipfile.ZipFile(written, "w") as copy:
        for name in parts.namelist():
            part = parts.read(name)
            copy.writestr(name, part[:-60] if "sheet1" in name else part)

    with pytest.raises(ListError, match="damaged"):
        remove_list_rows(written.getvalue(), "c-1", [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("uid|note\nc-1|x\nc-2|y\n", "uid|note\nc-2|y\n"),
        ("SEP=^\nuid^note\nc-1^x\nc-2^y\n", "SEP=^\nuid^note\nc-2^y\n"),
        ("uid;note;more\nc-1\nc-2;y\n", "uid;note;more\nc-2;y\n"),
        ('"uid" ; "note"\n "c-1" ; "x"\n "c-2" ; "y; z"\n', '"uid" ; "note"\n "c-2" ; "y; z"\n'),
        ("uid\n\u200ec-1\u200e\nc-2\n", "uid\nc-2\n"),
        ("email\nMOSS@example.com\nmoß@example.com\n", "email\nmoß@example.com\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "utf-32"])
def test_dialects(before, after, encoding):
    "Rows of a text list are split as in `read_list`, and ids are compared as in `resolve_customers`."
    assert remove_list_rows(before.encode(encoding), "c-1", ["moss@example.com"]).body == after.encode(encoding)
