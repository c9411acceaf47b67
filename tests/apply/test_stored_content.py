"""Test plan, receipt, and journal files with a correct checksum and invalid values."""

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from frgroups.apply.journal import Journal, write_journal
from frgroups.apply.receipt import FINALIZED, Receipt, read_receipt
from frgroups.apply.run_registry import register_run, registered_journal, reverted_by
from frgroups.apply.undo import plan_undo
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, sha256, write_checksummed
from frgroups.internals.paths import data_subdir
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import plan_to_dict, read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.page import review_html
from frgroups.snapshot.from_frames import sample_snapshot

APPROVAL = {"how": "person", "by": "Kari", "at": "2026-11-23T08:10:00+00:00"}
NOW = datetime.now(UTC)
# Values that replace each value in a file. `DELETE` removes the key or the list element.
DELETE = object()
BAD_VALUES = [DELETE, None, True, -1, 1.5, 10**30, "", "x", "\ud800", [], [[]], {}, {"x": 1}, ["vip", -1]]


def sample_plan():
    """Return a plan with all kinds of content."""
    return plan_memberships(
        sample_snapshot(),
        {"vip": ["c-7", "x-1"], "staff": ["c-251", "c-3"], "new": ["c-2"]},
        mode="mirror",
        create={"new": "New"},
        protect=["c-1", "c-x"],
        limits=Limits(per_group={"staff": Limits(removals_per_day=5)}),
        purpose="Test",
    )


def sample_receipt(plan):
    """Return a receipt of a plan with all kinds of content."""
    states = {(group.uid, uid, change): "verified" for group in plan.groups for uid, change in group.items()}
    return Receipt(
        plan,
        states,
        {next(iter(states)): "a message"},
        {"vip": ("c-1", "c-7")},
        frozenset({"vip"}),
        frozenset({"new"}),
        APPROVAL,
        NOW,
        NOW,
        stopped="Interrupted.",
        drift={"vip": (1, 2)},
        renamed={"vip": "Old VIP"},
        similar_groups={"vip": ("vip2",)},
        skipped_groups=frozenset({"vip"}),
        n_journal_lines=3,
    )


def mutations(content, *, skip=()):
    """Yield copies of a JSON document in which one value is replaced or deleted."""
    for path in list(paths_in(content)):
        if path[0] in skip:
            continue
        for value in BAD_VALUES:
            changed = copy.deepcopy(content)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            if value is DELETE:
                del parent[path[-1]]
            elif parent[path[-1]] == value and type(parent[path[-1]]) is type(value):
                continue
            else:
                parent[path[-1]] = value
            yield path, value, changed


def paths_in(content):
    """Yield the paths of the values in a JSON document. For a list, only the first path is included."""
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = list(enumerate(content))[:1]
    else:
        return
    for key, value in items:
        yield (key,)
        for rest in paths_in(value):
            yield (key, *rest)


def use_plan(plan):
    """Call the functions that use the content of a plan."""
    plan.summary()
    plan.table()
    plan.excluded()
    plan.moves()
    plan.customer_facts()
    plan.preview()
    plan_to_dict(plan)
    review_html(plan)


@pytest.mark.slow
def test_mutated_plan(tmp_path, monkeypatch):
    "If a value in a plan file is replaced, the plan can be used or InputError is raised."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan")
    n_rejected = 0
    # A person who can forge the checksum can also forge the digest.
    monkeypatch.setattr(Plan, "digest", content["digest"])

    for place, value, changed in mutations(content):
        try:
            write_forged(path, "plan", changed)
            plan = read_plan(path)
        except InputError:
            n_rejected += 1
            continue
        try:
            use_plan(plan)
        except Exception as error:
            raise AssertionError(f"{place} = {value!r}") from error

    assert n_rejected > 200


def write_forged(path, kind, content):
    """Write a file with a correct checksum, even if the content cannot be encoded in UTF-8."""
    path.unlink(missing_ok=True)
    write_checksummed(path, kind, content)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "add"},
        {"mode": "remove"},
        {"mode": "keep_only"},
        {"order": "remove_first"},
        {"limits": {"removals_total": -1}},
        {"limits": {"removal_share_total": 25}},
        {"limits": {"per_group": [["vip"]]}},
        {"limits": {"per_group": "vip"}},
        {"limits": {"per_group": [["vip", 5]]}},
        {"planned_at": "2026-11-23T08:10:00"},
        {"planned_at": "9999-12-31T23:59:59+00:00"},
        {"planned_at": "0001-01-01T00:00:00+23:59"},
        {"lists": [["vip", "VIP", -1, 0, 0]]},
    ],
)
def test_contradictory_plan(tmp_path, monkeypatch, change):
    "A plan file whose values contradict each other or are out of range raises CorruptFileError."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan")
    monkeypatch.setattr(Plan, "digest", content["digest"])
    write_checksummed(path, "plan", content | change)

    with pytest.raises(CorruptFileError):
        read_plan(path)


@pytest.mark.parametrize("key", ["add", "remove", "unknown"])
def test_contradictory_group(tmp_path, monkeypatch, key):
    "A plan file with a duplicate customer, or an unknown customer who is not added, raises CorruptFileError."
    path = sample_plan().save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan")
    monkeypatch.setattr(Plan, "digest", content["digest"])
    [group] = [group for group in content["groups"] if group["customer_group_uid"] == "vip"]
    group[key] = [*group[key], "c-7", "c-7"] if key != "unknown" else ["c-8"]
    write_checksummed(path, "plan", content)

    with pytest.raises(CorruptFileError):
        read_plan(path)


