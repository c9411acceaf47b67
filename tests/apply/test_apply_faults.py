"""Test the effect of each server fault in each phase of a run, and resume the plan after each fault."""

import json
import time

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply import executor as applying
from frgroups.apply import sender as sending
from frgroups.cli.apply_result import receipt_exit_code
from frgroups.internals.exit_codes import code_of
from frgroups.sandbox.faults import Fault
from tests.apply.test_executor import OPEN

PEOPLE = [f"c{n:02d}" for n in range(15)]
BEFORE = {"all": PEOPLE, "vip": PEOPLE[:10]}
WANTED = {"new": ["c14"], "vip": [*PEOPLE[2:10], "c12", "c13"]}
SIDES = {("new", "add"): {"c14"}, ("vip", "add"): {"c12", "c13"}, ("vip", "remove"): {"c00", "c01"}}
HANGS = 0.8

PHASES = {
    "preflight": {"method": "GET", "path": "/vip/"},
    "create": {"method": "POST"},
    "add": {"method": "PUT", "path": "/vip/"},
    "remove": {"method": "PUT", "path": "/vip/", "skip": 1},
    "read-back": {"method": "GET", "path": "/vip/", "skip": 1},
}
N_AFTER = {
    "create": 5,
    "add": 4,
    "remove": 2,
    "read-back": 4,
}  # Number of changes that are not finished when the phase starts.
FAULTS = {
    str(status): {"kind": "status", "status": status} for status in (400, 401, 403, 404, 408, 409, 413, 425)
} | {
    "429": {"kind": "status", "status": 429, "retry_after": "0"},
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "500-after": {"kind": "status_after", "status": 500},
    "cut-before": {"kind": "cut_before"},
    "cut-after": {"kind": "cut_after"},
    "timeout": {"kind": "hang", "seconds": HANGS},
    "false-200": {"kind": "status", "status": 200},
    "html": {"kind": "html"},
}

# The result of a fault that occurs once, and of a permanent fault.
WRITES = {
    "400 404 409 413": ("ok", "rejected"),  # The chunk is divided in half and sent again.
    "401 403 html": ("stopped", "stopped"),
    "408 425 429 500 502 503 cut-before": ("ok", "stopped"),
    "500-after cut-after timeout": ("ok", "ok"),  # The response is lost, but the group contains the change.
    "false-200": ("ineffective", "ineffective"),
}
READS = "429 500 502 503 500-after cut-before cut-after timeout"  # The client repeats the read.
EXPECTED = {
    "preflight": {
        "400 401 403 408 409 413 425 false-200 html": ("error", "error"),
        "404": ("drift", "drift"),
        READS: ("ok", "error"),
    },
    "create": {
        "400 401 403 404 409 413": ("error", "error"),
        "408 425 false-200 html": ("stopped", "stopped"),
        "429": ("ok", "error"),
        "500 502 503 cut-before": ("ok", "stopped"),
        "500-after cut-after": ("ok", "ok"),
        "timeout": ("ok", "stopped"),
    },
    "add": WRITES,
    "remove": WRITES,
    "read-back": {
        "400 401 403 404 408 409 413 425 false-200 html": ("unknown", "unknown"),
        READS: ("ok", "unknown"),
    },
}
STATE = {"rejected": "rejected", "stopped": "not_sent", "ineffective": "not_effective", "unknown": "unknown"}
EXIT_CODES = {"ok": 0, "error": 1, "drift": 4, "rejected": 5, "stopped": 5, "unknown": 5, "ineffective": 6}
CASES = [
    (phase, fault, times, outcome)
    for phase, rows in EXPECTED.items()
    for faults, outcomes in rows.items()
    for fault in faults.split()
    for times, outcome in zip((1, None), outcomes, strict=True)
]
# In each phase, these faults have the same outcomes as 401, 400, 408, and 500.
REPEATED = {"403", "409", "425", "502", "503"}


