"""What `describe` says of a table is what stands in it, and what its chart shows."""

import re

import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import InputError

MEMBERS = {
    "all": [f"c-{n}" for n in range(40)],
    "vip": [f"c-{n}" for n in range(12)],
    "gold": [f"c-{n}" for n in range(8, 14)],
    "none": [],
}
NAMES = {"all": "Alle kunder", "vip": "VIP ★ Ελλάδα", "gold": "Gold", "none": "Ikke startet"}


def snapshot_of(members, taken_at="2026-11-01", names=NAMES):
    """A snapshot of these members."""
    rows = [(group, uid) for group, uids in members.items() for uid in uids]
    customers = pd.DataFrame({"customer_uid": sorted({uid for _, uid in rows})})
    customers["country_code"] = ["NO" if n % 3 else "SE" for n in range(len(customers))]
    customers["has_email"], customers["has_mobile"] = True, False
    return fg.snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"]),
        pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}),
        customers,
        pd.DataFrame(
            [(uid, "newsletter", "Newsletter", True) for uid in customers["customer_uid"]],
            columns=["customer_uid", "consent_uid", "consent_name", "status"],
        ),
        tenant_uid="t-1",
        taken_at=taken_at,
    )


@pytest.fixture
def snapshot():
    """Four groups of forty customers."""
    return snapshot_of(MEMBERS)


def test_sizes(snapshot):
    "How many groups and memberships, the largest with what is in no other, and the empty ones."
    assert fg.describe(fg.group_sizes(snapshot), top=2) == (
        "4 groups with 58 memberships. The largest: Alle kunder with 40 (26 in no other group); "
        "VIP ★ Ελλάδα with 12 (0). The other 2 hold 6 (10.3%). Without a member: 1."
    )
    assert fg.describe(snapshot, top=2) == fg.describe(fg.group_sizes(snapshot), top=2)


def test_a_matrix(snapshot):
    "The pairs with the largest values, by what they are values of."
    told = fg.describe(fg.overlap_matrix(snapshot, labels="name"), measure="count")

    assert told.startswith(
        "4 groups, 6 pairs, by customers in both. The largest values: Alle kunder and VIP ★ Ελλάδα 12;"
    )
    assert told.endswith("Of 0: 3 values.")


@pytest.mark.parametrize("measure", ["share", "lift", "phi", "pmi", "jaccard", "overlap_coefficient"])
def test_a_matrix_by_each_measure(snapshot, measure):
    "The first pair told has the largest value of the matrix apart from its diagonal."
    matrix = fg.overlap_matrix(snapshot, ["all", "vip", "gold"], measure=measure, universe=100)
    largest = max(matrix.iloc[a, b] for a in range(3) for b in range(3) if a != b)

    told = fg.describe(matrix, measure=measure)

    [number] = re.findall(r"The largest values: \w+ (?:and|in) \w+ ([\d.]+)", told)
    percent = 100 if measure in ("share", "jaccard", "overlap_coefficient") else 1
    assert float(number) == pytest.approx(largest * percent, abs=0.05)


def test_without_a_universe_a_matrix_says_that_it_does_not_know(snapshot):
    "NaN is told as unknown, never as 0."
    told = fg.describe(fg.overlap_matrix(snapshot, ["all", "vip"], measure="lift"), measure="lift")

    assert told == "2 groups, 1 pair, by customers in both against chance (lift). Unknown or without bound: 1 value."


def test_intersections_by_their_mode(snapshot):
    "The table says which mode it is of, and what was cut is told."
    exclusive = fg.describe(fg.intersections(snapshot, top=2))
    inclusive = fg.describe(fg.intersections(snapshot, mode="inclusive"), top=1)

    assert "40 customers, 2 combinations; customers in exactly these groups. The most: all 26 (65%)" in exclusive
    assert "In none of these combinations, cut from the table: 6." in exclusive
    assert "all of these groups, whatever else they are in. The most: all 40 (100%)" in inclusive


