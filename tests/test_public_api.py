"""Tests for the public names, their documentation, and the cost of importing them."""

import ast
import doctest
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.validate import validate

import frgroups as fg

STUB = Path(fg.__file__).with_name("__init__.pyi")


def stub_names():
    """Return the names that the stub file `__init__.pyi` imports, and the names in its `__all__`."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    imported = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    exported = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    return imported, exported[0]


def test_stub_lists_the_public_names():
    "The stub file of the package imports exactly the names in `__all__`, and the package exports the same names."
    imported, exported = stub_names()

    assert sorted(imported) == sorted(exported) == sorted(fg.__all__) == sorted(dir(fg))


@pytest.mark.parametrize("name", fg.__all__)
def test_public_name(name):
    "Each public name refers to the object in the module from which the stub file imports the name."
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.names[0].asname == name]
    expected = importlib.import_module(f"frgroups.{modules[0] or name}")
    if modules[0]:
        expected = getattr(expected, name)

    assert getattr(fg, name) is expected


@pytest.mark.parametrize("package", [fg, fg.plot], ids=["frgroups", "frgroups.plot"])
def test_no_public_name_hides_a_module(package):
    "No public function or class has the same name as a module in its package."
    modules = {info.name for info in pkgutil.iter_modules(package.__path__)}
    functions = {name for name in package.__all__ if not inspect.ismodule(getattr(package, name))}

    assert functions & modules == set()


def test_unknown_name():
    "Accessing an unknown name in the frgroups package raises AttributeError."
    with pytest.raises(AttributeError, match="load_snapshots"):
        _ = fg.load_snapshots


def public_objects():
    """Yield the name and the object of each public class, function, method, and property."""
    for name in fg.__all__:
        value = getattr(fg, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value) and not issubclass(value, Exception):
            bases = [base for base in value.__mro__ if base.__module__.startswith("frgroups.")]
            for attribute, member in [item for base in bases for item in vars(base).items()]:
                if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{name}.{attribute}", member


def test_docstrings():
    "Each public class, function, method, and property has a docstring."
    missing = [name for name, value in public_objects() if not inspect.getdoc(value)]

    assert missing == []


def documented_names():
    """Return the import path of each public class, function, chart, and method."""
    members = [name for name, value in public_objects() if not isinstance(value, property)]
    return [f"frgroups.{name}" for name in members] + [f"frgroups.plot.{name}" for name in fg.plot.__all__]


@pytest.mark.parametrize("name", documented_names())
def test_numpydoc_sections(name):
    "Each public docstring contains examples, documents only existing parameters, and has the standard section order."
    codes = {code for code, _ in validate(name)["errors"]}
    is_error = inspect.isclass(getattr(fg, name.removeprefix("frgroups."), None)) and name.endswith("Error")

    assert codes & {"GL07", "GL08", "PR02"} == set()
    assert is_error or "EX01" not in codes


def module_names():
    """Return the names of all modules of the package."""
    names = [info.name for info in pkgutil.walk_packages(fg.__path__, "frgroups.")]
    return [name for name in names if not name.endswith((".notebooks", ".__main__"))]


@pytest.mark.parametrize("name", module_names())
def test_examples(name):
    "Each docstring example produces the documented output, and can use all public names without an import."
    module = importlib.import_module(name)
    names = {public: getattr(fg, public) for public in fg.__all__} | vars(module) | {"fg": fg}

    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)

    assert result.failed == 0


def loaded_after(statement):
    """Return the names of the modules that a statement loads in a new interpreter."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(process.stdout))


def test_import_is_lazy():
    "Importing frgroups does not load pandas, httpx, or other large third-party libraries."
    loaded = loaded_after("import frgroups")

    heavy = {"pandas", "numpy", "pyarrow", "httpx", "msgspec", "matplotlib", "scipy", "click", "rich", "jinja2"}
    assert loaded & heavy == set()


def test_imports_of_the_main_names():
    "Importing the main functions does not load libraries for charts, statistics, templates, or the sandbox."
    loaded = loaded_after("import frgroups as fg; fg.load_snapshot, fg.plan_memberships, fg.Client")

    heavy = {"matplotlib", "scipy", "starlette", "uvicorn", "tqdm", "openpyxl", "IPython", "duckdb", "jinja2"}
    assert loaded & heavy == set()


def test_tables_in_memory_load_no_engine():
    "Analyzing a table in memory and planning from it do not load Narwhals or a query engine."
    loaded = loaded_after(
        "import frgroups as fg; snapshot = fg.sample_snapshot(); fg.group_sizes(snapshot.memberships); "
        "fg.plan_memberships(snapshot, snapshot.memberships)"
    )

    assert loaded & {"narwhals", "duckdb", "polars", "pyspark"} == set()


def test_number_of_imports():
    "Importing the main functions loads at most 25% more modules than importing the packages that they need."
    base = loaded_after("import pandas, pyarrow.parquet, httpx, filelock")
    loaded = loaded_after("import frgroups as fg; fg.load_snapshot, fg.plan_memberships, fg.Client")

    assert len(loaded) <= 1.25 * len(base)
