"""Tests for the paths of the data folder and for atomic writes."""

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from platformdirs.macos import MacOS
from platformdirs.windows import Windows

from frgroups.errors import InputError
from frgroups.internals.atomic_files import atomic_write, ensure_private_dir, write_text
from frgroups.internals.paths import data_subdir, home, parse_tenant_folder, resolve_folder, tenant_folder


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """Change to an empty working directory, unset FRGROUPS_HOME, and use a temporary user data folder."""
    monkeypatch.delenv("FRGROUPS_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def test_frgroups_home(monkeypatch, tmp_path):
    "The variable FRGROUPS_HOME takes precedence, and ~ in its value is expanded."
    monkeypatch.setenv("FRGROUPS_HOME", f" {tmp_path} ")
    assert home() == tmp_path

    monkeypatch.setenv("FRGROUPS_HOME", "~/data")
    assert home() == Path.home().resolve() / "data"


@pytest.mark.parametrize("marker", ["pyproject.toml", "notebooks"])
def test_project_data_folder(empty_folder, monkeypatch, marker):
    "In a project, the data folder next to pyproject.toml or notebooks is used."
    (empty_folder / "data").mkdir()
    (empty_folder / marker).mkdir()
    deep = empty_folder / "notebooks" / "deep"
    deep.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(deep)

    assert home() == empty_folder / "data"


def test_user_data_folder(empty_folder, monkeypatch):
    "Outside of a project, the user data folder is used, even if the working directory has a data folder."
    (empty_folder / "data").mkdir()

    assert home() == empty_folder.parent / "user" / "frgroups"
    monkeypatch.setenv("FRGROUPS_HOME", "  ")
    assert home() == empty_folder.parent / "user" / "frgroups"


@pytest.mark.parametrize(
    ("system", "end"),
    [(Windows, ("AppData", "Local", "frgroups")), (MacOS, ("Library", "Application Support", "frgroups"))],
)
def test_user_folder_of_other_systems(empty_folder, monkeypatch, system, end):
    "On Windows and macOS, the user data folder follows the convention of the system, without an author name."
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda name: str(empty_folder / "AppData" / "Local"))
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *args, **names: system(*args, **names).user_data_path)

    assert home().parts[-3:] == end


def test_platformdirs_is_imported_late():
    "Importing frgroups does not import platformdirs."
    code = "import sys, frgroups, frgroups.internals.paths; print('platformdirs' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert process.stdout.strip() == "False"


def test_folders_are_not_created(monkeypatch, tmp_path):
    "The functions that return paths do not create the data folder or its subfolders."
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "new"))

    assert data_subdir("plans") == tmp_path / "new" / "plans"
    assert resolve_folder(None, "plans") == tmp_path / "new" / "plans"
    assert resolve_folder(tmp_path / "own", "plans") == tmp_path / "own"
    assert list(tmp_path.iterdir()) == []


def test_folder_modes(tmp_path):
    "New folders have mode 0700, and existing folders keep their mode."
    existing = tmp_path / "existing"
    existing.mkdir()
    existing.chmod(0o755)

    created = ensure_private_dir(existing / "a" / "b")

    assert created.is_dir()
    assert [path.stat().st_mode & 0o777 for path in (existing, existing / "a", created)] == [0o755, 0o700, 0o700]
    assert ensure_private_dir(created) == created


def test_folder_cannot_be_created(tmp_path):
    "If a parent of the folder is a file, the error contains the path and the variable FRGROUPS_HOME."
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"file/deep.*FRGROUPS_HOME"):
        ensure_private_dir(tmp_path / "file" / "deep")


def test_atomic_write(tmp_path):
    "If an atomic write is interrupted, the old file remains and the temporary file is deleted."
    path = write_text(tmp_path / "deep" / "f.txt", "old")

    with pytest.raises(KeyboardInterrupt), atomic_write(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt

    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_write_text(tmp_path):
    "The function write_text writes UTF-8 with Unix line endings to a file with mode 0600 for any umask."
    before = os.umask(0)
    try:
        path = write_text(tmp_path / "f.txt", "ø\n")
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == "ø\n".encode()


def test_mode_of_the_temporary_file(tmp_path):
    "Other users cannot read the temporary file of an atomic write."
    with atomic_write(tmp_path / "f.txt") as draft:
        assert draft.parent == tmp_path
        assert draft.stat().st_mode & 0o777 == 0o600
        assert not (tmp_path / "f.txt").exists()


names = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())


@given(first=names, second=names)
def test_tenant_folder(first, second):
    "The folder name for each tenant uid is valid and unique."
    folder = tenant_folder(first, "https://api.example:8443/v1")

    assert folder not in (".", "..")
    assert not {"/", "\\", ":", "%", "\0"} & set(folder)
    assert (folder == tenant_folder(second, "https://api.example:8443/v1")) == (first == second)


def test_tenant_folder_of_different_hosts():
    """
    The folder name of a tenant is different for each host and port, and for snapshots without a host.

    All names of the loopback host have the same folder.
    """
    hosts = ["api.example", "stage.example", "a:1", "a_1", "a=3A1", "[::1]:80", "127.0.0.1:8001", "127.0.0.1:8002"]
    urls = [None, *(f"http://{host}/v1" for host in hosts)]

    assert len({tenant_folder("t-1", url) for url in urls}) == len(urls)
    assert tenant_folder("t-1", None) == "t-1@tables"
    found = [parse_tenant_folder(tenant_folder("t_=%:1", url)) for url in urls[1:]]
    assert found == [("t_=%:1", host.replace("[::1]", "127.0.0.1")) for host in hosts]


@pytest.mark.parametrize("path", ["", " "])
def test_empty_string_as_folder(empty_folder, path):
    """An empty string is rejected as a folder, and "." is resolved to the current folder."""
    with pytest.raises(InputError, match="snapshots"):
        resolve_folder(path, "snapshots")

    assert resolve_folder(".", "snapshots") == empty_folder


@pytest.mark.parametrize("path", ["a" * 300, 5, b"folder", "\0"])
def test_invalid_folder(path):
    "If a folder is not a valid path, an InputError with the purpose of the folder is raised."
    with pytest.raises(InputError, match="journals"):
        resolve_folder(path, "journals")
