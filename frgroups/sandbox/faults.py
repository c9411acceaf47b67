"""Faults that a sandbox can inject, and settings for behavior that the API does not document."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.validation import check_choice, check_number
from frgroups.sandbox.fake_customers import blank_customer, customer_row
from frgroups.sandbox.store import ListedCustomer, Store

_ODD_FIELDS: dict[int, dict[str, Any]] = {
    0: {"favouriteSport": "ski", "sizes": {"shoe": 43, "jacket": "L"}},
    1: {"customerType": "PARTNER", "origin": None},
    2: {"firstname": None, "email": None, "mobile": None, "defaultStore": None},
    3: {"createdAt": ""},
    4: {"paymentTerms": 14.5, "credit": {"limit": 14.5, "balance": None}},
    5: {"consents": None, "addresses": None, "lastModifiedAt": None},
}


FaultKind = Literal[
    "status", "status_after", "cut_before", "cut_after", "cut_during", "hang", "html", "redirect", "garbage"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A fault that the sandbox injects into matching requests.

    If several faults match a request, only the first one is injected. With the two faults
    `Fault("status", times=2), Fault("cut_after")`, the first two requests return status 503, and the connection of
    the third request is closed.

    Parameters
    ----------
    kind
        The fault:

        - "status": return `status` without processing the request.
        - "status_after": process the request, then return `status`.
        - "cut_before": close the connection without processing the request.
        - "cut_after": process the request, then close the connection without a response.
        - "cut_during": process the request, send the headers and half of the body, then close the connection.
        - "hang": wait `seconds`, then process the request.
        - "html": return an HTML page with status 200, as a proxy or a login page does. The request is not processed.
        - "garbage": process the request, then return the first half of the JSON as a complete response.
        - "redirect": return status 302 with `location`. The request is not processed.
    method
        Only requests with this HTTP method match. None matches all methods.
    path
        Only requests whose path or query contains this string match.
    skip
        Number of matching requests to process normally before the fault is injected for the first time.
    times
        Maximum number of requests into which the fault is injected. None means no maximum.
    status
        Status of the response, for "status" and "status_after".
    retry_after
        Value of the Retry-After header: seconds or an HTTP date. None sends no header.
    seconds
        Duration of a "hang", in seconds.
    location
        URL in the Location header of a "redirect".
    """

    kind: FaultKind
    method: str | None = None
    path: str = ""
    skip: int = 0
    times: int | None = 1
    status: int = 503
    retry_after: str | None = None
    seconds: float = 60.0
    location: str = "https://elsewhere.example/"

    def __post_init__(self) -> None:
        check_choice(self.kind, "kind", get_args(FaultKind))
        check_number(self.status, "status", at_least=200, at_most=599, whole=True)
        check_number(self.seconds, "seconds", at_least=0)
        check_number(self.skip, "skip", at_least=0, whole=True)
        if self.times is not None:
            check_number(self.times, "times", at_least=0, whole=True)


@dataclass(frozen=True, slots=True)
class Behavior:
    """
    Settings for behavior that the API does not document, and for deviations from the API.

    Parameters
    ----------
    faults
        Faults to inject into matching requests.
    latency
        Seconds to wait before each response.
    moving
        Change to make in a group after a page of its members was returned. None makes no change.

        - "swap": a member on the page leaves, and a customer whose uid is after the last uid of the page joins. The
          total does not change, and a client that reads the next page misses a member.
        - "join": a customer whose uid is before the last uid of the page joins.
        - "leave": a member on the page leaves.
    moving_every
        Number of pages of a group to return before each change.
    moving_times
        Maximum number of changes. None means no maximum.
    moving_group
        Uid of the only group to change. None changes every group that is read.
    max_uids_per_put
        Maximum number of uids in a membership PUT. A larger request returns status 413. None means no maximum.
    unknown_uids
        Response to a membership PUT that adds unknown customers. "refuse" returns status 400. "refuse_named" returns
        status 400 and lists their uids in the message. "ignore" returns status 204 and skips these customers.
    group_uids
        Content of the field `customerGroupUids` of each customer: "filled" (all groups of the customer), "absent"
        (the field is missing), "empty", or "wrong" (the requested group is missing).
    honor_page_size
        Whether to honor the query parameter `pageSize`. False uses the default page size.
    endless
        Number to add to `totalCount` in each page.
    total_cap
        Maximum value of `totalCount`. The pages still contain all rows. None means no maximum.
    row_cap
        Maximum number of rows that the pages of a list contain. Further pages are empty. None means no maximum.
    honor_sort_direction
        Whether to honor the query parameter `sortDirection`. False always sorts in ascending order.
    null_lists
        Whether to encode an empty list of items as null.
    repeat_page
        Whether to return the first page for every page number.
    lag_seconds
        Number of seconds after a membership PUT during which read requests still return the old members.
    odd_records
        Whether some customers contain unknown fields, unknown enum values, nulls, an empty date, or a float instead
        of an integer.
    """

    faults: tuple[Fault, ...] = ()
    latency: float = 0.0
    moving: Literal["swap", "join", "leave"] | None = None
    moving_every: int = 1
    moving_times: int | None = 1
    moving_group: str | None = None
    max_uids_per_put: int | None = None
    unknown_uids: Literal["refuse", "refuse_named", "ignore"] = "refuse"
    group_uids: Literal["filled", "absent", "empty", "wrong"] = "filled"
    honor_page_size: bool = True
    endless: int = 0
    total_cap: int | None = None
    row_cap: int | None = None
    honor_sort_direction: bool = True
    null_lists: bool = False
    repeat_page: bool = False
    lag_seconds: float = 0.0
    odd_records: bool = False

    def __post_init__(self) -> None:
        check_choice(self.moving, "moving", ("swap", "join", "leave", None))
        check_choice(self.unknown_uids, "unknown_uids", ("refuse", "refuse_named", "ignore"))
        check_choice(self.group_uids, "group_uids", ("filled", "absent", "empty", "wrong"))
        for name in ("total_cap", "row_cap"):
            if getattr(self, name) is not None:
                check_number(getattr(self, name), name, at_least=0, whole=True)
        check_number(self.moving_every, "moving_every", above=0, whole=True)


