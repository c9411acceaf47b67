"""The wheel builds, is whole, and stands alone without any extra."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_readme import BLOCKS

PROJECT = Path(__file__).parents[1]

REFUSE_EXTRAS = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"starlette", "uvicorn", "jupyterlab", "ipywidgets", "openpyxl", "IPython"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as packed:
        packed.extractall(folder / "frgroups-alone")
    return folder / "frgroups-alone"


def run(wheel, code, tmp_path):
    """Run code with the wheel in place of the project and without the extras."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-P",
        "-c",
        f"{REFUSE_EXTRAS}sys.path.insert(0, {str(wheel)!r})\n{code}",
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)


def test_the_wheel_holds_what_the_package_needs(wheel):
    "Types are marked, the review page's parts and the notebooks are in, and no test is."
    names = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}

    assert {
        "frgroups/py.typed",
        "frgroups/internals/card.html",
        "frgroups/review/page.html",
        "frgroups/load/status_page.css",
        "frgroups/notebooks/00_first_look.ipynb",
    } <= names
    assert not [name for name in names if "test" in name]


def test_the_first_session_of_the_readme_needs_no_extra(wheel, tmp_path):
    "The ten lines run as written from the wheel alone."
    done = run(wheel, f"import frgroups; assert {str(wheel)!r} in frgroups.__file__\n{BLOCKS[0]}", tmp_path)

    assert done.returncode == 0, done.stderr
    assert "Snapshot of t-1" in done.stdout


def test_what_needs_an_extra_says_which(wheel, tmp_path):
    "Without its extra the sandbox names the line that installs it."
    sandbox = run(wheel, "import frgroups; frgroups.Sandbox(empty=True).start()", tmp_path)

    assert "pip install 'frgroups[sandbox]'" in sandbox.stderr
