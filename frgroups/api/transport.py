"""HTTP to one tenant: token, pacing, retries, every failure as one of our errors."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import isfinite
from typing import Any, NoReturn, TypeVar, cast
from urllib.request import getproxies

import httpx

from frgroups.api.connections import Connections
from frgroups.api.defaults import REQUESTS_PER_SECOND
from frgroups.api.environments import BASE_URLS, is_loopback
from frgroups.api.retry import Pacer, RetryPolicy, retry_after, sleep
from frgroups.api.schema import codec as wire
from frgroups.errors import (
    AuthError,
    ConnectionFailedError,
    ForbiddenError,
    InputError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    UnexpectedResponseError,
)
from frgroups.internals.structured_logging import log_event

log = logging.getLogger("frgroups.transport")

LARGEST_BODY = 256 << 20
SILENCES = 4
_REDIRECTS = (301, 302, 303, 307, 308)

Token = str | Callable[[], str]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the API's operation, the path below the tenant, and what goes with it."""

    operation: str
    method: str
    path: str
    parameters: Mapping[str, str | int] | None = None
    body: bytes | None = None


@dataclass(slots=True, repr=False)
class Answer:
    """What came back: the body whole, and the token that the request carried; a repr would show both."""

    status: int
    headers: httpx.Headers
    body: bytes
    token: str
    taken: object = None

    @property
    def is_success(self) -> bool:
        """Whether the service did what it was asked."""
        return 200 <= self.status < 300


