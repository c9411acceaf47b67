"""Tests for the modes of a plan, and for the customers that a mode leaves unchanged."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.apply.plan_review import save_review
from frgroups.cli.main import main
from frgroups.errors import InputError
from frgroups.plan.limits import Limits
from frgroups.plan.listed_group import ListedGroup, unchanged_sentences
from frgroups.plan.modes import MODE_TEXTS, MODES
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.page import review_html
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.store.snapshot_store import save_snapshot
from tests.examples import at_most

few = at_most(25)
customers = st.sampled_from([f"c{number}" for number in range(6)])


def snapshot_of(members, name="VIP"):
    """Return a snapshot with one group and a group of all customers."""
    rows = [("vip", uid) for uid in members] + [("all", f"c{number}") for number in range(6)]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": ["all", "vip"], "name": ["All", name]}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
    )


def findings_of(plan, rule):
    """Return the findings with the given rule."""
    return [finding for finding in plan.findings if finding.rule == rule]


@few
@given(members=st.sets(customers), listed=st.lists(customers | st.just("x-1"), max_size=8))
def test_remove(members, listed):
    "In mode `remove`, exactly the listed members leave. Listed customers who are not members are counted."
    plan = plan_memberships(snapshot_of(members), {"VIP": listed}, mode="remove")

    removed = {uid for group in plan.groups for uid in group.remove}
    assert removed == members & set(listed) and plan.n_add == 0
    counts = [
        (finding.customer_group_uid, finding.n, finding.blocking) for finding in findings_of(plan, "not_members")
    ]
    n_others = len(set(listed) - members)
    assert counts == ([("vip", n_others, False)] if n_others else [])
    assert not findings_of(plan, "unknown_customers")


def test_remove_and_limits():
    "The default limits do not depend on the mode, and the mode is covered by the digest."
    snapshot = sample_snapshot()
    uids = list(snapshot["all"])

    removal = plan_memberships(snapshot, {"all": uids[:30]}, mode="remove")
    mirror = plan_memberships(snapshot, {"all": uids[30:]}, mode="mirror")

    assert removal.limits == mirror.limits == Limits()
    assert removal.blocked and mirror.blocked
    assert removal.payloads() == mirror.payloads() and removal.digest != mirror.digest


def test_remove_and_exclusions():
    "Protected customers stay in mode `remove`, and the suppression list does not prevent a removal."
    plan = plan_memberships(
        sample_snapshot(), {"vip": ["c-1", "c-2"]}, mode="remove", protect=["c-1"], suppression_list=["c-2"]
    )

    assert plan.table()["customer_uid"].tolist() == ["c-2"]
    assert plan.excluded()["customer_uid"].tolist() == ["c-1"]


def test_remove_and_create():
    "A plan in mode `remove` cannot create a group."
    with pytest.raises(InputError, match="`create`"):
        plan_memberships(sample_snapshot(), {"new": ["c-1"]}, mode="remove", create={"new": "New"})


def test_remove_with_table():
    "Mode remove accepts tables and snapshots as lists."
    table = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-2", "c-9"]})
    snapshot = sample_snapshot()

    assert plan_memberships(snapshot, table, mode="remove").n_remove == 1
    assert plan_memberships(snapshot, {"vip": ["c-1"]}, mode="remove").n_remove == 1
    assert plan_memberships(snapshot, snapshot, mode="remove", limits=Limits(emptied_groups=9)).n_remove == len(
        snapshot.memberships
    )


@pytest.mark.parametrize("listed", [[], ["c0"], ["c0", "c5"]], ids=["empty list", "no changes", "changes"])
@pytest.mark.parametrize("mode", MODES)
def test_mode_is_stated(mode, listed, tmp_path):
    """
    The summary and the card state the mode with its name, and reviews state it without the name.

    The same applies after the plan was saved.
    """
    plan = plan_memberships(snapshot_of(["c0", "c1"]), {"VIP": listed}, mode=mode)
    again = read_plan(plan.save(tmp_path / "plan.json"))

    for shown in (plan, again):
        sentence = MODE_TEXTS[mode].split(" (mode")[0]
        for text in (shown.summary(), shown._repr_html_()):
            assert text.count(f"(mode {mode})") == 1
        for review in (save_review(shown, tmp_path / "review.txt").read_text(), review_html(shown)):
            assert sentence in review and "(mode" not in review
    assert again.summary().splitlines()[: -len(again.findings)] == plan.summary().splitlines()[: -len(plan.findings)]


def test_empty_list():
    "An empty list in the default mode results in an empty plan that states how many members stay."
    members = [f"c{number}" for number in range(6)]

    lines = plan_memberships(snapshot_of(members), {"VIP": []}).summary().splitlines()

    sentences = "No customers to add. 6 current members of VIP are not in the list and stay."
    assert lines[0].startswith(sentences) and "empty" in lines[0]


def test_groups_without_changes(tmp_path):
    "The sentences cover groups without changes. A selection contains only its own groups."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-1"], "staff": ["c-7"]})

    summary = plan.summary()
    assert "1 current member of VIP is" in summary and "1 current member of Staff is" in summary
    assert [group.uid for group in plan.listed_groups] == ["staff", "vip"]
    assert "of VIP" not in plan.select(["staff"]).summary()
    assert [group.uid for group in plan.select(without=["Staff"]).listed_groups] == ["vip"]


@pytest.mark.parametrize(
    ("mode", "numbers"),
    [("add", [8]), ("remove", [8]), ("keep_only", [2, 3]), ("mirror", [2])],
    ids=["add", "remove", "keep", "mirror"],
)
def test_unchanged_sentences(mode, numbers):
    "The sentences contain the number of members who stay, and for `keep_only` the customers who do not join."
    sentences = unchanged_sentences([ListedGroup("vip", "VIP", 10, 5, 2)], mode)

    assert [int(sentence.split()[0]) for sentence in sentences] == numbers
    assert "stay" in sentences[0] and "mode" not in " ".join(sentences)


def test_many_groups():
    "At most five groups are named. The last sentence contains the number of customers in the other groups."
    groups = [ListedGroup(f"g{number:02d}", f"G{number:02d}", 10 + number, 1, 0) for number in range(20)]

    sentences = unchanged_sentences(groups, "add")

    assert len(sentences) == 6 and "29 current members of G19" in sentences[0]
    assert "15 other groups" in sentences[-1] and f"{sum(10 + number for number in range(15))} " in sentences[-1]


def test_texts_of_all_modes():
    "Each mode has a sentence."
    assert set(MODE_TEXTS) == set(MODES)


def test_undo_states_no_mode():
    "The summary of an undo plan does not state the mode, because the plan has no list of customers."
    plan = replace(plan_memberships(sample_snapshot(), {"vip": ["c-1"]}, mode="mirror"), reverts="a" * 64)

    assert "mode mirror" not in plan.summary() and "reverses the changes of plan aaaaaaaaaaaa" in plan.summary()


def test_remove_option(tmp_path, capsys):
    "`frgroups plan --mode remove` plans the removal of the customers in a list. It cannot create a group."
    save_snapshot(sample_snapshot())
    path = tmp_path / "unsubscribed.csv"
    path.write_text("customer_uid\nc-2\nc-9\nc-999\n")
    out = tmp_path / "plan.json"
    words = ["plan", "--tenant", "t-1", "--mode", "remove", "--list", str(path), "--out", str(out)]

    assert main([*words, "--group", "vip"]) == 0

    plan = read_plan(out)
    assert plan.table()[["customer_uid", "change"]].to_numpy().tolist() == [["c-2", "remove"]]
    assert [finding.n for finding in findings_of(plan, "not_members")] == [2]
    assert "planned anyway" not in capsys.readouterr().out
    assert main([*words, "--group", "new", "--create", "New"]) == 1
