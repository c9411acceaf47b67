"""
Run the fast tests on other Python versions, or with the lowest allowed versions of the dependencies.

The commands are `make test-versions` and `make test-lowest`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).parents[1]
ENVIRONMENTS = PROJECT / ".venvs"
# `make test` runs all cases and more examples. On another version, one case of each test is sufficient.
SELECTION = ["--max-cases=1", "--hypothesis-profile=few"]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))

# The package polars requires exactly its own version of this package.
PINNED_BY_OTHERS = {"polars-runtime-32"}


def supported_versions():
    """Return the Python versions in the classifiers of the project, oldest first."""
    classifiers = "\n".join(PYPROJECT["project"]["classifiers"])
    found = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", classifiers, re.M)
    return sorted(found, key=Version)


def lowest_constraints():
    """Return constraints that pin dependencies to their lower bounds, and other packages to the tested versions."""
    project = PYPROJECT["project"]
    dependencies = chain(project["dependencies"], *project["optional-dependencies"].values())
    requirements = [Requirement(text) for text in dependencies]
    lowest = {canonicalize_name(item.name): f"{item.name}=={lower_bound(item)}" for item in requirements}
    tested = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    others = [
        line for line in tested if canonicalize_name(Requirement(line).name) not in {*lowest, *PINNED_BY_OTHERS}
    ]
    return sorted([*lowest.values(), *others], key=str.lower)


def lower_bound(requirement):
    """Return the lowest version that a requirement allows."""
    (bound,) = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
    return bound


def find_python(version):
    """Return the path of an interpreter on PATH or of pyenv, or None if the version is not installed."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(name), *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))]
    for candidate in filter(None, candidates):
        # A pyenv shim exists for each installed version, but fails unless the version is active.
        if subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    return None


def run_tests(name, python, constraints, arguments):
    """Install the project and the test tools into the environment `name`, and return the exit code of pytest."""
    folder = ENVIRONMENTS / name
    subprocess.run([python, "-m", "venv", folder], check=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--upgrade", "pip", "-c", "constraints.txt"], cwd=PROJECT, check=True)
    project = ["-e", ".[sandbox,notebook]", "--group", "dev"]
    subprocess.run([*install, "-c", constraints, *project], cwd=PROJECT, check=True)
    tests = [folder / "bin" / "python", "-m", "pytest", *arguments]
    return subprocess.run(tests, cwd=PROJECT, check=False).returncode


def main():
    """Run the fast tests on each version that is installed, and exit with 1 if tests fail on a version."""
    parser = argparse.ArgumentParser(description="Run the fast tests in separate environments.")
    parser.add_argument("--lowest", action="store_true", help="use the lowest allowed versions of the dependencies")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help="arguments for pytest, after --")
    options = parser.parse_args()
    arguments = options.pytest or ["-n", "3", "--dist", "loadfile", *SELECTION]
    ENVIRONMENTS.mkdir(exist_ok=True)
    oldest, *newer = supported_versions()
    versions, suffix, constraints = newer, "", PROJECT / "constraints.txt"
    if options.lowest:
        versions, suffix, constraints = [oldest], "-lowest", ENVIRONMENTS / "lowest.txt"
        constraints.write_text("\n".join(lowest_constraints()) + "\n", encoding="utf-8")

    results = {}
    for version in versions:
        python = find_python(version)
        if python is None:
            results[version] = "not installed on this machine"
            continue
        print(f"== Python {version}", flush=True)  # noqa: T201
        code = run_tests(version + suffix, python, constraints, arguments)
        results[version] = "passed" if code == 0 else f"failed (pytest exit code {code})"
    for version, result in results.items():
        print(f"Python {version}: {result}")  # noqa: T201
    sys.exit(any(result.startswith("failed") for result in results.values()))


if __name__ == "__main__":
    main()
