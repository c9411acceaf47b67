"""Base class of the client. It closes connections, and rejects write requests through a read-only client."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from frgroups.api.transport import Call, Result, Transport
from frgroups.errors import NotWritableError


class ClientBase:
    """
    Base class of `Client` that owns the connections.

    Attributes
    ----------
    writable
        Whether the client may send writes.
    """

    writable: bool
    _transport: Transport

    @property
    def n_requests(self) -> int:
        """
        Number of requests that this client has sent.

        Examples
        --------
        >>> with Client("t-1", "secret") as client:
        ...     client.n_requests
        0
        """
        return self._transport.n_requests

    @property
    def paused_for(self) -> float:
        """
        Number of seconds until the client may start its next request.

        The number is 0 unless a response had status 429, or status 503 with a Retry-After header.

        Examples
        --------
        >>> with Client("t-1", "secret") as client:
        ...     client.paused_for
        0.0
        """
        return self._transport.paused_for

    @property
    def proxy(self) -> str | None:
        """
        URL of the proxy without user name and password, followed by the setting that contains the URL.

        The value is None if the client uses no proxy.

        Examples
        --------
        >>> import os
        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, {"https_proxy": "http://kari:secret@proxy.example:3128"}):
        ...     Client("t-1", "secret").proxy
        'http://proxy.example:3128 (the environment variable https_proxy)'
        """
        proxy = self._transport.proxy_selection.proxy
        return None if proxy is None else f"{proxy.url} ({proxy.source})"

    @property
    def proxy_exclusion(self) -> str:
        """
        Reason why the client does not use a specified proxy, or "" if it uses a proxy or no proxy is specified.

        Examples
        --------
        >>> import os
        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, {"HTTPS_PROXY": "http://proxy.example:3128", "no_proxy": "flowretail.com"}):
        ...     Client("t-1", "secret").proxy_exclusion
        'entry 1 of the environment variable no_proxy excludes the host api.stage.flowretail.com'
        """
        return self._transport.proxy_selection.exclusion

    @property
    def tenant_setting(self) -> str:
        """
        Description of the setting that contains the tenant uid, for messages.

        Examples
        --------
        >>> Client("t-1", "secret").tenant_setting
        'the argument `tenant_uid` of the client'
        """
        return self._transport.tenant_setting

    @property
    def is_sandbox(self) -> bool:
        """
        Whether the server is a `Sandbox`, based on the last response. Before the first response, the value is False.

        Examples
        --------
        >>> with Sandbox(customers=50, groups=8) as sandbox, sandbox.client() as client:
        ...     check = client.check()
        ...     client.is_sandbox
        True
        """
        return self._transport.is_sandbox

    @property
    def certificates(self) -> str | None:
        """
        CA certificates that the client trusts, or None if the base URL starts with http.

        Examples
        --------
        >>> Client("t-1", "secret", verify=False).certificates
        'not verified'
        """
        return self._transport.certificates

    def close(self) -> None:
        """
        Close all connections to the server.

        Examples
        --------
        >>> client = Client("t-1", "secret")
        >>> client.close()
        """
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call, decode: Callable[[bytes], Result]) -> Result:
        if not call.is_read and not self.writable:
            raise not_writable_error(f"the request {call.operation}")
        return self._transport.send(call, decode)


def not_writable_error(content: str) -> NotWritableError:
    """
    Return the error for a write request through a read-only client.

    Parameters
    ----------
    content
        Description of the request or the plan that was not sent.

    Examples
    --------
    >>> str(not_writable_error("the plan"))
    'The client is read-only, so the plan was not sent. To change the tenant, create the client with writable=True.'
    """
    return NotWritableError(
        f"The client is read-only, so {content} was not sent.",
        hint="To change the tenant, create the client with writable=True.",
    )
