"""Plans from desired memberships: properties of the difference, and invalid arguments."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import DriftedReadError, GroupNotFoundError, InputError, WrongTenantError
from frgroups.plan.limits import Limits
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.bench.child import Stopwatch

few = settings(max_examples=40)
MODES = ["add", "keep_only", "mirror"]
CUSTOMERS = [f"c-{n}" for n in range(8)]
NEW = ["x-1", "x-2"]


def snapshot_of(world, *, names=None, tenant_uid="t-1"):
    """A snapshot of {group: customers}."""
    rows = [(uid, customer) for uid, members in world.items() for customer in members]
    return snapshot_from_frames(
        pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str"),
        pd.DataFrame({"customer_group_uid": list(world), "name": names or list(world)}),
        tenant_uid=tenant_uid,
        taken_at=datetime.now(UTC),
    )


def applied(world, plan):
    """{group: customers} after the plan's payloads."""
    after = {uid: set(members) for uid, members in world.items()}
    for payload in plan.payloads():
        members = after.setdefault(payload["customerGroupUid"], set())
        members |= set(payload["addCustomerUids"])
        members -= set(payload["removeCustomerUids"])
    return after


def operations(plan):
    """{(group, customer, change)} of a plan."""
    table = plan.table()
    return set(zip(table["customer_group_uid"], table["customer_uid"], table["change"], strict=True))


def reads_of(snapshot, **values):
    """The snapshot with these values in every row of its reads."""
    return replace(snapshot, reads=snapshot.reads.assign(**values))


worlds = st.dictionaries(st.sampled_from(["g1", "g2", "g3"]), st.sets(st.sampled_from(CUSTOMERS)), min_size=1)
wishes = st.dictionaries(st.sampled_from(["g1", "g2", "g3"]), st.sets(st.sampled_from([*CUSTOMERS, *NEW])))


@st.composite
def cases(draw):
    """A world, and what is wanted of some of its groups."""
    now = draw(worlds)
    return now, {uid: members for uid, members in draw(wishes).items() if uid in now}


@few
@given(case=cases())
def test_mirror(case):
    "The desired groups have the desired members after the plan, and other groups are unchanged."
    now, wanted = case

    after = applied(now, plan_memberships(snapshot_of(now), wanted, mode="mirror"))

    assert after == {uid: set(wanted.get(uid, members)) for uid, members in now.items()}


@few
@given(case=cases())
def test_add_and_keep_only(case):
    "add results in the union with the desired members, keep_only in the intersection."
    now, wanted = case

    united = applied(now, plan_memberships(snapshot_of(now), wanted))
    cut = applied(now, plan_memberships(snapshot_of(now), wanted, mode="keep_only"))

    assert united == {uid: members | wanted.get(uid, set()) for uid, members in now.items()}
    assert cut == {uid: members & wanted.get(uid, members) for uid, members in now.items()}


@few
@given(case=cases(), mode=st.sampled_from(MODES))
def test_nothing_to_do(case, mode):
    "The plan is empty if the memberships are as desired, also after a plan was applied."
    now, wanted = case
    after = applied(now, plan_memberships(snapshot_of(now), wanted, mode=mode))

    assert plan_memberships(snapshot_of(after), wanted, mode=mode).is_empty
    assert plan_memberships(snapshot_of(now), now, mode=mode).is_empty
    assert plan_memberships(snapshot_of(now), snapshot_of(now), mode=mode).is_empty


@few
@given(case=cases(), mode=st.sampled_from(MODES))
def test_minimal_plan(case, mode):
    "A plan adds no members, removes no non-members, and contains no group without a change."
    now, wanted = case

    plan = plan_memberships(snapshot_of(now), wanted, mode=mode)

    for uid, customer, change in operations(plan):
        assert (customer in now[uid]) == (change == "remove")
        assert (customer in wanted[uid]) == (change == "add")
    assert all(one.add or one.remove for one in plan.groups)
    assert all(set(one.baseline) == now[one.uid] for one in plan.groups)


