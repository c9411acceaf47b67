"""Compute the smallest changes to the limits that would allow a blocked plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from frgroups.internals.formatting import pluralize
from frgroups.plan.finding import Finding
from frgroups.plan.limit_comparisons import hours_of
from frgroups.plan.limits import LIMIT_NAMES, OFF, Limits


def relaxed_limits(findings: Iterable[Finding], limits: Limits) -> Limits:
    """
    Return a copy of the limits in which the exceeded limits are raised as little as possible.

    If a finding is about one group, only the limits of that group are raised.

    Examples
    --------
    >>> wider = (("removals_per_group", 90), ("removal_share", None))
    >>> loss = Finding("removals_per_group", "", True, "vip", 90, wider)
    >>> emptied = Finding("emptied_groups", "", True, n=1, allow=(("emptied_groups", 1),))
    >>> relaxed_limits([loss, emptied], Limits(additions_total=3))
    Limits(emptied_groups=1, additions_total=3, per_group={'vip': Limits(removals_per_group=90, removal_share=None, \
emptied_groups=1)})
    """
    findings = list(findings)
    plan_values = _required_values(finding for finding in findings if finding.customer_group_uid is None)
    common = replace(limits, per_group={}, **plan_values)
    raised = replace(common, per_group={key: limits.own_limits(key) for key in limits.per_group})
    per_group = {
        uid: replace(raised.own_limits(uid), **values) for uid, values in _required_values_by_group(findings).items()
    }
    # `Limits` uses the first matching pattern in `per_group`.
    # Therefore, insert the raised limits of the groups before the original entries, which can be patterns.
    others = {key: group_limits for key, group_limits in raised.per_group.items() if key not in per_group}
    return replace(common, per_group=per_group | others)


def wider_values(finding: Finding, limits: Limits) -> list[tuple[str, Any]]:
    """
    Return the limits to change so that a finding no longer blocks the plan, as pairs of name and value.

    The result contains only the values in `Finding.allow` that are less strict than the current limits.

    Examples
    --------
    >>> wider = (("removals_per_group", 20), ("removal_share", 0.17))
    >>> wider_values(Finding("removals_per_group", "", True, "vip", 20, wider), Limits())
    [('removal_share', 0.17)]
    """
    own = limits if finding.customer_group_uid is None else limits.of(finding.customer_group_uid)
    return [(name, value) for name, value in finding.allow if _is_less_strict(value, getattr(own, name), name)]


def limit_options(findings: Iterable[Finding], limits: Limits, limit_places: Mapping[str, str] | None = None) -> str:
    """
    Return the options of `frgroups plan` that raise the exceeded limits as little as possible.

    The options apply to groups without separate limits. For a group with separate limits, the result states the new
    values and the location where the user must enter them. If the declaration of a group sets limits, `limit_places`
    maps the group's uid to their location in the file. All other separate limits are in the register or the limits
    file. The result is an empty string if no option can allow the plan.

    Examples
    --------
    >>> finding = Finding("removals_total", "", True, n=600, allow=(("removals_total", 600),))
    >>> limit_options([finding], Limits())
    '--limit removals_total=600'
    >>> finding = Finding("additions_per_group", "", True, "vip", 9, allow=(("additions_per_group", 9),))
    >>> limits = Limits(per_group={"vip": Limits(additions_per_group=5)})
    >>> limit_options([finding], limits, {"vip": "groups.toml, [groups.vip], `limits`"})
    'additions_per_group=9 for group vip in groups.toml, [groups.vip], `limits`'
    """
    places = limit_places or {}
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
        place = places.get(uid, "the register or the --limits file")
        parts.append(f"{', '.join(_settings(values))} for group {uid} in {place}")
    return " and ".join(filter(None, parts))


def limit_advice(
    findings: Sequence[Finding], limits: Limits, limit_places: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """
    Return the hints for Python and for the command line that explain how to allow a blocked plan.

    The hints are empty if no change of a limit would unblock the plan.

    Examples
    --------
    >>> finding = Finding("removals_total", "", True, n=600, allow=(("removals_total", 600),))
    >>> limit_advice([finding], Limits())[1]
    'To allow these changes, create a new plan with --limit removals_total=600 and have it reviewed.'
    """
    if not any(finding.allow for finding in findings):
        return "", ""
    text = "To allow these changes, create a new plan with {} and have it reviewed."
    hint = text.format(f"limits={relaxed_limits(findings, limits)!r}")
    options = limit_options(findings, limits, limit_places)
    return hint, text.format(options) if options else ""


def blocked_sentence(digest: str, findings: Sequence[Finding]) -> str:
    """
    Describe the number of findings that block a plan.

    Examples
    --------
    >>> blocked_sentence("3f9c2a71d0e4" + "0" * 52, [Finding("removals_total", "", True)])
    'Plan 3f9c2a71d0e4 is blocked by 1 limit.'
    """
    return f"Plan {digest[:12]} is blocked by {pluralize(len(findings), blocking_noun(findings))}."


def blocking_noun(findings: Iterable[Finding]) -> str:
    """Return "limit" if all blocking findings are exceeded limits, otherwise "finding"."""
    return "limit" if all(finding.rule in LIMIT_NAMES for finding in findings) else "finding"


def _is_less_strict(value: Any, current: Any, name: str) -> bool:
    """
    Return True if a new value of a limit allows more changes than the current value.

    The caller suggests only less strict values, because a stricter value could block other groups.
    """
    if name in ("removal_floor", "removal_floor_total"):
        # A floor can be higher or lower than the current one.
        # `_group_violation` in `limit_comparisons` can require a lower floor together with a higher limit.
        # A floor of None means 0.
        return bool(value != (current or 0))
    if current is None:
        return False
    if value is None:
        return True
    if isinstance(value, str):
        return (hours_of(value) or 0) > (hours_of(current) or 0)
    return bool(value > current)


def _required_values_by_group(findings: Iterable[Finding]) -> dict[str, dict[str, Any]]:
    by_group: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.customer_group_uid is not None and finding.allow:
            by_group.setdefault(finding.customer_group_uid, []).append(finding)
    return {uid: _required_values(group_findings) for uid, group_findings in by_group.items()}


def _required_values(findings: Iterable[Finding]) -> dict[str, Any]:
    """
    Return the value of each limit that is required to allow the changes in all findings.

    If the findings require different values for a limit, the least strict value is returned. None disables a limit,
    so it is less strict than any number.
    """
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
    return [f"{name}={_setting(value)}" for name, value in values.items()]


def _setting(value: Any) -> str:
    if value is None:
        return OFF
    return f"{value:g}" if isinstance(value, float) else str(value)
