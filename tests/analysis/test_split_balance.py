"""Tests for split_balance."""

import re

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest

import frgroups as fg
from frgroups.errors import InputError

SHARES = {"mail": 0.8, "control": 0.2}
UIDS = [f"c-{number}" for number in range(1000)]
SPLIT = fg.split_customers(UIDS, SHARES, seed="s", exact=True)
CUSTOMERS = pd.DataFrame(
    {
        "customer_uid": UIDS,
        "country_code": ["NO", "SE", "SE", "DK"] * 250,
        "credit_limit": np.arange(1000) % 7,
        "has_email": np.arange(1000) % 3 > 0,
        "created_at": pd.date_range("2026-01-01", periods=1000, tz="UTC"),
        "email": "kari@example.org",
    }
)


def rows_of(balance, attribute):
    """Return the rows of an attribute, with the value as index."""
    return balance[balance["attribute"] == attribute].set_index("value")


def test_sample_ratio():
    "The first rows compare the sizes of all arms with the planned shares."
    balance = fg.split_balance(SPLIT)

    assert list(balance["attribute"]) == ["(sample ratio)"] * 2
    assert balance["arm"].tolist() == ["control", "mail"] and balance["n"].tolist() == [200, 800]
    assert balance["share"].tolist() == balance["share_planned"].tolist() == [0.2, 0.8]
    assert balance["p_value"].tolist() == balance["q_value"].tolist() == [1.0, 1.0]


def test_lost_customers():
    "If customers were removed from an arm, the p-value of the sample-ratio test is small."
    lost = SPLIT[(SPLIT["arm"] == "mail") | (np.arange(1000) % 3 == 0)]

    balance = fg.split_balance(lost)

    assert (balance["p_value"] < 1e-6).all() and balance["effect_size"].abs().min() > 0.2


def test_random_split():
    "In a random split, all effect sizes are small and no q-value is small."
    balance = fg.split_balance(SPLIT, CUSTOMERS)

    assert balance["effect_size"].abs().max() < 0.2 and balance["q_value"].min() > 0.05
    assert set(balance["attribute"]) == {
        *("(sample ratio)", "country_code", "credit_limit", "has_email", "days_since_created_at")
    }


def test_counts():
    "Counts and shares of values are those of pandas."
    balance = rows_of(fg.split_balance(SPLIT, CUSTOMERS), "country_code")

    merged = SPLIT.merge(CUSTOMERS)
    expected = pd.crosstab(merged["country_code"], merged["arm"])
    assert balance["n"].to_dict() == expected["mail"].to_dict()
    assert balance["n_control"].to_dict() == expected["control"].to_dict()
    assert balance["share_control"].to_dict() == (expected["control"] / 200).to_dict()
    assert balance.index[0] == "SE"


def test_means():
    "Numbers are compared by their means."
    row = rows_of(fg.split_balance(SPLIT, CUSTOMERS), "credit_limit").loc["(number)"]

    means = SPLIT.merge(CUSTOMERS).groupby("arm")["credit_limit"].mean()
    assert (row["mean"], row["mean_control"]) == (means["mail"], means["control"])
    assert np.sign(row["effect_size"]) == np.sign(means["mail"] - means["control"])


def test_unequal_arms():
    "If the arms differ in an attribute, only its effect sizes are large."
    customers = CUSTOMERS.assign(
        credit_limit=np.where(SPLIT.set_index("customer_uid").loc[UIDS, "arm"] == "mail", 5, 1)
    )
    customers.loc[0, "credit_limit"] = 2

    balance = fg.split_balance(SPLIT, customers)

    assert set(balance["attribute"][balance["q_value"] < 0.001]) == {"credit_limit"}


