"""A probe of writes tells what the service does, on a group of its own, and apply goes by it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply.write_capabilities import MAX_LAG, stored_capabilities
from frgroups.apply.write_probe import NAME, PREFIX
from frgroups.cli.main import main
from frgroups.errors import (
    CorruptFileError,
    ForbiddenError,
    InputError,
    NotWritableError,
    ServerError,
    UnexpectedResponseError,
)
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.plan.request_estimate import CHUNK
from frgroups.sandbox.faults import Fault
from frgroups.sandbox.sandbox import Sandbox


@pytest.fixture
def home_folder(tmp_path, monkeypatch):
    """A home of this test's own."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def probed(**behavior):
    """The facts that a probe finds of a sandbox that behaves so."""
    with Sandbox(customers=300, groups=8, **behavior) as sandbox, sandbox.client(writable=True) as client:
        return fg.probe_writes(client)


def test_what_the_sandbox_does_is_what_the_probe_finds(home_folder):
    "Each fact is the one that the sandbox was made with, and it is kept for this tenant and host."
    found = probed()

    assert (found.unknown_uid, found.unknown_uid_spoils_chunk) == ("400", True)
    assert (found.duplicate_create[0], found.repeated_add, found.both_sides) == ("4", "accepted", "accepted")
    assert (found.largest_chunk, found.refused_chunk) == (200, None)
    assert found.visible_after < 1
    assert stored_capabilities(found.tenant_uid, found.base_url) == found
    assert stored_capabilities(found.tenant_uid, fg.STAGE) is None


def test_an_unknown_customer_may_be_passed_over(home_folder):
    "Where the service ignores who it does not know, the others of the chunk join."
    found = probed(unknown_uids="ignore")

    assert (found.unknown_uid, found.unknown_uid_spoils_chunk) == ("accepted", False)


def test_the_largest_chunk_is_found(home_folder):
    "The most that was taken, and the least that was not."
    found = probed(max_uids_per_put=120)

    assert (found.largest_chunk, found.refused_chunk, found.chunk) == (100, 200, 100)


@pytest.mark.parametrize(("status", "largest"), [(429, 200), (503, None)])
def test_a_service_that_is_busy_or_down_tells_nothing_of_sizes(home_folder, status, largest):
    "A 429 is waited for; where no chunk was answered, apply sends them as large as before."
    times = 1 if status == 429 else None
    busy = Fault("status", method="PUT", path=PREFIX, status=status, skip=2, times=times, retry_after="0")

    found = probed(faults=[busy])

    assert (found.largest_chunk, found.refused_chunk, found.chunk) == (largest, None, CHUNK)


def test_probe_gives_up_after_429s(home_folder, monkeypatch):
    "If a write is always answered 429, the probe repeats it within the policy and records the status."
    monkeypatch.setattr("frgroups.apply.write_probe.RATE_LIMIT_POLICY", RetryPolicy(max_attempts=3, base=0.001))
    busy = Fault("status", method="PUT", path=PREFIX, status=429, times=None)
    with Sandbox(customers=300, groups=8, faults=[busy]) as sandbox, sandbox.client(writable=True) as client:
        facts = fg.probe_writes(client)
        writes = [request for request in sandbox.requests() if request["method"] == "PUT"]

    assert facts.unknown_uid == "429" and facts.largest_chunk is None
    assert len(writes) % 3 == 0


def test_a_change_that_was_not_seen_in_time_makes_the_longest_waits(home_folder, monkeypatch):
    "No change within the time of a probe is not the same as one at once."
    monkeypatch.setattr("frgroups.apply.write_probe.MAX_LAG", 0.3)
    found = probed(lag_seconds=3.0)

    assert found.visible_after is None and found.largest_chunk
    assert sum(found.read_back_waits((0.5, 1.0, 2.0))) >= 2 * MAX_LAG


def test_the_time_until_a_change_shows_is_measured(home_folder):
    "A service that shows changes late is waited for."
    found = probed(lag_seconds=1.0)

    assert 0.9 < found.visible_after < 10


def test_no_other_group_changes_and_none_stays(home_folder):
    "The tenant is after a probe what it was before."
    with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
        before = fg.load_snapshot(client, False)
        fg.probe_writes(client)
        after = fg.load_snapshot(client, False)

    assert list(after.groups["customer_group_uid"]) == list(before.groups["customer_group_uid"])
    assert after.memberships.equals(before.memberships)


def test_the_group_is_deleted_when_a_probe_fails(home_folder):
    "A probe that may not go on leaves nothing behind."
    refusing = Fault("status", method="PUT", path=PREFIX, status=403, times=None)
    with Sandbox(customers=300, groups=8, faults=[refusing]) as sandbox, sandbox.client(writable=True) as client:
        with pytest.raises(ForbiddenError):
            fg.probe_writes(client)
        names = [group.name for group in client.iter_groups()]

    assert NAME not in names
    assert not (home_folder / "probes").exists()


def test_a_group_whose_creation_was_answered_with_nonsense_is_deleted(home_folder):
    "It may be there all the same, and is."
    garbled = Fault("garbage", method="POST")
    with Sandbox(customers=300, groups=8, faults=[garbled]) as sandbox, sandbox.client(writable=True) as client:
        with pytest.raises(UnexpectedResponseError):
            fg.probe_writes(client)
        names = [group.name for group in client.iter_groups()]
        asked = [one["method"] for one in sandbox.requests()]

    assert NAME not in names and asked.count("DELETE") == 1


