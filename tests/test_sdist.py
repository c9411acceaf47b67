"""Tests for the source distribution (sdist): it contains what its tests need."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
# These files are only used in a Git checkout.
NOT_PACKED = {".ci/run", ".git-blame-ignore-revs"}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Build the sdist, and return its unpacked project folder."""
    folder = tmp_path_factory.mktemp("sdist")
    build = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, PROJECT]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as packed:
        packed.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.mark.slow
def test_content(sdist):
    "The sdist contains all committed files that are useful without Git."
    if not (PROJECT / ".git").exists():
        pytest.skip("The project is not a Git checkout.")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    committed = {name for name in listed.stdout.split("\0") if name and (PROJECT / name).exists()}

    packed = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}

    assert committed - packed == NOT_PACKED
    assert not [name for name in packed if name.startswith(("data/plans", "data/snapshots", ".venv", "docs/_build"))]


@pytest.mark.slow
def test_collection(sdist):
    "All test modules of the unpacked sdist can be imported, and test its own copy of frgroups."
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", ""]
    origin = [sys.executable, "-c", "import frgroups; print(frgroups.__file__)"]

    collected = subprocess.run(collect, cwd=sdist, capture_output=True, text=True, check=False)
    imported = subprocess.run(origin, cwd=sdist, capture_output=True, text=True, check=True)

    assert collected.returncode == 0, collected.stdout[-2000:]
    assert Path(imported.stdout.strip()).is_relative_to(sdist)
