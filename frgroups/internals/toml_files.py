"""Read TOML files that users write, such as limits files and policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from frgroups.errors import InputError


def read_toml(path: Path, description: str, *, example: str = "") -> tuple[dict[str, Any], bytes]:
    r"""
    Read a TOML file in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    path
        Path of the file.
    description
        Kind of file for error messages, for example "policy".
    example
        Text to append to the error if the file is not valid TOML.

    Returns
    -------
    tuple of (dict, bytes)
        The parsed content and the bytes of the file.

    Raises
    ------
    InputError
        The file cannot be read or is not valid TOML.

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
        raise InputError(f"Cannot read the {description} {path}: {reason}.") from error
    try:
        return msgspec.toml.decode(body.decode("utf-8-sig"), type=dict[str, Any]), body
    except UnicodeDecodeError:
        problem = "the encoding is not UTF-8"
    except (msgspec.DecodeError, RecursionError) as error:
        problem = str(error)
    raise InputError(f"The {description} {path} is not valid TOML: {problem}.{example}")
