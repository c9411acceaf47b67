r"""
Find rows of a customer list that are not ids, for example row counts, dates, and names.

The label of a totals row or a note below a table can look like a customer uid. If such text were read as an id, the
API would add a customer who does not exist. Most checks compare each unknown id with the other ids of the list. They
do not search for specific words, so they work for lists in any language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.errors import ListError
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.id_cells import IMPORT_AS_TEXT, looks_like_id
from frgroups.internals.id_parts import SHORT_DATE, hide_words
from frgroups.internals.redaction import repr_id
from frgroups.internals.similar_text import latin_shape
from frgroups.snapshot.id_contents import CONTENTS, INCOMPLETE_IDS, LONG_ID, Content
from frgroups.snapshot.membership_matrix import to_string_array
from frgroups.snapshot.uid_lookup import is_known

# A format is unusual only if ids in other formats are at least this number of times as frequent.
_OTHERS_PER_ID = 3
# An unknown number is suspicious if it exceeds the largest known number by more than this factor.
_MAX_FACTOR = 10
_PADDED = re.compile(r"[^0-9]*0[0-9]")
_MAX_SHOWN = 10
# This pattern matches a word that can be a title or a note, with an optional short number before or after it.
_NOTE = re.compile(r"[^\W\d_]{3,}\d{0,4}|\d{1,4}[^\W\d_]{2,}")

# This pattern matches a row count, with an optional label and punctuation, for example "n=12" or "(12)".
_COUNT = re.compile(r"[\W_]*(?:[^\W\d_]+\s*[:=]\s*)?([0-9]{1,18})[\W_]*")
# Patterns for ids that a spreadsheet program might have converted.
# Numbers from 40,000 to 49,999 are included, because Excel stores the dates from 2009 to 2036 as these numbers.
_CONVERSIONS = (
    (re.compile(SHORT_DATE), "a date"),
    (re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+|[0-9]+[.,][0-9]+"), "a number"),
    (re.compile("4[0-9]{4}"), "the number of a date"),
)

_WORD, _EMAIL, _LOOK_ALIKE = "word 0 ", "email 0 ", "look-alike 0 "
_HEX, _SEPARATORS = frozenset("0123456789abcdefABCDEF"), frozenset("-_")


@dataclass(frozen=True)
class ListedIds:
    """
    The ids of a file with their row numbers.

    Attributes
    ----------
    ids
        Unique ids in the order of the file. The name of the Series is the name of the column, or "id".
    rows
        Dictionary from id to the number of the first row that contains the id.
    source
        Path of the file.
    has_header
        Whether the first row of the file contains column names.
    last_id
        Id in the last row.
    n_rows
        Number of rows that contain an id, including repeated ids.
    n_above
        Possible numbers of rows above the last row. They differ because blank rows and repeated ids can be counted or
        not.
    other_columns
        Number of known ids in each other column, by column name. Empty if the id column itself contains known ids.
    unused_columns
        Names of the columns that were not read.
    """

    ids: pd.Series
    rows: Mapping[str, int]
    source: Path
    has_header: bool
    last_id: str
    n_rows: int
    n_above: frozenset[int]
    other_columns: Mapping[str, int] = field(default_factory=dict)
    unused_columns: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Description of the column and the file, for messages."""
        if self.has_header:
            return f"the column {str(self.ids.name)!r} of {self.source}"
        return f"{self.source}, which has no header"

    def describe_rows(self, ids: Iterable[str]) -> str:
        """
        Return a list of the first ids with their row numbers, in the order of the file.

        Words next to an id can be names of customers, so they are replaced with an ellipsis.
        """
        ordered = sorted(ids, key=self.rows.__getitem__)
        shown = [f"row {self.rows[value]} {repr_id(hide_words(value))}" for value in ordered[:_MAX_SHOWN]]
        return format_list([*shown, *ordered[_MAX_SHOWN:]], _MAX_SHOWN)


