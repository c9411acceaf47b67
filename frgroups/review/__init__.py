"""A plan as a page that a person can read and decide on, as Markdown, and as CSV. It sends nothing."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from frgroups.approval import VALID_FOR
from frgroups.errors import InputError
from frgroups.home import write_text
from frgroups.plan import Plan
from frgroups.review import facts
from frgroups.review.facts import spoken_code, visible
from frgroups.review.limits import RESULTS, limit_checks, own_limits
from frgroups.review.page import review_html
from frgroups.review.spot_checks import advice, spot_checks


def save_review(plan: Plan, path: str | Path) -> Path:
    """
    Write the page on which a second person decides, whole or not at all, and return its absolute path.

    It needs no network and no Python, holds no names or contact data of customers, and of the members only those
    who join or leave: it may be mailed. A path that ends in .md or .csv gives Markdown or CSV instead.

    Raises
    ------
    InputError
        Another ending, a folder, or a place that cannot be written to.

    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_review(plan, f"{folder}/review.html").name
    'review.html'
    """
    target = Path(path).expanduser().resolve()
    if target.is_dir():
        raise InputError(f"{target} is a folder; name the file to write in it, such as review.html.")
    render = _RENDERERS.get(target.suffix.lower())
    if render is None:
        raise InputError(
            f"A review ends in {', '.join(_RENDERERS)}, not in {target.suffix or 'nothing'!r}: {target.name}."
        )
    try:
        return write_text(target, render(plan))
    except OSError as error:
        raise InputError(f"The review could not be written to {target}: {error.strerror or error}.") from error


def review_markdown(plan: Plan) -> str:
    """
    The review as Markdown, every operation included: totals, findings, limits, removals first.

    >>> print(review_markdown(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0])
    # Review: 1 customer joins, in 1 customer group
    """
    place = facts.place_of(plan.base_url)
    lines = [f"# Review: {_md(facts.headline(plan))}", ""]
    if plan.blocked:
        lines += ["**BLOCKED: this plan breaks a limit and can be neither approved nor applied.**", ""]
    lines += [
        f"- Where: **{_md(place.title)}**, {_md(plan.base_url or 'no host')}, tenant {_md(plan.tenant_uid)}. "
        f"{_md(place.words)}",
        f"- Planned: {facts.utc(plan.planned_at)}, from a reading of {facts.utc(plan.snapshot_taken_at)}",
    ]
    if plan.undoes:
        lines.append(f"- Takes back: plan {_md(plan.undoes[:12])}")
    if customers := facts.customers_sentence(plan):
        lines.append(f"- {_md(customers)}")
    lines += ["", *(_section("Groups", [_md(facts.sentence(one)) for one in facts.by_weight(plan)]))]
    lines += _section("Findings", [_md(finding) for finding in facts.findings_by_weight(plan)] or ["None."])
    lines += [
        "## Limits",
        "",
        *_md_table(
            ["Limit", "This plan", "Allowed", "Result"],
            [[one.limit, one.plan, one.allowed, RESULTS[one.state]] for one in limit_checks(plan)],
        ),
        "",
        *(f"- {_md(line)}" for line in own_limits(plan)),
        "",
    ]
    if not plan.is_empty and not plan.blocked and place.kind != "none":
        lines += _decision(plan)
    table = facts.operations(plan)
    checks = spot_checks(plan, table)
    if len(checks):
        lines += [f"## {len(checks)} spot checks", "", _md(advice(len(table))), ""]
        lines += [*_md_table(list(checks.columns), checks.to_numpy().tolist()), ""]
    if len(table):
        lines += [f"## All {len(table):,} operations, removals first", ""]
        lines += _md_table(list(table.columns), table.to_numpy().tolist())
    return "\n".join(lines).rstrip("\n") + "\n"


def review_csv(plan: Plan) -> str:
    """
    Every operation as CSV, removals first; safe to open in a spreadsheet.

    A cell that a spreadsheet would run as a formula, or turn from text into a number or date, starts with an
    apostrophe, and so does one that had an apostrophe there: take one off, and the text is what it was.

    >>> print(review_csv(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0][:57])
    "customer_group_uid","group_name","customer_uid","change"
    """
    table = facts.operations(plan)
    text = io.StringIO()
    # Every cell is quoted, so that neither a comma nor a semicolon parts it.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([[_cell(value) for value in row] for row in table.to_numpy().tolist()])
    return text.getvalue()


def _csv_file(plan: Plan) -> str:
    # The mark tells Excel that this is UTF-8.
    return "\ufeff" + review_csv(plan)


_RENDERERS = {".html": review_html, ".htm": review_html, ".md": review_markdown, ".csv": _csv_file}

# What spreadsheets run as a formula, the full-width forms of some of them included.
_FORMULA = re.compile(r"[\s'=+\-@＝＋－＠]")
# What they take for a number, a share, a date or a time, in English and the Nordic languages.
_NUMBER = re.compile(
    r"[\d.,:/ %-]*\d[\d.,:/ %-]*(e[+-]?\d+)?"
    r"|\d{0,4}[-. /]?(jan|feb|mar|apr|ma[jiy]|jun|jul|aug|sep|o[ck]t|nov|de[cs])[a-z]*[-. /]?\d{0,4}"
    r"|true|false|sann|usann|sant|falskt|falsk",
    re.IGNORECASE,
)


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) or _NUMBER.fullmatch(text) else text


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {line}" for line in lines), ""] if lines else []


def _decision(plan: Plan) -> list[str]:
    short, until = plan.digest[:12], facts.plan_expires(plan)
    lines = [
        f"Digest: `{plan.digest}`",
        f"Code for the telephone: {spoken_code(plan.digest)}",
        f"If you agree, tell the operator: approved {short}",
        'The operator runs `frgroups approve PLAN --by "WHO AGREED"`, and then '
        "`frgroups apply PLAN --approve APPROVAL`, the file that the first line writes",
        f"An approval file is valid for {facts.hours(VALID_FOR):g} hours from when it is given",
    ]
    if until is not None:
        lines.append(f"The plan itself can be applied until {facts.utc(until)}")
    return _section("To approve", lines)


def _md(text: object) -> str:
    """Text that Markdown shows as it is; the last pattern is what begins a quote, heading or list."""
    inline = re.sub(r"([\\`*_\[\]<&|~])", r"\\\1", visible(text))
    return re.sub(r"^(\s*\d*)([>#+.)-])", r"\1\\\2", inline)


def _md_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    head = [f"| {' | '.join(map(_md, columns))} |", f"|{' --- |' * len(columns)}"]
    return head + [f"| {' | '.join(map(_md, row))} |" for row in rows]


__all__ = ["review_csv", "review_html", "review_markdown", "save_review", "spoken_code"]
