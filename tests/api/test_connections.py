"""Connections against raw sockets on loopback that keep, cut, drip, lie and hang up."""

import gzip
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

import frgroups as fg
from frgroups.api.connections import Connections
from frgroups.api.retry import RetryPolicy
from frgroups.errors import ConnectionFailedError, RequestRejectedError

EMPTY = b'{"items":[],"paging":{"pageNumber":1,"pageSize":500,"totalCount":0}}'
ONCE = RetryPolicy(tries=1)


def head(*headers, status="200 OK"):
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def whole(body, *headers, status="200 OK"):
    """An answer that tells its length."""
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def cut(content):
    """Send so much, and hang up."""

    def answer(connection):
        connection.sendall(content)
        return True

    return answer


def drip(content, sent, n=4000, seconds=0.02):
    """Send a head, and then n bytes, one after another, until the client hangs up; each is added to `sent`."""

    def answer(connection):
        connection.sendall(content)
        for _ in range(n):
            time.sleep(seconds)
            connection.sendall(b" ")
            sent.append(b" ")
        return True

    return answer


class Service:
    """A socket that gives each request the next of its answers, and the last one again and again."""

    def __init__(self, *answers, tls=None):
        self.answers, self.tls = list(answers), tls
        self.requests, self.accepted, self.threads = [], [], []
        self.turn = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/v2"

    def __enter__(self):
        self.start(self.accept)
        return self

    def __exit__(self, *problem):
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()
        for thread in self.threads:
            thread.join(5)

    def start(self, what, *args):
        thread = threading.Thread(target=what, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.accepted.append(connection)
                self.start(self.serve, connection, len(self.accepted))

    def hang_up(self):
        """End every connection, as a service does with those that are idle for long."""
        for connection in self.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection, number):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as incoming:
                self.converse(connection, incoming, number)
        except OSError:
            connection.close()

    def converse(self, connection, incoming, number):
        while line := incoming.readline():
            text, length = line, 0
            while (line := incoming.readline()) not in (b"\r\n", b""):
                text += line
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            with self.turn:
                answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append((number, text))
            if not getattr(answer, "takes_no_body", False):
                incoming.read(length)
            if callable(answer):
                if answer(connection):
                    return
            else:
                connection.sendall(answer)

    @property
    def connections_used(self):
        return [number for number, _ in self.requests]


def raw(service, most=2, ssl_context=None):
    """httpx over our connections to a service."""
    return httpx.Client(transport=Connections(most, ssl_context), base_url=service.url, trust_env=False)


def client_of(service, **options):
    return fg.Client("t-1", "secret", base_url=service.url, **{"retry": ONCE, "timeout": 5} | options)


def shop(base_url="https://shop.test/v2"):
    """A client of a host that does not exist."""
    return fg.Client("t-1", "secret", base_url=base_url, retry=ONCE, timeout=5)


# Used again, or not.


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"hello"),
        whole(b""),
        head(status="204 No Content"),
        head("Transfer-Encoding: chunked") + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        whole(gzip.compress(b"hello"), "Content-Encoding: gzip"),
    ],
    ids=["length", "length 0", "204", "chunked", "gzip"],
)
def test_a_connection_is_used_again(answer):
    "However the end of a body is told, the next request goes over the same connection."
    with Service(answer) as service, raw(service) as http:
        bodies = [http.get("/").content for _ in range(3)]

    assert len(set(bodies)) == 1 and bodies[0] in (b"hello", b"")
    assert service.connections_used == [1, 1, 1]


@pytest.mark.parametrize(
    "answer",
    [whole(b"hello", "Connection: close"), cut(head() + b"hello"), cut(whole(b"hello").replace(b"/1.1", b"/1.0"))],
    ids=["Connection: close", "no length", "HTTP/1.0"],
)
def test_a_connection_that_ends_with_its_answer_is_not_used_again(answer):
    "A body without a length ends with the connection, and is whole; the next request makes a new one."
    with Service(answer) as service, raw(service) as http:
        bodies = [http.get("/").content for _ in range(2)]

    assert bodies == [b"hello", b"hello"]
    assert service.connections_used == [1, 2]


