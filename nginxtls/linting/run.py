"""The linter: each rule meets each thing of a configuration once; what comes of it is marked, sorted and reported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from nginxtls.base.lazy import NamedTuple
from nginxtls.finding import Location, Severity
from nginxtls.linting.confidence import agreed, asks_for_version, tempered
from nginxtls.linting.fingerprint import fingerprinted
from nginxtls.linting.hooks import run_hooks, stopped
from nginxtls.linting.registry import choose, find_rule
from nginxtls.linting.report import EndpointRow, Report
from nginxtls.linting.suppression import Suppressions, removal
from nginxtls.rule import Rule
from nginxtls.syntax.places import Failure, NotChecked
from nginxtls.syntax.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from nginxtls.finding import Finding
    from nginxtls.linting.baseline import Baseline, Entry
    from nginxtls.linting.settings import Settings
    from nginxtls.linting.suppression import Suppression
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Problem, SourceFile


NOT_ENABLED = "not enabled"
"""The group of the findings in files that no configuration includes."""


class Subject(NamedTuple):
    """A configuration to lint, and the files of it that were asked for: only findings in those are told.

    ``variants``: what else a template may become, linted like the first and not counted. ``enabled``: false for a file
    that no configuration includes, such as a site in ``sites-available/`` without its link.
    """

    configuration: Configuration
    asked: Collection[SourceFile]
    variants: tuple[Configuration, ...] = ()
    enabled: bool = True

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        return (self.configuration, *self.variants)


def lint(
    subjects: Sequence[Subject],
    rules: Mapping[str, Rule],
    settings: Settings,
    baseline: Baseline | None = None,
    covers: Callable[[str], bool] = lambda file: True,
) -> Report:
    """Lint configurations with those of ``rules`` that the settings choose.

    ``covers`` tells whether a file of the baseline was among those asked for, so that an entry can be said to be gone.

    Raises:
        UsageError: the settings name a rule that does not exist.
    """
    chosen = choose(rules, settings.select, settings.ignore, settings.pedantic)
    severities = {find_rule(rules, name).name: Severity[word.upper()] for name, word in settings.severity}
    failures: dict[object, Failure] = {}
    found: list[Finding] = []
    rows: list[Endpoint] = []
    certificates = 0
    asked = {file for subject in subjects for file in subject.asked}
    in_use = {file for subject in subjects if subject.enabled for file in subject.asked}
    needless = {rule.name for rule in chosen if rule.needless}
    for subject in subjects:
        for failure in _unparsed(subject.asked if subject.enabled else ()):
            failures[failure.location, failure.reason] = failure
        try:
            visits = [(c.tree, _once(run_hooks(c, chosen, failures))) for c in subject.configurations]
            mine = agreed(visits, needless) if subject.variants else visits[0][1]
            if not subject.enabled:
                found += (_of_no_effect(finding) for finding in mine if finding.location.file not in in_use)
                continue
            found += mine
            rows += (e for e in subject.configuration.endpoints if _is_row(e, asked))
            certificates += sum(bundle.leaf is not None for bundle in subject.configuration.bundles)
        except Exception as error:
            main = subject.configuration.tree.roots[0].name
            failures[main] = Failure(main, f"the model {stopped(error)}", help="this is our fault: please report it")
    found = [_judged(finding, severities) for finding in fingerprinted(sorted(_once(found), key=_order))]
    found = [tempered(told) for finding in found if (told := finding.among(asked)) is not None]
    by_version = {rule.name for rule in chosen if rule.since}
    found = [finding for finding in found if finding.rule not in by_version or not asks_for_version(finding)]
    ignored = _path_ignores(settings, rules)
    found = [finding for finding in found if not ignored(finding)]
    found = [*_silenced(found, subjects, chosen, rules)]
    found = sorted(map(baseline.apply, found) if baseline else found, key=_order)
    least = Severity[settings.min_severity.upper()]
    ran = {rule.name: rule for rule in chosen}

    def looked_for(entry: Entry) -> bool:
        return entry.rule in ran and covers(entry.file)

    enabled = [subject for subject in subjects if subject.enabled]
    configurations = [subject.configuration for subject in enabled]
    return Report(
        findings=tuple(f for f in found if f.suppressed is None and f.severity >= least),
        suppressed=tuple(f for f in found if f.suppressed is not None and f.severity >= least),
        rules=ran,
        not_checked=(
            *_remarks(in_use),
            *_not_included(enabled),
            *_not_checked(c for subject in enabled for c in subject.configurations),
            *_not_enabled(subjects),
        ),
        failures=tuple(failures.values()),
        endpoints=_Rows(rows),
        files=len({_identity(file) for c in configurations for file in c.tree.files}),
        servers=sum(not server.fragment for c in configurations for server in c.servers),
        certificates=certificates,
        gone=baseline.gone(found, looked_for) if baseline else (),
    )


def _unparsed(files: Iterable[SourceFile]) -> Iterator[Failure]:
    """What nginx could not read in the files that were asked for."""
    for file in files:
        for problem in file.problems:
            if problem.fatal:
                yield Failure(file.name, problem.message, _place(file, problem), problem.help)


def _place(file: SourceFile, problem: Problem) -> Location | None:
    if problem.start is None:
        return None
    end = problem.start + 1 if problem.end is None else problem.end
    return Location(file, file.span(problem.start, end))


# -- what becomes of the findings --------------------------------------------------------------------------------------


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Each fault once, however often a file is part of a configuration; the endpoints of the equal ones joined."""
    kept: dict[object, Finding] = {}
    for finding in findings:
        key = (finding.rule, _identity(finding.location.file), finding.location.span, finding.message)
        other = kept.setdefault(key, finding)
        if other is not finding and not set(finding.endpoints) <= set(other.endpoints):
            kept[key] = other.replace(endpoints=tuple(dict.fromkeys((*other.endpoints, *finding.endpoints))))
    return list(kept.values())


