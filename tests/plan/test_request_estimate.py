"""Tests for request estimates, which are compared with the requests that `apply_plan` sends."""

import pytest

import frgroups as fg
from frgroups.plan.request_estimate import RequestEstimate

CUSTOMERS = [f"c{n:04d}" for n in range(1300)]
NO_REMOVAL_LIMITS = fg.Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)


@pytest.fixture(scope="module")
def tenant():
    """Return a sandbox with three groups."""
    with fg.Sandbox(empty=True) as sandbox:
        sandbox.put_customers(CUSTOMERS)
        for uid, members in {"all": CUSTOMERS, "vip": CUSTOMERS[:700], "empty": []}.items():
            sandbox.put_group(uid, uid)
            sandbox.add_members(uid, members)
        yield sandbox


def test_number_of_requests(tenant):
    "The estimated number of requests is equal to the number of requests that `apply_plan` sends."
    wanted = {"vip": CUSTOMERS[450:1000], "empty": CUSTOMERS[:250], "new": CUSTOMERS[:3]}
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        plan = fg.plan_memberships(snapshot, wanted, mode="mirror", create={"new": "New"}, limits=NO_REMOVAL_LIMITS)
        tenant.clear_requests()

        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    assert receipt.ok
    sent = tenant.requests()
    assert plan.request_estimate.n_requests == len(sent)
    assert (
        plan.request_estimate.n_write == sum(request["method"] != "GET" for request in sent) == len(plan.requests())
    )
    assert plan.request_estimate.n_between > 0


def test_mirrored_group_is_read(tenant):
    "If a group has additions and removals, the group is read between them, regardless of the limits."
    with tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, False)
        wanted = {"vip": sorted(set(CUSTOMERS) - set(snapshot["vip"]))}
        plan = fg.plan_memberships(snapshot, wanted, mode="mirror", limits=NO_REMOVAL_LIMITS)
        tenant.clear_requests()

        assert fg.apply_plan(client, plan, approval=plan.digest).ok

    assert plan.request_estimate.n_requests == len(tenant.requests())
    assert plan.request_estimate.n_between > 0


def test_search_writes(tenant):
    "The estimated number of additional writes is the number that is required to find all unknown customers."
    wanted = {"empty": [*CUSTOMERS[250:600], "c0251-unknown", "c0400-unknown", "c0555-unknown"]}
    with tenant.client(writable=True) as client:
        plan = fg.plan_memberships(
            fg.load_snapshot(client, False), wanted, limits=NO_REMOVAL_LIMITS, allow_similar_ids=True
        )
        tenant.clear_requests()

        receipt = fg.apply_plan(client, plan, approval=plan.digest)

    n_writes = sum(request["method"] != "GET" for request in tenant.requests())
    assert receipt.counts["rejected"] == 3
    assert n_writes == plan.request_estimate.n_write + plan.request_estimate.n_search
    assert f"up to {plan.request_estimate.n_search} additional" in plan.summary()


def test_too_many_unknown_customers():
    "If 50 customers are not in the snapshot, the text of the estimate states that the run can stop."
    plan = fg.plan_memberships(fg.sample_snapshot(), {"vip": [f"unknown-{n}" for n in range(50)]})

    assert "stops" in str(plan.request_estimate) and "50 customers" in str(plan.request_estimate)
    assert f"up to {plan.request_estimate.n_search}" not in str(plan.request_estimate)


@pytest.mark.parametrize(
    ("estimate", "parts"),
    [
        (RequestEstimate(1, 1, 0, 1, 0.6), ["3 requests", "1 write", "less than a minute"]),
        (RequestEstimate(1, 1, 1, 1, 60.0), ["4 requests", "1 write", "less than a minute"]),
        (RequestEstimate(600, 1000, 0, 600, 61.0), ["2,200 requests", "1,000 writes", "2 minutes"]),
    ],
)
def test_text(estimate, parts):
    "The text of an estimate contains the number of requests, the number of writes, and the duration."
    assert all(part in str(estimate) for part in parts)


def test_selection_and_empty_plan():
    "A selection from a plan has a separate request estimate, and an empty plan requires no requests."
    snapshot = fg.sample_snapshot()
    plan = fg.plan_memberships(snapshot, {"vip": ["c-7"], "staff": ["c-8"]})

    assert plan.request_estimate.n_requests == 7 and plan.select(["vip"]).request_estimate.n_requests == 4
    assert plan.select([]).request_estimate == RequestEstimate(0, 0, 0, 0, 0.0)


def test_seconds():
    "The estimated duration depends on the response time of write requests and on the rate limit for reading pages."
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
    assert estimate.seconds == pytest.approx(50 * 0.2 + 3 * 0.2 + (pages - 3) / 20)
