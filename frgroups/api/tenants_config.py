"""The tenants of `tenants.toml`: where each one is, and the command that tells its token. No token is in the file."""

from __future__ import annotations

import difflib
import logging
import os
import re
import shlex
import stat
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frgroups.api.schema import codec as wire
from frgroups.api.transport import checked_base_url
from frgroups.errors import InputError, TokenCommandError
from frgroups.internals.paths import home
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type

PATIENCE = 60.0


log = logging.getLogger("frgroups.tenants")

_EXAMPLE = """\
    [sport_no]
    tenant_uid = "the uid of the tenant"
    host = "stage"
    token_command = ["pass", "show", "flow/sport_no"]"""
_HOW_TO = f"Write one table for each tenant into it:\n\n{_EXAMPLE}\n"
_REQUIRED = ("tenant_uid", "host", "token_command")
_WHOLE = ("workers", "page_size")
_NUMBERS = (*_WHOLE, "requests_per_second", "timeout")
_KEYS = (*_REQUIRED, *_NUMBERS)
_SECRETS = re.compile(r"token|secret|password|passwd|api_?key|credential|authorization|bearer", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    One tenant of the file; its command is never shown, since somebody may have put a secret into it.

    >>> Tenant("sport_no", "t-1", "https://api.stage.flowretail.com/v2", ("echo", "secret"))
    Tenant(name='sport_no', tenant_uid='t-1', base_url='https://api.stage.flowretail.com/v2')
    """

    name: str
    tenant_uid: str
    base_url: str
    token_command: tuple[str, ...] = field(repr=False)
    options: dict[str, float] = field(default_factory=dict, repr=False)
    folder: Path | None = field(default=None, repr=False)

    def token(self) -> str:
        """What the command prints; raises TokenCommandError, which shows neither the token nor the command."""
        return printed_token(self.name, self.token_command, self.folder)


def config_path(path: str | Path | None = None) -> Path:
    """The file that was asked for, or the `tenants.toml` of the home."""
    return home() / "tenants.toml" if path is None else Path(path).expanduser().resolve()


def find_tenant(name: str, path: str | Path | None = None) -> Tenant:
    """
    The tenant of this name; what is wrong in the tables of others does not matter.

    Raises
    ------
    InputError
        No file (the message shows what to write in it), no such name (with the close ones), or a table that is not
        right. No message repeats a value that may be a secret.
    """
    check_type(name, str, "name")
    file = config_path(path)
    if not file.exists():
        raise InputError(f"{name!r} is taken for the name of a tenant in {file}, which is not there. {_HOW_TO}")
    known = read_tenants(path)
    if name not in known:
        raise InputError(_unknown(name, known, file), close=_close(name, known))
    found = known[name]
    if isinstance(found, InputError):
        raise found
    return found


def read_tenants(path: str | Path | None = None) -> dict[str, Tenant | InputError]:
    """
    Every tenant of the file in its order; in the place of one whose table is wrong, the error that says so.

    Raises InputError when the file as a whole cannot be used.
    """
    file = config_path(path)
    tables = _parsed(file)
    found = {name: _checked(name, table, file) for name, table in tables.items()}
    for name, other in _twins(found):
        problem = f"[{other}] is the same tenant: tenant_uid and host are equal. Remove one of the two."
        found[name] = InputError(f"[{name}] of {file}: {problem}", problem=problem)
    return found


def _parsed(file: Path) -> dict[str, dict[str, Any]]:
    """The tables of the file, none of them looked into."""
    try:
        _refuse_strangers(file)
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no {file}. {_HOW_TO}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        where = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(f"{file} is not TOML: {where}. A table looks like this:\n\n{_EXAMPLE}\n") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error
    for name, table in document.items():
        if not isinstance(table, dict):
            hint = _why_no_secret() if _SECRETS.search(name) else f"A tenant is a table, [{name}] in brackets."
            raise InputError(f"{name!r} stands outside of any table of {file}. {hint}")
        if not name.strip() or not name.isprintable() or name.startswith("-"):
            raise InputError(f"{name!r} in {file} is no name for a tenant; use one like sport_no.")
    return document


def _refuse_strangers(file: Path) -> None:
    """
    The commands of this file run as us, so nobody else may write them.

    Who reads it learns no token, so it may be readable, and may be kept in git.
    """
    mode = file.stat().st_mode
    if os.name == "nt":
        return
    if mode & stat.S_IWOTH:
        raise InputError(
            f"Everybody on this machine may write {file} (mode {stat.S_IMODE(mode):04o}), and its commands would run "
            f"as you. chmod go-w {file}"
        )
    if mode & stat.S_IWGRP:
        text = f"{file} may be written by its group, and its commands run as you; chmod g-w unless that is meant"
        log_event(log, logging.WARNING, "config_writable", text, file=file, mode=f"{stat.S_IMODE(mode):04o}")


def _checked(name: str, table: dict[str, Any], file: Path) -> Tenant | InputError:
    where = f"[{name}] of {file}"
    try:
        _check_keys(table)
        for key in ("tenant_uid", "host"):
            if not isinstance(table[key], str) or not table[key].strip():
                raise InputError(f"{key} must be a text between quotes.")
        return Tenant(
            name,
            wire.check_uid(table["tenant_uid"].strip(), "tenant uid"),
            checked_base_url(table["host"].strip()),
            _words(table["token_command"]),
            {key: _number(key, table[key]) for key in _NUMBERS if key in table},
            file.parent,
        )
    except InputError as error:
        return InputError(f"{where}: {error}", problem=str(error))


def _check_keys(table: dict[str, Any]) -> None:
    for key, value in table.items():
        if key in _KEYS:
            continue
        if isinstance(value, dict):
            raise InputError(f'{key!r} is a table within it; a dot in a name needs quotes, ["sport.no"].')
        if _SECRETS.search(key) and not _close(key, ["token_command"], 0.75):
            raise InputError(f"{key!r} is refused. {_why_no_secret()}")
        hint = _perhaps(_close(key, _KEYS)) or f" The keys are {', '.join(_KEYS)}."
        raise InputError(f"no key {key!r} is known.{hint}")
    if missing := [key for key in _REQUIRED if key not in table]:
        raise InputError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing, as in\n\n{_EXAMPLE}\n"
        )


def _why_no_secret() -> str:
    return (
        "A token in a file is copied, backed up and committed with it, and works for whoever finds it. Keep it where "
        "secrets are kept, name in token_command the command that prints it, and withdraw the one that stood here."
    )


def _words(command: Any) -> tuple[str, ...]:
    """The words of a command; no message repeats them."""
    wanted = "token_command must be a list of words or one text"
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise InputError(f"token_command cannot be split into words: {error}.") from None
    elif isinstance(command, list) and all(isinstance(word, str) for word in command):
        words = command
    else:
        raise InputError(f'{wanted}, such as ["pass", "show", "flow/sport_no"].')
    if not words or not words[0].strip():
        raise InputError(f"{wanted}, and it is empty.")
    if any("\0" in word for word in words):
        raise InputError("token_command holds a NUL, which no command can be given.")
    return tuple(os.path.expanduser(word) if word.startswith("~/") else word for word in words)  # noqa: PTH111


def _number(key: str, value: Any) -> float:
    kind = int if key in _WHOLE else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < float("inf"):
        raise InputError(f"{key} must be a positive {'whole ' if key in _WHOLE else ''}number.")
    return value


def _twins(found: dict[str, Tenant | InputError]) -> list[tuple[str, str]]:
    """The names that stand for one tenant, each with another of them."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, one in found.items():
        if isinstance(one, Tenant):
            names.setdefault((one.tenant_uid, one.base_url), []).append(name)
    return [(name, alike[at - 1]) for alike in names.values() if len(alike) > 1 for at, name in enumerate(alike)]


def _unknown(name: str, known: dict[str, Tenant | InputError], file: Path) -> str:
    same = [one.name for one in known.values() if isinstance(one, Tenant) and one.tenant_uid == name]
    if same:
        return f"{name!r} is a tenant_uid; its name in {file} is {' or '.join(map(repr, same))}."
    listed = ", ".join(sorted(known)[:10]) or "nobody"
    more = f" and {len(known) - 10} more" if len(known) > 10 else ""
    return f"No tenant {name!r} is in {file}.{_perhaps(_close(name, known))} It names {listed}{more}."


def _close(name: str, known: Any, cutoff: float = 0.6) -> list[str]:
    return difflib.get_close_matches(name, list(known), cutoff=cutoff)


def _perhaps(close: list[str]) -> str:
    return f" Do you mean {' or '.join(map(repr, close))}?" if close else ""


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
    log_event(
        log, logging.INFO, "token_asked", f"The token of {tenant} was asked for with its command", tenant=tenant
    )
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
