"""Tests for the argument checks."""

from enum import StrEnum

import numpy as np
import pandas as pd
import pytest

from frgroups.errors import InputError
from frgroups.internals.validation import check_choice, check_columns, check_number, check_share
from frgroups.plan.limits import Limits


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_valid_integers(value):
    "Python and NumPy integers are valid if they are within the bounds, including the bounds."
    check_number(value, "n", at_least=0, at_most=3, whole=True)
    check_number(value, "n")


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.float32(0.5), 1, np.int64(1)])
def test_valid_shares(value):
    "Python and NumPy numbers above 0 and up to 1 are valid shares."
    check_share(value, "share")


@pytest.mark.parametrize("value", [True, np.bool_(True), np.float64("nan"), "1", None, 1j])
def test_invalid_numbers(value):
    "Booleans, NaN, and values that are not numbers are rejected."
    with pytest.raises(InputError):
        check_number(value, "n")
    with pytest.raises(InputError):
        check_share(value, "share")


@pytest.mark.parametrize("value", [0.5, np.float64(2), "1"])
def test_invalid_integers(value):
    "With whole=True, floats are rejected even if they have an integer value."
    with pytest.raises(InputError):
        check_number(value, "n", whole=True)


def test_limits_with_numpy_numbers():
    "Limits convert NumPy numbers to Python numbers."
    values = Limits(removals_total=np.int64(5), removal_share=np.float32(0.5)).to_dict()

    assert values == Limits(removals_total=5, removal_share=0.5).to_dict()
    assert type(values["removals_total"]) is int


class _Label(StrEnum):
    UID = "uid"


@pytest.mark.parametrize("value", ["uid", np.str_("uid"), _Label.UID, 1, np.int64(1), 1.0])
def test_accepted_choice(value):
    "A value that equals a choice is accepted, including subclasses of str and NumPy numbers."
    check_choice(value, "labels", ["uid", "name", 1])


@pytest.mark.parametrize("value", ["UID", "code", True, None, 2, ["uid"], np.array(["uid"]), pd.NA])
def test_rejected_choice(value):
    "A value that is not a choice raises an error with the argument and the choices. True does not equal 1."
    with pytest.raises(InputError, match=r"`labels`.*'uid', 'name', or 1"):
        check_choice(value, "labels", ["uid", "name", 1])


@pytest.mark.parametrize("label", [pd.NA, np.nan, None, 7, ("customer_uid",), pd.Timestamp("2026-01-01")])
def test_columns_that_are_not_text(label):
    "A column label of any type is shown in the error for a missing column."
    check_columns([label, "customer_uid"], ["customer_uid"], "attributes")
    with pytest.raises(InputError, match="needs a column 'customer_uid'") as caught:
        check_columns([label], ["customer_uid"], "attributes")

    assert f"columns are {label!r}." in str(caught.value)
