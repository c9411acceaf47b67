"""Tests for the report on the groups of a tenant."""

import base64
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.formatting import escape_invisible
from tests import chromium
from tests.page_checks import NEEDS_CHROMIUM, serious_violations

from .conftest import HOSTILE

TITLES = ["Verdict", "Group sizes", "Growth", "Overlap", "Duplicates", "Health", "Reach", "Changes"]
SIZES = {"all": 400, "club": 120, "copy": 118, "pair": 3, "left": 60, "joined": 52}


class Page(HTMLParser):
    """Parser that collects the elements and the texts of a report."""

    def __init__(self, path):
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.elements, self.texts = [], []
        self.feed(self.html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.append((tag, ""))

    def handle_endtag(self, tag):
        self.texts.append(("", ""))

    def handle_data(self, data):
        if self.texts:
            tag, text = self.texts[-1]
            self.texts[-1] = (tag, text + data)

    def text(self, *tags):
        """Return the texts that directly follow the start of an element with one of the given tags."""
        return [" ".join(text.split()) for tag, text in self.texts if tag in tags]

    def images(self):
        """Return the decoded SVG images."""
        sources = [attributes["src"] for tag, attributes in self.elements if tag == "img"]
        assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
        return [base64.b64decode(source.partition(",")[2]).decode() for source in sources]


def members(sizes):
    """Return memberships in which each group contains the first customers."""
    return pd.DataFrame(
        [(group, f"cust-{number:04d}") for group, n in sizes.items() for number in range(n)],
        columns=["customer_group_uid", "customer_uid"],
    )


def snapshot_of(sizes, taken_at, names=None):
    """Return a snapshot of customers with consents and names."""
    uids = sorted(members(sizes)["customer_uid"].unique())
    customers = pd.DataFrame({"customer_uid": uids, "has_email": True, "has_mobile": False, "firstname": "Kari"})
    customers["lastname"] = [f"Etternavn{number}" for number in range(len(uids))]
    consents = pd.DataFrame(
        {"customer_uid": uids[::2], "consent_uid": "c", "name": "Newsletter email", "given": True}
    )
    mobile = consents.assign(consent_uid="m", name="SMS")
    names = names or {uid: f"Group {uid}" for uid in sizes}
    return fg.snapshot_from_frames(
        members(sizes),
        pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}),
        customers,
        pd.concat([consents, mobile], ignore_index=True),
        tenant_uid="t-report",
        taken_at=taken_at,
    )


@pytest.fixture(scope="module")
def before():
    """Return the older snapshot."""
    return snapshot_of({**SIZES, "left": 90, "joined": 40, "club": 118}, "2026-10-23T08:10Z")


@pytest.fixture(scope="module")
def after():
    """Return the newer snapshot."""
    return snapshot_of(SIZES, "2026-11-23T08:10Z")


@pytest.fixture(scope="module")
def register():
    """Return a register with two campaigns."""
    return pd.DataFrame({"group": ["club", "joined"], "owner": ["Marketing", None], "discount_percent": [10, 20]})


@pytest.fixture(scope="module")
def path(after, before, register, tmp_path_factory):
    """Return the path of a report with all sections."""
    return fg.save_report(after, tmp_path_factory.mktemp("report") / "groups.html", before, register)


@pytest.fixture(scope="module")
def page(path):
    """Return the parsed report with all sections."""
    return Page(path)


def test_sections(page):
    "A report has eight sections, each with a summary, and a chart in an image or in the page."
    sections = page.html.split("<section")[1:]

    assert page.text("h2") == TITLES
    assert all('<p class="summary">' in section and "<code>" in section for section in sections)
    assert [("<img" in section or '<table class="bars">' in section) for section in sections] == [True] * 8
    assert all(attributes["alt"] for tag, attributes in page.elements if tag == "img")


