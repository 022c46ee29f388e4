"""Jinja (Ansible, Salt), and what looks like it: Liquid, Twig, Nunjucks, Tera. Tags are ``{% … %}``."""

from __future__ import annotations

import re

from nginxtls.syntax.templates.tags import STRING, Tag, condition, literal

_HIDDEN = frozenset({"capture", "comment"})
_LOOPS = frozenset({"for", "macro"})
_UNKNOWN_TEXT = frozenset({"include", "render", "component", "call"})
_DEFAULT = re.compile(
    r"\|\s*(?:default|d)\s*(?:\(\s*(?P<value>\[[^\]]*\]|\"[^\"]*\"|'[^']*'|\d+)\s*(?:,[^)]*)?\)|:\s*(?P<liquid>\"[^\"]*\"|'[^']*'|\d+))"
    r"(?P<rest>.*)\Z",
    re.DOTALL,
)
_OR = re.compile(r"\bor\s+(\"[^\"]*\"|'[^']*'|\d+)\s*\Z")
_GET = re.compile(r"\bget['\"]?\]?\(\s*[^()\s,][^(),]*,\s*(\"[^\"]*\"|'[^']*'|\d+)\s*\)(?P<rest>.*)\Z", re.DOTALL)
"""A dictionary's ``get``, and Salt's ``pillar.get``, with what they say where there is no such key."""
_HARMLESS = re.compile(r"(?:\s*\|\s*(?:trim|string|int|lower|safe|quote|regex_escape)\s*(?:\(\s*\))?)*\s*\Z")
_JOIN = re.compile(r"\s*\|\s*join\s*(?:\(\s*(\"[^\"]*\"|'[^']*')\s*\))?\s*\Z")


def statement(start: int, end: int, code: str) -> Tag:
    """What a ``{% … %}`` tag is."""
    code = code.strip("-+~ \t\r\n")
    word = code.partition(" ")[0] if " " in code.split("\n")[0] else next(iter(code.split()), "")
    rest = code[len(word) :].strip()
    if word in ("if", "unless", "ifchanged"):
        text, negated = condition(rest)
        return Tag(start, end, "if", text, negated=negated is not (word == "unless"))
    if word in ("elif", "elsif", "elseif"):
        text, negated = condition(rest)
        return Tag(start, end, "elif", text, negated=negated)
    if word == "else":
        return Tag(start, end, "else")
    if word in ("case", "switch"):
        return Tag(start, end, "case", rest)
    if word == "when":
        return Tag(start, end, "when", rest)
    if word in _LOOPS:
        return Tag(start, end, "loop", rest)
    if word in _HIDDEN or (word == "set" and "=" not in rest):
        return Tag(start, end, "hide", word)
    if word in ("raw", "verbatim"):
        return Tag(start, end, "shown", word)
    if word in (
        "endif",
        "endunless",
        "endifchanged",
        "endfor",
        "endcase",
        "endswitch",
        "endmacro",
        "endset",
        "endcomment",
    ) or word in (
        "endcapture",
        "endraw",
        "endverbatim",
    ):
        return Tag(start, end, "end", word)
    return Tag(start, end, "value" if word in _UNKNOWN_TEXT else "nothing")


def default(code: str) -> str | None:
    """What an expression says for the case that its variable is not set."""
    match = _DEFAULT.search(code)
    if match is None:
        if (got := _GET.search(code)) and _HARMLESS.match(got["rest"]):
            return literal(got[1])
        match_or = _OR.search(code)
        return literal(match_or[1]) if match_or else literal(code)
    value, rest = match["value"] or match["liquid"], match["rest"]
    if value.startswith("["):
        join = _JOIN.match(rest)
        if join is None:
            return None
        parts = [
            found["double"] if found["double"] is not None else found["single"] for found in STRING.finditer(value)
        ]
        return (literal(join[1]) or "" if join[1] else "").join(parts)
    return literal(value) if _HARMLESS.match(rest) else None
