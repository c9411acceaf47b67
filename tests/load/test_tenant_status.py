"""How old, how sure and how large: the table, the page and the exit code of `frgroups status`."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.internals.formatting import format_age
from frgroups.internals.html import csp_hash, read_asset
from frgroups.load.status_page import status_html
from frgroups.load.tenant_status import status_summary

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SAMPLE = fg.sample_snapshot()


def keep(tenant_uid, hours_ago, *, verdict="consistent", host="stage", now=NOW, name="VIP"):
    """Keep a small snapshot of this tenant, taken so long ago; returns its folder."""
    made = fg.snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", "c-2"]}),
        pd.DataFrame({"customer_group_uid": ["vip"], "name": [name]}),
        tenant_uid=tenant_uid,
        taken_at=now - timedelta(hours=hours_ago),
        base_url=None if host is None else {"stage": fg.STAGE, "production": fg.PRODUCTION}.get(host, host),
    )
    object.__setattr__(made, "verdict", verdict)
    return fg.save_snapshot(made)


@pytest.fixture
def write(home_folder):
    """Writes tenants.toml, with these uids as names; more text may follow."""

    def written(*uids, more=""):
        text = "".join(f'{uid} = {{tenant_uid = "{uid}", host = "stage", token_command = "x"}}\n' for uid in uids)
        (home_folder / "tenants.toml").write_text(text + more, encoding="utf-8")
        (home_folder / "tenants.toml").chmod(0o600)

    return written


def by_uid(table):
    return table.set_index("tenant_uid")


def test_every_tenant_has_a_row_with_what_is_wrong(write):
    "Fresh, old, drifted, unverifiable, never loaded and of the future are told apart; oldest first."
    write("fresh", "old", "drifted", "unproved", "never", "ahead")
    keep("fresh", 30)
    newest = keep("fresh", 3)
    keep("old", 49)
    keep("drifted", 1, verdict="drifted")
    keep("unproved", 2, verdict="unverifiable")
    keep("ahead", -72)

    table = fg.tenant_status(now=NOW)

    assert list(table["name"]) == ["never", "old", "fresh", "unproved", "drifted", "ahead"]
    rows = by_uid(table)
    assert dict(rows["wrong"]) == {
        "never": "never loaded",
        "old": "old",
        "fresh": "",
        "unproved": "unverifiable",
        "drifted": "drifted",
        "ahead": "clock",
    }
    assert list(rows.index[rows["ok"]]) == ["fresh"]
    fresh = rows.loc["fresh"]
    assert (fresh["host"], fresh["age"], fresh["verdict"]) == ("api.stage.flowretail.com", "3 h", "consistent")
    assert (fresh["n_groups"], fresh["n_customers"], fresh["n_memberships"], fresh["n_snapshots"]) == (1, 2, 2, 2)
    assert fresh["taken_at"] == NOW - timedelta(hours=3) and fresh["path"] == str(newest)
    assert 0 < fresh["size_bytes"] < fresh["total_bytes"]
    assert pd.isna(rows.loc["never", "taken_at"]) and pd.isna(rows.loc["never", "n_groups"])
    assert status_summary(table) == "1 of 6 tenants fresh and consistent."


def test_what_is_old_is_yours_to_say(write):
    "max_age= decides, to the second."
    write("t")
    keep("t", 24)

    assert fg.tenant_status(now=NOW)["ok"].all()
    assert not fg.tenant_status(now=NOW + timedelta(seconds=1))["ok"].any()
    assert fg.tenant_status(max_age="2d", now=NOW + timedelta(seconds=1))["ok"].all()


def test_a_tenant_on_disk_that_no_table_names_is_shown_and_not_counted(write):
    "What is left of a tenant that was taken out of the file does not spoil the total."
    write("t")
    keep("t", 1)
    keep("t", 1, host="production")
    keep("gone", 900, host=None)

    table = fg.tenant_status(now=NOW)

    assert list(zip(table["tenant_uid"], table["host"], table["in_config"], strict=True)) == [
        ("gone", "tables", False),
        ("t", "api.flowretail.com", False),
        ("t", "api.stage.flowretail.com", True),
    ]
    assert status_summary(table) == "1 of 1 tenant fresh and consistent; 2 more on disk are not in tenants.toml."


def test_without_a_file_all_that_is_kept_counts():
    "tenants.toml need not be there."
    keep("a", 1)
    keep("b", 100)

    assert status_summary(fg.tenant_status(now=NOW)) == "1 of 2 tenants fresh and consistent."


def test_only_those_named(write):
    "names= picks tables of the file; one that is not there is told with what is close to it."
    write("aa", "bb")

    assert list(fg.tenant_status(names=["bb"])["name"]) == ["bb"]
    with pytest.raises(fg.errors.InputError, match="Did you mean 'bb'"):
        fg.tenant_status(names=["bbb"])


@pytest.mark.parametrize("how", ["cut", "altered", "gone"])
def test_damage_inside_the_newest_snapshot_is_told(write, how):
    "A file that is shorter, altered or missing is damage, with its name, however fresh the snapshot is."
    write("t")
    file = keep("t", 1) / "groups.parquet"
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if how == "cut" else content[:50] + bytes([content[50] ^ 1]) + content[51:])

    (row,) = fg.tenant_status(now=NOW).to_dict("records")

    assert (row["wrong"], row["ok"], row["age"]) == ("damaged", False, "60 min")
    assert row["detail"].startswith("groups.parquet of ")


def test_a_snapshot_whose_manifest_is_damaged_is_told(write):
    "It is not passed over in silence, also where nothing else is kept of its tenant."
    write("t")
    keep("t", 30)
    for path in (keep("t", 1), keep("only", 1)):
        (path / "manifest.json").write_text("{")

    rows = by_uid(fg.tenant_status(now=NOW))

    assert rows.loc["t", "wrong"] == "damaged, old" and rows.loc["t", "age"] == "30 h"
    assert rows.loc["only", "wrong"] == "damaged" and rows.loc["only", "n_snapshots"] == 0


def test_a_wrong_table_is_a_row(write):
    "What is wrong in the file is told with the name, without the values."
    write("t", more='bad = {tenant_uid = "u", host = "stage", token = "planted-token"}')
    keep("t", 1)

    table = fg.tenant_status(now=NOW)

    assert dict(zip(table["name"], table["wrong"], strict=True)) == {"bad": "config", "t": ""}
    assert "'token' is not permitted" in table["detail"].iloc[0] and "planted-token" not in table.to_csv()


def test_a_moment_without_a_zone_is_refused():
    "Else every age might be off by hours."
    with pytest.raises(fg.errors.InputError, match="no time zone"):
        fg.tenant_status(now=datetime(2026, 11, 23))


def test_nothing_known_is_an_empty_table():
    "With its columns."
    table = fg.tenant_status()

    assert len(table) == 0 and {"name", "age", "wrong", "size_bytes"} <= set(table)


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (0, "0 s"),
        (1, "60 s"),
        (2, "2 min"),
        (119, "119 min"),
        (120, "2 h"),
        (47 * 60, "47 h"),
        (48 * 60, "2 d"),
        (14 * 24 * 60, "2 w"),
    ],
)
def test_ages_are_said_as_people_do(age, told):
    "In the largest unit of which there are two."
    assert format_age(timedelta(minutes=age)) == told


# The command.


def test_the_command_ends_with_0_only_when_all_is_well(write, capsys):
    "0 when every tenant is fresh and consistent, 9 when one is not, 1 when nothing is known."
    assert main(["status"]) == 1
    assert "No tenant is known" in capsys.readouterr().err
    now = datetime.now(UTC)
    write("a", "b")
    keep("a", 1, now=now)
    keep("other", 9000, now=now)

    assert main(["status", "--all"]) == 9
    out = capsys.readouterr().out
    assert "never loaded" in out and "1 of 2 tenants fresh and consistent; 1 more on disk" in out
    assert main(["status", "--tenant", "a"]) == 0
    assert main(["status", "--tenant", "a", "--max-age", "30min"]) == 9
    keep("b", 2, now=now)
    assert main(["status", "--all"]) == 0


def test_the_tenant_of_the_environment(write, capsys, monkeypatch):
    "Without --all it is the one that the variables name."
    now = datetime.now(UTC)
    write("a", "b")
    keep("a", 1, now=now)
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "a")
    monkeypatch.setenv("FRGROUPS_BASE_URL", "stage")

    assert main(["status"]) == 0
    assert "1 of 1 tenant" in capsys.readouterr().out
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "nobody")
    assert main(["status"]) == 1


def test_json_is_one_line_for_each(write, capsys, tmp_path):
    "With null where nothing is known; also when a page is written beside it."
    write("a", "b")
    keep("a", 1, now=datetime.now(UTC))

    assert main(["status", "--all", "--json", "--html", str(tmp_path / "s.html")]) == 9
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["name"], row["ok"], row["n_groups"]) for row in told] == [("b", False, None), ("a", True, 1)]
    assert told[0]["taken_at"] is None and datetime.fromisoformat(told[1]["taken_at"])
    assert (tmp_path / "s.html").read_text(encoding="utf-8").startswith("<!doctype html>")


# The page.


class Page(HTMLParser):
    """The tags of a page, and what its cells hold."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self._at = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        self._at = tag if tag in ("td", "th") else self._at
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self._at = None if tag == self._at else self._at

    def handle_data(self, data):
        if self._at:
            self.rows[-1][-1] += data


