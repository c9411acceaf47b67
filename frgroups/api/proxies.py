"""
Read the proxy settings from the environment variables, and validate all settings before a client is created.

This module parses the settings and passes them to the HTTP library, which never reads the environment itself. An
invalid value therefore cannot raise an error of the HTTP library that contains the password of the proxy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import httpx

from frgroups.api.defaults import DEFAULT_PORTS
from frgroups.errors import InputError
from frgroups.internals.redaction import HiddenBytes

_KEYS = ("http", "https", "all", "no")
_SCHEMES = ("http", "https", "socks5", "socks5h")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_DELIMITER = re.compile(r"[/?#\\]")
_LABELS = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(:(?P<port>[^:]*))?")
# The entry "169.254/16" in the default settings of macOS has only two octets.
_SHORT_NETWORK = re.compile(r"\d+(\.\d+){0,2}/\d+")
_NO_PROXY_HOST = re.compile(r"[\w.*-]+")
# A range such as 10.0.0.1-20 is not supported, and an address such as 10.0.0.256 matches no server.
_NO_ADDRESS = re.compile(r"(?=[^-]*-)(?=[^.]*\.)[\d.*-]+|\d+(\.\d+){3,}")
# Messages quote only entries of NO_PROXY with these characters, because other entries can contain a password.
_QUOTABLE = re.compile(r"[\w.:*\[\]-]{1,60}")
_MISSING_SLASHES = re.compile(r"(?:https?|socks5h?):(?!\d*/?$)", re.IGNORECASE)
_HOW_TO_WRITE = "Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT."
_HOW_TO_ENCODE = f"Percent-encode the special characters in the user name and the password. {_HOW_TO_WRITE}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    Proxy for the requests of a client.

    Attributes
    ----------
    variable
        Environment variable that contains the proxy, or None for the settings of the operating system.
    scheme, host, port
        Parts of the proxy URL, without the user name and the password.
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
        """Description of the setting that contains the proxy, for messages."""
        return _describe_source(self.variable)

    @property
    def address(self) -> str:
        """Host and port, without the user name and the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """URL of the proxy, without the user name and the password."""
        return f"{self.scheme}://{self.address}"


def find_proxy(scheme: str, host: str, port: int | None) -> Proxy | None:
    """
    Return the proxy for a server, or None if the environment variables specify no proxy for it.

    For an https server, the proxy is in HTTPS_PROXY, or in ALL_PROXY if HTTPS_PROXY is not set. NO_PROXY contains the
    servers that are accessed without a proxy. A variable with a lower-case name takes precedence. A blank value
    specifies no proxy. The settings of Windows or macOS apply only if none of the variables is set.

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
    ...     find_proxy("https", "shop.test", None)
    Proxy(variable='HTTPS_PROXY', scheme='http', host='proxy.example', port=3128, user=…, password=…)
    """
    variables = _proxy_variables(os.environ)
    settings: Mapping[str, tuple[str | None, str]] = variables
    # `getproxies` accepts blank environment variables, so it is called only if no proxy variable is set.
    is_from_system = not any(name.lower().endswith("_proxy") for name in os.environ)
    if is_from_system:
        settings = _system_settings()
    proxies = {key: _parse_proxy(name, value) for key, (name, value) in settings.items() if key != "no"}
    proxy = proxies.get(scheme) or proxies.get("all")
    if is_from_system:
        return None if proxy is None or proxy_bypass(host) else proxy
    is_direct = False
    if proxies and "no" in variables:
        is_direct = _is_excluded(*variables["no"], scheme, host, port)
    return None if is_direct else proxy


def _is_excluded(name: str, value: str, scheme: str, host: str, port: int | None) -> bool:
    """Return True if NO_PROXY contains a server. The entries after a match are also checked."""
    is_direct = False
    for position, entry in enumerate(_split_no_proxy(value), start=1):
        try:
            is_direct |= _matches(entry, scheme, host, port)
        except _InvalidEntryError:
            raise _invalid_no_proxy(entry, position, name) from None
    return is_direct


def _system_settings() -> dict[str, tuple[None, str]]:
    """Return the proxies in the settings of Windows or macOS, with None instead of the names of variables."""
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
        key, _, end = name.lower().rpartition("_")
        if end != "proxy" or key not in _KEYS:
            continue
        if key == "http" and "REQUEST_METHOD" in environment and not name.islower():
            continue
        if value.strip():
            variables[key] = name, value.strip()
        elif name.islower():
            variables.pop(key, None)
    return variables


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
        # The HTTP library parses the URL here for the first time, so every host that it rejects is reported here.
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
    # The part before :// is not quoted if it can belong to a user name or a password.
    if _SCHEME.fullmatch(scheme) and "@" not in value:
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
    decoded = HiddenBytes(unquote_to_bytes(user))
    if decoded.count(b":"):
        raise _invalid(name, "has a colon in the user name, which HTTP does not allow", _HOW_TO_ENCODE)
    return decoded, HiddenBytes(unquote_to_bytes(password))


