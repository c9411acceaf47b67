"""Tests for client operations, failures, tokens, base URLs, and paging over HTTP with a local sandbox."""

import logging
import re
import socket
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.errors import (
    ApiError,
    AuthError,
    ConnectionFailedError,
    DriftedReadError,
    ForbiddenError,
    InputError,
    NotFoundError,
    NotWritableError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    TokenCommandError,
    UnexpectedResponseError,
)
from frgroups.sandbox.faults import Fault

TENANT = "sport_nordic"
# This policy allows three attempts and a Retry-After delay of at most 5 s.
QUICK = RetryPolicy(max_attempts=3, base=0.001, max_delay=5)

# The dictionary contains the client call for each API operation.
OPERATIONS = {
    "get-customer-groups": lambda client: list(client.iter_groups()),
    "get-customer-groups-by-uid": lambda client: client.get_group("vip"),
    "post-customer-groups": lambda client: client.create_group("Summer"),
    "put-customer-groups": lambda client: client.update_group("vip", name="Gold"),
    "delete-customer-groups": lambda client: client.delete_group("vip"),
    "get-customer-groups-customers": lambda client: list(client.iter_group_customers("vip")),
    "put-customer-groups-customers": lambda client: client.update_group_customers("vip", add=["c3"], remove=["c1"]),
}
READS = [name for name in OPERATIONS if name.startswith("get-")]
WRITES = [name for name in OPERATIONS if not name.startswith("get-")]
# These operations return status 204 without a body.
WITHOUT_BODY = ["delete-customer-groups", "put-customer-groups-customers"]

# Each value contains the fault, the expected exception class, and the expected status.
FAILURES = {
    "cut before": (Fault("cut_before", times=None), ConnectionFailedError, None),
    "cut after": (Fault("cut_after", times=None), ConnectionFailedError, None),
    "cut during": (Fault("cut_during", times=None), ConnectionFailedError, None),
    # The server waits longer than the test run, so that a write cannot change the tenant of a later test.
    "slow": (Fault("hang", times=None, seconds=3600), ConnectionFailedError, None),
    "500": (Fault("status", times=None, status=500), ServerError, 500),
    "502": (Fault("status", times=None, status=502), ServerError, 502),
    "503 after the write": (Fault("status_after", times=None, status=503), ServerError, 503),
    "429": (Fault("status", times=None, status=429), RateLimitedError, 429),
    "429 with a long wait": (Fault("status", times=None, status=429, retry_after="3600"), RateLimitedError, 429),
    "HTML": (Fault("html", times=None), UnexpectedResponseError, 200),
    "garbage": (Fault("garbage", times=None), UnexpectedResponseError, 200),
    "redirect": (Fault("redirect", times=None, location="https://elsewhere.example/"), UnexpectedResponseError, 302),
    "400": (Fault("status", times=None, status=400), RequestRejectedError, 400),
    "401": (Fault("status", times=None, status=401), AuthError, 401),
    "403": (Fault("status", times=None, status=403), ForbiddenError, 403),
    "404": (Fault("status", times=None, status=404), NotFoundError, 404),
    "405": (Fault("status", times=None, status=405), RequestRejectedError, 405),
    "409": (Fault("status", times=None, status=409), RequestRejectedError, 409),
    "413": (Fault("status", times=None, status=413), RequestRejectedError, 413),
}
RETRIED = {"cut before", "cut after", "cut during", "slow", "garbage", "500", "502", "503 after the write", "429"}


@pytest.fixture
def sandbox(running):
    """A sandbox tenant with two groups and three customers, and without simulated faults."""
    running.reset()
    running.put_customers(["c1", "c2", "c3"])
    running.put_group("vip", "VIP")
    running.put_group("staff", "Staff")
    running.add_members("vip", ["c1", "c2"])
    return running


@pytest.fixture
def connect():
    """A function that creates clients for a sandbox. The clients are closed when the test ends."""
    clients = []

    def create(sandbox, token=None, **options):
        options = {"base_url": sandbox.base_url, "retry": QUICK, "clock": sandbox.now, **options}
        clients.append(fg.Client(sandbox.tenant_uid, token or sandbox.token, **options))
        return clients[-1]

    yield create
    for client in clients:
        client.close()


def shown_text(error):
    """Return all text of an error that a terminal, a log, or a notebook might show."""
    return "\n".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


# Operations


def test_operations(sandbox, connect):
    "The seven client operations read and change groups and their members."
    client = connect(sandbox, writable=True)

    created = client.create_group("Summer", "summer")
    renamed = client.update_group("summer", name="Winter")
    client.update_group_customers("vip", add=["c3"], remove=["c1", "c1"])
    client.delete_group("staff")

    assert (created.name, renamed.name, client.get_group("summer").name) == ("Summer", "Winter", "Winter")
    assert [group.uid for group in client.iter_groups()] == ["summer", "vip"]
    assert [customer.uid for customer in client.iter_group_customers("vip")] == ["c2", "c3"]
    assert [customer.customer_group_uids for customer in client.iter_group_customers("vip")] == [("vip",), ("vip",)]
    assert sandbox.members("vip") == ["c2", "c3"]


