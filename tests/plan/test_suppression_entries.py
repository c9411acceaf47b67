"""Tests for entries of the suppression list with groups, ends, and sources."""

import json
import re
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

import frgroups as fg
from frgroups.cli.main import main
from frgroups.errors import InputError, ListError, PlanBlockedError
from frgroups.internals.spreadsheets import read_table
from frgroups.plan.suppression_entries import SuppressionEntry, SuppressionList, parse_end
from frgroups.plan.suppression_list import current_suppression_list, entry_table, suppression_entries
from tests.plan.suppression import excluded_of, plan_for, write_list
from tests.plan.test_planner import CUSTOMERS, NEW, cases, operations, snapshot_of
from tests.world import select_sandbox

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADER = "customer_uid,customer_group_uid,until,source,reason\n"
FAR, SOON, PAST = "2099-12-31", "2098-06-30", "2020-01-01"
WISHES = {"vip": ["c-7", "c-8", "c-9"], "staff": ["c-7", "c-8"]}


def excluded_rows(plan):
    """Return the excluded changes as a set of (group, customer, reason)."""
    table = plan.excluded()
    return set(zip(table["customer_group_uid"], table["customer_uid"], table["reason"], strict=True))


def counts_of(findings, *rules):
    """Return the numbers of customers in the findings with the given rules, by rule and group."""
    return {(item.rule, item.customer_group_uid): item.n for item in findings if item.rule in rules}


# Ends


@pytest.mark.parametrize(
    ("text", "last", "first_after"),
    [
        ("2026-11-30", "2026-11-30T23:59:59.999999Z", "2026-12-01T00:00Z"),
        ("2026-11-30 00:00:00", "2026-11-30T23:59Z", "2026-12-01T00:00Z"),
        ("2026-11-30T00:00:00", "2026-11-30T23:59Z", "2026-12-01T00:00Z"),
        ("2026-11-30T00:00:00Z", "2026-11-29T23:59Z", "2026-11-30T00:00Z"),
        ("2026-11-30T12:00", "2026-11-30T11:59Z", "2026-11-30T12:00Z"),
        ("2026-11-30 12:00+02:00", "2026-11-30T09:59Z", "2026-11-30T10:00Z"),
        ("2024-02-29", "2024-02-29T23:00Z", "2024-03-01T00:00Z"),
    ],
)
def test_end(text, last, first_after):
    "A day includes the whole day in UTC. An entry that ends at a time is in force before this time."
    entry = SuppressionEntry("c-1", until=parse_end(text))

    assert entry.is_in_force(datetime.fromisoformat(last))
    assert not entry.is_in_force(datetime.fromisoformat(first_after))


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59:59", ""])
def test_no_early_end(text):
    "The latest possible date and a blank end do not cause an overflow, and the entry is in force."
    write_list(fg.sample_snapshot(), f"{HEADER}c-7,,{text},,\n")

    assert current_suppression_list(fg.sample_snapshot()).find("vip", "c-7") is not None


@given(day=st.dates(), hours=st.integers(-30, 30))
def test_whole_day(day, hours):
    "An entry that ends on a day is in force exactly until the day has ended."
    try:
        at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hours)
    except OverflowError:
        return

    assert SuppressionEntry("c-1", until=parse_end(day.isoformat())).is_in_force(at) == (at.date() <= day)


# Reading the file


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("c-8,vip,31.12.2099,,", ["row 3", "until", "31.12.2099"]),
        ("c-8,vip,2099-02-30,,", ["row 3", "until"]),
        ("c-8,vip,46387,,", ["row 3", "until"]),
        ("c-8,vip,0001-01-01T00:00+05:00,,", ["row 3", "until"]),
        ("c-8,vip,next week,crm,", ["row 3", "until"]),
        (f"c-8,,{FAR},holdout,", ["row 3", "customer_group_uid"]),
        ("c-8,vip,,holdout,", ["row 3", "until"]),
        ("c-8,,,Holdout,", ["row 3", "customer_group_uid and until"]),
        (f"c-8,,{PAST},HOLDOUT,", ["row 3", "customer_group_uid"]),
        (f"c-8,150.0,{FAR},,", ["row 3", "150.0"]),
        (f"c-8,#N/A,{FAR},,", ["row 3", "#N/A"]),
    ],
)
def test_invalid_entry(row, parts):
    "An entry with an invalid end or group, and a holdout without a group or end, raise ListError with the row."
    snapshot = fg.sample_snapshot()
    path = write_list(snapshot, f"{HEADER}c-7,,,,\n{row}\n")

    with pytest.raises(ListError) as error:
        fg.plan_memberships(snapshot, WISHES)

    assert all(part in str(error.value) for part in (*parts, str(path)))


