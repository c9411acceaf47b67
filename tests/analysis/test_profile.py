"""Profiles against plain Python and scipy: counts, shares, effects, p and q, and what may never be shown."""

from datetime import UTC, datetime, timedelta
from math import asin, isnan, nan, sqrt
from statistics import mean, median, stdev

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind
from scipy.stats import t as student_t

import frgroups as fg
from frgroups.analysis.attributes import customer_attributes
from frgroups.analysis.consent import latest_consents
from frgroups.analysis.effect_sizes import (
    Moments,
    p_value_of_means,
    p_value_of_shares,
    standardized_difference,
)
from frgroups.analysis.profile import compare_groups, group_profile
from frgroups.analysis.significance import benjamini_hochberg
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.schema import PERSONAL

LAW = settings(deadline=None, max_examples=30)
FEW = settings(deadline=None, max_examples=10)
TAKEN = datetime(2026, 11, 23, tzinfo=UTC)
COLUMNS = {
    **dict.fromkeys(["attribute", "value", "kind"], "str"),
    **{"n_in": "Int64", "share_in": "float64", "n_ref": "Int64", "share_ref": "float64"},
    **dict.fromkeys(["index", "difference_pp", "effect_size", "p_value", "q_value"], "float64"),
    **dict.fromkeys(["mean_in", "mean_ref", "median_in", "median_ref"], "float64"),
    "suppressed": "bool",
}
ASKED = ["country_code", "has_email", "credit_limit"]

# The groups a customer is in, a country, whether there is an e-mail, and a credit limit.
customers_of = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", "ab"]),
        st.sampled_from(["NO", "SE", "DK", "", None]),
        st.sampled_from([True, False, None]),
        st.none() | st.integers(-2, 5),
    ),
    max_size=30,
)


def snapshot_of(rows, consents=None, **columns):
    uids = [f"c{n:03d}" for n in range(len(rows))]
    memberships = [(group, uid) for uid, row in zip(uids, rows, strict=True) for group in row[0]]
    customers = pd.DataFrame(
        {
            "customer_uid": pd.Series(uids, dtype="str"),
            "country_code": pd.Series([row[1] for row in rows], dtype="str"),
            "has_email": pd.array([row[2] for row in rows], dtype="boolean"),
            "credit_limit": pd.array([row[3] for row in rows], dtype="Int64"),
            **columns,
        }
    )
    return snapshot_from_frames(
        pd.DataFrame(memberships, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["Ålesund & co", "B"]}),
        customers,
        consents,
        tenant_uid="t",
        taken_at=TAKEN,
    )


def p_by_scipy(a, size_a, b, size_b):
    table = np.array([[a, size_a - a], [b, size_b - b]])
    expected = table.sum(1)[:, None] * table.sum(0) / table.sum()
    if (expected < 5).any():
        return fisher_exact(table).pvalue
    return chi2_contingency(table, correction=False).pvalue


def p_by_welch(a, b):
    u, v = stdev(a) ** 2 / len(a), stdev(b) ** 2 / len(b)
    freedom = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1))
    return 2 * student_t.sf(abs(mean(a) - mean(b)) / sqrt(u + v), freedom)


