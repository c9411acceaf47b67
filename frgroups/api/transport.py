"""Send HTTP requests for one tenant, and convert each failure to an exception of frgroups."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

# httpx sends requests with the package httpcore, and httpx2 with httpcore2.
# The expression below finds the logger of both packages.
_event_names_only = EventNamesOnly()
logging.getLogger(httpx.__name__.replace("httpx", "httpcore") + ".http11").addFilter(_event_names_only)

Token = str | Callable[[], str]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """
    Request to one operation of the customer group API.

    Attributes
    ----------
    operation
        Name of the operation in the API contract.
    method, path
        HTTP method, and path relative to the URL of the tenant.
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
        """True if the request does not change the tenant."""
        return self.method == "GET"


@dataclass(slots=True, repr=False)
class Response:
    """
    Complete HTTP response.

    A response has no generated repr, because the repr would show personal data and the token.

    Attributes
    ----------
    status, headers, body
        Status, headers, and decompressed body of the response.
    token
        Token that was sent with the request.
    redirect
        Redirect target of a read, or None.
    """

    status: int
    headers: httpx.Headers
    token: str
    body: bytes = b""
    redirect: httpx.URL | None = None

    @property
    def is_success(self) -> bool:
        """True if the status is 2xx."""
        return 200 <= self.status < 300


