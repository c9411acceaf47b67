"""An apply that dies at any file operation or request: going on gives the same world, counts and undo."""

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
# Three to a request: two chunks, a bad uid among good ones, a creation, and moves to both groups.
WANTED = {"new": PEOPLE[:2], "silver": PEOPLE[7:10], "vip": [*PEOPLE[2:7], "c10", "c10-typo", "c11"]}
AFTER = {"all": PEOPLE, "new": PEOPLE[:2], "silver": PEOPLE[7:10], "vip": [*PEOPLE[2:7], "c10", "c11"]}
COUNTS = {"verified": 7, "already": 1, "rejected": 1}  # c11 is there already when the plan is applied.
UNDONE = {"all": PEOPLE, "new": [], "silver": PEOPLE[6:10], "vip": [*PEOPLE[:6], "c11"]}
WRITES = {"os.rename", "os.mkdir", "os.remove", "os.truncate"}
DIED = 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process for each death needs fork")
def test_a_run_that_dies_anywhere_is_gone_on_with(tmp_path):
    "Dead once, or twice in a row, before, in or after any write, sync, request or answer: nothing is lost or added."
    command = [sys.executable, "-m", "tests.apply.test_apply_crash", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2])

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["boundaries"] > 100 and told["died"] == told["boundaries"] and told["died twice"] >= 20, told
    assert min(told["states"], told["torn"]) > 20, told


# In the other process: the sandbox has a process of its own, and each run is a fork that costs milliseconds.


class LastBoundary:
    """Ends the process at the n-th boundary: what is done then is done, what is not is not."""

    def __init__(self, n):
        self.left = n

    def count(self):
        self.left -= 1
        if self.left == 0:
            os._exit(DIED)

    def heard(self, event, args):
        if event in WRITES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
            self.count()

    def watch(self):
        handle, enter = httpx.HTTPTransport.handle_request, Journal.__enter__

        def answered(transport, request):
            self.count()  # Not sent.
            answer = handle(transport, request)
            self.count()  # Done and answered, and nobody heard.
            return answer

        def opened(journal):
            enter(journal)
            journal._file = Torn(journal._file, self)
            return journal

        def synced(_):
            self.count()

        # The memory of the system outlives a process, so nothing need wait for the disk.
        httpx.HTTPTransport.handle_request, Journal.__enter__, os.fsync = answered, opened, synced
        sys.addaudithook(self.heard)