def close(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


@LAW
@given(customers_of)
def test_counts_shares_and_effects_are_those_of_plain_python(rows):
    "Every value that somebody has is there with the counts, shares, index, Cohen's h and p of its definition."
    inside, others = [r for r in rows if "a" in r[0]], [r for r in rows if "a" not in r[0]]

    table = group_profile(snapshot_of(rows), "a", attributes=["country_code"], min_count=0, top=None)

    values = {row[1] or "(missing)" for row in rows}
    assert set(table["value"]) == values and len(table) == len(values)
    for row in table.itertuples():
        n_in = sum((r[1] or "(missing)") == row.value for r in inside)
        n_ref = sum((r[1] or "(missing)") == row.value for r in others)
        p, q = n_in / len(inside) if inside else nan, n_ref / len(others) if others else nan
        assert (row.n_in, row.n_ref, row.share_in, row.share_ref) == (n_in, n_ref, close(p), close(q))
        assert row.difference_pp == close(100 * (p - q))
        if inside and others:
            assert row.effect_size == close(2 * asin(sqrt(p)) - 2 * asin(sqrt(q)))
            assert row.p_value == close(p_by_scipy(n_in, len(inside), n_ref, len(others)))
            assert row.index == close(100 * p / q if q else nan)
        else:
            assert isnan(row.effect_size) and isnan(row.p_value) and isnan(row.index)


@LAW
@given(customers_of)
def test_numbers_are_compared_by_their_means(rows):
    "Means and medians are those of statistics, the effect the standardised difference, p that of scipy's Welch test."
    inside = [r[3] for r in rows if "a" in r[0] and r[3] is not None]
    others = [r[3] for r in rows if "a" not in r[0] and r[3] is not None]

    table = group_profile(snapshot_of(rows), "a", attributes=["credit_limit"], min_count=0)

    assert (table["value"] == "(missing)").any() == any(r[3] is None for r in rows)
    for row in table[table["value"] == "(number)"].itertuples():
        assert (row.n_in, row.n_ref) == (len(inside), len(others))
        assert (row.mean_in, row.median_in) == (
            (close(mean(inside)), median(inside)) if inside else (close(nan),) * 2
        )
        assert (row.mean_ref, row.median_ref) == (
            (close(mean(others)), median(others)) if others else (close(nan),) * 2
        )
        assert isnan(row.difference_pp)
        if min(len(inside), len(others)) > 1 and stdev(inside) + stdev(others) > 0:
            spread = sqrt((stdev(inside) ** 2 + stdev(others) ** 2) / 2)
            assert row.effect_size == close((mean(inside) - mean(others)) / spread)
            assert row.p_value == close(p_by_welch(inside, others))
            if stdev(inside) and stdev(others):
                assert row.p_value == close(ttest_ind(inside, others, equal_var=False).pvalue)
        else:
            assert isnan(row.effect_size) and isnan(row.p_value)
        if inside and others and mean(others) > 0:
            assert row.index == close(100 * mean(inside) / mean(others))
        else:
            assert isnan(row.index)


@LAW
@given(customers_of, st.integers(0, 5))
def test_q_is_benjamini_and_hochbergs_over_all_rows_that_are_shown(rows, min_count):
    "q of the i-th smallest p is the least m p / j over all j >= i; a row without a p has none."
    table = group_profile(snapshot_of(rows), "a", attributes=ASKED, min_count=min_count)
    tested = table[table["p_value"].notna()].sort_values("p_value")
    p, m = list(tested["p_value"]), len(tested)

    expected = [min([1.0, *(m * p[j] / (j + 1) for j in range(i, m))]) for i in range(m)]

    np.testing.assert_allclose(tested["q_value"], expected)
    assert table.loc[table["p_value"].isna(), "q_value"].isna().all()


@LAW
@given(customers_of, st.none() | st.integers(1, 4))
def test_every_customer_has_one_value_of_each_attribute(rows, top):
    "Within an attribute, what top cuts and missing values too, the counts add up to the sizes of both sides."
    size_in = sum("a" in row[0] for row in rows)

    table = group_profile(snapshot_of(rows), "a", attributes=ASKED, min_count=0, top=top)

    for _, own in table.groupby("attribute"):
        assert (own["n_in"].sum(), own["n_ref"].sum()) == (size_in, len(rows) - size_in)
        assert len(own) <= (top or len(own)) + 1
    assert table["attribute"].drop_duplicates().tolist() == (ASKED if rows else [])


@LAW
@given(customers_of)
def test_the_strongest_effect_comes_first(rows):
    "Attributes keep the order asked for; within one the effects fall, then come (other) and what is suppressed."
    table = group_profile(snapshot_of(rows), "a", attributes=ASKED, min_count=2, top=2)

    for _, own in table.groupby("attribute"):
        place = [2 if row.suppressed else int(row.value == "(other)") for row in own.itertuples()]
        assert place == sorted(place)
        effects = own["effect_size"].abs()[[p == 0 for p in place]].dropna()
        assert (effects.diff().dropna() <= 1e-9).all()


@LAW
@given(customers_of, st.integers(1, 6), st.none() | st.integers(1, 3))
def test_no_small_number_is_shown_and_a_suppressed_row_shows_none(rows, min_count, top):
    "Each count that is shown, and the rest of all customers beside it, is 0 or min_count at least."
    for versus in ("rest", "all", "b"):
        if versus == "b" and all("a" in row[0] for row in rows if "b" in row[0]):
            continue

        table = group_profile(snapshot_of(rows), "a", versus=versus, attributes=ASKED, min_count=min_count, top=top)

        shown, hidden = table[~table["suppressed"]], table[table["suppressed"]]
        for n in (shown["n_in"], shown["n_ref"], *([shown["n_ref"] - shown["n_in"]] if versus == "all" else [])):
            assert ((n == 0) | (n >= min_count)).all()
        assert hidden.drop(columns=["attribute", "value", "kind", "suppressed"]).isna().all(axis=None)


@LAW
@given(customers_of)
def test_versus_all_tells_the_whole_and_tests_against_the_rest(rows):
    "n_ref of all is that of the group and of the rest together; p, and a test's right to it, are those of the rest."
    rest, whole = (
        group_profile(snapshot_of(rows), "a", versus=versus, attributes=ASKED, min_count=0).set_index(
            ["attribute", "value"]
        )
        for versus in ("rest", "all")
    )

    whole = whole.loc[rest.index]

    assert (whole["n_ref"] == rest["n_in"] + rest["n_ref"]).all()
    pdt.assert_series_equal(whole["p_value"], rest["p_value"])
    assert whole["n_in"].equals(rest["n_in"])


@LAW
@given(customers_of)
def test_customers_in_both_groups_are_never_on_two_sides(rows):
    "versus another group leaves the group's own out of it; compare_groups leaves those in both out of both."
    snapshot = snapshot_of(rows)
    n = {groups: sum(row[0] == groups for row in rows) for groups in ("a", "b", "ab")}

    if n["b"]:
        table = group_profile(snapshot, "a", versus="b", attributes=["has_email"], min_count=0)
        assert (table["n_in"].sum(), table["n_ref"].sum()) == (n["a"] + n["ab"], n["b"])
    if n["a"] and n["b"]:
        table = compare_groups(snapshot, "a", "b", attributes=["has_email"], min_count=0)
        assert (table["n_in"].sum(), table["n_ref"].sum()) == (n["a"], n["b"])


@FEW
@given(customers_of, st.randoms())
def test_order_does_not_matter_and_a_group_goes_by_uid_name_or_customers(rows, random):
    "Shuffled rows, the name, the uids of the members twice over: the same table; and the input stays as it was."
    snapshot = snapshot_of(rows)
    customers = snapshot.customers.copy(deep=True)
    memberships = snapshot.memberships.sample(frac=1, random_state=random.randint(0, 99))
    shuffled = snapshot_from_frames(
        memberships, snapshot.groups, customers.sample(frac=1, random_state=1), tenant_uid="t", taken_at=TAKEN
    )

    expected = group_profile(snapshot, "a", min_count=0)

    pdt.assert_frame_equal(group_profile(shuffled, "a", min_count=0), expected)
    pdt.assert_frame_equal(group_profile(snapshot, "Ålesund & co", min_count=0), expected)
    asked = {"attributes": ASKED, "min_count": 0}
    twice = [*snapshot["a"], *snapshot["a"]]
    pdt.assert_frame_equal(group_profile(snapshot, twice, **asked), group_profile(snapshot, "a", **asked))
    pdt.assert_frame_equal(snapshot.customers, customers)


@FEW
@given(customers_of)
def test_profiles_always_have_the_same_columns_and_dtypes(rows):
    "An empty table, and one in which everything is suppressed, have the columns and dtypes of a full one."
    for min_count in (0, 5, 100):
        table = group_profile(snapshot_of(rows), "a", min_count=min_count)
        assert table.dtypes.astype(str).to_dict() == COLUMNS


# Attributes


def test_the_usual_attributes_come_in_their_order():
    "Without attributes= a profile is about what is known of customers, one attribute for each consent, numbers last."
    table = group_profile(sample_snapshot(), "all", min_count=0)

    assert table["attribute"].drop_duplicates().tolist() == [
        *("customer_type", "country_code", "postal_area", "default_store_name", "origin", "pricelist_uid"),
        *("payment_terms", "account_manager_uid", "has_email", "has_mobile", "has_loyalty_id", "has_vat_number"),
        *("consent: Newsletter", "credit_limit", "credit_balance", "days_since_created_at", "n_other_groups"),
    ]
    kinds = dict(zip(table["attribute"], table["kind"], strict=True))
    assert (kinds["has_email"], kinds["payment_terms"], kinds["credit_limit"]) == ("flag", "category", "number")


def test_a_few_attributes_are_made_of_others():
    "Postal areas keep countries apart, tenure is in days at taken_at, and the group itself is no other group."
    rows = [("ab", "NO", None, None), ("a", "FI", None, None), ("", "", None, None), ("b", "NO", None, None)]
    came = [TAKEN - timedelta(days=n) for n in (10, 0.5)] + [None, None]
    snapshot = snapshot_of(rows, postal_code=["0150", " 01200", "SW1A", ""], created_at=came)

    asked = ["postal_area", "days_since_created_at", "n_other_groups"]
    area, tenure, others = customer_attributes(snapshot, asked, excluded_groups=["a"])

    assert [area.labels[code] for code in area.code] == ["NO 01", "FI 01", "SW", "(missing)"]
    np.testing.assert_allclose(tenure.numbers, [10, 0.5, nan, nan])
    assert others.numbers.tolist() == [1, 0, 0, 1]


def test_further_columns_of_the_customers_are_attributes_when_asked_for():
    "A column that came with snapshot_from_frames is one; of what kind its dtype tells."
    rows = [("a", "NO", True, 1)] * 3 + [("", "SE", False, 2)] * 3
    snapshot = snapshot_of(
        rows,
        size=pd.Categorical(["S", "M", None] * 2),
        spent=[1.5, 2.5, float("inf")] * 2,
        member=[True, False] * 3,
        last_seen=pd.to_datetime(["2026-11-20"] * 6),
    )

    table = group_profile(snapshot, "a", attributes=["size", "spent", "member", "last_seen"], min_count=0)

    kinds = table.drop_duplicates("attribute").set_index("attribute")["kind"].to_dict()
    assert kinds == {"size": "category", "spent": "number", "member": "flag", "days_since_last_seen": "number"}
    assert table.query("attribute == 'spent' and value == '(number)'")["mean_in"].tolist() == [2.0]
    assert table.query("attribute == 'days_since_last_seen'")["mean_in"].tolist() == [3.0]


def test_a_table_of_ones_own_is_profiled():
    "By an index or a column of customer uids, in any order, with strangers in it; who has no row is missing."
    rows = [("a", "NO", True, 1), ("a", "NO", True, 1), ("", "NO", True, 1)]
    own = pd.DataFrame({"frequency": [4, 9, 2], "loyal": [True, False, True]}, index=["c002", "stranger", "c000"])

    table = group_profile(snapshot_of(rows), "a", attributes=own, min_count=0)

    assert table["attribute"].drop_duplicates().tolist() == ["frequency", "loyal"]
    number = table[table["value"] == "(number)"].iloc[0]
    assert (number["n_in"], number["mean_in"], number["n_ref"], number["mean_ref"]) == (1, 2.0, 1, 4.0)
    assert sorted(table.loc[table["attribute"] == "loyal", "value"]) == ["(missing)", "yes"]
    keyed = own.rename_axis("customer_uid").reset_index()
    pdt.assert_frame_equal(group_profile(snapshot_of(rows), "a", attributes=keyed, min_count=0), table)


@pytest.mark.parametrize("name", sorted({"external_id", "customer_parent_uid", *PERSONAL} - {"ehf_enabled"}))
def test_what_names_a_person_is_no_attribute(name):
    "Names, addresses, notes and personal numbers are refused, in the tenant's table and in one's own."
    snapshot = snapshot_of([("a", "NO", True, 1)] * 6, **{name: ["1"] * 6})

    for asked in ([name], pd.DataFrame({name: ["1"]}, index=["c000"])):
        with pytest.raises(InputError, match=f"never shows '{name}'"):
            group_profile(snapshot, "a", attributes=asked)


def test_nothing_personal_is_in_a_usual_profile():
    "A profile of a snapshot with personal data shows none of it, whatever is in its columns."
    rows = [("a", "NO", True, 1)] * 6 + [("", "NO", True, 1)] * 6
    planted = {name: ["Planted"] * 12 for name, dtype in PERSONAL.items() if dtype == "str"}

    table = group_profile(snapshot_of(rows, **planted), "a", min_count=0, top=None)

    assert "Planted" not in table.to_csv()


# Consents

consents_by = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["mail", "sms"]),
        st.sampled_from([True, False, None]),
        st.sampled_from([None, "2026-01-01", "2026-02-01"]),
    ),
    max_size=12,
)


