"""Tests for connections that fail inside a proxy tunnel."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec

import httpx
import pytest

import frgroups as fg
from frgroups.api.connection_failures import RequestTrace
from frgroups.api.http_client import ReplaceableClient
from frgroups.api.retry import RetryPolicy
from frgroups.errors import ConnectionFailedError
from tests.api.service import EMPTY, Service, create_certificate, cut, head, server_context, tunnel, whole

ACCEPTED = head(status="200 Connection established")
PAGE = whole(b"<html>login</html>", "Content-Type: text/html")


def after_hello(content):
    """Return a function that accepts a CONNECT request, and answers the TLS handshake with the given bytes."""

    def answer(connection):
        connection.sendall(ACCEPTED)
        connection.recv(65536)
        connection.sendall(content)
        return True

    return answer


def socks_tunnel(connection):
    """Accept a SOCKS connection, and answer the TLS handshake with an HTML page."""
    connection.recv(65536)
    connection.sendall(b"\x05\x00")
    connection.recv(65536)
    connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbb")
    connection.recv(65536)
    connection.sendall(PAGE)
    connection.close()


class RawService(Service):
    """A server that passes each connection to a function without reading a request."""

    def serve(self, connection, number):
        with connection, suppress(OSError):
            self.answers[0](connection)


FAILURES = {
    "page in one packet": (cut(ACCEPTED + PAGE), "proxy"),
    "page after the handshake": (after_hello(PAGE), "proxy"),
    "page as response": (cut(whole(b"<html>login</html>", "Content-Type: text/html")), "proxy"),
    "closed": (cut(ACCEPTED), "proxy"),
    "closed after the handshake": (after_hello(b""), "proxy"),
    "TLS alert": (after_hello(b"\x15\x03\x01\x00\x02\x02\x28"), "tls"),
}


def read_often(port, monkeypatch, *, scheme="http", verify=False, workers=4):
    """Return the errors of 10 reads with one client, and the number of requests."""
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{port}")
    errors = []
    with fg.Client("t-1", "token", base_url="https://203.0.113.7/v2", verify=verify, workers=workers) as client:
        for _ in range(10):
            with pytest.raises(ConnectionFailedError) as caught:
                fg.load_snapshot(client)
            errors.append(caught.value)
        return errors, client.n_requests


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(("answer", "reason"), FAILURES.values(), ids=FAILURES)
def test_failed_handshake(answer, reason, workers, monkeypatch):
    "Each failed TLS handshake in a tunnel is one attempt, and it does not block the following requests."
    with Service(answer) as proxy:
        errors, n_requests = read_often(proxy.port, monkeypatch, workers=workers)

    assert {error.reason for error in errors} == {reason} and n_requests == len(proxy.requests) == 10
    for error in errors:
        assert ("status 200" in str(error) and f"127.0.0.1:{proxy.port}" in str(error)) is (reason == "proxy")
        assert ("login page" in str(error)) is (reason == "proxy")


@pytest.mark.parametrize("trusts", [False, True], ids=["untrusted", "other host"])
def test_failed_verification(trusts, certificate, monkeypatch):
    "A certificate that is not valid for a server behind a proxy does not block the following requests."
    with Service(tunnel(server_context(*certificate))) as proxy:
        errors, n_requests = read_often(proxy.port, monkeypatch, verify=certificate[0] if trusts else True)

    assert {error.reason for error in errors} == {"certificate"} and n_requests == 10


@pytest.mark.skipif(find_spec("socksio") is None, reason="socksio is not installed")
def test_socks_proxy(monkeypatch):
    "A failed TLS handshake through a SOCKS proxy names the proxy, and is attempted once."
    with RawService(socks_tunnel) as proxy:
        errors, n_requests = read_often(proxy.port, monkeypatch, scheme="socks5")

    assert {error.reason for error in errors} == {"proxy"} and n_requests == 10
    assert "login page" in str(errors[0]) and "status 200" not in str(errors[0])


def silent(connection):
    """Receive data until the client closes the connection."""
    while connection.recv(65536):
        pass


def silent_tunnel(connection):
    """Accept a CONNECT request, and do not answer the TLS handshake."""
    connection.recv(65536)
    connection.sendall(ACCEPTED)
    silent(connection)


@pytest.mark.parametrize(("scheme", "answer"), [("https", silent), ("http", silent_tunnel)])
def test_silent_handshake(scheme, answer, monkeypatch):
    "A TLS handshake with a proxy or through a proxy that receives no response is attempted once."
    with RawService(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        with (
            fg.Client("t-1", "token", base_url="https://203.0.113.7/v2", verify=False, timeout=0.2) as client,
            pytest.raises(ConnectionFailedError) as caught,
        ):
            fg.load_snapshot(client)

    assert caught.value.reason == "timeout" and client.n_requests == 1


def test_write_in_a_failed_tunnel(monkeypatch):
    "A write through a tunnel without TLS is reported as not sent."
    with Service(after_hello(PAGE)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with (
            fg.Client("t-1", "token", base_url="https://203.0.113.7/v2", verify=False, writable=True) as client,
            pytest.raises(ConnectionFailedError, match="was not sent"),
        ):
            client.update_group_customers("vip", add=["c-1"])

    assert len(proxy.requests) == 1


@pytest.mark.slow
def test_threads_in_a_failed_tunnel(monkeypatch):
    "More threads than workers all receive an error, although each failed handshake occupies a connection."
    with Service(after_hello(PAGE)) as proxy, ThreadPoolExecutor(12) as pool:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with fg.Client("t-1", "token", base_url="https://203.0.113.7/v2", verify=False, workers=3) as client:

            def fail(_):
                with pytest.raises(ConnectionFailedError) as caught:
                    client.read_group_page()
                return caught.value.reason

            reasons = list(pool.map(fail, range(60)))

        assert reasons == ["proxy"] * 60 and len(proxy.requests) == 60


def test_success_after_a_failed_handshake(tmp_path, certificate, monkeypatch):
    "After a failed handshake, the same client can read through the proxy."
    file, key = create_certificate(tmp_path, "-addext", "subjectAltName=DNS:shop.test")
    with Service(after_hello(PAGE), tunnel(server_context(file, key), whole(EMPTY))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with fg.Client("t-1", "token", base_url="https://shop.test/v2", verify=file, workers=1) as client:
            with pytest.raises(ConnectionFailedError):
                client.read_group_page()

            assert client.read_group_page().total_count == 0


# Replaced clients


def replaceable(workers=2):
    """Return a client for a server that is never contacted."""
    return ReplaceableClient(httpx.URL("http://127.0.0.1/"), None, True, workers=workers, timeout=1)


def fail_with(connections, error, *, is_sent=False):
    """Return the client of a request that fails."""
    with suppress(type(error)), connections.reserve(RequestTrace(is_sent=is_sent)) as client:
        raise error
    return client


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), KeyboardInterrupt()])
def test_replaced_client(error):
    "A client is replaced after a request that was not sent, even after Ctrl-C. Requests in other threads continue."
    connections = replaceable()
    with connections.reserve(RequestTrace()) as running:
        assert fail_with(connections, error) is running
        with connections.reserve(RequestTrace()) as other:
            assert other is not running
        assert not running.is_closed and not other.is_closed
    assert running.is_closed and not other.is_closed

    assert fail_with(connections, error, is_sent=True) is other
    with connections.reserve(RequestTrace()) as same:
        assert same is other
    connections.close()
    assert other.is_closed


def test_close_during_a_request():
    "Closing also closes replaced clients that still have a request. A closed client is not replaced."
    connections = replaceable()
    with connections.reserve(RequestTrace()) as running:
        fail_with(connections, OSError())
        connections.close()
        assert running.is_closed
    assert fail_with(connections, OSError()).is_closed
    with connections.reserve(RequestTrace()) as client:
        assert client.is_closed


def test_number_of_requests():
    "At most as many requests as workers run at the same time."
    connections, entered = replaceable(workers=1), threading.Event()

    def enter():
        with connections.reserve(RequestTrace()):
            entered.set()

    with connections.reserve(RequestTrace()):
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(5)
    assert entered.is_set()
    connections.close()


def test_pool_timeout(monkeypatch):
    "If httpx has no free connection, the error states it, and a write is reported as not sent."

    def wait(self, *args, **kwargs):
        raise httpx.PoolTimeout("")

    monkeypatch.setattr(httpx.Client, "stream", wait)
    with (
        fg.Client("t-1", "token", base_url="http://127.0.0.1:9/v2", writable=True) as client,
        pytest.raises(ConnectionFailedError, match="was not sent") as caught,
    ):
        client.update_group_customers("vip", add=["c-1"])

    assert caught.value.reason == "timeout" and "PoolTimeout" in str(caught.value)


# Responses to CONNECT


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"SSH-2.0-x\r\n\r\n", bytes(64) + b"\r\n\r\n", b"\xff\n\n"])
def test_no_http_proxy(answer, monkeypatch):
    "A response to CONNECT that is not HTTP is one attempt, and the error states that the address is not a proxy."
    with Service(cut(answer)) as proxy:
        errors, n_requests = read_often(proxy.port, monkeypatch)

    assert {error.reason for error in errors} == {"proxy"} and n_requests == 10
    assert "not an HTTP proxy" in str(errors[0]) and "HTTPS_PROXY" in str(errors[0])


def test_incomplete_response_to_connect(monkeypatch):
    "If the address closes the connection instead of answering CONNECT, the read is repeated."
    with Service(cut(b"SSH-2.0-x\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        retry = RetryPolicy(max_attempts=2, base=0.001)
        with (
            fg.Client("t-1", "token", base_url="https://203.0.113.7/v2", verify=False, retry=retry) as client,
            pytest.raises(ConnectionFailedError, match="HTTP proxy") as caught,
        ):
            client.read_group_page()

    assert caught.value.reason == "lost" and len(proxy.requests) == 2
