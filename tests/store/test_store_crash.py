"""A run that dies, or meets a full disk, at any file operation leaves the older snapshot or the newer one, whole."""

import errno
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from frgroups.errors import InputError
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.store.manifest import list_stored_snapshots
from frgroups.store.retention import list_snapshots, prune
from frgroups.store.snapshot_store import clean_cache, read_snapshot, replace_stored, save_snapshot

# Python tells of these before they happen; a full disk refuses those that write.
WRITES = {"os.rename", "os.mkdir"}
READS = {"os.remove", "os.rmdir", "os.scandir", "os.listdir", "os.chmod", "os.utime"}
TODAY = datetime.now(UTC).replace(microsecond=0)


def snapshot_of(group, days):
    """A snapshot of one group, taken some days ago."""
    memberships = pd.DataFrame({"customer_group_uid": group, "customer_uid": ["c-1", "c-2"]})
    return snapshot_from_frames(memberships, tenant_uid="t-1", taken_at=TODAY - timedelta(days=days))


OLDEST, OLDER, NEWER, REWRITTEN = (
    snapshot_of(group, days) for group, days in [("oldest", 9), ("older", 5), ("newer", 1), ("rewritten", 5)]
)


def save(cache):
    """Keep a newer snapshot."""
    save_snapshot(NEWER, cache)


def remove_the_oldest(cache):
    """Prune all but the newest."""
    prune(cache, keep="1h")


def replace_the_older(cache):
    """Put another snapshot in the place of the newest."""
    replace_stored(list_stored_snapshots(cache)[-1], REWRITTEN)


# What is done, and what may be found afterwards.
RUNS = {
    "save": (save, [["oldest", "older"], ["oldest", "older", "newer"]]),
    "prune": (remove_the_oldest, [["oldest", "older"], ["older"]]),
    "replace": (replace_the_older, [["oldest", "older"], ["oldest", "rewritten"]]),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process for each operation needs fork")
def test_the_newest_snapshot_survives_every_end(tmp_path):
    "Killed or out of disk at whichever operation: what is found is whole, and the next save works."
    command = [sys.executable, "-m", "tests.store.test_store_crash", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])

    assert done.returncode == 0, done.stderr
    operations = json.loads(done.stdout)
    assert operations.keys() == {f"{run}, {end}" for run in RUNS for end in ("killed", "disk full")}
    assert all(n > 20 for name, n in operations.items() if name.endswith("killed")), operations


# In the other process: one death, or one full disk, after another, each in a fork that costs milliseconds.


class LastOperation:
    """Ends the process, or the disk, at the n-th file operation."""

    def __init__(self, n, end):
        self.left, self.end = n, end

    def count(self, *_):
        self.left -= 1
        if self.left == 0 and self.end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def around(self, function):
        """What Python does not tell of is counted before and after the call."""

        def counted(*args, **options):
            self.count()
            result = function(*args, **options)
            self.count()
            return result

        return counted

    def heard(self, event, args):
        killed = self.end == "killed"
        writes = event in WRITES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR))
        if writes or (killed and (event in READS or event == "open")):
            self.count()

    def watch(self):
        # The memory of the system outlives a process, so nothing need wait for the disk.
        os.fsync, pq.write_table = self.around(lambda _: None), self.around(pq.write_table)
        sys.addaudithook(self.heard)


def act(cache, run, n, end):
    """Do it with n - 1 file operations; the exit code says whether there were enough."""
    last = LastOperation(n, end)
    last.watch()
    try:
        RUNS[run][0](cache)
    except InputError as error:
        last.left = -1
        assert "No space left on device" in str(error)
        if run == "save":
            assert left_in(cache) == left_in(cache.with_name("before"))  # No draft either.
        return 1
    return 0 if last.left > 0 else 1


def check(cache, run):
    """What any end must leave."""
    listed = list_snapshots(cache)
    found = [*map(read_snapshot, listed["path"][:-1]), read_snapshot(cache)]
    groups = [one.groups["customer_group_uid"][0] for one in found]
    whole = {one.groups["customer_group_uid"][0]: one for one in (OLDEST, OLDER, NEWER, REWRITTEN)}
    assert groups in RUNS[run][1], groups
    for group, one in zip(groups, found, strict=True):
        pd.testing.assert_frame_equal(one.memberships, whole[group].memberships)
        assert one.taken_at == whole[group].taken_at

    clean_cache(cache)
    assert [name for name in left_in(cache) if "Z" in name] == [Path(path).name for path in listed["path"]]
    assert not any(".gone" in name for name in left_in(cache))
    save_snapshot(snapshot_of("next", 0), cache)
    assert "next" in read_snapshot(cache)


def on_disk(cache):
    """All that is there, whatever the random names of drafts are."""
    paths = sorted(cache.rglob("*"))
    return tuple(
        (re.sub("[0-9a-f]{32}", "*", str(path)), path.read_bytes() if path.is_file() else b"") for path in paths
    )


def left_in(cache):
    """The names of the folders of a tenant."""
    return sorted(path.name for path in cache.glob("*/*"))


def forked(function, *args):
    """The exit code of a function in a process of its own; -9 when it was killed."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    with suppress(BaseException):
        try:
            code = function(*args) or 0
        except BaseException:
            traceback.print_exc()
    os._exit(code)


def main(folder):
    """Every operation of every run in turn, until there is none left to die at."""
    os.fsync = lambda _: None
    before, cache = Path(folder, "before"), Path(folder, "cache")
    for snapshot in (OLDEST, OLDER):
        save_snapshot(snapshot, before)
    operations = {}
    for run, end in itertools.product(RUNS, ["killed", "disk full"]):
        checked, alive = set(), False
        while not alive:
            operations[f"{run}, {end}"] = n = operations.get(f"{run}, {end}", 0) + 1
            shutil.copytree(before, cache)
            ended = forked(act, cache, run, n, end)
            state = on_disk(cache)
            if ended == 99 or (state not in checked and forked(check, cache, run)):
                sys.exit(f"{run}, {end} at operation {n}: {left_in(cache)}")
            checked.add(state)  # What is found depends on nothing else.
            shutil.rmtree(cache)
            alive = ended == 0
    sys.stdout.write(json.dumps(operations))


if __name__ == "__main__":
    main(*sys.argv[1:])
