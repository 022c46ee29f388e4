"""Findings over the builds of nginx in question: what only some of them have is hedged and says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import pattern
from nginxtls.finding import Confidence, Severity
from nginxtls.linting.fingerprint import directive_at
from nginxtls.linting.hooks import applicable
from nginxtls.linting.shown import Shown, keyed, of_sample, place, varies
from nginxtls.model.directive_table import by_name
from nginxtls.model.listens import PARAMETERS_SINCE
from nginxtls.model.samples import shape_of
from nginxtls.model.versions import NginxVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.linting.shown import Place, Run
    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.model.builds import Build
    from nginxtls.rule import Rule

SAME_IN_ALL = frozenset({"certificates", "chain", "files", "hsts", "names", "renewal", "suppression", "versions"})
"""Topics that do not depend on the version (or, ``versions``, report on a known one only): they are looked at once."""

_STOPS = "does not start"
_LACKING = "directive-newer-than-nginx"
_NOBODY = "; no client notices"
_FLAW = pattern(r"CVE-\d{4}-\d{4,}")
_DIRECTIVE = pattern(r"\b([a-z][a-z0-9_]*_[a-z0-9_]+|http[23]|quic)\b")


def concerned(rules: Iterable[Rule], configuration: Configuration) -> list[Rule]:
    """The rules that may find something in a configuration that differs between builds."""
    return applicable((rule for rule in rules if rule.topic not in SAME_IN_ALL), configuration)


def merged(
    found: Sequence[Finding],
    alternatives: Alternatives,
    rules: Iterable[Rule],
    run: Run,
    alike: dict[object, Shown],
) -> Iterator[Finding]:
    """The findings of a configuration of unknown version, merged with what ``run`` finds in each build in question.

    A fault of all builds is reported as it is. One of some names them. It is a warning at most; about the defaults of
    builds that are not the newest it is a note. What no build in question has does not rest on the version, or was
    a guess, and is left out if it is only likely.

    ``alike`` has what earlier configurations showed, by their shape.
    """
    some = concerned(rules, alternatives.configuration)
    sample = alternatives.sample
    names = {rule.name for rule in some}
    places: dict[Place, list[Finding]] = {}
    for finding in found:
        if finding.rule in names:
            places.setdefault(place(finding, sample), []).append(finding)
    shape = shape_of(alternatives.configuration) if sample is None else None
    shown = alike.get(shape) if sample is None else of_sample(sample, places, alternatives, some, run)
    new = {rule for rule, _ in places.keys() - shown.found} if shown else frozenset[str]()
    same = shown.same - new if shown else frozenset()
    some = [rule for rule in some if rule.name not in same]
    compared = {rule.name for rule in some}
    near = shown.near & compared - new if shown else frozenset[str]()  # none without a sample
    few = alternatives.within(sample.of(kinds=shown.kinds(near))) if shown and sample and near else alternatives
    first = range(len(alternatives.in_question.first))
    builds: dict[object, dict[int, Finding]] = {}

    def look(number: int, rules: Sequence[Rule]) -> None:
        for part, in_few in ((alternatives, False), (few, True)):
            of_part = [rule for rule in rules if (rule.name in near) is in_few]
            for key, finding in keyed(run(part.configuration_in(number), of_part)) if of_part else ():
                builds.setdefault(key, {})[number] = finding

    for number in first:
        look(number, some)
    differing = {next(iter(having.values())).rule for having in builds.values() if len(having) < len(first)}
    for number in range(len(first), len(alternatives.builds)):
        look(number, [rule for rule in some if rule.name in differing])
    everywhere: list[Finding] = []
    base_only: set[str] = set()
    for key, finding in keyed(found):
        if finding.rule in same:
            everywhere.append(finding)
            yield _of_all(finding, (), alternatives)
        elif finding.rule not in compared or key not in builds:
            if finding.rule in compared and finding.confidence is Confidence.LIKELY:
                continue  # a guess, for want of a version, that no build bears out
            yield finding
            base_only.add(finding.rule)
            builds.pop(key, None)
        else:
            builds[key][-1] = finding
    if shown is None:
        varying = {f.rule for having in builds.values() if varies(having, (-1, *first)) for f in having.values()}
        alike[shape] = Shown(frozenset((f.rule, None) for f in found), frozenset(compared - varying - base_only))
    worst = _worst((*builds.values(), *(dict.fromkeys(first, finding) for finding in everywhere)))
    for having in builds.values():
        base = having.pop(-1, None)
        newest = having[alternatives.newest(having)] if base is None else base
        among = range(len(alternatives.builds)) if newest.rule in differing else first
        missing = [number for number in among if number not in having]
        if not missing:
            yield _of_all(newest, having.values(), alternatives)
        elif alternatives.newest(among) in having or not all(
            worst.get((number, newest.location), 0) >= newest.severity for number in missing
        ):
            hedged = _hedged(newest, having, among, alternatives)
            if hedged is not None:
                yield hedged


def _worst(builds: Iterable[dict[int, Finding]]) -> dict[object, Severity]:
    """The highest severity that a build has at a place: where a worse fault takes its place, a finding is left out."""
    found: dict[object, Severity] = {}
    for having in builds:
        for number, finding in having.items():
            key = number, finding.location
            found[key] = max(finding.severity, found.get(key, Severity.NOTE))
    return found


def _hedged(
    finding: Finding, having: dict[int, Finding], among: Collection[int], alternatives: Alternatives
) -> Finding | None:
    """The finding of some of the builds; None where all it says is that older nginx lacks what is written.

    A configuration in use is taken as one that its nginx accepts: a directive that older ones lack is not for them, and
    what stops only those is not fixed.
    """
    part, examples = alternatives.part(having, among), alternatives.examples(having)
    stops = _STOPS in finding.message and alternatives.newest(among) not in having
    if stops and finding.rule == _LACKING:
        return None
    endpoints = dict.fromkeys(endpoint for each in having.values() for endpoint in each.endpoints)
    note = f"the version is not known; this applies to {part}" + (f", as in {examples}" if examples else "")
    builds = [alternatives.builds[number] for number in having]
    current = alternatives.newest(among) in having
    most = Severity.WARNING if current or (_is_written(finding) and not stops) else Severity.NOTE
    return finding.replace(
        severity=min(finding.severity, most),
        message=_named(finding.message, part, builds, "{} ({})"),
        label=_named(finding.label, part, builds, "{}"),
        confidence=Confidence.LIKELY,
        notes=(*finding.notes, note),
        help=finding.help.replace(_NOBODY, ""),
        fix=finding.fix._replace(safe=False) if finding.fix and not stops else None,
        endpoints=tuple(endpoints),
    )


def _is_written(finding: Finding) -> bool:
    """Whether a finding is about a line of the configuration, and not about what a block leaves to nginx's defaults."""
    line = directive_at(finding.location)
    return line is not None and line.block is None


