"""What a plan tells of the customers whom it moves, from the snapshot and from a register; and what blocks."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError
from frgroups.plan.limits import Limits
from frgroups.plan.plan_file import plan_to_dict, read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.markdown import review_markdown
from frgroups.review.page import review_html
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

law = settings(max_examples=60)
WIDE = Limits(removals_per_group=None, removal_share=None, removals_total=None, emptied_groups=None)
CUSTOMERS = [f"c{n}" for n in range(6)]
worlds = st.fixed_dictionaries({uid: st.sets(st.sampled_from(CUSTOMERS)) for uid in ("a", "b", "c")})
wishes = st.dictionaries(st.sampled_from(["a", "b", "c", "new"]), st.sets(st.sampled_from([*CUSTOMERS, "x1"])))


def snapshot_of(world, customers=None, *, taken_at=None):
    """A snapshot of {group: customers}."""
    rows = [(uid, customer) for uid, members in world.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(world), "name": [uid.upper() for uid in world]}),
        customers,
        tenant_uid="t-1",
        taken_at=taken_at or datetime.now(UTC),
    )


def crowd(n_persons, n_companies=0):
    """Customers of two types, the companies last."""
    n = n_persons + n_companies
    kinds = ["PERSON"] * n_persons + ["B2B"] * n_companies
    return pd.DataFrame({"customer_uid": [f"c{n:04d}" for n in range(n)], "customer_type": kinds})


def found(plan, rule):
    """{group: n} of the findings of a rule."""
    return {finding.customer_group_uid: finding.n for finding in plan.findings if finding.rule == rule}


def told(plan, rule):
    """The sentence of the one finding of a rule."""
    [finding] = [finding for finding in plan.findings if finding.rule == rule]
    return finding.message


def register_of(**columns):
    return pd.DataFrame(columns)


# What the snapshot tells


def test_a_price_list_of_their_own_is_counted():
    "Of those who join, those who have one; an empty text is none, and who is unknown is not counted."
    customers = pd.DataFrame({"customer_uid": ["c1", "c2", "c3"], "pricelist_uid": ["0700", "", None]})
    snapshot = snapshot_of({"a": [], "b": ["c1", "c2", "c3"]}, customers)

    plan = plan_memberships(snapshot, {"a": ["c1", "c2", "c3", "x9"]})

    assert found(plan, "own_pricelist") == {"a": 1}
    assert told(plan, "own_pricelist").startswith("1 of 4 customers to join A has a price list of their own")


def test_companies_into_a_group_of_persons_stand_out():
    "12 B2B customers among those who join a group that is nearly all persons are told, with its share."
    snapshot = snapshot_of({"a": [f"c{n:04d}" for n in range(999)] + ["c1000"], "b": []}, crowd(1000, 20))

    plan = plan_memberships(snapshot, {"a": [f"c{n:04d}" for n in range(1008, 1020)] + ["c0999"]})

    assert found(plan, "other_type") == {"a": 12}
    assert (
        told(plan, "other_type")
        == "12 B2B customers are among the 13 to join A, whose 1,000 members are 99.9% PERSON."
    )


@pytest.mark.parametrize(("n_persons", "n_companies"), [(19, 0), (90, 10)])
def test_a_small_or_mixed_group_has_no_usual_type(n_persons, n_companies):
    "Below 20 members, or 95 % of one type, nobody stands out."
    customers = crowd(n_persons, n_companies + 1)
    snapshot = snapshot_of({"a": list(customers["customer_uid"])[:-1]}, customers)

    plan = plan_memberships(snapshot, {"a": [customers["customer_uid"].iloc[-1]]})

    assert found(plan, "other_type") == {}


@law
@given(worlds, wishes, st.sampled_from(["add", "keep_only", "mirror"]))
def test_out_of_sight_is_who_is_left_in_no_group(world, wanted, mode):
    "Counted customer by customer: in a group before, and in none when the plan took effect."
    create = {"new": "New"} if "new" in wanted else None

    plan = plan_memberships(snapshot_of(world), wanted, mode=mode, create=create, limits=WIDE)

    after = {group.uid: set(group.baseline) | set(group.add) for group in plan.groups}
    after = {uid: members - set(plan_group.remove) for plan_group in plan.groups for uid, members in after.items()
             if uid == plan_group.uid}  # fmt: skip
    still = set().union(*(world | after).values())
    gone = {customer for group in plan.groups for customer in group.remove} - still
    assert found(plan, "out_of_sight") == ({None: len(gone)} if gone else {})


# What the register tells


@law
@given(worlds, wishes, st.sampled_from(["add", "mirror"]))
def test_two_tiers_is_who_joins_one_and_is_in_another(world, wanted, mode):
    "Counted customer by customer over the groups as they would be; who leaves the other tier at once is in one."
    create = {"new": "New"} if "new" in wanted else None
    register = register_of(group=["a", "b", *(["new"] if create else [])], exclusive_set="tier")

    plan = plan_memberships(snapshot_of(world), wanted, mode=mode, create=create, limits=WIDE, register=register)

    after = {uid: set(members) for uid, members in world.items()}
    for group in plan.groups:
        after[group.uid] = (set(group.baseline) | set(group.add)) - set(group.remove)
    tiers = [uid for uid in ("a", "b", "new") if uid in after]
    expected = {}
    for group in plan.groups:
        others = set().union(*(after[uid] for uid in tiers if uid != group.uid))
        if group.uid in tiers and (both := others & set(group.add)):
            expected[group.uid] = len(both)
    assert found(plan, "two_tiers") == expected


def test_the_type_that_the_register_expects_goes_before_the_usual_one():
    "A group that is for companies says so, however many persons are in it."
    snapshot = snapshot_of({"a": [f"c{n:04d}" for n in range(100)]}, crowd(100, 3))
    register = register_of(group=["A"], expected_type=["B2B|COMPANY"])

    into = plan_memberships(snapshot, {"a": ["c0100", "c0101"]}, register=register)
    new = plan_memberships(snapshot, {"n": ["c0000", "c0101"]}, create={"n": "New"},
                           register=register_of(group=["n"], expected_type="B2B"))  # fmt: skip

    assert found(into, "other_type") == {}
    assert (
        told(new, "other_type")
        == "1 PERSON customer is among the 2 to join New, which is for B2B according to the register."
    )


@pytest.mark.parametrize("mode", ["add", "mirror"])
def test_a_protected_group_blocks_when_it_is_touched(mode):
    "One customer in, or one out, is one too many; the finding says why, and the limits are in the digest."
    register = register_of(group=["VIP", "staff"], protected=[True, False])
    wanted = {"vip": ["c-1", "c-2", "c-7"] if mode == "add" else ["c-1"]}

    plan = plan_memberships(sample_snapshot(), wanted, mode=mode, register=register)
    free = plan_memberships(sample_snapshot(), wanted, mode=mode)

    assert plan.blocked and not free.blocked
    assert found(plan, "protected_group") == {"vip": 1}
    assert plan.digest != free.digest


def test_limits_that_name_the_group_let_a_protected_group_be_touched():
    "Who wants it anyway says so by the uid; the reviewer still reads that it is protected."
    register = register_of(group=["vip"], protected=[True])
    limits = Limits(per_group={"vip": Limits(additions_per_group=1)})

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits, register=register)

    assert not plan.blocked
    assert found(plan, "protected_group") == {"vip": 1}


def test_numbers_of_the_register_are_limits_of_the_group():
    "max_additions blocks one more, and not the number itself."
    register = register_of(group=["vip"], max_additions=[2])

    two = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8"]}, register=register)
    three = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8", "c-9"]}, register=register)

    assert not two.blocked
    assert found(three, "additions_per_group") == {"vip": 3}


def test_joining_a_group_that_has_ended_is_told():
    "After its last day; leaving it is what should happen, and is not."
    register = register_of(group=["vip"], valid_to=["2026-01-31"])
    snapshot = snapshot_of({"vip": ["c1", "c2", "c3"], "b": ["c9"]}, taken_at="2026-02-01")

    joining = plan_memberships(snapshot, {"vip": ["c9"]}, register=register)
    leaving = plan_memberships(snapshot, {"vip": ["c1"]}, mode="keep_only", register=register)

    assert told(joining, "ended") == "1 customer would join VIP, which ended on 2026-01-31 according to the register."
    assert found(leaving, "ended") == {}


def test_protection_of_a_group_that_is_not_there_is_told():
    "A mistyped row guards nothing, and the reviewer knows; rows without limits are no matter."
    register = register_of(group=["vipp", "old"], protected=[True, False])

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register=register)

    assert found(plan, "register_unknown") == {None: 1}
    assert "'vipp'" in told(plan, "register_unknown") and "old" not in told(plan, "register_unknown")


def test_a_register_that_says_nothing_of_the_groups_changes_nothing():
    "The digest is that of the plan without it, whatever other rows there are."
    register = register_of(group=["all", "staff"], protected=[True, False], max_removals=[1, 2], owner=["x", "y"])

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register=register)

    assert plan.digest == plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).digest


def test_a_register_that_is_none_is_refused():
    "The error says how to make one."
    with pytest.raises(InputError, match=r"fg\.read_register"):
        plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register="register.csv")


# Where it is shown


def whole():
    """A plan with a finding of every kind."""
    customers = sample_snapshot().customers.assign(pricelist_uid="p")
    snapshot = replace(sample_snapshot(), customers=customers)
    register = register_of(
        group=["vip", "all", "staff", "gone"],
        exclusive_set=["tier", "tier", None, None],
        expected_type=["B2B", None, None, None],
        valid_to=["2020-01-01", None, None, None],
        protected=[True, False, False, True],
        owner="Kari Nordmann",
    )
    wanted = {"vip": ["c-1", "c-7"], "staff": []}
    return plan_memberships(snapshot, wanted, mode="mirror", register=register)


NEW_RULES = [
    "own_pricelist",
    "other_type",
    "two_tiers",
    "out_of_sight",
    "protected_group",
    "ended",
    "register_unknown",
]


@pytest.mark.parametrize("rule", NEW_RULES)
def test_every_rendering_shows_every_finding(rule, tmp_path):
    "Summary, review page, Markdown, and the plan read from its file tell the same sentence."
    plan = whole()
    sentence = told(plan, rule)

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert sentence in plan.summary()
    assert sentence in again.summary()
    for page in (review_html(plan), review_html(again)):
        assert sentence in page.replace("&#x27;", "'").replace("&#39;", "'")
    assert sentence.split("(")[0] in review_markdown(plan).replace("\\", "")


def test_a_plan_from_its_file_has_the_same_findings_and_digest(tmp_path):
    "Nothing is lost and nothing told twice."
    plan = whole()

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert again.findings == plan.findings
    assert again.digest == plan.digest


def test_a_smaller_plan_counts_again():
    "What is found of the whole plan is not said of a part of it."
    customers = pd.DataFrame({"customer_uid": ["c1", "c2"], "pricelist_uid": ["p", "p"]})
    plan = plan_memberships(snapshot_of({"a": [], "b": ["c1", "c2"]}, customers), {"a": ["c1", "c2"]})

    assert found(plan, "own_pricelist") == {"a": 2}
    assert found(plan.select(without=["c2"]), "own_pricelist") == {"a": 1}


def test_a_tier_that_is_no_longer_created_holds_nobody():
    "A plan without the new group of a set has nobody in two tiers."
    register = register_of(group=["a", "new"], exclusive_set="tier")
    wanted = {"a": ["c2"], "new": ["c2"]}
    plan = plan_memberships(snapshot_of({"a": ["c1"], "b": ["c2"]}), wanted, create={"new": "New"}, register=register)

    assert found(plan, "two_tiers") == {"a": 1, "new": 1}
    assert found(plan.select(without=["new"]), "two_tiers") == {}


def test_no_finding_names_an_owner():
    "Whoever answers for a group stands in the register, not in a plan."
    assert "Kari" not in whole().summary() + review_html(whole()) + str(plan_to_dict(whole()))


def test_a_protected_group_is_refused_by_apply():
    "Nothing is sent for a plan that the register blocks."
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, cache=False, progress=False)
        plan = plan_memberships(
            snapshot, {"staff": list(snapshot["VIP"])[:1] + list(snapshot["staff"])},
            register=register_of(group=["staff"], protected=[True]),
        )  # fmt: skip
        assert list(snapshot.customers["customer_uid"]) == list(snapshot.matrix.customer_uids)

        with pytest.raises(fg.errors.PlanBlockedError, match="the limit is 0"):
            fg.apply_plan(client, plan, approval=plan.digest, progress=False)
