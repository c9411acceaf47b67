"""What every test stands on: a home of its own, and charts that open no window."""

import matplotlib
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def home_folder(tmp_path_factory, monkeypatch):
    """A home of this test's own; no test writes into the project's data folder."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FRGROUPS_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _figures_closed():
    """Figures do not pile up from test to test."""
    yield
    import sys

    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
