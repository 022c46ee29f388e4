"""The pages of rules as files that editors open: written on first use to a temporary folder of the server."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.linting.pages import page

if TYPE_CHECKING:
    from nginxtls.rule import Rule


class Pages:
    """The pages in a folder; without one, a temporary folder is made when the first page is written."""

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        self._is_ours = folder is None

    @property
    def folder(self) -> str:
        """The folder of the pages."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="nginxtls-rules-")
        return self._folder

    def address(self, rule: Rule) -> str | None:
        """The URI of a rule's page; None if it cannot be written."""
        file = Path(self.folder, f"{rule.name}.md")
        try:
            if not file.exists():
                file.write_text(page(rule), encoding="utf-8")
        except OSError:
            return None
        return file.as_uri()

    def remove(self) -> None:
        """Remove the temporary folder."""
        if self._folder is not None and self._is_ours:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
