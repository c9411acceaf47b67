r"""
Find unknown ids that are similar to the ids of known customers.

An id that differs from a known id only in case, leading zeros, punctuation, accents, invisible characters, or similar
letters is probably the id of the known customer. An external id in a list of uids is a mistake. The API does not
report such ids, but adds a customer who does not exist.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, combinations, product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list
from frgroups.internals.id_parts import hide_words, split_parts
from frgroups.internals.redaction import repr_id
from frgroups.internals.similar_text import APOSTROPHES, latin_shape
from frgroups.internals.typing import IntArray
from frgroups.snapshot.cut_ids import find_cut_ids
from frgroups.snapshot.id_contents import UUID
from frgroups.snapshot.id_types import other_type_hints
from frgroups.snapshot.membership_matrix import to_string_array

_LABELS = {"customer_uid": "customer uid", "external_id": "external id", "loyalty_id": "loyalty id"}
_MAX_OWNERS = 3  # Maximum number of customers to name if an external id belongs to several customers.
_COMPARED = {
    "customer_uid": ("customer_uid", "external_id"),
    "external_id": ("external_id", "customer_uid"),
    "loyalty_id": ("loyalty_id", "customer_uid"),
}
_MAX_SHOWN = 10
_IF_OTHERS = "If the ids belong to other customers who are not in the snapshot"

# Patterns and replacements for Excel escapes such as _x000d_.
# The escape of an underscore is replaced first, because it can be part of another escape.
_ESCAPE_STEPS = (("_x005f_", "_"), ("_x[0-9a-f]{4}_", ""))
_LETTER_STEPS = (("o", "0"), ("i", "1"), ("l", "1"))
# Programs add ".0" to ids that they store as decimal numbers, and write large numbers as 1e5.
_DECIMALS, _SCIENTIFIC = "[.,]0+$", r"^[1-9]([.,][0-9]+)?e[+]?(0?[0-9]|1[0-5])$"
_PUNCTUATION = string.punctuation + " "
_SEPARATOR = r"[!-/:-?\[-`{-~ ]+"
# This pattern matches ids that contain another separator than a single hyphen.
_OTHER_SEPARATOR = r"[!-,./:-?\[-`{-~ ]|--"
# Only ids that contain a match of this pattern can consist of several parts.
_MAY_HAVE_PARTS = r"[^-_.\pL\pN]|\pN[-_.]+\pL"
_RUN = re.compile(r"\d+|[^\W\d_]+|[\W_]+")  # A sequence of only digits, only letters, or only other characters.
_SHAPE_STEPS = ((r"\pN", "0"), (r"\pL", "a"))
# This pattern matches the grave accent and each character that is not a visible ASCII character.
# Only ids that contain a match are processed by `_latin_id`, which is slower.
_OTHER_CHARACTER = "[^!-_a-~]"
# Unicode normalization (NFKC) would replace some apostrophes with a space and an accent.
# Therefore, `_latin_id` first replaces all apostrophes with the ASCII apostrophe.
_TO_APOSTROPHE = str.maketrans(dict.fromkeys(APOSTROPHES, "'"))


def similarity_keys(ids: pa.Array, *, uppercase: bool = False) -> pa.Array:
    """
    Return one key per id, such that similar ids have the same key.

    The following differences between ids are ignored: case, leading zeros, accents, whitespace, invisible characters,
    punctuation at the ends, decimal zeros, and Excel escapes. All separators are equal, except in email addresses.
    The letter O equals 0, and the letters I and L equal 1. Full-width letters equal normal letters. Digits of other
    scripts equal ASCII digits, and letters of other scripts equal the Latin letters that they look like.

    Parameters
    ----------
    ids
        The ids.
    uppercase
        Whether letters of other scripts are compared by their upper-case forms, as in `latin_shape`. The keys of
        ASCII ids are the same.

    Examples
    --------
    >>> similarity_keys(pa.array(["C-2", "c_02", "ｃ–２", "(c-2.0)", "O15O"], type=pa.large_string())).to_pylist()
    ['c-2', 'c-2', 'c-2', 'c-2', '150']
    """
    is_other = pc.match_substring_regex(ids, _OTHER_CHARACTER)
    if pc.any(is_other).as_py():
        latin = [_latin_id(text, uppercase=uppercase) for text in ids.filter(is_other).to_pylist()]
        ids = pc.replace_with_mask(ids, is_other, pa.array(latin, type=ids.type))
    keys = pc.utf8_lower(ids)
    # Search for the plain string first (0.06 µs per id), which takes a tenth of the time of a regular expression.
    if pc.any(pc.match_substring(keys, "_x")).as_py():
        keys = _replace(keys, _ESCAPE_STEPS)
    keys = pc.utf8_trim(keys, characters=_PUNCTUATION)
    is_scientific = pc.match_substring_regex(keys, _SCIENTIFIC)
    if pc.any(is_scientific).as_py():
        numbers = [f"{Decimal(key.replace(',', '.')):f}" for key in keys.filter(is_scientific).to_pylist()]
        keys = pc.replace_with_mask(keys, is_scientific, pa.array(numbers, type=keys.type))
    has_separators = pc.and_not(pc.match_substring_regex(keys, _OTHER_SEPARATOR), pc.match_substring(keys, "@"))
    if pc.any(has_separators).as_py():
        joined = _replace(keys.filter(has_separators), [(_DECIMALS, ""), (_SEPARATOR, "-")])
        keys = pc.replace_with_mask(keys, has_separators, joined)
    for letter, digit in _LETTER_STEPS:
        keys = pc.replace_substring(keys, letter, digit)
    return _strip_zeros(keys)


def _strip_zeros(keys: pa.Array) -> pa.Array:
    """Return the keys without the leading zeros of their first number."""
    has_zeros = pc.match_substring_regex(keys, "^[^0-9]*0[0-9]")
    shortened = _replace(keys.filter(has_zeros), [("^([^0-9]*)0+([0-9])", r"\1\2")])
    return pc.replace_with_mask(keys, has_zeros, shortened)


class _AsciiCharacters(dict[int, str]):
    """Translation table for `str.translate` that converts digits and punctuation to ASCII and removes accents."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category[0] in "CMZ":
            self[code] = ""
        elif category == "Nd":
            self[code] = str(unicodedata.decimal(character))
        elif category[0] in "PS" and not character.isascii():
            self[code] = "-"
        else:
            self[code] = character
        return self[code]


