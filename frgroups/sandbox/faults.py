"""Faults and undocumented behavior of a sandbox. Everything is off by default."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list
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
    A fault that the sandbox applies to matching requests.

    If several faults match a request, only the first is applied: with `Fault("status", times=2), Fault("cut_after")`,
    two requests get status 503, and the connection of the third is cut.

    Parameters
    ----------
    kind
        "status": return `status` without processing the request.
        "status_after": process the request, then return `status`.
        "cut_before": cut the connection without processing the request.
        "cut_after": process the request, then cut the connection without a response.
        "cut_during": process the request, send the headers and half of the body, then cut the connection.
        "hang": wait `seconds`, then process the request.
        "html": return an HTML page with status 200 without processing the request, like a proxy or a login page.
        "garbage": process the request, then return half of the JSON as a complete response.
        "redirect": return status 302 with `location`.
    method, path
        Method of matching requests, and text in their path or query.
    skip, times
        Number of matching requests to process normally first, and number of faults after them (None: no limit).
    status, retry_after
        Status of the response, and value of its Retry-After header (seconds or a date).
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
    Behavior of a sandbox where the API is not specified, and deviations from the API.

    Parameters
    ----------
    faults
        Faults of single requests.
    latency
        Seconds to wait before each response.
    moving
        Changes of members between two pages. "swap": a member on the returned page leaves and a customer who sorts
        after it joins, so that the total stays the same and a member is skipped. "join": a customer who sorts before
        the end of the page joins. "leave": a member on the page leaves.
    moving_every, moving_times, moving_group
        Number of pages between two changes, maximum number of changes (None: no limit), and the only group to change.
    max_uids_per_put
        Maximum number of uids in a membership PUT. A larger request gets status 413.
    unknown_uids
        Response to a membership PUT that adds unknown customers: "refuse" returns 400 without their uids,
        "refuse_named" returns 400 with their uids, and "ignore" returns 204 and ignores them.
    group_uids
        The groups in customer records: "filled", "absent" (no such field), "empty", or "wrong" (without the group
        of the page).
    honor_page_size
        False uses the default page size for every page.
    endless
        Number by which totalCount exceeds the number of rows.
    repeat_page
        Return the first page for every page number.
    lag_seconds
        Seconds until a membership PUT is visible to reads.
    odd_records
        Return unknown fields and enum values, nulls, "" for a date, and 14.5 for an integer in some records.
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
    repeat_page: bool = False
    lag_seconds: float = 0.0
    odd_records: bool = False

    def __post_init__(self) -> None:
        check_choice(self.moving, "moving", ("swap", "join", "leave", None))
        check_choice(self.unknown_uids, "unknown_uids", ("refuse", "refuse_named", "ignore"))
        check_choice(self.group_uids, "group_uids", ("filled", "absent", "empty", "wrong"))
        check_number(self.moving_every, "moving_every", above=0, whole=True)


def make_behavior(faults: tuple[Fault, ...], options: dict[str, object]) -> Behavior:
    """Create a Behavior from keyword arguments. Raise InputError for unknown ones."""
    known = [name for name in Behavior.__dataclass_fields__ if name != "faults"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(
            f"The sandbox has no {agree(len(unknown), 'option', 'options')} {format_list(unknown)}. "
            f"Its options are {format_list(known)}."
        )
    return Behavior(faults, **options)  # type: ignore[arg-type]


@dataclass
class FaultInjector:
    """Count matching requests, and choose the fault for the next request."""

    behavior: Behavior = field(default_factory=Behavior)
    matched: dict[int, int] = field(default_factory=dict)
    pages_served: dict[str, int] = field(default_factory=dict)
    moved: int = 0

    def next_fault(self, method: str, target: str) -> Fault | None:
        """Return the fault for a request, or None."""
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
        """Return how members move after a page of a group, or None."""
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
    """Change the members of a group after a page was served, so that the following pages are shifted."""
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
    """Return the JSON of a customer in the listing of a group, as the behavior requires."""
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
    # Derived from the uid, so that a customer has the same odd fields on every page and in every run.
    fields = _ODD_FIELDS.get(zlib.crc32(uid.encode()) % 16, {})
    return {**customer, **fields}
