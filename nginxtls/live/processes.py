"""The processes behind a listener, from ``/proc``: who listens, when nginx started and when it last loaded its files.

Linux only; elsewhere, and where this user may not look, nothing is known. Sources: proc(5); ngx_setproctitle(), by
which nginx names its processes; on a reload the master starts new workers, and old ones "are shutting down".
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, cached_property

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.live.connections import Target

PROC = Path("/proc")
_LISTEN = "0A"
_TABLES = (("tcp", 4), ("tcp6", 16), ("udp", 4), ("udp6", 16))


class Process(NamedTuple):
    """A process. ``started``: seconds since the epoch, exact to about 20 ms; ``title``: its arguments as one text."""

    number: int
    parent: int
    name: str
    title: str
    started: float

    @property
    def is_nginx(self) -> bool:
        """Whether it is nginx: by its title, or started as a single process."""
        words = self.title.split()
        return self.title.startswith("nginx: ") or any(os.path.basename(word) == "nginx" for word in words[:4])

    @property
    def is_master(self) -> bool:
        """Whether it is a master process."""
        return self.title.startswith("nginx: master process")

    @property
    def is_worker(self) -> bool:
        """Whether it is a worker process."""
        return self.title.startswith("nginx: worker process")

    @property
    def is_leaving(self) -> bool:
        """Whether it is a worker that serves its open connections and no new ones."""
        return self.is_worker and "is shutting down" in self.title


class Instance(NamedTuple):
    """A running nginx: its master (or single process) and workers. ``loaded`` is when it last loaded its files."""

    master: Process
    workers: tuple[Process, ...] = ()

    @property
    def loaded(self) -> float:
        """The start of the current workers, which a reload replaces; in seconds since the epoch.

        A worker that crashed is replaced by one that starts later, so that the first one counts.
        """
        return min((worker.started for worker in self.workers if not worker.is_leaving), default=self.master.started)

    @property
    def old_workers(self) -> tuple[Process, ...]:
        """The workers of before the last reload, which still serve open connections."""
        return tuple(worker for worker in self.workers if worker.is_leaving)


class Listening(NamedTuple):
    """Who has a listener open: instances of nginx, and other processes. Both are empty if nothing is known."""

    instances: tuple[Instance, ...] = ()
    others: tuple[Process, ...] = ()


class Processes:
    """A look at ``/proc``, taken once."""

    def __init__(self) -> None:
        self._owners: dict[int, list[int]] = {}
        self._seen: set[int] = set()

    @cached_property
    def all(self) -> dict[int, Process]:
        """Every process, by its number."""
        return {process.number: process for process in _processes()}

    def listening(self, target: Target) -> Listening:
        """The processes that have the listener of a target open."""
        inodes = set(_inodes(target))
        if not inodes:
            return Listening()
        # nginx's own first: to look into every process of a machine takes long.
        self._look([process.number for process in self.all.values() if process.is_nginx])
        if inodes - self._owners.keys():
            self._look(list(self.all))
        found = [
            self.all[number] for inode in sorted(inodes) for number in self._owners.get(inode, ()) if number in self.all
        ]
        masters: dict[int, Process] = {}
        others = []
        for process in dict.fromkeys(found):
            if process.is_nginx:
                master = self._master(process)
                masters[master.number] = master
            elif process.name != "systemd":  # which opens the sockets of socket units
                others.append(process)
        return Listening(tuple(map(self._instance, masters.values())), tuple(others))

    def _look(self, numbers: Iterable[int]) -> None:
        """Note the sockets of processes, each process once."""
        fresh = [number for number in numbers if number not in self._seen]
        self._seen.update(fresh)
        for inode, owners in _owners(fresh).items():
            self._owners.setdefault(inode, []).extend(owners)

    def _master(self, process: Process) -> Process:
        """The master of a process of nginx, or the process itself.

        A worker has its master's title until it sets its own; a master that an upgrade started has workers.
        """
        parent = self.all.get(process.parent)
        if parent is None or not parent.is_master:
            return process
        upgraded = process.is_master and any(each.parent == process.number for each in self.all.values())
        return process if upgraded else parent

    def _instance(self, master: Process) -> Instance:
        workers = (each for each in self.all.values() if each.parent == master.number and each.is_worker)
        return Instance(master, tuple(workers))


def has_another_file(process: Process, there: str, here: str) -> bool:
    """Whether a process has another file at the path ``there`` than the one at ``here``, as in a container.

    Another mount namespace is not enough: systemd gives services their own, with the same files. What this user may
    not see counts as the same.
    """
    try:
        theirs = os.stat(f"{PROC}/{process.number}/root{there}")
    except (FileNotFoundError, NotADirectoryError):
        return (PROC / str(process.number)).exists()
    except OSError:
        return False
    try:
        mine = os.stat(here)
    except OSError:
        return False
    return (theirs.st_dev, theirs.st_ino) != (mine.st_dev, mine.st_ino)


def _processes() -> Iterator[Process]:
    try:
        numbers = [int(name) for name in os.listdir(PROC) if name.isdecimal()]
        ticks = os.sysconf("SC_CLK_TCK")
        boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, ValueError, AttributeError):
        return
    for number in numbers:
        try:
            stat = (PROC / f"{number}/stat").read_text("utf-8", "replace")
            title = (PROC / f"{number}/cmdline").read_bytes()[:4096].decode("utf-8", "replace")
            name, _, rest = stat.partition("(")[2].rpartition(") ")
            fields = rest.split()
            started = boot + int(fields[19]) / ticks
            text = " ".join(title.replace("\0", " ").split())
            yield Process(number, int(fields[1]), name, text, started)
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile


def _inodes(target: Target) -> Iterator[int]:
    """The inodes of the sockets that listen where a target is."""
    if target.host.startswith("unix:"):
        path = target.host.removeprefix("unix:").rstrip(":")
        for fields in _rows("unix"):
            if len(fields) > 7 and fields[7] == path and fields[3] == "00010000":  # __SO_ACCEPTCON
                yield int(fields[6])
        return
    wanted = _addresses(target.host)
    for table, size in _TABLES:
        if table.startswith("udp") != target.socket.datagram:
            continue
        for fields in _rows(table):
            address, _, port = fields[1].partition(":")
            if int(port, 16) != target.port or (not target.socket.datagram and fields[3] != _LISTEN):
                continue
            raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
            if not any(raw) or raw[-size:] in wanted or raw[-4:] in wanted:
                yield int(fields[9])


def _addresses(host: str) -> set[bytes]:
    found = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            found.add(socket.inet_pton(family, host))
        except OSError:
            continue
    return found


def _rows(table: str) -> Iterator[list[str]]:
    try:
        lines = (PROC / "net" / table).read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines[1:]:
        yield line.split()


def _owners(numbers: Iterable[int]) -> dict[int, list[int]]:
    """The processes by the inodes of the sockets that they have open."""
    found: dict[int, list[int]] = {}
    for number in numbers:
        try:
            with os.scandir(PROC / str(number) / "fd") as entries:
                links = [entry.path for entry in entries]
        except OSError:
            continue
        for link in links:
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.setdefault(int(target[8:-1]), []).append(number)
    return found
