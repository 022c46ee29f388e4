"""ERB (Puppet, Chef) and EPP (Puppet's own). Tags are ``<% … %>``; the code is read for what it opens and closes."""

from __future__ import annotations

import re

from nginxtls.syntax.templates.tags import Tag, condition, literal

_STRINGS_AND_COMMENTS = re.compile(r"""(?s)"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\#[^\n]*""")
_OPENS = re.compile(
    r"(?:^|[;\n]|=)\s*(?:if|unless|case|while|until|for|begin|def)\b|\bdo\b\s*(?:\|[^|]*\|)?\s*(?=\Z|[;\n])"
)
_CLOSES = re.compile(r"\bend\b")
_BLANKS = re.compile(r"\s+")
_BRACE_BLOCK = re.compile(r"\{\s*\|[^|]*\|\s*\Z")
_LAST_CONDITION = re.compile(r"(?:^|[;\n])\s*(if|unless)\b([^;\n]*)\s*\Z")
_OR = re.compile(r"\|\|\s*(\"[^\"]*\"|'[^']*'|\d+)\s*\)?\s*\Z")
_FETCH = re.compile(r"(?:\.fetch|^pick)\(\s*[:'\"$@\w]+\s*,\s*(\"[^\"]*\"|'[^']*'|\d+)\s*\)\s*\Z")


def tags(start: int, end: int, code: str) -> list[Tag]:
    """What a ``<% … %>`` tag is; the code comes with its leading ``=``, ``#`` or ``-``. One may open or end several."""
    if code.startswith("="):
        code = code.lstrip("=").strip().removesuffix("-").strip()
        return [Tag(start, end, "value", code, default=default(code))]
    if code.startswith(("#", "-#")):
        return [Tag(start, end, "nothing")]
    # Runs of blanks become one, so that no expression below is slow on any text.
    code = _BLANKS.sub(lambda match: "\n" if "\n" in match[0] else " ", code.strip("- \t\r\n"))
    bare = _STRINGS_AND_COMMENTS.sub(lambda match: "" if match[0].startswith("#") else "''", code).strip()
    if not bare or bare.startswith("|"):
        return [Tag(start, end, "nothing")]
    if bare.endswith("{") or bare.startswith("}"):
        return [_braces(start, end, code, bare)]
    first, _, rest = code.partition(" ")
    first = first.split("\n")[0]
    line = code[len(first) :].split("\n")[0].strip().removesuffix(" then").strip()
    net = len(_OPENS.findall(bare)) - len(_CLOSES.findall(bare)) + (_BRACE_BLOCK.search(bare) is not None)
    if first in ("elsif", "else", "when"):
        text, negated = condition(line)
        middle = Tag(start, end, "elif", text, negated=negated)
        if first != "elsif":
            middle = Tag(start, end, "else") if first == "else" else Tag(start, end, "when", line)
        return [middle] + [Tag(end, end, "loop", code)] * max(net, 0)
    if net < 0:
        return [Tag(start, end, "end")] + [Tag(end, end, "end")] * (-net - 1)
    if net == 0:
        return [Tag(start, end, "nothing")]
    last = _LAST_CONDITION.search(code)
    if first == "case" and net == 1:
        opening = Tag(start, end, "case", rest.strip())
    elif last:
        text, negated = condition(last[2].strip().removesuffix(" then"))
        opening = Tag(start, end, "if", text, negated=negated is not (last[1] == "unless"))
    else:
        opening = Tag(start, end, "loop", code)
    return [Tag(start, start, "loop", code)] * (net - 1) + [opening]


def _braces(start: int, end: int, code: str, bare: str) -> Tag:
    """EPP's blocks (and Ruby's ``{ |x|``) are in braces."""
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
