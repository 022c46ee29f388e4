"""Sample matches of a regular expression, for rules about server names that are written as patterns."""

from __future__ import annotations

import itertools
import re
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    from re import _constants as codes
    from re import _parser as parser
else:
    import sre_constants as codes
    import sre_parse as parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.patterns import Pattern

MOST = 8


def samples_of(pattern: Pattern) -> list[str]:
    """A few strings that a pattern matches, with each branch and repetition; empty if the pattern is too complex."""
    text = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern.text)
    flags = re.IGNORECASE if pattern.caseless else 0
    try:
        found = list(itertools.islice(_of(_items(parser.parse(text, flags))), MOST))
    except (LookupError, ValueError, OverflowError, RecursionError, re.error):
        return []
    return [text for text in dict.fromkeys(found) if pattern.matches(text)]


def _items(parsed: Any) -> list[Any]:
    return list(parsed)


def _of(items: list[Any]) -> Iterator[str]:
    if not items:
        yield ""
        return
    for head in _one(*items[0]):
        for tail in _of(items[1:]):
            yield head + tail


def _one(code: Any, value: Any) -> Iterator[str]:
    if code is codes.LITERAL:
        yield chr(value).lower()
    elif code is codes.NOT_LITERAL:
        yield "x" if value != ord("x") else "y"
    elif code is codes.ANY:
        yield "x"
    elif code is codes.IN:
        yield _member(value)
    elif code is codes.AT:
        yield ""
    elif code is codes.SUBPATTERN:
        yield from _of(_items(value[-1]))
    elif code is codes.BRANCH:
        for branch in value[1]:
            yield from _of(_items(branch))
    elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        least, most, inner = value
        for count in dict.fromkeys((max(least, min(most, 1)), least)):
            for text in _of(_items(inner)):
                yield text * min(count, 64)
    else:  # assertions and references: a wrong sample is worse than none
        raise ValueError(code)


def _member(choices: list[Any]) -> str:
    """A character of a class, preferably a letter."""
    wanted = "xaeiou0123456789abcdefghijklmnopqrstuvwyz-_."
    negated = any(code is codes.NEGATE for code, _ in choices)
    for character in wanted:
        if any(_has(code, value, character) for code, value in choices) is not negated:
            return character
    raise ValueError("no host name has such a character")


def _has(code: Any, value: Any, character: str) -> bool:
    if code is codes.LITERAL:
        return chr(int(value)).lower() == character
    if code is codes.RANGE:
        low, high = int(value[0]), int(value[1])
        return low <= ord(character) <= high or low <= ord(character.upper()) <= high
    if code is codes.CATEGORY:
        if value is codes.CATEGORY_WORD:
            return character.isalnum() or character == "_"
        if value is codes.CATEGORY_DIGIT:
            return character.isdigit()
        return bool(
            value is codes.CATEGORY_NOT_SPACE or (value is codes.CATEGORY_NOT_DIGIT and not character.isdigit())
        )
    return False
