"""Each operation against each fault, over real HTTP on loopback; tokens, base URLs, paging, check."""

import logging
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
    UnexpectedResponseError,
)
from frgroups.sandbox.faults import Fault

TENANT = "sport_nordic"
# Three quick tries; a Retry-After of more than 5 s is too long.
QUICK = RetryPolicy(max_attempts=3, base=0.001, max_delay=5)

# Every operation of the API, as a user calls it.
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
# Answered 204: there is no body that could be cut or spoiled.
WITHOUT_BODY = ["delete-customer-groups", "put-customer-groups-customers"]

# What goes wrong, the error that says so, and the status it holds.
FAILURES = {
    "cut before": (Fault("cut_before", times=None), ConnectionFailedError, None),
    "cut after": (Fault("cut_after", times=None), ConnectionFailedError, None),
    "cut during": (Fault("cut_during", times=None), ConnectionFailedError, None),
    # Longer than any test, so that no write is done late in the tenant of another test.
    "slow": (Fault("hang", times=None, seconds=3600), ConnectionFailedError, None),
    "500": (Fault("status", times=None, status=500), ServerError, 500),
    "502": (Fault("status", times=None, status=502), ServerError, 502),
    "503 after doing it": (Fault("status_after", times=None, status=503), ServerError, 503),
    "429": (Fault("status", times=None, status=429), RateLimitedError, 429),
    "429 for an hour": (Fault("status", times=None, status=429, retry_after="3600"), RateLimitedError, 429),
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
PASSING = {"cut before", "cut after", "cut during", "slow", "500", "502", "503 after doing it", "429"}


@pytest.fixture
def sandbox(running):
    """A tenant with two groups and three customers, which behaves."""
    running.reset()
    running.put_customers(["c1", "c2", "c3"])
    running.put_group("vip", "VIP")
    running.put_group("staff", "Staff")
    running.add_members("vip", ["c1", "c2"])
    return running


@pytest.fixture
def connect():
    """Makes clients of a sandbox that are closed when the test ends."""
    made = []

    def make(sandbox, token=None, **options):
        options = {"base_url": sandbox.base_url, "retry": QUICK, "clock": sandbox.now, **options}
        made.append(fg.Client(sandbox.tenant_uid, token or sandbox.token, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def told(error):
    """All that a person, a log or a notebook may be shown of an error."""
    return "\n".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


# What the operations do.


def test_each_operation_does_what_it_says(sandbox, connect):
    "The seven operations read and change the tenant as they are named."
    client = connect(sandbox, writable=True)

    made = client.create_group("Summer", "summer")
    renamed = client.update_group("summer", name="Winter")
    client.update_group_customers("vip", add=["c3"], remove=["c1", "c1"])
    client.delete_group("staff")

    assert (made.name, renamed.name, client.get_group("summer").name) == ("Summer", "Winter", "Winter")
    assert [group.uid for group in client.iter_groups()] == ["summer", "vip"]
    assert [customer.uid for customer in client.iter_group_customers("vip")] == ["c2", "c3"]
    assert [customer.customer_group_uids for customer in client.iter_group_customers("vip")] == [("vip",), ("vip",)]
    assert sandbox.members("vip") == ["c2", "c3"]


def test_a_group_without_a_uid_gets_one_from_the_service(sandbox, connect):
    "Without a uid of one's own the service makes one up, and two groups may have one name."
    client = connect(sandbox, writable=True)

    first, second = client.create_group("Summer"), client.create_group("Summer")

    assert first.uid != second.uid
    assert first.name == second.name == "Summer"


def test_nothing_to_change_sends_nothing(sandbox, connect):
    "A membership change without a customer is no request."
    client = connect(sandbox, writable=True)

    client.update_group_customers("vip", add=[], remove=iter(()))

    assert sandbox.requests() == []


def test_sorting_is_asked_of_the_service(sandbox, connect):
    "sort_by and sort_direction are sent on every page, and the order is the service's."
    client = connect(sandbox, page_size=1)

    groups = client.iter_groups(sort_by="name", sort_direction="DESC")
    customers = client.iter_group_customers("vip", sort_by="customerUid", sort_direction="DESC")

    assert [group.name for group in groups] == ["VIP", "Staff"]
    assert [customer.uid for customer in customers] == ["c2", "c1"]
    paths = [request["path"] for request in sandbox.requests()]
    assert len(paths) == 4
    assert all("sortBy=" in path and "sortDirection=DESC" in path for path in paths)


def test_an_unknown_sort_is_refused_in_the_words_of_the_service(sandbox, connect):
    "A column that the service cannot sort by is its 400, with its own words in `.server_message`."
    client = connect(sandbox)

    with pytest.raises(RequestRejectedError) as caught:
        list(client.iter_groups(sort_by="shoe_size"))

    assert caught.value.status == 400
    assert "sortBy must be one of" in caught.value.server_message
    assert caught.value.server_message in str(caught.value)


# Each operation against each failure.


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        (operation, failure)
        for operation in OPERATIONS
        for failure in FAILURES
        if not (operation in WITHOUT_BODY and failure in ("cut during", "garbage"))
    ],
)
def test_each_failure_of_each_operation_is_one_clear_error(operation, failure, sandbox, connect):
    "Whatever goes wrong: the error of its kind, with operation, tenant and status; reads are repeated, writes never."
    fault, kind, status = FAILURES[failure]
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
    assert sandbox.token not in told(error)
    repeated = operation in READS and failure in PASSING
    # A request that still hangs is in no log yet.
    assert client.n_requests == (3 if repeated else 1)
    assert slow or len(sandbox.requests()) == client.n_requests


@pytest.mark.parametrize("failure", [name for name in FAILURES if name[:3].isdecimal()])
def test_the_words_of_the_service_are_a_fact_of_their_own(failure, sandbox, connect):
    "`.server_message` holds what the service said and nothing else; it is also part of the message."
    client = connect(sandbox)
    sandbox.misbehave(FAILURES[failure][0])

    with pytest.raises(ApiError) as caught:
        client.get_group("vip")

    assert caught.value.server_message == f"The sandbox was told to answer {caught.value.status}."
    assert f"The server message is: {caught.value.server_message}" in str(caught.value)


@pytest.mark.parametrize("failure", ["cut before", "slow", "HTML", "redirect"])
def test_a_service_that_says_nothing_leaves_said_empty(failure, sandbox, connect):
    "Without words of the service `.server_message` is an empty text, never missing."
    client = connect(sandbox, timeout=0.05 if failure == "slow" else 5)
    sandbox.misbehave(FAILURES[failure][0])

    with pytest.raises(ApiError) as caught:
        client.get_group("vip")

    assert caught.value.server_message == ""


@pytest.mark.parametrize("failure", ["cut before", "cut after", "slow", "500", "503 after doing it", "HTML"])
@pytest.mark.parametrize("operation", WRITES)
def test_a_write_that_may_have_happened_says_so(operation, failure, sandbox, connect):
    "After a lost or foreign answer to a write the message says that the outcome is not known."
    client = connect(sandbox, writable=True, timeout=0.05 if failure == "slow" else 5)
    sandbox.misbehave(FAILURES[failure][0])

    with pytest.raises(ApiError, match="Whether the change happened is not known"):
        OPERATIONS[operation](client)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_service_that_is_down_is_a_lost_connection(operation, sandbox, connect):
    "Nobody listens: an error that names host and port and asks whether it is up, after three tries of a read."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    client = connect(sandbox, base_url=f"http://127.0.0.1:{port}/v2", writable=True)

    with pytest.raises(ConnectionFailedError, match=f"could not connect to 127.0.0.1:{port} ") as caught:
        OPERATIONS[operation](client)

    assert (caught.value.operation, caught.value.status) == (operation, None)
    assert client.n_requests == (3 if operation in READS else 1)


@pytest.mark.parametrize("failure", ["cut before", "cut during", "500", "429"])
@pytest.mark.parametrize("operation", READS)
def test_a_read_outlives_two_failures(operation, failure, sandbox, connect):
    "A read that fails twice and then succeeds gives what it would have given at once."
    client = connect(sandbox)
    expected = OPERATIONS[operation](client)
    sandbox.clear_requests()
    fault, _, _ = FAILURES[failure]
    sandbox.misbehave(Fault(fault.kind, times=2, status=fault.status))

    found = OPERATIONS[operation](client)

    assert found == expected
    assert len(sandbox.requests()) == 3


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_without_its_own_uid_is_sent_exactly_once(operation, sandbox, connect):
    "One failure is enough to raise: rename, delete, membership change and a nameless create are never repeated."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before"))

    with pytest.raises(ConnectionFailedError):
        OPERATIONS[operation](client)

    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_behind_a_login_page_is_no_success(operation, sandbox, connect):
    "A proxy that answers 200 with HTML to a write is an error, and the tenant is as before."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("html"))

    with pytest.raises(UnexpectedResponseError, match="HTML"):
        OPERATIONS[operation](client)

    assert sandbox.groups() == {"staff": "Staff", "vip": "VIP"}
    assert sandbox.members("vip") == ["c1", "c2"]


