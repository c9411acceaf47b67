"""Tests for measure_lift."""

import re

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis.differences import newcombe_interval
from frgroups.errors import InputError, SampleRatioError

SHARES = {"mail": 0.8, "control": 0.2}
THREE = {"mail": 0.4, "sms": 0.4, "control": 0.2}
UIDS = [f"c-{number}" for number in range(500)]
SPLIT = fg.split_customers(UIDS, SHARES, seed="s", exact=True)
ARM = SPLIT.set_index("customer_uid")["arm"]
COLUMNS = {
    "arm": "str",
    "n": "int64",
    "n_missing": "int64",
    **dict.fromkeys(["rate", "mean", "difference", "ci_low", "ci_high", "p_value"], "float64"),
    **dict.fromkeys(["detectable_difference", "relative_difference", "incremental"], "float64"),
}
DIFFERENCES = [*list(COLUMNS)[5:]]


def outcomes_of(split, n_by_arm):
    """Return a Series in which the given number of customers in each arm have the outcome 1, and others have 0."""
    groups = split.groupby("arm")["customer_uid"]
    ones = [uid for arm, n in n_by_arm.items() for uid in list(groups.get_group(arm))[:n]]
    return pd.Series(split["customer_uid"].isin(ones).astype(int).to_numpy(), index=split["customer_uid"])


def amounts(seed=1):
    """Return random amounts, which are higher in the mailing."""
    values = np.random.default_rng(seed).gamma(2, 100, size=len(UIDS)) + 30 * (ARM == "mail").to_numpy()
    return pd.Series(values, index=ARM.index)


def test_rates():
    "Rates are compared with the interval of Newcombe and the test of two proportions."
    lift = fg.measure_lift(SPLIT, outcomes_of(SPLIT, {"mail": 120, "control": 20}))

    control, mail = (row for _, row in lift.set_index("arm").iterrows())
    assert (control["rate"], mail["rate"], mail["difference"]) == pytest.approx((0.2, 0.3, 0.1))
    assert (mail["ci_low"], mail["ci_high"]) == newcombe_interval(120, 400, 20, 100)
    # Pearson's chi-square of the table is 500 * (120 * 80 - 20 * 280)**2 / (400 * 100 * 140 * 360) = 3.968.
    assert mail["p_value"] == pytest.approx(0.04636, abs=1e-5)
    assert (mail["relative_difference"], mail["incremental"]) == pytest.approx((0.5, 40))
    assert control[DIFFERENCES].isna().all() and lift["mean"].isna().all()


def test_means():
    "Means are compared with Welch's test and its interval, as scipy computes them."
    from scipy.stats import ttest_ind

    values = amounts()

    lift = fg.measure_lift(SPLIT, values)

    mail = lift.set_index("arm").loc["mail"]
    test = ttest_ind(values[ARM == "mail"], values[ARM == "control"], equal_var=False)
    assert mail["p_value"] == pytest.approx(test.pvalue)
    assert (mail["ci_low"], mail["ci_high"]) == pytest.approx(tuple(test.confidence_interval()))
    assert lift["mean"].tolist() == values.groupby(ARM).mean().tolist()
    assert lift["rate"].isna().all()


def test_before():
    "Earlier values that predict the outcome make the interval narrower, and the means are those of the outcomes."
    before = amounts(2)
    values = before * 1.5 + amounts(3) / 10

    plain, adjusted = (fg.measure_lift(SPLIT, values, before=table) for table in (None, before))

    assert adjusted["mean"].tolist() == plain["mean"].tolist()
    widths = [table["ci_high"][1] - table["ci_low"][1] for table in (plain, adjusted)]
    assert widths[1] < widths[0] / 4
    assert adjusted["detectable_difference"][1] < plain["detectable_difference"][1] / 4


def test_before_that_predicts_nothing():
    "Constant earlier values do not change the result."
    values = amounts()

    pdt.assert_frame_equal(fg.measure_lift(SPLIT, values, before=values * 0 + 7), fg.measure_lift(SPLIT, values))


