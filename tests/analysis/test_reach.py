"""Reach against plain sets: consent and contact point, what each further group adds, and what may not be computed."""

from collections import defaultdict
from itertools import product
from math import isnan

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis.reach import incremental_reach, reachability
from frgroups.analysis.set_cover import greedy_cover
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import as_membership_matrix

LAW = settings(deadline=None, max_examples=40)
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

# The groups a customer is in, e-mail, mobile, and what they said to the newsletter and to SMS.
said = st.sampled_from([True, False, None])
customers_of = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "ab", "bc"]), said, said, said, said),
    min_size=1,
    max_size=25,
)


def snapshot_of(rows, **consents):
    uids = pd.Series([f"c{n:03d}" for n in range(len(rows))], dtype="str")
    memberships = [(group, uid) for uid, row in zip(uids, rows, strict=True) for group in row[0]]
    customers = pd.DataFrame(
        {
            "customer_uid": uids,
            # Of nobody nothing is known: a tenant of which all is missing is another case.
            "has_email": pd.array([bool(row[1]) for row in rows], dtype="boolean"),
            "has_mobile": pd.array([row[2] for row in rows[:-1]] + [False] * len(rows[-1:]), dtype="boolean"),
        }
    )
    told = [
        (uid, consent, status)
        for uid, row in zip(uids, rows, strict=True)
        for consent, status in (("Newsletter", row[3]), ("SMS", row[4]))
        if status is not None
    ]
    # A stranger's, so that both consents are always there.
    told += [("stranger", "Newsletter", False), ("stranger", "SMS", False)]
    table = pd.DataFrame(told, columns=["customer_uid", "name", "status"])
    table = table.assign(consent_uid=table["name"].str.lower(), **consents)
    groups = pd.DataFrame({"customer_group_uid": list("abc"), "name": ["A", "B", "C"]})
    frame = pd.DataFrame(memberships, columns=["customer_group_uid", "customer_uid"], dtype="str")
    everybody = pd.concat([customers, pd.DataFrame({"customer_uid": ["stranger"], "has_email": [True]})])
    return snapshot_from_frames(frame, groups, everybody, table, tenant_uid="t", taken_at="2026-11-23")


def reached(rows, group, channel):
    """Who of a group has a contact point, who gives consent, and who does both."""
    mine = [n for n, row in enumerate(rows) if group in row[0]]
    contact, consent = {"email": (1, 3), "mobile": (2, 4)}[channel]
    with_contact = {n for n in mine if rows[n][contact] and not (channel == "mobile" and n == len(rows) - 1)}
    return with_contact, {n for n in mine if rows[n][consent]}


@LAW
@given(customers_of)
def test_reach_is_consent_and_contact_point(rows):
    "Counts of every group and channel are those of plain sets; (any) is whom one channel reaches at least."
    table = reachability(snapshot_of(rows), min_count=0)

    keys = list(zip(table["customer_group_uid"], table["channel"], strict=True))
    assert keys == list(product("abc", ["email", "mobile", "(any)"]))
    for row in table.itertuples():
        sides = [reached(rows, row.customer_group_uid, c) for c in ("email", "mobile") if row.channel in (c, "(any)")]
        contact, given_ = (set().union(*sets) for sets in zip(*sides, strict=True))
        both = set().union(*(one & other for one, other in sides))
        n_members = sum(row.customer_group_uid in r[0] for r in rows)
        assert (row.n_members, row.n_with_contact, row.n_consented) == (n_members, len(contact), len(given_))
        assert row.n_reachable == len(both)
        if n_members:
            assert row.share_reachable == pytest.approx(len(both) / n_members)
        else:
            assert isnan(row.share_reachable)
    assert not table["suppressed"].any()


@LAW
@given(customers_of, st.integers(1, 4))
def test_no_small_count_can_be_computed_from_a_row_or_from_the_rows_of_a_group(rows, min_count):
    "No number shown, and no difference of numbers that are shown, is a count of 1 to min_count - 1 customers."
    table = reachability(snapshot_of(rows), min_count=min_count)

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


def test_what_is_left_out_of_a_channel_could_be_any_of_min_count_numbers():
    "Of all groups of a size with the same row, each number that is left out takes min_count values or more."
    min_count = 3

    for size in (2, 3, 4, 7):
        rows = defaultdict(list)
        for both, contact, given_ in product(range(size + 1), repeat=3):
            if both + contact + given_ <= size:
                kinds = [(True, True)] * both + [(True, None)] * contact + [(None, True)] * given_
                kinds += [(None, None)] * (size - len(kinds))
                rows[both, both + contact, both + given_] = kinds
        people = [("", None, None, None, None)]
        worlds = [worlds_row(kinds, people, min_count) for kinds in rows.values()]
        for seen, counts in grouped(worlds, rows).items():
            for place, shown in enumerate(seen):
                possible = {count[place] for count in counts}
                assert len(possible) >= min(min_count, size + 1) if shown is None else possible == {shown}


