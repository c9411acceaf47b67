"""Send the changes of a plan in chunks of customers, and find the customers whose changes the server rejects."""

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
# In one run, the waits after status 429 must not exceed this number of seconds in total.
MAX_RUN_WAIT = 1800.0
# Errors after which the server did not process the request.
# TokenCommandError and InputError are raised before the request is sent.
_UNPROCESSED_ERRORS = (AuthError, ForbiddenError, TokenCommandError, InputError)
_UNKNOWN_RESULT_STATUSES = (408, 425)  # Gateways send these statuses, so the server might have processed the request.


class Sender:
    """
    Send the changes of one plan, and record each request in the plan's journal.

    The journal records each change before it is sent and each response after it is received.

    Each request contains a chunk of customers. If the server rejects a chunk, the chunk is repeatedly divided in half
    until each rejected customer is found. Status 413 reduces the chunk size. If a response is lost or has a status of
    500 or above, the group is read, and changes that are not in effect are sent again in smaller chunks. A change is
    sent at most `MAX_ATTEMPTS` times.

    The run ends after status 401 or 403, if the complete first chunk is rejected, or after `MAX_REJECTED` rejected
    customers.
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
        self._n_rejected = len(journal.state.rejected)  # This number includes rejections in earlier runs.
        self._waited = 0.0
        # Customers in the first chunk who have not been rejected, or None before the first chunk is sent.
        # The run ends if the server rejects all customers in the first chunk.
        # A resumed run does not make this check, because its remaining customers might all be customers that the
        # server rejects.
        self._unresolved_first_uids: set[str] | None = None
        if journal.state.n_sent:
            self._unresolved_first_uids = set()

    def create(self, group: str, name: str) -> None:
        """Create a group. Raise RunAborted if the server rejects the creation or the result is unknown."""
        self.raise_if_stopped()
        self._journal.write("intent", create=True, group=group, name=name)
        result = "accepted"
        failed: FrgroupsError | None = None
        try:
            self._retry_on_429(lambda: self._client.create_group(name, group))
        except RunAborted as stop:
            # The run ended during a wait after status 429, so the server did not process this request.
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
        """Record the result of a group creation in the journal."""
        self._journal.write("outcome", create=True, group=group, result=result, message=message)

    def send(self, group: str, change: str, uids: Sequence[str]) -> None:
        """Send additions to a group or removals from a group. Raise RunAborted if the run must end."""
        size = self._chunk
        if self._unresolved_first_uids is None and uids:
            # Use `CHUNK` instead of `size`, because a chunk can contain a single customer, and one rejected customer
            # must not end the run.
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
                    raise RunAborted(
                        f"{message} The change was sent {MAX_ATTEMPTS} times and is still not in effect."
                    )
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
            # The run ended during a wait after status 429, so the server did not process this request.
            self._record_outcome(group, change, uids, "not_sent", str(stop))
            raise
        except UnexpectedResponseError as error:
            self._record_outcome(group, change, uids, "unknown", error.message)
            raise RunAborted(error.message) from error
        except (*_UNPROCESSED_ERRORS, RateLimitedError, NotFoundError) as error:
            self._record_outcome(group, change, uids, "not_sent", error.message)
            raise RunAborted(error.message) from error
        # If the server rejects a request with several customers, the customers are sent again in smaller requests.
        # The API contract does not guarantee that a rejected request has no effect, so the result is recorded as
        # unknown.
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
        """Send one request, and return its result and the server's message."""
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
        """Call a function. Repeat the call after status 429 within the limits of the retry policy and of the run."""
        call_with_retry(call, RATE_LIMIT_POLICY, wait=self._wait_after_429)

    def _wait_after_429(self, retry: Retry) -> None:
        if self._waited + retry.delay > MAX_RUN_WAIT:
            raise RunAborted(
                f"{retry.error.message} The run has already waited {self._waited:.0f} s after responses with "
                f"status 429. The maximum for a run is {MAX_RUN_WAIT:.0f} s."
            ) from retry.error
        self._waited += retry.delay
        self._stop.wait(retry.delay)
        self.raise_if_stopped()

    def _classify_not_found(self, group: str, error: NotFoundError) -> tuple[Result, str]:
        """Return the result of a request with status 404. Raise NotFoundError if the group does not exist."""
        try:
            self._client.get_group(group)
        except NotFoundError:
            raise
        except FrgroupsError as unread:
            return "unknown", unread.message
        return "rejected", error.server_message or error.message

    def _not_in_effect(self, group: str, change: str, uids: list[str]) -> list[str]:
        """Read a group, and return the given customers whose change is not in effect."""
        members = self._members_until(group, change, uids)
        return [uid for uid in uids if (uid in members) != (change == "add")]

    def raise_if_stopped(self) -> None:
        """Raise RunAborted if the run was interrupted."""
        if self._stop.is_set():
            raise RunAborted("The run was interrupted between two requests.")

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
                raise RunAborted(f"The server rejected all customers in the first batch. {message}")
        if self._n_rejected >= MAX_REJECTED:
            raise RunAborted(
                f"The server rejected {self._n_rejected} customers in this plan, and the maximum is {MAX_REJECTED}. "
                f"The server's last message is: {message} Create a new plan without the rejected customers."
            )


def _split_in_half(chunk: list[str], attempts: int) -> list[tuple[list[str], int]]:
    middle = (len(chunk) + 1) // 2
    return [(chunk[:middle], attempts), (chunk[middle:], attempts)]