def test_single_file(page):
    "A report loads nothing, contains no script, and adapts to a dark color scheme."
    links = [attributes for tag, attributes in page.elements if tag in ("a", "img", "link", "script", "iframe")]
    targets = [value for attributes in links for name, value in attributes.items() if name in ("href", "src")]

    assert all(target.startswith(("#", "data:image/")) for target in targets)
    assert page.text("script") == [""] and "default-src 'none'" in page.html
    assert "prefers-color-scheme: dark" in page.html and not re.search(r"\sstyle=|\son\w+=", page.html)


def test_calls(page, after, before, register):
    "Each Python call in a report can be run."
    calls = [text for text in page.text("code") if not text.startswith(("import", "snapshot", "before"))]
    names = {"fg": fg, "snapshot": after, "before": before, "register": register}

    for call in calls:
        exec(call, names)

    assert sum("fg.plot." in call for call in calls) == 7


def test_small_counts(page):
    "The counts of a small group, and changes of few customers, are suppressed in tables and texts."
    cells = page.text("td")
    rows = page.html.split("<tr")

    assert cells.count("3") == 0
    assert any(re.search(r"Group pair<.*?>–<", row, re.DOTALL) for row in rows)
    assert "suppressed" not in cells and not re.search(r"[Cc]ells .{0,40}blank", page.html)
    assert page.html.count("– means suppressed") >= 4
    assert any(re.search(r"Group club<.*\+2<", row, re.DOTALL) for row in rows), "The sizes of the group are known."
    assert not any(re.search(r"Group club<.*>2<", row, re.DOTALL) for row in rows)
    assert not re.search(r"\b3 (of|members|customers)\b", page.html)


def test_small_counts_in_charts(page, after, tmp_path):
    "A chart and its description do not contain suppressed counts, unless the suppression is disabled."
    shown = Page(fg.save_report(after, tmp_path / "all.html", min_count=0))

    texts = [[attributes["alt"] for tag, attributes in one.elements if tag == "img"] for one in (page, shown)]
    assert "3 members" in texts[1][0] and "means suppressed" not in shown.html
    assert not re.search(r"\b3 members", " ".join(texts[0]))
    assert "Group pair" in shown.images()[0] and "Group pair" not in page.images()[0]


def test_no_customers(page, after):
    "By default, a report contains no customer uid and no customer name, not even in its images."
    text = page.html + "".join(page.images())

    assert "cust-" not in text and "Etternavn" not in text
    assert "no customer uids and no personal data" in text


def test_names(after, before, tmp_path):
    "A report with names lists the uids and names of the customers who joined or left, and contains a warning."
    page = Page(fg.save_report(after, tmp_path / "names.html", before, personal=True))

    assert len([cell for cell in page.text("td") if cell.startswith("cust-")]) == 30 + 12 + 2
    assert {"cust-0040", "Kari Etternavn40"} <= set(page.text("td"))
    assert "Do not forward" in page.text("p")[0]


def test_hostile_names(tmp_path):
    "Hostile names are shown as text and add no element, no formula, and no invisible character."
    sizes = {f"g-{k}": 10 + k for k in range(len(HOSTILE))}
    names = dict(zip(sizes, HOSTILE, strict=True))
    old, new = (snapshot_of(sizes, f"2026-11-2{day}T08:10Z", names) for day in (1, 2))

    page = Page(fg.save_report(new, tmp_path / "hostile.html", old))

    assert {attributes["src"][:10] for tag, attributes in page.elements if tag == "img"} == {"data:image"}
    assert "\u202e" not in page.html + "".join(page.images())
    assert {escape_invisible(name) for name in HOSTILE if "\n" not in name} <= set(page.text("td"))
    assert "alert(1)&gt;" in page.html and "$x$ and $y$" in page.html