def worlds_row(kinds, people, min_count):
    """What is shown of a group of these customers: reachable, with contact, consented; None where left out."""
    rows = [("a", email, None, newsletter, None) for email, newsletter in kinds]
    table = reachability(snapshot_of([*rows, *people]), ["a"], channels=["email"], min_count=min_count)
    row = table.iloc[0][["n_reachable", "n_with_contact", "n_consented"]]
    return tuple(None if pd.isna(count) else int(count) for count in row)


def grouped(worlds, rows):
    same = defaultdict(list)
    for seen, counts in zip(worlds, rows, strict=True):
        same[seen].append(counts)
    return same


@LAW
@given(customers_of)
def test_groups_are_chosen_and_shown_in_uid_order(rows):
    "Some groups, by name, are the rows of the whole table; the input stays as it was."
    snapshot = snapshot_of(rows)
    before = snapshot.consents.copy(deep=True)
    whole = reachability(snapshot)

    some = reachability(snapshot, ["C", "a"])

    expected = whole[whole["customer_group_uid"] != "b"].reset_index(drop=True)
    pdt.assert_frame_equal(some, expected)
    pdt.assert_frame_equal(snapshot.consents, before)


def test_one_channel_has_no_row_of_any():
    "Where one channel is asked for, there is a row per group; the order of channels is the reader's."
    both = reachability(sample_snapshot(), channels=["mobile", "email"], consent={"mobile": "newsletter"})

    assert reachability(sample_snapshot(), channels=["email"])["channel"].tolist() == ["email"] * 3
    assert both["channel"].tolist() == ["mobile", "email", "(any)"] * 3
    assert both["consent"].drop_duplicates().tolist() == ["Newsletter"]


def test_reach_always_has_the_same_columns_and_dtypes():
    "A tenant of no customers, and one without a group, give the columns and dtypes of a full table."
    nothing = pd.DataFrame({"customer_group_uid": [], "customer_uid": []}, dtype="str")
    groups = pd.DataFrame({"customer_group_uid": ["a"], "name": ["A"]})
    empty = [
        snapshot_from_frames(nothing, tenant_uid="t", taken_at="2026-11-23"),
        snapshot_from_frames(nothing, groups, tenant_uid="t", taken_at="2026-11-23"),
    ]

    for snapshot in [*empty, sample_snapshot()]:
        table = reachability(snapshot, consent={"mobile": "newsletter"} if len(snapshot.customers) else None)
        assert table.dtypes.astype(str).to_dict() == COLUMNS
        assert incremental_reach(snapshot).dtypes.astype(str).to_dict() == STEPS
    assert [len(reachability(snapshot)) for snapshot in empty] == [0, 3]


@pytest.mark.parametrize("name", ["Nyhetsbrev på e-post", "E-mail marketing", "NEWSLETTER", "Sähköposti"])
def test_the_consent_for_email_is_known_by_its_words(name):
    "The only consent whose name or uid sounds like the channel is taken."
    snapshot = sample_snapshot()
    consents = snapshot.consents.assign(consent_uid="k-1", name=name)
    other = consents.assign(consent_uid="k-2", name="Profilering", status=False)
    named = made(snapshot, pd.concat([consents, other]))

    table = reachability(named, ["all"], channels=["email"])

    assert (table["consent"][0], table["n_reachable"][0]) == (name, 120)