def test_create_group_without_uid(sandbox, connect):
    "If no group uid is passed, the server chooses a uid. Two groups can have the same name."
    client = connect(sandbox, writable=True)

    first, second = client.create_group("Summer"), client.create_group("Summer")

    assert first.uid != second.uid
    assert first.name == second.name == "Summer"


def test_empty_membership_change(sandbox, connect):
    "If a membership change contains no customers, no request is sent."
    client = connect(sandbox, writable=True)

    client.update_group_customers("vip", add=[], remove=iter(()))

    assert sandbox.requests() == []


def test_sorting(sandbox, connect):
    "The requests for all pages contain the sort options, and the client returns records in the server's order."
    client = connect(sandbox, page_size=1)

    groups = client.iter_groups(sort_by="name", sort_direction="DESC")
    customers = client.iter_group_customers("vip", sort_by="customerUid", sort_direction="DESC")

    assert [group.name for group in groups] == ["VIP", "Staff"]
    assert [customer.uid for customer in customers] == ["c2", "c1"]
    paths = [request["path"] for request in sandbox.requests()]
    assert len(paths) == 6  # After a full last page, an empty page shows the end of the list.
    assert all("sortBy=" in path and "sortDirection=DESC" in path for path in paths)


def test_unknown_sort_field(sandbox, connect):
    "If the server rejects the sort field with status 400, `server_message` contains the server's message."
    client = connect(sandbox)

    with pytest.raises(RequestRejectedError) as caught:
        list(client.iter_groups(sort_by="shoe_size"))

    assert caught.value.status == 400
    assert "sortBy" in caught.value.server_message
    assert caught.value.server_message in str(caught.value)


# Failures


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        (operation, failure)
        for operation in OPERATIONS
        for failure in FAILURES
        if not (operation in WITHOUT_BODY and failure in ("cut during", "garbage"))
    ],
)
def test_failures(operation, failure, sandbox, connect):
    "Each failed request raises an exception with the operation, tenant, and status. Only reads are retried."
    fault, kind, status = FAILURES[failure]
    if (operation, failure) == ("post-customer-groups", "garbage"):
        status = 201  # The fault replaces only the body of the response.
    slow = failure == "slow"
    client = connect(sandbox, writable=True, timeout=0.05 if slow else 5)
    sandbox.misbehave(fault)

    with pytest.raises(ApiError) as caught:
        OPERATIONS[operation](client)

    error = caught.value
    assert type(error) is kind
    assert (error.operation, error.tenant_uid, error.status) == (operation, TENANT, status)
    assert operation in str(error) and TENANT in str(error) and "127.0.0.1" in str(error)
    assert status is None or str(status) in str(error)
    assert sandbox.token not in shown_text(error)
    retried = operation in READS and failure in RETRIED
    # The sandbox logs a request after the response, so the log does not contain hanging requests.
    assert client.n_requests == (3 if retried else 1)
    assert slow or len(sandbox.requests()) == client.n_requests


@pytest.mark.parametrize("failure", [name for name in FAILURES if name[:3].isdecimal()])
def test_server_message(failure, sandbox, connect):
    "The attribute `server_message` contains the server's message, which is also part of the error text."
    client = connect(sandbox)
    sandbox.misbehave(FAILURES[failure][0])

    with pytest.raises(ApiError) as caught:
        client.get_group("vip")

    assert str(caught.value.status) in caught.value.server_message
    assert caught.value.server_message in str(caught.value)


@pytest.mark.parametrize("failure", ["cut before", "slow", "HTML", "redirect"])
def test_no_server_message(failure, sandbox, connect):
    "If the response contains no message, `server_message` is an empty string."
    client = connect(sandbox, timeout=0.05 if failure == "slow" else 5)
    sandbox.misbehave(FAILURES[failure][0])

    with pytest.raises(ApiError) as caught:
        client.get_group("vip")

    assert caught.value.server_message == ""


@pytest.mark.parametrize("failure", ["cut before", "cut after", "slow", "500", "503 after the write", "HTML"])
@pytest.mark.parametrize("operation", WRITES)
def test_unknown_result_of_a_write(operation, failure, sandbox, connect):
    "If the response to a write is lost or invalid, the error states that the result is unknown."
    client = connect(sandbox, writable=True, timeout=0.05 if failure == "slow" else 5)
    sandbox.misbehave(FAILURES[failure][0])

    with pytest.raises(ApiError, match="not known"):
        OPERATIONS[operation](client)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_server_down(operation, sandbox, connect):
    "If no server listens on the port, the error contains the host and port. Reads are attempted three times."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    client = connect(sandbox, base_url=f"http://127.0.0.1:{port}/v2", writable=True)

    with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port} ") as caught:
        OPERATIONS[operation](client)

    assert (caught.value.operation, caught.value.status) == (operation, None)
    assert client.n_requests == (3 if operation in READS else 1)


