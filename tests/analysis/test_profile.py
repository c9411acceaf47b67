"""Tests for group profiles, which compare the statistics with plain Python and scipy."""

from datetime import UTC, datetime, timedelta
from math import asin, isnan, nan, sqrt
from statistics import mean, median, stdev

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
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
from tests.examples import at_most

PROPERTY = at_most(30)
SLOW_PROPERTY = at_most(10)
TAKEN_AT = datetime(2026, 11, 23, tzinfo=UTC)
COLUMNS = {
    **dict.fromkeys(["attribute", "value", "kind"], "str"),
    **{"n_in": "Int64", "share_in": "float64", "n_ref": "Int64", "share_ref": "float64"},
    **dict.fromkeys(["index", "difference_pp", "effect_size", "p_value", "q_value"], "float64"),
    **dict.fromkeys(["mean_in", "mean_ref", "median_in", "median_ref"], "float64"),
    "suppressed": "bool",
}
ATTRIBUTES = ["country_code", "has_email", "credit_limit"]

# Each tuple contains the groups, country, email flag, and credit limit of a customer.
customer_rows = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", "ab"]),
        st.sampled_from(["NO", "SE", "DK", "", None]),
        st.sampled_from([True, False, None]),
        st.none() | st.integers(-2, 5),
    ),
    max_size=30,
)


def create_snapshot(rows, consents=None, **columns):
    """Return a snapshot of customers from rows of groups, country, email flag, and credit limit."""
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
        taken_at=TAKEN_AT,
    )


def scipy_p_value_of_shares(a, size_a, b, size_b):
    """Return the p-value for the difference between two shares, computed by scipy."""
    table = np.array([[a, size_a - a], [b, size_b - b]])
    expected = table.sum(1)[:, None] * table.sum(0) / table.sum()
    if (expected < 5).any():
        return fisher_exact(table).pvalue
    return chi2_contingency(table, correction=False).pvalue


def welch_p_value(a, b):
    """Return the p-value of Welch's t-test, computed by scipy."""
    u, v = stdev(a) ** 2 / len(a), stdev(b) ** 2 / len(b)
    freedom = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1))
    return 2 * student_t.sf(abs(mean(a) - mean(b)) / sqrt(u + v), freedom)


def approx(value):
    """Return an object for approximate comparison that also treats NaN as equal to NaN."""
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


@PROPERTY
@given(customer_rows)
def test_shares(rows):
    "The counts, shares, index, effect size, and p-value in each row of a profile follow their definitions."
    inside, others = [r for r in rows if "a" in r[0]], [r for r in rows if "a" not in r[0]]

    table = group_profile(create_snapshot(rows), "a", attributes=["country_code"], min_count=0, top=None)

    values = {row[1] or "(missing)" for row in rows}
    assert set(table["value"]) == values and len(table) == len(values)
    for row in table.itertuples():
        n_in = sum((r[1] or "(missing)") == row.value for r in inside)
        n_ref = sum((r[1] or "(missing)") == row.value for r in others)
        p, q = n_in / len(inside) if inside else nan, n_ref / len(others) if others else nan
        assert (row.n_in, row.n_ref, row.share_in, row.share_ref) == (n_in, n_ref, approx(p), approx(q))
        assert row.difference_pp == approx(100 * (p - q))
        if inside and others:
            assert row.effect_size == approx(2 * asin(sqrt(p)) - 2 * asin(sqrt(q)))
            assert row.p_value == approx(scipy_p_value_of_shares(n_in, len(inside), n_ref, len(others)))
            assert row.index == approx(100 * p / q if q else nan)
        else:
            assert isnan(row.effect_size) and isnan(row.p_value) and isnan(row.index)


