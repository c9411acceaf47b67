"""Syntax of segment rules: a subset of Python expressions, with column names in backticks."""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from frgroups.analysis.consent import mentioned_channels
from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.suggestions import did_you_mean

# The pattern `fixed` matches strings and comments, which are not changed.
# As in Python, a name can contain letters of any script.
_TOKENS = re.compile(
    r"""(?P<fixed>'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\#[^\n]*)"""
    r"""|`(?P<quoted>[^`]*)`|(?P<operator>[&|])|(?P<name>[^\W\d]\w*)""",
    re.DOTALL,
)

_MAX_SOURCE = 80  # Maximum length of a subexpression in an error message. Longer text is shortened.


@dataclass(frozen=True)
class ParsedRule:
    """A rule as a syntax tree. `aliases` maps identifiers in the tree to column names."""

    body: ast.expr
    aliases: dict[str, str] = field(default_factory=dict)

    def source(self, node: ast.expr) -> str:
        """Return the source text of a subexpression for error messages."""
        text = re.sub(r"\w+", self._quote_alias, ast.unparse(node))
        return text if len(text) <= _MAX_SOURCE else f"{text[:_MAX_SOURCE]}…"

    def _quote_alias(self, word: re.Match[str]) -> str:
        """Return a word, or the column name in backticks if the word is an alias."""
        return f"`{self.aliases[word[0]]}`" if word[0] in self.aliases else word[0]


def parse_rule(rule: str, columns: Collection[str]) -> ParsedRule:
    """
    Parse a rule into a syntax tree.

    The operators ``&`` and ``|`` mean ``and`` and ``or``, with the same precedence, as in `DataFrame.query`. Column
    names in backticks are replaced by identifiers. A name that is not in the Unicode form NFKC is also replaced,
    because Python converts identifiers to this form. Without the replacement, the converted name could select another
    column.

    Examples
    --------
    >>> parsed = parse_rule("`paid (NOK)` > 5 & has_email", ["paid (NOK)", "has_email"])
    >>> parsed.source(parsed.body)
    '`paid (NOK)` > 5 and has_email'
    """
    aliases: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        if match["fixed"] is not None:
            return match[0]
        if match["operator"] is not None:
            return " and " if match[0] == "&" else " or "
        name = match["quoted"] if match["name"] is None else match["name"]
        if match["name"] is not None and unicodedata.normalize("NFKC", name) == name:
            return name
        if name not in columns:
            raise unknown_name(name, columns)
        alias = f"quoted_{len(aliases)}"
        while alias in columns or alias in rule:
            alias += "_"
        aliases[alias] = name
        return alias

    text = _TOKENS.sub(replace, rule.strip()).strip()
    try:
        parsed = ParsedRule(ast.parse(text, mode="eval").body, aliases)
        _check_adjacent_texts(text)
        return parsed
    except SyntaxError as error:
        hint = "Use == to compare for equality." if re.search(r"[^=!<>]=[^=]", text) else ""
        raise InputError(f"The rule is not a valid expression: {error.msg}.", hint=hint) from None
    except InputError:
        raise
    except (ValueError, MemoryError, RecursionError, tokenize.TokenError):
        raise InputError(
            "The rule is not a valid expression. It has too many levels or an invalid character."
        ) from None


def _check_adjacent_texts(text: str) -> None:
    """Raise InputError if a comma is missing between two strings, because Python would join the strings."""
    previous = None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING and previous is not None:
            raise InputError(
                f"The strings {previous} and {token.string} must be separated by a comma or an operator."
            )
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            previous = token.string if token.type == tokenize.STRING else None


def unknown_name(name: str, columns: Iterable[str], computed: Iterable[str] = (), hint: str = "") -> InputError:
    """
    Return the error for a name in a rule that is not a column.

    The error suggests a similar name, for example reachable_mobile for reachable_sms, and lists all columns and all
    computed names.

    Examples
    --------
    >>> print(unknown_name("City", ["city", "origin"]).message)
    The customers table has no column 'City'. Did you mean 'city'? The columns are city and origin.
    """
    columns, computed = list(map(str, columns)), list(computed)
    folded = {known.casefold(): known for known in [*computed, *columns]}
    prefix, _, channel_name = name.casefold().rpartition("_")
    similar = [f"{prefix}_{channel}" for channel in mentioned_channels(channel_name)]
    similar = [key for key in similar if key in folded]
    if not similar:
        similar = difflib.get_close_matches(name.casefold(), folded, n=1)
    text = f"The customers table has no column {name!r}.{did_you_mean(folded[key] for key in similar)}"
    text += f" The columns are {format_list(columns)}."
    if computed:
        text += f" The names that are computed for each customer are {format_list(computed)}."
    return InputError(text, hint=hint)
