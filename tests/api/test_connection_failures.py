"""Tests for the errors that describe why a connection failed."""

import errno
import gzip
import shutil
import socket
import ssl
import subprocess
from contextlib import suppress

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.errors import ConnectionFailedError, UnexpectedResponseError
from tests.api.service import EMPTY, Service, chunked, create_certificate, cut, head, server_context, tunnel, whole

TWICE = RetryPolicy(max_attempts=2, base=0.001)


def client_of(base_url, **options):
    """Return a client that attempts each read twice. For the host shop.test, no certificates are loaded."""
    verify = "shop.test" not in base_url
    return fg.Client(
        "t-1", "token", base_url=base_url, writable=True, retry=TWICE, timeout=2, **{"verify": verify} | options
    )


def fail(base_url, **options):
    """Return the error and the number of attempts of a read that fails."""
    with client_of(base_url, **options) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            client.read_group_page()
        return caught.value, client.n_requests


def write_error(base_url, **options):
    """Return the text of a write that fails, and the number of requests."""
    with client_of(base_url, **options) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            client.update_group_customers("vip", add=["c-1"])
        return str(caught.value), client.n_requests


# Bodies that cannot be decoded


UNDECODABLE = {
    "truncated gzip": whole(gzip.compress(EMPTY)[:-9], "Content-Encoding: gzip"),
    "gzip with a wrong checksum": whole(gzip.compress(EMPTY)[:-8] + bytes(8), "Content-Encoding: gzip"),
    "no gzip": whole(EMPTY, "Content-Encoding: gzip"),
    "deflate": whole(b"x", "Content-Encoding: deflate"),
    "brotli": whole(b"x", "Content-Encoding: br"),
    "unknown encoding": whole(EMPTY, "Content-Encoding: \xe6"),
    "truncated chunks": chunked(EMPTY)[:-30],
    "invalid chunk": head("Transfer-Encoding: chunked") + b"zz\r\n",
    "truncated JSON": whole(EMPTY[:40]),
    "two objects": whole(EMPTY + EMPTY),
    "invalid UTF-8": whole(EMPTY.replace(b"1", b'"\xff"')),
    "empty body": whole(b""),
    "blank body": whole(b" \n"),
    "NUL bytes": whole(bytes(68)),
    "wrong length": head("Content-Length: 1000") + EMPTY,
    "nothing": b"",
}


@pytest.mark.parametrize("answer", UNDECODABLE.values(), ids=UNDECODABLE)
def test_undecodable_body(answer):
    "A read is repeated if the body of a response with status 200 cannot be decoded, as after a lost connection."
    answer = answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    with Service(cut(answer), whole(EMPTY)) as service:
        with fg.Client("t-1", "token", base_url=service.url, retry=TWICE) as client:
            assert client.read_group_page().total_count == 0
        assert len(service.requests) == 2

    with Service(cut(answer)) as service:
        with (
            fg.Client("t-1", "token", base_url=service.url, retry=TWICE) as client,
            pytest.raises((ConnectionFailedError, UnexpectedResponseError)) as caught,
        ):
            client.read_group_page()
        assert len(service.requests) == 2 and caught.value.is_transient


@pytest.mark.parametrize("name", [name for name in UNDECODABLE if "gzip" in name])
def test_corrupt_gzip_body(name):
    "A gzip body that is truncated or corrupt is not reported as a network problem."
    with Service(cut(UNDECODABLE[name])) as service:
        error, _ = fail(service.url)

    assert error.reason == "lost" and "decompressed" in str(error) and "proxy" in str(error)
    assert "network connection" not in str(error) and "Error" not in str(error)


@pytest.mark.parametrize("name", ["truncated chunks", "invalid chunk", "wrong length", "nothing"])
def test_text_of_lost_connection(name):
    "The error mentions TLS only if no part of a response was received."
    with Service(cut(UNDECODABLE[name])) as service:
        error, _ = fail(service.url)

    assert error.reason == "lost"
    assert ("TLS" in str(error)) is (name == "nothing")
    assert ("body" in str(error)) is (name != "nothing")


