"""Check out a git revision to a folder, without running anything that the repository configures.

git starts a program for a remote, a hook, a file system monitor or a missing object of a partial clone. It runs here
in an environment of its own, in which no transport is allowed, and its output is read as a bounded stream.
"""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.programs import program, search_path
from nginxtls.syntax.files import DUMP_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_FILES, MOST_ENTRIES = LIMITS["revision-files"], LIMITS["revision-entries"]
"""The most files of a revision, and files and folders, that are listed."""
MOST_BYTES = LIMITS["revision-bytes"]
"""The most bytes of a revision that are written."""
SECONDS = float(LIMITS["revision-seconds"])
"""The time limit of one git command, in seconds."""
MEMORY = LIMITS["revision-memory"]
"""The most memory of one git command, in bytes, beside the files that it maps; where the system has such a limit."""
_LONGEST_NAME = 65_536
_CHUNK = 65_536

_TRANSPORTS = ("ext", "file", "ftp", "ftps", "git", "http", "https", "ssh")
_SETTINGS = {
    "core.alternateRefsCommand": "false",
    "core.askPass": "false",
    "core.fsmonitor": "false",
    "core.gitProxy": "false",
    "core.hooksPath": os.devnull,
    "core.sshCommand": "false",
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    **{f"protocol.{name}.allow": "never" for name in _TRANSPORTS},  # protocol.allow is only the default of these
    "safe.bareRepository": "explicit",  # a bare repository inside a clone is content of the clone
    "safe.directory": "*",  # the owner does not matter, as nothing of the repository runs
}
_OPTIONS = (
    "--no-pager",
    "--no-replace-objects",
    *(part for pair in _SETTINGS.items() for part in ("-c", "=".join(pair))),
)
_MEDIA = frozenset(
    ".7z .a .avi .bz2 .class .dll .eot .exe .gif .gz .ico .jar .jpeg .jpg .mov .mp3 .mp4 .o .otf .pdf .png .pyc .so"
    " .svg .tar .tgz .ttf .webm .webp .woff .woff2 .xz .zip".split()
)
"""Files that no configuration names; their content may be missing, as in a partial clone."""


class _Entry(NamedTuple):
    """A regular file of a revision. ``size`` is in bytes, None if its object is missing."""

    object_name: bytes
    size: int | None
    name: str


def is_revision(text: str, repository: Path) -> bool:
    """Whether a text is a revision of the repository."""
    if text.startswith("-") or "\0" in text or not program("git"):
        return False
    command = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{tree}}")
    with _running(text, repository, *command) as process:
        assert process.stdout
        process.stdout.read(_CHUNK)
        return process.wait() == 0


def check_out(text: str, repository: Path, folder: Path) -> None:
    """Write the regular files of a revision to a folder, with plumbing commands, which run no filters or hooks.

    A file too large for a configuration is written with its size and without its content.

    Raises:
        UsageError: git cannot read the revision, it is too large, or an object is missing.
    """
    entries = [entry for entry in _entries(text, repository) if PurePosixPath(entry.name).suffix.lower() not in _MEDIA]
    for entry in entries:
        if entry.size is None:
            raise _missing(text, entry)
    if sum(entry.size for entry in entries if entry.size and entry.size <= DUMP_LIMIT) > MOST_BYTES:
        raise UsageError(text, f"has more than {MOST_BYTES // 1_000_000:,} MB of files")
    with _running(text, repository, "cat-file", "--batch") as process:
        for entry in entries:
            path = folder / entry.name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as stream:
                    if entry.size and entry.size > DUMP_LIMIT:
                        stream.truncate(min(entry.size, 2**40))
                    else:
                        _copy(text, entry, process, stream)
            except BrokenPipeError:
                raise _missing(text, entry) from None
            except OSError as error:
                raise UsageError(text, f"{entry.name} cannot be written: {error.strerror}") from None
    (folder / ".git").mkdir(exist_ok=True)  # marks the folder as a repository, so that only files inside it are read
    (folder / ".git/index").write_bytes(_index(entries))  # all of them are under version control


