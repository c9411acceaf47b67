"""Send HTTP requests for one tenant, and convert each failure to an exception of frgroups."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from frgroups.api.certificates import Verify, describe_certificates
from frgroups.api.connection_failures import LOGIN_PAGE, RequestTrace, explain_failure
from frgroups.api.debug_log_filter import EventNamesOnly
from frgroups.api.defaults import REQUESTS_PER_SECOND
from frgroups.api.http_client import ReplaceableClient
from frgroups.api.proxies import ProxySelection, select_proxy
from frgroups.api.redirects import redirect_problem, redirect_target
from frgroups.api.response_body import (
    IncompleteBodyError,
    ResponseBody,
    UnknownEncodingError,
    UnusableBodyError,
    is_html,
)
from frgroups.api.retry import RateLimiter, Retry, RetryPolicy, call_with_retry, parse_retry_after, sleep
from frgroups.api.schema import codec
from frgroups.api.schema.lenient_decoding import InvalidJsonError, SchemaMismatchError
from frgroups.api.status_errors import (
    advice_after_write,
    describe_delay,
    describe_missing,
    describe_rejected,
    outcome_of_write,
    status_error,
)
from frgroups.api.tokens import check_token, request_token
from frgroups.errors import ApiError, ConnectionFailedError, InputError, RateLimitedError, UnexpectedResponseError
from frgroups.internals.base_urls import SANDBOX_SERVER, checked_base_url, host_in_url, is_loopback
from frgroups.internals.redaction import Hidden, HiddenBytes, HiddenText, without_local_variables
from frgroups.internals.structured_logging import log_event

log = logging.getLogger("frgroups.api")

LARGEST_BODY = 256 << 20
TOTAL_TIMEOUT_FACTOR = 4
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 3
_WITHOUT_BODY = (204, 205)
_HTML_PAGE = f"The body is an HTML page, so the response does not come from the API. {LOGIN_PAGE}"
# Exceptions that a failed connection can raise. Any other exception indicates a bug.
_NETWORK_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, IncompleteBodyError, UnicodeError, OSError)

# The filter is added to the logger of the library that sends the requests. httpx uses httpcore, and its successor
# httpx2 uses httpcore2.
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
        Query parameters and JSON body, or None. The repr omits the body, because it contains customer uids.
    """

    operation: str
    method: str
    path: str
    parameters: Mapping[str, str | int] | None = None
    body: bytes | None = field(default=None, repr=False)

    @property
    def is_read(self) -> bool:
        """True if the request does not change the tenant."""
        return self.method == "GET"

    @property
    def page_number(self) -> int | None:
        """Number of the requested page, or None if the request does not contain a page number."""
        number = (self.parameters or {}).get("pageNumber")
        return None if number is None else int(number)


@dataclass(slots=True, repr=False)
class Response:
    """
    Complete HTTP response.

    The class has no generated repr, because such a repr would show personal data and the token.

    Attributes
    ----------
    status, headers, body
        Status, headers, and decompressed body of the response.
    token
        Token that was sent with the request.
    """

    status: int
    headers: httpx.Headers
    token: str
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """True if the status is 2xx."""
        return 200 <= self.status < 300


