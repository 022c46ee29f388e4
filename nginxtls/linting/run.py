"""The linter: runs each rule on each object of a configuration once; findings are marked, sorted and reported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nginxtls.base.errors import is_fault
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.finding import Edit, Fix, Location, Severity
from nginxtls.linting.builds import advisable, by_package, merged
from nginxtls.linting.client_rows import MOST as MOST_WITH_CLIENTS
from nginxtls.linting.client_rows import ClientRows
from nginxtls.linting.confidence import agreed, hedged, needs_version
from nginxtls.linting.fingerprint import Places, directive_at, fingerprinted
from nginxtls.linting.hooks import run_hooks, stopped
from nginxtls.linting.registry import choose, find_rule
from nginxtls.linting.report import NOT_TLS, PolicyRow, Report
from nginxtls.linting.subjects import in_turn
from nginxtls.linting.suppression import Suppressions, removal
from nginxtls.linting.tables import CertificateRows, EndpointRows, table_endpoints
from nginxtls.linting.texts import of_entry, of_finding
from nginxtls.linting.unread import by_key
from nginxtls.linting.verdicts import policy_rows
from nginxtls.linting.versions import judged_by, with_names
from nginxtls.model.directive_table import by_name
from nginxtls.rule import Rule
from nginxtls.syntax.known import is_known
from nginxtls.syntax.places import Failure, NotChecked
from nginxtls.syntax.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from nginxtls.finding import Finding
    from nginxtls.linting.baseline import Baseline, Entry
    from nginxtls.linting.report import MadeFor
    from nginxtls.linting.settings import Settings
    from nginxtls.linting.shown import Shown
    from nginxtls.linting.subjects import Subject
    from nginxtls.linting.suppression import Suppression
    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.syntax.tree import Problem, SourceFile


NOT_ENABLED = "not enabled"
"""The group of the findings in files that no configuration includes."""


def lint(
    subjects: Sequence[Subject],
    rules: Mapping[str, Rule],
    settings: Settings,
    baseline: Baseline | None = None,
    covers: Callable[[str], bool] = lambda file: True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Lint configurations with those of ``rules`` that the settings choose.

    ``covers`` returns whether a file of the baseline was requested: only then can its entries be reported as gone.
    ``progress`` is called with how much of how much is done: configurations, or the rules of a single one.

    Raises:
        UsageError: the settings name a rule that does not exist.
    """
    chosen = choose(rules, settings.select, settings.ignore, settings.pedantic)
    severities = {find_rule(rules, name).name: Severity[word.upper()] for name, word in settings.severity}
    requested = dict.fromkeys(file for subject in subjects for file in subject.requested)
    in_use = dict.fromkeys(file for subject in subjects if subject.enabled for file in subject.requested)
    run = _Run(chosen, requested, in_use)
    of_rules = progress if len(subjects) == 1 else None
    for number, subject in enumerate(in_turn(subjects)):
        if len(subjects) > 1:
            progress(number, len(subjects))
        run.visit(subject, of_rules)
    found, failures = run.found.all(), run.failures
    found = [
        of_finding(_judged(finding, severities)) for finding in fingerprinted(sorted(found, key=_rank), run.places)
    ]
    found = [_written(hedged(reported)) for finding in found if (reported := finding.among(requested)) is not None]
    by_version = {rule.name for rule in chosen if rule.since}
    found = [finding for finding in found if finding.rule not in by_version or not needs_version(finding)]
    ignored = _path_ignores(settings, rules)
    found = [finding for finding in found if not ignored(finding)]
    found = [*_silenced(found, run, rules)]
    found = sorted(map(baseline.apply, found) if baseline else found, key=_order)
    rest = found[LIMITS["findings"] :]
    del found[LIMITS["findings"] :]
    least = Severity[settings.min_severity.upper()]
    ran = {rule.name: rule for rule in chosen}

    def looked_for(entry: Entry) -> bool:
        return entry.rule in ran and covers(entry.file)

    enabled = [subject for subject in subjects if subject.enabled]
    return Report(
        findings=tuple(f for f in found if f.suppressed is None and f.severity >= least),
        suppressed=tuple(f for f in found if f.suppressed is not None and f.severity >= least),
        rules=ran,
        not_checked=tuple(
            of_entry(entry)
            for entry in (
                *_remarks(in_use),
                *run.not_included.values(),
                *run.not_checked.values(),
                *run.not_enabled,
                *run.other_modules.values(),
                *_too_many(rest),
            )
        ),
        failures=tuple(map(of_entry, failures.values())),
        endpoints=EndpointRows(subjects, run.rows, requested),
        hosts=run.hosts,
        served=CertificateRows(enabled),
        clients=ClientRows(enabled),
        clients_left=max(0, len(enabled) - MOST_WITH_CLIENTS),
        policies=run.policies,
        versions=with_names(run.versions),
        files=len(run.files),
        servers=run.servers,
        certificates=run.certificates,
        gone=baseline.gone(found, looked_for) if baseline else (),
    )


