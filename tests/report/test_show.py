"""Tests for the display of result tables."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

import frgroups as fg
from frgroups.errors import InputError
from frgroups.internals.formatting import escape_invisible
from tests.examples import at_most

from .conftest import HOSTILE


class Cells(HTMLParser):
    """Parser that collects the tags and the texts of the header, the cells, and the caption of a table."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.styles = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("th", "td", "caption"):
            self.texts.append("")

    def handle_data(self, data):
        if self.tags[-1:] == ["style"]:
            self.styles.append(data)
        elif self.texts:
            self.texts[-1] += data.rstrip("\n ")


def header(shown):
    """Return the names of the displayed columns."""
    return [column.header for column in shown.formatted.columns]


def column(shown, name):
    """Return the displayed texts of a column."""
    return list(shown.formatted.columns[header(shown).index(name)].cells)


def test_group_sizes(snapshot):
    "The largest groups come first, with names instead of uids, percentages, and without the empty column."
    shown = fg.show(fg.group_sizes(snapshot), top=2)

    assert column(shown, "name") == ["Large", "Sale (d-sale)"]
    assert column(shown, "share_exclusive") == ["70.0%", "0.0%"]
    assert "customer_group_uid" not in header(shown) and "share_of_universe" not in header(shown)
    assert "2 of 4 rows" in repr(shown) and "2 of 4 rows" in shown._repr_html_()


def test_input_is_not_changed(snapshot):
    "The table that is shown does not change."
    for table in (fg.group_sizes(snapshot), fg.overlap_matrix(snapshot), snapshot.memberships["customer_uid"]):
        before = table.copy()
        fg.show(table, snapshot=snapshot)._repr_html_()
        assert table.equals(before) and list(table.index) == list(before.index)


def test_thousands():
    "Counts have thousands separators. Columns of a wide table that are not shown are named in a note."
    values = {name: [1234567] for name in ("n_members", "n_old", "n_new", "a", "b", "c", "d", "e", "f", "g")}

    shown = fg.show(pd.DataFrame({"name": ["VIP"], **values, "pages": [5]}))

    assert column(shown, "n_members") == ["1,234,567"]
    assert "pages" not in header(shown) and "pages" in shown.formatted.notes[-1]
    assert "pages" in header(fg.show(pd.DataFrame({"pages": [5]}), columns="all"))


ROWS = {
    "overlap_pairs": lambda s: (fg.overlap_pairs(s), ["name_a", "name_b"], ["Sale (c-sale)", "Sale (d-sale)"]),
    "set_cover": lambda s: (fg.set_cover(s), ["step", "name"], ["1", "Large"]),
    "group_clusters": lambda s: (fg.group_clusters(s), ["cluster"], ["1"]),
    "intersections": lambda s: (fg.intersections(s), ["groups"], ["Large"]),
    "memberships": lambda s: (s.memberships, ["name"], ["Large"]),
    "reads": lambda s: (s.reads, ["name", "n_rows"], ["Large", "40"]),
    "health_report": lambda s: (fg.health_report(s, tiny=3), ["severity"], ["medium"]),
    "groups_per_customer": lambda s: (fg.groups_per_customer(s), ["n_groups"], ["1"]),
}


@pytest.mark.parametrize("kind", ROWS)
def test_first_row(kind, snapshot):
    "The first row of each kind of table is the most important one, and shows group names."
    table, columns, expected = ROWS[kind](snapshot)

    shown = fg.show(table, snapshot=snapshot)

    assert [column(shown, name)[0] for name in columns] == expected


DETAILS = {
    "overlap_pairs": (lambda s: fg.overlap_pairs(s, universe=100), "expected"),
    "reads": (lambda s: s.reads, "seconds"),
    "group_flow": (lambda s: fg.group_flow(s, s, priority=["Large"]), "n_stayed"),
    "group_clusters": (fg.group_clusters, "position"),
    "health_report": (fg.health_report, "other_name"),
    "group_profile": (lambda s: fg.group_profile(s, "Large"), "p_value"),
}


