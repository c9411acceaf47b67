"""The limits that would let through what a plan was blocked for: no wider than that, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from frgroups.plan.limits import Finding, Limits


@dataclass(frozen=True, slots=True, repr=False)
class Widened:
    """
    What would let these findings of a plan with these limits through; as text it is what Python calls it.

    >>> wider = (("removals_per_group", 90), ("removal_share", None))
    >>> lost = Finding("removals_per_group", "", True, "vip", 90, wider)
    >>> emptied = Finding("emptied_groups", "", True, n=1, allow=(("emptied_groups", 1),))
    >>> Widened((lost, emptied), Limits(additions_total=3))
    Limits(emptied_groups=1, additions_total=3, per_group={'vip': Limits(removals_per_group=90, removal_share=None, \
emptied_groups=1, additions_total=3)})
    >>> Widened((lost, emptied), Limits()).of_all_groups()
    {'removals_per_group': 90, 'removal_share': None, 'emptied_groups': 1}
    """

    findings: Sequence[Finding]
    limits: Limits

    def __bool__(self) -> bool:
        return any(finding.allow for finding in self.findings)

    def of_own(self) -> dict[str, dict[str, Any]]:
        """The values to change by group, of groups that have limits of their own: those of all do not reach them."""
        return _widest_by_group(one for one in self.findings if self._is_own(one))

    def _is_own(self, finding: Finding) -> bool:
        uid = finding.customer_group_uid
        return uid is not None and self.limits.of(uid) is not self.limits

    def of_all_groups(self) -> dict[str, Any]:
        """The values to change where limits of single groups cannot be said: the widest that a finding needs."""
        return _widest(one for one in self.findings if not self._is_own(one))

    def __repr__(self) -> str:
        return repr(self.as_limits())

    def as_limits(self) -> Limits:
        """The plan's own limits with these values; a group's finding widens the limits of that group alone."""
        every = replace(self.limits, **_widest(one for one in self.findings if one.customer_group_uid is None))
        own = _widest_by_group(self.findings)
        groups = {uid: replace(every.of(uid), per_group={}, **values) for uid, values in own.items()}
        return replace(every, per_group={**groups, **_others(self.limits, groups)})


def _others(limits: Limits, groups: Iterable[str]) -> dict[str, Limits]:
    return {key: own for key, own in limits.per_group.items() if key not in groups}


def _widest_by_group(findings: Iterable[Finding]) -> dict[str, dict[str, Any]]:
    own: dict[str, list[Finding]] = {}
    for one in findings:
        if one.customer_group_uid is not None and one.allow:
            own.setdefault(one.customer_group_uid, []).append(one)
    return {uid: _widest(found) for uid, found in own.items()}


def _widest(findings: Iterable[Finding]) -> dict[str, Any]:
    widest: dict[str, Any] = {}
    for name, value in (pair for finding in findings for pair in finding.allow):
        before = widest.get(name, value)
        widest[name] = None if value is None or before is None else max(value, before)
    return widest
