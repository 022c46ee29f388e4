"""From paths to configurations and reports: what the commands use; ``nginxtls.load`` and ``nginxtls.check``."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.reading import read_regular
from nginxtls.detection import for_configuration, found_versions, of_this_machine
from nginxtls.linting.registry import choose, find_rule, installed_rules, rules_about
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings, find_settings, is_path, read_settings
from nginxtls.linting.subjects import Interpretation, Subject, in_turn
from nginxtls.linting.texts import of_entry, reportable
from nginxtls.syntax.places import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nginxtls.detection import Versions
    from nginxtls.linting.report import Report
    from nginxtls.model import Configuration, Facts
    from nginxtls.pki import TrustStore
    from nginxtls.rule import Rule
    from nginxtls.syntax import Files, LoadedTree, SourceFile, Sources
    from nginxtls.syntax.containers.images import Named
    from nginxtls.syntax.places import NotChecked
    from nginxtls.syntax.reading import KeptFiles
    from nginxtls.tls import Policy, SystemConfiguration

    Progress = Callable[[str, int, int], None]


class Reading(NamedTuple):
    """What was found at the requested paths."""

    subjects: tuple[Subject, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[NotChecked, ...]
    taken: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    """The skipped files and folders, and why."""
    hints: tuple[str, ...]

    @property
    def configurations(self) -> list[Configuration]:
        """The subjects in use: without sites that are not enabled."""
        return [subject.configuration for subject in self.subjects if subject.enabled]


def check(
    *paths: str | os.PathLike[str],
    settings: Settings | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    pedantic: bool | None = None,
    nginx_version: str | None = None,
    openssl_version: str | None = None,
    policy: str | Iterable[str] = (),
    trust: Iterable[str | os.PathLike[str]] = (),
    root: str | os.PathLike[str] | None = None,
    maps: Mapping[str, str] | None = None,
    at: datetime | None = None,
) -> Report:
    """Lint files or folders; ``nginxtls check`` in Python.

    Args:
        paths: nginx configurations, folders with some, or dumps of ``nginx -T``.
        settings: settings that the arguments override; by default those of the settings file for the paths.
        select, ignore: rules by name, topic or pattern.
        pedantic: whether to give hardening advice.
        nginx_version, openssl_version: such as ``"1.26.3"`` and ``"3.5.1"``; unknown by default.
        policy: names or files of policies, against which every endpoint is checked.
        trust: PEM files with more trust anchors, ``"system"``, or ``"none"`` to trust nothing else.
        root: the folder that holds the server's file system, for absolute paths in the configuration.
        maps: local paths by paths of the server, such as ``{"/etc/nginx": "deploy/nginx"}``.
        at: the time at which certificates are checked; now by default.

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
        policy=((policy,) if isinstance(policy, str) else tuple(policy)) or None,
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
    """How nginx interprets the configuration at a path: its servers, sockets, endpoints and handshakes.

    The arguments are those of ``check``. Of several configurations in a folder, the first is returned.

    Raises:
        nginxtls.UsageError: there is no configuration, or an argument cannot be used.
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
        reason = failure.reason if failure else "contains no nginx configuration"
        raise UsageError(name, reason, failure.help if failure else "")
    return reading.subjects[0].configuration


def root_for(path: str, root: str | os.PathLike[str] | None = None) -> str | None:
    """The root for the files that a configuration names: the local file system, to answer what a client would get.

    In a repository, only files inside it are read, unless a root is given.
    """
    if root:
        return os.fspath(root)
    return None if path == "-" or repository_of(Path(os.path.abspath(path))) else "/"


def settings_for(paths: Sequence[str]) -> Settings:
    """The settings of the file for the paths (see ``find_settings``), or the defaults.

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
    return _checked(read_settings(file, trusted=trusted), file)