@pytest.mark.parametrize("answer", UNDECODABLE.values(), ids=UNDECODABLE)
def test_undecodable_body_of_a_write(answer):
    "A membership request is never repeated, even if the response cannot be decoded."
    with Service(cut(answer)) as service:
        with (
            fg.Client("t-1", "token", base_url=service.url, writable=True, retry=TWICE) as client,
            suppress(ConnectionFailedError, UnexpectedResponseError),
        ):
            client.update_group_customers("vip", add=["c-1"])
        assert len(service.requests) == 1


@pytest.mark.parametrize(
    "body", [b"<html>", b"\n<!DOCTYPE html>", b"\xef\xbb\xbf<html>", b"[]", b'{"items": 1}', b"1"]
)
def test_other_content(body):
    "A complete body that does not follow the API, such as an HTML page, is not requested again."
    with Service(whole(body)) as service:
        with (
            fg.Client("t-1", "token", base_url=service.url, retry=TWICE) as client,
            pytest.raises(UnexpectedResponseError),
        ):
            client.read_group_page()
        assert len(service.requests) == 1


# TLS


def test_untrusted_certificate(secure):
    "An untrusted certificate is reported after one attempt, with the reason and the ways to trust it."
    error, attempts = fail(secure.url)

    assert (error.reason, attempts, secure.requests) == ("certificate", 1, [])
    assert "not trusted" in str(error) and "self-signed" in str(error)
    assert "SSL_CERT_FILE" in str(error) and "verify=" in str(error)
    assert "SSL_CERT_FILE" in error.cli_text and "ca_file" in error.cli_text and "verify=" not in error.cli_text


def test_certificate_of_another_host(secure, certificate):
    "A certificate for another host is reported with both the host and the reason."
    error, attempts = fail(f"https://localhost:{secure.port}/v2", verify=certificate[0])

    assert (error.reason, attempts, secure.requests) == ("certificate", 1, [])
    assert "localhost" in str(error) and "base URL" in str(error)
    assert "SSL_CERT_FILE" not in str(error) + error.cli_text and "not valid" in str(error)


def test_expired_certificate(certificate, tmp_path):
    "An expired certificate is reported with its reason."
    file, key = certificate
    expired, names = tmp_path / "expired.pem", tmp_path / "names.txt"
    names.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n")
    request = subprocess.run(
        ["openssl", "x509", "-x509toreq", "-in", file, "-signkey", key], capture_output=True, check=True
    )
    subprocess.run(
        ["openssl", "x509", "-req", "-days", "-1", "-signkey", key, "-extfile", names, "-out", expired],
        input=request.stdout,
        capture_output=True,
        check=True,
    )
    with Service(whole(EMPTY), tls=server_context(expired, key)) as service:
        error, attempts = fail(service.url, verify=expired)

    assert (error.reason, attempts) == ("certificate", 1)
    assert "expired" in str(error) and "clock" in str(error)
    assert "SSL_CERT_FILE" not in str(error) + error.cli_text


def test_untrusted_certificate_for_a_write(secure):
    "A write over an untrusted connection is reported as not sent."
    text, attempts = write_error(secure.url)

    assert "was not sent" in text and "not known" not in text
    assert (attempts, secure.requests) == (1, [])


class ServiceWithoutTls(Service):
    """A server that answers the first bytes of a TLS connection with an HTTP response."""

    def serve(self, connection, number):
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head("Content-Length: 0", status="400 Bad Request"))


def test_server_without_tls():
    "If the server does not use TLS, a request to an https URL fails after one attempt."
    with ServiceWithoutTls() as service:
        error, attempts = fail(service.url.replace("http:", "https:"))

    assert (error.reason, attempts) == ("tls", 1)
    assert "does not use TLS" in str(error)