def _parse_host_and_port(name: str | None, text: str) -> tuple[str, int]:
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None and text.count(":") == 2 and "::" not in text and "[" not in text:
        raise _invalid(name, "has more than one colon in the part HOST:PORT")
    if match is None:
        raise _invalid(name, "has an invalid host. An IPv6 address must be in brackets, such as http://[::1]:3128")
    host, port = match["host"], match["port"]
    if not host:
        raise _invalid(name, "has no host")
    if not port:
        # The port is required, because curl uses port 1080 by default and other programs use port 80.
        raise _invalid(name, "has no port")
    if not port.isdecimal() or not 0 < int(port[:9]) < 65_536:
        raise _invalid(name, "has an invalid port. A port is a number between 1 and 65535")
    if not _is_valid_host(host):
        raise _invalid(name, "has an invalid host")
    return host.strip("[]"), int(port)


def _is_valid_host(host: str) -> bool:
    if host.startswith("["):
        return _to_network(host.strip("[]")) is not None and ":" in host
    try:
        host.encode("idna")  # A label must have between 1 and 63 characters.
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


def _split_no_proxy(value: str) -> Iterator[str]:
    """Yield the entries of NO_PROXY, which are separated by commas or whitespace."""
    yield from re.split(r"[\s,]+", value.strip(", \t"))


class _InvalidEntryError(ValueError):
    """An entry of NO_PROXY is invalid."""


def _matches(entry: str, scheme: str, host: str, port: int | None) -> bool:
    """
    Return True if an entry of NO_PROXY matches a server.

    An entry is "*", a host name that also matches its subdomains, a pattern with "*", an IP address, or a network
    such as 10.0.0.0/8. An entry can have a scheme and a port. A leading dot is ignored. The entry "<local>" matches
    host names without a dot.
    """
    if not entry:
        return False
    if entry == "*":
        return True
    if entry == "<local>":
        return "." not in host and ":" not in host
    entry_scheme, separator, rest = entry.rpartition("://")
    if separator and not _SCHEME.fullmatch(entry_scheme):
        raise _InvalidEntryError
    pattern, entry_port = _split_port(rest)
    network = _to_network(pattern)
    if network is None and (not _NO_PROXY_HOST.fullmatch(pattern) or _NO_ADDRESS.fullmatch(pattern)):
        raise _InvalidEntryError
    if separator and entry_scheme.lower() not in ("all", scheme):
        return False
    if entry_port is not None and entry_port != (port or DEFAULT_PORTS.get(scheme)):
        return False
    if network is not None:
        return _is_in_network(host, network)
    return _matches_name(host.lower().rstrip("."), pattern.lower().strip("."))


def _split_port(text: str) -> tuple[str, int | None]:
    if _to_network(text) is not None:  # The colons of an IPv6 address do not start a port.
        return text, None
    bracketed = re.fullmatch(r"\[([^\[\]]+)\](/\d+)?(?::(\d{1,5}))?", text)
    if bracketed:
        pattern = bracketed[1] + (bracketed[2] or "")
        if _to_network(pattern) is None:
            raise _InvalidEntryError
        return pattern, int(bracketed[3]) if bracketed[3] else None
    pattern, separator, port = text.partition(":")
    if not separator:
        return text, None
    if not pattern or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65_536:
        raise _InvalidEntryError
    return pattern, int(port)


def _to_network(text: str) -> IPv4Network | IPv6Network | None:
    """Return the network of an IP address or an address range, or None if the text is neither."""
    if _SHORT_NETWORK.fullmatch(text):
        address, _, length = text.partition("/")
        text = f"{address}{'.0' * (3 - address.count('.'))}/{length}"
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_in_network(host: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(host.strip("[]")) in network
    except ValueError:
        return False


def _matches_name(host: str, pattern: str) -> bool:
    if "*" in pattern:
        return fnmatchcase(host, pattern) or fnmatchcase(f".{host}", pattern)
    if not pattern or _to_network(host) is not None:  # An address has no subdomains.
        return False
    return host == pattern or host.endswith(f".{pattern}")


def _invalid_no_proxy(entry: str, position: int, name: str) -> InputError:
    quoted = f" ({entry!r})" if _QUOTABLE.fullmatch(entry) else ""
    return InputError(
        f"The value of the environment variable {name} is invalid: entry {position}{quoted} is not a host name, an "
        "IP address, or a network such as 10.0.0.0/8, with an optional port. Separate the entries with commas. "
        "Address ranges with a hyphen are not supported."
    )
