"""Tests for creating a plan from desired memberships."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import DriftedReadError, GroupNotFoundError, InputError, WrongTenantError
from frgroups.plan.limits import Limits
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.bench.child import Stopwatch

MODES = ["add", "keep_only", "mirror"]
CUSTOMERS = [f"c-{n}" for n in range(8)]
NEW = ["x-1", "x-2"]


def snapshot_of(world, *, names=None, tenant_uid="t-1"):
    """Return a snapshot from a dictionary of group uid to customer uids."""
    rows = [(uid, customer) for uid, members in world.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(world), "name": names or list(world)}),
        tenant_uid=tenant_uid,
        taken_at=datetime.now(UTC),
    )


def applied(world, plan):
    """Return the members of each group after the payloads of a plan have been applied."""
    after = {uid: set(members) for uid, members in world.items()}
    for payload in plan.payloads():
        members = after.setdefault(payload["customerGroupUid"], set())
        members |= set(payload["addCustomerUids"])
        members -= set(payload["removeCustomerUids"])
    return after


def operations(plan):
    """Return the operations of a plan as a set of (group, customer, change)."""
    table = plan.table()
    return set(zip(table["customer_group_uid"], table["customer_uid"], table["change"], strict=True))


def reads_of(snapshot, **values):
    """Return a copy of the snapshot in which all rows of `reads` have the given values."""
    return replace(snapshot, reads=snapshot.reads.assign(**values))


worlds = st.dictionaries(st.sampled_from(["g1", "g2", "g3"]), st.sets(st.sampled_from(CUSTOMERS)), min_size=1)
wishes = st.dictionaries(st.sampled_from(["g1", "g2", "g3"]), st.sets(st.sampled_from([*CUSTOMERS, *NEW])))


@st.composite
def cases(draw):
    """Generate the current members of all groups and the desired members of some groups."""
    now = draw(worlds)
    return now, {uid: members for uid, members in draw(wishes).items() if uid in now}


@given(case=cases())
def test_mirror(case):
    "In mode `mirror`, the planned groups have the desired members after the plan, and other groups do not change."
    now, wanted = case

    after = applied(now, plan_memberships(snapshot_of(now), wanted, mode="mirror"))

    assert after == {uid: set(wanted.get(uid, members)) for uid, members in now.items()}


@given(case=cases())
def test_add_and_keep_only(case):
    "Mode `add` results in the union of current and desired members, and mode `keep_only` in their intersection."
    now, wanted = case

    union = applied(now, plan_memberships(snapshot_of(now), wanted))
    intersection = applied(now, plan_memberships(snapshot_of(now), wanted, mode="keep_only"))

    assert union == {uid: members | wanted.get(uid, set()) for uid, members in now.items()}
    assert intersection == {uid: members & wanted.get(uid, members) for uid, members in now.items()}


@given(case=cases(), mode=st.sampled_from(MODES))
def test_nothing_to_do(case, mode):
    "A plan is empty if the groups already have the desired members."
    now, wanted = case
    after = applied(now, plan_memberships(snapshot_of(now), wanted, mode=mode))

    assert plan_memberships(snapshot_of(after), wanted, mode=mode).is_empty
    assert plan_memberships(snapshot_of(now), now, mode=mode).is_empty
    assert plan_memberships(snapshot_of(now), snapshot_of(now), mode=mode).is_empty


@given(case=cases(), mode=st.sampled_from(MODES))
def test_minimal_plan(case, mode):
    "A plan adds only customers who are not members, and removes only members."
    now, wanted = case

    plan = plan_memberships(snapshot_of(now), wanted, mode=mode)

    for uid, customer, change in operations(plan):
        assert (customer in now[uid]) == (change == "remove")
        assert (customer in wanted[uid]) == (change == "add")
    assert all(group.add or group.remove for group in plan.groups)
    assert all(set(group.baseline) == now[group.uid] for group in plan.groups)


@given(case=cases(), protect=st.sets(st.sampled_from(CUSTOMERS)), mode=st.sampled_from(MODES))
def test_protect(case, protect, mode):
    "If customers are protected, only their removals are left out, and a finding contains the number of removals."
    now, wanted = case
    unprotected = operations(plan_memberships(snapshot_of(now), wanted, mode=mode))

    plan = plan_memberships(snapshot_of(now), wanted, mode=mode, protect=protect)

    excluded = {row for row in unprotected if row[2] == "remove" and row[1] in protect}
    assert operations(plan) == unprotected - excluded
    assert sum(finding.n for finding in plan.findings if finding.rule == "protected") == len(excluded)


own_limits = st.dictionaries(
    st.sampled_from(["g1", "g2", "g?", "g[12]", "other", "*"]), st.integers(0, 9).map(lambda n: Limits(n))
)


@given(case=cases(), own=own_limits, protected=st.sets(st.sampled_from(["g1", "g2", "g3"])), data=st.data())
def test_selection(case, own, protected, data):
    "A selection from a plan has the same digest and exceeded limits as a plan for the selected groups only."
    now, wanted = case
    register = pd.DataFrame({"customer_group_uid": sorted(protected), "protected": True})
    options = {"mode": "mirror", "limits": Limits(per_group=own), "register": register}
    snapshot = snapshot_of(now)
    plan = plan_memberships(snapshot, wanted, **options)
    uids = data.draw(st.sets(st.sampled_from([group.uid for group in plan.groups]))) if plan.groups else set()

    selected = plan.select(sorted(uids))

    alone = plan_memberships(snapshot, {uid: wanted[uid] for uid in uids}, **options)
    assert selected.digest == alone.digest
    assert [finding for finding in selected.findings if finding.blocking] == [
        finding for finding in alone.findings if finding.blocking
    ]
    assert (selected.digest == plan.digest) == (uids == {group.uid for group in plan.groups})


@given(case=cases())
def test_groups_are_independent(case):
    "The planned operations of a group do not depend on the other desired groups."
    now, wanted = case
    snapshot = snapshot_of(now)

    together = operations(plan_memberships(snapshot, wanted, mode="mirror"))
    parts = [operations(plan_memberships(snapshot, {uid: wanted[uid]}, mode="mirror")) for uid in wanted]

    assert together == set().union(*parts)


@given(case=cases())
def test_unknown_customers(case):
    "A desired customer who is not in the snapshot is added and reported as a finding."
    now, wanted = case

    plan = plan_memberships(snapshot_of(now), wanted)

    known = set().union(*now.values())
    table = plan.table()
    assert list(table["finding"] == "unknown_customers") == [uid not in known for uid in table["customer_uid"]]
    n_unknown = sum(finding.n for finding in plan.findings if finding.rule == "unknown_customers")
    assert n_unknown == (table["finding"] != "").sum()


# Forms of `desired`


def difference(now, wanted, mode):
    """Return the operations that are expected in a plan, computed with Python sets."""
    add = {(uid, customer, "add") for uid in wanted for customer in wanted[uid] - now.get(uid, set())}
    remove = {(uid, customer, "remove") for uid in wanted for customer in now.get(uid, set()) - wanted[uid]}
    return {"add": add, "keep_only": remove, "mirror": add | remove}[mode]


def table_of(wanted, order):
    """Return the desired memberships as a table with each row twice, in random order."""
    rows = [(uid, customer) for uid, members in wanted.items() for customer in members] * 2
    order.shuffle(rows)
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


@given(case=cases(), mode=st.sampled_from(MODES), order=st.randoms(use_true_random=False))
def test_forms_of_desired(case, mode, order):
    "Desired memberships that are passed as lists, tables, or snapshots result in the same plan."
    now, wanted = case
    wanted = {
        uid: members for uid, members in wanted.items() if members
    }  # A table cannot contain a group without members.
    snapshot = snapshot_of(now)

    plans = [
        plan_memberships(snapshot, form, mode=mode)
        for form in ({uid: [*members, *members] for uid, members in wanted.items()}, table_of(wanted, order))
    ]
    plans.append(plan_memberships(snapshot, snapshot_of(wanted), mode=mode))

    for plan in plans:
        assert operations(plan) == difference(now, wanted, mode)
        assert all(list(uids) == sorted(uids) for group in plan.groups for uids in (group.add, group.remove))
        assert [list(group.baseline) for group in plan.groups] == [sorted(now[group.uid]) for group in plan.groups]
    assert len({plan.digest for plan in plans}) == 1


@pytest.fixture(scope="module")
def large():
    """Return a snapshot with 70,000 memberships, desired memberships with 140 differences, and the operations."""
    rng = np.random.default_rng(5)
    uids = np.array([f"{n * 2654435761 % 2**32:08x}-{n:06d}-of-one-length" for n in range(30_100)])
    at = rng.permutation(3 * 30_000)[:70_000]
    now = pd.DataFrame(
        {"customer_group_uid": np.array(["g1", "g2", "g3"])[at // 30_000], "customer_uid": uids[at % 30_000]}
    )
    other = now.iloc[:140].assign(customer_uid=[*uids[30_000:], *now["customer_uid"].iloc[100:130], *uids[:10]])
    wanted = pd.concat([now.iloc[140:], other]).sample(frac=1, random_state=3, ignore_index=True)
    snapshot = snapshot_from_frames(now, tenant_uid="t-1", taken_at=datetime.now(UTC))
    return snapshot, wanted, operations_of(now, wanted)


def operations_of(now, wanted):
    """Return the expected operations for tables of current and desired memberships, computed with Python sets."""
    now, wanted = (set(table.itertuples(index=False, name=None)) for table in (now, wanted))
    return {(*row, "add") for row in wanted - now} | {(*row, "remove") for row in now - wanted}


DTYPES = [
    "str",
    "object",
    "category",
    "string[python]",
    pd.ArrowDtype(pa.string()),
    pd.ArrowDtype(pa.large_string()),
    pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
]
ORDERS = ["by group", "by customer", "as the snapshot"]


@pytest.mark.parametrize(
    ("dtype", "order"), [*product(DTYPES, ["mixed"]), *product(["str", "category"], ORDERS)], ids=str
)
def test_large_tables(large, dtype, order):
    "A large table of desired memberships results in the correct operations for each string dtype and row order."
    snapshot, wanted, expected = large
    by = {"by group": ["customer_group_uid"], "by customer": ["customer_uid"], "as the snapshot": list(wanted)}
    table = wanted.sort_values(by[order], kind="stable") if order in by else wanted
    table = pd.concat([table.iloc[:20_000].astype(dtype), table.iloc[20_000:].astype(dtype)])

    plan = plan_memberships(snapshot, table, mode="mirror")

    assert operations(plan) == expected


@given(wanted=st.sets(st.sampled_from([*CUSTOMERS, *NEW])), mode=st.sampled_from(MODES))
def test_created_group(wanted, mode):
    "All desired customers are added to a new group, unless the mode is keep_only."
    plan = plan_memberships(snapshot_of({"g1": CUSTOMERS}), {"bw": wanted}, mode=mode, create={"bw": "Black Week"})

    assert operations(plan) == difference({}, {"bw": wanted}, mode)
    assert plan.groups[0].unknown == (frozenset() if mode == "keep_only" else wanted - {*CUSTOMERS})


@pytest.mark.parametrize("known", [True, False])
def test_invalid_uid_in_every_form(known):
    "An invalid customer uid in a desired list, table, or snapshot raises InputError."
    now = snapshot_of({"g": ["c-1", "c-2", *(["a b"] if known else [])]})
    table = pd.DataFrame({"customer_group_uid": "g", "customer_uid": ["c-2", "a b", "c-1"]})

    for wanted in ({"g": ["c-2", "a b"]}, table, snapshot_of({"g": ["a b", "c-2"]})):
        with pytest.raises(InputError, match="'a b'"):
            plan_memberships(now, wanted)


def test_group_order_of_table():
    "If a desired table contains unknown groups, the error contains the first of them."
    table = pd.DataFrame({"customer_group_uid": ["vip", "zzz", "aaa", "vip"], "customer_uid": "c-1"})

    with pytest.raises(GroupNotFoundError, match="'zzz'"):
        plan_memberships(sample_snapshot(), table)


def test_table_of_several_tenants():
    "If a table has the column tenant_uid, only the rows of the snapshot's tenant are used."
    snapshot = snapshot_of({"g1": ["c-1"], "g2": ["c-2"]}, tenant_uid="t-2")
    table = pd.DataFrame(
        {
            "tenant_uid": ["t-1", "t-2", "t-2"],
            "customer_group_uid": [None, "g1", "g2"],
            "customer_uid": ["c-9", "c-3", "c-2"],
        }
    )

    plan = plan_memberships(snapshot, table, mode="mirror")

    assert operations(plan) == {("g1", "c-1", "remove"), ("g1", "c-3", "add")}
    with pytest.raises(InputError, match="0 of its rows belong to tenant 't-3'"):
        plan_memberships(snapshot_of({"g1": ["c-1"]}, tenant_uid="t-3"), table)
    for tenant_uid in (None, ""):
        unknown = pd.concat([table, table[:1].assign(tenant_uid=tenant_uid)])
        with pytest.raises(InputError, match="'tenant_uid' of `desired` has 1 row without a uid"):
            plan_memberships(snapshot, unknown, mode="mirror")


def test_invalid_uid_in_no_group():
    "An invalid uid in a desired snapshot is ignored if the customer is in no group."
    wanted = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-7"]}),
        customers=pd.DataFrame({"customer_uid": ["a b", "c-7"]}),
        tenant_uid="t-1",
        taken_at=datetime.now(UTC),
    )

    assert operations(plan_memberships(sample_snapshot(), wanted)) == {("vip", "c-7", "add")}


@pytest.mark.parametrize(
    "customers",
    [
        ["c-2", "c-7"],
        ("c-2", "c-7", "c-7"),
        {"c-7", "c-2"},
        iter(["c-7"]),
        pd.Series(["c-2", "c-7"], index=[5, 5]),
        pd.Series(["c-7", "c-2"], dtype="category"),
        pd.Series(["c-7"], dtype="object"),
        pd.Index(["c-7"]),
        np.array(["c-7"]),
        {"c-7": 1}.keys(),
        pa.array(["c-7", "c-2"]),
        pa.chunked_array([["c-7"], ["c-2"]]).dictionary_encode(),
    ],
)
def test_forms_of_customers(customers):
    "Desired customers that are passed as list, set, iterator, Series, Index, or array result in the same plan."
    assert operations(plan_memberships(sample_snapshot(), {"VIP": customers})) == {("vip", "c-7", "add")}


@pytest.mark.parametrize("column", ["customer_uid", "customer_group_uid"])
def test_duplicate_column(column):
    "A desired table with a duplicate column raises InputError, which contains the column name."
    table = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-7"]})

    with pytest.raises(InputError, match=column):
        plan_memberships(sample_snapshot(), pd.concat([table, table[[column]]], axis=1))


def test_group_key_that_is_not_text():
    "A desired group that is not a string raises GroupNotFoundError."
    with pytest.raises(GroupNotFoundError, match="vip"):
        plan_memberships(sample_snapshot(), {("vip",): ["c-7"]})


def test_table_and_snapshot():
    "A table of desired memberships can contain the uids or the names of groups."
    table = pd.DataFrame({"customer_group_uid": ["VIP", "staff"], "customer_uid": ["c-7", "c-8"]})
    wanted = snapshot_of({"vip": ["c-1", "c-7"]})

    assert operations(plan_memberships(sample_snapshot(), table)) == {
        ("vip", "c-7", "add"),
        ("staff", "c-8", "add"),
    }
    assert operations(plan_memberships(sample_snapshot(), wanted, mode="mirror")) == {
        ("vip", "c-7", "add"),
        ("vip", "c-2", "remove"),
    }


def test_snapshot_of_other_tenant():
    "A desired snapshot of another tenant raises WrongTenantError."
    with pytest.raises(WrongTenantError, match=r"t-2.*t-1"):
        plan_memberships(sample_snapshot(), snapshot_of({"vip": ["c-1"]}, tenant_uid="t-2"))


def test_snapshot_uid_is_not_a_name():
    "The uid of a group in a desired snapshot is not interpreted as the name of another group."
    now = snapshot_of({"g1": ["c-1"], "g2": ["c-2"]}, names=["VIP", "Other"])
    wanted = snapshot_of({"VIP": ["c-9"]})

    with pytest.raises(GroupNotFoundError, match=r"'VIP'.*g1"):
        plan_memberships(now, wanted, mode="mirror")


def test_arguments_are_unchanged():
    "Creating a plan does not modify the lists and tables of desired memberships."
    wanted = {"VIP": ["c-9", "c-2", "c-9"]}
    table = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-9"]})
    before = table.copy()

    plan_memberships(sample_snapshot(), wanted)
    plan_memberships(sample_snapshot(), table)

    assert wanted == {"VIP": ["c-9", "c-2", "c-9"]}
    pd.testing.assert_frame_equal(table, before)


# Created groups


def test_create():
    "A group in `create` can be desired by uid or name, and it is also created if no customers are desired."
    create = {"bw": "Black Week", "later": "Later"}

    plan = plan_memberships(sample_snapshot(), {"Black Week": ["c-1", "x-1"]}, create=create)

    assert [(group.uid, group.name, group.create, group.add) for group in plan.groups] == [
        ("bw", "Black Week", True, ("c-1", "x-1")),
        ("later", "Later", True, ()),
    ]
    assert [request["method"] for request in plan.requests()] == ["POST", "POST", "PUT"]


@pytest.mark.parametrize(
    ("create", "part"),
    [
        ({"vip": "Another"}, r"'vip'.*VIP.*`create`"),
        ({"b/w": "Black Week"}, "'b/w'"),
        ({"": "Black Week"}, "''"),
        ({7: "Black Week"}, "int"),
        ({"bw": ""}, r"create\['bw'\]"),
        ({"bw": "  "}, r"create\['bw'\]"),
        ({"bw": "\u200b\u3164"}, r"create\['bw'\]"),
        ({"bw": None}, r"create\['bw'\]"),
        (["bw"], "`create`.*list"),
    ],
)
def test_invalid_create(create, part):
    "If `create` contains an existing group, an invalid uid, or a missing name, InputError is raised."
    with pytest.raises(InputError, match=part):
        plan_memberships(sample_snapshot(), {}, create=create)


def test_create_existing_name():
    "If a new group has an existing name, the plan has a finding, and the name cannot be used to identify a group."
    create = {"v2": "VIP"}

    plan = plan_memberships(sample_snapshot(), {"v2": ["c-1"]}, create=create)

    assert [note.rule for note in plan.notes] == ["same_name"]
    with pytest.raises(GroupNotFoundError, match=r"'VIP'.*v2"):
        plan_memberships(sample_snapshot(), {"VIP": ["c-1"]}, create=create)
    with pytest.raises(GroupNotFoundError, match=r"'N'.*n1.*n2"):
        plan_memberships(sample_snapshot(), {"N": ["c-1"]}, create={"n1": "N", "n2": "N"})


# Invalid arguments


def test_unknown_group():
    "The error for an unknown group contains similar names and recommends the argument `create`."
    with pytest.raises(GroupNotFoundError) as caught:
        plan_memberships(sample_snapshot(), {"Vipp": ["c-1"]})

    assert "'VIP'" in str(caught.value) or "'vip'" in str(caught.value)
    assert "create={uid: name}" in str(caught.value)
    assert caught.value.close


def test_ambiguous_name():
    "If two groups have the desired name, GroupNotFoundError is raised and contains the uids of both groups."
    snapshot = snapshot_of({"g1": ["c-1"], "g2": ["c-2"]}, names=["VIP", "VIP"])

    with pytest.raises(GroupNotFoundError, match=r"'VIP'.*g1.*g2"):
        plan_memberships(snapshot, {"VIP": ["c-3"]})
    assert operations(plan_memberships(snapshot, {"g2": ["c-3"]})) == {("g2", "c-3", "add")}


def test_duplicate_group():
    "If a group is desired both by uid and by name, InputError is raised."
    with pytest.raises(InputError, match=r"`desired`.*'vip'.*'VIP'"):
        plan_memberships(sample_snapshot(), {"vip": ["c-1"], "VIP": ["c-2"]})


@pytest.mark.parametrize(
    "uid", ["a/b", "a.b", "..", "a b", " a", "a\n", "a\r\nb", "", "ä", "c-1%2F", "a;b", "c-1\x00", "１"]
)
@pytest.mark.parametrize("mode", MODES)
def test_invalid_uid(uid, mode):
    "A desired uid with characters that the API does not accept raises InputError in each mode."
    with pytest.raises(InputError):
        plan_memberships(sample_snapshot(), {"vip": ["c-1", uid]}, mode=mode)


@pytest.mark.parametrize(
    "customers",
    [
        pd.Series([150, 151]),
        pd.Series([150.0, float("nan")]),
        pd.Series(["c-1", None]),
        pd.Series(["c-1", float("nan")], dtype="object"),
        pd.Series(["c-1", 7], dtype="object"),
        np.array([150, 151]),
        pd.Index([1, 2]),
        [150],
        [150.0],
        [float("nan")],
        [None],
        [pd.NA],
        [["c-1"]],
        [b"c-1"],
        b"c-1",
        "c-1",
        7,
        None,
        {"c-1": True},
        pd.DataFrame({"customer_uid": ["c-1"]}),
        pd.MultiIndex.from_tuples([("c-1", "c-2")]),
        np.array([["c-1", "c-2"]]),
        np.array("c-1"),
        np.array(["surrogate \ud800"]),
        pa.array(["c-1", None]),
        sample_snapshot(),
    ],
)
def test_invalid_customers(customers):
    "Desired customers that are not a list of strings raise InputError."
    with pytest.raises(InputError):
        plan_memberships(sample_snapshot(), {"vip": customers}, mode="mirror")


@pytest.mark.parametrize(
    "desired",
    [
        ["c-1"],
        "vip",
        None,
        pd.DataFrame({"customer_uid": ["c-1"]}),
        pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": [150]}),
        pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", None]}),
        pd.DataFrame({"customer_group_uid": ["vip", None], "customer_uid": ["c-1", "c-2"]}),
        pd.DataFrame({"customer_group_uid": [1], "customer_uid": ["c-1"]}),
    ],
)
def test_invalid_desired(desired):
    "If `desired` has an unsupported type or is a table without two string columns, InputError is raised."
    with pytest.raises(InputError):
        plan_memberships(sample_snapshot(), desired)


@pytest.mark.parametrize(("old", "new"), [("add_" + "only", "'add'"), ("remove_" + "only", "'keep_only'")])
def test_renamed_mode(old, new):
    "The error for the earlier name of a mode contains the current name."
    with pytest.raises(InputError, match=f"{old}.*{new}"):
        plan_memberships(sample_snapshot(), {}, mode=old)


def test_unknown_mode():
    "The error for an unknown mode contains the valid modes."
    with pytest.raises(InputError, match=r"`mode`.*'add', 'remove', 'keep_only', or 'mirror'"):
        plan_memberships(sample_snapshot(), {}, mode="replace")


@pytest.mark.parametrize("protect", ["c-1", [7], [None], [""], {"c-1": 1}, pd.DataFrame({"c-1": []}), 7])
def test_invalid_protect(protect):
    "If `protect` is not a list of strings, InputError is raised."
    with pytest.raises(InputError, match="`protect`"):
        plan_memberships(sample_snapshot(), {}, protect=protect)


def test_protect_invalid_uid():
    "A plan cannot remove a member with an invalid uid, but the member can be protected."
    snapshot = snapshot_of({"g": ["a b", "c-1"]})

    with pytest.raises(InputError, match=r"protect=\['a b'\]"):
        plan_memberships(snapshot, {"g": ["c-1"]}, mode="mirror")
    plan = plan_memberships(snapshot, {"g": ["c-2"]}, mode="mirror", protect=["a b"])
    assert operations(plan) == {("g", "c-2", "add"), ("g", "c-1", "remove")}


# Verdict of the snapshot


def test_drifted_group():
    "Planning a change of a drifted group raises DriftedReadError, but other groups can be drifted."
    drifted = reads_of(sample_snapshot(), verdict="drifted", note="3 rows moved")

    with pytest.raises(DriftedReadError, match=r"3 rows moved.*refresh_groups\(client, snapshot, \['vip'\]\)"):
        plan_memberships(drifted, {"VIP": ["c-7"]})
    assert plan_memberships(drifted, {"VIP": ["c-1"]}).is_empty


def test_hint_for_a_uid_that_is_a_name():
    "The hint for a drifted group refers to the group unambiguously, if its uid is the name of another group."
    snapshot = snapshot_of({"vip": ["c-1"], "other": ["c-2"]}, names=["VIP", "vip"])
    drifted = reads_of(snapshot, verdict="drifted", note="3 rows moved")

    with pytest.raises(DriftedReadError) as raised:
        plan_memberships(drifted, {'uid:"vip"': ["c-2"]})

    assert repr('uid:"vip"') in raised.value.hint


def test_covered_and_unverifiable_groups():
    "If the members of a changed group were inferred or could not be verified, the plan has a finding."
    covered = reads_of(sample_snapshot(), verdict="consistent", how="cover")
    verified = reads_of(sample_snapshot(), verdict="consistent", how="pages")
    wanted = {"vip": ["c-7"]}

    assert [note.rule for note in plan_memberships(covered, wanted).notes] == ["covered"]
    assert [note.rule for note in plan_memberships(sample_snapshot(), wanted).notes] == ["unverifiable"]
    assert plan_memberships(verified, wanted).findings == plan_memberships(verified, wanted).notes == ()


def test_exceeded_limit():
    "If a limit is exceeded, the plan is blocked, but no error is raised."
    plan = plan_memberships(sample_snapshot(), {"vip": []}, mode="mirror")

    assert plan.blocked
    assert {finding.rule for finding in plan.findings if finding.blocking} >= {"emptied_groups"}


@pytest.mark.slow
def test_memory_of_large_group(tmp_path):
    "A plan for a group with 200,000 members requires less than 250 MB of memory."
    uids = pd.Series([f"customer-of-a-large-group-{n:010d}" for n in range(200_000)])
    snapshot = snapshot_of({"g": uids})
    clock = Stopwatch()

    with clock:
        plan = plan_memberships(snapshot, {"g": [*uids[500:], "x-1"]}, mode="mirror")
        again = read_plan(plan.save(tmp_path / "p.json"))

    assert (plan.n_add, plan.n_remove, again.digest) == (1, 500, plan.digest)
    assert len(plan.preview().matrix) == len(again.preview().matrix) == 199_501
    assert clock.added_mb < 250


def test_lone_surrogate():
    "A new group name with a lone surrogate raises InputError."
    for desired, create in (({"VIP\ud83d": ["c-7"]}, None), ({"bw": ["c-7"]}, {"bw": "Black Week \udce5"})):
        with pytest.raises(InputError, match=r"UTF-8|udce5|ud83d"):
            plan_memberships(sample_snapshot(), desired, create=create)


def test_unused_limits():
    "If the limits contain a uid that does not belong to a group, the plan has a finding."
    own = {"VIP": Limits(removals_per_group=1), "news_*": Limits(), "bw": Limits(), "vip": Limits()}

    plan = plan_memberships(
        sample_snapshot(), {"vip": ["c-7"], "bw": ["c-7"]}, create={"bw": "BW"}, limits=Limits(per_group=own)
    )

    [finding] = [finding for finding in plan.findings if finding.rule == "unused_limits"]
    assert "'VIP'" in finding.message
