"""The configurations inside other files, and what containers mount."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from nginxtls.syntax.fragments import Context


class Piece(NamedTuple):
    """A stretch of whole lines that may be a configuration: offsets, and what its name there says."""

    start: int
    end: int
    named_so: bool
    context: Context | None = None
    value: tuple[int, int] | None = None
    """Where the configuration is, if not the whole lines are."""


class Mount(NamedTuple):
    """Something that a container gets at a path: the path there, and the path here as it is written.

    With a slash at its end the path there is a folder: a file is put into it, of a folder the content.
    """

    there: str
    here: str
    environment: tuple[tuple[str, str], ...] = ()
    """The variables that are set for the container, for its templates."""
