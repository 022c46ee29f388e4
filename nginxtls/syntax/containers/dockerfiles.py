"""Dockerfiles: their heredocs, and what they copy into the image."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from nginxtls.syntax.containers.pieces import Mount, Piece
from nginxtls.syntax.files import MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_UNCLOSED = 20
"""After so many heredocs without an end a file is given up."""

_HEREDOC = re.compile(
    r"""^[^#\n]*<<-?[ ]*(?P<quote>["']?)(?P<word>[A-Za-z_]\w*)(?P=quote)(?P<rest>[^\n]*)\n""", re.MULTILINE
)
_COPY = re.compile(
    r"^[ \t]*(?:COPY|ADD)[ \t]+(?:--(?!from)\S+[ \t]+)*(?!--|<<)(?P<paths>(?:[^\n\\]|\\\r?\n)+)$",
    re.MULTILINE | re.IGNORECASE,
)


def pieces(text: str) -> Iterator[Piece]:
    """The heredocs."""
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


_ENV = re.compile(r"^[ \t]*ENV[ \t]+(?P<rest>(?:[^\n\\]|\\\r?\n|\\.)+)$", re.MULTILINE | re.IGNORECASE)
_PAIR = re.compile(r"""([A-Za-z_]\w*)=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))""")


def mounts(text: str) -> Iterator[Mount]:
    """What ``COPY`` and ``ADD`` take from the folder that the image is built in."""
    variables = tuple(environment(text))
    for match in _COPY.finditer(text):
        for mount in _copied(match["paths"]):
            yield mount._replace(environment=variables)


def environment(text: str) -> Iterator[tuple[str, str]]:
    """The variables that ``ENV`` sets."""
    for match in _ENV.finditer(text):
        rest = match["rest"].replace("\\", " ").strip()
        pairs = _PAIR.findall(rest) or [(*rest.split(None, 1), "", "", "")[:4]] if "=" in rest or " " in rest else []
        for name, *values in pairs:
            value = "".join(values)
            if "$" not in value:
                yield name, value


def _copied(words: str) -> Iterator[Mount]:
    """What one ``COPY`` takes, in any of its forms."""
    if words.lstrip().startswith("["):
        *sources, target = re.findall(r'"([^"\n]*)"', words) or [""]
    else:
        *sources, target = words.replace("\\", " ").split() or [""]
    if not target.startswith("/") or "$" in words:
        return
    for source_path in sources:
        here = "./" + source_path.lstrip("/")
        if MAGIC.search(os.path.basename(source_path)):
            yield Mount(target, os.path.dirname(here))
        else:
            yield Mount(target.rstrip("/") + "/" if len(sources) > 1 else target, here)
