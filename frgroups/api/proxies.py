"""
Read the proxy settings from the environment variables, and validate all settings before a client is created.

This module parses the settings and passes them to the HTTP library, which never reads the environment itself. An
invalid value therefore cannot raise an error of the HTTP library that contains the password of the proxy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import httpx

from frgroups.api.defaults import DEFAULT_PORTS
from frgroups.api.no_proxy import URL_SCHEME, excluding_entry, to_network
from frgroups.errors import InputError
from frgroups.internals.base_urls import host_in_url, parse_port
from frgroups.internals.redaction import HiddenBytes

_KEYS = ("http", "https", "all", "no")
_SCHEMES = ("http", "https", "socks5", "socks5h")
_DELIMITER = re.compile(r"[/?#\\]")
_LABELS = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(:(?P<port>[^:]*))?")
_MISSING_SLASHES = re.compile(r"(?:https?|socks5h?):(?!\d*/?$)", re.IGNORECASE)
_CONTROL_BYTE = re.compile(rb"[\x00-\x1f\x7f]")
_HOW_TO_WRITE = "Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT."
_HOW_TO_ENCODE = f"Percent-encode the special characters in the user name and the password. {_HOW_TO_WRITE}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    Proxy for the requests of a client.

    Attributes
    ----------
    variable
        Name of the environment variable with the proxy URL, or None for the settings of the operating system.
    scheme, host, port
        Scheme, host, and port of the proxy URL.
    user, password
        Decoded user name and password, or None. They are hidden in the repr.
    """

    variable: str | None
    scheme: str
    host: str
    port: int
    user: HiddenBytes | None = None
    password: HiddenBytes | None = None

    @property
    def source(self) -> str:
        """Description of the setting that contains the proxy URL, for use in messages."""
        return _describe_source(self.variable)

    @property
    def address(self) -> str:
        """Host and port, without the user name and the password."""
        return f"{host_in_url(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """URL of the proxy, without the user name and the password."""
        return f"{self.scheme}://{self.address}"


@dataclass(frozen=True, slots=True)
class ProxySelection:
    """
    Proxy for a server, or the reason why no proxy is used for the server.

    Attributes
    ----------
    proxy
        Proxy for the server, or None.
    exclusion
        Reason why a specified proxy is not used, as a clause for messages. The clause names the setting that excludes
        the server. The value is "" if a proxy is used or no proxy is specified.
    """

    proxy: Proxy | None = None
    exclusion: str = ""


def select_proxy(scheme: str, host: str, port: int | None) -> ProxySelection:
    """
    Return the proxy for a server, or the reason why a proxy in the environment variables is not used.

    For an https server, the proxy is in HTTPS_PROXY, or in ALL_PROXY if HTTPS_PROXY is not set. NO_PROXY contains the
    servers that are accessed without a proxy. If a variable is set under a lower-case and an upper-case name, the
    lower-case name takes precedence, even if its value is blank. A blank value specifies no proxy. The settings of
    Windows or macOS apply only if none of the variables is set.

    Parameters
    ----------
    scheme, host
        Scheme and host name of the server.
    port
        Port of the server. None means the default port of the scheme.

    Raises
    ------
    InputError
        The value of a proxy variable is invalid. All proxy variables are checked, including variables that do not
        apply to the server. NO_PROXY is checked if a proxy is set. The message names the variable, and contains no
        part of a user name or password.

    Examples
    --------
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, {"HTTPS_PROXY": "http://kari:secret@proxy.example:3128"}):
    ...     select_proxy("https", "shop.test", None).proxy
    Proxy(variable='HTTPS_PROXY', scheme='http', host='proxy.example', port=3128, user=…, password=…)
    """
    # `_select_system_proxy` calls `getproxies`, which accepts blank environment variables.
    # Therefore, the function is called only if no proxy variable is set.
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return _select_system_proxy(scheme, host)
    variables = _proxy_variables(os.environ)
    proxies = {key: _parse_proxy(name, value) for key, (name, value) in variables.items() if key != "no"}
    proxy = proxies.get(scheme) or proxies.get("all")
    excluded_by = None
    if proxies and "no" in variables:
        excluded_by = excluding_entry(*variables["no"], scheme, host, port)
    if proxy is None:
        return ProxySelection(exclusion=_unused_variable(scheme, os.environ))
    if excluded_by is not None:
        source = _describe_source(variables["no"][0])
        return ProxySelection(exclusion=f"entry {excluded_by} of {source} excludes the host {host}")
    return ProxySelection(proxy)


def _select_system_proxy(scheme: str, host: str) -> ProxySelection:
    """Return the proxy for a server according to the settings of Windows or macOS."""
    settings = _system_settings()
    proxies = {key: _parse_proxy(name, value) for key, (name, value) in settings.items() if key != "no"}
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is not None and proxy_bypass(host):
        return ProxySelection(exclusion=f"{_describe_source(None)} exclude the host {host}")
    return ProxySelection(proxy)


def _unused_variable(scheme: str, environment: Mapping[str, str]) -> str:
    """Explain why the existing proxy variables do not apply to a scheme. Return "" if there is no explanation."""
    names = sorted(name for name, value in environment.items() if _proxy_key(name) is not None and value.strip())
    for key in (scheme, "all"):
        blank = f"{key}_proxy"
        # A blank lower-case variable disables the upper-case variable.
        # This is impossible on Windows, where variable names are not case-sensitive.
        if blank not in environment or environment[blank].strip():
            continue
        for name in names:
            if _proxy_key(name) == key:
                return f"the blank environment variable {blank} disables {name}"
    for name in names:
        key = _proxy_key(name) or ""
        if key in DEFAULT_PORTS and key != scheme:
            wanted = f"{scheme}_proxy" if name.islower() else f"{scheme.upper()}_PROXY"
            return f"{_describe_source(name)} applies only to {key} URLs. The variable for {scheme} URLs is {wanted}"
    return ""


def _system_settings() -> dict[str, tuple[None, str]]:
    """Return the proxy settings of Windows or macOS by key. The variable name of each setting is None."""
    return {key: (None, value.strip()) for key, value in getproxies().items() if key in _KEYS and value.strip()}


def _proxy_variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """
    Return the name and value of each proxy variable. The keys are "http", "https", "all", and "no".

    The function follows the rules of `urllib.request.getproxies_environment`. A lower-case name takes precedence,
    even if its value is empty. HTTP_PROXY is ignored in a CGI process, because a client can set this variable with a
    request header. In addition, a blank value is treated as empty.
    """
    variables: dict[str, tuple[str, str]] = {}
    for name, value in sorted(environment.items(), key=lambda item: item[0].islower()):
        key = _proxy_key(name)
        if key is None:
            continue
        if key == "http" and "REQUEST_METHOD" in environment and not name.islower():
            continue
        if value.strip():
            variables[key] = name, value.strip()
        elif name.islower():
            variables.pop(key, None)
    return variables


def _proxy_key(name: str) -> str | None:
    """Return the key of a proxy variable, such as "https" for HTTPS_PROXY, or None for any other variable."""
    key, _, end = name.lower().rpartition("_")
    return key if end == "proxy" and key in _KEYS else None


def _parse_proxy(name: str | None, value: str) -> Proxy:
    """Parse the URL of a proxy. Errors do not quote the URL, because any part of it can belong to the password."""
    scheme, rest = _split_scheme(name, value)
    before, separator, address = rest.rpartition("@")
    userinfo = before if separator else None
    if userinfo is not None:
        _check_userinfo(name, userinfo)
    _check_characters(name, address, "host")
    host_and_port, path = address, ""
    if delimiter := _DELIMITER.search(address):
        host_and_port, path = address[: delimiter.start()], address[delimiter.start() :]
    if path not in ("", "/") and host_and_port:
        raise _invalid(name, "has a path, a query, or a fragment")
    host, port = _parse_host_and_port(name, host_and_port)
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise InputError(
            f"The value of {_describe_source(name)} is a SOCKS proxy, which requires the package socksio. Install it "
            "with `pip install socksio`, or use an HTTP proxy."
        )
    user, password = _decode_userinfo(name, userinfo)
    proxy = Proxy(name, scheme, host, port, user, password)
    try:
        # This call only checks that httpx accepts the URL, so that a host that httpx rejects is reported here.
        httpx.Proxy(proxy.url)
    except (httpx.InvalidURL, ValueError):
        raise _invalid(name, "has an invalid host or IP address") from None
    return proxy


def _split_scheme(name: str | None, value: str) -> tuple[str, str]:
    scheme, separator, rest = value.partition("://")
    if not separator and _MISSING_SLASHES.match(value):
        raise _invalid(name, "has no // after the scheme")
    if not separator:
        return "http", value
    if scheme.lower() in _SCHEMES:
        return scheme.lower(), rest
    problem = "does not start with a valid scheme"
    # The message does not quote the text before :// if this text can belong to a user name or a password.
    if URL_SCHEME.fullmatch(scheme) and "@" not in value:
        problem = f"has the scheme {scheme!r}, which is not supported"
    raise _invalid(name, f"{problem}. The supported schemes are http, https, socks5, and socks5h")


def _check_userinfo(name: str | None, userinfo: str) -> None:
    _check_characters(name, userinfo, "user name or the password", _HOW_TO_ENCODE)
    for character, code in (("@", "%40"), ("/", "%2F"), ("?", "%3F"), ("#", "%23"), ("\\", "%5C")):
        if character in userinfo:
            problem = f"has the character {character!r} in the user name or the password, where it must be {code}"
            raise _invalid(name, problem, _HOW_TO_ENCODE)
    if re.search(r"%(?![0-9A-Fa-f]{2})", userinfo):
        problem = "has the character '%' in the user name or the password, where it must be %25"
        raise _invalid(name, problem, _HOW_TO_ENCODE)


def _check_characters(name: str | None, text: str, part: str, how_to: str = _HOW_TO_WRITE) -> None:
    if not text.isascii():
        raise _invalid(name, f"has a character in the {part} that is not ASCII", how_to)
    if any(character.isspace() or not character.isprintable() for character in text):
        raise _invalid(name, f"has a space or a control character in the {part}", how_to)


def _decode_userinfo(name: str | None, userinfo: str | None) -> tuple[HiddenBytes | None, HiddenBytes | None]:
    if not userinfo:
        return None, None
    user, _, password = userinfo.partition(":")
    decoded, secret = HiddenBytes(unquote_to_bytes(user)), HiddenBytes(unquote_to_bytes(password))
    if decoded.count(b":"):
        raise _invalid(name, "has a colon in the user name, which HTTP does not allow", _HOW_TO_ENCODE)
    if _CONTROL_BYTE.search(decoded) or _CONTROL_BYTE.search(secret):
        problem = (
            "has a percent-encoded control character in the user name or the password, which HTTP does not allow"
        )
        raise _invalid(name, problem)
    return decoded, secret


def _parse_host_and_port(name: str | None, text: str) -> tuple[str, int]:
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None and text.count(":") == 2 and "::" not in text and "[" not in text:
        raise _invalid(name, "has more than one colon in the part HOST:PORT")
    if match is None:
        raise _invalid(name, "has an invalid host. An IPv6 address must be in brackets, such as http://[::1]:3128")
    host = match["host"]
    if not host:
        raise _invalid(name, "has no host")
    if not match["port"]:
        # The port is required, because curl uses port 1080 by default and other programs use port 80.
        raise _invalid(name, "has no port")
    port = parse_port(match["port"])
    if port is None:
        raise _invalid(name, "has an invalid port. A port is a number between 1 and 65535")
    if not _is_valid_host(host):
        raise _invalid(name, "has an invalid host")
    return host.strip("[]"), port


def _is_valid_host(host: str) -> bool:
    if host.startswith("["):
        return to_network(host.strip("[]")) is not None and ":" in host
    try:
        host.encode("idna")  # Raises UnicodeError if a label is empty or longer than 63 characters.
    except UnicodeError:
        return False
    return _LABELS.fullmatch(host) is not None


def _invalid(name: str | None, problem: str, how_to: str = _HOW_TO_WRITE) -> InputError:
    return InputError(f"The value of {_describe_source(name)} is not a valid proxy URL: it {problem}. {how_to}")


def _describe_source(name: str | None) -> str:
    """Return the description of a variable, or of the settings of the operating system if the name is None."""
    if name is None:
        return "the proxy settings of the operating system"
    return f"the environment variable {name}"
