"""One apply and one load at a time; a dead process holds nothing, and a load goes on where no lock can be made."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import filelock
import pytest

from frgroups.errors import LockedError
from frgroups.internals.locks import load_lock, locked_tenants, tenant_lock
from frgroups.internals.paths import home

HOST = "https://a.example"
HOLDER = """
import sys, time
from pathlib import Path
from frgroups.internals.locks import load_lock, tenant_lock
host = "https://a.example"
with tenant_lock("t-1", host, "plan 0123456789ab"), load_lock(Path(sys.argv[1]), "t-1", host):
    print("held", flush=True)
    time.sleep(60)
"""
WAITER = """
import sys
from pathlib import Path
from frgroups.internals.locks import load_lock
with load_lock(Path(sys.argv[1]), "t-1", "https://a.example", waiting=lambda _: print("held", flush=True)):
    pass
"""


@contextmanager
def another_process(cache, code=HOLDER):
    """A process that holds both locks of the tenant, until it is killed."""
    command = [sys.executable, "-c", code, str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n", process.stderr.read()
            yield process
        finally:
            process.kill()


def test_a_second_apply_is_refused_and_told_who_holds_it(tmp_path):
    "The plan, the user, the host and the process are named."
    with (
        another_process(tmp_path) as process,
        pytest.raises(LockedError, match=rf"plan 0123456789ab by .*process {process.pid}\) since .*Try again later"),
        tenant_lock("t-1", HOST, "plan fedcba987654"),
    ):
        raise AssertionError("both hold it")


def test_a_second_load_waits_for_the_first(tmp_path):
    "It is told once who that is, and goes on when the first is through."
    told, order, first_may_end = [], [], threading.Event()

    def wait():
        with load_lock(
            tmp_path, "t-1", HOST, waiting=lambda text: (told.append(text), first_may_end.set())
        ) as waited:
            order.append("second")
            return waited

    with ThreadPoolExecutor(1) as pool:
        with load_lock(tmp_path, "t-1", HOST) as waited:
            assert waited is False
            second = pool.submit(wait)
            assert first_may_end.wait(10)
            order.append("first")
        assert second.result(10) is True

    assert order == ["first", "second"]
    assert len(told) == 1
    assert "Waiting for t-1: load by " in told[0]
    assert f"(process {os.getpid()}) since 20" in told[0]


def test_who_waits_without_saying_how_is_told_by_the_log(tmp_path, caplog):
    "The log has the line; Ctrl-C would end the wait."
    caplog.set_level("INFO", "frgroups.internals")

    with another_process(tmp_path) as process:
        threading.Timer(0.5, process.kill).start()
        with load_lock(tmp_path, "t-1", HOST) as waited:
            assert waited

    assert f"(process {process.pid})" in caplog.text


def test_the_locks_of_a_killed_process_do_not_hold(tmp_path):
    "Neither the next apply nor the next load waits for it."
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    with tenant_lock("t-1", HOST, "00"), load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False


def test_ctrl_c_ends_the_wait(tmp_path):
    "A load that waits can be given up."
    with load_lock(tmp_path, "t-1", HOST), another_process(tmp_path, WAITER) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)

    assert "KeyboardInterrupt" in said


def test_others_are_not_waited_for(tmp_path):
    "An apply, another tenant, another host and another cache folder each have a lock of their own."
    with (
        tenant_lock("t-1", HOST, "00"),
        tenant_lock("t-2", HOST, "00"),
        load_lock(tmp_path, "t-1", HOST) as one,
        load_lock(tmp_path, "t-2", HOST) as two,
        load_lock(tmp_path, "t-1", "https://b.example") as three,
        load_lock(tmp_path / "other", "t-1", HOST) as four,
    ):
        assert [one, two, three, four] == [False] * 4


def test_locks_are_for_their_owner_alone(tmp_path):
    "Files have mode 0600 and folders 0700, whatever the umask lets through; no note is left."
    before = os.umask(0)
    try:
        with tenant_lock("t-1", HOST, "00"), load_lock(tmp_path / "cache", "t-1", HOST):
            folders = [home() / "locks", tmp_path / "cache", tmp_path / "cache" / ".locks"]
            files = [file for folder in folders for file in folder.iterdir() if file.is_file()]
            assert {file.suffix for file in files} == {".lock", ".json"}
            assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
            assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    finally:
        os.umask(before)

    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), NotImplementedError("no locks here")])
def test_where_no_lock_can_be_made_a_load_goes_on(tmp_path, monkeypatch, caplog, error):
    "A read-only folder or a file system without locks cost a line in the log; an apply is refused."

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False
    assert f"A load of t-1 without a lock, for none can be made in {tmp_path}" in caplog.text
    with pytest.raises(ValueError, match=r"cannot be made: "), tenant_lock("t-1", HOST, "00"):
        raise AssertionError("it holds nothing")


def test_a_file_in_the_way_of_the_lock_does_not_stop_a_load(tmp_path, caplog):
    "Nor does a folder that cannot be made."
    (tmp_path / ".locks").write_text("")

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False
    assert "without a lock" in caplog.text


def test_a_thread_that_holds_the_lock_is_refused(tmp_path):
    "It would wait for itself; another folder or tenant is free, and so is this one afterwards."
    with load_lock(tmp_path, "t-1", HOST):
        with (
            pytest.raises(LockedError, match=r"A load of t-1 .*in this very thread"),
            load_lock(tmp_path, "t-1", HOST),
        ):
            raise AssertionError("it holds it twice")
        with load_lock(tmp_path / "other", "t-1", HOST), load_lock(tmp_path, "t-2", HOST):
            pass

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False


def test_every_tenant_that_was_ever_locked_is_known(tmp_path):
    "By its applies and by its loads into the folders that are named, also after them."
    with tenant_lock("t/1", HOST, "plan"), load_lock(tmp_path / "a", "t-2", "http://127.0.0.1:8020/v2"):
        pass
    with load_lock(tmp_path / "b", "t-3", HOST):
        pass

    assert locked_tenants([tmp_path / "a", tmp_path / "c"]) == {
        ("t/1", HOST),
        ("t-2", "https://127.0.0.1:8020"),
    }


def test_what_goes_wrong_in_a_load_is_not_taken_for_the_lock(tmp_path):
    "Errors of the block pass through, and the lock is free again."
    with pytest.raises(OSError, match="of the load"), load_lock(tmp_path, "t-1", HOST):
        raise OSError("of the load")

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False
