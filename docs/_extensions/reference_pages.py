"""Generate the reference: one page for each name in `frgroups/__init__.pyi` and for each chart of `frgroups.plot`."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import frgroups as fg
from frgroups.sandbox.faults import Behavior, Fault
from page_files import heading, write_pages

STUB = Path(fg.__file__).with_name("__init__.pyi")

# A name belongs to the section with the longest prefix of the module that defines it, so new names need no entry.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Connect to a tenant": ("api", "session", "sandbox"),
    "Load and store snapshots": ("load", "store", "snapshot", "engines.scan"),
    "Sizes and overlap": ("analysis",),
    "Duplicates, clusters, and health": (
        "analysis.duplicates",
        "analysis.clusters",
        "analysis.set_cover",
        "analysis.health",
    ),
    "Profiles, consent, and campaigns": (
        "analysis.profile",
        "analysis.reach",
        "analysis.register",
        "analysis.campaigns",
        "analysis.customer_split",
        "analysis.split_balance",
        "analysis.lift",
    ),
    "Changes and history": ("analysis.changes", "analysis.flow", "history"),
    "Select customers": (
        "analysis.group_expressions",
        "analysis.segments",
        "analysis.waterfall",
        "snapshot.customer_lists",
        "snapshot.id_resolution",
    ),
    "Charts, reports, and descriptions": ("plot", "report", "analysis.describe"),
    "Plan changes": ("plan",),
    "Review and approve": ("review",),
    "Apply and undo": ("apply",),
    "Personal data": ("privacy",),
    "Settings and versions": ("internals",),
    "Errors": ("errors",),
}
# Classes that are documented on the page of a public name, because only its arguments use them.
CLASSES_OF_ARGUMENTS = {"Sandbox": (Behavior, Fault)}
# A string has no docstring that autodoc can read.
CONSTANTS = {
    "PRODUCTION": "Base URL of the production server.",
    "STAGE": "Base URL of the stage server, which is the default of `Client`.",
    "__version__": "Version of the installed package.",
}
INTRODUCTION = """
This reference describes every public name of frgroups. The import is ``import frgroups as fg``. The examples on the
pages of the reference omit the prefix ``fg.``.

Result tables are pandas DataFrames. Uids and names are columns, and shares are numbers from 0 to 1. Each page lists
the columns of its table. For the options and exit codes of the commands, see :doc:`/commands/index`.
"""


def public_modules() -> dict[str, str]:
    """Return the module of each public name, relative to `frgroups`, in the order of the stub file."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    modules = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                modules[alias.asname or alias.name] = node.module or alias.name
    return modules


def section_of(module: str) -> str:
    """Return the title of the reference section for the names of a module."""
    lengths = {
        title: max((len(prefix) for prefix in prefixes if f"{module}.".startswith(f"{prefix}.")), default=-1)
        for title, prefixes in SECTIONS.items()
    }
    title = max(lengths, key=lambda name: lengths[name])
    if lengths[title] < 0:
        raise ValueError(f"No section of the reference contains the package of {module}. Add it to SECTIONS.")
    return title


def error_tree(base: type[Exception] = fg.FrgroupsError, depth: int = 0) -> list[tuple[type[Exception], int]]:
    """Return an exception of `frgroups.errors` and its subclasses, each with its depth in the tree."""
    subclasses = [item for item in vars(fg.errors).values() if inspect.isclass(item) and base in item.__bases__]
    return [(base, depth), *(item for subclass in subclasses for item in error_tree(subclass, depth + 1))]


def summary(value: Any) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(value) or "").partition("\n")[0]


def description(name: str) -> str:
    """Return one sentence about a public name."""
    return CONSTANTS[name] if isinstance(getattr(fg, name), str) else summary(getattr(fg, name))


def reference_pages() -> dict[str, str]:
    """Return the text of each reference page, by page name without the suffix."""
    pages = {name: _page(name) for name in public_modules()}
    pages |= {f"plot.{name}": _chart_page(name) for name in fg.plot.__all__}
    pages["index"] = _index()
    return pages


