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


def test_own_pricelist():
    "Joining customers with a price list are counted, without empty values and unknown customers."
    customers = pd.DataFrame({"customer_uid": ["c1", "c2", "c3"], "pricelist_uid": ["0700", "", None]})
    snapshot = snapshot_of({"a": [], "b": ["c1", "c2", "c3"]}, customers)

    plan = plan_memberships(snapshot, {"a": ["c1", "c2", "c3", "x9"]})

    assert found(plan, "own_pricelist") == {"a": 1}
    assert told(plan, "own_pricelist").startswith("1 of 4 customers to join A has a price list of their own")


def test_other_type():
    "12 B2B customers who join a group of nearly only persons are reported with the share."
    snapshot = snapshot_of({"a": [f"c{n:04d}" for n in range(999)] + ["c1000"], "b": []}, crowd(1000, 20))

    plan = plan_memberships(snapshot, {"a": [f"c{n:04d}" for n in range(1008, 1020)] + ["c0999"]})

    assert found(plan, "other_type") == {"a": 12}
    assert (
        told(plan, "other_type")
        == "12 B2B customers are among the 13 to join A, whose 1,000 members are 99.9% PERSON."
    )


@pytest.mark.parametrize(("n_persons", "n_companies"), [(19, 0), (90, 10)])
def test_no_usual_type(n_persons, n_companies):
    "A group below 20 members, or below 95% of one type, has no usual type."
    customers = crowd(n_persons, n_companies + 1)
    snapshot = snapshot_of({"a": list(customers["customer_uid"])[:-1]}, customers)

    plan = plan_memberships(snapshot, {"a": [customers["customer_uid"].iloc[-1]]})

    assert found(plan, "other_type") == {}


@law
@given(worlds, wishes, st.sampled_from(["add", "keep_only", "mirror"]))
def test_in_no_group(world, wanted, mode):
    "The finding counts the customers who are in a group before the plan and in none after it."
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
def test_two_tiers(world, wanted, mode):
    "The finding counts the customers who join a tier and are in another one after the plan."
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


def test_expected_type():
    "The type in the register takes precedence over the usual type of the group."
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
def test_protected_group(mode):
    "A change of a protected group is blocked, the finding names the reason, and the digest covers the limits."
    register = register_of(group=["VIP", "staff"], protected=[True, False])
    wanted = {"vip": ["c-1", "c-2", "c-7"] if mode == "add" else ["c-1"]}

    plan = plan_memberships(sample_snapshot(), wanted, mode=mode, register=register)
    free = plan_memberships(sample_snapshot(), wanted, mode=mode)

    assert plan.blocked and not free.blocked
    assert found(plan, "protected_group") == {"vip": 1}
    assert plan.digest != free.digest


def test_protected_group_with_own_limits():
    "Limits for the uid of a protected group allow changes; the finding about the protection remains."
    register = register_of(group=["vip"], protected=[True])
    limits = Limits(per_group={"vip": Limits(additions_per_group=1)})

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits, register=register)

    assert not plan.blocked
    assert found(plan, "protected_group") == {"vip": 1}


def test_register_limits():
    "max_additions of the register is the limit of the group."
    register = register_of(group=["vip"], max_additions=[2])

    two = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8"]}, register=register)
    three = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8", "c-9"]}, register=register)

    assert not two.blocked
    assert found(three, "additions_per_group") == {"vip": 3}


def test_ended_group():
    "Additions to a group after its last day are reported, removals are not."
    register = register_of(group=["vip"], valid_to=["2026-01-31"])
    snapshot = snapshot_of({"vip": ["c1", "c2", "c3"], "b": ["c9"]}, taken_at="2026-02-01")

    joining = plan_memberships(snapshot, {"vip": ["c9"]}, register=register)
    leaving = plan_memberships(snapshot, {"vip": ["c1"]}, mode="keep_only", register=register)

    assert told(joining, "ended") == "1 customer would join VIP, which ended on 2026-01-31 according to the register."
    assert found(leaving, "ended") == {}


def test_register_unknown():
    "Rows with limits or protection that match no group are reported, other rows are not."
    register = register_of(group=["vipp", "old"], protected=[True, False])

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register=register)

    assert found(plan, "register_unknown") == {None: 1}
    assert "'vipp'" in told(plan, "register_unknown") and "old" not in told(plan, "register_unknown")


def test_register_without_the_groups():
    "A register without rows for the groups does not change the digest."
    register = register_of(group=["all", "staff"], protected=[True, False], max_removals=[1, 2], owner=["x", "y"])

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register=register)

    assert plan.digest == plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).digest


def test_invalid_register():
    "A table that is not a register raises an error that names read_register."
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
def test_findings_in_all_formats(rule, tmp_path):
    "The summary, the review page, Markdown and the plan file contain each finding."
    plan = whole()
    sentence = told(plan, rule)

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert sentence in plan.summary()
    assert sentence in again.summary()
    for page in (review_html(plan), review_html(again)):
        assert sentence in page.replace("&#x27;", "'").replace("&#39;", "'")
    assert sentence.split("(")[0] in review_markdown(plan).replace("\\", "")


def test_findings_in_plan_file(tmp_path):
    "A plan file has the same findings, each once, and the same digest."
    plan = whole()

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert again.findings == plan.findings
    assert again.digest == plan.digest


def test_findings_of_selection():
    "The findings of a selection are counted for the selection."
    customers = pd.DataFrame({"customer_uid": ["c1", "c2"], "pricelist_uid": ["p", "p"]})
    plan = plan_memberships(snapshot_of({"a": [], "b": ["c1", "c2"]}, customers), {"a": ["c1", "c2"]})

    assert found(plan, "own_pricelist") == {"a": 2}
    assert found(plan.select(without=["c2"]), "own_pricelist") == {"a": 1}


def test_two_tiers_without_created_group():
    "A selection without the created tier has no customer in two tiers."
    register = register_of(group=["a", "new"], exclusive_set="tier")
    wanted = {"a": ["c2"], "new": ["c2"]}
    plan = plan_memberships(snapshot_of({"a": ["c1"], "b": ["c2"]}), wanted, create={"new": "New"}, register=register)

    assert found(plan, "two_tiers") == {"a": 1, "new": 1}
    assert found(plan.select(without=["new"]), "two_tiers") == {}


def test_no_owner_in_plan():
    "A plan does not contain the owners in the register."
    assert "Kari" not in whole().summary() + review_html(whole()) + str(plan_to_dict(whole()))


def test_apply_protected_group():
    "Apply sends nothing for a plan that the register blocks."
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, cache=False, progress=False)
        plan = plan_memberships(
            snapshot, {"staff": list(snapshot["VIP"])[:1] + list(snapshot["staff"])},
            register=register_of(group=["staff"], protected=[True]),
        )  # fmt: skip
        assert list(snapshot.customers["customer_uid"]) == list(snapshot.matrix.customer_uids)

        with pytest.raises(fg.errors.PlanBlockedError, match="the limit is 0"):
            fg.apply_plan(client, plan, approval=plan.digest, progress=False)
