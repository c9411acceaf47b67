"""How names, lists and shares read in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd


def each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, their columns as attributes."""
    yield from table.itertuples()


def name_of(uids: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """
    The name of each group in one line, with its uid where it has none or shares it.

    >>> name_of(["a", "b", "c"], ["VIP", "Staff", "VIP"])
    {'a': 'VIP (a)', 'b': 'Staff', 'c': 'VIP (c)'}
    """
    whole = {uid: " ".join(name.split()) for uid, name in zip(uids, names, strict=True)}
    known = list(whole.values())
    return {
        uid: name if name and (name == uid or known.count(name) == 1) else f"{name} ({uid})".lstrip()
        for uid, name in whole.items()
    }


def names_in(table: pd.DataFrame) -> dict[str, str]:
    """The last name of each group of a table."""
    last = table.drop_duplicates("customer_group_uid", keep="last")
    return name_of(last["customer_group_uid"], last["name"])


def percent(share: float) -> str:
    """
    A share in per cent; only all is 100%.

    >>> percent(0.25), percent(0.9999), percent(1.0), percent(float("nan"))
    ('25%', '99.9%', '100%', '–')
    """
    if share != share:
        return "–"
    told = 100 * share if share >= 1 else min(100 * share, 99.9)
    return f"{told:.1f}".removesuffix(".0") + "%"


def sentences(*parts: str) -> str:
    """
    The parts that say something, as sentences.

    >>> sentences("3 groups", "", "2 are empty")
    '3 groups. 2 are empty.'
    """
    return " ".join(f"{part}." for part in parts if part)


def listed(heading: str, items: Sequence[str]) -> str:
    """
    A heading and what stands under it, or nothing.

    >>> listed("The largest", ["VIP with 2", "Staff with 1"]), listed("The largest", [])
    ('The largest: VIP with 2; Staff with 1', '')
    """
    return f"{heading}: {'; '.join(items)}" if items else ""
