"""Tests for describe, which compare the numbers and names in the text with the described table."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups import plot
from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.changes import group_changes
from frgroups.analysis.customer_split import split_customers
from frgroups.analysis.describe import describe
from frgroups.analysis.flow import group_flow
from frgroups.analysis.intersections import intersections
from frgroups.analysis.lift import measure_lift
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.analysis.profile import compare_groups, group_profile
from frgroups.analysis.reach import incremental_reach, reachability
from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.split_balance import split_balance
from frgroups.analysis.waterfall import waterfall, waterfall_summary
from frgroups.errors import InputError
from frgroups.history.size_history import size_history
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

COLUMNS = ["customer_group_uid", "customer_uid"]
CONSENT = {"mobile": "newsletter"}
CAMPAIGNS = pd.DataFrame({"customer_group_uid": ["all", "vip", "staff"], "discount_percent": [5, 20, 10]})
GROUPS = ["alpha", "beta", "delta", "gamma"]
ANY_GROUP = f"(?:{'|'.join(GROUPS)})"
LONG_NAME = "Medlemmer av kundeklubben for ansatte og familie i Tromsø og omegn, 東京 og Αθήνα"

memberships = st.sets(st.tuples(st.sampled_from(GROUPS), st.integers(0, 30).map(str)), max_size=60)


def create_table(pairs):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(sorted(pairs), columns=COLUMNS, dtype="str")


def numbers(text):
    """Return all integers in a string, in order. A decimal number counts as two integers."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


def segments(text, names=GROUPS):
    """Return pairs of a name in a string and the text between this name and the next name."""
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    _, *parts = re.split(f"({pattern})", text)
    return list(zip(parts[::2], parts[1::2], strict=True))


# The functions whose tables describe supports. Each is called with two snapshots and the uid of a group.
CREATORS = {
    "group_sizes": lambda early, late, uid: group_sizes(early),
    "overlap_matrix": lambda early, late, uid: overlap_matrix(early, measure="jaccard", labels="name"),
    "intersections": lambda early, late, uid: intersections(early),
    "group_changes": lambda early, late, uid: group_changes(early.memberships[1:], late),
    "size_history": lambda early, late, uid: size_history([early, late]),
    "group_flow": lambda early, late, uid: group_flow(early.memberships[1:], late, priority=[uid]),
    "group_profile": lambda early, late, uid: group_profile(early, uid, min_count=0),
    "reachability": lambda early, late, uid: reachability(early, consent=CONSENT, min_count=0),
    "incremental_reach": lambda early, late, uid: incremental_reach(early),
    "campaign_reach": lambda early, late, uid: campaign_reach(early, CAMPAIGNS.assign(customer_group_uid=uid)),
    "waterfall_summary": lambda early, late, uid: waterfall_summary(
        early, {early.groups["name"].iloc[0]: early[uid]}
    ),
}


def create_result(kind, early=None, late=None):
    """Return the result of one of the functions in CREATORS."""
    early = early or sample_snapshot("2026-11-03")
    late = late or sample_snapshot("2026-11-10")
    return CREATORS[kind](early, late, early.groups["customer_group_uid"].iloc[0])


# Types of tables


@given(memberships)
def test_group_sizes(pairs):
    "The description of group sizes contains the largest groups and the sum of all other groups."
    table = group_sizes(create_table(pairs))

    text = describe(table, top=2)

    if table.empty:
        assert numbers(text) == []
        return
    by_size = table.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    described = [(uid, *numbers(part)[:2]) for uid, part in segments(text)]
    expected = by_size[["customer_group_uid", "n_members", "n_exclusive"]].head(2)
    assert described == list(expected.itertuples(index=False, name=None))
    assert sorted(numbers(text)[:2]) == sorted([len(table), len(pairs)])
    if len(table) > 2:
        rest = by_size["n_members"].iloc[2:].sum()
        last_part = segments(text)[-1][1]
        assert {len(table) - 2, rest} <= set(numbers(last_part)[2:])


