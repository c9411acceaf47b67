"""The estimated requests of a plan, compared with the requests that apply sends."""

from dataclasses import replace

import pytest

import frgroups as fg
from frgroups.plan.request_estimate import RequestEstimate

PEOPLE = [f"c{n:04d}" for n in range(1300)]
OPEN = fg.Limits(removals_per_group=None, removal_share=None, removals_total=None, emptied_groups=None)


@pytest.fixture(scope="module")
def tenant():
    with fg.Sandbox(empty=True) as sandbox:
        sandbox.put_customers(PEOPLE)
        for uid, members in {"all": PEOPLE, "vip": PEOPLE[:700], "empty": []}.items():
            sandbox.put_group(uid, uid)
            sandbox.add_members(uid, members)
        yield sandbox


def test_number_of_requests(tenant):
    "The estimate equals the requests that apply sends."
    wanted = {"vip": PEOPLE[450:1000], "empty": PEOPLE[:250], "new": PEOPLE[:3]}
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        plan = fg.plan_memberships(snapshot, wanted, mode="mirror", create={"new": "New"}, limits=OPEN)
        tenant.clear_requests()

        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    assert receipt.ok
    sent = tenant.requests()
    assert plan.request_estimate.n_requests == len(sent)
    assert plan.request_estimate.n_write == sum(one["method"] != "GET" for one in sent) == len(plan.requests())
    assert plan.request_estimate.n_between > 0


def test_replaced_group_is_read(tenant):
    "A group whose members are all replaced needs one more read, unless the plan can empty groups."
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        wanted = {"vip": sorted(set(PEOPLE) - set(snapshot["vip"]))}
        open_plan, plan = (
            fg.plan_memberships(snapshot, wanted, mode="mirror", limits=replace(OPEN, emptied_groups=allowed))
            for allowed in (None, 0)
        )
        tenant.clear_requests()

        assert fg.apply_plan(client, plan, approval=plan.digest).ok

    assert plan.request_estimate.n_requests == len(tenant.requests())
    assert open_plan.request_estimate.n_between == 0 < plan.request_estimate.n_between
    assert "to see who arrived" in plan.summary()


def test_search_writes(tenant):
    "Halving rejected chunks needs at most the estimated number of writes."
    wanted = {"empty": [*PEOPLE[250:600], "c0251-nobody", "c0400-nobody", "c0555-nobody"]}
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(fg.load_snapshot(client, False), wanted, limits=OPEN)
        tenant.clear_requests()

        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    writes = sum(one["method"] != "GET" for one in tenant.requests())
    assert receipt.counts["rejected"] == 3
    assert writes == plan.request_estimate.n_write + plan.request_estimate.n_search
    assert (
        f" Up to {plan.request_estimate.n_search} more to find the 3 customers that are in no group" in plan.summary()
    )


def test_too_many_unknown_customers():
    "If 50 customers could be rejected, the text says that the run stops instead of an estimate of the search."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": [f"nobody-{n}" for n in range(50)]})

    assert str(plan.request_estimate).endswith("the run stops after 50 were rejected.")


@pytest.mark.parametrize(
    ("estimate", "told"),
    [
        (
            RequestEstimate(1, 1, 0, 1, 0.6),
            "3 requests in all, with 1 to read before, 1 to read back: under a minute at 20",
        ),
        (
            RequestEstimate(1, 1, 1, 1, 60.0),
            "4 requests in all, with 1 to read before, 1 to see who arrived, 1 to read",
        ),
        (
            RequestEstimate(600, 1000, 0, 600, 61.0),
            "2,200 requests in all, with 600 to read before, 600 to read back: about 2 min",
        ),
    ],
)
def test_text(estimate, told):
    "The text contains the assumptions."
    assert str(estimate).startswith(told)
    assert str(estimate).endswith("at 20 a second, if an answer takes 0.2 s.")


def test_selection_and_empty_plan():
    "A selection has its own estimate, and an empty plan needs no request."
    snapshot = fg.sample_snapshot()
    plan = fg.plan_memberships(snapshot, {"vip": ["c-7"], "staff": ["c-8"]})

    assert plan.request_estimate.n_requests == 6 and plan.select(["vip"]).request_estimate.n_requests == 3
    assert plan.select([]).request_estimate == RequestEstimate(0, 0, 0, 0, 0.0)


def test_seconds():
    "50 chunks take 10 s at 0.2 s per response; 201 pages of a list take 0.2 s and 200 starts at 20 per second."
    members = [f"m{n:06d}" for n in range(10_000)]
    joining = [f"n{n:06d}" for n in range(10_000)]
    snapshot = fg.snapshot_from_frames(
        fg.sample_snapshot()
        .memberships.iloc[:0]
        .reindex(range(10_000))
        .assign(customer_group_uid="a", customer_uid=members),
        tenant_uid="t-1",
        taken_at=fg.sample_snapshot().taken_at,
    )

    estimate = fg.plan_memberships(snapshot, {"a": joining}).request_estimate

    pages = estimate.n_before + estimate.n_after
    assert estimate.n_write == 50
    assert estimate.seconds == pytest.approx(50 * 0.2 + 2 * 0.2 + (pages - 2) / 20)
