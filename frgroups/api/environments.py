"""Environments of the Flow Retail API and their base URLs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

PRODUCTION = "https://api.flowretail.com/v2"
STAGE = "https://api.stage.flowretail.com/v2"

# Names that a caller may use instead of a base URL.
BASE_URLS = {"production": PRODUCTION, "stage": STAGE}


@dataclass(frozen=True, slots=True)
class Environment:
    """
    The environment that a base URL belongs to.

    Attributes
    ----------
    kind
        Key for style sheets and scripts.
    title
        One or two words.
    description
        A sentence for the reviewer of a plan.
    label
        Mark on the cards of clients and checks, or "".
    """

    kind: Literal["production", "stage", "local", "other", "none"]
    title: str
    description: str
    label: str = ""


_PRODUCTION = Environment(
    "production", "PRODUCTION", "Real customers. The change takes effect in shops and tills.", "PRODUCTION"
)
_STAGE = Environment("stage", "Stage", "The stage environment of the service, not production.", "stage")
_LOCAL = Environment("local", "Local sandbox", "A service on the computer of the analyst, not production.")
_OTHER = Environment("other", "UNKNOWN HOST", "The host is neither production nor stage. Treat it as production.")
_NONE = Environment("none", "No host", "Made from tables, not from a tenant: the plan cannot be applied.")
_BY_HOST = {urlsplit(PRODUCTION).hostname: _PRODUCTION, urlsplit(STAGE).hostname: _STAGE}


def environment_of(base_url: str | None) -> Environment:
    """
    Return the environment of a base URL.

    An unknown host is treated like production.

    Examples
    --------
    >>> environment_of("https://api.flowretail.com/v2").title
    'PRODUCTION'
    """
    if not base_url:
        return _NONE
    host = urlsplit(base_url).hostname or ""
    if is_loopback(host):
        return _LOCAL
    return _BY_HOST.get(host, _OTHER)


def environment_label(base_url: str) -> str:
    """Return the label that cards show for a base URL: "PRODUCTION", "stage" or ""."""
    return environment_of(base_url).label


def is_loopback(host: str) -> bool:
    """Return True if a host name or address belongs to this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
