"""Set expressions against Python's own sets, and rules over attributes."""

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import GroupNotFoundError, InputError
from frgroups.expressions import members
from frgroups.segments import segment
from frgroups.snapshot import sample_snapshot, snapshot_from_frames

LAW = settings(deadline=None, max_examples=100)
SETS = {
    "a": set("pqrs"),
    "c-1": set("rst"),
    "4f3b0c9e-0d4c-4c59-9c0d-9b8f1d1f0a11": set("qt"),
    "x & y (old)": set("pt"),
    "Kundeklubb Tromsø": set("u"),
}
QUOTED = {name: f"'{name}'" if "&" in name else name for name in SETS}


def snapshot():
    rows = [(group, customer) for group, customers in SETS.items() for customer in customers]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"]),
        customers=pd.DataFrame(
            {
                "customer_uid": list("pqrstu"),
                "country_code": ["NO", "SE", None, "NO", "DK", None],
                "credit_limit": [100, None, 0, 50, 0, None],
                "has_email": [True, None, False, True, None, False],
                "created_at": ["2025-01-01", "2026-02-01", None, "2026-03-01", "2026-01-01", None],
            }
        ),
        tenant_uid="t",
        taken_at="2026-11-23",
    )


TENANT = snapshot()
expressions = st.recursive(
    st.sampled_from(list(SETS)),
    lambda inner: st.tuples(inner, st.sampled_from("-&^|"), inner, st.booleans()),
    max_leaves=8,
)


def written(tree, name_of):
    if isinstance(tree, str):
        return name_of(tree)
    left, operator, right, closed = tree
    text = f"{written(left, name_of)} {operator} {written(right, name_of)}"
    return f"({text})" if closed else text


@LAW
@given(expressions)
def test_an_expression_means_what_it_means_for_pythons_sets(tree):
    "Operators, their order and parentheses give what Python gives for the same text over sets."
    variable = {name: f"s{n}" for n, name in enumerate(SETS)}
    python = written(tree, variable.__getitem__)
    expected = eval(python, {variable[name]: customers for name, customers in SETS.items()})

    found = members(TENANT, written(tree, QUOTED.__getitem__))

    assert list(found) == sorted(expected)
    assert (found.name, str(found.dtype)) == ("customer_uid", "str")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c-1", "rst"),
        ("a - c-1", "pq"),
        ("a-'c-1'", "pq"),
        ("'a'-'c-1'", "pq"),
        ("a-(c-1)", "pq"),
        ("(a) -c-1", "pq"),
        ("(a)-c-1", "pq"),
        ('a&c-1|"x & y (old)"', "prst"),
        ("`x & y (old)`", "pt"),
        ("  Kundeklubb Tromsø  ", "u"),
        ("4f3b0c9e-0d4c-4c59-9c0d-9b8f1d1f0a11 - a", "t"),
        ("a\n - c-1\n - 'x & y (old)'", "q"),
    ],
)
def test_a_hyphen_is_a_minus_only_where_it_stands_alone(expression, expected):
    "Hyphens inside a name belong to it; between spaces, or beside a parenthesis or quote, they take away."
    assert "".join(members(TENANT, expression)) == expected


def test_names_and_uids_find_the_same_group():
    "A group goes by its uid or its unique name."
    assert list(members(sample_snapshot(), "vip")) == list(members(sample_snapshot(), "VIP")) == ["c-1", "c-2"]


