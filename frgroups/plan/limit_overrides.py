"""Smallest changes of limits that would allow a blocked plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from frgroups.plan.finding import Finding
from frgroups.plan.limits import OFF, Limits


def relaxed_limits(findings: Iterable[Finding], limits: Limits) -> Limits:
    """
    Return `limits` with the smallest changes that let these findings through.

    The finding of one group relaxes the limits of that group only.

    Examples
    --------
    >>> wider = (("removals_per_group", 90), ("removal_share", None))
    >>> loss = Finding("removals_per_group", "", True, "vip", 90, wider)
    >>> emptied = Finding("emptied_groups", "", True, n=1, allow=(("emptied_groups", 1),))
    >>> relaxed_limits([loss, emptied], Limits(additions_total=3))
    Limits(emptied_groups=1, additions_total=3, per_group={'vip': Limits(removals_per_group=90, removal_share=None, \
emptied_groups=1, additions_total=3)})
    """
    findings = list(findings)
    plan_values = _required_values(finding for finding in findings if finding.customer_group_uid is None)
    common = replace(limits, **plan_values)
    per_group = {
        uid: replace(common.of(uid), per_group={}, **values)
        for uid, values in _required_values_by_group(findings).items()
    }
    # Exact uids come before the patterns of the original limits.
    others = {key: group_limits for key, group_limits in limits.per_group.items() if key not in per_group}
    return replace(common, per_group=per_group | others)


def limit_options(findings: Iterable[Finding], limits: Limits) -> str:
    """
    Return the options of `frgroups plan` that let these findings through, "" if no option does.

    An option applies to all groups that have no limits of their own. If a group has its own, the text names the
    values to change there.

    Examples
    --------
    >>> finding = Finding("removals_total", "", True, n=600, allow=(("removals_total", 600),))
    >>> limit_options([finding], Limits())
    '--limit removals_total=600'
    """
    with_own_limits: list[Finding] = []
    others: list[Finding] = []
    for finding in findings:
        uid = finding.customer_group_uid
        has_own_limits = uid is not None and limits.of(uid) is not limits
        if has_own_limits:
            with_own_limits.append(finding)
        else:
            others.append(finding)
    required = {
        name: value
        for name, value in _required_values(others).items()
        if _is_less_strict(value, getattr(limits, name), name)
    }
    parts = [" ".join(f"--limit {setting}" for setting in _settings(required))]
    for uid, values in _required_values_by_group(with_own_limits).items():
        parts.append(f"{', '.join(_settings(values))} among the limits of group {uid} (register, or --limits)")
    return " and ".join(filter(None, parts))


def _is_less_strict(value: Any, current: Any, name: str) -> bool:
    """Return True if a value allows more than the current one; a stricter value would block other groups."""
    if current is None:
        return False
    if value is None:
        return True
    if name == "removal_floor":  # The value is lower on purpose, see `limit_violations`.
        return bool(value != current)
    return bool(value > current)


def _required_values_by_group(findings: Iterable[Finding]) -> dict[str, dict[str, Any]]:
    by_group: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.customer_group_uid is not None and finding.allow:
            by_group.setdefault(finding.customer_group_uid, []).append(finding)
    return {uid: _required_values(group_findings) for uid, group_findings in by_group.items()}


def _required_values(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the least strict value of each limit that the findings name; None is the least strict."""
    required: dict[str, Any] = {}
    for finding in findings:
        for name, value in finding.allow:
            previous = required.get(name, value)
            if value is None or previous is None:
                required[name] = None
            else:
                required[name] = max(value, previous)
    return required


def _settings(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value if value is not None else OFF}" for name, value in values.items()]
