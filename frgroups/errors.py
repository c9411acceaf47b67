"""
Exceptions of frgroups. All are subclasses of FrgroupsError.

IPython and Jupyter display only the lines of the caller and the message. To display the full traceback, run %tb.

    FrgroupsError                   base class; catch it to catch every error of frgroups
    ├── InputError                  invalid argument, option, or file (also a ValueError)
    │   ├── GroupNotFoundError      no group, or several groups, with this uid or name (also a KeyError)
    │   ├── ListError               list of customers that is ambiguous or cannot be read
    │   ├── CorruptFileError        snapshot, plan, journal, or approval that was damaged or edited
    │   ├── WrongTenantError        plan, approval, or receipt for another tenant or host
    │   ├── SampleRatioError        arms of a split whose sizes contradict the planned shares; has .p_value
    │   ├── UnsupportedOperationError   operation that a Snapshot does not support (also a TypeError)
    │   └── UsageError              missing command option, or options that cannot be combined
    ├── TokenCommandError           failed token command or token callable; has .tenant, .command and .exit_code
    ├── SnapshotNotFoundError       no stored snapshot matches (also a LookupError)
    ├── NotWritableError            write through a read-only client
    ├── ApiError                    failed request; has .operation, .tenant_uid, .status, .server_message
    │   ├── ConnectionFailedError   no complete response; has .reason, such as "dns", "certificate", or "timeout"
    │   ├── UnexpectedResponseError response that does not follow the API, such as an HTML page
    │   ├── AuthError               status 401: the server did not accept the token
    │   ├── ForbiddenError          status 403: the token lacks a permission
    │   ├── NotFoundError           status 404: the tenant, group, or route does not exist
    │   ├── RequestRejectedError    any other 4xx status
    │   ├── RateLimitedError        status 429 after all retries; has .retry_after in seconds
    │   └── ServerError             5xx status; the result of a write is unknown; has .retry_after
    ├── DriftedReadError            list that changed during every attempt to read it
    ├── PlanBlockedError            plan that exceeds a limit (has .findings) or was undone
    │   └── ApplyWindowError        freeze, or time outside the apply windows; has .opens_at
    ├── DriftError                  groups that changed since the plan was made; has .groups
    ├── NotApprovedError            plan without a valid approval
    ├── ApplyAbortedError           run that ended before it sent anything
    └── LockedError                 tenant that is locked by another apply run, erasure, or load
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

# `escape_invisible` replaces characters in these Unicode categories, because they are invisible, change the text
# direction, or start a new line.
# The categories are control, format, line separator, paragraph separator, and surrogate.
_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Zl", "Zp", "Cs")
_MESSAGE_LINE_BREAK = re.compile(r"\n(?=[ \n]|\Z)")

# A zero-width joiner has a visible effect between two emoji, and between two letters of the scripts from Arabic to
# Khmer.
# Therefore, `escape_invisible` does not replace joiners between these characters.
_EMOJI = r"\u2190-\u2bff\U0001f000-\U0001faff"
_JOINED_SCRIPTS = r"\u0600-\u109f\u1780-\u17ff"
_VISIBLE_JOINER = re.compile(
    rf"(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])|(?<=[{_JOINED_SCRIPTS}])[\u200c\u200d](?=[{_JOINED_SCRIPTS}])"
)


def escape_invisible(text: object) -> str:
    r"""
    Replace invisible characters, and characters that change the text direction, with escape sequences.

    All characters of the Unicode categories Cc, Cf, Cs, Zl, and Zp are replaced. Zero-width joiners do not change
    inside an emoji and between letters of scripts such as Arabic and Devanagari, because the joiners have a visible
    effect there. Text that is already escaped does not change, so the function can be applied repeatedly.

    Examples
    --------
    >>> escape_invisible("VIP\u202epiv")
    'VIP\\u202epiv'
    """
    string = str(text)
    if string.isprintable():
        return string
    joiners = {match.start() for match in _VISIBLE_JOINER.finditer(string)}
    return "".join(
        character if at in joiners else _escape_if_invisible(character) for at, character in enumerate(string)
    )


def _escape_if_invisible(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE_CATEGORIES:
        return character
    if character > "\uffff":
        return f"\\U{ord(character):08x}"
    return f"\\u{ord(character):04x}"


def _escape_message(message: str) -> str:
    """
    Escape the invisible characters in a message, except for line breaks before an empty or indented line.

    Indented examples and files are shown on separate lines. Other line breaks come from values such as group names,
    and a value must not add a line to the message.
    """
    if message.isprintable():
        return message
    return "\n".join(map(escape_invisible, _MESSAGE_LINE_BREAK.split(message)))


class FrgroupsError(Exception):
    """
    Base class of the exceptions that frgroups raises.

    Details such as a status or a list of groups are attributes of the exception, so that a caller does not need to
    parse the message. Invisible characters in the message are escaped, because values from a server, such as group
    names, can contain characters that change the surrounding text.

    Parameters
    ----------
    message
        Description of the problem, including the invalid value.
    hint
        Suggested action for users of the Python API. The default "" adds no hint. `str(error)` is the message
        followed by the hint.
    cli_hint
        Suggested action for users of the command line. None, the default, uses `hint`. An empty string omits the hint
        on the command line, for example because the command line does not offer the action.
    **facts
        Attributes to set on the exception.

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

    # True after IPython has displayed the error once. `_render_traceback_` then returns the full traceback.
    _is_rendered = False

    def __init__(self, message: str, *, hint: str = "", cli_hint: str | None = None, **facts: Any) -> None:
        self.message = _escape_message(message)
        super().__init__(self.message)
        self.hint = _escape_message(hint)
        self.cli_hint = None if cli_hint is None else _escape_message(cli_hint)
        for name, value in facts.items():
            setattr(self, name, value)

    @property
    def cli_text(self) -> str:
        """Message of the error, followed by the hint for users of the command line."""
        return _join(self.message, _hint_in_cli(self.hint, self.cli_hint))

    def add(self, message: str = "", hint: str = "", cli_hint: str | None = None, **facts: Any) -> None:
        """Append sentences to the message and to the hints of this error, and set further attributes."""
        for name, value in facts.items():
            setattr(self, name, value)
        if self.cli_hint is not None or cli_hint is not None:
            self.cli_hint = _join(
                _hint_in_cli(self.hint, self.cli_hint), _escape_message(_hint_in_cli(hint, cli_hint))
            )
        self.message = _join(self.message, _escape_message(message))
        self.hint = _join(self.hint, _escape_message(hint))
        self.args = (self.message,)

    def _render_traceback_(self) -> list[str]:
        """
        Return the traceback that IPython displays. IPython calls this method.

        The traceback of the first call contains only the caller's lines and the message. Later calls, for example by
        the magic command %tb, return the full traceback.
        """
        from IPython import get_ipython

        formatter = get_ipython().InteractiveTB
        caller_frames = _caller_frames(self.__traceback__)
        if self._is_rendered or caller_frames is None:
            full: list[str] = formatter.structured_traceback(type(self), self, self.__traceback__)
            return full
        self._is_rendered = True
        # Format a copy, because the copy has no chained exceptions.
        # The frames of chained exceptions are in frgroups, too.
        lines: list[str] = formatter.structured_traceback(type(self), copy.copy(self), caller_frames, tb_offset=0)
        return [*lines, "For the full traceback, run %tb."]

    def __str__(self) -> str:
        # Without this method, GroupNotFoundError would inherit `KeyError.__str__`, which returns a repr.
        return _join(self.message, self.hint)


