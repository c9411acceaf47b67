"""Parameter types for command-line options, and functions that validate option values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from frgroups.errors import FrgroupsError


# The type check is disabled, because ParamType is a generic class only in click 8.4 and later.
class CheckedValue(click.ParamType):  # type: ignore[type-arg]
    """
    Parameter type that validates values with a function.

    Parameters
    ----------
    name
        Name of the type in messages.
    parse
        Function that returns the parsed value or raises ValueError.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value, or report an invalid value as a usage error."""
        if ctx is not None and ctx.resilient_parsing:
            # Shell completion does not need the parsed value, and parsing would import pandas, which is slow.
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            message = error.cli_text if isinstance(error, FrgroupsError) else str(error)
            self.fail(message, param, ctx)


class IntegerRange(click.IntRange):
    """Integer within optional bounds."""

    name = "integer"

    def _describe_range(self) -> str:
        return _range_text(self)


class NumberRange(click.FloatRange):
    """Number within optional bounds. NaN is rejected."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the value as a float, or report an invalid value as a usage error."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a valid number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        return _range_text(self)


def _range_text(numbers: click.IntRange | click.FloatRange) -> str:
    """
    Return a description of a range for help and error messages.

    The description replaces the notation of click, for example x>=1.

    Examples
    --------
    >>> _range_text(IntegerRange(min=1)), _range_text(NumberRange(min=0, min_open=True))
    ('1 or more', 'more than 0')
    >>> _range_text(IntegerRange(0, 9))
    '0 to 9'
    """
    if numbers.max is not None:
        return f"{numbers.min} to {numbers.max}"
    if numbers.min_open:
        return f"more than {numbers.min}"
    return f"{numbers.min} or more"


class RenamedChoice(click.Choice[str]):
    """
    Choice whose error message contains the current name of a renamed value.

    Parameters
    ----------
    choices
        Accepted values.
    renamed
        Current name of each renamed value, by former name.
    """

    def __init__(self, choices: Sequence[str], renamed: Mapping[str, str]) -> None:
        super().__init__(choices)
        self._renamed = renamed

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the error message for a value that is not an accepted choice."""
        if value in self._renamed:
            return f"{value!r} was renamed to {self._renamed[value]!r}."
        return super().get_invalid_choice_message(value, ctx)


class FilePath(click.Path):
    """
    Path of a file that might not exist.

    The type does not check that the file is readable. If the file cannot be read, the command itself raises the
    error.
    """

    def __init__(self) -> None:
        super().__init__(readable=False, path_type=Path)


class FolderPath(FilePath):
    """Path of a folder that might not exist."""

    name = "directory"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002  # click API
        param: click.Parameter,  # noqa: ARG002  # click API
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return an item that makes the shell complete folder names."""
        return [CompletionItem(incomplete, type="dir")]


def check_duration(text: str) -> str:
    """Return a duration unchanged, or raise ValueError if it is invalid."""
    from frgroups.internals.timestamps import parse_duration

    parse_duration(text)
    return text


def check_timestamp(text: str) -> str:
    """Return a date or timestamp unchanged, or raise ValueError if it is invalid."""
    from frgroups.store.snapshot_store import end_of_period

    end_of_period(text)
    return text


def check_host(text: str) -> str:
    """Return a host unchanged, or raise ValueError if it is not "stage", "production", or a URL."""
    from frgroups.internals.base_urls import checked_base_url

    checked_base_url(text)
    return text


def check_text(text: str) -> str:
    """Return a string unchanged, or raise ValueError if it is empty or contains only spaces."""
    if not text.strip():
        raise ValueError("The value must not be empty.")
    return text


def parse_limit(text: str) -> tuple[str, Any]:
    """
    Return the name and the value of a limit in the format NAME=VALUE.

    Examples
    --------
    >>> parse_limit("removal_share=none")
    ('removal_share', None)
    """
    from frgroups.plan.limits import LIMIT_NAMES, Limits

    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} must have the format NAME=VALUE, for example removals_per_group=200.")
    if name == "per_group":
        raise ValueError(
            "The limits of single groups (per_group) cannot be set with --limit. Set them in a TOML file and pass it "
            "to frgroups plan with --limits."
        )
    if name not in LIMIT_NAMES:
        raise ValueError(f"Unknown limit: {name}. The limits are {', '.join(LIMIT_NAMES)}.")
    setting = (name, _limit_value(value))
    Limits.from_dict(dict([setting]))
    return setting


def _limit_value(text: str) -> Any:
    if text.lower() == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_pair(text: str) -> tuple[str, str]:
    """
    Return the name and the value of a string in the format NAME=VALUE. The value can contain equal signs.

    Examples
    --------
    >>> parse_pair("vip=country_code == 'NO'")
    ('vip', "country_code == 'NO'")
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError(f"{text!r} must have the format NAME=VALUE.")
    return name.strip(), value.strip()


def parse_share(text: str) -> tuple[str, float]:
    """
    Return the name and the share in a string of the format NAME=SHARE.

    Examples
    --------
    >>> parse_share("mail=0.9")
    ('mail', 0.9)
    """
    from frgroups.internals.validation import check_share

    try:
        name, value = parse_pair(text)
        share = float(value)
    except ValueError:
        raise ValueError(f"{text!r} must have the format NAME=SHARE, for example mail=0.9.") from None
    check_share(share, name)
    return name, share


def parse_count_pair(text: str) -> tuple[str, int]:
    """
    Return the name and the value in a string of the format NAME=N, where N is a nonnegative integer.

    Examples
    --------
    >>> parse_count_pair("Gold=200")
    ('Gold', 200)
    """
    name, value = parse_pair(text)
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"{text!r} must have the format NAME=N, where N is an integer of at least 0.")
    return name, int(value)


DURATION = CheckedValue("duration", check_duration)
TIMESTAMP = CheckedValue("timestamp", check_timestamp)
HOST = CheckedValue("host", check_host)
NONEMPTY_TEXT = CheckedValue("text", check_text)
LIMIT = CheckedValue("limit", parse_limit)
PAIR = CheckedValue("pair", parse_pair)
SHARE_PAIR = CheckedValue("share", parse_share)
COUNT_PAIR = CheckedValue("pair", parse_count_pair)
FILE = FilePath()
FOLDER = FolderPath()
