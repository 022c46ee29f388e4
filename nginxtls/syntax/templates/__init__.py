"""Templates: their text is masked, never rendered, so that what is nginx in them can be parsed at its true place.

Each engine is a module that finds its tags and says what each is (``Tag``); ``masking`` does the rest for all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxtls.syntax.branches import Branches
    from nginxtls.syntax.tree import SourceFile

__all__ = ["mask"]

_LIKE_A_TAG = re.compile(r"\{[{%#]|<%|\$\{?[A-Z_]|__[A-Z]|@[A-Z]|%%|%\{")


def mask(file: SourceFile) -> Branches | None:
    """Mask the template text of a file, if any: sets ``masked``, ``engines``, ``defaults`` and ``conditions``."""
    if not _LIKE_A_TAG.search(file.masked):
        return None
    from nginxtls.syntax.templates.masking import mask_tags

    return mask_tags(file)