def _identity(file: SourceFile) -> object:
    return file.name, file.path, file.first_line


def _of_no_effect(finding: Finding) -> Finding:
    """A finding in a file that no configuration includes: no client meets it."""
    message = f"{finding.message} ({NOT_ENABLED})"
    return finding.replace(
        message=message, severity=Severity.NOTE, security_severity=0.0, endpoints=(), group=NOT_ENABLED
    )


def _order(finding: Finding) -> tuple[object, ...]:
    span = finding.location.span
    return (finding.group, finding.location.name, span.line, span.column, finding.rule, finding.message)


def _judged(finding: Finding, severities: Mapping[str, Severity]) -> Finding:
    severity = severities.get(finding.rule)
    return finding if severity is None or finding.group else finding.replace(severity=severity)


def _path_ignores(settings: Settings, rules: Mapping[str, Rule]) -> Callable[[Finding], bool]:
    """Whether a finding is in a file for which the settings ignore its rule."""
    if not settings.per_path_ignores:
        return lambda finding: False
    from pathspec import GitIgnoreSpec

    folder = settings.file.parent if settings.file else None
    table = [
        (GitIgnoreSpec.from_lines([pattern]), {rule.name for rule in choose(rules, words, (), True)})
        for pattern, words in settings.per_path_ignores
    ]

    def ignored(finding: Finding) -> bool:
        name = finding.location.name
        if finding.location.file.path and folder:
            name = os.path.relpath(finding.location.file.path, folder)
        return any(finding.rule in names and spec.match_file(name) for spec, names in table)

    return ignored


def _silenced(
    findings: Iterable[Finding], subjects: Sequence[Subject], ran: Sequence[Rule], known: Mapping[str, Rule]
) -> Iterator[Finding]:
    """The findings, those that a comment silences marked, and those about the comments themselves."""
    asked = {file: subject.configuration for subject in subjects if subject.enabled for file in subject.asked}
    others = {file for subject in subjects for file in subject.configuration.tree.files}
    comments = Suppressions([*asked, *(others - asked.keys())])
    for finding in findings:
        yield comments.apply(finding)
    about = {rule.name: rule for rule in ran}
    used = {(_identity(s.file), s.location.span, name) for s in comments.all for name in s.used}
    told: dict[object, Finding] = {}
    for suppression in comments.all:
        if suppression.file in asked:
            for finding in _about(suppression, about, known, asked[suppression.file], used):
                told.setdefault((_identity(finding.location.file), finding.location.span, finding.rule), finding)
    yield from fingerprinted(sorted(told.values(), key=_order))


