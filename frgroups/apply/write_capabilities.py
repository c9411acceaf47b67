"""Measured write behavior of a server, for cases that the API contract does not specify."""

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

MAX_LAG = 30.0  # A probe waits at most this number of seconds for a change to take effect.

NO_RESPONSE = "no response"  # Recorded if the server sent no response or an invalid response.

_KIND = "write capabilities"
_MAX_WAIT = 10.0
_MAX_VISIBLE_AFTER = 3600.0  # A file with a larger number of seconds was not written by a probe.
_UNTESTED = "could not be tested"


@dataclass(frozen=True, slots=True)
class WriteCapabilities:
    """
    Write behavior of a server, measured by `probe_writes`.

    Each recorded response is "accepted", an HTTP status such as "400", or "no response". A value is None if the
    tenant has too few customers for the test.

    Attributes
    ----------
    tenant_uid, base_url
        The tenant and host that were tested.
    probed_at
        Time of the probe.
    duplicate_create
        Response to the creation of a group that already exists.
    unknown_uid
        Response to the addition of a customer who does not exist.
    unknown_uid_spoils_chunk
        True if an unknown customer prevents the addition of the other customers in the request.
    repeated_add
        Response to the addition of a customer who is already a member.
    both_sides
        Response to a request that adds one customer and removes another customer.
    largest_chunk
        Largest number of customers in one request that the server accepted.
    refused_chunk
        Smallest number of customers in one request that the server rejected. None if all tested numbers were
        accepted.
    visible_after
        Seconds until a change was in effect. None if the change was not in effect within 30 s.

    Examples
    --------
    >>> with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     capabilities = probe_writes(client)
    >>> capabilities.repeated_add, capabilities.largest_chunk
    ('accepted', 200)
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
        """
        Labels and descriptions of the write probe's results, as shown in a notebook.

        Examples
        --------
        >>> from datetime import UTC
        >>> at = datetime(2026, 11, 1, tzinfo=UTC)
        >>> capabilities = WriteCapabilities("t-1", "stage", at, "409", "400", *[None] * 3, 100, 200, 4.0)
        >>> capabilities.facts["Customers in one request"]
        '100 accepted, 200 rejected'
        """
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
        """
        Number of customers that `apply_plan` sends in one request, at most 200.

        Examples
        --------
        >>> from datetime import UTC
        >>> at = datetime(2026, 11, 1, tzinfo=UTC)
        >>> WriteCapabilities("t-1", "stage", at, "409", "400", *[None] * 3, 100, 200, 4.0).chunk
        100
        """
        if self.refused_chunk is None:
            return CHUNK
        return max(1, min(CHUNK, self.largest_chunk or 1))

    def read_back_waits(self, usual: Sequence[float]) -> tuple[float, ...]:
        """
        Return the waiting times between reads, with additional waits if the server's changes take effect late.

        Waits are appended until the sum of all waits is at least twice the time that a change needed to take effect.

        Parameters
        ----------
        usual : sequence of float
            Waiting times without a probe, in seconds.

        Returns
        -------
        tuple of float
            Waiting times in seconds. An appended wait is at most 10 s.

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
        """
        Store the probe results in the data folder, and replace earlier results for the same tenant and host.

        Returns
        -------
        Path
            The path of the file.

        Examples
        --------
        >>> from datetime import UTC
        >>> at = datetime(2026, 11, 1, tzinfo=UTC)
        >>> path = WriteCapabilities("t-1", "https://localhost", at, "409", "400", *[None] * 6).save()
        >>> path.exists()
        True
        """
        content = asdict(self) | {"probed_at": self.probed_at.isoformat()}
        return write_checksummed(_path(self.tenant_uid, self.base_url), _KIND, content)

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html()

    def _card(self) -> Card:
        return Card("Write capabilities", self.facts, mark=environment_label(self.base_url))


def stored_capabilities(tenant_uid: str, base_url: str) -> WriteCapabilities | None:
    """Return the results of the last write probe for a tenant and host, or None if there was no probe."""
    path = _path(tenant_uid, base_url)
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = read_checksummed(path, _KIND)
    except InputError as error:
        error.add(hint=f"Delete {path} and run the write probe again.")
        raise
    try:
        values = {field.name: content[field.name] for field in fields(WriteCapabilities)}
        capabilities = msgspec.convert(values, WriteCapabilities)
        _check_ranges(capabilities)
    except (KeyError, ValueError, msgspec.ValidationError) as error:
        raise CorruptFileError(
            f"{path} is corrupt: a value is missing or invalid. Delete the file and run the write probe again.",
            path=path,
        ) from error
    return capabilities


def _check_ranges(capabilities: WriteCapabilities) -> None:
    """Raise ValueError if a stored number is negative or too large to be the result of a write probe."""
    maxima = {"largest_chunk": sys.maxsize, "refused_chunk": sys.maxsize, "visible_after": _MAX_VISIBLE_AFTER}
    for name, maximum in maxima.items():
        if not 0 <= (getattr(capabilities, name) or 0) <= maximum:
            raise ValueError(f"{name} is out of range")


def _path(tenant_uid: str, base_url: str) -> Path:
    return data_subdir("probes") / f"{tenant_folder(tenant_uid, base_url)}.json"
