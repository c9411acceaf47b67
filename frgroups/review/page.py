"""The review page: one HTML file that asks nothing of the network, for someone without Python who must decide."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from html import escape
from string import Template

import pandas as pd

from frgroups.approval import VALID_FOR
from frgroups.group_change import GroupChange
from frgroups.limits import Finding
from frgroups.page_assets import asset as _asset
from frgroups.page_assets import fingerprint as _hash
from frgroups.plan import Plan
from frgroups.review import facts
from frgroups.review.limits import RESULTS, limit_checks, own_limits

# What the page shows at most; where it cuts, it says so with numbers. The first three are for the first screen.
PICTURED_GROUPS = 6
FIRST_BLOCKING = 6
FIRST_KINDS = 4
LISTED = 1_000
PLAIN_ROWS = 200
PAGE_ROWS = 200_000

_LABELS = {
    "change": "Change",
    "group_name": "Group",
    "customer_group_uid": "Group uid",
    "customer_uid": "Customer uid",
    "finding": "Finding",
    "external_id": "External id",
    "customer_type": "Type",
    "default_store": "Default store",
    "pricelist_uid": "Price list",
    "groups_now": "Groups now",
}
_PLAIN = ("customer_uid", "external_id")


def review_html(plan: Plan) -> str:
    """
    The review page as text; the same plan gives the same page, byte for byte.

    >>> page = review_html(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}))
    >>> "1 customer joins VIP (2 -&gt; 3)." in page
    True
    """
    place = facts.place_of(plan.base_url)
    table = facts.operations(plan)
    style, script = _asset("review/page.css"), _asset("review/page.js")
    return Template(_asset("review/page.html")).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        title=_e(f"{'BLOCKED: ' if plan.blocked else ''}Review of plan {plan.digest[:12]}, {place.title}"),
        place_kind=place.kind,
        place_title=_e(place.title),
        place_words=_e(place.words),
        tenant=_e(plan.tenant_uid),
        host=_e(plan.base_url or "none"),
        kicker=_kicker(plan),
        headline=_e(facts.headline(plan)),
        customers=_p(facts.customers_sentence(plan)),
        blocked=_blocked(plan),
        verdict=_verdict(plan),
        findings=_first_findings(plan),
        groups=_pictures(plan),
        aside_label="What to do now",
        decision=_decision(plan),
        more_findings=_all_findings(plan),
        all_groups=_all_groups(plan),
        limits=_limits(plan),
        operations=_operations(table),
        data=_data(table),
        footer=_footer(plan),
    )


def _kicker(plan: Plan) -> str:
    undo = f"This plan takes back plan {_e(plan.undoes[:12])}. " if plan.undoes else ""
    return (
        f"{undo}Plan <span class='mono'>{plan.digest[:12]}</span> for customer groups, made {_time(plan.planned_at)}"
    )


def _blocked(plan: Plan) -> str:
    if not plan.blocked:
        return ""
    n = sum(finding.blocking for finding in plan.findings)
    return (
        f'<p class="verdict blocked"><strong>BLOCKED.</strong> This plan breaks {n:,} '
        f"{'limit' if n == 1 else 'limits'}. It can be neither approved nor applied.</p>"
    )


def _verdict(plan: Plan) -> str:
    if plan.blocked:
        return ""
    checks = limit_checks(plan)
    off = [check.limit.lower() for check in checks if check.state == "off"]
    held = sum(check.state == "holds" for check in checks)
    later = sum(check.state == "later" for check in checks)
    text = f"<strong>No limit is broken.</strong> {held} checked and kept"
    text += f", {later} more checked before anything is sent" if later else ""
    text += f"; <strong>{len(off)} switched off: {_e(', '.join(off))}</strong>" if off else ""
    kind = "verdict off" if off else "verdict"
    return f'<p class="{kind}">{text}. <a href="#limits-title">See them all</a></p>'


def _first_findings(plan: Plan) -> str:
    """The findings of the first screen: blocking ones, then one of each kind with how many are like it."""
    first, left = _first(plan)
    if not first:
        return ""
    items = "".join(_finding(finding, like) for finding, like in first)
    text = f'<ul class="findings" aria-label="Findings">{items}</ul>'
    if left:
        text += f'<p class="all"><a href="#findings-title">See all {len(plan.findings):,} findings</a></p>'
    return text


def _first(plan: Plan) -> tuple[list[tuple[Finding, int]], bool]:
    """Those findings, each with the number of others like it, and whether any is not among them."""
    blocking = [one for one in plan.findings if one.blocking]
    kinds: dict[str, list[Finding]] = {}
    for one in plan.findings:
        if not one.blocking:
            kinds.setdefault(one.rule, []).append(one)
    shown = [(one, 0) for one in blocking[:FIRST_BLOCKING]]
    shown += [(alike[0], len(alike) - 1) for alike in list(kinds.values())[:FIRST_KINDS]]
    return shown, len(shown) < len(plan.findings)


def _finding(finding: Finding, like: int = 0) -> str:
    if not finding.blocking:
        more = f" <b>And {like:,} more like this.</b>" if like else ""
        return f"<li>{_e(finding.message)}{more}</li>"
    allow = (
        f'<span class="allow">To allow it, the analyst plans again with {_e(finding.argument)}.</span>'
        if finding.argument
        else ""
    )
    return f'<li class="blocking">{_e(finding.message)}{allow}</li>'


def _all_findings(plan: Plan) -> str:
    found = facts.findings_by_weight(plan)
    if not _first(plan)[1]:
        return ""
    return (
        '<section aria-labelledby="findings-title">'
        f'<h2 id="findings-title">All {len(found):,} findings</h2>{_cut(len(found), LISTED, "findings")}'
        f'<ul class="findings">{"".join(map(_finding, found[:LISTED]))}</ul></section>'
    )


def _pictures(plan: Plan) -> str:
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
        f'<li><p class="says">{_e(facts.sentence(group))}{tag}</p>'
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


def _all_groups(plan: Plan) -> str:
    groups = facts.by_weight(plan)
    if len(groups) <= PICTURED_GROUPS:
        return ""
    blocked = facts.blocked_groups(plan)
    rows = "".join(
        f"<tr{' class=broken' if one.uid in blocked else ''}>"
        + _td(facts.visible(one.name) + (" (new group)" if one.create else ""), "Group")
        + _td(one.uid, "Group uid", "uid")
        + _td(f"{len(one.baseline):,}", "Before", "number")
        + _td(f"{len(one.add):,}", "Join", "number")
        + _td(f"{len(one.remove):,}", "Leave", "number")
        + _td(f"{one.n_after:,}", "After", "number")
        + "</tr>"
        for one in groups[:LISTED]
    )
    head = "".join(
        f'<th scope="col"{" class=number" if at > 1 else ""}>{label}</th>'
        for at, label in enumerate(("Group", "Group uid", "Before", "Join", "Leave", "After"))
    )
    return (
        f'<section aria-labelledby="groups-title"><h2 id="groups-title">All {len(groups):,} groups</h2>'
        f'{_cut(len(groups), LISTED, "groups")}<div class="wide"><table class="cards">'
        "<caption>Blocked groups first, then by how many leave and how many join</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _limits(plan: Plan) -> str:
    rows = "".join(
        f'<tr class="{check.state.lower()}">'
        + _td(check.limit, "Limit")
        + _td(check.plan, "This plan")
        + _td(check.allowed, "Allowed")
        + _td(RESULTS[check.state], "Result")
        + "</tr>"
        for check in limit_checks(plan)
    )
    head = "".join(f'<th scope="col">{label}</th>' for label in ("Limit", "This plan", "Allowed", "Result"))
    own = "".join(f"<li>{_e(line)}</li>" for line in own_limits(plan))
    return (
        '<div class="wide"><table class="cards"><caption>What the plan may not do. The limits are part of the plan: '
        "who approves it approves them.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        + (f'<ul class="findings">{own}</ul>' if own else "")
    )


def _decision(plan: Plan) -> str:
    if plan.blocked:
        return (
            "<h2>What to do now</h2><p>Nothing can be approved here: the plan breaks the limits named on this page."
            "</p><p>Ask the analyst for a smaller plan. If the change is meant, the analyst makes a new plan with "
            "wider limits; it has its own page, and the wider limits are then part of what you decide.</p>"
        )
    if plan.is_empty:
        return "<h2>What to do now</h2><p>Nothing: the groups are as wanted, and there is nothing to approve.</p>"
    if plan.base_url is None:
        return (
            "<h2>What to do now</h2><p>Read it. This plan was made from tables and has no host, so it cannot be "
            "applied. To change a tenant, the analyst plans on a snapshot that was read from it.</p>"
        )
    short = plan.digest[:12]
    return (
        "<h2>To approve</h2>"
        f"{_late(plan)}"
        "<ol>"
        "<li>Compare these four words with the operator’s own copy of this page: "
        f'<span class="code">{facts.spoken_code(plan.digest)}</span></li>'
        '<li>If you agree, tell the operator: <span class="answer"><span class="say">approved '
        f'<span class="mono">{short}</span></span> {_copy(f"approved {short}")}</span></li>'
        '<li>The operator runs <code>frgroups approve PLAN --by "WHO AGREED"</code>'
        "<code>frgroups apply PLAN --approve APPROVAL</code> (the file that the first line writes)</li>"
        "</ol>"
        "<p>If you do not agree, say so: nothing is sent without an approval.</p>"
        f'<div class="until">{_until(plan)}</div>'
        '<div class="until"><div class="whole">The digest; its first 12 are enough.'
        f"{_copy(plan.digest)}</div>{_digest(plan.digest)}</div>"
    )


def _late(plan: Plan) -> str:
    if facts.plan_expires(plan) is None:
        return ""
    return '<p class="late" id="late" role="alert" hidden>This plan is too old to be applied. Ask for a new one.</p>'


def _until(plan: Plan) -> str:
    hours, expires = f"{facts.hours(VALID_FOR):g}", facts.plan_expires(plan)
    text = (
        f"<p>An approval file is open for {hours} hours from when it is given."
        f'<span id="open-until" data-hours="{hours}"></span></p>'
    )
    if expires is None:
        return text + "<p>The plan itself has no end: the limit of its age is switched off.</p>"
    return text + (
        f'<p>The plan itself can be applied until <time id="expires" datetime="{expires.isoformat()}">'
        f"{facts.utc(expires)}</time>.</p>"
    )


def _digest(digest: str) -> str:
    parts = [digest[at : at + 4] for at in range(0, 64, 4)]
    cells = "".join(f"<b>{part}</b>" if at < 3 else f"<span>{part}</span>" for at, part in enumerate(parts))
    return f'<div class="digest mono" aria-label="Digest">{cells}</div>'


def _copy(text: str) -> str:
    # Hidden until the script has made it work.
    return (
        f'<span class="copy"><button type="button" data-copy="{_e(text)}" aria-label="Copy: {_e(text)}" hidden>'
        'Copy</button><span role="status"></span></span>'
    )


def _operations(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    columns = _columns(table)
    head = "".join(f'<th scope="col">{_LABELS[name]}</th>' for name in columns)
    rows = "".join(
        "<tr>"
        + "".join(_operation_cell(name, str(value)) for name, value in zip(columns, row, strict=True))
        + "</tr>"
        for row in table[columns].head(PLAIN_ROWS).itertuples(index=False, name=None)
    )
    n = len(table)
    cut = (
        f'<p class="cut">The page holds the first {PAGE_ROWS:,} of {n:,} operations. The other '
        f"{n - PAGE_ROWS:,} are in the review as CSV or Markdown.</p>"
        if n > PAGE_ROWS
        else ""
    )
    plain = (
        f'<noscript><p class="cut">Without JavaScript this page lists the first {PLAIN_ROWS:,} of {n:,} operations. '
        f"The other {n - PLAIN_ROWS:,} are in the review as CSV or Markdown.</p></noscript>"
        if n > PLAIN_ROWS
        else ""
    )
    told = f"{n:,} {'operation' if n == 1 else 'operations'}"
    return (
        '<section aria-labelledby="operations-title">'
        f'<h2 id="operations-title">Every change: {told}</h2>{cut}{plain}'
        '<div class="tools" id="operations-tools" role="search" hidden>'
        '<div><label for="search">Search in all columns</label><input id="search" type="search" autocomplete="off">'
        '</div><div><label for="show">Show</label><select id="show"><option value="all">everything</option>'
        '<option value="remove">who leaves</option><option value="add">who joins</option>'
        '<option value="finding">with a finding</option></select></div>'
        '<button type="button" id="as-planned" disabled>Removals first</button></div>'
        '<div class="wide"><table class="cards" id="operations-table">'
        "<caption>Removals first, then what has a finding, then the rest. "
        '<span id="operations-told" role="status"></span></caption>'
        f'<thead><tr>{head}</tr></thead><tbody id="operations-body">{rows}</tbody></table></div>'
        '<div class="pages" id="operations-pages" hidden><button type="button" id="earlier">Earlier rows</button>'
        '<button type="button" id="later">Later rows</button></div></section>'
    )


def _columns(table: pd.DataFrame) -> list[str]:
    """The columns to show; what is known of no customer at all is left out."""
    empty = {name for name in facts.KNOWN_COLUMNS if name not in table or (table[name] == "").all()}
    return [name for name in _LABELS if name not in empty]


def _operation_cell(name: str, value: str) -> str:
    if name == "change":
        return _td(
            "leaves" if value == "remove" else "joins", _LABELS[name], "leave" if value == "remove" else "join"
        )
    return _td(value, _LABELS[name], "uid" if name.endswith("_uid") or name == "external_id" else "")


def _data(table: pd.DataFrame) -> str:
    """The operations as one JSON value; what repeats is a number that points into `words`."""
    if table.empty:
        return ""
    columns = _columns(table)
    words: dict[str, int] = {}
    sides: list[Iterable[object]] = [
        column if name in _PLAIN else [words.setdefault(value, len(words)) for value in column]
        for name in columns
        for column in [table[name].head(PAGE_ROWS).tolist()]
    ]
    value = {
        "columns": columns,
        "plain": [name in _PLAIN for name in columns],
        "words": list(words),
        "rows": list(zip(*sides, strict=True)),
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for unsafe in "<>&\u2028\u2029":
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return f'<script type="application/json" id="operations-data">{text}</script>'


def _footer(plan: Plan) -> str:
    n = len(plan.requests())
    known = (
        ""
        if plan.snapshot is not None
        else (" Made from a plan file, which knows no more of customers than their uids.")
    )
    return (
        f"{n:,} write {'request' if n == 1 else 'requests'}, everyone joins before anyone leaves. "
        f"Planned on a reading of {_time(plan.snapshot_taken_at)}. This page holds no names or contact data of "
        f"customers; uids are personal data all the same. Nothing on it is sent anywhere.{known}"
    )


def _cut(n: int, most: int, what: str) -> str:
    if n <= most:
        return ""
    return (
        f'<p class="cut">The first {most:,} of {n:,} {what}; the review as Markdown has the other {n - most:,}.</p>'
    )


def _td(text: str, label: str, kind: str = "") -> str:
    return f'<td data-label="{label}"{f" class={kind}" if kind else ""}>{_e(text)}</td>'


def _p(text: str) -> str:
    return f'<p class="soft">{_e(text)}</p>' if text else ""


def _time(moment: datetime) -> str:
    return f'<time datetime="{moment.isoformat()}">{facts.utc(moment)}</time>'


def _e(text: object) -> str:
    return escape(facts.visible(text))
