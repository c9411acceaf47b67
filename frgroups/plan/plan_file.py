"""Read and write plan files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from frgroups.errors import CorruptFileError
from frgroups.internals.base_urls import checked_base_url
from frgroups.internals.checksummed_json import read_checksummed, shorten_digests, write_checksummed
from frgroups.internals.timestamps import parse_stored_timestamp
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.customer_facts import facts_from_dict, facts_to_dict
from frgroups.plan.customer_origin import CustomerOrigin, OriginKind
from frgroups.plan.exclusions import ExcludedChange, ExclusionRule
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.listed_group import ListedGroup
from frgroups.plan.modes import ADDING_MODES, Mode, mode_of
from frgroups.plan.plan import OPERATION_ORDER, Plan

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
# The digest of an undone plan, or the placeholder with which an erasure replaces the digest in a receipt.
_REVERTED_DIGEST = re.compile(rf"[0-9a-f]{{64}}|{TOMBSTONE_PREFIX}")


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """
    Keys and value types of a plan file.

    All values are converted to these types before they are used. The digest and the checksum do not replace this
    conversion, because the digest does not cover all keys, and a file with a correct checksum can contain invalid
    values.
    """

    digest: str
    tenant_uid: _Text
    base_url: _Text | None
    mode: Mode | dict[_Text, Mode]
    order: Literal["add_first"]
    limits: dict[str, Any]
    planned_at: str
    snapshot_taken_at: str
    reverts: str | None
    excluded: tuple[_Excluded, ...]
    notes: tuple[_Note, ...]
    groups: tuple[_Group, ...]
    partial_undo: bool = False
    purpose: str = ""
    lists: tuple[tuple[_Text, _Text, _Count, _Count, _Count], ...] = ()
    origins: dict[_Text, tuple[_Origin, ...]] = {}
    limit_places: dict[_Text, _Text] = {}
    customers: _CustomerFacts | None = None


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    customer_group_uid: _Text
    name: _Text
    create: bool
    baseline: tuple[_Text, ...]
    add: tuple[_Text, ...]
    remove: tuple[_Text, ...]
    unknown: frozenset[_Text]
    # Positions of the affected customers, keyed by the rule of the finding.
    # A position refers to the list of all additions followed by all removals.
    # Positions are used so that each uid is stored only once.
    findings: dict[str, tuple[_Count, ...]] = {}
    created_at: str = ""


class _Excluded(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    customer_group_uid: _Text
    group_name: _Text
    customer_uid: _Text
    rule: ExclusionRule
    note: str = ""
    source: str = ""
    until: str = ""


class _Origin(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    kind: OriginKind
    text: str
    n_customers: _Count
    n_rows: _Count
    n_in_other_groups: _Count = 0
    unused_columns: tuple[str, ...] = ()


class _Note(msgspec.Struct, forbid_unknown_fields=True):
    rule: _Text
    message: str
    blocking: bool
    customer_group_uid: str | None
    n: _Count
    allow: tuple[tuple[str, int | float | str | None], ...]


class _CodedColumn(msgspec.Struct, forbid_unknown_fields=True):
    of: list[int]
    words: list[str]


class _CustomerFacts(msgspec.Struct, forbid_unknown_fields=True):
    customer_uid: list[_Text]
    external_id: list[str]
    customer_type: _CodedColumn
    default_store: _CodedColumn
    pricelist_uid: _CodedColumn
    groups_now: _CodedColumn


def save_plan(plan: Plan, path: str | Path) -> Path:
    """
    Write a plan to a file and return the absolute path of the file.

    The public method `Plan.save` calls this function.
    """
    return write_checksummed(path, "plan", plan_to_dict(plan, customers=True))


def read_plan(path: str | Path) -> Plan:
    """
    Read a plan from a file.

    The checksum of the plan file and the digest of the plan are verified.

    Parameters
    ----------
    path : str or Path
        Path of a file that `Plan.save` wrote.

    Returns
    -------
    Plan
        The plan with its findings. Its attribute `snapshot` is None.

    Raises
    ------
    CorruptFileError
        The file is damaged or was edited.
    InputError
        The file cannot be read, is not a plan, or has another format version.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> path = plan.save(home() / "plans" / "vip.plan.json")
    >>> read_plan(path).digest == plan.digest
    True
    """
    plan = plan_from_dict(read_checksummed(path, "plan"), path)
    return replace(plan, path=Path(path).expanduser().resolve())


def plan_to_dict(plan: Plan, *, customers: bool = False) -> dict[str, Any]:
    """
    Convert a plan to JSON values that contain all data required to apply or undo the plan.

    Parameters
    ----------
    plan
        The plan to convert.
    customers
        Whether to include the customer attributes that the review page shows.
    """
    content = {
        "digest": plan.digest,
        "tenant_uid": plan.tenant_uid,
        "base_url": plan.base_url,
        "mode": plan.mode,
        "order": OPERATION_ORDER,
        "limits": plan.limits.to_dict(),
        "planned_at": plan.planned_at.isoformat(),
        "snapshot_taken_at": plan.snapshot_taken_at.isoformat(),
        "reverts": plan.reverts,
        "partial_undo": plan.partial_undo,
        "purpose": plan.purpose,
        "excluded": [change.row() for change in plan.excluded_changes],
        "notes": [asdict(finding) for finding in plan.planning_findings],
        "lists": [list(astuple(group)) for group in plan.listed_groups],
        "origins": {uid: [list(astuple(origin)) for origin in origins] for uid, origins in plan.origins.items()},
        "limit_places": dict(plan.limit_places),
        "groups": [_group_to_dict(group, plan.finding_marks.get(group.uid, {})) for group in plan.groups],
    }
    facts = plan.customer_facts() if customers else None
    if facts is not None:
        content["customers"] = facts_to_dict(facts)
    return content


def plan_from_dict(content: dict[str, Any], source: str | Path) -> Plan:
    """
    Create a plan from a dictionary that `plan_to_dict` returned.

    Raise CorruptFileError if the content of the plan file is invalid. The error message contains the path `source`.
    """
    try:
        stored = msgspec.convert(content, _Content)
        plan = _plan_from_content(stored)
        _check_plan(plan)
    except (msgspec.ValidationError, ValueError) as error:
        reason = str(error).removesuffix(".")
        raise CorruptFileError(f"{source} is corrupt: {reason}. Create a new plan.", path=Path(source)) from error
    if plan.digest != stored.digest:
        stored_digest, digest = shorten_digests(stored.digest, plan.digest)
        raise CorruptFileError(
            f"{source} is corrupt: the stored digest is {stored_digest}, but the content has the digest {digest}. "
            "Create a new plan.",
            path=Path(source),
        )
    return plan


def _plan_from_content(content: _Content) -> Plan:
    stored_facts = None
    if content.customers is not None:
        stored_facts = facts_from_dict(msgspec.to_builtins(content.customers))
    return Plan(
        tenant_uid=content.tenant_uid,
        base_url=None if content.base_url is None else checked_base_url(content.base_url),
        mode=content.mode,
        limits=Limits.from_dict(content.limits),
        groups=tuple(_group_from_content(group) for group in content.groups),
        planned_at=parse_stored_timestamp(content.planned_at),
        snapshot_taken_at=parse_stored_timestamp(content.snapshot_taken_at),
        notes=tuple(Finding(**msgspec.structs.asdict(note)) for note in content.notes),
        reverts=content.reverts,
        partial_undo=content.partial_undo,
        purpose=content.purpose,
        excluded_changes=tuple(ExcludedChange(**msgspec.structs.asdict(row)) for row in content.excluded),
        listed_groups=tuple(ListedGroup(*row) for row in content.lists),
        origins={
            uid: tuple(CustomerOrigin(**msgspec.structs.asdict(origin)) for origin in origins)
            for uid, origins in content.origins.items()
        },
        limit_places=content.limit_places,
        stored_facts=stored_facts,
        stored_marks={group.customer_group_uid: _marks_from_content(group) for group in content.groups},
    )


def _group_to_dict(group: GroupChange, marks: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    content = {
        "customer_group_uid": group.uid,
        "name": group.name,
        "create": group.create,
        "created_at": group.created_at,
        "baseline": list(group.baseline),
        "add": list(group.add),
        "remove": list(group.remove),
        "unknown": sorted(group.unknown),
    }
    uids = [uid for uid, _ in group.items()]
    findings = {}
    for rule in sorted(marks):
        positions = [position for position, uid in enumerate(uids) if uid in marks[rule]]
        if positions:
            findings[rule] = positions
    if findings:
        content["findings"] = findings
    return content


def _marks_from_content(group: _Group) -> dict[str, frozenset[str]]:
    uids = (*group.add, *group.remove)
    if any(position >= len(uids) for positions in group.findings.values() for position in positions):
        raise ValueError(f"A finding of group {group.customer_group_uid} refers to an unknown customer.")
    return {rule: frozenset(uids[position] for position in marked) for rule, marked in group.findings.items()}


def _group_from_content(group: _Group) -> GroupChange:
    return GroupChange(
        uid=group.customer_group_uid,
        name=group.name,
        baseline=group.baseline,
        add=group.add,
        remove=group.remove,
        unknown=group.unknown,
        create=group.create,
        created_at=group.created_at,
    )


def _check_plan(plan: Plan) -> None:
    """
    Raise ValueError if values of a plan contradict each other, or if `reverts` is not a digest.

    For example, an undo plan must have the mode "mirror".
    """
    if plan.reverts is not None and not _REVERTED_DIGEST.fullmatch(plan.reverts):
        raise ValueError("The digest of the undone plan must have 64 hexadecimal digits.")
    if plan.partial_undo and plan.reverts is None:
        raise ValueError("A partial undo must contain the digest of the undone plan.")
    uids = [group.uid for group in plan.groups]
    if len(set(uids)) < len(uids):
        raise ValueError("The plan contains a group twice.")
    _check_modes(plan)
    for group in plan.groups:
        changes = [uid for uid, _ in group.items()]
        if len(set(changes)) < len(changes):
            raise ValueError(f"The plan contains a customer twice in group {group.uid}.")
        if not group.unknown.issubset(group.add):
            raise ValueError(f"The plan does not add all unknown customers of group {group.uid}.")


def _check_modes(plan: Plan) -> None:
    """Raise ValueError if a group has no mode, or if its changes contradict its mode."""
    if not isinstance(plan.mode, str):
        uids = [group.uid for group in plan.groups] + [group.uid for group in plan.listed_groups]
        missing = [uid for uid in uids if uid not in plan.mode]
        if missing:
            raise ValueError(f"Group {missing[0]} has no mode.")
    for group in plan.groups:
        mode = mode_of(plan.mode, group.uid)
        if (group.add and mode not in ADDING_MODES) or (group.remove and mode == "add"):
            raise ValueError(f"The mode {mode} does not allow the changes to group {group.uid}.")
