"""Tests for interrupted store operations. An interruption at any file operation leaves only complete snapshots."""

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
from frgroups.store.folders import clean_temp_folders, tenant_folders
from frgroups.store.manifest import list_stored_snapshots
from frgroups.store.retention import list_snapshots, prune
from frgroups.store.snapshot_store import read_snapshot, replace_stored, save_snapshot

# Python raises these audit events before file operations. A full disk affects only the operations that write.
WRITES = {"os.rename", "os.mkdir"}
READS = {"os.remove", "os.rmdir", "os.scandir", "os.listdir", "os.chmod", "os.utime"}
TODAY = datetime.now(UTC).replace(microsecond=0)


def snapshot_of(group, days):
    """Return a snapshot with one group and a timestamp from a given number of days ago."""
    memberships = pd.DataFrame({"customer_group_uid": group, "customer_uid": ["c-1", "c-2"]})
    return snapshot_from_frames(memberships, tenant_uid="t-1", taken_at=TODAY - timedelta(days=days))


OLDEST, OLDER, NEWER, REWRITTEN = (
    snapshot_of(group, days) for group, days in [("oldest", 9), ("older", 5), ("newer", 1), ("rewritten", 5)]
)


def save_newer(cache):
    """Store a newer snapshot."""
    save_snapshot(NEWER, cache)


def prune_all_but_newest(cache):
    """Prune all snapshots except the newest."""
    prune(cache, keep="1h")


def replace_newest(cache):
    """Replace the newest snapshot."""
    replace_stored(list_stored_snapshots(cache)[-1], REWRITTEN)


# Store operations, and the snapshots that can be visible after an interruption.
RUNS = {
    "save": (save_newer, [["oldest", "older"], ["oldest", "older", "newer"]]),
    "prune": (prune_all_but_newest, [["oldest", "older"], ["older"]]),
    "replace": (replace_newest, [["oldest", "older"], ["oldest", "rewritten"]]),
}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="The test needs fork")
def test_interrupted_operations(tmp_path):
    """If a store operation is interrupted at any step, all visible snapshots are complete, and saving works again."""
    command = [sys.executable, "-m", "tests.store.test_store_crash", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])

    assert done.returncode == 0, done.stderr
    operations = json.loads(done.stdout)
    assert operations.keys() == {f"{run}, {end}" for run in RUNS for end in ("killed", "disk full")}
    assert all(n > 20 for name, n in operations.items() if name.endswith("killed")), operations


# The code below runs in a child process. It forks a process for each interruption, which takes milliseconds.


class FailingOperation:
    """Kill the process or simulate a full disk at the n-th file operation."""

    def __init__(self, n, end):
        self.left, self.end = n, end

    def count(self, *_):
        self.left -= 1
        if self.left == 0 and self.end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def around(self, function):
        """Wrap a function so that each call counts as two operations, one before and one after the call."""

        def counted(*args, **options):
            self.count()
            result = function(*args, **options)
            self.count()
            return result

        return counted

    def on_audit_event(self, event, args):
        killed = self.end == "killed"
        writes = event in WRITES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR))
        if writes or (killed and (event in READS or event == "open")):
            self.count()

    def watch(self):
        # The page cache of the system survives the end of a process, so fsync is not needed in this test.
        os.fsync, pq.write_table = self.around(lambda _: None), self.around(pq.write_table)
        sys.addaudithook(self.on_audit_event)


def run_operation(cache, run, n, end):
    """Interrupt the n-th file operation of a store operation. Return 1, or 0 if there are fewer file operations."""
    last = FailingOperation(n, end)
    last.watch()
    try:
        RUNS[run][0](cache)
    except InputError as error:
        last.left = -1
        assert "No space left on device" in str(error)
        if run == "save":
            assert folder_names(cache) == folder_names(cache.with_name("before"))  # The names include drafts.
        return 1
    return 0 if last.left > 0 else 1


def check_cache(cache, run):
    """Check that all snapshots in the cache are complete, and that another snapshot can be saved."""
    listed = list_snapshots(cache)
    found = [*map(read_snapshot, listed["path"][:-1]), read_snapshot(cache)]
    groups = [snapshot.groups["customer_group_uid"][0] for snapshot in found]
    expected = {snapshot.groups["customer_group_uid"][0]: snapshot for snapshot in (OLDEST, OLDER, NEWER, REWRITTEN)}
    assert groups in RUNS[run][1], groups
    for group, snapshot in zip(groups, found, strict=True):
        pd.testing.assert_frame_equal(snapshot.memberships, expected[group].memberships)
        assert snapshot.taken_at == expected[group].taken_at

    for root in tenant_folders(cache):
        clean_temp_folders(root)
    assert [name for name in folder_names(cache) if "Z" in name] == [Path(path).name for path in listed["path"]]
    assert not any(".gone" in name for name in folder_names(cache))
    save_snapshot(snapshot_of("next", 0), cache)
    assert "next" in read_snapshot(cache)


def disk_state(cache):
    """Return the paths and contents of all files in the cache, without the random parts of folder names."""
    paths = sorted(cache.rglob("*"))
    return tuple(
        (re.sub("[0-9a-f]{32}", "*", str(path)), path.read_bytes() if path.is_file() else b"") for path in paths
    )


def folder_names(cache):
    """Return the names of the snapshot folders."""
    return sorted(path.name for path in cache.glob("*/*"))


def forked(function, *args):
    """Run a function in a forked process, and return the exit code, which is -9 if the process was killed."""
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
    """Interrupt each store operation at its first, second, and each later file operation."""
    os.fsync = lambda _: None
    before, cache = Path(folder, "before"), Path(folder, "cache")
    for snapshot in (OLDEST, OLDER):
        save_snapshot(snapshot, before)
    operations = {}
    for run, end in itertools.product(RUNS, ["killed", "disk full"]):
        checked, completed = set(), False
        while not completed:
            operations[f"{run}, {end}"] = n = operations.get(f"{run}, {end}", 0) + 1
            shutil.copytree(before, cache)
            ended = forked(run_operation, cache, run, n, end)
            state = disk_state(cache)
            if ended == 99 or (state not in checked and forked(check_cache, cache, run)):
                sys.exit(f"{run}, {end} at operation {n}: {folder_names(cache)}")
            checked.add(state)  # The result of the check depends only on the state of the disk.
            shutil.rmtree(cache)
            completed = ended == 0
    sys.stdout.write(json.dumps(operations))


if __name__ == "__main__":
    main(*sys.argv[1:])
