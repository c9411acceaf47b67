"""Link code in docstrings to the reference pages of public names."""

from __future__ import annotations

import inspect
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

import frgroups as fg

_NAME = re.compile(r"(?:fg\.|frgroups\.)?(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(.*\))?", re.S)


def reference_target(text: str) -> str | None:
    """
    Return the full name of the documented object that a piece of code names, or None.

    Examples
    --------
    >>> reference_target("fg.plot.sizes"), reference_target("Plan.save(path)"), reference_target("n_members")
    ('frgroups.plot.sizes', 'frgroups.Plan.save', None)
    """
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    first, *rest = match["name"].split(".")
    if first in vars(fg.errors) and first not in fg.__all__:
        first, rest = "errors", [first, *rest]
    if first not in fg.__all__:
        return None
    value = getattr(fg, first)
    for name in rest:
        value = inspect.getattr_static(value, name, None)
        documented = inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, property | classmethod)
        if name.startswith("_") or not documented:
            return None
    return ".".join(["frgroups", first, *rest])


def name_role(
    role: str,  # noqa: ARG001  # docutils API
    rawtext: str,
    text: str,
    lineno: int,  # noqa: ARG001  # docutils API
    inliner: Any,  # noqa: ARG001  # docutils API
    options: Any = None,  # noqa: ARG001  # docutils API
    content: Any = None,  # noqa: ARG001  # docutils API
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Return a link if the text is a public name, and code without a link otherwise."""
    code = nodes.literal(rawtext, text)
    target = reference_target(text)
    if target is None:
        return [code], []
    code["classes"] += ["xref", "py"]
    link = addnodes.pending_xref(
        rawtext, code, refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=True
    )
    return [link], []


def public_paths() -> dict[str, str]:
    """Return the public name of each class and exception, by the full name of its definition."""
    classes = {f"frgroups.{name}": getattr(fg, name) for name in fg.__all__}
    classes |= {f"frgroups.errors.{name}": value for name, value in vars(fg.errors).items()}
    return {f"{item.__module__}.{item.__qualname__}": name for name, item in classes.items() if inspect.isclass(item)}


def resolve_annotation(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """
    Resolve a reference in a signature to the public name of the class.

    Classes without a reference page, such as those of other libraries, are shown without a link.
    """
    if node.get("refdomain") != "py" or node.get("reftype") not in {"class", "exc"}:
        return None
    target = node["reftarget"]
    for path, name in public_paths().items():
        found = env.domains.python_domain.objects.get(name)
        if found is not None and target in (path, name, path.rpartition(".")[2]):
            return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content)
    return content


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the role and the resolver."""
    app.add_role("name", name_role)
    app.connect("missing-reference", resolve_annotation)
    return {"parallel_read_safe": True}
