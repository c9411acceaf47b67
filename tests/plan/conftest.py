"""Fixtures of the tests of plans."""

import pytest

import frgroups as fg
from tests.plan.suppression import CUSTOMERS


@pytest.fixture(scope="module")
def tenant():
    """Return a sandbox without customers and groups."""
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def client(tenant):
    """Return a client that can write to a tenant with three groups."""
    tenant.reset()
    tenant.behave()
    tenant.put_customers(CUSTOMERS)
    for uid, members in {"all": CUSTOMERS, "vip": CUSTOMERS[:10], "gold": []}.items():
        tenant.put_group(uid, uid.upper())
        tenant.add_members(uid, members)
    with tenant.client(writable=True) as client:
        yield client