class _Run:
    """What is found in configurations, one after the other, and of each what the report needs besides."""

    def __init__(
        self, rules: Sequence[Rule], requested: Collection[SourceFile], in_use: Collection[SourceFile]
    ) -> None:
        self.rules = rules
        self.requested, self.in_use = requested, in_use
        self.needless = {rule.name for rule in rules if rule.needless}
        self.alike: dict[object, Shown] = {}
        self.found = _Once()
        self.places = Places()
        self.failures: dict[object, Failure] = {}
        self.policies: list[PolicyRow] = []
        self.rows: list[int] = []
        """The number of rows of each configuration in the table of endpoints."""
        self.versions: dict[MadeFor, list[str]] = {}
        self.hosts: dict[str, str] = {}
        self.files: set[object] = set()
        self.servers = self.certificates = 0
        self.not_included: dict[tuple[str, str], NotChecked] = {}
        self.not_checked: dict[tuple[str, str], NotChecked] = {}
        self.not_enabled: list[NotChecked] = []
        self.other_modules: dict[str, NotChecked] = {}
        self.known_names: set[str] = set()
        self.commented: dict[SourceFile, _Seen | None] = {}
        """Files with comments that may suppress findings; None if they were not requested."""

    def visit(self, subject: Subject, progress: Callable[[int, int], None] | None) -> None:
        """Lint a configuration."""
        self.rows.append(0)
        try:
            self.find(subject, progress)
        except BaseException as error:
            if not is_fault(error):
                raise
            main = subject.main.name
            self.failures[main] = Failure(
                main, f"the model {stopped(error)}", help="this is a bug in nginxtls: please report it"
            )
        if subject.is_made:
            self.note(subject)

    def find(self, subject: Subject, progress: Callable[[int, int], None] | None) -> None:
        """Its findings, and its rows of the tables that are filled at once."""
        configuration, alternatives = subject.configuration, subject.alternatives
        for failure in _unparsed(subject.requested if subject.enabled else ()):
            self.failures[failure.location, failure.reason] = failure
        visits = [(c.tree, _visited(c, self.rules, self.failures, progress)) for c in subject.configurations]
        if alternatives is not None:
            visits = [
                (each.tree, self.over_builds(found, each, alternatives))
                for each, (_, found) in zip(subject.configurations, visits, strict=True)
            ]
        mine = list(agreed(visits, self.needless)) if subject.variants else visits[0][1]
        if not subject.enabled:
            mine = [_of_no_effect(finding) for finding in mine if finding.location.file not in self.in_use]
        self.found.add(mine)
        self.places.note(mine)
        if not subject.enabled:
            return
        served = table_endpoints(configuration, self.requested)
        self.rows[-1] = len(served)
        self.policies += policy_rows(served, configuration, alternatives)
        self.certificates += sum(bundle.leaf is not None for bundle in configuration.bundles)

    def over_builds(
        self, found: list[Finding], configuration: Configuration, alternatives: Alternatives
    ) -> list[Finding]:
        """The findings of a configuration, or of a variant of it, merged with those of each build in question."""
        if alternatives.configuration is configuration:
            return _over_builds(found, alternatives, self.rules, self.failures, self.alike)
        variant = alternatives.within(configuration)
        over = _over_builds(found, variant, self.rules, self.failures, self.alike)
        variant.forget()
        return over

    def note(self, subject: Subject) -> None:
        """What the report says of it besides: files, versions, what was not checked."""
        configuration = subject.configuration
        main = subject.main
        self.versions.setdefault(judged_by(configuration, subject.alternatives), []).append(main.name)
        for file in configuration.tree.files:
            if "nginxtls" in file.text:
                self.commented.setdefault(file, None)
        if not subject.enabled:
            if configuration.completeness == "server":
                self.not_enabled.append(NotChecked(main.name, f"{NOT_ENABLED}: no configuration includes it"))
            return
        for file in subject.requested:
            if "nginxtls" in file.text:
                self.commented[file] = _Seen(configuration.completeness, tuple(configuration.not_checked))
        if main.host:
            self.hosts[main.name] = main.host
        self.files.update(map(_identity, configuration.tree.files))
        self.servers += sum(not server.fragment for server in configuration.servers)
        self.note_gaps(subject)
        for each in subject.configurations:
            for entry in each.not_checked:
                self.not_checked.setdefault((entry.subject, entry.reason), entry)
        if configuration.completeness == "full":
            for entry in _other_modules(configuration, self.known_names):
                self.other_modules[entry.subject] = entry

    def note_gaps(self, subject: Subject) -> None:
        """Included files that cannot be read, each path once, without stock files, which hold no TLS."""
        for directive, gaps in subject.configuration.tree.unresolved.items():
            if directive.file in subject.requested:
                for gap in gaps:
                    key = path, reason = directive.written(gap.path) or "include", gap.reason
                    if not gap.stock and key not in self.not_included:
                        place = Location(directive.file, directive.span)
                        self.not_included[key] = NotChecked(path, reason, place)


