"""Tests for the built wheel without the optional dependencies."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

HIDE_EXTRAS = """
import sys
class HideExtras:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"starlette", "uvicorn", "jupyterlab", "ipywidgets", "openpyxl", "IPython"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, HideExtras())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel, and return the folder of the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as packed:
        packed.extractall(folder / "frgroups-alone")
    return folder / "frgroups-alone"


def run(wheel, code, tmp_path):
    """Run code with the wheel instead of the project, and without the optional dependencies."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-P",
        "-c",
        f"{HIDE_EXTRAS}sys.path.insert(0, {str(wheel)!r})\n{code}",
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)


def test_content(wheel):
    "The wheel contains the file py.typed, the templates, and the notebooks, but no tests."
    names = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}

    assert {
        "frgroups/py.typed",
        "frgroups/internals/card.html",
        "frgroups/review/page.html",
        "frgroups/load/status_page.css",
        "frgroups/notebooks/00_first_look.ipynb",
    } <= names
    assert not [name for name in names if "test" in name]


def test_workflow_without_extras(wheel, tmp_path):
    "A sample snapshot can be analyzed and planned without the optional dependencies."
    code = (
        f"import frgroups as fg; assert {str(wheel)!r} in fg.__file__\n"
        "snapshot = fg.sample_snapshot(); fg.overlap_pairs(snapshot, universe=1000); fg.health_report(snapshot)\n"
        "plan = fg.plan_memberships(snapshot, {'vip': ['c-7']}); fg.save_review(plan, 'review.html')\n"
        "print(snapshot)"
    )

    process = run(wheel, code, tmp_path)

    assert process.returncode == 0, process.stderr
    assert "Snapshot of t-1" in process.stdout


def test_missing_extra(wheel, tmp_path):
    "If the sandbox's optional dependencies are not installed, the error contains the command to install them."
    sandbox = run(wheel, "import frgroups; frgroups.Sandbox(empty=True).start()", tmp_path)

    assert "pip install" in sandbox.stderr and "frgroups[sandbox]" in sandbox.stderr
