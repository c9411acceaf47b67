"""Tests for waterfall, which are compared with a loop over customers, and for its use in plans."""

import json
import random

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

UIDS = [f"c-{n:02d}" for n in range(12)]
# These customers are in no group.
OTHERS = ["a-77", "x-78"]
COUNTS = ["n_requested", "n_excluded", "n_earlier", "n_over_cap", "n_remaining"]

memberships = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(UIDS)), max_size=30)
uid_lists = st.lists(st.sampled_from([*UIDS, *OTHERS]), max_size=12)
audience_values = st.one_of(st.sampled_from(["a", "b - c", "a | c"]), uid_lists)
audience_names = ["Gold", "Silver", "Bronze", "Rest"]
audience_lists = st.lists(audience_values, max_size=4)
cap_lists = st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=4, max_size=4)
score_maps = st.dictionaries(st.sampled_from([*UIDS, *OTHERS, "stranger"]), st.sampled_from([-1, 0, 2.5, None]))


def create_snapshot(pairs):
    """Return a snapshot with the groups a, b, and c, in which all customers in `UIDS` exist."""
    return snapshot_from_frames(
        pd.DataFrame(pairs, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list("abc"), "name": ["A", "B", "C"]}),
        pd.DataFrame({"customer_uid": UIDS, "credit_limit": [n % 3 for n in range(12)]}),
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def select(snapshot, customers):
    """Return the set of uids that an audience requests."""
    return set(fg.members(snapshot, customers)) if isinstance(customers, str) else set(customers)


def create_arguments(audiences, caps, scores, exclude):
    """Return the arguments of waterfall."""
    named = dict(zip(audience_names, audiences, strict=False))
    limits = {name: cap for name, cap in zip(audience_names, caps, strict=True) if cap is not None and name in named}
    series = pd.Series(scores, dtype="float64")
    # A Series without any score of a known customer is an error.
    has_scores = any(uid in scores for uid in UIDS)
    return {"audiences": named, "caps": limits, "order_by": series if has_scores else None, "exclude": exclude}


def assign_customers(snapshot, arguments):
    """Return the sorted customers of each audience, computed customer by customer."""
    scores = {} if arguments["order_by"] is None else arguments["order_by"].dropna().to_dict()
    taken, excluded, result = set(), select(snapshot, arguments["exclude"]), {}
    for name, customers in arguments["audiences"].items():
        free = [uid for uid in select(snapshot, customers) if uid not in taken | excluded]
        free.sort(key=lambda uid: (uid not in scores, -scores.get(uid, 0), uid))
        result[name] = sorted(free[: arguments["caps"].get(name)])
        taken.update(result[name])
    return result


@given(memberships, audience_lists, cap_lists, score_maps, audience_values)
def test_waterfall(pairs, audiences, caps, scores, exclude):
    "Each customer is in the first audience that selects the customer, and the best scores stay below a cap."
    snapshot, arguments = create_snapshot(pairs), create_arguments(audiences, caps, scores, exclude)

    table = fg.waterfall(snapshot, **arguments)

    expected = assign_customers(snapshot, arguments)
    rows = [(name, uid) for name, uids in expected.items() for uid in uids]
    assert list(table.itertuples(index=False, name=None)) == rows
    assert not table["customer_uid"].duplicated().any()
    assert not set(table["customer_uid"]) & select(snapshot, exclude)
    assert all((table["audience"] == name).sum() <= cap for name, cap in arguments["caps"].items())


@given(memberships, audience_lists, cap_lists, score_maps, audience_values)
def test_counts_add_up(pairs, audiences, caps, scores, exclude):
    "For each audience, the summary counts the requested customers, and its other counts add up to this number."
    snapshot, arguments = create_snapshot(pairs), create_arguments(audiences, caps, scores, exclude)

    summary = fg.waterfall_summary(fg.waterfall(snapshot, **arguments))

    expected, taken = assign_customers(snapshot, arguments), set()
    excluded = select(snapshot, exclude)
    assert list(summary["audience"]) == list(expected)
    assert (summary["n_requested"] == summary[COUNTS[1:]].sum(axis=1)).all()
    for row in summary.itertuples():
        requested = select(snapshot, arguments["audiences"][row.audience])
        assert (row.n_requested, row.n_excluded) == (len(requested), len(requested & excluded))
        assert (row.n_earlier, row.n_remaining) == (len(requested & taken), len(expected[row.audience]))
        taken.update(expected[row.audience])
    assert summary["cap"].dropna().tolist() == [
        arguments["caps"][name] for name in expected if name in arguments["caps"]
    ]
    pdt.assert_frame_equal(summary, fg.waterfall_summary(snapshot, **arguments))


