"""The API's seven operations as an ASGI application over a Store."""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from frgroups.sandbox.fake_customers import stamp
from frgroups.sandbox.faults import FaultInjector, move, show
from frgroups.sandbox.openapi import contract
from frgroups.sandbox.request_validation import RequestError, ValidatedRequest, check_name, check_uid, check_uids
from frgroups.sandbox.store import CUSTOMER_SORTS, GROUP_SORTS, Store

ALLOWED = {
    "contract": ("GET",),
    "groups": ("GET", "POST"),
    "group": ("DELETE", "GET", "PUT"),
    "customers": ("GET", "PUT"),
}


class Service:
    """Answers questions about one tenant; each answer is made without waiting for anything."""

    def __init__(self, store: Store) -> None:
        settings = store.settings()
        self.store = store
        self.mischief = FaultInjector()
        self.tenant_uid: str = settings["tenant_uid"]
        self.page_base: int = settings["page_base"]
        self.default_page_size: int = settings["default_page_size"]
        self.max_page_size: int = settings["max_page_size"]
        # What may be done with each token: "read" or "write", and in whose name.
        self.tokens: dict[str, tuple[str, str]] = {
            settings["token"]: ("write", "integration"),
            settings["read_only_token"]: ("read", "reporting"),
        }

    def answer(self, question: ValidatedRequest) -> Response:
        """The answer to a question, whatever it is."""
        try:
            return self._answer(question)
        except RequestError as refusal:
            return json_response(refusal.status, {"message": refusal.message}, refusal.headers)

    def _answer(self, question: ValidatedRequest) -> Response:
        kind, uid = _route(question.segments)
        if question.method not in ALLOWED[kind]:
            allow = ", ".join(ALLOWED[kind])
            raise RequestError(405, f"{question.method} is not possible here; {allow} is.", {"Allow": allow})
        if kind == "contract":
            return json_response(200, contract(self.tenant_uid, self.page_base))
        may, who = self._who(question)
        if check_uid(question.segments[2], "The uid of the tenant") != self.tenant_uid:
            raise RequestError(404, f"There is no tenant {question.segments[2]}.")
        if question.method != "GET" and may != "write":
            raise RequestError(403, "This token lacks the permission CUSTOMER.")
        if kind in ("group", "customers"):
            check_uid(uid, "The uid of the customer group")
        operation: Callable[[ValidatedRequest, str, str], Response] = getattr(
            self, f"_{question.method.lower()}_{kind}"
        )
        return operation(question, uid, who)

    def _who(self, question: ValidatedRequest) -> tuple[str, str]:
        scheme, _, token = question.headers.get("authorization", "").partition(" ")
        for known, rights in self.tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), known.encode()):
                return rights
        raise RequestError(401, "A valid bearer token is needed.", {"WWW-Authenticate": "Bearer"})

    # Groups.

    def _get_groups(self, question: ValidatedRequest, _uid: str, _who: str) -> Response:
        page = self._page(question, GROUP_SORTS, "customerGroupUid")
        with self.store.steady():
            total = self.store.count_groups()
            rows = self.store.group_page(page.sort_by, page.direction, page.size, min(page.offset, total))
        return self._listing(page, total, [msgspec.json.encode(_group_fields(row)) for row in rows])

    def _post_groups(self, question: ValidatedRequest, _uid: str, who: str) -> Response:
        fields = question.fields(("name", "customerGroupUid"))
        name = check_name(fields.get("name"))
        uid = fields.get("customerGroupUid", "")
        uid = str(uuid.uuid4()) if uid == "" else check_uid(uid, "customerGroupUid")
        with self.store.write():
            if self.store.group(uid) is not None:
                raise RequestError(409, f"There is a customer group {uid} already.")
            self.store.put_group(uid, name, who, self._now())
        return json_response(201, _group_fields(self._group(uid)))

    def _get_group(self, _question: ValidatedRequest, uid: str, _who: str) -> Response:
        return json_response(200, _group_fields(self._group(uid)))

    def _put_group(self, question: ValidatedRequest, uid: str, who: str) -> Response:
        fields = question.fields(("name",))
        name = check_name(fields["name"]) if "name" in fields else None
        with self.store.write():
            group = self._group(uid)
            self.store.put_group(uid, name or group[1], who, self._now())
        return json_response(200, _group_fields(self._group(uid)))

    def _delete_group(self, _question: ValidatedRequest, uid: str, _who: str) -> Response:
        with self.store.write():
            self._group(uid)
            self.store.delete_group(uid)
        return Response(status_code=204)

    # Members.

    def _get_customers(self, question: ValidatedRequest, uid: str, _who: str) -> Response:
        behavior = self.mischief.behavior
        page = self._page(question, CUSTOMER_SORTS, "customerUid")
        self.store.settle(time.time())
        with self.store.steady():
            self._group(uid)
            total = self.store.count_members(uid)
            offset = 0 if behavior.repeat_page else min(page.offset, total)
            rows = self.store.member_page(uid, page.sort_by, page.direction, page.size, offset)
        if rows and offset + len(rows) < total and (page.sort_by, page.direction) == ("customerUid", "ASC"):
            self._move(uid, [row[0] for row in rows])
        return self._listing(page, total, [show(row, uid, behavior) for row in rows])

    def _move(self, uid: str, served: Sequence[str]) -> None:
        how = self.mischief.next_move(uid)
        if how is not None:
            self.mischief.moved += 1
            move(self.store, how, uid, served, self.mischief.moved)

    def _put_customers(self, question: ValidatedRequest, uid: str, who: str) -> Response:
        behavior = self.mischief.behavior
        fields = question.fields(("addCustomerUids", "removeCustomerUids"))
        add = check_uids(fields.get("addCustomerUids", []), "addCustomerUids")
        remove = check_uids(fields.get("removeCustomerUids", []), "removeCustomerUids")
        if both := set(add) & set(remove):
            raise RequestError(400, f"{len(both)} customer uids are to be added and removed at once.")
        self._group(uid)
        if behavior.max_uids_per_put is not None and len(add) + len(remove) > behavior.max_uids_per_put:
            raise RequestError(413, f"{len(add) + len(remove)} uids are too many for one request.")
        if behavior.unknown_uids != "ignore" and (unknown := self.store.unknown_customers(add)):
            named = f": {', '.join(unknown)}" if behavior.unknown_uids == "refuse_named" else ""
            raise RequestError(400, f"addCustomerUids holds customers that do not exist{named}.")
        with self.store.write():
            if behavior.lag_seconds:
                self.store.change_members_later(time.time() + behavior.lag_seconds, uid, add, remove)
            else:
                self.store.settle(time.time())
                self.store.change_members(uid, add, remove)
            self.store.touch_groups([uid], who, self._now())
        return Response(status_code=204)

    # What the operations share.

    def _now(self) -> str:
        return stamp(self.store.now())

    def _group(self, uid: str) -> tuple[str, ...]:
        group = self.store.group(uid)
        if group is None:
            raise RequestError(404, f"There is no customer group {uid}.")
        return group

    def _page(self, question: ValidatedRequest, sorts: dict[str, str], default_sort: str) -> _Page:
        number = question.integer("pageNumber", self.page_base, self.page_base)
        size = min(question.integer("pageSize", self.default_page_size, 1), self.max_page_size)
        if not self.mischief.behavior.honor_page_size:
            size = self.default_page_size
        return _Page(
            number,
            size,
            (number - self.page_base) * size,
            question.choice("sortBy", default_sort, list(sorts)),
            question.choice("sortDirection", "ASC", ("ASC", "DESC")),
        )

    def _listing(self, page: _Page, total: int, items: list[bytes]) -> Response:
        paging = {
            "pageNumber": page.number,
            "pageSize": page.size,
            "totalCount": total + self.mischief.behavior.endless,
        }
        # The items are JSON already, so a page is put together without looking into them.
        body = b'{"items":[%b],"paging":%b}' % (b",".join(items), msgspec.json.encode(paging))
        return Response(body, 200, media_type="application/json")


class _Page(msgspec.Struct, frozen=True):
    number: int
    size: int
    offset: int
    sort_by: str
    direction: str


def json_response(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """A response with a JSON body."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def _route(segments: tuple[str, ...]) -> tuple[str, str]:
    match segments:
        case ("v2", "openapi.json"):
            return "contract", ""
        case ("v2", "tenants", _, "customer-groups"):
            return "groups", ""
        case ("v2", "tenants", _, "customer-groups", uid) if uid:
            return "group", uid
        case ("v2", "tenants", _, "customer-groups", uid, "customers") if uid:
            return "customers", uid
    raise RequestError(404, "There is nothing here.")


def _group_fields(row: tuple[str, ...]) -> dict[str, str]:
    uid, name, created_by, created_at, modified_by, modified_at = row
    return {
        "customerGroupUid": uid,
        "name": name,
        "createdBy": created_by,
        "createdAt": created_at,
        "lastModifiedBy": modified_by,
        "lastModifiedAt": modified_at,
    }