@PROPERTY
@given(customer_rows)
def test_means(rows):
    "Numeric attributes are compared by mean, median, standardized difference, and Welch's t-test."
    inside = [r[3] for r in rows if "a" in r[0] and r[3] is not None]
    others = [r[3] for r in rows if "a" not in r[0] and r[3] is not None]

    table = group_profile(create_snapshot(rows), "a", attributes=["credit_limit"], min_count=0)

    assert (table["value"] == "(missing)").any() == any(r[3] is None for r in rows)
    for row in table[table["value"] == "(number)"].itertuples():
        assert (row.n_in, row.n_ref) == (len(inside), len(others))
        assert (row.mean_in, row.median_in) == (
            (approx(mean(inside)), median(inside)) if inside else (approx(nan),) * 2
        )
        assert (row.mean_ref, row.median_ref) == (
            (approx(mean(others)), median(others)) if others else (approx(nan),) * 2
        )
        assert isnan(row.difference_pp)
        if min(len(inside), len(others)) > 1 and stdev(inside) + stdev(others) > 0:
            spread = sqrt((stdev(inside) ** 2 + stdev(others) ** 2) / 2)
            assert row.effect_size == approx((mean(inside) - mean(others)) / spread)
            assert row.p_value == approx(welch_p_value(inside, others))
            if stdev(inside) and stdev(others):
                assert row.p_value == approx(ttest_ind(inside, others, equal_var=False).pvalue)
        else:
            assert isnan(row.effect_size) and isnan(row.p_value)
        if inside and others and mean(others) > 0:
            assert row.index == approx(100 * mean(inside) / mean(others))
        else:
            assert isnan(row.index)


@PROPERTY
@given(customer_rows, st.integers(0, 5))
def test_q_values(rows, min_count):
    "The q-values of a profile are the Benjamini-Hochberg adjustment of the published p-values."
    table = group_profile(create_snapshot(rows), "a", attributes=ATTRIBUTES, min_count=min_count)
    tested = table[table["p_value"].notna()].sort_values("p_value")
    p, m = list(tested["p_value"]), len(tested)

    expected = [min([1.0, *(m * p[j] / (j + 1) for j in range(i, m))]) for i in range(m)]

    np.testing.assert_allclose(tested["q_value"], expected)
    assert table.loc[table["p_value"].isna(), "q_value"].isna().all()


@PROPERTY
@given(customer_rows, st.none() | st.integers(1, 4))
def test_counts_add_up(rows, top):
    "The counts of each attribute, with missing and omitted values, sum to the sizes of the group and the reference."
    size_in = sum("a" in row[0] for row in rows)

    table = group_profile(create_snapshot(rows), "a", attributes=ATTRIBUTES, min_count=0, top=top)

    for _, rows_of_attribute in table.groupby("attribute"):
        assert (rows_of_attribute["n_in"].sum(), rows_of_attribute["n_ref"].sum()) == (size_in, len(rows) - size_in)
        assert len(rows_of_attribute) <= (top or len(rows_of_attribute)) + 1
    assert table["attribute"].drop_duplicates().tolist() == (ATTRIBUTES if rows else [])


@PROPERTY
@given(customer_rows)
def test_row_order(rows):
    "Profile attributes are in the requested order, and the rows of each attribute are sorted by effect size."
    table = group_profile(create_snapshot(rows), "a", attributes=ATTRIBUTES, min_count=2, top=2)

    for _, rows_of_attribute in table.groupby("attribute"):
        place = [2 if row.suppressed else int(row.value == "(other)") for row in rows_of_attribute.itertuples()]
        assert place == sorted(place)
        effects = rows_of_attribute["effect_size"].abs()[[p == 0 for p in place]].dropna()
        assert (effects.diff().dropna() <= 1e-9).all()


@PROPERTY
@given(customer_rows, st.integers(1, 6), st.none() | st.integers(1, 3))
def test_suppression(rows, min_count, top):
    "Published counts in a profile are 0 or at least min_count, and suppressed rows contain no numbers."
    for versus in ("rest", "all", "b"):
        if versus == "b" and all("a" in row[0] for row in rows if "b" in row[0]):
            continue

        table = group_profile(
            create_snapshot(rows), "a", versus=versus, attributes=ATTRIBUTES, min_count=min_count, top=top
        )

        shown, hidden = table[~table["suppressed"]], table[table["suppressed"]]
        for n in (shown["n_in"], shown["n_ref"], *([shown["n_ref"] - shown["n_in"]] if versus == "all" else [])):
            assert ((n == 0) | (n >= min_count)).all()
        assert hidden.drop(columns=["attribute", "value", "kind", "suppressed"]).isna().all(axis=None)