def _caller_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return the frames of the user's code between those of IPython and frgroups, or None if there are none."""
    package = str(Path(__file__).parent)
    frames: list[TracebackType] = []
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if path.startswith(package):
            break
        if "IPython" not in Path(path).parts:
            frames.append(traceback)
        traceback = traceback.tb_next
    if traceback is None:
        return None
    shortened = None
    for frame in reversed(frames):
        shortened = TracebackType(shortened, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return shortened


def _hint_in_cli(hint: str, cli_hint: str | None) -> str:
    return hint if cli_hint is None else cli_hint


def _join(*sentences: str) -> str:
    """Join sentences with spaces. The sentence after a list with indented lines starts on a new line."""
    text = ""
    for sentence in filter(None, sentences):
        if not text or text.endswith("\n"):
            text += sentence
        else:
            ends_with_list = text.rpartition("\n")[2].startswith(" ")
            text += ("\n" if ends_with_list else " ") + sentence
    return text


class InputError(FrgroupsError, ValueError):
    """
    An argument, an option, or a file is invalid.

    Arguments, options, and files are checked before a request is sent to the tenant.
    """


class GroupNotFoundError(InputError, KeyError):
    """
    No group has the requested uid or name, or several groups have the requested name.

    Attributes
    ----------
    close
        Similar group names.
    n_matches
        Number of groups with the uid or name. It is 0 if the group is unknown.
    """

    close: Sequence[str] = ()
    n_matches: int = 0


class ListError(InputError):
    """A list of customers cannot be read or is ambiguous, for example because two columns contain uids."""


class CorruptFileError(InputError):
    """
    A snapshot, plan, journal, approval, or receipt was damaged or edited.

    The message contains the expected and the actual checksum if the file has one.
    """


class WrongTenantError(InputError):
    """A plan, an approval, or a receipt belongs to another tenant or host."""


class SampleRatioError(InputError):
    """
    The sizes of the arms of a split contradict the planned shares, so a comparison of the arms would be biased.

    Typical causes are incorrect shares, and customers who were removed from one of the arms after the split.

    Attributes
    ----------
    planned, actual
        The planned share and the actual share of the customers in each arm.
    p_value
        Probability of a deviation at least as large as the actual deviation, if the planned shares are correct.
    """

    planned: Mapping[str, float] = {}
    actual: Mapping[str, float] = {}
    p_value: float = float("nan")


class UnsupportedOperationError(InputError, TypeError):
    """An object does not support a Python operation, for example `len(snapshot)`. The error names an alternative."""


class UsageError(InputError):
    """A required command option is missing, or the options cannot be combined. The exit code is 64."""


class TokenCommandError(FrgroupsError):
    """
    The `token_command` of a tenant failed, took too long, or did not print a token.

    The error is also raised if a token callable raises an exception that is not an error of frgroups. The error then
    contains only the type of the exception, because its message can contain the token.

    Attributes
    ----------
    tenant
        Name of the tenant in `tenants.toml`, or "" for a token callable.
    command
        First word of the command, or "". The arguments are omitted, because they can contain a secret.
    exit_code
        Exit code of the command, or None if the command did not start or did not end.
    """

    tenant: str = ""
    command: str = ""
    exit_code: int | None = None


class SnapshotNotFoundError(FrgroupsError, LookupError):
    """
    No stored snapshot matches the requested tenant, time, or path.

    Attributes
    ----------
    should_load
        Whether the tenant must be loaded, because no snapshot of the tenant can be read.
    """

    should_load: bool = False


class NotWritableError(FrgroupsError):
    """
    A write was requested from a client that was created without `writable=True`.

    Nothing was sent.
    """


class ApiError(FrgroupsError):
    """
    A request to the API failed.

    Each subclass represents one cause, such as AuthError for a rejected token.

    Attributes
    ----------
    operation
        Name of the operation in the API contract, for example "get-customer-groups".
    tenant_uid
        Uid of the tenant.
    status
        HTTP status of the response, or None without a response.
    server_message
        Message in the body of the response, with contact data masked, or "".
    is_transient
        Whether a retry might succeed. The client retries reads after a transient error.
    """

    operation: str = ""
    tenant_uid: str = ""
    status: int | None = None
    server_message: str = ""
    is_transient: bool = False


class ConnectionFailedError(ApiError):
    """
    The server returned no complete response.

    The connection could not be opened, was lost, or timed out. If the request was a write, it is not known whether
    the change took effect, unless the message states that the request was not sent.

    Attributes
    ----------
    reason
        Cause of the failure: "certificate" (not trusted or not valid), "tls" (the server or proxy does not use TLS as
        expected), "proxy" (the proxy rejected or did not open the connection), "dns" (unknown host name),
        "refused" (no server on the port), "unreachable" (no route to the host), "timeout", or "lost" (the connection
        was interrupted).
    """

    reason: str = "lost"
    is_transient: bool = True


class UnexpectedResponseError(ApiError):
    """The response does not follow the API contract, for example an HTML page or a redirect to another host."""


class AuthError(ApiError):
    """The server did not accept the token (status 401)."""


class ForbiddenError(ApiError):
    """The token lacks the permission for the operation (status 403)."""


class NotFoundError(ApiError):
    """The tenant, the group, or the route does not exist (status 404)."""


class RequestRejectedError(ApiError):
    """The server rejected the request with a 4xx status for which no other exception exists."""


class RateLimitedError(ApiError):
    """
    The server still returned status 429 (too many requests) after all retries.

    Attributes
    ----------
    retry_after
        Wait that the server requested, in seconds, or None.
    """

    retry_after: float | None = None
    is_transient: bool = True


class ServerError(ApiError):
    """
    The server returned a 5xx status.

    If the request was a write, it is not known whether the change took effect.

    Attributes
    ----------
    retry_after
        Wait that the server requested, in seconds, or None.
    """

    retry_after: float | None = None
    is_transient: bool = True


class DriftedReadError(FrgroupsError):
    """A list changed during every attempt to read it, so the result can be incomplete."""


class PlanBlockedError(FrgroupsError):
    """
    A plan exceeds a limit, or the plan was already undone.

    The call sent nothing.

    Attributes
    ----------
    findings
        Findings that block the plan. Empty if the plan was undone.
    """

    findings: Sequence[Any] = ()


class ApplyWindowError(PlanBlockedError):
    """
    A freeze is in force, or no apply window of the tenant is open.

    The call sent nothing. The plan can be applied later, or with an override.

    Attributes
    ----------
    opens_at
        Earliest time at which plans can be applied, in UTC. None if an invalid override is the only reason for the
        error.
    """

    opens_at: datetime | None = None


class DriftError(FrgroupsError):
    """
    Groups in a plan changed after the data for the plan was read.

    The groups were deleted, their members changed more than the plan's limits permit, or another group has received
    the name of one of these groups. On the command line, `frgroups plan` also raises this error if the snapshot does
    not contain the changes of an applied plan. The call sent nothing.

    Attributes
    ----------
    groups
        Uids of the changed groups.
    """

    groups: Sequence[str] = ()


class NotApprovedError(FrgroupsError):
    """
    A plan has no valid approval.

    The approval is missing, has expired, or belongs to another plan, or a reviewer rejected the plan. No request was
    sent.

    Attributes
    ----------
    rejected
        True if the plan was rejected, or if another plan supersedes it.
    """

    rejected: bool = False


class ApplyAbortedError(FrgroupsError):
    """An apply run ended before it sent a request, because it was interrupted or could not write its journal."""


class LockedError(FrgroupsError):
    """
    Another apply run, erasure, or load holds the lock of the tenant.

    The call sent nothing.
    """
