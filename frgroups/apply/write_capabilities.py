"""Write behavior of a tenant's service that the API contract does not specify: measured by a probe and stored."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from frgroups.api.environments import environment_label
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.internals.formatting import format_utc
from frgroups.internals.html import Card
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.request_estimate import CHUNK

MAX_LAG = 30.0  # Seconds that a probe waits until a change is in effect.

NO_RESPONSE = "no response"  # The service did not respond, or its response could not be read.

_KIND = "write capabilities"
_MAX_WAIT = 10.0
_MAX_VISIBLE_AFTER = 3600.0  # Seconds; a stored value above this is not from a probe.
_UNTESTED = "no customer to test with"


@dataclass(frozen=True, slots=True)
class WriteCapabilities:
    """
    Responses of a service to the writes of a probe.

    A response is "accepted", the status that rejected the write ("400"), or "no response". `largest_chunk` is the
    largest number of customers that one request accepted, or None if there was no customer to test with.
    `refused_chunk` is the smallest number that was rejected, or None if every tested number was accepted.
    `visible_after` is the number of seconds until a change was in effect. It is None if the change was not in effect
    within `MAX_LAG`, or if there was no customer to test with.
    """

    tenant_uid: str
    base_url: str
    probed_at: datetime
    duplicate_create: str
    unknown_uid: str
    unknown_uid_spoils_chunk: bool | None
    repeated_add: str | None
    both_sides: str | None
    largest_chunk: int | None
    refused_chunk: int | None
    visible_after: float | None

    @property
    def facts(self) -> dict[str, str]:
        """The responses as labels and texts."""
        unknown_uid = self.unknown_uid
        if self.unknown_uid_spoils_chunk is not None:
            others = "not added" if self.unknown_uid_spoils_chunk else "added"
            unknown_uid += f" (other customers in the request: {others})"
        chunk, visible = _UNTESTED, _UNTESTED
        if self.largest_chunk is not None:
            chunk = f"{self.largest_chunk:,} accepted"
        if self.refused_chunk is not None:
            chunk += f", {self.refused_chunk:,} rejected"
        if self.largest_chunk:
            visible = f"not within {MAX_LAG:.0f} s"
            if self.visible_after is not None:
                visible = f"after {self.visible_after:.1f} s"
        return {
            "Tenant": f"{self.tenant_uid} at {self.base_url}",
            "Probed": format_utc(self.probed_at),
            "Group created twice": self.duplicate_create,
            "Unknown customer added": unknown_uid,
            "Addition repeated": self.repeated_add or _UNTESTED,
            "Addition and removal in one request": self.both_sides or _UNTESTED,
            "Customers in one request": chunk,
            "Change in effect": visible,
        }

    @property
    def chunk(self) -> int:
        """Maximum number of customers to send in one request, at most `CHUNK`, on which plan estimates are based."""
        if self.refused_chunk is None:
            return CHUNK
        return max(1, min(CHUNK, self.largest_chunk or 1))

    def read_back_waits(self, usual: Sequence[float]) -> tuple[float, ...]:
        """
        Return the seconds to wait between reads, extended to twice the time that a change took to be in effect.

        Examples
        --------
        >>> from datetime import UTC
        >>> at = datetime(2026, 11, 1, tzinfo=UTC)
        >>> slow = WriteCapabilities("t-1", "stage", at, "409", "400", *[None] * 3, 200, None, 4.0)
        >>> slow.read_back_waits((0.5, 1.0, 2.0))
        (0.5, 1.0, 2.0, 4.0, 4.0)
        """
        waits = list(usual)
        visible_after = self.visible_after or 0.0
        if self.visible_after is None and self.largest_chunk:
            visible_after = MAX_LAG
        wait = min(2 * waits[-1], _MAX_WAIT)
        while sum(waits) < 2 * visible_after:
            waits.append(wait)
        return tuple(waits)

    def save(self) -> Path:
        """Store the capabilities in the data folder, and replace older ones of the same tenant and host."""
        content = asdict(self) | {"probed_at": self.probed_at.isoformat()}
        return write_checksummed(_path(self.tenant_uid, self.base_url), _KIND, content)

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html()

    def _card(self) -> Card:
        return Card("Write capabilities", self.facts, mark=environment_label(self.base_url))


def stored_capabilities(tenant_uid: str, base_url: str) -> WriteCapabilities | None:
    """Return the result of the last probe of this tenant and host, or None if there is none."""
    path = _path(tenant_uid, base_url)
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = read_checksummed(path, _KIND)
    except InputError as error:
        error.add(hint=f"Delete {path}, and probe again.")
        raise
    try:
        values = {field.name: content[field.name] for field in fields(WriteCapabilities)}
        capabilities = msgspec.convert(values, WriteCapabilities)
        _check_ranges(capabilities)
    except (KeyError, ValueError) as error:  # msgspec.ValidationError is a ValueError.
        raise CorruptFileError(
            f"{path} contains other values than this frgroups stores. Delete it, and probe again.", path=path
        ) from error
    return capabilities


def _check_ranges(capabilities: WriteCapabilities) -> None:
    """Raise ValueError if a number is negative or larger than a probe can measure."""
    maxima = {"largest_chunk": sys.maxsize, "refused_chunk": sys.maxsize, "visible_after": _MAX_VISIBLE_AFTER}
    for name, maximum in maxima.items():
        if not 0 <= (getattr(capabilities, name) or 0) <= maximum:
            raise ValueError(f"{name} is out of range")


def _path(tenant_uid: str, base_url: str) -> Path:
    return data_subdir("probes") / f"{tenant_folder(tenant_uid, base_url)}.json"
