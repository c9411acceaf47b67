"""Tests for totals and notes in customer lists, and for the names of id columns."""

import re
import uuid

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import ListError
from frgroups.internals.id_parts import hide_words
from frgroups.snapshot.customer_lists import read_list
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.snapshot.id_columns import is_external_id_name, is_id_name
from frgroups.snapshot.id_contents import CONTENTS, has_shape_of
from frgroups.snapshot.id_formats import find_unusual_ids
from tests.examples import at_most

NUMBERS = [f"{n:08d}" for n in (4, 5, 20, 22, 28, 29, 31, 32)]
UUIDS = [str(uuid.UUID(int=n * 0x0F1E2D3C4B5A69788796A5B4C3D2E1F)) for n in range(3, 11)]
PREFIXED = [f"E1000{n:02d}" for n in (4, 5, 20, 22, 28, 29, 31, 32)]


@pytest.fixture(scope="module")
def people():
    """Return a snapshot with eight numbers, eight UUIDs and the uids "8" and "staff"."""
    return snapshot_of([*NUMBERS, *UUIDS, "8", "staff"])


def snapshot_of(uids):
    """Return a snapshot of customers with the given uids."""
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "vip", "customer_uid": uids}), tenant_uid="t-1", taken_at="2026-11-23"
    )


@pytest.fixture
def write_list(tmp_path):
    """Return a function that writes ids below a column name and returns the path of the file."""

    def write(ids, header="Kundenummer;Navn"):
        path = tmp_path / "list.csv"
        path.write_text("\n".join([header, *(value + ";x" * header.count(";") for value in ids)]), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("ids", "extra"),
    [
        *((NUMBERS, [total]) for total in ("9", "2026", "0000000", "123456789", "Slutt", "ukjent", "x-1")),
        *((UUIDS, [total]) for total in ("28", "2026", "Slutt", "TBD", "00000004", UUIDS[0][:-1], UUIDS[0] + "0")),
        *((PREFIXED, [total]) for total in ("800", "1000044", "Ende", "E10-004")),
        (NUMBERS, ["ukjent", "TBD"]),
        (NUMBERS, ["TBD", "TBA"]),
        (UUIDS, ["9", "28"]),
        (NUMBERS[:3], ["Slutt"]),
    ],
)
def test_unusual_formats(write_list, ids, extra):
    "Unknown ids in another format than all other ids are rejected with their rows, anywhere in the list."
    for rows in ([*ids, *extra], [*extra, *ids], [*ids[:2], *extra, *ids[2:]]):
        with pytest.raises(ListError) as caught:
            read_list(write_list(rows))
        for value in extra:
            assert f"row {rows.index(value) + 2} '{value}'" in str(caught.value)
        assert list(read_list(write_list(rows), allow_similar_ids=True)) == rows
    assert "--allow-similar-ids" in caught.value.cli_text


@pytest.mark.parametrize(
    "ids",
    [
        NUMBERS + UUIDS[:2],
        NUMBERS[:3] + UUIDS[:1] + PREFIXED[:1],
        [*NUMBERS[:2], "Slutt"],
        [f"c-{n}" for n in (1, 2, 3, 10, 250, 3000)],
        ["997", "998", "999", "1000"],
        ["anna", "ola", "kari", "per-ole"],
        ["a@x.no", "b@x.no", "c@x.no", "long-name@example.com"],
        ["deadbeef", "a0b1c2d3", "f0eeddcc", "12345678", "01ab23cd"],
        [f"cust_{n:06x}" for n in range(40)],
    ],
)
def test_natural_formats(ids):
    "Several formats that each occur several times, numbers of growing length, and random ids are usual."
    assert find_unusual_ids(ids) == []


