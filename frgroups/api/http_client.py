"""Create the HTTP client with the proxy and the certificates that were read from the environment."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from frgroups.api.certificates import Verify, check_verify, create_tls_context
from frgroups.api.connection_failures import RequestTrace
from frgroups.api.proxies import Proxy
from frgroups.internals.redaction import HiddenBytes, HiddenText


class ReplaceableClient:
    """
    Thread-safe HTTP client for one server. The client does not read environment variables.

    If a request fails before it is sent, the httpx client is replaced. The reason is that the connection pool of
    httpcore does not remove a connection whose TLS handshake in a proxy tunnel failed
    (https://github.com/encode/httpcore/pull/1049). If the pool contained only such connections, every request would
    wait forever. A replaced client is closed after its last request.

    The number of simultaneous requests is at most the number of workers. A request with a failed connection ends only
    after its httpx client was replaced. Therefore, a pool always has a connection for each of its requests. The pool
    timeout limits the waiting time as an additional protection.

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
        Seconds to wait for a connection and for each chunk of a response.

    Raises
    ------
    InputError
        The value of `verify`, or a variable that specifies certificates, is invalid.
    """

    def __init__(self, url: httpx.URL, proxy: Proxy | None, verify: Verify, *, workers: int, timeout: float) -> None:
        check_verify(verify)
        tls_context: ssl.SSLContext | bool = False
        if url.scheme == "https":  # Loading certificates is slow, so they are loaded once, and only for https.
            tls_context = create_tls_context(verify)
        self._create = partial(_create_client, proxy, tls_context, workers=workers, timeout=timeout)
        self._slots = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._client = self._create()
        self._n_requests = {self._client: 0}
        self._is_closed = False

    @contextmanager
    def reserve(self, trace: RequestTrace) -> Iterator[httpx.Client]:
        """
        Wait until the number of running requests is below the number of workers, and yield the client for a request.

        Parameters
        ----------
        trace
            Progress of the request. If the request fails before it is sent, the client is replaced.
        """
        with self._slots:
            with self._lock:
                client = self._client
                self._n_requests[client] += 1
            try:
                yield client
            except BaseException:  # This includes KeyboardInterrupt: Ctrl-C can interrupt a connection attempt.
                if not trace.is_sent:
                    self._replace(client)
                raise
            finally:
                self._release(client)

    def close(self) -> None:
        """Close all connections. A request that starts after this call uses a closed client and fails."""
        with self._lock:
            self._is_closed = True
            clients = list(self._n_requests)
        for client in clients:
            client.close()

    def _replace(self, client: httpx.Client) -> None:
        with self._lock:
            if self._client is client and not self._is_closed:
                self._client = self._create()
                self._n_requests[self._client] = 0

    def _release(self, client: httpx.Client) -> None:
        with self._lock:
            self._n_requests[client] -= 1
            is_unused = self._n_requests[client] == 0 and client is not self._client
            if is_unused:
                del self._n_requests[client]
        if is_unused:
            client.close()


def _create_client(
    proxy: Proxy | None, tls_context: ssl.SSLContext | bool, *, workers: int, timeout: float
) -> httpx.Client:
    return httpx.Client(
        timeout=httpx.Timeout(timeout),
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
