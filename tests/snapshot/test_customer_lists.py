"""Tests for reading customer lists from CSV and Excel files, and for resolving ids to customers."""

import io
import logging
import re
import sys
import zipfile

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import InputError, ListError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.customer_lists import read_list
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.id_columns import USUAL_NAMES
from frgroups.snapshot.id_resolution import describe_ambiguous_ids, resolve_customers
from tests.examples import at_most


@pytest.fixture
def write_file(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content, name="list.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def write_workbook(tmp_path):
    """Return a function that writes a workbook with the given worksheets and returns its path."""

    def write(edit=None, /, **sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        if edit:
            edit(book)
        book.save(tmp_path / "list.xlsx")
        return tmp_path / "list.xlsx"

    return write


def read_error(path, **options):
    """Return the message of the ListError that read_list raises for a file."""
    with pytest.raises(ListError) as caught:
        read_list(path, **options)
    return str(caught.value)


# CSV


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize(
    "encoding",
    [*("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"), *("utf-16-be", "utf-32", "utf-32-le", "utf-32-be")],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_dialects(write_file, separator, encoding, newline):
    "Ids are read correctly for each separator, encoding, and line ending."
    rows = [["Kundenummer", "Navn", "Sted"], ["0150", "Kåre Ørn", "Tromsø"], ["0007", "Ola", ""], ["", "", ""]]
    text = newline.join(separator.join(row) for row in rows) + newline * 3

    ids = read_list(write_file(text, encoding=encoding))

    assert list(ids) == ["0150", "0007"]
    assert ids.dtype == "str"
    assert ids.name == "Kundenummer"


def test_quoted_cells(write_file):
    "Separators, quotes, and line breaks in quoted cells do not shift the columns."
    path = write_file('"customer_uid","note"\n"0150","a, b; ""c""\nd"\n"0007",""\n')

    assert list(read_list(path)) == ["0150", "0007"]


def test_ids_are_stripped_and_unique(write_file, caplog):
    "Whitespace, blank rows, and repeated ids are removed, and the log contains the counts but no ids."
    path = write_file("uid\n c-9\u00a0\n\n\n\u200bc-1 \n   \nc-9\nc-5\n\n\n")

    with caplog.at_level(logging.INFO, "frgroups.snapshot"):
        ids = read_list(path)

    assert list(ids) == ["c-9", "c-1", "c-5"]
    assert list(ids.index) == [0, 1, 2]
    [record] = [record for record in caplog.records if record.event == "list_read"]
    assert (record.column, record.n_ids, record.n_repeated) == ("uid", 3, 1)
    assert "c-9" not in caplog.text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("uid;navn\nc-1;Kari\n;Ola Nordmann\n", "row 3 "),
        ("uid;navn\nc-1;Kari\n;Ola\n\nc-2;Per\n';Ole\n", "rows 3 and 6 "),
        ("uid;ref\nc-1;\n;fbe69722-0000-4000-8000-000000000001\n", "row 3 "),
        ("uid;ref\nc-1;\n;00000005\n", "row 3 "),
        ("uid;navn\nc-1;Kari\n';\n;'\n", "rows 3 and 4 "),
        ("uid\nc-1\n'\nc-2\n", "row 3 "),
        ("uid;note\n" + "".join(f"c-{n};\n;x\n" for n in range(9)), "rows 3, 5, 7, 9, 11, and 4 more "),
    ],
)
def test_rows_without_id(write_file, text, rows):
    "A row with other values but without an id is rejected with its number, and the error shows none of its cells."
    message = read_error(write_file(text))

    assert rows in message and "'uid'" in message
    assert not re.search("Ola|fbe6|00000005", message)


def test_blank_rows(write_file):
    "Rows without any values are removed, also if they contain separators."
    assert list(read_list(write_file("uid;navn\nc-1;Kari\n;\n\nc-2;\n ; \n;\n"))) == ["c-1", "c-2"]


def test_lone_apostrophe_without_header(write_file):
    "In a list without a header, a row with only an apostrophe is rejected, and the error shows no id."
    message = read_error(write_file("c-1\n'\nc-2\n"))

    assert "row 2 " in message and "c-1" not in message


@pytest.mark.parametrize("name", USUAL_NAMES)
@pytest.mark.parametrize("spelled", [str, str.upper, lambda name: name.replace("_", " ").title()])
def test_usual_column_names(write_file, name, spelled):
    "Each documented name of the id column is found regardless of spaces, case, underscores, and position."
    path = write_file(f"navn;{spelled(name)};sted\nKari;0150;Oslo\n")

    ids = read_list(path)

    assert list(ids) == ["0150"]
    assert ids.name == spelled(name)


def test_documented_column_names():
    "The docstring of read_list lists all recognized names of the id column in order of priority."
    documented = read_list.__doc__.split("columns that exists:")[1].split(".")[0]

    assert tuple(name.strip() for name in documented.split(",")) == USUAL_NAMES


def test_column_priority(write_file):
    "If several columns have recognized names, a snapshot or `column` is required. The documented order applies."
    path = write_file("id;externalId;customerUid\n1;0001;c-1\n")

    assert "'customerUid', 'externalId', and 'id'" in read_error(path)
    ids = read_list(path, snapshot=sample_snapshot())
    assert (list(ids), ids.name) == (["c-1"], "customerUid")
    assert list(read_list(path, "external_id")) == ["0001"]
    assert list(read_list(path, column="id")) == ["1"]


def test_ambiguous_column_name(write_file):
    "If two columns match the same name, the file is rejected unless the exact column name is passed."
    path = write_file("customer_uid;customerUid\nc-1;c-2\n")

    assert "'customer_uid' and 'customerUid'" in read_error(path)
    assert "'customer uid'" in read_error(path, column="customer uid")
    assert list(read_list(path, column="customerUid")) == ["c-2"]


def test_no_usual_column(write_file):
    "If no column has a recognized name, the error lists the column names but no other cells."
    path = write_file("medlem;navn\nm-1;Kari\n")

    message = read_error(path)

    assert "'medlem' and 'navn'" in message
    assert "column=" in message
    assert "Kari" not in message
    assert list(read_list(path, column="medlem")) == ["m-1"]
    assert "'member'" in read_error(path, column="member")


def test_data_in_first_row(write_file):
    "If the file has no column names, the error does not contain the customer data in the first row."
    message = read_error(write_file("0150;Kari Nordmann;kari@example.no\n0007;Ola;ola@example.no\n"))

    assert "list.csv" in message and "3 columns" in message
    assert "Kari" not in message
    assert "@" not in message


@pytest.mark.parametrize(
    ("text", "expected", "name"),
    [
        ("0150\n0007\n", ["0150", "0007"], "id"),
        ("c-1\nc-2\n", ["c-1", "c-2"], "id"),
        ("kari@example.no\nola@example.no\n", ["kari@example.no", "ola@example.no"], "id"),
        ("medlem\n0150\n0007\n", ["0150", "0007"], "medlem"),
        ("Black Week kunder\n0150\n", ["0150"], "Black Week kunder"),
        ("uid\nalpha\nbeta\n", ["alpha", "beta"], "uid"),
        ("e-mail\nkari@example.no\n", ["kari@example.no"], "e-mail"),
        ("mobil\n+47 900 00 000\n", ["+47 900 00 000"], "mobil"),
        ("0150", ["0150"], "id"),
    ],
)
def test_single_column(write_file, text, expected, name):
    "In a file with one column, the first row is classified as a column name or an id by the documented rule."
    ids = read_list(write_file(text))

    assert list(ids) == expected
    assert ids.name == name


@pytest.mark.parametrize("text", ["alpha\nbeta\ngamma\n", "alpha\nc-1\ngamma\n", "alpha\nc-1\n", "Kari Nordmann\n"])
def test_unclear_first_row(write_file, text):
    "If the first row of a single column could be a name or an id, the file is rejected unless `column` is passed."
    path = write_file(text)

    assert "column=" in read_error(path)
    if "alpha" in text:
        assert list(read_list(path, column="alpha", allow_similar_ids=True)) == text.split()[1:]


@pytest.mark.parametrize("damaged", ["150.0", "150,0", "-1.00", "1,5E+15", "1.5E+15", "1E+15", "7e-05"])
@pytest.mark.parametrize("header", ["", "customer_uid\n", "uid;navn\n"])
def test_damaged_ids(write_file, damaged, header):
    "Ids in decimal or scientific notation are rejected, and the error contains the row number and the id."
    other_cell = ";Kari" if ";" in header else ""
    path = write_file(f"{header}0150{other_cell}\n{damaged}{other_cell}\n")

    message = read_error(path)

    assert f"row {2 + bool(header)}" in message and damaged in message
    assert "Kari" not in message


def test_many_damaged_ids(write_file):
    "If many ids are damaged, the error shows the first five of them and their total number."
    message = read_error(write_file("uid\n" + "".join(f"{n}.0\n" for n in range(5, 3000))))

    assert "2,995" in message and "2,990 more" in message
    assert all(f"row {row} ({row + 3}.0)" in message for row in range(2, 7))
    assert "row 7" not in message


@pytest.mark.parametrize("cell", ["1E5", "1.2.3", "00e1", "a,5", "nano", "#12", "AB 12"])
def test_number_like_ids(write_file, cell):
    "Strings that look like numbers are valid ids if a spreadsheet would not write a number in that form."
    assert list(read_list(write_file(f'uid;x\n"{cell}";\n'))) == [cell]


@pytest.mark.parametrize("cell", ["nan", "None", "NULL", "<NA>", "#N/A", "#REF!", "#DIV/0!", "#NAME?"])
def test_missing_value_strings(write_file, cell):
    """Missing values such as "nan" and Excel errors such as "#N/A" are rejected with their row number."""
    message = read_error(write_file(f"uid\nc-1\n{cell}\n"))

    assert "row 3" in message and cell in message


def test_text_formula(write_file):
    """A cell such as ="0150", which some exports use to preserve leading zeros, is read as 0150."""
    assert list(read_list(write_file('uid;navn\n="0150";Kari\n"=""0007""";Ola\n'))) == ["0150", "0007"]


def test_separator_line(write_file):
    """A first line "sep=;" is not read as an id, but row numbers in errors include this line."""
    assert list(read_list(write_file("sep=;\r\nuid;navn\r\n0150;Kari\r\n"))) == ["0150"]
    assert "row 3" in read_error(write_file("sep=;\r\nuid;navn\r\n1.0;Kari\r\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uid;navn\n0150;Kari\n0007,Ola\n", ["row 3", "1 cell"]),
        ("uid;navn\n0150;Kari\n0007;Ola;ekstra\n", ["row 3", "3 cells"]),
        ("uid\n0150\n0007;0008\n", ["row 3", "semicolon"]),
        ("uid;navn, sted\n0150;Ola, Oslo\n", ["semicolon", "comma"]),
        ('uid;navn\n0150;"Kari\n', ["quote"]),
    ],
)
def test_inconsistent_rows(write_file, text, words):
    "Files with mixed separators or unclosed quotes are rejected, and the error does not show the cells."
    message = read_error(write_file(text))

    assert all(word in message.lower() for word in words)
    assert "Ola" not in message
    assert "Kari" not in message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "0 bytes"),
        (b"\xef\xbb\xbf\r\n \r\n;;\r\n", "empty"),
        (b"customer_uid\n\n\n", "no ids"),
        (b"uid;navn\n;Kari\n", "1 row"),
        (b"\x00\x01\x02\xff\xfe" * 50, "250 bytes"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "PNG"),
        (b"<!doctype html><html></html>", "HTML"),
        (b'{"items": []}', "JSON"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, ".xls workbook"),
        (b"PK\x03\x04 and then nothing", "workbook"),
    ],
)
def test_invalid_files(write_file, content, word):
    "Empty files, binary files, and files in other formats are rejected with a reason."
    message = read_error(write_file(content))

    assert "list.csv" in message and word in message