def test_a_group_that_cannot_be_deleted_is_named(home_folder):
    "Who probed is told which group is left."
    broken = Fault("status", method="DELETE", status=500, times=None)
    with (
        Sandbox(customers=300, groups=8, faults=[broken]) as sandbox,
        sandbox.client(writable=True) as client,
        pytest.raises(ServerError, match=rf"{PREFIX}\w+, may still exist"),
    ):
        fg.probe_writes(client)


def test_a_tenant_without_customers_tells_what_it_can(home_folder):
    "Nobody to try with is said, not guessed."
    with Sandbox(empty=True) as sandbox, sandbox.client(writable=True) as client:
        found = fg.probe_writes(client)

    assert (found.largest_chunk, found.repeated_add, found.both_sides, found.visible_after) == (None,) * 4
    assert "no customer to test with" in repr(found)


def test_production_is_never_probed(home_folder):
    "Writes are tried nowhere but on stage and on this machine; nothing is sent."
    with fg.Client("t-1", "secret", base_url=fg.PRODUCTION, writable=True) as client:
        with pytest.raises(InputError, match="on stage or on this machine"):
            fg.probe_writes(client)
        assert client.n_requests == 0


def test_a_reading_client_does_not_probe(home_folder):
    "A probe writes, and needs a client that may."
    with (
        Sandbox(customers=50, groups=8) as sandbox,
        sandbox.client() as client,
        pytest.raises(NotWritableError, match="writable=True"),
    ):
        fg.probe_writes(client)


def test_apply_sends_no_larger_chunks_than_were_taken(home_folder):
    "After a probe no request is refused for its size."
    with Sandbox(customers=300, groups=8, max_uids_per_put=60) as sandbox, sandbox.client(writable=True) as client:
        fg.probe_writes(client)
        snapshot = fg.load_snapshot(client)
        plan = fg.plan_memberships(snapshot, {"new": list(snapshot["Loyalty club"])[:150]}, create={"new": "New"})
        before = client.n_requests
        receipt = fg.apply_plan(client, plan, approval=plan.digest)
        sent = list(Path(receipt.path).parent.glob("*.jsonl"))

    assert receipt.ok
    assert sent and not any(": 413" in path.read_text() for path in sent)
    assert client.n_requests > before


def test_apply_waits_as_long_as_a_change_took(home_folder):
    "A service that shows changes late enough to look as if it lied is waited for, once that is known."
    with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
        found = fg.probe_writes(client)

    assert sum(found.read_back_waits((0.5, 1.0, 2.0))) == 3.5
    slow = fg.WriteCapabilities("t", "u", datetime.now(UTC), "409", "400", None, None, None, None, None, 30.0)
    assert sum(slow.read_back_waits((0.5, 1.0, 2.0))) >= 60


def test_damaged_facts_are_named(home_folder):
    "Facts that were altered are not gone by."
    found = probed()
    [path] = (home_folder / "probes").iterdir()
    path.write_text(path.read_text().replace('"largest_chunk": 200', '"largest_chunk": 900'))

    with pytest.raises(CorruptFileError, match="altered"):
        stored_capabilities(found.tenant_uid, found.base_url)


@pytest.mark.parametrize(
    "absurd",
    [
        {"largest_chunk": -1},
        {"largest_chunk": 1.5, "refused_chunk": 2},
        {"largest_chunk": "many"},
        {"visible_after": 1e9},
        {"visible_after": -1.0},
        {"probed_at": "yesterday"},
    ],
)
def test_facts_that_no_probe_finds_are_not_gone_by(home_folder, absurd):
    "Numbers that would stop an apply, or have it wait for years, are named, with what to do."
    found = probed()
    [path] = (home_folder / "probes").iterdir()
    write_checksummed(path, "write capabilities", read_checksummed(path, "write capabilities") | absurd)

    with pytest.raises(CorruptFileError, match="probe again"):
        stored_capabilities(found.tenant_uid, found.base_url)


def test_capabilities_file_of_another_kind(home_folder):
    "A file of the former kind is rejected with the advice to delete it."
    capabilities = probed()
    [path] = (home_folder / "probes").iterdir()
    path.unlink()
    write_checksummed(path, "write facts", {})

    with pytest.raises(InputError, match="not a write capabilities") as error:
        stored_capabilities(capabilities.tenant_uid, capabilities.base_url)
    assert str(path) in error.value.hint


def test_doctor_probes_when_asked_and_tells_later_what_was_found(home_folder, monkeypatch, capsys):
    "`frgroups doctor` writes nothing; with --probe-writes it does, and the next one shows the facts."
    with Sandbox(customers=300, groups=8) as sandbox:
        monkeypatch.setenv("FRGROUPS_TENANT_UID", sandbox.tenant_uid)
        monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
        monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)
        assert main(["doctor"]) == 0
        assert "Write capabilities" not in capsys.readouterr().out
        assert main(["doctor", "--probe-writes"]) == 0
        assert "200 at once" in capsys.readouterr().out
        assert main(["doctor"]) == 0

    assert "200 at once" in capsys.readouterr().out
