"""Tests for reading a group register and for matching its rows to groups."""

from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.register import has_ended, has_started, match_register, read_register
from frgroups.errors import GroupNotFoundError, InputError, ListError
from frgroups.plan.limits import Limits, register_limits

COLUMNS = {
    "owner": "str",
    "purpose": "str",
    "campaign_uid": "str",
    "discount_percent": "float64",
    "valid_from": "datetime64[us, UTC]",
    "valid_to": "datetime64[us, UTC]",
    "exclusive_set": "str",
    "protected": "bool",
    "expected_type": "str",
    "max_removals": "Int64",
    "max_additions": "Int64",
}
NAMES = {"vip": "VIP", "k1": "Kampanje", "k2": "Kampanje", "Staff": "All", "s": "Staff"}


@pytest.fixture
def write_csv(tmp_path):
    """Return a function that writes lines to a CSV file and returns the path of the file."""

    def write(*lines):
        path = tmp_path / "register.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def write_workbook(tmp_path):
    """Return a function that writes rows to an Excel workbook and returns the path of the file."""

    def write(*rows):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "register.xlsx")
        return tmp_path / "register.xlsx"

    return write


def create_register(**columns):
    """Return a group register with the given columns."""
    return pd.DataFrame(columns)


# Files


@pytest.mark.parametrize("key", ["customer_group_uid", "group"])
def test_columns_and_dtypes(write_csv, key):
    "The known columns of a register have a fixed order and dtype, and are followed by all other columns."
    register = read_register(write_csv(f"ticket;{key};Owner", "0150;vip;Marketing", ";0700;"))

    assert register.dtypes.astype(str).to_dict() == {key: "str", **COLUMNS, "ticket": "str"}
    assert list(register.columns) == [key, *COLUMNS, "ticket"]
    assert list(register[key]) == ["vip", "0700"]
    assert register["ticket"].tolist()[0] == "0150"
    assert register.isna().loc[1, ["owner", "ticket", "valid_to", "discount_percent", "max_removals"]].all()
    assert register["protected"].tolist() == [False, False]


def test_register_without_rows(write_csv):
    "If a file contains only column names, the register is empty and has the same columns."
    register = read_register(write_csv("group;owner"))

    assert len(register) == 0
    assert register.dtypes.astype(str).to_dict() == {"group": "str", **COLUMNS}


