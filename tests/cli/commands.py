"""Functions that run commands in tests and read their output."""

import re
from pathlib import Path

from frgroups.cli.main import main


def select_sandbox(monkeypatch, sandbox):
    """Set the environment variables that select a sandbox."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", sandbox.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)


def code_of(words):
    """Return the exit code that main returns or raises as SystemExit."""
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        return end.code


def path_after(label, text):
    """Return the path that a command printed after a label."""
    return Path(re.search(rf"^{label}:?\s+(\S+)", text, re.M)[1])