@pytest.mark.parametrize("kind", DETAILS)
def test_details(kind, snapshot):
    "Details are hidden and named in a note, unless the caller asks for all columns or sorts by the detail."
    create, name = DETAILS[kind]
    table = create(snapshot)
    table[name] = table[name].fillna(1 if name != "other_name" else "x")

    shown = fg.show(table, snapshot=snapshot)

    assert name not in header(shown) and any(name in note for note in shown.formatted.notes)
    assert name in header(fg.show(table, snapshot=snapshot, columns="all"))
    assert name in header(fg.show(table, snapshot=snapshot, sort=name))


def test_similarities(snapshot):
    "The Jaccard index and the overlap coefficient are percentages, as in charts, and are not rounded up to 100%."
    table = pd.DataFrame({"name_a": ["A"], "n_both": [1], "jaccard": [0.9996], "overlap_coefficient": [1.0]})

    shown = fg.show(table, columns="all")

    assert column(shown, "jaccard") == ["99.9%"] and column(shown, "overlap_coefficient") == ["100.0%"]


LIFT = pd.DataFrame({"arm": ["control", "mail"], "rate": [0.1, 0.1264], "mean": [np.nan, np.nan]}).assign(
    difference=[np.nan, 0.0264],
    ci_low=[np.nan, -0.0012],
    ci_high=[np.nan, 0.054],
    detectable_difference=[np.nan, 0.031],
)


def test_lift():
    "Differences of rates and their intervals are in percentage points, even without the column rate."
    names = ["difference", "ci_low", "ci_high", "detectable_difference"]

    shown = fg.show(LIFT, columns=["arm", *names])

    assert [column(shown, name)[1] for name in names] == ["2.6 pp", "−0.1 pp", "5.4 pp", "3.1 pp"]
    means = fg.show(LIFT.assign(rate=np.nan, mean=[10.0, 10.0264]))
    assert column(means, "difference")[1] == "0.0264"


@pytest.mark.parametrize(
    ("rate", "values", "texts"),
    [
        (np.nan, [5.9, -29.0, 40.8], ["5.9", "−29.0", "40.8"]),
        (np.nan, [1234.0, -0.5, 2500.0], ["1,234.0", "−0.5", "2,500.0"]),
        (0.3, [0.059, -0.0003, 0.12], ["5.90 pp", "−0.03 pp", "12.00 pp"]),
    ],
)
def test_decimals_of_interval(rate, values, texts):
    "The difference and its interval have the same number of decimals, and no value is rounded to 0."
    names = ["difference", "ci_low", "ci_high"]
    lift = pd.DataFrame([[rate, *values, 75.35]], columns=["rate", *names, "incremental"])

    shown = fg.show(lift)

    assert [column(shown, name)[0] for name in names] == texts
    assert column(shown, "incremental")[0] == ("75" if rate == 0.3 else "75.35")


def test_suppressed_rows():
    "If all counts of a column are suppressed, the column is shown. Other empty columns are omitted."
    table = pd.DataFrame(
        {"value": ["a", "b"], "n_in": pd.array([None, None], dtype="Int64"), "index": [np.nan, np.nan]}
    )

    shown = fg.show(table.assign(suppressed=True))

    assert header(shown) == ["value", "n_in"] and column(shown, "n_in") == ["–", "–"]
    assert "– means suppressed." in str(shown) and "–" not in str(fg.show(table.assign(n_in=1, suppressed=True)))
    assert header(fg.show(table.assign(suppressed=False))) == ["value"]


def test_digests():
    "Digests of plans have 12 digits."
    table = pd.DataFrame({name: ["0123456789abcdef" * 4, None] for name in ("digest", "plan_digest", "reverts")})

    shown = fg.show(table)

    assert {cells for name in table for cells in column(shown, name)} == {"0123456789ab", "–"}


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        (["2026-11-01T08:10Z", "2026-11-02T08:10Z"], ["2026-11-01", "2026-11-02"]),
        (["2026-11-01T08:10Z", "2026-11-01T09:10Z"], ["2026-11-01 08:10", "2026-11-01 09:10"]),
    ],
)
def test_times_in_header(times, labels):
    "Columns for times are named after their date, or after date and time if several times are on one day."
    table = pd.DataFrame([[1, 2]], index=pd.Index(["VIP"], name="name"), columns=pd.to_datetime(times))

    assert header(fg.show(table)) == ["name", *labels]


