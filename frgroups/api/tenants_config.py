"""Read the tenants of `tenants.toml`."""

from __future__ import annotations

import difflib
import logging
import os
import re
import shlex
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from frgroups.api.certificates import check_certificates
from frgroups.api.defaults import NUMBER_OPTIONS, check_client_option
from frgroups.api.schema import codec
from frgroups.api.token_command import run_token_command
from frgroups.errors import InputError
from frgroups.internals.base_urls import checked_base_url, is_same_base_url
from frgroups.internals.formatting import format_list
from frgroups.internals.paths import home
from frgroups.internals.redaction import without_local_variables
from frgroups.internals.similar_text import case_key
from frgroups.internals.structured_logging import log_event
from frgroups.internals.suggestions import did_you_mean
from frgroups.internals.toml_files import NonblankText, describe_invalid, read_toml, toml_key
from frgroups.internals.validation import check_type

log = logging.getLogger("frgroups.api")

_EXAMPLE = """\
    [sport_no]
    tenant_uid = "the uid of the tenant"
    host = "stage"
    token_command = ["pass", "show", "flow/sport_no"]"""
_FILE = f"the file with one table for each tenant:\n\n{_EXAMPLE}\n"
_HOW_TO = f"Create {_FILE}"
SANDBOX_CLI_HINT = "To try frgroups with synthetic data, run frgroups sandbox."
_SECRETS = re.compile(r"token|secret|password|passwd|api_?key|credential|authorization|bearer", re.IGNORECASE)
_NO_SECRETS = (
    "A token in a file can be copied, backed up, or committed together with the file. Revoke this token, keep a new "
    "one in a secret store, and set `token_command` to the command that prints it."
)


class _TenantTable(msgspec.Struct):
    """Table of one tenant in `tenants.toml`. `check_client_option` validates the numeric options."""

    tenant_uid: NonblankText
    host: NonblankText
    token_command: str | list[str]
    workers: Any = None
    page_size: Any = None
    requests_per_second: Any = None
    timeout: Any = None
    ca_file: NonblankText | None = None


_KEYS = _TenantTable.__struct_fields__


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    Tenant that is configured in `tenants.toml`.

    The repr omits the token command, because the command can contain a secret.

    Examples
    --------
    >>> Tenant("sport_no", "t-1", "https://api.stage.flowretail.com/v2", ("echo", "secret"))
    Tenant(name='sport_no', tenant_uid='t-1', base_url='https://api.stage.flowretail.com/v2')
    """

    name: str
    tenant_uid: str
    base_url: str
    token_command: tuple[str, ...] = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    folder: Path | None = field(default=None, repr=False)

    def token(self) -> str:
        """Run the token command, and return the token. Errors omit the token and the command's arguments."""
        return run_token_command(self.name, self.token_command, self.folder)


def config_path(path: str | Path | None = None) -> Path:
    """Return the absolute path of the tenants file. None means `tenants.toml` in the data folder."""
    if path is None:
        return home() / "tenants.toml"
    return Path(path).expanduser().resolve()


def find_tenant(name: str, path: str | Path | None = None) -> Tenant:
    """
    Return the tenant with the given name from the tenants file.

    Invalid tables of other tenants are ignored.

    Raises
    ------
    InputError
        The file does not exist, it contains no table with this name, or the table is invalid. The message does not
        contain values of the table, because the values can be secret.
    """
    check_type(name, str, "name")
    with without_local_variables():  # A table can contain a token by mistake, which a traceback must not show.
        return _find_tenant(name, path)


def missing_tenant_error() -> InputError:
    """Return the error for a client that has neither a tenant name nor a uid in FRGROUPS_TENANT_UID."""
    names: list[str] = []
    with suppress(InputError):  # The missing tenant is reported even if the file is invalid.
        names = list(read_tenants()) if config_path().exists() else []
    listed = format_list(_option_values(names), 10)
    choice = f"--tenant with a name from {config_path()} ({listed})" if names else "--tenant NAME"
    action = "Set FRGROUPS_TENANT_UID and FRGROUPS_TOKEN"
    return InputError(
        "No tenant is selected, because FRGROUPS_TENANT_UID is not set.",
        hint=f"{action}, or call Client.from_config(NAME). To try frgroups with synthetic data, use fg.Sandbox().",
        cli_hint=f"{action}, or pass {choice}. {SANDBOX_CLI_HINT}",
    )


def missing_token_error() -> InputError:
    """Return the error for a client without the variable FRGROUPS_TOKEN."""
    return InputError("FRGROUPS_TOKEN is not set. Set it to an access, auth, or integration token.")


