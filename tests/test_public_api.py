"""The front door: what it offers, that each example runs, and what it costs to open."""

import doctest
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

import frgroups as fg

CONTRACT = [
    "Check",
    "Client",
    "Customer",
    "Finding",
    "FrgroupsError",
    "Group",
    "Limits",
    "PRODUCTION",
    "Plan",
    "Policy",
    "Receipt",
    "STAGE",
    "Sandbox",
    "Session",
    "Snapshot",
    "WriteCapabilities",
    "__version__",
    "apply_plan",
    "approve_plan",
    "cache_info",
    "campaign_reach",
    "compare_groups",
    "customer_history",
    "describe",
    "duplicate_groups",
    "erase_customer",
    "errors",
    "export_customer",
    "finalize_plan",
    "group_changes",
    "group_clusters",
    "group_flow",
    "group_profile",
    "group_sizes",
    "groups_per_customer",
    "health_report",
    "home",
    "incremental_reach",
    "intersections",
    "list_snapshots",
    "load_snapshot",
    "log_json",
    "members",
    "membership_changes",
    "overlap_matrix",
    "overlap_pairs",
    "plan_memberships",
    "plan_undo",
    "plot",
    "probe_writes",
    "prune",
    "reachability",
    "read_limits",
    "read_list",
    "read_plan",
    "read_policy",
    "read_receipt",
    "read_register",
    "read_snapshot",
    "refresh_groups",
    "region_members",
    "resolve_customers",
    "sample_snapshot",
    "save_review",
    "save_snapshot",
    "segment",
    "set_cover",
    "show_versions",
    "size_history",
    "snapshot_from_frames",
    "start_session",
    "subset_groups",
    "suppression_list_path",
    "tenant_status",
]


def test_the_front_door_is_the_contract():
    "What the package offers is listed, complete, and can be had."
    assert sorted(fg.__all__) == CONTRACT
    assert all(getattr(fg, name) is not None for name in fg.__all__)
    assert dir(fg) == sorted(fg.__all__)


def test_an_unknown_name_is_an_attribute_error():
    "A name that is not there fails as in any module."
    with pytest.raises(AttributeError, match="load_snapshots"):
        _ = fg.load_snapshots


def public_things():
    """Every public class and function of the front door, with the methods of the classes."""
    for name in fg.__all__:
        thing = getattr(fg, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield name, thing
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for attribute, member in vars(thing).items():
                if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{name}.{attribute}", member


def test_everything_public_is_documented():
    "Each public class, function, method and property has a docstring."
    missing = [name for name, thing in public_things() if not inspect.getdoc(thing)]

    assert missing == []


def test_every_public_function_has_an_example():
    "Each function of the front door shows an example."
    functions = {name for name in fg.__all__ if inspect.isfunction(getattr(fg, name))}
    bare = {name for name in functions if ">>>" not in (inspect.getdoc(getattr(fg, name)) or "")}

    assert bare == set()


def module_names():
    names = [info.name for info in pkgutil.walk_packages(fg.__path__, "frgroups.")]
    return [name for name in names if not name.endswith((".notebooks", ".__main__"))]


@pytest.mark.parametrize("name", module_names())
def test_the_examples_run(name):
    "Each example in a docstring gives what it says, with the front door's names at hand."
    module = importlib.import_module(name)
    names = {public: getattr(fg, public) for public in fg.__all__} | vars(module) | {"fg": fg}

    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)

    assert result.failed == 0


def loaded_after(statement):
    """The modules that are loaded after a statement in a fresh interpreter."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_loads_nothing_that_is_not_needed_yet():
    "Charts, statistics, progress bars and the sandbox are loaded on first use."
    loaded = loaded_after("import frgroups")

    heavy = {"matplotlib", "scipy", "starlette", "uvicorn", "tqdm", "openpyxl", "IPython", "duckdb", "filelock"}
    assert loaded & heavy <= {"filelock"}


def test_importing_costs_little_more_than_its_base():
    "At most a quarter more modules than pandas, pyarrow and httpx bring themselves."
    base = loaded_after("import pandas, pyarrow.parquet, httpx")
    ours = loaded_after("import frgroups")

    assert len(ours) <= 1.25 * len(base)