_ASCII_CHARACTERS = _AsciiCharacters()


def _latin_id(text: str, *, uppercase: bool) -> str:
    """Replace each character of an id with the Latin letter, ASCII digit, or hyphen that it looks like."""
    shape = latin_shape(text.translate(_TO_APOSTROPHE), uppercase=uppercase)
    return unicodedata.normalize("NFD", shape).translate(_ASCII_CHARACTERS)


def _key_arrays(ids: pa.Array) -> list[pa.Array]:
    """Return the similarity keys of the ids. If an id is not ASCII, also return the keys with `uppercase=True`."""
    keys = [similarity_keys(ids)]
    if not pc.all(pc.string_is_ascii(ids)).as_py():
        keys.append(similarity_keys(ids, uppercase=True))
    return keys


def _replace(strings: pa.Array, steps: Iterable[tuple[str, str]]) -> pa.Array:
    for pattern, replacement in steps:
        strings = pc.replace_substring_regex(strings, pattern, replacement)
    return strings


def find_similar_ids(customers: pd.DataFrame, ids: Sequence[str], by: str) -> dict[str, str]:
    """
    Return the unknown ids that are similar to an id of a known customer, with a description of that id.

    Parameters
    ----------
    customers
        The known customers, with the column customer_uid and other columns of ids.
    ids
        Ids that are not in the column `by` of the known customers.
    by
        Column of the ids, for example "customer_uid". Ids of other columns, such as email addresses, are not
        compared.

    Examples
    --------
    >>> find_similar_ids(sample_snapshot().customers, ["C-2", "0003", "new"], "customer_uid")
    {'0003': "external id of customer 'c-3'", 'C-2': "similar to the customer uid 'c-2'"}
    """
    similar: dict[str, str] = {}
    if not len(ids):
        return similar
    unknown = pa.array(ids, type=pa.large_string())
    unknown_keys = _key_arrays(unknown)
    for kind in _COMPARED.get(by, ()):
        if kind not in customers:
            continue
        known = customers[customers[kind].notna() & (customers[kind] != "")]
        known_ids = to_string_array(known[kind])
        if kind != by:
            matched = [ids[n] for n, _ in _matches(unknown, known_ids)]
            owners = known[known[kind].isin(matched)].groupby(kind)["customer_uid"].agg(list)
            for value in matched:
                similar.setdefault(value, _describe_owners(kind, owners[value]))
        known_keys = _key_arrays(known_ids)
        for keys, other_keys in product(unknown_keys, known_keys):
            matches = _matches(keys, other_keys) + _matches_without_hyphens(keys, other_keys)
            for n, position in matches:
                text = f"similar to the {_LABELS[kind]} {repr_id(known_ids[position].as_py())}"
                similar.setdefault(ids[n], text)
        if kind == by:
            for whole, position in chain(_contained_ids(unknown, known_keys[0]), _embedded_ids(unknown, known_ids)):
                text = f"contains the {_LABELS[kind]} {repr_id(known_ids[position].as_py())}"
                similar.setdefault(whole, text)
            for n, position, part in find_cut_ids(ids, known_ids):
                text = f"{part} of the {_LABELS[kind]} {repr_id(known_ids[position].as_py())}"
                similar.setdefault(ids[n], text)
    return dict(sorted(similar.items()))


