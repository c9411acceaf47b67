"""Tests for the findings about added and removed customers, with and without a group register."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import CorruptFileError, InputError
from frgroups.plan.finding import APPROVAL_CHECK
from frgroups.plan.limits import Limits
from frgroups.plan.plan_file import plan_from_dict, plan_to_dict, read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.markdown import review_markdown
from frgroups.review.page import review_html
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

WIDE = Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)
CUSTOMERS = [f"c{n}" for n in range(6)]
worlds = st.fixed_dictionaries({uid: st.sets(st.sampled_from(CUSTOMERS)) for uid in ("a", "b", "c")})
wishes = st.dictionaries(st.sampled_from(["a", "b", "c", "new"]), st.sets(st.sampled_from([*CUSTOMERS, "x1"])))


def snapshot_of(world, customers=None, *, taken_at=None):
    """Return a snapshot from a dictionary of group uid to customer uids."""
    rows = [(uid, customer) for uid, members in world.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(world), "name": [uid.upper() for uid in world]}),
        customers,
        tenant_uid="t-1",
        taken_at=taken_at or datetime.now(UTC),
    )


def customers_of_two_types(n_persons, n_companies=0):
    """Return a customers table in which persons are followed by companies."""
    n = n_persons + n_companies
    kinds = ["PERSON"] * n_persons + ["B2B"] * n_companies
    return pd.DataFrame({"customer_uid": [f"c{n:04d}" for n in range(n)], "customer_type": kinds})


def counts_of(plan, rule):
    """Return the number in the finding with the given rule, as {group uid: number}."""
    return {finding.customer_group_uid: finding.n for finding in plan.findings if finding.rule == rule}


def message_of(plan, rule):
    """Return the message of the only finding with the given rule."""
    [finding] = [finding for finding in plan.findings if finding.rule == rule]
    return finding.message


def register_of(**columns):
    """Return a group register with the given columns."""
    return pd.DataFrame(columns)


# Findings from the snapshot


def test_own_pricelist():
    "If a plan adds customers with an individual price list, a finding contains the number of these customers."
    customers = pd.DataFrame({"customer_uid": ["c1", "c2", "c3"], "pricelist_uid": ["0700", "", None]})
    snapshot = snapshot_of({"a": [], "b": ["c1", "c2", "c3"]}, customers)

    plan = plan_memberships(snapshot, {"a": ["c1", "c2", "c3", "x9"]})

    assert counts_of(plan, "own_pricelist") == {"a": 1}
    assert "1 customer " in message_of(plan, "own_pricelist")


def test_other_type():
    "If B2B customers are added to a group in which 99.9% of the members are persons, a finding reports them."
    snapshot = snapshot_of(
        {"a": [f"c{n:04d}" for n in range(999)] + ["c1000"], "b": []}, customers_of_two_types(1000, 20)
    )

    plan = plan_memberships(snapshot, {"a": [f"c{n:04d}" for n in range(1008, 1020)] + ["c0999"]})

    assert counts_of(plan, "other_type") == {"a": 12}
    message = message_of(plan, "other_type")
    assert all(part in message for part in ("12 customers", "12 B2B", "99.9% of the 1,000 members", "PERSON"))


@pytest.mark.parametrize(("n_persons", "n_companies"), [(19, 0), (90, 10)])
def test_no_usual_type(n_persons, n_companies):
    "A group has no usual customer type if it has fewer than 20 members or less than 95% of them have the same type."
    customers = customers_of_two_types(n_persons, n_companies + 1)
    snapshot = snapshot_of({"a": list(customers["customer_uid"])[:-1]}, customers)

    plan = plan_memberships(snapshot, {"a": [customers["customer_uid"].iloc[-1]]})

    assert counts_of(plan, "other_type") == {}


@given(worlds, wishes, st.sampled_from(["add", "keep_only", "mirror"]))
def test_in_no_group(world, wanted, mode):
    "If a plan removes customers from their last group, a finding contains the number of these customers."
    create = {"new": "New"} if "new" in wanted else None

    plan = plan_memberships(snapshot_of(world), wanted, mode=mode, create=create, limits=WIDE)

    after = {group.uid: set(group.baseline) | set(group.add) for group in plan.groups}
    after = {uid: members - set(plan_group.remove) for plan_group in plan.groups for uid, members in after.items()
             if uid == plan_group.uid}  # fmt: skip
    remaining = set().union(*(world | after).values())
    gone = {customer for group in plan.groups for customer in group.remove} - remaining
    assert counts_of(plan, "out_of_sight") == ({None: len(gone)} if gone else {})


# Findings from the register


@given(worlds, wishes, st.sampled_from(["add", "mirror"]))
def test_two_tiers(world, wanted, mode):
    "If a plan puts customers into two groups of an exclusive set, a finding contains the number of these customers."
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
    assert counts_of(plan, "two_tiers") == expected


def test_expected_type():
    "The expected customer type in the register takes precedence over the usual type of the members."
    snapshot = snapshot_of({"a": [f"c{n:04d}" for n in range(100)]}, customers_of_two_types(100, 3))
    register = register_of(group=["A"], expected_type=["B2B|COMPANY"])

    into = plan_memberships(snapshot, {"a": ["c0100", "c0101"]}, register=register)
    new = plan_memberships(snapshot, {"n": ["c0000", "c0101"]}, create={"n": "New"},
                           register=register_of(group=["n"], expected_type="B2B"))  # fmt: skip

    assert counts_of(into, "other_type") == {}
    message = message_of(new, "other_type")
    assert "1 customer " in message and "1 PERSON" in message and "B2B" in message


@pytest.mark.parametrize("mode", ["add", "mirror"])
def test_protected_group(mode):
    "A plan that changes a protected group is blocked, and the plan's digest covers the limits in the register."
    register = register_of(group=["VIP", "staff"], protected=[True, False])
    wanted = {"vip": ["c-1", "c-2", "c-7"] if mode == "add" else ["c-1"]}

    plan = plan_memberships(sample_snapshot(), wanted, mode=mode, register=register)
    free = plan_memberships(sample_snapshot(), wanted, mode=mode)

    assert plan.blocked and not free.blocked
    assert counts_of(plan, "protected_group") == {"vip": 1}
    assert plan.digest != free.digest


def test_protected_group_with_own_limits():
    "Limits for the uid of a protected group can allow changes, but a finding still reports the protection."
    register = register_of(group=["vip"], protected=[True])
    limits = Limits(per_group={"vip": Limits(additions_per_group=1)})

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits, register=register)

    assert not plan.blocked
    assert counts_of(plan, "protected_group") == {"vip": 1}


def test_register_limits():
    "The limit for additions to a group is read from the register column max_additions."
    register = register_of(group=["vip"], max_additions=[2])

    two = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8"]}, register=register)
    three = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8", "c-9"]}, register=register)

    assert not two.blocked
    assert counts_of(three, "additions_per_group") == {"vip": 3}


def test_ended_group():
    "If a group has ended, additions to the group are reported, but removals are not."
    register = register_of(group=["vip"], valid_to=["2026-01-31"])
    snapshot = snapshot_of({"vip": ["c1", "c2", "c3"], "b": ["c9"]}, taken_at="2026-02-01")

    joining = plan_memberships(snapshot, {"vip": ["c9"]}, register=register)
    leaving = plan_memberships(snapshot, {"vip": ["c1"]}, mode="keep_only", register=register)

    assert all(part in message_of(joining, "ended") for part in ("1 customer ", "VIP", "2026-01-31"))
    assert counts_of(leaving, "ended") == {}


def test_register_unknown():
    "A register row without a matching group is reported only if the row has limits or protection."
    register = register_of(group=["vipp", "old"], protected=[True, False])

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register=register)

    assert counts_of(plan, "register_unknown") == {None: 1}
    message = message_of(plan, "register_unknown")
    assert "'vipp'" in message and "old" not in message


def test_register_without_the_groups():
    "A register without rows for the changed groups does not affect the digest of the plan."
    register = register_of(group=["all", "staff"], protected=[True, False], max_removals=[1, 2], owner=["x", "y"])

    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register=register)

    assert plan.digest == plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).digest


def test_invalid_register():
    "A register that is not a table raises InputError. The error recommends `read_register`."
    with pytest.raises(InputError, match=r"fg\.read_register"):
        plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, register="register.csv")


# Output formats


def plan_with_all_findings():
    """Return a plan that has one finding for each rule in `NEW_RULES`."""
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
    "Each finding is contained in the summary, the HTML review, the Markdown review, and the plan file."
    plan = plan_with_all_findings()
    message = message_of(plan, rule)

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert message in plan.summary()
    assert message in again.summary()
    message = message.removesuffix(f" {APPROVAL_CHECK}")  # The plan is based on tables, so it needs no approval.
    for page in (review_html(plan), review_html(again)):
        assert message in page.replace("&#x27;", "'").replace("&#39;", "'")
    assert message.split("(")[0] in review_markdown(plan).replace("\\", "")


def test_findings_in_plan_file(tmp_path):
    "A plan that was read from a file has the same findings and the same digest."
    plan = plan_with_all_findings()

    again = read_plan(plan.save(tmp_path / "p.plan.json"))

    assert again.findings == plan.findings
    assert again.digest == plan.digest


def test_findings_of_selection():
    "If a part of a plan is selected, the findings count only the selected customers."
    customers = pd.DataFrame({"customer_uid": ["c1", "c2"], "pricelist_uid": ["p", "p"]})
    plan = plan_memberships(snapshot_of({"a": [], "b": ["c1", "c2"]}, customers), {"a": ["c1", "c2"]})

    assert counts_of(plan, "own_pricelist") == {"a": 2}
    assert counts_of(plan.select(without=["c2"]), "own_pricelist") == {"a": 1}


def test_two_tiers_without_created_group():
    "If the additions to the new tier are not selected, the plan has no finding about customers in two tiers."
    register = register_of(group=["a", "new"], exclusive_set="tier")
    wanted = {"a": ["c2"], "new": ["c2"]}
    plan = plan_memberships(snapshot_of({"a": ["c1"], "b": ["c2"]}), wanted, create={"new": "New"}, register=register)

    assert counts_of(plan, "two_tiers") == {"a": 1, "new": 1}
    assert counts_of(plan.select(without=["new"]), "two_tiers") == {}


def test_no_owner_in_plan():
    "The names of group owners in the register are not stored in a plan."
    plan = plan_with_all_findings()

    assert "Kari" not in plan.summary() + review_html(plan) + str(plan_to_dict(plan))


def test_apply_protected_group():
    "A plan that is blocked by limits in the register is not applied."
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, cache=False, progress=False)
        plan = plan_memberships(
            snapshot, {"staff": list(snapshot["VIP"])[:1] + list(snapshot["staff"])},
            register=register_of(group=["staff"], protected=[True]),
        )  # fmt: skip
        assert list(snapshot.customers["customer_uid"]) == list(snapshot.matrix.customer_uids)

        with pytest.raises(fg.errors.PlanBlockedError) as caught:
            fg.apply_plan(client, plan, approval=plan.digest, progress=False)

    assert "additions_per_group" in {finding.rule for finding in caught.value.findings}


# Consent


def consents_of(*rows):
    """Return a table of consents with the columns customer, name, status, and day."""
    table = pd.DataFrame(rows, columns=["customer_uid", "name", "status", "created_at"])
    return table.assign(
        consent_uid=table["name"].str.lower(), created_at=pd.to_datetime("2026-11-" + table["created_at"], utc=True)
    )


def snapshot_with_consents(consents):
    """Return a snapshot with an empty group and a group of six customers."""
    memberships = pd.DataFrame({"customer_group_uid": ["b"] * 6, "customer_uid": CUSTOMERS})
    return snapshot_from_frames(
        memberships,
        pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]}),
        consents=consents,
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("register", "n"),
    [
        ({"channel": ["email"]}, 2),
        ({"channel": ["mobile"]}, 1),
        ({"channel": ["email|mobile"]}, 3),
        ({"purpose": ["Weekly newsletter"]}, 2),
        ({"purpose": ["Nyhetsbrev"]}, 2),
        ({"purpose": ["SMS before the sale"]}, 1),
        ({"purpose": ["newsletter"], "channel": ["mobile"]}, 1),
        ({"purpose": ["employees"]}, 0),
        ({"owner": ["HR"]}, 0),
    ],
)
def test_withdrawn_consent(register, n):
    "A finding counts the customers who join a mailing group although they have withdrawn their consent."
    consents = consents_of(
        ("c0", "Newsletter", True, "01"),
        ("c1", "Newsletter", False, "01"),
        ("c2", "Newsletter", True, "01"),
        ("c2", "Newsletter", False, "02"),
        ("c3", "Newsletter", False, "01"),
        ("c3", "Newsletter", True, "02"),
        ("c4", "SMS", False, "01"),
    )
    table = register_of(group=["a"], **register)

    plan = plan_memberships(snapshot_with_consents(consents), {"a": [*CUSTOMERS, "x1"]}, register=table)

    assert counts_of(plan, "withdrawn_consent") == ({"a": n} if n else {})
    assert plan.table()["finding"].str.contains("withdrawn_consent").sum() == n
    assert not any(finding.blocking for finding in plan.findings if finding.rule == "withdrawn_consent")


@pytest.mark.parametrize(
    ("channel", "given", "withdrawn", "no_record"),
    [("email", 2, 2, 3), ("mobile", 0, 1, 6), ("email|mobile", 0, 3, 4)],
)
def test_consent_counts(channel, given, withdrawn, no_record):
    "The finding states how many of the added customers have consented, have withdrawn, and have no record."
    consents = consents_of(
        ("c0", "Newsletter", True, "01"),
        ("c1", "Newsletter", False, "01"),
        ("c2", "Newsletter", False, "01"),
        ("c3", "Newsletter", True, "02"),
        ("c4", "SMS", False, "01"),
    )
    table = register_of(group=["a"], channel=[channel])

    plan = plan_memberships(snapshot_with_consents(consents), {"a": [*CUSTOMERS, "x1"]}, register=table)

    first = next(finding for finding in plan.findings if finding.rule == "withdrawn_consent")
    for words in (f"{given} of the 7 customers", f"{withdrawn} ha", f"{no_record} ha"):
        assert words in first.message
    assert counts_of(plan, "no_consent_record") == {"a": no_record}
    assert plan.table()["finding"].str.contains("no_consent_record").sum() == no_record
    assert all(finding.is_warning for finding in plan.findings if "consent" in finding.rule)


def test_no_consents():
    "Without any withdrawal, the finding about customers without a record contains the number of given consents."
    table = register_of(group=["a"], channel=["email"])
    snapshot = snapshot_with_consents(consents_of(("c0", "Newsletter", True, "01")))

    plan = plan_memberships(snapshot, {"a": CUSTOMERS}, register=table)
    all_given = plan_memberships(snapshot, {"a": ["c0"]}, register=table)

    [message] = [finding.message for finding in plan.findings if finding.rule == "no_consent_record"]
    assert "1 of the 6 customers" in message and "5 have no record" in message
    assert counts_of(all_given, "no_consent_record") == counts_of(all_given, "withdrawn_consent") == {}


@pytest.mark.parametrize(("name", "n"), [("Marketing", 1), ("SMS", 0)])
def test_general_consent(name, n):
    "If no consent mentions the channel, consents without a channel are used and other consents are ignored."
    snapshot = snapshot_with_consents(consents_of(("c0", name, False, "01"), ("c1", name, True, "01")))

    plan = plan_memberships(snapshot, {"a": CUSTOMERS}, register=register_of(group=["a"], channel=["email"]))

    assert counts_of(plan, "withdrawn_consent") == ({"a": n} if n else {})


def test_marked_customers(tmp_path):
    "The plan's table marks each customer of a finding with its rules, also after the plan was saved and selected."
    customers = pd.DataFrame({"customer_uid": CUSTOMERS, "pricelist_uid": ["", "07", "", "07", "", ""]})
    snapshot = snapshot_of({"a": ["c0"], "b": ["c3", "c4", "c5"]}, customers)
    register = register_of(group=["a", "b"], exclusive_set=["tier", "tier"])
    path = tmp_path / "register.csv"
    register.to_csv(path, index=False)

    wanted = {"a": ["c0", "c1", "c2", "c3", "x1"], "b": ["c3", "c4"]}
    plan = plan_memberships(snapshot, wanted, mode="mirror", register=fg.read_register(path), limits=WIDE)
    expected = {
        ("a", "c1"): "own_pricelist",
        ("a", "c2"): "",
        ("a", "c3"): "two_tiers, own_pricelist",
        ("a", "x1"): "unknown_customers",
        ("b", "c5"): "out_of_sight",
    }
    stored = read_plan(plan.save(tmp_path / "plan.json"))
    document = plan_to_dict(plan)

    for table in (plan.table(), stored.table()):
        assert (
            dict(
                zip(
                    zip(table["customer_group_uid"], table["customer_uid"], strict=True),
                    table["finding"],
                    strict=True,
                )
            )
            == expected
        )
    assert document["groups"][0]["findings"] == {"own_pricelist": [0, 2], "two_tiers": [2]}
    for source in (plan, stored):
        rest = source.select(["a"], without=["c1"]).table()
        assert rest["finding"].tolist() == ["", "two_tiers, own_pricelist", "unknown_customers"]
    document["groups"][0]["findings"] = {"two_tiers": [9]}
    with pytest.raises(CorruptFileError):
        plan_from_dict(document, "p.json")


@given(worlds, wishes)
def test_number_of_marks(world, wish):
    "For each finding about one group, the number of marked customers equals the number in the finding."
    wish = {uid: uids for uid, uids in wish.items() if uid != "new"}
    customers = pd.DataFrame(
        {"customer_uid": CUSTOMERS, "pricelist_uid": ["07", "", "08", "", "", ""], "customer_type": ["A", "B"] * 3}
    )
    plan = plan_memberships(snapshot_of(world, customers), wish, mode="mirror", limits=WIDE)
    table = plan.table()

    for rule in ("own_pricelist", "unknown_customers"):
        marked = table[table["finding"].str.contains(rule)]
        assert marked.groupby("customer_group_uid").size().to_dict() == counts_of(plan, rule)
    n_left = table.loc[table["finding"].str.contains("out_of_sight"), "customer_uid"].nunique()
    assert counts_of(plan, "out_of_sight") == ({None: n_left} if n_left else {})


def test_withdrawn_consent_of_leaving_customers():
    "Customers who leave a mailing group, and plans without a register, do not result in the finding."
    snapshot = snapshot_with_consents(consents_of(*[(uid, "Newsletter", False, "01") for uid in CUSTOMERS]))
    register = register_of(group=["b"], channel=["email"])

    removal = plan_memberships(snapshot, {"b": CUSTOMERS[:2]}, mode="remove", register=register)

    assert counts_of(removal, "withdrawn_consent") == {}
    assert counts_of(plan_memberships(snapshot, {"a": CUSTOMERS}), "withdrawn_consent") == {}