def test_a_connection_closed_while_idle_is_not_used_again():
    "The service hangs up on what is idle: a PUT after that is sent once, over a new connection, and is no doubt."
    with Service(whole(EMPTY), head(status="204 No Content")) as service:
        with client_of(service, writable=True) as client:
            client.read_group_page()
            service.hang_up()
            time.sleep(0.05)

            client.update_group_customers("vip", add=["c1"])

        assert [text.split()[0] for _, text in service.requests] == [b"GET", b"PUT"]
        assert service.connections_used == [1, 2]


def test_an_answer_that_came_unasked_is_not_taken_for_the_next():
    "What a service sends too much after an answer is not read as the answer to the next request."
    with Service(whole(b"one") + whole(b"unasked"), whole(b"two")) as service, raw(service) as http:
        first = http.get("/").content
        time.sleep(0.05)
        bodies = [first, http.get("/").content]

    assert bodies == [b"one", b"two"]


def test_there_are_never_more_connections_than_asked_for():
    "Many threads, three connections: each is used again and again, and no fourth is made."

    def slowly(connection):
        time.sleep(0.005)
        connection.sendall(whole(b"hello"))

    with Service(slowly) as service, raw(service, most=3) as http, ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda _: http.get("/").content, range(60)))

        assert bodies == [b"hello"] * 60
        assert len(service.accepted) <= 3


def test_a_failure_gives_its_place_back():
    "With room for one connection, requests that fail in all ways do not keep the next from being sent."
    answers = [cut(b""), cut(head("Content-Length: 9") + b"half"), cut(b"nonsense\r\n\r\n"), whole(b"hello")]
    with Service(*answers) as service, raw(service, most=1) as http:
        for _ in answers[:-1]:
            with pytest.raises(httpx.TransportError):
                http.get("/")

        assert http.get("/").content == b"hello"


def test_nothing_stays_open_after_close():
    "What is idle is closed with the client, and what is in use then as soon as it is given back."
    with Service(whole(b"hello")) as service:
        http = raw(service)
        for _ in range(2):
            http.get("/")
        with http.stream("GET", "/") as answer:
            http.close()
            assert answer.read() == b"hello"

        service.threads[-1].join(5)  # It ends when its connection does.
        assert not service.threads[-1].is_alive()
        assert len(service.accepted) == 1


# Bodies.


@pytest.mark.parametrize(
    "answer",
    [
        cut(head("Content-Length: 100") + EMPTY[:40]),
        cut(head("Content-Length: 100")),
        cut(head("Transfer-Encoding: chunked") + b"64\r\n" + EMPTY[:40]),
        cut(head("Transfer-Encoding: chunked") + b"5\r\n{\r\n  \r\n"),
        cut(head("Transfer-Encoding: chunked") + b"nonsense\r\n"),
    ],
    ids=["half", "head only", "half a chunk", "between chunks", "no chunk"],
)
def test_a_body_that_is_cut_is_a_lost_connection(answer):
    "Half a body is never taken for a whole one, whichever way its end was to be told."
    with Service(answer) as service, raw(service) as http, client_of(service) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("/")
        with pytest.raises(ConnectionFailedError, match="the connection was lost"):
            client.read_group_page()


def test_a_large_body_comes_whole():
    "A body of megabytes, in one piece or in chunks, is what was sent."
    body = bytes(range(256)) * 20_000
    chunks = b"".join(b"%x\r\n%s\r\n" % (100_000, body[n : n + 100_000]) for n in range(0, 5_100_000, 100_000))
    chunked = head("Transfer-Encoding: chunked") + chunks + b"4e20\r\n" + body[5_100_000:] + b"\r\n0\r\n\r\n"
    with Service(whole(body), chunked) as service, raw(service) as http:
        assert http.get("/").content == http.get("/").content == body


