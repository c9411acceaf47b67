"""Test that journals are written and read, incomplete lines are ignored, and altered lines are detected."""

import json
import re
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.apply.journal import Journal, JournalState
from frgroups.errors import CorruptFileError, InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot

LINES = [
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


@pytest.fixture
def plan():
    """Return a plan with one addition."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-7"]})


def write_lines(path, lines=LINES):
    """Write lines to a journal file, and return the path of the file."""
    with Journal(path) as journal:
        for event, facts in lines:
            journal.write(event, **facts)
    return path


def state_of(lines):
    """Return the state that results from the given journal lines, without writing a file."""
    state = JournalState()
    for event, facts in lines:
        state.apply_event({"event": event, "at": "", **facts})
    state.started_at = ""
    return state


def read_state(path):
    """Return the state of a journal file without the start time of the run."""
    state = Journal(path).state
    state.started_at = ""
    return state


def test_read_written_journal(tmp_path):
    "Reading a journal restores the observations, intents, and outcomes that were written to the journal."
    state = Journal(write_lines(tmp_path / "j.jsonl")).state

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


@pytest.mark.parametrize("n", range(len(LINES) + 1))
def test_continue_journal(tmp_path, n):
    "If a journal is closed after any line and opened again, the resulting state is the same."
    path = write_lines(tmp_path / "j.jsonl", LINES[:n])

    assert read_state(path) == state_of(LINES[:n])
    write_lines(path, LINES[n:])

    assert read_state(path) == state_of(LINES)


def test_state_while_writing(tmp_path):
    "The state of an open journal equals the state that is read from the journal file."
    with Journal(tmp_path / "j.jsonl") as journal:
        for n, (event, facts) in enumerate(LINES, 1):
            journal.write(event, **facts)

            assert Journal(journal.path).state == journal.state
            assert len(journal.path.read_bytes().splitlines()) == n


def test_incomplete_last_line(tmp_path):
    "An incomplete last line is ignored, and further lines can be added to the journal."
    content = write_lines(tmp_path / "content.jsonl").read_bytes()
    start = content[:-1].rindex(b"\n") + 1
    path = tmp_path / "torn.jsonl"

    for end in range(start, len(content)):
        path.write_bytes(content[:end])
        assert read_state(path) == state_of(LINES[:-1])

    write_lines(path, LINES[-1:])
    assert read_state(path) == state_of(LINES)
    assert len(path.read_bytes().splitlines()) == len(LINES)


def test_deleted_line(tmp_path):
    "If a journal line is deleted, the next line is reported as corrupt. A deleted last line is not detected."
    lines = write_lines(tmp_path / "j.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "cut.jsonl"

    for deleted in range(len(lines) - 1):
        path.write_bytes(b"".join(lines[:deleted] + lines[deleted + 1 :]))
        with pytest.raises(CorruptFileError, match=rf"\bline {deleted + 1}\b") as caught:
            Journal(path)
        assert caught.value.path == path


def test_flipped_bit(tmp_path):
    "A flipped bit in a complete journal line raises CorruptFileError."
    content = write_lines(tmp_path / "j.jsonl", LINES[:6]).read_bytes()
    path = tmp_path / "altered.jsonl"

    for position in range(len(content) - 1):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(CorruptFileError) as caught:
            Journal(path)
        assert caught.value.path == path


@given(order=st.permutations(range(len(LINES))))
def test_order_of_lines(tmp_path_factory, order):
    "If two journal lines are in a different order, CorruptFileError is raised."
    folder = tmp_path_factory.mktemp("journals")
    lines = write_lines(folder / "j.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "other.jsonl").write_bytes(b"".join(lines[n] for n in order))

    if list(order) == sorted(order):
        assert read_state(folder / "other.jsonl") == state_of(LINES)
    else:
        with pytest.raises(CorruptFileError):
            Journal(folder / "other.jsonl")


def test_line_of_another_journal(tmp_path):
    "If a journal contains a valid line from another journal, CorruptFileError is raised."
    first = write_lines(tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    second = write_lines(tmp_path / "b.jsonl", LINES[:2]).read_bytes().splitlines(keepends=True)
    (tmp_path / "c.jsonl").write_bytes(first[0] + second[1])

    with pytest.raises(CorruptFileError, match="line 2"):
        Journal(tmp_path / "c.jsonl")


@pytest.mark.parametrize("content", [b"[]\n", b"{}\n", b"null\n", b"\xff\xfe\n", b"\n", b"<html>\n"])
def test_invalid_content(tmp_path, content):
    "A complete journal line with invalid content raises CorruptFileError and is not ignored as incomplete."
    path = tmp_path / "j.jsonl"
    path.write_bytes(content)

    with pytest.raises(CorruptFileError, match="line 1"):
        Journal(path)


def test_path_of_journal(plan, tmp_path):
    "The path of a plan's journal depends on the digest, the creation time, the tenant, and the host of the plan."
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


def test_reading_creates_no_file(plan, home_folder):
    "The journal file is created when it is opened for writing, and only the owner can access the file."
    journal = Journal.for_plan(plan, None)
    assert not journal.path.exists()
    assert journal.path.is_relative_to(home_folder)

    with journal:
        journal.write("start", approval={})

    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700


def test_fsync(tmp_path, monkeypatch):
    "Each journal line is flushed to disk before `Journal.write` returns."
    synced = []
    module = sys.modules["frgroups.apply.journal"]
    with Journal(tmp_path / "j.jsonl") as journal:
        monkeypatch.setattr(module.os, "fsync", lambda _: synced.append(journal.path.read_bytes()))

        journal.write("start", approval={})

    assert len(synced) == 1
    assert json.loads(synced[0])["event"] == "start"


def test_unwritable_journal(plan, tmp_path, monkeypatch):
    "If the journal cannot be written, InputError is raised before the run starts."
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=re.escape(str(tmp_path / "file"))),
        Journal.for_plan(plan, tmp_path / "file"),
    ):
        pass

    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sys.modules["frgroups.apply.journal"].os, "open", fail)
    with (
        pytest.raises(InputError, match=r"Permission denied.*`journal`"),
        Journal.for_plan(plan, tmp_path),
    ):
        pass


def test_rejected_creation():
    "If the server rejects the creation of a group, the state does not contain the group, so that it is sent again."
    intent = ("intent", {"create": True, "group": "bw", "name": "B"})
    rejected = ("outcome", {"create": True, "group": "bw", "result": "rejected", "message": "409"})

    assert state_of([intent]).creating == {"bw"}
    assert state_of([intent, rejected]).creating == state_of([intent, rejected]).created == set()


def test_unsent_change_is_sent_again():
    "If a change is sent again, it is removed from the set of changes that were not sent."
    intent = ("intent", {"group": "g", "change": "remove", "uids": ["a", "b"]})
    unsent = ("outcome", {"group": "g", "change": "remove", "uids": ["a", "b"], "result": "not_sent", "message": ""})

    assert state_of([intent, unsent]).not_sent == {("g", "a", "remove"), ("g", "b", "remove")}
    assert state_of([intent, unsent, ("intent", intent[1] | {"uids": ["a"]})]).not_sent == {("g", "b", "remove")}
