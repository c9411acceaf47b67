"""Sends the changes of an approved plan chunk by chunk, and finds the one uid that a refusal is about."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from frgroups.client import Client
from frgroups.errors import (
    ApiError,
    AuthError,
    BadAnswerError,
    ConnectionLostError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    ServerError,
)
from frgroups.journal import Journal, RunStopped
from frgroups.plan import CHUNK
from frgroups.progress import Progress

Result = Literal["accepted", "refused", "too_large", "unknown"]

MOST_SINGLE_REFUSALS = 50
MOST_TRIES = 3
LONGEST_WAIT = 60.0


class Sender:
    """
    Puts chunks of one plan on the wire; every intent is on disk before its request, every outcome after.

    A refused chunk is halved until the refused uids stand alone. 413 halves the chunks and is no refusal. A
    lost answer, a timeout or a 5xx says nothing: the group is read, and what is not true is sent again in
    smaller chunks, a bounded number of times. 401, 403, a first chunk refused to its last uid, or 50 refused
    uids end the run.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        members_now: Callable[[str], frozenset[str]],
        should_stop: Callable[[], bool],
        progress: Progress,
    ) -> None:
        self._client, self._journal = client, journal
        self._members_now, self._should_stop, self._progress = members_now, should_stop, progress
        self._chunk = CHUNK
        self._refused_alone = 0
        # In a run that goes on after others, the first chunk may well hold nothing but bad uids.
        self._first_left: set[str] | None = set() if journal.past.accepted else None

    def send(self, group: str, change: str, uids: Sequence[str]) -> None:
        """Send one side of one group; raises RunStopped when the run must end."""
        waiting = deque((list(uids[start : start + CHUNK]), 0) for start in range(0, len(uids), CHUNK))
        while waiting:
            chunk, tried = waiting.popleft()
            if len(chunk) > self._chunk:
                waiting.extendleft(reversed(_halves(chunk, tried)))
                continue
            if self._first_left is None:
                self._first_left = set(chunk)
            result, message = self._put(group, change, chunk)
            if result == "unknown":
                chunk = self._still_open(group, change, chunk)
                if chunk and tried + 1 >= MOST_TRIES:
                    raise RunStopped(f"{message} It was sent {MOST_TRIES} times and is still not in effect.")
                self._chunk = max(1, min(self._chunk, len(chunk) // 2))
                waiting.extendleft([(chunk, tried + 1)] if chunk else [])
            elif result == "too_large":
                self._chunk = max(1, len(chunk) // 2)
                waiting.appendleft((chunk, tried))
            elif result == "refused" and len(chunk) > 1:
                waiting.extendleft(reversed(_halves(chunk, tried)))
            else:
                self._settled(result, chunk, message)

    def _put(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        if self._should_stop():
            raise RunStopped("interrupted between two requests.")
        self._journal.write("intent", group=group, change=change, uids=uids)
        result, message = self._answered(group, change, uids)
        # A chunk that is refused as a whole says nothing of its uids: they are still to be sent, in smaller chunks.
        told = "not_sent" if result == "too_large" or (result == "refused" and len(uids) > 1) else result
        self._journal.write("outcome", group=group, change=change, uids=uids, result=told, message=message)
        return result, message

    def _answered(self, group: str, change: str, uids: list[str]) -> tuple[Result, str]:
        sides = {"add": uids} if change == "add" else {"remove": uids}
        waited = 0.0
        while True:
            try:
                self._client.update_group_customers(group, **sides)
                return "accepted", ""
            except RateLimitedError as error:
                wait = error.retry_after if error.retry_after is not None else 5.0
                waited += wait
                if wait > LONGEST_WAIT or waited > 5 * LONGEST_WAIT:
                    self._not_sent(group, change, uids, error)
                time.sleep(wait)
            except (AuthError, ForbiddenError, BadAnswerError) as error:
                self._not_sent(group, change, uids, error)
            except NotFoundError as error:
                self._stop_if_gone(group, change, uids)
                return "refused", error.said or error.message
            except (ConnectionLostError, ServerError) as error:
                return "unknown", error.message
            except RefusedError as error:
                too_large = error.status == 413 and len(uids) > 1
                return "too_large" if too_large else "refused", error.said or error.message

    def _not_sent(self, group: str, change: str, uids: list[str], error: ApiError) -> None:
        """The service did not look at the request at all: say so in the journal and end the run."""
        self._journal.write(
            "outcome", group=group, change=change, uids=uids, result="not_sent", message=error.message
        )
        raise RunStopped(error.message) from error

    def _stop_if_gone(self, group: str, change: str, uids: list[str]) -> None:
        try:
            self._client.get_group(group)
        except NotFoundError as error:
            self._not_sent(group, change, uids, error)

    def _still_open(self, group: str, change: str, uids: list[str]) -> list[str]:
        """Those of a chunk with an unknown outcome that are not in effect."""
        members = self._members_now(group)
        return [uid for uid in uids if (uid in members) != (change == "add")]

    def _settled(self, result: Result, chunk: list[str], message: str) -> None:
        self._progress.advance(len(chunk))
        if result != "refused":
            self._first_left = set()
            return
        self._refused_alone += 1
        if self._first_left:
            self._first_left -= set(chunk)
            if not self._first_left:
                raise RunStopped(f"every customer of the first chunk was refused. {message}")
        if self._refused_alone >= MOST_SINGLE_REFUSALS:
            raise RunStopped(f"{self._refused_alone} customers were refused. {message}")


def _halves(chunk: list[str], tried: int) -> list[tuple[list[str], int]]:
    middle = (len(chunk) + 1) // 2
    return [(chunk[:middle], tried), (chunk[middle:], tried)]
