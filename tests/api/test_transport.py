"""Tests for the HTTP transport with a server that closes connections and sends incomplete or invalid responses."""

import gzip
import logging
import os
import socket
import ssl
import sys
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api import transport as transport_module
from frgroups.api.response_body import IncompleteBodyError, ResponseBody, UnusableBodyError
from frgroups.api.retry import RetryPolicy
from frgroups.api.schema.records import CustomerReferences
from frgroups.api.transport import Call, Transport
from frgroups.errors import (
    ApiError,
    ConnectionFailedError,
    ForbiddenError,
    RequestRejectedError,
    ServerError,
    UnexpectedResponseError,
)
from frgroups.internals.redaction import Hidden
from tests.api.service import EMPTY, Service, chunked, cut, drip, head, whole, zipped

ONCE = RetryPolicy(max_attempts=1)
READ = Call("get-customer-groups", "GET", "/customer-groups")


def transport_to(service, workers=2):
    """Return a transport without retries."""
    return Transport(
        "t-1",
        Hidden("secret"),
        base_url=service.url,
        workers=workers,
        timeout=5,
        requests_per_second=None,
        retry=ONCE,
        verify=True,
    )


def read(transport):
    """Send one read request and return the response body."""
    return transport.send(READ, bytes)


def client_of(service, **options):
    """Return a client without retries."""
    return fg.Client("t-1", "secret", base_url=service.url, **{"retry": ONCE, "timeout": 5} | options)


def shop(base_url="https://shop.test/v2"):
    """Return a client for a host that does not exist."""
    return fg.Client("t-1", "secret", base_url=base_url, retry=ONCE, timeout=5)


# Connections


@pytest.mark.parametrize(
    "answer",
    [whole(b"hello"), whole(b""), head(status="204 No Content"), chunked(b"hel", b"lo"), zipped(b"hello")],
    ids=["length", "length 0", "204", "chunked", "gzip"],
)
def test_connection_reuse(answer):
    "The next request uses the same connection if the response marks the end of its body."
    with Service(answer) as service:
        transport = transport_to(service)
        bodies = [read(transport) for _ in range(3)]
        transport.close()

    assert len(set(bodies)) == 1 and bodies[0] in (b"hello", b"")
    assert service.connections_used == [1, 1, 1]


@pytest.mark.parametrize(
    "answer",
    [whole(b"hello", "Connection: close"), cut(head() + b"hello"), cut(whole(b"hello").replace(b"/1.1", b"/1.0"))],
    ids=["Connection: close", "no length", "HTTP/1.0"],
)
def test_no_connection_reuse(answer):
    "If the server ends the connection after a response, the body is complete and the next request reconnects."
    with Service(answer) as service:
        transport = transport_to(service)
        bodies = [read(transport) for _ in range(2)]
        transport.close()

    assert bodies == [b"hello", b"hello"]
    assert service.connections_used == [1, 2]


def test_closed_idle_connection():
    "If the server has closed an idle connection, the next PUT request is sent once over a new connection."
    with Service(whole(EMPTY), head(status="204 No Content")) as service:
        with client_of(service, writable=True) as client:
            client.read_group_page()
            service.hang_up()
            time.sleep(0.05)

            client.update_group_customers("vip", add=["c1"])

        assert [text.split()[0] for _, text in service.requests] == [b"GET", b"PUT"]
        assert service.connections_used == [1, 2]


def test_late_extra_response():
    "If bytes arrive on an idle connection, they are not used as the response to the next request."

    def extra(connection):
        connection.sendall(whole(b"one"))
        time.sleep(0.02)
        connection.sendall(whole(b"extra"))

    with Service(extra, whole(b"two")) as service:
        transport = transport_to(service)
        first = read(transport)
        time.sleep(0.1)
        bodies = [first, read(transport)]
        transport.close()

    assert bodies == [b"one", b"two"]


def test_connection_limit():
    "The number of connections does not exceed the number of workers, even if there are more threads."

    def slowly(connection):
        time.sleep(0.005)
        connection.sendall(whole(b"hello"))

    with Service(slowly) as service, ThreadPoolExecutor(16) as pool:
        transport = transport_to(service, workers=3)
        bodies = list(pool.map(lambda _: read(transport), range(60)))
        transport.close()

        assert bodies == [b"hello"] * 60
        assert len(service.accepted) <= 3


