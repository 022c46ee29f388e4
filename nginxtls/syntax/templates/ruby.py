"""ERB (Puppet, Chef) and EPP (Puppet's own). Tags are ``<% … %>``; the code is read for what it opens and closes."""

from __future__ import annotations

import re

from nginxtls.syntax.templates.tags import Tag, condition, literal

_STRINGS_AND_COMMENTS = re.compile(r"""(?s)"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\#[^\n]*""")
_OPENS = re.compile(
    r"(?:^|[;\n]|=)\s*(?:if|unless|case|while|until|for|begin|def)\b|\bdo\b\s*(?:\|[^|]*\|)?\s*(?=\Z|[;\n])"
)
_CLOSES = re.compile(r"\bend\b")
_OR = re.compile(r"\|\|\s*(\"[^\"]*\"|'[^']*'|\d+)\s*\)?\s*\Z")
_FETCH = re.compile(r"\.fetch\(\s*[:'\"\w]+\s*,\s*(\"[^\"]*\"|'[^']*'|\d+)\s*\)\s*\Z")


def tag(start: int, end: int, code: str) -> Tag:
    """What a ``<% … %>`` tag is; the code comes with its leading ``=``, ``#`` or ``-``."""
    if code.startswith("="):
        code = code.lstrip("=").strip().removesuffix("-").strip()
        return Tag(start, end, "value", code, default=default(code))
    if code.startswith(("#", "-#")):
        return Tag(start, end, "nothing")
    code = code.strip("- \t\r\n")
    bare = _STRINGS_AND_COMMENTS.sub(lambda match: "" if match[0].startswith("#") else "''", code).strip()
    if not bare or bare.startswith("|"):
        return Tag(start, end, "nothing")
    if bare.endswith("{") or bare.startswith("}"):
        return _braces(start, end, code, bare)
    word = re.match(r"[a-z]+", bare)
    first = word[0] if word else ""
    rest = code[len(first) :].strip().removesuffix(" then").strip()
    if first == "elsif":
        text, negated = condition(rest)
        return Tag(start, end, "elif", text, negated=negated)
    if first == "else":
        return Tag(start, end, "else")
    if first == "when":
        return Tag(start, end, "when", rest)
    net = len(_OPENS.findall(bare)) - len(_CLOSES.findall(bare))
    if re.search(r"\{\s*\|[^|]*\|\s*\Z", bare):
        net += 1
    if net > 0:
        if first in ("if", "unless"):
            text, negated = condition(rest)
            return Tag(start, end, "if", text, negated=negated is not (first == "unless"))
        if first == "case":
            return Tag(start, end, "case", rest)
        opener = re.search(r"(?:^|[;\n])\s*(if|unless)\b([^;\n]*)\s*\Z", code)
        if opener:
            text, negated = condition(opener[2])
            return Tag(start, end, "if", text, negated=negated is not (opener[1] == "unless"))
        return Tag(start, end, "loop", code)
    return Tag(start, end, "end" if net < 0 else "nothing")


def _braces(start: int, end: int, code: str, bare: str) -> Tag:
    """EPP's blocks (and Ruby's ``{ |x|``) stand in braces."""
    opens = bare.endswith("{")
    if bare.startswith("}"):
        if not opens:
            return Tag(start, end, "end")
        code = code.lstrip("} \t\r\n")
        word, _, rest = code.removesuffix("{").strip().partition(" ")
        if word == "elsif":
            text, negated = condition(rest)
            return Tag(start, end, "elif", text, negated=negated)
        return Tag(start, end, "else") if word == "else" else Tag(start, end, "when", code.removesuffix("{").strip())
    word, _, rest = code.removesuffix("{").strip().partition(" ")
    if word in ("if", "unless"):
        text, negated = condition(rest)
        return Tag(start, end, "if", text, negated=negated is not (word == "unless"))
    return Tag(start, end, "loop", code)


def default(code: str) -> str | None:
    """What an expression says for the case that its variable is not set."""
    match = _OR.search(code) or _FETCH.search(code)
    return literal(match[1]) if match else literal(code)
