"""Tests for plans whose groups have different modes."""

import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import CorruptFileError, GroupNotFoundError, InputError
from frgroups.internals.checksummed_json import write_checksummed
from frgroups.plan.limits import Limits
from frgroups.plan.modes import MODES
from frgroups.plan.plan_file import plan_to_dict, read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.page import review_html
from frgroups.review.plan_sentences import MODE_LABELS
from frgroups.review.sections import review_sections
from frgroups.snapshot.from_frames import snapshot_from_frames
from tests.examples import at_most

CUSTOMERS = [f"c{number}" for number in range(8)]
GROUPS = ["a", "b", "c"]
NO_LIMITS = Limits(**dict.fromkeys(Limits().to_dict().keys() - {"per_group"}))
subsets = st.sets(st.sampled_from(CUSTOMERS))
by_group = st.fixed_dictionaries(dict.fromkeys(GROUPS, subsets))
modes = st.fixed_dictionaries(dict.fromkeys(GROUPS, st.sampled_from(MODES)))


def snapshot_of(members):
    """Return a snapshot with the given members of each group and a group of all customers."""
    rows = [("all", uid) for uid in CUSTOMERS] + [(group, uid) for group in members for uid in members[group]]
    names = {"all": "All", **{group: f"Name of {group}" for group in members}}
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
        base_url="https://api.example.test/v2",
    )


def changes_of(plan):
    """Return the changes of a plan as tuples."""
    return [tuple(row) for row in plan.table()[["customer_group_uid", "customer_uid", "change"]].to_numpy()]


@at_most(50)
@given(members=by_group, desired=by_group, mode=modes)
def test_changes(members, desired, mode):
    "A plan with several modes contains the changes of the plans with one group and one mode."
    snapshot = snapshot_of(members)

    plan = plan_memberships(snapshot, desired, mode=mode, limits=NO_LIMITS)

    alone = {
        group: plan_memberships(snapshot, {group: desired[group]}, mode=mode[group], limits=NO_LIMITS)
        for group in GROUPS
    }
    assert changes_of(plan) == [change for other in alone.values() for change in changes_of(other)]
    for group, other in alone.items():
        assert plan.mode_of(group) == other.mode == mode[group]
        if not other.is_empty:
            assert plan.select([group]).digest == other.digest


@at_most(25)
@given(members=by_group, desired=by_group, mode=st.sampled_from(MODES))
def test_one_mode(members, desired, mode):
    "A mapping with the same mode for all groups is the same as one mode, also in the plan file and the digest."
    snapshot = snapshot_of(members)

    plan = plan_memberships(snapshot, desired, mode=mode)
    same = plan_memberships(snapshot, desired, mode=dict.fromkeys(GROUPS, mode))

    assert (same.mode, same.digest, same.summary()) == (mode, plan.digest, plan.summary())


def mixed_plan(**options):
    """Return a plan in which each group has another mode, and one group does not change."""
    snapshot = snapshot_of({"a": ["c0"], "b": ["c0", "c1"], "c": ["c2"]})
    desired = {"a": ["c1"], "b": ["c0"], "c": ["c2"]}
    return plan_memberships(snapshot, desired, mode={"a": "add", "Name of b": "mirror", "c": "keep_only"}, **options)


def test_digest():
    "The digest covers the modes of the changed groups, but not the modes of other groups."
    snapshot = snapshot_of({"a": ["c0"], "b": ["c0", "c1"]})
    desired = {"a": ["c0", "c1"], "b": ["c0"]}

    digests = {
        plan_memberships(snapshot, desired, mode={"a": a, "b": b}).digest
        for a in ("add", "mirror")
        for b in ("keep_only", "mirror")
    }

    assert len(digests) == 4
    unchanged = {**desired, "all": CUSTOMERS}
    modes_of_all = [{"a": "add", "b": "mirror", "all": mode} for mode in ("add", "mirror", "keep_only")]
    assert len({plan_memberships(snapshot, unchanged, mode=mode).digest for mode in modes_of_all}) == 1


def test_plan_file(tmp_path):
    "A plan file contains the mode of each group."
    plan = mixed_plan()

    stored = read_plan(plan.save(tmp_path / "plan.json"))

    assert stored.mode == plan.mode == {"a": "add", "b": "mirror", "c": "keep_only"}
    assert (stored.digest, stored.summary()) == (plan.digest, plan.summary())


