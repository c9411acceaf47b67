"""Tests for `tenant_status`, the status page, and the command `frgroups status`."""

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


def save(tenant_uid, hours_ago, *, verdict="consistent", host="stage", now=NOW, name="VIP", n_members=2):
    """Store a small snapshot with a given age in hours, and return its folder."""
    snapshot = fg.snapshot_from_frames(
        pd.DataFrame(
            {"customer_group_uid": ["vip"] * n_members, "customer_uid": [f"c-{i}" for i in range(n_members)]},
            dtype=str,
        ),
        pd.DataFrame({"customer_group_uid": ["vip"], "name": [name]}),
        tenant_uid=tenant_uid,
        taken_at=now - timedelta(hours=hours_ago),
        base_url=None if host is None else {"stage": fg.STAGE, "production": fg.PRODUCTION}.get(host, host),
    )
    object.__setattr__(snapshot, "verdict", verdict)
    return fg.save_snapshot(snapshot)


@pytest.fixture
def write_config(home_folder):
    """Return a function that writes a file tenants.toml in which the given uids are also the tenant names."""

    def written(*uids, more=""):
        text = "".join(f'{uid} = {{tenant_uid = "{uid}", host = "stage", token_command = "x"}}\n' for uid in uids)
        (home_folder / "tenants.toml").write_text(text + more, encoding="utf-8")
        (home_folder / "tenants.toml").chmod(0o600)

    return written


def by_uid(table):
    return table.set_index("tenant_uid")


def test_problems(write_config):
    """The status table has one row per tenant with its problems. Tenants without a snapshot come first."""
    write_config("fresh", "old", "drifted", "unverifiable", "never", "ahead")
    save("fresh", 30)
    newest = save("fresh", 3)
    save("old", 49)
    save("drifted", 1, verdict="drifted")
    save("unverifiable", 2, verdict="unverifiable")
    save("ahead", -72)

    table = fg.tenant_status(now=NOW)

    assert list(table["name"]) == ["never", "old", "fresh", "unverifiable", "drifted", "ahead"]
    rows = by_uid(table)
    assert dict(rows["problem"]) == {
        "never": "never loaded",
        "old": "old",
        "fresh": "",
        "unverifiable": "unverifiable",
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
    assert "1 of 6 tenants" in status_summary(table)


@pytest.mark.parametrize("n_members", [0, 1, 2, 4, 9])
def test_smaller_snapshot(n_members, write_config, capsys):
    """If the newest snapshot has fewer than half of the previous memberships, the problem is "smaller"."""
    write_config("t")
    now = datetime.now(UTC)
    save("t", 3, now=now, n_members=1)  # Only the two newest snapshots are compared.
    save("t", 2, now=now, n_members=4)
    save("t", 1, now=now, n_members=n_members)
    save("t", 1, now=now, n_members=100, host="production")  # The snapshots of another server are not compared.

    row = by_uid(fg.tenant_status(names=["t"])).loc["t"]

    is_smaller = n_members < 2
    assert (row["problem"], row["ok"]) == ("smaller" if is_smaller else "", not is_smaller)
    assert ("4 memberships" in row["detail"]) is is_smaller
    assert main(["status", "--tenant", "t"]) == (9 if is_smaller else 0)
    assert ("smaller" in capsys.readouterr().out) is is_smaller


def test_max_age(write_config):
    """The status reports a snapshot as old as soon as its age exceeds `max_age`."""
    write_config("t")
    save("t", 24)

    assert fg.tenant_status(now=NOW)["ok"].all()
    assert not fg.tenant_status(now=NOW + timedelta(seconds=1))["ok"].any()
    assert fg.tenant_status(max_age="2d", now=NOW + timedelta(seconds=1))["ok"].all()


def test_unconfigured_tenants(write_config):
    """Tenants that have stored snapshots but are not in tenants.toml are listed, but not counted."""
    write_config("t")
    save("t", 1)
    save("t", 1, host="production")
    save("gone", 900, host=None)

    table = fg.tenant_status(now=NOW)

    assert list(zip(table["tenant_uid"], table["host"], table["in_config"], strict=True)) == [
        ("gone", "tables", False),
        ("t", "api.flowretail.com", False),
        ("t", "api.stage.flowretail.com", True),
    ]
    assert re.search(r"1 of 1 tenant\b.*\b2 other tenants\b", status_summary(table))


def test_missing_config_file():
    """If tenants.toml does not exist, all tenants with stored snapshots are counted."""
    save("a", 1)
    save("b", 100)

    assert "1 of 2 tenants" in status_summary(fg.tenant_status(now=NOW))


def test_names(write_config):
    """The argument `names` selects tenants, and an unknown name raises an error with similar names."""
    write_config("aa", "bb")

    assert list(fg.tenant_status(names=["bb"])["name"]) == ["bb"]
    with pytest.raises(fg.errors.InputError, match="'bb'"):
        fg.tenant_status(names=["bbb"])


@pytest.mark.parametrize("how", ["cut", "altered", "gone"])
def test_corrupt_table(write_config, how):
    """If a table of a stored snapshot is truncated, altered, or missing, the status contains its file name."""
    write_config("t")
    file = save("t", 1) / "groups.parquet"
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if how == "cut" else content[:50] + bytes([content[50] ^ 1]) + content[51:])

    (row,) = fg.tenant_status(now=NOW).to_dict("records")

    assert (row["problem"], row["ok"], row["age"]) == ("damaged", False, "60 min")
    assert "groups.parquet" in row["detail"]


