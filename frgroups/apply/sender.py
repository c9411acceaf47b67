"""Send the changes of an approved plan in chunks, and find the uids that the service rejects."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from frgroups.api.client import Client
from frgroups.api.retry import RATE_LIMIT_POLICY, Retry, call_with_retry
from frgroups.apply.journal import Journal, RunAborted
from frgroups.errors import (
    AuthError,
    ConnectionFailedError,
    ForbiddenError,
    FrgroupsError,
    InputError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    TokenCommandError,
    UnexpectedResponseError,
)
from frgroups.internals.progress import Progress
from frgroups.plan.request_estimate import CHUNK, MAX_REJECTED

Result = Literal["accepted", "rejected", "too_large", "unknown"]

MAX_ATTEMPTS = 3
MAX_RUN_WAIT = 1800.0  # Seconds that one run waits after 429, over all its requests.
# The service did not process the request, or there was no token to send it with (the last two).
_UNPROCESSED_ERRORS = (AuthError, ForbiddenError, TokenCommandError, InputError)
_UNKNOWN_RESULT_STATUSES = (408, 425)  # From a gateway: the service may have processed the request.


class Sender:
    """
    Send one plan. Every intent is on disk before its request, and every outcome after it.

    A rejected chunk is split in half until each rejected uid is found. Status 413 halves the chunk size and is not a
    rejection. After a lost response, a timeout or a 5xx, the group is read, and changes that are not in effect are
    sent again in smaller chunks, a limited number of times. A 401, a 403, a first chunk of which every uid is
    rejected, or 50 rejected uids end the run.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        members_until: Callable[[str, str, Sequence[str]], frozenset[str]],
        stop: threading.Event,
        progress: Progress,
        chunk: int = CHUNK,
    ) -> None:
        self._client, self._journal = client, journal
        self._members_until, self._stop, self._progress = members_until, stop, progress
        self._chunk = chunk
        self._n_rejected = len(journal.state.rejected)  # By earlier runs too: it is one plan.
        self._waited = 0.0
        # Customers of the first chunk without a result, None before the first chunk. A resumed run does not check its
        # first chunk, which may consist of unknown uids only.
        self._unresolved_first_uids: set[str] | None = None
        if journal.state.n_sent:
            self._unresolved_first_uids = set()

    def create(self, group: str, name: str) -> None:
        """Create a group; raise RunAborted if the creation is rejected, or if its result is unknown."""
        self.raise_if_stopped()
        self._journal.write("intent", create=True, group=group, name=name)
        result = "accepted"
        failed: FrgroupsError | None = None
        try:
            self._retry_on_429(lambda: self._client.create_group(name, group))
        except RunAborted as stop:
            # The run ended while it waited after status 429, so the server did not process this request.
            self.record_creation(group, "rejected", str(stop))
            raise
        except RequestRejectedError as error:
            failed = error
            result = "unknown" if error.status in _UNKNOWN_RESULT_STATUSES else "rejected"
        except (*_UNPROCESSED_ERRORS, RateLimitedError, NotFoundError) as error:
            result, failed = "rejected", error
        except (ConnectionFailedError, ServerError, UnexpectedResponseError) as error:
            result, failed = "unknown", error
        if failed is None:
            self.record_creation(group, result)
        else:
            self.record_creation(group, result, failed.message)
            raise RunAborted(failed.message) from failed

    def record_creation(self, group: str, result: str, message: str = "") -> None:
        """Record the result of a creation in the journal."""
        self._journal.write("outcome", create=True, group=group, result=result, message=message)

    def send(self, group: str, change: str, uids: Sequence[str]) -> None:
        """Send the additions or the removals of a group; raise RunAborted if the run must end."""
        size = self._chunk
        if self._unresolved_first_uids is None and uids:
            # Chunks can be smaller than CHUNK, and one bad uid says nothing about the others.
            self._unresolved_first_uids = set(uids[:CHUNK])
        waiting = deque((list(uids[start : start + size]), 0) for start in range(0, len(uids), size))
        while waiting:
            chunk, attempts = waiting.popleft()
            if len(chunk) > self._chunk:
                waiting.extendleft(reversed(_split_in_half(chunk, attempts)))
                continue
            result, message = self._send_chunk(group, change, chunk)
            if result == "unknown":
                left = self._not_in_effect(group, change, chunk)
                self._count_in_effect(len(chunk) - len(left))
                if left and attempts + 1 >= MAX_ATTEMPTS:
                    raise RunAborted(f"{message} It was sent {MAX_ATTEMPTS} times and is still not in effect.")
                if len(left) > 1:
                    waiting.extendleft(reversed(_split_in_half(left, attempts + 1)))
                elif left:
                    waiting.appendleft((left, attempts + 1))
            elif result == "too_large":
                self._chunk = max(1, len(chunk) // 2)
                waiting.appendleft((chunk, attempts))
            elif result == "rejected" and len(chunk) > 1:
                waiting.extendleft(reversed(_split_in_half(chunk, attempts)))
            elif result == "rejected":
                self._count_rejected(chunk[0], message)
            else:
                self._count_in_effect(len(chunk))

    def _send_chunk(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        self.raise_if_stopped()
        self._journal.write("intent", group=group, change=change, uids=uids)
        try:
            result, message = self._request_change(group, change, uids)
        except RunAborted as stop:
            # The run ended while it waited after status 429, so the server did not process this request.
            self._record_outcome(group, change, uids, "not_sent", str(stop))
            raise
        except UnexpectedResponseError as error:
            self._record_outcome(group, change, uids, "unknown", error.message)
            raise RunAborted(error.message) from error
        except (*_UNPROCESSED_ERRORS, RateLimitedError, NotFoundError) as error:
            # The service did not process the customers.
            self._record_outcome(group, change, uids, "not_sent", error.message)
            raise RunAborted(error.message) from error
        # A rejected chunk says nothing about its uids: they are sent again in smaller chunks. The API contract does
        # not state that none of them took effect.
        recorded: str = result
        if result == "too_large":
            recorded = "not_sent"
        elif result == "rejected" and len(uids) > 1:
            recorded = "unknown"
        self._record_outcome(group, change, uids, recorded, message)
        return result, message

    def _record_outcome(self, group: str, change: str, uids: list[str], result: str, message: str) -> None:
        self._journal.write("outcome", group=group, change=change, uids=uids, result=result, message=message)

    def _request_change(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        """Send one request, and return its result with the server's message."""
        sides = {"add": uids} if change == "add" else {"remove": uids}
        try:
            self._retry_on_429(lambda: self._client.update_group_customers(group, **sides))
            return "accepted", ""
        except NotFoundError as error:
            return self._classify_not_found(group, error)
        except (ConnectionFailedError, ServerError) as error:
            return "unknown", error.message
        except RequestRejectedError as error:
            if error.status in _UNKNOWN_RESULT_STATUSES:
                return "unknown", error.message
            too_large = error.status == 413 and len(uids) > 1
            return "too_large" if too_large else "rejected", error.server_message or error.message

    def _retry_on_429(self, call: Callable[[], object]) -> None:
        """Make the call, and repeat it after each 429 within the limits for one request and for the run."""
        call_with_retry(call, RATE_LIMIT_POLICY, wait=self._wait_after_429)

    def _wait_after_429(self, retry: Retry) -> None:
        if self._waited + retry.delay > MAX_RUN_WAIT:
            raise RunAborted(
                f"{retry.error.message} The run has already waited {self._waited:.0f} s because of status 429. The "
                f"maximum for a run is {MAX_RUN_WAIT:.0f} s."
            ) from retry.error
        self._waited += retry.delay
        self._stop.wait(retry.delay)
        self.raise_if_stopped()

    def _classify_not_found(self, group: str, error: NotFoundError) -> tuple[Result, str]:
        """Return the result of a 404 about a customer; raise NotFoundError if the group does not exist."""
        try:
            self._client.get_group(group)
        except NotFoundError:
            raise
        except FrgroupsError as unread:
            return "unknown", unread.message
        return "rejected", error.server_message or error.message

    def _not_in_effect(self, group: str, change: str, uids: list[str]) -> list[str]:
        """Read the group, and return the uids of a chunk whose change is not in effect."""
        members = self._members_until(group, change, uids)
        return [uid for uid in uids if (uid in members) != (change == "add")]

    def raise_if_stopped(self) -> None:
        """Raise RunAborted if the run was interrupted."""
        if self._stop.is_set():
            raise RunAborted("interrupted between two requests.")

    def _count_in_effect(self, n: int) -> None:
        if n:
            self._progress.advance(n)
            self._unresolved_first_uids = set()

    def _count_rejected(self, uid: str, message: str) -> None:
        self._progress.advance(1)
        self._n_rejected += 1
        if self._unresolved_first_uids:
            self._unresolved_first_uids.discard(uid)
            if not self._unresolved_first_uids:
                raise RunAborted(f"every customer of the first chunk was rejected. {message}")
        if self._n_rejected >= MAX_REJECTED:
            raise RunAborted(
                f"The server rejected {self._n_rejected} customers of this plan, and the maximum is {MAX_REJECTED}. "
                f"Its last message is: {message} Create a new plan without the rejected customers."
            )


def _split_in_half(chunk: list[str], attempts: int) -> list[tuple[list[str], int]]:
    middle = (len(chunk) + 1) // 2
    return [(chunk[:middle], attempts), (chunk[middle:], attempts)]
