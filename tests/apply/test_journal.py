"""The journal: what was written is read, what was torn is dropped, what was altered is noticed."""

import json
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.apply.journal import Journal, JournalState
from frgroups.errors import CorruptFileError, InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot

STORY = [
    ("start", {"digest": "d" * 64, "planned_at": "2026-11-23T12:00:00+00:00", "approval": {"how": "digest"}}),
    ("observed", {"group": "vip", "add": ["c-1"], "remove": ["c-9"], "n_members": 3}),
    ("intent", {"create": True, "group": "bw", "name": "Black Week"}),
    ("outcome", {"create": True, "group": "bw", "result": "accepted", "message": ""}),
    ("intent", {"group": "vip", "change": "add", "uids": ["c-2", "c-3", "c-4"]}),
    ("outcome", {"group": "vip", "change": "add", "uids": ["c-2"], "result": "accepted", "message": ""}),
    ("outcome", {"group": "vip", "change": "add", "uids": ["c-3"], "result": "rejected", "message": "no such ø"}),
    ("outcome", {"group": "vip", "change": "add", "uids": ["c-4"], "result": "not_sent", "message": ""}),
    ("end", {"complete": True, "counts": {"verified": 1}}),
]
few = settings(max_examples=40)


@pytest.fixture
def plan():
    """Some plan."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-7"]})


def written(path, story=STORY):
    """The journal at this path, with these lines."""
    with Journal(path) as journal:
        for event, facts in story:
            journal.write(event, **facts)
    return path


def state_of(story):
    """What a story tells, without a file."""
    state = JournalState()
    for event, facts in story:
        state.apply_event({"event": event, "at": "", **facts})
    state.started_at = ""
    return state


def read(path):
    """What the journal at this path tells, without the moment."""
    state = Journal(path).state
    state.started_at = ""
    return state


def test_a_journal_tells_what_was_written(tmp_path):
    "Looks, intents and outcomes come back as the state of the apply."
    state = Journal(written(tmp_path / "j.jsonl")).state

    assert state.started_at.startswith("20")
    assert state.approval == {"how": "digest"}
    assert state.observed == {"vip"}
    assert state.already == {("vip", "c-1", "add"), ("vip", "c-9", "remove")}
    assert state.creating == state.created == {"bw"}
    assert state.intended == {("vip", uid, "add") for uid in ("c-2", "c-3", "c-4")}
    assert state.accepted == {("vip", "c-2", "add")}
    assert state.rejected == {("vip", "c-3", "add"): "no such ø"}
    assert state.not_sent == {("vip", "c-4", "add")}
    assert state.ended


@pytest.mark.parametrize("n", range(len(STORY) + 1))
def test_a_journal_can_be_continued_anywhere(tmp_path, n):
    "Closed after any line and opened again, it tells the same story."
    path = written(tmp_path / "j.jsonl", STORY[:n])

    assert read(path) == state_of(STORY[:n])
    written(path, STORY[n:])

    assert read(path) == state_of(STORY)


def test_the_state_while_writing_is_the_state_that_is_read(tmp_path):
    "The open journal knows what its file would tell."
    with Journal(tmp_path / "j.jsonl") as journal:
        for n, (event, facts) in enumerate(STORY, 1):
            journal.write(event, **facts)

            assert Journal(journal.path).state == journal.state
            assert len(journal.path.read_bytes().splitlines()) == n


def test_a_torn_last_line_is_dropped_wherever_it_tore(tmp_path):
    "Cut anywhere in its last line, a journal is the one without that line, and can be continued."
    whole = written(tmp_path / "whole.jsonl").read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    path = tmp_path / "torn.jsonl"

    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        assert read(path) == state_of(STORY[:-1])

    written(path, STORY[-1:])
    assert read(path) == state_of(STORY)
    assert len(path.read_bytes().splitlines()) == len(STORY)


def test_a_deleted_line_is_noticed_at_every_position(tmp_path):
    "A line that is gone breaks the chain at the next one; the tail alone can go unseen, like after a crash."
    lines = written(tmp_path / "j.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "cut.jsonl"

    for gone in range(len(lines) - 1):
        path.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
        with pytest.raises(CorruptFileError, match=rf"altered: line {gone + 1} does not fit") as caught:
            Journal(path)
        assert caught.value.path == path


def test_an_altered_byte_is_noticed_at_every_position(tmp_path):
    "A flipped bit in any line that ends is noticed; the last line end alone may fall, which is a torn line."
    whole = written(tmp_path / "j.jsonl", STORY[:6]).read_bytes()
    path = tmp_path / "altered.jsonl"

    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CorruptFileError, match="compare the groups with the plan by hand"):
            Journal(path)


@few
@given(order=st.permutations(range(len(STORY))))
def test_lines_in_another_order_are_noticed(tmp_path_factory, order):
    "Only the order that was written fits together."
    folder = tmp_path_factory.mktemp("journals")
    lines = written(folder / "j.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "other.jsonl").write_bytes(b"".join(lines[n] for n in order))

    if list(order) == sorted(order):
        assert read(folder / "other.jsonl") == state_of(STORY)
    else:
        with pytest.raises(CorruptFileError):
            Journal(folder / "other.jsonl")


def test_a_line_of_another_journal_is_noticed(tmp_path):
    "A whole line with a checksum of its own does not fit here."
    one = written(tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    other = written(tmp_path / "b.jsonl", STORY[:2]).read_bytes().splitlines(keepends=True)
    (tmp_path / "c.jsonl").write_bytes(one[0] + other[1])

    with pytest.raises(CorruptFileError, match="line 2"):
        Journal(tmp_path / "c.jsonl")


@pytest.mark.parametrize("content", [b"[]\n", b"{}\n", b"null\n", b"\xff\xfe\n", b"\n", b"<html>\n"])
def test_what_is_no_journal_is_refused(tmp_path, content):
    "Whole lines of something else are not taken for a torn line."
    path = tmp_path / "j.jsonl"
    path.write_bytes(content)

    with pytest.raises(CorruptFileError, match="line 1"):
        Journal(path)


def test_the_journal_of_a_plan_is_keyed_by_digest_and_moment(plan, tmp_path):
    "The same plan file has one journal; planned again, or for another host, it has another."
    path = Journal.for_plan(plan, tmp_path).path

    assert Journal.for_plan(replace(plan), tmp_path).path == path
    assert plan.digest[:16] in path.name
    for other in (
        replace(plan, planned_at=plan.planned_at + timedelta(microseconds=1)),
        replace(plan, base_url="https://other.example"),
        replace(plan, tenant_uid="t-2"),
        plan_memberships(sample_snapshot(), {"vip": ["c-8"]}),
    ):
        assert Journal.for_plan(other, tmp_path).path != path


def test_looking_at_a_journal_makes_no_file(plan, home_folder):
    "Only writing does; without a folder it is the home's, for the owner alone."
    journal = Journal.for_plan(plan, None)
    assert not journal.path.exists()
    assert journal.path.is_relative_to(home_folder)

    with journal:
        journal.write("start", approval={})

    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_line_is_on_disk_when_write_returns(tmp_path, monkeypatch):
    "Each line is flushed and synced before anything else may happen."
    synced = []
    module = sys.modules["frgroups.apply.journal"]
    with Journal(tmp_path / "j.jsonl") as journal:
        monkeypatch.setattr(module.os, "fsync", lambda _: synced.append(journal.path.read_bytes()))

        journal.write("start", approval={})

    assert len(synced) == 1
    assert json.loads(synced[0])["event"] == "start"


def test_a_journal_that_cannot_be_written_is_refused(plan, tmp_path, monkeypatch):
    "A folder that is no folder, and one that cannot be written, are refused before the apply begins."
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write in"), Journal.for_plan(plan, tmp_path / "file"):
        pass

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sys.modules["frgroups.apply.journal"].os, "open", refuse)
    with (
        pytest.raises(InputError, match=r"Permission denied. Pass journal="),
        Journal.for_plan(plan, tmp_path),
    ):
        pass


def test_a_refused_creation_may_be_tried_again():
    "After a refusal the group is not ours; after an accepted creation it is."
    intent = ("intent", {"create": True, "group": "bw", "name": "B"})
    refused = ("outcome", {"create": True, "group": "bw", "result": "rejected", "message": "409"})

    assert state_of([intent]).creating == {"bw"}
    assert state_of([intent, refused]).creating == state_of([intent, refused]).created == set()


def test_what_was_not_sent_counts_as_sent_once_it_is_tried_again():
    "A new intent takes an item out of the unsent ones."
    intent = ("intent", {"group": "g", "change": "remove", "uids": ["a", "b"]})
    unsent = ("outcome", {"group": "g", "change": "remove", "uids": ["a", "b"], "result": "not_sent", "message": ""})

    assert state_of([intent, unsent]).not_sent == {("g", "a", "remove"), ("g", "b", "remove")}
    assert state_of([intent, unsent, ("intent", intent[1] | {"uids": ["a"]})]).not_sent == {("g", "b", "remove")}