def test_the_page_tells_the_total_and_every_tenant(write):
    "The total is the heading; never loaded first, then the oldest."
    write("a", "b", "c")
    keep("a", 1)
    keep("b", 60)
    page = status_html(fg.tenant_status(now=NOW), now=NOW)
    rows = Page(page).rows

    assert "<h1>1 of 3 tenants fresh and consistent</h1>" in page and "as of <time" in page
    assert [row[0][0] for row in rows[1:]] == ["c", "b", "a"]
    assert rows[1][3] == "never loaded" and rows[2][3].startswith("old")
    assert rows[3][1:4] == ["stage", "60 min 2026-11-23 11:00 UTC", "fresh and consistent"]


def test_the_page_asks_nothing_of_the_network(write):
    "No address, no file beside it; its policy allows its own style and script alone."
    write("a")
    page = status_html(fg.tenant_status())
    tags = Page(page).tags
    policy = next(a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy")

    assert "default-src 'none'" in policy
    assert (
        csp_hash(read_asset("load/status_page.css")) in policy
        and csp_hash(read_asset("load/status_page.js")) in policy
    )
    assert not any({"src", "href", "style", "onclick"} & attributes.keys() for _, attributes in tags)
    assert not re.search(r"@import|url\(", read_asset("load/status_page.css"))


def test_whatever_is_in_a_name_is_shown_and_not_run(write):
    "Names, uids, hosts and problems are text, also with tags and signs that turn the reading direction."
    evil = "<script>alert(1)</script>\"'&"
    table = fg.tenant_status()
    keep("t", 1)
    table = fg.tenant_status(now=NOW)
    for column in ("name", "tenant_uid", "host", "base_url", "detail", "wrong", "verdict"):
        table[column] = f"{evil} {column} \u202e"
    page = status_html(table, now=NOW)

    assert evil not in page and "<script>alert" not in page and "\u202e" not in page
    assert sum(tag == "script" for tag, _ in Page(page).tags) == 1


def test_the_page_is_small_at_a_hundred_tenants(write):
    "A hundred rows are less than 100 kB, and nothing is cut."
    write(*(f"tenant_{n}" for n in range(100)))
    keep("tenant_7", 1)
    page = status_html(fg.tenant_status(now=NOW), now=NOW)

    assert len(Page(page).rows) == 101 and len(page.encode()) < 100_000
    assert "1 of 100 tenants fresh and consistent" in page


def test_no_group_and_no_customer_is_on_the_page(write, home_folder):
    "It tells of tenants, and of nobody in them."
    write("a")
    keep("a", 1, name="Planted-Group")

    page = status_html(fg.tenant_status(now=NOW), now=NOW)
    assert "Planted-Group" not in page and "c-1" not in page and str(home_folder) not in page