def made(snapshot, consents, customers=None):
    return snapshot_from_frames(
        snapshot.memberships,
        snapshot.groups,
        snapshot.customers if customers is None else customers,
        consents,
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def test_a_consent_that_cannot_be_told_is_an_error_that_lists_them():
    "None or several that sound like the channel, or a name that two have: the error names those there are."
    snapshot = sample_snapshot()
    two = pd.concat([snapshot.consents, snapshot.consents.assign(consent_uid="mail-2")])

    with pytest.raises(InputError, match=r"consent for mobile cannot be told: 0 of the 1 .*newsletter, given by 150"):
        reachability(snapshot)
    with pytest.raises(InputError, match=r"consent for email cannot be told: 2 of the 2 .*mail-2.*newsletter"):
        incremental_reach(made(snapshot, two))
    with pytest.raises(InputError, match=r"Consent 'Newsletter' cannot be told: 2 of the 2"):
        reachability(made(snapshot, two), channels=["email"], consent={"email": "Newsletter"})
    with pytest.raises(InputError, match="none: no customer was asked for any"):
        reachability(made(snapshot, None))
    chosen = reachability(made(snapshot, two), channels=["email"], consent={"email": "mail-2"})
    assert chosen["n_reachable"].tolist() == reachability(snapshot, channels=["email"])["n_reachable"].tolist()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: reachability(s, channels=["post"]), "No channel is named 'post'; there are email, mobile"),
        (lambda s: reachability(s, consent={"sms": "x"}), "No channel is named 'sms'"),
        (lambda s: reachability(s, channels="email"), r"\['email'\]"),
        (lambda s: reachability(s, channels=[]), "at most once, and one at least"),
        (lambda s: reachability(s, channels=["email", "email"]), "at most once"),
        (lambda s: reachability(s, consent="newsletter"), "give {'email'"),
        (lambda s: reachability(s, min_count=-1), "`min_count` must be an integer of at least 0, got -1"),
        (lambda s: reachability(s.memberships), "must be a Snapshot"),
        (
            lambda s: reachability(made(s, s.consents, s.customers[["customer_uid"]])),
            "has_email is missing for all 251",
        ),
        (lambda s: incremental_reach(s, order="best"), "'greedy' nor 'given'"),
        (lambda s: incremental_reach(s, target=0), "`target` must be a positive number of at most 1, got 0"),
        (lambda s: incremental_reach(s, target=95), "`target` must be a positive number of at most 1, got 95"),
        (lambda s: incremental_reach(s, "vip"), r"\['vip'\]"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(ask, words):
    "The error tells what came and what is allowed."
    with pytest.raises(InputError, match=words):
        ask(sample_snapshot())


def test_an_unknown_group_is_refused_with_close_matches():
    "A name that is nearly right is suggested."
    with pytest.raises(GroupNotFoundError) as caught:
        incremental_reach(sample_snapshot(), ["VIPs"])

    assert "VIP" in caught.value.close


# What each further group adds

memberships_of = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("pqrstuvw")), max_size=40)


def matrix_from(rows):
    return as_membership_matrix(pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"))


@LAW
@given(memberships_of, st.floats(0.05, 1.0))
def test_the_greedy_choice_is_that_of_plain_sets(rows, target):
    "Each step takes the first of the groups that add most, and the last is the first to reach the target."
    groups = {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}
    everybody = set().union(*groups.values())
    covered, expected = set(), []
    while len(covered) < target * len(everybody):
        best = max(groups, key=lambda g: (len(groups[g] - covered), [-ord(g)]))
        expected.append((best, len(groups[best] - covered)))
        covered |= groups[best]

    matrix = matrix_from(rows)
    chosen, n_new = greedy_cover(matrix, target)

    assert list(zip(matrix.group_uids[chosen], n_new.tolist(), strict=True)) == expected


@LAW
@given(
    customers_of, st.sampled_from(["email", "mobile"]), st.sampled_from([0.5, 1.0]), st.sampled_from(["ab", "cab"])
)
def test_each_step_adds_whom_no_group_above_reaches(rows, channel, target, named):
    "In the given order too: n_new adds up to n_cumulative, and the last step is the first to reach the target."
    reach = {}
    for group in named:
        contact, given_ = reached(rows, group, channel)
        reach[group] = contact & given_
    everybody = set().union(*reach.values())
    snapshot = snapshot_of(rows)

    table = incremental_reach(snapshot, list(named), channel=channel, target=target, order="given")
    greedy = incremental_reach(snapshot, list(named), channel=channel, target=target)

    covered = set()
    for row, group in zip(table.itertuples(), named, strict=False):
        assert len(covered) < target * len(everybody)
        assert (row.customer_group_uid, row.n_reachable) == (group, len(reach[group]))
        assert row.n_new == len(reach[group] - covered)
        covered |= reach[group]
        assert (row.n_cumulative, row.share_cumulative) == (len(covered), len(covered) / len(everybody))
    for steps in (table, greedy):
        assert steps["step"].tolist() == list(range(1, len(steps) + 1))
        assert steps["n_cumulative"].tolist() == steps["n_new"].cumsum().tolist()
        assert steps["n_cumulative"].max() >= target * len(everybody) if len(everybody) else len(steps) == 0
    assert greedy["n_new"].is_monotonic_decreasing and (greedy["n_new"] > 0).all()


def test_a_loaded_tenant_tells_its_reach():
    "Of a sandbox tenant: Norwegian consents are known, counts fit, and all groups reach whom the tables say."
    with fg.Sandbox(customers=1500, groups=20) as sandbox, sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, progress=False)

    table = reachability(snapshot, min_count=0)
    steps = incremental_reach(snapshot)

    assert set(table["consent"]) == {"Nyhetsbrev på e-post", "SMS", "Nyhetsbrev på e-post or SMS"}
    assert (table["n_reachable"] <= np.minimum(table["n_with_contact"], table["n_consented"])).all()
    everybody = snapshot.customers["has_email"] & snapshot.customers["customer_uid"].isin(
        snapshot.consents.query("consent_uid == 'consent_newsletter' and status")["customer_uid"]
    )
    assert steps["n_cumulative"].max() == everybody.sum()
