"""The review page in a browser, from a file: searched, sorted, approved, rejected, by mouse and by keyboard."""

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
    """One leaves, a hundred and sixty join, one of them unknown."""
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, cache=False)
    wanted = {"bw": [f"c-{n:03d}" for n in range(1, 200)] + ["new-1"]}
    return fg.plan_memberships(snapshot, wanted, mode="mirror")


@pytest.fixture(scope="module")
def shown(plan, tmp_path_factory):
    """The page of the plan in a browser that all tests here look at."""
    path = fg.save_review(plan, tmp_path_factory.mktemp("review") / "Å review.html")
    with chromium.opened(path) as page:
        yield page


@pytest.fixture
def page(shown):
    """The page as it is when it is opened."""
    shown.call("Page.reload")
    shown.wait("document.readyState === 'complete' && !document.querySelector('#operations-tools').hidden")
    return shown


def rows(page, label="Customer uid"):
    """The cells of one column that are shown."""
    return page.value(
        f"[...document.querySelectorAll('#operations-body td[data-label=\"{label}\"]')].map((one) => one.innerText)"
    )


def search(page, words):
    """Type into the search field, and wait for what it finds."""
    before = page.text("#operations-told")
    page.click("#search")
    page.value("document.querySelector('#search').select()")
    page.type(words)
    page.wait(f"document.querySelector('#operations-told').innerText !== {json.dumps(before)}")


def approved(page, name=NAME):
    """The file that the page gives to someone of this name."""
    page.click("#by")
    page.type(name)
    page.click("#approve")
    return page.downloaded()


def rejected(page, reason, name):
    """The file of someone who says no."""
    page.click("summary")
    page.click("#reason")
    page.type(reason)
    page.click("#rejected-by")
    page.type(name)
    page.click("#reject")
    return page.downloaded()


def test_a_search_finds_rows_in_every_column(page):
    "Words in any column, in any order, narrow the table, and the page says how many of how many."
    search(page, "C-15 joins")

    assert rows(page) == [f"c-{n}" for n in range(150, 160)]
    assert "10 found among 162" in page.text("#operations-told").replace("\n", " ")


def test_a_click_on_a_heading_sorts_and_another_turns_it(page):
    "Down and up, told to screen readers too; the order of the plan comes back by its button."
    page.click("#operations-table thead th:nth-child(4) button")
    up = rows(page)
    page.click("#operations-table thead th:nth-child(4) button")
    down = rows(page)

    assert up[0] == "c-000" and down[0] == "new-1"
    assert up == sorted(up) and down == sorted(down, reverse=True)
    assert page.value("document.querySelector('[aria-sort=descending]').innerText") == "Customer uid"
    page.click("#as-planned")
    assert rows(page)[:2] == ["c-000", "new-1"]


def test_later_rows_are_reached(page):
    "100 rows are shown at once; the buttons turn the page and stop at the end."
    page.click("#later")

    assert len(rows(page)) == 62
    assert page.value("document.querySelector('#later').disabled")
    page.click("#earlier")
    assert len(rows(page)) == 100


def test_the_approval_of_the_page_is_the_file_that_approve_plan_writes(plan, page, tmp_path):
    "Same fields, same bytes around them, and one more field that says that it was made by the page."
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
    assert theirs.name in page.text("#approved") and "open until" in page.text("#approved")


