"""From paths to configurations and reports: what the commands use; ``nginxtls.load`` and ``nginxtls.check``."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.errors import Trouble
from nginxtls.linter import Subject, lint
from nginxtls.registry import installed_rules
from nginxtls.settings import Settings, find_settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nginxtls.finding import Failure, NotChecked, Report
    from nginxtls.model import Configuration, NginxVersion
    from nginxtls.pki import TrustStore
    from nginxtls.syntax.files import Files
    from nginxtls.tls import OpenSSL, SystemConfiguration


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found at the paths that were asked for."""

    subjects: tuple[Subject, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[NotChecked, ...]
    taken: tuple[str, ...]
    hints: tuple[str, ...]

    @property
    def configurations(self) -> list[Configuration]:
        return [subject.configuration for subject in self.subjects]


def check(
    *paths: str | os.PathLike[str],
    settings: Settings | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    pedantic: bool | None = None,
    nginx_version: str | None = None,
    openssl_version: str | None = None,
    trust: Iterable[str | os.PathLike[str]] = (),
    root: str | os.PathLike[str] | None = None,
    maps: Mapping[str, str] | None = None,
    at: datetime | None = None,
) -> Report:
    """Lint files or folders; ``nginxtls check`` in Python.

    Args:
        paths: nginx configurations, folders with some, or dumps of ``nginx -T``.
        settings: what holds beside the arguments; by default the settings file that belongs to the paths.
        select, ignore: rules by name, topic or pattern.
        pedantic: hardening advice, too.
        nginx_version, openssl_version: such as ``"1.26.3"`` and ``"3.5.1"``; unknown by default.
        trust: PEM files with further trust anchors.
        root: the folder that holds the server's file system, for absolute paths in the configuration.
        maps: where single paths of the server are, e.g. ``{"/etc/nginx": "deploy/nginx"}``.
        at: the moment for which certificates are judged; now by default.

    Returns:
        The report: ``report.findings``, ``.errors``, ``.warnings``, ``.not_checked``, ``.failures`` …

    Raises:
        nginxtls.Trouble: an option or the settings cannot be used.
    """
    names = [os.fspath(path) for path in paths]
    chosen = (settings_for(names) if settings is None else settings).but(
        select=tuple(select) or None,
        pedantic=pedantic,
        nginx_version=nginx_version,
        openssl_version=openssl_version,
    )
    chosen = replace(
        chosen,
        ignore=(*chosen.ignore, *ignore),
        trust=(*chosen.trust, *(os.fspath(path) for path in trust)),
        map=(*chosen.map, *(maps or {}).items()),
    )
    return report(names, chosen, root=os.fspath(root) if root is not None else None, at=at)


def load(
    path: str | os.PathLike[str],
    *,
    nginx_version: str | None = None,
    openssl_version: str | None = None,
    trust: Iterable[str | os.PathLike[str]] = (),
    root: str | os.PathLike[str] | None = None,
    maps: Mapping[str, str] | None = None,
    at: datetime | None = None,
) -> Configuration:
    """What nginx makes of the configuration at a path: its servers, sockets, endpoints and handshakes.

    The arguments are those of ``check``. Of several configurations in a folder it is the first.

    Raises:
        nginxtls.Trouble: there is none, or an argument cannot be used.
    """
    settings = Settings(
        nginx_version=nginx_version,
        openssl_version=openssl_version,
        trust=tuple(os.fspath(file) for file in trust),
        map=tuple((maps or {}).items()),
    )
    name = os.fspath(path)
    reading = read([name], settings, root=os.fspath(root) if root is not None else None, at=at)
    if not reading.subjects:
        failure = next(iter(reading.failures), None)
        reason = failure.reason if failure else "there is no nginx configuration"
        raise Trouble(name, reason, failure.help if failure else "")
    return reading.subjects[0].configuration


def settings_for(paths: Sequence[str]) -> Settings:
    """The settings file that belongs to the paths (see ``find_settings``), or the defaults.

    Raises:
        Trouble: it cannot be used.
    """
    places = [os.path.abspath(path) for path in paths if path != "-"] or [os.getcwd()]
    file = find_settings(Path(os.path.commonpath(places)))
    return read_settings(file) if file else Settings()


def report(
    paths: Sequence[str],
    settings: Settings,
    *,
    root: str | None = None,
    at: datetime | None = None,
    openssl_conf: str | None = None,
    stdin_text: str | None = None,
    use_baseline: bool = True,
) -> Report:
    """Read the paths and lint what they hold."""
    from nginxtls.baseline import read_baseline
    from nginxtls.syntax.files import repository_of

    start = time.monotonic()
    moment = at or datetime.now(timezone.utc)
    known = read_baseline(Path(settings.baseline)) if settings.baseline and use_baseline else None
    reading = read(paths, settings, root=root, at=moment, openssl_conf=openssl_conf, stdin_text=stdin_text)
    folders = [os.path.abspath(path) for path in paths]

    def covers(file: str) -> bool:
        whole = os.path.abspath(file)
        return any(whole == folder or whole.startswith(folder.rstrip("/") + "/") for folder in folders)

    found = lint(reading.subjects, installed_rules(), settings, known, covers)
    return replace(
        found,
        failures=(*reading.failures, *found.failures),
        not_checked=(*reading.skipped, *found.not_checked),
        hints=reading.hints,
        seconds=time.monotonic() - start,
        at=moment,
        root=str(repository_of(Path.cwd()) or Path.cwd()),
    )


def read(
    paths: Sequence[str],
    settings: Settings,
    *,
    root: str | None = None,
    at: datetime | None = None,
    openssl_conf: str | None = None,
    stdin_text: str | None = None,
) -> Reading:
    """Find and read the configurations at the paths.

    Raises:
        Trouble: a version, a trust file or a folder that was named cannot be used.
    """
    from nginxtls.model import Configuration
    from nginxtls.syntax import discover

    nginx, openssl = _nginx(settings.nginx_version), _openssl(settings.openssl_version)
    trust, system = _trust(settings.trust), _system(openssl_conf)
    files = _files(paths, settings, root)
    sources = discover(paths, stdin_text=stdin_text, files=files)
    subjects = tuple(
        Subject(
            Configuration(
                loaded.tree,
                files=files,
                kind=loaded.kind,
                context=loaded.context,
                base=loaded.base,
                nginx=nginx,
                openssl=openssl,
                at=at,
                trust=trust,
                system=system,
            ),
            loaded.asked,
        )
        for loaded in sources.trees
    )
    return Reading(subjects, tuple(sources.failures), tuple(sources.skipped), tuple(sources.taken), tuple(files.hints))


def _files(paths: Sequence[str], settings: Settings, root: str | None) -> Files:
    """The door to the disk: it opens to what was asked for and to what the options and settings name, nothing else."""
    from nginxtls.syntax.files import Files, allowed_folders

    if root is not None and not os.path.isdir(root):
        raise Trouble(f"--root {root}", "is not a folder", "name the folder that holds the server's file system")
    maps = [(there, Path(here)) for there, here in settings.map]
    for there, here in maps:
        if not here.exists():
            raise Trouble(f"map {there}={here}", "there is no such file or folder", "mend the option or the settings")
    return Files(allowed_folders(paths) or [Path.cwd()], root=root, maps=maps)


def _nginx(text: str | None) -> NginxVersion | None:
    if text is None:
        return None
    from nginxtls.model import NginxVersion

    try:
        return NginxVersion.parse(text)
    except ValueError as error:
        raise Trouble("--nginx-version", str(error)) from error


def _openssl(text: str | None) -> OpenSSL | None:
    if text is None:
        return None
    from nginxtls.tls import OpenSSL

    try:
        return OpenSSL.parse(text)
    except ValueError as error:
        raise Trouble("--openssl-version", str(error)) from error


def _trust(paths: Sequence[str]) -> TrustStore | None:
    if not paths:
        return None
    from nginxtls.pki import TrustStore

    return TrustStore.mozilla()


def _system(path: str | None) -> SystemConfiguration | None:
    if path is None:
        return None
    from nginxtls.tls.system import parse_openssl_conf

    try:
        return parse_openssl_conf(Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise Trouble(f"--openssl-conf {path}", f"cannot be read: {error.strerror}") from error
