"""Explain why a request received no complete response, and suggest the next action."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from frgroups.api.defaults import DEFAULT_PORTS
from frgroups.api.proxies import Proxy, ProxySelection
from frgroups.api.response_body import IncompleteBodyError
from frgroups.errors import escape_invisible
from frgroups.internals.base_urls import host_in_url
from frgroups.internals.redaction import exception_chain, handled_exception_ids

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
_PROXY_STATUS = re.compile(r"(\d{3})\b")
# A TLS server answers a plain HTTP request with a TLS alert.
# The alert starts with these bytes, which the error message of httpx contains in escaped form.
_TLS_ALERT = r"\x15\x03"
_TLS_REASONS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
_TUNNEL_STEPS = {"proxy.start_tls", "socks.start_tls"}
# Message of httpcore if a server or a proxy closes the connection before the end of the response headers.
_DISCONNECTED = "Server disconnected"
# Codes of the OpenSSL verification errors that an additional CA certificate can resolve.
# The codes 0 and 1 stand for unspecified errors.
_UNKNOWN_ISSUER = {0, 1, 2, 18, 19, 20, 21, 27}
_OTHER_HOST = {62, 64}
_OUTSIDE_VALIDITY = {9, 10}
LOGIN_PAGE = "The response might be a login page of the network or of a proxy. To log in, open any page in a browser."
_CHECK_NETWORK = "Check the network connection and the base URL."


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """
    Cause of a failed request.

    Attributes
    ----------
    reason
        Value of `ConnectionFailedError.reason`.
    problem
        Description of the problem as a sentence without the final period.
    advice
        Next action for a request that was not sent.
    hint, cli_hint
        Additional advice for users of the Python API and for users of the command line.
    is_permanent
        Whether a retry would fail for the same reason.
    is_sent
        Whether the server might have received the request.
    """

    reason: str
    problem: str
    advice: str = _CHECK_NETWORK
    hint: str = ""
    cli_hint: str | None = None
    is_permanent: bool = False
    is_sent: bool = False


@dataclass(slots=True)
class RequestTrace:
    """
    Progress of a request, recorded from the trace events of httpx.

    Attributes
    ----------
    is_sent
        Whether the client started to send the request. A CONNECT request to a proxy does not count.
    has_response
        Whether the status and the headers of the response were received.
    steps
        Names of the connection steps that were started, such as "connection.start_tls". The prefix is "proxy" or
        "socks" for a TLS connection to the server through a proxy.
    handled
        Ids of the exceptions that the caller was already handling before the request. These exceptions are not causes
        of a failed request.
    """

    is_sent: bool = False
    has_response: bool = False
    steps: list[str] = field(default_factory=list)
    handled: frozenset[int] = field(default_factory=handled_exception_ids)

    @property
    def has_tunnel(self) -> bool:
        """True if a proxy accepted the connection to the server and the TLS handshake with the server was started."""
        return not _TUNNEL_STEPS.isdisjoint(self.steps)

    def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        """Update the progress of the request from a trace event of httpx. The content of the event is not stored."""
        if name.endswith("send_request_headers.started"):
            self.is_sent = self.is_sent or info["request"].method != b"CONNECT"
        elif name.endswith("receive_response_headers.complete"):
            self.has_response = self.is_sent  # The response to a CONNECT request is ignored.
        elif name.endswith(".started") and not self.is_sent:
            self.steps.append(name.removesuffix(".started"))


def explain_failure(
    error: Exception, url: httpx.URL, selection: ProxySelection, trace: RequestTrace
) -> ConnectionFailure:
    """
    Return the cause of an exception that httpx raised.

    The message of the exception can quote the response or a header. The result therefore includes only two facts from
    the exception: the status that a proxy returned, and the reason why OpenSSL rejected a certificate. If a proxy is
    specified but not used for this server, the advice names the setting that excludes the server.

    Parameters
    ----------
    error
        Exception of httpx, or of the function that decompresses the body.
    url
        Base URL of the client.
    selection
        Proxy of the client, or the reason why a specified proxy is not used.
    trace
        Progress of the failed request.
    """
    failure = _explain(error, url, selection.proxy, trace)
    if not selection.exclusion or trace.has_response:
        return failure
    return replace(failure, advice=f"{failure.advice} No proxy was used, because {selection.exclusion}.")


def _explain(error: Exception, url: httpx.URL, proxy: Proxy | None, trace: RequestTrace) -> ConnectionFailure:
    causes = list(exception_chain(error, trace.handled))
    server = f"{host_in_url(url.host)}:{url.port or DEFAULT_PORTS[url.scheme]}"
    if isinstance(error, httpx.ProxyError) and proxy is not None:
        return _rejected_by_proxy(str(error), proxy, server)
    tunnel = proxy if trace.has_tunnel else None
    peer = _Peer(server, url.scheme, proxy if tunnel is None else None)
    if isinstance(error, httpx.PoolTimeout):
        text = f"No connection to {peer.name} became available within the timeout (PoolTimeout)"
        return ConnectionFailure("timeout", text, "Try again with a new client.")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, peer)
    if tunnel is not None and not trace.is_sent and isinstance(error, httpx.ConnectError | httpx.NetworkError):
        return _tunnel_failure(causes, peer, tunnel)
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and not trace.is_sent:
            return _tls_failure(cause, peer)
    # httpx raises UnicodeError or InvalidURL for a host name that cannot be encoded.
    is_invalid_host = isinstance(error, UnicodeError | httpx.InvalidURL) and not trace.is_sent
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) or is_invalid_host:
        return _no_connection(error, causes, peer, trace)
    return _interrupted(error, peer, trace)


@dataclass(frozen=True, slots=True)
class _Peer:
    """Server or proxy to which a connection was opened."""

    server: str
    scheme: str
    proxy: Proxy | None

    @property
    def name(self) -> str:
        """Host and port of the server, or a description of the proxy with its host and port."""
        if self.proxy is None:
            return self.server
        return f"the proxy {self.proxy.address}"

    @property
    def advice(self) -> str:
        """Next action if the connection fails."""
        if self.proxy is None:
            return _CHECK_NETWORK
        return f"Check {self.proxy.source}."


def _rejected_by_proxy(message: str, proxy: Proxy, server: str) -> ConnectionFailure:
    match = _PROXY_STATUS.match(message)
    status = int(match[1]) if match else None
    answer = f"status {status}" if status else "an error"
    problem = f"The proxy {proxy.address} rejected the connection to {server} with {answer}"
    advice = f"Check {proxy.source} and whether the proxy allows connections to this host."
    if status == 407 or (status is None and "auth" in message.lower()):
        problem = f"The proxy {proxy.address} requires authentication ({answer})"
        advice = f"Write {proxy.source} as {proxy.scheme}://USER:PASSWORD@{proxy.address}."
        if proxy.user is not None:
            problem = f"The proxy {proxy.address} did not accept the user name and the password ({answer})"
            advice = f"Correct the user name and the password in {proxy.source}."
        advice += " Percent-encode special characters in the user name and the password, for example @ as %40."
    elif status is not None and status >= 500:
        problem = f"The proxy {proxy.address} could not connect to {server} (status {status})"
        advice = f"Check the base URL and {proxy.source}, or try again later."
    return ConnectionFailure("proxy", problem, advice, is_permanent=True)


def _untrusted(error: ssl.SSLCertVerificationError, peer: _Peer) -> ConnectionFailure:
    why = escape_invisible(error.verify_message or "certificate verify failed").rstrip(".")
    if error.verify_code in _UNKNOWN_ISSUER:
        return ConnectionFailure(
            "certificate",
            f"The certificate of {peer.name} is not trusted: {why}",
            "A proxy that intercepts TLS, or a private certificate authority, requires its own CA certificate.",
            hint="To trust a CA certificate, set SSL_CERT_FILE to its PEM file, or pass verify=PATH to the client.",
            cli_hint="To trust a CA certificate, set SSL_CERT_FILE to its PEM file, or set ca_file in tenants.toml.",
            is_permanent=True,
        )
    advice = "Ask the operator of the server for a valid certificate."
    if error.verify_code in _OTHER_HOST:
        advice = "Check the host in the base URL." if peer.proxy is None else peer.advice
    elif error.verify_code in _OUTSIDE_VALIDITY:
        advice = "Check the clock of this machine, and ask the operator of the server for a valid certificate."
    problem = f"The certificate of {peer.name} is not valid: {why}"
    return ConnectionFailure("certificate", problem, advice, is_permanent=True)


def _tunnel_failure(causes: list[BaseException], peer: _Peer, tunnel: Proxy) -> ConnectionFailure:
    """Return the cause of a TLS handshake that failed after a proxy had accepted the connection to the server."""
    status = "" if tunnel.scheme.startswith("socks") else " with status 200"
    problem = f"The proxy {tunnel.address} accepted the connection to {peer.server}{status}, but "
    for cause in causes:
        if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLEOFError):
            continue
        if cause.reason not in _TLS_REASONS:
            return replace(_tls_failure(cause, peer), is_permanent=True)
        problem += "its response is not TLS"
        break
    else:
        problem += "closed it before the TLS connection was established"
    return ConnectionFailure("proxy", problem, f"{LOGIN_PAGE} Also check {tunnel.source}.", is_permanent=True)


def _tls_failure(error: ssl.SSLError, peer: _Peer) -> ConnectionFailure:
    reason = getattr(error, "reason", None) or "unknown reason"
    problem = f"{_capitalize(peer.name)} does not use TLS on this port"
    advice = "Check the port of the base URL. Use http only for a server on this machine."
    if peer.proxy is not None:
        advice = f"Write {peer.proxy.source} with http instead of https."
    if reason not in _TLS_REASONS:
        problem = f"No TLS connection to {peer.name} could be established ({escape_invisible(reason)})"
        advice = peer.advice
    return ConnectionFailure("tls", problem, advice, is_permanent=reason in _TLS_REASONS)


def _no_connection(
    error: Exception, causes: list[BaseException], peer: _Peer, trace: RequestTrace
) -> ConnectionFailure:
    kind = type(error).__name__
    prefix = f"Cannot connect to {peer.name} ({kind}"
    for cause in causes:
        if isinstance(cause, socket.gaierror | UnicodeError | httpx.InvalidURL):
            advice = peer.advice
            if peer.proxy is None:
                advice += " A company network might require a proxy, which is set in HTTPS_PROXY."
            return ConnectionFailure("dns", f"{prefix}: the host name is unknown)", advice)
        if isinstance(cause, ConnectionRefusedError):
            return ConnectionFailure("refused", f"{prefix}: no server accepts connections on this port)", peer.advice)
        if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
            return ConnectionFailure("unreachable", f"{prefix}: the host is unreachable)", peer.advice)
    reason, why = "lost", ""
    has_started_tls = bool(trace.steps) and trace.steps[-1].endswith("start_tls")
    if isinstance(error, httpx.TimeoutException):
        reason, why = "timeout", ": the host did not answer within the timeout"
    if has_started_tls:
        why = ": the TLS connection was not established. The port might not use TLS"
    # If a TLS handshake through a proxy times out, the port of the proxy is probably wrong, or the proxy blocks the
    # server.
    # The request is not repeated, because each attempt would take the complete timeout.
    is_permanent = reason == "timeout" and has_started_tls and (trace.has_tunnel or peer.proxy is not None)
    return ConnectionFailure(reason, f"{prefix}{why})", peer.advice, is_permanent=is_permanent)


def _interrupted(error: Exception, peer: _Peer, trace: RequestTrace) -> ConnectionFailure:
    kind = type(error).__name__
    # `peer.proxy` is set only if the proxy has not yet accepted the connection to the server.
    # In this state, only the trace can show that the request was sent.
    is_sent = trace.is_sent or peer.proxy is None
    if isinstance(error, httpx.TimeoutException):
        text = f"The response was not complete within the timeout ({kind})"
        return ConnectionFailure("timeout", text, peer.advice, is_sent=is_sent)
    if peer.scheme == "http" and _TLS_ALERT in str(error):
        text = f"{_capitalize(peer.server)} uses TLS, but the base URL starts with http"
        return ConnectionFailure("tls", text, "Write the base URL with https.", is_permanent=True, is_sent=True)
    if isinstance(error, IncompleteBodyError | httpx.DecodingError):
        text = "The body of the response is incomplete or corrupt, so it cannot be decompressed"
        advice = "A proxy or the server might truncate or change responses. Ask the operator, or try again later."
        return ConnectionFailure("lost", text, advice, is_sent=True)
    advice = peer.advice
    if trace.has_response:
        text = f"The connection was lost before the body of the response was complete ({kind})"
        return ConnectionFailure("lost", text, advice, is_sent=True)
    if peer.scheme == "http" and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        advice += " If the server uses TLS, write the base URL with https."
    if not is_sent and peer.proxy is not None and isinstance(error, httpx.RemoteProtocolError):
        return _no_proxy_response(error, peer, peer.proxy)
    if not is_sent:
        return ConnectionFailure("lost", f"The connection to {peer.name} was lost ({kind})", advice)
    return ConnectionFailure("lost", f"The connection was lost ({kind})", advice, is_sent=True)


def _no_proxy_response(error: httpx.RemoteProtocolError, peer: _Peer, proxy: Proxy) -> ConnectionFailure:
    """Return the cause of a failed CONNECT request to which the proxy sent no HTTP response."""
    if str(error).startswith(_DISCONNECTED):
        text = f"{_capitalize(peer.name)} closed the connection without an HTTP response"
        advice = f"{peer.advice} If the attempts continue to fail, the address might not be an HTTP proxy."
        return ConnectionFailure("lost", text, advice)
    text = f"The address {proxy.address} is not an HTTP proxy, because its response is not HTTP"
    return ConnectionFailure("proxy", text, peer.advice, is_permanent=True)


def _capitalize(text: str) -> str:
    return text[0].upper() + text[1:]
