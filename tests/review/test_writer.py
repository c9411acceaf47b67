"""Tests for reviews as HTML, Markdown, and CSV."""

import csv
import io
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frgroups.api.environments import environment_of
from frgroups.errors import InputError
from frgroups.internals.base_urls import PRODUCTION, STAGE
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.html import csp_hash
from frgroups.internals.tombstones import count_tombstones
from frgroups.plan.customer_facts import WITHHELD
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_overrides import wider_values
from frgroups.plan.limits import Limits
from frgroups.plan.moves import format_moves
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review import operations_section as operations_part
from frgroups.review import page as page_module
from frgroups.review.limit_rows import describe_limits, limit_rows
from frgroups.review.markdown import review_markdown, review_text
from frgroups.review.page import review_html
from frgroups.review.plan_sentences import (
    DIGEST_NOTE,
    TOP_RULES,
    headline,
    operations_order,
    operations_table,
)
from frgroups.review.spreadsheet import review_csv
from frgroups.review.writer import write_review
from frgroups.snapshot.from_frames import snapshot_from_frames

PLANNED_AT = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


def snapshot(sizes=(("bw", 40), ("st", 25)), *, base_url=STAGE, customers=None, names=None):
    """Return a snapshot with Nordic group names, in which customer n of each group is c-n."""
    names = {"bw": "Black Week VIP", "st": "Stamkunder Tromsø", "an": "Ansatte"} | (names or {})
    rows = [(group, f"c-{n:03d}") for group, size in sizes for n in range(size)]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"]),
        pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}),
        customers,
        tenant_uid="nordvik",
        taken_at=PLANNED_AT - timedelta(hours=2),
        base_url=base_url,
    )


def planned(taken=None, wanted=None, **options):
    """Return a plan with a fixed creation time: two customers leave Black Week VIP, and two join Ansatte."""
    wanted = {"bw": [f"c-{n:03d}" for n in range(2, 40)], "an": ["c-001", "new-1"]} if wanted is None else wanted
    plan = plan_memberships(taken or snapshot(), wanted, **{"mode": "mirror", **options})
    return replace(plan, planned_at=PLANNED_AT)


def blocked():
    """Return a plan that empties one group and removes more than 10% of the members of another group."""
    return planned(wanted={"bw": ["c-000"], "st": []})


