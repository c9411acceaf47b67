"""Convert a response with an error status to an exception."""

from __future__ import annotations

from typing import Any

from frgroups.errors import (
    ApiError,
    AuthError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    UnexpectedResponseError,
)

_DAY = 86_400  # Number of seconds in a day.
_NOT_THE_API = (
    "The body is an HTML page, so the response does not come from the API. A web application firewall, a gateway, or "
    "a proxy might have rejected the request."
)
_PROXY_AUTHENTICATION = (
    "A proxy requires authentication. Set HTTPS_PROXY to the proxy URL with the user name and the password."
)


def status_error(
    request: str,
    is_read: bool,
    message: str,
    delay_text: str,
    requested_delay: float | None,
    facts: dict[str, Any],
    *,
    has_html: bool = False,
    missing: str = "The tenant or the group does not exist. Check the uids.",
    rejected: str = "The server rejected the request. Check the arguments of the request.",
) -> ApiError:
    """
    Return the exception for a response with a status other than 2xx.

    Parameters
    ----------
    request
        Description of the request.
    is_read
        Whether the request only reads data.
    message
        Message in the body of the response, or "".
    delay_text
        Sentence about the requested delay from `describe_delay`, or "".
    requested_delay
        Delay in the Retry-After header, in seconds, or None.
    facts
        Operation, tenant uid, and status of the response.
    has_html
        Whether the body is an HTML page. A firewall or a proxy sends such a page. Therefore, the status does not mean
        that the token is invalid or that a group does not exist.
    missing
        Sentences for status 404, which name the settings to check.
    rejected
        Sentences for all statuses from 400 to 499 without an error class of their own.

    Examples
    --------
    >>> status_error("The request", True, "", "", None, {"status": 401})
    AuthError('The request returned status 401. The server did not accept the token. Get a new token.')
    """
    status: int = facts["status"]
    period = "" if message.endswith(".") else "."
    quote = f" The server's message is {message!r}{period}" if message else ""
    facts = {**facts, "server_message": message}
    where = f"{request} returned status {status}."
    if has_html and status in (401, 403, 404, 407):
        action = f" {_PROXY_AUTHENTICATION}" if status == 407 else " Check the base URL and the network."
        return UnexpectedResponseError(
            f"{where} {_NOT_THE_API}{outcome_of_write(is_read)}{action}", hint=advice_after_write(is_read), **facts
        )
    if status == 401:
        return AuthError(f"{where} The server did not accept the token. Get a new token.{quote}", **facts)
    if status == 403:
        needed = "The token lacks the permission to read this tenant."
        if not is_read:
            needed = "The token lacks a permission. Writes require a token with the CUSTOMER permission."
        return ForbiddenError(f"{where} {needed}{quote}", **facts)
    if status == 404:
        return NotFoundError(f"{where} {missing}{quote}", **facts)
    if status == 407:
        return RequestRejectedError(f"{where} {_PROXY_AUTHENTICATION}{quote}", **facts)
    if status == 429:
        return RateLimitedError(
            f"{where} The server received too many requests.{delay_text}{quote}",
            hint="To send fewer requests per second, create the client with a lower `requests_per_second`.",
            cli_hint="To send fewer requests per second, use frgroups load --requests-per-second.",
            retry_after=requested_delay,
            **facts,
        )
    if status >= 500:
        outcome = outcome_of_write(is_read) or " Try again later."
        problem = "The server failed."
        if has_html:
            problem = "The body is an HTML page, so the response comes from a gateway or a proxy, not from the API."
        return ServerError(
            f"{where} {problem}{delay_text}{outcome}{quote}",
            hint=advice_after_write(is_read),
            retry_after=requested_delay,
            **facts,
        )
    if status >= 400:
        problem = rejected
        if has_html:
            problem = f"{_NOT_THE_API} Check the base URL and the network."
        return RequestRejectedError(f"{where} {problem}{quote}", **facts)
    problem = "The API contract does not define this status."
    if 300 <= status < 400 and status != 304:
        problem = "The server redirected the request without a target."
    return UnexpectedResponseError(
        f"{where} {problem}{outcome_of_write(is_read)} Check the base URL.{quote}",
        hint=advice_after_write(is_read),
        **facts,
    )


def describe_missing(tenant_uid: str, tenant_setting: str, *, with_group: bool) -> str:
    """
    Return the sentences for status 404, which name the setting that contains the tenant uid.

    Parameters
    ----------
    tenant_uid
        Uid of the tenant.
    tenant_setting
        Description of the setting that contains the tenant uid.
    with_group
        Whether the request contains a group uid, which can also be the cause of the error.

    Examples
    --------
    >>> describe_missing("t-1", "the environment variable FRGROUPS_TENANT_UID", with_group=False)
    'The tenant t-1 does not exist. Check the environment variable FRGROUPS_TENANT_UID and the base URL.'
    """
    if with_group:
        return f"The group or the tenant {tenant_uid} does not exist. Check the group uid and {tenant_setting}."
    return f"The tenant {tenant_uid} does not exist. Check {tenant_setting} and the base URL."


def describe_rejected(page_number: int | None, *, with_group: bool) -> str:
    """
    Return the error sentences for a status from 400 to 499 without an error class of its own.

    Parameters
    ----------
    page_number
        Number of the requested page, or None if the request does not contain a page number.
    with_group
        True if the request reads the list of a group's customers, and False if it reads the list of groups.

    Examples
    --------
    >>> describe_rejected(None, with_group=True)
    'The server rejected the request. Check the arguments of the request.'
    >>> describe_rejected(3, with_group=False)
    'The server rejected page 3 of the list of groups. Ask the operator of the server to allow this page.'
    """
    if page_number is None:
        return "The server rejected the request. Check the arguments of the request."
    ask = "Ask the operator of the server to allow this page"
    if with_group:
        return f"The server rejected page {page_number:,} of the group's customers. {ask}, or use smaller groups."
    return f"The server rejected page {page_number:,} of the list of groups. {ask}."


def outcome_of_write(is_read: bool) -> str:
    """Return a warning that the result of a write request is unknown, or "" for a read request."""
    if is_read:
        return ""
    return " It is not known whether the change took effect."


def advice_after_write(is_read: bool) -> str:
    """Return advice for the user after a write request with an unknown result, or "" for a read request."""
    if is_read:
        return ""
    return "Read the group before you repeat the request."


def describe_delay(seconds: float | None, maximum: float) -> str:
    """
    Return a sentence about the delay in a Retry-After header, or "" if the server requested no delay.

    Parameters
    ----------
    seconds
        Requested delay, or None.
    maximum
        Maximum delay before a retry, in seconds.

    Examples
    --------
    >>> describe_delay(0.5, 60)
    ' The server requested a delay of 0.5 s.'
    >>> describe_delay(100_000, 60)
    ' The server requested a delay of more than 1 day, but the client waits at most 60 s.'
    """
    if seconds is None:
        return ""
    delay = "more than 1 day"
    if seconds <= _DAY:
        delay = f"{seconds:.0f} s" if seconds >= 10 else f"{round(seconds, 2):g} s"
    if seconds <= maximum:
        return f" The server requested a delay of {delay}."
    return f" The server requested a delay of {delay}, but the client waits at most {maximum:.0f} s."
