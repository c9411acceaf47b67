"""Create the HTTP client with the proxy and the certificates that were read from the environment."""

from __future__ import annotations

import base64
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from frgroups.api.certificates import Verify, check_verify, create_tls_context
from frgroups.api.proxies import Proxy
from frgroups.internals.redaction import HiddenBytes, HiddenText


def create_http_client(
    url: httpx.URL, proxy: Proxy | None, verify: Verify, *, workers: int, timeout: float
) -> httpx.Client:
    """
    Create an HTTP client for one server. The client does not read the environment.

    Parameters
    ----------
    url
        Base URL of the server.
    proxy
        Proxy for all requests, or None.
    verify
        Certificates to trust, as in `frgroups.Client`.
    workers
        Maximum number of connections.
    timeout
        Seconds to wait for a connection and for each part of a response.

    Raises
    ------
    InputError
        The value of `verify`, or a variable that specifies certificates, is invalid.
    """
    check_verify(verify)
    tls_context: ssl.SSLContext | bool = False
    if url.scheme == "https":  # Loading certificates is slow, so they are loaded only for https.
        tls_context = create_tls_context(verify)
    return httpx.Client(
        timeout=httpx.Timeout(timeout, pool=None),
        limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
        headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "frgroups"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # The API uses no cookies.
        trust_env=False,
        proxy=_http_proxy(proxy, tls_context),
        verify=tls_context,
    )


def _http_proxy(proxy: Proxy | None, tls_context: ssl.SSLContext | bool) -> httpx.Proxy | None:
    """Return the proxy settings for httpx. The user name and the password are not part of the proxy URL."""
    if proxy is None:
        return None
    context_for_proxy = None
    if proxy.scheme == "https" and isinstance(tls_context, ssl.SSLContext):
        context_for_proxy = tls_context
    if proxy.user is None or proxy.password is None:
        return httpx.Proxy(proxy.url, ssl_context=context_for_proxy)
    if proxy.scheme.startswith("socks"):
        auth = HiddenText(proxy.user.decode(errors="replace")), HiddenText(proxy.password.decode(errors="replace"))
        return httpx.Proxy(proxy.url, auth=auth)
    credentials = HiddenBytes(b"Basic " + base64.b64encode(proxy.user + b":" + proxy.password))
    return httpx.Proxy(proxy.url, headers={b"Proxy-Authorization": credentials}, ssl_context=context_for_proxy)
