"""Tests for the sandbox: the API, faults, the server, and the synthetic tenant."""

from __future__ import annotations

import asyncio
import csv
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from frgroups.errors import FrgroupsError, InputError
from frgroups.sandbox.faults import Behavior, Fault
from frgroups.sandbox.sandbox import Sandbox

CUSTOMERS = [f"c-{number:02d}" for number in range(25)]


class Caller:
    """Minimal HTTP client for a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(verify=False, timeout=10)

    def __call__(self, method: str, path: str = "", *, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.sandbox.token}", **options.pop("headers", {})}
        url = f"{self.sandbox.base_url}/tenants/{self.sandbox.tenant_uid}/customer-groups{path}"
        return self.http.request(method, url, headers=headers, **options)

    def page(self, path: str = "/g/customers", **query: Any) -> tuple[list[str], dict[str, int]]:
        """Return the customer uids and the paging object of one page of members."""
        response = self("GET", path, params=query)
        assert response.status_code == 200, response.text
        uid = "customerUid" if path else "customerGroupUid"
        return [item[uid] for item in response.json()["items"]], response.json()["paging"]

    def uids(self, base: int = 1, size: int = 10) -> list[str]:
        """Read the members of group g page by page until the number of uids reaches the total count."""
        found, total, number = [], 1, base
        while len(found) < total and number < base + 20:
            items, paging = self.page(pageNumber=number, pageSize=size)
            found, total, number = found + items, paging["totalCount"], number + 1
        return found


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a running sandbox with 25 customers in group g and an empty group h."""
    with Sandbox(empty=True) as sandbox:
        sandbox.put_customers(CUSTOMERS)
        sandbox.put_group("g", "All customers")
        sandbox.put_group("h", "Empty group")
        sandbox.add_members("g", CUSTOMERS)
        yield sandbox


@pytest.fixture
def call(sandbox: Sandbox) -> Iterator[Caller]:
    """Return an HTTP client for the sandbox."""
    caller = Caller(sandbox)
    yield caller
    caller.http.close()


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    """Return a running sandbox with 2,000 synthetic customers."""
    with Sandbox(customers=2_000) as sandbox:
        yield sandbox


def test_group_list(call: Caller) -> None:
    "The API returns the list of groups sorted by uid."
    items, paging = call.page("")

    assert items == ["g", "h"]
    assert paging == {"pageNumber": 1, "pageSize": 100, "totalCount": 2}


def test_group_operations(call: Caller) -> None:
    "A group can be created, read, renamed, and deleted."
    created = call("POST", json={"name": "Ny gruppe", "customerGroupUid": "0150"})
    renamed = call("PUT", "/0150", json={"name": "Nyere gruppe"})
    read = call("GET", "/0150")
    deleted = call("DELETE", "/0150")

    assert (created.status_code, created.json()["name"]) == (201, "Ny gruppe")
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Nyere gruppe")
    assert (read.status_code, read.json()) == (200, renamed.json())
    assert set(read.json()) == {
        *("customerGroupUid", "name", "createdBy", "createdAt", "lastModifiedBy", "lastModifiedAt")
    }
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert call("GET", "/0150").status_code == 404


@pytest.mark.parametrize("body", [{"name": "A"}, {"name": "A", "customerGroupUid": ""}])
def test_generated_uid(call: Caller, body: dict[str, str]) -> None:
    "A group that is created without a uid gets a generated uid."
    uids = {call("POST", json=body).json()["customerGroupUid"] for _ in range(2)}

    assert len(uids) == 2
    assert all(len(uid) == 36 for uid in uids)


def test_rename_without_name(call: Caller) -> None:
    "A PUT request for a group without a name does not change the group's name."
    assert call("PUT", "/g", json={}).json()["name"] == "All customers"


def test_change_members(call: Caller, sandbox: Sandbox) -> None:
    "A PUT request adds and removes members. Repeated additions and removals have no effect."
    response = call(
        "PUT", "/h/customers", json={"addCustomerUids": ["c-03", "c-01", "c-01"], "removeCustomerUids": ["c-09"]}
    )
    again = call("PUT", "/h/customers", json={"addCustomerUids": ["c-01"], "removeCustomerUids": ["c-03"]})

    assert (response.status_code, response.content, again.status_code) == (204, b"", 204)
    assert sandbox.members("h") == ["c-01"]
    [customer] = call("GET", "/h/customers").json()["items"]
    assert customer["customerGroupUids"] == ["g", "h"]


