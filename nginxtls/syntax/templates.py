"""unfinished"""

from __future__ import annotations

from nginxtls.syntax.branches import Branches
from nginxtls.syntax.tree import SourceFile


def mask(file: SourceFile) -> Branches | None:
    return None
