"""Tests on a tenant in which each group uid is also the name of another group."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pandas as pd
import pandas.testing as pdt
import pytest

import frgroups as fg
from frgroups.analysis.health import health_report_in_cli
from frgroups.cli.main import main
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.store.snapshot_store import save_snapshot

CUSTOMERS = [f"c-{number:02}" for number in range(60)]
MEMBERS = {
    "VIP": CUSTOMERS[:40],
    "copy": CUSTOMERS[:20],
    "drifted": CUSTOMERS[5:30],
    "empty": [],
    "ended": CUSTOMERS[10:35],
    "future": CUSTOMERS[20:45],
    "gold": CUSTOMERS[30:38],
    "large": CUSTOMERS[:19],
    "mixed": CUSTOMERS[25:50],
    "original": CUSTOMERS[:20],
    "sale_2024": CUSTOMERS[40:60],
    "shadowed": CUSTOMERS[30:34],
    "silver": CUSTOMERS[33:43],
    "tiny": CUSTOMERS[55:57],
    "unread": CUSTOMERS[45:55],
    "vip": CUSTOMERS[50:58],
}
FINDINGS = {
    "drifted",
    "duplicate",
    "empty",
    "ended",
    "near_duplicate",
    "no_owner",
    "not_begun",
    "not_in_tenant",
    "not_registered",
    "old_year",
    "partly_shadowed",
    "same_name",
    "shadowed",
    "similar_name",
    "subset",
    "tiny",
    "two_tiers",
    "unverifiable",
    "wrong_type",
}
# The groups that the suggested plans change.
CHANGED = {
    "duplicate": {"original"},
    "ended": {"ended"},
    "near_duplicate": {"large"},
    "old_year": {"original"},
    "two_tiers": {"silver"},
    "wrong_type": {"mixed"},
}
REGISTER = pd.DataFrame(
    [
        {"customer_group_uid": "ended", "valid_to": "2020-01-01", "owner": "Kari"},
        {"customer_group_uid": "future", "valid_from": "2120-01-01"},
        {"customer_group_uid": "gold", "exclusive_set": "tier", "discount_percent": 20},
        {"customer_group_uid": "gone"},
        {"customer_group_uid": "mixed", "expected_type": "PERSON"},
        {"customer_group_uid": "shadowed", "discount_percent": 5},
        {"customer_group_uid": "silver", "exclusive_set": "tier", "discount_percent": 10},
    ]
)


def create_snapshot(names):
    """Return a snapshot with the groups in `MEMBERS` and the group "twin", which has the given names."""
    members = MEMBERS | {"twin": CUSTOMERS[:50]}
    snapshot = snapshot_from_frames(
        pd.DataFrame(
            [(uid, customer) for uid, customers in members.items() for customer in customers],
            columns=["customer_group_uid", "customer_uid"],
        ),
        pd.DataFrame({"customer_group_uid": list(members), "name": names}),
        pd.DataFrame({"customer_uid": CUSTOMERS, "customer_type": ["PERSON", "B2B"] * 30, "has_email": True}),
        pd.DataFrame({"customer_uid": CUSTOMERS, "consent_uid": "email", "name": "Email", "status": True}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
    )
    verdicts = {"drifted": "drifted", "unread": "unverifiable"}
    reads = snapshot.reads.assign(
        how="pages", verdict=snapshot.reads["customer_group_uid"].map(verdicts).fillna("consistent")
    )
    return replace(snapshot, reads=reads)


UIDS = list(MEMBERS)


@pytest.fixture(scope="module")
def snapshot():
    """Return a snapshot in which the name of each group is the uid of another group."""
    return create_snapshot([*UIDS[1:], UIDS[0], UIDS[0]])


@pytest.fixture(scope="module")
def other_names():
    """Return the same snapshot with names that are no uids."""
    return create_snapshot([f"Group {number}" for number in range(len(UIDS) + 1)])


def test_health_checks(snapshot):
    "Each health check accepts a tenant in which each uid is also the name of another group."
    with_register = fg.health_report(snapshot, register=REGISTER, min_jaccard=0.95)
    without_register = fg.health_report(snapshot, min_jaccard=0.95)

    assert set(with_register["finding"]) == FINDINGS
    tiers = with_register[with_register["finding"] == "two_tiers"]
    assert list(zip(tiers["customer_group_uid"], tiers["other_group_uid"], strict=True)) == [("gold", "silver")]
    assert set(without_register["finding"]) < FINDINGS


def test_suggested_code(snapshot):
    "The Python code in each suggested action runs on a tenant in which each uid is also the name of another group."
    refreshed = []
    report = fg.health_report(snapshot, register=REGISTER, min_jaccard=0.95)
    variables = {
        "fg": SimpleNamespace(
            plan_memberships=fg.plan_memberships,
            members=fg.members,
            segment=fg.segment,
            Limits=fg.Limits,
            refresh_groups=lambda client, snapshot, groups: refreshed.extend(map(snapshot.group_uid, groups)),
        ),
        **{"client": None, "snapshot": snapshot, "register": REGISTER},
    }

    changed = {}
    for row in report.itertuples():
        code = row.suggested_action.partition("fg.")
        if code[1]:
            plan = eval("fg." + code[2], variables)
            changed[row.finding] = None if plan is None else {group.uid for group in plan.groups}

    assert refreshed == ["drifted", "unread"]
    assert {finding: uids for finding, uids in changed.items() if uids} == CHANGED


def test_suggested_commands(snapshot, tmp_path, monkeypatch):
    "The commands in each suggested action run on a tenant in which each uid is also the name of another group."
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    save_snapshot(snapshot)
    REGISTER.to_csv("FILE", index=False)
    report = health_report_in_cli(snapshot, register=REGISTER, min_jaccard=0.95)

    changed = {}
    for row in report.itertuples():
        action = row.suggested_action
        if "frgroups table" in action or "frgroups plan" in action:
            # Equal plans of the same second have the same file.
            for path in tmp_path.rglob("*.plan.json"):
                path.unlink()
            for command in action[action.index("frgroups ") :].split(" && "):
                assert main(shlex.split(command)[1:]) in (0, 3), command  # A limit can block the plan.
            plans = [fg.read_plan(path) for path in tmp_path.rglob("*.plan.json")]
            changed[row.finding] = {group.uid for plan in plans for group in plan.groups}

    assert changed == CHANGED


FUNCTIONS = {
    "campaign_reach": lambda snapshot: fg.campaign_reach(
        snapshot, REGISTER[REGISTER["discount_percent"].notna()].drop(columns=["valid_from", "valid_to"])
    ),
    "compare_groups": lambda snapshot: fg.compare_groups(snapshot, 'uid:"gold"', 'uid:"silver"', min_count=0),
    "duplicate_groups": fg.duplicate_groups,
    "group_clusters": fg.group_clusters,
    "group_flow": lambda snapshot: fg.group_flow(snapshot, snapshot),
    "group_profile": lambda snapshot: fg.group_profile(snapshot, 'uid:"mixed"', min_count=0),
    "group_sizes": fg.group_sizes,
    "incremental_reach": lambda snapshot: fg.incremental_reach(snapshot, channel="email"),
    "intersections": fg.intersections,
    "overlap_matrix": fg.overlap_matrix,
    "overlap_pairs": fg.overlap_pairs,
    "reachability": lambda snapshot: fg.reachability(snapshot, channels=["email"]),
    "reachable_customers": lambda snapshot: fg.reachable_customers(snapshot, 'uid:"gold"').to_frame(False),
    "segment": lambda snapshot: pd.DataFrame(fg.segment(snapshot, {"a": "in_group('uid:\"gold\"')"})),
    "set_cover": fg.set_cover,
    "subset_groups": fg.subset_groups,
    "waterfall": lambda snapshot: fg.waterfall(snapshot, {"a": 'uid:"gold"', "b": 'uid:"silver"'}),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_names_have_no_effect(snapshot, other_names, function):
    "Apart from the columns with names, the results of the analysis functions do not depend on the group names."
    results = [FUNCTIONS[function](data) for data in (snapshot, other_names)]

    pdt.assert_frame_equal(
        *[table[[name for name in table if "name" not in str(name)]] for table in results], check_like=True
    )
    assert len(results[0])