class Transport:
    """
    Thread-safe HTTP transport for one tenant.

    Read requests are retried after a 429 or 5xx status, a timeout, or a lost connection. Write requests are sent
    once, because after a lost response only the caller can check whether the change took effect. If the token is a
    callable and the server returns status 401, the callable is called again and the request is repeated once, even if
    it is a write request.

    The number of connections is at most the number of workers.

    All requests pass through `send`, which removes the local variables of every exception. The token, the request,
    and the response are therefore not part of any traceback, even if the traceback displays local variables.
    """

    def __init__(
        self,
        tenant_uid: str,
        token: Hidden[Token],
        *,
        base_url: str,
        workers: int,
        timeout: float,
        requests_per_second: float | None,
        retry: RetryPolicy,
        verify: Verify,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        url = httpx.URL(self.base_url)
        self.host = url.host
        self.tenant_uid = codec.check_uid(tenant_uid, "tenant uid")
        # Setting that contains the tenant uid, for messages. `Client.from_env` and `Client.from_config` replace it.
        self.tenant_setting = "the argument `tenant_uid` of the client"
        # Name of the tenant in tenants.toml, set by `Client.from_config`.
        self.tenant_name = ""
        self.clock_skew: float | None = None
        self.is_sandbox = False
        self.n_requests = 0
        self._count_lock = threading.Lock()
        self._decode_lock = threading.Lock()
        loopback = is_loopback(self.host)
        if requests_per_second is None and not loopback:
            requests_per_second = REQUESTS_PER_SECOND
        self._rate_limiter = RateLimiter(requests_per_second)
        self._retry = retry
        self._token_source = token
        self._token = HiddenText() if callable(token.value) else check_token(token.value)
        self._token_lock = threading.Lock()
        # `timeout` applies to each read from the connection. The total timeout applies to the complete response.
        self._total_timeout = TOTAL_TIMEOUT_FACTOR * timeout
        self._url = url
        self.proxy_selection = ProxySelection() if loopback else select_proxy(url.scheme, url.host, url.port)
        proxy = self.proxy_selection.proxy
        self.certificates = describe_certificates(verify) if url.scheme == "https" else None
        self._http = ReplaceableClient(url, proxy, verify, workers=workers, timeout=timeout)

    @property
    def paused_for(self) -> float:
        """Number of seconds until the next request may start, or 0 if requests are not paused."""
        return self._rate_limiter.remaining_pause()

    @property
    def _tenant_description(self) -> str:
        """Description of the tenant and the server, for use in messages."""
        port = "" if self._url.port is None else f":{self._url.port}"
        host = host_in_url(self.host)
        if self.tenant_name:
            return f"tenant {self.tenant_name!r} ({self.tenant_uid} at {host}{port})"
        return f"tenant {self.tenant_uid} at {host}{port}"

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
            Function that decodes the body. It runs in one thread at a time. If it raises SchemaMismatchError, the
            response does not follow the API contract.

        Raises
        ------
        ApiError
            The status is not 2xx, or the response is incomplete or cannot be decoded.
        """
        with without_local_variables():
            if not call.is_read:
                return self._send_with_auth(call, decode)
            return self._send_with_retry(call, decode)

    def _send_with_retry(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        def attempt() -> Result:
            return self._send_with_auth(call, decode)

        def wait(retry: Retry) -> None:
            if not retry.error.is_transient:
                raise retry.error
            status, n = retry.error.status, retry.attempts
            text = (
                f"The request {call.operation} failed ({status or 'no response'}). Attempt {n + 1} starts in "
                f"{retry.delay:.1f} s."
            )
            facts = {**self._facts(call, status), "attempts": n, "wait_seconds": retry.delay}
            log_event(log, logging.INFO, "request_repeated", text, **facts)
            if isinstance(retry.error, RateLimitedError):
                self._rate_limiter.pause(retry.delay)  # All threads pause, because the server limits the client.
            sleep(retry.delay)

        return call_with_retry(attempt, self._retry, retry_on=(ApiError,), wait=wait)

    def _unexpected_response(
        self, call: Call, status: int, problem: str, *, is_transient: bool = False
    ) -> UnexpectedResponseError:
        """Return the error for a response with a 2xx status and a body that does not follow the API contract."""
        return UnexpectedResponseError(
            f"{self._describe(call)} returned status {status}, but the response does not follow the API contract. "
            f"{problem}{outcome_of_write(call.is_read)} Check that {self.base_url} is the base URL of the API.",
            hint=advice_after_write(call.is_read),
            is_transient=is_transient,
            **self._facts(call, status),
        )

    def _send_with_auth(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        response = self._request(call, self._current_token())
        if response.status == 401 and callable(self._token_source.value):
            response = self._request(call, self._renew_token(response.token))
        if not response.is_success:
            requested = self._pause_if_requested(response)
            message = self._server_message(response)
            raise status_error(
                self._describe(call),
                call.is_read,
                message,
                describe_delay(requested, self._retry.max_delay),
                requested,
                self._facts(call, response.status),
                has_html=is_html(response.body, response.headers.get("Content-Type")),
                missing=describe_missing(self.tenant_uid, self.tenant_setting, with_group=call.path.count("/") > 1),
                rejected=describe_rejected(call.page_number, with_group=call.path.count("/") > 1),
            )
        if is_html(response.body) and not call.is_read:
            # A proxy can return its login page with status 200 although the write did not reach the API.
            raise self._unexpected_response(call, response.status, _HTML_PAGE)
        # Decode one response at a time, because parallel threads would compete for the interpreter lock.
        with self._decode_lock:
            try:
                return decode(response.body)
            except SchemaMismatchError as error:
                # A body that is not JSON can be truncated, so a read is repeated as after a lost connection.
                problem, is_transient = str(error), isinstance(error, InvalidJsonError)
        if is_html(response.body, response.headers.get("Content-Type")):
            problem, is_transient = _HTML_PAGE, False
        elif response.status in _WITHOUT_BODY:
            problem, is_transient = "A response with this status has no body.", False
        raise self._unexpected_response(call, response.status, problem, is_transient=is_transient)

    def _request(self, call: Call, token: str) -> Response:
        """
        Send a request, and follow up to 3 redirects of a read request to the same resource.

        Any other redirect with a target raises an error that contains the target without secrets.
        """
        tenant_path = f"/tenants/{self.tenant_uid}{call.path}"
        url = httpx.URL(f"{self.base_url}{tenant_path}", params=call.parameters or None)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._exchange(call, url, token)
            location = response.headers.get("Location")
            if not 300 <= response.status < 400 or location is None:
                return response
            url = self._redirected_url(call, response, url, location, tenant_path)
        raise UnexpectedResponseError(
            f"{self._describe(call)} was redirected more than {_MAX_REDIRECTS} times (status {response.status}). "
            "Check the base URL.",
            **self._facts(call, response.status),
        )

    def _redirected_url(
        self, call: Call, response: Response, url: httpx.URL, location: str, tenant_path: str
    ) -> httpx.URL:
        """Return the target of a redirect. Raise UnexpectedResponseError if the redirect must not be followed."""
        facts = self._facts(call, response.status)
        try:
            target = url.join(location)
            problem = redirect_problem(url, target, tenant_path)
            if not problem and not (call.is_read and response.status in _REDIRECTS):
                problem = "another URL"
        except (httpx.InvalidURL, ValueError):
            raise UnexpectedResponseError(
                f"{self._describe(call)} was redirected to an invalid URL (status {response.status})."
                f"{outcome_of_write(call.is_read)} Check the base URL.",
                hint=advice_after_write(call.is_read),
                **facts,
            ) from None
        if problem:
            raise UnexpectedResponseError(
                f"{self._describe(call)} was redirected to {problem}: {redirect_target(target)} (status "
                f"{response.status}). The redirect was not followed.{outcome_of_write(call.is_read)} Check the base "
                "URL.",
                hint=advice_after_write(call.is_read),
                **facts,
            )
        return target

    def _exchange(self, call: Call, url: httpx.URL, token: str) -> Response:
        """Send one HTTP request and read the complete response."""
        headers = {b"Authorization": HiddenBytes(f"Bearer {token}".encode())}
        if call.body is not None:
            headers[b"Content-Type"] = HiddenBytes(b"application/json")
        self._rate_limiter.acquire()
        trace = RequestTrace()
        try:
            with self._http.reserve(trace) as client:
                if client.is_closed:
                    raise InputError(
                        f"The client is closed, so the request {call.operation} was not sent. Create a new client."
                    )
                self._count_request()
                started = time.monotonic()
                with (
                    _event_names_only.active(),
                    client.stream(
                        call.method, url, content=call.body, headers=headers, extensions={"trace": trace}
                    ) as stream,
                ):
                    response = Response(stream.status_code, stream.headers, token)
                    response.body = self._read_body(call, stream, started)
        except _NETWORK_ERRORS as error:
            raise self._connection_error(call, error, trace) from None
        if log.isEnabledFor(logging.DEBUG):
            seconds = round(time.monotonic() - started, 3)
            text = f"{call.operation} returned status {response.status} after {seconds:.3f} s."
            facts = self._facts(call, response.status)
            log_event(log, logging.DEBUG, "response_received", text, **facts, seconds=seconds)
        self._update_clock_skew(response)
        self.is_sandbox = response.headers.get("Server") == SANDBOX_SERVER
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
                is_transient = isinstance(error, UnknownEncodingError)
                status = stream.status_code
                raise self._unexpected_response(call, status, str(error), is_transient=is_transient) from None
            return b""  # The caller derives the error from the status. Only the server's message is lost.

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
            source = self._token_source.value
            if self._token == rejected and callable(source):
                self._token = request_token(source)
            return self._token

    def _update_clock_skew(self, response: Response) -> None:
        date = response.headers.get("Date")
        if date is None:
            return
        with suppress(ValueError, TypeError, OverflowError):
            self.clock_skew = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()

    def _connection_error(self, call: Call, error: Exception, trace: RequestTrace) -> ConnectionFailedError:
        failure = explain_failure(error, self._url, self.proxy_selection, trace)
        outcome, hint, cli_hint = f" {failure.advice}", failure.hint, failure.cli_hint
        if not call.is_read and not failure.is_sent:
            outcome = f" The request was not sent.{outcome}"
        elif not call.is_read:
            outcome, hint, cli_hint = outcome_of_write(call.is_read), advice_after_write(call.is_read), None
        return ConnectionFailedError(
            f"{self._describe(call)} failed. {failure.problem}.{outcome}",
            hint=hint,
            cli_hint=cli_hint,
            reason=failure.reason,
            is_transient=not failure.is_permanent,
            **self._facts(call, None),
        )

    def _pause_if_requested(self, response: Response) -> float | None:
        """
        Pause all requests for the Retry-After delay of a 429 or 503 response, and return the delay in seconds.

        If the delay exceeds the maximum of the retry policy, requests are not paused, because the failed request is
        not retried. The result is None if the response requests no delay.
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
        # Remove the token before the message is shortened, because a shortened token would not be found.
        # Remove the token again after decoding, because the token can be escaped in the body.
        message = codec.error_message(response.body.replace(response.token.encode(), "…".encode()))
        return message.replace(response.token, "…")

    def _describe(self, call: Call) -> str:
        return f"The request {call.operation} ({call.method} {call.path}) for {self._tenant_description}"

    def _facts(self, call: Call, status: int | None) -> dict[str, Any]:
        return {"operation": call.operation, "tenant_uid": self.tenant_uid, "status": status}
