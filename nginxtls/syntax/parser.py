"""crossplane builds the tree; words and columns are ours. This is where they meet.

1. ``words``: nginx's own rules for words, quotes, escapes, comments (and, for templates, ``templates`` masks the tags).
2. ``stream``: the words as the tokens that crossplane's lexer would yield, with offsets in place of lines, completed
   where nginx would refuse the text.
3. Here: ``crossplane.parse`` builds the AST from these tokens, and its payload is converted once into ``Directive``s.
4. ``tree``: what the rest of nginxtls works with.

``crossplane.parse`` calls ``lex`` with a file's name. It runs here as a function of its own, of the same code, in whose
global names ``lex`` is our stream and ``open`` is nothing: crossplane's module is left alone, and no path is opened.
Where a template's branches open and close blocks across each other, the stream opens a block again at the offset that
it has; the second part of its content is added to the first.
"""

from __future__ import annotations

import sys
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from nginxtls.syntax.stream import Known, Stream
from nginxtls.syntax.tree import Directive, SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nginxtls.syntax.branches import Branches
    from nginxtls.syntax.stream import Token


def parse_text(text: str, name: str = "-", path: str | None = None) -> SourceFile:
    """Parse plain nginx configuration (no template). Never raises: what nginx would refuse is in ``problems``."""
    file = SourceFile(name, text, path)
    parse_file(file)
    return file


def parse_file(file: SourceFile, branches: Branches | None = None, known: Known | None = None) -> None:
    """Fill ``directives``, ``comments`` and ``problems`` of a file from its masked text.

    ``known`` keeps what directives of the same text have in common, for all files that are read with it.
    """
    stream = Stream(file, branches, known or Known())
    stream.read()
    _fill(file, stream, crossplane_ast(stream.tokens), None, file.directives, {})


def crossplane_ast(tokens: Iterable[Token]) -> list[dict[str, Any]]:
    """The statements that ``crossplane.parse`` makes of complete tokens; ``line`` is what the tokens have there."""
    names, code, defaults = _parse()
    inner: list[FunctionType] = []

    def lex(name: str) -> Iterable[Token]:
        inner.append(sys._getframe(1).f_locals["_parse"])
        return iter(tokens)

    parse = FunctionType(code, names | {"lex": lex}, "parse", defaults)
    payload = parse("", single=True, comments=True, check_ctx=False, check_args=False)
    # The function inside of it refers to itself. The command collects no circles: each took 2 kB.
    while inner:
        function = inner.pop()
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        del cells["_parse"].cell_contents
    if payload["errors"]:
        raise RuntimeError(f"crossplane: {payload['errors'][0]['error']}")
    parsed: list[dict[str, Any]] = payload["config"].pop()["parsed"]
    return parsed


@cache
def _parse() -> tuple[dict[str, Any], Any, Any]:
    from crossplane import parser

    parse: Callable[..., Any] = parser.parse
    return vars(parser) | {"open": None, "glob": None}, parse.__code__, parse.__defaults__


def _fill(
    file: SourceFile,
    stream: Stream,
    statements: list[dict[str, Any]],
    parent: Directive | None,
    block: list[Directive],
    again: dict[int, Directive],
) -> None:
    """Convert crossplane's statements into the directives of a block."""
    ends, places, arguments = stream.ends, stream.places, stream.known.arguments
    for statement in statements:
        start = statement["line"]
        if "comment" in statement:
            file.add_comment(start, start + 1 + len(statement["comment"]))
            continue
        inner = statement.get("block")
        directive = again.get(start) if inner is not None else None
        if directive is None:
            name = statement["directive"]
            directive = Directive(name, arguments(statement["args"]), file, start, ends.get(start, 0), parent)
            block.append(directive)
            if start in places:
                directive.branch = places[start]
            if name == "include" and inner is None:
                file.includes.append(directive)
        if inner is not None:
            if directive.block is None:
                directive.block = []
                if stream.branches:
                    again[start] = directive
            _fill(file, stream, inner, directive, directive.block, again)
