"""Test that freeze periods and apply windows stop `apply_plan`, and that an override allows one plan."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply import plan_checks
from frgroups.apply.journal import Journal, read_journal_lines
from frgroups.apply.sender import Sender
from frgroups.apply.window_override import read_override
from frgroups.errors import ApplyWindowError, CorruptFileError, InputError, NotApprovedError, PlanBlockedError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from tests.apply.test_apply_again import crashed, moved_clock
from tests.apply.test_executor import PEOPLE, apply, arrange, plan_for, writes
from tests.windows import write_freeze, write_windows

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch):
    """Return a tenant with a group of all customers, a group of ten customers, and a group without members."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.05, 0.05))
    arrange(tenant, {"all": PEOPLE, "vip": PEOPLE[:10], "empty": []})
    return tenant


@pytest.fixture
def client(world):
    with world.client(writable=True) as client:
        yield client


def write_closed_window(plan):
    """Write a window on the day after tomorrow, and return the time at which it opens."""
    opens_at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    day = opens_at.strftime("%a").lower()
    write_windows(f'timezone = "UTC"\n[[window]]\ndays = "{day}"\nhours = "00:00-24:00"\n', plan)
    return opens_at


def override(plan, path, **options):
    """Write an override for a plan, and return its path."""
    return fg.override_windows(plan, path, **({"by": "Kari", "reason": "wrong price"} | options))


CLOSED = pytest.mark.parametrize("close", [write_freeze, write_closed_window])


@CLOSED
def test_stopped_after_approval(client, world, tmp_path, close):
    "A freeze or a window that is added after the approval stops the plan before the first request."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    approval = fg.approve_plan(plan, tmp_path / "a.approval.json", by="Kari")
    opens_at = close(plan)
    world.clear_requests()

    with pytest.raises(ApplyWindowError) as stopped:
        fg.apply_plan(client, plan, approval=approval)

    assert world.requests() == [] and stopped.value.opens_at == opens_at
    assert isinstance(stopped.value, PlanBlockedError) and "Nothing was sent" in str(stopped.value)
    assert not Journal.for_plan(plan, None).path.exists()
    fg.apply_windows_path(plan).unlink()
    receipt = fg.apply_plan(client, plan, approval=approval)
    assert receipt.ok and receipt.overrides == ()


@CLOSED
def test_stopped_resume(client, world, tmp_path, monkeypatch, close):
    "An interrupted run is not resumed during a freeze or outside the windows, unless an override allows it."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    close(plan)
    world.clear_requests()

    with pytest.raises(ApplyWindowError, match=r"\b200 changes\b"):
        apply(client, plan)

    assert world.requests() == []
    receipt = apply(client, plan, override=override(plan, tmp_path / "o.json"))
    assert receipt.ok and world.members("vip") == PEOPLE
    assert [entry["by"] for entry in receipt.overrides] == ["Kari"]


def test_freeze_after_the_first_request(client, world, monkeypatch):
    "If a freeze starts after the first request of a run, the run continues to its end."
    plan = plan_for(client, {"vip": PEOPLE})
    send = Sender._send_chunk

    def freeze_and_send(self, *args):
        write_freeze(plan)
        return send(self, *args)

    monkeypatch.setattr(Sender, "_send_chunk", freeze_and_send)
    world.clear_requests()

    assert apply(client, plan).ok
    assert len(writes(world)) == 2 and world.members("vip") == PEOPLE
    world.clear_requests()
    assert apply(client, plan).repeated and world.requests() == []


def test_freeze_before_the_lock(client, world, monkeypatch):
    "The windows are read again immediately before the first request."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    enter = Journal.__enter__

    def freeze_and_enter(self):
        write_freeze(plan)
        return enter(self)

    monkeypatch.setattr(Journal, "__enter__", freeze_and_enter)
    world.clear_requests()

    with pytest.raises(ApplyWindowError):
        apply(client, plan)
    assert world.requests() == []


def test_invalid_windows(client, world):
    "An invalid file stops the plan before the first request."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    path = write_windows("[[freeze]]\n", plan)
    world.clear_requests()

    with pytest.raises(InputError) as stopped:
        apply(client, plan)

    assert str(path) in str(stopped.value) and world.requests() == []


def test_other_steps_during_a_freeze(client, world, tmp_path, monkeypatch):
    "During a freeze, plans can be created, reviewed, approved, and finalized."
    plan = plan_for(client, {"vip": PEOPLE})
    crashed(client, plan, monkeypatch)
    write_freeze(plan)

    assert not fg.finalize_plan(client, plan).ok
    other = plan_for(client, {"empty": PEOPLE[:3]})
    assert fg.save_review(other, tmp_path / "r.html").exists()
    assert fg.approve_plan(other, tmp_path / "a.json", by="Kari").exists()


def test_override(client, world, tmp_path):
    "An override allows one plan. The receipt, its summary, and the journal contain the person and the reason."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    write_freeze(plan)

    receipt = apply(client, plan, override=override(plan, tmp_path / "o.json", reason="call kari@example.test"))

    assert receipt.ok and receipt.overrides == fg.read_receipt(receipt.path).overrides
    [entry] = receipt.overrides
    assert entry["by"] == "Kari" and entry["reason"] == "call …@…"
    assert datetime.fromisoformat(entry["until"]) - datetime.fromisoformat(entry["at"]) == timedelta(hours=24)
    assert "Kari" in receipt.summary() and "Kari" in receipt._repr_html_()
    start = read_journal_lines(receipt.path.with_suffix("").with_suffix(".jsonl"))[0]
    assert start["override"] == entry


