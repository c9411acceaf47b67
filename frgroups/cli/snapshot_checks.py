"""Check that a stored snapshot contains the changes of the plans that were applied from the data folder."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import pandas as pd

from frgroups.analysis.attributes import join_attributes
from frgroups.analysis.group_expressions import expression_groups
from frgroups.analysis.rule_evaluation import RuleColumns, rule_groups
from frgroups.apply.sent_changes import Cause, group_causes
from frgroups.cli.customer_summary import plan_label
from frgroups.cli.inputs import environment_tenant_uid
from frgroups.cli.load_hint import load_hint
from frgroups.cli.options import SnapshotSelection
from frgroups.cli.output import print_warning
from frgroups.errors import DriftError, FrgroupsError, GroupNotFoundError
from frgroups.internals.formatting import format_list, format_utc
from frgroups.plan.declared_group import DeclaredGroups
from frgroups.plan.desired import find_group_uid
from frgroups.snapshot.snapshot import Snapshot

_MAX_LISTED = 5


def check_contains_applied_plans(
    snapshot: Snapshot, selection: SnapshotSelection, groups: Collection[str], expressions: Collection[str | None]
) -> None:
    """
    Raise DriftError if a group of a new plan was changed by frgroups after the snapshot was taken.

    The function checks the groups that the plan changes and the groups in its expressions. A plan contains the
    differences between the desired customers and the members in the snapshot. If the snapshot did not contain the
    changes of an applied plan, these differences would be incorrect, and the new plan could omit listed customers
    without a message.

    Parameters
    ----------
    snapshot
        The snapshot for the new plan.
    selection
        Options that selected the snapshot.
    groups
        Groups that the new plan changes, by uid or name. The snapshot does not need to contain them.
    expressions
        Group expressions that select the customers of the plan. None and "" are ignored.
    """
    uids = {_group_uid(snapshot, group) for group in groups}
    for expression in filter(None, expressions):
        # Ignore unknown groups, because a declaration can refer to a group that the plan creates.
        with suppress(GroupNotFoundError):
            uids.update(expression_groups(snapshot.matrix, expression))
    causes = _causes_after(snapshot, uids)
    if not causes:
        return
    changed = list(dict.fromkeys(cause.customer_group_uid for cause in causes))
    names = snapshot.matrix.names_by_uid
    listed = format_list([names.get(uid, uid) for uid in changed], _MAX_LISTED)
    plans = format_list(list(dict.fromkeys(plan_label(cause.plan_digest) for cause in causes)), _MAX_LISTED)
    raise DriftError(
        f"The snapshot of {format_utc(snapshot.taken_at)} is older than changes that frgroups sent to {listed} "
        f"({plans}), so no plan was created.",
        hint=f"{load_hint(selection.tenant, environment_tenant_uid(), selection.cache)} Then create the plan again.",
        groups=changed,
    )


def check_declared_groups(
    snapshot: Snapshot, selection: SnapshotSelection, declared: DeclaredGroups, attributes: pd.DataFrame | None
) -> None:
    """
    Raise DriftError if a group in the declarations was changed by frgroups after the snapshot was taken.

    The groups are the declared groups and the groups in rules and expressions. See `check_contains_applied_plans`.
    The rules can contain the names of the additional attributes in `attributes`.
    """
    groups, expressions = [], []
    columns = RuleColumns(join_attributes(snapshot, attributes))
    for item in declared.groups:
        groups.append(item.group)
        if item.source == "rule":
            groups += rule_groups(item.customers, columns)
        elif item.source == "expression":
            expressions.append(item.customers)
    check_contains_applied_plans(snapshot, selection, groups, expressions)


def _group_uid(snapshot: Snapshot, group: str) -> str:
    """Return the uid of a group, or the argument itself if the snapshot does not contain the group."""
    try:
        return find_group_uid(snapshot, group, {})
    except GroupNotFoundError:
        return group


def _causes_after(snapshot: Snapshot, group_uids: Collection[str]) -> list[Cause]:
    """
    Return the group changes that applied plans sent after a snapshot was taken.

    A damaged file causes only a warning, because `apply` reads the groups again before it sends a change.
    """
    unreadable: list[Path] = []
    try:
        causes = group_causes(
            group_uids, snapshot.tenant_uid, snapshot.base_url, after=snapshot.taken_at, unreadable=unreadable
        )
    except FrgroupsError as error:
        print_warning(error.cli_text)
        return []
    for path in unreadable:
        print_warning(f"The journal {path} cannot be read, so it is unknown whether its plan changed these groups.")
    return causes
