"""Tests for responses with an error status, in particular HTML pages, which the API does not send."""

import pytest

import frgroups as fg
from frgroups.api.response_body import is_html
from frgroups.api.retry import RetryPolicy
from frgroups.api.status_errors import describe_delay
from frgroups.errors import (
    ApiError,
    AuthError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    UnexpectedResponseError,
)
from tests.api.service import EMPTY, Service, head, whole, zipped

PAGES = {
    "page": b"<html><body>Blocked token-4711</body></html>",
    "doctype": b"\n\n<!DOCTYPE html><p>Blocked",
    "byte order mark": b"\xef\xbb\xbf<html>",
    "UTF-16": "\ufeff<html>".encode("utf-16-le"),
    "comment": b" " * 200 + b"<!-- id --><h1>Blocked</h1>",
    "XML": b"<?xml version='1.0'?><Error/>",
}
STATUSES = {
    401: UnexpectedResponseError,
    403: UnexpectedResponseError,
    404: UnexpectedResponseError,
    407: UnexpectedResponseError,
    400: RequestRejectedError,
    406: RequestRejectedError,
    413: RequestRejectedError,
    429: RateLimitedError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
MISLEADING = ("token", "permission", "does not exist", "arguments", "The server failed", "uids")


def fail(service, call=lambda client: client.read_group_page()):
    """Return the error of a request that fails, and the number of requests."""
    retry = RetryPolicy(max_attempts=2, base=0.001)
    with fg.Client("t-1", "token-4711", base_url=service.url, writable=True, retry=retry) as client:
        with pytest.raises(ApiError) as caught:
            call(client)
        return caught.value, client.n_requests


@pytest.mark.parametrize("body", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("status", STATUSES)
def test_html_page(status, body):
    "An HTML page is not reported as an answer of the API, for reads and for writes."
    with Service(whole(body, status=f"{status} Status")) as service:
        error, attempts = fail(service)
        write_error, writes = fail(service, lambda client: client.update_group_customers("vip", add=["c-1"]))

    assert type(error) is type(write_error) is STATUSES[status]
    assert error.status == status and "token-4711" not in str(error) + str(write_error)
    assert writes == 1 and attempts == (2 if status == 429 or status >= 500 else 1)
    if status != 429:
        assert "HTML" in str(error) and "HTML" in str(write_error)
        assert not any(text in str(error) + str(write_error) for text in MISLEADING)
    if STATUSES[status] in (UnexpectedResponseError, ServerError):
        assert "not known" in str(write_error)


@pytest.mark.parametrize("status", STATUSES)
def test_declared_html(status):
    "A text with the content type of HTML is a page, but JSON and an empty body with this content type are not."
    for body, is_page in ((b"Blocked", True), (b'{"message": "no"}', False), (b"", False), (b" \n", False)):
        with Service(whole(body, "Content-Type: Text/HTML; charset=utf-8", status=f"{status} Status")) as service:
            assert ("HTML" in str(fail(service)[0])) is (is_page and status != 429)


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [(401, AuthError, "token"), (403, ForbiddenError, "permission"), (404, NotFoundError, "does not exist")],
)
@pytest.mark.parametrize("answer", [whole, zipped], ids=["identity", "gzip"])
def test_json(status, kind, text, answer):
    "A JSON body or an empty body comes from the API."
    for body in (b'{"message": "<html>"}', b""):
        with Service(answer(body, status=f"{status} Status")) as service:
            error, _ = fail(service)

        assert type(error) is kind and text in str(error) and "HTML" not in str(error)


def test_permission():
    "The error for status 403 mentions the permission for writes only if the request was a write."
    with Service(whole(b"", status="403 Forbidden")) as service:
        error, _ = fail(service)
        write_error, _ = fail(service, lambda client: client.update_group_customers("vip", add=["c-1"]))

    assert type(error) is type(write_error) is ForbiddenError
    assert "CUSTOMER" in str(write_error) and "CUSTOMER" not in str(error) and "rite" not in str(error)


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content"])
def test_read_without_body(status):
    "A read with a status that excludes a body is not repeated."
    with Service(head("Content-Length: 0", status=status)) as service:
        error, attempts = fail(service)

    assert type(error) is UnexpectedResponseError and not error.is_transient and attempts == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.5, "0.5 s"), (1.254, "1.25 s"), (9, "9 s"), (59.9, "60 s"), (86_400, "86400 s")],
)
def test_text_of_delay(seconds, text):
    "The text of a delay is not rounded to 0 and contains at most two decimals."
    assert f" {text}" in describe_delay(seconds, 60)