class Torn:
    """A journal's file that may die before a line, in the middle of it and behind it."""

    def __init__(self, file, last):
        self._file, self._last = file, last

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, raw):
        self._last.count()
        if self._last.left == 1:
            self._file.write(raw[: len(raw) // 2])
        self._last.count()
        return self._file.write(raw)


def patient():
    """How the forks read: one try, since nothing fails here but themselves."""
    return {"retry": RetryPolicy(max_attempts=1), "workers": 1, "writable": True}


def arrange(sandbox, groups):
    """The tenant as it is when the plan is made, or when it is applied."""
    sandbox.reset()
    sandbox.put_customers(PEOPLE)
    for uid, members in groups.items():
        sandbox.put_group(uid, uid.upper())
        sandbox.add_members(uid, members)


def make_plan(sandbox, path):
    """Plan once; every run applies the same file."""
    with sandbox.client(**patient()) as client:
        snapshot = fg.load_snapshot(client, False)
        fg.plan_memberships(snapshot, WANTED, mode="mirror", create={"new": "New"}, limits=OPEN).save(path)


def act(sandbox, path, n):
    """Apply the plan and die at the n-th boundary; at none when n is 0, and then write down how many there were."""
    plan = fg.read_plan(path)
    client = sandbox.client(**patient())
    last = LastBoundary(n)
    last.watch()
    fg.apply_plan(client, plan, approval=plan.digest, progress=False)
    told, last.left = -last.left, 0
    path.with_suffix(".n").write_text(str(told))
    return 0


def check(sandbox, path):
    """Go on, and take it back."""
    plan = fg.read_plan(path)
    with sandbox.client(**patient()) as client:
        receipt = fg.apply_plan(client, plan, approval=plan.digest, progress=False)
        assert receipt.counts == COUNTS and not receipt.stopped, receipt
        assert members(client) == AFTER, members(client)
        undo = fg.plan_undo(receipt)
        assert fg.apply_plan(client, undo, approval=undo.digest, progress=False).ok
        assert members(client) == UNDONE, members(client)
    return 0


def members(client):
    """Who is in which group."""
    return {
        group.customer_group_uid: sorted(
            one.customer_uid for one in client.iter_group_customers(group.customer_group_uid)
        )
        for group in client.iter_groups()
    }


def check_sent(sandbox):
    """Nothing was sent that is not in the plan."""
    planned = {("new", "add"): {"c00", "c01"}, ("silver", "remove"): {"c06"}, ("vip", "remove"): {"c00", "c01"}}
    planned["vip", "add"] = {"c06", "c10", "c10-typo", "c11"}
    for request in sandbox.requests():
        if request["method"] == "PUT":
            group = request["path"].split("/")[-2]
            for side, uids in json.loads(request["sent"]).items():
                assert set(uids) <= planned[group, side.removesuffix("CustomerUids")], request


def durable(sandbox, home):
    """All that a run which goes on can know: the tenant and the files, without moments and random names."""
    world = {uid: sandbox.members(uid) for uid in sandbox.groups()}
    files = []
    for path in sorted(home.rglob("*")):
        if path.suffix == ".jsonl":
            files.append((path.name, *map(timeless, path.read_text().splitlines(keepends=True))))
        elif path.name.endswith(".receipt.json"):
            files.append((path.name,))
    return json.dumps([world, files], sort_keys=True)


def timeless(line):
    """A line of a journal without its moment and checksum; a torn one as torn."""
    if not line.endswith("\n"):
        return "torn"
    return json.dumps(
        {k: v for k, v in json.loads(line).items() if k not in ("at", "sum", "started")}, sort_keys=True
    )


class Sweep:
    """One death after another, each in a tenant and a home as before the plan."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.plan, self.home = sandbox, folder / "plan.json", folder / "home"
        os.environ["FRGROUPS_HOME"] = str(self.home)
        self.checked, self.told = set(), Counter()
        self.begin(drifted=False)
        self.run("planning", make_plan)
        self.begin()
        self.run("counting", act, 0)
        self.told["boundaries"] = int(self.plan.with_suffix(".n").read_text())

    def begin(self, drifted=True):
        """As it was, but for c11."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        arrange(self.sandbox, BEFORE | ({"vip": [*BEFORE["vip"], "c11"]} if drifted else {}))

    def run(self, what, function, *args, ends=(0,)):
        """A function in a fork, which must end so."""
        code = forked(function, self.sandbox, self.plan, *args)
        if code not in ends:
            sys.exit(f"{what} ended with {code}: {durable(self.sandbox, self.home)}")
        return code

    def die(self, *boundaries):
        """Die at each of these in turn, and go on; whether every one was reached."""
        self.begin()
        codes = [self.run(f"dying at {n} of {boundaries}", act, n, ends=(0, DIED)) for n in boundaries]
        check_sent(self.sandbox)
        state = durable(self.sandbox, self.home)
        if state not in self.checked:  # What comes of going on depends on nothing else.
            self.run(f"going on after {boundaries}", check)
            self.checked.add(state)
            self.told["torn"] += '"torn"' in state
        return all(code == DIED for code in codes)


def main(folder):
    """Every boundary once, then some pairs."""
    applying.CHUNK, applying.READ_BACK_WAITS = 3, (0.02, 0.05)
    with fg.Sandbox(empty=True, process=True) as sandbox:
        sweep = Sweep(sandbox, Path(folder))
        n = sweep.told["boundaries"]
        sweep.told["died"] = sum(sweep.die(one) for one in range(1, n + 1))
        pairs = random.Random(5).sample(list(itertools.product(range(n // 4, n), range(n // 4, n * 3 // 4))), 40)
        sweep.told["died twice"] = sum(sweep.die(*pair) for pair in pairs)
    sys.stdout.write(json.dumps(sweep.told | {"states": len(sweep.checked)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
