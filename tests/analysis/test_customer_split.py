"""Tests for split_customers."""

import hashlib
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError

SHARES = {"mail": 0.9, "control": 0.1}
THREE = {"mail": 0.5, "sms": 0.3, "control": 0.2}
UIDS = [f"c-{number}" for number in range(400)]

uid_sets = st.sets(st.text("abc-1æ", min_size=1, max_size=6), max_size=40)
seeds = st.text("xyz ø", min_size=1).filter(str.strip) | st.integers()
weights = st.lists(st.integers(1, 9), min_size=2, max_size=4)


def shares_of(numbers):
    """Return the shares of arms, the first of which is the control, from positive integers."""
    names = ["control", "mail", "sms", "app"]
    return {name: number / sum(numbers) for name, number in zip(names, numbers, strict=False)}


def arm_of(split):
    """Return a dictionary from customer uid to arm."""
    return dict(zip(split["customer_uid"], split["arm"], strict=True))


def expected_arm(uid, shares, seed):
    """Return the arm of a customer, computed with integers."""
    number = int.from_bytes(hashlib.sha256(f"{seed}:{uid}".encode()).digest()[:8])
    end = 0.0
    for name in ["control", *sorted(set(shares) - {"control"})]:
        end += shares[name]
        if number < int(end * 2**64):
            return name
    return name


def test_known_arms():
    "The arms are those of hashes that were computed with the command sha256sum."
    # The hash of spring:c-1 starts with fba2af33 (0.98295), and the hash of 7:c-æ with 493a5c15 (0.28605).
    assert arm_of(fg.split_customers(["c-1"], {"mail": 0.02, "control": 0.98}, seed="spring")) == {"c-1": "mail"}
    assert arm_of(fg.split_customers(["c-1"], {"mail": 0.01, "control": 0.99}, seed="spring")) == {"c-1": "control"}
    assert arm_of(fg.split_customers(["c-æ"], {"mail": 0.72, "control": 0.28}, seed=7)) == {"c-æ": "mail"}
    assert arm_of(fg.split_customers(["c-æ"], {"mail": 0.71, "control": 0.29}, seed=7)) == {"c-æ": "control"}


@given(uid_sets, weights, seeds)
def test_formula(uids, numbers, seed):
    "The arm of each customer follows from the documented formula."
    shares = shares_of(numbers)

    split = fg.split_customers(uids, shares, seed=seed)

    assert arm_of(split) == {uid: expected_arm(uid, shares, seed) for uid in uids}
    assert list(split["customer_uid"]) == sorted(uids)


@given(uid_sets, weights, seeds, st.randoms(), st.booleans())
def test_order(uids, numbers, seed, random, exact):
    "The result depends neither on the order of the customers nor on the order of the arms."
    shares = shares_of(numbers)
    mixed = random.sample(sorted(uids), len(uids))
    reversed_shares = dict(reversed(shares.items()))

    split = fg.split_customers(sorted(uids), shares, seed=seed, exact=exact)

    pdt.assert_frame_equal(fg.split_customers(mixed, reversed_shares, seed=seed, exact=exact), split)


@given(uid_sets, uid_sets, weights, seeds)
def test_stability(uids, others, numbers, seed):
    "A customer stays in the same arm when other customers join or leave."
    shares = shares_of(numbers)

    before = arm_of(fg.split_customers(uids, shares, seed=seed))
    after = arm_of(fg.split_customers(uids | others, shares, seed=seed))

    assert {uid: after[uid] for uid in uids} == before


def test_other_processes():
    "Processes with different hash seeds return the same split."
    code = (
        "import frgroups as fg; uids = {f'c-{n}' for n in range(50)}; "
        "print(fg.split_customers(uids, {'mail': 0.5, 'control': 0.5}, seed='s', exact=True).to_csv())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": hash_seed}
        ).stdout
        for hash_seed in ("0", "1")
    }

    assert len(outputs) == 1


def test_shares():
    "The shares of the customers are close to the planned shares, and another seed leads to an independent split."
    uids = [f"c-{number}" for number in range(20_000)]

    first, second = (fg.split_customers(uids, THREE, seed=seed)["arm"] for seed in ("spring", "summer"))

    for name, share in THREE.items():
        for is_in_arm, expected in ((first == name, share), ((first == name) & (second == name), share**2)):
            deviation = math.sqrt(expected * (1 - expected) / len(uids))
            assert abs(is_in_arm.mean() - expected) < 4 * deviation


