"""What is at hand to say why a running server differs: processes, times of files, and older certificates."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, cached_property
from nginxtls.base.limits import LIMITS
from nginxtls.base.secrets import hide
from nginxtls.live.processes import Listening, Processes, has_another_file
from nginxtls.pki.lineage import home_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.live.connections import Target
    from nginxtls.live.processes import Instance
    from nginxtls.model import Configuration, ServedBundle
    from nginxtls.pki import Certificate

MOST_FILES = LIMITS["older-certificates"]
"""So many files beside a certificate are searched for an older one."""
_ENDINGS = (".pem", ".crt", ".cer", ".cert", ".old", ".bak", ".orig", ".prev", "~", ".0", ".1")


class Changed(NamedTuple):
    """A file and when it was last changed, in seconds since the epoch."""

    path: str
    time: float


class Evidence:
    """What is known beside the handshakes, for the configuration of one host. ``local``: it is this machine's."""

    def __init__(self, configuration: Configuration, processes: Processes | None) -> None:
        self.configuration = configuration
        self.processes = processes
        self._listening: dict[tuple[str, int, bool], Listening] = {}
        self._found: dict[tuple[str, str], str] = {}

    def listening(self, target: Target) -> Listening:
        """The processes that have the listener open; nothing is known of other machines."""
        if self.processes is None or not target.local:
            return Listening()
        key = target.host, target.port, target.socket.datagram
        if key not in self._listening:
            self._listening[key] = self.processes.listening(target)
        return self._listening[key]

    def instance(self, target: Target) -> Instance | None:
        """The one nginx that has the listener open and reads the files that are compared, if it is one."""
        instances = self.listening(target).instances
        return instances[0] if len(instances) == 1 and not self.other_file(instances[0]) else None

    def other_file(self, instance: Instance, bundle: ServedBundle | None = None) -> str:
        """The main file, or that of a bundle, if nginx has another file at its path; else empty."""
        main = self.configuration.tree.roots[0]
        there = main.nginx_path or main.path
        if main.path and there and has_another_file(instance.master, there, main.path):
            return there
        located = self._located(bundle) if bundle is not None else None
        if bundle is not None and located and os.path.isabs(bundle.path):
            return bundle.path if has_another_file(instance.master, bundle.path, located) else ""
        return ""

    # -- times -------------------------------------------------------------------------------------------------------

    @cached_property
    def files(self) -> list[Changed]:
        """The configuration's files, by the time of their last change, the newest first."""
        paths = (file.path for file in self.configuration.tree.files if file.path)
        found = (Changed(hide(os.path.relpath(path)), time) for path in paths if (time := changed(path)))
        return sorted(found, key=lambda each: -each.time)

    def newer(self, target: Target) -> list[Changed]:
        """The configuration's files that changed after nginx last loaded them, the newest first."""
        instance = self.instance(target)
        return [each for each in self.files if is_newer(each.time, instance)] if instance else []

    def certificate_changed(self, bundle: ServedBundle) -> float | None:
        """When the file of a bundle, or the link to it, last changed."""
        located = self._located(bundle)
        if not located:
            return None
        times = [changed(located)]
        if os.path.isabs(bundle.path) and os.path.realpath(bundle.path) == located:
            times.append(changed(bundle.path))  # the link in certbot's live/
        return max(filter(None, times), default=None)

    def _located(self, bundle: ServedBundle) -> str:
        """The real path of a bundle's file; empty if it cannot be read."""
        files = self.configuration.store.files
        located = files.locate(bundle.path, self.configuration.store.base) if files is not None else None
        return str(located) if isinstance(located, Path) else ""

    # -- older certificates ------------------------------------------------------------------------------------------

    def where(self, leaf: Certificate, bundle: ServedBundle) -> str:
        """Where an older copy of a bundle's file has a certificate: a path, or ``git, commit …``; empty if nowhere."""
        key = leaf.sha256, bundle.path
        if key not in self._found:
            self._found[key] = next(self._older(leaf, bundle), "")
        return hide(self._found[key])

    def _older(self, leaf: Certificate, bundle: ServedBundle) -> Iterator[str]:
        from nginxtls.pki import read_bundle

        store = self.configuration.store
        if store.files is None:
            return
        for path in self._beside(bundle):
            content = store.files.read(path, store.base)
            if isinstance(content, bytes) and leaf in read_bundle(content, path).certificates[:1]:
                yield path
        if located := self._located(bundle):
            from nginxtls.api import repository_of
            from nginxtls.diff.checkout import history

            repository = repository_of(Path(located).parent)
            for commit, content in history(Path(located), repository) if repository else ():
                if leaf in read_bundle(content, bundle.path).certificates[:1]:
                    yield f"git, commit {commit}"

    def _beside(self, bundle: ServedBundle) -> Iterator[str]:
        """The files of the same ACME client, and those in the same folder."""
        files, base = self.configuration.store.files, self.configuration.store.base
        assert files is not None
        home = home_of(bundle.path)
        patterns = [f"{home[1]}/{pattern}" for pattern in home[0].files] if home else []
        folder = os.path.dirname(bundle.path)
        for pattern in (*patterns, f"{folder}/*" if folder else "*"):
            found = files.expand(pattern, base)
            names = [each.nginx_path for each in found] if isinstance(found, list) else []
            yield from [name for name in names if name.endswith(_ENDINGS) and name != bundle.path][:MOST_FILES]


def is_newer(time: float, instance: Instance) -> bool:
    """Whether something changed after nginx loaded its files, as far as the start of a process is known exactly."""
    return time > instance.loaded + 0.05


def changed(path: str) -> float | None:
    """When a file or link was last changed: written, moved or linked; None if it is not there."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return max(status.st_mtime, status.st_ctime)


def moment(seconds: float) -> str:
    """``2026-11-29 12:00:03 UTC``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