def settings_over(base: Settings, table: Mapping[str, object], folder: Path) -> Settings:
    """The settings with the keys of a table that the user gives, as in the settings file; its paths start in a folder.

    Raises:
        UsageError: a key or a value cannot be used.
    """
    from nginxtls.linting.settings import changes_in

    place = folder / "settings of the editor"
    return _checked(base._replace(**changes_in(table, place, trusted=True)), place)  # type: ignore[arg-type]


def _checked(settings: Settings, file: Path) -> Settings:
    """The settings, if the rules and the policy that they name exist."""
    try:
        for words in dict.fromkeys(
            (settings.select, settings.ignore, *(each for _, each in settings.per_path_ignores))
        ):
            if words:
                choose(installed_rules(), words, (), pedantic=True)
        for name, _ in settings.severity:
            find_rule(installed_rules(), name)
        _policies(settings.policy)
    except UsageError as trouble:
        raise UsageError(f"{file}: {trouble.subject.removeprefix('--')}", trouble.reason, trouble.help) from trouble
    return settings


def _silence(stage: str, done: int, total: int) -> None:
    """Show no progress."""


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
    progress: Progress = _silence,
) -> Report:
    """Read the paths and lint what they hold; ``progress`` is called with each step and how much of it is done."""
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
    progress: Progress = _silence,
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
    progress("reading", 0, 0)
    reading = read(
        paths,
        settings,
        root=root,
        at=moment,
        openssl_conf=openssl_conf,
        stdin_text=stdin_text,
        instead=instead,
        only_nginx=only_nginx,
        progress=progress,
    )
    folders = [os.path.abspath(path) for path in paths]
    unread = {os.path.abspath(failure.subject) for failure in reading.failures}

    def covers(file: str) -> bool:
        whole = os.path.abspath(file)
        return whole not in unread and any(
            whole == folder or whole.startswith(folder.rstrip("/") + "/") for folder in folders
        )

    stage = f"linting {len(reading.taken)} files"
    progress(stage, 0, 0)
    found = lint(
        reading.subjects,
        installed_rules() if known else _rules(reading, settings),
        settings,
        known,
        covers,
        progress=lambda done, total: progress(stage, done, total),
    )
    not_checked = (*reading.skipped, *found.not_checked)
    return reading, found._replace(
        failures=(
            *reading.failures,
            *found.failures,
            *(() if only_nginx else _nothing_checked(paths, reading)),
        ),
        not_checked=not_checked,
        hints=(*denied(not_checked), *reading.hints),
        seconds=time.monotonic() - start,
        scope=tuple(reportable(_titled(path)) for path in paths),
        at=moment,
        root=str(repository_of(Path.cwd()) or Path.cwd()),
    )


_FEW = 20
"""Of more configurations than these, which together need nearly all rules, the directives are not looked at."""


def _rules(reading: Reading, settings: Settings) -> Mapping[str, Rule]:
    """The rules that may find something in a few configurations; all rules where the settings or a comment name one."""
    few = len(reading.subjects) <= _FEW
    configurations = [each for subject in reading.subjects for each in subject.configurations] if few else []
    if (
        not few
        or len(configurations) > _FEW
        or settings.select
        or settings.ignore
        or settings.severity
        or settings.per_path_ignores
        or any("nginxtls" in file.text for each in configurations for file in each.tree.files)
    ):
        return installed_rules()
    return rules_about(frozenset().union(*(each.mentions for each in configurations)))