def check_row_count(listed: ListedIds, known: Collection[str]) -> None:
    """
    Raise ListError if the last row contains the number of rows above it or the sum of the values above it.

    The number can have leading zeros. A number with punctuation or a label such as "n=" is also recognized if no
    other id has the same form. A known customer uid is not treated as a row count if other ids have the same format.
    """
    last, ids = listed.last_id, list(listed.ids)
    count = _COUNT.fullmatch(last)
    if count is None or ids[-1] != last:
        return
    meaning = ""
    if int(count[1]) in listed.n_above - {0} and (last == count[1].lstrip("0") or _has_own_skeleton(ids)):
        meaning = "number of rows above"
    elif len(ids) > _OTHERS_PER_ID and last not in known and _is_sum(ids):
        meaning = "sum of the values above"
    if not meaning or (last in known and last not in find_unusual_ids(ids)):
        return
    raise ListError(
        f"{listed.source}, row {listed.rows[last]}: the list ends with {repr_id(last)}, which is the {meaning}. The "
        "row is probably a total. Delete the row.",
        **_hints(1),
    )


def _has_own_skeleton(ids: Sequence[str]) -> bool:
    """Return True if no other id has the same length and the same skeleton (see `_skeletons`) as the last id."""
    skeletons = _skeletons(pa.array(ids, type=pa.large_string())).to_pylist()
    lengths = {len(value) for value, skeleton in zip(ids[:-1], skeletons, strict=False) if skeleton == skeletons[-1]}
    return len(ids[-1]) not in lengths


def _is_sum(ids: Sequence[str]) -> bool:
    """Return True if all ids are integers, and the last id is the sum of the other ids."""
    return all(re.fullmatch("[0-9]{1,18}", value) for value in ids) and int(ids[-1]) == sum(map(int, ids[:-1]))


def _conversion_note(values: Iterable[str]) -> str:
    """Return a sentence about the first id that is probably a converted date or number, or ""."""
    for value in values:
        kind = next((kind for pattern, kind in _CONVERSIONS if pattern.fullmatch(value)), "")
        if kind:
            return f" {repr_id(value)} is probably {kind} that a spreadsheet has made from an id. {IMPORT_AS_TEXT}"
    return ""


def check_formats(listed: ListedIds, known: Collection[str], tenant_ids: pd.Series) -> None:
    """
    Raise ListError if unknown ids are probably dates, names, notes, or totals.

    Parameters
    ----------
    listed
        Ids of the list.
    known
        Ids of known customers, which can have any format.
    tenant_ids
        All ids of the tenant. If a known id is, for example, a date, then unknown ids can also be dates.
    """
    _reject_contents(listed, known, tenant_ids, CONTENTS)
    _reject_numbers_out_of_range(listed, known, tenant_ids)
    _reject_unusual_formats(listed, known)
    _reject_first_word(listed, known)
    _reject_other_forms(listed, known, tenant_ids)


def check_complete(listed: ListedIds, known: Collection[str], tenant_ids: pd.Series) -> None:
    """Raise ListError if unknown ids are masked or shortened. The parameters are those of `check_formats`."""
    _reject_contents(listed, known, tenant_ids, INCOMPLETE_IDS)


def _reject_contents(
    listed: ListedIds, known: Collection[str], tenant_ids: pd.Series, contents: Iterable[Content]
) -> None:
    for content in contents:
        found = [value for value in content.find(listed.ids, tenant_ids) if value not in known]
        if not found:
            continue
        raise ListError(
            f"{listed.source}, {listed.describe_rows(found)}: {content.problem} {content.action}",
            **({} if content in INCOMPLETE_IDS else _hints(len(found))),
        )


