"""End a command: report errors, interruptions, and output that cannot be written."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

from frgroups.apply.interrupts import TERMINATION_SIGNALS
from frgroups.cli.output import log_format, print_error, print_log_line
from frgroups.errors import FrgroupsError

USAGE_EXIT_CODE = 64
# Key in `click.Context.meta` for the exit code and the text of the command's result.
_RESULT = "frgroups.result"
_RESUME = " The journal records all requests that were sent. To continue, run the same command again."


def report_usage_error(message: str, ctx: click.Context | None, *, as_json: bool = False) -> None:
    """
    Print a usage error to stderr: the usage line, the message, and a reference to --help.

    With `--log json`, or if `as_json` is True, the error is one JSON line.
    """
    path = "frgroups" if ctx is None else ctx.command_path
    hint = f"Try '{path} --help' for more information."
    if as_json or (ctx is not None and log_format(ctx) == "json"):
        _print_error_line(path, "UsageError", message, hint, USAGE_EXIT_CODE)
        return
    if ctx is not None:
        print_error(ctx.get_usage())
    print_error(f"{path}: {message}")
    print_error(hint)


def report_error(error: FrgroupsError, exit_code: int, ctx: click.Context) -> None:
    """Print an error to stderr as one sentence, or as one JSON line with `--log json`."""
    if log_format(ctx) != "json":
        print_error(f"{ctx.command_path}: {error.cli_text}")
        return
    hint = error.hint if error.cli_hint is None else error.cli_hint
    _print_error_line(ctx.command_path, type(error).__name__, error.message, hint, exit_code)


def report_failure(error: OSError | KeyboardInterrupt, ctx: click.Context) -> None:
    """
    Print a system error or an interruption, which ends the command with exit code 1.

    The argument of a KeyboardInterrupt is a sentence about the work that was done before the interruption.
    """
    text = " ".join(["interrupted.", *map(str, error.args)])
    if isinstance(error, OSError):
        text = f"{_os_error_text(error)}."
    if ctx.info_name == "apply" and _RESULT not in ctx.meta:
        text += _RESUME
    if log_format(ctx) == "json":
        _print_error_line(ctx.command_path, type(error).__name__, text, "", 1)
    else:
        print_error(f"{ctx.command_path}: {text}")


def _print_error_line(path: str, kind: str, message: str, hint: str, exit_code: int) -> None:
    print_log_line(
        "ERROR", "command_failed", message, command=path, type=kind, hint=hint or None, exit_code=exit_code
    )


def keep_result(exit_code: int, text: str) -> None:
    """
    Record the result of a command before the command prints it.

    If writing to stdout fails because its reader has closed the pipe or the disk is full, the recorded text is
    printed to stderr, and the command returns the recorded exit code. Commands that change the tenant call this
    function, so that their result is always shown. Commands whose exit code depends on the result call it with an
    empty text.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_RESULT] = (exit_code, text)


def end_after_failed_output(error: OSError, ctx: click.Context) -> int:
    """
    Return the exit code of a command that could not write to stdout.

    If `keep_result` has recorded a result, the function returns the exit code of the result and prints its text to
    stderr. Otherwise, the exit code is 0 for a closed pipe, and 1 for other errors such as a full disk. A closed pipe
    is not reported, because its reader does not need more output. The exit code does not depend on whether the reader
    closes the pipe before or after all output was written.
    """
    is_closed_pipe = error.errno in (None, errno.EPIPE)
    exit_code, text = ctx.meta.get(_RESULT, (0 if is_closed_pipe else 1, ""))
    with suppress(OSError):  # stderr might be closed too.
        if not is_closed_pipe:
            report_failure(error, ctx)
        if text:
            print_error(text)
    discard_output()
    return int(exit_code)


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """
    Raise KeyboardInterrupt on SIGTERM and SIGHUP, so that a command ends in the same way as on Ctrl-C.

    A signal that is ignored (nohup) or has another handler is not changed. Only the main thread can set handlers.
    """
    numbers = [number for number in TERMINATION_SIGNALS if _has_default_action(number)]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], None]]:
    """
    Defer the KeyboardInterrupt for Ctrl-C, SIGTERM, and SIGHUP, so that imports are not interrupted.

    The context manager yields a function that stops deferring and raises the KeyboardInterrupt if a signal was
    received. The function is also called at the end of the block. Only the main thread can set handlers.
    """
    numbers = [number for number in (signal.SIGINT, *TERMINATION_SIGNALS) if _raises_interrupt(number)]
    received: list[int] = []
    for number in numbers:
        signal.signal(number, lambda number, _: received.append(number))

    def deliver() -> None:
        while numbers:
            signal.signal(numbers.pop(), signal.default_int_handler)
        if received:
            received.clear()
            raise KeyboardInterrupt

    try:
        yield deliver
    finally:
        deliver()


def _raises_interrupt(number: int) -> bool:
    is_main_thread = threading.current_thread() is threading.main_thread()
    return is_main_thread and signal.getsignal(number) == signal.default_int_handler


def _has_default_action(number: int) -> bool:
    is_main_thread = threading.current_thread() is threading.main_thread()
    return is_main_thread and signal.getsignal(number) == signal.SIG_DFL


def discard_output() -> None:
    """
    Discard the buffered output that cannot be written.

    The interpreter flushes stdout and stderr when it exits, which would fail if the reader has closed the pipe or the
    disk is full.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _os_error_text(error: OSError) -> str:
    text = str(error.strerror or error)
    if error.filename:
        return f"{error.filename}: {text}"
    return text
