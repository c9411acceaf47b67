"""Tests for the review page in Chromium."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import NotApprovedError
from frgroups.internals.checksummed_json import read_checksummed
from frgroups.review.approval import approve_plan
from frgroups.review.plan_status import partly_applied_status
from frgroups.review.run_results import RunResults
from frgroups.review.writer import write_review
from tests import chromium
from tests.page_checks import NEEDS_CHROMIUM, approved, violations
from tests.review.test_review_formats import named
from tests.review.test_writer import blocked, planned

NAME = 'Kåre "Ø" Ærlig\\🙂\u2028'

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def sandbox():
    """Return a running sandbox with two groups."""
    with fg.Sandbox(empty=True) as running:
        running.put_customers([f"c-{n:03d}" for n in range(300)])
        running.put_group("bw", "Black Week VIP")
        running.put_group("st", "Stamkunder Tromsø")
        running.add_members("bw", [f"c-{n:03d}" for n in range(40)])
        running.add_members("st", [f"c-{n:03d}" for n in range(300)])
        yield running


@pytest.fixture(scope="module")
def plan(sandbox, tmp_path_factory):
    """Return a plan with 1 removal and 161 additions."""
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    wanted = {"bw": [f"c-{n:03d}" for n in range(1, 200)] + ["new-1"]}
    return fg.plan_memberships(snapshot, wanted, mode="mirror")


@pytest.fixture(scope="module")
def shown(plan, tmp_path_factory):
    """Return the review page of the plan, opened in a browser that all tests share."""
    path = fg.save_review(plan, tmp_path_factory.mktemp("review") / "Å review.html")
    with chromium.opened(path) as page:
        yield page


@pytest.fixture
def page(shown):
    """Reload the review page and return it."""
    shown.call("Page.reload")
    shown.wait("document.readyState === 'complete' && !document.querySelector('#operations-tools').hidden")
    return shown


def rows(page, label="Customer uid"):
    """Return the visible cells of one column in the operations table."""
    return page.value(
        f"[...document.querySelectorAll('#operations-body td[data-label=\"{label}\"]')].map((cell) => cell.innerText)"
    )


def search(page, terms):
    """Enter search terms on the review page, and wait for the result."""
    before = page.text("#operations-status")
    page.click("#search")
    page.value("document.querySelector('#search').select()")
    page.type(terms)
    page.wait(f"document.querySelector('#operations-status').innerText !== {json.dumps(before)}")


def rejected(page, reason, name):
    """Reject the plan on the review page, and return the path of the downloaded file."""
    page.click("#by")
    page.value("document.querySelector('#by').select()")
    page.type(name)
    page.click("#rejecting summary")
    page.click("#reason")
    page.type(reason)
    page.click("#reject")
    return page.downloaded()


def test_search(page):
    "The search matches terms in any column and in any order, and the page shows the number of matches."
    search(page, "C-15 joins")

    assert rows(page) == [f"c-{n}" for n in range(150, 160)]
    assert "10 matches in 162" in page.text("#operations-status").replace("\n", " ")


def test_sort(page):
    "A click on a column heading sorts in both directions and sets aria-sort. A button restores the original order."
    page.click("#operations-table thead th:nth-child(4) button")
    up = rows(page)
    page.click("#operations-table thead th:nth-child(4) button")
    down = rows(page)

    assert up[0] == "c-000" and down[0] == "new-1"
    assert up == sorted(up) and down == sorted(down, reverse=True)
    assert page.value("document.querySelector('[aria-sort=descending]').innerText") == "Customer uid"
    page.click("#as-planned")
    assert rows(page)[:2] == ["c-000", "new-1"]


def test_paging(page):
    "The operations table shows 100 rows per page. On the last page, the button for the next page is disabled."
    page.click("#next")

    assert len(rows(page)) == 62
    assert page.value("document.querySelector('#next').disabled")
    page.click("#previous")
    assert len(rows(page)) == 100


def test_approval_file(plan, page, tmp_path):
    "The review page creates the same approval file as approve_plan, with the additional field 'from'."
    from_python = approve_plan(plan, tmp_path / "python.json", by=NAME)

    from_page = approved(page, NAME)

    content, expected = read_checksummed(from_page, "approval"), read_checksummed(from_python, "approval")
    assert content.pop("from") == "page"
    changing = {"at": "", "until": ""}
    assert content | changing == expected | changing
    at, until = (datetime.fromisoformat(content[name]) for name in ("at", "until"))
    assert until - at == timedelta(hours=72)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=2)
    assert from_page.read_text(encoding="utf-8") == as_written(from_page)
    assert from_page.name == f"{plan.digest[:12]}.approval.json"
    assert from_page.name in page.text("#approved")


def as_written(path):
    """Return the content of a JSON file in the format that Python writes."""
    return json.dumps(json.loads(path.read_bytes()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_approval_needs_name(page):
    "If the reviewer enters no name, no file is created, and the name field gets the focus and an error message."
    page.click("#approve")

    assert "name" in page.text("#approved")
    assert page.value("document.activeElement.id") == "by"
    assert list(page.downloads.glob("*.json")) == []


@pytest.mark.parametrize("name", ["\u200b", "\u3164", "\u2800", "-", "K\u202ePer", "Ka\u00adri"])
def test_invalid_name(page, name):
    "The page rejects the same names as approve_plan: names without a visible letter or with invisible characters."
    page.click("#by")
    page.type(name)
    page.click("#approve")

    assert "name" in page.text("#approved") and list(page.downloads.glob("*.json")) == []


def test_enter_in_name_field(page):
    "The Enter key in the only name field moves the focus to the decisions and never downloads a file."
    page.click("#by")
    page.press("Enter", 13, "\r")

    assert "name" in page.text("#approved") and page.value("document.activeElement.id") == "by"
    page.type("Kari")
    for _ in range(3):
        page.press("Enter", 13, "\r")

    assert page.value("document.activeElement.id") == "choice"
    assert "Kari" in page.text("#choose") and "reject" in page.text("#choose")
    assert page.text("#approved") == ""
    assert list(page.downloads.glob("*.json")) == []
    page.press("Tab", 9)
    assert page.value("document.activeElement.id") == "approve"
    assert page.value("document.querySelectorAll('[autocomplete=name]').length") == 1


def test_rejection_needs_reason(page):
    "If the reviewer enters no reason or no name, the page creates no rejection file."
    page.click("#rejecting summary")
    page.click("#reject")

    assert "reason" in page.text("#rejected")
    page.type("No")
    page.click("#reject")
    assert "name" in page.text("#rejected")
    assert list(page.downloads.glob("*.json")) == []


@pytest.mark.parametrize("text", ["", "abc", "Ærlig Øst 🙂", "x" * 55, "x" * 56, "å" * 32, "y" * 1000])
def test_sha256(page, text):
    "The page's script computes the same SHA-256 as hashlib, for different lengths and for non-ASCII text."
    assert page.value(f"sha256({json.dumps(text)})") == hashlib.sha256(text.encode()).hexdigest()


def test_lone_surrogate(page):
    "A lone surrogate in the reviewer's name is replaced."
    assert page.value("cleaned(' K\\ud800 ')") == "K\ufffd"


def test_rejection_blocks_apply(plan, page, sandbox):
    "apply_plan raises NotApprovedError with the name and the reason of a rejection from the page."
    file = rejected(page, "Feil gruppe: «Ansatte»", "Åse")

    with (
        sandbox.client(writable=True) as client,
        pytest.raises(NotApprovedError, match=r"Åse .*Feil gruppe: «Ansatte»"),
    ):
        fg.apply_plan(client, plan, approval=file)
    assert read_checksummed(file, "approval")["decision"] == "rejected"
    assert file.name == f"{plan.digest[:12]}.rejected.approval.json"


def test_two_decisions(plan, page):
    "After a second decision, the page shows one status, which explains that the rejection has priority."
    approved(page, "Kari")
    rejected(page, "Wrong group", "Kari")

    assert page.value("byId('approved').textContent") == ""
    assert "overrides" in page.value("byId('rejected').textContent")

    approved(page, "Kari")

    assert page.value("byId('rejected').textContent") == ""
    assert "overrides" in page.value("byId('approved').textContent")


def test_approval_allows_apply(plan, page, sandbox):
    "apply_plan accepts an approval from the page, and the receipt contains the name."
    file = approved(page, "Åse Øgård")

    with sandbox.client(writable=True) as client:
        receipt = fg.apply_plan(client, plan, approval=file)

    assert receipt.counts["verified"] == 161
    assert receipt.approval["by"] == "Åse Øgård"


def test_keyboard(page):
    "The Tab key reaches all controls in reading order with a visible focus, and Enter activates them."
    reached = []
    for _ in range(60):
        page.press("Tab", 9)
        focused = page.value(
            "(() => { const element = document.activeElement; return [element.id || element.innerText || "
            "element.tagName, getComputedStyle(element).outlineStyle, element.tagName]; })()"
        )
        if focused[2] == "BODY":
            break
        reached.append(focused)

    names = [name for name, _, _ in reached]
    expected = ["by", "approve", "Reject with a reason", "search", "show", "next"]
    assert [name for name in names if name in expected] == expected
    assert {outline for _, outline, _ in reached} == {"solid"}
    page.value("document.querySelector('#by').focus()")
    page.type("Kari")
    page.press("Tab", 9)
    page.press("Enter", 13, "\r")
    assert read_checksummed(page.downloaded(), "approval")["by"] == "Kari"


def test_copy_button(page, plan):
    "The copy button on the review page copies the approval text to the clipboard."
    page.click("button[data-copy^=approved]")
    page.wait("document.querySelector('button[data-copy^=approved]').nextElementSibling.innerText === 'Copied.'")

    page.click("#search")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="v", commands=["Paste"])

    assert page.value("document.querySelector('#search').value") == f"approved {plan.digest[:12]}"


@pytest.fixture
def scene(shown):
    """Return a function that sets the window width and the color scheme during a test."""

    def set_to(width, dark=False):
        shown.sized(width, 844)
        shown.color_scheme("dark" if dark else "light")

    yield set_to
    shown.sized(1280, 900)
    shown.color_scheme("")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_accessibility(page, scene, width, dark):
    "axe reports no accessibility violation for a wide screen, a narrow screen, and dark mode."
    scene(width, dark)
    page.click("#rejecting summary")

    assert violations(page) == []


def test_results(tmp_path):
    "The reviewer of a partly applied plan can show only the rejected changes. axe reports no violation in dark mode."
    made = planned()
    states = {(group.uid, uid, change): "verified" for group in made.groups for uid, change in group.items()}
    results = RunResults(states | {("an", "new-1", "add"): "rejected"}, {("an", "new-1", "add"): "unknown customer"})
    status = partly_applied_status(None, {"verified": 3, "rejected": 1}, sizes=[], results=results)
    path = write_review(made, tmp_path / "r.html", status=status)

    with chromium.opened(path) as other:
        other.color_scheme("dark")
        assert rows(other)[0] == "new-1" and rows(other, "Result")[:2] == ["rejected by the server", "applied"]
        other.value("(show.value = 'result:rejected by the server', show.dispatchEvent(new Event('change')))")
        assert rows(other) == ["new-1"]
        assert violations(other) == []


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("make", [blocked, named], ids=["blocked", "with names"])
def test_accessibility_of_variants(tmp_path, make, dark):
    "axe reports no accessibility violation for a blocked plan and for a page with customer names."
    made = make()
    names = {} if isinstance(made, fg.Plan) else {"personal": made}
    path = fg.save_review(planned(made) if names else made, tmp_path / "r.html", **names)

    with chromium.opened(path) as other:
        other.color_scheme("dark" if dark else "light")

        assert violations(other) == []


def test_local_time(plan, page):
    "The review page shows timestamps in the reader's time zone."
    page.call("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    page.call("Page.reload")
    page.wait("document.readyState === 'complete' && !document.querySelector('#deciding').hidden")

    until = pd.Timestamp(plan.planned_at + timedelta(days=7)).tz_convert("Asia/Tokyo")
    shown_time = page.text("#expires")
    page.call("Emulation.setTimezoneOverride", timezoneId="")
    assert f"{until:%H:%M}" in shown_time and "GMT+9" in shown_time
    assert page.value("document.querySelector('#expires').title").endswith("UTC")
    assert "GMT+9" in page.text("#valid-until")


def test_narrow_screen(page, scene):
    "At a width of 390 pixels, the review page does not scroll horizontally."
    scene(390)

    assert page.value("document.documentElement.scrollWidth") <= 390


def test_medium_screen(tmp_path):
    "At a width of 1,100 pixels, no table of the review page is wider than the page."
    with fg.Sandbox(customers=2000, groups=20) as sandbox, sandbox.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    audience = fg.members(snapshot, "VIP & loyalty - staff")
    plan = fg.plan_memberships(
        snapshot, {"new": audience, "VIP": snapshot["VIP"][:115]}, create={"new": "New"}, mode="mirror"
    )
    fg.save_review(plan, tmp_path / "plan.html")

    with chromium.opened(tmp_path / "plan.html") as wide:
        wide.sized(1100, 900)
        sizes = wide.value(
            "[...document.querySelectorAll('.wide')].map(each => [each.scrollWidth, each.clientWidth])"
        )

    assert sizes and all(content <= visible for content, visible in sizes)


def test_expired_plan(plan, page, tmp_path):
    "The page of an expired plan shows a warning and creates no file."
    old = pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=8)
    page.value(f"Date.now = () => {int(old.timestamp() * 1000)}")
    page.click("#by")
    page.type("Kari")

    page.click("#approve")

    assert "expired" in page.text("#approved")
    assert not page.value("document.querySelector('#late').hidden")
    assert list(page.downloads.glob("*.json")) == []


@pytest.mark.parametrize("act", ["click", "enter", "copy"])
def test_expiry_while_open(page, act):
    "If the plan expires while the page is open, the next action hides the approval, but not the rejection."
    assert page.value("document.querySelector('#late').hidden")
    page.value("void (Date.now = () => Date.parse('2100-01-01'))")
    page.click("#by")
    page.type("Kari")
    if act == "click":
        page.click("#approve")
    elif act == "enter":
        page.press("Enter", 13, "\r")
    else:
        page.click("[data-approval] button[data-copy]")

    assert not page.value("document.querySelector('#late').hidden")
    assert page.value("[...document.querySelectorAll('[data-approval]')].every((element) => element.hidden)")
    assert page.value("document.querySelector('#reject').closest('[hidden]') === null")
    assert list(page.downloads.glob("*.json")) == []


def test_name_problems(page):
    "The page states what is missing in a name, and shortens a long name in messages."
    page.click("#by")
    page.type("--")
    page.click("#approve")
    assert "at least one letter or digit" in page.text("#approved")

    page.value("document.querySelector('#by').select()")
    page.type("K" * 150)
    page.press("Enter", 13, "\r")
    assert len(page.text("#choose")) < 120


def test_times_in_one_format(page):
    "With JavaScript, all times on the page have the format and the time zone of the reader."
    assert not page.value(r"/\d{4}-\d\d-\d\d \d\d:\d\d UTC/.test(document.querySelector('main').innerText)")


def test_limits_are_closed(page):
    "The limits table follows the table of changes and is closed. A link to the limits opens it."
    order = page.value("[...document.querySelectorAll('main h2')].map((heading) => heading.id)")
    assert order.index("operations-title") < order.index("limits-title")
    assert not page.value("document.querySelector('details.limits').open")

    page.click("a[href='#limits-title']")

    assert page.value("document.querySelector('details.limits').open")


def test_no_paging_of_short_table(page):
    "The buttons for other rows are shown only if there is more than one page of rows."
    assert page.value("document.querySelector('#operations-pages').hidden") is False

    search(page, "C-15 joins")

    assert page.value("document.querySelector('#operations-pages').hidden") is True
