"""The health report: each finding, its evidence, what it suggests, and the order."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis import duplicates as redundancy
from frgroups.analysis import health_checks
from frgroups.analysis.health import SEVERITIES, health_report
from frgroups.analysis.overlap import pair_counts
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

COLUMNS = {
    **dict.fromkeys(["severity", "finding", "customer_group_uid", "name", "other_group_uid", "other_name"], "str"),
    "n": "int64",
    **dict.fromkeys(["evidence", "suggested_action", "owner"], "str"),
}
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "register.csv"
memberships = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("123456")), max_size=30)


def snapshot_of(groups, customers=None, *, names=None, taken_at="2026-11-23", **dates):
    """A snapshot of {group: customers}."""
    rows = [(uid, customer) for uid, members in groups.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(groups), "name": names or [uid.upper() for uid in groups], **dates}),
        customers,
        tenant_uid="t-1",
        taken_at=taken_at,
    )


def findings(report, finding):
    """(group, other group or None, n) of each row of a finding."""
    rows = report[report["finding"] == finding]
    others = [None if pd.isna(uid) else uid for uid in rows["other_group_uid"]]
    return list(zip(rows["customer_group_uid"], others, rows["n"], strict=True))


def row_of(report, finding):
    [row] = report[report["finding"] == finding].to_dict("records")
    return row


def register_of(**columns):
    return pd.DataFrame(columns)


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


# Groups by themselves


def test_empty_and_tiny_groups_are_told():
    "No member is empty, fewer than `tiny` is tiny; how many of those are in no other group is said."
    snapshot = snapshot_of(
        {"a": [], "b": ["1", "2"], "c": ["2", "3", "4"]}, last_modified_at=["2021-08-26", None, None]
    )

    report = health_report(snapshot, tiny=3)

    assert findings(report, "empty") == [("a", None, 0)]
    assert row_of(report, "empty")["evidence"] == "A has no member; its record was last changed on 2021-08-26."
    assert findings(report, "tiny") == [("b", None, 2)]
    assert row_of(report, "tiny")["evidence"] == "B has 2 members, 1 of them in no other group."
    assert findings(health_report(snapshot, tiny=0), "tiny") == []


def test_groups_of_one_name_are_told_against_the_first():
    "Three groups of a name are two findings, each with the uids; another case or blank is a finding of its own."
    groups = {key: ["1", "2", "3", "4", "5"] for key in "abcdef"}

    report = health_report(snapshot_of(groups, names=["Kampanje"] * 3 + ["VIP", " vip", "Vips"]))

    assert findings(report, "same_name") == [("b", "a", 3), ("c", "a", 3)]
    assert "a, b, c" in report["evidence"][report["finding"] == "same_name"].iloc[0]
    assert findings(report, "similar_name") == [("e", "d", 2)]
    assert "'VIP' and ' vip'" in row_of(report, "similar_name")["evidence"]


def test_a_year_that_is_over_is_told_of_groups_with_members():
    "The newest year of a name counts; digits within others are no year; the register's last day goes before."
    names = ["Black Week 2024", "2019-2026", "Kunde 120245", "Pilot 2020", "Sommer 2023"]
    snapshot = snapshot_of({**{key: ["1"] for key in "abc"}, "d": [], "e": ["1"]}, names=names)

    bare = health_report(snapshot)
    with_register = health_report(snapshot, register=register_of(group=["e"], valid_to=["2027-12-31"]))

    assert findings(bare, "old_year") == [("a", None, 1), ("e", None, 1)]
    assert findings(with_register, "old_year") == [("a", None, 1)]


def test_a_reading_that_is_not_sure_is_told():
    "Drifted is grave, unverifiable less; groups given as tables are not read at all."
    reads = sample_snapshot().reads.assign(how="pages", verdict=["drifted", "unverifiable", "consistent"], rereads=3)

    report = health_report(replace(sample_snapshot(), reads=reads))

    assert findings(report, "drifted") == [("all", None, 250)]
    assert row_of(report, "drifted")["severity"] == "high"
    assert "refresh_groups(client, snapshot, ['all'])" in row_of(report, "drifted")["suggested_action"]
    assert findings(report, "unverifiable") == [("staff", None, 1)]
    assert not health_report(sample_snapshot())["finding"].isin(["drifted", "unverifiable"]).any()


# Redundancy


@settings(max_examples=50)
@given(memberships)
def test_each_further_copy_is_one_finding(rows):
    "Of groups with the same members all but the first in uid order are told, against that first."
    groups = sets(rows)
    first = {uid: next(one for one in groups if groups[one] == members) for uid, members in groups.items()}

    report = health_report(snapshot_of(groups))

    assert findings(report, "duplicate") == [(uid, one, len(groups[uid])) for uid, one in first.items() if uid != one]


@settings(max_examples=50)
@given(memberships, st.sampled_from([0.4, 0.6, 0.9]))
def test_each_part_is_one_finding_with_the_smallest_that_holds_it(rows, least):
    "A group within another that is not nearly the same stands once, with the smallest such group."
    groups = sets(rows)
    expected = []
    for uid, members in groups.items():
        holding = [
            (len(other), one)
            for one, other in groups.items()
            if members < other and len(members) < least * len(other)
        ]
        if holding:
            expected.append((uid, min(holding)[1], len(members)))

    report = health_report(snapshot_of(groups), min_jaccard=least)

    assert findings(report, "subset") == expected


@settings(max_examples=50)
@given(memberships, st.sampled_from([0.4, 0.6, 0.9]))
def test_near_duplicates_are_pairs_of_different_sets(rows, least):
    "Pairs with at least that jaccard that are not the same; a copy's pairs are told of its first only."
    groups = sets(rows)
    firsts = [uid for uid in groups if uid == next(one for one in groups if groups[one] == groups[uid])]
    expected = [
        (a, b, len(groups[a] & groups[b]))
        for a in firsts
        for b in firsts
        if a < b and len(groups[a] & groups[b]) >= least * len(groups[a] | groups[b])
    ]

    report = health_report(snapshot_of(groups), min_jaccard=least)

    assert findings(report, "near_duplicate") == expected


# The register


def test_groups_and_register_that_do_not_know_each_other_are_told():
    "A row of nobody, a group without a row, and a row without an owner where others have one."
    register = register_of(group=["VIP", "staff", "gone"], owner=["Marketing", None, "Marketing"])

    report = health_report(sample_snapshot(), register=register)

    assert findings(report, "not_in_tenant") == [("gone", None, 0)]
    assert findings(report, "not_registered") == [("all", None, 250)]
    assert findings(report, "no_owner") == [("staff", None, 1)]
    assert findings(health_report(sample_snapshot(), register=register.drop(columns="owner")), "no_owner") == []


def test_members_out_of_time_are_told():
    "After the last day, which still counts, and before the first; a group without members is no matter."
    register = register_of(
        group=["a", "b", "c", "d"],
        valid_from=[None, None, "2026-12-01", None],
        valid_to=["2026-11-22", "2026-11-23", None, "2020-01-01"],
    )

    report = health_report(snapshot_of({"a": ["1"], "b": ["1"], "c": ["1", "2"], "d": []}), register=register)

    assert findings(report, "ended") == [("a", None, 1)]
    assert row_of(report, "ended")["evidence"] == "A ended on 2026-11-22 by the register, and has 1 member."
    assert findings(report, "not_begun") == [("c", None, 2)]


def test_customers_in_two_tiers_are_counted_by_pair():
    "Each two groups of a set that share somebody; to keep the smaller is what the action plans."
    groups = {"a": ["1", "2", "3"], "b": ["2", "3", "4", "5"], "c": ["5"], "d": ["2"]}
    register = register_of(group=list("abcd"), exclusive_set=["tier", "tier", "tier", None])

    report = health_report(snapshot_of(groups), register=register)

    assert findings(report, "two_tiers") == [("a", "b", 2), ("b", "c", 1)]
    assert "2 customers are in both A and B, two tiers of 'tier'" in report["evidence"].to_list()[0]
    assert planned(report["suggested_action"][0], snapshot_of(groups), register).groups[0].remove == ("2", "3")


def test_members_of_a_type_that_nobody_expects_are_counted():
    "Those whose type is unknown are neither counted nor told to leave."
    customers = pd.DataFrame({"customer_uid": list("1234"), "customer_type": ["PERSON", "B2B", "COMPANY", None]})
    snapshot = snapshot_of({"a": list("1234"), "b": ["1"]}, customers)
    register = register_of(group=["a", "b"], expected_type=["PERSON", "PERSON|B2B"])

    row = row_of(health_report(snapshot, register=register), "wrong_type")

    assert (row["customer_group_uid"], row["n"]) == ("a", 2)
    assert row["evidence"] == "1 B2B and 1 COMPANY among the 4 members of A; the register expects PERSON."
    assert planned(row["suggested_action"], snapshot, register).groups[0].remove == ("2", "3")


def test_discounts_that_a_better_one_shadows_are_told():
    "All members shadowed is a finding of its own; some are counted."
    groups = {"a": ["1", "2"], "b": ["1", "2", "3"], "c": ["9"], "d": ["1"]}
    register = register_of(
        group=list("abcd"), discount_percent=[5, 10, 10, None], campaign_uid=["x", None, None, None]
    )

    report = health_report(snapshot_of({**groups, "e": ["3"]}), register=pd.concat(
        [register, register_of(group=["e"], discount_percent=[50])]))  # fmt: skip

    assert findings(report, "shadowed") == [("a", "b", 2)]
    assert "up to 10% from B" in row_of(report, "shadowed")["evidence"]
    assert findings(report, "partly_shadowed") == [("b", "e", 1)]


def test_a_name_of_several_groups_in_a_register_is_refused():
    "Whose row it is would be guessed."
    snapshot = snapshot_of({"a": [], "b": []}, names=["X", "X"])

    with pytest.raises(GroupNotFoundError, match="a, b"):
        health_report(snapshot, register=register_of(group=["X"]))


# The table


def planned(action, snapshot, register):
    """The plan of the call at the end of an action."""
    call = action[action.index("fg.plan_memberships(") :]
    return eval(call, {"fg": fg, "snapshot": snapshot, "register": register})


@pytest.fixture(scope="module")
def tenant():
    """A snapshot of the made-up tenant, and its register."""
    with fg.Sandbox(customers=2000, groups=60) as sandbox, sandbox.client() as client:
        return fg.load_snapshot(client, cache=False, progress=False)


def test_every_call_that_is_suggested_makes_a_plan(tenant):
    "Pasted as it stands, each gives a plan that changes the groups it names."
    register = fg.read_register(SAMPLE)

    report = health_report(tenant, register=register)
    bare = health_report(tenant)

    assert "register=" not in " ".join(bare["suggested_action"])
    actions = [action for action in report["suggested_action"] if "fg.plan_memberships(" in action]
    plans = [planned(action, tenant, register) for action in actions]
    assert len(plans) > 10
    assert all(not plan.is_empty and plan.register is not None for plan in plans)


def test_no_action_says_to_delete_and_each_that_changes_begins_in_the_back_office(tenant):
    "The API does not tell which campaigns use a group, so nothing of it is certain."
    register = fg.read_register(SAMPLE)

    actions = health_report(tenant, register=register)["suggested_action"]

    assert not actions.str.contains("delete", case=False).any()
    changing = actions[actions.str.contains("fg.plan_memberships(", regex=False)]
    assert changing.str.startswith("Check the back office for campaigns").all()


def test_every_finding_has_evidence_with_a_number_or_names(tenant):
    "Nothing is blank, and the names are those of the groups."
    report = health_report(tenant, register=fg.read_register(SAMPLE))

    assert (report[["evidence", "suggested_action"]].map(len) > 20).all(axis=None)
    names = tenant.groups.set_index("customer_group_uid")["name"]
    there = report[report["finding"] != "not_in_tenant"]
    assert list(there["name"]) == list(names[there["customer_group_uid"]])


def test_rows_stand_by_severity_then_finding_then_uid(tenant):
    "The order is the one that is documented."
    report = health_report(tenant, register=fg.read_register(SAMPLE))

    keys = [
        (SEVERITIES.index(row.severity), row.finding, row.customer_group_uid, str(row.other_group_uid))
        for row in report.itertuples()
    ]
    assert keys == sorted(keys)


def test_each_finding_has_the_owner_of_its_group():
    "Of a group without a row, or without an owner in it, and without a register, nobody is named."
    snapshot = snapshot_of({"a": "1", "b": "2", "c": "3"})
    register = register_of(group=["A", "b", "gone"], owner=["Kari", None, "Ola"])

    report = health_report(snapshot, register=register, tiny=2)

    rows = report[report["finding"].isin(["tiny", "not_in_tenant"])].set_index("customer_group_uid")
    assert rows["owner"].dropna().to_dict() == {"gone": "Ola", "a": "Kari"}
    assert rows.index.to_list() == ["gone", "a", "b", "c"]
    assert health_report(snapshot, tiny=2)["owner"].isna().all()


def test_columns_and_dtypes_are_always_the_same():
    "A tenant without a group has an empty report of the same columns; the register stays as it was."
    register = register_of(group=["vip"], valid_to=["2020-01-01"])
    before = register.copy(deep=True)

    for report in (health_report(snapshot_of({})), health_report(sample_snapshot(), register=register)):
        assert report.dtypes.astype(str).to_dict() == COLUMNS
    assert health_report(snapshot_of({})).empty
    pdt.assert_frame_equal(register, before)


def test_a_healthy_tenant_has_no_finding():
    "Groups with enough members of their own, and names of their own, are no matter."
    assert health_report(snapshot_of({"a": list("12345"), "b": list("56789")})).empty


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: health_report(sample_snapshot().memberships), "snapshot must be a Snapshot"),
        (lambda: health_report(sample_snapshot(), min_jaccard=0), "`min_jaccard` must be a positive number"),
        (lambda: health_report(sample_snapshot(), tiny=-1), "`tiny` must be an integer of at least 0, got -1"),
        (lambda: health_report(sample_snapshot(), register="r.csv"), r"fg\.read_register"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(ask, words):
    "The error tells what came and what is needed."
    with pytest.raises(InputError, match=words):
        ask()


def test_the_customers_of_two_groups_are_counted_once(monkeypatch):
    "Duplicates, near duplicates and parts stand on one count of the pairs, which is most of the work."
    counted = []

    def counting(matrix):
        counted.append(matrix.n_groups)
        return pair_counts(matrix)

    for module in (redundancy, health_checks):
        monkeypatch.setattr(module, "pair_counts", counting)

    report = health_report(snapshot_of({"a": "1234", "b": "1234", "c": "12"}))

    assert counted == [3]
    assert {"duplicate", "subset"} <= set(report["finding"])


def test_no_action_retires_a_group_before_the_back_office_was_asked():
    "Campaigns are not seen here: whatever would empty, merge or retire a group checks the back office before."
    groups = {
        "a": "12345678",
        "b": "12345678",
        "c": "1234567",
        "d": "",
        "e": "12",
        "f": "1",
        "g": "1",
        "black_week": "45",
        "loyal": "123456789",
    }
    names = ["A", "B", "C", "D", "E", "F", "g", "Black Week 2021", "Loyal"]
    snapshot = snapshot_of(groups, names=names)
    register = register_of(
        customer_group_uid=["a", "b", "e", "black_week", "loyal"],
        valid_to=[None, None, "2026-01-01", None, None],
        exclusive_set=["tiers", None, "tiers", None, None],
        discount_percent=[10, 20, None, None, None],
    )

    report = pd.concat(
        [health_report(snapshot, min_jaccard=0.8), health_report(snapshot, register=register)], ignore_index=True
    )

    risky = report["suggested_action"].str.contains(r"retire|plan_memberships|still needed|enough")
    checked = report["suggested_action"].str.contains("back office", case=False)
    assert set(report.loc[risky, "finding"]) >= {
        "empty",
        "duplicate",
        "near_duplicate",
        "old_year",
        "ended",
        "two_tiers",
    }
    assert checked[risky].all()
    told = report["suggested_action"].where(~report["finding"].eq("wrong_type"))
    before = told.str.lower().str.find("back office") < told.str.find("fg.")
    assert before[told.str.contains(r"fg\.").fillna(False)].all()
    words = (report["suggested_action"] + " " + report["evidence"]).str.lower()
    assert not words.str.contains(r"delet|remove the group|drop").any()
