"""Tests for customer lists that spreadsheets, databases, and people write: dialects, notes, and repeated headers."""

import csv
import io
import re
import zipfile
from itertools import permutations

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Color, Font, NamedStyle, PatternFill
from openpyxl.worksheet.table import Table

from frgroups.errors import ListError
from frgroups.plan.suppression_list import current_suppression_list, suppression_list_path
from frgroups.snapshot.customer_lists import read_list
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.examples import at_most, characters_in


@pytest.fixture
def write_file(tmp_path):
    """Return a function that writes a text file and returns its path."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.fixture
def write_workbook(tmp_path):
    """Return a function that writes a workbook, replaces parts of its XML, and returns its path."""

    def write(rows, edit=lambda sheet: None, replace=None):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        edit(book.active)
        path = tmp_path / "list.xlsx"
        book.save(path)
        if replace:
            edit_xml(path, *replace)
        return path

    return write


@pytest.fixture(scope="module")
def people():
    """Return a snapshot with uids of eight digits. Two customers have the external id E100009."""
    uids = [f"{n:08d}" for n in range(1, 31)]
    external_ids = [f"E{100000 + n}" for n in range(1, 30)] + ["E100009"]
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": uids}),
        customers=pd.DataFrame({"customer_uid": uids, "external_id": external_ids}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )


def edit_xml(path, old, new):
    """Replace a string in the first worksheet of a workbook."""
    with zipfile.ZipFile(path) as parts:
        bodies = {name: parts.read(name) for name in parts.namelist()}
    sheet = bodies["xl/worksheets/sheet1.xml"]
    assert old.encode() in sheet
    bodies["xl/worksheets/sheet1.xml"] = sheet.replace(old.encode(), new.encode(), 1)
    with zipfile.ZipFile(path, "w") as parts:
        for name, body in bodies.items():
            parts.writestr(name, body)


def read_error(path, **options):
    """Return the text of the ListError that read_list raises for a file."""
    with pytest.raises(ListError) as caught:
        read_list(path, **options)
    return str(caught.value)


# Separators


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_separators(write_file, separator):
    "Files with each documented separator are read."
    rows = [["Kundenummer", "Navn"], ["0150", "Kari Nordmann"], ["0007", "Ola"]]

    assert list(read_list(write_file("\n".join(map(separator.join, rows))))) == ["0150", "0007"]


@pytest.mark.parametrize(
    "separator", ["^", "~", ":", " ", "¦", "§", "!", "#", "*", "=", "/", "\\", "&", "\x1f", "   "]
)
@pytest.mark.parametrize("header", [["Kundenummer", "Navn"], ["0001", "Per"]])
def test_unknown_separators(write_file, separator, header):
    "A file with another separator is rejected with the name of the separator, with and without a header."
    rows = [header, ["0150", "Kari"], ["0007", "Ola"], ["0008", "Åse"]]

    message = read_error(write_file("\n".join(map(separator.join, rows))))

    assert "separated by" in message
    assert "Kari" not in message and ("space" in message or separator.strip() in message or "U+001F" in message)


@pytest.mark.parametrize("separator", list("¤¦·→•–—…×‖│║¬¨´،、；，｜€%@+'`(þ\x1c\x1d\x1e"))
@pytest.mark.parametrize("first", [("uid", "Navn"), ("0001", "Kari"), ("Kunder", "")])
@pytest.mark.parametrize("texts", [["Ola", "Per", "Åse"], ["12", "13", "13"]])
def test_unusual_separators(write_file, separator, first, texts):
    "A file with any character that is unusual in ids between its columns is rejected, so that it is not part of ids."
    rows = [separator.join(filter(None, first)), *(f"000{n}{separator}{text}" for n, text in enumerate(texts, 2))]

    if separator.isascii() and first[1] == "":
        rows[0] += separator
    message = read_error(write_file("\n".join(rows)))

    assert f"({separator})" in message or f"U+{ord(separator):04X}" in message
    assert "Ola" not in message


@pytest.mark.parametrize("separator", list("¤¦·→•…×‖│║"))
def test_symbols_below_column_name(write_file, separator):
    "Symbols inside ids are rejected with all rows, unless the tenant has such ids, or they are allowed."
    path = write_file(f"Kundenummer\n0001{separator}Kari\n0002{separator}Ola\n")
    tenant = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": ["c-1"]}),
        customers=pd.DataFrame({"customer_uid": ["c-1"], "external_id": [f"9{separator}x"]}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )

    message = read_error(path)
    ids = read_list(path, allow_similar_ids=True)

    assert f"row 2 '0001{separator}…' and row 3" in message and "Kari" not in message
    assert list(ids) == [f"0001{separator}Kari", f"0002{separator}Ola"]
    known = write_file(f"external_id\n9{separator}x\n8{separator}x\n")
    assert list(read_list(known, snapshot=tenant)) == [f"9{separator}x", f"8{separator}x"]


@pytest.mark.parametrize("separator", ["-", ".", "_"])
def test_usual_characters_before_names(write_file, separator):
    "A hyphen, period, or underscore is a separator if different capitalized words follow it, but not in other ids."
    assert "separated by" in read_error(write_file(f"0001{separator}Kari\n0002{separator}Åse\n"))
    for ends in (["A", "B"], ["AB", "BC"], ["ab", "bc"], ["12", "13"], ["Web", "Web"]):
        ids = [f"000{n}{separator}{end}" for n, end in enumerate(ends)]
        assert list(read_list(write_file("\n".join(ids)))) == ids


@pytest.mark.parametrize("separator", ["-", ".", "_"])
def test_separators_in_names(write_file, separator):
    "A file is rejected if a hyphen, period, or underscore separates its columns."
    rows = [["Kundenummer", "Navn"], ["0150", "Kari"], ["0007", "Ola"]]

    assert "separated by" in read_error(write_file("\n".join(map(separator.join, rows))))


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", "Sep=;", '"sep=;"', '"SEP=;";;', "sep=;;;"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_lines(write_file, line, encoding):
    "Excel's separator line is skipped in any case, with quotes, and after a byte order mark."
    path = write_file(f"{line}\r\nKundenummer;Navn\r\n0150;Kåre, d.y.\r\n", encoding)

    assert list(read_list(path)) == ["0150"]


@pytest.mark.parametrize("line", ["sep=;uid;n", "sep=", "sep=\\t", "sep=a", "SEP = tab", "'sep=;"])
def test_invalid_separator_lines(write_file, line):
    "A first line that starts with sep= but is not a separator line is rejected, because it would be the header."
    assert "sep=" in read_error(write_file(f"{line}\nuid;n\n0150;x\n"))


def test_rows_below_separator_line(write_file):
    "Row numbers include blank lines above the separator line."
    assert "row 4" in read_error(write_file("\nsep=;\nuid;n\n150.0;x\n"))


def test_stated_separator(write_file):
    "The stated separator is used, even if it is not one of the documented separators."
    assert list(read_list(write_file("sep=^\nuid^navn; by\n0150^Kari; Oslo\n"))) == ["0150"]
    assert "one column" in read_error(write_file("sep=^\nuid;navn\n0150;Kari\n"))


# Quotation marks


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('uid;navn\n0150;Kari\n0007;"Ola\n0008;Per\n0009;x\n', 3),
        ('uid;navn\n0150;"Kari\nx"\n0007;"Ola\n0008;Per\n', 4),
        ('uid;navn;by\n0150;"Kari\nx";"Oslo\n0007;Ola;x\n', 3),
        ('uid\n0150\n"0007\n0008\n', 3),
        ('uid\n0150\n"00"07\n0008\n', 3),
        ('uid,navn\n0150,"Kari" N\n0007,Ola\n', 2),
        ('"uid;navn\n0150;x\n', 1),
        ('sep=;\nuid;navn\n0150;"Kari\n', 3),
        ('uid;navn\n0150;"Kari\n0151;"Ola"\n', 2),
        ('uid;navn\n0150;x\n0151;"a""\n0152;y\n', 3),
        ('uid;navn\n0150;x\n0151;"' + "x" * 140_000 + "\n", 3),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_unmatched_quotes(write_file, text, line, newline):
    "The error for an unmatched quotation mark contains the line in which the quoted cell starts."
    message = read_error(write_file(text.replace("\n", newline)))

    assert f"line {line} " in message and "quotation mark" in message
    assert not re.search("Kari|Ola|Oslo", message)


def test_unmatched_quote_below_title(write_file):
    "The line number includes the skipped rows. A cell that is too long has no unmatched quotation mark."
    assert "line 4 " in read_error(write_file('Liste\n\nuid;navn\n0150;"Kari\n'), header_row=3)
    long = read_error(write_file('uid;navn\n0150;"' + "x" * 140_000 + '"\n'))
    assert "131,072" in long and "quotation" not in long


@pytest.mark.parametrize(
    "text",
    [
        'uid;navn\n0150;"Kari\n0151;Per"\n0152;Ola\n',
        'navn;uid\n"Kari;0150\nPer";0151\nOla;0152\n',
        'navn,uid,by\n"Kari,0150,x\nPer,0151,y\nOla",0152,z\n',
    ],
)
def test_rows_in_quoted_cells(write_file, text):
    "Rows between two unmatched quotation marks are rejected, because they would be part of one cell."
    assert "row 2" in read_error(write_file(text))


def test_line_breaks_in_quoted_cells(write_file):
    "A quoted cell can contain line breaks and separators."
    assert list(read_list(write_file('uid;navn\n0150;"Kari\nOslo; Norge"\n0152;"a;b\nc"\n'))) == ["0150", "0152"]


@pytest.mark.parametrize(
    "rows",
    [
        ['"uid" {0} "navn"', '"0150" {0} "Nordmann{0} Kari"', '"0007" {0} "Ola"'],
        ['uid{0} "navn"', '0150{0} "Nordmann{0} Kari"', '0007{0} "O ""x""{0} y" '],
        ['navn{0} "uid"', '"Nordmann{0} Kari" {0} "0150"', ' Ola {0} "0007"\u00a0'],
        [' "uid" ', ' "0150"', '"0007" '],
    ],
)
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_spaces_around_quotes(write_file, rows, separator):
    "Spaces between the quotation marks of a cell and the separators around it are ignored."
    text = "\n".join(row.format(separator) for row in rows)

    assert list(read_list(write_file(text))) == ["0150", "0007"]


# Rows


def test_short_rows(write_file):
    "Rows without blank cells at the end are read if they contain the id column. Other short rows are rejected."
    text = "Kundenummer;Navn;Epost\n0150;Kari\n0007\n0008;Ola;ola@x.no\n"

    assert list(read_list(write_file(text))) == ["0150", "0007", "0008"]
    assert "row 3" in read_error(write_file("Navn;Kundenummer\nKari;0150\nOla\n"))
    assert "row 3" in read_error(write_file("uid;navn;by\n0150;Kari;Oslo\n0007,Ola\n"))
    assert "row 2" in read_error(write_file("uid;navn;by\n0150;Kari;Oslo;x\n0007\n"))


@pytest.mark.parametrize("header", ["Kundenummer;Navn", "medlem;navn"])
@pytest.mark.parametrize("change", [str, str.upper, str.title, lambda text: text.replace(";", " ;")])
def test_repeated_header(write_file, header, change):
    "The header of a second export is rejected with its row, in any case."
    path = write_file(f"{header}\n0150;Kari\n{change(header)}\n0007;Ola\n")

    assert "row 3" in read_error(path, column=header.split(";")[0])


@pytest.mark.parametrize(
    "name", ["customer_uid", "External ID", "Kundenr.", "E-post", "Medlemsnr.", "Klantnummer", "Kunde", "Customer"]
)
def test_header_of_other_export(write_file, name):
    "The header of another export is rejected with its row."
    assert "row 3" in read_error(write_file(f"Kundenummer;Navn\n0150;Kari\n{name};Navn\n0007;Ola\n"))


@pytest.mark.parametrize("names", list(permutations(["customer_uid", "name", "store 2"])))
@pytest.mark.parametrize("other_name", ["customer_uid", "Kundenr.", "EXTERNAL ID"])
def test_header_in_other_order(write_file, names, other_name):
    "The header of a second export is rejected if its columns have another order or the id column has another name."
    header = [other_name if name == "customer_uid" else name for name in names]
    text = f"customer_uid;name;store 2\nc-2;x;o\n{';'.join(header)}\n"

    assert "row 3" in read_error(write_file(text + "y;o;c-3\n"))


def test_column_names_as_values(write_file):
    "A name of another column in a row with an id is not a repeated header."
    path = write_file("customer_uid;field;name\nc-2;customer_uid;x\nc-3;email;name\nanna;name;x\n")

    assert list(read_list(path, allow_similar_ids=True)) == ["c-2", "c-3", "anna"]


@pytest.mark.parametrize("ids", [["c-1", "c-2", "c-3"], ["0150", "0007", "0008"], ["c-1", "c-2", "VIP"]])
@pytest.mark.parametrize("rows", ["", "navn;Kari;Ola;Per", "navn;Kari;Ola;Per\nby;Oslo;;\n\n"])
def test_ids_in_a_row(write_file, ids, rows):
    "A file with the ids in a row is rejected, because its id column contains the names of the other rows."
    for name in ("customer_uid", "Kundenr."):
        assert "one id per row" in read_error(write_file(f"{';'.join([name, *ids])}\n{rows}\n"))
    if "VIP" not in ids:
        assert "one id per row" in read_error(write_file(";".join(ids)))


@pytest.mark.parametrize(
    "text",
    [
        "customer_uid;;\nc-1;c-2;c-3\nc-4;c-5;\n",
        ";uid\n0150;0007\n0151;0008\n",
        "uid;\n1;2\n",
        ";uid\n3;5\n",
        ";uid\n6;5\n3;7\n",
        "uid;\n5;3\n7;6\n",
    ],
)
def test_ids_in_unnamed_columns(write_file, text):
    "Ids in a column without a name are rejected, because they would not be read."
    assert re.search(r"rows? 2\b", read_error(write_file(text)))


@pytest.mark.parametrize(
    "text",
    [
        ";uid\n0;5\n1;7\n",
        ";uid\n1;5\n2;7\n",
        "uid;\n5;Kari\n7;2026-01-02\n",
        "uid;\n5;\n7;\n",
        ";uid\n#1;5\n#2;7\n",
        ";uid\n3;5\n6;7\n",
    ],
)
def test_unnamed_columns(write_file, text):
    "A column without a name is ignored if it contains row numbers, an index, or other values than ids."
    assert list(read_list(write_file(text))) == ["5", "7"]


def test_known_ids_in_a_row(write_file):
    "Known ids in the first row are rejected unless the column also contains a known id."
    snapshot = sample_snapshot()

    assert "row 1" in read_error(write_file("customer_uid;c-1;c-2;x\nbonus 2026;1;2;3\n"), snapshot=snapshot)
    assert list(read_list(write_file("customer_uid;c-1;c-2\nc-3;1;2\n"), snapshot=snapshot)) == ["c-3"]
    assert list(read_list(write_file("customer_uid;2025;2026\nc-3;1;2\nc-900;1;2\n"))) == ["c-3", "c-900"]


@pytest.mark.parametrize("title", ["customer_uid list", "Customers", "Kunder november", "Uttrekk kundenr"])
@pytest.mark.parametrize("name", ["Nr", "Nr.", "Kode", "ref", "Medlem", "Bonus id"])
def test_header_below_title(write_file, title, name):
    "A column name below a title is not read as an id, also if the title contains a usual column name."
    path = write_file(f"{title}\n{name}\nc-1\nc-2\n")

    assert "row 2" in read_error(path)
    assert list(read_list(path, name, header_row=2)) == ["c-1", "c-2"]


@pytest.mark.parametrize(
    "end",
    [
        "Totalt;2;\n",
        "\nSum;;\n",
        "Antall kunder: 2;;\n",
        "\nUttrekk fra CRM 12.11.2026\n",
        "2;Totalt;\n",
        "Gj.snitt;;\n",
        "(2 rows affected)\n",
        "* Kilde: CRM;;\n",
        "Slutt\n",
        "----;----;----\n",
    ],
)
def test_totals_and_notes(write_file, end):
    "A total or a note below the table is rejected with its row, so that it is not read as an id."
    text = "Kundenummer;Navn;Epost\r\n0150;Kåre Ørn;k@x.no\r\n0007;Ola;\r\n"
    row = 4 + end.startswith("\n")

    assert f"row {row}" in read_error(write_file(text + end, "cp1252"))


def test_totals_without_id(write_file):
    "A totals row without an id is rejected like other rows without an id. Blank rows and repeated ids are allowed."
    text = "Kundenummer;Navn;Beløp\r\n0150;Kåre;1,5\r\n0150;Kåre;1,5\r\n;;\r\n\r\n0007;Ola;2\r\n"

    assert list(read_list(write_file(text, "cp1252"))) == ["0150", "0007"]
    assert "row 7 " in read_error(write_file(f"{text};Sum;5\r\n", "cp1252"))


TITLES = [
    "12.11.2026;;",
    "12",
    "Kundeliste november;;",
    "Kundeliste november",
    "Kundeliste, november",
    "Liste; uttrekk\n",
    "Liste 1;;\n;;",
]


@pytest.mark.parametrize("title", TITLES)
def test_title_rows(write_file, title):
    "If the header is below a title, the error contains its row number, and `header_row` reads the file."
    path = write_file(f"{title}\nKundenummer;Navn;Epost\n0150;Kari;\n0007;Ola;o@x.no\n")
    number = 2 + title.count("\n")

    assert f"header_row={number}" in read_error(path)
    assert list(read_list(path, header_row=number)) == ["0150", "0007"]


@pytest.mark.parametrize(
    ("text", "number", "part"),
    [
        ("Kundenr;Navn\n00000004;Kari\n00000005;Ola\nKundenr;Navn\n00000006;Per\n", 4, "rows 2 and 3 "),
        ("Kundenr;Navn\n00000099;Kari\nKundenr;Navn\n00000006;Per\n", 3, "row 2 "),
        ("uid;Navn\nE100004;Kari\nuid;Navn\n00000006;Per\n", 3, "row 2 "),
        ("uid;Navn\n12345;Kari\nuid;Navn\n00000006;Per\n", 3, "row 2 "),
        ("uid\nfbe69722-0000-4000-8000-000000000001\nuid\nfbe69722-0000-4000-8000-0000000000a1\n", 3, "row 2 "),
        ("uid\n00000004\n00000005\n00000006\n", 2, "Row 2 "),
        ("00000004\n00000005\n00000006\n", 2, "Row 2 "),
        ("00000099\n00000098\n00000097\n", 2, "Row 2 "),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_ids_above_header(write_file, write_workbook, people, text, number, part, kind):
    "An id in the header row or above it is rejected with its row, because it would not be read."
    path = write_file(text)
    if kind == "xlsx":
        path = write_workbook([line.split(";") for line in text.splitlines()])

    assert part in read_error(path, header_row=number, snapshot=people)
    if "E100004" not in text:
        assert part in read_error(path, header_row=number)


@pytest.mark.parametrize("column", ["00000005", "00000098"])
def test_id_as_column(write_file, people, column):
    "An id in the header row is rejected, also if it is passed as the name of the column."
    path = write_file(f"Kundenr;Navn\n00000004;Kari\n{column};Ola\n00000006;Per\n")

    assert "Row 3 " in read_error(path, column=column, header_row=3, snapshot=people)
    assert "Row 3 " in read_error(path, column=column, header_row=3)


@pytest.mark.parametrize(
    ("text", "column", "is_known"),
    [
        ("00000004;Kari\n00000005;Ola\n", "00000004", True),
        ("00000004;Kari\n00000005;Ola\n", "Kari", True),
        ("00000004\n00000005\n", "00000004", True),
        ("00000098;Kari\n00000005;Ola\n", "00000098", False),
        ("c-98;Kari\nc-99;Ola\n", "c-98", False),
        ("Kari;00000004\nOla;00000005\n", "00000004", True),
    ],
)
def test_id_as_column_without_header(write_file, people, text, column, is_known):
    "The first id of a file without column names is rejected as a column name, because it would not be read."
    path = write_file(text)

    with pytest.raises(ListError) as caught:
        read_list(path, column, snapshot=people)

    assert "Row 1 " in str(caught.value) and "--header-row" in caught.value.cli_text
    if not is_known:
        assert "Row 1 " in read_error(path, column=column)


@pytest.mark.parametrize("column", ["År 2026", "2026", "Id2", "Kundenr"])
def test_column_name_with_digits(write_file, people, column):
    "A column name with digits is accepted if it has another format than the ids below it."
    assert list(read_list(write_file(f"{column};Navn\n00000004;Kari\n"), column, snapshot=people)) == ["00000004"]


@pytest.mark.parametrize("title", ["Liste 2026;", "Dato;12.11.2026", "År;2026", "v2;x", "Liste2026;2026-11-12", ";"])
def test_titles_above_header(write_file, people, title):
    "Titles, dates, and years above the header row are skipped."
    path = write_file(f"{title}\nKundenr;Navn\n00000004;Kari\n")

    assert list(read_list(path, header_row=2, snapshot=people)) == ["00000004"]


@pytest.mark.parametrize(
    "text",
    [
        "uid\n0150\n0007;0008\n0009;0001\n",
        "0150\n0007;Kari\n0008;Ola\n",
        "0150,x\n0007,Kari,x\n0008,Ola,x\n",
        "uid;n\n0007;Kari;x\n0008;Ola;x\n",
        "navn\nKari,c-1\nOla,c-2\n",
        "navn\nKari,Oslo\nOla,Bergen\n",
        "Kunder\n1 234;Kari\n1 235;Ola\n",
        "Kunder\n1,234\n1,235\n",
        "Kunder\n1,234;x\n1,235;y\n",
        "1 234\n1 235\n",
        "Liste\n1 234\n1 235\n",
        "a;b\n0150;uid\n0151;x\n",
        "kunder;n\n0150;Id\n",
        "navn;n\nkari;x\nid;x\n",
        "uid;n\n0007;Kari\n0008;Ola\nid;navn\n",
        "0150;Kari\n0151;uid\n",
    ],
)
def test_no_title(write_file, text):
    "A data row, such as a row with ids or formatted numbers, is never described as the header."
    with pytest.raises(ListError) as caught:
        read_list(write_file(text))

    assert "header_row" not in str(caught.value) and "--header-row" not in caught.value.cli_text


def test_title_in_workbook(write_workbook):
    "A merged title above the header of a worksheet is reported like a title in a CSV file."
    rows = [["Kundeliste"], [None], ["Kundenummer", "Navn"], ["0150", "Kari"]]
    path = write_workbook(rows, lambda sheet: sheet.merge_cells("A1:B1"))

    assert "header_row=3" in read_error(path)
    assert "header_row=3" in read_error(path, column="Kundenummer")
    assert list(read_list(path, header_row=3)) == ["0150"]
    assert "Row 2" in read_error(path, header_row=2)


@pytest.mark.parametrize(
    "text",
    [
        "customer_uid;n\nc-1;x\n" + "Totalt;1\n" * 8,
        "customer_uid;n\nc-1;x\n" + "customer_uid;n\n" * 8,
        "customer_uid;n\nc-1;x\n" + "0007,a\n" * 8,
        "customer_uid;n\nc-1;x\n" + "0007;a;b\n" * 8,
        "customer_uid;n\nc-1;x\n" + ";b\n" * 8,
        "customer_uid\nc-1\n" + "0007;0008\n" * 8,
        "n;uid\nx;c-1\n" + "x\n" * 8,
        "customer_uid;n\nc-1;x\n" + "Kari Nordmann;1\n" * 8,
    ],
)
def test_all_wrong_rows(write_file, text):
    "An error contains the first five wrong rows and the number of further rows, for each kind of wrong row."
    message = read_error(write_file(text))

    assert "rows 3, 4, 5, 6, 7, and 3 more" in message and "Nordmann" not in message


# Formulas

SIGNS = [*"=@+-", "\uff1d", "\uff20", "\uff0b", "\uff0d", "\u2212", "\u2013", "\u2014"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("value", ["0150", "00000004", "c-1", "E100004"])
@pytest.mark.parametrize("others", [[], ["0151", "0152", "0153"]])
@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", marks=pytest.mark.slow),
        "Kundenummer\n",
        pytest.param("external_id\n", marks=pytest.mark.slow),
    ],
)
def test_signs_before_ids(write_file, people, sign, value, others, header):
    "An id that starts with the sign of a formula is rejected with its row, with and without a snapshot."
    path = write_file(header + "\n".join([sign + value, *others]))

    for options in ({}, {"snapshot": people}):
        assert f"row {1 + bool(header)}" in read_error(path, **options)


@pytest.mark.parametrize(
    "cell",
    ['="0150', '="01"&"50"', "=A1", "==0150", "=+0150", '=T("0150")', "='0150'", "'=0150", '=HYPERLINK("x";"0150")'],
)
def test_formulas_in_csv(write_file, cell):
    "The text of a formula is rejected. Only the formula of a text, such as the text 0150, is read as its text."
    quoted = cell.replace('"', '""')

    assert "row 2" in read_error(write_file(f'Kundenummer;Navn\n"{quoted}";x\n'), allow_similar_ids=True)


@pytest.mark.parametrize("ids", [["-x1", "-x2"], ["@a1", "@a2"], ["+0150", "+0151"]])
def test_known_signs(write_file, ids):
    "Ids can start with a sign if an id of the tenant starts with this sign."
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": ["c-1"]}),
        customers=pd.DataFrame({"customer_uid": ["c-1"], "external_id": ids[:1]}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )
    path = write_file("\n".join(["external_id", *ids]))

    assert list(read_list(path, snapshot=snapshot)) == ids
    assert list(read_list(path, allow_similar_ids=True)) == ids
    assert list(read_list(write_file("mobil\n+4790000000\n+47 900 00 001\n"))) == ["+4790000000", "+47 900 00 001"]


EDGES = ["0150.", "0150:", "0150?", "0150*", "0150/", "0150+", "0150-", "[0150]", "{0150}", "*0150*"]


@pytest.mark.parametrize("cell", [*EDGES, "~0150", "/0150", ".0150", "•0150", "0150•", "c-2\u0300)", "\u0301c-2"])
def test_signs_at_ends(write_file, cell):
    "An id that starts or ends with a sign is rejected with its row, unless it is allowed or the tenant has such ids."
    path = write_file(f"Kundenummer;n\n{cell};x\n")
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": ["c-1"]}),
        customers=pd.DataFrame({"customer_uid": ["c-1"], "external_id": [cell]}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )

    assert "row 2" in read_error(path)
    assert list(read_list(path, allow_similar_ids=True)) == [cell]
    assert list(read_list(path, snapshot=snapshot)) == [cell]


@pytest.mark.parametrize("cell", ["１２３４５", "\u0663\u0664\u0665", "12²", "½", "Ⅻ", "0150①"])
def test_other_digits(write_file, cell):
    "Digits of other scripts are rejected with the row."
    assert "row 2" in read_error(write_file(f"Kundenummer\n{cell}\n"))


@pytest.mark.parametrize(
    "ids",
    [["#0150"], ["_0150", "0150_"], ["V1StGXR8_Z5jdHi6B-my-"], ["-1StGXR8_Z5jdHi6B-myT"], ["dGhpcyBpcyBhbiBpZA=="]],
)
def test_usual_ends(write_file, ids):
    "Ids can start with a number sign, and random ids can start or end with a hyphen, an underscore, or equals signs."
    assert list(read_list(write_file("\n".join(["customer_uid", *ids])))) == ids


ESCAPES = ["c-2&nbsp;", "c-2&#160;", "&#x0D;c-2", "c-2&amp;", "c-2<br>", "c-2<BR/>", "c-2%0D", "c-2%20", "c-2%C2%A0"]


ESCAPES += ["c-2\\r", "c-2\\u000d", "c-2\\x0d", "c-2\\0", "c-2=0D", "c-2^M", "c-2U+200B"]


@pytest.mark.parametrize("cell", ESCAPES)
def test_other_escapes(write_file, write_workbook, cell):
    "Escapes of HTML, URLs, and JSON in an id are rejected with the row."
    assert "row 2" in read_error(write_workbook([["customer_uid"], [cell]]), allow_similar_ids=True)
    assert "row 2" in read_error(write_file(f'customer_uid;n\n"{cell}";x\n'), allow_similar_ids=True)


@pytest.mark.parametrize("text", ["KÅ-1", "c-2\u00a0", "\u200bc-2", "c\u20132"])
def test_wrong_encodings(write_file, text):
    "Text in UTF-8 that a program has read as Windows-1252 is rejected with the row."
    cell = text.encode().decode("cp1252")

    assert "encoding" in read_error(write_file(f"Kundenummer;n\n{cell};x\n"), allow_similar_ids=True)


@pytest.mark.parametrize(
    "word", ["unknown", "ukjent", "(tom)", "[Leer]", "saknas", "Error", "1.#QNAN", "ikke funnet"]
)
def test_words_for_missing_values(write_file, word):
    "A word for a missing value is rejected with the row, unless the tenant has such ids."
    path = write_file(f"external_id;n\n{word};x\n")
    tenant = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": ["c-1"]}),
        customers=pd.DataFrame({"customer_uid": ["c-1"], "external_id": [word]}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )

    assert "row 2" in read_error(path)
    assert list(read_list(path, snapshot=tenant)) == [word]


@pytest.mark.parametrize("cell", ["NA", "nil", "N/D", "(#N/A)", "[#REF!]", "Loading..."])
def test_other_missing_values(write_file, cell):
    "Missing values of other programs, and errors in brackets, are rejected with the row."
    assert "row 3" in read_error(write_file(f"Kundenummer;n\n0150;x\n{cell};x\n"), allow_similar_ids=True)


def test_header_in_other_script(write_file):
    "A repeated header with a letter of another script is rejected."
    path = write_file("Kundenummer;Navn\n0150;Kari\n\u041aundenummer;Navn\n0007;Ola\n")

    assert "row 3" in read_error(path, allow_similar_ids=True)


# Invisible characters and escapes


@pytest.mark.slow
def test_invisible_characters_in_csv(write_file):
    "Each invisible character is removed from both ends of an id and rejected inside, except for the plain space."
    wrong = []
    for character in characters_in("Cf", "Zs", "Zl", "Zp"):
        code = ord(character)
        if list(read_list(write_file(f"uid\n{character}c-2{character}\n"))) != ["c-2"]:
            wrong.append(code)
        if character != " " and f"U+{code:04X}" not in read_error(write_file(f"uid\nc{character}2\n")):
            wrong.append(code)

    assert wrong == []


@pytest.mark.parametrize("code", [*range(32), *range(127, 160)])
def test_control_characters_in_csv(write_file, code):
    "A control character is removed from both ends of an id. Inside an id, the file is rejected or the line is split."
    path = write_file(f"customer_uid\nc-10\n{chr(code)}c-2{chr(code)}\nc-30\n")
    assert list(read_list(path)) == ["c-10", "c-2", "c-30"]

    path = write_file(f"customer_uid\nc-10\nc-2{chr(code)}1\nc-30\n")
    if chr(code) not in "\r\n":
        read_error(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c-2_x000D_", "c-2"),
        ("_x0009_c-2_x000d__x000A_", "c-2"),
        ("_x202A_c-2_x202C_", "c-2"),
        ("c_x002D_2", "c-2"),
        ("c_x005F_2", "c_2"),
        ("_xD83D__xDE00_1", "😀1"),
    ],
)
@pytest.mark.parametrize("storage", ["inline", "shared"])
def test_escapes_in_workbooks(tmp_path, text, expected, storage):
    "The escapes of characters in ids and column names are decoded as in Excel."
    path = tmp_path / "list.xlsx"
    if storage == "inline":
        book = openpyxl.Workbook()
        for cell in ("customer_x005F_uid_x000D_", text):
            book.active.append([cell])
        book.save(path)
    else:
        write_shared_strings(path, ["customer_x005F_uid_x000D_", text])

    ids = read_list(path, allow_similar_ids=True)

    assert (list(ids), ids.name) == ([expected], "customer_uid")


def write_shared_strings(path, strings, properties=""):
    """Write a workbook with one column of shared strings, each of which has two parts."""
    book = openpyxl.Workbook()
    for _ in strings:
        book.active.append(["x"])
    book.save(path)
    with zipfile.ZipFile(path) as parts:
        bodies = {name: parts.read(name).decode() for name in parts.namelist()}
    cells = "".join(f'<row r="{n + 1}"><c r="A{n + 1}" t="s"><v>{n}</v></c></row>' for n in range(len(strings)))
    sheet = bodies["xl/worksheets/sheet1.xml"]
    start, end = sheet.index("<sheetData>"), sheet.index("</sheetData>")
    bodies["xl/worksheets/sheet1.xml"] = f"{sheet[:start]}<sheetData>{cells}{sheet[end:]}"
    parts = [(string[:3], string[3:] or " ") for string in strings]
    items = "".join(f"<si><r><t>{a}</t></r><r>{properties}<t>{b}</t></r></si>" for a, b in parts)
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    bodies["xl/sharedStrings.xml"] = f'<sst xmlns="{namespace}">{items}</sst>'
    if "sharedStrings" not in bodies["[Content_Types].xml"]:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
        bodies["[Content_Types].xml"] = bodies["[Content_Types].xml"].replace("</Types>", override)
    with zipfile.ZipFile(path, "w") as parts:
        for name, body in bodies.items():
            parts.writestr(name, body)


@pytest.mark.parametrize("text", ["c_x000D_2", "c_x200B_2", "c_x005F_x000D_", "_xD800_1", "c-2_X000D_"])
def test_invalid_escapes(write_workbook, write_file, text):
    "Invisible characters inside an id and escapes that remain in an id are rejected with the row."
    assert "row 2" in read_error(write_workbook([["uid"], [text]]))
    assert "row 2" in read_error(write_file(f"uid\n{text}\n"))


# Hidden rows and columns


def hide_row(sheet):
    sheet.row_dimensions[3].hidden = True


def hide_column(sheet):
    sheet.column_dimensions["A"].hidden = True


def collapse_rows(sheet):
    sheet.row_dimensions.group(3, 3, hidden=True)


def group_columns(sheet):
    sheet.column_dimensions.group("A", "B", hidden=True)


@pytest.mark.parametrize(
    ("edit", "replace"),
    [
        (hide_row, None),
        (collapse_rows, None),
        (hide_column, None),
        (group_columns, None),
        (lambda sheet: setattr(sheet.row_dimensions[3], "height", 0), None),
        (lambda sheet: setattr(sheet.row_dimensions[3], "height", 0.5), None),
        (lambda sheet: setattr(sheet.column_dimensions["B"], "width", 0.01), None),
        (lambda sheet: None, ('<row r="3">', '<row r="3" ht="0" customHeight="1">')),
        (lambda sheet: None, ('<row r="3">', '<row r="3" ht="0.0">')),
        (lambda sheet: None, ('<row r="3">', '<row r="3" hidden="true">')),
        (lambda sheet: None, ('<row r="1">', '<row r="1" hidden="1">')),
        (
            lambda sheet: None,
            ("<sheetData>", '<cols><col min="1" max="1" width="0" customWidth="1"/></cols><sheetData>'),
        ),
        (lambda sheet: None, ("<sheetData>", '<cols><col min="2" max="99" width="9" hidden="1"/></cols><sheetData>')),
        (lambda sheet: None, ('defaultRowHeight="15"', 'defaultRowHeight="0" customHeight="1"')),
    ],
)
def test_hidden_cells(write_workbook, edit, replace):
    "Rows and columns with data are rejected if they are hidden, collapsed, or too small to see."
    path = write_workbook([["uid", "navn"], ["c-1", "Kari"], ["c-2", "Ola"]], edit, replace)

    assert "hidden" in read_error(path)


def test_visible_cells(write_workbook):
    "Hidden rows and columns without data, and groups that are not collapsed, are allowed."

    def edit(sheet):
        sheet.row_dimensions[9].hidden = True
        sheet.column_dimensions["F"].hidden = True
        sheet.row_dimensions.group(2, 3, hidden=False)
        sheet.sheet_format.zeroHeight = True

    assert list(read_list(write_workbook([["uid", "navn"], ["c-1", "Kari"], ["c-2", "Ola"]], edit))) == ["c-1", "c-2"]


def style(cell="A3", **attributes):
    """Return a function that sets the style attributes of a cell."""

    def edit(sheet):
        for name, value in attributes.items():
            setattr(sheet[cell], name, value)

    return edit


def set_row_style(sheet):
    sheet.row_dimensions[3].font = Font(strike=True)


def set_column_style(sheet):
    sheet.column_dimensions["A"].font = Font(strike=True)


def add_named_style(sheet):
    sheet.parent.add_named_style(NamedStyle("removed", font=Font(strike=True)))
    sheet["A3"].style = "removed"


def strike_a_part(sheet):
    sheet["A3"] = CellRichText("c-2", TextBlock(InlineFont(strike=True), "5"))


def strike_by_rule(sheet):
    rule = FormulaRule(formula=['$B1="Ola"'], font=Font(strike=True))
    sheet.conditional_formatting.add("A2:A99", rule)


WHITE, BLACK = "FFFFFFFF", "FF000000"
BLACK_FILL = PatternFill("solid", fgColor=BLACK)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (style(font=Font(strike=True)), "struck"),
        (style("B3", font=Font(strike=True)), "struck"),
        (set_row_style, "struck"),
        (set_column_style, "struck"),
        (add_named_style, "struck"),
        (strike_a_part, "struck"),
        (strike_by_rule, "conditional"),
        (style(font=Font(color=WHITE)), "hidden"),
        (style(font=Font(color=Color(theme=0))), "hidden"),
        (style(font=Font(color=BLACK), fill=BLACK_FILL), "hidden"),
        (style(fill=BLACK_FILL), "hidden"),
        (style(font=Font(size=1)), "hidden"),
        (style(number_format=";;;"), "hidden"),
        (style(number_format='0;-0;0;"x"'), "number format"),
        (style(number_format='"c-"@'), "number format"),
    ],
)
def test_styles(write_workbook, edit, word):
    "Text that is struck through or not visible is rejected with its row. An id must not differ from its display."
    message = read_error(write_workbook([["uid", "navn"], ["c-1", "Kari"], ["c-2", "Ola"]], edit))

    assert word in message and "row" in message and "3" in message


def test_overlapping_conditional_formats(write_workbook):
    "A row in several ranges of conditional formats is named once, and a row outside all ranges is not named."

    def edit(sheet):
        for cells in ("A5:A9", "A2:A3", "A3:B3", "C4:C4"):
            sheet.conditional_formatting.add(cells, FormulaRule(formula=["TRUE"], font=Font(strike=True)))

    message = read_error(write_workbook([["uid", "navn"], *([f"c-{n}", "x"] for n in range(6))], edit))

    assert "rows 2, 3, 5" in message and "conditional" in message


def test_struck_shared_strings(tmp_path):
    "A shared string that is struck through is rejected with its row."
    path = tmp_path / "list.xlsx"
    write_shared_strings(path, ["customer_uid", "c-2"], properties="<rPr><strike/></rPr>")
    assert "rows 1 and 2" in read_error(path)

    write_shared_strings(path, ["customer_uid", "c-2"], properties='<rPr><strike val="0"/></rPr>')
    assert list(read_list(path)) == ["c-2"]


def test_ordinary_styles(write_workbook):
    "Usual fonts, fills, number formats, tables, and conditional formats are accepted."

    def edit(sheet):
        style("A1", font=Font(color=WHITE, bold=True), fill=PatternFill("solid", fgColor="FF1F4E78"))(sheet)
        style("B1", font=Font(color=WHITE))(sheet)
        style("A2", font=Font(color=BLACK), fill=PatternFill("solid", fgColor=WHITE), number_format="@")(sheet)
        style("B2", number_format='_-* #,##0_-;-* #,##0_-;_-* "-"_-;_-@_-', font=Font(size=8))(sheet)
        style("A3", number_format="General;General;General;@", font=Font(color="FF808080"))(sheet)
        style("B3", number_format='"+47 "@', fill=PatternFill("gray125"))(sheet)
        sheet.add_table(Table(displayName="Kunder", ref="A1:B3"))
        sheet.conditional_formatting.add("A2:A9", FormulaRule(formula=["TRUE"], font=Font(color="FFFF0000")))

    assert list(read_list(write_workbook([["uid", "tlf"], ["c-1", "x"], ["c-2", "y"]], edit))) == ["c-1", "c-2"]


# Several id columns


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Kundenummer;External ID", "00000004;E100005"),
        ("External ID;Kundenummer", "E100005;00000004"),
        ("Kundenummer;External ID", "00000004;E999999"),
        ("Kundenummer;External ID", "4;E100005"),
        ("customer_uid;kundenr", "00000004;00000005"),
        ("customer_uid;Kundenummer", "00000004;E100005"),
    ],
)
def test_contradicting_columns(write_file, people, header, row):
    "If two id columns refer to different customers, the file is rejected with the row, unless a column is chosen."
    same = "00000006;00000006" if "kundenr" in header else "00000006;E100006"
    if header.startswith("External"):
        same = "E100006;00000006"
    path = write_file(f"{header}\n{same}\n{row}\n")

    assert "row 3" in read_error(path, snapshot=people)
    column = header.split(";")[1]
    ids = read_list(path, column)
    assert (list(ids), ids.name) == ([same.split(";")[1], row.split(";")[1]], column)


def test_agreeing_columns(write_file, people):
    "If all id columns refer to the same customers, the documented order applies. Blank and foreign ids are ignored."
    path = write_file("Kundenummer;External ID;id\n00000004;E100004;1\n;E100005;2\n00000030;E100009;3\n")

    ids = read_list(path, snapshot=people, column=None, allow_similar_ids=True)

    assert (list(ids), ids.name) == (["E100004", "E100005", "E100009"], "External ID")


@pytest.mark.parametrize(
    ("text", "row", "name"),
    [
        ("customer_uid;;\n00000004;;Kari\n00000006;;00000005\n00000007;;Ola\n", "row 3", "without a name"),
        ("Kundenr;Navn;;;Nye\n00000004;Kari;;;00000006\n00000005;Ola;;;00000007\n", "rows 2 and 3", "'Nye'"),
        ("customer_uid;customer_uid 2\n00000004;00000005\n00000006;\n", "row 2", "'customer_uid 2'"),
        ("customer_uid;new_customer_uid\n00000004;00000005\n", "row 2", "'new_customer_uid'"),
        ("customer_uid;erstattet av\n00000004;\n00000006;00000008\n", "row 3", "'erstattet av'"),
        ("customer_uid;Navn\n00000004;Kari\n00000006;00000008\n00000007;Ola\n", "row 3", "'Navn'"),
        ("customer_uid;Navn\nnew-1;00000008\n00000004;Ola\n", "row 2", "'Navn'"),
        ("External ID;Nye\nE100004;E100005\nE100006;\n", "row 2", "'Nye'"),
        ("External ID;Nye\nE100004;00000004\nE100006;00000007\n", "row 3", "'Nye'"),
        ("customer_uid;Ref\n00000004;E100005\n00000005;X\n", "row 2", "'Ref'"),
        ("customer_uid;Gammel id\n00000004;E100005\n00000006;E100007\n", "rows 2 and 3", "'Gammel id'"),
    ],
)
def test_customers_in_other_columns(write_file, people, text, row, name):
    "Ids of other known customers in another column are rejected with the column, unless the id column is chosen."
    path = write_file(text)
    chosen = text.split(";")[0]

    message = read_error(path, snapshot=people)

    assert row in message and name in message and f"column='{chosen}'" in message
    assert list(read_list(path, chosen, snapshot=people, allow_similar_ids=True))


@pytest.mark.parametrize(
    "text",
    [
        "customer_uid;Kopi\n00000004;00000004\n00000005;00000005\n",
        "customer_uid;Ref\n00000004;E100004\n00000005;X\n",
        "External ID;Ref\nE100004;00000004\nE100005;00000005\n",
        "customer_uid;Navn\n00000004;Kari\n00000005;00000099\n",
    ],
)
def test_allowed_other_columns(write_file, people, text):
    "Another column can contain ids of the same customer, and other values."
    assert len(read_list(write_file(text), snapshot=people)) == 2


@pytest.mark.parametrize(
    ("column", "is_allowed"),
    [("Beløp;150;7;990", True), ("Nr;1;2;3", True), ("Nye;7;8;150", False), ("Nye;;;7", False)],
)
def test_numbers_in_other_columns(write_file, column, is_allowed):
    "Plain numbers in another column are ids only if at least half of its values are known ids but not row numbers."
    uids = [str(n) for n in range(1, 20)]
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": uids}), tenant_uid="t-1", taken_at="2026-11-23"
    )
    cells = column.split(";")
    path = write_file("\n".join(map(";".join, zip(["uid", "4", "5", "6"], cells, strict=True))))

    if is_allowed:
        assert list(read_list(path, snapshot=snapshot)) == ["4", "5", "6"]
    else:
        assert "'Nye'" in read_error(path, snapshot=snapshot)


# Workbooks


@pytest.mark.parametrize("cell", ["XFD1048576", "BH60000"])
def test_distant_cell(tmp_path, cell):
    "A workbook with one distant cell is read without the blank cells around it, and the row of the cell has no id."
    book = openpyxl.Workbook()
    book.active.append(["uid"])
    book.active.append(["c-1"])
    book.active[cell] = "x"
    book.active.merge_cells("C1:D2")
    book.save(tmp_path / "list.xlsx")
    # A merged range or hyperlink of the complete sheet must not create its cells.
    edit_xml(tmp_path / "list.xlsx", 'ref="C1:D2"', 'ref="C1:XFC1048575"')

    assert f"row {cell.lstrip('BHXFD')} has no id" in read_error(tmp_path / "list.xlsx")


def test_scattered_cells(write_workbook, monkeypatch):
    "A sheet whose cells are scattered over many rows and columns is rejected, because it is not a table."
    monkeypatch.setattr("frgroups.internals.spreadsheets._ALWAYS_ALLOWED_CELLS", 1000)

    def edit(sheet):
        for n in range(1, 200):
            sheet.cell(n, n, "c-1")

    assert "199" in read_error(write_workbook([], edit))


def test_unpacked_size(write_workbook, monkeypatch):
    "A workbook whose unpacked parts exceed the limit is rejected before they are read."
    path = write_workbook([["uid"], ["c-1"]])
    monkeypatch.setattr("frgroups.internals.workbooks.MAX_UNPACKED_BYTES", 1000)

    assert "too large" in read_error(path)


def test_apostrophes(write_file, write_workbook):
    "An apostrophe before an id is removed in CSV files and in cells with a quote prefix."

    def edit(sheet):
        sheet["A2"].quotePrefix = True

    assert list(read_list(write_file("Kundenummer;Navn\n'0150;Kari\n"))) == ["0150"]
    assert list(read_list(write_workbook([["Kundenummer"], ["0150"]], edit))) == ["0150"]
    assert list(read_list(write_workbook([["Kundenummer"], ["'0150"]], edit))) == ["0150"]
    assert "row 2" in read_error(write_file("Kundenummer;Navn\n’0150;Kari\n"))


def suppression_reasons(snapshot):
    """Return the customers who are excluded from all groups, with the reasons in the suppression list."""
    entries = current_suppression_list(snapshot).by_group.get("", {})
    return {uid: entry.reason for uid, entry in entries.items()}


@pytest.mark.parametrize(
    "cells", ["'c-7\n", "\u200ec-7\u200e\n", "c-8\ncustomer_uid\n", "#I/T\n", "c-7_x000D_\n", "c-8\nSum\n"]
)
def test_suppression_list(cells):
    "The suppression list is read and checked like other lists."
    snapshot = sample_snapshot()
    path = suppression_list_path(snapshot)
    path.parent.mkdir(parents=True)
    path.write_text(f"customer_uid\n{cells}", encoding="utf-8")

    if "c-8" in cells or cells.startswith("#") or "_x" in cells:
        with pytest.raises(ListError, match=r"row [23]"):
            current_suppression_list(snapshot)
    else:
        assert suppression_reasons(snapshot) == {"c-7": ""}


def test_words_in_suppression_list():
    "A uid without digits is valid in the suppression list, even if its row has no reason."
    snapshot = sample_snapshot()
    path = suppression_list_path(snapshot)
    path.parent.mkdir(parents=True)
    path.write_text("customer_uid;reason\nc-7;fraud\nc-8;fraud\nanna;\n", encoding="utf-8")

    assert suppression_reasons(snapshot) == {"c-7": "fraud", "c-8": "fraud", "anna": ""}


# Any dialect

ID = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True),
    st.from_regex(r"(E|c-)?[0-9]{1,9}", fullmatch=True),
    st.text(st.sampled_from("ab01 \u00a0\u200b'#_xDÆ.,;|"), min_size=1, max_size=6),
)
NAME = st.text(st.sampled_from("abÅø ,.;|\t'\"1"), max_size=8)


@given(
    rows=st.lists(st.tuples(ID, NAME, NAME), min_size=1, max_size=8),
    separator=st.sampled_from([";", ",", "\t", "|", "^", ":"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    header=st.sampled_from([None, "customer_uid", "Kundenummer"]),
    width=st.integers(1, 3),
    has_separator_line=st.booleans(),
    kind=st.sampled_from(["csv", "csv", "csv", "xlsx"]),
)
def test_any_dialect(
    tmp_path_factory, rows, separator, encoding, newline, quoting, header, width, has_separator_line, kind
):
    "A list in any dialect either returns exactly the ids that were written or raises ListError."
    # Without quotes, a file with the only cell "0," is identical to a file with the cells "0" and "".
    uids = [row[0].strip(" \u00a0\u200b") for row in rows]
    if width == 1 and any(uid.startswith((",", ";", "|")) or uid.endswith((",", ";", "|")) for uid in uids):
        quoting = csv.QUOTE_ALL
    path = tmp_path_factory.getbasetemp() / f"dialect.{kind}"
    cells = [list(row[:width]) for row in rows]
    if header:
        cells.insert(0, [header, "Navn", "Epost"][:width])
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in cells:
            # Excel would store the text _x005F_ for an underscore before such an escape.
            book.active.append([cell.replace("_x", "_x005F_x") for cell in row])
        for row in book.active.iter_rows():
            for cell in row:
                cell.data_type = "s"
        book.save(path)
    else:
        text = io.StringIO(newline="")
        if has_separator_line:
            text.write(f"SEP={separator}{newline}")
        csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=newline).writerows(cells)
        try:
            body = text.getvalue().encode(encoding)
        except UnicodeEncodeError:  # Windows-1252 has no code for some characters.
            body = text.getvalue().encode("utf-8")
        path.write_bytes(body)

    written = {clean(row[0]) for row in rows}
    try:
        ids = list(read_list(path))
    except ListError:
        return

    assert set(ids) - {""} == written - {""}
    assert len(ids) == len(set(ids))


def clean(text):
    """Return an id without invisible characters at its ends and without the apostrophe that marks text."""
    stripped = text.strip(" \u00a0\u200b").removeprefix("'").strip(" \u00a0\u200b")
    # A row that contains only separators is blank.
    return stripped if stripped.strip(" ,;|") else ""


@at_most(30)
@given(
    ids=st.lists(st.from_regex(r"(c-|E)[0-9]{1,9}", fullmatch=True), min_size=1, max_size=8, unique=True),
    separator=st.sampled_from([";", ",", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_plain_ids(tmp_path_factory, ids, separator, encoding, newline):
    "A list of plain ids with a header is always read."
    path = tmp_path_factory.getbasetemp() / "plain.csv"
    rows = [["Kundenummer", "Navn"], *([customer_id, "Kåre Ørn"] for customer_id in ids)]
    path.write_bytes(newline.join(map(separator.join, rows)).encode(encoding))

    assert list(read_list(path, allow_similar_ids=True)) == ids


ORDINARY = [
    "customer_uid,created\nc-1,2026-01-02\nc-2,2026-01-02\n",
    "uid;segment\nc-1;VIP\nc-2;Gold\n",
    "uid;Group\nc-1;vip\nc-2;vip\n",
    "uid;tenant\nc-1;nordic\nc-2;nordic\n",
    "customer_uid;customer_group_uids\nc-1;vip|staff\nc-2;vip\n",
    "uid;group_count\nc-1;3\nc-2;4\n",
    'uid;note\nc-1;"says ""hi"" "\nc-2; "x" y\n',
    'uid;height\nc-1;5"\nc-2;6" x\n',
    "uid,name\nc-1,O'Neill\nc-2,Xxx\n",
    'uid;address\nc-1;"Storgata 1, \nOslo"\nc-2;****\n',
    "uid;state\nc-1;unknown\nc-2;#N/A\n",
    "uid;days;amount\nc-1;4-mar;1 234,50\nc-2;5-mar;12%\n",
    "| uid | n |\n| c-1 | x |\n| c-2 | y |\n",
    "| uid | n |\n|---|:--|\n| c-1 | x |\n| c-2 | y |\n",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_files(write_file, text):
    "Other columns of a list can contain any text, and their names can be similar to names of group columns."
    for snapshot in (None, sample_snapshot()):
        assert list(read_list(write_file(text), snapshot=snapshot)) == ["c-1", "c-2"]


def test_note_with_separator(write_file):
    "The error for a note with a comma below a list of one column states that the row can be deleted."
    message = read_error(write_file("kundenr\n0150\n0151\n\nKilde: kasse, uttrekk 24.11.\n"))

    assert "row 5" in message and "Delete the row" in message


@pytest.mark.parametrize("end", ["", "\n"])
def test_header_row_below_the_file(write_file, end):
    "A header row after the last row is rejected with the number of rows."
    text = "Kundenr\n" + "\n".join(["00000004"] * 6) + end

    assert "only 7 rows" in read_error(write_file(text), header_row=30)


def test_empty_file(write_file):
    "A file without content is reported as empty."
    assert "is empty" in read_error(write_file(""))
