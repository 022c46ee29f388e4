"""The values of options that several commands share: paths, settings, times, standard input."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.linting.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.linting.subjects import Subject


def default_paths(paths: Sequence[str] | None, root: str = "") -> list[str]:
    """The paths to read: those given, or the default. An absolute path is one of ``root`` if it exists there."""
    if not paths:
        return _conf_folders(root)
    if not root or os.path.realpath(root) == "/":
        return list(paths)
    from nginxtls.syntax.files import Files

    files, top = Files([], root=root), os.path.abspath(root)

    def in_root(path: str) -> bool:
        if not path.startswith("/") or os.path.commonpath((top, os.path.normpath(path))) == top:
            return False
        found = files.real(os.path.normpath(os.path.join(top, path.lstrip("/"))))
        return isinstance(found, str) and os.path.exists(found)

    return [root.rstrip("/") + path if in_root(path) else path for path in paths]


def _conf_folders(root: str) -> list[str]:
    """The folders in which nginx, or another build of it, has its configuration: below ``root``, or on this machine.

    Where none has a main file: etc/nginx in ``root``, or /etc/nginx if it exists, or else the current folder.
    """
    from nginxtls.syntax.files import CONF_FOLDERS, Files

    files, top = Files([], root=root), os.path.abspath(root or "/")
    usual = os.path.join(root or "/", "etc/nginx")
    # On a Mac the current folder is meant: there nginx serves its developer.
    folders = CONF_FOLDERS if root or sys.platform != "darwin" else CONF_FOLDERS[:1]
    found: dict[str, str] = {}
    for folder in folders:
        real = files.real(f"{top.rstrip('/')}{folder}/nginx.conf") if root else os.path.realpath(f"{folder}/nginx.conf")
        if isinstance(real, str) and os.path.isfile(real):
            found.setdefault(real, os.path.join(root or "/", folder[1:]))
    return list(found.values()) or [usual if root or os.path.isdir(usual) else "."]


def settings(
    paths: Sequence[str],
    config: str,
    no_config: bool,
    *,
    maps: Iterable[str] | None = None,
    trust: Iterable[str] | None = None,
    nginx_version: str = "",
    openssl_version: str = "",
) -> Settings:
    """The settings of the applicable file, with the changes that the options make.

    Raises:
        UsageError: the file or an option cannot be used.
    """
    from nginxtls.api import settings_for, settings_of

    if config and no_config:
        raise UsageError("--config", "cannot be combined with --no-config", "remove one of them")
    if no_config:
        base = Settings()
    else:
        base = settings_of(Path(config).absolute(), trusted=True) if config else settings_for(paths)
    return base.replace(nginx_version=nginx_version or None, openssl_version=openssl_version or None)._replace(
        map=(*base.map, *map(_pair, maps or ())),
        trust=(*base.trust, *(trust or ())),
        versions=() if nginx_version or openssl_version else base.versions,
    )


def words(texts: Iterable[str] | None) -> tuple[str, ...]:
    """The values of an option that accepts several: repeated, or separated by commas."""
    return tuple(word for text in texts or () for word in text.replace(",", " ").split())


def moment(text: str) -> datetime | None:
    """The time that ``--at`` sets: a date (00:00 UTC) or a date and time of RFC 3339; ``None`` if empty."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
        return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--at {text}", "is not a date", "use 2026-06-15 or 2026-06-15T12:00:00Z") from error


def stdin_text(paths: Sequence[str]) -> str | None:
    """Standard input, if ``-`` is among the paths."""
    return stdin_text_and_encoding(paths)[0]


def stdin_text_and_encoding(paths: Sequence[str]) -> tuple[str | None, str]:
    """Standard input, if ``-`` is among the paths, and the encoding that it is read as."""
    if "-" not in paths:
        return None, "utf-8"
    from nginxtls.syntax.files import DUMP_LIMIT

    data = sys.stdin.buffer.read(DUMP_LIMIT + 1)
    if len(data) > DUMP_LIMIT:
        raise UsageError(
            "standard input", f"is larger than {DUMP_LIMIT // 10**6} MB", "lint the dump of each host separately"
        )
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _pair(text: str) -> tuple[str, str]:
    there, equals, here = text.partition("=")
    if not (there and equals and here):
        raise UsageError(
            f"--map {text}", "must have the form THERE=HERE", "use `--map /etc/nginx=deploy/nginx`, for example"
        )
    return there, os.path.abspath(here)


def subject(
    config: str,
    root: str,
    *,
    maps: Iterable[str] | None,
    trust: Iterable[str] | None,
    nginx_version: str,
    openssl_version: str,
    openssl_conf: str,
    at: str,
) -> Subject:
    """The configuration that a command about one requests; of several in a folder, the first.

    Raises:
        UsageError: there is none, or an option cannot be used.
    """
    from nginxtls.api import read, root_for

    config = default_paths([config] if config else None, root)[0]
    chosen = settings(
        [config], "", True, maps=maps, trust=trust, nginx_version=nginx_version, openssl_version=openssl_version
    )
    reading = read(
        [config],
        chosen,
        root=root_for(config, root),
        at=moment(at),
        openssl_conf=openssl_conf or None,
        stdin_text=stdin_text([config]),
    )
    if not reading.subjects:
        failure = next(iter(reading.failures), None)
        raise UsageError(config, failure.reason if failure else "contains no nginx configuration")
    return reading.subjects[0]


def address(text: str) -> tuple[str, int]:
    """The host (or ``unix:`` path) and port of ``--connect``.

    Raises:
        UsageError: it is not an address.
    """
    if text.startswith("unix:"):
        return text, 0
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"--connect {text}", "is not an address", "use HOST:PORT, such as 127.0.0.1:443 or [::1]:443")
    return host.strip("[]") or "127.0.0.1", int(port)