@pytest.mark.parametrize(
    ("known", "ids", "suspicious"),
    [
        (NUMBERS, ["20261130"], ["20261130"]),
        (NUMBERS, ["30112026", "00000006", "19000101"], ["30112026", "19000101"]),
        (NUMBERS, ["91234567", "00000006"], ["91234567"]),
        (NUMBERS, ["00000321", "00000320"], ["00000321"]),
        (["20251231", *NUMBERS], ["20261130", "00000006"], []),
        (["90000000", "10000000"], ["20261130", "31122100"], ["20261130", "31122100"]),
        (["90000000", "10000000"], ["20263011", "31022026", "20261301", "32012026", "18991231", "21010101"], []),
        (["E20261130", *UUIDS], ["20261130"], ["20261130"]),
        (UUIDS, [UUIDS[0].upper()[:-1] + "9"], []),
        (["9" * 30], ["1" + "0" * 30, "1" * 32], ["1" * 32]),
    ],
)
def test_dates_and_phone_numbers(write_list, known, ids, suspicious):
    "An unknown date, and a number above the range of the known uids, are rejected with their rows."
    snapshot = snapshot_of(known)
    path = write_list([*known, *ids])

    assert list(read_list(path, snapshot=snapshot, allow_similar_ids=True)) == [*known, *ids]
    if not suspicious:
        assert list(read_list(path, snapshot=snapshot)) == [*known, *ids]
        return
    with pytest.raises(ListError) as caught:
        read_list(path, snapshot=snapshot)
    for value in suspicious:
        assert f"row {len(known) + ids.index(value) + 2} '{value}'" in str(caught.value)
    assert "--allow-similar-ids" in caught.value.cli_text


@at_most(25)
@given(
    st.lists(st.uuids(version=4).map(str), min_size=3, max_size=12, unique=True),
    st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True),
)
def test_row_below_uuids(ids, extra):
    "Any short word or number in a list of UUIDs is unusual, unless it is known."
    assert find_unusual_ids([*ids, extra]) == [extra]
    assert find_unusual_ids([*ids, extra], [extra]) == []


MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec January May September December",
    "nb": "jan. feb. mar. apr. mai jun. jul. aug. sep. okt. nov. des. januar mai desember",
    "sv": "jan feb mar apr maj jun jul aug sep okt nov dec januari augusti",
    "da": "jan feb mar apr maj jun jul aug sep okt nov dec marts",
    "fi": "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
    "de": "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez März Dezember",
    "is": "jan. feb. mar. apr. maí jún. júl. ágú. sep. okt. nóv. des.",
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec maart",
    "es": "ene feb mar abr may jun jul ago sep oct nov dic enero",
    "it": "gen feb mar apr mag giu lug ago set ott nov dic gennaio",
    "pt": "jan fev mar abr mai jun jul ago set out nov dez março",
    "pl": "sty lut mar kwi maj cze lip sie wrz paź lis gru stycznia",
    "cs": "led úno bře dub kvě čvn čvc srp zář říj lis pro",
    "ru": "янв фев мар апр май июн июл авг сен окт ноя дек",
    "fr": "janv févr mars avr mai juin juil août sept oct nov déc",
}
DATES = [
    *(
        "2026-01-02",
        "01.02.2026",
        "2.1.2026",
        "01/02/2026",
        "1/31/26",
        "31/1/26",
        "02-01-2026",
        "2026/1/2",
        "00.01.1900",
    ),
    *("2026-01-02 00:00:00", "2026-01-02T08:10:00Z", "01.02.2026 08:10", "12:30", "1:02:03", "12:30 PM", "8:10 a.m."),
    *("2-Jan-26", "3. mars 2026", "Jan 2, 2026", "Jan-26", "jan 2026", "02 jan 2026"),
]


@pytest.mark.parametrize("date", DATES)
def test_dates(write_list, people, date):
    "An id that a spreadsheet has converted to a date or a time is rejected with its row, unless it is allowed."
    for options in ({}, {"snapshot": people}):
        with pytest.raises(ListError, match="row 2"):
            read_list(write_list([date]), **options)
    assert list(read_list(write_list([date]), allow_similar_ids=True)) == [date]


