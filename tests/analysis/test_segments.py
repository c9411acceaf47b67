"""Set expressions against Python's own sets, and rules over attributes."""

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.group_expressions import members
from frgroups.analysis.segments import segment
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

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

    with pytest.raises(GroupNotFoundError, match=r"If the group 'x & y \(old\)' is meant, .* quotes: \"x & y"):
        members(TENANT, "a | x & y (old)")


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
        ("x = credit_limit > 0", "no comparison"),
        ("country_code = 'NO'", "equality is written =="),
        ("revenue`", "cannot be evaluated"),
        ("`revenue (NOK)` > 0", r"no column is named `revenue \(NOK\)`"),
        ("credit_limit > 'kari@example.org'", "credit_limit > '…@…'"),
        ("True", "gives bool"),
        ("credit_limit > 'many'", "credit_limit holds numbers, and 'many' is text"),
        ("'5' < credit_limit", "credit_limit holds numbers, and '5' is text"),
        ("credit_limit == '5'", "credit_limit holds numbers, and '5' is text"),
        ("`credit_limit` in ['5', '6']", "credit_limit holds numbers, and '5' is text"),
        ("credit_limit + 'a' > 3", "credit_limit holds numbers, and 'a' is text"),
        ("has_email == 'yes'", "has_email holds true or false, and 'yes' is text"),
        ("country_code == 47", "country_code is text, and 47 is none; text stands in quotes: '47'"),
        ("country_code > credit_limit", "kinds that do not go together, as a number and a text"),
        ("credit_limit.between('a', 'b')", "kinds that do not go together, as a number and a text"),
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


@pytest.mark.parametrize(
    "rule",
    [
        "country_code.to_csv('leak.csv')",
        "country_code.isna().to_pickle('leak')",
        "credit_limit.__class__",
        "credit_limit.isna.__self__",
        "credit_limit.isna.__func__.__globals__['os']",
        "country_code.str._orig.to_csv('leak.csv')",
        "country_code.str.__init__('x')",
        "created_at.dt.__class__",
        "created_at.dt.strftime('%Y') == '2026'",
        "credit_limit.pipe(print)",
        "credit_limit.eval('1')",
        "__import__('os').system('true')",
        "open('leak.csv')",
        "@snapshot",
        "@pd.io.common.os.system('true')",
        "credit_limit @ credit_limit",
        "(lambda: 1)()",
        "[c for c in credit_limit]",
        "{'a': credit_limit}",
        "f'{credit_limit.__class__}' == 'x'",
        "'{0.__class__}'.format(credit_limit)",
        "credit_limit.isin(*[1])",
        "credit_limit.isin(**{'values': [1]})",
        "credit_limit[0]",
        "credit_limit if has_email else credit_limit",
        "(x := credit_limit)",
        "9 ** 9 ** 9 > credit_limit",
        "sin(credit_limit) > 0",
        "index > 0",
        "credit_limit > 0; credit_limit",
        "credit_limit > 0\nimport os",
        "`credit_limit`.__class__",
    ],
)
def test_a_rule_reaches_nothing_but_columns(rule, tmp_path, monkeypatch):
    "A rule may come from a file: no attribute, function or variable of Python, and no method that is not listed."
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError, match="cannot be evaluated"):
        segment(TENANT, {"a": rule})

    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="credit_limit.isna()[]'\"`@=<>0 andorx__class__:,{}*|&~", max_size=40))
