"""Finds out what a service does with writes, on a group of its own; never in production."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from frgroups.api.client import Client
from frgroups.api.environments import STAGE, is_loopback
from frgroups.api.retry import RATE_LIMIT_POLICY, call_with_retry
from frgroups.apply.write_capabilities import MAX_LAG, WriteCapabilities
from frgroups.errors import (
    ApiError,
    AuthError,
    ConnectionFailedError,
    ForbiddenError,
    FrgroupsError,
    InputError,
    NotFoundError,
    NotWritableError,
    ServerError,
    UnexpectedResponseError,
)
from frgroups.internals.locks import tenant_lock
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type
from frgroups.load.verified_listing import read_members

log = logging.getLogger("frgroups.apply")

PREFIX = "frgroups-probe-"
NAME = "frgroups probe, safe to delete"
SIZES = (1, 50, 100, 200, 500, 1000)
_OF_SIZE = ("400", "413", "422")  # What a request that is too large may be answered.
_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)


def probe_writes(client: Client) -> WriteCapabilities:
    """
    What the service does with writes where its contract is silent; on stage or a sandbox, never in production.

    Makes a group of its own, and with customers that it finds in other groups tries in it: a second creation, one
    customer and more and more at once, an addition repeated, an unknown customer among known ones, both sides in one
    request, and how long a change takes to show. Then it deletes the group. No other group is touched. The facts are
    kept in the home, and `apply_plan` goes by them: it sends no larger chunks than were taken, and waits as long
    as a change took to show.

    Raises
    ------
    InputError
        The client is connected to neither stage nor this machine.
    NotWritableError
        The client was made to read.
    LockedError
        A plan is being applied to this tenant.
    ApiError
        The group could not be made, or not be deleted; the message has its uid.

    >>> with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     found = probe_writes(client)
    >>> found.largest_chunk, found.unknown_uid, found.unknown_uid_spoils_chunk
    (200, '400', True)
    """
    check_type(client, Client, "client")
    _check_allowed(client)
    with tenant_lock(client.tenant_uid, client.base_url, "a probe of writes"):
        found = _Probe(client).run()
    found.save()
    facts = {"tenant_uid": client.tenant_uid, "largest_chunk": found.largest_chunk}
    log_event(log, logging.INFO, "writes_probed", f"probed what writes do to {client.tenant_uid}", **facts)
    return found


def _check_allowed(client: Client) -> None:
    host = urlsplit(client.base_url).hostname or ""
    if client.base_url != STAGE and not is_loopback(host):
        raise InputError(
            f"Writes are probed on stage or on this machine, not at {client.base_url}. Nothing was sent. "
            "Probe stage, which runs the same service."
        )
    if not client.writable:
        raise NotWritableError(
            "This client was made to read, and a probe writes; nothing was sent.",
            hint="Create the client with writable=True.",
        )


class _Probe:
    """One probe, on one group of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._group = f"{PREFIX}{uuid.uuid4().hex[:12]}"

    def run(self) -> WriteCapabilities:
        """Make the group, try all of it, and delete the group whatever happens."""
        known = list(_some_customers(self._client, max(SIZES)))
        try:
            self._client.create_group(NAME, self._group)
        except (ConnectionFailedError, ServerError, UnexpectedResponseError):  # It may be there all the same.
            self._delete()
            raise
        try:
            return self._tried(known)
        finally:
            self._delete()

    def _tried(self, known: list[str]) -> WriteCapabilities:
        duplicate = _answer_to(lambda: self._client.create_group(NAME, self._group))
        visible_after = self._seconds_until_shown(known[0]) if known else None
        largest, refused = self._chunks(known)
        repeated = self._repeated(known[:1]) if known else None
        unknown, spoils = self._with_an_unknown(known)
        return WriteCapabilities(
            tenant_uid=self._client.tenant_uid,
            base_url=self._client.base_url,
            probed_at=datetime.now(UTC).replace(microsecond=0),
            duplicate_create=duplicate,
            unknown_uid=unknown,
            unknown_uid_spoils_chunk=spoils,
            repeated_add=repeated,
            both_sides=self._both_sides(known),
            largest_chunk=largest,
            refused_chunk=refused,
            visible_after=visible_after,
        )

    def _answer_to_change(self, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> str:
        return _answer_to(lambda: self._client.update_group_customers(self._group, add=add, remove=remove))

    def _seconds_until_shown(self, uid: str) -> float | None:
        """Add one customer, and read until the group shows it; None when it does not within MAX_LAG."""
        if self._answer_to_change(add=[uid]) not in ("accepted", "no answer"):
            return None
        return self._seconds_until(lambda: uid in self._members())

    def _seconds_until(self, shows: Callable[[], bool]) -> float | None:
        started, pauses = time.monotonic(), iter(_PAUSES)
        while time.monotonic() - started < MAX_LAG:
            time.sleep(next(pauses, _PAUSES[-1]))
            if shows():
                return round(time.monotonic() - started, 1)
        return None

    def _chunks(self, known: list[str]) -> tuple[int | None, int | None]:
        """
        The largest chunk that was taken, and the smallest that was not.

        None of them is a member beforehand: what a service makes of a repeated addition is another question. A
        refusal of one customer tells nothing of sizes, nor does a service that is down.
        """
        largest = None
        self._answer_to_change(remove=known[:1])
        for size in [one for one in SIZES if one <= len(known)]:
            answer = self._answer_to_change(add=known[:size])
            if answer != "accepted":
                too_large = answer in _OF_SIZE or answer == "no answer"
                return largest, size if largest and too_large else None
            largest = size
            self._answer_to_change(remove=known[:size])
        return largest, None

    def _repeated(self, uids: list[str]) -> str:
        """What becomes of an addition that was made before."""
        self._answer_to_change(add=uids)
        return self._answer_to_change(add=uids)

    def _with_an_unknown(self, known: list[str]) -> tuple[str, bool | None]:
        """What becomes of an unknown customer, and of a known one beside it."""
        beside = known[-1:]
        self._answer_to_change(remove=beside)
        answer = self._answer_to_change(add=[*beside, f"{PREFIX}nobody-{uuid.uuid4().hex[:8]}"])
        if not beside:
            return answer, None
        joined = self._seconds_until(lambda: beside[0] in self._members()) if answer == "accepted" else None
        return answer, joined is None and beside[0] not in self._members()

    def _both_sides(self, known: list[str]) -> str | None:
        """One customer joins and another leaves in one request: the answer, and whether both showed."""
        if len(known) < 2:
            return None
        joins, leaves = known[:1], known[1:2]
        self._answer_to_change(remove=joins)
        self._answer_to_change(add=leaves)
        answer = self._answer_to_change(add=joins, remove=leaves)
        if answer != "accepted":
            return answer
        both = self._seconds_until(lambda: {*joins, *leaves} & self._members() == {*joins})
        return answer if both is not None else "accepted, and not in effect"

    def _members(self) -> set[str]:
        return set(read_members(self._client, self._group).uids)

    def _delete(self) -> None:
        try:
            self._client.delete_group(self._group)
        except NotFoundError:
            return
        except FrgroupsError as error:
            error.message += (
                f" The group of the probe, {self._group}, may still be there: delete it in the back office."
            )
            raise


def _answer_to(send: Callable[[], object]) -> str:
    """
    Send a write, repeat it after 429, and return the result as text.

    A token that is not accepted, or that may not write, ends the probe.
    """
    try:
        call_with_retry(send, RATE_LIMIT_POLICY)
    except (AuthError, ForbiddenError):
        raise
    except (ConnectionFailedError, UnexpectedResponseError, ServerError):
        return "no answer"
    except ApiError as error:
        return str(error.status)
    except InputError:
        return "refused"
    return "accepted"


def _some_customers(client: Client, most: int) -> Iterator[str]:
    """Customers of other groups, each once."""
    met: set[str] = set()
    for group in client.iter_groups():
        with suppress(NotFoundError):
            new = [uid for uid in client.read_customer_page(group.uid).uids if uid not in met][: most - len(met)]
            met.update(new)
            yield from new
        if len(met) >= most:
            return