@given(memberships, audience_lists, cap_lists, score_maps, audience_values, st.randoms())
def test_order_of_rows(pairs, audiences, caps, scores, exclude, shuffler):
    "The order of rows in the snapshot, in lists, and in scores does not change the result."

    def mixed(values):
        return shuffler.sample(values, len(values)) if isinstance(values, list) else values

    arguments = create_arguments(audiences, caps, scores, exclude)
    table = fg.waterfall(create_snapshot(pairs), **arguments)

    other = create_arguments([mixed(values) for values in audiences], caps, scores, mixed(exclude))
    if other["order_by"] is not None:
        other["order_by"] = other["order_by"].sample(frac=1, random_state=shuffler.randrange(99))

    pdt.assert_frame_equal(fg.waterfall(create_snapshot(mixed(pairs)), **other), table)


def test_many_ties():
    "Among customers with equal scores, those with the first uids stay below the cap."
    uids = [f"c-{n}" for n in range(300)]
    shuffled = random.Random(1).sample(uids, len(uids))
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "a", "customer_uid": shuffled}), tenant_uid="t", taken_at="2026-11-23"
    )
    scores = pd.Series([n % 2 for n in range(300)], index=uids)

    for order_by, candidates in ((None, uids), (scores, uids[1::2])):
        table = fg.waterfall(snapshot, {"A": "a"}, caps={"A": 70}, order_by=order_by)
        assert list(table["customer_uid"]) == sorted(candidates)[:70]


SCORES = {
    "int64": pd.Series(range(12), dtype="int64"),
    "uint8": pd.Series(range(12), dtype="uint8"),
    "large Int64": pd.Series([2**62 + n for n in range(11)] + [None], dtype="Int64"),
    "float32": pd.Series([*range(11), np.nan], dtype="float32"),
    "infinite": pd.Series([-np.inf, *range(10), np.inf]),
    "boolean": pd.Series([False] * 10 + [True, None], dtype="boolean"),
    "datetime": pd.Series([*pd.date_range("2026-01-01", periods=11), pd.NaT]),
    "timedelta": pd.to_timedelta(pd.Series(range(12)), unit="D"),
    "object": pd.Series([*range(11), None], dtype=object),
    "category": pd.Series([0, 1] * 6, dtype="category"),
    "missing": pd.Series([None] * 12, dtype="float64"),
}


@pytest.mark.parametrize("dtype", SCORES)
@pytest.mark.parametrize("index", ["row labels", "uids"])
def test_scores(dtype, index):
    "Scores of each dtype of numbers and dates are sorted from the largest to the smallest, with missing values last."
    snapshot = create_snapshot([("a", uid) for uid in UIDS])
    scores = SCORES[dtype]
    known = [n for n in range(12) if pd.notna(scores[n])]
    best = sorted(known, key=lambda n: (scores[n], -n), reverse=True) + [n for n in range(12) if n not in known]
    series = scores.set_axis(UIDS) if index == "uids" else scores

    for cap in (1, 3, 12):
        table = fg.waterfall(snapshot, {"A": "a"}, caps={"A": cap}, order_by=series.iloc[::-1])
        assert list(table["customer_uid"]) == [UIDS[n] for n in sorted(best[:cap])]


def test_customer_column():
    "The argument `order_by` can be the name of a customer column. Customers who are in no group are last."
    snapshot = create_snapshot([("a", uid) for uid in UIDS])

    table = fg.waterfall(snapshot, {"A": [*UIDS, *OTHERS]}, caps={"A": 5}, order_by="credit_limit")
    all_customers = fg.waterfall(snapshot, {"A": [*UIDS, *OTHERS]}, caps={"A": 13}, order_by="credit_limit")

    assert list(table["customer_uid"]) == ["c-01", "c-02", "c-05", "c-08", "c-11"]
    assert set(OTHERS) - set(all_customers["customer_uid"]) == {"x-78"}


def test_segments_as_audiences():
    "The result of segment is a mapping of audiences, and a mask is an audience."
    snapshot = sample_snapshot()
    segments = fg.segment(snapshot, {"vip": "in_group('VIP')", "mail": "reachable_email"})
    mask = snapshot.customers["has_email"].fillna(False)

    table = fg.waterfall(snapshot, {**segments, "mask": mask})

    sizes = table["audience"].value_counts()
    assert sizes["vip"] == 2 and sizes["mail"] == len(set(segments["mail"]) - set(segments["vip"]))
    assert set(table["customer_uid"]) == {
        *segments["vip"],
        *segments["mail"],
        *snapshot.customers["customer_uid"][mask],
    }


