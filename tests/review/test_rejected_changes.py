"""Tests for the warnings about plans that share changes with a rejected plan."""

import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.errors import NotApprovedError
from frgroups.review.approval import check_approval
from frgroups.review.decision_record import DecisionRecord, read_record, record_path
from frgroups.review.plan_folders import plans_folder
from frgroups.review.recorded_changes import recorded_changes, without_recorded_customer
from frgroups.review.rejected_changes import rejected_changes
from frgroups.review.rejections import rejections_in_force, withdraw_rejection

LIMITS = fg.Limits(snapshot_max_age=None)


def plan_of(customers, name):
    """Save a plan that adds customers to the group `vip`, and return the plan."""
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": customers}, limits=LIMITS)
    return fg.read_plan(plan.save(plans_folder(plan.tenant_uid, plan.base_url) / f"{name}.plan.json"))


@pytest.fixture
def rejected():
    """Return a plan with three additions that Ola has rejected."""
    plan = plan_of(["c-7", "c-8", "c-9"], "rejected")
    assert main(["approve", str(plan.path), "--by", "Ola", "--reject", "wrong week"]) == 0
    return plan


@pytest.mark.parametrize(
    ("customers", "counts"),
    [
        (["c-7"], "the only change"),
        (["c-7", "c-8"], "all 2 changes"),
        (["c-8", "c-9", "c-10"], "2 of the 3 changes"),
    ],
)
def test_shared_changes(rejected, customers, counts, capsys):
    "A plan with some of the rejected changes can be approved with a warning, even if the rejected plan was deleted."
    plan = plan_of(customers, "other")
    rejected.path.unlink()
    capsys.readouterr()

    for command in (["show", str(plan.path)], ["plans"], ["approve", str(plan.path), "--by", "Kari"]):
        assert main(command) == 0
        err = capsys.readouterr().err
        assert all(part in err for part in ("Ola", counts, rejected.digest[:12], "wrong week"))
    assert counts in fg.save_review(plan, plan.path.with_name("review.md")).read_text()


def test_policy(rejected, tmp_path):
    "A policy does not approve a plan with some of the rejected changes, because a reviewer must see them."
    policy = tmp_path / "policy.toml"
    policy.write_text('by = "Kari"\ngroups = ["vip"]\nmax_adds = 99\nmax_removes = 0\nfindings = ["unverifiable"]\n')

    with pytest.raises(NotApprovedError, match="Ola"):
        check_approval(plan_of(["c-7"], "part"), fg.read_policy(policy))
    assert check_approval(plan_of(["c-10"], "other"), fg.read_policy(policy)).how == "policy"


def test_rejection_file_of_another_plan(tmp_path, monkeypatch, tmp_path_factory):
    "A downloaded rejection blocks a larger plan, if the file of the rejected plan exists."
    plan, larger = plan_of(["c-7"], "small"), plan_of(["c-7", "c-8"], "large")
    with monkeypatch.context() as patch:
        patch.setenv("FRGROUPS_HOME", str(tmp_path_factory.mktemp("reviewer")))
        fg.approve_plan(plan, plan.path.with_name("download.json"), by="Ola", reject="wrong week")

    assert [found.by for found in rejections_in_force(larger)] == ["Ola"]


@pytest.mark.parametrize("command", [False, True])
def test_withdrawal_of_unrecorded_rejection(rejected, command):
    "If the rejection of a smaller plan is only in its file, it can be withdrawn for a larger plan that it blocks."
    larger = plan_of(["c-7", "c-8", "c-9", "c-10"], "large")
    record_path(larger.tenant_uid, larger.base_url).unlink()

    if command:
        assert main(["withdraw", str(larger.path), "--by", "Ola"]) == 0
    else:
        assert len(withdraw_rejection(larger, by="Ola")) == 1

    assert rejections_in_force(larger) == rejections_in_force(rejected) == []


def test_no_shared_changes(rejected):
    "There is no warning for other changes, for the rejected plan itself, and after a withdrawal."
    part = plan_of(["c-7"], "part")
    assert len(rejected_changes(part)) == 1
    assert rejected_changes(plan_of(["c-10"], "other")) == rejected_changes(rejected) == []

    withdraw_rejection(rejected, by="Ola")

    assert rejected_changes(part) == []


@pytest.mark.parametrize(
    ("name", "customers", "is_similar"),
    [
        ("Sor", ["c-7"], True),
        ("S\u00f8r", ["c-8"], True),
        ("s \u00f6r", ["c-7"], True),
        ("Nord", ["c-7"], False),
    ],
)
def test_similar_new_group(name, customers, is_similar):
    "A plan that creates a group whose name is similar to a rejected new group has a warning, and can be approved."
    plans = [
        fg.plan_memberships(fg.sample_snapshot(), {uid: uids}, create={uid: new_name}, limits=LIMITS)
        for uid, new_name, uids in (("g1", "S\u00f8r", ["c-7"]), ("g2", name, customers))
    ]
    folder = plans_folder(plans[0].tenant_uid, plans[0].base_url)
    paths = [plan.save(folder / f"{i}.plan.json") for i, plan in enumerate(plans)]
    fg.approve_plan(plans[0], paths[0].with_suffix(".approval.json"), by="Ola", reject="wrong week")

    sentences = rejected_changes(plans[1])

    parts = ("Ola", name, "wrong week", plans[0].digest[:12])
    assert len(sentences) == is_similar
    assert all(part in sentence for sentence in sentences for part in parts)
    assert rejections_in_force(plans[1]) == [] and rejected_changes(plans[0]) == []
    assert main(["approve", str(paths[1]), "--by", "Kari"]) == 0


class CountedEntries(tuple):
    """Entries of a decision record that count how often they are read from the start."""

    n_passes = 0

    def __iter__(self):
        self.n_passes += 1
        return super().__iter__()


def test_many_rejections(rejected):
    "The number of passes over the record does not depend on the number of its entries."
    plan, [entry] = plan_of(["c-7", "c-10"], "other"), read_record(rejected).entries
    passes = set()
    for n in (1, 20):
        entries = CountedEntries({**entry, "changes": f"k{i}"} for i in range(n))
        assert len(DecisionRecord(entries).shared_rejections(plan)) == n
        passes.add(entries.n_passes)

    assert len(passes) == 1


@pytest.mark.parametrize(("customers", "n_left"), [([], 1), (["c-7"], 0), (["c-7", "c-8"], 1)])
def test_erasure_from_new_group(customers, n_left):
    "A rejected new group whose only customer was erased is not recorded as a group that is created empty."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"new": customers}, create={"new": "New"}, limits=LIMITS)

    assert len(without_recorded_customer(recorded_changes(plan), "c-7")) == n_left
