"""What to do about something, in the words of whoever reads it: arguments in Python, options in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Form:
    """What a name is that stands for no argument of one value: how Python writes it, with the name in braces."""

    text: str
    is_function: bool = False


ANY = Form("{}=")
FUNCTION = Form("{}", is_function=True)
ATTRIBUTE = Form(".{}")

Speaker = Callable[[str, object], str | None]


class Advice:
    """
    A sentence that names arguments and functions in braces; what each is, is told beside it.

    As text it is in the words of the `Speaker` of the moment; it is empty when that has no word for one of them,
    since what cannot be done is no advice.

    >>> str(Advice("Read the newest good one with {allow_older}, or load again.", allow_older=True))
    'Read the newest good one with allow_older=True, or load again.'
    >>> str(Advice("Say which with {tenant_uid}; {load_snapshot} keeps one.", tenant_uid=ANY, load_snapshot=FUNCTION))
    'Say which with tenant_uid=; load_snapshot keeps one.'
    """

    __slots__ = ("_arguments", "_text")

    def __init__(self, text: str, **arguments: object) -> None:
        self._text = text
        self._arguments = arguments

    def __str__(self) -> str:
        words = {name: _speakers[-1](name, value) for name, value in self._arguments.items()}
        return "" if None in words.values() else self._text.format(**words)

    def __repr__(self) -> str:
        return f"Advice({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self._text, self._arguments)


@contextmanager
def spoken_by(speaker: Speaker) -> Iterator[None]:
    """
    Have every advice in the words of a speaker, for the length of a block and in all threads.

    >>> with spoken_by(lambda name, value: f"--{name}"):
    ...     str(Advice("Say which with {tenant}.", tenant=ANY))
    'Say which with --tenant.'
    """
    _speakers.append(speaker)
    try:
        yield
    finally:
        _speakers.remove(speaker)


def _in_python(name: str, value: object) -> str:
    return value.text.replace("{}", name, 1) if isinstance(value, Form) else f"{name}={value!r}"


def _made(text: str, arguments: dict[str, object]) -> Advice:
    return Advice(text, **arguments)


_speakers: list[Speaker] = [_in_python]
