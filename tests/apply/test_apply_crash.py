"""Test that a plan can be resumed after a crash at any file operation or request."""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.apply import executor as applying
from frgroups.apply.journal import Journal
from tests.apply.test_executor import OPEN
from tests.store.test_store_crash import forked

PEOPLE = [f"c{n:02d}" for n in range(12)]
BEFORE = {"all": PEOPLE, "silver": PEOPLE[6:10], "vip": PEOPLE[:6]}
# The plan has an unknown customer, a new group, and moves to both groups. A request contains at most 3 customers.
# The unknown customer joins the new group, because removals from a group require that its additions succeed.
WANTED = {"new": [*PEOPLE[:2], "ghost"], "silver": PEOPLE[7:10], "vip": [*PEOPLE[2:7], "c10", "c11"]}
AFTER = {"all": PEOPLE, "new": PEOPLE[:2], "silver": PEOPLE[7:10], "vip": [*PEOPLE[2:7], "c10", "c11"]}
COUNTS = {"verified": 7, "already": 1, "rejected": 1}  # c11 is already a member when the plan is applied.
UNDONE = {"all": PEOPLE, "new": [], "silver": PEOPLE[6:10], "vip": [*PEOPLE[:6], "c11"]}
WRITES = {"os.rename", "os.mkdir", "os.remove", "os.truncate"}
CRASHED = 7


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each run is a fork of the process")
def test_crash_at_every_step(tmp_path):
    "After one or two crashes at any file operation or request, the resumed plan makes exactly the planned changes."
    command = [sys.executable, "-m", "tests.apply.test_apply_crash", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2])

    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["steps"] > 100 and counts["crashed"] == counts["steps"] and counts["crashed twice"] >= 20, counts
    assert min(counts["states"], counts["torn"]) > 20, counts


# The code below runs in a subprocess. The sandbox has its own process, and each run is a fork of the subprocess.


class CrashPoint:
    """Exit the process after a given number of file operations and requests."""

    def __init__(self, n):
        self.left = n

    def count(self):
        self.left -= 1
        if self.left == 0:
            os._exit(CRASHED)

    def audit(self, event, args):
        if event in WRITES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
            self.count()

    def install(self):
        handle, enter = httpx.HTTPTransport.handle_request, Journal.__enter__

        def handle_request(transport, request):
            self.count()  # The request is not sent.
            response = handle(transport, request)
            self.count()  # The request is processed, and the response is lost.
            return response

        def enter_journal(journal):
            enter(journal)
            journal._file = CrashingFile(journal._file, self)
            return journal

        def fsync(_):
            self.count()

        # The operating system keeps written data after the process has ended, so a real fsync is not necessary.
        httpx.HTTPTransport.handle_request, Journal.__enter__, os.fsync = handle_request, enter_journal, fsync
        sys.addaudithook(self.audit)