@pytest.mark.parametrize("failure", ["cut before", "cut during", "500", "429"])
@pytest.mark.parametrize("operation", READS)
def test_read_succeeds_after_two_failures(operation, failure, sandbox, connect):
    "If a read fails twice and then succeeds, it returns the same result as a read without failures."
    client = connect(sandbox)
    expected = OPERATIONS[operation](client)
    sandbox.clear_requests()
    fault, _, _ = FAILURES[failure]
    sandbox.misbehave(Fault(fault.kind, times=2, status=fault.status))

    found = OPERATIONS[operation](client)

    assert found == expected
    assert len(sandbox.requests()) == 3


@pytest.mark.parametrize("operation", WRITES)
def test_writes_are_not_retried(operation, sandbox, connect):
    "A failed write is not retried, including the creation of a group without a uid."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before"))

    with pytest.raises(ConnectionFailedError):
        OPERATIONS[operation](client)

    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize("operation", WRITES)
def test_html_response_to_a_write(operation, sandbox, connect):
    "If the response to a write is an HTML page with status 200, UnexpectedResponseError is raised."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("html"))

    with pytest.raises(UnexpectedResponseError, match="HTML"):
        OPERATIONS[operation](client)

    assert sandbox.groups() == {"staff": "Staff", "vip": "VIP"}
    assert sandbox.members("vip") == ["c1", "c2"]


def test_closed_client(sandbox):
    "Calling a method of a closed client raises InputError and sends no request."
    client = sandbox.client()
    client.close()

    with pytest.raises(InputError, match="client is closed"):
        client.get_group("vip")

    assert sandbox.requests() == []


# Creation of groups with a uid


@pytest.mark.parametrize("fault", [Fault("cut_after"), Fault("status_after", status=502), Fault("cut_during")])
def test_create_with_lost_response(fault, sandbox, connect):
    "If a group was created but the response is lost, the client reads the group and does not repeat the request."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(fault)

    group = client.create_group("Summer", "summer")

    assert (group.uid, group.name) == ("summer", "Summer")
    assert [request["method"] for request in sandbox.requests()] == ["POST", "GET"]
    assert list(sandbox.groups()) == ["staff", "summer", "vip"]


def test_create_with_lost_request(sandbox, connect):
    "If the request to create a group is lost, the client checks that the group does not exist and sends it again."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before"))

    client.create_group("Summer", "summer")

    assert [request["method"] for request in sandbox.requests()] == ["POST", "GET", "POST"]
    assert sandbox.groups()["summer"] == "Summer"


def test_create_is_repeated_once(sandbox, connect):
    "If the request to create a group is lost twice, the error refers to the creation and not to the check."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before", method="POST", times=None))

    with pytest.raises(ConnectionFailedError) as caught:
        client.create_group("Summer", "summer")

    assert caught.value.operation == "post-customer-groups"
    assert [request["method"] for request in sandbox.requests()] == ["POST", "GET", "POST"]


def test_create_that_cannot_be_confirmed(sandbox, connect):
    "If the response is lost and the group cannot be read, the error refers to the creation and not to the read."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_after", method="POST"), Fault("status", method="GET", times=None))

    with pytest.raises(ConnectionFailedError, match="not known") as caught:
        client.create_group("Summer", "summer")

    assert caught.value.operation == "post-customer-groups"


def test_create_with_the_uid_of_another_group(sandbox, connect):
    "If the uid already belongs to a group with another name, the error contains both group names."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before"))

    with pytest.raises(InputError, match=r"'vip'.*'VIP'.*'Summer'"):
        client.create_group("Summer", "vip")

    assert sandbox.groups()["vip"] == "VIP"


# Invalid arguments


@pytest.mark.parametrize("uid", ["", "a/b", "..", ".", "a b", "vip\n", "a.b", "æ", "a%2Fb", "a?b", None, 150])
@pytest.mark.parametrize(
    "call",
    [
        lambda client, uid: client.get_group(uid),
        lambda client, uid: client.update_group(uid, name="x"),
        lambda client, uid: client.delete_group(uid),
        lambda client, uid: list(client.iter_group_customers(uid)),
        lambda client, uid: client.update_group_customers(uid, add=["c1"]),
        lambda client, uid: client.update_group_customers("vip", add=[uid]),
        lambda client, uid: client.update_group_customers("vip", remove=["c1", uid]),
    ],
    ids=["get", "rename", "delete", "customers", "change", "add", "remove"],
)
def test_invalid_uid(call, uid, sandbox, connect):
    "An invalid uid, for example a uid with a slash or a dot, raises InputError and is not sent."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="uid"):
        call(client, uid)

    assert sandbox.requests() == []


@pytest.mark.parametrize("uid", ["", "a/b", "vip\n", "a b"])
def test_create_group_with_invalid_uid(uid, sandbox, connect):
    "An invalid uid for a new group is rejected, including an empty string. The server chooses a uid only for None."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="customer group uid"):
        client.create_group("Summer", uid)

    assert sandbox.requests() == []


