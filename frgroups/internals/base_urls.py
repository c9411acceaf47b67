"""Base URLs of the Flow Retail API."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from frgroups.errors import InputError

PRODUCTION = "https://api.flowretail.com/v2"
STAGE = "https://api.stage.flowretail.com/v2"

# Environment names that callers can pass instead of a base URL.
BASE_URLS = {"production": PRODUCTION, "stage": STAGE}
# Value of the Server header in the responses of a sandbox.
SANDBOX_SERVER = "frgroups-sandbox"
# A colon without a port after it can separate a user name from a password. Errors omit the text after such a colon.
_NO_PORT = re.compile(r":(?!//|\d+(?:/|$)).*", re.DOTALL)
_VALID_PORTS = range(1, 65536)
# Matches "localhost" or "[::1]" if nothing or only a port follows. Both hosts are equivalent to 127.0.0.1.
_LOOPBACK = re.compile(r"(?:localhost|\[::1\])(?=(?::\d+)?\Z)")


def checked_base_url(base_url: str) -> str:
    """
    Validate a base URL, replace an environment name such as "stage" with its URL, and remove slashes at the end.

    Raises
    ------
    InputError
        The value is not a URL, contains a user name, a query, a fragment, or an invalid port, or uses http for a host
        that is not a loopback host.

    Examples
    --------
    >>> checked_base_url("stage"), checked_base_url("HTTPS://API.Example:443/v2/")
    ('https://api.stage.flowretail.com/v2', 'https://api.example/v2')
    """
    import httpx  # Imported late, because modules that only analyze snapshots do not need httpx.

    try:
        url = httpx.URL(BASE_URLS.get(base_url, base_url))
        url.host.encode("idna")
    except (httpx.InvalidURL, TypeError, UnicodeError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        text = base_url
        if isinstance(base_url, str):
            # The text before an @ can contain a password, and the query can contain a token.
            # Both are replaced with "…".
            # The error has no cause, because the message of the original exception can contain a password or a token.
            text = re.sub(r"[?#].*", "?…", re.sub(r".*@", "…@", base_url, flags=re.DOTALL), flags=re.DOTALL)
            text = _NO_PORT.sub(":…", text)
        raise InputError(f"`base_url` must be 'stage', 'production', or a URL such as https://host/v2, got {text!r}.")
    if url.userinfo or url.query or url.fragment:
        raise InputError("`base_url` must not contain a user name, query, or fragment. Pass the token separately.")
    if url.port is not None and url.port not in _VALID_PORTS:
        raise InputError(f"The port in `base_url` must be a number between 1 and 65535, got {url.port}.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise InputError(
            f"`base_url` must use https, got {base_url!r}. With http, the token would be sent unencrypted."
        )
    # Convert the URL twice, because httpx removes a default port only if the scheme is already in lower case.
    # All spellings of a URL must be converted to the same string, because frgroups identifies the folders of a tenant
    # and the rejections of the tenant's plans by this string.
    return str(httpx.URL(str(url.copy_with(host=url.host.rstrip("."))))).rstrip("/")


def parse_port(text: str) -> int | None:
    """
    Convert a string to a port number, or return None if the string is not a number between 1 and 65535.

    Examples
    --------
    >>> parse_port("3128"), parse_port("99999"), parse_port("")
    (3128, None, None)
    """
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) not in _VALID_PORTS:
        return None
    return int(text)


def host_in_url(host: str) -> str:
    """
    Return a host in the form that URLs require. An IPv6 address is enclosed in brackets.

    Examples
    --------
    >>> host_in_url("::1"), host_in_url("shop.test")
    ('[::1]', 'shop.test')
    """
    return f"[{host}]" if ":" in host else host


def canonical_host(netloc: str) -> str:
    """
    Replace "localhost" or "[::1]" with 127.0.0.1 in a host with an optional port.

    All three hosts refer to the same machine, so they must result in the same folder name and the same rejections of
    plans. Requests are sent to the original host, because a server might listen only on one of the addresses.

    Examples
    --------
    >>> canonical_host("localhost:8020"), canonical_host("[::1]"), canonical_host("localhost.example:8020")
    ('127.0.0.1:8020', '127.0.0.1', 'localhost.example:8020')
    """
    return _LOOPBACK.sub("127.0.0.1", netloc) if _LOOPBACK.match(netloc) else netloc


def is_same_base_url(first: str | None, second: str | None) -> bool:
    """
    Return True if two base URLs are equal, apart from the spelling of a loopback host.

    Examples
    --------
    >>> is_same_base_url("http://localhost:8020/v2", "http://127.0.0.1:8020/v2"), is_same_base_url(None, None)
    (True, True)
    >>> is_same_base_url("http://localhost:8020/v2", "http://127.0.0.1:8021/v2")
    False
    """
    return first == second or canonical_base_url(first) == canonical_base_url(second)


def canonical_base_url(base_url: str | None) -> str:
    """Return a base URL with its canonical host, or "" for None. See `canonical_host`."""
    parts = urlsplit(base_url or "")
    return parts._replace(netloc=canonical_host(parts.netloc)).geturl()


def is_loopback(host: str) -> bool:
    """Return True if a host is a loopback address or "localhost"."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
