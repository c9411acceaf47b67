"""The reach of campaigns: against looking at every customer and every campaign."""

from datetime import datetime

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.campaigns import campaign_reach
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot

law = settings(max_examples=80)
COLUMNS = {
    **dict.fromkeys(["campaign_uid", "customer_group_uid", "name"], "str"),
    "discount_percent": "float64",
    **dict.fromkeys(["n_members", "n_shadowed", "n_effective"], "int64"),
    "shadowed_by": "str",
}
memberships = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("123456")), max_size=25)
offers = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0, 5, 10, 20])), max_size=6)


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def campaigns(rows, **more):
    table = pd.DataFrame(rows, columns=["customer_group_uid", "discount_percent"])
    uids = [f"camp-{n}" for n in range(len(rows))]
    return table.astype({"customer_group_uid": "str"}).assign(campaign_uid=pd.Series(uids, dtype="str"), **more)


@law
@given(memberships, offers)
def test_shadowed_is_who_another_campaign_gives_more(rows, offered):
    "Counted customer by customer: those for whom some campaign has a larger discount, and the largest of these."
    groups = {g: {c for h, c in rows if h == g} for g in {g for g, _ in rows}}
    offered = [(group, percent) for group, percent in offered if group in groups]

    table = campaign_reach(frame(rows), campaigns(offered))

    assert len(table) == len(offered)
    for row in table.itertuples():
        members = groups[row.customer_group_uid]
        better = [
            (-percent, f"camp-{n}", group)
            for n, (group, percent) in enumerate(offered)
            if percent > row.discount_percent and groups[group] & members
        ]
        shadowed = {c for c in members if any(c in groups[group] for _, _, group in better)}
        assert (row.n_members, row.n_shadowed) == (len(members), len(shadowed))
        assert row.n_effective == len(members) - len(shadowed)
        assert row.shadowed_by == min(better)[1] if better else pd.isna(row.shadowed_by)


@law
@given(memberships, offers)
def test_the_best_campaigns_share_out_who_is_reached(rows, offered):
    "When no two discounts are alike, effective members add up to the customers in any campaign's group."
    groups = {g: {c for h, c in rows if h == g} for g in {g for g, _ in rows}}
    once = {percent: group for group, percent in offered if group in groups}

    table = campaign_reach(frame(rows), campaigns([(group, percent) for percent, group in once.items()]))

    assert table["n_effective"].sum() == len(set().union(*(groups[group] for group in once.values())))


def test_equal_discounts_do_not_shadow_each_other():
    "A customer in two groups of the same discount counts for both."
    table = campaign_reach(frame([("a", "1"), ("b", "1")]), campaigns([("a", 10), ("b", 10)]))

    assert table["n_shadowed"].tolist() == [0, 0]
    assert table["shadowed_by"].isna().all()


def test_a_better_campaign_of_the_same_group_shadows_all_of_it():
    "Two campaigns of one group: only the better one makes a difference."
    table = campaign_reach(frame([("a", "1"), ("a", "2")]), campaigns([("a", 5), ("a", 10)]))

    assert table["discount_percent"].tolist() == [10.0, 5.0]
    assert table["n_effective"].tolist() == [2, 0]
    assert table["shadowed_by"].tolist()[1] == "camp-1"


def test_only_campaigns_that_run_are_looked_at():
    "What is over, or has not begun, has no row and shadows nobody; `at` says when."
    days = {"valid_from": ["2026-01-01", None], "valid_to": ["2026-01-31", None]}
    table = campaigns([("all", 30), ("vip", 10)], **days)

    then = campaign_reach(sample_snapshot(), table, at=datetime(2026, 1, 31, 23))
    later = campaign_reach(sample_snapshot("2026-02-01"), table)

    assert then["customer_group_uid"].tolist() == ["all", "vip"]
    assert then["n_effective"].tolist() == [250, 0]
    assert later["customer_group_uid"].tolist() == ["vip"]
    assert later["n_effective"].tolist() == [2]


def test_the_name_is_the_campaigns_or_else_the_groups():
    "Groups may be told by name, and rows without a discount are left out."
    table = pd.DataFrame(
        {"group": ["VIP", "staff", "all"], "discount_percent": [10, 20, None], "name": ["Ti", None, "?"]}
    )

    reach = campaign_reach(sample_snapshot(), table)

    assert reach["name"].tolist() == ["Staff", "Ti"]
    assert reach["customer_group_uid"].tolist() == ["staff", "vip"]
    assert reach["campaign_uid"].isna().all()


@pytest.mark.parametrize("offered", [[], [("vip", 10)]])
def test_columns_and_dtypes_are_always_the_same(offered):
    "No campaign gives an empty table of the same columns; the given table stays as it was."
    table = campaigns(offered)
    before = table.copy(deep=True)

    assert campaign_reach(sample_snapshot(), table).dtypes.astype(str).to_dict() == COLUMNS
    pdt.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (campaigns([("vip", 120)]), InputError, "discount_percent of 120; it is between 0 and 100"),
        (campaigns([("VIPs", 10)]), GroupNotFoundError, "Did you mean 'VIP'"),
        (campaigns([]).drop(columns="discount_percent"), InputError, "needs a column 'discount_percent'"),
        (campaigns([]).drop(columns="customer_group_uid"), InputError, "needs a column 'customer_group_uid'"),
        ({"vip": 10}, InputError, "campaigns is a dict"),
        (campaigns([("vip", "ten")]), InputError, "discount_percent"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(table, error, words):
    "The error tells what came and what is needed."
    with pytest.raises(error, match=words):
        campaign_reach(sample_snapshot(), table)
