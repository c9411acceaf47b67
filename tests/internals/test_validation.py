"""Checks of numbers."""

import numpy as np
import pytest

from frgroups.errors import InputError
from frgroups.internals.validation import check_number, check_share
from frgroups.plan.limits import Limits


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_python_and_numpy_are_valid(value):
    check_number(value, "n", at_least=0, at_most=3, whole=True)
    check_number(value, "n")


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.float32(0.5), 1, np.int64(1)])
def test_shares_of_python_and_numpy_are_valid(value):
    check_share(value, "share")


@pytest.mark.parametrize("value", [True, np.bool_(True), np.float64("nan"), "1", None, 1j])
def test_booleans_nan_and_other_types_are_invalid(value):
    with pytest.raises(InputError):
        check_number(value, "n")
    with pytest.raises(InputError):
        check_share(value, "share")


@pytest.mark.parametrize("value", [0.5, np.float64(2), "1"])
def test_only_integers_are_whole(value):
    with pytest.raises(InputError):
        check_number(value, "n", whole=True)


def test_limits_with_numpy_numbers_become_json_values():
    values = Limits(removals_total=np.int64(5), removal_share=np.float32(0.5)).to_dict()

    assert values == Limits(removals_total=5, removal_share=0.5).to_dict()
    assert type(values["removals_total"]) is int
