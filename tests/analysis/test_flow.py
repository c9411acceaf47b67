"""Tests for group_flow, which compare its result with a loop over customers."""

from collections import Counter

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.flow import NONE, SEVERAL, group_flow
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

GROUPS = ["0150", "b", "c", "Ålesund", "ω"]
membership_rows = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=30)
COLUMNS = {
    **dict.fromkeys(["from_group", "to_group", "from_name", "to_name"], "str"),
    "n": "int64",
    "n_stayed": "int64",
    "share_of_from": "float64",
}


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def create_snapshot(rows, names, taken_at):
    """Return a snapshot of the memberships with group names from a dictionary of group uid to name."""
    groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())})
    return snapshot_from_frames(create_table(rows), groups, tenant_uid="t-1", taken_at=taken_at)


def state_of(rows, customer, chosen, priority):
    """Return a customer's state, which is the first priority group, the only other group, SEVERAL, or NONE."""
    own = {group for group, uid in rows if uid == customer}
    for group in priority:
        if group in own:
            return group
    others = sorted(own & set(chosen))
    if len(others) > 1:
        return SEVERAL
    return others[0] if others else NONE


@st.composite
def flow_arguments(draw):
    """Draw old and new memberships, groups, and a priority order."""
    old, new = draw(membership_rows), draw(membership_rows)
    known = sorted({group for group, _ in [*old, *new]})
    chosen = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    priority = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    return old, new, chosen, priority


@given(flow_arguments())
def test_each_customer_counts_once(arguments):
    "Each customer is counted in exactly one row of the flow."
    old, new, chosen, priority = arguments
    order = [*priority, *sorted(set(chosen) - set(priority)), SEVERAL, NONE]
    customers = {uid for _, uid in [*old, *new]}
    moves = Counter((state_of(old, uid, chosen, priority), state_of(new, uid, chosen, priority)) for uid in customers)
    moves.pop((NONE, NONE), None)
    expected = sorted(moves.items(), key=lambda item: [order.index(state) for state in item[0]])

    table = group_flow(create_table(old), create_table(new), chosen, priority=priority)

    found = zip(table["from_group"], table["to_group"], table["n"], strict=True)
    assert [((before, after), n) for before, after, n in found] == expected
    assert table.dtypes.astype(str).to_dict() == COLUMNS


@given(membership_rows, membership_rows)
def test_sums_are_group_sizes(old, new):
    "The rows from a group sum to the old group size, and the rows to a group sum to the new group size."
    for group in sorted({group for group, _ in [*old, *new]}):
        table = group_flow(create_table(old), create_table(new), [group])

        n_old, n_new = (len({uid for held, uid in rows if held == group}) for rows in (old, new))
        assert table.loc[table["from_group"] == group, "n"].sum() == n_old
        assert table.loc[table["to_group"] == group, "n"].sum() == n_new


@given(flow_arguments())
def test_shares_add_up(arguments):
    "The shares of each previous group sum to 1. Rows without a previous group have no share."
    old, new, chosen, priority = arguments

    table = group_flow(create_table(old), create_table(new), chosen, priority=priority)

    inside = table[table["from_group"] != NONE]
    sums = inside.groupby("from_group")["share_of_from"].sum()
    assert sums.to_list() == pytest.approx([1.0] * len(sums))
    assert table.loc[table["from_group"] == NONE, "share_of_from"].isna().all()


@given(flow_arguments())
def test_reversed_comparison(arguments):
    "If the snapshots are compared in the reverse order, the columns from_group and to_group are swapped."
    old, new, chosen, priority = arguments
    columns = ["from_group", "to_group", "n"]

    forward = group_flow(create_table(old), create_table(new), chosen, priority=priority)[columns]
    backward = group_flow(create_table(new), create_table(old), chosen, priority=priority)[columns]

    reversed_flow = backward.rename(columns={"from_group": "to_group", "to_group": "from_group"})[columns]
    assert sorted(forward.itertuples(index=False)) == sorted(reversed_flow.itertuples(index=False))


@given(flow_arguments())
def test_customers_who_stayed(arguments):
    "A customer stayed if both states are the same group, or if both states are SEVERAL with the same groups."
    old, new, chosen, priority = arguments
    selected = {*chosen, *priority}
    expected = Counter()
    for customer in {uid for _, uid in [*old, *new]}:
        before, after = ({group for group, uid in rows if uid == customer} & selected for rows in (old, new))
        state = state_of(old, customer, chosen, priority)
        if state == state_of(new, customer, chosen, priority) != NONE and (state != SEVERAL or before == after):
            expected[state] += 1

    table = group_flow(create_table(old), create_table(new), chosen, priority=priority)

    stayed = table[table["n_stayed"] > 0]
    assert dict(zip(stayed["from_group"], stayed["n_stayed"], strict=True)) == expected
    assert (stayed["from_group"] == stayed["to_group"]).all()