def _visited(
    configuration: Configuration,
    rules: Sequence[Rule],
    failures: dict[object, Failure],
    progress: Callable[[int, int], None] | None,
) -> list[Finding]:
    """The findings of a configuration, each once, as the package has them and with advice that its nginx accepts."""
    found = _once(run_hooks(configuration, rules, failures, progress))
    found = by_key(found, configuration, rules, lambda other, some: _once(run_hooks(other, some, failures)))
    if not found:
        return found
    by_name = {rule.name: rule for rule in rules}
    reported = (by_package(f, by_name[f.rule], configuration) if f.rule in by_name else f for f in found)
    nginx = configuration.facts.nginx
    return [
        advisable(finding, nginx) if nginx and finding.help else finding for finding in reported if finding is not None
    ]


def _over_builds(
    found: list[Finding],
    alternatives: Alternatives,
    rules: Sequence[Rule],
    failures: dict[object, Failure],
    alike: dict[object, Shown],
) -> list[Finding]:
    """The findings of a configuration whose version is not known, merged with those of each build in question."""
    if not alternatives.matter:
        return found
    reported = merged(
        found, alternatives, rules, lambda configuration, some: _once(run_hooks(configuration, some, failures)), alike
    )
    return [advisable(finding, alternatives.oldest) if finding.help else finding for finding in reported]


def _unparsed(files: Iterable[SourceFile]) -> Iterator[Failure]:
    """The syntax errors in the requested files that stop nginx."""
    for file in files:
        for problem in file.problems:
            if problem.fatal:
                yield Failure(file.name, problem.message, _place(file, problem), problem.help)


def _place(file: SourceFile, problem: Problem) -> Location | None:
    if problem.start is None:
        return None
    end = problem.start + 1 if problem.end is None else problem.end
    return Location(file, file.span(problem.start, end))


