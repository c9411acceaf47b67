"""Versions of frgroups, Python, and the dependencies, for bug reports."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__version__ = version("frgroups")

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
_EXTRAS = ("starlette", "uvicorn", "jupyterlab", "ipywidgets", "openpyxl")


def show_versions() -> None:
    """
    Print the versions of frgroups, Python, and the dependencies.

    Include the printed versions in bug reports.

    Examples
    --------
    >>> show_versions()  # doctest: +ELLIPSIS
    frgroups     ...
    """
    print(f"frgroups     {__version__}")  # noqa: T201  # Printing is the purpose of the function.
    print(f"python       {platform.python_version()} on {platform.system()}")  # noqa: T201
    for name in (*_PACKAGES, *_EXTRAS):
        print(f"{name:<12} {_version(name)}")  # noqa: T201


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
