"""Tests for texts that are the uid of one group and the name of another group."""

import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import GroupNotFoundError
from frgroups.snapshot.from_frames import snapshot_from_frames

MEMBERS = {"vip": ["c-1", "c-2"], "g-7": ["c-3"], "all": ["c-1", "c-2", "c-3", "c-4"]}


@pytest.fixture(scope="module")
def snapshot():
    """Return a snapshot in which "vip" is the uid of the group Gold and the name of the group g-7."""
    rows = [(uid, customer) for uid, customers in MEMBERS.items() for customer in customers]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"]),
        pd.DataFrame({"customer_group_uid": list(MEMBERS), "name": ["Gold", "vip", "All"]}),
        tenant_uid="t-1",
        taken_at=pd.Timestamp.now("UTC"),
    )


# Each function returns the customers or the groups that a text refers to.
FUNCTIONS = {
    "snapshot": lambda snapshot, group: list(snapshot[group]),
    "group_uid": lambda snapshot, group: MEMBERS[snapshot.group_uid(group)],
    "group_name": lambda snapshot, group: MEMBERS[{"Gold": "vip", "vip": "g-7"}[snapshot.group_name(group)]],
    "members": lambda snapshot, group: list(fg.members(snapshot, group)),
    "include": lambda snapshot, group: list(fg.region_members(snapshot, include=[group])),
    "exclude": lambda snapshot, group: sorted(
        set(MEMBERS["all"]) - {*fg.region_members(snapshot, include=["all"], exclude=[group])}
    ),
    "overlap": lambda snapshot, group: MEMBERS[fg.overlap_matrix(snapshot, groups=[group]).index[0]],
    "intersections": lambda snapshot, group: MEMBERS[fg.intersections(snapshot, groups=[group])["groups"][0][0]],
    "flow": lambda snapshot, group: MEMBERS[fg.group_flow(snapshot, snapshot, groups=[group])["from_group"][0]],
    "cover": lambda snapshot, group: MEMBERS[fg.set_cover(snapshot, groups=[group])["customer_group_uid"][0]],
    "plan": lambda snapshot, group: MEMBERS[fg.plan_memberships(snapshot, {group: ["c-9"]}).groups[0].uid],
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_ambiguous_text(snapshot, function):
    "A text with two meanings is an error in each function, and the prefixes that the error states select a group."
    find = FUNCTIONS[function]

    with pytest.raises(GroupNotFoundError, match=r'uid:"vip".*name:"vip"') as caught:
        find(snapshot, "vip")
    assert caught.value.n_matches == 2
    assert find(snapshot, 'uid:"vip"') == find(snapshot, "Gold") == MEMBERS["vip"]
    assert find(snapshot, 'name:"vip"') == find(snapshot, "g-7") == MEMBERS["g-7"]


def test_profile_of_ambiguous_text(snapshot):
    "A profile compares the groups that the prefixes select, and rejects a text with two meanings."
    table = fg.group_profile(snapshot, 'uid:"vip"', versus='name:"vip"', min_count=0)

    assert len(table)
    for options in ({"group": "vip"}, {"group": "all", "versus": "vip"}):
        with pytest.raises(GroupNotFoundError, match="uid:"):
            fg.group_profile(snapshot, **options, min_count=0)


def test_contains_ambiguous_text(snapshot):
    "A text with two meanings is not contained in a snapshot, because it does not select a group."
    assert "vip" not in snapshot
    assert 'uid:"vip"' in snapshot and 'name:"vip"' in snapshot


def test_uids_in_tables(snapshot):
    "Tables with group uids, and plans from snapshots, refer to the group with the uid."
    campaigns = pd.DataFrame({"customer_group_uid": ["vip", "g-7"], "discount_percent": [5, 20]})
    without_members = snapshot_from_frames(
        snapshot.memberships[snapshot.memberships["customer_group_uid"] == "all"],
        snapshot.groups,
        customers=snapshot.customers,
        tenant_uid="t-1",
        taken_at=snapshot.taken_at,
    )

    reach = fg.campaign_reach(snapshot, campaigns).set_index("customer_group_uid")
    plan = fg.plan_memberships(without_members, snapshot)

    assert dict(reach["name"]) == {"vip": "Gold", "g-7": "vip"}
    assert {change.uid: list(change.add) for change in plan.groups if change.add} == {
        uid: MEMBERS[uid] for uid in ("vip", "g-7")
    }
