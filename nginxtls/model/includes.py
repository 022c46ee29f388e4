"""Includes at which nginx does not start: they name a file that does not exist, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.lazy import NamedTuple
from nginxtls.syntax.files import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.syntax.tree import Directive


class FailedInclude(NamedTuple):
    """A file that an include names and nginx cannot read: by its whole path, and why."""

    directive: Directive
    path: str
    reason: str

    @property
    def is_folder(self) -> bool:
        return self.reason.startswith(FOLDER)


def failed_includes(configuration: Configuration) -> Iterator[FailedInclude]:
    """The files that stop nginx: of a plain path, or of what a pattern matches (a link may lead nowhere).

    A pattern that matches nothing stops nothing (``ngx_conf_include()`` in ngx_conf_file.c; measured). What is not on
    this machine or in the image is left out: whether it exists is not known.
    """
    files, tree, base = configuration.files, configuration.tree, configuration.base or "/"
    if files is None or configuration.kind != "full" or not configuration.sees_machine:
        return
    for directive, gaps in tree.unresolved.items():
        if not directive.known or not tree.shows(directive):
            continue
        for gap in gaps:
            if gap.missing or gap.reason.startswith(FOLDER):
                yield FailedInclude(directive, files.nginx_path(gap.path, base), gap.reason)
