"""Test the write behavior of a server with a temporary group. Production servers are rejected."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from frgroups.api.client import Client
from frgroups.api.retry import RATE_LIMIT_POLICY, call_with_retry
from frgroups.apply.plan_checks import check_writable
from frgroups.apply.write_capabilities import MAX_LAG, NO_RESPONSE, WriteCapabilities
from frgroups.errors import (
    ApiError,
    AuthError,
    ConnectionFailedError,
    ForbiddenError,
    FrgroupsError,
    InputError,
    NotFoundError,
    ServerError,
    UnexpectedResponseError,
)
from frgroups.internals.base_urls import STAGE, is_loopback
from frgroups.internals.locks import tenant_lock
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type
from frgroups.load.verified_listing import read_members

log = logging.getLogger("frgroups.apply")

PREFIX = "frgroups-probe-"
NAME = "frgroups probe, safe to delete"
SIZES = (1, 50, 100, 200, 500, 1000)
# Responses that can mean that a request contains too many customers.
_TOO_LARGE_RESPONSES = ("400", "413", "422", NO_RESPONSE)
_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)


def probe_writes(client: Client) -> WriteCapabilities:
    """
    Test write behavior that the API contract does not specify, using a temporary group.

    The probe requires the stage server or a server on this machine, for example a sandbox. The probe does not change
    other groups. The results are stored in the data folder. `apply_plan` uses the results to choose the number of
    customers per request and the time to wait for changes.

    Parameters
    ----------
    client : Client
        Client with `writable=True` for the stage server or a server on this machine.

    Returns
    -------
    WriteCapabilities
        The results of the tests.

    Raises
    ------
    InputError
        The client is connected to production or to another remote server.
    NotWritableError
        The client is read-only.
    LockedError
        Another process is applying a plan to the tenant.
    ApiError
        The temporary group could not be created or deleted. If the group might still exist, the message contains its
        uid.

    Notes
    -----
    The probe adds customers of other groups to the temporary group. It tests duplicate group creation, requests of
    increasing size, repeated additions, unknown customers, and additions and removals in one request. It also
    measures the time until a change is in effect. Finally, it deletes the temporary group.

    Examples
    --------
    >>> with Sandbox(customers=300, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     capabilities = probe_writes(client)
    >>> capabilities.largest_chunk, capabilities.unknown_uid, capabilities.unknown_uid_spoils_chunk
    (200, '400', True)
    """
    check_type(client, Client, "client")
    _check_allowed(client)
    with tenant_lock(client.tenant_uid, client.base_url, "write probe"):
        capabilities = _Probe(client).run()
    capabilities.save()
    facts = {"tenant_uid": client.tenant_uid, "largest_chunk": capabilities.largest_chunk}
    log_event(
        log, logging.INFO, "writes_probed", f"Tested the write behavior of tenant {client.tenant_uid}.", **facts
    )
    return capabilities


def _check_allowed(client: Client) -> None:
    host = urlsplit(client.base_url).hostname or ""
    if client.base_url != STAGE and not is_loopback(host):
        raise InputError(
            "`client` must be connected to the stage server or to a server on this machine, got "
            f"{client.base_url}. Nothing was sent. Run the write probe with a client for the stage server."
        )
    check_writable(client)


class _Probe:
    """A write probe that uses one temporary group."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._group = f"{PREFIX}{uuid.uuid4().hex[:12]}"

    def run(self) -> WriteCapabilities:
        """Create the temporary group, run all tests, and delete the group even if a test fails."""
        customers = list(_some_customers(self._client, max(SIZES)))
        try:
            self._client.create_group(NAME, self._group)
        except (ConnectionFailedError, ServerError, UnexpectedResponseError):  # The group might have been created.
            self._delete()
            raise
        try:
            return self._run_tests(customers)
        finally:
            self._delete()

    def _run_tests(self, customers: list[str]) -> WriteCapabilities:
        duplicate = _response_to(lambda: self._client.create_group(NAME, self._group))
        visible_after = self._test_visibility(customers[0]) if customers else None
        largest, refused = self._test_chunk_sizes(customers)
        repeated = self._test_repeated_add(customers[:1]) if customers else None
        unknown, spoils = self._test_unknown_customer(customers)
        return WriteCapabilities(
            tenant_uid=self._client.tenant_uid,
            base_url=self._client.base_url,
            probed_at=datetime.now(UTC).replace(microsecond=0),
            duplicate_create=duplicate,
            unknown_uid=unknown,
            unknown_uid_spoils_chunk=spoils,
            repeated_add=repeated,
            both_sides=self._test_both_sides(customers),
            largest_chunk=largest,
            refused_chunk=refused,
            visible_after=visible_after,
        )

    def _request_change(self, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> str:
        return _response_to(lambda: self._client.update_group_customers(self._group, add=add, remove=remove))

    def _test_visibility(self, uid: str) -> float | None:
        """Add a customer, and return the seconds until the customer is a member, or None after MAX_LAG seconds."""
        if self._request_change(add=[uid]) not in ("accepted", NO_RESPONSE):
            return None
        return self._seconds_until(lambda: uid in self._members())

    def _seconds_until(self, is_visible: Callable[[], bool]) -> float | None:
        started, pauses = time.monotonic(), iter(_PAUSES)
        while time.monotonic() - started < MAX_LAG:
            time.sleep(next(pauses, _PAUSES[-1]))
            if is_visible():
                return round(time.monotonic() - started, 1)
        return None

    def _test_chunk_sizes(self, customers: list[str]) -> tuple[int | None, int | None]:
        """
        Return the largest accepted number of customers per request and the smallest rejected number.

        The customers are removed before each request, because repeated additions are tested separately. If the server
        rejects a single customer or does not respond, the maximum number cannot be determined.
        """
        largest = None
        self._request_change(remove=customers[:1])
        for size in SIZES:
            if size > len(customers):
                break
            response = self._request_change(add=customers[:size])
            if response != "accepted":
                is_too_large = response in _TOO_LARGE_RESPONSES
                return largest, size if largest and is_too_large else None
            largest = size
            self._request_change(remove=customers[:size])
        return largest, None

    def _test_repeated_add(self, uids: list[str]) -> str:
        """Add the same customers to the group twice, and return the second response."""
        self._request_change(add=uids)
        return self._request_change(add=uids)

    def _test_unknown_customer(self, customers: list[str]) -> tuple[str, bool | None]:
        """
        Add a known and an unknown customer in one request.

        Return the response, and True if the known customer was not added. The second value is None if there is
        no known customer.
        """
        known = customers[-1:]
        self._request_change(remove=known)
        response = self._request_change(add=[*known, f"{PREFIX}unknown-{uuid.uuid4().hex[:8]}"])
        if not known:
            return response, None
        if response == "accepted" and self._seconds_until(lambda: known[0] in self._members()) is not None:
            return response, False
        return response, known[0] not in self._members()

    def _test_both_sides(self, customers: list[str]) -> str | None:
        """Add a customer and remove another customer in one request, and return the response."""
        if len(customers) < 2:
            return None
        joins, leaves = customers[:1], customers[1:2]
        self._request_change(remove=joins)
        self._request_change(add=leaves)
        response = self._request_change(add=joins, remove=leaves)
        if response != "accepted":
            return response
        seconds = self._seconds_until(lambda: {*joins, *leaves} & self._members() == {*joins})
        return response if seconds is not None else "accepted, but not in effect"

    def _members(self) -> set[str]:
        return set(read_members(self._client, self._group).uids)

    def _delete(self) -> None:
        try:
            self._client.delete_group(self._group)
        except NotFoundError:
            return
        except FrgroupsError as error:
            error.add(f"The temporary group {self._group} might still exist. Delete the group manually.")
            raise


def _response_to(send: Callable[[], object]) -> str:
    """
    Send a write request, repeat the request after status 429, and return the response as a string.

    AuthError and ForbiddenError are not caught, so that they end the probe.
    """
    try:
        call_with_retry(send, RATE_LIMIT_POLICY)
    except (AuthError, ForbiddenError):
        raise
    except (ConnectionFailedError, UnexpectedResponseError, ServerError):
        return NO_RESPONSE
    except ApiError as error:
        return str(error.status)
    except InputError:
        return "rejected"
    return "accepted"


def _some_customers(client: Client, maximum: int) -> Iterator[str]:
    """Yield up to `maximum` distinct customer uids from the first page of each group."""
    seen: set[str] = set()
    for group in client.iter_groups():
        with suppress(NotFoundError):
            uids = [uid for uid in client.read_customer_page(group.uid).uids if uid not in seen]
            new = uids[: maximum - len(seen)]
            seen.update(new)
            yield from new
        if len(seen) >= maximum:
            return
