"""Configurations that stand inside other files, read as text: Kubernetes manifests, Compose files, Dockerfiles.

Nothing is parsed as YAML and nothing is built: block scalars and heredocs are found by their lines, so that templates
of such files (Helm) are read as well and every line keeps its number.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from nginxtls.syntax.files import MAGIC
from nginxtls.syntax.fragments import is_nginx, may_be_nginx
from nginxtls.syntax.reading import source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.syntax.fragments import Context
    from nginxtls.syntax.tree import SourceFile


MAX_PIECES = 2000
"""So many stretches of one file are looked at."""
MAX_UNCLOSED = 20
"""After so many heredocs without an end a file is given up."""


class Piece(NamedTuple):
    """A stretch of whole lines that may be a configuration: offsets, and what its name there says."""

    start: int
    end: int
    named_so: bool
    context: Context | None = None
    value: tuple[int, int] | None = None
    """Where the configuration stands, if not the whole lines are."""


class PathMap(NamedTuple):
    """A file or folder that a container gets at a path: the path there, and where it may be here, the surest first.

    With a slash at its end the path there is a folder: a file is put into it, of a folder the content.
    """

    there: str
    here: tuple[str, ...]


class Extract(NamedTuple):
    """A configuration found inside a file, and the block that its place says it belongs in."""

    file: SourceFile
    context: Context | None


def extract(name: str, text: str, path: str) -> list[Extract]:
    """The configurations inside a file; their lines are those of the file."""
    pieces = _heredocs(text) if _is_dockerfile(path) else _scalars(text)
    found: list[Extract] = []
    line, counted = 1, 0
    for piece in islice(pieces, MAX_PIECES):
        stretch = text[piece.start : piece.end]
        if not (piece.named_so or may_be_nginx(stretch.encode("utf-8", "replace"))):
            continue
        line += text.count("\n", counted, piece.start)
        counted = piece.start
        visible = None
        if piece.value:
            start, end = piece.value[0] - piece.start, piece.value[1] - piece.start
            visible = " " * start + stretch[start:end] + " " * (len(stretch) - end)
        file = source(name, stretch, path, first_line=line, visible=visible)
        if is_nginx(file, named_so=piece.named_so):
            found.append(Extract(file, piece.context))
    return found


# -- YAML ------------------------------------------------------------------------------------------------------------

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


def _scalars(text: str) -> Iterator[Piece]:
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


# -- Dockerfiles -----------------------------------------------------------------------------------------------------

_HEREDOC = re.compile(
    r"""^[^#\n]*<<-?[ ]*(?P<quote>["']?)(?P<word>[A-Za-z_]\w*)(?P=quote)(?P<rest>[^\n]*)\n""", re.MULTILINE
)
_COPY = re.compile(
    r"^[ \t]*(?:COPY|ADD)[ \t]+(?:--(?!from)\S+[ \t]+)*(?!--|<<)(?P<paths>(?:[^\n\\]|\\\r?\n)+)$",
    re.MULTILINE | re.IGNORECASE,
)
_VOLUME = re.compile(
    r"""^[ ]*-[ ]+["']?(?P<here>\.{0,2}/[^:"'\n]*|\.{1,2}|\$\{?PWD\}?[^:"'\n]*):(?P<there>/[^:"'\n]*)(?::\w[\w,]*)?["']?
        [ \t]*(?:\#[^\n]*)?\r?$
      | ^[ ]*(?:-[ ]+)?source:[ ]+["']?(?P<source>\.{1,2}(?:/[^"'\n#]*)?)["']?[ \t]*\r?\n
        (?:[ ]+(?!target)[^\n]*\n){0,3}[ ]+target:[ ]+["']?(?P<target>/[^"'\n#]*?)["']?[ \t]*\r?$""",
    re.MULTILINE | re.VERBOSE,
)
MAX_CONTEXT = 4
"""So many folders upward the context that an image is built in is looked for."""


def _is_dockerfile(path: str) -> bool:
    return not re.search(r"\.ya?ml(?:\.\w+)?\Z", path, re.IGNORECASE)


def _heredocs(text: str) -> Iterator[Piece]:
    """The heredocs of a Dockerfile."""
    position = 0
    unclosed = 0
    while unclosed < MAX_UNCLOSED and (match := _HEREDOC.search(text, position)):
        start = match.end()
        closing = re.compile(rf"^[ \t]*{match['word']}[ \t]*\r?$", re.MULTILINE).search(text, start)
        if closing is None:
            position = start
            unclosed += 1
            continue
        yield Piece(start, closing.start(), re.search(r"nginx|\.conf", match[0]) is not None)
        position = closing.end()


def path_maps(text: str, path: str) -> list[PathMap]:
    """Where a container gets what from: ``COPY`` of a Dockerfile, ``volumes`` of a Compose file."""
    folder = os.path.dirname(path)
    if _is_dockerfile(path):
        # An image is built from its Dockerfile's folder or from one above it.
        contexts = [os.path.normpath(f"{folder}/{'../' * up}") for up in range(MAX_CONTEXT)]
        pairs = [pair for match in _COPY.finditer(text) for pair in _copied(match["paths"])]
    else:
        contexts = [folder]
        pairs = [
            (match["there"] or match["target"], re.sub(r"^\$\{?PWD\}?", ".", match["here"] or match["source"]))
            for match in _VOLUME.finditer(text)
        ]
    return [
        PathMap(there, tuple(os.path.normpath(f"{context}/{here}") for context in dict.fromkeys(contexts)))
        for there, here in pairs
        if there.strip("/") and not here.startswith("/") and not MAGIC.search(here)
    ]


def _copied(words: str) -> Iterator[tuple[str, str]]:
    """The pairs of a path in the image and one in the context of a ``COPY``."""
    if words.lstrip().startswith("["):
        *sources, target = re.findall(r'"([^"\n]*)"', words) or [""]
    else:
        *sources, target = words.replace("\\", " ").split()
    if not target.startswith("/") or "$" in words:
        return
    for source_path in sources:
        here = "./" + source_path.lstrip("/")
        if MAGIC.search(os.path.basename(source_path)):
            yield target, os.path.dirname(here)
        else:
            yield (target.rstrip("/") + "/" if len(sources) > 1 else target), here
