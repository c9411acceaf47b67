"""Correct the HTML of signatures and references, in which Sphinx and docutils use lists and roles incorrectly."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

# Sphinx writes a long signature as a definition list without terms.
_PARAMETERS = re.compile(r'<dl>\s*((?:<dd><em class="sig-param">.*?</dd>\s*)+)</dl>', re.S)
# The role "list" requires children with the role "listitem", and the role "doc-biblioentry" is deprecated.
_INVALID_ROLES = re.compile(r' role="list"(?= class="citation-list")| role="doc-biblioentry"')


def correct_html(body: str) -> str:
    """
    Replace the definition lists in signatures, and remove invalid roles from references.

    Examples
    --------
    >>> correct_html('<dl><dd><em class="sig-param">uid</em></dd></dl>')
    '<div class="sig-parameters"><div><em class="sig-param">uid</em></div></div>'
    >>> correct_html('<div role="list" class="citation-list">')
    '<div class="citation-list">'
    """
    return _INVALID_ROLES.sub("", _PARAMETERS.sub(_parameter_blocks, body))


def _parameter_blocks(match: re.Match[str]) -> str:
    parameters = match[1].strip().replace("<dd>", "<div>").replace("</dd>", "</div>")
    return f'<div class="sig-parameters">{parameters}</div>'


def update_page(
    app: Sphinx,  # noqa: ARG001  # Sphinx API
    page: str,  # noqa: ARG001  # Sphinx API
    template: str,  # noqa: ARG001  # Sphinx API
    context: dict[str, Any],
    doctree: object,  # noqa: ARG001  # Sphinx API
) -> None:
    """Correct the HTML of a page before it is written."""
    if "body" in context:
        context["body"] = correct_html(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the function to Sphinx."""
    app.connect("html-page-context", update_page)
    return {"parallel_read_safe": True}
