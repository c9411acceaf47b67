"""Write generated pages, and format their headings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def heading(text: str, underline: str = "=") -> str:
    """Return a reStructuredText heading."""
    return f"{escape(text)}\n{underline * (len(escape(text)) + 1)}\n"


def escape(text: str) -> str:
    r"""
    Escape the characters that have a meaning in reStructuredText.

    Text between backticks is shown as code.

    Examples
    --------
    >>> escape("a * b")
    'a \\* b'
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return re.sub(r"([\\*`|_])", r"\\\1", text)
    return "".join(
        f"``{part}``" if number % 2 else re.sub(r"([\\*|_])", r"\\\1", part) for number, part in enumerate(parts)
    )


def write_pages(folder: Path, pages: Mapping[str, str], suffix: str = ".rst") -> None:
    """
    Write pages to a folder, and delete other pages with the same suffix.

    A page that does not change keeps its modification time, so that Sphinx does not read it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"*{suffix}"):
        if path.stem not in pages and path.name.removesuffix(suffix) not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}{suffix}"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
