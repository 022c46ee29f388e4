"""Visiting: each rule meets each thing of its kind once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nginxtls.finding import Failure
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration

_THINGS: tuple[tuple[str, Callable[[Configuration], Iterable[Any]]], ...] = (
    ("check_configuration", lambda configuration: (configuration,)),
    ("check_server", lambda configuration: configuration.servers),
    ("check_endpoint", lambda configuration: configuration.endpoints),
    ("check_bundle", lambda configuration: [b for b in configuration.bundles if b.bundle is not None]),
    ("check_upstream", lambda configuration: configuration.upstreams),
)


def visit(configuration: Configuration, rules: Sequence[Rule], failures: dict[object, Failure]) -> list[Finding]:
    """Call each hook that a rule overrides with each thing of its kind. A rule that breaks is told once; all go on."""
    found: list[Finding] = []
    for hook, things in _THINGS:
        wanting = [rule for rule in rules if _overrides(rule, hook)]
        fitting: dict[frozenset[str], list[tuple[Rule, Callable[[Any], Iterable[Finding]]]]] = {}
        for thing in things(configuration) if wanting else ():
            mentions = thing.mentions if hook == "check_server" else configuration.mentions
            if mentions not in fitting:
                fitting[mentions] = [(rule, getattr(rule, hook)) for rule in wanting if _speaks(rule, mentions)]
            for rule, check in fitting[mentions]:
                try:
                    found.extend(check(thing))
                except Exception as error:
                    failures.setdefault(rule.name, _broken(rule, error))
    for rule in rules:
        for name in rule.directives:
            for directive in configuration.directives(name):
                try:
                    found.extend(rule.check_directive(directive, configuration))
                except Exception as error:
                    failures.setdefault(rule.name, _broken(rule, error))
    return found


def _overrides(rule: Rule, hook: str) -> bool:
    return getattr(type(rule), hook) is not getattr(Rule, hook)


def _speaks(rule: Rule, mentions: frozenset[str]) -> bool:
    """Whether a rule can have anything to say of what has just these directives."""
    if not rule.needs or not mentions.isdisjoint(rule.needs):
        return True
    affixes = [need.partition("*")[::2] for need in rule.needs if "*" in need]
    return any(name.startswith(start) and name.endswith(end) for start, end in affixes for name in mentions)


def stopped(error: Exception) -> str:
    """What was raised and where. Its message is not shown: who knows what is in it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}" if trace else ""
    return f"stopped with {type(error).__name__}{place}"


def _broken(rule: Rule, error: Exception) -> Failure:
    return Failure(
        f"rule {rule.name}",
        stopped(error),
        help=f"this is a fault of the rule: please report it; until then --ignore {rule.name}",
    )
