"""Tests for the dependencies between the packages of frgroups."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "frgroups"

# One row per package, from top to bottom. A package may import only packages in lower rows.
ROWS = [
    "cli",
    "session",
    "report",
    "plot",
    "history",
    "privacy",
    "apply",
    "review",
    "plan",
    "load",
    "analysis",
    "engines",
    "store",
    "sandbox",
    "api",
    "snapshot",
    "internals",
    "errors",
]
ROW = {package: number for number, package in enumerate(ROWS)}
ROOT_MODULES = {"__init__", "__main__", "errors", "session"}
MAY_IMPORT_CLIENT = {"__init__", "load", "apply", "sandbox", "cli", "session"}


def modules():
    """Yield the package name and the path of each module. A module in the package root counts as a package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield parts[0], path


def imported(path):
    """Yield the frgroups packages that a module imports, including imports in functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "frgroups":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("frgroups."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("frgroups."))


IN_LAYERS = [pytest.param(p, f, id=f"{p}-{f.stem}") for p, f in modules() if p not in ("__init__", "__main__")]


@pytest.mark.parametrize(("package", "path"), IN_LAYERS)
def test_imports_point_down(package, path):
    "Each module imports only its own package and packages in lower layers."
    assert package in ROW, f"{package} has no row in ROWS"
    upward = [name for name in imported(path) if name != package and ROW[name] <= ROW[package]]

    assert upward == []


def test_root_modules():
    "The root of the frgroups package contains only four modules."
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT_MODULES


def test_client_imports():
    "Only a few packages import the API client, so that the analysis and planning packages cannot send requests."
    found = {
        package
        for package, path in modules()
        if package != "api"
        and re.search(r"^ *from frgroups\.api\.(client|transport) ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert found <= MAY_IMPORT_CLIENT


def test_private_names_stay_in_their_module():
    "No module imports a name with a leading underscore from another module."
    private_names = {
        f"{path.relative_to(PACKAGE)}: {alias.name}"
        for _, path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("frgroups"))
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    }

    assert private_names == set()


def test_httpx_imports():
    "Only the modules that create connections or check URLs import the HTTP library."
    found = {path.stem for _, path in modules() if "httpx" in path.read_text(encoding="utf-8").split()}

    assert found - {"versions"} == {
        *("base_urls", "certificates", "connection_failures", "http_client", "proxies", "redirects", "transport"),
    }


def test_sandbox_shares_no_names_with_the_schema():
    "The sandbox does not import the API schema, because a wrong field name in shared code would go unnoticed."
    sources = [
        (path, node.module or "")
        for package, path in modules()
        if package == "sandbox"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]

    assert [(path, module) for path, module in sources if module.startswith("frgroups.api.schema")] == []


def test_modules_that_send_writes():
    "Only the modules `sender` and `write_probe` call API operations that change a tenant."
    writes = {"create_group", "update_group", "delete_group", "update_group_customers"}
    found = {
        f"{package}/{path.name}"
        for package, path in modules()
        if package not in ("api", "sandbox")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in writes
    }

    assert found == {"apply/sender.py", "apply/write_probe.py"}