def lint_reading(reading: Reading, settings: Settings, *, use_baseline: bool = False) -> Report:
    """Lint what was read."""
    known = None
    if settings.baseline and use_baseline:
        from nginxtls.linting.baseline import read_baseline

        known = read_baseline(Path(settings.baseline))
    return lint(reading.subjects, installed_rules(), settings, known)


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
    folders: Sequence[str] = (),
    kept: KeptFiles | None = None,
    narrow: Callable[[LoadedTree], LoadedTree] = lambda loaded: loaded,
    progress: Progress = _silence,
) -> Reading:
    """Find and read the configurations at the paths; with ``only_nginx``, other files are not failures.

    ``instead``: texts that replace the content of files, by real path. ``folders``: more that may be read.
    ``kept``: files that earlier runs have parsed. ``narrow`` returns the part of a configuration to interpret.

    Raises:
        UsageError: a version, a trust file or a folder that was named cannot be used.
    """
    from nginxtls.syntax import discover

    interpreter = _Interpreter(paths, settings, root, at, openssl_conf, only_nginx)
    files = _files(paths, settings, root, folders)
    sources = discover(paths, stdin_text=stdin_text, files=files, instead=instead, kept=kept, progress=progress)
    subjects = tuple(interpreter.subject(narrow(loaded), files) for loaded in sources.trees)
    return Reading(
        subjects=subjects,
        failures=tuple(map(of_entry, (*sources.failures, *(() if only_nginx else _unanswered(paths, sources))))),
        skipped=tuple(map(of_entry, sources.skipped)),
        taken=tuple(sources.taken),
        left=tuple((reportable(name), reportable(reason)) for name, reason in sources.left),
        hints=(*_newer_than_modelled(interpreter.facts), *files.hints),
    )


def _newer_than_modelled(judged_by: Sequence[Facts]) -> Iterator[str]:
    """Remarks on versions that are newer than every one that is modelled."""
    from nginxtls.model.versions import NEWEST as NEWEST_NGINX
    from nginxtls.tls.openssl import NEWEST as NEWEST_OPENSSL

    for nginx in dict.fromkeys(facts.nginx for facts in judged_by):
        if nginx is not None and nginx.numbers[:2] > NEWEST_NGINX:
            newest = ".".join(map(str, NEWEST_NGINX))
            yield f"nginx {nginx} is newer than nginx {newest}, the newest that is modelled, and is treated as that"
    for facts in {str(facts.openssl): facts for facts in judged_by if facts.openssl_known}.values():
        if facts.openssl.newer_than_modelled:
            newest = ".".join(map(str, NEWEST_OPENSSL))
            known = f"OpenSSL {newest}, the newest that is modelled, and is treated as that"
            yield f"OpenSSL {facts.openssl} is newer than {known}"


class _Interpreter:
    """Makes trees subjects, by the settings and options.

    Raises:
        UsageError: a version, a trust file or a policy cannot be used.
    """

    def __init__(
        self,
        paths: Sequence[str],
        settings: Settings,
        root: str | None,
        at: datetime | None,
        openssl_conf: str | None,
        only_nginx: bool,
    ) -> None:
        self.settings, self.root, self.only_nginx = settings, root, only_nginx
        self.folders = () if root or of_this_machine(paths) else tuple(_allowed(paths, root))
        """The folders that may be read."""
        self.at = at or datetime.now(timezone.utc)
        self.known = found_versions(paths, settings, root)
        self.trust, self.system = trust_store(settings.trust), _system(openssl_conf)
        self.policies = _policies(settings.policy)
        self.facts: list[Facts] = []
        """What the configurations are judged by, each once."""
        self._versions: dict[str, Versions] = {}
        self._images: dict[str, Named] = {}
        self._ways: dict[object, Callable[[LoadedTree], Interpretation]] = {}

    def subject(self, loaded: LoadedTree, files: Files) -> Subject:
        """The subject of a tree, which is interpreted when it is needed."""
        versions = self._versions_of(loaded.main)
        door = files.elsewhere() if loaded.from_dump else files
        key = loaded.kind, versions, door
        if key not in self._ways:
            from nginxtls.model import Facts

            facts = Facts(
                completeness=loaded.kind,
                nginx=versions.nginx,
                openssl=versions.openssl,
                provenance=versions.provenance,
                at=self.at,
                trust=self.trust,
                system=self.system,
                policies=self.policies,
                expiry_days=self.settings.expiry_days,
            )
            self.facts.append(facts)
            self._ways[key] = partial(_interpreted, facts=facts, door=door)
        requested = loaded.in_order(loaded.requested if self.only_nginx else _requested(loaded))
        return Subject.of(loaded, dict.fromkeys(requested) if len(requested) > 1 else (*requested,), self._ways[key])

    def _versions_of(self, main: SourceFile) -> Versions:
        """The versions of a configuration: without settings for single files, one look for each folder."""
        folder = os.path.dirname(os.path.abspath(main.path)) if main.path else ""
        once = folder and not self.settings.versions and not self.known.provenance.local
        if once and folder in self._versions:
            return self._versions[folder]
        top = self._top(Path(folder)) if folder and self.root is None else None
        versions = for_configuration(self.known, self.settings, main, str(top) if top else None, self._images)
        if once:
            self._versions[folder] = versions
        return versions

    def _top(self, folder: Path) -> Path | None:
        """Where the project of a folder begins: its repository, or else what was requested."""
        return repository_of(folder) or next((each for each in self.folders if folder.is_relative_to(each)), None)


