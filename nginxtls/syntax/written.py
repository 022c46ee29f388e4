"""What a template has where a value is unknown: ``${NAME}`` or ``{{ name }}``, for texts that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nginxtls.base.lazy import pattern
from nginxtls.syntax.words import FILL, MASK, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable


class Text(Protocol):
    """What is needed of its file (see ``SourceFile``)."""

    text: str
    masked: str


class Words(Protocol):
    """What is needed of a directive."""

    @property
    def args(self) -> tuple[str, ...]:
        """Its arguments."""

    @property
    def words(self) -> list[tuple[int, int]]:
        """The offsets of the name and of each argument."""

    @property
    def file(self) -> Text:
        """Its file."""


ANY = "…"
"""What is shown where it is not known which expression a value comes from."""
LONGEST = 60
"""Longer expressions are cut."""
_RUN = pattern(f"(?:{MASK}{FILL}*)+")


def as_written(directive: Words, text: str, arg: int | None = None) -> str:
    """A text with values of a directive's arguments (of all, or of number ``arg``) as the template has them."""
    numbers = range(len(directive.args)) if arg is None else [arg]
    expressions = {directive.args[number]: _expressions(directive, number) for number in numbers}
    for value, found in expressions.items():
        if text in value:  # a part of an argument, such as its host
            return _filled(text, found[value[: value.index(text)].count(UNKNOWN) :])
    for value in sorted(expressions, key=len, reverse=True):
        if UNKNOWN in value and len(value) > 1:
            text = text.replace(value, _filled(value, expressions[value]))
    everything = [each for found in expressions.values() for each in found]
    if len(set(everything)) == 1:
        return text.replace(UNKNOWN, everything[0])
    return _filled(text, everything if text.count(UNKNOWN) == len(everything) else ())


def _expressions(directive: Words, arg: int) -> list[str]:
    """The expressions of an argument, one for each ``UNKNOWN`` of its value."""
    start, end = directive.words[1:][arg]
    file = directive.file
    runs = _RUN.finditer(file.masked, start, end)
    found = [" ".join(file.text[run.start() : run.end()].split()) for run in runs]
    if len(found) != directive.args[arg].count(UNKNOWN):  # some have defaults
        return []
    return [each if len(each) <= LONGEST else f"{each[:LONGEST]}{ANY}" for each in found]


def _filled(text: str, expressions: Iterable[str]) -> str:
    for each in expressions:
        text = text.replace(UNKNOWN, each, 1)
    return text.replace(UNKNOWN, ANY)
