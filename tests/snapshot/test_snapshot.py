"""What a Snapshot takes, checks and shows; its tables and its card."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html import escape

import pandas as pd
import pandas.testing as pdt
import pytest

from frgroups.errors import GroupNotFoundError, InputError
from frgroups.internals.html import Card
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, READS, coerce_schema

MEMBERSHIPS = pd.DataFrame({"customer_group_uid": ["vip", "0150", "vip"], "customer_uid": ["c-2", "c-1", "c-1"]})

READ_AGAIN = "The snapshot can be used for analysis. Read these groups again before planning."


def made(memberships=MEMBERSHIPS, *tables, **facts):
    return snapshot_from_frames(
        memberships, *tables, **{"tenant_uid": "t-1", "taken_at": "2026-11-23T08:10Z", **facts}
    )


def test_tables_have_fixed_columns_and_dtypes():
    "Full, sparse and empty snapshots have the same columns and dtypes, in the same order."
    for snapshot in (sample_snapshot(), made(), made(MEMBERSHIPS[:0])):
        for table, columns in [
            (snapshot.groups, GROUPS),
            (snapshot.customers, CUSTOMERS),
            (snapshot.consents, CONSENTS),
            (snapshot.reads, READS),
            (snapshot.memberships, {"customer_group_uid": "str", "customer_uid": "str"}),
        ]:
            assert table.dtypes.astype(str).to_dict() == columns
            assert table.index.equals(pd.RangeIndex(len(table)))


def test_rows_of_every_table_stand_in_uid_order():
    "Groups, customers and memberships come in uid order, however they were given."
    snapshot = made()

    assert list(snapshot.groups["customer_group_uid"]) == ["0150", "vip"]
    assert list(snapshot.customers["customer_uid"]) == ["c-1", "c-2"]
    assert snapshot.memberships.to_dict("list") == {
        "customer_group_uid": ["0150", "vip", "vip"],
        "customer_uid": ["c-1", "c-1", "c-2"],
    }


def test_repeated_rows_count_once_and_the_input_stays():
    "A membership that stands twice is one; the caller's frame is as it was."
    twice = pd.concat([MEMBERSHIPS, MEMBERSHIPS])
    before = twice.copy(deep=True)

    assert len(made(twice).memberships) == 3
    pdt.assert_frame_equal(twice, before)


def test_names_and_attributes_stay_with_their_uid():
    "A name or attribute given in any order ends beside the uid it was given with."
    groups = pd.DataFrame({"customer_group_uid": ["vip", "0150", "z"], "name": ["VIP", "Zero", "Nobody"]})
    customers = pd.DataFrame({"customer_uid": ["c-9", "c-2"], "city": ["Bodø", "Malmö"]})

    snapshot = made(MEMBERSHIPS, groups, customers)

    assert snapshot.group_name("0150") == "Zero" and snapshot.group_uid("Nobody") == "z"
    assert list(snapshot["Nobody"]) == []
    cities = snapshot.customers.set_index("customer_uid")["city"]
    assert cities["c-9"] == "Bodø" and cities["c-2"] == "Malmö" and pd.isna(cities["c-1"])


def test_a_group_is_taken_by_uid_or_name():
    "Both give the uids in order; `in` asks without raising; the index is text."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    assert list(snapshot["VIP"]) == list(snapshot["vip"]) == ["c-1", "c-2"]
    assert str(snapshot["VIP"].dtype) == "str" and snapshot["VIP"].name == "customer_uid"
    assert "VIP" in snapshot and "vip" in snapshot and "nobody" not in snapshot and 7 not in snapshot
    assert {"VIP", "vip"} <= set(snapshot._ipython_key_completions_())
    with pytest.raises(GroupNotFoundError, match="Did you mean 'VIP'"):
        snapshot["VIPS"]


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
def test_moments_are_kept_in_utc(given, expected):
    "A moment with a zone is converted; one without is taken as UTC."
    assert made(taken_at=given).taken_at == expected


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: made(taken_at="soon"), "not a moment"),
        (lambda: made(tenant_uid=""), "tenant_uid"),
        (lambda: made([("vip", "c-1")]), "must be a DataFrame"),
        (lambda: made(MEMBERSHIPS.drop(columns="customer_uid")), "needs a column 'customer_uid'"),
        (lambda: made(MEMBERSHIPS.assign(customer_uid=[1, 2, 3])), "leading zeros"),
        (lambda: made(MEMBERSHIPS.assign(customer_uid=["c", None, ""])), "rows without a uid"),
        (lambda: made(MEMBERSHIPS, pd.DataFrame({"customer_group_uid": ["vip"]})), "no row in groups: 0150"),
        (
            lambda: made(MEMBERSHIPS, pd.DataFrame({"customer_group_uid": ["vip", "0150", "vip"]})),
            "'vip' more than once",
        ),
        (
            lambda: made(MEMBERSHIPS, None, pd.DataFrame({"customer_uid": ["c-1"], "credit_limit": ["a lot"]})),
            "'credit_limit'.*Int64",
        ),
        (
            lambda: made(MEMBERSHIPS, None, pd.DataFrame({"customer_uid": ["c-1"], "created_at": ["soon"]})),
            "'created_at'",
        ),
    ],
)
def test_what_cannot_be_a_snapshot_is_refused_in_words(make, words):
    "The error names the table, the column and what is wrong with it."
    with pytest.raises(InputError, match=words):
        make()


def test_a_snapshot_of_tables_claims_no_proof():
    "It is unverifiable, says so in words, and has a row of reads for each group."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    assert snapshot.verdict == "unverifiable"
    assert snapshot.describe() == "made from tables, not read from a tenant"
    assert dict(zip(snapshot.reads["customer_group_uid"], snapshot.reads["n_rows"], strict=True)) == {
        "all": 250,
        "staff": 1,
        "vip": 2,
    }


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ("cccc", "4 of 4 groups proved."),
        ("c", "1 of 1 group proved."),
        ("", "0 of 0 groups proved."),
        ("cdcc", "3 of 4 groups proved; B changed while read. {plan}"),
        ("dcdc", "2 of 4 groups proved; A and C changed while read. {plan}"),
        ("dddc", "1 of 4 groups proved; A, B and C changed while read. {plan}"),
        ("dddddd", "0 of 6 groups proved; A, B, C and 3 more changed while read. {plan}"),
        ("cuuc", "2 of 4 groups proved; for B and C there was no proof to be had."),
        (
            "duuuuc",
            "1 of 6 groups proved; A changed while read; for B, C, D and 1 more there was no proof to be had. {plan}",
        ),
    ],
)
def test_a_snapshot_says_in_a_sentence_how_sure_it_is(verdicts, told):
    "How many groups are proved, a few of the others by name and the rest by number, and what then; on its card too."
    snapshot = read_with(verdicts)

    assert snapshot.describe() == told.format(plan=READ_AGAIN)
    assert escape(snapshot.describe()) in snapshot._repr_html_()


def test_what_came_short_is_no_base_for_an_analysis():
    "Where a list is far from whole, nothing changed in between: the numbers are told, and that they will not do."
    snapshot = read_with("cdd")
    reads = snapshot.reads.assign(n_rows=[10, 499, 96], total_first=[10, 2300, 96], total_last=[10, 2400, 110])

    told = replace(snapshot, reads=reads).describe()

    assert told == (
        "1 of 3 groups proved; of B 499 of 2,300 counted came. Too little for any analysis. Load again; if it stays "
        "so, the service lists or counts these groups wrongly."
    )


def test_groups_that_may_be_more_are_told():
    "Every group is proved, and the list of them is not."
    snapshot = replace(read_with("cc"), verdict="unverifiable")

    assert snapshot.describe() == "2 of 2 groups proved; whether these are all groups could not be proved."


def read_with(verdicts):
    """A snapshot whose groups A, B ... were read with these verdicts, by their first letters."""
    uids = [f"g-{n}" for n in range(len(verdicts))]
    groups = pd.DataFrame({"customer_group_uid": uids, "name": list("ABCDEF"[: len(uids)])}, dtype="str")
    snapshot = made(MEMBERSHIPS[:0], groups)
    words = {one[0]: one for one in ("drifted", "unverifiable", "consistent")}
    reads = snapshot.reads.assign(how="pages", verdict=[words[one] for one in verdicts])
    worst = next((word for one, word in words.items() if one in verdicts), "consistent")
    return replace(snapshot, reads=reads, verdict=worst)


def test_repr_and_card_tell_numbers_and_no_customer():
    "What a notebook shows has the counts, and neither a uid of a customer nor a name of one."
    snapshot = sample_snapshot("2026-11-23T08:10Z")

    assert repr(snapshot) == ("<Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 customers, 253 memberships>")
    assert "251" in snapshot._repr_html_() and "c-1" not in snapshot._repr_html_()


def test_a_card_escapes_what_it_is_given():
    "Text from a tenant cannot become markup; headers have a scope and the table a caption."
    html = Card("<b>t</b>", {"<i>": '"&'}, mark="<script>").html()

    assert "<b>" not in html and "<i>" not in html and "<script>" not in html
    assert "&lt;b&gt;" in html and 'scope="row"' in html and "<caption" in html


def test_a_card_is_text_in_a_terminal():
    "Lines stand in two columns; a card without facts is its title."
    assert Card("Plan", {"Adds": "1", "Leaves": "2"}, mark="blocked").text().splitlines() == [
        "Plan blocked",
        "  Adds    1",
        "  Leaves  2",
    ]
    assert Card("Plan", {}).text() == "Plan"


def test_conform_fills_what_is_missing_and_keeps_what_is_more():
    "Missing columns are filled, further ones follow, the index starts at 0, and text stays text."
    frame = pd.DataFrame({"extra": [1.5], "customer_uid": ["0150"]}, index=[7])

    table = coerce_schema(frame, CUSTOMERS)

    assert list(table.columns) == [*CUSTOMERS, "extra"]
    assert table["customer_uid"][0] == "0150" and table["extra"][0] == 1.5
    assert table.drop(columns=["customer_uid", "extra"]).isna().all(axis=None)
    assert list(coerce_schema(None, CONSENTS).columns) == list(CONSENTS)


def test_extra_columns_keep_their_dtypes_beside_customers_without_a_row():
    "Yes and no, and whole numbers, can miss a value; they turn neither into objects nor into floats."
    customers = pd.DataFrame(
        {"customer_uid": ["a", "b"], "club": [True, False], "visits": [3, 4], "score": [0.5, 1.0]}
    )
    memberships = pd.DataFrame({"customer_group_uid": "vip", "customer_uid": ["a", "b", "c"]})

    some, all_known = (made(rows, None, customers).customers for rows in (memberships, memberships[:2]))

    extra = ["club", "visits", "score"]
    assert some[extra].dtypes.astype(str).to_dict() == {"club": "boolean", "visits": "Int64", "score": "float64"}
    assert some[extra].isna().all(axis=1).tolist() == [False, False, True]
    assert all_known[extra].dtypes.astype(str).to_dict() == {"club": "bool", "visits": "int64", "score": "float64"}


@pytest.mark.parametrize("bad", ["group", "customer", "name", "base_url", "tenant_uid"])
def test_half_a_character_in_tables_is_an_error_of_ours(bad):
    "It is refused with the place it stands in, whatever column or argument that is."
    texts = {"group": "a", "customer": "b", "name": "A", "base_url": "https://x.test", "tenant_uid": "t"}
    texts[bad] += "\ud83d"
    rows = pd.DataFrame({"customer_group_uid": [texts["group"]], "customer_uid": [texts["customer"]]}, dtype=object)
    groups = pd.DataFrame({"customer_group_uid": [texts["group"]], "name": [texts["name"]]}, dtype=object)

    with pytest.raises(InputError, match="half of one"):
        snapshot_from_frames(
            rows, groups, tenant_uid=texts["tenant_uid"], base_url=texts["base_url"], taken_at="2026-11-23T08:10Z"
        )
