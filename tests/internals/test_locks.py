"""Tests for the locks of apply runs and loads."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import filelock
import pytest

from frgroups.errors import InputError, LockedError
from frgroups.internals.locks import load_lock, locked_tenants, tenant_lock
from frgroups.internals.paths import home

HOST = "https://a.example"
HOLDER = """
import sys, time
from pathlib import Path
from frgroups.internals.locks import load_lock, tenant_lock
host = "https://a.example"
with tenant_lock("t-1", host, "plan 0123456789ab"), load_lock(Path(sys.argv[1]), "t-1", host):
    print("ready", flush=True)
    time.sleep(60)
"""
WAITER = """
import sys
from pathlib import Path
from frgroups.internals.locks import load_lock
with load_lock(Path(sys.argv[1]), "t-1", "https://a.example", waiting=lambda _: print("ready", flush=True)):
    pass
"""


@contextmanager
def another_process(cache, code=HOLDER):
    """Start a process that holds both locks of the tenant until the block ends."""
    command = [sys.executable, "-c", code, str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            yield process
        finally:
            process.kill()


def test_second_apply(tmp_path):
    "If another process is applying a plan, tenant_lock raises LockedError with the plan and the process id."
    with (
        another_process(tmp_path) as process,
        pytest.raises(LockedError, match=rf"t-1 .*plan 0123456789ab .*{process.pid}\b"),
        tenant_lock("t-1", HOST, "plan fedcba987654"),
    ):
        raise AssertionError("The lock was acquired twice.")


def test_second_load_waits(tmp_path):
    "A second load reports once that it waits, and continues when the first load has ended."
    messages, order, first_may_end = [], [], threading.Event()

    def wait():
        with load_lock(
            tmp_path, "t-1", HOST, waiting=lambda text: (messages.append(text), first_may_end.set())
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
    assert len(messages) == 1
    assert "t-1" in messages[0] and str(os.getpid()) in messages[0]


def test_wait_is_logged(tmp_path, caplog):
    "If no callback is passed, a waiting load logs a warning with the id of the process that holds the lock."
    caplog.set_level("INFO", "frgroups.internals")

    with another_process(tmp_path) as process:
        threading.Timer(0.5, process.kill).start()
        with load_lock(tmp_path, "t-1", HOST) as waited:
            assert waited

    [record] = caplog.records
    assert (record.event, record.levelname) == ("load_waiting", "WARNING")
    assert str(process.pid) in record.getMessage()


def test_killed_process_releases_its_locks(tmp_path):
    "After a process is killed, its locks do not block the next apply run or load."
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    with tenant_lock("t-1", HOST, "00"), load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False


def test_ctrl_c_ends_the_wait(tmp_path):
    "A load that waits for the lock ends after Ctrl-C."
    with load_lock(tmp_path, "t-1", HOST), another_process(tmp_path, WAITER) as process:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)

    assert "KeyboardInterrupt" in stderr


def test_separate_locks(tmp_path):
    "Locks for different operations, tenants, hosts, or cache folders do not block each other."
    with (
        tenant_lock("t-1", HOST, "00"),
        tenant_lock("t-2", HOST, "00"),
        load_lock(tmp_path, "t-1", HOST) as first,
        load_lock(tmp_path, "t-2", HOST) as second,
        load_lock(tmp_path, "t-1", "https://b.example") as third,
        load_lock(tmp_path / "other", "t-1", HOST) as fourth,
    ):
        assert [first, second, third, fourth] == [False] * 4


def test_modes(tmp_path):
    "For any umask, lock files have mode 0600 and folders 0700. The file that describes the lock holder is deleted."
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


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), NotImplementedError("not supported")])
def test_lock_cannot_be_created(tmp_path, monkeypatch, caplog, error):
    "If the lock cannot be created, a load logs a warning and continues, but an apply run raises an error."

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False
    [record] = caplog.records
    assert (record.event, record.tenant_uid) == ("load_not_locked", "t-1") and str(tmp_path) in record.getMessage()
    with pytest.raises(InputError, match=str(error.args[-1])), tenant_lock("t-1", HOST, "00"):
        raise AssertionError("The block ran without the lock.")


def test_lock_folder_cannot_be_created(tmp_path, caplog):
    "If the lock folder cannot be created, a load logs a warning and continues."
    (tmp_path / ".locks").write_text("")

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False
    assert [record.event for record in caplog.records] == ["load_not_locked"]


def test_nested_load(tmp_path):
    "If a thread starts a load within a load of the same tenant and folder, LockedError is raised."
    with load_lock(tmp_path, "t-1", HOST):
        with (
            pytest.raises(LockedError, match="t-1"),
            load_lock(tmp_path, "t-1", HOST),
        ):
            raise AssertionError("The lock was acquired twice.")
        with load_lock(tmp_path / "other", "t-1", HOST), load_lock(tmp_path, "t-2", HOST):
            pass

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False


def test_locked_tenants(tmp_path):
    "locked_tenants returns the tenants of finished apply runs and of finished loads in the given folders."
    with tenant_lock("t/1", HOST, "plan"), load_lock(tmp_path / "a", "t-2", "http://127.0.0.1:8020/v2"):
        pass
    with load_lock(tmp_path / "b", "t-3", HOST):
        pass

    assert locked_tenants([tmp_path / "a", tmp_path / "c"]) == {
        ("t/1", HOST),
        ("t-2", "https://127.0.0.1:8020"),
    }


def test_error_in_the_block(tmp_path):
    "If the block raises an exception, the exception is propagated unchanged and the lock is released."
    with pytest.raises(OSError, match="in the load"), load_lock(tmp_path, "t-1", HOST):
        raise OSError("in the load")

    with load_lock(tmp_path, "t-1", HOST) as waited:
        assert waited is False