def test_corrupt_manifest(write_config):
    """The status reports a corrupt manifest, even if the tenant has no other snapshot."""
    write_config("t")
    save("t", 30)
    for path in (save("t", 1), save("only", 1)):
        (path / "manifest.json").write_text("{")

    rows = by_uid(fg.tenant_status(now=NOW))

    assert rows.loc["t", "problem"] == "damaged, old" and rows.loc["t", "age"] == "30 h"
    assert rows.loc["only", "problem"] == "damaged" and rows.loc["only", "n_snapshots"] == 0


def test_invalid_configuration(write_config):
    """If a table in tenants.toml is invalid, the status reports the problem without the values in the table."""
    write_config("t", more='bad = {tenant_uid = "u", host = "stage", token = "planted-token"}')
    save("t", 1)

    table = fg.tenant_status(now=NOW)

    assert dict(zip(table["name"], table["problem"], strict=True)) == {"bad": "config", "t": ""}
    assert "'token'" in table["detail"].iloc[0] and "planted-token" not in table.to_csv()


def test_now_without_time_zone():
    """If the argument `now` has no time zone, an error is raised."""
    with pytest.raises(fg.errors.InputError, match="`now`"):
        fg.tenant_status(now=datetime(2026, 11, 23))


def test_no_tenants():
    """If there are no tenants, the status table is empty but has all columns."""
    table = fg.tenant_status()

    assert len(table) == 0 and {"name", "age", "problem", "size_bytes"} <= set(table)


@pytest.mark.parametrize(
    ("age", "lines"),
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
def test_format_age(age, lines):
    """An age is formatted in the largest unit with a value of at least 2, for example "2 d" instead of "48 h"."""
    assert format_age(timedelta(minutes=age)) == lines


# The command.


def test_exit_codes(write_config, capsys):
    """The exit code of `frgroups status` is 0 without problems, 9 with a problem, and 1 if there are no tenants."""
    assert main(["status"]) == 1
    assert "tenants.toml" in capsys.readouterr().err
    now = datetime.now(UTC)
    write_config("a", "b")
    save("a", 1, now=now)
    save("other", 9000, now=now)

    assert main(["status", "--all"]) == 9
    out = capsys.readouterr().out
    assert "never loaded" in out and re.search(r"1 of 2 tenants\b.*\b1 other tenant\b", out)
    assert main(["status", "--tenant", "a"]) == 0
    assert main(["status", "--tenant", "a", "--max-age", "30min"]) == 9
    save("b", 2, now=now)
    assert main(["status", "--all"]) == 0


def test_tenant_of_environment(write_config, capsys, monkeypatch):
    """Without the option --all, `frgroups status` shows the tenant in the environment variables."""
    now = datetime.now(UTC)
    write_config("a", "b")
    save("a", 1, now=now)
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "a")
    monkeypatch.setenv("FRGROUPS_BASE_URL", "stage")

    assert main(["status"]) == 0
    assert "1 of 1 tenant" in capsys.readouterr().out
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "unknown")
    assert main(["status", "--json"]) == 9
    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert (row["tenant_uid"], row["problem"], row["ok"]) == ("unknown", "never loaded", False)
    assert row.keys() == set(fg.tenant_status())


