"""Tests for the sentences about large shares of a group."""

import pytest

from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.review.large_changes import large_change_sentences, large_change_text
from frgroups.review.plan_status import applied_status
from frgroups.review.run_results import RunResults
from frgroups.review.wider_limits import wider_limits
from frgroups.review.writer import write_review
from tests.review.test_review_formats import content
from tests.review.test_writer import planned, snapshot

OPEN = Limits(removals_per_group=None, removal_share=None, removal_share_total=None)


@pytest.mark.parametrize(
    ("n_members", "n_add", "n_remove", "parts"),
    [
        (40, 0, 16, ["40%"]),
        (40, 0, 15, []),
        (40, 16, 18, ["45%", "40%"]),
        (4, 2, 2, []),
        (40, 0, 40, []),
        (0, 50, 0, []),
    ],
)
def test_share(n_members, n_add, n_remove, parts):
    "Shares of at least 40% are stated, except for few customers, for empty groups, and for emptied groups."
    members = tuple(f"c-{n:03d}" for n in range(n_members))
    added = tuple(f"n-{n:03d}" for n in range(n_add))

    text = large_change_text(GroupChange("bw", "VIP", members, added, members[:n_remove]))

    assert bool(text) == bool(parts) and all(part in text for part in parts)


@pytest.mark.parametrize("ending", [".html", ".md", ".txt", ".xlsx"])
def test_review(tmp_path, ending):
    "A large share is stated above the changes and in the row of the group, although the limits allow it."
    plan = planned(wanted={"bw": [f"c-{n:03d}" for n in range(18, 40)]}, limits=OPEN)

    text = content(write_review(plan, tmp_path / f"r{ending}"))

    assert not plan.blocked
    assert large_change_sentences(plan)[0] in text
    assert text.count("45% of the members leave") == 2


@pytest.mark.parametrize("ending", [".html", ".md"])
def test_review_after_run(tmp_path, ending):
    "After a run, the review contains no warnings about large changes and limits, which are for a decision."
    plan = planned(wanted={"bw": [f"c-{n:03d}" for n in range(18, 40)]}, limits=OPEN)
    status = applied_status(None, "", RunResults({}, {}, {}, frozenset()))
    assert wider_limits(plan).blocked in content(write_review(plan, tmp_path / f"r{ending}"))

    text = content(write_review(plan, tmp_path / f"r{ending}", status=status))

    assert large_change_sentences(plan)[0] not in text
    assert wider_limits(plan).blocked not in text and wider_limits(plan).title not in text


def test_many_groups():
    "At most five groups are named, and the last sentence states the number of the other groups."
    groups = [f"g{n}" for n in range(8)]
    taken = snapshot(sizes=[(group, 10) for group in groups], names={group: group for group in groups})
    plan = planned(taken, {group: ["c-000"] for group in groups}, limits=OPEN)

    sentences = large_change_sentences(plan)

    assert len(sentences) == 6 and "3 more groups" in sentences[-1]
