"""Find cells of an id column that contain a date, a name next to an id, or several ids."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.internals.id_cells import IMPORT_AS_TEXT
from frgroups.internals.id_parts import DATE, MASK_CHARACTERS, TIME
from frgroups.internals.typing import BoolArray

UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# Ids with at least this number of characters, such as UUIDs, are treated as random ids of a fixed length.
LONG_ID = 20

# Only spaces and brackets separate an id from a word.
# Other punctuation is not a separator, because it can be part of an id such as "no:c-1".
_GAP, _NO_GAP = r"[\s()<>\[\]]+", r"[^\s()<>\[\]]*"
_PART_WITH_DIGIT, _NAME = f"{_NO_GAP}[0-9]{_NO_GAP}", r"\pL[\pL'.,:;-]{2,}"
_ANY_PARTS = f"{_GAP}(?:.*{_GAP})?"
_PART_WITH_BOTH = rf"{_NO_GAP}(?:\pL{_NO_GAP}[0-9]|[0-9]{_NO_GAP}\pL){_NO_GAP}"


@dataclass(frozen=True)
class Content:
    """
    Content of a cell that is probably not an id.

    Attributes
    ----------
    pattern
        Regular expression (RE2) for the complete cell.
    problem
        Sentence that states the problem.
    action
        Sentences that state how to correct the cells.
    compares_shapes
        Whether an id is accepted if it has the same shape as another id that does not have this content. For example,
        01-12-99 is accepted if the list also contains 45-13-99, which is not a date.
    needs_tenant
        Whether the check requires ids of the tenant. If it is True and no ids of the tenant are known, ids with this
        content are accepted.
    """

    pattern: str
    problem: str
    action: str
    compares_shapes: bool = False
    needs_tenant: bool = False

    def find(self, ids: pd.Series, tenant_ids: pd.Series) -> list[str]:
        """
        Return the ids that have this content.

        If an id of the tenant has this content, the tenant uses such ids, and the function returns an empty list.
        """
        if self.needs_tenant and not tenant_ids.notna().any():
            return []
        found = ids[self._matches(ids)]
        if found.empty or self._matches(tenant_ids).any():
            return []
        if self.compares_shapes:
            others = pd.concat([ids.drop(found.index), tenant_ids.dropna()])
            found = found[~has_shape_of(found, others)]
        return list(found)

    def _matches(self, ids: pd.Series) -> BoolArray:
        strings = pa.array(ids, type=pa.large_string(), from_pandas=True)
        matches = pc.match_substring_regex(strings, f"^(?:{self.pattern})$", ignore_case=True)
        return np.asarray(matches.fill_null(False), dtype=np.bool_)


def has_shape_of(values: pd.Series, others: pd.Series) -> BoolArray:
    """
    Return a boolean array that is True for each string in `values` with the same shape as a string in `others`.

    The shape of "jan-02" is "aaa-00".

    Examples
    --------
    >>> has_shape_of(pd.Series(["jan-02", "c-1"]), pd.Series(["ola-12"]))
    array([ True, False])
    """
    strings, other_strings = (pa.array(ids, type=pa.large_string(), from_pandas=True) for ids in (values, others))
    # Compute the shapes of only those other strings whose length occurs in `values`, because strings of different
    # lengths have different shapes, and the regular expressions are slow.
    has_length = pc.is_in(pc.utf8_length(other_strings), value_set=pc.unique(pc.utf8_length(strings)))
    return np.asarray(pc.is_in(_shapes(strings), value_set=_shapes(other_strings.filter(has_length))), dtype=np.bool_)


def _shapes(strings: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pc.replace_substring_regex(pc.replace_substring_regex(strings, r"\pL", "a"), r"\p{Nd}", "0")


# All dashes and minus signs.
# Excel reads a cell that starts with a sign as a formula or a number, so an id that starts with a sign is suspicious.
_MINUS = "[-\u2010-\u2015\u2212\ufe63\uff0d]"
# This pattern matches ids that start with "+" but are not phone numbers in international format.
# A phone number has no zero after the "+", and it has at least seven digits.
_SIGNED_NUMBER = "[+\uff0b](?:0.*|[1-9][0-9 ]{0,5}|.*[^0-9 ()./-].*)"
# First and last characters that are unusual for an id. Letters, digits, "#", and "_" are usual first characters.
_FIRST, _LAST = r"[^\pL\pN_#+\x{ff0b}-]", r"[^\pL\pN\pM_=-]"
# Ids that start with a minus sign, or end with a hyphen or an equals sign, match only if they have at most 18 other
# characters.
# Longer ids can be random ids, in which these characters are usual.
_EDGES = f"{_SIGNED_NUMBER}|{_MINUS}.{{0,18}}|{_FIRST}.*|.*{_LAST}|.{{0,18}}[=-]"
# A visible character that is neither a letter nor an ASCII character, for example a symbol or an Arabic digit.
_SYMBOL = r"[^\x00-\x7f\pL\pM\pZ\pC]"

# A date with eight digits, as YYYYMMDD or DDMMYYYY. February 29 is accepted in every year.
_YEAR_OF_DATE = "(?:19[0-9]{2}|20[0-9]{2}|2100)"
_MONTH_AND_DAY = "(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9])|(?:0[13-9]|1[0-2])30|(?:0[13578]|1[02])31)"
_DAY_AND_MONTH = "(?:(?:0[1-9]|[12][0-9])(?:0[1-9]|1[0-2])|30(?:0[13-9]|1[0-2])|31(?:0[13578]|1[02]))"

# Words with which programs replace a confidential value.
_MASK_WORD = (
    "redacted|masked|hidden|removed|deleted|filtered|censored|confidential|protected|private|anonymous"
    "|anonymi[sz]ed|pseudonymi[sz]ed|maskert|skjult|sladdet|slettet|fjernet|anonymisert|anonym|maskeret|anonymiseret"
    "|maskerad|dold|borttagen|raderad|anonymiserad|maskiert|verborgen|gelöscht|entfernt|geschwärzt|anonymisiert"
    "|peitetty|piilotettu|poistettu|anonymisoitu|masqué|caché|supprimé|anonymisé|ukryte|usunięte|oculto|eliminado"
)
_MISSING_WORD = (
    r"unknown|missing|tbd|tba|none|not (?:found|set|available)|error|[+-]?inf(?:inity)?|1\.#(?:qnan|ind|inf)|pd\.na"
    "|ukjent|mangler|ingen|ikke (?:funnet|satt)|i/t|ukendt|ikke fundet|okänd|saknas|inget|hittades ej"
    r"|unbekannt|fehlt|keine?r?|nicht (?:gefunden|vorhanden)|k\.?a\.|tuntematon|puuttuu|ei löydy|inconnu"
)
_MASK = f"[{re.escape(MASK_CHARACTERS)}]"

# Masked and shortened ids are incomplete. Therefore, `check_complete` rejects them before the search for similar ids.
INCOMPLETE_IDS = (
    Content(
        rf"[^\pL\pN]*(?:{_MASK_WORD})[^\pL\pN]*|.*(?:{_MASK}{{2,}}|#{{2,}}|_{{3,}}|\*).*|(?:.*[^\pL])?x{{3,}}(?:[^\pL].*)?",
        "Some ids are masked.",
        "Export the list again with the complete ids.",
    ),
    Content(
        r".*(?:\.\.+|\x{2026})",
        "Some ids end with an ellipsis, so they are probably not complete.",
        "Export the list again with the complete ids.",
    ),
)

CONTENTS = (
    Content(
        rf"{DATE}(?:[T ]{TIME})?|{TIME}",
        "Some ids look like dates or times.",
        f"Spreadsheets convert ids such as 1-2 to dates. {IMPORT_AS_TEXT}",
        compares_shapes=True,
    ),
    Content(
        f"{_YEAR_OF_DATE}{_MONTH_AND_DAY}|{_DAY_AND_MONTH}{_YEAR_OF_DATE}",
        "Some ids look like dates (YYYYMMDD or DDMMYYYY), but no known id is a date.",
        "Replace each date with the id of the customer, or delete the row.",
        needs_tenant=True,
    ),
    Content(
        rf"[^\pL\pN]*(?:{_MISSING_WORD})[^\pL\pN]*",
        "Some ids are words for a missing value.",
        "Replace each word with the id of the customer, or delete the row.",
    ),
    Content(
        rf"(?:{_GAP})?(?:(?:{_NO_GAP}{_GAP})*{_PART_WITH_DIGIT}{_ANY_PARTS}{_NAME}(?:{_GAP}.*)?"
        rf"|(?:{_NO_GAP}{_GAP})*{_NAME}{_ANY_PARTS}{_PART_WITH_DIGIT}(?:{_GAP}.*)?)",
        "Some cells contain words next to the id.",
        "Write only the id in the id column.",
    ),
    Content(
        f"{_PART_WITH_BOTH}(?:{_GAP}{_PART_WITH_BOTH})+",
        "Some cells contain several ids.",
        "Write one id per row.",
    ),
    Content(
        _EDGES,
        "Some ids start or end with a sign, such as +, -, @, or a bracket.",
        "Write only the id in the id column.",
    ),
    Content(
        f".*{_SYMBOL}.*",
        "Some ids contain a symbol that can separate columns, such as \u00a6, \u00a4, or \u2192, or a digit of "
        "another script.",
        "Use the separator semicolon, comma, tab, or vertical bar, and write only the id in the id column.",
    ),
)
