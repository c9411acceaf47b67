"""Tests for the options of `frgroups plan` that read customer lists."""

import openpyxl
import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli import inputs
from frgroups.cli.inputs import excluded_customers
from frgroups.cli.main import main
from frgroups.errors import InputError, ListError
from frgroups.snapshot import similar_ids


def desired_customers(snapshot, **options):
    """Return the uids of the customers that the options select."""
    return inputs.desired_customers(snapshot, **options).uids


@pytest.fixture(scope="module")
def people():
    """Return a snapshot with uids of eight digits. Two customers have the external id E100009."""
    uids = [f"{n:08d}" for n in range(1, 31)]
    external_ids = [f"E{100000 + n}" for n in range(1, 30)] + ["E100009"]
    return fg.snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "vip", "customer_uid": uids[:20]}),
        customers=pd.DataFrame({"customer_uid": uids, "external_id": external_ids}),
        tenant_uid="t-1",
        taken_at=pd.Timestamp.now("UTC"),
        base_url="https://api.example",
    )


@pytest.fixture
def write_list(tmp_path):
    """Return a function that writes a Norwegian export of Excel and returns its path."""

    def write(text):
        path = tmp_path / "liste.csv"
        path.write_bytes(text.replace("\n", "\r\n").encode("cp1252"))
        return path

    return write


@pytest.mark.parametrize(
    ("text", "expected", "used"),
    [
        ("Kundenummer;Navn;Epost\n00000004;Kåre Ørn;k@x.no\n\n00000005;Åse\n00000004;Kåre Ørn\n", 2, "'Kundenummer'"),
        ("External ID;Navn\nE100004;Kåre\n", 1, "'External ID'"),
        ("Kundenummer;External ID;Navn\n00000004;E100004;Kåre\n", 1, "'External ID'"),
        ("SEP=;\n'Kundenr;Navn\n'00000004;Kåre\n", 1, "Kundenr"),
        ("00000004\n00000005\n", 2, "no header"),
    ],
)
def test_used_column(people, write_list, capsys, text, expected, used):
    "The output names the column that contains the ids, or states that the file has no header."
    path = write_list(text)

    uids = desired_customers(people, path=path, expression=None)

    assert uids == ["00000004", "00000005"][:expected]
    assert used in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Kundenummer;External ID\n00000004;E100004\n00000004;E100005\n", ["row 3", "--column"]),
        ("Kundenummer;Navn\n00000004;Kåre\nE100005;Åse\n", ["row 3", "E100005", "'00000005'", "--allow-similar-ids"]),
        ("Kundenummer;Navn\n00000004;Kåre\n5;Åse\n", ["row 3", "'00000005'", "--allow-similar-ids"]),
        ("Kundeliste;;\nKundenummer;Navn;By\n00000004;Kåre;Oslo\n", ["row 2", "--header-row 2"]),
        ("Kundenummer^Navn\n00000004^Kåre\n00000005^Åse\n", ["caret"]),
        ("Kundenummer;Navn\n00000004;Kåre\nTotalt;1\n", ["row 3"]),
        ("Kundenummer;Navn\n00000004;Kåre\n02.jan;Åse\n", ["row 3", "--allow-similar-ids"]),
        ("Kundenummer;Navn\n00000004;Kåre\nNavn;Kundenummer\nÅse;00000005\n", ["row 3"]),
    ],
)
def test_rejected_lists(people, write_list, text, parts):
    "The error for an ambiguous list contains the rows and the options to use."
    path = write_list(text)

    for read in (
        lambda: desired_customers(people, path=path, expression=None),
        lambda: excluded_customers(people, [], path, None),
    ):
        with pytest.raises(ListError) as caught:
            read()
        assert [part for part in parts if part not in caught.value.cli_text] == []


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        ("customer_uid\nE100001\nE100002\n", {}, ["row 2", "--ids external_id"]),
        ("external_id\n00000001\n00000002\n", {}, ["row 2", "--ids customer_uid"]),
        ("Kundenummer\nE100001\nE100002\n", {"id_type": "customer_uid"}, ["--ids external_id"]),
        ("navn;ref\nx1;E100001\nx2;E100002\n", {"column": "navn"}, ["--column ref"]),
        ("navn;ref\nx1;00000001\nx2;x\n", {"column": "navn"}, ["--column ref"]),
        ("kari@x.no\nola@x.no\n", {}, ["rows 1 and 2", "does not support email"]),
        ("external_id\nE100001\nola@x.no\n", {"skip_unresolved": True}, ["row 3", "does not support email"]),
        ("E-post;navn\nkari@x.no;x\n", {}, ["does not support email"]),
    ],
)
def test_wrong_id_types(people, write_list, text, options, parts):
    "The error for a list with other ids names the option to use, and states that email addresses are not supported."
    with pytest.raises(InputError) as caught:
        desired_customers(people, path=write_list(text), expression=None, **options)

    assert [part for part in parts if part not in caught.value.cli_text] == []
    assert "kari@" not in caught.value.cli_text and "ola@" not in caught.value.cli_text