class Page(HTMLParser):
    """Parser that collects the table rows, scripts, tags, and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts, self.text, self.rows = [], [], "", []
        self._in_script = self._in_style = False
        self._label = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._in_script, self._in_style = tag == "script", tag == "style"
        if tag == "script":
            self.scripts.append("")
        if tag == "tr":
            self.rows.append({})
        self._label = dict(attributes).get("data-label") if tag == "td" else None
        if self._label:
            self.rows[-1][self._label] = ""

    def handle_endtag(self, tag):
        self._in_script = self._in_style = False
        if tag == "td":
            self._label = None

    def handle_data(self, data):
        if self._in_script:
            self.scripts[-1] += data
        elif not self._in_style:
            self.text += data
            if self._label:
                self.rows[-1][self._label] += data


def operations(plan):
    """Return the operations of a plan as a sorted list of (group, customer, change)."""
    return sorted(plan.table()[["customer_group_uid", "customer_uid", "change"]].itertuples(index=False, name=None))


def in_html(plan):
    """Return the operations in the JSON data of the review page, in the order of the data."""
    island = json.loads(Page(review_html(plan)).scripts[0]) if plan.n_add + plan.n_remove else {"rows": []}
    found = []
    for row in island["rows"]:
        values = [
            value if plain else island["words"][value] for value, plain in zip(row, island["plain"], strict=True)
        ]
        found.append(dict(zip(island["columns"], values, strict=True)))
    return [(row["customer_group_uid"], row["customer_uid"], row["change"]) for row in found]


def in_markdown(plan):
    """Return the operations in the Markdown review, in the order of the review."""
    lines = review_markdown(plan).split("\n")
    start = next((at for at, line in enumerate(lines) if re.match(r"## [\d,]+ changes?", line)), len(lines) - 3)
    found = []
    start = next((at for at in range(start, len(lines)) if lines[at].startswith("| --- |")), len(lines))
    for line in lines[start + 1 :]:
        if line:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]
            group, customer, change = (re.sub(r"\\(.)", r"\1", cells[at]) for at in (0, 2, 3))
            found.append((group, customer, {"joins": "add", "leaves": "remove"}[change]))
    return found


def csv_rows(plan, status=None):
    """Return the rows of the CSV review without leading apostrophes."""
    rows = list(csv.DictReader(io.StringIO(review_csv(plan, status=status))))
    return [{name: value.removeprefix("'") for name, value in row.items()} for row in rows]


def in_csv(plan):
    """Return the operations in the CSV review, in the order of the rows."""
    return [(row["customer_group_uid"], row["customer_uid"], row["change"]) for row in csv_rows(plan)]


def test_first_screen():
    "The review page contains the tenant, the host, and a sentence for each group."
    plan = planned()

    text = Page(review_html(plan)).text

    for group in plan.groups:
        assert group.sentence() in text
        assert f"- {group.sentence()}" in review_markdown(plan)
    assert "Tenant" in text and "nordvik" in text and STAGE in text
    assert "2 additions and 2 removals in Black Week VIP and Ansatte" in text
    assert "3 customers" in text and text.count("1 customer moves from Black Week VIP to Ansatte.") == 1


def test_moves_and_cost():
    "The page and the Markdown review state how many customers move between groups and estimate the requests."
    plan = planned()

    for text in (Page(review_html(plan)).text, re.sub(r"\\(.)", r"\1", review_markdown(plan))):
        assert format_moves(plan.moves())[0] in text
        assert str(plan.request_estimate) in text


def test_digest():
    "A review contains the digest with an explanation, and the texts that approve and reject the plan."
    plan = planned()

    page = Page(review_html(plan))

    copied = [attributes["data-copy"] for tag, attributes in page.tags if "data-copy" in attributes]
    assert copied == [f"approved {plan.digest[:12]}", f"rejected {plan.digest[:12]}", plan.digest]
    assert plan.digest in re.sub(r"\s", "", page.text)
    assert page.text.count(plan.digest[:12]) >= 3
    for text in (page.text, review_markdown(plan), review_text(plan)):
        assert f"approved {plan.digest[:12]}" in text and f"rejected {plan.digest[:12]}" in text
        assert DIGEST_NOTE in text


def test_expiry():
    "The review page states how long an approval is valid and when the plan expires."
    page = review_html(planned())

    assert "72 hours" in page
    assert '<time id="expires" datetime="2026-11-30T08:10:00+00:00">2026-11-30 08:10 UTC</time>' in page


def test_plan_without_expiry():
    "If the limit plan_max_age is off, the review page contains no expiry and lists the limit as off."
    page = Page(review_html(planned(limits=Limits(plan_max_age=None))))

    assert not [attributes for tag, attributes in page.tags if attributes.get("id") == "expires"]
    assert "off: age of the plan" in page.text


@pytest.mark.parametrize(
    ("base_url", "kind"),
    [
        (PRODUCTION, "production"),
        (STAGE, "stage"),
        ("http://127.0.0.1:8000/v2", "local"),
        ("http://localhost:8000/v2", "local"),
        ("http://[::1]:8000/v2", "local"),
        (None, "none"),
        ("https://api.flowretail.com.example/v2", "other"),
        ("https://localhost.example/v2", "other"),
    ],
)
def test_environment(base_url, kind):
    "The review pages of the environments differ in style and title."
    page = review_html(planned(snapshot(base_url=base_url)))

    assert f'<header class="place {kind}">' in page
    assert environment_of(base_url).title in page


def test_plan_without_host():
    "The review of a plan without a host states that it cannot be applied and contains no commands."
    plan = planned(snapshot(base_url=None))

    html, markdown = Page(review_html(plan)).text, review_markdown(plan)

    assert "cannot be applied" in html
    assert environment_of(None).description in markdown
    assert "frgroups apply" not in html + markdown


def test_blocked_plan():
    "The review of a blocked plan starts with BLOCKED and contains no digest, decision, or copy buttons."
    plan = blocked()

    html, markdown = review_html(plan), review_markdown(plan)

    page = Page(html)
    assert page.text.index("BLOCKED.") < page.text.index("removals from Stamkunder Tromsø and Black Week VIP")
    assert markdown.index("**BLOCKED") < markdown.index("## ")
    for text in (html, markdown):
        assert plan.digest not in text
        assert plan.digest[12:] not in text
        assert f"approved {plan.digest[:12]}" not in text and f"rejected {plan.digest[:12]}" not in text
    assert not [attributes for _, attributes in page.tags if "data-copy" in attributes]


def test_blocked_plan_advice():
    "The review of a blocked plan contains the number of limits and the next step, but nothing about applying it."
    plan = blocked()
    n_limits = sum(finding.blocking for finding in plan.findings)

    for text in (Page(review_html(plan)).text, review_markdown(plan)):
        assert f"exceeds {n_limits} limits" in text
        assert "Ask the operator for a new plan with fewer changes or wider limits." in text
        assert str(plan.request_estimate) not in text
        assert "If you approve the plan" not in text
        assert "Additions are sent" not in text and "additions are sent" not in text


def test_erased_customers():
    "A plan that is blocked by a finding without a limit does not mention limits as the reason."
    plan = planned()
    group = replace(plan.groups[0], add=(*plan.groups[0].add, "(erased-1)"))
    assert count_tombstones(group.add) == 1

    text = review_markdown(replace(plan, groups=(group, *plan.groups[1:])))

    assert "is blocked by 1 finding" in text and "exceeds" not in text and "wider limits" not in text


def test_blocking_findings():
    "The review lists blocking findings first, with the limits that would allow the change."
    plan = blocked()

    text = Page(review_html(plan)).text
    markdown = re.sub(r"\\(.)", r"\1", review_markdown(plan))

    at_top = [finding.message for finding in plan.findings if finding.rule in TOP_RULES]
    others = [finding.message for finding in plan.findings if not finding.blocking and finding.rule not in TOP_RULES]
    assert at_top and all(text.index("BLOCKED.") < text.index(message) for message in at_top)
    for finding in plan.findings:
        assert finding.message in text
        assert str(finding) in markdown
        if finding.blocking:
            assert describe_limits(wider_values(finding, plan.limits)) in text
            assert all(text.index(finding.message) < text.index(other) for other in others)


def test_purpose():
    "The HTML and Markdown reviews contain the escaped purpose. On the page, the purpose is above the decision."
    plan = replace(planned(wanted={"bw": ["c-001"]}, mode="add"), purpose="Black <Week> *2026*")

    page = review_html(plan)

    assert "Purpose: Black &lt;Week&gt; *2026*" in page
    assert page.index("Purpose:") < page.index("<aside")
    assert "Purpose: Black" in review_markdown(plan) and "*2026*" not in review_markdown(plan)


def test_empty_plan():
    "The review of a plan without operations states that there is nothing to do, and contains no commands."
    plan = planned(wanted={"bw": ["c-000"]}, mode="add")

    assert plan.is_empty
    assert "Nothing to do" in Page(review_html(plan)).text
    assert "Nothing to do" in review_markdown(plan)
    assert "frgroups approve" not in review_html(plan) + review_markdown(plan)
    assert in_csv(plan) == []


def test_undo():
    "The review of an undo plan contains the digest of the plan that it undoes."
    plan = replace(planned(), reverts="3f9c2a71d0e4" + "0" * 52)

    assert "changes of plan 3f9c2a71d0e4" in Page(review_html(plan)).text
    assert "Undo: 2 additions" in review_html(plan)
    assert "changes of plan 3f9c2a71d0e4" in review_markdown(plan)


def test_order():
    "All review formats list removals first, followed by additions of customers without details."
    plan = planned(wanted={"bw": [f"c-{n:03d}" for n in range(1, 40)], "an": ["c-001", "z-new"]})
    expected = [("bw", "c-000", "remove"), ("an", "z-new", "add"), ("an", "c-001", "add")]

    assert in_html(plan) == expected
    assert in_markdown(plan) == expected
    assert in_csv(plan) == expected
    order = operations_order(operations_table(plan))
    assert order.index("emovals") < order.index("without details") < order.index("other")
    for text in (Page(review_html(plan)).text, review_markdown(plan), review_text(plan)):
        assert order in text


def test_headline_names_groups():
    "The headline of all formats names up to three groups and counts the other groups."
    wanted = {f"g{n}": [f"c-{n:03d}"] for n in range(5)}
    names = {uid: f"Butikk {uid}" for uid in wanted}
    taken = snapshot(names=names)
    four, five = (planned(taken, dict(list(wanted.items())[:n]), mode="add") for n in (4, 5))

    assert headline(planned(taken, {"g0": ["c-001"]}, mode="add")) == "1 addition to Butikk g0"
    assert headline(four) == "4 additions to Butikk g0, Butikk g1, Butikk g2, and 1 more group"
    assert headline(five).endswith("Butikk g2, and 2 more groups")
    for text in (Page(review_html(five)).text, review_markdown(five), review_text(five)):
        assert headline(five) in text


def many():
    """Return a plan with 40 additions to two groups."""
    wanted = {"an": [f"c-{n:03d}" for n in range(20)], "st": [f"c-{n:03d}" for n in range(30, 50)]}
    return planned(wanted=wanted, mode="add")


def without_findings():
    """Return a plan with one removal and one addition, without a finding about a customer."""
    return planned(wanted={"bw": [f"c-{n:03d}" for n in range(1, 40)], "an": ["c-001"]})


def test_no_findings():
    "If no operation has a finding, only the CSV review has a column for findings."
    plan = without_findings()

    page = Page(review_html(plan))

    assert not [row for row in page.rows if "Finding" in row]
    assert "with a finding" not in page.text
    assert [attributes["value"] for tag, attributes in page.tags if tag == "option"] == ["all", "remove", "add"]
    assert "finding" not in json.loads(page.scripts[0])["columns"]
    assert "| Finding |" not in review_markdown(plan) and "| Finding |" in review_markdown(planned())
    assert csv_rows(plan)[0]["finding"] == "" and "finding" in plan.table()
    assert "with a finding" in Page(review_html(planned())).text


@pytest.mark.parametrize("make", [without_findings, planned])
def test_order_of_requests(make):
    "The page states exactly once that additions are sent first, with or without moves."
    text = Page(review_html(make())).text

    assert len(re.findall("additions are sent", text, re.IGNORECASE)) == 1


def test_no_additions():
    "The review of a plan without additions does not describe the order of additions and removals."
    plan = planned(wanted={"bw": [f"c-{n:03d}" for n in range(1, 40)]})

    page = Page(review_html(plan))

    assert plan.n_add == 0
    assert "dditions are" not in page.text and "followed by" not in page.text
    assert [attributes for tag, attributes in page.tags if tag == "option"] == []
    assert "## 1 change\n" in review_markdown(plan)


def test_table_without_script():
    "The table without JavaScript contains the same operations as the JSON data, in the same order."
    plan = planned()

    rows = [row for row in Page(review_html(plan)).rows if "Customer uid" in row]

    changes = {"joins": "add", "leaves": "remove"}
    assert [(row["Group uid"], row["Customer uid"], changes[row["Change"]]) for row in rows] == in_html(plan)


def test_no_unchanged_members():
    "No review format contains members who neither join nor leave a group."
    plan = planned()
    touched = {customer for _, customer, _ in operations(plan)}
    untouched = {uid for group in plan.groups for uid in group.baseline} - touched

    assert untouched
    for text in (review_html(plan), review_markdown(plan), review_csv(plan)):
        assert not [uid for uid in untouched if uid in text]


def test_no_contact_data():
    "A review contains no contact data. An external id that is an email address is withheld."
    customers = pd.DataFrame(
        {
            "customer_uid": ["c-000", "c-001"],
            "external_id": ["kari@example.no", "0150"],
            "customer_type": ["PERSON", "B2B"],
            "default_store_name": ["Bergen Storsenter", None],
            "default_store_uid": ["s-1", "s-2"],
            "pricelist_uid": ["staff", None],
            "firstname": "Kari-Secret",
            "email": "kari@example.no",
            "mobile": "+4799999999",
            "address": "Secretgata 1",
        }
    )
    plan = planned(snapshot(customers=customers))

    first, second = csv_rows(plan)[:2]

    for text in (review_html(plan), review_markdown(plan), review_csv(plan)):
        assert not re.search(r"Secret|example\.no|9999", text)
    assert (first["external_id"], first["customer_type"], first["default_store"]) == (
        WITHHELD,
        "PERSON",
        "Bergen Storsenter",
    )
    assert (second["external_id"], second["default_store"]) == ("0150", "s-2")
    assert second["groups_now"] == "Black Week VIP, Stamkunder Tromsø"


def test_plan_file(tmp_path):
    "The review of a plan that was read from a file is identical to the review of the original plan."
    customers = pd.DataFrame(
        {"customer_uid": ["c-000"], "external_id": "0150", "customer_type": "B2B", "default_store_name": "Tromsø"}
    )
    plan = planned(snapshot(customers=customers))
    read = read_plan(plan.save(tmp_path / "plan.json"))

    assert read.digest == plan.digest
    assert csv_rows(read) == csv_rows(plan)
    assert review_html(read) == review_html(plan)
    assert csv_rows(read)[0]["groups_now"] == "Black Week VIP, Stamkunder Tromsø"
    assert csv_rows(read)[0]["external_id"] == "0150"


def test_selected_plan(tmp_path):
    "A plan file written after `select` contains no details of the excluded customers."
    customers = pd.DataFrame({"customer_uid": ["c-000", "c-001"], "external_id": ["secret-0", "secret-1"]})
    read = read_plan(planned(snapshot(customers=customers)).save(tmp_path / "plan.json"))

    smaller = read.select(without=["c-000"]).save(tmp_path / "smaller.json").read_text(encoding="utf-8")

    assert "secret-1" in smaller and "secret-0" not in smaller


def test_plan_without_details():
    "If a plan has no customer details, the review has no detail columns, and the page states this fact."
    plan = replace(planned(), snapshot=None)

    assert "groups_now" not in review_csv(plan)
    assert "contains no customer details except ids" in review_html(plan)


def test_unknown_customers():
    "For a customer who is not in the snapshot, the detail columns of the review are empty."
    empty = snapshot(sizes=())

    [row] = csv_rows(planned(empty, wanted={"an": ["new-1"]}))

    assert (row["customer_uid"], row["external_id"], row["groups_now"]) == ("new-1", "", "")
    assert row["finding"]


def test_hostile_names():
    "A review shows markup, script tags, and formulas in a group name as text."
    hostile = "</script><script>alert(1)</script><b>\"'&\u2028=SUM(A1)"
    plan = planned(wanted={"n": ["c-001"], "m": ["c-002"]}, create={"n": hostile, "m": "<!--<script>"})

    html = review_html(plan)

    page = Page(html)
    assert [tag for tag, _ in page.tags if tag in ("script", "iframe", "img")] == ["script", "script"]
    assert "alert(1)" not in page.scripts[1]
    assert "\u2028" not in html
    assert "<" not in page.scripts[0]
    assert hostile.replace("\u2028", "\\u2028") in page.text


def test_invisible_characters():
    "A review escapes invisible characters and characters that change the text direction."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": "VIP\u202egnp\u200b\n# x"})

    for text in (review_html(plan), review_markdown(plan)):
        assert not re.search("[\u202e\u200b]", text.split('<script type="application/json"')[0])
        assert "u202e" in text
    assert "\n# x" not in review_markdown(plan)


def test_content_security_policy():
    "The page loads no resources, and its content security policy allows only the hashes of its style and script."
    html = review_html(planned(snapshot(base_url=PRODUCTION)))

    policy = next(attributes["content"] for _, attributes in Page(html).tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy
    assert not re.search(r"""(src|href)=["'](?!#)""", html)
    assert not re.search(r"\son\w+=|style=", html)
    style = html.split("<style>")[1].split("</style>")[0]
    script = html.rsplit("<script>", 1)[1].split("</script>")[0]
    assert f"style-src '{csp_hash(style)}'" in policy
    assert f"script-src '{csp_hash(script)}'" in policy


