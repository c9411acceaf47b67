"""Tests for the comparison of a plan with each of its limits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_checks import limit_checks
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from tests.plan.test_limits import NO_LIMITS, group_limits, some_limits

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALWAYS = {
    "removals_per_group",
    "additions_per_group",
    "removals_total",
    "removal_share_total",
    "additions_total",
    "emptied_groups",
    "snapshot_max_age",
    "drift_share",
    "plan_max_age",
}


def change(uid, *, baseline=40, adds=0, removes=0):
    """Return a group change with the given numbers of members, additions, and removals."""
    members = tuple(f"c-{n:03d}" for n in range(baseline))
    return GroupChange(uid, f"Group {uid}", members, tuple(f"n-{n:03d}" for n in range(adds)), members[:removes])


def checks(*groups, limits=None, **values):
    """Return the limit checks of a plan with the given groups, as a dictionary by rule."""
    values = {"snapshot_taken_at": NOON - timedelta(hours=3)} | values
    plan = Plan("t-1", "https://api.example", "mirror", limits or Limits(), groups, NOON, **values)
    return {check.rule: check for check in limit_checks(plan)}


def test_values_of_a_plan():
    "Each limit check contains the value in the plan, the maximum, and the state."
    by_rule = checks(change("a", removes=2), change("b", adds=3, removes=1))

    assert by_rule.keys() == ALWAYS
    closest = by_rule["removals_per_group"]
    assert (closest.state, closest.value, closest.allowed, closest.group.uid) == ("within", 2, 4, "a")
    assert (closest.n_groups, closest.n_unlimited) == (2, 0)
    assert (by_rule["additions_per_group"].value, by_rule["additions_per_group"].group.uid) == (3, "b")
    assert (by_rule["removals_total"].value, by_rule["removals_total"].allowed) == (3, 500)
    assert (by_rule["additions_total"].value, by_rule["additions_total"].allowed) == (3, 5000)
    assert (by_rule["emptied_groups"].value, by_rule["emptied_groups"].allowed) == (0, 0)
    assert (by_rule["snapshot_max_age"].value, by_rule["snapshot_max_age"].allowed) == (3, 24)
    assert {rule for rule, check in by_rule.items() if check.state == "later"} == {"drift_share", "plan_max_age"}
    assert (by_rule["drift_share"].allowed, by_rule["plan_max_age"].allowed) == (0.1, 168)


def test_without_limits():
    "If a limit is None, its state is `off`."
    by_rule = checks(change("a", adds=1, removes=40), limits=NO_LIMITS)

    assert {check.state for check in by_rule.values()} == {"off"}
    assert {check.allowed for check in by_rule.values()} == {None}
    assert by_rule["removals_per_group"].n_unlimited == 1


@pytest.mark.parametrize(
    ("limits", "state"), [(Limits(), "within"), (Limits(removals_per_group=None, removal_share=None), "off")]
)
def test_no_group_is_affected(limits, state):
    "If no group has removals, the check of the removals uses the limits of the complete plan."
    check = checks(change("a", adds=1), limits=limits)["removals_per_group"]

    assert (check.state, check.value, check.group, check.n_groups) == (state, None, None, 0)


def test_own_limits():
    "A group with separate limits is compared with its own limits, and groups for which the limit is off are counted."
    limits = Limits(
        per_group={"a": Limits(removals_per_group=None, removal_share=0.5, emptied_groups=1), "b": NO_LIMITS}
    )

    by_rule = checks(change("a", removes=20), change("b", removes=40), limits=limits)

    check = by_rule["removals_per_group"]
    assert (check.group.uid, check.allowed, check.limits) == ("a", 20, limits.per_group["a"])
    assert (check.n_groups, check.n_unlimited) == (2, 1)
    assert (by_rule["emptied_groups"].value, by_rule["emptied_groups"].n_own_limits) == (1, 1)
    assert by_rule["emptied_groups"].state == "within"


def test_removals_per_day():
    "The check of the limit `removals_per_day` is pending unless the plan alone exceeds this limit."
    limits = Limits(removals_per_day=5, per_group={"b": Limits(removals_per_day=3)})

    pending = checks(change("a", removes=2), change("b", removes=2), limits=limits)["removals_per_day"]
    exceeded = checks(change("a", removes=2), change("b", removes=4), limits=limits)["removals_per_day"]

    assert (pending.state, pending.value, pending.allowed_values) == ("later", None, (3, 5))
    assert (exceeded.state, exceeded.value, exceeded.allowed, exceeded.group.uid) == ("over", 4, 3, "b")


def test_undo_of_an_old_apply():
    "An old snapshot does not block an undo plan, but the limit check contains the snapshot's age."
    check = checks(change("a", removes=1), reverts="0" * 64, snapshot_taken_at=NOON - timedelta(days=9))

    assert (check["snapshot_max_age"].state, check["snapshot_max_age"].value) == ("within", 216)


@given(
    limits=some_limits,
    own=st.dictionaries(st.sampled_from(["a", "*", "[bc]"]), group_limits, max_size=2),
    changes=st.dictionaries(
        st.sampled_from("abc"), st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60)), max_size=3
    ),
)
def test_checks_agree_with_findings(limits, own, changes):
    "A limit check reports an exceeded limit if and only if a finding with the same rule blocks the plan."
    groups = tuple(
        change(uid, baseline=baseline, adds=adds, removes=min(removes, baseline))
        for uid, (baseline, adds, removes) in changes.items()
    )
    limits = Limits(**{name: value for name, value in limits.to_dict().items() if name != "per_group"}, per_group=own)
    plan = Plan("t-1", None, "mirror", limits, groups, NOON, NOON - timedelta(hours=30))

    exceeded = {check.rule for check in limit_checks(plan) if check.state == "over"}

    assert exceeded == {finding.rule for finding in plan.findings if finding.blocking}