def _page(name: str) -> str:
    value = getattr(fg, name)
    if name == "errors":
        return _errors_page()
    if inspect.ismodule(value):
        return _charts_page()
    lines = [heading(name), ".. currentmodule:: frgroups", ""]
    if isinstance(value, str):
        lines += [f".. py:data:: {name}", f"   :value: {value!r}", "", f"   {CONSTANTS[name]}", ""]
    elif inspect.isclass(value):
        is_error = issubclass(value, Exception)
        lines.append(f".. {'autoexception' if is_error else 'autoclass'}:: {name}")
        lines += ["   :members:", "" if is_error else "   :inherited-members:", ""]
        for used in CLASSES_OF_ARGUMENTS.get(name, ()):
            lines += [heading(used.__name__, "-"), f".. autoclass:: {used.__module__}.{used.__name__}", ""]
    else:
        lines += [f".. autofunction:: {name}", ""]
    return "\n".join(lines)


def _chart_page(name: str) -> str:
    return "\n".join(
        [
            heading(f"plot.{name}"),
            ".. currentmodule:: frgroups.plot",
            "",
            f".. autofunction:: {name}",
            "",
            f"The gallery shows :doc:`a picture of this chart </gallery/{name}>`.",
            "",
        ]
    )


def _charts_page() -> str:
    rows = [(f"plot.{name}", f"plot.{name}", summary(getattr(fg.plot, name))) for name in fg.plot.__all__]
    text = (inspect.getdoc(fg.plot) or "").partition("\n")[2].strip()
    return "\n".join([heading("plot"), ".. py:module:: frgroups.plot", "", text, "", _table(rows)])


def _errors_page() -> str:
    lines = [heading("errors"), ".. py:module:: frgroups.errors", "", "Exceptions of frgroups.", ""]
    lines += ["Each exception is a subclass of `FrgroupsError`.", "", ".. code-block:: text", ""]
    lines += [f"   {'    ' * depth}{error.__name__}" for error, depth in error_tree()]
    lines += ["", ".. currentmodule:: frgroups.errors", ""]
    for error, _ in error_tree()[1:]:
        bases = [base for base in error.__bases__ if base.__module__ == "builtins"]
        lines += [f".. autoexception:: {error.__name__}", "   :show-inheritance:" if bases else "", ""]
    return "\n".join(lines)


def _index() -> str:
    sections: dict[str, list[tuple[str, str, str]]] = {title: [] for title in SECTIONS}
    for name, module in public_modules().items():
        if name == "plot":
            continue
        sections[section_of(module)].append((name, name, description(name)))
    charts = [(f"plot.{name}", f"plot.{name}", summary(getattr(fg.plot, name))) for name in fg.plot.__all__]
    sections[section_of("plot")] = [("plot", "plot", summary(fg.plot)), *charts, *sections[section_of("plot")]]
    lines = [heading("Reference"), INTRODUCTION]
    for title, rows in sections.items():
        if rows:
            lines += [heading(title, "-"), _table(rows), _toctree(title, rows)]
    return "\n".join(lines)


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = [".. list-table::", "   :widths: 30 70", "   :class: reference-table", ""]
    for page, name, text in rows:
        lines += [f"   * - :doc:`{name} </reference/{page}>`", f"     - {text}"]
    return "\n".join([*lines, ""])


def _toctree(caption: str, rows: list[tuple[str, str, str]]) -> str:
    options = ["   :hidden:", f"   :caption: {caption}"]
    return "\n".join([".. toctree::", *options, "", *(f"   /reference/{row[0]}" for row in rows), ""])


def adapt_signature(
    app: Sphinx,  # noqa: ARG001  # Sphinx API
    what: str,  # noqa: ARG001  # Sphinx API
    name: str,  # noqa: ARG001  # Sphinx API
    value: object,
    options: object,  # noqa: ARG001  # Sphinx API
    signature: str | None,
    annotation: str | None,
) -> tuple[str | None, str | None]:
    """Omit the signature of exceptions, which have the parameters of FrgroupsError, and name default functions."""
    if inspect.isclass(value) and issubclass(value, fg.FrgroupsError) and value is not fg.FrgroupsError:
        return "", None
    # A repr such as <function _now> is not valid Python, so Sphinx would show the signature as plain text.
    return signature and re.sub(r"<function (\w+)(?: at \w+)?>", r"\1", signature), annotation


def write(app: Sphinx) -> None:
    """Write the reference pages to the source folder of the documentation."""
    write_pages(Path(app.srcdir, "reference"), reference_pages())


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the generator to Sphinx."""
    app.connect("builder-inited", write)
    app.connect("autodoc-process-signature", adapt_signature)
    return {"parallel_read_safe": True}
