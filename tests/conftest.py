"""Shared fixtures: a separate data folder for each test, and sandboxes."""

import importlib
import os
import sys

import pytest
from hypothesis import settings

import frgroups as fg

os.environ["MPLBACKEND"] = "Agg"

# Hypothesis deadlines would fail on a busy machine, and its example database would write files to the project.
settings.register_profile("frgroups", deadline=None, database=None)
settings.load_profile("frgroups")


@pytest.fixture(autouse=True)
def home_folder(tmp_path_factory, monkeypatch):
    """Create a separate data folder for each test, so that no test writes to the project's data folder."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FRGROUPS_HOME", str(folder))
    return folder


@pytest.fixture
def no_pause(monkeypatch):
    """Remove the delay before a contradictory list is read again."""
    monkeypatch.setattr(importlib.import_module("frgroups.load.verified_listing"), "PAUSE", 0)


@pytest.fixture(scope="module")
def running():
    """Start an empty sandbox that the tests in a module share and reset."""
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def short_pages():
    """Start an empty sandbox with 5 records per page."""
    with fg.Sandbox(empty=True, max_page_size=5, default_page_size=5) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _figures_closed():
    """Close all matplotlib figures after each test."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
