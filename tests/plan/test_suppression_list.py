"""The never-add list of a tenant: read when planning, looked at again before applying, kept to by undo and forget."""

from dataclasses import replace

import pytest

import frgroups as fg
from frgroups.errors import ListError, PlanBlockedError
from frgroups.plan.suppression_list import suppressed_customers

PEOPLE = [f"c{n:02d}" for n in range(20)]


def listed(of, text, *, encoding="utf-8"):
    """Write the never-add list of a tenant."""
    path = fg.suppression_list_path(of)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def held_of(plan):
    """[(customer, change, reason)] of what a plan holds back."""
    return list(plan.held()[["customer_uid", "change", "reason"]].itertuples(index=False, name=None))


# The file


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("customer_uid\nc-7\n0150\n", {"c-7": "", "0150": ""}),
        ("Customer UID;Reason\n c-7 ;asked us to\n", {"c-7": "asked us to"}),
        ("reason,customerUid,group\nfraud,c-7,vip\n", {"c-7": "fraud"}),
        ("customer_uid\treason\nc-7\t\nc-7\tfraud\nc-7\tmore\n", {"c-7": "fraud"}),
        ("customer_uid,reason\nc-7,called +47 900 00 000 / kari@example.org\n", {"c-7": "called +… / …@…"}),
        ("\ufeffcustomer_uid\r\nc-7\r\n\r\n", {"c-7": ""}),
        ("customer_uid\n", {}),
        ("customer_uid,reason\n", {}),
    ],
)
def test_the_list_is_read(text, known):
    "In each way a spreadsheet writes it; uids as they stand, the first reason, no contact datum, blank rows aside."
    snapshot = fg.sample_snapshot()
    listed(snapshot, text)

    assert suppressed_customers(snapshot) == known


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("c-7\nc-8\n", "has 0 columns customer_uid. Its first row must name one"),
        ("external_id\n0150\n", "has 0 columns customer_uid"),
        ("customer_uid,Customer UID\nc-7,c-8\n", "has 2 columns customer_uid"),
        ("customer_uid,reason\nc-7,fraud\n,fraud\n,more\n", "no customer_uid in 2 rows, the first is row 3"),
        ("customer_uid,reason\nc-7,fraud, or so\n", "row 2 has 3 cells"),
        ("customer_uid,reason\n150.0,fraud\n", "1 ids are a number"),
        ("customer_uid,reason\n#N/A,fraud\n", "1 ids are an Excel error"),
        ("<html>", "looks like HTML"),
    ],
)
def test_a_list_that_is_not_clear_stops_the_plan(text, told):
    "Whoever is meant could be added: no file is guessed at, and no row is passed over."
    snapshot = fg.sample_snapshot()
    path = listed(snapshot, text)

    with pytest.raises(ListError) as error:
        fg.plan_memberships(snapshot, {"vip": ["c-9"]})

    assert told in str(error.value) and str(path) in str(error.value)


def test_a_link_to_nothing_is_no_missing_list():
    "A list that is on a disk that is away is an error; only where there is no such file is nobody listed."
    snapshot = fg.sample_snapshot()
    path = fg.suppression_list_path(snapshot)
    path.parent.mkdir(parents=True)
    path.symlink_to(path.parent / "away.csv")

    with pytest.raises(ListError, match="cannot be read"):
        fg.plan_memberships(snapshot, {"vip": ["c-9"]})


def test_each_tenant_and_host_has_its_own(home_folder):
    "The uid of a tenant may be on two hosts, and a uid of a customer in two tenants."
    snapshot = fg.sample_snapshot()
    others = [replace(snapshot, base_url="https://other.example"), replace(snapshot, tenant_uid="t-2")]

    listed(snapshot, "customer_uid\nc-7\n")

    assert fg.suppression_list_path(snapshot).is_relative_to(home_folder / "lists" / "suppression_list")
    assert held_of(fg.plan_memberships(snapshot, {"vip": ["c-7"]})) == [("c-7", "add", "never add")]
    assert [held_of(fg.plan_memberships(one, {"vip": ["c-7"]})) for one in others] == [[], []]


