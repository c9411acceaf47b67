"""Tests for the warnings about plans that share changes with a rejected plan."""

import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.review.plan_folders import plans_folder
from frgroups.review.rejected_changes import rejected_changes
from frgroups.review.rejections import withdraw_rejection

LIMITS = fg.Limits(snapshot_max_age=None)


def plan_of(customers, name):
    """Save a plan that adds customers to the group `vip`, and return the plan."""
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": customers}, limits=LIMITS)
    return fg.read_plan(plan.save(plans_folder(plan.tenant_uid, plan.base_url) / f"{name}.plan.json"))


@pytest.fixture
def rejected():
    """Return a plan with three additions that Ola has rejected."""
    plan = plan_of(["c-7", "c-8", "c-9"], "rejected")
    assert main(["approve", str(plan.path), "--by", "Ola", "--reject", "wrong week"]) == 0
    return plan


@pytest.mark.parametrize(
    ("customers", "counts"),
    [
        (["c-7"], "the only change"),
        (["c-7", "c-8"], "all 2 changes"),
        (["c-7", "c-8", "c-9", "c-10"], "3 of the 4 changes"),
    ],
)
def test_shared_changes(rejected, customers, counts, capsys):
    "A plan with a part of the rejected changes, or with more changes, can be approved with a warning."
    plan = plan_of(customers, "other")
    capsys.readouterr()

    for command in (["show", str(plan.path)], ["approve", str(plan.path), "--by", "Kari"]):
        assert main(command) == 0
        err = capsys.readouterr().err
        assert all(part in err for part in ("Ola", counts, rejected.digest[:12], "wrong week"))


def test_no_shared_changes(rejected):
    "There is no warning for other changes, for the rejected plan itself, and after a withdrawal."
    part = plan_of(["c-7"], "part")
    assert len(rejected_changes(part)) == 1
    assert rejected_changes(plan_of(["c-10"], "other")) == rejected_changes(rejected) == []

    withdraw_rejection(rejected, by="Ola")

    assert rejected_changes(part) == []
