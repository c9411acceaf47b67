"""Send the changes of an approved plan in chunks, and find the uids that the service refuses."""

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

Result = Literal["accepted", "refused", "too_large", "unknown"]

MOST_TRIES = 3
MAX_RUN_WAIT = 1800.0  # Seconds that one run waits after 429, over all its requests.
_TURNED_AWAY = (AuthError, ForbiddenError, TokenCommandError, InputError)  # The last two: no token to send it with.
_NO_ANSWER = (408, 425)  # A gateway that gave up: what stands behind it may have gone on.


class Sender:
    """
    Send one plan. Every intent is on disk before its request, and every outcome after it.

    A refused chunk is split in half until each refused uid is found. Status 413 halves the chunk size and is not a
    refusal. After a lost answer, a timeout or a 5xx the group is read, and changes that are not in effect are sent
    again in smaller chunks, a limited number of times. A 401, a 403, a first chunk of which every uid is refused, or
    50 refused uids end the run.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        members_when: Callable[[str, str, Sequence[str]], frozenset[str]],
        stop: threading.Event,
        progress: Progress,
        chunk: int = CHUNK,
    ) -> None:
        self._client, self._journal = client, journal
        self._members_when, self._stop, self._progress = members_when, stop, progress
        self._chunk = chunk
        self._n_refused = len(journal.state.refused)  # By earlier runs too: it is one plan.
        self._waited = 0.0
        # In a run that goes on after others, the first chunk may well hold nothing but bad uids.
        self._first_left: set[str] | None = None
        if journal.state.n_sent:
            self._first_left = set()

    def create(self, group: str, name: str) -> None:
        """Create a group; raise RunAborted if the creation is refused, or if its result is unknown."""
        self.stop_when_asked()
        self._journal.write("intent", create=True, group=group, name=name)
        result = "accepted"
        failed: FrgroupsError | None = None
        try:
            self._retry_on_429(lambda: self._client.create_group(name, group))
        except RunAborted as stop:  # While it waited after a 429: this request was turned away.
            self.record_creation(group, "refused", str(stop))
            raise
        except RequestRejectedError as error:
            failed = error
            result = "unknown" if error.status in _NO_ANSWER else "refused"
        except (*_TURNED_AWAY, RateLimitedError, NotFoundError) as error:
            result, failed = "refused", error
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
        if self._first_left is None and uids:
            # Chunks can be smaller than CHUNK, and one bad uid says nothing about the others.
            self._first_left = set(uids[:CHUNK])
        waiting = deque((list(uids[start : start + size]), 0) for start in range(0, len(uids), size))
        while waiting:
            chunk, tried = waiting.popleft()
            if len(chunk) > self._chunk:
                waiting.extendleft(reversed(_split_in_half(chunk, tried)))
                continue
            result, message = self._send_chunk(group, change, chunk)
            if result == "unknown":
                left = self._not_in_effect(group, change, chunk)
                self._count_in_effect(len(chunk) - len(left))
                if left and tried + 1 >= MOST_TRIES:
                    raise RunAborted(f"{message} It was sent {MOST_TRIES} times and is still not in effect.")
                if len(left) > 1:
                    waiting.extendleft(reversed(_split_in_half(left, tried + 1)))
                elif left:
                    waiting.appendleft((left, tried + 1))
            elif result == "too_large":
                self._chunk = max(1, len(chunk) // 2)
                waiting.appendleft((chunk, tried))
            elif result == "refused" and len(chunk) > 1:
                waiting.extendleft(reversed(_split_in_half(chunk, tried)))
            elif result == "refused":
                self._count_refused(chunk[0], message)
            else:
                self._count_in_effect(len(chunk))

    def _send_chunk(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        self.stop_when_asked()
        self._journal.write("intent", group=group, change=change, uids=uids)
        try:
            result, message = self._answered(group, change, uids)
        except RunAborted as stop:  # While it waited after a 429, or after too many: this request was turned away.
            self._record_outcome(group, change, uids, "not_sent", str(stop))
            raise
        except UnexpectedResponseError as error:
            self._record_outcome(group, change, uids, "unknown", error.message)
            raise RunAborted(error.message) from error
        except (*_TURNED_AWAY, RateLimitedError, NotFoundError) as error:
            # The service did not process the customers.
            self._record_outcome(group, change, uids, "not_sent", error.message)
            raise RunAborted(error.message) from error
        # A refused chunk says nothing about its uids: they are sent again in smaller chunks. The API contract does
        # not state that none of them took effect.
        recorded: str = result
        if result == "too_large":
            recorded = "not_sent"
        elif result == "refused" and len(uids) > 1:
            recorded = "unknown"
        self._record_outcome(group, change, uids, recorded, message)
        return result, message

    def _record_outcome(self, group: str, change: str, uids: list[str], result: str, message: str) -> None:
        self._journal.write("outcome", group=group, change=change, uids=uids, result=result, message=message)

    def _answered(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        sides = {"add": uids} if change == "add" else {"remove": uids}
        try:
            self._retry_on_429(lambda: self._client.update_group_customers(group, **sides))
            return "accepted", ""
        except NotFoundError as error:
            return self._refused_or_gone(group, error)
        except (ConnectionFailedError, ServerError) as error:
            return "unknown", error.message
        except RequestRejectedError as error:
            if error.status in _NO_ANSWER:
                return "unknown", error.message
            too_large = error.status == 413 and len(uids) > 1
            return "too_large" if too_large else "refused", error.server_message or error.message

    def _retry_on_429(self, call: Callable[[], object]) -> None:
        """Make the call, and repeat it after each 429 within the limits for one request and for the run."""
        call_with_retry(call, RATE_LIMIT_POLICY, wait=self._wait_after_429)

    def _wait_after_429(self, retry: Retry) -> None:
        if self._waited + retry.delay > MAX_RUN_WAIT:
            raise RunAborted(
                f"{retry.error.message} This run has waited {self._waited:.0f} s after 429s, and waits no longer."
            ) from retry.error
        self._waited += retry.delay
        self._stop.wait(retry.delay)
        self.stop_when_asked()

    def _refused_or_gone(self, group: str, error: NotFoundError) -> tuple[Result, str]:
        """A 404 is about a customer while the group is there, and is raised when it is about the group."""
        try:
            self._client.get_group(group)
        except NotFoundError:
            raise
        except FrgroupsError as unread:
            return "unknown", unread.message
        return "refused", error.server_message or error.message

    def _not_in_effect(self, group: str, change: str, uids: list[str]) -> list[str]:
        """Read the group, and return the uids of a chunk whose change is not in effect."""
        members = self._members_when(group, change, uids)
        return [uid for uid in uids if (uid in members) != (change == "add")]

    def stop_when_asked(self) -> None:
        """Raise RunAborted if the run was interrupted."""
        if self._stop.is_set():
            raise RunAborted("interrupted between two requests.")

    def _count_in_effect(self, n: int) -> None:
        if n:
            self._progress.advance(n)
            self._first_left = set()

    def _count_refused(self, uid: str, message: str) -> None:
        self._progress.advance(1)
        self._n_refused += 1
        if self._first_left:
            self._first_left.discard(uid)
            if not self._first_left:
                raise RunAborted(f"every customer of the first chunk was refused. {message}")
        if self._n_refused >= MAX_REJECTED:
            raise RunAborted(
                f"{self._n_refused} customers of this plan were refused, the last one so: {message} "
                "Find out why, and make a new plan without them."
            )


def _split_in_half(chunk: list[str], tried: int) -> list[tuple[list[str], int]]:
    middle = (len(chunk) + 1) // 2
    return [(chunk[:middle], tried), (chunk[middle:], tried)]