def test_stored_history(tmp_path):
    "Without an older snapshot, the growth is that of the stored snapshots, and there are no changes."
    for day in (1, 2):
        fg.save_snapshot(snapshot_of({"all": 40 + 10 * day}, f"2026-11-0{day}T08:10Z"))
    newest = snapshot_of({"all": 80}, "2026-11-03T08:10Z")

    page = Page(fg.save_report(newest, tmp_path / "t.html"))

    assert "1 group grew" in page.html and "between 1 and 3 November 2026" in page.html
    assert "contains no changes" in page.html


def test_growth_of_new_and_deleted_groups(tmp_path):
    "The growth counts a new and a deleted group as new and deleted, as the changes do, and not as kept."
    old, new = ({"all": 40, name: 30} for name in ("gone", "joined"))
    old, new = (snapshot_of(sizes, f"2026-11-0{day}T08:10Z") for day, sizes in enumerate((old, new), 1))

    page = Page(fg.save_report(new, tmp_path / "t.html", old))

    growth = page.html.rpartition(">Growth<")[2].partition(">Overlap<")[0]
    assert "1 has the same size, 1 is new, and 1 was deleted" in growth
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr>.*?</tr>", growth, re.DOTALL)]
    assert {(row[0], *row[-3:]) for row in rows if row} == {
        ("Group all", "40", "0.0%", "existing"),
        ("Group joined", "30", "–", "new"),
        ("Group gone", "0", "−100.0%", "deleted"),
    }


def test_status(page, tmp_path):
    "The status of a group has another word than kept its size, and is omitted if no group is new or deleted."
    old, new = (snapshot_of({"all": 40 + day, "b": 30}, f"2026-11-0{day}T08:10Z") for day in (1, 6))

    other = Page(fg.save_report(new, tmp_path / "t.html", old))

    assert "kept" not in page.html + other.html
    assert "status" not in other.text("th")


def test_customers_in_groups(tmp_path):
    "The number of customers counts only customers who are in at least one group."
    customers = pd.DataFrame({"customer_uid": [f"cust-{number:04d}" for number in range(90)]})
    snapshot = fg.snapshot_from_frames(
        members({"a": 30, "b": 20}), customers=customers, tenant_uid="t", taken_at="2026-11-23"
    )

    page = Page(fg.save_report(snapshot, tmp_path / "t.html"))

    assert "30 customers who are in at least one group" in page.html and "90" not in page.text("dd")
    assert page.text("dd")[page.text("dt").index("Customers in groups")] == "30"


def test_similar_groups(page, tmp_path):
    "Groups with the same members are described as such, and other groups by the share of common members."
    same = Page(fg.save_report(snapshot_of({"all": 40, "a": 30, "b": 30}, "2026-11-01T08:10Z"), tmp_path / "t.html"))

    assert "Group a and Group b. They have exactly the same members." in same.html
    assert "Group club and Group copy. Of all their members, 98.3% are in both groups." in page.html


def test_selected_groups(after, tmp_path):
    "The groups in the section on reach can be selected, and the call in the report selects the same groups."
    page = Page(fg.save_report(after, tmp_path / "t.html", groups=["Group left", "club"]))

    reach = page.html.rpartition(">Reach<")[2].partition(">Changes<")[0]
    assert set(re.findall(r">(Group \w+)<", reach)) == {"Group left", "Group club"}
    [call] = [text for text in page.text("code") if "fg.reachability(" in text]
    assert eval(call.partition(";")[0], {"fg": fg, "snapshot": after})["customer_group_uid"].unique().tolist() == [
        "club",
        "left",
    ]
    assert "SMS" in reach and "at least one of the channels" in reach
    with pytest.raises(GroupNotFoundError):
        fg.save_report(after, tmp_path / "x.html", groups=["unknown"])
    assert not (tmp_path / "x.html").exists()


def test_changed_groups(page):
    "The summary, the heading of the chart, and its description state the same number of changed groups."
    changes = page.html.rpartition(">Changes<")[2]
    alt = next(attributes["alt"] for tag, attributes in reversed(page.elements) if tag == "img")

    n_changed = re.search(r"(\d+) of 6 groups changed between", changes)[1]
    assert f"{n_changed} of 6 groups changed" in alt


