"""The sandbox speaks the documented API over real HTTP, misbehaves when told to, and looks like a real tenant."""

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
    """Calls a sandbox as any HTTP client would."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(verify=False, timeout=10)

    def __call__(self, method: str, path: str = "", *, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.sandbox.token}", **options.pop("headers", {})}
        url = f"{self.sandbox.base_url}/tenants/{self.sandbox.tenant_uid}/customer-groups{path}"
        return self.http.request(method, url, headers=headers, **options)

    def page(self, path: str = "/g/customers", **query: Any) -> tuple[list[str], dict[str, int]]:
        answer = self("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        uid = "customerUid" if path else "customerGroupUid"
        return [item[uid] for item in answer.json()["items"]], answer.json()["paging"]

    def uids(self, base: int = 1, size: int = 10) -> list[str]:
        """Reads group g as a simple client does: page after page until as many came as the first page told."""
        found, total, number = [], 1, base
        while len(found) < total and number < base + 20:
            items, paging = self.page(pageNumber=number, pageSize=size)
            found, total, number = found + items, paging["totalCount"], number + 1
        return found


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with 25 customers, all of them in group g, none in group h."""
    with Sandbox(empty=True) as sandbox:
        sandbox.put_customers(CUSTOMERS)
        sandbox.put_group("g", "Everyone")
        sandbox.put_group("h", "No one")
        sandbox.add_members("g", CUSTOMERS)
        yield sandbox


@pytest.fixture
def call(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox)
    yield caller
    caller.http.close()


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    """The made-up tenant, a tenth of its usual size."""
    with Sandbox(customers=2_000) as sandbox:
        yield sandbox


# The seven operations.


def test_groups_are_listed_in_uid_order(call: Caller) -> None:
    "A list of groups has items and paging, in the order of their uids."
    items, paging = call.page("")

    assert items == ["g", "h"]
    assert paging == {"pageNumber": 1, "pageSize": 100, "totalCount": 2}


def test_a_group_is_created_read_renamed_and_deleted(call: Caller) -> None:
    "Create answers 201, read and rename 200, delete 204, and then the group is gone."
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
def test_a_group_without_a_uid_gets_one(call: Caller, body: dict[str, str]) -> None:
    "Two groups created without a uid are two groups, even of the same name."
    uids = {call("POST", json=body).json()["customerGroupUid"] for _ in range(2)}

    assert len(uids) == 2
    assert all(len(uid) == 36 for uid in uids)


def test_a_rename_may_leave_the_name_out(call: Caller) -> None:
    "The published contract does not require a name in the PUT of a group; the name then stays."
    assert call("PUT", "/g", json={}).json()["name"] == "Everyone"


def test_members_are_added_and_removed_at_once(call: Caller, sandbox: Sandbox) -> None:
    "One PUT adds and removes; it answers 204 without a body, also for what is true already."
    answer = call(
        "PUT", "/h/customers", json={"addCustomerUids": ["c-03", "c-01", "c-01"], "removeCustomerUids": ["c-09"]}
    )
    again = call("PUT", "/h/customers", json={"addCustomerUids": ["c-01"], "removeCustomerUids": ["c-03"]})

    assert (answer.status_code, answer.content, again.status_code) == (204, b"", 204)
    assert sandbox.members("h") == ["c-01"]
    [customer] = call("GET", "/h/customers").json()["items"]
    assert customer["customerGroupUids"] == ["g", "h"]


def test_deleting_a_group_removes_its_memberships(call: Caller, sandbox: Sandbox) -> None:
    "A group deleted and created again is empty, and no customer tells of it."
    sandbox.add_members("h", ["c-00"])
    call("DELETE", "/g")
    call("POST", json={"name": "Everyone", "customerGroupUid": "g"})

    assert call.page("/g/customers")[1]["totalCount"] == 0
    assert call("GET", "/h/customers").json()["items"][0]["customerGroupUids"] == ["h"]


# Paging.


@pytest.mark.parametrize("base", [0, 1])
def test_pages_start_at_the_base(base: int) -> None:
    "Without a page number the first page comes, and says which number it has."
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


