"""A table in a few plain sentences: what its chart shows, for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from frgroups.described.change import told_changes, told_flow, told_history
from frgroups.described.customers import told_campaigns, told_profile, told_reach, told_steps
from frgroups.described.groups import told_intersections, told_matrix, told_sizes
from frgroups.errors import InputError
from frgroups.overlap import Measure, measure_of
from frgroups.sizes import group_sizes
from frgroups.snapshot import Snapshot

__all__ = ["describe"]

# By the columns that no other table has; the first that fits.
_KINDS: dict[str, tuple[set[str], Callable[[pd.DataFrame, int], str]]] = {
    "group_sizes": ({"n_members", "n_exclusive"}, told_sizes),
    "size_history": ({"taken_at", "n_members", "n_joined"}, told_history),
    "group_changes": ({"n_old", "n_joined", "n_left", "n_new"}, told_changes),
    "group_flow": ({"from_group", "to_group", "n"}, told_flow),
    "group_profile": ({"attribute", "share_in", "share_ref"}, told_profile),
    "reachability": ({"channel", "n_reachable"}, told_reach),
    "incremental_reach": ({"n_reachable", "n_new", "n_cumulative"}, told_steps),
    "campaign_reach": ({"n_effective", "n_shadowed"}, told_campaigns),
    "intersections": ({"groups", "degree", "n", "share", "mode"}, told_intersections),
}


def describe(table: Any, *, top: int = 5, measure: Measure | None = None) -> str:
    """
    A table in a few plain sentences, with the numbers that its chart shows: the text twin of `frgroups.plot`.

    Names are whole here, where a chart shortens them, and nothing is told that is not in the table: what is
    suppressed there is only counted here.

    Parameters
    ----------
    table
        The table of `group_sizes`, `overlap_matrix`, `intersections`, `group_changes`, `size_history`, `group_flow`,
        `group_profile`, `compare_groups`, `reachability`, `incremental_reach` or `campaign_reach`, told by its
        columns; or a Snapshot, of which the sizes are described.
    top
        How many groups, values or steps are told one by one; what the others hold is told together.
    measure
        Of an `overlap_matrix` that does not say it any more, such as one that was read from a file.

    Raises
    ------
    InputError
        Another table, a `top` below 1, or a matrix of an unknown measure.

    >>> print(describe(sample_snapshot()))
    3 groups with 253 memberships. The largest: All members with 250 (248 in no other group); VIP with 2 (0);
    Staff with 1 (1).
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise InputError(f"top={top!r} tells nothing; give a whole number from 1.")
    if isinstance(table, Snapshot):
        table = group_sizes(table)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"describe takes a Snapshot or a table, not a {type(table).__name__}.")
    columns = set(table.columns)
    for needed, told in _KINDS.values():
        if needed <= columns:
            return told(table, top)
    if pd.api.types.is_string_dtype(table.index) and table.index.equals(table.columns):
        return told_matrix(table, top, measure_of(table, measure))
    raise InputError(
        f"describe knows the tables of {', '.join(_KINDS)} and overlap_matrix; this one has the "
        f"columns {', '.join(map(repr, list(table.columns)[:8]))}."
    )
