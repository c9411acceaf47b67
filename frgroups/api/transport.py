"""Send HTTP requests for one tenant, and turn every failure into one of our errors."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import isfinite
from typing import Any, NoReturn, TypeVar
from urllib.request import getproxies

import httpx

from frgroups.api.debug_log_filter import EventNamesOnly
from frgroups.api.defaults import REQUESTS_PER_SECOND
from frgroups.api.environments import BASE_URLS, is_loopback
from frgroups.api.response_body import IncompleteBodyError, ResponseBody, UnusableBodyError
from frgroups.api.retry import RateLimiter, Retry, RetryPolicy, call_with_retry, parse_retry_after, sleep
from frgroups.api.schema import codec
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
from frgroups.internals.redaction import HiddenText
from frgroups.internals.structured_logging import log_event

log = logging.getLogger("frgroups.api")

LARGEST_BODY = 256 << 20
TOTAL_TIMEOUT_FACTOR = 4
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 3
_RETRY_ON = (RateLimitedError, ServerError, ConnectionFailedError)
_DEFAULT_PORTS = {"http": 80, "https": 443}

# httpcore is the connection library of httpx.
_event_names_only = EventNamesOnly()
logging.getLogger(httpx.__name__.replace("httpx", "httpcore") + ".http11").addFilter(_event_names_only)

Token = str | Callable[[], str]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of the API.

    Attributes
    ----------
    operation
        Name of the operation in the API contract.
    method, path
        HTTP method, and path below the tenant.
    parameters, body
        Query parameters and JSON body, or None.
    """

    operation: str
    method: str
    path: str
    parameters: Mapping[str, str | int] | None = None
    body: bytes | None = None

    @property
    def is_read(self) -> bool:
        """True if the call changes nothing."""
        return self.method == "GET"


@dataclass(slots=True, repr=False)
class Response:
    """
    A complete response.

    There is no repr, because it would show personal data and the token.

    Attributes
    ----------
    token
        The token that the request carried.
    redirect
        The target of a redirected read.
    """

    status: int
    headers: httpx.Headers
    token: str
    body: bytes = b""
    redirect: httpx.URL | None = None

    @property
    def is_success(self) -> bool:
        """True for a 2xx status."""
        return 200 <= self.status < 300


