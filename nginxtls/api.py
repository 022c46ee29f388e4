"""From paths to configurations and reports: what the commands use; ``nginxtls.load`` and ``nginxtls.check``."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.lazy import NamedTuple
from nginxtls.linting.registry import choose, find_rule, installed_rules
from nginxtls.linting.run import Subject, lint
from nginxtls.linting.settings import Settings, find_settings, is_path, read_settings
from nginxtls.syntax.places import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nginxtls.linting.report import Report
    from nginxtls.model import Configuration, NginxVersion
    from nginxtls.pki import TrustStore
    from nginxtls.syntax import Files, LoadedTree, SourceFile, Sources
    from nginxtls.syntax.places import NotChecked
    from nginxtls.tls import OpenSSL, Policy, SystemConfiguration


class Reading(NamedTuple):
    """What was found at the paths that were asked for."""

    subjects: tuple[Subject, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[NotChecked, ...]
    taken: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    """The files and folders that were passed over, and why."""
    hints: tuple[str, ...]

    @property
    def configurations(self) -> list[Configuration]:
        """Those in use: without the sites that are not enabled."""
        return [subject.configuration for subject in self.subjects if subject.enabled]


def check(
    *paths: str | os.PathLike[str],
    settings: Settings | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    pedantic: bool | None = None,
    nginx_version: str | None = None,
    openssl_version: str | None = None,
    policy: str | None = None,
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
        policy: a policy's name or file, by which every endpoint is judged, too.
        trust: PEM files with further trust anchors, ``"system"``, or ``"none"`` for nothing but those.
        root: the folder that holds the server's file system, for absolute paths in the configuration.
        maps: where single paths of the server are, e.g. ``{"/etc/nginx": "deploy/nginx"}``.
        at: the moment for which certificates are judged; now by default.

    Returns:
        The report: ``report.findings``, ``.errors``, ``.warnings``, ``.not_checked``, ``.failures`` …

    Raises:
        nginxtls.UsageError: an option or the settings cannot be used.
    """
    names = [os.fspath(path) for path in paths]
    select = tuple(select)
    chosen = (settings_for(names) if settings is None else settings).replace(
        select=select or None,
        pedantic=pedantic,
        nginx_version=nginx_version,
        openssl_version=openssl_version,
        policy=policy,
    )
    chosen = chosen._replace(
        ignore=(*(() if select else chosen.ignore), *ignore),
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
        nginxtls.UsageError: there is none, or an argument cannot be used.
    """
    settings = Settings(
        nginx_version=nginx_version,
        openssl_version=openssl_version,
        trust=tuple(os.fspath(file) for file in trust),
        map=tuple((maps or {}).items()),
    )
    name = os.fspath(path)
    reading = read([name], settings, root=root_for(name, root), at=at)
    if not reading.subjects:
        failure = next(iter(reading.failures), None)
        reason = failure.reason if failure else "there is no nginx configuration"
        raise UsageError(name, reason, failure.help if failure else "")
    return reading.subjects[0].configuration


def root_for(path: str, root: str | os.PathLike[str] | None = None) -> str | None:
    """Where the files that a configuration names are, if it is asked what a client would get: on this machine.

    A repository is another machine's: of it only what is inside is read, unless a root is given.
    """
    if root:
        return os.fspath(root)
    return None if path == "-" or repository_of(Path(os.path.abspath(path))) else "/"


def settings_for(paths: Sequence[str]) -> Settings:
    """The settings file that belongs to the paths (see ``find_settings``), or the defaults.

    Raises:
        UsageError: it cannot be used.
    """
    places = [os.path.abspath(path) for path in paths if path != "-"] or [os.getcwd()]
    file = find_settings(Path(os.path.commonpath(places)))
    return settings_of(file) if file else Settings()


def settings_of(file: Path, *, trusted: bool = False) -> Settings:
    """The settings in a file, if the rules and the policy that they name exist.

    Raises:
        UsageError: it cannot be used.
    """
    settings = read_settings(file, trusted=trusted)
    try:
        for words in (settings.select, settings.ignore, *(words for _, words in settings.per_path_ignores)):
            if words:
                choose(installed_rules(), words, (), pedantic=True)
        for name, _ in settings.severity:
            find_rule(installed_rules(), name)
        _policy(settings.policy)
    except UsageError as trouble:
        raise UsageError(f"{file}: {trouble.subject.removeprefix('--')}", trouble.reason, trouble.help) from trouble
    return settings


def report(
    paths: Sequence[str],
    settings: Settings,
    *,
    root: str | None = None,
    at: datetime | None = None,
    openssl_conf: str | None = None,
    stdin_text: str | None = None,
    use_baseline: bool = True,
    only_nginx: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Report:
    """Read the paths and lint what they hold; ``progress`` is told what is being done."""
    return read_and_lint(
        paths,
        settings,
        root=root,
        at=at,
        openssl_conf=openssl_conf,
        stdin_text=stdin_text,
        use_baseline=use_baseline,
        only_nginx=only_nginx,
        progress=progress,
    )[1]


def read_and_lint(
    paths: Sequence[str],
    settings: Settings,
    *,
    root: str | None = None,
    at: datetime | None = None,
    openssl_conf: str | None = None,
    stdin_text: str | None = None,
    instead: Mapping[str, str] | None = None,
    use_baseline: bool = True,
    only_nginx: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[Reading, Report]:
    """What ``report`` reports, with the configurations it is about.

    ``instead``: texts that replace the content of files, by real path.
    """
    start = time.monotonic()
    moment = at or datetime.now(timezone.utc)
    known = None
    if settings.baseline and use_baseline:
        from nginxtls.linting.baseline import read_baseline

        known = read_baseline(Path(settings.baseline))
    progress("reading")
    reading = read(
        paths,
        settings,
        root=root,
        at=moment,
        openssl_conf=openssl_conf,
        stdin_text=stdin_text,
        instead=instead,
        only_nginx=only_nginx,
    )
    folders = [os.path.abspath(path) for path in paths]
    unread = {os.path.abspath(failure.subject) for failure in reading.failures}

    def covers(file: str) -> bool:
        whole = os.path.abspath(file)
        return whole not in unread and any(
            whole == folder or whole.startswith(folder.rstrip("/") + "/") for folder in folders
        )

    progress(f"linting {len(reading.taken)} files")
    found = lint(reading.subjects, installed_rules(), settings, known, covers)
    not_checked = (*reading.skipped, *found.not_checked)
    return reading, found._replace(
        failures=(
            *reading.failures,
            *found.failures,
            *(() if only_nginx else _nothing_checked(paths, reading)),
        ),
        not_checked=not_checked,
        hints=(*_denied(not_checked), *reading.hints),
        seconds=time.monotonic() - start,
        at=moment,
        root=str(repository_of(Path.cwd()) or Path.cwd()),
    )


def lint_reading(reading: Reading, settings: Settings) -> Report:
    """Lint what was read, without a baseline."""
    return lint(reading.subjects, installed_rules(), settings)


def read(
    paths: Sequence[str],
    settings: Settings,
    *,
    root: str | None = None,
    at: datetime | None = None,
    openssl_conf: str | None = None,
    stdin_text: str | None = None,
    instead: Mapping[str, str] | None = None,
    only_nginx: bool = False,
) -> Reading:
    """Find and read the configurations at the paths; with ``only_nginx`` what is none is no failure.

    ``instead``: texts that replace the content of files, by real path.

    Raises:
        UsageError: a version, a trust file or a folder that was named cannot be used.
    """
    from nginxtls.syntax import discover

    subject = _subjects(settings, at, openssl_conf, only_nginx)
    files = _files(paths, settings, root)
    sources = discover(paths, stdin_text=stdin_text, files=files, instead=instead)
    return Reading(
        subjects=tuple(subject(loaded, files) for loaded in sources.trees),
        failures=(*sources.failures, *(() if only_nginx else _unanswered(paths, sources))),
        skipped=tuple(sources.skipped),
        taken=tuple(sources.taken),
        left=tuple(sources.left),
        hints=tuple(files.hints),
    )


def _subjects(
    settings: Settings, at: datetime | None, openssl_conf: str | None, only_nginx: bool
) -> Callable[[LoadedTree, Files], Subject]:
    """What makes a tree one to lint, as the settings and options have it.

    Raises:
        UsageError: a version, a trust file or a policy cannot be used.
    """
    from nginxtls.model import Configuration, Facts, Store, variants

    wanted, library = settings.nginx_version, settings.openssl_version
    if wanted == "auto":
        wanted, found = local_versions()
        library = library or found
    nginx, openssl = _nginx(wanted), _openssl(library)
    trust, system, policy = _trust(settings.trust), _system(openssl_conf), _policy(settings.policy)

    def subject(loaded: LoadedTree, files: Files) -> Subject:
        facts = Facts(
            completeness=loaded.kind,
            nginx=nginx,
            openssl=openssl,
            at=at,
            trust=trust,
            system=system,
            policy=policy,
            expiry_days=settings.expiry_days,
        )
        door = files.elsewhere() if loaded.from_dump else files
        first, *others = (
            Configuration(tree, facts, Store(door, loaded.base), context=loaded.context)
            for tree in variants(loaded.tree)
        )
        asked = loaded.asked if only_nginx else _asked(loaded)
        return Subject(first, asked, tuple(others), loaded.enabled)

    return subject


def _asked(loaded: LoadedTree) -> set[SourceFile]:
    """The files to report about: a requested main file stands for all that it includes, wherever that is."""
    if any(root in loaded.asked for root in loaded.tree.roots):
        return {*loaded.asked, *loaded.tree.files}
    return loaded.asked


def _nothing_checked(paths: Sequence[str], reading: Reading) -> Iterator[Failure]:
    """The failure of a run that has read configurations, but none with anything that could be checked."""
    if reading.failures or any(each.servers for subject in reading.subjects for each in subject.configurations):
        return
    mains = [configuration.tree.roots[0].name for configuration in reading.configurations]
    unread = sum(
        len(gaps) for configuration in reading.configurations for gaps in configuration.tree.unresolved.values()
    )
    reason = "nothing was checked: no server is configured"
    if unread:
        reason += f" in what could be read, and {unread} of the included files could not"
    help = "name the files with the servers, or say where their paths are with --root or --map"
    yield Failure(", ".join(mains[:3]) or " ".join(paths), reason, help=help)


def _denied(not_checked: Iterable[NotChecked]) -> Iterator[str]:
    """What to do about files that this user may not read."""
    from nginxtls.syntax.files import PERMISSION

    count = sum(entry.reason.endswith(PERMISSION) for entry in not_checked)
    if count:
        files = "1 file" if count == 1 else f"{count} files"
        yield f"this user may not read {files}: run nginxtls as root to check everything (`sudo nginxtls check`)"


def _unanswered(paths: Sequence[str], sources: Sources) -> Iterator[Failure]:
    """Paths that were asked for and hold no nginx configuration."""
    left = {os.path.abspath(name): reason for name, reason in sources.left}
    for path in dict.fromkeys(paths):
        if os.path.isfile(path) and (reason := left.get(os.path.abspath(path), "")):
            yield Failure(path, f"{reason}, so there is nothing to check", help="name an nginx configuration")
    folders = [path for path in paths if os.path.isdir(path)]
    if folders and not (sources.trees or sources.failures):
        yield Failure(" ".join(folders), "there is no nginx configuration", help="--list-files tells what was seen")


def _files(paths: Sequence[str], settings: Settings, root: str | None) -> Files:
    """The door to the disk: it opens to what was asked for and to what the options and settings name, nothing else."""
    from nginxtls.syntax.files import Files

    if root is not None and not os.path.isdir(root):
        raise UsageError(f"--root {root}", "is not a folder", "name the folder that holds the server's file system")
    maps = [(there, Path(here)) for there, here in settings.map]
    for there, here in maps:
        if not here.exists():
            raise UsageError(
                f"map {there}={here}", "there is no such file or folder", "correct the option or the settings"
            )
    return Files(_allowed(paths, root), root=root, maps=maps)


def _allowed(paths: Sequence[str], root: str | None) -> list[Path]:
    """What may be read: a folder and what is in it; of a file its repository, else its folder.

    For this machine's own nginx it is everything, unless a root is given: its certificates lie anywhere.
    """
    from nginxtls.syntax.files import CONF_FOLDERS

    places = [Path(os.path.abspath(path)) for path in paths if path != "-"] or [Path.cwd()]
    if root is None and all(any(place.is_relative_to(folder) for folder in CONF_FOLDERS) for place in places):
        return [Path("/")]
    return [place if os.path.isdir(place) else repository_of(place) or place.parent for place in places]


def repository_of(place: Path) -> Path | None:
    """The root of the repository that a file or folder is in."""
    return next((folder for folder in (place, *place.parents) if os.path.exists(folder / ".git")), None)


def local_versions() -> tuple[str, str | None]:
    """The versions of this machine's nginx and of the OpenSSL it runs with: what ``nginx -V`` on PATH says.

    The only program that is ever run, and only for ``--nginx-version auto``.

    Raises:
        UsageError: there is no nginx, or it does not tell.
    """
    import re
    import shutil
    import subprocess

    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin")
    if program is None:
        raise UsageError("--nginx-version auto", "there is no nginx on PATH", "give the version, e.g. 1.26.3")
    try:
        done = subprocess.run(
            [program, "-V"], capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError("--nginx-version auto", f"{program} -V failed: {type(error).__name__}") from error
    nginx = re.search(r"nginx/(\d+\.\d+\.\d+)", done.stderr)
    if nginx is None:
        raise UsageError("--nginx-version auto", f"{program} -V names no version", "give the version, e.g. 1.26.3")
    # "running with" stands there where the library is not the one that nginx was built with.
    openssl = re.search(r"running with OpenSSL (\S+)", done.stderr) or re.search(
        r"built with OpenSSL (\S+)", done.stderr
    )
    return nginx[1], openssl[1] if openssl else None


def _nginx(text: str | None) -> NginxVersion | None:
    if text is None:
        return None
    from nginxtls.model import NginxVersion

    try:
        return NginxVersion.parse(text)
    except ValueError as error:
        raise UsageError("--nginx-version", str(error)) from error


def _openssl(text: str | None) -> OpenSSL | None:
    if text is None:
        return None
    from nginxtls.tls import OpenSSL

    try:
        return OpenSSL.parse(text)
    except ValueError as error:
        raise UsageError("--openssl-version", str(error)) from error


def _trust(paths: Sequence[str]) -> TrustStore | None:
    """The anchors that ``--trust`` chooses: files are added to Mozilla's roots; ``none`` starts from nothing."""
    if not paths:
        return None
    from nginxtls.pki import TrustStore

    store = TrustStore.none() if "none" in paths else TrustStore.mozilla()
    for path in paths:
        try:
            store |= TrustStore.named(path)
        except (ValueError, OSError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"cannot be read: {error.strerror}"
            raise UsageError(f"--trust {path}", reason, "give a PEM file, system, mozilla or none") from error
    return store


def _policy(name: str | None) -> Policy | None:
    return None if name is None else named_policy(name)


def named_policy(name: str) -> Policy:
    """A policy by its name, or from a file.

    Raises:
        UsageError: there is none, or it is not well-formed.
    """
    from nginxtls.tls import PolicyError, load_policy, policies, policy

    try:
        return load_policy(Path(name)) if is_path(name) else policy(name)
    except OSError as error:
        raise UsageError(f"--policy {name}", f"cannot be read: {error.strerror}") from error
    except PolicyError as error:
        raise UsageError(f"--policy {name}", str(error), nearest(name, policies())) from error


def _system(path: str | None) -> SystemConfiguration | None:
    if path is None:
        return None
    from nginxtls.tls.system import parse_openssl_conf

    try:
        return parse_openssl_conf(Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise UsageError(f"--openssl-conf {path}", f"cannot be read: {error.strerror}") from error