@PROPERTY
@given(customer_rows)
def test_versus_all(rows):
    """With versus="all", n_ref counts all customers, and the test compares the group with the rest."""
    rest, all_customers = (
        group_profile(create_snapshot(rows), "a", versus=versus, attributes=ATTRIBUTES, min_count=0).set_index(
            ["attribute", "value"]
        )
        for versus in ("rest", "all")
    )

    all_customers = all_customers.loc[rest.index]

    assert (all_customers["n_ref"] == rest["n_in"] + rest["n_ref"]).all()
    pdt.assert_series_equal(all_customers["p_value"], rest["p_value"])
    assert all_customers["n_in"].equals(rest["n_in"])


@PROPERTY
@given(customer_rows)
def test_common_customers(rows):
    "Customers who are in both groups are counted at most once."
    snapshot = create_snapshot(rows)
    n = {groups: sum(row[0] == groups for row in rows) for groups in ("a", "b", "ab")}

    if n["b"]:
        table = group_profile(snapshot, "a", versus="b", attributes=["has_email"], min_count=0)
        assert (table["n_in"].sum(), table["n_ref"].sum()) == (n["a"] + n["ab"], n["b"])
    if n["a"] and n["b"]:
        table = compare_groups(snapshot, "a", "b", attributes=["has_email"], min_count=0)
        assert (table["n_in"].sum(), table["n_ref"].sum()) == (n["a"], n["b"])


@SLOW_PROPERTY
@given(customer_rows, st.randoms())
def test_row_order_and_group_argument(rows, random):
    "A profile does not depend on the row order or on how the group is identified, and the input is not modified."
    snapshot = create_snapshot(rows)
    customers = snapshot.customers.copy(deep=True)
    memberships = snapshot.memberships.sample(frac=1, random_state=random.randint(0, 99))
    shuffled = snapshot_from_frames(
        memberships, snapshot.groups, customers.sample(frac=1, random_state=1), tenant_uid="t", taken_at=TAKEN_AT
    )

    expected = group_profile(snapshot, "a", min_count=0)

    pdt.assert_frame_equal(group_profile(shuffled, "a", min_count=0), expected)
    pdt.assert_frame_equal(group_profile(snapshot, "Ålesund & co", min_count=0), expected)
    options = {"attributes": ATTRIBUTES, "min_count": 0}
    repeated_uids = [*snapshot["a"], *snapshot["a"]]
    pdt.assert_frame_equal(group_profile(snapshot, repeated_uids, **options), group_profile(snapshot, "a", **options))
    pdt.assert_frame_equal(snapshot.customers, customers)


@SLOW_PROPERTY
@given(customer_rows)
def test_columns_and_dtypes(rows):
    "Profiles that are empty or completely suppressed have the same columns and dtypes as all other profiles."
    for min_count in (0, 5, 100):
        table = group_profile(create_snapshot(rows), "a", min_count=min_count)
        assert table.dtypes.astype(str).to_dict() == COLUMNS


# Attributes


def test_default_attributes():
    "By default, a profile contains all known attributes and consents in a fixed order."
    table = group_profile(sample_snapshot(), "all", min_count=0)

    assert table["attribute"].drop_duplicates().tolist() == [
        *("customer_type", "country_code", "postal_area", "default_store_name", "origin", "pricelist_uid"),
        *("payment_terms", "account_manager_uid", "has_email", "has_mobile", "has_loyalty_id", "has_vat_number"),
        *("consent: Newsletter", "credit_limit", "credit_balance", "days_since_created_at", "n_other_groups"),
    ]
    kinds = dict(zip(table["attribute"], table["kind"], strict=True))
    assert (kinds["has_email"], kinds["payment_terms"], kinds["credit_limit"]) == ("flag", "category", "number")


