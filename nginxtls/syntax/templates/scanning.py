"""Finds the tags of all engines in a text, in order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.syntax.templates import go, jinja, ruby
from nginxtls.syntax.templates.tags import Tag
from nginxtls.syntax.words import end_of_lua_block

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENER = re.compile(
    r"""(?P<jinja>\{%) | (?P<comment>\{\#) | (?P<braces>\{\{\{?) | (?P<ruby><%)
      | (?P<shell>\$\{[A-Z_][A-Z0-9_]*(?::?[-=](?P<fallback>[^{}$\n]*)|:?[?+][^{}\n]*)?\})
      | (?P<name>\$[A-Z][A-Z0-9_]+\b)
      | (?P<call>\$\([\w.]+(?:\([\w.]*\)|\[\w+\])?\))
      | (?P<place>__[A-Z][A-Z0-9_]*?__ | @@?[A-Z][A-Z0-9_]*@@? | %%[A-Za-z_][\w.]*%% | %\{[a-z_][\w.]*\})
      | (?P<lua>[a-z_]+_by_lua_block\b[^{};]*\{)
      | ^(?P<kong>>[ \t]*(?P<word>[a-z]*)[^\n]*)""",
    re.VERBOSE | re.MULTILINE,
)
_DEFINES = (
    r"(?:\b(?:set|map|geo|split_clients|auth_request_set|js_set|perl_set|set_by_lua\w*)\s[^;{{}}]*|\?P?<)\$?{name}\b"
)


MAX_CODE = 20_000
"""The code of a longer tag is not looked at."""
MAX_NAMES = 30
"""Of so many upper-case names the text is searched for whether nginx itself sets them."""


def scan(text: str, engines: set[str], unclosed: list[int]) -> Iterator[Tag]:
    """The tags in order. Fills in the engines met and the offsets of tags that are never closed."""
    kong = "${{" in text and "\n> " in text
    comments = "{%" in text or "{{" in text
    missing: set[str] = set()
    own: dict[str, bool] = {}
    position = 0
    while match := _OPENER.search(text, position):
        kind = (
            match.lastgroup if match.lastgroup not in ("fallback", "word") else ("shell" if match["shell"] else "kong")
        )
        start, position = match.span()
        if kind == "lua":
            end = end_of_lua_block(text, position)
            if end >= 0:
                yield Tag(position, end, "code")
                position = end
        elif kind == "shell":
            engines.add("envsubst")
            yield Tag(start, position, "value", match[0], default=match["fallback"])
        elif kind == "name":
            name = match[0][1:]
            if name not in own:
                own[name] = len(own) < MAX_NAMES and re.search(_DEFINES.format(name=name), text) is not None
            if not own[name]:
                engines.add("envsubst")
                yield Tag(start, position, "value", name)
        elif kind == "place":
            engines.add("placeholder")
            yield Tag(start, position, "value", match[0])
        elif kind == "call":
            if kong:
                yield Tag(start, position, "value", match[0])
        elif kind == "kong":
            if kong:
                engines.add("placeholder")
                yield _kong(start, position, match["word"], match["kong"])
        else:
            closer = {"{%": "%}", "{#": "#}", "{{": "}}", "{{{": "}}}", "<%": "%>"}[match[0]]
            if kind == "comment" and not comments:
                continue
            if match[0] == "<%" and text.startswith("%", position):
                continue
            end = -1 if closer in missing else text.find(closer, position)
            if end < 0 and closer == "}}}":
                closer = "}}"
                end = -1 if closer in missing else text.find(closer, position)
            if end < 0:
                missing.add(closer)
                if kind != "comment":
                    unclosed.append(start)
                    line = text.find("\n", start)
                    position = len(text) if line < 0 else line
                    yield Tag(start, position, "value")
                continue
            code, position = text[position:end], end + len(closer)
            if len(code) > MAX_CODE:
                yield Tag(start, position, "nothing")
                continue
            if kind == "jinja":
                engines.add("jinja")
                tag = jinja.statement(start, position, code)
                yield tag
                if tag.kind == "shown" and tag.text not in missing:
                    raw = re.compile(r"\{%[-+]?\s*end" + tag.text + r"\s*[-+]?%\}").search(text, position)
                    if raw:
                        position = raw.start()
                    else:
                        missing.add(tag.text)
            elif kind == "comment":
                yield Tag(start, position, "nothing")
            elif kind == "braces":
                tag = go.tag(start, position, code)
                if tag.kind != "value":
                    engines.add("go")
                elif not engines & {"go", "jinja"}:
                    engines.add("jinja" if "{%" in text else "go")
                yield tag
            else:
                engines.add("erb")
                yield from ruby.tags(start, position, code)


def _kong(start: int, end: int, word: str, line: str) -> Tag:
    """Kong's own templates: lines that start with ``>`` are Lua."""
    text = line.lstrip("> \t")[len(word) :].strip().removesuffix("then").strip()
    if word == "if":
        return Tag(start, end, "if", text)
    if word == "elseif":
        return Tag(start, end, "elif", text)
    if word == "for":
        return Tag(start, end, "loop", text)
    if word == "else":
        return Tag(start, end, "else")
    return Tag(start, end, "end" if word == "end" else "nothing")