def no_tenants_error() -> InputError:
    """Return the error for a `tenants.toml` without tables."""
    return InputError(f"{config_path()} contains no tenants. It must be {_FILE}")


def _find_tenant(name: str, path: str | Path | None) -> Tenant:
    file = config_path(path)
    if not file.exists():
        raise InputError(
            f"Cannot find the tenant {name!r}, because {file} does not exist.",
            hint=f"For a single tenant, set FRGROUPS_TENANT_UID and use Client.from_env(). Otherwise, create {_FILE}",
            cli_hint=f"For a single tenant, set FRGROUPS_TENANT_UID and omit --tenant. Otherwise, create {_FILE}",
        )
    tenants = read_tenants(path)
    if name not in tenants:
        raise InputError(_unknown_tenant_text(name, tenants, file), close=_close_matches(name, tenants))
    tenant = tenants[name]
    if isinstance(tenant, InputError):
        raise tenant
    return tenant


def read_tenants(path: str | Path | None = None) -> dict[str, Tenant | InputError]:
    """
    Return the tenants in `tenants.toml` as a dictionary from name to tenant.

    If the table of a tenant is invalid, the dictionary contains an InputError instead of the tenant.

    Raises
    ------
    InputError
        The file cannot be read or is not valid TOML.
    """
    with without_local_variables():  # A table can contain a token by mistake, which a traceback must not show.
        return _read_tenants(config_path(path))


def find_name(tenant_uid: str, base_url: str) -> str | None:
    """Return the name of a tenant in `tenants.toml` by its uid and host, or None if no valid table matches."""
    try:
        tenants = read_tenants()
    except InputError:
        return None
    for name, tenant in tenants.items():
        if isinstance(tenant, InputError) or tenant.tenant_uid != tenant_uid:
            continue
        if is_same_base_url(tenant.base_url, base_url):
            return name
    return None


def _read_tenants(file: Path) -> dict[str, Tenant | InputError]:
    tenants = {name: _read_tenant(name, table, file) for name, table in _read_tables(file).items()}
    for names in _duplicate_tenants(tenants):
        problem = f"{_list_tables(names)} contain the same tenant_uid and host. Keep only one of these tables."
        tenants |= {name: _invalid_table(name, file, problem) for name in names}
    for names in _similar_names(tenants):
        problem = (
            f"{_list_tables(names)} have names that differ only in upper and lower case, spaces, or the Unicode form "
            "of their characters. Rename all but one of these tables."
        )
        tenants |= {name: _invalid_table(name, file, problem) for name in names}
    return tenants


def _invalid_table(name: str, file: Path, problem: str) -> InputError:
    return InputError(f"The table {_heading(name)} in {file} is invalid. {problem}", problem=problem)


def _list_tables(names: Sequence[str]) -> str:
    return f"The tables {format_list([_heading(name) for name in names], 10)}"


def _heading(name: str) -> str:
    """Return the heading of a table. The name is in quotes if TOML requires quotes, so that spaces are visible."""
    return f"[{toml_key(name)}]"


def _read_tables(file: Path) -> dict[str, dict[str, Any]]:
    """Return the tables in the tenants file without validating their keys and values."""
    try:
        _check_file_permissions(file)
    except FileNotFoundError:
        raise InputError(f"{file} does not exist. {_HOW_TO}") from None
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.") from error
    document, _ = read_toml(file, "tenants file", example=f" Example of a table:\n\n{_EXAMPLE}\n")
    for name, table in document.items():
        if not isinstance(table, dict):
            hint = f"Write a tenant as a table with the heading [{name}]."
            if _SECRETS.search(name):
                hint = _NO_SECRETS
            raise InputError(f"The key {name!r} in {file} is not inside a table. {hint}")
        if not name.strip() or not name.isprintable() or name.startswith("-"):
            raise InputError(f"{name!r} in {file} is not a valid tenant name. Use a name such as sport_no.")
    return document


def _check_file_permissions(file: Path) -> None:
    """
    Raise InputError if all users of the machine can write to the tenants file.

    The token commands in the file run as the current user, so other users must not be able to change them. If only
    the file's group can write to the file, a warning is logged. Read access is not restricted, because the file
    contains no token.
    """
    mode = file.stat().st_mode
    if os.name == "nt":
        return
    if mode & stat.S_IWOTH:
        raise InputError(
            f"All users of this machine can write to {file} (mode {stat.S_IMODE(mode):04o}), and its commands run "
            f"with your permissions. To prevent this, run: chmod go-w {file}"
        )
    if mode & stat.S_IWGRP:
        text = (
            f"The users in the group of {file} can write to the file, and its commands run with your permissions. "
            f"To prevent this, run: chmod g-w {file}"
        )
        log_event(log, logging.WARNING, "config_writable", text, file=file, mode=f"{stat.S_IMODE(mode):04o}")


