"""Test the states of changes, receipts, receipt files, and undo plans."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.apply.item_states import item_states
from frgroups.apply.journal import JournalState
from frgroups.apply.receipt import STATES, Receipt, read_receipt
from frgroups.apply.undo import plan_undo
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import write_checksummed
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan

NOON = datetime.now(UTC) - timedelta(minutes=5)


def plan_of(*groups, limits=None):
    """Return a plan with the given group changes."""
    return Plan("t-1", "https://api.example", "mirror", limits or Limits(), groups, NOON, NOON)


def receipt_of(plan, states, after, **values):
    """Return a receipt of a plan with the given states and members."""
    facts = {
        "details": {},
        "consistent_groups": frozenset(after),
        "created": frozenset(group.uid for group in plan.groups if group.create),
        "approval": {"how": "digest", "by": "", "at": ""},
        "started_at": NOON,
        "read_at": NOON,
    }
    after = {uid: tuple(sorted(members)) for uid, members in after.items()}
    return Receipt(plan=plan, states=states, members_after=after, **facts | values)


PLAN = plan_of(
    GroupChange("bw", "Black Week", (), add=("c-1",), create=True),
    GroupChange("vip", "VIP", ("c-3", "c-4"), add=("c-1", "c-2"), remove=("c-3",)),
)
ITEMS = [("bw", "c-1", "add"), ("vip", "c-1", "add"), ("vip", "c-2", "add"), ("vip", "c-3", "remove")]
DONE = dict.fromkeys(ITEMS, "verified")
AFTER = {"bw": {"c-1"}, "vip": {"c-1", "c-2", "c-4"}}


# States of changes

# These are the possible journal entries for a change and the possible results of the last read.
JOURNALS = list(product(*[(False, True)] * 5))  # already, intended, accepted, rejected, not_sent
READS = ["in effect", "not in effect", "not read", "absent in an inconsistent read"]


def expected_state(already, intended, rejected, not_sent, accepted, last_read):
    """Return the expected state of a change, computed without the code under test."""
    if already:
        return "already"  # The first read of the run decides.
    if not intended:
        return "not_sent"
    if not_sent:
        # The request was not processed. If the change is in effect, another client made it.
        return "already" if last_read == "in effect" else "not_sent"
    if last_read == "in effect":
        return "verified"  # The response does not matter.
    if rejected:
        return "rejected"
    if last_read != "not in effect":
        return "unknown"
    return "not_effective" if accepted else "not_sent"  # Without a response, the change is sent again.


@pytest.mark.parametrize("change", ["add", "remove"])
@pytest.mark.parametrize("last_read", READS)
@pytest.mark.parametrize("journal", JOURNALS)
def test_state_of_change(journal, last_read, change):
    "The journal and the last read determine the state of a change. Absence counts only if the read is consistent."
    already, intended, accepted, rejected, not_sent = journal
    item = ("g", "c", change)
    past = JournalState(
        already={item} if already else set(),
        intended={item} if intended else set(),
        accepted={item} if accepted else set(),
        rejected={item: "no"} if rejected else {},
        not_sent={item} if not_sent else set(),
    )
    present = {"in effect": change == "add", "not in effect": change == "remove"}.get(last_read, False)
    now = {} if last_read == "not read" else {"g": frozenset({"c"} if present else ())}
    consistent = frozenset() if last_read == "absent in an inconsistent read" else frozenset({"g"})
    change_of = {"add": GroupChange("g", "G", (), add=("c",)), "remove": GroupChange("g", "G", ("c",), remove=("c",))}

    states, details = item_states(plan_of(change_of[change]), past, now, consistent)

    assert states == {item: expected_state(already, intended, rejected, not_sent, accepted, last_read)}
    assert details == ({item: "no"} if rejected else {})


def test_presence_in_inconsistent_read():
    "If an inconsistent read contains a customer, an addition is verified and a removal is not effective."
    plan = plan_of(GroupChange("g", "G", ("b",), add=("a",), remove=("b",)))
    items = {("g", "a", "add"), ("g", "b", "remove")}

    states, _ = item_states(plan, JournalState(intended=items, accepted=items), {"g": frozenset("ab")}, frozenset())

    assert states == {("g", "a", "add"): "verified", ("g", "b", "remove"): "not_effective"}


sets = st.frozensets(st.sampled_from("abcdef"))
items_of = st.sets(st.tuples(st.just("g"), st.sampled_from("abcdef"), st.sampled_from(["add", "remove"])))


@given(
    add=sets,
    remove=sets,
    now=st.none() | sets,
    consistent=st.booleans(),
    past=st.builds(
        JournalState,
        already=items_of,
        intended=items_of,
        accepted=items_of,
        not_sent=items_of,
        rejected=items_of.map(lambda items: dict.fromkeys(items, "no")),
    ),
)
def test_each_change_has_one_state(add, remove, now, consistent, past):
    "Each planned change has exactly one state. If a change is verified, it is in effect in the last read."
    group = GroupChange("g", "G", (), add=tuple(sorted(add)), remove=tuple(sorted(remove)))
    reads = {} if now is None else {"g": now}

    states, _ = item_states(plan_of(group), past, reads, frozenset("g") if consistent else frozenset())

    assert set(states) == {("g", uid, "add") for uid in add} | {("g", uid, "remove") for uid in remove}
    assert set(states.values()) <= set(STATES)
    for (_, uid, change), state in states.items():
        if state == "verified":
            assert now is not None
            assert (uid in now) == (change == "add")
        if state == "not_sent":
            item = ("g", uid, change)
            assert item not in past.intended or item in past.not_sent or item not in past.accepted


# Receipts


def test_table():
    "The table of a receipt contains the columns of the plan's table, the states, and the server's messages."
    states = DONE | {ITEMS[1]: "already", ITEMS[2]: "rejected"}
    receipt = receipt_of(PLAN, states, AFTER, details={ITEMS[2]: "no such customer"})

    table = receipt.table()

    pd.testing.assert_frame_equal(table[PLAN.table().columns], PLAN.table())
    assert list(table["state"]) == ["verified", "already", "rejected", "verified"]
    assert list(table["detail"]) == ["", "", "no such customer", ""]
    assert set(table.dtypes.astype(str)) == {"str"}
    assert sum(receipt.counts.values()) == len(table)
    assert receipt.counts["unknown"] == 0


@pytest.mark.parametrize("state", STATES)
def test_ok_and_complete(state):
    "A receipt is ok if each change is `verified` or `already`. A receipt is complete if no change is pending."
    receipt = receipt_of(PLAN, DONE | {ITEMS[3]: state}, AFTER)

    assert receipt.ok == (state in ("verified", "already"))
    assert receipt.complete == (state not in ("not_sent", "unknown", "not_effective"))
    assert ("same plan" in receipt.summary()) == (not receipt.complete)
    assert ("not fully applied" in receipt._repr_html_()) == (not receipt.ok)


def test_missing_group_is_not_ok():
    "A receipt is not ok if a new group in the plan was not created."
    assert receipt_of(PLAN, DONE, AFTER).ok
    assert not receipt_of(PLAN, DONE, AFTER, created=frozenset()).ok


def test_stopped_run():
    "The summary and the repr of a receipt contain the reason why the run stopped."
    receipt = receipt_of(PLAN, DONE | {ITEMS[3]: "not_sent"}, AFTER, stopped="Interrupted.")

    assert "STOPPED: Interrupted." in receipt.summary()
    assert "1 not_sent; STOPPED: Interrupted." in repr(receipt)
    assert not receipt.complete


def test_rejected_customers_in_summary():
    "The summary has one line per server message, with at most 20 customers and the number of further customers."
    uids = tuple(f"c-{n:02d}" for n in range(30))
    plan = plan_of(GroupChange("vip", "VIP", (), add=(*uids, "z-1")))
    items = {("vip", uid, "add"): "rejected" for uid in (*uids, "z-1")}
    details = {item: "locked" if item[1] == "z-1" else "no such customer" for item in items}

    summary = receipt_of(plan, items, {"vip": set()}, details=details).summary()

    assert summary.count("no such customer") == summary.count("locked") == 1
    assert f"  add {', '.join(uids[:20])} and 10 more (vip): no such customer" in summary.splitlines()


def test_empty_receipt():
    "The receipt of an empty plan is ok and has a summary."
    receipt = receipt_of(plan_of(), {}, {})

    assert receipt.ok
    assert receipt.summary().count("\n") == 0
    assert not any(label in receipt.summary() for label in ("STOPPED", "verified", "not sent", "unknown"))
    assert list(receipt.table().columns)[-2:] == ["state", "detail"]


def test_save_and_read(tmp_path):
    "If a receipt is saved and read, its content is unchanged and its path is set."
    receipt = receipt_of(
        PLAN, DONE | {ITEMS[2]: "rejected"}, AFTER, details={ITEMS[2]: "nei"}, stopped="Interrupted."
    )

    path = receipt.save(tmp_path / "r.json")

    actual = read_receipt(path)
    assert actual.to_dict() == receipt.to_dict()
    assert actual.path == path
    assert actual.states == receipt.states
    pd.testing.assert_frame_equal(actual.table(), receipt.table())
    assert path.stat().st_mode & 0o777 == 0o600


def test_flipped_bit(tmp_path):
    "A flipped bit in a receipt file raises InputError."
    path = receipt_of(PLAN, DONE, AFTER).save(tmp_path / "r.json")
    content = path.read_bytes()

    for position in range(0, len(content), 3):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(InputError):
            read_receipt(path)


@pytest.mark.parametrize("broken", [{"states": [["vip"]]}, {"read_at": "now"}, {"plan": None}, {"members_after": []}])
def test_invalid_content(tmp_path, broken):
    "If the content of a receipt file is invalid but its checksum is correct, CorruptFileError is raised."
    path = write_checksummed(tmp_path / "r.json", "receipt", receipt_of(PLAN, DONE, AFTER).to_dict() | broken)

    with pytest.raises(CorruptFileError):
        read_receipt(path)


# Undo plans


def operations(plan):
    """Return the changes of a plan as tuples of group, customer, and change."""
    return {
        (group.uid, uid, change)
        for group in plan.groups
        for change, uids in (("add", group.add), ("remove", group.remove))
        for uid in uids
    }


def test_undo():
    "An undo plan reverts the verified changes, contains the plan's digest, and does not delete the new group."
    undo = plan_undo(receipt_of(PLAN, DONE, AFTER))

    assert operations(undo) == {
        ("bw", "c-1", "remove"),
        ("vip", "c-1", "remove"),
        ("vip", "c-2", "remove"),
        ("vip", "c-3", "add"),
    }
    assert undo.reverts == PLAN.digest
    assert not any(group.create for group in undo.groups)
    notes = {note.rule: note.message for note in undo.notes}
    assert set(notes) == {"created_group_stays", "no_snapshot"}
    assert "empties" in notes["created_group_stays"] and "Black Week" in notes["created_group_stays"]


def test_undo_of_new_group_with_other_members():
    "If other clients have added members to the new group, a finding of the undo plan contains their number."
    after = AFTER | {"bw": {"c-1", "c-8", "c-9"}}

    notes = {note.rule: note.message for note in plan_undo(receipt_of(PLAN, DONE, after)).notes}

    assert "2 members remain" in notes["created_group_stays"] and "empties" not in notes["created_group_stays"]


@pytest.mark.parametrize("state", [state for state in STATES if state != "verified"])
def test_undo_of_unverified_changes(state):
    "An undo plan does not revert changes that are not verified."
    undo = plan_undo(receipt_of(PLAN, dict.fromkeys(ITEMS, state), AFTER))

    assert undo.is_empty


def test_baseline_of_undo():
    "The baseline of an undo plan is the last read of each group. Changes that are already reverted are left out."
    after = {"bw": {"c-1"}, "vip": {"c-1", "c-3", "c-4", "x-9"}}

    undo = plan_undo(receipt_of(PLAN, DONE, after, consistent_groups=frozenset({"bw"})))

    vip = undo.groups[1]
    assert vip.baseline == ("c-1", "c-3", "c-4", "x-9")
    assert operations(undo) == {("bw", "c-1", "remove"), ("vip", "c-1", "remove")}
    assert [(note.rule, note.customer_group_uid) for note in undo.notes] == [
        ("created_group_stays", "bw"),
        ("unverifiable", "vip"),
    ]


def test_limits_of_undo():
    "The limits of an undo plan are the numbers of its changes. Drift and age have the limits of the applied plan."
    own = {"vip": Limits(drift_share=None, removals_per_group=0)}
    applied = replace(PLAN, limits=Limits(removals_total=7, drift_share=0.3, plan_max_age="3d", per_group=own))

    undo = plan_undo(receipt_of(applied, DONE, AFTER))

    assert not undo.blocked
    for group in undo.groups:
        limits = undo.limits.of(group.uid)
        assert (limits.removals_per_group, limits.additions_per_group) == (len(group.remove), len(group.add))
        assert limits.removals_allowed(1) == len(group.remove)
    assert (undo.limits.removals_total, undo.limits.additions_total) == (undo.n_remove, undo.n_add) == (3, 1)
    assert undo.limits.plan_max_age == "3d"
    assert [undo.limits.of(uid).drift_share for uid in ("bw", "vip")] == [0.3, None]


def test_explicit_limits_of_undo():
    "An undo plan has the limits that are passed to `plan_undo`."
    receipt = receipt_of(PLAN, DONE, AFTER)

    assert plan_undo(receipt, limits=Limits()).limits == Limits()
    assert plan_undo(receipt, limits=Limits()).blocked  # The undo would empty the created group.


@given(
    counts=st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1)
)
def test_undo_is_never_blocked_by_its_size(counts):
    "An undo plan of any size is not blocked, and neither is a selection from it."
    groups, states, after = [], {}, {}
    for uid, (n_add, n_remove) in counts.items():
        add = tuple(f"{uid}-new-{number}" for number in range(n_add))
        remove = tuple(f"{uid}-old-{number}" for number in range(n_remove))
        groups.append(GroupChange(uid, uid, remove, add=add, remove=remove))
        states |= {(uid, customer, "add"): "verified" for customer in add}
        states |= {(uid, customer, "remove"): "verified" for customer in remove}
        after[uid] = set(add)
    strict = Limits(removals_per_day=0, removals_per_group=0, additions_total=0, removal_share_total=0)

    undo = plan_undo(receipt_of(plan_of(*groups, limits=strict), states, after))

    assert not undo.blocked
    assert not any(undo.select([group.uid]).blocked for group in undo.groups)


def test_name_of_renamed_group():
    "The undo plan contains the name that a renamed group had when the plan was applied."
    receipt = receipt_of(PLAN, DONE, AFTER, renamed={"vip": "Old VIP"})

    assert [group.name for group in plan_undo(receipt).groups] == ["Black Week", "Old VIP"]
    assert "'VIP'" in receipt.summary() and "'Old VIP'" in receipt.summary()


def test_skipped_groups():
    "A receipt with skipped removals is not complete, although each skipped removal has a reason."
    states = DONE | {ITEMS[3]: "not_sent"}

    receipt = receipt_of(PLAN, states, AFTER, details={ITEMS[3]: "why"}, skipped_groups=frozenset({"vip"}))

    assert not receipt.complete and not receipt.ok and "same plan" in receipt.summary()


@given(before=sets, wanted=sets, edits=sets, data=st.data())
def test_undo_after_edits_by_others(before, wanted, edits, data):
    "An undo plan reverts the changes of the applied plan and preserves the changes of other clients."
    add, remove = tuple(sorted(wanted - before)), tuple(sorted(before - wanted))
    plan = plan_of(GroupChange("g", "G", tuple(sorted(before)), add=add, remove=remove))
    items = [("g", uid, "add") for uid in add] + [("g", uid, "remove") for uid in remove]
    done = {item for item in items if data.draw(st.booleans())}
    others = edits - set(add) - set(remove)
    now = before | {uid for _, uid, change in done if change == "add"}
    now = (now - {uid for _, uid, change in done if change == "remove"}) ^ others
    states = {item: "verified" if item in done else "rejected" for item in items}

    undo = plan_undo(receipt_of(plan, states, {"g": now}))

    restored = set(now)
    for group in undo.groups:
        restored = (restored | set(group.add)) - set(group.remove)
    assert restored == before ^ others
    assert {uid for _, uid, _ in operations(undo)} == {uid for _, uid, _ in done}


@given(before=sets, wanted=sets)
def test_undo_of_undo(before, wanted):
    "If an undo plan is undone, the second undo plan contains the changes of the original plan."
    add, remove = tuple(sorted(wanted - before)), tuple(sorted(before - wanted))
    plan = plan_of(GroupChange("g", "G", tuple(sorted(before)), add=add, remove=remove))

    def applied(plan, after):
        return receipt_of(plan, dict.fromkeys(operations(plan), "verified"), {"g": after})

    undo = plan_undo(applied(plan, wanted))

    assert operations(plan_undo(applied(undo, before))) == operations(plan)
