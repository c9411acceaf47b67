"""Tests for campaign_reach, which compare its result with a loop over customers and campaigns."""

from datetime import datetime

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis.campaigns import campaign_reach
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot

COLUMNS = {
    **dict.fromkeys(["campaign_uid", "customer_group_uid", "name"], "str"),
    "discount_percent": "float64",
    **dict.fromkeys(["n_members", "n_shadowed", "n_effective"], "int64"),
    "shadowed_by": "str",
}
memberships = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("123456")), max_size=25)
offers = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0, 5, 10, 20])), max_size=6)


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def create_campaigns(rows, **more):
    """Return a table of campaigns from pairs of group uid and discount."""
    table = pd.DataFrame(rows, columns=["customer_group_uid", "discount_percent"])
    uids = [f"camp-{n}" for n in range(len(rows))]
    return table.astype({"customer_group_uid": "str"}).assign(campaign_uid=pd.Series(uids, dtype="str"), **more)


@given(memberships, offers)
def test_shadowed_members(rows, offered):
    "A member is shadowed if another campaign offers a larger discount, and shadowed_by is the largest such campaign."
    groups = {g: {c for h, c in rows if h == g} for g in {g for g, _ in rows}}
    offered = [(group, percent) for group, percent in offered if group in groups]

    table = campaign_reach(create_table(rows), create_campaigns(offered))

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


@given(memberships, offers)
def test_effective_members_add_up(rows, offered):
    "If all discounts differ, the effective members add up to the customers of all campaigns."
    groups = {g: {c for h, c in rows if h == g} for g in {g for g, _ in rows}}
    group_by_discount = {percent: group for group, percent in offered if group in groups}

    table = campaign_reach(
        create_table(rows), create_campaigns([(group, percent) for percent, group in group_by_discount.items()])
    )

    assert table["n_effective"].sum() == len(set().union(*(groups[group] for group in group_by_discount.values())))


def test_equal_discounts():
    "Campaigns with equal discounts do not shadow each other."
    table = campaign_reach(create_table([("a", "1"), ("b", "1")]), create_campaigns([("a", 10), ("b", 10)]))

    assert table["n_shadowed"].tolist() == [0, 0]
    assert table["shadowed_by"].isna().all()


def test_two_campaigns_of_one_group():
    "If a group has two campaigns, the campaign with the larger discount shadows all members of the other campaign."
    table = campaign_reach(create_table([("a", "1"), ("a", "2")]), create_campaigns([("a", 5), ("a", 10)]))

    assert table["discount_percent"].tolist() == [10.0, 5.0]
    assert table["n_effective"].tolist() == [2, 0]
    assert table["shadowed_by"].tolist()[1] == "camp-1"


def test_running_campaigns():
    "A campaign that is not running at the time `at` has no row and does not shadow other campaigns."
    days = {"valid_from": ["2026-01-01", None], "valid_to": ["2026-01-31", None]}
    table = create_campaigns([("all", 30), ("vip", 10)], **days)

    in_january = campaign_reach(sample_snapshot(), table, at=datetime(2026, 1, 31, 23))
    in_february = campaign_reach(sample_snapshot("2026-02-01"), table)

    assert in_january["customer_group_uid"].tolist() == ["all", "vip"]
    assert in_january["n_effective"].tolist() == [250, 0]
    assert in_february["customer_group_uid"].tolist() == ["vip"]
    assert in_february["n_effective"].tolist() == [2]


def test_campaign_names():
    "A campaign without a name has the name of its group in the result, and campaigns without a discount are omitted."
    table = pd.DataFrame(
        {"group": ["VIP", "staff", "all"], "discount_percent": [10, 20, None], "name": ["Ti", None, "?"]}
    )

    reach = campaign_reach(sample_snapshot(), table)

    assert reach["name"].tolist() == ["Staff", "Ti"]
    assert reach["customer_group_uid"].tolist() == ["staff", "vip"]
    assert reach["campaign_uid"].isna().all()


@pytest.mark.parametrize("offered", [[], [("vip", 10)]])
def test_columns_and_dtypes(offered):
    "The columns and dtypes of the result do not depend on the number of campaigns, and the input is not modified."
    table = create_campaigns(offered)
    before = table.copy(deep=True)

    assert campaign_reach(sample_snapshot(), table).dtypes.astype(str).to_dict() == COLUMNS
    pdt.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (create_campaigns([("vip", 120)]), InputError, ["campaigns", "120"]),
        (create_campaigns([("VIPs", 10)]), GroupNotFoundError, ["'VIPs'", "'VIP'"]),
        (create_campaigns([]).drop(columns="discount_percent"), InputError, ["'discount_percent'"]),
        (create_campaigns([]).drop(columns="customer_group_uid"), InputError, ["customer_group_uid"]),
        ({"vip": 10}, InputError, ["campaigns", "dict"]),
        (create_campaigns([("vip", "ten")]), InputError, ["discount_percent"]),
    ],
)
def test_invalid_campaigns(table, error, words):
    "The error for an invalid table of campaigns contains the name of the argument or column and the invalid value."
    with pytest.raises(error) as caught:
        campaign_reach(sample_snapshot(), table)

    assert all(word in str(caught.value) for word in words)


def test_omitted_campaigns(tmp_path):
    "The names of campaigns that are not running are in attrs and in the displayed, drawn, and described table."
    campaigns = pd.DataFrame(
        {
            "group": ["all", "vip", "staff"],
            "name": [None, None, "Staff days"],
            "discount_percent": [5, 10, 20],
            "valid_from": [None, None, "2030-01-01"],
            "valid_to": [None, "2020-12-31", None],
        }
    )

    reach = campaign_reach(sample_snapshot(), campaigns)

    assert list(reach["name"]) == ["All members"] and reach.attrs["not_running"] == ["VIP", "Staff days"]
    texts = [str(fg.show(reach)), fg.describe(reach), fg.plot.campaign_reach(reach).get_title(loc="left")]
    assert all("2 campaigns are not running" in text for text in texts)
    assert "VIP and Staff days" in texts[0] and "VIP and Staff days" in texts[1]
    others = campaign_reach(sample_snapshot(), campaigns.head(1))
    assert "not running" not in f"{fg.show(others)} {fg.describe(others)}"
    ended = campaign_reach(sample_snapshot(), campaigns.iloc[1:2])
    assert ended.empty and "VIP" in str(fg.show(ended)) and "VIP" in fg.describe(ended)
    path = fg.save_table(reach, tmp_path / "reach.csv")
    assert "not_running" not in path.read_text(encoding="utf-8")