@LAW
@given(consents_by)
def test_the_newest_row_of_a_consent_counts(told):
    "Of several rows the newest; an undated one is oldest; of one moment a withdrawal, then an untold, goes before."
    rows = [("a", "NO", True, 1)] * 4
    table = pd.DataFrame(told, columns=["customer", "consent_uid", "status", "created_at"])
    table = table.assign(customer_uid=[f"c{n:03d}" for n in table.pop("customer")], name="N").astype(
        {"status": object}
    )

    found = {
        (c.uid, n): int(status)
        for c in latest_consents(snapshot_of(rows, table))
        for n, status in enumerate(c.status)
    }

    order = {True: 0, None: 1, False: 2}
    for uid in {row[1] for row in told}:
        for n in range(4):
            own = [(row[3] or "", order[row[2]]) for row in told if row[:2] == (n, uid)]
            assert found[uid, n] == (max(own)[1] if own else 3)


def test_consents_are_told_by_name_and_apart():
    "Given, withdrawn or none, by the consent's name; by its uid too where two have one name, or alone if nameless."
    rows = [("a", "NO", True, 1)] * 2 + [("", "NO", True, 1)]
    told = pd.DataFrame(
        {
            "customer_uid": ["c000", "c001", "c001", "c000", "stranger"],
            "consent_uid": ["k1", "k1", "k2", "k3", "k1"],
            "name": ["SMS", "SMS", "SMS", "", "SMS"],
            "status": [True, False, True, True, True],
        }
    )

    table = group_profile(snapshot_of(rows, told), "a", attributes=["consents"], min_count=0)

    assert table["attribute"].drop_duplicates().tolist() == ["consent: SMS (k1)", "consent: SMS (k2)", "consent: k3"]
    first = table[table["attribute"] == "consent: SMS (k1)"].set_index("value")["n_in"].to_dict()
    assert first == {"given": 1, "withdrawn": 1, "none": 0}


