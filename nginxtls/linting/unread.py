"""Findings on certificates that could not be read: what only one type of key has is hedged and says which."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.finding import Confidence, Severity
from nginxtls.linting.hooks import applicable
from nginxtls.model.facts import ASSUMED_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nginxtls.finding import Finding, Location
    from nginxtls.model import Configuration
    from nginxtls.rule import Rule

    Run = Callable[[Configuration, Sequence[Rule]], Sequence[Finding]]

BY_KEY = frozenset({"ciphers", "groups", "policy", "protocols"})
"""The topics whose faults may depend on the type of the server's key."""


def by_key(found: list[Finding], configuration: Configuration, rules: Iterable[Rule], run: Run) -> list[Finding]:
    """The findings of a configuration; those that rest on the type of a key that is not known are hedged."""
    rules = tuple(rules)
    names = _names(rules)
    if names.isdisjoint(finding.rule for finding in found) or not _unread(configuration):
        return found
    reported = {finding.rule for finding in found}
    some = applicable((rule for rule in rules if rule.name in names & reported), configuration)
    by_type: dict[str, dict[tuple[str, Location], Finding]] = {}
    for key in ASSUMED_KEYS:
        findings = run(configuration.with_keys(key), some)
        by_type[key.kind] = {(finding.rule, finding.location): finding for finding in findings}
    return list(_hedged(found, by_type, {rule.name for rule in some}))


@lru_cache(maxsize=16)
def _names(rules: tuple[Rule, ...]) -> frozenset[str]:
    return frozenset(rule.name for rule in rules if rule.topic in BY_KEY)


def _unread(configuration: Configuration) -> bool:
    """Whether an effective certificate could not be read."""
    return any(None in endpoint.tls.context.key_types for endpoint in configuration.endpoint_groups)


def _hedged(
    found: Iterable[Finding], by_type: dict[str, dict[tuple[str, Location], Finding]], compared: set[str]
) -> Iterator[Finding]:
    for finding in found:
        place = finding.rule, finding.location
        having = {kind: each[place] for kind, each in by_type.items() if place in each}
        fix = finding.fix
        if finding.rule not in compared or not having:
            yield finding
        elif len(having) == len(by_type):
            if fix is not None and fix.safe and any(each.fix != fix for each in having.values()):
                finding = finding.replace(fix=fix._replace(safe=False))
            yield finding
        else:
            (kind,) = having
            yield finding.replace(
                severity=Severity.NOTE,
                message=f"{finding.message}, if the key is {kind}",
                confidence=Confidence.LIKELY,
                notes=(*finding.notes, "the certificate could not be read, so the type of its key is not known"),
                fix=fix._replace(safe=False) if fix else None,
            )
