"""Run the commands that print the tokens of the tenants in `tenants.toml`."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

from frgroups.errors import TokenCommandError
from frgroups.internals.redaction import Hidden, HiddenText, without_local_variables
from frgroups.internals.structured_logging import log_event

TOKEN_COMMAND_TIMEOUT = 60.0

log = logging.getLogger("frgroups.api")


def run_token_command(tenant: str, words: Sequence[str], folder: Path | None) -> str:
    """
    Run a command without a shell, and return the token that it prints.

    Parameters
    ----------
    tenant
        Name of the tenant for log records and errors.
    words
        The command and its arguments.
    folder
        Working folder of the command. None means the current folder.

    Raises
    ------
    TokenCommandError
        The command cannot be started, fails, runs for more than 60 s, or does not print exactly one line with a
        token. The error contains neither the output nor the arguments of the command.

    Examples
    --------
    >>> run_token_command("sport_no", ["echo", "a-token"], None)
    '…'
    """
    command = Hidden(words)
    del words
    with without_local_variables():
        return _run_token_command(tenant, command.value, folder)


def _run_token_command(tenant: str, words: Sequence[str], folder: Path | None) -> HiddenText:
    outcome = _run(words, folder)
    if isinstance(outcome, str):
        raise _token_command_error(tenant, words, outcome, None)
    exit_code, output = outcome
    token = output.decode(errors="replace").strip()
    if exit_code != 0:
        raise _token_command_error(tenant, words, f"The command ended with exit code {exit_code}.", exit_code)
    if not token:
        raise _token_command_error(tenant, words, "The command printed nothing.", 0)
    if "\n" in token:
        problem = f"The command printed {len(token.splitlines())} lines."
        raise _token_command_error(tenant, words, problem, 0)
    problem = _output_problem(token)
    if problem:
        raise _token_command_error(tenant, words, problem, 0)
    log_event(
        log, logging.INFO, "token_requested", f"The token_command of tenant {tenant} printed a token.", tenant=tenant
    )
    return HiddenText(token)


def _output_problem(output: str) -> str:
    """Return the reason why a line is not a token, or "" if it is an ASCII word without quotation marks."""
    if not output.isascii() or not output.isprintable():
        return "The output contains a control character or a character that is not ASCII."
    if output.casefold().startswith("bearer "):
        return "The output starts with the word Bearer, which must be omitted."
    if "'" in output or '"' in output:
        return "The output contains a quotation mark. If it prints JSON, extract the token, for example with jq -r."
    if " " in output:
        return "The output contains a space."
    return ""


def _run(words: Sequence[str], folder: Path | None) -> tuple[int, bytes] | str:
    """Run a command, and return its exit code and stdout, or a description of the problem. Discard stderr."""
    try:
        process = subprocess.Popen(  # noqa: S603  # The command comes from the user's own file and runs without a shell.
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
    except (OSError, ValueError) as error:
        return f"The command could not be started: {getattr(error, 'strerror', None) or type(error).__name__}."
    with process:
        try:
            output, _ = process.communicate(timeout=TOKEN_COMMAND_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"The command did not end within {TOKEN_COMMAND_TIMEOUT:g} s and was stopped."
        except BaseException:
            process.kill()
            raise
    return process.returncode, output


def _token_command_error(tenant: str, words: Sequence[str], problem: str, exit_code: int | None) -> TokenCommandError:
    command = Path(words[0]).name
    shown = f"{command} ..." if len(words) > 1 else command
    return TokenCommandError(
        f"The token_command of tenant {tenant} ({shown}) failed. {problem} "
        "To find the cause, run the command in a terminal. The command must print only the token.",
        tenant=tenant,
        command=command,
        exit_code=exit_code,
    )
