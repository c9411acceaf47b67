"""Read and write JSON files that contain a checksum. Plans, approvals, and receipts use this format."""

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
# The checksum is the first key of a file, so this pattern also recognizes an incomplete file.
_START = re.compile(r'\s*\{\s*"checksum"')


def canonical_json(value: Any) -> str:
    """
    Encode a value as JSON with sorted keys, without spaces and without ASCII escapes.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": ["ø"]})
    '{"a":["ø"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text: str) -> str:
    """Return the SHA-256 digest of a string in hexadecimal. The string may contain unpaired surrogates."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def shorten_digests(digest: str, other: str) -> tuple[str, str]:
    """
    Shorten two digests for a message to at least 12 digits, so that different digests can be distinguished.

    Examples
    --------
    >>> shorten_digests("a" * 64, "b" * 64)
    ('aaaaaaaaaaaa', 'bbbbbbbbbbbb')
    >>> shorten_digests("0" * 14 + "a" + "0" * 49, "0" * 64)
    ('00000000000000a', '000000000000000')
    """
    n_same = next((at for at, (a, b) in enumerate(zip(digest, other, strict=False)) if a != b), 0)
    length = max(12, n_same + 1)
    return digest[:length], other[:length]


def kind_of(body: bytes) -> str:
    """
    Return the kind of a checksummed file, such as "plan", or "" if its bytes contain no kind.

    The function does not parse the JSON. Therefore, for a large file, it is sufficient to pass the last bytes of the
    file as `body`.

    Examples
    --------
    >>> kind_of(b'{"content": {}, "kind": "frgroups plan"}'), kind_of(b"uid;name")
    ('plan', '')
    """
    kinds = _KIND.findall(body)
    if not kinds:
        return ""
    return bytes(kinds[-1]).decode("utf-8", "replace")  # "kind" is the last key. Earlier matches are content.


def write_checksummed(path: str | Path, kind: str, content: dict[str, Any]) -> Path:
    """Write a checksummed file atomically with mode 0600, and return its absolute path."""
    target = _resolve_file(path, kind)
    if target.is_dir():
        raise InputError(f"Cannot write {target}: the path is a folder. Pass the path of a {kind} file.")
    if target.is_file() and kind_of(target.read_bytes()) != kind:
        raise InputError(
            f"Cannot write {target}: the file exists and does not contain a frgroups {kind}. Pass another path."
        )
    text = canonical_json(content)
    # Encode the content only once, because a plan can contain millions of uids.
    # The encoded content then replaces the placeholder 0.
    envelope = {"checksum": sha256(text), "content": 0, "format_version": FORMAT_VERSION, "kind": f"frgroups {kind}"}
    file_text = canonical_json(envelope).replace('"content":0', f'"content":{text}', 1)
    try:
        return write_text(target, msgspec.json.format(file_text, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"Cannot write {target}: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        raise InputError(f"Cannot write the {kind}: {_encoding_problem(error)}. Remove the character.") from error


def read_checksummed(path: str | Path, kind: str) -> dict[str, Any]:
    """Return the content of a checksummed file. Raise CorruptFileError if the file was damaged or edited."""
    source = _resolve_file(path, kind)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {source}: {error.strerror}.") from error
    return parse_checksummed(source, kind, data)


def parse_checksummed(source: Path, kind: str, data: bytes) -> dict[str, Any]:
    """Parse the bytes of a checksummed file, and return its content. Error messages contain the path `source`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if not _START.match(data.decode("utf-8", "replace")):
            raise CorruptFileError(f"{source} is not a frgroups {kind}.") from error
        raise CorruptFileError(
            f"{source} is corrupt: the {kind} is not encoded in UTF-8. Use the original file."
        ) from error
    try:
        envelope = json.loads(text)
        actual_kind, version = envelope["kind"], envelope["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if not _START.match(text):
            raise CorruptFileError(f"{source} is not a frgroups {kind}.") from error
        raise CorruptFileError(
            f"{source} is corrupt: its {len(text)} characters do not contain a complete frgroups {kind}. "
            "Use the original file."
        ) from error
    if actual_kind != f"frgroups {kind}":
        raise InputError(_wrong_kind(source, actual_kind, kind))
    if version != FORMAT_VERSION:
        raise InputError(
            f"{source} has format version {version}; this version of frgroups reads version {FORMAT_VERSION}. "
            f"Create the {kind} again, or use the version of frgroups that wrote the file."
        )
    content, expected = envelope.get("content"), envelope.get("checksum")
    if not isinstance(content, dict):
        raise CorruptFileError(
            f"{source} is corrupt: its field 'content' must be a JSON object. Use the original file, or create the "
            f"{kind} again.",
            path=source,
        )
    text = canonical_json(content)
    actual = sha256(text)
    if actual != expected:
        stored, computed = shorten_digests(str(expected), actual)
        raise CorruptFileError(
            f"{source} is corrupt: its checksum must be {stored}, got {computed}. "
            f"Use the original file, or create the {kind} again.",
            path=source,
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorruptFileError(
            f"{source} is corrupt: {_encoding_problem(error)}. Use the original file.", path=source
        ) from error
    return content


def _encoding_problem(error: UnicodeEncodeError) -> str:
    """Describe an encoding error, and quote the invalid character and the 20 characters before it."""
    part = error.object[max(0, error.start - 20) : error.end]
    return f"it contains a character that cannot be encoded in UTF-8, after {part!a}"


def _wrong_kind(source: Path, actual_kind: object, kind: str) -> str:
    actual = str(actual_kind)
    if not actual.startswith("frgroups "):
        return f"{source} is not a frgroups {kind}."
    return f"{source} is {_with_article(actual.removeprefix('frgroups '))}, but {_with_article(kind)} is required."


def _with_article(noun: str) -> str:
    article = "an" if noun[:1] in tuple("aeiou") else "a"
    return f"{article} {noun}"


def _resolve_file(path: str | Path, kind: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{str(path)[-80:]!a} is not a valid path for a {kind} file: {error}.") from error