def test_changes_history_and_flow(snapshot):
    "Numbers of joined, left, first, last, stayed and moved are those of the tables."
    moved = MEMBERS | {"vip": ["c-0", "c-1", *(f"c-{n}" for n in range(20, 25))], "gold": MEMBERS["gold"][:4]}
    later = snapshot_of(moved, "2026-12-01")

    changes = fg.describe(fg.group_changes(snapshot, later))
    history = fg.describe(fg.size_history([snapshot, later]), top=2)
    flow = fg.describe(fg.group_flow(snapshot, later, ["vip", "gold"]))

    assert changes.startswith("2 of 4 groups changed: 5 joined, 12 left.")
    assert changes.endswith("The most changed, joined and left: VIP ★ Ελλάδα +5 −10; Gold +0 −2.")
    assert "4 groups at 2 moments" in history and "VIP ★ Ελλάδα from 12 to 7" in history and "2 more" in history
    table = fg.group_flow(snapshot, later, ["vip", "gold"])
    stayed = int(table.loc[table["from_group"] == table["to_group"], "n"].sum())
    assert flow.startswith(f"{int(table['n'].sum())} customers, of whom {stayed} stayed where they were")


def test_no_change_is_said(snapshot):
    "Where nothing changed, that is the sentence."
    assert fg.describe(fg.group_changes(snapshot, snapshot)) == "No change in 4 groups."


def test_a_profile_tells_nothing_that_is_suppressed(snapshot):
    "Of what is suppressed only the number of rows is told."
    table = fg.group_profile(snapshot, "vip", min_count=6, attributes=["country_code", "has_email"])
    told = fg.describe(table)

    assert f"Suppressed, since they tell of too few customers: {int(table['suppressed'].sum())}" in told
    for value in table.loc[table["suppressed"], "value"]:
        assert f"country_code: {value}" not in told
    everything = fg.describe(fg.group_profile(snapshot, "vip", min_count=0, attributes=["country_code"]))
    assert "country_code: NO 58.3%" in everything and "Suppressed" not in everything


def test_reach_steps_and_campaigns(snapshot):
    "Who may be written to, what each step adds, and for whom a campaign matters."
    reach = fg.describe(fg.reachability(snapshot, ["vip"], channels=["email"], consent={"email": "newsletter"}))
    steps = fg.describe(fg.incremental_reach(snapshot, consent={"email": "newsletter"}))
    campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    campaign = fg.describe(fg.campaign_reach(snapshot, campaigns))

    assert "VIP ★ Ελλάδα, 12 members: email 12 (100%)" in reach
    assert steps.startswith("1 group reach") or "Alle kunder adds 40 (100%)" in steps
    assert "VIP ★ Ελλάδα (20%) for 12 of 12; Alle kunder (5%) for 28 of 40, best other VIP ★ Ελλάδα" in campaign


def test_groups_of_one_name_are_told_apart():
    "A name that two groups have stands with the uid; names are whole, on one line."
    names = {
        "a": "VIP",
        "b": "VIP",
        "c": "A name\nof two lines that no chart has room for, with all of its words",
    }
    told = fg.describe(snapshot_of({"a": ["c-1"], "b": ["c-2"], "c": ["c-3"]}, names=names))

    assert "VIP (a) with 1" in told and "VIP (b) with 1" in told
    assert "A name of two lines that no chart has room for, with all of its words with 1" in told


def test_empty_tables_say_so():
    "Each kind of table without a row is a sentence, and no error."
    empty = snapshot_of({}, names={})
    tables = [
        fg.group_sizes(empty),
        fg.overlap_matrix(empty),
        fg.intersections(empty),
        fg.group_changes(empty, empty),
        fg.group_flow(empty, empty),
        fg.reachability(empty),
        fg.incremental_reach(empty),
        fg.campaign_reach(empty, pd.DataFrame({"customer_group_uid": [], "discount_percent": []})),
        fg.size_history([empty]),
    ]

    assert [fg.describe(table) for table in tables] == [
        "No groups.",
        "No groups.",
        "No customers in groups.",
        "No groups.",
        "Nobody was or is in these groups.",
        "No groups.",
        "Nobody can be reached.",
        "No campaign that runs.",
        "No readings.",
    ]


@pytest.mark.parametrize(
    ("table", "options", "told"),
    [
        (pd.DataFrame({"a": [1]}), {}, "has the columns 'a'"),
        ([1, 2], {}, "not a list"),
        (pd.DataFrame(), {"top": 0}, "tells nothing"),
        (pd.DataFrame(), {"top": True}, "tells nothing"),
    ],
)
def test_what_it_does_not_know_is_an_error(table, options, told):
    "Another table, or nothing to tell, is said with what is known."
    with pytest.raises(InputError, match=told):
        fg.describe(table, **options)