def test_failed_requests_release_the_connection():
    "If there is only one worker, failed requests release the connection, so that the next request is not blocked."
    answers = [
        cut(b""),
        cut(head("Content-Length: 9") + b"half"),
        cut(b"nonsense\r\n\r\n"),
        whole(b"no gzip", "Content-Encoding: gzip"),
        whole(b"x", "Content-Encoding: br"),
        whole(b"hello"),
    ]
    with Service(*answers) as service:
        transport = transport_to(service, workers=1)
        for _ in answers[:-1]:
            with pytest.raises(ApiError):
                read(transport)

        assert read(transport) == b"hello"
        transport.close()


def test_close():
    "Closing a client also closes its idle connections."
    with Service(whole(EMPTY)) as service:
        with client_of(service) as client:
            client.read_group_page()

        service.threads[-1].join(5)  # The thread ends when its connection is closed.
        assert not service.threads[-1].is_alive()
        assert len(service.accepted) == 1


# Bodies


@pytest.mark.parametrize(
    "answer",
    [
        cut(head("Content-Length: 100") + EMPTY[:40]),
        cut(head("Content-Length: 100")),
        cut(head("Transfer-Encoding: chunked") + b"64\r\n" + EMPTY[:40]),
        cut(head("Transfer-Encoding: chunked") + b"5\r\n{\r\n  \r\n"),
        cut(head("Transfer-Encoding: chunked") + b"nonsense\r\n"),
        whole(gzip.compress(EMPTY)[:-9], "Content-Encoding: gzip"),
        whole(gzip.compress(EMPTY)[:-8] + b"\0" * 8, "Content-Encoding: gzip"),
        whole(EMPTY, "Content-Encoding: gzip"),
    ],
    ids=[
        "half",
        "head only",
        "half a chunk",
        "between chunks",
        "invalid chunk",
        "truncated gzip",
        "wrong checksum",
        "plain text as gzip",
    ],
)
def test_incomplete_body(answer):
    "If a response body is incomplete, ConnectionFailedError is raised."
    with Service(answer) as service, client_of(service) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            client.read_group_page()

        assert caught.value.status is None


@pytest.mark.parametrize("body", [b"[]", b"<html>"])
def test_status_of_invalid_body(body):
    "If a successful response does not follow the API contract, the error contains the status of the response."
    with Service(whole(body, status="201 Created")) as service, client_of(service, writable=True) as client:
        with pytest.raises(UnexpectedResponseError, match=r"status 201\b") as caught:
            client.create_group("VIP")

        assert caught.value.status == 201


def test_large_body():
    "A response body of several megabytes is received unchanged with a length, in chunks, and as gzip."
    body = bytes(range(256)) * 20_000
    parts = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
    with Service(whole(body), chunked(*parts), zipped(body)) as service:
        transport = transport_to(service)

        assert [read(transport) == body for _ in range(3)] == [True] * 3
        transport.close()


@pytest.mark.parametrize("length", [10**9, 10**15, 10**30])
def test_wrong_content_length(length):
    "If a body is much shorter than Content-Length, ConnectionFailedError is raised and little memory is used."
    with Service(cut(head(f"Content-Length: {length}") + EMPTY)) as service, client_of(service) as client:
        tracemalloc.start()
        try:
            with pytest.raises(ConnectionFailedError):
                client.read_group_page()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 5_000_000


@pytest.mark.parametrize(
    "first",
    [head("Content-Length: 5000"), head(f"Content-Length: {10**10}"), head()],
    ids=["a length", "a large length", "no length"],
)
def test_dripping_body(first):
    "If a body arrives byte by byte, no read exceeds the timeout, and the request fails after 4 times the timeout."
    with (
        Service(drip(first)) as service,
        client_of(service, timeout=0.1) as client,
        pytest.raises(ConnectionFailedError, match="ReadTimeout"),
    ):
        client.read_group_page()