def make_behavior(faults: tuple[Fault, ...], options: dict[str, object]) -> Behavior:
    """Create a Behavior from keyword arguments, and raise InputError for an unknown argument."""
    known = [name for name in Behavior.__dataclass_fields__ if name != "faults"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"The sandbox has no option {unknown[0]!r}. Its options are {format_list(known)}.")
    return Behavior(faults, **options)  # type: ignore[arg-type]


@dataclass
class FaultInjector:
    """Select the fault to inject into each request, and the membership change to make after each page."""

    behavior: Behavior = field(default_factory=Behavior)
    matched: dict[int, int] = field(default_factory=dict)
    pages_served: dict[str, int] = field(default_factory=dict)
    moved: int = 0

    def next_fault(self, method: str, target: str) -> Fault | None:
        """Return the fault to inject into a request, or None if no fault matches."""
        for number, fault in enumerate(self.behavior.faults):
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
        """Return the membership change to make after a page of a group's members was sent, or None for no change."""
        behavior = self.behavior
        if behavior.moving is None or behavior.moving_group not in (None, group_uid):
            return None
        n_served = self.pages_served.get(group_uid, 0) + 1
        self.pages_served[group_uid] = n_served
        if n_served % behavior.moving_every:
            return None
        if behavior.moving_times is not None and self.moved >= behavior.moving_times:
            return None
        return behavior.moving


def move_members(
    store: Store, movement: Literal["swap", "join", "leave"], group_uid: str, served: Sequence[str], number: int
) -> None:
    """Change the members of a group between two page requests, so that the next page is shifted by one member."""
    last = served[-1]
    leaving, joining = [], []
    if movement in ("swap", "leave"):
        leaving.append(served[len(served) // 2])
    if movement == "swap":
        uid = _find_non_member(store, group_uid, "uid > ?", last)
        joining.append(uid or _create_customer(store, f"zzzz-moved-{number:04d}"))
    if movement == "join":
        uid = _find_non_member(store, group_uid, "uid < ?", last)
        joining.append(uid or _create_customer(store, f"--moved-{number:04d}"))
    store.change_members(group_uid, joining, leaving)


def _find_non_member(store: Store, group_uid: str, condition: str, last: str) -> str | None:
    rows = store.read(
        f"SELECT uid FROM customers WHERE {condition} AND NOT EXISTS"  # noqa: S608
        " (SELECT 1 FROM memberships WHERE group_uid = ? AND customer_uid = uid) ORDER BY uid DESC LIMIT 1",
        (last, group_uid),
    )
    if not rows:
        return None
    return str(rows[0][0])


def _create_customer(store: Store, uid: str) -> str:
    store.put_customers([customer_row(blank_customer(uid, store.now()))])
    return uid


def encode_customer(customer: ListedCustomer, group_uid: str, behavior: Behavior) -> bytes:
    """Encode a group member as JSON. The settings in `behavior` can change the customer's fields."""
    uid, body, group_uids = customer
    if behavior.odd_records:
        body = msgspec.json.encode(_make_odd(uid, msgspec.json.decode(body + b"}")))[:-1]
    if behavior.group_uids == "absent":
        return body + b"}"
    if behavior.group_uids == "empty":
        group_uids = b"[]"
    if behavior.group_uids == "wrong":
        group_uids = msgspec.json.encode([other for other in msgspec.json.decode(group_uids) if other != group_uid])
    return body + b',"customerGroupUids":' + group_uids + b"}"


def _make_odd(uid: str, customer: dict[str, Any]) -> dict[str, Any]:
    # The hash of the uid selects the unusual fields, so that a customer has the same fields in every response.
    fields = _ODD_FIELDS.get(zlib.crc32(uid.encode()) % 16, {})
    return {**customer, **fields}