def test_ambiguous_id(people, write_list, capsys):
    "The output names the customers who have the same external id, and does not count the id as unknown."
    path = write_list("External ID\nE100009\nE100003\n")

    for read in (
        lambda: desired_customers(people, path=path, expression=None),
        lambda: excluded_customers(people, [], path, None),
    ):
        with pytest.raises(InputError, match="1 of 2") as caught:
            read()
        text = caught.value.cli_text
        assert "row 2 'E100009'" in text and "--directory" in text and "customer uids" in text

    out = capsys.readouterr().out
    assert "2 customers have 'E100009': 00000009 and 00000030." in out
    assert "unknown" not in out
    assert desired_customers(people, path=path, expression=None, skip_unresolved=True) == ["00000003"]


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        (["00000030"], ["00000030", "00000003"]),
        (["00000009"], ["00000009", "00000003"]),
        (["00000009", "00000030"], None),
        (["00000031"], None),
    ],
)
def test_directory_with_ambiguous_id(people, write_list, owners, expected):
    "A directory that contains an ambiguous id for exactly one of its customers resolves the id."
    path = write_list("External ID\nE100009\nE100003\n")
    directory = path.with_name("export.csv")
    directory.write_text("customer_uid;external_id\n" + "".join(f"{uid};E100009\n" for uid in owners))
    options = {"path": path, "expression": None, "directory": directory}

    if expected is None:
        with pytest.raises(InputError, match="row 2 'E100009'"):
            desired_customers(people, **options)
    else:
        assert desired_customers(people, **options) == expected
        assert excluded_customers(people, [], path, directory) == expected


def test_unclear_id_type(write_list):
    "If an id is the uid of one customer and the external id of another, --ids is required."
    customers = pd.DataFrame({"customer_uid": ["1", "2"], "external_id": ["2", "3"]})
    snapshot = fg.snapshot_from_frames(
        customers.assign(customer_group_uid="vip")[["customer_group_uid", "customer_uid"]],
        customers=customers,
        tenant_uid="t-1",
        taken_at=pd.Timestamp.now("UTC"),
    )
    path = write_list("Kundenummer\n2\n")

    with pytest.raises(InputError) as caught:
        desired_customers(snapshot, path=path, expression=None)

    assert "--ids" in caught.value.cli_text
    assert desired_customers(snapshot, path=path, expression=None, id_type="external_id") == ["1"]
    assert desired_customers(snapshot, path=path, expression=None, id_type="customer_uid") == ["2"]


def test_directory_with_similar_ids(people, write_list, tmp_path):
    "An id in the directory is known, even if it is similar to an id in the snapshot."
    directory = tmp_path / "export.csv"
    directory.write_text("customer_uid;external_id\n00000031;e100004\n", encoding="utf-8")
    path = write_list("External ID\ne100004\n")

    assert desired_customers(people, path=path, expression=None, directory=directory) == ["00000031"]
    with pytest.raises(ListError, match="row 2 'e100005'"):
        desired_customers(people, path=write_list("External ID\ne100005\n"), expression=None, directory=directory)


def test_unknown_ids(people, write_list, capsys):
    "Unknown ids are printed with their rows and without names. At most ten ids are printed."
    names = "".join(f"09{n}-Nordmann\n" for n in range(10, 22))
    path = write_list(f"External ID\nE100003\n{names}")

    assert desired_customers(people, path=path, expression=None, skip_unresolved=True) == ["00000003"]

    out = capsys.readouterr().out
    assert "row 3 '0910-…'" in out and "row 12 '0919-…'" in out and "2 more" in out
    assert "Nordmann" not in out and "0920" not in out


def test_unknown_protected_customers(people, capsys):
    "Unknown customers of --protect are printed without names, and are protected."
    uids = ["00000004", "0900-Nordmann", "0900-Nordmann"]

    assert excluded_customers(people, uids, None, None) == uids

    out = capsys.readouterr().out
    assert "'0900-…'" in out and "Nordmann" not in out and "00000004" not in out


def test_list_is_compared_once(people, write_list, monkeypatch):
    "The ids of a list are compared with the known customers only once, also with a directory."
    calls = []
    find = similar_ids.find_similar_ids
    monkeypatch.setattr(similar_ids, "find_similar_ids", lambda *args: calls.append(args) or find(*args))
    directory = pd.DataFrame({"customer_uid": ["00000031"], "external_id": ["E100031"]})

    for options in ({}, {"directory": directory}):
        calls.clear()
        path = write_list("customer_uid\n00000004\n00000090\n")
        assert desired_customers(people, path=path, expression=None, **options) == ["00000004", "00000090"]
        assert len(calls) == 1


