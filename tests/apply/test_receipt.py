"""What became of each item: the decision as a pure function, the receipt's file, and taking it back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.apply.journal import JournalState
from frgroups.apply.receipt import STATES, Receipt, item_states, read_receipt
from frgroups.apply.undo import plan_undo
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import write_checksummed
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan

NOON = datetime.now(UTC) - timedelta(minutes=5)
few = settings(max_examples=60)


def plan_of(*groups, limits=None):
    """A plan of these group changes."""
    return Plan("t-1", "https://api.example", "mirror", limits or Limits(), groups, NOON, NOON)


def receipt_of(plan, states, after, **values):
    """A receipt of this plan with these states, and these members at the last reading."""
    facts = {
        "details": {},
        "consistent_groups": frozenset(after),
        "created": frozenset(one.uid for one in plan.groups if one.create),
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


# The decision

# What the journal holds of an item, and what the last reading says of it.
JOURNALS = list(product(*[(False, True)] * 5))  # already, intended, accepted, refused, unsent
READINGS = ["holds", "does not hold", "not read", "absent in an unproved reading"]


def expected_state(already, intended, refused, unsent, accepted, reading):
    """The state by the words of the design, written down apart from the code."""
    if already:
        return "already"  # decided once, at the first reading
    if not intended:
        return "not_sent"
    if unsent:
        return "already" if reading == "holds" else "not_sent"  # turned away: who made it true was somebody else
    if reading == "holds":
        return "verified"  # whatever the answer was: a reading showed it
    if refused:
        return "rejected"
    if reading != "does not hold":
        return "unknown"
    return "not_effective" if accepted else "not_sent"  # without an answer it is still to be sent


@pytest.mark.parametrize("change", ["add", "remove"])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("journal", JOURNALS)
def test_the_state_of_an_item_in_every_combination(journal, reading, change):
    "Journal and reading together give one state; absence counts only in a reading that proved itself."
    already, intended, accepted, refused, unsent = journal
    item = ("g", "c", change)
    past = JournalState(
        already={item} if already else set(),
        intended={item} if intended else set(),
        accepted={item} if accepted else set(),
        rejected={item: "no"} if refused else {},
        not_sent={item} if unsent else set(),
    )
    present = {"holds": change == "add", "does not hold": change == "remove"}.get(reading, False)
    now = {} if reading == "not read" else {"g": frozenset({"c"} if present else ())}
    proved = frozenset() if reading == "absent in an unproved reading" else frozenset({"g"})
    change_of = {"add": GroupChange("g", "G", (), add=("c",)), "remove": GroupChange("g", "G", ("c",), remove=("c",))}

    states, details = item_states(plan_of(change_of[change]), past, now, proved)

    assert states == {item: expected_state(already, intended, refused, unsent, accepted, reading)}
    assert details == ({item: "no"} if refused else {})


def test_presence_counts_in_a_reading_that_did_not_prove_itself():
    "Who was seen is in, proved or not: an addition is verified, a removal did not take effect."
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
    proved=st.booleans(),
    past=st.builds(
        JournalState,
        already=items_of,
        intended=items_of,
        accepted=items_of,
        not_sent=items_of,
        rejected=items_of.map(lambda items: dict.fromkeys(items, "no")),
    ),
)
def test_the_states_partition_the_plan(add, remove, now, proved, past):
    "Each planned item has one state, nothing else has, and `verified` is never said of what a reading denies."
    group = GroupChange("g", "G", (), add=tuple(sorted(add)), remove=tuple(sorted(remove)))
    readings = {} if now is None else {"g": now}

    states, _ = item_states(plan_of(group), past, readings, frozenset("g") if proved else frozenset())

    assert set(states) == {("g", uid, "add") for uid in add} | {("g", uid, "remove") for uid in remove}
    assert set(states.values()) <= set(STATES)
    for (_, uid, change), state in states.items():
        if state == "verified":
            assert now is not None
            assert (uid in now) == (change == "add")
        if state == "not_sent":
            item = ("g", uid, change)
            assert item not in past.intended or item in past.not_sent or item not in past.accepted


# The receipt


def test_the_table_is_the_plan_with_a_state_for_each_item():
    "Every planned row, its state, and the service's words."
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
def test_ok_means_that_everything_is_as_planned(state):
    "verified and already are fine, every other state is not; not_sent and unknown can be gone on with."
    receipt = receipt_of(PLAN, DONE | {ITEMS[3]: state}, AFTER)

    assert receipt.ok == (state in ("verified", "already"))
    assert receipt.complete == (state not in ("not_sent", "unknown", "not_effective"))
    assert ("Apply the same plan again" in receipt.summary()) == (not receipt.complete)
    assert ("NOT ALL DONE" in receipt._repr_html_()) == (not receipt.ok)


def test_a_group_that_was_not_created_is_not_ok():
    "A plan that creates is done when its groups were created."
    assert receipt_of(PLAN, DONE, AFTER).ok
    assert not receipt_of(PLAN, DONE, AFTER, created=frozenset()).ok


def test_a_run_that_stopped_says_why():
    "Summary and repr tell the reason, and that the same plan can be applied again."
    receipt = receipt_of(PLAN, DONE | {ITEMS[3]: "not_sent"}, AFTER, stopped="interrupted")

    assert "STOPPED: interrupted" in receipt.summary()
    assert "1 not_sent; STOPPED: interrupted" in repr(receipt)
    assert not receipt.complete


def test_customers_who_were_refused_alike_stand_on_one_line():
    "Once for each answer of the service, with twenty uids at most; of more the number."
    uids = tuple(f"c-{n:02d}" for n in range(30))
    plan = plan_of(GroupChange("vip", "VIP", (), add=(*uids, "z-1")))
    items = {("vip", uid, "add"): "rejected" for uid in (*uids, "z-1")}
    details = {item: "locked" if item[1] == "z-1" else "no such customer" for item in items}

    told = receipt_of(plan, items, {"vip": set()}, details=details).summary()

    assert told.count("no such customer") == told.count("locked") == 1
    assert f"  add vip: {', '.join(uids[:20])} and 10 more: no such customer" in told.splitlines()


def test_a_receipt_of_nothing_says_so():
    "A plan without an item has a receipt that is ok."
    receipt = receipt_of(plan_of(), {}, {})

    assert receipt.ok
    assert receipt.summary() == "Nothing was to do."
    assert list(receipt.table().columns)[-2:] == ["state", "detail"]


def test_a_saved_receipt_is_read_as_it_was(tmp_path):
    "Plan, states, details, members and moments come back, with the path of the file."
    receipt = receipt_of(PLAN, DONE | {ITEMS[2]: "rejected"}, AFTER, details={ITEMS[2]: "nei"}, stopped="stopp")

    path = receipt.save(tmp_path / "r.json")

    found = read_receipt(path)
    assert found.to_dict() == receipt.to_dict()
    assert found.path == path
    assert found.states == receipt.states
    pd.testing.assert_frame_equal(found.table(), receipt.table())
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_altered_receipt_is_refused(tmp_path):
    "One flipped bit anywhere, and no undo is made from it."
    path = receipt_of(PLAN, DONE, AFTER).save(tmp_path / "r.json")
    whole = path.read_bytes()

    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError):
            read_receipt(path)


@pytest.mark.parametrize("broken", [{"states": [["vip"]]}, {"read_at": "now"}, {"plan": None}, {"members_after": []}])
def test_a_sealed_file_that_is_no_receipt_is_refused(tmp_path, broken):
    "The right checksum over the wrong content is still no receipt."
    path = write_checksummed(tmp_path / "r.json", "receipt", receipt_of(PLAN, DONE, AFTER).to_dict() | broken)

    with pytest.raises(CorruptFileError):
        read_receipt(path)


# The undo


def operations(plan):
    """{(group, customer, change)} of a plan."""
    return {
        (one.uid, uid, change)
        for one in plan.groups
        for change, uids in (("add", one.add), ("remove", one.remove))
        for uid in uids
    }


def test_an_undo_takes_back_what_was_verified():
    "Added customers leave, removed ones join, and the plan says which plan it undoes and that the group stays."
    undo = plan_undo(receipt_of(PLAN, DONE, AFTER))

    assert operations(undo) == {
        ("bw", "c-1", "remove"),
        ("vip", "c-1", "remove"),
        ("vip", "c-2", "remove"),
        ("vip", "c-3", "add"),
    }
    assert undo.reverts == PLAN.digest
    assert not any(one.create for one in undo.groups)
    assert [note.rule for note in undo.notes] == ["created_group_stays"]
    assert "stays, 0 members left" in undo.notes[0].message


@pytest.mark.parametrize("state", [state for state in STATES if state != "verified"])
def test_an_undo_leaves_what_did_not_change(state):
    "Only verified items are taken back."
    undo = plan_undo(receipt_of(PLAN, dict.fromkeys(ITEMS, state), AFTER))

    assert undo.is_empty


def test_an_undo_stands_on_the_last_reading():
    "Its baseline is what the receipt read, others' changes included; what is already back is left out."
    after = {"bw": {"c-1"}, "vip": {"c-1", "c-3", "c-4", "x-9"}}

    undo = plan_undo(receipt_of(PLAN, DONE, after, consistent_groups=frozenset({"bw"})))

    vip = undo.groups[1]
    assert vip.baseline == ("c-1", "c-3", "c-4", "x-9")
    assert operations(undo) == {("bw", "c-1", "remove"), ("vip", "c-1", "remove")}
    assert [(note.rule, note.customer_group_uid) for note in undo.notes] == [
        ("created_group_stays", "bw"),
        ("unverifiable", "vip"),
    ]


def test_an_undo_has_the_limits_of_its_plan_or_those_given():
    "An undo is guarded like any plan: without limits= by those that were approved."
    applied = replace(PLAN, limits=Limits(removals_total=7))

    assert plan_undo(receipt_of(applied, DONE, AFTER)).limits == applied.limits
    assert plan_undo(receipt_of(applied, DONE, AFTER), limits=Limits()).limits == Limits()
    assert plan_undo(receipt_of(applied, DONE, AFTER)).blocked  # it empties the group that was created


@few
@given(before=sets, wanted=sets, edits=sets, data=st.data())
def test_an_undo_restores_every_customer_that_the_plan_changed(before, wanted, edits, data):
    "After apply, edits by others, and undo: changed customers are as before, all others as the others left them."
    add, remove = tuple(sorted(wanted - before)), tuple(sorted(before - wanted))
    plan = plan_of(GroupChange("g", "G", tuple(sorted(before)), add=add, remove=remove))
    items = [("g", uid, "add") for uid in add] + [("g", uid, "remove") for uid in remove]
    done = {item for item in items if data.draw(st.booleans())}
    others = edits - set(add) - set(remove)
    now = before | {uid for _, uid, change in done if change == "add"}
    now = (now - {uid for _, uid, change in done if change == "remove"}) ^ others
    states = {item: "verified" if item in done else "rejected" for item in items}

    undo = plan_undo(receipt_of(plan, states, {"g": now}))

    back = set(now)
    for one in undo.groups:
        back = (back | set(one.add)) - set(one.remove)
    assert back == before ^ others
    assert {uid for _, uid, _ in operations(undo)} == {uid for _, uid, _ in done}


@few
@given(before=sets, wanted=sets)
def test_an_undo_of_an_undo_is_the_plan(before, wanted):
    "Taking back twice gives the operations of the first plan."
    add, remove = tuple(sorted(wanted - before)), tuple(sorted(before - wanted))
    plan = plan_of(GroupChange("g", "G", tuple(sorted(before)), add=add, remove=remove))

    def done(one, after):
        return receipt_of(one, dict.fromkeys(operations(one), "verified"), {"g": after})

    undo = plan_undo(done(plan, wanted))

    assert operations(plan_undo(done(undo, before))) == operations(plan)
