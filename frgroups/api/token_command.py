"""Runs the command that tells a tenant's token. Neither the token nor the command's words come out of an error."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

from frgroups.errors import TokenCommandError
from frgroups.logs import tell

log = logging.getLogger("frgroups.tenants")

PATIENCE = 60.0


def printed_token(tenant: str, words: Sequence[str], folder: Path | None) -> str:
    """
    What the command prints, without the space around it; it is run without a shell, in this folder.

    Raises TokenCommandError when it cannot be started, is not done in time, fails, or prints no token.

    >>> printed_token("sport_no", ["echo", "a-token"], None)
    'a-token'
    """
    outcome = _run(words, folder)
    if isinstance(outcome, str):
        # Raised here, where no error of subprocess hangs on to it with the command's words and what it printed.
        raise _failed(tenant, words, outcome, None)
    exit_code, out = outcome
    token = out.decode(errors="replace").strip()
    if exit_code != 0:
        raise _failed(tenant, words, f"ended with exit code {exit_code}", exit_code)
    if not token:
        raise _failed(tenant, words, "printed nothing, where the token should be", 0)
    if "\n" in token:
        raise _failed(tenant, words, f"printed {len(token.splitlines())} lines; the token must be the only one", 0)
    tell(log, logging.INFO, "token_asked", f"The token of {tenant} was asked for with its command", tenant=tenant)
    return token


def _run(words: Sequence[str], folder: Path | None) -> tuple[int, bytes] | str:
    """Exit code and stdout; or why there are none. What stands on stderr may hold a secret, and is read by nobody."""
    try:
        process = subprocess.Popen(  # noqa: S603  # The words of the user's own file, without a shell.
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
    except (OSError, ValueError) as error:
        return f"could not be started: {getattr(error, 'strerror', None) or type(error).__name__}"
    with process:
        try:
            out, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"was not done after {PATIENCE:g} s and was stopped"
        except BaseException:
            process.kill()
            raise
    return process.returncode, out


def _failed(tenant: str, words: Sequence[str], what: str, exit_code: int | None) -> TokenCommandError:
    first = Path(words[0]).name
    return TokenCommandError(
        f"The token_command of {tenant} ({first} ...) {what.rstrip('.')}. "
        "Run it in a terminal: it must print the token and nothing else.",
        tenant=tenant,
        command=first,
        exit_code=exit_code,
    )
