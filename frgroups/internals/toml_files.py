"""Read TOML files that users write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from frgroups.errors import InputError


def read_toml(path: Path, description: str, *, example: str = "") -> tuple[dict[str, Any], bytes]:
    r"""
    Return the content of a TOML file in UTF-8, with or without a byte order mark, and its bytes.

    Raise InputError if the file cannot be read or is not valid TOML. `description` names the kind of file in the
    message, and `example` is appended to the message about invalid TOML.

    Examples
    --------
    >>> path = home() / "policy.toml"
    >>> _ = path.write_text("max_adds = 50")
    >>> read_toml(path, "policy")
    ({'max_adds': 50}, b'max_adds = 50')
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        if path.is_dir():
            reason = "it is a folder"
        raise InputError(f"The {description} {path} cannot be read: {reason}.") from error
    try:
        return msgspec.toml.decode(body.decode("utf-8-sig"), type=dict[str, Any]), body
    except UnicodeDecodeError:
        problem = "the encoding is not UTF-8"
    except (msgspec.DecodeError, RecursionError) as error:
        problem = str(error)
    raise InputError(f"The {description} {path} is not valid TOML: {problem}.{example}")
