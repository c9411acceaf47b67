"""Tests for group expressions, which are compared with Python sets, and for segment rules."""

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.group_expressions import members
from frgroups.analysis.segments import segment
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

SETS = {
    "a": set("pqrs"),
    "c-1": set("rst"),
    "4f3b0c9e-0d4c-4c59-9c0d-9b8f1d1f0a11": set("qt"),
    "x & y (old)": set("pt"),
    "Kundeklubb Tromsø": set("u"),
}
QUOTED = {name: f"'{name}'" if "&" in name else name for name in SETS}


def create_snapshot():
    """Return a snapshot of the groups in `SETS`, in which the customers have a few attributes."""
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


TENANT = create_snapshot()
expressions = st.recursive(
    st.sampled_from(list(SETS)),
    lambda inner: st.tuples(inner, st.sampled_from("-&^|"), inner, st.booleans()),
    max_leaves=8,
)


def as_text(tree, name_of):
    """Convert a nested expression to a string."""
    if isinstance(tree, str):
        return name_of(tree)
    left, operator, right, in_parentheses = tree
    text = f"{as_text(left, name_of)} {operator} {as_text(right, name_of)}"
    return f"({text})" if in_parentheses else text


@given(expressions)
def test_expressions_like_python(tree):
    "Operators, operator precedence, and parentheses have the same effect as in expressions of Python sets."
    variable = {name: f"s{n}" for n, name in enumerate(SETS)}
    python_text = as_text(tree, variable.__getitem__)
    expected = eval(python_text, {variable[name]: customers for name, customers in SETS.items()})

    result = members(TENANT, as_text(tree, QUOTED.__getitem__))

    assert list(result) == sorted(expected)
    assert (result.name, str(result.dtype)) == ("customer_uid", "str")


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
def test_hyphens(expression, expected):
    "A hyphen within a name belongs to the name. A hyphen next to a space, parenthesis, or quote is an operator."
    assert "".join(members(TENANT, expression)) == expected


def test_name_or_uid():
    "In an expression, a group can be identified by its uid or by its unique name."
    assert list(members(sample_snapshot(), "vip")) == list(members(sample_snapshot(), "VIP")) == ["c-1", "c-2"]


@pytest.mark.parametrize(
    ("expression", "position", "words"),
    [
        ("", 1, ["group"]),
        ("a &", 4, ["group"]),
        ("a & | c-1", 5, ["group", "'|'"]),
        ("(a | c-1", 1, ["("]),
        ("a | c-1)", 8, ["operator", "')'"]),
        ("'a' 'c-1'", 5, ["operator"]),
        ("(a (c-1))", 4, ["operator", "- & ^ |", "')'"]),
        ("a | 'c-1", 5, ["'"]),
        ("- a", 1, ["group"]),
        ("()", 2, ["group"]),
    ],
)
def test_syntax_errors(expression, position, words):
    "The error for an invalid expression contains the position, counted from 1, and marks it with a caret."
    with pytest.raises(InputError) as caught:
        members(TENANT, expression)

    assert all(word in str(caught.value).splitlines()[0] for word in words)
    assert caught.value.position == position
    assert str(caught.value).splitlines()[-1].index("^") == position + 1


def test_unknown_group():
    "The error for an unknown group contains its position in the expression, similar names, and a hint about quotes."
    with pytest.raises(GroupNotFoundError, match=r"5[^\n]*a - Kundeklub Tromsø") as caught:
        members(TENANT, "a - Kundeklub Tromsø")
    assert caught.value.close == ["Kundeklubb Tromsø"]

    with pytest.raises(GroupNotFoundError, match="space"):
        members(TENANT, "a -c-1")

    with pytest.raises(GroupNotFoundError, match=r"'x & y \(old\)'.*quotes"):
        members(TENANT, "a | x & y (old)")


def test_deep_parentheses():
    "An expression with deeply nested parentheses does not exceed the recursion limit."
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
        ((TENANT.customers["credit_limit"] > 0).fillna(False), "ps"),
        (pd.Series([True, False, False, True, False, False], index=list("tpqsru")), "st"),
        (lambda customers: customers["has_email"].fillna(False), "ps"),
    ],
)
def test_rules(rule, expected):
    "A segment rule can be a string, a boolean Series, or a callable. An unknown result does not select the customer."
    segments = segment(TENANT, {"any group": rule})

    assert segments == {"any group": list(expected)}