@pytest.mark.parametrize("language", MONTHS)
def test_month_names(language):
    "The month names of spreadsheets are recognized in each language, before and after the day or the year."
    names = [*MONTHS[language].split(), *MONTHS[language].upper().split()]
    dates = [form.format(name) for name in names for form in ("02.{}", "2-{}", "2. {} 2026", "{}-02", "{} 2026")]

    assert CONTENTS[0].find(pd.Series([*dates, "c-1"]), pd.Series(["c-2"])) == dates


@pytest.mark.parametrize(
    "ids",
    [
        ["12-05-26", "45-13-99"],
        ["jan-02", "ola-02", "per-03"],
        ["12:30", "47:75"],
        ["20260102"],
        ["2026-113"],
        ["maria-02"],
        ["45-13-99"],
        ["1/2"],
        ["AB 12", "AB 13"],
        ["SW1 1", "SW1 2"],
        ["912 34 567 8"],
    ],
)
def test_other_contents(write_list, ids):
    "Ids with spaces are accepted. A date is accepted if another id has the same shape and is not a date."
    assert list(read_list(write_list(ids))) == ids


@given(st.lists(st.text("ab1é٢-_", max_size=3), max_size=5), st.lists(st.text("ab1é٢-_", max_size=3), max_size=5))
def test_shapes(ids, others):
    "Two ids have the same shape if they contain letters, digits, and other characters at the same positions."

    def shape(value):
        return [(character.isalpha(), character.isdigit(), character) for character in value]

    def is_same(first, second):
        pairs = zip(shape(first), shape(second), strict=False)
        return len(first) == len(second) and all(a[:2] == b[:2] and (any(a[:2]) or a == b) for a, b in pairs)

    expected = [any(is_same(value, other) for other in others) for value in ids]
    assert has_shape_of(pd.Series(ids, dtype="str"), pd.Series(others, dtype="str")).tolist() == expected


NAMED_IDS = [
    *("1001 Ola Nordmann", "1001 - Ola", "1001: Ola", "c-1 (Ola)", "Ola Nordmann <c-1>", "Kari c-2", "[c-1] Kari"),
    *("1001, Ola", "Nordmann, Ola 1001", "Åse 1001"),
]


@pytest.mark.parametrize("cell", NAMED_IDS)
def test_names_in_cells(write_list, people, cell):
    "A cell with an id and a name is rejected with its row, and the error does not contain the name."
    path = write_list([f'"{cell}"'], "Kundenummer|Navn" if "," in cell else "Kundenummer;Navn")
    for options in ({}, {"snapshot": people}):
        with pytest.raises(ListError, match="row 2") as caught:
            read_list(path, **options)
        message = str(caught.value).replace(str(path), "")
        assert not any(name in message for name in ("Ola", "Nordmann", "Kari", "Åse"))


@pytest.mark.parametrize("separator", [*"-_.:/ ", "\u2013"])
def test_hidden_words(separator):
    "The words after an id are hidden for each separator."
    for name in ("Ola", f"Ola{separator}Nordmann", f"O{separator}Nordmann", f"Ola{separator}N"):
        assert set(hide_words(f"1001{separator}{name}")) == {*"10…", separator}


@pytest.mark.parametrize("text", ["c-1", "cust_0a1", "1001-A", "ola-02", UUIDS[0], "02.jan", "1-may", "Slutt"])
def test_visible_ids(text):
    "Ids with prefixes, UUIDs, dates, and single words are not hidden."
    assert hide_words(text) == text


@pytest.mark.parametrize("ids", [["c-1 c-2"], ["c-1 c-2 c-3", "c-4 c-5"], [" ".join(UUIDS[:2])]])
def test_several_ids_in_cells(write_list, ids):
    "A cell with several ids that are separated by spaces is rejected with its row."
    with pytest.raises(ListError, match="row 2"):
        read_list(write_list(ids))