def test_empty_groups():
    "The description of group sizes contains the number of groups without members."
    table = group_sizes(sample_snapshot()).assign(n_members=[250, 0, 0], n_exclusive=0)

    assert numbers(describe(table))[-1] == 2


@pytest.mark.parametrize("measure", ["count", "jaccard", "share", "overlap_coefficient"])
@given(memberships)
def test_overlap_matrix(measure, pairs):
    "The pairs of groups with the largest values are described. For symmetric measures, each pair occurs once."
    matrix = overlap_matrix(create_table(pairs), measure=measure)
    scale = 1 if measure == "count" else 100

    text = describe(matrix, top=3)

    if len(matrix) < 2:
        assert segments(text) == []
        return
    described = re.findall(rf"({ANY_GROUP}) \w+ ({ANY_GROUP}) ([\d.]+)", text)
    for a, b, value in described:
        assert float(value) == pytest.approx(scale * matrix.loc[a, b], abs=0.11)
    ordered = [(a, b) for a in matrix.index for b in matrix.columns if a < b or (a != b and measure == "share")]
    largest = sorted((scale * matrix.loc[pair] for pair in ordered), reverse=True)[:3]
    assert [float(value) for _, _, value in described] == pytest.approx(largest, abs=0.11)
    n_zero = sum(matrix.loc[pair] == 0 for pair in ordered)
    if n_zero:
        last_part = text.split(";")[-1]
        assert n_zero in numbers(last_part)


@pytest.mark.parametrize("measure", ["lift", "phi", "pmi"])
def test_undefined_association(measure):
    "Association measures are described only if a universe is given, and undefined or infinite values are counted."
    matrix = overlap_matrix(sample_snapshot(), measure=measure, universe=1_000)

    with_universe = describe(matrix)
    without_universe = describe(overlap_matrix(sample_snapshot(), measure=measure))

    assert f"all and vip {matrix.loc['all', 'vip']:.2f}" in with_universe
    # Only the pmi of disjoint groups is infinite.
    pairs = re.findall(r"(?:all|staff) and (?:staff|vip)", with_universe)
    assert len(pairs) == (1 if measure == "pmi" else 3)
    assert numbers(without_universe)[-1] == 3 and "vip" not in without_universe


def test_measure_of_matrix():
    "The measure is read from a result of overlap_matrix. For other matrices, the argument `measure` is required."
    counts = overlap_matrix(sample_snapshot())
    without_attrs = pd.DataFrame(counts.to_numpy(), counts.index, counts.columns)

    assert "all and vip 2" in describe(counts)
    assert describe(without_attrs, measure="count") == describe(counts)
    with pytest.raises(InputError, match="measure"):
        describe(without_attrs)
    with pytest.raises(InputError, match="measure") as caught:
        describe(without_attrs, measure="overlap")
    assert "'overlap'" in str(caught.value) and "jaccard" in str(caught.value)


@pytest.mark.parametrize("mode", ["exclusive", "inclusive"])
@given(memberships)
def test_intersections(mode, pairs):
    "The largest combinations are described by count and share. Other counts are summed only in exclusive mode."
    table = intersections(create_table(pairs), mode=mode)

    text = describe(table, top=2)

    if table.empty:
        assert numbers(text) == []
        return
    n_customers = len({customer for _, customer in pairs})
    assert sorted(numbers(text)[:2]) == sorted([n_customers, len(table)])
    described = re.findall(rf"((?:{ANY_GROUP} & )*{ANY_GROUP}) (\d+) \(([\d.]+)%\)", text)
    assert [(tuple(groups.split(" & ")), int(n)) for groups, n, _ in described] == [
        (row.groups, row.n) for row in table.head(2).itertuples()
    ]
    assert [float(share) for _, _, share in described] == pytest.approx(100 * table["share"].head(2), abs=0.1)
    other_mode = {"exclusive": "inclusive", "inclusive": "exclusive"}[mode]
    assert describe(table.assign(mode=other_mode), top=2) != text
    others = table["n"].iloc[2:]
    if len(others):
        rest = text[text.rindex("%)") :]
        expected = [len(others), others.sum()] if mode == "exclusive" else [len(others)]
        assert sorted(numbers(rest)) == sorted(expected)


