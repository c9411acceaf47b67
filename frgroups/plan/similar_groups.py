"""Find new groups that could be confused with other groups because of a similar name or uid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from frgroups.internals.similar_text import case_key, comparison_keys, describe_difference, differs_in_case
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.snapshot.snapshot import Snapshot

_UidAndName = tuple[str, str]


def similar_group_findings(snapshot: Snapshot, changes: Sequence[GroupChange]) -> Iterator[Finding]:
    """
    Yield the findings about the names and uids of the groups that a plan creates.

    Each new group is compared with all groups in the snapshot and with the other new groups. Two names are similar if
    they are not equal but a reader could confuse them. Two uids are similar if they differ only in case or spaces.
    Equal names and similar names have separate findings, because `apply_plan` accepts only names that the findings
    report.
    """
    created = [change for change in changes if change.create]
    if not created:
        return
    groups = [*snapshot.matrix.names_by_uid.items(), *((change.uid, change.name) for change in created)]
    by_name: dict[str, list[_UidAndName]] = {}
    by_uid: dict[str, list[_UidAndName]] = {}
    for uid, name in groups:
        by_uid.setdefault(case_key(uid), []).append((uid, name))
        for key in comparison_keys(name):
            by_name.setdefault(key, []).append((uid, name))
    for change in created:
        others = _others(change, (group for key in comparison_keys(change.name) for group in by_name[key]))
        yield from _name_findings(change, others)
        alike = _others(change, by_uid[case_key(change.uid)])
        if alike:
            uid, name = alike[0]
            text = (
                f"The plan creates a group with the uid {change.uid!r}, but the group {name} has the uid {uid!r}. "
                "The uids differ only in case or spaces."
            )
            yield Finding("similar_uid", text, False, change.uid, len(alike))


def _others(change: GroupChange, groups: Iterable[_UidAndName]) -> list[_UidAndName]:
    """Return the groups to compare with a new group, without the new group and duplicates, sorted by uid."""
    return sorted({uid: name for uid, name in groups if uid != change.uid}.items())


def _name_findings(change: GroupChange, others: Sequence[_UidAndName]) -> Iterator[Finding]:
    """Yield the findings about groups with the same name as a new group, and about groups with a similar name."""
    same = [uid for uid, name in others if name == change.name]
    if same:
        text = (
            f"The plan creates a group with the name {change.name}, but another group ({same[0]}) already has this "
            "name."
        )
        yield Finding("same_name", text, False, change.uid, len(same))
    similar = [(uid, name) for uid, name in others if name != change.name]
    if similar:
        uid, name = similar[0]
        text = (
            f"The plan creates a group with the name {change.name!r}, which looks like {name!r}, the name of group "
            f"{uid}. {_difference_sentence(change.name, name)}"
        )
        yield Finding("similar_name", text, False, change.uid, len(similar))


def _difference_sentence(name: str, other: str) -> str:
    """Describe how two similar names differ, with code points only if the difference is not visible."""
    if not differs_in_case(name, other):
        return f"The difference is {describe_difference(name, other)}."
    if name.casefold() == other.casefold():
        return "The names differ only in upper and lower case."
    if name.replace(" ", "") == other.replace(" ", ""):
        return "The names differ only in spaces."
    return "The names differ only in spaces and in upper and lower case."