def test_the_list_and_the_argument_are_one():
    "Both hold back; of a customer on both the reason of the list is told."
    snapshot = fg.sample_snapshot()
    listed(snapshot, "customer_uid,reason\nc-7,asked us to\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-7", "c-8", "c-9"]}, suppression_list=["c-7", "c-8"])

    assert held_of(plan) == [("c-7", "add", "never add: asked us to"), ("c-8", "add", "never add")]
    assert "2 customers who may never be added are kept out of VIP." in plan.summary()


def test_who_is_in_already_is_not_held_back():
    "The list is of additions: a member stays, and may be removed."
    snapshot = fg.sample_snapshot()
    listed(snapshot, "customer_uid\nc-1\nc-2\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-2"]}, mode="mirror")

    assert held_of(plan) == [] and plan.n_remove == 1


def test_a_move_that_may_not_arrive_is_still_a_removal():
    "Who was to move and may not join leaves all the same, as was wanted; it is no move, and both are told."
    snapshot = fg.sample_snapshot()
    listed(snapshot, "customer_uid\nc-1\n")

    plan = fg.plan_memberships(snapshot, {"vip": ["c-2"], "staff": ["c-1", "c-251"]}, mode="mirror")

    assert (plan.n_add, plan.n_remove, len(plan.moves())) == (0, 1, 0)
    assert held_of(plan) == [("c-1", "add", "never add")]


# Applying


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def client(tenant):
    tenant.reset()
    tenant.behave()
    tenant.put_customers(PEOPLE)
    for uid, members in {"all": PEOPLE, "vip": PEOPLE[:10], "gold": []}.items():
        tenant.put_group(uid, uid.upper())
        tenant.add_members(uid, members)
    with tenant.client(writable=True) as client:
        yield client


def plan_for(client, desired, **options):
    return fg.plan_memberships(fg.load_snapshot(client, False), desired, **options)


def test_a_plan_that_adds_who_is_listed_by_now_is_refused(client, tenant):
    "Before the first byte, with how many of which list; a new plan leaves them out and is applied."
    wanted = {"vip": PEOPLE[:14], "gold": PEOPLE[12:15]}
    plan = plan_for(client, wanted)
    path = listed(client, "customer_uid\nc12\nc13\nc19\n")
    tenant.clear_requests()

    with pytest.raises(PlanBlockedError) as error:
        fg.apply_plan(client, plan, approval=plan.digest)

    assert f"2 customers whom it adds, to 2 groups, are on the suppression list by now: {path}" in str(error.value)
    assert "Nothing was sent" in str(error.value) and "Plan again" in str(error.value)
    assert [(one.rule, one.n) for one in error.value.findings] == [("suppression_list", 4)]
    assert tenant.requests() == []
    again = plan_for(client, wanted)
    assert fg.apply_plan(client, again, approval=again.digest).ok
    assert tenant.members("vip") == PEOPLE[:12] and tenant.members("gold") == ["c14"]


def test_a_list_that_cannot_be_read_stops_an_apply(client, tenant):
    "Nothing is sent while nobody can tell who may not be added."
    plan = plan_for(client, {"vip": PEOPLE[:12]})
    listed(client, "c12\n")
    tenant.clear_requests()

    with pytest.raises(ListError, match="never-add list"):
        fg.apply_plan(client, plan, approval=plan.digest)

    assert tenant.requests() == []


def test_a_plan_that_only_removes_them_is_applied(client, tenant):
    "Who may never be added may leave."
    plan = plan_for(client, {"vip": PEOPLE[1:10]}, mode="mirror")
    listed(client, "customer_uid\nc00\n")

    assert fg.apply_plan(client, plan, approval=plan.digest).ok
    assert tenant.members("vip") == PEOPLE[1:10]