def test_derived_attributes():
    "The attributes postal_area, days_since_created_at, and n_other_groups are derived from other columns."
    rows = [("ab", "NO", None, None), ("a", "FI", None, None), ("", "", None, None), ("b", "NO", None, None)]
    created_at = [TAKEN_AT - timedelta(days=n) for n in (10, 0.5)] + [None, None]
    snapshot = create_snapshot(rows, postal_code=["0150", " 01200", "SW1A", ""], created_at=created_at)

    options = ["postal_area", "days_since_created_at", "n_other_groups"]
    area, tenure, others = customer_attributes(snapshot, options, excluded_groups=["a"])

    assert [area.labels[code] for code in area.code] == ["NO 01", "FI 01", "SW", "(missing)"]
    np.testing.assert_allclose(tenure.numbers, [10, 0.5, nan, nan])
    assert others.numbers.tolist() == [1, 0, 0, 1]


def test_additional_columns():
    "Additional columns of the customers table can be attributes, and their dtype determines how they are compared."
    rows = [("a", "NO", True, 1)] * 3 + [("", "SE", False, 2)] * 3
    snapshot = create_snapshot(
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


def test_attribute_table():
    "A table of attributes has the uids in its index or in a column. Customers without a row get missing values."
    rows = [("a", "NO", True, 1), ("a", "NO", True, 1), ("", "NO", True, 1)]
    rows_of_attribute = pd.DataFrame(
        {"frequency": [4, 9, 2], "loyal": [True, False, True]}, index=["c002", "stranger", "c000"]
    )

    table = group_profile(create_snapshot(rows), "a", attributes=rows_of_attribute, min_count=0)

    assert table["attribute"].drop_duplicates().tolist() == ["frequency", "loyal"]
    number = table[table["value"] == "(number)"].iloc[0]
    assert (number["n_in"], number["mean_in"], number["n_ref"], number["mean_ref"]) == (1, 2.0, 1, 4.0)
    assert sorted(table.loc[table["attribute"] == "loyal", "value"]) == ["(missing)", "yes"]
    keyed = rows_of_attribute.rename_axis("customer_uid").reset_index()
    pdt.assert_frame_equal(group_profile(create_snapshot(rows), "a", attributes=keyed, min_count=0), table)


@pytest.mark.parametrize("name", sorted({"external_id", "customer_parent_uid", *PERSONAL} - {"ehf_enabled"}))
def test_personal_attributes_are_rejected(name):
    "Attributes that identify persons are rejected, and the error contains the attribute name."
    snapshot = create_snapshot([("a", "NO", True, 1)] * 6, **{name: ["1"] * 6})

    for options in ([name], pd.DataFrame({name: ["1"]}, index=["c000"])):
        with pytest.raises(InputError, match=f"'{name}'"):
            group_profile(snapshot, "a", attributes=options)


def test_default_profile_without_personal_data():
    "If a snapshot contains personal data, the default profile does not contain this data."
    rows = [("a", "NO", True, 1)] * 6 + [("", "NO", True, 1)] * 6
    planted = {name: ["Planted"] * 12 for name, dtype in PERSONAL.items() if dtype == "str"}

    table = group_profile(create_snapshot(rows, **planted), "a", min_count=0, top=None)

    assert "Planted" not in table.to_csv()


# Consents

consent_rows = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["mail", "sms"]),
        st.sampled_from([True, False, None]),
        st.sampled_from([None, "2026-01-01", "2026-02-01"]),
    ),
    max_size=12,
)


@PROPERTY
@given(consent_rows)
def test_latest_consent(consents):
    "The latest row of a consent is used. If times are equal, a withdrawal has priority over an unknown status."
    rows = [("a", "NO", True, 1)] * 4
    table = pd.DataFrame(consents, columns=["customer", "consent_uid", "status", "created_at"])
    table = table.assign(customer_uid=[f"c{n:03d}" for n in table.pop("customer")], name="N").astype(
        {"status": object}
    )

    statuses = {
        (c.uid, n): int(status)
        for c in latest_consents(create_snapshot(rows, table))
        for n, status in enumerate(c.status)
    }

    order = {True: 0, None: 1, False: 2}
    for uid in {row[1] for row in consents}:
        for n in range(4):
            rows_of_attribute = [(row[3] or "", order[row[2]]) for row in consents if row[:2] == (n, uid)]
            assert statuses[uid, n] == (max(rows_of_attribute)[1] if rows_of_attribute else 3)