@pytest.mark.parametrize("name", ["customer_group_uid", "until", "source"])
def test_repeated_column(name):
    "A list with two columns for the group, the end, or the source is ambiguous."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, f"customer_uid,{name},{name.title()}\nc-7,{SOON},{FAR}\n")

    with pytest.raises(ListError, match=name):
        fg.plan_memberships(snapshot, WISHES)


@pytest.mark.parametrize("end", [date(2099, 12, 31), datetime(2099, 12, 31), FAR])
def test_workbook_columns(end, tmp_path):
    "The entries of a workbook are read, and a date cell includes the whole day."
    path = tmp_path / "list.xlsx"
    book = Workbook()
    for row in [["Customer UID", "Customer group UID", "Until", "Source"], ["c-7", "vip", end, "Holdout"]]:
        book.active.append(row)
    book.save(path)

    plan = fg.plan_memberships(fg.sample_snapshot(), WISHES, suppression_list=entry_table(read_table(path, None)))

    assert excluded_rows(plan) == {("vip", "c-7", "holdout until 2099-12-31")}


def test_masked_source():
    "Contact data in the source and the reason is masked."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, f"{HEADER}c-7,vip,{FAR},kari@example.org,+47 900 00 000\n")

    assert excluded_rows(fg.plan_memberships(snapshot, WISHES)) == {
        ("vip", "c-7", f"suppression list (…@…) until {FAR}: +…")
    }


# Planning


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["c-7,vip,,,"], {("vip", "c-7", "suppression list")}),
        (["c-7,,,,"], {("vip", "c-7", "suppression list"), ("staff", "c-7", "suppression list")}),
        ([f"c-7,vip,{PAST},,", f"c-8,staff,{PAST},holdout,"], set()),
        (
            [f"c-7,vip,{FAR},holdout,spring", f"c-7,staff,{SOON},holdout,"],
            {("vip", "c-7", f"holdout until {FAR}: spring"), ("staff", "c-7", f"holdout until {SOON}")},
        ),
        (
            [f"c-7,vip,{FAR},holdout,", "c-7,,,crm,asked us to"],
            {(uid, "c-7", "suppression list (crm): asked us to") for uid in ("vip", "staff")},
        ),
        (
            [f"c-7,vip,{SOON},holdout,", f"c-7,vip,{FAR},holdout,", f"c-7,,{PAST},,"],
            {("vip", "c-7", f"holdout until {FAR}")},
        ),
        ([f"c-7,vip,{FAR}T10:30,crm,"], {("vip", "c-7", f"suppression list (crm) until {FAR} 10:30 UTC")}),
    ],
)
def test_entries(rows, expected):
    "Entries apply to their group until they end. The order of the entries has no effect."
    snapshot = fg.sample_snapshot()
    for ordered in (rows, rows[::-1]):
        write_list(snapshot, HEADER + "\n".join(ordered) + "\n")

        assert excluded_rows(fg.plan_memberships(snapshot, WISHES)) == expected


ENDS = st.none() | st.datetimes(NOW.replace(tzinfo=None) - timedelta(days=3), NOW.replace(tzinfo=None)).map(str)
ENDS |= st.sampled_from([PAST, SOON, FAR, "2026-11-29", "2026-11-30", "2026-12-01", "2026-11-30T12:00Z"])
ENTRIES = st.tuples(
    st.sampled_from([*CUSTOMERS, *NEW]),
    st.sampled_from(["", "g1", "g2", "g3", "gone"]),
    ENDS,
    st.sampled_from(["", "crm", "holdout"]),
).filter(lambda entry: entry[3] != "holdout" or (entry[1] and entry[2]))


