"""Tests for the versions of frgroups and its dependencies."""

import subprocess
import sys

WITHOUT_METADATA = """
import importlib.metadata as metadata
original = metadata.version
def version(name):
    if name == "frgroups":
        raise metadata.PackageNotFoundError(name)
    return original(name)
metadata.version = version
"""


def test_import_without_metadata(tmp_path):
    "If frgroups is imported without an installation, its version is unknown, and snapshots can be stored and read."
    code = (
        "import frgroups as fg; print(fg.__version__); fg.show_versions()\n"
        "snapshot = fg.sample_snapshot(); fg.save_snapshot(snapshot); print(fg.read_snapshot().verdict)"
    )

    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_METADATA + code], capture_output=True, text=True, check=False
    )

    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[0] == "not installed"
