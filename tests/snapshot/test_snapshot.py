"""Tests for the Snapshot class, its tables, and its text and HTML representations."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html import escape

import pandas as pd
import pandas.testing as pdt
import pytest

from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.html import Card, CardLine
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, READS, coerce_schema
from frgroups.snapshot.verdicts import (
    VERDICTS,
    contradiction_note,
    is_contradiction,
    missing_reference_note,
    worst_verdict,
)

MEMBERSHIPS = pd.DataFrame({"customer_group_uid": ["vip", "0150", "vip"], "customer_uid": ["c-2", "c-1", "c-1"]})


def create_snapshot(memberships=MEMBERSHIPS, *tables, **facts):
    """Return a snapshot of the sample memberships, with the given tables and arguments."""
    return snapshot_from_frames(
        memberships, *tables, **{"tenant_uid": "t-1", "taken_at": "2026-11-23T08:10Z", **facts}
    )


def test_columns_and_dtypes():
    "All snapshots, including empty ones, have the same columns and dtypes in the same order."
    for snapshot in (sample_snapshot(), create_snapshot(), create_snapshot(MEMBERSHIPS[:0])):
        for table, columns in [
            (snapshot.groups, GROUPS),
            (snapshot.customers, CUSTOMERS),
            (snapshot.consents, CONSENTS),
            (snapshot.reads, READS),
            (snapshot.memberships, {"customer_group_uid": "str", "customer_uid": "str"}),
        ]:
            assert table.dtypes.astype(str).to_dict() == columns
            assert table.index.equals(pd.RangeIndex(len(table)))


def test_row_order():
    "The rows of all snapshot tables are sorted by uid, regardless of the order of the input."
    snapshot = create_snapshot()

    assert list(snapshot.groups["customer_group_uid"]) == ["0150", "vip"]
    assert list(snapshot.customers["customer_uid"]) == ["c-1", "c-2"]
    assert snapshot.memberships.to_dict("list") == {
        "customer_group_uid": ["0150", "vip", "vip"],
        "customer_uid": ["c-1", "c-1", "c-2"],
    }


def test_repeated_rows():
    "Repeated memberships are counted once, and the caller's table is not modified."
    twice = pd.concat([MEMBERSHIPS, MEMBERSHIPS])
    before = twice.copy(deep=True)

    assert len(create_snapshot(twice).memberships) == 3
    pdt.assert_frame_equal(twice, before)


def test_names_and_attributes():
    "Group names and customer attributes are assigned by uid, regardless of the order of the rows."
    groups = pd.DataFrame({"customer_group_uid": ["vip", "0150", "z"], "name": ["VIP", "Zero", "Empty"]})
    customers = pd.DataFrame({"customer_uid": ["c-9", "c-2"], "city": ["Bodø", "Malmö"]})

    snapshot = create_snapshot(MEMBERSHIPS, groups, customers)

    assert snapshot.group_name("0150") == "Zero" and snapshot.group_uid("Empty") == "z"
    assert list(snapshot["Empty"]) == []
    cities = snapshot.customers.set_index("customer_uid")["city"]
    assert cities["c-9"] == "Bodø" and cities["c-2"] == "Malmö" and pd.isna(cities["c-1"])


def test_group_by_uid_or_name():
    "Indexing a snapshot with the uid or name of a group returns the sorted customer uids of the group."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    assert list(snapshot["VIP"]) == list(snapshot["vip"]) == ["c-1", "c-2"]
    assert str(snapshot["VIP"].dtype) == "str" and snapshot["VIP"].name == "customer_uid"
    assert "VIP" in snapshot and "vip" in snapshot and "unknown" not in snapshot and 7 not in snapshot
    assert {"VIP", "vip"} <= set(snapshot._ipython_key_completions_())
    with pytest.raises(GroupNotFoundError, match=r"'VIPS'.*'VIP'") as caught:
        snapshot["VIPS"]
    assert "VIP" in caught.value.close


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-23T08:10Z", datetime(2026, 11, 23, 8, 10, tzinfo=UTC)),
        ("2026-11-23T08:10", datetime(2026, 11, 23, 8, 10, tzinfo=UTC)),
        ("2026-11-23T09:10+01:00", datetime(2026, 11, 23, 8, 10, tzinfo=UTC)),
        (
            datetime(2026, 11, 23, 9, 10, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 11, 23, 8, 10, tzinfo=UTC),
        ),
    ],
)
def test_taken_at_in_utc(given, expected):
    "The argument `taken_at` is converted to UTC. A time without a time zone is interpreted as UTC."
    assert create_snapshot(taken_at=given).taken_at == expected


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: create_snapshot(taken_at="soon"), "'soon'"),
        (lambda: create_snapshot(tenant_uid=""), "`tenant_uid`"),
        (lambda: create_snapshot([("vip", "c-1")]), "`memberships`.*list"),
        (lambda: create_snapshot(MEMBERSHIPS.drop(columns="customer_uid")), "`memberships`.*'customer_uid'"),
        (lambda: create_snapshot(MEMBERSHIPS.assign(customer_uid=[1, 2, 3])), "'customer_uid' of `memberships`.*int"),
        (
            lambda: create_snapshot(MEMBERSHIPS.assign(customer_uid=["c", None, ""])),
            "'customer_uid' of `memberships`.*1 row",
        ),
        (lambda: create_snapshot(MEMBERSHIPS, pd.DataFrame({"customer_group_uid": ["vip"]})), "`groups`.*: 0150"),
        (
            lambda: create_snapshot(MEMBERSHIPS, pd.DataFrame({"customer_group_uid": ["vip", "0150", "vip"]})),
            "`groups`.*'vip'",
        ),
        (
            lambda: create_snapshot(
                MEMBERSHIPS, None, pd.DataFrame({"customer_uid": ["c-1"], "credit_limit": ["a lot"]})
            ),
            "'credit_limit' must contain integers, got 'a lot'",
        ),
        (
            lambda: create_snapshot(
                MEMBERSHIPS, None, pd.DataFrame({"customer_uid": ["c-1"], "created_at": ["soon"]})
            ),
            "'created_at'",
        ),
    ],
)
def test_invalid_tables(make, words):
    "The error for an invalid table contains the names of the argument and of the column."
    with pytest.raises(InputError, match=words):
        make()


def test_snapshot_of_tables_is_unverifiable():
    "A snapshot that was created from tables is unverifiable, and its table `reads` has one row per group."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    assert snapshot.verdict == "unverifiable"
    assert "tables" in snapshot.describe()
    assert dict(zip(snapshot.reads["customer_group_uid"], snapshot.reads["n_rows"], strict=True)) == {
        "all": 250,
        "staff": 1,
        "vip": 2,
    }


@pytest.mark.parametrize(
    ("verdicts", "facts"),
    [
        ("cccc", ["4 of 4 groups are"]),
        ("c", ["1 of 1 group is"]),
        ("", ["0 of 0 groups"]),
        ("cdcc", ["3 of 4 groups", "B changed while it was read"]),
        ("dcdc", ["2 of 4 groups", "A and C changed"]),
        ("dddc", ["1 of 4 groups", "A, B, and C changed"]),
        ("dddddd", ["0 of 6 groups", "A, B, C, and 3 more changed"]),
        ("cuuc", ["2 of 4 groups", "B and C could not be verified"]),
        ("duuuuc", ["1 of 6 groups", "A changed", "B, C, D, and 1 more could not be verified"]),
    ],
)
def test_describe(verdicts, facts):
    "The summary of a snapshot contains the number of verified groups and up to three names of unverified groups."
    snapshot = snapshot_with_verdicts(verdicts)

    summary = snapshot.describe()
    assert all(fact in summary for fact in facts)
    assert ("changed" in summary) == ("d" in verdicts)
    assert ("could not be verified" in summary) == ("u" in verdicts)
    assert escape(summary) in snapshot._repr_html_()


def test_describe_incomplete_group():
    "If far fewer members were read than reported, the summary contains both numbers and advises against analysis."
    snapshot = snapshot_with_verdicts("cdd")
    reads = snapshot.reads.assign(n_rows=[10, 499, 96], total_first=[10, 2300, 96], total_last=[10, 2400, 110])

    summary = replace(snapshot, reads=reads).describe()

    assert summary == (
        "1 of 3 groups is verified as complete. Only 499 of 2,300 members of B were read. The snapshot is too "
        "incomplete for analysis. Load it again. If the problem persists, the server returns wrong members or wrong "
        "counts for these groups."
    )


def test_describe_unverifiable_group_list():
    "If the list of groups could not be verified, the summary of the snapshot contains an additional sentence."
    snapshot = replace(snapshot_with_verdicts("cc"), verdict="unverifiable")

    assert snapshot.describe().startswith(snapshot_with_verdicts("cc").describe())
    assert "list of groups" in snapshot.describe()


@pytest.mark.parametrize(("n", "text"), [(4, "1 more group."), (5, "2 more groups.")])
def test_describe_contradictions(n, text):
    "If more than three groups contradict the customer records, the summary contains the number of the other groups."
    snapshot = snapshot_with_verdicts("d" * n)
    snapshot = replace(snapshot, reads=snapshot.reads.assign(note=contradiction_note(119, 100)))

    assert text in snapshot.describe()


@pytest.mark.parametrize(("verdicts", "n_notes"), [("cc", 0), ("cuu", 2), ("uuuc", 3), ("uuudd", 4)])
def test_verdict_note(verdicts, n_notes):
    "The note contains the notes of at most three groups that are not consistent, and the number of further notes."
    snapshot = snapshot_with_verdicts(verdicts)
    snapshot = replace(snapshot, reads=snapshot.reads.assign(note="1 record had no uid"))

    parts = [part for part in snapshot.verdict_note.split("; ") if part]
    assert len(parts) == n_notes
    assert [part.startswith("group g-") for part in parts] == [True] * min(n_notes, 3) + [False] * (n_notes > 3)
    with_list = replace(snapshot, groups_note="1 record had no uid").verdict_note
    assert with_list.startswith("list of groups: 1 record had no uid")


def snapshot_with_verdicts(verdicts):
    """Return a snapshot with the groups A, B, ... whose verdicts start with the given letters."""
    uids = [f"g-{n}" for n in range(len(verdicts))]
    groups = pd.DataFrame({"customer_group_uid": uids, "name": list("ABCDEF"[: len(uids)])}, dtype="str")
    snapshot = create_snapshot(MEMBERSHIPS[:0], groups)
    verdict_by_letter = {verdict[0]: verdict for verdict in VERDICTS}
    names = [verdict_by_letter[letter] for letter in verdicts]
    return replace(snapshot, reads=snapshot.reads.assign(how="pages", verdict=names), verdict=worst_verdict(names))


def test_repr_and_card():
    "The repr and the card of a snapshot contain counts but no customer data."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    assert repr(snapshot) == "<Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 customers, 253 memberships>"
    assert "251" in snapshot._repr_html_() and "c-1" not in snapshot._repr_html_()


def test_card_age_and_sizes():
    "The card of a snapshot shows its age, its verdict, its five largest groups, and problems with the groups."
    groups = pd.DataFrame({"customer_group_uid": list("abcdefg"), "name": ["A", "B", "C", "C", "E", "F", "<g>"]})
    rows = [(uid, f"c-{n}") for size, uid in enumerate("abcdef", 1) for n in range(size)]
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")
    taken_at = datetime.now(UTC) - timedelta(hours=3, minutes=5)

    card = snapshot_from_frames(memberships, groups, tenant_uid="t-1", taken_at=taken_at)._repr_html_()

    assert "(3 h ago)" in card and "unverifiable: " in card
    sizes = ["F: 6 members", "E: 5 members", "C: 4 members", "C: 3 members", "B: 2 members"]
    assert [card.index(text) for text in sizes] == sorted(card.index(text) for text in sizes) and "A: 1" not in card
    assert "2 groups have the name C." in card and "&lt;g&gt; has no members." in card


def test_card_problems():
    "The card shows the number of groups that are not verified. Without problems, it names the health report."
    assert "2 groups are not verified as complete." in snapshot_with_verdicts("cdu")._repr_html_()
    assert "fg.health_report" in sample_snapshot()._repr_html_()


def test_card_escapes_html():
    "A card escapes HTML in all strings, and its table has a caption and header scopes."
    html = Card("<b>t</b>", {"<i>": '"&'}, mark="<script>").html()

    assert "<b>" not in html and "<i>" not in html and "<script>" not in html
    assert "&lt;b&gt;" in html and 'scope="row"' in html and "<caption" in html


def test_card_as_text():
    "A card in text form has two aligned columns. A card without values consists only of its title."
    assert Card("Plan", {"Adds": "1", "Leaves": "2"}, mark="blocked").text().splitlines() == [
        "Plan blocked",
        "  Adds    1",
        "  Leaves  2",
    ]
    assert Card("Plan", {}).text() == "Plan"


def test_card_lines():
    "A value with several lines has one row per line. A label is followed by a colon in text, and is bold in HTML."
    card = Card("Plan", {"Findings": [CardLine("<too many>", "BLOCKED", is_alarm=True), CardLine("$x$")]})

    assert card.text().splitlines() == ["Plan", "  Findings  BLOCKED: <too many>", "            $x$"]
    assert ">BLOCKED</strong>&lt;too many&gt;" in card.html() and "mathjax_ignore" in card.html()


def test_coerce_schema():
    "coerce_schema adds missing columns, puts other columns last, resets the index, and preserves strings."
    frame = pd.DataFrame({"extra": [1.5], "customer_uid": ["0150"]}, index=[7])

    table = coerce_schema(frame, CUSTOMERS)

    assert list(table.columns) == [*CUSTOMERS, "extra"]
    assert table["customer_uid"][0] == "0150" and table["extra"][0] == 1.5
    assert table.drop(columns=["customer_uid", "extra"]).isna().all(axis=None)
    assert list(coerce_schema(None, CONSENTS).columns) == list(CONSENTS)


def test_nullable_extra_columns():
    "If customers are missing from the table, additional boolean and integer columns become nullable."
    customers = pd.DataFrame(
        {"customer_uid": ["a", "b"], "club": [True, False], "visits": [3, 4], "score": [0.5, 1.0]}
    )
    memberships = pd.DataFrame({"customer_group_uid": "vip", "customer_uid": ["a", "b", "c"]})

    incomplete = create_snapshot(memberships, None, customers).customers
    complete = create_snapshot(memberships[:2], None, customers).customers

    extra = ["club", "visits", "score"]
    assert incomplete[extra].dtypes.astype(str).to_dict() == {
        "club": "boolean",
        "visits": "Int64",
        "score": "float64",
    }
    assert incomplete[extra].isna().all(axis=1).tolist() == [False, False, True]
    assert complete[extra].dtypes.astype(str).to_dict() == {"club": "bool", "visits": "int64", "score": "float64"}


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("group", "customer_group_uid"),
        ("customer", "customer_uid"),
        ("name", "name"),
        ("base_url", "base_url"),
        ("tenant_uid", "tenant_uid"),
    ],
)
def test_unpaired_surrogate(field, name):
    "If a string contains an unpaired surrogate, an InputError with the name of the column or argument is raised."
    texts = {"group": "a", "customer": "b", "name": "A", "base_url": "https://x.test", "tenant_uid": "t"}
    texts[field] += "\ud83d"
    rows = pd.DataFrame({"customer_group_uid": [texts["group"]], "customer_uid": [texts["customer"]]}, dtype=object)
    groups = pd.DataFrame({"customer_group_uid": [texts["group"]], "name": [texts["name"]]}, dtype=object)

    with pytest.raises(InputError, match=f"{name}.*UTF-8"):
        snapshot_from_frames(
            rows, groups, tenant_uid=texts["tenant_uid"], base_url=texts["base_url"], taken_at="2026-11-23T08:10Z"
        )


def test_contradiction_and_change():
    "A description separates groups that changed from groups whose pages contradict the customer records."
    snapshot = sample_snapshot()
    reads = snapshot.reads.assign(verdict=["drifted", "drifted", "consistent"], how="pages", n_rows=100)
    reads = reads.assign(note=["the list changed", contradiction_note(119, 100), ""], total_first=100, total_last=100)
    text = replace(snapshot, reads=coerce_schema(reads, READS)).describe()
    names = list(map(snapshot.group_name, reads["customer_group_uid"]))

    assert f"{names[0]} changed while it was read" in text
    assert f"{names[1]}: {contradiction_note(119, 100)}." in text and names[2] not in text


@pytest.mark.parametrize("counts", [(119, 100), (1, 1), (0, 1), (1000, 5000)])
def test_contradiction_note(counts):
    "A note about a contradiction is recognized. Other notes are not."
    assert is_contradiction(contradiction_note(*counts)) and is_contradiction(missing_reference_note(counts[0]))
    assert not is_contradiction("")


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://API.example/v2/", "https://api.example/v2"),
        ("https://api.example:443/v2", "https://api.example/v2"),
        ("stage", "https://api.stage.flowretail.com/v2"),
        (None, None),
    ],
)
def test_base_url(base_url, expected):
    "The base URL is normalized as in a client, so that a plan from the snapshot can be applied."
    memberships = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-1"]})
    snapshot = snapshot_from_frames(memberships, tenant_uid="t-1", taken_at="2026-11-23", base_url=base_url)

    assert snapshot.base_url == plan_memberships(snapshot, {"vip": ["c-2"]}).base_url == expected


@pytest.mark.parametrize("base_url", ["", "stag", "http://api.example/v2", 5])
def test_invalid_base_url(base_url):
    "A value that cannot be the base URL of a client is rejected."
    memberships = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-1"]})
    with pytest.raises(InputError, match="`base_url`"):
        snapshot_from_frames(memberships, tenant_uid="t-1", taken_at="2026-11-23", base_url=base_url)


@pytest.mark.parametrize("column", ["city", "created_at", "own"])
def test_repeated_column(column):
    "A table in which two columns have the same name is rejected, for columns of the schema and additional columns."
    memberships = pd.DataFrame({"customer_group_uid": ["g"], "customer_uid": ["c"]})
    customers = pd.DataFrame([["c", "2026-01-01", "2026-01-02"]], columns=["customer_uid", column, column])

    with pytest.raises(InputError, match=repr(column)):
        snapshot_from_frames(memberships, None, customers, tenant_uid="t", taken_at="2026-11-23T08:10Z")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("credit_limit", [100.0, 2500.5], "integers, got 2500.5"),
        ("has_email", [True, "maybe"], "the Boolean values True and False, got 'maybe'"),
        ("credit_limit", pd.array([1.0, 2.5], dtype="Float64"), "integers, got 2.5"),
        ("credit_limit", pd.array([1, 2**63], dtype="UInt64"), f"integers, got {2**63}"),
        ("created_at", ["2026-11-17", "now"], "timestamps .*, got 'now'"),
        ("created_at", ["2026-11-17", "17.11.2026"], "timestamps in ISO 8601, for example .*, got '17.11.2026'"),
        ("created_at", pd.Series(["2026-11-17", "05.11.2026"], dtype=object), "timestamps .*, got '05.11.2026'"),
        ("created_at", [20261117, 20261118], "timestamps .*, got 20261117"),
    ],
)
def test_invalid_values(column, values, message):
    "A value that cannot be converted is named. Only timestamps in ISO 8601 are converted."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], column: values})
    with pytest.raises(InputError, match=f"{column!r} must contain {message}"):
        create_snapshot(MEMBERSHIPS, None, customers)


@pytest.mark.parametrize(
    "values", [["7", "8"], [7.0, 8.0], pd.array([7, 8], dtype="UInt8"), pd.array([7.0, 8.0], dtype="Float64")]
)
def test_integers(values):
    "Integers as strings, as floats, and of other dtypes are converted."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "credit_limit": values})
    assert create_snapshot(MEMBERSHIPS, None, customers).customers["credit_limit"].tolist() == [7, 8]


def test_missing_timestamps():
    "A column of missing numbers is converted to missing timestamps."
    customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "created_at": [float("nan")] * 2})
    assert create_snapshot(MEMBERSHIPS, None, customers).customers["created_at"].isna().all()