@few
@given(case=cases(), protect=st.sets(st.sampled_from(CUSTOMERS)), mode=st.sampled_from(MODES))
def test_protect(case, protect, mode):
    "Exactly the removals of protected customers are left out and counted."
    now, wanted = case
    bare = operations(plan_memberships(snapshot_of(now), wanted, mode=mode))

    plan = plan_memberships(snapshot_of(now), wanted, mode=mode, protect=protect)

    held = {one for one in bare if one[2] == "remove" and one[1] in protect}
    assert operations(plan) == bare - held
    assert sum(finding.n for finding in plan.findings if finding.rule == "protected") == len(held)


own_limits = st.dictionaries(
    st.sampled_from(["g1", "g2", "g?", "g[12]", "other", "*"]), st.integers(0, 9).map(lambda n: Limits(n))
)


@few
@given(case=cases(), own=own_limits, protected=st.sets(st.sampled_from(["g1", "g2", "g3"])), data=st.data())
def test_selection(case, own, protected, data):
    "A selection has the digest and the exceeded limits of a plan for its groups only."
    now, wanted = case
    register = pd.DataFrame({"customer_group_uid": sorted(protected), "protected": True})
    options = {"mode": "mirror", "limits": Limits(per_group=own), "register": register}
    snapshot = snapshot_of(now)
    whole = plan_memberships(snapshot, wanted, **options)
    some = data.draw(st.sets(st.sampled_from([one.uid for one in whole.groups]))) if whole.groups else set()

    selected = whole.select(sorted(some))

    alone = plan_memberships(snapshot, {uid: wanted[uid] for uid in some}, **options)
    assert selected.digest == alone.digest
    assert [one.message for one in selected.findings if one.blocking] == [
        one.message for one in alone.findings if one.blocking
    ]
    assert (selected.digest == whole.digest) == (some == {one.uid for one in whole.groups})


@few
@given(case=cases())
def test_groups_are_independent(case):
    "The operations of all groups are those of each group alone."
    now, wanted = case
    snapshot = snapshot_of(now)

    whole = operations(plan_memberships(snapshot, wanted, mode="mirror"))
    parts = [operations(plan_memberships(snapshot, {uid: wanted[uid]}, mode="mirror")) for uid in wanted]

    assert whole == set().union(*parts)


@few
@given(case=cases())
def test_unknown_customers(case):
    "A customer to add who is in no group is added and reported as a finding."
    now, wanted = case

    plan = plan_memberships(snapshot_of(now), wanted)

    seen = set().union(*now.values())
    table = plan.table()
    assert list(table["finding"] == "not in the snapshot") == [uid not in seen for uid in table["customer_uid"]]
    told = sum(finding.n for finding in plan.findings if finding.rule == "unknown_customers")
    assert told == (table["finding"] != "").sum()


# The forms of what is wanted


def difference(now, wanted, mode):
    """{(group, customer, change)} by plain sets."""
    add = {(uid, one, "add") for uid, members in wanted.items() for one in members - now.get(uid, set())}
    remove = {(uid, one, "remove") for uid, members in wanted.items() for one in now.get(uid, set()) - members}
    return {"add": add, "keep_only": remove, "mirror": add | remove}[mode]


def table_of(wanted, order):
    """The wish as a table with each row twice, in the order of this random generator."""
    rows = [(uid, one) for uid, members in wanted.items() for one in members] * 2
    order.shuffle(rows)
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


@few
@given(case=cases(), mode=st.sampled_from(MODES), order=st.randoms(use_true_random=False))
def test_forms_of_desired(case, mode, order):
    "Lists, tables in any order with repeated rows, and snapshots result in the plan that sets give."
    now, wanted = case
    wanted = {uid: members for uid, members in wanted.items() if members}  # A table cannot want nobody.
    snapshot = snapshot_of(now)

    plans = [
        plan_memberships(snapshot, form, mode=mode)
        for form in ({uid: [*members, *members] for uid, members in wanted.items()}, table_of(wanted, order))
    ]
    plans.append(plan_memberships(snapshot, snapshot_of(wanted), mode=mode))

    for plan in plans:
        assert operations(plan) == difference(now, wanted, mode)
        assert all(list(side) == sorted(side) for one in plan.groups for side in (one.add, one.remove))
        assert [list(one.baseline) for one in plan.groups] == [sorted(now[one.uid]) for one in plan.groups]
    assert len({plan.digest for plan in plans}) == 1


