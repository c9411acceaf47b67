"""Tests for the selection of Python versions and dependency versions in `tests.versions`."""

import sys

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests import versions

PROJECT = versions.PYPROJECT["project"]


def test_supported_versions():
    "The classifiers name the oldest version that `requires-python` allows first, and the running version."
    supported = versions.supported_versions()
    allowed = SpecifierSet(PROJECT["requires-python"])

    assert [version for version in supported if version not in allowed] == []
    assert f"3.{int(supported[0].partition('.')[2]) - 1}" not in allowed
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in supported


def test_lowest_constraints():
    "Each dependency of the project and its extras has the lowest allowed version, and each package has one line."
    constraints = [Requirement(line) for line in versions.lowest_constraints()]
    pins = {item.name: next(iter(item.specifier)).version for item in constraints}
    dependencies = [
        Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["sandbox"]
    ]

    assert len(pins) == len(constraints) and "polars-runtime-32" not in pins
    assert {item.name: pins[item.name] for item in dependencies} == {
        item.name: versions.lower_bound(item) for item in dependencies
    }


def test_find_python():
    "A Python version that is not installed is not found."
    assert versions.find_python("3.0") is None