def _reject_numbers_out_of_range(listed: ListedIds, known: Collection[str], tenant_ids: pd.Series) -> None:
    """
    Raise ListError if an unknown number is much larger than the tenant's largest numeric id.

    Such a number is probably not an id but, for example, a phone number. Customers who are in no group are not in the
    snapshot, but their ids are from the same range as the known ids. If the list contains no known ids, this function
    does not check it, because another check rejects such lists.
    """
    if not known:
        return
    numbers = [value for value in listed.ids if value not in known and re.fullmatch("[0-9]+", value)]
    largest = _largest_number(tenant_ids) if numbers else None
    if largest is None:
        return
    found = [value for value in numbers if int(value) > _MAX_FACTOR * int(largest)]
    if not found:
        return
    kind = str(tenant_ids.name).replace("_", " ")
    raise ListError(
        f"{listed.source}, {listed.describe_rows(found)}: {agree(len(found), 'the number is', 'the numbers are')} "
        f"outside the range of the known {kind}s. The largest known {kind} that is a number is {largest!r}. Correct "
        f"the {agree(len(found), 'id', 'ids')}, or delete the {agree(len(found), 'row', 'rows')}.",
        **_hints(len(found)),
    )


def _largest_number(ids: pd.Series) -> str | None:
    """Return the largest id that consists only of digits, or None if no id consists only of digits."""
    values = to_string_array(ids.dropna().astype("str"))
    values = values.filter(pc.match_substring_regex(values, "^[0-9]+$"))
    if not len(values):
        return None
    # Compare the numbers as strings, because they can be too long for an integer type.
    # After leading zeros are removed, only the longest strings can be the largest number.
    digits = pc.utf8_ltrim(values, characters="0")
    is_longest = pc.equal(pc.utf8_length(digits), pc.max(pc.utf8_length(digits)))
    longest = digits.filter(is_longest)
    return str(values.filter(is_longest)[pc.index(longest, pc.max(longest)).as_py()].as_py())


def _reject_unusual_formats(listed: ListedIds, known: Collection[str]) -> None:
    unusual = find_unusual_ids(list(listed.ids), known)
    if not unusual:
        return
    n = len(unusual)
    example = next(value for value in listed.ids if value not in unusual)
    raise ListError(
        f"{listed.source} contains {pluralize(n, 'id')} whose format differs from all other ids, such as "
        f"{repr_id(hide_words(example))}: {listed.describe_rows(unusual)}.{_conversion_note(unusual)} Delete totals "
        "and notes, and correct wrong ids.",
        **_hints(n),
    )


def _reject_first_word(listed: ListedIds, known: Collection[str]) -> None:
    """Raise ListError if the first id is a word and all other ids contain digits, because it can be a column name."""
    first = listed.ids.iloc[0]
    if first in known or looks_like_id(first) or len(listed.ids) == 1 or not all(map(looks_like_id, listed.ids[1:])):
        return
    row = listed.rows[first]
    hints = _hints(1)
    raise ListError(
        f"{listed.source}, row {row}: {repr_id(first)} is the only id without digits, and therefore probably a "
        "column name. If it is a column name, delete the rows above it. If it is a note, delete the row.",
        hint=f"You can also pass header_row={row} to skip the rows above a column name. {hints['hint']}",
        cli_hint=f"You can also pass --header-row {row} to skip the rows above a column name. {hints['cli_hint']}",
    )


def _reject_other_forms(listed: ListedIds, known: Collection[str], tenant_ids: pd.Series) -> None:
    """
    Raise ListError if the first or last id is unknown, and no other id of the list or the tenant has the same form.

    Such an id can be a title or a note. Unlike `find_unusual_ids`, this check also applies to lists of two ids. If no
    ids of the tenant are known, the check applies only to words, with or without a short number, such as "Side1".
    """
    ids, of_tenant = to_string_array(listed.ids), to_string_array(tenant_ids.dropna().astype("str"))
    ends = list(dict.fromkeys((listed.ids.iloc[0], listed.ids.iloc[-1])))
    found = [value for value in ends if value not in known and _has_other_form(value, ids, of_tenant)]
    if not found:
        return
    usual = next((value for value in listed.ids if value not in found), "")
    example = f", such as {repr_id(hide_words(usual))}" if usual else ""
    noun = "title" if found == ends[:1] else "note"
    verb = agree(len(found), "has a different format from all other ids", "have different formats from all other ids")
    raise ListError(
        f"{listed.source}, {listed.describe_rows(found)} {verb}{example}.{_conversion_note(found)} Delete the row "
        f"if it is a {noun}, or correct the id.",
        **_hints(len(found)),
    )


