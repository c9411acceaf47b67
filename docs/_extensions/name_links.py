"""Link code in docstrings to the reference pages of public names."""

from __future__ import annotations

import inspect
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode, split_explicit_title

import frgroups as fg
from reference_pages import error_tree

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
    if first in {error.__name__ for error, _ in error_tree()} and first not in fg.__all__:
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


class NameRole(SphinxRole):
    """
    Role for code that names a public object, with an optional title: ``name`` or ``title <name>``.

    Parameters
    ----------
    is_strict
        Whether text that is not a public name is an error. Otherwise, it is shown as code without a link.
    """

    def __init__(self, *, is_strict: bool) -> None:
        self._is_strict = is_strict

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return a link to the reference page of the name."""
        _, title, name = split_explicit_title(self.text)
        target = reference_target(name)
        if target is None:
            messages = []
            if self._is_strict:
                messages = [self.inliner.reporter.warning(f"{name} is not a public name.", line=self.lineno)]
            return [nodes.literal(self.rawtext, self.text)], messages
        code = nodes.literal(self.rawtext, title, classes=["xref", "py"])
        link = addnodes.pending_xref(
            self.rawtext, code, refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=True
        )
        return [link], []


def public_paths() -> dict[str, str]:
    """Return the public name of each class and exception, by the full name of its definition."""
    classes = {f"frgroups.errors.{error.__name__}": error for error, _ in error_tree()}
    classes |= {f"frgroups.{name}": getattr(fg, name) for name in fg.__all__}
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
    """Register the roles and the resolver."""
    app.add_role("name", NameRole(is_strict=True))
    app.add_role("name_or_code", NameRole(is_strict=False))
    app.connect("missing-reference", resolve_annotation)
    return {"parallel_read_safe": True}