def test_a_closed_client_says_so(sandbox):
    "A call through a closed client is an error of ours, and nothing is sent."
    client = sandbox.client()
    client.close()

    with pytest.raises(InputError, match="this client is closed"):
        client.get_group("vip")

    assert sandbox.requests() == []


# Creating with a uid of one's own.


@pytest.mark.parametrize("fault", [Fault("cut_after"), Fault("status_after", status=502), Fault("cut_during")])
def test_a_create_whose_answer_is_lost_makes_one_group(fault, sandbox, connect):
    "The group was made, the answer lost: it is read back, not made again."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(fault)

    group = client.create_group("Summer", "summer")

    assert (group.uid, group.name) == ("summer", "Summer")
    assert [request["method"] for request in sandbox.requests()] == ["POST", "GET"]
    assert list(sandbox.groups()) == ["staff", "summer", "vip"]


def test_a_create_that_did_not_arrive_is_sent_again(sandbox, connect):
    "The request was lost: the group is not there, so it is sent once more."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before"))

    client.create_group("Summer", "summer")

    assert [request["method"] for request in sandbox.requests()] == ["POST", "GET", "POST"]
    assert sandbox.groups()["summer"] == "Summer"


def test_a_create_is_repeated_once_at_most(sandbox, connect):
    "Two lost requests are an error about the create."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before", method="POST", times=None))

    with pytest.raises(ConnectionFailedError) as caught:
        client.create_group("Summer", "summer")

    assert caught.value.operation == "post-customer-groups"
    assert [request["method"] for request in sandbox.requests()] == ["POST", "GET", "POST"]


