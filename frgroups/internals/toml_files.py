"""Read TOML files that users write, such as limits files and policies."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from frgroups.errors import InputError

# Messages of `tomllib` about a table or a key that is defined twice.
_DUPLICATE = re.compile(r"Cannot (?:declare .* twice|overwrite a value|mutate immutable namespace .*) \(at (.*)\)")
_LINE = re.compile(r"line (\d+), column \d+")
# Replacements for parts of `msgspec` messages that users would not understand.
_PROBLEMS = {
    r"Expected `str` matching regex '\\S'": "the text is blank",
    "Invalid RFC3339 encoded date": "expected a date such as 2027-06-30",
    " | null": "",
}
# A message of `msgspec` about a value of the wrong type.
_WRONG_TYPE = re.compile(
    r"Expected `(?P<expected>[^`]+)`(?P<bound>[^,`]*?)(?P<got>, got `(?P<actual>[^`]+)`)?(?= - at|$)"
)
_TYPE_NAMES = {
    "str": "a text in quotes",
    "int": "a whole number",
    "float": "a decimal number",
    "bool": "true or false",
    "array": "a list in square brackets",
    "object": "a table",
    "date": "a date such as 2027-06-30",
    "time": "a time of day",
    "datetime": "a date with a time",
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


# The type of a string that must not be blank.
NonblankText = Annotated[str, msgspec.Meta(pattern=r"\S")]


def describe_invalid(error: msgspec.ValidationError) -> str:
    """
    Describe an invalid value in a file. The description ends with the path of the value within the file.

    Examples
    --------
    >>> try:
    ...     msgspec.convert({"by": " "}, dict[str, NonblankText])
    ... except msgspec.ValidationError as error:
    ...     describe_invalid(error)
    'the text is blank - at `$[...]`'
    >>> try:
    ...     msgspec.convert({"by": 3}, dict[str, NonblankText])
    ... except msgspec.ValidationError as error:
    ...     describe_invalid(error)
    'expected a text in quotes, got a whole number - at `$[...]`'
    """
    text = str(error)
    for problem, replacement in _PROBLEMS.items():
        text = text.replace(problem, replacement)
    return _WRONG_TYPE.sub(_describe_types, text)


def _describe_types(match: re.Match[str]) -> str:
    """Replace the type names in a `msgspec` message with descriptions of TOML values."""
    expected = " or ".join(_TYPE_NAMES.get(name, name) for name in match["expected"].split(" | "))
    text = f"expected {expected}{match['bound']}"
    if match["got"]:
        text += f", got {_TYPE_NAMES.get(match['actual'], match['actual'])}"
    return text


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
        text = body.decode("utf-8-sig")
        return msgspec.toml.decode(text, type=dict[str, Any]), body
    except UnicodeDecodeError:
        problem = "the encoding is not UTF-8"
    except (msgspec.DecodeError, RecursionError) as error:
        problem = str(error)
        duplicate = _DUPLICATE.fullmatch(problem)
        if duplicate:
            # The matched text after "at" is, for example, "line 5, column 3" or "end of document".
            at = _LINE.fullmatch(duplicate[1])
            lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
            problem = _describe_duplicate(lines, int(at[1]) if at else len(lines))
            raise InputError(f"The {description} {path} is not valid TOML: {problem}") from None
    raise InputError(f"The {description} {path} is not valid TOML: {problem}.{example}")


def toml_string(text: str) -> str:
    r"""
    Encode a string as a basic string of TOML, in double quotes.

    JSON and TOML have the same escape sequences, but TOML also requires an escape sequence for U+007F.

    Examples
    --------
    >>> print(toml_string('5" screen'))
    "5\" screen"
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(*names: str) -> str:
    """
    Join names into the dotted path of a table or a key. Names that are not valid bare keys are quoted.

    Examples
    --------
    >>> toml_key("groups", "vip"), toml_key("groups", "sport.no")
    ('groups.vip', 'groups."sport.no"')
    """
    return ".".join(name if _BARE_KEY.fullmatch(name) else toml_string(name) for name in names)


def _describe_duplicate(lines: list[str], end: int) -> str:
    """
    Describe a table or key that a TOML file defines twice. The line number `end` is the end of the second definition.

    The description contains only names of tables and keys, because a value can be secret.
    """
    start = end
    while start > 1 and not _is_valid("\n".join(lines[: start - 1])):
        start -= 1  # A definition can span several lines, for example if it contains a list.
    path = _statement_path(lines[start - 1])
    if path is None:
        return f"line {start} defines a table or a key again. Remove the duplicate."
    # A line in a multiline string can look like a definition, so an earlier line is reported only if the line defines
    # the same path.
    names = [_statement_path(line) for line in lines[:start]]
    if lines[start - 1].lstrip().startswith("["):
        headings = [number for number, name in enumerate(names[:-1], start=1) if name == path]
        earlier = f" on line {headings[0]}" if headings else ""
        return (
            f"line {start} defines the table [{toml_key(*path)}], which is already defined{earlier}. Rename one of "
            "the tables, or combine them."
        )
    earlier = ""
    for number in range(start - 1, 0, -1):
        if lines[number - 1].lstrip().startswith("["):
            break
        if names[number - 1] == path:
            earlier = f" on line {number}"
    return f"line {start} sets the key {toml_key(*path)}, which is already set{earlier}. Remove one of the two lines."


def _is_valid(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False
    return True


def _statement_path(line: str) -> tuple[str, ...] | None:
    """Return the names in a table heading or in a key. Return None if the line starts neither a table nor a value."""
    statement = line if line.lstrip().startswith("[") else f"{line.partition('=')[0]} = 0"
    try:
        content: Any = tomllib.loads(statement)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    path: list[str] = []
    while content:
        if isinstance(content, list):
            content = content[0]
            continue
        if not isinstance(content, Mapping):
            break
        [(name, content)] = content.items()
        path.append(name)
    return tuple(path) or None