def test_omitted_combinations():
    "The description counts customers separately if they are only in combinations that the table omits."
    text = describe(intersections(sample_snapshot(), top=1))

    assert sorted(numbers(text)[:2]) == [1, 251]
    assert 3 in numbers(text[text.rindex("%)") :])


@given(memberships, memberships)
def test_group_changes(before, after):
    "The description contains the changes of the most changed group and the sum of all other changes."
    table = group_changes(create_table(before), create_table(after))

    text = describe(table, top=1)

    changed = table[table["n_joined"] + table["n_left"] > 0]
    if changed.empty:
        assert segments(text) == []
        return
    totals = [len(changed), len(table), changed["n_joined"].sum(), changed["n_left"].sum()]
    assert sorted(numbers(text)[:4]) == sorted(totals)
    [(uid, part)] = segments(text)
    row = table.set_index("customer_group_uid").loc[uid]
    assert numbers(part)[:2] == [row["n_joined"], row["n_left"]]
    assert row["n_joined"] + row["n_left"] == (changed["n_joined"] + changed["n_left"]).max()
    assert re.findall(r"\b(new|deleted)\b", part) == ([row["status"]] if row["status"] != "kept" else [])
    if len(changed) > 1:
        others = changed[changed["customer_group_uid"] != uid]
        assert numbers(part)[2:] == [len(others), others["n_joined"].sum(), others["n_left"].sum()]


def test_suppressed_changes():
    "Groups with suppressed counts are counted, but their changes are not part of the sums."
    old, new = create_table([("a", "1"), ("b", "1")]), create_table([("a", "2"), ("b", "2")])
    table = group_changes(old, new).astype({"n_joined": "Int64", "n_left": "Int64"})
    table.loc[0, ["n_joined", "n_left"]] = pd.NA

    assert numbers(describe(table))[:5] == [2, 2, 1, 1, 1]
    assert numbers(describe(table[:1])) == [1, 1]


def test_size_history():
    "The description of a size history contains the first and last size of each group and marks deleted groups."

    def create_snapshot(taken_at, **sizes):
        pairs = [(group, str(n)) for group, size in sizes.items() for n in range(size)]
        return snapshot_from_frames(pd.DataFrame(pairs, columns=COLUMNS), tenant_uid="t", taken_at=taken_at)

    table = size_history(
        [
            create_snapshot("2026-11-03", alpha=100, beta=9),
            create_snapshot("2026-11-10", alpha=110, gamma=30),
            create_snapshot("2026-11-17", alpha=112, gamma=20),
        ]
    )

    text = describe(table)

    assert "3 November 2026" in text and "17 November 2026" in text
    (first, alpha), (second, gamma), (third, beta) = segments(text)
    assert (first, second, third) == ("alpha", "gamma", "beta")
    assert numbers(alpha) == [100, 112, 12]
    assert numbers(gamma) == [30, 20] and "new" in gamma
    assert numbers(beta)[0] == 9 and "delet" in beta
    assert numbers(beta)[-2:] == [7, 7]


