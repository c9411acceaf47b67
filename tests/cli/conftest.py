"""Fixtures of the tests of the command line."""

import pytest

from frgroups.apply import executor as applying
from frgroups.cli.main import main
from tests.cli.commands import select_sandbox

UIDS = [f"c-{n}" for n in range(12)]


@pytest.fixture
def tenant(running, monkeypatch, tmp_path):
    """Return a small sandbox with a stored snapshot that is selected by environment variables."""
    select_sandbox(monkeypatch, running)
    monkeypatch.chdir(tmp_path)
    running.reset()
    running.put_customers(["c-1", "c-2"])
    running.put_group("all", "All")
    running.add_members("all", ["c-1", "c-2"])
    assert main(["load"]) == 0
    return running


@pytest.fixture
def vip_tenant(running, monkeypatch, tmp_path):
    """Return a sandbox with the groups All, VIP, and Staff, and a stored snapshot."""
    monkeypatch.setattr(applying, "READ_BACK_WAITS", ())
    monkeypatch.chdir(tmp_path)
    select_sandbox(monkeypatch, running)
    running.reset()
    running.put_customers(UIDS)
    for uid, members in (("all", UIDS), ("vip", UIDS[:4]), ("staff", [])):
        running.put_group(uid, uid)
        running.add_members(uid, members)
    assert main(["load"]) == 0
    return running