def test_a_body_larger_than_a_piece_comes_piece_by_piece(monkeypatch):
    "Beyond the largest piece the body is as whole as below, and its connection is used again."
    monkeypatch.setattr("frgroups.api.connections.LARGEST_PIECE", 1000)
    with Service(whole(b"x" * 200_000)) as service, raw(service) as http:
        assert [len(http.get("/").content) for _ in range(2)] == [200_000] * 2

    assert service.connections_used == [1, 1]


@pytest.mark.parametrize("length", [10**9, 10**15, 10**30])
def test_a_length_that_lies_takes_no_memory(length):
    "The header promises gigabytes, some bytes come: the error is that of a cut body, and nothing was set aside."
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
    [head("Content-Length: 5000"), head(f"Content-Length: {10**10}"), head(), b"HTTP/1.1 200 OK\r\nX-Long: "],
    ids=["a length", "a huge length", "no length", "a head without end"],
)
def test_an_answer_that_drips_is_given_up(first):
    "A byte now and then is no silence; an answer that is not whole after four times the timeout is given up."
    sent = []
    with (
        Service(drip(first, sent)) as service,
        client_of(service, timeout=0.1) as client,
        pytest.raises(ConnectionFailedError, match="no answer in time"),
    ):
        client.read_group_page()

    assert 1 <= len(sent) < 4000


def test_silence_is_given_up():
    "A service that takes the request and says nothing is a timeout, not a wait without end."
    with (
        Service(lambda connection: time.sleep(0.5)) as service,
        client_of(service, timeout=0.1) as client,
        pytest.raises(ConnectionFailedError, match=r"no answer in time \(ReadTimeout\)"),
    ):
        client.read_group_page()


def test_a_page_may_come_compressed():
    "gzip is asked for, and a page that comes so is read."
    with Service(whole(gzip.compress(EMPTY), "Content-Encoding: gzip")) as service, client_of(service) as client:
        assert client.read_group_page().total_count == 0

    assert b"gzip" in service.requests[0][1]


# Heads.


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_what_comes_before_the_answer_is_not_the_answer(status):
    "1xx says that the answer is still to come; the answers that follow belong to their own requests."
    hint = head("Link: </style.css>", status=status)
    with Service(hint * 2 + whole(b"one"), whole(b"two")) as service, raw(service) as http:
        answers = [http.get("/"), http.get("/")]

    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"one"), (200, b"two")]
    assert service.connections_used == [1, 1]


def test_odd_bytes_in_a_header_are_passed_on():
    "A header that is no ASCII costs nothing."
    with (
        Service(whole(b"hello", "X-Odd: blåbær \xff\x80", "x-odd: 2", "Set-Cookie: \xe6=\xf8")) as service,
        raw(service) as http,
    ):
        answer = http.get("/")

    assert answer.content == b"hello"
    assert [value for name, value in answer.headers.raw if name.lower() == b"x-odd"] == [
        b"bl\xe5b\xe6r \xff\x80",
        b"2",
    ]


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", head(*[f"X-{n}: 1" for n in range(500)]), b"x" * 70_000]
)
def test_a_head_that_is_none_is_a_lost_connection(answer):
    "No answer, nonsense, hundreds of headers, a line without end: an error of ours, every time."
    with Service(cut(answer)) as service, client_of(service) as client, pytest.raises(ConnectionFailedError):
        client.read_group_page()


def test_a_request_carries_its_headers_once():
    "Host, length and token are there, and each of them once."
    with Service(head(status="204 No Content")) as service, client_of(service, writable=True) as client:
        client.update_group_customers("vip", add=["c1"])

    names = [line.split(b":")[0].lower() for line in service.requests[0][1].splitlines()[1:]]
    assert sorted(set(names)) == sorted(names)
    assert {b"host", b"content-length", b"authorization", b"accept-encoding"} <= set(names)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what was received is lost with the connection")
