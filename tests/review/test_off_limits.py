"""Tests that the sentence, the warning, and the table of a review agree about the limits that are off."""

import re
from dataclasses import replace

import pytest

from frgroups.plan.limits import GROUP_LIMIT_NAMES, LIMIT_NAMES, Limits
from frgroups.review.limit_rows import limit_rows
from frgroups.review.off_limits import off_limits
from frgroups.review.page import review_html
from frgroups.review.wider_limits import wider_limits
from tests.review.test_writer import Page, planned

# A floor of None is the same as 0, and the removals per day are not limited by default.
NEVER_OFF = {"removal_floor", "removal_floor_total", "drift_floor", "removals_per_day"}


def numbers(plan):
    """Return the numbers of checked, later, and disabled limits in the sentence, and of disabled limits elsewhere."""
    page = Page(review_html(plan))
    sentence = page.text[page.text.index("Within ") :]
    sentence = sentence[: sentence.index("See all limits")]
    patterns = (r"(\d+) limits? (?:was|were) checked", r"(\d+) more limits?", r"(\d+) limits? (?:is|are) off")
    stated = [int(found[1]) if (found := re.search(pattern, sentence)) else 0 for pattern in patterns]
    results = [row["Result"] for row in page.rows if "Result" in row]
    table = [results.count(result) for result in ("Within the limit", "Checked before sending", "Off")]
    listed = sum(": off instead of" in line for line in wider_limits(plan).lines)
    return stated, table, listed


@pytest.mark.parametrize("scope", ["plan", "group"])
@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_one_limit_is_off(name, scope):
    "The sentence, the warning, and the table state the same number of limits that are off."
    off = Limits(**{name: None})
    limits = off if scope == "plan" else Limits(per_group={"bw": off})
    plan = planned(wanted={"bw": [f"c-{n:03d}" for n in range(1, 40)] + ["n-1"], "an": ["n-1"]}, limits=limits)

    stated, table, listed = numbers(plan)

    applies = name not in NEVER_OFF and (scope == "plan" or name in GROUP_LIMIT_NAMES)
    assert stated == table and stated[2] == listed == int(applies)
    assert len(limit_rows(plan)) == sum(table)


def test_limit_of_other_changes():
    "A limit that is off but applies to no change is not counted, and the table states that it is not needed."
    plan = planned(wanted={"an": ["c-001"]}, limits=Limits(removals_total=None, removal_share=None))

    stated, table, listed = numbers(plan)

    assert stated == table and stated[2] == listed == 0
    assert [row.rule for row in limit_rows(plan) if row.result == "unused"] == ["removals_total"]


def test_groups_of_a_limit():
    "A limit that is off for some groups counts once, and names these groups."
    limits = Limits(per_group={"bw": Limits(additions_per_group=None), "st": Limits(additions_per_group=None)})
    plan = planned(wanted={uid: ["n-1"] for uid in ("bw", "st", "an")}, mode="add", limits=limits)

    [limit] = off_limits(plan)

    assert (limit.rule, [group.uid for group in limit.groups]) == ("additions_per_group", ["bw", "st"])
    assert limit.suffix == " for Black Week VIP and Stamkunder Tromsø"
    assert numbers(plan)[0][2] == 1


def test_exact_limits():
    "In an undo plan with exact limits, the other limits for its changes are not needed."
    group = Limits(removals_per_group=1, removal_share=None, additions_per_group=0, emptied_groups=None)
    limits = replace(group, removals_total=1, removal_share_total=None, additions_total=0, per_group={"bw": group})
    plan = planned(wanted={"bw": [f"c-{n:03d}" for n in range(1, 40)]}, limits=replace(limits, plan_max_age=None))

    undo = replace(plan, reverts="3f9c2a71d0e4" + "0" * 52)

    assert {limit.rule for limit in off_limits(plan)} > {"plan_max_age", "removal_share"}
    assert [limit.rule for limit in off_limits(undo)] == ["plan_max_age"]
    assert numbers(undo)[0] == numbers(undo)[1]