@pytest.mark.parametrize(
    ("known", "unknown"),
    [("2026-01-02", "2026-02-01"), ("01-jan", "02-jan"), ("Kunde 12", "Kunde 13"), ("c-1 c-2", "c-3 c-4")],
)
def test_contents_of_the_tenant(write_list, known, unknown):
    "Dates and ids with words are valid if the tenant has such an id, also if the id in the list is unknown."
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "vip", "customer_uid": [known, "c-9"]}),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )

    assert list(read_list(write_list([known, unknown]), snapshot=snapshot)) == [known, unknown]
    assert list(read_list(write_list([unknown, known]), snapshot=snapshot)) == [unknown, known]


@pytest.mark.parametrize("extra", [["с-2"], ["c-２"], ["с-2", "с-3"], ["\u00e5-2".replace("\u00e5", "a\u030a")]])
def test_look_alikes_in_lists(write_list, extra):
    "Ids with letters of another script are unusual if most other ids have none, and usual if most ids have them."
    assert find_unusual_ids(["c-1", "c-4", "c-5", "c-6", "c-7", *extra]) == extra
    assert find_unusual_ids(["c-1", "с-4", "с-5", "с-6", "å-7"]) == []


def test_known_uids(write_list, people):
    "A known uid can have any format. It can also be the number of rows if another id has the same format."
    assert list(read_list(write_list([*NUMBERS, "staff"]), snapshot=people)) == [*NUMBERS, "staff"]
    assert list(read_list(write_list([*UUIDS, "8", *NUMBERS[:1]]), snapshot=people))[-2:] == ["8", NUMBERS[0]]
    with pytest.raises(ListError, match="row 10 'ukjent'"):
        read_list(write_list([*NUMBERS, "ukjent"]), snapshot=people)


@pytest.mark.parametrize("rows", [NUMBERS, UUIDS, NUMBERS[:1], UUIDS[:2], NUMBERS + NUMBERS[:2]])
def test_row_counts(write_list, people, rows):
    "A last row that contains the number of rows above is rejected, also if it is a known uid in another format."
    for n in {len(rows), len(set(rows))}:
        for options in ({}, {"snapshot": people}):
            with pytest.raises(ListError, match=rf"row {len(rows) + 2}\b"):
                read_list(write_list([*rows, str(n)]), **options)


@pytest.mark.parametrize("ids", [["c-1", "c-3", "n=2"], ["c-1", "c-3", "N:2"], ["c-1", "c-3", "02"]])
def test_labeled_row_counts(write_list, ids):
    "A row count with a label or leading zeros is rejected."
    with pytest.raises(ListError, match=r"row 4\b.*number of rows"):
        read_list(write_list(ids))


def test_sums(write_list):
    "The sum of the ids above is rejected, unless it is known or the list is short."
    with pytest.raises(ListError, match="row 5"):
        read_list(write_list(["100", "250", "300", "650"]))
    assert len(read_list(write_list(["100", "250", "300", "650"]), snapshot=snapshot_of(["100", "300", "650"]))) == 4
    for ids in (["1", "2", "3"], ["0001", "0003", "0002"], ["#1", "#3", "#2"]):
        assert list(read_list(write_list(ids))) == ids


MASKED = ["****1234", "c-1***", "00**0150", "●●12", "____1234", "xxxx1234", "XXX", "c-xxx", "12xxxx34", "####12"]


@pytest.mark.parametrize("value", [*MASKED, "[redacted]", "<hidden>", "(skjult)", "__MASKED__", "anonymisert"])
def test_masked_ids(write_list, value):
    "A masked id is rejected with the reason, unless it is known or allowed."
    snapshot = snapshot_of([f"c-{n}" for n in range(9)])
    for options in ({}, {"snapshot": snapshot}):
        with pytest.raises(ListError, match=r"row 2\b.*masked"):
            read_list(write_list([value, "c-1"]), **options)
    assert list(read_list(write_list([value]), allow_similar_ids=True)) == [value]