def test_server_that_closes_the_connection():
    "If the server closes the connection before the TLS handshake, the error mentions TLS."
    with Service() as service:
        service.serve = lambda connection, number: connection.close()
        error, attempts = fail(service.url.replace("http:", "https:"))

    assert error.reason in ("lost", "tls") and attempts == 2
    assert "TLS" in str(error)


def test_server_with_tls(secure):
    "If the server requires TLS, the error for an http URL mentions https."
    error, _ = fail(secure.url.replace("https:", "http:"))

    assert "uses TLS" in str(error) and "https" in str(error)


# Network


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "dns"),
        (UnicodeError("label too long"), "dns"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"),
        (OSError(errno.ENETUNREACH, "unreachable"), "unreachable"),
        (OSError(errno.EHOSTUNREACH, "unreachable"), "unreachable"),
        (TimeoutError("timed out"), "timeout"),
        (OSError(errno.EMFILE, "too many files"), "lost"),
    ],
)
@pytest.mark.parametrize("proxy", ["", "http://kari:s3cret@proxy.test:3128"])
def test_no_connection(error, reason, proxy, monkeypatch):
    "Each cause of a failed connection has its own `reason`. The error names the proxy, if any, and its variable."

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setattr(socket, "create_connection", refuse)
    failure, attempts = fail("https://shop.test/v2")
    text = str(failure)

    assert (failure.reason, attempts) == (reason, 2)
    assert ("proxy.test:3128" in text) is bool(proxy)
    assert ("HTTPS_PROXY" in text) is (bool(proxy) or reason == "dns")
    assert "s3cret" not in text and "kari" not in text
    assert "was not sent" in write_error("https://shop.test/v2")[0]


@pytest.mark.parametrize(
    "error",
    [socket.gaierror(), ConnectionRefusedError(), TimeoutError(), OSError(errno.ENETUNREACH, ""), ssl.SSLError()],
)
@pytest.mark.parametrize(("name", "value"), [("NO_PROXY", "localhost,.test"), ("https_proxy", "")])
def test_excluded_from_the_proxy(error, name, value, monkeypatch):
    "If a variable prevents the use of the proxy, the error for a failed connection names this variable."

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setenv("HTTPS_PROXY", "http://kari:s3cret@proxy.test:3128")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket, "create_connection", refuse)
    text = str(fail("https://shop.test/v2")[0])

    assert "No proxy was used" in text and name in text
    assert "s3cret" not in text and "kari" not in text
    assert name in write_error("https://shop.test/v2")[0]


@pytest.mark.parametrize("handled", [ssl.SSLCertVerificationError("expired"), ssl.SSLError("wrong version")])
def test_exception_of_the_caller(handled):
    "An exception that the caller was already handling is not reported as the cause of a failed connection."
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # The port is in use, but it accepts no connections.
        base_url = f"http://127.0.0.1:{closed.getsockname()[1]}/v2"
        try:
            raise ValueError("outer") from handled
        except ValueError:
            failure, attempts = fail(base_url)

    assert (failure.reason, attempts) == ("refused", 2)