def test_a_create_that_cannot_be_read_back_is_an_error_about_the_create(sandbox, connect):
    "When the service stays away, the error says that whether the group was made is not known."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_after", method="POST"), Fault("status", method="GET", times=None))

    with pytest.raises(ConnectionFailedError, match="Whether the change happened is not known") as caught:
        client.create_group("Summer", "summer")

    assert caught.value.operation == "post-customer-groups"


def test_a_lost_create_over_a_group_of_another_name_is_refused(sandbox, connect):
    "What is read back has another name: it was there before, and the error says so."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("cut_before"))

    with pytest.raises(InputError, match="already exists and is named 'VIP', not 'Summer'"):
        client.create_group("Summer", "vip")

    assert sandbox.groups()["vip"] == "VIP"


# Refused before a request.


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
def test_a_uid_that_is_none_is_refused_before_a_request(call, uid, sandbox, connect):
    "A uid with a slash, dots, space, newline or nothing in it never becomes a path."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="uid"):
        call(client, uid)

    assert sandbox.requests() == []


@pytest.mark.parametrize("uid", ["", "a/b", "vip\n", "a b"])
def test_a_create_with_a_uid_that_is_none_is_refused(uid, sandbox, connect):
    "A uid of one's own is checked, an empty one too; only None lets the service choose."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="customer group uid"):
        client.create_group("Summer", uid)

    assert sandbox.requests() == []


@pytest.mark.parametrize("uid", ["", "a/b", "..", "t 1", "t\n", None, 7])
def test_a_tenant_uid_that_is_none_is_refused(uid):
    "The tenant uid is part of every path, and is checked when the client is made."
    with pytest.raises(InputError, match="tenant uid"):
        fg.Client(uid, "secret")


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_a_group_needs_a_name(name, sandbox, connect):
    "No group is made or renamed to an empty name."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="needs a name"):
        client.create_group(name)
    with pytest.raises(InputError, match="needs a name"):
        client.update_group("vip", name=name)

    assert sandbox.requests() == []


def test_several_uids_are_not_one_text(sandbox, connect):
    "add='c1' would be taken for two customers, c and 1."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="write \\['c1'\\]"):
        client.update_group_customers("vip", add="c1")

    assert sandbox.requests() == []