@pytest.mark.parametrize("value", ["•••", "***", "██", "_____"])
def test_masks(write_list, value):
    "A cell that contains only mask characters is rejected with the reason."
    with pytest.raises(ListError, match=r"row 2\b.*masked") as caught:
        read_list(write_list([value]), allow_similar_ids=True)
    assert "allow_similar_ids" not in str(caught.value)


@pytest.mark.parametrize("value", ["shop__150", "xx-150", "xerxes", "removed-1", "xxl150", "maxxx1"])
def test_unmasked_ids(write_list, value):
    "Ids with a few characters of masks are accepted."
    assert list(read_list(write_list([value]))) == [value]


@pytest.mark.parametrize("value", ["0150…", "0150..."])
def test_shortened_ids(write_list, value):
    "An id that ends with an ellipsis is rejected with the reason."
    with pytest.raises(ListError, match=r"row 2\b.*complete"):
        read_list(write_list([value]))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((value, "a date") for value in ("4/3", "4-3", "4.3", "03/2026", "4-mar", "04.mar", "mar-04", "4. mar")),
        *((value, "a number") for value in ("1E05", "1E+05", "12E3", "1,5")),
        ("46000", "the number of a date"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_converted_ids(write_list, value, kind, last):
    "The error for an id that a spreadsheet has probably converted contains the reason."
    ids = ["0007", "0150", "0151", value] if last else [value, "0007", "0150", "0151"]

    with pytest.raises(ListError, match=kind if kind != "a date" else "dates?"):
        read_list(write_list(ids))


EXTERNAL_NAMES = [
    *("Ekstern id", "Eksternt nr", "Eksternt nr.", "Externe Kundennummer", "Externt id", "Ekstern kundenr"),
    *("EKSTERN-ID", "External customer no.", "Externe Kunden-Nr.", "Externt kundnummer", "Ulkoinen tunnus"),
    *(
        "Ulkoinen asiakasnumero",
        "Kundenummer (eksternt)",
        "ext_id",
        "Eksternt kunde-id",
        "External ref",
        "externalId",
    ),
]
NUMBER_NAMES = [
    *("Kunden-ID", "Kunden-Nr.", "Kundnummer", "Asiakasnumero", "Kundennr", "KUNDE NR", "Kunde-ID", "Kund.nr"),
    *("Asiakas-ID", "Asiakasnro", "Customer No.", "Client ID", "Debitornr.", "Kunde_UUID", "Kundens nummer"),
    *("Numéro client", "N° de client", "Número de cliente", "Codice cliente", "Klantnummer", "Numer klienta"),
]


@pytest.mark.parametrize("name", [*EXTERNAL_NAMES, *NUMBER_NAMES])
def test_id_names(write_list, name):
    "Names of external ids and customer numbers are recognized in each language, case, and punctuation."
    assert is_id_name(name) and is_external_id_name(name) == (name in EXTERNAL_NAMES)
    for header, ids in ((f"{name};Navn", NUMBERS), (name, UUIDS)):
        listed = read_list(write_list(ids, header))
        assert (list(listed), listed.name) == (ids, name)


def test_hyphen_in_header(write_list):
    "A hyphen is not a separator if the ids are UUIDs. Otherwise, it can divide a column of ids from another column."
    assert list(read_list(write_list(UUIDS, "Kunde-ID 2026-11"))) == UUIDS
    with pytest.raises(ListError, match="hyphen"):
        read_list(write_list([f"{value}-Kari" for value in NUMBERS], "uid-navn"))


@pytest.mark.parametrize(
    "name",
    ["Navn", "Kunde", "Kundegruppe", "Kundetype", "Nr", "Ekstern", "Nummer", "Kundenavn", "Client", "Nom du client"],
)
def test_other_names(name):
    "Other columns of an export are not id columns."
    assert not is_id_name(name)


NOTES = ["osv", "EOF", "Side1", "v2", "Antall2", "2rows", "Liste2026", "ref"]
FORMS = [
    ["00000004", "00000005", "00000006"],
    ["E100004", "E100005", "E100006"],
    ["c-4", "c-5", "c-60"],
    [f"fbe6972{n}-0000-4000-8000-00000000000a" for n in range(3)],
]


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("form", FORMS, ids=["digits", "prefix", "hyphen", "uuid"])
@pytest.mark.parametrize("n_ids", [1, pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("is_first", [True, False])
def test_notes_in_short_lists(tmp_path, note, form, n_ids, is_first):
    "A note in the first or last row is rejected with its row, unless the tenant has ids of its form."
    ids = form[:n_ids]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["customer_uid", *([note, *ids] if is_first else [*ids, note])]), encoding="utf-8")
    row = 2 if is_first else n_ids + 2
    with pytest.raises(ListError, match=rf"row {row}\b"):
        read_list(path, snapshot=snapshot_of(form))
    if not is_first and n_ids < 3:
        other = re.sub(r"\d", "7", note) if note != "osv" else "abc"
        other_tenant = snapshot_of([*form, other, "another"])
        assert read_list(path, snapshot=other_tenant).iloc[-1] == note


@pytest.mark.parametrize("note", ["osv", "EOF", "Side1", "Antall2", "2rows"])
@pytest.mark.parametrize("form", FORMS[:3])
def test_notes_without_snapshot(tmp_path, note, form):
    "A word in the last row is rejected without a snapshot if all other ids have the same form."
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["customer_uid", *form[:2], note]), encoding="utf-8")

    with pytest.raises(ListError, match=r"row 4\b"):
        read_list(path)
    path.write_text("\n".join(["customer_uid", "E1", "K-1", note]), encoding="utf-8")
    assert len(read_list(path)) == 3


