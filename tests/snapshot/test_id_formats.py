"""Tests for totals and notes in customer lists, and for the names of id columns."""

import uuid

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import ListError
from frgroups.snapshot.customer_lists import read_list
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.snapshot.id_columns import is_external_id_name, is_id_name
from frgroups.snapshot.id_formats import find_unusual_ids

NUMBERS = [f"{n:08d}" for n in (4, 5, 20, 22, 28, 29, 31, 32)]
UUIDS = [str(uuid.UUID(int=n * 0x0F1E2D3C4B5A69788796A5B4C3D2E1F)) for n in range(3, 11)]
PREFIXED = [f"E1000{n:02d}" for n in (4, 5, 20, 22, 28, 29, 31, 32)]


@pytest.fixture(scope="module")
def people():
    """Return a snapshot with eight numbers, eight UUIDs and the uids "8" and "staff"."""
    uids = [*NUMBERS, *UUIDS, "8", "staff"]
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


@settings(max_examples=25)
@given(
    st.lists(st.uuids(version=4).map(str), min_size=3, max_size=12, unique=True),
    st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True),
)
def test_row_below_uuids(ids, extra):
    "Any short word or number in a list of UUIDs is unusual, unless it is known."
    assert find_unusual_ids([*ids, extra]) == [extra]
    assert find_unusual_ids([*ids, extra], [extra]) == []


def test_known_uids(write_list, people):
    "A known uid can have any format, and be the number of rows if another id has its format."
    assert list(read_list(write_list([*NUMBERS, "staff"]), snapshot=people)) == [*NUMBERS, "staff"]
    assert list(read_list(write_list([*UUIDS, "8", *NUMBERS[:1]]), snapshot=people))[-2:] == ["8", NUMBERS[0]]
    with pytest.raises(ListError, match="row 10 'ukjent'"):
        read_list(write_list([*NUMBERS, "ukjent"]), snapshot=people)


@pytest.mark.parametrize("rows", [NUMBERS, UUIDS, NUMBERS[:1], UUIDS[:2], NUMBERS + NUMBERS[:2], [*NUMBERS, ""]])
def test_row_counts(write_list, people, rows):
    "A last row that contains the number of rows above is rejected, also if it is a known uid in another format."
    for n in {len(rows), len(list(filter(None, rows))), len(set(filter(None, rows)))}:
        for options in ({}, {"snapshot": people}):
            with pytest.raises(ListError, match=rf"row {len(rows) + 2}\b"):
                read_list(write_list([*rows, str(n)]), **options)


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
    "name", ["Navn", "Kunde", "Kundegruppe", "Kundetype", "Nr", "Ekstern", "Nummer", "Kundenavn"]
)
def test_other_names(name):
    "Other columns of an export are not id columns."
    assert not is_id_name(name)
