"""Tests of frgroups. With FRGROUPS_TEST_HTTPX2=1 they run with httpx2 in place of httpx."""

import importlib
import os
import sys

if os.environ.get("FRGROUPS_TEST_HTTPX2") == "1":
    # The package under test imports httpx later. A pytest plugin can have imported the real one already.
    sys.modules["httpx"] = importlib.import_module("httpx2")