def test_deterministic():
    "Two reviews of the same plan in the same format are identical."
    for render in (review_html, review_markdown, review_csv):
        assert render(planned()) == render(planned())


@pytest.mark.parametrize("uid", ["0150", "12345678901234567890", "1e5", "-1", "2024-01-02", "jan-1", "TRUE"])
def test_csv_uids(uid):
    "In the CSV review, a uid that a spreadsheet program would convert is prefixed with an apostrophe."
    plan = planned(wanted={"an": [uid]})

    assert f'"\'{uid}"' in review_csv(plan)
    assert in_csv(plan) == [("an", uid, "add")]


@pytest.mark.parametrize("name", ["=SUM(A1)", "+1", "-1", "@x", "'x", "＝1", " =1"])
def test_csv_formulas(name):
    "In the CSV review, a name that starts like a formula has an apostrophe prefix that can be removed again."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": name})

    assert f'"\'{name}"' in review_csv(plan)
    assert csv_rows(plan)[0]["group_name"] == name


@pytest.mark.parametrize("name", ["\tx", "\r=1", "\n+1"])
def test_csv_control_characters(name):
    "In the CSV review, a control character in a name is escaped, so that the name does not start like a formula."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": name})

    assert csv_rows(plan)[0]["group_name"] == f"\\u{ord(name[0]):04x}{name[1:]}"