def test_control_does_not_depend_on_the_other_arms():
    "If the other customers are divided among other arms, the control group stays the same."
    two = fg.split_customers(UIDS, {"mail": 0.8, "control": 0.2}, seed="s")
    three = fg.split_customers(UIDS, {"a": 0.4, "mail": 0.4, "control": 0.2}, seed="s")

    assert list(two["customer_uid"][two["arm"] == "control"]) == list(
        three["customer_uid"][three["arm"] == "control"]
    )


@given(st.lists(st.sampled_from("NSDF"), max_size=60), weights, seeds)
def test_exact_counts(countries, numbers, seed):
    "In each stratum, each count is the quota, rounded up or down, and the largest remainders are rounded up."
    shares = shares_of(numbers)
    customers = pd.DataFrame({"customer_uid": UIDS[: len(countries)], "country": countries})

    split = fg.split_customers(customers, shares, seed=seed, strata="country", exact=True)

    for country, n in Counter(countries).items():
        counts = split.loc[split["country"] == country, "arm"].value_counts()
        quota = {name: n * share for name, share in shares.items()}
        rest = {name: round(quota[name] - math.floor(quota[name] + 1e-9), 6) for name in shares}
        extra = {name: counts.get(name, 0) - math.floor(quota[name] + 1e-9) for name in shares}
        assert sum(counts) == n and set(extra.values()) <= {0, 1}
        rounded_up = [rest[name] for name in shares if extra[name]]
        rounded_down = [rest[name] for name in shares if not extra[name]]
        assert not rounded_up or min(rounded_up) >= max(rounded_down, default=0)


