"""What a run looks at on the disk, so that a later run can tell whether all of it is as it was.

While a journal is kept, the functions of ``os`` that look at the disk note each path. That way nobody has to take part:
not each place that reads, nor the rules of other packages. Only the command keeps one.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

State = list[int]
"""Of a thing on the disk what changes when its content, its place or its rights do; of a link, of where it leads, too;
of a folder not the times, as only its names count, where they were asked for. Empty if it was not there."""

_LOOKS = ("stat", "lstat", "open", "readlink", "access")
_LISTS = ("listdir", "scandir")
RACY = 1_000_000_000
"""Nanoseconds. What changed so shortly before the run may change again without a trace: clocks of disks are coarse."""


class Journal:
    """The paths that were looked at since ``__enter__``, with their state; folders that were listed, with their names.

    ``since`` is when it began, in nanoseconds of the clock.
    """

    def __init__(self, since: int) -> None:
        self.since = since
        self.states: dict[str, State] = {}
        self.lists: dict[str, list[str]] = {}
        self._own: dict[Any, Callable[..., Any]] = {}

    def __enter__(self) -> Journal:
        for name in _LOOKS:
            self._put(os, name, self._noting)
        for name in _LISTS:
            self._put(os, name, self._listing)
        for module in (builtins, io):
            self._put(module, "open", self._noting)
        return self

    def __exit__(self, *_: object) -> None:
        for (module, name), own in self._own.items():
            setattr(module, name, own)

    def _put(self, module: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        own = self._own[module, name] = getattr(module, name)
        setattr(module, name, wrap(own))

    def _noting(self, own: Callable[..., Any]) -> Callable[..., Any]:
        states, lstat, note = self.states, self._own.get((os, "lstat"), os.lstat), self._note

        def look(path: Any, *args: Any, **options: Any) -> Any:
            if path not in states and isinstance(path, (str, os.PathLike)):
                note(os.fspath(path), lstat)
            return own(path, *args, **options)

        return look

    def _listing(self, own: Callable[..., Any]) -> Callable[..., Any]:
        lstat, scandir = self._own.get((os, "lstat"), os.lstat), self._own.get((os, "scandir"), os.scandir)

        def look(path: Any = ".") -> Any:
            folder = os.path.abspath(os.fspath(path))
            self._note(folder, lstat)
            if folder not in self.lists:
                self.lists[folder] = names_in(folder, scandir)
            return own(path)

        return look

    def _note(self, path: str, lstat: Callable[[str], os.stat_result]) -> None:
        whole = path if path.startswith("/") else os.path.abspath(path)
        self.states[path] = self.states[whole] = []  # before: a link is followed by functions that note, too
        self.states[path] = self.states[whole] = state_of(whole, lstat)

    @property
    def is_racy(self) -> bool:
        """A file changed so shortly before that a further change could not be told."""
        latest = self.since - RACY
        return any(time > latest for state in self.states.values() for time in (*state[5:7], *state[12:14]))


def state_of(path: str, lstat: Callable[[str], os.stat_result] = os.lstat) -> State:
    """The state of a path."""
    try:
        found = lstat(path)
        state = [found.st_mode, found.st_uid, found.st_gid, found.st_ino]
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            return state
        state += (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        target = os.path.realpath(path) if kind == stat.S_IFLNK else path
        return state + state_of(target, lstat) if target != path else state  # a link to itself leads nowhere
    except (OSError, ValueError):
        return []


def names_in(folder: str, scandir: Callable[[str], Any] = os.scandir) -> list[str]:
    """The names in a folder, those of folders with a slash; none if it cannot be listed."""
    try:
        with scandir(folder) as found:
            return sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in found)
    except OSError:
        return []


def unchanged(states: Iterable[tuple[str, State]], lists: Iterable[tuple[str, list[str]]]) -> bool:
    """Whether all is as it was."""
    return all(state_of(path) == state for path, state in states) and all(
        names_in(folder) == names for folder, names in lists
    )