def test_override_without_approval(client, world, tmp_path):
    "An override does not replace the approval."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    write_freeze(plan)
    path = override(plan, tmp_path / "o.json")
    world.clear_requests()

    for approval in ("0" * 64, path):
        with pytest.raises((NotApprovedError, InputError)):
            fg.apply_plan(client, plan, approval=approval, override=path)

    assert world.requests() == []


def test_override_of_an_undo(client, world, tmp_path):
    "An undo plan needs its own override. The override of the original plan is rejected."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    path = override(plan, tmp_path / "o.json")
    write_freeze(plan)
    undo = fg.plan_undo(apply(client, plan, override=path))
    world.clear_requests()

    with pytest.raises(ApplyWindowError):
        apply(client, undo)
    with pytest.raises(InputError, match=undo.digest[:12]):
        apply(client, undo, override=path)

    assert world.requests() == []
    assert apply(client, undo, override=override(undo, tmp_path / "u.json")).ok


def test_override_that_was_not_needed(client, world, tmp_path):
    "An override that no run required is not recorded. An override for another plan is rejected at any time."
    plan, other = (plan_for(client, {"vip": PEOPLE[:n]}) for n in (20, 21))

    with pytest.raises(InputError):
        apply(client, plan, override=override(other, tmp_path / "other.json"))

    assert apply(client, plan, override=override(plan, tmp_path / "o.json")).overrides == ()


def test_overrides_of_several_runs(client, world, tmp_path, monkeypatch):
    "The receipt contains the override of each run that required one."
    plan = plan_for(client, {"vip": PEOPLE})
    write_freeze(plan)
    crashed(client, plan, monkeypatch, override=override(plan, tmp_path / "1.json"))

    receipt = apply(client, plan, override=override(plan, tmp_path / "2.json", by="Ola", reason="again"))

    assert [entry["by"] for entry in receipt.overrides] == ["Kari", "Ola"]
    assert fg.finalize_plan(client, plan).overrides == receipt.overrides


@pytest.mark.parametrize(
    ("offset", "valid"),
    [
        pytest.param(timedelta(hours=1, minutes=59), True, id="valid"),
        pytest.param(timedelta(hours=2, minutes=1), False, id="expired"),
        pytest.param(timedelta(hours=-1), False, id="created in the future"),
    ],
)
def test_expiry(client, world, tmp_path, monkeypatch, offset, valid):
    "An expired override, and an override from the future, do not allow the plan."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    plan = replace(plan, planned_at=plan.planned_at - 3 * HOUR, snapshot_taken_at=plan.snapshot_taken_at - 3 * HOUR)
    write_windows('[[freeze]]\nfrom = 2020-01-01T00:00:00Z\nto = 2099-01-01T00:00:00Z\nreason = "Black Week"\n', plan)
    path = override(plan, tmp_path / "o.json", valid_for="2h")
    monkeypatch.setattr(plan_checks, "datetime", moved_clock(datetime.now(UTC) + offset))

    with nullcontext() if valid else pytest.raises(ApplyWindowError):
        assert apply(client, plan, override=path).ok


@pytest.mark.parametrize(
    "options",
    [
        {"by": " "},
        {"by": "\u200b"},
        {"reason": ""},
        {"reason": " \u200b"},
        {"valid_for": "32d"},
        {"valid_for": "0min"},
        {"reason": "x" * 10_001},
    ],
)
def test_invalid_override(tmp_path, options):
    "An override needs a name, a reason, and a duration of at most 31 days."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]})

    with pytest.raises(InputError, match=next(iter(options)) if "by" not in options else "name"):
        override(plan, tmp_path / "o.json", **options)
    assert not (tmp_path / "o.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"by": ""},
        {"reason": " "},
        {"reason": 7},
        {"at": "yesterday"},
        {"until": "2999-01-01T00:00:00+00:00"},
        {"until": "2026-01-01T00:00:00"},
        {"decision": "approved"},
    ],
)
def test_altered_override(tmp_path, change):
    "An override with values that `override_windows` does not write is rejected, even if its checksum is correct."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]})
    path = override(plan, tmp_path / "o.json")
    write_checksummed(path, "override", read_checksummed(path, "override") | change)

    with pytest.raises(CorruptFileError):
        read_override(path, plan)


def test_edited_override(tmp_path):
    "An override that was edited by hand is rejected because of its checksum. An approval is not an override."
    plan, other = (fg.plan_memberships(fg.sample_snapshot(), {"vip": [uid]}) for uid in ("c-7", "c-8"))
    path = override(plan, tmp_path / "o.json")
    path.write_text(path.read_text().replace(plan.digest, other.digest))

    with pytest.raises(CorruptFileError):
        read_override(path, other)
    with pytest.raises(InputError, match="override"):
        read_override(fg.approve_plan(plan, tmp_path / "a.json", by="Kari"), plan)


def test_damaged_stored_override(client, world, tmp_path):
    "A receipt with an invalid override is reported as corrupt."
    plan = plan_for(client, {"vip": PEOPLE[:20]})
    write_freeze(plan)
    path = apply(client, plan, override=override(plan, tmp_path / "o.json")).path
    content = json.loads(path.read_text())["content"]

    for bad in ({"by": 7}, {"at": "now"}):
        write_checksummed(path, "receipt", content | {"overrides": [content["overrides"][0] | bad]})
        with pytest.raises(CorruptFileError):
            fg.read_receipt(path)
