"""Tests for reachability and incremental reach, which are compared with Python sets."""

from collections import defaultdict
from itertools import product
from math import isnan

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis.group_expressions import members
from frgroups.analysis.reach import incremental_reach, reachability, reachable_customers
from frgroups.analysis.set_cover import greedy_cover
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import as_membership_matrix

COLUMNS = {
    **dict.fromkeys(["customer_group_uid", "name", "channel", "consent"], "str"),
    **{"n_members": "int64", "n_with_contact": "Int64", "n_consented": "Int64", "n_reachable": "Int64"},
    **{"share_reachable": "float64", "suppressed": "bool"},
}
STEPS = {
    **{"step": "int64", "customer_group_uid": "str", "name": "str"},
    **dict.fromkeys(["n_reachable", "n_new", "n_cumulative"], "int64"),
    "share_cumulative": "float64",
}

# Each tuple contains the groups, email flag, mobile flag, newsletter consent, and SMS consent of a customer.
status_values = st.sampled_from([True, False, None])
customer_rows = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", "ab", "bc"]), status_values, status_values, status_values, status_values
    ),
    min_size=1,
    max_size=25,
)


def create_snapshot(rows, **consents):
    """Return a snapshot of customers from rows of groups, contact points, and consents."""
    uids = pd.Series([f"c{n:03d}" for n in range(len(rows))], dtype="str")
    memberships = [(group, uid) for uid, row in zip(uids, rows, strict=True) for group in row[0]]
    customers = pd.DataFrame(
        {
            "customer_uid": uids,
            # At least one value is not missing, because a column without values is rejected.
            "has_email": pd.array([bool(row[1]) for row in rows], dtype="boolean"),
            "has_mobile": pd.array([row[2] for row in rows[:-1]] + [False] * len(rows[-1:]), dtype="boolean"),
        }
    )
    consent_rows = [
        (uid, consent, status)
        for uid, row in zip(uids, rows, strict=True)
        for consent, status in (("Newsletter", row[3]), ("SMS", row[4]))
        if status is not None
    ]
    # This customer ensures that both consents exist.
    consent_rows += [("stranger", "Newsletter", False), ("stranger", "SMS", False)]
    table = pd.DataFrame(consent_rows, columns=["customer_uid", "name", "status"])
    table = table.assign(consent_uid=table["name"].str.lower(), **consents)
    groups = pd.DataFrame({"customer_group_uid": list("abc"), "name": ["A", "B", "C"]})
    frame = pd.DataFrame(memberships, columns=["customer_group_uid", "customer_uid"], dtype="str")
    all_customers = pd.concat([customers, pd.DataFrame({"customer_uid": ["stranger"], "has_email": [True]})])
    return snapshot_from_frames(frame, groups, all_customers, table, tenant_uid="t", taken_at="2026-11-23")


def contact_and_consent(rows, group, channel):
    """Return the group members who have a contact point, and the group members who gave consent."""
    members = [n for n, row in enumerate(rows) if group in row[0]]
    contact, consent = {"email": (1, 3), "mobile": (2, 4)}[channel]
    with_contact = {n for n in members if rows[n][contact] and not (channel == "mobile" and n == len(rows) - 1)}
    return with_contact, {n for n in members if rows[n][consent]}


@given(customer_rows)
def test_reachability(rows):
    "Members are counted like Python sets, and the channel (any) counts members who are reachable on any channel."
    table = reachability(create_snapshot(rows), min_count=0)

    keys = list(zip(table["customer_group_uid"], table["channel"], strict=True))
    assert keys == list(product("abc", ["email", "mobile", "(any)"]))
    for row in table.itertuples():
        sides = [
            contact_and_consent(rows, row.customer_group_uid, c)
            for c in ("email", "mobile")
            if row.channel in (c, "(any)")
        ]
        contact, consent = (set().union(*sets) for sets in zip(*sides, strict=True))
        both = set().union(*(one & other for one, other in sides))
        n_members = sum(row.customer_group_uid in r[0] for r in rows)
        assert (row.n_members, row.n_with_contact, row.n_consented) == (n_members, len(contact), len(consent))
        assert row.n_reachable == len(both)
        if n_members:
            assert row.share_reachable == pytest.approx(len(both) / n_members)
        else:
            assert isnan(row.share_reachable)
    assert not table["suppressed"].any()