def test_next_step(tmp_path):
    "Without an older snapshot, growth and changes have the same reason and the same next step."
    page = Page(fg.save_report(snapshot_of({"all": 40, "b": 30}, "2026-11-01T08:10Z"), tmp_path / "t.html"))

    reasons = [text for text in page.text("p") if "Only one snapshot" in text]
    assert len({reason.split(".")[0] for reason in reasons}) == 1 and len(reasons) == 2
    assert len([text for text in page.text("code") if "frgroups report --since" in text]) == 2


def test_missing_consents(tmp_path):
    "A section that cannot be computed contains the reason, and the other sections are complete."
    snapshot = fg.snapshot_from_frames(members({"a": 30, "b": 20}), tenant_uid="t", taken_at="2026-11-23T08:10Z")

    page = Page(fg.save_report(snapshot, tmp_path / "t.html"))

    assert page.text("h2") == TITLES and "reach by consent cannot be computed" in page.html
    assert len(page.images()) == 2


@pytest.mark.parametrize("n_groups", [0, 1])
def test_few_groups(tmp_path, n_groups):
    "A report of a tenant without groups, or with a single group, has all sections, but no empty chart or table."
    groups = pd.DataFrame({"customer_group_uid": ["a"][:n_groups], "name": ["A"][:n_groups]})
    snapshot = fg.snapshot_from_frames(
        members({"a": 30} if n_groups else {}), groups, tenant_uid="t", taken_at="2026-11-23T08:10Z"
    )

    page = Page(fg.save_report(snapshot, tmp_path / "t.html"))

    assert page.text("h2") == TITLES
    assert len(page.images()) == n_groups and len(page.text("caption")) == 2 + n_groups


def test_first_group(tmp_path):
    "If the older snapshot contains no groups, the growth counts the groups as new."
    empty = pd.DataFrame({"customer_group_uid": [], "name": []}, dtype="str")
    old = fg.snapshot_from_frames(members({}), empty, tenant_uid="t-report", taken_at="2026-11-01T08:10Z")

    page = Page(fg.save_report(snapshot_of({"all": 40}, "2026-11-02T08:10Z"), tmp_path / "t.html", old))

    assert "1 is new" in page.html and "1 of 1 group changed" in page.html


def test_suppressed_changes(page):
    "The heading of the chart of changes and the summary state the same numbers of groups."
    section = page.html.partition(">Changes<")[2]
    [summary] = re.findall(r"(\d+ of \d+) groups changed between", section)
    [alternative] = re.findall(r'alt="(\d+ of \d+) groups changed', section)

    assert summary == alternative


def test_consents_in_note(page):
    "The reach names the consent of each channel once, and not in each row."
    section = page.html.rpartition(">Reach<")[2].partition(">Changes<")[0]

    assert section.count("Newsletter email") == 1 and section.count("the consent SMS") == 1


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("t.pdf", {}, r"\.html"),
        ("", {}, "folder"),
        ("t.html", {"uids": True}, "before"),
        ("t.html", {"min_count": -1}, "min_count"),
        ("t.html", {"before": "x"}, "before"),
        ("t.html", {"register": {}}, "register"),
        ("t.html", {"groups": "club"}, "groups"),
    ],
)
def test_invalid_arguments(after, tmp_path, name, options, match):
    "Invalid arguments raise InputError, and no file is written."
    with pytest.raises(InputError) as caught:
        fg.save_report(after, tmp_path / name, **options)

    assert re.search(match, f"{caught.value.message} {caught.value.hint}") and [*tmp_path.iterdir()] == []


def test_wrong_snapshots(after, before, tmp_path):
    "An older snapshot that is newer, and a snapshot without names for a report with names, raise InputError."
    with pytest.raises(InputError, match="older"):
        fg.save_report(before, tmp_path / "t.html", after)
    with pytest.raises(InputError, match="names"):
        fg.save_report(fg.sample_snapshot(), tmp_path / "t.html", fg.sample_snapshot(), personal=True)


