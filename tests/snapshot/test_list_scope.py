"""Tests for lists that name the groups or the tenants of their customers."""

import shlex

import pytest

from frgroups.errors import InputError, ListError
from frgroups.plan.declared_groups_file import read_declared_groups
from frgroups.plan.declared_planner import plan_declared
from frgroups.snapshot.customer_lists import read_list, read_listed_ids
from frgroups.snapshot.from_frames import sample_snapshot
from frgroups.snapshot.list_scope import group_texts


@pytest.fixture
def write_list(tmp_path):
    """Return a function that writes a list of three customers with another column, and returns its path."""

    def write(name, values):
        rows = [f"{name};customer_uid", *(f"{value};c-{n}" for n, value in enumerate(values, 1))]
        path = tmp_path / "list.csv"
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["customer_group_uid", "Group", "group name", "Name of group", "Kundegruppe"])
@pytest.mark.parametrize("other", ["staff", ""])
def test_several_groups(write_list, name, other):
    "A list of several groups is rejected with the rows of each group, unless the id column is chosen."
    path = write_list(name, ["vip", other, "vip"])

    for snapshot in (None, sample_snapshot()):
        with pytest.raises(ListError) as caught:
            read_list(path, snapshot=snapshot)
        assert "rows 2 and 4" in str(caught.value) and "row 3" in str(caught.value)
        assert "column='customer_uid'" in str(caught.value)
        assert list(read_list(path, "customer_uid", snapshot=snapshot)) == ["c-1", "c-2", "c-3"]


def test_quoted_column(tmp_path):
    "The option in the hint is quoted, so that the shell accepts a column name with an apostrophe."
    path = tmp_path / "list.csv"
    path.write_text("customer's uid;group\nc-1;vip\nc-2;staff\n", encoding="utf-8")

    with pytest.raises(ListError) as caught:
        read_list(path)

    assert shlex.split(caught.value.cli_hint.partition(" pass ")[2])[:2] == ["--column", "customer's uid"]


@pytest.mark.parametrize(("value", "is_accepted"), [("vip", True), ("VIP", True), (" Vip ", True), ("staff", False)])
@pytest.mark.parametrize("name", ["customer_group_uid", "group"])
def test_expected_group(write_list, name, value, is_accepted):
    "A list of another group than the expected group is rejected."
    snapshot = sample_snapshot()
    path, groups = write_list(name, [value] * 3), group_texts(snapshot, "VIP")

    if is_accepted:
        assert len(read_listed_ids(path, snapshot=snapshot, groups=groups).ids) == 3
    else:
        with pytest.raises(ListError, match="'staff'"):
            read_listed_ids(path, snapshot=snapshot, groups=groups)
        assert len(read_listed_ids(path, "customer_uid", snapshot=snapshot, groups=groups).ids) == 3
        assert len(read_list(path)) == 3


def test_other_kinds_of_groups(write_list):
    "A column of groups that are not groups of the snapshot is ignored, unless it contains group uids."
    snapshot = sample_snapshot()
    groups = group_texts(snapshot, "vip")

    assert len(read_listed_ids(write_list("Kundegruppe", "ABC"), snapshot=snapshot, groups=groups).ids) == 3
    assert len(read_listed_ids(write_list("customer_group_uid", ["", "", ""]), groups=groups).ids) == 3
    with pytest.raises(ListError, match="'A'"):
        read_listed_ids(write_list("customer_group_uid", "AAA"), snapshot=snapshot, groups=groups)


@pytest.mark.parametrize("allows_several_groups", [True, False])
def test_tenants(write_list, allows_several_groups):
    "A list of several tenants, or of another tenant than the snapshot, is rejected."
    snapshot = sample_snapshot()

    def read(values, snapshot, name="tenant_uid"):
        path = write_list(name, values)
        return read_listed_ids(path, snapshot=snapshot, allows_several_groups=allows_several_groups)

    assert len(read(["t-1"] * 3, snapshot).ids) == len(read(["t-2"] * 3, None).ids) == 3
    assert len(read(["Nordic"] * 3, snapshot, "tenant").ids) == 3
    for values, other in ((["t-2"] * 3, snapshot), (["t-1", "t-2", "t-1"], None)):
        with pytest.raises(ListError, match="'t-2'"):
            read(values, other)


def test_entries_of_several_groups(write_list):
    "A list can contain entries of several groups if the caller allows it."
    path = write_list("customer_group_uid", ["vip", "staff", ""])

    assert len(read_listed_ids(path, allows_several_groups=True).ids) == 3