@pytest.mark.slow
def test_mutated_receipt(tmp_path):
    "If a value in a receipt file is replaced, the receipt can be used or InputError is raised."
    path = sample_receipt(sample_plan()).save(tmp_path / "receipt.json")
    content = read_checksummed(path, "receipt")
    n_rejected = 0

    for place, value, changed in mutations(content, skip=("plan",)):
        try:
            write_forged(path, "receipt", changed)
            receipt = read_receipt(path)
        except InputError:
            n_rejected += 1
            continue
        try:
            assert receipt.summary() and receipt._repr_html_() and repr(receipt)
            receipt.table()
            plan_undo(receipt).summary()
        except Exception as error:
            raise AssertionError(f"{place} = {value!r}") from error

    assert n_rejected > 100


LINES = [
    {"event": "start", "digest": "0" * 64, "planned_at": NOW.isoformat(), "approval": APPROVAL, "format_version": 2},
    {"event": "observed", "group": "vip", "n_members": 3, "add": ["c-1"], "remove": ["c-2"]},
    {"event": "intent", "create": True, "group": "new", "name": "New"},
    {"event": "outcome", "create": True, "group": "new", "result": "accepted", "message": ""},
    {"event": "intent", "group": "vip", "change": "add", "uids": ["c-3"]},
    {"event": "outcome", "group": "vip", "change": "add", "uids": ["c-3"], "result": "rejected", "message": "no"},
    {"event": "end", "complete": True, "counts": {"rejected": 1}},
]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_mutated_journal(tmp_path, number):
    "If a value in a journal line is replaced, the state can be used or InputError is raised."
    path = tmp_path / "run.jsonl"
    lines = [{"at": NOW.isoformat(), **line} for line in LINES]
    n_rejected = 0

    for place, value, changed in mutations(lines[number]):
        try:
            write_journal(path, [*lines[:number], changed, *lines[number + 1 :]])
            journal = Journal(path)
        except (InputError, UnicodeEncodeError) as error:
            # A lone surrogate cannot be written.
            n_rejected += isinstance(error, InputError)
            continue
        try:
            assert journal.state.n_sent >= 0 and journal.state.run_status()
            datetime.fromisoformat(journal.state.started_at or NOW.isoformat())
            hash((journal.state.digest, journal.state.erasure_id, *sorted(journal.state.created)))
        except Exception as error:
            raise AssertionError(f"{place} = {value!r}") from error

    assert n_rejected > 15


def test_escaped_surrogate(tmp_path):
    "A journal line with an escaped lone surrogate raises CorruptFileError, although its checksum is correct."
    line = {"at": NOW.isoformat(), **LINES[0], "digest": "\ud800"}
    checksum = sha256(canonical_json(line))[:16]
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(line | {"sum": checksum}) + "\n")

    with pytest.raises(CorruptFileError, match="line 1"):
        Journal(path)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"digest": 5, "planned_at": "x", "journal": "y"},
        {"digest": "x"},
        {"planned_at": "x", "journal": "y"},
        {"digest": "x", "reverted_by": "y", "at": "now"},
        {"digest": "x", "reverted_by": "y", "at": "2026-11-23T08:10:00"},
        {"digest": "x", "reverted_by": "y"},
        {"digest": "x", "partly_reverted_by": "y", "at": "now"},
    ],
)
def test_invalid_registry_entry(tmp_path, entry):
    "An entry of the registry of started plans with a correct checksum and invalid values raises CorruptFileError."
    plan = sample_plan()
    register_run(plan, tmp_path / "run.jsonl")
    [path] = data_subdir("runs").iterdir()
    path.write_text(json.dumps(entry | {"sum": sha256(canonical_json(entry))[:16]}) + "\n")

    for call in (registered_journal, reverted_by):
        with pytest.raises(CorruptFileError, match="line 1"):
            call(plan)


def test_finalized_field(tmp_path):
    "The field `finalized` identifies a finalized receipt. If it is missing, the text in `stopped` is used."
    receipt = replace(sample_receipt(sample_plan()), stopped="Another text.", finalized=True)
    path = receipt.save(tmp_path / "receipt.json")
    new = {"finalized", "renamed", "similar_groups", "skipped_groups"}

    assert read_receipt(path).finalized
    for stopped, expected in ((f"{FINALIZED} More.", True), ("Interrupted.", False), ("", False)):
        content = {key: value for key, value in receipt.to_dict().items() if key not in new}
        write_checksummed(path, "receipt", content | {"stopped": stopped})
        assert read_receipt(path).finalized == expected


def test_plan_of_earlier_version(tmp_path):
    "A plan file without the newer limits and lists keeps its digest, and the newer limits are off."
    limits = Limits(removal_share_total=None, removal_floor_total=None, per_group={"vip": Limits()})
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits)
    path = plan.save(tmp_path / "plan.json")
    content = read_checksummed(path, "plan")
    del content["lists"]

    assert not {"removal_share_total", "removal_floor_total"} & set(content["limits"])
    write_checksummed(path, "plan", content)
    again = read_plan(path)
    assert again.digest == plan.digest and again.limits.removal_share_total is None
