"""Where things are kept, and how a file is put there."""

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
from frgroups.internals.paths import data_subdir, home, resolve_folder, tenant_folder


@pytest.fixture
def anywhere(tmp_path, monkeypatch):
    """An empty working directory, with no FRGROUPS_HOME, and a user of its own."""
    monkeypatch.delenv("FRGROUPS_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def test_the_named_home_is_the_home(monkeypatch, tmp_path):
    "FRGROUPS_HOME goes before everything else, with ~ for the user's folder."
    monkeypatch.setenv("FRGROUPS_HOME", f" {tmp_path} ")
    assert home() == tmp_path

    monkeypatch.setenv("FRGROUPS_HOME", "~/kept")
    assert home() == Path.home().resolve() / "kept"


@pytest.mark.parametrize("beside", ["pyproject.toml", "notebooks"])
def test_a_project_keeps_its_own_data(anywhere, monkeypatch, beside):
    "The nearest parent with a data folder beside a pyproject.toml or notebooks is the project."
    (anywhere / "data").mkdir()
    (anywhere / beside).mkdir()
    deep = anywhere / "notebooks" / "deep"
    deep.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(deep)

    assert home() == anywhere / "data"


def test_elsewhere_the_user_has_a_folder(anywhere, monkeypatch):
    "A data folder alone is no project; then it is the user's data folder, not the working directory."
    (anywhere / "data").mkdir()

    assert home() == anywhere.parent / "user" / "frgroups"
    monkeypatch.setenv("FRGROUPS_HOME", "  ")
    assert home() == anywhere.parent / "user" / "frgroups"


@pytest.mark.parametrize(
    ("system", "end"),
    [(Windows, ("AppData", "Local", "frgroups")), (MacOS, ("Library", "Application Support", "frgroups"))],
)
def test_user_folder_of_other_systems(anywhere, monkeypatch, system, end):
    "On Windows and macOS the folder follows the convention of the system and contains no author name."
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda name: str(anywhere / "AppData" / "Local"))
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *args, **names: system(*args, **names).user_data_path)

    assert home().parts[-3:] == end


def test_platformdirs_is_imported_late():
    "Importing frgroups does not import platformdirs."
    code = "import sys, frgroups, frgroups.internals.paths; print('platformdirs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_asking_makes_nothing(monkeypatch, tmp_path):
    "Neither the home nor a folder in it is made before something is kept."
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "new"))

    assert data_subdir("plans") == tmp_path / "new" / "plans"
    assert resolve_folder(None, "plans") == tmp_path / "new" / "plans"
    assert resolve_folder(tmp_path / "own", "plans") == tmp_path / "own"
    assert list(tmp_path.iterdir()) == []


def test_new_folders_are_private_and_old_ones_stay_as_they_are(tmp_path):
    "Mode 0700 for what is made; a folder that was there keeps its mode."
    opened = tmp_path / "open"
    opened.mkdir()
    opened.chmod(0o755)

    made = ensure_private_dir(opened / "a" / "b")

    assert made.is_dir()
    assert [path.stat().st_mode & 0o777 for path in (opened, opened / "a", made)] == [0o755, 0o700, 0o700]
    assert ensure_private_dir(made) == made


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    "A file in the way is an InputError that tells of FRGROUPS_HOME."
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"Cannot write in .*file.*FRGROUPS_HOME"):
        ensure_private_dir(tmp_path / "file" / "deep")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    "A block that fails leaves the old file and no draft."
    path = write_text(tmp_path / "deep" / "f.txt", "old")

    with pytest.raises(KeyboardInterrupt), atomic_write(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt

    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_written_file_is_private_and_its_line_ends_are_plain(tmp_path):
    "Mode 0600 under any umask, UTF-8, and \\n everywhere."
    before = os.umask(0)
    try:
        path = write_text(tmp_path / "f.txt", "ø\n")
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == "ø\n".encode()


def test_the_draft_is_private_while_it_is_written(tmp_path):
    "Nobody else can read a file before it is in its place."
    with atomic_write(tmp_path / "f.txt") as draft:
        assert draft.parent == tmp_path
        assert draft.stat().st_mode & 0o777 == 0o600
        assert not (tmp_path / "f.txt").exists()


names = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())


@given(one=names, other=names)
def test_tenants_have_folders_of_their_own(one, other):
    "Any tenant uid is one folder name, and no two share it."
    folder = tenant_folder(one, "https://api.example:8443/v1")

    assert folder not in (".", "..")
    assert not {"/", "\\", ":", "\0"} & set(folder)
    assert (folder == tenant_folder(other, "https://api.example:8443/v1")) == (one == other)


def test_hosts_of_one_tenant_are_kept_apart():
    "Stage and production, two ports, and tables without a host."
    hosts = ["https://api.example", "https://stage.example", "http://127.0.0.1:8001", "http://127.0.0.1:8002", None]

    assert len({tenant_folder("t-1", host) for host in hosts}) == 5
    assert tenant_folder("t-1", None) == "t-1@tables"


@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_text_is_no_folder(anywhere, path):
    "It does not mean the current folder, which a dot does."
    with pytest.raises(InputError, match="empty text is no folder for snapshots"):
        resolve_folder(path, "snapshots")

    assert resolve_folder(".", "snapshots") == anywhere


@pytest.mark.parametrize("path", ["a" * 300, 5, b"folder", "\0"])
def test_what_can_be_no_folder_is_an_error_of_ours(path):
    "A name that is too long, and what is no name, are told with what they were meant for."
    with pytest.raises(InputError, match="is no folder for journals"):
        resolve_folder(path, "journals")