def _named(text: str, part: str, builds: Sequence[Build], otherwise: str) -> str:
    """The text with the part of the builds in place of the one that it was written for, or else with it as it says."""
    for build in builds:
        for name in (f"nginx {build.nginx}", f"OpenSSL {build.openssl}"):
            if name in text and part.startswith(name.partition(" ")[0]) and ", or " not in part:
                return text.replace(name, part)
    versions = {f"OpenSSL {build.openssl}" for build in builds}
    if len(versions) > 1:  # the text is about one of them
        for name in versions:
            text = text.replace(name, "OpenSSL")
    return otherwise.format(text, part)


def _of_all(finding: Finding, others: Iterable[Finding], alternatives: Alternatives) -> Finding:
    """A finding of all builds. Its fix is safe only if it is the same in each, and safe there."""
    nginx, openssl = alternatives.span
    message = finding.message
    for build in alternatives.builds:
        message = message.replace(f"nginx {build.nginx}", nginx).replace(f"OpenSSL {build.openssl}", openssl)
    fix = finding.fix
    if fix is not None and fix.safe and not all(each.fix == fix for each in others):
        fix = fix._replace(safe=False)
    return finding.replace(message=message, fix=fix)


# -- packages ----------------------------------------------------------------------------------------------------------


def by_package(finding: Finding, rule: Rule, configuration: Configuration) -> Finding | None:
    """A finding about nginx's version, as a distribution's package has it: its maintainers fix flaws by themselves.

    The package's changelog decides where it is known; a flaw that it does not name is there. Without a changelog,
    published flaws are notes. None if it is not a fault of the package.
    """
    provenance = configuration.facts.provenance
    of_openssl = finding.message.startswith("OpenSSL ")
    if rule.topic != "versions" or not (provenance.package or (of_openssl and provenance.openssl_package)):
        return finding
    flaw = _FLAW.search(finding.message)
    if flaw is None:
        return None  # about the support of nginx's and OpenSSL's own releases
    if of_openssl:
        package, fixed = f"openssl {provenance.openssl_package}".rstrip(), provenance.openssl_fixed
        complete = provenance.openssl_complete
    else:
        package, fixed, complete = f"nginx {provenance.package}", provenance.fixed, provenance.complete
    if flaw[0] in fixed:
        return None
    if complete:
        note = f"the changelog of package {package} does not name {flaw[0]}"
        return finding.replace(notes=(note,), help=_UPDATE)
    note = f"whether package {package} has the fix is not known: compare its changelog"
    return finding.replace(
        severity=Severity.NOTE, confidence=Confidence.LIKELY, notes=(note,), help=f"{_UPDATE}, if it names {flaw[0]}"
    )


_UPDATE = "install the package's security update"


# -- advice ------------------------------------------------------------------------------------------------------------


def advisable(finding: Finding, oldest: NginxVersion) -> Finding:
    """The finding with a help that says from which version on its directives exist, where ``oldest`` lacks one."""
    needed: dict[NginxVersion, str] = {}
    for name in _DIRECTIVE.findall(finding.help):
        since = _since(name)
        if since is not None and since > oldest:
            needed[since] = name
    if not needed:
        return finding
    version = max(needed)
    return finding.replace(help=f"{finding.help} ({needed[version]} needs nginx {version} or later)")


def _since(name: str) -> NginxVersion | None:
    """The first nginx that has a directive, where every module's came later than nginx itself."""
    if name == "quic":
        return NginxVersion(PARAMETERS_SINCE["http", name])
    versions = [entry.since for entry in by_name().get(name, ())]
    known = [version for version in versions if version is not None]
    return min(known) if known and len(known) == len(versions) else None
