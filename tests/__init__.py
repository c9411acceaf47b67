"""Tests for frgroups. If FRGROUPS_TEST_HTTPX2=1 is set, the tests use httpx2 instead of httpx."""

import importlib
import os
import sys

if os.environ.get("FRGROUPS_TEST_HTTPX2") == "1":
    # Replace the module before frgroups imports httpx, because a pytest plugin might have imported httpx already.
    sys.modules["httpx"] = importlib.import_module("httpx2")
