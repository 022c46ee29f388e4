"""Configurations inside other files, read as text: Kubernetes manifests, Compose files, Dockerfiles.

Nothing is parsed as YAML and nothing is built: block scalars and heredocs are found by their lines, so that templates
of such files (Helm) are read as well and every line keeps its number. Each kind of file is a module that finds its
``pieces`` and ``mounts``.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.syntax.containers import compose, dockerfiles, manifests
from nginxtls.syntax.files import MAGIC
from nginxtls.syntax.fragments import is_nginx, may_be_nginx
from nginxtls.syntax.reading import source

if TYPE_CHECKING:
    from nginxtls.syntax.fragments import Context
    from nginxtls.syntax.tree import SourceFile

MAX_PIECES = 2000
"""So many stretches of one file are looked at."""
MAX_CONTEXT = 4
"""An image is built from its Dockerfile's folder or from one above it: so many are looked at."""

_YAML = re.compile(r"\.ya?ml(?:\.\w+)?\Z", re.IGNORECASE)


class Extract(NamedTuple):
    """A configuration found inside a file, and the block that its place says it belongs in."""

    file: SourceFile
    context: Context | None


class PathMap(NamedTuple):
    """What a container gets at a path (see ``Mount``), and where it may be here, the surest first."""

    there: str
    here: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


def environment(text: str, path: str) -> list[tuple[str, str]]:
    """The variables that a Compose file or a Dockerfile sets, for any of its containers."""
    if _YAML.search(path):
        return [pair for service in compose.services(text) for pair in compose.environment(service)]
    return list(dockerfiles.environment(text))


def extract(name: str, text: str, path: str) -> list[Extract]:
    """The configurations inside a file; their lines are those of the file."""
    pieces = manifests.pieces(text) if _YAML.search(path) else dockerfiles.pieces(text)
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


def path_maps(text: str, path: str) -> list[PathMap]:
    """Where a container gets what from: ``COPY`` of a Dockerfile, ``volumes`` of a Compose file."""
    folder = os.path.dirname(path)
    yaml = _YAML.search(path) is not None
    contexts = [os.path.normpath(f"{folder}/{'../' * up}") for up in range(1 if yaml else MAX_CONTEXT)]
    return [
        PathMap(there, tuple(os.path.normpath(f"{context}/{here}") for context in dict.fromkeys(contexts)), variables)
        for there, here, variables in (compose if yaml else dockerfiles).mounts(text)
        if there.strip("/") and not here.startswith("/") and not MAGIC.search(here)
    ]
