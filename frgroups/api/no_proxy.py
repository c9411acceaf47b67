"""Find the entry of the environment variable NO_PROXY that excludes a server from the use of a proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from frgroups.api.defaults import DEFAULT_PORTS
from frgroups.errors import InputError
from frgroups.internals.base_urls import parse_port

URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# Network with fewer than four octets, such as the entry "169.254/16" in the default settings of macOS.
_SHORT_NETWORK = re.compile(r"\d+(\.\d+){0,2}/\d+")
_NO_PROXY_HOST = re.compile(r"[\w.*-]+")
# Invalid entry that resembles an address. A range such as 10.0.0.1-20 is not supported, and an address such as
# 10.0.0.256 does not exist.
_NO_ADDRESS = re.compile(r"(?=[^-]*-)(?=[^.]*\.)[\d.*-]+|\d+(\.\d+){3,}")
# Messages quote only NO_PROXY entries that consist of these characters.
# Other entries can contain a user name and a password.
_QUOTABLE = re.compile(r"[\d.*-]{1,60}", re.ASCII)


def excluding_entry(name: str, value: str, scheme: str, host: str, port: int | None) -> int | None:
    """
    Return the position of the first entry of NO_PROXY that matches a server, or None if no entry matches.

    Parameters
    ----------
    name, value
        Name and value of the variable.
    scheme, host
        Scheme and host name of the server.
    port
        Port of the server. None means the default port of the scheme.

    Raises
    ------
    InputError
        An entry is invalid, even if an earlier entry matches. The message contains no part of a password.

    Examples
    --------
    >>> excluding_entry("NO_PROXY", "localhost, 10.0.0.0/8", "https", "10.1.2.3", None)
    2
    """
    excluding = None
    for position, entry in enumerate(_split_no_proxy(value), start=1):
        try:
            is_match = _matches(entry, scheme, host, port)
        except _InvalidEntryError:
            raise _invalid_no_proxy(entry, position, name, value) from None
        if is_match and excluding is None:
            excluding = position
    return excluding


def _split_no_proxy(value: str) -> Iterator[str]:
    """Yield the entries of NO_PROXY, which are separated by commas or whitespace."""
    yield from re.split(r"[\s,]+", value.strip(", \t"))


class _InvalidEntryError(ValueError):
    """An entry of NO_PROXY is invalid."""


def _matches(entry: str, scheme: str, host: str, port: int | None) -> bool:
    """
    Return True if an entry of NO_PROXY matches a server.

    An entry is "*", a host name, a pattern with "*", an IP address, or a network such as 10.0.0.0/8. A host name also
    matches its subdomains. An entry can have a scheme and a port. A leading dot is ignored. The entry "<local>"
    matches host names without a dot.
    """
    if not entry:
        return False
    if entry == "*":
        return True
    if entry == "<local>":
        return "." not in host and ":" not in host
    entry_scheme, separator, rest = entry.rpartition("://")
    if separator and not URL_SCHEME.fullmatch(entry_scheme):
        raise _InvalidEntryError
    pattern, entry_port = _split_port(rest)
    network = to_network(pattern)
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
    if to_network(text) is not None:  # The colons of an IPv6 address do not start a port.
        return text, None
    bracketed = re.fullmatch(r"\[([^\[\]]+)\](/\d+)?(:.*)?", text)
    if bracketed:
        pattern, port = bracketed[1] + (bracketed[2] or ""), bracketed[3]
        if to_network(pattern) is None:
            raise _InvalidEntryError
    else:
        pattern, colon, rest = text.partition(":")
        port = colon + rest
    if not port:
        return pattern, None
    number = parse_port(port.removeprefix(":"))
    if not pattern or number is None:
        raise _InvalidEntryError
    return pattern, number


def to_network(text: str) -> IPv4Network | IPv6Network | None:
    """Return the network of an IP address or an address range, or None if the string is neither."""
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
    if not pattern or to_network(host) is not None:  # A host name does not match an IP address.
        return False
    return host == pattern or host.endswith(f".{pattern}")


def _invalid_no_proxy(entry: str, position: int, name: str, value: str) -> InputError:
    # A password with a comma or a space is split into several entries, so an entry can be part of a password.
    is_quotable = "@" not in value and _QUOTABLE.fullmatch(entry)
    quoted = f" ({entry!r})" if is_quotable else ""
    return InputError(
        f"The value of the environment variable {name} is invalid: entry {position}{quoted} is not a host name, an "
        "IP address, or a network such as 10.0.0.0/8, with an optional port. Separate the entries with commas. "
        "Address ranges with a hyphen are not supported."
    )
