"""A git revision as a folder: its files written to a temporary place, without running anything of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nginxtls.errors import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 100_000
_PLUMBING = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")


def is_revision(text: str, repository: Path) -> bool:
    """Whether git knows the text as a revision of the repository."""
    if text.startswith("-"):
        return False
    return _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{tree}}") is not None


def check_out(text: str, repository: Path, folder: Path) -> None:
    """Write the regular files of a revision into a folder: by plumbing, which knows no filters, hooks or attributes.

    Raises:
        Trouble: git cannot read it, or it is too large.
    """
    listing = _git(repository, "ls-tree", "-r", "-z", "--end-of-options", f"{text}^{{tree}}")
    if listing is None:
        raise Trouble(text, "is no revision that git can read")
    entries = list(_entries(listing))
    if len(entries) > MOST_FILES:
        raise Trouble(text, f"has more than {MOST_FILES:,} files")
    names = b"".join(object_name + b"\n" for object_name, _ in entries)
    contents = _git(repository, "cat-file", "--batch", given=names) or b""
    position = 0
    for _, name in entries:
        head, _, _ = contents[position : position + 200].partition(b"\n")
        size = int(head.split()[-1])
        start = position + len(head) + 1
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[start : start + size])
        position = start + size + 1
    (folder / ".git").mkdir(exist_ok=True)  # so that it counts as a repository, of which only what is inside is read


def _entries(listing: bytes) -> Iterator[tuple[bytes, str]]:
    for entry in listing.split(b"\0"):
        head, _, raw = entry.partition(b"\t")
        mode, _, rest = head.partition(b" ")
        name = raw.decode("utf-8", "surrogateescape")
        parts = PurePosixPath(name).parts
        if mode in (b"100644", b"100755") and ".." not in parts and ".git" not in parts and not name.startswith("/"):
            yield rest.split(b" ")[1], name


def _git(repository: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    command = ["git", *_PLUMBING, "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