def checked_base_url(base_url: str) -> str:
    """
    The URL behind "stage", "production" or a URL; https is demanded except on loopback.

    >>> checked_base_url("stage")
    'https://api.stage.flowretail.com/v2'
    """
    try:
        url = httpx.URL(BASE_URLS.get(base_url, base_url))
        url.host.encode("idna")
    except (httpx.InvalidURL, TypeError, UnicodeError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        # What stands before an @ may be a password; so no cause is chained either.
        shown = re.sub(r"[^/]*@", "…@", base_url) if isinstance(base_url, str) else base_url
        raise InputError(f"{shown!r} is not a base URL; use 'stage', 'production' or https://host/v2.")
    if url.userinfo or url.query or url.fragment:
        raise InputError("A base URL has no user, query or fragment; the token is told apart from it.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise InputError(f"{base_url!r} would send the token unencrypted; use https (http is for loopback only).")
    return str(url).rstrip("/")


class Transport:
    """
    Sends calls for one tenant, from any thread; never more connections than workers.

    A GET is tried again after 429, 5xx, timeouts and cut connections. A write is sent once: only the caller
    knows what a lost answer to a write means. The exception is a 401, after which a token that can be asked
    for is asked for once more, by one thread.
    """

    def __init__(
        self,
        tenant_uid: str,
        token: Token,
        *,
        base_url: str,
        workers: int,
        timeout: float,
        requests_per_second: float | None,
        retry: RetryPolicy,
        verify: Any,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self.host = httpx.URL(self.base_url).host
        self.tenant_uid = wire.check_uid(tenant_uid, "tenant uid")
        loopback = is_loopback(self.host)
        if requests_per_second is None and not loopback:
            requests_per_second = REQUESTS_PER_SECOND
        self._pacer = Pacer(requests_per_second)
        self._retry = retry
        self._token_source = token
        self._token = "" if callable(token) else checked_token(token)
        self._token_lock = threading.Lock()
        self.clock_skew: float | None = None
        self.n_requests = 0
        self._count_lock = threading.Lock()
        self._taking = threading.Lock()
        # `timeout` is for each silence; a whole answer may take so many of them.
        self._patience = SILENCES * timeout
        # Over http (loopback alone) no certificate comes; loading those to trust takes longer than a request.
        secure = self.base_url.startswith("https:")
        trusted = httpx.create_ssl_context(verify, trust_env=not loopback) if secure else None
        # httpx looks at the proxies of the environment only where it makes the connections itself.
        proxied = not loopback and not getproxies().keys().isdisjoint(("http", "https", "all"))
        self._http = httpx.Client(
            transport=None if proxied else Connections(workers, trusted),
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
            headers={"Accept": "application/json", "User-Agent": "frgroups"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # The API knows none; none is kept or sent.
            trust_env=not loopback,
            verify=trusted or False,
        )

    @property
    def paused_for(self) -> float:
        """For how many seconds from now no request will start."""
        return self._pacer.paused_for()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call, take: Callable[[bytes], Result]) -> Result:
        """What `take` makes of the body of a 2xx answer; every other end is an ApiError."""
        may_retry = call.method == "GET"
        tried, waited = 0, 0.0
        while True:
            tried += 1
            try:
                return self._answered(call, take)
            except (RateLimitedError, ServerError, ConnectionFailedError) as error:
                asked = error.retry_after if isinstance(error, RateLimitedError) else None
                if asked is not None and asked <= self._retry.longest_wait:
                    self._pacer.pause(asked)
                wait = self._retry.wait(tried, asked=asked, waited=waited) if may_retry else None
                if wait is None:
                    raise
                text = f"{call.operation}: {error.status or 'no answer'}; try {tried + 1} after {wait:.1f} s"
                facts = {**self._facts(call, error.status), "tried": tried, "wait_seconds": wait}
                log_event(log, logging.INFO, "request_repeated", text, **facts)
                waited += wait
                sleep(wait)

    def _answered(self, call: Call, take: Callable[[bytes], Result]) -> Result:
        answer = self._answer(call, self._current_token(), take)
        if answer.status == 401 and callable(self._token_source):
            answer = self._answer(call, self._fresh_token(answer.token), take)
        if answer.is_success:
            return cast(Result, answer.taken)
        self._fail(call, answer)

    def _answer(self, call: Call, token: str, take: Callable[[bytes], object]) -> Answer:
        url = httpx.URL(f"{self.base_url}/tenants/{self.tenant_uid}{call.path}", params=call.parameters or None)
        headers = {"Authorization": f"Bearer {token}"}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        for _ in range(4):
            self._pacer.take()
            if self._http.is_closed:
                raise InputError(f"{call.operation}: this client is closed; nothing was sent. Make another one.")
            self._count()
            started = time.monotonic()
            broken: ConnectionFailedError | None = None
            try:
                patience = {"patience": self._patience}
                with self._http.stream(
                    call.method, url, content=call.body, headers=headers, extensions=patience
                ) as stream:
                    answer = self._whole(call, stream, started, token)
                if answer.is_success:
                    # Python decodes no two pages at once, and takes longer when threads compete for it.
                    with self._taking:
                        answer.taken = take(answer.body)
            except (httpx.NetworkError, httpx.TimeoutException) as error:
                raise self._lost(call, error) from error
            except (httpx.TransportError, httpx.DecodingError) as error:
                broken = self._lost(call, error)
            except httpx.InvalidURL as error:
                raise UnexpectedResponseError(
                    f"{self._where(call)}: 3xx, the service redirects to what is no address. Check the base URL.",
                    **self._facts(call, 302),
                ) from error
            if broken is not None:
                raise broken  # Without its cause, which may quote what came in place of HTTP.
            if log.isEnabledFor(logging.DEBUG):
                seconds = round(time.monotonic() - started, 3)
                text = f"{call.operation} {answer.status} in {seconds:.3f} s"
                log_event(log, logging.DEBUG, "answered", text, **self._facts(call, answer.status), seconds=seconds)
            self._note_clock(answer)
            if not (answer.status in _REDIRECTS and "Location" in answer.headers and call.method == "GET"):
                return answer
            target = url.join(answer.headers["Location"])
            if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
                raise UnexpectedResponseError(
                    f"{self._where(call)}: {answer.status}, the service redirects to another host, "
                    f"{target.host!r}; not followed, and the token was not sent there. Check the base URL.",
                    **self._facts(call, answer.status),
                )
            url = target
        raise UnexpectedResponseError(
            f"{self._where(call)}: {answer.status}, redirected more than 3 times. Check the base URL.",
            **self._facts(call, answer.status),
        )

    def _whole(self, call: Call, stream: httpx.Response, started: float, token: str) -> Answer:
        """The answer with its body, as long as that comes in time and does not grow without end."""
        chunks: list[bytes] = []
        size = 0
        for chunk in stream.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise self.bad_answer(call, f"the body is larger than {LARGEST_BODY >> 20} MiB")
            if time.monotonic() - started > self._patience:
                raise httpx.ReadTimeout(f"the answer was not whole after {self._patience:.0f} s")
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return Answer(stream.status_code, stream.headers, body, token)

    def _count(self) -> None:
        with self._count_lock:
            self.n_requests += 1

    def _current_token(self) -> str:
        if self._token:
            return self._token
        return self._fresh_token("")

    def _fresh_token(self, refused: str) -> str:
        """Ask for a token, unless another thread has already replaced the refused one."""
        with self._token_lock:
            if self._token == refused and callable(self._token_source):
                self._token = checked_token(self._token_source())
            return self._token

    def _note_clock(self, answer: Answer) -> None:
        if stated := answer.headers.get("Date"):
            try:
                self.clock_skew = (parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError, OverflowError):
                return

    def _lost(self, call: Call, error: Exception) -> ConnectionFailedError:
        kind = "no answer in time" if isinstance(error, httpx.TimeoutException) else "the connection was lost"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            url = httpx.URL(self.base_url)
            kind = f"could not connect to {url.host}:{url.port or {'http': 80, 'https': 443}[url.scheme]}"
        after = (
            " Whether the change happened is not known: read the group before sending it again."
            if call.method != "GET"
            else " Is the service up and the base URL right?"
        )
        return ConnectionFailedError(
            f"{self._where(call)}: {kind} ({type(error).__name__}).{after}", **self._facts(call, None)
        )

    def _fail(self, call: Call, answer: Answer) -> NoReturn:
        status = answer.status
        told = self._said(answer)
        said = f" The service says: {told}" if told else ""
        facts = {**self._facts(call, status), "said": told}
        where = f"{self._where(call)}: {status}"
        if status == 401:
            raise AuthError(f"{where}, the token was not accepted. Ask for a new one.{said}", **facts)
        if status == 403:
            raise ForbiddenError(
                f"{where}, the token may not do this. Writes need the CUSTOMER permission.{said}", **facts
            )
        if status == 404:
            raise NotFoundError(f"{where}, not found. Check the tenant uid and the group uid.{said}", **facts)
        if status == 429:
            asked = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
            long = asked is not None and not isfinite(asked)
            wait = f" It asks to wait {'for ever' if long else f'{asked:.0f} s'}." if asked is not None else ""
            raise RateLimitedError(
                f"{where}, too many requests.{wait}{said}",
                hint="Create the client with fewer workers= or with a lower requests_per_second=.",
                cli_hint="To load with fewer requests per second, use frgroups load --requests-per-second.",
                retry_after=asked,
                **facts,
            )
        if status >= 500:
            after = " Whether the change happened is not known." if call.method != "GET" else ""
            raise ServerError(f"{where}, the service failed.{after}{said}", **facts)
        if status >= 400:
            raise RequestRejectedError(f"{where}, refused.{said}", **facts)
        raise UnexpectedResponseError(
            f"{where}, an answer this API does not give. Check the base URL.{said}", **facts
        )

    def _said(self, answer: Answer) -> str:
        """The service's own words, without the token should it repeat it."""
        # Before the words are shortened, lest half a token stays; and after, should it have been escaped.
        said = wire.error_message(answer.body.replace(answer.token.encode(), "…".encode()))
        return said.replace(answer.token, "…")

    def bad_answer(self, call: Call, problem: str) -> UnexpectedResponseError:
        """The error for a 2xx answer (told as 200) whose body is not the API's."""
        after = " Whether the change happened is not known." if call.method != "GET" else ""
        return UnexpectedResponseError(
            f"{self._where(call)}: 200, but not an answer of this API: {problem}.{after} Is {self.base_url} the API?",
            **self._facts(call, 200),
        )

    def _where(self, call: Call) -> str:
        return f"{call.operation} ({call.method} {call.path}) of tenant {self.tenant_uid} at {self.host}"

    def _facts(self, call: Call, status: int | None) -> dict[str, Any]:
        return {"operation": call.operation, "tenant_uid": self.tenant_uid, "status": status}


def checked_token(token: Any) -> str:
    """The token, when it is one; it is never repeated in the error."""
    if isinstance(token, str) and (text := token.strip()) and text.isascii() and text.isprintable():
        return text.removeprefix("Bearer ").lstrip()
    if token is None or not str(token).strip():
        raise InputError("There is no token. Set FRGROUPS_TOKEN, or pass the token or a callable that returns it.")
    raise InputError(f"The token is a {type(token).__name__} that cannot be sent as one (not plain text).")
