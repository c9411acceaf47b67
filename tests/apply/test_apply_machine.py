"""Test that plans can be applied, resumed, and undone in random order while another client edits the groups."""

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply import executor as applying
from frgroups.apply.journal import Journal
from frgroups.errors import DriftError
from frgroups.sandbox.faults import Fault
from tests.apply.test_apply_faults import sent
from tests.apply.test_executor import OPEN, Crash

PEOPLE = [f"c{n:02d}" for n in range(9)]
GROUPS = ["a", "b", "other"]
WRITE = Journal.write

customers = st.sets(st.sampled_from(PEOPLE))
faults = st.sampled_from(
    [
        (),
        *(
            (Fault(kind, method="PUT", skip=skip),)
            for kind in ("cut_before", "cut_after", "status")
            for skip in (0, 1)
        ),
        *(
            (Fault("status", method="PUT", path=f"/{group}/", status=400, times=times),)
            for group in "ab"
            for times in (3, 9)
        ),
    ]
)


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


class ApplyMachine(RuleBasedStateMachine):
    """State machine of a tenant. Plans are applied one at a time, and another client edits the groups."""

    tenant: ClassVar[fg.Sandbox]

    @initialize(a=customers, b=customers)
    def begin(self, a, b):
        self.tenant.reset()
        self.tenant.put_customers(PEOPLE)
        for group, uids in {"a": a, "b": b, "other": PEOPLE}.items():
            self.tenant.put_group(group, group.upper())
            self.tenant.add_members(group, uids)
        self.client = self.tenant.client(writable=True, retry=RetryPolicy(max_attempts=1), workers=1)
        self.plan = self.receipt = None

    def teardown(self):
        if hasattr(self, "client"):
            self.client.close()
        Journal.write = WRITE

    @rule(a=customers, b=customers, mode=st.sampled_from(["mirror", "mirror", "add", "keep_only"]))
    def make_plan(self, a, b, mode):
        "Replace the current plan with a new plan."
        snapshot = fg.load_snapshot(self.client, False)
        self.plan = fg.plan_memberships(snapshot, {"a": a, "b": b}, mode=mode, limits=OPEN)
        table = self.plan.table()[["customer_group_uid", "customer_uid", "change"]]
        self.items = set(table.itertuples(index=False, name=None))
        self.receipt, self.ours, self.theirs = None, set(), set()

    @precondition(lambda self: self.plan is not None)
    @rule(group=st.sampled_from(GROUPS), uid=st.sampled_from(PEOPLE))
    def edit_by_others(self, group, uid):
        "Simulate another client that removes a member from a group or adds a customer."
        inside = uid in self.tenant.members(group)
        (self.tenant.remove_members if inside else self.tenant.add_members)(group, [uid])
        self.theirs.add((group, uid))
        self.ours.discard((group, uid))

    @precondition(lambda self: self.plan is not None and self.receipt is None)
    @rule(crash_at=st.integers(0, 9), after=st.booleans(), faults_of_step=faults)
    def crash(self, crash_at, after, faults_of_step):
        "Apply the plan and simulate a crash before or after the n-th journal line, if the run writes enough lines."
        left = [crash_at]

        def write_and_crash(journal, event, **facts):
            left[0] -= 1
            if after or left[0] >= 0:
                WRITE(journal, event, **facts)
            if left[0] < 0:
                raise Crash

        Journal.write = write_and_crash
        try:
            self.apply(faults_of_step)
        except Crash:
            self.receipt = None
        finally:
            Journal.write = WRITE

    @precondition(lambda self: self.plan is not None)
    @rule(faults_of_step=faults)
    def apply_or_resume(self, faults_of_step):
        "Start or resume the plan. If it is fully applied, return its receipt."
        self.apply(faults_of_step)

    @precondition(lambda self: self.receipt is not None and not self.receipt.stopped)
    @rule()
    def undo(self):
        "Undo the plan, and check that only the plan's verified changes are reverted."
        before, verified = self.members(), self.in_state("verified")
        plan = fg.plan_undo(self.receipt)

        try:
            receipt = fg.apply_plan(self.client, plan, approval=plan.digest)
        except DriftError:
            assert self.members() == before
            return

        assert receipt.ok
        reverted = {(group, uid) for group, uid, _ in verified}
        now = self.members()
        assert before ^ now <= reverted
        assert all(((group, uid) in now) == (change == "remove") for group, uid, change in verified)
        self.plan = self.receipt = None

    def apply(self, faults_of_step):
        """Apply the plan with simulated server faults, and check the requests and the result."""
        self.tenant.misbehave(*faults_of_step)
        self.tenant.clear_requests()
        before, repeated = self.members(), self.receipt is not None and self.receipt.complete
        try:
            self.receipt = fg.apply_plan(self.client, self.plan, approval=self.plan.digest)
        except DriftError:
            assert sent(self.tenant.requests()) == []
        except fg.FrgroupsError:
            assert before == self.members()  # The plan was rejected before its first change.
        else:
            self.check_receipt(repeated)
        finally:
            self.tenant.behave()
            self.check_sent(before, repeated)

    def check_receipt(self, repeated):
        """Check that the receipt contains all planned changes and that the verified changes are in effect."""
        assert set(self.receipt.states) == self.items and sum(self.receipt.counts.values()) == len(self.items)
        if repeated:
            return
        now = self.members()
        assert all(((group, uid) in now) == (change == "add") for group, uid, change in self.in_state("verified"))

    def check_sent(self, before, repeated):
        """Check that only planned changes were sent and made, and that no change was sent again without a read."""
        requests = self.tenant.requests()
        chunks = sent(requests)
        assert not (repeated and requests)
        assert {(group, uid, side) for group, side, uids in chunks for uid in uids} <= self.items
        changed = before ^ self.members()
        assert changed <= {(group, uid) for group, uid, _ in self.items}
        self.ours |= changed
        self.check_moves(before)
        last = {}
        for at, request in enumerate(requests):
            if request["method"] == "PUT":
                [chunk] = sent([request])
                between = requests[last.get(chunk, at) : at]
                assert chunk not in last or any(
                    other["method"] == "GET" and f"/{chunk[0]}/" in other["path"] for other in between
                )
                last[chunk] = at
        if self.receipt is not None:
            verified = {item[:2] for item in self.in_state("verified")}
            assert verified <= self.ours | self.theirs
            assert repeated or self.receipt.stopped or self.ours <= verified

    def check_moves(self, before):
        """Check that each customer who was moved out of a group is in the target group of the move."""
        gone = before - self.members()
        for uid, left, to in self.plan.moves()[["customer_uid", "from_group", "to_group"]].itertuples(index=False):
            assert (left, uid) not in gone or (to, uid) in self.members()

    def in_state(self, state):
        return {item for item, actual in self.receipt.states.items() if actual == state}

    def members(self):
        return {(group, uid) for group in GROUPS for uid in self.tenant.members(group)}


@pytest.mark.slow
def test_random_steps(tenant, monkeypatch):
    "After each step, the receipt is correct, only planned changes were made, and an undo reverts these changes."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01, 0.02))
    monkeypatch.setattr(applying, "CHUNK", 3)
    monkeypatch.setattr(ApplyMachine, "tenant", tenant, raising=False)

    run_state_machine_as_test(
        ApplyMachine,
        settings=settings(
            max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
