"""Where snapshots, plans and journals live, and how a file is put there: whole or not at all, for us alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from frgroups.errors import InputError


def home() -> Path:
    """
    The folder that holds all that frgroups keeps, as an absolute path; nothing is made by asking.

    It is `FRGROUPS_HOME` when set; else the `data` folder of the project you are in (the nearest parent with a
    `data` beside a pyproject.toml or a notebooks folder); else the user's data folder.

    >>> home().is_absolute()
    True
    """
    if named := os.environ.get("FRGROUPS_HOME", "").strip():
        return Path(named).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data").is_dir() and any((folder / name).exists() for name in ("pyproject.toml", "notebooks")):
            return (folder / "data").resolve()
    return _user_data() / "frgroups"


def data_subdir(name: str) -> Path:
    """A folder of the home, such as "snapshots"."""
    return home() / name


def resolve_folder(path: str | Path | None, name: str) -> Path:
    """The folder that was asked for, or the one of this name in the home."""
    if path is None:
        return data_subdir(name)
    if isinstance(path, str) and not path.strip():  # It would mean the current folder.
        raise InputError(f"An empty text is no folder for {name}; None is the one of the home, '.' the current one.")
    try:
        folder = Path(path).expanduser().resolve()
        folder.exists()  # Which is an error for a name that is too long.
        return folder
    except (RuntimeError, ValueError, OSError, TypeError) as error:
        raise InputError(f"{str(path)[:80]!r} is no folder for {name}: {error}.") from error


def tenant_folder(tenant_uid: str, base_url: str | None) -> str:
    """The name of a tenant's own folder, in which no other tenant or host can be."""
    host = urlsplit(base_url).netloc if base_url else "tables"
    return f"{quote(tenant_uid, safe='')}@{quote(host, safe='.')}"


def parse_tenant_folder(folder: str) -> tuple[str, str]:
    """
    Whose folder this is, by its name; two empty texts when it is nobody's.

    >>> parse_tenant_folder(tenant_folder("t/1", "http://127.0.0.1:8020/v2"))
    ('t/1', '127.0.0.1:8020')
    """
    tenant, at, host = folder.partition("@")
    return (unquote(tenant), unquote(host)) if at and tenant else ("", "")


def _user_data() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