@pytest.fixture(scope="module")
def large():
    """Uids of one length, 70,000 memberships of 30,000 of them, and as many wanted, 140 of them others."""
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
    """{(group, customer, change)} of two tables, by plain sets."""
    now, wanted = (set(table.itertuples(index=False, name=None)) for table in (now, wanted))
    return {(*row, "add") for row in wanted - now} | {(*row, "remove") for row in now - wanted}


@pytest.mark.parametrize("order", ["mixed", "by group", "by customer", "as the snapshot"])
@pytest.mark.parametrize(
    "dtype",
    [
        "str",
        "object",
        "category",
        "string[python]",
        pd.ArrowDtype(pa.string()),
        pd.ArrowDtype(pa.large_string()),
        pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=str,
)
def test_large_tables(large, dtype, order):
    "Large tables of any text dtype, in any order, result in the plan that sets give."
    snapshot, wanted, expected = large
    by = {"by group": ["customer_group_uid"], "by customer": ["customer_uid"], "as the snapshot": list(wanted)}
    table = wanted.sort_values(by[order], kind="stable") if order in by else wanted
    table = pd.concat([table.iloc[:20_000].astype(dtype), table.iloc[20_000:].astype(dtype)])

    plan = plan_memberships(snapshot, table, mode="mirror")

    assert operations(plan) == expected


@few
@given(wanted=st.sets(st.sampled_from([*CUSTOMERS, *NEW])), mode=st.sampled_from(MODES))
def test_created_group(wanted, mode):
    "All desired customers join a created group, unless the mode is keep_only."
    plan = plan_memberships(snapshot_of({"g1": CUSTOMERS}), {"bw": wanted}, mode=mode, create={"bw": "Black Week"})

    assert operations(plan) == difference({}, {"bw": wanted}, mode)
    assert plan.groups[0].unknown == (frozenset() if mode == "keep_only" else wanted - {*CUSTOMERS})


@pytest.mark.parametrize("known", [True, False])
def test_invalid_uid_in_every_form(known):
    "A list, a table and a snapshot with an invalid uid raise the same error."
    now = snapshot_of({"g": ["c-1", "c-2", *(["a b"] if known else [])]})
    table = pd.DataFrame({"customer_group_uid": "g", "customer_uid": ["c-2", "a b", "c-1"]})

    for wanted in ({"g": ["c-2", "a b"]}, table, snapshot_of({"g": ["a b", "c-2"]})):
        with pytest.raises(InputError, match="'a b' is not a customer uid that the API takes"):
            plan_memberships(now, wanted)


def test_group_order_of_table():
    "The error names the first unknown group of a table."
    table = pd.DataFrame({"customer_group_uid": ["vip", "zzz", "aaa", "vip"], "customer_uid": "c-1"})

    with pytest.raises(GroupNotFoundError, match="'zzz'"):
        plan_memberships(sample_snapshot(), table)


def test_invalid_uid_in_no_group():
    "An invalid uid of a desired snapshot is ignored if the customer is in no group."
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
    "Lists, sets, iterators, Series, Index and arrays result in the same plan."
    assert operations(plan_memberships(sample_snapshot(), {"VIP": customers})) == {("vip", "c-7", "add")}


@pytest.mark.parametrize("column", ["customer_uid", "customer_group_uid"])
def test_duplicate_column(column):
    "A table with a duplicate column raises InputError."
    table = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-7"]})

    with pytest.raises(InputError, match=f"has 2 columns '{column}'; leave one"):
        plan_memberships(sample_snapshot(), pd.concat([table, table[[column]]], axis=1))


def test_group_key_that_is_not_text():
    "A group that is not text, as from a MultiIndex, raises GroupNotFoundError."
    with pytest.raises(GroupNotFoundError, match="No group has the uid or name"):
        plan_memberships(sample_snapshot(), {("vip",): ["c-7"]})


def test_table_and_snapshot():
    "A table names groups by uid or name; a snapshot contains all its groups."
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
    "A snapshot of another tenant raises WrongTenantError."
    with pytest.raises(WrongTenantError, match="of tenant t-2, the snapshot of t-1"):
        plan_memberships(sample_snapshot(), snapshot_of({"vip": ["c-1"]}, tenant_uid="t-2"))


def test_snapshot_uid_is_not_a_name():
    "The uid of a deleted group is not used as the name of another group."
    now = snapshot_of({"g1": ["c-1"], "g2": ["c-2"]}, names=["VIP", "Other"])
    wanted = snapshot_of({"VIP": ["c-9"]})

    with pytest.raises(GroupNotFoundError, match="the name of another group, g1"):
        plan_memberships(now, wanted, mode="mirror")


def test_arguments_are_unchanged():
    "The desired lists and tables are not changed."
    wanted = {"VIP": ["c-9", "c-2", "c-9"]}
    table = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-9"]})
    before = table.copy()

    plan_memberships(sample_snapshot(), wanted)
    plan_memberships(sample_snapshot(), table)

    assert wanted == {"VIP": ["c-9", "c-2", "c-9"]}
    pd.testing.assert_frame_equal(table, before)


# New groups


def test_create():
    "A group in `create` is created with its customers, by uid or name, and also without customers."
    create = {"bw": "Black Week", "later": "Later"}

    plan = plan_memberships(sample_snapshot(), {"Black Week": ["c-1", "x-1"]}, create=create)

    assert [(one.uid, one.name, one.create, one.add) for one in plan.groups] == [
        ("bw", "Black Week", True, ("c-1", "x-1")),
        ("later", "Later", True, ()),
    ]
    assert [request["method"] for request in plan.requests()] == ["POST", "POST", "PUT"]


@pytest.mark.parametrize(
    ("create", "told"),
    [
        ({"vip": "Another"}, r"that group exists \(VIP\)"),
        ({"b/w": "Black Week"}, "is not a customer group uid"),
        ({"": "Black Week"}, "is not a customer group uid"),
        ({7: "Black Week"}, "is text, not int"),
        ({"bw": ""}, "needs a name"),
        ({"bw": "  "}, "needs a name"),
        ({"bw": None}, "needs a name"),
        (["bw"], "create is a list"),
    ],
)
def test_invalid_create(create, told):
    "An existing group, an invalid uid and a missing name raise InputError."
    with pytest.raises(InputError, match=told):
        plan_memberships(sample_snapshot(), {}, create=create)


def test_create_existing_name():
    "A new group can share a name, which is a finding; the name alone is then ambiguous."
    create = {"v2": "VIP"}

    plan = plan_memberships(sample_snapshot(), {"v2": ["c-1"]}, create=create)

    assert [note.rule for note in plan.notes] == ["same_name"]
    with pytest.raises(GroupNotFoundError, match="Say which by its uid"):
        plan_memberships(sample_snapshot(), {"VIP": ["c-1"]}, create=create)
    with pytest.raises(GroupNotFoundError, match="Say which by its uid"):
        plan_memberships(sample_snapshot(), {"N": ["c-1"]}, create={"n1": "N", "n2": "N"})


# What is refused


def test_unknown_group():
    "The error for an unknown group has close matches and explains `create`."
    with pytest.raises(GroupNotFoundError) as caught:
        plan_memberships(sample_snapshot(), {"Vipp": ["c-1"]})

    assert "'VIP'" in str(caught.value) or "'vip'" in str(caught.value)
    assert "create={uid: name}" in str(caught.value)
    assert caught.value.close


def test_ambiguous_name():
    "A name of two groups raises an error with their uids."
    snapshot = snapshot_of({"g1": ["c-1"], "g2": ["c-2"]}, names=["VIP", "VIP"])

    with pytest.raises(GroupNotFoundError, match="2 groups are named 'VIP': g1, g2"):
        plan_memberships(snapshot, {"VIP": ["c-3"]})
    assert operations(plan_memberships(snapshot, {"g2": ["c-3"]})) == {("g2", "c-3", "add")}


def test_duplicate_group():
    "A group that is desired by uid and by name raises InputError."
    with pytest.raises(InputError, match="'vip' is wanted twice, once as 'VIP'"):
        plan_memberships(sample_snapshot(), {"vip": ["c-1"], "VIP": ["c-2"]})


@pytest.mark.parametrize(
    "uid", ["a/b", "a.b", "..", "a b", " a", "a\n", "a\r\nb", "", "ä", "c-1%2F", "a;b", "c-1\x00", "１"]
)
@pytest.mark.parametrize("mode", MODES)
def test_invalid_uid(uid, mode):
    "Slashes, dots, spaces, line ends and empty uids raise InputError."
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
        np.array(["half \ud800"]),
        pa.array(["c-1", None]),
        sample_snapshot(),
    ],
)
def test_invalid_customers(customers):
    "Numbers, missing values, one text, a mapping and a table raise InputError."
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
    "Other types of `desired`, and tables without both text columns, raise InputError."
    with pytest.raises(InputError):
        plan_memberships(sample_snapshot(), desired)