def _has_other_form(value: str, ids: pa.Array, of_tenant: pa.Array) -> bool:
    """Return True if an id has a different form from all other ids of the list and the tenant."""
    others = ids.filter(pc.not_equal(ids, value))
    is_checked = len(of_tenant) > 0 or (_NOTE.fullmatch(value) and len(pc.unique(_skeletons(others))) == 1)
    if not len(others) or not is_checked:
        return False
    return not _has_usual_form(value, pa.chunked_array([others, of_tenant]))


def _has_usual_form(value: str, usual: pa.ChunkedArray) -> bool:
    """
    Return True if an id has the same form as at least one id in `usual`.

    The array `usual` can contain all ids of the tenant. Therefore, the ids are compared as Arrow arrays, which is
    faster than a comparison of Python strings. Python strings are created only if the first comparison finds no
    match.
    """
    own_skeleton = _skeletons(pa.array([value], type=usual.type))[0].as_py()
    # A skeleton contains "0" in place of each sequence of digits, and no other digits.
    # To match all ids with this skeleton, replace each "0" with a pattern for digits.
    pattern = r"\pN+".join(map(re.escape, own_skeleton.split("0")))
    if pc.any(pc.match_substring_regex(usual, f"^(?:{pattern})$")).as_py():
        return True
    same_length = usual.filter(pc.equal(pc.utf8_length(usual), len(value))).to_pylist()
    if same_length and (len(value) >= LONG_ID or _random_id_test(same_length)(value)):
        return True
    return _formats([value]) == [_WORD] and _WORD in _formats(usual.to_pylist())


def _skeletons(ids: pa.Array) -> pa.Array:
    """Return the ids with each sequence of digits replaced, such as "c-0" for "c-250"."""
    return pc.replace_substring_regex(ids, r"\pN+", "0")


def _hints(n_ids: int) -> dict[str, str]:
    owners = agree(n_ids, "it is an id of a customer who does", "they are ids of customers who do")
    condition = f"If {owners} not belong to any group,"
    return {
        "hint": f"{condition} pass allow_similar_ids=True. To accept all known ids, pass snapshot=.",
        "cli_hint": f"{condition} pass --allow-similar-ids.",
    }


def find_unusual_ids(ids: Sequence[str], known: Collection[str] = ()) -> list[str]:
    """
    Return the unknown ids whose format differs from the format of all other ids.

    The format consists of the kind of the characters (letters, digits, or both), the separators, and the length. A
    format that occurs several times is usual. However, words among ids with digits and letters of another script
    among Latin letters are always unusual. If the numbers have no leading zeros, ids of one format can differ in
    length by one digit. If the numbers also have a prefix such as "c-", the difference can be larger.

    Parameters
    ----------
    ids
        Unique ids of a list.
    known
        Ids that can have any format.

    Examples
    --------
    >>> find_unusual_ids(["00000004", "00000005", "00000020", "8"])
    ['8']
    >>> find_unusual_ids(["c-1", "c-2", "c-3", "c-250"]), find_unusual_ids(["998", "999", "997", "1000"])
    ([], [])
    """
    if len(ids) <= _OTHERS_PER_ID:
        return []
    table = pd.DataFrame({"id": list(ids), "format": pd.Categorical(_formats(ids))})
    is_unknown = ~is_known(table["id"], pd.Series(list(known), dtype="str"))
    is_minority = pd.Series(False, index=table.index)
    for format_ in (_WORD, _LOOK_ALIKE):
        has_format = (table["format"] == format_) & is_unknown
        if 2 * has_format.sum() < len(ids):
            is_minority |= has_format
    is_single = ~table["format"].duplicated(keep=False) & ~is_minority & is_unknown
    candidates = table.loc[is_single | is_minority, "id"]
    if candidates.empty:
        return []
    usual = table[~is_single & ~is_minority]
    series = usual.groupby("format", observed=True)["id"].agg(list).to_dict()
    by_length = dict(list(usual["id"][usual["format"].str.startswith("mixed")].groupby(usual["id"].str.len())))
    is_random = {length: _random_id_test(list(others)) for length, others in by_length.items()}

    def is_unusual_id(value: str, own_format: str) -> bool:
        if any(_continues_series(value, own_format, others, str(key)) for key, others in series.items()):
            return False
        return len(value) not in is_random or not is_random[len(value)](value)

    own_formats = table.loc[candidates.index, "format"].astype("str")
    flags = [is_unusual_id(value, own) for value, own in zip(candidates, own_formats, strict=True)]
    is_unusual = pd.Series(flags, index=candidates.index, dtype=bool)
    minority = candidates[is_unusual & is_minority[candidates.index]]
    others = candidates[is_unusual & is_single[candidates.index]]
    n_usual = len(ids) - len(minority) - len(others)
    if n_usual < _OTHERS_PER_ID:
        return []
    if n_usual < _OTHERS_PER_ID * len(others):
        others = others.iloc[:0]
    return list(pd.concat([minority, others]).sort_index())


