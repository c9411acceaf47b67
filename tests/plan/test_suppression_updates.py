"""Tests for adding entries to the suppression list of a tenant."""

import stat

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError, ListError, LockedError
from frgroups.internals.locks import tenant_lock
from frgroups.internals.spreadsheets import read_table
from frgroups.plan.suppression_list import entry_table, suppression_entries
from tests.plan.suppression import write_list

FAR, PAST = "2099-12-31", "2020-01-01"
COLUMNS = ["customer_uid", "customer_group_uid", "until", "source", "reason"]


def add_rows(*rows):
    """Add entries to the suppression list of the sample tenant, and return the path of the list."""
    return fg.add_suppression_entries(fg.sample_snapshot(), pd.DataFrame(rows, columns=COLUMNS, dtype="str"))


def stored():
    """Return the entries in the suppression list of the sample tenant as rows."""
    return [
        (entry.customer_uid, entry.customer_group_uid, str(entry.until or ""), entry.source, entry.reason)
        for entry in suppression_entries(fg.sample_snapshot())
    ]


ROWS = st.tuples(
    st.sampled_from(["c-7", "c-8", "0150", "-a", "c_9"]),
    st.sampled_from(["", "vip", "-g"]),
    st.sampled_from(["", FAR]),
    st.sampled_from(["", "crm", "holdout"]),
    st.sampled_from(["", "fraud", "=1+1", "fraud; or so", 'a "quoted", text', "two\nlines", "-", "'x"]),
).filter(lambda row: row[3] != "holdout" or (row[1] and row[2]))


@given(batches=st.lists(st.lists(ROWS, max_size=4), min_size=1, max_size=4))
def test_round_trip(batches):
    "The list contains each added entry once, in the order of the calls, and repeated calls do not change the file."
    path = fg.suppression_list_path(fg.sample_snapshot())
    path.unlink(missing_ok=True)

    for batch in batches:
        add_rows(*batch)
    expected = list(dict.fromkeys(row for batch in batches for row in batch))
    before = path.read_bytes() if path.exists() else b""
    for batch in batches:
        add_rows(*batch)

    assert stored() == expected
    assert before == (path.read_bytes() if path.exists() else b"")


@pytest.mark.parametrize(
    ("text", "encoding", "first"),
    [
        ("Customer UID;Reason;Agent\nc-7;Blåbær;kari\n", "utf-8", ("c-7", "", "", "", "Blåbær")),
        ("Customer UID;Reason;Agent\nc-7;Blåbær;kari\n", "cp1252", ("c-7", "", "", "", "Blåbær")),
        ("customer_uid\nc-7\n", "utf-16", ("c-7", "", "", "", "")),
        (f"until,customer_uid\n{FAR},c-7\n", "utf-8", ("c-7", "", FAR, "", "")),
    ],
)
def test_existing_list(text, encoding, first):
    "The entries and the other columns of an existing list remain."
    path = write_list(fg.sample_snapshot(), text, encoding=encoding)

    assert add_rows(("c-8", "vip", FAR, "holdout", "")) == path

    assert stored() == [first, ("c-8", "vip", FAR, "holdout", "")]
    assert ("kari" in path.read_text(encoding="utf-8")) == ("kari" in text)


def test_private_file():
    "The list is readable only by its owner, and contact data is not written."
    path = add_rows(("c-7", "", "", "", "kari@example.org"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "kari" not in path.read_text() and add_rows(("c-7", "", "", "", "kari@example.org")) == path
    assert len(stored()) == 1


def test_linked_list(tmp_path):
    "If the list is a symbolic link, the file to which it refers is updated."
    shared = tmp_path / "shared.csv"
    shared.write_text("customer_uid\nc-7\n")
    path = fg.suppression_list_path(fg.sample_snapshot())
    path.parent.mkdir(parents=True)
    path.symlink_to(shared)

    add_rows(("c-8", "", "", "", ""))

    assert path.is_symlink() and [row[0] for row in stored()] == ["c-7", "c-8"]


@pytest.mark.parametrize(
    ("rows", "kind"),
    [([("c-8", "", FAR, "holdout", "")], ListError), ([("c-8", "", "soon", "", "")], ListError)],
)
def test_invalid_rows(rows, kind):
    "If an entry is invalid, the list does not change."
    path = write_list(fg.sample_snapshot(), "customer_uid\nc-7\n")

    with pytest.raises(kind, match="`entries`, row 1"):
        add_rows(("c-9", "", "", "", ""), *rows)

    assert path.read_text() == "customer_uid\nc-7\n"


@pytest.mark.parametrize("entries", [["c-7"], pd.DataFrame({"uid": ["c-7"]}), pd.DataFrame({"customer_uid": [7]})])
def test_invalid_table(entries):
    "A value that is not a table of customer uids raises InputError."
    with pytest.raises(InputError, match="`entries`"):
        fg.add_suppression_entries(fg.sample_snapshot(), entries)


@pytest.mark.parametrize(("column", "group"), [("Until", "Customer group UID"), ("UNTIL ", "customer-group-uid")])
def test_spelling_of_columns(column, group):
    "Columns of a table are matched without regard to case and separators, as in files."
    table = pd.DataFrame({"customer uid": ["c-8"], column: [PAST], group: ["vip"], "City": ["Oslo"], "Season": ["a"]})

    fg.add_suppression_entries(fg.sample_snapshot(), table)

    assert stored() == [("c-8", "vip", PAST, "", "")]
    with pytest.raises(ListError, match="until"):
        fg.add_suppression_entries(fg.sample_snapshot(), table.assign(until=FAR))


@pytest.mark.parametrize("column", ["untill", "Untl", "customer_group", "Sources"])
def test_misspelled_column(column, tmp_path):
    "A column whose name is similar to a missing column of the list is an error, in tables and in files."
    table = pd.DataFrame({"customer_uid": ["c-8"], column: [FAR]})
    path = write_list(fg.sample_snapshot(), table.to_csv(index=False))

    for read in (
        lambda: fg.plan_memberships(fg.sample_snapshot(), {}, suppression_list=table),
        lambda: suppression_entries(fg.sample_snapshot()),
        lambda: entry_table(read_table(path, None)),
    ):
        with pytest.raises(ListError, match=column):
            read()


def test_invalid_existing_list():
    "If the existing list cannot be read, it is not replaced."
    path = write_list(fg.sample_snapshot(), "uid\nc-7\n")

    with pytest.raises(ListError, match="customer_uid"):
        add_rows(("c-8", "", "", "", ""))

    assert path.read_text() == "uid\nc-7\n"


def test_erase_added_entries():
    "An erasure finds the entries that were added, and the other entries remain."
    add_rows(("c-7", "vip", FAR, "holdout", ""), ("c-8", "vip", FAR, "holdout", ""), ("c-7", "", "", "", ""))

    table = fg.erase_customer("c-7")

    assert table[["kind", "action", "n"]].values.tolist() == [["list", "rewritten", 2]]
    assert stored() == [("c-8", "vip", FAR, "holdout", "")]


def test_locked():
    "The list is not replaced while another process changes the tenant or erases a customer."
    snapshot = fg.sample_snapshot()

    with tenant_lock(snapshot.tenant_uid, snapshot.base_url, "erase-customer"), pytest.raises(LockedError):
        add_rows(("c-8", "", "", "", ""))

    assert stored() == []
