"""Decide which redirects of a read request are followed."""

from __future__ import annotations

import re

import httpx

from frgroups.errors import escape_invisible
from frgroups.internals.base_urls import host_in_url

_MAX_LENGTH = 200
_DOT_SEGMENT = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def redirect_problem(source: httpx.URL, target: httpx.URL, tenant_path: str) -> str:
    """
    Return the reason why a redirect must not be followed, or "" if it can be followed.

    The target receives the token, and returns the response to the request. Therefore, the target must be the same
    resource on the same server. Only the path before the tenant and a trailing slash can differ.

    Parameters
    ----------
    source
        URL of the request.
    target
        URL that the server redirects to.
    tenant_path
        End of the path that identifies the tenant and the resource, such as "/tenants/t-1/customer-groups".

    Examples
    --------
    >>> source = httpx.URL("https://shop.test/v2/tenants/t-1/customer-groups")
    >>> redirect_problem(source, source.copy_with(host="evil.test"), "/tenants/t-1/customer-groups")
    'another host'
    """
    if (target.scheme, target.raw_host, target.port) != (source.scheme, source.raw_host, source.port):
        return "another host"
    if target.userinfo:
        return "a URL with a user name"
    path = target.raw_path.decode("ascii").partition("?")[0]
    before, found, after = path.partition(tenant_path)
    if not found or after not in ("", "/") or "/tenants/" in f"{before}/" or _DOT_SEGMENT.search(path):
        return "another path"
    if not set(source.params.multi_items()) <= set(target.params.multi_items()):
        return "a URL with other query parameters"
    return ""


def redirect_target(target: httpx.URL) -> str:
    """
    Return a redirect target without user information, query, and fragment, for use in an error message.

    Invisible characters are escaped, and a long target is shortened.

    Examples
    --------
    >>> redirect_target(httpx.URL("https://kari:secret@evil.example/a?token=b#c"))
    'https://evil.example/a'
    """
    host = host_in_url(target.raw_host.decode("ascii", "replace"))
    port = "" if target.port is None else f":{target.port}"
    path = target.raw_path.decode("ascii", "replace").partition("?")[0]
    text = escape_invisible(f"{target.scheme}://{host}{port}{path}")
    if len(text) > _MAX_LENGTH:
        return f"{text[:_MAX_LENGTH]}…"
    return text