# Tests


@LAW
@given(st.integers(0, 400), st.integers(0, 400), st.data())
def test_p_of_two_shares_is_scipys(size_a, size_b, data):
    "Chi-square without correction, or Fisher's where a cell expects fewer than five."
    a, b = data.draw(st.integers(0, size_a)), data.draw(st.integers(0, size_b))

    [p] = p_value_of_shares(np.array([a]), size_a, np.array([b]), size_b)

    assert p == (close(p_by_scipy(a, size_a, b, size_b)) if size_a and size_b else close(nan))


def test_numbers_that_do_not_vary_have_no_test():
    "Equal numbers have a variance of 0, even where rounding would give them another; one number has none."
    same = Moments.from_values(np.full(7, 0.1))

    assert same.variance == 0.0
    assert isnan(p_value_of_means(same, Moments.from_values(np.full(9, 0.3))))
    assert isnan(standardized_difference(same, same))
    assert isnan(p_value_of_means(Moments.from_values(np.array([1.0])), Moments.from_values(np.array([1.0, 2.0]))))
    assert isnan(Moments.from_values(np.array([])).mean)


def test_shares_hold_among_millions():
    "A difference that chance would bring once in ages has a p without a warning or NaN."
    p = p_value_of_shares(
        np.array([900_000, 0, 1_000_000]), 1_000_000, np.array([1_000_000, 3, 5_000_000]), 5_000_000
    )

    assert p[0] < 1e-300 and p[1] == close(fisher_exact([[0, 1_000_000], [3, 4_999_997]]).pvalue) and p[2] == 1
    assert isnan(benjamini_hochberg(np.array([nan]))[0])