@pytest.mark.parametrize("uid", ["", "a/b", "..", "t 1", "t\n", None, 7])
def test_invalid_tenant_uid(uid):
    "The tenant uid is validated when the client is created."
    with pytest.raises(InputError, match="tenant uid"):
        fg.Client(uid, "secret")


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_invalid_group_name(name, sandbox, connect):
    "An empty group name is rejected, both for a new group and for an existing group."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="`name`"):
        client.create_group(name)
    with pytest.raises(InputError, match="`name`"):
        client.update_group("vip", name=name)

    assert sandbox.requests() == []


def test_string_instead_of_list(sandbox, connect):
    "A string is rejected as `add`, because 'c1' would be interpreted as the customers 'c' and '1'."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match=r"`add`.*\['c1'\]"):
        client.update_group_customers("vip", add="c1")

    assert sandbox.requests() == []


def test_customer_in_add_and_remove(sandbox, connect):
    "If a customer is in both `add` and `remove`, an error with the customer uid is raised."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match=r"`add` and `remove` .*1 .*c2"):
        client.update_group_customers("vip", add=["c2", "c3"], remove=["c2"])

    assert sandbox.requests() == []


@pytest.mark.parametrize("operation", WRITES)
def test_read_only_client(operation, sandbox, connect):
    "If the client was created without `writable=True`, each write raises NotWritableError and sends no request."
    client = connect(sandbox)

    with pytest.raises(NotWritableError, match=f"{operation}.*writable=True"):
        OPERATIONS[operation](client)

    assert sandbox.requests() == []


def test_token_without_write_permission(sandbox, connect):
    "If the token has no write permission, a write raises ForbiddenError with the name of the permission."
    client = connect(sandbox, sandbox.read_only_token, writable=True)

    with pytest.raises(ForbiddenError, match="CUSTOMER"):
        client.update_group("vip", name="Gold")

    assert sandbox.groups()["vip"] == "VIP"


@pytest.mark.parametrize(
    "options",
    [{"page_size": 0}, {"workers": 0}, {"timeout": 0}, {"requests_per_second": 0}, {"requests_per_second": -1}],
)
def test_options_that_are_not_positive(options):
    "An option that is 0 or negative is rejected. In particular, a rate limit of 0 does not disable the limit."
    with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
        fg.Client("t-1", "secret", **options)


# Redirects


def test_redirect_to_another_host(sandbox, connect):
    "A redirect to another port on this machine is rejected, and no request is sent to that port."
    client = connect(sandbox)
    with fg.Sandbox(empty=True) as other:
        sandbox.misbehave(Fault("redirect", location=f"{other.base_url}/tenants/{TENANT}/customer-groups/vip"))

        with pytest.raises(UnexpectedResponseError, match="302"):
            client.get_group("vip")

        assert other.requests() == []


def test_redirect_on_the_same_host(sandbox, connect):
    "If a read is redirected to the same resource on the same host, the client follows the redirect."
    client = connect(sandbox)
    sandbox.misbehave(Fault("redirect", location=f"/v2/tenants/{TENANT}/customer-groups/vip"))

    group = client.get_group("vip")

    assert (group.uid, len(sandbox.requests())) == ("vip", 2)


def test_redirected_write(sandbox, connect):
    "If a write is redirected, the client does not follow the redirect."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("redirect", location=f"/v2/tenants/{TENANT}/customer-groups/staff"))

    with pytest.raises(UnexpectedResponseError, match="302"):
        client.delete_group("vip")

    assert sandbox.groups() == {"staff": "Staff", "vip": "VIP"}
    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize("operation", ["read", "write"])
def test_target_of_a_redirect(operation, sandbox, connect):
    "The error for a redirect that is not followed contains the target without its query."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("redirect", location="https://login.example/start?ticket=hunter2"))

    with pytest.raises(UnexpectedResponseError) as caught:
        client.get_group("vip") if operation == "read" else client.delete_group("vip")

    assert "another host: https://login.example/start " in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert ("not known whether" in str(caught.value)) is (operation == "write")


def test_redirect_loop(sandbox, connect):
    "If a request is redirected more than 3 times, UnexpectedResponseError is raised."
    client = connect(sandbox)
    sandbox.misbehave(
        Fault("redirect", times=None, location=f"/v2/tenants/{TENANT}/customer-groups/vip"),
    )

    with pytest.raises(UnexpectedResponseError, match="3 times"):
        client.get_group("vip")

    assert len(sandbox.requests()) == 4


@pytest.mark.parametrize("location", ["javascript:1", "https://", "http://[::1", "//", "data:,x"])
def test_redirect_to_invalid_location(location, sandbox, connect):
    "If the location of a redirect is invalid, ApiError is raised."
    client = connect(sandbox)
    sandbox.misbehave(Fault("redirect", times=None, location=location))

    with pytest.raises(ApiError, match="base URL"):
        client.get_group("vip")