@pytest.mark.parametrize(
    "convert",
    [tuple, set, iter, np.array, pd.Series, pd.Index, lambda uids: pd.Series(uids, dtype="category")],
    ids=["tuple", "set", "iterator", "array", "Series", "Index", "category"],
)
def test_types_of_lists(convert):
    "The uids of an audience can be in any iterable."
    table = fg.waterfall(sample_snapshot(), {"A": convert(["c-2", "c-1", "c-1"])}, exclude=convert(["c-2"]))

    assert list(table["customer_uid"]) == ["c-1"]


def test_columns_and_dtypes():
    "Without audiences or customers, the tables have the same columns and dtypes."
    snapshot = sample_snapshot()
    full = fg.waterfall(snapshot, {"A": "all"}, caps={"A": 5})

    for empty in (
        fg.waterfall(snapshot, {}),
        fg.waterfall(snapshot, {"A": []}),
        fg.waterfall(snapshot, {"A": "VIP"}, exclude="all"),
    ):
        assert empty.dtypes.to_dict() == full.dtypes.to_dict() == {"audience": "str", "customer_uid": "str"}
        summary = fg.waterfall_summary(empty)
        assert summary.dtypes.astype(str).to_dict() == {
            "audience": "str",
            "cap": "Int64",
            **dict.fromkeys(COUNTS, "int64"),
        }
    assert json.loads(json.dumps(full.attrs)) == full.attrs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"audiences": ["VIP"]}, ["`audiences`", "list"]),
        ({"audiences": {"A": None}}, ["audiences['A']", "NoneType"]),
        ({"audiences": {"A": 5}}, ["audiences['A']", "int"]),
        ({"audiences": {"A": {"c-1": False}}}, ["audiences['A']", "dict"]),
        ({"audiences": {"A": ["c-1", 2]}}, ["uid", "int"]),
        ({"audiences": {"A": ["c-1", ""]}}, ["uid"]),
        ({"audiences": {"A": ["VIP"]}}, ["audiences['A']", "group 'VIP'", "expression"]),
        ({"audiences": {"A": ["VIP & all"]}}, ["'VIP & all'", "expression"]),
        ({"audiences": {"A": ["C-1"]}}, ["audiences['A']", "'C-1'", "'c-1'", "allow_similar_ids"]),
        ({"audiences": {"A": pd.Series([True])}}, ["audiences['A']", "251"]),
        ({"audiences": {"": "VIP"}}, ["name of an audience"]),
        ({"audiences": {7: "VIP"}}, ["name of an audience", "int"]),
        ({"caps": {"a": 5}}, ["`caps`", "'a'", "'A'"]),
        ({"caps": {"A": -1}}, ["caps['A']", "-1"]),
        ({"caps": {"A": 1.5}}, ["caps['A']", "1.5"]),
        ({"caps": {"A": True}}, ["caps['A']", "True"]),
        ({"caps": {"A": None}}, ["caps['A']", "None"]),
        ({"caps": 5}, ["`caps`", "int"]),
        ({"order_by": "credit_limt"}, ["`order_by`", "credit_limit"]),
        ({"order_by": "country_code"}, ["`order_by`", "text"]),
        ({"order_by": ["c-1"]}, ["`order_by`", "list"]),
        ({"order_by": pd.Series([1, 2])}, ["`order_by`", "2 scores", "251"]),
        ({"order_by": pd.Series([1, 2], index=["c-1", "c-1"])}, ["`order_by`", "1 customer"]),
        ({"order_by": pd.Series([1, 2], index=["x", "y"])}, ["`order_by`", "2 scores"]),
        ({"order_by": pd.Series([1, "a"], index=["c-1", "c-2"])}, ["`order_by`", "numbers or dates"]),
        (
            {"order_by": pd.Series(pd.Categorical([1, 2], [2, 1], ordered=True), index=["c-1", "c-2"])},
            ["`order_by`", "categories"],
        ),
        ({"exclude": ["staff"]}, ["`exclude`", "group 'staff'", "expression"]),
        ({"exclude": ["C-1"]}, ["`exclude`", "'C-1'"]),
        ({"exclude": 5}, ["`exclude`", "int"]),
    ],
    ids=str,
)
def test_invalid_arguments(arguments, words):
    "The error for an invalid argument contains the name of the argument, and the value or its type."
    with pytest.raises(InputError) as caught:
        fg.waterfall(sample_snapshot(), **{"audiences": {"A": "VIP"}, **arguments})

    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("arguments", "audience"), [({"audiences": {"B": "all", "A": "VIPs - all"}}, "A"), ({"exclude": "VIPs"}, None)]
)
def test_unknown_group(arguments, audience):
    "The error for an unknown group in an expression contains the audience and similar names."
    with pytest.raises(GroupNotFoundError) as caught:
        fg.waterfall(sample_snapshot(), **{"audiences": {"A": "VIP"}, **arguments})

    assert caught.value.close == ["VIP"]
    assert getattr(caught.value, "audience", None) == audience


