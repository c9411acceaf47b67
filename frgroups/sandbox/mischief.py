"""A Behaviour at work: which fault acts next, who moves between two pages, how a customer is shown."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from frgroups.sandbox.faults import Behaviour, Fault
from frgroups.sandbox.people import blank_customer, customer_row
from frgroups.sandbox.store import ListedCustomer, Store


@dataclass
class Mischief:
    """Counts what has matched, and says what goes wrong with the next request."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    matched: dict[int, int] = field(default_factory=dict)
    pages_served: dict[str, int] = field(default_factory=dict)
    moved: int = 0

    def next_fault(self, method: str, target: str) -> Fault | None:
        """The fault that acts on this request, if any."""
        for number, fault in enumerate(self.behaviour.faults):
            if fault.method not in (None, method) or fault.path not in target:
                continue
            before = self.matched.get(number, 0)
            if fault.times is not None and before >= fault.skip + fault.times:
                continue
            self.matched[number] = before + 1
            if before >= fault.skip:
                return fault
        return None

    def next_move(self, group_uid: str) -> Literal["swap", "join", "leave"] | None:
        """How members move after this page of this group, if they do."""
        how = self.behaviour
        if how.moving is None or how.moving_group not in (None, group_uid):
            return None
        served = self.pages_served[group_uid] = self.pages_served.get(group_uid, 0) + 1
        if served % how.moving_every or (how.moving_times is not None and self.moved >= how.moving_times):
            return None
        return how.moving


def move(
    store: Store, how: Literal["swap", "join", "leave"], group_uid: str, served: Sequence[str], number: int
) -> None:
    """Let members of the group come or go, so that the pages after the served one shift or hide someone."""
    border = served[-1]
    leaving = [served[len(served) // 2]] if how in ("swap", "leave") else []
    joining = []
    if how == "swap":
        joining = [_outsider(store, group_uid, "uid > ?", border) or _newcomer(store, f"zzzz-moved-{number:04d}")]
    if how == "join":
        joining = [_outsider(store, group_uid, "uid < ?", border) or _newcomer(store, f"--moved-{number:04d}")]
    store.change_members(group_uid, joining, leaving)


def _outsider(store: Store, group_uid: str, where: str, border: str) -> str | None:
    rows = store.read(
        f"SELECT uid FROM customers WHERE {where} AND NOT EXISTS"  # noqa: S608
        " (SELECT 1 FROM memberships WHERE group_uid = ? AND customer_uid = uid) ORDER BY uid DESC LIMIT 1",
        (border, group_uid),
    )
    return rows[0][0] if rows else None


def _newcomer(store: Store, uid: str) -> str:
    store.put_customers([customer_row(blank_customer(uid, store.now()))])
    return uid


def show(customer: ListedCustomer, group_uid: str, behaviour: Behaviour) -> bytes:
    """The JSON of a customer as this behaviour shows it in the listing of this group."""
    uid, body, group_uids = customer
    if behaviour.odd_records:
        body = msgspec.json.encode(_odd(uid, msgspec.json.decode(body + b"}")))[:-1]
    if behaviour.group_uids == "absent":
        return body + b"}"
    if behaviour.group_uids == "empty":
        group_uids = b"[]"
    if behaviour.group_uids == "wrong":
        group_uids = msgspec.json.encode([other for other in msgspec.json.decode(group_uids) if other != group_uid])
    return body + b',"customerGroupUids":' + group_uids + b"}"


def _odd(uid: str, customer: dict[str, Any]) -> dict[str, Any]:
    # By the uid, so that a customer is odd in the same way on every page and in every run.
    change = _ODD.get(zlib.crc32(uid.encode()) % 16, {})
    return {**customer, **change}


_ODD: dict[int, dict[str, Any]] = {
    0: {"favouriteSport": "ski", "sizes": {"shoe": 43, "jacket": "L"}},
    1: {"customerType": "PARTNER", "origin": None},
    2: {"firstname": None, "email": None, "mobile": None, "defaultStore": None},
    3: {"createdAt": ""},
    4: {"paymentTerms": 14.5, "credit": {"limit": 14.5, "balance": None}},
    5: {"consents": None, "addresses": None, "lastModifiedAt": None},
}