def test_json_output(write_config, capsys, tmp_path):
    """With --json, `frgroups status` prints one row per tenant, in which unknown values are null."""
    write_config("a", "b")
    save("a", 1, now=datetime.now(UTC))

    assert main(["status", "--all", "--json", "--html", str(tmp_path / "s.html")]) == 9
    lines = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["name"], row["ok"], row["n_groups"]) for row in lines] == [("b", False, None), ("a", True, 1)]
    assert lines[0]["taken_at"] is None and datetime.fromisoformat(lines[1]["taken_at"])
    assert (tmp_path / "s.html").read_text(encoding="utf-8").startswith("<!doctype html>")


# The page.


class Page(HTMLParser):
    """HTML parser that collects the tags and the table cells of a page."""

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


def test_page(write_config):
    """The heading of the status page contains the total, and the rows have the same order as the status table."""
    write_config("a", "b", "c")
    save("a", 1)
    save("b", 60)
    page = status_html(fg.tenant_status(now=NOW), now=NOW)
    rows = Page(page).rows

    assert "<h1>1 of 3 tenants " in page and "<time" in page
    assert [row[0][0] for row in rows[1:]] == ["c", "b", "a"]
    assert rows[1][3] == "never loaded" and rows[2][3].startswith("old")
    assert rows[3][1:4] == ["stage", "60 min 2026-11-23 11:00 UTC", "fresh and consistent"]


def test_page_keeps_the_port_together():
    """A host can be wrapped before its port, but not in the port."""
    save("a", 1, host="https://api.example:8020/v2")
    page = status_html(fg.tenant_status(now=NOW), now=NOW)

    assert '<wbr><span class="port">:8020</span>' in page


def test_page_is_self_contained(write_config):
    """The status page loads no other file, and its content security policy allows only its own style and script."""
    write_config("a")
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


def test_page_escapes_text(write_config):
    """The status page escapes names and other text, including HTML tags and Unicode direction marks."""
    evil = "<script>alert(1)</script>\"'&"
    table = fg.tenant_status()
    save("t", 1)
    table = fg.tenant_status(now=NOW)
    for column in ("name", "tenant_uid", "host", "base_url", "detail", "problem", "verdict"):
        table[column] = f"{evil} {column} \u202e"
    page = status_html(table, now=NOW)

    assert evil not in page and "<script>alert" not in page and "\u202e" not in page
    assert sum(tag == "script" for tag, _ in Page(page).tags) == 1


def test_page_size(write_config):
    """A status page with 100 tenants is smaller than 100 kB and contains all rows."""
    write_config(*(f"tenant_{n}" for n in range(100)))
    save("tenant_7", 1)
    page = status_html(fg.tenant_status(now=NOW), now=NOW)

    assert len(Page(page).rows) == 101 and len(page.encode()) < 100_000
    assert "1 of 100 tenants" in page


def test_page_without_customer_data(write_config, home_folder):
    """The status page contains no group names, customer uids, or local paths."""
    write_config("a")
    save("a", 1, name="Planted-Group")

    page = status_html(fg.tenant_status(now=NOW), now=NOW)
    assert "Planted-Group" not in page and "c-1" not in page and str(home_folder) not in page
