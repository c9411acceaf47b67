"""Parse and validate requests."""

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
    """Raised if a request is invalid. It contains the status and the message of the response."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class ValidatedRequest:
    """A complete request."""

    method: str
    target: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any], body: bytes) -> ValidatedRequest:
        """
        Create a request from an ASGI scope.

        The path is split at its slashes before its segments are decoded, so that an encoded slash does not split it.
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
        """Return the value of a query parameter, or None. Raise RequestError if it is repeated."""
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise RequestError(400, f"{name} is given {len(values)} times; give it once.")
        if not values:
            return None
        return values[0]

    def integer(self, name: str, default: int, minimum: int) -> int:
        """Return the integer value of a query parameter."""
        text = self.parameter(name)
        if text is None:
            return default
        if not INTEGER.fullmatch(text):
            raise RequestError(400, f"{name} must be a whole number.")
        if not minimum <= int(text) <= MAX_INTEGER:
            raise RequestError(400, f"{name} must be between {minimum} and {MAX_INTEGER}.")
        return int(text)

    def choice(self, name: str, default: str, known: Sequence[str]) -> str:
        """Return the value of a query parameter that must be one of `known`."""
        text = self.parameter(name)
        if text is None:
            return default
        if text not in known:
            raise RequestError(400, f"{name} must be one of {', '.join(known)}.")
        return text

    def fields(self, known: Sequence[str]) -> dict[str, Any]:
        """Return the fields of the JSON object in the body. Raise RequestError for unknown fields."""
        content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise RequestError(400, "The body must be sent with Content-Type: application/json.")
        try:
            fields = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestError(400, f"The body is not JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise RequestError(400, "The body must be a JSON object.")
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise RequestError(400, f"The body may hold {' and '.join(known)}; it holds {', '.join(unknown)}.")
        return fields


def check_uid(value: object, what: str) -> str:
    """Return a valid uid, or raise RequestError."""
    if not isinstance(value, str) or not UID.fullmatch(value):
        raise RequestError(400, f"{what} must be made of letters A-Z a-z, digits, - and _.")
    return value


def check_name(value: object) -> str:
    """Return a valid name of a group, or raise RequestError."""
    if not isinstance(value, str) or not value:
        raise RequestError(400, "name must be a text that is not empty.")
    return value


def check_uids(value: object, what: str) -> list[str]:
    """Return a list of valid uids, or raise RequestError."""
    if not isinstance(value, list):
        raise RequestError(400, f"{what} must be a list of customer uids.")
    return [check_uid(uid, f"Each of {what}") for uid in value]
