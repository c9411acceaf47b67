"""The package is one pipeline: imports point down, and only a few files may reach the network."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "frgroups"

# From the top down; a module imports only from rows below its own.
ROWS = [
    ["__main__"],
    ["__init__", "cli"],
    ["commands", "session", "plot"],
    ["forgetting", "history", "apply", "described", "fleet"],
    ["review", "receipt", "plan_queue"],
    ["journal", "approval", "begun"],
    ["policy"],
    ["plan", "health", "segments"],
    ["register", "profile", "reach"],
    ["load", "redundancy", "lists", "changes", "sandbox"],
    ["members", "cache", "overlap", "sizes", "consents", "limits_file", "widened"],
    ["client", "snapshot", "limits"],
    ["wire", "universe", "greedy", "windows"],
    ["codes", "tables", "sealed", "tombstones", "tenant_lock"],
    [
        "human",
        "page_assets",
        "home",
        "progress",
        "card",
        "versions",
        "durations",
        "inputs",
        "places",
        "suppression",
        "exits",
    ],
    ["logs"],
    ["errors"],
    ["advice"],
]
ROW = {module: number for number, row in enumerate(ROWS) for module in row}
MAY_IMPORT_CLIENT = {"__init__", "members", "load", "apply", "sandbox", "commands", "fleet", "session"}


def modules():
    """Every module of the package, a subpackage counted as one."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield parts[0], path


def imported(path):
    """The frgroups modules that a file imports, late imports too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "frgroups":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("frgroups."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("frgroups."))


@pytest.mark.parametrize(("module", "path"), [pytest.param(m, p, id=p.stem) for m, p in modules()])
def test_imports_point_down(module, path):
    "A module imports only what stands in a lower row."
    assert module in ROW, f"{module} has no row: add it to ROWS, where it belongs"
    wrong = []
    for name in imported(path):
        inside = name == module
        from_front = name in ("Sandbox", "plot", "errors", "commands")
        if not inside and not from_front and ROW[name] <= ROW[module]:
            wrong.append(name)

    assert wrong == []


def test_only_a_few_files_import_the_client():
    "Analysis and planning cannot reach a tenant: they never import the client."
    found = {module for module, path in modules() if module != "client" and "client" in imported(path)}

    assert found <= MAY_IMPORT_CLIENT


def test_httpx_is_imported_by_the_transport_and_its_connections():
    "The HTTP library could be exchanged by changing what sends calls, and what lies under it."
    found = {path.stem for _, path in modules() if "httpx" in path.read_text(encoding="utf-8").split()}

    assert found - {"versions"} == {"transport", "connections"}


def test_the_sandbox_knows_nothing_of_wire():
    "A wrong field name cannot pass on both sides, because the two sides share none."
    found = {name for module, path in modules() if module == "sandbox" for name in imported(path)}

    assert found & {"wire", "load"} == set()


def test_only_the_sender_and_the_probe_write():
    "Nothing else in the package calls an operation that changes a tenant."
    writes = {"create_group", "update_group", "delete_group", "update_group_customers"}
    found = {
        f"{module}/{path.name}"
        for module, path in modules()
        if module not in ("client", "sandbox")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in writes
    }

    assert found == {"apply/sending.py", "apply/probing.py"}


def test_the_map_of_changes_names_files_that_exist():
    "CONTRIBUTING sends nobody to a file that was moved."
    table = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## House style")[0]
    known = {path.name for path in PACKAGE.rglob("*.*")} | {path.name for path in Path(__file__).parent.glob("*.py")}

    named = {Path(name).name for name in re.findall(r"`([\w/]+\.(?:py|html))`", table)}

    assert named - known == set()
    flat = {name for name in re.findall(r"\| `(\w+\.py)`", table) if "/" not in name}
    assert {name for name in flat if not name.startswith("test_") and not (PACKAGE / name).exists()} == set()