def _formats(ids: Sequence[str]) -> list[str]:
    """
    Return the format of each id: the kind of its characters, its length, and its separators, such as "mixed 4 -".

    The length and the separators of email addresses, words, and ids with letters of another script are not compared.
    """
    values = pa.array(ids, type=pa.large_string())
    has_letter = pc.match_substring_regex(values, r"\p{L}")
    length = pc.utf8_length(values).cast(pa.large_string())
    separators = pc.replace_substring_regex(values, r"[\p{N}\p{L}]+", "")
    kind = pc.if_else(has_letter, "mixed", "digits").cast(pa.large_string())
    formats = pc.binary_join_element_wise(kind, length, separators, pa.scalar(" ", pa.large_string()))
    is_word = pc.invert(pc.match_substring_regex(values, r"\p{N}"))
    formats = pc.if_else(is_word, pa.scalar(_WORD, pa.large_string()), formats)
    is_email = pc.match_substring(values, "@")
    formats = pc.if_else(is_email, pa.scalar(_EMAIL, pa.large_string()), formats)
    is_other = pc.invert(pc.string_is_ascii(values))
    look_alike = [latin_shape(value) != value.casefold() for value in values.filter(is_other).to_pylist()]
    is_look_alike = pc.replace_with_mask(is_other, is_other, pa.array(look_alike, type=pa.bool_()))
    formats = pc.if_else(is_look_alike, pa.scalar(_LOOK_ALIKE, pa.large_string()), formats)
    return [str(value) for value in formats.to_pylist()]


def _continues_series(value: str, own_format: str, others: Sequence[str], format_: str) -> bool:
    """
    Return True if an id can belong to the same series as the ids in `others`.

    `own_format` is the format of the id, and `format_` is the format that all ids in `others` have.
    """
    if own_format == format_:
        return True
    kind, separators = _kind_and_separators(format_)
    if (kind, separators) != _kind_and_separators(own_format):
        return False
    length = len(others[0])
    if length >= LONG_ID or any(map(_PADDED.match, others)):
        return False
    return kind != "digits" or abs(len(value) - length) == 1


def _random_id_test(others: Sequence[str]) -> Callable[[str], bool]:
    """
    Return a function that tests whether a string can be a random id of the same kind as the ids in `others`.

    A random id can differ from the other ids by chance. For example, it can contain only digits. If all ids start
    with the same character, such as "E100004", they are not random.
    """
    if len({value[0] for value in others}) == 1:
        return lambda _: False
    characters = set().union(*map(set, others))
    if characters <= _HEX:
        characters |= _HEX
    if characters & _SEPARATORS:
        characters |= _SEPARATORS
    return lambda value: set(value) <= characters


def _kind_and_separators(format_: str) -> tuple[str, str]:
    kind, _, separators = format_.split(" ", 2)
    return kind, separators
