"""
Every error of frgroups, under one tree.

    FrgroupsError                 catch this to mean "anything frgroups"
    ├── InputError                what you passed cannot be right (also a ValueError)
    │   ├── GroupNotFoundError    no group, or more than one, of that uid or name (also a KeyError)
    │   ├── ListError             a list of customers that cannot be read safely
    │   ├── CorruptFileError      a snapshot, plan, journal or approval that is not what was written
    │   ├── WrongTenantError      a plan or receipt for another tenant or host
    │   └── UsageError            options of a command that do not go together
    ├── TokenCommandError         the command that tells a tenant's token did not; has .tenant .command .exit_code
    ├── SnapshotNotFoundError      no kept snapshot answers the question
    ├── NotWritableError          a write through a client that was made to read
    ├── ApiError                  the service failed or refused; has .operation .tenant_uid .status .message
    │   ├── ConnectionFailedError   no whole answer came: down, slow, cut
    │   ├── UnexpectedResponseError        an answer that is not the API's: HTML, a missing field, endless pages
    │   ├── AuthError             401: the token was not accepted
    │   ├── ForbiddenError        403: the token may not do this
    │   ├── NotFoundError         404: no such tenant, group or route
    │   ├── RequestRejectedError          any other 4xx
    │   ├── RateLimitedError      429: has .retry_after in seconds
    │   └── ServerError           5xx: a write may or may not have happened
    ├── DriftedReadError          a group changed faster than it could be read
    ├── PlanBlockedError          the plan breaks a limit, has .findings; or it was taken back
    ├── DriftError                the tenant moved away from the plan's baseline; has .groups
    ├── NotApprovedError          no approval, another digest, expired, or rejected
    ├── ApplyAbortedError              a run that was interrupted, or cannot keep its journal, before it sent anything
    └── LockedError               another apply, or forget, holds this tenant; or a load would wait for itself
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class FrgroupsError(Exception):
    """
    Root of the exceptions that frgroups raises deliberately; its facts are attributes.

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
    """What was passed cannot be right; nothing was read, written or sent."""


class GroupNotFoundError(InputError, KeyError):
    """No group has this uid or name, or several share the name; `.close` holds the close matches."""

    close: Sequence[str] = ()


class ListError(InputError):
    """A list of customers that cannot be read without guessing."""


class CorruptFileError(InputError):
    """A file of ours that is not as it was written; the message names file, expected and found."""


class WrongTenantError(InputError):
    """A plan, approval or receipt that belongs to another tenant or host."""


class UsageError(InputError):
    """Options of a command that do not go together, or lack one another; the command ends with exit code 64."""


class TokenCommandError(FrgroupsError):
    """The token_command of a tenant failed; `.command` is its first word, `.exit_code` None where it never ended."""

    tenant: str = ""
    command: str = ""
    exit_code: int | None = None


class SnapshotNotFoundError(FrgroupsError, LookupError):
    """No kept snapshot answers the question."""


class NotWritableError(FrgroupsError):
    """A write through a client that was not made with `writable=True`; nothing was sent."""


class ApiError(FrgroupsError):
    """
    The service failed, refused, or did not answer.

    `.operation` (the API's operation), `.tenant_uid`, `.status` (None without a response) and `.server_message` (the
    message of the server, or "") are always there.
    """

    operation: str = ""
    tenant_uid: str = ""
    status: int | None = None
    server_message: str = ""


class ConnectionFailedError(ApiError):
    """No whole answer came. After a write this leaves open whether it happened."""


class UnexpectedResponseError(ApiError):
    """The answer was not one that this API gives."""


class AuthError(ApiError):
    """401: the token was not accepted."""


class ForbiddenError(ApiError):
    """403: the token is known but may not do this."""


class NotFoundError(ApiError):
    """404: no such tenant, group or route."""


class RequestRejectedError(ApiError):
    """Any other 4xx: the request was understood and refused."""


class RateLimitedError(ApiError):
    """429, after the waits that were allowed; `.retry_after` is in seconds, or None."""

    retry_after: float | None = None


class ServerError(ApiError):
    """5xx. After a write this leaves open whether it happened."""

    retry_after: float | None = None


class DriftedReadError(FrgroupsError):
    """A group that changed while it was read, more often than it was read again."""


class PlanBlockedError(FrgroupsError):
    """A plan that breaks limits, as `.findings` tell, or that its undo took back. The call sent nothing."""

    findings: Sequence[Any] = ()


class DriftError(FrgroupsError):
    """The tenant is no longer what the plan was made from; `.groups` tells where. The call sent nothing."""

    groups: Sequence[str] = ()


class NotApprovedError(FrgroupsError):
    """The plan is not approved: no approval, another digest, too old, or rejected. The call sent nothing."""


class ApplyAbortedError(FrgroupsError):
    """A run of a plan that was interrupted, or could not write its journal, before it sent anything."""


class LockedError(FrgroupsError):
    """An apply of this tenant, or forget, is running, or a load would wait for itself. The call sent nothing."""
