"""
Connections to the service, under httpx: HTTP/1.1 by the standard library, each body read into one piece of memory.

httpx's own connections pass a page of 1 MB through Python in pieces of 64 KB that are copied five times, which
takes as long as decoding it. Proxies stay httpx's business: a request that needs one does not come here.
"""

from __future__ import annotations

import http.client
import io
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import httpx

# A body that says it is larger than this is taken piece by piece: the word of a header is not worth the memory.
LARGEST_PIECE = 1 << 26
_PIECE = 1 << 16

Result = TypeVar("Result")


class Connections(httpx.BaseTransport):
    """
    At most so many connections at a time, used again as long as the service keeps them open.

    A request may bring `extensions={"patience": seconds}`: so long the whole answer may take, however it drips.
    """

    def __init__(self, most: int, ssl_context: ssl.SSLContext | None) -> None:
        self._ssl_context = ssl_context
        self._free = threading.BoundedSemaphore(most)
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its answer comes with the body still to be read."""
        self._free.acquire()
        try:
            return self._answer(request)
        except BaseException:
            self._free.release()
            raise

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        self._closed = True
        while self._idle:
            with suppress(IndexError):  # Another thread was first.
                self._idle.pop().close()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        timeout = request.extensions["timeout"]
        connection = self._idle_to(request.url) or self._connected(request.url, timeout["connect"])
        try:
            connection.sock.settimeout(timeout["write"])
            _send(connection, request)
            patience = request.extensions.get("patience", math.inf)
            made = partial(_Answer, patience=patience, silence=timeout["read"])
            connection.response_class = made  # type: ignore[assignment]  # It is only called.
            answer = _received(lambda: _final(connection.getresponse()))
        except BaseException:
            connection.close()
            raise
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.getheaders()]
        body = _Body(answer, lambda: self._give_back(connection, answer))
        return httpx.Response(answer.status, headers=headers, stream=body)

    def _idle_to(self, url: httpx.URL) -> http.client.HTTPConnection | None:
        """A connection that is open still: a write into one that the service has closed would be in doubt."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # Another thread was first.
                break
            if (connection.host, connection.port) == (_host(url), _port(url)) and not _has_news(connection):
                return connection
            connection.close()
        return None

    def _connected(self, url: httpx.URL, timeout: float | None) -> http.client.HTTPConnection:
        host, port = _host(url), _port(url)
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=self._ssl_context)
        try:
            connection.connect()
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection

    def _give_back(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        """Keep the connection for the next request, when its answer was read to the end."""
        if answer.isclosed() and not answer.will_close and not self._closed:
            self._idle.append(connection)
            if self._closed:  # In the meantime, by another thread.
                self.close()
        else:
            answer.close()
            connection.close()
        self._free.release()


class _Body(httpx.SyncByteStream):
    """The body of one answer, and the connection that it comes from until it is closed."""

    def __init__(self, answer: http.client.HTTPResponse, give_back: Callable[[], None]) -> None:
        self._answer = answer
        self._give_back: Callable[[], None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        length = self._answer.length
        packed = self._answer.getheader("Content-Encoding")  # A small body may hold a large one: piece by piece.
        if length is not None and 0 < length <= LARGEST_PIECE and not packed:
            yield self._in_one_piece(length)
            return
        while piece := _received(lambda: self._answer.read1(_PIECE)):
            yield piece
        if self._answer.length:
            raise httpx.RemoteProtocolError(f"the body ended {self._answer.length} bytes early")
        self._answer.close()  # Some versions of Python leave a body open that is whole, as that of a 204.

    def close(self) -> None:
        """Let go of the connection."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def _in_one_piece(self, length: int) -> bytes:
        body = bytearray(length)
        free = memoryview(body)
        while free:
            n = _received(lambda: self._answer.fp.readinto1(free))  # noqa: B023  # Called at once.
            if not n:
                raise httpx.RemoteProtocolError(f"the body ended {len(free)} bytes early")
            free = free[n:]
        self._answer.close()
        return body  # type: ignore[return-value]  # As good as bytes, without another copy.


class _Answer(http.client.HTTPResponse):
    """An answer of which head and body together may take so many seconds, however they drip."""

    def __init__(
        self, sock: socket.socket, *args: Any, patience: float, silence: float | None, **options: Any
    ) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Line(self.fp.detach(), sock, patience, silence))


class _Line(io.RawIOBase):
    """What comes over a connection; no silence is longer than `silence`, and all of it no longer than `patience`."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, patience: float, silence: float | None) -> None:
        self._raw, self._sock = raw, sock
        self._patience, self._until = patience, time.monotonic() + patience
        self._silence = math.inf if silence is None else silence

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the answer was not whole after {self._patience:.0f} s")
        seconds = min(left, self._silence)
        self._sock.settimeout(None if seconds == math.inf else seconds)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _send(connection: http.client.HTTPConnection, request: httpx.Request) -> None:
    try:
        target = request.url.raw_path.decode("ascii")
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.raw:
            connection.putheader(name, value)
        connection.endheaders(request.read() or None)
    except TimeoutError as error:
        raise httpx.WriteTimeout(str(error)) from error
    except ConnectionError:
        return  # The service may have answered, with 413 say, and hung up before it read all; reading tells.
    except OSError as error:
        raise httpx.WriteError(str(error)) from error


def _received(read: Callable[[], Result]) -> Result:
    try:
        return read()
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error
    except (http.client.HTTPException, ValueError) as error:
        broken = type(error).__name__
    # Outside of the block, so that the error brings along nothing of what the service sent in place of HTTP.
    raise httpx.RemoteProtocolError(broken)


def _final(answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
    """The answer itself, after those that only say that it is to come; http.client knows just 100 of them."""
    while 101 < answer.status < 200:
        answer.headers = answer.msg = None  # type: ignore[assignment]  # Or it would not begin again.
        answer.begin()
    return answer


def _host(url: httpx.URL) -> str:
    """The name as httpx encodes it: Python's own rule is older, and makes another host of some names."""
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _has_news(connection: http.client.HTTPConnection) -> bool:
    """Whether something came unasked on an idle connection, which can only be its end."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([connection.sock], [], [], 0)[0])  # Windows has no poll.
