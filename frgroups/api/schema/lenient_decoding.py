"""Decode responses that do not match the documented schema, and count the records that cannot be decoded."""

from __future__ import annotations

import json
from contextlib import suppress
from math import isfinite
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from frgroups.api.schema.records import Page, Record, Value

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SchemaMismatchError(ValueError):
    """
    The body of a response does not match the documented schema.

    The client converts this error to UnexpectedResponseError, which contains the operation and the host.
    """


class InvalidJsonError(SchemaMismatchError):
    """The body of a response is not JSON, for example because a proxy has truncated it."""


def parse_json(body: bytes) -> Any:
    """
    Parse a JSON body.

    Unpaired surrogates are replaced with question marks, and numbers that are not finite are replaced with None.

    Raises
    ------
    InvalidJsonError
        The body is not JSON.
    """
    with suppress(*NOT_JSON):
        return msgspec.json.decode(body)
    with suppress(ValueError, RecursionError):
        # Unlike msgspec, the json module accepts strings with an unpaired surrogate, such as half of an emoji.
        return json.loads(body, object_hook=_replace_surrogates, parse_constant=_finite, parse_float=_finite)
    # The error has no cause, because a JSONDecodeError contains the body, which can include customer data.
    raise InvalidJsonError("The body is not valid JSON.")


def _replace_surrogates(record: dict[str, Any]) -> dict[str, Any]:
    return {_without_surrogates(name): _without_surrogates(value) for name, value in record.items()}


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def lenient_decode_page(body: bytes, record: type[Record]) -> Page[Record]:
    """
    Decode each record of a page separately, and correct or omit invalid values.

    Some servers encode an empty list as null or omit it. A missing list is accepted only if the total is 0, or if the
    page starts after the last row of the list.

    Raises
    ------
    SchemaMismatchError
        The body is not JSON, its paging is invalid, or its list of items is missing although the page has rows.
    """
    page = parse_json(body)
    if not isinstance(page, dict) or not isinstance(page.get("items"), list | None):
        raise SchemaMismatchError("The body has no list of items.")
    values = page.get("items")
    page_number, page_size, total_count = _decode_paging(page.get("paging"))
    if values is None and total_count > max(0, page_number - 1) * page_size:
        raise SchemaMismatchError(f"The body has no list of items, but the total is {total_count:,}.")
    records = [lenient_decode_record(item, record) for item in values or ()]
    items = [item for item in records if item is not None]
    return Page(items, page_number, page_size, total_count, without_uid=len(records) - len(items))


def _decode_paging(paging: Any) -> list[int]:
    if not isinstance(paging, dict):
        paging = {}
    numbers, missing = [], []
    for name in ("pageNumber", "pageSize", "totalCount"):
        number = _to_integer(paging.get(name))
        if number is None or number < 0:
            missing.append(name)
        else:
            numbers.append(number)
    if missing:
        raise SchemaMismatchError(f"The paging has no valid {', '.join(missing)}.")
    return numbers


def lenient_decode_record(item: Any, record: type[Record]) -> Record | None:
    """Decode a record, and correct or omit invalid values. Return None if the record has no valid uid."""
    if not isinstance(item, dict):
        return None
    values = _coerce_fields(item, record)
    if not values.get(msgspec.structs.fields(record)[0].encode_name):
        return None
    return msgspec.convert(values, record)


def _coerce_fields(item: dict[str, Any], record: type) -> dict[str, Any]:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(record)}
    values = {name: coerce_field(item.get(name), kind) for name, kind in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def coerce_field(value: Any, kind: Any) -> Any:
    """
    Convert a value to the type of a field, or return None if the value cannot be converted.

    Integers and strings are converted to each other. Items and fields of a nested value are omitted if they do not
    match the type.
    """
    if kind is msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(value))
    for candidate in (value, _convert_scalar(value)):
        if candidate is not None and _fits(candidate, kind):
            return candidate
    for alternative in _alternatives(kind):
        if isinstance(value, dict) and isinstance(alternative, type) and issubclass(alternative, Value):
            return _coerce_fields(value, alternative)
        if isinstance(value, list) and get_origin(alternative) in (tuple, list):
            items = [coerce_field(item, get_args(alternative)[0]) for item in value]
            return [item for item in items if item is not None]
    return None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the types in a union type, or the type itself if it is not a union."""
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return get_args(kind)
    return (kind,)


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _convert_scalar(value: Any) -> int | str | None:
    """Convert an integer to a string, or a string or float to an integer. Return None for any other value."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    return _to_integer(value)


def _to_integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 40:
        return int(value)
    return None