def test_missing_values():
    "Customers without a row in the table, or with a missing value, are counted as missing."
    customers = CUSTOMERS.assign(credit_limit=CUSTOMERS["credit_limit"].where(CUSTOMERS.index % 2 == 0))[:900]

    balance = fg.split_balance(SPLIT, customers)

    for attribute, n_missing in (("credit_limit", 550), ("country_code", 100), ("has_email", 100)):
        row = rows_of(balance, attribute).loc["(missing)"]
        assert row["n"] + row["n_control"] == n_missing


def test_top():
    "Rare values are combined, and None shows all values."
    customers = CUSTOMERS[["customer_uid"]].assign(store=[f"s-{n % 40}" for n in range(1000)])

    short, complete = (rows_of(fg.split_balance(SPLIT, customers, top=top), "store") for top in (3, None))

    assert list(short.index)[-1] == "(other)" and len(short) == 4 and len(complete) == 40
    assert short["n"].sum() == complete["n"].sum() == 800


def test_several_arms():
    "Each arm is compared with the control."
    split = fg.split_customers(UIDS, {"a": 0.4, "b": 0.4, "none": 0.2}, seed="s", control="none")

    balance = fg.split_balance(split, CUSTOMERS[["customer_uid", "has_email"]])

    assert list(rows_of(balance, "has_email")["arm"]) == ["a", "b"] and set(rows_of(balance, "has_email").index) == {
        "yes"
    }


def test_without_attrs():
    "If the attrs were lost, the shares and the control must be passed."
    plain = pd.DataFrame(SPLIT.to_dict("list"))

    with pytest.raises(InputError, match=r"attrs.*shares="):
        fg.split_balance(plain, CUSTOMERS)
    pdt.assert_frame_equal(fg.split_balance(plain, CUSTOMERS, shares=SHARES), fg.split_balance(SPLIT, CUSTOMERS))
    with pytest.raises(InputError, match="`control`"):
        fg.split_balance(plain, shares={"mail": 0.8, "none": 0.2})


def test_empty_split():
    "The table of an empty split has the same columns and dtypes, and counts no customers."
    empty = fg.split_balance(fg.split_customers([], SHARES, seed="s"), CUSTOMERS)

    assert empty["n"].sum() == 0 and empty["p_value"].isna().all()
    pdt.assert_series_equal(empty.dtypes, fg.split_balance(SPLIT, CUSTOMERS).dtypes)


def test_columns_are_documented():
    "The docstring describes each column."
    returned = fg.split_balance.__doc__.partition("Returns\n")[2]
    assert [name for name in fg.split_balance(SPLIT) if not re.search(rf"- [^(]*\b{name}\b", returned)] == []


@pytest.mark.parametrize(
    ("split", "arguments", "fact"),
    [
        (SPLIT.drop(columns="arm"), {}, "'arm'"),
        (pd.concat([SPLIT, SPLIT[:2]]), {}, "2 of 1,002 rows repeat a uid"),
        (SPLIT, {"shares": {"sms": 0.8, "control": 0.2}}, "'mail'"),
        (SPLIT, {"shares": {"mail": 0.8, "control": 0.1}}, "sum to 1"),
        (SPLIT, {"top": 0}, "`top`"),
        (SPLIT, {"attributes": pd.DataFrame({"customer_uid": ["x"], "a": [1]})}, "none of them"),
        (SPLIT, {"attributes": ["country_code"]}, "`attributes` must be a DataFrame"),
        ([("c-1", "mail")], {}, "`split` must be a DataFrame"),
    ],
)
def test_invalid_arguments(split, arguments, fact):
    "Invalid splits, shares, and attributes are rejected."
    with pytest.raises(InputError, match=fact):
        fg.split_balance(split, **arguments)


def test_show():
    "The displayed table starts with the sample-ratio test, including its p-value."
    shown = fg.show(fg.split_balance(SPLIT, CUSTOMERS))

    columns = {column.header: column.cells for column in shown.formatted.columns}
    assert columns["attribute"][:2] == ("(sample ratio)", "(sample ratio)") and columns["q_value"][0] == "1.000"
