"""Test the memory usage of a run that changes a large group."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import frgroups as fg
from tests.apply.test_executor import OPEN

N = 200_000
APPLIER = """
import json, sys
import frgroups as fg
import frgroups.apply.executor, frgroups.plan.planner

def peak():
    status = open("/proc/self/status").read()  # getrusage would include the parent process.
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

path, tenant_uid, token, base_url = sys.argv[1:]
before = peak()
plan = fg.read_plan(path)
read = peak()
with fg.Client(tenant_uid, token, base_url=base_url, writable=True, page_size=5000) as client:
    receipt = fg.apply_plan(client, plan, approval=plan.digest, progress=False)
print(json.dumps({"ok": receipt.ok, "plan": read - before, "apply": peak() - read}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
def test_memory_of_large_group(tmp_path):
    "Applying a plan to a group of 200,000 members allocates less than 1 KiB per member."
    people = [f"customer-{n:06d}" for n in range(N)]
    with fg.Sandbox(empty=True, max_page_size=5000, process=True) as tenant:
        tenant.put_customers([*people, "one-more"])
        tenant.put_group("all", "All")
        tenant.add_members("all", people)
        with tenant.client(page_size=5000) as client:
            snapshot = fg.load_snapshot(client, False)
        plan = fg.plan_memberships(snapshot, {"all": [*people[1:], "one-more"]}, mode="mirror", limits=OPEN)
        path = plan.save(tmp_path / "plan.json")

        arguments = [str(path), tenant.tenant_uid, tenant.token, tenant.base_url]
        done = subprocess.run(
            [sys.executable, "-c", APPLIER, *arguments], capture_output=True, text=True, timeout=120
        )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"] and result["plan"] + result["apply"] < N / 1024, result
