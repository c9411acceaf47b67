"""Sends the changes of an approved plan chunk by chunk, and finds the one uid that a refusal is about."""

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
    Puts one plan on the wire; every intent is on disk before its request, every outcome after.

    A refused chunk is halved until the refused uids stand alone. 413 halves the chunks and is no refusal. A
    lost answer, a timeout or a 5xx says nothing: the group is read, and what is not true is sent again in
    smaller chunks, a bounded number of times. 401, 403, a first chunk refused to its last uid, or 50 refused
    uids end the run.
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
        self._refused_alone = len(journal.past.refused)  # By earlier runs too: it is one plan.
        self._waited = 0.0
        # In a run that goes on after others, the first chunk may well hold nothing but bad uids.
        self._first_left: set[str] | None = set() if journal.past.n_sent else None

    def create(self, group: str, name: str) -> None:
        """Create a group; raises RunAborted when that is refused, or may or may not have happened."""
        self.stop_when_asked()
        self._journal.write("intent", create=True, group=group, name=name)
        result = "accepted"
        failed: FrgroupsError | None = None
        try:
            self._retry_on_429(lambda: self._client.create_group(name, group))
        except RunAborted as stop:  # While it waited after a 429: this request was turned away.
            self.created(group, "refused", str(stop))
            raise
        except RequestRejectedError as error:
            result, failed = "unknown" if error.status in _NO_ANSWER else "refused", error
        except (*_TURNED_AWAY, RateLimitedError, NotFoundError) as error:
            result, failed = "refused", error
        except (ConnectionFailedError, ServerError, UnexpectedResponseError) as error:
            result, failed = "unknown", error
        self.created(group, result, failed.message if failed else "")
        if failed:
            raise RunAborted(failed.message) from failed

    def created(self, group: str, result: str, message: str = "") -> None:
        """Write down what became of a creation."""
        self._journal.write("outcome", create=True, group=group, result=result, message=message)

    def send(self, group: str, change: str, uids: Sequence[str]) -> None:
        """Send one side of one group; raises RunAborted when the run must end."""
        size = self._chunk
        if self._first_left is None and uids:
            # Of small chunks the first few: one bad uid tells nothing of the rest.
            self._first_left = set(uids[:CHUNK])
        waiting = deque((list(uids[start : start + size]), 0) for start in range(0, len(uids), size))
        while waiting:
            chunk, tried = waiting.popleft()
            if len(chunk) > self._chunk:
                waiting.extendleft(reversed(_halves(chunk, tried)))
                continue
            result, message = self._put(group, change, chunk)
            if result == "unknown":
                left = self._still_open(group, change, chunk)
                self._in_effect(len(chunk) - len(left))
                if left and tried + 1 >= MOST_TRIES:
                    raise RunAborted(f"{message} It was sent {MOST_TRIES} times and is still not in effect.")
                if left:
                    waiting.extendleft(reversed(_halves(left, tried + 1) if len(left) > 1 else [(left, tried + 1)]))
            elif result == "too_large":
                self._chunk = max(1, len(chunk) // 2)
                waiting.appendleft((chunk, tried))
            elif result == "refused" and len(chunk) > 1:
                waiting.extendleft(reversed(_halves(chunk, tried)))
            elif result == "refused":
                self._refused(chunk[0], message)
            else:
                self._in_effect(len(chunk))

    def _put(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        self.stop_when_asked()
        self._journal.write("intent", group=group, change=change, uids=uids)
        try:
            result, message = self._answered(group, change, uids)
        except RunAborted as stop:  # While it waited after a 429, or after too many: this request was turned away.
            self._outcome(group, change, uids, "not_sent", str(stop))
            raise
        except UnexpectedResponseError as error:
            self._outcome(group, change, uids, "unknown", error.message)
            raise RunAborted(error.message) from error
        except (*_TURNED_AWAY, RateLimitedError, NotFoundError) as error:
            # The service did not look at the customers at all.
            self._outcome(group, change, uids, "not_sent", error.message)
            raise RunAborted(error.message) from error
        # A chunk that is refused as a whole says nothing of its uids: they are sent again in smaller chunks. Nor does
        # the document say that none of them took effect.
        refused = "refused" if len(uids) == 1 else "unknown"
        told = {"too_large": "not_sent", "refused": refused}.get(result, result)
        self._outcome(group, change, uids, told, message)
        return result, message

    def _outcome(self, group: str, change: str, uids: list[str], result: str, message: str) -> None:
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

    def _still_open(self, group: str, change: str, uids: list[str]) -> list[str]:
        """Those of a chunk with an unknown outcome that are not in effect."""
        members = self._members_when(group, change, uids)
        return [uid for uid in uids if (uid in members) != (change == "add")]

    def stop_when_asked(self) -> None:
        """Raise RunAborted once somebody wants the run to end."""
        if self._stop.is_set():
            raise RunAborted("interrupted between two requests.")

    def _in_effect(self, n: int) -> None:
        if n:
            self._progress.advance(n)
            self._first_left = set()

    def _refused(self, uid: str, message: str) -> None:
        self._progress.advance(1)
        self._refused_alone += 1
        if self._first_left:
            self._first_left.discard(uid)
            if not self._first_left:
                raise RunAborted(f"every customer of the first chunk was refused. {message}")
        if self._refused_alone >= MAX_REJECTED:
            raise RunAborted(
                f"{self._refused_alone} customers of this plan were refused, the last one so: {message} "
                "Find out why, and make a new plan without them."
            )


def _halves(chunk: list[str], tried: int) -> list[tuple[list[str], int]]:
    middle = (len(chunk) + 1) // 2
    return [(chunk[:middle], tried), (chunk[middle:], tried)]
