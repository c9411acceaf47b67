"""Paths of the data folder and of its subfolders."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from frgroups.errors import InputError
from frgroups.internals.base_urls import canonical_host

# Placeholder for the host in a folder name. Snapshots that were created from tables have no host.
_NO_HOST = "tables"


def home() -> Path:
    """
    Return the absolute path of the data folder.

    The data folder contains the stored snapshots, plans, and journals. The function returns the first of the
    following folders that is defined:

    1. the value of the environment variable `FRGROUPS_HOME`,
    2. the `data` folder of the current project. The project is the current folder, or its nearest parent, that
       contains a `data` folder and either a pyproject.toml file or a `notebooks` folder,
    3. the standard data folder of the user, such as `~/.local/share/frgroups` on Linux.

    Returns
    -------
    pathlib.Path
        Path of the folder. The folder is not created.

    Examples
    --------
    >>> home().is_absolute()
    True
    """
    if named := os.environ.get("FRGROUPS_HOME", "").strip():
        return Path(named).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data").is_dir() and any((folder / name).exists() for name in ("pyproject.toml", "notebooks")):
            return (folder / "data").resolve()
    import platformdirs  # A late import keeps the import of this module fast.

    return platformdirs.user_data_path("frgroups", appauthor=False)


def data_subdir(name: str) -> Path:
    """Return the path of a subfolder of the data folder, such as "snapshots"."""
    return home() / name


def resolve_folder(path: str | Path | None, name: str) -> Path:
    """Return the absolute path of a folder, or the subfolder `name` of the data folder if `path` is None."""
    if path is None:
        return data_subdir(name)
    if isinstance(path, str) and not path.strip():  # Path would interpret "" as the current folder.
        raise InputError(
            f"The folder for {name} must not be an empty string. Pass None for the default folder or '.' for the "
            "current folder."
        )
    try:
        folder = Path(path).expanduser().resolve()
        folder.exists()  # This call raises OSError if the file name is too long.
        return folder
    except (RuntimeError, ValueError, OSError, TypeError) as error:
        raise InputError(f"{str(path)[:80]!r} is not a valid folder for {name}: {error}.") from error


def tenant_folder(tenant_uid: str, base_url: str | None) -> str:
    """
    Return the name of the folder for a tenant at a host. Only the same tenant and host have the same name.

    The name contains no colon and no percent sign, so that the name is valid on Windows and a printed path opens as a
    link. A colon in the host becomes an underscore. Each byte of another special character becomes "=" and two hex
    digits. The hosts 127.0.0.1, localhost, and [::1] result in the same folder name.

    Examples
    --------
    >>> tenant_folder("sport_nordic", "http://127.0.0.1:8020/v2")
    'sport_nordic@127.0.0.1_8020'
    """
    host = host_of(base_url) or _NO_HOST
    return f"{_encode_name(tenant_uid)}@{_encode_name(host).replace('_', '=5F').replace('=3A', '_')}"


def host_of(base_url: str | None) -> str:
    """
    Return the canonical host of a base URL, or "" if the URL is missing.

    The result is also "" for the URL https://tables, because "tables" is the placeholder for a missing host in folder
    names.

    Examples
    --------
    >>> host_of("http://localhost:8020/v2"), host_of("https://tables"), host_of(None)
    ('127.0.0.1:8020', '', '')
    """
    host = canonical_host(urlsplit(base_url or "").netloc)
    return "" if host == _NO_HOST else host


def parse_tenant_folder(folder: str) -> tuple[str, str]:
    """
    Split the name of a tenant folder into tenant uid and host. For any other name, return two empty strings.

    Examples
    --------
    >>> parse_tenant_folder(tenant_folder("t/1", "http://127.0.0.1:8020/v2"))
    ('t/1', '127.0.0.1:8020')
    """
    tenant, at, host = folder.partition("@")
    if not (tenant and at):
        return "", ""
    return _decode_name(tenant), canonical_host(_decode_name(host.replace("_", "=3A")))


def _encode_name(text: str) -> str:
    """URL-encode a string for a file name, with "=" instead of the percent sign."""
    return quote(text, safe="").replace("%", "=")


def _decode_name(name: str) -> str:
    return unquote(name.replace("=", "%"))
