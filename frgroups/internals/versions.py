"""Versions of frgroups, Python, and the dependencies, for bug reports."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "httpx",
    "pandas",
    "pyarrow",
    "numpy",
    "scipy",
    "matplotlib",
    "msgspec",
    "click",
    "rich",
    "jinja2",
    "tqdm",
    "filelock",
    "platformdirs",
)
_NOT_INSTALLED = "not installed"
_EXTRAS = ("starlette", "uvicorn", "jupyterlab", "ipywidgets", "openpyxl")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _NOT_INSTALLED


# The version is "not installed" if the source folder is imported without an installation.
__version__ = _version("frgroups")


def show_versions() -> None:
    """
    Print the versions of frgroups, Python, and the dependencies.

    Include the printed versions in bug reports.

    Examples
    --------
    >>> show_versions()  # doctest: +ELLIPSIS
    frgroups     ...
    """
    for name, installed in installed_versions().items():
        print(f"{name:<12} {installed}")  # noqa: T201  # Printing is the purpose of the function.


def installed_versions() -> dict[str, str]:
    """
    Return the versions of frgroups, Python, and the dependencies, by name.

    Examples
    --------
    >>> list(installed_versions())[:3]
    ['frgroups', 'python', 'httpx']
    """
    python = f"{platform.python_version()} on {platform.system()}"
    return {"frgroups": __version__, "python": python} | {name: _version(name) for name in (*_PACKAGES, *_EXTRAS)}


def missing_packages() -> list[str]:
    """
    Return the required packages that are not installed.

    Examples
    --------
    >>> missing_packages()
    []
    """
    return [name for name in _PACKAGES if _version(name) == _NOT_INSTALLED]
