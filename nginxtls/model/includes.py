"""Includes at which nginx does not start: they name a file that does not exist, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
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
        """Whether the include names a folder."""
        return self.reason.startswith(FOLDER)


def failed_includes(configuration: Configuration) -> Iterator[FailedInclude]:
    """The files that stop nginx: of a plain path, or of what a pattern matches (a link may lead nowhere).

    A pattern that matches nothing stops nothing (``ngx_conf_include()`` in ngx_conf_file.c; measured). What is not on
    this machine or in the image is left out: whether it exists is not known. So are stock files of a copy of ``/etc``:
    Debian's ``modules-enabled/*.conf`` are links to ``/usr``.
    """
    store, tree = configuration.store, configuration.tree
    if store.files is None or configuration.completeness != "full" or not store.sees_machine:
        return
    for directive, gaps in tree.unresolved.items():
        if not directive.known or not tree.shows(directive):
            continue
        for gap in gaps:
            if gap.stock and store.files.is_partial:
                continue
            if gap.missing or gap.reason.startswith(FOLDER):
                yield FailedInclude(directive, store.files.nginx_path(gap.path, store.base or "/"), gap.reason)
