"""
Evaluate segment rules with the three-valued logic of SQL.

The syntax tree of a rule is evaluated node by node. Nodes, operators, methods, and arguments that are not supported
raise InputError, so a rule that is read from a file cannot run other code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from frgroups.analysis.rule_comparisons import calculate, compare, is_between, is_in, kleene_and, kleene_or
from frgroups.analysis.rule_methods import (
    METHODS,
    TEXT_METHODS,
    absolute,
    bind_arguments,
    call_text_method,
    date_part,
    fill_missing,
    not_allowed,
)
from frgroups.analysis.rule_names import IN_GROUP, ComputedNames
from frgroups.analysis.rule_syntax import ParsedRule, parse_rule, unknown_name
from frgroups.analysis.rule_values import PLURALS, Constant, Values, read_column, unsupported
from frgroups.errors import InputError
from frgroups.internals.typing import BoolArray

Operand = Values | Constant | list[Constant]

_COMPARISONS: dict[type[ast.cmpop], str] = {
    **{ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.In: "in", ast.NotIn: "not in"},
}
_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ARITHMETIC: dict[type[ast.operator], str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
}
_MAX_NUMBER = 10**300
_IN_GROUP_FORM = "Write in_group('VIP'), with the uid or the unique name of the group in quotes."


class RuleColumns:
    """
    The columns and the computed names that rules can use.

    Each column or computed name is evaluated only when a rule uses it for the first time.
    """

    def __init__(
        self, columns: Mapping[str, pd.Series] | pd.DataFrame, computed: ComputedNames | None = None
    ) -> None:
        self._columns = columns
        self._computed = computed
        self._values: dict[str, Values] = {}
        self._computed_values: dict[str, Values] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return map(str, self._columns)

    def __len__(self) -> int:
        return len(list(self._columns))

    def named_values(self, name: str) -> Values:
        """
        Return the values of a column or a computed name that a rule contains without backticks.

        If the name is both a column and a computed name, an InputError is raised. Without this error, a new column
        could change the meaning of an existing rule.
        """
        if self._computed is None or name not in self._computed:
            return self.values(name)
        if name in self._columns:
            raise InputError(
                f"{name} is both a column and a name that frgroups computes for each customer. To use the column, "
                f"enclose its name in backticks: `{name}`. To use the computed name, rename the column."
            )
        if name not in self._computed_values:
            self._computed_values[name] = self._computed.values(name)
        return self._computed_values[name]

    def in_group(self, group: str, label: str) -> Values:
        """Return one boolean per customer, which is True for the members of a group."""
        if self._computed is None:
            raise InputError("A rule can only use in_group if it is evaluated for a snapshot.")
        return self._computed.in_group(group, label)

    def values(self, name: str) -> Values:
        """Return the values of a column."""
        if name not in self._columns:
            hint = _IN_GROUP_FORM if name == IN_GROUP else ""
            computed = [] if self._computed is None else [*self._computed, IN_GROUP]
            raise unknown_name(name, self, computed, hint)
        if name not in self._values:
            self._values[name] = read_column(self._columns[name], f"column {name}")
        return self._values[name]


def evaluate_rule(rule: str, columns: RuleColumns) -> BoolArray:
    """
    Evaluate a rule and return a mask that is True for each selected customer.

    If the result is unknown for a customer, the customer is not selected. InputError is raised if the rule contains
    syntax or names that are not allowed, or combines different types.

    Examples
    --------
    >>> columns = RuleColumns(sample_snapshot().customers)
    >>> int(evaluate_rule("credit_limit > 0 and country_code == 'SE'", columns).sum())
    3
    >>> evaluate_rule("country_code.to_csv('x.csv')", columns)
    Traceback (most recent call last):
    frgroups.errors.InputError: A rule cannot use .to_csv. The allowed names are isna, notna, ...
    """
    parsed = parse_rule(rule, columns)
    try:
        result = _Evaluation(parsed, columns).evaluate(parsed.body)
    except RecursionError:
        raise InputError("The rule has too many nested parts. Split the rule into several rules.") from None
    if not isinstance(result, Values):
        raise InputError("A rule must be a comparison that depends on a column, but this rule is a constant.")
    result = _as_boolean(result, "A rule")
    selected: BoolArray = result.data & result.known
    return selected


def rule_groups(rule: str, columns: RuleColumns) -> list[str]:
    """
    Return the arguments of the function in_group in a rule, which are uids or unique names of groups.

    Examples
    --------
    >>> rule_groups("n_groups > 1 and not in_group('VIP')", RuleColumns(sample_snapshot().customers))
    ['VIP']
    """
    groups = []
    for node in ast.walk(parse_rule(rule, columns).body):
        match node:
            case ast.Call(func=ast.Name(id=function)) if function == IN_GROUP:
                groups.append(_group_argument(node))
    return groups


class _Evaluation:
    """The evaluation of one rule."""

    def __init__(self, parsed: ParsedRule, columns: RuleColumns) -> None:
        self._parsed = parsed
        self._columns = columns

    def evaluate(self, node: ast.expr) -> Operand:
        """Return the value of a subexpression of the rule."""
        match node:
            case ast.Name(id=identifier):
                if identifier in self._parsed.aliases:
                    return self._columns.values(self._parsed.aliases[identifier])
                return self._columns.named_values(identifier)
            case ast.Constant(value=value):
                return _read_constant(value)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self._list_item(item) for item in items]
            case ast.BoolOp(op=operator, values=operands):
                return self._combine(node, isinstance(operator, ast.And), operands)
            case ast.UnaryOp(op=operator, operand=operand):
                return self._apply_unary(node, operator, operand)
            case ast.Compare():
                return self._compare_chain(node)
            case ast.BinOp(left=left, op=operator, right=right):
                if type(operator) not in _ARITHMETIC:
                    raise _forbidden(operator)
                return self._calculate(node, self.evaluate(left), _ARITHMETIC[type(operator)], self.evaluate(right))
            case ast.Call(func=ast.Attribute(value=owner, attr=name)):
                return self._call_method(node, owner, name)
            case ast.Call(func=ast.Name(id=function)) if function == IN_GROUP:
                return self._columns.in_group(_group_argument(node), self._label(node))
            case ast.Call():
                raise InputError(
                    "The only function that a rule in a string can call is in_group. To use another function, pass "
                    "the function itself as the rule."
                )
            case ast.Attribute(value=ast.Attribute(value=owner, attr="dt"), attr=name):
                return date_part(self._evaluate_column(owner), name, self._label(node))
            case ast.Attribute(attr=name):
                if name in METHODS or (name in TEXT_METHODS and getattr(node.value, "attr", "") == "str"):
                    raise InputError(f"The method .{name} must be called. Write .{name}(...).")
                raise not_allowed(name, [*METHODS, "str", "dt"])
        raise _forbidden(node)

    def _label(self, node: ast.expr) -> str:
        """Return the description of a subexpression of the rule for error messages."""
        return f"expression {self._parsed.source(node)}"

    def _evaluate_column(self, node: ast.expr) -> Values:
        """Return the value of a subexpression. Raise InputError if the subexpression does not depend on a column."""
        return self._require_column(self.evaluate(node), node)

    def _require_column(self, operand: Operand, node: ast.expr) -> Values:
        if not isinstance(operand, Values):
            raise InputError(f"Expected a column, but {self._parsed.source(node)} is a constant.")
        if operand.kind == "other":
            raise unsupported(operand)
        return operand

    def _list_item(self, node: ast.expr) -> Constant:
        item = self.evaluate(node)
        if not isinstance(item, Constant):
            raise InputError(f"A list can contain only constants, but {self._parsed.source(node)} is not a constant.")
        return item

    def _combine(self, node: ast.expr, is_and: bool, operands: list[ast.expr]) -> Values:
        """Evaluate ``and`` or ``or``."""
        word, combine = ("and", kleene_and) if is_and else ("or", kleene_or)
        label = self._label(node)
        results = [_as_boolean(self._evaluate_column(operand), f"The operator `{word}`") for operand in operands]
        combined = results[0]
        for result in results[1:]:
            combined = combine(combined, result, label)
        return combined

    def _apply_unary(self, node: ast.expr, operator: ast.unaryop, operand: ast.expr) -> Operand:
        """Evaluate ``not``, ``~``, or a minus sign. The negation of unknown is unknown."""
        if isinstance(operator, ast.USub):
            value = self.evaluate(operand)
            if isinstance(value, Constant) or (isinstance(value, Values) and value.kind in ("number", "missing")):
                return self._calculate(node, Constant(0), "-", value)
            raise InputError(f"The operator - requires a number, but {self._parsed.source(operand)} is not a number.")
        if not isinstance(operator, ast.Not | ast.Invert):
            raise _forbidden(operator)
        word = "not" if isinstance(operator, ast.Not) else "~"
        values = _as_boolean(self._evaluate_column(operand), f"The operator `{word}`")
        return Values("boolean", ~values.data, values.known, self._label(node))

    def _compare_chain(self, node: ast.Compare) -> Values:
        """Evaluate a comparison such as ``0 < x <= 5``, which means ``0 < x and x <= 5``."""
        nodes = [node.left, *node.comparators]
        operands = [self.evaluate(operand) for operand in nodes]
        label = self._label(node)
        combined: Values | None = None
        for i, operator in enumerate(node.ops):
            if type(operator) not in _COMPARISONS:
                raise _forbidden(operator)
            left, right = self._checked_sides(operands[i : i + 2], nodes[i : i + 2], _COMPARISONS[type(operator)])
            result = self._compare(left, _COMPARISONS[type(operator)], right, label)
            combined = result if combined is None else kleene_and(combined, result, label)
        assert combined is not None
        return combined

    def _checked_sides(self, operands: list[Operand], nodes: list[ast.expr], symbol: str) -> list[Operand]:
        """Return the operands of a comparison. Raise InputError if both are constants or a type is unsupported."""
        if not any(isinstance(operand, Values) for operand in operands):
            shown = " and ".join(self._parsed.source(node) for node in nodes)
            raise InputError(f"A comparison requires a column, but {shown} are constants.")
        for operand in operands:
            if isinstance(operand, Values) and operand.kind == "other":
                raise unsupported(operand)
        is_list = [isinstance(operand, list) for operand in operands]
        if symbol in ("in", "not in") and is_list != [False, True]:
            raise InputError(f"The right side of `{symbol}` must be a list, such as {symbol} ['a', 'b'].")
        if symbol not in ("in", "not in") and any(is_list):
            raise InputError(f"The operator {symbol} cannot be used with a list. Use `in` or `not in`.")
        return operands

    def _compare(self, left: Operand, symbol: str, right: Operand, label: str) -> Values:
        if isinstance(left, Values) and isinstance(right, list):
            result = is_in(left, right, label)
            return result if symbol == "in" else Values("boolean", ~result.data, result.known, label)
        if isinstance(left, Values) and not isinstance(right, list):
            return compare(left, symbol, right, label)
        assert isinstance(right, Values) and isinstance(left, Constant)
        return compare(right, _FLIPPED[symbol], left, label)

    def _calculate(self, node: ast.expr, left: Operand, symbol: str, right: Operand) -> Operand:
        """Evaluate an arithmetic operator."""
        for operand in (left, right):
            if isinstance(operand, list):
                raise InputError(f"The operator {symbol} cannot be used with a list.")
            if isinstance(operand, Values) and operand.kind == "other":
                raise unsupported(operand)
        assert not isinstance(left, list) and not isinstance(right, list)
        if isinstance(left, Values) or isinstance(right, Values):
            return calculate(left, symbol, right, self._label(node))
        # A calculation with constants only, such as -5 or 12 * 500, is evaluated like a column with a single value.
        if {left.kind, right.kind} != {"number"}:
            raise InputError(f"The operator {symbol} can combine only constants that are numbers.")
        column = Values("number", np.asarray([left.value]), np.ones(1, dtype=np.bool_), "constant")
        result = calculate(column, symbol, right, "constant")
        if not result.known[0]:
            raise InputError(f"The result of {self._parsed.source(node)} is not a number.")
        return Constant(result.data[0].item())

    def _call_method(self, node: ast.Call, owner: ast.expr, name: str) -> Values:
        """Evaluate the call of a method."""
        label = self._label(node)
        keywords: dict[str, Operand] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise _forbidden(keyword)
            keywords[keyword.arg] = self.evaluate(keyword.value)
        positional = [self.evaluate(argument) for argument in node.args]
        if isinstance(owner, ast.Attribute) and owner.attr == "str":
            return call_text_method(self._evaluate_column(owner.value), name, positional, keywords, label)
        if name not in METHODS:
            raise not_allowed(name, [*METHODS, *(f"str.{method}" for method in TEXT_METHODS)])
        arguments = bind_arguments(name, METHODS[name], positional, keywords)
        if name in ("isna", "notna"):
            # Values of unsupported types are not rejected here, because isna and notna only test whether a value is
            # missing.
            operand = self.evaluate(owner)
            known = operand.known if isinstance(operand, Values) else self._evaluate_column(owner).known
            data = known.copy() if name == "notna" else ~known
            return Values("boolean", data, np.ones(len(known), dtype=np.bool_), label)
        values = self._evaluate_column(owner)
        if name == "isin":
            if not isinstance(arguments["values"], list):
                raise InputError("The argument `values` of .isin must be a list, such as .isin(['a', 'b']).")
            return is_in(values, arguments["values"], label)
        if name == "between":
            bounds = [self._bound(arguments[side]) for side in ("left", "right")]
            inclusive = arguments["inclusive"]
            if isinstance(inclusive, Constant):
                inclusive = inclusive.value
            return is_between(values, bounds[0], bounds[1], inclusive, label)
        if name == "fillna":
            return fill_missing(values, arguments["value"], label)
        return absolute(values, label)

    def _bound(self, operand: Operand) -> Values | Constant:
        """Return the lower or upper bound that a rule passes to ``between``. Raise InputError if it is invalid."""
        if isinstance(operand, list):
            raise InputError("The bounds of .between must not be lists.")
        if isinstance(operand, Values) and operand.kind == "other":
            raise unsupported(operand)
        return operand


def _group_argument(node: ast.Call) -> str:
    """Return the argument of ``in_group``. Raise InputError if the argument is not exactly one quoted string."""
    match node:
        case ast.Call(args=[ast.Constant(value=str(group))], keywords=[]):
            return group
    raise InputError(f"The function in_group requires one group. {_IN_GROUP_FORM}")


def _read_constant(value: object) -> Constant:
    """Return a constant of a rule. Raise InputError if the constant is not a string, a number, or a boolean."""
    if value is None:
        raise InputError("A comparison with None is never true. Use .isna() or .notna() to select missing values.")
    if not isinstance(value, str | int | float):
        raise InputError(f"A rule cannot contain a constant of the type {type(value).__name__}.")
    if isinstance(value, int) and abs(value) > _MAX_NUMBER:
        raise InputError("A number in a rule can have at most 300 digits.")
    return Constant(value)


def _as_boolean(values: Values, what: str) -> Values:
    """Return values that are True, False, or unknown. Raise InputError if the values have another type."""
    if values.kind == "other":
        raise unsupported(values)
    if values.kind == "missing":
        return Values("boolean", np.zeros(len(values.known), dtype=np.bool_), values.known, values.label)
    if values.kind != "boolean":
        raise InputError(
            f"{what} requires booleans, but the {values.label} contains {PLURALS[values.kind]}. Use a comparison, "
            "such as == or >."
        )
    return values


def _forbidden(node: ast.AST) -> InputError:
    """Return the error for syntax that a rule cannot contain."""
    return InputError(
        f"A rule cannot contain {type(node).__name__}. The operators are < <= == != >= > in, not in, and, or, "
        "not, & | ~, + - * / // %."
    )