def zip_of(**parts):
    """Return a zip file. In the name of a part, two underscores stand for a slash."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)
    return body.getvalue()


def old_file(stream):
    """Return the start of an old Office file that contains a stream."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500 + stream.encode("utf-16-le") + b"\0" * 20


OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
FORMATS = [
    (zip_of(word__document="<w/>"), "Word"),
    (zip_of(ppt__presentation="<p/>"), "PowerPoint"),
    (zip_of(**{"xl/workbook.bin": "x"}), ".xlsb"),
    (zip_of(Index__Document="x"), "Numbers"),
    (zip_of(mimetype=f"{OPEN_DOCUMENT}spreadsheet"), ".ods"),
    (zip_of(mimetype=f"{OPEN_DOCUMENT}text"), ".odt"),
    (zip_of(**{"list.csv": "uid\nc-1\n"}), "ZIP"),
    (old_file("Workbook"), ".xls "),
    (old_file("WordDocument"), ".doc"),
    (old_file("EncryptedPackage"), "password"),
    (b"\x09\x08\x10\0\0\x06\x05\0" + b"\0" * 99, ".xls "),
    (b"%PDF-1.4\nabc\n0150\n", "PDF"),
    (b"\xef\xbb\xbf%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "PDF"),
    (rb"{\rtf1\ansi 0150\par}", ".rtf"),
    (b"BEGIN:VCARD\nVERSION:3.0\n", ".vcf"),
    (b"\x1f\x8b\x08\0abc", ".gz"),
    (b"BZh91AY&SYabc", ".bz2"),
    (b"7z\xbc\xaf'\x1cabc", "7z"),
    (b"Rar!\x1a\x07\x01\0", "RAR"),
    (b"\xff\xd8\xff\xe0abc", "JPEG"),
    (b"GIF89a\x01\0\x01\0", "GIF"),
    (b"PAR1\x15\0\x15PAR1", "Parquet"),
    (b"SQLite format 3\0abc", "SQLite"),
    (b'ID;PWXL;N;E\r\nC;X1;Y1;K"uid"\r\nE\r\n', "SYLK"),
    (b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>", "XML spreadsheet"),
    (b"<html><table><tr><td>c-1</td></tr></table></html>", "HTML"),
    ("<table>".encode("utf-16"), "HTML"),
    (b'[{"uid": "c-1"}]', "JSON"),
]


@pytest.mark.parametrize(("content", "word"), FORMATS)
@pytest.mark.parametrize("name", ["list.csv", "list.xlsx", "list.xls", "list"])
def test_other_formats(write_file, content, word, name):
    "A file in another format is recognized by its content. The error contains the format and what to do."
    message = read_error(write_file(content, name))

    assert word in message and re.search("Save|Open|Extract", message)


@pytest.mark.parametrize("text", ["PAR1\nPAR2\n", "GIF8\nGIF9\n", "ID;Produkt\nC1;x\nC2;y\n", "ARROW1\nARROW2\n"])
def test_ids_like_signatures(write_file, text):
    "An id or a column name that is equal to the signature of a format does not make a text file invalid."
    assert len(read_list(write_file(text))) == 2


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".tsv", ".CSV", ".xls", ".ods"])
def test_workbook_with_other_name(write_workbook, suffix):
    "An Excel workbook with the name of another format is rejected with its format, and is read after renaming."
    path = write_workbook(Ark1=[["uid"], ["c-1"]])
    renamed = path.with_suffix(suffix)
    renamed.write_bytes(path.read_bytes())

    message = read_error(renamed)

    assert ".xlsx workbook" in message and suffix.lower() in message
    assert list(read_list(path)) == ["c-1"]