def test_value_formats(write_csv):
    """Decimal commas, percent signs, "yes" in several languages, and other spellings of column names are accepted."""
    register = read_register(
        write_csv(
            "Group;Discount Percent;Valid-From;valid to;PROTECTED;expectedType;Max removals;max_additions",
            "a;12,5;2026-01-01;2026-12-31;Ja;person;0;50",
            "b;10 %;;;no;b2b / company;;",
            "c;0;;;x;;;",
        )
    )

    assert register["discount_percent"].tolist() == [12.5, 10.0, 0.0]
    assert register["valid_from"].tolist()[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert register["valid_to"].tolist()[0] == pd.Timestamp("2026-12-31", tz="UTC")
    assert register["protected"].tolist() == [True, False, True]
    assert register["expected_type"].tolist()[:2] == ["PERSON", "B2B|COMPANY"]
    assert register["max_removals"].tolist()[0] == 0 and register["max_additions"].tolist()[0] == 50


def test_workbook_values(write_workbook):
    "Numbers, dates, and booleans are read from the cells of an Excel workbook."
    register = read_register(
        write_workbook(
            ["group", "discount_percent", "valid_to", "protected", "max_removals"],
            ["vip", 12.5, datetime(2026, 12, 31), True, 20],
        )
    )

    row = register.iloc[0]
    assert (row["discount_percent"], row["protected"], row["max_removals"]) == (12.5, True, 20)
    assert row["valid_to"] == pd.Timestamp("2026-12-31", tz="UTC")


def test_uid_column_first(write_csv):
    "If a file has the columns customer_group_uid and group, the former identifies the group."
    register = read_register(write_csv("group;customer_group_uid", "VIP;vip"))

    assert list(register.columns[:1]) == ["customer_group_uid"]
    assert register["group"].tolist() == ["VIP"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("group;discount_percent", "a;10", "b;ten"), ["row 3", "discount_percent", "'ten'"]),
        (("group;discount_percent", "a;0.1"), ["row 2", "discount_percent", "'0.1'"]),
        (("group;discount_percent", "a;101"), ["'101'"]),
        (("group;discount_percent", "a;nan"), ["'nan'"]),
        (("group;valid_to", "a;31.12.2026"), ["row 2", "valid_to", "'31.12.2026'"]),
        (("group;valid_to", "a;2026-02-30"), ["'2026-02-30'"]),
        (("group;valid_from;valid_to", "a;2026-12-31;2026-01-01"), ["row 2", "valid_to", "2026-01-01", "2026-12-31"]),
        (("group;protected", "a;maybe"), ["row 2", "protected", "'maybe'"]),
        (("group;max_removals", "a;-1"), ["max_removals", "'-1'"]),
        (("group;max_additions", "a;2,5"), ["max_additions", "'2,5'"]),
        (("group;owner", "a;x", ";y"), ["row 3", "group"]),
        (("group;owner", "a;x", "b;y", "a;z"), ["2", "4", "'a'"]),
        (("group;owner", "150.0;x"), ["row 2", "150.0"]),
        (("group;campaign_uid", "a;1,5E+15"), ["row 2", "1,5E+15"]),
        (("uid;owner", "a;x"), ["customer_group_uid", "'uid'"]),
        (("group;Owner;owner", "a;x;y"), ["'Owner'", "'owner'"]),
        (("group;;owner", "a;x;y"), ["column 2"]),
    ],
)
def test_invalid_values(write_csv, lines, words):
    "The error for an invalid value in a register contains the file, the row, the column, and the value."
    with pytest.raises(ListError) as caught:
        read_register(write_csv(*lines))

    message = str(caught.value).replace("Row", "row").replace("Column", "column")
    assert all(word in message for word in ["register.csv", *words])


def test_error_masks_contact_data(write_csv):
    "If an invalid value contains an email address, the address is masked in the error."
    with pytest.raises(ListError) as caught:
        read_register(write_csv("group;valid_to", "a;kari@example.org"))

    assert "example.org" not in str(caught.value)


def test_workbook_numeric_uid(write_workbook):
    "If a workbook stores a uid as a number, it is rejected, because leading zeros have been lost."
    with pytest.raises(ListError, match="150"):
        read_register(write_workbook(["group", "owner"], [150, "x"]))


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 100))
def test_round_trip(tmp_path_factory, day, percent):
    "Dates and percentages that are written to a register are read with the same values."
    path = tmp_path_factory.mktemp("r") / "register.csv"
    path.write_text(f"group,valid_to,discount_percent\na,{day},{percent}\n")

    row = read_register(path).iloc[0]

    assert row["valid_to"].date() == day
    assert row["discount_percent"] == percent


# Matching


def test_match_by_uid_or_name():
    "If a register entry is both a uid and a name, the uid has priority. An unknown group has no uid in the result."
    rows = match_register(create_register(group=["VIP", "Staff", "gone"]), NAMES)

    assert rows["customer_group_uid"].tolist()[:2] == ["vip", "Staff"]
    assert rows["customer_group_uid"].isna().tolist() == [False, False, True]
    assert rows["group"].tolist() == ["VIP", "Staff", "gone"]


def test_uid_column_is_not_matched_by_name():
    "The values in the column customer_group_uid are not compared with group names."
    rows = match_register(create_register(customer_group_uid=["VIP", "vip"]), NAMES)

    assert rows["customer_group_uid"].isna().tolist() == [True, False]


def test_missing_columns():
    "Missing columns are added to a copy of the register, so that the caller's table is not modified."
    register = create_register(group=["vip"], discount_percent=[10], valid_to=["2026-12-31"])
    before = register.copy(deep=True)

    rows = match_register(register, NAMES)

    assert rows.dtypes.astype(str).to_dict() == {"customer_group_uid": "str", "group": "str", **COLUMNS}
    pd.testing.assert_frame_equal(register, before)


