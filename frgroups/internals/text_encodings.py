"""Find the encoding of text files."""

from __future__ import annotations

import codecs

# The byte order marks of UTF-32 are compared first, because the mark of UTF-32-LE starts with the mark of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Minimum share of ASCII characters in the decoded text.
# The separators and ids of a table are usually ASCII, but text that is decoded in the wrong byte order contains
# almost no ASCII characters.
_MIN_ASCII_SHARE = 0.25


def find_wide_encoding(body: bytes) -> str | None:
    r"""
    Return the encoding of bytes that contain text in UTF-16 or UTF-32, or None for any other content.

    If the bytes do not start with a byte order mark, the encodings are tried only if the bytes contain null bytes.
    ASCII characters contain null bytes in UTF-16 and UTF-32, but not in other encodings. If the decoded text starts
    with a byte order mark, the caller must remove it.

    Examples
    --------
    >>> find_wide_encoding("uid\nc-1".encode("utf-16-be")), find_wide_encoding("uid\nc-1".encode("utf-32"))
    ('utf-16-be', 'utf-32-le')
    >>> find_wide_encoding(b"uid\nc-1") is None
    True
    """
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return encoding
    if b"\0" not in body:
        return None
    for _, encoding in _MARKS:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        n_ascii = sum(map(str.isascii, text[:10_000]))
        if "\0" not in text and n_ascii > _MIN_ASCII_SHARE * len(text[:10_000]):
            return encoding
    return None
