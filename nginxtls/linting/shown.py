"""What a sample, or an earlier configuration of the same shape, shows of the differences between builds of nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.linting.fingerprint import directive_at
from nginxtls.model.samples import ALIKE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.model.samples import Sample
    from nginxtls.rule import Rule
    from nginxtls.syntax.tree import Directive

    Run = Callable[[Configuration, Sequence[Rule]], Sequence[Finding]]
    Place = tuple[str, int | None]


class Shown(NamedTuple):
    """What was found, and for which rules it is the same in every build.

    ``found``: each rule with the kinds of servers in whose lines it found something (see ``place``).
    ``near``: the rules whose findings are each about one server, and hang on nothing in servers that are left out.
    """

    found: frozenset[Place]
    same: frozenset[str]
    near: frozenset[str] = frozenset()

    def kinds(self, rules: Collection[str]) -> frozenset[int]:
        """The kinds of servers in which these rules have found something."""
        return frozenset(kind for rule, kind in self.found if rule in rules and kind is not None)


def place(finding: Finding, sample: Sample | None) -> Place:
    """The rule of a finding, and the kind of the server in whose lines it is; None for other lines, or no sample."""
    server = sample.server_at(directive_at(finding.location)) if sample else None
    return finding.rule, sample.kinds[server] if sample and server else None


def of_sample(
    sample: Sample,
    found: Mapping[Place, Sequence[Finding]],
    alternatives: Alternatives,
    rules: Sequence[Rule],
    run: Run,
) -> Shown:
    """What a sample of a configuration shows; ``found`` is what there is in the whole, by place.

    What it does not show hangs on servers that are left out, such as two that have a certificate in common: these rules
    are asked again, with the servers of some of their findings.
    """
    shown = _look(sample, sample.configuration, alternatives, rules, run)
    missed = [each for where, there in found.items() if where not in shown.found for each in there[:ALIKE]]
    again = {finding.rule for finding in missed}
    if not again:
        return shown
    servers = {server for finding in missed for server in _servers(finding, sample)}
    more = _look(sample, sample.of(servers=servers), alternatives, [r for r in rules if r.name in again], run)
    return Shown(shown.found | more.found, shown.same - again | more.same, shown.near - again | more.near)


def _look(
    sample: Sample, configuration: Configuration, alternatives: Alternatives, rules: Sequence[Rule], run: Run
) -> Shown:
    """What the rules find in a part of the configuration that is like the sample."""
    seen: dict[object, dict[int, Finding]] = {}
    part = alternatives.within(configuration)
    numbers = range(-1, len(part.in_question.first))
    for number in numbers:
        for key, finding in keyed(run(configuration if number < 0 else part.configuration_in(number), rules)):
            seen.setdefault(key, {})[number] = finding
    titles = {server.directive: f"{server.title} on " for server in configuration.servers}
    found: set[Place] = set()
    varying: set[str] = set()
    far: set[str] = set()
    for having in seen.values():
        rule = next(iter(having.values())).rule
        found.update(place(finding, sample) for finding in having.values())
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


def _servers(finding: Finding, sample: Sample) -> set[Directive]:
    """The servers in whose lines a finding and its labels are."""
    places = (finding.location, *(label.location for label in finding.labels))
    return {server for place in places if (server := sample.server_at(directive_at(place))) is not None}


def _is_about_one(finding: Finding, sample: Sample, titles: Mapping[Directive | None, str]) -> bool:
    """Whether a finding is about one server: it has no labels in the lines of others, and no endpoints of theirs."""
    server = sample.server_at(directive_at(finding.location))
    return (
        server is not None
        and _servers(finding, sample) == {server}
        and all(endpoint.startswith(titles[server]) for endpoint in finding.endpoints)
    )
