"""What the reviewer does with the page: compare, approve or reject, and until when; the script makes the files."""

from __future__ import annotations

from frgroups.internals.formatting import format_utc, total_hours
from frgroups.internals.html import escaped
from frgroups.plan.plan import Plan
from frgroups.review import plan_text as facts
from frgroups.review.approval import VALID_FOR


def decision(plan: Plan, n_checks: int) -> str:
    """How to approve or reject this plan, with so many spot checks, or why there is nothing to approve."""
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
    return (
        "<h2>To approve</h2>"
        f"{_late(plan)}"
        "<ol>"
        "<li>Compare these four words with the operator’s own copy of this page: "
        f'<span class="code">{facts.spoken_code(plan.digest)}</span></li>'
        f"{_reading(n_checks)}"
        f"<li>If you agree, {_by_file(plan)}{_by_word(plan)}</li>"
        "<li>The operator runs <code>frgroups apply PLAN --approve APPROVAL</code> with your file. After a yes by "
        'word of mouth, this makes the file: <code>frgroups approve PLAN --by "WHO AGREED"</code></li>'
        "</ol>"
        f"{_rejecting()}"
        f'<div class="until">{_until(plan)}</div>'
        '<div class="until"><div class="whole">The digest; its first 12 are enough.'
        f"{_copy(plan.digest)}</div>{_digest(plan.digest)}</div>"
    )


def _late(plan: Plan) -> str:
    if facts.plan_expires(plan) is None:
        return ""
    return '<p class="late" id="late" role="alert" hidden>This plan is too old to be applied. Ask for a new one.</p>'


def _reading(n_checks: int) -> str:
    if not n_checks:
        return ""
    return (
        '<li>Read <a href="#operations-title">who leaves and what has a finding</a>, then look up the '
        f'<a href="#spot-title">{n_checks} spot checks</a></li>'
    )


def _by_file(plan: Plan) -> str:
    """The part that only a script can work; without one the answer by word of mouth is left."""
    return (
        f'<span class="by-file" id="deciding" data-digest="{plan.digest}" '
        f'data-planned-at="{plan.planned_at.isoformat()}" data-hours="{total_hours(VALID_FOR):g}" hidden>'
        "send the operator an approval file: "
        '<span class="field"><label for="by">Your name</label>'
        '<input id="by" type="text" autocomplete="name" maxlength="200" aria-describedby="recorded"></span>'
        '<button type="button" class="main" id="approve">Download approval file</button>'
        '<span id="approved" class="told" role="status"></span>'
        '<span class="soft small" id="recorded">The file records what you say. It does not prove who you are, and '
        "this page sends nothing.</span> Or </span>"
    )


def _by_word(plan: Plan) -> str:
    short = plan.digest[:12]
    return (
        'tell the operator: <span class="answer"><span class="say">approved '
        f'<span class="mono">{short}</span></span> {_copy(f"approved {short}", "Copy approval")}</span>'
    )


def _rejecting() -> str:
    return (
        "<p>If you do not agree, say so: nothing is sent without an approval.</p>"
        '<details id="rejecting" hidden><summary>Reject with a reason</summary>'
        '<span class="field"><label for="reason">What is wrong with it</label>'
        '<textarea id="reason" rows="3" maxlength="2000"></textarea></span>'
        '<span class="field"><label for="rejected-by">Your name</label>'
        '<input id="rejected-by" type="text" autocomplete="name" maxlength="200"></span>'
        '<button type="button" id="reject">Download rejection file</button>'
        '<span id="rejected" class="told" role="status"></span></details>'
    )


def _until(plan: Plan) -> str:
    valid_hours, expires = f"{total_hours(VALID_FOR):g}", facts.plan_expires(plan)
    text = (
        f"<p>An approval file is open for {valid_hours} hours from when it is given."
        f'<span id="open-until" data-hours="{valid_hours}"></span></p>'
    )
    if expires is None:
        return text + "<p>The plan itself has no end: the limit of its age is switched off.</p>"
    return text + (
        f'<p>The plan itself can be applied until <time id="expires" datetime="{expires.isoformat()}">'
        f"{format_utc(expires)}</time>.</p>"
    )


def _digest(digest: str) -> str:
    parts = [digest[at : at + 4] for at in range(0, 64, 4)]
    cells = "".join(f"<b>{part}</b>" if at < 3 else f"<span>{part}</span>" for at, part in enumerate(parts))
    return f'<div class="digest mono" role="group" aria-label="Digest">{cells}</div>'


def _copy(text: str, label: str = "Copy") -> str:
    told = escaped(text)
    # Hidden until the script has made it work.
    return (
        f'<span class="copy"><button type="button" data-copy="{told}" aria-label="{label}: {told}" hidden>'
        f'{label}</button><span role="status"></span></span>'
    )