def checked_base_url(base_url: str) -> str:
    """
    Validate a base URL, and replace an environment name such as "stage" with its URL.

    Raises
    ------
    InputError
        The value is not a URL, has a user, query, or fragment, or uses http for another machine.

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
            # The part before an @ is masked, because it can contain a password.
            # The error has no cause, because the message of the cause could also contain the password.
            text = re.sub(r"[^/]*@", "…@", base_url)
        raise InputError(f"`base_url` must be 'stage', 'production', or a URL such as https://host/v2, got {text!r}.")
    if url.userinfo or url.query or url.fragment:
        raise InputError("`base_url` must not contain a user name, query, or fragment. Pass the token separately.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise InputError(
            f"`base_url` must use https, got {base_url!r}. With http, the token would be sent unencrypted."
        )
    return str(url).rstrip("/")


def check_token(token: Any) -> HiddenText:
    """
    Validate a token, and remove surrounding whitespace and the prefix "Bearer".

    Raises
    ------
    InputError
        The value is not a string of printable ASCII characters. The error does not contain the value.
    """
    if isinstance(token, str):
        text = token.strip()
        if text and text.isascii() and text.isprintable():
            return HiddenText(text.removeprefix("Bearer ").lstrip())
    if token is None or not str(token).strip():
        raise InputError("The token is missing. Set FRGROUPS_TOKEN, or pass a token or a callable that returns one.")
    raise InputError(f"`token` must be a string of printable ASCII characters, got {type(token).__name__}.")


class Transport:
    """
    Thread-safe HTTP transport for one tenant.

    Read requests are retried after a 429 or 5xx status, a timeout, or a lost connection. Write requests are sent
    once, because after a lost response only the caller can check whether the change took effect. If the token is a
    callable and the server returns status 401, the callable is called again and the request is repeated once. This
    also applies to write requests.

    The number of connections is at most the number of workers.
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
        # Store the token source only if it is a callable, because a traceback could show a plain token.
        self._token_source = token if callable(token) else None
        self._token = HiddenText() if callable(token) else check_token(token)
        self._token_lock = threading.Lock()
        # `timeout` applies to each read from the connection. The total timeout applies to the complete response.
        self._total_timeout = TOTAL_TIMEOUT_FACTOR * timeout
        ssl_context = None
        if url.scheme == "https":  # Loading certificates is slow, so they are loaded only for https.
            ssl_context = httpx.create_ssl_context(verify, trust_env=not loopback)
        # If no proxy is set, httpx must not read the environment, because it rejects some valid values of NO_PROXY.
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
        """Number of seconds until the next request may start, or 0 if requests are not paused."""
        return self._rate_limiter.remaining_pause()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        """
        Send a request, and return the decoded body of a successful response.

        Read requests are retried according to the retry policy. Write requests are sent once.

        Parameters
        ----------
        call
            Request to send.
        decode
            Function that decodes the body. It runs in one thread at a time.

        Raises
        ------
        ApiError
            The status is not 2xx, or the response is incomplete.
        """
        if not call.is_read:
            return self._send_with_auth(call, decode)

        def attempt() -> Result:
            return self._send_with_auth(call, decode)

        def wait(retry: Retry) -> None:
            status, n = retry.error.status, retry.attempts
            text = (
                f"The request {call.operation} failed ({status or 'no response'}). Attempt {n + 1} starts in "
                f"{retry.delay:.1f} s."
            )
            facts = {**self._facts(call, status), "attempts": n, "wait_seconds": retry.delay}
            log_event(log, logging.INFO, "request_repeated", text, **facts)
            if isinstance(retry.error, RateLimitedError):
                self._rate_limiter.pause(retry.delay)  # The limit of the server applies to all threads.
            sleep(retry.delay)

        return call_with_retry(attempt, self._retry, retry_on=_RETRY_ON, wait=wait)

    def unexpected_response(self, call: Call, problem: str) -> UnexpectedResponseError:
        """Return the error for a response with status 200 whose body does not follow the API contract."""
        return UnexpectedResponseError(
            f"{self._describe(call)} returned status 200, but the response does not follow the API contract. "
            f"{problem}{_outcome(call)} Check that {self.base_url} is the base URL of the API.",
            hint=_advice(call),
            **self._facts(call, 200),
        )

    def _send_with_auth(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        response = self._request(call, self._current_token())
        if response.status == 401 and callable(self._token_source):
            response = self._request(call, self._renew_token(response.token))
        if not response.is_success:
            self._raise_for_status(call, response)
        # Decode one response at a time, because parallel threads would compete for the interpreter lock.
        with self._decode_lock:
            return decode(response.body)

    def _request(self, call: Call, token: str) -> Response:
        """Send a request. If it is a read request, follow up to 3 redirects on the same host."""
        url = httpx.URL(f"{self.base_url}/tenants/{self.tenant_uid}{call.path}", params=call.parameters or None)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._exchange(call, url, token)
            target = response.redirect
            if target is None:
                return response
            if (target.scheme, target.raw_host, target.port) != (url.scheme, url.raw_host, url.port):
                host = target.raw_host.decode("ascii", "replace")
                raise UnexpectedResponseError(
                    f"{self._describe(call)} was redirected to another host: {host!r} (status {response.status}). "
                    "The token was not sent to that host. Check the base URL.",
                    **self._facts(call, response.status),
                )
            url = target
        raise UnexpectedResponseError(
            f"{self._describe(call)} was redirected more than {_MAX_REDIRECTS} times (status {response.status}). "
            "Check the base URL.",
            **self._facts(call, response.status),
        )

    def _exchange(self, call: Call, url: httpx.URL, token: str) -> Response:
        """Send one HTTP request and read the complete response."""
        headers: dict[str, str] = {"Authorization": HiddenText(f"Bearer {token}")}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        self._rate_limiter.acquire()
        if self._http.is_closed:
            raise InputError(
                f"The client is closed, so the request {call.operation} was not sent. Create a new client."
            )
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
            # Remove the traceback of the HTTP library, because its local variables contain the token.
            raise self._connection_error(call, error) from error.with_traceback(None)
        except (httpx.TransportError, IncompleteBodyError) as error:
            failure = self._connection_error(call, error)
        except (httpx.InvalidURL, UnicodeError) as error:
            # httpx raises one of these errors if the Location header is not a valid URL.
            raise UnexpectedResponseError(
                f"{self._describe(call)} was redirected to an invalid URL.{_outcome(call)} Check the base URL.",
                hint=_advice(call),
                **self._facts(call, 302),
            ) from error.with_traceback(None)
        if failure is not None:
            raise failure  # The error has no cause, because the message of the cause can quote the response.
        if log.isEnabledFor(logging.DEBUG):
            seconds = round(time.monotonic() - started, 3)
            text = f"{call.operation} returned status {response.status} after {seconds:.3f} s."
            facts = self._facts(call, response.status)
            log_event(log, logging.DEBUG, "response_received", text, **facts, seconds=seconds)
        self._update_clock_skew(response)
        if response.status == 429:
            self._rate_limiter.slow_down(started)
        return response

    def _read_body(self, call: Call, stream: httpx.Response, started: float) -> bytes:
        """
        Read the body of a response, and enforce the size limit and the total timeout.

        The total timeout starts when the request is sent. It is checked after each chunk of the body.
        """
        body = ResponseBody(stream.headers.get("Content-Encoding"), LARGEST_BODY)
        try:
            for chunk in stream.iter_raw():
                body.add(chunk)
                if time.monotonic() - started > self._total_timeout:
                    raise httpx.ReadTimeout(f"The response was not complete after {self._total_timeout:.0f} s.")
            return body.finish()
        except UnusableBodyError as error:
            if stream.is_success:
                raise self.unexpected_response(call, str(error)) from None
            return b""  # The status still determines the error. Only the server's message is lost.

    def _count_request(self) -> None:
        with self._count_lock:
            self.n_requests += 1

    def _current_token(self) -> str:
        if self._token:
            return self._token
        return self._renew_token("")

    def _renew_token(self, rejected: str) -> str:
        """Return a new token from the callable, or the token that another thread has requested in the meantime."""
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
        problem = "The connection was lost"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            url = httpx.URL(self.base_url)
            problem = f"Cannot connect to {url.host}:{url.port or _DEFAULT_PORTS[url.scheme]}"
        elif isinstance(error, httpx.TimeoutException):
            problem = "The response was not complete within the timeout"
        advice = _outcome(call) or " Check the network connection and the base URL."
        return ConnectionFailedError(
            f"{self._describe(call)} failed. {problem} ({type(error).__name__}).{advice}",
            hint=_advice(call),
            **self._facts(call, None),
        )

    def _raise_for_status(self, call: Call, response: Response) -> NoReturn:
        status, message = response.status, self._server_message(response)
        quote = f" The server's message is {message!r}." if message else ""
        facts = {**self._facts(call, status), "server_message": message}
        where = f"{self._describe(call)} returned status {status}."
        requested = self._pause_if_requested(response)
        if status == 401:
            raise AuthError(f"{where} The server did not accept the token. Get a new token.{quote}", **facts)
        if status == 403:
            raise ForbiddenError(
                f"{where} The token lacks a permission. Writes require a token with the CUSTOMER permission.{quote}",
                **facts,
            )
        if status == 404:
            raise NotFoundError(f"{where} The tenant or the group does not exist. Check the uids.{quote}", **facts)
        if status == 429:
            raise RateLimitedError(
                f"{where} The server received too many requests.{_wait_text(requested)}{quote}",
                hint="To send fewer requests per second, create the client with a lower requests_per_second=.",
                cli_hint="To send fewer requests per second, use frgroups load --requests-per-second.",
                retry_after=requested,
                **facts,
            )
        if status >= 500:
            advice = _outcome(call) or " Try again later."
            raise ServerError(
                f"{where} The server failed.{advice}{quote}", hint=_advice(call), retry_after=requested, **facts
            )
        if status >= 400:
            raise RequestRejectedError(
                f"{where} The server rejected the request. Check the arguments of the request.{quote}", **facts
            )
        raise UnexpectedResponseError(
            f"{where} The API contract does not contain this status. Check the base URL.{quote}", **facts
        )

    def _pause_if_requested(self, response: Response) -> float | None:
        """
        Pause all requests if a 429 or 503 response has a Retry-After header, and return its delay in seconds.

        If the delay exceeds the maximum of the retry policy, requests are not paused, because a failed request is not
        retried after such a delay.
        """
        if response.status not in (429, 503):
            return None
        server_time = datetime.now(UTC) + timedelta(seconds=self.clock_skew or 0.0)
        seconds = parse_retry_after(response.headers.get("Retry-After"), server_time)
        if seconds is not None and seconds <= self._retry.max_delay:
            self._rate_limiter.pause(seconds)
        return seconds

    def _server_message(self, response: Response) -> str:
        """Return the message in the body of an error response, without the token."""
        # Remove the token before the message is shortened, so that no part of the token remains.
        # Remove the token again after decoding, because it can be escaped in the body.
        message = codec.error_message(response.body.replace(response.token.encode(), "…".encode()))
        return message.replace(response.token, "…")

    def _describe(self, call: Call) -> str:
        return f"The request {call.operation} ({call.method} {call.path}) for tenant {self.tenant_uid} at {self.host}"

    def _facts(self, call: Call, status: int | None) -> dict[str, Any]:
        return {"operation": call.operation, "tenant_uid": self.tenant_uid, "status": status}


def _outcome(call: Call) -> str:
    """Return a warning that the result of a write is unknown, or "" for a read."""
    if call.is_read:
        return ""
    return " It is not known whether the change took effect."


def _advice(call: Call) -> str:
    """Return the next step after a write whose result is unknown, or "" for a read."""
    if call.is_read:
        return ""
    return "Read the group before you repeat the request."


def _wait_text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if not isfinite(seconds):
        return " The server requested an infinite delay."
    return f" The server requested a delay of {seconds:.0f} s."