def _interpreted(loaded: LoadedTree, *, facts: Facts, door: Files) -> Interpretation:
    """How nginx interprets a tree."""
    from nginxtls.model import Configuration, Store, variants
    from nginxtls.model.alternatives import Alternatives

    configurations = tuple(
        Configuration(tree, facts, Store(door, loaded.base), context=loaded.context) for tree in variants(loaded.tree)
    )
    is_known = facts.nginx is not None and facts.openssl_known
    return Interpretation(configurations, None if is_known else Alternatives(configurations[0]))


def _requested(loaded: LoadedTree) -> set[SourceFile]:
    """The files to report on: a requested main file, or a file in a requested folder, with all that it includes.

    Named files without ``http`` and the like are reported alone.
    """
    if loaded.main in loaded.requested:
        return {*loaded.requested, *loaded.files}
    tree = loaded.tree
    found = set(loaded.requested)
    pending = [file for file in loaded.requested if file not in loaded.named]
    while pending:
        for directive in pending.pop().includes:
            new = [file for file in tree.includes.get(directive, ()) if file not in found]
            found.update(new)
            pending += new
    return found


def _nothing_checked(paths: Sequence[str], reading: Reading) -> Iterator[Failure]:
    """The failure of a run whose configurations contain nothing that could be checked, or no server."""
    if reading.failures:
        return
    what = "nothing"
    for subject in in_turn(reading.subjects):
        for each in subject.configurations:
            if any(not server.fragment or each.completeness != "full" for server in each.servers):
                return
            what = "no server" if each.servers else what
    mains = [subject.main.name for subject in reading.subjects if subject.enabled]
    unread = sum(
        len(gaps)
        for subject in in_turn(reading.subjects)
        if subject.enabled
        for gaps in subject.configuration.tree.unresolved.values()
    )
    reason = f"{what} was checked: no server is configured"
    if unread:
        reason += f" in what could be read, and {unread} of the included files could not"
    help = "add the files with the servers to the paths, or set their location with `--root` or `--map`"
    yield Failure(", ".join(mains[:3]) or " ".join(paths), reason, help=help)


def denied(not_checked: Iterable[NotChecked]) -> Iterator[str]:
    """The hint on files that this user may not read."""
    from nginxtls.syntax.files import PERMISSION

    count = sum(entry.reason.endswith(PERMISSION) for entry in not_checked)
    if count:
        files = "1 file" if count == 1 else f"{count} files"
        yield f"this user may not read {files}: run nginxtls as root to check everything (`sudo nginxtls check`)"


