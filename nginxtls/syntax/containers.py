"""unfinished"""

from __future__ import annotations

from nginxtls.syntax.files import Files
from nginxtls.syntax.tree import SourceFile


def extract(name: str, text: str, path: str, files: Files) -> list[SourceFile]:
    return []
