"""Shared fixtures: a separate data folder for each test, and sandboxes."""

import importlib
import itertools
import os
import signal
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

import frgroups as fg
from tests.world import put_group_of_all, select_sandbox

os.environ["MPLBACKEND"] = "Agg"

# Hypothesis deadlines would fail on a busy machine, and its example database would write files to the project.
settings.register_profile("frgroups", deadline=None, database=None, max_examples=10)
settings.register_profile("few", settings.get_profile("frgroups"), max_examples=5)
settings.register_profile("thorough", settings.get_profile("frgroups"), max_examples=200)
settings.load_profile("frgroups")

# Signals are ignored in a process that nohup or a shell script starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_folder_numbers = itertools.count()


def pytest_addoption(parser):
    """Add the option that limits the number of cases of parametrized tests."""
    parser.addoption("--max-cases", type=int, help="run at most this number of evenly spaced cases of each test")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Deselect the other cases of each test if `--max-cases` is given."""
    limit = config.getoption("max_cases")
    if limit is None:
        return
    cases = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    selected = {item for same_test in cases.values() for item in evenly_spaced(same_test, limit)}
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = [item for item in items if item in selected]


def evenly_spaced(values, limit):
    """Return at most `limit` values, among them the first and, if the limit is at least 2, the last."""
    if len(values) <= limit:
        return values
    step = (len(values) - 1) / max(limit - 1, 1)
    return [values[round(number * step)] for number in range(limit)]


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_disk():
    """Replace `os.fsync` in the test process, because only a power failure could show that it was called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def home_folders(tmp_path_factory):
    """Create the folder that contains the data folders of all tests."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def home_folder(home_folders, monkeypatch):
    """Create a separate data folder for each test, so that no test writes to the project's data folder."""
    # Unlike `tmp_path_factory.mktemp`, a counter does not list the folders of all previous tests.
    folder = home_folders / f"home{next(_folder_numbers)}"
    folder.mkdir()
    monkeypatch.setenv("FRGROUPS_HOME", str(folder))
    return folder


@pytest.fixture
def n_reads(monkeypatch):
    """Count how often each file is read with `Path.read_bytes`."""
    counts = Counter()
    read_bytes = Path.read_bytes

    def counted(path):
        counts[path] += 1
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    return counts


@pytest.fixture
def no_pause(monkeypatch):
    """Remove the delay before a contradictory list is read again."""
    monkeypatch.setattr(importlib.import_module("frgroups.load.verified_listing"), "PAUSE", 0)


@pytest.fixture(scope="module")
def running():
    """Start an empty sandbox that the tests in a module share and reset."""
    with fg.Sandbox(empty=True) as sandbox:
        yield sandbox


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a sandbox with a group of 30 customers. Environment variables select the sandbox."""
    select_sandbox(running, monkeypatch)
    put_group_of_all(running)
    return running


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
