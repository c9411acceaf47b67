"""Tests for the redirects that a client follows."""

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.errors import UnexpectedResponseError
from tests.api.service import EMPTY, Service, head, whole

PATH = "/v2/tenants/t-1/customer-groups"
QUERY = "?pageSize=500"


def redirect(location):
    """Return a response that redirects to the given location, which can contain any bytes except line breaks."""
    first = head("Content-Length: 0", status="302 Found")[:-2]
    return first + b"Location: %s\r\n\r\n" % location.encode("utf-8", "surrogateescape")


def read(answers):
    """Return the server and the error, if any, after a read of the group list."""
    with Service(*answers) as service:
        answers[0] = service.answers[0] = redirect(answers[0].replace("PORT", str(service.port)))
        try:
            with fg.Client("t-1", "token", base_url=service.url, retry=RetryPolicy(max_attempts=1)) as client:
                client.read_group_page()
        except UnexpectedResponseError as error:
            return service, error
    return service, None


@pytest.mark.parametrize(
    "location",
    [
        f"{PATH}{QUERY}",
        f"{PATH}/{QUERY}",
        f"{PATH}{QUERY}&trace=1",
        f"/v3/api/tenants/t-1/customer-groups{QUERY}#top",
        f"http://127.0.0.1:PORT{PATH}{QUERY}",
        QUERY,
    ],
)
def test_followed(location):
    "A redirect to the same resource on the same server is followed, even with another base path or a trailing slash."
    service, error = read([location, whole(EMPTY)])

    assert error is None and len(service.requests) == 2


@pytest.mark.parametrize(
    "location",
    [
        f"http://kari:s3cret@127.0.0.1:PORT{PATH}{QUERY}",
        f"http://kari@127.0.0.1:PORT{PATH}{QUERY}",
        f"https://127.0.0.1:PORT{PATH}{QUERY}",
        f"http://localhost:PORT{PATH}{QUERY}",
        f"http://127.0.0.1:1{PATH}{QUERY}",
        f"//evil.test{PATH}{QUERY}",
        f"/v2/tenants/t-2/customer-groups{QUERY}",
        f"/v2/tenants/t-2/x/tenants/t-1/customer-groups{QUERY}",
        f"/v2/tenants/t-2/%2e%2e/t-1/customer-groups{QUERY}",
        f"/v2/tenants/t-1/customer-groups/vip{QUERY}",
        f"/v2/tenants/t-1/customer-groups-old{QUERY}",
        f"/v2/tenants/t-1/customer-groups%2f..{QUERY}",
        "/login?token=s3cret#s3cret",
        PATH,
        f"{PATH}?pageSize=100",
        "/\u202e\u200b",
        "http://evil.test/\u2028?s3cret",
    ],
)
def test_not_followed(location):
    "A redirect to another server, tenant, resource, or page is reported without its secrets and not followed."
    service, error = read([location, whole(EMPTY)])

    assert len(service.requests) == 1 and error.status == 302
    assert "s3cret" not in str(error) and "kari" not in str(error)
    assert not {"\u202e", "\u200b", "\u2028"} & set(str(error))