def test_csv_delimiters():
    "Commas, semicolons, and quotes in a group name do not split the CSV cell."
    plan = planned(wanted={"n": ["c-001"]}, create={"n": 'a;b,c"d'})

    quoted = review_csv(plan).split("\r\n")[1]

    assert '"a;b,c""d"' in quoted
    assert next(csv.reader([quoted.replace('","', '";"')], delimiter=";"))[1] == 'a;b,c"d'


def test_csv_plain_values():
    "In the CSV review, a name or uid that a spreadsheet program does not change gets no apostrophe."
    rows = list(csv.DictReader(io.StringIO(review_csv(planned()))))

    assert (rows[0]["customer_uid"], rows[0]["group_name"]) == ("c-000", "Black Week VIP")


UIDS = st.text("abcABC012789eE-_", min_size=1, max_size=8)
NAMES = st.text(min_size=1, max_size=30).filter(str.strip) | st.sampled_from(
    [
        "<b>VIP</b>",
        "</script>",
        "=SUM(A1:A9)",
        "a|b`c`\\",
        "\\|",
        "| --- |",
        "x\r\ny",
        "\u2028",
        "]]>",
        "<!--",
        "'",
        "$title ${x}",
    ]
)
CHANGES = st.dictionaries(UIDS, st.sampled_from(["add", "remove"]), min_size=1, max_size=5)


