"""Go templates (docker-gen, confd, consul-template, Helm, Sigil), Handlebars and Mustache. All tags are ``{{ … }}``."""

from __future__ import annotations

import re

from nginxtls.syntax.templates import jinja
from nginxtls.syntax.templates.tags import Tag, condition, literal

_ASSIGNMENT = re.compile(r"\$[\w.]*\s*(?:,\s*\$\w+\s*)?:?=[^=]")
_DEFAULT = re.compile(
    r"""(?:^|[|(]\s*|\s)(?:default|or|coalesce)\s+(?:\.\S+\s+|\$\S+\s+|\([^()]*\)\s+)*(?P<first>"[^"]*"|\d+)(?:\s|\)|\Z)
      | ^(?:getenv|getv|keyOrDefault|envOrDefault|envOrKey)\s+"[^"]*"\s+(?P<second>"[^"]*")\s*\Z""",
    re.VERBOSE,
)


def tag(start: int, end: int, code: str) -> Tag:
    """What a ``{{ … }}`` tag is, be it Go's, Handlebars' or a value of Jinja's."""
    code = code.strip("- ~\t\r\n")
    word = re.match(r"[#/^>!]?\s*[\w.]*", code)
    first = word[0] if word else ""
    rest = code[len(first) :].strip()
    if code.startswith(("/*", "!")):
        return Tag(start, end, "nothing")
    if first == "if":
        text, negated = condition(rest)
        return Tag(start, end, "if", text, negated=negated)
    if first == "else":
        if rest.startswith(("if ", "with ")):
            text, negated = condition(rest.partition(" ")[2])
            return Tag(start, end, "elif", text, negated=negated)
        return Tag(start, end, "else")
    if first in ("range", "define", "block"):
        return Tag(start, end, "loop", rest)
    if first == "with":
        return Tag(start, end, "if", rest)
    if first == "end":
        return Tag(start, end, "end")
    if first in ("break", "continue"):
        return Tag(start, end, "nothing")
    if first.startswith(("#", "^")):
        name = first[1:].strip()
        if name in ("if", "unless"):
            text, negated = condition(rest)
            return Tag(start, end, "if", text, negated=negated is not (name == "unless"))
        return Tag(start, end, "loop", name)
    if first.startswith("/"):
        return Tag(start, end, "end")
    if _ASSIGNMENT.match(code):
        return Tag(start, end, "nothing")
    return Tag(start, end, "value", code, default=default(code))


def default(code: str) -> str | None:
    """What an expression says for the case that its variable is not set."""
    match = _DEFAULT.search(code)
    if match:
        return literal(match["first"] or match["second"])
    return jinja.default(code)