def _about(
    suppression: Suppression,
    ran: Mapping[str, Rule],
    known: Mapping[str, Rule],
    configuration: Configuration,
    used: Collection[object],
) -> Iterator[Finding]:
    """What is wrong with a comment that silences rules."""
    unknown, unused = ran.get("unknown-suppression"), ran.get("unused-suppression")
    if unknown and not suppression.names:
        yield unknown.at(
            suppression.location, "this comment names no rule, so it ignores nothing", help="write ignore[rule-name]"
        )
    for name, place in suppression.names.items():
        if name not in known:
            if unknown:
                from nginxtls.base.errors import nearest

                help = nearest(name, known) or "`nginxtls rules` lists them all"
                yield unknown.at(place, f'there is no rule "{name}" to ignore', help=help)
        elif unused and suppression.lines is None:
            yield unused.at(place, f"{name} is ignored where nothing can be found", help=_MISPLACED)
        elif (
            unused
            and name in ran
            and (_identity(suppression.file), suppression.location.span, name) not in used
            and _all_seen(suppression, configuration)
        ):
            fix = removal(suppression, name)
            yield unused.at(place, f"{name} is ignored here and finds nothing here", help="remove it", fix=fix)


_MISPLACED = "put it at the end of the directive's line or alone above it, ignore-file above the first directive"


def _all_seen(suppression: Suppression, configuration: Configuration) -> bool:
    """Whether everything in the reach of a comment could be looked at, so that it would have been of use by now."""
    return configuration.completeness != "snippet" and not any(
        entry.location and entry.location.file is suppression.file and suppression.holds(entry.location.span)
        for entry in configuration.not_checked
    )


# -- tables of the report ----------------------------------------------------------------------------------------------


def _not_included(subjects: Iterable[Subject]) -> Iterator[NotChecked]:
    """What includes name and cannot be read, each path once; nothing is missed without a stock file."""
    kept: dict[tuple[str, str], NotChecked] = {}
    for subject in subjects:
        for directive, gaps in subject.configuration.tree.unresolved.items():
            if directive.file in subject.asked:
                place = Location(directive.file, directive.span)
                for gap in gaps:
                    if not gap.stock:
                        path = gap.path.replace(UNKNOWN, "…") or "include"
                        kept.setdefault((path, gap.reason), NotChecked(path, gap.reason, place))
    yield from kept.values()


def _not_checked(configurations: Iterable[Configuration]) -> Iterator[NotChecked]:
    kept: dict[tuple[str, str], NotChecked] = {}
    for configuration in configurations:
        for entry in configuration.not_checked:
            kept.setdefault((entry.subject, entry.reason), entry)
    yield from kept.values()


def _not_enabled(subjects: Iterable[Subject]) -> Iterator[NotChecked]:
    for subject in subjects:
        if not subject.enabled and subject.configuration.completeness == "server":
            name = subject.configuration.tree.roots[0].name
            yield NotChecked(name, f"{NOT_ENABLED}: no configuration includes it")


def _remarks(files: Iterable[SourceFile]) -> Iterator[NotChecked]:
    """Parts of files that could not be read for sure: in templates, in odd encodings."""
    for file in sorted(files, key=lambda file: file.name):
        for problem in file.problems:
            if not problem.fatal:
                yield NotChecked(file.name, problem.message, _place(file, problem))


def _is_row(endpoint: Endpoint, asked: Collection[SourceFile]) -> bool:
    """Its server stands in a file that was asked for."""
    server = endpoint.server
    return not server.fragment and server.directive is not None and server.directive.file in asked


class _Rows(Sequence[EndpointRow]):
    """A row for each virtual server on a TLS socket; made when it is looked at, which most formats never do."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints

    def __len__(self) -> int:
        return len(self.endpoints)

    @overload
    def __getitem__(self, index: int) -> EndpointRow: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[EndpointRow]: ...

    def __getitem__(self, index: int | slice) -> EndpointRow | Sequence[EndpointRow]:
        if isinstance(index, slice):
            return _Rows(self.endpoints[index])
        endpoint = self.endpoints[index]
        leaf = next((bundle.leaf for bundle in endpoint.bundles if bundle.leaf), None)
        place = endpoint.server.directive
        assert place is not None
        return EndpointRow(
            socket=endpoint.socket.label,
            name=", ".join(endpoint.names),
            protocols=tuple(endpoint.tls.versions),
            certificate=leaf.subject if leaf else "",
            not_after=leaf.not_after if leaf and leaf.has_dates else None,
            location=Location(place.file, place.span),
        )
