"""Environments of the Flow Retail API and their base URLs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

PRODUCTION = "https://api.flowretail.com/v2"
STAGE = "https://api.stage.flowretail.com/v2"

# Names that callers can pass instead of a base URL.
BASE_URLS = {"production": PRODUCTION, "stage": STAGE}


@dataclass(frozen=True, slots=True)
class Environment:
    """
    Environment of the API, such as production or stage.

    Attributes
    ----------
    kind
        Identifier that style sheets and scripts use.
    title
        Short name for headings.
    description
        Explanation for the reviewer of a plan.
    label
        Label that a card shows next to its title, or "".
    """

    kind: Literal["production", "stage", "local", "other", "none"]
    title: str
    description: str
    label: str = ""


_PRODUCTION = Environment(
    "production",
    "PRODUCTION",
    "Contains real customers. The change takes effect in shops and at tills.",
    "PRODUCTION",
)
_STAGE = Environment("stage", "Stage", "The stage environment of the API. Production is not affected.", "stage")
_LOCAL = Environment("local", "Local sandbox", "A test server on the analyst's computer. Production is not affected.")
_OTHER = Environment("other", "UNKNOWN HOST", "The host is neither production nor stage. Treat it like production.")
_NONE = Environment(
    "none", "No host", "The plan was made from tables and not from a tenant, so it cannot be applied."
)
_BY_HOST = {urlsplit(PRODUCTION).hostname: _PRODUCTION, urlsplit(STAGE).hostname: _STAGE}


def environment_of(base_url: str | None) -> Environment:
    """
    Return the environment that a base URL belongs to.

    The result for None or "" describes a snapshot without a host. The environment of an
    unknown host is "other".

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
    """Return the card label of a base URL, which is "PRODUCTION", "stage", or an empty string."""
    return environment_of(base_url).label


def is_loopback(host: str) -> bool:
    """Return True if a host is a loopback address or "localhost"."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