@example({"0150": ("=1|`", {"-1": "remove", "1e5": "add"})})
@given(st.dictionaries(UIDS, st.tuples(NAMES, CHANGES), min_size=1, max_size=4))
def test_formats_agree(world):
    "For arbitrary names, the parsed HTML, Markdown, and CSV contain the operations of the plan."
    groups = []
    for uid, (name, changes) in sorted(world.items()):
        add, remove = (
            tuple(sorted(customer for customer, change in changes.items() if change == side))
            for side in ("add", "remove")
        )
        groups.append(GroupChange(uid, name, (*remove, "stays"), add=add, remove=remove, unknown=frozenset(add[:1])))
    plan = Plan("t-1", STAGE, "mirror", Limits(), tuple(groups), PLANNED_AT, PLANNED_AT)

    html = review_html(plan)

    assert sorted(in_html(plan)) == operations(plan)
    assert in_html(plan) == in_markdown(plan) == in_csv(plan)
    assert [tag for tag, _ in Page(html).tags].count("script") == 2
    assert {row["group_name"] for row in csv_rows(plan)} == {escape_invisible(name) for name, _ in world.values()}


def test_cut_lists(monkeypatch):
    "If the review page omits operations, groups, or findings, the page states how many items are shown."
    monkeypatch.setattr(operations_part, "PAGE_ROWS", 30)
    monkeypatch.setattr(operations_part, "PLAIN_ROWS", 10)
    monkeypatch.setattr(page_module, "MAX_LISTED", 12)
    wanted = {f"g-{n:02d}": [f"x-{n}", f"y-{n}"] for n in range(20)}
    plan = planned(wanted=wanted, create={uid: f"Butikk {uid}" for uid in wanted})

    page = Page(review_html(plan))

    for part in ("first 30 of 40 changes", "first 10 of 40 changes", "first 12 of 20 groups"):
        assert part in page.text
    assert "first 12 of 20 findings" in page.text
    assert "14 more groups with 28 additions and 0 removals" in page.text
    assert len(in_html(plan)) == 30
    assert len(in_markdown(plan)) == len(in_csv(plan)) == 40