# Tokens


def test_token_string_or_callable(sandbox, connect):
    "A token can be a string or a callable. A callable is called once, before the first request."
    calls = []

    def source():
        calls.append(1)
        return sandbox.token

    with_string, with_callable = connect(sandbox), connect(sandbox, source)

    assert calls == []
    assert with_string.get_group("vip") == with_callable.get_group("vip") == with_callable.get_group("vip")
    assert calls == [1]


def test_token_with_bearer_prefix(sandbox, connect):
    "The prefix `Bearer` and surrounding whitespace are removed from a token."
    client = connect(sandbox, f" Bearer {sandbox.token}\n")

    assert client.get_group("vip").name == "VIP"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_expired_token(operation, sandbox, connect):
    "After status 401, the token callable is called again and the request is repeated, even if it is a write."
    tokens = iter(["expired-token-1", sandbox.token])
    client = connect(sandbox, lambda: next(tokens), writable=True)

    OPERATIONS[operation](client)

    assert [request["status"] == 401 for request in sandbox.requests()] == [True, False]


def test_second_token_is_rejected_too(sandbox, connect):
    "If the server also rejects the second token, AuthError is raised. The error does not contain the tokens."
    calls = []

    def source():
        calls.append(1)
        return f"expired-token-{len(calls)}"

    client = connect(sandbox, source)

    with pytest.raises(AuthError, match="401") as caught:
        client.get_group("vip")

    assert len(calls) == len(sandbox.requests()) == 2
    assert "expired-token" not in shown_text(caught.value)


def test_rejected_token_string(sandbox, connect):
    "If the server rejects a token that was passed as a string, AuthError is raised without a second request."
    client = connect(sandbox, "expired-token-1")

    with pytest.raises(AuthError):
        client.get_group("vip")

    assert len(sandbox.requests()) == 1


def test_token_renewal_in_threads(sandbox, connect):
    "If eight threads receive status 401 at the same time, only one of them requests a new token."
    calls = []

    def source():
        calls.append(threading.current_thread().name)
        return sandbox.token if len(calls) > 1 else "expired-token-1"

    client = connect(sandbox, source, workers=8)
    sandbox.misbehave(latency=0.2)
    barrier = threading.Barrier(8)

    def read(_):
        barrier.wait()
        return client.get_group("vip").name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(read, range(8)))

    assert names == ["VIP"] * 8
    assert len(calls) == 2
    statuses = sorted(request["status"] for request in sandbox.requests())
    assert statuses == [200] * 8 + [401] * 8


@pytest.mark.parametrize("token", ["", "   ", None, 5, b"secret", "sec\nret", "sec\x00ret", "sécret", "sec\tret"])
def test_invalid_token(token, sandbox):
    "A token that is empty, not a string, or not printable ASCII is rejected. The error does not contain the token."
    messages = []
    for source in (token, lambda: token):
        with (
            pytest.raises(InputError, match="token") as caught,
            fg.Client("t-1", source, base_url=sandbox.base_url) as client,
        ):
            client.get_group("vip")
        messages.append(str(caught.value))

    assert not any("ret" in re.sub(r"\breturn\w*", "", message) for message in messages)
    assert not any("Hidden" in message for message in messages)
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("token", "fact"), [(None, "returned None"), (5, "int"), (" ", "empty string"), (b"x", "bytes")]
)
def test_result_of_token_callable(token, fact, sandbox, connect):
    "If a token callable returns no token, the error states what it returned and does not mention FRGROUPS_TOKEN."
    with pytest.raises(InputError, match=fact) as caught:
        connect(sandbox, lambda: token).get_group("vip")

    assert "callable" in str(caught.value) and "FRGROUPS_TOKEN" not in str(caught.value)


@pytest.mark.parametrize("error", [ValueError, OSError, KeyError, type("VaultError", (Exception,), {})])
def test_failed_token_callable(error, sandbox, connect):
    "If a token callable raises an exception, the error contains only the type, because the message can be secret."

    def source():
        raise error("hunter2")

    with pytest.raises(TokenCommandError, match=error.__name__) as caught:
        connect(sandbox, source).get_group("vip")

    assert "hunter2" not in shown_text(caught.value)
    assert sandbox.requests() == []


def test_frgroups_error_in_token_callable(sandbox, connect):
    "An error of frgroups in a token callable is not replaced."

    def source():
        raise InputError("The vault is locked.")

    with pytest.raises(InputError, match="vault is locked"):
        connect(sandbox, source).get_group("vip")


