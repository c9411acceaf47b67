"""Tests for the health report and its findings, evidence, suggested actions, and row order."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis import redundant_groups
from frgroups.analysis.health import SEVERITIES, health_report, health_report_in_cli
from frgroups.analysis.pair_counts import iter_common_pairs
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.similar_text import differs_in_case
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

COLUMNS = {
    **dict.fromkeys(["severity", "finding", "customer_group_uid", "name", "other_group_uid", "other_name"], "str"),
    "n": "int64",
    **dict.fromkeys(["evidence", "suggested_action", "owner"], "str"),
}
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "register.csv"
memberships = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("123456")), max_size=30)


def create_snapshot(groups, customers=None, *, names=None, taken_at="2026-11-23", **dates):
    """Return a snapshot from a dictionary of group uid to customer uids."""
    rows = [(uid, customer) for uid, members in groups.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(groups), "name": names or [uid.upper() for uid in groups], **dates}),
        customers,
        tenant_uid="t-1",
        taken_at=taken_at,
    )


def findings_of(report, finding):
    """Return the group, the other group, and the count n of each report row with the given finding."""
    rows = report[report["finding"] == finding]
    others = [None if pd.isna(uid) else uid for uid in rows["other_group_uid"]]
    return list(zip(rows["customer_group_uid"], others, rows["n"], strict=True))


def row_of(report, finding):
    """Return the only report row with the given finding as a dictionary."""
    [row] = report[report["finding"] == finding].to_dict("records")
    return row


def create_register(**columns):
    """Return a group register with the given columns."""
    return pd.DataFrame(columns)


def members_by_group(rows):
    """Return a dictionary from group uid to the set of its customer uids."""
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


# Single groups


def test_empty_and_tiny_groups():
    "Groups without members are reported as empty, and groups with fewer than `tiny` members are reported as tiny."
    snapshot = create_snapshot(
        {"a": [], "b": ["1", "2"], "c": ["2", "3", "4"]}, last_modified_at=["2021-08-26", None, None]
    )

    report = health_report(snapshot, tiny=3)

    assert findings_of(report, "empty") == [("a", None, 0)]
    assert "A" in row_of(report, "empty")["evidence"] and "2021-08-26" in row_of(report, "empty")["evidence"]
    assert findings_of(report, "tiny") == [("b", None, 2)]
    assert "B" in row_of(report, "tiny")["evidence"] and "2 members" in row_of(report, "tiny")["evidence"]
    assert findings_of(health_report(snapshot, tiny=0), "tiny") == []


def test_same_names():
    "Findings for the same name or a similar name refer to the first group with that name."
    groups = {key: ["1", "2", "3", "4", "5"] for key in "abcdef"}

    report = health_report(create_snapshot(groups, names=["Kampanje"] * 3 + ["VIP", " vip", "Vips"]))

    assert findings_of(report, "same_name") == [("b", "a", 3), ("c", "a", 3)]
    evidence = report["evidence"][report["finding"] == "same_name"].iloc[0]
    assert "3" in evidence and "Kampanje" in evidence
    assert findings_of(report, "similar_name") == [("e", "d", 2)]
    assert "'VIP'" in row_of(report, "similar_name")["evidence"]
    assert "' vip'" in row_of(report, "similar_name")["evidence"]


LOOK_ALIKES = ["VIP", " vip", "V\u0406P", "V\u200bIP", "Vip\u2013x", "v-2", "\u039d-2"]


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_similar_names(name):
    "The health report finds two similar names if a plan that creates one of the groups reports a similar name."
    customers = ["1", "2", "3", "4", "5"]
    for other in LOOK_ALIKES:
        before = create_snapshot({"a": customers}, names=[other])
        after = create_snapshot({"a": customers, "b": customers}, names=[other, name])

        report = health_report(after)
        plan = fg.plan_memberships(before, {"b": customers}, create={"b": name})

        rules = [finding.rule for finding in plan.findings if finding.rule in ("similar_name", "same_name")]
        rows = report[report["finding"].isin(["similar_name", "same_name"])]
        assert list(rows["finding"]) == rules
        if rules == ["similar_name"]:
            assert findings_of(report, "similar_name") == [("b", "a", 2)]
            assert ("U+" in row_of(report, "similar_name")["evidence"]) != differs_in_case(name, other)


def test_old_year():
    "The last year in a group name is compared with the current year, unless the register contains the last day."
    names = ["Black Week 2024", "2019-2026", "Kunde 120245", "Pilot 2020", "Sommer 2023"]
    snapshot = create_snapshot({**{key: ["1"] for key in "abc"}, "d": [], "e": ["1"]}, names=names)

    bare = health_report(snapshot)
    with_register = health_report(snapshot, register=create_register(group=["e"], valid_to=["2027-12-31"]))

    assert findings_of(bare, "old_year") == [("a", None, 1), ("e", None, 1)]
    assert findings_of(with_register, "old_year") == [("a", None, 1)]


def test_unreliable_reads():
    "Drifted groups have a high severity. Unverifiable groups are also reported, but groups from tables are not."
    reads = sample_snapshot().reads.assign(how="pages", verdict=["drifted", "unverifiable", "consistent"], rereads=3)

    report = health_report(replace(sample_snapshot(), reads=reads))

    assert findings_of(report, "drifted") == [("all", None, 250)]
    assert row_of(report, "drifted")["severity"] == "high"
    assert "refresh_groups" in row_of(report, "drifted")["suggested_action"]
    assert "'all'" in row_of(report, "drifted")["suggested_action"]
    assert findings_of(report, "unverifiable") == [("staff", None, 1)]
    assert not health_report(sample_snapshot())["finding"].isin(["drifted", "unverifiable"]).any()


# Redundancy


@given(memberships)
def test_duplicates(rows):
    "Each group with the same members as an earlier group has one finding, which refers to the first such group."
    groups = members_by_group(rows)
    first = {uid: next(other for other in groups if groups[other] == members) for uid, members in groups.items()}

    report = health_report(create_snapshot(groups))

    assert findings_of(report, "duplicate") == [
        (uid, other, len(groups[uid])) for uid, other in first.items() if uid != other
    ]


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["Ski 2024", "Ski", "Ski 2025"], "b"),
        (["Ski 2024", "Ski 2025", "Ski 2023"], "b"),
        (["Ski (copy)", "Ski 2024", "Kopi av Ski"], "b"),
        (["Ski (copy)", "ski KOPIO", "Photocopyer"], "c"),
        (["Ski", "Loype", "Alpint"], "a"),
    ],
)
def test_kept_duplicate(names, kept):
    "Of several groups with the same members, the group without a year or the word copy is kept, or the latest year."
    groups = dict.fromkeys("abc", "12345")

    report = health_report(create_snapshot({**groups, "d": "123456"}, names=[*names, "Alle"]), min_jaccard=0.8)

    assert findings_of(report, "duplicate") == [(uid, kept, 5) for uid in "abc" if uid != kept]
    assert findings_of(report, "near_duplicate") == [(kept, "d", 5)]
    for row in report[report["finding"] == "duplicate"].itertuples():
        assert f"{{'{row.customer_group_uid}': []}}" in row.suggested_action


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["12345", "123456", "6789"]), min_size=1),
    st.lists(st.sampled_from(["Ski", "Ski 2023", "Ski 2024", "Ski (copy)", "Ski 2023 (copy)"]), min_size=6),
    st.sampled_from([[], ["a"], ["a", "b"]]),
)
def test_conflicting_actions(groups, names, ended):
    "If all actions without a warning are done, no customer leaves all groups with the same members."
    names = [f"{name} {uid}" for uid, name in zip(groups, names, strict=False)]
    snapshot = create_snapshot(groups, names=names)
    register = create_register(
        group=list(groups), valid_to=["2026-01-01" if uid in ended else None for uid in groups]
    )

    for report in (
        health_report(snapshot, min_jaccard=0.8),
        health_report(snapshot, register=register, min_jaccard=0.8),
    ):
        is_emptying = report["finding"].isin(["duplicate", "old_year", "ended"])
        is_warned = report["suggested_action"].str.startswith("Do only one")
        emptied = set(report.loc[is_emptying & ~is_warned, "customer_group_uid"])
        for uid in emptied:
            others = [other for other in groups if groups[other] == groups[uid]]
            assert len(others) == 1 or not emptied.issuperset(others)
        merged = report[(report["finding"] == "near_duplicate") & ~is_warned]
        removed = set(report.loc[is_emptying, "customer_group_uid"])
        assert removed.isdisjoint([*merged["customer_group_uid"], *merged["other_group_uid"]])


def test_consistent_actions():
    "Two findings that suggest to empty the same group have no warning. A merge and a removal have one."
    groups = {"a": "12345", "b": "12345", "c": "6789xy", "d": "6789xyz"}
    names = ["Skitestere 2024", "Skitestere", "Newsletter (copy)", "Newsletter 2025"]

    for report in (
        f(create_snapshot(groups, names=names), min_jaccard=0.8) for f in (health_report, health_report_in_cli)
    ):
        rows = report[report["suggested_action"].str.startswith("Do only one")]
        assert list(zip(rows["finding"], rows["customer_group_uid"], strict=True)) == [
            ("near_duplicate", "c"),
            ("old_year", "d"),
        ]
        assert all("for Newsletter" in action and "Skitestere" not in action for action in rows["suggested_action"])
        assert ("a", "b", 5) in findings_of(report, "duplicate") and ("a", None, 5) in findings_of(report, "old_year")


@given(memberships, st.sampled_from([0.4, 0.6, 0.9]))
def test_subsets(rows, threshold):
    "Each group that is a subset of other groups has one finding, which refers to the smallest of the other groups."
    groups = members_by_group(rows)
    expected = []
    for uid, members in groups.items():
        supersets = [
            (len(other_members), other)
            for other, other_members in groups.items()
            if members < other_members and len(members) < threshold * len(other_members)
        ]
        if supersets:
            expected.append((uid, min(supersets)[1], len(members)))

    report = health_report(create_snapshot(groups), min_jaccard=threshold)

    assert findings_of(report, "subset") == expected


@given(memberships, st.sampled_from([0.4, 0.6, 0.9]))
def test_near_duplicates(rows, threshold):
    "Near duplicates are pairs of groups with different members. Of several equal groups, only the first is reported."
    groups = members_by_group(rows)
    distinct = [uid for uid in groups if uid == next(other for other in groups if groups[other] == groups[uid])]
    expected = [
        (a, b, len(groups[a] & groups[b]))
        for a in distinct
        for b in distinct
        if a < b and len(groups[a] & groups[b]) >= threshold * len(groups[a] | groups[b])
    ]

    report = health_report(create_snapshot(groups), min_jaccard=threshold)

    assert findings_of(report, "near_duplicate") == expected


# Register


def test_register_mismatch():
    "Groups without a register row are reported, and so are register rows without a group or an owner."
    register = create_register(group=["VIP", "staff", "gone"], owner=["Marketing", None, "Marketing"])

    report = health_report(sample_snapshot(), register=register)

    assert findings_of(report, "not_in_tenant") == [("gone", None, 0)]
    assert findings_of(report, "not_registered") == [("all", None, 250)]
    assert findings_of(report, "no_owner") == [("staff", None, 1)]
    assert findings_of(health_report(sample_snapshot(), register=register.drop(columns="owner")), "no_owner") == []


def test_validity_period():
    "Groups that have members before their first day or after their last day in the register are reported."
    register = create_register(
        group=["a", "b", "c", "d"],
        valid_from=[None, None, "2026-12-01", None],
        valid_to=["2026-11-22", "2026-11-23", None, "2020-01-01"],
    )

    report = health_report(create_snapshot({"a": ["1"], "b": ["1"], "c": ["1", "2"], "d": []}), register=register)

    assert findings_of(report, "ended") == [("a", None, 1)]
    assert "2026-11-22" in row_of(report, "ended")["evidence"]
    assert "1 member" in row_of(report, "ended")["evidence"]
    assert findings_of(report, "not_begun") == [("c", None, 2)]


def test_exclusive_sets():
    "Each pair of exclusive groups with common members is reported, and the suggested action removes these members."
    groups = {"a": ["1", "2", "3"], "b": ["2", "3", "4", "5"], "c": ["5"], "d": ["2"]}
    register = create_register(group=list("abcd"), exclusive_set=["tier", "tier", "tier", None])

    report = health_report(create_snapshot(groups), register=register)

    assert findings_of(report, "two_tiers") == [("a", "b", 2), ("b", "c", 1)]
    assert all(word in report["evidence"][0] for word in ("2 customers", "A", "B", "'tier'"))
    assert create_plan(report["suggested_action"][0], create_snapshot(groups), register).groups[0].remove == (
        "2",
        "3",
    )


def test_unexpected_customer_types():
    "Members with an unexpected customer type are counted, but members without a type are not."
    customers = pd.DataFrame({"customer_uid": list("1234"), "customer_type": ["PERSON", "B2B", "COMPANY", None]})
    snapshot = create_snapshot({"a": list("1234"), "b": ["1"]}, customers)
    register = create_register(group=["a", "b"], expected_type=["PERSON", "PERSON|B2B"])

    row = row_of(health_report(snapshot, register=register), "wrong_type")

    assert (row["customer_group_uid"], row["n"]) == ("a", 2)
    assert all(word in row["evidence"] for word in ("1 B2B", "1 COMPANY", "4 members", "A", "PERSON"))
    assert create_plan(row["suggested_action"], snapshot, register).groups[0].remove == ("2", "3")


def test_shadowed_discounts():
    "A group is shadowed if all members get a larger discount elsewhere, or partly shadowed if some members do."
    groups = {"a": ["1", "2"], "b": ["1", "2", "3"], "c": ["9"], "d": ["1"]}
    register = create_register(
        group=list("abcd"), discount_percent=[5, 10, 10, None], campaign_uid=["x", None, None, None]
    )

    report = health_report(create_snapshot({**groups, "e": ["3"]}), register=pd.concat(
        [register, create_register(group=["e"], discount_percent=[50])]))  # fmt: skip

    assert findings_of(report, "shadowed") == [("a", "b", 2)]
    assert "10%" in row_of(report, "shadowed")["evidence"] and "B" in row_of(report, "shadowed")["evidence"]
    assert findings_of(report, "partly_shadowed") == [("b", "e", 1)]


def test_ambiguous_register_name():
    "If a register row contains a name that belongs to two groups, an error is raised."
    snapshot = create_snapshot({"a": [], "b": []}, names=["X", "X"])

    with pytest.raises(GroupNotFoundError, match="'X'") as caught:
        health_report(snapshot, register=create_register(group=["X"]))
    assert caught.value.close == ["a", "b"]


# Table


def create_plan(action, snapshot, register):
    """Run the call of fg.plan_memberships at the end of a suggested action."""
    call = action[action.index("fg.plan_memberships(") :]
    return eval(call, {"fg": fg, "snapshot": snapshot, "register": register})


@pytest.fixture(scope="module")
def sandbox_snapshot():
    """Return a snapshot of the sandbox."""
    with fg.Sandbox(customers=2000, groups=60) as sandbox, sandbox.client() as client:
        return fg.load_snapshot(client, cache=False, progress=False)


@pytest.mark.parametrize("n", [1, 2, 3, 20, 21, 100, 101, 500, 501])
def test_limits_of_suggested_plans(n):
    "A suggested call or command that removes all members of a group contains exactly the limits that it needs."
    uids = [f"c{number}" for number in range(n)]
    snapshot = create_snapshot({"a": uids, "b": uids}, taken_at=datetime.now(UTC))
    action = row_of(health_report(snapshot), "duplicate")["suggested_action"]

    assert not create_plan(action, snapshot, None).blocked

    command = row_of(health_report_in_cli(snapshot), "duplicate")["suggested_action"]
    settings = [setting.split("=") for setting in re.findall(r"--limit (\S+)", command)]
    limits = {name: float(value) if "share" in name else int(value) for name, value in settings}
    assert not fg.plan_memberships(snapshot, {"b": uids}, mode="remove", limits=fg.Limits(**limits)).blocked
    for name in limits:
        others = fg.Limits(**{other: value for other, value in limits.items() if other != name})
        assert fg.plan_memberships(snapshot, {"b": uids}, mode="remove", limits=others).blocked, name


def test_register_in_commands():
    "Each suggested command that creates a plan contains the register, also if an action contains two commands."
    snapshot = create_snapshot({"a": "12345678", "b": "123456789"})

    report = health_report_in_cli(snapshot, register=create_register(group=["a", "b"]), min_jaccard=0.8)

    action = row_of(report, "near_duplicate")["suggested_action"]
    assert action.count("frgroups plan --register FILE ") == action.count("frgroups plan ") == 2


def test_suggested_plans(sandbox_snapshot):
    "Each suggested call of plan_memberships creates a plan with changes."
    register = fg.read_register(SAMPLE)

    report = health_report(sandbox_snapshot, register=register)
    bare = health_report(sandbox_snapshot)

    assert "register=" not in " ".join(bare["suggested_action"])
    actions = [action for action in report["suggested_action"] if "fg.plan_memberships(" in action]
    plans = [create_plan(action, sandbox_snapshot, register) for action in actions]
    assert len(plans) > 10
    assert all(not plan.is_empty and plan.register is not None for plan in plans)


def test_suggested_actions_check_campaigns(sandbox_snapshot):
    "No suggested action deletes a group, and each action that changes a group first requires a check of campaigns."
    register = fg.read_register(SAMPLE)

    report = health_report(sandbox_snapshot, register=register)

    # A register row can be deleted, but a group cannot be deleted.
    actions = report.loc[report["finding"] != "not_in_tenant", "suggested_action"]
    assert not actions.str.contains("delete", case=False).any()
    changing = actions[actions.str.contains("fg.plan_memberships(", regex=False)]
    positions = changing.str.find("back office"), changing.str.find("fg.plan_memberships(")
    assert positions[0].between(0, positions[1]).all()


def test_names_in_suggested_actions():
    "Sentences name the groups. A uid is used if the name is not unique, is a uid, or looks like code."
    names = {
        "u-1": "Alpha",
        "u-2": "Same",
        "u-3": "Same",
        "u-4": "u-1",
        "u-5": "x: fg.Limits()",
        "u-6": "frgroups plan",
    }
    snapshot = create_snapshot(dict.fromkeys(names, ""), names=list(names.values()))

    report = health_report(snapshot)

    actions = report[report["finding"] == "empty"].set_index("customer_group_uid")["suggested_action"]
    labels = actions.str.extract(r"that use (.+?)\. If no campaign")[0].to_dict()
    assert labels == {"u-1": "Alpha", **{uid: uid for uid in ("u-2", "u-3", "u-4", "u-5", "u-6")}}


def test_no_uids_in_sentences(sandbox_snapshot):
    "The sentences before the code contain no generated uids of groups with a unique name."
    report = health_report(sandbox_snapshot, register=fg.read_register(SAMPLE))

    is_unique = ~report["name"].isin(report.loc[report["finding"] == "same_name", "name"])
    sentences = report.loc[is_unique, "suggested_action"].str.partition("fg.")[0]
    assert sentences[sentences.str.contains("[0-9a-f]{8}-[0-9a-f]{4}-", regex=True)].tolist() == []


def test_evidence_and_names(sandbox_snapshot):
    "Each finding in the report has evidence, a suggested action, and the name of the group."
    report = health_report(sandbox_snapshot, register=fg.read_register(SAMPLE))

    assert (report[["evidence", "suggested_action"]].map(len) > 20).all(axis=None)
    names = sandbox_snapshot.groups.set_index("customer_group_uid")["name"]
    in_tenant = report[report["finding"] != "not_in_tenant"]
    assert list(in_tenant["name"]) == list(names[in_tenant["customer_group_uid"]])


def test_row_order(sandbox_snapshot):
    "The rows of the health report are sorted by severity, finding, and uid."
    report = health_report(sandbox_snapshot, register=fg.read_register(SAMPLE))

    keys = [
        (SEVERITIES.index(row.severity), row.finding, row.customer_group_uid, str(row.other_group_uid))
        for row in report.itertuples()
    ]
    assert keys == sorted(keys)


def test_owner():
    "Each finding contains the group's owner in the register, or no owner if the register has none."
    snapshot = create_snapshot({"a": "1", "b": "2", "c": "3"})
    register = create_register(group=["A", "b", "gone"], owner=["Kari", None, "Ola"])

    report = health_report(snapshot, register=register, tiny=2)

    rows = report[report["finding"].isin(["tiny", "not_in_tenant"])].set_index("customer_group_uid")
    assert rows["owner"].dropna().to_dict() == {"gone": "Ola", "a": "Kari"}
    assert rows.index.to_list() == ["gone", "a", "b", "c"]
    assert health_report(snapshot, tiny=2)["owner"].isna().all()


def test_columns_and_dtypes():
    "The columns and dtypes of the report do not depend on the number of findings, and the register is not modified."
    register = create_register(group=["vip"], valid_to=["2020-01-01"])
    before = register.copy(deep=True)

    for report in (health_report(create_snapshot({})), health_report(sample_snapshot(), register=register)):
        assert report.dtypes.astype(str).to_dict() == COLUMNS
    assert health_report(create_snapshot({})).empty
    pdt.assert_frame_equal(register, before)


def test_no_findings():
    "Groups that have different names and enough separate members have no findings."
    assert health_report(create_snapshot({"a": list("12345"), "b": list("56789")})).empty


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: health_report(sample_snapshot().memberships), ["snapshot", "DataFrame"]),
        (lambda: health_report(sample_snapshot(), min_jaccard=0), ["`min_jaccard`", "0"]),
        (lambda: health_report(sample_snapshot(), tiny=-1), ["`tiny`", "-1"]),
        (lambda: health_report(sample_snapshot(), register="r.csv"), ["register", "str"]),
    ],
)
def test_invalid_arguments(call, words):
    "The error for an invalid argument contains the argument's name and its value or type."
    with pytest.raises(InputError) as caught:
        call()

    assert all(word in str(caught.value) for word in words)


def test_pairs_are_counted_once(monkeypatch):
    "The health report counts common members only once, because counting them is the most expensive step."
    calls = []

    def counting(matrix):
        calls.append(matrix.n_groups)
        return iter_common_pairs(matrix)

    monkeypatch.setattr(redundant_groups, "iter_common_pairs", counting)

    report = health_report(create_snapshot({"a": "1234", "b": "1234", "c": "12"}))

    assert calls == [2]  # Groups a and b have the same members.
    assert {"duplicate", "subset"} <= set(report["finding"])


def test_risky_actions_check_campaigns():
    "Each suggested action that empties, merges, or retires a group first requires a check of campaigns."
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
    snapshot = create_snapshot(groups, names=names)
    register = create_register(
        customer_group_uid=["a", "b", "e", "black_week", "loyal"],
        valid_to=[None, None, "2026-01-01", None, None],
        exclusive_set=["tiers", None, "tiers", None, None],
        discount_percent=[10, 20, None, None, None],
    )

    report = pd.concat(
        [health_report(snapshot, min_jaccard=0.8), health_report(snapshot, register=register)], ignore_index=True
    )

    risky_findings = {"empty", "duplicate", "near_duplicate", "old_year", "ended", "two_tiers"}
    assert risky_findings <= set(report["finding"])
    is_risky = report["finding"].isin(risky_findings) | report["suggested_action"].str.contains(
        "retire|plan_memberships"
    )
    is_checked = report["suggested_action"].str.contains("back office", case=False)
    assert is_checked[is_risky].all()
    actions = report["suggested_action"]
    is_before = actions.str.lower().str.find("back office") < actions.str.find("fg.")
    assert is_before[actions.str.contains(r"fg\.")].all()
    texts = (report["suggested_action"] + " " + report["evidence"]).str.lower()
    assert not texts.str.contains(r"delet|remove the group|drop").any()