def large_pair(n_customers, n_groups, rng):
    """Return two snapshots with random memberships, in which most customers are in several groups."""
    sizes = np.linspace(n_customers / 100, n_customers / 5, n_groups).astype(int)
    customers = np.concatenate([rng.choice(n_customers, size, replace=False) for size in sizes])
    groups = np.repeat([f"g-{number:04d}" for number in range(n_groups)], sizes)
    uids = np.char.mod("cust-%07d", customers)
    table = pd.DataFrame({"customer_group_uid": groups, "customer_uid": uids})
    names = pd.DataFrame({"customer_group_uid": [f"g-{number:04d}" for number in range(n_groups)]})
    names["name"] = [f"Gruppe {number} i Tromsø og Ålesund" for number in range(n_groups)]
    tables = (table.sample(frac=0.97, random_state=1), table)
    return [
        fg.snapshot_from_frames(rows, names, tenant_uid="t-large", taken_at=f"2026-11-2{day}T08:10Z")
        for day, rows in enumerate(tables)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("n_customers", "n_groups"), [(2_000, 60), (100_000, 200)])
def test_size(tmp_path, n_customers, n_groups):
    "A report has at most 3 MB, also with a list of customers."
    old, new = large_pair(n_customers, n_groups, np.random.default_rng(7))

    path = fg.save_report(new, tmp_path / "t.html", old, uids=True)

    assert path.stat().st_size <= 3_000_000


def test_erased_customer(path, after, before, tmp_path):
    "An erasure removes a report in the data folder that lists the customer, but no other report."
    listed = fg.save_report(after, fg.home() / "reports" / "uids.html", before, uids=True)
    other = Path(shutil.copy(path, fg.home() / "reports" / "plain.html"))
    outside = Path(shutil.copy(listed, tmp_path / "uids.html"))
    assert "Etternavn" not in listed.read_text(encoding="utf-8")
    assert len(fg.export_customer("cust-0060")["reports"]) == 1

    table = fg.erase_customer("cust-0060")

    assert list(zip(table["kind"], table["action"], strict=True)) == [("report", "removed")]
    assert not listed.exists() and other.exists() and outside.exists()
    assert fg.erase_customer("cust-0399").empty, "This customer is in no list."
    fg.erase_customer("cust-0060", also=[outside])
    assert not outside.exists()


@pytest.mark.slow
@NEEDS_CHROMIUM
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(path, scheme):
    "axe-core finds no serious problem in a report at two widths, and the page itself does not scroll sideways."
    with chromium.opened(path) as shown:
        shown.color_scheme(scheme)
        for width in (400, 1280):
            shown.sized(width, 900)

            assert serious_violations(shown) == []
            assert shown.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_findings(tmp_path):
    "Small counts of customers are suppressed in the evidence and the code of a finding, but not numbers of groups."
    sizes = {"tiny": 2, "old": 3, "a": 20, "b": 30, "c": 40, "d": 50, "same-1": 60, "same-2": 70}
    names = {uid: f"Group {uid}" for uid in sizes} | {"old": "Sale 2019", "same-1": "Twin", "same-2": "Twin"}

    page = Page(fg.save_report(snapshot_of(sizes, "2026-11-23T08:10Z", names), tmp_path / "t.html"))

    texts = page.text("p")
    assert "All 20 members of Group a are also members of Group b (30 members)." in " ".join(texts)
    assert "2 groups have the name Twin: same-1 and same-2." in texts
    assert not any("Sale 2019 has" in text or "Group tiny has" in text for text in texts)
    assert [code for code in page.text("code") if "{'old': []}" in code and "removal_share=1" in code]
    assert "2 more findings of this type: Twin; Group tiny and Sale 2019." in " ".join(texts)
