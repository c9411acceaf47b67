"""The groups of a plan on its review page: who joins and who leaves, as pictures and as a table."""

from __future__ import annotations

from frgroups.internals.formatting import escape_invisible
from frgroups.internals.html import LISTED, cell, cut_note, escaped
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.review import plan_text as facts

PICTURED_GROUPS = 6  # So many are on the first screen.


def pictures(plan: Plan) -> str:
    """The weightiest groups, each in a sentence and as two bars."""
    groups = facts.by_weight(plan)
    blocked = facts.blocked_groups(plan)
    items = "".join(_picture(group, group.uid in blocked) for group in groups[:PICTURED_GROUPS])
    left = len(groups) - PICTURED_GROUPS
    if left > 0:
        rest = groups[PICTURED_GROUPS:]
        items += (
            f"<li>And {left:,} more {'group' if left == 1 else 'groups'}, where "
            f"{sum(len(one.add) for one in rest):,} join and {sum(len(one.remove) for one in rest):,} leave: "
            f'<a href="#groups-title">see all {len(groups):,}</a></li>'
        )
    return f'<ol class="groups" aria-label="Who joins and who leaves">{items}</ol>' if items else ""


def _picture(group: GroupChange, blocked: bool) -> str:
    """A group in a sentence, and as two bars on one scale: before and after."""
    before, after = len(group.baseline), group.n_after
    stay = before - len(group.remove)
    tag = '<span class="tag">Over its limit</span>' if blocked else ""
    leave = f", <b class='leave'>{_part(len(group.remove), before)} leave</b>" if group.remove else ""
    join = f", <b class='join'>{_part(len(group.add), after)} new</b>" if group.add else ""
    was = "<b class='join'>new group</b>" if group.create else f"{before:,}{leave}"
    scale = max(before, after, 1)
    return (
        f'<li><p class="says">{escaped(facts.sentence(group))}{tag}</p>'
        f'<dl class="bars"><dt>Before</dt>{_bar(stay, len(group.remove), "leave", scale)}<dd>{was}</dd>'
        f"<dt>After</dt>{_bar(stay, len(group.add), 'join', scale)}<dd>{after:,}{join}</dd></dl></li>"
    )


def _part(n: int, of: int) -> str:
    return "all" if n == of else f"{n:,} of them"


def _bar(stay: int, changed: int, kind: str, scale: int) -> str:
    """Who stays, and who leaves or joins after them; a change is never too thin to be seen."""
    wide = max(round(1000 * changed / scale), 6) if changed else 0
    calm = min(round(1000 * stay / scale), 1000 - wide)
    return (
        '<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="1000" height="10"/>'
        f'<rect class="stay" width="{calm}" height="10"/>'
        f'<rect class="{kind}" x="{calm}" width="{wide}" height="10"/></svg>'
    )


def all_groups(plan: Plan) -> str:
    """The table of all groups, where there are more than are pictured."""
    groups = facts.by_weight(plan)
    if len(groups) <= PICTURED_GROUPS:
        return ""
    blocked = facts.blocked_groups(plan)
    rows = "".join(
        f"<tr{' class=broken' if one.uid in blocked else ''}>"
        + cell(escape_invisible(one.name) + (" (new group)" if one.create else ""), "Group")
        + cell(one.uid, "Group uid", "uid")
        + cell(f"{len(one.baseline):,}", "Before", "number")
        + cell(f"{len(one.add):,}", "Join", "number")
        + cell(f"{len(one.remove):,}", "Leave", "number")
        + cell(f"{one.n_after:,}", "After", "number")
        + "</tr>"
        for one in groups[:LISTED]
    )
    head = "".join(
        f'<th scope="col"{" class=number" if at > 1 else ""}>{label}</th>'
        for at, label in enumerate(("Group", "Group uid", "Before", "Join", "Leave", "After"))
    )
    return (
        f'<section aria-labelledby="groups-title"><h2 id="groups-title">All {len(groups):,} groups</h2>'
        f'{cut_note(len(groups), LISTED, "groups")}<div class="wide"><table class="cards">'
        "<caption>Blocked groups first, then by how many leave and how many join</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