def test_similar_ids():
    "A list can contain ids that are similar to known ids if the caller allows it."
    table = fg.waterfall(sample_snapshot(), {"A": ["C-1"]}, exclude=["c-1"], allow_similar_ids=True)

    assert list(table["customer_uid"]) == ["C-1"]


def test_summary_of_changed_table():
    "The counts of a table are not used for other rows, and other arguments require a snapshot."
    snapshot = sample_snapshot()
    table = fg.waterfall(snapshot, {"A": "VIP", "B": "all"})

    pdt.assert_frame_equal(fg.waterfall_summary(table.sample(frac=1)), fg.waterfall_summary(table))
    for changed in (table[table["audience"] == "A"], table.iloc[1:], pd.DataFrame(table.to_dict("list"))):
        with pytest.raises(InputError, match="unchanged"):
            fg.waterfall_summary(changed)
    with pytest.raises(InputError, match="Snapshot"):
        fg.waterfall_summary(table, caps={"A": 1})
    with pytest.raises(InputError, match="audiences"):
        fg.waterfall_summary(snapshot)
    with pytest.raises(InputError, match="list"):
        fg.waterfall_summary([table])


# Plans


def changes_of(plan):
    """Return the additions and removals of a plan as sets of tuples."""
    return set(plan.table()[["customer_group_uid", "customer_uid", "change"]].itertuples(index=False, name=None))


@given(memberships, audience_lists, cap_lists, audience_values)
def test_plan(pairs, audiences, caps, exclude):
    "A plan in the mode mirror makes each group contain exactly the customers of its audience."
    snapshot = create_snapshot(pairs)
    arguments = create_arguments(audiences[:3], caps, {}, exclude)
    groups = dict(zip(audience_names, ["a", "B", "new"], strict=False))
    named = {groups[name]: customers for name, customers in arguments["audiences"].items()}
    limits = {groups[name]: cap for name, cap in arguments["caps"].items()}
    table = fg.waterfall(snapshot, named, caps=limits, exclude=exclude)
    create = {"new": "New"} if "new" in named else None

    plan = fg.plan_memberships(snapshot, table, mode="mirror", create=create)

    desired = {name: list(table["customer_uid"][table["audience"] == name]) for name in named}
    assert changes_of(plan) == changes_of(fg.plan_memberships(snapshot, desired, mode="mirror", create=create))
    preview = plan.preview()
    assert preview.matrix.n_groups == 3 + len(create or {})
    uids = {"a": "a", "B": "b", "new": "new"}
    assert {name: sorted(preview.matrix.members(uids[name])) for name in named} == {
        name: sorted(customers) for name, customers in desired.items()
    }


def test_plan_of_empty_audience():
    "An audience without customers empties its group, unless the caller removed rows of the table."
    snapshot = sample_snapshot()
    table = fg.waterfall(snapshot, {"all": "VIP", "staff": ["c-1"]})

    plan = fg.plan_memberships(snapshot, table, mode="mirror")
    other = fg.plan_memberships(snapshot, table.iloc[1:], mode="mirror")

    assert {(uid, change) for uid, _, change in changes_of(plan)} == {("all", "remove"), ("staff", "remove")}
    assert {uid for uid, _, _ in changes_of(other)} == {"all"}


def test_ambiguous_audience():
    "The name of an audience that is the uid of one group and the name of another is an error."
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": ["g", "h"], "customer_uid": ["1", "2"]}),
        pd.DataFrame({"customer_group_uid": ["g", "h"], "name": ["h", "x"]}),
        tenant_uid="t",
        taken_at="2026-11-23",
    )
    table = fg.waterfall(snapshot, {"h": ["1"]})

    with pytest.raises(GroupNotFoundError) as caught:
        fg.plan_memberships(snapshot, table)
    assert caught.value.n_matches == 2
    plan = fg.plan_memberships(snapshot, fg.waterfall(snapshot, {'uid:"h"': ["1"]}))
    assert changes_of(plan) == {("h", "1", "add")}