def _matches_without_hyphens(keys: pa.Array, known: pa.Array) -> list[tuple[int, int]]:
    """
    Find keys that are equal to a known key after hyphens are removed, and return the positions of both keys.

    Two keys match only if exactly one of them contains hyphens, because 1-23 and 12-3 are different ids. Email
    addresses are not compared.
    """
    matches = []
    for has_hyphen in (True, False):
        positions = _positions(keys, has_hyphen)
        if not len(positions):
            continue
        known_positions = _positions(known, not has_hyphen)
        values, known_values = (
            _strip_zeros(pc.replace_substring(array.take(pa.array(taken)), "-", ""))
            for array, taken in ((keys, positions), (known, known_positions))
        )
        matches += [(int(positions[n]), int(known_positions[k])) for n, k in _matches(values, known_values)]
    return matches


def _positions(keys: pa.Array, has_hyphen: bool) -> IntArray:
    is_email = pc.match_substring(keys, "@")
    is_selected = pc.and_not(pc.equal(pc.match_substring(keys, "-"), has_hyphen), is_email)
    return np.flatnonzero(is_selected.to_numpy(zero_copy_only=False))


def _contained_ids(unknown: pa.Array, known_keys: pa.Array) -> Iterator[tuple[str, int]]:
    """Yield each unknown string that contains a known id next to other words, and the position of the known key."""
    wholes, parts = [], []
    for whole in unknown.filter(pc.match_substring_regex(unknown, _MAY_HAVE_PARTS)).to_pylist():
        pieces = split_parts(whole)[::2]
        for part in pieces:
            if len(pieces) > 1 and re.search(r"\d", part):
                wholes.append(whole)
                parts.append(part)
    if not parts:
        return
    for n, position in _matches(similarity_keys(pa.array(parts, type=unknown.type)), known_keys):
        yield wholes[n], position


def _embedded_ids(unknown: pa.Array, known: pa.Array) -> Iterator[tuple[str, int]]:
    """
    Yield each unknown string that consists of a known id and other characters, and the position of the known id.

    Examples are `00000068-2`, `K00000068`, and `00000004_00000022`. An unknown string is skipped if a known id has
    the same shape, because the tenant then uses ids of this shape. Email addresses and UUIDs are also skipped.
    """
    lengths = set(pc.unique(pc.utf8_length(known)).to_pylist())
    wholes: list[str] = []
    parts: list[str] = []
    for whole in unknown.to_pylist():
        if "@" in whole or UUID.fullmatch(whole):
            continue
        for part in _embedded_parts(whole, lengths):
            wholes.append(whole)
            parts.append(part)
    matches = _matches(pa.array(parts, type=known.type), known)
    if not matches:
        return
    known_shapes = _replace(known, _SHAPE_STEPS)
    shapes = _replace(pa.array([wholes[n] for n, _ in matches], type=known.type), _SHAPE_STEPS)
    is_usual = pc.is_in(shapes, value_set=known_shapes).to_pylist()
    matched = {parts[n] for n, _ in matches}
    for (n, position), has_usual_shape in zip(matches, is_usual, strict=True):
        whole = wholes[n]
        half = len(whole) // 2
        # A number that contains a known id is probably the id of another customer, so it is not reported.
        # However, a number whose halves are both known ids is reported.
        is_other_number = whole.isdecimal() and not {whole[:half], whole[half:]} <= matched
        if not has_usual_shape and not is_other_number:
            yield whole, position