def test_before_of_rates():
    "With earlier values, outcomes of 0 and 1 are compared as means."
    bought = outcomes_of(SPLIT, {"mail": 120, "control": 20})

    lift = fg.measure_lift(SPLIT, bought, before=amounts())

    assert lift["rate"].tolist() == pytest.approx([0.2, 0.3]) and lift["mean"].isna().all()


def test_several_arms():
    "The p-values of several arms are adjusted by the method of Holm, and the intervals are not."
    split = fg.split_customers(UIDS, THREE, seed="s", exact=True)
    bought = outcomes_of(split, {"mail": 70, "sms": 60, "control": 20})

    lift = fg.measure_lift(split, bought)

    assert list(lift["arm"]) == ["control", "mail", "sms"]
    pairs = [
        fg.measure_lift(split[split["arm"].isin(["control", arm])], bought, shares={arm: 2 / 3, "control": 1 / 3})
        for arm in ("mail", "sms")
    ]
    p = [pair["p_value"][1] for pair in pairs]
    assert lift["p_value"][1:].tolist() == pytest.approx([2 * p[0], max(2 * p[0], p[1])])
    assert lift["ci_low"][1:].tolist() == pytest.approx([pair["ci_low"][1] for pair in pairs])
    assert lift["detectable_difference"][1] > pairs[0]["detectable_difference"][1]