@pytest.mark.parametrize(
    ("form", "new"),
    [
        (FORMS[0], "00000019"),
        (FORMS[1], "E999"),
        (FORMS[2], "c-12345"),
        (FORMS[3], "00000000-0000-4000-8000-000000000000"),
        (["a7f3k9x2", "99b8c7d6"], "k9x2a7f3"),
        (["anna", "ola"], "karianne"),
    ],
)
def test_new_ids_in_short_lists(tmp_path, form, new):
    "An unknown id in the form of the tenant's ids is accepted in the first and last row."
    path = tmp_path / "list.csv"
    for ids in ([form[0], new], [new, form[0]]):
        path.write_text("\n".join(["customer_uid", *ids]), encoding="utf-8")
        assert list(read_list(path, snapshot=snapshot_of(form))) == ids


@pytest.mark.parametrize("value", ["00000002-00000003", "0000000200000003"])
def test_ids_like_phone_numbers(tmp_path, value):
    "An id that looks like an international phone number is not masked in an error."
    path = tmp_path / "list.csv"
    path.write_text(f"customer_uid\n00000002\n{value}\n", encoding="utf-8")

    with pytest.raises(ListError, match=f"'{value}'"):
        read_list(path, snapshot=snapshot_of(["00000002", "00000003"]), allow_similar_ids=False)


@pytest.mark.parametrize(
    "name", ["Kd.-Nr.", "KdNr", "Kd-Nr", "Kd Nr", "Knr.", "KNr", "K.nr", "Deb.Nr.", "As.nro", "Kd-ID"]
)
def test_short_names_of_customer_numbers(write_list, name):
    "Abbreviations of customer numbers are usual names of id columns."
    assert is_id_name(name)
    assert list(read_list(write_list(["0150", "0151"], f"{name};Navn"))) == ["0150", "0151"]


@pytest.mark.parametrize("name", ["KID", "Knote", "Kd", "kode", "K", "Konto nr"])
def test_other_short_names(name):
    "Other abbreviations, such as the reference number of a payment, are not names of id columns."
    assert not is_id_name(name)
