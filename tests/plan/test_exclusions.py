"""What is excluded back of a plan: protected customers and groups, and who may never be added."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frgroups as fg
from frgroups.cli.main import main
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot
from tests.plan.test_planner import CUSTOMERS, MODES, NEW, applied, cases, operations, snapshot_of

few = settings(max_examples=60)
COLUMNS = ["customer_group_uid", "customer_uid", "change", "reason"]
exclusions = st.fixed_dictionaries(
    {
        "protect": st.sets(st.sampled_from(CUSTOMERS)),
        "protect_groups": st.sets(st.sampled_from(["g1", "g2", "g3"])),
        "suppression_list": st.sets(st.sampled_from([*CUSTOMERS, *NEW])),
    }
)


def excluded_of(plan):
    """Return {(group, customer, change): reason} of the excluded changes."""
    rows = plan.excluded().itertuples(index=False)
    return {(row.customer_group_uid, row.customer_uid, row.change): row.reason for row in rows}


def known(options, now):
    """The same options without protected groups that do not exist."""
    return options | {"protect_groups": options["protect_groups"] & now.keys()}


def sample_plan(**options):
    """A plan over the sample snapshot that mirrors two groups."""
    wanted = {"vip": ["c-2", "c-7", "c-9"], "staff": ["c-1"]}
    return plan_memberships(sample_snapshot(), wanted, mode="mirror", **options)


@few
@given(case=cases(), options=exclusions, mode=st.sampled_from(MODES))
def test_planned_and_excluded_changes(case, options, mode):
    "Planned and excluded changes together are the changes of a plan without exclusions, and no change is both."
    now, wanted = case
    snapshot, options = snapshot_of(now), known(options, now)

    plan = plan_memberships(snapshot, wanted, mode=mode, **options)

    excluded = excluded_of(plan)
    assert operations(plan) | excluded.keys() == operations(plan_memberships(snapshot, wanted, mode=mode))
    assert not operations(plan) & excluded.keys()
    if mode == "mirror":
        joins = {(uid, one, "add") for uid, members in wanted.items() for one in members - now[uid]}
        leaves = {(uid, one, "remove") for uid, members in wanted.items() for one in now[uid] - members}
        assert operations(plan) | excluded.keys() == joins | leaves


@few
@given(case=cases(), options=exclusions, mode=st.sampled_from(MODES))
def test_excluded_customers(case, options, mode):
    "Exactly the changes that a rule forbids are excluded, with the reason of the rule."
    now, wanted = case
    options = known(options, now)

    plan = plan_memberships(snapshot_of(now), wanted, mode=mode, **options)

    def reason(group, customer, change):
        if change == "add":
            return "suppression list" if customer in options["suppression_list"] else None
        if customer in options["protect"]:
            return "protected customer"
        return "protected group" if group in options["protect_groups"] else None

    assert all(reason(*one) == told for one, told in excluded_of(plan).items())
    assert [one for one in operations(plan) if reason(*one)] == []
    assert sum(finding.n for finding in plan.findings if finding.rule != "unverifiable") >= len(plan.excluded_changes)
    after = applied(now, plan)
    assert all(after[uid] >= now[uid] for uid in options["protect_groups"])


@few
@given(case=cases(), options=exclusions)
def test_digest_without_excluded_changes(case, options):
    "The digest and counts are those of a plan in which the excluded changes were never desired."
    now, wanted = case
    snapshot, options = snapshot_of(now), known(options, now)

    plan = plan_memberships(snapshot, wanted, mode="mirror", **options)

    left = {uid: applied(now, plan)[uid] for uid in wanted}
    bare = plan_memberships(snapshot, left, mode="mirror")
    assert plan.digest == bare.digest
    assert (plan.n_add, plan.n_remove, plan.blocked) == (bare.n_add, bare.n_remove, bare.blocked)


def test_excluded_table():
    "The table has a row per excluded change in group order; findings count the changes without blocking."
    plan = sample_plan(protect=["c-1"], protect_groups=["Staff"], suppression_list=["c-7"])

    assert plan.excluded().values.tolist() == [
        ["staff", "c-251", "remove", "protected group"],
        ["vip", "c-7", "add", "suppression list"],
        ["vip", "c-1", "remove", "protected customer"],
    ]
    told = plan.summary().splitlines()
    assert "1 customer who was to leave stays in Staff: the group is protected." in told
    assert "1 protected customer stays in VIP." in told
    assert "1 customer who may never be added is kept out of VIP." in told
    assert not plan.blocked
    assert "Excluded" in plan._repr_html_() and "Excluded" not in sample_plan()._repr_html_()


def test_excluded_table_empty():
    "Without excluded changes, the table has the same columns and dtypes."
    excluded = sample_plan().excluded()

    assert excluded.empty and list(excluded.columns) == COLUMNS
    assert set(excluded.dtypes) == set(sample_plan(suppression_list=["c-7"]).excluded().dtypes)


def test_everything_excluded():
    "If all changes are excluded, the plan is empty and the summary names the reason."
    plan = plan_memberships(sample_snapshot(), {"vip": ["c-2"]}, mode="mirror", protect_groups=["vip"])

    assert plan.is_empty
    assert plan.summary().splitlines() == [
        "Nothing to do: t-1 is as wanted, except for excluded changes.",
        "1 customer who was to leave stays in VIP: the group is protected.",
    ]


def test_excluded_changes_in_plan_file(tmp_path):
    "A plan file contains the excluded changes and their findings."
    plan = sample_plan(protect=["c-1"], suppression_list=["c-7"])

    again = fg.read_plan(plan.save(tmp_path / "plan.json"))

    pd.testing.assert_frame_equal(again.excluded(), plan.excluded())
    assert [str(one) for one in again.findings] == [str(one) for one in plan.findings]
    assert again.digest == plan.digest


def test_select_excluded_changes():
    "A selection contains the excluded changes of its groups, except those of customers to leave out."
    plan = sample_plan(protect=["c-1"], protect_groups=["staff"], suppression_list=["c-7"])

    assert set(plan.select(["vip"]).excluded()["customer_group_uid"]) == {"vip"}
    assert plan.select().excluded_changes == plan.excluded_changes
    assert set(plan.select(without=["Staff"]).excluded()["customer_group_uid"]) == {"vip"}
    without = plan.select(without=["c-7"])
    assert "c-7" not in set(without.excluded()["customer_uid"]) and without.digest == plan.digest
    with pytest.raises(InputError, match="neither a group nor a customer"):
        plan.select(without=["c-8"])


def test_suppression_list_of_new_group():
    "The suppression list applies to a new group, which is created nevertheless."
    plan = plan_memberships(
        sample_snapshot(), {"new": ["c-7", "c-1"]}, create={"new": "New"}, suppression_list=["c-7"]
    )

    assert operations(plan) == {("new", "c-1", "add")}
    assert excluded_of(plan) == {("new", "c-7", "add"): "suppression list"}


def test_suppressed_unknown_customer():
    "A suppressed customer who is not in the snapshot is not counted as unknown."
    plan = plan_memberships(sample_snapshot(), {"vip": ["x-1", "x-2"]}, suppression_list=["x-1"])

    assert [(one.rule, one.n) for one in plan.findings][:2] == [("unknown_customers", 1), ("suppression_list", 1)]


@pytest.mark.parametrize("name", ["protect", "suppression_list"])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("c-1", "takes several, not the text 'c-1'"),
        ([150], "holds 150; a customer uid is text"),
        ([None], "holds None"),
        ([""], "holds ''"),
        ({"c-1": 1}, "several customer uids, not a dict"),
        (None, "takes several, not a NoneType"),
    ],
)
def test_invalid_customers(name, value, told):
    "A single text, numbers, empty values and mappings raise InputError with the name of the argument."
    with pytest.raises(InputError, match=name) as error:
        sample_plan(**{name: value})

    assert told in str(error.value)


@pytest.mark.parametrize(("value", "kind"), [(["vipp"], GroupNotFoundError), ("vip", InputError)])
def test_invalid_protected_groups(value, kind):
    "A protected group that does not exist raises an error."
    with pytest.raises(kind):
        sample_plan(protect_groups=value)


def test_suppression_list_from_read_list(tmp_path):
    "`suppression_list` accepts the result of `read_list`."
    path = tmp_path / "never.csv"
    path.write_text("customer_uid\nc-7\n")

    assert len(sample_plan(suppression_list=fg.read_list(path)).excluded_changes) == 1


def members_of(group):
    """The members of a group in the newest snapshot."""
    return list(fg.read_snapshot()[group])


@pytest.fixture(scope="module")
def running():
    with fg.Sandbox(customers=200, groups=8) as sandbox:
        yield sandbox


@pytest.fixture
def loaded(running, monkeypatch):
    """A tenant of which a snapshot is kept, named by the environment."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", running.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", running.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", running.base_url)
    assert main(["load"]) == 0
    return running