@given(entries=st.lists(ENTRIES, max_size=20), at=st.datetimes(datetime(2026, 11, 28), datetime(2026, 12, 3)))
def test_find(entries, at):
    "A customer is excluded from a group if and only if an entry for the group or for all groups is in force."
    at = at.replace(tzinfo=UTC)
    built = [SuppressionEntry(uid, group, end and parse_end(end), source) for uid, group, end, source in entries]
    listed, reverse = SuppressionList.in_force(built, at), SuppressionList.in_force(built[::-1], at)

    for group in ("g1", "g2", "other"):
        for customer in CUSTOMERS:
            applies = any(
                entry.customer_uid == customer
                and entry.customer_group_uid in ("", group)
                and (entry.until is None or at < entry.until.at)
                for entry in built
            )
            assert (listed.find(group, customer) is not None) == applies
            assert listed.find(group, customer) == reverse.find(group, customer)


@given(
    case=cases(),
    rows=st.lists(
        st.tuples(
            st.sampled_from([*CUSTOMERS, *NEW]),
            st.sampled_from(["", "g1", "g2", "g3"]),
            st.sampled_from(["", PAST, SOON, FAR]),
            st.sampled_from(["", "crm", "holdout"]),
        ).filter(lambda row: row[3] != "holdout" or (row[1] and row[2])),
        max_size=12,
    ),
    split=st.integers(0, 12),
)
def test_planned_additions(case, rows, split):
    "A plan adds a customer unless an entry in the file or the argument is in force, and makes no other difference."
    now, wanted = case
    snapshot = snapshot_of(now)
    columns = ["customer_uid", "customer_group_uid", "until", "source"]
    table = pd.DataFrame(rows, columns=columns, dtype="str")
    path = fg.suppression_list_path(snapshot)
    path.parent.mkdir(parents=True, exist_ok=True)
    table[:split].to_csv(path, index=False)

    plan = fg.plan_memberships(snapshot, wanted, suppression_list=table[split:])
    path.unlink()

    active = {(uid, group) for uid, group, end, _ in rows if end != PAST}
    requested = operations(fg.plan_memberships(snapshot, wanted))
    expected = {(group, uid, change) for group, uid, change in requested if not {(uid, group), (uid, "")} & active}
    assert operations(plan) == expected
    kept = {group: [uid for uid in uids if (group, uid, "add") in expected] for group, uids in wanted.items()}
    assert plan.digest == fg.plan_memberships(snapshot, kept).digest
    # The end of a holdout is always shown, and the reported entry is the entry that lasts longest.
    endless = {(uid, group) for uid, group, end, _ in rows if not end}
    for group, uid, reason in excluded_rows(plan):
        assert ("until" in reason) == (not {(uid, group), (uid, "")} & endless)


def test_new_group():
    "A holdout can name a group that the plan creates."
    entries = pd.DataFrame(
        {"customer_uid": ["c-7"], "customer_group_uid": ["new"], "until": [FAR], "source": ["holdout"]}
    )

    plan = fg.plan_memberships(
        fg.sample_snapshot(), {"new": ["c-7", "c-8"]}, create={"new": "New"}, suppression_list=entries
    )

    assert operations(plan) == {("new", "c-8", "add")}
    assert counts_of(plan.findings, "holdout", "unknown_suppressed_groups") == {("holdout", "new"): 1}


def test_removal_of_held_out_customer():
    "A holdout does not remove a member, and does not prevent the removal of a member."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, f"{HEADER}c-1,vip,{FAR},holdout,\nc-2,vip,{FAR},holdout,\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-2"]}, mode="mirror")

    assert operations(plan) == {("vip", "c-1", "remove")} and plan.excluded().empty
    assert counts_of(plan.findings, "held_out_members") == {("held_out_members", "vip"): 1}


@pytest.mark.parametrize("mode", ["add", "mirror"])
def test_held_out_members(mode):
    "A plan reports the held-out customers who stay members, also for a group without changes."
    snapshot = fg.sample_snapshot()
    rows = "".join(f"{uid},vip,{FAR},holdout,\n" for uid in ("c-1", "c-2", "c-7"))
    write_list(snapshot, f"{HEADER}{rows}c-1,staff,{FAR},crm,\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-1", "c-7"], "staff": ["c-1"]}, mode=mode)

    [finding] = [item for item in plan.findings if item.rule == "held_out_members"]
    assert (finding.customer_group_uid, finding.n) == ("vip", 2 if mode == "add" else 1)
    assert finding.is_warning and not finding.blocking


# Findings


