"""What the documented shape does not hold: each odd value made right or left out, and no row dropped in silence."""

from __future__ import annotations

import json
from contextlib import suppress
from math import isfinite
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from frgroups.api.schema.records import Page, Record, Value

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NotTheApiError(ValueError):
    """A body that no repair can make into what the API documents; the client adds where it came from."""


def json_of(body: bytes) -> Any:
    """What a body says; half a character becomes a question mark, a number without end nothing."""
    with suppress(*NOT_JSON):
        return msgspec.json.decode(body)
    with suppress(ValueError, RecursionError):
        # No JSON to msgspec, as where an emoji was cut off.
        return json.loads(body, object_hook=_whole_characters, parse_constant=_finite, parse_float=_finite)
    # Without a cause: json's own error holds the whole body, which may be a page of customers.
    raise NotTheApiError("the body is not JSON")


def _whole_characters(record: dict[str, Any]) -> dict[str, Any]:
    return {_whole_text(name): _whole_text(value) for name, value in record.items()}


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def _whole_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole_text(one) for one in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def repaired_page(body: bytes, record: type[Record]) -> Page[Record]:
    """A page whose records are repaired one by one."""
    page = json_of(body)
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise NotTheApiError("there is no list of items")
    paging = page.get("paging")
    told = paging if isinstance(paging, dict) else {}
    numbers = {name: _whole(told.get(name)) for name in ("pageNumber", "pageSize", "totalCount")}
    usable = [number for number in numbers.values() if number is not None and number >= 0]
    if len(usable) < len(numbers):
        missing = [name for name, number in numbers.items() if number is None or number < 0]
        raise NotTheApiError(f"paging tells no usable {', '.join(missing)}")
    items = [repaired(item, record) for item in page["items"]]
    kept = [item for item in items if item is not None]
    page_number, page_size, total_count = usable
    return Page(kept, page_number, page_size, total_count, without_uid=len(items) - len(kept))


def repaired(item: Any, record: type[Record]) -> Record | None:
    """The record with each odd value made right or left out; None when it has no usable uid."""
    if not isinstance(item, dict):
        return None
    kept = _fitting_fields(item, record)
    if not kept.get(msgspec.structs.fields(record)[0].encode_name):
        return None
    return msgspec.convert(kept, record)


def _fitting_fields(item: dict[str, Any], record: type) -> dict[str, Any]:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(record)}
    kept = {name: fitting(item.get(name), kind) for name, kind in fields.items()}
    return {name: value for name, value in kept.items() if value is not None}


def fitting(value: Any, kind: Any) -> Any:
    """The value when it fits the field's type, a likely reading of it, what fits inside it, or None."""
    if kind is msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(value))
    for candidate in (value, _likely(value)):
        if candidate is not None and _fits(candidate, kind):
            return candidate
    for one in get_args(kind) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,):
        if isinstance(value, dict) and isinstance(one, type) and issubclass(one, Value):
            return _fitting_fields(value, one)
        if isinstance(value, list) and get_origin(one) in (tuple, list):
            inside = [fitting(item, get_args(one)[0]) for item in value]
            return [item for item in inside if item is not None]
    return None


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
        return True
    except msgspec.ValidationError:
        return False


def _likely(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _whole(value)
    return None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 40:
        return int(value)
    return None