def planned(capsys, *words):
    """The plan that the command made, and what it said."""
    capsys.readouterr()
    code = main(["plan", *words])
    out = capsys.readouterr().out
    return code, fg.read_plan(re.search(r"^Plan +(\S+)", out, re.M)[1]), out


def test_plan_command_exclusions(loaded, capsys, tmp_path):
    "The command excludes customers by uid and by lists of either id, and groups; it prints unknown customers."
    first, second, third, *rest = members_of("VIP")
    external = fg.read_snapshot().customers.set_index("customer_uid")["external_id"]
    keep = tmp_path / "keep.csv"
    keep.write_text(f"external_id\n{external[second]}\n")
    never = tmp_path / "never.csv"
    new = sorted(set(members_of("loyalty")) - {first, second, third, *rest})[:3]
    never.write_text(f"customer_uid\n{new[0]}\nnobody-1\n")
    wanted = tmp_path / "wanted.csv"
    wanted.write_text("customer_uid\n" + "\n".join([*rest, *new]))
    words = ["--group", "VIP", "--list", str(wanted), "--mode", "mirror", "--limit", "removal_share=none"]

    _, plan, out = planned(
        capsys, *words, "--protect", first, "nosuchuid", "--protect-list", str(keep), "--suppression-list", str(never)
    )
    code = main(["plan", *words, "--protect-group", "VIP"])

    assert excluded_of(plan) == {
        ("group_vip", new[0], "add"): "suppression list",
        ("group_vip", first, "remove"): "protected customer",
        ("group_vip", second, "remove"): "protected customer",
    }
    assert (plan.n_add, plan.n_remove) == (2, 1)
    assert f"2 customers from {never}, by customer_uid; 1 of them not known" in out
    assert "Not known, and held back all the same: nosuchuid." in out
    assert code == 0 and "stay in VIP: the group is protected." in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--protect-list", "--suppression-list"])