# Words


def test_an_attribute_of_which_nothing_can_be_shown_has_one_row():
    "Two customers without a credit limit could be counted from those who have one, so the means are left out too."
    rows = [("a", "NO", n > 1, n if n > 1 else None) for n in range(20)] + [("", "NO", True, 1)] * 20

    table = group_profile(snapshot_of(rows), "a", attributes=ASKED)

    assert table["value"].tolist() == ["NO", "(suppressed)", "(suppressed)"]
    assert table["suppressed"].tolist() == [False, True, True]


def test_a_group_without_a_member_has_a_profile_of_nobody():
    "Nobody is in it, so there are no shares of it; that is no error."
    table = group_profile(snapshot_of([("b", "NO", True, 1)] * 9), "a", attributes=["country_code"])

    assert table["n_in"].tolist() == [0] and table["share_in"].isna().all() and table["n_ref"].tolist() == [9]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: group_profile(s, "A"), "A"),
        (
            lambda s: group_profile(s, ["c000", "x", "y"]),
            "2 of the 3 customer uids of group are not in this snapshot",
        ),
        (lambda s: group_profile(s, [True]), "group holds True"),
        (lambda s: group_profile(s, 7), "group takes several"),
        (lambda s: group_profile(s.memberships, "a"), "snapshot must be a Snapshot"),
        (lambda s: group_profile(s, "b", versus="a"), "All 1 customers of versus are in the group too"),
        (lambda s: group_profile(s, "a", versus="everyone"), "everyone"),
        (lambda s: compare_groups(s, "a", "b"), r"All 1 customers of a are in the other .*versus=larger"),
        (
            lambda s: group_profile(s, "a", attributes=["colour"]),
            "No attribute is named 'colour'. There are customer_",
        ),
        (lambda s: group_profile(s, "a", attributes="origin"), r"\['origin'\]"),
        (lambda s: group_profile(s, "a", attributes=["origin", "origin"]), "origin more than once"),
        (lambda s: group_profile(s, "a", attributes=[7]), "attributes holds 7"),
        (lambda s: group_profile(s, "a", attributes=["email"]), "has_email tells who has one"),
        (lambda s: group_profile(s, "a", attributes=["customer_uid"]), "tells of single persons"),
        (lambda s: group_profile(s, "a", min_count=-1), "`min_count` must be an integer of at least 0, got -1"),
        (lambda s: group_profile(s, "a", top=0), "`top` must be an integer of at least 1, got 0"),
        (lambda s: group_profile(s, "a", attributes=pd.DataFrame({"x": [1]})), "customer uids as its index"),
        (lambda s: group_profile(s, "a", attributes=pd.DataFrame({"x": [1]}, index=["E1"])), "resolve_customers"),
        (
            lambda s: group_profile(s, "a", attributes=pd.DataFrame({"x": [1, 2]}, index=["c000", "c000"])),
            "2 rows, 1 of them for a customer who stands there already",
        ),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(ask, words):
    "The error tells what came and what to do."
    with pytest.raises(InputError, match=words):
        ask(snapshot_of([("ab", "NO", True, 1), ("b", "NO", True, 1)]))


def test_an_unknown_group_is_refused_with_close_matches():
    "A name that is nearly right is suggested, for both sides."
    for ask in (lambda s: group_profile(s, "VIPs"), lambda s: group_profile(s, "all", versus="VIPs")):
        with pytest.raises(GroupNotFoundError) as caught:
            ask(sample_snapshot())
        assert "VIP" in caught.value.close


def test_a_loaded_tenant_tells_what_its_groups_are_made_of():
    "Of a sandbox tenant: the Norwegian group is Norwegian, members of the club have a loyalty id, and q says so."
    with fg.Sandbox(customers=1500, groups=20) as sandbox, sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, progress=False)

    norway = group_profile(snapshot, "Norge", attributes=["country_code"]).set_index("value")
    loyal = group_profile(snapshot, fg.members(snapshot, "loyalty - staff"), attributes=["has_loyalty_id"])

    assert list(snapshot.customers["customer_uid"]) == list(snapshot.matrix.customer_uids)
    assert norway.loc["NO", "share_in"] == 1 and norway.loc[["SE", "DK", "FI"], "n_in"].eq(0).all()
    assert loyal["effect_size"].abs().max() > 0.8 and loyal["q_value"].max() < 1e-6