def test_nobody_is_added_and_removed_at_once(sandbox, connect):
    "A customer on both sides is refused, with an example."
    client = connect(sandbox, writable=True)

    with pytest.raises(InputError, match="both added and removed, c2 for one"):
        client.update_group_customers("vip", add=["c2", "c3"], remove=["c2"])

    assert sandbox.requests() == []


@pytest.mark.parametrize("operation", WRITES)
def test_a_client_that_only_reads_sends_no_write(operation, sandbox, connect):
    "Without writable=True each of the four writes is refused, and no request leaves."
    client = connect(sandbox)

    with pytest.raises(NotWritableError, match=f"{operation}: this client only reads; nothing was sent"):
        OPERATIONS[operation](client)

    assert sandbox.requests() == []


def test_a_token_without_the_permission_is_forbidden_to_write(sandbox, connect):
    "A token that may only read gets 403, and the message names the permission."
    client = connect(sandbox, sandbox.read_only_token, writable=True)

    with pytest.raises(ForbiddenError, match="CUSTOMER permission"):
        client.update_group("vip", name="Gold")

    assert sandbox.groups()["vip"] == "VIP"


@pytest.mark.parametrize(
    "options",
    [{"page_size": 0}, {"workers": 0}, {"timeout": 0}, {"requests_per_second": 0}, {"requests_per_second": -1}],
)
def test_settings_that_cannot_work_are_refused(options):
    "No page size, workers, timeout or pace of nothing: a pace of 0 must not mean no limit."
    with pytest.raises(InputError, match="must"):
        fg.Client("t-1", "secret", **options)


# Redirects.


def test_a_redirect_to_another_host_gets_no_token(sandbox, connect):
    "Another host, even on this machine, sees no request at all."
    client = connect(sandbox)
    with fg.Sandbox(empty=True) as other:
        sandbox.misbehave(Fault("redirect", location=f"{other.base_url}/tenants/{TENANT}/customer-groups/vip"))

        with pytest.raises(UnexpectedResponseError, match="not followed, and the token was not sent there"):
            client.get_group("vip")

        assert other.requests() == []


def test_a_redirect_on_the_same_host_is_followed(sandbox, connect):
    "A read may be moved within the service."
    client = connect(sandbox)
    sandbox.misbehave(Fault("redirect", location=f"/v2/tenants/{TENANT}/customer-groups/staff"))

    group = client.get_group("vip")

    assert group.uid == "staff"


def test_a_redirected_write_is_not_followed(sandbox, connect):
    "A write goes where it was addressed, or nowhere."
    client = connect(sandbox, writable=True)
    sandbox.misbehave(Fault("redirect", location=f"/v2/tenants/{TENANT}/customer-groups/staff"))

    with pytest.raises(UnexpectedResponseError, match="302"):
        client.delete_group("vip")

    assert sandbox.groups() == {"staff": "Staff", "vip": "VIP"}
    assert len(sandbox.requests()) == 1


def test_redirects_in_a_circle_end(sandbox, connect):
    "A read that is sent on for ever is an error after a few steps."
    client = connect(sandbox)
    sandbox.misbehave(
        Fault("redirect", times=None, location=f"/v2/tenants/{TENANT}/customer-groups/vip"),
    )

    with pytest.raises(UnexpectedResponseError, match="redirected more than 3 times"):
        client.get_group("vip")

    assert len(sandbox.requests()) == 4


@pytest.mark.parametrize("location", ["javascript:1", "https://", "http://[::1", "//", "data:,x"])
def test_a_redirect_to_nowhere_is_a_clear_error(location, sandbox, connect):
    "A location that is no address ends as an error of ours."
    client = connect(sandbox)
    sandbox.misbehave(Fault("redirect", times=None, location=location))

    with pytest.raises(ApiError, match="base URL"):
        client.get_group("vip")


# The token.


def test_a_token_may_be_text_or_something_that_returns_it(sandbox, connect):
    "A str and a callable are both a token; the callable is asked when it is needed, and once."
    asked = []

    def source():
        asked.append(1)
        return sandbox.token

    plain, called = connect(sandbox), connect(sandbox, source)

    assert asked == []
    assert plain.get_group("vip") == called.get_group("vip") == called.get_group("vip")
    assert asked == [1]