@pytest.mark.parametrize("text", ["external_id\nE-nobody\n", "id\nnobody-1\n", "nobody-1\n"])
def test_list_without_known_ids(loaded, capsys, tmp_path, option, text):
    "A list of unknown external ids or of ids of an unknown kind is an error, because it would exclude no customer."
    path = tmp_path / "list.csv"
    path.write_text(text)

    assert main(["plan", "--group", "VIP", "--members", "loyalty", option, str(path)]) == 1

    assert "1 of 1 ids" in (err := capsys.readouterr().err) and "hold nobody back" in err


def test_plan_command_limits_file(loaded, capsys, tmp_path):
    "--limit overrides the plan limits of the file; the limits of groups in the file remain."
    path = tmp_path / "limits.toml"
    path.write_text('removals_total = 7\nadditions_total = 9\n[per_group."group_v*"]\nadditions_per_group = 0\n')

    words = ["--members", "VIP | loyalty", "--limits", str(path), "--limit", "additions_total=400"]
    code, plan, out = planned(capsys, "--group", "VIP", *words)
    bad = tmp_path / "bad.toml"
    bad.write_text("removals = 1")

    assert (plan.limits.removals_total, plan.limits.additions_total) == (7, 400)
    assert code == 3 and f"Blocked by limits of the register or {path}" in out and "--limit" not in out
    assert main(["plan", "--group", "VIP", "--members", "loyalty", "--limits", str(bad)]) == 1
    assert f"{bad}: removals is not a limit" in capsys.readouterr().err


def test_show_excluded_changes_and_moves(tmp_path, capsys):
    "`frgroups show` prints the excluded changes or the moves as CSV."
    path = sample_plan(protect=["c-1"]).save(tmp_path / "plan.json")
    moving = plan_memberships(sample_snapshot(), {"vip": [], "staff": ["c-1"]}, mode="mirror")

    assert main(["show", str(path), "--excluded"]) == main(["show", str(moving.save(path)), "--moves"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "customer_group_uid,customer_uid,change,reason",
        "vip,c-1,remove,protected customer",
        "customer_uid,from_group,to_group,from_name,to_name",
        "c-1,vip,staff,VIP,Staff",
    ]


def test_doctor_suppression_list(loaded, capsys):
    "`frgroups doctor` prints the path of the suppression list and the number of customers on it."
    with loaded.client() as client:
        path = fg.suppression_list_path(client)

    assert main(["doctor"]) == 0
    assert f"suppression list   0 customers, from {path} (does not exist)" in capsys.readouterr().out
    path.parent.mkdir(parents=True)
    path.write_text("customer_uid\nc-7\n")
    assert main(["doctor"]) == 0
    assert f"suppression list   1 customer, from {path}\n" in capsys.readouterr().out
