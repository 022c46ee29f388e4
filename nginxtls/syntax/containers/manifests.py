"""Kubernetes manifests, Helm's templates of them, and other YAML: its block scalars, and snippets in annotations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.syntax.containers.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.syntax.fragments import Context

_KEY = re.compile(
    r"""^(?P<indent>[ ]*)(?:-[ ]+)?(?P<key>[\w./~-]+|"[^"\n]+"|'[^'\n]+')[ ]*:[ ]+
        (?: (?P<block>[|>][-+0-9]*)[ \t]*(?:\#[^\n]*)?\r?$
          | (?P<quote>["']?)(?P<inline>[^\s"'|>&*!\[{][^\n\\]*?;)(?P=quote)[ \t]*\r?$)""",
    re.VERBOSE | re.MULTILINE,
)
_NGINX_KEY = re.compile(r"nginx|\.conf(?:\.\w+)?$|snippets?$|vhost|\.template$|default$", re.IGNORECASE)
_SNIPPETS: tuple[tuple[str, Context], ...] = (
    ("configuration-snippet", "location"),
    ("location-snippet", "location"),
    ("server-snippet", "server"),
    ("auth-snippet", "location"),
    ("stream-snippet", "stream"),
    ("http-snippet", "http"),
    ("main-snippet", "main"),
)
_TEMPLATE_LINE = re.compile(r"[ \t]*\{\{.*\}\}[ \t]*\r?\n?\Z")


def pieces(text: str) -> Iterator[Piece]:
    """The block scalars of a YAML text, and the one-line values of keys that say nginx."""
    position = 0
    while match := _KEY.search(text, position):
        key = match["key"].strip("\"'")
        context = next((where for snippet, where in _SNIPPETS if snippet in key), None)
        named_so = _NGINX_KEY.search(key) is not None
        if match["inline"]:
            position = match.end()
            if context:
                line = text.find("\n", match.start())
                yield Piece(match.start(), len(text) if line < 0 else line + 1, True, context, match.span("inline"))
            continue
        start = text.find("\n", match.end())
        if start < 0:
            return
        start += 1
        end = _end_of_scalar(text, start, len(match["indent"]))
        yield Piece(start, end, named_so, context)
        position = max(end - 1, match.end())


def _end_of_scalar(text: str, start: int, indent: int) -> int:
    """Where a block scalar ends: at the first line that is not indented more than its key."""
    position = end = start
    while position < len(text):
        line_end = text.find("\n", position)
        line_end = len(text) if line_end < 0 else line_end + 1
        line = text[position:line_end]
        bare = line.lstrip(" ")
        if bare.strip():
            if len(line) - len(bare) > indent:
                end = line_end
            elif not _TEMPLATE_LINE.match(line):
                break
        position = line_end
    return end