# -- processing findings -----------------------------------------------------------------------------------------------


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once, however often a file is part of a configuration; equal findings join their endpoints."""
    once = _Once()
    once.add(findings)
    return once.all()


class _Once:
    """Findings, each once; equal ones join their endpoints."""

    def __init__(self) -> None:
        self._found: dict[object, Finding] = {}
        self._endpoints: dict[object, dict[str, None]] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings that are not there."""
        for finding in findings:
            key = (finding.rule, _identity(finding.location.file), finding.location.span, finding.message)
            first = self._found.setdefault(key, finding)
            if first is not finding and first.endpoints != finding.endpoints:
                known = self._endpoints.setdefault(key, dict.fromkeys(first.endpoints))
                known |= dict.fromkeys(finding.endpoints)

    def all(self) -> list[Finding]:
        """The findings, in the order of the first of each."""
        for key, endpoints in self._endpoints.items():
            finding = self._found[key]
            if not endpoints.keys() <= set(finding.endpoints):
                self._found[key] = finding.replace(endpoints=tuple(endpoints))
        return list(self._found.values())


def _identity(file: SourceFile) -> object:
    return file.name, file.path, file.first_line


def _of_no_effect(finding: Finding) -> Finding:
    """A finding in a file that no configuration includes, as a note: no client is affected."""
    message = f"{finding.message} ({NOT_ENABLED})"
    return finding.replace(
        message=message, severity=Severity.NOTE, security_severity=0.0, endpoints=(), group=NOT_ENABLED
    )


def _order(finding: Finding) -> tuple[object, ...]:
    span = finding.location.span
    return (finding.group, finding.location.name, span.line, span.column, finding.rule, finding.message)


def _rank(finding: Finding) -> tuple[object, ...]:
    """Orders the findings of a rule at one place without their messages, so a reworded rule keeps its fingerprints."""
    return (*_order(finding)[:-1], finding.endpoints)


def _judged(finding: Finding, severities: Mapping[str, Severity]) -> Finding:
    severity = severities.get(finding.rule)
    return finding if severity is None or finding.group else finding.replace(severity=severity)


def _written(finding: Finding) -> Finding:
    """The finding with what a template has in place of unknown values."""
    texts = (finding.message, finding.label, finding.help, *finding.notes, *(label.text for label in finding.labels))
    if not any(UNKNOWN in text for text in texts):
        return finding
    directive = directive_at(finding.location)

    def written(text: str) -> str:
        return directive.written(text) if directive is not None else text.replace(UNKNOWN, "…")

    return finding.replace(
        message=written(finding.message),
        label=written(finding.label),
        help=written(finding.help),
        notes=tuple(map(written, finding.notes)),
        labels=tuple(label._replace(text=written(label.text)) for label in finding.labels),
    )


def _too_many(rest: Sequence[Finding]) -> Iterator[NotChecked]:
    """The entry on findings beyond the limit, at the first of them."""
    if rest:
        reason = f"more than {LIMITS['findings']:,} findings: {len(rest):,} from here on are not reported"
        yield NotChecked(rest[0].location.name, reason, rest[0].location)


def _path_ignores(settings: Settings, rules: Mapping[str, Rule]) -> Callable[[Finding], bool]:
    """Whether a finding is in a file for which the settings ignore its rule."""
    if not settings.per_path_ignores:
        return lambda finding: False
    from pathspec import GitIgnoreSpec

    folder = settings.file.parent if settings.file else None
    names = {
        words: {rule.name for rule in choose(rules, words, (), True)}
        for words in dict.fromkeys(words for _, words in settings.per_path_ignores)
    }
    table = [(GitIgnoreSpec.from_lines([pattern]), names[words]) for pattern, words in settings.per_path_ignores]

    def ignored(finding: Finding) -> bool:
        name = finding.location.name
        if finding.location.file.path and folder:
            name = os.path.relpath(finding.location.file.path, folder)
        return any(finding.rule in ignoring and spec.match_file(name) for spec, ignoring in table)

    return ignored


class _Seen(NamedTuple):
    """How much of a file was checked, for those that have comments about findings."""

    completeness: str
    not_checked: tuple[NotChecked, ...]