def test_a_large_page_is_capped_and_says_so() -> None:
    "A page larger than the cap is granted at the cap, and paging tells the size that was granted."
    with Sandbox(customers=100, groups=8, max_page_size=30, default_page_size=20) as sandbox:
        call = Caller(sandbox)

        items, paging = call.page("/loyalty/customers", pageSize=1000)

        assert (len(items), paging["pageSize"]) == (30, 30)
        call.http.close()


def test_members_can_be_sorted(call: Caller, sandbox: Sandbox) -> None:
    "Ties in another order than the uid's are in the uid's order, in both directions."
    sandbox.put_customers(
        {"customerUid": uid, "externalId": f"E{number % 2}"} for number, uid in enumerate(CUSTOMERS)
    )

    down = call.page(sortBy="externalId", sortDirection="DESC", pageSize=500)[0]

    assert down == CUSTOMERS[1::2] + CUSTOMERS[::2]
    assert call.page(sortDirection="DESC", pageSize=3)[0] == ["c-24", "c-23", "c-22"]
    assert call.page("", sortBy="name", sortDirection="DESC")[0] == ["h", "g"]


def test_other_parameters_are_not_looked_at(call: Caller) -> None:
    "An unknown query parameter changes nothing."
    assert call.page(fields="all", pageSize=2)[0] == CUSTOMERS[:2]


