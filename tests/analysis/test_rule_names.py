"""Tests for the names in segment rules that are computed from groups and consents."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.analysis.reach import reachable_customers
from frgroups.analysis.rule_names import ComputedNames
from frgroups.analysis.segments import segment
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

NAMES = {"a": "VIP", "b": "Kids & Baby", "c": "o'Hara", "VIP gold": "c-1"}
UIDS = list("pqrstu")
flags = st.lists(st.sampled_from([True, False, None]), min_size=6, max_size=6)
memberships = st.lists(st.tuples(st.sampled_from(list(NAMES)), st.sampled_from(UIDS)), max_size=20)


def create_snapshot(pairs, email=(True,) * 6, consent=(True,) * 6):
    """Return a snapshot of the groups in `NAMES`, in which all customers in `UIDS` exist."""
    consents = pd.DataFrame({"customer_uid": UIDS, "consent_uid": "mail", "name": "mail", "status": list(consent)})
    # One customer has a contact point, because a column without values is an error.
    customers = pd.DataFrame({"customer_uid": [*UIDS, "z"], "has_email": [*email, True], "has_mobile": False})
    return snapshot_from_frames(
        pd.DataFrame(pairs, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(NAMES), "name": list(NAMES.values())}),
        customers,
        consents,
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def select(snapshot, rule, **arguments):
    """Return the uids that a rule selects."""
    return segment(snapshot, {"x": rule}, **arguments)["x"]


@given(memberships, st.integers(0, 4), st.sampled_from(["==", "<=", ">"]))
def test_n_groups(pairs, n, symbol):
    "The name n_groups is the number of the customer's groups, and 0 for a customer without groups."
    n_groups = {uid: len({group for group, member in pairs if member == uid}) for uid in [*UIDS, "z"]}
    compared = {"==": int.__eq__, "<=": int.__le__, ">": int.__gt__}[symbol]

    selected = select(create_snapshot(pairs), f"n_groups {symbol} {n}")

    assert selected == [uid for uid, count in n_groups.items() if compared(count, n)]


@given(memberships, flags, flags)
def test_reachable(pairs, email, consent):
    "The name reachable_email is True for the reachable customers and False, but never unknown, for all others."
    snapshot = create_snapshot(pairs, email, consent)
    channels = {"consent": {"mobile": "mail"}}

    reachable = select(snapshot, "reachable_email")

    others = select(snapshot, "not reachable_email")
    in_groups = set(snapshot.memberships["customer_uid"])
    assert sorted(set(reachable) & in_groups) == list(reachable_customers(snapshot, None, "email"))
    assert sorted([*reachable, *others]) == [*UIDS, "z"]
    assert reachable == [uid for uid, *both in zip(UIDS, email, consent, strict=True) if all(both)]
    assert select(snapshot, "reachable_email.isna()") == []
    assert select(snapshot, "reachable_mobile", **channels) == []
    assert len(select(snapshot, "not reachable_mobile", **channels)) == 7


@given(memberships, flags, flags)
def test_consent(pairs, email, consent):
    "The name consent_email is the status of the consent, regardless of the contact point."
    snapshot = create_snapshot(pairs, email, consent)
    named = {True: "given", False: "withdrawn"}

    for status, name in named.items():
        expected = [uid for uid, given in zip(UIDS, consent, strict=True) if given is status]
        assert select(snapshot, f"consent_email == '{name}'") == expected
    assert select(snapshot, "consent_email == 'none'") == ["z"]
    assert select(snapshot, "consent_email.isna()") == [u for u, c in zip(UIDS, consent, strict=True) if c is None]
    assert select(snapshot, "consent_mobile == consent_email", consent={"mobile": "mail"}) == sorted(
        select(snapshot, "consent_email.notna()")
    )


@given(flags)
def test_consent_in_profile(consent):
    "The name consent_email has the same values as the consent in a profile."
    snapshot = create_snapshot([("a", uid) for uid in UIDS], consent=consent)
    profile = fg.group_profile(snapshot, "VIP", attributes=["consents"], min_count=1)
    counts = dict(zip(profile["value"], profile["n_in"], strict=True))

    for value in ("given", "withdrawn", "none"):
        selected = select(snapshot, f"consent_email == '{value}' and in_group('VIP')")
        assert len(selected) == counts.get(value, 0)


def test_consent_without_customers():
    "In a snapshot without customers, a rule about a consent selects no customers."
    empty = create_snapshot([]).customers.head(0)
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": [], "customer_uid": []}, dtype="str"),
        customers=empty,
        tenant_uid="t",
        taken_at="2026-11-23",
    )

    assert select(snapshot, "consent_email in ['withdrawn', 'none']") == []


@pytest.mark.parametrize("uid", NAMES)
@given(memberships)
def test_in_group(uid, pairs):
    "The function in_group selects the members of a group by uid or name, and `not` selects all other customers."
    snapshot = create_snapshot(pairs)
    expected = list(snapshot[f'uid:"{uid}"'])

    for group in (uid, NAMES[uid], f'uid:"{uid}"', f'name:"{NAMES[uid]}"'):
        quoted = repr(group)
        assert select(snapshot, f"in_group({quoted})") == expected
        assert select(snapshot, f"not in_group({quoted})") == [u for u in [*UIDS, "z"] if u not in expected]
        assert select(snapshot, f"in_group({quoted}) == True") == expected
        assert select(snapshot, f"in_group({quoted}).isna()") == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("in_group('VIP') and reachable_email and n_groups >= 2", ["c-2"]),
        ("in_group('VIP') & ~reachable_email", ["c-1"]),
        ("n_groups + 1 == 3", ["c-1", "c-2"]),
        ("2 <= n_groups < 3 or in_group('staff')", ["c-1", "c-2", "c-251"]),
        ("n_groups.between(2, 9) and country_code.isna()", []),
        ("n_groups in [2, 3]", ["c-1", "c-2"]),
    ],
)
def test_combined_rules(rule, expected):
    "The names can be combined with columns, operators, and methods."
    assert select(sample_snapshot(), rule) == expected


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("n_groups == '2'", ["n_groups", "numbers", "'2'"]),
        ("n_groups", ["n_groups", "numbers", "comparison"]),
        ("reachable_email == 'yes'", ["reachable_email", "'yes'"]),
        ("reachable_email > n_groups", ["reachable_email", "n_groups"]),
        ("in_group('VIP') == 1", ["in_group('VIP')", "booleans", "True"]),
        ("n_groups == in_group('VIP')", ["n_groups", "in_group('VIP')"]),
        ("in_group", ["'in_group'", "in_group('VIP')"]),
        ("in_group()", ["in_group('VIP')"]),
        ("in_group(VIP)", ["in_group('VIP')"]),
        ("in_group('VIP', 'Staff')", ["in_group('VIP')"]),
        ("in_group(group='VIP')", ["in_group('VIP')"]),
        ("in_group(*['VIP'])", ["in_group('VIP')"]),
        ("in_group('V' + 'IP')", ["in_group('VIP')"]),
        ("in_group(1)", ["in_group('VIP')"]),
        ("`in_group`('VIP')", ["'in_group'"]),
        ("n_groups('VIP')", ["in_group"]),
        ("`n_groups` > 1", ["'n_groups'"]),
        ("reachable_post", ["'reachable_post'"]),
        ("reachable_mobile", ["mobile", "newsletter", "consent="]),
        ("consent_mobile == 'given'", ["mobile", "newsletter", "consent="]),
        ("consent_email", ["consent_email", "text", "comparison"]),
        ("consent_email == True", ["consent_email", "'True'"]),
    ],
)
def test_invalid_rules(rule, words):
    "The error for an invalid use of a name contains the name or shows the correct form."
    with pytest.raises(InputError) as caught:
        select(sample_snapshot(), rule)

    assert [word for word in words if word not in str(caught.value)] == []
    assert caught.value.group == "x"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Country_code", "country_code"),
        ("country", "country_code"),
        ("reachable_sms", "reachable_mobile"),
        ("reachable_e-post", None),
        ("Consent_SMS", "consent_mobile"),
        ("reachable_epost", "reachable_email"),
        ("N_Groups", "n_groups"),
        ("xyzzy", None),
    ],
)
def test_unknown_name(name, suggestion):
    "The error for an unknown name suggests a similar name and lists the columns and the computed names."
    with pytest.raises(InputError) as caught:
        select(sample_snapshot(), f"{name} == 1" if "-" not in name else f"`{name}` == 1")

    message = caught.value.message
    assert (f"Did you mean {suggestion!r}?" in message) == (suggestion is not None)
    assert "country_code" in message and message.startswith("The rule for segment 'x' ")
    computed = ["n_groups", "reachable_email", "reachable_mobile", "consent_email", "consent_mobile", "in_group"]
    assert "-" in name or [word for word in computed if word not in message] == []


@pytest.mark.parametrize("rule", ["in_group('unknown')", "n_groups == 'a'", "country_code ==", "n_groups.x > 1"])
def test_no_columns_in_other_errors(rule):
    "The error lists the columns only if a name is unknown."
    with pytest.raises(InputError) as caught:
        select(sample_snapshot(), rule)

    assert "account_manager_uid" not in caught.value.message


@pytest.mark.parametrize("rule", [lambda rows: rows["unknown"], lambda rows: rows.unknown])
def test_columns_in_error_of_function(rule):
    "If a function uses an unknown column, the error lists the columns."
    with pytest.raises(InputError, match="account_manager_uid"):
        select(sample_snapshot(), rule)


@pytest.mark.parametrize(("text", "close"), [("VIPs", ["VIP"]), ("VIP & Staff", ["Staff"]), ("???", [])])
def test_unknown_group(text, close):
    "The error for an unknown group suggests similar names, and an expression is not a group."
    with pytest.raises(GroupNotFoundError) as caught:
        select(sample_snapshot(), f"in_group({text!r})")

    assert (caught.value.close, caught.value.group, caught.value.n_matches) == (close, "x", 0)
    assert all(repr(name) in str(caught.value) for name in close)
    assert ("in_group('VIP') and" in str(caught.value)) == ("&" in text)


def test_consent_option():
    "The error for an ambiguous consent names the Python argument, or the option of the command line."
    with pytest.raises(InputError) as caught:
        select(sample_snapshot(), "reachable_mobile")

    assert "--consent" in caught.value.cli_text and "--consent" not in str(caught.value)
    assert select(sample_snapshot(), "reachable_mobile and n_groups > 1", consent={"mobile": "newsletter"}) == ["c-2"]
    with pytest.raises(InputError, match="'sms'"):
        select(sample_snapshot(), "n_groups > 1", consent={"sms": "newsletter"})


@pytest.mark.parametrize("name", ["n_groups", "reachable_email", "reachable_mobile"])
@pytest.mark.parametrize("source", ["attributes", "customers"])
def test_column_with_the_same_name(name, source):
    "A rule with a name that is also a column is an error. In backticks, the name refers to the column."
    snapshot, attributes = sample_snapshot(), pd.DataFrame({name: [5, 6]}, index=["c-1", "c-2"])
    if source == "customers":
        customers = snapshot.customers.merge(attributes, left_on="customer_uid", right_index=True, how="left")
        snapshot = fg.snapshot_from_frames(
            snapshot.memberships, snapshot.groups, customers, snapshot.consents, tenant_uid="t", taken_at="2026-11-23"
        )
        attributes = None

    for rule in (f"{name} == 5", f"{name}.isna()", f"in_group('VIP') and {name} > 1"):
        with pytest.raises(InputError, match=f"{name}.*backticks"):
            select(snapshot, rule, attributes=attributes)
    assert select(snapshot, f"`{name}` == 5", attributes=attributes) == ["c-1"]
    assert select(snapshot, "in_group('VIP')", attributes=attributes) == ["c-1", "c-2"]


def test_column_in_group():
    "A column with the name in_group and the function in_group do not conflict."
    attributes = pd.DataFrame({"in_group": [True, False]}, index=["c-2", "c-251"])

    assert select(sample_snapshot(), "in_group and in_group('VIP')", attributes=attributes) == ["c-2"]


def test_rule_in_callable():
    "A function that is used as a rule gets only the columns of the customers."
    columns = []

    select(sample_snapshot(), lambda customers: columns.extend(customers) or customers["has_email"].fillna(False))

    assert "customer_uid" in columns and not {"n_groups", "reachable_email"} & set(columns)


def test_created_group_in_empty_tenant():
    "Names of groups that a plan creates are known, also if the tenant has no memberships."
    snapshot = create_snapshot([])
    matrix = snapshot.matrix.add_groups({"new": "New"})
    n_customers = len(snapshot.customers)
    names = ComputedNames(snapshot, {}, matrix, lambda uid: np.full(n_customers, uid == "new"))

    assert names.in_group("New", "in_group('New')").data.all()
    assert not names.in_group("VIP", "in_group('VIP')").data.any()
