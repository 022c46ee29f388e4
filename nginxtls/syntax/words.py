"""The values and places of a directive's words: quotes, escapes, ``if`` conditions, defaults of templates, Lua code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import pattern
from nginxtls.syntax.tokens import Word, end_of_lua_block, read_statement, word_text

if TYPE_CHECKING:
    from nginxtls.syntax.tree import Directive, SourceFile

UNKNOWN = "\ufffc"
"""Stands in an argument for text that cannot be known: one character for template expressions that touch."""

MASK, FILL = "\0", "\x7f"
"""In a masked text, the start of an expression and the rest of it. Bytes in memory, and no text has the first."""

LUA_BLOCK = "_by_lua_block"
_EXPRESSION = pattern(f"{MASK}{FILL}*")
_UNKNOWN_RUN = pattern(f"{UNKNOWN}+")

Value = tuple[str, int, int]
"""A word's value and its offsets, quotes included."""


def values(file: SourceFile, words: list[Word]) -> list[Value]:
    """What the words of a statement say. A template's default of several words becomes several values at one place."""
    text = file.masked
    found: list[Value] = []
    for word in words:
        value = word_text(text, word)
        if MASK in value and file.engines:
            found += _unknown_values(file, word, value)
        else:
            found.append((value, word.start, word.end))
    if found and found[0][0] == "if":
        return found[:1] + condition(found[1:])
    return found


def condition(found: list[Value]) -> list[Value]:
    """The arguments of ``if`` without the parentheses around them."""
    if not found or not found[0][0].startswith("(") or not found[-1][0].endswith(")"):
        return found
    value, start, end = found[0]
    found[0] = (value[1:].lstrip(), start + 1, end)
    value, start, end = found[-1]
    found[-1] = (value[:-1].rstrip(), start, end - 1)
    return found[not found[0][0] : len(found) - (not found[-1][0])]


def word_places(directive: Directive) -> list[tuple[int, int]]:
    """The offsets of the name and of each argument of a directive, found again from the text."""
    file = directive.file
    if not directive.args and directive.name.strip(UNKNOWN) == "":
        return [(directive.start, directive.end)]
    statement = read_statement(file.masked, directive.start)
    places = [(start, end) for _, start, end in values(file, statement.words)]
    if directive.name.endswith(LUA_BLOCK) and statement.terminator == "{":
        places.append((statement.end, max(statement.end, end_of_lua_block(file.masked, statement.end))))
    return places[: len(directive.args) + 1]


def _unknown_values(file: SourceFile, word: Word, value: str) -> list[Value]:
    defaults = file.defaults
    if defaults:
        text = file.masked
        parts: list[str] = []
        position = word.start
        for expression in _EXPRESSION.finditer(text, word.start, word.end):
            parts += (text[position : expression.start()], defaults.get(expression.start(), UNKNOWN))
            position = expression.end()
        value = "".join((*parts, text[position : word.end]))
        if word.quoted:
            value = value[1:-1]
        elif UNKNOWN not in value:
            return [(part, word.start, word.end) for part in value.split()]
    return [(_UNKNOWN_RUN.sub(UNKNOWN, _EXPRESSION.sub(UNKNOWN, value)), word.start, word.end)]
