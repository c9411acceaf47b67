"""The style sheets, scripts and frames of our pages, and the hashes by which a page allows its own and no others."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path


@cache
def asset(name: str) -> str:
    """The text of a file of this package, read as bytes so that no system's line ends change a hash."""
    return Path(__file__).parent.joinpath(name).read_bytes().decode().replace("\r\n", "\n")


def fingerprint(text: str) -> str:
    """
    What a Content-Security-Policy calls a style or script that stands in its page.

    >>> fingerprint("")[:14]
    'sha256-47DEQpj'
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