def test_campaigns():
    "The campaigns with the most shadowed members come first, and the larger discount is shown by group name."
    table = pd.DataFrame(
        {"campaign_uid": ["c-1", "c-2", None], "customer_group_uid": ["g-1", "g-2", "g-3"], "name": ["A", "B", "C"]}
    ).assign(n_members=[9, 5, 4], n_shadowed=[0, 1, 4], shadowed_by=[None, "g-3", "c-1"])

    shown = fg.show(table)

    assert column(shown, "name") == ["C", "B", "A"] and column(shown, "shadowed_by") == ["A", "C", "–"]


def test_group_changes(snapshot):
    "The groups with the most changes come first, and changes have signs."
    table = pd.DataFrame(
        {"name": ["A", "B", "C"], "n_joined": [0, 5, 1], "n_left": [0, 9, 0], "n_new": [900, 6, 7], "net": [0, -4, 1]}
    ).assign(growth_rate=[0.0, -0.4, 1 / 6])

    shown = fg.show(table)

    assert column(shown, "name") == ["B", "C", "A"]
    assert column(shown, "net") == ["−4", "+1", "0"] and column(shown, "growth_rate") == ["−40.0%", "+16.7%", "0.0%"]


def test_receipt_states():
    "Failed changes come before verified changes."
    states = ["verified", "already", "unknown", "rejected"]
    table = pd.DataFrame({"customer_group_uid": "vip", "customer_uid": list("abcd"), "finding": "", "state": states})

    assert column(fg.show(table), "state") == ["rejected", "unknown", "verified", "already"]


def test_latest_first():
    "Tables of snapshots and plans start with the latest one. Times are in UTC, and midnight is shown as a date."
    times = pd.to_datetime(["2026-11-21T00:30+01:00", "2026-11-23T09:10+01:00"], utc=True)
    table = pd.DataFrame({"taken_at": times, "day": pd.to_datetime(["2026-11-20", "2026-11-23"])})

    shown = fg.show(table)

    assert column(shown, "taken_at") == ["2026-11-23 08:10", "2026-11-20 23:30"]
    assert column(shown, "day") == ["2026-11-23", "2026-11-20"] and "UTC" in shown.formatted.notes[-1]


def test_profile_and_suppressed_counts():
    "The strongest differences come first. Suppressed counts are marked, and the column of marks is omitted."
    table = pd.DataFrame(
        {"attribute": list("abc"), "effect_size": [0.2, None, -0.9], "q_value": [0.5, None, 0.00001]}
    ).assign(n_in=pd.array([8, None, 9], dtype="Int64"), suppressed=[False, True, False])

    shown = fg.show(table)

    assert column(shown, "attribute") == ["c", "a", "b"] and column(shown, "n_in") == ["9", "8", "–"]
    assert "– means suppressed or undefined." in str(shown)
    assert column(shown, "q_value") == ["<0.001", "0.500", "–"] and "suppressed" not in header(shown)


def test_means_of_profile():
    "The means of a number are in the column value, unless the columns are selected."
    table = pd.DataFrame(
        {"attribute": ["limit", "origin"], "kind": ["number", "text"], "value": ["(number)", "WEB"]}
    ).assign(effect_size=[0.9, 0.1], q_value=0.5, mean_in=[1234.5, None], mean_ref=[2.0, None])

    shown = fg.show(table)

    assert column(shown, "value") == ["mean 1,234 vs. 2", "WEB"] and "mean_in" not in header(shown)
    assert column(fg.show(table, columns="all"), "value") == ["(number)", "WEB"]
    assert column(fg.show(table, columns=["value", "mean_in"]), "mean_in")[1] == "–"