@pytest.mark.parametrize("suffix", [".xlsx", ".xlsm", ".xls", ".XLSX"])
@pytest.mark.parametrize(("text", "word"), [("uid\nc-1\n", "text file"), ("", "empty")])
def test_text_with_name_of_workbook(write_file, suffix, text, word):
    "A text file with the name of a workbook is rejected with its format."
    message = read_error(write_file(text, f"list{suffix}"))

    assert word in message and suffix.lower() in message and ".csv" in message


def test_unreadable_paths(tmp_path):
    "The error for a missing file, a folder, or a file with the wrong extension contains the path."
    text_file = tmp_path / "text.xlsx"
    text_file.write_text("uid\n1\n")

    for path in (tmp_path / "missing.csv", tmp_path, text_file):
        assert str(path) in read_error(path)


any_ids = st.from_regex(r"[abcXYZ_-]{0,4}[0189]{1,6}", fullmatch=True)
words = st.text(st.sampled_from("abc ,;\"\t\n'@æ"), max_size=8)


@at_most(30)
@given(
    rows=st.lists(st.tuples(any_ids, words), min_size=1, max_size=20),
    separator=st.sampled_from([";", ",", "\t"]),
)
def test_pandas_round_trip(tmp_path_factory, rows, separator):
    "If pandas has written the CSV file, read_list returns the same ids."
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    frame = pd.DataFrame(rows, columns=["customer_uid", "note"])
    frame.to_csv(path, sep=separator, index=False, quoting=1)

    ids = read_list(path, allow_similar_ids=True)

    assert list(ids) == list(dict.fromkeys(frame["customer_uid"]))


