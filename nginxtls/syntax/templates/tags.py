"""The tags of a template, as the engines report them."""

from __future__ import annotations

import re
from typing import Literal

from nginxtls.base.lazy import NamedTuple

Kind = Literal["value", "nothing", "if", "case", "when", "elif", "else", "loop", "end", "hide", "shown", "code"]


class Tag(NamedTuple):
    """A tag and its place (offsets).

    ``value``: it becomes some text; ``default`` is the text that the template itself gives, if any. ``nothing``: it
    leaves no text. ``if`` … ``elif`` … ``else`` … ``end``, ``case`` … ``when`` … ``end``: alternatives, ``text`` is the
    condition. ``loop`` … ``end``: what is repeated, or not there. ``hide`` … ``end``: text that is not put out here.
    ``shown`` … ``end``: text that is put out as it is. ``code``: the inside of a Lua block, no tag and no nginx.
    """

    start: int
    end: int
    kind: Kind
    text: str = ""
    default: str | None = None
    negated: bool = False


_STRING = r"""(?:"(?P<double>[^"\\]*)"|'(?P<single>[^'\\]*)')"""
STRING = re.compile(_STRING)
_NUMBER = re.compile(r"\d+\Z")


def literal(text: str) -> str | None:
    """The value of a string or number literal without anything to fill in; None for all else."""
    text = text.strip()
    match = STRING.fullmatch(text)
    if match:
        value = match["double"] if match["double"] is not None else match["single"]
        return None if re.search(r"#\{|\$\{|\{\{|[\n\r]", value) else value
    return text if _NUMBER.match(text) else None


def condition(text: str) -> tuple[str, bool]:
    """A condition in one form, and whether it is negated: ``not x`` and ``!x`` are ``x``, negated."""
    text = " ".join(text.split())
    negated = False
    while match := re.fullmatch(r"(?:not\s+|!\s*)(\(.*\)|[\w.@$\[\]'\":?-]+)", text):
        text = match[1].removeprefix("(").removesuffix(")") if match[1].startswith("(") else match[1]
        negated = not negated
    return text, negated
