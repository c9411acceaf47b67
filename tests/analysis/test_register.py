"""A register of one's own: what is read from CSV and Excel, what is refused, and whose group a row is."""

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
def csv(tmp_path):
    """Write these lines to a CSV file and return its path."""

    def write(*lines):
        path = tmp_path / "register.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def workbook(tmp_path):
    """Write these rows to a workbook and return its path."""

    def write(*rows):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "register.xlsx")
        return tmp_path / "register.xlsx"

    return write


def register_of(**columns):
    """A register as one makes it by hand."""
    return pd.DataFrame(columns)


# The file


@pytest.mark.parametrize("key", ["customer_group_uid", "group"])
def test_all_columns_are_always_there(csv, key):
    "The known columns follow the group in one order and fixed dtypes, whatever the file has; others come last."
    register = read_register(csv(f"ticket;{key};Owner", "0150;vip;Marketing", ";0700;"))

    assert register.dtypes.astype(str).to_dict() == {key: "str", **COLUMNS, "ticket": "str"}
    assert list(register.columns) == [key, *COLUMNS, "ticket"]
    assert list(register[key]) == ["vip", "0700"]
    assert register["ticket"].tolist()[0] == "0150"
    assert register.isna().loc[1, ["owner", "ticket", "valid_to", "discount_percent", "max_removals"]].all()
    assert register["protected"].tolist() == [False, False]


def test_a_register_of_a_header_alone_has_no_row(csv):
    "No row is not an error, and the columns are the same."
    register = read_register(csv("group;owner"))

    assert len(register) == 0
    assert register.dtypes.astype(str).to_dict() == {"group": "str", **COLUMNS}


