"""What every test stands on: a home of its own, charts that open no window, and hypothesis without a clock."""

import importlib
import os
import sys

import pytest
from hypothesis import settings

import frgroups as fg

os.environ["MPLBACKEND"] = "Agg"

# A busy machine is slow, not wrong; and no test leaves files in the project.
settings.register_profile("frgroups", deadline=None, database=None)
settings.load_profile("frgroups")


@pytest.fixture(autouse=True)
def home_folder(tmp_path_factory, monkeypatch):
    """A home of this test's own, so that none writes into the project's data folder."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FRGROUPS_HOME", str(folder))
    return folder


@pytest.fixture
def no_pause(monkeypatch):
    """What disagreed is read again at once."""
    monkeypatch.setattr(importlib.import_module("frgroups.load.verified_listing"), "PAUSE", 0)


@pytest.fixture(scope="module")
def running():
    """A tenant with nobody in it; the tests of a file share it, and reset it."""
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def short_pages():
    """A tenant with nobody in it, whose pages hold five."""
    with fg.Sandbox(empty=True, max_page_size=5, default_page_size=5) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _figures_closed():
    """Figures do not pile up from test to test."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