def test_other_set_of_groups():
    "A customer who moves from the groups A and B to the groups C and D did not stay."
    old = create_table([("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "3")])
    new = create_table([("c", "1"), ("d", "1"), ("a", "2"), ("b", "2"), ("a", "3"), ("b", "3")])

    everything = group_flow(old, new)
    by_priority = group_flow(old, new, priority=["a", "c"])

    columns = ["from_group", "to_group", "n", "n_stayed"]
    assert everything[columns].values.tolist() == [["a", SEVERAL, 1, 0], [SEVERAL, SEVERAL, 2, 1]]
    assert by_priority[columns].values.tolist() == [["a", "a", 2, 2], ["a", "c", 1, 0]]


def test_priority():
    "A customer in several groups is counted in the first group of `priority`, or as SEVERAL without `priority`."
    club_members = [("club", uid) for uid in "12345"]
    old_rows = [*club_members, ("vip", "1"), ("vip", "2"), ("gold", "1")]
    new_rows = [*club_members[:4], ("vip", "1"), ("vip", "2"), ("gold", "2"), ("vip", "3")]
    names = {"club": "Loyalty club", "gold": "VIP Gold", "vip": "VIP"}
    old, new = create_snapshot(old_rows, names, "2026-11-03"), create_snapshot(new_rows, names, "2026-11-10")

    by_priority = group_flow(old, new, priority=["VIP Gold", "VIP", "Loyalty club"])
    unordered = group_flow(old, new)

    assert by_priority[["from_name", "to_name", "n"]].values.tolist() == [
        ["VIP Gold", "VIP", 1],
        ["VIP", "VIP Gold", 1],
        ["Loyalty club", "VIP", 1],
        ["Loyalty club", "Loyalty club", 1],
        ["Loyalty club", NONE, 1],
    ]
    assert unordered[["from_group", "to_group", "n"]].values.tolist() == [
        ["club", "club", 1],
        ["club", SEVERAL, 1],
        ["club", NONE, 1],
        [SEVERAL, SEVERAL, 2],
    ]


def test_new_and_deleted_groups():
    "Groups that exist in only one of the two snapshots are also counted."
    old = create_snapshot([("old", "1"), ("club", "2")], {"old": "Old", "club": "Club"}, "2026-11-03")
    new = create_snapshot([("new", "1"), ("club", "2")], {"new": "New", "club": "Club"}, "2026-11-10")

    table = group_flow(old, new, ["Old", "New"])

    assert table[["from_name", "to_name", "n"]].values.tolist() == [["Old", "New", 1]]


def test_renamed_group():
    "A renamed group is identified by its newer name."
    old = create_snapshot([("a", "1")], {"a": "VIP club"}, "2026-11-03")
    new = create_snapshot([("a", "1")], {"a": "VIP clubs"}, "2026-11-10")

    assert list(group_flow(old, new, ["VIP clubs"])["from_name"]) == ["VIP clubs"]
    with pytest.raises(GroupNotFoundError, match=r"'VIP club'.*'VIP clubs'"):
        group_flow(old, new, ["VIP club"])


def test_string_instead_of_list():
    "A string instead of a list of groups is rejected, because each letter would be interpreted as a group name."
    for arguments in ({"groups": "vip"}, {"priority": "vip"}):
        with pytest.raises(InputError, match=r"`(groups|priority)`.*'vip'"):
            group_flow(sample_snapshot(), sample_snapshot(), **arguments)


def test_table_types():
    "The flow does not depend on row order and table type, and the input is not modified."
    before, after = sample_snapshot().memberships, sample_snapshot().memberships[:-1]
    unchanged = before.copy(deep=True)
    expected = group_flow(before, after)

    mixed = pd.concat([before, before]).sample(frac=1, random_state=1)

    pdt.assert_frame_equal(group_flow(mixed, pa.Table.from_pandas(after)), expected)
    pdt.assert_frame_equal(before, unchanged)


def test_empty_tables():
    "Without memberships or groups, the flow is an empty table with the same columns and dtypes."
    without_memberships = group_flow(create_table([]), create_table([]))
    without_groups = group_flow(sample_snapshot(), sample_snapshot(), [])

    for table in (without_memberships, without_groups):
        assert table.empty and table.dtypes.astype(str).to_dict() == COLUMNS