def test_overlap_matrix(snapshot):
    "An overlap matrix starts with the largest groups, has names on both axes, and is limited in both directions."
    shown = fg.show(fg.overlap_matrix(snapshot), top=3, snapshot=snapshot)

    assert header(shown) == ["name", "Large", "Sale (d-sale)", "Sale (c-sale)"]
    assert column(shown, "Large") == ["40", "12", "9"] and "3 of 4 groups" in repr(shown)
    shares = fg.show(fg.overlap_matrix(snapshot, measure="share"), snapshot=snapshot)
    assert column(shares, "Large")[-1].endswith("%")


def test_names_without_snapshot(snapshot):
    "A table with uids only shows a note on how to get names."
    for table in (fg.overlap_matrix(snapshot), fg.intersections(snapshot), snapshot.memberships):
        assert "snapshot=" in fg.show(table).formatted.notes[-1]
    assert column(fg.show(snapshot.memberships), "customer_group_uid")[0] == "b-large"


def test_sort_and_columns(snapshot):
    "The caller can select the column that sorts the rows, keep the order, and select the columns."
    table = fg.group_sizes(snapshot)

    assert (
        column(fg.show(table, sort="n_exclusive", columns=["customer_group_uid"]), "customer_group_uid")[0]
        == "b-large"
    )
    assert column(fg.show(table, sort=False), "name")[0] == "Small"
    assert column(fg.show(table, sort="name", top=None), "name")[0] == "Large"


def test_series_and_index(snapshot):
    "A Series is shown with its index, and an Index is shown as one column."
    sizes = fg.group_sizes(snapshot).set_index("name")["n_members"]

    assert column(fg.show(sizes), "name")[0] == "Large" and column(fg.show(sizes), "n_members")[0] == "40"
    assert header(fg.show(snapshot["Small"])) == ["customer_uid"]


def test_other_tables(snapshot):
    "Tables with duplicate columns, several levels of columns, or no rows are shown, too."
    sizes = fg.group_sizes(snapshot)
    pivot = sizes.assign(kind="x").pivot_table(index="name", columns="kind", values=["n_members"])

    assert fg.show(pd.concat([sizes, sizes], axis=1))._repr_html_()
    assert header(fg.show(pivot)) == ["name", "n_members, x"]
    assert repr(fg.show(sizes[:0])).endswith("0 rows") and fg.show(sizes[:0])._repr_html_()
    assert repr(fg.show(pd.DataFrame())) == "0 rows"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"table": {"a": 1}}, "`table` must be a DataFrame or a Series, got dict"),
        ({"table": [1]}, "got list"),
        ({"table": fg.sample_snapshot()}, r"got Snapshot.*\.groups"),
        ({"table": pd.DataFrame({"n": [1]}), "top": 0}, "`top`"),
        ({"table": pd.DataFrame({"n": [1]}), "sort": "x"}, "column 'x'"),
        ({"table": pd.DataFrame({"n": [1]}), "sort": True}, "`sort`"),
        ({"table": pd.DataFrame({"n": [1]}), "columns": "n"}, "`columns`"),
        ({"table": pd.DataFrame({"n": [1]}), "snapshot": "x"}, "`snapshot`"),
    ],
)
def test_invalid_arguments(arguments, match):
    "Invalid arguments raise InputError. The error for another object names a table of it."
    with pytest.raises(InputError, match=match):
        fg.show(**arguments)


def test_hostile_html(hostile):
    "No name or header adds an element, hides a character, or is typeset as a formula."
    html = fg.show(hostile)._repr_html_()

    cells = Cells(html)

    assert not {"img", "i", "b", "script"} & set(cells.tags) and "mathjax_ignore" in html
    assert "\u202e" not in html and "line\nbreak" not in html
    assert set(cells.texts) >= {escape_invisible(name) for name in HOSTILE}
    assert not any(name in style for style in cells.styles for name in HOSTILE)


def test_hostile_text(hostile):
    "In the text, long names are wrapped, invisible characters are escaped, and the columns are aligned."
    lines = repr(fg.show(hostile)).splitlines()

    assert all(line.isprintable() and len(line) <= 120 for line in lines)
    assert "".join(line.strip() for line in lines).count("x") >= 300
    table = lines[: lines.index("6 rows")]
    starts = {line.index("<i>x</i>") for line in table if "<i>x</i>" in line}
    assert len(starts) == 1