# Excel


def test_workbook_text_cells(write_workbook):
    "Ids in text cells of a workbook keep their leading zeros. Numbers in other columns are ignored."
    path = write_workbook(
        Liste=[[None, "Kundenummer", "Saldo"], [None, "0150", 1.5], [None, None, None], [None, "0007", 2]]
    )

    assert list(read_list(path)) == ["0150", "0007"]


def test_workbook_single_column(write_workbook):
    "A worksheet with one column does not need a column name."
    assert list(read_list(write_workbook(Ark1=[["0150"], ["0007"]]))) == ["0150", "0007"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (150, ["number", "150"]),
        (150.5, ["number", "150.5"]),
        (pd.Timestamp("2026-01-02").to_pydatetime(), ["date"]),
        (True, ["TRUE"]),
        ("=A1", ["formula"]),
        ("#N/A", ["error"]),
    ],
)
def test_workbook_non_text_cells(write_workbook, value, words):
    "Cells of the id column that are not text are rejected, and the error contains the row number and the cell type."
    message = read_error(write_workbook(Ark1=[["uid", "navn"], ["0150", "Kari"], [value, "Ola"]]))

    assert "row 3" in message and all(word in message for word in words)
    assert "Ola" not in message


@pytest.mark.parametrize(
    ("number_format", "value", "expected"),
    [("00000000", 38, "00000038"), ("0000", 12345, "12345"), ("00000000", 38.5, ""), ("000", 10**15, "")]
    + [(other, 38, "") for other in ("0", "0.00", "#00000000", "00000000;;", "K-0000")],
)
def test_workbook_padded_numbers(write_workbook, number_format, value, expected):
    "An integer is read as it is displayed if its number format consists only of zeros. Other numbers are rejected."

    def edit(book):
        book["Ark1"]["A2"].number_format = number_format

    path = write_workbook(edit, Ark1=[["uid", "navn"], [value, "Ola"]])

    if expected:
        assert list(read_list(path)) == [expected]
    else:
        assert "row 2" in read_error(path)