def test_an_undo_does_not_bring_back_who_is_listed_by_now(client, tenant):
    "It says who is held back, and is applied; others come back."
    limits = fg.Limits(removals_per_group=None, removal_share=None)
    plan = plan_for(client, {"vip": PEOPLE[2:10]}, mode="mirror", limits=limits)
    receipt = fg.apply_plan(client, plan, approval=plan.digest)
    listed(client, "customer_uid,reason\nc00,asked us to\n")

    undo = fg.plan_undo(receipt)

    assert held_of(undo) == [("c00", "add", "never add: asked us to")]
    assert fg.apply_plan(client, undo, approval=undo.digest).ok
    assert tenant.members("vip") == PEOPLE[1:10]


# Forgetting


def test_forget_takes_a_customer_off_the_list_and_out_of_what_is_held_back():
    "The row goes; a plan that only holds the customer back stays the same plan, without them."
    snapshot = fg.sample_snapshot()
    path = listed(snapshot, "customer_uid,reason\nc-7,asked us to\nc-8,fraud\n")
    plan = fg.plan_memberships(snapshot, {"vip": ["c-7", "c-8", "c-9"]})
    saved = plan.save(fg.home() / "plans" / "plan.json")

    table = fg.erase_customer("c-7")

    assert sorted(table[["kind", "action"]].itertuples(index=False, name=None)) == [
        ("list", "rewritten"),
        ("plan", "rewritten"),
    ]
    assert path.read_text() == "customer_uid,reason\nc-8,fraud\n"
    again = fg.read_plan(saved)
    assert (again.digest, held_of(again)) == (plan.digest, [("c-8", "add", "never add: fraud")])
    assert "c-7" not in saved.read_text()
    assert fg.erase_customer("c-7").empty


def test_forget_in_one_tenant_leaves_the_list_of_another():
    "A never-add list tells its tenant, unlike other lists."
    snapshot = fg.sample_snapshot()
    own, other = (listed(one, "customer_uid\nc-7\n") for one in (snapshot, replace(snapshot, tenant_uid="t-2")))

    table = fg.erase_customer("c-7", tenant_uid="t-1")

    assert table[["path", "tenant_uid"]].values.tolist() == [[str(own), "t-1"]]
    assert (own.read_text(), other.read_text()) == ("customer_uid\n", "customer_uid\nc-7\n")
    assert fg.plan_memberships(snapshot, {"vip": ["c-7"]}).n_add == 1


def test_what_is_told_of_another_names_nobody_who_was_forgotten():
    "The reason of one row may name a customer of another."
    snapshot = fg.sample_snapshot()
    listed(snapshot, "customer_uid,reason\nc-8,same person as c-7\n")
    path = fg.plan_memberships(snapshot, {"vip": ["c-8", "c-9"]}).save(fg.home() / "plans" / "plan.json")

    table = fg.erase_customer("c-7")

    assert "c-7" not in path.read_text()
    assert set(table["action"]) == {"rewritten", "could not"}  # The list is yours: it says to edit it by hand.


def test_a_receipt_buries_who_was_held_back(client):
    "A tombstone stands in the row; the receipt stays the one of its plan, and can be undone."
    listed(client, "customer_uid\nc11\n")
    plan = plan_for(client, {"gold": ["c10", "c11"]})
    receipt = fg.apply_plan(client, plan, approval=plan.digest)
    assert held_of(fg.read_receipt(receipt.path).plan) == [("c11", "add", "never add")]

    fg.erase_customer("c11")

    again = fg.read_receipt(receipt.path)
    assert held_of(again.plan) == [("(forgotten-1)", "add", "never add")]
    assert (again.plan.digest, again.erasure_id) == (plan.digest, "")
    assert fg.plan_undo(again).n_remove == 1


def test_what_is_held_of_a_customer_is_exported():
    "The row of the list, and what a plan holds back."
    snapshot = fg.sample_snapshot()
    listed(snapshot, "customer_uid,reason\nc-7,asked us to\n")
    fg.plan_memberships(snapshot, {"vip": ["c-7", "c-9"]}).save(fg.home() / "plans" / "plan.json")

    told = fg.export_customer("c-7")

    assert told["lists"][0]["rows"] == [["c-7", "asked us to"]]
    assert told["plans"][0]["excluded"] == [
        {"customer_group_uid": "vip", "change": "add", "reason": "never add: asked us to"}
    ]