def _unanswered(paths: Sequence[str], sources: Sources) -> Iterator[Failure]:
    """The failures of requested paths that contain no nginx configuration."""
    left = {os.path.abspath(name): reason for name, reason in sources.left}
    for path in dict.fromkeys(paths):
        if os.path.isfile(path) and (reason := left.get(os.path.abspath(path), "")):
            yield Failure(
                path, f"{reason}, so there is nothing to check", help="use the path of an nginx configuration"
            )
    folders = [path for path in paths if os.path.isdir(path)]
    if folders and not (sources.trees or sources.failures):
        yield Failure(
            " ".join(folders),
            "contains no nginx configuration",
            help="run with `--list-files` to see which files are skipped",
        )


def _files(paths: Sequence[str], settings: Settings, root: str | None, folders: Sequence[str] = ()) -> Files:
    """The files that may be read: those in the requested paths, the options and the settings, nothing else."""
    from nginxtls.syntax.files import Files

    if root is not None and not os.path.isdir(root):
        raise UsageError(
            f"--root {root}", "is not a folder", "set it to the folder that holds the server's file system"
        )
    maps = [(there, Path(here)) for there, here in settings.map]
    for there, here in maps:
        if not here.exists():
            raise UsageError(f"map {there}={here}", "does not exist", "correct `--map` or the settings")
    return Files([*_allowed(paths, root), *map(Path, folders)], root=root, maps=maps)


def _allowed(paths: Sequence[str], root: str | None) -> list[Path]:
    """What may be read: a folder and what is in it; of a file its repository, else its folder.

    For the local nginx it is everything, unless a root is given: its certificates may be anywhere.
    """
    places = [Path(os.path.abspath(path)) for path in paths if path != "-"] or [Path.cwd()]
    if root is None and of_this_machine(paths):
        return [Path("/")]
    return [place if os.path.isdir(place) else repository_of(place) or place.parent for place in places]


def repository_of(place: Path) -> Path | None:
    """The root of the repository that a file or folder is in."""
    return next((folder for folder in (place, *place.parents) if os.path.exists(folder / ".git")), None)


def trust_store(paths: Sequence[str]) -> TrustStore | None:
    """The anchors that ``--trust`` chooses: files are added to Mozilla's roots; ``none`` starts from nothing.

    Raises:
        UsageError: a file cannot be read, or has none.
    """
    if not paths:
        return None
    from nginxtls.pki import TrustStore

    store = TrustStore.none() if "none" in paths else TrustStore.mozilla()
    for path in paths:
        try:
            store |= TrustStore.named(path)
        except (ValueError, OSError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"cannot be read: {error.strerror}"
            raise UsageError(f"--trust {path}", reason, "use a PEM file, system, mozilla or none") from error
    return store


def _policies(names: Sequence[str]) -> tuple[Policy, ...]:
    return tuple(named_policy(name) for name in dict.fromkeys(names))


def named_policy(name: str) -> Policy:
    """A policy by its name, or from a file.

    Raises:
        UsageError: it does not exist, or is not well-formed.
    """
    from nginxtls.tls import PolicyError, load_policy, policies, policy
    from nginxtls.tls.policy_files import ALIASES

    try:
        return load_policy(Path(name)) if is_path(name) else policy(name)
    except OSError as error:
        raise UsageError(f"--policy {name}", f"cannot be read: {error.strerror}") from error
    except PolicyError as error:
        raise UsageError(f"--policy {name}", str(error), nearest(name, (*policies(), *ALIASES))) from error


def _system(path: str | None) -> SystemConfiguration | None:
    if path is None:
        return None
    from nginxtls.tls.system import parse_openssl_conf

    try:
        return parse_openssl_conf(read_regular(path, LIMITS["openssl.cnf"]).decode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(f"--openssl-conf {path}", f"cannot be read: {error.strerror}") from error


def _titled(path: str) -> str:
    """A requested path as a title names it: ``.`` and ``..`` by the name of their folder."""
    if os.path.basename(os.path.normpath(path)) in (os.curdir, os.pardir):
        return os.path.basename(os.path.abspath(path)) or os.path.abspath(path)
    return path
