"""Test that only one of two processes applies a plan."""

import json
import subprocess
import sys
import time

import pytest

import frgroups as fg
from frgroups.errors import LockedError
from frgroups.internals.exit_codes import code_of
from tests.apply.test_executor import OPEN

PEOPLE = [f"c{n:03d}" for n in range(60)]
APPLIER = """
import os, sys, time
import frgroups as fg
from frgroups.internals import exit_codes as exits
from frgroups.cli.apply_result import receipt_exit_code

path, tenant_uid, token, base_url, ready, go = sys.argv[1:]
plan = fg.read_plan(path)
with fg.Client(tenant_uid, token, base_url=base_url, writable=True) as client:
    open(ready, "w").close()
    while not os.path.exists(go):
        time.sleep(0.001)
    try:
        code = receipt_exit_code(fg.apply_plan(client, plan, approval=plan.digest, progress=False))
    except fg.FrgroupsError as error:
        code = exits.code_of(error)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True, latency=0.05) as sandbox:
        sandbox.put_customers(PEOPLE)
        sandbox.put_group("vip", "VIP")
        sandbox.add_members("vip", PEOPLE[:20])
        yield sandbox


def test_two_processes(tenant, tmp_path):
    "If two processes apply a plan at the same time, one process sends the changes and the other raises LockedError."
    with tenant.client() as client:
        snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(snapshot, {"vip": PEOPLE[10:]}, mode="mirror", limits=OPEN)
    path = plan.save(tmp_path / "plan.json")
    tenant.clear_requests()
    go = tmp_path / "go"
    arguments = [str(path), tenant.tenant_uid, tenant.token, tenant.base_url]

    ready = [tmp_path / f"ready-{n}" for n in range(2)]
    processes = [subprocess.Popen([sys.executable, "-c", APPLIER, *arguments, str(path), str(go)]) for path in ready]
    while not all(path.exists() for path in ready):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    go.touch()
    codes = sorted(process.wait(60) for process in processes)

    assert codes == [0, code_of(LockedError("locked"))]
    sent = [json.loads(request["sent"]) for request in tenant.requests() if request["method"] == "PUT"]
    assert sent == [{"addCustomerUids": PEOPLE[20:]}, {"removeCustomerUids": PEOPLE[:10]}]
    assert tenant.members("vip") == PEOPLE[10:]