@pytest.mark.parametrize(
    ("expression", "position", "words"),
    [
        ("", 1, "Expected a group or .*the end"),
        ("a &", 4, "Expected a group.*the end"),
        ("a & | c-1", 5, "Expected a group.*found '|'"),
        ("(a | c-1", 1, "never closed"),
        ("a | c-1)", 8, "Expected an operator.*found '\\)'"),
        ("'a' 'c-1'", 5, "Expected an operator"),
        ("(a (c-1))", 4, "Expected an operator \\(- & \\^ \\|\\) or '\\)'"),
        ("a | 'c-1", 5, "This ' is never closed"),
        ("- a", 1, "Expected a group"),
        ("()", 2, "Expected a group"),
    ],
)
def test_what_cannot_be_read_is_shown_where_it_is(expression, position, words):
    "The error says what was expected and what came, counts characters from 1, and points with a caret."
    with pytest.raises(InputError, match=words) as caught:
        members(TENANT, expression)

    assert caught.value.position == position
    assert str(caught.value).splitlines()[-1].index("^") == position + 1


def test_an_unknown_group_is_refused_with_its_place_and_close_matches():
    "The error has the character, the close matches, and the rule of the minus where a hyphen may be meant."
    with pytest.raises(GroupNotFoundError, match=r"character 5 .*a - Kundeklub Tromsø") as caught:
        members(TENANT, "a - Kundeklub Tromsø")
    assert caught.value.close == ["Kundeklubb Tromsø"]

    with pytest.raises(GroupNotFoundError, match="space on both sides"):
        members(TENANT, "a -c-1")


def test_deep_parentheses_are_no_harm():
    "Ten thousand parentheses are read without recursion."
    assert list(members(TENANT, "(" * 10_000 + "a" + ")" * 10_000)) == sorted(SETS["a"])


# Rules


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("credit_limit > 0 and country_code == 'NO'", "ps"),
        ("credit_limit > 0 or country_code == 'DK'", "pst"),
        ("credit_limit > 0", "ps"),
        ("not (credit_limit > 0)", "rt"),
        ("has_email", "ps"),
        ("country_code.isna()", "ru"),
        ("country_code in ['SE', 'DK']", "qt"),
        ("created_at >= '2026-01-01'", "qst"),
        (TENANT.customers["credit_limit"] > 0, "ps"),
        (pd.Series({"t": True, "p": False, "q": None}), "t"),
        (lambda customers: customers["has_email"], "ps"),
    ],
)
def test_rules_choose_customers_and_missing_counts_as_false(rule, expected):
    "A query, a boolean Series on either index, and a callable choose; a missing result chooses nobody."
    chosen = segment(TENANT, {"any group": rule})

    assert chosen == {"any group": list(expected)}


def test_the_customers_stay_as_they_were():
    "A callable that writes into its frame changes nothing in the snapshot."
    before = TENANT.customers.copy(deep=True)

    def rule(customers):
        customers["credit_limit"] = 0
        return customers["credit_limit"] == 0

    assert len(segment(TENANT, {"a": rule})["a"]) == 6
    pdt.assert_frame_equal(TENANT.customers, before)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("revenue > 0", "'a', 'revenue > 0'.*revenue.*The columns are customer_uid.*credit_limit"),
        ("", "cannot be evaluated"),
        ("credit_limit >", "cannot be evaluated"),
        ("@pd.options", "cannot be evaluated"),
        ("credit_limit", "gives a column of Int64"),
        ("x = credit_limit > 0", "gives DataFrame"),
        ("True", "gives bool"),
        (lambda customers: 1 / 0, "division by zero"),
        (lambda customers: [True], "gives list"),
        (pd.Series([True]), "1 labels that are no customer uid"),
        (pd.Series([True, True], index=["p", "p"]), "a uid more than once"),
        (7, "gives int"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(rule, words):
    "The error names the group and the rule, what it gave, and the columns there are."
    with pytest.raises(InputError, match=words) as caught:
        segment(TENANT, {"a": rule})

    assert "'a'" in str(caught.value)


def test_segment_needs_a_snapshot_and_a_mapping():
    "Memberships alone know no attributes, and a bare query names no group."
    with pytest.raises(InputError, match="Snapshot"):
        segment(TENANT.memberships, {"a": "has_email"})
    with pytest.raises(InputError, match="mapping"):
        segment(TENANT, "has_email")
    with pytest.raises(InputError, match="text"):
        members(TENANT, ["a"])