def test_token_is_not_shown(sandbox, connect, caplog, monkeypatch):
    "The token does not appear in errors, reprs, cards, and the DEBUG log records of frgroups and httpx."
    monkeypatch.setattr("frgroups.api.retry.MIN_RATE", 1e9)  # Status 429 does not slow down the following requests.
    caplog.set_level(logging.DEBUG)
    for name in ("frgroups", "frgroups.api", "httpx"):
        caplog.set_level(logging.DEBUG, logger=name)
    texts = []
    for fault, _, _ in FAILURES.values():
        sandbox.misbehave(fault)
        client = connect(sandbox, writable=True, timeout=0.05 if fault.kind == "hang" else 5)
        for call in OPERATIONS.values():
            try:
                call(client)
            except ApiError as error:
                texts.append(shown_text(error))
        texts += [repr(client), client._repr_html_(), str(client)]
    sandbox.behave()
    texts += [repr(client.check()), client.check()._repr_html_(), repr(sandbox)]

    logged = "\n".join([caplog.text, *(repr(vars(record)) for record in caplog.records)])

    assert any(record.name.startswith("httpx") for record in caplog.records)
    assert any(record.name == "frgroups.api" for record in caplog.records)
    assert len(texts) > 100
    assert not any(sandbox.token in text for text in texts)
    assert sandbox.token not in logged
    assert "authorization" not in logged.lower()


def test_token_in_server_message(sandbox, connect):
    "If the server's message contains the token, the token is removed from `server_message`."
    client = connect(sandbox)

    with pytest.raises(NotFoundError) as caught:
        client.get_group(sandbox.token)

    assert "…" in caught.value.server_message and sandbox.token not in caught.value.server_message


def test_long_token_in_server_message():
    "The token is removed before a long server message is shortened, so that no part of the token remains."
    token = "secret" * 48
    with (
        fg.Sandbox(empty=True, token=token) as tenant,
        tenant.client() as client,
        pytest.raises(NotFoundError) as caught,
    ):
        client.get_group(token)

    assert "…" in caught.value.server_message and "secret" not in caught.value.server_message


# Base URLs


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("stage", fg.STAGE),
        ("production", fg.PRODUCTION),
        (fg.PRODUCTION + "/", fg.PRODUCTION),
        ("https://shop.example/v2///", "https://shop.example/v2"),
        ("http://127.0.0.1:8000/v2", "http://127.0.0.1:8000/v2"),
        ("http://localhost:8000/v2/", "http://localhost:8000/v2"),
        ("http://[::1]:8000/v2", "http://[::1]:8000/v2"),
        ("HTTPS://Shop.Example:443/v2", "https://shop.example/v2"),
        ("https://shop.example:443/v2", "https://shop.example/v2"),
        ("HTTP://LOCALHOST:80/v2", "http://localhost/v2"),
    ],
)
def test_base_url(given, expected):
    """
    A base URL is an environment name or a URL.

    A trailing slash and a default port are removed, and loopback hosts can use http.
    """
    with fg.Client("t-1", "secret", base_url=given) as client:
        assert client.base_url == expected


def test_default_base_url():
    "The default base URL is the URL of the stage environment."
    with fg.Client("t-1", "secret") as client:
        assert client.base_url == fg.STAGE == "https://api.stage.flowretail.com/v2"


@pytest.mark.parametrize(
    "given",
    [
        "http://api.flowretail.com/v2",
        "http://localhost.evil.example/v2",
        "http://127.0.0.1.evil.example/v2",
        "http://10.0.0.1/v2",
    ],
)
def test_http_to_another_machine(given):
    "An http URL for another machine is rejected, because the token would be sent unencrypted."
    with pytest.raises(InputError, match=r"`base_url` .*https"):
        fg.Client("t-1", "secret", base_url=given)


@pytest.mark.parametrize(
    "given",
    [
        "https://anna:hunter2@shop.example/v2",
        "http://anna:hunter2@127.0.0.1/v2",
        "https://hunter2@shop.example/v2",
        "https://anna:hunter2@",
        "ftp://anna:hunter2@shop.example",
        "https://anna:hunter2@[::1",
        "https://anna:hunter2@" + "a" * 70,
    ],
)
def test_password_in_base_url(given):
    "A base URL with a password is rejected, and the error does not contain the password."
    with pytest.raises(InputError) as caught:
        fg.Client("t-1", "secret", base_url=given)

    assert "hunter2" not in shown_text(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "staging",
        "shop.example/v2",
        "//shop.example/v2",
        "ftp://shop.example",
        "https://",
        "https://[::1",
        "https://shop.example/v2?x=1",
        "https://shop.example/v2#x",
        "https://" + "a" * 70 + ".example/v2",
        "https://☃☃",
        "http://127.0.0.1:99999/v2",
        "http://127.0.0.1:0/v2",
        "https://shop.example:-1/v2",
        "https://256.1.1.1/v2",
        None,
        5,
    ],
)
def test_invalid_base_url(given):
    "An invalid base URL is rejected when the client is created."
    with pytest.raises(InputError, match="`base_url`"):
        fg.Client("t-1", "secret", base_url=given)


# Paging


