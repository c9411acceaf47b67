"""Environments of the Flow Retail API and their base URLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from frgroups.internals.base_urls import PRODUCTION, STAGE, is_loopback


@dataclass(frozen=True, slots=True)
class Environment:
    """
    Environment of the API, such as production or stage.

    Attributes
    ----------
    kind
        Identifier of the environment in style sheets and scripts.
    title
        Short name for headings.
    description
        Explanation for the reviewer of a plan.
    label
        Label that the card of an object (its repr in text or HTML) shows next to the title, or "" for no label.
    """

    kind: Literal["production", "stage", "local", "other", "none"]
    title: str
    description: str
    label: str = ""


_PRODUCTION = Environment(
    "production",
    "PRODUCTION",
    "The production environment contains real customers. Changes take effect in shops and at tills.",
    "PRODUCTION",
)
_STAGE = Environment("stage", "Stage", "This is the stage environment. Production is not affected.", "stage")
_LOCAL = Environment("local", "Local sandbox", "A local test server. Production is not affected.")
_OTHER = Environment(
    "other", "UNKNOWN SERVER", "The server is neither production nor stage. Treat it like production."
)
_NONE = Environment(
    "none", "No server", "The plan was created from tables and not from a tenant, so it cannot be applied."
)
_BY_HOST = {urlsplit(PRODUCTION).hostname: _PRODUCTION, urlsplit(STAGE).hostname: _STAGE}


def environment_of(base_url: str | None) -> Environment:
    """
    Return the environment that a base URL belongs to.

    For None or "", the result is the environment "none" of snapshots that were created from tables. For an unknown
    host, the result is the environment "other".

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
    """Return the label that a card shows for a base URL: "PRODUCTION", "stage", or an empty string."""
    return environment_of(base_url).label