def test_list_of_other_group(people, write_list, tmp_path, capsys):
    "A list that names another group than --group is rejected, unless the id column is chosen."
    fg.save_snapshot(people)
    path = write_list("customer_group_uid;customer_uid\nstaff;00000025\n")
    out = ["--out", str(tmp_path / "plan.json")]
    words = ["plan", "--tenant", "t-1", "--group", "vip", "--list", str(path), *out]

    assert main(words) == 1
    err = capsys.readouterr().err
    assert "'staff'" in err and "'vip'" in err and "--column" in err
    assert main([*words, "--column", "customer_uid"]) == 0


def test_plan_options(people, tmp_path, capsys):
    "The options --header-row and --allow-similar-ids of the command apply to the list."
    fg.save_snapshot(people)
    book = openpyxl.Workbook()
    for row in (["Kundeliste", None], ["Kundenummer", "Navn"], ["00000025", "Kåre"], ["26", "Åse"]):
        book.active.append(row)
    book.active.merge_cells("A1:B1")
    book.save(tmp_path / "liste.xlsx")
    out = tmp_path / "plan.json"
    words = ["plan", "--tenant", "t-1", "--group", "vip", "--list", str(tmp_path / "liste.xlsx"), "--out", str(out)]

    assert main(words) == 1
    assert "--header-row 2" in capsys.readouterr().err
    assert main([*words, "--header-row", "2"]) == 1
    err = capsys.readouterr().err
    assert "row 4" in err and "--allow-similar-ids" in err and "allow_similar_ids" not in err
    assert main([*words, "--header-row", "2", "--allow-similar-ids"]) == 0
    assert "'Kundenummer'" in capsys.readouterr().out
    assert fg.read_plan(out).groups[0].add == ("00000025", "26")


@pytest.mark.parametrize("name", ["Ekstern id", "Eksternt nr", "Externe Kunden-Nr.", "Externt id", "Ulkoinen tunnus"])
def test_contradicting_columns(people, write_list, capsys, name):
    "Two id columns that refer to different customers are rejected if their names are in another language."
    with pytest.raises(ListError, match=r"rows 2 and 3\b") as caught:
        desired_customers(
            people, path=write_list(f"Kunden-ID;{name}\n00000004;E100005\n00000005;E100004\n"), expression=None
        )
    assert "--column" in caught.value.cli_text
    path = write_list(f"Kunden-ID;{name}\n00000004;E100004\n")
    assert desired_customers(people, path=path, expression=None) == ["00000004"]


@pytest.mark.parametrize(
    ("cells", "parts"),
    [
        (["00000004, 00000005", "00000006"], ["row 2", "one id per row"]),
        (["00000006", "00000004 / 00000005"], ["row 3"]),
        (["\u201e00000004\u201c"], ["row 2"]),
        (["00000006", "kari@example.no"], ["row 3", "external ids"]),
        (["kari@example.no"], ["row 2"]),
        ([f"{n}.a" for n in range(40)], ["row 2", "row 11", "30 more"]),
    ],
)
def test_invalid_uids(people, write_list, capsys, cells, parts):
    "Cells that cannot be a uid are reported with their rows before the number of customers is printed."
    path = write_list("Kundenummer;Navn\n" + "".join(f'"{cell}";x\n' for cell in cells))

    for options in ({}, {"allow_similar_ids": True}, {"id_type": "customer_uid"}):
        with pytest.raises(ListError) as caught:
            desired_customers(people, path=path, expression=None, **options)
        assert [part for part in parts if part not in caught.value.cli_text] == []
        assert "read from" not in capsys.readouterr().out and "kari" not in caught.value.cli_text


def test_many_similar_ids(people, write_list):
    "The error shows the first ten similar ids with their rows and ids, also if the type is given."
    path = write_list("Kundenummer\n" + "".join(f"{n}\n" for n in range(1, 15)))

    for options in ({}, {"id_type": "customer_uid"}):
        with pytest.raises(ListError) as caught:
            desired_customers(people, path=path, expression=None, **options)
        assert all(f"row {row} " in caught.value.cli_text for row in range(2, 12))
        assert "4 more" in caught.value.cli_text and "other customers" in caught.value.cli_text