def test_texts_differ(monkeypatch):
    "The errors for an unknown host, a closed port, an unreachable host, and a timeout have different texts."
    texts = set()
    for error in (socket.gaierror(), ConnectionRefusedError(), OSError(errno.ENETUNREACH, ""), TimeoutError()):

        def refuse(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr(socket, "create_connection", refuse)
        texts.add(str(fail("https://shop.test/v2")[0]))

    assert len(texts) == 4


# Proxies


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("407 Proxy Authentication Required", "requires authentication"),
        ("403 Forbidden", "rejected"),
        ("400 Bad Request", "rejected"),
        ("502 Bad Gateway", "could not connect"),
        ("503 kari\u00e6", "could not connect"),
        ("301 Moved", "rejected"),
    ],
)
def test_rejected_by_the_proxy(status, word, monkeypatch):
    "A connection that the proxy rejects is attempted once. The error names the proxy and its variable."
    with Service(whole(b"s3cret", "X: s3cret", status=status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        error, attempts = fail("https://shop.test/v2")
        text, writes = write_error("https://shop.test/v2")

    assert (error.reason, attempts, writes) == ("proxy", 1, 1)
    for part in (word, f"127.0.0.1:{proxy.port}", "HTTPS_PROXY", status[:3]):
        assert part in str(error)
    assert "s3cret" not in str(error)
    assert "was not sent" in text


def test_rejected_password(monkeypatch):
    "If the proxy rejects the user name and the password, the error does not contain these credentials."
    with Service(whole(b"", status="407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://k%40ri:s3cret%3A%C3%A6@127.0.0.1:{proxy.port}")
        error, _ = fail("https://shop.test/v2")

    [(_, request)] = proxy.requests
    assert b"Basic a0ByaTpzM2NyZXQ6w6Y=" in request  # The Base64 form of "k@ri:s3cret:æ" in UTF-8.
    assert "did not accept" in str(error) and "ALL_PROXY" in str(error)
    assert not any(secret in str(error) for secret in ("k%40ri", "k@ri", "s3cret"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"", ("lost", 2, 1)), (b"nonsense\r\n\r\n", ("proxy", 1, 1))],
    ids=["nothing", "no HTTP"],
)
def test_invalid_proxy_response(answer, expected, monkeypatch):
    "If the proxy closes the connection or does not use HTTP, the error names the proxy and the write is not sent."
    with Service(cut(answer)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        error, attempts = fail("https://shop.test/v2")
        text, writes = write_error("https://shop.test/v2")

    assert (error.reason, attempts, writes) == expected
    assert "was not sent" in text and "not known" not in text
    assert f"127.0.0.1:{proxy.port}" in str(error) and "HTTPS_PROXY" in str(error)


def test_proxy_without_tls(monkeypatch):
    "If the proxy URL starts with https but the proxy does not use TLS, the error names the variable."
    with ServiceWithoutTls() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
        error, attempts = fail("https://shop.test/v2")

    assert (error.reason, attempts) == ("tls", 1)
    assert "HTTPS_PROXY" in str(error) and "http instead of https" in str(error)


def test_certificate_of_the_proxy(secure, monkeypatch):
    "If the certificate of an https proxy is not trusted, the error names the proxy."
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{secure.port}")
    error, attempts = fail("https://shop.test/v2", verify=True)

    assert (error.reason, attempts, secure.requests) == ("certificate", 1, [])
    assert f"proxy 127.0.0.1:{secure.port}" in str(error)


def test_certificate_behind_a_proxy(certificate, monkeypatch):
    "If a proxy is used and the certificate of the server is not trusted, the error names the server and the reason."
    with Service(tunnel(server_context(*certificate), whole(EMPTY))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        error, attempts = fail("https://203.0.113.7/v2")
        wrong_host, _ = fail("https://203.0.113.7/v2", verify=certificate[0])

    assert (error.reason, attempts) == ("certificate", 1)
    assert "203.0.113.7:443" in str(error) and "proxy 127" not in str(error)
    assert "IP address" in str(wrong_host)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_success_behind_a_proxy(tmp_path, monkeypatch):
    "A client reads through a proxy. The proxy does not receive the token."
    file, key = create_certificate(tmp_path, "-addext", "subjectAltName=DNS:shop.test")
    with Service(tunnel(server_context(file, key), whole(EMPTY))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://kari:s3cret@127.0.0.1:{proxy.port}")
        with fg.Client("t-1", "token-4711", base_url="https://shop.test/v2", verify=file) as client:
            assert client.read_group_page().total_count == 0

    [(_, request)] = proxy.requests
    assert request.startswith(b"CONNECT shop.test:443") and b"token-4711" not in request