def test_read_timeout():
    "If the server accepts the request but sends no response, a read timeout is raised."
    with (
        Service(lambda connection: time.sleep(0.5)) as service,
        client_of(service, timeout=0.1) as client,
        pytest.raises(ConnectionFailedError, match="ReadTimeout"),
    ):
        client.read_group_page()


# Compression


def test_accept_encoding():
    "The Accept-Encoding header of a request contains only gzip."
    with Service(zipped(EMPTY)) as service, client_of(service) as client:
        assert client.read_group_page().total_count == 0

    [line] = [line for line in service.requests[0][1].splitlines() if line.lower().startswith(b"accept-encoding")]
    assert line.split(b": ")[1] == b"gzip"


@pytest.mark.parametrize("encoding", ["GZIP", " gzip ", "Identity"])
def test_encoding_names(encoding):
    "The names in a Content-Encoding header are not case-sensitive."
    answer = whole(EMPTY, f"Content-Encoding: {encoding}") if encoding == "Identity" else zipped(EMPTY, encoding)
    with Service(answer) as service, client_of(service) as client:
        assert client.read_group_page().total_count == 0


@pytest.mark.parametrize(
    "encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, identity", "x-custom", "compress"]
)
def test_other_encodings(encoding):
    "If a body has an encoding other than gzip or several encodings, UnexpectedResponseError is raised."
    with Service(zipped(gzip.compress(EMPTY), encoding)) as service, client_of(service) as client:
        with pytest.raises(UnexpectedResponseError, match="Content-Encoding") as caught:
            client.read_group_page()

        assert caught.value.status == 200


def test_repeated_encoding_header():
    "If a response has two Content-Encoding headers, UnexpectedResponseError is raised."
    answer = whole(gzip.compress(gzip.compress(EMPTY)), "Content-Encoding: gzip", "Content-Encoding: gzip")
    with Service(answer) as service, client_of(service) as client, pytest.raises(UnexpectedResponseError):
        client.read_group_page()


@pytest.mark.parametrize(("status", "error"), [("503 Busy", ServerError), ("403 Forbidden", ForbiddenError)])
def test_encoding_of_an_error(status, error):
    "If an error response has an unknown encoding, the exception class is still determined by the status."
    with (
        Service(whole(b"x", "Content-Encoding: br", status=status)) as service,
        client_of(service) as client,
        pytest.raises(error),
    ):
        client.read_group_page()


def test_message_of_a_compressed_error():
    "The server message of an error response is also read from a gzip-compressed body."
    answer = zipped(b'{"message": "sortBy is unknown"}', status="400 Bad Request")
    with Service(answer) as service, client_of(service) as client, pytest.raises(RequestRejectedError) as caught:
        client.read_group_page()

    assert caught.value.server_message == "sortBy is unknown"


def test_rejected_page():
    "If the server rejects a page number, the error contains the number and the group."
    answer = whole(b'{"message": "Result window is too large"}', status="400 Bad Request")
    with Service(answer) as service, client_of(service) as client, pytest.raises(RequestRejectedError) as caught:
        client.read_customer_page("vip", 21, 500, record=CustomerReferences)

    assert "page 21 " in str(caught.value) and "/vip/" in str(caught.value) and "arguments" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_encoding_without_body(encoding):
    "The Content-Encoding of a 204 response is ignored, because the response has no body."
    with (
        Service(head(f"Content-Encoding: {encoding}", status="204 No Content")) as service,
        client_of(service, writable=True) as client,
    ):
        client.update_group_customers("vip", add=["c1"])

    assert len(service.requests) == 1


def test_gzip_bomb(monkeypatch):
    "A small gzip body that would expand beyond the size limit is rejected before it fills the memory."
    monkeypatch.setattr(transport_module, "LARGEST_BODY", 4 << 20)
    bomb = zipped(b" " * (200 << 20))
    with Service(bomb) as service, client_of(service) as client:
        tracemalloc.start()
        try:
            with pytest.raises(UnexpectedResponseError, match="larger than 4 MiB"):
                client.read_group_page()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert len(bomb) < 1_000_000 and peak < 16 << 20


