"""
Find the customers that declared groups select.

An expression or a rule can refer to other declared groups. The expression or the rule uses the members that these
groups have after the plan, so that one plan is sufficient. The groups are therefore evaluated in topological order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import join_attributes
from frgroups.analysis.group_expressions import expression_groups, expression_mask
from frgroups.analysis.rule_evaluation import RuleColumns, rule_groups
from frgroups.analysis.rule_names import ComputedNames
from frgroups.analysis.segments import select_by_rule
from frgroups.api.schema import codec
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.typing import BoolArray, Int32Array
from frgroups.plan.customer_origin import CustomerOrigin
from frgroups.plan.declared_group import DeclaredGroup, DeclaredGroups, errors_in, place_of
from frgroups.plan.declared_lists import read_declared_list
from frgroups.plan.desired import DesiredMemberships
from frgroups.plan.uid_table import UidTable
from frgroups.snapshot.group_references import find_quoted_group
from frgroups.snapshot.id_resolution import Directory
from frgroups.snapshot.snapshot import Snapshot


class DeclaredCustomers:
    """
    The selected customers of each declared group.

    Customers in the snapshot have the same codes as in the membership matrix. Customers in a list who are in no group
    are not in the snapshot. They have the codes that follow the codes of the snapshot's customers.

    Parameters
    ----------
    snapshot
        The current memberships.
    uids
        The table of the customer uids of the snapshot.
    declared
        The declared groups.
    attributes, consent
        Additional attributes and the consents for rules, as in `segment`.
    directory
        Customer export for the external ids in lists.
    allow_similar_ids
        Whether unknown ids in lists may be similar to ids of known customers.

    Attributes
    ----------
    created
        The groups to create, as {uid: name}.
    by_uid
        The declaration of each group by its uid.
    origins
        Origin of each group's customers. The method `select` sets it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        uids: UidTable,
        declared: DeclaredGroups,
        *,
        attributes: pd.DataFrame | None,
        consent: Mapping[str, str],
        directory: Directory | None,
        allow_similar_ids: bool,
    ) -> None:
        self._snapshot, self._uids, self._declared = snapshot, uids, declared
        self._directory, self._allow_similar_ids = directory, allow_similar_ids
        matrix = snapshot.matrix
        self.created = {
            group.group: group.create
            for group in declared.groups
            if group.create is not None and group.group not in matrix.names_by_uid
        }
        self._matrix = matrix.add_groups(self.created)
        self.by_uid = self._find_groups()
        self._customers = join_attributes(snapshot, attributes)
        names = ComputedNames(snapshot, consent, self._matrix, self._known_mask_after)
        self._columns = RuleColumns(self._customers, names)
        self._others: list[str] = []
        self._selected: dict[str, Int32Array] = {}
        self.origins: dict[str, tuple[CustomerOrigin, ...]] = {}

    def select(self) -> dict[str, DesiredMemberships]:
        """Return the selected customers by group uid. Raise InputError if the declaration of a group is invalid."""
        order = self._evaluation_order()
        lists = {uid: self._read_list(uid) for uid in self.by_uid if self.by_uid[uid].source == "list"}
        listed = sorted({customer for customers, _ in lists.values() for customer in customers})
        known = self._uids.lookup_codes_of_lists([listed])
        self._others = [customer for customer, code in zip(listed, known, strict=True) if code < 0]
        codes = dict(zip(listed, known.tolist(), strict=True))
        codes |= {customer: len(self._uids) + number for number, customer in enumerate(self._others)}
        taken: dict[str | None, BoolArray] = {}
        for uid in order:
            group = self.by_uid[uid]
            if group.source == "list":
                customers, origin = lists[uid]
                selected = np.array(sorted({codes[customer] for customer in customers}), dtype=np.int32)
            else:
                selected = np.flatnonzero(self._evaluate(uid)).astype(np.int32)
                origin = CustomerOrigin(group.source, group.customers, len(selected))
            self._require_customers(uid, selected, "selects no customers")
            if group.priority is not None:
                is_taken = taken.setdefault(group.exclusive_set, self._empty_mask())
                n_selected = len(selected)
                selected = selected[~is_taken[selected]]
                origin = replace(origin, n_in_other_groups=n_selected - len(selected))
                is_taken[selected] = True
                self._require_customers(
                    uid, selected, "selects only customers who belong to groups with a smaller priority number"
                )
            self._check_uids(uid, selected)
            self._selected[uid], self.origins[uid] = selected, (origin,)
        return {uid: self._memberships(selected) for uid, selected in self._selected.items()}

    def _place(self, group: DeclaredGroup, key: str = "") -> str:
        return place_of(self._declared.path, group.group, key)

    def _find_groups(self) -> dict[str, DeclaredGroup]:
        """Return the declarations by group uid. Raise InputError if a group is unknown or is declared twice."""
        by_uid: dict[str, DeclaredGroup] = {}
        for group in self._declared.groups:
            with errors_in(self._place(group), group.group):
                uid = self._find_group(group.group)
                if uid in by_uid:
                    raise InputError(
                        f"The group {uid!r} is declared twice, as {by_uid[uid].group!r} and as {group.group!r}. "
                        "Remove one of the tables."
                    )
            by_uid[uid] = group
        return by_uid

    def _find_group(self, group: str) -> str:
        try:
            return find_quoted_group(self._matrix, group)
        except GroupNotFoundError as error:
            if error.n_matches == 0:
                error.add("To create a group, add the key `create` with its name.")
            raise

    def _evaluation_order(self) -> list[str]:
        """Return the group uids in an order in which each group follows the groups that its selection depends on."""
        needed = {uid: {other for other in self._references(uid) if other in self.by_uid} for uid in self.by_uid}
        for uid, earlier in self._priority_order():
            needed[uid].add(earlier)
        try:
            return list(TopologicalSorter(needed).static_order())
        except CycleError as error:
            raise self._cycle_error(error.args[1]) from None

    def _references(self, uid: str) -> set[str]:
        """Return the uids of the groups to which the expression or the rule of a declared group refers."""
        group = self.by_uid[uid]
        if group.source == "list":
            return set()
        with errors_in(self._place(group, group.source), group.group):
            if group.source == "expression":
                return expression_groups(self._matrix, group.customers)
            return {self._matrix.group_uid(name) for name in rule_groups(group.customers, self._columns)}

    def _priority_order(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of uids: a group with a priority, and the group with the next higher priority in its set."""
        sets: dict[str | None, list[tuple[int, str]]] = {}
        for uid, group in self.by_uid.items():
            if group.priority is not None:
                sets.setdefault(group.exclusive_set, []).append((group.priority, uid))
        for members in sets.values():
            ordered = [uid for _, uid in sorted(members)]
            yield from zip(ordered[1:], ordered, strict=False)

    def _cycle_error(self, cycle: list[str]) -> InputError:
        """Return the error for groups that depend on each other. The first and last uid in `cycle` are the same."""
        groups = [self.by_uid[uid] for uid in cycle]
        first = self._place(groups[0])
        if len(groups) == 2:
            return InputError(
                f"{first}: The customers of {groups[0].group!r} depend on the members of the same group. Remove "
                "the group from its own expression or rule. To change only some members, use the mode 'add' or "
                "'remove'.",
                group=groups[0].group,
            )
        chain = " -> ".join(repr(group.group) for group in groups)
        return InputError(
            f"{first}: The customers of these groups depend on each other, because of their expressions, rules, or "
            f"priorities: {chain}. Change one of the declarations.",
            group=groups[0].group,
        )

    def _read_list(self, uid: str) -> tuple[list[str], CustomerOrigin]:
        group = self.by_uid[uid]
        with errors_in(self._place(group, "list"), group.group):
            return read_declared_list(
                self._snapshot,
                group,
                self._declared.path.parent,
                directory=self._directory,
                allow_similar_ids=self._allow_similar_ids,
            )

    def _evaluate(self, uid: str) -> BoolArray:
        """Return a mask of the customers that match the expression or the rule of a declared group."""
        group = self.by_uid[uid]
        with errors_in(self._place(group, group.source), group.group):
            if group.source == "expression":
                return expression_mask(self._matrix, group.customers, self._mask_after)
            return select_by_rule(self._customers, self._columns, group.group, group.customers, kind="group")

    def _mask_after(self, uid: str) -> BoolArray:
        """Return a mask of the members that a group has after the plan."""
        mask, current = self._empty_mask(), self._matrix.member_codes(uid)
        group = self.by_uid.get(uid)
        if group is None or group.mode in ("add", "remove"):
            mask[current] = True
        if group is None:
            return mask
        selected = self._selected[uid]
        if group.mode == "keep_only":
            is_current = self._empty_mask()
            is_current[current] = True
            selected = selected[is_current[selected]]
        mask[selected] = group.mode != "remove"
        return mask

    def _known_mask_after(self, uid: str) -> BoolArray:
        """Return a mask of the customers in the snapshot who are members of a group after the plan."""
        return self._mask_after(uid)[: len(self._uids)]

    def _empty_mask(self) -> BoolArray:
        return np.zeros(len(self._uids) + len(self._others), dtype=np.bool_)

    def _require_customers(self, uid: str, selected: Int32Array, problem: str) -> None:
        group = self.by_uid[uid]
        if len(selected) or group.allow_empty:
            return
        raise InputError(
            f"{self._place(group, group.source)} {problem}. If this is correct, add `allow_empty = true`.",
            group=group.group,
        )

    def _check_uids(self, uid: str, selected: Int32Array) -> None:
        """Raise InputError if the API does not accept the uid of a selected customer."""
        is_invalid = self._uids.invalid
        if is_invalid is None:
            return
        known = selected[selected < len(self._uids)]
        invalid = known[is_invalid[known]]
        group = self.by_uid[uid]
        with errors_in(self._place(group, group.source), group.group):
            for customer in self._uids.take(invalid[:1]):
                codec.check_uid(customer, "customer uid")

    def _memberships(self, selected: Int32Array) -> DesiredMemberships:
        n_known = int(np.searchsorted(selected, len(self._uids)))
        others = frozenset(self._others[code - len(self._uids)] for code in selected[n_known:].tolist())
        return DesiredMemberships(selected[:n_known], others)
