"""What a tenant's service does with writes where its contract is silent: found out once by a probe, and kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from frgroups.api.environments import environment_label
from frgroups.errors import CorruptFileError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.internals.html import Card
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.request_estimate import CHUNK

_KIND = "write facts"
MAX_LAG = 30.0  # seconds that a probe waits until a change shows
_LONGEST_WAIT = 10.0
_LONGEST_SEEN = 3600.0  # seconds; a probe waits through less


@dataclass(frozen=True, slots=True)
class WriteCapabilities:
    """
    How a service answered the writes of a probe.

    An answer is "accepted", the status that refused it ("400"), or "no answer". `largest_chunk` is the most customers
    that one request took, and None when there was nobody to try with; `refused_chunk` the least that it did not
    take, None when all that were tried went through. `visible_after` are the seconds until a change showed, None when
    it did not within `MAX_LAG`, or there was nobody to try with.
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
        """The facts as words."""
        spoils = {True: "and none of the others joins", False: "and the others join", None: ""}
        seen = "not within the time waited" if self.visible_after is None else f"after {self.visible_after:.1f} s"
        chunk = "nobody to try with" if self.largest_chunk is None else f"{self.largest_chunk:,} at once"
        if self.refused_chunk is not None:
            chunk += f"; {self.refused_chunk:,} were refused"
        return {
            "Tenant": f"{self.tenant_uid} at {self.base_url}",
            "Probed": f"{self.probed_at:%Y-%m-%d %H:%M} UTC",
            "A group created twice": self.duplicate_create,
            "An unknown customer": f"{self.unknown_uid} {spoils[self.unknown_uid_spoils_chunk]}".strip(),
            "An addition repeated": self.repeated_add or "nobody to try with",
            "Both sides in one request": self.both_sides or "too few to try with",
            "Customers in one request": chunk,
            "A change shows": seen if self.largest_chunk else "nobody to try with",
        }

    @property
    def chunk(self) -> int:
        """The most customers to send in one request: never more than `CHUNK`, which plans are told in."""
        return CHUNK if self.refused_chunk is None else max(1, min(CHUNK, self.largest_chunk or 1))

    def read_back_waits(self, usual: Sequence[float]) -> tuple[float, ...]:
        """
        The waits between readings back, longer ones after the usual until twice the time that a change took to show.

        >>> from datetime import UTC
        >>> at = datetime(2026, 11, 1, tzinfo=UTC)
        >>> slow = WriteCapabilities("t-1", "stage", at, "409", "400", *[None] * 3, 200, None, 4.0)
        >>> slow.read_back_waits((0.5, 1.0, 2.0))
        (0.5, 1.0, 2.0, 4.0, 4.0)
        """
        waits = list(usual)
        seen = self.visible_after
        if seen is None:
            seen = MAX_LAG if self.largest_chunk else 0.0
        while sum(waits) < 2 * seen:
            waits.append(min(2 * waits[-1], _LONGEST_WAIT) if len(waits) == len(usual) else waits[-1])
        return tuple(waits)

    def save(self) -> Path:
        """Keep them in the home, in place of older ones of the same tenant and host."""
        content = asdict(self) | {"probed_at": self.probed_at.isoformat()}
        return write_checksummed(_path(self.tenant_uid, self.base_url), _KIND, content)

    def __repr__(self) -> str:
        return Card("What writes do", self.facts, mark=environment_label(self.base_url)).text()

    def _repr_html_(self) -> str:
        return Card("What writes do", self.facts, mark=environment_label(self.base_url)).html()


def stored_capabilities(tenant_uid: str, base_url: str) -> WriteCapabilities | None:
    """What the last probe of this tenant and host found; None when there was none."""
    path = _path(tenant_uid, base_url)
    if not path.exists():
        return None
    content: dict[str, Any] = read_checksummed(path, _KIND)
    try:
        kept = msgspec.convert({one.name: content[one.name] for one in fields(WriteCapabilities)}, WriteCapabilities)
        if not all(0 <= (number or 0) <= most for number, most in _most(kept)):
            raise ValueError("a number that no probe finds")
        return kept
    except (KeyError, ValueError) as error:  # Also msgspec's own.
        raise CorruptFileError(
            f"{path} holds other facts than this frgroups keeps. Delete it, and probe again.", path=path
        ) from error


def _most(kept: WriteCapabilities) -> list[tuple[float | None, float]]:
    """The numbers, and how large each may be at most."""
    return [(kept.largest_chunk, sys.maxsize), (kept.refused_chunk, sys.maxsize), (kept.visible_after, _LONGEST_SEEN)]


def _path(tenant_uid: str, base_url: str) -> Path:
    return data_subdir("probes") / f"{tenant_folder(tenant_uid, base_url)}.json"