def held_out_plan(**options):
    """Return a plan that excludes customers because of holdouts and of the suppression list."""
    snapshot = fg.sample_snapshot()
    rows = [
        *(f"{uid},vip,{FAR},holdout,spring" for uid in ("c-7", "c-8")),
        f"c-9,vip,{SOON},holdout,",
        f"c-8,staff,{SOON},holdout,",
        "c-10,,,crm,",
    ]
    write_list(snapshot, HEADER + "\n".join(rows) + "\n")
    return fg.plan_memberships(snapshot, {"vip": ["c-7", "c-8", "c-9", "c-10", "c-11"], "staff": ["c-8"]}, **options)


def test_holdout_finding():
    "One finding per group contains the number of customers and the ends of the holdout."
    plan = held_out_plan()

    assert counts_of(plan.findings, "holdout", "suppression_list") == {
        ("holdout", "vip"): 3,
        ("holdout", "staff"): 1,
        ("suppression_list", "vip"): 1,
    }
    messages = {item.customer_group_uid: item.message for item in plan.findings if item.rule == "holdout"}
    assert FAR in messages["vip"] and SOON in messages["vip"]
    assert SOON in messages["staff"] and FAR not in messages["staff"]
    assert not plan.blocked


def test_holdout_in_outputs(tmp_path):
    "The summary, the card, all review formats, and the plan file contain the findings about holdouts."
    plan = held_out_plan()
    messages = [item.message for item in plan.findings if item.rule == "holdout"]

    assert all(message in plan.summary() for message in messages)
    assert "4 additions because of a holdout" in plan._repr_html_()
    for suffix in ("html", "md", "txt"):
        path = tmp_path / f"review.{suffix}"
        fg.save_review(plan, path)
        text = path.read_text(encoding="utf-8").replace("\\", "")
        assert all(message in text for message in messages), suffix
    again = fg.read_plan(plan.save(tmp_path / "plan.json"))
    assert again.findings == plan.findings and again.excluded_changes == plan.excluded_changes


def test_holdout_in_json(tmp_path, capsys):
    "The JSON of a plan contains the findings about holdouts, and its excluded changes contain the reason."
    path = str(held_out_plan().save(tmp_path / "plan.json"))

    assert main(["show", path, "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert main(["show", path, "--excluded", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert {(item["customer_group_uid"], item["n"]) for item in findings if item["rule"] == "holdout"} == {
        ("vip", 3),
        ("staff", 1),
    }
    assert [row["reason"] for row in rows if row["customer_uid"] == "c-7"] == [f"holdout until {FAR}: spring"]


def test_earlier_plan_file(tmp_path):
    "A plan file whose excluded changes have no source and no end can be read."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7", "c-8"]}, suppression_list=["c-7"])
    content = fg.plan.plan_file.plan_to_dict(plan)
    content["excluded"] = [row[:5] for row in content["excluded"]]

    assert fg.plan.plan_file.plan_from_dict(content, "plan.json").excluded_changes == plan.excluded_changes


# Groups that do not exist


def test_unknown_group():
    "A finding reports groups that do not exist, unless all their entries have ended. Invalid uids are not shown."
    snapshot = fg.sample_snapshot()
    rows = [f"c-7,gone,{FAR},holdout,", "c-8,gone,,,", f"c-8,old,{PAST},holdout,", "c-8,Ola Nordmann,,,"]
    write_list(snapshot, HEADER + "\n".join(rows) + "\n")

    plan = fg.plan_memberships(snapshot, WISHES)

    [finding] = [item for item in plan.findings if item.rule == "unknown_suppressed_groups"]
    assert finding.n == 2 and finding.is_warning and "gone" in finding.message and "2 customers" in finding.message
    assert "old" not in finding.message.split() and "Ola" not in finding.message
    assert plan.excluded().empty


@pytest.mark.parametrize("text", ["VIP", "Vip", "All members", "Staff"])
def test_group_name(text):
    "A group name or a uid in another case is an error, because the customer would not be excluded."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, f"{HEADER}c-7,{text},{FAR},holdout,\n")

    with pytest.raises(InputError, match=re.escape(repr(text))):
        fg.plan_memberships(snapshot, WISHES)

    write_list(snapshot, f"{HEADER}c-7,{text},{PAST},holdout,\n")
    assert fg.plan_memberships(snapshot, WISHES).excluded().empty