def test_an_answer_before_the_request_was_sent_is_heard():
    "A service may refuse a large body with 413 and hang up before it has read it: that is its answer, and no doubt."
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


# https, and proxies.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody has signed but itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "certificate.pem"
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = subprocess.run(["openssl", *kind, *name, "-keyout", str(key), "-out", str(file)], capture_output=True)
    if made.returncode:
        pytest.skip("this openssl makes no such certificate")
    return file, key


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Service(whole(EMPTY), tls=context) as service:
        yield service


def test_a_certificate_that_nobody_vouches_for_is_refused(secure):
    "A self-signed certificate is no connection; nothing was sent over it."
    with (
        client_of(secure) as client,
        pytest.raises(ConnectionFailedError, match=r"could not connect to .*:\d+ \(ConnectError\)"),
    ):
        client.read_group_page()

    assert secure.requests == []


def test_a_certificate_that_one_trusts_is_taken(secure, certificate):
    "verify= takes an SSLContext that trusts the service's certificate; connections are used again there too."
    with client_of(secure, verify=ssl.create_default_context(cafile=certificate[0])) as client:
        totals = [client.read_group_page().total_count for _ in range(3)]

    assert totals == [0, 0, 0]
    assert secure.connections_used == [1, 1, 1]


def test_a_certificate_for_another_host_is_refused(secure, certificate):
    "The same certificate at localhost, for which it was not made, is no connection."
    context = ssl.create_default_context(cafile=certificate[0])
    url = f"https://localhost:{secure.port}/v2"
    with (
        fg.Client("t-1", "secret", base_url=url, verify=context, retry=ONCE) as client,
        pytest.raises(ConnectionFailedError, match="could not connect"),
    ):
        client.read_group_page()

    assert secure.requests == []


def test_loopback_is_reached_without_a_proxy(monkeypatch):
    "A proxy that the environment names is not asked for what is on this machine."
    with Service(whole(b"from the proxy")) as proxy, Service(whole(EMPTY)) as service:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with client_of(service) as client:
            client.read_group_page()

    assert (len(service.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_another_host_is_reached_through_the_proxy_of_the_environment(name, monkeypatch):
    "Where a proxy is set it is asked for a tunnel, without the token; what it refuses is a lost connection."
    for known in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(known, raising=False)
    with Service(whole(b"", status="502 Bad Gateway")) as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with shop() as client, pytest.raises(ConnectionFailedError):
            client.read_group_page()

    (_, asked), *more = proxy.requests
    assert asked.startswith(b"CONNECT shop.test:443") and b"secret" not in asked
    assert more == []


def test_a_host_that_needs_no_proxy_is_reached_without(monkeypatch):
    "NO_PROXY keeps its meaning."
    found = []

    def nowhere(host, *args, **kwargs):
        found.append(host)
        raise socket.gaierror("nowhere")

    with Service(whole(b"", status="502 Bad Gateway")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "shop.test")
        monkeypatch.setattr(socket, "getaddrinfo", nowhere)
        with shop() as client, pytest.raises(ConnectionFailedError, match="could not connect"):
            client.read_group_page()

    assert proxy.requests == []
    assert {host if isinstance(host, str) else host.decode() for host in found} == {"shop.test"}


def test_the_host_that_is_reached_is_the_one_of_the_url(monkeypatch):
    "A name with odd letters is looked up as httpx writes it, not as an older rule would: that is another host."
    found = []

    def nowhere(host, *args, **kwargs):
        found.append(host)
        raise socket.gaierror("nowhere")

    for known in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(known, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with shop("https://straße.test/v2") as client, pytest.raises(ConnectionFailedError, match="could not connect"):
        client.read_group_page()

    assert found == ["xn--strae-oqa.test"]
