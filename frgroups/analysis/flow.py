"""How customers moved between groups from one snapshot to another, each of them counted once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.snapshot_comparison import Side, SnapshotComparison
from frgroups.internals.typing import IntArray
from frgroups.internals.validation import as_list

NONE, SEVERAL = "(none)", "(several)"


def group_flow(
    old: Any, new: Any, groups: Iterable[str] | None = None, *, priority: Iterable[str] = ()
) -> pd.DataFrame:
    """
    Where the customers of some groups were before, and where they are now: the table behind an alluvial chart.

    Each customer is in exactly one state on each side, so nobody counts twice. Who is in several of the chosen
    groups is in the first of them that `priority` names, else in a state of its own, "(several)". Who is in none
    of them, or out of sight, is in "(none)".

    Parameters
    ----------
    old, new
        As in `membership_changes`.
    groups
        The groups to tell apart, by uid or unique (newer) name; None takes those of `priority`, or all where
        there are none. A group that is only in one of the two may be named too.
    priority
        Groups in order, the one that counts first in front: ["VIP Gold", "VIP", "Loyalty club"].

    Returns
    -------
    DataFrame
        One row per two states that somebody went between, or stayed in: from_group, to_group, from_name, to_name
        (`str`, uids and names, or the two words in parentheses); n (`int64`, customers); share_of_from
        (`float64`, n of all who were in from_group; NaN for "(none)", since nobody knows how many are outside).
        In the order of `priority`, then uid order, then "(several)" and "(none)". The rows from a state add up
        to its old size, the rows to a state to its new size; who is in "(none)" on both sides is in no row.

    Raises
    ------
    InputError
        An unknown group, or snapshots that cannot be compared: see `membership_changes`.

    >>> snapshot = sample_snapshot()
    >>> early = snapshot.memberships[:-1]
    >>> group_flow(early, snapshot, priority=["vip", "all"])[["from_group", "to_group", "n", "share_of_from"]]
      from_group to_group    n  share_of_from
    0        vip      vip    1       1.000000
    1        all      vip    1       0.004016
    2        all      all  248       0.995984
    """
    both = SnapshotComparison.of(old, new)
    states = _States.of(both, groups, priority)
    n_states = states.none + 1
    pairs = states.of_customers(both.old) * n_states + states.of_customers(both.new)
    n = np.bincount(pairs, minlength=n_states**2).reshape(n_states, n_states)
    n[states.none, states.none] = 0
    before, after = np.nonzero(n)
    moved = n[before, after].astype(np.int64)
    left_outside = np.where(before == states.none, np.nan, n.sum(axis=1)[before])
    return pd.DataFrame(
        {
            "from_group": states.uids.take(before).array,
            "to_group": states.uids.take(after).array,
            "from_name": states.names.take(before).array,
            "to_name": states.names.take(after).array,
            "n": moved,
            "share_of_from": moved / left_outside,
        }
    )


@dataclass(frozen=True, eq=False)
class _States:
    """
    What a customer may be in: one of the chosen groups, then several of them, then none.

    The first `n_first` groups go before any other that holds the customer.
    """

    both: SnapshotComparison
    chosen: IntArray
    n_first: int

    @classmethod
    def of(cls, both: SnapshotComparison, groups: Iterable[str] | None, priority: Iterable[str]) -> _States:
        first = dict.fromkeys(both.group_code_of(group) for group in as_list(priority, "priority"))
        if groups is not None:
            others = {both.group_code_of(group) for group in as_list(groups, "groups")}
        else:
            others = set() if first else set(range(len(both.groups)))
        return cls(both, np.array([*first, *sorted(others - first.keys())], dtype=np.int64), len(first))

    @property
    def several(self) -> int:
        return len(self.chosen)

    @property
    def none(self) -> int:
        return len(self.chosen) + 1

    @property
    def uids(self) -> pd.Index:
        return _with_words(self.both.groups.take(self.chosen))

    @property
    def names(self) -> pd.Index:
        return _with_words(self.both.names.take(self.chosen))

    def of_customers(self, side: Side) -> IntArray:
        """The state of every customer of either snapshot, on one side."""
        code_of = dict(zip(side.group.tolist(), range(side.matrix.n_groups), strict=True))
        state = np.full(len(self.both.customers), self.none, dtype=np.int64)
        n_held = np.zeros(len(state), dtype=np.int64)
        for number in reversed(range(len(self.chosen))):
            if (code := code_of.get(int(self.chosen[number]))) is None:
                continue
            starts = side.matrix.indptr
            members = side.customer[side.matrix.indices[starts[code] : starts[code + 1]]]
            state[members] = number
            n_held[members] += 1
        state[(n_held > 1) & (state >= self.n_first)] = self.several
        return state


def _with_words(index: pd.Index) -> pd.Index:
    return index.append(pd.Index([SEVERAL, NONE], dtype="str"))