def test_name_of_the_tenant(home_folder):
    "Errors of a client from tenants.toml name the table, the uid, and the server with its port."
    with Service(whole(b"{}", status="401 Unauthorized")) as service:
        path = home_folder / "tenants.toml"
        path.write_text(f'[sport_no]\ntenant_uid = "t-2"\nhost = "{service.url}"\ntoken_command = "echo x"\n')
        path.chmod(0o600)
        with fg.Client.from_config("sport_no") as client, pytest.raises(AuthError) as caught:
            client.read_group_page()
        error, _ = fail(service)

    assert f"'sport_no' (t-2 at 127.0.0.1:{service.port})" in str(caught.value)
    assert f"tenant t-1 at 127.0.0.1:{service.port}" in str(error)


# HTML pages with status 200

GROUPS = b"""{"items":[{"customerGroupUid":"vip","name":"VIP"},{"customerGroupUid":"all","name":"All"}],
"paging":{"pageNumber":1,"pageSize":500,"totalCount":2}}"""


@pytest.mark.parametrize("n_before", [0, 1, 2])
@pytest.mark.parametrize(
    "page", [whole(b"<html>login"), whole(b"Log in", "Content-Type: text/html")], ids=["markup", "declared"]
)
def test_login_page(page, n_before):
    "A page with status 200 at any time of a load is one attempt, and the error states that it can be a login page."
    before = [whole(GROUPS), whole(EMPTY)][:n_before]
    with Service(*before, page) as service:
        error, attempts = fail(service, lambda client: fg.load_snapshot(client, False))

    assert type(error) is UnexpectedResponseError and error.status == 200
    assert "HTML" in str(error) and "login page" in str(error)
    assert len(service.requests) == attempts and attempts <= n_before + 4  # One request for each worker.


def test_407_without_html():
    "Status 407 is sent by a proxy, even if the body is not an HTML page."
    with Service(whole(b"", status="407 Proxy Authentication Required")) as service:
        error, attempts = fail(service)

    assert attempts == 1 and "proxy" in str(error) and "arguments" not in str(error)


def test_html_for_a_group_during_a_load():
    "A page with status 404 does not mean that a group was deleted, so the load fails."
    groups = (
        b'{"items":[{"customerGroupUid":"vip","name":"VIP"}],"paging":{"pageNumber":1,"pageSize":500,"totalCount":1}}'
    )
    with (
        Service(whole(groups), whole(b"<html>", status="404 Not Found")) as service,
        fg.Client("t-1", "token", base_url=service.url, workers=1) as client,
        pytest.raises(UnexpectedResponseError),
    ):
        fg.load_snapshot(client, False)


def test_setting_of_the_tenant_uid(home_folder, monkeypatch):
    "The error for an unknown tenant names the tenant and the setting that contains its uid."
    with Service(whole(b"{}", status="404 Not Found")) as service:
        error, _ = fail(service)
        assert "t-1" in str(error) and "`tenant_uid`" in str(error)

        path = home_folder / "tenants.toml"
        path.write_text(f'[sport_no]\ntenant_uid = "t-2"\nhost = "{service.url}"\ntoken_command = "echo x"\n')
        path.chmod(0o600)
        with fg.Client.from_config("sport_no") as client:
            for call in (client.read_group_page, lambda: client.get_group("vip")):
                with pytest.raises(NotFoundError) as caught:
                    call()
                assert all(fact in str(caught.value) for fact in ("t-2", "'sport_no'", "`tenant_uid`", str(path)))

        monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-3")
        monkeypatch.setenv("FRGROUPS_TOKEN", "token")
        monkeypatch.setenv("FRGROUPS_BASE_URL", service.url)
        with fg.Client.from_env() as client, pytest.raises(NotFoundError, match=r"t-3.*FRGROUPS_TENANT_UID"):
            client.read_group_page()


@pytest.mark.parametrize("body", [EMPTY, b"", b"[]", b"1", b'"<html>"', b"\xef\xbb\xbf{}"])
def test_no_html(body):
    "JSON and an empty body are not HTML."
    assert not is_html(body) and not is_html(body, "application/json")
