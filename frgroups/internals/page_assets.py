"""The style sheets, scripts and frames of our pages, and the hashes by which a page allows its own and no others."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from string import Template


@cache
def asset(name: str) -> str:
    """The text of a file of this package, read as bytes so that no system's line ends change a hash."""
    return Path(__file__).parent.joinpath(name).read_bytes().decode().replace("\r\n", "\n")


def framed(name: str, *, title: str, scripts: tuple[str, ...] = (), **parts: str) -> str:
    """
    A whole page of the parts of `name`.html, with `name`.css and `name`.js in it, or `scripts`; the parts are HTML.

    It asks nothing of the network: its policy allows that style, that script and nothing else.
    """
    style = asset(f"{name}.css")
    script = "".join(map(asset, scripts or (f"{name}.js",)))
    return Template(asset("page_frame.html")).substitute(
        style=style,
        style_hash=fingerprint(style),
        script=script,
        script_hash=fingerprint(script),
        title=title,
        body=Template(asset(f"{name}.html")).substitute(parts),
    )


def fingerprint(text: str) -> str:
    """
    What a Content-Security-Policy calls a style or script that stands in its page.

    >>> fingerprint("")[:14]
    'sha256-47DEQpj'
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
