"""The front door: what it offers, that each example runs, and what it costs to open."""

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

import frgroups as fg

STUB = Path(fg.__file__).with_name("__init__.pyi")


def stub_names():
    """Return the names that the stub imports, and its `__all__`."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    imported = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    exported = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    return imported, exported[0]


def test_stub_lists_the_public_names():
    "The stub imports exactly the names of its `__all__`, and the package offers the same names."
    imported, exported = stub_names()

    assert sorted(imported) == sorted(exported) == sorted(fg.__all__) == sorted(dir(fg))


@pytest.mark.parametrize("name", fg.__all__)
def test_public_name_is_what_the_stub_says(name):
    "Each public name is the object of that name in the module that the stub names."
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.names[0].asname == name]
    expected = importlib.import_module(f"frgroups.{modules[0] or name}")
    if modules[0]:
        expected = getattr(expected, name)

    assert getattr(fg, name) is expected


@pytest.mark.parametrize("package", [fg, fg.plot], ids=["frgroups", "frgroups.plot"])
def test_no_public_name_hides_a_module(package):
    "No public name of a package is the name of one of its modules, except modules that are public themselves."
    modules = {info.name for info in pkgutil.iter_modules(package.__path__)}
    functions = {name for name in package.__all__ if not inspect.ismodule(getattr(package, name))}

    assert functions & modules == set()


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


def test_import_is_lazy():
    "Importing the package alone loads no third-party library except the lazy loader."
    loaded = loaded_after("import frgroups")

    heavy = {"pandas", "numpy", "pyarrow", "httpx", "msgspec", "matplotlib", "scipy", "click", "rich", "jinja2"}
    assert loaded & heavy == set()


def test_using_the_main_names_loads_nothing_else():
    "Loading and planning need no charts, statistics, progress bars, templates or sandbox."
    loaded = loaded_after("import frgroups as fg; fg.load_snapshot, fg.plan_memberships, fg.Client")

    heavy = {"matplotlib", "scipy", "starlette", "uvicorn", "tqdm", "openpyxl", "IPython", "duckdb", "jinja2"}
    assert loaded & heavy == set()


def test_using_the_main_names_costs_little_more_than_their_base():
    "At most a quarter more modules than pandas, pyarrow and httpx load themselves."
    base = loaded_after("import pandas, pyarrow.parquet, httpx")
    ours = loaded_after("import frgroups as fg; fg.load_snapshot, fg.plan_memberships, fg.Client")

    assert len(ours) <= 1.25 * len(base)