def test_equal_remainders():
    "If remainders are equal in many strata, the total sizes of the arms are as planned."
    customers = pd.DataFrame({"customer_uid": UIDS, "store": np.arange(400) // 5})

    split = fg.split_customers(customers, SHARES, seed="s", strata="store", exact=True)

    assert split["arm"].value_counts().to_dict() == {"mail": 360, "control": 40}


def test_integer_seeds():
    "An integer, an integer of NumPy, and the same number as a text lead to the same arms."
    splits = [fg.split_customers(UIDS, SHARES, seed=seed) for seed in (7, np.int64(7), "7")]

    assert arm_of(splits[0]) == arm_of(splits[1]) == arm_of(splits[2])
    assert [type(split.attrs["seed"]) for split in splits] == [int, int, str]


def test_exact_is_random():
    "In exact mode, the customers in the control group depend on the seed."
    controls = [
        set(split["customer_uid"][split["arm"] == "control"])
        for split in (fg.split_customers(UIDS, SHARES, seed=seed, exact=True) for seed in (1, 2))
    ]

    assert [len(control) for control in controls] == [40, 40] and controls[0] != controls[1]


@given(uid_sets, uid_sets, weights, seeds, st.booleans(), st.booleans())
def test_keep(uids, others, numbers, seed, exact_before, exact):
    "Customers of an earlier split keep their arms, and customers who left are not in the result."
    shares = shares_of(numbers)
    earlier = fg.split_customers(uids, shares, seed=seed, exact=exact_before)

    split = fg.split_customers(others, shares, seed="another", exact=exact, keep=earlier)

    kept = {uid: arm for uid, arm in arm_of(earlier).items() if uid in others}
    assert {uid: arm for uid, arm in arm_of(split).items() if uid in uids} == kept
    assert list(split["customer_uid"]) == sorted(others)


def test_keep_exact_counts():
    "In exact mode, new customers are assigned so that the counts of all customers are exact."
    earlier = fg.split_customers(UIDS[:55], SHARES, seed="s", exact=True)

    split = fg.split_customers(UIDS[20:], SHARES, seed="s", exact=True, keep=earlier)

    assert split["arm"].value_counts().to_dict() == {"mail": 342, "control": 38}


def test_keep_too_many():
    "If an arm has more kept customers than planned, the new customers are divided among the other arms."
    keep = pd.DataFrame({"customer_uid": UIDS[:50], "arm": "control"})

    split = fg.split_customers(UIDS[:100], THREE, seed="s", exact=True, keep=keep)

    assert split["arm"].value_counts().to_dict() == {"control": 50, "mail": 31, "sms": 19}


def test_keep_new_arm():
    "New arms get new customers only."
    earlier = fg.split_customers(UIDS[:200], SHARES, seed="s")

    split = fg.split_customers(UIDS, {"mail": 0.5, "sms": 0.4, "control": 0.1}, seed="s", keep=earlier)

    is_new = ~split["customer_uid"].isin(UIDS[:200])
    assert set(split["arm"][is_new]) == {"mail", "sms", "control"}
    assert set(split["arm"][~is_new]) == {"mail", "control"}


def test_keep_several_splits():
    "Several earlier splits can be combined, if they do not contradict each other."
    parts = [fg.split_customers(UIDS[start : start + 200], SHARES, seed="s") for start in (0, 100)]

    split = fg.split_customers(UIDS[:300], SHARES, seed="t", keep=pd.concat(parts))

    assert arm_of(split) == arm_of(fg.split_customers(UIDS[:300], SHARES, seed="s"))


INPUTS = {
    "list": lambda uids: uids,
    "tuple": tuple,
    "set": set,
    "generator": iter,
    "array": np.array,
    "Index": lambda uids: pd.Index(uids, name="customer_uid"),
    "Series": lambda uids: pd.Series(uids, index=range(5, 5 + len(uids))),
    "category": lambda uids: pd.Series(uids, dtype="category"),
    "pyarrow": lambda uids: pd.Series(uids, dtype="string[pyarrow]"),
    "DataFrame": lambda uids: pd.DataFrame({"country": 1, "customer_uid": uids}),
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("uids", [UIDS, []], ids=["uids", "empty"])
def test_inputs(kind, uids):
    "Each collection of uids leads to the same split, which has the documented columns and attrs."
    split = fg.split_customers(INPUTS[kind](uids), SHARES, seed="s")

    pdt.assert_frame_equal(split, fg.split_customers(list(uids), SHARES, seed="s"))
    assert {name: str(dtype) for name, dtype in split.dtypes.items()} == {"customer_uid": "str", "arm": "str"}
    assert split.attrs == {"shares": SHARES, "control": "control", "seed": "s"}


CUSTOMERS = pd.DataFrame({"customer_uid": UIDS[::-1], "country": ["NO", "SE"] * 200, "level": [1, 2, 3, 4] * 100})
COUNTRIES = CUSTOMERS.set_index("customer_uid")["country"]
STRATA = {
    "name": (CUSTOMERS, "country"),
    "names": (CUSTOMERS, ["country"]),
    "Series": (UIDS, COUNTRIES),
    "table": (UIDS, CUSTOMERS[["customer_uid", "country"]]),
    "table with index": (UIDS, COUNTRIES.to_frame()),
    "category": (UIDS, COUNTRIES.astype("category")),
    "other customers": (UIDS, pd.concat([COUNTRIES, pd.Series(["NO"], index=["c-x"], name="country")])),
}


@pytest.mark.parametrize("kind", STRATA)
def test_strata(kind):
    "Strata are column names, a Series, or a table. Their columns are in the result."
    customers, strata = STRATA[kind]

    split = fg.split_customers(customers, SHARES, seed="s", strata=strata, exact=True)

    assert list(split.columns) == ["customer_uid", "arm", "country"]
    assert dict(zip(split["customer_uid"], split["country"], strict=True)) == COUNTRIES.to_dict()
    assert split.groupby("country", observed=True)["arm"].value_counts().tolist() == [180, 20, 180, 20]


def test_strata_without_exact():
    "Without `exact`, strata do not change the arms."
    split = fg.split_customers(CUSTOMERS, SHARES, seed="s", strata=["country", "level"])

    assert arm_of(split) == arm_of(fg.split_customers(UIDS, SHARES, seed="s"))
    assert list(split.columns) == ["customer_uid", "arm", "country", "level"]


def test_input_is_not_changed():
    "The arguments do not change."
    keep = fg.split_customers(UIDS[:9], SHARES, seed="s")
    arguments = [CUSTOMERS.copy(), keep.copy(), dict(SHARES)]

    fg.split_customers(CUSTOMERS, SHARES, seed="s", strata="country", keep=keep)

    pdt.assert_frame_equal(CUSTOMERS, arguments[0])
    pdt.assert_frame_equal(keep, arguments[1])
    assert arguments[2] == SHARES


@pytest.mark.parametrize(
    ("shares", "fact"),
    [
        ({"mail": 0.8, "control": 0.1}, r"sum to 1, got 0\.9"),
        ({"mail": 90, "control": 10}, r"shares\['mail'\].*For 90%, pass 0\.9"),
        ({"mail": 1.0, "control": 0}, r"shares\['control'\].*positive"),
        ({"mail": 1.2, "control": -0.2}, r"shares\['mail'\]"),
        ({"mail": True, "control": 0.1}, r"shares\['mail'\]"),
        ({"mail": float("nan"), "control": 0.1}, r"shares\['mail'\]"),
        ({"mail": "0.9", "control": 0.1}, r"shares\['mail'\]"),
        ({"control": 1.0}, "at least two arms, got 1"),
        ({}, "at least two arms, got 0"),
        ({"mail": 0.9, "holdout": 0.1}, r"`control` must be one of the arms 'mail' and 'holdout', got 'control'"),
        ({" ": 0.9, "control": 0.1}, "arm without a name"),
        ({7: 0.9, "control": 0.1}, "`shares` must be a string, got int"),
        ([0.9, 0.1], "`shares` must be a mapping"),
    ],
)
def test_invalid_shares(shares, fact):
    "Shares that are not positive numbers with the sum 1, and arms without a control, are rejected."
    with pytest.raises(InputError, match=fact):
        fg.split_customers(UIDS, shares, seed="s")


TWICE = pd.DataFrame({"customer_uid": ["c-1", "c-1"], "arm": ["mail", "control"]})
NO_ARM = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "arm": ["mail", None]})
OTHER_ARM = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "arm": ["mail", "sms"]})


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({"customers": ["c-1", "c-2", "c-1"]}, "1 of 3 uids is repeated"),
        ({"customers": ["c-1", None]}, "1 row without a uid"),
        ({"customers": ["c-1", ""]}, "1 row without a uid"),
        ({"customers": [1, 2]}, "strings, got int"),
        ({"customers": "c-1"}, "list, got the string"),
        ({"customers": {"c-1": True}}, "list, got dict"),
        ({"customers": pd.DataFrame({"uid": ["c-1"]})}, "'customer_uid'"),
        ({"customers": pd.Series([True, False], index=["c-1", "c-2"])}, "strings, got bool"),
        ({"seed": None}, "`seed` must be a string or an integer"),
        ({"seed": True}, "`seed` must be a string or an integer"),
        ({"seed": 1.5}, "`seed` must be a string or an integer"),
        ({"seed": " "}, "`seed` must not be empty"),
        ({"exact": 1}, "`exact` must be True or False"),
        ({"strata": "country"}, "`customers` is not a table"),
        ({"customers": CUSTOMERS, "strata": "region"}, "'region'"),
        ({"strata": COUNTRIES[5:]}, "no value for 5 of 400 customers"),
        ({"strata": COUNTRIES.replace("NO", "")}, "no value for 200 of 400 customers"),
        ({"strata": COUNTRIES.where(COUNTRIES == "NO")}, "no value for 200 of 400 customers"),
        ({"strata": COUNTRIES.rename("arm")}, "column 'arm'"),
        ({"strata": pd.concat([COUNTRIES, COUNTRIES])}, "400 of 800 rows repeat a uid"),
        ({"strata": 3}, "`strata`"),
        ({"keep": TWICE}, "1 customer to more than one arm"),
        ({"keep": NO_ARM}, "1 row without an arm"),
        ({"keep": OTHER_ARM}, "1 customer to arms that `shares` does not contain: 'sms'"),
        ({"keep": ["c-1"]}, "`keep` must be a DataFrame"),
        ({"keep": TWICE[["customer_uid"]]}, "'arm'"),
    ],
)
def test_invalid_arguments(arguments, fact):
    "Other invalid arguments are rejected, and the error states the argument and the number of problems."
    with pytest.raises(InputError, match=fact):
        fg.split_customers(**{"customers": UIDS, "shares": SHARES, "seed": "s"} | arguments)


def test_removed_arm():
    "An arm of an earlier split that no longer exists is not an error if its customers have left."
    split = fg.split_customers(["c-1", "c-3"], SHARES, seed="s", keep=OTHER_ARM)

    assert arm_of(split)["c-1"] == "mail"


def test_errors_contain_no_contact_data():
    "Errors mask email addresses."
    with pytest.raises(InputError) as caught:
        fg.split_customers(UIDS, SHARES, seed="s", control="kari@example.org")

    assert "kari" not in str(caught.value)
