"""Where customers went between groups, each counted once, against one customer after the other."""

from collections import Counter

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.flow import NONE, SEVERAL, group_flow
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

LAW = settings(deadline=None, max_examples=60)
GROUPS = ["0150", "b", "c", "Ålesund", "ω"]
membership_rows = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=30)
COLUMNS = {
    **dict.fromkeys(["from_group", "to_group", "from_name", "to_name"], "str"),
    "n": "int64",
    "share_of_from": "float64",
}


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def snapshot(rows, names, taken_at):
    groups = pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())})
    return snapshot_from_frames(frame(rows), groups, tenant_uid="t-1", taken_at=taken_at)


def state(rows, customer, chosen, priority):
    """The one state of a customer: the first of priority, else the only one of the rest, else a word."""
    own = {group for group, uid in rows if uid == customer}
    first = [group for group in priority if group in own]
    rest = sorted(own & set(chosen))
    return (first or (rest if len(rest) < 2 else [SEVERAL]) or [NONE])[0]


@st.composite
def questions(draw):
    """Two sets of memberships, groups to tell apart that are in either, and some of them in an order."""
    old, new = draw(membership_rows), draw(membership_rows)
    known = sorted({group for group, _ in [*old, *new]})
    chosen = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    priority = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    return old, new, chosen, priority


@LAW
@given(questions())
def test_every_customer_moves_once(question):
    "The rows are the customers, counted by their one state before and their one state after."
    old, new, chosen, priority = question
    order = [*priority, *sorted(set(chosen) - set(priority)), SEVERAL, NONE]
    everyone = {uid for _, uid in [*old, *new]}
    moves = Counter((state(old, uid, chosen, priority), state(new, uid, chosen, priority)) for uid in everyone)
    moves.pop((NONE, NONE), None)
    expected = sorted(moves.items(), key=lambda one: [order.index(word) for word in one[0]])

    table = group_flow(frame(old), frame(new), chosen, priority=priority)

    found = zip(table["from_group"], table["to_group"], table["n"], strict=True)
    assert [((before, after), n) for before, after, n in found] == expected
    assert table.dtypes.astype(str).to_dict() == COLUMNS


@LAW
@given(membership_rows, membership_rows)
def test_rows_add_up_to_the_old_sizes_and_columns_to_the_new(old, new):
    "Of one group told apart from the rest, the flow out of it is its old size and the flow into it its new size."
    for group in sorted({group for group, _ in [*old, *new]}):
        table = group_flow(frame(old), frame(new), [group])

        n_old, n_new = (len({uid for held, uid in rows if held == group}) for rows in (old, new))
        assert table.loc[table["from_group"] == group, "n"].sum() == n_old
        assert table.loc[table["to_group"] == group, "n"].sum() == n_new


@LAW
@given(questions())
def test_shares_are_of_all_who_were_in_a_state(question):
    "The shares of each state add up to 1, and nobody knows of how many outside."
    old, new, chosen, priority = question

    table = group_flow(frame(old), frame(new), chosen, priority=priority)

    inside = table[table["from_group"] != NONE]
    sums = inside.groupby("from_group")["share_of_from"].sum()
    assert sums.to_list() == pytest.approx([1.0] * len(sums))
    assert table.loc[table["from_group"] == NONE, "share_of_from"].isna().all()


@LAW
@given(questions())
def test_looking_back_swaps_from_and_to(question):
    "From new to old the same customers move the other way."
    old, new, chosen, priority = question
    columns = ["from_group", "to_group", "n"]

    there = group_flow(frame(old), frame(new), chosen, priority=priority)[columns]
    back = group_flow(frame(new), frame(old), chosen, priority=priority)[columns]

    turned = back.rename(columns={"from_group": "to_group", "to_group": "from_group"})[columns]
    assert sorted(there.itertuples(index=False)) == sorted(turned.itertuples(index=False))


def test_a_ladder_of_groups_is_told_by_its_highest_step():
    "Who is in Gold, VIP and the club counts as Gold; without an order all of them would be in several."
    club = [("club", uid) for uid in "12345"]
    early = [*club, ("vip", "1"), ("vip", "2"), ("gold", "1")]
    late = [*club[:4], ("vip", "1"), ("vip", "2"), ("gold", "2"), ("vip", "3")]
    names = {"club": "Loyalty club", "gold": "VIP Gold", "vip": "VIP"}
    old, new = snapshot(early, names, "2026-11-03"), snapshot(late, names, "2026-11-10")

    ladder = group_flow(old, new, priority=["VIP Gold", "VIP", "Loyalty club"])
    unordered = group_flow(old, new)

    assert ladder[["from_name", "to_name", "n"]].values.tolist() == [
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


def test_a_group_that_is_in_one_of_the_two_has_its_state_all_the_same():
    "A campaign that begins is filled from where its customers were; one that was deleted empties to where they are."
    old = snapshot([("ended", "1"), ("club", "2")], {"ended": "Ended", "club": "Club"}, "2026-11-03")
    new = snapshot([("begun", "1"), ("club", "2")], {"begun": "Begun", "club": "Club"}, "2026-11-10")

    table = group_flow(old, new, ["Ended", "Begun"])

    assert table[["from_name", "to_name", "n"]].values.tolist() == [["Ended", "Begun", 1]]


def test_a_renamed_group_goes_by_its_newer_name():
    "The older name is no longer known, and the error names the close one."
    old = snapshot([("a", "1")], {"a": "VIP club"}, "2026-11-03")
    new = snapshot([("a", "1")], {"a": "VIP clubs"}, "2026-11-10")

    assert list(group_flow(old, new, ["VIP clubs"])["from_name"]) == ["VIP clubs"]
    with pytest.raises(GroupNotFoundError, match="Did you mean 'VIP clubs'"):
        group_flow(old, new, ["VIP club"])


def test_one_name_is_no_list_of_names():
    "A text is refused, since its letters would be taken for groups."
    for question in ({"groups": "vip"}, {"priority": "vip"}):
        with pytest.raises(InputError, match="takes several"):
            group_flow(sample_snapshot(), sample_snapshot(), **question)


def test_order_and_container_do_not_matter_and_the_input_stays():
    "Shuffled and doubled rows and Arrow tables give the same flow, and the frames stay as they were."
    before, after = sample_snapshot().memberships, sample_snapshot().memberships[:-1]
    kept = before.copy(deep=True)
    expected = group_flow(before, after)

    mixed = pd.concat([before, before]).sample(frac=1, random_state=1)

    pdt.assert_frame_equal(group_flow(mixed, pa.Table.from_pandas(after)), expected)
    pdt.assert_frame_equal(before, kept)


def test_nobody_moves_where_there_is_nobody():
    "Empty tables give an empty table of the same columns and dtypes, as does no group at all."
    nothing = group_flow(frame([]), frame([]))
    no_group = group_flow(sample_snapshot(), sample_snapshot(), [])

    for table in (nothing, no_group):
        assert table.empty and table.dtypes.astype(str).to_dict() == COLUMNS
