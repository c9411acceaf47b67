"""Create a plan from desired memberships."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.register import match_register
from frgroups.api.schema import codec
from frgroups.engines.frames import is_engine_frame
from frgroups.errors import DriftedReadError, InputError
from frgroups.internals.typing import BoolArray, Int32Array
from frgroups.internals.validation import check_text, check_type, wrong_type
from frgroups.plan.customer_origin import CustomerOrigin
from frgroups.plan.desired import NO_CUSTOMERS, Desired, DesiredMemberships, desired_memberships
from frgroups.plan.engine_lists import compare_lists
from frgroups.plan.exclusions import (
    ExcludedChange,
    Exclusions,
    apply_exclusions,
    check_excluded_customers,
    resolve_exclusions,
    unknown_protected_findings,
)
from frgroups.plan.group_change import GroupChange, creation_times
from frgroups.plan.limits import Limits, register_limits
from frgroups.plan.listed_group import ListedGroup, not_members_findings
from frgroups.plan.mode_argument import check_modes, find_modes
from frgroups.plan.modes import ADDING_MODES, GroupModes, mode_of
from frgroups.plan.plan import Plan
from frgroups.plan.plan_findings import planner_notes
from frgroups.plan.suppressed_groups import check_suppressed_groups, held_out_member_findings, unknown_group_findings
from frgroups.plan.uid_table import CodedUids, UidTable
from frgroups.snapshot.group_references import reference_of
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import is_contradiction


def plan_memberships(
    snapshot: Snapshot,
    desired: Desired,
    *,
    mode: GroupModes = "add",
    create: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    protect: Iterable[str] = (),
    protect_groups: Iterable[str] = (),
    suppression_list: Iterable[str] | pd.DataFrame = (),
    register: pd.DataFrame | None = None,
    purpose: str = "",
    allow_similar_ids: bool = False,
) -> Plan:
    """
    Create a plan that changes groups to the desired memberships.

    Nothing is sent to the server. To send the plan, let a reviewer approve it and call `apply_plan`.

    Parameters
    ----------
    snapshot : Snapshot
        The current memberships.
    desired : mapping, pandas.DataFrame, Snapshot or lazy frame of a query engine
        The desired memberships, as {group: customer uids}, as a table with the columns customer_group_uid and
        customer_uid, as the result of `waterfall`, or as a snapshot. Groups are identified by uid or unique name.
        Groups that are not in `desired` are not changed. The customers of a group can also be a boolean Series with
        one value per customer. Its index is the index of `snapshot.customers` or contains customer uids. If the key
        of a group is the uid of one group and the name of another, write 'uid:"vip"' or 'name:"vip"'.

        The table can also be a lazy frame of DuckDB, Spark, or Polars. The engine then compares it with the snapshot,
        and returns one row per group, the changes, and the unknown customers. If a table or a frame has the column
        tenant_uid, only the rows of the snapshot's tenant are used.
    mode : {"add", "remove", "keep_only", "mirror"} or mapping, default "add"
        "add" adds listed customers who are not members. "remove" removes listed customers who are members.
        "keep_only" removes members who are not listed. "mirror" adds listed customers and removes members who are
        not listed. To use different modes, pass a mapping such as {"VIP": "mirror", "staff": "add"} that contains
        each desired group, by uid or unique name.
    create : mapping of str to str, optional
        Groups to create before customers are added, as {uid: name}. The mode "remove" does not accept this argument.
    limits : Limits, optional
        Maximum changes. None uses `Limits()`. If a limit is exceeded, the plan contains a blocking finding. No error
        is raised.
    protect : iterable of str, optional
        Uids of customers who are not removed from any group.
    protect_groups : iterable of str, optional
        Groups, by uid or unique name, from which no customer is removed.
    suppression_list : iterable of str or pandas.DataFrame, optional
        Uids of customers who are not added to any group, or a table with the columns that `suppression_list_path`
        describes. The entries in the file `suppression_list_path(snapshot)` apply as well.
    register : pandas.DataFrame, optional
        The table that `read_register` returns. Its limits and protection apply to the changed groups. Limits for the
        uid of a group in `limits.per_group` take precedence. Other columns result in findings.
    purpose : str, default ""
        One line about the reason for the change. Reviewers see it first, and `frgroups who` shows it later. It is
        stored in the plan, the review page, and the receipt, so do not write names of customers. The digest does not
        cover it.
    allow_similar_ids : bool, default False
        Whether unknown uids in `desired`, `protect`, or the suppression lists may be similar to the uids of known
        customers. By default, InputError is raised for an unknown uid that is the external id of a known customer, or
        that differs from a known id only in case, leading zeros, or similar characters such as O and 0.

    Returns
    -------
    Plan
        The planned changes with their findings. Excluded changes are in `Plan.excluded()`.

    Raises
    ------
    InputError
        An argument is invalid, for example an unknown mode, an invalid uid, a uid that is similar to the uid of a
        known customer, a group that is desired twice, an existing group in `create`, or a table without rows of the
        snapshot's tenant.
    GroupNotFoundError
        A desired group does not exist and is not in `create`, or a name in `register` belongs to several groups.
    ListError
        An entry of the suppression list is invalid, for example a holdout without an end.
    DriftedReadError
        A group to be changed drifted while it was read. Use `refresh_groups` to read the group again.

    Notes
    -----
    The plan contains the differences between the desired members and the members in `snapshot`. After you have
    applied a plan that changes the same groups, load the tenant again or call `refresh_groups`. With an older
    snapshot, the plan would leave out customers whose memberships have changed. `frgroups plan` checks this for the
    plans that were applied from the data folder.

    If a customer moves between groups and the suppression list prevents the addition, the customer is still removed
    from the old group. When the plan is applied, the file of the suppression list is read again. `suppression_list`
    is not part of the plan.

    Findings that do not block the plan report, for example, customers with an individual price list or an unusual
    customer type, customers who are in several groups of an exclusive set or in no group after the plan, customers
    who would join a mailing group although they have withdrawn their consent, customers who are not added because of
    a holdout, held-out customers who are members, uids in `protect` and groups of the suppression list that are not
    in the snapshot, new group names that look like existing names, and groups that have ended.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"VIP": ["c-1", "c-9"]}, mode="mirror")
    >>> plan
    <Plan 2a077b85273f for t-1: 1 add, 1 remove in 1 group>
    >>> desired = {"VIP": ["c-1", "c-9"], "staff": ["c-2"]}
    >>> plan_memberships(sample_snapshot(), desired, mode={"VIP": "mirror", "staff": "add"})
    <Plan 9a678ae56a9a for t-1: 2 adds, 1 remove in 2 groups>
    """
    check_type(snapshot, Snapshot, "snapshot")
    check_modes(mode)
    check_plan_arguments(limits, purpose)
    created = _checked_create(snapshot, create or {})
    uids = UidTable(snapshot.matrix.customer_uids)
    if is_engine_frame(desired):
        desired_by_group, modes = compare_lists(
            snapshot, desired, mode, created, uids, allow_similar_ids=allow_similar_ids
        )
    else:
        desired_by_group = dict(
            desired_memberships(snapshot, desired, created, uids, allow_similar_ids=allow_similar_ids)
        )
        modes = find_modes(snapshot, mode, desired_by_group, created)
    request = PlanRequest(snapshot=snapshot, uids=uids, desired=desired_by_group, modes=modes, created=created)
    return create_plan(
        request,
        limits=limits or Limits(),
        protect=protect,
        protect_groups=protect_groups,
        suppression_list=suppression_list,
        register=register,
        purpose=purpose,
        allow_similar_ids=allow_similar_ids,
    )


@dataclass(frozen=True, eq=False)
class PlanRequest:
    """
    The validated desired memberships from which `create_plan` creates a plan.

    Attributes
    ----------
    snapshot
        The current memberships.
    uids
        The table of the customer uids of the snapshot.
    desired
        The desired memberships by group uid.
    modes
        One mode, or the mode of each group by its uid.
    created
        The groups to create, as {uid: name}.
    group_limits
        Declared limits by group uid. These limits replace the limits of the plan and of the register for the group,
        unless `per_group` in the plan's limits contains the group's uid.
    limit_places
        File, table, and key of the `group_limits`, keyed by group uid.
    origins
        Origins of the desired customers by group uid. For a group without an entry, the origin is a table.
    """

    snapshot: Snapshot
    uids: UidTable
    desired: Mapping[str, DesiredMemberships]
    modes: GroupModes
    created: Mapping[str, str]
    group_limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limit_places: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, tuple[CustomerOrigin, ...]] = field(default_factory=dict)


def create_plan(
    request: PlanRequest,
    *,
    limits: Limits,
    protect: Iterable[str],
    protect_groups: Iterable[str],
    suppression_list: Iterable[str] | pd.DataFrame,
    register: pd.DataFrame | None,
    purpose: str,
    allow_similar_ids: bool,
) -> Plan:
    """
    Create a plan from desired memberships in which the customers are encoded as integers.

    See `plan_memberships` for the other parameters and the errors.
    """
    snapshot, created = request.snapshot, request.created
    exclusions = resolve_exclusions(
        snapshot, protect=protect, protect_groups=protect_groups, suppression_list=suppression_list
    )
    if not allow_similar_ids:
        check_excluded_customers(snapshot, exclusions)
    names = snapshot.matrix.names_by_uid | dict(created)
    check_suppressed_groups(exclusions.suppression_list, names)
    register_rows = None
    if register is not None:
        register_rows = match_register(register, names)
    difference = _Difference(request)
    group_uids = sorted({*request.desired, *created})
    requested = (difference.change(uid, request.desired.get(uid, NO_CUSTOMERS)) for uid in group_uids)
    changes, excluded = _exclude(requested, exclusions)
    listed = tuple(difference.listed_groups)
    _check_sendable(snapshot, changes)
    notes = planner_notes(snapshot, changes, limits)
    notes += tuple(unknown_protected_findings(snapshot, exclusions))
    notes += tuple(unknown_group_findings(exclusions.suppression_list, names))
    notes += tuple(held_out_member_findings(exclusions.suppression_list, snapshot, changes, group_uids))
    notes += tuple(not_members_findings(group for group in listed if mode_of(request.modes, group.uid) == "remove"))
    changed = {change.uid for change in changes}
    declared_limits = _declared_limits(request.group_limits, changed, limits)
    return Plan(
        tenant_uid=snapshot.tenant_uid,
        base_url=snapshot.base_url,
        mode=request.modes,
        limits=_limits_of_groups(limits, changed, register_rows, declared_limits),
        groups=tuple(changes),
        planned_at=datetime.now(UTC),
        snapshot_taken_at=snapshot.taken_at,
        notes=notes,
        excluded_changes=tuple(excluded),
        listed_groups=listed,
        snapshot=snapshot,
        register=register_rows,
        purpose=" ".join(purpose.split()),
        origins=_origins_of_groups(request, listed),
        limit_places={uid: place for uid, place in request.limit_places.items() if uid in declared_limits},
    )


def _origins_of_groups(request: PlanRequest, listed: Iterable[ListedGroup]) -> dict[str, tuple[CustomerOrigin, ...]]:
    """Return the customer origins of each desired group, without new groups that have no desired members."""
    desired = [group for group in listed if group.uid in request.desired]
    return {
        group.uid: request.origins.get(group.uid, (CustomerOrigin("table", n_customers=group.n_listed),))
        for group in desired
    }


def _declared_limits(
    group_limits: Mapping[str, Mapping[str, Any]], changed: Collection[str], limits: Limits
) -> dict[str, Mapping[str, Any]]:
    """Return the declared limits of the changed groups. Groups whose uid is in `limits.per_group` are omitted."""
    return {
        uid: values
        for uid, values in group_limits.items()
        if values and uid in changed and uid not in limits.per_group
    }


def _limits_of_groups(
    limits: Limits,
    changed: Collection[str],
    register: pd.DataFrame | None,
    declared_limits: Mapping[str, Mapping[str, Any]],
) -> Limits:
    """Add the register limits and the declared limits of the changed groups to the limits of a plan."""
    if register is not None:
        limits = register_limits(limits, register[register["customer_group_uid"].isin(changed)])
    own = {uid: replace(limits.own_limits(uid), **values) for uid, values in declared_limits.items()}
    others = {key: values for key, values in limits.per_group.items() if key not in own}
    return replace(limits, per_group=own | others)


def check_plan_arguments(limits: Limits | None, purpose: str) -> None:
    """Raise InputError if the limits or the purpose of a plan have the wrong type."""
    if limits is not None and not isinstance(limits, Limits):
        raise wrong_type(limits, "limits", "a Limits object", hint="Use fg.Limits(...).")
    check_text(purpose, "purpose")


def _exclude(
    requested: Iterable[GroupChange], exclusions: Exclusions
) -> tuple[list[GroupChange], list[ExcludedChange]]:
    """Split the requested changes into the changes that remain in the plan and the excluded changes."""
    changes: list[GroupChange] = []
    excluded: list[ExcludedChange] = []
    for requested_change in requested:
        change, excluded_changes = apply_exclusions(requested_change, exclusions)
        excluded += excluded_changes
        if change.add or change.remove or change.create:
            changes.append(change)
    return changes, excluded


def _checked_create(snapshot: Snapshot, create: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(create, Mapping):
        raise wrong_type(create, "create", "a dictionary {group uid: name}")
    existing = set(snapshot.matrix.group_uids)
    for uid, name in create.items():
        codec.check_uid(uid, "customer group uid")
        if uid in existing:
            raise InputError(
                f"Group {uid!r} already exists ({snapshot.matrix.names_by_uid[uid]}).",
                hint="Remove the group from `create` to change the existing group.",
                cli_hint="Omit --create to change the existing group.",
            )
        codec.check_group_name(name, f"create[{uid!r}]")
    return dict(create)


class _Difference:
    """
    Compute the additions and removals that result in the desired members of a group.

    Desired customers and members are compared by their integer codes in an array with one boolean per customer.
    Therefore, uids do not have to be sorted or decoded.
    """

    def __init__(self, request: PlanRequest) -> None:
        self._request = request
        self._matrix, self._uids = request.snapshot.matrix, request.uids
        self._marked = np.zeros(len(request.uids), dtype=np.bool_)
        self._created_at = creation_times(request.snapshot.groups)
        self.listed_groups: list[ListedGroup] = []

    def change(self, uid: str, desired: DesiredMemberships) -> GroupChange:
        """Return the additions and removals that result in the desired members of one group."""
        mode = mode_of(self._request.modes, uid)
        is_created = uid in self._request.created
        members = np.empty(0, dtype=np.int32)
        if not is_created:
            members = self._matrix.member_codes(uid)
        add: tuple[str, ...] = ()
        remove: tuple[str, ...] = ()
        unknown: frozenset[str] = frozenset()
        not_members, is_listed = self._compare(members, desired.codes)
        if mode in ADDING_MODES:
            unknown = desired.unknown
            add = tuple(sorted([*self._uids.take(not_members), *unknown]))
        if mode == "remove":
            remove = tuple(self._uids.take(members[is_listed]))
        elif mode != "add":
            remove = tuple(self._uids.take(members[~is_listed]))
        name = self._request.created[uid] if is_created else self._matrix.names_by_uid[uid]
        n_both = int(is_listed.sum())
        n_listed = n_both + len(not_members) + len(desired.unknown) + desired.n_unchanged
        if mode == "add":
            n_both += desired.n_unchanged
        self.listed_groups.append(ListedGroup(uid, name, len(members), n_listed, n_both))
        if is_created:
            return GroupChange(uid, name, (), add=add, unknown=unknown, create=True)
        baseline = CodedUids(self._uids, members)
        return GroupChange(uid, name, baseline, add, remove, unknown, created_at=self._created_at.get(uid, ""))

    def _compare(self, members: Int32Array, desired: Int32Array) -> tuple[Int32Array, BoolArray]:
        """Return the desired customers who are not members, and a boolean array that is True for desired members."""
        self._marked[desired] = True
        is_desired = self._marked[members]
        self._marked[members] = False
        not_members = np.unique(desired[self._marked[desired]])
        self._marked[not_members] = False
        return not_members, is_desired


def _check_sendable(snapshot: Snapshot, changes: Iterable[GroupChange]) -> None:
    """
    Raise an error if a change cannot be sent, or if the group changed during the load.

    A change cannot be sent if the API does not accept one of its uids. A snapshot that was created from tables can
    contain such uids.
    """
    reads = snapshot.reads.set_index("customer_group_uid")[["verdict", "note"]].to_dict("index")
    for change in changes:
        for customer in change.remove:
            if not codec.UID.fullmatch(customer):
                raise InputError(
                    f"Customer {customer!r} cannot be removed from group {change.uid}, because the API does not "
                    "accept this uid.",
                    hint=f"Pass protect=[{customer!r}] to keep the customer in the group.",
                    cli_hint="Pass --protect to frgroups plan to keep the customer in the group.",
                )
        codec.check_uid(change.uid, "customer group uid")
        if not change.create and is_contradiction(reads[change.uid]["note"]):
            raise DriftedReadError(
                f"The server's responses about group {change.name} ({change.uid}) contradict each other: "
                f"{reads[change.uid]['note']}. Reading the group again might not help. Ask the operator of the "
                "server to check whether the server limits the number of members in its responses."
            )
        if not change.create and reads[change.uid]["verdict"] == "drifted":
            reference = reference_of(snapshot.matrix, change.uid)
            raise DriftedReadError(
                f"Group {change.name} ({change.uid}) changed during the load: {reads[change.uid]['note']}.",
                hint=f"Call refresh_groups(client, snapshot, [{reference!r}]) and create the plan again.",
                cli_hint="Run frgroups load and create the plan again.",
            )
