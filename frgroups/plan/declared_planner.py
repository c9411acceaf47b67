"""Create one plan from declared groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.consent import check_consent
from frgroups.internals.formatting import pluralize
from frgroups.internals.validation import check_type, wrong_type
from frgroups.plan.declared_customers import DeclaredCustomers
from frgroups.plan.declared_group import DeclaredGroup, DeclaredGroups, place_of
from frgroups.plan.finding import Finding
from frgroups.plan.limits import Limits
from frgroups.plan.modes import select_modes
from frgroups.plan.plan import Plan
from frgroups.plan.planner import PlanRequest, check_plan_arguments, create_plan
from frgroups.plan.uid_table import UidTable
from frgroups.snapshot.id_resolution import CustomerExport, Directory
from frgroups.snapshot.snapshot import Snapshot


def plan_declared(
    snapshot: Snapshot,
    declared: DeclaredGroups,
    *,
    limits: Limits | None = None,
    protect: Iterable[str] = (),
    protect_groups: Iterable[str] = (),
    suppression_list: Iterable[str] = (),
    register: pd.DataFrame | None = None,
    attributes: pd.DataFrame | None = None,
    consent: Mapping[str, str] | None = None,
    directory: Directory | None = None,
    purpose: str = "",
    allow_similar_ids: bool = False,
) -> Plan:
    r"""
    Create one plan that changes all declared groups to their declared memberships.

    Nothing is sent to the server. Groups that are not declared are not changed.

    Parameters
    ----------
    snapshot : Snapshot
        The current memberships.
    declared : DeclaredGroups
        The declared groups that `read_declared_groups` returns.
    limits : Limits, optional
        Maximum changes. None uses `Limits()`. The limits in the declaration of a group replace these limits and the
        limits in `register`, unless `limits.per_group` contains the uid of the group. The key allow_empty raises the
        limit `emptied_groups` of its group to 1.
    protect, protect_groups, suppression_list, register, purpose
        As in `plan_memberships`.
    attributes, consent
        Additional attributes and the consents for rules, as in `segment`.
    directory : DataFrame, str or Path, optional
        A customer export with the columns customer_uid and external_id, as a table or as the path of a CSV or Excel
        file. It is required if lists contain external ids of customers who are not in the snapshot.
    allow_similar_ids : bool, default False
        Whether unknown ids in lists, `protect`, or the suppression lists may be similar to the ids of known
        customers.

    Returns
    -------
    Plan
        The planned changes of all groups. The finding "ended" reports each group whose last valid day has ended.

    Raises
    ------
    InputError
        A declaration is invalid: an expression, a rule, or a list selects no customers without allow_empty, a list
        cannot be read, groups depend on each other, or a group is declared twice. The message contains the file, the
        group, and the key. The attribute `group` contains the group.
    GroupNotFoundError
        A declared group, or a group in an expression or a rule, does not exist.
    DriftedReadError
        A group to be changed drifted while it was read.

    See Also
    --------
    read_declared_groups : Read declared groups from a TOML file.
    plan_memberships : Create a plan from customers in Python.

    Notes
    -----
    An expression or ``in_group`` in a rule can refer to another declared group. It uses the members that this group
    has after the plan. The order of the groups in the file therefore does not matter, and one plan is sufficient.
    Exclusions, such as protected customers, are not considered. Groups must not depend on each other. The name
    ``n_groups`` in a rule counts the current groups.

    Examples
    --------
    >>> path = home() / "groups.toml"
    >>> path.parent.mkdir(parents=True, exist_ok=True)
    >>> lines = ["[groups.vip]", 'rule = "credit_limit > 40000"', 'mode = "add"', ""]
    >>> lines += ["[groups.staff]", "expression = 'vip'", 'mode = "add"']
    >>> _ = path.write_text("\n".join(lines))
    >>> plan = plan_declared(sample_snapshot(), read_declared_groups(path))
    >>> [group.sentence() for group in plan.groups]
    ['12 customers join Staff (1 -> 13 members).', '10 customers join VIP (2 -> 12 members).']
    """
    check_type(snapshot, Snapshot, "snapshot")
    if not isinstance(declared, DeclaredGroups):
        raise wrong_type(
            declared, "declared", "a DeclaredGroups object", hint="To read a file, use fg.read_declared_groups(path)."
        )
    check_plan_arguments(limits, purpose)
    check_consent(consent or {})
    if isinstance(directory, str | Path):
        directory = CustomerExport(directory)
    uids = UidTable(snapshot.matrix.customer_uids)
    customers = DeclaredCustomers(
        snapshot,
        uids,
        declared,
        attributes=attributes,
        consent=consent or {},
        directory=directory,
        allow_similar_ids=allow_similar_ids,
    )
    desired = customers.select()
    request = PlanRequest(
        snapshot=snapshot,
        uids=uids,
        desired=desired,
        modes=select_modes({uid: group.mode for uid, group in customers.by_uid.items()}, customers.by_uid),
        created=customers.created,
        group_limits={uid: _limits_of(group) for uid, group in customers.by_uid.items()},
        limit_places={
            uid: place_of(Path(declared.path.name), group.group, "limits") for uid, group in customers.by_uid.items()
        },
        origins=customers.origins,
    )
    plan = create_plan(
        request,
        limits=limits or Limits(),
        protect=protect,
        protect_groups=protect_groups,
        suppression_list=suppression_list,
        register=register,
        purpose=purpose,
        allow_similar_ids=allow_similar_ids,
    )
    ended = tuple(_ended_findings(plan, customers.by_uid))
    return replace(plan, notes=(*plan.notes, *ended)) if ended else plan


def _limits_of(group: DeclaredGroup) -> dict[str, Any]:
    """Return the limits that a declaration sets for its group."""
    if group.allow_empty and "emptied_groups" not in group.limits:
        return {**group.limits, "emptied_groups": 1}
    return dict(group.limits)


def _ended_findings(plan: Plan, by_uid: Mapping[str, DeclaredGroup]) -> Iterator[Finding]:
    """Yield a finding for each declared group whose last valid day had ended when the snapshot was taken."""
    changes = {change.uid: change for change in plan.groups}
    for listed in plan.listed_groups:
        group = by_uid[listed.uid]
        if group.valid_to is None:
            continue
        end = datetime.combine(group.valid_to, time(), UTC) + timedelta(days=1)
        if plan.snapshot_taken_at < end:
            continue
        text = f"{listed.name} ended on {group.valid_to} according to its declaration, but it is still declared."
        change = changes.get(listed.uid)
        if change is not None and change.add:
            text += f" The plan adds {pluralize(len(change.add), 'customer')}."
        if group.owner is not None:
            text += f" The owner is {group.owner}."
        yield Finding("ended", text, False, listed.uid, listed.n_members)
