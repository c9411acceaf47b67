"""Tests for plans that are created from declared groups."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import GroupNotFoundError, InputError, ListError
from frgroups.internals.toml_files import toml_key, toml_string
from frgroups.plan.limit_overrides import limit_advice
from frgroups.plan.limits import Limits
from frgroups.plan.modes import ADDING_MODES, MODES
from tests.examples import at_most

CUSTOMERS = [f"c-{number}" for number in range(1, 9)]
NEW_CUSTOMERS = ["c-0", "c-9"]
DECLARED = [f"g{number}" for number in range(4)]
OTHERS = ["h0", "h1"]
NO_LIMITS = Limits(**dict.fromkeys(Limits().to_dict().keys() - {"per_group"}))
OPERATIONS = {
    "&": set.intersection,
    "|": set.union,
    "-": set.difference,
    "^": set.symmetric_difference,
}
few = at_most(25, suppress_health_check=[HealthCheck.too_slow])
memberships = st.fixed_dictionaries(dict.fromkeys([*DECLARED, *OTHERS], st.sets(st.sampled_from(CUSTOMERS))))


def snapshot_of(members, names=None):
    """Return a snapshot with the given members of each group and a group of all customers."""
    rows = [("all", uid) for uid in CUSTOMERS] + [(group, uid) for group in members for uid in sorted(members[group])]
    names = {"all": "All", **{group: f"Name of {group}" for group in members}, **(names or {})}
    return fg.snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(names), "name": list(names.values())}),
        pd.DataFrame({"customer_uid": CUSTOMERS, "external_id": [f"{9000 + n}" for n in range(len(CUSTOMERS))]}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
        base_url="https://api.example.test/v2",
    )


def declare(folder, tables):
    """Write the given keys of each group to a file, and read the file."""
    lines = []
    for group, keys in tables.items():
        lines.append(f"[{toml_key('groups', group)}]")
        for key, value in keys.items():
            text = toml_string(value) if isinstance(value, str) else str(value).lower()
            lines.append(f"{key} = {text}")
    path = Path(folder, "groups.toml")
    path.write_text("[groups]\n" + "\n".join(lines), encoding="utf-8")
    return fg.read_declared_groups(path)


def _table(group, keys):
    """Return the text of a table with the limits of one group."""
    limits = "".join(f"limits.{name} = {value}\n" for name, value in keys.get("limits", {}).items())
    return f"[{toml_key('groups', group)}]\nexpression = 'all'\nmode = '{keys['mode']}'\n{limits}"


def write_list(folder, name, uids):
    """Write a list of customer uids and return the keys that declare the list."""
    Path(folder, name).write_text("\n".join(["customer_uid", *uids]) + "\n", encoding="utf-8")
    return {"list": name, "ids": "customer_uid"}


def members_after(current, selected, mode):
    """Return the members of a group after a plan."""
    return {
        "add": current | selected,
        "remove": current - selected,
        "keep_only": current & selected,
        "mirror": selected,
    }[mode]


@few
@given(data=st.data(), members=memberships)
def test_same_plan_as_evaluated_members(data, members):
    "A declared plan is the plan of `plan_memberships` for the evaluated members, in any order of the groups."
    snapshot = snapshot_of(members)
    after, selected, modes, tables = dict(members), {}, {}, {}
    taken = set()
    with tempfile.TemporaryDirectory() as folder:
        for number, group in enumerate(DECLARED):
            earlier = st.sampled_from([*DECLARED[:number], *OTHERS])
            source = data.draw(st.sampled_from(["expression", "rule", "list"]))
            left, right = data.draw(earlier), data.draw(earlier)
            if source == "list":
                listed = data.draw(st.sets(st.sampled_from([*CUSTOMERS, *NEW_CUSTOMERS])))
                keys, chosen = write_list(folder, f"{group}.csv", sorted(listed)), listed
            elif source == "expression":
                operator = data.draw(st.sampled_from(sorted(OPERATIONS)))
                keys = {"expression": f'{left} {operator} "Name of {right}"'}
                chosen = OPERATIONS[operator](after[left], after[right])
            else:
                keys = {"rule": f"in_group('{left}') and not in_group('Name of {right}')"}
                chosen = (after[left] - after[right]) & set(CUSTOMERS)
            mode = modes[group] = data.draw(st.sampled_from(MODES))
            if mode != "remove" and data.draw(st.booleans()):
                keys["priority"] = number
                chosen = chosen - taken
                taken |= chosen
            selected[group] = chosen
            after[group] = members_after(members[group], chosen, mode)
            tables[group] = {**keys, "mode": mode, "allow_empty": True}
        declared = declare(folder, {group: tables[group] for group in data.draw(st.permutations(DECLARED))})

        # Without this option, a list of which no id is known is rejected.
        options = {"limits": NO_LIMITS, "allow_similar_ids": True}
        plan = fg.plan_declared(snapshot, declared, **options)
        desired = {group: sorted(uids) for group, uids in selected.items()}
        same = fg.plan_memberships(snapshot, desired, mode=modes, **options)

    assert plan.table().equals(same.table())
    assert replace(plan, origins={}).summary() == same.summary()
    for change in plan.groups:
        expected = after[change.uid]
        assert {*change.baseline, *change.add} - {*change.remove} == expected
        assert change.unknown <= set(NEW_CUSTOMERS) and (not change.add or modes[change.uid] in ADDING_MODES)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
odd_names = st.sampled_from(
    ['5" screen', "a.b", "😀 VIP", "[groups]", "x = 1", "line\nbreak", "\\", "vip", "#", "'''"]
)
uids = st.from_regex(r"\A[A-Za-z0-9_-]{1,6}\Z")


@few
@given(
    groups=st.dictionaries(
        uids, st.tuples(names | odd_names | uids, st.sets(st.sampled_from(CUSTOMERS))), min_size=1, max_size=6
    )
)
def test_declared_file_plans_nothing(groups):
    "A file that `declare_groups` writes plans nothing for its own snapshot, for any names and for empty groups."
    groups.pop("all", None)
    snapshot = snapshot_of(
        {uid: members for uid, (_, members) in groups.items()}, {uid: name for uid, (name, _) in groups.items()}
    )
    with tempfile.TemporaryDirectory() as folder:
        declared = fg.read_declared_groups(fg.declare_groups(snapshot, Path(folder, "groups.toml")))

        plan = fg.plan_declared(snapshot, declared)

    assert len(declared.groups) == len(groups) + 1
    assert plan.is_empty and plan.mode == "mirror"
    assert {group.uid: group.n_both for group in plan.listed_groups} == {
        "all": len(CUSTOMERS),
        **{uid: len(members) for uid, (_, members) in groups.items()},
    }


def test_declare_selected_groups(tmp_path):
    "Only the selected groups are declared. The lists are in a folder beside the file, and names differ in any case."
    snapshot = snapshot_of({"VIP": ["c-1"], "vip": ["c-2"], "x": []}, {"VIP": "Gold", "vip": "Silver", "x": "X"})

    path = fg.declare_groups(snapshot, tmp_path / "sub" / "tiers.toml", groups=["Gold", "vip", "x"])

    lists = sorted(file.name.casefold() for file in (tmp_path / "sub" / "tiers").iterdir())
    assert len(set(lists)) == 3
    declared = fg.read_declared_groups(path)
    assert [group.group for group in declared.groups] == ["VIP", "vip", "x"]
    assert [group.allow_empty for group in declared.groups] == [False, False, True]
    comment = path.read_text(encoding="utf-8").split("allow_empty")[0].splitlines()[-1]
    assert comment.startswith("# Delete")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("existing", ["groups.toml", "groups/a.csv"])
def test_declare_never_overwrites(existing, tmp_path):
    "An existing file or folder of lists is an error, and nothing is written."
    (tmp_path / existing).parent.mkdir(exist_ok=True)
    (tmp_path / existing).write_text("old")

    with pytest.raises(InputError, match="exists"):
        fg.declare_groups(snapshot_of({}), tmp_path / "groups.toml")

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / existing]
    assert (tmp_path / existing).read_text() == "old"


def test_declare_without_suffix(tmp_path):
    "A path without a suffix is an error, because the file and the folder would have the same name."
    with pytest.raises(InputError, match="suffix"):
        fg.declare_groups(snapshot_of({}), tmp_path / "groups")


def test_declare_unknown_group(tmp_path):
    "An unknown group is an error, and nothing is written."
    with pytest.raises(GroupNotFoundError):
        fg.declare_groups(snapshot_of({}), tmp_path / "groups.toml", groups=["no"])

    assert list(tmp_path.iterdir()) == []


SNAPSHOT = {"a": ["c-1", "c-2"], "b": ["c-2", "c-3"], "empty": []}


def plan_of(folder, tables, **options):
    """Return the plan for declared groups in a snapshot with the groups a, b, and empty."""
    return fg.plan_declared(snapshot_of(SNAPSHOT), declare(folder, tables), **options)


@pytest.mark.parametrize(
    ("tables", "error", "parts"),
    [
        ({"no": {"expression": "a", "mode": "add"}}, GroupNotFoundError, ["[groups.no]", "'no'", "`create`"]),
        ({"a": {"expression": "no", "mode": "add"}}, GroupNotFoundError, ["[groups.a], `expression`", "'no'"]),
        ({"a": {"expression": "b & & b", "mode": "add"}}, InputError, ["[groups.a], `expression`", "character 5"]),
        ({"a": {"rule": "in_group('no')", "mode": "add"}}, GroupNotFoundError, ["[groups.a], `rule`", "'no'"]),
        ({"a": {"rule": "visits > 1", "mode": "add"}}, InputError, ["[groups.a], `rule`", "'visits'"]),
        ({"a": {"rule": "visits >", "mode": "add"}}, InputError, ["[groups.a], `rule`"]),
        ({"a": {"list": "no.csv", "mode": "add"}}, ListError, ["[groups.a], `list`", "no.csv"]),
        ({"a": {"list": "similar.csv", "mode": "add"}}, ListError, ["[groups.a], `list`", "C-1"]),
        ({"a": {"list": "other.csv", "mode": "add"}}, InputError, ["[groups.a], `list`", "no known"]),
        ({"a": {"list": "external.csv", "mode": "add"}}, InputError, ["[groups.a], `list`", "8000"]),
        ({"a": {"list": "none.csv", "mode": "add"}}, InputError, ["[groups.a], `list`", "allow_empty"]),
        ({"a": {"expression": "empty", "mode": "add"}}, InputError, ["[groups.a], `expression`", "allow_empty"]),
        ({"a": {"rule": "n_groups > 9", "mode": "mirror"}}, InputError, ["[groups.a], `rule`", "allow_empty"]),
        (
            {
                "a": {"expression": "b", "mode": "add", "priority": 1},
                "empty": {"expression": "b", "mode": "add", "priority": 2},
            },
            InputError,
            ["[groups.empty], `expression`", "priority", "allow_empty"],
        ),
        ({"a": {"expression": "a - b", "mode": "mirror"}}, InputError, ["[groups.a]", "'a'"]),
        (
            {"a": {"expression": "b", "mode": "add"}, "b": {"rule": "in_group('a')", "mode": "add"}},
            InputError,
            ["'a'", "'b'"],
        ),
        (
            {
                "a": {"expression": "b", "mode": "add", "priority": 1},
                "b": {"expression": "all", "mode": "add", "priority": 2},
            },
            InputError,
            ["'a'", "'b'", "priorit"],
        ),
        (
            {"a": {"expression": "b", "mode": "add"}, "Name of a": {"expression": "b", "mode": "add"}},
            InputError,
            ["'a'", "'Name of a'", "twice"],
        ),
    ],
)
def test_invalid_declaration(tables, error, parts, tmp_path):
    "The error for an invalid declaration contains the file, the group, and the key, and no plan is created."
    files = {"similar": ["c-1", "C-1"], "other": ["y-1", "y-2"], "none": []}
    for name, listed in files.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["customer_uid", *listed]) + "\n")
    (tmp_path / "external.csv").write_text("external_id\n9000\n9001\n8000\n")

    with pytest.raises(error) as raised:
        plan_of(tmp_path, tables)

    for part in [str(tmp_path / "groups.toml"), *parts]:
        assert part in str(raised.value)
    assert raised.value.group in tables


def test_external_ids(tmp_path):
    "A list can contain external ids, also of customers in a customer export."
    (tmp_path / "a.csv").write_text("external_id\n9002\n8000\n")
    (tmp_path / "export.csv").write_text("customer_uid,external_id\nx-1,8000\n")

    plan = plan_of(
        tmp_path, {"a": {"list": "a.csv", "mode": "mirror"}}, directory=tmp_path / "export.csv", limits=NO_LIMITS
    )

    assert (plan.groups[0].add, plan.groups[0].remove) == (("c-3", "x-1"), ("c-1", "c-2"))


def test_allow_similar_ids(tmp_path):
    "With `allow_similar_ids`, a list can contain ids that are similar to known ids."
    keys = write_list(tmp_path, "a.csv", ["c-1", "C-1"])

    plan = plan_of(tmp_path, {"a": {**keys, "mode": "add"}}, allow_similar_ids=True)

    assert plan.groups[0].unknown == {"C-1"}


def test_allow_empty(tmp_path):
    "allow_empty allows an empty group for one group only. The other limits do not change."
    both = {
        "a": {"expression": "empty", "mode": "mirror", "allow_empty": True},
        "b": {"expression": "empty", "mode": "mirror", "allow_empty": True},
    }

    plan = plan_of(tmp_path, both)

    assert not plan.blocked and plan.n_remove == 4
    assert [plan.limits.of(uid).emptied_groups for uid in ("a", "b", "all")] == [1, 1, 0]
    kept = {"a": both["a"], "b": {"expression": "a", "mode": "keep_only", "allow_empty": False}}
    with pytest.raises(InputError, match=r"\[groups\.b\]"):
        plan_of(tmp_path, kept)
    kept["b"] = {"expression": "all - b", "mode": "keep_only"}
    with pytest.raises(InputError, match="'b'"):
        plan_of(tmp_path, kept)
    kept["b"] = {"rule": "external_id == '9007'", "mode": "keep_only"}
    blocked = plan_of(tmp_path, kept)
    assert [finding.rule for finding in blocked.findings if finding.blocking] == ["emptied_groups"]
    relaxed = Limits(per_group={"b": Limits(emptied_groups=1), "a": Limits()})
    assert [
        finding.customer_group_uid for finding in plan_of(tmp_path, kept, limits=relaxed).findings if finding.blocking
    ] == ["a"]


def test_limits(tmp_path):
    "Limits of a declaration replace those of the plan and the register, unless the plan has limits for the uid."
    path = declare(tmp_path, {"a": {"expression": "all", "mode": "add"}}).path
    path.write_text(path.read_text() + "\nlimits = {additions_per_group = 3}\n")
    declared, snapshot = fg.read_declared_groups(path), snapshot_of(SNAPSHOT)
    register = pd.DataFrame({"group": ["a"], "max_additions": [1], "max_removals": [4]})

    plan = fg.plan_declared(snapshot, declared, limits=Limits(removal_share=0.3), register=register)
    explicit = fg.plan_declared(snapshot, declared, limits=Limits(per_group={"a": Limits()}), register=register)

    own = plan.limits.of("a")
    assert (own.additions_per_group, own.removals_per_group, own.drift_share) == (3, 4, 0.1)
    assert [finding.rule for finding in plan.findings if finding.blocking] == ["additions_per_group"]
    assert not explicit.blocked


def test_place_of_limits(tmp_path):
    "The advice for a blocked plan names the declaration that sets the limits, also after the plan was saved."
    keys = {"expression": "all", "mode": "mirror", "limits": {"additions_per_group": 1}}
    tables = {"g0": keys, "Name of g1": keys} | {"h0": {"expression": "all", "mode": "add"}}
    path = tmp_path / "groups.toml"
    path.write_text("".join(_table(group, table) for group, table in tables.items()), encoding="utf-8")
    limits = Limits(per_group={"g0": Limits(additions_per_group=2)})

    plan = fg.plan_declared(
        snapshot_of({"g0": set(), "g1": set(), "h0": set()}), fg.read_declared_groups(path), limits=limits
    )

    assert plan.limit_places == {"g1": 'groups.toml, [groups."Name of g1"], `limits`'}
    blocking = [finding for finding in plan.findings if finding.blocking]
    for same in (plan, fg.read_plan(plan.save(tmp_path / "plan.json"))):
        _, advice = limit_advice(blocking, same.limits, same.limit_places)
        assert "g1 in groups.toml" in advice and "g0 in the register or the --limits file" in advice


def test_priority_in_origin(tmp_path):
    "The origin contains the number of customers who are assigned to groups with a higher priority."
    keys = {"g0": ("h0", 1), "g1": ("all", 2)}
    tables = {uid: {"expression": text, "mode": "add", "priority": number} for uid, (text, number) in keys.items()}

    plan = fg.plan_declared(
        snapshot_of({"g0": set(), "g1": set(), "h0": set(CUSTOMERS[:3])}), declare(tmp_path, tables)
    )
    again = fg.read_plan(plan.save(tmp_path / "plan.json"))

    assert {uid: origin.n_in_other_groups for uid, (origin,) in again.origins.items()} == {"g0": 0, "g1": 3}
    assert "8 customers, 3 of whom" in again.summary()


def test_register_protection(tmp_path):
    "allow_empty does not lift the protection of a group in the register."
    register = pd.DataFrame({"group": ["a"], "protected": [True]})

    plan = plan_of(tmp_path, {"a": {"expression": "empty", "mode": "mirror", "allow_empty": True}}, register=register)

    assert [finding.rule for finding in plan.findings if finding.blocking] == ["removals_per_group"]


@pytest.mark.parametrize(("valid_to", "ended"), [("2020-01-01", True), ("2199-12-31", False)])
@pytest.mark.parametrize("expression", ["a", "all"])
def test_ended_group(valid_to, ended, expression, tmp_path):
    "A group whose last day is over is a warning, also if the group does not change."
    path = declare(tmp_path, {"b": {"expression": expression, "mode": "add", "owner": "CRM"}}).path
    path.write_text(path.read_text() + f"\nvalid_to = {valid_to}\n")

    plan = fg.plan_declared(snapshot_of({"a": ["c-1"], "b": ["c-1"]}), fg.read_declared_groups(path))

    found = [finding for finding in plan.findings if finding.rule == "ended"]
    assert [(finding.customer_group_uid, finding.n, finding.is_warning) for finding in found] == [
        ("b", 1, True)
    ] * ended
    assert all("CRM" in finding.message and valid_to in finding.message for finding in found)
    assert plan.is_empty == (expression == "a")


def test_last_day(tmp_path):
    "A group is valid until the end of its last day in UTC."
    path = declare(tmp_path, {"a": {"expression": "all", "mode": "add"}}).path
    path.write_text(f"{path.read_text()}\nvalid_to = {datetime.now(UTC):%Y-%m-%d}\n")

    plan = fg.plan_declared(snapshot_of(SNAPSHOT), fg.read_declared_groups(path))

    assert "ended" not in {finding.rule for finding in plan.findings}


def test_created_groups(tmp_path):
    "A group with the key `create` is created once. Other declarations can refer to it by uid and by name."
    tables = {
        "b": {"expression": '"New group" - a', "mode": "add"},
        "new": {"expression": "all", "mode": "mirror", "create": "New group"},
    }

    plan = plan_of(tmp_path, tables)
    later = fg.plan_declared(plan.preview(), declare(tmp_path, tables))

    assert [(group.uid, group.name) for group in plan.groups if group.create] == [("new", "New group")]
    assert set(plan.groups[0].add) == set(CUSTOMERS) - {"c-1", "c-2", "c-3"}
    assert later.is_empty


def test_undeclared_groups(tmp_path):
    "Groups that are not declared are not part of the plan."
    plan = plan_of(tmp_path, {"a": {"expression": "all", "mode": "add"}})

    assert {group.uid for group in plan.groups} | {group.uid for group in plan.listed_groups} == {"a"}
    assert plan_of(tmp_path, {}).is_empty


def test_other_arguments(tmp_path):
    "Protected customers, protected groups, the suppression list, and the purpose apply to declared plans."
    tables = {"a": {"expression": "b", "mode": "mirror"}, "b": {"expression": "all - b", "mode": "mirror"}}
    with pytest.raises(InputError):
        plan_of(tmp_path, tables)
    tables["b"] = {"rule": "external_id > '9003'", "mode": "mirror"}

    plan = plan_of(
        tmp_path,
        tables,
        protect=["c-1"],
        protect_groups=["b"],
        suppression_list=["c-5"],
        purpose="Tiers",
        limits=NO_LIMITS,
    )

    assert {(row.customer_group_uid, row.customer_uid) for row in plan.excluded().itertuples()} == {
        ("a", "c-1"),
        ("a", "c-5"),
        ("b", "c-2"),
        ("b", "c-3"),
        ("b", "c-5"),
    }
    assert plan.purpose == "Tiers"


def test_attributes(tmp_path):
    "Rules can use further attributes."
    visits = pd.DataFrame({"visits": [9]}, index=["c-4"])

    plan = plan_of(tmp_path, {"a": {"rule": "visits > 5", "mode": "add"}}, attributes=visits)

    assert plan.groups[0].add == ("c-4",)


@pytest.mark.parametrize("declared", ["groups.toml", None, {"a": ["c-1"]}])
def test_wrong_type(declared):
    "The error for other types names the function that reads a file."
    with pytest.raises(InputError, match="read_declared_groups"):
        fg.plan_declared(snapshot_of(SNAPSHOT), declared)
