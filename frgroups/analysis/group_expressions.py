"""Evaluate set expressions over groups, such as "VIP & loyalty - staff"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from frgroups.engines.memberships import collect_memberships
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.similar_text import clean_text
from frgroups.internals.typing import BoolArray
from frgroups.internals.validation import wrong_type
from frgroups.snapshot.group_references import REFERENCE, find_group, quote_reference, reference_of, unquote
from frgroups.snapshot.membership_matrix import MembershipMatrix

_PRECEDENCE = {"-": 4, "&": 3, "^": 2, "|": 1}
_OPERATIONS: dict[str, Callable[[BoolArray, BoolArray], BoolArray]] = {
    "-": lambda a, b: a & ~b,
    "&": np.logical_and,
    "^": np.logical_xor,
    "|": np.logical_or,
}
_QUOTES = "'\"`"
_SPECIAL = re.compile(r"[-&|^()'\"`]")
_SPACES = re.compile(r"\s*([&|^()])\s*")
# Words and characters that users might write instead of an operator, mapped to the operator.
_OTHER_OPERATORS = {
    **dict.fromkeys(["and not", "but not", "not", "og ikke", "och inte", "ikke", "inte", "!"], "-"),
    **dict.fromkeys(["and", "og", "och", "ja", "∩"], "&"),
    **dict.fromkeys(["or", "eller", "tai", "+", ",", "∪"], "|"),
}
_OTHER_OPERATOR = re.compile(
    r"(?<!\w)(?:and\s+not|but\s+not|og\s+ikke|och\s+inte|and|or|not|og|och|ja|eller|tai|ikke|inte)(?!\w)|[+!,∩∪]",
    re.IGNORECASE,
)
_OPERATOR_HINT = (
    "The operators are & (in both groups), | (in at least one), - (in the first but not in the second), and ^ (in "
    "exactly one). Enclose a name that contains an operator or a parenthesis in double quotes."
)


def members(data: Any, expression: str) -> pd.Index:
    """
    Return the customers selected by a set expression over groups.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    expression
        The groups, by uid or unique name, combined with parentheses and the operators of Python sets. The operators
        are listed in order of decreasing precedence. Operators of equal precedence are evaluated from left to right.

        - ``a - b``: customers in a but not in b
        - ``a & b``: customers in both groups
        - ``a ^ b``: customers in exactly one of the groups
        - ``a | b``: customers in at least one of the groups

        A ``-`` is an operator if there are spaces on both sides, or if it is next to a parenthesis or a quoted name.
        Otherwise, the ``-`` is part of a name, as in ``c-1`` or in a UUID.

        Enclose a name that contains an operator, a parenthesis, or a quote in single quotes, double quotes, or
        backticks. Double each quote of the same type in the name. Examples are ``"Kids & Baby"`` and
        ``"5"" screen"``. A name must match exactly, including case and spaces. If a string is the uid of one group
        and the name of another group, write ``uid:"vip"`` or ``name:"vip"``.

        In an expression, the quotes around a name are not part of the name. In a tenant with the groups ``Quoted``
        and ``"Quoted"``, write ``"Quoted"`` for the first group and ``'"Quoted"'`` for the second. Outside of
        expressions, quotes are part of the name: ``snapshot['"Quoted"']`` selects the second group.

        An expression is ambiguous if it contains, without quotes, a group name that includes an operator or a
        parenthesis. In a tenant with the groups Kids, Baby, and Kids & Baby, write ``"Kids & Baby"`` for the group
        with this name, or ``"Kids" & "Baby"`` for the customers in both Kids and Baby.

    Returns
    -------
    Index
        The sorted customer uids (`str`). The name of the Index is customer_uid.

    Raises
    ------
    InputError
        If the expression is invalid or ambiguous. The attribute `position` contains the position of the error,
        counted from 1.
    GroupNotFoundError
        If a group is unknown, or its name is not unique. The attribute `close` contains similar names.

    See Also
    --------
    region_members : Select customers by groups to include and to exclude.

    Examples
    --------
    >>> list(members(sample_snapshot(), "VIP & 'All members' - staff"))
    ['c-1', 'c-2']
    >>> members(sample_snapshot(), "VIP & & staff")
    Traceback (most recent call last):
    frgroups.errors.InputError: Expected a group or '(' at character 7, got '&'. The operators are ...
      VIP & & staff
            ^
    """
    matrix = collect_memberships(data)
    mask = expression_mask(matrix, expression)
    return matrix.customer_uids[mask].rename("customer_uid")


def expression_mask(
    matrix: MembershipMatrix, expression: str, member_mask: Callable[[str], BoolArray] | None = None
) -> BoolArray:
    """
    Return a mask that is True for each customer selected by a set expression over groups.

    See `members` for the syntax and the errors.

    Parameters
    ----------
    matrix
        The groups and their members.
    expression
        The expression.
    member_mask
        A function that takes a group uid and returns a mask of the group's members. None uses the members in
        `matrix`.

    Examples
    --------
    >>> int(expression_mask(sample_snapshot().matrix, "VIP | staff").sum())
    3
    """
    if not isinstance(expression, str):
        example = "'VIP & loyalty - staff'"
        if isinstance(expression, list | tuple) and all(isinstance(group, str) for group in expression):
            example = repr(" | ".join(expression))
        raise wrong_type(expression, "expression", "a string", hint=f"Call fg.members(snapshot, {example}).")
    tokens = list(_split_tokens(expression))
    span = _find_unquoted_name(matrix, tokens, expression)
    try:
        mask = _evaluate(matrix, tokens, expression, member_mask or matrix.member_mask)
    except InputError as error:
        if span is None:
            raise
        if isinstance(error, GroupNotFoundError):
            error.add(hint=span.hint)
            raise
        heading = str(error).splitlines()[0]
        raise InputError(f"{heading} {span.hint}", position=span.start + 1, expression=expression) from error
    if span is not None:
        raise span.ambiguous(matrix, tokens, expression)
    return mask


def expression_groups(matrix: MembershipMatrix, expression: str) -> set[str]:
    """
    Return the uids of the groups that a set expression refers to.

    Examples
    --------
    >>> sorted(expression_groups(sample_snapshot().matrix, "VIP - staff"))
    ['staff', 'vip']
    """
    uids: set[str] = set()

    def record(uid: str) -> BoolArray:
        uids.add(uid)
        return np.zeros(0, dtype=np.bool_)

    expression_mask(matrix, expression, record)
    return uids


class _Token(NamedTuple):
    """A token of a set expression: an operator, a parenthesis, a group, or the end of the expression."""

    kind: str  # The kind is an operator, a parenthesis, "group", or "end".
    text: str
    start: int
    end: int
    reference: str = ""  # The prefix before a quoted group name: "uid", "name", or "".
    quoted: bool = False


class _UnquotedName(NamedTuple):
    """A group name that an expression contains without quotes, and the quoted reference to the group."""

    name: str
    start: int
    end: int
    reference: str

    @property
    def hint(self) -> str:
        """A sentence that states how to refer to the group."""
        return f"To use the group {self.name!r}, enclose its name in quotes: {self.reference}"

    def ambiguous(self, matrix: MembershipMatrix, tokens: list[_Token], expression: str) -> InputError:
        """Return an error that shows how to write each meaning of the expression with quotes."""
        group = f"{expression[: self.start]}{self.reference}{expression[self.end :]}"
        parts, at = [], 0
        for token in tokens:
            if token.kind == "group" and not token.quoted and self.start <= token.start < self.end:
                parts += [expression[at : token.start], _quote_name(matrix, token.text)]
                at = token.end
        combination = "".join([*parts, expression[at:]])
        return InputError(
            f"The expression {expression!r} is ambiguous, because {self.name!r} is also the name of a group. Write "
            f"{group.strip()} for the group with this name, or {combination.strip()} for the combination of groups.",
            cli_hint="In a shell, enclose the complete expression in single quotes.",
            position=self.start + 1,
            expression=expression,
        )


def _find_unquoted_name(matrix: MembershipMatrix, tokens: list[_Token], expression: str) -> _UnquotedName | None:
    """
    Return the longest substring of an expression that matches a group name but consists of several tokens.

    Case, Unicode form, and spaces next to operators are ignored, because a user might write ``kids&baby`` for the
    group Kids & Baby. A substring in which all groups are in quotes is skipped, because its meaning is unambiguous.

    A substring of a valid expression is also skipped if replacing the substring with the group name would make the
    expression invalid. For example, with the groups T and ``T -``, the expression ``T - Kids`` has only one meaning.
    """
    groups = [token for token in tokens if token.kind == "group"]
    if len(tokens) <= 2 or all(token.quoted for token in groups):
        return None
    names: dict[str, str] = {}
    for name in [*matrix.group_uids, *matrix.group_names]:
        compared = _normalize(name)
        if _SPECIAL.search(compared):
            names.setdefault(compared, name)
    # Longer sequences of tokens match no name, because a name with n special characters has at most 2n + 1 tokens.
    max_tokens = max((2 * len(_SPECIAL.findall(compared)) + 1 for compared in names), default=0)
    is_valid = _is_valid(tokens)
    best: _UnquotedName | None = None
    for first, token in enumerate(tokens[:-1]):
        has_unquoted = False
        for n, last in enumerate(tokens[first : first + max_tokens], start=first + 1):
            has_unquoted |= last.kind == "group" and not last.quoted
            is_longer = best is None or last.end - token.start > best.end - best.start
            if last is token or last.kind == "end" or not has_unquoted or not is_longer:
                continue
            name = names.get(_normalize(expression[token.start : last.end]))
            if name is None:
                continue
            group = _Token("group", name, token.start, last.end, quoted=True)
            if not is_valid or _is_valid([*tokens[:first], group, *tokens[n:]]):
                best = _UnquotedName(name, token.start, last.end, _quote_name(matrix, name))
    return best


def _is_valid(tokens: list[_Token]) -> bool:
    """Return True if the operators, parentheses, and groups of an expression are in a valid order."""
    depth = 0
    expects_group = True
    for token in tokens:
        if expects_group != (token.kind in ("(", "group")):
            return False
        depth += {"(": 1, ")": -1}.get(token.kind, 0)
        if depth < 0 or (token.kind == "end" and depth):
            return False
        expects_group = token.kind == "(" or token.kind in _PRECEDENCE
    return True


def _quote_name(matrix: MembershipMatrix, text: str) -> str:
    """
    Return a quoted group reference, with a prefix if the group's name is also the uid of another group.

    `text` is the uid or the name of the group. If several groups have the name, the result refers to the first group.
    """
    named = matrix.uids_by_name.get(text, [])
    if len(named) > 1:
        return reference_of(matrix, named[0], in_expression=True)
    is_other_uid = text in matrix.names_by_uid and named not in ([], [text])
    return quote_reference(text, "name" if is_other_uid else "")


def _normalize(text: str) -> str:
    """Normalize case, Unicode form, and spaces, so that spelling variants of a name become equal strings."""
    return _SPACES.sub(r"\1", clean_text(text).casefold())


def _evaluate(
    matrix: MembershipMatrix, tokens: list[_Token], expression: str, member_mask: Callable[[str], BoolArray]
) -> BoolArray:
    """
    Evaluate a set expression and return a mask that is True for each selected customer.

    The tokens are processed from left to right with a stack of pending operators (shunting-yard algorithm).
    """
    values: list[BoolArray] = []
    operators: list[_Token] = []
    expects_group = True
    for token in tokens:
        if expects_group:
            if token.kind == "(":
                operators.append(token)
            elif token.kind == "group":
                values.append(member_mask(_find_group(matrix, token, expression)))
                expects_group = False
            else:
                raise _unexpected_token("a group or '('", token, expression)
            continue
        while operators and _PRECEDENCE.get(operators[-1].kind, 0) >= _PRECEDENCE.get(token.kind, 1):
            right, left = values.pop(), values.pop()
            values.append(_OPERATIONS[operators.pop().kind](left, right))
        if token.kind in _PRECEDENCE:
            operators.append(token)
            expects_group = True
        elif token.kind == ")" and operators:
            operators.pop()
        elif token.kind == "end" and operators:
            raise _unclosed("(", operators[-1].start, expression)
        elif token.kind != "end":
            expected = "an operator (- & ^ |)"
            if operators:
                expected += " or ')'"
            raise _unexpected_token(expected, token, expression)
    return values[0]


def _split_tokens(expression: str) -> Iterator[_Token]:
    """Split a set expression into operators, parentheses, and groups, and add an end token."""
    at, after_value = 0, False
    while at < len(expression):
        char = expression[at]
        start = at
        if char.isspace():
            at += 1
        elif char in "&|^()" or (char == "-" and (after_value or _is_minus_operator(expression, at))):
            at, after_value = at + 1, char == ")"
            yield _Token(char, char, start, at)
        elif match := REFERENCE.match(expression, at):
            reference, text = unquote(match)
            at, after_value = match.end(), True
            yield _Token("group", text, start, at, reference, quoted=True)
        elif char in _QUOTES:
            raise _unclosed(char, at, expression)
        else:
            at, after_value = at + 1, True
            while at < len(expression) and not _is_end_of_name(expression, at):
                at += 1
            text = expression[start:at].rstrip()
            yield _Token("group", text, start, start + len(text))
    yield _Token("end", "", len(expression), len(expression))


def _is_minus_operator(expression: str, at: int) -> bool:
    """Return True if the `-` at a position is an operator, or False if it is part of a group name."""
    following = expression[at + 1 : at + 2]
    if following == "(" or (following and following in _QUOTES):
        return True
    before = expression[at - 1 : at] or " "
    return before.isspace() and (following or " ").isspace()


def _is_end_of_name(expression: str, at: int) -> bool:
    """Return True if the character at a position ends an unquoted name: an operator or a parenthesis."""
    return expression[at] in "&|^()" or (expression[at] == "-" and _is_minus_operator(expression, at))


def _find_group(matrix: MembershipMatrix, token: _Token, expression: str) -> str:
    """Return the uid of the group that a token refers to."""
    try:
        return find_group(matrix, token.text, token.reference)
    except GroupNotFoundError as error:
        message, close, hints = error.message, error.close, [error.hint]
        if "-" in token.text and not token.quoted:
            hints.append("A minus sign is an operator only if there are spaces on both sides.")
        if not token.quoted and _OTHER_OPERATOR.search(token.text):
            if _contains_group(matrix, token.text):
                # The text combines several groups.
                # Similar names are not suggested, because each suggestion would replace the complete text with one
                # group.
                message, close, hints = f"No group has the uid or name {token.text!r}.", [], []
                hints.append(_replacement_hint(token.text))
            hints.append(_OPERATOR_HINT)
        position = token.start + 1
        raise GroupNotFoundError(
            f"{message} The group name starts at character {position} of the expression {expression!r}.",
            hint=" ".join(filter(None, hints)),
            close=close,
            n_matches=error.n_matches,
            position=position,
        ) from error


def _contains_group(matrix: MembershipMatrix, text: str) -> bool:
    """Return True if a substring between unsupported operators, such as "and", is the uid or name of a group."""
    known = {_normalize(name) for name in [*matrix.group_uids, *matrix.group_names]}
    return any(_normalize(part.strip()) in known for part in _OTHER_OPERATOR.split(text))


def _replacement_hint(text: str) -> str:
    """Return sentences that state the supported operator for each unsupported operator, such as "and"."""
    found = [match[0].strip() for match in _OTHER_OPERATOR.finditer(text)]
    replacements = {word: _OTHER_OPERATORS[" ".join(word.casefold().split())] for word in found}
    return " ".join(f"Use {operator} instead of {word!r}." for word, operator in replacements.items())


def _unexpected_token(expected: str, token: _Token, expression: str) -> InputError:
    """Return the error for a token that is not allowed at its position."""
    actual = "the end of the expression" if token.kind == "end" else repr(token.text)
    message = f"Expected {expected} at character {token.start + 1}, got {actual}"
    return _syntax_error(message, token.start, expression, hint=_OPERATOR_HINT)


def _unclosed(mark: str, at: int, expression: str) -> InputError:
    """Return the error for a parenthesis or a quote that is not closed."""
    hint = "" if mark == "(" else "Enclose a name that contains a quote in quotes of another type."
    return _syntax_error(f"The {mark} at character {at + 1} is not closed", at, expression, hint)


def _syntax_error(message: str, at: int, expression: str, hint: str = "") -> InputError:
    """Return an error that shows the expression and marks the position of the problem."""
    heading = f"{message}. {hint}" if hint else f"{message}."
    line = re.sub(r"\s", " ", expression)
    return InputError(f"{heading}\n  {line}\n  {' ' * at}^", position=at + 1, expression=expression)