@given(memberships, memberships)
def test_group_flow(before, after):
    "The description of a flow contains the number of customers, the number who stayed, and the largest move."
    table = group_flow(create_table(before), create_table(after))

    text = describe(table, top=1)

    if table.empty:
        assert numbers(text) == []
        return
    n_customers = len({customer for _, customer in before | after})
    sets = [{c: frozenset(g for g, uid in pairs if uid == c) for _, c in before | after} for pairs in (before, after)]
    n_stayed = sum(sets[0][customer] == sets[1][customer] for customer in sets[0])
    assert {n_customers, n_stayed} <= set(numbers(text)[:2])
    moves = table.assign(n=table["n"] - table["n_stayed"])
    moves = moves[moves["n"] > 0]
    if len(moves):
        largest = moves.sort_values("n").iloc[-1]["n"]
        tops = moves[moves["n"] == largest]
        others = "other groups in "
        assert any(
            f"{row.from_name} to {others * (row.from_group == row.to_group)}{row.to_name} {row.n}" in text
            for row in tops.itertuples()
        )
    if len(moves) > 1:
        assert {len(moves) - 1, moves["n"].sum() - largest} <= set(numbers(text))


def test_group_profile():
    "The description of a profile starts with the strongest effect and contains shares and means."
    table = group_profile(sample_snapshot(), "all", min_count=0, attributes=["country_code", "credit_limit"])

    text = describe(table, top=20)

    for row in table.itertuples():
        if row.value == "(number)":
            assert f"{row.mean_in:,.0f}" in text and f"{row.mean_ref:,.3g}" in text
            continue
        described = re.search(rf"{row.attribute}: {re.escape(row.value)} ([\d.]+)%\D+([\d.]+)%", text)
        assert [float(share) for share in described.groups()] == pytest.approx(
            [100 * row.share_in, 100 * row.share_ref], abs=0.11
        )
    strongest = table.loc[table["effect_size"].abs().idxmax()]
    first, _ = segments(text, ["country_code", "credit_limit"])[0]
    assert first == strongest["attribute"]


def test_missing_numbers():
    "The description of a profile contains the share of missing numbers and omits attributes without a difference."
    customers = pd.DataFrame({"customer_uid": list("1234"), "credit_limit": pd.array([5, None, 7, 9], dtype="Int64")})
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": list("aabb"), "customer_uid": list("1234")}),
        customers=customers,
        tenant_uid="t",
        taken_at="2026-11-23",
    )

    text = describe(
        group_profile(snapshot, "a", min_count=0, attributes=["credit_limit", "credit_balance", "origin"])
    )

    parts = [part for _, part in segments(text, ["credit_limit"])]
    assert any("50%" in part and "0%" in part for part in parts)
    assert any({5, 8} <= set(numbers(part)) for part in parts)
    assert "credit_balance" not in text and "origin" not in text and "nan" not in text


def test_reachability():
    "The description of reachability contains each channel of the largest group and the number of other groups."
    table = reachability(sample_snapshot(), consent=CONSENT, min_count=0)

    text = describe(table, top=1)

    [(_, part)] = segments(text, ["All members", "VIP", "Staff"])
    assert numbers(part)[:7] == [250, 120, 48, 100, 40, 140, 56]
    assert numbers(part)[7:] == [2]


@given(memberships)
def test_incremental_reach(pairs):
    "The description of incremental reach contains the first step and the sum of all other steps."
    customers = pd.DataFrame(
        {"customer_uid": [str(n) for n in range(31)], "has_email": [n % 3 > 0 for n in range(31)]}
    )
    consents = pd.DataFrame({"customer_uid": customers["customer_uid"], "consent_uid": "mail", "status": True})
    snapshot = snapshot_from_frames(
        create_table(pairs), None, customers, consents, tenant_uid="t", taken_at="2026-11-23"
    )
    table = incremental_reach(snapshot)

    text = describe(table, top=1)

    if table.empty:
        assert numbers(text) == []
        return
    n_reachable = len({c for _, c in pairs if int(c) % 3})
    assert sorted(numbers(text)[:2]) == sorted([len(table), n_reachable])
    [(name, part)] = segments(text)
    assert (name, numbers(part)[0]) == (table["name"][0], table["n_new"][0])
    if len(table) > 1:
        assert numbers(part)[-2:] == [len(table) - 1, table["n_new"].iloc[1:].sum()]


