"""Implement the seven operations of the customer groups API."""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from frgroups.sandbox.fake_customers import stamp
from frgroups.sandbox.faults import FaultInjector, encode_customer, move_members
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
    """Process the API requests for one tenant."""

    def __init__(self, store: Store) -> None:
        settings = store.settings()
        self.store = store
        self.injector = FaultInjector()
        self.tenant_uid: str = settings["tenant_uid"]
        self.page_base: int = settings["page_base"]
        self.default_page_size: int = settings["default_page_size"]
        self.max_page_size: int = settings["max_page_size"]
        # Permission ("read" or "write") and user name of each token.
        self.tokens: dict[str, tuple[str, str]] = {
            settings["token"]: ("write", "integration"),
            settings["read_only_token"]: ("read", "reporting"),
        }

    def handle(self, request: ValidatedRequest) -> Response:
        """Process a request and return the response. The response to an invalid request is an error message."""
        try:
            return self._handle(request)
        except RequestError as error:
            return json_response(error.status, {"message": error.message}, error.headers)

    def _handle(self, request: ValidatedRequest) -> Response:
        kind, uid = _route(request.segments)
        if request.method not in ALLOWED[kind]:
            allow = ", ".join(ALLOWED[kind])
            raise RequestError(
                405, f"The method {request.method} is not allowed. Allowed methods are {allow}.", {"Allow": allow}
            )
        if kind == "contract":
            return json_response(200, contract(self.tenant_uid, self.page_base))
        permission, user = self._authenticate(request)
        if check_uid(request.segments[2], "The tenant uid") != self.tenant_uid:
            raise RequestError(404, f"The tenant {request.segments[2]} does not exist.")
        if request.method != "GET" and permission != "write":
            raise RequestError(403, "The token lacks the permission CUSTOMER.")
        if kind in ("group", "customers"):
            check_uid(uid, "The customer group uid")
        operation: Callable[[ValidatedRequest, str, str], Response] = getattr(
            self, f"_{request.method.lower()}_{kind}"
        )
        return operation(request, uid, user)

    def _authenticate(self, request: ValidatedRequest) -> tuple[str, str]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        for known, rights in self.tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), known.encode()):
                return rights
        raise RequestError(401, "The bearer token is missing or invalid.", {"WWW-Authenticate": "Bearer"})

    def _get_groups(self, request: ValidatedRequest, _uid: str, _user: str) -> Response:
        page = self._page(request, GROUP_SORTS, "customerGroupUid")
        with self.store.read_transaction():
            total = self.store.count_groups()
            rows = self.store.group_page(page.sort_by, page.direction, page.size, min(page.offset, total))
        return self._listing(page, total, [msgspec.json.encode(_group_fields(row)) for row in rows])

    def _post_groups(self, request: ValidatedRequest, _uid: str, user: str) -> Response:
        fields = request.fields(("name", "customerGroupUid"))
        name = check_name(fields.get("name"))
        uid = fields.get("customerGroupUid", "")
        if uid == "":
            uid = str(uuid.uuid4())
        check_uid(uid, "customerGroupUid")
        with self.store.write():
            if self.store.group(uid) is not None:
                raise RequestError(409, f"The customer group {uid} already exists.")
            self.store.put_group(uid, name, user, self._now())
        return json_response(201, _group_fields(self._group(uid)))

    def _get_group(self, _request: ValidatedRequest, uid: str, _user: str) -> Response:
        return json_response(200, _group_fields(self._group(uid)))

    def _put_group(self, request: ValidatedRequest, uid: str, user: str) -> Response:
        fields = request.fields(("name",))
        if "name" in fields:
            check_name(fields["name"])
        with self.store.write():
            name = fields.get("name", self._group(uid)[1])
            self.store.put_group(uid, name, user, self._now())
        return json_response(200, _group_fields(self._group(uid)))

    def _delete_group(self, _request: ValidatedRequest, uid: str, _user: str) -> Response:
        with self.store.write():
            self._group(uid)
            self.store.delete_group(uid)
        return Response(status_code=204)

    def _get_customers(self, request: ValidatedRequest, uid: str, _user: str) -> Response:
        behavior = self.injector.behavior
        page = self._page(request, CUSTOMER_SORTS, "customerUid")
        self.store.apply_pending_changes(time.time())
        with self.store.read_transaction():
            self._group(uid)
            total = self.store.count_members(uid)
            offset = min(page.offset, total)
            if behavior.repeat_page:
                offset = 0
            rows = self.store.member_page(uid, page.sort_by, page.direction, page.size, offset)
        if rows and offset + len(rows) < total and (page.sort_by, page.direction) == ("customerUid", "ASC"):
            self._move_members(uid, [row[0] for row in rows])
        return self._listing(page, total, [encode_customer(row, uid, behavior) for row in rows])

    def _move_members(self, uid: str, served: Sequence[str]) -> None:
        movement = self.injector.next_move(uid)
        if movement is not None:
            self.injector.moved += 1
            move_members(self.store, movement, uid, served, self.injector.moved)

    def _put_customers(self, request: ValidatedRequest, uid: str, user: str) -> Response:
        behavior = self.injector.behavior
        fields = request.fields(("addCustomerUids", "removeCustomerUids"))
        add = check_uids(fields.get("addCustomerUids", []), "addCustomerUids")
        remove = check_uids(fields.get("removeCustomerUids", []), "removeCustomerUids")
        in_both = set(add) & set(remove)
        if in_both:
            raise RequestError(
                400, f"{len(in_both)} customer uids are in both addCustomerUids and removeCustomerUids."
            )
        self._group(uid)
        if behavior.max_uids_per_put is not None and len(add) + len(remove) > behavior.max_uids_per_put:
            raise RequestError(
                413, f"The request contains {len(add) + len(remove)} uids, which is more than the maximum."
            )
        if behavior.unknown_uids != "ignore":
            self._check_customers_exist(add, name_them=behavior.unknown_uids == "refuse_named")
        with self.store.write():
            if behavior.lag_seconds:
                self.store.change_members_later(time.time() + behavior.lag_seconds, uid, add, remove)
            else:
                self.store.apply_pending_changes(time.time())
                self.store.change_members(uid, add, remove)
            self.store.touch_groups([uid], user, self._now())
        return Response(status_code=204)

    def _check_customers_exist(self, uids: list[str], *, name_them: bool) -> None:
        unknown = self.store.unknown_customers(uids)
        if not unknown:
            return
        message = "addCustomerUids contains customers that do not exist"
        if name_them:
            message += f": {', '.join(unknown)}"
        raise RequestError(400, f"{message}.")

    def _now(self) -> str:
        return stamp(self.store.now())

    def _group(self, uid: str) -> tuple[str, ...]:
        group = self.store.group(uid)
        if group is None:
            raise RequestError(404, f"The customer group {uid} does not exist.")
        return group

    def _page(self, request: ValidatedRequest, sorts: dict[str, str], default_sort: str) -> _Page:
        number = request.integer("pageNumber", self.page_base, self.page_base)
        size = min(request.integer("pageSize", self.default_page_size, 1), self.max_page_size)
        if not self.injector.behavior.honor_page_size:
            size = self.default_page_size
        direction = request.choice("sortDirection", "ASC", ("ASC", "DESC"))
        if not self.injector.behavior.honor_sort_direction:
            direction = "ASC"
        return _Page(
            number,
            size,
            (number - self.page_base) * size,
            request.choice("sortBy", default_sort, list(sorts)),
            direction,
        )

    def _listing(self, page: _Page, total: int, items: list[bytes]) -> Response:
        behavior = self.injector.behavior
        total += behavior.endless
        if behavior.total_cap is not None:
            total = min(total, behavior.total_cap)
        if behavior.row_cap is not None:
            items = items[: max(behavior.row_cap - page.offset, 0)]
        paging = {"pageNumber": page.number, "pageSize": page.size, "totalCount": total}
        # The items of a page are already encoded as JSON, so their bytes are joined.
        encoded = b"[%b]" % b",".join(items)
        if behavior.null_lists and not items:
            encoded = b"null"
        body = b'{"items":%b,"paging":%b}' % (encoded, msgspec.json.encode(paging))
        return Response(body, 200, media_type="application/json")


class _Page(msgspec.Struct, frozen=True):
    number: int
    size: int
    offset: int
    sort_by: str
    direction: str


def json_response(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Create a response with a JSON body."""
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
    raise RequestError(404, "The path does not exist.")


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