@pytest.mark.parametrize(
    "mode", [{"a": "add", "b": "add", "c": "add"}, {"b": "mirror", "c": "add"}, {"a": "add", "b": "mirror"}, {}, "no"]
)
def test_corrupt_modes(mode, tmp_path):
    "A plan file is corrupt if a group has no mode, or if the changes of a group contradict its mode."
    path = tmp_path / "plan.json"
    write_checksummed(path, "plan", json.loads(json.dumps(plan_to_dict(mixed_plan()) | {"mode": mode})))

    with pytest.raises(CorruptFileError):
        read_plan(path)


def test_review():
    "The summary, the review page, and the other review formats contain the mode of each changed group."
    plan = mixed_plan()

    groups = next(section for section in review_sections(plan) if section.title == "Groups")
    for text in (plan.summary(), plan._repr_html_()):
        assert "The mode is add." in text and "The mode is mirror." in text
    for text in (review_html(plan), "\n".join(groups.lines)):
        assert MODE_LABELS["add"] in text and MODE_LABELS["mirror"] in text and "The mode is" not in text
    for mode in ("add", "mirror", "keep_only"):
        assert f"(mode {mode})" in plan.summary()
    assert "The mode is" not in plan_memberships(snapshot_of({"a": []}), {"a": ["c1"]}).summary()


def test_review_of_many_groups():
    "The table of all groups on a review page contains the mode of each group."
    members = {f"g{number:02}": ["c0"] for number in range(20)}
    desired = {group: ["c0", "c1"] for group in members}
    mode = {group: "mirror" if number % 2 else "add" for number, group in enumerate(members)}
    snapshot = snapshot_of(members)

    page = review_html(plan_memberships(snapshot, desired, mode=mode))

    assert [page.count(f'"Listed customers">{MODE_LABELS[name]}<') for name in ("add", "mirror")] == [10, 10]
    assert 'data-label="Listed customers"' not in review_html(plan_memberships(snapshot, desired))


def test_not_members():
    "Listed customers who are not members are only reported for groups with the mode `remove`."
    snapshot = snapshot_of({"a": ["c0"], "b": ["c0"]})

    plan = plan_memberships(
        snapshot, {"a": ["c0", "c1"], "b": ["c0", "c1"]}, mode={"a": "remove", "b": "keep_only"}, limits=NO_LIMITS
    )

    found = [(note.customer_group_uid, note.n) for note in plan.findings if note.rule == "not_members"]
    assert found == [("a", 1)]


@pytest.mark.parametrize("mode", ["add", "mirror"])
def test_created_group(mode):
    "A created group without desired members needs no mode."
    snapshot = snapshot_of({"a": ["c0"], "b": ["c0"]})

    plan = plan_memberships(
        snapshot, {"a": ["c1"], "b": ["c0"]}, mode={"a": mode, "b": "keep_only"}, create={"n": "N"}, limits=NO_LIMITS
    )

    assert [group.uid for group in plan.groups if group.create] == ["n"]
    assert plan.mode_of("n") == "add"


@pytest.mark.parametrize(
    ("mode", "error", "part"),
    [
        ({"a": "add"}, InputError, "missing: b."),
        ({"a": "add", "b": "add", "c": "add"}, InputError, "does not contain: c."),
        ({"a": "add", "Name of a": "add", "b": "add"}, InputError, "'a' twice"),
        ({"a": "add", "b": "move"}, InputError, "mode['b']"),
        ({"a": "add", "b": None}, InputError, "mode['b']"),
        ({"a": "add", "b": "add_only"}, InputError, "'add_only'"),
        ({"a": "add", "B": "add"}, GroupNotFoundError, "'B'"),
        ({"a": "add", 1: "add"}, GroupNotFoundError, "int"),
        ({}, InputError, "a and b"),
        (["add"], InputError, "`mode`"),
        (None, InputError, "`mode`"),
    ],
)
def test_invalid_modes(mode, error, part):
    "The error for an invalid mode names the group, and no plan is created."
    snapshot = snapshot_of({"a": ["c0"], "b": ["c0"], "c": []})

    with pytest.raises(error) as raised:
        plan_memberships(snapshot, {"a": ["c1"], "b": ["c1"]}, mode=mode)

    assert part in str(raised.value)


def test_create_and_remove():
    "A created group cannot have the mode `remove`."
    with pytest.raises(InputError, match="'remove'"):
        plan_memberships(
            snapshot_of({"a": ["c0"]}), {"a": [], "n": ["c0"]}, mode={"a": "add", "n": "remove"}, create={"n": "N"}
        )