@pytest.mark.parametrize(("old", "new"), [("add_" + "only", "'add'"), ("remove_" + "only", "'keep_only'")])
def test_renamed_mode(old, new):
    "The error for an earlier mode name states the current name."
    with pytest.raises(InputError, match=f"is now called {new}"):
        plan_memberships(sample_snapshot(), {}, mode=old)


def test_unknown_mode():
    "An unknown mode raises InputError."
    with pytest.raises(InputError, match="choose add, keep_only, mirror"):
        plan_memberships(sample_snapshot(), {}, mode="replace")


@pytest.mark.parametrize("protect", ["c-1", [7], [None], [""], {"c-1": 1}, pd.DataFrame({"c-1": []}), 7])
def test_invalid_protect(protect):
    "A text, numbers and tables raise InputError."
    with pytest.raises(InputError, match="protect"):
        plan_memberships(sample_snapshot(), {}, protect=protect)


def test_protect_invalid_uid():
    "A member with an invalid uid cannot be removed; the error recommends protect=, which works."
    snapshot = snapshot_of({"g": ["a b", "c-1"]})

    with pytest.raises(InputError, match=r"protect=\['a b'\]"):
        plan_memberships(snapshot, {"g": ["c-1"]}, mode="mirror")
    plan = plan_memberships(snapshot, {"g": ["c-2"]}, mode="mirror", protect=["a b"])
    assert operations(plan) == {("g", "c-2", "add"), ("g", "c-1", "remove")}


