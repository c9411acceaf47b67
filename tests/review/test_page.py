"""Tests of the review page in Chromium: search, sort, approve and reject, by mouse and keyboard."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import NotApprovedError
from frgroups.internals.checksummed_json import read_checksummed
from frgroups.review.approval import approve_plan
from tests import chromium
from tests.review.test_review_formats import named
from tests.review.test_writer import blocked, planned

AXE = Path(__file__).parents[1] / "axe" / "axe.min.js"
NAME = 'Kåre "Ø" Ærlig\\\t🙂\u2028'
NEEDED = os.environ.get("FRGROUPS_NEED_CHROMIUM") == "1"

pytestmark = pytest.mark.skipif(
    chromium.found() is None and not NEEDED, reason="no Chromium on this machine: the page was not driven"
)


@pytest.fixture(scope="module")
def sandbox():
    """A tenant with two groups."""
    with fg.Sandbox(empty=True) as made:
        made.put_customers([f"c-{n:03d}" for n in range(300)])
        made.put_group("bw", "Black Week VIP")
        made.put_group("st", "Stamkunder Tromsø")
        made.add_members("bw", [f"c-{n:03d}" for n in range(40)])
        made.add_members("st", [f"c-{n:03d}" for n in range(300)])
        yield made


@pytest.fixture(scope="module")
def plan(sandbox, tmp_path_factory):
    """A plan in which one customer leaves and 161 join."""
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    wanted = {"bw": [f"c-{n:03d}" for n in range(1, 200)] + ["new-1"]}
    return fg.plan_memberships(snapshot, wanted, mode="mirror")


@pytest.fixture(scope="module")
def shown(plan, tmp_path_factory):
    """The page of the plan, opened in a browser that the tests share."""
    path = fg.save_review(plan, tmp_path_factory.mktemp("review") / "Å review.html")
    with chromium.opened(path) as page:
        yield page


@pytest.fixture
def page(shown):
    """The reloaded page."""
    shown.call("Page.reload")
    shown.wait("document.readyState === 'complete' && !document.querySelector('#operations-tools').hidden")
    return shown


def rows(page, label="Customer uid"):
    """Return the visible cells of one column."""
    return page.value(
        f"[...document.querySelectorAll('#operations-body td[data-label=\"{label}\"]')].map((one) => one.innerText)"
    )


def search(page, words):
    """Type into the search field, and wait for the result."""
    before = page.text("#operations-status")
    page.click("#search")
    page.value("document.querySelector('#search').select()")
    page.type(words)
    page.wait(f"document.querySelector('#operations-status').innerText !== {json.dumps(before)}")


def approved(page, name=NAME):
    """Approve on the page with a name, and return the downloaded file."""
    page.click("#by")
    page.type(name)
    page.click("#approve")
    return page.downloaded()


def rejected(page, reason, name):
    """Reject on the page, and return the downloaded file."""
    page.click("summary")
    page.click("#reason")
    page.type(reason)
    page.click("#rejected-by")
    page.type(name)
    page.click("#reject")
    return page.downloaded()


def test_search(page):
    "The search matches words in any column and order, and shows the number of matches."
    search(page, "C-15 joins")

    assert rows(page) == [f"c-{n}" for n in range(150, 160)]
    assert "10 matches among 162" in page.text("#operations-status").replace("\n", " ")


def test_sort(page):
    "A heading sorts in both directions and sets aria-sort. A button restores the order of the plan."
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
    "The table shows 100 rows per page, and the buttons are disabled at both ends."
    page.click("#next")

    assert len(rows(page)) == 62
    assert page.value("document.querySelector('#next').disabled")
    page.click("#previous")
    assert len(rows(page)) == 100


def test_approval_file(plan, page, tmp_path):
    "The page creates the same file as approve_plan, with one more field."
    ours = approve_plan(plan, tmp_path / "ours.json", by=NAME)

    theirs = approved(page)

    content, expected = read_checksummed(theirs, "approval"), read_checksummed(ours, "approval")
    assert content.pop("from") == "page"
    changing = {"at": "", "until": ""}
    assert content | changing == expected | changing
    at, until = (datetime.fromisoformat(content[name]) for name in ("at", "until"))
    assert until - at == timedelta(hours=72)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=2)
    assert theirs.read_text(encoding="utf-8") == as_written(theirs)
    assert theirs.name == f"{plan.digest[:12]}.approval.json"
    assert theirs.name in page.text("#approved") and "valid until" in page.text("#approved")


def as_written(path):
    """Return the file as Python writes the same values."""
    return json.dumps(json.loads(path.read_bytes()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_approval_needs_name(page):
    "Without a name, no file is created, the field gets the focus, and the status says why."
    page.click("#approve")

    assert page.text("#approved") == "Enter your name. The file records who approves."
    assert page.value("document.activeElement.id") == "by"
    assert list(page.downloads.glob("*.json")) == []


def test_rejection_needs_reason(page):
    "The page requests a reason first, and then a name."
    page.click("summary")
    page.click("#reject")

    assert page.text("#rejected") == "Enter a reason."
    page.type("No")
    page.click("#reject")
    assert page.text("#rejected") == "Enter your name. The file records who rejects."
    assert list(page.downloads.glob("*.json")) == []


@pytest.mark.parametrize("text", ["", "abc", "Ærlig Øst 🙂", "x" * 55, "x" * 56, "å" * 32, "y" * 1000])
def test_sha256(page, text):
    "The checksum of the page equals that of hashlib for every length of the last block and for multibyte letters."
    assert page.value(f"sha256({json.dumps(text)})") == hashlib.sha256(text.encode()).hexdigest()


def test_lone_surrogate(page):
    "A lone surrogate is replaced, because a UTF-8 file cannot contain it."
    assert page.value("cleaned(' K\\ud800 ')") == "K\ufffd"


def test_rejection_blocks_apply(plan, page, sandbox):
    "Apply raises an error with the name and the reason of a rejection from the page."
    file = rejected(page, "Feil gruppe: «Ansatte»", "Åse")

    with (
        sandbox.client(writable=True) as client,
        pytest.raises(NotApprovedError, match=r"Åse rejected plan .*: Feil gruppe: «Ansatte»"),
    ):
        fg.apply_plan(client, plan, approval=file)
    assert read_checksummed(file, "approval")["decision"] == "rejected"
    assert file.name == f"{plan.digest[:12]}.rejected.approval.json"


def test_two_decisions(plan, page):
    "After a second decision, one status is shown. It says that the rejection overrides the approval."
    approved(page, "Kari")
    rejected(page, "Wrong group", "Kari")

    assert page.value("byId('approved').textContent") == ""
    assert "It overrides the approval that you downloaded earlier." in page.value("byId('rejected').textContent")

    approved(page, "Kari")

    assert page.value("byId('rejected').textContent") == ""
    assert "Do not send the rejection that you downloaded earlier" in page.value("byId('approved').textContent")


def test_approval_allows_apply(plan, page, sandbox):
    "Apply accepts the downloaded file, and the receipt contains the name."
    file = approved(page, "Åse Øgård")

    with sandbox.client(writable=True) as client:
        receipt = fg.apply_plan(client, plan, approval=file)

    assert receipt.counts["verified"] == 161
    assert receipt.approval["by"] == "Åse Øgård"


def test_keyboard(page):
    "Tab reaches every control in reading order with a visible focus, and Enter activates it."
    reached = []
    for _ in range(60):
        page.press("Tab", 9)
        one = page.value(
            "(() => { const one = document.activeElement; return [one.id || one.innerText || one.tagName, "
            "getComputedStyle(one).outlineStyle, one.tagName]; })()"
        )
        if one[2] == "BODY":
            break
        reached.append(one)

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
    "The button copies the text for the operator to the clipboard."
    page.click("button[data-copy^=approved]")
    page.wait("document.querySelector('button[data-copy^=approved]').nextElementSibling.innerText === 'Copied.'")

    page.click("#search")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="v", commands=["Paste"])

    assert page.value("document.querySelector('#search').value") == f"approved {plan.digest[:12]}"


def faults(page):
    """Return the violations that axe reports, each with its elements."""
    page.value(AXE.read_text(encoding="utf-8") + ";0")
    found, n_looked_at = page.value("axe.run().then((found) => [found.violations, found.passes.length])")
    assert n_looked_at > 20
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.fixture
def scene(shown):
    """Return a function that sets the window size and the color scheme for one test."""

    def set_to(width, dark=False):
        shown.sized(width, 844)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        shown.call("Emulation.setEmulatedMedia", features=[scheme])

    yield set_to
    shown.sized(1280, 900)
    shown.call("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_accessibility(page, scene, width, dark):
    "axe reports no violation on a wide screen, on a narrow screen and in dark mode."
    scene(width, dark)
    page.click("summary")

    assert faults(page) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("make", [blocked, named], ids=["blocked", "with names"])
def test_accessibility_of_variants(tmp_path, make, dark):
    "axe reports no violation on the page of a blocked plan and on a page with names."
    made = make()
    names = {} if isinstance(made, fg.Plan) else {"personal": made}
    path = fg.save_review(planned(made) if names else made, tmp_path / "r.html", **names)

    with chromium.opened(path) as other:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        other.call("Emulation.setEmulatedMedia", features=[scheme])

        assert faults(other) == []


def test_local_time(plan, page):
    "Timestamps are shown in the time zone of the reader."
    page.call("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    page.call("Page.reload")
    page.wait("document.readyState === 'complete' && !document.querySelector('#deciding').hidden")

    until = pd.Timestamp(plan.planned_at + timedelta(days=7)).tz_convert("Asia/Tokyo")
    told = page.text("#expires")
    page.call("Emulation.setTimezoneOverride", timezoneId="")
    assert f"{until:%H:%M}" in told and "GMT+9" in told
    assert page.value("document.querySelector('#expires').title").endswith("UTC")
    assert "GMT+9" in page.text("#valid-until")


def test_narrow_screen(page, scene):
    "At a width of 390 pixels, nothing is wider than the screen."
    scene(390)

    assert page.value("document.documentElement.scrollWidth") <= 390


def test_expired_plan(plan, page, tmp_path):
    "The page of an expired plan says so and creates no file."
    old = pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=8)
    page.value(f"Date.now = () => {int(old.timestamp() * 1000)}")
    page.click("#by")
    page.type("Kari")

    page.click("#approve")

    assert "expired" in page.text("#approved")
    assert not page.value("document.querySelector('#late').hidden")
    assert list(page.downloads.glob("*.json")) == []
