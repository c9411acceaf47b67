"""The review page: one HTML file that asks nothing of the network, for someone without Python who must decide."""

from __future__ import annotations

from frgroups.api.environments import environment_of
from frgroups.internals.html import LISTED, cell, cut_note, escaped, paragraph, render_page, time_tag
from frgroups.plan.finding import Finding
from frgroups.plan.limit_overrides import relaxed_limits
from frgroups.plan.plan import Plan
from frgroups.review import plan_text as facts
from frgroups.review.customer_names import WATERMARK
from frgroups.review.decision_section import decision
from frgroups.review.groups_section import all_groups, pictures
from frgroups.review.limit_rows import RESULTS, limit_checks, own_limits
from frgroups.review.operations_section import operations_data, operations_section, spot_checks_section
from frgroups.review.spot_checks import spot_checks
from frgroups.snapshot.snapshot import Snapshot

# What the first screen shows at most; where it cuts, it says so with numbers.
FIRST_BLOCKING = 6
FIRST_KINDS = 4


def review_html(plan: Plan, personal: Snapshot | None = None) -> str:
    """
    The review page as text; the same plan gives the same page, byte for byte.

    >>> page = review_html(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}))
    >>> "1 customer joins VIP (2 -&gt; 3)." in page
    True
    """
    environment = environment_of(plan.base_url)
    table = facts.operations(plan, personal)
    checks = spot_checks(plan, table)
    return render_page(
        "review/page",
        scripts=("review/page.js", "review/approval.js"),
        title=escaped(f"{'BLOCKED: ' if plan.blocked else ''}Review of plan {plan.digest[:12]}, {environment.title}"),
        watermark="" if personal is None else f'<section class="names" aria-label="Warning">{WATERMARK}</section>',
        place_kind=environment.kind,
        place_title=escaped(environment.title),
        place_words=escaped(environment.description),
        tenant=escaped(plan.tenant_uid),
        host=escaped(plan.base_url or "none"),
        kicker=_kicker(plan),
        headline=escaped(facts.headline(plan)),
        customers=(paragraph(f"What for: {plan.purpose}") if plan.purpose else "")
        + paragraph(facts.customers_sentence(plan))
        + paragraph(" ".join(facts.moves(plan))),
        blocked=_blocked(plan),
        verdict=_verdict(plan),
        findings=_first_findings(plan),
        groups=pictures(plan),
        aside_label="What to do now",
        decision=decision(plan, len(checks)),
        more_findings=_all_findings(plan),
        all_groups=all_groups(plan),
        limits=_limits(plan),
        operations=operations_section(table),
        spot_checks=spot_checks_section(checks, table),
        data=operations_data(table),
        footer=_footer(plan, personal),
    )


def _kicker(plan: Plan) -> str:
    undo = f"This plan takes back plan {escaped(plan.reverts[:12])}. " if plan.reverts else ""
    made = time_tag(plan.planned_at)
    return f"{undo}Plan <span class='mono'>{plan.digest[:12]}</span> for customer groups, made {made}"


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
    text += f"; <strong>{len(off)} switched off: {escaped(', '.join(off))}</strong>" if off else ""
    kind = "verdict off" if off else "verdict"
    return f'<p class="{kind}">{text}. <a href="#limits-title">See them all</a></p>'


def _first_findings(plan: Plan) -> str:
    """The findings of the first screen: blocking ones, then one of each kind with how many are like it."""
    first, left = _first(plan)
    if not first:
        return ""
    items = "".join(_finding(plan, finding, like) for finding, like in first)
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


def _finding(plan: Plan, finding: Finding, like: int = 0) -> str:
    if not finding.blocking:
        more = f" <b>And {like:,} more like this.</b>" if like else ""
        return f"<li>{escaped(finding.message)}{more}</li>"
    allow = ""
    if finding.allow:
        limits = escaped(repr(relaxed_limits([finding], plan.limits)))
        allow = f'<span class="allow">To allow this, the analyst creates the plan again with {limits}.</span>'
    return f'<li class="blocking">{escaped(finding.message)}{allow}</li>'


def _all_findings(plan: Plan) -> str:
    found = facts.findings_by_weight(plan)
    if not _first(plan)[1]:
        return ""
    items = "".join(_finding(plan, one) for one in found[:LISTED])
    return (
        '<section aria-labelledby="findings-title">'
        f'<h2 id="findings-title">All {len(found):,} findings</h2>{cut_note(len(found), LISTED, "findings")}'
        f'<ul class="findings">{items}</ul></section>'
    )


def _limits(plan: Plan) -> str:
    rows = "".join(
        f'<tr class="{check.state.lower()}">'
        + cell(check.limit, "Limit")
        + cell(check.plan, "This plan")
        + cell(check.allowed, "Allowed")
        + cell(RESULTS[check.state], "Result")
        + "</tr>"
        for check in limit_checks(plan)
    )
    head = "".join(f'<th scope="col">{label}</th>' for label in ("Limit", "This plan", "Allowed", "Result"))
    own = "".join(f"<li>{escaped(line)}</li>" for line in own_limits(plan))
    return (
        '<div class="wide"><table class="cards"><caption>What the plan may not do. The limits are part of the plan: '
        "who approves it approves them.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        + (f'<ul class="findings">{own}</ul>' if own else "")
    )


def _footer(plan: Plan, personal: Snapshot | None) -> str:
    told = personal is not None or plan.customer_facts() is not None
    n = plan.cost.n_write
    names = (
        "This page holds no names or contact data of customers; uids are personal data all the same."
        if personal is None
        else WATERMARK
    )
    parts = [
        f"{n:,} write {'request' if n == 1 else 'requests'}, everyone joins before anyone leaves. {plan.cost}",
        f"Planned on a reading of {time_tag(plan.snapshot_taken_at)}. {names} Nothing on it is sent anywhere.",
        "" if told else "The plan knows no more of customers than their uids.",
    ]
    return " ".join(filter(None, parts))