def _silenced(findings: Iterable[Finding], run: _Run, known: Mapping[str, Rule]) -> Iterator[Finding]:
    """The findings, marked if a comment suppresses them, and those about the comments themselves."""
    requested = [file for file in run.in_use if file in run.commented]
    comments = Suppressions([*dict.fromkeys((*requested, *run.commented))])
    for finding in findings:
        yield comments.apply(finding)
    about = {rule.name: rule for rule in run.rules}
    used = {(_identity(s.file), s.location.span, name) for s in comments.all for name in s.used}
    reported: dict[object, Finding] = {}
    near: dict[str, str] = {}
    for suppression in comments.all:
        if (seen := run.commented[suppression.file]) is not None:
            for finding in _about(suppression, about, known, seen, used, near):
                reported.setdefault((_identity(finding.location.file), finding.location.span, finding.rule), finding)
    yield from fingerprinted(sorted(reported.values(), key=_order), run.places)


def _about(
    suppression: Suppression,
    ran: Mapping[str, Rule],
    known: Mapping[str, Rule],
    seen: _Seen,
    used: Collection[object],
    near: dict[str, str],
) -> Iterator[Finding]:
    """The problems of a suppression comment. ``near`` gets the rules that unknown names are nearest to."""
    unknown, unused = ran.get("unknown-suppression"), ran.get("unused-suppression")
    if unknown and not suppression.names:
        yield unknown.at(
            suppression.location,
            "the comment names no rule and suppresses nothing",
            help="add the rule in brackets: ignore[rule-name]",
        )
    for name, place in suppression.names.items():
        if name not in known:
            if unknown:
                from nginxtls.base.errors import closest

                if name not in near and len(near) < _MOST_NEAR:
                    near[name] = closest(name, known)
                meant = near.get(name, "")
                yield unknown.at(
                    place,
                    f'the comment suppresses nothing: there is no rule "{name}"',
                    help=f'did you mean "{meant}"?' if meant else "run `nginxtls rules` for a list of all rules",
                    fix=Fix(f"replace it with {meant}", (Edit(place, meant),)) if meant else None,
                )
        elif unused and suppression.lines is None:
            yield unused.at(place, f"the suppression of {name} applies to no directive", help=_MISPLACED)
        elif (
            unused
            and name in ran
            and (_identity(suppression.file), suppression.location.span, name) not in used
            and _all_seen(suppression, seen)
        ):
            yield unused.at(
                place,
                f"the suppression of {name} has no effect: it reports nothing here",
                help="remove the comment",
                fix=removal(suppression, name),
            )


_MOST_NEAR = 100
"""No more unknown names of a run are compared with all rules."""
_MISPLACED = "move it to the end of the directive's line or the line above, ignore-file above the first directive"


def _all_seen(suppression: Suppression, seen: _Seen) -> bool:
    """Whether everything that a comment covers was checked, so that a used comment would be known."""
    return seen.completeness != "snippet" and not any(
        entry.location and entry.location.file is suppression.file and suppression.applies_to(entry.location.span)
        for entry in seen.not_checked
    )


# -- tables of the report ----------------------------------------------------------------------------------------------


def _other_modules(configuration: Configuration, seen: set[str]) -> Iterator[NotChecked]:
    """Directives of modules and servers that nginx may refuse, and nginxtls does not know; ``seen`` gets all names."""
    for scope in (*configuration.blocks.values(), *(server.scope for server in configuration.servers)):
        for name in scope.own:
            known = name in seen
            seen.add(name)
            if not known and "ssl" not in name and UNKNOWN not in name and not (is_known(name) or name in by_name()):
                line = scope.own[name][0]
                yield NotChecked(name, NOT_TLS, Location(line.file, line.span))


def _remarks(files: Iterable[SourceFile]) -> Iterator[NotChecked]:
    """Parts of files that could not be read reliably: in templates, in other encodings than UTF-8."""
    for file in sorted(files, key=lambda file: file.name):
        for problem in file.problems:
            if not problem.fatal:
                yield NotChecked(file.name, problem.message, _place(file, problem))
