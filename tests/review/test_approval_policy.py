"""Tests of approval policies."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import InputError, NotApprovedError, PlanBlockedError
from frgroups.plan import exclusions
from frgroups.plan.finding import NOTICE_RULES
from frgroups.review.approval import format_approval

RULES = 'by = "Kari"\ngroups = ["vip", "news_*"]\nmax_adds = 3\nmax_removes = 0\n'
PEOPLE = [f"c-{n}" for n in range(20)]


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a policy file."""

    def write(text=RULES):
        path = tmp_path / "small.toml"
        path.write_text(text)
        return path

    return write


def plan_of(groups, **options):
    """Return a plan that changes a snapshot with two groups."""
    rows = [(uid, "all") for uid in PEOPLE] + [("c-0", "vip"), ("c-1", "staff")]
    memberships = pd.DataFrame(rows, columns=["customer_uid", "customer_group_uid"])
    snapshot = fg.snapshot_from_frames(memberships, tenant_uid="t-1", taken_at=datetime.now(UTC))
    return replace(fg.plan_memberships(snapshot, groups, **options), notes=())


def test_allowed_plan(written):
    "A policy allows a plan that has no findings and stays within the groups and maximum counts of the policy."
    policy = fg.read_policy(written())

    assert policy.refusals(plan_of({"vip": PEOPLE[:4]})) == []
    assert policy.name.startswith("small.toml ") and policy.by == "Kari"


@pytest.mark.parametrize(
    ("text", "plan", "part"),
    [
        (RULES, lambda: plan_of({"staff": PEOPLE[2:3]}), "staff"),
        (RULES, lambda: plan_of({"vip": PEOPLE[:5]}), "4 additions"),
        (RULES, lambda: plan_of({"vip": []}, mode="mirror"), "1 removal"),
        (RULES, lambda: plan_of({"news_1": PEOPLE[:1]}, create={"news_1": "News"}), "creates news_1"),
        (RULES, lambda: plan_of({"vip": ["c-unknown"]}), "unknown_customers"),
        (RULES + "valid_until = 2020-01-01\n", lambda: plan_of({"vip": PEOPLE[:2]}), "2020-01-01"),
    ],
)
def test_refusals(written, text, plan, part):
    "If a policy does not cover a plan, it refuses the plan and returns the reason."
    reasons = fg.read_policy(written(text)).refusals(plan())

    assert any(part in reason for reason in reasons)


def test_byte_order_mark(written):
    "A byte order mark at the start of a policy file is ignored."
    assert fg.read_policy(written("\ufeff" + RULES)).by == fg.read_policy(written(RULES)).by


def test_create_and_findings(written):
    "A policy can allow new groups and the findings that are listed in the policy."
    policy = fg.read_policy(written(RULES + 'create = true\nfindings = ["unknown_customers"]\n'))

    assert policy.refusals(plan_of({"news_1": ["c-unknown"]}, create={"news_1": "News"})) == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("by = ", "TOML"),
        ('by = "Kari"\n', "`groups`"),
        (RULES + "most = 3\n", "`most`"),
        (RULES + 'findings = ["pricelist"]\n', "'pricelist'"),
        (RULES + 'findings = ["additions_total"]\n', "already_undone"),
        (RULES.replace("= 3", "= -1"), "max_adds"),
        (RULES.replace("= 3", "= true"), "max_adds"),
        (RULES.replace('"vip"', "7"), "groups"),
        (RULES.replace('"Kari"', '""'), "by"),
        (RULES.replace('"Kari"', '"  "'), "by"),
        pytest.param("by = " + "[" * 5000, "TOML", id="deeply nested"),
        (RULES + 'valid_until = "soon"\n', "valid_until"),
    ],
)
def test_invalid_policy(written, text, part):
    "An invalid policy file raises InputError with the file name and the key."
    with pytest.raises(InputError, match=r"small\.toml") as raised:
        fg.read_policy(written(text))

    assert part in str(raised.value)


