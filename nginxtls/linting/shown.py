"""What a sample, or an earlier configuration of the same shape, shows of the differences between builds of nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.linting.fingerprint import directive_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.model.samples import Sample
    from nginxtls.rule import Rule
    from nginxtls.syntax.tree import Directive

    Run = Callable[[Configuration, Sequence[Rule]], Sequence[Finding]]


class Shown(NamedTuple):
    """What was found, and for which rules it is the same in every build.

    ``found``: each rule with the kinds of servers in whose lines it found something; None for lines outside of servers.
    ``near``: the rules whose findings are each about one server, and hang on nothing in servers that are left out.
    """

    found: frozenset[tuple[str, int | None]]
    same: frozenset[str]
    near: frozenset[str] = frozenset()

    def has(self, finding: Finding, sample: Sample | None) -> bool:
        """Whether the rule has found something in such a place."""
        return (finding.rule, _kind(finding, sample)) in self.found

    def kinds(self, rules: Collection[str]) -> frozenset[int]:
        """The kinds of servers in which these rules have found something."""
        return frozenset(kind for rule, kind in self.found if rule in rules and kind is not None)


def of_sample(sample: Sample, alternatives: Alternatives, rules: Sequence[Rule], run: Run) -> Shown:
    """What is found in a sample of the configuration."""
    seen: dict[object, dict[int, Finding]] = {}
    part = alternatives.within(sample.configuration)
    numbers = range(-1, len(part.in_question.first))
    for number in numbers:
        configuration = part.configuration if number < 0 else part.configuration_in(number)
        for key, finding in keyed(run(configuration, rules)):
            seen.setdefault(key, {})[number] = finding
    titles = {server.directive: f"{server.title} on " for server in sample.configuration.servers}
    found: set[tuple[str, int | None]] = set()
    varying: set[str] = set()
    far: set[str] = set()
    for having in seen.values():
        rule = next(iter(having.values())).rule
        found.update((rule, _kind(finding, sample)) for finding in having.values())
        if varies(having, numbers):
            varying.add(rule)
        if not all(_is_about_one(finding, sample, titles) for finding in having.values()):
            far.add(rule)
    names = frozenset(rule.name for rule in rules)
    return Shown(frozenset(found), names - varying, names - far)


def varies(having: Mapping[int, Finding], numbers: Iterable[int]) -> bool:
    """Whether a finding is not the same in all of these builds; -1 is the configuration of unknown version."""
    seen = {(finding.severity, finding.fix) if (finding := having.get(number)) else None for number in numbers}
    return len(seen) > 1


def keyed(findings: Iterable[Finding]) -> Iterator[tuple[object, Finding]]:
    """Findings by rule and place; several in one place are counted."""
    seen: dict[object, int] = {}
    for finding in findings:
        place = (finding.rule, finding.location)
        number = seen[place] = seen.get(place, -1) + 1
        yield (place, number), finding


def _kind(finding: Finding, sample: Sample | None) -> int | None:
    """The kind of the server in whose lines a finding is."""
    server = sample.server_at(directive_at(finding.location)) if sample else None
    return sample.kinds[server] if sample and server else None


def _is_about_one(finding: Finding, sample: Sample, titles: Mapping[Directive | None, str]) -> bool:
    """Whether a finding is about one server: it has no labels in the lines of others, and no endpoints of theirs."""
    server = sample.server_at(directive_at(finding.location))
    labelled = {sample.server_at(directive_at(label.location)) for label in finding.labels}
    return (
        server is not None
        and labelled <= {server, None}
        and all(endpoint.startswith(titles[server]) for endpoint in finding.endpoints)
    )
