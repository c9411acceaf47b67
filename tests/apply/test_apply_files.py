"""Files that are not what they should be: plans, approvals, receipts and journals are refused in our words."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from frgroups.apply.journal import Journal, write_journal
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.errors import CorruptFileError, FrgroupsError, InputError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.approval import approve_plan, check_approval
from frgroups.snapshot.from_frames import sample_snapshot


@pytest.fixture
def plan():
    """A plan that adds and removes."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-7"]})


@pytest.fixture
def files(plan, tmp_path):
    """{kind: (a good file, what reads it)}."""
    now = datetime.now(UTC)
    states = {("vip", "c-7", "add"): "verified"}
    receipt = Receipt(
        plan, states, {}, {"vip": ("c-7",)}, frozenset({"vip"}), frozenset(), {"how": "digest"}, now, now
    )
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.write("start", digest=plan.digest, planned_at=plan.planned_at.isoformat(), approval={"how": "digest"})
        journal.write("observed", group="vip", n_members=3, add=[], remove=[])
    return {
        "plan": (plan.save(tmp_path / "p.json"), read_plan),
        "approval": (approve_plan(plan, tmp_path / "a.json", by="Kari"), lambda path: check_approval(plan, path)),
        "receipt": (receipt.save(tmp_path / "r.json"), read_receipt),
        "journal": (journal.path, lambda path: Journal(path).lines()),
    }


def other_version(whole):
    """The same, of a version that is not read here."""
    return json.dumps(json.loads(whole) | {"format_version": 1}).encode()


SEALED = ["plan", "approval", "receipt"]
BAD = {
    "empty": lambda whole: b"",
    "not JSON": lambda whole: b"Dear colleague,\n",
    "half": lambda whole: whole[: len(whole) // 2],
    "twice": lambda whole: whole + whole,
    "a list": lambda whole: b"[]\n",
    "a number": lambda whole: b"7\n",
    "nothing": lambda whole: b"null\n",
    "no text": lambda whole: b"\xff\xfe\x00\x01\n",
    "zeros": lambda whole: bytes(len(whole)),
    "deep": lambda whole: b"[" * 100_000 + b"\n",
    "UTF-16": lambda whole: whole.decode().encode("utf-16"),
    "another kind": lambda whole: whole.replace(b'"frgroups ', b'"frgroups other ', 1),
    "another version": other_version,
    "no content": lambda whole: json.dumps(json.loads(whole) | {"content": None}).encode(),
    "a content of another form": lambda whole: json.dumps(json.loads(whole) | {"content": [1]}).encode(),
}


@pytest.mark.parametrize("kind", SEALED)
@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_is_none_is_refused_in_our_words(files, kind, bad):
    "Whatever stands in the place of a plan, an approval or a receipt is an error that names the file."
    path, read = files[kind]
    path.write_bytes(BAD[bad](path.read_bytes()))

    with pytest.raises(InputError) as refused:
        read(path)

    assert path.name in str(refused.value)


@pytest.mark.parametrize("bad", ["not JSON", "a list", "a number", "nothing", "no text", "deep"])
def test_whole_lines_that_are_no_journal_are_refused(files, bad):
    "They are not taken for a line that a crash tore."
    path, read = files["journal"]
    path.write_bytes(BAD[bad](b"") + path.read_bytes())

    with pytest.raises(InputError, match="line 1"):
        read(path)


def test_receipt_of_another_version(files):
    "A receipt of an older format is rejected with its version; it is not reported as corrupt."
    path, read = files["receipt"]
    content = read_checksummed(path, "receipt")
    del content["format_version"]
    write_checksummed(path, "receipt", content)

    with pytest.raises(InputError, match="format version 1; this frgroups reads 2") as refused:
        read(path)

    assert not isinstance(refused.value, CorruptFileError)


def test_journal_of_another_version(files):
    "A journal of an older format is rejected with its version; it is not reported as corrupt."
    path, read = files["journal"]
    lines = Journal(path).lines()
    del lines[0]["format_version"]
    write_journal(path, lines)

    with pytest.raises(InputError, match="format version 1; this frgroups reads 2") as refused:
        read(path)

    assert not isinstance(refused.value, CorruptFileError)


@pytest.mark.parametrize("kind", [*SEALED, "journal"])
def test_a_folder_or_an_unreadable_file_is_refused(files, kind, tmp_path):
    "Neither ends in a traceback of the system."
    path, read = files[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    path.chmod(0)

    with pytest.raises(FrgroupsError, match="folder"):
        read(folder)
    if os.geteuid() != 0:  # Root may read everything.
        with pytest.raises(FrgroupsError, match="cannot be read"):
            read(path)


@pytest.mark.parametrize("kind", ["plan", "approval"])
@pytest.mark.parametrize("bit", [0x04, 0x20, 0x80])
def test_every_flipped_bit_is_refused_or_is_a_blank(files, kind, bit):
    "Whatever byte of a plan or an approval changes: it is an error of ours, or what is read is the same."
    path, read = files[kind]
    whole, expected = path.read_bytes(), read(path)
    harmless = 0

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        try:
            found = read(path)
        except FrgroupsError:
            continue
        harmless += 1
        assert whole[place : place + 1].isspace()
        assert meaning(found) == meaning(expected)

    assert harmless <= whole.count(b"\n")


def meaning(found):
    """What was read, as a value that can be compared."""
    return found.to_dict()


def test_an_approval_of_another_tenant_or_host_is_refused(files, plan, tmp_path):
    "The same change elsewhere has another digest."
    path, _ = files["approval"]

    for elsewhere in ({"tenant_uid": "t-2"}, {"base_url": "https://api.example.test/v2"}):
        with pytest.raises(FrgroupsError, match="not this one"):
            check_approval(replace(plan, **elsewhere), path)


def test_the_journal_of_another_tenant_host_or_moment_is_another(plan, tmp_path):
    "Nothing that was written of one is taken for the other."
    others = [
        replace(plan, tenant_uid="t-2"),
        replace(plan, base_url="https://api.example.test/v2"),
        replace(plan, planned_at=plan.planned_at + timedelta(seconds=1)),
    ]

    assert len({Journal.for_plan(one, tmp_path).path for one in [plan, *others]}) == 4