# How sure the snapshot is


def test_drifted_group():
    "A changed group that drifted raises DriftedReadError; other groups can have drifted."
    drifted = reads_of(sample_snapshot(), verdict="drifted", note="3 rows moved")

    with pytest.raises(DriftedReadError, match=r"3 rows moved.*refresh_groups\(client, snapshot, \['vip'\]\)"):
        plan_memberships(drifted, {"VIP": ["c-7"]})
    assert plan_memberships(drifted, {"VIP": ["c-1"]}).is_empty


def test_covered_and_unverifiable_groups():
    "A covered or unverifiable group can be planned and has a finding."
    covered = reads_of(sample_snapshot(), verdict="consistent", how="cover")
    proved = reads_of(sample_snapshot(), verdict="consistent", how="pages")
    wanted = {"vip": ["c-7"]}

    assert [note.rule for note in plan_memberships(covered, wanted).notes] == ["covered"]
    assert [note.rule for note in plan_memberships(sample_snapshot(), wanted).notes] == ["unverifiable"]
    assert plan_memberships(proved, wanted).findings == plan_memberships(proved, wanted).notes == ()


def test_exceeded_limit():
    "An exceeded limit blocks the plan without an error."
    plan = plan_memberships(sample_snapshot(), {"vip": []}, mode="mirror")

    assert plan.blocked
    assert {finding.rule for finding in plan.findings if finding.blocking} >= {"emptied_groups"}


def test_memory_of_large_group(tmp_path):
    "A plan for 200,000 members needs memory for a few copies of the uids."
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
    "A lone surrogate in a group raises InputError."
    for desired, create in (({"VIP\ud83d": ["c-7"]}, None), ({"bw": ["c-7"]}, {"bw": "Black Week \udce5"})):
        with pytest.raises(InputError, match="half of one"):
            plan_memberships(sample_snapshot(), desired, create=create)


def test_unused_limits():
    "Limits of a uid that no group has are reported; patterns and created groups are not."
    own = {"VIP": Limits(removals_per_group=1), "news_*": Limits(), "bw": Limits(), "vip": Limits()}

    plan = plan_memberships(
        sample_snapshot(), {"vip": ["c-7"], "bw": ["c-7"]}, create={"bw": "BW"}, limits=Limits(per_group=own)
    )

    assert [one.message for one in plan.findings if one.rule == "unused_limits"] == [
        "The limits of 'VIP' hold for no group: no group has that uid."
    ]