def test_any_text_is_a_rule_or_an_error_in_words(rule):
    "Whatever is written, it chooses customers of the snapshot or is refused with an InputError."
    try:
        chosen = segment(TENANT, {"a": rule})["a"]
    except InputError:
        return

    assert set(chosen) <= set("pqrstu")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("city.str.lower().str.startswith('tr')", "p"),
        ("country_code.str.contains('^N|K$', na=False)", "pst"),
        ("created_at.dt.year == 2026 and created_at.dt.month <= 2", "qt"),
        ("credit_limit.between(50, 100)", "ps"),
        ("credit_limit.fillna(1) == 1", "qu"),
        ("0 < credit_limit <= 50", "s"),
        ("credit_limit / 2 - 10 > 20 | ~has_email", "pru"),
        ("credit_limit > 40 & country_code == 'NO'", "ps"),
        ("country_code.notna() and country_code not in ['NO']", "qt"),
        ("`paid (NOK)` >= -1 and `paid (NOK)` < 3", "pq"),
        ("city == '`a` @b'", "q"),
        ("`class` == 'x'", "p"),
    ],
)
def test_rules_may_hold_the_methods_and_names_they_need(rule, expected):
    "Text, moments, arithmetic, columns whose names are no words, and texts that only look like code."
    own = pd.DataFrame({"paid (NOK)": [2.5, -1.0], "class": ["x", "y"]}, index=["p", "q"])
    customers = TENANT.customers.assign(city=["Tromsø", "`a` @b", *[None] * 4])
    snapshot = snapshot_from_frames(TENANT.memberships, customers=customers, tenant_uid="t", taken_at="2026-11-23")

    assert segment(snapshot, {"a": rule}, attributes=own) == {"a": list(expected)}


def test_purchases_become_segments_and_a_plan():
    "Recency, frequency and value of one's own sales are columns for rules, beside what the tenant knows."
    purchases = pd.DataFrame(
        {
            "customer_uid": ["p", "p", "p", "s", "t", "stranger"],
            "bought_at": pd.to_datetime(
                ["2026-11-01", "2026-10-01", "2026-09-01", "2025-01-01", "2026-11-20", "2026-11-20"]
            ),
            "amount": [500, 700, 100, 9000, 50, 10_000],
        }
    )
    bought = purchases.groupby("customer_uid").agg(
        last=("bought_at", "max"), frequency=("amount", "size"), value=("amount", "sum")
    )
    bought["recency"] = (pd.Timestamp("2026-11-23") - bought["last"]).dt.days
    rules = {
        "champions": "recency <= 60 and frequency >= 3 and country_code == 'NO'",
        "asleep": "recency > 365 and value > 1_000",
        "never_bought": "frequency.isna()",
        "new": lambda customers: customers["last"] > "2026-11-10",
    }

    wanted = segment(TENANT, rules, attributes=bought)

    assert wanted == {"champions": ["p"], "asleep": ["s"], "never_bought": ["q", "r", "u"], "new": ["t"]}
    plan = plan_memberships(TENANT, wanted, create={group: group.title() for group in wanted})
    assert len(plan.table()) == 6


def test_a_table_beside_the_customers_has_one_row_for_each_and_names_of_its_own():
    "A customer twice, or a column that the customers have, is refused."
    with pytest.raises(InputError, match="3 rows, 1 of them for a customer who stands there already"):
        segment(TENANT, {"a": "x > 0"}, attributes=pd.DataFrame({"x": [1, 2, 3]}, index=["p", "q", "p"]))
    with pytest.raises(InputError, match="the customers have too: country_code"):
        segment(TENANT, {"a": "x > 0"}, attributes=pd.DataFrame({"country_code": ["NO"]}, index=["p"]))
    with pytest.raises(InputError, match="attributes is a list"):
        segment(TENANT, {"a": "x > 0"}, attributes=[1])


def test_whole_numbers_and_truth_stay_what_they_are_beside_customers_without_a_row():
    "A missing value makes no float of a whole number and no text of yes or no."
    own = pd.DataFrame({"visits": [3, 7], "member": [True, False]}, index=["p", "q"])

    chosen = segment(TENANT, {"not": "not member", "seven": "visits == 7", "none": "visits.isna()"}, attributes=own)

    assert chosen == {"not": ["q"], "seven": ["q"], "none": ["r", "s", "t", "u"]}


def test_segment_needs_a_snapshot_and_a_mapping():
    "Memberships alone know no attributes, and a bare query names no group."
    with pytest.raises(InputError, match="Snapshot"):
        segment(TENANT.memberships, {"a": "has_email"})
    with pytest.raises(InputError, match="mapping"):
        segment(TENANT, "has_email")
    with pytest.raises(InputError, match="text"):
        members(TENANT, ["a"])