def test_workbook_numbers_without_header(write_workbook):
    "If an id column without a column name contains only numbers, the error starts with the first row."
    message = read_error(write_workbook(Ark1=[[150], [7]]))

    assert "row 1" in message and "150" in message and re.search(r"\b2\b.*\bids\b", message)


def test_workbook_hidden_rows(write_workbook):
    "A workbook with hidden rows is rejected, because the list would contain customers that the user cannot see."

    def hide(book):
        book["Ark1"].row_dimensions[3].hidden = True

    message = read_error(write_workbook(hide, Ark1=[["uid"], ["c-1"], ["c-2"], ["c-3"]]))

    assert "'Ark1'" in message and "hidden" in message and re.search(r"\b1\b.*\brows?\b", message)


def test_workbook_sheets(write_workbook):
    "Empty worksheets are ignored. If several worksheets contain data, the argument `sheet` is required."
    path = write_workbook(A=[["uid"], ["c-1"]], Tom=[], B=[["uid"], ["c-2"]])

    message = read_error(path)
    assert "'A'" in message and "'B'" in message and "'Tom'" not in message and "sheet=" in message
    assert list(read_list(path, sheet="B")) == ["c-2"]
    assert "empty" in read_error(write_workbook(Tom=[]))


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_hidden_sheets(write_workbook, state):
    "A hidden worksheet with data is rejected, unless a visible sheet is chosen. Empty hidden sheets are ignored."

    def hide(book):
        book["Skjult"].sheet_state = state

    path = write_workbook(hide, A=[["uid"], ["c-1"]], Skjult=[["uid"], ["c-9"]])

    message = read_error(path)
    assert "'Skjult'" in message and "'A'" not in message and "hidden" in message
    assert list(read_list(path, sheet="A")) == ["c-1"]
    assert "'Skjult'" in read_error(path, sheet="Skjult")
    assert list(read_list(write_workbook(hide, A=[["uid"], ["c-1"]], Skjult=[]))) == ["c-1"]


def test_sheet_of_csv(write_file):
    "If the file is a CSV file, the argument `sheet` is rejected."
    message = read_error(write_file("uid\nc-1\n"), sheet="A")

    assert "sheet" in message and "list.csv" in message


