"""Tests for the limits of a plan and for the findings about exceeded limits."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.cli.types import parse_limit
from frgroups.errors import InputError
from frgroups.plan.finding import Finding
from frgroups.plan.limit_comparisons import GroupCounts, limit_violations
from frgroups.plan.limit_overrides import limit_options, relaxed_limits, wider_values
from frgroups.plan.limits import AGE_LIMITS, GROUP_LIMIT_NAMES, LIMIT_NAMES, SHARE_LIMITS, Limits

NO_LIMITS = Limits(
    removals_per_group=None,
    removal_share=None,
    removal_floor=None,
    removals_total=None,
    removal_share_total=None,
    removal_floor_total=None,
    emptied_groups=None,
    additions_per_group=None,
    additions_total=None,
    drift_share=None,
    drift_floor=None,
    snapshot_max_age=None,
    plan_max_age=None,
)


def group(*, baseline=0, adds=0, removes=0, uid="g"):
    """Return the numbers of members, additions, and removals of one group."""
    return GroupCounts(uid, f"Group {uid}", baseline, adds, removes)


def exceeded_rules(limits, *groups, age="1h"):
    """Return the names of the limits that the planned changes exceed."""
    hours = timedelta(hours=float(age.rstrip("h")))
    return [finding.rule for finding in limit_violations(limits, list(groups), snapshot_age=hours)]


def test_defaults():
    "A Limits object has the documented default values."
    assert Limits().to_dict() == {
        "removals_per_group": 100,
        "removal_share": 0.10,
        "removal_floor": 2,
        "removals_total": 500,
        "removal_share_total": 0.25,
        "removal_floor_total": 20,
        "emptied_groups": 0,
        "additions_per_group": 1000,
        "additions_total": 5000,
        "drift_share": 0.10,
        "drift_floor": 2,
        "snapshot_max_age": "24h",
        "plan_max_age": "7d",
        "per_group": [],
    }


@pytest.mark.parametrize(
    ("limits", "baseline", "expected"),
    [
        (Limits(), 250, 25),
        (Limits(), 5000, 100),
        (Limits(), 10, 2),
        (Limits(removal_floor=None), 10, 1),
        (Limits(removal_floor=0), 10, 1),
        (Limits(removals_per_group=None), 5000, 500),
        (Limits(removal_share=None), 50, 100),
        (Limits(removals_per_group=None, removal_share=None), 50, None),
        (Limits(removals_per_group=None, removal_share=None, removal_floor=5), 50, None),
        (Limits(removals_per_group=0, removal_floor=0), 5000, 0),
        (Limits(removal_share=0, removal_floor=None), 5000, 0),
        (Limits(removal_share=0.29, removals_per_group=None), 100, 29),
    ],
)
def test_removals_allowed(limits, baseline, expected):
    "The maximum number of removals is max(removal_floor, min(removals_per_group, removal_share x baseline))."
    assert limits.removals_allowed(baseline) == expected


@pytest.mark.parametrize(("removes", "rules"), [(25, []), (26, ["removals_per_group"])])
def test_removal_limit_boundary(removes, rules):
    "A plan with the maximum number of removals is allowed, and a plan with one more removal is blocked."
    assert exceeded_rules(Limits(), group(baseline=250, removes=removes)) == rules


def test_removal_finding():
    "A finding about an exceeded limit contains the group, the numbers, the limit, and the values that allow it."
    [finding] = limit_violations(
        Limits(removal_share_total=None), [group(baseline=250, removes=90)], snapshot_age=timedelta(0)
    )

    assert finding.blocking
    assert (finding.customer_group_uid, finding.n) == ("g", 90)
    assert all(
        part in finding.message for part in ("Group g", "90 of 250 customers (36%)", "limit for this group is 25")
    )
    assert str(finding).startswith("BLOCKED: ")
    limits = Limits(removal_share_total=None)
    [almost_all] = limit_violations(limits, [group(baseline=250, removes=249)], snapshot_age=timedelta(0))
    assert "249 of 250 customers (99.6%)" in str(almost_all)
    relaxed = eval(repr(relaxed_limits([finding], limits)), {"Limits": Limits})
    assert exceeded_rules(relaxed, group(baseline=250, removes=90)) == []


@pytest.mark.parametrize(
    ("limits", "n_memberships", "expected"),
    [
        (Limits(), 300, 75),
        (Limits(), 12, 20),
        (Limits(removal_floor_total=None), 12, 3),
        (Limits(removal_floor_total=0), 12, 3),
        (Limits(removal_share_total=None), 300, None),
        (Limits(removal_share_total=None, removal_floor_total=0), 300, None),
        (Limits(removal_share_total=0), 300, 0),
        (Limits(removal_share_total=0, removal_floor_total=50), 300, 0),
        (Limits(removal_share_total=1), 300, 300),
        (Limits(removal_share_total=0.29, removal_floor_total=0), 100, 29),
    ],
)
def test_total_removals_allowed(limits, n_memberships, expected):
    "The maximum is max(removal_floor_total, removal_share_total x memberships). A share of 0 allows no removal."
    assert limits.total_removals_allowed(n_memberships) == expected


@pytest.mark.parametrize(
    ("n_groups", "baseline", "removes", "is_blocked"),
    [
        (100, 3, 2, True),
        (100, 4, 1, False),
        (99, 4, 1, False),
        (10, 2, 2, False),
        (11, 2, 2, True),
        (1, 40, 21, True),
    ],
)
def test_removal_share_total(n_groups, baseline, removes, is_blocked):
    "A plan is blocked if it removes more than 25% of the memberships and more than 20 customers."
    limits = Limits(removal_share=None, emptied_groups=None)
    groups = [group(uid=f"g{number}", baseline=baseline, removes=removes) for number in range(n_groups)]

    assert exceeded_rules(limits, *groups) == ["removal_share_total"] * is_blocked


def test_removal_share_total_without_additions():
    "The share counts only groups that lose members, so an addition to a large group does not allow more removals."
    groups = [group(uid=f"g{number}", baseline=3, removes=2) for number in range(100)]
    added = group(uid="large", baseline=610, adds=1)
    limits = Limits(removal_share=None, emptied_groups=None)

    [finding] = limit_violations(limits, [*groups, added], snapshot_age=timedelta(0))

    assert (finding.rule, finding.n) == ("removal_share_total", 200)
    assert "300 memberships" in finding.message and "910" not in finding.message


def test_removal_share_total_of_resumed_plan():
    "If some removals are already in effect, the share still counts the members of their groups."
    left, done = group(uid="a", baseline=40, removes=30), group(uid="b", baseline=370)
    limits = Limits(removal_share=None, removals_per_group=None)

    assert exceeded_rules(limits, left, done) == ["removal_share_total"]
    assert exceeded_rules(limits, left, replace(done, removed_already=30)) == []


def test_removal_share_total_of_group():
    "The limits of a single group do not change the limit for all groups together."
    own = {"g*": Limits(removal_share_total=None, removal_share=None, emptied_groups=1)}

    assert exceeded_rules(Limits(per_group=own), group(baseline=40, removes=30)) == ["removal_share_total"]


def test_addition_limits():
    "The numbers of additions to each group and to all groups together are limited."
    assert exceeded_rules(Limits(), group(adds=1000)) == []
    assert exceeded_rules(Limits(), group(adds=1001)) == ["additions_per_group"]
    assert exceeded_rules(Limits(additions_total=1500), *(group(adds=800, uid=uid) for uid in "ab")) == [
        "additions_total"
    ]


def test_removals_total():
    "The limit `removals_total` is compared with the number of removals from all groups together."
    groups = [group(baseline=1000, removes=100, uid=f"g{n}") for n in range(6)]

    assert exceeded_rules(Limits(), *groups[:5]) == []
    assert exceeded_rules(Limits(), *groups) == ["removals_total"]


def test_emptied_groups():
    "A plan that empties a group is blocked unless the limit `emptied_groups` allows it."
    last = group(baseline=2, removes=2)

    assert exceeded_rules(Limits(), last) == ["emptied_groups"]
    assert exceeded_rules(Limits(), group(baseline=2, adds=1, removes=2)) == []
    assert exceeded_rules(Limits(), group(baseline=0)) == []
    assert exceeded_rules(Limits(emptied_groups=1), last) == []
    assert exceeded_rules(Limits(emptied_groups=1), last, group(baseline=1, removes=1, uid="h")) == ["emptied_groups"]
    assert exceeded_rules(Limits(emptied_groups=None), last) == []


def test_per_group_precedence():
    "Limits for a uid take precedence over limits for a pattern, and missing limits of a group have the defaults."
    limits = Limits(
        removals_per_group=1,
        additions_per_group=1,
        per_group={"store_*": Limits(removals_per_group=50), "store_1": Limits(removals_per_group=3)},
    )

    assert limits.of("store_1").removals_per_group == 3
    assert limits.of("store_2").removals_per_group == 50
    assert limits.of("store_2").additions_per_group == 1000
    assert limits.of("vip") is limits
    assert limits.of("Store_2") is limits


def test_pattern_order_round_trip():
    "The first matching pattern is used, even if the limits are converted with `to_dict` and `from_dict`."
    for first, second in [("store_*", "*"), ("*", "store_*")]:
        limits = Limits(per_group={first: Limits(removals_per_group=1), second: Limits(removals_per_group=2)})

        assert limits.of("store_1").removals_per_group == 1
        assert Limits.from_dict(limits.to_dict()).of("store_1").removals_per_group == 1


def test_emptied_group_with_own_limits():
    "If a group with separate limits is emptied, only its own limit `emptied_groups` applies."
    strict = Limits(emptied_groups=5, per_group={"vip": Limits()})
    loose = Limits(per_group={"vip": Limits(emptied_groups=1)})
    last = group(baseline=1, removes=1, uid="vip")

    assert exceeded_rules(strict, last) == ["emptied_groups"]
    assert exceeded_rules(loose, last) == []
    assert exceeded_rules(loose, last, group(baseline=1, removes=1)) == ["emptied_groups"]


def test_snapshot_max_age():
    "A plan is blocked if its snapshot is older than snapshot_max_age."
    assert exceeded_rules(Limits(), age="24h") == []
    assert exceeded_rules(Limits(), age="24.1h") == ["snapshot_max_age"]
    assert exceeded_rules(Limits(snapshot_max_age=None), age="9999h") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"removals_per_group": -1},
        {"removals_per_group": 1.5},
        {"removals_per_group": "100"},
        {"removals_per_group": True},
        {"removals_total": float("nan")},
        {"removals_total": float("inf")},
        {"removal_share": 10},
        {"removal_share": -0.1},
        {"drift_share": float("nan")},
        {"removal_share_total": 25},
        {"removal_share_total": True},
        {"removal_floor_total": -1},
        {"removal_floor_total": 2.5},
        {"snapshot_max_age": "soon"},
        {"snapshot_max_age": "-1h"},
        {"snapshot_max_age": "24"},
        {"snapshot_max_age": 24},
        {"plan_max_age": timedelta(days=7)},
        {"per_group": {"vip": {"removals_per_group": 1}}},
        {"per_group": {1: Limits()}},
        {"per_group": [Limits()]},
        {"per_group": None},
        {"per_group": {"vip": Limits(removals_total=0)}},
        {"per_group": {"vip": Limits(removal_share_total=0.5)}},
        {"per_group": {"vip": Limits(plan_max_age="1d")}},
        {"per_group": {"vip": Limits(additions_total=5)}, "additions_total": 7},
        {"per_group": {"vip": Limits(per_group={"a": Limits()})}},
    ],
)
def test_invalid_values(wrong):
    "Limits that are not valid shares, numbers of customers, durations, or mappings raise InputError."
    with pytest.raises(InputError):
        Limits(**wrong)


@pytest.mark.parametrize("limits", [Limits(), NO_LIMITS, Limits(removals_total=7, plan_max_age="1d")])
def test_group_limits_from_plan_limits(limits):
    "The limits of a plan are valid limits of one of its groups, and a limit that is off is accepted."
    own = replace(limits, removals_per_group=1)

    assert replace(limits, per_group={"vip": own}).of("vip") == own
    assert Limits(per_group={"vip": NO_LIMITS}).of("vip") == NO_LIMITS


def test_per_group_is_copied():
    "If the mapping `per_group` is modified later, the Limits object does not change."
    own = {"vip": Limits()}
    limits = Limits(per_group=own)

    own["vip"] = NO_LIMITS

    assert limits.of("vip") == Limits()


def test_canonical_numbers():
    "Limits with the values 100.0 and 100 are converted to the same dictionary."
    assert str(Limits(removals_total=100.0, removal_share=1).to_dict()) == str(
        Limits(removals_total=100, removal_share=1.0).to_dict()
    )


def test_from_dict_unknown_limit():
    "An unknown limit name in a dictionary raises InputError."
    with pytest.raises(InputError, match="removals_per_week"):
        Limits.from_dict(Limits().to_dict() | {"removals_per_week": 5})


counts = st.none() | st.integers(0, 50)
shares = st.none() | st.floats(0, 1)
some_limits = st.builds(
    Limits,
    removals_per_group=counts,
    removal_share=shares,
    removal_floor=counts,
    removals_per_day=counts,
    removals_total=counts,
    removal_share_total=shares,
    removal_floor_total=counts,
    emptied_groups=counts,
    additions_per_group=counts,
    additions_total=counts,
    drift_share=shares,
    drift_floor=counts,
    snapshot_max_age=st.sampled_from([None, "0h", "24h"]),
    plan_max_age=st.sampled_from([None, "7d"]),
)
group_limits = some_limits.map(lambda limits: limits.own_limits("a"))


@st.composite
def some_groups(draw):
    """Generate groups whose number of removals does not exceed their number of members."""
    groups = []
    for uid in draw(st.sets(st.sampled_from("abcd"), min_size=1)):
        baseline = draw(st.integers(0, 60))
        groups.append(
            group(uid=uid, baseline=baseline, adds=draw(st.integers(0, 60)), removes=draw(st.integers(0, baseline)))
        )
    return groups


@given(limits=some_limits, own=st.dictionaries(st.sampled_from(["a", "*", "[bc]"]), group_limits))
def test_dict_round_trip(limits, own):
    "If limits are converted to a dictionary and back, the result is equal to the original limits."
    limits = Limits(**{name: value for name, value in limits.to_dict().items() if name != "per_group"}, per_group=own)

    assert Limits.from_dict(limits.to_dict()) == limits


@given(limits=some_limits, groups=some_groups())
def test_violations_are_complete(limits, groups):
    "A plan has a blocking finding if and only if a group or the complete plan exceeds a limit."
    rules = set(exceeded_rules(limits, *groups))

    def exceeds(n, limit):
        return limit is not None and n > limit

    assert ("removals_per_group" in rules) == any(
        exceeds(counts.removes, limits.removals_allowed(counts.baseline)) for counts in groups
    )
    assert ("additions_per_group" in rules) == any(
        exceeds(counts.adds, limits.additions_per_group) for counts in groups
    )
    assert ("removals_total" in rules) == exceeds(sum(counts.removes for counts in groups), limits.removals_total)
    total = sum(counts.removes for counts in groups)
    allowed = limits.total_removals_allowed(sum(counts.baseline for counts in groups if counts.removes))
    assert ("removal_share_total" in rules) == exceeds(total, allowed)
    assert ("additions_total" in rules) == exceeds(sum(counts.adds for counts in groups), limits.additions_total)
    emptied = sum(counts.baseline > 0 and counts.baseline + counts.adds - counts.removes == 0 for counts in groups)
    assert ("emptied_groups" in rules) == exceeds(emptied, limits.emptied_groups)


@given(limits=some_limits, groups=some_groups(), data=st.data())
def test_stricter_limit(limits, groups, data):
    "A lower limit never allows more changes than a higher limit."
    names = [name for name in LIMIT_NAMES if name not in AGE_LIMITS]
    name = data.draw(st.sampled_from(names))
    old = getattr(limits, name)
    stricter = 0 if old is None else data.draw(st.floats(0, old) if name in SHARE_LIMITS else st.integers(0, old))

    strict_limits = replace(limits, per_group={}, **{name: stricter})

    assert set(exceeded_rules(limits, *groups)) <= set(exceeded_rules(strict_limits, *groups))


@given(groups=some_groups())
def test_disabled_limits(groups):
    "If all limits are None, no plan is blocked."
    assert exceeded_rules(NO_LIMITS, *groups, age="100000h") == []


@given(baseline=st.integers(0, 10_000), share=st.floats(0, 1), floor=st.integers(0, 50))
def test_drift_allowed(baseline, share, floor):
    "The maximum drift of a group is max(drift_floor, drift_share x baseline)."
    allowed = Limits(drift_share=share, drift_floor=floor).drift_allowed(baseline)

    assert allowed == pytest.approx(max(floor, share * baseline), abs=1e-6)
    assert Limits(drift_share=None, drift_floor=floor).drift_allowed(baseline) is None


def test_singular_in_messages():
    "The messages of findings contain the singular noun if the number is 1."
    none_allowed = Limits(removals_per_group=0, additions_per_group=0, emptied_groups=None)

    findings = limit_violations(none_allowed, [GroupCounts("g", "G", 1, 1, 1)], snapshot_age=timedelta(0))

    messages = " ".join(map(str, findings))
    assert "adds 1 customer " in messages and "1 of 1 customer (100%)" in messages


@given(
    limits=some_limits, own=st.dictionaries(st.sampled_from(["a", "*", "[bc]"]), group_limits), groups=some_groups()
)
def test_relaxed_limits_allow_the_plan(limits, own, groups):
    "The result of `relaxed_limits` allows the plan, and only the limits in the findings are changed."
    limits = replace(limits, per_group=own)
    findings = limit_violations(limits, groups, snapshot_age=timedelta(0))

    relaxed = relaxed_limits(findings, limits)

    assert eval(repr(relaxed), {"Limits": Limits}) == relaxed
    assert exceeded_rules(relaxed, *groups, age="0h") == []
    required = {name for finding in findings for name, _ in finding.allow}
    for uid in [counts.uid for counts in groups] + ["other"]:
        before, after = limits.of(uid).to_dict(), relaxed.of(uid).to_dict()
        changed = {name for name in GROUP_LIMIT_NAMES if before.get(name) != after.get(name)}
        assert changed <= required
    assert findings or relaxed == limits


@given(limits=some_limits, own=st.dictionaries(st.sampled_from(["a", "*"]), group_limits), groups=some_groups())
def test_relaxed_limits_are_minimal(limits, own, groups):
    "The result of `relaxed_limits` blocks a plan with one more removal."
    limits = replace(limits, per_group=own)
    findings = limit_violations(limits, groups, snapshot_age=timedelta(0))

    relaxed = relaxed_limits(findings, limits)

    blocked = {one.customer_group_uid for one in findings if one.rule == "removals_per_group"}
    for group in groups:
        one_more = replace(group, removes=group.removes + 1, baseline=group.baseline + 1)
        rules = {one.rule for one in limit_violations(relaxed, [one_more], snapshot_age=timedelta(0))}
        assert group.uid not in blocked or "removals_per_group" in rules


@given(limits=some_limits, groups=some_groups())
def test_limit_options_allow_the_plan(limits, groups):
    "The suggested --limit options allow the plan and change only the limits in the findings."
    findings = limit_violations(limits, groups, snapshot_age=timedelta(0))

    changes = dict(
        parse_limit(setting) for setting in limit_options(findings, limits).split() if setting != "--limit"
    )

    assert exceeded_rules(replace(limits, **changes), *groups, age="0h") == []
    assert set(changes) <= {name for finding in findings for name, _ in finding.allow}
    assert all(getattr(limits, name) != value for name, value in changes.items())


def test_limit_options_leave_a_disabled_limit():
    "The suggested --limit options never enable a disabled limit, because it could block another group."
    limits = Limits(removals_per_group=None, removal_share=0.75, removal_floor=0, emptied_groups=None)
    groups = [group(removes=2, baseline=3, uid="b"), group(removes=1, baseline=1, uid="a")]
    findings = limit_violations(limits, groups, snapshot_age=timedelta(0))

    assert limit_options(findings, limits) == "--limit removal_share=1"


@given(limits=some_limits, groups=some_groups())
def test_no_limit_is_disabled(limits, groups):
    "The suggested values never disable a limit. The suggested share is the smallest one with two decimals."
    findings = limit_violations(limits, groups, snapshot_age=timedelta(hours=30))

    counts = {one.uid: one for one in groups}
    for finding in findings:
        assert all(value is not None for _, value in finding.allow)
        for name, value in wider_values(finding, limits):
            if name == "removal_share":
                share = replace(NO_LIMITS, removal_share=value)
                smaller = replace(NO_LIMITS, removal_share=max(value - 0.01, 0))
                one = counts[finding.customer_group_uid]
                assert exceeded_rules(share, one) == [] != exceeded_rules(smaller, one)


@pytest.mark.parametrize(
    ("removes", "baseline", "options"),
    [
        (20, 120, "--limit removal_share=0.17"),
        (150, 2_000, "--limit removals_per_group=150"),
        (300, 2_000, "--limit removals_per_group=300 --limit removal_share=0.15"),
    ],
)
def test_smallest_options(removes, baseline, options):
    "The options contain only the limits that the plan exceeds, with the smallest sufficient values."
    limits = Limits(removal_share_total=None)
    findings = limit_violations(limits, [group(removes=removes, baseline=baseline)], snapshot_age=timedelta(0))

    assert limit_options(findings, limits) == options


def test_age_options():
    "The suggested limit for the age of the data allows the age for one more hour."
    [finding] = limit_violations(Limits(), [], snapshot_age=timedelta(hours=30.5))

    assert limit_options([finding], Limits()) == "--limit snapshot_max_age=32h"
    relaxed = relaxed_limits([finding], Limits())
    assert limit_violations(relaxed, [], snapshot_age=timedelta(hours=31.5)) == []


def test_limit_options_of_a_group_with_own_limits():
    "If the blocked group has separate limits, the suggestion describes how to change these limits."
    limits = Limits(per_group={"own": Limits(additions_per_group=1)}, additions_total=4)
    findings = limit_violations(limits, [group(adds=5, uid="own")], snapshot_age=timedelta(0))

    options, of_group = limit_options(findings, limits).split(" and ")

    assert options == "--limit additions_total=5"
    assert of_group.startswith("additions_per_group=5 ") and "own" in of_group


def test_limit_options_without_an_override():
    "If no limit can allow the plan, the suggestion is an empty string."
    assert limit_options([Finding("suppression_list", "", True)], Limits()) == ""


def test_removals_per_day():
    "Removals by earlier plans count toward the limit, but they do not block a plan without removals."
    limits = Limits(removals_per_group=None, removal_share=None, removals_per_day=10)
    before = GroupCounts("g", "Group g", 100, 0, 4, removed_before=7)

    [findings] = limit_violations(limits, [before], snapshot_age=timedelta(0))

    assert (findings.rule, findings.n, findings.allow) == ("removals_per_day", 11, (("removals_per_day", 11),))
    assert all(part in findings.message for part in ("Group g", "4 customers", " 7 ", "24 hours", " 10 "))
    assert limit_violations(limits, [replace(before, removed_before=6)], snapshot_age=timedelta(0)) == []
    assert limit_violations(limits, [replace(before, removes=0, removed_before=60)], snapshot_age=timedelta(0)) == []


@pytest.mark.parametrize("none", [{"removals_per_group": 0}, {"removal_share": 0}])
def test_removal_rule_without_floor(none):
    "If a limit of 0 allows no removal, the description of the limit does not contain `removal_floor`."
    assert Limits(**none).removal_rule() == "0 customers"