def test_delete_group_with_members(call: Caller, sandbox: Sandbox) -> None:
    "Deleting a group also deletes the memberships of the group."
    sandbox.add_members("h", ["c-00"])
    call("DELETE", "/g")
    call("POST", json={"name": "All customers", "customerGroupUid": "g"})

    assert call.page("/g/customers")[1]["totalCount"] == 0
    assert call("GET", "/h/customers").json()["items"][0]["customerGroupUids"] == ["h"]


@pytest.mark.parametrize("base", [0, 1])
def test_page_base(base: int) -> None:
    "The number of the first page is `page_base`, which is also the default page number."
    with Sandbox(empty=True, page_base=base, default_page_size=10) as sandbox:
        sandbox.put_customers(CUSTOMERS)
        sandbox.put_group("g", "G")
        sandbox.add_members("g", CUSTOMERS)
        call = Caller(sandbox)

        first, paging = call.page()

        assert first == CUSTOMERS[:10]
        assert paging == {"pageNumber": base, "pageSize": 10, "totalCount": 25}
        assert call.page(pageNumber=base)[0] == first
        assert call.page(pageNumber=base + 2)[0] == CUSTOMERS[20:]
        assert call.page(pageNumber=base + 3) == ([], {"pageNumber": base + 3, "pageSize": 10, "totalCount": 25})
        assert call("GET", "/g/customers", params={"pageNumber": base - 1}).status_code == 400
        call.http.close()


def test_maximum_page_size() -> None:
    "A page has at most `max_page_size` items, and the paging object contains the actual page size."
    with Sandbox(customers=100, groups=8, max_page_size=30, default_page_size=20) as sandbox:
        call = Caller(sandbox)

        items, paging = call.page("/loyalty/customers", pageSize=1000)

        assert (len(items), paging["pageSize"]) == (30, 30)
        call.http.close()


def test_sort(call: Caller, sandbox: Sandbox) -> None:
    "Members can be sorted in both directions. Equal values are sorted by uid."
    sandbox.put_customers(
        {"customerUid": uid, "externalId": f"E{number % 2}"} for number, uid in enumerate(CUSTOMERS)
    )

    down = call.page(sortBy="externalId", sortDirection="DESC", pageSize=500)[0]

    assert down == CUSTOMERS[1::2] + CUSTOMERS[::2]
    assert call.page(sortDirection="DESC", pageSize=3)[0] == ["c-24", "c-23", "c-22"]
    assert call.page("", sortBy="name", sortDirection="DESC")[0] == ["h", "g"]