@given(customer_rows, st.integers(1, 4))
def test_suppression(rows, min_count):
    "Neither a published count nor a difference of published counts is a small count."
    table = reachability(create_snapshot(rows), min_count=min_count)

    for _, own in table.groupby("customer_group_uid"):
        email, mobile, both = (own.iloc[n] for n in range(3))
        computed = []
        for row in (email, mobile, both):
            n, contact, consent, n_reach = row[["n_members", "n_with_contact", "n_consented", "n_reachable"]]
            computed += [contact, consent, n_reach, n - contact, n - consent, n - n_reach]
            computed += [contact - n_reach, consent - n_reach]
            if row["channel"] != "(any)":
                computed += [n - contact - consent + n_reach]
        for name in ("n_with_contact", "n_consented", "n_reachable"):
            computed += [both[name] - email[name], both[name] - mobile[name], email[name] + mobile[name] - both[name]]
        assert all(pd.isna(count) or count == 0 or count >= min_count for count in computed)
        assert own["suppressed"].tolist() == own.isna().drop(columns="share_reachable").any(axis=1).tolist()
        assert own["share_reachable"].isna().equals(own["n_reachable"].isna() | (own["n_members"] == 0))


@pytest.mark.slow
def test_suppressed_counts_are_ambiguous():
    "Among all groups with the same published row, each suppressed count has at least min_count possible values."
    min_count = 3

    for size in (2, 3, 4, 7):
        rows = defaultdict(list)
        for both, contact, consent in product(range(size + 1), repeat=3):
            if both + contact + consent <= size:
                kinds = [(True, True)] * both + [(True, None)] * contact + [(None, True)] * consent
                kinds += [(None, None)] * (size - len(kinds))
                rows[both, both + contact, both + consent] = kinds
        other_rows = [("", None, None, None, None)]
        views = [published_counts(kinds, other_rows, min_count) for kinds in rows.values()]
        for view, counts in counts_by_view(views, rows).items():
            for position, published in enumerate(view):
                possible = {count[position] for count in counts}
                if published is None:
                    assert len(possible) >= min(min_count, size + 1)
                else:
                    assert possible == {published}


def published_counts(kinds, other_rows, min_count):
    """Return the published counts of a group that contains the given customers, with None for suppressed counts."""
    rows = [("a", email, None, newsletter, None) for email, newsletter in kinds]
    table = reachability(create_snapshot([*rows, *other_rows]), ["a"], channels=["email"], min_count=min_count)
    row = table.iloc[0][["n_reachable", "n_with_contact", "n_consented"]]
    return tuple(None if pd.isna(count) else int(count) for count in row)


def counts_by_view(views, rows):
    """Return a dictionary from published counts to the true counts of all groups that are published in this way."""
    groups = defaultdict(list)
    for view, counts in zip(views, rows, strict=True):
        groups[view].append(counts)
    return groups


@given(customer_rows)
def test_group_selection(rows):
    "If groups are selected, their rows are the same as in the complete table, and the input is not modified."
    snapshot = create_snapshot(rows)
    before = snapshot.consents.copy(deep=True)
    all_groups = reachability(snapshot)

    selected = reachability(snapshot, ["C", "a"])

    expected = all_groups[all_groups["customer_group_uid"] != "b"].reset_index(drop=True)
    pdt.assert_frame_equal(selected, expected)
    pdt.assert_frame_equal(snapshot.consents, before)


def test_channels():
    "If a single channel is requested, each group has one row. The order of several channels is preserved."
    both = reachability(sample_snapshot(), channels=["mobile", "email"], consent={"mobile": "newsletter"})

    assert reachability(sample_snapshot(), channels=["email"])["channel"].tolist() == ["email"] * 3
    assert both["channel"].tolist() == ["mobile", "email", "(any)"] * 3
    assert both["consent"].drop_duplicates().tolist() == ["Newsletter"]


def test_columns_and_dtypes():
    "The columns and dtypes of the reach tables do not depend on the number of customers and groups."
    no_memberships = pd.DataFrame({"customer_group_uid": [], "customer_uid": []}, dtype="str")
    groups = pd.DataFrame({"customer_group_uid": ["a"], "name": ["A"]})
    empty = [
        snapshot_from_frames(no_memberships, tenant_uid="t", taken_at="2026-11-23"),
        snapshot_from_frames(no_memberships, groups, tenant_uid="t", taken_at="2026-11-23"),
    ]

    for snapshot in [*empty, sample_snapshot()]:
        table = reachability(snapshot, consent={"mobile": "newsletter"} if len(snapshot.customers) else None)
        assert table.dtypes.astype(str).to_dict() == COLUMNS
        assert incremental_reach(snapshot).dtypes.astype(str).to_dict() == STEPS
    assert [len(reachability(snapshot)) for snapshot in empty] == [0, 3]


@pytest.mark.parametrize("name", ["Nyhetsbrev på e-post", "E-mail marketing", "NEWSLETTER", "Sähköposti"])
def test_consent_detection(name):
    "If the name of only one consent contains a word for the channel, this consent is used."
    snapshot = sample_snapshot()
    consents = snapshot.consents.assign(consent_uid="k-1", name=name)
    other = consents.assign(consent_uid="k-2", name="Profilering", status=False)
    changed = replace_tables(snapshot, pd.concat([consents, other]))

    table = reachability(changed, ["all"], channels=["email"])

    assert (table["consent"][0], table["n_reachable"][0]) == (name, 120)


