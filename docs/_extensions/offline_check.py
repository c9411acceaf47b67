"""Check that the built pages load no script, style, font, or picture from another host."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
_REMOTE = r"""["']?(?:https?:)?//[^"'\s)>]+"""
_IN_HTML = re.compile(
    rf"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\s(?:src|srcset)=({_REMOTE})"
    rf"|<link\b(?=[^>]*\srel=[\"']?(?:stylesheet|preload|icon|preconnect))[^>]*?\shref=({_REMOTE})",
    re.I,
)
_IN_CSS = re.compile(rf"(?:@import\s+(?:url\()?|url\()\s*({_REMOTE})", re.I)


def remote_resources(folder: Path) -> list[tuple[str, str]]:
    """Return the file and the address of each resource that a built page loads from another host."""
    found = []
    for path in sorted(folder.rglob("*")):
        pattern = {".html": _IN_HTML, ".css": _IN_CSS}.get(path.suffix)
        if pattern is not None:
            for match in pattern.finditer(path.read_text(encoding="utf-8")):
                found.append((str(path.relative_to(folder)), next(filter(None, match.groups())).strip("\"'")))
    return found


def check(app: Sphinx, error: Exception | None) -> None:
    """Log a warning, which fails the build, for each resource on another host."""
    if error is None and app.builder.format == "html":
        for page, address in remote_resources(Path(app.outdir)):
            LOGGER.warning("%s loads %s from another host", page, address)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the check to Sphinx."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}