@given(
    parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8),
)
def test_gzip_chunks(parts, cuts):
    "The decompressed body does not depend on the chunk boundaries or on the number of gzip members."
    data, body = b"".join(map(gzip.compress, parts)), ResponseBody("gzip", 1000)
    while data:
        for size in cuts:
            body.add(data[:size])
            data = data[size:]

    assert body.finish() == b"".join(parts)


@given(content=st.binary(max_size=300), keep=st.floats(0, 1, exclude_max=True))
def test_truncated_gzip(content, keep):
    "A truncated gzip body is never accepted as complete."
    data, body = gzip.compress(content), ResponseBody("gzip", 1000)
    body.add(data[: max(1, int(len(data) * keep))])

    with pytest.raises(IncompleteBodyError):
        body.finish()


@given(data=st.binary(max_size=100))
def test_invalid_gzip(data):
    "Invalid gzip data raises only IncompleteBodyError or UnusableBodyError."
    body = ResponseBody("gzip", 1000)
    with suppress(IncompleteBodyError, UnusableBodyError):
        body.add(data)
        body.finish()


@pytest.mark.parametrize("size", [99, 100, 101])
def test_body_limit(size):
    "A response body can have exactly the maximum size, whether it is plain or compressed."
    content = os.urandom(size)
    for encoding, data, extra in ((None, content, 0), ("gzip", zlib.compress(content, wbits=31), 40)):
        body = ResponseBody(encoding, 100 + extra)
        if size <= 100 + extra:
            body.add(data)
            assert body.finish() == content
        else:
            with pytest.raises(UnusableBodyError):
                body.add(data)


def test_gzip_limit_is_exact():
    "A gzip body that expands to exactly the size limit is accepted. A body with one more byte is rejected."
    accepted, rejected = ResponseBody("gzip", 5000), ResponseBody("gzip", 5000)
    accepted.add(gzip.compress(b" " * 5000))

    assert accepted.finish() == b" " * 5000
    with pytest.raises(UnusableBodyError):
        rejected.add(gzip.compress(b" " * 5001))


def test_endless_empty_members():
    "The size limit also applies to the compressed data, even if the data expands to an empty body."
    body, empty = ResponseBody("gzip", 1000), gzip.compress(b"")
    with pytest.raises(UnusableBodyError):
        for _ in range(1000):
            body.add(empty)


# Headers


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_informational_responses(status):
    "Responses with a 1xx status before the final response are skipped."
    hint = head("Link: </style.css>", status=status)
    with Service(hint * 2 + whole(b"one"), whole(b"two")) as service:
        transport = transport_to(service)
        bodies = [read(transport), read(transport)]
        transport.close()

    assert bodies == [b"one", b"two"]
    assert service.connections_used == [1, 1]


def test_non_ascii_headers():
    "Response headers that are not ASCII are ignored."
    answer = whole(EMPTY, "X-Odd: bl\xe5b\xe6r \xff\x80", "x-odd: 2", "Set-Cookie: \xe6=\xf8")
    with Service(answer) as service, client_of(service) as client:
        assert client.read_group_page().total_count == 0


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", head("X: " + "x" * 200_000), b"x" * 200_000],
    ids=["nothing", "no HTTP", "long head", "long line"],
)
def test_invalid_head(answer):
    "If the status line or the headers of a response are invalid, ConnectionFailedError is raised."
    with Service(cut(answer)) as service, client_of(service) as client, pytest.raises(ConnectionFailedError):
        client.read_group_page()


def test_many_headers():
    "A response with hundreds of headers is accepted."
    with Service(whole(EMPTY, *[f"X-{n}: 1" for n in range(500)])) as service, client_of(service) as client:
        assert client.read_group_page().total_count == 0


def test_request_headers():
    "A request contains each header exactly once, including the host, length, token, and encoding."
    with Service(head(status="204 No Content")) as service, client_of(service, writable=True) as client:
        client.update_group_customers("vip", add=["c1"])

    names = [line.split(b":")[0].lower() for line in service.requests[0][1].splitlines()[1:]]
    assert sorted(set(names)) == sorted(names)
    assert {b"host", b"content-length", b"authorization", b"accept-encoding"} <= set(names)