def test_campaign_reach():
    "The description of a campaign contains its discount, its effective members, and the campaign that shadows it."
    text = describe(campaign_reach(sample_snapshot(), CAMPAIGNS), top=3)

    (first, vip), (second, staff), (third, all_members), (shadowed_by, _) = segments(
        text, ["All members", "VIP", "Staff"]
    )
    assert (first, second, third, shadowed_by) == ("VIP", "Staff", "All members", "VIP")
    assert [numbers(part) for part in (vip, staff, all_members)] == [[20, 2, 2], [10, 1, 1], [5, 248, 250]]


def test_waterfall():
    "The description of a waterfall contains the losses of each audience, and the sum of all other audiences."
    audiences = {"VIP": "vip", "all": "all", "A": ["c-251"], "B": ["c-251"]}
    customers = waterfall(sample_snapshot(), audiences, caps={"all": 100}, exclude=["c-2"])
    summary = waterfall_summary(customers)

    text = describe(summary, top=2)

    assert describe(customers, top=2) == text
    assert numbers(text) == [102, 4, 1, 2, 1, 100, 250, 1, 1, 148, 2, 1]
    assert describe(summary[:0]) == "No audiences."


def test_compare_groups():
    "The result of compare_groups is described like the result of group_profile."
    table = compare_groups(sample_snapshot(), "all", "staff", min_count=0, attributes=["has_email"])

    assert numbers(describe(table))[:2] == [1, 1] and "has_email" in describe(table)


def test_snapshot():
    "The description of a Snapshot is the description of its group sizes."
    assert describe(sample_snapshot()) == describe(group_sizes(sample_snapshot()))


# Suppressed rows


def test_suppressed_rows():
    "The description contains the number of suppressed rows but none of their values."
    snapshot = sample_snapshot()
    profile = group_profile(snapshot, "vip", attributes=["country_code", "has_email"])
    reach = reachability(snapshot, ["vip"], consent=CONSENT)

    assert profile["suppressed"].all()
    assert numbers(describe(profile)) == [2] and "suppressed" in describe(profile).lower()
    [(_, part)] = segments(describe(reach), ["VIP"])
    assert numbers(part) == [2, 3, 3] and part.count("suppressed") >= 3


def test_partly_suppressed_attribute():
    "If some values of an attribute are suppressed, the other values are still described."
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
    n_suppressed = int(table["suppressed"].sum())

    text = describe(table, top=10)

    assert 0 < n_suppressed < len(table)
    assert numbers(text)[-1] == n_suppressed
    for row in table.itertuples():
        assert (f"country_code: {row.value} " in text) == (not row.suppressed)


# All kinds of tables


@pytest.mark.parametrize("kind", [kind for kind in CREATORS if kind != "intersections"])
def test_long_names(kind):
    "Long group names are not truncated, and line breaks and tabs in names are removed."
    snapshot = sample_snapshot("2026-11-03")
    groups = snapshot.groups.assign(name=[LONG_NAME.replace(" for ", "\n for\t"), "Staff", "VIP"])

    def rename_groups(taken_at):
        return snapshot_from_frames(
            snapshot.memberships, groups, snapshot.customers, snapshot.consents, tenant_uid="t-1", taken_at=taken_at
        )

    text = describe(create_result(kind, rename_groups("2026-11-03"), rename_groups("2026-11-10")))

    assert "\n" not in text and "□" not in text and "…" not in text
    assert (LONG_NAME in text) == (kind != "group_profile")


def test_repeated_names():
    "Groups with the same name are distinguished by their uids, and a group without a name is described by its uid."
    table = group_sizes(sample_snapshot()).assign(name=["VIP", "", "VIP"])

    described = segments(describe(table), ["VIP (all)", "VIP (vip)", "(staff)"])

    assert [name for name, _ in described] == ["VIP (all)", "VIP (vip)", "(staff)"]
    assert [numbers(part)[:2] for _, part in described] == [[250, 248], [2, 0], [1, 1]]