BOUGHT = outcomes_of(SPLIT, {"mail": 120, "control": 20})
KINDS = {
    "bool": BOUGHT.astype(bool),
    "boolean": BOUGHT.astype("boolean"),
    "int": BOUGHT,
    "Int64": BOUGHT.astype("Int64"),
    "uint8": BOUGHT.astype("uint8"),
    "float": BOUGHT.astype(float),
    "object": BOUGHT.astype(bool).astype(object),
    "pyarrow": BOUGHT.astype("int64[pyarrow]"),
    "other order": BOUGHT[::-1],
    "table": BOUGHT.rename("bought").reset_index(),
    "table with index": BOUGHT.to_frame("bought"),
    "buyers only": BOUGHT[BOUGHT == 1],
    "missing values": BOUGHT.where(BOUGHT == 1),
    "buyers and other customers": pd.concat([BOUGHT[BOUGHT == 1], pd.Series([1, 9], index=["x-1", "x-2"])]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_outcomes(kind):
    "Booleans, numbers, and tables with the same outcomes lead to the same result."
    lift = fg.measure_lift(SPLIT, KINDS[kind], missing=0)

    expected = fg.measure_lift(SPLIT, BOUGHT)
    pdt.assert_frame_equal(lift.assign(n_missing=0), expected)
    assert {name: str(dtype) for name, dtype in lift.dtypes.items()} == COLUMNS
    has_gaps = kind in ("buyers only", "missing values", "buyers and other customers")
    assert lift["n_missing"].tolist() == ([80, 280] if has_gaps else [0, 0])
    assert lift.attrs == {"n_ignored": 2 if kind == "buyers and other customers" else 0}


@given(st.lists(st.sampled_from([0, 1, 2.5]), min_size=1, max_size=40), st.randoms())
def test_order(values, random):
    "The result does not depend on the order of the rows, and the numbers of customers add up."
    uids = UIDS[: len(values)]
    split = pd.DataFrame({"customer_uid": uids, "arm": ["control", *["mail", "control"] * 20][: len(uids)]})
    order = random.sample(range(len(uids)), len(uids))
    shares = {"mail": 0.5, "control": 0.5}
    outcomes = pd.Series(values, index=uids)

    lift = fg.measure_lift(split, outcomes, shares=shares)

    mixed = fg.measure_lift(split.iloc[order], outcomes.iloc[order[::-1]], shares=shares)
    pdt.assert_frame_equal(mixed, lift)
    assert lift["n"].sum() == len(uids)
    mail = lift.iloc[1]
    assert not mail["ci_low"] > mail["difference"] and not mail["difference"] > mail["ci_high"]


def small(**n_by_arm):
    """Return a split with the given number of customers in each arm."""
    arms = [arm for arm, n in n_by_arm.items() for _ in range(n)]
    return pd.DataFrame({"customer_uid": UIDS[: len(arms)], "arm": arms})


@pytest.mark.parametrize("zero", [False, 0, 0.0])
def test_no_buyers(zero):
    "If no customer bought anything, the difference is 0, and the interval contains 0."
    lift = fg.measure_lift(SPLIT, pd.Series(zero, index=UIDS))

    mail = lift.iloc[1]
    assert mail["difference"] == 0 and mail["p_value"] == 1 and mail["ci_low"] < 0 < mail["ci_high"]
    assert np.isnan(mail["relative_difference"]) and mail["detectable_difference"] > 0


@pytest.mark.parametrize("dtype", ["object", "str", "float64", "datetime64[us]"])
def test_no_outcomes(dtype):
    "An empty table of outcomes is valid if missing outcomes are 0."
    outcomes = pd.DataFrame({"customer_uid": [], "amount": pd.Series([], dtype=dtype)})

    lift = fg.measure_lift(SPLIT, outcomes, missing=0)

    assert lift["rate"].tolist() == [0, 0] and lift["n_missing"].tolist() == [100, 400]


def test_equal_means():
    "If all outcomes are equal, the interval and the p-value of means are unknown."
    mail = fg.measure_lift(SPLIT, pd.Series(7.0, index=UIDS)).iloc[1]

    assert mail["difference"] == 0 and mail[["ci_low", "ci_high", "p_value", "detectable_difference"]].isna().all()


@pytest.mark.parametrize("outcome", [1, 2.5])
def test_empty_arm(outcome):
    "An arm without customers has missing values."
    split = small(control=3, mail=2)

    lift = fg.measure_lift(
        split, pd.Series(outcome, index=UIDS[:5]), shares={"mail": 0.4, "app": 0.2, "control": 0.4}
    )

    app = lift.set_index("arm").loc["app"]
    assert app["n"] == 0 and app[["rate", "mean", *DIFFERENCES]].isna().all()
    assert lift["difference"].tolist()[2] == 0


@pytest.mark.parametrize("outcome", [1, 2.5])
def test_one_customer_per_arm(outcome):
    "With one customer in each arm, the difference is computed. The interval of means is unknown."
    mail = fg.measure_lift(small(control=1, mail=1), pd.Series([0, outcome], index=UIDS[:2]), shares=SHARES).iloc[1]

    assert mail["difference"] == outcome
    assert np.isnan(mail["ci_low"]) == (outcome == 2.5)


@pytest.mark.parametrize("split", [small(mail=4), small()])
def test_empty_control(split):
    "Without customers in the control, no arm can be compared with it."
    with pytest.raises(InputError, match="'control' has no customers"):
        fg.measure_lift(split, pd.Series(1, index=UIDS), shares=SHARES)


def test_lost_customers():
    "If customers were removed from an arm, the error contains the planned and the actual shares."
    lost = SPLIT[(ARM == "mail").to_numpy() | (np.arange(500) % 3 == 0)]

    with pytest.raises(SampleRatioError, match=r"planned control 20% and mail 80%, actual control \d") as caught:
        fg.measure_lift(lost, BOUGHT)

    assert caught.value.planned == SHARES and caught.value.p_value < 1e-6
    assert caught.value.actual["mail"] == pytest.approx(400 / len(lost))


def test_small_split_with_unusual_sizes():
    "In a small split, an unusual ratio is not an error, because the exact test is used."
    lift = fg.measure_lift(
        small(control=2, mail=1), pd.Series(1, index=UIDS[:3]), shares={"mail": 0.9, "control": 0.1}
    )

    assert lift["n"].tolist() == [2, 1]


def test_attrs_survive_a_selection():
    "The attrs of a split survive a selection of rows and a copy."
    split = SPLIT[SPLIT["customer_uid"] != "c-1"].copy()

    assert fg.measure_lift(split, BOUGHT)["n"].sum() == 499


def test_files(tmp_path):
    "A split that is read from a parquet file has its attrs. A split that is read from a CSV file needs the shares."
    SPLIT.to_parquet(tmp_path / "split.parquet")
    SPLIT.to_csv(tmp_path / "split.csv", index=False)
    split = pd.read_csv(tmp_path / "split.csv")

    expected = fg.measure_lift(SPLIT, BOUGHT)
    pdt.assert_frame_equal(fg.measure_lift(pd.read_parquet(tmp_path / "split.parquet"), BOUGHT), expected)
    pdt.assert_frame_equal(fg.measure_lift(split, BOUGHT, shares=SHARES), expected)
    with pytest.raises(InputError, match="shares="):
        fg.measure_lift(split, BOUGHT)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({"outcomes": BOUGHT[5:]}, "5 of 500 customers in `split` have no value in `outcomes`.*missing=0"),
        ({"outcomes": BOUGHT.where(BOUGHT.index != "c-7")}, "1 of 500 customers in `split` has no value"),
        ({"before": BOUGHT[5:]}, "5 of 500 customers in `split` have no value in `before`"),
        ({"missing": 1}, "`missing` must be None or 0, got 1"),
        ({"missing": False}, "`missing` must be None or 0, got False"),
        ({"outcomes": pd.concat([BOUGHT, BOUGHT[:3]])}, "3 of 503 rows repeat a uid.*groupby"),
        ({"outcomes": BOUGHT.astype(str)}, "numbers or booleans, got str"),
        ({"outcomes": pd.Series(pd.Timestamp("2026-01-01"), index=UIDS)}, "numbers or booleans, got Timestamp"),
        ({"outcomes": BOUGHT.astype(object).replace(1, "yes")}, "numbers or booleans"),
        ({"outcomes": BOUGHT.replace(1, np.inf).astype(float)}, "infinite"),
        ({"outcomes": BOUGHT.reset_index(drop=True)}, "index of customer uids"),
        ({"outcomes": BOUGHT.to_frame("a").assign(b=1)}, "one column with values, got 2"),
        ({"outcomes": BOUGHT.rename(lambda uid: f"x-{uid}")}, "none of them"),
        ({"outcomes": UIDS}, "`outcomes` must be a Series"),
        ({"outcomes": BOUGHT.to_dict()}, "`outcomes` must be a Series"),
        ({"control": "sms"}, "`control` must be one of the arms"),
        ({"shares": {"control": 0.5, "sms": 0.5}}, "the arm 'mail'"),
        ({"split": SPLIT.assign(arm=None)}, "500 rows without an arm"),
    ],
)
def test_invalid_arguments(arguments, fact):
    "Invalid arguments are rejected, and the error states the argument and the number of problems."
    with pytest.raises(InputError, match=fact):
        fg.measure_lift(**{"split": SPLIT, "outcomes": BOUGHT} | arguments)


def test_columns_are_documented():
    "The docstring describes each column."
    returned = fg.measure_lift.__doc__.partition("Returns\n")[2]
    assert [name for name in COLUMNS if not re.search(rf"- [^(]*\b{name}\b", returned)] == []


def test_show():
    "The displayed table has the control first. Rates are percentages, and their difference is in percentage points."
    shown = fg.show(fg.measure_lift(SPLIT, BOUGHT))

    columns = {column.header: column.cells for column in shown.formatted.columns}
    assert columns["arm"] == ("control", "mail") and columns["rate"] == ("20.0%", "30.0%")
    assert (columns["difference"][1], columns["relative_difference"][1]) == ("10.0 pp", "+50.0%")
    assert "p_value" in columns and "mean" not in columns
