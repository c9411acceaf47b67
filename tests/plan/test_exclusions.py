"""Tests for protected customers, protected groups, and the suppression list in plans."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.cli.main import main
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot
from tests.plan.test_planner import CUSTOMERS, MODES, NEW, applied, cases, operations, snapshot_of
from tests.world import select_sandbox

COLUMNS = ["customer_group_uid", "customer_uid", "change", "reason"]
exclusions = st.fixed_dictionaries(
    {
        "protect": st.sets(st.sampled_from(CUSTOMERS)),
        "protect_groups": st.sets(st.sampled_from(["g1", "g2", "g3"])),
        "suppression_list": st.sets(st.sampled_from([*CUSTOMERS, *NEW])),
    }
)


def excluded_of(plan):
    """Return the reason for each excluded change, as {(group, customer, change): reason}."""
    rows = plan.excluded().itertuples(index=False)
    return {(row.customer_group_uid, row.customer_uid, row.change): row.reason for row in rows}


def with_existing_groups(options, now):
    """Return a copy of the planning options without protected groups that are not in the snapshot."""
    return options | {"protect_groups": options["protect_groups"] & now.keys()}


def sample_plan(**options):
    """Return a plan that changes two groups in the sample snapshot in mode "mirror"."""
    wanted = {"vip": ["c-2", "c-7", "c-9"], "staff": ["c-1"]}
    return plan_memberships(sample_snapshot(), wanted, mode="mirror", **options)


@given(case=cases(), options=exclusions, mode=st.sampled_from(MODES))
def test_planned_and_excluded_changes(case, options, mode):
    "Each change that is planned without exclusions is either planned or excluded if exclusions are passed."
    now, wanted = case
    snapshot, options = snapshot_of(now), with_existing_groups(options, now)

    plan = plan_memberships(snapshot, wanted, mode=mode, **options)

    excluded = excluded_of(plan)
    assert operations(plan) | excluded.keys() == operations(plan_memberships(snapshot, wanted, mode=mode))
    assert not operations(plan) & excluded.keys()
    if mode == "mirror":
        joins = {(uid, customer, "add") for uid, members in wanted.items() for customer in members - now[uid]}
        leaves = {(uid, customer, "remove") for uid, members in wanted.items() for customer in now[uid] - members}
        assert operations(plan) | excluded.keys() == joins | leaves


@given(case=cases(), options=exclusions, mode=st.sampled_from(MODES))
def test_excluded_customers(case, options, mode):
    "A change is excluded if and only if an exclusion rule applies, and the reason is this rule."
    now, wanted = case
    options = with_existing_groups(options, now)

    plan = plan_memberships(snapshot_of(now), wanted, mode=mode, **options)

    def reason(group, customer, change):
        if change == "add":
            return "suppression list" if customer in options["suppression_list"] else None
        if customer in options["protect"]:
            return "protected customer"
        return "protected group" if group in options["protect_groups"] else None

    assert all(reason(*change) == text for change, text in excluded_of(plan).items())
    assert [change for change in operations(plan) if reason(*change)] == []
    assert sum(finding.n for finding in plan.findings if finding.rule != "unverifiable") >= len(plan.excluded_changes)
    after = applied(now, plan)
    assert all(after[uid] >= now[uid] for uid in options["protect_groups"])


@given(case=cases(), options=exclusions)
def test_digest_without_excluded_changes(case, options):
    "Excluded changes affect neither the digest nor the counts of a plan."
    now, wanted = case
    snapshot, options = snapshot_of(now), with_existing_groups(options, now)

    plan = plan_memberships(snapshot, wanted, mode="mirror", **options)

    reached = {uid: applied(now, plan)[uid] for uid in wanted}
    other = plan_memberships(snapshot, reached, mode="mirror")
    assert plan.digest == other.digest
    assert (plan.n_add, plan.n_remove, plan.blocked) == (other.n_add, other.n_remove, other.blocked)


def test_excluded_table():
    "The table of excluded changes has one row per change, and the findings about exclusions do not block the plan."
    plan = sample_plan(protect=["c-1"], protect_groups=["Staff"], suppression_list=["c-7"])

    assert plan.excluded().values.tolist() == [
        ["staff", "c-251", "remove", "protected group"],
        ["vip", "c-7", "add", "suppression list"],
        ["vip", "c-1", "remove", "protected customer"],
    ]
    counts = {(finding.rule, finding.customer_group_uid): finding.n for finding in plan.findings if finding.n}
    assert counts == {("protected_group", "staff"): 1, ("protected", "vip"): 1, ("suppression_list", "vip"): 1}
    assert all(finding.message in plan.summary() for finding in plan.findings)
    assert not plan.blocked
    assert "Excluded" in plan._repr_html_() and "Excluded" not in sample_plan()._repr_html_()


def test_excluded_table_empty():
    "If a plan has no excluded changes, their table is empty and has the same columns and dtypes."
    excluded = sample_plan().excluded()

    assert excluded.empty and list(excluded.columns) == COLUMNS
    assert set(excluded.dtypes) == set(sample_plan(suppression_list=["c-7"]).excluded().dtypes)


def test_everything_excluded():
    "If all changes are excluded, the plan is empty, and its summary contains the finding about the exclusions."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-2"]}, mode="mirror", protect_groups=["vip"])

    assert plan.is_empty
    assert [(finding.rule, finding.n) for finding in plan.findings] == [("protected_group", 1)]
    first, *_, last = plan.summary().splitlines()
    assert "t-1" in first and "excluded" in first
    assert last == plan.findings[0].message


def test_excluded_changes_in_plan_file(tmp_path):
    "A plan file contains the excluded changes and the findings about them."
    plan = sample_plan(protect=["c-1"], suppression_list=["c-7"])

    again = fg.read_plan(plan.save(tmp_path / "plan.json"))

    pd.testing.assert_frame_equal(again.excluded(), plan.excluded())
    assert again.findings == plan.findings
    assert again.digest == plan.digest


def test_select_excluded_changes():
    "If groups are selected from a plan, their excluded changes are also selected, except for customers in `without`."
    plan = sample_plan(protect=["c-1"], protect_groups=["staff"], suppression_list=["c-7"])

    assert set(plan.select(["vip"]).excluded()["customer_group_uid"]) == {"vip"}
    assert plan.select().excluded_changes == plan.excluded_changes
    assert set(plan.select(without=["Staff"]).excluded()["customer_group_uid"]) == {"vip"}
    without = plan.select(without=["c-7"])
    assert "c-7" not in set(without.excluded()["customer_uid"]) and without.digest == plan.digest
    with pytest.raises(InputError, match=r"`without`.*'c-8'"):
        plan.select(without=["c-8"])


def test_suppression_list_of_new_group():
    "A customer on the suppression list is not added to a new group, but the group is still created."
    plan = plan_memberships(
        sample_snapshot(), {"new": ["c-7", "c-1"]}, create={"new": "New"}, suppression_list=["c-7"]
    )

    assert operations(plan) == {("new", "c-1", "add")}
    assert excluded_of(plan) == {("new", "c-7", "add"): "suppression list"}


def test_suppressed_unknown_customer():
    "If a customer is on the suppression list, no finding reports that the customer is not in the snapshot."
    plan = plan_memberships(sample_snapshot(), {"vip": ["x-1", "x-2"]}, suppression_list=["x-1"])

    assert [(finding.rule, finding.n) for finding in plan.findings][:2] == [
        ("unknown_customers", 1),
        ("suppression_list", 1),
    ]


@pytest.mark.parametrize("name", ["protect", "suppression_list"])
@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("c-1", "'c-1'"),
        ([150], "150"),
        ([None], "None"),
        ([""], "''"),
        ({"c-1": 1}, "dict"),
        (None, "NoneType"),
    ],
)
def test_invalid_customers(name, value, got):
    "Exclusions that are not lists of strings raise InputError, which contains the argument's name and value."
    with pytest.raises(InputError, match=f"`{name}`.*{got}"):
        sample_plan(**{name: value})


@pytest.mark.parametrize(("value", "kind"), [(["vipp"], GroupNotFoundError), ("vip", InputError)])
def test_invalid_protected_groups(value, kind):
    "If a protected group does not exist, an error is raised."
    with pytest.raises(kind):
        sample_plan(protect_groups=value)


def test_suppression_list_from_read_list(tmp_path):
    "The result of `read_list` can be passed as the argument `suppression_list`."
    path = tmp_path / "never.csv"
    path.write_text("customer_uid\nc-7\n")

    assert len(sample_plan(suppression_list=fg.read_list(path)).excluded_changes) == 1


def members_of(group):
    """Return the members of a group in the latest snapshot."""
    return list(fg.read_snapshot()[group])


@pytest.fixture(scope="module")
def running():
    """Return a running sandbox."""
    with fg.Sandbox(customers=200, groups=8) as sandbox:
        yield sandbox


@pytest.fixture
def loaded(running, monkeypatch):
    """Return a tenant that has a stored snapshot and is selected by environment variables."""
    select_sandbox(running, monkeypatch)
    assert main(["load"]) == 0
    return running


def run_plan_command(capsys, *words):
    """Run `frgroups plan` and return the exit code, the plan, and the output of the command."""
    capsys.readouterr()
    code = main(["plan", *words])
    out = capsys.readouterr().out
    return code, fg.read_plan(re.search(r"^Plan +(\S+)", out, re.M)[1]), out


def test_plan_command_exclusions(loaded, capsys, tmp_path):
    "The options of `frgroups plan` exclude single customers, customers in a list, and groups."
    first, second, third, *rest = members_of("VIP")
    external = fg.read_snapshot().customers.set_index("customer_uid")["external_id"]
    protected = tmp_path / "protected.csv"
    protected.write_text(f"external_id\n{external[second]}\n")
    suppressed = tmp_path / "suppressed.csv"
    new = sorted(set(members_of("loyalty")) - {first, second, third, *rest})[:3]
    suppressed.write_text(f"customer_uid\n{new[0]}\ncust_999999\n")
    wanted = tmp_path / "wanted.csv"
    wanted.write_text("customer_uid\n" + "\n".join([*rest, *new]))
    words = ["--group", "VIP", "--list", str(wanted), "--mode", "mirror", "--limit", "removal_share=none"]

    _, plan, out = run_plan_command(
        capsys,
        *words,
        *("--protect", first, "nosuchuid"),
        *("--protect-list", str(protected)),
        *("--suppression-list", str(suppressed)),
    )
    code = main(["plan", *words, "--protect-group", "VIP"])

    assert excluded_of(plan) == {
        ("group_vip", new[0], "add"): "suppression list",
        ("group_vip", first, "remove"): "protected customer",
        ("group_vip", second, "remove"): "protected customer",
    }
    assert (plan.n_add, plan.n_remove) == (2, 1)
    assert str(suppressed) in out and "nosuchuid" in out
    assert code == 0
    protected_group_plan = fg.read_plan(re.search(r"^Plan +(\S+)", capsys.readouterr().out, re.M)[1])
    assert protected_group_plan.n_remove == 0
    assert "protected_group" in {finding.rule for finding in protected_group_plan.findings}


@pytest.mark.parametrize("option", ["--protect-list", "--suppression-list"])
@pytest.mark.parametrize("text", ["external_id\nE-unknown\n", "id\nunknown-1\n", "unknown-1\n"])
def test_list_without_known_ids(loaded, capsys, tmp_path, option, text):
    "A list without any known customer id is an error, because it would exclude no customer."
    path = tmp_path / "list.csv"
    path.write_text(text)

    assert main(["plan", "--group", "VIP", "--members", "loyalty", option, str(path)]) == 1

    assert "1 of 1 " in capsys.readouterr().err


def test_plan_command_limits_file(loaded, capsys, tmp_path):
    "The option --limit overrides the plan limits in the limits file, but not the limits of single groups."
    path = tmp_path / "limits.toml"
    path.write_text('removals_total = 7\nadditions_total = 9\n[per_group."group_v*"]\nadditions_per_group = 0\n')

    words = ["--members", "VIP | loyalty", "--limits", str(path), "--limit", "additions_total=400"]
    code, plan, out = run_plan_command(capsys, "--group", "VIP", *words)
    invalid = tmp_path / "invalid.toml"
    invalid.write_text("removals = 1")

    assert (plan.limits.removals_total, plan.limits.additions_total) == (7, 400)
    assert code == 3 and "group_vip" in out and "--limits file" in out and "--limit " not in out
    assert main(["plan", "--group", "VIP", "--members", "loyalty", "--limits", str(invalid)]) == 1
    error = capsys.readouterr().err
    assert str(invalid) in error and "`removals`" in error


def test_show_excluded_changes_and_moves(tmp_path, capsys):
    "The command `frgroups show` can print the excluded changes or the moves of a plan as CSV."
    path = sample_plan(protect=["c-1"]).save(tmp_path / "plan.json")
    moving = plan_memberships(sample_snapshot(), {"vip": [], "staff": ["c-1"]}, mode="mirror")

    assert main(["show", str(path), "--excluded"]) == main(["show", str(moving.save(path)), "--moves"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        '"customer_group_uid","customer_uid","change","reason"',
        '"vip","c-1","remove","protected customer"',
        '"customer_uid","from_group","to_group","from_name","to_name"',
        '"c-1","vip","staff","VIP","Staff"',
    ]


def test_doctor_suppression_list(loaded, capsys):
    "The command `frgroups doctor` prints the path of the suppression list and the number of customers on the list."
    with loaded.client() as client:
        path = fg.suppression_list_path(client)

    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert " none; " in out and str(path) in out
    path.parent.mkdir(parents=True)
    path.write_text("customer_uid\nc-7\n")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "1 customer" in out and str(path) in out


@pytest.mark.parametrize(
    ("protect", "n", "listed"),
    [
        ([], 0, ()),
        (["c-1"], 0, ()),
        (["c-1", "x-1"], 1, ("x-1",)),
        ([f"x-{number}" for number in range(9)], 9, ("x-0", "x-4", "...")),
        (["ola@example.com", "Ola Nordmann"], 2, ()),
    ],
)
def test_unknown_protected(protect, n, listed):
    "A finding reports protected uids that are not in the snapshot, but no values that might be personal data."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]}, protect=protect)

    findings = [finding for finding in plan.findings if finding.rule == "unknown_protected"]
    assert [(finding.n, finding.blocking) for finding in findings] == ([(n, False)] if n else [])
    for finding in findings:
        assert all(part in finding.message for part in listed)
        assert "ola" not in finding.message.casefold() and "x-5" not in finding.message


@pytest.mark.parametrize("uid", ["C-1", " c-1", "c-1 "])
def test_similar_protected(uid):
    "A protected uid that is similar to a known uid is an error, because the known customer would not be protected."
    with pytest.raises(InputError, match="`protect`"):
        fg.plan_memberships(fg.sample_snapshot(), {"vip": ["c-7"]}, protect=["c-1", uid])


def test_unknown_protected_option(tmp_path, capsys):
    "The options --protect and --protect-list report uids that are not in the snapshot."
    fg.save_snapshot(fg.sample_snapshot())
    path = tmp_path / "protected.csv"
    path.write_text("customer_uid\nc-1\nc-999\n")
    out = tmp_path / "p.json"
    options = [
        "--group",
        "vip",
        "--members",
        "staff",
        "--protect",
        "x-1",
        "--protect-list",
        str(path),
        "--tenant",
        "t-1",
    ]

    assert main(["plan", *options, "--out", str(out)]) in (0, 3)

    [finding] = [finding for finding in fg.read_plan(out).findings if finding.rule == "unknown_protected"]
    assert finding.n == 2 and "x-1" in finding.message and "c-999" in finding.message
