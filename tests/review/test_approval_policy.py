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
    """Return a plan on a snapshot with two groups, without notes."""
    rows = [(uid, "all") for uid in PEOPLE] + [("c-0", "vip"), ("c-1", "staff")]
    memberships = pd.DataFrame(rows, columns=["customer_uid", "customer_group_uid"])
    snapshot = fg.snapshot_from_frames(memberships, tenant_uid="t-1", taken_at=datetime.now(UTC))
    return replace(fg.plan_memberships(snapshot, groups, **options), notes=())


def test_allowed_plan(written):
    "A plan within the groups and numbers of a policy, without findings, is allowed."
    policy = fg.read_policy(written())

    assert policy.refusals(plan_of({"vip": PEOPLE[:4]})) == []
    assert policy.name.startswith("small.toml ") and policy.by == "Kari"


@pytest.mark.parametrize(
    ("text", "plan", "told"),
    [
        (RULES, lambda: plan_of({"staff": PEOPLE[2:3]}), "not a group of this policy"),
        (RULES, lambda: plan_of({"vip": PEOPLE[:5]}), "4 additions; the policy allows 3"),
        (RULES, lambda: plan_of({"vip": []}, mode="mirror"), "1 removal; the policy allows 0"),
        (RULES, lambda: plan_of({"news_1": PEOPLE[:1]}, create={"news_1": "News"}), "The plan creates news_1"),
        (RULES, lambda: plan_of({"vip": ["nobody"]}), "in no group now"),
        (RULES, lambda: plan_of({"vip": ["nobody"]}), "(rule: unknown_customers)"),
        (RULES + "valid_until = 2020-01-01\n", lambda: plan_of({"vip": PEOPLE[:2]}), "valid until 2020-01-01"),
    ],
)
def test_refusals(written, text, plan, told):
    "A policy states each reason why it does not allow a plan."
    assert told in " ".join(fg.read_policy(written(text)).refusals(plan()))


def test_byte_order_mark(written):
    "A byte order mark at the start of the file is ignored."
    assert fg.read_policy(written("\ufeff" + RULES)).by == fg.read_policy(written(RULES)).by


def test_create_and_findings(written):
    "A policy can allow new groups and the findings that it lists."
    policy = fg.read_policy(written(RULES + 'create = true\nfindings = ["unknown_customers"]\n'))

    assert policy.refusals(plan_of({"news_1": ["nobody"]}, create={"news_1": "News"})) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("by = ", "not valid TOML"),
        ('by = "Kari"\n', "missing required field `groups`"),
        (RULES + "most = 3\n", "unknown field `most`"),
        (RULES + 'findings = ["pricelist"]\n', "lists 'pricelist' under `findings`"),
        (RULES + 'findings = ["additions_total"]\n', "Rules that a policy may allow: already_undone, "),
        (RULES.replace("= 3", "= -1"), "max_adds"),
        (RULES.replace("= 3", "= true"), "max_adds"),
        (RULES.replace('"vip"', "7"), "groups"),
        (RULES.replace('"Kari"', '""'), "by"),
        (RULES.replace('"Kari"', '"  "'), "by"),
        pytest.param("by = " + "[" * 5000, "not valid TOML", id="nested without end"),
        (RULES + 'valid_until = "soon"\n', "valid_until"),
    ],
)
def test_invalid_policy(written, text, told):
    "An invalid policy raises InputError with the file and the key."
    with pytest.raises(InputError, match=r"small\.toml") as refused:
        fg.read_policy(written(text))

    assert told in str(refused.value)
    with pytest.raises(InputError, match="cannot be read"):
        fg.read_policy("nowhere.toml")


@pytest.fixture
def applied(tmp_path, monkeypatch):
    """Return a sandbox and a writable client, with a temporary data folder."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        yield sandbox, client


def test_receipt_approval(applied, written, tmp_path):
    "A receipt contains how the plan was approved: by a policy, by its own process, or by a digest."
    _, client = applied
    everybody = list(fg.load_snapshot(client, False)["Loyalty club"])

    def plan(n):
        return fg.plan_memberships(fg.load_snapshot(client, False), {"staff": everybody[n : n + 1]})

    policy = fg.read_policy(written(RULES.replace('"vip"', '"staff"')))
    small = plan(0)
    receipts = [fg.apply_plan(client, small, approval=policy)]
    made = plan(1)
    receipts.append(fg.apply_plan(client, made, approval=made.digest))
    read = fg.read_plan(plan(2).save(tmp_path / "p.plan.json"))
    receipts.append(fg.apply_plan(client, read, approval=read.digest))

    assert [one.approval["how"] for one in receipts] == ["policy", "self", "digest"]
    assert (
        "by the policy small.toml" in format_approval(receipts[0].approval)
        and "of Kari" in receipts[0].approval["by"]
    )
    assert "by the process that created it" in receipts[1]._repr_html_()


def test_policy_and_limits(applied, written):
    "A policy does not allow a plan that exceeds a limit."
    _, client = applied
    snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(
        snapshot, {"staff": snapshot["Loyalty club"][:2]}, limits=fg.Limits(additions_per_group=0)
    )
    lax = fg.read_policy(written('by = "K"\ngroups = ["*"]\nmax_adds = 99\nmax_removes = 99\n'))

    with pytest.raises((PlanBlockedError, NotApprovedError), match="Nothing was sent"):
        fg.apply_plan(client, plan, approval=lax)


def test_refused_plan_is_not_sent(applied, written):
    "If the policy does not allow a plan, apply raises an error with the reasons and sends no request."
    sandbox, client = applied
    snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(snapshot, {"staff": snapshot["Loyalty club"][:9]})
    sandbox.clear_requests()

    with pytest.raises(NotApprovedError, match="A person must review it"):
        fg.apply_plan(client, plan, approval=fg.read_policy(written()))

    assert sandbox.requests() == []


def test_other_process(applied, tmp_path):
    "An approval file from another process counts as the approval of a person."
    _, client = applied
    snapshot = fg.load_snapshot(client, False)
    saved = fg.plan_memberships(snapshot, {"staff": snapshot["Loyalty club"][:1]}).save(tmp_path / "p.plan.json")
    command = [sys.executable, "-m", "frgroups", "approve", str(saved), "--by", "Kari"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    receipt = fg.apply_plan(client, fg.read_plan(saved), approval=saved.with_suffix(".approval.json"))

    assert receipt.approval["how"] == "person" and receipt.approval["by"] == "Kari"


def test_valid_until(written):
    "A policy is valid on its last day, and not on the day after."
    today = datetime.now(UTC).date()
    for day, n in ((today, 0), (today - timedelta(days=1), 1)):
        policy = fg.read_policy(written(RULES + f"valid_until = {day}\n"))
        assert len(policy.refusals(plan_of({"vip": PEOPLE[:2]}))) == n


def test_notice_rules_are_complete():
    "NOTICE_RULES lists the rule of every finding that does not block, and no limit."
    package = Path(fg.__file__).parent
    with_examples = {*package.glob("plan/limit*.py"), package / "plan" / "finding.py"}
    files = {*package.glob("plan/*.py"), package / "apply" / "undo.py"} - with_examples
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    rules = set(re.findall(r'Finding\(\s*"(\w+)"', source)) | set(get_args(exclusions.ExclusionRule))

    assert set(NOTICE_RULES) == rules - {"erased_customers"}