@pytest.mark.parametrize("cap", range(1, 8))
@pytest.mark.parametrize("base", [0, 1])
def test_page_base_and_page_size(base, cap):
    "Each group and customer is read once and in order for any page size, whether the first page is 0 or 1."
    uids = [f"c{n:02d}" for n in range(13)]
    with (
        fg.Sandbox(empty=True, page_base=base, max_page_size=cap, default_page_size=cap) as tenant,
        tenant.client() as client,
    ):
        tenant.put_customers(uids)
        for name in "abcdefg":
            tenant.put_group(name, name)
        tenant.add_members("a", uids)

        groups = [group.uid for group in client.iter_groups()]
        customers = [customer.uid for customer in client.iter_group_customers("a")]
        snapshot = fg.load_snapshot(client, False)

    assert groups == list("abcdefg")
    assert customers == uids
    assert (list(snapshot["a"]), snapshot.verdict) == (uids, "consistent")


def test_server_ignores_the_page_size():
    "If the server ignores the page size and returns 2 records per page, all records are still read."
    uids = [f"c{n:02d}" for n in range(9)]
    with fg.Sandbox(empty=True, default_page_size=2, honor_page_size=False) as tenant, tenant.client() as client:
        tenant.put_customers(uids)
        tenant.put_group("a", "A")
        tenant.add_members("a", uids)

        customers = [customer.uid for customer in client.iter_group_customers("a")]
        snapshot = fg.load_snapshot(client, False)

    assert customers == uids
    assert (list(snapshot["a"]), snapshot.verdict) == (uids, "consistent")
    assert list(snapshot.reads["evidence"]) == ["second pass"]


def test_first_page_without_number(sandbox, connect):
    "The first request contains no page number, because the API does not document the number of the first page."
    client = connect(sandbox, page_size=1)

    list(client.iter_groups())

    first, second, third = (request["path"] for request in sandbox.requests())
    assert "pageNumber" not in first
    assert "pageNumber=2" in second and "pageNumber=3" in third


@pytest.mark.parametrize("operation", ["get-customer-groups", "get-customer-groups-customers"])
def test_total_is_too_large(operation, sandbox, connect):
    "If the reported total exceeds the number of records, DriftedReadError with both numbers is raised."
    client = connect(sandbox, page_size=1)
    sandbox.misbehave(endless=5)

    with pytest.raises(DriftedReadError, match=r"7 .*2"):
        OPERATIONS[operation](client)

    assert len(sandbox.requests()) == 3


def test_repeated_page(sandbox, connect):
    "If the server returns the first page again instead of the second page, DriftedReadError is raised."
    client = connect(sandbox, page_size=1)
    sandbox.misbehave(repeat_page=True)

    with pytest.raises(DriftedReadError, match=r"group vip .*page 2 "):
        list(client.iter_group_customers("vip"))

    assert len(sandbox.requests()) == 2


@pytest.mark.parametrize("how", ["absent", "empty", "wrong"])
def test_missing_group_uids(how, sandbox, connect):
    "The members of a group can be read even if the customer records contain no group uids."
    client = connect(sandbox)
    sandbox.misbehave(group_uids=how)

    customers = list(client.iter_group_customers("vip"))

    assert [customer.uid for customer in customers] == ["c1", "c2"]
    assert {customer.customer_group_uids for customer in customers} == {None if how == "absent" else ()}


def test_invalid_values_in_records(sandbox, connect):
    "Customers with unknown fields, nulls, empty dates, or invalid numbers are still returned."
    uids = [f"c{n:03d}" for n in range(100)]
    sandbox.put_customers(uids)
    sandbox.add_members("staff", uids)
    client = connect(sandbox, page_size=30)
    sandbox.misbehave(odd_records=True)

    customers = list(client.iter_group_customers("staff"))

    assert [customer.uid for customer in customers] == uids
    assert {customer.payment_terms for customer in customers} == {0, None}


# check() and from_env()


def test_check(sandbox, connect):
    "`Client.check` sends only reads and reports the host, the tenant, the groups, the paging, and the clock."
    client = connect(sandbox)

    check = client.check()

    assert {request["method"] for request in sandbox.requests()} == {"GET"}
    assert (check.base_url, check.tenant_uid, check.writable) == (sandbox.base_url, TENANT, False)
    assert (check.n_groups, check.page_base) == (2, 1)
    assert (check.asked_page_size, check.granted_page_size) == (500, 500)
    assert check.group_uids_filled is True
    assert abs(check.clock_skew_seconds) < 5
    assert {"Connected", "Tenant", "Token", "Write access", "Groups", "Page size"} <= check.facts.keys()
    assert TENANT in repr(check) and sandbox.base_url in repr(check)


@pytest.mark.parametrize(("how", "filled"), [("filled", True), ("absent", False), ("empty", False)])
def test_check_group_uids(how, filled, sandbox, connect):
    "`Client.check` reports whether customer records contain group uids."
    sandbox.misbehave(group_uids=how)

    check = connect(sandbox).check()

    assert check.group_uids_filled is filled


def test_check_with_maximum_total(sandbox, connect):
    "If the server's total is lower than the number of groups on the first page, these groups are counted."
    sandbox.misbehave(total_cap=1)

    assert connect(sandbox).check().n_groups == 2


