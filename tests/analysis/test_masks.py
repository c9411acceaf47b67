"""Tests for boolean masks of customers, which are aligned by their index."""

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.profile import compare_groups, group_profile
from frgroups.analysis.segments import segment
from frgroups.analysis.waterfall import waterfall
from frgroups.errors import InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import snapshot_from_frames
from tests.examples import at_most

UIDS = ["a", "b", "c", "d", "e", "f"]
SNAPSHOT = snapshot_from_frames(
    pd.DataFrame({"customer_group_uid": ["g"] * 6 + ["h"], "customer_uid": [*UIDS, "a"]}),
    customers=pd.DataFrame({"customer_uid": UIDS, "country_code": ["NO", "SE", "NO", "DK", "SE", "NO"]}),
    tenant_uid="t",
    taken_at="2026-11-23",
)
OPTIONS = {"attributes": ["country_code"], "min_count": 0}
# Each entry passes a mask to a different public function or argument.
FUNCTIONS = {
    "segment": lambda mask: segment(SNAPSHOT, {"x": mask}),
    "segment with a function": lambda mask: segment(SNAPSHOT, {"x": lambda _: mask}),
    "group": lambda mask: group_profile(SNAPSHOT, mask, **OPTIONS),
    "versus": lambda mask: group_profile(SNAPSHOT, "h", versus=mask, **OPTIONS),
    "a": lambda mask: compare_groups(SNAPSHOT, mask, "h", **OPTIONS),
    "b": lambda mask: compare_groups(SNAPSHOT, ["a"], mask, **OPTIONS),
    "audiences": lambda mask: waterfall(SNAPSHOT, {"x": mask}),
    "exclude": lambda mask: waterfall(SNAPSHOT, {"x": "g"}, exclude=mask),
    "desired": lambda mask: plan_memberships(SNAPSHOT, {"h": mask}, mode="mirror").table(),
}


def chosen(uids, index="uids", dtype="bool"):
    """Return a mask that is True for the given customers."""
    mask = pd.Series([uid in uids for uid in UIDS], dtype=dtype)
    return mask.set_axis(UIDS) if index == "uids" else mask


@at_most(10)
@given(
    st.permutations(range(6)),
    st.sampled_from(["uids", "labels"]),
    st.sampled_from(["bool", "boolean", "object", "bool[pyarrow]"]),
)
def test_index_in_another_order(order, index, dtype):
    "The order of the index does not change the customers that a mask selects, for any dtype and function."
    mask = chosen("bdf", index, dtype).iloc[list(order)]

    assert segment(SNAPSHOT, {"x": mask}) == {"x": ["b", "d", "f"]}
    name = list(FUNCTIONS)[order[0] + 1]
    result, expected = FUNCTIONS[name](mask), FUNCTIONS[name](chosen("bdf"))
    if isinstance(result, dict):
        assert result == expected
    else:
        pdt.assert_frame_equal(result, expected)


def test_same_customers_as_a_list():
    "A mask and a list of the same customers lead to the same profile and the same plan."
    mask, uids = chosen("bdf").iloc[::-1], ["b", "d", "f"]

    pdt.assert_frame_equal(FUNCTIONS["group"](mask), FUNCTIONS["group"](uids))
    pdt.assert_frame_equal(FUNCTIONS["versus"](mask), FUNCTIONS["versus"](uids))
    pdt.assert_frame_equal(FUNCTIONS["desired"](mask), FUNCTIONS["desired"](uids))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_dictionaries(function):
    "A dictionary of booleans is rejected, because a list of its keys would contain all customers."
    with pytest.raises(InputError, match="dict"):
        FUNCTIONS[function](dict.fromkeys(UIDS, False))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (chosen("ab").iloc[:4], "2 of 6 customers have no value"),
        (chosen("ab").iloc[:0], "6 of 6 customers have no value|list|booleans"),
        (chosen("ab").rename({"c": "z"}), "1 of 6 index labels is unknown and 1 of 6 customers has no value"),
        (pd.concat([chosen("ab"), chosen("ab").iloc[:2]]), "2 of 8 index labels are repeated"),
        (chosen("ab", "labels").set_axis(range(1, 7)), "1 of 6 index labels is unknown"),
        (chosen("ab", "labels").set_axis(np.arange(6) + 0.5), "6 of 6 index labels are unknown"),
        (chosen("ab", "labels").set_axis(pd.MultiIndex.from_product([UIDS, [1]])), "6 of 6 index labels"),
        (chosen("ab", "labels").set_axis([str(i) for i in range(6)]), "6 of 6 index labels are unknown"),
        (chosen("ab", dtype="boolean").where(chosen("abcd")), r"2 of 6 values are missing.*fillna\(False\)"),
        (chosen("ab", dtype="object").where(chosen("abcde"), None), r"1 of 6 values is missing.*fillna\(False\)"),
    ],
)
def test_invalid_masks(mask, words, function):
    "The error for a mask with unknown, repeated, or missing index labels or values contains the counts."
    if len(mask) == 0:
        mask = mask.astype("bool")
    with pytest.raises(InputError, match=words):
        FUNCTIONS[function](mask)
