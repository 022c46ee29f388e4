"""The work of one task: read a batch of items, check each, and write one part."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.fleet.rows import Rows, key_of, plain, plain_value
from nginxtls.fleet.sources import TooLarge, folder_digest, is_local, read_file
from nginxtls.fleet.unpacking import OUT, BadArchive, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from nginxtls.fleet.hosts import Host
    from nginxtls.fleet.sources import Item
    from nginxtls.linting.settings import Settings


class Limits(NamedTuple):
    """What one item may cost."""

    bytes: int = 64_000_000
    seconds: float = 60.0


class Task(NamedTuple):
    """A batch of items and all that is needed to check them; ``part`` is the name of its part."""

    part: str
    items: tuple[tuple[Item, Host], ...]
    output: str
    run: str
    at: datetime
    settings: Settings
    limits: Limits
    killers: frozenset[str] = frozenset()
    """Items that ended a worker when they were tried alone."""


class Done(NamedTuple):
    """What became of a batch."""

    items: int
    kept: int
    """Those whose rows were there already."""


def work(task: Task) -> Done:
    """Check the items of a batch and write their rows; nothing is done if all are there already, by content."""
    from nginxtls.fleet.tables import TABLES, Run

    run = Run(Path(task.output), task.run)
    earlier = run.digests(task.part)
    scratch = _scratch()
    try:
        read = [_Read(item, host, scratch / str(number)) for number, (item, host) in enumerate(task.items)]
        for each in read:
            if each.item.name in task.killers:
                each.reason = "ended the process that checked it"
            else:
                each.fetch(task.limits)
        if earlier and earlier == {plain_value(each.item.name): each.sha256 for each in read}:
            return Done(len(read), len(read))
        tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        for each in read:
            for name, rows in each.check(task).items():
                tables[name] += rows
            shutil.rmtree(each.scratch, ignore_errors=True)
        run.write(task.part, tables)
        return Done(len(read), 0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _scratch() -> Path:
    """An empty folder in that of the worker, which is removed even if the worker ends in the middle of a batch."""
    from distributed import get_worker

    try:
        parent = get_worker().local_directory
    except ValueError:  # not in a worker
        parent = None
    return Path(tempfile.mkdtemp(prefix="nginxtls-fleet-", dir=parent))


def try_alone(task: Task) -> None:
    """Check a batch and keep nothing: whether it ends the worker."""
    scratch = _scratch()
    try:
        for item, host in task.items:
            each = _Read(item, host, scratch / "0")
            each.fetch(task.limits)
            each.check(task)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Read:
    """An item on its way to rows."""

    def __init__(self, item: Item, host: Host, scratch: Path) -> None:
        self.item = item
        self.host = host
        self.scratch = scratch
        """A folder for this item alone, which is removed afterwards; it may not exist yet."""
        self.folder = scratch / "files"
        """Where the item's files are: in ``scratch``, or a local folder of the source, which is only read."""
        self.kind = "folder" if item.is_folder else "archive" if item.is_archive else "dump"
        self.lost: list[str] = []
        """What could not be copied or unpacked, and why."""
        self.content = b""
        self.size = item.size
        self.sha256 = ""
        self.reason = item.refused

    def fetch(self, limits: Limits) -> None:
        """Get the content, and its digest."""
        if self.reason:
            return
        try:
            with _at_most(limits.seconds):
                if self.item.is_folder:
                    self.folder = self._local_folder(limits.bytes)
                    self.sha256, self.size = folder_digest(os.fspath(self.folder), limits.bytes)
                else:
                    self.content = read_file(self.item, limits.bytes)
                    self.sha256, self.size = hashlib.sha256(self.content).hexdigest(), len(self.content)
        except _TimeUp:
            self.reason = f"took more than {limits.seconds:g} seconds"
        except TooLarge:
            self.reason = f"has more than {limits.bytes:,} bytes"
        except OSError as error:
            self.reason = f"cannot be read: {error.strerror or type(error).__name__}"
        except Exception as error:  # each store has exceptions of its own
            self.reason = f"cannot be read: {type(error).__name__}"

    def _local_folder(self, limit: int) -> Path:
        """The folder itself, or a copy of one in a store."""
        files, path = self.item.files, self.item.path
        if is_local(files):
            return Path(path)
        files.invalidate_cache()
        left = limit
        for name, info in files.find(path, detail=True).items():
            parts = name[len(path) :].strip("/").split("/")
            left -= int(info.get("size") or 0)
            if left < 0:
                raise TooLarge
            if parts == [""] or ".git" in parts:
                continue
            if ".." in parts:
                self.lost.append(f"{'/'.join(parts)}: {OUT}")
                continue
            target = self.folder.joinpath(*parts)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(files.cat_file(name))
                target.chmod(0o600)  # a store has no permission bits, so none can be wrong
            except (OSError, ValueError) as error:
                self.lost.append(f"{'/'.join(parts)}: {getattr(error, 'strerror', None) or 'is not a file name'}")
        return self.folder

    def check(self, task: Task) -> dict[str, list[dict[str, Any]]]:
        """The rows of all tables. Whatever happens is the item's reason, not an exception."""
        start = time.monotonic()
        tables: dict[str, list[dict[str, Any]]] = {}
        summary: dict[str, Any] = {}
        if not self.reason:
            try:
                with _at_most(task.limits.seconds):
                    tables, summary = self._checked(task)
            except _TimeUp:
                self.reason = f"took more than {task.limits.seconds:g} seconds"
            except UsageError as error:
                self.reason = f"{error.subject}: {error.reason}"
            except BadArchive as error:
                self.reason = str(error)
            except MemoryError:
                self.reason = "needs more memory than there is"
            except Exception as error:  # the text of the exception might quote a key
                self.reason = f"stopped with {type(error).__name__}: this is a bug in nginxtls"
        failed = not summary
        shown = self.reason or summary.pop("reason", "")
        row = {
            "key": key_of(self.host.name, self.item.name),
            "host": self.host.name,
            "team": self.host.team,
            "listed": self.host.listed,
            "item": self.item.name,
            "kind": self.kind,
            "bytes": self.size,
            "sha256": self.sha256,
            "status": "failed" if failed else "partly" if shown else "checked",
            "reason": shown,
            "seconds": time.monotonic() - start,
            **summary,
        }
        return {**tables, "items": [plain(row)]}

    def _checked(self, task: Task) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
        from nginxtls.api import read_and_lint

        paths, root = self._paths(task.limits.bytes)
        known = task.settings.replace(nginx_version=self.host.nginx or None, openssl_version=self.host.openssl or None)
        reading, report = read_and_lint(paths, known, root=root, at=task.at, use_baseline=False)
        rows = Rows(self.host, self.item.name, os.fspath(self.folder), task.at)
        tables = rows.tables(reading, report)
        if report.failures and not reading.configurations:
            raise UsageError(rows.shown(report.failures[0].subject), rows.shown(report.failures[0].reason))
        versions = report.versions[0] if report.versions else None
        failures = [rows.shown(f"{f.subject}: {f.reason}") for f in report.failures]
        return tables, {
            "reason": "; ".join((*failures[:3], *self.lost[: max(0, 3 - len(failures))])),
            "nginx": versions.nginx if versions else None,
            "openssl": versions.openssl if versions else None,
            "versions": versions.text if versions else None,
            "files": report.files,
            "servers": report.servers,
            "endpoints": len(tables["endpoints"]),
            "certificates": report.certificates,
            "errors": len(report.errors),
            "warnings": len(report.warnings),
            "notes": len(report.findings) - len(report.errors) - len(report.warnings),
            "not_checked": [*(rows.shown(f"{n.subject}: {n.reason}") for n in report.not_checked), *self.lost],
        }

    def _paths(self, limit: int) -> tuple[list[str], str | None]:
        """The path to check, and the root of the host's file system in the item."""
        if self.kind == "dump":
            self.folder.mkdir(parents=True)
            file = self.folder / self.item.name.rsplit("/", 1)[-1]
            file.write_bytes(self.content)
            return [os.fspath(file)], None
        if self.kind == "archive":
            self.folder.mkdir(parents=True)
            self.lost = unpack(self.content, self.folder, limit)
            self.content = b""
        if self.host.root:
            root = self.folder / self.host.root.strip("/")
            # A link of the item, or ``..`` in the inventory, may lead out of it.
            if not root.is_dir() or not root.resolve().is_relative_to(self.folder.resolve()):
                raise UsageError(self.host.root, "is not a folder of the item")
            return [os.fspath(_start(root))], os.fspath(root)
        if (self.folder / "etc/nginx").is_dir():
            return [os.fspath(self.folder / "etc/nginx")], os.fspath(self.folder)
        if self.kind == "archive":
            # An archive of /etc/nginx, or of what is in it, is put where it comes from.
            inner = self.folder / "nginx" if (self.folder / "nginx/nginx.conf").is_file() else self.folder
            root = self.scratch / "root"
            (root / "etc").mkdir(parents=True)
            inner.rename(root / "etc/nginx")
            self.folder = root
            return [os.fspath(root / "etc/nginx")], os.fspath(root)
        return [os.fspath(self.folder)], None


def _start(root: Path) -> Path:
    return root / "etc/nginx" if (root / "etc/nginx").is_dir() else root


class _TimeUp(KeyboardInterrupt):
    """An item has taken too long: an interrupt, which nothing on the way takes for a fault of a file or a rule."""


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise ``_TimeUp`` in this thread after a time: a worker's tasks run in threads, which get no signals.

    It arrives between two instructions of Python; a call into a library ends first.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    over = threading.Event()

    def stop() -> None:
        delay = seconds
        while not over.wait(delay):
            with lock:
                if not over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_TimeUp))
            delay = seconds / 10  # once more: what a finalizer raises is ignored

    threading.Thread(target=stop, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()


def batches(items: Sequence[tuple[Item, Host]], number: int) -> Iterator[tuple[str, tuple[tuple[Item, Host], ...]]]:
    """The items in ``number`` batches by the digest of their names, so that a new item changes one batch only."""
    found: dict[int, list[tuple[Item, Host]]] = {}
    for item, host in items:
        digest = hashlib.sha256(item.name.encode("utf-8", "surrogateescape")).digest()
        found.setdefault(int.from_bytes(digest[:8], "big") % number, []).append((item, host))
    for place in sorted(found):
        yield f"part-{place:06}", tuple(found[place])
