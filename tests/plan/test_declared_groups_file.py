"""Tests for reading declared groups from a TOML file."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError
from frgroups.internals.toml_files import read_toml, toml_key, toml_string
from frgroups.plan.declared_group import DeclaredGroup

FILE = """\
[groups.vip]
expression = "loyalty - staff"
mode = "mirror"
owner = "CRM"
valid_to = 2027-06-30
allow_empty = true

[groups."Black Week 😀 \\"2027\\""]
list = "lists/black_week.xlsx"
sheet = "Customers"
column = "Kundenr."
header_row = 2
ids = "external_id"
mode = "add"

[groups.vip.limits]
removals_per_group = 7
removal_share = "none"

[groups.tier_1]
rule = "n_groups > 1"
mode = "keep_only"
priority = 10
exclusive_set = "tiers"
create = "Tier 1"
"""


def write(folder, text):
    """Write a file with declared groups and return its path."""
    path = folder / "groups.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_read_declared_groups(tmp_path):
    "Each key in the file is an attribute of the declaration. The groups are in the order of the file."
    declared = fg.read_declared_groups(write(tmp_path, FILE))

    assert declared.path == tmp_path / "groups.toml"
    assert declared.groups == (
        DeclaredGroup(
            group="vip",
            mode="mirror",
            source="expression",
            customers="loyalty - staff",
            owner="CRM",
            valid_to=date(2027, 6, 30),
            allow_empty=True,
            limits={"removals_per_group": 7, "removal_share": None},
        ),
        DeclaredGroup(
            group='Black Week 😀 "2027"',
            mode="add",
            source="list",
            customers="lists/black_week.xlsx",
            sheet="Customers",
            column="Kundenr.",
            header_row=2,
            ids="external_id",
        ),
        DeclaredGroup(
            group="tier_1",
            mode="keep_only",
            source="rule",
            customers="n_groups > 1",
            priority=10,
            exclusive_set="tiers",
            create="Tier 1",
        ),
    )


def test_table(tmp_path):
    "The table of the declarations has one row per group and fixed dtypes."
    table = fg.read_declared_groups(write(tmp_path, FILE)).table()

    assert list(table["group"]) == ["vip", 'Black Week 😀 "2027"', "tier_1"]
    assert list(table["source"]) == ["expression", "list", "rule"]
    assert list(table["priority"].isna()) == [True, True, False]
    assert str(table["valid_to"].dtype) == "datetime64[us, UTC]"
    empty = fg.read_declared_groups(write(tmp_path, "[groups]")).table()
    assert len(empty) == 0 and empty.dtypes.equals(table.dtypes)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["declares no groups", "[groups.UID]"]),
        ("groups = 1", ["declares no groups"]),
        ('[vip]\nmode = "add"', ["`vip`", "[groups.vip]"]),
        ('[group.staff]\nmode = "add"', ["`group`", "[groups.staff]"]),
        ('mode = "add"\n[groups]', ["`mode`", "[groups.UID]"]),
        ("[groups]\nvip = 1", ["[groups.vip]", "table"]),
        ('[groups.vip]\nmode = "add"', ["[groups.vip]", "`expression`", "`rule`", "`list`", "none"]),
        ('[groups.vip]\nmode = "add"\nrule = "a > 1"\nlist = "a.csv"', ["[groups.vip]", "`rule` and `list`"]),
        ('[groups.vip]\nexpression = "a"', ["[groups.vip]", "`mode`", '"mirror"']),
        ('[groups.vip]\nexpression = "a"\nmode = "ad"', ["[groups.vip], `mode`", "'ad'", '"keep_only"']),
        ('[groups.vip]\nexpression = "a"\nmode = "add_only"', ["[groups.vip], `mode`", "'add'"]),
        (
            '[groups.vip]\nexpression = "a"\nmode = 1',
            ["[groups.vip], `mode`", "a text in quotes, got a whole number"],
        ),
        ('[groups.vip]\nexpression = " "\nmode = "add"', ["[groups.vip], `expression`"]),
        ('[groups.vip]\nexpression = "a"\nmodes = "add"', ["[groups.vip]", "`modes`", "'mode'?", "allow_empty"]),
        ('[groups.sport.no]\nmode = "add"', ["[groups.sport]", "`no`", "quotes"]),
        ('[groups."a b"]\nexpression = "a"\nmode = "add"\nfoo = 1', ['[groups."a b"]', "`foo`"]),
        ('[groups.vip]\nexpression = "a"\nmode = "add"\nallow_empty = "yes"', ["`allow_empty`", "true or false"]),
        ('[groups.vip]\nexpression = "a"\nmode = "add"\nvalid_to = "30.06.2027"', ["`valid_to`", "2027-06-30"]),
        (
            '[groups.vip]\nexpression = "a"\nmode = "add"\nvalid_to = 2027-06-30T12:00:00',
            ["`valid_to`", "a date such as 2027-06-30, got a date with a time"],
        ),
        ('[groups.vip]\nexpression = " "\nmode = "add"', ["`expression`", "blank"]),
        ('[groups.vip]\nexpression = "a"\nmode = "add"\npriority = 1.5', ["`priority`", "a whole number"]),
        ('[groups.vip]\nexpression = "a"\nmode = "add"\npriority = true', ["`priority`", "a whole number"]),
        ('[groups.vip]\nexpression = "a"\nmode = "remove"\npriority = 1', ["[groups.vip]", "`priority`", "'remove'"]),
        ('[groups.vip]\nexpression = "a"\nmode = "add"\nexclusive_set = "x"', ["`exclusive_set`", "`priority`"]),
        ('[groups.vip]\nexpression = "a"\nmode = "add"\ncolumn = "x"', ["`column`", "`list`"]),
        ('[groups.vip]\nlist = "a"\nmode = "add"\nids = "email"', ["`ids`", "email"]),
        ('[groups.vip]\nlist = "a"\nmode = "add"\nheader_row = 0', ["`header_row`"]),
        ('[groups.vip]\nlist = "a"\nmode = "add"\ncreate = "VIP"\n[groups.vip.limits]\nx = 1', ["`limits`", "`x`"]),
        ('[groups.vip]\nlist = "a"\nmode = "add"\nlimits = {removals_total = 1}', ["`removals_total`", "--limits"]),
        ('[groups.vip]\nlist = "a"\nmode = "add"\nlimits = {removal_share = 2}', ["`limits`", "got 2"]),
        ('[groups."a b"]\nlist = "a"\nmode = "add"\ncreate = "A"', ['[groups."a b"]', "`create`", "'a b'"]),
        ('[groups.a]\nlist = "a"\nmode = "remove"\ncreate = "A"', ["[groups.a]", "`create`", "'remove'"]),
        (
            '[groups.a]\nlist = "a"\nmode = "add"\npriority = 1\n[groups.b]\nlist = "b"\nmode = "add"\npriority = 1',
            ["[groups.b], `priority`", "'a' and 'b'", "1"],
        ),
        ('[groups.a]\nmode = "add"\nmode = "add"', ["TOML", "mode"]),
        ("[groups.a]\n[groups.a]", ["TOML", "groups.a"]),
    ],
)
def test_invalid_file(text, parts, tmp_path):
    "The error for an invalid file contains the path, the group, the key, and the value."
    path = write(tmp_path, text)

    with pytest.raises(InputError) as error:
        fg.read_declared_groups(path)

    for part in [str(path), *parts]:
        assert part in str(error.value)


def test_priorities_of_sets(tmp_path):
    "Groups of different sets can have the same priority."
    table = '[groups.{0}]\nlist = "a"\nmode = "add"\npriority = 1\n{1}\n'

    declared = fg.read_declared_groups(
        write(tmp_path, table.format("a", "") + table.format("b", 'exclusive_set = "x"'))
    )

    assert [group.exclusive_set for group in declared.groups] == [None, "x"]


@pytest.mark.parametrize("body", [None, b"\xff\xfe\x00"])
def test_unreadable_file(body, tmp_path):
    "A file that is missing or binary raises InputError, which contains the path."
    path = tmp_path / "groups.toml"
    if body is not None:
        path.write_bytes(body)

    with pytest.raises(InputError, match=re.escape(str(path))):
        fg.read_declared_groups(path)


@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3), text=st.text())
def test_toml_strings(names, text, tmp_path_factory):
    "A text or a key that is written to a TOML file is read unchanged."
    text = text.encode("utf-8", "replace").decode()
    path = tmp_path_factory.mktemp("toml") / "file.toml"
    path.write_text(f"{toml_key(*names)} = {toml_string(text)}\n", encoding="utf-8")

    content, _ = read_toml(path, "file")

    for name in names:
        content = content[name]
    assert content == text
