"""What a run looks at on the disk, so that a later run can tell whether all of it is as it was.

While a journal is kept, the functions of ``os`` that look at the disk note each path. That way nobody has to take part:
not each place that reads, nor the rules of other packages. Only the command keeps one.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
from collections.abc import Callable
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

State = list[int]
"""Of a thing on the disk what changes when its content, its place or its rights do; of a link, of where it leads, too;
of a folder not the times, as only its names count, where they were asked for. Empty if it was not there."""

Look = Callable[[str], os.stat_result]
_LSTAT, _STAT, _SCANDIR = os.lstat, os.stat, os.scandir
_LOOKS = ("stat", "open", "readlink", "access")
_LISTS = ("listdir", "scandir")
_OWN = 7
"""So many numbers of a link's state are its own, the others its target's."""
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
        self._put(os, "lstat", self._noting_lstat)
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
        states, note = self.states, self._note

        def look(path: Any, *args: Any, **options: Any) -> Any:
            if path not in states and isinstance(path, (str, os.PathLike)):
                note(os.fspath(path))
            return own(path, *args, **options)

        return look

    def _noting_lstat(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """The one that is called for every file: its own answer is the state, unless it is a link."""
        states, note = self.states, self._note

        def look(path: Any, **options: Any) -> Any:
            found = None
            try:
                found = own(path, **options)
                return found
            finally:
                if path not in states and isinstance(path, (str, os.PathLike)):
                    if found is None or stat.S_ISLNK(found.st_mode) or not isinstance(path, str) or path[:1] != "/":
                        note(os.fspath(path))
                    else:
                        states[path] = _state(found)

        return look

    def _listing(self, own: Callable[..., Any]) -> Callable[..., Any]:
        def look(path: Any = ".") -> Any:
            folder = os.path.abspath(os.fspath(path))
            self._note(folder)
            if folder not in self.lists:
                self.lists[folder] = names_in(folder, _SCANDIR)
            return own(path)

        return look

    def _note(self, path: str) -> None:
        whole = path if path.startswith("/") else os.path.abspath(path)
        self.states[path] = self.states[whole] = state_of(whole, _LSTAT, _STAT)

    def add(self, states: Iterable[tuple[str, State]], lists: Iterable[tuple[str, list[str]]]) -> None:
        """Note what was seen earlier, but for what was looked at again."""
        self.states = {**dict(states), **self.states}
        self.lists = {**dict(lists), **self.lists}

    @property
    def is_racy(self) -> bool:
        """A file changed so shortly before that a further change could not be told."""
        latest = self.since - RACY
        return any(time > latest for state in self.states.values() for time in (*state[5:7], *state[12:]))


def state_of(path: str, lstat: Look = os.lstat, follow: Look = os.stat) -> State:
    """The state of a path."""
    try:
        found = lstat(path)
        return _state(found) + (_state(follow(path)) if stat.S_ISLNK(found.st_mode) else [])
    except (OSError, ValueError):
        return []


def _state(found: os.stat_result) -> State:
    state = [found.st_mode, found.st_uid, found.st_gid, found.st_ino]
    if not stat.S_ISDIR(found.st_mode):
        state += (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return state


def names_in(folder: str, scandir: Callable[[str], Any] = os.scandir) -> list[str]:
    """The names in a folder, those of folders with a slash; none if it cannot be listed."""
    try:
        with scandir(folder) as found:
            return sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in found)
    except OSError:
        return []


def changes(states: Iterable[tuple[str, State]], lists: Iterable[tuple[str, list[str]]], most: int) -> list[str]:
    """The paths of what is not as it was, or the first of them: so many at most.

    They are told as real paths, but for links that are new or lead elsewhere.
    """
    files = (_told_path(path, state) for path, state in states if state_of(path) != state)
    folders = (folder for folder, names in lists if names_in(folder) != names)
    return list(islice(chain(files, folders), most))


def _told_path(path: str, state: State) -> str:
    now = state_of(path)
    is_other_link = max(len(state), len(now)) > _OWN and now[:_OWN] != state[:_OWN]
    return path if is_other_link else os.path.realpath(path)