def test_a_copied_header_is_a_token_too(sandbox, connect):
    "Someone who pastes `Bearer xyz` means xyz."
    client = connect(sandbox, f" Bearer {sandbox.token}\n")

    assert client.get_group("vip").name == "VIP"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_refused_token_is_asked_for_again_once(operation, sandbox, connect):
    "After a 401 the callable is asked once more and the request repeated, a write too: 401 means not done."
    tokens = iter(["expired-token-1", sandbox.token])
    client = connect(sandbox, lambda: next(tokens), writable=True)

    OPERATIONS[operation](client)

    assert [request["status"] == 401 for request in sandbox.requests()] == [True, False]


def test_a_token_refused_twice_is_an_error(sandbox, connect):
    "A callable that knows no better token is asked twice in all, and the error says to get a new one."
    asked = []

    def source():
        asked.append(1)
        return f"expired-token-{len(asked)}"

    client = connect(sandbox, source)

    with pytest.raises(AuthError, match=r"the token was not accepted\. Get a new token") as caught:
        client.get_group("vip")

    assert len(asked) == len(sandbox.requests()) == 2
    assert "expired-token" not in told(caught.value)


def test_a_refused_text_is_not_tried_again(sandbox, connect):
    "There is nobody to ask for another token."
    client = connect(sandbox, "expired-token-1")

    with pytest.raises(AuthError):
        client.get_group("vip")

    assert len(sandbox.requests()) == 1


def test_eight_threads_that_meet_a_401_ask_for_one_token(sandbox, connect):
    "The token runs out for eight threads at once: one of them asks, the others use what it got."
    asked = []

    def source():
        asked.append(threading.current_thread().name)
        return sandbox.token if len(asked) > 1 else "expired-token-1"

    client = connect(sandbox, source, workers=8)
    sandbox.misbehave(latency=0.2)
    together = threading.Barrier(8)

    def read(_):
        together.wait()
        return client.get_group("vip").name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(read, range(8)))

    assert names == ["VIP"] * 8
    assert len(asked) == 2
    statuses = sorted(request["status"] for request in sandbox.requests())
    assert statuses == [200] * 8 + [401] * 8


@pytest.mark.parametrize("token", ["", "   ", None, 5, b"secret", "sec\nret", "sec\x00ret", "sécret", "sec\tret"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(token, sandbox):
    "Nothing, something else than text, or text that fits no header: refused, and not repeated."
    shown = []
    for how in (token, lambda: token):
        with (
            pytest.raises(InputError, match="token") as caught,
            fg.Client("t-1", how, base_url=sandbox.base_url) as c,
        ):
            c.get_group("vip")
        shown.append(str(caught.value))

    assert not any("ret" in text.replace("returns", "") for text in shown)
    assert sandbox.requests() == []


def test_the_token_is_never_shown(sandbox, connect, caplog):
    "Not in errors, their causes, reprs, cards, or the log records of ours and httpx at DEBUG."
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
                texts.append(told(error))
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


def test_a_service_that_repeats_the_token_is_not_quoted(sandbox, connect):
    "The service's words are shown without the token, should they hold it."
    client = connect(sandbox)

    with pytest.raises(NotFoundError) as caught:
        client.get_group(sandbox.token)

    assert caught.value.server_message == "There is no customer group …."


def test_no_part_of_a_repeated_token_is_quoted():
    "Long words are cut; a token at the cut is taken out whole before."
    token = "secret" * 48
    with (
        fg.Sandbox(empty=True, token=token) as tenant,
        tenant.client() as client,
        pytest.raises(NotFoundError) as caught,
    ):
        client.get_group(token)

    assert caught.value.server_message == "There is no customer group …."


# The base URL.


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
    ],
)
def test_a_base_url_is_a_name_or_a_url(given, expected):
    "Stage and production have names; a slash at the end does not matter; http is for loopback."
    with fg.Client("t-1", "secret", base_url=given) as client:
        assert client.base_url == expected


def test_stage_is_the_default():
    "Production must be named."
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
def test_http_is_refused_off_loopback(given):
    "A token is not sent unencrypted to another machine, whatever its name begins with."
    with pytest.raises(InputError, match="unencrypted; use https"):
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
def test_a_password_in_a_base_url_is_refused_and_not_shown(given):
    "Whatever else is wrong with the URL, the message does not hold what stands before the @."
    with pytest.raises(InputError) as caught:
        fg.Client("t-1", "secret", base_url=given)

    assert "hunter2" not in told(caught.value)


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
        None,
        5,
    ],
)
def test_a_nonsense_base_url_is_refused(given):
    "What is no URL of a service is refused when the client is made, not at the first request."
    with pytest.raises(InputError, match="base URL"):
        fg.Client("t-1", "secret", base_url=given)


