"""Tests for `frgroups plan` with a snapshot that is older than the changes of an applied plan."""

import json
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.cli.main import main
from tests.cli.conftest import UIDS
from tests.world import select_sandbox


@pytest.fixture
def tenant(running, monkeypatch, tmp_path):
    """Return a sandbox with the groups All, VIP, Staff, and Gold, and a stored snapshot."""
    select_sandbox(running, monkeypatch)
    monkeypatch.chdir(tmp_path)
    running.reset()
    running.put_customers(UIDS)
    for uid, members in (("all", UIDS), ("vip", UIDS[:4]), ("staff", UIDS[2:5]), ("gold", UIDS[6:8])):
        running.put_group(uid, uid.upper() if uid == "vip" else uid.title())
        running.add_members(uid, members)
    (tmp_path / "list.csv").write_text(f"customer_uid\n{UIDS[0]}\n")
    assert main(["load"]) == 0
    return running


def apply(tenant, words, journal=None):
    """Create a plan with `frgroups plan`, apply it, and return it."""
    assert main(["plan", *words, "--out", "applied.json", "--limit", "removal_share=1"]) == 0
    plan = fg.read_plan("applied.json")
    with tenant.client(writable=True) as client:
        assert fg.apply_plan(client, plan, approval=plan.digest, journal=journal, progress=False).ok
    return plan


@pytest.mark.parametrize("journal", [None, "journals"])
@pytest.mark.parametrize("mode", ["add", "mirror", "remove", "keep_only"])
def test_group_changed_by_a_plan(tenant, capsys, mode, journal):
    "After a plan has changed the group, a new plan requires a new snapshot, in all modes and for all journals."
    applied = apply(tenant, ["--group", "vip", "--mode", "remove", "--list", "list.csv"], journal)
    words = ["plan", "--group", "VIP", "--list", "list.csv", "--mode", mode, "--out", "new.json"]
    words += ["--limit", "removal_share=1", "--limit", "emptied_groups=5"]
    capsys.readouterr()

    assert main(words) == 4

    error = capsys.readouterr().err
    assert applied.digest[:12] in error and "frgroups load" in error
    assert main(["load"]) == 0
    assert main(words) == 0


def test_removed_customer_is_planned_again(tenant):
    "A customer whom a plan removed is in a plan that was created after a new load."
    apply(tenant, ["--group", "vip", "--mode", "remove", "--list", "list.csv"])
    assert main(["load"]) == 0
    assert main(["plan", "--group", "vip", "--list", "list.csv", "--out", "new.json"]) == 0
    assert fg.read_plan("new.json").n_add == 1


@pytest.mark.parametrize(
    "words, code",
    [
        (["--group", "gold", "--members", "vip & all"], 4),
        (["--group", "gold", "--members", "all - (Staff | 'VIP')"], 4),
        (["--group", "gold", "--list", "list.csv", "--also-members", "vip"], 4),
        (["--group", "gold", "--list", "list.csv"], 0),
        (["--group", "gold", "--members", "all - staff"], 0),
        (["--group", "new", "--create", "New", "--members", "vip"], 4),
        (["--group", "new", "--create", "New", "--members", "staff"], 0),
    ],
)
def test_groups_that_a_plan_reads(tenant, words, code):
    "The groups in the expressions must not have changed. Changes of other groups do not matter."
    apply(tenant, ["--group", "vip", "--mode", "remove", "--list", "list.csv"])
    assert main(["plan", *words, "--out", "new.json"]) == code


@pytest.mark.parametrize("words", [[], ["--create", "New"]])
def test_group_created_by_a_plan(tenant, words):
    "A group that a plan created after the snapshot is not reported as unknown."
    apply(tenant, ["--group", "new", "--create", "New", "--members", "vip"])
    assert main(["plan", "--group", "new", *words, "--members", "staff", "--out", "new.json"]) == 4


@pytest.mark.parametrize(
    ("declaration", "code"),
    [
        ("[groups.vip]\nexpression = 'gold'\nmode = 'add'", 4),
        ("[groups.staff]\nexpression = 'gold | VIP'\nmode = 'add'", 4),
        ("[groups.staff]\nrule = \"in_group('VIP')\"\nmode = 'add'", 4),
        ("[groups.staff]\nexpression = 'gold'\nmode = 'add'", 0),
        ("[groups.staff]\nrule = \"in_group('Gold') and n_groups > 0\"\nmode = 'add'", 0),
    ],
)
def test_declared_groups(tenant, declaration, code):
    "A new load is required if a plan has changed a declared group, or a group in an expression or a rule."
    apply(tenant, ["--group", "vip", "--mode", "remove", "--list", "list.csv"])
    Path("groups.toml").write_text(declaration + "\n")

    assert main(["plan", "--declared", "groups.toml", "--out", "new.json"]) == code


def test_plan_without_requests(tenant):
    "A plan whose changes were already in effect has changed no group."
    assert main(["plan", "--group", "gold", "--list", "list.csv", "--out", "applied.json"]) == 0
    tenant.add_members("gold", UIDS[:1])
    plan = fg.read_plan("applied.json")
    with tenant.client(writable=True) as client:
        receipt = fg.apply_plan(client, plan, approval=plan.digest, progress=False)
    assert receipt.counts == {"already": 1}

    assert main(["plan", "--group", "gold", "--members", "staff", "--out", "new.json"]) == 0


@pytest.mark.parametrize("quiet", [[], ["-q"]])
@pytest.mark.parametrize("damaged", ["journal", "registry"])
def test_damaged_file(tenant, home_folder, capsys, damaged, quiet):
    "A damaged journal or registry is a warning, because `apply` reads the groups again. --quiet prints no warning."
    apply(tenant, ["--group", "vip", "--mode", "remove", "--list", "list.csv"])
    pattern = {"journal": "journals/*/*.jsonl", "registry": "runs/*.jsonl"}[damaged]
    [path] = home_folder.glob(pattern)
    path.write_text("{}\n")
    capsys.readouterr()

    code = main([*quiet, "plan", "--group", "gold", "--members", "vip", "--out", "new.json", "--json"])

    captured = capsys.readouterr()
    assert code == 0 and json.loads(captured.out)["n_add"] > 0
    assert (f"Warning: {path}" in captured.err or f"Warning: The journal {path}" in captured.err) == (not quiet)
