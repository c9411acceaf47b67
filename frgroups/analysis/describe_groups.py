"""Groups in words: how large they are, and how they overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frgroups.described.wording import each, listed, names_in, percent, sentences
from frgroups.human import counted, share_in_words
from frgroups.overlap import Measure
from frgroups.overlap.regions import OTHER

_SYMMETRIC = ("count", "jaccard", "overlap_coefficient", "lift", "phi", "pmi")


def told_sizes(table: pd.DataFrame, top: int) -> str:
    """`group_sizes` in words."""
    if table.empty:
        return "No groups."
    names, total = names_in(table), int(table["n_members"].sum())
    order = table.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    shown, rest = order.head(top), order.iloc[top:]
    items = [f"{names[row.customer_group_uid]} with {row.n_members:,} ({row.n_exclusive:,})" for row in each(shown)]
    items[0] = items[0].removesuffix(")") + " in no other group)"
    n_rest, n_empty = int(rest["n_members"].sum()), int((table["n_members"] == 0).sum())
    return sentences(
        f"{counted(len(table), 'group')} with {counted(total, 'membership')}",
        listed("The largest", items),
        f"The other {len(rest):,} hold {n_rest:,} ({share_in_words(n_rest, max(total, 1))})" if len(rest) else "",
        f"Without a member: {n_empty:,}" if n_empty else "",
    )


def told_matrix(matrix: pd.DataFrame, top: int, measure: Measure) -> str:
    """`overlap_matrix` in words: the pairs with the largest values."""
    n = len(matrix)
    if n < 2:
        return "No two groups to compare." if n else "No groups."
    values = matrix.to_numpy(dtype=float)
    rows, columns = np.triu_indices(n, 1) if measure in _SYMMETRIC else np.nonzero(~np.eye(n, dtype=bool))
    pairs = pd.DataFrame({"a": rows, "b": columns, "value": values[rows, columns]})
    known = pairs[np.isfinite(pairs["value"])].sort_values("value", ascending=False, kind="stable")
    names = [" ".join(str(name).split()) for name in matrix.index]
    word = "and" if measure in _SYMMETRIC else "in"
    items = [f"{names[row.a]} {word} {names[row.b]} {_value(row.value, measure)}" for row in each(known.head(top))]
    n_pairs = n * (n - 1) // 2
    unknown = len(pairs) - len(known)
    return sentences(
        f"{counted(n, 'group')}, {counted(n_pairs, 'pair')}, by {_WORDS[measure]}",
        listed("The largest values", items),
        f"Unknown or without bound: {counted(unknown, 'value')}" if unknown else "",
        f"Of 0: {counted(int((known['value'] == 0).sum()), 'value')}" if measure in _OF_CUSTOMERS else "",
    )


def told_intersections(table: pd.DataFrame, top: int) -> str:
    """`intersections` in words; its groups are uids."""
    if table.empty:
        return "No customers in groups."
    cut = table["groups"] == OTHER
    whole, others = table[~cut], int(table.loc[cut, "n"].sum())
    n_all = round(table["n"].iloc[0] / table["share"].iloc[0])
    exclusive = table["mode"].iloc[0] == "exclusive"
    how = "exactly these groups" if exclusive else "all of these groups, whatever else they are in"
    items = [f"{' & '.join(row.groups)} {row.n:,} ({share_in_words(row.n, n_all)})" for row in each(whole.head(top))]
    left = whole.iloc[top:]
    n_left = int(left["n"].sum())
    summed = f" with {counted(n_left, 'customer')}" if exclusive else ""
    return sentences(
        f"{counted(n_all, 'customer')}, {counted(len(whole), 'combination')}; customers in {how}",
        listed("The most", items),
        f"{counted(len(left), 'combination')} more{summed}" if len(left) else "",
        f"In none of these combinations, cut from the table: {others:,}" if others else "",
    )


_WORDS = {
    "count": "customers in both",
    "jaccard": "customers in both of those in either (Jaccard)",
    "share": "the share of the first that is in the second",
    "overlap_coefficient": "customers in both of the smaller group (overlap coefficient)",
    "lift": "customers in both against chance (lift)",
    "phi": "correlation (phi)",
    "pmi": "customers in both against chance (pmi, bits)",
}
_OF_CUSTOMERS = ("count", "jaccard", "share", "overlap_coefficient")


def _value(value: float, measure: Measure) -> str:
    if measure == "count":
        return f"{value:,.0f}"
    if measure in _OF_CUSTOMERS:
        return percent(value)
    return f"{value:.2f}"