def _index(entries: Iterable[_Entry]) -> bytes:
    """An index of version 2 (gitformat-index(5)) that holds nothing but names."""
    found = []
    for name in sorted(os.fsencode(entry.name) for entry in entries):
        entry = bytes(60) + min(len(name), 0xFFF).to_bytes(2, "big") + name
        found.append(entry + bytes(8 - len(entry) % 8))
    return b"DIRC" + (2).to_bytes(4, "big") + len(found).to_bytes(4, "big") + b"".join(found)


def history(path: Path, repository: Path, most: int = 20) -> Iterator[tuple[str, bytes]]:
    """The last contents of a file in the history of a repository, the newest first: abbreviated commit and content.

    Nothing if git is missing or does not know the file.
    """
    name = path.relative_to(repository).as_posix()
    if not program("git"):
        return
    try:
        with _running(name, repository, "log", f"-{most}", "--format=%H", "--no-show-signature", "--", name) as process:
            assert process.stdout
            commits = process.stdout.read(most * 65).decode("ascii", "replace").split()
        for commit in commits:
            with _running(name, repository, "cat-file", "blob", f"{commit}:{name}") as process:
                assert process.stdout
                content = process.stdout.read(DUMP_LIMIT)
            if content:
                yield commit[:12], content
    except UsageError:
        return


def _copy(text: str, entry: _Entry, process: subprocess.Popen[bytes], stream: IO[bytes]) -> None:
    """Copy the content of an object from ``git cat-file --batch``."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(entry.object_name + b"\n")
    process.stdin.flush()
    _, _, size = process.stdout.readline(_LONGEST_NAME).rstrip(b"\n").rpartition(b" blob ")
    if not size.isdigit() or int(size) != entry.size:
        raise _missing(text, entry)
    left = int(size)
    while left:
        chunk = process.stdout.read(min(left, _CHUNK))
        if not chunk:
            raise _missing(text, entry)
        stream.write(chunk)
        left -= len(chunk)
    process.stdout.read(1)


def _entries(text: str, repository: Path) -> Iterator[_Entry]:
    """The regular files of a revision."""
    listed = files = 0
    with _running(
        text, repository, "ls-tree", "-r", "-t", "-l", "-z", "--end-of-options", f"{text}^{{tree}}"
    ) as process:
        assert process.stdout
        rest = b""
        while chunk := process.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
            *lines, rest = (rest + chunk).split(b"\0")
            listed += len(lines)
            if listed > MOST_ENTRIES or len(rest) > _LONGEST_NAME:
                raise UsageError(text, f"has more than {MOST_ENTRIES:,} files and folders")
            for line in lines:
                head, _, raw = line.partition(b"\t")
                mode, _, object_name, size = head.split()
                name = raw.decode("utf-8", "surrogateescape")
                parts = PurePosixPath(name).parts
                if mode in (b"100644", b"100755") and not {"..", ".git"} & {*parts} and not name.startswith("/"):
                    files += 1
                    if files > MOST_FILES:
                        raise UsageError(text, f"has more than {MOST_FILES:,} files")
                    yield _Entry(object_name, int(size) if size.isdigit() else None, name)
        if process.wait():
            raise UsageError(text, "git cannot read this revision", "run `git fsck`: an object may be missing")


def _missing(text: str, entry: _Entry) -> UsageError:
    return UsageError(
        text, f"the content of {entry.name} is not in this repository", "fetch the missing objects with git"
    )


def _environment() -> dict[str, str]:
    return {
        "PATH": search_path(),
        "LC_ALL": "C",
        "HOME": os.devnull,
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_ASKPASS": "false",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_COMMAND": "false",
        "GIT_TERMINAL_PROMPT": "0",
    }


@contextmanager
def _running(text: str, repository: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A git command, killed with its child processes at the end of the block or at its time limit."""
    git = program("git")
    if git is None:
        raise UsageError(text, "git is not installed")
    command = [git, *_OPTIONS, "-C", str(repository), *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if "--batch" in arguments else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    if hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MEMORY, MEMORY))
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(SECONDS, stop)
    timer.daemon = True
    timer.start()
    too_late = UsageError(text, f"git did not answer within {SECONDS:g} seconds")
    try:
        yield process
        if late.is_set():
            raise too_late
    except UsageError:
        if late.is_set():
            raise too_late from None
        raise
    finally:
        timer.cancel()
        _kill(process)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, 9)
        except (ProcessLookupError, PermissionError):
            process.kill()
