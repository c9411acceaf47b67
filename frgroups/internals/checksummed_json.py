"""JSON files with a kind, a format version and a checksum: plans, approvals and receipts."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.atomic_files import write_text

FORMAT_VERSION = 2
_KIND = re.compile(rb'"kind":\s*"frgroups ([^"]+)"')


def canonical_json(value: Any) -> str:
    """
    Encode a value as canonical JSON: sorted keys, no spaces and no ASCII escapes.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": ["ø"]})
    '{"a":["ø"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text: str) -> str:
    """Return the SHA-256 of a text as a hex string. The text may contain unpaired surrogates."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def kind_of(body: bytes) -> str:
    """
    Return the kind in the bytes of a file or of its end, or "" if they contain none. The JSON is not parsed.

    Examples
    --------
    >>> kind_of(b'{"content": {}, "kind": "frgroups plan"}'), kind_of(b"uid;name")
    ('plan', '')
    """
    kinds = _KIND.findall(body)
    if not kinds:
        return ""
    return bytes(kinds[-1]).decode("utf-8", "replace")  # The last key of the file.


def write_checksummed(path: str | Path, kind: str, content: dict[str, Any]) -> Path:
    """Write a file of this kind atomically with mode 0600, and return its absolute path."""
    target = _resolve_file(path, kind)
    if target.is_dir():
        raise InputError(f"{target} is a folder; name the {kind} file to write in it.")
    if target.is_file() and kind_of(target.read_bytes()) != kind:
        raise InputError(f"{target} exists and is no {kind}; it is left as it is. Name another file.")
    text = canonical_json(content)
    # Encode the content only once, because a plan can contain millions of uids.
    envelope = {"checksum": sha256(text), "content": 0, "format_version": FORMAT_VERSION, "kind": f"frgroups {kind}"}
    file_text = canonical_json(envelope).replace('"content":0', f'"content":{text}', 1)
    try:
        return write_text(target, msgspec.json.format(file_text, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"The {kind} could not be written to {target}: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        part = error.object[max(0, error.start - 20) : error.end]
        raise InputError(
            f"The {kind} was not written: it holds half of a character, which no file can hold, after {part!a}."
        ) from error


def read_checksummed(path: str | Path, kind: str) -> dict[str, Any]:
    """Return the content of a file of this kind. Raise CorruptFileError if the checksum is wrong."""
    source = _resolve_file(path, kind)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"The {kind} file {source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{source} is not a {kind} of frgroups: it is not text.") from error
    try:
        envelope = json.loads(text)
        actual_kind, version = envelope["kind"], envelope["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFileError(
            f"{source} is not a whole {kind} of frgroups ({len(text)} characters that do not read as one). "
            "Take the original file again."
        ) from error
    if actual_kind != f"frgroups {kind}":
        raise InputError(f"{source} is a {actual_kind!r}, not a {kind}.")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{source} has format version {version}; this frgroups reads {FORMAT_VERSION}. "
            f"Make the {kind} again, or use the frgroups that wrote it."
        )
    content, expected = envelope.get("content"), envelope.get("checksum")
    actual = sha256(canonical_json(content))
    if not isinstance(content, dict) or actual != expected:
        raise CorruptFileError(
            f"{source} was altered after it was written: checksum {str(expected)[:12]} expected, "
            f"{actual[:12]} found. Take the original file again, or make the {kind} anew.",
            path=source,
        )
    return content


def _resolve_file(path: str | Path, kind: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{str(path)[:80]!a} is no name of a {kind} file: {error}.") from error