def case_params():
    """Return the cases as parameters. The faults in REPEATED run with the slow tests."""
    return [
        pytest.param(
            *(phase, fault, times, outcome),
            marks=[pytest.mark.slow] if fault in REPEATED else [],
            id=f"{phase}-{fault}-{'once' if times else 'permanent'}",
        )
        for phase, fault, times, outcome in CASES
    ]


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(tenant, monkeypatch):
    """Return a tenant with a group of all customers and a VIP group of ten customers."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01, 0.02))
    monkeypatch.setattr("frgroups.api.retry.MIN_RATE", 1e9)  # Status 429 does not slow down the following requests.
    monkeypatch.setattr(sending, "RATE_LIMIT_POLICY", RetryPolicy(base=0.001))
    tenant.reset()
    tenant.put_customers(PEOPLE)
    for uid, members in BEFORE.items():
        tenant.put_group(uid, uid.upper())
        tenant.add_members(uid, members)
    return tenant


def test_complete_matrix():
    "The test cases contain each fault in each phase, both as a single fault and as a permanent fault."
    cells = [(phase, fault, times) for phase, fault, times, _ in CASES]

    assert sorted(cells, key=str) == sorted(
        ((phase, fault, times) for phase in PHASES for fault in FAULTS for times in (1, None)), key=str
    )


@pytest.mark.parametrize("phase, fault, times, outcome", case_params())
def test_fault(world, phase, fault, times, outcome):
    "Each fault results in the expected states, exit code, and requests. The plan can be resumed after the fault."
    timeout = 0.4 if fault == "timeout" else 30.0
    with world.client(writable=True, retry=RetryPolicy(max_attempts=2, base=0.001), timeout=timeout) as client:
        snapshot = fg.load_snapshot(client, False)
        plan = fg.plan_memberships(snapshot, WANTED, mode="mirror", create={"new": "New"}, limits=OPEN)
        world.misbehave(Fault(**PHASES[phase], **FAULTS[fault], times=times))
        world.clear_requests()

        code, counts = apply_result(client, plan)
        requests = world.requests()
        world.behave()
        if fault == "timeout" and phase != "preflight":
            time.sleep(
                HANGS
            )  # The server processes the request late. Wait, so that it does not affect the next test.
        code_again, counts_again = apply_result(client, plan)

    assert (code, counts) == (EXIT_CODES[outcome], expected_counts(phase, times, outcome))
    check_requests(requests, in_order=fault != "timeout")
    if outcome in ("error", "drift"):
        assert sent(requests) == []
    if outcome in ("rejected", "ineffective"):
        assert (code_again, counts_again) == (code, counts)
    else:
        assert (code_again, counts_again) == (0, {"verified": 5})
        assert {uid: world.members(uid) for uid in WANTED} == {uid: sorted(uids) for uid, uids in WANTED.items()}


def apply_result(client, plan):
    """Apply a plan. Return the exit code and the number of changes in each state, which is None after an error."""
    try:
        receipt = fg.apply_plan(client, plan, approval=plan.digest)
    except fg.FrgroupsError as error:
        return code_of(error), None
    return receipt_exit_code(receipt), {state: n for state, n in receipt.counts.items() if n}


def expected_counts(phase, times, outcome):
    """Return the expected number of changes in each state."""
    if outcome in ("error", "drift"):
        return None
    if outcome == "ok":
        return {"verified": 5}
    if phase == "add" and outcome in ("rejected", "ineffective"):
        # The removals are skipped, because no addition to the group succeeded.
        return {"verified": 1, STATE[outcome]: 2, "not_sent": 2}
    if phase == "read-back" and times:
        # The removals are skipped, because the additions could not be confirmed before the removals.
        return {"verified": 3, "not_sent": 2}
    if phase == "read-back":
        return {"verified": 1, "unknown": 2, "not_sent": 2}
    n = 2 if outcome == "ineffective" and times else N_AFTER[phase]
    return {state: n for state, n in {"verified": 5 - n, STATE[outcome]: n}.items() if n}


def sent(requests):
    """Return the membership changes in a list of requests as tuples of group, side, and customers."""
    return [
        (request["path"].split("/")[-2], side.removesuffix("CustomerUids"), tuple(uids))
        for request in requests
        if request["method"] == "PUT"
        for side, uids in json.loads(request["sent"]).items()
    ]


def check_requests(requests, in_order):
    """Check that only planned changes were sent, and that a group was read before changes were sent again."""
    assert all(set(uids) <= SIDES[group, side] for group, side, uids in sent(requests))
    open_chunks = set()
    for request in requests if in_order else []:
        group = request["path"].split("/customer-groups")[1].split("/")[1:2]
        if request["method"] == "GET":
            open_chunks -= {chunk for chunk in open_chunks if [chunk[0]] == group}
        elif request["method"] == "PUT" and request["status"] != 429:  # The server did not process this request.
            [chunk] = sent([request])
            assert chunk not in open_chunks, request
            open_chunks.add(chunk)
