"""Test that invalid plan, approval, receipt, and journal files are rejected."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from frgroups.apply.journal import Journal, read_journal_lines, write_journal
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.errors import CorruptFileError, FrgroupsError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.approval import approve_plan, check_approval
from frgroups.snapshot.from_frames import sample_snapshot


@pytest.fixture
def plan():
    """Return a plan with an addition and a removal."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-7"]})


@pytest.fixture
def files(plan, tmp_path):
    """Return a valid file of each kind and the function that reads it."""
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
        "journal": (journal.path, read_journal_lines),
    }


def with_format_version_1(content):
    """Return the content of a file with its format version changed to 1."""
    return json.dumps(json.loads(content) | {"format_version": 1}).encode()


CHECKSUMMED = ["plan", "approval", "receipt"]
BAD = {
    "empty": lambda content: b"",
    "not JSON": lambda content: b"Dear colleague,\n",
    "half": lambda content: content[: len(content) // 2],
    "twice": lambda content: content + content,
    "a list": lambda content: b"[]\n",
    "a number": lambda content: b"7\n",
    "null": lambda content: b"null\n",
    "not UTF-8": lambda content: b"\xff\xfe\x00\x01\n",
    "zero bytes": lambda content: bytes(len(content)),
    "deeply nested": lambda content: b"[" * 100_000 + b"\n",
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "another kind": lambda content: content.replace(b'"frgroups ', b'"frgroups other ', 1),
    "another version": with_format_version_1,
    "content is null": lambda content: json.dumps(json.loads(content) | {"content": None}).encode(),
    "content of another type": lambda content: json.dumps(json.loads(content) | {"content": [1]}).encode(),
}


@pytest.mark.parametrize("kind", CHECKSUMMED)
@pytest.mark.parametrize("bad", BAD)
def test_invalid_file(files, kind, bad):
    "An invalid plan, approval, or receipt file raises an error with the file name."
    path, read = files[kind]
    path.write_bytes(BAD[bad](path.read_bytes()))

    # An invalid approval file might be a rejection, which raises NotApprovedError.
    with pytest.raises((InputError, NotApprovedError) if kind == "approval" else InputError) as caught:
        read(path)

    assert path.name in str(caught.value)


@pytest.mark.parametrize("bad", ["not JSON", "a list", "a number", "null", "not UTF-8", "deeply nested"])
def test_invalid_journal_line(files, bad):
    "An invalid journal line that ends with a line break is reported as corrupt and is not ignored as incomplete."
    path, read = files["journal"]
    path.write_bytes(BAD[bad](b"") + path.read_bytes())

    with pytest.raises(InputError, match="line 1"):
        read(path)


def test_receipt_of_another_version(files):
    "If a receipt has an earlier format version, the error contains this version and is not a CorruptFileError."
    path, read = files["receipt"]
    content = read_checksummed(path, "receipt")
    del content["format_version"]
    write_checksummed(path, "receipt", content)

    with pytest.raises(InputError, match=r"version 1\b.*version 2\b") as caught:
        read(path)

    assert not isinstance(caught.value, CorruptFileError)


def test_journal_of_another_version(files):
    "If a journal has an earlier format version, the error contains this version and is not a CorruptFileError."
    path, read = files["journal"]
    lines = read_journal_lines(path)
    del lines[0]["format_version"]
    write_journal(path, lines)

    with pytest.raises(InputError, match=r"version 1\b.*version 2\b") as caught:
        read(path)

    assert not isinstance(caught.value, CorruptFileError)


@pytest.mark.parametrize("kind", [*CHECKSUMMED, "journal"])
def test_unreadable_file(files, kind, tmp_path):
    "If the path is a folder or a file without read permission, FrgroupsError with this path is raised."
    path, read = files[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    path.chmod(0)

    with pytest.raises(FrgroupsError, match=re.escape(str(folder))):
        read(folder)
    if os.geteuid() != 0:  # The root user can read all files.
        with pytest.raises(FrgroupsError, match="Permission denied") as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["plan", "approval"])
@pytest.mark.parametrize("bit", [0x04, *(pytest.param(bit, marks=pytest.mark.slow) for bit in (0x20, 0x80))])
def test_flipped_bit(files, kind, bit):
    "A flipped bit in a plan or an approval raises FrgroupsError, unless it only changes whitespace."
    path, read = files[kind]
    content, expected = path.read_bytes(), read(path)
    harmless = 0

    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :])
        try:
            actual = read(path)
        except FrgroupsError:
            continue
        harmless += 1
        assert content[position : position + 1].isspace()
        assert content_of(actual) == content_of(expected)

    assert harmless <= content.count(b"\n")


def content_of(actual):
    """Return the content of a plan or an approval as a dictionary, so that it can be compared."""
    return actual.to_dict()


def test_approval_of_other_tenant(files, plan, tmp_path):
    "An approval is not valid for a plan that has the same changes but another tenant or host."
    path, _ = files["approval"]

    for target in ({"tenant_uid": "t-2"}, {"base_url": "https://api.example.test/v2"}):
        with pytest.raises(FrgroupsError, match=plan.digest[:12]):
            check_approval(replace(plan, **target), path)


def test_journal_path(plan, tmp_path):
    "The path of a plan's journal depends on the tenant, the host, and the creation time of the plan."
    others = [
        replace(plan, tenant_uid="t-2"),
        replace(plan, base_url="https://api.example.test/v2"),
        replace(plan, planned_at=plan.planned_at + timedelta(seconds=1)),
    ]

    assert len({Journal.for_plan(other, tmp_path).path for other in [plan, *others]}) == 4
