"""nginx's words: how a configuration's text falls into names, arguments, terminators and comments, and what they say.

The rules are those of ``ngx_conf_read_token`` (src/core/ngx_conf_file.c): only space, tab, CR and LF separate words;
a quote opens a string only at the start of a word; ``${`` does not open a block; ``}`` closes one only at the start of
a word. crossplane's own lexer differs in each of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from nginxtls.base.lazy import NamedTuple, pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNKNOWN = "\ufffc"
"""Represents text in an argument that cannot be known: one character for template expressions that touch."""

MASK, FILL = "\0", "\x7f"
"""In a masked text, the start of an expression and the rest of it. Bytes in memory, and no text has the first."""

LUA_BLOCK = "_by_lua_block"
_EXPRESSION = pattern(f"{MASK}{FILL}*")
_UNKNOWN_RUN = pattern(f"{UNKNOWN}+")

TOKEN = pattern(
    r"""[ \t\r\n]*(?:
        (\#[^\n]*)                                             # 1 a comment: a lone CR does not end it
      | ("[^"\\]*(?:\\.[^"\\]*)*" | '[^'\\]*(?:\\.[^'\\]*)*')  # 2 a quoted word
      | ([;{}])                                                # 3 a terminator
      | (["'])                                                 # 4 a quote that is never closed
      | ((?:[^ \t\r\n;{\\$]+ | \\.? | \$\{*)+)                 # 5 a bare word
      | (\Z)                                                   # 6 the end
    )""",
    re.VERBOSE | re.DOTALL,
)
COMMENT, QUOTED, TERMINATOR, OPEN_QUOTE, BARE, END = 1, 2, 3, 4, 5, 6

_ESCAPE = pattern(r"""\\(["'\\trn])""")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}

Value = tuple[str, int, int]
"""A word's value and its offsets, quotes included."""


class Word(NamedTuple):
    """A word's place in the text (offsets, quotes included) and whether it is quoted."""

    start: int
    end: int
    quoted: bool


class Statement(NamedTuple):
    """The words from one place up to a terminator: ``;``, ``{``, ``}``, or nothing at the end of the text."""

    words: list[Word]
    terminator: str
    terminator_start: int
    end: int
    comments: list[tuple[int, int]]
    faults: list[tuple[int, int, str]]
    """Places that nginx refuses, and why: offsets and a text."""


def read_statement(text: str, position: int) -> Statement:
    """Read words from an offset up to a terminator. Never fails: what nginx refuses is in ``faults``."""
    words: list[Word] = []
    comments: list[tuple[int, int]] = []
    faults: list[tuple[int, int, str]] = []
    while True:
        match = TOKEN.match(text, position)
        assert match is not None  # every text matches one alternative
        kind = match.lastindex or END
        start, position = match.span(kind)
        if kind == BARE:
            words.append(Word(start, position, False))
        elif kind == QUOTED:
            after = text[position : position + 1]
            if after and after not in " \t\r\n;{)":
                if "\n" in match[2] and after not in "#}":
                    # A string over several lines that ends inside a word: its first quote was never closed.
                    position = _end_of_open_quote(text, start)
                    faults.append((start, start + 1, f"the quote {text[start]} is never closed"))
                    words.append(Word(start, position, False))
                    continue
                faults.append((position, position + 1, f"unexpected {after!r} after a quoted word"))
            words.append(Word(start, position, True))
        elif kind == COMMENT:
            comments.append((start, position))
        elif kind == OPEN_QUOTE:
            position = _end_of_open_quote(text, start)
            faults.append((start, start + 1, f"the quote {text[start]} is never closed"))
            words.append(Word(start, position, False))
        else:
            return Statement(words, match[3] or "", start, position, comments, faults)


def _end_of_open_quote(text: str, start: int) -> int:
    """Where reading goes on after a quote that is never closed: at the line's terminator, else at its end."""
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    line = text[start:end].rstrip()
    if len(line) > 1 and line[-1] in ";{":
        line = line[:-1]
    return start + len(line)


def unescape(word: str) -> str:
    """A word as nginx stores it: of the escapes, only those of quotes, backslash, tab, CR and LF are resolved."""
    if "\\" not in word:
        return word
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), word)


class MaskedText(Protocol):
    """A text whose template expressions are masked, and what is known of them (see ``SourceFile``)."""

    @property
    def masked(self) -> str:
        """The text, with expressions masked."""

    @property
    def engines(self) -> Sequence[str]:
        """The template languages in it."""

    @property
    def defaults(self) -> Mapping[int, str]:
        """What the template gives for an expression, by its offset."""


def values(file: MaskedText, words: list[Word]) -> list[Value]:
    """What the words of a statement say. A template's default of several words becomes several values at one place."""
    text = file.masked
    found: list[Value] = []
    for word in words:
        value = unescape(text[word.start + 1 : word.end - 1] if word.quoted else text[word.start : word.end])
        if MASK in value and file.engines:
            found += _unknown_values(file, word, value)
        else:
            found.append((value, word.start, word.end))
    return found


def _unknown_values(file: MaskedText, word: Word, value: str) -> list[Value]:
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


def word_places(file: MaskedText, start: int, name: str, count: int) -> list[tuple[int, int]]:
    """The offsets of the name and of ``count`` arguments of the directive at an offset, found again from the text."""
    statement = read_statement(file.masked, start)
    found = values(file, statement.words)
    if name == "if":
        found[1:] = _condition(found[1:])
    places = [(start, end) for _, start, end in found]
    if name.endswith(LUA_BLOCK) and statement.terminator == "{":
        places.append((statement.end, max(statement.end, end_of_lua_block(file.masked, statement.end))))
    return places[: count + 1]


def _condition(found: list[Value]) -> list[Value]:
    """The arguments of ``if`` without the parentheses around them, as ``crossplane.parser`` removes them."""
    if not found or not found[0][0].startswith("(") or not found[-1][0].endswith(")"):
        return found
    value, start, end = found[0]
    found[0] = (value[1:].lstrip(), start + 1, end)
    value, start, end = found[-1]
    found[-1] = (value[:-1].rstrip(), start, end - 1)
    return found[not found[0][0] : len(found) - (not found[-1][0])]


_LUA = pattern(
    r"""(?:--)?\[(?P<level>=*)\[                                         # a long string or comment
      | --[^\n]*
      | "[^"\\\n]*(?:\\.[^"\\\n]*)*"? | '[^'\\\n]*(?:\\.[^'\\\n]*)*'?
      | (?P<brace>[{}])""",
    re.VERBOSE | re.DOTALL,
)


def end_of_lua_block(text: str, position: int) -> int:
    """The offset of the ``}`` that closes a Lua block whose text starts at ``position``; -1 if there is none."""
    depth = 1
    while match := _LUA.search(text, position):
        position = match.end()
        if match["level"] is not None:
            closed = text.find(f"]{match['level']}]", position)
            if closed < 0:
                return -1
            position = closed
        elif match["brace"] == "{":
            depth += 1
        elif match["brace"] == "}":
            depth -= 1
            if not depth:
                return match.start()
    return -1