@pytest.mark.parametrize(
    ("text", "similar"),
    [("Kundenummer\n4\n5\n", "2 of them are similar"), ("customer_uid\nE100001\n", "1 of them is similar")],
)
@pytest.mark.parametrize("id_type", [None, "customer_uid"])
def test_allowed_similar_ids(people, write_list, capsys, text, similar, id_type):
    "With --allow-similar-ids, the output states how many unknown ids are similar to known ids."
    options = {"allow_similar_ids": True, "id_type": id_type}

    uids = desired_customers(people, path=write_list(text), expression=None, **options)

    out = capsys.readouterr().out
    assert uids == text.split()[1:] and similar in out and "row 2 " in out and "--ids" not in out


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["new-1", "new-2"], ["another tenant", "--allow-similar-ids"]),
        (["91234567"], ["another tenant"]),
        (["0000", "0001"], ["beginning of the customer uid", "row 2 '0000'"]),
        (["E100004", "E100005"], ["--ids external_id"]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"id_type": "customer_uid"}, {"skip_unresolved": True}])
def test_lists_without_known_ids(people, write_list, ids, words, options):
    "A list without known ids is an error. It mentions --ids only if the list contains ids of the other type."
    path = write_list("\n".join(["customer_uid", *ids]))

    with pytest.raises(ListError) as caught:
        desired_customers(people, path=path, expression=None, **options)

    assert [word for word in words if word not in caught.value.cli_text] == []
    assert ("--ids" in caught.value.cli_text) == ("--ids external_id" in words)
    with pytest.raises(ListError):
        fg.read_list(path, snapshot=people)
    assert list(fg.read_list(path, snapshot=people, allow_similar_ids=True)) == ids
    assert desired_customers(people, path=path, expression=None, allow_similar_ids=True, **options) == ids


def test_external_ids_without_known_ids(people, write_list, capsys):
    "A list without resolved external ids is always an error, because its plan would not contain any customer."
    path = write_list("external_id\nF200001\nF200002\n")

    for options in ({}, {"skip_unresolved": True}, {"skip_unresolved": True, "allow_similar_ids": True}):
        with pytest.raises(InputError) as caught:
            desired_customers(people, path=path, expression=None, id_type="external_id", **options)
        assert "--directory" in caught.value.cli_text and "--skip-unresolved" not in caught.value.cli_text


@pytest.mark.parametrize(
    ("ids", "n_repeated"),
    [(["00000004"], None), (["00000004", "00000005", "00000004"], "1 of 3 rows"), (["00000004"] * 9, "8 of 9 rows")],
)
def test_repeated_ids(people, write_list, capsys, ids, n_repeated):
    "The output contains the number of rows that repeat an id of another row."
    uids = desired_customers(people, path=write_list("\n".join(["Kundenr", *ids])), expression=None)

    out = capsys.readouterr().out
    assert uids == list(dict.fromkeys(ids)) and (n_repeated or "") in out
    assert (" of other rows" in out) == (n_repeated is not None)


@pytest.mark.parametrize("last", ["8", "28", "Slutt"])
def test_totals(people, write_list, tmp_path, last):
    "A total or a note in the last row is rejected, also if the type or a directory is given."
    path = write_list("Kundenummer;Navn\n" + "".join(f"{n:08d};x\n" for n in range(1, 9)) + f"{last};\n")
    directory = tmp_path / "export.csv"
    directory.write_text("customer_uid;external_id\n00000031;E100031\n", encoding="utf-8")

    for options in ({}, {"id_type": "customer_uid"}, {"directory": directory}):
        with pytest.raises(InputError, match=f"'{last}'"):
            desired_customers(people, path=path, expression=None, **options)
    with pytest.raises(InputError, match=f"'{last}'"):
        excluded_customers(people, [], path, directory)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Kundenr\n00000004\n+47 912 34 567\n004791234567\n", ["rows 3 and 4", "phone numbers are not ids"]),
        ("Kundenr\n912 34 567\n91 23 45 67\n", ["rows 2 and 3", "phone numbers are not ids"]),
        ("Telefon\n91234567\n91234568\n", ["rows 2 and 3", "phone numbers are not ids"]),
        ("Tlf.\n00000004\n91234568\n", ["row 3", "phone numbers are not ids"]),
        ("Kundenr\n0000 0004\n00000005\n", ["row 2 '0000 0004'", "similar to the customer uid '00000004'"]),
        ("customer_uid;external_id\n00000004;E100004\n;E100005\n", ["row 3", "--column external_id"]),
        ("Id;Kunde\n1;00000004\n2;00000005\n", ["--column Kunde"]),
        ("Id;Kunde\n0;00000004\n1;00000005\n", ["--column Kunde"]),
    ],
)
def test_phone_numbers_and_other_columns(people, write_list, text, parts):
    "The error names phone numbers with their rows, and the column that contains the known ids."
    with pytest.raises(ListError) as caught:
        desired_customers(people, path=write_list(text), expression=None)

    assert [part for part in parts if part not in caught.value.cli_text] == []
    assert "912" not in caught.value.cli_text