def _read_tenant(name: str, table: dict[str, Any], file: Path) -> Tenant | InputError:
    try:
        _check_keys(table)
        content = _convert(table)
        options = {key: getattr(content, key) for key in NUMBER_OPTIONS if key in table}
        for key, value in options.items():
            check_client_option(key, value)
        if content.ca_file is not None:
            options["verify"] = file.parent / _expand_home(content.ca_file.strip())
            check_certificates(options["verify"], "The key `ca_file`")
        return Tenant(
            name,
            codec.check_uid(content.tenant_uid.strip(), "tenant uid"),
            checked_base_url(content.host.strip()),
            _split_command(content.token_command),
            options,
            file.parent,
        )
    except InputError as error:
        return _invalid_table(name, file, str(error))


def _check_keys(table: dict[str, Any]) -> None:
    """Raise InputError if a tenant's table has an unknown key. The error contains no values from the table."""
    for key, value in table.items():
        if key in _KEYS:
            continue
        if isinstance(value, dict):
            raise InputError(
                f'{key!r} is a nested table. If a tenant name contains a dot, quote the name: ["sport.no"].'
            )
        if _SECRETS.search(key) and not _close_matches(key, ["token_command"], 0.75):
            raise InputError(f"The key {key!r} is not allowed. {_NO_SECRETS}")
        hint = did_you_mean(_close_matches(key, _KEYS)) or f" The valid keys are {', '.join(_KEYS)}."
        raise InputError(f"The key {key!r} is unknown.{hint}")


def _convert(table: dict[str, Any]) -> _TenantTable:
    try:
        return msgspec.convert(table, _TenantTable)
    except msgspec.ValidationError as error:
        problem = describe_invalid(error).replace("$.", "")
    raise InputError(f"{problem}. Example of a table:\n\n{_EXAMPLE}\n")


def _split_command(command: str | list[str]) -> tuple[str, ...]:
    """Split a token command into words. Errors do not quote the command, because it can contain a secret."""
    words = command
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise InputError(f"`token_command` cannot be split into words: {error}.") from None
    if not words or not words[0].strip():
        raise InputError("`token_command` must be a list of words or a string, got an empty value.")
    if any("\0" in word for word in words):
        raise InputError("`token_command` must not contain a NUL character.")
    return tuple(map(_expand_home, words))


def _expand_home(word: str) -> str:
    if word.startswith("~/"):
        return os.path.expanduser(word)  # noqa: PTH111  # Path.expanduser also removes double slashes.
    return word


def _duplicate_tenants(tenants: dict[str, Tenant | InputError]) -> list[list[str]]:
    """Return one list of table names for each tenant that is configured in several tables."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, tenant in tenants.items():
        if isinstance(tenant, Tenant):
            names.setdefault((tenant.tenant_uid, tenant.base_url), []).append(name)
    return [group for group in names.values() if len(group) > 1]


def _similar_names(names: Iterable[str]) -> list[list[str]]:
    """Return one list for each set of names that differ only in case, spaces, or the Unicode form of characters."""
    similar: dict[str, list[str]] = {}
    for name in names:
        similar.setdefault(case_key(name), []).append(name)
    return [group for group in similar.values() if len(group) > 1]


def _unknown_tenant_text(name: str, tenants: dict[str, Tenant | InputError], file: Path) -> str:
    names = [tenant.name for tenant in tenants.values() if isinstance(tenant, Tenant) and tenant.tenant_uid == name]
    if names:
        return f"{name!r} is a tenant uid. Use the tenant's name in {file} instead: {' or '.join(map(repr, names))}."
    if not tenants:
        return f"Cannot find the tenant {name!r}, because {file} contains no tenants."
    hint = did_you_mean(_close_matches(name, tenants))
    listed = format_list(_option_values(sorted(tenants)), 10)
    return f"{file} contains no tenant named {name!r}.{hint} Its tenants are {listed}."


def _option_values(names: Iterable[str]) -> list[str]:
    """Return tenant names as command-line arguments. Names with spaces or shell characters are quoted."""
    return [shlex.quote(name) for name in names]


def _close_matches(name: str, names: Iterable[str], cutoff: float = 0.6) -> list[str]:
    return difflib.get_close_matches(name, list(names), cutoff=cutoff)