class CrashingFile:
    """A journal file that ends the process before, during, or after it writes a line."""

    def __init__(self, file, crash_point):
        self._file, self._crash_point = file, crash_point

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, raw):
        self._crash_point.count()
        if self._crash_point.left == 1:
            self._file.write(raw[: len(raw) // 2])
        self._crash_point.count()
        return self._file.write(raw)


def client_options():
    """Return the client options. Retries are disabled, because the sandbox simulates no faults."""
    return {"retry": RetryPolicy(max_attempts=1), "workers": 1, "writable": True}


def arrange(sandbox, groups):
    """
    Replace the members of all groups.

    Groups that exist keep their creation time, because `apply_plan` rejects groups that were created again.
    """
    sandbox.put_customers(PEOPLE)
    for uid in set(sandbox.groups()) - set(groups):
        sandbox.delete_group(uid)
    for uid, members in groups.items():
        if uid not in sandbox.groups():
            sandbox.put_group(uid, uid.upper())
        sandbox.remove_members(uid, set(sandbox.members(uid)) - set(members))
        sandbox.add_members(uid, members)
    sandbox.clear_requests()


def make_plan(sandbox, path):
    """Create the plan file that is applied by all runs."""
    with sandbox.client(**client_options()) as client:
        snapshot = fg.load_snapshot(client, False)
        fg.plan_memberships(snapshot, WANTED, mode="mirror", create={"new": "New"}, limits=OPEN).save(path)


def apply_and_crash(sandbox, path, n):
    """Apply the plan and exit at step n. If n is 0, finish the run and write the number of steps to a file."""
    plan = fg.read_plan(path)
    client = sandbox.client(**client_options())
    crash_point = CrashPoint(n)
    crash_point.install()
    fg.apply_plan(client, plan, approval=plan.digest, progress=False)
    n_steps, crash_point.left = -crash_point.left, 0
    path.with_suffix(".n").write_text(str(n_steps))
    return 0


def resume_and_undo(sandbox, path):
    """Resume the plan, check the result, and undo the plan."""
    plan = fg.read_plan(path)
    with sandbox.client(**client_options()) as client:
        receipt = fg.apply_plan(client, plan, approval=plan.digest, progress=False)
        assert receipt.counts == COUNTS and not receipt.stopped, receipt
        assert read_groups(client) == AFTER, read_groups(client)
        undo = fg.plan_undo(receipt)
        assert fg.apply_plan(client, undo, approval=undo.digest, progress=False).ok
        assert read_groups(client) == UNDONE, read_groups(client)
    return 0


def read_groups(client):
    """Return a dictionary with the customer uids of each group."""
    return {
        group.customer_group_uid: sorted(
            customer.customer_uid for customer in client.iter_group_customers(group.customer_group_uid)
        )
        for group in client.iter_groups()
    }


def check_sent(sandbox):
    """Check that each change that was sent is in the plan."""
    planned = {
        ("new", "add"): {"c00", "c01", "ghost"},
        ("silver", "remove"): {"c06"},
        ("vip", "remove"): {"c00", "c01"},
    }
    planned["vip", "add"] = {"c06", "c10", "c11"}
    for request in sandbox.requests():
        if request["method"] == "PUT":
            group = request["path"].split("/")[-2]
            for side, uids in json.loads(request["sent"]).items():
                assert set(uids) <= planned[group, side.removesuffix("CustomerUids")], request


def durable_state(sandbox, home):
    """Return the groups and files that a resumed run reads, without timestamps and random names."""
    groups = {uid: sandbox.members(uid) for uid in sandbox.groups()}
    files = []
    for path in sorted(home.rglob("*")):
        if path.suffix == ".jsonl":
            files.append((path.name, *map(without_time, path.read_text().splitlines(keepends=True))))
        elif path.name.endswith(".receipt.json"):
            files.append((path.name,))
    return json.dumps([groups, files], sort_keys=True)


def without_time(line):
    """Return a journal line without its timestamp and checksum, or "torn" if the line is incomplete."""
    if not line.endswith("\n"):
        return "torn"
    return json.dumps(
        {k: v for k, v in json.loads(line).items() if k not in ("at", "sum", "started")}, sort_keys=True
    )


class CrashTest:
    """Crash tests of one plan. Each test starts with the same groups and an empty data folder."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.plan, self.home = sandbox, folder / "plan.json", folder / "home"
        os.environ["FRGROUPS_HOME"] = str(self.home)
        self.checked, self.counts = set(), Counter()
        self.reset(drifted=False)
        self.fork("planning", make_plan)
        self.reset()
        self.fork("counting", apply_and_crash, 0)
        self.counts["steps"] = int(self.plan.with_suffix(".n").read_text())

    def reset(self, drifted=True):
        """Restore the groups and empty the data folder. If `drifted` is True, customer c11 is already a member."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        arrange(self.sandbox, BEFORE | ({"vip": [*BEFORE["vip"], "c11"]} if drifted else {}))

    def fork(self, label, function, *args, codes=(0,)):
        """Call a function in a forked process, check the exit code, and return the exit code."""
        code = forked(function, self.sandbox, self.plan, *args)
        if code not in codes:
            sys.exit(f"{label} ended with {code}: {durable_state(self.sandbox, self.home)}")
        return code

    def crash_at(self, *steps):
        """Apply the plan with a crash at each given step, and resume it. Return True if all steps were reached."""
        self.reset()
        codes = [self.fork(f"crash at {n} of {steps}", apply_and_crash, n, codes=(0, CRASHED)) for n in steps]
        check_sent(self.sandbox)
        state = durable_state(self.sandbox, self.home)
        if state not in self.checked:  # Equal states have equal results.
            self.fork(f"resume after {steps}", resume_and_undo)
            self.checked.add(state)
            self.counts["torn"] += '"torn"' in state
        return all(code == CRASHED for code in codes)


def main(folder):
    """Run the crash test for each step of the run, and then for pairs of steps."""
    applying.CHUNK, applying.READ_BACK_WAITS = 3, (0.02, 0.05)
    with fg.Sandbox(empty=True, process=True) as sandbox:
        test = CrashTest(sandbox, Path(folder))
        n = test.counts["steps"]
        test.counts["crashed"] = sum(test.crash_at(step) for step in range(1, n + 1))
        pairs = random.Random(5).sample(list(itertools.product(range(n // 4, n), range(n // 4, n * 3 // 4))), 40)
        test.counts["crashed twice"] = sum(test.crash_at(*pair) for pair in pairs)
    sys.stdout.write(json.dumps(test.counts | {"states": len(test.checked)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
