"""Fixtures of the tests of the command line."""

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.cli.main import main
from tests.world import select_sandbox

UIDS = [f"c-{n}" for n in range(12)]


@pytest.fixture(scope="module")
def sandbox():
    """Start a small sandbox."""
    with fg.Sandbox(customers=60, groups=8) as running:
        yield running


@pytest.fixture
def tenant(running, monkeypatch, tmp_path):
    """Return a small sandbox with a stored snapshot that is selected by environment variables."""
    select_sandbox(running, monkeypatch)
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
    select_sandbox(running, monkeypatch)
    running.reset()
    running.put_customers(UIDS)
    for uid, members in (("all", UIDS), ("vip", UIDS[:4]), ("staff", [])):
        running.put_group(uid, uid)
        running.add_members(uid, members)
    assert main(["load"]) == 0
    return running