def as_written(path):
    """The file as Python writes the same values."""
    return json.dumps(json.loads(path.read_bytes()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_a_name_is_asked_for(page):
    "Without one no file is made, the field has the focus, and a reader is told why."
    page.click("#approve")

    assert page.text("#approved") == "Write your name first: the file says who agrees."
    assert page.value("document.activeElement.id") == "by"
    assert list(page.downloads.glob("*.json")) == []


def test_a_rejection_needs_a_reason(page):
    "First the reason is asked for, then the name."
    page.click("summary")
    page.click("#reject")

    assert page.text("#rejected") == "Write what is wrong with it first."
    page.type("No")
    page.click("#reject")
    assert page.text("#rejected") == "Write your name: the file says who rejects."
    assert list(page.downloads.glob("*.json")) == []


@pytest.mark.parametrize("text", ["", "abc", "Ærlig Øst 🙂", "x" * 55, "x" * 56, "å" * 32, "y" * 1000])
def test_the_checksum_of_the_page_is_sha_256(page, text):
    "Every length of the last block, and letters of more than one byte."
    assert page.value(f"sha256({json.dumps(text)})") == hashlib.sha256(text.encode()).hexdigest()


def test_half_a_character_does_not_get_into_a_file(page):
    "A lone surrogate, which no UTF-8 file can hold, becomes the mark of what is missing."
    assert page.value("whole(' K\\ud800 ')") == "K\ufffd"


def test_what_the_page_rejects_is_not_applied(plan, page, sandbox):
    "apply refuses with who said no and why, and sends nothing."
    file = rejected(page, "Feil gruppe: «Ansatte»", "Åse")

    with (
        sandbox.client(writable=True) as client,
        pytest.raises(NotApprovedError, match=r"Åse rejected plan .*: Feil gruppe: «Ansatte»"),
    ):
        fg.apply_plan(client, plan, approval=file)
    assert read_checksummed(file, "approval")["decision"] == "rejected"
    assert file.name == f"{plan.digest[:12]}.rejected.approval.json"


def test_who_decides_twice_is_told_which_counts(plan, page):
    "One notice stands, and says that a no goes before a yes, in whatever order they were made."
    approved(page, "Kari")
    rejected(page, "Wrong group", "Kari")

    assert page.value("byId('approved').textContent") == ""
    assert "It goes before the approval that you made before." in page.value("byId('rejected').textContent")

    approved(page, "Kari")

    assert page.value("byId('rejected').textContent") == ""
    assert "Do not send the rejection that you made before" in page.value("byId('approved').textContent")


def test_what_the_page_approves_is_applied(plan, page, sandbox):
    "The downloaded file is the approval of apply, and the receipt tells who agreed."
    file = approved(page, "Åse Øgård")

    with sandbox.client(writable=True) as client:
        receipt = fg.apply_plan(client, plan, approval=file)

    assert receipt.counts["verified"] == 161
    assert receipt.approval["by"] == "Åse Øgård"


def test_all_of_it_works_by_keyboard(page):
    "Tab reaches every control in the order of reading, each shows that it has the focus, and Enter works it."
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
    expected = ["by", "approve", "Reject with a reason", "search", "show", "later"]
    assert [name for name in names if name in expected] == expected
    assert {outline for _, outline, _ in reached} == {"solid"}
    page.value("document.querySelector('#by').focus()")
    page.type("Kari")
    page.press("Tab", 9)
    page.press("Enter", 13, "\r")
    assert read_checksummed(page.downloaded(), "approval")["by"] == "Kari"


def test_copy_approval_copies_what_to_tell_the_operator(page, plan):
    "The words that the button copies come out of the field that they are pasted into."
    page.click("button[data-copy^=approved]")
    page.wait("document.querySelector('button[data-copy^=approved]').nextElementSibling.innerText === 'Copied.'")

    page.click("#search")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="v", commands=["Paste"])

    assert page.value("document.querySelector('#search').value") == f"approved {plan.digest[:12]}"


def faults(page):
    """What axe finds, each with the elements it is about."""
    page.value(AXE.read_text(encoding="utf-8") + ";0")
    found, n_looked_at = page.value("axe.run().then((found) => [found.violations, found.passes.length])")
    assert n_looked_at > 20
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.fixture
def scene(shown):
    """Gives the window a size and a colour scheme for one test."""

    def set_to(width, dark=False):
        shown.sized(width, 844)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        shown.call("Emulation.setEmulatedMedia", features=[scheme])

    yield set_to
    shown.sized(1280, 900)
    shown.call("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_axe_finds_no_fault(page, scene, width, dark):
    "On a desk, on a telephone and in the dark: labels, roles, order and contrast are without fault."
    scene(width, dark)
    page.click("summary")

    assert faults(page) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("make", [blocked, named], ids=["blocked", "with names"])
def test_axe_finds_no_fault_in_other_pages(tmp_path, make, dark):
    "A blocked plan, and a page that holds names, are as accessible as the usual one."
    made = make()
    names = {} if isinstance(made, fg.Plan) else {"personal": made}
    path = fg.save_review(planned(made) if names else made, tmp_path / "r.html", **names)

    with chromium.opened(path) as other:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        other.call("Emulation.setEmulatedMedia", features=[scheme])

        assert faults(other) == []


def test_moments_are_told_in_the_time_of_the_reader(plan, page):
    "Where the reader is, the page says until when an approval and the plan are open, by the clock on the wall."
    page.call("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    page.call("Page.reload")
    page.wait("document.readyState === 'complete' && !document.querySelector('#deciding').hidden")

    until = pd.Timestamp(plan.planned_at + timedelta(days=7)).tz_convert("Asia/Tokyo")
    told = page.text("#expires")
    page.call("Emulation.setTimezoneOverride", timezoneId="")
    assert f"{until:%H:%M}" in told and "GMT+9" in told
    assert page.value("document.querySelector('#expires').title").endswith("UTC")
    assert "GMT+9" in page.text("#open-until")


def test_a_telephone_scrolls_in_one_direction(page, scene):
    "At 390 pixels nothing is wider than the screen."
    scene(390)

    assert page.value("document.documentElement.scrollWidth") <= 390


def test_a_plan_that_is_too_old_gives_no_approval(plan, page, tmp_path):
    "The page says so, and the button makes no file."
    old = pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=8)
    page.value(f"Date.now = () => {int(old.timestamp() * 1000)}")
    page.click("#by")
    page.type("Kari")

    page.click("#approve")

    assert "too old to be applied" in page.text("#approved")
    assert not page.value("document.querySelector('#late').hidden")
    assert list(page.downloads.glob("*.json")) == []