# Paging.


@pytest.mark.parametrize("cap", range(1, 8))
@pytest.mark.parametrize("base", [0, 1])
def test_every_page_base_and_size_reads_everything_once(base, cap):
    "Whatever the first page is called and however few a page holds, each group and customer comes once, in order."
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


def test_the_granted_page_size_is_believed():
    "A service that grants 2 where 500 were asked, and ignores other wishes, is read whole."
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


def test_the_first_page_is_asked_for_without_a_number(sandbox, connect):
    "Nobody knows whether pages begin at 0 or 1, so the first request names none."
    client = connect(sandbox, page_size=1)

    list(client.iter_groups())

    first, second = (request["path"] for request in sandbox.requests())
    assert "pageNumber" not in first
    assert "pageNumber=2" in second


@pytest.mark.parametrize("operation", ["get-customer-groups", "get-customer-groups-customers"])
def test_a_total_that_never_comes_true_ends(operation, sandbox, connect):
    "Told more than can be read, the iteration gives what there is and ends in an error with both numbers."
    client = connect(sandbox, page_size=1)
    sandbox.misbehave(endless=5)

    with pytest.raises(DriftedReadError, match=r"Read 2 of .* but the server counts 7"):
        OPERATIONS[operation](client)

    assert len(sandbox.requests()) == 3


def test_pages_that_repeat_end(sandbox, connect):
    "A service that gives its first page for ever is an error at the second page."
    client = connect(sandbox, page_size=1)
    sandbox.misbehave(repeat_page=True)

    with pytest.raises(DriftedReadError, match="Page 2 of the customers of group vip contains no new record"):
        list(client.iter_group_customers("vip"))

    assert len(sandbox.requests()) == 2


@pytest.mark.parametrize("how", ["absent", "empty", "wrong"])
def test_customers_come_whatever_they_say_of_their_groups(how, sandbox, connect):
    "Iterating does not depend on the customers' own lists of groups."
    client = connect(sandbox)
    sandbox.misbehave(group_uids=how)

    customers = list(client.iter_group_customers("vip"))

    assert [customer.uid for customer in customers] == ["c1", "c2"]
    assert {customer.customer_group_uids for customer in customers} == {None if how == "absent" else ()}


def test_odd_records_are_kept(sandbox, connect):
    "Unknown fields, nulls, empty dates and broken numbers cost no customer."
    uids = [f"c{n:03d}" for n in range(100)]
    sandbox.put_customers(uids)
    sandbox.add_members("staff", uids)
    client = connect(sandbox, page_size=30)
    sandbox.misbehave(odd_records=True)

    customers = list(client.iter_group_customers("staff"))

    assert [customer.uid for customer in customers] == uids
    assert {customer.payment_terms for customer in customers} == {0, None}


# check and from_env.


def test_check_tells_where_one_is(sandbox, connect):
    "check() reads twice and tells host, tenant, groups, paging, lists of groups, clock, and what may be done."
    client = connect(sandbox)

    check = client.check()

    assert {request["method"] for request in sandbox.requests()} == {"GET"}
    assert (check.base_url, check.tenant_uid, check.writable) == (sandbox.base_url, TENANT, False)
    assert (check.n_groups, check.page_base) == (2, 1)
    assert (check.asked_page_size, check.granted_page_size) == (500, 500)
    assert check.group_uids_filled is True
    assert abs(check.clock_skew_seconds) < 5
    assert {"Connected", "Tenant", "Token", "May write", "Groups", "Page size"} <= check.facts.keys()
    assert "not this client: it was made to read" in repr(check)


@pytest.mark.parametrize(("how", "filled"), [("filled", True), ("absent", False), ("empty", False)])
def test_check_tells_whether_customers_name_their_groups(how, filled, sandbox, connect):
    "Without the lists of groups no cover is possible, and check() says so."
    sandbox.misbehave(group_uids=how)

    check = connect(sandbox).check()

    assert check.group_uids_filled is filled


