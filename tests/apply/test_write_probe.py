"""Test the write probe, its stored results, and how `apply_plan` uses the results."""

import re
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
from tests.world import select_sandbox


@pytest.fixture
def home_folder(tmp_path, monkeypatch):
    """Return an empty data folder for the test."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def probed(**behavior):
    """Run a write probe on a sandbox with the given behavior, and return the results."""
    with Sandbox(customers=300, groups=8, **behavior) as sandbox, sandbox.client(writable=True) as client:
        return fg.probe_writes(client)


def test_probe(home_folder):
    "The probe results match the behavior of the sandbox and are stored for the sandbox's tenant and host."
    results = probed()

    assert (results.unknown_uid, results.unknown_uid_spoils_chunk) == ("400", True)
    assert (results.duplicate_create[0], results.repeated_add, results.both_sides) == ("4", "accepted", "accepted")
    assert (results.largest_chunk, results.refused_chunk) == (200, None)
    assert results.visible_after < 1
    assert stored_capabilities(results.tenant_uid, results.base_url) == results
    assert stored_capabilities(results.tenant_uid, fg.STAGE) is None


def test_ignored_customer(home_folder):
    "If the server ignores unknown customers, the other customers in the request are added."
    results = probed(unknown_uids="ignore")

    assert (results.unknown_uid, results.unknown_uid_spoils_chunk) == ("accepted", False)


def test_largest_chunk(home_folder):
    "The probe finds the largest accepted and the smallest rejected number of customers per request."
    results = probed(max_uids_per_put=120)

    assert (results.largest_chunk, results.refused_chunk, results.chunk) == (100, 200, 100)


@pytest.mark.parametrize(("status", "largest"), [(429, 200), (503, None)])
def test_busy_server(home_folder, status, largest):
    "The probe repeats a request after status 429. Status 503 does not reduce the size of later requests."
    times = 1 if status == 429 else None
    busy = Fault("status", method="PUT", path=PREFIX, status=status, skip=2, times=times, retry_after="0")

    results = probed(faults=[busy])

    assert (results.largest_chunk, results.refused_chunk, results.chunk) == (largest, None, CHUNK)


def test_probe_gives_up_after_429s(home_folder, monkeypatch):
    "If the server responds to each write with status 429, the probe repeats the write and then records the status."
    monkeypatch.setattr("frgroups.apply.write_probe.RATE_LIMIT_POLICY", RetryPolicy(max_attempts=3, base=0.001))
    monkeypatch.setattr("frgroups.api.retry.MIN_RATE", 1e9)  # Status 429 does not slow down the following requests.
    busy = Fault("status", method="PUT", path=PREFIX, status=429, times=None)
    with Sandbox(customers=300, groups=8, faults=[busy]) as sandbox, sandbox.client(writable=True) as client:
        results = fg.probe_writes(client)
        writes = [request for request in sandbox.requests() if request["method"] == "PUT"]

    assert results.unknown_uid == "429" and results.largest_chunk is None
    assert len(writes) % 3 == 0


def test_no_effect_within_maximum(home_folder, monkeypatch):
    "If a change does not take effect during a probe, `apply_plan` uses the maximum waiting times."
    monkeypatch.setattr("frgroups.apply.write_probe.MAX_LAG", 0.3)
    results = probed(lag_seconds=3.0)

    assert results.visible_after is None and results.largest_chunk
    assert sum(results.read_back_waits((0.5, 1.0, 2.0))) >= 2 * MAX_LAG


def test_visible_after(home_folder):
    "The probe measures the time until an addition is in effect."
    results = probed(lag_seconds=1.0)

    assert 0.9 < results.visible_after < 10


def test_no_lasting_changes(home_folder):
    "After a write probe, the groups of the tenant are the same as before."
    with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
        before = fg.load_snapshot(client, False)
        fg.probe_writes(client)
        after = fg.load_snapshot(client, False)

    assert list(after.groups["customer_group_uid"]) == list(before.groups["customer_group_uid"])
    assert after.memberships.equals(before.memberships)


def test_group_is_deleted_after_error(home_folder):
    "If a step of the write probe fails, the temporary group is deleted."
    forbidden = Fault("status", method="PUT", path=PREFIX, status=403, times=None)
    with Sandbox(customers=300, groups=8, faults=[forbidden]) as sandbox, sandbox.client(writable=True) as client:
        with pytest.raises(ForbiddenError):
            fg.probe_writes(client)
        names = [group.name for group in client.iter_groups()]

    assert NAME not in names
    assert not (home_folder / "probes").exists()


def test_invalid_creation_response(home_folder):
    "If the response to the group creation is invalid, the temporary group is deleted."
    garbled = Fault("garbage", method="POST")
    with Sandbox(customers=300, groups=8, faults=[garbled]) as sandbox, sandbox.client(writable=True) as client:
        with pytest.raises(UnexpectedResponseError):
            fg.probe_writes(client)
        names = [group.name for group in client.iter_groups()]
        methods = [request["method"] for request in sandbox.requests()]

    assert NAME not in names and methods.count("DELETE") == 1


def test_group_cannot_be_deleted(home_folder):
    "If the temporary group cannot be deleted, the error contains the group uid."
    broken = Fault("status", method="DELETE", status=500, times=None)
    with (
        Sandbox(customers=300, groups=8, faults=[broken]) as sandbox,
        sandbox.client(writable=True) as client,
        pytest.raises(ServerError, match=rf"{PREFIX}\w+"),
    ):
        fg.probe_writes(client)


def test_no_customers(home_folder):
    "If the tenant has no customers, the probe results that require a customer are None."
    with Sandbox(empty=True) as sandbox, sandbox.client(writable=True) as client:
        results = fg.probe_writes(client)

    assert (results.largest_chunk, results.repeated_add, results.both_sides, results.visible_after) == (None,) * 4
    assert "None" not in repr(results)


def test_production(home_folder):
    "If the client is connected to production, the probe raises InputError with the host and sends no request."
    with fg.Client("t-1", "secret", base_url=fg.PRODUCTION, writable=True) as client:
        with pytest.raises(InputError, match=re.escape(fg.PRODUCTION)):
            fg.probe_writes(client)
        assert client.n_requests == 0


def test_read_only_client(home_folder):
    "If the client is read-only, the probe raises NotWritableError."
    with (
        Sandbox(customers=50, groups=8) as sandbox,
        sandbox.client() as client,
        pytest.raises(NotWritableError, match="writable=True"),
    ):
        fg.probe_writes(client)


def test_apply_uses_largest_chunk(home_folder):
    "After a probe, `apply_plan` sends no request with more customers than the server accepts."
    with Sandbox(customers=300, groups=8, max_uids_per_put=60) as sandbox, sandbox.client(writable=True) as client:
        fg.probe_writes(client)
        snapshot = fg.load_snapshot(client)
        plan = fg.plan_memberships(snapshot, {"new": list(snapshot["Loyalty club"])[:150]}, create={"new": "New"})
        before = client.n_requests
        receipt = fg.apply_plan(client, plan, approval=plan.digest)
        journals = list(Path(receipt.path).parent.glob("*.jsonl"))

    assert receipt.ok
    assert journals and not any(": 413" in path.read_text() for path in journals)
    assert client.n_requests > before


def test_read_back_waits(home_folder):
    "If the server's changes take effect late, the waiting times between reads are extended."
    with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
        results = fg.probe_writes(client)

    assert sum(results.read_back_waits((0.5, 1.0, 2.0))) == 3.5
    slow = fg.WriteCapabilities("t", "u", datetime.now(UTC), "409", "400", None, None, None, None, None, 30.0)
    assert sum(slow.read_back_waits((0.5, 1.0, 2.0))) >= 60


def test_altered_file(home_folder):
    "If the file with the probe results was altered, CorruptFileError with the path of the file is raised."
    results = probed()
    [path] = (home_folder / "probes").iterdir()
    path.write_text(path.read_text().replace('"largest_chunk": 200', '"largest_chunk": 900'))

    with pytest.raises(CorruptFileError) as caught:
        stored_capabilities(results.tenant_uid, results.base_url)
    assert caught.value.path == path and str(path) in caught.value.hint


@pytest.mark.parametrize(
    "invalid",
    [
        {"largest_chunk": -1},
        {"largest_chunk": 1.5, "refused_chunk": 2},
        {"largest_chunk": "many"},
        {"visible_after": 1e9},
        {"visible_after": -1.0},
        {"probed_at": "yesterday"},
    ],
)
def test_invalid_values(home_folder, invalid):
    "If a file contains values that a probe cannot measure, CorruptFileError with the path of the file is raised."
    results = probed()
    [path] = (home_folder / "probes").iterdir()
    write_checksummed(path, "write capabilities", read_checksummed(path, "write capabilities") | invalid)

    with pytest.raises(CorruptFileError) as caught:
        stored_capabilities(results.tenant_uid, results.base_url)
    assert caught.value.path == path


def test_capabilities_file_of_another_kind(home_folder):
    "If the file has an earlier file type, InputError is raised and the hint contains the path of the file."
    capabilities = probed()
    [path] = (home_folder / "probes").iterdir()
    path.unlink()
    write_checksummed(path, "write facts", {})

    with pytest.raises(InputError, match="write facts") as error:
        stored_capabilities(capabilities.tenant_uid, capabilities.base_url)
    assert str(path) in error.value.hint


def test_doctor(home_folder, monkeypatch, capsys):
    "`frgroups doctor` runs a write probe only with --probe-writes. Later calls show the stored results."
    with Sandbox(customers=300, groups=8) as sandbox:
        select_sandbox(sandbox, monkeypatch)
        assert main(["doctor"]) == 0
        assert "not tested" in capsys.readouterr().out
        assert main(["doctor", "--probe-writes"]) == 0
        assert re.search(r"\b200 accepted\b", capsys.readouterr().out)
        assert main(["doctor"]) == 0

    assert re.search(r"\b200 accepted\b", capsys.readouterr().out)