def test_values_are_read_as_people_write_them(csv):
    "Decimal commas, per cent signs, yes in several languages, and headers however they are spelled."
    register = read_register(
        csv(
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


def test_a_workbook_keeps_its_numbers_dates_and_checks(workbook):
    "Cells that are numbers, dates and TRUE are read as what they are."
    register = read_register(
        workbook(
            ["group", "discount_percent", "valid_to", "protected", "max_removals"],
            ["vip", 12.5, datetime(2026, 12, 31), True, 20],
        )
    )

    row = register.iloc[0]
    assert (row["discount_percent"], row["protected"], row["max_removals"]) == (12.5, True, 20)
    assert row["valid_to"] == pd.Timestamp("2026-12-31", tz="UTC")


def test_the_uid_goes_before_the_name(csv):
    "With both columns the uid is the group, and the other is kept as it is."
    register = read_register(csv("group;customer_group_uid", "VIP;vip"))

    assert list(register.columns[:1]) == ["customer_group_uid"]
    assert register["group"].tolist() == ["VIP"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("group;discount_percent", "a;10", "b;ten"), "row 3, column discount_percent: 'ten' .* such as 10 or 12,5"),
        (("group;discount_percent", "a;0.1"), "row 2, column discount_percent: '0.1'"),
        (("group;discount_percent", "a;101"), "'101'"),
        (("group;discount_percent", "a;nan"), "'nan'"),
        (("group;valid_to", "a;31.12.2026"), "row 2, column valid_to: '31.12.2026' .* such as 2026-11-30"),
        (("group;valid_to", "a;2026-02-30"), "'2026-02-30'"),
        (("group;valid_from;valid_to", "a;2026-12-31;2026-01-01"), "row 2, column valid_to: 2026-01-01 is before"),
        (("group;protected", "a;maybe"), "row 2, column protected: 'maybe' .* Write yes or no"),
        (("group;max_removals", "a;-1"), "column max_removals: '-1' .* whole number"),
        (("group;max_additions", "a;2,5"), "column max_additions: '2,5'"),
        (("group;owner", "a;x", ";y"), "row 3, column group: blank"),
        (("group;owner", "a;x", "b;y", "a;z"), "rows 2 and 4: both are of 'a'"),
        (("group;owner", "150.0;x"), r"row 2 \(150.0\)"),
        (("group;campaign_uid", "a;1,5E+15"), "Digits or leading zeros may be lost"),
        (("uid;owner", "a;x"), "names no group: write a column customer_group_uid"),
        (("group;Owner;owner", "a;x;y"), "two columns for owner: 'Owner' and 'owner'"),
        (("group;;owner", "a;x;y"), "column 2 is filled but has no header"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(csv, lines, words):
    "The error names the file, row, column and value, and what to write."
    with pytest.raises(ListError, match=words) as caught:
        read_register(csv(*lines))

    assert "register.csv" in str(caught.value)


def test_a_refused_value_shows_no_contact_data(csv):
    "An address in a wrong column is masked."
    with pytest.raises(ListError) as caught:
        read_register(csv("group;valid_to", "a;kari@example.org"))

    assert "example.org" not in str(caught.value)


def test_numbers_for_uids_in_a_workbook_are_refused(workbook):
    "A group that is a number cell has lost its leading zeros."
    with pytest.raises(ListError, match="a number"):
        read_register(workbook(["group", "owner"], [150, "x"]))


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 100))
def test_what_is_written_is_read_again(tmp_path_factory, day, percent):
    "A day and a percentage come back as they were."
    path = tmp_path_factory.mktemp("r") / "register.csv"
    path.write_text(f"group,valid_to,discount_percent\na,{day},{percent}\n")

    row = read_register(path).iloc[0]

    assert row["valid_to"].date() == day
    assert row["discount_percent"] == percent


# Whose row it is


def test_a_group_is_found_by_uid_or_else_by_unique_name():
    "A uid goes before a name that is the same; what nobody answers to is missing."
    rows = match_register(register_of(group=["VIP", "Staff", "gone"]), NAMES)

    assert rows["customer_group_uid"].tolist()[:2] == ["vip", "Staff"]
    assert rows["customer_group_uid"].isna().tolist() == [False, False, True]
    assert rows["group"].tolist() == ["VIP", "Staff", "gone"]


def test_a_column_of_uids_holds_no_names():
    "Under customer_group_uid a name is a group that is not there."
    rows = match_register(register_of(customer_group_uid=["VIP", "vip"]), NAMES)

    assert rows["customer_group_uid"].isna().tolist() == [True, False]


def test_a_register_made_by_hand_is_brought_into_form():
    "Missing columns are added, and the given table stays as it was."
    mine = register_of(group=["vip"], discount_percent=[10], valid_to=["2026-12-31"])
    before = mine.copy(deep=True)

    rows = match_register(mine, NAMES)

    assert rows.dtypes.astype(str).to_dict() == {"customer_group_uid": "str", "group": "str", **COLUMNS}
    pd.testing.assert_frame_equal(mine, before)


@pytest.mark.parametrize(
    ("register", "error", "words"),
    [
        (register_of(group=["Kampanje"]), GroupNotFoundError, "2 groups have that name: k1, k2. Write the uid"),
        (register_of(group=["VIP", "vip"]), InputError, "2 rows of the group 'vip': 'VIP' and 'vip'"),
        (register_of(owner=["x"]), InputError, "needs a column 'customer_group_uid'"),
        (register_of(group=[150]), InputError, "leading zeros may be lost"),
        (register_of(group=["vip"], protected=["maybe"]), InputError, "protected"),
        ("register.csv", InputError, r"fg\.read_register"),
    ],
)
def test_what_is_no_register_is_refused(register, error, words):
    "The error says what came and what to write."
    with pytest.raises(error, match=words):
        match_register(register, NAMES)


@pytest.mark.parametrize(
    ("moment", "over", "started"),
    [
        ("2026-01-09T23:59:59Z", False, False),
        ("2026-01-10T00:00Z", False, True),
        ("2026-01-20T23:59:59Z", False, True),
        ("2026-01-21T00:00Z", True, True),
    ],
)
def test_the_first_and_the_last_day_count(moment, over, started):
    "A row counts from the start of its first day to the end of its last, in UTC."
    rows = match_register(register_of(group=["vip"], valid_from=["2026-01-10"], valid_to=["2026-01-20"]), NAMES)

    assert has_ended(rows, datetime.fromisoformat(moment)).tolist() == [over]
    assert has_started(rows, datetime.fromisoformat(moment)).tolist() == [started]


def test_a_row_without_days_always_counts():
    "Nothing written is no first day and no last one."
    rows = match_register(register_of(group=["vip"]), NAMES)

    assert not has_ended(rows, datetime.now(UTC)).any()
    assert has_started(rows, datetime.now(UTC)).all()


# Its limits


def test_protection_and_numbers_become_limits_of_the_group():
    "protected is none in and none out; max_removals is the number, whatever share that is; blank is the plan's own."
    register = register_of(
        group=["vip", "k1", "k2", "s"], protected=[True, False, False, False], max_removals=[5, 7, None, None],
        max_additions=[None, None, 9, None],
    )  # fmt: skip
    limits = Limits(removals_total=50)

    made = register_limits(limits, match_register(register, NAMES))

    assert made.of("vip").removals_allowed(1000) == 0 and made.of("vip").additions_per_group == 0
    assert made.of("k1").removals_allowed(10) == 7 and made.of("k1").additions_per_group == 1000
    assert made.of("k2").removals_allowed(1000) == 100 and made.of("k2").additions_per_group == 9
    assert made.of("s") is made and made.removals_total == 50


def test_a_uid_in_the_limits_goes_before_the_register_and_a_pattern_after():
    "What names the group exactly counts; of a pattern the rest is kept."
    limits = Limits(per_group={"vip": Limits(additions_per_group=3), "k*": Limits(additions_per_group=4)})
    register = register_of(group=["vip", "k1"], protected=[True, False], max_removals=[None, 2])

    made = register_limits(limits, match_register(register, NAMES))

    assert made.of("vip").additions_per_group == 3
    assert (made.of("k1").additions_per_group, made.of("k1").removals_allowed(1000)) == (4, 2)
    assert made.of("k2").additions_per_group == 4


def test_the_sample_register_is_of_the_sandbox():
    "Its groups are those of the local tenant, but for one that is gone, as happens."
    register = read_register(Path(__file__).parents[2] / "data" / "sample" / "register.csv")
    from frgroups.sandbox.fake_tenant import BASE

    known = {uid for uid, _, _ in BASE[:40]} | {name for _, name, _ in BASE[:40]}

    assert [group for group in register["group"] if group not in known] == ["summer_2019"]
