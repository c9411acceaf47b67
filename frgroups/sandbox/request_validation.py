"""Parse and validate the requests that the sandbox receives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import msgspec

UID = re.compile(r"[A-Za-z0-9_-]+")
INTEGER = re.compile(r"-?[0-9]{1,18}")
MAX_INTEGER = 2**31 - 1


class RequestError(Exception):
    """Error for an invalid request, with the status, message, and headers of the response."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class ValidatedRequest:
    """A completely received request with its decoded path and query."""

    method: str
    target: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any], body: bytes) -> ValidatedRequest:
        """
        Create a ValidatedRequest from an ASGI scope and the request body.

        The request path is split into segments before it is decoded, so that an encoded slash (%2F) does not separate
        two segments.
        """
        raw = scope.get("raw_path") or scope["path"].encode()
        target = raw.decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        if query:
            target += f"?{query}"
        parts = [part.partition("=") for part in query.split("&") if part]
        return cls(
            scope["method"],
            target,
            tuple(unquote_to_bytes(part).decode("utf-8", "replace") for part in raw.split(b"/")[1:]),
            tuple((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))) for name, _, value in parts),
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body,
        )

    def parameter(self, name: str) -> str | None:
        """Return a query parameter as a string, or None if it is missing. Raise RequestError if it is repeated."""
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise RequestError(400, f"`{name}` must not be repeated, got {len(values)} values.")
        if not values:
            return None
        return values[0]

    def integer(self, name: str, default: int, minimum: int) -> int:
        """Return a query parameter as an integer, or `default` if it is missing."""
        text = self.parameter(name)
        if text is None:
            return default
        if not INTEGER.fullmatch(text):
            raise RequestError(400, f"`{name}` must be an integer.")
        if not minimum <= int(text) <= MAX_INTEGER:
            raise RequestError(400, f"`{name}` must be between {minimum} and {MAX_INTEGER}.")
        return int(text)

    def choice(self, name: str, default: str, known: Sequence[str]) -> str:
        """Return a query parameter that must have one of the `known` values, or `default` if it is missing."""
        text = self.parameter(name)
        if text is None:
            return default
        if text not in known:
            raise RequestError(400, f"`{name}` must be one of {', '.join(known)}.")
        return text

    def fields(self, known: Sequence[str]) -> dict[str, Any]:
        """Return the JSON object in a request body. A field that is not in `known` raises RequestError."""
        content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise RequestError(400, "The Content-Type of the body must be application/json.")
        try:
            fields = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestError(400, f"The body is not valid JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise RequestError(400, "The body must be a JSON object.")
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise RequestError(
                400, f"The body contains unknown fields: {', '.join(unknown)}. Known fields are {', '.join(known)}."
            )
        return fields


def check_uid(value: object, what: str) -> str:
    """Return the value if it is a valid uid, otherwise raise RequestError."""
    if not isinstance(value, str) or not UID.fullmatch(value):
        raise RequestError(400, f"{what} must be a string of letters (A-Z, a-z), digits, hyphens, and underscores.")
    return value


def check_name(value: object) -> str:
    """Return the value if it is a valid group name, otherwise raise RequestError."""
    if not isinstance(value, str) or not value:
        raise RequestError(400, "`name` must be a string that is not empty.")
    return value


def check_uids(value: object, what: str) -> list[str]:
    """Return the value if it is a list of valid uids, otherwise raise RequestError."""
    if not isinstance(value, list):
        raise RequestError(400, f"`{what}` must be a list of customer uids.")
    return [check_uid(uid, f"Each item of `{what}`") for uid in value]