def checked_base_url(base_url: str) -> str:
    """
    Return the URL of an environment name or a URL.

    Raises
    ------
    InputError
        The value is not a URL, has more parts than scheme, host, port and path, or uses http for another machine.

    Examples
    --------
    >>> checked_base_url("stage")
    'https://api.stage.flowretail.com/v2'
    """
    try:
        url = httpx.URL(BASE_URLS.get(base_url, base_url))
        url.host.encode("idna")
    except (httpx.InvalidURL, TypeError, UnicodeError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        text = base_url
        if isinstance(base_url, str):
            # The part before an @ can be a password. For the same reason, the error has no cause.
            text = re.sub(r"[^/]*@", "…@", base_url)
        raise InputError(f"{text!r} is not a base URL. Use 'stage', 'production' or https://host/v2.")
    if url.userinfo or url.query or url.fragment:
        raise InputError("A base URL has no user, query or fragment. Pass the token separately.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise InputError(f"{base_url!r} would send the token unencrypted; use https. http is for loopback only.")
    return str(url).rstrip("/")


def check_token(token: Any) -> HiddenText:
    """
    Return a token without surrounding space and without "Bearer".

    Raises
    ------
    InputError
        The value is not text that fits into a header. The error does not contain the value.
    """
    if isinstance(token, str):
        text = token.strip()
        if text and text.isascii() and text.isprintable():
            return HiddenText(text.removeprefix("Bearer ").lstrip())
    if token is None or not str(token).strip():
        raise InputError("There is no token. Set FRGROUPS_TOKEN, or pass the token or a callable that returns it.")
    raise InputError(f"The token is a {type(token).__name__} that is not plain text, and cannot be sent.")


class Transport:
    """
    Send calls for one tenant, from any thread, over at most as many connections as there are workers.

    A read is repeated after 429, 5xx, a timeout or a lost connection. A write is sent once, because only the caller
    can decide what a lost response means. There is one exception: after a 401 a callable token is called once more,
    and the request is repeated.
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
        url = httpx.URL(self.base_url)
        self.host = url.host
        self.tenant_uid = codec.check_uid(tenant_uid, "tenant uid")
        self.clock_skew: float | None = None
        self.n_requests = 0
        self._count_lock = threading.Lock()
        self._decode_lock = threading.Lock()
        loopback = is_loopback(self.host)
        if requests_per_second is None and not loopback:
            requests_per_second = REQUESTS_PER_SECOND
        self._rate_limiter = RateLimiter(requests_per_second)
        self._retry = retry
        # A plain token is not stored as the source, because a traceback with local variables would show it.
        self._token_source = token if callable(token) else None
        self._token = HiddenText() if callable(token) else check_token(token)
        self._token_lock = threading.Lock()
        # `timeout` applies to each read from the connection, and the total timeout to the whole response.
        self._total_timeout = TOTAL_TIMEOUT_FACTOR * timeout
        ssl_context = None
        if url.scheme == "https":  # Loading the certificates takes longer than a request over http.
            ssl_context = httpx.create_ssl_context(verify, trust_env=not loopback)
        # Without a proxy, httpx needs nothing from the environment. It raises an error for addresses in NO_PROXY that
        # it cannot parse, which must not matter then.
        uses_proxy = not loopback and not getproxies().keys().isdisjoint(("http", "https", "all"))
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "frgroups"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # The API uses no cookies.
            trust_env=uses_proxy,
            verify=ssl_context or False,
        )

    @property
    def paused_for(self) -> float:
        """Seconds until the next request may start after a Retry-After, or 0."""
        return self._rate_limiter.remaining_pause()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        """
        Send a call, and return the decoded body of a 2xx response.

        A read is repeated within the retry policy. A write is sent once.

        Parameters
        ----------
        call
            The call to send.
        decode
            Function that decodes the body. It runs in one thread at a time.

        Raises
        ------
        ApiError
            The response has another status, or there is no complete response.
        """
        if not call.is_read:
            return self._send_with_auth(call, decode)

        def attempt() -> Result:
            return self._send_with_auth(call, decode)

        def wait(retry: Retry) -> None:
            status, n = retry.error.status, retry.attempts
            text = f"{call.operation}: {status or 'no response'}; attempt {n + 1} after {retry.delay:.1f} s"
            facts = {**self._facts(call, status), "attempts": n, "wait_seconds": retry.delay}
            log_event(log, logging.INFO, "request_repeated", text, **facts)
            sleep(retry.delay)

        return call_with_retry(attempt, self._retry, retry_on=_RETRY_ON, wait=wait)

    def unexpected_response(self, call: Call, problem: str) -> UnexpectedResponseError:
        """Return the error for a 2xx response, reported as 200, whose body is not one of the API."""
        return UnexpectedResponseError(
            f"{self._describe(call)}: 200, but not a response of this API: {problem}.{_outcome(call)} "
            f"Is {self.base_url} the API?",
            **self._facts(call, 200),
        )

    def _send_with_auth(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        response = self._request(call, self._current_token())
        if response.status == 401 and callable(self._token_source):
            response = self._request(call, self._renew_token(response.token))
        if not response.is_success:
            self._raise_for_status(call, response)
        # Decoding in parallel is slower, because the threads compete for the interpreter lock.
        with self._decode_lock:
            return decode(response.body)

    def _request(self, call: Call, token: str) -> Response:
        """Send a request, and follow at most 3 redirects of a read on the same host."""
        url = httpx.URL(f"{self.base_url}/tenants/{self.tenant_uid}{call.path}", params=call.parameters or None)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._exchange(call, url, token)
            target = response.redirect
            if target is None:
                return response
            if (target.scheme, target.raw_host, target.port) != (url.scheme, url.raw_host, url.port):
                host = target.raw_host.decode("ascii", "replace")
                raise UnexpectedResponseError(
                    f"{self._describe(call)}: {response.status}, the server redirects to another host, {host!r}. The "
                    "redirect was not followed, and the token was not sent there. Check the base URL.",
                    **self._facts(call, response.status),
                )
            url = target
        raise UnexpectedResponseError(
            f"{self._describe(call)}: {response.status}, redirected more than {_MAX_REDIRECTS} times. Check the base "
            "URL.",
            **self._facts(call, response.status),
        )

    def _exchange(self, call: Call, url: httpx.URL, token: str) -> Response:
        """Send one request and read the whole response."""
        headers: dict[str, str] = {"Authorization": HiddenText(f"Bearer {token}")}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        self._rate_limiter.acquire()
        if self._http.is_closed:
            raise InputError(f"{call.operation}: this client is closed; nothing was sent. Create another client.")
        self._count_request()
        started = time.monotonic()
        failure: ConnectionFailedError | None = None
        try:
            with (
                _event_names_only.active(),
                self._http.stream(call.method, url, content=call.body, headers=headers) as stream,
            ):
                response = Response(stream.status_code, stream.headers, token)
                response.body = self._read_body(call, stream, started)
                if call.is_read and response.status in _REDIRECTS and "Location" in stream.headers:
                    response.redirect = url.join(stream.headers["Location"])
        except (httpx.NetworkError, httpx.TimeoutException) as error:
            # Without the traceback of the HTTP library, whose local variables contain the token.
            raise self._connection_error(call, error) from error.with_traceback(None)
        except (httpx.TransportError, IncompleteBodyError) as error:
            failure = self._connection_error(call, error)
        except (httpx.InvalidURL, UnicodeError) as error:  # httpx raises both for a Location that is not a URL.
            raise UnexpectedResponseError(
                f"{self._describe(call)}: 3xx, redirected to an invalid URL.{_outcome(call)} Check the base URL.",
                **self._facts(call, 302),
            ) from error.with_traceback(None)
        if failure is not None:
            raise failure  # Without the cause, because its text can quote the response.
        if log.isEnabledFor(logging.DEBUG):
            seconds = round(time.monotonic() - started, 3)
            text = f"{call.operation} {response.status} in {seconds:.3f} s"
            facts = self._facts(call, response.status)
            log_event(log, logging.DEBUG, "response_received", text, **facts, seconds=seconds)
        self._update_clock_skew(response)
        return response

    def _read_body(self, call: Call, stream: httpx.Response, started: float) -> bytes:
        """
        Read the body until it is complete, too large or too late.

        The total timeout starts with the request. It is checked after each chunk of the body, because httpx returns
        control only then.
        """
        body = ResponseBody(stream.headers.get("Content-Encoding"), LARGEST_BODY)
        try:
            for chunk in stream.iter_raw():
                body.add(chunk)
                if time.monotonic() - started > self._total_timeout:
                    raise httpx.ReadTimeout(f"the response was not complete after {self._total_timeout:.0f} s")
            return body.finish()
        except UnusableBodyError as error:
            if stream.is_success:
                raise self.unexpected_response(call, str(error)) from None
            return b""  # The status is enough for an error. The body would only add the server's message.

    def _count_request(self) -> None:
        with self._count_lock:
            self.n_requests += 1

    def _current_token(self) -> str:
        if self._token:
            return self._token
        return self._renew_token("")

    def _renew_token(self, rejected: str) -> str:
        """Call the token callable, unless another thread has already replaced the rejected token."""
        with self._token_lock:
            if self._token == rejected and callable(self._token_source):
                self._token = check_token(self._token_source())
            return self._token

    def _update_clock_skew(self, response: Response) -> None:
        date = response.headers.get("Date")
        if date is None:
            return
        with suppress(ValueError, TypeError, OverflowError):
            self.clock_skew = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()

    def _connection_error(self, call: Call, error: Exception) -> ConnectionFailedError:
        problem = "the connection was lost"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            url = httpx.URL(self.base_url)
            problem = f"could not connect to {url.host}:{url.port or _DEFAULT_PORTS[url.scheme]}"
        elif isinstance(error, httpx.TimeoutException):
            problem = "no complete response in time"
        advice = f"{_outcome(call)} Read the group before you send it again."
        if call.is_read:
            advice = " Is the server running, and is the base URL right?"
        return ConnectionFailedError(
            f"{self._describe(call)}: {problem} ({type(error).__name__}).{advice}", **self._facts(call, None)
        )

    def _raise_for_status(self, call: Call, response: Response) -> NoReturn:
        status, message = response.status, self._server_message(response)
        quote = f" The server message is: {message}" if message else ""
        facts = {**self._facts(call, status), "server_message": message}
        where = f"{self._describe(call)}: {status}"
        requested = self._pause_if_requested(response)
        if status == 401:
            raise AuthError(f"{where}, the token was not accepted. Get a new token.{quote}", **facts)
        if status == 403:
            raise ForbiddenError(
                f"{where}, the token does not permit this. Writes need the CUSTOMER permission.{quote}", **facts
            )
        if status == 404:
            raise NotFoundError(f"{where}, not found. Check the tenant uid and the group uid.{quote}", **facts)
        if status == 429:
            raise RateLimitedError(
                f"{where}, too many requests.{_wait_text(requested)}{quote}",
                hint="Create the client with fewer workers= or with a lower requests_per_second=.",
                cli_hint="To load with fewer requests per second, use frgroups load --requests-per-second.",
                retry_after=requested,
                **facts,
            )
        if status >= 500:
            raise ServerError(f"{where}, the server failed.{_outcome(call)}{quote}", retry_after=requested, **facts)
        if status >= 400:
            raise RequestRejectedError(f"{where}, the server rejected the request.{quote}", **facts)
        raise UnexpectedResponseError(
            f"{where}, a status that this API does not use. Check the base URL.{quote}", **facts
        )

    def _pause_if_requested(self, response: Response) -> float | None:
        """
        Return the seconds that a 429 or 503 requests with Retry-After, and pause all requests for that time.

        A wait that is longer than the retry policy allows does not pause anything, because no request waits for it.
        """
        if response.status not in (429, 503):
            return None
        seconds = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        if seconds is not None and seconds <= self._retry.max_delay:
            self._rate_limiter.pause(seconds)
        return seconds

    def _server_message(self, response: Response) -> str:
        """Return the message of an error response, without the token."""
        # The token is removed before the message is shortened, so that no half of it remains. It is removed again
        # after decoding, because it can be escaped in the body.
        message = codec.error_message(response.body.replace(response.token.encode(), "…".encode()))
        return message.replace(response.token, "…")

    def _describe(self, call: Call) -> str:
        return f"{call.operation} ({call.method} {call.path}) of tenant {self.tenant_uid} at {self.host}"

    def _facts(self, call: Call, status: int | None) -> dict[str, Any]:
        return {"operation": call.operation, "tenant_uid": self.tenant_uid, "status": status}


def _outcome(call: Call) -> str:
    """Return the warning for a write without a response of the API, and "" for a read."""
    if call.is_read:
        return ""
    return " Whether the change happened is not known."


def _wait_text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if not isfinite(seconds):
        return " The server requests an endless wait."
    return f" The server requests a wait of {seconds:.0f} s."
