"""Worlds to load: a sandbox with given groups, or a whole tenant in memory that is edited before chosen requests."""

from datetime import UTC, datetime

import msgspec
import pandas as pd

from frgroups.api.schema.codec import decode_page
from frgroups.api.schema.records import ROW_OF, Group, Member, Page

TABLES = ("groups", "customers", "consents", "memberships", "reads")


def page_rows(members, record=Member):
    """These members as a page of a load brings them."""
    return as_records(members, ROW_OF[record])


def as_records(members, record):
    """These members, sent and received as JSON."""
    paging = {"pageNumber": 1, "pageSize": 500, "totalCount": len(members)}
    return decode_page(msgspec.json.encode({"items": members, "paging": paging}), record).items


def arrange(sandbox, groups):
    """Make a tenant of these groups and members."""
    sandbox.put_customers(sorted({uid for uids in groups.values() for uid in uids}))
    for group, uids in groups.items():
        sandbox.put_group(group, group.upper())
        sandbox.add_members(group, uids)


def members_in(snapshot):
    """The customers of each group, as a snapshot has them."""
    return {group: list(snapshot[group]) for group in snapshot.groups["customer_group_uid"]}


def assert_same_tables(one, other, tables=TABLES):
    """Two snapshots hold the same, frame by frame."""
    for table in tables:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


class World:
    """
    Groups of customers; `edits` are {number of the request: [(group, customer), ...]}.

    Who is in the group leaves it, who is not joins. `always` and `ever` are those who were in a group at every
    moment and at any; `left` are the groups that somebody left. Lists are sorted, so that those who stay keep
    their order, and customers tell their groups as they are at the moment of the request. With one worker the
    order of requests is always the same.
    """

    tenant_uid, base_url, workers, paused_for = "t-1", "https://api.example.test/v2", 1, 0.0

    def __init__(self, groups, *, base=1, cap=5, asked=500, edits=None, lists="filled", ignores_size=False):
        self.groups = {group: set(uids) for group, uids in groups.items()}
        self.always = {group: set(uids) for group, uids in groups.items()}
        self.ever = {group: set(uids) for group, uids in groups.items()}
        self.left = set()
        self.base, self.cap, self.asked, self.lists, self.ignores_size = base, cap, asked, lists, ignores_size
        self.edits = dict(edits or {})
        self.asked_for = []

    @property
    def n_requests(self):
        """How many pages were read so far."""
        return len(self.asked_for)

    def clock(self):
        """A moment."""
        return datetime(2026, 11, 23, tzinfo=UTC)

    def read_group_page(self, number=None, size=None):
        """One page of groups."""
        return self._page([Group(customer_group_uid=uid) for uid in sorted(self.groups)], "", number, size)

    def read_customer_page(self, uid, number=None, size=None, *, record):
        """One page of a group, after what is due before this request."""
        for group, customer in self.edits.get(self.n_requests, ()):
            self._toggle(group, customer)
        rows = [Member(customer_uid=one, customer_group_uids=self._told(one)) for one in sorted(self.groups[uid])]
        return self._page(as_records(rows, record), uid, number, size)

    def decode_customer_page(self, uid, number, size, *, record, decode):
        """Return the result of `decode` for a page."""
        return decode(self.read_customer_page(uid, number, size, record=record))

    def _toggle(self, group, customer):
        if customer in self.groups[group]:
            self.left.add(group)
        self.groups[group] ^= {customer}
        self.always[group] &= self.groups[group]
        self.ever[group] |= self.groups[group]

    def _told(self, customer):
        if self.lists != "filled":
            return None if self.lists == "absent" else ()
        return tuple(group for group, uids in self.groups.items() if customer in uids)

    def _page(self, rows, uid, number, size):
        number = self.base if number is None else number
        granted = min(self.asked if size is None or self.ignores_size else size, self.cap)
        self.asked_for.append((uid, number, granted))
        start = (number - self.base) * granted
        return Page(rows[start : start + granted], number, granted, len(rows))
