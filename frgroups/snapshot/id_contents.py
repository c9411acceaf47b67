"""Find cells of an id column that contain a date, a name next to an id, or several ids."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.internals.id_cells import IMPORT_AS_TEXT
from frgroups.internals.typing import BoolArray

# Names and abbreviations of the months in English, German, Dutch, French, and the Nordic languages.
_MONTH = (
    "jan|january|januar|januari|janúar|janv|janvier|jän|jänner|tammi"
    "|feb|february|februar|februari|febrúar|fév|févr|février|helmi"
    "|mar|march|mars|marts|maart|mrt|mär|märz|mrz|maalis"
    "|apr|april|apríl|avr|avril|huhti"
    "|may|mai|maj|mei|maí|touko"
    "|jun|june|juni|jún|júní|juin|kesä"
    "|jul|july|juli|júl|júlí|juil|juillet|heinä"
    "|aug|august|augusti|augustus|ágú|ágúst|août|elo"
    "|sep|sept|september|septembre|syys"
    "|oct|october|okt|oktober|október|octobre|loka"
    "|nov|november|nóv|nóvember|novembre|marras"
    "|dec|december|dez|dezember|des|desember|déc|décembre|joulu"
)
# Excel displays the number 0 as the day 0 of January 1900.
_DAY_NUMBER, _MONTH_NUMBER = "(?:0?[0-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])"
_YEAR = "(?:(?:19|20)?[0-9]{2})"
_DATE = (
    rf"(?:(?:19|20)[0-9]{{2}}[-/.]{_MONTH_NUMBER}[-/.]{_DAY_NUMBER}"
    rf"|{_DAY_NUMBER}[-/.]{_MONTH_NUMBER}[-/.]{_YEAR}|{_MONTH_NUMBER}/{_DAY_NUMBER}/{_YEAR}"
    rf"|{_DAY_NUMBER}\.{_MONTH_NUMBER}\."
    rf"|{_DAY_NUMBER}[-/. ]{{1,2}}(?:{_MONTH})\.?(?:[-/. ]{{1,2}}{_YEAR})?"
    rf"|(?:{_MONTH})\.?[-/. ]{{1,2}}{_YEAR}|(?:{_MONTH})\.?[-/. ]{_DAY_NUMBER}(?:,? {_YEAR})?)"
)
_TIME = r"(?:[01]?[0-9]|2[0-3])(?::[0-5][0-9]){1,2}(?:[.,][0-9]+)?(?: ?[ap]\.?m\.?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"

UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

# Without known ids, other punctuation does not separate an id from a word, because ids such as "no:c-1" contain it.
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
        Whether an id with the shape of another id that does not have the content is accepted. For example, 01-12-99
        is not a date if another id is 45-13-99.
    """

    pattern: str
    problem: str
    action: str
    compares_shapes: bool = False

    def find(self, ids: pd.Series, tenant_ids: pd.Series) -> list[str]:
        """
        Return the ids that have this content.

        If an id of the tenant has this content, the tenant uses such ids, and the list is empty.
        """
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
    Return a boolean array that is True for each value that has the same shape as a value of `others`.

    The shape of "jan-02" is "aaa-00".

    Examples
    --------
    >>> has_shape_of(pd.Series(["jan-02", "c-1"]), pd.Series(["ola-12"]))
    array([ True, False])
    """
    strings, other_strings = (pa.array(ids, type=pa.large_string(), from_pandas=True) for ids in (values, others))
    # Strings of different lengths have different shapes, and the regular expressions are slow.
    has_length = pc.is_in(pc.utf8_length(other_strings), value_set=pc.unique(pc.utf8_length(strings)))
    return np.asarray(pc.is_in(_shapes(strings), value_set=_shapes(other_strings.filter(has_length))), dtype=np.bool_)


def _shapes(strings: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pc.replace_substring_regex(pc.replace_substring_regex(strings, r"\pL", "a"), r"\p{Nd}", "0")


CONTENTS = (
    Content(
        rf"{_DATE}(?:[T ]{_TIME})?|{_TIME}",
        "Some ids look like dates or times.",
        f"Spreadsheets convert ids such as 1-2 to dates. {IMPORT_AS_TEXT}",
        compares_shapes=True,
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
)


# These characters separate an id from a word or from another id in the same cell.
_SEPARATORS = r"[\s,;:|/()<>\[\]{}=]"
# After a digit, a dash, "_", or "." separates the id from words, such as "-Ola-Nordmann" and ".O.Nordmann".
# One word has at least two letters, because a single letter, such as that of "1001-A", is probably part of the id.
_DASH, _LETTERS = r"[-\u2013\u2014_.']", r"[^\W\d_]"
_WORDS = rf"(?:{_LETTERS}+{_DASH}+)*{_LETTERS}{{2,}}(?:{_DASH}+{_LETTERS}+)*{_DASH}*"
_BETWEEN_PARTS = re.compile(rf"({_SEPARATORS}+|(?<=\d){_DASH}+(?={_WORDS}(?:{_SEPARATORS}|\Z)))")


def split_parts(cell: str) -> list[str]:
    """
    Split a cell into ids and words. The items at odd positions are the separators between them.

    Examples
    --------
    >>> split_parts("1001 Ola"), split_parts("1001-Ola"), split_parts("c-1"), split_parts("ola-02")
    (['1001', ' ', 'Ola'], ['1001', '-', 'Ola'], ['c-1'], ['ola-02'])
    """
    return _BETWEEN_PARTS.split(cell)


def hide_words(text: str) -> str:
    """
    Replace the words next to an id with an ellipsis, because they can be the name of a customer.

    Dates, such as "02.jan", do not change.

    Examples
    --------
    >>> hide_words("1001 Ola Nordmann"), hide_words("1001-Ola"), hide_words("c-1 (Ola)"), hide_words("Slutt")
    ('1001 … …', '1001-…', 'c-1 (…)', 'Slutt')
    """
    parts = split_parts(text)
    if len(parts) == 1 or not re.search(r"\d", text) or re.fullmatch(_DATE, text, re.IGNORECASE):
        return text
    return "".join(
        "…" if n % 2 == 0 and part and not re.search(r"\d", part) else part for n, part in enumerate(parts)
    )