def test_similar_findings():
    "The review page shows one finding per rule with the number of similar findings, followed by all findings."
    wanted = {f"g-{n:02d}": [f"x-{n}"] for n in range(20)}
    plan = planned(wanted=wanted, create={uid: f"Butikk {uid}" for uid in wanted})

    text = Page(review_html(plan)).text

    assert "The same applies to 19 more groups." in text
    assert "Findings (20)" in text
    assert all(finding.message in text for finding in plan.findings)


def test_limit_checks():
    "The limits table has a row for every limit, including limits that are off or checked later."
    states = {check.limit: (check.plan, check.allowed, check.result) for check in limit_rows(planned())}
    off = {check.limit: check.result for check in limit_rows(planned(limits=Limits(removals_total=None)))}
    broken = {check.limit: check.result for check in limit_rows(blocked())}

    assert states["Removals in one group"] == (
        "2 of 40 in Black Week VIP",
        "4 (10% of 40 members)",
        "within",
    )
    assert states["Additions in one group"] == ("2 in Ansatte", "1,000 per group", "within")
    assert states["Removals in all groups"] == ("2", "500", "within")
    assert states["Age of the plan"][1:] == ("7 days, until 2026-11-30 08:10 UTC", "later")
    assert off["Removals in all groups"] == "off"
    assert broken["Removals in one group"] == broken["Groups left without members"] == "over"