# The argument `suppression_list`


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"uid": ["c-7"]}, ["`suppression_list`", "customer_uid"]),
        ({"customer_uid": ["c-7", None]}, ["`suppression_list`", "customer_uid", "1 row"]),
        ({"customer_uid": ["c-7"], "source": ["holdout"]}, ["`suppression_list`", "row 0", "until"]),
        ({"customer_uid": ["c-7"], "until": ["soon"]}, ["`suppression_list`", "row 0", "'soon'"]),
    ],
)
def test_invalid_table(columns, parts):
    "A table without uids or with an invalid entry is an error that contains the argument and the row."
    with pytest.raises(InputError) as error:
        fg.plan_memberships(fg.sample_snapshot(), WISHES, suppression_list=pd.DataFrame(columns, dtype="object"))

    assert all(part in str(error.value) for part in parts)


@pytest.mark.parametrize("end", [date(2099, 12, 31), pd.Timestamp(2099, 12, 31), FAR])
def test_table_ends(end):
    "The ends in a table can be dates, timestamps, or strings, and missing values are blank."
    table = pd.DataFrame(
        {"customer_uid": ["c-7", "c-8"], "customer_group_uid": ["vip", None], "until": [end, None], "source": None}
    )

    assert excluded_rows(fg.plan_memberships(fg.sample_snapshot(), WISHES, suppression_list=table)) == {
        ("vip", "c-7", f"suppression list until {FAR}"),
        ("vip", "c-8", "suppression list"),
        ("staff", "c-8", "suppression list"),
    }


# The option --suppression-list


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        (f"{HEADER}c-7,staff,{FAR},holdout,\nc-8,vip,{FAR},holdout,\n", 0, {("c-8", f"holdout until {FAR}")}),
        (f"customer_uid,until\nc-7,{PAST}\nc-8,{FAR}\n", 0, {("c-8", f"suppression list until {FAR}")}),
        ("customer_uid,source\nc-7,crm\n", 0, {("c-7", "suppression list")}),
        ("external_id,source\n0007,crm\n", 0, {("c-7", "suppression list")}),
        ("customer_uid,source\nc-7,holdout\n", 1, "row 2"),
        (f"external_id,until\n0007,{FAR}\n", 1, "'customer_uid'"),
        ("customer_uid,until\nc-7,soon\n", 1, "row 2"),
    ],
)
def test_option(tmp_path, capsys, text, code, expected):
    "The file of the option --suppression-list can have the columns of the suppression list."
    fg.save_snapshot(fg.sample_snapshot())
    listed, wanted, out = tmp_path / "list.csv", tmp_path / "wanted.csv", tmp_path / "plan.json"
    listed.write_text(text)
    wanted.write_text("customer_uid\nc-7\nc-8\nc-9\n")
    words = ["plan", "--tenant", "t-1", "--group", "vip", "--list", str(wanted), "--out", str(out)]

    assert main([*words, "--suppression-list", str(listed)]) == code

    if code:
        error = capsys.readouterr().err
        assert expected in error and str(listed) in error
    else:
        assert {(uid, reason) for uid, _, reason in excluded_of(fg.read_plan(out))} == expected


# Applying and undoing


@pytest.mark.parametrize(
    ("row", "is_blocked"),
    [
        (f"c12,vip,{FAR},holdout,", True),
        ("c12,,,,", True),
        (f"c12,gold,{FAR},holdout,", False),
        (f"c12,vip,{PAST},holdout,", False),
        (f"c05,vip,{FAR},holdout,", False),
    ],
)
def test_listed_after_planning(client, tenant, row, is_blocked):
    "Entries that are added after planning block the plan if they apply to a planned addition and are in force."
    plan = plan_for(client, {"vip": ["c12"]})
    write_list(client, f"{HEADER}{row}\n")
    tenant.clear_requests()

    if not is_blocked:
        assert fg.apply_plan(client, plan, approval=plan.digest).ok
        return
    with pytest.raises(PlanBlockedError) as error:
        fg.apply_plan(client, plan, approval=plan.digest)
    assert counts_of(error.value.findings, "suppression_list") == {("suppression_list", None): 1}
    assert tenant.requests() == []


