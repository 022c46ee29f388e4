"""Compose files: what their services mount."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.syntax.containers.pieces import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator

_VOLUME = re.compile(
    r"""^[ ]*-[ ]+["']?(?P<here>\.{0,2}/[^:"'\n]*|\.{1,2}|\$\{?PWD\}?[^:"'\n]*):(?P<there>/[^:"'\n]*)(?::\w[\w,]*)?["']?
        [ \t]*(?:\#[^\n]*)?\r?$
      | ^[ ]*(?:-[ ]+)?source:[ ]+["']?(?P<source>\.{1,2}(?:/[^"'\n#]*)?)["']?[ \t]*\r?\n
        (?:[ ]+(?!target)[^\n]*\n){0,3}[ ]+target:[ ]+["']?(?P<target>/[^"'\n#]*?)["']?[ \t]*\r?$""",
    re.MULTILINE | re.VERBOSE,
)


def mounts(text: str) -> Iterator[Mount]:
    """The ``volumes`` that are bound to a path beside the file, short and long."""
    for match in _VOLUME.finditer(text):
        here = re.sub(r"^\$\{?PWD\}?", ".", match["here"] or match["source"])
        yield Mount(match["there"] or match["target"], here)