def test_unknown_parameter(call: Caller) -> None:
    "An unknown query parameter is ignored."
    assert call.page(fields="all", pageSize=2)[0] == CUSTOMERS[:2]


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nope", {}, 404),
        ("GET", "/nope/customers", {}, 404),
        ("PUT", "/nope", {"json": {"name": "A"}}, 404),
        ("PUT", "/nope/customers", {"json": {}}, 404),
        ("DELETE", "/nope", {}, 404),
        ("GET", "/g/customers/c-01", {}, 404),
        ("GET", "/g/", {}, 404),
        ("GET", "/b%20d", {}, 400),
        ("GET", "/g%2Fcustomers", {}, 400),
        ("GET", "/%2567", {}, 400),
        ("GET", "/g%0A", {}, 400),
        ("GET", "/g/customers?pageNumber=one", {}, 400),
        ("GET", "/g/customers?pageNumber=%EF%BC%91", {}, 400),
        ("GET", "/g/customers?pageNumber=1_0", {}, 400),
        ("GET", "/g/customers?pageNumber=0", {}, 400),
        ("GET", "/g/customers?pageNumber=99999999999", {}, 400),
        ("GET", "/g/customers?pageSize=0", {}, 400),
        ("GET", "/g/customers?pageSize=", {}, 400),
        ("GET", "/g/customers?pageSize=1&pageSize=2", {}, 400),
        ("GET", "/g/customers?sortBy=name", {}, 400),
        ("GET", "?sortBy=customerUid", {}, 400),
        ("GET", "?sortDirection=asc", {}, 400),
        ("POST", "", {"json": {"name": "A", "customerGroupUid": "g"}}, 409),
        ("POST", "", {"json": {}}, 400),
        ("POST", "", {"json": {"name": ""}}, 400),
        ("POST", "", {"json": {"name": None}}, 400),
        ("POST", "", {"json": {"name": "A", "customerGroupUid": "a b"}}, 400),
        ("POST", "", {"json": {"name": "A", "customerGroupUid": None}}, 400),
        ("POST", "", {"json": {"name": "A", "uid": "a"}}, 400),
        ("POST", "", {"json": [1]}, 400),
        ("POST", "", {"content": b'{"name": "A"}'}, 400),
        ("POST", "", {"content": b"name=A", "headers": {"Content-Type": "text/plain"}}, 400),
        ("POST", "", {"content": b'{"name": ', "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "", {"content": b'{"name": "\\ud800"}', "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "", {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ("PUT", "/g", {"json": {"name": 1}}, 400),
        ("PUT", "/h/customers", {"json": {"addCustomerUids": "c-01"}}, 400),
        ("PUT", "/h/customers", {"json": {"addCustomerUids": [1]}}, 400),
        ("PUT", "/h/customers", {"json": {"addCustomerUids": ["c 01"]}}, 400),
        ("PUT", "/h/customers", {"json": {"addCustomerUids": ["c-01\n"]}}, 400),
        ("PUT", "/h/customers", {"json": {"addCustomerUids": ["c-01"], "removeCustomerUids": ["c-01"]}}, 400),
        ("PUT", "/h/customers", {"json": {"addCustomerUids": ["c-01", "unknown"]}}, 400),
        ("PUT", "/h/customers", {"json": {"add_customer_uids": ["c-01"]}}, 400),
    ],
)
def test_invalid_requests(
    call: Caller, sandbox: Sandbox, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    "An invalid request returns an error status with a message, and changes nothing."
    response = call(method, path, **options)

    assert response.status_code == status
    assert response.json()["message"]
    assert sandbox.groups() == {"g": "All customers", "h": "Empty group"}
    assert (sandbox.members("g"), sandbox.members("h")) == (CUSTOMERS, [])


def test_invalid_method(call: Caller) -> None:
    "A method that is not allowed returns status 405 with an Allow header."
    responses = {path: call("PATCH", path) for path in ("", "/g", "/g/customers")}

    assert {response.status_code for response in responses.values()} == {405}
    assert [a.headers["Allow"] for a in responses.values()] == ["GET, POST", "DELETE, GET, PUT", "GET, PUT"]


def test_tokens(call: Caller, sandbox: Sandbox) -> None:
    "An invalid token returns status 401. A write with the read-only token returns status 403."
    unknown = call("GET", token="no")
    without = call.http.get(f"{sandbox.base_url}/tenants/{sandbox.tenant_uid}/customer-groups")
    read = call("GET", token=sandbox.read_only_token)
    writes = [
        call("POST", json={"name": "A"}, token=sandbox.read_only_token),
        call("PUT", "/g/customers", json={"removeCustomerUids": ["c-01"]}, token=sandbox.read_only_token),
        call("DELETE", "/g", token=sandbox.read_only_token),
    ]

    assert [unknown.status_code, without.status_code, read.status_code] == [401, 401, 200]
    assert unknown.headers["WWW-Authenticate"] == "Bearer"
    assert [response.status_code for response in writes] == [403, 403, 403]
    assert len(sandbox.members("g")) == 25


def test_unknown_tenant(call: Caller, sandbox: Sandbox) -> None:
    "A request with the uid of another tenant returns status 404."
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    response = call.http.get(f"{sandbox.base_url}/tenants/other/customer-groups", headers=headers)

    assert response.status_code == 404


def test_status_fault(call: Caller, sandbox: Sandbox) -> None:
    "A status fault affects the requests that match its method, path, skip, and times."
    sandbox.misbehave(Fault("status", status=429, method="GET", path="/g", skip=1, times=2, retry_after="2"))

    responses = [call("GET", "/g") for _ in range(4)]
    other = call("GET", "/h")

    assert [response.status_code for response in responses] == [200, 429, 429, 200]
    assert responses[1].headers["Retry-After"] == "2"
    assert other.status_code == 200


def test_fault_order(call: Caller, sandbox: Sandbox) -> None:
    "Only the first matching fault is injected. A fault with times=None has no maximum."
    sandbox.misbehave(Fault("status", status=500), Fault("html"), Fault("status", status=503, times=None))

    assert [call("GET").status_code for _ in range(5)] == [500, 200, 503, 503, 503]
    sandbox.behave()
    assert call("GET").status_code == 200


@pytest.mark.parametrize(("kind", "done"), [("cut_before", False), ("cut_after", True), ("cut_during", True)])
def test_closed_connection(call: Caller, sandbox: Sandbox, kind: Any, done: bool) -> None:
    "A cut fault closes the connection. Except for 'cut_before', the requested change is saved."
    sandbox.misbehave(Fault(kind, method="POST"))

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        call("POST", json={"name": "New", "customerGroupUid": "new"})

    assert ("new" in sandbox.groups()) is done
    assert call("GET").status_code == 200


def test_status_after(call: Caller, sandbox: Sandbox) -> None:
    "The fault 'status_after' processes the request and returns an error status."
    sandbox.misbehave(Fault("status_after", status=500, method="PUT"))

    response = call("PUT", "/h/customers", json={"addCustomerUids": ["c-01"]})

    assert (response.status_code, sandbox.members("h")) == (500, ["c-01"])


def test_hang(call: Caller, sandbox: Sandbox) -> None:
    "A request that hangs delays neither other requests nor close()."
    sandbox.misbehave(Fault("hang", path="/g", seconds=3600))

    with pytest.raises(httpx.ReadTimeout):
        call("GET", "/g", timeout=0.1)
    assert call("GET", "/h").status_code == 200
    sandbox.close()

    assert "frgroups-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_latency(call: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    "The sandbox waits for the latency before each response."
    waits: list[float] = []

    async def record_wait(seconds: float) -> None:
        waits.append(seconds)

    fake_asyncio = SimpleNamespace(sleep=record_wait, CancelledError=asyncio.CancelledError)
    monkeypatch.setattr("frgroups.sandbox.asgi_app.asyncio", fake_asyncio)
    sandbox.misbehave(latency=0.1)

    call("GET")
    call("GET")

    assert waits == [0.1, 0.1]


def test_unexpected_responses(call: Caller, sandbox: Sandbox) -> None:
    "Faults can return an HTML page, incomplete JSON, or a redirect."
    sandbox.misbehave(Fault("html"), Fault("garbage"), Fault("redirect", location="https://other.example/"))

    html, garbage, redirect = (call("GET", "/g") for _ in range(3))

    assert (html.status_code, html.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert garbage.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        garbage.json()
    assert (redirect.status_code, redirect.headers["Location"]) == (302, "https://other.example/")


def test_swap(call: Caller, sandbox: Sandbox) -> None:
    "If two customers are swapped between two page requests, the total is correct but the client misses one member."
    sandbox.put_customers(["x-1"])
    sandbox.misbehave(moving="swap")

    read = call.uids()

    now = sandbox.members("g")
    assert len(read) == len(now) == 25
    throughout = set(CUSTOMERS) & set(now)
    assert len(throughout - set(read)) == 1


def test_join(call: Caller, sandbox: Sandbox) -> None:
    "If a customer joins the group between two page requests, the client reads one member twice."
    sandbox.remove_members("g", ["c-03"])
    sandbox.misbehave(moving="join")

    read = call.uids()

    assert sandbox.members("g") == CUSTOMERS
    assert max(Counter(read).values()) == 2


def test_leave(call: Caller, sandbox: Sandbox) -> None:
    "If a member leaves between two page requests, the total decreases and the client misses one member."
    sandbox.misbehave(moving="leave")

    read = call.uids()

    now = sandbox.members("g")
    assert len(now) == 24
    assert len(set(now) - set(read)) == 1


def test_moving_options(call: Caller, sandbox: Sandbox) -> None:
    "The options moving_every, moving_times, and moving_group limit the membership changes between pages."
    sandbox.misbehave(moving="swap", moving_every=2, moving_times=2, moving_group="g")
    sizes = []
    for _ in range(6):
        call.page(pageSize=5)
        sizes.append(len(set(sandbox.members("g")) & set(CUSTOMERS)))

    assert sizes == [25, 24, 24, 23, 23, 23]
    sandbox.misbehave(moving="leave", moving_times=None, moving_group="h")
    call.page(pageSize=5)
    assert len(sandbox.members("g")) == 25


def test_maximum_uids(call: Caller, sandbox: Sandbox) -> None:
    "A PUT request with more than max_uids_per_put uids returns status 413 and changes nothing."
    sandbox.misbehave(max_uids_per_put=3)

    over = call("PUT", "/h/customers", json={"addCustomerUids": CUSTOMERS[:2], "removeCustomerUids": CUSTOMERS[3:5]})
    within = call("PUT", "/h/customers", json={"addCustomerUids": CUSTOMERS[:3]})

    assert (over.status_code, within.status_code) == (413, 204)
    assert sandbox.members("h") == CUSTOMERS[:3]


@pytest.mark.parametrize(
    ("option", "status", "named", "members"),
    [("refuse", 400, False, []), ("refuse_named", 400, True, []), ("ignore", 204, False, ["c-01"])],
)
def test_unknown_customers(
    call: Caller, sandbox: Sandbox, option: Any, status: int, named: bool, members: list[str]
) -> None:
    "A PUT request with unknown customers is rejected or skips these customers, as the option unknown_uids defines."
    sandbox.misbehave(unknown_uids=option)

    response = call("PUT", "/h/customers", json={"addCustomerUids": ["c-01", "c-unknown"]})

    assert (response.status_code, "c-unknown" in response.text) == (status, named)
    assert sandbox.members("h") == members


@pytest.mark.parametrize(
    ("option", "listed"), [("filled", ["g", "h"]), ("absent", None), ("empty", []), ("wrong", ["h"])]
)
def test_group_uids(call: Caller, sandbox: Sandbox, option: Any, listed: list[str] | None) -> None:
    "The option group_uids changes the field customerGroupUids of each customer."
    sandbox.add_members("h", ["c-00"])
    sandbox.misbehave(group_uids=option)

    customer = call("GET", "/g/customers").json()["items"][0]

    assert customer.get("customerGroupUids") == listed


def test_wrong_paging(call: Caller, sandbox: Sandbox) -> None:
    "With options, the sandbox ignores the page size, increases the total count, or repeats the first page."
    sandbox.misbehave(honor_page_size=False)
    assert call.page(pageSize=3)[1] == {"pageNumber": 1, "pageSize": 100, "totalCount": 25}

    sandbox.misbehave(endless=7)
    assert call.page(pageNumber=9) == ([], {"pageNumber": 9, "pageSize": 100, "totalCount": 32})

    sandbox.misbehave(repeat_page=True)
    assert call.page(pageNumber=9, pageSize=4) == (
        CUSTOMERS[:4],
        {"pageNumber": 9, "pageSize": 4, "totalCount": 25},
    )


def test_lag(call: Caller, sandbox: Sandbox) -> None:
    "With the option lag_seconds, a membership change becomes visible after a delay."
    sandbox.misbehave(lag_seconds=0.3)

    call("PUT", "/h/customers", json={"addCustomerUids": ["c-01", "c-02"]})
    call("PUT", "/h/customers", json={"removeCustomerUids": ["c-02"]})
    immediately = call.page("/h/customers")[0]
    time.sleep(0.35)
    later = call.page("/h/customers")[0]

    assert (immediately, later) == ([], ["c-01"])


def test_odd_records(call: Caller, sandbox: Sandbox) -> None:
    "With the option odd_records, some customers have unusual fields, but the same uids and groups."
    sandbox.misbehave(odd_records=True)

    first, second = (call("GET", "/g/customers").json()["items"] for _ in range(2))
    sandbox.behave()
    plain = call("GET", "/g/customers").json()["items"]

    assert first == second
    assert 0 < sum(odd != usual for odd, usual in zip(first, plain, strict=True)) < 25
    assert [item["customerUid"] for item in first] == CUSTOMERS
    assert all(item["customerGroupUids"] == ["g"] for item in first)


@pytest.mark.parametrize(
    "create",
    [
        lambda: Fault("explode"),  # type: ignore[arg-type]
        lambda: Fault("status", status=99),
        lambda: Fault("status", times=-1),
        lambda: Behavior(moving="about"),  # type: ignore[arg-type]
        lambda: Behavior(moving_every=0),
        lambda: Sandbox(slow=True),
        lambda: Sandbox(page_base=2),
        lambda: Sandbox(default_page_size=501),
        lambda: Sandbox(tenant_uid="a b"),
        lambda: Sandbox(customers=10).start(),
        lambda: Sandbox(groups=3).start(),
    ],
)
def test_invalid_arguments(create: Any) -> None:
    "Invalid arguments raise InputError."
    with pytest.raises(InputError):
        create()


def test_not_started() -> None:
    "A sandbox that was not started has no base URL."
    sandbox = Sandbox()

    with pytest.raises(FrgroupsError, match=r"sandbox\.start"):
        _ = sandbox.base_url
    assert repr(sandbox) == "<Sandbox, not started>"
    sandbox.close()


def test_request_log(call: Caller, sandbox: Sandbox) -> None:
    "The request log contains the method, path, status, and body of each request."
    sandbox.misbehave(Fault("cut_before", method="DELETE"))
    call("GET", "/g", params={"a": 1})
    call("PUT", "/h/customers", json={})
    with pytest.raises(httpx.HTTPError):
        call("DELETE", "/g")

    log = sandbox.requests()

    path = f"/v2/tenants/{sandbox.tenant_uid}/customer-groups"
    assert log == [
        {"method": "GET", "path": f"{path}/g?a=1", "status": 200, "sent": ""},
        {"method": "PUT", "path": f"{path}/h/customers", "status": 204, "sent": "{}"},
        {"method": "DELETE", "path": f"{path}/g", "status": None, "sent": ""},
    ]
    sandbox.clear_requests()
    assert sandbox.requests() == []


def test_control_token(call: Caller, sandbox: Sandbox) -> None:
    "The control routes of the sandbox do not accept the API token."
    root = sandbox.base_url.removesuffix("/v2")
    headers = {"Authorization": f"Bearer {sandbox.token}", "X-Sandbox-Control": sandbox.token}

    assert call.http.get(f"{root}/_sandbox/requests", headers=headers).status_code == 403


def test_reset(call: Caller, sandbox: Sandbox) -> None:
    "reset() deletes the data, the faults, and the request log."
    sandbox.misbehave(Fault("status", times=None))
    call("GET")

    sandbox.reset()

    assert sandbox.requests() == []
    assert call.page("") == ([], {"pageNumber": 1, "pageSize": 100, "totalCount": 0})


def test_direct_changes(sandbox: Sandbox) -> None:
    "Sandbox methods change groups and customers without a request. Unknown uids raise InputError."
    sandbox.delete_customer("c-00")
    sandbox.delete_group("h")

    assert sandbox.members("g") == CUSTOMERS[1:]
    assert sandbox.groups() == {"g": "All customers"}
    assert sandbox.requests() == []
    for invalid_call in (
        lambda: sandbox.members("h"),
        lambda: sandbox.add_members("g", ["c-unknown"]),
        lambda: sandbox.put_customers(["a b"]),
        lambda: sandbox.put_customers([{"customerUid": "c-01", "customerGroupUids": ["h"]}]),
        lambda: sandbox.put_group("a b", "A"),
        lambda: sandbox.advance(-1),
    ):
        with pytest.raises(InputError):
            invalid_call()


def test_restart(tmp_path: Any) -> None:
    "A sandbox with a path keeps its data, token, settings, and time after a restart."
    path = tmp_path / "tenant.sqlite"
    with Sandbox(path, customers=60, groups=9, page_base=0, tenant_uid="mine") as first:
        first.advance(10)
        state = (first.token, first.groups(), first.customer_export(), first.tenant_uid)
        closed_at = first.now()
    with Sandbox(path, customers=5_000) as second:
        call = Caller(second)

        assert state == (second.token, second.groups(), second.customer_export(), "mine")
        assert 0 <= (second.now() - closed_at).total_seconds() < 60
        assert call.page("")[1]["pageNumber"] == 0
        call.http.close()


def test_unrelated_file(tmp_path: Any) -> None:
    "Opening a file that is not a sandbox database raises InputError and does not change the file."
    text, database = tmp_path / "a.txt", tmp_path / "b.sqlite"
    text.write_text("This text file is longer than the 100 bytes of an SQLite header. " * 3)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()

    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(InputError, match=path.name):
            Sandbox(path, empty=True).start()
        assert path.read_bytes() == before


def test_port_in_use(sandbox: Sandbox) -> None:
    "A port that is already in use raises InputError with the port number."
    port = int(sandbox.base_url.split(":")[2].split("/")[0])

    for process in (False, True):
        with pytest.raises(InputError, match=str(port)):
            Sandbox(empty=True, port=port, process=process).start()


def test_child_process() -> None:
    "A sandbox in a child process supports faults, the log, direct changes, and time."
    with Sandbox(customers=60, groups=8, process=True, faults=[Fault("cut_after", method="POST")]) as sandbox:
        call = Caller(sandbox)

        with pytest.raises(httpx.HTTPError):
            call("POST", json={"name": "New", "customerGroupUid": "new"})
        sandbox.add_members("new", sandbox.members("staff"))
        sandbox.advance(60)

        assert call.page("/new/customers")[1]["totalCount"] > 0
        assert [entry["status"] for entry in sandbox.requests()] == [None, 200]
        call.http.close()


def test_parent_exit(tmp_path: Any) -> None:
    "The child process exits when its parent process exits."
    program = (
        "import os, sys; from frgroups.sandbox.sandbox import Sandbox;"
        "s = Sandbox(sys.argv[1], empty=True, process=True).start();"
        "print(s.base_url, flush=True); sys.stdin.readline(); os._exit(1)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "tenant.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert httpx.get(f"{url}/openapi.json").status_code == 200

        parent.communicate("\n")

    for _ in range(100):
        try:
            httpx.get(f"{url}/openapi.json")
        except httpx.ConnectError:
            return
        time.sleep(0.05)
    pytest.fail("The child process still runs after the exit of its parent process.")


def test_child_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    "If the child process does not start, the error contains its standard error output."
    (tmp_path / "frgroups.py").write_text("raise RuntimeError('test error 4711')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(FrgroupsError, match="test error 4711"):
        Sandbox(empty=True, process=True).start()


def test_concurrent_writes(call: Caller, sandbox: Sandbox) -> None:
    "The sandbox saves all concurrent requests and direct changes."
    sandbox.put_group("i", "Direct")

    def over_http(uids: list[str]) -> list[int]:
        caller = Caller(sandbox)
        try:
            return [caller("PUT", "/h/customers", json={"addCustomerUids": [uid]}).status_code for uid in uids]
        finally:
            caller.http.close()

    with ThreadPoolExecutor(3) as pool:
        halves = [pool.submit(over_http, CUSTOMERS[:12]), pool.submit(over_http, CUSTOMERS[12:])]
        direct = pool.submit(lambda: [sandbox.add_members("i", [uid]) for uid in CUSTOMERS])
        statuses = {status for half in halves for status in half.result()}
        direct.result()

    assert statuses == {204}
    assert sandbox.members("h") == sandbox.members("i") == CUSTOMERS
    items = call("GET", "/g/customers").json()["items"]
    assert {tuple(item["customerGroupUids"]) for item in items} == {("g", "h", "i")}


def test_threads_after_close() -> None:
    "After close(), no server thread of the sandbox remains."
    for _ in range(10):
        with Sandbox(empty=True):
            pass

    assert not [thread for thread in threading.enumerate() if thread.name == "frgroups-sandbox"]


def test_client(sandbox: Sandbox) -> None:
    "client() returns a client that uses the time of the sandbox and is read-only by default."
    sandbox.advance(30)

    with sandbox.client() as client:
        assert not client.writable
        assert {group.customer_group_uid for group in client.iter_groups()} == {"g", "h"}
        assert abs((client.clock() - sandbox.now()).total_seconds()) < 5
    with sandbox.client(writable=True) as client:
        client.update_group_customers("h", add=["c-01"])
    assert sandbox.members("h") == ["c-01"]


def test_seed() -> None:
    "The same seed creates the same groups and members, and a different seed creates different members."

    def tenant_members(seed: int) -> dict[str, list[str]]:
        with Sandbox(customers=80, groups=12, seed=seed) as sandbox:
            return {uid: sandbox.members(uid) for uid in sandbox.groups()}

    assert tenant_members(3) == tenant_members(3) != tenant_members(4)


@pytest.mark.parametrize(("customers", "groups"), [(50, 8), (120, 61), (60, 150)])
def test_size(customers: int, groups: int) -> None:
    "A synthetic tenant has the requested number of customers and groups."
    with Sandbox(customers=customers, groups=groups) as sandbox:
        assert len(sandbox.customer_export()) == customers
        assert len(sandbox.groups()) == groups


def test_synthetic_groups(tenant: Sandbox) -> None:
    "The synthetic tenant has nested, duplicate, similar, and empty groups, and customers without a group."
    members = {uid: set(tenant.members(uid)) for uid in tenant.groups()}
    names = Counter(tenant.groups().values())
    copy = next(uid for uid, name in tenant.groups().items() if name == "Newsletter 2025 (copy)")
    doubles = [uid for uid, name in tenant.groups().items() if name.startswith("Skitestere")]
    customers = {row["customer_uid"] for row in tenant.customer_export()}

    assert members["vip_gold"] < members["group_vip"] < members["loyalty"]
    assert 0.6 < len(members["loyalty"]) / len(customers) < 0.7
    assert members["pilot"] == set()
    assert names["Kampanje"] == 2
    assert names["<b>Outlet</b>"] == 1
    assert members[doubles[0]] == members[doubles[1]]
    shared = members[copy] & members["newsletter_2025"]
    assert members[copy] != members["newsletter_2025"]
    assert len(shared) / len(members[copy] | members["newsletter_2025"]) > 0.95
    assert len(members["group_vip"] & members["loyalty"] - members["staff"]) > 80
    assert members["group_vip"] & members["staff"]
    assert 0.03 < len(customers - set().union(*members.values())) / len(customers) < 0.05


def test_synthetic_customers(tenant: Sandbox) -> None:
    "The synthetic customers have realistic types, countries, and uids, and unassigned contact data."
    call = Caller(tenant)
    responses = [call("GET", f"/{uid}/customers", params={"pageSize": 500}).json() for uid in tenant.groups()]
    call.http.close()
    customers = {item["customerUid"]: item for response in responses for item in response["items"]}

    assert {customer["customerType"] for customer in customers.values()} == {"PERSON", "COMPANY", "B2B"}
    assert {customer["countryCode"] for customer in customers.values()} == {"NO", "SE", "DK", "FI"}
    assert any(uid.startswith("00") for uid in customers)
    assert any(uid.startswith("cust_") for uid in customers)
    assert any(len(uid) == 36 for uid in customers)
    parents = {customer["customerParentUid"] for customer in customers.values()} - {""}
    assert parents
    hosts = {customer["email"].partition("@")[2] for customer in customers.values() if customer["email"]}
    assert all(host.endswith((".example", "example.com", "example.org", "example.net")) for host in hosts)
    mobiles = {customer["mobile"] for customer in customers.values() if customer["mobile"]}
    assert all(mobile.startswith(("+4700", "+4600", "+4500", "+35800")) for mobile in mobiles)
    assert any(customer["defaultStore"] is None for customer in customers.values())


def test_advance_month() -> None:
    "advance(30) changes customers, memberships, and campaign groups in a reproducible way."

    def after_a_month() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        with Sandbox(customers=2_000, seed=5, days_ago=30) as sandbox:
            before = {uid: set(sandbox.members(uid)) for uid in sandbox.groups()}
            start = sandbox.now()
            sandbox.advance(30)
            assert 29.9 < (sandbox.now() - start).total_seconds() / 86_400 < 30.1
            return before, {uid: set(sandbox.members(uid)) for uid in sandbox.groups()}

    before, after = after_a_month()

    assert (before, after) == after_a_month()
    assert 20 < len(after["loyalty"] - before["loyalty"]) < 45
    assert 5 < len(before["loyalty"] - after["loyalty"]) < 35
    assert before["group_vip"] != after["group_vip"]
    assert after["vip_gold"] < after["group_vip"] < after["loyalty"]
    assert len(set(after) - set(before)) == 1
    ended = set(before) - set(after) or {uid for uid in before if before[uid] and not after.get(uid)}
    assert len(ended) == 1


def test_advance_half_year() -> None:
    "Simulated groups change by less than 10% per month. The result does not depend on the current date."

    def half_a_year(days_ago: float) -> list[dict[str, tuple[str, set[str]]]]:
        with Sandbox(customers=1_000, groups=60, seed=3, days_ago=days_ago) as sandbox:
            months = []
            for month in range(6):
                sandbox.advance(30 if month else 0)
                months.append({uid: (name, set(sandbox.members(uid))) for uid, name in sandbox.groups().items()})
            return months

    months = half_a_year(150)

    assert months == half_a_year(613.5)
    for group in ("loyalty", "group_vip", "newsletter_2025", "country_no"):
        sizes = [len(month[group][1]) for month in months]
        assert all(0.9 < later / earlier < 1.1 for earlier, later in pairwise(sizes)) and len(set(sizes)) > 1
    first, last = months[0], months[-1]
    for group in ("loyalty", "group_vip"):
        assert last[group][1] - first[group][1] and first[group][1] - last[group][1]
    offers = [name for uid, (name, _) in last.items() if uid not in first]
    assert offers == [f"Månedens tilbud {month}" for month in range(1, 6)]
    assert all(month["vip_gold"][1] <= month["group_vip"][1] <= month["loyalty"][1] for month in months)


def test_advance_empty_tenant(sandbox: Sandbox) -> None:
    "In a tenant that was created empty, advance() changes only the time."
    start = sandbox.now()
    sandbox.advance(45)

    assert 44.9 < (sandbox.now() - start).total_seconds() / 86_400 < 45.1
    assert sandbox.groups() == {"g": "All customers", "h": "Empty group"}
    assert sandbox.members("g") == CUSTOMERS


def test_export(tenant: Sandbox, tmp_path: Any) -> None:
    "The customer export contains all customers, including customers without a group."
    path = tenant.write_export(tmp_path / "kunder.csv")

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2_000
    assert rows == tenant.customer_export()
    assert any(row["customer_id"].startswith("0") for row in rows)
    assert any(row["customer_id"] == "" for row in rows)
