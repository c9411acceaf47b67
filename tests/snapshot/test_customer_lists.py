"""Lists of customers: what is read from CSV and Excel, what is refused, and whose uid an id becomes."""

import logging
import sys

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import InputError, ListError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.customer_lists import USUAL_NAMES, read_list, resolve_customers
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames


@pytest.fixture
def listed(tmp_path):
    """Write a file with this content and return its path."""

    def write(content, name="list.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def workbook(tmp_path):
    """Write these rows to the sheets of a workbook, changed by `edit` before it is saved."""

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


def refusal(path, **options):
    """The message of the ListError that reading this list raises."""
    with pytest.raises(ListError) as caught:
        read_list(path, **options)
    return str(caught.value)


# CSV


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_list_is_the_same_however_it_was_saved(listed, separator, encoding, newline):
    "Separator, encoding and line ends do not change which ids are read."
    rows = [["Kundenummer", "Navn", "Sted"], ["0150", "Kåre Ørn", "Tromsø"], ["0007", "Ola", ""], ["", "", ""]]
    text = newline.join(separator.join(row) for row in rows) + newline * 3

    ids = read_list(listed(text, encoding=encoding))

    assert list(ids) == ["0150", "0007"]
    assert ids.dtype == "str"
    assert ids.name == "Kundenummer"


def test_quoted_cells_may_hold_separators_quotes_and_line_ends(listed):
    "A quoted cell keeps what it holds, and does not shift the columns."
    path = listed('"customer_uid","note"\n"0150","a, b; ""c""\nd"\n"0007",""\n')

    assert list(read_list(path)) == ["0150", "0007"]


def test_blanks_blank_rows_and_repetitions_go_and_the_order_stays(listed, caplog):
    "Ids are trimmed and kept once, in the order of the file, and the log counts the repetitions."
    path = listed("uid\n c-9\u00a0\n\n\n\u200bc-1 \n   \nc-9\nc-5\n\n\n")

    with caplog.at_level(logging.INFO, "frgroups.snapshot"):
        ids = read_list(path)

    assert list(ids) == ["c-9", "c-1", "c-5"]
    assert list(ids.index) == [0, 1, 2]
    assert "3 ids in column 'uid', 1 repetitions dropped" in caplog.text
    assert "c-9" not in caplog.text


def test_rows_without_an_id_are_told_of(listed, caplog):
    "A row that has other cells but no id is left out, and a warning counts it without showing it."
    path = listed("uid;navn\nc-1;Kari\n;Ola Nordmann\n")

    ids = read_list(path)

    assert list(ids) == ["c-1"]
    assert "1 rows have no id" in caplog.text
    assert "Nordmann" not in caplog.text


@pytest.mark.parametrize("name", USUAL_NAMES)
@pytest.mark.parametrize("spelled", [str, str.upper, lambda name: name.replace("_", " ").title()])
def test_usual_columns_are_found_however_they_are_spelled(listed, name, spelled):
    "Each documented name is found with blanks, capitals or underscores, wherever it stands."
    path = listed(f"navn;{spelled(name)};sted\nKari;0150;Oslo\n")

    ids = read_list(path)

    assert list(ids) == ["0150"]
    assert ids.name == spelled(name)


def test_the_documented_names_are_the_names_that_are_looked_for():
    "The docstring of read_list lists every usual name, in order."
    told = read_list.__doc__.split("Customer UID`):")[1].split(".")[0]

    assert tuple(word.strip() for word in told.split(",")) == USUAL_NAMES


def test_a_customer_uid_goes_before_other_usual_columns(listed):
    "Where several usual columns stand, the first of the documented list is taken."
    path = listed("id;externalId;customerUid\n1;0150;c-1\n")

    assert list(read_list(path)) == ["c-1"]
    assert list(read_list(path, "external_id")) == ["0150"]
    assert list(read_list(path, column="id")) == ["1"]


def test_two_columns_of_one_name_are_not_chosen_between(listed):
    "customer_uid beside customerUid is refused; the exact name says which."
    path = listed("customer_uid;customerUid\nc-1;c-2\n")

    assert "2 columns for 'customer_uid'" in refusal(path)
    assert "2 columns for 'customer uid'" in refusal(path, column="customer uid")
    assert list(read_list(path, column="customerUid")) == ["c-2"]


def test_an_unclear_column_is_asked_for_with_the_columns_listed(listed):
    "Without a usual name the error lists the columns and names column=."
    path = listed("medlem;navn\nm-1;Kari\n")

    message = refusal(path)

    assert "'medlem', 'navn'" in message
    assert "column=" in message
    assert "Kari" not in message
    assert list(read_list(path, column="medlem")) == ["m-1"]
    assert "no column 'member'" in refusal(path, column="member")


def test_a_first_row_of_data_is_never_shown(listed):
    "A file with several columns and no header is refused without showing whose row it begins with."
    message = refusal(listed("0150;Kari Nordmann;kari@example.no\n0007;Ola;ola@example.no\n"))

    assert "looks like data" in message
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
def test_one_column_needs_no_header(listed, text, expected, name):
    "The first row is told to be a header or an id by the documented rule."
    ids = read_list(listed(text))

    assert list(ids) == expected
    assert ids.name == name


@pytest.mark.parametrize("text", ["alpha\nbeta\ngamma\n", "alpha\nc-1\ngamma\n", "Kari Nordmann\n"])
def test_a_first_row_that_may_be_either_is_asked_about(listed, text):
    "No id is taken for a header, nor a header for an id, where the rule does not settle it."
    path = listed(text)

    assert "may be a header or an id" in refusal(path)
    if "alpha" in text:
        assert list(read_list(path, column="alpha")) == text.split()[1:]


@pytest.mark.parametrize("spoiled", ["150.0", "150,0", "-1.00", "1,5E+15", "1.5E+15", "1E+15", "7e-05"])
@pytest.mark.parametrize("head", ["", "customer_uid\n", "uid;navn\n"])
def test_ids_that_a_spreadsheet_has_spoiled_are_refused(listed, spoiled, head):
    "A float or scientific number is refused with its row, with what was found and with what to do."
    end = ";Kari" if ";" in head else ""
    path = listed(f"{head}0150{end}\n{spoiled}{end}\n")

    message = refusal(path)

    assert f"row {2 + bool(head)} ({spoiled})" in message
    assert "as Text" in message
    assert "Kari" not in message


def test_no_more_than_two_spoiled_ids_are_shown(listed):
    "Of many spoiled ids the error shows two and counts all."
    message = refusal(listed("uid\n" + "".join(f"{n}.0\n" for n in range(5, 3000))))

    assert "2,995 ids are a number" in message
    assert "row 2 (5.0) and row 3 (6.0) and 2,993 more" in message


@pytest.mark.parametrize("cell", ["1E5", "12.345", "1.2.3", "00e1", "a,5", "nano", "#12"])
def test_ids_that_only_resemble_numbers_stay(listed, cell):
    "Text that no spreadsheet makes of a number is an id like any other."
    assert list(read_list(listed(f'uid;x\n"{cell}";\n'))) == [cell]


@pytest.mark.parametrize("cell", ["nan", "None", "NULL", "<NA>", "#N/A", "#REF!", "#DIV/0!", "#NAME?"])
def test_what_stands_for_nothing_is_no_id(listed, cell):
    "A missing value written as text and an Excel error are refused."
    assert f"row 3 ({cell})" in refusal(listed(f"uid\nc-1\n{cell}\n"))


def test_a_cell_that_protects_its_zeros_is_unwrapped(listed):
    'The form ="0150", which exports use so that Excel keeps the zeros, is the id 0150.'
    assert list(read_list(listed('uid;navn\n="0150";Kari\n"=""0007""";Ola\n'))) == ["0150", "0007"]


def test_the_separator_hint_of_excel_is_followed(listed):
    "A first line sep=; is no row of the list, and rows are numbered with it."
    assert list(read_list(listed("sep=;\r\nuid;navn\r\n0150;Kari\r\n"))) == ["0150"]
    assert "row 3 (1.0)" in refusal(listed("sep=;\r\nuid;navn\r\n1.0;Kari\r\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("uid;navn\n0150;Kari\n0007,Ola\n", "row 3 has 1 cells, the first row 2"),
        ("uid;navn\n0150;Kari\n0007;Ola;ekstra\n", "row 3 has 3 cells"),
        ("uid\n0150\n0007;0008\n", "row 3 holds a semicolon"),
        ("uid;navn, sted\n0150;Ola, Oslo\n", "semicolon and comma"),
        ('uid;navn\n0150;"Kari\n', "a quote is not closed"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(listed, text, told):
    "Mixed separators and broken quotes are refused, with the row where one is to blame, without its cells."
    message = refusal(listed(text))

    assert told in message
    assert "Ola" not in message
    assert "Kari" not in message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty (0 bytes"),
        (b"\xef\xbb\xbf\r\n \r\n;;\r\n", "is empty"),
        (b"customer_uid\n\n\n", "holds no ids"),
        (b"uid;navn\n;Kari\n", "holds no ids: column 'uid' is blank in all 1 rows"),
        (b"\x00\x01\x02\xff\xfe" * 50, "is not text (250 bytes)"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is not text"),
        (b"<!doctype html><html></html>", "looks like HTML"),
        (b'{"items": []}', "looks like HTML or JSON"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old .xls workbook"),
        (b"PK\x03\x04 and then nothing", "is not a whole workbook"),
    ],
)
def test_what_is_no_list_is_refused(listed, content, told):
    "Empty files, binary files and files of other kinds are refused, each with what was found."
    assert told in refusal(listed(content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    "The error names the file that was asked for."
    assert f"{tmp_path / 'none.csv'} cannot be read: No such file" in refusal(tmp_path / "none.csv")
    assert "a folder" in refusal(tmp_path)
    assert "is named like a workbook but is none" in refusal(
        (tmp_path / "x.xlsx").write_text("uid\n1\n") and (tmp_path / "x.xlsx")
    )


ids_of_any_kind = st.text(st.sampled_from("abcXYZ0189-_"), min_size=1, max_size=8).filter(
    lambda uid: uid.casefold() not in {"nan", "none", "null", "nat"}
)
words = st.text(st.sampled_from("abc ,;\"\t\n'@æ"), max_size=8)


@given(
    rows=st.lists(st.tuples(ids_of_any_kind, words), min_size=1, max_size=20),
    separator=st.sampled_from([";", ",", "\t"]),
)
def test_every_id_of_a_written_table_is_read_back(tmp_path_factory, rows, separator):
    "What pandas writes as CSV is read as the same ids, whatever the other column holds."
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    frame = pd.DataFrame(rows, columns=["customer_uid", "note"])
    frame.to_csv(path, sep=separator, index=False, quoting=1)

    ids = read_list(path)

    assert list(ids) == list(dict.fromkeys(frame["customer_uid"]))


# Excel


def test_text_cells_of_a_workbook_are_read(workbook):
    "Text ids of a workbook are read with their zeros, numbers in other columns do not matter."
    path = workbook(
        Liste=[[None, "Kundenummer", "Saldo"], [None, "0150", 1.5], [None, None, None], [None, "0007", 2]]
    )

    assert list(read_list(path)) == ["0150", "0007"]


def test_a_workbook_of_one_column_needs_no_header(workbook):
    "Ids in the first column from the first row on are a list."
    assert list(read_list(workbook(Ark1=[["0150"], ["0007"]]))) == ["0150", "0007"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (150, "a number, not text: row 3 (150)"),
        (150.5, "a number"),
        (pd.Timestamp("2026-01-02").to_pydatetime(), "a date"),
        (True, "TRUE or FALSE"),
        ("=A1", "a formula"),
        ("#N/A", "an Excel error"),
    ],
)
def test_cells_that_are_not_text_are_refused(workbook, value, told):
    "Numbers, dates, formulas and errors in the id column are refused with their row and what to do."
    message = refusal(workbook(Ark1=[["uid", "navn"], ["0150", "Kari"], [value, "Ola"]]))

    assert told in message
    assert "as Text" in message
    assert "Ola" not in message


def test_numbers_without_a_header_are_refused_too(workbook):
    "A column of nothing but numbers is refused from its first row on."
    assert "2 ids are a number, not text: row 1 (150)" in refusal(workbook(Ark1=[[150], [7]]))


def test_hidden_rows_are_refused(workbook):
    "A filtered list would add those who are not shown: it is refused."

    def hide(book):
        book["Ark1"].row_dimensions[3].hidden = True

    message = refusal(workbook(hide, Ark1=[["uid"], ["c-1"], ["c-2"], ["c-3"]]))

    assert "1 rows of sheet 'Ark1' are hidden" in message


def test_the_sheet_is_the_filled_one_or_the_one_asked_for(workbook):
    "Empty and hidden sheets do not count; several filled ones are asked about."

    def hide(book):
        book["Skjult"].sheet_state = "hidden"

    path = workbook(hide, A=[["uid"], ["c-1"]], Tom=[], Skjult=[["uid"], ["c-9"]], B=[["uid"], ["c-2"]])

    assert "2 filled sheets: 'A', 'B'. Pass sheet=" in refusal(path)
    assert list(read_list(path, sheet="B")) == ["c-2"]
    assert "no visible sheet 'Skjult'" in refusal(path, sheet="Skjult")
    assert "is empty" in refusal(workbook(Tom=[]))


def test_a_sheet_of_a_csv_is_refused(listed):
    "sheet= means a workbook."
    assert "which is no workbook" in refusal(listed("uid\nc-1\n"), sheet="A")


def test_without_openpyxl_the_extra_is_named(workbook, monkeypatch):
    "The error tells what to install, and that CSV needs nothing."
    path = workbook(Ark1=[["uid"], ["c-1"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    assert 'pip install "frgroups[excel]"' in refusal(path)


def test_a_damaged_workbook_is_refused(workbook):
    "Half a workbook is refused as such."
    path = workbook(Ark1=[["uid"], ["c-1"]])
    path.write_bytes(path.read_bytes()[:900])

    assert "is not a whole workbook" in refusal(path)


# Ids to customers


def test_a_list_goes_straight_into_a_plan(listed):
    "What read_list returns can be wanted in a group as it is."
    ids = read_list(listed("customer_uid\nc-2\nc-7\n"))

    plan = plan_memberships(sample_snapshot(), {"vip": ids})

    assert list(plan.table()["customer_uid"]) == ["c-7"]


def test_external_ids_become_customer_uids_in_the_order_given():
    "One row per distinct id, in the order given, exact to the leading zero."
    ids = pd.Series(["0251", "1", "0001", "0251"])

    table = resolve_customers(sample_snapshot(), ids)

    assert table.to_dict("list") == {
        "id": ["0251", "1", "0001"],
        "customer_uid": ["c-251", pytest.approx(float("nan"), nan_ok=True), "c-1"],
        "outcome": ["resolved", "unknown", "resolved"],
    }
    assert set(table.dtypes.astype(str)) == {"str"}


def snapshot(**columns):
    """A snapshot of customers c-1, c-2, ... with these columns."""
    uids = [f"c-{n}" for n, _ in enumerate(next(iter(columns.values())), 1)]
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "g", "customer_uid": uids}),
        customers=pd.DataFrame({"customer_uid": uids, **columns}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )


def outcomes(table):
    """{id: customer uid or outcome} of a resolution."""
    return {
        row.id: row.customer_uid if row.outcome == "resolved" else row.outcome
        for row in table.itertuples(index=False)
    }


def test_an_external_id_of_two_customers_is_ambiguous():
    "Nobody is chosen: an ambiguous id has no customer uid."
    table = resolve_customers(snapshot(external_id=["7", "7", None, ""]), ["7", "8"])

    assert outcomes(table) == {"7": "ambiguous", "8": "unknown"}
    assert table["customer_uid"].isna().all()


def test_customer_uids_are_checked_against_those_seen():
    "by='customer_uid' tells which uids the snapshot or the directory knows."
    directory = pd.DataFrame({"customer_uid": ["c-1", "d-1"]})

    table = resolve_customers(sample_snapshot(), ["c-1", "d-1", "d-2"], by="customer_uid", directory=directory)

    assert outcomes(table) == {"c-1": "c-1", "d-1": "d-1", "d-2": "unknown"}


def test_an_email_is_matched_without_case_and_blanks():
    "E-mail addresses differ by more than capitals; ids that differ by them keep rows of their own."
    people = snapshot(email=["Kari@Example.no ", "ola@example.no"])

    table = resolve_customers(people, ["KARI@example.no", "kari@example.no", "x@example.no"], by="email")

    assert outcomes(table) == {"KARI@example.no": "c-1", "kari@example.no": "c-1", "x@example.no": "unknown"}


@pytest.mark.parametrize("by", ["email", "mobile", "loyalty_id"])
def test_contact_data_needs_a_personal_snapshot(by):
    "Asking by contact data names personal=True where the snapshot has none."
    with pytest.raises(InputError, match="personal=True"):
        resolve_customers(sample_snapshot(), ["x"], by=by)


@pytest.mark.parametrize("kind", ["table", "csv"])
def test_a_directory_tells_of_customers_in_no_group(listed, kind):
    "A customer that no group shows is found in an export, whose other columns do not matter."
    directory = pd.DataFrame(
        {"Name": ["Kari", "Ola", "Per"], "customer_uid": ["d-1", "c-1", "d-3"], "external_id": ["0900", "0001", None]}
    )
    if kind == "csv":
        directory = listed(directory.rename(columns={"external_id": "externalId"}).to_csv(index=False, sep=";"))

    table = resolve_customers(sample_snapshot(), ["0900", "0001", "0901"], directory=directory)

    assert outcomes(table) == {"0900": "d-1", "0001": "c-1", "0901": "unknown"}


def test_a_directory_that_disagrees_makes_an_id_ambiguous():
    "Neither another customer of an id, nor an id that the snapshot tells otherwise, is settled by a directory."
    directory = pd.DataFrame(
        {
            # 0001 is c-1's; c-2 has 0002; and d-3 stands alone with 0900, d-4 and d-5 share 0901.
            "customer_uid": ["d-1", "c-2", "d-3", "d-4", "d-5"],
            "external_id": ["0001", "0777", "0900", "0901", "0901"],
        }
    )

    table = resolve_customers(sample_snapshot(), ["0001", "0777", "0002", "0900", "0901"], directory=directory)

    assert outcomes(table) == {
        "0001": "ambiguous",
        "0777": "ambiguous",
        "0002": "c-2",
        "0900": "d-3",
        "0901": "ambiguous",
    }


def test_a_directory_without_its_columns_is_refused(listed):
    "The error names the column that is missing, and shows nobody's data."
    with pytest.raises(InputError, match="needs a column 'external_id'"):
        resolve_customers(sample_snapshot(), ["1"], directory=pd.DataFrame({"customer_uid": ["c-1"]}))
    with pytest.raises(InputError, match="leading zeros"):
        resolve_customers(
            sample_snapshot(), ["1"], directory=pd.DataFrame({"customer_uid": ["c-1"], "external_id": [1]})
        )
    with pytest.raises(ListError, match="needs a column 'customer_uid'"):
        resolve_customers(sample_snapshot(), ["1"], directory=listed("externalId;navn\n0150;Kari\n"))
    with pytest.raises(ListError, match="not text: row 2"):
        resolve_customers(sample_snapshot(), ["1"], directory=listed("externalId;customerUid\n150.0;c-1\n"))


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([1, 2], r"ids\[0\] is int, not text: 1"),
        (pd.Series([1, 2]), "not text"),
        (["a", float("nan")], r"ids\[1\] is float"),
        (["a", " "], r"ids\[1\] is blank"),
        ("0150", "not one str"),
        (pd.DataFrame({"id": ["a"]}), "one column of a table"),
        (7, "not one int"),
    ],
)
def test_ids_that_are_not_text_are_refused(ids, told):
    "Numbers, gaps, one text and a whole table are refused."
    with pytest.raises(InputError, match=told):
        resolve_customers(sample_snapshot(), ids)


def test_an_unknown_kind_of_id_is_refused():
    "by= is one of the documented kinds."
    with pytest.raises(InputError, match="choose external_id, customer_uid"):
        resolve_customers(sample_snapshot(), ["x"], by="name")


some_ids = st.sampled_from(["1", "01", "2", "3", "4"])


@given(
    seen=st.lists(st.none() | some_ids, min_size=1, max_size=6),
    told=st.lists(st.tuples(st.sampled_from(["c-1", "c-2", "d-1", "d-2"]), some_ids), max_size=6),
    ids=st.lists(some_ids, max_size=8),
)
def test_every_id_has_one_outcome_and_nobody_is_guessed(seen, told, ids):
    "Resolved means: all who are said to have the id are one customer, and nothing said of it contradicts that."
    people = snapshot(external_id=seen)
    directory = pd.DataFrame(told, columns=["customer_uid", "external_id"], dtype="str")
    own = {f"c-{n}": one for n, one in enumerate(seen, 1) if one}

    table = resolve_customers(people, ids, directory=directory)

    assert list(table["id"]) == list(dict.fromkeys(ids))
    for row in table.itertuples():
        havers = {uid for uid, one in [*own.items(), *told] if one == row.id}
        contradicted = any(one == row.id and own.get(uid, one) != one for uid, one in told)
        expected = "ambiguous" if len(havers) > 1 or contradicted else "resolved" if havers else "unknown"
        assert (row.outcome, row.customer_uid if havers and expected == "resolved" else None) == (
            expected,
            next(iter(havers)) if expected == "resolved" else None,
        )
        assert (expected == "resolved") == (row.customer_uid == row.customer_uid)
