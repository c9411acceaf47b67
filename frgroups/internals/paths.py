"""Location of the data folder and of the snapshots, plans and journals in it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from frgroups.errors import InputError


def home() -> Path:
    """
    Return the absolute path of the data folder.

    The folder is not created. The first of these folders is used:

    1. the folder that the environment variable `FRGROUPS_HOME` names,
    2. the `data` folder of the current project, which is the nearest parent folder that has a `data` folder and
       either a pyproject.toml or a notebooks folder,
    3. the data folder of the user for frgroups, as defined by the operating system.

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
    import platformdirs  # Needed only here.

    return platformdirs.user_data_path("frgroups", appauthor=False)


def data_subdir(name: str) -> Path:
    """Return the path of a folder in the data folder, such as "snapshots"."""
    return home() / name


def resolve_folder(path: str | Path | None, name: str) -> Path:
    """Return `path` as an absolute path, or the folder `name` of the data folder if `path` is None."""
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
    """Return the folder name of a tenant. It is unique for the tenant uid and the host."""
    host = "tables"  # The name for snapshots that were made from tables.
    if base_url:
        host = urlsplit(base_url).netloc
    return f"{quote(tenant_uid, safe='')}@{quote(host, safe='.')}"


def parse_tenant_folder(folder: str) -> tuple[str, str]:
    """
    Return the tenant uid and the host of a folder name, or two empty strings if it is not a tenant folder.

    Examples
    --------
    >>> parse_tenant_folder(tenant_folder("t/1", "http://127.0.0.1:8020/v2"))
    ('t/1', '127.0.0.1:8020')
    """
    tenant, at, host = folder.partition("@")
    if not (tenant and at):
        return "", ""
    return unquote(tenant), unquote(host)
