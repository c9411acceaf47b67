"""
Tests for the semantics of segment rules: missing values, operators, and types.

The expected results come from a reference implementation of SQL's three-valued logic in pure Python, which shares no
code with the package. None represents an unknown result.
"""

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import InputError
from tests.analysis.rule_data import (
    ALL_DTYPES,
    BOOLEANS,
    DATES,
    DTYPES,
    INTEGERS,
    OPERATORS,
    TEXTS,
    UIDS,
    VALUES,
    arrow,
    select,
)

# Reference implementation


def expected_comparison(value, symbol, constant):
    """Return the result of a comparison, which is None if the value is missing. Dates are compared by day."""
    if value is None:
        return None
    if isinstance(value, datetime):
        value = value.date().isoformat()
    return OPERATORS[symbol](value, constant)


def negated(result):
    """Return the negation of a result. The negation of an unknown result is unknown."""
    return None if result is None else not result


def both(left, right):
    """Combine two results with and."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def evaluate(tree, row):
    """Evaluate a nested rule for one row."""
    kind, *parts = tree
    if kind == "not":
        return negated(evaluate(parts[0], row))
    if kind == "and":
        return both(evaluate(parts[0], row), evaluate(parts[1], row))
    if kind == "or":
        return negated(both(negated(evaluate(parts[0], row)), negated(evaluate(parts[1], row))))
    name, symbol, constant = parts
    value = row[name]
    if symbol in ("isna", "notna"):
        return (value is None) == (symbol == "isna")
    if symbol in ("in", "not in"):
        results = [expected_comparison(value, "==", item) for item in constant]
        result = None if value is None else any(results)
        return result if symbol == "in" else negated(result)
    if symbol == "between":
        low, high = constant
        return both(expected_comparison(value, ">=", low), expected_comparison(value, "<=", high))
    return expected_comparison(value, symbol, constant)


def as_text(tree):
    """Return the text of a nested rule."""
    kind, *parts = tree
    if kind == "not":
        return f"not ({as_text(parts[0])})"
    if kind in ("and", "or"):
        return f"({as_text(parts[0])}) {kind} ({as_text(parts[1])})"
    name, symbol, constant = parts
    if symbol in ("isna", "notna"):
        return f"{name}.{symbol}()"
    if symbol == "between":
        return f"{name}.between({constant[0]!r}, {constant[1]!r})"
    return f"{name} {symbol} {constant!r}"


CONSTANTS = {
    "text": ["NO", "se", "", "x"],
    "integer": [0, 5, -3, 2.5],
    "float": [0.5, 2, -1.0],
    "boolean": [True, False],
    "date": ["2026-01-31", "2026-02-01", "2026-02-02", "2025-12-31"],
}


def comparisons(kind):
    """Return a strategy for comparisons of a column. The name of the column is its kind."""
    constants = st.sampled_from(CONSTANTS[kind])
    lists = st.lists(constants, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("compare"), st.just(kind), st.sampled_from(list(OPERATORS)), constants),
        st.tuples(st.just("compare"), st.just(kind), st.sampled_from(["in", "not in"]), lists),
        st.tuples(st.just("compare"), st.just(kind), st.sampled_from(["isna", "notna"]), st.none()),
        st.tuples(st.just("compare"), st.just(kind), st.just("between"), st.tuples(constants, constants)),
    )


rules = st.recursive(
    st.sampled_from(list(VALUES)).flatmap(comparisons),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=5,
)
rows = st.fixed_dictionaries(
    {
        kind: st.lists(
            st.sampled_from([None, *dict.fromkeys(v for v in values if v is not None)]), min_size=6, max_size=6
        )
        for kind, values in VALUES.items()
    }
)


@given(rules, rows, st.data())
def test_any_rule_for_any_dtype(tree, values, data):
    "For each dtype of the same data, a rule selects the customers for which SQL returns True."
    columns = {}
    for kind, column in values.items():
        name = data.draw(st.sampled_from(list(DTYPES[kind])), label=kind)
        columns[kind] = DTYPES[kind][name](column)

    selected = select(as_text(tree), **columns)

    by_row = [{kind: column[i] for kind, column in values.items()} for i in range(6)]
    assert selected == "".join(uid for uid, row in zip(UIDS, by_row, strict=True) if evaluate(tree, row) is True)


@pytest.mark.parametrize(("kind", "dtype"), ALL_DTYPES)
def test_every_operator_for_every_dtype(kind, dtype):
    "Each comparison has the same result as in SQL for each dtype, for its negation, and for swapped operands."
    column = DTYPES[kind][dtype](VALUES[kind])
    constant, other = CONSTANTS[kind][:2]
    flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
    trees = [("compare", kind, symbol, constant) for symbol in OPERATORS]
    trees += [("compare", kind, symbol, [constant, other]) for symbol in ("in", "not in")]
    trees += [("compare", kind, symbol, None) for symbol in ("isna", "notna")]
    trees += [("compare", kind, "between", (constant, other))]
    found, expected = {}, {}
    for tree in [*trees, *(("not", tree) for tree in trees)]:
        text = as_text(tree)
        results = [evaluate(tree, {kind: value}) for value in VALUES[kind]]
        expected[text] = "".join(uid for uid, result in zip(UIDS, results, strict=True) if result is True)
        found[text] = select(text, **{kind: column})
        if tree[0] == "compare" and tree[2] in OPERATORS:
            mirrored = f"{constant!r} {flipped.get(tree[2], tree[2])} {kind}"
            expected[mirrored], found[mirrored] = expected[text], select(mirrored, **{kind: column})

    assert found == expected


NO_VALUES = {
    **{f"{kind}-{dtype}": create for kind, dtypes in DTYPES.items() for dtype, create in dtypes.items()},
    "arrow null": lambda values: arrow(values, pa.null()),
    "arrow list": lambda values: arrow(values, pa.list_(pa.int64())),
    "complex": lambda values: pd.Series([np.nan] * len(values), dtype="complex128"),
    "duration": lambda values: pd.Series(values, dtype="timedelta64[us]"),
    "ordered category": lambda values: pd.Series(pd.Categorical(values, ["low", "high"], ordered=True)),
}


@pytest.mark.parametrize("dtype", NO_VALUES)
def test_column_without_values(dtype):
    "A column without values has no type: for each dtype, every comparison is unknown, and no constant is an error."
    column = NO_VALUES[dtype]([None] * 6)
    constants = ["'NO'", "5", "0.5", "True", "'2026-02-01'"]
    comparisons = [f"x {symbol} {constant}" for symbol in OPERATORS for constant in constants]
    comparisons += [f"{constant} {symbol} n" for symbol in OPERATORS for constant in ("x", "-x", "x.abs()")]
    comparisons += [f"x {symbol} [{constant}]" for symbol in ("in", "not in") for constant in constants]
    comparisons += [f"x.between({constant}, {constant})" for constant in constants]
    comparisons += ["x", "x and True == b", "x.isin(['a'])", "x == t", "x < d", "x + 1 > 0", "x + 'a' == 'b'"]
    comparisons += ["x.str.len() > 1", "x.str.lower() == 'a'", "x.str.contains('a')", "x.str.startswith('a')"]
    comparisons += ["x.dt.year == 1", "(d - x).dt.days > 1", "(x - '2026-02-01').dt.days > 1"]
    columns = {"x": column, "n": [1] * 6, "b": [True] * 6, "t": ["a"] * 6, "d": [DATES[0]] * 6}

    for template in ("({})", "not ({})", "({}) and n == 1"):
        assert select(" or ".join(map(template.format, comparisons)), **columns) == ""
    assert select(" and ".join(f"(({comparison}) or n == 1)" for comparison in comparisons), **columns) == "abcdef"
    assert select("x.isna() and not x.notna()", x=column) == "abcdef"
    for fill, comparison in (
        ("3", "== 3"),
        ("'NO'", "> 'NA'"),
        ("True", "== True"),
        ("'2026-02-01'", "> '2026-01-31'"),
    ):
        assert select(f"x.fillna({fill}) {comparison}", x=column) == "abcdef"


@pytest.mark.parametrize(("kind", "dtype"), ALL_DTYPES)
def test_types_do_not_mix(kind, dtype):
    "Operators and methods reject a constant of another type for each dtype."
    column = DTYPES[kind][dtype](VALUES[kind])
    wrong = {
        "text": [5, True],
        "integer": ["5", True],
        "float": ["0.5", True],
        "boolean": [1, "True"],
        "date": [20260201, True],
    }
    name = "number" if kind in ("integer", "float") else kind
    for constant in wrong[kind]:
        for rule in (
            *(f"x {symbol} {constant!r}" for symbol in OPERATORS),
            *(f"x {symbol} [{constant!r}]" for symbol in ("in", "not in")),
            f"x in [{CONSTANTS[kind][0]!r}, {constant!r}]",
            f"x.isin([{constant!r}])",
            f"{constant!r} == x",
            f"x.between({constant!r}, {constant!r})",
            f"x.fillna({constant!r}) == {constant!r}",
            f"x.isna() or x == {constant!r}",
        ):
            with pytest.raises(InputError) as caught:
                select(rule, x=column)
            message = str(caught.value)
            assert ("column x (" in message and name in message) or "different types" in message, rule


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("t.isin([1, 2])", r"column t \(str\).*'1'"),
        ("d.dt.month == '2'", r"d\.dt\.month.*'2'.*Write 2\."),
        ("t.str.len() == '4'", r"t\.str\.len\(\).*Write 4\."),
        ("t == n", "column t .*column n "),
        ("d == t", "column d .*column t "),
        ("b == n", "column b .*column n "),
        ("n in ['a', 1]", "different types"),
        ("n == [1, 2]", "`in`"),
        ("n in 5", "list"),
        ("1 in n", "list"),
        ("n in [n]", "constants"),
        ("n == None", "isna"),
        ("n in [1, None]", "isna"),
        ("1 < 2", "column"),
        ("not n", "booleans"),
        ("n and b", "`and`.*booleans"),
        ("n + t > 1", "column n .*column t "),
        ("t - 'a' == 'b'", "operator -"),
        ("-t == 'a'", "number"),
        ("b + 1 > 1", r"operator \+.*column b .*booleans"),
        ("d - 5 > 1", "column d .*5"),
        ("d + 5 > 1", r"operator \+.*column d .*dates"),
        ("'2026-02-01' + d > 1", r"operator \+.*column d .*dates"),
        ("(d - 'soon').dt.days > 1", "column d .*'soon'.*ISO 8601"),
        ("(d - d) > 5", r"d - d.*dt\.days"),
        ("t.abs() == 1", "numbers"),
        ("n.str.len() == 1", "text"),
        ("n.dt.year == 1", "dates"),
        ("d.dt.days == 1", "durations"),
        ("t.dt.year == 2026", "dates"),
        ("n.isna", "called"),
        ("t.str.contains(5)", "`pat`.*text"),
        ("t.str.contains('a', regex=1)", "`regex`.*True or False"),
        ("t.str.contains('a', na=True)", r"`na`.*isna"),
        ("t.str.contains('(', regex=True)", "regular expression"),
        ("t.str.contains()", "`pat`"),
        ("n.isin(5)", "list"),
        ("n.between(1)", "`right`"),
        ("n.between(1, 2, inclusive='all')", "inclusive"),
        ("n.fillna(n) > 1", "constant"),
        ("m == 'a'", "several types"),
        ("m.fillna('a') == 'a'", "several types"),
        ("m.str.len() == 1", "several types"),
        ("t < '01.02.2026'", "to_datetime"),
        ("t.between('2026-01-01', '2026-02-01')", "to_datetime"),
        ("n + 1j > 1", "complex"),
        ("t == b'a'", "bytes"),
    ],
)
def test_rule_errors(rule, words):
    "The error for an invalid rule contains the column, the value, and the correct form."
    mixed = pd.Series(["a", 1, None, 2.5, True, "b"], dtype=object)
    columns = {"t": pd.Series(TEXTS, dtype="str"), "n": INTEGERS, "b": BOOLEANS, "d": DATES, "m": mixed}
    with pytest.raises(InputError, match=words):
        select(rule, **columns)

    assert select("m.isna()", **columns) == "c"