def test_check_of_an_empty_tenant(sandbox, connect):
    "If the tenant has no members, the check result `group_uids_filled` is None."
    sandbox.reset()

    check = connect(sandbox).check()

    assert (check.n_groups, check.group_uids_filled) == (0, None)


def test_check_page_base_and_page_size():
    "`Client.check` reports the number of the first page and the server's page size."
    with (
        fg.Sandbox(empty=True, page_base=0, max_page_size=7, default_page_size=7) as tenant,
        tenant.client(writable=True) as client,
    ):
        check = client.check()

    assert (check.page_base, check.granted_page_size) == (0, 7)
    assert "0" in check.facts["Page numbers"]
    assert "CUSTOMER" in check.facts["Write access"]


def test_check_with_wrong_token_or_tenant(sandbox, connect):
    "`Client.check` raises AuthError for a wrong token and NotFoundError for a wrong tenant."
    with pytest.raises(AuthError):
        connect(sandbox, "expired-token-1").check()
    with fg.Client("other", sandbox.token, base_url=sandbox.base_url) as other, pytest.raises(NotFoundError):
        other.check()


@pytest.fixture
def environment(monkeypatch, sandbox):
    """Environment variables with the tenant, token, and base URL of the sandbox."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", TENANT)
    monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)
    return monkeypatch


def test_from_env(environment, sandbox):
    "`Client.from_env` returns a read-only client for the tenant in the environment variables."
    with fg.Client.from_env() as client:
        assert client.get_group("vip").name == "VIP"
        assert (client.writable, client.base_url) == (False, sandbox.base_url)


def test_from_env_options(environment):
    "`Client.from_env` accepts the options of the Client class."
    with fg.Client.from_env(writable=True, page_size=7) as client:
        assert (client.writable, client.page_size) == (True, 7)


@pytest.mark.parametrize("name", ["FRGROUPS_TENANT_UID", "FRGROUPS_TOKEN"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_from_env_missing_variable(name, value, environment):
    "If a required environment variable is missing, empty, or blank, the error contains the variable name."
    environment.delenv(name) if value is None else environment.setenv(name, value)

    with pytest.raises(InputError, match=name):
        fg.Client.from_env()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, fg.STAGE), ("", fg.STAGE), ("stage", fg.STAGE), ("production", fg.PRODUCTION)],
)
def test_from_env_base_url(value, expected, environment):
    "The variable FRGROUPS_BASE_URL can contain an environment name. The default is stage."
    environment.delenv("FRGROUPS_BASE_URL") if value is None else environment.setenv("FRGROUPS_BASE_URL", value)

    with fg.Client.from_env() as client:
        assert client.base_url == expected


def test_client_repr(environment):
    "The repr of a client contains the tenant, the host, and the access mode. The HTML card highlights production."
    environment.setenv("FRGROUPS_BASE_URL", "production")

    with fg.Client.from_env(writable=True) as client:
        assert repr(client) == f"<Client of {TENANT} at api.flowretail.com, reads and writes>"
        assert "PRODUCTION" in client._repr_html_()


def test_clock_skew(sandbox, connect):
    "The clock skew is the difference between the server's Date header and the time on this machine."
    client = connect(sandbox)

    skew = client.check().clock_skew_seconds

    assert abs(skew) < 5
    assert client.clock().tzinfo is not None
    assert abs((client.clock() - datetime.now(UTC)).total_seconds()) < 5


class Dripping:
    """A server that sends response headers and then an endless body, with a pause after each chunk of bytes."""

    def __init__(self, pause, chunk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v2"
        self.pause, self.chunk, self.ended = pause, chunk, threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with suppress(OSError):
            while not self.ended.is_set():
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
                    while not self.ended.is_set():
                        connection.sendall(self.chunk)
                        self.ended.wait(self.pause)

    def close(self):
        self.ended.set()
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def dripping(request):
    """A running server that sends an endless response body."""
    server = Dripping(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize("dripping", [(0.05, b" ")], indirect=True)
def test_slow_endless_body(dripping):
    "If a response body is endless and slow, an error is raised even though no single read exceeds the timeout."
    options = {"base_url": dripping.base_url, "timeout": 0.2, "retry": RetryPolicy(max_attempts=1)}
    with (
        fg.Client("t-1", "secret", **options) as client,
        pytest.raises(ConnectionFailedError, match="ReadTimeout"),
    ):
        client.get_group("vip")


@pytest.mark.slow
@pytest.mark.parametrize("dripping", [(0.0, b" " * 65536)], indirect=True)
def test_fast_endless_body(dripping, monkeypatch):
    "If a response body is endless and fast, an error is raised when it exceeds the size limit."
    monkeypatch.setattr("frgroups.api.transport.LARGEST_BODY", 4 << 20)
    with (
        fg.Client("t-1", "secret", base_url=dripping.base_url) as client,
        pytest.raises(UnexpectedResponseError, match="4 MiB"),
    ):
        client.get_group("vip")
