"""Test tenants: a sandbox with given groups, and a tenant in memory that changes before given requests."""

from datetime import UTC, datetime

import msgspec
import pandas as pd

from frgroups.api.schema.codec import decode_page
from frgroups.api.schema.records import ROW_OF, Group, Member, Page
from frgroups.errors import RequestRejectedError

TABLES = ("groups", "customers", "consents", "memberships", "reads")
UIDS = [f"c-{n}" for n in range(30)]


def select_sandbox(sandbox, monkeypatch):
    """Set the environment variables that select a sandbox as the tenant."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", sandbox.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)


def put_group_of_all(sandbox):
    """Reset a sandbox, and create a group that contains all customers in `UIDS`."""
    sandbox.reset()
    sandbox.put_customers(UIDS)
    sandbox.put_group("all", "All")
    sandbox.add_members("all", UIDS)


def page_rows(members, record=Member):
    """Return members as records of the type that a load decodes."""
    return as_records(members, ROW_OF[record])


def as_records(members, record):
    """Encode members as a JSON page and decode them as records of the given type."""
    paging = {"pageNumber": 1, "pageSize": 500, "totalCount": len(members)}
    return decode_page(msgspec.json.encode({"items": members, "paging": paging}), record).items


def arrange(sandbox, groups):
    """Create the given groups and members in a sandbox."""
    sandbox.put_customers(sorted({uid for uids in groups.values() for uid in uids}))
    for group, uids in groups.items():
        sandbox.put_group(group, group.upper())
        sandbox.add_members(group, uids)


def members_in(snapshot):
    """Return a dictionary with the customers of each group in a snapshot."""
    return {group: list(snapshot[group]) for group in snapshot.groups["customer_group_uid"]}


def assert_same_tables(first, second, tables=TABLES):
    """Assert that two snapshots have equal tables."""
    for table in tables:
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table))


class World:
    """
    A client of a tenant in memory whose groups change before given requests.

    The argument `edits` maps the number of a request to a list of (group, customer) pairs. Before that request, each
    customer in the list is removed from the group, or added to it if the customer is not a member.

    The argument `group_caps` contains the maximum number of groups in each read of the list of groups. The last value
    applies to all further reads, and None means all groups.

    The argument `row_cap` is the maximum number of rows in a list. The argument `sorts` states whether the server
    honors the sort direction, ignores it, or rejects it.

    The attribute `always` contains the customers who were members of a group all the time, and `ever` those who were
    members at any time. `left` contains the groups that lost a customer. Pages are sorted by uid, so that the
    remaining members keep their order. With one worker, the order of the requests is deterministic.
    """

    tenant_uid, base_url, workers, paused_for, is_sandbox = "t-1", "https://api.example.test/v2", 1, 0.0, False

    def __init__(
        self,
        groups,
        *,
        base=1,
        cap=5,
        asked=500,
        edits=None,
        lists="filled",
        ignores_size=False,
        total_cap=None,
        row_cap=None,
        sorts="honors",
        group_caps=(),
    ):
        self.groups = {group: set(uids) for group, uids in groups.items()}
        self.always = {group: set(uids) for group, uids in groups.items()}
        self.ever = {group: set(uids) for group, uids in groups.items()}
        self.left = set()
        self.base, self.cap, self.asked, self.lists, self.ignores_size = base, cap, asked, lists, ignores_size
        self.total_cap, self.row_cap, self.sorts = total_cap, row_cap, sorts
        self.group_caps = list(group_caps)
        self.edits = dict(edits or {})
        self.group_cap = None
        self.asked_for, self.reversed = [], []

    @property
    def n_requests(self):
        """Number of pages that were read."""
        return len(self.asked_for)

    def clock(self):
        """Return a fixed time."""
        return datetime(2026, 11, 23, tzinfo=UTC)

    def read_group_page(self, number=None, size=None, *, sort_direction=None):
        """Return a page of the tenant's groups."""
        if number is None and sort_direction is None and self.group_caps:
            self.group_cap = self.group_caps.pop(0)
        uids = sorted(self.groups)[: self.group_cap]
        return self._page([Group(customer_group_uid=uid) for uid in uids], "", number, size, sort_direction)

    def read_customer_page(self, uid, number=None, size=None, *, record, sort_direction=None):
        """Apply the edits for this request, and return a page of a group's customers."""
        for group, customer in self.edits.get(self.n_requests, ()):
            self._toggle(group, customer)
        rows = [
            Member(customer_uid=customer, customer_group_uids=self._group_uids(customer))
            for customer in sorted(self.groups[uid])
        ]
        return self._page(as_records(rows, record), uid, number, size, sort_direction)

    def decode_customer_page(self, uid, number, size, *, record, decode):
        """Return the result of calling `decode` with a page of a group's customers."""
        return decode(self.read_customer_page(uid, number, size, record=record))

    def _toggle(self, group, customer):
        if customer in self.groups[group]:
            self.left.add(group)
        self.groups[group] ^= {customer}
        self.always[group] &= self.groups[group]
        self.ever[group] |= self.groups[group]

    def _group_uids(self, customer):
        if self.lists != "filled":
            return None if self.lists == "absent" else ()
        return tuple(group for group, uids in self.groups.items() if customer in uids)

    def _page(self, rows, uid, number, size, sort_direction):
        number = self.base if number is None else number
        granted = min(self.asked if size is None or self.ignores_size else size, self.cap)
        self.asked_for.append((uid, number, granted))
        start = (number - self.base) * granted
        if sort_direction is not None:
            self.reversed.append((uid, sort_direction))
        if sort_direction is not None and self.sorts == "rejects":
            raise RequestRejectedError("unknown parameter", status=400)
        if sort_direction == "DESC" and self.sorts == "honors":
            rows = rows[::-1]
        total = len(rows) if self.total_cap is None else min(len(rows), self.total_cap)
        return Page(rows[: self.row_cap][start : start + granted], number, granted, total)
