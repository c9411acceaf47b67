"""Reads the plan that a file holds, and refuses one that is not as it was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from frgroups.errors import CorruptFileError
from frgroups.internals.checksummed_json import read_checksummed
from frgroups.plan.customer_facts import facts_from_dict
from frgroups.plan.exclusions import ExcludedChange
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange, check_texts
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan


def read_plan(path: str | Path) -> Plan:
    """
    The plan in this file, findings and digest included.

    Raises CorruptFileError when the file is not as it was written, InputError for another kind or version.

    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> path = plan.save(home() / "plans" / "vip.plan.json")
    >>> read_plan(path).digest == plan.digest
    True
    """
    return replace(plan_from_dict(read_checksummed(path, "plan"), path), path=Path(path).expanduser().resolve())


def plan_from_dict(content: dict[str, Any], source: str | Path) -> Plan:
    """The plan that `Plan.document` wrote; `source` is the file that an error names."""
    try:
        plan = Plan(
            tenant_uid=content["tenant_uid"],
            base_url=content["base_url"],
            mode=content["mode"],
            limits=Limits.from_dict(content["limits"]),
            groups=tuple(
                GroupChange(
                    uid=one["customer_group_uid"],
                    name=one["name"],
                    baseline=tuple(one["baseline"]),
                    add=tuple(one["add"]),
                    remove=tuple(one["remove"]),
                    unknown=frozenset(one["unknown"]),
                    create=one["create"],
                )
                for one in content["groups"]
            ),
            planned_at=datetime.fromisoformat(content["planned_at"]),
            snapshot_taken_at=datetime.fromisoformat(content["snapshot_taken_at"]),
            notes=tuple(Finding(**note | {"allow": tuple(map(tuple, note["allow"]))}) for note in content["notes"]),
            reverts=content["undoes"],
            purpose=str(content.get("purpose", "")),
            excluded=tuple(ExcludedChange(*row) for row in content.get("held_back", ())),
            known=facts_from_dict(content["customers"]) if "customers" in content else None,
        )
        stated = content["digest"]
        "".join((plan.tenant_uid, plan.base_url or "", plan.purpose, stated)).encode()
        if None in (plan.planned_at.tzinfo, plan.snapshot_taken_at.tzinfo):
            raise ValueError("a moment without a time zone")
        for one in plan.groups:
            check_texts(one)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(f"{source} does not hold a whole plan: {error!r}. Make the plan anew.") from error
    if plan.digest != stated:
        raise CorruptFileError(
            f"{source} says its digest is {stated[:12]}, but its operations have {plan.digest[:12]}. "
            "Make the plan anew."
        )
    return plan