def test_workbook_without_openpyxl(write_workbook, monkeypatch):
    "If openpyxl is not installed, the error contains the installation command."
    path = write_workbook(Ark1=[["uid"], ["c-1"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    assert 'pip install "frgroups[excel]"' in read_error(path)


def test_truncated_workbook(write_workbook):
    "A truncated workbook is rejected, and the error contains its path."
    path = write_workbook(Ark1=[["uid"], ["c-1"]])
    path.write_bytes(path.read_bytes()[:900])

    assert str(path) in read_error(path)


# Resolving ids


def test_list_in_plan(write_file):
    "The result of read_list can be passed to plan_memberships."
    ids = read_list(write_file("customer_uid\nc-2\nc-7\n"))

    plan = plan_memberships(sample_snapshot(), {"vip": ids})

    assert list(plan.table()["customer_uid"]) == ["c-7"]


def test_resolve_external_ids():
    "The result has one row per unique id, in the given order. Ids are compared exactly."
    ids = pd.Series(["0251", "1", "0001", "0251"])

    table = resolve_customers(sample_snapshot(), ids, allow_similar_ids=True)

    assert table.to_dict("list") == {
        "id": ["0251", "1", "0001"],
        "customer_uid": ["c-251", pytest.approx(float("nan"), nan_ok=True), "c-1"],
        "outcome": ["resolved", "unknown", "resolved"],
    }
    assert set(table.dtypes.astype(str)) == {"str"}


def create_snapshot(**columns):
    """Return a snapshot with the customers c-1, c-2, ... and the given columns."""
    uids = [f"c-{n}" for n, _ in enumerate(next(iter(columns.values())), 1)]
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": uids}),
        customers=pd.DataFrame({"customer_uid": uids, **columns}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )


@pytest.mark.parametrize("by", ["customer_uid", "external_id"])
@pytest.mark.parametrize(
    ("n_other", "n_known", "is_hinted"), [(1, 0, True), (3, 1, True), (1, 3, False), (2, 2, False)]
)
def test_other_id_type(by, n_other, n_known, is_hinted):
    "If most ids have the other type, the error names this type, in Python and on the command line."
    ids = {"customer_uid": [f"c-{n}" for n in range(1, 9)], "external_id": [f"000{n}" for n in range(1, 9)]}
    other = "external_id" if by == "customer_uid" else "customer_uid"
    mixed = [*ids[other][:n_other], *ids[by][4 : 4 + n_known]]

    with pytest.raises(InputError) as caught:
        resolve_customers(sample_snapshot(), mixed, by=by)

    assert (f'by="{other}"' in str(caught.value)) == is_hinted
    assert (f"--ids {other}" in caught.value.cli_text) == is_hinted


def test_external_ids_in_plan(write_file):
    "A plan and a list with external ids instead of customer uids name the type."
    for read in (
        lambda: plan_memberships(sample_snapshot(), {"vip": ["0007", "0008"]}),
        lambda: read_list(write_file("customer_uid\n0007\n0008\n"), snapshot=sample_snapshot()),
    ):
        with pytest.raises(InputError, match='by="external_id"'):
            read()


@pytest.mark.parametrize(
    "ids", [["kari@example.no"], ["kari@example.no", "ola@example.no"], ["0001", "kari@example.no"]]
)
def test_emails_as_other_ids(write_file, ids):
    "Email addresses that are compared with other ids are rejected. The error names the argument, but no address."
    for read in (
        lambda: resolve_customers(sample_snapshot(), ids),
        lambda: resolve_customers(sample_snapshot(), ids, by="customer_uid"),
        lambda: read_list(write_file("\n".join(["external_id", *ids])), snapshot=sample_snapshot()),
        lambda: plan_memberships(sample_snapshot(), {"vip": ids[-1:]}),
    ):
        with pytest.raises(InputError, match='by="email"') as caught:
            read()
        assert "does not support email" in caught.value.cli_text and "kari" not in str(caught.value)


def test_emails_as_external_ids():
    "Email addresses are valid external ids if an external id of the snapshot is one."
    people = create_snapshot(external_id=["kari@example.no", "0002"])

    table = resolve_customers(people, ["kari@example.no", "ola@example.no"])

    assert outcome_by_id(table) == {"kari@example.no": "c-1", "ola@example.no": "unknown"}


@pytest.mark.parametrize("known", ["c-2;c-3", "0002;0003"])
@pytest.mark.parametrize("chosen", ["navn", "kode"])
def test_column_without_known_ids(write_file, known, chosen):
    "If the chosen column contains no known ids, the error names the column that does."
    first, second = known.split(";")
    path = write_file(f"navn;kode;ref;nr\nx1;a7;{first};1\nx2;a8;{second};2\n")

    with pytest.raises(ListError) as caught:
        read_list(path, chosen, snapshot=sample_snapshot())

    assert "column='ref'" in str(caught.value) and "--column ref" in caught.value.cli_text
    assert list(read_list(path, "ref", snapshot=sample_snapshot())) == [first, second]
    assert len(read_list(path, chosen, snapshot=sample_snapshot(), allow_similar_ids=True)) == 2


def test_email_column(write_file):
    "If a file has a column of email addresses and no id column, the error explains how email addresses are matched."
    with pytest.raises(ListError, match='by="email"') as caught:
        read_list(write_file("E-post;navn\nkari@example.no;Kari\n"))

    assert "does not support email" in caught.value.cli_text


def test_shown_ids():
    "Errors show uids and external ids with the form of a phone number, but no email addresses and names."
    people = create_snapshot(external_id=["00-4790000000", "00-4790000000"])

    [sentence] = describe_ambiguous_ids(people, ["00-4790000000"], by="external_id")
    with pytest.raises(InputError) as caught:
        resolve_customers(people, ["00-4790000001\u200b"], by="external_id")
    with pytest.raises(InputError) as other:
        resolve_customers(people, ["1001 Kari\u200b"], by="external_id")

    assert "'00-4790000000'" in sentence
    assert "U+200B" in str(caught.value)
    assert "U+200B" in str(other.value) and "Kari" not in str(other.value)


def outcome_by_id(table):
    """Return a dictionary from id to customer uid, or to the outcome if the id was not resolved."""
    return {
        row.id: row.customer_uid if row.outcome == "resolved" else row.outcome
        for row in table.itertuples(index=False)
    }


def test_shared_external_id():
    "If two customers have the same external id, the outcome is ambiguous and no customer uid is returned."
    table = resolve_customers(create_snapshot(external_id=["7", "7", None, ""]), ["7", "8"])

    assert outcome_by_id(table) == {"7": "ambiguous", "8": "unknown"}
    assert table["customer_uid"].isna().all()


def test_resolve_customer_uids():
    "A customer uid is resolved if the snapshot or the directory contains it."
    directory = pd.DataFrame({"customer_uid": ["c-1", "d-1"]})

    table = resolve_customers(sample_snapshot(), ["c-1", "d-1", "d-2"], by="customer_uid", directory=directory)

    assert outcome_by_id(table) == {"c-1": "c-1", "d-1": "d-1", "d-2": "unknown"}


def test_resolve_emails():
    "Email addresses match regardless of case and whitespace, and each spelling has a separate row in the result."
    people = create_snapshot(email=["Kari@Example.no ", "ola@example.no"])

    table = resolve_customers(people, ["KARI@example.no", "kari@example.no", "x@example.no"], by="email")

    assert outcome_by_id(table) == {"KARI@example.no": "c-1", "kari@example.no": "c-1", "x@example.no": "unknown"}


@pytest.mark.parametrize("by", ["email", "mobile", "loyalty_id"])
def test_contact_data_requires_personal(by):
    "If the snapshot has no contact data, the error recommends the argument `personal` of load_snapshot."
    with pytest.raises(InputError, match="personal=True"):
        resolve_customers(sample_snapshot(), ["x"], by=by)


@pytest.mark.parametrize("kind", ["table", "csv"])
def test_directory(write_file, kind):
    "Ids of customers that do not belong to any group are resolved with the directory."
    directory = pd.DataFrame(
        {"Name": ["Kari", "Ola", "Per"], "customer_uid": ["d-1", "c-1", "d-3"], "external_id": ["0900", "0001", None]}
    )
    if kind == "csv":
        directory = write_file(directory.rename(columns={"external_id": "externalId"}).to_csv(index=False, sep=";"))

    table = resolve_customers(sample_snapshot(), ["0900", "0001", "0901"], directory=directory)

    assert outcome_by_id(table) == {"0900": "d-1", "0001": "c-1", "0901": "unknown"}


def test_contradicting_directory():
    "An id is ambiguous if the directory contains a different customer for the id or a different id for the customer."
    directory = pd.DataFrame(
        {
            # In the snapshot, c-1 has the id 0001 and c-2 has the id 0002. Only the directory contains 0900 and 0901.
            "customer_uid": ["d-1", "c-2", "d-3", "d-4", "d-5"],
            "external_id": ["0001", "0777", "0900", "0901", "0901"],
        }
    )

    table = resolve_customers(sample_snapshot(), ["0001", "0777", "0002", "0900", "0901"], directory=directory)

    assert outcome_by_id(table) == {
        "0001": "ambiguous",
        "0777": "ambiguous",
        "0002": "c-2",
        "0900": "d-3",
        "0901": "ambiguous",
    }


def test_directory_errors(write_file):
    "The error for an invalid directory contains the missing column and no customer data."
    with pytest.raises(InputError, match=r"`directory`.*'external_id'"):
        resolve_customers(sample_snapshot(), ["1"], directory=pd.DataFrame({"customer_uid": ["c-1"]}))
    with pytest.raises(InputError, match=r"'external_id'.*`directory`.*int"):
        resolve_customers(
            sample_snapshot(), ["1"], directory=pd.DataFrame({"customer_uid": ["c-1"], "external_id": [1]})
        )
    with pytest.raises(ListError, match=r"list.csv.*'customer_uid'"):
        resolve_customers(sample_snapshot(), ["1"], directory=write_file("externalId;navn\n0150;Kari\n"))
    with pytest.raises(ListError, match="row 2"):
        resolve_customers(sample_snapshot(), ["1"], directory=write_file("externalId;customerUid\n150.0;c-1\n"))


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, 2], r"`ids\[0\]`.* int"),
        (pd.Series([1, 2]), r"`ids\[0\]`.* int"),
        (["a", float("nan")], r"`ids\[1\]`.* float"),
        (["a", " "], r"`ids\[1\]`"),
        ("0150", "`ids`.* str"),
        (pd.DataFrame({"id": ["a"]}), "`ids`.* DataFrame"),
        (7, "`ids`.* int"),
    ],
)
def test_ids_must_be_strings(ids, words):
    "If the ids are numbers, missing values, a single string, or a DataFrame, InputError is raised."
    with pytest.raises(InputError, match=words):
        resolve_customers(sample_snapshot(), ids)