def replace_tables(snapshot, consents, customers=None):
    """Return a copy of the snapshot with other tables of consents and customers."""
    return snapshot_from_frames(
        snapshot.memberships,
        snapshot.groups,
        snapshot.customers if customers is None else customers,
        consents,
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def test_ambiguous_consent():
    "If no consent or several consents match a channel, the error lists the consents in the snapshot."
    snapshot = sample_snapshot()
    two = pd.concat([snapshot.consents, snapshot.consents.assign(consent_uid="mail-2")])

    with pytest.raises(InputError, match=r"mobile.*newsletter"):
        reachability(snapshot)
    with pytest.raises(InputError, match=r"email.*mail-2.*newsletter"):
        incremental_reach(replace_tables(snapshot, two))
    with pytest.raises(InputError, match=r"'Newsletter'.*mail-2"):
        reachability(replace_tables(snapshot, two), channels=["email"], consent={"email": "Newsletter"})
    with pytest.raises(InputError, match="email"):
        reachability(replace_tables(snapshot, None))
    chosen = reachability(replace_tables(snapshot, two), channels=["email"], consent={"email": "mail-2"})
    assert chosen["n_reachable"].tolist() == reachability(snapshot, channels=["email"])["n_reachable"].tolist()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: reachability(s, channels=["post"]), ["'post'", "email", "mobile"]),
        (lambda s: reachability(s, consent={"sms": "x"}), ["'sms'"]),
        (lambda s: reachability(s, channels="email"), ["channels", "'email'"]),
        (lambda s: reachability(s, channels=[]), ["channels"]),
        (lambda s: reachability(s, channels=["email", "email"]), ["channels"]),
        (lambda s: reachability(s, consent="newsletter"), ["consent", "str"]),
        (lambda s: reachability(s, min_count=-1), ["`min_count`", "-1"]),
        (lambda s: reachability(s.memberships), ["snapshot", "DataFrame"]),
        (
            lambda s: reachability(replace_tables(s, s.consents, s.customers[["customer_uid"]])),
            ["has_email", "251"],
        ),
        (lambda s: incremental_reach(s, order="best"), ["order", "'best'", "'greedy'", "'given'"]),
        (lambda s: incremental_reach(s, target=0), ["`target`", "0"]),
        (lambda s: incremental_reach(s, target=95), ["`target`", "95"]),
        (lambda s: incremental_reach(s, "vip"), ["groups", "'vip'"]),
    ],
)
def test_invalid_arguments(call, words):
    "The error for an invalid argument contains the argument's name and value."
    with pytest.raises(InputError) as caught:
        call(sample_snapshot())

    assert all(word in str(caught.value) for word in words)


def test_unknown_group():
    "The error for an unknown group suggests similar names."
    with pytest.raises(GroupNotFoundError) as caught:
        incremental_reach(sample_snapshot(), ["VIPs"])

    assert "VIP" in caught.value.close


# Reachable customers


@given(customer_rows, st.sampled_from(["email", "mobile", "(any)"]))
def test_reachable_customers(rows, channel):
    "The number of reachable customers of each group is equal to n_reachable, and lists and expressions agree."
    snapshot = create_snapshot(rows)
    table = reachability(snapshot, min_count=0)

    for row in table[table["channel"] == channel].itertuples():
        for groups in (row.name, [row.name], [row.customer_group_uid]):
            uids = reachable_customers(snapshot, groups, channel)
            assert len(uids) == row.n_reachable and uids.is_monotonic_increasing
            assert set(uids) <= set(snapshot[row.name])
    everyone = reachable_customers(snapshot, None, channel)
    assert set(reachable_customers(snapshot, "(a | b) - c", channel)) == set(everyone) & set(
        members(snapshot, "(a | b) - c")
    )
    assert list(reachable_customers(snapshot, "a | c", channel)) == list(
        reachable_customers(snapshot, ["a", "C"], channel)
    )
    assert (everyone.name, str(everyone.dtype)) == ("customer_uid", "str")