@pytest.mark.parametrize(
    "location", ["https://xn--a/", "http://\u2603\u2603/", "http://[::1", "https://x:99999999/", "http://a\x7fb/"]
)
@pytest.mark.parametrize("method", ["read", "write"])
def test_invalid_location(location, method):
    "If a response redirects to an invalid URL, ApiError is raised and no second request is sent."
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location.encode()
    with Service(answer) as service, client_of(service, writable=True) as client, pytest.raises(ApiError):
        if method == "read":
            client.read_group_page()
        else:
            client.delete_group("vip")

    assert len(service.requests) == 1


@pytest.mark.parametrize("header", ["X-Name: kari", "kari"], ids=["valid", "invalid"])
def test_httpcore_debug_records(header, caplog):
    "Debug log records of httpcore contain the events of a request, but no content of the response."
    caplog.set_level(logging.DEBUG)
    with Service(cut(whole(EMPTY, header))) as service, client_of(service) as client, suppress(ConnectionFailedError):
        client.read_group_page()

    records = [record for record in caplog.records if record.name.startswith("httpcore")]
    assert any(record.getMessage().startswith("receive_response_headers.") for record in records)
    assert "kari" not in caplog.text


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems discard received data when the connection is reset"
)
def test_early_response():
    "Status 413 is reported even if the server closes the connection before it has read the request body."
    refuse = cut(whole(b"", status="413 Content Too Large"))
    refuse.takes_no_body = True
    uids = [f"c{n:09d}" for n in range(1_000_000)]
    with (
        Service(refuse) as service,
        client_of(service, writable=True) as client,
        pytest.raises(RequestRejectedError) as caught,
    ):
        client.update_group_customers("vip", add=uids)

    assert caught.value.status == 413


# HTTPS and proxies


def test_trusted_certificate(secure, certificate):
    "The option `verify` accepts an SSLContext that trusts the certificate. TLS connections are reused."
    with client_of(secure, verify=ssl.create_default_context(cafile=certificate[0])) as client:
        totals = [client.read_group_page().total_count for _ in range(3)]

    assert totals == [0, 0, 0]
    assert secure.connections_used == [1, 1, 1]


def test_loopback_without_proxy(monkeypatch):
    "Requests to this machine do not use the proxy from the environment variables."
    with Service(whole(b"from the proxy")) as proxy, Service(whole(EMPTY)) as service:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with client_of(service) as client:
            client.read_group_page()

    assert (len(service.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy_from_the_environment(name, monkeypatch):
    "The proxy receives a CONNECT request without the token. If it rejects the request, the connection fails."
    with Service(whole(b"", status="502 Bad Gateway")) as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with shop() as client, pytest.raises(ConnectionFailedError):
            client.read_group_page()

    [(_, request)] = proxy.requests
    assert request.startswith(b"CONNECT shop.test:443") and b"secret" not in request


def test_no_proxy(monkeypatch):
    "The proxy is not used for a host that is listed in NO_PROXY."
    hosts = []

    def nowhere(host, *args, **kwargs):
        hosts.append(host)
        raise socket.gaierror("nowhere")

    with Service(whole(b"", status="502 Bad Gateway")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "shop.test")
        monkeypatch.setattr(socket, "getaddrinfo", nowhere)
        with shop() as client, pytest.raises(ConnectionFailedError, match="ConnectError"):
            client.read_group_page()

    assert proxy.requests == []
    assert {host if isinstance(host, str) else host.decode() for host in hosts} == {"shop.test"}


def test_international_host(monkeypatch):
    "A host with non-ASCII letters is encoded with IDNA 2008, because IDNA 2003 would result in another host."
    hosts = []

    def nowhere(host, *args, **kwargs):
        hosts.append(host)
        raise socket.gaierror("nowhere")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with shop("https://straße.test/v2") as client, pytest.raises(ConnectionFailedError, match="ConnectError"):
        client.read_group_page()

    assert [host if isinstance(host, str) else host.decode() for host in hosts] == ["xn--strae-oqa.test"]


def test_invalid_no_proxy(monkeypatch):
    "If no proxy is configured, a NO_PROXY value that httpx cannot parse is ignored."
    monkeypatch.setenv("NO_PROXY", "fe80::/10,[::1")

    with shop() as client:
        assert client.base_url == "https://shop.test/v2"
