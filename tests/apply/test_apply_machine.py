"""Plan, edits of others, apply, crashes, going on and undo in any order over HTTP: what must hold after each step."""

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


class Applying(RuleBasedStateMachine):
    """One tenant, one plan at a time, and somebody else who edits between our steps."""

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
        "A new plan takes the place of the one before, wherever that is."
        snapshot = fg.load_snapshot(self.client, False)
        self.plan = fg.plan_memberships(snapshot, {"a": a, "b": b}, mode=mode, limits=OPEN)
        table = self.plan.table()[["customer_group_uid", "customer_uid", "change"]]
        self.items = set(table.itertuples(index=False, name=None))
        self.receipt, self.ours, self.theirs = None, set(), set()

    @precondition(lambda self: self.plan is not None)
    @rule(group=st.sampled_from(GROUPS), uid=st.sampled_from(PEOPLE))
    def somebody_else_edits(self, group, uid):
        "Whoever is in leaves, whoever is not joins."
        inside = uid in self.tenant.members(group)
        (self.tenant.remove_members if inside else self.tenant.add_members)(group, [uid])
        self.theirs.add((group, uid))
        self.ours.discard((group, uid))

    @precondition(lambda self: self.plan is not None and self.receipt is None)
    @rule(dies_at=st.integers(0, 9), after=st.booleans(), wrong=faults)
    def die(self, dies_at, after, wrong):
        "The run ends before or after some line of its journal; with luck it is through before."
        left = [dies_at]

        def dying(journal, event, **facts):
            left[0] -= 1
            if after or left[0] >= 0:
                WRITE(journal, event, **facts)
            if left[0] < 0:
                raise Crash

        Journal.write = dying
        try:
            self.apply(wrong)
        except Crash:
            self.receipt = None
        finally:
            Journal.write = WRITE

    @precondition(lambda self: self.plan is not None)
    @rule(wrong=faults)
    def apply_or_go_on(self, wrong):
        "The same call begins a plan, goes on with it, or returns its receipt."
        self.apply(wrong)

    @precondition(lambda self: self.receipt is not None and not self.receipt.stopped)
    @rule()
    def undo(self):
        "What really changed is as it was, everything else as it is."
        before, verified = self.members(), self.in_state("verified")
        plan = fg.plan_undo(self.receipt)

        try:
            receipt = fg.apply_plan(self.client, plan, approval=plan.digest)
        except DriftError:
            assert self.members() == before
            return

        assert receipt.ok
        still = {(group, uid) for group, uid, _ in verified}
        now = self.members()
        assert before ^ now <= still
        assert all(((group, uid) in now) == (change == "remove") for group, uid, change in verified)
        self.plan = self.receipt = None

    def apply(self, wrong):
        """Apply, and look at what was sent and at what changed."""
        self.tenant.misbehave(*wrong)
        self.tenant.clear_requests()
        before, repeated = self.members(), self.receipt is not None and self.receipt.complete
        try:
            self.receipt = fg.apply_plan(self.client, self.plan, approval=self.plan.digest)
        except DriftError:
            assert sent(self.tenant.requests()) == []
        except fg.FrgroupsError:
            assert before == self.members()  # Refused before anything was changed.
        else:
            self.check_receipt(repeated)
        finally:
            self.tenant.behave()
            self.check_sent(before, repeated)

    def check_receipt(self, repeated):
        """Its states are those of the plan's items, and what it calls verified is so."""
        assert set(self.receipt.states) == self.items and sum(self.receipt.counts.values()) == len(self.items)
        if repeated:
            return
        now = self.members()
        assert all(((group, uid) in now) == (change == "add") for group, uid, change in self.in_state("verified"))

    def check_sent(self, before, repeated):
        """Only planned items were sent and changed, and no chunk twice without a reading between."""
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
                    one["method"] == "GET" and f"/{chunk[0]}/" in one["path"] for one in between
                )
                last[chunk] = at
        if self.receipt is not None:
            verified = {item[:2] for item in self.in_state("verified")}
            assert verified <= self.ours | self.theirs
            assert repeated or self.receipt.stopped or self.ours <= verified

    def check_moves(self, before):
        """Who left a group by our hand is in the one that the plan moves them to."""
        gone = before - self.members()
        for uid, left, to in self.plan.moves()[["customer_uid", "from_group", "to_group"]].itertuples(index=False):
            assert (left, uid) not in gone or (to, uid) in self.members()

    def in_state(self, state):
        return {item for item, found in self.receipt.states.items() if found == state}

    def members(self):
        return {(group, uid) for group in GROUPS for uid in self.tenant.members(group)}


def test_any_order_of_steps_keeps_the_promises(tenant, monkeypatch):
    "States add up, only planned items change, verified is true, nothing is sent twice unread, and undo undoes."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01, 0.02))
    monkeypatch.setattr(applying, "CHUNK", 3)
    monkeypatch.setattr(Applying, "tenant", tenant, raising=False)

    run_state_machine_as_test(
        Applying,
        settings=settings(
            max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