def test_limit_texts():
    "A limit without a share is shown as a number, and a disabled limit is shown as off."
    alone = {check.limit: check for check in limit_rows(planned(limits=Limits(removal_share=None, drift_share=0.2)))}
    off = {check.limit: check for check in limit_rows(planned(limits=Limits(removals_total=None, drift_floor=None)))}

    assert alone["Removals in one group"].allowed == "100"
    assert alone["Changes outside the plan since the data was read"].allowed == (
        "20% of a group's members, or 2 customers if that is more"
    )
    assert off["Changes outside the plan since the data was read"].allowed == "10% of a group's members"
    assert off["Removals in all groups"].allowed == "off"
    assert alone["Age of the data used"].plan.startswith("2 h at planning time")
    fresh = {check.limit: check for check in limit_rows(replace(planned(), snapshot_taken_at=PLANNED_AT))}
    assert fresh["Age of the data used"].plan.startswith("less than 1 minute")


def test_own_limits():
    "A group with separate limits is checked against these limits, and the page lists the limits."
    plan = planned(limits=Limits(per_group={"bw": Limits(removals_per_group=None, removal_share=0.125)}))

    text = Page(review_html(plan)).text

    assert re.search(r"5 \(.*12\.5%", text)
    assert "removals in one group: off; share of a group's members that can be removed: 12.5%" in text