# Refusals.


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
def test_what_cannot_be_right_is_refused(
    call: Caller, sandbox: Sandbox, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    "A refusal has its status and a message, and changes nothing."
    answer = call(method, path, **options)

    assert answer.status_code == status
    assert answer.json()["message"]
    assert sandbox.groups() == {"g": "Everyone", "h": "No one"}
    assert (sandbox.members("g"), sandbox.members("h")) == (CUSTOMERS, [])


def test_another_method_is_refused_with_those_allowed(call: Caller) -> None:
    "405 says in Allow which methods there are."
    answers = {path: call("PATCH", path) for path in ("", "/g", "/g/customers")}

    assert {answer.status_code for answer in answers.values()} == {405}
    assert [a.headers["Allow"] for a in answers.values()] == ["GET, POST", "DELETE, GET, PUT", "GET, PUT"]


def test_a_token_is_needed_and_writes_need_more(call: Caller, sandbox: Sandbox) -> None:
    "Without a known token 401; with the read-only token reads pass and writes are 403."
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
    assert [answer.status_code for answer in writes] == [403, 403, 403]
    assert len(sandbox.members("g")) == 25


def test_an_unknown_tenant_is_not_found(call: Caller, sandbox: Sandbox) -> None:
    "The sandbox has one tenant; every other is 404."
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    answer = call.http.get(f"{sandbox.base_url}/tenants/other/customer-groups", headers=headers)

    assert answer.status_code == 404


# Faults.


def test_a_status_comes_so_often_as_told_and_then_no_more(call: Caller, sandbox: Sandbox) -> None:
    "Skip, times, method and path say which requests fail, and Retry-After comes along."
    sandbox.misbehave(Fault("status", status=429, method="GET", path="/g", skip=1, times=2, retry_after="2"))

    answers = [call("GET", "/g") for _ in range(4)]
    other = call("GET", "/h")

    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "2"
    assert other.status_code == 200


def test_faults_take_turns(call: Caller, sandbox: Sandbox) -> None:
    "Of several faults the first that applies acts; None means for ever."
    sandbox.misbehave(Fault("status", status=500), Fault("html"), Fault("status", status=503, times=None))

    assert [call("GET").status_code for _ in range(5)] == [500, 200, 503, 503, 503]
    sandbox.behave()
    assert call("GET").status_code == 200


@pytest.mark.parametrize(("kind", "done"), [("cut_before", False), ("cut_after", True), ("cut_during", True)])
def test_a_cut_leaves_the_client_without_an_answer(call: Caller, sandbox: Sandbox, kind: Any, done: bool) -> None:
    "A cut before the commit did nothing, a later one did everything, and neither answers."
    sandbox.misbehave(Fault(kind, method="POST"))

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        call("POST", json={"name": "New", "customerGroupUid": "new"})

    assert ("new" in sandbox.groups()) is done
    assert call("GET").status_code == 200


def test_a_write_that_was_made_may_be_answered_500(call: Caller, sandbox: Sandbox) -> None:
    "status_after does what was asked and then answers a failure."
    sandbox.misbehave(Fault("status_after", status=500, method="PUT"))

    answer = call("PUT", "/h/customers", json={"addCustomerUids": ["c-01"]})

    assert (answer.status_code, sandbox.members("h")) == (500, ["c-01"])


def test_a_hang_outlasts_the_patience_of_a_client(call: Caller, sandbox: Sandbox) -> None:
    "One request hangs while others are answered, and closing does not wait for it."
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


def test_answers_that_are_not_the_apis(call: Caller, sandbox: Sandbox) -> None:
    "HTML with 200, half of a JSON document with 200, a redirect to another host."
    sandbox.misbehave(Fault("html"), Fault("garbage"), Fault("redirect", location="https://other.example/"))

    html, garbage, redirect = (call("GET", "/g") for _ in range(3))

    assert (html.status_code, html.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert garbage.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        garbage.json()
    assert (redirect.status_code, redirect.headers["Location"]) == (302, "https://other.example/")


def test_a_swap_hides_a_member_and_holds_the_total(call: Caller, sandbox: Sandbox) -> None:
    "Between two pages one leaves and one joins: as many are read as told, and a member all along is missed."
    sandbox.put_customers(["x-1"])
    sandbox.misbehave(moving="swap")

    read = call.uids()

    now = sandbox.members("g")
    assert len(read) == len(now) == 25
    throughout = set(CUSTOMERS) & set(now)
    assert len(throughout - set(read)) == 1


def test_a_join_shows_a_member_twice(call: Caller, sandbox: Sandbox) -> None:
    "Someone who joins before the border pushes a member onto the next page too."
    sandbox.remove_members("g", ["c-03"])
    sandbox.misbehave(moving="join")

    read = call.uids()

    assert sandbox.members("g") == CUSTOMERS
    assert max(Counter(read).values()) == 2


def test_a_leaver_hides_a_member_and_lowers_the_total(call: Caller, sandbox: Sandbox) -> None:
    "Someone who leaves a page already read pulls a member over the border, unread."
    sandbox.misbehave(moving="leave")

    read = call.uids()

    now = sandbox.members("g")
    assert len(now) == 24
    assert len(set(now) - set(read)) == 1


def test_moves_keep_to_their_number_their_pages_and_their_group(call: Caller, sandbox: Sandbox) -> None:
    "Every second page of group g, twice in all; an empty outside is no hindrance."
    sandbox.misbehave(moving="swap", moving_every=2, moving_times=2, moving_group="g")
    sizes = []
    for _ in range(6):
        call.page(pageSize=5)
        sizes.append(len(set(sandbox.members("g")) & set(CUSTOMERS)))

    assert sizes == [25, 24, 24, 23, 23, 23]
    sandbox.misbehave(moving="leave", moving_times=None, moving_group="h")
    call.page(pageSize=5)
    assert len(sandbox.members("g")) == 25


def test_a_put_of_too_many_uids_is_too_large(call: Caller, sandbox: Sandbox) -> None:
    "One uid more than may be sent is 413 and changes nothing."
    sandbox.misbehave(max_uids_per_put=3)

    over = call("PUT", "/h/customers", json={"addCustomerUids": CUSTOMERS[:2], "removeCustomerUids": CUSTOMERS[3:5]})
    within = call("PUT", "/h/customers", json={"addCustomerUids": CUSTOMERS[:3]})

    assert (over.status_code, within.status_code) == (413, 204)
    assert sandbox.members("h") == CUSTOMERS[:3]


@pytest.mark.parametrize(
    ("way", "status", "named", "members"),
    [("refuse", 400, False, []), ("refuse_named", 400, True, []), ("ignore", 204, False, ["c-01"])],
)
def test_unknown_customers_are_refused_or_passed_over(
    call: Caller, sandbox: Sandbox, way: Any, status: int, named: bool, members: list[str]
) -> None:
    "A PUT that adds an unknown customer does all of it or nothing, as told."
    sandbox.misbehave(unknown_uids=way)

    answer = call("PUT", "/h/customers", json={"addCustomerUids": ["c-01", "stranger"]})

    assert (answer.status_code, "stranger" in answer.text) == (status, named)
    assert sandbox.members("h") == members


@pytest.mark.parametrize(
    ("way", "listed"), [("filled", ["g", "h"]), ("absent", None), ("empty", []), ("wrong", ["h"])]
)
def test_customers_tell_their_groups_or_do_not(
    call: Caller, sandbox: Sandbox, way: Any, listed: list[str] | None
) -> None:
    "The list of groups on each customer is right, absent, empty, or lacks the group that was asked."
    sandbox.add_members("h", ["c-00"])
    sandbox.misbehave(group_uids=way)

    customer = call("GET", "/g/customers").json()["items"][0]

    assert customer.get("customerGroupUids") == listed


def test_pages_may_lie(call: Caller, sandbox: Sandbox) -> None:
    "Page sizes that are not honoured, totals never reached, pages that repeat."
    sandbox.misbehave(honor_page_size=False)
    assert call.page(pageSize=3)[1] == {"pageNumber": 1, "pageSize": 100, "totalCount": 25}

    sandbox.misbehave(endless=7)
    assert call.page(pageNumber=9) == ([], {"pageNumber": 9, "pageSize": 100, "totalCount": 32})

    sandbox.misbehave(repeat_page=True)
    assert call.page(pageNumber=9, pageSize=4) == (
        CUSTOMERS[:4],
        {"pageNumber": 9, "pageSize": 4, "totalCount": 25},
    )


def test_a_write_may_show_late(call: Caller, sandbox: Sandbox) -> None:
    "With a lag a membership write is answered at once and read only later, in the order of the writes."
    sandbox.misbehave(lag_seconds=0.3)

    call("PUT", "/h/customers", json={"addCustomerUids": ["c-01", "c-02"]})
    call("PUT", "/h/customers", json={"removeCustomerUids": ["c-02"]})
    at_once = call.page("/h/customers")[0]
    time.sleep(0.35)
    later = call.page("/h/customers")[0]

    assert (at_once, later) == ([], ["c-01"])


def test_odd_records_keep_their_uid(call: Caller, sandbox: Sandbox) -> None:
    "Some records bend the schema, always the same ones; the uid and the groups are never touched."
    sandbox.misbehave(odd_records=True)

    first, second = (call("GET", "/g/customers").json()["items"] for _ in range(2))
    sandbox.behave()
    plain = call("GET", "/g/customers").json()["items"]

    assert first == second
    assert 0 < sum(odd != even for odd, even in zip(first, plain, strict=True)) < 25
    assert [item["customerUid"] for item in first] == CUSTOMERS
    assert all(item["customerGroupUids"] == ["g"] for item in first)


@pytest.mark.parametrize(
    "wrong",
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
def test_a_wrong_word_is_refused_before_anything_starts(wrong: Any) -> None:
    "Options that no sandbox knows are input errors."
    with pytest.raises(InputError):
        wrong()


# Life.


def test_nothing_is_open_before_the_start() -> None:
    "A sandbox that is not started has no address and says what to do."
    sandbox = Sandbox()

    with pytest.raises(FrgroupsError, match=r"sandbox\.start"):
        _ = sandbox.base_url
    assert repr(sandbox) == "<Sandbox, not started>"
    sandbox.close()


def test_requests_are_logged(call: Caller, sandbox: Sandbox) -> None:
    "The log has method, path with query, status and what was sent; a cut request has no status."
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


def test_only_the_owner_steers(call: Caller, sandbox: Sandbox) -> None:
    "The control route does not take the token of the API."
    root = sandbox.base_url.removesuffix("/v2")
    headers = {"Authorization": f"Bearer {sandbox.token}", "X-Sandbox-Control": sandbox.token}

    assert call.http.get(f"{root}/_sandbox/requests", headers=headers).status_code == 403


def test_a_reset_leaves_an_empty_tenant(call: Caller, sandbox: Sandbox) -> None:
    "After reset there is nothing, nothing is wrong, and nothing was asked."
    sandbox.misbehave(Fault("status", times=None))
    call("GET")

    sandbox.reset()

    assert sandbox.requests() == []
    assert call.page("") == ([], {"pageNumber": 1, "pageSize": 100, "totalCount": 0})


def test_the_world_is_arranged_directly(sandbox: Sandbox) -> None:
    "Groups and customers come and go without a request; what does not exist is an input error."
    sandbox.delete_customer("c-00")
    sandbox.delete_group("h")

    assert sandbox.members("g") == CUSTOMERS[1:]
    assert sandbox.groups() == {"g": "Everyone"}
    assert sandbox.requests() == []
    for wrong in (
        lambda: sandbox.members("h"),
        lambda: sandbox.add_members("g", ["stranger"]),
        lambda: sandbox.put_customers(["a b"]),
        lambda: sandbox.put_customers([{"customerUid": "c-01", "customerGroupUids": ["h"]}]),
        lambda: sandbox.put_group("a b", "A"),
        lambda: sandbox.advance(-1),
    ):
        with pytest.raises(InputError):
            wrong()


def test_a_file_survives_a_restart(tmp_path: Any) -> None:
    "A sandbox with a path goes on where it was closed, with its tokens, its settings and its time."
    path = tmp_path / "tenant.sqlite"
    with Sandbox(path, customers=60, groups=9, page_base=0, tenant_uid="mine") as first:
        first.advance(10)
        told = (first.token, first.groups(), first.customer_export(), first.tenant_uid)
        when = first.now()
    with Sandbox(path, customers=5_000) as second:
        call = Caller(second)

        assert told == (second.token, second.groups(), second.customer_export(), "mine")
        assert 0 <= (second.now() - when).total_seconds() < 60
        assert call.page("")[1]["pageNumber"] == 0
        call.http.close()


def test_a_file_that_is_no_sandbox_is_refused(tmp_path: Any) -> None:
    "Neither a text nor somebody's database is written over."
    text, database = tmp_path / "a.txt", tmp_path / "b.sqlite"
    text.write_text("Not a database, but long enough to be looked at as one by whoever reads its first 100 bytes.")
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()

    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(InputError, match=path.name):
            Sandbox(path, empty=True).start()
        assert path.read_bytes() == before


def test_a_busy_port_is_said_clearly(sandbox: Sandbox) -> None:
    "Two sandboxes cannot share a port, in a thread or in a process."
    port = int(sandbox.base_url.split(":")[2].split("/")[0])

    for process in (False, True):
        with pytest.raises(InputError, match=str(port)):
            Sandbox(empty=True, port=port, process=process).start()


def test_a_child_process_serves_the_same() -> None:
    "With process=True requests, faults, cuts, the log, direct changes and time work as in a thread."
    with Sandbox(customers=60, groups=8, process=True, faults=[Fault("cut_after", method="POST")]) as sandbox:
        call = Caller(sandbox)

        with pytest.raises(httpx.HTTPError):
            call("POST", json={"name": "New", "customerGroupUid": "new"})
        sandbox.add_members("new", sandbox.members("staff"))
        sandbox.advance(60)

        assert call.page("/new/customers")[1]["totalCount"] > 0
        assert [entry["status"] for entry in sandbox.requests()] == [None, 200]
        call.http.close()


def test_a_child_ends_with_its_parent(tmp_path: Any) -> None:
    "When the parent is killed, the port is free again."
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
    pytest.fail("The child still serves after its parent ended.")


def test_a_child_that_cannot_start_tells_why(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    "What the child wrote to its standard error is in the error of the parent."
    (tmp_path / "frgroups.py").write_text("raise RuntimeError('no room for a child')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(FrgroupsError, match="no room for a child"):
        Sandbox(empty=True, process=True).start()


def test_writers_at_the_same_time_lose_nothing(call: Caller, sandbox: Sandbox) -> None:
    "Two clients and the owner write at once; every change is there, and customers tell the same groups."
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


def test_closing_ends_the_threads() -> None:
    "After ten sandboxes were started and closed, none of their threads is left."
    for _ in range(10):
        with Sandbox(empty=True):
            pass

    assert not [thread for thread in threading.enumerate() if thread.name == "frgroups-sandbox"]


def test_a_client_of_the_package_has_the_sandboxes_clock(sandbox: Sandbox) -> None:
    "The client that a sandbox gives may read or write as asked, and lives in the sandbox's time."
    sandbox.advance(30)

    with sandbox.client() as client:
        assert not client.writable
        assert {group.customer_group_uid for group in client.iter_groups()} == {"g", "h"}
        assert abs((client.clock() - sandbox.now()).total_seconds()) < 5
    with sandbox.client(writable=True) as client:
        client.update_group_customers("h", add=["c-01"])
    assert sandbox.members("h") == ["c-01"]


# The made-up tenant.


def test_the_tenant_is_the_same_for_the_same_seed() -> None:
    "Seed and size decide who is where; another seed decides otherwise."

    def world(seed: int) -> dict[str, list[str]]:
        with Sandbox(customers=80, groups=12, seed=seed) as sandbox:
            return {uid: sandbox.members(uid) for uid in sandbox.groups()}

    assert world(3) == world(3) != world(4)


@pytest.mark.parametrize(("customers", "groups"), [(50, 8), (120, 61), (60, 150)])
def test_any_size_can_be_made(customers: int, groups: int) -> None:
    "As many customers and groups are made as were asked for."
    with Sandbox(customers=customers, groups=groups) as sandbox:
        assert len(sandbox.customer_export()) == customers
        assert len(sandbox.groups()) == groups


def test_the_tenant_has_what_a_real_one_has(tenant: Sandbox) -> None:
    "Nested, doubled, nearly doubled, empty and namesake groups, and some customers in none."
    members = {uid: set(tenant.members(uid)) for uid in tenant.groups()}
    names = Counter(tenant.groups().values())
    copy = next(uid for uid, name in tenant.groups().items() if name == "Newsletter 2025 (copy)")
    doubles = [uid for uid, name in tenant.groups().items() if name.startswith("Skitestere")]
    everyone = {row["customer_uid"] for row in tenant.customer_export()}

    assert members["vip_gold"] < members["group_vip"] < members["loyalty"]
    assert 0.6 < len(members["loyalty"]) / len(everyone) < 0.7
    assert members["pilot"] == set()
    assert names["Kampanje"] == 2
    assert names["<b>Outlet</b>"] == 1
    assert members[doubles[0]] == members[doubles[1]]
    shared = members[copy] & members["newsletter_2025"]
    assert members[copy] != members["newsletter_2025"]
    assert len(shared) / len(members[copy] | members["newsletter_2025"]) > 0.95
    assert len(members["group_vip"] & members["loyalty"] - members["staff"]) > 80
    assert members["group_vip"] & members["staff"]
    assert 0.03 < len(everyone - set().union(*members.values())) / len(everyone) < 0.05


def test_the_customers_look_real_and_reach_nobody(tenant: Sandbox) -> None:
    "All types and countries, several kinds of uid, and only addresses and numbers that reach nobody."
    call = Caller(tenant)
    answers = [call("GET", f"/{uid}/customers", params={"pageSize": 500}).json() for uid in tenant.groups()]
    call.http.close()
    customers = {item["customerUid"]: item for answer in answers for item in answer["items"]}

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


def test_a_month_passes() -> None:
    "Customers join and leave, some vanish, a campaign begins and an old one ends; the same month each time."

    def after_a_month() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        with Sandbox(customers=2_000, seed=5, days_ago=30) as sandbox:
            before = {uid: set(sandbox.members(uid)) for uid in sandbox.groups()}
            then = sandbox.now()
            sandbox.advance(30)
            assert 29.9 < (sandbox.now() - then).total_seconds() / 86_400 < 30.1
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


def test_half_a_year_is_believable_and_the_same_whenever_it_passes() -> None:
    "Groups grow and shrink a little each month, customers climb and fall, and no date is in a uid or a name."

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


def test_only_the_clock_moves_in_a_tenant_of_your_own(sandbox: Sandbox) -> None:
    "What was filled by hand stays as it is, however long."
    began = sandbox.now()
    sandbox.advance(45)

    assert 44.9 < (sandbox.now() - began).total_seconds() / 86_400 < 45.1
    assert sandbox.groups() == {"g": "Everyone", "h": "No one"}
    assert sandbox.members("g") == CUSTOMERS


def test_the_shops_own_export_has_everybody(tenant: Sandbox, tmp_path: Any) -> None:
    "The export has a row for each customer, also for those in no group, and keeps leading zeros as text."
    path = tenant.write_export(tmp_path / "kunder.csv")

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2_000
    assert rows == tenant.customer_export()
    assert any(row["customer_id"].startswith("0") for row in rows)
    assert any(row["customer_id"] == "" for row in rows)