@pytest.mark.parametrize(
    ("register", "error", "words"),
    [
        (create_register(group=["Kampanje"]), GroupNotFoundError, ["'Kampanje'", "k1", "k2"]),
        (create_register(group=["VIP", "vip"]), InputError, ["2 rows", "'VIP'", "'vip'"]),
        (create_register(owner=["x"]), InputError, ["customer_group_uid", "'owner'"]),
        (create_register(group=[150]), InputError, ["'group'", "`register`", "int"]),
        (create_register(group=["vip"], protected=["maybe"]), InputError, ["protected"]),
        ("register.csv", InputError, ["register", "str"]),
    ],
)
def test_invalid_register(register, error, words):
    "The error for an invalid register contains the group, the column, or the type."
    with pytest.raises(error) as caught:
        match_register(register, NAMES)

    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("time", "ended", "started"),
    [
        ("2026-01-09T23:59:59Z", False, False),
        ("2026-01-10T00:00Z", False, True),
        ("2026-01-20T23:59:59Z", False, True),
        ("2026-01-21T00:00Z", True, True),
    ],
)
def test_validity_period(time, ended, started):
    "A register row is valid from the start of its first day to the end of its last day in UTC."
    rows = match_register(create_register(group=["vip"], valid_from=["2026-01-10"], valid_to=["2026-01-20"]), NAMES)

    assert has_ended(rows, datetime.fromisoformat(time)).tolist() == [ended]
    assert has_started(rows, datetime.fromisoformat(time)).tolist() == [started]


def test_row_without_dates():
    "A register row without dates is always valid."
    rows = match_register(create_register(group=["vip"]), NAMES)

    assert not has_ended(rows, datetime.now(UTC)).any()
    assert has_started(rows, datetime.now(UTC)).all()


def test_channels(write_csv):
    "The optional column `channel` contains one or both channels, in any order and case."
    register = read_register(write_csv("group;Channel\na;Mobile|EMAIL\nb;email\nc;"))

    assert register["channel"].fillna("").tolist() == ["email|mobile", "email", ""]
    with pytest.raises(ListError, match=r"row 2.*'fax'"):
        read_register(write_csv("group;channel\na;fax"))


# Limits


def test_register_limits():
    "Protected groups allow no changes, and maximums in the register replace the limits of the plan."
    register = create_register(
        group=["vip", "k1", "k2", "s"], protected=[True, False, False, False], max_removals=[5, 7, None, None],
        max_additions=[None, None, 9, None],
    )  # fmt: skip
    limits = Limits(removals_total=50)

    merged = register_limits(limits, match_register(register, NAMES))

    assert merged.of("vip").removals_allowed(1000) == 0 and merged.of("vip").additions_per_group == 0
    assert merged.of("k1").removals_allowed(10) == 7 and merged.of("k1").additions_per_group == 1000
    assert merged.of("k2").removals_allowed(1000) == 100 and merged.of("k2").additions_per_group == 9
    assert merged.of("s") is merged and merged.removals_total == 50


def test_limits_priority():
    "A limit for a uid has priority over the register, and the register has priority over a limit for a pattern."
    limits = Limits(per_group={"vip": Limits(additions_per_group=3), "k*": Limits(additions_per_group=4)})
    register = create_register(group=["vip", "k1"], protected=[True, False], max_removals=[None, 2])

    merged = register_limits(limits, match_register(register, NAMES))

    assert merged.of("vip").additions_per_group == 3
    assert (merged.of("k1").additions_per_group, merged.of("k1").removals_allowed(1000)) == (4, 2)
    assert merged.of("k2").additions_per_group == 4


def test_sample_register():
    "All groups in the sample register, except one, exist in the sandbox."
    register = read_register(Path(__file__).parents[2] / "data" / "sample" / "register.csv")
    from frgroups.sandbox.fake_tenant import BASE

    known = {uid for uid, _, _ in BASE[:40]} | {name for _, name, _ in BASE[:40]}

    assert [group for group in register["group"] if group not in known] == ["summer_2019"]