@given(customer_rows, st.sampled_from(["a & b", "a ^ c", "b - a", "a | b | c"]))
def test_reachability_of_expressions(rows, expression):
    "If a group contains the customers of an expression, its reachability counts the reachable customers."
    snapshot = create_snapshot(rows)
    selected = pd.DataFrame({"customer_group_uid": "d", "customer_uid": members(snapshot, expression)})
    groups = pd.DataFrame({"customer_group_uid": list("abcd"), "name": list("ABCD")})
    extended = snapshot_from_frames(
        pd.concat([snapshot.memberships, selected]),
        groups,
        snapshot.customers,
        snapshot.consents,
        tenant_uid="t",
        taken_at="2026-11-23",
    )

    table = reachability(extended, ["D"], min_count=0)

    counts = [len(reachable_customers(snapshot, expression, channel)) for channel in table["channel"]]
    assert counts == table["n_reachable"].tolist()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: reachable_customers(s, "VIP", "post"), ["`channel`", "'post'", "'email'", "'(any)'"]),
        (lambda s: reachable_customers(s, "VIP", "mobile"), ["mobile", "newsletter"]),
        (lambda s: reachable_customers(s, "VIP & & all"), ["character 7"]),
        (lambda s: reachable_customers(s, "VIPs"), ["'VIPs'", "'VIP'"]),
        (lambda s: reachable_customers(s, ["VIPs"]), ["'VIPs'", "'VIP'"]),
        (lambda s: reachable_customers(s, 5), ["`groups`", "int"]),
        (lambda s: reachable_customers(s, "VIP", consent="newsletter"), ["`consent`", "str"]),
        (lambda s: reachable_customers(s.memberships, "VIP"), ["`snapshot`", "DataFrame"]),
    ],
)
def test_invalid_arguments_of_reachable_customers(call, words):
    "The error for an invalid argument contains the argument's name or value."
    with pytest.raises(InputError) as caught:
        call(sample_snapshot())

    assert [word for word in words if word not in str(caught.value)] == []


# Incremental reach

membership_rows = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("pqrstuvw")), max_size=40)


def create_matrix(rows):
    """Return a membership matrix from pairs of group uid and customer uid."""
    return as_membership_matrix(pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"))


@given(membership_rows, st.floats(0.05, 1.0))
def test_greedy_cover(rows, target):
    "Each step of the greedy cover selects the first group with the most new customers, until the target is reached."
    groups = {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}
    reachable = set().union(*groups.values())
    covered, expected = set(), []
    while len(covered) < target * len(reachable):
        best = max(groups, key=lambda g: (len(groups[g] - covered), [-ord(g)]))
        expected.append((best, len(groups[best] - covered)))
        covered |= groups[best]

    matrix = create_matrix(rows)
    chosen, n_new = greedy_cover(matrix, target)

    assert list(zip(matrix.group_uids[chosen], n_new.tolist(), strict=True)) == expected


@given(
    customer_rows, st.sampled_from(["email", "mobile"]), st.sampled_from([0.5, 1.0]), st.sampled_from(["ab", "cab"])
)
def test_incremental_reach(rows, channel, target, group_order):
    "Each step of incremental_reach counts the customers who are not reached by previous steps."
    reach = {}
    for group in group_order:
        contact, consent = contact_and_consent(rows, group, channel)
        reach[group] = contact & consent
    reachable = set().union(*reach.values())
    snapshot = create_snapshot(rows)

    table = incremental_reach(snapshot, list(group_order), channel=channel, target=target, order="given")
    greedy = incremental_reach(snapshot, list(group_order), channel=channel, target=target)

    covered = set()
    for row, group in zip(table.itertuples(), group_order, strict=False):
        assert len(covered) < target * len(reachable)
        assert (row.customer_group_uid, row.n_reachable) == (group, len(reach[group]))
        assert row.n_new == len(reach[group] - covered)
        covered |= reach[group]
        assert (row.n_cumulative, row.share_cumulative) == (len(covered), len(covered) / len(reachable))
    for steps in (table, greedy):
        assert steps["step"].tolist() == list(range(1, len(steps) + 1))
        assert steps["n_cumulative"].tolist() == steps["n_new"].cumsum().tolist()
        assert steps["n_cumulative"].max() >= target * len(reachable) if len(reachable) else len(steps) == 0
    assert greedy["n_new"].is_monotonic_decreasing and (greedy["n_new"] > 0).all()


def test_sandbox_reach():
    "In a loaded tenant, the consent of each channel is detected, and the counts are consistent."
    with fg.Sandbox(customers=1500, groups=20) as sandbox, sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, progress=False)

    table = reachability(snapshot, min_count=0)
    steps = incremental_reach(snapshot)

    assert set(table["consent"]) == {"Nyhetsbrev på e-post", "SMS", "Nyhetsbrev på e-post or SMS"}
    assert (table["n_reachable"] <= np.minimum(table["n_with_contact"], table["n_consented"])).all()
    reachable = snapshot.customers["has_email"] & snapshot.customers["customer_uid"].isin(
        snapshot.consents.query("consent_uid == 'consent_newsletter' and status")["customer_uid"]
    )
    assert steps["n_cumulative"].max() == reachable.sum()