def test_missing_policy():
    "A policy file that does not exist raises InputError."
    with pytest.raises(InputError, match=r"missing\.toml"):
        fg.read_policy("missing.toml")


@pytest.fixture
def tenant(tmp_path, monkeypatch):
    """Return a sandbox and a writable client that use a temporary data folder."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        yield sandbox, client


def test_receipt_approval(tenant, written, tmp_path):
    "The receipt states how the plan was approved: by a policy, by the process that created it, or by a digest."
    _, client = tenant
    customers = list(fg.load_snapshot(client, False)["Loyalty club"])

    def plan(n):
        return fg.plan_memberships(fg.load_snapshot(client, False), {"staff": customers[n : n + 1]})

    policy = fg.read_policy(written(RULES.replace('"vip"', '"staff"')))
    receipts = [fg.apply_plan(client, plan(0), approval=policy)]
    created_here = plan(1)
    receipts.append(fg.apply_plan(client, created_here, approval=created_here.digest))
    read_from_file = fg.read_plan(plan(2).save(tmp_path / "p.plan.json"))
    receipts.append(fg.apply_plan(client, read_from_file, approval=read_from_file.digest))

    assert [receipt.approval["how"] for receipt in receipts] == ["policy", "self", "digest"]
    assert "small.toml" in format_approval(receipts[0].approval) and "Kari" in receipts[0].approval["by"]
    assert format_approval(receipts[1].approval) in receipts[1]._repr_html_()


def test_policy_and_limits(tenant, written):
    "A policy does not allow a plan that exceeds a limit."
    sandbox, client = tenant
    snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(
        snapshot, {"staff": snapshot["Loyalty club"][:2]}, limits=fg.Limits(additions_per_group=0)
    )
    lax = fg.read_policy(written('by = "K"\ngroups = ["*"]\nmax_adds = 99\nmax_removes = 99\n'))

    with pytest.raises((PlanBlockedError, NotApprovedError)):
        fg.apply_plan(client, plan, approval=lax)

    assert {request["method"] for request in sandbox.requests()} == {"GET"}


def test_refused_plan_is_not_sent(tenant, written):
    "If the policy does not allow a plan, apply_plan raises NotApprovedError and sends no request."
    sandbox, client = tenant
    snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(snapshot, {"staff": snapshot["Loyalty club"][:9]})
    sandbox.clear_requests()

    with pytest.raises(NotApprovedError, match="9 additions"):
        fg.apply_plan(client, plan, approval=fg.read_policy(written()))

    assert sandbox.requests() == []


def test_other_process(tenant, tmp_path):
    "An approval file that another process wrote counts as a person's approval."
    _, client = tenant
    snapshot = fg.load_snapshot(client, False)
    saved = fg.plan_memberships(snapshot, {"staff": snapshot["Loyalty club"][:1]}).save(tmp_path / "p.plan.json")
    command = [sys.executable, "-m", "frgroups", "approve", str(saved), "--by", "Kari"]
    subprocess.run(command, capture_output=True, check=True)

    receipt = fg.apply_plan(client, fg.read_plan(saved), approval=saved.with_suffix(".approval.json"))

    assert receipt.approval["how"] == "person" and receipt.approval["by"] == "Kari"


def test_valid_until(written):
    "A policy is valid until the end of the day in `valid_until`."
    today = datetime.now(UTC).date()
    for day, n in ((today, 0), (today - timedelta(days=1), 1)):
        policy = fg.read_policy(written(RULES + f"valid_until = {day}\n"))
        assert len(policy.refusals(plan_of({"vip": PEOPLE[:2]}))) == n


def test_notice_rules_are_complete():
    "NOTICE_RULES contains the rules of all findings that do not block a plan."
    package = Path(fg.__file__).parent
    with_examples = {*package.glob("plan/limit*.py"), package / "plan" / "finding.py"}
    files = {*package.glob("plan/*.py"), package / "apply" / "undo.py"} - with_examples
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    rules = set(re.findall(r'Finding\(\s*"(\w+)"', source)) | set(get_args(exclusions.ExclusionRule))

    assert set(NOTICE_RULES) == rules