def _embedded_parts(whole: str, lengths: Collection[int]) -> Iterator[str]:
    """
    Yield the substrings of a string that can be a known id, because they have one of the given lengths.

    A substring does not start or end between two digits or between two letters, except in the middle of the string.
    It has at least four characters. If a letter or a digit is next to the substring, it has at least six characters.
    """
    if not any(4 <= length < len(whole) for length in lengths):
        return
    half = len(whole) // 2
    bounds = {0, half if 2 * half == len(whole) else 0}
    bounds.update(match.end() for match in _RUN.finditer(whole))
    for start, end in combinations(sorted(bounds), 2):
        if end - start < 4 or end - start == len(whole) or end - start not in lengths:
            continue
        has_neighbor = (start > 0 and whole[start - 1].isalnum()) or whole[end : end + 1].isalnum()
        if (end - start >= 6 or not has_neighbor) and any(map(str.isdecimal, whole[start:end])):
            yield whole[start:end]


def check_similar_ids(
    customers: pd.DataFrame,
    ids: Sequence[str],
    by: str,
    *,
    source: str,
    rows: Mapping[str, int] | None = None,
    error: type[InputError] = InputError,
    n_known: int = 0,
) -> None:
    """
    Raise an error if unknown ids are similar to ids of known customers.

    Parameters
    ----------
    customers, ids, by
        See `find_similar_ids`.
    source
        Argument or file that contains the ids, for the error message.
    rows
        First row number of each id.
    error
        Type of the error.
    n_known
        Number of known ids in the same list. If most ids have another type, the hint states this type.
    """
    similar = find_similar_ids(customers, ids, by)
    if not similar:
        return
    if rows is not None:
        similar = dict(sorted(similar.items(), key=lambda item: rows[item[0]]))
    items = [
        f"{f'row {rows[unknown]} ' if rows else ''}{repr_id(hide_words(unknown))} ({text})"
        for unknown, text in similar.items()
    ]
    hint, cli_hint = other_type_hints(customers, ids, by, n_known=n_known)
    raise error(
        f"{source} contains unknown ids that probably belong to known customers: {format_list(items, _MAX_SHOWN)}. "
        f"Use the exact {_LABELS[by]} of each customer.",
        hint=f"{hint} {_IF_OTHERS}, pass allow_similar_ids=True.".lstrip(),
        cli_hint=f"{cli_hint} {_IF_OTHERS}, pass --allow-similar-ids.".lstrip(),
    )


def _describe_owners(kind: str, uids: Sequence[str]) -> str:
    if kind == "customer_uid":
        return "uid of a customer"
    listed = format_list([repr_id(uid) for uid in uids], _MAX_OWNERS)
    return f"{_LABELS[kind]} of {agree(len(uids), 'customer', 'customers')} {listed}"


def _matches(values: pa.Array, known: pa.Array) -> list[tuple[int, int]]:
    """Find each nonblank value that is in `values` and `known`, and return its positions in the two arrays."""
    if not len(values) or not len(known):
        return []
    # Filter `known` first, because a hash table of the few values takes a tenth of the time of a hash table of all
    # known ids.
    known_positions = np.flatnonzero(pc.is_in(known, value_set=values).to_numpy(zero_copy_only=False))
    positions = pc.index_in(values, value_set=known.take(pa.array(known_positions))).fill_null(-1).to_numpy()
    is_blank = pc.equal(values, "").to_numpy(zero_copy_only=False)
    return [(int(n), int(known_positions[positions[n]])) for n in np.flatnonzero((positions >= 0) & ~is_blank)]
