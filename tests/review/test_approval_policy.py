"""A policy lets small changes of certain groups through, and nothing else."""

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
from frgroups.plan import exclusions as held_back
from frgroups.review import approval_policy as policy
from frgroups.review.approval import approved_in_words

RULES = 'by = "Kari"\ngroups = ["vip", "news_*"]\nmax_adds = 3\nmax_removes = 0\n'
PEOPLE = [f"c-{n}" for n in range(20)]


@pytest.fixture
def written(tmp_path):
    """Writes a policy of these lines."""

    def write(text=RULES):
        path = tmp_path / "small.toml"
        path.write_text(text)
        return path

    return write


def plan_of(groups, **options):
    """A plan over two groups of everybody known, as if that was proved."""
    rows = [(uid, "all") for uid in PEOPLE] + [("c-0", "vip"), ("c-1", "staff")]
    memberships = pd.DataFrame(rows, columns=["customer_uid", "customer_group_uid"])
    snapshot = fg.snapshot_from_frames(memberships, tenant_uid="t-1", taken_at=datetime.now(UTC))
    return replace(fg.plan_memberships(snapshot, groups, **options), notes=())


def test_what_a_policy_allows_has_no_refusal(written):
    "Its groups, its numbers, no finding: nobody need look."
    policy = fg.read_policy(written())

    assert policy.refusals(plan_of({"vip": PEOPLE[:4]})) == []
    assert policy.name.startswith("small.toml ") and policy.by == "Kari"


@pytest.mark.parametrize(
    ("text", "plan", "told"),
    [
        (RULES, lambda: plan_of({"staff": PEOPLE[2:3]}), "none of its groups"),
        (RULES, lambda: plan_of({"vip": PEOPLE[:5]}), "4 additions; it allows 3"),
        (RULES, lambda: plan_of({"vip": []}, mode="mirror"), "1 removal; it allows 0"),
        (RULES, lambda: plan_of({"news_1": PEOPLE[:1]}, create={"news_1": "News"}), "would be created"),
        (RULES, lambda: plan_of({"vip": ["nobody"]}), "in no group now"),
        (RULES, lambda: plan_of({"vip": ["nobody"]}), "(rule: unknown_customers)"),
        (RULES + "valid_until = 2020-01-01\n", lambda: plan_of({"vip": PEOPLE[:2]}), "valid until 2020-01-01"),
    ],
)
def test_anything_else_needs_a_person(written, text, plan, told):
    "Another group, a larger change, a new group, a finding, a policy that ended: each is said."
    assert told in " ".join(fg.read_policy(written(text)).refusals(plan()))


def test_a_policy_may_be_saved_by_any_editor(written):
    "The mark that some put at the start of a file is no part of it."
    assert fg.read_policy(written("\ufeff" + RULES)).by == fg.read_policy(written(RULES)).by


def test_a_policy_may_allow_creations_and_findings(written):
    "What it names it allows."
    policy = fg.read_policy(written(RULES + 'create = true\nfindings = ["unknown_customers"]\n'))

    assert policy.refusals(plan_of({"news_1": ["nobody"]}, create={"news_1": "News"})) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("by = ", "no TOML"),
        ('by = "Kari"\n', "missing required field `groups`"),
        (RULES + "most = 3\n", "unknown field `most`"),
        (RULES + 'findings = ["pricelist"]\n', "names 'pricelist' among its findings, which is the rule of none"),
        (RULES + 'findings = ["additions_total"]\n', "Those that a policy may let through: covered, "),
        (RULES.replace("= 3", "= -1"), "max_adds"),
        (RULES.replace("= 3", "= true"), "max_adds"),
        (RULES.replace('"vip"', "7"), "groups"),
        (RULES.replace('"Kari"', '""'), "by"),
        (RULES.replace('"Kari"', '"  "'), "by"),
        pytest.param("by = " + "[" * 5000, "no TOML", id="nested without end"),
        (RULES + 'valid_until = "soon"\n', "valid_until"),
    ],
)
def test_a_policy_that_is_none_is_refused(written, text, told):
    "What cannot be right allows nothing; the file, the key and what may stand in one are told."
    with pytest.raises(InputError, match=r"small\.toml") as refused:
        fg.read_policy(written(text))

    assert told in str(refused.value)
    with pytest.raises(InputError, match="cannot be read"):
        fg.read_policy("nowhere.toml")


@pytest.fixture
def applied(tmp_path, monkeypatch):
    """A sandbox, a client that writes, and a home."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    with fg.Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        yield sandbox, client


def test_receipts_tell_how_a_plan_was_approved(applied, written, tmp_path):
    "By a policy, by oneself, by a digest, or by a person: four ways, told apart."
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
        "by the policy small.toml" in approved_in_words(receipts[0].approval)
        and "of Kari" in receipts[0].approval["by"]
    )
    assert "in the same process" in receipts[1]._repr_html_()


def test_a_policy_does_not_lift_a_limit(applied, written):
    "Limits block whoever approves."
    _, client = applied
    snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(
        snapshot, {"staff": snapshot["Loyalty club"][:2]}, limits=fg.Limits(additions_per_group=0)
    )
    lax = fg.read_policy(written('by = "K"\ngroups = ["*"]\nmax_adds = 99\nmax_removes = 99\n'))

    with pytest.raises((PlanBlockedError, NotApprovedError), match="Nothing was sent"):
        fg.apply_plan(client, plan, approval=lax)


def test_what_a_policy_refuses_is_not_sent(applied, written):
    "The plan goes to a person, with the reasons."
    sandbox, client = applied
    snapshot = fg.load_snapshot(client, False)
    plan = fg.plan_memberships(snapshot, {"staff": snapshot["Loyalty club"][:9]})
    sandbox.clear_requests()

    with pytest.raises(NotApprovedError, match="Have a person look at it"):
        fg.apply_plan(client, plan, approval=fg.read_policy(written()))

    assert sandbox.requests() == []


def test_an_approval_that_another_process_wrote_is_a_persons(applied, tmp_path):
    "Who approves elsewhere is a person; the same file written here would be oneself."
    _, client = applied
    snapshot = fg.load_snapshot(client, False)
    saved = fg.plan_memberships(snapshot, {"staff": snapshot["Loyalty club"][:1]}).save(tmp_path / "p.plan.json")
    command = [sys.executable, "-m", "frgroups", "approve", str(saved), "--by", "Kari"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    receipt = fg.apply_plan(client, fg.read_plan(saved), approval=saved.with_suffix(".approval.json"))

    assert receipt.approval["how"] == "person" and receipt.approval["by"] == "Kari"


def test_a_policy_ends_with_its_last_day(written):
    "On the last day it still allows; the day after not."
    today = datetime.now(UTC).date()
    for day, n in ((today, 0), (today - timedelta(days=1), 1)):
        policy = fg.read_policy(written(RULES + f"valid_until = {day}\n"))
        assert len(policy.refusals(plan_of({"vip": PEOPLE[:2]}))) == n


def test_a_policy_knows_every_rule_that_a_finding_may_have():
    "What does not block stands in its list, and nothing else does; a broken limit is never let through."
    package = Path(fg.__file__).parent
    files = {*package.glob("plan/*.py"), package / "apply" / "undo.py"} - {package / "plan" / "limits.py"}
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    found = set(re.findall(r'Finding\(\s*"(\w+)"', source)) | set(get_args(held_back.Rule))

    assert set(policy.RULES) == found - {"erased_customers"}