def test_invalid_entry_at_apply(client, tenant):
    "If the list contains a holdout without an end when the plan is applied, nothing is sent."
    plan = plan_for(client, {"vip": ["c12"]})
    write_list(client, f"{HEADER}c13,vip,,holdout,\n")
    tenant.clear_requests()

    with pytest.raises(ListError, match="row 2"):
        fg.apply_plan(client, plan, approval=plan.digest)

    assert tenant.requests() == []


def test_undo_with_holdout(client, tenant):
    "An undo plan excludes customers from the groups of their holdouts only, and reports them."
    limits = fg.Limits(removals_per_group=None, removal_share=None)
    plan = plan_for(client, {"vip": [f"c{n:02d}" for n in range(3, 10)]}, mode="mirror", limits=limits)
    receipt = fg.apply_plan(client, plan, approval=plan.digest)
    write_list(client, f"{HEADER}c00,vip,{FAR},holdout,\nc01,gold,{FAR},holdout,\nc02,vip,{PAST},holdout,\n")

    undo = fg.plan_undo(receipt)

    assert excluded_of(undo) == [("c00", "add", f"holdout until {FAR}")]
    assert counts_of(undo.findings, "holdout") == {("holdout", "vip"): 1}
    assert undo.n_add == 2


# Erasure and export


def test_erase_entries(tmp_path):
    "An erasure removes all entries of the customer, and removes the uid from the sources of other customers."
    snapshot = fg.sample_snapshot()
    rows = [f"c-7,vip,{FAR},holdout,", f"c-8,vip,{FAR},holdout,", f"c-7,staff,{PAST},holdout,", "c-7,,,,"]
    path = write_list(snapshot, HEADER + "\n".join(rows) + "\n")
    table = pd.DataFrame({"customer_uid": ["c-9"], "source": ["same person as c-7"]})
    saved = fg.plan_memberships(snapshot, WISHES, suppression_list=table).save(fg.home() / "plans" / "plan.json")

    fg.erase_customer("c-7")

    assert path.read_text() == f"{HEADER}c-8,vip,{FAR},holdout,\n"
    assert "c-7" not in saved.read_text()
    assert [entry.customer_uid for entry in suppression_entries(snapshot)] == ["c-8"]
    assert excluded_rows(fg.read_plan(saved)) >= {("vip", "c-8", f"holdout until {FAR}")}


def test_erase_from_receipt_with_source(client):
    "In a receipt, a placeholder replaces the held-out customer, and an erased uid in a source is removed."
    write_list(client, f"{HEADER}c11,gold,{FAR},holdout,note\nc12,gold,,see c11,\n")
    plan = plan_for(client, {"gold": ["c10", "c11", "c12"]})
    receipt = fg.apply_plan(client, plan, approval=plan.digest)

    fg.erase_customer("c11")

    text = receipt.path.read_text()
    assert '"c11"' not in text and "see c11" not in text
    again = fg.read_receipt(receipt.path).plan
    assert again.digest == plan.digest
    assert ("(erased-1)", "add", f"holdout until {FAR}") in excluded_of(again)


def test_export_entries():
    "The export contains all entries of the customer, with group, end, and source, and the excluded changes."
    snapshot = fg.sample_snapshot()
    write_list(snapshot, f"{HEADER}c-7,vip,{FAR},holdout,spring\nc-8,vip,{FAR},holdout,\nc-7,staff,,crm,\n")
    fg.plan_memberships(snapshot, WISHES).save(fg.home() / "plans" / "plan.json")

    export = fg.export_customer("c-7")

    [listed] = export["lists"]
    assert listed["rows"] == [["c-7", "vip", FAR, "holdout", "spring"], ["c-7", "staff", "", "crm", ""]]
    assert export["plans"][0]["excluded"] == [
        {"customer_group_uid": "staff", "change": "add", "reason": "suppression list (crm)"},
        {"customer_group_uid": "vip", "change": "add", "reason": f"holdout until {FAR}: spring"},
    ]


def test_doctor_expired(client, monkeypatch, tenant, capsys):
    "The command `frgroups doctor` counts the customers with entries in force and the expired entries."
    select_sandbox(tenant, monkeypatch)
    write_list(client, f"{HEADER}c11,gold,{FAR},holdout,\nc11,vip,{FAR},holdout,\nc12,gold,{PAST},holdout,\n")

    assert main(["doctor"]) == 0

    out = capsys.readouterr().out
    assert "1 customer and 1 expired entry" in out