def test_invalid_by():
    "If `by` is not a valid column, the error lists the valid columns."
    with pytest.raises(InputError, match=r"`by`.*external_id.*customer_uid"):
        resolve_customers(sample_snapshot(), ["x"], by="name")


some_ids = st.sampled_from(["1", "01", "2", "3", "4"])


@at_most(30)
@given(
    external_ids=st.lists(st.none() | some_ids, min_size=1, max_size=6),
    directory_rows=st.lists(st.tuples(st.sampled_from(["c-1", "c-2", "d-1", "d-2"]), some_ids), max_size=6),
    ids=st.lists(some_ids, max_size=8),
)
def test_outcome_property(external_ids, directory_rows, ids):
    "An id is resolved only if exactly one customer has the id and the directory does not contradict the snapshot."
    snapshot = create_snapshot(external_id=external_ids)
    directory = pd.DataFrame(directory_rows, columns=["customer_uid", "external_id"], dtype="str")
    id_in_snapshot = {f"c-{n}": id_ for n, id_ in enumerate(external_ids, 1) if id_}

    table = resolve_customers(snapshot, ids, directory=directory, allow_similar_ids=True)

    assert list(table["id"]) == list(dict.fromkeys(ids))
    for row in table.itertuples():
        pairs = [*id_in_snapshot.items(), *directory_rows]
        uids = {uid for uid, id_ in pairs if id_ == row.id}
        is_contradicted = any(id_ == row.id and id_in_snapshot.get(uid, id_) != id_ for uid, id_ in directory_rows)
        of_directory = {uid for uid, id_ in directory_rows if id_ == row.id}
        if len(of_directory) == 1 and id_in_snapshot.get(min(of_directory)) == row.id:
            uids = of_directory
        if len(uids) > 1 or is_contradicted:
            expected = "ambiguous"
        elif uids:
            expected = "resolved"
        else:
            expected = "unknown"
        assert row.outcome == expected
        if expected == "resolved":
            assert {row.customer_uid} == uids
        else:
            assert pd.isna(row.customer_uid)
