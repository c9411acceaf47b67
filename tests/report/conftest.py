"""Snapshots and tables that the tests of `frgroups.report` share."""

import pandas as pd
import pytest

import frgroups as fg

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '=HYPERLINK("http://example.invalid","x")',
    "VIP\u202epiv",
    "$x$ and $y$",
    "line\nbreak",
    "x" * 300,
]


@pytest.fixture(scope="package")
def snapshot():
    """Return a snapshot in which two groups have the same name, and the first uid is the smallest group."""
    sizes = {"a-small": 2, "b-large": 40, "c-sale": 9, "d-sale": 12}
    memberships = pd.DataFrame(
        [(group, f"c-{number}") for group, n in sizes.items() for number in range(n)],
        columns=["customer_group_uid", "customer_uid"],
    )
    names = ["Small", "Large", "Sale", "Sale"]
    groups = pd.DataFrame({"customer_group_uid": list(sizes), "name": names})
    return fg.snapshot_from_frames(memberships, groups, tenant_uid="t-1", taken_at="2026-11-23T08:10Z")


@pytest.fixture(scope="package")
def hostile():
    """Return a table of groups with hostile names, and with a hostile column."""
    n = len(HOSTILE)
    table = pd.DataFrame({"customer_group_uid": [f"g-{k}" for k in range(n)], "name": HOSTILE, "n": range(n, 0, -1)})
    return table.assign(**{"=<b>\u202e": "<i>x</i>", "share": 0.5, "at": pd.Timestamp("2026-11-23T08:10:30Z")})
