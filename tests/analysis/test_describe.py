"""Tables in words: what the sentences say is in the table, and what the table hides they do not say."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups import plot
from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.changes import group_changes
from frgroups.analysis.describe import describe
from frgroups.analysis.flow import group_flow
from frgroups.analysis.intersections import intersections
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.analysis.profile import compare_groups, group_profile
from frgroups.analysis.reach import incremental_reach, reachability
from frgroups.analysis.sizes import group_sizes
from frgroups.errors import InputError
from frgroups.history.size_history import size_history
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

COLUMNS = ["customer_group_uid", "customer_uid"]
CONSENT = {"mobile": "newsletter"}
CAMPAIGNS = pd.DataFrame({"customer_group_uid": ["all", "vip", "staff"], "discount_percent": [5, 20, 10]})
LONG = "Medlemmer av kundeklubben for ansatte og familie i Tromsø og omegn, 東京 og Αθήνα"

memberships = st.sets(st.tuples(st.sampled_from("abcd"), st.integers(0, 30).map(str)), max_size=60)


def framed(pairs):
    return pd.DataFrame(sorted(pairs), columns=COLUMNS, dtype="str")


def numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


def tables(snapshot=None, later=None):
    """One table of each kind that describe knows."""
    snapshot = snapshot or sample_snapshot("2026-11-03")
    later = later or sample_snapshot("2026-11-10")
    first = snapshot.groups["customer_group_uid"].iloc[0]
    return {
        "group_sizes": group_sizes(snapshot),
        "overlap_matrix": overlap_matrix(snapshot, measure="jaccard", labels="name"),
        "intersections": intersections(snapshot),
        "group_changes": group_changes(snapshot.memberships[1:], later),
        "size_history": size_history([snapshot, later]),
        "group_flow": group_flow(snapshot.memberships[1:], later, priority=[first]),
        "group_profile": group_profile(snapshot, first, min_count=0),
        "reachability": reachability(snapshot, consent=CONSENT, min_count=0),
        "incremental_reach": incremental_reach(snapshot),
        "campaign_reach": campaign_reach(snapshot, CAMPAIGNS.assign(customer_group_uid=first)),
    }


def large():
    """Groups of 6,000, 3,000 and 1,500 customers, so that numbers have separators."""
    pairs = [(group, f"{n:04d}") for group, size in (("a", 6000), ("b", 3000), ("c", 1500)) for n in range(size)]
    return pd.DataFrame(pairs, columns=COLUMNS)


# Each kind


@given(memberships)
def test_sizes_are_told_from_the_largest_down_and_add_up(pairs):
    "The first number of each group is its members, the second those in no other; the rest are summed."
    table = group_sizes(framed(pairs))

    told = describe(table, top=2)

    if table.empty:
        assert told == "No groups."
        return
    largest = table.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    found = re.findall(r"([abcd]) with ([\d,]+) \(([\d,]+)", told)
    wanted = largest[["customer_group_uid", "n_members", "n_exclusive"]].head(2)
    assert [(uid, int(n), int(alone)) for uid, n, alone in found] == list(wanted.itertuples(index=False, name=None))
    assert numbers(told)[:2] == [len(table), len(pairs)]
    if len(table) > 2:
        rest = largest["n_members"].iloc[2:].sum()
        assert f"The other {len(table) - 2} hold {rest} (" in told


def test_empty_groups_are_counted():
    "Groups without a member are told by their number."
    table = group_sizes(sample_snapshot()).assign(n_members=[250, 0, 0], n_exclusive=0)

    assert describe(table).endswith("Without a member: 2.")


@pytest.mark.parametrize("measure", ["count", "jaccard", "share", "overlap_coefficient"])
@given(memberships)
def test_a_matrix_is_told_by_its_largest_values(measure, pairs):
    "The pairs of the largest values come first; an unordered pair once where the measure has no direction."
    matrix = overlap_matrix(framed(pairs), measure=measure)
    scale = 1 if measure == "count" else 100

    told = describe(matrix, top=3)

    if len(matrix) < 2:
        assert told == ("No two groups to compare." if len(matrix) else "No groups.")
        return
    found = re.findall(r"([abcd]) (?:and|in) ([abcd]) ([\d.]+)", told)
    for a, b, value in found:
        assert float(value) == pytest.approx(scale * matrix.loc[a, b], abs=0.11)
    ordered = [(a, b) for a in matrix.index for b in matrix.columns if a < b or (a != b and measure == "share")]
    best = sorted((scale * matrix.loc[pair] for pair in ordered), reverse=True)[:3]
    assert [float(value) for _, _, value in found] == pytest.approx(best, abs=0.11)
    n_zero = sum(matrix.loc[pair] == 0 for pair in ordered)
    assert told.endswith(f"Of 0: {n_zero} {'value' if n_zero == 1 else 'values'}.")


@pytest.mark.parametrize("measure", ["lift", "phi", "pmi"])
def test_association_is_told_with_what_is_unknown(measure):
    "Lift, phi and pmi are told with a universe; without one, and where pmi has no bound, values are counted."
    known = describe(overlap_matrix(sample_snapshot(), measure=measure, universe=1_000))
    unknown = describe(overlap_matrix(sample_snapshot(), measure=measure))

    value = overlap_matrix(sample_snapshot(), measure=measure, universe=1_000).loc["all", "vip"]
    assert f"all and vip {value:.2f}" in known
    assert ("without bound: 2 values" in known) == (measure == "pmi")
    assert "Unknown or without bound: 3 values." in unknown and "The largest" not in unknown


def test_a_matrix_says_its_own_measure():
    "Nobody need tell what overlap_matrix measured; of a matrix from elsewhere it must be told."
    counts = overlap_matrix(sample_snapshot())
    bare = pd.DataFrame(counts.to_numpy(), counts.index, counts.columns)

    assert "by customers in both. The largest values: all and vip 2;" in describe(counts)
    assert describe(bare, measure="count") == describe(counts)
    with pytest.raises(InputError, match="measure="):
        describe(bare)
    with pytest.raises(InputError, match="'overlap' is not one of count, jaccard"):
        describe(bare, measure="overlap")


@pytest.mark.parametrize("mode", ["exclusive", "inclusive"])
@given(memberships)
def test_combinations_are_told_in_the_mode_of_the_table(mode, pairs):
    "The largest combinations with their customers; those left are summed only where each customer counts once."
    table = intersections(framed(pairs), mode=mode)

    told = describe(table, top=2)

    if table.empty:
        assert told == "No customers in groups."
        return
    n_all = len({customer for _, customer in pairs})
    assert numbers(told)[:2] == [n_all, len(table)]
    found = re.findall(r"((?:[abcd] & )*[abcd]) (\d+) \(([\d.]+)%\)", told)
    assert [(tuple(groups.split(" & ")), int(n)) for groups, n, _ in found] == [
        (row.groups, row.n) for row in table.head(2).itertuples()
    ]
    assert [float(share) for _, _, share in found] == pytest.approx(100 * table["share"].head(2), abs=0.1)
    assert ("exactly these groups" in told) == (mode == "exclusive")
    left = table["n"].iloc[2:]
    if len(left):
        said = re.search(r"(\d+) combinations? more(?: with (\d+) customers?)?", told)
        assert int(said[1]) == len(left)
        assert said[2] == (str(left.sum()) if mode == "exclusive" else None)


def test_what_was_cut_from_the_combinations_is_told():
    "The (other) row is no combination; its customers are told apart."
    told = describe(intersections(sample_snapshot(), top=1))

    assert told.startswith("251 customers, 1 combination;")
    assert told.endswith("In none of these combinations, cut from the table: 3.")


@given(memberships, memberships)
def test_changes_are_told_from_the_most_changed_down_and_add_up(before, after):
    "Joined and left of each group are those of the table; the other groups are summed."
    table = group_changes(framed(before), framed(after))

    told = describe(table, top=1)

    moved = table[table["n_joined"] + table["n_left"] > 0]
    if moved.empty:
        assert told.startswith("No groups" if table.empty else "No change in")
        return
    assert numbers(told)[:4] == [len(moved), len(table), moved["n_joined"].sum(), moved["n_left"].sum()]
    uid, note, joined, left = re.search(r"left: ([abcd])( \(\w+\))? \+(\d+) −(\d+)", told).groups()
    row = table.set_index("customer_group_uid").loc[uid]
    assert (int(joined), int(left)) == (row["n_joined"], row["n_left"])
    assert row["n_joined"] + row["n_left"] == (moved["n_joined"] + moved["n_left"]).max()
    assert note == {"new": " (new)", "deleted": " (deleted)"}.get(row["status"])
    if len(moved) > 1:
        others = moved[moved["customer_group_uid"] != uid]
        assert told.endswith(f"{len(others)} more: +{others['n_joined'].sum()} −{others['n_left'].sum()}.")


def test_history_is_told_from_the_first_to_the_last_size():
    "Each group with its first and last size and growth; new and deleted groups say so."

    def at(moment, **sizes):
        pairs = [(group, str(n)) for group, size in sizes.items() for n in range(size)]
        return snapshot_from_frames(pd.DataFrame(pairs, columns=COLUMNS), tenant_uid="t", taken_at=moment)

    table = size_history([at("2026-11-03", a=100, b=9), at("2026-11-10", a=110, c=30), at("2026-11-17", a=112, c=20)])

    assert describe(table) == (
        "3 groups at 3 moments, 3 November 2026 to 17 November 2026. The largest: a from 100 to 112 (+12%); "
        "c from 30 to 20 (new); b from 9 to its deletion. Deleted meanwhile: 1. "
        "Not consistent: 7 of 7 readings."
    )


@given(memberships, memberships)
def test_flow_counts_each_customer_once(before, after):
    "Everybody, those who stayed, and the largest move are the numbers of the table."
    table = group_flow(framed(before), framed(after))

    told = describe(table, top=1)

    if table.empty:
        assert told == "Nobody was or is in these groups."
        return
    stayed = table[table["from_group"] == table["to_group"]]["n"].sum()
    assert numbers(told)[:2] == [len({c for _, c in before | after}), stayed]
    moves = table[table["from_group"] != table["to_group"]]
    if len(moves):
        assert int(re.search(r"The largest moves: \S+ to \S+ (\d+)", told)[1]) == moves["n"].max()
    if len(moves) > 1:
        assert f"{moves['n'].sum() - moves['n'].max()} customer" in told.split("more of")[1]


def test_a_profile_is_told_by_its_strongest_effects():
    "Shares and index are those of the row with the largest effect; of a number the means are told."
    table = group_profile(sample_snapshot(), "all", min_count=0, attributes=["country_code", "credit_limit"])

    told = describe(table, top=20)

    for row in table.itertuples():
        if row.value == "(number)":
            assert f"credit_limit mean {row.mean_in:,.0f} against {row.mean_ref:,.3g}" in told
            continue
        found = re.search(rf"{row.attribute}: {re.escape(row.value)} ([\d.]+)% and ([\d.]+)%", told)
        assert [float(share) for share in found.groups()] == pytest.approx(
            [100 * row.share_in, 100 * row.share_ref], abs=0.11
        )
    strongest = table["effect_size"].abs().idxmax()
    assert f": {table['attribute'][strongest]}" in told.split("others")[1].split("%")[0]


def test_a_missing_number_is_no_mean():
    "Those who have no credit limit are told by their share; what all customers are sets nobody apart."
    customers = pd.DataFrame({"customer_uid": list("1234"), "credit_limit": pd.array([5, None, 7, 9], dtype="Int64")})
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": list("aabb"), "customer_uid": list("1234")}),
        customers=customers,
        tenant_uid="t",
        taken_at="2026-11-23",
    )

    told = describe(
        group_profile(snapshot, "a", min_count=0, attributes=["credit_limit", "credit_balance", "origin"])
    )

    assert "credit_limit: (missing) 50% and 0%" in told and "credit_limit mean 5 against 8" in told
    assert "credit_balance" not in told and "origin" not in told and "nan" not in told


def test_reach_is_told_by_group_and_channel():
    "The numbers are those of the table, and so is who is left out."
    table = reachability(sample_snapshot(), consent=CONSENT, min_count=0)

    told = describe(table, top=1)

    assert "All members, 250 members: email 120 (48%), mobile 100 (40%), (any) 140 (56%)." in told
    assert told.endswith("2 groups more, smaller ones.")


@given(memberships)
def test_steps_are_told_with_what_each_adds(pairs):
    "Each step with the customers it adds; the further ones are summed."
    customers = pd.DataFrame(
        {"customer_uid": [str(n) for n in range(31)], "has_email": [n % 3 > 0 for n in range(31)]}
    )
    consents = pd.DataFrame({"customer_uid": customers["customer_uid"], "consent_uid": "mail", "status": True})
    snapshot = snapshot_from_frames(framed(pairs), None, customers, consents, tenant_uid="t", taken_at="2026-11-23")
    table = incremental_reach(snapshot)

    told = describe(table, top=1)

    if table.empty:
        assert told == "Nobody can be reached."
        return
    assert numbers(told)[:2] == [len(table), len({c for _, c in pairs if int(c) % 3})]
    assert f": {table['name'][0]} adds {table['n_new'][0]} (" in told
    if len(table) > 1:
        verb = "adds" if len(table) == 2 else "add"
        assert told.endswith(f"{len(table) - 1} more {verb} {table['n_new'].iloc[1:].sum()}.")


def test_campaigns_are_told_from_the_largest_discount_down():
    "For whom each may matter, and the best of the others that its members have."
    told = describe(campaign_reach(sample_snapshot(), CAMPAIGNS), top=3)

    assert told == (
        "3 campaigns. For whom each may matter, at most, the largest discount first: VIP (20%) for 2 of 2; "
        "Staff (10%) for 1 of 1; All members (5%) for 248 of 250, best other VIP."
    )


def test_a_comparison_is_told_like_a_profile():
    "compare_groups has the columns of group_profile."
    table = compare_groups(sample_snapshot(), "all", "staff", min_count=0, attributes=["has_email"])

    assert describe(table).startswith("1 value of 1 attribute. The strongest effects")


def test_a_snapshot_is_told_by_its_sizes():
    "Of a Snapshot the sizes of its groups are told."
    assert describe(sample_snapshot()) == describe(group_sizes(sample_snapshot()))


# What is not told


def test_what_is_suppressed_is_counted_and_never_told():
    "No number and no value of a suppressed row is in the sentences, only how many rows there are."
    snapshot = sample_snapshot()
    profile = group_profile(snapshot, "vip", attributes=["country_code", "has_email"])
    reach = reachability(snapshot, ["vip"], consent=CONSENT)

    assert profile["suppressed"].all()
    assert describe(profile) == (
        "No value that tells the two apart. Suppressed, since they tell of too few customers: 2."
    )
    assert describe(reach).endswith(
        "VIP, 2 members: email suppressed, mobile suppressed, (any) suppressed. "
        "In 3 of 3 rows something is suppressed."
    )


def test_one_suppressed_value_does_not_hide_the_others():
    "What is known of an attribute is told beside the number of values that are not."
    customers = pd.DataFrame(
        {
            "customer_uid": [f"{n:03d}" for n in range(300)],
            "country_code": [("NO", "SE", "DK", "FI")[min(n % 50, 3) if n < 290 else 3] for n in range(300)],
        }
    )
    customers.loc[0, "country_code"] = "GL"
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "a", "customer_uid": customers["customer_uid"][:150]}),
        None,
        customers,
        tenant_uid="t",
        taken_at="2026-11-23",
    )
    table = group_profile(snapshot, "a", attributes=["country_code"])
    n_hidden = int(table["suppressed"].sum())

    told = describe(table, top=10)

    assert 0 < n_hidden < len(table)
    assert told.endswith(f"Suppressed, since they tell of too few customers: {n_hidden}.")
    for row in table.itertuples():
        assert (f"country_code: {row.value} " in told) == (not row.suppressed)


# All of them


@pytest.mark.parametrize("kind", [kind for kind in tables() if kind != "intersections"])
def test_names_are_whole_and_in_one_line(kind):
    "A long name in any script is told whole, where a chart would shorten it; a profile names no group."
    given = sample_snapshot("2026-11-03")
    names = given.groups.assign(name=[LONG.replace(" for ", "\n for\t"), "Staff", "VIP"])

    def renamed(moment):
        return snapshot_from_frames(
            given.memberships, names, given.customers, given.consents, tenant_uid="t-1", taken_at=moment
        )

    told = describe(tables(renamed("2026-11-03"), renamed("2026-11-10"))[kind])

    assert "\n" not in told and "□" not in told and "…" not in told
    assert (LONG in told) == (kind != "group_profile")


def test_groups_of_one_name_carry_their_uids():
    "Twins can be told apart, and a group without a name has its uid."
    table = group_sizes(sample_snapshot()).assign(name=["VIP", "", "VIP"])

    assert "VIP (all) with 250 (248 in no other group); VIP (vip) with 2 (0); (staff) with 1 (1)" in describe(table)


@pytest.mark.parametrize(
    ("kind", "told"),
    {
        "group_sizes": "No groups.",
        "overlap_matrix": "No groups.",
        "intersections": "No customers in groups.",
        "group_changes": "No groups.",
        "size_history": "No readings.",
        "group_flow": "Nobody was or is in these groups.",
        "group_profile": "No values.",
        "reachability": "No groups.",
        "incremental_reach": "Nobody can be reached.",
        "campaign_reach": "No campaign that runs.",
    }.items(),
)
def test_an_empty_table_says_so(kind, told):
    "A table without rows is one sentence, and no error."
    table = tables()[kind]

    assert describe(table.iloc[:0, :0] if kind == "overlap_matrix" else table.iloc[:0]) == told


@pytest.mark.parametrize("kind", tables())
def test_a_table_is_left_alone_and_its_order_of_columns_does_not_matter(kind):
    "What is described is not changed, and reversed columns read the same."
    table = tables()[kind]
    before = table.copy(deep=True)

    told = describe(table)

    pd.testing.assert_frame_equal(before, table)
    if kind != "overlap_matrix":
        assert describe(table[table.columns[::-1]]) == told


def test_top_says_how_many_are_told_one_by_one():
    "With top=1 one group is told and the others together; numbers have thousands separators."
    assert describe(group_sizes(large()), top=1) == (
        "3 groups with 10,500 memberships. The largest: a with 6,000 (3,000 in no other group). "
        "The other 2 hold 4,500 (42.8%)."
    )


@pytest.mark.parametrize("top", [0, -1, 2.0, True, None, "5"])
def test_a_top_that_tells_nothing_is_refused(top):
    "A whole number from 1 is asked for."
    with pytest.raises(InputError, match="integer of at least 1"):
        describe(sample_snapshot(), top=top)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": [1]}),
        pd.DataFrame([[1]], index=[3], columns=[3]),
        sample_snapshot().memberships,
        overlap_pairs(sample_snapshot()),
    ],
)
def test_another_table_is_refused_with_those_there_are(table):
    "The tables that can be described are named, and the columns that came."
    with pytest.raises(InputError, match=r"knows the tables of group_sizes, .* and overlap_matrix; this one has"):
        describe(table)


@pytest.mark.parametrize("thing", [None, 3, "group_sizes", [1, 2], {"a": 1}])
def test_what_is_no_table_is_refused(thing):
    "Only a Snapshot or a table can be described."
    with pytest.raises(InputError, match=f"not a {type(thing).__name__}"):
        describe(thing)


def test_every_chart_has_a_twin_in_words():
    "Each chart draws a table whose kind describe knows, and the chart and the words agree in a number."
    charts = {
        "group_sizes": plot.sizes,
        "overlap_matrix": plot.overlap_heatmap,
        "intersections": plot.upset,
        "group_changes": plot.changes,
        "size_history": plot.history,
        "group_flow": plot.flow,
        "group_profile": plot.profile,
        "reachability": plot.reach,
        "incremental_reach": plot.incremental_reach,
        "campaign_reach": plot.campaign_reach,
    }
    assert sorted(draw.__name__ for draw in charts.values()) == sorted(plot.__all__)

    for kind, table in tables().items():
        drawn = charts[kind](table)
        axes = drawn.values() if isinstance(drawn, dict) else [drawn]
        shown = {number for ax in axes for text in ax.texts for number in numbers(text.get_text())}
        told = set(numbers(describe(table)))
        assert told & shown, kind
        assert np.isfinite([*told]).all()
