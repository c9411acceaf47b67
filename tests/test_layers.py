"""The package is one pipeline: imports point down, and only a few files may reach the network."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "frgroups"

# From the top down; a module imports only from rows below its own.
ROWS = [
    ["__init__", "cli", "__main__"],
    ["commands"],
    ["demo", "fleet", "session"],
    ["forgetting"],
    ["load", "apply", "review", "plot", "sandbox"],
    ["cover", "described"],
    ["sending", "reading"],
    ["seen", "history"],
    ["members", "shown", "receipt", "lists", "planning"],
    ["approval", "health", "clusters", "guards"],
    [
        *("client", "cache", "journal", "records", "overlap", "regions", "sizes", "expressions"),
        *("segments", "profile", "reach"),
    ],
    ["comparison"],
    [
        *("check", "tenants", "attributes", "channels", "redundancy", "fewest", "campaigns"),
        *("changes", "flow", "paging", "creation"),
    ],
    ["transport", "plan", "token_command", "consents", "compared"],
    ["plan_findings"],
    ["registered", "group_change"],
    [
        *("wire", "connections", "snapshot", "retry", "limits", "pair_counts", "region_counts", "chances"),
        *("greedy", "register"),
    ],
    ["universe"],
    ["codes", "tables", "sealed", "tombstones", "tenant_lock", "listfiles"],
    [
        *("exits", "human", "page_assets", "home", "progress", "card", "versions", "durations", "inputs"),
        *("suppression", "effects", "rules"),
    ],
    ["logs"],
    ["errors"],
    ["advice"],
]
ROW = {module: number for number, row in enumerate(ROWS) for module in row}
MAY_IMPORT_CLIENT = {"__init__", "members", "reading", "load", "apply", "sending", "sandbox", "demo"}
MAY_IMPORT_CLIENT |= {"shown", "fleet", "commands", "session", "guards"}


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
    found = {module for module, path in modules() if "client" in imported(path)}

    assert found <= MAY_IMPORT_CLIENT


def test_httpx_is_imported_by_the_transport_and_its_connections():
    "The HTTP library could be exchanged by changing what sends calls, and what lies under it."
    found = {module for module, path in modules() if "httpx" in path.read_text(encoding="utf-8").split()}

    assert {module for module in found if module not in ("versions",)} == {"transport", "connections"}


def test_the_sandbox_knows_nothing_of_wire():
    "A wrong field name cannot pass on both sides, because the two sides share none."
    found = {name for module, path in modules() if module == "sandbox" for name in imported(path)}

    assert found & {"wire", "records", "transport"} == set()


def test_only_apply_and_its_sender_write():
    "Nothing else in the package calls an operation that changes a tenant."
    writes = {"create_group", "update_group", "delete_group", "update_group_customers"}
    found = {
        module
        for module, path in modules()
        if module not in ("client", "sandbox")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in writes
    }

    assert found == {"sending"}
