"""
Errors of frgroups. All are subclasses of FrgroupsError.

    FrgroupsError                   base class; catch it to catch every error of frgroups
    ├── InputError                  invalid argument or file (also a ValueError)
    │   ├── GroupNotFoundError      no group, or several groups, with this uid or name (also a KeyError)
    │   ├── ListError               list of customers that is ambiguous or cannot be read
    │   ├── CorruptFileError        snapshot, plan, journal or approval that was damaged or edited
    │   ├── WrongTenantError        plan or receipt for another tenant or host
    │   └── UsageError              options of a command that cannot be combined
    ├── TokenCommandError           token_command failed; has .tenant, .command and .exit_code
    ├── SnapshotNotFoundError       no stored snapshot matches (also a LookupError)
    ├── NotWritableError            write with a read-only client
    ├── ApiError                    failed request; has .operation, .tenant_uid, .status, .server_message
    │   ├── ConnectionFailedError   no complete response: no connection, timeout or interruption
    │   ├── UnexpectedResponseError response that does not follow the API: HTML, a missing field
    │   ├── AuthError               401: the token was not accepted
    │   ├── ForbiddenError          403: the token lacks the permission
    │   ├── NotFoundError           404: no such tenant, group or route
    │   ├── RequestRejectedError    any other 4xx
    │   ├── RateLimitedError        429; has .retry_after in seconds
    │   └── ServerError             5xx; after a write, the result is unknown; has .retry_after
    ├── DriftedReadError            group that changed during every attempt to read it
    ├── PlanBlockedError            plan that exceeds a limit (has .findings) or was already undone
    ├── DriftError                  groups changed since the plan was made; has .groups
    ├── NotApprovedError            plan without a valid approval: none, other digest, expired or rejected
    ├── ApplyAbortedError           run that ended before it sent anything
    └── LockedError                 tenant locked by another apply, erasure or load
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class FrgroupsError(Exception):
    """
    Base class of the errors of frgroups; the facts of an error are attributes.

    Parameters
    ----------
    message
        The problem and the value that caused it.
    hint
        The next action in terms of the Python API, "" for none. `str(error)` is the message and the hint.
    cli_hint
        The next action in terms of the command line. None means that `hint` is correct there too, "" means that the
        command line has no such action. `cli_text` is the message and this hint.
    **facts
        Further attributes of the error.

    Examples
    --------
    >>> error = FrgroupsError(
    ...     "The file has 3 columns.", hint="Pass column= to choose one.", cli_hint="Pass --column to choose one."
    ... )
    >>> str(error)
    'The file has 3 columns. Pass column= to choose one.'
    >>> error.cli_text
    'The file has 3 columns. Pass --column to choose one.'
    """

    def __init__(self, message: str, *, hint: str = "", cli_hint: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.cli_hint = cli_hint
        for name, value in facts.items():
            setattr(self, name, value)

    @property
    def cli_text(self) -> str:
        """The message and the hint for the command line."""
        return _join(self.message, _hint_in_cli(self.hint, self.cli_hint))

    def add(self, message: str = "", hint: str = "", cli_hint: str | None = None) -> None:
        """Append a message and a hint to those of this error."""
        if self.cli_hint is not None or cli_hint is not None:
            self.cli_hint = _join(_hint_in_cli(self.hint, self.cli_hint), _hint_in_cli(hint, cli_hint))
        self.message = _join(self.message, message)
        self.hint = _join(self.hint, hint)
        self.args = (self.message,)

    def __str__(self) -> str:
        # KeyError would return the repr of its argument.
        return _join(self.message, self.hint)


def _hint_in_cli(hint: str, cli_hint: str | None) -> str:
    return hint if cli_hint is None else cli_hint


def _join(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


class InputError(FrgroupsError, ValueError):
    """Invalid argument or file; nothing was sent."""


class GroupNotFoundError(InputError, KeyError):
    """No group, or several groups, with this uid or name; `.close` contains similar names."""

    close: Sequence[str] = ()


class ListError(InputError):
    """List of customers that is ambiguous or cannot be read."""


class CorruptFileError(InputError):
    """File of frgroups that was damaged or edited; the message states the expected and the actual content."""


class WrongTenantError(InputError):
    """Plan, approval or receipt for another tenant or host."""


class UsageError(InputError):
    """Options of a command that cannot be combined, or a missing option; exit code 64."""


class TokenCommandError(FrgroupsError):
    """Failed token_command; `.command` is its first word, and `.exit_code` is None if it did not end."""

    tenant: str = ""
    command: str = ""
    exit_code: int | None = None


class SnapshotNotFoundError(FrgroupsError, LookupError):
    """No stored snapshot matches."""


class NotWritableError(FrgroupsError):
    """Write with a client that was created without `writable=True`; nothing was sent."""


class ApiError(FrgroupsError):
    """
    Failed request.

    The attributes are `.operation` (of the API), `.tenant_uid`, `.status` (None without a response) and
    `.server_message` (the message of the server, or "").
    """

    operation: str = ""
    tenant_uid: str = ""
    status: int | None = None
    server_message: str = ""


class ConnectionFailedError(ApiError):
    """No complete response. After a write, the result is unknown."""


class UnexpectedResponseError(ApiError):
    """Response that does not follow the API."""


class AuthError(ApiError):
    """401: the token was not accepted."""


class ForbiddenError(ApiError):
    """403: the token lacks the permission."""


class NotFoundError(ApiError):
    """404: no such tenant, group or route."""


class RequestRejectedError(ApiError):
    """Any other 4xx: the server rejected the request."""


class RateLimitedError(ApiError):
    """429 after all retries; `.retry_after` is in seconds, or None."""

    retry_after: float | None = None


class ServerError(ApiError):
    """5xx. After a write, the result is unknown. `.retry_after` is in seconds, or None."""

    retry_after: float | None = None


class DriftedReadError(FrgroupsError):
    """Group that changed during every attempt to read it."""


class PlanBlockedError(FrgroupsError):
    """Plan that exceeds a limit (see `.findings`), or that was already undone. The call sent nothing."""

    findings: Sequence[Any] = ()


class DriftError(FrgroupsError):
    """The groups in `.groups` changed since the plan was made. The call sent nothing."""

    groups: Sequence[str] = ()


class NotApprovedError(FrgroupsError):
    """Plan without a valid approval: none, another digest, expired or rejected. The call sent nothing."""


class ApplyAbortedError(FrgroupsError):
    """Run of a plan that was interrupted, or could not write its journal, before it sent anything."""


class LockedError(FrgroupsError):
    """The tenant is locked by another apply, erasure or load. The call sent nothing."""
