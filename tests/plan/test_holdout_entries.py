"""Tests for the conversion of a split to entries of the suppression list."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError

COLUMNS = ["customer_uid", "customer_group_uid", "until", "source"]
UNTIL = "2099-12-31"


def split_of(**arms):
    """Return a split with the given arm of each customer."""
    return pd.DataFrame({"customer_uid": list(arms), "arm": list(arms.values())}, dtype="str")


@given(
    arms=st.dictionaries(st.sampled_from([f"c-{n}" for n in range(1, 30)]), st.sampled_from(["mail", "control"])),
    held_out=st.lists(st.sampled_from(["vip", "staff"]), min_size=1, max_size=3),
)
def test_round_trip(arms, held_out):
    "Entries that are written to the suppression list hold out exactly the control arm, from exactly the groups."
    snapshot = fg.sample_snapshot()
    path = fg.suppression_list_path(snapshot)
    path.parent.mkdir(parents=True, exist_ok=True)
    arms["c-30"] = "control"

    fg.holdout_entries(split_of(**arms), held_out, until=UNTIL).to_csv(path, index=False)
    plan = fg.plan_memberships(snapshot, {"vip": list(arms), "staff": list(arms)})
    path.unlink()

    added = {uid: set(plan.preview()[uid]) & arms.keys() for uid in ("vip", "staff")}
    for uid in ("vip", "staff"):
        members = set(snapshot[uid]) & arms.keys()
        mailed = {customer for customer, arm in arms.items() if arm == "mail" or uid not in held_out}
        assert added[uid] == mailed | members
    assert {item.customer_group_uid for item in plan.findings if item.rule == "holdout"} <= set(held_out)


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (UNTIL, UNTIL),
        (date(2099, 12, 31), UNTIL),
        (pd.Timestamp("2099-12-31"), UNTIL),
        (datetime(2099, 12, 31, 12, 30), "2099-12-31T12:30:00+00:00"),
        ("2099-12-31 12:30+02:00", "2099-12-31T10:30:00+00:00"),
    ],
)
def test_until(until, text):
    "The end can be a date, a timestamp, or a string."
    entries = fg.holdout_entries(split_of(a="control", b="mail", c="control"), ["vip", "staff"], until=until)

    assert entries.values.tolist() == [
        [uid, group, text, "holdout"] for uid in ("a", "c") for group in ("vip", "staff")
    ]
    assert list(entries.columns) == COLUMNS and set(entries.dtypes) == {pd.Series(dtype="str").dtype}


def test_until_today():
    "The current day is a valid end, because it includes the whole day."
    today = datetime.now(UTC).date()

    assert len(fg.holdout_entries(split_of(a="control"), ["vip"], until=today)) == 1


def test_categorical_split():
    "An arm can be a category, customers without an arm are left out, and another arm than control can be selected."
    split = split_of(a="mail", b="control", c="mail", d="x").replace({"arm": {"x": None}}).astype({"arm": "category"})

    assert list(fg.holdout_entries(split, ["vip"], until=UNTIL, arm="mail")["customer_uid"]) == ["a", "c"]


def test_planned_control():
    "By default, the customers of the planned control are held out, whatever its name is."
    split = fg.split_customers(["a", "b", "c", "d"], {"mail": 0.5, "none": 0.5}, seed=1, control="none", exact=True)

    entries = fg.holdout_entries(split, ["vip"], until=UNTIL)

    assert list(entries["customer_uid"]) == list(split.loc[split["arm"] == "none", "customer_uid"])


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"split": {"a": "control"}}, ["`split`", "dict"]),
        ({"split": pd.DataFrame({"customer_uid": ["a"]})}, ["`split`", "'arm'"]),
        ({"split": pd.DataFrame({"customer_uid": ["a"], "arm": [None]})}, ["`split`"]),
        ({"split": pd.DataFrame({"customer_uid": ["a", "a"], "arm": ["mail", "control"]})}, ["`split`", "'a'"]),
        ({"arm": "controls"}, ["`arm`", "'control'", "'mail'", "'controls'"]),
        ({"groups": []}, ["`groups`"]),
        ({"groups": "vip"}, ["`groups`", "'vip'"]),
        ({"groups": ["All members"]}, ["'All members'"]),
        ({"groups": [7]}, ["customer group uid", "7"]),
        ({"until": "31.12.2099"}, ["`until`", "31.12.2099"]),
        ({"until": None}, ["`until`", "None"]),
        ({"until": datetime.now(UTC) - timedelta(minutes=1)}, ["`until`", "passed"]),
        ({"until": "2026-01-01"}, ["`until`", "2026-01-01"]),
    ],
)
def test_invalid_arguments(options, parts):
    "Invalid arguments raise InputError, which contains the argument and the value."
    arguments = {"split": split_of(a="control", b="mail"), "groups": ["vip"], "until": UNTIL} | options

    with pytest.raises(InputError) as error:
        fg.holdout_entries(arguments.pop("split"), arguments.pop("groups"), **arguments)

    assert all(part in str(error.value) for part in parts)
