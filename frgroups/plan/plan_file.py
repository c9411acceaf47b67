"""Read and write plan files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from frgroups.errors import CorruptFileError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.plan.customer_facts import facts_from_dict, facts_to_dict
from frgroups.plan.exclusions import ExcludedChange
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange, check_texts
from frgroups.plan.limits import Limits
from frgroups.plan.modes import MODES
from frgroups.plan.plan import OPERATION_ORDER, Plan

_KEYS = frozenset(
    {
        "base_url",
        "customers",
        "digest",
        "excluded",
        "groups",
        "limits",
        "mode",
        "notes",
        "order",
        "planned_at",
        "purpose",
        "snapshot_taken_at",
        "tenant_uid",
        "reverts",
    }
)


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
        "purpose": plan.purpose,
        "excluded": [change.row() for change in plan.excluded_changes],
        "notes": [asdict(finding) for finding in plan.planning_findings],
        "groups": [_group_to_dict(group) for group in plan.groups],
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
        plan = _plan_from_dict(content)
        digest = content["digest"]
        _check_plan_texts(plan, digest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(f"{source} is corrupt: {error!r}. Create a new plan.") from error
    if plan.digest != digest:
        raise CorruptFileError(
            f"{source} is corrupt: the stored digest is {digest[:12]}, but the operations have the digest "
            f"{plan.digest[:12]}. Create a new plan."
        )
    return plan


def _plan_from_dict(content: dict[str, Any]) -> Plan:
    unknown_keys = sorted(set(content) - _KEYS)
    if unknown_keys:
        raise ValueError(f"The plan file contains the unknown keys {', '.join(unknown_keys)}.")
    if content["mode"] not in MODES:
        raise ValueError(f"The plan file contains the unknown mode {content['mode']!r}.")
    stored_facts = None
    if "customers" in content:
        stored_facts = facts_from_dict(content["customers"])
    return Plan(
        tenant_uid=content["tenant_uid"],
        base_url=content["base_url"],
        mode=content["mode"],
        limits=Limits.from_dict(content["limits"]),
        groups=tuple(_group_from_dict(group) for group in content["groups"]),
        planned_at=datetime.fromisoformat(content["planned_at"]),
        snapshot_taken_at=datetime.fromisoformat(content["snapshot_taken_at"]),
        notes=tuple(_finding_from_dict(note) for note in content["notes"]),
        reverts=content["reverts"],
        purpose=str(content.get("purpose", "")),
        excluded_changes=tuple(ExcludedChange(*row) for row in content["excluded"]),
        stored_facts=stored_facts,
    )


def _group_to_dict(group: GroupChange) -> dict[str, Any]:
    return {
        "customer_group_uid": group.uid,
        "name": group.name,
        "create": group.create,
        "baseline": list(group.baseline),
        "add": list(group.add),
        "remove": list(group.remove),
        "unknown": sorted(group.unknown),
    }


def _group_from_dict(content: Mapping[str, Any]) -> GroupChange:
    return GroupChange(
        uid=content["customer_group_uid"],
        name=content["name"],
        baseline=tuple(content["baseline"]),
        add=tuple(content["add"]),
        remove=tuple(content["remove"]),
        unknown=frozenset(content["unknown"]),
        create=content["create"],
    )


def _finding_from_dict(content: dict[str, Any]) -> Finding:
    return Finding(**content | {"allow": tuple(map(tuple, content["allow"]))})


def _check_plan_texts(plan: Plan, digest: str) -> None:
    """
    Check that the strings and timestamps of a plan are valid.

    Raise TypeError, ValueError, or AttributeError if a value has the wrong type, if a string contains a lone
    surrogate, or if a timestamp has no time zone.
    """
    "".join((plan.tenant_uid, plan.base_url or "", plan.purpose, digest)).encode()
    if None in (plan.planned_at.tzinfo, plan.snapshot_taken_at.tzinfo):
        raise ValueError("The timestamps of a plan must have a time zone.")
    for group in plan.groups:
        check_texts(group)