@pytest.mark.parametrize("kind", CREATORS)
def test_empty_table(kind):
    "The description of an empty table is one sentence without numbers."
    table = create_result(kind)

    text = describe(table.iloc[:0, :0] if kind == "overlap_matrix" else table.iloc[:0])

    assert text.endswith(".") and text.count(".") == 1 and numbers(text) == []


@pytest.mark.parametrize("kind", CREATORS)
def test_table_is_not_modified(kind):
    "The described table is not modified, and its column order does not change the description."
    table = create_result(kind)
    before = table.copy(deep=True)

    text = describe(table)

    pd.testing.assert_frame_equal(before, table)
    if kind != "overlap_matrix":
        assert describe(table[table.columns[::-1]]) == text


def test_top():
    "The argument `top` limits the number of described groups, and large numbers have thousands separators."
    sizes = (("alpha", 6000), ("beta", 3000), ("gamma", 1500))
    pairs = [(group, f"{n:04d}") for group, size in sizes for n in range(size)]

    text = describe(group_sizes(pd.DataFrame(pairs, columns=COLUMNS)), top=1)

    [(name, part)] = segments(text)
    assert "10,500" in text and (name, numbers(part)[:4]) == ("alpha", [6000, 3000, 2, 4500])


@pytest.mark.parametrize("top", [0, -1, 2.0, True, None, "5"])
def test_invalid_top(top):
    "If `top` is not an integer of at least 1, describe raises an error."
    with pytest.raises(InputError, match="`top`"):
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
def test_unknown_table(table):
    "The error for an unknown table lists the supported functions and the columns."
    with pytest.raises(InputError) as caught:
        describe(table)

    assert all(kind in str(caught.value) for kind in CREATORS)
    assert all(repr(column) in str(caught.value) for column in table.columns[:8])


@pytest.mark.parametrize("value", [None, 3, "group_sizes", [1, 2], {"a": 1}])
def test_invalid_type(value):
    "If the argument of describe is neither a Snapshot nor a table, the error contains its type."
    with pytest.raises(InputError, match=type(value).__name__):
        describe(value)


def test_charts_and_descriptions_agree():
    "The table of each chart can be described, and the chart and the description have a number in common."
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
        "waterfall_summary": plot.waterfall,
    }
    assert sorted(draw.__name__ for draw in charts.values()) == sorted(plot.__all__)

    for kind in CREATORS:
        table = create_result(kind)
        result = charts[kind](table)
        axes = result.values() if isinstance(result, dict) else [result]
        in_chart = {number for ax in axes for text in ax.texts for number in numbers(text.get_text())}
        in_text = set(numbers(describe(table)))
        assert in_text & in_chart, kind
        assert np.isfinite([*in_text]).all()


def test_lift():
    "The description of a lift contains the rates, the difference with its interval, and the arm."
    uids = [f"c-{number}" for number in range(1000)]
    split = split_customers(uids, {"mail": 0.8, "control": 0.2}, seed="spring", exact=True)
    bought = pd.Series(np.arange(1000) % 4 == 0, index=uids)
    lift = measure_lift(split, bought)

    text = describe(lift)

    [mail] = lift.iloc[1:].to_dict("records")
    assert f"{100 * mail['difference']:.1f} pp".replace("-", "−") in text and "mail (800 customers)" in text
    assert "contains 0" in text and mail["ci_low"] < 0 < mail["ci_high"]


def test_balance():
    "The description of a balance contains the result of the sample-ratio test and the largest effect size."
    uids = [f"c-{number}" for number in range(200)]
    split = split_customers(uids, {"mail": 0.5, "control": 0.5}, seed="spring", exact=True)
    attributes = pd.DataFrame({"customer_uid": uids, "half": np.where(np.arange(200) < 100, "first", "second")})

    text = describe(split_balance(split, attributes))

    assert "match the planned shares" in text and "half" in text and "0 of 2 values" in text
