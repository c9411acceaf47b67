"""Collect and decompress the body of an HTTP response within a size limit."""

from __future__ import annotations

import re
import zlib

_GZIP = 16 + zlib.MAX_WBITS
# Start of an HTML or XML document, with an optional byte order mark of UTF-8 or UTF-16.
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff\0?)?\s*<")
_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{\"]")


class UnusableBodyError(Exception):
    """The body of a response is too large, or its encoding is not supported."""


class UnknownEncodingError(UnusableBodyError):
    """The body of a response has an encoding that was not requested."""


class IncompleteBodyError(Exception):
    """The compressed body of a response is truncated or corrupt."""


class ResponseBody:
    """
    Body of an HTTP response, collected chunk by chunk.

    Decompression stops at the size limit, so that a small gzip body cannot fill the memory.

    Parameters
    ----------
    content_encoding
        Value of the Content-Encoding header, or None if the header is missing.
    max_bytes
        Maximum size in bytes, which applies before and after decompression.

    Examples
    --------
    >>> body = ResponseBody("gzip", max_bytes=100)
    >>> body.add(zlib.compress(b"[]", wbits=31))
    >>> body.finish()
    b'[]'
    """

    def __init__(self, content_encoding: str | None, max_bytes: int) -> None:
        self._encoding = (content_encoding or "identity").strip().lower()
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self._received = 0
        self._inflater: zlib._Decompress | None = None

    def add(self, chunk: bytes) -> None:
        """
        Add a received chunk of the body, which can be compressed.

        Raises
        ------
        UnusableBodyError
            The body is too large.
        UnknownEncodingError
            The encoding is neither identity nor gzip.
        IncompleteBodyError
            The chunk is not valid gzip data.
        """
        self._received += len(chunk)
        self._check_size(self._received)
        if self._encoding == "identity":
            self._chunks.append(chunk)
        elif self._encoding == "gzip":
            self._decompress(chunk)
        else:
            raise UnknownEncodingError("The response body must have the Content-Encoding gzip or identity.")

    def finish(self) -> bytes:
        """
        Return the complete body.

        Raises
        ------
        IncompleteBodyError
            The gzip data is truncated.
        """
        if self._inflater is not None and not self._inflater.eof:
            raise IncompleteBodyError("The gzip data ends too early.")
        if len(self._chunks) == 1:
            return self._chunks[0]
        return b"".join(self._chunks)

    def _decompress(self, data: bytes) -> None:
        while data:
            if self._inflater is None or self._inflater.eof:  # Each member of a gzip body needs a new decompressor.
                self._inflater = zlib.decompressobj(_GZIP)
            try:
                # Decompressing one byte above the limit is enough to detect a body that is too large.
                piece = self._inflater.decompress(data, self._max_bytes - self._size + 1)
            except zlib.error:
                raise IncompleteBodyError("The gzip data is corrupt.") from None
            self._size += len(piece)
            self._check_size(self._size)
            self._chunks.append(piece)
            data = self._inflater.unconsumed_tail or self._inflater.unused_data

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise UnusableBodyError(f"The body is larger than {self._max_bytes >> 20} MiB.")


def is_html(body: bytes, content_type: str | None = None) -> bool:
    """
    Return True if the body of a response is an HTML or XML document, which the API never returns.

    Parameters
    ----------
    body
        Decompressed body.
    content_type
        Value of the Content-Type header, or None if the header is missing. The header is considered only if the body
        does not start with a tag and is not JSON.

    Examples
    --------
    >>> is_html(b"<html>"), is_html(b"Blocked", "text/html; charset=utf-8"), is_html(b"{}", "text/html")
    (True, True, False)
    """
    if _MARKUP.match(body):
        return True
    is_declared = (content_type or "").strip().lower().startswith(("text/html", "application/xhtml"))
    return is_declared and bool(body.strip()) and not _JSON_START.match(body)
