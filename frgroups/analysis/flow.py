"""Flows of customers between groups from one snapshot to another; each customer is counted once."""

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
    Count how customers moved between groups from one snapshot to another, as for an alluvial chart.

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

    Examples
    --------
    >>> snapshot = sample_snapshot()
    >>> early = snapshot.memberships[:-1]
    >>> group_flow(early, snapshot, priority=["vip", "all"])[["from_group", "to_group", "n", "share_of_from"]]
      from_group to_group    n  share_of_from
    0        vip      vip    1       1.000000
    1        all      vip    1       0.004016
    2        all      all  248       0.995984
    """
    comparison = SnapshotComparison.from_data(old, new)
    states = _States.select(comparison, groups, priority)
    n_states = states.none + 1
    pairs = states.assign_customers(comparison.old) * n_states + states.assign_customers(comparison.new)
    n = np.bincount(pairs, minlength=n_states**2).reshape(n_states, n_states)
    n[states.none, states.none] = 0
    before, after = np.nonzero(n)
    n_moved = n[before, after].astype(np.int64)
    n_before = np.where(before == states.none, np.nan, n.sum(axis=1)[before])
    return pd.DataFrame(
        {
            "from_group": states.uids.take(before).array,
            "to_group": states.uids.take(after).array,
            "from_name": states.names.take(before).array,
            "to_name": states.names.take(after).array,
            "n": n_moved,
            "share_of_from": n_moved / n_before,
        }
    )


@dataclass(frozen=True, eq=False)
class _States:
    """
    The states of a customer, numbered: each of the chosen groups, then several of them, then none of them.

    The first `n_priority` groups take precedence over the other groups of a customer.
    """

    comparison: SnapshotComparison
    chosen: IntArray
    n_priority: int

    @classmethod
    def select(cls, comparison: SnapshotComparison, groups: Iterable[str] | None, priority: Iterable[str]) -> _States:
        """Return the states for the groups of `group_flow`."""
        first = dict.fromkeys(comparison.group_code_of(group) for group in as_list(priority, "priority"))
        others: set[int] = set()
        if groups is not None:
            others = {comparison.group_code_of(group) for group in as_list(groups, "groups")}
        elif not first:
            others = set(range(len(comparison.groups)))
        chosen = np.array([*first, *sorted(others - first.keys())], dtype=np.int64)
        return cls(comparison, chosen, len(first))

    @property
    def several(self) -> int:
        """The number of the state "(several)"."""
        return len(self.chosen)

    @property
    def none(self) -> int:
        """The number of the state "(none)"."""
        return len(self.chosen) + 1

    @property
    def uids(self) -> pd.Index:
        """The uid of the group of each state, or the name of a state that is not a group."""
        return _append_other_states(self.comparison.groups.take(self.chosen))

    @property
    def names(self) -> pd.Index:
        """The name of each state."""
        return _append_other_states(self.comparison.names.take(self.chosen))

    def assign_customers(self, side: Side) -> IntArray:
        """Return the state of each customer of either snapshot, on one side."""
        code_of_group = dict(zip(side.group.tolist(), range(side.matrix.n_groups), strict=True))
        state = np.full(len(self.comparison.customers), self.none, dtype=np.int64)
        n_groups = np.zeros(len(state), dtype=np.int64)
        # In reverse order, so that the group with the highest priority is assigned last.
        for number in reversed(range(len(self.chosen))):
            code = code_of_group.get(int(self.chosen[number]))
            if code is None:
                continue
            members = side.customer[side.matrix.row(code)]
            state[members] = number
            n_groups[members] += 1
        state[(n_groups > 1) & (state >= self.n_priority)] = self.several
        return state


def _append_other_states(index: pd.Index) -> pd.Index:
    return index.append(pd.Index([SEVERAL, NONE], dtype="str"))
