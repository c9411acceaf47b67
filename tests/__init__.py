"""Tests of frgroups. With FRGROUPS_TEST_HTTPX2=1, they use httpx2 instead of httpx."""

import importlib
import os
import sys

if os.environ.get("FRGROUPS_TEST_HTTPX2") == "1":
    # frgroups imports httpx later. Replace the module, because a pytest plugin can have imported httpx already.
    sys.modules["httpx"] = importlib.import_module("httpx2")