def test_consent_attributes():
    "A consent attribute has the consent's name. If the name is missing or not unique, it also contains the uid."
    rows = [("a", "NO", True, 1)] * 2 + [("", "NO", True, 1)]
    consents = pd.DataFrame(
        {
            "customer_uid": ["c000", "c001", "c001", "c000", "stranger"],
            "consent_uid": ["k1", "k1", "k2", "k3", "k1"],
            "name": ["SMS", "SMS", "SMS", "", "SMS"],
            "status": [True, False, True, True, True],
        }
    )

    table = group_profile(create_snapshot(rows, consents), "a", attributes=["consents"], min_count=0)

    assert table["attribute"].drop_duplicates().tolist() == ["consent: SMS (k1)", "consent: SMS (k2)", "consent: k3"]
    first = table[table["attribute"] == "consent: SMS (k1)"].set_index("value")["n_in"].to_dict()
    assert first == {"given": 1, "withdrawn": 1, "none": 0}


# Significance tests


@PROPERTY
@given(st.integers(0, 400), st.integers(0, 400), st.data())
def test_p_value_of_shares(size_a, size_b, data):
    "The p-value is equal to scipy's chi-square test, or to Fisher's test if an expected count is below 5."
    a, b = data.draw(st.integers(0, size_a)), data.draw(st.integers(0, size_b))

    [p] = p_value_of_shares(np.array([a]), size_a, np.array([b]), size_b)

    assert p == (approx(scipy_p_value_of_shares(a, size_a, b, size_b)) if size_a and size_b else approx(nan))


def test_constant_numbers():
    "If a numeric attribute is constant, its variance is 0 and it has no p-value."
    constant = Moments.from_values(np.full(7, 0.1))

    assert constant.variance == 0.0
    assert isnan(p_value_of_means(constant, Moments.from_values(np.full(9, 0.3))))
    assert isnan(standardized_difference(constant, constant))
    assert isnan(p_value_of_means(Moments.from_values(np.array([1.0])), Moments.from_values(np.array([1.0, 2.0]))))
    assert isnan(Moments.from_values(np.array([])).mean)


def test_p_value_of_large_groups():
    "For large groups, the p-values of a profile are computed without warnings and are never NaN."
    p = p_value_of_shares(
        np.array([900_000, 0, 1_000_000]), 1_000_000, np.array([1_000_000, 3, 5_000_000]), 5_000_000
    )

    assert p[0] < 1e-300 and p[1] == approx(fisher_exact([[0, 1_000_000], [3, 4_999_997]]).pvalue) and p[2] == 1
    assert isnan(benjamini_hochberg(np.array([nan]))[0])


# Suppression and errors


def test_suppressed_attribute():
    "If all values of an attribute are suppressed, the attribute has one row in the profile."
    rows = [("a", "NO", n > 1, n if n > 1 else None) for n in range(20)] + [("", "NO", True, 1)] * 20

    table = group_profile(create_snapshot(rows), "a", attributes=ATTRIBUTES)

    assert table["value"].tolist() == ["NO", "(suppressed)", "(suppressed)"]
    assert table["suppressed"].tolist() == [False, True, True]