def test_emptied_group():
    "If a plan removes all members of a group, the review states that the group will be empty."
    plan = planned(wanted={"st": []}, limits=Limits(removals_per_group=None, removal_share=None, emptied_groups=1))

    for text in (Page(review_html(plan)).text, review_markdown(plan)):
        assert f"{plan.groups[0].sentence()} The group will be empty." in text


def test_created_group():
    "If a plan only creates a group, the review page has no operations table."
    plan = planned(wanted={}, create={"vip26": "VIP 2026 Göteborg"})

    page = Page(review_html(plan))

    assert "VIP 2026 Göteborg is created without members" in page.text
    assert "VIP 2026 Göteborg" in page.text
    assert "operations-table" not in [attributes.get("id") for _, attributes in page.tags]


@pytest.mark.parametrize(
    ("name", "start"),
    [("r.html", "<!doctype html>"), ("r.MD", "# Review"), ("r.txt", "Review: "), ("r.csv", "\ufeff")],
)
def test_suffix(tmp_path, monkeypatch, name, start):
    "The file suffix selects the review format, and the returned path is absolute."
    monkeypatch.chdir(tmp_path)

    path = write_review(planned(), name)

    assert path == tmp_path.resolve() / name
    assert path.read_bytes().decode().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_csv_file(tmp_path):
    "pandas reads the operations from the CSV file without loss."
    plan = planned()

    table = pd.read_csv(write_review(plan, tmp_path / "r.csv"), dtype="str", keep_default_na=False)

    assert sorted(table[["customer_group_uid", "customer_uid", "change"]].itertuples(index=False, name=None)) == (
        operations(plan)
    )


@pytest.mark.parametrize("name", ["review.pdf", "review", "review.json"])
def test_unknown_suffix(tmp_path, name):
    "A file name with an unknown suffix raises InputError with the known suffixes, and no file is written."
    with pytest.raises(InputError, match=r"\.html.*\.md.*\.csv"):
        write_review(planned(), tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_folder(tmp_path):
    "Passing a folder as `path` raises InputError, even if the folder name has a known suffix."
    folder = tmp_path / "review.html"
    folder.mkdir()

    with pytest.raises(InputError, match=r"`path`.*review\.html"):
        write_review(planned(), folder)


def test_full_disk(tmp_path, monkeypatch):
    "If the disk is full, writing a review raises InputError, and the existing file does not change."
    path = write_review(planned(), tmp_path / "review.html")
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_review(blocked(), path)

    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["review.html"]


@pytest.mark.slow
def test_large_plan():
    "The review page of a plan with 100,000 operations is smaller than 8 MB and has fewer than 300 table rows."
    n = 100_000
    uids = [f"{number:08x}-c" for number in range(n)]
    customers = pd.DataFrame(
        {
            "customer_uid": uids,
            "external_id": [f"{number:07d}" for number in range(n)],
            "customer_type": ["PERSON", "B2B"] * (n // 2),
            "default_store_name": ["Oslo City", "Bergen Storsenter", "Tromsø", "Ålesund"] * (n // 4),
        }
    )
    before = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "all", "customer_uid": uids}),
        pd.DataFrame({"customer_group_uid": ["all", "vip"], "name": ["Alle", "VIP Færøyene"]}),
        customers,
        tenant_uid="nordvik",
        taken_at=PLANNED_AT,
        base_url=STAGE,
    )
    plan = planned(before, wanted={"vip": uids}, limits=Limits(additions_per_group=None, additions_total=None))

    events = []
    sys.setprofile(lambda frame, event, arg: events.append(event))
    try:
        html = review_html(plan)
    finally:
        sys.setprofile(None)

    assert html.count("<tr") < 300
    assert html.count('-c",') == n
    assert len(html.encode()) < 8_000_000
    assert events.count("call") < 25 * n
    assert "Changes (100,000)" in unescape(html)
