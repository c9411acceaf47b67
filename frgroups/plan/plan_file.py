"""Write plans to files and read them."""

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
    """Write a plan to a file and return its absolute path, as `Plan.save` does."""
    return write_checksummed(path, "plan", plan_to_dict(plan, customers=True))


def read_plan(path: str | Path) -> Plan:
    """
    Read a plan file, including the findings and the digest.

    Raises
    ------
    CorruptFileError
        The file is damaged or was changed.
    InputError
        The file is not a plan, or has another version.

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
    Return everything that apply and undo need, as plain values.

    Parameters
    ----------
    plan
        The plan.
    customers
        Whether to include the facts about the customers that the review page shows.
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
    """Return the plan that `plan_to_dict` returned as a dict. Errors name the file `source`."""
    try:
        plan = _plan_from_dict(content)
        digest = content["digest"]
        _check_plan_texts(plan, digest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(f"{source} does not hold a whole plan: {error!r}. Make the plan anew.") from error
    if plan.digest != digest:
        raise CorruptFileError(
            f"{source} says its digest is {digest[:12]}, but its operations have {plan.digest[:12]}. "
            "Make the plan anew."
        )
    return plan


def _plan_from_dict(content: dict[str, Any]) -> Plan:
    unknown_keys = sorted(set(content) - _KEYS)
    if unknown_keys:
        raise ValueError(f"unknown keys {', '.join(unknown_keys)}")
    if content["mode"] not in MODES:
        raise ValueError(f"unknown mode {content['mode']!r}")
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
    """Raise TypeError, ValueError or AttributeError for a value that is not text, or not valid text."""
    "".join((plan.tenant_uid, plan.base_url or "", plan.purpose, digest)).encode()
    if None in (plan.planned_at.tzinfo, plan.snapshot_taken_at.tzinfo):
        raise ValueError("a timestamp without a time zone")
    for group in plan.groups:
        check_texts(group)