def test_empty_group():
    "The profile of a group without members has counts of 0 and no shares."
    table = group_profile(create_snapshot([("b", "NO", True, 1)] * 9), "a", attributes=["country_code"])

    assert table["n_in"].tolist() == [0] and table["share_in"].isna().all() and table["n_ref"].tolist() == [9]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: group_profile(s, "A"), ["'A'"]),
        (
            lambda s: group_profile(s, ["c000", "x", "y"]),
            ["2 of", "3 customer uids"],
        ),
        (lambda s: group_profile(s, [True]), ["group"]),
        (lambda s: group_profile(s, 7), ["group", "int"]),
        (lambda s: group_profile(s.memberships, "a"), ["snapshot", "DataFrame"]),
        (lambda s: group_profile(s, "b", versus="a"), ["1", "versus"]),
        (lambda s: group_profile(s, "a", versus="everyone"), ["'everyone'"]),
        (lambda s: compare_groups(s, "a", "b"), ["1", "versus="]),
        (
            lambda s: group_profile(s, "a", attributes=["colour"]),
            ["'colour'", "country_code"],
        ),
        (lambda s: group_profile(s, "a", attributes="origin"), ["attributes", "'origin'"]),
        (lambda s: group_profile(s, "a", attributes=["origin", "origin"]), ["attributes", "origin"]),
        (lambda s: group_profile(s, "a", attributes=[7]), ["attributes"]),
        (lambda s: group_profile(s, "a", attributes=["email"]), ["'email'", "has_email"]),
        (lambda s: group_profile(s, "a", attributes=["customer_uid"]), ["'customer_uid'"]),
        (lambda s: group_profile(s, "a", min_count=-1), ["`min_count`", "-1"]),
        (lambda s: group_profile(s, "a", top=0), ["`top`", "0"]),
        (lambda s: group_profile(s, "a", attributes=pd.DataFrame({"x": [1]})), ["attributes", "customer_uid"]),
        (
            lambda s: group_profile(s, "a", attributes=pd.DataFrame({"x": [1]}, index=["E1"])),
            ["attributes", "resolve_customers"],
        ),
        (
            lambda s: group_profile(s, "a", attributes=pd.DataFrame({"x": [1, 2]}, index=["c000", "c000"])),
            ["attributes", "2", "1"],
        ),
    ],
)
def test_invalid_arguments(call, words):
    "The error for an invalid argument contains the argument's name and value."
    with pytest.raises(InputError) as caught:
        call(create_snapshot([("ab", "NO", True, 1), ("b", "NO", True, 1)]))

    assert all(word in str(caught.value) for word in words)


def test_unknown_group():
    "The error for an unknown group suggests similar names, both for the group and for the reference group."
    for call in (lambda s: group_profile(s, "VIPs"), lambda s: group_profile(s, "all", versus="VIPs")):
        with pytest.raises(GroupNotFoundError) as caught:
            call(sample_snapshot())
        assert "VIP" in caught.value.close


def test_sandbox_profile():
    "In the profile of a loaded tenant, the Norwegian group is Norwegian, and loyalty members have a loyalty id."
    with fg.Sandbox(customers=1500, groups=20) as sandbox, sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, progress=False)

    norway = group_profile(snapshot, "Norge", attributes=["country_code"]).set_index("value")
    loyal = group_profile(snapshot, fg.members(snapshot, "loyalty - staff"), attributes=["has_loyalty_id"])

    assert list(snapshot.customers["customer_uid"]) == list(snapshot.matrix.customer_uids)
    assert norway.loc["NO", "share_in"] == 1 and norway.loc[["SE", "DK", "FI"], "n_in"].eq(0).all()
    assert loyal["effect_size"].abs().max() > 0.8 and loyal["q_value"].max() < 1e-6


@pytest.mark.parametrize(("values", "labels"), [([1, None, 2], ["1", "2"]), ([True, None, False], ["yes", "no"])])
def test_categories_with_missing_values(values, labels):
    "A categorical attribute with missing values has one profile row per category, for any type of category."
    snapshot = create_snapshot([("a", "NO", True, 1), ("", "NO", True, 1), ("", "NO", True, 1)])
    table = pd.DataFrame({"x": pd.Categorical(values)}, index=list(snapshot.customers["customer_uid"]))

    profile = group_profile(snapshot, "a", attributes=table, min_count=0)

    assert set(profile["value"]) == {*labels, "(missing)"}
    assert profile["n_in"].sum() == 1 and profile["n_ref"].sum() == 2