def test_colors(snapshot):
    "The style sheet has no fixed text color and no opaque background, so that it fits light and dark themes."
    html = fg.show(fg.group_sizes(snapshot))._repr_html_()

    colors = [part.split(";")[0].strip() for part in html.split("color:")[1:]]
    assert set(colors) <= {"inherit"} and "linear-gradient" in html and "#fff" not in html and "black" not in html


def test_keyboard_scrolling(snapshot):
    "The element that scrolls a wide table can have the focus, and has a role and a name."
    html = fg.show(fg.group_sizes(snapshot))._repr_html_()

    scrolled = re.search(r'<div class="frgroups-table[^>]*>', html)[0]
    assert all(part in scrolled for part in ("overflow-x: auto", 'tabindex="0"', 'role="group"', "aria-label="))


def test_notebook_output(snapshot):
    "Jupyter receives the table as HTML and as text."
    data, _ = DisplayFormatter().format(fg.show(fg.group_sizes(snapshot)))

    assert set(data) == {"text/html", "text/plain"} and data["text/plain"].splitlines()[-1] == "4 rows"


def test_styler(snapshot):
    "The Styler has the displayed cells, and the same table has the same HTML each time."
    shown = fg.show(fg.group_sizes(snapshot))

    assert type(shown.styler()).__name__ == "Styler" and shown.styler().to_html() == shown.styler().to_html()


@given(words=st.lists(st.text("ab_(,", min_size=1, max_size=40), min_size=1, max_size=30))
def test_wrapped_words(words):
    "Words that fit in a line are not broken, and lines are not wider than the column."
    shown = fg.show(pd.DataFrame({"words": [" ".join(words)]}))

    lines = repr(shown).splitlines()[1:-1]

    assert [word for line in lines for word in line.split()] == words
    assert max(map(len, lines)) <= max(48, *map(len, words))


def test_long_words():
    "A word that is too long for a line is broken after an underscore, a bracket, or a comma."
    code = "fg.plan_memberships(snapshot,{'black_week_2024':[]},limits=fg.Limits(removal_share=1))"

    lines = repr(fg.show(pd.DataFrame({"code": [code]}))).splitlines()[1:-1]

    assert "".join(lines) == code and len(lines) == 2 and lines[0][-1] in "_([{,="


VALUES = st.one_of(
    st.text(max_size=8), st.integers(), st.floats(), st.none(), st.booleans(), st.datetimes(), st.binary(max_size=3)
)


@at_most(30)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), max_size=4),
    names=st.lists(
        st.sampled_from(["n", "share", "q_value", "net", "groups", "name", "x_bytes"]), min_size=2, max_size=2
    ),
)
def test_any_table(rows, names):
    "Every table can be shown, as text without control characters and as HTML."
    shown = fg.show(pd.DataFrame(rows, columns=names, dtype="object"))

    assert shown._repr_html_() and all(escape_invisible(line) == line for line in repr(shown).split("\n"))


def test_missing_values():
    "Missing and infinite numbers are shown as symbols."
    shown = fg.show(pd.DataFrame({"lift": [1.5, np.inf, np.nan], "name": ["a", "b", None]}), sort=False)

    assert column(shown, "lift") == ["1.50", "∞", "–"] and column(shown, "name")[2] == "–"


def test_hosts_of_snapshots():
    "The host is shown if the rows have different hosts, for example two tenants with the same uid."
    for day, base_url in ((1, fg.STAGE), (2, fg.PRODUCTION)):
        fg.save_snapshot(replace(fg.sample_snapshot(f"2026-11-0{day}"), base_url=base_url))

    both = fg.show(fg.list_snapshots())
    first = fg.show(fg.list_snapshots(), top=1)

    assert column(both, "base_url") == [fg.PRODUCTION, fg.STAGE]
    assert "base_url" not in header(first)