def test_check_of_an_empty_tenant(sandbox, connect):
    "Where nobody is in a group there is nothing to look at, and that is said."
    sandbox.reset()

    check = connect(sandbox).check()

    assert (check.n_groups, check.group_uids_filled) == (0, None)
    assert "no member to look at" in repr(check)


def test_check_with_a_small_page_size_and_base_0():
    "What is granted may be less than was asked."
    with (
        fg.Sandbox(empty=True, page_base=0, max_page_size=7, default_page_size=7) as tenant,
        tenant.client(writable=True) as client,
    ):
        check = client.check()

    assert (check.page_base, check.granted_page_size) == (0, 7)
    assert "only a write can tell" in check.facts["May write"]


def test_check_of_a_wrong_token_or_tenant(sandbox, connect):
    "Each is its own error."
    with pytest.raises(AuthError):
        connect(sandbox, "expired-token-1").check()
    with fg.Client("other", sandbox.token, base_url=sandbox.base_url) as other, pytest.raises(NotFoundError):
        other.check()


@pytest.fixture
def environment(monkeypatch, sandbox):
    monkeypatch.setenv("FRGROUPS_TENANT_UID", TENANT)
    monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)
    return monkeypatch


def test_from_env_connects(environment, sandbox):
    "Three variables make a client that reads."
    with fg.Client.from_env() as client:
        assert client.get_group("vip").name == "VIP"
        assert (client.writable, client.base_url) == (False, sandbox.base_url)


def test_from_env_takes_the_options_of_a_client(environment):
    "Writing must be asked for; other options pass through."
    with fg.Client.from_env(writable=True, page_size=7) as client:
        assert (client.writable, client.page_size) == (True, 7)


@pytest.mark.parametrize("name", ["FRGROUPS_TENANT_UID", "FRGROUPS_TOKEN"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_from_env_names_the_variable_that_is_missing(name, value, environment):
    "Missing, empty or blank: the error names the variable."
    environment.delenv(name) if value is None else environment.setenv(name, value)

    with pytest.raises(InputError, match=f"{name} is not set"):
        fg.Client.from_env()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, fg.STAGE), ("", fg.STAGE), ("stage", fg.STAGE), ("production", fg.PRODUCTION)],
)
def test_from_env_is_stage_unless_told(value, expected, environment):
    "Production only by name."
    environment.delenv("FRGROUPS_BASE_URL") if value is None else environment.setenv("FRGROUPS_BASE_URL", value)

    with fg.Client.from_env() as client:
        assert client.base_url == expected


def test_a_client_shows_where_it_is(environment):
    "The repr tells tenant, host and rights; the card marks production."
    environment.setenv("FRGROUPS_BASE_URL", "production")

    with fg.Client.from_env(writable=True) as client:
        assert repr(client) == f"<Client of {TENANT} at api.flowretail.com, reads and writes>"
        assert "PRODUCTION" in client._repr_html_()


def test_the_clock_of_the_service_is_compared(sandbox, connect):
    "The difference of the clocks comes from the Date of any answer."
    client = connect(sandbox)

    before = client.check().clock_skew_seconds

    assert abs(before) < 5
    assert client.clock().tzinfo is not None
    assert abs((client.clock() - datetime.now(UTC)).total_seconds()) < 5


class Dripping:
    """A server that sends a head and then, for ever, a byte now and then, or all it has at once."""

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
    server = Dripping(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize("dripping", [(0.05, b" ")], indirect=True)
def test_an_answer_that_drips_is_given_up(dripping):
    "A body of which a byte comes now and then ends in an error, though no silence is longer than the timeout."
    options = {"base_url": dripping.base_url, "timeout": 0.2, "retry": RetryPolicy(max_attempts=1)}
    with (
        fg.Client("t-1", "secret", **options) as client,
        pytest.raises(ConnectionFailedError, match="no complete response in time"),
    ):
        client.get_group("vip")


@pytest.mark.parametrize("dripping", [(0.0, b" " * 65536)], indirect=True)
def test_an_answer_without_end_is_cut_off(dripping, monkeypatch):
    "A body that grows without end is no answer of this API."
    monkeypatch.setattr("frgroups.api.transport.LARGEST_BODY", 4 << 20)
    with (
        fg.Client("t-1", "secret", base_url=dripping.base_url) as client,
        pytest.raises(UnexpectedResponseError, match="MiB"),
    ):
        client.get_group("vip")