@pytest.mark.parametrize(("group", "is_accepted"), [("vip", True), ("VIP", True), ("staff", False)])
def test_declared_groups(write_list, tmp_path, group, is_accepted):
    "The list of a declared group must belong to this group."
    write_list("group", [group] * 3)
    path = tmp_path / "groups.toml"
    path.write_text('[groups.vip]\nlist = "list.csv"\nmode = "add"\n', encoding="utf-8")

    if is_accepted:
        plan_declared(sample_snapshot(), read_declared_groups(path))
    else:
        with pytest.raises(InputError, match="'staff'"):
            plan_declared(sample_snapshot(), read_declared_groups(path))


@pytest.mark.parametrize("ids", [["vip", "staff"], ["c-1", "vip", "c-2"], ["c-1", "staff", "0700"]])
def test_group_uids(write_list, tmp_path, ids):
    "Uids of groups are not ids of customers, in a list and in a declaration."
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["customer_uid", *ids]), encoding="utf-8")
    declaration = tmp_path / "groups.toml"
    declaration.write_text('[groups.vip]\nlist = "list.csv"\nmode = "add"\n', encoding="utf-8")

    for read in (
        lambda: read_list(path, snapshot=sample_snapshot()),
        lambda: plan_declared(sample_snapshot(), read_declared_groups(declaration)),
    ):
        with pytest.raises(InputError) as caught:
            read()
        message = str(caught.value)
        assert "of a group" in message or "of groups" in message
        assert all(repr(value) in message for value in ids if value in ("vip", "staff"))
    assert list(read_list(path, snapshot=sample_snapshot(), allow_similar_ids=True)) == ids


def test_created_group():
    "The uid and the name of a new group identify it."
    assert group_texts(sample_snapshot(), "new", "New group") == {"new", "New group"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("handling", ["legg til", "fjern", "legg til"]),
        ("Change", ["Remove", "", "Remove"]),
        ("Aktion", ["hinzufügen", "hinzufügen", "entfernen"]),
        ("", ["ajouter", "supprimer", "ajouter"]),
        ("Med i gruppen?", ["Ja", "Nei", "Ja"]),
        ("Status", ["ja", "nei", "ja"]),
        ("Merknad", ["", "Skal ikke være med!", ""]),
        ("Kommentar", ["fjernes", "SKAL IKKE MED", ""]),
        ("", ["", "<- ikke denne", ""]),
        ("Slettet", ["", "2026-10-01", ""]),
        ("deleted_at", ["2026-10-01 12:00", "2026-10-02 12:00", ""]),
        ("Exclude", ["false", "true", "false"]),
        ("Valgt", ["x", "", "x"]),
        ("selected", ["1", "0", "1"]),
        ("Include in campaign", ["no", "no", "no"]),
        ("arm", ["mail", "control", "mail"]),
        ("Arm", ["mail", "", "mail"]),
        ("Change", ["in", "out", "in"]),
        ("+/-", ["+", "-", "+"]),
        ("Teilnahme", ["ja", "nein", "ja"]),
        ("Comment", ["", "skip this one", ""]),
        ("Utgår", ["", "x", ""]),
    ],
)
def test_selection_columns(write_list, name, values):
    "A column that states which rows are part of the list is rejected, unless the id column is chosen."
    path = write_list(name, values)

    for snapshot in (None, sample_snapshot()):
        with pytest.raises(ListError) as caught:
            read_list(path, snapshot=snapshot)
        assert repr(name) in str(caught.value) or "no name" in str(caught.value)
        assert repr(values[1])[1:-1] in str(caught.value) or "no value" in str(caught.value)
        assert "column='customer_uid'" in str(caught.value)
        assert len(read_list(path, "customer_uid", snapshot=snapshot)) == 3
        assert len(read_listed_ids(path, snapshot=snapshot, allows_several_groups=True).ids) == 3


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("handling", ["legg til"] * 3),
        ("arm", ["mail"] * 3),
        ("Nyhetsbrev", ["ja", "nei", "ja"]),
        ("has_email", ["True", "False", "True"]),
        ("Consent", ["yes", "no", ""]),
        ("VIP", ["x", "", "x"]),
        ("Status", ["active", "deleted", "active"]),
        ("Status", ["1", "0", "1"]),
        ("Active", ["yes", "no", "yes"]),
        ("Medlem", ["ja", "nei", "ja"]),
        ("Valgt", ["x", "x", "x"]),
        ("Valgt butikk", ["Oslo", "Bergen", "Oslo"]),
        ("Include", ["Oslo", "", "Oslo"]),
        ("Slettet", ["nei", "", "0"]),
        ("Action", ["call", "email", "call"]),
        ("Merknad", ["Ikke hjemme", "fjernet hund", "medlem"]),
        ("Kjønn", ["K", "M", "K"]),
        ("Rabatt", ["-", "", "-"]),
    ],
)
def test_attribute_columns(write_list, name, values):
    "Columns with attributes of the customers are accepted, also if their values are yes and no."
    assert len(read_list(write_list(name, values), snapshot=sample_snapshot())) == 3
