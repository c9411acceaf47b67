"""Count the customers who moved between groups from one snapshot to another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.snapshot_comparison import Side, SnapshotComparison
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import as_list

NONE, SEVERAL = "(none)", "(several)"


def group_flow(
    old: Any, new: Any, groups: Iterable[str] | None = None, *, priority: Iterable[str] = ()
) -> pd.DataFrame:
    """
    Count the customers who moved between groups, or stayed, from one snapshot to another.

    In each snapshot, a customer has exactly one state, so that no customer is counted twice. Each selected group is a
    state. A customer in several selected groups has the state of the group that is first in `priority`, or
    "(several)" if `priority` contains none of these groups. A customer in no selected group has the state "(none)",
    even if the customer is not in the snapshot. `plot.flow` draws the result as an alluvial chart.

    A customer stayed if the customer's state is the same in both snapshots. For "(several)", the set of selected
    groups must also be the same. For example, a customer who moved from the groups A and B to the groups C and D did
    not stay, although both states are "(several)".

    Parameters
    ----------
    old, new
        The older and the newer snapshot, or tables of memberships, as in `membership_changes`.
    groups
        The groups that are separate states, by uid or unique name. None selects the groups in `priority`, or all
        groups if `priority` is empty. A group can be missing from one of the snapshots. A renamed group is identified
        by its name in `new`.
    priority
        Groups by uid or unique name, the most important one first, for example ["VIP Gold", "VIP", "Loyalty club"].

    Returns
    -------
    DataFrame
        One row per pair of states with at least one customer:

        - from_group, to_group (`str`): the uid of the group, or "(several)" or "(none)"
        - from_name, to_name (`str`): the name of the group, or "(several)" or "(none)"
        - n (`int64`): the number of customers
        - n_stayed (`int64`): the number of these customers who stayed. It is n if from_group and to_group are the
          same group, at most n if both are "(several)", and otherwise 0.
        - share_of_from (`float64`): n divided by the number of customers in from_group. It is NaN for "(none)",
          because the total number of customers outside the groups is unknown.

        The states are in the order of `priority`, followed by the other groups sorted by uid, "(several)", and
        "(none)". Customers who have the state "(none)" in both snapshots are not in the result. For all states
        except "(none)", the sum of n over the rows with the same from_group is the size of this state in `old`, and
        the sum of n over the rows with the same to_group is the size of this state in `new`.

    Raises
    ------
    GroupNotFoundError
        If a group is unknown, or its name is not unique.
    InputError
        If the snapshots belong to different tenants or hosts, or `old` was taken after `new`.

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
    state_before, state_after = states.assign_customers(comparison.old), states.assign_customers(comparison.new)
    n = np.bincount(state_before * n_states + state_after, minlength=n_states**2).reshape(n_states, n_states)
    n[states.none, states.none] = 0
    has_moved = (state_before != state_after) | ((state_before == states.several) & states.changed_customers())
    n_stayed = np.bincount(state_before[~has_moved], minlength=n_states)
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
            "n_stayed": np.where(before == after, n_stayed[before], 0).astype(np.int64),
            "share_of_from": n_moved / n_before,
        }
    )


@dataclass(frozen=True, eq=False)
class _States:
    """
    The possible states of a customer, in order: the selected groups, "(several)", and "(none)".

    `chosen` contains the codes of the selected groups. The first `n_priority` of these groups are the groups in the
    argument `priority` of `group_flow`.
    """

    comparison: SnapshotComparison
    chosen: IntArray
    n_priority: int

    @classmethod
    def select(cls, comparison: SnapshotComparison, groups: Iterable[str] | None, priority: Iterable[str]) -> _States:
        """Create the states from the arguments of `group_flow`."""
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
        """The state number of "(several)", for customers in several selected groups without a priority."""
        return len(self.chosen)

    @property
    def none(self) -> int:
        """The state number of "(none)", for customers who are in none of the selected groups."""
        return len(self.chosen) + 1

    @property
    def uids(self) -> pd.Index:
        """The uid of each state: a group uid, "(several)", or "(none)"."""
        return _append_other_states(self.comparison.groups.take(self.chosen))

    @property
    def names(self) -> pd.Index:
        """The name of each state: a group name, "(several)", or "(none)"."""
        return _append_other_states(self.comparison.names.take(self.chosen))

    def assign_customers(self, side: Side) -> IntArray:
        """Return the state number of each customer in one of the two snapshots."""
        state = np.full(len(self.comparison.customers), self.none, dtype=np.int64)
        n_groups = np.zeros(len(state), dtype=np.int64)
        # Each assignment overwrites earlier assignments. Therefore, the group with the highest priority is last.
        for number in reversed(range(len(self.chosen))):
            members = _members(side, int(self.chosen[number]))
            state[members] = number
            n_groups[members] += 1
        state[(n_groups > 1) & (state >= self.n_priority)] = self.several
        return state

    def changed_customers(self) -> BoolArray:
        """Return a mask that is True for each customer who joined or left one of the selected groups."""
        changed = np.zeros(len(self.comparison.customers), dtype=np.bool_)
        for group in self.chosen.tolist():
            before, after = _members(self.comparison.old, group), _members(self.comparison.new, group)
            changed[np.setxor1d(before, after, assume_unique=True)] = True
        return changed


def _members(side: Side, group: int) -> IntArray:
    """Return the positions of a group's members among all customers. The result is empty if the group is missing."""
    position = np.searchsorted(side.group, group)
    if position == len(side.group) or side.group[position] != group:
        return side.customer[:0]
    return side.customer[side.matrix.row(int(position))]


def _append_other_states(index: pd.Index) -> pd.Index:
    """Append the states "(several)" and "(none)" to an index of groups."""
    return index.append(pd.Index([SEVERAL, NONE], dtype="str"))
