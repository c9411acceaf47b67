"""Warn about suggested actions of the health report that must not be combined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from frgroups.analysis.health_checks import HealthFinding
from frgroups.analysis.suggested_plans import SuggestedPlans
from frgroups.internals.formatting import format_list

# _EMPTYING contains the types of findings whose suggested plan removes all members of a group.
# _REMOVING also contains the types whose suggested plan removes only some members.
_EMPTYING = ("duplicate", "old_year", "ended")
_REMOVING = (*_EMPTYING, "wrong_type", "two_tiers")
_MAX_NAMES = 5


def warn_about_conflicts(findings: Sequence[HealthFinding], plans: SuggestedPlans) -> list[HealthFinding]:
    """
    Return the findings, and add a warning to each suggested action that conflicts with another suggested action.

    Two actions conflict if one action adds customers to a group and the other action removes customers from the same
    group. For groups with the same members, actions also conflict if they would together remove all members from all
    of these groups. The customers would then be in none of the groups.
    """
    removing: dict[str, list[int]] = {}
    for number, finding in enumerate(findings):
        if finding.finding in _REMOVING:
            for uid in _changed_groups(finding):
                removing.setdefault(uid, []).append(number)
    groups_of: dict[int, list[str]] = {}
    for numbers, groups in (*_merged_and_reduced(findings, removing), *_emptied_together(findings, removing)):
        for number in numbers:
            groups_of.setdefault(number, []).extend(groups)
    return [
        _with_warning(finding, groups_of[number], plans) if number in groups_of else finding
        for number, finding in enumerate(findings)
    ]


_Conflict = tuple[list[int], list[str]]


def _changed_groups(finding: HealthFinding) -> list[str]:
    """Return the uids of the groups that the suggested plan of a finding can change."""
    if finding.other_group_uid is None or finding.finding in _EMPTYING:
        return [finding.customer_group_uid]
    return [finding.customer_group_uid, finding.other_group_uid]


def _merged_and_reduced(findings: Sequence[HealthFinding], removing: dict[str, list[int]]) -> Iterator[_Conflict]:
    """Yield each conflict between a near-duplicate finding and actions that remove members from one of its groups."""
    for number, finding in enumerate(findings):
        if finding.finding == "near_duplicate":
            groups = _changed_groups(finding)
            others = [other for uid in groups for other in removing.get(uid, [])]
            if others:
                yield [number, *others], groups


def _emptied_together(findings: Sequence[HealthFinding], removing: dict[str, list[int]]) -> Iterator[_Conflict]:
    """Yield each conflict between actions that would together empty a group and all of its duplicates."""
    duplicates_of: dict[str, list[str]] = {}
    for finding in findings:
        if finding.finding == "duplicate" and finding.other_group_uid is not None:
            duplicates_of.setdefault(finding.other_group_uid, []).append(finding.customer_group_uid)
    for kept, others in duplicates_of.items():
        if any(findings[number].finding in _EMPTYING for number in removing.get(kept, [])):
            groups = [kept, *others]
            yield [number for uid in groups for number in removing.get(uid, [])], groups


def _with_warning(finding: HealthFinding, groups: Iterable[str], plans: SuggestedPlans) -> HealthFinding:
    own = finding.customer_group_uid
    labels = [plans.label(uid) for uid in dict.fromkeys([own, *groups])]
    warning = f"Do only one of the actions that the report suggests for {format_list(labels, _MAX_NAMES)}."
    cli_action = None if finding.cli_action is None else f"{warning} {finding.cli_action}"
    return finding._replace(suggested_action=f"{warning} {finding.suggested_action}", cli_action=cli_action)