def test_snapshot_is_not_modified():
    "If a callable rule modifies its argument, the snapshot is not modified."
    before = TENANT.customers.copy(deep=True)

    def rule(customers):
        customers["credit_limit"] = 0
        return customers["credit_limit"] == 0

    assert len(segment(TENANT, {"a": rule})["a"]) == 6
    pdt.assert_frame_equal(TENANT.customers, before)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("revenue > 0", "revenue.*credit_balance"),
        ("", "invalid syntax"),
        ("credit_limit >", "invalid syntax"),
        ("@pd.options", "@pd.options"),
        ("credit_limit", "Int64"),
        ("x = credit_limit > 0", "invalid syntax"),
        ("country_code = 'NO'", "=="),
        ("revenue`", "revenue`"),
        ("`revenue (NOK)` > 0", r"`revenue \(NOK\)`"),
        ("credit_limit > 'kari@example.org'", "credit_limit > '…@…'"),
        ("True", "constant"),
        ("credit_limit > 'many'", r"credit_limit[^.]*numbers[^.]*'many'"),
        ("'5' < credit_limit", r"credit_limit[^.]*numbers[^.]*'5'"),
        ("credit_limit == '5'", r"credit_limit[^.]*numbers[^.]*'5'"),
        ("`credit_limit` in ['5', '6']", r"credit_limit[^.]*numbers[^.]*'5'"),
        ("credit_limit + 'a' > 3", r"credit_limit[^.]*numbers[^.]*'a'"),
        ("has_email == 'yes'", r"has_email[^.]*'yes'"),
        ("country_code == 47", r"country_code[^.]* 47 .*'47'"),
        ("country_code > credit_limit", "text"),
        ("credit_limit.between('a', 'b')", r"credit_limit[^.]*numbers[^.]*'a'"),
        (lambda customers: 1 / 0, "division by zero"),
        (lambda customers: [True], "list"),
        (pd.Series([True]), "5 of 6 customers"),
        (pd.Series([True, True], index=["p", "p"]), "1 of 2 index labels .*repeated"),
        (7, "int"),
    ],
)
def test_invalid_rules(rule, words):
    "The error for an invalid rule contains the segment name and describes the problem."
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
def test_rules_are_sandboxed(rule, tmp_path, monkeypatch):
    "A rule cannot access Python attributes, functions, or variables, because rules might be read from a file."
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError, match="'a'"):
        segment(TENANT, {"a": rule})

    assert list(tmp_path.iterdir()) == []


@given(st.text(alphabet="credit_limit.isna()[]'\"`@=<>0 andorx__class__:,{}*|&~", max_size=40))
def test_random_rules(rule):
    "Any string that is used as a rule either selects customers in the snapshot or raises InputError."
    try:
        segments = segment(TENANT, {"a": rule})["a"]
    except InputError:
        return

    assert set(segments) <= set("pqrstu")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("city.str.lower().str.startswith('tr')", "p"),
        ("country_code.str.contains('^N|K$', regex=True)", "pst"),
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
def test_rule_features(rule, expected):
    "Rules can contain string and date methods, arithmetic, and column names in backticks."
    attributes_table = pd.DataFrame({"paid (NOK)": [2.5, -1.0], "class": ["x", "y"]}, index=["p", "q"])
    customers = TENANT.customers.assign(city=["Tromsø", "`a` @b", *[None] * 4])
    create_snapshot = snapshot_from_frames(
        TENANT.memberships, customers=customers, tenant_uid="t", taken_at="2026-11-23"
    )

    assert segment(create_snapshot, {"a": rule}, attributes=attributes_table) == {"a": list(expected)}


def test_segments_from_purchases():
    "Rules can contain columns that are computed from purchases, and a plan can be created from the segments."
    purchases = pd.DataFrame(
        {
            "customer_uid": ["p", "p", "p", "s", "t", "stranger"],
            "bought_at": pd.to_datetime(
                ["2026-11-01", "2026-10-01", "2026-09-01", "2025-01-01", "2026-11-20", "2026-11-20"]
            ),
            "amount": [500, 700, 100, 9000, 50, 10_000],
        }
    )
    attributes_by_customer = purchases.groupby("customer_uid").agg(
        last=("bought_at", "max"), frequency=("amount", "size"), value=("amount", "sum")
    )
    attributes_by_customer["recency"] = (pd.Timestamp("2026-11-23") - attributes_by_customer["last"]).dt.days
    rules = {
        "champions": "recency <= 60 and frequency >= 3 and country_code == 'NO'",
        "asleep": "recency > 365 and value > 1_000",
        "never_bought": "frequency.isna()",
        "new": lambda customers: customers["last"] > "2026-11-10",
    }

    segments = segment(TENANT, rules, attributes=attributes_by_customer)

    assert segments == {"champions": ["p"], "asleep": ["s"], "never_bought": ["q", "r", "u"], "new": ["t"]}
    plan = plan_memberships(TENANT, segments, create={group: group.title() for group in segments})
    assert len(plan.table()) == 6


def test_invalid_attribute_table():
    "An attribute table with repeated customers or with columns of the customers table is rejected."
    with pytest.raises(InputError, match=r"attributes.*(3 .*1 |1 .*3 )"):
        segment(TENANT, {"a": "x > 0"}, attributes=pd.DataFrame({"x": [1, 2, 3]}, index=["p", "q", "p"]))
    with pytest.raises(InputError, match=r"attributes.*country_code"):
        segment(TENANT, {"a": "x > 0"}, attributes=pd.DataFrame({"country_code": ["NO"]}, index=["p"]))
    with pytest.raises(InputError, match=r"attributes.*list"):
        segment(TENANT, {"a": "x > 0"}, attributes=[1])


def test_nullable_attributes():
    "If an attribute table has no row for some customers, its integers and booleans are not converted to other types."
    attributes_table = pd.DataFrame({"visits": [3, 7], "member": [True, False]}, index=["p", "q"])

    segments = segment(
        TENANT, {"not": "not member", "seven": "visits == 7", "none": "visits.isna()"}, attributes=attributes_table
    )

    assert segments == {"not": ["q"], "seven": ["q"], "none": ["r", "s", "t", "u"]}


def test_wrong_types():
    "The error for an argument of the wrong type contains the name of the type."
    with pytest.raises(InputError, match=r"Snapshot|`snapshot`"):
        segment(TENANT.memberships, {"a": "has_email"})
    with pytest.raises(InputError, match=r"rules.*str"):
        segment(TENANT, "has_email")
    with pytest.raises(InputError, match="list"):
        members(TENANT, ["a"])
